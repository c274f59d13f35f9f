//! The store: what is known, on disk. One interface in the domain's words ([`Store`], [`Reader`], [`Archive`]), one contract suite, and
//! SQLite or PostgreSQL behind it: what is asked of either is one text (`sql`). [`open`] gives the store of a directory; that of a site in PostgreSQL is
//! given by its lease ([`Candidate`]), or to be read ([`Standby`]).
//!
//! Everything that belongs together is one [`Store::commit`]: it is on disk when it returns, or it is not there at all.

mod account;
mod account_register;
mod archive;
mod asset;
pub mod audit;
pub mod audit_check;
pub mod audit_text;
pub mod authenticity;
pub mod backup;
mod change;
pub mod chart;
mod clock;
pub mod collation;
pub mod compaction;
pub mod configuration;
#[cfg(test)]
mod contract;
pub mod coverage;
pub mod dashboard;
mod directory;
pub mod document_history;
mod duty;
mod enrolment;
mod error;
mod expected_backup;
pub mod floor;
pub mod history;
mod incident_search;
pub mod inventory;
pub mod inventory_count;
mod job;
mod list_query;
pub mod merkle;
mod new_device;
mod outbox;
pub mod person;
pub mod place;
mod postgres;
mod product;
mod reader;
mod record;
pub mod report;
pub mod retention;
mod role;
mod row_copy;
pub mod scope;
pub mod search;
pub mod secret;
mod sql;
mod sqlite;
mod store;
mod store_copy;
mod table_import;
pub mod template;
mod ticket;
pub mod totp;
pub mod witness;

pub use account::{AccountRecord, SavedView, SessionRecord};
pub use account_register::{
    ACCOUNT_REVIEW_LINES_MAX, ACCOUNT_REVIEW_REPORT, AccountAttestation, AccountField, AccountFinding, AccountLimits,
    AccountPage, AccountQuery, AccountReview, AccountRow, AccountSource, AccountTally, AccountVerdict, AccountWord,
    AttestedAccount, RegisteredAccount, ReviewLine, ReviewSignature, ReviewTally, account_key, account_of_key,
    review_digest,
};
pub use archive::{
    Archive, ArchiveChange, ChunkQuery, DamagedPart, HoldsAsked, OpenBlock, PartKind, RemovedHistory, StoredChunk,
    StoredChunks,
};
pub use asset::{
    Asset, AssetAttestation, AssetCoverage, AssetField, AssetQuery, AssetRow, AssetState, AssetValue, AssetWork,
};
pub use change::Change;
pub use clock::ClockMark;
pub use directory::{
    FILES, copy, examine, hold, id, is_there, mark_copy, missing_store, open, prove, put_aside, recover, remove,
    settle_log, size, sums, version,
};
pub use duty::{
    ContactCheck, DutyFeed, DutyReader, FEEDS_MAX, Handover, RequestedTurn, RequestedTurnState, SHIFT_EVENTS_MAX,
    ShiftAccount, ShiftEvent, ShiftEventKind, ShiftSide, SignedShift,
};
pub use enrolment::{ApprovalReason, Grant, RequestRecord, RequestState, TokenRecord};
pub use error::StoreError;
pub use expected_backup::{
    BackupAttestation, BackupCoverage, BackupEvidence, BackupExpectation, BackupKind, BackupSeen, BackupSource,
    BackupState, CopyRule, EVIDENCE_MAX, EvidenceKind, ExpectedBackup, ExpectedBackupQuery, KeptAttestation,
};
pub use incident_search::{DeliveredNotice, IncidentQuery, IncidentSearch};
pub use job::{JobRecord, JobReport};
pub use list_query::{DeviceQuery, DeviceSort, DeviceStateFilter, FaultQuery, PlaceCount, RecordKind, RuleFaults};
pub use new_device::NewDevice;
pub use outbox::{ChannelTally, Delivery, DeliveryState, OutboxEntry, PendingDelivery};
pub use postgres::{
    Address, Candidate, DatabaseReport, LeaseView, PostgresForm, PostgresSettings, SchemaName, SettingsError, Standby,
    StandbyServer, site_bytes, site_id,
};
pub use product::{
    Inherited, MARK_CHARS, Product, ProductCoverage, ProductField, ProductMark, ProductOnDevice, ProductQuery,
    ProductRow, ProductState, ProductTableRow, ProductUse,
};
pub use reader::{READER_FILES, Reader};
pub use record::{
    CERTIFICATES_MAX, Counts, DeviceHistoryRow, DocumentRecord, EventRecord, HistoryRow, RecoveredTable, RowNumbers,
    StoreLosses, StoredRow, WholeIncident,
};
pub use role::{Right, Role};
pub use store::Store;
pub use store_copy::{
    CopiedTable, Progress, back_up_postgres, copy_into_files, copy_into_postgres, follow_audit, try_in_postgres,
};
pub use table_import::{ImportRegister, ImportedAccount, ImportedAsset, ImportedProduct, ImportedRow, TableImport};
pub use ticket::{TicketQuery, TicketRecord};
