//! The display wall: one page for a screen that nobody touches, opened with a viewer's token.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::duty::calendar;
use ioc_judge::{Incident, Severity};

use crate::app::App;
use crate::dashboard::view::{self, Rotation};
use crate::device::name::{devices_of, name_of, names_of};
use crate::duty::rota_rows;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::tone::Tone;
use ioc_store::Counts;
use ioc_store::coverage::{self, Coverage};
use ioc_store::template::percent_encoded;

/// Incidents that a wall shows; more would be too small to read.
const INCIDENTS: usize = 8;

#[derive(Template)]
#[template(path = "display-wall.html")]
struct DisplayWallPage {
    page_context: PageContext,
    counts: Counts,
    coverage: Vec<Coverage>,
    incidents: Vec<Incident>,
    names: std::collections::HashMap<DeviceId, String>,
    /// On duty now: the rota and who.
    duty: Vec<(String, String)>,
    /// Where the page hears of changes.
    live: String,
}

impl DisplayWallPage {
    fn name_of<'s>(&'s self, incident: &'s Incident) -> &'s str {
        name_of(&self.names, incident.device.as_ref())
    }

    fn tone_of(&self, incident: &Incident) -> Tone {
        Tone::of_incident(incident)
    }

    /// The colour of the whole: what a glance from the door must tell.
    fn tone(&self) -> Tone {
        match self.incidents.iter().map(|incident| incident.severity).max() {
            Some(Severity::Critical) => Tone::Bad,
            Some(_) => Tone::Warning,
            None if self.counts.silent > 0 => Tone::Warning,
            // Nothing is watched yet: that is not well.
            None if self.counts.devices == 0 => Tone::Away,
            None => Tone::Good,
        }
    }

    fn more(&self) -> u64 {
        self.counts.incidents.saturating_sub(self.incidents.len() as u64)
    }

    fn since(&self, at: &Timestamp) -> String {
        self.page_context.duration(self.page_context.now.millis_since(*at))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DisplayWallQuery {
    token: String,
    /// Numbers of dashboards after commas, which are shown in its place, one after the other.
    board: String,
    /// Which of them now, and how long each stays, seconds.
    at: usize,
    every: u64,
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<DisplayWallQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    if !query.board.is_empty() {
        let DisplayWallQuery { token, board, at, every } = &query;
        let rotation = Rotation { boards: board, at: *at, every_s: *every, token };
        return view::wall(&app, &person, page_context, &rotation).await;
    }
    let (now, app_read, scope) = (page_context.now, app.clone(), person.scope.clone());
    let found = app
        .read(&person.scope, move |reader| {
            let mut incidents = reader.incidents(None, true, None, 200)?;
            incidents.sort_by_key(|incident| (!incident.state.is_untaken(), incident.priority, incident.opened_at));
            incidents.truncate(INCIDENTS);
            let names = names_of(devices_of(&incidents), reader)?;
            let counts = reader.counts()?;
            Ok((counts, app_read.coverage(&scope, reader, counts, now)?, incidents, names, reader.covers()?))
        })
        .await;
    let (counts, facts, incidents, names, covers) = match found {
        Ok(found) => found,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let config = app.config();
    let outlook = calendar::outlook(&config.plan, &covers, page_context.now);
    let duty = rota_rows(&config, &outlook, page_context.now)
        .into_iter()
        .map(|rota| (rota.name, rota.on_duty.join(", ")))
        .collect();
    let live = if query.token.is_empty() {
        "/live".to_owned()
    } else {
        format!("/live?token={}", percent_encoded(&query.token))
    };
    let coverage = coverage::compute(&facts, &config.rules, page_context.now);
    Ok(show(&DisplayWallPage { page_context, counts, coverage, incidents, names, duty, live }))
}
