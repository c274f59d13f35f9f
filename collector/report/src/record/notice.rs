//! The notice of a serious incident that the law asks for, from the incident with its timeline and what people wrote.

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_document::model::Document;
use ioc_document::report::Office;
use ioc_document::report::incident::CourseEntry;
use ioc_document::report::notice::{IncidentNotice, document};
use ioc_document::wording;
use ioc_judge::deadline::LegalClock;
use ioc_judge::{DeviceInfo, IncidentState, Severity, TimelineStep};
use ioc_store::{DeliveryState, WholeIncident};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::local;
use crate::draft::Texts;

/// What a notice is made of, beside the office that sends it. What whoever reads it may not see is left out before.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug)]
pub struct NoticeFacts<'a> {
    pub whole: &'a WholeIncident,
    /// Which of its deadlines.
    pub clock: &'a LegalClock,
    /// The devices that it is about, as far as they are within reach.
    pub devices: &'a [DeviceInfo],
    /// Own names of accounts.
    pub names: &'a BTreeMap<String, String>,
    /// What people wrote.
    pub texts: &'a Texts,
    pub zone: &'a TimeZone,
    pub now: Timestamp,
}

/// What people call a severity in documents.
const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Nghiêm trọng",
        Severity::Warning => "Cảnh báo",
        Severity::Info => "Thông tin",
    }
}

fn some(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// A device as people call it, with its label.
fn named(info: &DeviceInfo) -> String {
    let label = some(&info.label).map(|label| format!(" (nhãn {label})")).unwrap_or_default();
    format!("{}{label}", some(&info.name).unwrap_or_else(|| info.id.as_str()))
}

/// What people call a state in documents.
const fn state(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Open => "Chưa có người tiếp nhận",
        IncidentState::Acknowledged => "Đã tiếp nhận",
        IncidentState::Repairing => "Đang khắc phục",
        IncidentState::Resolved => "Đã khắc phục",
        IncidentState::Closed => "Đã đóng",
        IncidentState::Reopened => "Tái diễn, đang xử lý",
    }
}

/// What the record knows where people have not written it: offered to them, and never written by itself.
#[must_use]
pub fn offered(whole: &WholeIncident, devices: &[DeviceInfo]) -> Texts {
    let record = &whole.0.record;
    let repair = record.repair.as_ref().map(|repair| repair.safety.as_str()).unwrap_or_default();
    let closing = record.closing.as_ref();
    let measures = [repair, closing.map(|closing| closing.remedy.as_str()).unwrap_or_default()];
    let measures = measures.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
    let system = devices.iter().map(named).collect::<Vec<_>>().join("; ");
    let cause = closing.map(|closing| closing.course.clone()).unwrap_or_default();
    let all = [("system", system), ("cause", cause), ("measures", measures)];
    all.into_iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| (key.to_owned(), text)).collect()
}

/// Makes the notice of a day.
#[must_use]
pub fn notice(facts: &NoticeFacts<'_>, office: Office, date: Option<Date>) -> Document {
    let NoticeFacts { whole, clock, devices, names, texts, zone, now } = facts;
    let (incident, steps, notices) = *whole;
    let at = |at| local(at, zone);
    let delivered = notices.iter().filter(|one| one.state == DeliveryState::Delivered);
    let told = delivered.filter_map(|one| one.delivered_at).min();
    let placed = |info: &DeviceInfo| {
        let place = some(&info.place).map(|place| format!(", {place}")).unwrap_or_default();
        format!("{}{place}", named(info))
    };
    let own = |who: &str| names.get(who).cloned().unwrap_or_else(|| wording::actor(who));
    let entry = |step: &TimelineStep| CourseEntry {
        at: at(step.at),
        who: some(&step.who).map(own),
        what: some(&step.note.vi).unwrap_or_else(|| step.state.as_str()).to_owned(),
    };
    document(&IncidentNotice {
        office,
        date,
        form: clock.term.what().to_owned(),
        to: clock.term.to.clone(),
        law: clock.term.source("Điều"),
        due: at(clock.due.at),
        as_of: at(*now),
        number: incident.id.0,
        title: incident.title.vi.clone(),
        reason: incident.record.serious.as_ref().map(|serious| serious.reason.clone()).unwrap_or_default(),
        devices: devices.iter().map(placed).collect(),
        affected: Some(incident.progress.affected.max(u32::from(!devices.is_empty()))).filter(|count| *count > 0),
        severity: severity(incident.severity).to_owned(),
        state: state(incident.state).to_owned(),
        found: at(incident.opened_at),
        told: told.map(at),
        acknowledged: incident.acknowledged_at.map(at),
        resolved: incident.resolved_at.map(at),
        course: steps.iter().map(entry).collect(),
        texts: (*texts).clone(),
    })
}
