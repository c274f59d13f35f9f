//! What goes into the judge and what comes out.

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_common::report::{Ask, Position, Report};

use crate::authenticity::InformationSource;
use crate::device::DeviceInfo;
use crate::duty::Cover;
use crate::fault::{Fault, Matter};
use crate::incident::{Action, Attachment, Incident, NewIncident, TimelineStep};
use crate::losses::Loss;
use crate::maintenance::Window;
use crate::notice::Notice;
use crate::presence::HostAnswer;
use crate::rule::document::Comparison;
use crate::severity::Severity;
use crate::text::Text;

/// What the judge is told: something that happened, or that somebody wants.
#[derive(Debug)]
#[allow(missing_docs, reason = "the variants say what their fields are")]
pub enum Input<'a> {
    /// A device was enrolled, or what people say of it changed.
    Enrolled(DeviceInfo),
    /// A device may no longer report.
    Removed(&'a DeviceId),
    /// One machine alone has this identity again.
    Released {
        device: &'a DeviceId,
        /// Why that is known.
        why: Text,
    },
    /// A link was opened.
    Connected {
        device: &'a DeviceId,
        /// The keep-alive it asked for, seconds.
        keep_alive_s: u16,
    },
    /// A link broke without a goodbye.
    LinkBroken {
        device: &'a DeviceId,
        /// How long ago its last packet came, milliseconds on a clock that nobody sets.
        quiet_ms: i64,
    },
    /// Nothing came on a link that still stands for [`presence::quiet_after_ms`](crate::presence::quiet_after_ms).
    LinkIdle {
        device: &'a DeviceId,
        /// How long ago its last packet came, milliseconds.
        quiet_ms: i64,
    },
    /// A packet came on a link that was quiet.
    LinkAlive { device: &'a DeviceId },
    /// A device's report came.
    Report(&'a Report),
    /// A report was refused unread; it takes its place in the order, so that it is not sent for ever.
    Skipped { device: &'a DeviceId, position: Position },
    /// A device brings more than its budgets allow.
    OverBudget {
        device: &'a DeviceId,
        /// Of what, in words.
        what: Text,
    },
    /// The second probe has an answer.
    HostProbed { device: &'a DeviceId, answer: HostAnswer },
    /// A person does something with an incident.
    Act { incident: IncidentId, who: &'a str, action: Action },
    /// A file was added to an incident.
    Attach { incident: IncidentId, attachment: Attachment },
    /// A person opens an incident.
    Open { who: &'a str, incident: NewIncident },
    /// Something is wrong with the collector or the centre as a whole, or is no more.
    SelfFault {
        /// What, as a name that is always the same.
        key: &'static str,
        /// What to say while it is; none when it is no more.
        incident: Option<NewIncident>,
        why: Text,
    },
    /// Another system says that something is wrong with a device, or is no more.
    Alert(Alert),
    /// A person plans a maintenance window or a freeze.
    PlanWindow {
        window: Window,
        /// What speaks against it is known.
        overrule: bool,
    },
    /// A person ends a window.
    EndWindow(u64),
    /// People stand in on rotas: all of these, or none, as when two swap their shifts.
    AddCovers(Vec<Cover>),
    /// Nobody stands in any more.
    RemoveCover(u64),
    /// Time has passed: what is due by now is done.
    Wake,
}

/// What another system says of a device.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Who says so.
    pub source: InformationSource,
    /// The device that it is about.
    pub device: DeviceId,
    /// Its name there, with the source before it: `prometheus/HighLatency`.
    pub name: String,
    /// What tells two alerts of one name apart.
    pub fingerprint: String,
    pub severity: Severity,
    /// What is wrong, in a sentence.
    pub title: Text,
    /// What the other system knows of it.
    pub reason: Text,
    /// Since when it is so, by the other system's word.
    pub since: Timestamp,
    /// It is bad now.
    pub firing: bool,
    /// What is said when it is not any more.
    pub over: Text,
    /// What it is a part of, where many devices have the same; its fingerprint names the device then.
    pub matter: Option<Matter>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the variants say what their fields are")]
pub enum Effect {
    /// The device's presence changed.
    Presence(DeviceId),
    /// A sensor was announced by the device that speaks for it, or what is known of it was filled: keep it.
    Announced(DeviceInfo),
    /// A sensor went with the device that spoke for it.
    Removed(DeviceId),
    /// Two machines have this identity: let neither report.
    Quarantined(DeviceId),
    /// A fault was raised, cleared or joined to an incident: keep it as it now is.
    Fault(Fault),
    /// An incident was opened or changed: keep it as it now is.
    Incident(Box<Incident>),
    /// A step of an incident's timeline.
    Step(TimelineStep),
    /// A window was planned: keep it.
    Window(Window),
    /// A window is over.
    WindowEnded(u64),
    /// Someone stands in on a rota: keep it.
    Cover(Cover),
    /// Nobody stands in any more.
    CoverEnded(u64),
    /// What a document holds for a rule has changed, or was accepted: keep it.
    Comparison {
        device: DeviceId,
        /// The rule's identifier.
        rule: String,
        comparison: Comparison,
    },
    /// Reports of a device are lost.
    ReportsLost(DeviceId, Box<Loss>),
    /// What is known of a device's losses has changed: keep it.
    LossLedger(DeviceId),
    /// People are to be notified.
    Notice(Box<Notice>),
    /// Ask the host itself whether it is there, and answer with [`Input::HostProbed`].
    ProbeHost(DeviceId),
    /// Send the device a wish.
    Ask(DeviceId, Ask),
    /// Keep an audit record.
    Record {
        device: DeviceId,
        action: JudgedAction,
        /// What belongs to it, for the audit log.
        detail: String,
    },
}

/// What the judge has written down in the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JudgedAction {
    /// A device came back with another boot.
    DeviceRebooted,
    /// The hardware of a device is another.
    DeviceFingerprintChanged,
    /// A host announced a sensor.
    SensorAnnounced,
    /// What a host said of a sensor is not taken.
    SensorRefused,
    /// A person accepted what changed.
    ChangeAccepted,
}

impl JudgedAction {
    /// The name used in the audit log, as `noun.verb`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeviceRebooted => "device.rebooted",
            Self::DeviceFingerprintChanged => "device.fingerprint_changed",
            Self::SensorAnnounced => "sensor.announced",
            Self::SensorRefused => "sensor.refused",
            Self::ChangeAccepted => "change.accepted",
        }
    }
}

/// What the judge made of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportVerdict {
    /// New: keep it, under this time on the collector's clock.
    New {
        /// When it was taken, corrected where the device's clock is known to be wrong.
        at: Timestamp,
        /// Under which time it is kept: the same, but for a step of the machine's clock that is not followed yet, with which the
        /// device's own clock agrees.
        kept_at: Timestamp,
    },
    /// Already committed: answer with the watermark, keep nothing.
    Duplicate,
    /// About a sensor that was not announced, or must not be: keep nothing. It has taken its place in the order.
    Unannounced,
    /// From a device that is not enrolled.
    NotEnrolled,
}
