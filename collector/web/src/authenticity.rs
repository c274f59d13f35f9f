//! How far what is shown can be believed (article 17.3): how many of all numbers are verified, as a page and in the API; and what others
//! show of it.

use std::collections::HashSet;

use askama::Template;
use axum::Json;
use axum::extract::State;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::{Authenticity, Incident};

use crate::api::ApiResult;
use crate::api_types::authenticity::ValueAuthenticity;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, show};
use crate::person::Person;
use ioc_store::authenticity::{MarkedDevice, ValueMarks};
use ioc_store::{Reader, StoreError};

/// Devices whose numbers are not verified, on one page and in one answer.
const DEVICES: usize = 500;

#[derive(Template)]
#[template(path = "authenticity.html")]
struct AuthenticityPage {
    page_context: PageContext,
    marks: ValueMarks,
    devices: Vec<MarkedDevice>,
}

impl AuthenticityPage {
    /// How many numbers have which mark, the good ones first.
    fn tiles(&self) -> [(&'static str, u64); 3] {
        [("verified", self.marks.verified), ("unverified", self.marks.unverified), ("stale", self.marks.stale)]
    }

    fn is_cut(&self) -> bool {
        self.devices.len() >= DEVICES
    }
}

/// How many numbers are verified, and on which devices they are not.
pub(crate) async fn page(app: &App, person: &Person, page_context: PageContext) -> PageResult {
    let (now, doubted) = (page_context.now, app.is_clock_doubted());
    match app.read(&person.scope, move |reader| reader.value_marks(now, doubted, DEVICES)).await {
        Ok((marks, devices)) => Ok(show(&AuthenticityPage { page_context, marks, devices })),
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// The same for programs.
pub(crate) async fn api(State(app): State<App>, person: Person) -> ApiResult<ValueAuthenticity> {
    let doubted = app.is_clock_doubted();
    let now = app.judged_now();
    let found = app.read(&person.scope, move |reader| reader.value_marks(now, doubted, DEVICES)).await?;
    Ok(Json(found.into()))
}

/// The devices of incidents that are heard and report now.
pub(crate) fn reporting_of(
    incidents: &[Incident],
    reader: &dyn Reader,
    now: Timestamp,
) -> Result<HashSet<DeviceId>, StoreError> {
    let devices: HashSet<&DeviceId> = incidents.iter().filter_map(|incident| incident.device.as_ref()).collect();
    let mut reporting = HashSet::new();
    for device in devices {
        if reader.device(device)?.is_some_and(|record| record.reports(now)) {
            reporting.insert(device.clone());
        }
    }
    Ok(reporting)
}

/// Whether an incident's device reports now; one that is about the centre has none to be silent.
pub(crate) fn reports(incident: &Incident, reporting: &HashSet<DeviceId>) -> bool {
    incident.device.as_ref().is_none_or(|device| reporting.contains(device))
}

impl PageContext {
    /// Where something came from and what speaks against it, in a line.
    pub(crate) fn authenticity_reasons(&self, of: &Authenticity) -> String {
        let reasons = of.doubts.iter().map(|doubt| doubt.text().get(self.language()).to_owned());
        let source = format!("{}.", self.name("source", of.source.as_str()));
        std::iter::once(source).chain(reasons).collect::<Vec<_>>().join(" ")
    }
}
