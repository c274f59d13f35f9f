//! Everything that needs the real binaries: one program, so that all of it is linked once; each file is a module, and a subject.
//!
//! `scripts/test NAME` runs one of them, `scripts/test NAME::test` one test. Those that measure times run alone there (`ALONE` in
//! scripts/test); all others share the processors.
#![allow(clippy::unwrap_used, reason = "tests")]

mod accounts;
mod api;
mod browser;
mod budgets;
mod clock;
mod custody;
mod duty;
mod enrolment;
mod failing;
mod field;
mod firewall;
mod hostile;
mod losing;
mod machines;
mod main_path;
mod notices;
mod people;
mod probes;
mod reach;
mod remote_write;
mod rights;
mod sensors;
mod sequences;
mod settings;
mod silence;
mod single;
mod state;
mod strangers;
mod survive;
mod tickets;
mod tidy;
