//! Patches: what the distribution says is to be installed (article 9.2).

use serde::{Deserialize, Serialize};

use super::probe_info::DAY_S;
use super::{Findings, ProbeInfo, Sink, days, flag};
use crate::clock::Timestamp;

/// Most updates named in one document; the counts count all.
pub const UPDATES_MAX: usize = 400;

/// Pending updates and what belongs to them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Patches {
    /// Who was asked: `apt`, `dnf` or `dnf5`; or who should have been, where nobody knows what is pending.
    pub manager: String,
    /// When the package lists were last fetched.
    pub refreshed_at: Option<Timestamp>,
    /// Updates that could be installed, held packages left out; none where nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<u32>,
    /// How many of them the distribution itself calls security updates; none where it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security: Option<u32>,
    /// The updates, security first.
    pub updates: Vec<Update>,
    /// Packages that an administrator holds back.
    pub held: Vec<String>,
    /// Packages whose update comes in stages and has not come to this machine yet (Ubuntu).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phased: Vec<String>,
    /// Security updates are installed automatically.
    pub automatic: Option<bool>,
    /// A reboot is needed to use what is installed.
    pub reboot_needed: Option<bool>,
    /// Which packages ask for it.
    pub reboot_for: Vec<String>,
    /// The kernel that runs.
    pub kernel_running: String,
    /// The newest kernel that is installed; empty where none is, as in a container.
    pub kernel_installed: String,
    /// When the distribution stops its security support, `YYYY-MM-DD`; empty when unknown.
    pub end_of_life: String,
    /// Why something is not known: lists that are not understood, a package manager that is not asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// One pending update.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Update {
    /// Name of the package.
    pub name: String,
    /// Version that is installed.
    pub installed: String,
    /// Version that could be.
    pub candidate: String,
    /// A security update, by the distribution's own word; none where it does not say.
    pub security: Option<bool>,
    /// Since when this agent knows of it.
    pub known_since: Option<Timestamp>,
}

impl Findings for Patches {
    const PROBE: ProbeInfo = ProbeInfo::survey("patches", DAY_S, &["patch.", "os."])
        .members(&[("/updates", &["name"])])
        .volatile(&["/refreshed_at"]);

    fn numbers(&self, now: Timestamp, sink: &mut dyn Sink) {
        let count = |count: Option<u32>| count.map_or(f64::NAN, f64::from);
        let oldest = self
            .updates
            .iter()
            .filter(|update| update.security == Some(true))
            .filter_map(|update| update.known_since)
            .min();
        sink.put("patch.pending", "", count(self.pending));
        sink.put("patch.security", "", count(self.security));
        let none = if self.security.is_some() { 0.0 } else { f64::NAN };
        sink.put("patch.security_age", "", oldest.map_or(none, |since| days(now, since).max(0.0)));
        sink.put("patch.refresh_age", "", self.refreshed_at.map_or(f64::NAN, |at| days(now, at).max(0.0)));
        sink.put("patch.held", "", if self.pending.is_some() { self.held.len() as f64 } else { f64::NAN });
        sink.put("patch.automatic", "", flag(self.automatic));
        sink.put("patch.reboot_needed", "", flag(self.reboot_needed));
        let end = format!("{}T00:00:00Z", self.end_of_life).parse::<Timestamp>().ok();
        sink.put("os.support_days", "", end.map_or(f64::NAN, |end| -days(now, end)));
    }
}
