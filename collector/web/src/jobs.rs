//! Jobs on other systems that report their success, as a page and in the API (articles 7.1, 7.2).

use std::sync::atomic::Ordering::Relaxed;

use askama::Template;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_judge::{Age, InformationSource};

use crate::api::ApiResult;
use crate::api_types::authenticity::Authenticity;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::problem::Problem;
use crate::rate_limit;
use crate::sign_in::system_token;
use crate::tone::Tone;
use ioc_engine::command::Command;
use ioc_engine::config::Config;
use ioc_engine::job::{self, JobState};
use ioc_store::scope::AccessScope;
use ioc_store::{JobRecord, Reader, StoreError};

/// A job that has shown its token. Nothing of its body is read before.
pub(crate) struct ReportingJob(String);

impl FromRequestParts<App> for ReportingJob {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token_of = |config: &Config, name: &str| {
            config.jobs.iter().find(|one| one.name == name).map(|one| one.token_file.clone())
        };
        Ok(Self(system_token::shown(parts, app, token_of, "job token").await?))
    }
}

/// What a job reports; without a body it succeeded.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HeartbeatBody {
    /// It failed.
    failed: bool,
    /// What it says besides; the first 500 characters are kept.
    message: String,
}

/// Takes in a job's report.
pub(crate) async fn api_report(
    State(app): State<App>,
    ReportingJob(job): ReportingJob,
    body: Bytes,
) -> Result<(Extension<rate_limit::ValidToken>, StatusCode), Problem> {
    // What it says counts, whatever it calls that: a failure is never taken for a success.
    let HeartbeatBody { failed, message } = if body.is_empty() {
        HeartbeatBody::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| Problem::invalid(format!("body: {error}")))?
    };
    app.engine.alert_command(Command::JobReported { job, failed, message }).await?;
    Ok((Extension(rate_limit::ValidToken), StatusCode::NO_CONTENT))
}

/// How a job on another system stands.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Job {
    /// Its name in the configuration.
    name: String,
    /// What people call it.
    title: String,
    /// The device that it is about; none when nothing of the inventory fits.
    device: Option<String>,
    /// How it stands: `waiting` (its first success is not due yet), `succeeded`, `unheard` (due, but the collector has just started), `failed` or `late`.
    state: &'static str,
    /// Its success is due so long after the last one, seconds.
    every_s: u64,
    /// How much later it may come, seconds.
    grace_s: u64,
    /// When it last reported success.
    last_success: Option<Timestamp>,
    /// When its next success is due at the latest.
    due_at: Timestamp,
    /// When it reported last.
    last_report: Option<Timestamp>,
    /// What it said then.
    message: String,
    /// How far its own word can be believed: stale once its success is overdue, unknown before its first report.
    authenticity: Authenticity,
    #[serde(skip)]
    tone: Tone,
}

impl Job {
    fn every_ms(&self) -> i64 {
        i64::try_from(self.every_s.saturating_mul(1000)).unwrap_or(i64::MAX)
    }
}

/// How it looks.
const fn tone_of(state: JobState) -> Tone {
    match state {
        JobState::Succeeded => Tone::Good,
        JobState::Waiting => Tone::Away,
        JobState::Unheard => Tone::Warning,
        JobState::Failed | JobState::Late => Tone::Bad,
    }
}

/// How far what a job says of itself can be believed: whoever has its token says so.
fn authenticity_of(reported: bool, state: JobState) -> ioc_judge::Authenticity {
    let age = match state {
        _ if !reported => Age::Never,
        JobState::Late | JobState::Unheard => Age::Ms { age: 1, most: 0 },
        JobState::Waiting | JobState::Succeeded | JobState::Failed => Age::Record,
    };
    ioc_judge::Authenticity::judge(InformationSource::Heartbeat, age, [])
}

/// The jobs that are watched and within reach, the bad ones first. One that is about no device of the inventory is for those who see all.
fn visible_jobs(
    reader: &dyn Reader,
    (config, started): (&Config, Timestamp),
    access: &AccessScope,
    now: Timestamp,
) -> Result<Vec<Job>, StoreError> {
    let records = reader.jobs()?;
    let mut jobs = Vec::new();
    for job in &config.jobs {
        let device = job.device.as_ref().map(|device| reader.device(device)).transpose()?.flatten();
        if device.is_none() && !access.is_everywhere() {
            continue;
        }
        let new = || JobRecord { name: job.name.clone(), since: now, last_success: None, last_report: None };
        let record = records.iter().find(|record| record.name == job.name).cloned().unwrap_or_else(new);
        let state = job::state(job, &record, started, now);
        let seconds = |ms: i64| ms.unsigned_abs() / 1000;
        jobs.push(Job {
            name: job.name.clone(),
            title: job.title.clone(),
            device: device.map(|device| device.info.id.to_string()),
            state: state.as_str(),
            every_s: seconds(job.every.as_millis()),
            grace_s: seconds(job.grace.as_millis()),
            last_success: record.last_success,
            due_at: job::due_at(job, &record),
            authenticity: authenticity_of(record.last_report.is_some(), state).into(),
            last_report: record.last_report.as_ref().map(|report| report.at),
            message: record.last_report.map(|report| report.message).unwrap_or_default(),
            tone: tone_of(state),
        });
    }
    jobs.sort_by_key(|job| job.tone != Tone::Bad);
    Ok(jobs)
}

async fn read(app: &App, person: &Person) -> Result<Vec<Job>, Problem> {
    let (config, access) = (app.config(), person.scope.clone());
    let started = Timestamp::from_millis(app.health.engine_started_ms.load(Relaxed));
    let now = app.judged_now();
    app.read(&person.scope, move |reader| visible_jobs(reader, (&config, started), &access, now)).await
}

pub(crate) async fn api_list(State(app): State<App>, person: Person) -> ApiResult<Vec<Job>> {
    Ok(Json(read(&app, &person).await?))
}

#[derive(Template)]
#[template(path = "jobs.html")]
struct JobsPage {
    page_context: PageContext,
    jobs: Vec<Job>,
}

pub(crate) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    match read(&app, &person).await {
        Ok(jobs) => Ok(show(&JobsPage { page_context, jobs })),
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}
