//! Asset labels to print: a sheet of A4 or one, each with a code that opens the device's page.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;

use ioc_common::id::DeviceId;

use crate::app::App;
use crate::device::list::ListAddress;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::problem::Problem;
use crate::qr::{Code, code_of};
use ioc_store::inventory::DeviceRecord;

/// Labels on one page: a sheet.
const LABELS: usize = 24;

/// What one asset label says.
struct Label {
    name: String,
    label: String,
    place: String,
    officer: String,
    /// What is written below the code.
    id: String,
    code: Code,
}

#[derive(Template)]
#[template(path = "labels.html")]
struct LabelsPage {
    page_context: PageContext,
    labels: Vec<Label>,
    /// One label, in its own size.
    single: bool,
    /// How many there are in all.
    total: u64,
    page: usize,
    places: Vec<String>,
    address: ListAddress,
}

impl LabelsPage {
    const fn is_first(&self) -> bool {
        self.page <= 1
    }

    fn has_next(&self) -> bool {
        (self.page * LABELS) as u64 <= self.total.saturating_sub(1)
    }

    fn at(&self, page: usize) -> String {
        format!("/labels?{}&page={page}", self.address.to_query_string())
    }
}

fn label_of(record: &DeviceRecord, url: &str) -> Option<Label> {
    let info = &record.info;
    let code = code_of(&format!("{}/devices/{}", url.trim_end_matches('/'), info.id))?;
    Some(Label {
        name: info.name.clone(),
        label: info.label.clone(),
        place: info.place.clone(),
        officer: info.officer.clone(),
        id: info.id.to_string(),
        code,
    })
}

/// Labels of the devices that an address of the list of devices means.
pub(crate) async fn sheet(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(address): Query<ListAddress>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let mut query = address.query();
    let page = query.skip / query.limit.max(1) + 1;
    (query.skip, query.limit) = ((page - 1) * LABELS, LABELS);
    let url = app.config().web_url.clone();
    let found = app.read(&person.scope, move |reader| {
        Ok((reader.devices(&query)?, reader.devices_count(&query)?, reader.places()?))
    });
    match found.await {
        Ok((records, total, places)) => {
            let labels = records.iter().filter_map(|record| label_of(record, &url)).collect();
            Ok(show(&LabelsPage { page_context, labels, single: false, total, page, places, address }))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// The label of one device, to be printed.
pub(crate) async fn single(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let Ok(id) = DeviceId::new(&id) else { return Err(Failure::not_found(page_context)) };
    let url = app.config().web_url.clone();
    match app.read(&person.scope, move |reader| reader.device(&id)).await {
        Ok(Some(record)) => match label_of(&record, &url) {
            Some(label) => {
                let (places, address) = (Vec::new(), ListAddress::default());
                Ok(show(&LabelsPage {
                    page_context,
                    labels: vec![label],
                    single: true,
                    total: 1,
                    page: 1,
                    places,
                    address,
                }))
            }
            None => {
                Err(Failure::new(page_context, Problem::internal("the address of the page is too long for a code")))
            }
        },
        Ok(None) => Err(Failure::not_found(page_context)),
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}
