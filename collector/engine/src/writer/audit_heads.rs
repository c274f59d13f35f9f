//! Signed heads of the audit log: one when the log has grown, at most once a minute, and one at every stop. And what devices witnessed of
//! them, held against the log.

use std::collections::{BTreeMap, HashMap};

use ioc_common::audit_head::{AuditHead, Witnessed};
use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::{Severity, Text};
use ioc_store::audit::{AuditKey, AuditStamp, STAMP_MAX_BYTES};
use ioc_store::witness::{WitnessVerdict, compare};
use ioc_store::{Change, Reader, StoreError};

use super::store_faults::Bilingual;
use super::{CommandResult, Engine};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, BackgroundTask, CommandError};
use crate::pki::PkiError;
use crate::pki::record_key::RecordKey;
use crate::refusal_reason::{RefusalReason, Word};

/// Between two heads, milliseconds.
const EVERY_MS: u64 = 60_000;
/// Between two looks whether the log has grown, milliseconds: a collector that is busy turns many times a second.
const LOOK_EVERY_MS: u64 = 1000;
/// Between two records of one device that witnessed another log, milliseconds: what a device says fills no log.
const TELL_EVERY_MS: u64 = 86_400_000;
/// How long heads may fail to be signed before it is an incident, milliseconds.
const PATIENCE_MS: i64 = 3_600_000;

/// What the engine knows of heads.
#[derive(Debug, Default)]
pub(super) struct AuditHeads {
    key: Option<RecordKey>,
    /// The public keys of those that signed, by identifier.
    known: BTreeMap<String, Vec<u8>>,
    /// The newest head that is committed and whose record is in the log, and one that is being committed.
    newest: Option<AuditHead>,
    pending: Option<AuditHead>,
    /// When the last one was signed, boot clock, milliseconds; none since the start.
    signed_ms: Option<u64>,
    /// When it was last seen whether there is something to sign.
    looked_ms: u64,
    /// Since when it fails, boot clock.
    failing_since_ms: Option<i64>,
    /// Devices that witnessed another log, and when that was last recorded, boot clock, milliseconds.
    disagreeing: HashMap<DeviceId, u64>,
    /// Up to which record of a log that was replaced it is told what is lost of it; 0 before any is.
    lost_told: u64,
}

impl AuditHeads {
    /// What the store knows of heads.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub(super) fn read(reader: &dyn Reader) -> Result<Self, StoreError> {
        let known = reader.audit_keys()?.into_iter().map(|key| (key.id, key.public)).collect();
        // One whose record is gone is neither given to devices nor waited for: the log is signed as it is, and what is gone is a finding.
        let newest = reader.last_audit_head_in_log()?;
        if let Some(gone) = reader.last_audit_head()?.filter(|last| newest.as_ref() != Some(last)) {
            let (number, at) = (gone.number, gone.at);
            tracing::error!(number, %at, "the audit log does not hold the record that the newest signed head speaks of; 'ioc-collector audit verify' says where it ends");
        }
        Ok(Self { known, newest, ..Self::default() })
    }

    /// What was signed is committed.
    pub(super) fn committed(&mut self) {
        if let Some(head) = self.pending.take() {
            self.newest = Some(head);
        }
    }

    /// The newest head that is committed.
    pub(super) const fn newest(&self) -> Option<&AuditHead> {
        self.newest.as_ref()
    }
}

impl Engine {
    /// Signs a head where the log has grown and the last one is old enough; it goes with the next commit.
    pub(super) fn keep_head(&mut self, now: Timestamp) {
        let boot_ms = self.boot_ms;
        let rests = |last: u64| boot_ms.saturating_sub(last) < EVERY_MS;
        let looked_ms = std::mem::replace(&mut self.audit_heads.looked_ms, boot_ms);
        if self.audit_heads.pending.is_some() || self.audit_heads.signed_ms.is_some_and(rests) {
            return;
        }
        if boot_ms.saturating_sub(looked_ms) < LOOK_EVERY_MS {
            self.audit_heads.looked_ms = looked_ms;
            return;
        }
        match self.sign_head(now) {
            Ok(signed) => {
                if signed {
                    self.audit_heads.signed_ms = Some(boot_ms);
                }
                self.audit_heads.failing_since_ms = None;
                let _ = self.record_background_task(BackgroundTask::SignedHeads, None, now);
            }
            Err(error) => {
                // It is tried again as often as it would be made.
                self.audit_heads.signed_ms = Some(boot_ms);
                let boot_ms = i64::try_from(boot_ms).unwrap_or(i64::MAX);
                let since_ms = *self.audit_heads.failing_since_ms.get_or_insert(boot_ms);
                tracing::error!(%error, "no head of the audit log can be signed; the log goes on without");
                if boot_ms.saturating_sub(since_ms) >= PATIENCE_MS {
                    let why = error.to_string();
                    let _ = self.record_background_task(BackgroundTask::SignedHeads, Some(&why), now);
                }
            }
        }
    }

    /// Signs what was committed last, at the end.
    pub(super) fn keep_last_head(&mut self) {
        if self.given_up {
            return;
        }
        match self.sign_head(self.time.now()) {
            Ok(true) => drop(self.commit()),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "no head of the audit log could be signed at the end"),
        }
    }

    /// Signs the log as it is committed. Whether there was anything new to sign.
    fn sign_head(&mut self, now: Timestamp) -> Result<bool, PkiError> {
        let tip = self.store.audit_tip();
        if tip.number <= self.audit_heads.newest.as_ref().map_or(0, |head| head.number) {
            return Ok(false);
        }
        if tip.tree.size() != tip.number {
            return Err(PkiError::Make(format!("the number {} of the last record cannot be one", tip.number)));
        }
        // A head of another record with this number, which is gone, stays where it is; the next record is signed.
        let taken = self.reader.audit_head(tip.number).map_err(|error| PkiError::Make(error.to_string()))?;
        if taken.is_some() {
            return Ok(false);
        }
        let key = match self.audit_heads.key.take() {
            Some(key) => key,
            None => RecordKey::open(&self.authority, now)?,
        };
        let root = ioc_common::encoding::hex(&tip.tree.root());
        let signed = key.sign(AuditHead::unsigned(tip.number, tip.hash, root, now, key.id().to_owned()));
        let (id, public, certificate) = (key.id().to_owned(), key.public().to_vec(), key.certificate().to_owned());
        self.audit_heads.key = Some(key);
        let head = signed?;
        if !self.audit_heads.known.contains_key(&id) {
            self.audit_heads.known.insert(id.clone(), public.clone());
            self.batch.changes.push(Change::AuditKey(AuditKey { id, public, certificate, at: now }));
        }
        self.audit_heads.pending = Some(head.clone());
        self.batch.changes.push(Change::AuditHead { head, tree: tip.tree });
        Ok(true)
    }

    /// Keeps what a time stamping authority said of a head, beside it.
    pub(super) fn keep_stamp(&mut self, stamp: AuditStamp) -> CommandResult {
        if self.reader.audit_head(stamp.number).map_err(CommandError::unread)?.is_none() {
            let english = format!("no head of record {} was signed", stamp.number);
            let args = [("number", Word::Count(stamp.number))];
            return Err(RefusalReason::new("refusal-no-head", args, english).not_found());
        }
        if stamp.reply.len() > STAMP_MAX_BYTES {
            let english = format!("a time stamp has at most {STAMP_MAX_BYTES} bytes");
            let args = [("most", Word::count(STAMP_MAX_BYTES))];
            return Err(RefusalReason::new("refusal-stamp-large", args, english).invalid());
        }
        let is_kept = |change: &Change| matches!(change, Change::AuditStamp(one) if one.number == stamp.number);
        if !self.batch.changes.iter().any(is_kept) {
            self.batch.changes.push(Change::AuditStamp(stamp));
        }
        Ok(Answer::Done)
    }

    /// A device says which head it witnessed last: from now on it is given newer ones, and what it saw is held against the log.
    pub(super) fn witnessed(&mut self, device: &DeviceId, text: &str, now: Timestamp) {
        self.connections.set_witness(device);
        let Ok(Witnessed { head: Some(head) }) = serde_json::from_str(text) else { return };
        if !head.is_well_formed() {
            tracing::warn!(%device, "what it witnessed of the audit log is no head");
            return;
        }
        let verdict = match compare(self.reader.as_ref(), &self.audit_heads.known, &head) {
            Ok(verdict) => verdict,
            Err(error) => {
                tracing::error!(%device, %error, "what a device witnessed could not be held against the audit log");
                return;
            }
        };
        match &verdict {
            WitnessVerdict::Agrees => {}
            WitnessVerdict::Restored { declared } => {
                tracing::info!(%device, head = head.number, declared, "it witnessed a log that was replaced, as declared");
                self.report_lost(device, &head, *declared, now);
            }
            WitnessVerdict::Forged => {
                tracing::warn!(%device, head = head.number, "what it says to have witnessed was not signed by this collector");
            }
            // A device can name any key: that shows nothing by itself. It stands in the list of witnesses.
            WitnessVerdict::UnknownKey => {
                tracing::warn!(%device, head = head.number, key = head.key, "what it says to have witnessed was signed by a key that is not known here");
            }
            WitnessVerdict::Missing { .. } | WitnessVerdict::Differs => {
                self.report_rewritten(device, &head, &verdict, now);
            }
        }
    }

    /// What a restore that was declared lost of the log, as a witness knows it. It is told again where another witness knows of more; each head is one
    /// that this collector signed, at most one a minute.
    fn report_lost(&mut self, device: &DeviceId, head: &AuditHead, declared: u64, now: Timestamp) {
        let AuditHead { number, at, .. } = head;
        // The declaration is the first record behind those of the copy.
        let held = declared.saturating_sub(1);
        let lost = number.saturating_sub(held);
        if lost == 0 || *number <= self.audit_heads.lost_told {
            return;
        }
        self.audit_heads.lost_told = *number;
        let detail = format!(
            "{device} witnessed record {number} of the log that was replaced, signed at {at}; the copy ended with record {held}: at least {lost} records are not here"
        );
        self.record(now, "", AuditLogAction::StoreRestoredLost, device.as_str(), &detail);
    }

    /// The log is not the one that a device witnessed. It is told once a day for each device, whatever that device says in between.
    fn report_rewritten(&mut self, device: &DeviceId, head: &AuditHead, verdict: &WitnessVerdict, now: Timestamp) {
        let AuditHead { number, at, hash, root, key, .. } = head;
        let (vi, en) = match verdict {
            WitnessVerdict::Missing { last } => {
                (format!("nhật ký ở đây chỉ có đến bản ghi {last}"), format!("the log here ends with record {last}"))
            }
            _ => ("nhật ký ở đây có nội dung khác".to_owned(), "the log here is another one".to_owned()),
        };
        let boot_ms = self.boot_ms;
        let is_told = |last: &u64| boot_ms.saturating_sub(*last) < TELL_EVERY_MS;
        if self.audit_heads.disagreeing.get(device).is_some_and(is_told) {
            return;
        }
        self.audit_heads.disagreeing.insert(device.clone(), boot_ms);
        tracing::error!(%device, number, %at, hash, root, key, why = en, "a device witnessed another audit log than the one here");
        let detail = format!("record {number}, hash {hash}, root {root}, signed at {at} by {key}: {en}");
        self.record(now, "", AuditLogAction::AuditWitnessDisagrees, device.as_str(), &detail);
        let why = Text::new(
            format!("{device} đã chứng kiến bản ghi {number} (ký lúc {at}): {vi}."),
            format!("{device} witnessed record {number} (signed at {at}): {en}."),
        );
        self.raise_self_fault_of(Severity::Critical, REWRITTEN_KEY, REWRITTEN, why, now);
    }
}

/// The name of the fault; it stands in the store.
pub(super) const REWRITTEN_KEY: &str = "audit-rewritten";
const REWRITTEN: (Bilingual, Bilingual) = (
    (
        "Nhật ký kiểm toán bị sửa, bị cắt, hoặc kho cũ được đặt lại",
        "The audit log was rewritten or cut, or an older store was put in its place",
    ),
    (
        "Chạy «ioc-collector audit verify --witnesses» để xem máy nào đã chứng kiến gì và chỗ nào khác. Nếu vừa phục hồi từ bản sao lưu: khai báo việc phục hồi (docs/records.md). \
         Nếu không: giữ nguyên thư mục dữ liệu làm chứng cứ, hỏi xem ai có quyền root trên máy này, và báo người có trách nhiệm.",
        "Run 'ioc-collector audit verify --witnesses' to see which machine witnessed what, and where the log differs. After a restore from a backup: declare it (docs/records.md). \
         Otherwise: keep the data directory as it is for evidence, ask who had root on this machine, and tell whoever is responsible.",
    ),
);

#[cfg(test)]
mod tests;
