//! Taking an incident from its notice: a signed link, one page for a telephone, one button, no sign-in.

use askama::Template;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use ioc_common::clock;
use ioc_judge::{Incident, IncidentState};

use crate::app::App;
use crate::language::language_of;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, refusal_text, show};
use crate::problem::Problem;
use crate::rate_limit;
use crate::server::Peer;
use crate::tone::Tone;
use ioc_engine::account::acknowledge_link::AcknowledgeLink;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_store::inventory::DeviceRecord;
use ioc_store::scope::AccessScope;

#[derive(Template)]
#[template(path = "acknowledge.html")]
struct AcknowledgePage {
    page_context: PageContext,
    incident: Incident,
    device: Option<DeviceRecord>,
    person: String,
    /// Who took it, by their name.
    taken_by: String,
    tone: Tone,
    fresh: bool,
}

impl AcknowledgePage {
    /// Why there is no button, in the order of what matters to whoever opens it.
    fn why_over(&self) -> String {
        if let Some(into) = self.incident.record.merged_into {
            return self.page_context.t_with("link-merged", "incident", into.to_string());
        }
        match self.incident.state {
            IncidentState::Resolved | IncidentState::Closed if self.incident.acknowledged_at.is_none() => {
                let at = self.incident.resolved_at.map(|at| self.page_context.local(&at)).unwrap_or_default();
                self.page_context.t_with("link-ended", "at", at)
            }
            IncidentState::Resolved | IncidentState::Closed => self.page_context.t("link-over-taken"),
            IncidentState::Open | IncidentState::Reopened | IncidentState::Acknowledged | IncidentState::Repairing => {
                self.page_context.t("link-used")
            }
        }
    }
}

/// The link, or a page that says that it is worth nothing.
fn open_link(
    app: &App,
    peer: &Peer,
    headers: &HeaderMap,
    text: &str,
) -> Result<(PageContext, AcknowledgeLink), Box<Failure>> {
    let config = app.config();
    if app.limits.take_unauthenticated(rate_limit::LINK, peer).is_err() {
        let page_context = PageContext::new(app, language_of(headers, config.language), "", false);
        let reason = RefusalReason::new("refusal-attempts", [], "too many links were tried from this address");
        return Err(Box::new(Failure::new(page_context, Problem::too_often(reason))));
    }
    // Whoever is in the plan no more takes nothing, and sees nothing, by a link of before.
    let is_planned = |link: &AcknowledgeLink| config.plan.person(&link.person).is_some();
    let link = app.links.check(text, clock::now()).filter(is_planned);
    if link.is_some() {
        app.limits.refund(rate_limit::LINK, peer);
    }
    let person = link.as_ref().and_then(|link| config.plan.person(&link.person));
    let language = person.map_or_else(|| language_of(headers, config.language), |person| person.language);
    let page_context = PageContext::new(app, language, "", false);
    match link {
        Some(link) => Ok((page_context, link)),
        None => {
            let why = page_context.t("link-over");
            Err(Box::new(Failure::said(page_context, StatusCode::NOT_FOUND, why)))
        }
    }
}

pub(crate) async fn page(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Path(text): Path<String>,
) -> PageResult {
    let (page_context, link) = open_link(&app, &peer, &headers, &text).map_err(|failure| *failure)?;
    let id = link.incident;
    let found = app
        .read(&AccessScope::EVERYWHERE, move |reader| {
            let Some((incident, steps, _)) = reader.incident(id)? else { return Ok(None) };
            let device = incident.device.as_ref().map(|device| reader.device(device)).transpose()?.flatten();
            Ok(Some((incident, steps, device)))
        })
        .await;
    match found {
        Ok(Some((incident, steps, device))) => {
            let (tone, fresh) = (Tone::of_incident(&incident), link.is_fresh(&incident, &steps));
            let person = app.config().plan.person(&link.person).map_or(link.person, |person| person.name.clone());
            // Whoever has the link reads of a colleague what the duty plan says of them.
            let planned = |who: &str| app.config().plan.person(who).map(|one| one.name.clone());
            let taken_by = incident.acknowledged_by.clone().map(|who| planned(&who).unwrap_or(who)).unwrap_or_default();
            Ok(show(&AcknowledgePage { page_context, incident, device, person, taken_by, tone, fresh }))
        }
        Ok(None) => Err(Failure::not_found(page_context)),
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// The button. Whoever previews links (chats, mail filters) only reads; taking needs a press.
pub(crate) async fn acknowledge(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Path(text): Path<String>,
) -> PageResult {
    let (page_context, link) = open_link(&app, &peer, &headers, &text).map_err(|failure| *failure)?;
    let id = link.incident;
    let found = match app.read(&AccessScope::EVERYWHERE, move |reader| reader.incident(id)).await {
        Ok(found) => found,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let fresh = found.is_some_and(|(incident, steps, _)| link.is_fresh(&incident, &steps));
    let back: Response = Redirect::to(&format!("/a/{text}")).into_response();
    if !fresh {
        // The page says who was faster.
        return Ok(back);
    }
    match app.engine.acknowledge_by_link(id, link.person).await {
        Ok(_) => Ok(back),
        Err(error) => {
            let why = refusal_text(&page_context, &error);
            Ok(Failure::said(page_context, StatusCode::CONFLICT, why).into_response())
        }
    }
}
