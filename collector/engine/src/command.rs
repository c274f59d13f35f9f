//! What people and other tasks ask of the engine. Each command is carried out, committed, and only then answered.

mod background_task;
mod details;
mod seen_account;

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_common::config::Span;
use ioc_common::enrolment::{EnrolRequest, EnrolResponse};
use ioc_common::id::{DeviceId, IncidentId};
use ioc_common::language::Language;
use ioc_judge::duty::Cover;
use ioc_judge::{Action, Alert, NewIncident, Window};
use serde::{Deserialize, Serialize};

use crate::account::intent::{Actor, Intent};
pub use crate::command_error::{CommandError, MissingProof};
pub use crate::configuration::PartChange;
use crate::software_catalogue::GroupedProduct;
use crate::ticket_client::TicketEvent;
pub use background_task::BackgroundTask;
pub use details::{AssetChange, CountToClose, DeletionAhead, FoundThing, SeenProduct, ShiftToSign, TurnToAsk};
use ioc_store::audit;
use ioc_store::compaction::CompactionResult;
use ioc_store::configuration::Part;
use ioc_store::dashboard::Dashboard;
use ioc_store::floor::FloorPlace;
use ioc_store::inventory_count::Tick;
use ioc_store::report::DocumentSettings;
use ioc_store::retention::{DeletedNumbers, HoldTarget, RecordClass};
use ioc_store::totp::SecondFactor;
use ioc_store::{
    AccountAttestation, AccountRow, AccountVerdict, AssetAttestation, AssetRow, BackupAttestation, BackupExpectation,
    BackupKind, Delivery, Handover, ImportRegister, NewDevice, ProductField, ProductTableRow, SavedView, TicketRecord,
};
pub use seen_account::SeenAccount;

/// That the store was restored from a backup, in the words of whoever did it. It lies beside the store until it is in the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreDeclaration {
    /// The archive's file name.
    pub archive: String,
    /// SHA-256 over the archive, hex.
    pub sha256: String,
    /// The moment that the store is as of.
    pub backup_made_at: Timestamp,
    /// How many commits it holds.
    pub commits: u64,
    /// The number of the last record of its audit log.
    pub audit_number: u64,
    /// When it was restored.
    pub at: Timestamp,
    /// Who restored it.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// A command. `actor` is who asks, for the audit log: the name of an account, or empty for the collector itself.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug)]
pub enum Command {
    /// Make an enrolment token.
    NewToken {
        /// What it is good for.
        info: NewToken,
        /// How long it can be used.
        life: Span,
        actor: String,
    },
    /// End an enrolment token.
    EndToken {
        /// SHA-256 of its secret, hex.
        digest: String,
        actor: String,
    },
    /// Say what becomes of a machine that waits.
    DecideRequest {
        /// The request's identifier, hex.
        id: String,
        /// What the machine is; nothing when it is refused.
        approved: Option<NewDevice>,
        actor: String,
    },
    /// Register assets, or change what is said of them: all of them, or none.
    Import { devices: Vec<NewDevice>, actor: String },
    /// Turn a token into a certificate.
    Enrol {
        request: Box<EnrolRequest>,
        /// The address that it comes from, for the audit log.
        peer: String,
    },
    /// Take a device's right to report, at once.
    Revoke { device: DeviceId, actor: String },
    /// Let a device report again whose identity was found on two machines.
    Release { device: DeviceId, actor: String },
    /// Change what people say of a device.
    Describe {
        /// What they say now.
        info: NewDevice,
        /// Of which fields; of all, and what is not said is empty, when it is none.
        fields: Option<Vec<String>>,
        actor: String,
    },
    /// Write something down about a device: it stands among what happened there.
    Remark {
        device: DeviceId,
        /// 1 to 1000 characters.
        text: String,
        actor: String,
    },
    /// Register a device without an agent: it counts in the inventory, and others can be behind it.
    Register {
        /// What people say of it.
        info: NewDevice,
        actor: String,
    },
    /// Do something with an incident.
    Act { incident: IncidentId, action: Action, actor: String },
    /// Add a file to an incident.
    Attach {
        incident: IncidentId,
        name: String,
        /// At most 2 MiB.
        content: Vec<u8>,
        actor: String,
    },
    /// Open an incident by hand.
    Open { manual: NewIncident, actor: String },
    /// Take in what another system says.
    Alerts {
        /// Its name in the configuration.
        source: String,
        /// What it says, each with the names by which its device may be known ([`crate::alert::names`]).
        alerts: Vec<(Alert, Vec<String>)>,
    },
    /// A job on another system reports.
    JobReported {
        /// Its name in the configuration.
        job: String,
        /// It says that it failed.
        failed: bool,
        /// What it says besides; may be empty.
        message: String,
    },
    /// Say which backup is expected of these devices: of all of them, or of none.
    ExpectBackup {
        devices: Vec<DeviceId>,
        kind: BackupKind,
        /// Who states it and since when is the engine's to say.
        expected: BackupExpectation,
        actor: String,
    },
    /// A backup is not expected of a device any more.
    WithdrawBackup { device: DeviceId, kind: BackupKind, actor: String },
    /// Say how a backup stands that nothing can look at.
    AttestBackup {
        device: DeviceId,
        kind: BackupKind,
        /// Who says so and when is the engine's to say.
        attestation: BackupAttestation,
        actor: String,
    },
    /// Add a file that shows what was attested of a backup last.
    AddBackupEvidence {
        device: DeviceId,
        kind: BackupKind,
        name: String,
        /// At most 2 MiB.
        content: Vec<u8>,
        actor: String,
    },
    /// Keep a file that shows what was attested of the protection of a machine last.
    AddAssetEvidence {
        device: DeviceId,
        /// Of what: the name of an area.
        area: String,
        /// The file's name.
        name: String,
        /// At most 2 MiB.
        content: Vec<u8>,
        actor: String,
    },
    /// Write down what is so of assets: of all of these, or of none.
    ChangeAssets { changes: Vec<AssetChange>, actor: String },
    /// Take a table into the asset register, new devices and known ones: all of it, or nothing.
    ImportAssets { rows: Vec<AssetRow>, actor: String },
    /// Put back what an import changed, where nobody changed it since.
    UndoImport { register: ImportRegister, number: u64, actor: String },
    /// Say how a machine is protected that no agent looks at.
    AttestAsset {
        device: DeviceId,
        /// Who says so and when is the engine's to say.
        attestation: AssetAttestation,
        actor: String,
    },
    /// Begin an inventory taking.
    OpenCount {
        /// The place, with what is below it; empty for all.
        place: String,
        actor: String,
    },
    /// Say what was found of an asset in an inventory taking that is open.
    TickAsset {
        count: u64,
        /// Who says so and when is the engine's to say.
        tick: Tick,
        /// When the tick was made that whoever says so has seen of this asset; none where they saw none. Refused where there is another by now.
        seen: Option<Timestamp>,
        actor: String,
    },
    /// Write down something that was found in an inventory taking that is open, and is not in the register.
    AddFind { count: u64, thing: FoundThing, actor: String },
    /// Say what became of something that is not in the register.
    SettleFind {
        count: u64,
        /// Its number there.
        find: u32,
        remark: String,
        actor: String,
    },
    /// Close an inventory taking: its minutes are issued, and what was not found is work.
    CloseCount { closing: Box<CountToClose>, actor: String },
    /// What an inventory did not find was found, or is known to be gone.
    SettleCounted {
        device: DeviceId,
        /// What became of it.
        remark: String,
        actor: String,
    },
    /// Say what is so of products of the software register: of all of these, or of none.
    ChangeProducts {
        /// By key.
        products: Vec<SeenProduct>,
        /// These columns, and no others; an empty text takes out what stands there.
        fields: BTreeMap<ProductField, String>,
        /// What stood in columns as whoever asks has seen it: refused where something else does by now. A column that is not named is not compared.
        was: BTreeMap<ProductField, String>,
        /// What was decided of software that became part of these is known not to be so here: of these columns.
        keep: Vec<ProductField>,
        actor: String,
    },
    /// Keep which products are on a machine, by one list of its software.
    GroupSoftware {
        device: DeviceId,
        list: String,
        /// By which catalogue they were grouped: its digest.
        catalogue: String,
        products: Vec<GroupedProduct>,
        /// When the list was made.
        made_at: Timestamp,
    },
    /// Plan a maintenance window or a freeze.
    PlanWindow {
        window: Window,
        /// What speaks against it is known.
        overrule: bool,
        actor: String,
    },
    /// End a maintenance window or a freeze, or take it out of the plan.
    EndWindow { id: u64, actor: String },
    /// People stand in on rotas: all of these, or none.
    Cover {
        covers: Vec<Cover>,
        /// From whom each is taken, as whoever asks has seen it; refused where somebody else stands in by now. Empty where that does not
        /// matter.
        instead_of: Vec<String>,
        actor: String,
    },
    /// Nobody stands in any more.
    Uncover { id: u64, actor: String },
    /// Make a calendar of the duty plan for `actor` to subscribe to.
    NewDutyFeed {
        /// `person:…` or `rota:…`, by key of the duty plan.
        subject: String,
        /// The language of its texts.
        language: Language,
        actor: String,
    },
    /// End a calendar of `actor`'s own.
    EndDutyFeed {
        /// SHA-256 of its token, hex.
        digest: String,
        actor: String,
    },
    /// Ask somebody to take a turn of `actor`'s own, or to swap two.
    AskTurn { asked: TurnToAsk, actor: String },
    /// Agree to take a turn, or decline.
    AnswerTurn {
        number: u64,
        agreed: bool,
        /// What there is to say; may be empty.
        answer: String,
        actor: String,
        /// The person of the duty plan whom the signed link of a notice names; else it is the one whose account `actor` is.
        by_link: Option<String>,
    },
    /// Take back that one asked.
    WithdrawTurn { number: u64, actor: String },
    /// Write into the duty book.
    Handover(Handover),
    /// Hand over a shift, or take it over: both sign.
    SignShift(Box<ShiftToSign>),
    /// Give a room a picture.
    SetFloorPicture { room: String, content: Vec<u8>, actor: String },
    /// Say where devices stand on a room's picture, in the version that whoever asks has seen.
    PlaceOnFloor { room: String, version: u64, places: Vec<FloorPlace>, actor: String },
    /// Try again what was given up.
    Resend {
        /// The key of its outbox entry.
        key: String,
        actor: String,
    },
    /// Send a person a notice that says that it is a test.
    TestContact {
        /// Their key in the duty plan.
        person: String,
        actor: String,
    },
    /// Send a code to a way to reach a person, to see that it is theirs and works.
    SendContactCode {
        /// Their key in the duty plan.
        person: String,
        channel: String,
        address: String,
        actor: String,
    },
    /// Give that code back.
    VerifyContact {
        /// Their key in the duty plan.
        person: String,
        channel: String,
        address: String,
        code: String,
        actor: String,
    },
    /// Look for holes in the duty plan.
    CheckDuty,
    /// Look which reports are due.
    CheckReports,
    /// A person confirms the machine's clock after a step of it.
    ConfirmClock {
        /// The step that they were shown, seconds with sign; another one is not confirmed.
        step_s: Option<i64>,
        actor: String,
    },
    /// Keep an audit record, and nothing else.
    Note(audit::AuditEntry),
    /// Keep a list of devices for a person, or forget it.
    SaveView(SavedView),
    /// Save a dashboard: number and version 0 for a new one, else those that whoever asks has seen. Who administers may change those of others.
    SaveDashboard { dashboard: Box<Dashboard>, administers: bool, actor: String },
    /// Take a dashboard out, in the version that whoever asks has seen.
    RemoveDashboard { number: u64, version: u64, administers: bool, actor: String },
    /// What is meant to be done with an account.
    Account(Box<Intent>),
    /// What became of attempts to deliver.
    Delivered(Vec<Delivery>),
    /// Notices, by their keys, that their channel has not delivered in time: their fallback carries them, too.
    FallBack(Vec<String>),
    /// Keep what a ticket system knows of an incident, and do what people did there, in one commit.
    Ticket {
        record: Box<TicketRecord>,
        /// What people did there.
        events: Vec<TicketEvent>,
    },
    /// Keep what an integrity check of the store found.
    RecordIntegrityCheck {
        /// What is wrong, a line each; none when the store is sound.
        findings: Vec<String>,
        /// Every checksum was read, and indexes were compared.
        full: bool,
    },
    /// What the collector does by itself fails, or does not any more.
    BackgroundTask {
        task: BackgroundTask,
        /// Why it fails; none when it does not.
        failing: Option<String>,
    },
    /// Keep what a time stamping authority said of a signed head; it was checked.
    KeepStamp(audit::AuditStamp),
    /// A person knows of what the store has lost.
    ConfirmLoss {
        /// What they did about it, or why nothing is to be done.
        reason: String,
        actor: String,
    },
    /// Keep what this is on from being deleted, whatever the retention of its class.
    SetHold {
        target: HoldTarget,
        /// Only what lasted until this moment or longer.
        from: Option<Timestamp>,
        /// Only what began by this moment.
        until: Option<Timestamp>,
        /// Why, in one line.
        reason: String,
        /// Who means it, where the account is not a person's: whoever sits at the machine.
        name: String,
        actor: String,
    },
    /// A hold ends.
    EndHold {
        number: u64,
        /// Why, in one line.
        reason: String,
        /// Who means it, as above.
        name: String,
        actor: String,
    },
    /// A rule that waits for the end of its grace deletes from now on.
    BeginDeletion {
        class: RecordClass,
        /// Why, in one line.
        reason: String,
        /// Who means it, as above.
        name: String,
        actor: String,
    },
    /// What will be deleted once rules that are new or shorter have waited for the end of their grace: all of it, so that what is not in it is over.
    DeletionsAhead(Vec<DeletionAhead>),
    /// Delete records that are past their time by the rule in force, each with the SHA-256 of its line.
    Expire {
        class: RecordClass,
        records: Vec<(i64, String)>,
        /// The newest hold that whoever chose them had seen, and how many commits.
        holds_seen: u64,
        commits_seen: u64,
        /// The digest of the evidence if the first of them goes alone.
        first_alone: String,
        /// The file that they were exported to; empty for none.
        exported: String,
    },
    /// Keep the evidence of numbers that were deleted.
    NumbersDeleted(Vec<DeletedNumbers>),
    /// Say what the centre says of itself in documents.
    SetDocumentSettings {
        settings: Box<DocumentSettings>,
        /// [`DocumentSettings::version`] as whoever asks has seen it: refused where another one stands by now; empty where that does not matter.
        seen: String,
        actor: String,
    },
    /// Write texts into a report: all of these, or none; an empty one is forgotten.
    WriteReport {
        /// The report, as its address has it.
        report: String,
        /// Each by its key.
        texts: Vec<(String, String)>,
        /// Texts as whoever asks has seen them, by key: refused where another one stands by now. One that is not named is not compared.
        was: BTreeMap<String, String>,
        actor: String,
    },
    /// Take a table into the register of accounts: all of it, or nothing.
    ImportAccounts { rows: Vec<AccountRow>, actor: String },
    /// Take a table into the software register: all of it, or nothing.
    ImportProducts { rows: Vec<ProductTableRow>, actor: String },
    /// Say who holds accounts that are found by themselves: of all of these, or of none; only what is given.
    DescribeAccounts {
        accounts: Vec<SeenAccount>,
        /// Who holds them; an empty one takes out what stands there.
        holder: Option<String>,
        /// What there is to say besides.
        note: Option<String>,
        actor: String,
    },
    /// A person vouches for an account of an appliance that nothing can look at.
    AttestAccount { device: DeviceId, attestation: AccountAttestation, actor: String },
    /// A file shows what was vouched for of an account last.
    AddAccountEvidence {
        device: DeviceId,
        account: String,
        /// The file's name.
        name: String,
        content: Vec<u8>,
        actor: String,
    },
    /// Open a review of all accounts, as they stand now.
    OpenAccountReview { actor: String },
    /// Say what becomes of accounts in a review that is open: of all of these, or of none.
    WriteAccountReview {
        review: u64,
        /// Each by its line, from 1, with the reason.
        lines: Vec<(u32, AccountVerdict, String)>,
        /// Lines as whoever asks has seen them: refused where somebody wrote something else since. One that is not named is not compared.
        was: BTreeMap<u32, (AccountVerdict, String)>,
        actor: String,
    },
    /// A leader signs a review, and issues its document.
    SignAccountReview {
        review: u64,
        /// The digest of the lines that were seen ([`ioc_store::review_digest`]): what was written since is seen first.
        seen: String,
        /// The document, DOCX.
        content: Vec<u8>,
        /// What it was made of, JSON.
        source: String,
        actor: Actor,
    },
    /// Issue a version of a report.
    IssueReport {
        /// The report, as its address has it.
        report: String,
        title: String,
        /// The document, DOCX.
        content: Vec<u8>,
        /// What it was made of, JSON.
        source: String,
        actor: String,
    },
    /// Write down under which number and date an issued report was registered, or correct that.
    RegisterReport {
        /// Its number among all that were issued.
        number: u64,
        /// The document's number, from 1.
        registered: u32,
        /// The document's date, as year-month-day.
        date: String,
        /// What kind of document it is, as it stands in the number; empty for a letter.
        kind: String,
        /// The document with number and date, DOCX.
        content: Vec<u8>,
        /// Why the registration before it is wrong; empty for the first.
        reason: String,
        /// Number and date as whoever corrects them has seen them: refused where they are others by now; not compared where it is empty.
        seen: String,
        /// The number is meant, though another document of its kind has it in that year.
        all_the_same: bool,
        actor: String,
    },
    /// Nothing; it is answered once everything that was decided before is on disk.
    AwaitCommit,
    /// Give parts of the configuration new texts: all of them, or none.
    SetConfiguration {
        changes: Vec<PartChange>,
        /// Why: 1 to 500 characters.
        reason: String,
        actor: String,
    },
    /// Take parts from the files that hold them, as versions, so that they can be taken out of those.
    ImportConfiguration { parts: Vec<Part>, reason: String, actor: String },
    /// Use these rules and channels from now on: they were read from files again.
    Reload(Box<crate::config::Config>),
    /// Delete rows of history that are folded, a piece of them: it is a conflict as long as there are more.
    ForgetRows {
        /// Up to where, and what was deleted of what is folded.
        folded: CompactionResult,
    },
}

/// What a token is to be good for.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The device that it makes, or what every machine of a group takes over.
    pub device: NewDevice,
    /// What it is for, in a person's words.
    pub label: String,
    /// Machines say themselves who they are.
    pub group: bool,
    /// How often it can be used; once for a token of one device.
    pub uses: u32,
    /// Every machine waits until a person approves it.
    pub approve: bool,
}

impl Command {
    /// Whether who asks is answered only once it is committed. A wrong password is answered before: a name that does not exist leaves
    /// nothing to commit, and the time that the disk takes must not tell which names do.
    #[must_use]
    pub(crate) fn waits_for_commit(&self) -> bool {
        !matches!(self, Self::Account(intent) if matches!(**intent, Intent::Wrong { .. }))
    }
}

/// What is too much for one cycle of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piecework {
    /// A table is taken into a register, or put back.
    TableImport,
    /// A review of all accounts is opened.
    AccountReview,
    /// An inventory taking is closed.
    CountClosing,
}

/// The answer to a command.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone)]
pub enum Answer {
    /// It is done and committed.
    Done,
    /// The token, shown once.
    Token {
        token: String,
        /// Which device it makes, where that is known.
        device: Option<DeviceId>,
    },
    /// The machine has to wait for a person.
    Waiting {
        /// What its request is called.
        request: String,
        /// It is a new one: nobody has asked so before.
        new: bool,
    },
    /// So many assets are new or said differently.
    Imported(usize),
    /// It goes on in pieces, and is answered once it is done; nobody outside sees this.
    Begun(Piecework),
    /// The device's certificate, with its authorities and settings.
    Enrolled(Box<EnrolResponse>),
    /// The incident that was opened.
    Incident(IncidentId),
    /// The number of the legal hold that was set.
    Hold(u64),
    /// The number of the dashboard that was saved.
    Dashboard(u64),
    /// The number of the report that was issued.
    Report(u64),
    /// The number of the review of accounts that was opened.
    AccountReview(u64),
    /// The number of the inventory taking that was opened.
    Count(u64),
    /// What a password is compared with; for a name that does not exist one that nothing matches.
    Hash(String),
    /// The password is right; a code of the second factor is needed, too.
    NeedsCode,
    /// A cookie or a token, shown once.
    Secret(String),
    /// A second factor that its owner has to confirm.
    Second(SecondFactor),
    /// Codes to recover with, shown once.
    Codes(Vec<String>),
}
