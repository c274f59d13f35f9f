//! What of a record is searched: texts that everyone may read who sees the record, and those that name people, apart. Pure.

use std::fmt::Write as _;

use ioc_common::clock::Timestamp;
use ioc_common::document;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_common::metric::is_series_of_person;
use ioc_judge::incident::IncidentRecord;
use ioc_judge::{Fault, Incident, Notice, Text, TimelineStep};

use super::SearchKind;
use crate::audit::{AuditRecord, names_people};
use crate::audit_text;
use crate::{DeliveryState, EventRecord};

/// A record that was found.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq)]
pub enum FoundRecord {
    Audit(AuditRecord),
    Event {
        device: DeviceId,
        event: EventRecord,
    },
    Fault {
        fault: Box<Fault>,
        article: String,
    },
    Incident(Box<Incident>),
    /// A step of an incident's timeline, a comment among them; with what the incident is about.
    Step {
        step: TimelineStep,
        device: Option<DeviceId>,
        title: Text,
        article: String,
    },
    Notice(Box<FoundNotice>),
}

/// A notice as it was decided, and what became of it.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq)]
pub struct FoundNotice {
    pub incident: IncidentId,
    pub channel: String,
    /// For whom; empty when it is for everyone on the channel.
    pub person: String,
    /// Where it stands; none where that cannot be read.
    pub state: Option<DeliveryState>,
    pub created_at: Timestamp,
    pub notice: Notice,
}

/// What of a record is searched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchDocument {
    /// Texts for everyone who sees the record.
    pub open: Vec<String>,
    /// Texts that name people, as whoever may see names reads them.
    pub personal: Vec<String>,
}

impl SearchDocument {
    fn text(&mut self, text: &Text) {
        self.open.extend([text.vi.clone(), text.en.clone()]);
        if text.is_personal() {
            let mut opened = text.clone();
            opened.open();
            self.personal.extend([opened.vi, opened.en]);
        }
    }

    fn plain(&mut self, text: impl Into<String>) {
        self.open.push(text.into());
    }
}

impl FoundRecord {
    /// What kind of record it is.
    #[must_use]
    pub const fn kind(&self) -> SearchKind {
        match self {
            Self::Audit(_) => SearchKind::Audit,
            Self::Event { .. } => SearchKind::Event,
            Self::Fault { .. } => SearchKind::Fault,
            Self::Incident(_) => SearchKind::Incident,
            Self::Step { .. } => SearchKind::Step,
            Self::Notice(_) => SearchKind::Notice,
        }
    }

    /// When it happened: for an incident and a fault, when it began.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Audit(record) => record.at,
            Self::Event { event, .. } => event.at,
            Self::Fault { fault, .. } => fault.raised_at,
            Self::Incident(incident) => incident.opened_at,
            Self::Step { step, .. } => step.at,
            Self::Notice(notice) => notice.created_at,
        }
    }

    /// Who did it; empty where nobody did, or it is not known.
    #[must_use]
    pub fn actor(&self) -> &str {
        match self {
            Self::Audit(record) => &record.actor,
            Self::Event { event, .. } if event.name == "remark" => event.fields.get("who").map_or("", String::as_str),
            Self::Step { step, .. } => &step.who,
            Self::Event { .. } | Self::Fault { .. } | Self::Incident(_) | Self::Notice(_) => "",
        }
    }

    /// On which device; none when it is about none, or the centre as a whole.
    #[must_use]
    pub fn device(&self) -> Option<&DeviceId> {
        match self {
            Self::Audit(_) => None,
            Self::Event { device, .. } => Some(device),
            Self::Fault { fault, .. } => Some(&fault.device),
            Self::Incident(incident) => incident.device.as_ref(),
            Self::Step { device, .. } => device.as_ref(),
            Self::Notice(found) => found.notice.device.as_ref().map(|device| &device.id),
        }
    }

    /// The articles of the regulation that it is about, as rules name them; may be empty.
    #[must_use]
    pub fn article(&self) -> &str {
        match self {
            Self::Audit(_) | Self::Event { .. } => "",
            Self::Fault { article, .. } | Self::Step { article, .. } => article,
            Self::Incident(incident) => &incident.article,
            Self::Notice(found) => &found.notice.article,
        }
    }

    /// Which incident it belongs to.
    #[must_use]
    pub fn incident(&self) -> Option<IncidentId> {
        match self {
            Self::Audit(_) | Self::Event { .. } => None,
            Self::Fault { fault, .. } => fault.incident,
            Self::Incident(incident) => Some(incident.id),
            Self::Step { step, .. } => Some(step.incident),
            Self::Notice(found) => Some(found.incident).filter(|id| id.0 > 0),
        }
    }

    /// What of it is searched.
    #[must_use]
    pub fn document(&self) -> SearchDocument {
        let mut all = SearchDocument::default();
        match self {
            Self::Audit(one) => {
                all.open.extend([&one.actor, &one.action].map(String::clone));
                let said = [&one.subject, &one.detail].map(String::clone);
                if names_people(&one.action) {
                    all.personal.extend(said);
                } else {
                    all.open.extend(said);
                }
                // As pages call it.
                let called = audit_text::text_of(&one.action);
                all.open.extend(called.into_iter().flat_map(|(vi, en)| [vi.to_owned(), en.to_owned()]));
            }
            Self::Event { device, event } => {
                all.plain(device.as_str());
                all.plain(&event.name);
                let fields = |event: &EventRecord| {
                    let mut text = event.text.clone();
                    for (name, value) in &event.fields {
                        let _ = write!(text, "; {name}: {value}");
                    }
                    text
                };
                if document::is_event_of_people(&event.name) {
                    all.personal.push(fields(event));
                    let (text, _) = document::event_without_personal(event.fields.clone());
                    all.plain(text);
                } else {
                    all.plain(fields(event));
                }
            }
            Self::Fault { fault, .. } => {
                all.open.extend([fault.device.to_string(), fault.rule.clone()]);
                if is_series_of_person(&fault.series) {
                    all.personal.push(fault.series.clone());
                } else {
                    all.plain(&fault.series);
                }
                all.text(&fault.reason);
                fault.title.iter().for_each(|title| all.text(title));
            }
            Self::Incident(one) => {
                all.open.extend([one.id.to_string(), one.rule.clone()]);
                all.open.extend(one.device.as_ref().map(ToString::to_string));
                [&one.title, &one.reason, &one.advice].into_iter().for_each(|text| all.text(text));
                all.open.extend(written(&one.record));
                // Who reported it and at which number is for those who may see it, as on its page.
                if let Some(report) = &one.record.report {
                    all.personal.extend([&report.reporter, &report.way, &report.verified].map(String::clone));
                    all.open.push(report.verified_by.clone());
                }
                let answers = one.record.requests.iter().filter_map(|request| request.answer.as_ref());
                all.personal.extend(answers.map(|answer| answer.person.clone()));
            }
            Self::Step { step, .. } => {
                all.open.extend([step.incident.to_string(), step.who.clone()]);
                all.text(&step.note);
            }
            Self::Notice(one) => {
                all.open.extend([one.incident.to_string(), one.channel.clone(), one.person.clone()]);
                let of = &one.notice;
                if let Some(device) = &of.device {
                    all.open.extend([device.id.to_string(), device.name.clone()]);
                }
                [&of.title, &of.reason, &of.advice].into_iter().for_each(|text| all.text(text));
            }
        }
        all.open.retain(|text| !text.is_empty());
        all.personal.retain(|text| !text.is_empty());
        all
    }
}

/// What people wrote down about an incident.
fn written(record: &IncidentRecord) -> Vec<String> {
    let mut all = vec![record.unit.clone(), record.person.clone()];
    if let Some(repair) = &record.repair {
        all.extend([&repair.backup, &repair.no_backup, &repair.safety, &repair.who].map(String::clone));
    }
    if let Some(closing) = &record.closing {
        all.extend([&closing.course, &closing.remedy, &closing.who].map(String::clone));
    }
    if let Some(regulator) = &record.regulator {
        all.extend([&regulator.department, &regulator.result].map(String::clone));
    }
    if let Some(serious) = &record.serious {
        all.extend([&serious.reason, &serious.who].map(String::clone));
        let sent = serious.clocks.iter().filter_map(|clock| clock.sent.as_ref());
        all.extend(sent.flat_map(|sent| [&sent.how, &sent.who].map(String::clone)));
    }
    for request in &record.requests {
        all.extend([&request.unit, &request.what, &request.who].map(String::clone));
        all.extend(request.answer.iter().flat_map(|answer| [&answer.what, &answer.who].map(String::clone)));
    }
    all.extend(record.attachments.iter().map(|file| file.name.clone()));
    all
}
