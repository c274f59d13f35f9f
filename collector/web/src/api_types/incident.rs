//! Incidents, faults, what people do with them, and what was sent about them.

use std::collections::BTreeMap;

use serde::Serialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, FaultId, IncidentId};
use ioc_judge::incident as inside;

use super::{Severity, Text, all, names};

names! {
    /// Where an incident stands.
    IncidentState is inside::IncidentState {
        /// Nobody has taken it yet.
        Open = "open",
        /// Someone has taken it.
        Acknowledged = "acknowledged",
        /// Being repaired (article 10.2a and b).
        Repairing = "repairing",
        /// The fault is gone.
        Resolved = "resolved",
        /// Progress and remedy are on record (article 10.2c).
        Closed = "closed",
        /// The fault came back.
        Reopened = "reopened",
    }
}

names! {
    /// How urgent an incident is: its severity and the importance of its device.
    Priority is ioc_judge::Priority {
        /// At once.
        P1 = "P1",
        /// Soon.
        P2 = "P2",
        /// Today.
        P3 = "P3",
        /// When there is time.
        P4 = "P4",
    }
}

/// An incident.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Incident {
    /// Number.
    id: IncidentId,
    /// On which device; none when it is about the centre as a whole.
    device: Option<DeviceId>,
    /// Which rule; empty when a person opened it.
    rule: String,
    /// How bad.
    severity: Severity,
    /// How urgent.
    priority: Priority,
    /// Where it stands.
    state: IncidentState,
    /// What is wrong.
    title: Text,
    /// Why it was opened.
    reason: Text,
    /// What to do.
    advice: Text,
    /// The regulation's article; may be empty.
    article: String,
    /// When it was opened.
    opened_at: Timestamp,
    /// By when someone is to take it.
    acknowledge_by: Option<Timestamp>,
    /// By when the fault is to be gone.
    resolve_by: Option<Timestamp>,
    /// When someone took it.
    acknowledged_at: Option<Timestamp>,
    /// Who took it.
    acknowledged_by: Option<String>,
    /// When the fault was gone.
    resolved_at: Option<Timestamp>,
    /// How many faults under it have not ended.
    raised: u32,
    /// How many steps its timeline has; numbers the steps and the notices.
    steps: u32,
    /// What people wrote down.
    record: IncidentRecord,
    /// How it goes on.
    progress: Progress,
}

impl From<inside::Incident> for Incident {
    fn from(inside: inside::Incident) -> Self {
        Self {
            id: inside.id,
            device: inside.device,
            rule: inside.rule,
            severity: inside.severity.into(),
            priority: inside.priority.into(),
            state: inside.state.into(),
            title: inside.title.into(),
            reason: inside.reason.into(),
            advice: inside.advice.into(),
            article: inside.article,
            opened_at: inside.opened_at,
            acknowledge_by: inside.acknowledge_by,
            resolve_by: inside.resolve_by,
            acknowledged_at: inside.acknowledged_at,
            acknowledged_by: inside.acknowledged_by,
            resolved_at: inside.resolved_at,
            raised: inside.raised,
            steps: inside.steps,
            record: inside.record.into(),
            progress: inside.progress.into(),
        }
    }
}

/// What people wrote down about an incident.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct IncidentRecord {
    /// The unit that handles it (article 14).
    unit: String,
    /// The person that handles it.
    person: String,
    /// What article 10.2a and b ask for before the repair.
    repair: Option<Repair>,
    /// Progress and remedy (article 10.2c).
    closing: Option<Closing>,
    /// The notice to the responsible department (article 17.4).
    regulator: Option<Regulator>,
    /// Who reported it, when a person did (article 17.3).
    report: Option<PersonReport>,
    /// Files that belong to it.
    attachments: Vec<Attachment>,
    /// The incident it was joined to.
    merged_into: Option<IncidentId>,
}

impl From<inside::IncidentRecord> for IncidentRecord {
    fn from(inside: inside::IncidentRecord) -> Self {
        Self {
            unit: inside.unit,
            person: inside.person,
            repair: inside.repair.map(Repair::from),
            closing: inside.closing.map(Closing::from),
            regulator: inside.regulator.map(Regulator::from),
            report: inside.report.map(PersonReport::from),
            attachments: all(inside.attachments),
            merged_into: inside.merged_into,
        }
    }
}

/// What stood before the repair.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Repair {
    /// Where the backup is; empty when there is none.
    backup: String,
    /// Why there is no backup; empty when there is one.
    no_backup: String,
    /// What was done for the safety of people and equipment.
    safety: String,
    /// Who signed this.
    who: String,
    /// When.
    at: Timestamp,
}

impl From<inside::Repair> for Repair {
    fn from(inside: inside::Repair) -> Self {
        Self {
            backup: inside.backup,
            no_backup: inside.no_backup,
            safety: inside.safety,
            who: inside.who,
            at: inside.at,
        }
    }
}

/// What was found and done.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Closing {
    /// How it came about and went on.
    course: String,
    /// What was done against it.
    remedy: String,
    /// Who closed it.
    who: String,
    /// When.
    at: Timestamp,
}

impl From<inside::Closing> for Closing {
    fn from(inside: inside::Closing) -> Self {
        Self { course: inside.course, remedy: inside.remedy, who: inside.who, at: inside.at }
    }
}

/// The notice to the responsible department, and what came back.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Regulator {
    /// Which department.
    department: String,
    /// When it was told.
    sent_at: Timestamp,
    /// When it said that it has received it.
    received_at: Option<Timestamp>,
    /// The result of the handling, as it was reported.
    result: String,
    /// When the result was reported.
    result_at: Option<Timestamp>,
    /// When the department confirmed the result.
    confirmed_at: Option<Timestamp>,
}

impl From<inside::RegulatorNotice> for Regulator {
    fn from(inside: inside::RegulatorNotice) -> Self {
        Self {
            department: inside.department,
            sent_at: inside.sent_at,
            received_at: inside.received_at,
            result: inside.result,
            result_at: inside.result_at,
            confirmed_at: inside.confirmed_at,
        }
    }
}

/// A report by a person, most often by telephone.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct PersonReport {
    /// Who reported.
    reporter: String,
    /// How: telephone number, letter, in person.
    way: String,
    /// How it was verified; empty until it was.
    verified: String,
    /// Who verified it.
    verified_by: String,
    /// When.
    verified_at: Option<Timestamp>,
}

impl From<inside::PersonReport> for PersonReport {
    fn from(inside: inside::PersonReport) -> Self {
        Self {
            reporter: inside.reporter,
            way: inside.way,
            verified: inside.verified,
            verified_by: inside.verified_by,
            verified_at: inside.verified_at,
        }
    }
}

/// A file that belongs to an incident. Its content lies in the store.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Attachment {
    /// Its name.
    name: String,
    /// SHA-256 of its content, hex.
    sha256: String,
    /// Its size.
    bytes: u64,
    /// Who added it.
    who: String,
    /// When.
    at: Timestamp,
}

impl From<inside::Attachment> for Attachment {
    fn from(inside: inside::Attachment) -> Self {
        Self { name: inside.name, sha256: inside.sha256, bytes: inside.bytes, who: inside.who, at: inside.at }
    }
}

/// How an incident goes on: who is notified next, and who was.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Progress {
    /// The escalation that is under way.
    escalation: Option<Escalation>,
    /// People who were notified, so that they are notified of its end, too.
    notified: Vec<String>,
    /// When it came back, lately.
    returns: Vec<Timestamp>,
    /// It comes and goes.
    flapping: bool,
    /// It is quiet since it flapped, and is called resolved then.
    settle_until: Option<Timestamp>,
    /// The deadline to take it has passed, and that was said.
    late_to_acknowledge: bool,
    /// The deadline to resolve it has passed, and that was said.
    late_to_resolve: bool,
    /// How many devices it concerns, with those behind an uplink.
    affected: u32,
    /// What else it is about, since other incidents were joined to it.
    joined: Vec<(Option<DeviceId>, String)>,
}

impl From<inside::Progress> for Progress {
    fn from(inside: inside::Progress) -> Self {
        Self {
            escalation: inside.escalation.map(Escalation::from),
            notified: inside.notified,
            returns: inside.returns,
            flapping: inside.flapping,
            settle_until: inside.settle_until,
            late_to_acknowledge: inside.late_to_acknowledge,
            late_to_resolve: inside.late_to_resolve,
            affected: inside.affected,
            joined: inside.joined,
        }
    }
}

/// An escalation that is under way.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Escalation {
    /// By which policy.
    policy: String,
    /// The round, from 0.
    round: u32,
    /// The step that is due next.
    step: usize,
    /// When.
    due_at: Timestamp,
}

impl From<ioc_judge::duty::Escalation> for Escalation {
    fn from(inside: ioc_judge::duty::Escalation) -> Self {
        Self { policy: inside.policy, round: inside.round, step: inside.step, due_at: inside.due_at }
    }
}

/// One step of an incident's timeline.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct TimelineStep {
    /// Which incident.
    incident: IncidentId,
    /// Number within the incident, from 1.
    number: u32,
    /// When.
    at: Timestamp,
    /// Who; empty for the collector itself.
    who: String,
    /// The state after it.
    state: IncidentState,
    /// What happened and why.
    note: Text,
}

impl From<inside::TimelineStep> for TimelineStep {
    fn from(inside: inside::TimelineStep) -> Self {
        Self {
            incident: inside.incident,
            number: inside.number,
            at: inside.at,
            who: inside.who,
            state: inside.state.into(),
            note: inside.note.into(),
        }
    }
}

names! {
    /// Where a delivery stands.
    DeliveryState is ioc_store::DeliveryState {
        /// To be tried.
        Waiting = "waiting",
        /// Delivered.
        Delivered = "delivered",
        /// AssignedSettings up.
        Dead = "dead",
    }
}

/// A notice about an incident.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct NoticeItem {
    key: String,
    channel: String,
    /// For whom; empty when it was for everyone on the channel.
    person: String,
    state: DeliveryState,
    attempts: u32,
    created_at: Timestamp,
    delivered_at: Option<Timestamp>,
    last_error: Option<String>,
}

impl From<ioc_store::OutboxEntry> for NoticeItem {
    fn from(inside: ioc_store::OutboxEntry) -> Self {
        Self {
            key: inside.key,
            channel: inside.channel,
            person: inside.person,
            state: inside.state.into(),
            attempts: inside.attempts,
            created_at: inside.created_at,
            delivered_at: inside.delivered_at,
            last_error: inside.last_error,
        }
    }
}

names! {
    /// Where a fault stands.
    FaultState is ioc_judge::FaultState {
        /// It is bad now.
        Raised = "raised",
        /// It is bad now, and comes and goes so often that nobody is told of each time.
        Flapping = "flapping",
        /// It was bad when last heard of; whether it still is, nobody knows.
        Unknown = "unknown",
        /// It was bad.
        Cleared = "cleared",
        /// It came and went inside a backlog: logged, and nobody was woken.
        Past = "past",
    }
}

/// A fault.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Fault {
    /// Number.
    id: FaultId,
    /// On which device.
    device: DeviceId,
    /// Which rule.
    rule: String,
    /// The series, or an empty text for the device as a whole.
    series: String,
    /// How bad.
    severity: Severity,
    /// Where it stands.
    state: FaultState,
    /// Since when the rule was broken, on the collector's clock.
    raised_at: Timestamp,
    /// When it was good again.
    cleared_at: Option<Timestamp>,
    /// The value that raised it.
    value: Option<f64>,
    /// Why it was raised, and why it was cleared.
    reason: Text,
    /// The incident it belongs to.
    incident: Option<IncidentId>,
    /// What is wrong, where no rule of ours says it: another system's alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<Text>,
}

impl From<ioc_judge::Fault> for Fault {
    fn from(inside: ioc_judge::Fault) -> Self {
        Self {
            id: inside.id,
            device: inside.device,
            rule: inside.rule,
            series: inside.series,
            severity: inside.severity.into(),
            state: inside.state.into(),
            raised_at: inside.raised_at,
            cleared_at: inside.cleared_at,
            value: inside.value,
            reason: inside.reason.into(),
            incident: inside.incident,
            title: inside.title.map(Text::from),
        }
    }
}

/// Something that happened on a device.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct EventRecord {
    /// Its number.
    pub(crate) number: u64,
    /// When.
    at: Timestamp,
    /// What, as `noun.verb`.
    name: String,
    /// For a person.
    text: String,
    /// Details by name.
    fields: BTreeMap<String, String>,
}

impl From<ioc_store::EventRecord> for EventRecord {
    fn from(inside: ioc_store::EventRecord) -> Self {
        Self { number: inside.number, at: inside.at, name: inside.name, text: inside.text, fields: inside.fields }
    }
}

names! {
    /// How bad an incident is that a person opens: what is only worth knowing opens none.
    OpenSeverity {
        /// Someone must look at it.
        Warning = "warning",
        /// Someone must act now.
        Critical = "critical",
    }
}

impl From<OpenSeverity> for ioc_judge::Severity {
    fn from(published: OpenSeverity) -> Self {
        match published {
            OpenSeverity::Warning => Self::Warning,
            OpenSeverity::Critical => Self::Critical,
        }
    }
}
