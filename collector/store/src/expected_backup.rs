//! Backups that are expected of the systems in the inventory: what a person says must be there, what was seen of it last, and how that is
//! judged (articles 7.1, 7.2).

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

/// What of a device is backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupKind {
    /// Its files.
    Files,
    /// A database on it.
    Database,
    /// All of it, as an image.
    Image,
    /// Its configuration: of a switch, an appliance, a display controller.
    Configuration,
    /// Something else, as the note says.
    Other,
    /// Nothing: it keeps nothing that would be missed, as the note says.
    Unneeded,
}

impl BackupKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Files, Self::Database, Self::Image, Self::Configuration, Self::Other, Self::Unneeded];

    /// Its name in the store, the API and addresses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Database => "database",
            Self::Image => "image",
            Self::Configuration => "configuration",
            Self::Other => "other",
            Self::Unneeded => "unneeded",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Where it is seen whether a backup was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupSource {
    /// A job that reports its success (`[[job]]` of the configuration), by its name.
    Job(String),
    /// The survey of backups that an agent makes, of the device itself or of the server that backs it up.
    Probe {
        /// Whose agent looks; none where it is the device's own.
        device: Option<DeviceId>,
        /// The backup's name in that agent's configuration.
        name: String,
    },
    /// Nothing can look: a person says so.
    Attestation,
}

/// Which backup is expected of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupExpectation {
    /// Where it is seen.
    pub source: BackupSource,
    /// A good one is due so long after the last, milliseconds.
    pub every_ms: i64,
    /// How much later it may come, milliseconds.
    pub grace_ms: i64,
    /// For how many days each is kept.
    pub keep_days: u32,
    /// Where they lie.
    pub place: String,
    /// How many copies of the data there are, the original among them.
    pub copies: u8,
    /// On how many kinds of media.
    pub media: u8,
    /// One of them lies elsewhere.
    pub off_site: bool,
    /// They are encrypted.
    pub encrypted: bool,
    /// What there is to say besides; why none is needed, where none is.
    pub note: String,
    /// Who stated it.
    pub by: String,
    /// Since when it stands: the first good one is due from then on.
    pub since: Timestamp,
}

/// A part of the rule of three copies, on two kinds of media, one of them elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyRule {
    /// Three copies, the original among them.
    Copies,
    /// Two kinds of media.
    Media,
    /// One elsewhere.
    OffSite,
}

impl CopyRule {
    /// Its name in the API and in texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Copies => "copies",
            Self::Media => "media",
            Self::OffSite => "off_site",
        }
    }
}

impl BackupExpectation {
    /// What it lacks of 3-2-1.
    #[must_use]
    pub fn missing_copies(&self) -> Vec<CopyRule> {
        let rules = [
            (CopyRule::Copies, self.copies >= 3),
            (CopyRule::Media, self.media >= 2),
            (CopyRule::OffSite, self.off_site),
        ];
        rules.into_iter().filter(|(_, met)| !met).map(|(rule, _)| rule).collect()
    }
}

/// What was seen of a backup last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BackupSeen {
    /// The last good one.
    pub success: Option<Timestamp>,
    /// The last attempt failed.
    pub failed: bool,
    /// Why nothing is known of it now; empty where something is.
    pub unknown: String,
    /// What was said of it: a job's message, a probe's detail, what a person looked at.
    pub detail: String,
    /// Until when a person's word holds.
    pub valid_until: Option<Timestamp>,
    /// Whose word it is.
    pub attested_by: String,
}

/// How a backup that is expected stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupState {
    /// The last attempt failed.
    Failed,
    /// No good one came in time.
    Overdue,
    /// Whether there is one is not known, and none is due yet.
    Unknown,
    /// A good one came in time.
    InOrder,
    /// None is needed.
    Unneeded,
}

impl BackupState {
    /// All of them, those that need someone first.
    pub const ALL: [Self; 5] = [Self::Failed, Self::Overdue, Self::Unknown, Self::InOrder, Self::Unneeded];

    /// Its name in the store, the API and texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Overdue => "overdue",
            Self::Unknown => "unknown",
            Self::InOrder => "in_order",
            Self::Unneeded => "unneeded",
        }
    }

    /// Whether it is a fault.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Overdue)
    }
}

/// A backup that is expected of a device, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedBackup {
    /// Whose.
    pub device: DeviceId,
    /// Of what.
    pub kind: BackupKind,
    /// What is expected.
    pub expected: BackupExpectation,
    /// What was seen of it last.
    pub seen: BackupSeen,
    /// How it stands, as the engine judged it.
    pub state: BackupState,
}

/// What a person says of a backup where nothing can look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupAttestation {
    /// The backup was made then.
    pub made_at: Timestamp,
    /// It is good.
    pub good: bool,
    /// Until when this holds; as long as the expectation says where none is given.
    pub valid_until: Option<Timestamp>,
    /// What was looked at, and where the evidence lies: number of the minutes, of the ticket.
    pub note: String,
    /// Who says so.
    pub by: String,
    /// When they said it.
    pub at: Timestamp,
}

/// Most files of one attestation.
pub const EVIDENCE_MAX: usize = 10;

/// A file that shows what was attested. Its content lies in the store.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupEvidence {
    /// The file's name.
    pub name: String,
    /// SHA-256 of its content, hex.
    pub sha256: String,
    /// The file's size, bytes.
    pub bytes: u64,
    /// What sort of file it is, by its first bytes.
    pub kind: EvidenceKind,
    /// The account that added it.
    pub who: String,
    pub at: Timestamp,
}

/// A sort of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceKind {
    /// A PDF.
    Pdf,
    /// A picture.
    Image,
    /// An archive, or a document of an office program, which is one.
    Zip,
    /// Plain text, UTF-8.
    Text,
    /// Anything else.
    Other,
}

impl EvidenceKind {
    /// What it is by its content; its name may say anything.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let begins = |all: &[&[u8]]| all.iter().any(|one| content.starts_with(one));
        if begins(&[b"%PDF-"]) {
            Self::Pdf
        } else if begins(&[b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*"]) {
            Self::Image
        } else if begins(&[b"PK\x03\x04"]) {
            Self::Zip
        } else if std::str::from_utf8(content).is_ok_and(|text| !text.contains('\0')) {
            Self::Text
        } else {
            Self::Other
        }
    }

    /// Its name in the API and in texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Image => "image",
            Self::Zip => "zip",
            Self::Text => "text",
            Self::Other => "other",
        }
    }
}

/// What a person said of a backup, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAttestation {
    /// Its number among all of them.
    pub number: u64,
    /// What they said.
    pub attestation: BackupAttestation,
    /// The files that show it, as they were added.
    pub files: Vec<BackupEvidence>,
}

/// Which expected backups are asked for, in the order of devices and kinds.
#[derive(Debug, Clone, Default)]
pub struct ExpectedBackupQuery {
    /// Only in these states; in any when there are none.
    pub states: Vec<BackupState>,
    /// Only those that lack something of 3-2-1.
    pub short_of_copies: bool,
    /// Only of this device.
    pub device: Option<DeviceId>,
    /// Only behind this one.
    pub after: Option<(DeviceId, BackupKind)>,
}

/// Of how many devices the backups are stated and in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackupCoverage {
    /// Devices of the inventory.
    pub devices: u64,
    /// Of these, for how many it is stated what is expected.
    pub stated: u64,
    /// Of these, how many need none.
    pub unneeded: u64,
    /// How many of those that need one have every one in order.
    pub in_order: u64,
    /// Of those that need one, how many meet 3-2-1 with each.
    pub copies_met: u64,
    /// Backups that are expected, by state in the order of [`BackupState::ALL`].
    pub states: [u64; 5],
}
