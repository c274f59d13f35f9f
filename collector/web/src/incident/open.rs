//! Opening an incident by hand; as a page and in the API.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};

use ioc_common::id::{DeviceId, IncidentId};
use ioc_judge::incident::PersonReport;
use ioc_judge::{NewIncident, Severity, Text};

use crate::api_types::{self, or_empty};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::{Answer, Command, CommandError};
use ioc_engine::refusal_field::Field;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_store::DeviceQuery;

#[derive(Debug, Default, Clone, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct OpenForm {
    device: String,
    /// A warning when empty.
    #[serde(with = "or_empty")]
    #[schemars(schema_with = "or_empty::schema::<api_types::incident::OpenSeverity>")]
    severity: Option<api_types::incident::OpenSeverity>,
    title: String,
    text: String,
    reporter: String,
    contact: String,
}

impl OpenForm {
    fn into_new_incident(self) -> Result<NewIncident, CommandError> {
        let device = if self.device.is_empty() { None } else { Some(DeviceId::new(&self.device)) };
        let device =
            device.transpose().map_err(|error| Field::Device.of(RefusalReason::no_device_id(&error)).invalid())?;
        let severity = self.severity.map_or(Severity::Warning, Severity::from);
        let clean = |text: &str, most: usize| -> String {
            text.trim().chars().filter(|c| !c.is_control() || *c == '\n').take(most).collect()
        };
        let (title, text) = (clean(&self.title, 200), clean(&self.text, 4000));
        let (reporter, contact) = (clean(&self.reporter, 200), clean(&self.contact, 200));
        let reported = !reporter.is_empty() || !contact.is_empty();
        let report = reported.then(|| PersonReport {
            reporter,
            way: contact,
            verified: String::new(),
            verified_by: String::new(),
            verified_at: None,
        });
        let reason = if text.is_empty() {
            Text::new("Do người trực mở.", "Opened by hand.")
        } else {
            Text::new(text.clone(), text)
        };
        let title = Text::new(title.clone(), title);
        Ok(NewIncident { device, severity, title, reason, advice: Text::default(), report })
    }
}

#[derive(Template)]
#[template(path = "incident-new.html")]
struct NewPage {
    page_context: PageContext,
    devices: Vec<(DeviceId, String)>,
    form: OpenForm,
    error: Option<String>,
}

impl NewPage {
    fn is_critical(&self) -> bool {
        self.form.severity == Some(api_types::incident::OpenSeverity::Critical)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NewQuery {
    device: String,
}

async fn render(app: &App, page_context: PageContext, form: OpenForm, error: Option<String>) -> PageResult {
    let query = DeviceQuery { limit: 1000, ..DeviceQuery::default() };
    match app.read(&page_context.scope, move |reader| reader.devices(&query)).await {
        Ok(records) => {
            let devices = records.into_iter().map(|record| (record.info.id, record.info.name)).collect();
            let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
            Ok((status, show(&NewPage { page_context, devices, form, error })).into_response())
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<NewQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, page_context, OpenForm { device: query.device, ..OpenForm::default() }, None).await
}

async fn open_by_hand(app: &App, person: Person, form: OpenForm) -> Result<IncidentId, CommandError> {
    let command = Command::Open { manual: form.into_new_incident()?, actor: person.name.clone() };
    match app.carry_out(&person, command).await? {
        Answer::Incident(id) => Ok(id),
        _ => Err(CommandError::unexpected_answer()),
    }
}

pub(crate) async fn open(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<OpenForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    match open_by_hand(&app, person, form.clone()).await {
        Ok(id) => Ok(Redirect::to(&format!("/incidents/{}", id.0)).into_response()),
        Err(error) => {
            let text = refusal_text(&page_context, &error);
            render(&app, page_context, form, Some(text)).await
        }
    }
}

/// An incident that was opened.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct OpenedIncident {
    id: IncidentId,
}

pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Json(form): Json<OpenForm>,
) -> Result<(StatusCode, Json<OpenedIncident>), Problem> {
    let id = open_by_hand(&app, person, form).await?;
    Ok((StatusCode::CREATED, Json(OpenedIncident { id })))
}
