//! A reader: which noun answers what.

use std::collections::{BTreeMap, BTreeSet};

use ioc_common::audit_head::AuditHead;
use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_common::layout::{Layout, LayoutId};
use ioc_common::software::Item;
use ioc_judge::duty::Cover;
use ioc_judge::{DeviceInfo, Fault, Incident, Snapshot, Window};

use super::reader_connection::SqliteReader;
use super::{
    account, account_register, archive, asset, audit, audit_head, audit_stamp, certificate, clock, coverage, device,
    document, document_change, duty, enrolment, event, examine, expected_backup, fault, hold, incident, job,
    maintenance, outbox, pace, person, product, report, retention, sample, search, snapshot, software, ticket,
    value_marks,
};
use crate::audit::{AuditKey, AuditRecord, AuditStamp};
use crate::authenticity::{MarkedDevice, ValueMarks};
use crate::coverage::CoverageFacts;
use crate::document_history::{ChangePage, ChangeQuery, PastState};
use crate::inventory::DeviceRecord;
use crate::person::PersonTraces;
use crate::report::{DocumentSettings, IssuedPart, IssuedReport, ReportText};
use crate::retention::{
    ClassSize, CountedSlice, Cursor, Deletion, Hold, NumbersHold, PastRecord, RecordClass, RetentionRule,
};
use crate::scope::AccessScope;
use crate::search::{SearchPage, SearchQuery};
use crate::{
    AccountPage, AccountQuery, AccountRecord, AccountReview, Asset, AssetAttestation, AssetCoverage, AssetImport,
    AssetQuery, BackupCoverage, BackupEvidence, BackupKind, ChannelTally, ChunkQuery, ClockMark, Counts,
    DeviceHistoryRow, DeviceQuery, DocumentRecord, EventRecord, ExpectedBackup, ExpectedBackupQuery, FaultQuery,
    Handover, HistoryRow, JobRecord, KeptAttestation, OutboxEntry, PendingDelivery, PlaceCount, Product,
    ProductCoverage, ProductMark, ProductOnDevice, ProductQuery, ProductRow, Reader, RecordKind, RegisteredAccount,
    RequestRecord, ReviewLine, RowNumbers, SavedView, SessionRecord, StoreError, StoredChunks, StoredRow, TicketQuery,
    TicketRecord, TokenRecord, WholeIncident,
};

impl Reader for SqliteReader {
    fn limit(&mut self, scope: &AccessScope) -> Result<(), StoreError> {
        (self.hides_names, self.limited) = (!scope.sees_names(), !scope.is_everywhere());
        if scope.is_everywhere() { Ok(()) } else { self.limit_to(scope) }
    }

    fn snapshot(&self, resolved_since: Timestamp) -> Result<Snapshot, StoreError> {
        snapshot::take(self, resolved_since)
    }

    fn devices(&self, query: &DeviceQuery) -> Result<Vec<DeviceRecord>, StoreError> {
        device::list(self, query)
    }

    fn devices_count(&self, query: &DeviceQuery) -> Result<u64, StoreError> {
        device::count(self, query)
    }

    fn places(&self) -> Result<Vec<String>, StoreError> {
        device::places(self)
    }

    fn places_by_state(&self) -> Result<Vec<PlaceCount>, StoreError> {
        device::places_by_state(self)
    }

    fn machines_by_place(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        device::machines_by_place(self)
    }

    fn views(&self, account: &str) -> Result<Vec<SavedView>, StoreError> {
        account::views(self, account)
    }

    fn device(&self, id: &DeviceId) -> Result<Option<DeviceRecord>, StoreError> {
        device::find(self, id)
    }

    fn hello(&self, id: &DeviceId) -> Result<Option<String>, StoreError> {
        device::hello(self, id)
    }

    fn documents(&self, id: &DeviceId) -> Result<Vec<DocumentRecord>, StoreError> {
        document::list(self, id)
    }

    fn documents_named(
        &self,
        name: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(DeviceId, DocumentRecord)>, StoreError> {
        document::named(self, name, after, limit)
    }

    fn documents_at(
        &self,
        id: &DeviceId,
        name: Option<&str>,
        moment: Timestamp,
    ) -> Result<Vec<(String, PastState)>, StoreError> {
        document_change::at(self, id, name, moment)
    }

    fn document_changes(&self, query: &ChangeQuery<'_>) -> Result<ChangePage, StoreError> {
        document_change::list(self, query)
    }

    fn document_sizes(&self, id: &DeviceId) -> Result<BTreeMap<String, u32>, StoreError> {
        document::sizes(self, id)
    }

    fn records_count(&self, id: &DeviceId, kind: RecordKind, most: u64) -> Result<u64, StoreError> {
        match kind {
            RecordKind::Events => self.count_of("event", id, most),
            RecordKind::Software => self.count_of("software", id, most),
        }
    }

    fn events(&self, id: &DeviceId, before: Option<u64>, limit: usize) -> Result<Vec<EventRecord>, StoreError> {
        event::list(self, id, before, limit)
    }

    fn software_list(&self, id: &DeviceId) -> Result<Option<(String, Timestamp)>, StoreError> {
        software::whole_list(self, id)
    }

    fn software(&self, id: &DeviceId, after: &str, limit: usize) -> Result<Vec<Item>, StoreError> {
        software::items(self, id, after, limit)
    }

    fn layout(&self, id: LayoutId) -> Result<Option<Layout>, StoreError> {
        sample::layout(self, id)
    }

    fn faults(&self, query: &FaultQuery<'_>, limit: usize) -> Result<Vec<Fault>, StoreError> {
        fault::list(self, query, limit)
    }

    fn incidents(
        &self,
        device: Option<&DeviceId>,
        active: bool,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Incident>, StoreError> {
        incident::list(self, device, active, before, limit)
    }

    fn incidents_with_deadlines(
        &self,
        waiting: bool,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Incident>, StoreError> {
        incident::with_deadlines(self, waiting, before, limit)
    }

    fn incident(&self, id: IncidentId) -> Result<Option<WholeIncident>, StoreError> {
        incident::find(self, id)
    }

    fn outbox_waiting(&self, channel: &str, limit: usize) -> Result<Vec<PendingDelivery>, StoreError> {
        outbox::waiting(self, channel, limit)
    }

    fn outbox_channels(&self) -> Result<Vec<String>, StoreError> {
        outbox::channels(self)
    }

    fn outbox_dead(&self, limit: usize) -> Result<Vec<OutboxEntry>, StoreError> {
        outbox::dead(self, limit)
    }

    fn outbox_entry(&self, key: &str) -> Result<Option<OutboxEntry>, StoreError> {
        outbox::find(self, key)
    }

    fn contacts(&self) -> Result<Vec<OutboxEntry>, StoreError> {
        outbox::contacts(self)
    }

    fn tickets(&self, query: &TicketQuery<'_>, limit: usize) -> Result<Vec<TicketRecord>, StoreError> {
        ticket::list(self, query, limit)
    }

    fn attachment(&self, incident: IncidentId, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        incident::attachment(self, incident, sha256)
    }

    fn windows(&self) -> Result<Vec<Window>, StoreError> {
        maintenance::planned(self)
    }

    fn windows_over(&self, since: Timestamp) -> Result<Vec<(Window, Timestamp)>, StoreError> {
        maintenance::over(self, since)
    }

    fn covers(&self) -> Result<Vec<Cover>, StoreError> {
        duty::covers(self)
    }

    fn handovers(&self, limit: usize) -> Result<Vec<Handover>, StoreError> {
        duty::handovers(self, limit)
    }

    fn jobs(&self) -> Result<Vec<JobRecord>, StoreError> {
        job::list(self)
    }

    fn expected_backups(&self, query: &ExpectedBackupQuery, limit: usize) -> Result<Vec<ExpectedBackup>, StoreError> {
        expected_backup::list(self, query, limit)
    }

    fn without_expected_backup(&self, after: &str, limit: usize) -> Result<Vec<DeviceInfo>, StoreError> {
        expected_backup::unstated(self, after, limit)
    }

    fn backup_coverage(&self) -> Result<BackupCoverage, StoreError> {
        expected_backup::coverage(self)
    }

    fn backup_attestations(
        &self,
        device: &DeviceId,
        kind: BackupKind,
        limit: usize,
    ) -> Result<Vec<KeptAttestation>, StoreError> {
        expected_backup::attestations(self, device, kind, limit)
    }

    fn backup_evidence(
        &self,
        device: &DeviceId,
        kind: BackupKind,
        sha256: &str,
    ) -> Result<Option<(BackupEvidence, Vec<u8>)>, StoreError> {
        expected_backup::evidence(self, device, kind, sha256)
    }
    fn assets(&self, query: &AssetQuery) -> Result<Vec<Asset>, StoreError> {
        asset::list(self, query)
    }

    fn assets_count(&self, query: &AssetQuery) -> Result<u64, StoreError> {
        asset::count(self, query)
    }

    fn asset(&self, device: &DeviceId) -> Result<Option<Asset>, StoreError> {
        asset::find(self, device)
    }

    fn asset_coverage(&self) -> Result<AssetCoverage, StoreError> {
        asset::coverage(self)
    }

    fn asset_attestations(&self, device: &DeviceId, limit: usize) -> Result<Vec<AssetAttestation>, StoreError> {
        asset::attestations(self, device, limit)
    }

    fn asset_imports(&self, limit: usize) -> Result<Vec<AssetImport>, StoreError> {
        asset::imports(self, limit)
    }

    fn asset_import(&self, number: u64) -> Result<Option<AssetImport>, StoreError> {
        asset::import(self, number)
    }

    fn asset_attestations_before(
        &self,
        device: Option<&DeviceId>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, DeviceId, AssetAttestation)>, StoreError> {
        asset::attestations_before(self, device, before, limit)
    }

    fn unfinished_asset_import(&self) -> Result<Option<AssetImport>, StoreError> {
        asset::unfinished_import(self)
    }

    fn registered_accounts(&self, query: &AccountQuery) -> Result<AccountPage, StoreError> {
        account_register::list(self, query)
    }

    fn registered_account(
        &self,
        device: Option<&DeviceId>,
        name: &str,
    ) -> Result<Option<RegisteredAccount>, StoreError> {
        account_register::find(self, device, name)
    }

    fn account_evidence(
        &self,
        device: &DeviceId,
        name: &str,
        sha256: &str,
    ) -> Result<Option<(BackupEvidence, Vec<u8>)>, StoreError> {
        account_register::evidence(self, device, name, sha256)
    }

    fn account_reviews(&self, limit: usize) -> Result<Vec<AccountReview>, StoreError> {
        account_register::reviews(self, limit)
    }

    fn account_review(&self, number: u64) -> Result<Option<AccountReview>, StoreError> {
        account_register::review(self, number)
    }

    fn signed_account_review(&self) -> Result<Option<AccountReview>, StoreError> {
        account_register::last_signed(self)
    }

    fn account_review_lines(&self, number: u64) -> Result<Vec<ReviewLine>, StoreError> {
        account_register::review_lines(self, number)
    }

    fn products(&self, query: &ProductQuery) -> Result<Vec<ProductRow>, StoreError> {
        product::list(self, query)
    }

    fn products_count(&self, query: &ProductQuery) -> Result<u64, StoreError> {
        product::count(self, query)
    }

    fn product_marks(&self, query: &ProductQuery) -> Result<Vec<ProductMark>, StoreError> {
        product::marks(self, query)
    }

    fn product(&self, key: &str) -> Result<Option<ProductRow>, StoreError> {
        product::find(self, key)
    }

    fn all_products(&self) -> Result<Vec<Product>, StoreError> {
        product::all(self)
    }

    fn product_uses(&self, key: &str, after: &str, limit: usize) -> Result<Vec<ProductOnDevice>, StoreError> {
        product::uses(self, key, after, limit)
    }

    fn product_owners(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        product::owners(self, limit)
    }

    fn product_coverage(&self) -> Result<ProductCoverage, StoreError> {
        product::coverage(self)
    }

    fn ungrouped_software(
        &self,
        catalogue: &str,
        limit: usize,
    ) -> Result<Vec<(DeviceId, String, Timestamp)>, StoreError> {
        product::ungrouped(self, catalogue, limit)
    }

    fn counts(&self) -> Result<Counts, StoreError> {
        device::counts(self)
    }

    fn coverage(&self) -> Result<CoverageFacts, StoreError> {
        coverage::facts(self)
    }

    fn value_marks(
        &self,
        now: Timestamp,
        collector_clock_doubted: bool,
        most: usize,
    ) -> Result<(ValueMarks, Vec<MarkedDevice>), StoreError> {
        value_marks::count(self, now, collector_clock_doubted, most)
    }

    fn machines_of(&self, numbers: &BTreeSet<u64>, limit: usize) -> Result<Vec<DeviceInfo>, StoreError> {
        device::machines_of(self, numbers, limit)
    }

    fn machines_without(&self, document: &str, limit: usize) -> Result<Vec<DeviceInfo>, StoreError> {
        device::machines_without(self, document, limit)
    }

    fn deliveries(&self) -> Result<Vec<ChannelTally>, StoreError> {
        outbox::tally(self)
    }

    fn certificates(&self, limit: usize) -> Result<Vec<(DeviceId, Timestamp)>, StoreError> {
        certificate::by_end(self, limit)
    }

    fn audit_before(&self, before: Option<u64>, search: &str, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        audit::before(self, before, search, limit)
    }

    fn audit_tally(&self, from: Timestamp, until: Timestamp) -> Result<BTreeMap<String, u64>, StoreError> {
        audit::tally(self, from, until)
    }

    fn audit_of(
        &self,
        action: &str,
        from: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        audit::of(self, action, (from, until), limit)
    }

    fn audit_since(&self) -> Result<Option<Timestamp>, StoreError> {
        audit::since(self)
    }

    fn at_one_moment(&self, read: &mut dyn FnMut(&dyn Reader) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.in_transaction(|| read(self))
    }

    fn document_settings(&self) -> Result<DocumentSettings, StoreError> {
        report::settings(self)
    }

    fn report_texts(&self, report: &str) -> Result<Vec<ReportText>, StoreError> {
        report::texts(self, report)
    }

    fn issued_reports(
        &self,
        report: Option<&str>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<IssuedReport>, StoreError> {
        report::list(self, report, before, limit)
    }

    fn issued_report(&self, number: u64) -> Result<Option<IssuedReport>, StoreError> {
        report::find(self, number)
    }

    fn issued_content(&self, number: u64, part: IssuedPart) -> Result<Option<Vec<u8>>, StoreError> {
        report::content(self, number, part)
    }

    fn token(&self, digest: &str) -> Result<Option<TokenRecord>, StoreError> {
        enrolment::token(self, digest)
    }

    fn tokens(&self, after: Option<&str>, limit: usize) -> Result<Vec<TokenRecord>, StoreError> {
        enrolment::tokens(self, after, limit)
    }

    fn request(&self, id: &str) -> Result<Option<RequestRecord>, StoreError> {
        enrolment::request(self, id)
    }

    fn requests(&self) -> Result<Vec<RequestRecord>, StoreError> {
        enrolment::requests(self)
    }

    fn requests_of(&self, device: &DeviceId) -> Result<Vec<RequestRecord>, StoreError> {
        enrolment::requests_of(self, device)
    }

    fn is_enrolled(&self, device: &DeviceId) -> Result<bool, StoreError> {
        certificate::is_enrolled(self, device)
    }

    fn settings(&self) -> Result<Vec<(DeviceInfo, Option<String>)>, StoreError> {
        document::settings(self)
    }

    fn has_certificate(&self, serial: &str) -> Result<bool, StoreError> {
        certificate::has(self, serial)
    }

    fn certified_since(&self, from: Timestamp) -> Result<Vec<DeviceId>, StoreError> {
        certificate::certified_since(self, from)
    }

    fn audit_subjects(&self, action: &str, from: Timestamp) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT DISTINCT subject FROM audit WHERE action = ?1 AND at >= ?2 ORDER BY subject";
        self.all(sql, &[&action, &from.as_millis()], |row| row.get(0))
    }

    fn serials(&self) -> Result<Vec<(DeviceId, String)>, StoreError> {
        certificate::serials(self)
    }

    fn person(&self, names: &[String], limit: usize) -> Result<PersonTraces, StoreError> {
        person::find(self, names, limit)
    }

    fn account(&self, name: &str) -> Result<Option<AccountRecord>, StoreError> {
        account::find(self, name)
    }

    fn accounts(&self) -> Result<Vec<AccountRecord>, StoreError> {
        account::list(self)
    }

    fn sessions(&self, account: &str) -> Result<Vec<SessionRecord>, StoreError> {
        account::sessions(self, account)
    }

    fn session(&self, digest: &str) -> Result<Option<SessionRecord>, StoreError> {
        account::session(self, digest)
    }

    fn audit(&self, after: u64, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        audit::after(self, after, limit)
    }

    fn audit_heads(&self, after: u64, limit: usize) -> Result<Vec<AuditHead>, StoreError> {
        audit_head::after(self, after, limit)
    }

    fn audit_head(&self, number: u64) -> Result<Option<AuditHead>, StoreError> {
        audit_head::find(self, number)
    }

    fn last_audit_head_in_log(&self) -> Result<Option<AuditHead>, StoreError> {
        audit_head::last_in_log(self)
    }

    fn last_audit_head(&self) -> Result<Option<AuditHead>, StoreError> {
        audit_head::last(self)
    }

    fn audit_stamps(&self, after: u64, limit: usize) -> Result<Vec<AuditStamp>, StoreError> {
        audit_stamp::after(self, after, limit)
    }

    fn last_audit_stamp(&self) -> Result<Option<AuditStamp>, StoreError> {
        audit_stamp::last(self)
    }

    fn last_audit_stamp_in_log(&self) -> Result<Option<AuditStamp>, StoreError> {
        audit_stamp::last_in_log(self)
    }

    fn audit_keys(&self) -> Result<Vec<AuditKey>, StoreError> {
        audit_head::all_keys(self)
    }

    fn audit_restores(&self) -> Result<Vec<AuditRecord>, StoreError> {
        audit_head::restores(self)
    }

    fn audit_witnesses(&self, after: &str, limit: usize) -> Result<Vec<(DeviceId, Timestamp, String)>, StoreError> {
        document::witnesses(self, after, limit)
    }

    fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        hold::list(self)
    }

    fn numbers_holds(&self) -> Result<Vec<NumbersHold>, StoreError> {
        Ok(hold::on_numbers(self)?.into_iter().map(|(_, hold)| hold).collect())
    }

    fn class_size(&self, class: RecordClass) -> Result<Option<ClassSize>, StoreError> {
        retention::size(self, class)
    }

    fn count_records(
        &self,
        class: RecordClass,
        before: Option<Timestamp>,
        after: i64,
        limit: usize,
    ) -> Result<Option<CountedSlice>, StoreError> {
        retention::count(self, (class, before), after, limit)
    }

    fn last_deletion(&self, class: RecordClass) -> Result<Option<Deletion>, StoreError> {
        retention::last_deletion(self, class)
    }

    fn deleted_through(&self, class: RecordClass) -> Result<Option<Timestamp>, StoreError> {
        report::deleted_through(self, class)
    }

    fn deletions(&self, before: Option<u64>, limit: usize) -> Result<Vec<Deletion>, StoreError> {
        retention::deletions(self, before, limit)
    }

    fn retention_rules(&self) -> Result<Vec<RetentionRule>, StoreError> {
        retention::rules(self)
    }

    fn past_records(
        &self,
        class: RecordClass,
        before: Timestamp,
        after: Cursor,
        limit: usize,
    ) -> Result<Vec<PastRecord>, StoreError> {
        retention::past_records(self, class, before, after, limit)
    }

    fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        search::search(self, query)
    }

    fn rows(&self, device: &DeviceId, after: u64) -> Result<Vec<HistoryRow>, StoreError> {
        self.newest_rows(device, after, u64::MAX)
    }

    fn newest_rows(&self, device: &DeviceId, after: u64, most_bytes: u64) -> Result<Vec<HistoryRow>, StoreError> {
        sample::newest_rows(self, device, after, most_bytes)
    }

    fn rows_to_fold(&self, after: u64, through: u64, limit: usize) -> Result<Vec<StoredRow>, StoreError> {
        sample::rows_to_fold(self, after, through, limit)
    }

    fn device_of(&self, number: u64) -> Result<Option<DeviceId>, StoreError> {
        sample::device_of(self, number)
    }

    fn rows_after(&self, after: u64, limit: usize) -> Result<Vec<DeviceHistoryRow>, StoreError> {
        sample::rows_after(self, after, limit)
    }

    fn clock(&self) -> Result<Option<ClockMark>, StoreError> {
        clock::believed(self)
    }

    fn last_row(&self) -> Result<u64, StoreError> {
        sample::last(self)
    }

    fn row_numbers(&self) -> Result<RowNumbers, StoreError> {
        sample::row_numbers(self)
    }

    fn last_row_before(&self, received: Timestamp) -> Result<u64, StoreError> {
        sample::last_before(self, received)
    }

    fn folded(&self, device: &DeviceId) -> Result<u64, StoreError> {
        archive::folded(self, device)
    }

    fn examine(&self, deep: bool) -> Vec<String> {
        // On a connection of its own, which gives way to whoever commits.
        match pace::giving_way(self.path()) {
            Ok(connection) => examine::examine(&connection, deep),
            Err(error) => vec![error.to_string()],
        }
    }

    fn chunks(&self, query: &ChunkQuery<'_>) -> Result<StoredChunks, StoreError> {
        archive::chunks(self, query)
    }
}
