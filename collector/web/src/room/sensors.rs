//! The sensors of each room, as a page.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;

use ioc_judge::DeviceKind;

use super::PlaceRows;
use crate::app::App;
use crate::device::row::rows_of;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use ioc_store::{DeviceQuery, DeviceSort, place};

/// Sensors on one page.
const SENSORS: usize = 200;
/// What watches the rooms, not the computers in them.
const ROOM_KINDS: [DeviceKind; 5] =
    [DeviceKind::Sensor, DeviceKind::Ups, DeviceKind::Meter, DeviceKind::Cooling, DeviceKind::Projector];

#[derive(Template)]
#[template(path = "sensors.html")]
struct SensorsPage {
    page_context: PageContext,
    /// Rooms with what is measured in them.
    rooms: Vec<PlaceRows>,
    total: u64,
    query: DeviceQuery,
}

impl SensorsPage {
    fn page(&self) -> usize {
        self.query.skip / SENSORS + 1
    }

    fn has_next(&self) -> bool {
        self.total > (self.query.skip + SENSORS) as u64
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SensorsQuery {
    page: String,
}

/// What watches the rooms: sensors, UPS, meters, air conditioners, projectors.
pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<SensorsQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let now = page_context.now;
    let page = query.page.parse::<usize>().unwrap_or(1).clamp(1, 100_000);
    let asked = DeviceQuery {
        kinds: ROOM_KINDS.to_vec(),
        sort: DeviceSort::Place,
        skip: (page - 1) * SENSORS,
        limit: SENSORS,
        ..DeviceQuery::default()
    };
    let query = asked.clone();
    let found =
        app.read(&person.scope, move |reader| Ok((rows_of(&asked, reader, now)?, reader.devices_count(&asked)?)));
    match found.await {
        Ok((rows, total)) => {
            let mut rooms: Vec<PlaceRows> = Vec::new();
            for row in rows {
                let (name, _) = place::parts(&row.record.info.place);
                match rooms.last_mut() {
                    Some(room) if room.name == name => room.rows.push(row),
                    _ => rooms.push(PlaceRows { name: name.to_owned(), rows: vec![row] }),
                }
            }
            Ok(show(&SensorsPage { page_context, rooms, total, query }))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}
