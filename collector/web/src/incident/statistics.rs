//! Figures of incidents by month, as a page.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_judge::{DeviceInfo, Fault, Incident, RuleCondition};

use crate::app::App;
use crate::device::name::{name_of, names_of};
use crate::incident::figures::{self, Availability, Noise, Proposal, Repeated, Tally};
use crate::incident::month::{self, Month};
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::people::{People, people};
use crate::person::Person;
use ioc_store::{DeliveredNotice, DeviceQuery, FaultQuery, IncidentQuery, Reader, StoreError};

/// Months beside each other.
const MONTHS: usize = 6;
/// Incidents, silences and notices that are looked at, and devices.
const LOOKED_AT_MAX: usize = 20_000;
/// Read at once.
const PAGE: usize = 1000;

#[derive(Template)]
#[template(path = "incident-figures.html")]
struct FiguresPage {
    page_context: PageContext,
    months: Vec<Month>,
    shown: Month,
    /// This month and those before it, the newest first.
    by_month: Vec<(Month, Tally)>,
    by_unit: Vec<(String, Tally)>,
    repeated: Vec<Repeated>,
    noise: Vec<Noise>,
    nights: Vec<(String, usize, usize)>,
    rooms: Vec<Availability>,
    groups: Vec<Availability>,
    /// What rules say, by the newest incident of each.
    titles: HashMap<IncidentId, String>,
    names: HashMap<DeviceId, String>,
    people: People,
    target: f64,
    /// There was more than is looked at.
    is_cut: bool,
}

impl FiguresPage {
    fn span(&self, ms: Option<i64>) -> String {
        ms.map_or_else(|| "–".to_owned(), |ms| self.page_context.duration(ms))
    }

    fn to_take(&self, of: &Tally) -> String {
        self.span(of.to_take())
    }

    fn to_end(&self, of: &Tally) -> String {
        self.span(of.to_end())
    }

    fn tables(&self) -> [(&'static str, &[Availability]); 2] {
        [("figures-rooms", &self.rooms), ("figures-groups", &self.groups)]
    }

    fn title_of(&self, incident: &IncidentId) -> &str {
        self.titles.get(incident).map_or("", String::as_str)
    }

    fn name_of<'s>(&'s self, device: &'s DeviceId) -> &'s str {
        name_of(&self.names, Some(device))
    }

    fn percent(&self, of: &Availability) -> String {
        // What is not all of it must not be rounded up to it.
        let shown = if of.percent < 100.0 { of.percent.min(99.99) } else { 100.0 };
        format!("{} %", self.page_context.decimal(&shown, 2))
    }

    fn misses(&self, of: &Availability) -> bool {
        of.percent < self.target
    }

    fn target(&self) -> String {
        self.page_context.localized_number(format!("{} %", self.target))
    }

    fn proposal(&self, noise: &Noise) -> String {
        let t = |key: &str| self.page_context.t(key);
        match &noise.proposal {
            Proposal::OneDevice(device) => {
                let name = name_of(&self.names, Some(device)).to_owned();
                self.page_context.t_with("noise-one-device", "device", name)
            }
            Proposal::WaitLonger(ms) => self.page_context.t_with("noise-wait", "span", self.page_context.duration(*ms)),
            Proposal::WiderGap => t("noise-gap"),
            Proposal::LessSevere => t("noise-severity"),
            Proposal::Keep => t("noise-keep"),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MonthQuery {
    month: String,
}

/// What is read for the figures.
struct Read {
    incidents: Vec<Incident>,
    found: HashMap<IncidentId, Timestamp>,
    silences: Vec<Fault>,
    devices: Vec<DeviceInfo>,
    notices: Vec<DeliveredNotice>,
    is_cut: bool,
}

fn read(
    reader: &dyn Reader,
    (from, month, until): (Timestamp, &Month, Timestamp),
    silent: &[String],
    people: bool,
) -> Result<Read, StoreError> {
    let mut query = IncidentQuery { opened: Some((from, month.until)), ..IncidentQuery::default() };
    let mut incidents: Vec<Incident> = Vec::new();
    let mut is_cut = false;
    loop {
        let some = reader.find_incidents(&query, PAGE)?;
        query.before = some.last().map(|one| one.id.0);
        let more = some.len() == PAGE;
        incidents.extend(some);
        is_cut |= more && incidents.len() >= LOOKED_AT_MAX;
        if !more || is_cut {
            break;
        }
    }
    let numbers = (incidents.last().map(|one| one.id), incidents.first().map(|one| one.id));
    let steps = match numbers {
        (Some(low), Some(high)) => reader.first_steps((low, high), LOOKED_AT_MAX)?,
        _ => Vec::new(),
    };
    let found = steps.into_iter().map(|step| (step.incident, step.at)).collect();
    let mut silences: Vec<Fault> = Vec::new();
    let mut before = None;
    loop {
        let during = Some((month.from, until));
        let asked = FaultQuery { rules: silent, during, before, ..FaultQuery::default() };
        let some = if silent.is_empty() { Vec::new() } else { reader.faults(&asked, PAGE)? };
        before = some.last().map(|one| one.id.0);
        let more = some.len() == PAGE;
        silences.extend(some);
        is_cut |= more && silences.len() >= LOOKED_AT_MAX;
        if !more || is_cut {
            break;
        }
    }
    let all = DeviceQuery { limit: LOOKED_AT_MAX, ..DeviceQuery::default() };
    let devices = reader.devices(&all)?.into_iter().map(|record| record.info).collect();
    let notices =
        if people { reader.delivered_to_people((month.from, month.until), LOOKED_AT_MAX)? } else { Vec::new() };
    Ok(Read { incidents, found, silences, devices, notices, is_cut })
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<MonthQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let (config, now) = (app.config(), page_context.now);
    let months = month::latest(now, &config.timezone);
    let asked = Month::parse(&query.month, &config.timezone).filter(|month| month.from <= now);
    let Some(shown) = asked.or_else(|| months.first().cloned()) else { return Err(Failure::not_found(page_context)) };
    let before = std::iter::successors(Some(shown.clone()), |month| month.before(&config.timezone));
    let beside: Vec<Month> = before.take(MONTHS).collect();
    let from = beside.last().map_or(shown.from, |month| month.from);
    let is_silence = |rule: &&ioc_judge::Rule| matches!(rule.condition, RuleCondition::Silent);
    let silent: Vec<String> = config.rules.rules().iter().filter(is_silence).map(|rule| rule.id.clone()).collect();
    let (of, until, sees_people) = (shown.clone(), shown.until.min(now), page_context.may_see_people());
    let language = page_context.language;
    let found = app
        .read(&person.scope, move |reader| {
            let read = read(reader, (from, &of, until), &silent, sees_people)?;
            let in_month = || read.incidents.iter().filter(|one| figures::is_in(&of, one.opened_at));
            let (repeated, noise) = (figures::repeated(in_month()), figures::noise(in_month()));
            let of_noise = noise.iter().filter_map(|one| match &one.proposal {
                Proposal::OneDevice(device) => Some(device),
                Proposal::WaitLonger(_) | Proposal::WiderGap | Proposal::LessSevere | Proposal::Keep => None,
            });
            let devices = repeated.iter().filter_map(|one| one.device.as_ref()).chain(of_noise);
            let names = names_of(devices, reader)?;
            let named = repeated.iter().map(|one| one.newest).chain(noise.iter().map(|one| one.newest));
            let named: std::collections::HashSet<IncidentId> = named.collect();
            let titles = in_month().filter(|one| named.contains(&one.id));
            let titles = titles.map(|one| (one.id, one.title.get(language).to_owned())).collect();
            Ok((read, of, repeated, noise, names, titles))
        })
        .await;
    let (read, of, repeated, noise, names, titles) = match found {
        Ok(found) => found,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let tallies = figures::by_month(&beside, &read.incidents, &read.found, now);
    let in_month = read.incidents.iter().filter(|one| figures::is_in(&of, one.opened_at));
    let by_unit = figures::by_unit(in_month, &read.found, now).into_iter().collect();
    let [rooms, groups] = figures::availability(&read.devices, &read.silences, (shown.from, until));
    let people = people(&app, sees_people).await;
    Ok(show(&FiguresPage {
        by_month: beside.into_iter().zip(tallies).collect(),
        by_unit,
        repeated,
        noise,
        nights: figures::nights(&read.notices, &config.timezone),
        rooms,
        groups,
        titles,
        names,
        people,
        target: config.availability_target.0,
        is_cut: read.is_cut,
        months,
        shown,
        page_context,
    }))
}
