//! One report before it is issued: its facts with what people write into them, its draft as a document, and issuing it.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse as _, Redirect, Response};
use jiff::civil::Date;

use super::file::{self, PartQuery, why_not};
use super::gathering;
use super::list::{row_of, texts_of};
use super::refusals::{no_agency, no_signer, texts_missing};
use super::typed::{TypedTexts, others};
use super::{day_of, everywhere, key_of, lines_of, regulation};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, problem_text, refusal_text, report_text_name, show_again};
use crate::person::Person;
use crate::problem::Problem;
use crate::report_drafts::Draft;
use ioc_document::legal::Pack;
use ioc_document::model::Document;
use ioc_document::report::change;
use ioc_document::report::clause::{ArticleState, Figure, Gap};
use ioc_document::wording;
use ioc_engine::command::{Answer, Command, CommandError};
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_engine::writer::reports::no_day;
use ioc_report::ReportKey;
use ioc_report::calendar::{self, ReportStanding};
use ioc_report::draft::{self, IssuedSource, Texts};
use ioc_report::gather::Facts;
use ioc_store::report::{DocumentSettings, IssuedReport};

/// Largest form with all texts of a report, bytes.
pub(crate) const TEXTS_MAX_BYTES: usize = 3 * 1024 * 1024;
/// The page is asked for again so soon while facts are gathered, seconds.
const AGAIN_S: &str = "1";
/// Versions of one report on its page.
const VERSIONS_MAX: usize = 20;

/// An article as the page has it.
struct ArticleRow {
    number: String,
    title: String,
    input: bool,
    figures: Vec<Figure>,
    gaps: Vec<Gap>,
}

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage {
    page_context: PageContext,
    row: ReportStanding,
    /// How many parts are done of how many, while facts are gathered.
    progress: Option<(u32, u32)>,
    failed: Option<String>,
    gathered: Option<ioc_common::clock::Timestamp>,
    articles: Vec<ArticleRow>,
    texts: Texts,
    /// What was written for the period before.
    last: Texts,
    settings: DocumentSettings,
    versions: Vec<IssuedReport>,
    blanks: Vec<String>,
    error: Option<String>,
    /// Every text of the form as it stood when it was shown: what somebody else wrote meanwhile is told from what is typed here.
    was: Vec<(String, String)>,
    /// What was typed and refused.
    typed: Typed,
    /// What of it has no place on the page, as there are no facts: with what stands there.
    homeless: Vec<(String, String)>,
}

/// What somebody typed into the form and chose there.
#[derive(Debug, Clone, Default)]
struct Typed {
    /// Texts that are something else than was shown.
    texts: Texts,
    signer: String,
    date: String,
}

impl ReportPage {
    fn may_write(&self) -> bool {
        self.page_context.may_report()
    }

    fn text(&self, key: &str) -> &str {
        self.texts.get(key).map_or("", String::as_str)
    }

    /// What stood there in the last report, where nothing stands in this one.
    fn offered(&self, key: &str) -> Option<&str> {
        let empty = self.text(key).trim().is_empty();
        self.last.get(key).map(String::as_str).filter(|text| empty && !text.is_empty())
    }

    fn article_key(row: &ArticleRow) -> String {
        draft::text_key(&row.number)
    }

    fn gap_key(row: &ArticleRow, gap: &Gap, part: &str) -> String {
        draft::gap_key(&row.number, &gap.key, part)
    }

    /// Who mends a gap: as somebody wrote it, else as settings say.
    fn who(&self, row: &ArticleRow, gap: &Gap) -> String {
        let written = self.text(&Self::gap_key(row, gap, "who"));
        if written.is_empty() { gap.who.clone().unwrap_or_default() } else { written.to_owned() }
    }

    fn by(&self, row: &ArticleRow, gap: &Gap) -> String {
        let written = self.text(&Self::gap_key(row, gap, "by"));
        if written.is_empty() { gap.by.map(|day| day.to_string()).unwrap_or_default() } else { written.to_owned() }
    }

    fn before(figure: &Figure) -> String {
        figure.before.as_ref().map_or_else(|| wording::NO_DATA.to_owned(), ioc_document::report::Value::written)
    }

    fn compared(figure: &Figure) -> String {
        change(&figure.now, figure.before.as_ref())
    }

    fn days(&self) -> String {
        let day = wording::short_date;
        format!("{} → {}", day(self.row.key.from()), day(self.row.key.to()))
    }

    fn due(&self) -> Option<String> {
        self.row.due.map(wording::short_date)
    }

    /// Every text of the form with its name, as it is shown.
    fn shown(&self) -> Vec<(String, String)> {
        let whole = ["overview", "outlook"].map(|name| (name.to_owned(), self.text(name).to_owned()));
        let articles = self.articles.iter().flat_map(|article| {
            let gaps = article.gaps.iter().flat_map(move |gap| {
                let who = (Self::gap_key(article, gap, "who"), self.who(article, gap));
                [who, (Self::gap_key(article, gap, "by"), self.by(article, gap))]
            });
            let key = Self::article_key(article);
            let text = self.text(&key).to_owned();
            std::iter::once((key, text)).chain(gaps)
        });
        whole.into_iter().chain(articles).collect()
    }

    fn ready(&self) -> bool {
        self.gathered.is_some() && self.blanks.is_empty()
    }

    /// What stands there by now of what was typed and refused, where that is something else.
    fn others(&self) -> Vec<(&str, &str)> {
        others(&self.typed.texts, |key| {
            let shown = self.was.iter().chain(&self.homeless).find(|(name, _)| name == key);
            shown.map_or("", |(_, text)| text.as_str())
        })
    }

    fn name_of(&self, key: &str) -> String {
        report_text_name(&self.page_context, key)
    }

    /// What was typed of a text that has no place on the page.
    fn typed_text(&self, key: &str) -> &str {
        self.typed.texts.get(key).map_or("", String::as_str)
    }

    fn is_signer(&self, place: &usize) -> bool {
        self.typed.signer == place.to_string()
    }
}

/// What is read for the page.
struct Read {
    row: ReportStanding,
    texts: Texts,
    last: Texts,
    settings: DocumentSettings,
    versions: Vec<IssuedReport>,
}

async fn read(app: &App, person: &Person, key: ReportKey, today: Date) -> Result<Read, Problem> {
    let with = app.clone();
    app.read(&person.scope, move |reader| {
        Ok(Read {
            row: row_of(&with, reader, key, today)?,
            texts: texts_of(reader, key)?,
            last: texts_of(reader, key.before())?,
            settings: reader.document_settings()?,
            versions: reader.issued_reports(Some(&key.to_string()), None, VERSIONS_MAX)?,
        })
    })
    .await
}

fn rows(pack: &Pack, facts: &Facts) -> Vec<ArticleRow> {
    let row = |(article, state): (&ioc_document::legal::Article, &ArticleState)| {
        // In the order of the pack, and what it does not name behind, as the document has it; what nobody brought is not known.
        let named = article.figures.iter().map(|name| {
            let found = state.figures.iter().find(|figure| figure.name == *name).cloned();
            let unknown = ioc_document::report::Value::Unknown(String::new());
            found.unwrap_or_else(|| Figure { name: name.clone(), now: unknown, before: None })
        });
        let more = state.figures.iter().filter(|figure| !article.figures.contains(&figure.name)).cloned();
        ArticleRow {
            number: article.number.clone(),
            title: article.title.clone(),
            input: article.input,
            figures: named.chain(more).collect(),
            gaps: state.gaps.clone(),
        }
    };
    let stated = pack.articles.iter().filter_map(|article| {
        facts.articles.iter().find(|state| state.number == article.number).map(|state| (article, state))
    });
    stated.map(row).collect()
}

async fn render(
    app: &App,
    person: &Person,
    page_context: PageContext,
    key: ReportKey,
    refused: Option<(String, Typed)>,
) -> PageResult {
    let today = day_of(app, page_context.now);
    // What was typed is shown with the facts that it was typed to, however old they are.
    let draft = if refused.is_some() { gathering::kept(app, key) } else { gathering::look(app, key, false) };
    let found = match read(app, person, key, today).await {
        Ok(found) => found,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let pack = match regulation(app, today) {
        Ok(pack) => pack,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let Read { row, texts, last, settings, versions } = found;
    let (mut articles, mut blanks, mut gathered) = (Vec::new(), Vec::new(), None);
    let (mut progress, mut failed) = (None, None);
    match draft {
        Draft::Gathering { done, all } => progress = Some((done, all)),
        Draft::Failed(why) => failed = Some(problem_text(&page_context, &why)),
        Draft::Done(facts) => {
            let document = draft::document(&facts, &texts, &pack, draft::office(&settings, 0), None);
            blanks = document.blanks().into_iter().map(|blank| blank.key.clone()).collect();
            articles = rows(&pack, &facts);
            gathered = Some(facts.at);
        }
    }
    let again = refused.is_some();
    let (error, typed) = refused.map_or((None, Typed::default()), |(error, typed)| (Some(error), typed));
    let waits = progress.is_some();
    let mut page = ReportPage {
        page_context,
        row,
        progress,
        failed,
        gathered,
        articles,
        texts,
        last,
        settings,
        versions,
        blanks,
        error,
        was: Vec::new(),
        typed,
        homeless: Vec::new(),
    };
    page.was = page.shown();
    let is_placed = |key: &String| page.gathered.is_some() && page.was.iter().any(|(name, _)| name == key);
    let homeless = page.typed.texts.keys().filter(|key| !is_placed(key));
    page.homeless = homeless.map(|key| (key.clone(), page.text(key).to_owned())).collect();
    page.texts.extend(page.typed.texts.clone());
    let mut response: Response = show_again(&page, again);
    if waits && !again {
        response.headers_mut().insert(HeaderName::from_static("refresh"), HeaderValue::from_static(AGAIN_S));
    }
    Ok(response)
}

/// The report that an address names, for who may see it; and what stands around its page.
fn asked(app: &App, person: &Person, headers: &HeaderMap, report: &str) -> (PageContext, Result<ReportKey, Problem>) {
    (page_context(app, person, headers), everywhere(person).and_then(|()| key_of(report)))
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(report): Path<String>,
) -> PageResult {
    let (page_context, key) = asked(&app, &person, &headers, &report);
    let key = match key {
        Ok(key) => key,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    render(&app, &person, page_context, key, None).await
}

/// What the page's form asks for, beside the texts.
const DO: &str = "do";
const SIGNER: &str = "signer";
const DATE: &str = "date";
const GATHERED: &str = "gathered_at";
const SETTINGS: &str = "settings";
const COPY: &str = "copy";

/// Writes texts, gathers anew, takes a text of the last report over, or issues: by the page.
pub(crate) async fn act(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(report): Path<String>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> PageResult {
    let (page_context, key) = asked(&app, &person, &headers, &report);
    let key = match key {
        Ok(key) => key,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let mut form: BTreeMap<String, String> = pairs.into_iter().collect();
    let mut take = |name: &str| form.remove(name).unwrap_or_default();
    let (wish, signer, date, copy) = (take(DO), take(SIGNER), take(DATE), take(COPY));
    let (gathered, settings) = (take(GATHERED), take(SETTINGS));
    // What somebody else wrote meanwhile stays, where nothing else was typed over it.
    let TypedTexts { texts, was } = TypedTexts::of(form);
    let typed = Typed { texts: texts.clone(), signer, date };
    let done = match wish.as_str() {
        "issue" if !texts.is_empty() => {
            let english =
                "what was typed is not saved yet, and would not be in the document; mend: save it, then issue";
            Err(RefusalReason::new("report-refused-unsaved", [], english).conflict())
        }
        "issue" => {
            let seen = Seen { gathered: &gathered, texts: &was, settings: &settings };
            issue_seen(&app, &person, key, &typed, &seen).await.map(Some)
        }
        _ => write(&app, &person, key, (texts, was), &copy).await.map(|()| None),
    };
    // Only what is saved is looked at with new facts.
    if wish == "gather" && done.is_ok() {
        gathering::look(&app, key, true);
    }
    match done {
        Ok(Some(number)) => Ok(Redirect::to(&format!("/reports/issued/{number}")).into_response()),
        Ok(None) => Ok(Redirect::to(&format!("/reports/{key}")).into_response()),
        Err(error) => {
            let text = refusal_text(&page_context, &error);
            render(&app, &person, page_context, key, Some((text, typed))).await
        }
    }
}

/// Writes texts into a report; `copy` is the key of one that is taken over from the last report.
async fn write(
    app: &App,
    person: &Person,
    key: ReportKey,
    (mut texts, mut was): (Texts, Texts),
    copy: &str,
) -> Result<(), CommandError> {
    if !copy.is_empty() {
        let last = app.read(&person.scope, move |reader| texts_of(reader, key.before())).await;
        let text = last.map_err(Problem::refused)?.get(copy).cloned().unwrap_or_default();
        texts.insert(copy.to_owned(), text);
    }
    // What settings say of a gap is offered in the form, and is no text of its own.
    let facts = app.drafts.facts(&key);
    let offered = |of: &str, text: &str| facts.as_ref().is_some_and(|facts| is_offered(facts, of, text));
    let texts: Vec<(String, String)> = texts.into_iter().filter(|(of, text)| !offered(of, text)).collect();
    was.retain(|of, text| !offered(of, text));
    let command = Command::WriteReport { report: key.to_string(), texts, was, actor: person.name.clone() };
    app.carry_out(person, command).await.map(drop)
}

fn is_offered(facts: &Facts, key: &str, text: &str) -> bool {
    facts.articles.iter().any(|state| {
        state.gaps.iter().any(|gap| {
            let who = gap.who.as_deref() == Some(text) && draft::gap_key(&state.number, &gap.key, "who") == key;
            let by = gap.by.is_some_and(|day| day.to_string() == text)
                && draft::gap_key(&state.number, &gap.key, "by") == key;
            who || by
        })
    })
}

/// What whoever issues a report has seen of it.
pub(crate) struct Seen<'f> {
    /// When its facts were gathered, milliseconds.
    gathered: &'f str,
    /// Its texts.
    texts: &'f Texts,
    /// The version of the settings, which the signer is one of.
    settings: &'f str,
}

/// Issues what whoever asks has seen: facts that were gathered and texts that were written since are seen first.
async fn issue_seen(
    app: &App,
    person: &Person,
    key: ReportKey,
    typed: &Typed,
    seen: &Seen<'_>,
) -> Result<u64, CommandError> {
    let facts = app.drafts.facts(&key).filter(|facts| facts.at.as_millis().to_string() == seen.gathered);
    let facts = facts.ok_or_else(|| {
        let english = "the figures were gathered anew since; look at them, then issue";
        RefusalReason::new("report-refused-gathered-anew", [], english).conflict()
    })?;
    let signer = match typed.signer.as_str() {
        "" => 0,
        text => text.parse().map_err(|_| no_signer())?,
    };
    let date = match typed.date.trim() {
        "" => None,
        text => Some(text.parse::<Date>().map_err(|_| no_day(text))?),
    };
    issue(app, person, key, &facts, (signer, date), Some(seen)).await
}

/// Texts that are others by now than whoever asks has seen.
fn written_since(texts: &Texts, was: &Texts, facts: &Facts) -> Vec<String> {
    let stands = |key: &str| texts.get(key).map_or("", String::as_str);
    let differs = |key: &str, shown: &str| lines_of(stands(key)) != lines_of(shown);
    let others = was.iter().filter(|(key, text)| differs(key, text) && !is_offered(facts, key, text));
    others.map(|(key, _)| key.clone()).collect()
}

/// Issues a version of a report: the document, and what it was made of; where whoever asks has seen it, as they have.
pub(crate) async fn issue(
    app: &App,
    person: &Person,
    key: ReportKey,
    facts: &Arc<Facts>,
    (signer, date): (usize, Option<Date>),
    seen: Option<&Seen<'_>>,
) -> Result<u64, CommandError> {
    let today = day_of(app, ioc_common::clock::now());
    let until = key.bounds(&app.config().timezone).1;
    if facts.at < until {
        let to = wording::short_date(key.to());
        let (name, english) = if ioc_common::clock::now() < until {
            let english = format!("the period lasts to the end of {}; issue it on the next day or later", key.to());
            ("report-refused-not-over", english)
        } else {
            let english =
                "the figures were gathered before the period was over; gather them anew, look at them, then issue";
            ("report-refused-gathered-early", english.to_owned())
        };
        return Err(RefusalReason::new(name, [("to", Word::text(to))], english).conflict());
    }
    let pack = regulation(app, today).map_err(Problem::refused)?;
    let read = app.read(&person.scope, move |reader| Ok((texts_of(reader, key)?, reader.document_settings()?)));
    let (texts, settings) = read.await.map_err(Problem::refused)?;
    if seen.is_some_and(|seen| seen.settings != settings.version()) {
        let english =
            "somebody changed who signs or what the centre is called since you looked; look again, then issue";
        return Err(RefusalReason::new("report-refused-settings-since", [], english).conflict());
    }
    let since = seen.map(|seen| written_since(&texts, seen.texts, facts)).unwrap_or_default();
    if !since.is_empty() {
        let names = since.join(", ");
        let english = format!("somebody wrote these since you looked: {names}; look at them, then issue");
        let args = [("texts", Word::ReportTexts(since))];
        return Err(RefusalReason::new("report-refused-written-since", args, english).conflict());
    }
    if settings.agency.is_empty() || settings.signers.is_empty() {
        return Err(no_agency());
    }
    if signer >= settings.signers.len() {
        return Err(no_signer());
    }
    let document = draft::document(facts, &texts, &pack, draft::office(&settings, signer), date);
    let blanks: Vec<String> = document.blanks().iter().map(|blank| blank.key.clone()).collect();
    if !blanks.is_empty() {
        return Err(texts_missing(blanks));
    }
    let content = file::bytes(&document).map_err(Problem::refused)?;
    let source = IssuedSource { document, articles: facts.articles.clone(), gathered_at: facts.at };
    let source = serde_json::to_string(&source).map_err(|error| CommandError::Unavailable(error.to_string()))?;
    let (report, title) = (key.to_string(), calendar::title(key));
    let command = Command::IssueReport { report, title, content, source, actor: person.name.clone() };
    match app.carry_out(person, command).await? {
        Answer::Report(number) => Ok(number),
        _ => Err(CommandError::unexpected_answer()),
    }
}

/// The draft as a document, with blanks where people have to write.
async fn draft_of(app: &App, person: &Person, report: &str) -> Result<(ReportKey, Document), Problem> {
    everywhere(person)?;
    let key = key_of(report)?;
    let facts = match app.drafts.facts(&key) {
        Some(facts) => facts,
        None => gathering::facts_now(app, key).await?,
    };
    let pack = regulation(app, day_of(app, ioc_common::clock::now()))?;
    let read = app.read(&person.scope, move |reader| Ok((texts_of(reader, key)?, reader.document_settings()?)));
    let (texts, settings) = read.await?;
    Ok((key, draft::document(&facts, &texts, &pack, draft::office(&settings, 0), None)))
}

pub(crate) async fn print(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(report): Path<String>,
    Query(part): Query<PartQuery>,
) -> PageResult {
    let made = draft_of(&app, &person, &report).await.map(|(_, document)| document);
    file::printed(made, &part, why_not(&app, &person, &headers))
}

pub(crate) async fn docx(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(report): Path<String>,
) -> PageResult {
    let made = draft_of(&app, &person, &report).await.map(|(key, document)| (format!("{key}-du-thao"), document));
    file::downloaded(made, why_not(&app, &person, &headers))
}
