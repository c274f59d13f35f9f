//! Faults of the store: data that it lost, damage that a check found, a disk that is nearly full, and what is not committed when the
//! collector has to end while the store cannot be written.

use ioc_common::clock::Timestamp;
use ioc_judge::{Input, NewIncident, Severity, Text};

use super::{Batch, CommandResult, Engine};
use crate::audit_action::AuditLogAction;
use crate::command::Answer;
use crate::health::IntegrityCheck;
use crate::refusal_field::Field;
use crate::refusal_reason::RefusalReason;
use ioc_store::Change;

/// Longest reason that a person may give, characters.
const REASON_MAX_CHARS: usize = 500;
/// The fault of the collector's own disk.
pub(super) const DISK_NEARLY_FULL: &str = "disk-nearly-full";
/// Most findings that a notice shows.
const SHOWN_MAX: usize = 3;

impl Engine {
    /// Opens an incident for what was found to be lost when the store was opened; it stays open until a person confirms the loss.
    pub(super) fn report_store_losses(&mut self, now: Timestamp) {
        if self.state.has_self_fault("store-damaged") {
            let findings = vec![
                "it was found damaged before; the next thorough look is within a day, or: ioc-collector store check"
                    .to_owned(),
            ];
            self.health.set_integrity_check(IntegrityCheck { at: now, findings });
        }
        let lost = self.store.lost().clone();
        if lost.all.is_empty() {
            return;
        }
        let of =
            |text: fn(&Text) -> &String| lost.all.iter().map(|one| text(one).as_str()).collect::<Vec<_>>().join(" ");
        let why = Text::new(of(|text| &text.vi), of(|text| &text.en));
        tracing::error!(lost = why.en, "the store has lost what was acknowledged; it goes on with what is left");
        if lost.fresh {
            self.record(now, "", AuditLogAction::StoreLossFound, "ioc-watch.db", &why.en);
            self.wait_with_deletion(now);
        }
        self.raise_self_fault("store-lost", LOST, why, now);
        self.health.set_store_losses(lost.all);
    }

    /// A person confirms that they know of the loss.
    pub(super) fn confirm_loss(&mut self, reason: &str, actor: &str, now: Timestamp) -> CommandResult {
        if self.health.store_losses().is_empty() {
            let english = "nothing was lost that is not confirmed";
            return Err(RefusalReason::new("refusal-nothing-lost", [], english).conflict());
        }
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > REASON_MAX_CHARS || reason.chars().any(char::is_control) {
            return Err(Field::Reason.line(1, REASON_MAX_CHARS).invalid());
        }
        self.batch.changes.push(Change::LossConfirmed);
        self.record(now, actor, AuditLogAction::StoreLossConfirmed, "ioc-watch.db", reason);
        self.health.set_store_losses(Vec::new());
        let why = Text::new(format!("{actor} xác nhận: {reason}"), format!("{actor} confirms: {reason}"));
        self.decide(Input::SelfFault { key: "store-lost", incident: None, why }, now)?;
        Ok(Answer::Done)
    }

    /// An integrity check of the store is over.
    pub(super) fn record_integrity_check(
        &mut self,
        findings: Vec<String>,
        full: bool,
        now: Timestamp,
    ) -> CommandResult {
        // A quick check does not find everything that a full one does, so that it never ends the incident.
        let stands = self.state.has_self_fault("store-damaged");
        if findings.is_empty() && !full && stands {
            return Ok(Answer::Done);
        }
        if findings.is_empty() {
            self.record(now, "", AuditLogAction::StoreExamined, "ioc-watch.db", "sound");
            let why = Text::new("Kho dữ liệu nguyên vẹn.", "The store is sound.");
            self.decide(Input::SelfFault { key: "store-damaged", incident: None, why }, now)?;
        } else {
            let shown = findings.iter().take(SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join("; ");
            tracing::error!(findings = findings.len(), shown, "the store is damaged");
            self.record(
                now,
                "",
                AuditLogAction::StoreExamined,
                "ioc-watch.db",
                &format!("{} findings: {shown}", findings.len()),
            );
            let why = Text::new(format!("Kho dữ liệu bị hỏng: {shown}"), format!("The store is damaged: {shown}"));
            self.raise_self_fault("store-damaged", DAMAGED, why, now);
        }
        self.health.set_integrity_check(IntegrityCheck { at: now, findings });
        Ok(Answer::Done)
    }

    /// The disk of the store is nearly full, with `left` bytes free; none when it has room again.
    pub(super) fn report_disk_room(&mut self, left: Option<u64>, now: Timestamp) {
        match left.map(|bytes| bytes / (1024 * 1024)) {
            Some(mib) => {
                let why = Text::new(
                    format!("Ổ đĩa chứa dữ liệu chỉ còn {mib} MiB trống."),
                    format!("{mib} MiB are left on the disk of the data directory."),
                );
                self.raise_self_fault(DISK_NEARLY_FULL, NEARLY_FULL, why, now);
            }
            None => {
                let why = Text::new("Ổ đĩa chứa dữ liệu lại đủ chỗ.", "The disk of the data directory has room again.");
                self.judge(Input::SelfFault { key: DISK_NEARLY_FULL, incident: None, why }, now);
            }
        }
    }

    fn raise_self_fault(&mut self, key: &'static str, words: (Bilingual, Bilingual), why: Text, now: Timestamp) {
        self.raise_self_fault_of(Severity::Critical, key, words, why, now);
    }

    pub(super) fn raise_self_fault_of(
        &mut self,
        severity: Severity,
        key: &'static str,
        (title, advice): (Bilingual, Bilingual),
        why: Text,
        now: Timestamp,
    ) {
        let words = |(vi, en): Bilingual| Text::new(vi, en);
        let (title, advice) = (words(title), words(advice));
        let manual = NewIncident { device: None, severity, title, reason: why.clone(), advice, report: None };
        self.judge(Input::SelfFault { key, incident: Some(manual), why }, now);
    }

    /// Logs what is not committed, when the collector ends while the store cannot be written.
    pub(super) fn log_uncommitted(batch: &Batch) {
        if batch.changes.is_empty() && batch.answers.is_empty() {
            return;
        }
        let count = |is: fn(&Change) -> bool| batch.changes.iter().filter(|change| is(change)).count();
        tracing::error!(
            reports = batch.reports,
            commands = batch.answers.len(),
            notices = count(|change| matches!(change, Change::Outbox(_))),
            incidents = count(|change| matches!(change, Change::Step(_))),
            "ending while the store cannot be written: none of this was kept and none was acknowledged; agents keep their reports and send them \
             again, people have to repeat what they asked for"
        );
    }
}

/// A text in Vietnamese, and the same in English.
pub(super) type Bilingual = (&'static str, &'static str);

const LOST: (Bilingual, Bilingual) = (
    ("Kho dữ liệu mất những gì đã xác nhận", "The store has lost what was acknowledged"),
    (
        "Mở trang Quản trị xem mất gì và những gì không sao ra được. Phần còn lại đã được sao vào thư mục «damaged-…» trong thư mục dữ liệu. \
         Nếu có bản sao lưu mới hơn: dừng dịch vụ, phục hồi, chạy lại. Sau đó xác nhận trên trang Quản trị.",
        "See on the page Administration what is missing, and what could not be copied. What is left was copied into the directory damaged-… of the data directory. \
         With a newer backup: stop the service, restore it, start again. Then confirm on the page Administration.",
    ),
);
const DAMAGED: (Bilingual, Bilingual) = (
    ("Kho dữ liệu bị hỏng", "The store is damaged"),
    (
        "Kiểm tra ổ đĩa của máy này (SMART, nhật ký nhân). Sao chép thư mục dữ liệu, rồi phục hồi từ bản sao lưu, hoặc dừng dịch vụ và chạy «ioc-collector store recover» (docs/operate.md).",
        "Look at this machine's disk (SMART, kernel log). Copy the data directory, then restore a backup, or stop the service and run 'ioc-collector store recover' (docs/operate.md).",
    ),
);
const NEARLY_FULL: (Bilingual, Bilingual) = (
    ("Ổ đĩa của trung tâm gần đầy", "The collector's disk is nearly full"),
    (
        "Giải phóng chỗ trên ổ đĩa chứa thư mục dữ liệu, hoặc mở rộng ổ, hoặc giảm thời gian lưu «[history]». Cho đến lúc đó không nhận \
         tài liệu và danh sách phần mềm mới; số đo và sự cố vẫn được nhận cho đến khi đầy hẳn.",
        "Make room on the disk of the data directory, enlarge it, or keep history for less time ([history]). Until then no new documents and \
         lists of software are taken; samples and incidents are, until it is full.",
    ),
);

#[cfg(test)]
mod tests;
