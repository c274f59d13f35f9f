//! The collector: takes reports in, judges them, commits them, tells people.
//!
//! Data flows one way: [`ingest`] → [`engine`] (which asks `ioc-judge`) → [`store`], one commit → outbox → [`notify`] and
//! [`web`]. What comes back (a delivery's result, a person's action) is a [`command`] through the same engine. There is one
//! writer of state: the engine's thread.

pub mod account;
pub mod alert;
pub mod arguments;
pub mod audit;
pub mod cli;
pub mod collate;
pub mod command;
pub mod config;
pub mod coverage;
pub mod crowd;
pub mod doctor;
pub mod engine;
pub mod examining;
pub mod first;
pub mod folding;
pub mod hashing;
pub mod health;
pub mod history;
mod http;
pub mod ingest;
pub mod inventory;
pub mod judged;
pub mod link;
pub mod notify;
mod oidc;
mod paced;
pub mod people;
pub mod pki;
pub mod place;
pub mod probe_host;
pub mod reach;
pub mod register;
pub mod remote_write;
pub mod replay;
pub mod room;
mod seal;
pub mod second;
pub mod serve;
pub mod setup;
pub mod sheet;
pub mod store;
pub mod ticket;
pub mod values;
pub mod web;
pub mod written;
