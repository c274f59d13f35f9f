//! One row of the asset register: what stands in it and who said so, what people write down, and what they attest of a machine that no agent
//! looks at; as a page and in the API.

use std::collections::BTreeMap;

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};

use ioc_common::clock::{self, Timestamp};
use ioc_common::id::DeviceId;
use ioc_judge::{DeviceKind, Importance};

use super::{FieldsBody, REGISTER, asset_text, fields_of, no_such_device, scope_of};
use crate::api::{ApiResult, Page, device_id, page_limit};
use crate::api_types::all;
use crate::api_types::asset::{Asset as AssetItem, AssetAttestation as AttestationItem, AssetField as FieldName};
use crate::app::App;
use crate::incident::attachments::{FileQuery, as_download};
use crate::maintenance::parse_moment;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show_again};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::{AssetChange, Command, CommandError};
use ioc_engine::refusal_field::Field;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_store::coverage::AREAS;
use ioc_store::{Asset, AssetAttestation, AssetField, AssetState, AssetValue, BackupEvidence, Reader};

/// Attestations that are shown.
const ATTESTATIONS_MAX: usize = 100;

#[derive(Template)]
#[template(path = "asset.html")]
struct AssetPage {
    page_context: PageContext,
    asset: Asset,
    /// It is a server, a workstation or a display controller.
    computer: bool,
    /// Surveys that its agent made.
    surveys: Vec<String>,
    attestations: Vec<AssetAttestation>,
    /// What was typed and refused.
    typed: BTreeMap<AssetField, String>,
    attest: AttestForm,
    error: Option<String>,
}

impl AssetPage {
    const fn all_fields(&self) -> [AssetField; 20] {
        AssetField::ALL
    }

    fn name(&self) -> String {
        let name = self.asset.text(AssetField::Name);
        if name.is_empty() { self.asset.device.to_string() } else { name.to_owned() }
    }

    fn word(&self, field: &AssetField) -> String {
        self.page_context.name("asset-field", field.as_str())
    }

    fn shown(&self, field: &AssetField) -> String {
        let text = match field {
            AssetField::State => self.asset.state().as_str(),
            field => self.asset.text(*field),
        };
        asset_text(&self.page_context, *field, text)
    }

    fn is_blank(&self, field: &AssetField) -> bool {
        self.asset.blanks.contains(field)
    }

    /// Where a value comes from, in a line.
    fn source(&self, field: &AssetField) -> String {
        self.asset.value(*field).map(|value| self.source_of(value)).unwrap_or_default()
    }

    fn source_of(&self, value: &AssetValue) -> String {
        let when = self.page_context.short(&value.at);
        match value.by.as_deref() {
            None => format!("{} · {when}", self.page_context.t("asset-by-agent")),
            Some("") => format!("{} · {when}", self.page_context.t("asset-by-person")),
            Some(who) => format!("{} · {when}", self.page_context.who(who)),
        }
    }

    /// What people wrote down, as it stands in the form.
    fn written(&self, field: &AssetField) -> &str {
        self.typed_or_chosen(field)
    }

    fn found(&self, field: &AssetField) -> &str {
        self.asset.found.get(field).map_or("", |value| value.text.as_str())
    }

    fn choices(&self, field: &AssetField) -> Vec<(&'static str, String)> {
        let named = |family: &str, names: &[&'static str]| {
            names.iter().map(|name| (*name, self.page_context.name(family, name))).collect()
        };
        match field {
            AssetField::Kind => named("kind", &DeviceKind::ALL.map(DeviceKind::as_str)),
            AssetField::State => named("asset-state", &AssetState::ALL.map(AssetState::as_str)),
            AssetField::Importance => named("asset-importance", &Importance::ALL.map(Importance::as_str)),
            _ => Vec::new(),
        }
    }

    /// What stands there now, as the form shows it: what is not typed over stays whatever somebody else wrote meanwhile.
    fn chosen(&self, field: &AssetField) -> &str {
        self.asset.written(*field)
    }

    /// What stands there by now, where something else was typed and refused.
    fn stands(&self, field: &AssetField) -> Option<String> {
        let typed = self.typed.get(field)?;
        (typed != self.chosen(field)).then(|| asset_text(&self.page_context, *field, self.chosen(field)))
    }

    fn typed_or_chosen(&self, field: &AssetField) -> &str {
        self.typed.get(field).map_or_else(|| self.chosen(field), String::as_str)
    }

    /// Areas of which a person may say that they are in order: of those that no agent tells of.
    fn areas(&self) -> Vec<&'static str> {
        let open = AREAS.iter().filter(|area| !self.surveys.iter().any(|survey| survey == area.document));
        if self.computer { open.map(|area| area.name).collect() } else { Vec::new() }
    }

    /// Whether this area was chosen, and refused.
    fn is_attested(&self, area: &str) -> bool {
        self.attest.area == area
    }

    fn holds(&self, attestation: &AssetAttestation) -> bool {
        self.is_newest(attestation) && attestation.good && attestation.valid_until > self.page_context.now
    }

    /// Whether it is what was said last of its area: files are added to that.
    fn is_newest(&self, attestation: &AssetAttestation) -> bool {
        self.attestations.iter().find(|one| one.area == attestation.area) == Some(attestation)
    }

    /// What kind of file it is, and how large.
    fn about(&self, file: &BackupEvidence) -> String {
        let kib = file.bytes.div_ceil(1024);
        format!("{}, {kib} KiB", self.page_context.name("evidence-kind", file.kind.as_str()))
    }
}

/// What is read for the page.
type Read = (Asset, bool, Vec<String>, Vec<AssetAttestation>);

async fn read(app: &App, person: &Person, id: DeviceId) -> Result<Option<Read>, Problem> {
    let scope = scope_of(app, person, REGISTER).await;
    app.read(&scope, move |reader| {
        let (Some(asset), Some(record)) = (reader.asset(&id)?, reader.device(&id)?) else { return Ok(None) };
        let surveys = reader.documents(&id)?.into_iter().map(|one| one.name).collect();
        let attestations = reader.asset_attestations(&id, ATTESTATIONS_MAX)?;
        Ok(Some((asset, record.info.is_computer(), surveys, attestations)))
    })
    .await
}

/// What was typed in either form, and why it was refused.
#[derive(Default)]
struct Refused {
    typed: BTreeMap<AssetField, String>,
    attest: AttestForm,
    error: Option<CommandError>,
}

async fn render(
    app: &App,
    person: &Person,
    page_context: PageContext,
    id: &str,
    Refused { typed, attest, error }: Refused,
) -> PageResult {
    let Ok(id) = DeviceId::new(id) else { return Err(Failure::not_found(page_context)) };
    match read(app, person, id).await {
        Ok(Some((asset, computer, surveys, attestations))) => {
            let error = error.map(|error| refusal_text(&page_context, &error));
            let refused = error.is_some();
            let page = AssetPage { page_context, asset, computer, surveys, attestations, typed, attest, error };
            Ok(show_again(&page, refused))
        }
        Ok(None) => Err(Failure::not_found(page_context)),
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, &person, page_context, &id, Refused::default()).await
}

fn device_of(id: &str) -> Result<DeviceId, CommandError> {
    DeviceId::new(id).map_err(|_| no_such_device(id).not_found())
}

/// Writes down what is so, by the page: of what the form sends, what is something else than it showed. A button beside a contradiction takes what the
/// agent found (`take`) or says that it is known (`keep`).
pub(crate) async fn change(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let (mut typed, mut was, mut keep, mut take) = (BTreeMap::new(), BTreeMap::new(), Vec::new(), Vec::new());
    for (name, text) in pairs {
        match (name.as_str(), AssetField::parse(&name), AssetField::parse(&text)) {
            ("keep", _, Some(field)) => keep.push(field),
            ("take", _, Some(field)) => take.push(field),
            (_, Some(field), _) => drop(typed.insert(field, text)),
            _ => {
                if let Some(field) = name.strip_prefix("was-").and_then(AssetField::parse) {
                    was.insert(field, text);
                }
            }
        }
    }
    // What somebody else wrote meanwhile stays, where nothing else was typed over it.
    typed.retain(|field, text| was.get(field) != Some(text));
    was.retain(|field, _| typed.contains_key(field));
    let done = async {
        let device = device_of(&id)?;
        let mut fields = typed.clone();
        if !take.is_empty() {
            let asked = device.clone();
            let asset = app.read(&person.scope, move |reader| reader.asset(&asked)).await;
            let asset = asset.map_err(Problem::refused)?;
            for field in take {
                let found = asset.as_ref().and_then(|asset| asset.found.get(&field));
                // Of several addresses the first is taken.
                let text = found.and_then(|value| value.text.split(", ").next()).unwrap_or_default();
                fields.insert(field, text.to_owned());
            }
        }
        let changes = vec![AssetChange { device, fields, keep, was }];
        app.carry_out(&person, Command::ChangeAssets { changes, actor: person.name.clone() }).await
    };
    match done.await {
        Ok(_) => Ok(Redirect::to(&format!("/register/assets/{id}")).into_response()),
        Err(error) => {
            let refused = Refused { typed, error: Some(error), ..Refused::default() };
            render(&app, &person, page_context, &id, refused).await
        }
    }
}

/// What a person attests, by the page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AttestForm {
    area: String,
    bad: Option<String>,
    note: String,
    valid_until: String,
}

pub(crate) async fn attest(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(form): Form<AttestForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let done = async {
        let device = device_of(&id)?;
        let valid_until = parse_moment(Field::ValidUntil, &form.valid_until, &app.config());
        let valid_until = valid_until
            .map_err(|error| RefusalReason::new("register-refused-valid-until", [], error.to_string()).invalid())?;
        let attestation = AssetAttestation {
            area: form.area.clone(),
            good: form.bad.is_none(),
            note: form.note.trim().to_owned(),
            valid_until,
            by: String::new(),
            at: clock::now(),
            files: Vec::new(),
        };
        app.carry_out(&person, Command::AttestAsset { device, attestation, actor: person.name.clone() }).await
    };
    match done.await {
        Ok(_) => Ok(Redirect::to(&format!("/register/assets/{id}")).into_response()),
        Err(error) => {
            let refused = Refused { attest: form, error: Some(error), ..Refused::default() };
            render(&app, &person, page_context, &id, refused).await
        }
    }
}

/// One row, with what people attested.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct AssetAnswer {
    #[serde(flatten)]
    asset: AssetItem,
    /// What people attested of it, the newest first.
    attestations: Vec<AttestationItem>,
}

pub(crate) async fn api(State(app): State<App>, person: Person, Path(id): Path<String>) -> ApiResult<AssetAnswer> {
    let id = device_id(&id)?;
    let missing = format!("there is no device {id}");
    let (asset, _, _, attestations) = read(&app, &person, id).await?.ok_or_else(|| Problem::not_found(missing))?;
    Ok(Json(AssetAnswer { asset: asset.into(), attestations: all(attestations) }))
}

/// What a person attested of a machine without an agent.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct AttestedItem {
    /// Its number among all of them; the cursor of the next page.
    number: u64,
    /// Of which machine.
    device: String,
    #[serde(flatten)]
    attestation: AttestationItem,
}

/// Of which machine, and which page.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct AttestedQuery {
    /// Only of this one.
    device: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

impl AttestedQuery {
    /// The device, the number that the page lies behind, and how long it is.
    pub(super) fn read(self) -> Result<(Option<DeviceId>, Option<u64>, usize), Problem> {
        let before = self.cursor.map(|text| text.parse::<u64>()).transpose();
        let before = before.map_err(|_| Problem::invalid("cursor: allowed is that of the page before"))?;
        Ok((self.device.as_deref().map(device_id).transpose()?, before, page_limit(self.limit)))
    }
}

pub(crate) async fn api_attested(
    State(app): State<App>,
    person: Person,
    Query(asked): Query<AttestedQuery>,
) -> ApiResult<Page<AttestedItem>> {
    let (device, before, limit) = asked.read()?;
    let scope = scope_of(&app, &person, REGISTER).await;
    let read = move |reader: &dyn Reader| reader.asset_attestations_before(device.as_ref(), before, limit);
    let found = app.read(&scope, read).await?;
    let next_cursor = found.last().filter(|_| found.len() >= limit).map(|(number, ..)| number.to_string());
    let item = |(number, device, attestation): (u64, DeviceId, AssetAttestation)| AttestedItem {
        number,
        device: device.to_string(),
        attestation: attestation.into(),
    };
    Ok(Json(Page { items: found.into_iter().map(item).collect(), next_cursor }))
}

/// What is written down of an asset.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ChangeBody {
    /// Only these columns, by their names; an empty text takes out what stands there.
    fields: FieldsBody,
    /// What the agent found in these is known not to be so.
    keep: Vec<FieldName>,
}

pub(crate) async fn api_change(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Json(body): Json<ChangeBody>,
) -> Result<StatusCode, Problem> {
    let fields = fields_of(body.fields).map_err(Problem::invalid)?;
    let keep = body.keep.into_iter().map(AssetField::from).collect();
    let changes = vec![AssetChange { device: device_id(&id)?, fields, keep, was: BTreeMap::new() }];
    app.carry_out(&person, Command::ChangeAssets { changes, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a person attests of a machine that no agent looks at.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttestationBody {
    /// `antivirus`, `patches`, `backups` or `passwords`.
    area: String,
    /// It is in order.
    good: bool,
    /// What was looked at, and where the evidence lies; 1 to 500 characters.
    note: String,
    /// Until when this holds; a moment of the next 400 days.
    valid_until: Timestamp,
}

pub(crate) async fn api_attest(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Json(body): Json<AttestationBody>,
) -> Result<StatusCode, Problem> {
    let AttestationBody { area, good, note, valid_until } = body;
    let (by, at, files) = (String::new(), clock::now(), Vec::new());
    let attestation = AssetAttestation { area, good, note, valid_until, by, at, files };
    let device = device_id(&id)?;
    app.carry_out(&person, Command::AttestAsset { device, attestation, actor: person.name.clone() }).await?;
    Ok(StatusCode::CREATED)
}

/// Adds a file that shows what was attested of an area last: the body is its content.
pub(crate) async fn api_add_file(
    State(app): State<App>,
    person: Person,
    Path((id, area)): Path<(String, String)>,
    Query(query): Query<FileQuery>,
    content: Bytes,
) -> Result<StatusCode, Problem> {
    let device = device_id(&id)?;
    let (name, content, actor) = (query.name, content.to_vec(), person.name.clone());
    app.carry_out(&person, Command::AddAssetEvidence { device, area, name, content, actor }).await?;
    Ok(StatusCode::CREATED)
}

/// Gives a file back: always saved, never shown. Minutes and screenshots name people, so that it is on record who reads them.
pub(crate) async fn api_file(
    State(app): State<App>,
    person: Person,
    Path((id, area, sha256)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let device = device_id(&id)?;
    let scope = scope_of(&app, &person, REGISTER).await;
    let found = app.read(&scope, move |reader| reader.asset_evidence(&device, &area, &sha256)).await?;
    let (file, content) = found.ok_or_else(|| RefusalReason::no_file().not_found())?;
    Ok(as_download(&file.name, content))
}
