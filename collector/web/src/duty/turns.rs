//! Turns that people ask each other to take: whoever is on duty asks somebody to stand in, or to swap two turns; the other agrees or declines, here or by
//! the link of the notice, and only then the calendar changes. Whoever leads the shift sees all of it.

use askama::Template;
use axum::Json;
use axum::extract::{Extension, Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};

use ioc_common::clock::{self, Timestamp};
use ioc_judge::duty::calendar::{Shift, whole_shifts};
use ioc_judge::duty::{Cover, Plan, Rota};

use super::{person_name, shift_of};
use crate::api::ApiResult;
use crate::api_types::{self, all};
use crate::app::App;
use crate::language::language_of;
use crate::maintenance::parse_moment;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show, show_again};
use crate::person::Person;
use crate::problem::Problem;
use crate::rate_limit;
use crate::server::Peer;
use ioc_engine::command::{Command, CommandError, TurnToAsk};
use ioc_engine::config::Config;
use ioc_engine::refusal_field::Field;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_store::scope::AccessScope;
use ioc_store::{RequestedTurn, RequestedTurnState};

/// How far ahead turns are offered, milliseconds.
const AHEAD_MS: i64 = 62 * 86_400_000;
/// Turns that are offered of one rota.
const OFFERED: usize = 100;
/// Requests that are shown.
const SHOWN: usize = 50;
/// Entries of who stands in that are looked through.
const COVERS_MAX: usize = 5_000;

/// A turn of a request as it is shown.
struct TurnRow {
    rota: String,
    from: Timestamp,
    until: Timestamp,
    /// Who has it, and who takes it.
    holder: String,
    person: String,
}

/// A request as it is shown.
struct RequestRow {
    number: u64,
    asker: String,
    asked: String,
    turns: Vec<TurnRow>,
    /// Only for those who ask and are asked, and for who leads the shift.
    note: String,
    answer: String,
    state: &'static str,
    at: Timestamp,
    ended_at: Option<Timestamp>,
    /// Whoever looks can answer it.
    is_for_me: bool,
    /// Whoever looks can take it back.
    is_mine: bool,
}

/// What somebody filled in.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct AskForm {
    /// The turn that is given away, as the page names it.
    give: String,
    /// Only a part of it: by the site's clock.
    from: String,
    until: String,
    /// Who is asked to stand in.
    person: String,
    /// The turn that is wanted for it.
    take: String,
    note: String,
}

#[derive(Template)]
#[template(path = "duty-turns.html")]
struct TurnsPage {
    page_context: PageContext,
    tab: &'static str,
    /// The person of the plan who looks; none where the plan does not know whose account it is.
    me: Option<String>,
    /// Turns of theirs, and of the others: what the form sends, and how it is shown.
    mine: Vec<(String, String)>,
    others: Vec<(String, String)>,
    people: Vec<(String, String)>,
    requests: Vec<RequestRow>,
    form: AskForm,
    error: Option<String>,
}

/// The turns ahead, each as forms name it, with who has it.
fn turns(
    page_context: &PageContext,
    config: &Config,
    covers: &[Cover],
    now: Timestamp,
) -> Vec<(String, String, String)> {
    let plan = &config.plan;
    let of = |rota: &Rota| {
        let shifts = whole_shifts(rota, covers, now, now.plus_millis(AHEAD_MS));
        let row = |shift: &Shift| {
            let [id] = shift.people.as_slice() else { return None };
            let from = shift.from.max(now);
            let value = format!("{}|{}|{}|{id}", rota.id, from.as_millis(), shift.until.as_millis());
            let when = format!("{} → {}", page_context.minute(&from), page_context.minute(&shift.until));
            Some((id.clone(), value, format!("{} · {when} · {}", person_name(config, id), rota.name)))
        };
        shifts.iter().take(OFFERED).filter_map(row).collect::<Vec<_>>()
    };
    plan.rotas.iter().flat_map(of).collect()
}

fn request_row(
    config: &Config,
    request: RequestedTurn,
    (me, leads): (Option<&str>, bool),
    now: Timestamp,
) -> RequestRow {
    let is_one_of = |id: &str| me == Some(id);
    let (asks, is_asked) = (is_one_of(&request.asker), is_one_of(&request.asked));
    let is_open = request.is_open(now);
    let reads = asks || is_asked || leads;
    let turn = |(cover, holder): (&Cover, &String)| TurnRow {
        rota: config.plan.rota(&cover.rota).map_or_else(|| cover.rota.clone(), |rota| rota.name.clone()),
        from: cover.from,
        until: cover.until,
        holder: person_name(config, holder).to_owned(),
        person: person_name(config, &cover.person).to_owned(),
    };
    let is_late = request.state == RequestedTurnState::Asked && !is_open;
    RequestRow {
        number: request.number,
        asker: person_name(config, &request.asker).to_owned(),
        asked: person_name(config, &request.asked).to_owned(),
        turns: request.covers.iter().zip(&request.instead_of).map(turn).collect(),
        note: if reads { request.note } else { String::new() },
        answer: if reads { request.answer } else { String::new() },
        state: if is_late { RequestedTurnState::Lapsed.as_str() } else { request.state.as_str() },
        at: request.at,
        ended_at: request.ended_at,
        is_for_me: is_asked && is_open,
        is_mine: asks && is_open,
    }
}

async fn render(app: &App, page_context: PageContext, form: AskForm, error: Option<String>) -> PageResult {
    let found = app
        .read(&page_context.scope, |reader| {
            Ok((reader.covers_since(Timestamp::MIN, COVERS_MAX)?, reader.requested_turns(SHOWN)?))
        })
        .await;
    let (covers, requests) = match found {
        Ok(found) => found,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let (config, now) = (app.config(), page_context.now);
    let me = config.plan.person_of_account(&page_context.person).map(|one| one.id.clone());
    let all = turns(&page_context, &config, &covers, now);
    let (mine, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(id, ..)| me.as_ref() == Some(id));
    let shown =
        |turns: Vec<(String, String, String)>| turns.into_iter().map(|(_, value, shown)| (value, shown)).collect();
    let leads = page_context.may_lead_duty();
    let row = |request| request_row(&config, request, (me.as_deref(), leads), now);
    let refused = error.is_some();
    let page = TurnsPage {
        tab: "turns",
        mine: shown(mine),
        others: shown(others),
        people: others_of(&config.plan, me.as_deref()),
        requests: requests.into_iter().map(row).collect(),
        me: me.as_deref().map(|id| person_name(&config, id).to_owned()),
        form,
        error,
        page_context,
    };
    Ok(show_again(&page, refused))
}

/// Everyone else of the plan who is on some rota, by key and name.
fn others_of(plan: &Plan, me: Option<&str>) -> Vec<(String, String)> {
    let others = plan.people.iter().filter(|one| Some(one.id.as_str()) != me && !one.contacts.is_empty());
    others.map(|one| (one.id.clone(), one.name.clone())).collect()
}

pub(crate) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, page_context, AskForm::default(), None).await
}

fn asked_by(form: &AskForm, config: &Config) -> Result<TurnToAsk, CommandError> {
    let (rota, mut from, mut until, _) = shift_of("give", &form.give)?;
    // Only a part of the turn is given away.
    if !form.from.trim().is_empty() {
        from = from.max(parse_moment(Field::From, &form.from, config)?);
    }
    if !form.until.trim().is_empty() {
        until = until.min(parse_moment(Field::Until, &form.until, config)?);
    }
    let give = (rota.to_owned(), from, until);
    let note = form.note.clone();
    if form.take.is_empty() {
        return Ok(TurnToAsk { asked: form.person.clone(), give, take: None, note });
    }
    let (rota, from, until, person) = shift_of("take", &form.take)?;
    Ok(TurnToAsk { asked: person.to_owned(), give, take: Some((rota.to_owned(), from, until)), note })
}

pub(crate) async fn ask(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<AskForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let done = match asked_by(&form, &app.config()) {
        Ok(asked) => app.carry_out(&person, Command::AskTurn { asked, actor: person.name.clone() }).await,
        Err(error) => Err(error),
    };
    back(&app, page_context, form, done.map(drop)).await
}

/// The page again, with why nothing was done.
async fn back(app: &App, page_context: PageContext, form: AskForm, done: Result<(), CommandError>) -> PageResult {
    match done {
        Ok(()) => Ok(Redirect::to("/duty/turns").into_response()),
        Err(error) => {
            let text = refusal_text(&page_context, &error);
            render(app, page_context, form, Some(text)).await
        }
    }
}

/// An answer.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AnswerForm {
    /// `agree` or `decline`.
    answer: String,
    /// What there is to say; may be empty.
    note: String,
}

impl AnswerForm {
    fn agreed(&self) -> Result<bool, CommandError> {
        match self.answer.as_str() {
            "agree" => Ok(true),
            "decline" => Ok(false),
            other => Err(Field::State.allowed(other, "agree, decline").invalid()),
        }
    }

    fn command(self, number: u64, person: &Person) -> Result<Command, CommandError> {
        let agreed = self.agreed()?;
        Ok(Command::AnswerTurn { number, agreed, answer: self.note, actor: person.name.clone(), by_link: None })
    }
}

pub(crate) async fn answer(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Form(form): Form<AnswerForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let done = match form.command(number, &person) {
        Ok(command) => app.carry_out(&person, command).await,
        Err(error) => Err(error),
    };
    back(&app, page_context, AskForm::default(), done.map(drop)).await
}

pub(crate) async fn withdraw(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let done = app.carry_out(&person, Command::WithdrawTurn { number, actor: person.name.clone() }).await;
    back(&app, page_context, AskForm::default(), done.map(drop)).await
}

#[derive(Template)]
#[template(path = "duty-answer.html")]
struct AnswerPage {
    page_context: PageContext,
    request: RequestRow,
    person: String,
}

/// What a link is about, or a page that says that it is worth nothing.
async fn open_link(
    app: &App,
    (peer, headers): (&Peer, &HeaderMap),
    text: &str,
) -> Result<(PageContext, RequestedTurn, String), Box<Failure>> {
    let config = app.config();
    let strangers = || PageContext::new(app, language_of(headers, config.language), "", false);
    if app.limits.take_unauthenticated(rate_limit::LINK, peer).is_err() {
        let reason = RefusalReason::new("refusal-attempts", [], "too many links were tried from this address");
        return Err(Box::new(Failure::new(strangers(), Problem::too_often(reason))));
    }
    let over = |page_context: PageContext| {
        let why = page_context.t("link-over");
        Box::new(Failure::said(page_context, StatusCode::NOT_FOUND, why))
    };
    let Some((number, person)) = app.links.check_turn(text, clock::now()) else { return Err(over(strangers())) };
    // Whoever is in the plan no more answers nothing, and sees nothing.
    let Some(planned) = config.plan.people.iter().find(|one| one.id == person) else { return Err(over(strangers())) };
    app.limits.refund(rate_limit::LINK, peer);
    let page_context = PageContext::new(app, planned.language, "", false);
    let found = app.read(&AccessScope::EVERYWHERE, move |reader| reader.requested_turn(number)).await;
    match found {
        Ok(Some(request)) if request.asked == person => Ok((page_context, request, person)),
        Ok(_) => Err(over(page_context)),
        Err(problem) => Err(Box::new(Failure::new(page_context, problem))),
    }
}

/// The page of a notice's link: what is asked, and two buttons.
pub(crate) async fn link_page(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Path(text): Path<String>,
) -> PageResult {
    let (page_context, request, me) = open_link(&app, (&peer, &headers), &text).await.map_err(|failure| *failure)?;
    let config = app.config();
    let person = person_name(&config, &me).to_owned();
    let request = request_row(&config, request, (Some(&me), false), page_context.now);
    Ok(show(&AnswerPage { page_context, request, person }))
}

/// One of its buttons. Whoever previews links only reads.
pub(crate) async fn link_answer(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Path(text): Path<String>,
    Form(form): Form<AnswerForm>,
) -> PageResult {
    let (page_context, request, me) = open_link(&app, (&peer, &headers), &text).await.map_err(|failure| *failure)?;
    let back: Response = Redirect::to(&format!("/duty/answer/{text}")).into_response();
    let done = match form.agreed() {
        // The page says what became of it.
        Ok(_) if !request.is_open(page_context.now) => return Ok(back),
        Ok(agreed) => app.engine.answer_turn_by_link(request.number, me, (agreed, form.note)).await.map(drop),
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => Ok(back),
        Err(error) => {
            let why = refusal_text(&page_context, &error);
            Ok(Failure::said(page_context, StatusCode::CONFLICT, why).into_response())
        }
    }
}

/// A request in the API.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct RequestItem {
    number: u64,
    at: Timestamp,
    /// Who asks, by key of the plan.
    asker: String,
    /// Who is asked.
    asked: String,
    /// What is written down once it is agreed.
    covers: Vec<api_types::maintenance::Cover>,
    /// asked, agreed, declined, withdrawn or lapsed.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
}

/// Turns that people asked each other to take, the newest first.
pub(crate) async fn api_list(State(app): State<App>, person: Person) -> ApiResult<Vec<RequestItem>> {
    let requests = app.read(&person.scope, |reader| reader.requested_turns(SHOWN)).await?;
    let (config, leads) = (app.config(), person.may(ioc_store::Right::Duty));
    let me = config.plan.person_of_account(&person.name).map(|one| one.id.as_str());
    let item = |mut request: RequestedTurn| {
        let reads = leads || me == Some(request.asker.as_str()) || me == Some(request.asked.as_str());
        // Why somebody cannot be on duty is for those whom it concerns.
        request.covers.iter_mut().filter(|_| !reads).for_each(|cover| cover.note.clear());
        RequestItem {
            number: request.number,
            at: request.at,
            state: request.state.as_str(),
            ended_at: request.ended_at,
            covers: all(request.covers),
            asker: request.asker,
            asked: request.asked,
        }
    };
    Ok(Json(requests.into_iter().map(item).collect()))
}

/// A turn, as the API takes it.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TurnBody {
    rota: String,
    from: Timestamp,
    until: Timestamp,
}

/// Somebody is asked, as the API takes it.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskBody {
    /// Who is asked, by key of the plan.
    person: String,
    /// The turn of one's own, or a part of it.
    give: TurnBody,
    /// The turn that is taken for it; none where they only stand in.
    take: Option<TurnBody>,
    #[serde(default)]
    note: String,
}

pub(crate) async fn api_ask(
    State(app): State<App>,
    person: Person,
    Json(body): Json<AskBody>,
) -> Result<StatusCode, Problem> {
    let turn = |body: TurnBody| (body.rota, body.from, body.until);
    let asked = TurnToAsk { asked: body.person, give: turn(body.give), take: body.take.map(turn), note: body.note };
    app.carry_out(&person, Command::AskTurn { asked, actor: person.name.clone() }).await?;
    Ok(StatusCode::CREATED)
}

pub(crate) async fn api_answer(
    State(app): State<App>,
    person: Person,
    Path(number): Path<u64>,
    Json(body): Json<AnswerForm>,
) -> Result<StatusCode, Problem> {
    app.carry_out(&person, body.command(number, &person)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn api_withdraw(
    State(app): State<App>,
    person: Person,
    Path(number): Path<u64>,
) -> Result<StatusCode, Problem> {
    app.carry_out(&person, Command::WithdrawTurn { number, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}
