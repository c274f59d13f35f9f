//! Incidents, faults, what people do with them, and what was sent about them.

use std::collections::BTreeMap;

use serde::Serialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, FaultId, IncidentId};
use ioc_judge::incident as inside;

use super::authenticity::{Authenticity, InformationSource};
use super::deadline::{Serious, UnitRequest};
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
        /// To be acted on at once.
        P1 = "P1",
        /// To be acted on soon.
        P2 = "P2",
        /// To be acted on today.
        P3 = "P3",
        /// To be acted on when there is time.
        P4 = "P4",
    }
}

/// An incident.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Incident {
    /// Its number, written `INC-000007`.
    id: IncidentId,
    /// On which device; none when it is about the centre as a whole.
    device: Option<DeviceId>,
    /// Name of the rule that opened it; empty when a person did.
    rule: String,
    /// How bad it is.
    severity: Severity,
    /// How urgent it is.
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
    open_faults: u32,
    /// How many steps its timeline has; numbers the steps and the notices.
    steps: u32,
    /// How far what it says can be believed.
    authenticity: Authenticity,
    /// What people wrote down.
    record: IncidentRecord,
    /// How it goes on.
    progress: Progress,
}

impl From<(inside::Incident, bool)> for Incident {
    /// An incident, and whether its device reports now.
    fn from((inside, reports): (inside::Incident, bool)) -> Self {
        Self {
            authenticity: inside.authenticity(reports).into(),
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
            open_faults: inside.raised,
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
    /// That it is or was serious, with the deadlines of the law.
    serious: Option<Serious>,
    /// What units are asked (article 15.3).
    requests: Vec<UnitRequest>,
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
            serious: inside.serious.map(Serious::from),
            requests: all(inside.requests),
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
    /// When it was signed.
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
    /// When it was closed.
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
    /// Name of the department.
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
    /// Name of the person who reported.
    reporter: String,
    /// How: telephone number, letter, in person.
    contact: String,
    /// How it was verified; empty until it was.
    verified: String,
    /// Who verified it.
    verified_by: String,
    /// When it was verified; none until it was.
    verified_at: Option<Timestamp>,
}

impl From<inside::PersonReport> for PersonReport {
    fn from(inside: inside::PersonReport) -> Self {
        Self {
            reporter: inside.reporter,
            contact: inside.way,
            verified: inside.verified,
            verified_by: inside.verified_by,
            verified_at: inside.verified_at,
        }
    }
}

/// A file that belongs to an incident. Its content lies in the store.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Attachment {
    /// Name of the file, without a directory.
    name: String,
    /// SHA-256 of its content, hex.
    sha256: String,
    /// Size of the content, bytes.
    bytes: u64,
    /// Who added it.
    who: String,
    /// When it was added.
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
    recurrences: Vec<Timestamp>,
    /// It comes and goes.
    flapping: bool,
    /// It is quiet since it flapped, and is called resolved then.
    settle_until: Option<Timestamp>,
    /// The deadline to take it has passed, and that was said.
    acknowledge_overdue: bool,
    /// The deadline to resolve it has passed, and that was said.
    resolve_overdue: bool,
    /// How many devices it concerns, with those behind an uplink.
    affected: u32,
    /// What else it is about, since other incidents were joined to it.
    merged: Vec<(Option<DeviceId>, String)>,
    /// Until when nobody is told of it, since it failed beside another.
    held_until: Option<Timestamp>,
    /// It stands for many devices that failed together; its faults say which they are.
    storm: Option<Storm>,
}

/// What many devices that failed together have in common.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Storm {
    /// What all of them have in common, the most particular first.
    common: Vec<InCommon>,
    /// How many devices people were told of.
    told: u32,
    /// The worst of them that has not ended, as far as is known.
    worst: Option<DeviceId>,
}

/// Something that devices have in common.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct InCommon {
    /// What it is: `power`, `uplink`, `rack`, `room`, `rule`.
    what: String,
    /// Its name.
    name: String,
}

impl From<ioc_judge::Storm> for Storm {
    fn from(inside: ioc_judge::Storm) -> Self {
        let in_common =
            |common: &ioc_judge::Common| InCommon { what: common.as_str().to_owned(), name: common.named().to_owned() };
        Self {
            common: inside.common.iter().map(in_common).collect(),
            told: inside.told,
            worst: inside.worst.map(|worst| worst.device),
        }
    }
}

impl From<inside::Progress> for Progress {
    fn from(inside: inside::Progress) -> Self {
        Self {
            escalation: inside.escalation.map(Escalation::from),
            notified: inside.notified,
            recurrences: inside.returns,
            flapping: inside.flapping,
            settle_until: inside.settle_until,
            acknowledge_overdue: inside.late_to_acknowledge,
            resolve_overdue: inside.late_to_resolve,
            affected: inside.affected,
            merged: inside.joined,
            held_until: inside.held_until,
            storm: inside.storm.map(|storm| Storm::from(*storm)),
        }
    }
}

/// An escalation that is under way.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Escalation {
    /// Name of the escalation policy.
    policy: String,
    /// The round, from 0.
    round: u32,
    /// The step that is due next, from 0.
    step: usize,
    /// When that step is due.
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
    /// The incident it belongs to.
    incident: IncidentId,
    /// Number within the incident, from 1.
    number: u32,
    /// When it happened, on the collector's clock.
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
        /// The receiver took it.
        Delivered = "delivered",
        /// Given up.
        Dead = "dead",
    }
}

/// A notice about an incident.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct NoticeItem {
    /// Unique key, by which the receiver can tell a repetition.
    key: String,
    /// Name of the channel it goes to.
    channel: String,
    /// For whom; empty when it was for everyone on the channel.
    person: String,
    /// Where its delivery stands.
    state: DeliveryState,
    /// How often delivery was tried.
    attempts: u32,
    /// When it was made.
    created_at: Timestamp,
    /// When it was delivered; none until then.
    delivered_at: Option<Timestamp>,
    /// Why the last attempt failed; none when none did.
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
    /// Its number, written `F-000007`.
    id: FaultId,
    /// On which device.
    device: DeviceId,
    /// Name of the rule that is broken.
    rule: String,
    /// The series, or an empty text for the device as a whole.
    series: String,
    /// How bad it is.
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
    /// Who says so, where no rule of ours does.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<InformationSource>,
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
            source: inside.source.map(InformationSource::from),
        }
    }
}

/// Something that happened on a device.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct EventRecord {
    /// Number of the event, counted upwards.
    pub(crate) number: u64,
    /// When it happened.
    at: Timestamp,
    /// What happened, as `noun.verb`.
    name: String,
    /// The same in words, for a person.
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
