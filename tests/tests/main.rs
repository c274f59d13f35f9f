//! Everything that needs the real binaries: one program, so that all of it is linked once; each file is a module, and a subject.
//!
//! `scripts/test NAME` runs one of them, `scripts/test NAME::test` one test. Those that measure times run alone there (`alone` in
//! scripts/test); all others share the processors.
#![allow(clippy::unwrap_used, reason = "tests")]

mod account_register;
mod accounts;
mod agent_cost;
mod agent_settings;
mod api;
mod authenticity;
mod backup;
mod backup_faults;
mod brokers;
mod browser;
mod budgets;
mod clock;
mod deletions;
mod document_history;
mod documents;
mod duty;
mod enrolment;
mod failed_programs;
mod field;
mod file_limits;
mod filings;
mod firewall;
mod hostile;
mod incident_deadlines;
mod inventory_counts;
mod jobs;
mod machines;
mod main_path;
mod mqtt_sequences;
mod notices;
mod personal_text;
mod probes;
mod records;
mod registers;
mod remote_write;
mod reports;
mod retention;
mod roles;
mod search;
mod second_editor;
mod second_machine;
mod sensors;
mod signed_heads;
mod silent_peers;
mod single_sign_on;
mod spool_faults;
mod sshd_sudo;
mod state_directory;
mod store_faults;
mod storms;
mod strangers;
mod survive;
mod tickets;
mod tidy;
mod timestamps;
mod visibility;
