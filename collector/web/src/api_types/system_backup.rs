//! Backups that are expected of other systems, and how they stand.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_store as inside;

use super::names;

names! {
    /// What of a device is backed up.
    Kind is inside::BackupKind {
        /// Its files.
        Files = "files",
        /// A database on it.
        Database = "database",
        /// All of it, as an image.
        Image = "image",
        /// Its configuration.
        Configuration = "configuration",
        /// Something else, as the note says.
        Other = "other",
        /// Nothing, as the note explains.
        Unneeded = "unneeded",
    }
}

names! {
    /// How a backup that is expected stands.
    State is inside::BackupState {
        /// The last attempt failed.
        Failed = "failed",
        /// No good one came in time.
        Overdue = "overdue",
        /// Whether there is one is not known, and none is due yet.
        Unknown = "unknown",
        /// A good one came in time.
        InOrder = "in_order",
        /// None is needed.
        Unneeded = "unneeded",
    }
}

names! {
    /// What lacks of three copies, on two kinds of media, one of them elsewhere.
    MissingCopies is inside::CopyRule {
        /// Three copies, the original among them.
        Copies = "copies",
        /// Two kinds of media.
        Media = "media",
        /// One elsewhere.
        OffSite = "off_site",
    }
}

/// Where it is seen whether a backup was made.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Source {
    /// A job that reports its success, by its name in the configuration.
    Job {
        /// Its name.
        job: String,
    },
    /// The survey of backups that an agent makes.
    Survey {
        /// The backup's name in that agent's configuration.
        name: String,
        /// Whose agent looks; the device's own without.
        #[serde(default)]
        device: Option<DeviceId>,
    },
    /// Nothing can look: a person says so.
    Attestation {},
}

impl From<inside::BackupSource> for Source {
    fn from(inside: inside::BackupSource) -> Self {
        match inside {
            inside::BackupSource::Job(job) => Self::Job { job },
            inside::BackupSource::Probe { device, name } => Self::Survey { name, device },
            inside::BackupSource::Attestation => Self::Attestation {},
        }
    }
}

impl From<Source> for inside::BackupSource {
    fn from(published: Source) -> Self {
        match published {
            Source::Job { job } => Self::Job(job),
            Source::Survey { name, device } => Self::Probe { device, name },
            Source::Attestation {} => Self::Attestation,
        }
    }
}

/// A backup that is expected of a device.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct SystemBackup {
    /// Whose.
    device: DeviceId,
    /// Of what.
    kind: Kind,
    /// How it stands.
    state: State,
    /// Where it is seen.
    source: Source,
    /// A good one is due so long after the last, seconds.
    every_s: u64,
    /// How much later it may come, seconds.
    grace_s: u64,
    /// For how many days each is kept.
    keep_days: u32,
    /// Where they lie.
    place: String,
    /// How many copies there are, the original among them.
    copies: u8,
    /// On how many kinds of media.
    media: u8,
    /// One of them lies elsewhere.
    off_site: bool,
    /// They are encrypted.
    encrypted: bool,
    /// What lacks of three copies, two media, one elsewhere.
    missing: Vec<MissingCopies>,
    /// What there is to say besides.
    note: String,
    /// Who stated it.
    by: String,
    /// Since when it is expected.
    since: Timestamp,
    /// The last good one; null when none was ever seen.
    last_success: Option<Timestamp>,
    /// When the next good one is due; null where none is needed.
    due_at: Option<Timestamp>,
    /// Why nothing is known of it now; empty where something is.
    unknown: String,
    /// What was said of it last.
    detail: String,
    /// Until when a person's word holds.
    valid_until: Option<Timestamp>,
    /// Whose word it is.
    attested_by: String,
}

impl From<inside::ExpectedBackup> for SystemBackup {
    fn from(one: inside::ExpectedBackup) -> Self {
        let needed = one.kind != inside::BackupKind::Unneeded;
        let due_at = needed.then(|| ioc_engine::expected_backup::due_at(&one.expected, &one.seen));
        let missing = if needed { one.expected.missing_copies() } else { Vec::new() };
        let seconds = |ms: i64| ms.unsigned_abs() / 1000;
        Self {
            device: one.device,
            kind: one.kind.into(),
            state: one.state.into(),
            source: one.expected.source.into(),
            every_s: seconds(one.expected.every_ms),
            grace_s: seconds(one.expected.grace_ms),
            keep_days: one.expected.keep_days,
            place: one.expected.place,
            copies: one.expected.copies,
            media: one.expected.media,
            off_site: one.expected.off_site,
            encrypted: one.expected.encrypted,
            missing: super::all(missing),
            note: one.expected.note,
            by: one.expected.by,
            since: one.expected.since,
            last_success: one.seen.success,
            due_at,
            unknown: one.seen.unknown,
            detail: one.seen.detail,
            valid_until: one.seen.valid_until,
            attested_by: one.seen.attested_by,
        }
    }
}

/// Of how many devices the backups are stated and in order.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Coverage {
    /// Devices of the inventory.
    devices: u64,
    /// For how many it is stated what is expected; for the others it is work to do.
    stated: u64,
    /// How many of these need none.
    unneeded: u64,
    /// How many of those that need one have every one in order.
    in_order: u64,
    /// How many of those that need one have three copies, on two media, one elsewhere, of each.
    copies_met: u64,
    /// Backups whose last attempt failed.
    failed: u64,
    /// Backups of which no good one came in time.
    overdue: u64,
    /// Backups of which nothing is known yet.
    unknown: u64,
}

impl From<inside::BackupCoverage> for Coverage {
    fn from(inside: inside::BackupCoverage) -> Self {
        let inside::BackupCoverage { devices, stated, unneeded, in_order, copies_met, states } = inside;
        let [failed, overdue, unknown, _, _] = states;
        Self { devices, stated, unneeded, in_order, copies_met, failed, overdue, unknown }
    }
}

/// What a person says of a backup that nothing can look at.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Attestation {
    /// Its number among all of them.
    number: u64,
    /// The backup was made then.
    made_at: Timestamp,
    /// It is good.
    good: bool,
    /// Until when this holds.
    valid_until: Option<Timestamp>,
    /// What was looked at, and where the evidence lies.
    note: String,
    /// Who says so.
    by: String,
    /// When they said it.
    at: Timestamp,
    /// The files that show it.
    files: Vec<Evidence>,
}

/// What a person said of a backup, and of which.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct AttestedBackup {
    /// Whose.
    device: DeviceId,
    /// Of what.
    kind: Kind,
    #[serde(flatten)]
    attestation: Attestation,
}

impl From<(DeviceId, inside::BackupKind, inside::KeptAttestation)> for AttestedBackup {
    fn from((device, kind, kept): (DeviceId, inside::BackupKind, inside::KeptAttestation)) -> Self {
        Self { device, kind: kind.into(), attestation: kept.into() }
    }
}

/// A file that shows what was attested.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Evidence {
    /// The file's name.
    name: String,
    /// SHA-256 of its content, hex.
    sha256: String,
    /// The file's size, bytes.
    bytes: u64,
    /// What sort of file it is, by its first bytes: `pdf`, `image`, `zip` (office documents, too), `text` or `other`.
    kind: &'static str,
    /// The account that added it.
    who: String,
    at: Timestamp,
}

impl From<inside::KeptAttestation> for Attestation {
    fn from(inside: inside::KeptAttestation) -> Self {
        let inside::KeptAttestation { number, attestation, files } = inside;
        let inside::BackupAttestation { made_at, good, valid_until, note, by, at } = attestation;
        Self { number, made_at, good, valid_until, note, by, at, files: super::all(files) }
    }
}

impl From<inside::BackupEvidence> for Evidence {
    fn from(inside: inside::BackupEvidence) -> Self {
        let inside::BackupEvidence { name, sha256, bytes, kind, who, at } = inside;
        Self { name, sha256, bytes, kind: kind.as_str(), who, at }
    }
}
