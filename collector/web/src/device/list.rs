//! The list of devices, searched, filtered, sorted and paged by the store, and the saved lists; as a page and in the API.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::{Form, Json};
use serde::Deserialize;

use ioc_common::clock;
use ioc_judge::DeviceKind;

use crate::api::{ApiResult, Page, device_id, page_limit};
use crate::api_types::device::DeviceItem;
use crate::api_types::names;
use crate::app::App;
use crate::device::row::{DeviceRow, rows_of};
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, ROWS, page_context, show};
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
use ioc_engine::command::Command;
use ioc_engine::refusal_reason::{RefusalKind, RefusalReason, Word};
use ioc_store::inventory::DeviceRecord;
use ioc_store::template::percent_encoded;
use ioc_store::{DeviceQuery, DeviceSort, DeviceStateFilter, NewDevice, Reader, SavedView, StoreError};

/// Devices that are changed at once.
const MANY_MAX: usize = 500;
/// Longest name of a list, and longest search, characters.
const TEXT_MAX: usize = 100;

/// What a list of devices is asked for, as it stands in the address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ListAddress {
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
    pub(crate) fn query(&self) -> DeviceQuery {
        let filled = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let page = self.page.parse::<usize>().unwrap_or(1).clamp(1, 1_000_000);
        DeviceQuery {
            search: self.search.chars().take(TEXT_MAX).collect(),
            kinds: DeviceKind::ALL.into_iter().filter(|kind| kind.as_str() == self.kind).collect(),
            places: filled(&self.place).into_iter().collect(),
            state: value_named(&DeviceStateFilter::ALL, &self.state).unwrap_or_default(),
            sort: value_named(&DeviceSort::ALL, &self.sort).unwrap_or(DeviceSort::Name),
            descending: !self.descending.is_empty(),
            skip: (page - 1) * ROWS,
            limit: ROWS,
            ..DeviceQuery::default()
        }
    }

    /// Whether it asks for this place.
    pub(crate) fn is_at(&self, place: &str) -> bool {
        self.place == place
    }

    /// The same, written the shortest way; without the page.
    pub(crate) fn to_query_string(&self) -> String {
        let query = self.query();
        let kind = query.kinds.first().map_or("", |kind| kind.as_str());
        let state = name_of_value(&DeviceStateFilter::ALL, query.state);
        let sort = if query.sort == DeviceSort::Name { "" } else { name_of_value(&DeviceSort::ALL, query.sort) };
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
    fn page_address(&self, page: usize) -> String {
        format!("/devices?{}&page={page}", self.to_query_string())
    }
}

fn value_named<T: Copy>(all: &[(T, &'static str)], name: &str) -> Option<T> {
    all.iter().find(|(_, its)| *its == name).map(|(one, _)| *one)
}

fn name_of_value<T: Copy + PartialEq>(all: &[(T, &'static str)], one: T) -> &'static str {
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
    fn sort_address(&self, name: &str) -> String {
        let same = self.is_sorted_by(name);
        let descending = if same && !self.query.descending { "1".to_owned() } else { String::new() };
        let address = ListAddress { sort: name.to_owned(), descending, ..self.address.clone() };
        format!("/devices?{}", address.to_query_string())
    }

    fn is_sorted_by(&self, name: &str) -> bool {
        value_named(&DeviceSort::ALL, name) == Some(self.query.sort)
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

    /// The devices that are shown, to be changed together.
    fn shown_ids(&self) -> String {
        let ids: Vec<&str> = self.rows.iter().map(|row| row.record.info.id.as_str()).collect();
        ids.join(", ")
    }

    fn is_plain(&self) -> bool {
        self.address.to_query_string().is_empty()
    }
}

async fn render(
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
pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(address): Query<ListAddress>,
) -> PageResult {
    render(&app, &person, &headers, address, None).await
}

/// What is changed of many devices at once: what is left blank stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ManyForm {
    /// Identifiers, a comma between.
    devices: String,
    place: String,
    officer: String,
    leader: String,
    /// Groups that all of them get, beside those that they have.
    tags: String,
    /// The query of the page's address.
    query: String,
}

/// Changes of many devices what people say of them; all of it is in the audit log, device by device.
pub(crate) async fn change_many(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<ManyForm>,
) -> Result<Response, Failure> {
    let refuse = |problem| Failure::new(page_context(&app, &person, &headers), problem);
    let ids: Vec<&str> = form.devices.split(',').map(str::trim).filter(|id| !id.is_empty()).collect();
    if ids.is_empty() || ids.len() > MANY_MAX {
        let english = format!("devices: found {}; allowed are 1 to {MANY_MAX}", ids.len());
        return Err(refuse(
            RefusalReason::new("refusal-devices-many", [("most", Word::count(MANY_MAX))], english).invalid().into(),
        ));
    }
    for id in ids {
        let id = device_id(id).map_err(refuse)?;
        let asked = id.clone();
        let known = app.read(&person.scope, move |reader| reader.device(&asked)).await.map_err(refuse)?;
        let Some(known) = known else { return Err(refuse(RefusalReason::no_device(&id).not_found().into())) };
        let mut info = NewDevice::from(known.info);
        let mut fields = Vec::new();
        for (name, text, kept) in [
            ("place", &form.place, &mut info.place),
            ("officer", &form.officer, &mut info.officer),
            ("leader", &form.leader, &mut info.leader),
        ] {
            if !text.trim().is_empty() {
                text.trim().clone_into(kept);
                fields.push(name.to_owned());
            }
        }
        let tags: Vec<String> = form.tags.split([',', ' ']).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
        if !tags.is_empty() {
            info.tags.extend(tags);
            info.tags.sort();
            info.tags.dedup();
            fields.push("tags".to_owned());
        }
        if !fields.is_empty() {
            let command = Command::Describe { info, fields: Some(fields), actor: person.name.clone() };
            app.carry_out(&person, command).await.map_err(|error| refuse(error.into()))?;
        }
    }
    let read = format!("/devices?{}", form.query).parse::<axum::http::Uri>().ok();
    let address = read.and_then(|uri| Query::<ListAddress>::try_from_uri(&uri).ok()).map(|Query(address)| address);
    Ok(Redirect::to(&format!("/devices?{}", address.unwrap_or_default().to_query_string())).into_response())
}

/// A list to keep, under a name.
#[derive(Debug, Deserialize)]
pub(crate) struct ViewForm {
    name: String,
    /// The query of the page's address.
    #[serde(default)]
    query: String,
    #[serde(default)]
    remove: String,
}

/// Keeps a list for the person who asks, or forgets it.
pub(crate) async fn save_view(
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
        return render(&app, &person, &headers, address, refused).await;
    }
    let query = if removing { String::new() } else { written.clone() };
    let view = SavedView { account: person.name.clone(), name, query };
    match app.carry_out(&person, Command::SaveView(view)).await {
        // How many one may keep is decided where they are kept.
        Err(error) if error.kind() == Some(RefusalKind::Conflict) => {
            return render(&app, &person, &headers, address, Some("view-many")).await;
        }
        Err(error) => return Err(refuse(error.into())),
        Ok(_) => {}
    }
    let back = if removing { "/devices".to_owned() } else { format!("/devices?{written}") };
    Ok(Redirect::to(&back).into_response())
}

/// A device as the API has it: the record, with its newest numbers by name.
pub(crate) fn item_of(
    record: DeviceRecord,
    reader: &dyn Reader,
    collector_clock_doubted: bool,
) -> Result<DeviceItem, StoreError> {
    let layout = record.layout.map(|id| reader.layout(id)).transpose()?.flatten();
    let names = layout.iter().flat_map(|layout| layout.series().iter().map(|series| series.as_str().to_owned()));
    let values = names.zip(record.latest.iter().copied()).collect();
    Ok(DeviceItem::new(record, values, clock::now(), collector_clock_doubted))
}

names! {
    /// Devices in which state.
    StateFilter is DeviceStateFilter {
        /// In whatever state.
        Any = "any",
        /// Those that need someone: a raised fault of at least a warning, or neither live nor away by their own word.
        Bad = "bad",
        /// Those that are heard.
        Live = "live",
        /// Not heard any more.
        Silent = "silent",
        /// Away by their own word, or in the hands of maintenance.
        Away = "away",
        /// Registered, and never heard.
        NeverSeen = "never_seen",
    }
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct DevicesQuery {
    cursor: Option<String>,
    limit: Option<usize>,
    /// Words of its identifier, name, label, place or tags.
    search: String,
    /// Only those in this state; all without.
    state: Option<StateFilter>,
    /// Those that were taken out, too: what is on record of them stays.
    revoked: bool,
}

pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Query(query): Query<DevicesQuery>,
) -> ApiResult<Page<DeviceItem>> {
    let limit = page_limit(query.limit);
    let state = query.state.map_or(DeviceStateFilter::Any, DeviceStateFilter::from);
    let DevicesQuery { cursor: after, search, revoked, .. } = query;
    let ask = DeviceQuery { search, state, revoked, after, limit, ..DeviceQuery::default() };
    let doubted = app.is_clock_doubted();
    let read = move |reader: &dyn Reader| {
        let records = reader.devices(&ask)?;
        let full = records.len() == limit;
        let next = records.last().filter(|_| full).map(|record| record.info.id.to_string());
        let items = records.into_iter().map(|record| item_of(record, reader, doubted));
        let items = items.collect::<Result<Vec<_>, _>>()?;
        Ok(Page { items, next_cursor: next })
    };
    let names = |page: &Page<DeviceItem>| page.items.iter().any(DeviceItem::names_people);
    Ok(Json(personal_data::read(&app, &person, ("devices", "numbers"), names, read).await?))
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
