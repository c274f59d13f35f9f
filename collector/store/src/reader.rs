//! What can be asked of the store.

use std::collections::{BTreeMap, BTreeSet};

use ioc_common::audit_head::AuditHead;
use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_common::layout::{Layout, LayoutId};
use ioc_common::software::Item;
use ioc_judge::duty::Cover;
use ioc_judge::{DeviceInfo, Fault, Incident, Snapshot, Window};

use crate::authenticity::{MarkedDevice, ValueMarks};
use crate::configuration::{ConfigurationVersion, Part};
use crate::dashboard::Dashboard;
use crate::document_history::{ChangePage, ChangeQuery, PastState};
use crate::floor::FloorReader;
use crate::incident_search::IncidentSearch;
use crate::inventory::DeviceRecord;
use crate::inventory_count::{Find, InventoryCount, Tick};
use crate::person::PersonTraces;
use crate::report::{DocumentSettings, IssuedPart, IssuedReport, Registration, ReportText};
use crate::retention::{
    ClassSize, CountedSlice, Cursor, Deletion, Hold, NumbersHold, PastRecord, RecordClass, RetentionRule,
};
use crate::scope::AccessScope;
use crate::search::{SearchPage, SearchQuery};
use crate::{
    AccountPage, AccountQuery, AccountRecord, AccountReview, Asset, AssetAttestation, AssetCoverage, AssetQuery,
    AttestedAccount, BackupCoverage, BackupEvidence, BackupKind, ChannelTally, ChunkQuery, ClockMark, Counts,
    DeviceHistoryRow, DeviceQuery, DocumentRecord, DutyReader, EventRecord, ExpectedBackup, ExpectedBackupQuery,
    FaultQuery, Handover, HistoryRow, ImportRegister, JobRecord, KeptAttestation, OutboxEntry, PendingDelivery,
    PlaceCount, Product, ProductCoverage, ProductMark, ProductOnDevice, ProductQuery, ProductRow, RecordKind,
    RegisteredAccount, RequestRecord, ReviewLine, RowNumbers, RuleFaults, SavedView, SessionRecord, StoreError,
    StoredChunks, StoredRow, TableImport, TicketQuery, TicketRecord, TokenRecord, WholeIncident, audit, coverage,
};

/// Files that one reader may have open: the store's two, and their logs.
pub const READER_FILES: usize = 4;

/// Reads what is committed.
///
/// # Errors
/// Each of these says [`StoreError`] when the store, or the row that is asked for, is damaged, or the disk fails. What is not there is no error.
pub trait Reader: DutyReader + FloorReader + IncidentSearch + Send {
    /// From now on it shows only devices within reach, what belongs to them, and incidents of them or of the centre as a whole.
    fn limit(&mut self, scope: &AccessScope) -> Result<(), StoreError>;

    /// It will not be asked for a while: the memory by which it answers is given back, and taken again with the next question.
    fn rest(&mut self);

    /// Everything the judge needs to take up where it left off; resolved incidents since `resolved_since`.
    fn snapshot(&self, resolved_since: Timestamp) -> Result<Snapshot, StoreError>;

    /// What was last believed of the time; none in a new store.
    fn clock(&self) -> Result<Option<ClockMark>, StoreError>;

    /// Devices that match, a page of them.
    fn devices(&self, query: &DeviceQuery) -> Result<Vec<DeviceRecord>, StoreError>;

    /// How many devices match, whatever the page.
    fn devices_count(&self, query: &DeviceQuery) -> Result<u64, StoreError>;

    /// Places where devices stand, sorted as people read.
    fn places(&self) -> Result<Vec<String>, StoreError>;

    /// How many devices stand where, in which state.
    fn places_by_state(&self) -> Result<Vec<PlaceCount>, StoreError>;

    /// How many machines stand where: servers, workstations, display controllers.
    fn machines_by_place(&self) -> Result<BTreeMap<String, u64>, StoreError>;

    /// Dashboards of all accounts, by name.
    fn dashboards(&self) -> Result<Vec<Dashboard>, StoreError>;

    /// The lists of devices that a person keeps.
    fn views(&self, account: &str) -> Result<Vec<SavedView>, StoreError>;

    /// What is known of a device, revoked or not.
    fn device(&self, id: &DeviceId) -> Result<Option<DeviceRecord>, StoreError>;

    /// The last hello of a device, JSON.
    fn hello(&self, id: &DeviceId) -> Result<Option<String>, StoreError>;

    /// What surveys of a device found, by name.
    fn documents(&self, id: &DeviceId) -> Result<Vec<DocumentRecord>, StoreError>;

    /// The newest document of one name of every device that is not revoked, by device, after one.
    fn documents_named(
        &self,
        name: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(DeviceId, DocumentRecord)>, StoreError>;

    /// How documents of a device stood at a moment, by name: the one of this name, or all of which anything is known. They are in their stable
    /// form ([`crate::document_history`]), the software list among them.
    fn documents_at(
        &self,
        id: &DeviceId,
        name: Option<&str>,
        moment: Timestamp,
    ) -> Result<Vec<(String, PastState)>, StoreError>;

    /// Changes of a device's documents, newest first, a page of them.
    fn document_changes(&self, query: &ChangeQuery<'_>) -> Result<ChangePage, StoreError>;

    /// How many bytes what surveys of a device found has, by name.
    fn document_sizes(&self, id: &DeviceId) -> Result<BTreeMap<String, u32>, StoreError>;

    /// How much of a kind is kept of a device, counted up to `most`.
    fn records_count(&self, id: &DeviceId, kind: RecordKind, most: u64) -> Result<u64, StoreError>;

    /// What happened on a device, newest first, before the event of a number.
    fn events(&self, id: &DeviceId, before: Option<u64>, limit: usize) -> Result<Vec<EventRecord>, StoreError>;

    /// The identifier of the whole software list that is kept of a device, and since when; none before one is whole.
    fn software_list(&self, id: &DeviceId) -> Result<Option<(String, Timestamp)>, StoreError>;

    /// The software of a device in the order of its keys, after a key.
    fn software(&self, id: &DeviceId, after: &str, limit: usize) -> Result<Vec<Item>, StoreError>;

    /// Which series stand at which place of a sample.
    fn layout(&self, id: LayoutId) -> Result<Option<Layout>, StoreError>;

    /// Faults, newest first.
    fn faults(&self, query: &FaultQuery<'_>, limit: usize) -> Result<Vec<Fault>, StoreError>;

    /// How often each rule raised since a moment, what of it still stands, and what became of the incidents, by rule.
    fn rule_faults(&self, since: Timestamp) -> Result<Vec<RuleFaults>, StoreError>;

    /// Incidents, newest first: only active ones or all, before a number. Those of a device are those about it and those that a fault of it belongs to.
    fn incidents(
        &self,
        device: Option<&DeviceId>,
        active: bool,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Incident>, StoreError>;

    /// Incidents with deadlines of the law or requests to units, the newest first, before a number: only those that wait for one, or all.
    fn incidents_with_deadlines(
        &self,
        waiting: bool,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Incident>, StoreError>;

    /// One incident with its timeline and its notices.
    fn incident(&self, id: IncidentId) -> Result<Option<WholeIncident>, StoreError>;

    /// What waits on one channel, due or not: the worst first, and of those the oldest; what another channel carries, too, comes last.
    fn outbox_waiting(&self, channel: &str, limit: usize) -> Result<Vec<PendingDelivery>, StoreError>;

    /// The channels on which something waits, in use or not.
    fn outbox_channels(&self) -> Result<Vec<String>, StoreError>;

    /// Notices that were given up, the newest first.
    fn outbox_dead(&self, limit: usize) -> Result<Vec<OutboxEntry>, StoreError>;

    /// An entry of the outbox by its key.
    fn outbox_entry(&self, key: &str) -> Result<Option<OutboxEntry>, StoreError>;

    /// What became of the last notice to each person on each channel, the newest first.
    fn contacts(&self) -> Result<Vec<OutboxEntry>, StoreError>;

    /// Tickets of incidents.
    fn tickets(&self, query: &TicketQuery<'_>, limit: usize) -> Result<Vec<TicketRecord>, StoreError>;

    /// The content of a file of an incident.
    fn attachment(&self, incident: IncidentId, sha256: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Maintenance windows that are planned or open, by number.
    fn windows(&self) -> Result<Vec<Window>, StoreError>;

    /// Maintenance windows that are over since a moment, each with when that was.
    fn windows_over(&self, since: Timestamp) -> Result<Vec<(Window, Timestamp)>, StoreError>;

    /// Who stands in on a rota, by number.
    fn covers(&self) -> Result<Vec<Cover>, StoreError>;

    /// Who stood in on a rota, too, and was taken back: the newest first, before a number; each with whether it was.
    fn all_covers(&self, before: Option<u64>, limit: usize) -> Result<Vec<(Cover, bool)>, StoreError>;

    /// The duty book, newest first.
    fn handovers(&self, limit: usize) -> Result<Vec<Handover>, StoreError>;

    /// The duty book, newest first, before a number; each entry with its number.
    fn duty_book(&self, before: Option<u64>, limit: usize) -> Result<Vec<(u64, Handover)>, StoreError>;

    /// Jobs on other systems that report their success, by name.
    fn jobs(&self) -> Result<Vec<JobRecord>, StoreError>;

    /// Backups that are expected of devices, by device and kind.
    fn expected_backups(&self, query: &ExpectedBackupQuery, limit: usize) -> Result<Vec<ExpectedBackup>, StoreError>;

    /// Devices of which nobody has said which backup is expected, by identifier, after one.
    fn without_expected_backup(&self, after: &str, limit: usize) -> Result<Vec<DeviceInfo>, StoreError>;

    /// Of how many devices the backups are stated and in order.
    fn backup_coverage(&self) -> Result<BackupCoverage, StoreError>;

    /// What people attested of a backup, the newest first.
    fn backup_attestations(
        &self,
        device: &DeviceId,
        kind: BackupKind,
        limit: usize,
    ) -> Result<Vec<KeptAttestation>, StoreError>;

    /// What people attested of backups, of one device or of all, the newest first, before a number; of devices that were taken out and of
    /// backups that are expected no longer, too.
    fn backup_attestations_before(
        &self,
        device: Option<&DeviceId>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(DeviceId, BackupKind, KeptAttestation)>, StoreError>;

    /// A file that shows what was attested of a backup, by what it holds, with its content; for who may see people.
    fn backup_evidence(
        &self,
        device: &DeviceId,
        kind: BackupKind,
        sha256: &str,
    ) -> Result<Option<(BackupEvidence, Vec<u8>)>, StoreError>;

    /// Rows of the asset register.
    fn assets(&self, query: &AssetQuery) -> Result<Vec<Asset>, StoreError>;

    /// How many rows a query means in all, whatever its page.
    fn assets_count(&self, query: &AssetQuery) -> Result<u64, StoreError>;

    /// One row of it.
    fn asset(&self, device: &DeviceId) -> Result<Option<Asset>, StoreError>;

    /// How far it is filled.
    fn asset_coverage(&self) -> Result<AssetCoverage, StoreError>;

    /// What people attested of a machine, the newest first.
    fn asset_attestations(&self, device: &DeviceId, limit: usize) -> Result<Vec<AssetAttestation>, StoreError>;

    /// A file that shows what was attested of a machine, with its content; for who may see people.
    fn asset_evidence(
        &self,
        device: &DeviceId,
        area: &str,
        sha256: &str,
    ) -> Result<Option<(BackupEvidence, Vec<u8>)>, StoreError>;

    /// Tables that were taken into a register, the newest first, before a number, without what they did; for who reaches everywhere.
    fn table_imports(
        &self,
        register: ImportRegister,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<TableImport>, StoreError>;

    /// One of those of all registers, with what it did.
    fn table_import(&self, number: u64) -> Result<Option<TableImport>, StoreError>;

    /// The number of the last of them; 0 before the first.
    fn last_table_import(&self) -> Result<u64, StoreError>;

    /// What people attested of machines without an agent, of one or of all, the newest first, before a number: each with its number.
    fn asset_attestations_before(
        &self,
        device: Option<&DeviceId>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, DeviceId, AssetAttestation)>, StoreError>;

    /// The import, or its undoing, that is not done yet; with all of what it does.
    fn unfinished_table_import(&self) -> Result<Option<TableImport>, StoreError>;

    /// A page of the register of accounts, with how many there are of each kind.
    fn registered_accounts(&self, query: &AccountQuery) -> Result<AccountPage, StoreError>;

    /// Accounts of it on a device, or of this collector, by their names; whoever asks says what time it is. The engine asks, a device at a time.
    fn accounts_on(&self, device: Option<&DeviceId>, now: Timestamp) -> Result<Vec<RegisteredAccount>, StoreError>;

    /// What people vouched for of accounts of appliances, of one or of all, the newest first, before a number.
    fn account_attestations_before(
        &self,
        device: Option<&DeviceId>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<AttestedAccount>, StoreError>;

    /// A file that shows what was vouched for of an account, with its content; for who may see people.
    fn account_evidence(
        &self,
        device: &DeviceId,
        name: &str,
        sha256: &str,
    ) -> Result<Option<(BackupEvidence, Vec<u8>)>, StoreError>;

    /// Reviews of accounts, the newest first; they are of the whole centre, as the three below.
    fn account_reviews(&self, before: Option<u64>, limit: usize) -> Result<Vec<AccountReview>, StoreError>;

    /// One of them.
    fn account_review(&self, number: u64) -> Result<Option<AccountReview>, StoreError>;

    /// The one that was signed last.
    fn signed_account_review(&self) -> Result<Option<AccountReview>, StoreError>;

    /// Accounts of a review in the order of their lines, behind this one, with what is said of each; none while it is not open.
    fn account_review_lines(&self, number: u64, after: u32, limit: usize) -> Result<Vec<ReviewLine>, StoreError>;

    /// Products of the software register, with where they are.
    fn products(&self, query: &ProductQuery) -> Result<Vec<ProductRow>, StoreError>;

    /// How many products a query means in all, whatever its page.
    fn products_count(&self, query: &ProductQuery) -> Result<u64, StoreError>;

    /// The same products by what tells each from what stands there later: what somebody was shown, however many that are.
    fn product_marks(&self, query: &ProductQuery) -> Result<Vec<ProductMark>, StoreError>;

    /// One of them by its key.
    fn product(&self, key: &str) -> Result<Option<ProductRow>, StoreError>;

    /// Every product as it is kept; the engine begins from it.
    fn all_products(&self) -> Result<Vec<Product>, StoreError>;

    /// The machines that a product is or was on, by identifier, after one.
    fn product_uses(&self, key: &str, after: &str, limit: usize) -> Result<Vec<ProductOnDevice>, StoreError>;

    /// Managing owners that are written down.
    fn product_owners(&self, limit: usize) -> Result<Vec<String>, StoreError>;

    /// How far the software register is filled.
    fn product_coverage(&self) -> Result<ProductCoverage, StoreError>;

    /// Machines whose newest whole list of software is not grouped by this catalogue yet, each with that list and when it was made.
    fn ungrouped_software(
        &self,
        catalogue: &str,
        limit: usize,
    ) -> Result<Vec<(DeviceId, String, Timestamp)>, StoreError>;

    /// How many are in which state.
    fn counts(&self) -> Result<Counts, StoreError>;

    /// What coverage is made of.
    fn coverage(&self) -> Result<coverage::CoverageFacts, StoreError>;

    /// How many of the newest numbers of devices that are not revoked can be believed how far at a moment (article 17.3); and the devices
    /// whose numbers are not verified, by identifier, at most so many.
    fn value_marks(
        &self,
        now: Timestamp,
        collector_clock_doubted: bool,
        most: usize,
    ) -> Result<(ValueMarks, Vec<MarkedDevice>), StoreError>;

    /// Computers by the numbers that [`Self::coverage`] gives, by name.
    fn machines_of(&self, numbers: &BTreeSet<u64>, limit: usize) -> Result<Vec<DeviceInfo>, StoreError>;

    /// Machines that are heard, or should be, and have no document of this name, by name.
    fn machines_without(&self, document: &str, limit: usize) -> Result<Vec<DeviceInfo>, StoreError>;

    /// Devices with accounts in the register, by name.
    fn devices_with_accounts(&self, limit: usize) -> Result<Vec<DeviceId>, StoreError>;

    /// Devices that no agent has ever told of, by name: what is known of them people say.
    fn devices_without_agent(&self, limit: usize) -> Result<Vec<DeviceInfo>, StoreError>;

    /// What became of notices, by channel.
    fn deliveries(&self) -> Result<Vec<ChannelTally>, StoreError>;

    /// The newest certificate of each device: whose, and when it ends; the soonest first.
    fn certificates(&self, limit: usize) -> Result<Vec<(DeviceId, Timestamp)>, StoreError>;

    /// Audit records, the newest first, below a number; with words, those of the newest [`audit::LOOKED_THROUGH`] that have them.
    fn audit_before(
        &self,
        before: Option<u64>,
        search: &str,
        limit: usize,
    ) -> Result<Vec<audit::AuditRecord>, StoreError>;

    /// How often each action was done in a period, its end not included.
    fn audit_tally(&self, from: Timestamp, until: Timestamp) -> Result<BTreeMap<String, u64>, StoreError>;

    /// Audit records of an action in a period, its end not included, the oldest first.
    fn audit_of(
        &self,
        action: &str,
        from: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<audit::AuditRecord>, StoreError>;

    /// When the oldest record of the audit log was written; none in a new store.
    fn audit_since(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Has all that `read` asks answered as of one moment, whatever is committed meanwhile; commits wait for nothing.
    fn at_one_moment(&self, read: &mut dyn FnMut(&dyn Reader) -> Result<(), StoreError>) -> Result<(), StoreError>;

    /// Inventory takings, the newest first, before a number: only open ones, or all.
    fn inventory_counts(
        &self,
        open: bool,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<InventoryCount>, StoreError>;

    /// What was found in an inventory taking and is not in the register, in its order.
    fn inventory_finds(&self, number: u64) -> Result<Vec<Find>, StoreError>;

    /// How many things that are not in the register are work still, of all takings that are closed.
    fn open_inventory_finds(&self) -> Result<u64, StoreError>;

    /// An inventory taking by its number.
    fn inventory_count(&self, number: u64) -> Result<Option<InventoryCount>, StoreError>;

    /// What was ticked in an inventory taking, by device: the newest word of each. As many as there are devices.
    fn inventory_ticks(&self, number: u64) -> Result<Vec<Tick>, StoreError>;

    /// The same, of devices that were taken out since, too.
    fn all_inventory_ticks(&self, number: u64) -> Result<Vec<Tick>, StoreError>;

    /// What was ticked of a device in inventory takings, open ones too: the newest word of each, with the taking's number and in that order.
    fn inventory_ticks_of(&self, device: &DeviceId) -> Result<Vec<(u64, Tick)>, StoreError>;

    /// What the centre says of itself in documents; empty before somebody has said it.
    fn document_settings(&self) -> Result<DocumentSettings, StoreError>;

    /// What people wrote into a report, by key.
    fn report_texts(&self, report: &str) -> Result<Vec<ReportText>, StoreError>;

    /// Reports that were issued, the newest first: versions of one report or all, before a number.
    fn issued_reports(
        &self,
        report: Option<&str>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<IssuedReport>, StoreError>;

    /// The same of reports whose addresses begin so: those of a kind.
    fn issued_reports_of(
        &self,
        begin: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<IssuedReport>, StoreError>;

    /// Under which numbers and dates an issued report was registered, corrections last: the last one counts.
    fn report_registrations(&self, number: u64) -> Result<Vec<Registration>, StoreError>;

    /// Which issued reports of a kind are registered under a number in a year: a few of them.
    fn reports_registered_as(&self, kind: &str, year: i16, number: u32) -> Result<Vec<u64>, StoreError>;

    /// An issued report by its number.
    fn issued_report(&self, number: u64) -> Result<Option<IssuedReport>, StoreError>;

    /// What is kept of an issued report; none where there is no such report, or no such part of it yet.
    fn issued_content(&self, number: u64, part: IssuedPart) -> Result<Option<Vec<u8>>, StoreError>;

    /// A token by the digest of its secret.
    fn token(&self, digest: &str) -> Result<Option<TokenRecord>, StoreError>;

    /// Enrolment tokens, the newest first, after the one of a digest.
    fn tokens(&self, after: Option<&str>, limit: usize) -> Result<Vec<TokenRecord>, StoreError>;

    /// A machine that asked to come in.
    fn request(&self, id: &str) -> Result<Option<RequestRecord>, StoreError>;

    /// Machines that wait for a person, the oldest first.
    fn requests(&self) -> Result<Vec<RequestRecord>, StoreError>;

    /// Machines that asked to be a device, whatever became of it.
    fn requests_of(&self, device: &DeviceId) -> Result<Vec<RequestRecord>, StoreError>;

    /// Whether a device was ever given a certificate.
    fn is_enrolled(&self, device: &DeviceId) -> Result<bool, StoreError>;

    /// Every device with a certificate, and what it said last of its settings ([`ioc_common::settings::SettingsOutcome`], JSON).
    fn settings(&self) -> Result<Vec<(DeviceInfo, Option<String>)>, StoreError>;

    /// Whether there is a certificate with this serial number, hex, ended or not.
    fn has_certificate(&self, serial: &str) -> Result<bool, StoreError>;

    /// The devices that were given a certificate at or after this moment, whatever became of it and of them.
    fn certified_since(&self, from: Timestamp) -> Result<Vec<DeviceId>, StoreError>;

    /// What audit records of this action were about, at or after this moment: each once. It reads the whole log.
    fn audit_subjects(&self, action: &str, from: Timestamp) -> Result<Vec<String>, StoreError>;

    /// The certificates by which nobody may connect any more though they have not ended by this moment: serial numbers, hex, and since when.
    fn ended_certificates(&self, now: Timestamp) -> Result<Vec<(String, Timestamp)>, StoreError>;

    /// The certificates by which devices may connect: whose, and their serial numbers, hex.
    fn serials(&self) -> Result<Vec<(DeviceId, String)>, StoreError>;

    /// Where somebody appears who is called by these names (at most [`crate::person::NAMES_MAX`]), at most so many of each kind. It looks at
    /// whole tables, as far back as [`crate::person`] says.
    fn person(&self, names: &[String], limit: usize) -> Result<PersonTraces, StoreError>;

    /// An account by the name that it signs in with.
    fn account(&self, name: &str) -> Result<Option<AccountRecord>, StoreError>;

    /// All accounts, by name.
    fn accounts(&self) -> Result<Vec<AccountRecord>, StoreError>;

    /// Sessions and tokens of an account that have not ended, the newest first.
    fn sessions(&self, account: &str) -> Result<Vec<SessionRecord>, StoreError>;

    /// A session by the digest of its cookie.
    fn session(&self, digest: &str) -> Result<Option<SessionRecord>, StoreError>;

    /// Audit records after a number, oldest first.
    fn audit(&self, after: u64, limit: usize) -> Result<Vec<audit::AuditRecord>, StoreError>;

    /// Signed heads of the audit log after a record's number, in their order.
    fn audit_heads(&self, after: u64, limit: usize) -> Result<Vec<AuditHead>, StoreError>;

    /// The signed head of a record, where one was made.
    fn audit_head(&self, number: u64) -> Result<Option<AuditHead>, StoreError>;

    /// The newest signed head.
    fn last_audit_head(&self) -> Result<Option<AuditHead>, StoreError>;

    /// The newest signed head whose record is in the log. It is an older one than the newest where the end of the log was cut off, or was lost
    /// when the store was saved.
    fn last_audit_head_in_log(&self) -> Result<Option<AuditHead>, StoreError>;

    /// What a time stamping authority said of heads after a record's number, in their order.
    fn audit_stamps(&self, after: u64, limit: usize) -> Result<Vec<audit::AuditStamp>, StoreError>;

    /// What it said of the newest head that it was asked about.
    fn last_audit_stamp(&self) -> Result<Option<audit::AuditStamp>, StoreError>;

    /// What it said of the newest stamped head whose record is in the log. It is an older one than the newest where the log lost its end.
    fn last_audit_stamp_in_log(&self) -> Result<Option<audit::AuditStamp>, StoreError>;

    /// The keys that signed them, in the order in which they were first used.
    fn audit_keys(&self) -> Result<Vec<audit::AuditKey>, StoreError>;

    /// Audit records that declare that a copy was put in the store's place, or that it was begun anew.
    fn audit_restores(&self) -> Result<Vec<audit::AuditRecord>, StoreError>;

    /// What devices said of the head that they witnessed last ([`ioc_common::audit_head::Witnessed`], JSON), and when; after a device, by
    /// identifier.
    fn audit_witnesses(&self, after: &str, limit: usize) -> Result<Vec<(DeviceId, Timestamp, String)>, StoreError>;

    /// Legal holds, those that hold first, then the newest.
    fn holds(&self) -> Result<Vec<Hold>, StoreError>;

    /// What legal holds keep of numbers.
    fn numbers_holds(&self) -> Result<Vec<NumbersHold>, StoreError>;

    /// How much there is of a class; none where nothing of it is kept. It counts all of them: for tasks in the background.
    fn class_size(&self, class: RecordClass) -> Result<Option<ClassSize>, StoreError>;

    /// Counts records of a class on behind one, at most `limit`: how many are held, by which holds, and how many would go that ended before a
    /// moment. None for classes of which that is not counted.
    fn count_records(
        &self,
        class: RecordClass,
        before: Option<Timestamp>,
        after: i64,
        limit: usize,
    ) -> Result<Option<CountedSlice>, StoreError>;

    /// What was deleted last of a class.
    fn last_deletion(&self, class: RecordClass) -> Result<Option<Deletion>, StoreError>;

    /// Up to which moment records of a class were deleted: of what ended before, only what was held is left. None where nothing was.
    fn deleted_through(&self, class: RecordClass) -> Result<Option<Timestamp>, StoreError>;

    /// What was deleted, the newest first, before a number.
    fn deletions(&self, before: Option<u64>, limit: usize) -> Result<Vec<Deletion>, StoreError>;

    /// The rules as they were last told.
    fn retention_rules(&self) -> Result<Vec<RetentionRule>, StoreError>;

    /// The newest version of each part of the configuration that was ever set here, by name.
    fn configuration(&self) -> Result<Vec<ConfigurationVersion>, StoreError>;

    /// Versions of a part before a number, the newest first.
    fn configuration_versions(
        &self,
        part: Part,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<ConfigurationVersion>, StoreError>;

    /// How many commits are made.
    fn commits(&self) -> Result<u64, StoreError>;

    /// Records of a class that ended before a moment, in a fixed order behind a place, at most `limit`, those that stay included. None for
    /// classes that go in no such way.
    fn past_records(
        &self,
        class: RecordClass,
        before: Timestamp,
        after: Cursor,
        limit: usize,
    ) -> Result<Vec<PastRecord>, StoreError>;

    /// Records with words in them, the newest first: in the index, or not in there yet. What is out of reach is not found, nor names of
    /// people by who may not see them.
    fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError>;

    /// Rows of one device's history that are still rows, after a number, in the order of their arrival. Corrupt rows are errors.
    fn rows(&self, device: &DeviceId, after: u64) -> Result<Vec<HistoryRow>, StoreError>;

    /// The newest of these rows, as many as have no more than `most_bytes` as they are stored, and one more.
    fn newest_rows(&self, device: &DeviceId, after: u64, most_bytes: u64) -> Result<Vec<HistoryRow>, StoreError>;

    /// Rows of all devices after a number and up to another, the oldest first, at most `limit`, as they are stored: one that is corrupt,
    /// too.
    fn rows_to_fold(&self, after: u64, through: u64, limit: usize) -> Result<Vec<StoredRow>, StoreError>;

    /// The device that a number stands for, one that was revoked, too.
    fn device_of(&self, number: u64) -> Result<Option<DeviceId>, StoreError>;

    /// Rows of all devices after a number, in the order of their arrival; those that are corrupt are left out.
    fn rows_after(&self, after: u64, limit: usize) -> Result<Vec<DeviceHistoryRow>, StoreError>;

    /// The number of the newest row; 0 when there is none.
    fn last_row(&self) -> Result<u64, StoreError>;

    /// Which store it is, and which numbers its rows have.
    fn row_numbers(&self) -> Result<RowNumbers, StoreError>;

    /// The number of the last row that was received before a moment; 0 when there is none.
    fn last_row_before(&self, received: Timestamp) -> Result<u64, StoreError>;

    /// Up to which row a device is folded.
    fn folded(&self, device: &DeviceId) -> Result<u64, StoreError>;

    /// What is wrong with the store, a line each; nothing when it is sound. `deep` compares indexes with tables and reads every
    /// checksum, which takes as long as reading everything does.
    fn examine(&self, deep: bool) -> Vec<String>;

    /// Folded history of a device, as it was at one moment.
    fn chunks(&self, query: &ChunkQuery<'_>) -> Result<StoredChunks, StoreError>;
}
