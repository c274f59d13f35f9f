//! Reports in the API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_document::model::Document;
use ioc_report::calendar::{DueReport, ReportStanding};
use ioc_report::draft;
use ioc_report::gather::Facts;
use ioc_store::report::{self, DocumentSettings, IssuedReport, Registration};

use super::names;
names! {
    /// Where a report stands.
    ReportState is draft::ReportState {
        /// Its period is not over.
        Draft = "draft",
        /// People have not written all that only they know.
        TextsMissing = "texts_missing",
        /// It can be issued.
        Ready = "ready",
        /// A version was issued.
        Issued = "issued",
    }
}

names! {
    /// By what authority somebody signs.
    SignAuthority is report::SignAuthority {
        /// The head, in person.
        Own = "own",
        /// Q.: acting head.
        Acting = "acting",
        /// KT.: a deputy for the head.
        Deputy = "deputy",
        /// TL.: by order of the head.
        ByOrder = "by_order",
        /// TUQ.: by written authority of the head.
        ByWrittenAuthority = "by_written_authority",
    }
}

/// Reports, and what is due.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Reports {
    /// The clause reports of the present quarter and of those before it.
    pub(crate) reports: Vec<Report>,
    /// What the law packs in force ask for.
    pub(crate) due: Vec<Due>,
}

/// How a report stands.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Report {
    /// As its address has it: `clause.2026-10-01.2026-12-31`.
    report: String,
    title: String,
    /// First day.
    from: String,
    /// Last day.
    to: String,
    state: ReportState,
    /// Texts that people have not written; null where that is known only once the facts are gathered.
    missing: Option<u64>,
    /// By which day it is due; null where nothing says so.
    due: Option<String>,
    /// It is past that day and not issued.
    late: bool,
    /// The number of the last version that was issued; null before.
    issued: Option<u64>,
}

impl From<ReportStanding> for Report {
    fn from(row: ReportStanding) -> Self {
        Self {
            report: row.key.to_string(),
            title: row.title,
            from: row.key.from().to_string(),
            to: row.key.to().to_string(),
            state: row.state.into(),
            missing: row.missing.map(|count| count as u64),
            due: row.due.map(|day| day.to_string()),
            late: row.late,
            issued: row.issued.map(|issued| issued.number),
        }
    }
}

/// A report that a law pack asks for.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Due {
    title: String,
    /// Which article asks for it, of which law.
    article: String,
    law: String,
    /// `quarter`, `year` or `on_request`.
    period: &'static str,
    /// The next day before which it is due; null where the text gives none.
    due: Option<String>,
    from: String,
    to: String,
    note: Option<String>,
}

impl From<DueReport> for Due {
    fn from(row: DueReport) -> Self {
        let period = row.period_name();
        let DueReport { title, article, law, due, from, to, note, .. } = row;
        Self { title, article, law, period, due: due.map(|day| day.to_string()), from, to, note }
    }
}

/// A report with its facts.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct ReportFacts {
    #[serde(flatten)]
    report: Report,
    /// When the facts were gathered.
    gathered_at: Timestamp,
    /// Since when there is a record; null in a new store.
    record_since: Option<Timestamp>,
    articles: Vec<ArticleFacts>,
    /// What people wrote, by key.
    texts: BTreeMap<String, String>,
    /// What they have still to write.
    missing_texts: Vec<MissingText>,
}

/// A text that a person has to write.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct MissingText {
    pub(super) key: String,
    /// What is to be written.
    pub(super) what: String,
    /// What alone may stand there; empty where any text may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) choices: Vec<String>,
}

/// What is known of an article.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct ArticleFacts {
    article: String,
    figures: Vec<FigureFacts>,
    evidence: Vec<EvidenceFacts>,
    gaps: Vec<GapFacts>,
}

/// A figure, as it is written in the report.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct FigureFacts {
    name: String,
    /// In this period.
    now: String,
    /// It is known; where it is not, `now` says why.
    known: bool,
    /// In the one before; null where nothing is known of it.
    before: Option<String>,
    /// By how much it is another.
    change: String,
}

/// What figures rest on.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct EvidenceFacts {
    what: String,
    place: String,
}

/// Something that is not as it should be.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct GapFacts {
    key: String,
    what: String,
    /// Who mends it; null where nobody is named by the settings.
    who: Option<String>,
    /// By when; null where no time is set.
    by: Option<String>,
}

impl ReportFacts {
    pub(crate) fn of(report: Report, facts: &Facts, texts: BTreeMap<String, String>, document: &Document) -> Self {
        let articles = facts.articles.iter().map(|state| ArticleFacts {
            article: state.number.clone(),
            figures: state
                .figures
                .iter()
                .map(|figure| FigureFacts {
                    name: figure.name.clone(),
                    now: figure.now.written(),
                    known: figure.now.is_known(),
                    before: figure.before.as_ref().map(ioc_document::report::Value::written),
                    change: ioc_document::report::change(&figure.now, figure.before.as_ref()),
                })
                .collect(),
            evidence: state
                .evidence
                .iter()
                .map(|one| EvidenceFacts { what: one.what.clone(), place: one.place.clone() })
                .collect(),
            gaps: state
                .gaps
                .iter()
                .map(|gap| GapFacts {
                    key: gap.key.clone(),
                    what: gap.what.clone(),
                    who: gap.who.clone(),
                    by: gap.by.map(|day| day.to_string()),
                })
                .collect(),
        });
        let missing = |blank: &ioc_document::model::Blank| MissingText {
            key: blank.key.clone(),
            what: blank.what.clone(),
            choices: Vec::new(),
        };
        Self {
            report,
            gathered_at: facts.at,
            record_since: facts.since,
            articles: articles.collect(),
            texts,
            missing_texts: document.blanks().into_iter().map(missing).collect(),
        }
    }
}

/// A version of a report that was issued.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Issued {
    /// Its number among all that were issued.
    number: u64,
    report: String,
    /// The how manieth version of that report.
    version: u32,
    title: String,
    at: Timestamp,
    by: String,
    /// SHA-256 over the document as it was issued, hex.
    sha256: String,
    bytes: u64,
    /// How it was registered; null before.
    registration: Option<RegistrationFacts>,
    /// What it was registered as before, and was wrong; in that order.
    earlier: Vec<RegistrationFacts>,
}

/// How an issued document was registered.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct RegistrationFacts {
    number: u32,
    /// Its day, as year-month-day.
    date: String,
    by: String,
    at: Timestamp,
    /// SHA-256 over the copy that has number and date, hex.
    sha256: String,
    /// Why the one before it was wrong; empty for the first.
    reason: String,
}

impl From<Registration> for RegistrationFacts {
    fn from(inside: Registration) -> Self {
        let Registration { number, date, by, at, sha256, kind: _, reason } = inside;
        Self { number, date, by, at, sha256, reason }
    }
}

impl Issued {
    /// A version, and what it was registered as before.
    pub(crate) fn new(issued: IssuedReport, earlier: Vec<Registration>) -> Self {
        let IssuedReport { number, report, version, title, at, by, sha256, bytes, registration } = issued;
        let registration = registration.map(RegistrationFacts::from);
        let earlier = earlier.into_iter().map(RegistrationFacts::from).collect();
        Self { number, report, version, title, at, by, sha256, bytes, registration, earlier }
    }
}

impl From<IssuedReport> for Issued {
    /// One that was issued just now.
    fn from(issued: IssuedReport) -> Self {
        Self::new(issued, Vec::new())
    }
}

/// Somebody who signs documents.
#[derive(Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signer {
    authority: SignAuthority,
    /// TM.: the body in whose name it is signed; empty for none.
    #[serde(default)]
    for_body: String,
    /// The head's title, where another signs for the head.
    #[serde(default)]
    head: String,
    title: String,
    /// Full name; empty where it is left for a pen.
    #[serde(default)]
    name: String,
}

/// What the centre says of itself in documents. What is not given is empty from then on.
#[derive(Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "ReportSettings")]
pub(crate) struct Settings {
    /// The agency above; empty where it is not named.
    parent: String,
    /// The agency that issues.
    agency: String,
    /// Its abbreviation in numbers.
    abbreviation: String,
    /// Its place.
    place: String,
    /// Address and telephone, for the foot of first pages.
    contact: String,
    /// Who signs, whoever signs reports first.
    signers: Vec<Signer>,
    /// To whom reports go up.
    addressees: Vec<String>,
    /// Who gets them, the archive last.
    recipients: Vec<String>,
    /// Who mends what a report finds, where nobody else is named.
    unit: String,
    /// Within how many days of the end of the period; 0 where that is asked for each time.
    mend_days: u32,
    /// Within how many days of the end of a quarter its report is due; 0 where there is none.
    quarter_due_days: u32,
    /// What they are told from others by. Where it is sent back, settings that somebody changed since are not written over (409).
    pub(crate) version: String,
}

impl From<DocumentSettings> for Settings {
    fn from(inside: DocumentSettings) -> Self {
        let version = inside.version();
        let DocumentSettings { parent, agency, abbreviation, place, contact, signers, addressees, recipients, .. } =
            inside;
        let DocumentSettings { unit, mend_days, quarter_due_days, .. } = inside;
        let signer = |one: report::Signer| Signer {
            authority: one.authority.into(),
            for_body: one.for_body,
            head: one.head,
            title: one.title,
            name: one.name,
        };
        let signers = signers.into_iter().map(signer).collect();
        Self {
            parent,
            agency,
            abbreviation,
            place,
            contact,
            signers,
            addressees,
            recipients,
            unit,
            mend_days,
            quarter_due_days,
            version,
        }
    }
}

impl From<Settings> for DocumentSettings {
    fn from(body: Settings) -> Self {
        let Settings { parent, agency, abbreviation, place, contact, signers, addressees, recipients, .. } = body;
        let Settings { unit, mend_days, quarter_due_days, .. } = body;
        let signer = |one: Signer| report::Signer {
            authority: one.authority.into(),
            for_body: one.for_body,
            head: one.head,
            title: one.title,
            name: one.name,
        };
        let signers = signers.into_iter().map(signer).collect();
        Self {
            parent,
            agency,
            abbreviation,
            place,
            contact,
            signers,
            addressees,
            recipients,
            unit,
            mend_days,
            quarter_due_days,
        }
    }
}
