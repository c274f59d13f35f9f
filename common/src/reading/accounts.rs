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
    /// When somebody last signed in with it, by lastlog and wtmp. None when no record says so, which is not *never*: records are cut, and not
    /// every way in leaves one.
    pub last_sign_in_at: Option<Timestamp>,
    /// Somebody is signed in with it now; none when that cannot be known.
    pub signed_in: Option<bool>,
}

impl Account {
    /// For how many days nobody was signed in with it; none when no record says so, and of an account that is locked or has ended: nobody could be.
    #[must_use]
    pub fn idle_days(&self, now: Timestamp) -> Option<f64> {
        if self.locked == Some(true) || self.expires_at.is_some_and(|ends| ends <= now) {
            return None;
        }
        if self.signed_in == Some(true) {
            return Some(0.0);
        }
        self.last_sign_in_at.map(|at| days(now, at).max(0.0))
    }
}

impl Findings for Accounts {
    const PROBE: ProbeInfo = ProbeInfo::survey("accounts", 6 * HOUR_S, &["account."])
        .personal(&["/"], &["account."])
        .members(&[("/accounts", &["name"])])
        .volatile(&["/accounts/*/last_sign_in_at", "/accounts/*/signed_in"]);

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
            // Where no record says so there is no number: most accounts of services have never signed in, and nothing is to be measured of them.
            if let Some(idle) = account.idle_days(now) {
                sink.put("account.idle", &account.name, idle);
            }
        }
    }
}
