//! The record of an incident (article 10.2c), from the incident with its timeline and its notices.

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_document::model::{Document, Signature};
use ioc_document::report::Office;
use ioc_document::report::incident::{AffectedDevice, CourseEntry, IncidentRecord, document};
use ioc_judge::{DeviceInfo, Severity};
use ioc_store::{DeliveryState, FaultQuery, Reader, StoreError, WholeIncident};
use jiff::tz::TimeZone;

use super::local;

/// What people call a severity in documents.
const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Nghiêm trọng",
        Severity::Warning => "Cảnh báo",
        Severity::Info => "Thông tin",
    }
}

fn some(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.trim().to_owned())
}

/// Devices that a record lists.
const LISTED_MAX: usize = 1_000;
/// Faults of one question to the store.
const FAULTS: usize = 500;

/// What failed under one incident: the devices, in the order in which they did, and how many more there are than are listed.
#[derive(Debug, Default)]
pub struct AffectedDevices {
    listed: Vec<(DeviceInfo, Timestamp, Option<Timestamp>)>,
    more: u64,
}

impl AffectedDevices {
    /// Those of an incident, of what this reader may see.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn read(reader: &dyn Reader, incident: IncidentId) -> Result<Self, StoreError> {
        // Since when the first fault of each lasts, and until when the last one did.
        let mut times: BTreeMap<DeviceId, (Timestamp, Option<Timestamp>)> = BTreeMap::new();
        let mut before = None;
        loop {
            let query = FaultQuery { incident: Some(incident), before, ..FaultQuery::default() };
            let faults = reader.faults(&query, FAULTS)?;
            before = faults.last().map(|fault| fault.id.0);
            let full = faults.len() >= FAULTS;
            for fault in faults {
                let of = times.entry(fault.device).or_insert((fault.raised_at, fault.cleared_at));
                of.0 = of.0.min(fault.raised_at);
                of.1 = of.1.zip(fault.cleared_at).map(|(one, other)| one.max(other));
            }
            if !full {
                break;
            }
        }
        let mut all: Vec<_> = times.into_iter().collect();
        all.sort_by(|(one, (began, _)), (other, (later, _))| (began, one).cmp(&(later, other)));
        let more = all.len().saturating_sub(LISTED_MAX) as u64;
        let mut listed = Vec::new();
        for (device, (began, ended)) in all.into_iter().take(LISTED_MAX) {
            if let Some(record) = reader.device(&device)? {
                listed.push((record.info, began, ended));
            }
        }
        Ok(Self { listed, more })
    }

    /// Whether it is about several.
    const fn are_several(&self) -> bool {
        self.listed.len() > 1
    }
}

/// What people call a device, with its label.
fn named(info: &DeviceInfo) -> String {
    let label = some(&info.label).map(|label| format!(" (nhãn {label})")).unwrap_or_default();
    format!("{}{label}", some(&info.name).unwrap_or_else(|| info.id.to_string()))
}

/// Makes the record. What the reader of `whole` may not see is left out of it before; `names` are the own names of accounts, as far as that
/// reader may see them.
#[must_use]
pub fn incident(
    whole: &WholeIncident,
    (device, affected): (Option<&DeviceInfo>, &AffectedDevices),
    names: &BTreeMap<String, String>,
    office: Office,
    zone: &TimeZone,
) -> Document {
    let (incident, steps, notices) = whole;
    let at = |at| local(at, zone);
    let delivered = notices.iter().filter(|one| one.state == DeliveryState::Delivered);
    let told = delivered.filter_map(|one| one.delivered_at).min();
    let record = &incident.record;
    let repair = record.repair.as_ref();
    let own = |account: &str| names.get(account).cloned().unwrap_or_else(|| ioc_document::wording::actor(account));
    let signed = |who: &str, when| format!("{}, {}", own(who), ioc_document::wording::moment(at(when)));
    let backup = repair.and_then(|one| {
        some(&one.backup).or_else(|| some(&one.no_backup).map(|why| format!("không sao lưu được: {why}")))
    });
    let safety = repair.and_then(|one| Some(format!("{} ({})", some(&one.safety)?, signed(&one.who, one.at))));
    let course = steps.iter().map(|step| CourseEntry {
        at: at(step.at),
        who: some(&step.who).map(|who| own(&who)),
        what: some(&step.note.vi).unwrap_or_else(|| step.state.as_str().to_owned()),
    });
    let closing = record.closing.as_ref();
    let person =
        [&record.person, &record.unit].into_iter().filter_map(|text| some(text)).collect::<Vec<_>>().join(", ");
    let taken = incident.acknowledged_by.as_deref().and_then(some).map(|who| format!("{}, người tiếp nhận", own(&who)));
    let devices = affected.listed.iter().filter(|_| affected.are_several()).map(|(info, began, ended)| {
        AffectedDevice { name: named(info), place: some(&info.place), began: at(*began), ended: ended.map(at) }
    });
    let responsible = office.signature.clone();
    document(&IncidentRecord {
        office,
        date: closing.map(|one| at(one.at).date()),
        number: incident.id.0,
        title: incident.title.vi.clone(),
        device: device.map(named),
        devices: devices.collect(),
        more_devices: affected.more,
        place: device.and_then(|info| some(&info.place)),
        severity: severity(incident.severity).to_owned(),
        began: at(incident.opened_at),
        told: told.map(at),
        acknowledged: incident.acknowledged_at.map(at),
        resolved: incident.resolved_at.map(at),
        backup,
        safety,
        course: course.collect(),
        cause: closing.and_then(|one| some(&one.course)),
        consequence: None,
        remedy: closing.and_then(|one| some(&one.remedy)),
        participants: taken.into_iter().chain(some(&person)).collect(),
        signatures: vec![Signature::of("Người lập biên bản", None), responsible],
    })
}
