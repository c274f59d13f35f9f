//! The hand-over record of a shift, from what is open, what was resolved, and the duty book.

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_common::id::IncidentId;
use ioc_document::model::Document;
use ioc_document::report::Office;
use ioc_document::report::handover::{Handover, OpenIncident, document};
use ioc_document::wording;
use ioc_judge::{Incident, IncidentState};
use ioc_store::{Reader, ShiftAccount, ShiftEvent, ShiftEventKind, ShiftSide, StoreError};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::local;

/// Incidents in one page, and most that are looked through for those that were resolved in the shift.
const PAGE: usize = 200;
const LOOKED_MAX: usize = 5_000;
/// Most incidents that the record lists, those that wait longest: of more it says how many.
const OPEN_MAX: usize = 1_000;
/// Entries of the duty book that are looked through: of more than a shift's it is said that there are.
const BOOK_MAX: usize = 1_000;
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
    /// What happened on it: as it was signed, or as it stands.
    pub account: ShiftAccount,
    /// Who signed: side, name and moment; who hands over first.
    pub signed: Vec<(ShiftSide, String, Timestamp)>,
    /// What people are called, by account; whoever is not in it is called by that.
    pub names: BTreeMap<String, String>,
}

/// What sort of thing happened, as people read it.
const fn sort_of(kind: ShiftEventKind) -> &'static str {
    match kind {
        ShiftEventKind::Opened => "Mở sự cố",
        ShiftEventKind::Taken => "Tiếp nhận sự cố",
        ShiftEventKind::Resolved => "Hết sự cố",
        ShiftEventKind::Silenced => "Quy tắc đang tắt",
        ShiftEventKind::Maintenance => "Bảo trì",
        ShiftEventKind::Changed => "Thay đổi",
    }
}

fn happened(facts: &ShiftFacts, zone: &TimeZone) -> Vec<(DateTime, String, String)> {
    let row = |event: &ShiftEvent| {
        let number = event.number.filter(|_| event.kind <= ShiftEventKind::Resolved);
        let number = number.map(|number| format!(" {}", IncidentId(number))).unwrap_or_default();
        let until = event.until.map(|at| format!(", đến {}", wording::moment(local(at, zone)))).unwrap_or_default();
        let what = format!("{}{number}: {}{until}", sort_of(event.kind), event.vi);
        let who = facts.names.get(&event.who).cloned().unwrap_or_else(|| wording::actor(&event.who));
        (local(event.at, zone), what, who)
    };
    facts.account.events.iter().map(row).collect()
}

fn signed(facts: &ShiftFacts, zone: &TimeZone) -> Vec<String> {
    let line = |(side, name, at): &(ShiftSide, String, Timestamp)| {
        let side = match side {
            ShiftSide::Given => "Bên giao",
            ShiftSide::Taken => "Bên nhận",
        };
        format!("{side}: {}, lúc {}", wording::actor(name), wording::moment(local(*at, zone)))
    };
    facts.signed.iter().map(line).collect()
}

/// A state, as people read it.
const fn word(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Open => "chưa ai tiếp nhận",
        IncidentState::Reopened => "mở lại, chưa ai tiếp nhận",
        IncidentState::Acknowledged => "đã tiếp nhận",
        IncidentState::Repairing => "đang sửa",
        IncidentState::Resolved => "đã hết lỗi",
        IncidentState::Closed => "đã đóng",
    }
}

/// In what state an incident is, and who has it.
fn state(incident: &Incident) -> String {
    let word = word(incident.state);
    let who = [wording::actor(&incident.record.person), incident.record.unit.clone()];
    let who = who.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
    if who.is_empty() { word.to_owned() } else { format!("{word}: {who}") }
}

/// Incidents that may have been open at a moment that is over, the newest first: those that are active now, and those that were resolved only since. Of what was
/// resolved, as many are looked through as for the count of what was resolved in the shift.
fn waiting(reader: &dyn Reader, until: Timestamp, is_past: bool) -> Result<Vec<Incident>, StoreError> {
    let (mut found, mut before, mut looked) = (Vec::new(), None, 0);
    loop {
        let active = !is_past || looked >= LOOKED_MAX;
        let page = reader.incidents(None, active, before, PAGE)?;
        looked += page.len();
        before = page.last().filter(|_| page.len() == PAGE).map(|last| last.id.0);
        let was_open = |one: &Incident| one.state.is_active() || one.resolved_at.is_some_and(|at| at >= until);
        found.extend(page.into_iter().filter(|one| one.opened_at < until && was_open(one)));
        if before.is_none() {
            return Ok(found);
        }
    }
}

/// In what state an incident was at a moment that is over; who had it then is on record only while nothing has happened since.
fn state_then(reader: &dyn Reader, incident: &Incident, until: Timestamp) -> Result<Option<String>, StoreError> {
    let steps = reader.incident(incident.id)?.map(|(_, steps, _)| steps).unwrap_or_default();
    if steps.iter().all(|step| step.at < until) {
        return Ok(incident.state.is_active().then(|| state(incident)));
    }
    let then = steps.iter().rev().find(|step| step.at < until).map_or(IncidentState::Open, |step| step.state);
    Ok(then.is_active().then(|| word(then).to_owned()))
}

/// What is open at a moment, the oldest first, as they wait; and how many more there are.
fn open(
    reader: &dyn Reader,
    until: Timestamp,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<(Vec<OpenIncident>, u64), StoreError> {
    let is_past = until < now;
    let waiting = waiting(reader, until, is_past)?;
    let more = waiting.len().saturating_sub(OPEN_MAX) as u64;
    let mut open = Vec::new();
    for incident in waiting.into_iter().rev().take(OPEN_MAX) {
        let said = if is_past { state_then(reader, &incident, until)? } else { Some(state(&incident)) };
        // It was resolved then, and came back since.
        let Some(said) = said else { continue };
        let device = incident.device.as_ref().map(|id| reader.device(id)).transpose()?.flatten();
        open.push(OpenIncident {
            number: incident.id.0,
            title: incident.title.vi.clone(),
            device: device.map(|record| record.info.name),
            since: local(incident.opened_at, zone),
            state: said,
        });
    }
    Ok((open, more))
}

/// How many were resolved in a stretch of time; not known where there are more than are looked through.
fn resolved(reader: &dyn Reader, (from, until): (Timestamp, Timestamp)) -> Result<Option<u64>, StoreError> {
    let (mut resolved, mut looked, mut before) = (0_u64, 0, None);
    let within = |at: Timestamp| from <= at && at < until;
    loop {
        let page = reader.incidents(None, false, before, PAGE)?;
        let over = page.iter().filter(|one| !one.state.is_active() && one.resolved_at.is_some_and(within));
        resolved += over.count() as u64;
        looked += page.len();
        match page.last() {
            Some(last) if page.len() == PAGE && looked < LOOKED_MAX => before = Some(last.id.0),
            Some(_) if page.len() == PAGE => return Ok(None),
            _ => return Ok(Some(resolved)),
        }
    }
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
    let (open, more) = open(reader, until, now, zone)?;
    let resolved = resolved(reader, (facts.from, until))?;
    let mut tasks = Vec::new();
    for window in reader.windows()?.into_iter().filter(|window| !window.freeze) {
        let Some((from, end)) = window.next(until).filter(|(from, _)| from.millis_since(until) < SOON_MS) else {
            continue;
        };
        let moment = |at| wording::moment(local(at, zone));
        tasks.push(format!("Bảo trì: {}, từ {} đến {}", window.title, moment(from), moment(end)));
    }
    let book = reader.handovers(BOOK_MAX)?;
    let is_cut = book.len() == BOOK_MAX && book.last().is_some_and(|oldest| oldest.at >= facts.from);
    let of_rota = |rota: &str| rota.is_empty() || rota == facts.rota;
    let mut remarks: Vec<String> = book
        .into_iter()
        .filter(|entry| facts.from <= entry.at && entry.at < now && of_rota(&entry.rota))
        .map(|entry| {
            format!("{} {}: {}", wording::moment(local(entry.at, zone)), wording::actor(&entry.who), entry.text)
        })
        .collect();
    if is_cut {
        remarks.push("Sổ trực của ca còn những dòng cũ hơn, xem trang Trực ban.".to_owned());
    }
    remarks.reverse();
    Ok(document(&Handover {
        office,
        from: local(facts.from, zone),
        to: local(until, zone),
        giving: facts.giving.clone(),
        taking: facts.taking.clone(),
        open,
        more,
        happened: happened(facts, zone),
        more_happened: facts.account.more,
        signed: signed(facts, zone),
        resolved,
        tasks,
        condition: None,
        remarks: (!remarks.is_empty()).then(|| remarks.join("\n")),
    }))
}

#[cfg(test)]
mod tests {
    use ioc_judge::incident::{IncidentRecord, Progress};
    use ioc_judge::{Evidence, InformationSource, Priority, Severity, Text};
    use ioc_store::Change;
    use ioc_store::report::DocumentSettings;

    use super::*;

    fn facts() -> ShiftFacts {
        ShiftFacts {
            rota: "Trực ban".into(),
            from: Timestamp::MIN,
            until: Timestamp::MIN,
            giving: Vec::new(),
            taking: Vec::new(),
            account: ShiftAccount::default(),
            signed: vec![(ShiftSide::Given, "Lê Thị Hoa".into(), Timestamp::from_millis(4_400_000))],
            names: BTreeMap::new(),
        }
    }

    fn incident(number: u64, state: IncidentState) -> Change {
        let resolved_at = (!state.is_active()).then(|| Timestamp::from_millis(5_000_000));
        Change::Incident(Box::new(Incident {
            id: IncidentId(number),
            device: None,
            rule: String::new(),
            severity: Severity::Warning,
            priority: Priority::P3,
            state,
            title: Text::new(format!("Sự cố {number}"), ""),
            reason: Text::default(),
            advice: Text::default(),
            article: String::new(),
            opened_at: Timestamp::from_millis(number.cast_signed()),
            acknowledge_by: None,
            resolve_by: None,
            acknowledged_at: None,
            acknowledged_by: None,
            resolved_at,
            raised: 0,
            steps: 1,
            evidence: Evidence::of(InformationSource::Person),
            record: IncidentRecord::default(),
            progress: Progress::default(),
        }))
    }

    #[test]
    fn nothing_that_is_open_is_handed_over_in_silence_however_much_it_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut store = ioc_store::open(dir.path()).expect("opens");
        let waiting = OPEN_MAX as u64 + 5;
        let open = (1..=waiting).map(|number| incident(number, IncidentState::Open));
        // What came since hides nothing of what waits longest.
        let over = (waiting + 1..waiting + 301).map(|number| incident(number, IncidentState::Resolved));
        store.commit(&open.chain(over).collect::<Vec<_>>()).expect("commits");
        let (from, until) = (Timestamp::from_millis(4_000_000), Timestamp::from_millis(9_000_000));
        let facts = ShiftFacts { from, until, ..facts() };
        let office = crate::draft::office(&DocumentSettings::default(), 0);
        let reader = store.reader().expect("reads");
        let made = shift(reader.as_ref(), &facts, office, &TimeZone::UTC, until).expect("made");
        let text = format!("{made:?}");
        assert!(text.contains("\"Sự cố 1\"") && !text.contains(&format!("\"Sự cố {waiting}\"")), "the oldest first");
        assert!(text.contains("Còn 5 sự cố khác đang xử lý"), "and how many more there are");
        assert!(text.contains("trong ca: 300") && text.contains("Bên giao: Lê Thị Hoa, lúc"));
    }

    #[test]
    fn the_hand_over_of_a_shift_that_is_over_has_what_was_open_at_its_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut store = ioc_store::open(dir.path()).expect("opens");
        let step = |incident: u64, number: u32, ms: i64, state: IncidentState| {
            Change::Step(ioc_judge::incident::TimelineStep {
                incident: IncidentId(incident),
                number,
                at: Timestamp::from_millis(ms),
                who: String::new(),
                state,
                note: Text::default(),
            })
        };
        // One was taken in the shift and resolved after it, one was resolved in it; one was resolved in it and is open again.
        store
            .commit(&[
                incident(1, IncidentState::Closed),
                step(1, 1, 1, IncidentState::Open),
                step(1, 2, 4_100_000, IncidentState::Acknowledged),
                step(1, 3, 5_000_000, IncidentState::Resolved),
                incident(2, IncidentState::Reopened),
                step(2, 1, 2, IncidentState::Open),
                step(2, 2, 4_200_000, IncidentState::Resolved),
                step(2, 3, 5_100_000, IncidentState::Reopened),
            ])
            .expect("commits");
        let made = |until: i64| {
            let (from, until) = (Timestamp::from_millis(4_000_000), Timestamp::from_millis(until));
            let facts = ShiftFacts { from, until, ..facts() };
            let office = crate::draft::office(&DocumentSettings::default(), 0);
            let reader = store.reader().expect("reads");
            let now = Timestamp::from_millis(9_000_000);
            format!("{:?}", shift(reader.as_ref(), &facts, office, &TimeZone::UTC, now).expect("made"))
        };
        let text = made(4_500_000);
        assert!(text.contains("\"Sự cố 1\"") && text.contains("đã tiếp nhận"), "it was open when the shift ended");
        assert!(!text.contains("\"Sự cố 2\""), "it was resolved then");
        let text = made(5_500_000);
        assert!(!text.contains("\"Sự cố 1\"") && text.contains("\"Sự cố 2\""), "{text}");
    }
}
