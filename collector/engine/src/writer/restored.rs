//! A restore that people meant: it is declared once, in the audit log and as an incident, so that the seam is seen.

use ioc_common::clock::Timestamp;
use ioc_judge::{Input, NewIncident, Severity, Text};

use super::Engine;
use super::certificate_allowlist::AdoptedCertificate;
use crate::audit_action::AuditLogAction;
use crate::command::RestoreDeclaration;
use crate::local_time::local;
use ioc_store::Change;

impl Engine {
    /// Keeps certificates that the store did not know after a restore.
    pub(super) fn keep_adopted(&mut self, now: Timestamp) {
        for AdoptedCertificate { device, serial, issued_at, expires_at } in self.allowlist.take_adopted() {
            if self.state.device(&device).is_none() {
                continue;
            }
            self.record(now, "", AuditLogAction::CertificateAdopted, device.as_str(), &serial);
            let at = issued_at;
            self.batch.changes.push(Change::Certificate { device, serial, at, expires_at, revoke_previous: false });
        }
    }

    /// The store was restored from a backup, and somebody said so.
    pub(super) fn declare_restore(&mut self, told: &RestoreDeclaration, now: Timestamp) {
        let (archive, as_of) = (&told.archive, told.backup_made_at);
        let detail = format!(
            "from {archive} (sha256 {}), as of {as_of}, commit {}, audit record {}; restored at {} by {}: {}",
            told.sha256, told.commits, told.audit_number, told.at, told.actor, told.reason
        );
        self.record(now, &told.actor, AuditLogAction::StoreRestored, "ioc-watch.db", &detail);
        let (of, when) = (local(as_of, &self.config), local(told.at, &self.config));
        let (who, why) = (&told.actor, &told.reason);
        let reason = Text::new(
            format!("{who} đã phục hồi kho dữ liệu lúc {when} từ bản sao lưu {archive}, là kho lúc {of}: {why}"),
            format!(
                "{who} restored the store on {when} from the backup {archive}, which is the store as of {of}: {why}"
            ),
        );
        let incident = NewIncident {
            device: None,
            severity: Severity::Warning,
            title: Text::new("Kho dữ liệu được phục hồi từ bản sao lưu", "The store was restored from a backup"),
            reason,
            advice: Text::new(
                format!(
                    "Những gì ghi sau {of} không còn: sự cố, xác nhận, sổ trực, tài khoản, máy mới đăng ký. \
                     Máy nào cũng gửi lại những gì nó còn giữ; phần đã xoá ở máy được đếm là mất, ở sự kiện «reports.lost» của từng máy. \
                     Đăng ký lại máy mới sau lúc ấy, ghi lại vào sổ những gì mất, rồi đóng sự cố này (docs/vi/backup.md)."
                ),
                format!(
                    "What was written after {of} is gone: incidents, acknowledgements, the duty book, accounts, machines that were enrolled since. \
                     Every machine sends again what it still holds; what it had \
                     freed is counted as lost, as the event reports.lost of each. Enrol machines again that came since, write down what is missing, then close this incident (docs/backup.md)."
                ),
            ),
            report: None,
        };
        self.judge(Input::Open { who: "", incident }, now);
        tracing::warn!(
            archive,
            by = who,
            "the store was restored from a backup as of {as_of}; it stands in the audit log and as an incident"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::time::tests::{Machine, Rig, deps};
    use super::*;
    use crate::command::Command;

    #[test]
    fn a_restore_is_a_record_and_an_incident() {
        let told = RestoreDeclaration {
            archive: "ioc-watch-a-20261128T020000Z.tar.lz4.age".to_owned(),
            sha256: "ab".repeat(32),
            backup_made_at: Timestamp::from_millis(1_790_000_000_000),
            commits: 7,
            audit_number: 3,
            at: Timestamp::from_millis(1_790_000_100_000),
            actor: "local:0".to_owned(),
            reason: "disk replaced".to_owned(),
        };
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut before = Rig::open(dir.path(), &machine);
        before.register("srv-1");
        before.pass(10_000);
        before.command(Command::CheckDuty).expect("kept");
        let last = before.reader.audit_before(None, "", 1).expect("read").first().map_or(0, |record| record.number);
        drop(before);
        let mut deps = deps(dir.path(), &machine, |store| store);
        deps.restored = Some(told);
        let mut rig = Rig::start(deps, &machine);
        rig.command(Command::AwaitCommit).expect("kept");
        let reader = rig.engine.store.reader().expect("reads");
        let log = reader.audit_before(None, "store.restored", 5).expect("read");
        assert_eq!(log[0].number, last + 1, "the first behind those of the copy");
        assert!(log.len() == 1 && log[0].detail.contains("disk replaced") && log[0].actor == "local:0", "{log:?}");
        let incidents = reader.incidents(None, true, None, 5).expect("read");
        assert!(incidents.len() == 1 && incidents[0].title.en.contains("restored from a backup"), "{incidents:?}");
    }
}
