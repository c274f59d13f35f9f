//! The first page: the centre at a glance.

use std::collections::{BTreeMap, HashMap};

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::{DeviceKind, Incident, Severity};

use crate::api_types::device::is_live;
use crate::app::App;
use crate::device::name::{devices_of, name_of, names_of};
use crate::device::row::{DeviceRow, layouts_of, rows_of};
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::problem::Problem;
use crate::room::power::with_values;
use crate::tone::Tone;
use ioc_engine::power_score::rooms;
use ioc_engine::site_setup::{SetupFacts, SetupStep};
use ioc_store::coverage::{self, Coverage};
use ioc_store::scope::AccessScope;
use ioc_store::{AccountRecord, Counts, DeviceQuery, DeviceSort, DeviceStateFilter, Reader, Right, StoreError, place};

/// Devices that need someone, and incidents, on the first page.
const ROWS_MAX: usize = 12;
/// UPS and sensors that the first page looks at.
const ROOM_DEVICES_MAX: usize = 1000;

/// Power and climate of a room.
struct RoomSummary {
    name: String,
    /// Score of its power; none where no UPS is watched.
    score: Option<u8>,
    /// The hottest sensor, °C.
    temperature: Option<f64>,
    /// The dampest sensor, %.
    humidity: Option<f64>,
    tone: Tone,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    page_context: PageContext,
    counts: Counts,
    coverage: Vec<Coverage>,
    rooms: Vec<RoomSummary>,
    rows: Vec<DeviceRow>,
    /// More devices that need someone than are shown.
    more: bool,
    incidents: Vec<Incident>,
    names: HashMap<DeviceId, String>,
    /// Machines that wait to be let in, for those who can do so.
    waiting: u64,
    /// What the site needs before it does its work, for those who set it up; nothing once all is done.
    setup: Vec<(SetupStep, bool)>,
}

impl OverviewPage {
    const fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// How many steps are done.
    fn setup_done(&self) -> usize {
        self.setup.iter().filter(|(_, done)| *done).count()
    }

    /// Whether it is the step that is done next.
    fn is_next(&self, step: &SetupStep) -> bool {
        self.setup.iter().find(|(_, done)| !done).is_some_and(|(next, _)| next == step)
    }

    fn name_of<'s>(&'s self, incident: &'s Incident) -> &'s str {
        name_of(&self.names, incident.device.as_ref())
    }

    fn tone_of(&self, incident: &Incident) -> Tone {
        Tone::of_incident(incident)
    }
}

/// Rooms in which a UPS or a sensor is watched, the worst first.
fn room_summaries(reader: &dyn Reader, now: Timestamp) -> Result<Vec<RoomSummary>, StoreError> {
    let kinds = vec![DeviceKind::Ups, DeviceKind::Sensor];
    let records = reader.devices(&DeviceQuery { kinds, limit: ROOM_DEVICES_MAX, ..DeviceQuery::default() })?;
    let layouts = layouts_of(&records, reader)?;
    let with_values = with_values(&records, &layouts);
    let mut glances: BTreeMap<String, RoomSummary> = BTreeMap::new();
    let mut at = |name: &str, tell: &dyn Fn(&mut RoomSummary)| {
        let name = name.trim();
        let entry = glances.entry(name.to_owned());
        tell(entry.or_insert_with(|| RoomSummary {
            name: name.to_owned(),
            score: None,
            temperature: None,
            humidity: None,
            tone: Tone::Good,
        }));
    };
    let ups = with_values.iter().filter(|(record, _)| record.info.kind == DeviceKind::Ups).cloned();
    for room in rooms(ups, &BTreeMap::new(), |record| is_live(record, now)) {
        at(&room.name, &|glance| glance.score = room.score);
    }
    for (record, values) in with_values.iter().filter(|(record, _)| is_live(record, now)) {
        let most = |metric: &str| {
            let readings = values.iter().filter(|(series, _)| series.split('|').next() == Some(metric));
            readings.map(|(_, value)| *value).reduce(f64::max)
        };
        let (temperature, humidity) = (most("env.temperature"), most("env.humidity"));
        if temperature.is_some() || humidity.is_some() {
            at(place::parts(&record.info.place).0, &|glance| {
                glance.temperature = glance.temperature.into_iter().chain(temperature).reduce(f64::max);
                glance.humidity = glance.humidity.into_iter().chain(humidity).reduce(f64::max);
            });
        }
    }
    // A room is as bad as the worst that is said of what watches it.
    for (record, _) in &with_values {
        let (room, _) = place::parts(&record.info.place);
        if let Some(glance) = glances.get_mut(room) {
            let tone = match record.worst {
                Some(Severity::Critical) => Tone::Bad,
                Some(Severity::Info) | None if is_live(record, now) => Tone::Good,
                Some(Severity::Warning | Severity::Info) | None => Tone::Warning,
            };
            glance.tone = glance.tone.min(tone);
        }
    }
    let mut glances: Vec<RoomSummary> = glances.into_values().collect();
    glances.sort_by_cached_key(|room| (room.tone, ioc_store::collation::key(&room.name)));
    Ok(glances)
}

/// What is still missing, as far as the person who asks can do something about it.
async fn setup_of(app: &App, person: &Person, devices: u64) -> Result<Vec<(SetupStep, bool)>, Problem> {
    if !person.may(Right::Administer) || person.is_token() || person.session.is_empty() {
        return Ok(Vec::new());
    }
    let name = person.name.clone();
    let account = app.read(&AccessScope::EVERYWHERE, move |reader| reader.account(&name)).await?;
    let config = app.config();
    let facts = SetupFacts {
        own_password: person.federated || account.as_ref().is_some_and(|account| !account.earlier.is_empty()),
        second_factor: person.federated || account.as_ref().is_some_and(AccountRecord::asks_for_code),
        site: SetupFacts::is_named(&config.site_name, &config.agencies),
        channel: !config.channels.is_empty(),
        duty: !config.plan.people.is_empty(),
        machines: devices > 0,
        backup: config.backup.is_some(),
    };
    Ok(facts.steps())
}

/// The first page.
pub(crate) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let (now, administers, app_read) = (page_context.now, page_context.may_administer(), app.clone());
    let scope = person.scope.clone();
    let found = app
        .read(&person.scope, move |reader| {
            let bad = DeviceQuery {
                state: DeviceStateFilter::Bad,
                sort: DeviceSort::State,
                limit: ROWS_MAX + 1,
                ..DeviceQuery::default()
            };
            let mut rows = rows_of(&bad, reader, now)?;
            let more = rows.len() > ROWS_MAX;
            rows.truncate(ROWS_MAX);
            let incidents = reader.incidents(None, true, None, ROWS_MAX)?;
            let names = names_of(devices_of(&incidents), reader)?;
            let rooms = room_summaries(reader, now)?;
            let waiting = if administers { reader.requests()?.len() as u64 } else { 0 };
            let counts = reader.counts()?;
            Ok((counts, app_read.coverage(&scope, reader, counts, now)?, rooms, rows, more, incidents, names, waiting))
        })
        .await;
    match found {
        Ok((counts, facts, rooms, rows, more, incidents, names, waiting)) => {
            let coverage = coverage::compute(&facts, &app.config().rules, now);
            let setup = match setup_of(&app, &person, counts.devices).await {
                Ok(setup) => setup,
                Err(problem) => return Err(Failure::new(page_context, problem)),
            };
            let page =
                OverviewPage { page_context, counts, coverage, rooms, rows, more, incidents, names, waiting, setup };
            Ok(show(&page))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}
