//! The month's calendar of the duty plan: who is on duty at any hour, for one rota or all, with holidays, stand-ins, holes and double duties; to be
//! looked at and printed, and in the API.

use askama::Template;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::language::Language;
use ioc_judge::duty::calendar::{DoubleDuty, Origin, Shift, date_of};
use ioc_judge::duty::month::{self, Day, Entry, Month, MonthOfYear};
use ioc_judge::duty::public_holidays::holiday_on;
use ioc_judge::duty::{Cover, Plan, Rota};

use super::person_name;
use crate::api::ApiResult;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::config::Config;
use ioc_engine::refusal_field::Field;

/// Entries of who stands in that are looked through for a month.
const COVERS_MAX: usize = 5_000;
/// Holes and double duties that are written out above the calendar; more are counted.
const LISTED: usize = 8;
/// Colours by which people are told apart at a glance; their names stand there, too.
const COLOURS: usize = 6;

/// Which month, of which rota.
#[derive(Debug, Default, Clone, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct CalendarQuery {
    /// Year and month, such as 2026-12; the present one without.
    month: String,
    /// The rota, by key; all without.
    rota: String,
}

/// A stretch of a day as it is shown.
pub(crate) struct EntryCell {
    /// Of which rota, where several are shown.
    rota: String,
    /// From when to when; empty for the whole day.
    hours: String,
    people: String,
    /// For whom, where somebody stands in.
    instead_of: String,
    /// `c0` to `c5` for somebody, `hole` for nobody.
    tone: String,
    is_holiday: bool,
    /// Somebody is on another rota, too.
    is_twice: bool,
}

/// A day as it is shown.
pub(crate) struct DayCell {
    number: i8,
    /// The day in words, for a list.
    title: String,
    is_in_month: bool,
    is_today: bool,
    holiday: Option<String>,
    entries: Vec<EntryCell>,
    more: u64,
}

#[derive(Template)]
#[template(path = "duty-calendar.html")]
struct CalendarPage {
    page_context: PageContext,
    tab: &'static str,
    /// The month in words.
    title: String,
    month: String,
    previous: Option<String>,
    next: Option<String>,
    /// The chosen rota; empty for all.
    rota: String,
    /// Rotas to choose from.
    rotas: Vec<(String, String)>,
    days: Vec<DayCell>,
    holes: Vec<String>,
    more_holes: u64,
    doubles: Vec<String>,
    more_doubles: u64,
    /// The zone of the rota, where it is not the site's.
    other_zone: Option<String>,
}

/// What a calendar is made of.
struct Calendar {
    month: MonthOfYear,
    /// The places of the rotas that are shown among those of the plan.
    rotas: Vec<usize>,
    zone: TimeZone,
    made: Month,
}

impl Calendar {
    /// Its rotas.
    fn rotas<'p>(&self, plan: &'p Plan) -> Vec<&'p Rota> {
        self.rotas.iter().filter_map(|place| plan.rotas.get(*place)).collect()
    }
}

/// The month that is asked for: of one rota by its own clock, of all by the site's.
fn calendar_of(config: &Config, covers: &[Cover], query: &CalendarQuery, now: Timestamp) -> Result<Calendar, Problem> {
    let plan = &config.plan;
    let (rotas, zone): (Vec<usize>, TimeZone) = if query.rota.is_empty() {
        ((0..plan.rotas.len()).collect(), plan.zone.clone())
    } else {
        let place = plan.rotas.iter().position(|rota| rota.id == query.rota);
        let place = place.ok_or_else(|| Problem::not_found(format!("there is no rota {:?}", query.rota)))?;
        (vec![place], plan.rotas[place].zone.clone())
    };
    let month = match query.month.as_str() {
        "" => MonthOfYear::of(now, &zone),
        text => MonthOfYear::parse(text),
    };
    let month = month.ok_or_else(|| Field::Month.moment(&query.month).invalid())?;
    let chosen: Vec<&Rota> = rotas.iter().filter_map(|place| plan.rotas.get(*place)).collect();
    let made = month::month(&chosen, &plan.rotas, covers, month, &zone);
    let made = made.ok_or_else(|| Problem::invalid("month: there is no such month"))?;
    Ok(Calendar { month, rotas, zone, made })
}

/// A time of day.
fn hour(at: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at.as_millis()) {
        Ok(moment) => moment.to_zoned_datetime(zone.clone()).strftime("%H:%M").to_string(),
        Err(_) => at.to_string(),
    }
}

/// The hours of an entry within its day.
fn hours(entry: &Entry, day: &Day, zone: &TimeZone) -> String {
    match (entry.from == day.from, entry.until == day.until) {
        (true, true) => String::new(),
        (true, false) => format!("→ {}", hour(entry.until, zone)),
        (false, true) => format!("{} →", hour(entry.from, zone)),
        (false, false) => format!("{} – {}", hour(entry.from, zone), hour(entry.until, zone)),
    }
}

/// Everyone by name.
fn names(config: &Config, people: &[String]) -> String {
    people.iter().map(|id| person_name(config, id)).collect::<Vec<_>>().join(", ")
}

/// The colour of whoever is on duty.
fn tone(plan: &Plan, people: &[String]) -> String {
    let place = people.first().map(|id| plan.people.iter().position(|one| one.id == *id).unwrap_or(0));
    place.map_or_else(|| "hole".to_owned(), |place| format!("c{}", place % COLOURS))
}

fn entry_cell(config: &Config, rotas: &[&Rota], (entry, day): (&Entry, &Day), zone: &TimeZone) -> EntryCell {
    let several = rotas.len() > 1;
    EntryCell {
        rota: rotas.get(entry.rota).filter(|_| several).map(|rota| rota.name.clone()).unwrap_or_default(),
        hours: hours(entry, day, zone),
        people: names(config, &entry.people),
        instead_of: if entry.instead_of == entry.people { String::new() } else { names(config, &entry.instead_of) },
        tone: tone(&config.plan, &entry.people),
        is_holiday: entry.origin == Origin::Holiday,
        is_twice: !entry.twice.is_empty(),
    }
}

/// A day in words.
fn day_title(page_context: &PageContext, date: Date) -> String {
    let weekday = page_context.name("day", &date.weekday().to_monday_one_offset().to_string());
    format!("{weekday} {}", date.strftime("%d/%m/%Y"))
}

/// A time in words, by the clock of a zone.
fn span(page_context: &PageContext, (from, until): (Timestamp, Timestamp), zone: &TimeZone) -> String {
    let shown = |at: Timestamp| match date_of(at, zone) {
        Some(date) => format!("{} {}", day_title(page_context, date), hour(at, zone)),
        None => at.to_string(),
    };
    format!("{} → {}", shown(from), shown(until))
}

fn double_text(page_context: &PageContext, config: &Config, double: &DoubleDuty, zone: &TimeZone) -> String {
    let rotas = double.rotas.each_ref().map(|id| config.plan.rota(id).map_or(id.as_str(), |rota| rota.name.as_str()));
    let when = span(page_context, (double.from, double.until), zone);
    format!("{}: {} + {} · {when}", person_name(config, &double.person), rotas[0], rotas[1])
}

async fn covers_of(app: &App, person: &Person) -> Result<Vec<Cover>, Problem> {
    app.read(&person.scope, |reader| reader.covers_since(Timestamp::MIN, COVERS_MAX)).await
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<CalendarQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let covers = match covers_of(&app, &person).await {
        Ok(covers) => covers,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let (config, now) = (app.config(), page_context.now);
    match calendar_of(&config, &covers, &query, now) {
        Ok(calendar) => Ok(show(&calendar_page(page_context, &config, &calendar, query.rota))),
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

fn calendar_page(page_context: PageContext, config: &Config, calendar: &Calendar, rota: String) -> CalendarPage {
    let Calendar { month, zone, made, .. } = calendar;
    let rotas = calendar.rotas(&config.plan);
    let today = date_of(page_context.now, zone);
    let language = page_context.language;
    let day_cell = |day: &Day| DayCell {
        number: day.date.day(),
        title: day_title(&page_context, day.date),
        is_in_month: day.is_in_month,
        is_today: today == Some(day.date),
        holiday: holiday_on(day.date).map(|name| name.get(language).to_owned()),
        entries: day.entries.iter().map(|entry| entry_cell(config, &rotas, (entry, day), zone)).collect(),
        more: day.more as u64,
    };
    let hole = |(place, shift): &(usize, Shift)| {
        let name = rotas.get(*place).map(|rota| rota.name.as_str()).unwrap_or_default();
        format!("{name}: {}", span(&page_context, (shift.from, shift.until), zone))
    };
    let first = month.first();
    let title = match language {
        Language::Vietnamese => format!("Tháng {}/{}", first.month(), first.year()),
        Language::English => first.strftime("%B %Y").to_string(),
    };
    let site_zone = config.plan.zone.iana_name();
    CalendarPage {
        tab: "calendar",
        title,
        month: month.to_string(),
        previous: month.plus(-1).map(|month| month.to_string()),
        next: month.plus(1).map(|month| month.to_string()),
        rota,
        rotas: config.plan.rotas.iter().map(|rota| (rota.id.clone(), rota.name.clone())).collect(),
        days: made.weeks.iter().flatten().map(day_cell).collect(),
        holes: made.holes.iter().take(LISTED).map(hole).collect(),
        more_holes: made.holes.len().saturating_sub(LISTED) as u64,
        doubles: made.doubles.iter().take(LISTED).map(|one| double_text(&page_context, config, one, zone)).collect(),
        more_doubles: made.doubles.len().saturating_sub(LISTED) as u64,
        other_zone: zone.iana_name().filter(|name| Some(*name) != site_zone).map(str::to_owned),
        page_context,
    }
}

/// A month of the duty plan.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct CalendarAnswer {
    /// Year and month.
    month: String,
    /// The time zone of its days.
    zone: String,
    /// Every day of its weeks, from a Monday to a Sunday.
    days: Vec<DayItem>,
    /// Where nobody is on duty within the month.
    holes: Vec<HoleItem>,
    /// Where somebody is on duty on two rotas at once.
    doubles: Vec<DoubleItem>,
}

/// A day.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct DayItem {
    /// Year, month and day.
    date: String,
    /// It belongs to the month.
    in_month: bool,
    /// Which public holiday it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    holiday: Option<crate::api_types::Text>,
    /// Who is on duty, rota by rota in order of time.
    entries: Vec<EntryItem>,
    /// So many more entries it has.
    more: usize,
}

/// A stretch of a day.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct EntryItem {
    /// The rota, by key.
    rota: String,
    from: Timestamp,
    until: Timestamp,
    /// Who, by key of the plan; nobody in a hole.
    people: Vec<String>,
    /// Why: cover, holiday, layer or nobody.
    origin: &'static str,
    /// For whom, where somebody stands in.
    instead_of: Vec<String>,
    /// Those who are on another rota, too.
    twice: Vec<String>,
}

/// A time without anybody.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct HoleItem {
    /// The rota, by key.
    rota: String,
    from: Timestamp,
    until: Timestamp,
}

/// A time in which somebody is on duty twice.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct DoubleItem {
    /// Who, by key of the plan.
    person: String,
    /// On which rotas, by key.
    rotas: Vec<String>,
    from: Timestamp,
    until: Timestamp,
}

const fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Cover(_) => "cover",
        Origin::Holiday => "holiday",
        Origin::Layer(_) => "layer",
        Origin::Nobody => "nobody",
    }
}

/// Who is on duty at any hour of a month.
pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Query(query): Query<CalendarQuery>,
) -> ApiResult<CalendarAnswer> {
    let covers = covers_of(&app, &person).await?;
    let config = app.config();
    let calendar = calendar_of(&config, &covers, &query, ioc_common::clock::now())?;
    let rotas = calendar.rotas(&config.plan);
    let rota = |place: usize| rotas.get(place).map(|rota| rota.id.clone()).unwrap_or_default();
    let entry = |one: &Entry| EntryItem {
        rota: rota(one.rota),
        from: one.from,
        until: one.until,
        people: one.people.clone(),
        origin: origin_name(one.origin),
        instead_of: one.instead_of.clone(),
        twice: one.twice.clone(),
    };
    let day = |day: &Day| DayItem {
        date: day.date.to_string(),
        in_month: day.is_in_month,
        holiday: holiday_on(day.date).cloned().map(Into::into),
        entries: day.entries.iter().map(entry).collect(),
        more: day.more,
    };
    let hole = |(place, one): &(usize, Shift)| HoleItem { rota: rota(*place), from: one.from, until: one.until };
    let double = |one: &DoubleDuty| DoubleItem {
        person: one.person.clone(),
        rotas: one.rotas.to_vec(),
        from: one.from,
        until: one.until,
    };
    Ok(Json(CalendarAnswer {
        month: calendar.month.to_string(),
        zone: calendar.zone.iana_name().unwrap_or("UTC").to_owned(),
        days: calendar.made.weeks.iter().flatten().map(day).collect(),
        holes: calendar.made.holes.iter().map(hole).collect(),
        doubles: calendar.made.doubles.iter().map(double).collect(),
    }))
}
