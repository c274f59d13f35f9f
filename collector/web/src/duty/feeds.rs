//! Calendars of the duty plan to subscribe to: whose turns are when, for a telephone or a mail program. The address has a token that reads this one
//! calendar and nothing else; only its digest is kept, and its owner can end it. What it shows is who is on duty, which all in the house may know;
//! whoever has the address reads it without signing in.

use askama::Template;
use axum::Json;
use axum::extract::{Extension, Form, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use ioc_common::clock::{self, Timestamp};
use ioc_common::encoding::sha256_hex;
use ioc_common::language::Language;
use ioc_judge::duty::calendar::{REACH_DAYS, Shift, whole_shifts};
use ioc_judge::duty::month::MonthOfYear;
use ioc_judge::duty::{Cover, Rota};

use super::ical::{self, Event};
use super::person_name;
use crate::api::ApiResult;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show_again};
use crate::person::Person;
use crate::problem::Problem;
use crate::rate_limit;
use crate::server::Peer;
use ioc_engine::account::session_digest;
use ioc_engine::command::{Answer, Command, CommandError};
use ioc_engine::config::Config;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_store::DutyFeed;
use ioc_store::scope::AccessScope;

/// Months before and after the present one that a calendar has.
const MONTHS: (i64, i64) = (-1, 6);
/// Entries of who stands in that are looked through.
const COVERS_MAX: usize = 5_000;

/// What a rota's shifts are in a calendar: only those of one person, or all.
fn events_of(config: &Config, rota: &Rota, shifts: &[Shift], person: Option<&str>, language: Language) -> Vec<Event> {
    let mine = |shift: &&Shift| match person {
        Some(person) => shift.people.iter().any(|one| one == person),
        None => !shift.people.is_empty(),
    };
    let event = |shift: &Shift| {
        let names = shift.people.iter().map(|id| person_name(config, id)).collect::<Vec<_>>().join(", ");
        let summary = match person {
            Some(_) => language.choose(format!("Trực: {}", rota.name), format!("On duty: {}", rota.name)),
            None => format!("{}: {names}", rota.name),
        };
        // One who is on duty for longer than is looked has one event, wherever its beginning is cut.
        let length = shift.until.millis_since(shift.from);
        let begin = if length > REACH_DAYS * 86_400_000 { "always".to_owned() } else { shift.from.to_string() };
        let known_by = format!("{}\n{begin}\n{}", rota.id, shift.people.join("\n"));
        Event {
            uid: format!("{}@ioc-watch", &sha256_hex(known_by.as_bytes())[..32]),
            from: shift.from,
            until: shift.until,
            summary,
            description: format!("{} · {}", config.site_name, names),
        }
    };
    shifts.iter().filter(mine).map(event).collect()
}

/// The events of a calendar: whole shifts of some months around now. None where the plan knows whose it is no more.
fn events(config: &Config, covers: &[Cover], feed: &DutyFeed, now: Timestamp) -> Option<(String, Vec<Event>)> {
    let plan = &config.plan;
    let (kind, id) = feed.subject.split_once(':')?;
    let month = MonthOfYear::of(now, &plan.zone)?;
    let (from, until) = (month.plus(MONTHS.0)?.span(&plan.zone)?.0, month.plus(MONTHS.1)?.span(&plan.zone)?.1);
    let shifts = |rota: &Rota| whole_shifts(rota, covers, from, until);
    if kind == "rota" {
        let rota = plan.rota(id)?;
        let events = events_of(config, rota, &shifts(rota), None, feed.language);
        return Some((format!("{} · {}", rota.name, config.site_name), events));
    }
    let person = plan.people.iter().find(|one| one.id == id)?;
    let events = |rota: &Rota| events_of(config, rota, &shifts(rota), Some(id), feed.language);
    let mut all: Vec<Event> = plan.rotas.iter().flat_map(events).collect();
    all.sort_by_key(|event| event.from);
    Some((feed.language.choose(format!("Trực: {}", person.name), format!("Duty: {}", person.name)), all))
}

/// The calendar, for whoever has its address.
pub(crate) async fn calendar(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Response {
    match given(&app, &peer, &headers, token).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn given(app: &App, peer: &Peer, headers: &HeaderMap, token: String) -> Result<Response, Problem> {
    // Whoever guesses is slow, and whoever has a good one gets that back.
    if app.limits.take_unauthenticated(rate_limit::LINK, peer).is_err() {
        let reason = RefusalReason::new("refusal-attempts", [], "too many addresses were tried from here");
        return Err(Problem::too_often(reason));
    }
    let token = token.strip_suffix(".ics").unwrap_or(&token);
    let digest = session_digest(token);
    let asked = digest.clone();
    let found = app
        .read(&AccessScope::EVERYWHERE, move |reader| {
            let Some(feed) = reader.duty_feed(&asked)?.filter(|feed| feed.ended_at.is_none()) else { return Ok(None) };
            // It ends with its owner's account.
            let owner = reader.account(&feed.account)?.filter(|account| !account.disabled);
            // Whoever sits at the machine has no account.
            if owner.is_none() && !feed.account.starts_with("local:") {
                return Ok(None);
            }
            Ok(Some((feed, reader.covers_since(Timestamp::MIN, COVERS_MAX)?)))
        })
        .await?;
    let (feed, covers) = found.ok_or_else(|| Problem::not_found("there is no such calendar, or it was ended"))?;
    app.limits.refund(rate_limit::LINK, peer);
    app.limits.take_feed(&digest)?;
    let (config, now) = (app.config(), clock::now());
    let address = format!("{}/duty/calendar", config.web_url);
    let (name, events) = events(&config, &covers, &feed, now)
        .ok_or_else(|| Problem::not_found("the duty plan knows whose calendar this is no more"))?;
    // The moment of the last change is a part of the text, and must not be what makes it new.
    let said = sha256_hex(ical::calendar(&name, &address, &events, Timestamp::MIN).as_bytes());
    let changed_at = app.feeds.of(&digest, said, now);
    let text = ical::calendar(&name, &address, &events, changed_at);
    let tag = format!("\"{}\"", &sha256_hex(text.as_bytes())[..32]);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|known| {
        known.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == tag || one == "*")
    });
    let caching = [(header::ETAG, tag), (header::CACHE_CONTROL, "private, max-age=300".to_owned())];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let kind = [
        (header::CONTENT_TYPE, "text/calendar; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "inline; filename=\"truc-ban.ics\""),
    ];
    Ok((caching, kind, text).into_response())
}

/// A calendar as a row.
struct FeedRow {
    digest: String,
    name: String,
    created_at: Timestamp,
}

#[derive(Template)]
#[template(path = "duty-feeds.html")]
struct FeedsPage {
    page_context: PageContext,
    tab: &'static str,
    feeds: Vec<FeedRow>,
    /// What there are calendars of: subject and name.
    subjects: Vec<(String, String)>,
    /// The person of the plan whose account this is.
    mine: String,
    /// The address of one that was made: shown once.
    address: Option<String>,
    error: Option<String>,
}

fn subject_name(page_context: &PageContext, config: &Config, subject: &str) -> String {
    match subject.split_once(':') {
        Some(("rota", id)) => {
            let name = config.plan.rota(id).map_or(id, |rota| rota.name.as_str());
            format!("{}: {name}", page_context.t("form-rota"))
        }
        Some((_, id)) => person_name(config, id).to_owned(),
        None => subject.to_owned(),
    }
}

async fn render(
    app: &App,
    page_context: PageContext,
    (address, error): (Option<String>, Option<String>),
) -> PageResult {
    let account = page_context.person.clone();
    let feeds = app.read(&page_context.scope, move |reader| reader.duty_feeds(&account)).await;
    let feeds = match feeds {
        Ok(feeds) => feeds,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let config = app.config();
    let row = |feed: DutyFeed| FeedRow {
        name: subject_name(&page_context, &config, &feed.subject),
        digest: feed.digest,
        created_at: feed.created_at,
    };
    let mine = config.plan.person_of_account(&page_context.person).map(|one| format!("person:{}", one.id));
    let rotas = config.plan.rotas.iter().map(|rota| format!("rota:{}", rota.id));
    let people = config.plan.people.iter().map(|one| format!("person:{}", one.id));
    let subjects = rotas.chain(people).map(|subject| (subject_name(&page_context, &config, &subject), subject));
    let refused = error.is_some();
    let page = FeedsPage {
        tab: "feeds",
        feeds: feeds.into_iter().map(row).collect(),
        subjects: subjects.map(|(name, subject)| (subject, name)).collect(),
        mine: mine.unwrap_or_default(),
        address,
        error,
        page_context,
    };
    Ok(show_again(&page, refused))
}

pub(crate) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, page_context, (None, None)).await
}

/// Which calendar is wanted.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FeedForm {
    /// person:… or rota:…, by key of the duty plan.
    subject: String,
}

/// Makes one; its address is given back, once.
async fn made(app: &App, person: &Person, subject: String) -> Result<String, CommandError> {
    let language = person.language;
    let command = Command::NewDutyFeed { subject, language, actor: person.name.clone() };
    match app.carry_out(person, command).await? {
        Answer::Secret(token) => Ok(format!("{}/duty/ical/{token}.ics", app.config().web_url)),
        _ => Err(CommandError::Unavailable("no token was made".to_owned())),
    }
}

pub(crate) async fn make(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<FeedForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let said = match made(&app, &person, form.subject).await {
        Ok(address) => (Some(address), None),
        Err(error) => (None, Some(refusal_text(&page_context, &error))),
    };
    render(&app, page_context, said).await
}

pub(crate) async fn end(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(digest): Path<String>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let ended = app.carry_out(&person, Command::EndDutyFeed { digest, actor: person.name.clone() }).await;
    let error = ended.err().map(|error| refusal_text(&page_context, &error));
    render(&app, page_context, (None, error)).await
}

/// A calendar that was made.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct FeedMade {
    /// Its address, with the token: it is not shown again.
    address: String,
}

/// A calendar in use.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct FeedItem {
    /// By what it is ended.
    digest: String,
    /// person:… or rota:….
    subject: String,
    created_at: Timestamp,
}

/// One's own calendars.
pub(crate) async fn api_list(State(app): State<App>, person: Person) -> ApiResult<Vec<FeedItem>> {
    let account = person.name.clone();
    let feeds = app.read(&person.scope, move |reader| reader.duty_feeds(&account)).await?;
    let item = |feed: DutyFeed| FeedItem { digest: feed.digest, subject: feed.subject, created_at: feed.created_at };
    Ok(Json(feeds.into_iter().map(item).collect()))
}

/// Makes one.
pub(crate) async fn api_make(
    State(app): State<App>,
    person: Person,
    Json(form): Json<FeedForm>,
) -> Result<(StatusCode, Json<FeedMade>), Problem> {
    let address = made(&app, &person, form.subject).await?;
    Ok((StatusCode::CREATED, Json(FeedMade { address })))
}

/// Ends one.
pub(crate) async fn api_end(
    State(app): State<App>,
    person: Person,
    Path(digest): Path<String>,
) -> Result<StatusCode, Problem> {
    app.carry_out(&person, Command::EndDutyFeed { digest, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}
