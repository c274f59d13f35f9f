//! Decides: takes commands and reports, asks the judge, and hands what follows to the store in one commit. Here is what it decides by,
//! too: configuration, accounts, keys and certificates, and what is known of devices.
//!
//! One thread writes ([`writer`]); everybody else sends it a [`command`]. It names neither pages, nor notices, nor the way in of reports:
//! those are built on it.

pub mod acceptor;
pub mod account;
pub mod alert;
pub mod audit_action;
pub mod backup;
pub mod broker;
pub mod command;
pub mod command_error;
pub mod commit_times;
pub mod config;
pub mod configuration;
pub mod connection_limit;
pub mod conversation;
pub mod expected_backup;
pub mod health;
pub mod http;
pub mod inventory;
pub mod job;
pub mod lease;
pub mod local_time;
pub mod log_rate_limit;
pub mod notifier;
pub mod open_files;
pub mod payload_profile;
pub mod pki;
pub mod power_score;
pub mod prometheus;
pub mod records_count;
pub mod refusal_field;
pub mod refusal_reason;
pub mod replay;
pub mod sealed_secret;
pub mod shutdown;
pub mod site_setup;
pub mod software_catalogue;
pub mod ticket_client;
pub mod unjudged;
pub mod writer;
