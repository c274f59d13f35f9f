//! Accounts (article 13): dates and rights. No hash and no password ever comes this far.

use serde::{Deserialize, Serialize};

use super::probe_info::HOUR_S;
use super::{Findings, ProbeInfo, Sink, days};
use crate::clock::Timestamp;

/// Human and administrator accounts of a host.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Accounts {
    /// The accounts that a person can sign in with, and every administrator.
    pub accounts: Vec<Account>,
    /// How many these are, those that are too many to be listed among them.
    pub people: Option<u32>,
    /// How many of them are administrators; none when a rule could not be read or understood.
    pub administrators: Option<u32>,
    /// How many have no password at all; none when the shadow file could not be read.
    pub empty_passwords: Option<u32>,
    /// What could not be read or resolved, and why.
    pub unknown: String,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// It may act as administrator: uid 0, or by sudo, which lets it run at least one command as root on this host.
    pub administrator: bool,
    /// Why: `uid 0`, `group sudo`, `sudoers.d/ops` …
    pub by: Vec<String>,
    /// Its password is locked; keys may still let it in.
    pub locked: Option<bool>,
    /// It has no password at all: anyone may sign in.
    pub empty_password: Option<bool>,
    /// When its password was last changed.
    pub changed_at: Option<Timestamp>,
    /// After how many days the system asks for a new one; none when never.
    pub max_age_days: Option<u32>,
    /// When the account ends.
    pub expires_at: Option<Timestamp>,
}

impl Findings for Accounts {
    const PROBE: ProbeInfo = ProbeInfo::survey("accounts", 6 * HOUR_S, &["account."])
        .personal(&["/"], &["account."])
        .members(&[("/accounts", &["name"])]);

    fn numbers(&self, now: Timestamp, sink: &mut dyn Sink) {
        let number = |count: Option<u32>| count.map_or(f64::NAN, f64::from);
        sink.put("account.people", "", number(self.people));
        sink.put("account.administrators", "", number(self.administrators));
        sink.put("account.empty_passwords", "", number(self.empty_passwords));
        for account in &self.accounts {
            // Who cannot sign in by password has none to change.
            if account.locked != Some(true) {
                let age = account.changed_at.map_or(f64::NAN, |at| days(now, at).max(0.0));
                sink.put("account.password_age", &account.name, age);
            }
        }
    }
}
