//! The duty plan as it is written, for people who never saw its file: people and how they are reached, teams, rotas by layers in words, escalation
//! policies drawn as steps with their times, routes in their order, deadlines.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;

use ioc_judge::duty::{DutyPerson, EscalationTarget, Layer, Plan, Policy, Rota, Route};

use super::person_name;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{PageResult, page_context, show};
use crate::person::Person;
use ioc_engine::config::Config;

/// A person as they are shown.
pub(super) struct PersonPart {
    pub(super) id: String,
    pub(super) name: String,
    account: String,
    /// Channel, address (only for who leads the shift), and the severity from which it carries.
    contacts: Vec<(String, String, &'static str)>,
    quiet: Option<(String, &'static str)>,
}

/// A rota as it is shown: its layers and holidays in words.
pub(super) struct RotaPart {
    pub(super) id: String,
    pub(super) name: String,
    zone: Option<String>,
    layers: Vec<LayerPart>,
    holidays: Vec<(String, String)>,
}

/// A layer in words.
struct LayerPart {
    /// Who takes turns, in their order.
    people: Vec<String>,
    turn_days: u64,
    start: String,
    hours: Option<String>,
    days: Vec<String>,
}

/// A step of a policy, drawn.
struct StepPart {
    /// How long after the fault, milliseconds.
    at_ms: i64,
    after_ms: i64,
    to: Vec<String>,
}

/// A policy, drawn.
pub(super) struct PolicyPart {
    pub(super) id: String,
    steps: Vec<StepPart>,
    repeat: u64,
}

/// A route in words.
pub(super) struct RoutePart {
    number: usize,
    policy: String,
    severity: &'static str,
    scope: String,
}

#[derive(Template)]
#[template(path = "duty-plan.html")]
struct PlanPage {
    page_context: PageContext,
    tab: &'static str,
    people: Vec<PersonPart>,
    teams: Vec<(String, Vec<String>)>,
    rotas: Vec<RotaPart>,
    policies: Vec<PolicyPart>,
    routes: Vec<RoutePart>,
    /// Priority, to be taken within, to be resolved within: milliseconds.
    deadlines: Vec<(String, i64, i64)>,
    has_plan: bool,
}

fn time(time: jiff::civil::Time) -> String {
    time.strftime("%H:%M").to_string()
}

fn person_part(person: &DutyPerson, leads: bool) -> PersonPart {
    let contact = |one: &ioc_judge::duty::Contact| {
        let address = if leads { one.address.clone() } else { String::new() };
        (one.channel.clone(), address, one.min_severity.as_str())
    };
    PersonPart {
        id: person.id.clone(),
        name: person.name.clone(),
        account: person.account.clone(),
        contacts: person.contacts.iter().map(contact).collect(),
        quiet: person
            .quiet
            .map(|quiet| (format!("{} – {}", time(quiet.from), time(quiet.until)), quiet.except.as_str())),
    }
}

fn layer_part(page_context: &PageContext, config: &Config, layer: &Layer) -> LayerPart {
    let name = |day: &i8| page_context.name("day", &day.to_string());
    LayerPart {
        people: layer.people.iter().map(|id| person_name(config, id).to_owned()).collect(),
        turn_days: layer.turn_days.unsigned_abs(),
        start: layer.start.strftime("%d/%m/%Y %H:%M").to_string(),
        hours: (layer.from != layer.until).then(|| format!("{} – {}", time(layer.from), time(layer.until))),
        days: layer.days.iter().map(name).collect(),
    }
}

fn rota_part(page_context: &PageContext, config: &Config, rota: &Rota) -> RotaPart {
    let zone = rota.zone.iana_name().filter(|name| Some(*name) != config.plan.zone.iana_name());
    let holiday = |day: &ioc_judge::duty::Holiday| {
        let names = day.people.iter().map(|id| person_name(config, id)).collect::<Vec<_>>().join(", ");
        (day.date.strftime("%d/%m/%Y").to_string(), names)
    };
    RotaPart {
        id: rota.id.clone(),
        name: rota.name.clone(),
        zone: zone.map(str::to_owned),
        layers: rota.layers.iter().map(|layer| layer_part(page_context, config, layer)).collect(),
        holidays: rota.holidays.iter().map(holiday).collect(),
    }
}

/// What a target of a step is called.
pub(super) fn target_name(page_context: &PageContext, config: &Config, target: &EscalationTarget) -> String {
    match target {
        EscalationTarget::Rota(id) => config.plan.rota(id).map_or_else(|| id.clone(), |rota| rota.name.clone()),
        EscalationTarget::Team(id) => format!("{} {id}", page_context.t("duty-team")),
        EscalationTarget::Person(id) => person_name(config, id).to_owned(),
        EscalationTarget::Officer => page_context.t("duty-target-officer"),
        EscalationTarget::Leader => page_context.t("duty-target-leader"),
    }
}

fn policy_part(page_context: &PageContext, config: &Config, policy: &Policy) -> PolicyPart {
    let mut at_ms = 0;
    let mut steps = Vec::new();
    for step in &policy.steps {
        at_ms += step.after_ms;
        let to = step.to.iter().map(|target| target_name(page_context, config, target)).collect();
        steps.push(StepPart { at_ms, after_ms: step.after_ms, to });
    }
    PolicyPart { id: policy.id.clone(), steps, repeat: u64::from(policy.repeat) }
}

fn route_part(page_context: &PageContext, (place, route): (usize, &Route)) -> RoutePart {
    RoutePart {
        number: place + 1,
        policy: route.policy.clone(),
        severity: route.min_severity.as_str(),
        scope: page_context.scope_text(&route.scope),
    }
}

pub(crate) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let config = app.config();
    let plan: &Plan = &config.plan;
    let leads = page_context.may_lead_duty();
    let names = |ids: &[String]| ids.iter().map(|id| person_name(&config, id).to_owned()).collect::<Vec<_>>();
    let deadline = |(place, one): (usize, &ioc_judge::duty::Deadlines)| {
        (format!("P{}", place + 1), one.acknowledge_ms, one.resolve_ms)
    };
    let page = PlanPage {
        tab: "plan",
        people: plan.people.iter().map(|one| person_part(one, leads)).collect(),
        teams: plan.teams.iter().map(|team| (team.id.clone(), names(&team.members))).collect(),
        rotas: plan.rotas.iter().map(|rota| rota_part(&page_context, &config, rota)).collect(),
        policies: plan.policies.iter().map(|policy| policy_part(&page_context, &config, policy)).collect(),
        routes: plan.routes.iter().enumerate().map(|one| route_part(&page_context, one)).collect(),
        deadlines: plan.deadlines.iter().enumerate().map(deadline).collect(),
        has_plan: !plan.people.is_empty(),
        page_context,
    };
    Ok(show(&page))
}
