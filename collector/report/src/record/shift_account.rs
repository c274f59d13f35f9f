//! What happened on a shift, as the record says: incidents that came, were taken and resolved, rules that are off, maintenance, what people changed.

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::{Incident, RuleSet, Text, Window};
use ioc_store::{Reader, SHIFT_EVENTS_MAX, ShiftAccount, ShiftEvent, ShiftEventKind, StoreError, audit_text};

/// Incidents in one page, and most that are looked through for what became of them on the shift.
const PAGE: usize = 200;
const LOOKED_MAX: usize = 2_000;
/// Records of one action that are listed.
const OF_ONE_ACTION: usize = 50;
/// Actions that the next shift has to know of: what devices, rules, accounts and the plan are.
const ACTIONS: [&str; 26] = [
    "account.changed",
    "account.created",
    "asset.imported",
    "backup.failed",
    "change.accepted",
    "clock.confirmed",
    "clock.stepped",
    "config.changed",
    "config.reloaded",
    "cover.added",
    "cover.removed",
    "device.described",
    "device.enrolled",
    "device.fingerprint_changed",
    "device.quarantined",
    "device.registered",
    "device.released",
    "device.revoked",
    "enrolment.refused",
    "notice.given_up",
    "retention.changed",
    "settings.refused",
    "store.restored",
    "token.created",
    "window.ended",
    "window.planned",
];

/// Which shift, as its calendar has it.
#[derive(Debug, Clone, Copy)]
pub struct ShiftSpan {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

fn event(kind: ShiftEventKind, at: Timestamp, text: &Text) -> ShiftEvent {
    let (vi, en) = (text.vi.clone(), text.en.clone());
    ShiftEvent { kind, at, until: None, number: None, vi, en, who: String::new() }
}

/// What became of an incident within the span.
fn of_incident(incident: &Incident, is_within: impl Fn(Timestamp) -> bool) -> Vec<ShiftEvent> {
    let of = |kind, at: Option<Timestamp>, who: &str| {
        let at = at.filter(|at| is_within(*at))?;
        Some(ShiftEvent { number: Some(incident.id.0), who: who.to_owned(), ..event(kind, at, &incident.title) })
    };
    let by = incident.acknowledged_by.as_deref().unwrap_or_default();
    let all = [
        of(ShiftEventKind::Opened, Some(incident.opened_at), ""),
        of(ShiftEventKind::Taken, incident.acknowledged_at, by),
        of(ShiftEventKind::Resolved, incident.resolved_at, ""),
    ];
    all.into_iter().flatten().collect()
}

/// Incidents, newest first, as many as are looked through; and whether there are more.
fn looked_through(reader: &dyn Reader, active: bool) -> Result<(Vec<Incident>, bool), StoreError> {
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let page = reader.incidents(None, active, before, PAGE)?;
        before = page.last().filter(|_| page.len() == PAGE).map(|last| last.id.0);
        found.extend(page);
        if before.is_none() || found.len() >= LOOKED_MAX {
            return Ok((found, before.is_some()));
        }
    }
}

/// A maintenance window that is open within the span.
fn of_window(window: &Window, over: Option<Timestamp>, span: ShiftSpan) -> Option<ShiftEvent> {
    let (from, end) = window.next(span.from)?;
    let until = over.map_or(end, |over| over.min(end));
    if from >= span.until || until <= span.from {
        return None;
    }
    let text = Text::new(window.title.as_str(), window.title.as_str());
    let (number, who) = (Some(window.id), window.who.clone());
    Some(ShiftEvent { until: Some(until), number, who, ..event(ShiftEventKind::Maintenance, from, &text) })
}

/// What people changed within the span.
fn changes(reader: &dyn Reader, span: ShiftSpan) -> Result<Vec<ShiftEvent>, StoreError> {
    let done = reader.audit_tally(span.from, span.until)?;
    let mut found = Vec::new();
    for action in ACTIONS.into_iter().filter(|action| done.contains_key(*action)) {
        let Some((vi, en)) = audit_text::text_of(action) else { continue };
        for record in reader.audit_of(action, span.from, span.until, OF_ONE_ACTION)? {
            // Whoever has an account is named where accounts are; here it is enough that there was a change.
            let subject = if action.starts_with("account.") { "" } else { record.subject.as_str() };
            let device = DeviceId::new(subject).ok().map(|id| reader.device(&id)).transpose()?.flatten();
            let name = device.map_or_else(|| subject.to_owned(), |device| device.info.name);
            let said = |action: &str| if name.is_empty() { action.to_owned() } else { format!("{action}: {name}") };
            let text = Text::new(said(vi), said(en));
            found.push(ShiftEvent { who: record.actor, ..event(ShiftEventKind::Changed, record.at, &text) });
        }
    }
    Ok(found)
}

/// What happened on a shift up to `now`, and which incidents are open now.
///
/// # Errors
/// [`StoreError`] when the record cannot be read.
pub fn shift_account(
    reader: &dyn Reader,
    rules: &RuleSet,
    span: ShiftSpan,
    now: Timestamp,
) -> Result<ShiftAccount, StoreError> {
    let span = ShiftSpan { until: span.until.min(now), ..span };
    let is_within = |at: Timestamp| span.from <= at && at < span.until;
    let (incidents, cut) = looked_through(reader, false)?;
    let mut events: Vec<ShiftEvent> = incidents.iter().flat_map(|one| of_incident(one, is_within)).collect();
    // What waits longest is what is forgotten: it is looked for by itself where there are more incidents than are looked through.
    let active = if cut { looked_through(reader, true)?.0 } else { incidents };
    let mut open: Vec<u64> = active.iter().filter(|one| one.state.is_active()).map(|one| one.id.0).collect();
    open.reverse();
    let more_open = open.len().saturating_sub(SHIFT_EVENTS_MAX) as u64;
    open.truncate(SHIFT_EVENTS_MAX);
    let silenced = rules.rules().iter().filter(|rule| rule.off && rule.until.is_none_or(|end| end > span.until));
    events.extend(silenced.map(|rule| {
        let text = Text::new(
            format!("{} — {}", rule.title.vi, rule.override_reason),
            format!("{} — {}", rule.title.en, rule.override_reason),
        );
        ShiftEvent { until: rule.until, ..event(ShiftEventKind::Silenced, span.from, &text) }
    }));
    let windows = reader.windows()?.into_iter().map(|window| (window, None));
    let over = reader.windows_over(span.from)?.into_iter().map(|(window, at)| (window, Some(at)));
    events.extend(windows.chain(over).filter_map(|(window, over)| of_window(&window, over, span)));
    events.extend(changes(reader, span)?);
    events.sort_by_key(|one| (one.at, one.kind));
    let more = events.len().saturating_sub(SHIFT_EVENTS_MAX) as u64;
    events.truncate(SHIFT_EVENTS_MAX);
    Ok(ShiftAccount { events, more, cut, open, more_open })
}

#[cfg(test)]
mod tests {
    use ioc_judge::{Scope, WindowSchedule};

    use super::*;

    #[test]
    fn a_window_counts_where_it_was_open_on_the_shift_and_not_beyond() {
        let at = Timestamp::from_millis;
        let span = ShiftSpan { from: at(100), until: at(200) };
        let window = |from: i64, until: i64| Window {
            id: 1,
            title: "Thay đĩa".to_owned(),
            scope: Scope::default(),
            when: WindowSchedule::Once { from: at(from), until: at(until) },
            freeze: false,
            who: "lan".to_owned(),
            overruled: Vec::new(),
        };
        let found = |from, until, over: Option<i64>| of_window(&window(from, until), over.map(at), span);
        let until = |event: Option<ShiftEvent>| event.and_then(|event| event.until).map(Timestamp::as_millis);
        assert_eq!(until(found(50, 150, None)), Some(150));
        assert_eq!(until(found(150, 900, None)), Some(900));
        assert_eq!(until(found(150, 900, Some(180))), Some(180), "it was ended early");
        assert_eq!(found(200, 300, None), None, "it is the next shift's");
        assert_eq!(found(10, 90, None), None);
        assert_eq!(found(10, 190, Some(90)), None, "it was ended before");
    }
}
