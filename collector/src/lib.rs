//! The collector: what runs around the engine. It receives reports, sends notices, opens tickets, and has the command line.
//!
//! Data flows one way: `ioc-ingest` → `ioc-engine` (which asks `ioc-judge`) → `ioc-store`, one commit → outbox → [`notify`] and
//! `ioc-web`. What comes back (a delivery's result, a person's action) is a command through the same engine. There is one
//! writer of state: the engine.

pub mod arguments;
pub mod audit_verify;
pub mod backup;
mod broker;
pub mod cli;
pub mod cluster;
mod collector_name;
pub mod compaction;
pub mod config;
pub mod configuration;
pub mod doctor;
pub mod fill_rate;
pub mod first_start;
pub mod host_probe;
pub mod integrity_check;
pub mod join;
pub mod notify;
mod panics;
pub mod records;
mod records_count;
pub mod remote_write;
mod retention;
pub mod search_index;
pub mod serve;
pub mod setup;
pub mod software_register;
mod standby;
pub mod store_copy;
mod tar;
mod task_watch;
pub mod ticket;
mod timestamp;
mod watchdog;
pub mod xlsx;
