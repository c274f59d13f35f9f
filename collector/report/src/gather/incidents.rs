//! One pass over the incidents that were opened in the two periods.

use ioc_common::clock::Timestamp;
use ioc_judge::deadline::{DeadlineState, REMINDER};
use ioc_judge::{Incident, IncidentState};
use ioc_store::{DeliveryState, OutboxEntry, StoreError};

use super::{BEFORE, Gathering, NOW, Stretch};

/// Incidents in one page.
const PAGE: usize = 200;
/// Numbers are given in the order of time, but for a clock that was set: so much older, milliseconds, and nothing of the periods follows.
const OLDER_MS: i64 = 86_400_000;
/// How soon *at once* is, milliseconds (articles 6.2, 17.4): the law gives no number.
pub(super) const AT_ONCE_MS: i64 = 300_000;

/// What incidents of one period say.
#[derive(Debug, Default, Clone)]
pub(super) struct Told {
    pub(super) all: u64,
    /// Of devices that broke (article 6.2): from the opening to the first notice that was delivered, milliseconds.
    pub(super) failures: u64,
    pub(super) failure_notice_ms: Vec<i64>,
    /// Told later than at once, or nobody.
    pub(super) failures_late: u64,
    /// Taken by its deadline, or told at once where it has none.
    pub(super) on_time: u64,
    /// Still in time.
    pub(super) not_due: u64,
    /// Repaired or closed by a person, and with all that article 10.2 asks.
    pub(super) gated: u64,
    pub(super) proven: u64,
    /// Given to a unit; resolved; past its deadline.
    pub(super) assigned: u64,
    pub(super) answered: u64,
    pub(super) overdue: u64,
    /// What the law asks of serious ones: how many there are, met in time, met late or missed, and still in time.
    pub(super) serious: u64,
    pub(super) clocks: u64,
    pub(super) clocks_met: u64,
    pub(super) clocks_late: u64,
    pub(super) clocks_running: u64,
    /// Incidents with a deadline that was missed and is not met yet.
    pub(super) clocks_missed: Vec<String>,
    /// Told to the responsible department; confirmed there; from the one to the other, milliseconds.
    pub(super) regulator: u64,
    pub(super) confirmed: u64,
    pub(super) confirm_ms: Vec<i64>,
    pub(super) unconfirmed: Vec<String>,
    /// Opened in each month, by its first moment.
    pub(super) opened: Vec<Timestamp>,
}

#[derive(Debug, Default)]
pub(super) struct IncidentFacts {
    pub(super) periods: [Told; 2],
}

impl IncidentFacts {
    pub(super) fn read(of: &Gathering<'_>) -> Result<Self, StoreError> {
        let mut facts = Self::default();
        let oldest = of.periods[BEFORE].from.plus_millis(-OLDER_MS);
        let mut before = None;
        loop {
            let page = of.reader.incidents(None, false, before, PAGE)?;
            for incident in &page {
                let within = |period: &Stretch| period.holds(incident.opened_at);
                let Some(period) = [NOW, BEFORE].into_iter().find(|period| within(&of.periods[*period])) else {
                    continue;
                };
                let notices = of.reader.incident(incident.id)?.map(|(_, _, notices)| notices).unwrap_or_default();
                facts.periods[period].take(incident, &notices, of.asked.now);
            }
            match page.last() {
                Some(last) if page.len() == PAGE && last.opened_at >= oldest => before = Some(last.id.0),
                _ => return Ok(facts),
            }
        }
    }
}

fn first_delivered(notices: &[OutboxEntry]) -> Option<Timestamp> {
    let delivered = notices.iter().filter(|one| one.state == DeliveryState::Delivered);
    delivered.filter_map(|one| one.delivered_at).min()
}

impl Told {
    fn take(&mut self, incident: &Incident, notices: &[OutboxEntry], now: Timestamp) {
        // What was joined to another is counted there; what reminds of a deadline is no incident of its own.
        if incident.record.merged_into.is_some() || incident.rule.starts_with(REMINDER) {
            return;
        }
        self.all += 1;
        self.opened.push(incident.opened_at);
        let after_ms = |at: Timestamp| at.millis_since(incident.opened_at).max(0);
        let told_ms = first_delivered(notices).map(after_ms);
        let due = now.millis_since(incident.opened_at) > AT_ONCE_MS;
        let late = told_ms.map_or(due, |ms| ms > AT_ONCE_MS);
        if incident.article.starts_with("6.2") {
            self.failures += 1;
            self.failure_notice_ms.extend(told_ms);
            self.failures_late += u64::from(late);
        }
        match (incident.acknowledge_by, incident.acknowledged_at) {
            (Some(by), Some(at)) => self.on_time += u64::from(at <= by),
            (Some(by), None) => self.not_due += u64::from(by > now),
            (None, _) if told_ms.is_none() && !due => self.not_due += 1,
            (None, _) => self.on_time += u64::from(!late),
        }
        self.take_work(incident, now);
        if let Some(regulator) = &incident.record.regulator {
            self.regulator += 1;
            match regulator.confirmed_at {
                Some(at) => {
                    self.confirmed += 1;
                    self.confirm_ms.push(at.millis_since(regulator.sent_at).max(0));
                }
                None => self.unconfirmed.push(incident.id.to_string()),
            }
        }
    }

    /// What people did about it (articles 10.2, 15.3).
    fn take_work(&mut self, incident: &Incident, now: Timestamp) {
        let record = &incident.record;
        if record.repair.is_some() || record.closing.is_some() {
            self.gated += 1;
            let safe = record.repair.as_ref().is_none_or(|repair| {
                let backed_up = !repair.backup.is_empty() || !repair.no_backup.is_empty();
                backed_up && !repair.safety.is_empty()
            });
            let written = incident.state != IncidentState::Closed
                || record.closing.as_ref().is_some_and(|one| !one.course.is_empty() && !one.remedy.is_empty());
            self.proven += u64::from(safe && written);
        }
        self.take_clocks(incident, now);
        // What a unit was asked counts by its answers; what it was given without being asked for one, by how it ended.
        if !record.requests.is_empty() {
            for request in &record.requests {
                let state = request.state(now);
                self.assigned += u64::from(state != DeadlineState::Withdrawn);
                self.answered += u64::from(matches!(state, DeadlineState::Met | DeadlineState::MetLate));
                self.overdue += u64::from(matches!(state, DeadlineState::MetLate | DeadlineState::Missed));
            }
        } else if !record.unit.is_empty() {
            self.assigned += 1;
            let over = matches!(incident.state, IncidentState::Resolved | IncidentState::Closed);
            self.answered += u64::from(over);
            let ended = if over { incident.resolved_at.unwrap_or(now) } else { now };
            self.overdue += u64::from(incident.resolve_by.is_some_and(|by| ended > by));
        }
    }

    /// What the law asks of a serious incident; what it asked of one that is none after all counts where it was met.
    fn take_clocks(&mut self, incident: &Incident, now: Timestamp) {
        let Some(serious) = &incident.record.serious else { return };
        let is_now = serious.ended.is_none();
        self.serious += u64::from(is_now);
        for clock in &serious.clocks {
            let state = clock.state(now);
            if !is_now && state.is_open() {
                continue;
            }
            self.clocks += 1;
            match state {
                DeadlineState::Met => self.clocks_met += 1,
                DeadlineState::MetLate => self.clocks_late += 1,
                DeadlineState::Missed => {
                    self.clocks_late += 1;
                    self.clocks_missed.push(format!("{} ({})", incident.id, clock.term.what()));
                }
                DeadlineState::Running => self.clocks_running += 1,
                DeadlineState::Withdrawn => {}
            }
        }
    }
}
