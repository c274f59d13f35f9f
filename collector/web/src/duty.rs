//! Duty (*trực ban*) as a page and in the API: who is on, who comes next, where nobody is, who stands in, how people are reached,
//! what was not delivered, the duty book. The month's calendar, who would be told, turns that people ask each other to take, calendars to subscribe
//! to and shifts that are handed over are below it.

pub(crate) mod calendar;
pub(crate) mod contacts;
pub(crate) mod edit;
pub(crate) mod feeds;
pub(crate) mod handover;
mod ical;
pub(crate) mod plan;
pub(crate) mod turns;
pub(crate) mod who;

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};

use ioc_common::clock::{self, Timestamp};
use ioc_judge::Text;
use ioc_judge::duty::DutyPerson;
use ioc_judge::duty::calendar::{self as shifts, Shift};
use ioc_judge::duty::{Cover, Rota};

use crate::api::ApiResult;
use crate::api_types::{self, all};
use crate::app::App;
use crate::incident::deadlines::{self, DeadlineRow};
use crate::maintenance::parse_moment;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show_again};
use crate::people::{People, people};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::{Command, CommandError};
use ioc_engine::config::Config;
use ioc_engine::refusal_field::Field;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_store::{ContactCheck, Handover, OutboxEntry};

/// Shifts of one rota that are shown.
const SHIFTS: usize = 20;
/// A present shift of which it is said since when it lasts, milliseconds: a longer one is as far back as is looked.
const SINCE_MAX_MS: i64 = (shifts::REACH_DAYS - 1) * 86_400_000;
/// Who stands in is looked for so many entries back.
const COVERS_MAX: usize = 5_000;
/// Entries of the duty book that are shown.
const BOOK_ENTRIES: usize = 30;
/// Notices that were given up and are shown.
const UNDELIVERED: usize = 50;

/// A rota as it is shown.
pub(crate) struct RotaRow {
    id: String,
    pub(crate) name: String,
    pub(crate) on_duty: Vec<String>,
    /// Since when; none where that is longer ago than is looked.
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    shifts: Vec<(Timestamp, Timestamp, Vec<String>)>,
    /// Shifts are handed over here, and nobody has taken over the last one.
    is_unsigned: bool,
}

/// A person and how the last try to reach them went.
struct PersonRow {
    id: String,
    name: String,
    contacts: Vec<ContactRow>,
}

/// A way to reach a person.
struct ContactRow {
    channel: String,
    /// Only for who looks after the plan.
    address: String,
    /// What became of the last notice.
    last: Option<OutboxEntry>,
    /// When a code came back.
    verified_at: Option<Timestamp>,
    /// A code was sent and is waited for.
    is_waited_for: bool,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct CoverForm {
    rota: String,
    person: String,
    from: String,
    until: String,
    note: String,
}

#[derive(Template)]
#[template(path = "duty.html")]
struct DutyPage {
    page_context: PageContext,
    tab: &'static str,
    rotas: Vec<RotaRow>,
    gaps: Vec<Text>,
    /// Where somebody is on duty on two rotas at once.
    doubles: Vec<Text>,
    covers: Vec<(Cover, String)>,
    people: Vec<PersonRow>,
    /// Shifts that can change hands: what the form sends, and how it is shown.
    shifts: Vec<(String, String)>,
    book: Vec<Handover>,
    /// What people are called who wrote in it.
    names: People,
    undelivered: Vec<OutboxEntry>,
    /// What the law and units owe on incidents within reach.
    deadlines: Vec<DeadlineRow>,
    form: CoverForm,
    error: Option<String>,
    has_plan: bool,
}

/// A person's name, or their identifier where the plan does not know them any more.
fn person_name<'s>(config: &'s Config, id: &'s str) -> &'s str {
    config.plan.person(id).map_or(id, |person| person.name.as_str())
}

pub(crate) fn rota_rows(config: &Config, outlook: &[(&Rota, Vec<Shift>)], now: Timestamp) -> Vec<RotaRow> {
    let named = |people: &[String]| people.iter().map(|id| person_name(config, id).to_owned()).collect::<Vec<_>>();
    let row = |(rota, shifts): &(&Rota, Vec<Shift>)| RotaRow {
        id: rota.id.clone(),
        name: rota.name.clone(),
        on_duty: shifts.first().map(|shift| named(&shift.people)).unwrap_or_default(),
        from: shifts.first().map(|shift| shift.from).filter(|from| now.millis_since(*from) < SINCE_MAX_MS),
        until: shifts.first().map(|shift| shift.until),
        shifts: shifts.iter().skip(1).take(SHIFTS).map(|one| (one.from, one.until, named(&one.people))).collect(),
        is_unsigned: false,
    };
    outlook.iter().map(row).collect()
}

/// The next shifts of all rotas, each with who has it.
fn swappable_shifts(
    config: &Config,
    outlook: &[(&Rota, Vec<Shift>)],
    page_context: &PageContext,
) -> Vec<(String, String)> {
    let all = outlook.iter().flat_map(|(rota, shifts)| shifts.iter().take(SHIFTS).map(move |shift| (rota, shift)));
    all.flat_map(|(rota, shift)| {
        shift.people.iter().map(move |id| {
            let name = person_name(config, id);
            // What is over of the present one stays as it was.
            let from = shift.from.max(page_context.now);
            let value = format!("{}|{}|{}|{id}", rota.id, from.as_millis(), shift.until.as_millis());
            (
                value,
                format!(
                    "{name} · {} · {} → {}",
                    rota.name,
                    page_context.minute(&from),
                    page_context.minute(&shift.until)
                ),
            )
        })
    })
    .collect()
}

async fn render(app: &App, page_context: PageContext, form: CoverForm, error: Option<String>) -> PageResult {
    let (now, plan) = (page_context.now, app.config());
    let found = app
        .read(&page_context.scope, move |reader| {
            Ok((
                reader.covers_since(Timestamp::MIN, COVERS_MAX)?,
                reader.contacts()?,
                reader.handovers(BOOK_ENTRIES)?,
                reader.outbox_dead(UNDELIVERED)?,
                deadlines::open(reader, now)?,
                reader.contact_checks()?,
                handover::unsigned(reader, &plan, now)?,
            ))
        })
        .await;
    let (covers, contacts, book, mut undelivered, due, checks, unsigned) = match found {
        Ok(found) => found,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    // Where people are reached, and what came of it, is for those who look after the duty plan.
    let leads = page_context.may_lead_duty();
    if !leads {
        undelivered.clear();
    }
    let names = people(app, page_context.may_see_people()).await;
    let config = app.config();
    let last: HashMap<(&str, &str), &OutboxEntry> =
        contacts.iter().map(|entry| ((entry.person.as_str(), entry.channel.as_str()), entry)).collect();
    let person = |human: &DutyPerson| PersonRow {
        id: human.id.clone(),
        name: human.name.clone(),
        contacts: human
            .contacts
            .iter()
            .map(|contact| {
                let mut entry = last.get(&(human.id.as_str(), contact.channel.as_str())).map(|entry| (*entry).clone());
                if let Some(entry) = entry.as_mut().filter(|_| !leads) {
                    entry.last_error = None;
                }
                let of_contact = |one: &&ContactCheck| {
                    one.person == human.id && one.channel == contact.channel && one.address == contact.address
                };
                let check = checks.iter().find(of_contact);
                ContactRow {
                    channel: contact.channel.clone(),
                    address: if leads { contact.address.clone() } else { String::new() },
                    last: entry,
                    verified_at: check.and_then(|one| one.verified_at),
                    is_waited_for: leads && check.is_some_and(|one| one.verified_at.is_none()),
                }
            })
            .collect(),
    };
    let outlook = shifts::outlook(&config.plan, &covers, now);
    let (mut rotas, gaps) = (rota_rows(&config, &outlook, now), shifts::gaps(&config.plan, &outlook));
    rotas.iter_mut().for_each(|row| row.is_unsigned = unsigned.contains(&row.id));
    let covers = covers.into_iter().filter(|cover| cover.until > now).map(|cover| {
        let name = person_name(&config, &cover.person).to_owned();
        (cover, name)
    });
    let swappable = swappable_shifts(&config, &outlook, &page_context);
    let refused = error.is_some();
    let mut doubles = shifts::double_texts(&config.plan, &outlook);
    // Who is on duty is known to all in the house.
    doubles.iter_mut().for_each(Text::open);
    let page = DutyPage {
        tab: "now",
        shifts: swappable,
        rotas,
        gaps,
        doubles,
        covers: covers.collect(),
        people: config.plan.people.iter().map(person).collect(),
        book,
        names,
        undelivered,
        deadlines: deadlines::rows(due, &page_context),
        form,
        error,
        has_plan: !config.plan.people.is_empty(),
        page_context,
    };
    Ok(show_again(&page, refused))
}

pub(crate) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, page_context, CoverForm::default(), None).await
}

/// Carries out what the page asks for, and shows it again.
async fn carry_out(
    app: &App,
    (page_context, person): (PageContext, &Person),
    form: CoverForm,
    command: Result<Command, CommandError>,
) -> PageResult {
    let done = match command {
        Ok(command) => app.carry_out(person, command).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(_) => Ok(Redirect::to("/duty").into_response()),
        Err(error) => {
            let text = refusal_text(&page_context, &error);
            render(app, page_context, form, Some(text)).await
        }
    }
}

fn cover_of(form: &CoverForm, config: &Config) -> Result<Cover, CommandError> {
    Ok(Cover {
        id: 0,
        rota: form.rota.clone(),
        person: form.person.clone(),
        from: parse_moment(Field::From, &form.from, config)?,
        until: parse_moment(Field::Until, &form.until, config)?,
        who: String::new(),
        note: form.note.clone(),
    })
}

pub(crate) async fn cover(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<CoverForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let covers = cover_of(&form, &app.config()).map(|cover| vec![cover]);
    let command = covers.map(|covers| Command::Cover { covers, instead_of: Vec::new(), actor: person.name.clone() });
    carry_out(&app, (page_context, &person), form, command).await
}

/// Two shifts that change hands, each as the page names it: rota, beginning and end in milliseconds, person.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SwapForm {
    first: String,
    second: String,
    note: String,
}

/// A shift as the page names it: rota, from, until, person.
fn shift_of<'t>(field: &str, text: &'t str) -> Result<(&'t str, Timestamp, Timestamp, &'t str), CommandError> {
    let parts: Vec<&str> = text.split('|').collect();
    let number = |text: &str| text.parse().ok().map(Timestamp::from_millis);
    let found = match parts[..] {
        [rota, from, until, person] => number(from).zip(number(until)).map(|(from, until)| (rota, from, until, person)),
        _ => None,
    };
    found.ok_or_else(|| {
        let english = format!("{field}: found {text:?}; allowed is rota|from|until|person");
        RefusalReason::new("refusal-shift", [], english).invalid()
    })
}

/// One stands in for the other in both shifts, where both are still theirs.
fn swap_of(form: &SwapForm, asker: &Person) -> Result<Command, CommandError> {
    let (first, second) = (shift_of("first", &form.first)?, shift_of("second", &form.second)?);
    if first.3 == second.3 {
        let english = "second: both shifts are of the same person";
        return Err(RefusalReason::new("refusal-same-person", [], english).invalid());
    }
    let cover = |(rota, from, until, _): (&str, Timestamp, Timestamp, &str), person: &str| Cover {
        id: 0,
        rota: rota.to_owned(),
        person: person.to_owned(),
        from,
        until,
        who: String::new(),
        note: form.note.clone(),
    };
    let covers = vec![cover(first, second.3), cover(second, first.3)];
    let instead_of = vec![first.3.to_owned(), second.3.to_owned()];
    Ok(Command::Cover { covers, instead_of, actor: asker.name.clone() })
}

pub(crate) async fn swap(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<SwapForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let command = swap_of(&form, &person);
    carry_out(&app, (page_context, &person), CoverForm::default(), command).await
}

pub(crate) async fn api_swap(
    State(app): State<App>,
    person: Person,
    Json(form): Json<SwapForm>,
) -> Result<StatusCode, Problem> {
    app.carry_out(&person, swap_of(&form, &person)?).await?;
    Ok(StatusCode::CREATED)
}

pub(crate) async fn remove_cover(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<u64>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    carry_out(
        &app,
        (page_context, &person),
        CoverForm::default(),
        Ok(Command::Uncover { id, actor: person.name.clone() }),
    )
    .await
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct BookForm {
    rota: String,
    text: String,
}

pub(crate) async fn hand_over(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<BookForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let entry = Handover { at: clock::now(), rota: form.rota, who: person.name.clone(), text: form.text, shift: None };
    carry_out(&app, (page_context, &person), CoverForm::default(), Ok(Command::Handover(entry))).await
}

pub(crate) async fn test_contact(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let command = Command::TestContact { person: id, actor: person.name.clone() };
    carry_out(&app, (page_context, &person), CoverForm::default(), Ok(command)).await
}

#[derive(Debug, Deserialize)]
pub(crate) struct ResendForm {
    key: String,
}

pub(crate) async fn resend(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<ResendForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let command = Command::Resend { key: form.key, actor: person.name.clone() };
    carry_out(&app, (page_context, &person), CoverForm::default(), Ok(command)).await
}

/// The duty plan as it is followed.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct DutyAnswer {
    rotas: Vec<RotaItem>,
    /// Holes in the plan.
    gaps: Vec<api_types::Text>,
    covers: Vec<api_types::maintenance::Cover>,
}

/// A rota.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct RotaItem {
    id: String,
    name: String,
    /// Who is on duty now.
    on_duty: Vec<String>,
    /// The running shift and those after it.
    shifts: Vec<ShiftItem>,
}

/// A shift.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct ShiftItem {
    from: Timestamp,
    until: Timestamp,
    people: Vec<String>,
}

/// Who is on duty, who comes next, and what is wrong with the plan.
pub(crate) async fn api(State(app): State<App>, person: Person) -> ApiResult<DutyAnswer> {
    let covers = app.read(&person.scope, |reader| reader.covers_since(Timestamp::MIN, COVERS_MAX)).await?;
    let (config, now) = (app.config(), clock::now());
    let outlook = shifts::outlook(&config.plan, &covers, now);
    let rota = |(rota, shifts): &(&Rota, Vec<Shift>)| {
        let shift = |one: &Shift| ShiftItem { from: one.from, until: one.until, people: one.people.clone() };
        let on_duty = shifts.first().map(|shift| shift.people.clone()).unwrap_or_default();
        RotaItem { id: rota.id.clone(), name: rota.name.clone(), on_duty, shifts: shifts.iter().map(shift).collect() }
    };
    let (rotas, gaps) = (outlook.iter().map(rota).collect(), all(shifts::gaps(&config.plan, &outlook)));
    let covers: Vec<Cover> = covers.iter().filter(|cover| cover.until > now).cloned().collect();
    Ok(Json(DutyAnswer { rotas, gaps, covers: all(covers) }))
}

/// Someone stands in, as the API takes it.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CoverBody {
    rota: String,
    person: String,
    from: Timestamp,
    until: Timestamp,
    #[serde(default)]
    note: String,
}

pub(crate) async fn api_cover(
    State(app): State<App>,
    person: Person,
    Json(body): Json<CoverBody>,
) -> Result<StatusCode, Problem> {
    let CoverBody { rota, person: stands_in, from, until, note } = body;
    let covers = vec![Cover { id: 0, rota, person: stands_in, from, until, who: String::new(), note }];
    let instead_of = Vec::new();
    app.carry_out(&person, Command::Cover { covers, instead_of, actor: person.name.clone() }).await?;
    Ok(StatusCode::CREATED)
}

pub(crate) async fn api_remove_cover(
    State(app): State<App>,
    person: Person,
    Path(id): Path<u64>,
) -> Result<StatusCode, Problem> {
    app.carry_out(&person, Command::Uncover { id, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}
