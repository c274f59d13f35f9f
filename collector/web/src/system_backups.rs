//! Backups that are expected of the systems in the inventory: what is stated, what was seen, what a person attests; as a page and in the
//! API (articles 7.1, 7.2).

pub(crate) mod evidence;
mod form;

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};

use ioc_common::clock::{self, Timestamp};
use ioc_common::id::DeviceId;
use ioc_judge::DeviceInfo;

use crate::api::{ApiResult, ListQuery, Page, device_id, number_of_cursor, page_limit};
use crate::api_types::system_backup::{Attestation, AttestedBackup, Coverage, Kind, Source, SystemBackup};
use crate::api_types::{all, system_backup};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, ROWS, page_context, refusal_text, show_again};
use crate::person::Person;
use crate::problem::Problem;
use crate::tone::Tone;
use form::{AttestForm, StateForm};
use ioc_engine::command::{Command, CommandError};
use ioc_engine::expected_backup::due_at;
use ioc_engine::refusal_field::Field;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_store::scope::AccessScope;
use ioc_store::{
    BackupAttestation, BackupCoverage, BackupEvidence, BackupExpectation, BackupKind, BackupSource, BackupState,
    ExpectedBackup, ExpectedBackupQuery, Reader, StoreError,
};

/// Attestations of one backup in one answer.
const ATTESTATIONS_MAX: usize = 100;

/// What of the page is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// What needs someone.
    Open,
    /// What lacks copies.
    Copies,
    /// Of what nobody has said anything.
    Unstated,
    /// All.
    All,
}

impl View {
    const ALL: [Self; 4] = [Self::Open, Self::Unstated, Self::Copies, Self::All];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Copies => "copies",
            Self::Unstated => "unstated",
            Self::All => "all",
        }
    }

    fn query(self) -> ExpectedBackupQuery {
        let states = match self {
            Self::Open => vec![BackupState::Failed, BackupState::Overdue, BackupState::Unknown],
            Self::Copies | Self::Unstated | Self::All => Vec::new(),
        };
        ExpectedBackupQuery { states, short_of_copies: self == Self::Copies, ..ExpectedBackupQuery::default() }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PageAddress {
    view: String,
    after: String,
    device: String,
}

impl PageAddress {
    fn view(&self) -> View {
        let named = View::ALL.into_iter().find(|view| view.as_str() == self.view);
        named.unwrap_or(if self.device.is_empty() { View::Open } else { View::All })
    }
}

/// What is read for the page.
struct Shown {
    backups: Vec<ExpectedBackup>,
    /// The files that show what was attested last of one, where there are any.
    evidence: BTreeMap<(DeviceId, BackupKind), Vec<BackupEvidence>>,
    unstated: Vec<DeviceInfo>,
    coverage: BackupCoverage,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "system-backups.html")]
struct SystemBackupsPage {
    page_context: PageContext,
    view: View,
    shown: Shown,
    jobs: Vec<(String, String)>,
    form: StateForm,
    error: Option<String>,
}

impl SystemBackupsPage {
    fn views(&self) -> [View; 4] {
        View::ALL
    }

    fn kinds(&self) -> [BackupKind; 6] {
        BackupKind::ALL
    }

    const fn tone(one: &ExpectedBackup) -> Tone {
        match one.state {
            BackupState::Failed | BackupState::Overdue => Tone::Bad,
            BackupState::Unknown => Tone::Warning,
            BackupState::InOrder => Tone::Good,
            BackupState::Unneeded => Tone::Away,
        }
    }

    fn due(&self, one: &ExpectedBackup) -> String {
        self.page_context.minute(&due_at(&one.expected, &one.seen))
    }

    fn every(&self, one: &ExpectedBackup) -> String {
        self.page_context.duration(one.expected.every_ms)
    }

    fn kept(&self, one: &ExpectedBackup) -> String {
        self.page_context.count("backup-kept-days", u64::from(one.expected.keep_days))
    }

    fn is_needed(one: &ExpectedBackup) -> bool {
        one.kind != BackupKind::Unneeded
    }

    fn is_attested(one: &ExpectedBackup) -> bool {
        Self::is_needed(one) && one.expected.source == BackupSource::Attestation
    }

    /// The files that show what was attested last of one.
    fn evidence(&self, one: &ExpectedBackup) -> &[BackupEvidence] {
        self.shown.evidence.get(&(one.device.clone(), one.kind)).map_or(&[], Vec::as_slice)
    }

    /// What sort of file it is, and how large.
    fn about(&self, file: &BackupEvidence) -> String {
        let kib = file.bytes.div_ceil(1024);
        format!("{}, {kib} KiB", self.page_context.name("evidence-kind", file.kind.as_str()))
    }

    /// Whether somebody attested one, so that there is something to show.
    fn was_attested(one: &ExpectedBackup) -> bool {
        !one.seen.attested_by.is_empty()
    }

    /// How many copies there are and what lacks of three, on two media, one elsewhere.
    fn copies(&self, one: &ExpectedBackup) -> String {
        let expected = &one.expected;
        let mut text = format!("{}-{}-{}", expected.copies, expected.media, u8::from(expected.off_site));
        let missing = expected.missing_copies();
        let missing: Vec<String> =
            missing.iter().map(|rule| self.page_context.name("backup-missing", rule.as_str())).collect();
        if !missing.is_empty() {
            text += &format!(": {}", missing.join(", "));
        }
        text
    }

    fn needing(&self) -> u64 {
        self.shown.coverage.stated.saturating_sub(self.shown.coverage.unneeded)
    }

    fn stated(&self) -> String {
        format!("{}/{}", self.shown.coverage.stated, self.shown.coverage.devices)
    }

    fn in_order(&self) -> String {
        format!("{}/{}", self.shown.coverage.in_order, self.needing())
    }

    fn copies_met(&self) -> String {
        format!("{}/{}", self.shown.coverage.copies_met, self.needing())
    }
}

/// What of other places stands in it is not for whoever is limited to some.
fn within_reach(reader: &dyn Reader, one: &mut ExpectedBackup) -> Result<(), StoreError> {
    if let BackupSource::Probe { device, .. } = &mut one.expected.source
        && let Some(of) = device.as_ref()
        && reader.device(of)?.is_none()
    {
        *device = None;
    }
    Ok(())
}

fn visible(
    reader: &dyn Reader,
    access: &AccessScope,
    query: &ExpectedBackupQuery,
    limit: usize,
) -> Result<Vec<ExpectedBackup>, StoreError> {
    let mut found = reader.expected_backups(query, limit)?;
    if !access.is_everywhere() {
        found.iter_mut().try_for_each(|one| within_reach(reader, one))?;
    }
    Ok(found)
}

/// Where a list of backups goes on: a device and a kind.
fn after_of(text: &str) -> Option<(DeviceId, BackupKind)> {
    let (device, kind) = text.split_once('/')?;
    Some((DeviceId::new(device).ok()?, BackupKind::parse(kind)?))
}

fn cursor_behind(found: &[ExpectedBackup], limit: usize) -> Option<String> {
    let last = found.last().filter(|_| found.len() >= limit)?;
    Some(format!("{}/{}", last.device, last.kind.as_str()))
}

fn read_page(reader: &dyn Reader, access: &AccessScope, address: &PageAddress) -> Result<Shown, StoreError> {
    let coverage = reader.backup_coverage()?;
    if address.view() == View::Unstated {
        let unstated = reader.without_expected_backup(&address.after, ROWS)?;
        let next = unstated.last().filter(|_| unstated.len() >= ROWS).map(|last| last.id.to_string());
        return Ok(Shown { backups: Vec::new(), evidence: BTreeMap::new(), unstated, coverage, next });
    }
    let mut query = address.view().query();
    query.after = after_of(&address.after);
    query.device = DeviceId::new(&address.device).ok();
    let backups = visible(reader, access, &query, ROWS)?;
    let next = cursor_behind(&backups, ROWS);
    let mut evidence = BTreeMap::new();
    for one in backups.iter().filter(|one| SystemBackupsPage::is_attested(one)) {
        let files: Vec<_> =
            reader.backup_attestations(&one.device, one.kind, 1)?.into_iter().flat_map(|said| said.files).collect();
        if !files.is_empty() {
            evidence.insert((one.device.clone(), one.kind), files);
        }
    }
    Ok(Shown { backups, evidence, unstated: Vec::new(), coverage, next })
}

async fn render(
    app: &App,
    page_context: PageContext,
    address: PageAddress,
    form: StateForm,
    error: Option<&CommandError>,
) -> PageResult {
    let access = page_context.scope.clone();
    let view = address.view();
    let jobs = app.config().jobs.iter().map(|job| (job.name.clone(), job.title.clone())).collect();
    match app.read(&page_context.scope, move |reader| read_page(reader, &access, &address)).await {
        Ok(shown) => {
            let error = error.map(|error| refusal_text(&page_context, error));
            let refused = error.is_some();
            Ok(show_again(&SystemBackupsPage { page_context, view, shown, jobs, form, error }, refused))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(address): Query<PageAddress>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let form = StateForm::of(&address.device);
    render(&app, page_context, address, form, None).await
}

/// States which backup is expected of devices, by the page.
pub(crate) async fn expect(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(pairs): Form<Vec<(String, String)>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let form = StateForm::read(pairs);
    let done = match form.command(&person.name) {
        Ok(command) => app.carry_out(&person, command).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(_) => Ok(Redirect::to("/system-backups?view=all").into_response()),
        Err(error) => render(&app, page_context, PageAddress::default(), form, Some(&error)).await,
    }
}

/// Says how a backup stands, by the page.
pub(crate) async fn attest(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<AttestForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let done = match form.command(&app.config(), &person.name) {
        Ok(command) => app.carry_out(&person, command).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(_) => Ok(Redirect::to("/system-backups?view=all").into_response()),
        Err(error) => render(&app, page_context, PageAddress::default(), StateForm::default(), Some(&error)).await,
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct WithdrawForm {
    device: String,
    kind: String,
}

/// Withdraws a statement, by the page.
pub(crate) async fn withdraw(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<WithdrawForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let command = form::of(&form.device, &form.kind).map(|(device, kind)| Command::WithdrawBackup {
        device,
        kind,
        actor: person.name.clone(),
    });
    let done = match command {
        Ok(command) => app.carry_out(&person, command).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(_) => Ok(Redirect::to("/system-backups?view=all").into_response()),
        Err(error) => Err(Failure::new(page_context, error.into())),
    }
}

/// Which backups are asked for.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct BackupsQuery {
    /// Only in this state.
    state: Option<system_backup::State>,
    /// Only those that lack something of three copies, two media, one elsewhere.
    short_of_copies: bool,
    /// Only of this device.
    device: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

pub(crate) async fn api_list(
    State(app): State<App>,
    person: Person,
    Query(asked): Query<BackupsQuery>,
) -> ApiResult<Page<SystemBackup>> {
    let bad = |text: &String| Problem::from(RefusalReason::cursor(text).invalid());
    let after = asked.cursor.as_ref().map(|text| after_of(text).ok_or_else(|| bad(text))).transpose()?;
    let query = ExpectedBackupQuery {
        states: asked.state.map(BackupState::from).into_iter().collect(),
        short_of_copies: asked.short_of_copies,
        device: asked.device.as_deref().map(device_id).transpose()?,
        after,
    };
    let (limit, access) = (page_limit(asked.limit), person.scope.clone());
    let found = app.read(&person.scope, move |reader| visible(reader, &access, &query, limit)).await?;
    let next_cursor = cursor_behind(&found, limit);
    Ok(Json(Page { items: all(found), next_cursor }))
}

/// A device of which nobody has said which backup is expected.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct UnstatedDevice {
    /// Its identifier.
    device: DeviceId,
    /// What people call it.
    name: String,
    /// Where it stands.
    place: String,
}

pub(crate) async fn api_unstated(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<UnstatedDevice>> {
    let (limit, after) = (query.limit(), query.cursor.unwrap_or_default());
    let found = app.read(&person.scope, move |reader| reader.without_expected_backup(&after, limit)).await?;
    let item = |info: DeviceInfo| UnstatedDevice { device: info.id, name: info.name, place: info.place };
    let items: Vec<UnstatedDevice> = found.into_iter().map(item).collect();
    let next_cursor = items.last().filter(|_| items.len() >= limit).map(|last| last.device.to_string());
    Ok(Json(Page { items, next_cursor }))
}

pub(crate) async fn api_coverage(State(app): State<App>, person: Person) -> ApiResult<Coverage> {
    Ok(Json(app.read(&person.scope, |reader| reader.backup_coverage()).await?.into()))
}

/// Which backup is expected of devices.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectationBody {
    /// 1 to 500 identifiers: all of them, or none.
    devices: Vec<String>,
    kind: Kind,
    /// Where it is seen; nothing where none is needed.
    #[serde(default)]
    source: Option<Source>,
    #[serde(default)]
    every_s: u32,
    #[serde(default)]
    grace_s: u32,
    #[serde(default)]
    keep_days: u32,
    #[serde(default)]
    place: String,
    #[serde(default)]
    copies: u8,
    #[serde(default)]
    media: u8,
    #[serde(default)]
    off_site: bool,
    #[serde(default)]
    encrypted: bool,
    #[serde(default)]
    note: String,
}

pub(crate) async fn api_expect(
    State(app): State<App>,
    person: Person,
    Json(body): Json<ExpectationBody>,
) -> Result<StatusCode, Problem> {
    let devices = body.devices.iter().map(|id| device_id(id)).collect::<Result<Vec<_>, _>>()?;
    let kind = BackupKind::from(body.kind);
    let source = match body.source {
        Some(source) => source.into(),
        None if kind == BackupKind::Unneeded => BackupSource::Attestation,
        None => return Err(Field::Source.missing().invalid().into()),
    };
    let expected = BackupExpectation {
        source,
        every_ms: i64::from(body.every_s) * 1000,
        grace_ms: i64::from(body.grace_s) * 1000,
        keep_days: body.keep_days,
        place: body.place,
        copies: body.copies,
        media: body.media,
        off_site: body.off_site,
        encrypted: body.encrypted,
        note: body.note,
        by: String::new(),
        since: clock::now(),
    };
    let command = Command::ExpectBackup { devices, kind, expected, actor: person.name.clone() };
    app.carry_out(&person, command).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn api_withdraw(
    State(app): State<App>,
    person: Person,
    Path((device, kind)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (device, kind) = form::of(&device, &kind)?;
    app.carry_out(&person, Command::WithdrawBackup { device, kind, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn api_attestations(
    State(app): State<App>,
    person: Person,
    Path((device, kind)): Path<(String, String)>,
) -> ApiResult<Vec<Attestation>> {
    let (device, kind) = form::of(&device, &kind)?;
    let found =
        app.read(&person.scope, move |reader| reader.backup_attestations(&device, kind, ATTESTATIONS_MAX)).await?;
    Ok(Json(all(found)))
}

/// Of which device, and which page.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct AttestedQuery {
    /// Only of this one.
    device: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// What was attested of all backups: of devices that were taken out and of backups that are expected no longer, too.
pub(crate) async fn api_attested(
    State(app): State<App>,
    person: Person,
    Query(asked): Query<AttestedQuery>,
) -> ApiResult<Page<AttestedBackup>> {
    let (before, limit) = (number_of_cursor(asked.cursor.as_deref())?, page_limit(asked.limit));
    let device = asked.device.as_deref().map(device_id).transpose()?;
    let read = move |reader: &dyn Reader| reader.backup_attestations_before(device.as_ref(), before, limit);
    let found = app.read(&person.scope, read).await?;
    let next_cursor = found.last().filter(|_| found.len() >= limit).map(|(_, _, one)| one.number.to_string());
    Ok(Json(Page { items: all(found), next_cursor }))
}

/// What a person attests.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttestationBody {
    /// The backup was made then.
    made_at: Timestamp,
    /// It is good.
    good: bool,
    /// Until when this holds; as long as the statement says without.
    #[serde(default)]
    valid_until: Option<Timestamp>,
    /// What was looked at, and where the evidence lies; 1 to 500 characters.
    note: String,
}

pub(crate) async fn api_attest(
    State(app): State<App>,
    person: Person,
    Path((device, kind)): Path<(String, String)>,
    Json(body): Json<AttestationBody>,
) -> Result<StatusCode, Problem> {
    let (device, kind) = form::of(&device, &kind)?;
    let AttestationBody { made_at, good, valid_until, note } = body;
    let attestation = BackupAttestation { made_at, good, valid_until, note, by: String::new(), at: clock::now() };
    app.carry_out(&person, Command::AttestBackup { device, kind, attestation, actor: person.name.clone() }).await?;
    Ok(StatusCode::CREATED)
}
