//! Pages and API over HTTPS, and the same API over the control socket.
//!
//! Each module names only what stands below it: `router` names the subjects, a subject what all pages share, and that the state and
//! the ways to store and engine. A subject's page and its part of the API stand in one file.

mod account;
mod administration;
mod api;
mod api_types;
mod app;
mod authenticity;
mod authorization;
pub mod broker_authorization;
mod configuration;
mod cookie;
mod coverage;
mod dashboard;
mod device;
mod display_wall;
mod duty;
mod enrolment;
mod feed_stamps;
mod i18n;
mod incident;
mod install;
mod jobs;
mod language;
mod live;
mod maintenance;
mod oidc;
mod overview;
mod page;
mod people;
mod person;
mod personal_data;
mod problem;
mod qr;
mod quick_search;
mod rate_limit;
mod readers;
mod recent_accesses;
mod register;
mod report;
mod report_drafts;
mod room;
mod router;
mod rule;
mod rule_previews;
mod seal;
mod search;
pub mod server;
mod sign_in;
mod system_backups;
mod tone;
pub mod waiting;

pub use app::App;
