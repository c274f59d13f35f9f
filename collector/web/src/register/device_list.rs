//! The list of devices as a file for spreadsheets: what its page shows, all of it.

use axum::http::HeaderMap;

use crate::app::App;
use crate::device::list::ListAddress;
use crate::device::row::{DeviceRow, rows_of};
use crate::page::page_context;
use crate::person::Person;
use crate::problem::Problem;
use crate::register::file::{FILE_ROWS, Listed, Table};
use ioc_store::DeviceQuery;

/// Main figures of a computer: processor, memory, disk.
const LOADS: usize = 3;

impl Listed for ListAddress {
    const FILE: &'static str = "devices";

    async fn table(self, app: &App, person: &Person, headers: &HeaderMap) -> Result<Table, Problem> {
        let page_context = page_context(app, person, headers);
        let now = page_context.now;
        let query = DeviceQuery { skip: 0, limit: FILE_ROWS, ..self.query() };
        let rows = app.read(&person.scope, move |reader| rows_of(&query, reader, now)).await?;
        let columns = [
            ("id", 16),
            ("col-device", 28),
            ("label", 16),
            ("col-kind", 16),
            ("col-place", 28),
            ("col-state", 18),
            ("figure-cpu", 10),
            ("figure-memory", 10),
            ("figure-disk", 10),
            ("col-seen", 22),
        ];
        let headings = columns.into_iter().map(|(key, width)| (page_context.t(key), width)).collect();
        let row = |row: DeviceRow| {
            let info = &row.record.info;
            let mut cells = vec![info.id.to_string(), info.name.clone(), info.label.clone()];
            cells.push(page_context.name("kind", info.kind.as_str()));
            cells.push(info.place.clone());
            cells.push(page_context.name("state", row.state_key()));
            let loads = (0..LOADS).map(|place| row.figures.get(place).and_then(|figure| figure.percent));
            cells.extend(loads.map(|load| load.map_or_else(String::new, |load| page_context.decimal(&load, 1))));
            cells.push(row.record.last_heard.map_or_else(String::new, |at| page_context.local(&at)));
            cells
        };
        let name = page_context.t("devices");
        Ok(Table { name, headings, rows: rows.into_iter().map(row).collect() })
    }
}
