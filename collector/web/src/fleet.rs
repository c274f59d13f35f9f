//! The centre at a glance, and the list of devices: searched, filtered, sorted and paged by the store.

use std::collections::{BTreeMap, HashMap};

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::{DeviceKind, Incident, Severity};

use super::App;
use super::api_types::device::is_live;
use super::auth::Person;
use super::pages::{Failure, PageResult, ROWS, devices_of, layouts_of, name_of, names_of, page_context, show};
use super::problem::Problem;
use super::rooms::with_values;
use super::tone::Tone;
use super::view::{DeviceRow, PageContext};
use ioc_engine::command::{Command, CommandError};
use ioc_engine::power_score::rooms;
use ioc_store::coverage::{self, Coverage};
use ioc_store::place;
use ioc_store::template::percent_encoded;
use ioc_store::{Counts, DeviceQuery, DeviceSort, DeviceStateFilter, Reader, SavedView, StoreError};

/// Devices that need someone, and incidents, on the first page.
const FIRST: usize = 12;
/// UPS and sensors that the first page looks at.
const AROUND: usize = 1000;
/// Longest name of a list, and longest search, characters.
const TEXT_MAX: usize = 100;

/// Power and climate of a room.
struct RoomGlance {
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
    rooms: Vec<RoomGlance>,
    rows: Vec<DeviceRow>,
    /// More devices that need someone than are shown.
    more: bool,
    incidents: Vec<Incident>,
    names: HashMap<DeviceId, String>,
    /// Machines that wait to be let in, for those who can do so.
    waiting: u64,
}

impl OverviewPage {
    const fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    fn name_of<'s>(&'s self, incident: &'s Incident) -> &'s str {
        name_of(&self.names, incident.device.as_ref())
    }

    fn tone_of(&self, incident: &Incident) -> Tone {
        Tone::of_incident(incident)
    }
}

/// Rows of devices, read with what their numbers mean.
pub(super) fn rows_of(query: &DeviceQuery, reader: &dyn Reader, now: Timestamp) -> Result<Vec<DeviceRow>, StoreError> {
    let records = reader.devices(query)?;
    let layouts = layouts_of(&records, reader)?;
    Ok(records.into_iter().map(|record| DeviceRow::new(record, &layouts, now)).collect())
}

/// Rooms in which a UPS or a sensor is watched, the worst first.
fn rooms_at_a_glance(reader: &dyn Reader, now: Timestamp) -> Result<Vec<RoomGlance>, StoreError> {
    let kinds = vec![DeviceKind::Ups, DeviceKind::Sensor];
    let records = reader.devices(&DeviceQuery { kinds, limit: AROUND, ..DeviceQuery::default() })?;
    let layouts = layouts_of(&records, reader)?;
    let with_values = with_values(&records, &layouts);
    let mut glances: BTreeMap<String, RoomGlance> = BTreeMap::new();
    let mut at = |name: &str, tell: &dyn Fn(&mut RoomGlance)| {
        let name = name.trim();
        let entry = glances.entry(name.to_owned());
        tell(entry.or_insert_with(|| RoomGlance {
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
    let mut glances: Vec<RoomGlance> = glances.into_values().collect();
    glances.sort_by_cached_key(|room| (room.tone, ioc_store::collation::key(&room.name)));
    Ok(glances)
}

/// The first page.
pub(super) async fn overview(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let (now, administers, app_read) = (page_context.now, page_context.may_administer(), app.clone());
    let scope = person.scope.clone();
    let found = app
        .read(&person.scope, move |reader| {
            let bad = DeviceQuery {
                state: DeviceStateFilter::Bad,
                sort: DeviceSort::State,
                limit: FIRST + 1,
                ..DeviceQuery::default()
            };
            let mut rows = rows_of(&bad, reader, now)?;
            let more = rows.len() > FIRST;
            rows.truncate(FIRST);
            let incidents = reader.incidents(None, true, None, FIRST)?;
            let names = names_of(devices_of(&incidents), reader)?;
            let rooms = rooms_at_a_glance(reader, now)?;
            let waiting = if administers { reader.requests()?.len() as u64 } else { 0 };
            let counts = reader.counts()?;
            Ok((counts, app_read.coverage(&scope, reader, counts, now)?, rooms, rows, more, incidents, names, waiting))
        })
        .await;
    match found {
        Ok((counts, facts, rooms, rows, more, incidents, names, waiting)) => {
            let coverage = coverage::compute(&facts, &app.config().rules);
            Ok(show(&OverviewPage { page_context, counts, coverage, rooms, rows, more, incidents, names, waiting }))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// What a list of devices is asked for, as it stands in the address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListAddress {
    search: String,
    kind: String,
    place: String,
    state: String,
    sort: String,
    descending: String,
    page: String,
}

impl ListAddress {
    /// What it means. What cannot be read says nothing.
    pub(super) fn query(&self) -> DeviceQuery {
        let filled = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let page = self.page.parse::<usize>().unwrap_or(1).clamp(1, 1_000_000);
        DeviceQuery {
            search: self.search.chars().take(TEXT_MAX).collect(),
            kinds: DeviceKind::ALL.into_iter().filter(|kind| kind.as_str() == self.kind).collect(),
            places: filled(&self.place).into_iter().collect(),
            state: named(&DeviceStateFilter::ALL, &self.state).unwrap_or_default(),
            sort: named(&DeviceSort::ALL, &self.sort).unwrap_or(DeviceSort::Name),
            descending: !self.descending.is_empty(),
            skip: (page - 1) * ROWS,
            limit: ROWS,
            ..DeviceQuery::default()
        }
    }

    /// Whether it asks for this place.
    pub(super) fn is_at(&self, place: &str) -> bool {
        self.place == place
    }

    /// The same, written the shortest way; without the page.
    pub(super) fn to_query_string(&self) -> String {
        let query = self.query();
        let kind = query.kinds.first().map_or("", |kind| kind.as_str());
        let state = name_in(&DeviceStateFilter::ALL, query.state);
        let sort = if query.sort == DeviceSort::Name { "" } else { name_in(&DeviceSort::ALL, query.sort) };
        let descending = if query.descending { "1" } else { "" };
        let all = [
            ("search", query.search.as_str()),
            ("kind", kind),
            ("place", &self.place),
            ("state", state),
            ("sort", sort),
            ("descending", descending),
        ];
        let filled = all.iter().filter(|(_, value)| !value.is_empty());
        filled.map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect::<Vec<_>>().join("&")
    }

    /// The same for another page.
    fn at_page(&self, page: usize) -> String {
        format!("/devices?{}&page={page}", self.to_query_string())
    }
}

fn named<T: Copy>(all: &[(T, &'static str)], name: &str) -> Option<T> {
    all.iter().find(|(_, its)| *its == name).map(|(one, _)| *one)
}

fn name_in<T: Copy + PartialEq>(all: &[(T, &'static str)], one: T) -> &'static str {
    all.iter().find(|(its, _)| *its == one).map_or("", |(_, name)| name)
}

#[derive(Template)]
#[template(path = "devices.html")]
struct DevicesPage {
    page_context: PageContext,
    address: ListAddress,
    query: DeviceQuery,
    total: u64,
    rows: Vec<DeviceRow>,
    places: Vec<String>,
    views: Vec<SavedView>,
    refused: Option<&'static str>,
}

impl DevicesPage {
    /// The address that sorts by a column; the other way round where it is sorted by that one already.
    fn sorted_by(&self, name: &str) -> String {
        let same = self.is_sorted_by(name);
        let descending = if same && !self.query.descending { "1".to_owned() } else { String::new() };
        let address = ListAddress { sort: name.to_owned(), descending, ..self.address.clone() };
        format!("/devices?{}", address.to_query_string())
    }

    fn is_sorted_by(&self, name: &str) -> bool {
        named(&DeviceSort::ALL, name) == Some(self.query.sort)
    }

    /// What `aria-sort` of a column says.
    fn order_of(&self, name: &str) -> &'static str {
        match (self.is_sorted_by(name), self.query.descending) {
            (false, _) => "none",
            (true, false) => "ascending",
            (true, true) => "descending",
        }
    }

    fn page(&self) -> usize {
        self.query.skip / ROWS + 1
    }

    fn first(&self) -> u64 {
        self.query.skip as u64 + 1
    }

    fn last(&self) -> u64 {
        self.query.skip as u64 + self.rows.len() as u64
    }

    fn has_next(&self) -> bool {
        self.last() < self.total
    }

    /// Whether this view is what is shown.
    fn is_shown(&self, view: &SavedView) -> bool {
        view.query == self.address.to_query_string()
    }

    fn is_plain(&self) -> bool {
        self.address.to_query_string().is_empty()
    }
}

async fn list(
    app: &App,
    person: &Person,
    headers: &HeaderMap,
    address: ListAddress,
    refused: Option<&'static str>,
) -> PageResult {
    let page_context = page_context(app, person, headers);
    let (now, query, account) = (page_context.now, address.query(), person.name.clone());
    let asked = query.clone();
    let found = app
        .read(&person.scope, move |reader| {
            let rows = rows_of(&asked, reader, now)?;
            Ok((reader.devices_count(&asked)?, rows, reader.places()?, reader.views(&account)?))
        })
        .await;
    match found {
        Ok((total, rows, places, views)) => {
            Ok(show(&DevicesPage { page_context, address, query, total, rows, places, views, refused }))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// The list of devices.
pub(super) async fn devices(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(address): Query<ListAddress>,
) -> PageResult {
    list(&app, &person, &headers, address, None).await
}

/// A list to keep, under a name.
#[derive(Debug, Deserialize)]
pub(super) struct ViewForm {
    name: String,
    /// The query of the page's address.
    #[serde(default)]
    query: String,
    #[serde(default)]
    remove: String,
}

/// Keeps a list for the person who asks, or forgets it.
pub(super) async fn save_view(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<ViewForm>,
) -> Result<Response, Failure> {
    let refuse = |problem| Failure::new(page_context(&app, &person, &headers), problem);
    let read = format!("/devices?{}", form.query).parse::<axum::http::Uri>().ok();
    let address = read.and_then(|uri| Query::<ListAddress>::try_from_uri(&uri).ok()).map(|Query(address)| address);
    let address = address.ok_or_else(|| refuse(Problem::invalid("query: it cannot be read")))?;
    let written = address.to_query_string();
    let name: String = form.name.trim().chars().filter(|letter| !letter.is_control()).take(TEXT_MAX).collect();
    let removing = !form.remove.is_empty();
    let refused = match () {
        () if name.is_empty() => Some("view-nameless"),
        () if !removing && written.is_empty() => Some("view-plain"),
        () => None,
    };
    if refused.is_some() {
        return list(&app, &person, &headers, address, refused).await;
    }
    let query = if removing { String::new() } else { written.clone() };
    let view = SavedView { account: person.name.clone(), name, query };
    match app.carry_out(&person, Command::SaveView(view)).await {
        // How many one may keep is decided where they are kept.
        Err(CommandError::Conflict(_)) => return list(&app, &person, &headers, address, Some("view-many")).await,
        Err(error) => return Err(refuse(error.into())),
        Ok(_) => {}
    }
    let back = if removing { "/devices".to_owned() } else { format!("/devices?{written}") };
    Ok(Redirect::to(&back).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_is_asked_and_nothing_more() {
        let address = ListAddress {
            search: "máy 1&2".into(),
            kind: "server".into(),
            state: "nonsense".into(),
            sort: "name".into(),
            page: "3".into(),
            ..ListAddress::default()
        };
        assert_eq!(address.to_query_string(), "search=m%C3%A1y%201%262&kind=server");
        let query = address.query();
        assert_eq!((query.kinds, query.state, query.skip), (vec![DeviceKind::Server], DeviceStateFilter::Any, 200));
        let far = ListAddress { page: "99999999999999999999".into(), ..ListAddress::default() };
        assert_eq!(far.query().skip, 0, "what is no number is the first page");
    }
}
