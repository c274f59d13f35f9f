//! The agent: probes the host it runs on, keeps reports until they are committed, and sends them to the collector.
//!
//! Rooms: [`ioc_probe`] reads, [`sampler`] runs the probes, [`schedule`] says when, [`spool`] keeps, [`uplink`] sends,
//! [`runner`] ties them together. Deliberately absent: anything that could run a command sent from outside.

mod audit_witness;
pub mod capture;
pub mod cli;
pub mod collector_watchdog;
pub mod config;
pub mod docs;
pub mod doctor;
pub mod enrol;
pub mod host;
pub mod identity;
pub mod preview;
pub mod remote_settings;
pub mod runner;
pub mod sampler;
pub mod schedule;
pub mod sensor;
pub mod spool;
pub mod status;
pub mod survey;
pub mod surveyor;
pub mod uplink;
