//! What goes into the judge and what comes out.

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_common::report::{Ask, Report};

use crate::device::DeviceInfo;
use crate::fault::Fault;
use crate::incident::{Incident, Step};
use crate::notice::Notice;
use crate::presence::HostAnswer;

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A device was enrolled, or what people say of it changed.
    Enrolled(DeviceInfo),
    /// A device may no longer report.
    Removed(&'a DeviceId),
    /// A link was opened.
    Connected {
        /// Whose.
        device: &'a DeviceId,
        /// The keep-alive it asked for, seconds.
        keep_alive_s: u16,
    },
    /// A link broke without a goodbye.
    Lost {
        /// Whose.
        device: &'a DeviceId,
    },
    /// A report came.
    Report(&'a Report),
    /// The second probe has an answer.
    HostProbed {
        /// Whose host.
        device: &'a DeviceId,
        /// The answer.
        answer: HostAnswer,
    },
    /// A person takes an incident.
    Acknowledge {
        /// Which.
        incident: IncidentId,
        /// Who.
        who: &'a str,
        /// What they say about it; may be empty.
        note: &'a str,
    },
    /// Time has passed.
    Wake,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// The device's presence changed.
    Presence(DeviceId),
    /// A sensor was announced by the device that speaks for it, or what is known of it was filled: keep it.
    Announced(DeviceInfo),
    /// A sensor went with the device that spoke for it.
    Removed(DeviceId),
    /// A fault was raised, cleared or joined to an incident: keep it as it now is.
    Fault(Fault),
    /// An incident was opened or changed: keep it as it now is.
    Incident(Incident),
    /// A step of an incident's timeline.
    Step(Step),
    /// Tell people.
    Notice(Box<Notice>),
    /// Ask the host itself whether it is there, and answer with [`Input::HostProbed`].
    ProbeHost(DeviceId),
    /// Send the device a wish.
    Ask(DeviceId, Ask),
    /// Keep an audit record.
    Record {
        /// About which device.
        device: DeviceId,
        /// What, as `noun.verb`.
        action: &'static str,
        /// Details.
        detail: String,
    },
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// New: keep it, under this time on the collector's clock.
    Fresh {
        /// When it was taken, corrected where the device's clock is known to be wrong.
        at: Timestamp,
    },
    /// Already committed: answer with the watermark, keep nothing.
    Duplicate,
    /// About a sensor that was not announced, or must not be: keep nothing. It has taken its place in the order.
    Unannounced,
    /// From a device that is not enrolled.
    Stranger,
}
