//! A restore that people meant: it is declared once, in the audit log and as an incident, so that the seam is seen.

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::{Input, NewIncident, Severity, State, Text};

use super::Engine;
use super::certificate_allowlist::{AdoptedCertificate, CertificateAllowlist};
use crate::audit_action::AuditLogAction;
use crate::command::RestoreDeclaration;
use crate::local_time::local;
use ioc_store::{Change, Reader, StoreError};

/// Numbers of incidents that are left out after a restore: so many at least, and one for each minute since the backup. What stands in
/// mails, tickets and minutes under a number of then stays another incident than any from now on.
const INCIDENTS_LEFT_OUT_MIN: u64 = 1000;
const MINUTE_MS: i64 = 60_000;
/// Enrolment tokens that are read at a time.
const TOKENS_AT_ONCE: usize = 1000;

impl Engine {
    /// The seam of a restore is closed for whoever got a certificate since, whatever became of it, and for whoever was kept out: what was
    /// issued within the seam is then an identity that was given up, or one of two that are in doubt.
    pub(super) fn close_seam(
        allowlist: &CertificateAllowlist,
        reader: &dyn Reader,
        state: &State,
    ) -> Result<(), StoreError> {
        let Some(seam) = allowlist.seam() else { return Ok(()) };
        allowlist.close_seam(reader.certified_since(seam.from)?);
        let kept_out = reader.audit_subjects(AuditLogAction::DeviceQuarantined.as_str(), seam.from)?;
        allowlist.close_seam(kept_out.iter().filter_map(|device| DeviceId::new(device).ok()));
        let now = state.devices().map(|device| &device.info.id).filter(|device| state.is_quarantined(device));
        allowlist.close_seam(now.cloned());
        Ok(())
    }

    /// Keeps certificates that the store did not know after a restore.
    pub(super) fn keep_adopted(&mut self, now: Timestamp) {
        for AdoptedCertificate { device, serial, issued_at, expires_at } in self.allowlist.take_adopted() {
            // Revoked, kept out or enrolled anew since it was taken on.
            if self.state.device(&device).is_none() || !self.allowlist.allows(&device, &serial) {
                continue;
            }
            // One that the store knows is good or not by what it says.
            let known = self.reader.has_certificate(&serial);
            if !matches!(known, Ok(false)) {
                tracing::warn!(%device, serial, ?known, "a certificate that was issued after the backup is not taken on");
                self.allowlist.withdraw(&device, &serial);
                continue;
            }
            self.record(now, "", AuditLogAction::CertificateAdopted, device.as_str(), &serial);
            let at = issued_at;
            self.batch.changes.push(Change::Certificate { device, serial, at, expires_at, revoke_previous: false });
        }
    }

    /// Sessions, tokens of programs and enrolment tokens are as they were at the backup: those that were ended or used since would be good
    /// again. Which these are nobody can say, so all of them end.
    fn end_what_was_open(&mut self, actor: &str, now: Timestamp) -> Result<(), StoreError> {
        let why = "the store was restored from a backup";
        for account in self.reader.accounts()? {
            let (account, except) = (account.name, String::new());
            self.record(now, actor, AuditLogAction::AccountSessionsEnded, &account, why);
            self.batch.changes.push(Change::SessionsEnded { account, except });
        }
        let mut after: Option<String> = None;
        loop {
            let page = self.reader.tokens(after.as_deref(), TOKENS_AT_ONCE)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.digest.clone());
            for token in page.into_iter().filter(|token| token.refusal(now).is_none()) {
                let detail = format!("{}: {why}", token.digest);
                self.record(now, actor, AuditLogAction::TokenEnded, &token.label, &detail);
                self.batch.changes.push(Change::TokenEnded { digest: token.digest, at: now });
            }
        }
    }

    /// What becomes of legal holds that were set after the backup, for people: they are not here.
    fn holds_since(&self, backup: &str, now: Timestamp) -> Text {
        let grace_ms = self.config.retention.grace.as_millis();
        if grace_ms == 0 {
            return Text::new(
                format!(
                    "Đặt lại ngay các lệnh giữ lại đã đặt sau {backup}: hồ sơ quá hạn bị xoá không chờ ([deletion] grace)."
                ),
                format!(
                    "Set legal holds anew at once that were set after {backup}: what is past its time is deleted without a wait ([deletion] grace)."
                ),
            );
        }
        let until = local(now.plus_millis(grace_ms), &self.config);
        Text::new(
            format!(
                "Đến {until} không hồ sơ nào bị xoá theo tuổi: đặt lại trước lúc ấy các lệnh giữ lại đã đặt sau {backup}."
            ),
            format!(
                "Nothing is deleted by its age until {until}: by then set legal holds anew that were set after {backup}."
            ),
        )
    }

    /// The store was restored from a backup, and somebody said so. Where what was open then cannot be ended, the restore is not declared: the
    /// collector does not start, and the next start declares it.
    ///
    /// # Errors
    /// [`StoreError`] when accounts or enrolment tokens cannot be read.
    pub(super) fn declare_restore(&mut self, told: &RestoreDeclaration, now: Timestamp) -> Result<(), StoreError> {
        let (archive, as_of) = (&told.archive, told.backup_made_at);
        let detail = format!(
            "from {archive} (sha256 {}), as of {as_of}, commit {}, audit record {}; restored at {} by {}: {}",
            told.sha256, told.commits, told.audit_number, told.at, told.actor, told.reason
        );
        self.record(now, &told.actor, AuditLogAction::StoreRestored, "ioc-watch.db", &detail);
        let minutes = now.millis_since(as_of).max(0) / MINUTE_MS;
        self.state.skip_incidents(INCIDENTS_LEFT_OUT_MIN.saturating_add(minutes.unsigned_abs()));
        self.end_what_was_open(&told.actor, now)?;
        self.wait_with_deletion(now);
        let (of, when) = (local(as_of, &self.config), local(told.at, &self.config));
        let (who, why) = (&told.actor, &told.reason);
        let holds = self.holds_since(&of, now);
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
                     Máy nào cũng gửi lại những gì nó còn giữ; phần đã xoá ở máy được đếm là mất, ở sự kiện «reports.lost» \
                     của từng máy (agent khởi động lại trong lúc ấy cho biết mười sáu lần chạy mới nhất; lần bị ngắt đột ngột chỉ biết phần đã được xác nhận). \
                     {} \
                     Đăng ký lại máy mới sau lúc ấy, ghi lại vào sổ những gì mất, rồi đóng sự cố này (docs/vi/backup.md).",
                    holds.vi
                ),
                format!(
                    "What was written after {of} is gone: incidents, acknowledgements, the duty book, accounts, machines that were enrolled since. \
                     Every machine sends again what it still holds; what it had \
                     freed is counted as lost, as the event reports.lost of each (an agent that restarted meanwhile tells of its newest sixteen runs; of one that was cut off, what was acknowledged). \
                     {} \
                     Enrol machines again that came since, write down what is missing, then close this incident (docs/backup.md).",
                    holds.en
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
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::certificate_allowlist::RestoreSeam;
    use super::super::time::tests::{Machine, Rig, deps};
    use super::*;
    use crate::command::Command;
    use ioc_store::{Grant, Role, TokenRecord};

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
        let made = before.engine.time.now();
        let (_, session) = crate::account::new_session("lan", "::1", None, false, made).expect("random");
        let token = |digest: &str| TokenRecord {
            digest: digest.repeat(32),
            grant: Grant::Group { template: Box::default() },
            label: "tầng 2".to_owned(),
            uses_max: 1,
            approve: false,
            created_by: "lan".to_owned(),
            created_at: made,
            expires_at: made.plus_millis(i64::from(u32::MAX)),
            uses: 0,
            used_at: None,
            ended_at: None,
        };
        let account = crate::account::with_hash("lan", Role::Administrator, String::new(), made);
        let open = [Change::Account(account), Change::Session(session.clone()), Change::Token(token("ab"))];
        before.engine.batch.changes.extend(open);
        before.engine.batch.changes.push(Change::Token(token("cd")));
        let (digest, device) = ("cd".repeat(32), DeviceId::new("srv-1").expect("valid"));
        before.engine.batch.changes.push(Change::TokenUsed { digest, at: made, device });
        before.command(Command::AwaitCommit).expect("kept");
        assert!(before.reader.session(&session.digest).expect("read").is_some());
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
        // What was open then is not good again.
        assert!(reader.session(&session.digest).expect("read").is_none());
        let ended = |digest: &str| reader.token(&digest.repeat(32)).expect("read").expect("there").ended_at.is_some();
        assert!(ended("ab") && !ended("cd"), "one that was used up is so already");
        assert_eq!(rig.audit("account.sessions_ended").len(), 1);
        let incidents = reader.incidents(None, true, None, 5).expect("read");
        // A number that may stand in a mail or a ticket of then is given to no other incident, over restarts, too.
        assert!(incidents[0].id.0 > INCIDENTS_LEFT_OUT_MIN, "{:?}", incidents[0].id);
        assert!(incidents.len() == 1 && incidents[0].title.en.contains("restored from a backup"), "{incidents:?}");
        assert!(incidents[0].advice.en.contains("set legal holds anew"), "{incidents:?}");
    }

    #[test]
    fn a_restore_is_not_declared_while_what_was_open_then_cannot_be_ended() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut before = Rig::open(dir.path(), &machine);
        before.register("srv-1");
        let account = crate::account::with_hash("lan", Role::Administrator, String::new(), before.engine.time.now());
        before.engine.batch.changes.push(Change::Account(account));
        before.command(Command::AwaitCommit).expect("kept");
        drop(before);
        // What stands in the log is put into the file.
        drop(ioc_store::open(dir.path()).expect("opens"));
        let path = dir.path().join("ioc-watch.db");
        let swap = |from: &[u8], to: &[u8]| {
            let mut bytes = std::fs::read(&path).expect("reads");
            let places: Vec<usize> =
                (0..bytes.len() - from.len()).filter(|place| bytes[*place..].starts_with(from)).collect();
            assert!(!places.is_empty());
            places.iter().for_each(|place| bytes[*place..*place + to.len()].copy_from_slice(to));
            std::fs::write(&path, bytes).expect("writes");
        };
        swap(b"administrator", b"administratox");
        let told = RestoreDeclaration {
            archive: "a.tar".to_owned(),
            sha256: "ab".repeat(32),
            backup_made_at: Timestamp::from_millis(1_790_000_000_000),
            commits: 7,
            audit_number: 3,
            at: Timestamp::from_millis(1_790_000_100_000),
            actor: "local:0".to_owned(),
            reason: "disk replaced".to_owned(),
        };
        let start = || {
            let mut deps = deps(dir.path(), &machine, |store| store);
            deps.restored = Some(told.clone());
            super::super::build(deps)
        };
        assert!(start().is_err(), "the collector does not start");
        let reader = ioc_store::open(dir.path()).expect("opens").reader().expect("reads");
        assert!(reader.audit_before(None, "store.restored", 5).expect("read").is_empty());
        drop(reader);
        swap(b"administratox", b"administrator");
        let mut engine = start().expect("starts");
        assert!(engine.commit(), "the next start declares it");
        let reader = engine.store.reader().expect("reads");
        assert_eq!(reader.audit_before(None, "store.restored", 5).expect("read").len(), 1);
    }

    const SEAM: RestoreSeam = RestoreSeam { from: Timestamp::from_millis(1000), until: Timestamp::from_millis(9000) };

    fn id(name: &str) -> DeviceId {
        DeviceId::new(name).expect("valid")
    }

    /// An engine whose store was restored, with these devices. Each comes by the certificate "old" and its name.
    fn restored(dir: &std::path::Path, machine: &Machine, devices: &[&str]) -> Rig {
        let mut before = Rig::open(dir, machine);
        for name in devices {
            before.register(name);
            before.engine.batch.changes.push(certificate(name, &format!("old-{name}"), 500, false));
        }
        before.pass(10_000);
        drop(before);
        again(dir, machine)
    }

    fn again(dir: &std::path::Path, machine: &Machine) -> Rig {
        let deps = deps(dir, machine, |store| store);
        deps.allowlist.set_seam(SEAM);
        Rig::start(deps, machine)
    }

    fn certificate(device: &str, serial: &str, at_ms: i64, revoke_previous: bool) -> Change {
        let (at, expires_at) = (Timestamp::from_millis(at_ms), Timestamp::from_millis(i64::MAX / 4));
        Change::Certificate { device: id(device), serial: serial.to_owned(), at, expires_at, revoke_previous }
    }

    fn shows(rig: &Rig, device: &str, serial: &str) -> bool {
        let until = Timestamp::from_millis(i64::MAX / 4);
        let at = Timestamp::from_millis(5000);
        rig.engine.allowlist.allows(&id(device), serial) || rig.engine.allowlist.adopts(&id(device), serial, at, until)
    }

    /// Keeps what was taken on; false when the commit fails.
    fn keeps(rig: &mut Rig) -> bool {
        let now = rig.engine.time.now();
        rig.engine.keep_adopted(now);
        rig.engine.commit()
    }

    #[test]
    fn a_certificate_of_the_seam_is_kept_once_and_shuts_the_others_out() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut rig = restored(dir.path(), &machine, &["srv-1"]);
        assert!(shows(&rig, "srv-1", "aa") && shows(&rig, "srv-1", "aa") && !shows(&rig, "srv-1", "bb"));
        assert!(keeps(&mut rig) && rig.audit("certificate.adopted") == ["aa"]);
        drop(rig);
        let mut rig = again(dir.path(), &machine);
        assert!(shows(&rig, "srv-1", "aa") && !shows(&rig, "srv-1", "bb"), "after a restart, too");
        assert!(keeps(&mut rig) && rig.audit("certificate.adopted") == ["aa"]);
    }

    #[test]
    fn who_was_enrolled_anew_or_revoked_is_not_let_in_by_the_seam_now_or_after_a_restart() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut rig = restored(dir.path(), &machine, &["anew", "gone", "doubt", "first", "late"]);
        // One had come by a certificate of the seam before.
        assert!(shows(&rig, "first", "seam-first") && keeps(&mut rig));
        for name in ["anew", "first"] {
            rig.engine.allowlist.enrol(id(name), format!("new-{name}"));
            rig.engine.batch.changes.push(certificate(name, &format!("new-{name}"), 10_000, true));
        }
        let now = rig.engine.time.now();
        rig.engine.quarantine(id("doubt"), now);
        rig.command(Command::Revoke { device: id("gone"), actor: "lan".to_owned() }).expect("revoked");
        // Taken on, and revoked before it was kept.
        assert!(shows(&rig, "late", "seam-late"));
        rig.engine.allowlist.expel(&id("late"));
        assert!(keeps(&mut rig));
        for round in 0..2 {
            for name in ["anew", "gone", "doubt", "first"] {
                assert!(!shows(&rig, name, &format!("seam-{name}")), "{name}, round {round}");
            }
            assert!(keeps(&mut rig) && rig.audit("certificate.adopted") == ["seam-first"], "round {round}");
            drop(rig);
            rig = again(dir.path(), &machine);
        }
    }

    #[test]
    fn what_the_store_knows_already_stops_no_commit() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut rig = restored(dir.path(), &machine, &["srv-1"]);
        rig.engine.batch.changes.push(certificate("srv-1", "aa", 600, false));
        rig.engine.batch.changes.push(certificate("srv-1", "cc", 700, true));
        assert!(rig.engine.commit() && shows(&rig, "srv-1", "aa"));
        assert!(keeps(&mut rig) && !shows(&rig, "srv-1", "aa"), "what it ended stays so");
        assert!(rig.audit("certificate.adopted").is_empty());
        rig.engine.batch.changes.push(certificate("srv-1", "cc", 700, false));
        assert!(rig.engine.commit(), "a serial number that is there already");
    }
}
