//! Who is signed in, and who failed to (articles 5.1b, 17.2).

use serde::{Deserialize, Serialize};

use super::probe_info::MINUTE_S;
use super::{Findings, ProbeInfo, Sink};
use crate::clock::Timestamp;

/// Who is signed in, and who failed to (articles 5.1b, 17.2).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sessions {
    /// How many sessions are open now; none without utmp and logind.
    pub open: Option<u32>,
    /// Sessions open now, by account and terminal; those that are named.
    pub sessions: Vec<Session>,
    /// Failed sign-ins of the last hour; none where neither btmp nor the journal may be read.
    pub failures: Option<u32>,
    /// Where most of them came from.
    pub failures_from: Vec<String>,
    /// Why something is not known: of utmp, of btmp or of the journal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// Login name of the account.
    pub account: String,
    /// Terminal of the session, such as `pts/0` or `:1`.
    pub terminal: String,
    /// From which host; empty when local.
    pub from: String,
    /// Since when.
    pub since: Option<Timestamp>,
}

impl Findings for Sessions {
    const PROBE: ProbeInfo = ProbeInfo::survey("sessions", 10 * MINUTE_S, &["session."])
        .personal(&["/"], &["login.", "session."])
        .members(&[("/sessions", &["account", "terminal"])])
        .volatile(&["/failures", "/failures_from"]);

    fn numbers(&self, _: Timestamp, sink: &mut dyn Sink) {
        sink.put("session.open", "", self.open.map_or(f64::NAN, f64::from));
        sink.put("session.failures", "", self.failures.map_or(f64::NAN, f64::from));
    }
}
