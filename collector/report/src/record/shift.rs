//! The hand-over record of a shift, from what is open, what was resolved, and the duty book.

use ioc_common::clock::Timestamp;
use ioc_document::model::Document;
use ioc_document::report::Office;
use ioc_document::report::handover::{Handover, OpenIncident, document};
use ioc_document::wording;
use ioc_judge::{Incident, IncidentState};
use ioc_store::{Reader, StoreError};
use jiff::tz::TimeZone;

use super::local;

/// Incidents in one page, and most that are looked through for those that were resolved in the shift.
const PAGE: usize = 200;
const LOOKED_MAX: usize = 5_000;
/// Most incidents in the record.
const OPEN_MAX: usize = 300;
/// Entries of the duty book that are looked through.
const BOOK_MAX: usize = 200;
/// A maintenance window that opens so soon is a task of the next shift, milliseconds.
const SOON_MS: i64 = 86_400_000;

/// Which shift is handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShiftFacts {
    /// The rota's name.
    pub rota: String,
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// Who hands over, by name.
    pub giving: Vec<String>,
    /// Who takes over.
    pub taking: Vec<String>,
}

/// In what state an incident is, as people read it, and who has it.
fn state(incident: &Incident) -> String {
    let word = match incident.state {
        IncidentState::Open => "chưa ai tiếp nhận",
        IncidentState::Reopened => "mở lại, chưa ai tiếp nhận",
        IncidentState::Acknowledged => "đã tiếp nhận",
        IncidentState::Repairing => "đang sửa",
        IncidentState::Resolved => "đã hết lỗi",
        IncidentState::Closed => "đã đóng",
    };
    let who = [incident.record.person.as_str(), incident.record.unit.as_str()];
    let who = who.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
    if who.is_empty() { word.to_owned() } else { format!("{word}: {who}") }
}

/// Makes the record of a shift up to `now`.
///
/// # Errors
/// [`StoreError`] when the record cannot be read.
pub fn shift(
    reader: &dyn Reader,
    facts: &ShiftFacts,
    office: Office,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<Document, StoreError> {
    let until = facts.until.min(now);
    let (mut open, mut resolved, mut looked, mut before) = (Vec::new(), 0_u64, 0, None);
    let mut whole = true;
    loop {
        let page = reader.incidents(None, false, before, PAGE)?;
        for incident in &page {
            if incident.state.is_active() && incident.opened_at < until && open.len() < OPEN_MAX {
                let device = incident.device.as_ref().map(|id| reader.device(id)).transpose()?.flatten();
                open.push(OpenIncident {
                    number: incident.id.0,
                    title: incident.title.vi.clone(),
                    device: device.map(|record| record.info.name),
                    since: local(incident.opened_at, zone),
                    state: state(incident),
                });
            }
            let within = |at: Timestamp| facts.from <= at && at < until;
            resolved += u64::from(!incident.state.is_active() && incident.resolved_at.is_some_and(within));
        }
        looked += page.len();
        match page.last() {
            Some(last) if page.len() == PAGE && looked < LOOKED_MAX => before = Some(last.id.0),
            Some(_) if page.len() == PAGE => {
                whole = false;
                break;
            }
            _ => break,
        }
    }
    // The oldest first, as they wait.
    open.reverse();
    let mut tasks = Vec::new();
    for window in reader.windows()?.into_iter().filter(|window| !window.freeze) {
        let Some((from, end)) = window.next(until).filter(|(from, _)| from.millis_since(until) < SOON_MS) else {
            continue;
        };
        let moment = |at| wording::moment(local(at, zone));
        tasks.push(format!("Bảo trì: {}, từ {} đến {}", window.title, moment(from), moment(end)));
    }
    let book = reader.handovers(BOOK_MAX)?;
    let of_rota = |rota: &str| rota.is_empty() || rota == facts.rota;
    let mut remarks: Vec<String> = book
        .into_iter()
        .filter(|entry| facts.from <= entry.at && entry.at < now && of_rota(&entry.rota))
        .map(|entry| format!("{} {}: {}", wording::moment(local(entry.at, zone)), entry.who, entry.text))
        .collect();
    remarks.reverse();
    Ok(document(&Handover {
        office,
        from: local(facts.from, zone),
        to: local(until, zone),
        giving: facts.giving.clone(),
        taking: facts.taking.clone(),
        open,
        resolved: whole.then_some(resolved),
        tasks,
        condition: None,
        remarks: (!remarks.is_empty()).then(|| remarks.join("\n")),
    }))
}
