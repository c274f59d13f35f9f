//! The configuration in the API: what each part says, its versions, and how it is changed. A change names the version that it is made on: by
//! `If-Match` for one part, beside each text for several.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;

use super::{check, current, save_all};
use crate::api::{ApiResult, ListQuery, Page};
use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::{Command, PartChange};
use ioc_engine::config::{PartHolder, PartInForce, shipped, tables_of};
use ioc_engine::configuration::{LineChange, audited, difference, without_secrets};
use ioc_engine::sealed_secret::shown;
use ioc_engine::writer::configuration::CHANGED_SINCE;
use ioc_store::configuration::{ConfigurationVersion, Part};

/// Largest body with texts, bytes: rules and catalogues are the largest parts.
pub(crate) const TEXTS_MAX_BYTES: usize = 8 * 1024 * 1024;

/// Who says what a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ConfigurationState")]
pub(crate) enum PartState {
    /// A file; it is changed there.
    File,
    /// What was set here.
    Store,
    /// Nobody: it is as it is shipped.
    Default,
}

/// A part of the configuration.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ConfigurationPart")]
pub(crate) struct PartItem {
    part: String,
    state: PartState,
    /// The newest version that was saved here; 0 before the first.
    version: u64,
    /// The file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// The tables of collector.toml that it is; none for one that is a text of its own.
    tables: Vec<&'static str>,
    /// When the newest version was saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    /// Who saved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// Why what was saved is not in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    /// What it says, TOML; of a file without what may be secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl PartItem {
    fn new(app: &App, part: PartInForce, with_text: bool) -> Self {
        let (state, file) = match &part.holder {
            PartHolder::File(path) => (PartState::File, Some(path.display().to_string())),
            PartHolder::Stored => (PartState::Store, None),
            PartHolder::Shipped => (PartState::Default, None),
        };
        let config = app.config();
        let newest = config.stored().get(&part.part);
        // What a file says is for whoever may read that.
        let text = with_text.then(|| if file.is_some() { without_secrets(&part.text) } else { part.text });
        Self {
            part: part.part.as_str().to_owned(),
            state,
            version: part.version,
            file,
            tables: tables_of(part.part).to_vec(),
            at: newest.map(|version| version.at),
            who: newest.map(|version| version.who.clone()),
            why: newest.map(|version| version.why.clone()),
            fault: part.left_out.map(|error| error.to_string()),
            text,
        }
    }
}

/// A version of a part.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ConfigurationVersion")]
pub(crate) struct VersionItem {
    version: u64,
    at: Timestamp,
    who: String,
    why: String,
    /// What it says, TOML; none where the part was given back.
    text: Option<String>,
}

impl From<ConfigurationVersion> for VersionItem {
    fn from(inside: ConfigurationVersion) -> Self {
        let ConfigurationVersion { part: _, number, text, at, who, why } = inside;
        Self { version: number, at, who, why, text: text.as_deref().map(shown) }
    }
}

/// A text for a part.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextBody {
    /// TOML; null gives the part back to what it is without being set here.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schemars(required)]
    text: Option<String>,
    /// Why: 1 to 500 characters.
    #[serde(default)]
    reason: String,
}

/// A text for one of several parts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ConfigurationChange")]
pub(crate) struct ChangeBody {
    part: String,
    /// TOML; null gives the part back to what it is without being set here.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schemars(required)]
    text: Option<String>,
    /// The newest version that was seen, 0 for none.
    version: u64,
}

/// Texts for several parts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplyBody {
    parts: Vec<ChangeBody>,
    /// Why: 1 to 500 characters.
    #[serde(default)]
    reason: String,
    /// Only says what would change.
    #[serde(default)]
    check: bool,
}

/// Parts that are to be taken from files.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportBody {
    /// Which; all that files hold where it is left out.
    #[serde(default)]
    parts: Vec<String>,
    /// Why: 1 to 500 characters.
    reason: String,
}

/// What changes in a part.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ConfigurationPlan")]
pub(crate) struct PlanItem {
    part: String,
    /// Lines that go and that come.
    removed: usize,
    added: usize,
    /// Those lines, each behind a minus or a plus, without what may be secret.
    difference: String,
}

/// The part of a name.
pub(super) fn part_of(name: &str) -> Result<Part, Problem> {
    Part::parse(name).ok_or_else(|| {
        let known: Vec<&str> = Part::ALL.into_iter().map(Part::as_str).collect();
        Problem::not_found(format!("there is no part {name:?}; there are {}", known.join(", ")))
    })
}

/// What changes would do to what is in force.
fn plan(app: &App, changes: &[PartChange]) -> Vec<PlanItem> {
    let planned = changes.iter().filter_map(|change| {
        let now = current(app, change.part);
        let text = change.text.clone().unwrap_or_else(|| shipped(change.part));
        let lines = difference(&now.text, &text);
        let count = |wanted| lines.iter().filter(|(change, _)| *change == wanted).count();
        let (removed, added) = (count(LineChange::Removed), count(LineChange::Added));
        let part = change.part.as_str().to_owned();
        (removed + added > 0).then(|| PlanItem { part, removed, added, difference: audited(&now.text, &text) })
    });
    planned.collect()
}

pub(crate) async fn list(State(app): State<App>, _: Person) -> ApiResult<Vec<PartItem>> {
    Ok(Json(Part::ALL.into_iter().map(|part| PartItem::new(&app, current(&app, part), false)).collect()))
}

/// A part with the version that a change is made on as its tag.
fn answer(app: &App, part: Part) -> Response {
    let now = current(app, part);
    let tag = format!("\"{}{}\"", now.version, if now.held_by().is_some() { "-file" } else { "" });
    let mut response = Json(PartItem::new(app, now, true)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

pub(crate) async fn one(State(app): State<App>, _: Person, Path(part): Path<String>) -> Result<Response, Problem> {
    Ok(answer(&app, part_of(&part)?))
}

pub(crate) async fn put(
    State(app): State<App>,
    person: Person,
    Path(part): Path<String>,
    headers: HeaderMap,
    Json(body): Json<TextBody>,
) -> Result<Response, Problem> {
    let part = part_of(&part)?;
    let Some(tag) = headers.get(header::IF_MATCH) else {
        let why = "If-Match: found none; send the ETag that GET gave, so that nobody's change is written over";
        return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, why));
    };
    let seen = tag.to_str().ok().and_then(|tag| tag.trim().trim_matches('"').parse().ok());
    let version: u64 = seen.ok_or_else(|| {
        let why = "If-Match: found another tag than GET gives; send that of the part, which is its version";
        Problem::new(StatusCode::PRECONDITION_FAILED, why)
    })?;
    let changes = vec![PartChange { part, text: body.text, version }];
    match save_all(&app, &person, changes, &body.reason).await {
        Ok(_) => Ok(answer(&app, part)),
        Err(error) if error.reason_key() == Some(CHANGED_SINCE) => {
            Err(Problem::from(error).with_status(StatusCode::PRECONDITION_FAILED))
        }
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn check_one(
    State(app): State<App>,
    _: Person,
    Path(part): Path<String>,
    Json(body): Json<TextBody>,
) -> ApiResult<Vec<PlanItem>> {
    let part = part_of(&part)?;
    let changes = [PartChange { part, text: body.text, version: current(&app, part).version }];
    check(&app, &changes).await?;
    Ok(Json(plan(&app, &changes)))
}

pub(crate) async fn apply(
    State(app): State<App>,
    person: Person,
    Json(body): Json<ApplyBody>,
) -> ApiResult<Vec<PlanItem>> {
    let change = |one: ChangeBody| Ok(PartChange { part: part_of(&one.part)?, text: one.text, version: one.version });
    let changes = body.parts.into_iter().map(change).collect::<Result<Vec<_>, Problem>>()?;
    let planned = plan(&app, &changes);
    if body.check {
        check(&app, &changes).await?;
    } else {
        save_all(&app, &person, changes, &body.reason).await?;
    }
    Ok(Json(planned))
}

pub(crate) async fn import(
    State(app): State<App>,
    person: Person,
    Json(body): Json<ImportBody>,
) -> ApiResult<Vec<PartItem>> {
    let named = body.parts.iter().map(|name| part_of(name)).collect::<Result<Vec<_>, Problem>>()?;
    let config = app.config();
    let held = |part: &Part| config.held_by(*part).is_some();
    let parts: Vec<Part> = if named.is_empty() { Part::ALL.into_iter().filter(held).collect() } else { named };
    let command =
        Command::ImportConfiguration { parts: parts.clone(), reason: body.reason, actor: person.name.clone() };
    app.carry_out(&person, command).await?;
    Ok(Json(parts.into_iter().map(|part| PartItem::new(&app, current(&app, part), false)).collect()))
}

pub(crate) async fn versions(
    State(app): State<App>,
    person: Person,
    Path(part): Path<String>,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<VersionItem>> {
    let (part, before, limit) = (part_of(&part)?, query.before()?, query.limit());
    let found = app.read(&person.scope, move |reader| reader.configuration_versions(part, before, limit)).await?;
    let next_cursor = found.last().filter(|last| found.len() == limit && last.number > 1).map(|last| last.number);
    let items = found.into_iter().map(VersionItem::from).collect();
    Ok(Json(Page { items, next_cursor: next_cursor.map(|number| number.to_string()) }))
}

pub(crate) async fn version(
    State(app): State<App>,
    person: Person,
    Path((part, number)): Path<(String, u64)>,
) -> ApiResult<VersionItem> {
    let part = part_of(&part)?;
    let before = Some(number.saturating_add(1));
    let found = app.read(&person.scope, move |reader| reader.configuration_versions(part, before, 1)).await?;
    let found = found.into_iter().find(|version| version.number == number);
    let missing = || Problem::not_found(format!("there is no version {number} of the part {}", part.as_str()));
    Ok(Json(found.map(VersionItem::from).ok_or_else(missing)?))
}
