//! Deadlines that an incident brings besides its own: notices that the law asks for once it is serious, and answers of units (article 15.3).
//!
//! They are part of the incident, and are kept, shown and deleted with it. What the law asks is data of whoever marks (`config/legal`); here stands only
//! what became of it. They run on when the incident is over.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::document::HIDDEN;
use ioc_common::id::IncidentId;

/// The name of the fault by which people are reminded of a deadline begins so; it stands in the store.
pub const REMINDER: &str = "deadline/";
/// A deadline is reminded of when so much of its time is left, parts of it, and at most so long before, milliseconds.
const REMIND_PART: i64 = 4;
const REMIND_MAX_MS: i64 = 12 * 3_600_000;

/// What was said of a deadline last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Said {
    /// Nothing yet.
    #[default]
    Nothing,
    /// That it is near.
    Soon,
    /// That it has passed.
    Late,
}

/// How a deadline stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadlineState {
    /// It was met in time.
    Met,
    /// It was met after its time.
    MetLate,
    /// It is not met yet, and there is time.
    Running,
    /// It is not met, and its time is over.
    Missed,
    /// Nobody asks for it any more.
    Withdrawn,
}

impl DeadlineState {
    /// The name used in the API and in texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::MetLate => "met_late",
            Self::Running => "running",
            Self::Missed => "missed",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether somebody still has to do something.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Running | Self::Missed)
    }
}

/// When something is due, and what was said of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// By when.
    pub at: Timestamp,
    /// From when on people are reminded.
    pub remind_at: Timestamp,
    /// What was said of it; nothing is said twice.
    #[serde(default)]
    pub said: Said,
}

impl Due {
    /// Due at `at`, of which people know since `since`.
    #[must_use]
    pub fn new(since: Timestamp, at: Timestamp) -> Self {
        let before_ms = (at.millis_since(since) / REMIND_PART).clamp(0, REMIND_MAX_MS);
        Self { at, remind_at: at.plus_millis(-before_ms), said: Said::Nothing }
    }

    /// Due as soon as possible: people are reminded from the beginning.
    #[must_use]
    pub const fn at_once(since: Timestamp, late_at: Timestamp) -> Self {
        Self { at: late_at, remind_at: since, said: Said::Nothing }
    }

    /// What is to be said of it by now, while it is not met.
    #[must_use]
    pub fn stage(&self, now: Timestamp) -> Said {
        if self.at <= now {
            Said::Late
        } else if self.remind_at <= now {
            Said::Soon
        } else {
            Said::Nothing
        }
    }

    /// When something is to be said of it next, while it is not met.
    #[must_use]
    pub const fn next(&self) -> Option<Timestamp> {
        match self.said {
            Said::Nothing => Some(self.remind_at),
            Said::Soon => Some(self.at),
            Said::Late => None,
        }
    }

    fn state(&self, met: Option<Timestamp>, now: Timestamp) -> DeadlineState {
        match met {
            Some(at) if at <= self.at => DeadlineState::Met,
            Some(_) => DeadlineState::MetLate,
            None if now < self.at => DeadlineState::Running,
            None => DeadlineState::Missed,
        }
    }
}

/// That an incident is serious, and which deadlines of the law run since.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serious {
    /// From when the deadlines run.
    pub since: Timestamp,
    /// When it was marked.
    pub at: Timestamp,
    /// The account that marked it; empty where it was the criterion of a law pack.
    pub who: String,
    pub reason: String,
    pub clocks: Vec<LegalClock>,
    /// It turned out not to be; none while it is.
    #[serde(default)]
    pub ended: Option<SeriousEnd>,
}

/// Why an incident is not serious after all.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriousEnd {
    pub at: Timestamp,
    /// The account that unmarked it.
    pub who: String,
    pub reason: String,
}

/// What the law asks of a serious incident, as it stood in the pack when it was marked.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockTerm {
    /// Unique within the incident: lower case letters, digits, `-` and `.`.
    pub id: String,
    /// What starts it.
    pub condition: String,
    pub to: String,
    /// The law, as documents call it.
    pub law: String,
    /// Where it asks for this; may be empty.
    pub article: String,
    /// What the document is called; empty where none is asked for.
    pub form: String,
    /// How long from the beginning on, milliseconds.
    pub within_ms: i64,
    /// As soon as possible.
    pub at_once: bool,
}

impl ClockTerm {
    /// What is to be done, in a few words of the law.
    #[must_use]
    pub fn what(&self) -> &str {
        if self.form.is_empty() { &self.condition } else { &self.form }
    }

    /// Where it is asked for: the law, and its article where the pack says it. `of` is the word for an article.
    #[must_use]
    pub fn source(&self, of: &str) -> String {
        if self.article.is_empty() { self.law.clone() } else { format!("{}, {of} {}", self.law, self.article) }
    }
}

/// A deadline of the law that runs on an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegalClock {
    /// What is asked.
    pub term: ClockTerm,
    /// When it is due.
    pub due: Due,
    /// How it was met; none before.
    #[serde(default)]
    pub sent: Option<Sent>,
}

/// How a notice that the law asks for was sent.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    pub at: Timestamp,
    /// By which way, and to whom.
    pub how: String,
    /// The number of the issued document; none where no document is asked for.
    pub document: Option<u64>,
    /// The account that wrote this down.
    pub who: String,
    /// When it was written down.
    pub noted_at: Timestamp,
}

/// What a unit is asked about an incident (article 15.3).
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitRequest {
    /// Its number within the incident, from 1.
    pub number: u32,
    pub unit: String,
    /// What is asked of it.
    pub what: String,
    /// The account that asked.
    pub who: String,
    pub asked_at: Timestamp,
    pub due: Due,
    #[serde(default)]
    pub answer: Option<UnitAnswer>,
    /// It is not asked any more; none while it is.
    #[serde(default)]
    pub withdrawn: Option<SeriousEnd>,
}

/// What a unit answered.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitAnswer {
    /// Who in the unit answers: a person's name.
    pub person: String,
    /// When they did it.
    pub at: Timestamp,
    /// What was done.
    pub what: String,
    /// SHA-256 of a file of the incident that shows it, hex; empty for none.
    pub file: String,
    /// The account that wrote this down.
    pub who: String,
    /// When it was written down.
    pub noted_at: Timestamp,
}

impl UnitAnswer {
    /// Takes out who it was (article 12).
    pub fn hide(&mut self) {
        if !self.person.is_empty() {
            HIDDEN.clone_into(&mut self.person);
        }
    }
}

/// Which deadline of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadlineKey {
    /// That of the law of this id.
    Clock(String),
    /// That of the request of this number.
    Request(u32),
}

impl DeadlineKey {
    /// The name of the fault by which people are reminded of it.
    #[must_use]
    pub fn reminder(&self, incident: IncidentId) -> String {
        match self {
            Self::Clock(id) => format!("{REMINDER}{}/{id}", incident.0),
            Self::Request(number) => format!("{REMINDER}{}/unit-{number}", incident.0),
        }
    }
}

impl LegalClock {
    /// How it stands.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> DeadlineState {
        self.due.state(self.sent.as_ref().map(|sent| sent.at), now)
    }
}

impl UnitRequest {
    /// How it stands. What was answered counts by when it was written down: what a unit did is known only then.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> DeadlineState {
        match (&self.answer, &self.withdrawn) {
            (Some(answer), _) => self.due.state(Some(answer.noted_at), now),
            (None, Some(_)) => DeadlineState::Withdrawn,
            (None, None) => self.due.state(None, now),
        }
    }

    /// Whether its answer is still waited for.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.answer.is_none() && self.withdrawn.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    #[test]
    fn a_deadline_is_reminded_of_in_its_last_quarter_and_at_most_half_a_day_before() {
        let hours = |hours: i64| at(hours * 3600);
        assert_eq!(Due::new(at(0), hours(24)).remind_at, hours(18));
        assert_eq!(Due::new(at(0), hours(72)).remind_at, hours(60));
        assert_eq!(Due::new(hours(9), hours(4)).remind_at, hours(4), "what is past already is reminded of no earlier");
        let due = Due::at_once(at(10), at(3610));
        let stages = [9, 10, 3609, 3610].map(|secs| due.stage(at(secs)));
        assert_eq!(stages, [Said::Nothing, Said::Soon, Said::Soon, Said::Late]);
        let next = |said| Due { said, ..due }.next();
        assert_eq!((next(Said::Nothing), next(Said::Soon), next(Said::Late)), (Some(at(10)), Some(at(3610)), None));
    }

    #[test]
    fn a_deadline_is_met_until_its_moment_and_late_after_it() {
        let due = Due::new(at(0), at(100));
        let state = |met: Option<i64>, now| due.state(met.map(at), at(now)).as_str();
        assert_eq!([state(None, 99), state(None, 100)], ["running", "missed"]);
        assert_eq!([state(Some(100), 500), state(Some(101), 500)], ["met", "met_late"]);
    }
}
