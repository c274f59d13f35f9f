//! Documents of one thing: the record of an incident (10.2c), the hand-over of a shift, the record of maintenance (11), the certificate of restore (7).
//! They are made when somebody asks, of what that person may see; versions that are issued are kept ([`super::record_version`]).

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use super::file::{self, PartQuery, why_not};
use super::no_document;
use crate::app::App;
use crate::maintenance::visible_windows;
use crate::page::PageResult;
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
use ioc_common::clock::{self, Timestamp};
use ioc_common::id::IncidentId;
use ioc_document::model::Document;
use ioc_document::report::restore::RestoreCertificate;
use ioc_engine::config::Config;
use ioc_engine::refusal_reason::Word;
use ioc_judge::duty::calendar::{self, Shift};
use ioc_judge::duty::{Cover, Rota};
use ioc_report::draft;
use ioc_report::record::{self, AffectedDevices, RecordKey, ShiftFacts, ShiftSpan, rota_key};
use ioc_store::{Handover, Reader, Right, ShiftAccount, StoreError};

/// How far around now a shift is looked for, milliseconds: turns are a month at most.
const AROUND_MS: i64 = 32 * 86_400_000;
/// Entries of who stands in that are looked through for it.
const COVERS_MAX: usize = 5_000;
/// Signatures of shifts that are looked through for those of one.
const SIGNATURES_MAX: usize = 500;

/// As what a document is wanted.
#[derive(Debug, Clone, Copy)]
enum As {
    Docx,
    Page,
}

fn given(document: &Document, name: &str, part: &PartQuery, wanted: As) -> Result<Response, Problem> {
    match wanted {
        As::Page => Ok(file::page(document, part)),
        As::Docx => Ok(file::saved(&format!("{name}.docx"), file::bytes(document)?)),
    }
}

/// The record of an incident, and how many steps its timeline had.
pub(super) async fn incident(
    app: &App,
    person: &Person,
    (id, signer): (u64, usize),
) -> Result<(Document, u64), Problem> {
    // Whoever may not see who people are reads by which account they acted, as on the page.
    let names = person.may(Right::Personal);
    let found = app
        .read(&person.scope, move |reader| {
            let Some(whole) = reader.incident(IncidentId(id))? else { return Ok(None) };
            let device = whole.0.device.as_ref().map(|device| reader.device(device)).transpose()?.flatten();
            let accounts = if names { reader.accounts()? } else { Vec::new() };
            let affected = AffectedDevices::read(reader, IncidentId(id))?;
            Ok(Some((whole, (device, affected), reader.document_settings()?, accounts)))
        })
        .await?;
    let (mut whole, (device, affected), settings, accounts) = found.ok_or_else(|| {
        let args = [("number", Word::Count(id))];
        no_document("report-refused-no-incident", args, format!("there is no incident {id}"))
    })?;
    personal_data::reveal_incident(app, person, &mut whole.0, &mut whole.1, &mut []).await;
    let info = device.as_ref().map(|record| &record.info);
    let named = accounts.into_iter().filter(|account| !account.full_name.is_empty());
    let names = named.map(|account| (account.name, account.full_name)).collect();
    let office = draft::office(&settings, signer);
    let document = record::incident(&whole, (info, &affected), &names, office, &app.config().timezone);
    Ok((document, u64::from(whole.0.steps)))
}

async fn incident_as(app: &App, person: &Person, id: u64, part: &PartQuery, wanted: As) -> Result<Response, Problem> {
    let (document, _) = incident(app, person, (id, 0)).await?;
    given(&document, &format!("bien-ban-su-co-{id:06}"), part, wanted)
}

pub(crate) async fn incident_docx(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<u64>,
) -> PageResult {
    let made = incident_as(&app, &person, id, &PartQuery::default(), As::Docx).await;
    made.map_err(why_not(&app, &person, &headers))
}

pub(crate) async fn incident_print(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<u64>,
    Query(part): Query<PartQuery>,
) -> PageResult {
    let made = incident_as(&app, &person, id, &part, As::Page).await;
    made.map_err(why_not(&app, &person, &headers))
}

/// Which shift is handed over.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct ShiftQuery {
    /// The rota; the first of the plan without.
    rota: String,
    /// The shift before the present one: it has just ended.
    last: bool,
}

/// The shift that is handed over by what is asked for: its key.
fn asked_shift(config: &Config, covers: &[Cover], asked: &ShiftQuery, now: Timestamp) -> Option<RecordKey> {
    let mut rotas = config.plan.rotas.iter();
    let rota: &Rota = rotas.find(|rota| asked.rota.is_empty() || rota.id == asked.rota)?;
    let all = calendar::shifts(rota, covers, now.plus_millis(-AROUND_MS), now.plus_millis(AROUND_MS));
    let present = all.iter().position(|shift| shift.from <= now && now < shift.until)?;
    let place = if asked.last { present.checked_sub(1)? } else { present };
    Some(RecordKey::Shift { rota: rota_key(&rota.id), from: all.get(place)?.from })
}

/// A shift by its key, and the one after it; none that the plan does not have, or has too far from now.
fn shift_of(config: &Config, covers: &[Cover], (of, from): (&str, Timestamp), now: Timestamp) -> Option<ShiftFacts> {
    let plan = &config.plan;
    let rota: &Rota = plan.rotas.iter().find(|rota| rota_key(&rota.id) == of)?;
    let all = calendar::shifts(rota, covers, now.plus_millis(-AROUND_MS), now.plus_millis(AROUND_MS));
    let place = all.iter().position(|shift| shift.from == from)?;
    let named = |shift: &Shift| {
        let name = |id: &String| plan.person(id).map_or_else(|| id.clone(), |person| person.name.clone());
        shift.people.iter().map(name).collect::<Vec<_>>()
    };
    let shift = all.get(place)?;
    Some(ShiftFacts {
        rota: rota.name.clone(),
        from: shift.from,
        until: shift.until,
        giving: named(shift),
        taking: all.get(place + 1).map(named).unwrap_or_default(),
        account: ShiftAccount::default(),
        signed: Vec::new(),
        names: BTreeMap::new(),
    })
}

/// There is no such shift.
fn no_shift() -> Problem {
    let english = "there is no such shift; mend: the duty plan needs a rota with people, docs/duty.md";
    no_document("report-refused-no-shift", [], english)
}

/// Who stood in for whom around now, those that are over among them.
fn covers_around(reader: &dyn Reader, now: Timestamp) -> Result<Vec<Cover>, StoreError> {
    reader.covers_since(now.plus_millis(-AROUND_MS), COVERS_MAX)
}

/// The shift that is asked for, as issued versions have it.
pub(super) async fn shift_key(app: &App, person: &Person, asked: ShiftQuery) -> Result<RecordKey, Problem> {
    super::everywhere(person)?;
    let (config, now) = (app.config(), clock::now());
    let found = app
        .read(&person.scope, move |reader| Ok(asked_shift(&config, &covers_around(reader, now)?, &asked, now)))
        .await?;
    found.ok_or_else(no_shift)
}

/// The hand-over record of a shift.
pub(super) async fn shift(
    app: &App,
    person: &Person,
    (rota, from, signer): (String, Timestamp, usize),
) -> Result<Document, Problem> {
    super::everywhere(person)?;
    let (config, now, names) = (app.config(), clock::now(), person.may(Right::Personal));
    let document = app
        .read(&person.scope, move |reader| {
            let Some(mut facts) = shift_of(&config, &covers_around(reader, now)?, (&rota, from), now) else {
                return Ok(None);
            };
            let is_it = |one: &Handover| {
                one.shift.as_deref().is_some_and(|shift| rota_key(&shift.rota) == rota && shift.from == from)
            };
            let mut signed: Vec<Handover> =
                reader.signed_shifts(None, SIGNATURES_MAX)?.into_iter().filter(is_it).collect();
            signed.reverse();
            let of = |one: &Handover| one.shift.as_deref().map(|shift| (shift.side, shift.name.clone(), one.at));
            facts.signed = signed.iter().filter_map(of).collect();
            // What was signed is what was handed over.
            let kept = signed.into_iter().next().and_then(|one| one.shift).map(|shift| shift.account);
            let span = ShiftSpan { from, until: facts.until };
            facts.account = kept.map_or_else(|| record::shift_account(reader, &config.rules, span, now), Ok)?;
            if names {
                let named = reader.accounts()?.into_iter().filter(|account| !account.full_name.is_empty());
                facts.names = named.map(|account| (account.name, account.full_name)).collect();
            }
            let office = draft::office(&reader.document_settings()?, signer);
            record::shift(reader, &facts, office, &config.timezone, now).map(Some)
        })
        .await?;
    document.ok_or_else(no_shift)
}

async fn shift_as(
    app: &App,
    person: &Person,
    asked: ShiftQuery,
    part: &PartQuery,
    wanted: As,
) -> Result<Response, Problem> {
    let RecordKey::Shift { rota, from } = shift_key(app, person, asked).await? else { return Err(no_shift()) };
    let document = shift(app, person, (rota, from, 0)).await?;
    given(&document, "bien-ban-ban-giao-ca-truc", part, wanted)
}

pub(crate) async fn shift_docx(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(asked): Query<ShiftQuery>,
) -> PageResult {
    let made = shift_as(&app, &person, asked, &PartQuery::default(), As::Docx).await;
    made.map_err(why_not(&app, &person, &headers))
}

pub(crate) async fn shift_print(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(asked): Query<ShiftQuery>,
    Query(part): Query<PartQuery>,
) -> PageResult {
    let made = shift_as(&app, &person, asked, &part, As::Page).await;
    made.map_err(why_not(&app, &person, &headers))
}

/// The record of maintenance work.
pub(super) async fn maintenance(app: &App, person: &Person, (id, signer): (u64, usize)) -> Result<Document, Problem> {
    let (config, now, access) = (app.config(), clock::now(), person.scope.clone());
    let document = app
        .read(&person.scope, move |reader| {
            let planned = visible_windows(reader, &access)?.into_iter().map(|window| (window, None));
            // What is over names what was planned: it is for whoever reaches everywhere.
            let over = if access.is_everywhere() { reader.windows_over(Timestamp::MIN)? } else { Vec::new() };
            let over = over.into_iter().map(|(window, at)| (window, Some(at)));
            let Some((window, gone)) = planned.chain(over).find(|(window, _)| window.id == id) else { return Ok(None) };
            let office = draft::office(&reader.document_settings()?, signer);
            record::maintenance(reader, (&window, gone), &config.rules, office, &config.timezone, now).map(Some)
        })
        .await?;
    document.ok_or_else(|| {
        let args = [("number", Word::Count(id))];
        no_document("report-refused-no-window", args, format!("there is no maintenance window {id}"))
    })
}

async fn maintenance_as(
    app: &App,
    person: &Person,
    id: u64,
    part: &PartQuery,
    wanted: As,
) -> Result<Response, Problem> {
    let document = maintenance(app, person, (id, 0)).await?;
    given(&document, &format!("bien-ban-bao-tri-{id}"), part, wanted)
}

pub(crate) async fn maintenance_docx(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<u64>,
) -> PageResult {
    let made = maintenance_as(&app, &person, id, &PartQuery::default(), As::Docx).await;
    made.map_err(why_not(&app, &person, &headers))
}

pub(crate) async fn maintenance_print(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<u64>,
    Query(part): Query<PartQuery>,
) -> PageResult {
    let made = maintenance_as(&app, &person, id, &part, As::Page).await;
    made.map_err(why_not(&app, &person, &headers))
}

/// The certificate of the last drill, and when that was held.
pub(super) async fn restore(app: &App, person: &Person, signer: usize) -> Result<(Document, Timestamp), Problem> {
    super::everywhere(person)?;
    let drill = app.health.backups.status().drill;
    let drill = drill.ok_or_else(|| {
        let english = "no restore drill has been held; docs/backup.md says how";
        no_document("report-refused-no-drill", [], english)
    })?;
    let settings = app.read(&person.scope, |reader| reader.document_settings()).await?;
    let office = draft::office(&settings, signer);
    let zone = app.config().timezone.clone();
    let local = |at: Timestamp| {
        let moment = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
        moment.to_zoned_datetime(zone.clone()).datetime()
    };
    let document = record::restore(&RestoreCertificate {
        responsible: office.signature.clone(),
        office,
        archive: drill.archive,
        sha256: drill.sha256,
        backed_up: local(drill.backup_made_at),
        restored: local(drill.at),
        took_ms: drill.took_ms,
        failure: drill.failure,
        checks: drill.checks,
        tables: drill.tables,
        rows: drill.rows,
        files: drill.files,
        bytes: drill.plain_bytes,
        product: drill.product,
    });
    Ok((document, drill.at))
}

async fn restore_as(app: &App, person: &Person, part: &PartQuery, wanted: As) -> Result<Response, Problem> {
    let (document, _) = restore(app, person, 0).await?;
    given(&document, "bien-ban-dien-tap-phuc-hoi", part, wanted)
}

pub(crate) async fn restore_docx(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let made = restore_as(&app, &person, &PartQuery::default(), As::Docx).await;
    made.map_err(why_not(&app, &person, &headers))
}

pub(crate) async fn restore_print(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(part): Query<PartQuery>,
) -> PageResult {
    let made = restore_as(&app, &person, &part, As::Page).await;
    made.map_err(why_not(&app, &person, &headers))
}
