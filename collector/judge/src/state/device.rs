//! What the judge knows of a device.

use std::collections::BTreeSet;
use std::sync::Arc;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::layout::Layout;
use ioc_common::report::{Position, StateText};

use super::series_state::{Binding, SeriesState};
use crate::device::DeviceInfo;
use crate::losses::LossLedger;
use crate::presence::Presence;
use crate::rule::SampleWindow;

/// A device, as the judge knows it.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone)]
pub struct Device {
    /// What people say of it.
    pub info: DeviceInfo,
    /// Whether it is heard.
    pub presence: Presence,
    /// A link is open now.
    pub connected: bool,
    /// Everything up to here is judged and committed.
    pub watermark: Position,
    /// Boot ID of its last hello.
    pub boot_id: String,
    /// Fingerprint of its last hello.
    pub fingerprint: String,
    /// The run of its agent ([`ioc_common::report::Hello::run`]) and the one before, since the collector started.
    pub(crate) run: String,
    pub(crate) former_run: String,
    /// How often the two have taken turns.
    pub(crate) returns: u8,
    /// Its identity is on two machines: nothing that comes under it is believed.
    pub(crate) quarantined: bool,
    pub interval_s: u32,
    pub keep_alive_s: u16,
    /// When anything was last received from it.
    pub last_heard: Option<Timestamp>,
    /// When its newest sample was taken, on the collector's clock.
    pub last_sample: Option<Timestamp>,
    /// Clock error, in milliseconds with sign, when last known: positive when the device's clock is ahead.
    pub clock_error_ms: Option<i64>,
    /// Until when its reports came through a broker, which alone vouches for it: [`Timestamp::MAX`] while they do, none when none did.
    pub broker_until: Option<Timestamp>,
    /// What it lost of its reports, and why.
    pub losses: LossLedger,
    /// The layout its samples use now.
    pub layout: Option<Arc<Layout>>,
    /// It speaks for itself without an agent, and may sleep between two messages.
    pub plain: bool,
    /// What its numbers mean in words, when it is a sensor.
    pub texts: Arc<[StateText]>,
    /// The sensors it speaks for.
    pub(crate) children: Vec<DeviceId>,
    /// The devices whose network goes through it.
    pub(crate) behind: BTreeSet<DeviceId>,
    pub(crate) bindings: Arc<[Binding]>,
    pub(crate) series_states: Vec<SeriesState>,
    /// What rules that look at change remember, one for each of them.
    pub(crate) sample_windows: Vec<SampleWindow>,
    pub(crate) asked_layout: bool,
    /// Since it brought more than its budgets allow: when it is believed to keep within them again.
    pub(crate) beyond_until: Option<Timestamp>,
    /// It was asked to announce its sensors, or told off for one, since its last hello: once is enough.
    pub(crate) asked_sensors: bool,
}

impl Device {
    /// A device that was enrolled and never heard.
    #[must_use]
    pub fn new(info: DeviceInfo) -> Self {
        Self {
            info,
            presence: Presence::NeverSeen,
            connected: false,
            watermark: Position::default(),
            boot_id: String::new(),
            fingerprint: String::new(),
            run: String::new(),
            former_run: String::new(),
            returns: 0,
            quarantined: false,
            interval_s: 10,
            keep_alive_s: 30,
            last_heard: None,
            last_sample: None,
            clock_error_ms: None,
            broker_until: None,
            losses: LossLedger::default(),
            layout: None,
            plain: false,
            texts: Arc::from([]),
            children: Vec::new(),
            behind: BTreeSet::new(),
            bindings: Arc::from([]),
            series_states: Vec::new(),
            sample_windows: Vec::new(),
            asked_layout: false,
            beyond_until: None,
            asked_sensors: false,
        }
    }

    /// Whether what was taken or heard at this moment came through a broker, as far as is known.
    #[must_use]
    pub fn came_through_broker(&self, at: Timestamp) -> bool {
        self.broker_until.is_some_and(|until| at <= until)
    }

    /// Begins every series anew, one state for each binding.
    pub(crate) fn reset_series(&mut self) {
        self.series_states = vec![SeriesState::Good; self.bindings.len()];
        self.sample_windows = vec![SampleWindow::default(); self.bindings.len()];
    }
}
