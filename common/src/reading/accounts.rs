//! Accounts (article 13): dates and rights. No hash and no password ever comes this far.

use serde::{Deserialize, Serialize};

use super::Sink;
use crate::clock::Timestamp;
use crate::document::{Findings, days};

/// Human and administrator accounts of a host.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Accounts {
    /// The accounts that a person can sign in with, and every administrator.
    pub accounts: Vec<Account>,
    /// Why password dates are not known, when they are not.
    pub unknown: String,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// Name.
    pub name: String,
    /// It may act as administrator: uid 0, or by sudo.
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
    const NAME: &'static str = "accounts";

    fn numbers(&self, now: Timestamp, sink: &mut dyn Sink) {
        let count = |which: fn(&Account) -> bool| self.accounts.iter().filter(|one| which(one)).count() as f64;
        sink.put("account.people", "", self.accounts.len() as f64);
        sink.put("account.administrators", "", count(|one| one.administrator));
        let known = self.unknown.is_empty();
        let empty = if known { count(|one| one.empty_password == Some(true)) } else { f64::NAN };
        sink.put("account.empty_passwords", "", empty);
        for account in &self.accounts {
            // Who cannot sign in by password has none to change.
            if account.locked != Some(true) {
                let age = account.changed_at.map_or(f64::NAN, |at| days(now, at).max(0.0));
                sink.put("account.password_age", &account.name, age);
            }
        }
    }
}

/// Who is signed in, and who failed to (articles 5.1b, 17.2).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sessions {
    /// Sessions open now, by account and terminal.
    pub sessions: Vec<Session>,
    /// Failed sign-ins of the last hour; none when they cannot be read.
    pub failures: Option<u32>,
    /// Where most of them came from.
    pub failures_from: Vec<String>,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// Account.
    pub account: String,
    /// Terminal.
    pub terminal: String,
    /// From which host; empty when local.
    pub from: String,
    /// Since when.
    pub since: Option<Timestamp>,
}

impl Findings for Sessions {
    const NAME: &'static str = "sessions";

    fn numbers(&self, _: Timestamp, sink: &mut dyn Sink) {
        sink.put("session.open", "", self.sessions.len() as f64);
        sink.put("session.failures", "", self.failures.map_or(f64::NAN, f64::from));
    }
}
