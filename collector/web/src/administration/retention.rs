//! How long records are kept, what legal holds keep beyond that, and the evidence of what was deleted (article 6.3): the page *Records*, and the
//! same in the API.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};

use ioc_common::clock::{self, Timestamp};
use ioc_common::config::Span;
use ioc_common::id::IncidentId;
use ioc_common::language::Language;

use super::backups::everywhere;
use crate::api::{ApiResult, Page, number_of_cursor, page_limit};
use crate::api_types::{Text, names};
use crate::app::App;
use crate::maintenance::parse_moment;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show_again};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::{Answer, Command, CommandError};
use ioc_engine::config::{ClassEnd, Config};
use ioc_engine::inventory::device::device_id;
use ioc_engine::records_count::RecordsCount;
use ioc_engine::refusal_field::Field;
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_store::retention::{Counted, Hold, HoldTarget, LOOKED_MAX, RecordClass};
use ioc_store::{Reader, StoreError};

/// Deletions and ended holds on the page.
const SHOWN: usize = 50;

names! {
    /// A class of records.
    ClassName is RecordClass {
        /// Numbers as they were reported.
        NumbersRaw = "numbers-raw",
        /// Numbers summed up over five minutes.
        NumbersFiveMinutes = "numbers-5m",
        /// Numbers summed up over an hour.
        NumbersHour = "numbers-1h",
        /// Events of devices, and remarks on them.
        Events = "events",
        /// Faults, as long as their incident is there, and as long as they are kept themselves.
        Faults = "faults",
        /// Incidents that are closed, with timeline, tickets and files.
        Incidents = "incidents",
        /// Notices, and what became of them.
        Notices = "notices",
        /// The audit log, signing in included.
        Audit = "audit",
        /// Reports, filings, forms and minutes that were issued, what people wrote into those that are not yet, and reviews of accounts.
        Reports = "reports",
        /// What people attested, of backups, of machines without an agent and of accounts, with the files that show it.
        Attestations = "attestations",
        /// Tables that were taken into the asset register, and what each changed.
        AssetImports = "asset-imports",
        /// What surveys found on devices, and how it changed.
        Documents = "documents",
        /// Machines that asked to come in.
        Enrolments = "enrolments",
    }
}

names! {
    /// What a legal hold is on.
    HoldKind {
        /// An incident, with what its devices said from a day before it to a day after it.
        Incident = "incident",
        /// Everything of a device.
        Device = "device",
        /// Whatever names a person.
        Person = "person",
        /// Everything of a class.
        Class = "class",
        /// Everything of a period.
        Period = "period",
    }
}

/// A number that was counted up to a bound.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct HeldCount {
    /// So many.
    count: u64,
    /// It was counted to the end; else there may be more.
    whole: bool,
}

impl From<Counted> for HeldCount {
    fn from(Counted { count, whole }: Counted) -> Self {
        Self { count, whole }
    }
}

/// How long a class is kept, and how much of it there is.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct ClassStatus {
    /// Which class.
    class: ClassName,
    /// How long after its end, seconds; null for good.
    keep_s: Option<u64>,
    /// The least without a reason, seconds; 0 where no text asks for any.
    floor_s: u64,
    /// What becomes of it then: delete, export, summarise or never.
    end: &'static str,
    /// What that goes by.
    source: Text,
    /// Who decided; empty for the default.
    by: String,
    /// Why it is less than the floor; empty where it is not.
    reason: String,
    /// How many records, or chunks of numbers; null where nothing of it is kept by this version, or it was not counted yet.
    count: Option<u64>,
    /// They were counted to the end; else there are more.
    count_whole: bool,
    /// The moment of the oldest.
    oldest: Option<Timestamp>,
    /// How many a legal hold keeps; null where that is not counted.
    held: Option<HeldCount>,
    /// How many are past their time and not held; null where that is not counted.
    going: Option<HeldCount>,
    /// When that was counted; null before it was.
    counted_at: Option<Timestamp>,
    /// Since when the rule is in force; null before it is kept.
    since: Option<Timestamp>,
    /// Until when a rule that is new or shorter waits before it deletes anything; null where it does not wait.
    waits_until: Option<Timestamp>,
    /// What was deleted last; null when nothing was.
    last: Option<DeletionItem>,
}

impl ClassStatus {
    fn has_floor(&self) -> bool {
        self.floor_s > 0
    }
}

/// How many years so many days are, leap days included; none where they are no whole years.
fn years_of(days: u64) -> Option<u64> {
    let years = days * 4 / 1461;
    (years > 0 && days == (years * 1461).div_ceil(4)).then_some(years)
}

/// What is left of records that were deleted.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct DeletionItem {
    /// Its number, from 1.
    number: u64,
    /// When they were deleted.
    at: Timestamp,
    /// Of which class.
    class: ClassName,
    /// The moment of the oldest.
    first: Timestamp,
    /// The moment of the newest.
    last: Timestamp,
    /// How many records, or chunks of numbers.
    count: u64,
    /// The digest over them, hex (docs/records.md).
    digest: String,
    /// The rule that was in force, with who changed it last.
    rule: String,
    /// The file that they were exported to before; empty for none.
    exported: String,
}

impl From<ioc_store::retention::Deletion> for DeletionItem {
    fn from(one: ioc_store::retention::Deletion) -> Self {
        let ioc_store::retention::Deletion { number, at, class, first, last, count, digest, rule, exported } = one;
        Self { number, at, class: class.into(), first, last, count, digest, rule, exported }
    }
}

/// A legal hold.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct HoldItem {
    /// Its number.
    number: u64,
    /// What it is on: incident, device, person, class or period.
    kind: &'static str,
    /// What of that kind; empty for a period.
    subject: String,
    /// Only what lasted until this moment or longer; null for no bound.
    from: Option<Timestamp>,
    /// Only what began by this moment; null for no bound.
    until: Option<Timestamp>,
    /// Why.
    reason: String,
    /// When it was set.
    at: Timestamp,
    /// Who set it.
    by: String,
    /// When it ended; null while it holds.
    ended_at: Option<Timestamp>,
    /// Who ended it.
    ended_by: Option<String>,
    /// Why it ended.
    end_reason: Option<String>,
    /// How much it keeps, by class; empty once it has ended.
    keeps: Vec<HeldClass>,
    /// When that was counted; null before it was.
    counted_at: Option<Timestamp>,
}

/// How much a hold keeps of a class.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct HeldClass {
    /// Of which class.
    class: ClassName,
    /// How many; null where that is not counted.
    held: Option<HeldCount>,
}

impl HoldItem {
    fn of(hold: Hold, counted: Option<&RecordsCount>) -> Self {
        let counted =
            counted.filter(|_| hold.ended.is_none()).and_then(|all| Some((all.at, all.holds.get(&hold.number)?)));
        let (counted_at, keeps) = counted.map_or((None, Vec::new()), |(at, keeps)| (Some(at), keeps.clone()));
        let (ended_at, ended_by, end_reason) =
            hold.ended.map_or((None, None, None), |end| (Some(end.at), Some(end.by), Some(end.reason)));
        let keeps = keeps.into_iter().filter(|(_, held)| held.is_none_or(|held| held.count > 0 || !held.whole));
        Self {
            number: hold.number,
            kind: hold.target.kind(),
            subject: hold.target.subject(),
            from: hold.from,
            until: hold.until,
            reason: hold.reason,
            at: hold.at,
            by: hold.by,
            ended_at,
            ended_by,
            end_reason,
            keeps: keeps
                .map(|(class, held)| HeldClass { class: class.into(), held: held.map(HeldCount::from) })
                .collect(),
            counted_at,
        }
    }
}

fn statuses(
    reader: &dyn Reader,
    config: &Config,
    counted: Option<&RecordsCount>,
) -> Result<Vec<ClassStatus>, StoreError> {
    let seconds = |span: Span| span.as_millis().unsigned_abs() / 1000;
    let (told, now) = (reader.retention_rules()?, clock::now());
    let mut all = Vec::new();
    for class in RecordClass::ALL {
        let Some(rule) = config.retention.of(class) else { continue };
        let count = counted.and_then(|all| all.classes.get(&class)).copied().unwrap_or_default();
        let deletes = !matches!(rule.end, ClassEnd::Never) && rule.keep.is_some();
        all.push(ClassStatus {
            class: class.into(),
            keep_s: rule.keep.map(seconds),
            floor_s: seconds(rule.floor()),
            end: rule.end.as_str(),
            source: rule.source().into(),
            by: rule.by.clone(),
            reason: rule.reason.clone(),
            count: count.size.map(|size| size.count.count),
            count_whole: count.size.is_none_or(|size| size.count.whole),
            oldest: count.size.and_then(|size| size.oldest),
            held: count.held.map(HeldCount::from),
            going: count.going.map(HeldCount::from),
            counted_at: counted.map(|all| all.at),
            since: told.iter().find(|one| one.class == class).map(|one| one.since),
            waits_until: config.retention.waits_until(&told, class, now).filter(|_| deletes),
            last: reader.last_deletion(class)?.map(DeletionItem::from),
        });
    }
    Ok(all)
}

fn hold_items(reader: &dyn Reader, counted: Option<&RecordsCount>) -> Result<Vec<HoldItem>, StoreError> {
    Ok(reader.holds()?.into_iter().map(|hold| HoldItem::of(hold, counted)).collect())
}

pub(crate) async fn api_classes(State(app): State<App>, person: Person) -> ApiResult<Vec<ClassStatus>> {
    everywhere(&person)?;
    let (config, counted) = (app.config(), app.health.records.newest());
    Ok(Json(app.read(&person.scope, move |reader| statuses(reader, &config, counted.as_deref())).await?))
}

pub(crate) async fn api_holds(State(app): State<App>, person: Person) -> ApiResult<Vec<HoldItem>> {
    everywhere(&person)?;
    let counted = app.health.records.newest();
    Ok(Json(app.read(&person.scope, move |reader| hold_items(reader, counted.as_deref())).await?))
}

/// A person has a rule that waits delete from now on.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BeginningOfDeletion {
    /// Why: 1 to 500 characters in one line.
    reason: String,
    /// The name of who means it; needed at the machine itself, where the account is nobody's.
    #[serde(default)]
    name: String,
}

fn no_class(found: &str) -> RefusalReason {
    let all = RecordClass::ALL.map(RecordClass::as_str);
    let english = format!("there is no class {found:?}; there are {}", all.join(", "));
    let args = [("found", Word::text(found)), ("allowed", Word::all("records-class", all))];
    RefusalReason::new("refusal-no-class", args, english)
}

fn class_of(name: &str) -> Result<RecordClass, CommandError> {
    RecordClass::of(name).ok_or_else(|| no_class(name).not_found())
}

pub(crate) async fn api_begin(
    State(app): State<App>,
    person: Person,
    Path(class): Path<String>,
    Json(begin): Json<BeginningOfDeletion>,
) -> Result<StatusCode, Problem> {
    let BeginningOfDeletion { reason, name } = begin;
    let command = Command::BeginDeletion { class: class_of(&class)?, reason, name, actor: person.name.clone() };
    app.carry_out(&person, command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which deletions.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct DeletionsQuery {
    /// Most items; 100 without.
    limit: Option<usize>,
    /// Where an earlier answer says to go on.
    cursor: Option<String>,
}

pub(crate) async fn api_deletions(
    State(app): State<App>,
    person: Person,
    Query(query): Query<DeletionsQuery>,
) -> ApiResult<Page<DeletionItem>> {
    everywhere(&person)?;
    let (before, limit) = (number_of_cursor(query.cursor.as_deref())?, page_limit(query.limit));
    let found = app.read(&person.scope, move |reader| reader.deletions(before, limit)).await?;
    let next_cursor = found.last().filter(|_| found.len() == limit).map(|one| one.number.to_string());
    Ok(Json(Page { items: found.into_iter().map(DeletionItem::from).collect(), next_cursor }))
}

/// A legal hold that is to be set.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewHold {
    /// What it is on.
    kind: HoldKind,
    /// What of that kind: `INC-000012`, the identifier of a device, the name of a person's account, a class; not for a period.
    #[serde(default)]
    subject: String,
    /// Only what lasted until this moment or longer.
    #[serde(default)]
    from: Option<Timestamp>,
    /// Only what began by this moment.
    #[serde(default)]
    until: Option<Timestamp>,
    /// Why: 1 to 500 characters in one line.
    reason: String,
    /// The name of who means it; needed at the machine itself, where the account is nobody's.
    #[serde(default)]
    name: String,
}

/// The hold that was set.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct HoldSet {
    /// Its number.
    number: u64,
}

fn target(kind: HoldKind, subject: &str) -> Result<HoldTarget, CommandError> {
    let subject = subject.trim();
    Ok(match kind {
        HoldKind::Incident => {
            let digits = subject.trim_start_matches("INC-");
            let number = digits.parse().map_err(|_| Field::Subject.allowed(subject, "INC-000012").invalid())?;
            HoldTarget::Incident(IncidentId(number))
        }
        HoldKind::Device => HoldTarget::Device(device_id(subject)?),
        HoldKind::Person => HoldTarget::Person(subject.to_owned()),
        HoldKind::Class => HoldTarget::Class(RecordClass::of(subject).ok_or_else(|| no_class(subject).invalid())?),
        HoldKind::Period => HoldTarget::Period,
    })
}

pub(crate) async fn api_set(
    State(app): State<App>,
    person: Person,
    Json(new): Json<NewHold>,
) -> Result<(StatusCode, Json<HoldSet>), Problem> {
    let NewHold { kind, subject, from, until, reason, name } = new;
    let target = target(kind, &subject)?;
    let command = Command::SetHold { target, from, until, reason, name, actor: person.name.clone() };
    match app.carry_out(&person, command).await? {
        Answer::Hold(number) => Ok((StatusCode::CREATED, Json(HoldSet { number }))),
        _ => Err(Problem::internal("the engine answered with something else")),
    }
}

/// How a legal hold ends.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndOfHold {
    /// Why: 1 to 500 characters in one line.
    reason: String,
    /// The name of who means it; needed at the machine itself, where the account is nobody's.
    #[serde(default)]
    name: String,
}

pub(crate) async fn api_end(
    State(app): State<App>,
    person: Person,
    Path(number): Path<u64>,
    Json(end): Json<EndOfHold>,
) -> Result<StatusCode, Problem> {
    let EndOfHold { reason, name } = end;
    app.carry_out(&person, Command::EndHold { number, reason, name, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A form, as a person filled it in.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HoldForm {
    kind: String,
    subject: String,
    from: String,
    until: String,
    reason: String,
}

impl HoldForm {
    fn command(&self, config: &Config, actor: &str) -> Result<Command, CommandError> {
        let kinds = [HoldKind::Incident, HoldKind::Device, HoldKind::Person, HoldKind::Class, HoldKind::Period];
        let kind = KINDS.iter().zip(kinds).find(|(name, _)| **name == self.kind).map(|(_, kind)| kind);
        let kind = kind
            .ok_or_else(|| RefusalReason::new("refusal-hold-kind", [], "kind: choose what the hold is on").invalid())?;
        let moment =
            |field: Field, text: &str| (!text.trim().is_empty()).then(|| parse_moment(field, text, config)).transpose();
        Ok(Command::SetHold {
            target: target(kind, &self.subject)?,
            from: moment(Field::From, &self.from)?,
            until: moment(Field::Until, &self.until)?,
            reason: self.reason.clone(),
            name: String::new(),
            actor: actor.to_owned(),
        })
    }
}

/// Kinds of holds in the order of the form.
const KINDS: [&str; 5] = ["incident", "device", "person", "class", "period"];

#[derive(Template)]
#[template(path = "records.html")]
struct RecordsPage {
    page_context: PageContext,
    classes: Vec<ClassStatus>,
    holds: Vec<HoldItem>,
    deletions: Vec<DeletionItem>,
    form: HoldForm,
    error: Option<String>,
}

impl RecordsPage {
    fn class_name(&self, class: &ClassName) -> String {
        self.page_context
            .name("records-class", serde_json::to_value(class).ok().as_ref().and_then(|it| it.as_str()).unwrap_or(""))
    }

    fn span(&self, seconds: &u64) -> String {
        let days = seconds / 86_400;
        if let Some(years) = years_of(days) {
            self.page_context.count("records-years", years)
        } else if seconds.is_multiple_of(86_400) {
            self.page_context.count("records-days", days)
        } else {
            self.page_context.duration(i64::try_from(*seconds).unwrap_or(0) * 1000)
        }
    }

    fn counted(&self, count: &Option<HeldCount>) -> String {
        match count {
            None => self.page_context.t("records-not-counted"),
            Some(HeldCount { count, whole: true }) => count.to_string(),
            Some(HeldCount { count, whole: false }) => format!("≥ {count}"),
        }
    }

    /// How many there are of a class.
    fn size(&self, one: &ClassStatus) -> String {
        match one.count {
            None => self.page_context.t("records-being-counted"),
            Some(count) if one.count_whole => count.to_string(),
            Some(count) => self.page_context.t_with("records-more-than", "count", count.to_string()),
        }
    }

    /// The same where it was not counted yet, or only a part that says nothing.
    fn going(&self, count: &Option<HeldCount>) -> String {
        match count {
            None => self.page_context.t("records-being-counted"),
            Some(HeldCount { count: 0, whole: false }) => {
                self.page_context.t_with("records-none-of-first", "count", LOOKED_MAX.to_string())
            }
            Some(_) => self.counted(count),
        }
    }

    /// When it was counted.
    fn counted_at(&self) -> Option<Timestamp> {
        self.classes.first().and_then(|one| one.counted_at)
    }

    /// Whether a rule that waits has, or may have, anything to delete.
    fn is_ahead(&self, one: &ClassStatus) -> bool {
        one.waits_until.is_some() && one.going.as_ref().is_none_or(|going| going.count > 0 || !going.whole)
    }

    /// Whether there are rules that wait and have nothing to delete.
    fn has_quiet_waits(&self) -> bool {
        self.classes.iter().any(|one| one.waits_until.is_some() && !self.is_ahead(one))
    }

    /// A class in addresses.
    fn slug(class: &ClassName) -> String {
        RecordClass::from(*class).as_str().to_owned()
    }

    fn kinds() -> [&'static str; 5] {
        KINDS
    }

    fn source(&self, source: &Text) -> String {
        match self.page_context.language() {
            Language::Vietnamese => source.vi.clone(),
            Language::English => source.en.clone(),
        }
    }
}

async fn page_with(
    app: &App,
    person: &Person,
    headers: &HeaderMap,
    (form, error): (HoldForm, Option<&CommandError>),
) -> PageResult {
    let page_context = page_context(app, person, headers);
    if let Err(problem) = everywhere(person) {
        return Err(Failure::new(page_context, problem));
    }
    let (config, counted) = (app.config(), app.health.records.newest());
    let read = app.read(&person.scope, move |reader| {
        let counted = counted.as_deref();
        let mut holds = hold_items(reader, counted)?;
        holds.truncate(SHOWN + holds.iter().filter(|hold| hold.ended_at.is_none()).count());
        let deletions = reader.deletions(None, SHOWN)?;
        Ok((statuses(reader, &config, counted)?, holds, deletions.into_iter().map(DeletionItem::from).collect()))
    });
    match read.await {
        Ok((classes, holds, deletions)) => {
            let text = error.map(|error| refusal_text(&page_context, error));
            let refused = text.is_some();
            Ok(show_again(&RecordsPage { page_context, classes, holds, deletions, form, error: text }, refused))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    page_with(&app, &person, &headers, (HoldForm::default(), None)).await
}

/// Sets a hold from the page.
pub(crate) async fn set(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<HoldForm>,
) -> PageResult {
    let set = match form.command(&app.config(), &person.name) {
        Ok(command) => app.carry_out(&person, command).await,
        Err(error) => Err(error),
    };
    match set {
        Ok(_) => Ok(Redirect::to("/admin/records#holds").into_response()),
        Err(error) => page_with(&app, &person, &headers, (form, Some(&error))).await,
    }
}

/// Has a rule that waits delete from now on, from the page.
pub(crate) async fn begin(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(class): Path<String>,
    Form(form): Form<EndForm>,
) -> PageResult {
    let begun = match class_of(&class) {
        Ok(class) => {
            let (name, actor) = (String::new(), person.name.clone());
            app.carry_out(&person, Command::BeginDeletion { class, reason: form.reason, name, actor }).await
        }
        Err(error) => Err(error),
    };
    match begun {
        Ok(_) => Ok(Redirect::to("/admin/records").into_response()),
        Err(error) => page_with(&app, &person, &headers, (HoldForm::default(), Some(&error))).await,
    }
}

/// Ends a hold from the page.
#[derive(Debug, Deserialize)]
pub(crate) struct EndForm {
    reason: String,
}

pub(crate) async fn end(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Form(form): Form<EndForm>,
) -> PageResult {
    let command = Command::EndHold { number, reason: form.reason, name: String::new(), actor: person.name.clone() };
    match app.carry_out(&person, command).await {
        Ok(_) => Ok(Redirect::to("/admin/records#holds").into_response()),
        Err(error) => page_with(&app, &person, &headers, (HoldForm::default(), Some(&error))).await,
    }
}
