//! A reader: which noun answers what.

use std::collections::{BTreeMap, BTreeSet};

use ioc_common::audit_head::AuditHead;
use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_common::layout::{Layout, LayoutId};
use ioc_common::software::Item;
use ioc_judge::duty::Cover;
use ioc_judge::{DeviceInfo, Fault, Incident, Snapshot, Window};

use super::reader_connection::SqlReader;
use super::{
    account, account_register, asset, audit, audit_head, audit_stamp, certificate, clock, configuration, coverage,
    dashboard, device, document, document_change, duty, enrolment, event, evidence, examine, expected_backup, fault,
    folded, hold, incident, inventory_count, job, maintenance, outbox, person, product, registered_account, report,
    retention, sample, snapshot, software, table_import, ticket, value_marks,
};
use crate::audit::{AuditKey, AuditRecord, AuditStamp};
use crate::authenticity::{MarkedDevice, ValueMarks};
use crate::configuration::{ConfigurationVersion, Part};
use crate::coverage::CoverageFacts;
use crate::dashboard::Dashboard;
use crate::document_history::{ChangePage, ChangeQuery, PastState};
use crate::inventory::DeviceRecord;
use crate::inventory_count::{Find, InventoryCount, Tick};
use crate::person::PersonTraces;
use crate::report::{DocumentSettings, IssuedPart, IssuedReport, Registration, ReportText};
use crate::retention::{
    ClassSize, CountedSlice, Cursor, Deletion, Hold, NumbersHold, PastRecord, RecordClass, RetentionRule,
};
use crate::scope::AccessScope;
use crate::search::{SearchPage, SearchQuery};
use crate::sql::Connection;
use crate::sqlite;
use crate::{
    AccountPage, AccountQuery, AccountRecord, AccountReview, Asset, AssetAttestation, AssetCoverage, AssetQuery,
    AttestedAccount, BackupCoverage, BackupEvidence, BackupKind, ChannelTally, ChunkQuery, ClockMark, Counts,
    DeviceHistoryRow, DeviceQuery, DocumentRecord, EventRecord, ExpectedBackup, ExpectedBackupQuery, FaultQuery,
    Handover, HistoryRow, ImportRegister, JobRecord, KeptAttestation, OutboxEntry, PendingDelivery, PlaceCount,
    Product, ProductCoverage, ProductMark, ProductOnDevice, ProductQuery, ProductRow, Reader, RecordKind,
    RegisteredAccount, RequestRecord, ReviewLine, RowNumbers, RuleFaults, SavedView, SessionRecord, StoreError,
    StoredChunks, StoredRow, TableImport, TicketQuery, TicketRecord, TokenRecord, WholeIncident,
};

type Answer<T> = Result<T, StoreError>;

impl Reader for SqlReader {
    fn limit(&mut self, scope: &AccessScope) -> Answer<()> {
        (self.hides_names, self.limited) = (!scope.sees_names(), !scope.is_everywhere());
        self.scope = scope.clone();
        if scope.is_everywhere() { Ok(()) } else { self.limit_to(scope) }
    }

    fn rest(&mut self) {
        self.close();
    }

    fn snapshot(&self, resolved_since: Timestamp) -> Answer<Snapshot> {
        snapshot::take(self, resolved_since)
    }

    fn devices(&self, query: &DeviceQuery) -> Answer<Vec<DeviceRecord>> {
        device::list(self, query)
    }

    fn devices_count(&self, query: &DeviceQuery) -> Answer<u64> {
        device::count(self, query)
    }

    fn places(&self) -> Answer<Vec<String>> {
        device::places(self)
    }

    fn places_by_state(&self) -> Answer<Vec<PlaceCount>> {
        device::places_by_state(self)
    }

    fn machines_by_place(&self) -> Answer<BTreeMap<String, u64>> {
        device::machines_by_place(self)
    }

    fn dashboards(&self) -> Answer<Vec<Dashboard>> {
        dashboard::list(self)
    }
    fn views(&self, account: &str) -> Answer<Vec<SavedView>> {
        account::views(self, account)
    }

    fn device(&self, id: &DeviceId) -> Answer<Option<DeviceRecord>> {
        device::find(self, id)
    }

    fn hello(&self, id: &DeviceId) -> Answer<Option<String>> {
        device::hello(self, id)
    }

    fn documents(&self, id: &DeviceId) -> Answer<Vec<DocumentRecord>> {
        document::list(self, id)
    }

    fn documents_named(&self, name: &str, after: &str, limit: usize) -> Answer<Vec<(DeviceId, DocumentRecord)>> {
        document::named(self, name, after, limit)
    }

    fn documents_at(&self, id: &DeviceId, name: Option<&str>, moment: Timestamp) -> Answer<Vec<(String, PastState)>> {
        document_change::at(self, id, name, moment)
    }

    fn document_changes(&self, query: &ChangeQuery<'_>) -> Answer<ChangePage> {
        document_change::list(self, query)
    }

    fn document_sizes(&self, id: &DeviceId) -> Answer<BTreeMap<String, u32>> {
        document::sizes(self, id)
    }

    fn records_count(&self, id: &DeviceId, kind: RecordKind, most: u64) -> Answer<u64> {
        match kind {
            RecordKind::Events => self.count_of("event", id, most),
            RecordKind::Software => self.count_of("software", id, most),
        }
    }

    fn events(&self, id: &DeviceId, before: Option<u64>, limit: usize) -> Answer<Vec<EventRecord>> {
        event::list(self, id, before, limit)
    }

    fn software_list(&self, id: &DeviceId) -> Answer<Option<(String, Timestamp)>> {
        software::whole_list(self, id)
    }

    fn software(&self, id: &DeviceId, after: &str, limit: usize) -> Answer<Vec<Item>> {
        software::items(self, id, after, limit)
    }

    fn layout(&self, id: LayoutId) -> Answer<Option<Layout>> {
        sample::layout(self, id)
    }

    fn faults(&self, query: &FaultQuery<'_>, limit: usize) -> Answer<Vec<Fault>> {
        fault::list(self, query, limit)
    }

    fn rule_faults(&self, since: Timestamp) -> Answer<Vec<RuleFaults>> {
        fault::by_rule(self, since)
    }

    fn incidents(
        &self,
        device: Option<&DeviceId>,
        active: bool,
        before: Option<u64>,
        limit: usize,
    ) -> Answer<Vec<Incident>> {
        incident::list(self, device, active, before, limit)
    }

    fn incidents_with_deadlines(&self, waiting: bool, before: Option<u64>, limit: usize) -> Answer<Vec<Incident>> {
        incident::with_deadlines(self, waiting, before, limit)
    }

    fn incident(&self, id: IncidentId) -> Answer<Option<WholeIncident>> {
        incident::find(self, id)
    }

    fn outbox_waiting(&self, channel: &str, limit: usize) -> Answer<Vec<PendingDelivery>> {
        outbox::waiting(self, channel, limit)
    }
    fn outbox_channels(&self) -> Answer<Vec<String>> {
        outbox::channels(self)
    }
    fn outbox_dead(&self, limit: usize) -> Answer<Vec<OutboxEntry>> {
        outbox::dead(self, limit)
    }
    fn outbox_entry(&self, key: &str) -> Answer<Option<OutboxEntry>> {
        outbox::find(self, key)
    }
    fn contacts(&self) -> Answer<Vec<OutboxEntry>> {
        outbox::contacts(self)
    }
    fn tickets(&self, query: &TicketQuery<'_>, limit: usize) -> Answer<Vec<TicketRecord>> {
        ticket::list(self, query, limit)
    }
    fn attachment(&self, incident: IncidentId, sha256: &str) -> Answer<Option<Vec<u8>>> {
        incident::attachment(self, incident, sha256)
    }
    fn windows(&self) -> Answer<Vec<Window>> {
        maintenance::planned(self)
    }
    fn windows_over(&self, since: Timestamp) -> Answer<Vec<(Window, Timestamp)>> {
        maintenance::over(self, since)
    }
    fn covers(&self) -> Answer<Vec<Cover>> {
        duty::covers(self)
    }
    fn all_covers(&self, before: Option<u64>, limit: usize) -> Answer<Vec<(Cover, bool)>> {
        duty::all_covers(self, before, limit)
    }
    fn handovers(&self, limit: usize) -> Answer<Vec<Handover>> {
        Ok(duty::book(self, None, limit)?.into_iter().map(|(_, entry)| entry).collect())
    }
    fn duty_book(&self, before: Option<u64>, limit: usize) -> Answer<Vec<(u64, Handover)>> {
        duty::book(self, before, limit)
    }
    fn jobs(&self) -> Answer<Vec<JobRecord>> {
        job::list(self)
    }
    fn expected_backups(&self, query: &ExpectedBackupQuery, limit: usize) -> Answer<Vec<ExpectedBackup>> {
        expected_backup::list(self, query, limit)
    }
    fn without_expected_backup(&self, after: &str, limit: usize) -> Answer<Vec<DeviceInfo>> {
        expected_backup::unstated(self, after, limit)
    }

    fn backup_coverage(&self) -> Answer<BackupCoverage> {
        expected_backup::coverage(self)
    }

    fn backup_attestations(&self, device: &DeviceId, kind: BackupKind, limit: usize) -> Answer<Vec<KeptAttestation>> {
        expected_backup::attestations(self, device, kind, limit)
    }

    fn backup_attestations_before(
        &self,
        device: Option<&DeviceId>,
        before: Option<u64>,
        limit: usize,
    ) -> Answer<Vec<(DeviceId, BackupKind, KeptAttestation)>> {
        expected_backup::attestations_before(self, device, before, limit)
    }

    fn backup_evidence(
        &self,
        device: &DeviceId,
        kind: BackupKind,
        sha256: &str,
    ) -> Answer<Option<(BackupEvidence, Vec<u8>)>> {
        evidence::BACKUP.content(self, (device, kind.as_str()), sha256)
    }
    fn assets(&self, query: &AssetQuery) -> Answer<Vec<Asset>> {
        asset::list(self, query)
    }
    fn assets_count(&self, query: &AssetQuery) -> Answer<u64> {
        asset::count(self, query)
    }
    fn asset(&self, device: &DeviceId) -> Answer<Option<Asset>> {
        asset::find(self, device)
    }
    fn asset_coverage(&self) -> Answer<AssetCoverage> {
        asset::coverage(self)
    }
    fn asset_attestations(&self, device: &DeviceId, limit: usize) -> Answer<Vec<AssetAttestation>> {
        asset::attestations(self, device, limit)
    }
    fn asset_evidence(&self, device: &DeviceId, area: &str, sha256: &str) -> Answer<Option<(BackupEvidence, Vec<u8>)>> {
        evidence::ASSET.content(self, (device, area), sha256)
    }
    fn table_imports(&self, register: ImportRegister, before: Option<u64>, limit: usize) -> Answer<Vec<TableImport>> {
        table_import::list(self, register, before, limit)
    }
    fn table_import(&self, number: u64) -> Answer<Option<TableImport>> {
        table_import::one(self, number)
    }
    fn last_table_import(&self) -> Answer<u64> {
        table_import::last(self)
    }
    fn asset_attestations_before(
        &self,
        device: Option<&DeviceId>,
        before: Option<u64>,
        limit: usize,
    ) -> Answer<Vec<(u64, DeviceId, AssetAttestation)>> {
        asset::attestations_before(self, device, before, limit)
    }
    fn unfinished_table_import(&self) -> Answer<Option<TableImport>> {
        table_import::unfinished(self)
    }
    fn registered_accounts(&self, query: &AccountQuery) -> Answer<AccountPage> {
        registered_account::list(self, query)
    }
    fn accounts_on(&self, device: Option<&DeviceId>, now: Timestamp) -> Answer<Vec<RegisteredAccount>> {
        registered_account::on(self, device, now)
    }
    fn account_attestations_before(
        &self,
        device: Option<&DeviceId>,
        before: Option<u64>,
        limit: usize,
    ) -> Answer<Vec<AttestedAccount>> {
        account_register::attestations_before(self, device, before, limit)
    }
    fn account_evidence(
        &self,
        device: &DeviceId,
        name: &str,
        sha256: &str,
    ) -> Answer<Option<(BackupEvidence, Vec<u8>)>> {
        evidence::ACCOUNT.content(self, (device, name), sha256)
    }
    fn account_reviews(&self, before: Option<u64>, limit: usize) -> Answer<Vec<AccountReview>> {
        account_register::reviews(self, before, limit)
    }
    fn account_review(&self, number: u64) -> Answer<Option<AccountReview>> {
        account_register::review(self, number)
    }
    fn signed_account_review(&self) -> Answer<Option<AccountReview>> {
        account_register::last_signed(self)
    }
    fn account_review_lines(&self, number: u64, after: u32, limit: usize) -> Answer<Vec<ReviewLine>> {
        account_register::review_lines(self, number, after, limit)
    }
    fn products(&self, query: &ProductQuery) -> Answer<Vec<ProductRow>> {
        product::list(self, query)
    }
    fn products_count(&self, query: &ProductQuery) -> Answer<u64> {
        product::count(self, query)
    }
    fn product_marks(&self, query: &ProductQuery) -> Answer<Vec<ProductMark>> {
        product::marks(self, query)
    }
    fn product(&self, key: &str) -> Answer<Option<ProductRow>> {
        product::find(self, key)
    }
    fn all_products(&self) -> Answer<Vec<Product>> {
        product::all(self)
    }
    fn product_uses(&self, key: &str, after: &str, limit: usize) -> Answer<Vec<ProductOnDevice>> {
        product::uses(self, key, after, limit)
    }
    fn product_owners(&self, limit: usize) -> Answer<Vec<String>> {
        product::owners(self, limit)
    }
    fn product_coverage(&self) -> Answer<ProductCoverage> {
        product::coverage(self)
    }
    fn ungrouped_software(&self, catalogue: &str, limit: usize) -> Answer<Vec<(DeviceId, String, Timestamp)>> {
        product::ungrouped(self, catalogue, limit)
    }
    fn counts(&self) -> Answer<Counts> {
        device::counts(self)
    }
    fn coverage(&self) -> Answer<CoverageFacts> {
        coverage::facts(self)
    }
    fn value_marks(
        &self,
        now: Timestamp,
        collector_clock_doubted: bool,
        most: usize,
    ) -> Answer<(ValueMarks, Vec<MarkedDevice>)> {
        value_marks::count(self, now, collector_clock_doubted, most)
    }
    fn machines_of(&self, numbers: &BTreeSet<u64>, limit: usize) -> Answer<Vec<DeviceInfo>> {
        device::machines_of(self, numbers, limit)
    }
    fn devices_with_accounts(&self, limit: usize) -> Answer<Vec<DeviceId>> {
        registered_account::devices(self, limit)
    }
    fn devices_without_agent(&self, limit: usize) -> Answer<Vec<DeviceInfo>> {
        device::without_agent(self, limit)
    }
    fn machines_without(&self, document: &str, limit: usize) -> Answer<Vec<DeviceInfo>> {
        device::machines_without(self, document, limit)
    }
    fn deliveries(&self) -> Answer<Vec<ChannelTally>> {
        outbox::tally(self)
    }
    fn certificates(&self, limit: usize) -> Answer<Vec<(DeviceId, Timestamp)>> {
        certificate::by_end(self, limit)
    }
    fn audit_before(&self, before: Option<u64>, search: &str, limit: usize) -> Answer<Vec<AuditRecord>> {
        audit::before(self, before, search, limit)
    }
    fn audit_tally(&self, from: Timestamp, until: Timestamp) -> Answer<BTreeMap<String, u64>> {
        audit::tally(self, from, until)
    }
    fn audit_of(&self, action: &str, from: Timestamp, until: Timestamp, limit: usize) -> Answer<Vec<AuditRecord>> {
        audit::of(self, action, (from, until), limit)
    }
    fn audit_since(&self) -> Answer<Option<Timestamp>> {
        audit::since(self)
    }
    fn at_one_moment(&self, read: &mut dyn FnMut(&dyn Reader) -> Answer<()>) -> Answer<()> {
        self.in_transaction(|| read(self))
    }
    fn inventory_counts(&self, open: bool, before: Option<u64>, limit: usize) -> Answer<Vec<InventoryCount>> {
        inventory_count::list(self, open, before, limit)
    }
    fn inventory_count(&self, number: u64) -> Answer<Option<InventoryCount>> {
        inventory_count::find(self, number)
    }
    fn inventory_finds(&self, number: u64) -> Answer<Vec<Find>> {
        inventory_count::finds(self, number)
    }
    fn open_inventory_finds(&self) -> Answer<u64> {
        inventory_count::open_finds(self)
    }
    fn inventory_ticks(&self, number: u64) -> Answer<Vec<Tick>> {
        inventory_count::ticks(self, number, "AND d.revoked_at IS NULL")
    }
    fn all_inventory_ticks(&self, number: u64) -> Answer<Vec<Tick>> {
        inventory_count::ticks(self, number, "")
    }
    fn inventory_ticks_of(&self, device: &DeviceId) -> Answer<Vec<(u64, Tick)>> {
        inventory_count::ticks_of(self, device)
    }
    fn document_settings(&self) -> Answer<DocumentSettings> {
        report::settings(self)
    }
    fn report_texts(&self, report: &str) -> Answer<Vec<ReportText>> {
        report::texts(self, report)
    }
    fn issued_reports(&self, report: Option<&str>, before: Option<u64>, limit: usize) -> Answer<Vec<IssuedReport>> {
        report::list(self, report, before, limit)
    }
    fn issued_reports_of(&self, begin: &str, before: Option<u64>, limit: usize) -> Answer<Vec<IssuedReport>> {
        report::list_of(self, begin, before, limit)
    }
    fn report_registrations(&self, number: u64) -> Answer<Vec<Registration>> {
        report::registrations(self, number)
    }
    fn reports_registered_as(&self, kind: &str, year: i16, number: u32) -> Answer<Vec<u64>> {
        report::registered_as(self, kind, year, number)
    }
    fn issued_report(&self, number: u64) -> Answer<Option<IssuedReport>> {
        report::find(self, number)
    }
    fn issued_content(&self, number: u64, part: IssuedPart) -> Answer<Option<Vec<u8>>> {
        report::content(self, number, part)
    }
    fn token(&self, digest: &str) -> Answer<Option<TokenRecord>> {
        enrolment::token(self, digest)
    }
    fn tokens(&self, after: Option<&str>, limit: usize) -> Answer<Vec<TokenRecord>> {
        enrolment::tokens(self, after, limit)
    }
    fn request(&self, id: &str) -> Answer<Option<RequestRecord>> {
        enrolment::request(self, id)
    }
    fn requests(&self) -> Answer<Vec<RequestRecord>> {
        enrolment::requests(self)
    }
    fn requests_of(&self, device: &DeviceId) -> Answer<Vec<RequestRecord>> {
        enrolment::requests_of(self, device)
    }
    fn is_enrolled(&self, device: &DeviceId) -> Answer<bool> {
        certificate::is_enrolled(self, device)
    }
    fn settings(&self) -> Answer<Vec<(DeviceInfo, Option<String>)>> {
        document::settings(self)
    }
    fn has_certificate(&self, serial: &str) -> Answer<bool> {
        certificate::has(self, serial)
    }
    fn certified_since(&self, from: Timestamp) -> Answer<Vec<DeviceId>> {
        certificate::certified_since(self, from)
    }
    fn audit_subjects(&self, action: &str, from: Timestamp) -> Answer<Vec<String>> {
        let sql = "SELECT DISTINCT subject FROM audit WHERE action = ?1 AND at >= ?2 ORDER BY subject";
        self.all(sql, &[&action, &from.as_millis()], |row| row.get(0))
    }
    fn ended_certificates(&self, now: Timestamp) -> Answer<Vec<(String, Timestamp)>> {
        certificate::ended(self, now)
    }
    fn serials(&self) -> Answer<Vec<(DeviceId, String)>> {
        certificate::serials(self)
    }
    fn person(&self, names: &[String], limit: usize) -> Answer<PersonTraces> {
        person::find(self, names, limit)
    }
    fn account(&self, name: &str) -> Answer<Option<AccountRecord>> {
        account::find(self, name)
    }
    fn accounts(&self) -> Answer<Vec<AccountRecord>> {
        account::list(self)
    }
    fn sessions(&self, account: &str) -> Answer<Vec<SessionRecord>> {
        account::sessions(self, account)
    }
    fn session(&self, digest: &str) -> Answer<Option<SessionRecord>> {
        account::session(self, digest)
    }
    fn audit(&self, after: u64, limit: usize) -> Answer<Vec<AuditRecord>> {
        audit::after(self, after, limit)
    }
    fn audit_heads(&self, after: u64, limit: usize) -> Answer<Vec<AuditHead>> {
        audit_head::after(self, after, limit)
    }
    fn audit_head(&self, number: u64) -> Answer<Option<AuditHead>> {
        audit_head::find(self, number)
    }
    fn last_audit_head_in_log(&self) -> Answer<Option<AuditHead>> {
        audit_head::last_in_log(self)
    }
    fn last_audit_head(&self) -> Answer<Option<AuditHead>> {
        audit_head::last(self)
    }
    fn audit_stamps(&self, after: u64, limit: usize) -> Answer<Vec<AuditStamp>> {
        audit_stamp::after(self, after, limit)
    }
    fn last_audit_stamp(&self) -> Answer<Option<AuditStamp>> {
        audit_stamp::last(self)
    }
    fn last_audit_stamp_in_log(&self) -> Answer<Option<AuditStamp>> {
        audit_stamp::last_in_log(self)
    }
    fn audit_keys(&self) -> Answer<Vec<AuditKey>> {
        audit_head::all_keys(self)
    }
    fn audit_restores(&self) -> Answer<Vec<AuditRecord>> {
        audit_head::restores(self)
    }
    fn audit_witnesses(&self, after: &str, limit: usize) -> Answer<Vec<(DeviceId, Timestamp, String)>> {
        document::witnesses(self, after, limit)
    }
    fn holds(&self) -> Answer<Vec<Hold>> {
        hold::list(self)
    }
    fn numbers_holds(&self) -> Answer<Vec<NumbersHold>> {
        Ok(hold::on_numbers(self)?.into_iter().map(|(_, hold)| hold).collect())
    }
    fn class_size(&self, class: RecordClass) -> Answer<Option<ClassSize>> {
        retention::size(self, class)
    }
    fn count_records(
        &self,
        class: RecordClass,
        before: Option<Timestamp>,
        after: i64,
        limit: usize,
    ) -> Answer<Option<CountedSlice>> {
        retention::count(self, (class, before), after, limit)
    }
    fn last_deletion(&self, class: RecordClass) -> Answer<Option<Deletion>> {
        retention::last_deletion(self, class)
    }
    fn deleted_through(&self, class: RecordClass) -> Answer<Option<Timestamp>> {
        report::deleted_through(self, class)
    }
    fn deletions(&self, before: Option<u64>, limit: usize) -> Answer<Vec<Deletion>> {
        retention::deletions(self, before, limit)
    }
    fn retention_rules(&self) -> Answer<Vec<RetentionRule>> {
        retention::rules(self)
    }
    fn configuration(&self) -> Answer<Vec<ConfigurationVersion>> {
        configuration::newest(self)
    }
    fn configuration_versions(
        &self,
        part: Part,
        before: Option<u64>,
        most: usize,
    ) -> Answer<Vec<ConfigurationVersion>> {
        configuration::of_part(self, part, before, most)
    }
    fn commits(&self) -> Answer<u64> {
        match self.connection()? {
            Connection::Sqlite(connection) => sqlite::commits(connection, self.path()),
            // Nobody tells there which incidents were written to, so that none is taken for unchanged.
            Connection::Postgres(_) => Ok(0),
        }
    }
    fn past_records(
        &self,
        class: RecordClass,
        before: Timestamp,
        after: Cursor,
        limit: usize,
    ) -> Answer<Vec<PastRecord>> {
        retention::past_records(self, class, before, after, limit)
    }
    fn search(&self, query: &SearchQuery) -> Answer<SearchPage> {
        sqlite::search(self, query)
    }
    fn rows(&self, device: &DeviceId, after: u64) -> Answer<Vec<HistoryRow>> {
        self.newest_rows(device, after, u64::MAX)
    }
    fn newest_rows(&self, device: &DeviceId, after: u64, most_bytes: u64) -> Answer<Vec<HistoryRow>> {
        sample::newest_rows(self, device, after, most_bytes)
    }
    fn rows_to_fold(&self, after: u64, through: u64, limit: usize) -> Answer<Vec<StoredRow>> {
        sample::rows_to_fold(self, after, through, limit)
    }
    fn device_of(&self, number: u64) -> Answer<Option<DeviceId>> {
        sample::device_of(self, number)
    }
    fn rows_after(&self, after: u64, limit: usize) -> Answer<Vec<DeviceHistoryRow>> {
        sample::rows_after(self, after, limit)
    }
    fn clock(&self) -> Answer<Option<ClockMark>> {
        clock::believed(self)
    }
    fn last_row(&self) -> Answer<u64> {
        sample::last(self)
    }
    fn row_numbers(&self) -> Answer<RowNumbers> {
        sample::row_numbers(self)
    }
    fn last_row_before(&self, received: Timestamp) -> Answer<u64> {
        sample::last_before(self, received)
    }
    fn folded(&self, device: &DeviceId) -> Answer<u64> {
        folded::through(self, device)
    }
    fn examine(&self, deep: bool) -> Vec<String> {
        match self.connection() {
            Ok(Connection::Postgres(_)) => examine::examine(self, deep),
            Ok(Connection::Sqlite(_)) | Err(_) => sqlite::examine_path(self.path(), deep),
        }
    }
    fn chunks(&self, query: &ChunkQuery<'_>) -> Answer<StoredChunks> {
        folded::chunks(self, query)
    }
}
