//! Patches: what the distribution says is to be installed (article 9.2).

use serde::{Deserialize, Serialize};

use super::Sink;
use crate::clock::Timestamp;
use crate::document::{Findings, days, flag};

/// Most updates named in one document; the counts count all.
pub const UPDATES_MAX: usize = 400;

/// Pending updates and what belongs to them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Patches {
    /// Who was asked: `apt` or `dnf`.
    pub manager: String,
    /// When the package lists were last fetched.
    pub refreshed_at: Option<Timestamp>,
    /// Updates that could be installed, held packages left out.
    pub pending: u32,
    /// How many of them the distribution itself calls security updates.
    pub security: u32,
    /// The updates, security first.
    pub updates: Vec<Update>,
    /// Packages that an administrator holds back.
    pub held: Vec<String>,
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
}

/// One pending update.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Update {
    /// Package.
    pub name: String,
    /// Version that is installed.
    pub installed: String,
    /// Version that could be.
    pub candidate: String,
    /// A security update, by the distribution's own word.
    pub security: bool,
    /// Since when this agent knows of it.
    pub known_since: Option<Timestamp>,
}

impl Findings for Patches {
    const NAME: &'static str = "patches";

    fn numbers(&self, now: Timestamp, sink: &mut dyn Sink) {
        let oldest = self.updates.iter().filter(|update| update.security).filter_map(|update| update.known_since).min();
        sink.put("patch.pending", "", f64::from(self.pending));
        sink.put("patch.security", "", f64::from(self.security));
        sink.put("patch.security_age", "", oldest.map_or(0.0, |since| days(now, since).max(0.0)));
        sink.put("patch.refresh_age", "", self.refreshed_at.map_or(f64::NAN, |at| days(now, at).max(0.0)));
        sink.put("patch.held", "", self.held.len() as f64);
        sink.put("patch.automatic", "", flag(self.automatic));
        sink.put("patch.reboot_needed", "", flag(self.reboot_needed));
        let end = format!("{}T00:00:00Z", self.end_of_life).parse::<Timestamp>().ok();
        sink.put("os.support_days", "", end.map_or(f64::NAN, |end| -days(now, end)));
    }
}
