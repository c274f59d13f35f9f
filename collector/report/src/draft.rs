//! A report as it stands: the facts, what people wrote into it, and what is still missing before it can be issued.

use std::collections::BTreeMap;

use ioc_document::legal::{Article, Pack};
use ioc_document::model::{Authority, Document, Signature};
use ioc_document::report::Office;
use ioc_document::report::clause::{self, ArticleState, ClauseReport, Gap};
use ioc_store::report::{DocumentSettings, SignAuthority, Signer};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::gather::Facts;

/// What people wrote, by key.
pub type Texts = BTreeMap<String, String>;

/// What people say of the whole period, and what they plan.
pub const OVERVIEW: &str = "overview";
/// The outlook, as above.
pub const OUTLOOK: &str = "outlook";

/// What is kept of an issued report beside the document: enough to show it, to print it, and to compare the next one with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IssuedSource {
    /// The document.
    pub document: Document,
    /// The figures that it says.
    pub articles: Vec<ArticleState>,
    /// When they were gathered.
    pub gathered_at: ioc_common::clock::Timestamp,
}

/// Where a report stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportState {
    /// Its period is not over.
    Draft,
    /// Its period is over, and people have not written all that only they know.
    TextsMissing,
    /// It can be issued.
    Ready,
    /// A version was issued.
    Issued,
}

impl ReportState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Draft, Self::TextsMissing, Self::Ready, Self::Issued];

    /// The name used in the API and in texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::TextsMissing => "texts_missing",
            Self::Ready => "ready",
            Self::Issued => "issued",
        }
    }

    /// Where one stands: how many texts are missing, whether its period is over, and whether a version was issued.
    #[must_use]
    pub const fn of(missing: usize, over: bool, issued: bool) -> Self {
        match (issued, over, missing) {
            (true, ..) => Self::Issued,
            (false, false, _) => Self::Draft,
            (false, true, 0) => Self::Ready,
            (false, true, _) => Self::TextsMissing,
        }
    }
}

/// Who issues documents, as settings say. A name that nobody has set stands as dots, for a pen.
#[must_use]
pub fn office(settings: &DocumentSettings, signer: usize) -> Office {
    const DOTS: &str = "……………";
    let text = |text: &str| if text.is_empty() { DOTS.to_owned() } else { text.to_owned() };
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let signature = settings.signers.get(signer).or_else(|| settings.signers.first()).map(signature);
    Office {
        parent: some(&settings.parent),
        agency: text(&settings.agency),
        abbreviation: text(&settings.abbreviation),
        place: text(&settings.place),
        contact: some(&settings.contact),
        signature: signature.unwrap_or_else(|| Signature::of("Thủ trưởng đơn vị", None)),
        addressees: settings.addressees.clone(),
        recipients: if settings.recipients.is_empty() {
            vec!["Lưu: VT".to_owned()]
        } else {
            settings.recipients.clone()
        },
    }
}

/// A signer as documents have it.
#[must_use]
pub fn signature(signer: &Signer) -> Signature {
    let (head, title) = (signer.head.clone(), signer.title.clone());
    let authority = match signer.authority {
        SignAuthority::Own => Authority::Own { title },
        SignAuthority::Acting => Authority::Acting { title },
        SignAuthority::Deputy => Authority::Deputy { head, title },
        SignAuthority::ByOrder => Authority::ByOrder { head, title },
        SignAuthority::ByWrittenAuthority => Authority::ByWrittenAuthority { head, title },
    };
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Signature { for_body: some(&signer.for_body), authority, name: some(&signer.name) }
}

/// The key of an article's text.
#[must_use]
pub fn text_key(article: &str) -> String {
    format!("{article}/text")
}

/// The key of who mends a gap (`who`), or by when (`by`).
#[must_use]
pub fn gap_key(article: &str, gap: &str, part: &str) -> String {
    format!("{article}/gap/{gap}/{part}")
}

fn written(texts: &Texts, key: &str) -> Option<String> {
    texts.get(key).filter(|text| !text.trim().is_empty()).cloned()
}

/// The facts of an article with what people wrote.
fn with_texts(state: &ArticleState, texts: &Texts) -> ArticleState {
    let gap = |gap: &Gap| {
        let key = |part| gap_key(&state.number, &gap.key, part);
        let by = written(texts, &key("by")).and_then(|text| text.trim().parse::<Date>().ok());
        Gap { who: written(texts, &key("who")).or_else(|| gap.who.clone()), by: by.or(gap.by), ..gap.clone() }
    };
    ArticleState {
        text: written(texts, &text_key(&state.number)),
        gaps: state.gaps.iter().map(gap).collect(),
        ..state.clone()
    }
}

/// The report as a document of a day.
#[must_use]
pub fn document(facts: &Facts, texts: &Texts, pack: &Pack, office: Office, date: Option<Date>) -> Document {
    let report = ClauseReport {
        office,
        period: facts.key.period(),
        date,
        articles: facts.articles.iter().map(|state| with_texts(state, texts)).collect(),
        overview: written(texts, OVERVIEW),
        outlook: written(texts, OUTLOOK),
    };
    clause::document(&report, pack)
}

/// Articles that need a text that only people can write, in the order of the pack.
pub fn articles_of_people(pack: &Pack) -> impl Iterator<Item = &Article> {
    pack.articles.iter().filter(|article| article.input)
}
