//! The record of a maintenance window: its devices, their faults meanwhile, and how long they were silent.

use std::collections::HashMap;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_document::model::Document;
use ioc_document::report::Office;
use ioc_document::report::maintenance::{MaintainedDevice, MaintenanceFault, MaintenanceRecord, document};
use ioc_document::wording;
use ioc_judge::{DeviceInfo, RuleCondition, RuleSet, Window, WindowSchedule};
use ioc_store::{DeviceQuery, FaultQuery, Reader, StoreError};
use jiff::tz::TimeZone;

use super::local;
use crate::gather::joined;

/// Devices and faults that the record lists.
const DEVICES_MAX: usize = 200;
const FAULTS_MAX: usize = 200;
/// In one page.
const PAGE: usize = 500;

/// The stretch of a window that its record is about: the one that is open, else the last that was.
fn stretch(window: &Window, gone: Option<Timestamp>, now: Timestamp) -> (Timestamp, Timestamp) {
    match &window.when {
        WindowSchedule::Once { from, until } => (*from, *until),
        WindowSchedule::Weekly { from, .. } => {
            let last = gone.unwrap_or(now);
            let mut at = last.plus_millis(-8 * 86_400_000).max(*from);
            let next = std::iter::from_fn(|| {
                let found = window.next(at)?;
                at = found.1;
                (found.0 <= last).then_some(found)
            });
            next.take(16).last().or_else(|| window.next(now)).unwrap_or((*from, *from))
        }
    }
}

/// Makes the record of a window; `gone` is when it was ended or taken out of the plan.
///
/// # Errors
/// [`StoreError`] when the record cannot be read.
pub fn maintenance(
    reader: &dyn Reader,
    (window, gone): (&Window, Option<Timestamp>),
    rules: &RuleSet,
    office: Office,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<Document, StoreError> {
    let (from, until) = stretch(window, gone, now);
    let end = gone.filter(|gone| (from..until).contains(gone)).unwrap_or(until).min(now.max(from));
    let (mut devices, mut infos, mut all, mut heard) =
        (Vec::new(), HashMap::<DeviceId, DeviceInfo>::new(), 0_u64, false);
    let mut query = DeviceQuery { limit: PAGE, ..DeviceQuery::default() };
    loop {
        let page = reader.devices(&query)?;
        for record in page.iter().filter(|record| window.covers(&record.info)) {
            all += 1;
            heard |= record.last_heard.is_some();
            if devices.len() < DEVICES_MAX {
                let info = &record.info;
                let name = if info.name.is_empty() { info.id.to_string() } else { info.name.clone() };
                devices.push(MaintainedDevice { name, label: info.label.clone(), place: info.place.clone() });
            }
            infos.insert(record.info.id.clone(), record.info.clone());
        }
        match page.last() {
            Some(last) if page.len() == PAGE => query.after = Some(last.info.id.to_string()),
            _ => break,
        }
    }
    let (mut faults, mut more_faults, mut silent, mut before) = (Vec::new(), 0_u64, Vec::new(), None);
    loop {
        let page = reader.faults(&FaultQuery { during: Some((from, end)), before, ..FaultQuery::default() }, PAGE)?;
        for fault in &page {
            let Some(info) = infos.get(&fault.device) else { continue };
            let rule = rules.find(&fault.rule);
            let over = if fault.state.is_open() { None } else { Some(fault.cleared_at.unwrap_or(fault.raised_at)) };
            if rule.is_some_and(|rule| rule.condition == RuleCondition::Silent) {
                silent.push((fault.raised_at.max(from), over.unwrap_or(end).min(end)));
            }
            if faults.len() < FAULTS_MAX {
                let title = fault.title.as_ref().map(|title| title.vi.clone());
                let what = title.or_else(|| rule.map(|rule| rule.title.vi.clone()));
                faults.push(MaintenanceFault {
                    device: if info.name.is_empty() { info.id.to_string() } else { info.name.clone() },
                    what: what.unwrap_or_else(|| fault.rule.clone()),
                    from: local(fault.raised_at, zone),
                    until: over.map(|at| local(at, zone)),
                });
            } else {
                more_faults += 1;
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => before = Some(last.id.0),
            _ => break,
        }
    }
    let ms: i64 = joined(silent).iter().map(|(from, until)| until.millis_since(*from).max(0)).sum();
    let responsible = office.signature.clone();
    Ok(document(&MaintenanceRecord {
        office,
        title: window.title.clone(),
        from: local(from, zone),
        until: local(until, zone),
        ended: (end < until).then(|| local(end, zone)),
        planned_by: (!window.who.is_empty()).then(|| wording::actor(&window.who)),
        overruled: window.overruled.clone(),
        more: all - devices.len() as u64,
        devices,
        faults,
        more_faults,
        silent_s: heard.then(|| u64::try_from(ms / 1000).unwrap_or(0)),
        responsible,
    }))
}
