//! The power of the rooms as a score with reasons; as a page and in the API.

use std::collections::HashMap;

use askama::Template;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;

use ioc_common::clock::Timestamp;
use ioc_common::layout::{Layout, LayoutId, Series};
use ioc_judge::DeviceKind;

use crate::api::ApiResult;
use crate::api_types::device::is_live;
use crate::api_types::{self, all};
use crate::app::App;
use crate::device::row::layouts_of;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::tone::Tone;
use ioc_engine::power_score::{RoomPower, Values, rooms};
use ioc_store::inventory::DeviceRecord;
use ioc_store::{DeviceQuery, Reader, StoreError};

/// UPS that are looked at.
const UPS_MAX: usize = 5000;

#[derive(Template)]
#[template(path = "rooms.html")]
struct RoomsPage {
    page_context: PageContext,
    rooms: Vec<RoomPower>,
}

impl RoomsPage {
    fn tone(score: &Option<u8>) -> Tone {
        match score {
            Some(85..) => Tone::Good,
            Some(60..) | None => Tone::Warning,
            Some(_) => Tone::Bad,
        }
    }

    fn minutes(&self, seconds: &Option<f64>) -> String {
        let Some(seconds) = seconds else { return "–".to_owned() };
        // A runtime is a small number that is not negative.
        self.page_context.count("minutes", (seconds / 60.0).max(0.0) as u64)
    }

    fn percent(share: &Option<f64>) -> String {
        share.map_or("–".to_owned(), |share| format!("{share:.0} %"))
    }
}

/// Devices with their newest numbers by series.
pub(crate) fn with_values<'r>(
    records: &'r [DeviceRecord],
    layouts: &'r HashMap<LayoutId, Layout>,
) -> Vec<(&'r DeviceRecord, Values<'r>)> {
    let values = |record: &'r DeviceRecord| {
        let series = record.layout.and_then(|id| layouts.get(&id)).map(Layout::series).unwrap_or_default();
        let names = series.iter().map(Series::as_str);
        names.zip(&record.latest).filter_map(|(name, value)| Some((name, (*value)?))).collect()
    };
    records.iter().map(|record| (record, values(record))).collect()
}

fn all_rooms(reader: &dyn Reader, now: Timestamp) -> Result<Vec<RoomPower>, StoreError> {
    let query = DeviceQuery { kinds: vec![DeviceKind::Ups], limit: UPS_MAX, ..DeviceQuery::default() };
    let records = reader.devices(&query)?;
    let layouts = layouts_of(&records, reader)?;
    let ups = with_values(&records, &layouts);
    Ok(rooms(ups.into_iter(), &reader.machines_by_place()?, |record| is_live(record, now)))
}

/// The power of every room, as a page.
pub(crate) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let now = page_context.now;
    match app.read(&person.scope, move |reader| all_rooms(reader, now)).await {
        Ok(rooms) => Ok(show(&RoomsPage { page_context, rooms })),
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// The same as JSON.
pub(crate) async fn api(State(app): State<App>, person: Person) -> ApiResult<Vec<api_types::power::Room>> {
    let now = app.judged_now();
    Ok(Json(all(app.read(&person.scope, move |reader| all_rooms(reader, now)).await?)))
}
