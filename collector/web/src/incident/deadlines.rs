//! Deadlines of incidents: what the law asks of a serious one, and what units are asked (article 15.3). What forms of the incident's page ask for, the list of
//! what is due for the pages *Duty* and *Reports*, and in the API.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_document::legal::{Clock, PackKind, Starts};
use ioc_judge::deadline::DeadlineState;
use ioc_judge::{Action, Incident};

use crate::api::{ApiResult, Page};
use crate::api_types::deadline::{DeadlineItem, DeadlineKind};
use crate::app::App;
use crate::page::context::PageContext;
use crate::person::Person;
use crate::tone::Tone;
use ioc_engine::command::CommandError;
use ioc_engine::config::Config;
use ioc_engine::refusal_field::Field;
use ioc_store::{Reader, StoreError};

/// Incidents whose deadlines are listed.
const INCIDENTS_MAX: usize = 200;
/// Before the id of a condition that a person says holds, in a form.
const CHOSEN: &str = "chosen-";
/// The article by which units answer.
const UNITS: &str = "15.3";

/// A condition of the law that a person may say holds.
pub(crate) struct Choice {
    pub(crate) id: String,
    pub(crate) condition: String,
    pub(crate) to: String,
}

/// What stands around the forms: what runs with the mark, and what may be chosen besides.
#[derive(Default)]
pub(crate) struct Law {
    pub(crate) always: Vec<Choice>,
    pub(crate) chosen: Vec<Choice>,
}

impl Law {
    /// By the packs in force.
    pub(crate) fn of(config: &Config, now: Timestamp) -> Self {
        let moment = jiff::Timestamp::from_millisecond(now.as_millis()).unwrap_or_default();
        let today = moment.to_zoned_datetime(config.timezone.clone()).date();
        let kinds = [PackKind::Regulation, PackKind::Regime];
        let clocks =
            kinds.into_iter().filter_map(|kind| config.legal.in_force(kind, today)).flat_map(|pack| &pack.clocks);
        let choice = |clock: &Clock| {
            let what = if clock.form.is_empty() { &clock.condition } else { &clock.form };
            let said = if clock.starts == Starts::Chosen { &clock.condition } else { what };
            Choice { id: clock.id.clone(), condition: said.clone(), to: clock.to.clone() }
        };
        let mut law = Self::default();
        for clock in clocks {
            match clock.starts {
                Starts::Never => {}
                Starts::Serious => law.always.push(choice(clock)),
                Starts::Chosen => law.chosen.push(choice(clock)),
            }
        }
        law
    }
}

/// What a form of the incident's page asks of its deadlines; nothing where it asks something else. Times are the site's there: `moment` reads one, of a field.
pub(super) fn action_of(
    form: &HashMap<String, String>,
    moment: &dyn Fn(Field, &str) -> Result<Timestamp, CommandError>,
) -> Result<Option<Action>, CommandError> {
    let moment_of = |field: Field| {
        let text = form.get(field.as_str()).map(|text| text.trim()).filter(|text| !text.is_empty());
        text.map(|text| moment(field, text)).transpose()
    };
    let text = |field: &str| form.get(field).cloned().unwrap_or_default();
    let number = || {
        let number = text("number");
        number.parse().map_err(|_| Field::Number.number(&number).invalid())
    };
    let needed = |field: Field| moment_of(field)?.ok_or_else(|| field.moment("").invalid());
    Ok(Some(match form.get("action").map(String::as_str) {
        Some("mark_serious") => {
            let chosen = form.keys().filter_map(|key| key.strip_prefix(CHOSEN)).map(ToOwned::to_owned).collect();
            let from_now = text("from") == "now";
            Action::MarkSerious { reason: text("reason"), from_now, chosen, terms: Vec::new() }
        }
        Some("unmark_serious") => Action::UnmarkSerious { reason: text("reason") },
        Some("clock_sent") => {
            let at = moment_of(Field::At)?;
            Action::ClockSent { clock: text("clock"), at, how: text("how"), document: None }
        }
        Some("ask_unit") => Action::AskUnit { unit: text("unit"), what: text("what"), by: needed(Field::By)? },
        Some("answer_unit") => {
            let at = moment_of(Field::At)?;
            let (number, person, what, file) = (number()?, text("person"), text("what"), text("file"));
            Action::AnswerUnit { number, person, at, what, file }
        }
        Some("withdraw_request") => Action::WithdrawRequest { number: number()?, reason: text("reason") },
        _ => return Ok(None),
    }))
}

/// What is due on incidents: the law's deadlines and units' answers, what is due first before the rest; what is not met before what is.
pub(crate) fn items(incidents: Vec<Incident>, now: Timestamp) -> Vec<DeadlineItem> {
    let mut all = Vec::new();
    for incident in incidents {
        let id = incident.id;
        for clock in incident.record.serious.iter().flat_map(|serious| &serious.clocks) {
            let state = clock.state(now);
            // Nobody asks for what was not met when it was unmarked.
            let gone = incident.record.serious_now().is_none() && state.is_open();
            let state = if gone { DeadlineState::Withdrawn } else { state };
            all.push(DeadlineItem {
                incident: id,
                kind: DeadlineKind::Law,
                key: clock.term.id.clone(),
                what: clock.term.what().to_owned(),
                party: clock.term.to.clone(),
                source: clock.term.source("Điều"),
                due_at: clock.due.at,
                state: state.into(),
                met_at: clock.sent.as_ref().map(|sent| sent.at),
            });
        }
        for request in incident.record.requests {
            all.push(DeadlineItem {
                incident: id,
                kind: DeadlineKind::Unit,
                key: request.number.to_string(),
                state: request.state(now).into(),
                due_at: request.due.at,
                met_at: request.answer.map(|answer| answer.noted_at),
                what: request.what,
                party: request.unit,
                source: UNITS.to_owned(),
            });
        }
    }
    all.sort_by_key(|item| (!DeadlineState::from(item.state).is_open(), item.due_at, item.incident));
    all
}

/// What is not met.
pub(crate) fn open(reader: &dyn Reader, now: Timestamp) -> Result<Vec<DeadlineItem>, StoreError> {
    let mut all = items(reader.incidents_with_deadlines(true, None, INCIDENTS_MAX)?, now);
    all.retain(|item| DeadlineState::from(item.state).is_open());
    Ok(all)
}

/// How a deadline is shown.
pub(crate) fn tone_of(state: DeadlineState) -> Tone {
    match state {
        DeadlineState::Met => Tone::Good,
        DeadlineState::MetLate => Tone::Warning,
        DeadlineState::Running => Tone::Planned,
        DeadlineState::Missed => Tone::Bad,
        DeadlineState::Withdrawn => Tone::Away,
    }
}

/// A row of the list, for pages.
pub(crate) struct DeadlineRow {
    pub(crate) item: DeadlineItem,
    pub(crate) state: &'static str,
    pub(crate) tone: Tone,
    pub(crate) is_unit: bool,
    /// What is left, or how long it has passed.
    pub(crate) left: String,
    pub(crate) late: bool,
}

/// Rows of what is due.
pub(crate) fn rows(items: Vec<DeadlineItem>, page_context: &PageContext) -> Vec<DeadlineRow> {
    let row = |item: DeadlineItem| {
        let (state, left_ms) = (DeadlineState::from(item.state), item.due_at.millis_since(page_context.now));
        DeadlineRow {
            state: state.as_str(),
            tone: tone_of(state),
            is_unit: item.kind == DeadlineKind::Unit,
            left: page_context.duration(left_ms.abs()),
            late: left_ms < 0,
            item,
        }
    };
    items.into_iter().map(row).collect()
}

/// Which deadlines are asked for.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DeadlinesQuery {
    /// What is met or asked no more, too.
    all: bool,
    /// Of incidents before this number, as `next_cursor` has it.
    cursor: Option<u64>,
}

pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Query(query): Query<DeadlinesQuery>,
) -> ApiResult<Page<DeadlineItem>> {
    let (now, all, before) = (app.judged_now(), query.all, query.cursor);
    let found =
        app.read(&person.scope, move |reader| reader.incidents_with_deadlines(!all, before, INCIDENTS_MAX)).await?;
    let last = found.last().filter(|_| found.len() == INCIDENTS_MAX);
    let next_cursor = last.map(|incident| incident.id.0.to_string());
    let mut items = items(found, now);
    items.retain(|item| all || DeadlineState::from(item.state).is_open());
    Ok(Json(Page { items, next_cursor }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_times_of_the_site_and_names_what_it_ticks() {
        let local =
            |field: Field, text: &str| format!("{text}:00+07:00").parse().map_err(|_| field.moment(text).invalid());
        let form = |fields: &[(&str, &str)]| {
            let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            action_of(&fields, &local)
        };
        let marked =
            form(&[("action", "mark_serious"), ("reason", "x"), ("from", "now"), ("chosen-personal-data", "on")]);
        let wanted = Action::MarkSerious {
            reason: "x".into(),
            from_now: true,
            chosen: vec!["personal-data".into()],
            terms: Vec::new(),
        };
        assert_eq!(marked.expect("good"), Some(wanted));
        let sent = form(&[("action", "clock_sent"), ("clock", "a"), ("at", "2026-11-29T07:00"), ("how", "tay")]);
        let at: Timestamp = "2026-11-29T00:00:00Z".parse().expect("a time");
        let wanted = Action::ClockSent { clock: "a".into(), at: Some(at), how: "tay".into(), document: None };
        assert_eq!(sent.expect("good"), Some(wanted));
        assert!(form(&[("action", "ask_unit"), ("unit", "a"), ("what", "b"), ("by", "")]).is_err(), "by when is asked");
        assert!(form(&[("action", "answer_unit"), ("number", "x")]).is_err());
        assert_eq!(form(&[("action", "comment")]).expect("another's"), None);
    }
}
