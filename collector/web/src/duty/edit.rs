//! Changing the duty plan by forms: people and how they are reached, teams, rotas by layers with their holidays, escalation policies as steps, routes,
//! deadlines. A form is a view of the plan's text ([`WrittenPlan`]), which is saved as the next version of that part of the configuration. Before it is
//! saved it is said in words what it changes: who is on duty instead of whom, how many holes it makes, what else is different.

mod fields;
mod kinds;
pub(crate) mod versions;

use askama::Template;
use axum::extract::{Form, Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect};
use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::config::{Source, TomlTable, to_text};
use ioc_common::encoding::sha256_hex;
use ioc_judge::Text;
use ioc_judge::duty::changes::{self, PlanChanges, TurnsChanged};
use ioc_judge::duty::written::WrittenPlan;
use ioc_judge::duty::{Cover, Plan};

use self::fields::{Fields, FormGroup, Shape};
use self::kinds::{FormMaker, Kind};
use super::person_name;
use crate::app::App;
use crate::configuration::{current, save};
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show_again};
use crate::person::Person;
use ioc_engine::command::CommandError;
use ioc_engine::config::Config;
use ioc_engine::writer::configuration::faulty;
use ioc_store::configuration::Part;

/// How far ahead two plans are compared, milliseconds: a quarter of a year, which people plan at most.
const COMPARED_MS: i64 = 92 * 86_400_000;
/// Entries of who stands in that are looked through.
const COVERS_MAX: usize = 5_000;
/// Changed turns that are written out; more are counted.
const TURNS_SHOWN: usize = 12;
/// Most rows that are asked for at once.
const MORE_MAX: usize = 40;

/// Which thing is edited.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct EditQuery {
    /// Its identifier; a new one without.
    id: String,
}

/// What a change means, as it is shown.
struct ChangesPart {
    turns: Vec<String>,
    more_turns: u64,
    words: Vec<Text>,
    holes: (usize, usize),
    doubles: (usize, usize),
    is_empty: bool,
}

#[derive(Template)]
#[template(path = "duty-edit.html")]
struct EditPage {
    page_context: PageContext,
    tab: &'static str,
    kind: &'static str,
    id: String,
    name: String,
    groups: Vec<FormGroup>,
    version: u64,
    /// The file that holds the plan: then it is changed there.
    held_by: Option<String>,
    /// What would change, once that was asked.
    changes: Option<ChangesPart>,
    /// Of which text that was said.
    seen: String,
    more: usize,
    reason: String,
    error: Option<String>,
    can_remove: bool,
    /// What was said is what follows when it is taken out.
    is_removed: bool,
}

/// The text that says this.
fn text_of(plan: &WrittenPlan) -> Result<String, CommandError> {
    let table = TomlTable::try_from(plan).map_err(|error| CommandError::Unavailable(error.to_string()))?;
    Ok(to_text(&table))
}

/// The plan that a text is, by the site's zone and language and the channels that there are.
fn plan_of(config: &Config, text: &str) -> Result<Plan, CommandError> {
    let channels: Vec<&str> = config.channels.iter().map(|one| one.name.as_str()).collect();
    let source = Source::built_in("duty.toml", text);
    Plan::parse(&source, &config.timezone, config.language, &channels).map_err(|error| faulty(&error))
}

fn written(app: &App) -> Result<(WrittenPlan, u64, Option<String>), CommandError> {
    let now = current(app, Part::Duty);
    let held_by = now.held_by().map(|path| path.display().to_string());
    let plan = WrittenPlan::parse(&Source::built_in("duty.toml", &now.text)).map_err(|error| faulty(&error))?;
    Ok((plan, now.version, held_by))
}

fn turn_text(page_context: &PageContext, config: &Config, after: &Plan, one: &TurnsChanged) -> String {
    let rota = after.rota(&one.rota).or_else(|| config.plan.rota(&one.rota));
    let rota = rota.map_or(one.rota.as_str(), |rota| rota.name.as_str());
    let names = |ids: &[String]| {
        let name =
            |id: &String| after.person(id).map_or_else(|| person_name(config, id).to_owned(), |one| one.name.clone());
        let names = ids.iter().map(name).collect::<Vec<_>>().join(", ");
        if names.is_empty() { page_context.t("nobody") } else { names }
    };
    let when = format!("{} → {}", page_context.minute(&one.from), page_context.minute(&one.until));
    let said =
        format!("{rota}: {} {} {} · {when}", names(&one.after), page_context.t("duty-instead-of"), names(&one.before));
    match one.times {
        1 => said,
        times => {
            let times = page_context.count("duty-times", times as u64);
            format!("{said} · {times} {}", page_context.short(&one.last))
        }
    }
}

fn changes_part(page_context: &PageContext, config: &Config, after: &Plan, found: PlanChanges) -> ChangesPart {
    let shown = found.turns.iter().take(TURNS_SHOWN);
    ChangesPart {
        turns: shown.map(|one| turn_text(page_context, config, after, one)).collect(),
        more_turns: found.turns.len().saturating_sub(TURNS_SHOWN) as u64,
        is_empty: found.is_empty(),
        holes: found.holes,
        doubles: found.doubles,
        words: found.words,
    }
}

/// The time that is compared: from now on.
fn compared(now: Timestamp) -> (Timestamp, Timestamp) {
    (now, now.plus_millis(COMPARED_MS))
}

async fn covers(app: &App, person: &Person) -> Vec<Cover> {
    let read = app.read(&person.scope, |reader| reader.covers_since(Timestamp::MIN, COVERS_MAX)).await;
    read.unwrap_or_default()
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(kind): Path<String>,
    Query(query): Query<EditQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let Some(kind) = Kind::parse(&kind) else { return Err(Failure::not_found(page_context)) };
    let (plan, version, held_by) = match written(&app) {
        Ok(found) => found,
        Err(error) => return Err(Failure::new(page_context, error.into())),
    };
    let form =
        Asked { kind, id: query.id, version, seen: String::new(), more: 0, reason: String::new(), is_removed: false };
    Ok(edit_page(&app, page_context, &plan, form, (held_by, None, None)))
}

/// What of a form is not the thing itself.
struct Asked {
    kind: Kind,
    id: String,
    version: u64,
    seen: String,
    more: usize,
    reason: String,
    is_removed: bool,
}

fn edit_page(
    app: &App,
    page_context: PageContext,
    plan: &WrittenPlan,
    asked: Asked,
    (held_by, changes, error): (Option<String>, Option<ChangesPart>, Option<String>),
) -> axum::response::Response {
    let config = app.config();
    let Asked { kind, id, version, seen, more, reason, is_removed } = asked;
    let groups = FormMaker { page_context: &page_context, config: &config, plan, more }.groups(kind, &id);
    let name = match kind {
        Kind::Person => plan.person.iter().find(|one| one.id == id).map(|one| one.name.clone()),
        Kind::Rota => plan.rota.iter().find(|one| one.id == id).and_then(|one| one.name.clone()),
        Kind::Team | Kind::Policy | Kind::Routes | Kind::Deadlines => None,
    };
    let refused = error.is_some();
    let page = EditPage {
        tab: "plan",
        kind: kind.as_str(),
        name: name.unwrap_or_else(|| id.clone()),
        can_remove: !id.is_empty() && !kind.is_whole(),
        id,
        groups,
        version,
        held_by,
        changes,
        seen,
        more,
        reason,
        error,
        is_removed,
        page_context,
    };
    show_again(&page, refused)
}

/// What was sent: shown again with what it changes, or saved where that was seen.
pub(crate) async fn submit(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(kind): Path<String>,
    Form(sent): Form<Vec<(String, String)>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let Some(kind) = Kind::parse(&kind) else { return Err(Failure::not_found(page_context)) };
    let fields = Fields::of(sent);
    let (before, _, held_by) = match written(&app) {
        Ok(found) => found,
        Err(error) => return Err(Failure::new(page_context, error.into())),
    };
    let id = fields.line("id");
    let wish = fields.line("do");
    let is_removed = wish == "remove" || (wish == "save" && fields.line("removed") == "true");
    let (after, new_id) = if is_removed {
        (kinds::without(&before, kind, &id), id.clone())
    } else {
        kinds::with(&before, kind, &id, &fields)
    };
    let mut asked = Asked {
        kind,
        id: id.clone(),
        version: fields.number("version").and_then(|number| u64::try_from(number).ok()).unwrap_or(0),
        seen: String::new(),
        more: usize::try_from(fields.number("more").unwrap_or(0)).unwrap_or(0).min(MORE_MAX),
        reason: fields.line("reason"),
        is_removed,
    };
    // The form shows what was filled in, under the name that a new thing gets.
    let shown = if is_removed { &before } else { &after };
    if !is_removed {
        asked.id.clone_from(&new_id);
    }
    if wish == "more" {
        asked.more += 2;
        return Ok(edit_page(&app, page_context, shown, asked, (held_by, None, None)));
    }
    let config = app.config();
    let made = text_of(&after).and_then(|text| plan_of(&config, &text).map(|plan| (text, plan)));
    let (text, plan) = match made {
        Ok(made) => made,
        Err(error) => {
            let error = Some(refusal_text(&page_context, &error));
            return Ok(edit_page(&app, page_context, shown, asked, (held_by, None, error)));
        }
    };
    let digest = sha256_hex(text.as_bytes());
    let mut error = None;
    if wish == "save" && fields.line("seen") == digest {
        match save(&app, &person, Part::Duty, text, asked.version, &asked.reason).await {
            Ok(_) => return Ok(Redirect::to("/duty/plan").into_response()),
            Err(refused) => error = Some(refusal_text(&page_context, &refused)),
        }
    }
    let covers = covers(&app, &person).await;
    let found = changes::changes(&config.plan, &plan, &covers, compared(page_context.now));
    let part = changes_part(&page_context, &config, &plan, found);
    asked.seen = digest;
    Ok(edit_page(&app, page_context, shown, asked, (held_by, Some(part), error)))
}
