//! What people do with inventory takings (article 6.1): open one, tick what is found on a telephone, write down what is not in the register, close it with minutes
//! and say what became of what differs; and the minutes as they stand.

use std::collections::BTreeMap;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect};
use serde::Deserialize;

use ioc_common::clock::{self, Timestamp};
use ioc_document::model::Document;

use super::count::{CountAddress, TAKINGS, Typed, counting, counting_within, render, render_list, whole};
use super::scope_of;
use crate::api::device_id;
use crate::api_types::names;
use crate::app::App;
use crate::page::{PageResult, page_context, refusal_text};
use crate::person::Person;
use crate::problem::Problem;
use crate::report::file::{self, PartQuery, why_not};
use crate::report::refusals::no_agency;
use ioc_engine::command::{Answer, Command, CommandError, CountToClose, FoundThing};
use ioc_engine::refusal_field::Field;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_engine::writer::inventory_counts::{no_members, ticked_since};
use ioc_report::draft::IssuedSource;
use ioc_store::inventory_count::{Member, Tick, TickState};
use ioc_store::report::IssuedPart;
use ioc_store::scope::AccessScope;

/// What is to be counted.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct OpenBody {
    /// The place, with what is below it; empty for all.
    pub(super) place: String,
}

pub(super) async fn opened(app: &App, person: &Person, place: String) -> Result<u64, CommandError> {
    match app.carry_out(person, Command::OpenCount { place, actor: person.name.clone() }).await? {
        Answer::Count(number) => Ok(number),
        _ => Err(CommandError::unexpected_answer()),
    }
}

pub(crate) async fn open(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<OpenBody>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    match opened(&app, &person, form.place).await {
        Ok(number) => Ok(Redirect::to(&format!("/register/counts/{number}")).into_response()),
        Err(error) => {
            let text = refusal_text(&page_context, &error);
            render_list(&app, &person, page_context, Some(text)).await
        }
    }
}

names! {
    /// What was found of an asset.
    CountedState is TickState {
        /// It is where the register says.
        Found = "found",
        /// It is there, without its label.
        LabelMissing = "label_missing",
        /// It is somewhere else.
        Elsewhere = "elsewhere",
        /// It was looked for and is not there.
        NotFound = "not_found",
    }
}

/// What was found of an asset.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TickBody {
    /// Which device. One that the register has at another place is ticked as `elsewhere`, where it was found here.
    device: String,
    /// What was found.
    state: CountedState,
    /// Where it is, for `elsewhere`.
    #[serde(default)]
    place: String,
    /// What else is to be said.
    #[serde(default)]
    remark: String,
    /// `at` of the tick of this asset that whoever says so has seen; none where they saw none.
    #[serde(default)]
    seen: Option<Timestamp>,
}

pub(super) async fn ticked(app: &App, person: &Person, count: u64, body: TickBody) -> Result<(), Problem> {
    let device = device_id(&body.device)?;
    let (place, remark, by) = (body.place, body.remark, String::new());
    let tick = Tick { device, state: body.state.into(), place, remark, by, at: Timestamp::MIN };
    let command = Command::TickAsset { count, tick, seen: body.seen, actor: person.name.clone() };
    Ok(app.carry_out(person, command).await.map(drop)?)
}

/// What the form of a taking's page has in it.
struct Fields(BTreeMap<String, String>);

impl Fields {
    fn text(&self, field: &str) -> String {
        self.0.get(field).cloned().unwrap_or_default()
    }
}

/// Ticks an asset, by the page.
pub(crate) async fn act(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Query(address): Query<CountAddress>,
    Form(form): Form<BTreeMap<String, String>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let fields = Fields(form);
    let done = match TickState::parse(&fields.text("state")) {
        Some(state) => {
            let seen = fields.text("seen").parse().ok().map(Timestamp::from_millis);
            let (device, place, remark) = (fields.text("device"), fields.text("place"), fields.text("remark"));
            let body = TickBody { device, state: state.into(), place, remark, seen };
            ticked(&app, &person, number, body).await.map_err(Problem::refused)
        }
        None => {
            let states = TickState::ALL.map(TickState::as_str).join(", ");
            Err(Field::State.allowed(&fields.text("state"), &states).invalid())
        }
    };
    match done {
        Ok(()) => {
            let show = if address.show.is_empty() { String::new() } else { format!("?show={}", address.show) };
            Ok(Redirect::to(&format!("/register/counts/{number}{show}")).into_response())
        }
        Err(error) => {
            let text = refusal_text(&page_context, &error);
            render(&app, &person, page_context, (number, address), Some((text, fields.0))).await
        }
    }
}

/// Something that was found and is not in the register.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct FindBody {
    /// What it is.
    what: String,
    /// The label on it; empty where there is none.
    label: String,
    serial: String,
    /// Where it is; that of the taking where it is empty.
    place: String,
    remark: String,
}

pub(super) async fn found(app: &App, person: &Person, count: u64, body: FindBody) -> Result<(), Problem> {
    let FindBody { what, label, serial, mut place, remark } = body;
    if place.trim().is_empty() {
        // Whoever is limited to places writes down what stands at theirs.
        place = counting(app, person, count, "").await?.count.place;
    }
    let thing = FoundThing { what, label, serial, place, remark };
    Ok(app.carry_out(person, Command::AddFind { count, thing, actor: person.name.clone() }).await.map(drop)?)
}

pub(crate) async fn find(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Form(form): Form<BTreeMap<String, String>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let fields = Fields(form);
    let body = FindBody {
        what: fields.text("what"),
        label: fields.text("label"),
        serial: fields.text("serial"),
        place: fields.text("place"),
        remark: fields.text("remark"),
    };
    match found(&app, &person, number, body).await {
        Ok(()) => Ok(Redirect::to(&format!("/register/counts/{number}#finds")).into_response()),
        Err(problem) => {
            let text = refusal_text(&page_context, &problem.refused());
            let address = (number, CountAddress::default());
            render(&app, &person, page_context, address, Some((text, fields.0))).await
        }
    }
}

/// How a taking is closed.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct CloseBody {
    /// The commission, a member a line: name, and what they are behind a comma.
    members: String,
    /// Remarks and proposals of the commission.
    remark: String,
    /// What was ticked when it was looked at, as the taking has it; anything without.
    seen: String,
}

fn members_of(text: &str) -> Vec<Member> {
    let member = |line: &str| {
        let (name, title) = line.split_once(',').unwrap_or((line, ""));
        Member { name: name.trim().to_owned(), title: title.trim().to_owned() }
    };
    text.lines().map(member).filter(|member| !member.name.is_empty()).collect()
}

pub(super) async fn closed(app: &App, person: &Person, number: u64, body: &CloseBody) -> Result<u64, CommandError> {
    if !person.scope.is_everywhere() {
        return Err(RefusalReason::whole_centre().forbidden());
    }
    let counting = whole(app, number).await.map_err(Problem::refused)?;
    if !body.seen.is_empty() && body.seen != counting.seen() {
        return Err(ticked_since().conflict());
    }
    let (members, remark) = (members_of(&body.members), body.remark.trim().to_owned());
    if members.is_empty() {
        return Err(no_members(0).invalid());
    }
    if counting.settings.agency.is_empty() {
        return Err(no_agency());
    }
    let now = clock::now();
    let document = counting.document(app, (&members, &remark), Some(now));
    let content = file::bytes(&document).map_err(Problem::refused)?;
    let title = document.summary.clone();
    let source = IssuedSource { document, articles: Vec::new(), gathered_at: now };
    let source = serde_json::to_string(&source).map_err(|error| CommandError::Unavailable(error.to_string()))?;
    let (assets, ticks) = (counting.rows.len() as u64, counting.ticks());
    let finds = counting.finds.len() as u64;
    let closing = Box::new(CountToClose { number, members, remark, assets, ticks, finds, title, content, source });
    match app.carry_out(person, Command::CloseCount { closing, actor: person.name.clone() }).await? {
        Answer::Report(minutes) => Ok(minutes),
        _ => Err(CommandError::unexpected_answer()),
    }
}

pub(crate) async fn close(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Form(form): Form<BTreeMap<String, String>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let fields = Fields(form);
    let body = CloseBody { members: fields.text("members"), remark: fields.text("remark"), seen: fields.text("seen") };
    match closed(&app, &person, number, &body).await {
        Ok(_) => Ok(Redirect::to(&format!("/register/counts/{number}")).into_response()),
        Err(error) => {
            let text = refusal_text(&page_context, &error);
            let address = (number, CountAddress::default());
            render(&app, &person, page_context, address, Some((text, fields.0))).await
        }
    }
}

/// What became of an asset.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(crate) struct SettleBody {
    /// Which device.
    device: String,
    /// What became of it.
    remark: String,
}

pub(super) async fn settled(app: &App, person: &Person, body: SettleBody) -> Result<(), Problem> {
    let device = device_id(&body.device)?;
    let command = Command::SettleCounted { device, remark: body.remark, actor: person.name.clone() };
    Ok(app.carry_out(person, command).await.map(drop)?)
}

/// What became of something that is not in the register.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct SettleFindBody {
    /// What became of it.
    remark: String,
}

pub(super) async fn settled_find(
    app: &App,
    person: &Person,
    (count, find): (u64, u32),
    body: SettleFindBody,
) -> Result<(), Problem> {
    let command = Command::SettleFind { count, find, remark: body.remark, actor: person.name.clone() };
    Ok(app.carry_out(person, command).await.map(drop)?)
}

/// Says what became of an asset, or of something that is not in the register.
pub(crate) async fn settle(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Form(form): Form<BTreeMap<String, String>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let fields = Fields(form);
    let remark = fields.text("remark");
    let done = match fields.text("find").as_str() {
        "" => settled(&app, &person, SettleBody { device: fields.text("device"), remark }).await,
        find => settled_find(&app, &person, (number, find.parse().unwrap_or(0)), SettleFindBody { remark }).await,
    };
    match done {
        Ok(()) => Ok(Redirect::to(&format!("/register/counts/{number}")).into_response()),
        Err(problem) => {
            let refused = (refusal_text(&page_context, &problem.refused()), Typed::new());
            render(&app, &person, page_context, (number, CountAddress::default()), Some(refused)).await
        }
    }
}

/// The minutes as they were issued, of a taking that is closed: the register goes on. Who may not see people, or reaches some places alone, has what they may see
/// of it put together anew.
async fn issued(app: &App, minutes: u64) -> Result<Option<Document>, Problem> {
    let everywhere = AccessScope::EVERYWHERE;
    let found = app.read(&everywhere, move |reader| reader.issued_content(minutes, IssuedPart::Source)).await?;
    let Some(bytes) = found else { return Ok(None) };
    let source: IssuedSource = serde_json::from_slice(&bytes)
        .map_err(|error| Problem::internal(format!("issued report {minutes}: {error}")))?;
    Ok(Some(source.document))
}

async fn draft_of(app: &App, person: &Person, number: u64) -> Result<Document, Problem> {
    let scope = scope_of(app, person, TAKINGS).await;
    let counting = counting_within(app, person, &scope, number, "").await?;
    if let Some(closed) = counting.count.closed.as_ref().filter(|_| scope.is_everywhere() && scope.sees_names())
        && let Some(document) = issued(app, closed.minutes).await?
    {
        return Ok(document);
    }
    let closed = counting.count.closed.as_ref();
    let members = closed.map(|closed| closed.members.as_slice()).unwrap_or_default();
    let remark = closed.map(|closed| closed.remark.as_str()).unwrap_or_default();
    Ok(counting.document(app, (members, remark), closed.map(|closed| closed.at)))
}

/// The minutes as they stand; those that were issued are among issued reports.
pub(crate) async fn print(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Query(part): Query<PartQuery>,
) -> PageResult {
    file::printed(draft_of(&app, &person, number).await, &part, why_not(&app, &person, &headers))
}

pub(crate) async fn docx(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
) -> PageResult {
    let made = draft_of(&app, &person, number).await;
    let made = made.map(|document| (format!("bien-ban-kiem-ke-{number}"), document));
    file::downloaded(made, why_not(&app, &person, &headers))
}
