//! The inventory: devices as people and pages see them.

use serde::Serialize;

use ioc_common::clock::Timestamp;
use ioc_common::layout::LayoutId;
use ioc_common::report::Position;
use ioc_judge::{DeviceInfo, Presence, Severity};

/// A device as it stands in the store.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceRecord {
    /// What people say of it.
    #[serde(flatten)]
    pub info: DeviceInfo,
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Whether it is heard.
    pub presence: Presence,
    /// Everything up to here is committed.
    pub watermark: Position,
    /// Boot ID of its last hello.
    pub boot_id: String,
    /// Fingerprint of its last hello.
    pub fingerprint: String,
    pub interval_s: u32,
    pub keep_alive_s: u16,
    /// When anything was last received from it.
    pub last_heard: Option<Timestamp>,
    /// When its newest sample was taken.
    pub last_sample: Option<Timestamp>,
    /// Clock error, milliseconds with sign.
    pub clock_error_ms: Option<i64>,
    /// Layout of its newest sample.
    #[serde(skip)]
    pub layout: Option<LayoutId>,
    /// Its newest numbers, in the order of the layout.
    #[serde(skip)]
    pub latest: Vec<Option<f64>>,
    /// The worst severity of its open faults; none without one.
    #[serde(skip)]
    pub worst: Option<Severity>,
    /// How many of its reports were lost in all.
    pub reports_lost: u64,
    /// When it last lost any, to the hour; none when that is long ago.
    pub last_loss: Option<Timestamp>,
    /// Its hello is one of a sensor: it speaks without an agent of its own.
    pub plain: bool,
    /// Until when its reports came through a broker: [`Timestamp::MAX`] while they do, none when none did.
    #[serde(skip)]
    pub broker_until: Option<Timestamp>,
}

impl DeviceRecord {
    /// Whether samples have stayed away for three intervals.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.last_sample.is_some_and(|last| now.millis_since(last) > self.stale_ms())
    }

    /// How old its newest sample may be, milliseconds: three intervals.
    #[must_use]
    pub fn stale_ms(&self) -> i64 {
        i64::from(self.interval_s.max(5)) * 3000
    }
}
