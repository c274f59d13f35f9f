//! The page *Báo cáo*: what is due when by the law packs, how the quarters' reports stand, reports on other periods, and what was issued.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect};
use jiff::civil::Date;
use serde::Deserialize;

use super::{day_of, everywhere, filing, filing_gathering};
use crate::app::App;
use crate::incident::deadlines::{self, DeadlineRow};
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show_again};
use crate::person::Person;
use crate::tone::Tone;
use ioc_document::legal::{Pack, PackKind, Sure};
use ioc_document::wording;
use ioc_report::ReportKey;
use ioc_report::calendar::{self, DueReport, FilingStanding, ReportStanding};
use ioc_report::draft::{self, ReportState, Texts};
use ioc_report::filing::filings;
use ioc_store::ACCOUNT_REVIEW_REPORT;
use ioc_store::inventory_count::COUNT_REPORT;
use ioc_store::report::{DocumentSettings, IssuedReport};
use ioc_store::{Reader, StoreError};

/// Quarters that are listed: the present one and those before it.
const QUARTERS: usize = 5;
/// Issued versions on the page.
const ISSUED_MAX: usize = 50;
/// Kinds of documents that are issued: a name, and what their addresses begin with.
const ISSUED_KINDS: [(&str, &str); 9] = [
    ("clause", "clause."),
    ("filing", "filings/"),
    ("form", "incident."),
    ("incident", "incident-record."),
    ("shift", "shift."),
    ("maintenance", "maintenance."),
    ("restore", "restore."),
    ("account-review", ACCOUNT_REVIEW_REPORT),
    ("inventory", COUNT_REPORT),
];
/// Incidents whose deadlines stand on the page.
const DEADLINES_MAX: usize = 50;

/// What is due by the law packs in force.
pub(crate) fn calendar(app: &App, today: Date) -> Vec<DueReport> {
    let config = app.config();
    let kinds = [PackKind::Regulation, PackKind::Regime];
    calendar::due(kinds.into_iter().filter_map(|kind| config.legal.in_force(kind, today)), today)
}

/// A law pack as the page has it: which is gone by, and what it was taken from.
struct KnownLaw {
    name: String,
    /// What of: the name of its kind in texts.
    kind: &'static str,
    is_in_force: bool,
    from: Date,
    to: Option<Date>,
    checked: Date,
    /// How sure what it says is: its name in texts.
    sure: &'static str,
    sources: Vec<String>,
}

/// All packs that are known, those in force first.
fn laws(app: &App, today: Date) -> Vec<KnownLaw> {
    let config = app.config();
    let in_force: Vec<&str> = filing_gathering::packs(&config, today).map(|pack| pack.id.as_str()).collect();
    let law = |pack: &Pack| KnownLaw {
        name: pack.name.clone(),
        kind: match pack.kind {
            PackKind::Regulation => "regulation",
            PackKind::Regime => "regime",
        },
        is_in_force: in_force.contains(&pack.id.as_str()),
        from: pack.in_force_from,
        to: pack.in_force_to,
        checked: pack.checked,
        sure: match pack.sure {
            Sure::Unverified => "unverified",
            Sure::One => "one",
            Sure::Two => "two",
        },
        sources: pack.sources.clone(),
    };
    let mut all: Vec<KnownLaw> = config.legal.packs().iter().map(law).collect();
    all.sort_by_key(|law| !law.is_in_force);
    all
}

/// How many texts of a report people have not written: as its document has it where the facts are there.
pub(crate) fn missing_of(app: &App, key: ReportKey, texts: &Texts, settings: &DocumentSettings) -> Option<usize> {
    let day = day_of(app, ioc_common::clock::now());
    let config = app.config();
    let pack = config.legal.in_force(PackKind::Regulation, day)?;
    if let Some(facts) = app.drafts.facts(&key) {
        let document = draft::document(&facts, texts, pack, draft::office(settings, 0), None);
        return Some(document.blanks().len());
    }
    // Who mends gaps by when is asked for only where settings do not say it.
    let lacks = |key: &str| texts.get(key).is_none_or(|text| text.trim().is_empty());
    let named = draft::articles_of_people(pack).filter(|article| lacks(&draft::text_key(&article.number))).count();
    let general = [draft::OVERVIEW, draft::OUTLOOK].into_iter().filter(|key| lacks(key)).count();
    let known = !settings.unit.is_empty() && settings.mend_days > 0;
    (known || named + general > 0).then_some(named + general)
}

pub(crate) fn texts_of(reader: &dyn Reader, key: ReportKey) -> Result<Texts, StoreError> {
    Ok(reader.report_texts(&key.to_string())?.into_iter().map(|text| (text.key, text.text)).collect())
}

pub(crate) fn row_of(
    app: &App,
    reader: &dyn Reader,
    key: ReportKey,
    today: Date,
) -> Result<ReportStanding, StoreError> {
    let (settings, texts) = (reader.document_settings()?, texts_of(reader, key)?);
    let issued = reader.issued_reports(Some(&key.to_string()), None, 1)?.into_iter().next();
    let missing = missing_of(app, key, &texts, &settings);
    Ok(ReportStanding::new(key, &settings, missing, issued, today))
}

/// The present quarter and those before it, as far as there is a record.
pub(crate) fn quarters(app: &App, reader: &dyn Reader, today: Date) -> Result<Vec<ReportStanding>, StoreError> {
    let since = reader.audit_since()?.map_or(today, |at| day_of(app, at));
    let keys = std::iter::successors(Some(ReportKey::quarter_of(today)), |key| Some(key.before()));
    keys.take(QUARTERS).take_while(|key| key.to() >= since).map(|key| row_of(app, reader, key, today)).collect()
}

#[derive(Template)]
#[template(path = "reports.html")]
struct ReportsPage {
    page_context: PageContext,
    rows: Vec<ReportStanding>,
    /// Dossiers and yearly forms that the law asks for.
    filings: Vec<FilingStanding>,
    calendar: Vec<DueReport>,
    /// Which laws the centre goes by, and which others are known.
    laws: Vec<KnownLaw>,
    /// The level of security that is gone by.
    level: u8,
    /// What the law and units owe on incidents; what is met lately, too.
    deadlines: Vec<DeadlineRow>,
    issued: Vec<IssuedReport>,
    /// Nobody has said what the centre is called in documents.
    unnamed: bool,
    /// A period that was asked for, and is none.
    asked: PeriodQuery,
    error: Option<String>,
}

impl ReportsPage {
    /// Kinds of what is issued, the first of which is any.
    fn kinds(&self) -> Vec<&'static str> {
        std::iter::once("").chain(ISSUED_KINDS.map(|(name, _)| name)).collect()
    }

    /// The next page of what was issued, where there is one.
    fn older(&self) -> Option<String> {
        let last = self.issued.last().filter(|_| self.issued.len() >= ISSUED_MAX)?;
        Some(format!("/reports?kind={}&before={}#issued", self.asked.kind, last.number))
    }

    const fn tone(state: &ReportState, late: &bool) -> Tone {
        match *state {
            _ if *late => Tone::Bad,
            ReportState::Draft => Tone::Away,
            ReportState::TextsMissing => Tone::Warning,
            ReportState::Ready | ReportState::Issued => Tone::Good,
        }
    }

    /// A day as people here write it.
    fn date(text: &str) -> String {
        text.parse::<Date>().map_or_else(|_| text.to_owned(), wording::short_date)
    }

    fn day(&self, day: &Date) -> String {
        wording::short_date(*day)
    }
}

/// A period that is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PeriodQuery {
    from: String,
    to: String,
    /// Only issued documents of this kind.
    kind: String,
    /// Only those that were issued before this number.
    before: String,
}

impl PeriodQuery {
    /// What the addresses of the kind that is asked for begin with; nothing for any.
    fn begins(&self) -> &'static str {
        ISSUED_KINDS.iter().find(|(name, _)| *name == self.kind).map_or("", |(_, begins)| begins)
    }
}

/// The list; with a period the way to its report.
pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(asked): Query<PeriodQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    if let Err(problem) = everywhere(&person) {
        return Err(Failure::new(page_context, problem));
    }
    let mut error = None;
    if !asked.from.is_empty() || !asked.to.is_empty() {
        let day = |text: &str| text.trim().parse::<Date>().ok();
        match day(&asked.from).zip(day(&asked.to)).and_then(|(from, to)| ReportKey::new(from, to).ok()) {
            Some(key) => return Ok(Redirect::to(&format!("/reports/{key}")).into_response()),
            None => error = Some(page_context.t("reports-wrong-period")),
        }
    }
    let today = day_of(&app, page_context.now);
    let (with, now) = (app.clone(), page_context.now);
    // What cannot be read says nothing.
    let (begins, before) = (asked.begins(), asked.before.parse::<u64>().ok());
    let found = app
        .read(&page_context.scope, move |reader| {
            let due = deadlines::items(reader.incidents_with_deadlines(false, None, DEADLINES_MAX)?, now);
            let unnamed = reader.document_settings()?.agency.is_empty();
            let since = reader.audit_since()?.map(|at| day_of(&with, at));
            let config = with.config();
            let asked = filings(filing_gathering::packs(&config, today), today, since);
            let filings: Vec<_> =
                asked.iter().map(|one| filing::row_of(&with, reader, one, today)).collect::<Result<_, _>>()?;
            let issued = reader.issued_reports_of(begins, before, ISSUED_MAX)?;
            Ok((quarters(&with, reader, today)?, filings, issued, unnamed, due))
        })
        .await;
    match found {
        Ok((rows, filings, issued, unnamed, due)) => {
            let (calendar, deadlines) = (calendar(&app, today), deadlines::rows(due, &page_context));
            let refused = error.is_some();
            let (laws, level) = (laws(&app, today), app.config().legal.level);
            let page = ReportsPage {
                page_context,
                rows,
                filings,
                calendar,
                laws,
                level,
                deadlines,
                issued,
                unnamed,
                asked,
                error,
            };
            Ok(show_again(&page, refused))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}
