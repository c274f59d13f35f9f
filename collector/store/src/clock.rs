//! What the collector last believed of the time.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;

/// What was believed of the time at a moment: so that a step is seen that was made while the collector did not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockMark {
    /// The boot of the machine (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: String,
    /// Milliseconds since that boot.
    pub boot_ms: u64,
    /// The time that was believed then.
    pub at: Timestamp,
    /// The step that was written down and is not followed yet, milliseconds.
    #[serde(default)]
    pub step_ms: Option<i64>,
    /// By how much the clock was found ahead at a start after which nobody confirmed it, milliseconds: nothing is deleted until then.
    #[serde(default)]
    pub doubt_ms: Option<i64>,
    /// The sum of the small steps that were followed and count until they are a day old, milliseconds.
    #[serde(default)]
    pub followed_ms: i64,
}

impl ClockMark {
    /// Whether nothing may be deleted that goes by its age.
    #[must_use]
    pub const fn keeps_all(&self) -> bool {
        self.step_ms.is_some() || self.doubt_ms.is_some()
    }
}
