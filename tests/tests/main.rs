//! Everything that needs the real binaries: one program, so that all of it is linked once; each file is a module, and a subject.
//!
//! `scripts/test NAME` runs one of them, `scripts/test NAME::test` one test. Those that measure times run alone there (`alone` in
//! scripts/test); all others share the processors.
#![allow(clippy::unwrap_used, reason = "tests")]

mod accounts;
mod api;
mod browser;
mod budgets;
mod clock;
mod custody;
mod duty;
mod edge;
mod enrolment;
mod failed_programs;
mod field;
mod firewall;
mod hostile;
mod machines;
mod main_path;
mod notices;
mod probes;
mod remote_write;
mod rights;
mod roles;
mod sensors;
mod sequences;
mod settings;
mod silence;
mod single_sign_on;
mod spool_faults;
mod state;
mod strangers;
mod survive;
mod tickets;
mod tidy;
mod visibility;
