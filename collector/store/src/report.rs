//! Reports as they are kept (article 16.6): what the centre says of itself in documents, what people write into a report before it is issued, and
//! each version that was issued, which is never changed again.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;

/// Longest text that a person writes into a report, characters.
pub const TEXT_MAX_CHARS: usize = 20_000;
/// Most texts of one report.
pub const TEXTS_MAX: usize = 500;
/// Largest document that is kept, bytes; and what it was made of.
pub const CONTENT_MAX_BYTES: usize = 16 * 1024 * 1024;

/// By what authority somebody signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignAuthority {
    /// The head, in person.
    #[default]
    Own,
    /// *Q.*: acting head.
    Acting,
    /// *KT.*: a deputy for the head.
    Deputy,
    /// *TL.*: by order of the head.
    ByOrder,
    /// *TUQ.*: by written authority of the head.
    ByWrittenAuthority,
}

impl SignAuthority {
    /// In the order in which they are listed above.
    pub const ALL: [Self; 5] = [Self::Own, Self::Acting, Self::Deputy, Self::ByOrder, Self::ByWrittenAuthority];

    /// The name used in the API and in texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Acting => "acting",
            Self::Deputy => "deputy",
            Self::ByOrder => "by_order",
            Self::ByWrittenAuthority => "by_written_authority",
        }
    }

    /// The authority with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// Whether somebody else's title stands above the signer's own.
    #[must_use]
    pub const fn names_the_head(self) -> bool {
        match self {
            Self::Own | Self::Acting => false,
            Self::Deputy | Self::ByOrder | Self::ByWrittenAuthority => true,
        }
    }
}

/// Somebody who signs documents.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Signer {
    /// By what authority.
    pub authority: SignAuthority,
    /// *TM.*: the body in whose name it is signed; empty where the agency is not led by one.
    pub for_body: String,
    /// The head's title, where another signs for the head.
    pub head: String,
    /// The signer's own title.
    pub title: String,
    /// Full name; empty where it is left for a pen.
    pub name: String,
}

/// What the centre says of itself in documents (Decree 30/2020): settings, since agencies and titles change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DocumentSettings {
    /// The agency above; empty where it is not named.
    pub parent: String,
    /// The agency that issues; empty before somebody has said it.
    pub agency: String,
    /// Its abbreviation in numbers.
    pub abbreviation: String,
    /// Its place, as in `An Giang, ngày …`.
    pub place: String,
    /// Address and telephone for the foot of first pages; empty where they do not stand there.
    pub contact: String,
    /// Who signs, whoever signs reports first.
    pub signers: Vec<Signer>,
    /// To whom reports go up.
    pub addressees: Vec<String>,
    /// Who gets them (*Nơi nhận*), the archive last.
    pub recipients: Vec<String>,
    /// Who mends what a report finds, where nobody else is named; empty where that is asked for each time.
    pub unit: String,
    /// Within how many days of the end of the period it is to be mended; 0 where that is asked for each time.
    pub mend_days: u32,
    /// Within how many days of the end of a quarter its report is due, where the regulation gives no day; 0 where there is none.
    pub quarter_due_days: u32,
}

impl DocumentSettings {
    /// What they are told from others by: 16 hex digits.
    #[must_use]
    pub fn version(&self) -> String {
        let mut digest = sha256_hex(serde_json::to_string(self).unwrap_or_default().as_bytes());
        digest.truncate(16);
        digest
    }
}

/// A text that a person wrote into a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportText {
    /// The report, as its address has it.
    pub report: String,
    /// Which text of it, such as `16.1-5/text`.
    pub key: String,
    /// What it says; an empty one is forgotten.
    pub text: String,
    /// Who wrote it last.
    pub by: String,
    /// When they wrote it.
    pub at: Timestamp,
}

/// A version of a report that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedReport {
    /// Its number among all that were issued, from 1.
    pub number: u64,
    /// The report, as its address has it.
    pub report: String,
    /// The how manieth of that report, from 1.
    pub version: u32,
    /// What it is called.
    pub title: String,
    /// When it was issued.
    pub at: Timestamp,
    /// Who issued it.
    pub by: String,
    /// SHA-256 over the document, hex.
    pub sha256: String,
    /// Size of the document, bytes.
    pub bytes: u64,
    /// Under which number the registrar registered it; none before.
    pub registration: Option<Registration>,
}

/// How an issued document was registered (*đăng ký văn bản đi*).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The document's number, from 1.
    pub number: u32,
    /// Its date, as year-month-day.
    pub date: String,
    /// Who wrote that down.
    pub by: String,
    /// When they wrote it down.
    pub at: Timestamp,
    /// SHA-256 over the copy that has number and date, hex.
    pub sha256: String,
    /// What kind of document it is, as it stands in the number: each kind is counted by itself, anew each year. Empty for a letter.
    pub kind: String,
    /// Why the registration before it was wrong; empty for the first.
    pub reason: String,
}

impl Registration {
    /// Number and date, by which whoever corrects them is known to have seen them.
    #[must_use]
    pub fn as_seen(&self) -> String {
        format!("{} {}", self.number, self.date)
    }
}

/// What is kept of an issued report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuedPart {
    /// The document as it was issued, without a number.
    Issued,
    /// The same with the number and date under which it was registered, as they stand now.
    Registered,
    /// The same as of one of its registrations, from 1: those that were wrong stay on record.
    RegisteredAs(u32),
    /// What it was made of, JSON.
    Source,
}
