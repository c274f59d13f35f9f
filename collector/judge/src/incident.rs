//! An incident: what people work on. One per device and rule, whatever the number of faults under it.
//!
//! `open → acknowledged → repairing → resolved → closed`, plus `reopened`. The gates of the regulation: no *repairing* without a
//! backup reference and a signed safety confirmation (article 10.2a, b), no *closed* without course and remedy (10.2c), without the
//! verification of what was reported by telephone (17.3), or while the department that was told has not confirmed (17.4).

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::document::HIDDEN;
use ioc_common::id::{DeviceId, FaultId, IncidentId};

use crate::authenticity::{Age, Authenticity, AuthenticityMark, Doubt, Evidence, InformationSource};
use crate::deadline::{ClockTerm, DeadlineKey, Due, Serious, UnitRequest};
use crate::maintenance::Warning;
use crate::severity::{Priority, Severity};
use crate::storm::Storm;
use crate::text::Text;

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentState {
    /// Nobody has taken it yet.
    Open,
    /// Someone has taken it.
    Acknowledged,
    /// Being repaired (article 10.2a and b).
    Repairing,
    /// The fault is gone.
    Resolved,
    /// Progress and remedy are on record (article 10.2c).
    Closed,
    /// The fault came back.
    Reopened,
}

impl IncidentState {
    /// In the order in which an incident comes by them; a closed one may be reopened.
    pub const ALL: [Self; 6] =
        [Self::Open, Self::Acknowledged, Self::Repairing, Self::Resolved, Self::Closed, Self::Reopened];

    /// The name used in the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Repairing => "repairing",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
            Self::Reopened => "reopened",
        }
    }

    /// Whether someone still has to do something about the fault.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Open | Self::Acknowledged | Self::Repairing | Self::Reopened)
    }

    /// Whether nobody has taken it.
    #[must_use]
    pub const fn is_untaken(self) -> bool {
        matches!(self, Self::Open | Self::Reopened)
    }
}

/// Something that people work on: faults of one cause, or what a person or another system reported.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number, unique among incidents.
    pub id: IncidentId,
    /// On which device; none when it is about the centre as a whole.
    pub device: Option<DeviceId>,
    /// Which rule; empty when a person opened it.
    pub rule: String,
    /// The worst of its faults.
    pub severity: Severity,
    /// By severity and importance.
    #[serde(default)]
    pub priority: Priority,
    pub state: IncidentState,
    /// What is wrong, in a line.
    pub title: Text,
    /// Why it was opened.
    pub reason: Text,
    /// What whoever reads it can do now.
    pub advice: Text,
    /// The regulation's article; may be empty.
    #[serde(default)]
    pub article: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// By when someone is to take it.
    #[serde(default)]
    pub acknowledge_by: Option<Timestamp>,
    /// By when the fault is to be gone.
    #[serde(default)]
    pub resolve_by: Option<Timestamp>,
    /// When someone took it.
    pub acknowledged_at: Option<Timestamp>,
    /// The account that took it.
    pub acknowledged_by: Option<String>,
    /// When the fault was gone.
    pub resolved_at: Option<Timestamp>,
    /// How many faults under it have not ended.
    pub raised: u32,
    /// How many steps its timeline has; numbers the steps and the notices.
    pub steps: u32,
    /// Where what it says came from, and what spoke against that (article 17.3).
    pub evidence: Evidence,
    /// What people wrote down.
    #[serde(default)]
    pub record: IncidentRecord,
    /// What the judge remembers to go on with.
    #[serde(default)]
    pub progress: Progress,
}

impl Incident {
    /// How far what it says can be believed. `reports` says whether its device is heard and reports now: where it does not, nobody knows
    /// whether the incident still is as it was.
    #[must_use]
    pub fn authenticity(&self, reports: bool) -> Authenticity {
        // What a person reported, another one has checked.
        if self.record.report.as_ref().is_some_and(|report| report.verified_at.is_some()) {
            let (mark, source) = (AuthenticityMark::Verified, self.evidence.source);
            return Authenticity { mark, source, doubts: Vec::new() };
        }
        let from_device = match self.evidence.source {
            InformationSource::Agent | InformationSource::Sensor | InformationSource::PlainMqtt => true,
            InformationSource::Alert
            | InformationSource::Heartbeat
            | InformationSource::Ticket
            | InformationSource::Report
            | InformationSource::Person
            | InformationSource::Inventory
            | InformationSource::Collector => false,
        };
        let (age, silence) = if from_device && !reports && self.state.is_active() {
            (Age::Ms { age: 1, most: 0 }, Some(Doubt::NotReporting))
        } else {
            (Age::Record, None)
        };
        Authenticity::judge(self.evidence.source, age, self.evidence.doubts.iter().copied().chain(silence))
    }
}

/// What people wrote down about an incident.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct IncidentRecord {
    /// The unit that handles it (article 14).
    pub unit: String,
    /// The person that handles it.
    pub person: String,
    /// What article 10.2a and b ask for before the repair.
    pub repair: Option<Repair>,
    /// Progress and remedy (article 10.2c).
    pub closing: Option<Closing>,
    /// The notice to the responsible department (article 17.4).
    pub regulator: Option<RegulatorNotice>,
    /// Who reported it, when a person did (article 17.3).
    pub report: Option<PersonReport>,
    /// Files that belong to it.
    pub attachments: Vec<Attachment>,
    /// The incident it was joined to.
    pub merged_into: Option<IncidentId>,
    /// That it is or was serious, and which deadlines of the law run on it.
    pub serious: Option<Serious>,
    /// What units are asked (article 15.3).
    pub requests: Vec<UnitRequest>,
}

impl IncidentRecord {
    /// That it is serious now.
    #[must_use]
    pub fn serious_now(&self) -> Option<&Serious> {
        self.serious.as_ref().filter(|serious| serious.ended.is_none())
    }

    /// What is due and not met, each with its key.
    pub fn open_deadlines(&self) -> impl Iterator<Item = (DeadlineKey, Due)> {
        let clocks = self.serious_now().map(|serious| serious.clocks.as_slice()).unwrap_or_default();
        let clocks = clocks.iter().filter(|clock| clock.sent.is_none());
        let clocks = clocks.map(|clock| (DeadlineKey::Clock(clock.term.id.clone()), clock.due));
        let requests = self.requests.iter().filter(|request| request.is_open());
        clocks.chain(requests.map(|request| (DeadlineKey::Request(request.number), request.due)))
    }

    /// When something is to be said of a deadline next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.open_deadlines().filter_map(|(_, due)| due.next()).min()
    }

    /// What is remembered of a deadline.
    pub fn due_mut(&mut self, key: &DeadlineKey) -> Option<&mut Due> {
        match key {
            DeadlineKey::Clock(id) => {
                let clocks = self.serious.as_mut().map(|serious| serious.clocks.as_mut_slice()).unwrap_or_default();
                clocks.iter_mut().find(|clock| clock.term.id == *id).map(|clock| &mut clock.due)
            }
            DeadlineKey::Request(number) => {
                self.requests.iter_mut().find(|request| request.number == *number).map(|request| &mut request.due)
            }
        }
    }
}

/// What stood before the repair.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// Where the backup is; empty when there is none.
    pub backup: String,
    /// Why there is no backup; empty when there is one.
    pub no_backup: String,
    /// What was done for the safety of people and equipment.
    pub safety: String,
    /// The account that signed this.
    pub who: String,
    pub at: Timestamp,
}

/// What was found and done.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// How it came about and went on.
    pub course: String,
    /// What was done against it.
    pub remedy: String,
    /// The account that closed it.
    pub who: String,
    pub at: Timestamp,
}

/// The notice to the responsible department, and what came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegulatorNotice {
    /// The department's name in the duty plan.
    pub department: String,
    /// When it was told.
    pub sent_at: Timestamp,
    /// When it said that it has received it.
    pub received_at: Option<Timestamp>,
    /// The result of the handling, as it was reported.
    pub result: String,
    /// When the result was reported.
    pub result_at: Option<Timestamp>,
    /// When the department confirmed the result.
    pub confirmed_at: Option<Timestamp>,
}

/// A report by a person, most often by telephone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonReport {
    /// The name of whoever reported it.
    pub reporter: String,
    /// How: telephone number, letter, in person.
    pub way: String,
    /// How it was verified; empty until it was.
    #[serde(default)]
    pub verified: String,
    /// The account that verified it.
    #[serde(default)]
    pub verified_by: String,
    /// When it was verified.
    #[serde(default)]
    pub verified_at: Option<Timestamp>,
}

impl PersonReport {
    /// Takes out what says who it was and what was asked of them: that there was a report, and whether it was verified, stays (article 12).
    pub fn hide(&mut self) {
        for text in [&mut self.reporter, &mut self.way, &mut self.verified] {
            if !text.is_empty() {
                HIDDEN.clone_into(text);
            }
        }
    }
}

/// A file that belongs to an incident. Its content lies in the store.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The file's name.
    pub name: String,
    /// SHA-256 of its content, hex.
    pub sha256: String,
    /// The file's size, bytes.
    pub bytes: u64,
    /// The account that added it.
    pub who: String,
    pub at: Timestamp,
}

/// What the judge remembers of an incident to go on with.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The escalation that is under way.
    pub escalation: Option<crate::duty::Escalation>,
    /// People who were notified, so that they are notified of its end, too.
    pub notified: Vec<String>,
    /// When it came back, lately.
    pub returns: Vec<Timestamp>,
    /// It comes and goes.
    pub flapping: bool,
    /// It is quiet since it flapped, and is called resolved then.
    pub settle_until: Option<Timestamp>,
    /// The deadline to take it has passed, and that was said.
    pub late_to_acknowledge: bool,
    /// The deadline to resolve it has passed, and that was said.
    pub late_to_resolve: bool,
    /// How many devices it concerns, with those behind an uplink.
    pub affected: u32,
    /// What else it is about, since other incidents were joined to it.
    pub joined: Vec<(Option<DeviceId>, String)>,
    /// Until when nobody is told of it, since it failed beside another: it may be part of a storm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Timestamp>,
    /// A person took it out of a storm: it goes into none by itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub apart: bool,
    /// It stands for many devices that failed together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storm: Option<Box<Storm>>,
}

/// One step of an incident's timeline.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimelineStep {
    pub incident: IncidentId,
    /// Number within the incident, from 1.
    pub number: u32,
    pub at: Timestamp,
    /// Who; empty for the collector itself.
    pub who: String,
    /// The state after it.
    pub state: IncidentState,
    /// What happened and why.
    pub note: Text,
}

/// What a person does with an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Whoever acts takes the incident.
    Acknowledge {
        /// What they say about it.
        note: String,
    },
    /// Say something about it.
    Comment {
        /// What it says.
        text: String,
    },
    /// Give it to a unit and a person (article 14).
    Assign {
        /// The unit that handles it.
        unit: String,
        /// The person who handles it.
        person: String,
    },
    /// Begin the repair (article 10.2a, b).
    Repair {
        /// Where the backup is.
        backup: String,
        /// Why none is possible.
        no_backup: String,
        /// What was done for the safety of people and equipment.
        safety: String,
    },
    /// It is mended. Only where no fault of ours says otherwise.
    Resolve {
        /// What was done, in a person's words.
        note: String,
    },
    /// Close it (article 10.2c).
    Close {
        /// How it came about and went on.
        course: String,
        /// What was done against it.
        remedy: String,
    },
    /// What changed is right: it is what later changes are held against.
    Accept {
        /// The reason, in a person's words.
        note: String,
    },
    /// It is not over.
    Reopen {
        /// The reason, in a person's words.
        note: String,
    },
    /// It is part of another.
    Merge {
        /// The incident that it becomes part of.
        into: u64,
    },
    /// A fault under it is something of its own.
    Split {
        /// The fault that is taken out.
        fault: u64,
        /// The reason, in a person's words; not empty where it is taken out of a storm.
        note: String,
    },
    /// Tell the responsible department (article 17.4).
    Regulator {
        /// The department's name in the duty plan.
        department: String,
    },
    /// The department has received it.
    RegulatorReceived,
    /// The result was reported to the department.
    RegulatorResult {
        /// The result of the handling.
        result: String,
    },
    /// The department has confirmed the result.
    RegulatorConfirmed,
    /// What was reported by a person was verified (article 17.3).
    Verify {
        /// How it was verified.
        how: String,
    },
    /// It is serious: what the law asks runs from now on.
    MarkSerious {
        /// Why it is.
        reason: String,
        /// The deadlines run from this moment, and not from its detection.
        from_now: bool,
        /// Which conditions of the law hold besides, by the ids of their deadlines.
        chosen: Vec<String>,
        /// What the law asks; the engine's to say.
        terms: Vec<ClockTerm>,
    },
    /// It is not serious after all: what is not met yet is asked no more.
    UnmarkSerious {
        /// Why it is not.
        reason: String,
    },
    /// A notice that the law asks for was sent.
    ClockSent {
        /// The deadline's id.
        clock: String,
        /// When; now where it is not said.
        at: Option<Timestamp>,
        /// By which way, and to whom.
        how: String,
        /// The number of the issued document; the engine's to say.
        document: Option<u64>,
    },
    /// Ask a unit to handle something and to answer (article 15.3).
    AskUnit {
        /// The unit.
        unit: String,
        /// What is asked of it.
        what: String,
        /// By when it is to answer.
        by: Timestamp,
    },
    /// A unit answers.
    AnswerUnit {
        /// The request's number within the incident.
        number: u32,
        /// Who in the unit answers.
        person: String,
        /// When they did it; now where it is not said.
        at: Option<Timestamp>,
        /// What was done.
        what: String,
        /// SHA-256 of a file of the incident that shows it, hex; empty for none.
        file: String,
    },
    /// A unit is asked no more.
    WithdrawRequest {
        /// The request's number within the incident.
        number: u32,
        /// Why.
        reason: String,
    },
}

impl Action {
    /// The name used in the API and the audit log.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Acknowledge { .. } => "acknowledge",
            Self::Comment { .. } => "comment",
            Self::Assign { .. } => "assign",
            Self::Repair { .. } => "repair",
            Self::Resolve { .. } => "resolve",
            Self::Close { .. } => "close",
            Self::Accept { .. } => "accept",
            Self::Reopen { .. } => "reopen",
            Self::Merge { .. } => "merge",
            Self::Split { .. } => "split",
            Self::Regulator { .. } => "regulator",
            Self::RegulatorReceived => "regulator_received",
            Self::RegulatorResult { .. } => "regulator_result",
            Self::RegulatorConfirmed => "regulator_confirmed",
            Self::Verify { .. } => "verify",
            Self::MarkSerious { .. } => "mark_serious",
            Self::UnmarkSerious { .. } => "unmark_serious",
            Self::ClockSent { .. } => "clock_sent",
            Self::AskUnit { .. } => "ask_unit",
            Self::AnswerUnit { .. } => "answer_unit",
            Self::WithdrawRequest { .. } => "withdraw_request",
        }
    }
}

/// An incident that a person or the collector itself opens.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIncident {
    /// On which device, if on one.
    pub device: Option<DeviceId>,
    pub severity: Severity,
    /// What is wrong, in a line.
    pub title: Text,
    /// What is known of it.
    pub reason: Text,
    /// What whoever reads it can do now.
    pub advice: Text,
    /// Who reported it, when that was not who opens it.
    pub report: Option<PersonReport>,
}

/// Why a person's action on an incident was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Refusal {
    /// There is no such incident.
    #[error("there is no incident {0}")]
    Unknown(IncidentId),
    /// There is no such device.
    #[error("there is no device {0}")]
    NoDevice(DeviceId),
    /// There is no such thing as named.
    #[error("there is no {what} {which:?}")]
    Missing {
        /// What sort of thing.
        what: &'static str,
        which: String,
    },
    /// There is no such fault under it.
    #[error("there is no fault {0} under this incident that has not ended")]
    NoFault(FaultId),
    /// It cannot be done in this state.
    #[error("incident {incident} is {}; it can be done while it is {allowed}", state.as_str())]
    State {
        incident: IncidentId,
        state: IncidentState,
        /// Where it may stand.
        allowed: &'static str,
    },
    /// The regulation's gate is shut.
    #[error("{field}: {why} (article {article})")]
    Gate {
        field: &'static str,
        /// What is missing, in a sentence.
        why: &'static str,
        /// The regulation's article that asks for it.
        article: &'static str,
    },
    /// What was given cannot be used.
    #[error("{field}: {}", why.en)]
    Invalid {
        field: &'static str,
        /// What is allowed, in both languages.
        why: Text,
    },
    /// It is possible, but someone must say that they mean it.
    #[error("{}", .0.iter().map(|warning| warning.text.en.as_str()).collect::<Vec<_>>().join(" "))]
    Warned(Vec<Warning>),
}
