//! The site as it stands: rooms with their racks, every device in its place and in its colour.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;

use super::PlaceRows;
use super::floor::{FloorDrawing, drawing};
use crate::app::App;
use crate::device::row::rows_of;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::tone::Tone;
use ioc_store::template::percent_encoded;
use ioc_store::{DeviceQuery, DeviceSort, collation, place};

/// Devices of one room that are drawn.
const DRAWN_MAX: usize = 1000;
/// Every colour, the worst first.
const TONES: [Tone; 4] = [Tone::Bad, Tone::Warning, Tone::Away, Tone::Good];

/// How many devices of a room have which colour.
#[derive(Default)]
struct RoomCount {
    name: String,
    /// In the order of [`TONES`].
    counts: [u64; 4],
}

impl RoomCount {
    fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The worst colour in it.
    fn tone(&self) -> Tone {
        TONES
            .into_iter()
            .zip(self.counts)
            .find(|(tone, count)| *count > 0 && *tone != Tone::Away)
            .map_or(Tone::Away, |(tone, _)| tone)
    }

    /// Colours that there are: name, how many, where its part of the bar begins and how long it is, percent.
    fn parts(&self) -> Vec<(Tone, u64, f64, f64)> {
        let total = self.total().max(1) as f64;
        let mut begin = 0.0;
        let parts = TONES.into_iter().zip(self.counts).filter(|(_, count)| *count > 0).map(|(tone, count)| {
            let share = count as f64 / total * 100.0;
            let part = (tone, count, begin, share);
            begin += share;
            part
        });
        parts.collect()
    }

    fn address(&self) -> String {
        format!("/plan?room={}", percent_encoded(&self.name))
    }
}

#[derive(Template)]
#[template(path = "site-plan.html")]
struct SitePlanPage {
    page_context: PageContext,
    rooms: Vec<RoomCount>,
    /// The room that is shown whole.
    room: Option<String>,
    racks: Vec<PlaceRows>,
    /// Its picture with devices on it, where there is one.
    floor: Option<FloorDrawing>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PlanQuery {
    room: Option<String>,
}

/// Rooms as people sort them; those with trouble first.
fn sort_rooms(rooms: &mut [RoomCount]) {
    rooms.sort_by_cached_key(|room| (room.tone(), room.name.is_empty(), collation::key(&room.name)));
}

/// All rooms, or one with everything in it.
pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<PlanQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let (now, room, asked) = (page_context.now, query.room.clone(), query.room.clone());
    let found = app
        .read(&person.scope, move |reader| {
            let mut rooms: BTreeMap<String, RoomCount> = BTreeMap::new();
            let mut places = Vec::new();
            for found in reader.places_by_state()? {
                let (name, _) = place::parts(&found.place);
                if Some(name) == room.as_deref() && !places.contains(&found.place) {
                    places.push(found.place.clone());
                }
                let count = rooms
                    .entry(name.to_owned())
                    .or_insert_with(|| RoomCount { name: name.to_owned(), ..RoomCount::default() });
                let tone = Tone::of_device(found.state.into(), found.worst);
                if let Some(count) = TONES.iter().position(|one| *one == tone).and_then(|at| count.counts.get_mut(at)) {
                    *count += found.count;
                }
            }
            let rows = match room {
                Some(_) if places.is_empty() => None,
                Some(_) => {
                    let query =
                        DeviceQuery { places, sort: DeviceSort::Name, limit: DRAWN_MAX, ..DeviceQuery::default() };
                    Some(rows_of(&query, reader, now)?)
                }
                None => Some(Vec::new()),
            };
            let plan = match (&rows, asked.as_deref()) {
                (Some(_), Some(room)) if !room.is_empty() => reader.floor_plan(room)?,
                _ => None,
            };
            let floor = plan.zip(rows.as_ref()).and_then(|(plan, rows)| drawing(&plan, rows));
            Ok(rows.map(|rows| (rooms.into_values().collect::<Vec<_>>(), rows, floor)))
        })
        .await;
    match found {
        Ok(Some((mut rooms, rows, floor))) => {
            sort_rooms(&mut rooms);
            let mut racks: BTreeMap<Vec<u8>, PlaceRows> = BTreeMap::new();
            for row in rows {
                let (_, rack) = place::parts(&row.record.info.place);
                let rack = rack.to_owned();
                racks
                    .entry(collation::key(&rack))
                    .or_insert_with(|| PlaceRows { name: rack, rows: Vec::new() })
                    .rows
                    .push(row);
            }
            let racks = racks.into_values().collect();
            Ok(show(&SitePlanPage { page_context, rooms, room: query.room, racks, floor }))
        }
        Ok(None) => Err(Failure::not_found(page_context)),
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}
