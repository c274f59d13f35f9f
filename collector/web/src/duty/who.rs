//! "Who would be told?": a device, a severity and a moment, and the answer by the plan as it stands: which route fits and why, which step comes when,
//! who is told by which way, what quiet hours and maintenance hold back, what reaches nobody.

use askama::Template;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::document::HIDDEN;
use ioc_common::id::DeviceId;
use ioc_judge::duty::calendar::Origin;
use ioc_judge::duty::foretold::{Foretold, Misfit, ToldPerson, ToldStep, ToldTarget, foretell};
use ioc_judge::duty::{Cover, EscalationTarget};
use ioc_judge::{DeviceInfo, Priority, Severity, Window};

use super::person_name;
use super::plan::target_name;
use crate::api::ApiResult;
use crate::app::App;
use crate::maintenance::parse_moment;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show};
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
use ioc_engine::command::CommandError;
use ioc_engine::config::Config;
use ioc_engine::refusal_field::Field;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_store::DeviceQuery;
use ioc_store::scope::AccessScope;

/// Entries of who stands in that are looked through.
const COVERS_MAX: usize = 5_000;
/// Devices that are offered to choose from; any other can be typed.
const OFFERED: usize = 500;

/// What is asked.
#[derive(Debug, Default, Clone, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct WhoQuery {
    /// The device, by identifier, name or asset label; the centre as a whole without.
    device: String,
    /// critical, warning or info; critical without.
    severity: String,
    /// The moment, by the site's clock, such as 2026-12-05T02:00; now without.
    at: String,
}

/// A way to a person as it is shown.
struct WayRow {
    channel: String,
    /// Only for who may see people.
    address: String,
    /// Quiet hours hold it back until then.
    until: Option<Timestamp>,
}

/// A person whom a step means.
struct PersonRow {
    name: String,
    ways: Vec<WayRow>,
    /// Channels that carry only what is worse.
    unused: Vec<String>,
}

/// What a step's target means.
struct TargetRow {
    /// What it is, as the plan calls it.
    name: String,
    people: Vec<PersonRow>,
    /// Why these: a stand-in, a holiday.
    origin: Option<&'static str>,
}

/// A step.
struct StepRow {
    number: usize,
    round: u64,
    at: Timestamp,
    /// How long after the fault, milliseconds.
    after_ms: i64,
    targets: Vec<TargetRow>,
    is_reached: bool,
}

/// A route that does not fit.
struct PassedRow {
    number: usize,
    policy: String,
    why: &'static str,
}

/// The answer as it is shown.
struct AnswerPart {
    device: String,
    severity: &'static str,
    at: Timestamp,
    passed: Vec<PassedRow>,
    route: Option<usize>,
    route_scope: String,
    policy: Option<String>,
    leader: Vec<PersonRow>,
    steps: Vec<StepRow>,
    has_more: bool,
    /// Channels that carry every notice of this severity.
    always: Vec<String>,
    acknowledge_ms: i64,
    resolve_ms: i64,
    priority: &'static str,
    /// The maintenance that holds notices then, and until when.
    maintenance: Option<(String, Timestamp)>,
    sees_addresses: bool,
}

#[derive(Template)]
#[template(path = "duty-who.html")]
struct WhoPage {
    page_context: PageContext,
    tab: &'static str,
    query: WhoQuery,
    /// Devices to choose from: identifier, name, place.
    devices: Vec<(String, String)>,
    answer: Option<AnswerPart>,
    error: Option<String>,
    has_plan: bool,
}

/// What the answer is made of.
struct Facts {
    device: Option<DeviceInfo>,
    severity: Severity,
    at: Timestamp,
    covers: Vec<Cover>,
    /// The maintenance that is open for the device then, and until when.
    maintenance: Option<(Window, Timestamp)>,
}

fn severity_of(text: &str) -> Result<Severity, CommandError> {
    if text.is_empty() {
        return Ok(Severity::Critical);
    }
    let all = Severity::ALL.map(Severity::as_str).join(", ");
    let found = Severity::ALL.into_iter().find(|one| one.as_str() == text);
    found.ok_or_else(|| Field::Kind.allowed(text, &all).invalid())
}

/// The device that is meant: by identifier, by name or by asset label.
async fn device_of(app: &App, person: &Person, text: &str) -> Result<Option<DeviceInfo>, Problem> {
    let text = text.trim().to_owned();
    // What the picker offers is the identifier with the name behind it.
    let id = text.split(" · ").next().unwrap_or_default().to_owned();
    if id.is_empty() {
        return Ok(None);
    }
    let looked = id.clone();
    let found: Option<DeviceInfo> = app
        .read(&person.scope, move |reader| {
            if let Some(record) = DeviceId::new(&looked).ok().map(|id| reader.device(&id)).transpose()?.flatten() {
                return Ok(Some(record.info));
            }
            let query = DeviceQuery { search: looked.clone(), limit: OFFERED, ..DeviceQuery::default() };
            let named = |info: &DeviceInfo| info.name == looked || info.label == looked;
            Ok(reader.devices(&query)?.into_iter().map(|record| record.info).find(named))
        })
        .await?;
    let none = || {
        let english = format!("device: there is no device {id:?}");
        RefusalReason::new(
            "refusal-who-device",
            [("device", ioc_engine::refusal_reason::Word::text(id.as_str()))],
            english,
        )
        .not_found()
    };
    let id = found.ok_or_else(none)?.id;
    // It is within reach. Who looks after it decides who is told, and is shown to who may see people alone.
    app.read(&AccessScope::EVERYWHERE, move |reader| Ok(reader.device(&id)?.map(|record| record.info))).await
}

async fn facts(app: &App, person: &Person, query: &WhoQuery, config: &Config) -> Result<Facts, Problem> {
    let severity = severity_of(&query.severity)?;
    let at = match query.at.trim() {
        "" => ioc_common::clock::now(),
        text => parse_moment(Field::At, text, config)?,
    };
    let device = device_of(app, person, &query.device).await?;
    let looked = device.clone();
    let (covers, maintenance) = app
        .read(&person.scope, move |reader| {
            let windows = reader.windows()?;
            let meant = |window: &Window| looked.as_ref().is_some_and(|info| !window.freeze && window.covers(info));
            let open = windows.into_iter().filter(meant).find_map(|one| one.open_until(at).map(|until| (one, until)));
            Ok((reader.covers_since(Timestamp::MIN, COVERS_MAX)?, open))
        })
        .await?;
    Ok(Facts { device, severity, at, covers, maintenance })
}

/// Whether a device says who is meant: that is for who may see people, while who is on duty is known to all.
const fn is_of_device(target: &EscalationTarget) -> bool {
    match target {
        EscalationTarget::Officer | EscalationTarget::Leader => true,
        EscalationTarget::Rota(_) | EscalationTarget::Team(_) | EscalationTarget::Person(_) => false,
    }
}

fn person_row(config: &Config, person: &ToldPerson, (names, addresses): (bool, bool)) -> PersonRow {
    let way = |one: &ioc_judge::duty::Recipient| WayRow {
        channel: one.channel.clone(),
        address: if addresses { one.address.clone() } else { String::new() },
        until: one.not_before,
    };
    PersonRow {
        name: if names { person_name(config, &person.person).to_owned() } else { HIDDEN.to_owned() },
        ways: person.ways.iter().map(way).collect(),
        unused: person.unused.iter().map(|contact| contact.channel.clone()).collect(),
    }
}

/// Why somebody else than the turns say.
const fn origin_key(origin: Option<Origin>) -> Option<&'static str> {
    match origin {
        Some(Origin::Cover(_)) => Some("cover"),
        Some(Origin::Holiday) => Some("holiday"),
        Some(Origin::Nobody) => Some("nobody"),
        Some(Origin::Layer(_)) | None => None,
    }
}

fn answer_part(
    (page_context, sees_people): (&PageContext, bool),
    config: &Config,
    facts: &Facts,
    found: &Foretold,
) -> AnswerPart {
    let people = |all: &[ToldPerson], names: bool| {
        all.iter().map(|one| person_row(config, one, (names || sees_people, sees_people))).collect::<Vec<_>>()
    };
    let target = |one: &ToldTarget| TargetRow {
        name: target_name(page_context, config, &one.target),
        people: people(&one.people, !is_of_device(&one.target)),
        origin: origin_key(one.origin),
    };
    let step = |one: &ToldStep| StepRow {
        number: one.number,
        round: u64::from(one.round) + 1,
        at: one.at,
        after_ms: one.at.millis_since(facts.at),
        targets: one.targets.iter().map(target).collect(),
        is_reached: one.is_reached(),
    };
    let policy_of = |place: usize| config.plan.routes.get(place).map(|route| route.policy.clone()).unwrap_or_default();
    let passed =
        |(place, why): &(usize, Misfit)| PassedRow { number: place + 1, policy: policy_of(*place), why: why.as_str() };
    let importance = facts.device.as_ref().map(|info| info.importance).unwrap_or_default();
    let priority = Priority::of(facts.severity, importance);
    let deadlines = config.plan.deadlines_of(priority);
    let always = config.channels.iter().filter(|one| one.always && facts.severity >= one.min_severity);
    let route = found.route.and_then(|place| config.plan.routes.get(place));
    AnswerPart {
        device: facts.device.as_ref().map(|info| info.name.clone()).unwrap_or_default(),
        severity: facts.severity.as_str(),
        at: facts.at,
        passed: found.passed.iter().map(passed).collect(),
        route: found.route.map(|place| place + 1),
        route_scope: route.map(|route| page_context.scope_text(&route.scope)).unwrap_or_default(),
        policy: found.policy.clone(),
        leader: people(&found.leader, false),
        steps: found.steps.iter().map(step).collect(),
        has_more: found.has_more,
        always: always.map(|one| one.name.clone()).collect(),
        acknowledge_ms: deadlines.acknowledge_ms,
        resolve_ms: deadlines.resolve_ms,
        priority: priority.as_str(),
        maintenance: facts.maintenance.as_ref().map(|(window, until)| (window.title.clone(), *until)),
        sees_addresses: sees_people,
    }
}

/// Whether who asks sees addresses, and who a device's officer and leader are: what they see is on record.
async fn sees_people(app: &App, person: &Person, facts: &Facts) -> bool {
    let subject = facts.device.as_ref().map_or("duty", |info| info.id.as_str());
    personal_data::may_read(app, person, subject, "duty plan").await
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<WhoQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let config = app.config();
    let devices = app
        .read(&person.scope, |reader| reader.devices(&DeviceQuery { limit: OFFERED, ..DeviceQuery::default() }))
        .await;
    let devices = match devices {
        Ok(devices) => devices,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let shown = |info: DeviceInfo| {
        let place = if info.place.is_empty() { String::new() } else { format!(" · {}", info.place) };
        (info.id.as_str().to_owned(), format!("{}{place}", info.name))
    };
    let devices = devices.into_iter().map(|record| shown(record.info)).collect();
    let is_asked = !query.at.trim().is_empty();
    let (mut answer, mut error) = (None, None);
    if is_asked {
        match facts(&app, &person, &query, &config).await {
            Ok(facts) => {
                let sees_people = sees_people(&app, &person, &facts).await;
                let found = foretell(&config.plan, &facts.covers, facts.device.as_ref(), facts.severity, facts.at);
                answer = Some(answer_part((&page_context, sees_people), &config, &facts, &found));
            }
            Err(problem) => error = Some(refusal_text(&page_context, &problem.refused())),
        }
    }
    let has_plan = !config.plan.people.is_empty();
    Ok(show(&WhoPage { page_context, tab: "who", query, devices, answer, error, has_plan }))
}

/// Who would be told.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct WhoAnswer {
    /// When the fault begins.
    at: Timestamp,
    /// The place of the route that fits, from 1; none where no route does.
    route: Option<usize>,
    /// Routes before it, and why each does not fit: severity, kind, device, place or tag.
    passed: Vec<PassedItem>,
    /// The policy of the route.
    policy: Option<String>,
    /// Its steps, while nobody takes it.
    steps: Vec<StepItem>,
    /// There are more.
    has_more: bool,
    /// The title of the maintenance that holds notices then.
    maintenance: Option<String>,
}

/// A route that does not fit.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct PassedItem {
    route: usize,
    why: &'static str,
}

/// A step.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct StepItem {
    /// Its place in the policy, from 1.
    step: usize,
    /// The round, from 1.
    round: u32,
    at: Timestamp,
    /// It reaches somebody; one that does not is skipped at once.
    reached: bool,
    people: Vec<ToldItem>,
}

/// A person whom a step means.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct ToldItem {
    /// As what they are told: rota:…, team:…, person:…, officer or leader.
    target: String,
    /// Who, by key of the plan.
    person: String,
    ways: Vec<WayItem>,
}

/// A way by which they are told.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct WayItem {
    channel: String,
    /// Only for who may see people.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Quiet hours hold it back until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
}

/// Who would be told of a fault of this severity on this device at this moment.
pub(crate) async fn api(State(app): State<App>, person: Person, Query(query): Query<WhoQuery>) -> ApiResult<WhoAnswer> {
    let config = app.config();
    let facts = facts(&app, &person, &query, &config).await?;
    let sees_people = sees_people(&app, &person, &facts).await;
    let found = foretell(&config.plan, &facts.covers, facts.device.as_ref(), facts.severity, facts.at);
    let way = |one: &ioc_judge::duty::Recipient| WayItem {
        channel: one.channel.clone(),
        address: sees_people.then(|| one.address.clone()),
        not_before: one.not_before,
    };
    let told = |target: &ToldTarget, one: &ToldPerson| ToldItem {
        target: target.target.to_string(),
        person: if sees_people || !is_of_device(&target.target) { one.person.clone() } else { HIDDEN.to_owned() },
        ways: one.ways.iter().map(way).collect(),
    };
    let step = |one: &ToldStep| StepItem {
        step: one.number,
        round: one.round + 1,
        at: one.at,
        reached: one.is_reached(),
        people: one
            .targets
            .iter()
            .flat_map(|t| t.people.iter().map(move |p| (t, p)))
            .map(|(t, p)| told(t, p))
            .collect(),
    };
    Ok(Json(WhoAnswer {
        at: facts.at,
        route: found.route.map(|place| place + 1),
        passed: found.passed.iter().map(|(place, why)| PassedItem { route: place + 1, why: why.as_str() }).collect(),
        steps: found.steps.iter().map(step).collect(),
        policy: found.policy,
        has_more: found.has_more,
        maintenance: facts.maintenance.map(|(window, _)| window.title),
    }))
}
