//! The report: a versioned envelope and one body per kind.
//!
//! ```json
//! {"schema":"1.0","device":"srv-01","epoch":1795485600,"seq":7,"boot":"3f1c9a02","taken_at":"2026-11-24T02:00:00.120Z",
//!  "body":{"layout":"5be0c3a8f21d","v":[12.5,null,0.8]},"age_ms":34}
//! ```
//! Unknown fields are ignored; an unknown major version is refused with a reason ([`crate::codec`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::audit_head::AuditHead;
use crate::clock::Timestamp;
use crate::document::{Json, is_name};
use crate::id::{DeviceId, SensorName};
use crate::layout::{Layout, LayoutId};
use crate::software::Software;
use crate::topic::UpKind;

/// Where a report stands in its device's order. Compared by epoch, then sequence.
///
/// The sequence never repeats within an epoch; an agent takes a higher epoch at every start.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Position {
    /// Raised at every start of the agent.
    pub epoch: u64,
    /// Counted from 1 within the epoch.
    pub seq: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.epoch, self.seq)
    }
}

/// What is said about every report, whatever its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Who sent it. Must equal the certificate's common name.
    pub device: DeviceId,
    /// Which of the sensors it speaks for this is about; none means the sender itself.
    pub about: Option<SensorName>,
    /// Its place in the device's order.
    pub position: Position,
    /// The first eight hex digits of the kernel's boot ID: tells a reboot from a lost link.
    pub boot: String,
    /// When it was taken, by the device's wall clock.
    pub taken_at: Timestamp,
    /// How long ago that was when it was sent, by the device's boot clock, in milliseconds; none when the machine has
    /// rebooted since. Received time minus this, compared with `taken_at`, shows a wrong clock.
    pub age_ms: Option<u64>,
    /// What the device has lost so far, said with the first report after a place that is missing.
    pub lost: Option<Losses>,
}

impl Envelope {
    /// Whom the report is about: the sender, or the sensor it speaks for.
    #[must_use]
    pub fn subject(&self) -> DeviceId {
        // Decoding has seen to it that both names fit into one.
        let sensor = self.about.as_ref().and_then(|sensor| self.device.of_sensor(sensor).ok());
        sensor.unwrap_or_else(|| self.device.clone())
    }
}

/// A report: envelope and body.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Whose it is, and its place in the order.
    pub envelope: Envelope,
    /// What it says, by its kind.
    pub body: Body,
}

/// The body of a report, by kind of topic.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// `up/hello`
    Hello(Box<Hello>),
    /// `up/sample`
    Sample(Sample),
    /// `up/state`
    State(StateReport),
    /// `up/software`
    Software(Software),
    /// `up/event`
    Event(Event),
    /// `up/goodbye`
    Goodbye(Goodbye),
}

impl Body {
    /// The kind of topic this body travels on.
    #[must_use]
    pub const fn kind(&self) -> UpKind {
        match self {
            Self::Hello(_) => UpKind::Hello,
            Self::Sample(_) => UpKind::Sample,
            Self::State(_) => UpKind::State,
            Self::Software(_) => UpKind::Software,
            Self::Event(_) => UpKind::Event,
            Self::Goodbye(_) => UpKind::Goodbye,
        }
    }
}

/// Birth: who this is. Sent first in every epoch, and again when a fact changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the agent.
    pub agent_version: String,
    /// The kernel's boot ID, whole.
    pub boot_id: String,
    /// Made up at each start of the agent: two that take turns are two agents with one identity.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
    /// Hash over machine ID and DMI serial: tells a cloned identity from a moved one.
    pub fingerprint: String,
    /// Seconds between samples.
    pub interval_s: u32,
    /// The MQTT keep-alive this device asked for, in seconds.
    pub keep_alive_s: u16,
    /// Facts that seldom change.
    pub facts: Facts,
    /// Each probe's outcome.
    pub probes: Vec<ProbeReport>,
    /// The layout of the samples that follow.
    pub layout: Layout,
    /// What was lost before it could be sent, since the agent's state was made.
    #[serde(default)]
    pub losses: Losses,
    /// How earlier runs ended, oldest first; at most [`EARLIER_RUNS_MAX`]. A collector that is restored from a backup may have passed them
    /// once, and miss what came of them since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<EarlierRun>,
    /// What this device is, when it is a sensor that another device speaks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensor: Option<SensorFacts>,
}

/// What the configuration of the host that speaks for a sensor says of it. It fills what people have not written themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SensorFacts {
    /// Kind of device, by the name the collector uses: `sensor`, `ups`, `meter`, `cooling`, `projector`.
    pub kind: String,
    /// Name, for people.
    pub title: String,
    /// Asset label.
    pub label: String,
    /// Room or other place.
    pub room: String,
    /// How it is read, such as `modbus xy-md02`.
    pub profile: String,
    /// Where it is read, such as `tcp 192.0.2.7:502 unit 3`.
    pub address: String,
    /// Texts for the bits and states that its numbers carry: series, value, Vietnamese, English.
    pub texts: Vec<StateText>,
}

/// What a number of a sensor means in words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StateText {
    /// The series, such as `sensor.alarm|over-temperature`.
    pub series: String,
    /// The text in Vietnamese.
    pub vi: String,
    /// The text in English.
    pub en: String,
}

/// Facts of a machine that seldom change. An empty text means the machine does not tell.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Host name.
    pub hostname: String,
    /// `PRETTY_NAME` of os-release.
    pub os: String,
    /// `ID` of os-release.
    pub os_id: String,
    /// `VERSION_ID` of os-release.
    pub os_version: String,
    /// Kernel release.
    pub kernel: String,
    /// Machine architecture.
    pub arch: String,
    /// Maker of the machine (DMI).
    pub vendor: String,
    /// Product name (DMI).
    pub product: String,
    /// Serial number (DMI; readable by root only on most kernels).
    pub serial: String,
    /// BIOS version and date (DMI).
    pub bios: String,
    /// Processor model.
    pub cpu_model: String,
    /// Logical processors.
    pub cpu_count: u32,
    /// Memory, in bytes.
    pub memory_bytes: u64,
}

/// A probe's outcome: *read*, *absent* (this machine has none) or *unknown* (could not be read, and why).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum ProbeOutcome {
    /// It was read.
    Read,
    /// This machine has none.
    Absent {
        /// What was looked for.
        why: String,
    },
    /// Something is there, or may be, and it did not tell: no right, no answer in time, not understood.
    Unknown {
        /// Why not, with the path.
        why: String,
    },
}

/// One probe and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// The probe's name.
    pub probe: String,
    /// Read, absent or unknown, in the same object.
    #[serde(flatten)]
    pub outcome: ProbeOutcome,
}

/// What was lost before it could be sent: how many reports, by why, since the agent's state was made. Counted, never silent.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Losses {
    /// When counting began, milliseconds: counters of another beginning go on from nothing. 0 while nothing was lost.
    pub made: u64,
    /// Samples thinned out of a full spool: what is left is coarser, not gone.
    pub samples_thinned: u64,
    /// Samples dropped from a full spool or ring.
    pub samples_dropped: u64,
    /// Other reports dropped, after no sample was left to drop.
    pub events_dropped: u64,
    /// Reports too large to be sent at all.
    pub too_large: u64,
    /// Spooled reports that did not match their checksum.
    pub corrupt: u64,
    /// Reports dropped from memory while the disk could not be written.
    pub failing: u64,
    /// Reports that were only in memory when the agent was stopped and could not be written.
    pub unsaved: u64,
    /// Files of the spool that could not be read for long and were put aside, with an unknown number of reports.
    pub quarantined: u64,
}

/// Why a report is lost: what a device tells ([`Losses`]), then what only the collector knows.
#[allow(missing_docs, reason = "the fields of Losses say what a device tells")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossReason {
    SamplesThinned,
    SamplesDropped,
    EventsDropped,
    TooLarge,
    Corrupt,
    Failing,
    Unsaved,
    Quarantined,
    /// The collector refused it.
    Refused,
    /// Nobody has said.
    Unknown,
    /// A run of the agent ended without a goodbye, and how many it had taken is not known.
    CutOff,
}

impl LossReason {
    /// In the order in which they are told.
    pub const ALL: [Self; 11] = [
        Self::SamplesThinned,
        Self::SamplesDropped,
        Self::EventsDropped,
        Self::TooLarge,
        Self::Corrupt,
        Self::Failing,
        Self::Unsaved,
        Self::Quarantined,
        Self::Refused,
        Self::Unknown,
        Self::CutOff,
    ];

    /// The name used on the wire, in events and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SamplesThinned => "samples_thinned",
            Self::SamplesDropped => "samples_dropped",
            Self::EventsDropped => "events_dropped",
            Self::TooLarge => "too_large",
            Self::Corrupt => "corrupt",
            Self::Failing => "failing",
            Self::Unsaved => "unsaved",
            Self::Quarantined => "quarantined",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::CutOff => "cut_off",
        }
    }
}

impl Losses {
    /// The counts by reason. Those that are quarantined are files, not reports.
    #[must_use]
    pub const fn by_reason(&self) -> [(LossReason, u64); 8] {
        [
            (LossReason::SamplesThinned, self.samples_thinned),
            (LossReason::SamplesDropped, self.samples_dropped),
            (LossReason::EventsDropped, self.events_dropped),
            (LossReason::TooLarge, self.too_large),
            (LossReason::Corrupt, self.corrupt),
            (LossReason::Failing, self.failing),
            (LossReason::Unsaved, self.unsaved),
            (LossReason::Quarantined, self.quarantined),
        ]
    }

    /// The same without what counts files.
    pub fn reports_by_reason(&self) -> impl Iterator<Item = (LossReason, u64)> + use<> {
        self.by_reason().into_iter().filter(|(reason, _)| *reason != LossReason::Quarantined)
    }

    /// How many reports were lost, as far as the number is known.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.reports_by_reason().fold(0, |sum: u64, (_, count)| sum.saturating_add(count))
    }

    /// Nothing was lost.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.by_reason().iter().all(|(_, count)| *count == 0)
    }

    /// What was lost since `before`: nothing new where this was written earlier, everything where it counts anew.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let fell = self.by_reason().iter().zip(before.by_reason()).any(|((_, now), (_, then))| *now < then);
        if self.made != before.made || (self.made == 0 && fell) {
            return *self;
        }
        self.each(before, u64::saturating_sub)
    }

    /// What was lost, and what was lost before it: counted since that began, where anything was.
    #[must_use]
    pub fn after(&self, before: &Self) -> Self {
        let made = if before.made == 0 { self.made } else { before.made };
        Self { made, ..self.each(before, u64::saturating_add) }
    }

    /// The most that either has counted, where both count the same.
    #[must_use]
    pub fn or_more(&self, before: &Self) -> Self {
        if self.made == before.made && self.made != 0 { self.each(before, u64::max) } else { *self }
    }

    fn each(&self, other: &Self, make: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            made: self.made,
            samples_thinned: make(self.samples_thinned, other.samples_thinned),
            samples_dropped: make(self.samples_dropped, other.samples_dropped),
            events_dropped: make(self.events_dropped, other.events_dropped),
            too_large: make(self.too_large, other.too_large),
            corrupt: make(self.corrupt, other.corrupt),
            failing: make(self.failing, other.failing),
            unsaved: make(self.unsaved, other.unsaved),
            quarantined: make(self.quarantined, other.quarantined),
        }
    }
}

/// How an earlier run of the agent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierRun {
    /// The run's epoch, which no other run of the device has.
    pub epoch: u64,
    /// The last place that it is known to have given out.
    pub seq: u64,
    /// It ended by itself, so that `seq` is its very last place. Else it was cut off, and what it took in its last seconds is unknown.
    pub clean: bool,
}

/// Most earlier runs that are told of.
pub const EARLIER_RUNS_MAX: usize = 16;

/// Numbers, in the order of a layout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The layout that says what each number is.
    pub layout: LayoutId,
    /// One value per series; `null` where it could not be read.
    pub v: Vec<Option<f64>>,
}

/// A document, sent whole.
#[derive(Debug, Clone, PartialEq)]
pub enum StateReport {
    /// A new layout of the samples that follow.
    Layout(Layout),
    /// Each probe's outcome, when one changed.
    Probes(Vec<ProbeReport>),
    /// What a survey found ([`crate::document`]).
    Document {
        /// Its name, which is the survey's.
        name: String,
        /// JSON of the survey's reading; kept as it came.
        doc: Json,
    },
}

impl Serialize for StateReport {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Named<'a, T> {
            name: &'a str,
            doc: &'a T,
        }
        match self {
            Self::Layout(doc) => Named { name: "layout", doc }.serialize(serializer),
            Self::Probes(doc) => Named { name: "probes", doc }.serialize(serializer),
            Self::Document { name, doc } => Named { name, doc }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for StateReport {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Named {
            name: String,
            doc: Json,
        }
        let Named { name, doc } = Named::deserialize(deserializer)?;
        let fault = serde::de::Error::custom::<serde_json::Error>;
        match name.as_str() {
            "layout" => doc.read().map(Self::Layout).map_err(fault),
            "probes" => doc.read().map(Self::Probes).map_err(fault),
            _ if is_name(&name) => Ok(Self::Document { name, doc }),
            _ => Err(serde::de::Error::custom("the document's name is not 1 to 32 characters of a-z 0-9 -")),
        }
    }
}

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What, as `noun.verb`, such as `usb.attached`.
    pub name: String,
    /// What happened, for a person.
    pub text: String,
    /// Details by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

/// The last report of a run that ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goodbye {
    /// Whether the agent stops or the machine goes down.
    pub reason: GoodbyeReason,
    /// By when it will be back, in seconds from now; an outage starts only after that.
    pub return_within_s: u32,
}

/// Why a device leaves.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GoodbyeReason {
    /// The service was stopped or restarted.
    Stop,
    /// The machine goes down or reboots.
    Shutdown,
    /// A reason this version does not know.
    #[serde(other)]
    Other,
}

/// `down/committed`: everything up to this position is durable in the collector's store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// The watermark. Epoch and sequence 0 when nothing was ever committed.
    #[serde(flatten)]
    pub position: Position,
    /// Why the last report was refused, when it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The newest signed head of the audit log, for a device that said which it witnessed last; at most once a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<AuditHead>,
    /// Reports behind the watermark did not come, though the device did not say that it lost any: a broker lost them, and everything behind
    /// the watermark is to be sent again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resend: bool,
}

/// `down/ask`: a wish of the collector. Unknown wishes are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase")]
pub enum Ask {
    /// Send `hello` again, with the layout.
    Hello,
    /// Send the whole software list.
    Software,
    /// A wish this version does not know.
    #[serde(other)]
    Other,
}

/// `up/renew`: a request for a renewed certificate. It is not part of the order of reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renew {
    /// PKCS #10 request, PEM. The key never leaves the host.
    pub csr: String,
    /// That whoever holds the present key asks. Our own endpoint has seen that by the connection's certificate; through a broker nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<RenewProof>,
}

/// That a request for a renewed certificate was made by whoever holds the key of the present one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewProof {
    /// The present certificate, PEM.
    pub certificate: String,
    /// Signature by its key over the request's PEM text: ECDSA P-256 with SHA-256 in ASN.1, hex.
    pub signature: String,
}

/// `down/certificate`: the answer to `up/renew`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The certificate, PEM.
    pub certificate: String,
    /// The authority or authorities to trust from now on, PEM.
    pub authorities: String,
    /// When to ask for the next one: at two thirds of its life.
    pub renew_at: Timestamp,
    /// The end of its validity.
    pub expires_at: Timestamp,
}
