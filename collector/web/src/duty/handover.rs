//! Shifts that are handed over, as a page and in the API: what happened on one, as the record says; who was on duty signs it, and whoever is on duty next
//! reads it and signs, too.

use askama::Template;
use axum::Json;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect};
use serde::{Deserialize, Serialize};

use ioc_common::clock::{self, Timestamp};
use ioc_common::id::IncidentId;
use ioc_judge::Incident;
use ioc_judge::duty::Rota;
use ioc_judge::duty::calendar::{self, Shift};
use ioc_report::record::{RecordKey, ShiftSpan, rota_key, shift_account};

use super::person_name;
use crate::api::ApiResult;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show_again};
use crate::people::{People, people};
use crate::person::Person;
use crate::problem::Problem;
use crate::report::everywhere;
use ioc_engine::command::{Command, CommandError, ShiftToSign};
use ioc_engine::config::Config;
use ioc_engine::refusal_field::Field;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_store::template::percent_encoded;
use ioc_store::{Handover, Reader, ShiftAccount, ShiftEvent, ShiftEventKind, ShiftSide, SignedShift, StoreError};

/// How far around now shifts are looked for, milliseconds: turns are a month at most.
const AROUND_MS: i64 = 32 * 86_400_000;
/// A shift is handed over no earlier before its end, milliseconds; the engine holds to it.
const EARLY_MS: i64 = 2 * 3_600_000;
/// Entries of who stands in that are looked through.
const COVERS_MAX: usize = 5_000;
/// Signatures of a rota that are looked through, and shifts that are listed.
const SIGNATURES_MAX: usize = 200;
const LISTED: usize = 20;
/// Open incidents that are listed with their titles.
const OPEN_SHOWN: usize = 50;

/// Which shift is asked for.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct HandoverQuery {
    /// The rota, by its key; the first without.
    rota: String,
    /// When the shift begins, milliseconds; without, the one that has just ended as long as it was not taken over, else the present one.
    from: Option<i64>,
}

/// Who signed, and what they said.
struct Signature {
    at: Timestamp,
    name: String,
    note: String,
    planned: Option<bool>,
}

impl Signature {
    /// The duty plan does not have them on that shift.
    fn is_unplanned(&self) -> bool {
        self.planned == Some(false)
    }
}

/// A shift as it is shown.
struct ShiftView {
    from: Timestamp,
    until: Timestamp,
    people: Vec<String>,
    next: Vec<String>,
    is_over: bool,
    given: Option<Signature>,
    taken: Option<Signature>,
    account: ShiftAccount,
    /// What happened since it was signed, as long as nobody has taken it over.
    since: Vec<ShiftEvent>,
    open: Vec<Incident>,
    /// So many more are open than are listed.
    more_open: u64,
    may_give: bool,
    may_take: bool,
    /// Whoever takes it over has to say why nobody handed it over.
    needs_note: bool,
    /// Its document, as issued versions have it.
    key: RecordKey,
}

impl ShiftView {
    /// What happened of one sort.
    fn of<'s>(&'s self, kind: &ShiftEventKind) -> Vec<&'s ShiftEvent> {
        self.account.events.iter().filter(|one| one.kind == *kind).collect()
    }

    /// The colour of how far it is handed over.
    fn tone(&self) -> &'static str {
        match (&self.taken, self.is_over) {
            (Some(_), _) => "good",
            (None, true) => "bad",
            (None, false) => "away",
        }
    }
}

/// A shift in the list of those around now.
struct ListRow {
    from: Timestamp,
    until: Timestamp,
    people: Vec<String>,
    given: Option<(Timestamp, String)>,
    taken: Option<(Timestamp, String)>,
    /// It is over, and shifts were handed over by then: whoever has not signed is late.
    is_due: bool,
    is_shown: bool,
}

#[derive(Template)]
#[template(path = "duty-handover.html")]
struct HandoverPage {
    page_context: PageContext,
    tab: &'static str,
    rotas: Vec<(String, String)>,
    rota: String,
    shift: Option<ShiftView>,
    list: Vec<ListRow>,
    kinds: [ShiftEventKind; 6],
    names: People,
    note: String,
    error: Option<String>,
}

impl HandoverPage {
    fn text<'s>(&self, event: &'s ShiftEvent) -> &'s str {
        let is_english = self.page_context.language() == ioc_common::language::Language::English;
        if is_english { &event.en } else { &event.vi }
    }
}

/// All that is read for one rota.
struct Found {
    shifts: Vec<Shift>,
    signed: Vec<Handover>,
}

/// The shifts of a rota around now; what is cut off at the edge of that is none.
fn shifts(rota: &Rota, reader: &dyn Reader, now: Timestamp) -> Result<Found, StoreError> {
    let (from, until) = (now.plus_millis(-AROUND_MS), now.plus_millis(AROUND_MS));
    let covers = reader.covers_since(from, COVERS_MAX)?;
    let mut found = calendar::shifts(rota, &covers, from, until);
    found.retain(|shift| shift.from > from && shift.until < until && !shift.people.is_empty());
    Ok(Found { shifts: found, signed: reader.signed_shifts(Some(&rota.id), SIGNATURES_MAX)? })
}

impl Found {
    fn signed(&self, from: Timestamp, side: ShiftSide) -> Option<(&Handover, &SignedShift)> {
        let all = self.signed.iter().filter_map(|entry| entry.shift.as_deref().map(|shift| (entry, shift)));
        all.into_iter().find(|(_, shift)| shift.from == from && shift.side == side)
    }

    /// The place of the shift that is asked for, or of that which waits for a signature.
    fn place(&self, from: Option<i64>, now: Timestamp) -> Option<usize> {
        if let Some(from) = from {
            return self.shifts.iter().position(|shift| shift.from.as_millis() == from);
        }
        let present = self.shifts.iter().rposition(|shift| shift.from <= now)?;
        // What was handed over and not taken over goes first, then what is late.
        let is_given = |place: &usize| {
            let from = self.shifts.get(*place).map(|shift| shift.from);
            from.is_some_and(|from| {
                self.signed(from, ShiftSide::Given).is_some() && self.signed(from, ShiftSide::Taken).is_none()
            })
        };
        let before = present.checked_sub(1);
        let given = [Some(present), before].into_iter().flatten().find(is_given);
        Some(given.or_else(|| before.filter(|place| self.is_late(*place))).unwrap_or(present))
    }

    /// A shift that nobody has taken over, though shifts were handed over here by then and none after it was.
    fn is_late(&self, place: usize) -> bool {
        let Some(shift) = self.shifts.get(place) else { return false };
        let signed = || self.signed.iter().filter_map(|entry| entry.shift.as_deref());
        let is_settled =
            |one: &SignedShift| one.from > shift.from || (one.from == shift.from && one.side == ShiftSide::Taken);
        signed().next().is_some() && !signed().any(is_settled)
    }
}

/// The rotas whose last shift nobody has taken over, of those on which shifts are handed over at all.
pub(super) fn unsigned(reader: &dyn Reader, config: &Config, now: Timestamp) -> Result<Vec<String>, StoreError> {
    let mut waiting = Vec::new();
    for rota in &config.plan.rotas {
        if reader.signed_shifts(Some(&rota.id), 1)?.is_empty() {
            continue;
        }
        let found = shifts(rota, reader, now)?;
        let last = found.shifts.iter().rposition(|shift| shift.until <= now);
        if last.is_some_and(|last| found.is_late(last)) {
            waiting.push(rota.id.clone());
        }
    }
    Ok(waiting)
}

fn no_shift() -> CommandError {
    let english = "there is no such shift; mend: the duty plan needs a rota with people, docs/duty.md";
    RefusalReason::new("report-refused-no-shift", [], english).not_found()
}

fn rota_of<'c>(config: &'c Config, id: &str) -> Option<&'c Rota> {
    config.plan.rotas.iter().find(|rota| id.is_empty() || rota.id == id)
}

/// One shift with what happened on it, as it was signed or as it stands.
fn view(
    reader: &dyn Reader,
    (config, rota): (&Config, &Rota),
    (found, place): (&Found, usize),
    now: Timestamp,
) -> Result<Option<ShiftView>, StoreError> {
    let Some(shift) = found.shifts.get(place) else { return Ok(None) };
    let signature = |side| {
        found.signed(shift.from, side).map(|(entry, signed)| Signature {
            at: entry.at,
            name: signed.name.clone(),
            note: entry.text.clone(),
            planned: signed.planned,
        })
    };
    let (given, taken) = (signature(ShiftSide::Given), signature(ShiftSide::Taken));
    let kept = found.signed(shift.from, ShiftSide::Given).or_else(|| found.signed(shift.from, ShiftSide::Taken));
    let span = ShiftSpan { from: shift.from, until: shift.until };
    let account = match kept {
        Some((_, signed)) => signed.account.clone(),
        None => shift_account(reader, &config.rules, span, now)?,
    };
    let since = match (&given, &taken) {
        (Some(given), None) => {
            let mut later = shift_account(reader, &config.rules, ShiftSpan { from: given.at, until: now }, now)?;
            later.events.retain(|one| one.kind != ShiftEventKind::Silenced && one.at >= given.at);
            later.events
        }
        _ => Vec::new(),
    };
    let mut open = Vec::new();
    for id in account.open.iter().take(OPEN_SHOWN) {
        open.extend(reader.incident(IncidentId(*id))?.map(|(incident, ..)| incident));
    }
    let named = |shift: &Shift| shift.people.iter().map(|id| person_name(config, id).to_owned()).collect::<Vec<_>>();
    let (is_over, is_signed) = (shift.until <= now, taken.is_some());
    Ok(Some(ShiftView {
        from: shift.from,
        until: shift.until,
        people: named(shift),
        next: found.shifts.get(place + 1).map(named).unwrap_or_default(),
        is_over,
        may_give: !is_signed && given.is_none() && shift.until.millis_since(now) <= EARLY_MS,
        may_take: !is_signed && (given.is_some() || is_over),
        needs_note: given.is_none(),
        more_open: account.more_open + account.open.len().saturating_sub(OPEN_SHOWN) as u64,
        key: RecordKey::Shift { rota: rota_key(&rota.id), from: shift.from },
        given,
        taken,
        account,
        since,
        open,
    }))
}

/// The shifts that have begun, the newest first, with who signed for each.
fn list(found: &Found, config: &Config, shown: Option<Timestamp>, now: Timestamp) -> Vec<ListRow> {
    let begun = found.shifts.iter().rev().filter(|shift| shift.from <= now).take(LISTED);
    let signed = |from, side| found.signed(from, side).map(|(entry, signed)| (entry.at, signed.name.clone()));
    let first = found.signed.iter().filter_map(|entry| entry.shift.as_ref().map(|shift| shift.from)).min();
    let row = |shift: &Shift| ListRow {
        from: shift.from,
        until: shift.until,
        people: shift.people.iter().map(|id| person_name(config, id).to_owned()).collect(),
        given: signed(shift.from, ShiftSide::Given),
        taken: signed(shift.from, ShiftSide::Taken),
        is_due: shift.until <= now && first.is_some_and(|first| first <= shift.from),
        is_shown: shown == Some(shift.from),
    };
    begun.map(row).collect()
}

async fn render(
    app: &App,
    (page_context, person): (PageContext, &Person),
    asked: HandoverQuery,
    (note, error): (String, Option<String>),
) -> PageResult {
    if let Err(problem) = everywhere(person) {
        return Err(Failure::new(page_context, problem));
    }
    let (config, now) = (app.config(), page_context.now);
    let read = app
        .read(&page_context.scope, move |reader| {
            let Some(rota) = rota_of(&config, &asked.rota) else { return Ok((String::new(), None, Vec::new())) };
            let found = shifts(rota, reader, now)?;
            let shift = match found.place(asked.from, now) {
                Some(place) => view(reader, (&config, rota), (&found, place), now)?,
                None => None,
            };
            let list = list(&found, &config, shift.as_ref().map(|shift| shift.from), now);
            Ok((rota.id.clone(), shift, list))
        })
        .await;
    let (rota, shift, list) = match read {
        Ok(read) => read,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let names = people(app, page_context.may_see_people()).await;
    let rotas = app.config().plan.rotas.iter().map(|rota| (rota.id.clone(), rota.name.clone())).collect();
    let (refused, kinds) = (error.is_some(), ShiftEventKind::ALL);
    let page = HandoverPage { page_context, tab: "handover", rotas, rota, shift, list, kinds, names, note, error };
    Ok(show_again(&page, refused))
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(asked): Query<HandoverQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, (page_context, &person), asked, (String::new(), None)).await
}

/// A signature.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SignForm {
    /// The rota, by its key.
    rota: String,
    /// When the shift begins, milliseconds.
    from: i64,
    /// `given` by who hands over, `taken` by who takes over.
    side: String,
    /// What there is to say to the other side; who takes over what nobody handed over says why.
    note: String,
}

/// Somebody signs: what happened is gathered anew, so that nothing is missing that came since the page was looked at.
async fn sign(app: &App, person: &Person, form: SignForm) -> Result<(), CommandError> {
    everywhere(person).map_err(Problem::refused)?;
    let side = match form.side.as_str() {
        "given" => ShiftSide::Given,
        "taken" => ShiftSide::Taken,
        other => return Err(Field::State.allowed(other, "given, taken").invalid()),
    };
    let (config, now) = (app.config(), clock::now());
    let (rota, from, actor) = (form.rota.clone(), Timestamp::from_millis(form.from), person.name.clone());
    let read = app.read(&person.scope, move |reader| {
        let Some(rota) = config.plan.rota(&rota) else { return Ok(None) };
        let found = shifts(rota, reader, now)?;
        let Some(shift) = found.shifts.iter().find(|shift| shift.from == from) else { return Ok(None) };
        let account = match found.signed(from, ShiftSide::Given) {
            // Both sign the same.
            Some((_, given)) if side == ShiftSide::Taken => given.account.clone(),
            _ => shift_account(reader, &config.rules, ShiftSpan { from, until: shift.until }, now)?,
        };
        let accounts = reader.accounts()?;
        let known = accounts.into_iter().find(|account| account.name == actor && !account.full_name.is_empty());
        let in_plan = config.plan.person_of_account(&actor).map(|person| person.name.clone());
        let name = known.map(|account| account.full_name).or(in_plan).unwrap_or(actor);
        Ok(Some((account, name)))
    });
    let (account, name) = read.await.map_err(Problem::refused)?.ok_or_else(no_shift)?;
    let SignForm { rota, note, .. } = form;
    let shift = ShiftToSign { rota, from, side, note, name, account, actor: person.name.clone() };
    app.carry_out(person, Command::SignShift(Box::new(shift))).await.map(drop)
}

pub(crate) async fn submit(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<SignForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let asked = HandoverQuery { rota: form.rota.clone(), from: Some(form.from) };
    let note = form.note.clone();
    match sign(&app, &person, form).await {
        Ok(()) => {
            let rota = percent_encoded(&asked.rota);
            let from = asked.from.unwrap_or_default();
            Ok(Redirect::to(&format!("/duty/shifts?rota={rota}&from={from}")).into_response())
        }
        Err(error) => {
            let text = refusal_text(&page_context, &error);
            render(&app, (page_context, &person), asked, (note, Some(text))).await
        }
    }
}

/// Something that happened on a shift.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct ShiftEventItem {
    /// opened, taken, resolved, silenced, maintenance or changed.
    kind: &'static str,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    /// The incident's number, or the window's.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    vi: String,
    en: String,
    /// The account that did it; empty for what nobody did.
    who: String,
}

/// What happened on a shift, and what is open.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct ShiftAccountItem {
    events: Vec<ShiftEventItem>,
    /// So many more happened than are listed.
    more: u64,
    /// Not all incidents were looked through.
    cut: bool,
    /// Incidents that are open, by number.
    open: Vec<u64>,
    more_open: u64,
}

impl From<ShiftAccount> for ShiftAccountItem {
    fn from(account: ShiftAccount) -> Self {
        let ShiftAccount { events, more, cut, open, more_open } = account;
        let item = |event: ShiftEvent| ShiftEventItem {
            kind: event.kind.as_str(),
            at: event.at,
            until: event.until,
            number: event.number,
            vi: event.vi,
            en: event.en,
            who: event.who,
        };
        Self { events: events.into_iter().map(item).collect(), more, cut, open, more_open }
    }
}

/// A shift that somebody signed for.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct SignedShiftItem {
    /// The rota, by its key.
    rota: String,
    from: Timestamp,
    until: Timestamp,
    /// given or taken.
    side: &'static str,
    /// What whoever signed is called.
    name: String,
    /// The duty plan has them on that shift; not said where it does not know whose accounts its people have.
    #[serde(skip_serializing_if = "Option::is_none")]
    planned: Option<bool>,
    account: ShiftAccountItem,
}

impl From<SignedShift> for SignedShiftItem {
    fn from(shift: SignedShift) -> Self {
        let SignedShift { rota, from, until, side, name, planned, account } = shift;
        Self { rota, from, until, side: side.as_str(), name, planned, account: account.into() }
    }
}

/// Who signed, and when.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct SignatureItem {
    at: Timestamp,
    name: String,
    note: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    planned: Option<bool>,
}

/// A shift and how far it is handed over.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct HandoverAnswer {
    rota: String,
    from: Timestamp,
    until: Timestamp,
    /// Who is or was on duty, by name.
    people: Vec<String>,
    /// Who comes next.
    next: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    given: Option<SignatureItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    taken: Option<SignatureItem>,
    account: ShiftAccountItem,
    /// The record of it, as `POST /reports/records/{record}` takes it.
    record: String,
}

/// One shift, as the page shows it.
pub(crate) async fn api_get(
    State(app): State<App>,
    person: Person,
    Query(asked): Query<HandoverQuery>,
) -> ApiResult<HandoverAnswer> {
    everywhere(&person)?;
    let (config, now) = (app.config(), clock::now());
    let found = app
        .read(&person.scope, move |reader| {
            let Some(rota) = rota_of(&config, &asked.rota) else { return Ok(None) };
            let found = shifts(rota, reader, now)?;
            let Some(place) = found.place(asked.from, now) else { return Ok(None) };
            Ok(view(reader, (&config, rota), (&found, place), now)?.map(|view| (rota.id.clone(), view)))
        })
        .await?;
    let (rota, view) = found.ok_or_else(no_shift)?;
    let item = |one: Signature| SignatureItem { at: one.at, name: one.name, note: one.note, planned: one.planned };
    Ok(Json(HandoverAnswer {
        rota,
        from: view.from,
        until: view.until,
        people: view.people,
        next: view.next,
        given: view.given.map(item),
        taken: view.taken.map(item),
        account: view.account.into(),
        record: view.key.to_string(),
    }))
}

/// Signs for one.
pub(crate) async fn api_sign(
    State(app): State<App>,
    person: Person,
    Json(form): Json<SignForm>,
) -> Result<StatusCode, Problem> {
    sign(&app, &person, form).await?;
    Ok(StatusCode::CREATED)
}
