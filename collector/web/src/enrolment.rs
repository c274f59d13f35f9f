//! How machines come in: tokens, machines that wait for a person, and the asset register as a table; as a page and in the API.

use askama::Template;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use ioc_common::clock::{self, Timestamp};
use ioc_common::config::Span;
use ioc_common::enrolment::{EnrolRequest, EnrolWaiting, Token};
use ioc_judge::{DeviceKind, Fault, IDENTITY_COLLISION};

use crate::api::{ApiResult, ListQuery, Page, device_id};
use crate::api_types::{self, all, names};
use crate::app::App;
use crate::device::inventory::device_of;
use crate::device::row::{DeviceRow, layouts_of};
use crate::install;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, problem_text, reason_text, show, show_again};
use crate::person::Person;
use crate::problem::Problem;
use crate::rate_limit;
use crate::server::Peer;
use ioc_engine::command::{Answer, Command, CommandError, NewToken};
use ioc_engine::inventory::import::{self, LineFault};
use ioc_engine::refusal_field::Field;
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_store::scope::AccessScope;
use ioc_store::{ApprovalReason, FaultQuery, Grant, NewDevice, RequestRecord, TokenRecord};

/// How long a token can be used, unless something else is asked.
const TOKEN_LIFE: &str = "1d";
/// Longest life of a token.
const TOKEN_LIFE_MAX: Span = Span::secs(90 * 86_400);
/// Tokens that are listed.
const TOKENS: usize = 200;
/// How long a machine that waits should leave between two questions, seconds.
const RETRY_AFTER_S: u32 = 10;
/// Machines that are shown below a token.
const ARRIVED: usize = 50;
/// Largest table of assets, bytes.
pub(crate) const TABLE_MAX_BYTES: usize = 4 * 1024 * 1024;

/// What a new token is to be good for, as programs say it: what is not named here is said of the device.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(crate) struct TokenBody {
    #[serde(default)]
    life: Option<String>,
    #[serde(default)]
    purpose: String,
    #[serde(default)]
    group: bool,
    #[serde(default)]
    uses: Option<u32>,
    #[serde(default)]
    approve: bool,
    #[serde(flatten)]
    #[schemars(with = "api_types::device::NewDevice")]
    device: serde_json::Map<String, Value>,
}

/// How long a token cannot be for.
fn life(english: String) -> Problem {
    let most = [("most", Word::text(TOKEN_LIFE_MAX.to_string()))];
    RefusalReason::new("refusal-life", most, english).invalid().into()
}

fn life_of(text: &str) -> Result<Span, Problem> {
    let life: Span = text.trim().parse().map_err(|why| life(format!("life: {why}")))?;
    if life > TOKEN_LIFE_MAX || life.as_millis() < 1000 {
        return Err(self::life(format!("life: found {life}; allowed are 1s to {TOKEN_LIFE_MAX}")));
    }
    Ok(life)
}

async fn create_token(
    app: &App,
    person: &Person,
    new: NewToken,
    life: Span,
) -> Result<(String, Option<String>), Problem> {
    match app.carry_out(person, Command::NewToken { info: new, life, actor: person.name.clone() }).await? {
        Answer::Token { token, device } => Ok((token, device.map(|device| device.to_string()))),
        _ => Err(CommandError::unexpected_answer().into()),
    }
}

/// A token that was made.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct NewTokenAnswer {
    /// The token; it is shown here and never again.
    token: String,
    /// Which device it makes, where that is known.
    device: Option<String>,
}

/// Makes a token.
pub(crate) async fn api_create_token(
    State(app): State<App>,
    person: Person,
    Json(body): Json<TokenBody>,
) -> Result<(StatusCode, Json<NewTokenAnswer>), Problem> {
    let life = life_of(body.life.as_deref().unwrap_or(TOKEN_LIFE))?;
    let device = device_of(body.device)?;
    let (group, approve, uses) = (body.group, body.approve, body.uses.unwrap_or(1));
    let new = NewToken { device, label: body.purpose, group, uses, approve };
    let (token, device) = create_token(&app, &person, new, life).await?;
    Ok((StatusCode::CREATED, Json(NewTokenAnswer { token, device })))
}

/// Tokens, the newest first, without their secrets.
pub(crate) async fn api_tokens(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<api_types::enrolment::TokenRecord>> {
    let (after, limit) = (query.cursor.clone(), query.limit());
    let items = app.read(&person.scope, move |reader| reader.tokens(after.as_deref(), limit)).await?;
    let next_cursor = items.last().filter(|_| items.len() == limit).map(|token| token.digest.clone());
    Ok(Json(Page { items: all(items), next_cursor }))
}

/// Ends a token.
pub(crate) async fn api_end_token(
    State(app): State<App>,
    person: Person,
    Path(digest): Path<String>,
) -> Result<StatusCode, Problem> {
    app.carry_out(&person, Command::EndToken { digest, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Machines that wait for a person.
pub(crate) async fn api_requests(
    State(app): State<App>,
    person: Person,
) -> ApiResult<Vec<api_types::enrolment::RequestRecord>> {
    Ok(Json(all(app.read(&person.scope, |reader| reader.requests()).await?)))
}

/// A person's word on a machine that waits.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalDecision {
    /// Whether it may come in.
    approve: bool,
    /// What it is, where that is not what was proposed.
    #[serde(default)]
    device: Option<api_types::device::NewDevice>,
}

/// Lets a machine in, or refuses it.
pub(crate) async fn api_decide(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Json(decision): Json<ApprovalDecision>,
) -> Result<StatusCode, Problem> {
    let approved = match decision {
        ApprovalDecision { approve: false, .. } => None,
        ApprovalDecision { device: Some(device), .. } => Some(device.into()),
        ApprovalDecision { device: None, .. } => Some(proposed_device(&app, &id).await?),
    };
    app.carry_out(&person, Command::DecideRequest { id, approved, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a machine would be.
async fn proposed_device(app: &App, id: &str) -> Result<NewDevice, Problem> {
    let missing = RefusalReason::no_request(id).not_found();
    let asked = id.to_owned();
    let request = app.read(&AccessScope::EVERYWHERE, move |reader| reader.request(&asked)).await?;
    Ok(NewDevice::from(request.ok_or(missing)?.info))
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct ImportQuery {
    /// Only say what would be done.
    check: bool,
}

/// Takes a table of assets in: all of it, or nothing.
pub(crate) async fn api_import(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ImportQuery>,
    table: String,
) -> ApiResult<ImportResult> {
    let devices = match import::read(&table) {
        Ok(devices) => devices,
        Err(faults) => {
            let lines: Vec<String> = faults.iter().map(|one| format!("line {}: {}", one.line, one.fault)).collect();
            let count = [("count", Word::count(lines.len()))];
            return Err(RefusalReason::new("refusal-table", count, lines.join("\n")).invalid().into());
        }
    };
    let assets = devices.len();
    let changed = if query.check { None } else { Some(import_devices(&app, &person, devices).await?) };
    Ok(Json(ImportResult { assets, changed }))
}

/// A table that was taken in, or only looked at.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct ImportResult {
    /// How many assets it holds.
    assets: usize,
    /// How many of them are new or said differently; none when it was only looked at.
    changed: Option<usize>,
}

async fn import_devices(app: &App, person: &Person, devices: Vec<NewDevice>) -> Result<usize, Problem> {
    match app.carry_out(person, Command::Import { devices, actor: person.name.clone() }).await? {
        Answer::Imported(changed) => Ok(changed),
        _ => Err(CommandError::unexpected_answer().into()),
    }
}

/// A machine asks to come in.
pub(crate) async fn enrol(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Json(request): Json<EnrolRequest>,
) -> Result<Response, Response> {
    app.limits.take_unauthenticated(rate_limit::ENROL, &peer).map_err(|refused| *refused)?;
    let mut is_new = false;
    let response =
        match app.engine.enrolment_command(Command::Enrol { request: Box::new(request), peer: peer.to_string() }).await
        {
            Ok(Answer::Enrolled(response)) => Json(*response).into_response(),
            Ok(Answer::Waiting { request, new }) => {
                is_new = new;
                let waiting = EnrolWaiting { request, retry_after_s: RETRY_AFTER_S };
                (StatusCode::ACCEPTED, Json(waiting)).into_response()
            }
            Ok(_) => return Err(Problem::from(CommandError::unexpected_answer()).into_response()),
            Err(error) => {
                app.health.count_refused("enrolment");
                if let Some(left_out) = app.log_limit.allows("enrolment", peer.address(), clock::boottime_ms()) {
                    tracing::warn!(%peer, %error, left_out, "enrolment refused");
                }
                return Err(Problem::from(error).into_response());
            }
        };
    // Its token is good: it costs its address nothing, but for a new place among those that wait.
    if !is_new {
        app.limits.refund(rate_limit::ENROL, &peer);
    }
    Ok((Extension(rate_limit::ValidToken), response).into_response())
}

names! {
    /// What the page does.
    EnrolmentAction {
        /// Makes a token.
        Token = "token",
        /// Makes a token by which a device is enrolled anew.
        Anew = "anew",
        /// Lets a device report again whose identity was found on two machines.
        Release = "release",
        /// Ends a token.
        End = "end",
        /// Lets a machine in that waits.
        Approve = "approve",
        /// Refuses it.
        Refuse = "refuse",
        /// Takes a table of assets in.
        Import = "import",
    }
}

/// What the page's forms send: each names what it does.
#[derive(Debug, Deserialize)]
pub(crate) struct EnrolmentActionForm {
    action: EnrolmentAction,
    #[serde(flatten)]
    form: EnrolmentForm,
}

/// Everything that one of them may say.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EnrolmentForm {
    // A token.
    group: String,
    purpose: String,
    uses: String,
    life: String,
    approve: String,
    // A device, or what devices of a group take over.
    device: String,
    kind: String,
    name: String,
    label: String,
    place: String,
    officer: String,
    leader: String,
    tags: String,
    /// A token that there is, by its digest.
    token: String,
    /// A machine that waits, by the identifier of its request.
    request: String,
    // Assets.
    table: String,
    check: String,
}

impl EnrolmentForm {
    /// What the page offers at first.
    fn initial() -> Self {
        Self { group: "1".into(), uses: "50".into(), life: "7d".into(), ..Self::default() }
    }

    /// What was refused, to be mended; the page's other forms as at first.
    fn for_correction(self, action: EnrolmentAction) -> Self {
        if action == EnrolmentAction::Token { self } else { Self { table: self.table, ..Self::initial() } }
    }

    fn device(&self) -> NewDevice {
        let text = |text: &str| text.trim().to_owned();
        NewDevice {
            device: text(&self.device),
            kind: text(&self.kind),
            name: text(&self.name),
            label: text(&self.label),
            place: text(&self.place),
            officer: text(&self.officer),
            leader: text(&self.leader),
            tags: self.tags.split([',', ' ']).filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
            ..NewDevice::default()
        }
    }
}

/// What was done, and is told once.
#[derive(Default)]
struct EnrolmentResult {
    error: Option<String>,
    faults: Vec<LineFault>,
    /// A token, and what is to be done with it.
    token: Option<MadeToken>,
    /// A text, and how many assets it is about.
    assets: Option<(&'static str, u64)>,
}

/// A token that was made, with the lines to paste into a shell of a machine.
struct MadeToken {
    /// Does all that is to be done on a machine that is new; none where a device is to be enrolled anew.
    line: Option<String>,
    /// What is done on a machine that has the agent: the token goes in by standard input.
    command: String,
    /// When it was made: who came in since is shown below it.
    since: i64,
    digest: String,
}

impl EnrolmentResult {
    /// A token was made, for a machine that is new.
    async fn token(app: &App, token: String) -> Result<Self, Problem> {
        let line = install::line_of(app, &token).await?;
        Ok(Self { token: Some(MadeToken::new(app, &token, Some(line), "")), ..Self::default() })
    }

    /// A token was made by which a device is enrolled anew.
    fn token_anew(app: &App, token: &str) -> Self {
        Self { token: Some(MadeToken::new(app, token, None, "--anew ")), ..Self::default() }
    }
}

impl MadeToken {
    /// `how` stands between the command and the address.
    fn new(app: &App, token: &str, line: Option<String>, how: &str) -> Self {
        let server = install::server_address(app);
        let restart = if how.is_empty() { "enable --now" } else { "restart" };
        let command = format!(
            "sudo sh -c 'ioc-agent enrol {how}--server {server} - && systemctl {restart} ioc-agent' <<<'{token}'"
        );
        let digest = token.parse::<Token>().map(|token| token.digest()).unwrap_or_default();
        Self { line, command, since: clock::now().as_millis(), digest }
    }
}

#[derive(Template)]
#[template(path = "enrolment.html")]
struct EnrolmentPage {
    page_context: PageContext,
    /// Devices whose identity was found on two machines.
    collisions: Vec<Fault>,
    requests: Vec<RequestRecord>,
    tokens: Vec<TokenRecord>,
    form: EnrolmentForm,
    done: EnrolmentResult,
}

impl EnrolmentPage {
    fn reason(&self, reason: &ApprovalReason) -> String {
        let (key, device) = match reason {
            ApprovalReason::Asked => ("why-asked", None),
            ApprovalReason::Enrolled { device } => ("why-enrolled", Some(device)),
            ApprovalReason::Name { device } => ("why-name", Some(device)),
            ApprovalReason::Machine { device } => ("why-machine", Some(device)),
            ApprovalReason::Kind { device } => ("why-kind", Some(device)),
            ApprovalReason::Place { device } => ("why-place", Some(device)),
            ApprovalReason::Uplink { device } => ("why-uplink", Some(device)),
            ApprovalReason::Importance { device } => ("why-importance", Some(device)),
            ApprovalReason::Address { device } => ("why-address", Some(device)),
            ApprovalReason::Hardware { device } => ("why-hardware", Some(device)),
            ApprovalReason::Look { device } => ("why-look", Some(device)),
            ApprovalReason::Removed { device } => ("why-removed", Some(device)),
        };
        let text = self.page_context.t(key);
        device.map_or_else(|| text.clone(), |device| format!("{text}: {device}"))
    }

    /// Whether people should think twice.
    fn needs_attention(request: &RequestRecord) -> bool {
        request.reasons.iter().any(|reason| *reason != ApprovalReason::Asked)
    }

    fn fault(&self, fault: &LineFault) -> String {
        reason_text(&self.page_context, &fault.fault)
    }

    fn is_usable(&self, token: &TokenRecord) -> bool {
        token.refusal(self.page_context.now).is_none()
    }

    fn token_name(token: &TokenRecord) -> &str {
        match &token.grant {
            Grant::Device { info, .. } => &info.name,
            Grant::Group { .. } => &token.label,
        }
    }

    fn kind(token: &TokenRecord) -> &str {
        match &token.grant {
            Grant::Device { info, .. } => info.kind.as_str(),
            Grant::Group { template } => &template.kind,
        }
    }

    fn tags(request: &RequestRecord) -> String {
        request.info.tags.join(", ")
    }
}

async fn show_page(app: &App, page_context: PageContext, form: EnrolmentForm, done: EnrolmentResult) -> PageResult {
    let read = app.read(&page_context.scope, |reader| {
        let rules = [IDENTITY_COLLISION.to_owned()];
        let collisions = reader.faults(&FaultQuery { rules: &rules, open: true, ..FaultQuery::default() }, TOKENS)?;
        Ok((collisions, reader.requests()?, reader.tokens(None, TOKENS)?))
    });
    match read.await {
        Ok((collisions, requests, tokens)) => {
            let refused = done.error.is_some() || !done.faults.is_empty();
            Ok(show_again(&EnrolmentPage { page_context, collisions, requests, tokens, form, done }, refused))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    show_page(&app, page_context(&app, &person, &headers), EnrolmentForm::initial(), EnrolmentResult::default()).await
}

/// Adds machines: few questions, and then the one line to paste.
#[derive(Template)]
#[template(path = "enrolment-add.html")]
struct AddPage {
    page_context: PageContext,
    places: Vec<String>,
}

pub(crate) async fn add(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    match app.read(&person.scope, |reader| reader.places()).await {
        Ok(places) => Ok(show(&AddPage { page_context, places })),
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// Who is waited for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ArrivedQuery {
    /// Since when, milliseconds.
    since: i64,
    /// Digest of the token.
    token: String,
}

/// Those that came in, and those that wait for a person: what stands below a token that was just made, read anew while somebody watches.
#[derive(Template)]
#[template(path = "arrived.html")]
struct ArrivedPage {
    page_context: PageContext,
    requests: Vec<RequestRecord>,
    rows: Vec<DeviceRow>,
}

/// Machines that came in since a token was made, and those that wait with it.
pub(crate) async fn arrived(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<ArrivedQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let (since, token, now) = (Timestamp::from_millis(query.since), query.token, page_context.now);
    let read = app.read(&person.scope, move |reader| {
        let mut requests = reader.requests()?;
        requests.retain(|request| request.token == token);
        let mut records = Vec::new();
        for id in reader.certified_since(since)?.iter().take(ARRIVED) {
            records.extend(reader.device(id)?);
        }
        let layouts = layouts_of(&records, reader)?;
        let rows = records.into_iter().map(|record| DeviceRow::new(record, &layouts, now)).collect();
        Ok((requests, rows))
    });
    match read.await {
        Ok((requests, rows)) => Ok(show(&ArrivedPage { page_context, requests, rows })),
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn act(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(EnrolmentActionForm { action, form }): Form<EnrolmentActionForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    match carry_out(&app, &person, action, &form).await {
        Ok(None) => Ok(Redirect::to("/enrolment").into_response()),
        Ok(Some(done)) if done.faults.is_empty() => show_page(&app, page_context, EnrolmentForm::initial(), done).await,
        Ok(Some(done)) => show_page(&app, page_context, form.for_correction(action), done).await,
        Err(problem) => {
            let error = Some(problem_text(&page_context, &problem));
            let done = EnrolmentResult { error, ..EnrolmentResult::default() };
            show_page(&app, page_context, form.for_correction(action), done).await
        }
    }
}

async fn carry_out(
    app: &App,
    person: &Person,
    action: EnrolmentAction,
    form: &EnrolmentForm,
) -> Result<Option<EnrolmentResult>, Problem> {
    let actor = person.name.clone();
    match action {
        EnrolmentAction::Token => {
            let life = life_of(&form.life)?;
            let group = !form.group.is_empty();
            let uses = if group { form.uses.trim() } else { "1" };
            let uses = uses.parse().map_err(|_| Field::Uses.number(uses).invalid())?;
            let (label, approve) = (form.purpose.clone(), !form.approve.is_empty());
            let new = NewToken { device: form.device(), label, group, uses, approve };
            let (token, _) = create_token(app, person, new, life).await?;
            Ok(Some(EnrolmentResult::token(app, token).await?))
        }
        EnrolmentAction::Anew => {
            let id = device_id(&form.device)?;
            let missing = RefusalReason::no_device(&id).not_found();
            let known = app.read(&person.scope, move |reader| reader.device(&id)).await?;
            let info = known.ok_or(missing)?.info;
            let new = NewToken { device: info.into(), label: String::new(), group: false, uses: 1, approve: false };
            let (token, _) = create_token(app, person, new, life_of(TOKEN_LIFE)?).await?;
            Ok(Some(EnrolmentResult::token_anew(app, &token)))
        }
        EnrolmentAction::Release => {
            let device = device_id(&form.device)?;
            app.carry_out(person, Command::Release { device, actor }).await?;
            Ok(None)
        }
        EnrolmentAction::End => {
            app.carry_out(person, Command::EndToken { digest: form.token.clone(), actor }).await?;
            Ok(None)
        }
        EnrolmentAction::Approve => {
            // What stands in no field of the form stays as it was proposed.
            let shown = form.device();
            let approved = NewDevice {
                device: shown.device,
                kind: shown.kind,
                name: shown.name,
                label: shown.label,
                place: shown.place,
                tags: shown.tags,
                ..proposed_device(app, &form.request).await?
            };
            app.carry_out(person, Command::DecideRequest { id: form.request.clone(), approved: Some(approved), actor })
                .await?;
            Ok(None)
        }
        EnrolmentAction::Refuse => {
            app.carry_out(person, Command::DecideRequest { id: form.request.clone(), approved: None, actor }).await?;
            Ok(None)
        }
        EnrolmentAction::Import => match import::read(&form.table) {
            Err(faults) => Ok(Some(EnrolmentResult { faults, ..EnrolmentResult::default() })),
            Ok(devices) if !form.check.is_empty() => Ok(Some(EnrolmentResult {
                assets: Some(("assets-good", devices.len() as u64)),
                ..EnrolmentResult::default()
            })),
            Ok(devices) => {
                let changed = import_devices(app, person, devices).await?;
                Ok(Some(EnrolmentResult {
                    assets: Some(("assets-taken", changed as u64)),
                    ..EnrolmentResult::default()
                }))
            }
        },
    }
}
