//! Versions of the duty plan in words: what each changed against the one before it. Their texts are looked at, compared and brought back on the page of
//! that part of the configuration.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;

use ioc_common::clock::Timestamp;
use ioc_judge::duty::changes;
use ioc_judge::duty::{Cover, Plan};

use super::{COMPARED_MS, ChangesPart, changes_part, plan_of};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use ioc_engine::config::Config;
use ioc_store::configuration::{ConfigurationVersion, Part};

/// Versions that are shown.
const VERSIONS: usize = 15;

/// A version as it is shown.
struct VersionRow {
    number: u64,
    at: Timestamp,
    who: String,
    why: String,
    has_text: bool,
    /// Against the one before; none where either does not hold any more, such as by a channel that is gone.
    changes: Option<ChangesPart>,
}

#[derive(Template)]
#[template(path = "duty-versions.html")]
struct VersionsPage {
    page_context: PageContext,
    tab: &'static str,
    versions: Vec<VersionRow>,
}

fn rows(page_context: &PageContext, config: &Config, all: Vec<ConfigurationVersion>) -> Vec<VersionRow> {
    let plan = |one: &ConfigurationVersion| -> Option<Plan> { plan_of(config, one.text.as_deref()?).ok() };
    let plans: Vec<Option<Plan>> = all.iter().map(plan).collect();
    let no_covers: [Cover; 0] = [];
    let row = |(place, one): (usize, ConfigurationVersion)| {
        // The first has nothing before it: it is new as a whole.
        let before = match plans.get(place + 1) {
            Some(before) => before.clone(),
            None if one.number == 1 => Some(Plan { zone: config.timezone.clone(), ..Plan::default() }),
            None => None,
        };
        let both = before.zip(plans.get(place).cloned().flatten());
        let found = both.map(|(before, after)| {
            let time = (one.at, one.at.plus_millis(COMPARED_MS));
            let found = changes::changes(&before, &after, &no_covers, time);
            changes_part(page_context, config, &after, found)
        });
        VersionRow {
            number: one.number,
            at: one.at,
            who: one.who,
            why: one.why,
            has_text: one.text.is_some(),
            changes: found,
        }
    };
    all.into_iter().enumerate().map(row).take(VERSIONS).collect()
}

pub(crate) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let read = app.read(&person.scope, |reader| reader.configuration_versions(Part::Duty, None, VERSIONS + 1)).await;
    match read {
        Ok(all) => {
            let versions = rows(&page_context, &app.config(), all);
            Ok(show(&VersionsPage { page_context, tab: "plan", versions }))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}
