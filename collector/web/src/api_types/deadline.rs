//! Deadlines of incidents: what the law asks of a serious one, what units are asked (article 15.3).

use serde::Serialize;

use ioc_common::clock::{self, Timestamp};
use ioc_common::id::IncidentId;
use ioc_judge::deadline as inside;

use super::names;

names! {
    /// How a deadline stands.
    DeadlineState is inside::DeadlineState {
        /// It was met in time.
        Met = "met",
        /// It was met after its time.
        MetLate = "met_late",
        /// It is not met yet, and there is time.
        Running = "running",
        /// It is not met, and its time is over.
        Missed = "missed",
        /// Nobody asks for it any more.
        Withdrawn = "withdrawn",
    }
}

/// That an incident is serious, and which deadlines of the law run since.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Serious {
    /// From when the deadlines run.
    since: Timestamp,
    /// When it was marked.
    at: Timestamp,
    /// Who marked it; empty where it was the criterion of a law pack.
    who: String,
    /// Why it is serious.
    reason: String,
    /// What the law asks.
    clocks: Vec<Clock>,
    /// When it was unmarked; none while it is serious.
    ended_at: Option<Timestamp>,
    /// Why it is not serious after all; empty while it is.
    end_reason: String,
}

impl From<inside::Serious> for Serious {
    fn from(inside: inside::Serious) -> Self {
        let now = clock::now();
        let ended = inside.ended.as_ref();
        Self {
            since: inside.since,
            at: inside.at,
            who: inside.who,
            reason: inside.reason,
            ended_at: ended.map(|end| end.at),
            end_reason: ended.map(|end| end.reason.clone()).unwrap_or_default(),
            clocks: inside.clocks.into_iter().map(|clock| Clock::at(clock, now)).collect(),
        }
    }
}

/// A deadline of the law.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Clock {
    /// By what an action names it.
    id: String,
    /// What starts it.
    condition: String,
    /// Who is to be told.
    to: String,
    /// The law that asks for it.
    law: String,
    /// Its article; may be empty.
    article: String,
    /// What the document is called by which it is met; empty where none is asked for.
    form: String,
    /// By when.
    due_at: Timestamp,
    /// How it stands.
    state: DeadlineState,
    /// When it was sent; none before.
    sent_at: Option<Timestamp>,
    /// By which way, and to whom; empty before.
    how: String,
    /// The number of the issued document.
    document: Option<u64>,
    /// Who wrote down that it was sent; empty before.
    who: String,
}

impl Clock {
    fn at(inside: inside::LegalClock, now: Timestamp) -> Self {
        let state = inside.state(now).into();
        let (term, sent) = (inside.term, inside.sent);
        Self {
            id: term.id,
            condition: term.condition,
            to: term.to,
            law: term.law,
            article: term.article,
            form: term.form,
            due_at: inside.due.at,
            state,
            sent_at: sent.as_ref().map(|sent| sent.at),
            document: sent.as_ref().and_then(|sent| sent.document),
            how: sent.as_ref().map(|sent| sent.how.clone()).unwrap_or_default(),
            who: sent.map(|sent| sent.who).unwrap_or_default(),
        }
    }
}

/// What a unit is asked.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct UnitRequest {
    /// Its number within the incident.
    number: u32,
    /// The unit.
    unit: String,
    /// What is asked of it.
    what: String,
    /// Who asked.
    who: String,
    /// When it was asked.
    asked_at: Timestamp,
    /// By when it is to answer.
    due_at: Timestamp,
    /// How it stands.
    state: DeadlineState,
    /// What it answered; none before.
    answer: Option<UnitAnswer>,
    /// Why it is asked no more; empty while it is.
    withdrawn: String,
}

impl From<inside::UnitRequest> for UnitRequest {
    fn from(inside: inside::UnitRequest) -> Self {
        Self {
            state: inside.state(clock::now()).into(),
            number: inside.number,
            unit: inside.unit,
            what: inside.what,
            who: inside.who,
            asked_at: inside.asked_at,
            due_at: inside.due.at,
            answer: inside.answer.map(UnitAnswer::from),
            withdrawn: inside.withdrawn.map(|end| end.reason).unwrap_or_default(),
        }
    }
}

/// What a unit answered.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct UnitAnswer {
    /// Who in the unit answered; hidden for who may not see people.
    person: String,
    /// When they did it.
    at: Timestamp,
    /// What was done.
    what: String,
    /// SHA-256 of a file of the incident that shows it; empty for none.
    file: String,
    /// Who wrote this down.
    who: String,
    /// When it was written down: it counts by this.
    noted_at: Timestamp,
}

impl From<inside::UnitAnswer> for UnitAnswer {
    fn from(inside: inside::UnitAnswer) -> Self {
        Self {
            person: inside.person,
            at: inside.at,
            what: inside.what,
            file: inside.file,
            who: inside.who,
            noted_at: inside.noted_at,
        }
    }
}

names! {
    /// Who is waited for.
    DeadlineKind {
        /// Who looks after the incident: the law asks for a notice.
        Law = "law",
        /// A unit that was asked something.
        Unit = "unit",
    }
}

/// Something that is due on an incident.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct DeadlineItem {
    /// On which incident.
    pub(crate) incident: IncidentId,
    /// Who is waited for.
    pub(crate) kind: DeadlineKind,
    /// By what an action names it: the id of a deadline of the law, or the number of a request.
    pub(crate) key: String,
    /// What is due.
    pub(crate) what: String,
    /// To whom a notice goes, or which unit answers.
    pub(crate) party: String,
    /// What asks for it: the law with its article, or article 15.3.
    pub(crate) source: String,
    /// By when.
    pub(crate) due_at: Timestamp,
    /// How it stands.
    pub(crate) state: DeadlineState,
    /// When it was met; none before.
    pub(crate) met_at: Option<Timestamp>,
}
