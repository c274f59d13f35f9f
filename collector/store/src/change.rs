//! What a commit is made of.

use ioc_common::audit_head::AuditHead;
use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_common::layout::{Layout, LayoutId};
use ioc_common::report::Position;
use ioc_common::software::Software;
use ioc_judge::duty::Cover;
use ioc_judge::rule::document::Comparison;
use ioc_judge::{DeviceInfo, Fault, Incident, Presence, TimelineStep, Window};

use super::{
    AccountAttestation, AccountRecord, AccountReview, AccountWord, Asset, AssetAttestation, BackupAttestation,
    BackupEvidence, BackupKind, ClockMark, ContactCheck, Delivery, DutyFeed, ExpectedBackup, Handover, JobRecord,
    OutboxEntry, Product, ProductUse, RequestRecord, RequestedTurn, ReviewLine, ReviewSignature, SavedView,
    SessionRecord, TableImport, TicketRecord, TokenRecord,
};
use crate::audit;
use crate::configuration::ConfigurationVersion;
use crate::dashboard::Dashboard;
use crate::floor::FloorPlan;
use crate::inventory_count::{Find, InventoryCount, Tick};
use crate::merkle::Frontier;
use crate::report::{DocumentSettings, IssuedReport, Registration, ReportText};
use crate::retention::{DeletedNumbers, Expiry, Hold, HoldEnd, RetentionRule};

/// One change of what is known.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone)]
pub enum Change {
    /// A report's numbers: one row of history.
    Sample {
        device: DeviceId,
        /// Its place in the order.
        position: Position,
        /// When it was taken, corrected.
        at: Timestamp,
        layout: LayoutId,
        /// The numbers, packed ([`crate::history::pack`]).
        row: Vec<u8>,
        /// These are the newest numbers of the device.
        newest: bool,
    },
    /// What the judge tracks of a device after its reports: written once per device and commit.
    Watermark {
        device: DeviceId,
        /// Everything up to here is committed.
        position: Position,
        /// When it was last heard.
        last_heard: Option<Timestamp>,
        /// When its newest sample was taken.
        last_sample: Option<Timestamp>,
        /// Clock error, milliseconds with sign.
        clock_error_ms: Option<i64>,
    },
    /// By which way a device's reports come from now on.
    Entrance {
        device: DeviceId,
        /// Until when they came through a broker: [`Timestamp::MAX`] while they do, none when none did.
        broker_until: Option<Timestamp>,
    },
    /// A layout that may be new.
    Layout(Layout),
    /// A device was enrolled, or what people say of it changed.
    Device {
        /// What people say of it.
        info: DeviceInfo,
        at: Timestamp,
    },
    /// A device may no longer report.
    Revoked { device: DeviceId, at: Timestamp },
    /// Whether a device is heard.
    Presence {
        device: DeviceId,
        /// Whether it is heard.
        presence: Presence,
    },
    /// A hello, kept whole.
    Hello {
        device: DeviceId,
        at: Timestamp,
        boot_id: String,
        fingerprint: String,
        interval_s: u32,
        keep_alive_s: u16,
        /// The whole body, JSON.
        body: String,
    },
    /// Something happened on a device.
    Event {
        device: DeviceId,
        at: Timestamp,
        name: String,
        /// A sentence for people.
        text: String,
        /// Details by name, a JSON object.
        fields: String,
    },
    /// What is known of a device's losses.
    Losses { device: DeviceId, ledger: ioc_judge::LossLedger },
    /// What a survey of a device found, whole: it takes the place of what it found before.
    Document {
        device: DeviceId,
        name: String,
        /// When it was made, corrected.
        at: Timestamp,
        /// What it says, JSON.
        body: String,
    },
    /// A part of a device's software list, or what changed in it. A difference fits the list that is kept; the engine sees to it.
    Software {
        device: DeviceId,
        /// When it was made, by the corrected clock.
        at: Timestamp,
        report: Software,
    },
    /// Only so many of a device's events stay, the newest, and those that are held; what goes leaves its evidence. A commit takes no more than it has
    /// time for.
    EventsPruned { device: DeviceId, keep: u64 },
    /// Parts of software lists that never became whole go.
    SoftwareCleared { device: DeviceId },
    /// A fault as it now is.
    Fault(Fault),
    /// An incident as it now is.
    Incident(Box<Incident>),
    /// A step of an incident.
    Step(TimelineStep),
    /// A notice for one channel.
    Outbox(OutboxEntry),
    /// What became of an attempt to deliver.
    Delivery(Delivery),
    /// An incident has something that a ticket system is to be told.
    TicketDue { system: String, incident: IncidentId },
    /// The ticket systems that there are: what others were to be told waits no more, and keeps no incident.
    TicketSystems(Vec<String>),
    /// What a ticket system knows of an incident now.
    Ticket(TicketRecord),
    /// A file of an incident. Its name and size are in the incident.
    Attachment {
        incident: IncidentId,
        /// SHA-256 of its content, hex.
        sha256: String,
        content: Vec<u8>,
    },
    /// What a document holds for a rule, and what of it was accepted.
    Comparison { device: DeviceId, rule: String, comparison: Comparison },
    /// A maintenance window was planned.
    Window(Window),
    /// A maintenance window is over, or was taken out of the plan.
    WindowGone { id: u64, at: Timestamp },
    /// Someone stands in on a rota.
    Cover(Cover),
    /// Nobody stands in any more.
    CoverGone(u64),
    /// An entry of the duty book.
    Handover(Handover),
    /// A calendar that somebody subscribes to is new.
    DutyFeed(DutyFeed),
    /// One is not given out any more.
    DutyFeedEnded {
        /// SHA-256 of its token, hex.
        digest: String,
        /// When.
        at: Timestamp,
    },
    /// A code was sent to a way to reach somebody, or what became of it.
    ContactCheck(Box<ContactCheck>),
    /// Somebody asks somebody else to take a turn, or what became of it.
    RequestedTurn(Box<RequestedTurn>),
    /// What is known of a job on another system.
    Job(JobRecord),
    /// A job is not watched any more.
    JobGone(String),
    /// Which backup is expected of a device, and how it stands.
    ExpectedBackup(ExpectedBackup),
    /// It is not expected any more.
    ExpectedBackupGone { device: DeviceId, kind: BackupKind },
    /// A person said how a backup stands that nothing can look at.
    BackupAttested { device: DeviceId, kind: BackupKind, attestation: BackupAttestation },
    /// A file shows what was attested of a backup last.
    BackupEvidence { device: DeviceId, kind: BackupKind, file: BackupEvidence, content: Vec<u8> },
    /// A row of the asset register, as it now stands.
    Asset(Box<Asset>),
    /// A person said how a machine without an agent is protected.
    AssetAttested { device: DeviceId, attestation: AssetAttestation },
    /// A file shows what was attested of a machine last.
    AssetEvidence { device: DeviceId, area: String, file: BackupEvidence, content: Vec<u8> },
    /// A table is taken into a register.
    TableImport(Box<TableImport>),
    /// An import is undone: what it did is put back of all of its rows.
    TableImportUndone { number: u64, at: Timestamp, by: String },
    /// So many rows of an import are still to be changed, or put back.
    TableImportLeft { number: u64, left: u64 },
    /// A person said who holds an account; no device stands for this collector.
    AccountWord { device: Option<DeviceId>, name: String, word: AccountWord },
    /// A person vouched for an account of an appliance.
    AccountAttested { device: DeviceId, attestation: AccountAttestation },
    /// A file shows what was vouched for of an account last.
    AccountEvidence { device: DeviceId, name: String, file: BackupEvidence, content: Vec<u8> },
    /// Accounts of a review that is not open yet, each as it stands, from the line of the first, which is 1 or more. What an opening that came to
    /// nothing left there is written over.
    AccountReviewLines { review: u64, first: u32, lines: Vec<ReviewLine> },
    /// A review of all accounts is open: all of its lines are there.
    AccountReviewOpened(AccountReview),
    /// What is said of an account in a review, from 1.
    AccountReviewLine { review: u64, line: u32, said: Box<ReviewLine> },
    /// A leader signed a review; one that is signed already stays as it is.
    AccountReviewSigned { review: u64, signature: ReviewSignature },
    /// An inventory taking was opened or closed; one that is closed stays as it is.
    InventoryCount(Box<InventoryCount>),
    /// Somebody ticked an asset in an inventory taking.
    InventoryTick { count: u64, tick: Tick },
    /// Something was found that is not in the register, or it is said what became of it.
    InventoryFind { count: u64, find: Box<Find> },
    /// A product of the software register, as it now stands.
    Product(Box<Product>),
    /// Which products are on a machine, by one list of its software: what is not named is gone. Each was put before.
    ProductUses {
        device: DeviceId,
        list: String,
        /// By which catalogue they were grouped: its digest.
        catalogue: String,
        uses: Vec<ProductUse>,
        at: Timestamp,
    },
    /// What the centre says of itself in documents is this now.
    DocumentSettings(Box<DocumentSettings>),
    /// A person wrote a text into a report; an empty one is forgotten.
    ReportText(ReportText),
    /// A version of a report was issued.
    ReportIssued {
        issued: IssuedReport,
        /// The document.
        content: Vec<u8>,
        /// What it was made of, JSON.
        source: String,
    },
    /// An issued report was registered, or what was wrong of that is corrected: the newest registration counts.
    ReportRegistered {
        /// Its number among all that were issued.
        number: u64,
        registration: Registration,
        /// The document with number and date.
        content: Vec<u8>,
    },
    /// An enrolment token was made.
    Token(TokenRecord),
    /// A token was ended by a person.
    TokenEnded { digest: String, at: Timestamp },
    /// A machine that asks to come in, as it now stands.
    Request(Box<RequestRecord>),
    /// A machine that waits asked again.
    RequestSeen { id: String, at: Timestamp },
    /// It has come in: it is not asked for by its number any more, and goes as others that waited.
    RequestGone(String),
    /// What has not asked since then waits no more, and goes unless it is held; what goes leaves its evidence.
    RequestsPruned {
        before: Timestamp,
        /// Else it waits no more, and stays: the rule of its class waits.
        delete: bool,
    },
    /// A token was used by a device.
    TokenUsed { digest: String, device: DeviceId, at: Timestamp },
    /// A certificate was issued.
    Certificate {
        device: DeviceId,
        serial: String,
        at: Timestamp,
        expires_at: Timestamp,
        /// Those that it had before are good no more.
        revoke_previous: bool,
    },
    /// An account, or its new state.
    Account(AccountRecord),
    /// A person keeps a list of devices; a view without a query is forgotten.
    View(SavedView),
    /// A dashboard, as it was saved last.
    Dashboard(Box<Dashboard>),
    /// A dashboard is taken out, by its number.
    DashboardGone(u64),
    /// Where devices stand on the picture of a room.
    FloorPlan(Box<FloorPlan>),
    /// The picture of a room, in place of that which was there.
    #[allow(missing_docs, reason = "the names say it")]
    FloorPicture { room: String, content: Vec<u8> },
    /// A person signed in.
    Session(SessionRecord),
    /// All sessions and tokens of an account ended, but for one session.
    SessionsEnded {
        account: String,
        /// The digest of the one that goes on; empty for none.
        except: String,
    },
    /// Whoever has a session showed again who they are.
    SessionConfirmed {
        digest: String,
        at: Timestamp,
        /// By a second factor, too.
        second_factor: bool,
    },
    /// An account's second factor is gone: what its sessions showed of it counts no more.
    SecondFactorEnded { account: String },
    /// A session or token of the API ended.
    SessionEnded { digest: String },
    /// A person knows of what was found to be lost.
    LossConfirmed,
    /// What is believed of the time now.
    Clock(ClockMark),
    /// The clock was stepped, and that is followed: what is due after a while moves with it.
    ClockStepped {
        /// The time after the step.
        at: Timestamp,
        /// The step, milliseconds with sign.
        by_ms: i64,
    },
    /// The rule of a class is another one now.
    RetentionRule(RetentionRule),
    /// A part of the configuration was given a text: its next version.
    Configuration(Box<ConfigurationVersion>),
    /// A legal hold was set.
    Hold(Hold),
    /// A legal hold was ended; one that has ended already stays as it is.
    HoldEnded { number: u64, end: HoldEnd },
    /// Records that are past their time go, but for those that are held then, and leave their evidence here and in the audit log. Nothing goes
    /// while the clock is in doubt.
    Expired(Expiry),
    /// Numbers went, and this is the evidence; told again, it is not kept twice.
    NumbersDeleted {
        deleted: DeletedNumbers,
        at: Timestamp,
        /// The rule in force, in words.
        rule: String,
    },
    /// A record for the audit log.
    Audit(audit::AuditEntry),
    /// A key that signs heads of the audit log; known for good from then on.
    AuditKey(audit::AuditKey),
    /// A signed head of the audit log, and the tree that it is the root of.
    AuditHead { head: AuditHead, tree: Frontier },
    /// What a time stamping authority said of a signed head; told again, it is not kept twice.
    AuditStamp(audit::AuditStamp),
}
