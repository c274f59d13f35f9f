//! Coverage: of how many machines an area is in order; and the page of one area, with those that are not and why (articles 7, 8.2, 9.2,
//! 13.2).

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::{DeviceInfo, Fault};

use crate::app::App;
use crate::authenticity;
use crate::device::name::{name_of, names_of};
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::personal_data;
use crate::tone::Tone;
use ioc_store::coverage::{self, AREAS, AUTHENTICITY, CoverageFacts, REPORTING};
use ioc_store::scope::AccessScope;
use ioc_store::{Counts, FaultQuery, Reader, Right, StoreError};

/// Faults on one page.
const FAULTS: usize = 500;
/// Machines on one page that told nothing.
const MACHINES: usize = 500;

/// How old what is said of coverage may be, milliseconds.
const COVERAGE_MS: i64 = 5000;

impl App {
    /// What coverage is made of, at most this old: it goes over the whole fleet, and everyone who watches asks for it.
    pub(crate) fn coverage(
        &self,
        scope: &AccessScope,
        reader: &dyn Reader,
        counts: Counts,
        now: Timestamp,
    ) -> Result<CoverageFacts, StoreError> {
        if !scope.is_everywhere() {
            let (values, _) = reader.value_marks(now, self.is_clock_doubted(), 0)?;
            return Ok(CoverageFacts { values, ..reader.coverage()? });
        }
        // Who reports is counted by whoever asks, so that a page never says two things of it.
        let with_counts = |facts: CoverageFacts| CoverageFacts { devices: counts.devices, live: counts.live, ..facts };
        if let Ok(kept) = self.covered.lock()
            && let Some((at, facts)) = kept.as_ref()
            && (0..COVERAGE_MS).contains(&now.millis_since(*at))
        {
            return Ok(with_counts(facts.clone()));
        }
        let (values, _) = reader.value_marks(now, self.is_clock_doubted(), 0)?;
        let facts = CoverageFacts { values, ..reader.coverage()? };
        if let Ok(mut kept) = self.covered.lock() {
            *kept = Some((now, facts.clone()));
        }
        Ok(with_counts(facts))
    }
}

#[derive(Template)]
#[template(path = "coverage-detail.html")]
struct CoverageDetailPage {
    page_context: PageContext,
    name: &'static str,
    faults: Vec<Fault>,
    /// Machines that told nothing of the area.
    without_report: Vec<DeviceInfo>,
    /// Machines without an agent of which a person's word holds.
    attested: Vec<DeviceInfo>,
    /// Machines on which a rule of the area cannot be judged; their pages say which and why.
    unjudged: Vec<DeviceInfo>,
    names: HashMap<DeviceId, String>,
}

impl CoverageDetailPage {
    fn name_of<'s>(&'s self, fault: &'s Fault) -> &'s str {
        name_of(&self.names, Some(&fault.device))
    }

    const fn tone(fault: &Fault) -> Tone {
        match fault.severity {
            ioc_judge::Severity::Critical => Tone::Bad,
            ioc_judge::Severity::Warning => Tone::Warning,
            ioc_judge::Severity::Info => Tone::Away,
        }
    }
}

/// What speaks against an area.
pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    if name == REPORTING {
        return Ok(Redirect::to("/devices?state=bad").into_response());
    }
    if name == AUTHENTICITY {
        return authenticity::page(&app, &person, page_context).await;
    }
    let Some(area) = AREAS.into_iter().find(|area| area.name == name) else {
        return Err(Failure::not_found(page_context));
    };
    if area.personal
        && !(person.may(Right::Personal)
            && personal_data::record_list_access(&app, &person, "accounts of all machines").await)
    {
        let detail = page_context.t("not-allowed");
        return Err(Failure::said(page_context, StatusCode::FORBIDDEN, detail));
    }
    let (config, now) = (app.config(), page_context.now);
    let rules = coverage::rules_against(area, &config.rules);
    let found = app
        .read(&person.scope, move |reader| {
            let query = FaultQuery { open: true, rules: &rules, ..FaultQuery::default() };
            let mut faults = reader.faults(&query, FAULTS)?;
            let worth = |fault: &Fault| fault.value.unwrap_or(0.0);
            faults.sort_by(|a, b| b.severity.cmp(&a.severity).then(worth(b).total_cmp(&worth(a))));
            let names = names_of(faults.iter().map(|fault| &fault.device), reader)?;
            let facts = reader.coverage()?;
            let unjudged = coverage::unjudged_machines(area, &facts, &config.rules);
            let unjudged = reader.machines_of(&unjudged, MACHINES)?;
            let attested = coverage::attested_machines(area, &facts, now);
            let attested = reader.machines_of(&attested, MACHINES)?;
            let mut without = reader.machines_without(area.document, MACHINES)?;
            without.retain(|one| !attested.iter().any(|other| other.id == one.id));
            Ok((faults, names, without, unjudged, attested))
        })
        .await;
    match found {
        Ok((mut faults, names, without_report, unjudged, attested)) => {
            personal_data::reveal_faults(&app, &person, &format!("{name} of all machines"), &mut faults).await;
            let name = area.name;
            let page = CoverageDetailPage { page_context, name, faults, without_report, attested, unjudged, names };
            Ok(show(&page))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}
