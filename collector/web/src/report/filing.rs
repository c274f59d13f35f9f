//! A filing before it is issued: the security-level dossier (article 16.7), a yearly form. Its cells with where each comes from, what is still to be filled
//! where and by whom, what people write into it, its draft as a document, and issuing it. It names people: that it is read is on record (article 12).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse as _, Redirect, Response};
use jiff::civil::Date;

use super::file::{self, PartQuery, why_not};
use super::refusals::{no_agency, no_signer, texts_missing};
use super::typed::TypedTexts;
use super::{day_of, everywhere, filing_gathering, lines_of};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::product_address;
use crate::page::{Failure, PageResult, page_context, problem_text, refusal_text, show_again};
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
use crate::report_drafts::Draft;
use ioc_common::clock::{self, Timestamp};
use ioc_document::model::Document;
use ioc_document::report::filing::{self, Cell, ColumnRole, FillTally, Filled, FilledContent, FilledPart, Origin};
use ioc_document::wording;
use ioc_engine::command::{Answer, Command, CommandError};
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_engine::writer::reports::no_day;
use ioc_report::calendar::FilingStanding;
use ioc_report::draft::{self, IssuedSource, Texts};
use ioc_report::filing::{FilingFacts, FilingKey, Fill, ListedFiling, WorkGroup};
use ioc_store::report::{DocumentSettings, IssuedReport};
use ioc_store::{Reader, StoreError};

/// The page is asked for again so soon while facts are gathered, seconds.
const AGAIN_S: &str = "1";
/// Versions of one filing on its page.
const VERSIONS_MAX: usize = 20;
/// Rows of a table on the page; the document has all of them.
const ROWS_SHOWN: usize = 30;
/// What it is called in the record of who saw it.
const LIST: &str = "level dossier";

/// What people wrote into a filing.
pub(super) fn texts_of(reader: &dyn Reader, key: &FilingKey) -> Result<Texts, StoreError> {
    Ok(reader.report_texts(&key.to_string())?.into_iter().map(|text| (text.key, text.text)).collect())
}

/// How a filing stands.
pub(super) fn row_of(
    app: &App,
    reader: &dyn Reader,
    listed: &ListedFiling,
    today: Date,
) -> Result<FilingStanding, StoreError> {
    let issued = reader.issued_reports(Some(&listed.key.to_string()), None, 1)?.into_iter().next();
    let known = match app.filings.facts(&listed.key) {
        Some(facts) => {
            let filled = facts.filled.clone().with_texts(&texts_of(reader, &listed.key)?);
            (Some(filled.texts_missing()), Some(filled.tally().rate()))
        }
        None => (None, None),
    };
    Ok(FilingStanding::new(listed, known, issued, today))
}

/// The filing that an address names, for who may see it: reading it is on record.
pub(super) async fn asked(app: &App, person: &Person, address: &str) -> Result<ListedFiling, Problem> {
    everywhere(person)?;
    let listed = filing_gathering::find(app, address)?;
    on_record(app, person).await?;
    Ok(listed)
}

/// Writes down that a filing is read, which names people. What cannot be written down is not shown.
pub(super) async fn on_record(app: &App, person: &Person) -> Result<(), Problem> {
    if personal_data::record_list_access(app, person, LIST).await {
        return Ok(());
    }
    Err(super::refusals::not_recorded())
}

/// A text that people write, as the form has it.
struct AskedText {
    key: String,
    what: String,
    /// What alone may stand there; empty where any text may.
    choices: Vec<String>,
    /// What stands there, or was typed and refused.
    text: String,
    /// What stands there.
    stands: String,
    /// What stands there until somebody writes something else, and where it comes from.
    preset: Option<(String, Origin)>,
    missing: bool,
}

/// A table or text as the page has it.
struct ItemView {
    title: String,
    tally: FillTally,
    columns: Vec<String>,
    /// Its cells, each with whether it is one that is filled.
    rows: Vec<Vec<(Cell, bool)>>,
    /// So many rows are not on the page.
    more: u64,
    empty: &'static str,
}

/// A part as the page has it.
struct PartView {
    id: String,
    title: String,
    basis: String,
    tally: FillTally,
    items: Vec<ItemView>,
    asked: Vec<AskedText>,
}

#[derive(Template)]
#[template(path = "filing.html")]
struct FilingPage {
    page_context: PageContext,
    row: FilingStanding,
    pack_note: String,
    progress: Option<(u32, u32)>,
    failed: Option<String>,
    gathered: Option<Timestamp>,
    tally: FillTally,
    parts: Vec<PartView>,
    work: BTreeMap<String, WorkGroup>,
    settings: DocumentSettings,
    versions: Vec<IssuedReport>,
    missing: usize,
    over: bool,
    error: Option<String>,
}

impl FilingPage {
    fn may_write(&self) -> bool {
        self.page_context.may_report()
    }

    /// What somebody else wrote by now of what was typed and refused: what it is called, and how it stands.
    fn others(&self) -> Vec<(&str, &str)> {
        let asked = self.parts.iter().flat_map(|part| &part.asked);
        let other = asked.filter(|one| !one.stands.is_empty() && lines_of(&one.text) != lines_of(&one.stands));
        other.map(|one| (one.what.as_str(), one.stands.as_str())).collect()
    }

    fn ready(&self) -> bool {
        self.gathered.is_some() && self.missing == 0 && self.over
    }

    fn due(&self) -> Option<String> {
        self.row.due.map(wording::short_date)
    }

    /// Texts that are still to be written, each with the part that asks for it.
    fn lacking(&self) -> Vec<(&str, &str)> {
        let texts = self.parts.iter().flat_map(|part| {
            part.asked.iter().filter(|one| one.missing).map(|one| (part.id.as_str(), one.what.as_str()))
        });
        texts.collect()
    }

    const fn origins() -> [Origin; 8] {
        Origin::ALL
    }

    fn of(tally: &FillTally, origin: &Origin) -> u64 {
        tally.of(*origin)
    }

    fn count(number: u64) -> String {
        wording::count(number)
    }

    /// Where something is filled, as an address.
    fn address(fill: &Fill) -> String {
        match fill {
            Fill::Asset(device) => format!("/register/assets/{device}"),
            Fill::Assets => "/register/assets".to_owned(),
            Fill::Product(key) => product_address(key),
            Fill::Products => "/register/software".to_owned(),
            Fill::Settings => "/reports/settings".to_owned(),
            Fill::Page(address) => (*address).to_owned(),
        }
    }
}

fn part_view(part: &FilledPart, texts: &Texts, typed: &Texts) -> PartView {
    let mut asked: Vec<AskedText> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut ask = |cell: &Cell, filled: &Cell| {
        let Some(ask) = &cell.ask else { return };
        if seen.insert(ask.key.clone()) {
            asked.push(AskedText {
                key: ask.key.clone(),
                what: ask.what.clone(),
                choices: ask.choices.clone(),
                text: typed.get(&ask.key).or_else(|| texts.get(&ask.key)).cloned().unwrap_or_default(),
                stands: texts.get(&ask.key).cloned().unwrap_or_default(),
                preset: (cell.origin != Origin::Missing).then(|| (cell.text.clone(), cell.origin)),
                missing: filled.origin == Origin::Missing,
            });
        }
    };
    let mut items = Vec::new();
    let mut tally = FillTally::default();
    for item in &part.items {
        // What fills itself is shown beside what people wrote over it.
        let filled = Filled { parts: vec![FilledPart { items: vec![item.clone()], ..part.clone() }] }.with_texts(texts);
        let Some(now) = filled.parts.first().and_then(|part| part.items.first()) else { continue };
        let own = now.tally();
        tally.merge(&own);
        let title = item.title.clone().unwrap_or_default();
        match (&item.content, &now.content) {
            (FilledContent::Text(before), FilledContent::Text(after)) => {
                ask(before, after);
                let rows = vec![vec![(after.clone(), true)]];
                items.push(ItemView { title, tally: own, columns: Vec::new(), rows, more: 0, empty: "" });
            }
            (FilledContent::Table(before), FilledContent::Table(after)) => {
                for (one, other) in before.rows.iter().flatten().zip(after.rows.iter().flatten()) {
                    ask(one, other);
                }
                let rest = after.rows.len().saturating_sub(ROWS_SHOWN) as u64;
                items.push(ItemView {
                    title,
                    tally: own,
                    columns: after.columns.iter().map(|column| column.title.clone()).collect(),
                    rows: after.rows.iter().take(ROWS_SHOWN).map(|row| marked(row, &after.columns)).collect(),
                    more: rest + after.more,
                    empty: after.empty,
                });
            }
            // What is filled stays what it is.
            (FilledContent::Text(_), FilledContent::Table(_)) | (FilledContent::Table(_), FilledContent::Text(_)) => {}
        }
    }
    PartView { id: part.id.clone(), title: part.title.clone(), basis: part.basis.clone(), tally, items, asked }
}

/// A row of the page: what the form itself says has no source.
fn marked(row: &[Cell], columns: &[filing::FilledColumn]) -> Vec<(Cell, bool)> {
    row.iter().zip(columns).map(|(cell, column)| (cell.clone(), column.role == ColumnRole::Value)).collect()
}

async fn render(
    app: &App,
    page_context: PageContext,
    listed: ListedFiling,
    refused: Option<(String, Texts)>,
) -> PageResult {
    let today = day_of(app, page_context.now);
    let draft = filing_gathering::look(app, &listed, false);
    let (with, of) = (app.clone(), listed.clone());
    let read = app.read(&page_context.scope, move |reader| {
        let versions = reader.issued_reports(Some(&of.key.to_string()), None, VERSIONS_MAX)?;
        // What was written for the year before is offered where nothing is written for this one.
        let last = of.key.before().map(|key| texts_of(reader, &key)).transpose()?.unwrap_or_default();
        Ok((
            row_of(&with, reader, &of, today)?,
            texts_of(reader, &of.key)?,
            last,
            reader.document_settings()?,
            versions,
        ))
    });
    let (row, texts, last, settings, versions) = match read.await {
        Ok(found) => found,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let pack = &listed.pack;
    let pack_note =
        format!("{}; {} {}", pack.name, page_context.t("filing-checked"), wording::short_date(pack.checked));
    let mut page = FilingPage {
        pack_note,
        over: listed.is_over(today),
        page_context,
        row,
        progress: None,
        failed: None,
        gathered: None,
        tally: FillTally::default(),
        parts: Vec::new(),
        work: BTreeMap::new(),
        settings,
        versions,
        missing: 0,
        error: None,
    };
    let again = refused.is_some();
    match draft {
        Draft::Gathering { done, all } => page.progress = Some((done, all)),
        Draft::Failed(why) => page.failed = Some(problem_text(&page.page_context, &why)),
        Draft::Done(facts) => {
            page.gathered = Some(facts.at);
            let filled = facts.filled.clone().with_texts(&texts);
            page.missing = filled.texts_missing();
            page.tally = filled.tally();
            let typed = refused.as_ref().map(|(_, typed)| typed.clone()).unwrap_or_default();
            page.parts = facts.filled.parts.iter().map(|part| part_view(part, &texts, &typed)).collect();
            for asked in page.parts.iter_mut().flat_map(|part| &mut part.asked) {
                let offered = last.get(&asked.key).filter(|text| !text.is_empty() && asked.preset.is_none());
                if let Some(text) = offered {
                    asked.preset = Some((text.clone(), Origin::Person));
                }
            }
            page.work.clone_from(&facts.work.groups);
        }
    }
    page.error = refused.map(|(error, _)| error);
    let waits = page.progress.is_some();
    let mut response: Response = show_again(&page, again);
    if waits && !again {
        response.headers_mut().insert(HeaderName::from_static("refresh"), HeaderValue::from_static(AGAIN_S));
    }
    Ok(response)
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(address): Path<String>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    match asked(&app, &person, &address).await {
        Ok(listed) => render(&app, page_context, listed, None).await,
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// What the page's form asks for, beside the texts.
const DO: &str = "do";
const SIGNER: &str = "signer";
const DATE: &str = "date";
const GATHERED: &str = "gathered_at";

/// Writes texts, gathers anew, or issues: by the page.
pub(crate) async fn act(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(address): Path<String>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let listed = match asked(&app, &person, &address).await {
        Ok(listed) => listed,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let mut form: BTreeMap<String, String> = pairs.into_iter().collect();
    let mut take = |name: &str| form.remove(name).unwrap_or_default();
    let (wish, signer, date, gathered) = (take(DO), take(SIGNER), take(DATE), take(GATHERED));
    // What somebody else wrote meanwhile stays, where nothing else was typed over it.
    let typed = TypedTexts::of(form);
    let done = match wish.as_str() {
        "issue" if !typed.texts.is_empty() => Err(RefusalReason::new(
            "report-refused-unsaved",
            [],
            "what was typed is not saved yet, and would not be in the document; mend: save it, then issue",
        )
        .conflict()),
        "issue" => issue_seen(&app, &person, &listed, &signer, &date, &gathered).await.map(Some),
        "gather" => {
            filing_gathering::look(&app, &listed, true);
            write(&app, &person, &listed.key, typed.clone()).await.map(|()| None)
        }
        _ => write(&app, &person, &listed.key, typed.clone()).await.map(|()| None),
    };
    match done {
        Ok(Some(number)) => Ok(Redirect::to(&format!("/reports/issued/{number}")).into_response()),
        Ok(None) => Ok(Redirect::to(&format!("/reports/{}", listed.key)).into_response()),
        Err(error) => {
            let text = refusal_text(&page_context, &error);
            render(&app, page_context, listed, Some((text, typed.texts))).await
        }
    }
}

/// Writes texts into a filing.
pub(super) async fn write(
    app: &App,
    person: &Person,
    key: &FilingKey,
    TypedTexts { texts, was }: TypedTexts,
) -> Result<(), CommandError> {
    let texts = texts.into_iter().collect();
    let command = Command::WriteReport { report: key.to_string(), texts, was, actor: person.name.clone() };
    app.carry_out(person, command).await.map(drop)
}

/// Issues what whoever asks has seen: facts that were gathered since are seen first.
async fn issue_seen(
    app: &App,
    person: &Person,
    listed: &ListedFiling,
    signer: &str,
    date: &str,
    gathered: &str,
) -> Result<u64, CommandError> {
    let facts = app.filings.facts(&listed.key).filter(|facts| facts.at.as_millis().to_string() == gathered);
    let facts = facts.ok_or_else(|| {
        let english = "the figures were gathered anew since; look at them, then issue";
        RefusalReason::new("report-refused-gathered-anew", [], english).conflict()
    })?;
    let signer = match signer {
        "" => 0,
        text => text.parse().map_err(|_| no_signer())?,
    };
    let date = match date.trim() {
        "" => None,
        text => Some(text.parse::<Date>().map_err(|_| no_day(text))?),
    };
    issue(app, person, listed, &facts, signer, date).await
}

/// Issues a version of a filing: the document, and what it was made of.
pub(super) async fn issue(
    app: &App,
    person: &Person,
    listed: &ListedFiling,
    facts: &Arc<FilingFacts>,
    signer: usize,
    date: Option<Date>,
) -> Result<u64, CommandError> {
    let today = day_of(app, clock::now());
    if let Some(last) = listed.cut_off().filter(|last| *last > today) {
        let english = format!("its year lasts until {last}; issue it on that day or later");
        let args = [("last", Word::text(last.to_string()))];
        return Err(RefusalReason::new("report-refused-year-not-over", args, english).conflict());
    }
    let key = listed.key.clone();
    let read = app.read(&person.scope, move |reader| Ok((texts_of(reader, &key)?, reader.document_settings()?)));
    let (texts, settings) = read.await.map_err(Problem::refused)?;
    if settings.agency.is_empty() || (listed.filing.signed && settings.signers.is_empty()) {
        return Err(no_agency());
    }
    if signer > 0 && signer >= settings.signers.len() {
        return Err(no_signer());
    }
    let document = document(app, listed, facts, &texts, (&settings, signer), date);
    let blanks: Vec<&str> = document.blanks().iter().map(|blank| blank.key.as_str()).collect();
    if !blanks.is_empty() {
        return Err(texts_missing(blanks.into_iter().map(str::to_owned).collect()));
    }
    let content = file::bytes(&document).map_err(Problem::refused)?;
    let source = IssuedSource { document, articles: Vec::new(), gathered_at: facts.at };
    let source = serde_json::to_string(&source).map_err(|error| CommandError::Unavailable(error.to_string()))?;
    let (report, title) = (listed.key.to_string(), listed.title());
    let command = Command::IssueReport { report, title, content, source, actor: person.name.clone() };
    match app.carry_out(person, command).await? {
        Answer::Report(number) => Ok(number),
        _ => Err(CommandError::unexpected_answer()),
    }
}

fn document(
    app: &App,
    listed: &ListedFiling,
    facts: &FilingFacts,
    texts: &Texts,
    (settings, signer): (&DocumentSettings, usize),
    date: Option<Date>,
) -> Document {
    let filled = facts.filled.clone().with_texts(texts);
    let today = day_of(app, facts.at);
    let year = listed.key.year().unwrap_or_else(|| today.year());
    let system = app.config().site_name.clone();
    filing::document(&listed.filing, &filled, &listed.pack, (&system, year), draft::office(settings, signer), date)
}

/// The draft as a document, with blanks where people have to write.
async fn draft_of(app: &App, person: &Person, address: &str) -> Result<(FilingKey, Document), Problem> {
    let listed = asked(app, person, address).await?;
    let facts = match app.filings.facts(&listed.key) {
        Some(facts) => facts,
        None => filing_gathering::facts_now(app, listed.clone()).await?,
    };
    let key = listed.key.clone();
    let read = app.read(&person.scope, move |reader| Ok((texts_of(reader, &key)?, reader.document_settings()?)));
    let (texts, settings) = read.await?;
    let document = document(app, &listed, &facts, &texts, (&settings, 0), None);
    Ok((listed.key, document))
}

pub(crate) async fn print(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(address): Path<String>,
    Query(part): Query<PartQuery>,
) -> PageResult {
    let made = draft_of(&app, &person, &address).await.map(|(_, document)| document);
    file::printed(made, &part, why_not(&app, &person, &headers))
}

pub(crate) async fn docx(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(address): Path<String>,
) -> PageResult {
    let made = draft_of(&app, &person, &address).await;
    let made = made.map(|(key, document)| (format!("{}-du-thao", key.address()), document));
    file::downloaded(made, why_not(&app, &person, &headers))
}
