//! Inventory takings (*kiểm kê*, article 6.1): the list of them, and one with its assets, as pages. What people do with them is in [`super::count_form`].

use std::collections::{BTreeMap, HashMap, HashSet};

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect};
use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::language::Language;
use ioc_document::model::Document;
use ioc_document::report::inventory::{Counted, CountedAsset, FoundThing, InventoryMinutes, document};
use ioc_document::wording;

use super::scope_of;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show_again};
use crate::person::Person;
use crate::problem::Problem;
use crate::tone::Tone;
use ioc_engine::writer::inventory_counts::{COUNTED_FAULTS, no_count};
use ioc_report::draft;
use ioc_store::inventory_count::{Find, InventoryCount, Member, Tick, TickState};
use ioc_store::report::DocumentSettings;
use ioc_store::scope::AccessScope;
use ioc_store::template::percent_encoded;
use ioc_store::{Asset, AssetField, AssetQuery, AssetState, FaultQuery, Reader, StoreError};

/// What takings are called in the record of who saw them.
pub(super) const TAKINGS: &str = "inventory takings";
/// Takings that are listed.
const COUNTS_MAX: usize = 50;
/// Assets on one page of a taking.
const ROWS_MAX: usize = 100;
/// Assets of one taking.
const ASSETS_MAX: usize = 20_000;
/// Faults among which those of takings are looked for.
const FAULTS_MAX: usize = 20_000;
/// Longest search, characters.
const SEARCH_MAX_CHARS: usize = 100;
/// Assets of other places that a search offers: they may have been found here.
const OUTSIDE_MAX: usize = 10;

/// An asset of a taking, with what was ticked of it.
pub(super) struct Row {
    pub(super) asset: Asset,
    pub(super) tick: Option<Tick>,
    /// It is work still: nobody has said what became of it.
    pub(super) unsettled: bool,
}

impl Row {
    pub(super) fn name(&self) -> String {
        let name = self.asset.text(AssetField::Name);
        if name.is_empty() { self.asset.device.to_string() } else { name.to_owned() }
    }

    pub(super) fn label(&self) -> &str {
        self.asset.text(AssetField::Label)
    }

    pub(super) fn place(&self) -> &str {
        self.asset.text(AssetField::Place)
    }

    fn state(&self) -> &'static str {
        self.tick.as_ref().map_or("left", |tick| tick.state.as_str())
    }

    /// Whether a search means it: in lower case, by its identifier, label or serial number, or as part of its name or place.
    fn is_meant(&self, search: &str) -> bool {
        let own = [self.label(), self.place(), self.asset.text(AssetField::Serial), self.asset.device.as_str()];
        self.name().to_lowercase().contains(search) || own.iter().any(|text| text.to_lowercase().contains(search))
    }

    fn seen(&self) -> String {
        self.tick.as_ref().map(|tick| tick.at.as_millis().to_string()).unwrap_or_default()
    }

    pub(super) fn remark(&self) -> &str {
        self.tick.as_ref().map_or("", |tick| tick.remark.as_str())
    }

    pub(super) fn found_at(&self) -> &str {
        self.tick.as_ref().map_or("", |tick| tick.place.as_str())
    }

    fn tone(&self) -> Tone {
        match self.tick.as_ref().map(|tick| tick.state) {
            Some(TickState::Found) => Tone::Good,
            Some(TickState::LabelMissing | TickState::Elsewhere) => Tone::Warning,
            Some(TickState::NotFound) => Tone::Bad,
            None => Tone::Away,
        }
    }
}

/// A taking with all of its assets, by place and name.
pub(super) struct Counting {
    pub(super) count: InventoryCount,
    pub(super) rows: Vec<Row>,
    /// What is not in the register.
    pub(super) finds: Vec<Find>,
    /// Assets that the register has elsewhere, and that the search means.
    outside: Vec<Row>,
    pub(super) settings: DocumentSettings,
    /// Full names of accounts.
    names: BTreeMap<String, String>,
}

/// The register's assets at a place that are not retired, or that somebody ticked in it.
fn read(reader: &dyn Reader, number: u64, search: &str) -> Result<Option<Counting>, StoreError> {
    let Some(count) = reader.inventory_count(number)? else { return Ok(None) };
    let ticks = reader.inventory_ticks(number)?;
    let mut ticks: HashMap<DeviceId, Tick> = ticks.into_iter().map(|tick| (tick.device.clone(), tick)).collect();
    let rules = COUNTED_FAULTS.map(str::to_owned);
    let faults = reader.faults(&FaultQuery { open: true, rules: &rules, ..FaultQuery::default() }, FAULTS_MAX)?;
    let open: HashSet<DeviceId> = faults.into_iter().map(|fault| fault.device).collect();
    let within = AccessScope::of(&if count.place.is_empty() { Vec::new() } else { vec![count.place.clone()] });
    let assets = reader.assets(&AssetQuery { limit: ASSETS_MAX, ..AssetQuery::default() })?;
    let (mut rows, mut outside) = (Vec::new(), Vec::new());
    for asset in assets {
        let tick = ticks.remove(&asset.device);
        // What was taken in since it was closed was not to be counted.
        let was_known = count.closed.as_ref().is_none_or(|closed| asset.since <= closed.at);
        let is_kept = was_known && asset.state() != AssetState::Retired;
        let there = is_kept && within.holds(asset.text(AssetField::Place));
        let unsettled =
            open.contains(&asset.device) && tick.as_ref().is_some_and(|tick| tick.state != TickState::Found);
        let row = Row { tick, unsettled, asset };
        if there || row.tick.is_some() {
            rows.push(row);
        } else if outside.len() < OUTSIDE_MAX && !search.is_empty() && row.is_meant(search) {
            outside.push(row);
        }
    }
    rows.sort_by(|a, b| a.place().cmp(b.place()));
    let finds = reader.inventory_finds(number)?;
    let names = reader.accounts()?.into_iter().map(|account| (account.name, account.full_name)).collect();
    Ok(Some(Counting { count, rows, finds, outside, settings: reader.document_settings()?, names }))
}

impl Counting {
    /// What was ticked, by device, each with when.
    pub(super) fn ticks(&self) -> Vec<(DeviceId, Timestamp)> {
        let ticks = self.rows.iter().filter_map(|row| row.tick.as_ref());
        let mut ticks: Vec<_> = ticks.map(|tick| (tick.device.clone(), tick.at)).collect();
        ticks.sort();
        ticks
    }

    /// Tells what whoever closes it has seen from what was ticked or found since.
    pub(super) fn seen(&self) -> String {
        let ticks = self.ticks();
        let newest = ticks.iter().map(|(_, at)| *at).chain(self.finds.iter().map(|find| find.at)).max();
        format!("{}-{}-{}", ticks.len(), self.finds.len(), newest.map_or(0, Timestamp::as_millis))
    }

    /// Who ticked and found, as documents have people; empty where whoever reads may not see them.
    fn counted_by(&self) -> Vec<String> {
        let ticked = self.rows.iter().filter_map(|row| row.tick.as_ref()).map(|tick| tick.by.as_str());
        let mut all: Vec<&str> = ticked.chain(self.finds.iter().map(|find| find.by.as_str())).collect();
        all.sort_unstable();
        all.dedup();
        let named = |by: &str| match self.names.get(by).filter(|name| !name.is_empty()) {
            Some(name) => name.clone(),
            None => wording::actor(by),
        };
        all.into_iter().filter(|by| !by.is_empty()).map(named).collect()
    }

    pub(super) fn document(
        &self,
        app: &App,
        (members, remark): (&[Member], &str),
        closed: Option<Timestamp>,
    ) -> Document {
        let zone = app.config().timezone.clone();
        let local = |at: Timestamp| {
            let moment = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
            moment.to_zoned_datetime(zone.clone()).datetime()
        };
        let kind = |asset: &Asset| {
            let key = format!("kind-{}", asset.text(AssetField::Kind).replace('_', "-"));
            app.texts.get(Language::Vietnamese, &key)
        };
        let asset = |row: &Row| CountedAsset {
            name: row.name(),
            label: row.label().to_owned(),
            kind: kind(&row.asset),
            serial: row.asset.text(AssetField::Serial).to_owned(),
            place: row.place().to_owned(),
            counted: match row.tick.as_ref().map(|tick| tick.state) {
                Some(TickState::Found) => Counted::Found,
                Some(TickState::LabelMissing) => Counted::LabelMissing,
                Some(TickState::Elsewhere) => Counted::Elsewhere,
                Some(TickState::NotFound) => Counted::NotFound,
                None => Counted::Left,
            },
            found_at: row.found_at().to_owned(),
            remark: row.remark().to_owned(),
        };
        let found = |find: &Find| FoundThing {
            what: find.what.clone(),
            label: find.label.clone(),
            serial: find.serial.clone(),
            place: find.place.clone(),
            remark: find.settled.as_ref().map_or_else(|| find.remark.clone(), |settled| settled.remark.clone()),
        };
        document(&InventoryMinutes {
            office: draft::office(&self.settings, 0),
            date: closed.map(|at| local(at).date()),
            number: self.count.number,
            place: self.count.place.clone(),
            opened: local(self.count.opened_at),
            closed: closed.map(local),
            members: members.iter().map(|one| (one.name.clone(), one.title.clone())).collect(),
            counted_by: self.counted_by(),
            remark: remark.to_owned(),
            assets: self.rows.iter().map(asset).collect(),
            finds: self.finds.iter().map(found).collect(),
        })
    }
}

/// A taking, for who may see it: one of a place by whoever reaches that place. `search` offers assets of other places, too.
pub(super) async fn counting(app: &App, person: &Person, number: u64, search: &str) -> Result<Counting, Problem> {
    let scope = scope_of(app, person, TAKINGS).await;
    counting_within(app, person, &scope, number, search).await
}

/// The same in a scope that was asked for.
pub(super) async fn counting_within(
    app: &App,
    person: &Person,
    scope: &AccessScope,
    number: u64,
    search: &str,
) -> Result<Counting, Problem> {
    let search = search.trim().chars().take(SEARCH_MAX_CHARS).collect::<String>().to_lowercase();
    let found = app.read(scope, move |reader| read(reader, number, &search)).await?;
    let missing = || Problem::from(no_count(number).not_found());
    found.filter(|found| is_within(person, &found.count)).ok_or_else(missing)
}

/// The same with the names of people: minutes that are issued have them, whoever issues them.
pub(super) async fn whole(app: &App, number: u64) -> Result<Counting, Problem> {
    let found = app.read(&AccessScope::EVERYWHERE, move |reader| read(reader, number, "")).await?;
    found.ok_or_else(|| no_count(number).not_found().into())
}

/// Whether somebody may see a taking: who is limited to places sees their share of one of all places.
pub(super) fn is_within(person: &Person, count: &InventoryCount) -> bool {
    count.place.is_empty() || person.scope.holds(&count.place)
}

#[derive(Template)]
#[template(path = "counts.html")]
struct CountsPage {
    page_context: PageContext,
    counts: Vec<InventoryCount>,
    places: Vec<String>,
    error: Option<String>,
}

pub(super) async fn render_list(
    app: &App,
    person: &Person,
    page_context: PageContext,
    error: Option<String>,
) -> PageResult {
    let scope = scope_of(app, person, TAKINGS).await;
    let found =
        app.read(&scope, |reader| Ok((reader.inventory_counts(false, None, COUNTS_MAX)?, reader.places()?))).await;
    match found {
        Ok((mut counts, places)) => {
            counts.retain(|count| is_within(person, count));
            let refused = error.is_some();
            Ok(show_again(&CountsPage { page_context, counts, places, error }, refused))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// The taking that is open where a device stands, if there is one: a label's code leads to its device, and that leads here.
async fn open_for(app: &App, person: &Person, device: &str) -> Option<u64> {
    let id = DeviceId::new(device).ok()?;
    let found = app.read(&person.scope, move |reader| {
        let place = reader.device(&id)?.map(|record| record.info.place);
        Ok((place, reader.inventory_counts(true, None, COUNTS_MAX)?))
    });
    let (place, counts) = found.await.ok()?;
    let place = place?;
    let holds = |count: &InventoryCount| {
        count.place.is_empty() || AccessScope::of(std::slice::from_ref(&count.place)).holds(&place)
    };
    let within = || counts.iter().filter(|count| is_within(person, count));
    // What the register has elsewhere was perhaps found where people count now.
    within().find(|count| holds(count)).or_else(|| within().next()).map(|count| count.number)
}

pub(crate) async fn list(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(asked): Query<CountAddress>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    if let Some(number) = open_for(&app, &person, &asked.device).await {
        let address = format!("/register/counts/{number}?device={}", percent_encoded(&asked.device));
        return Ok(Redirect::to(&address).into_response());
    }
    render_list(&app, &person, page_context, None).await
}

/// Which assets of a taking are shown.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CountAddress {
    /// `left`, a state, or all.
    pub(super) show: String,
    search: String,
    /// One asset alone: its label's code leads here.
    device: String,
}

/// What was typed and refused.
pub(super) type Typed = BTreeMap<String, String>;

#[derive(Template)]
#[template(path = "count.html")]
struct CountPage {
    page_context: PageContext,
    counting: Counting,
    address: CountAddress,
    error: Option<String>,
    /// What was typed when it was refused.
    typed: Typed,
}

impl CountPage {
    const fn shows(&self) -> [&'static str; 6] {
        ["left", "", "found", "label_missing", "elsewhere", "not_found"]
    }

    fn count_of(&self, show: &str) -> usize {
        self.counting.rows.iter().filter(|row| show.is_empty() || row.state() == show).count()
    }

    fn shown(&self) -> Vec<&Row> {
        let show = match self.address.show.as_str() {
            "" if self.counting.count.closed.is_none() && self.address.device.is_empty() => "left",
            "all" | "" => "",
            show => show,
        };
        let search = self.address.search.trim().chars().take(SEARCH_MAX_CHARS).collect::<String>().to_lowercase();
        let fits = |row: &&Row| {
            let alone = self.address.device.is_empty() || row.asset.device.as_str() == self.address.device;
            let found = search.is_empty() || row.is_meant(&search);
            // Whoever searches looks for one asset, whatever was said of it.
            let any = show.is_empty() || !search.is_empty() || !self.address.device.is_empty();
            alone && found && (any || row.state() == show)
        };
        self.counting.rows.iter().filter(fits).take(ROWS_MAX).collect()
    }

    fn is_shown(&self, show: &str) -> bool {
        let now = match self.address.show.as_str() {
            "" if self.counting.count.closed.is_none() => "left",
            "all" | "" => "",
            show => show,
        };
        now == show
    }

    fn link(&self, show: &str) -> String {
        let show = if show.is_empty() { "all" } else { show };
        format!("/register/counts/{}?show={show}", self.counting.count.number)
    }

    fn is_open(&self) -> bool {
        self.counting.count.closed.is_none()
    }

    /// What is searched for, for what is to be written down where the register has nothing.
    fn searched(&self) -> &str {
        if self.address.search.is_empty() { self.field_value("label") } else { self.address.search.trim() }
    }

    /// What the search means and the register has elsewhere.
    fn outside(&self) -> &[Row] {
        &self.counting.outside
    }

    const fn states(&self) -> [TickState; 4] {
        TickState::ALL
    }

    fn field_value(&self, field: &str) -> &str {
        self.typed.get(field).map_or("", String::as_str)
    }

    /// What was typed for this asset when it was refused, else what stands there.
    fn of_row<'s>(&'s self, row: &'s Row, field: &str) -> &'s str {
        let refused = self.typed.get("device").is_some_and(|device| device == row.asset.device.as_str());
        match (refused, field) {
            (true, field) => self.field_value(field),
            (false, "place") => row.found_at(),
            (false, _) => row.remark(),
        }
    }
}

pub(super) async fn render(
    app: &App,
    person: &Person,
    page_context: PageContext,
    (number, address): (u64, CountAddress),
    refused: Option<(String, Typed)>,
) -> PageResult {
    let search = if address.device.is_empty() { &address.search } else { &address.device };
    match counting(app, person, number, search).await {
        Ok(counting) => {
            let again = refused.is_some();
            let (error, typed) = refused.map_or((None, Typed::new()), |(error, typed)| (Some(error), typed));
            Ok(show_again(&CountPage { page_context, counting, address, error, typed }, again))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Query(address): Query<CountAddress>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, &person, page_context, (number, address), None).await
}
