//! Backups that are expected of the systems in the inventory: one that failed or is overdue is a fault of its device until a good one is
//! seen (articles 7.1, 7.2). Seen by a job that reports, by an agent's survey, or by a person where nothing can look.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::reading::{Backups, Findings as _};
use ioc_judge::{Alert, InformationSource, Input, Severity, Text};
use ioc_store::{
    BackupAttestation, BackupExpectation, BackupKind, BackupSeen, BackupSource, BackupState, Change, ExpectedBackup,
    ExpectedBackupQuery, Reader, StoreError,
};

use super::evidence::{self, Decided};
use super::{CommandResult, Engine, jobs};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError};
use crate::expected_backup::{check, check_attestation, due_at, overdue_at, state};
use crate::local_time::local;
use crate::refusal_field::Field;
use crate::refusal_reason::{RefusalReason, Word};

/// Most devices in one statement.
const DEVICES_MAX: usize = 500;

type Key = (DeviceId, BackupKind);

/// The backups that are expected.
#[derive(Debug, Default)]
pub(super) struct ExpectedBackups {
    all: BTreeMap<Key, ExpectedBackup>,
    /// When one of them becomes overdue, if nothing is seen before; none when none will.
    next_at: Option<Timestamp>,
}

impl ExpectedBackups {
    /// As they stand in the store.
    pub(super) fn read(reader: &dyn Reader) -> Result<Self, StoreError> {
        let all = reader.expected_backups(&ExpectedBackupQuery::default(), usize::MAX)?;
        Ok(Self { all: all.into_iter().map(|one| ((one.device.clone(), one.kind), one)).collect(), next_at: None })
    }

    fn keys(&self, is: impl Fn(&ExpectedBackup) -> bool) -> Vec<Key> {
        self.all.iter().filter(|(_, one)| is(one)).map(|(key, _)| key.clone()).collect()
    }
}

/// By how much the clock of whoever surveys may be ahead, milliseconds.
const AHEAD_MAX_MS: i64 = 600_000;

/// What an agent's survey says of a backup.
fn by_survey(found: Option<&Backups>, name: &str, now: Timestamp) -> BackupSeen {
    let Some(job) = found.and_then(|found| found.jobs.iter().find(|job| job.name == name)) else {
        let unknown = match found {
            Some(_) => format!("the agent's survey has no backup {name}"),
            None => "the agent has not surveyed backups".to_owned(),
        };
        return BackupSeen { unknown, ..BackupSeen::default() };
    };
    // A backup of tomorrow would be good for ever.
    if let Some(at) = job.succeeded_at.filter(|at| *at > now.plus_millis(AHEAD_MAX_MS)) {
        let unknown = format!("the agent's survey says that it was made at {at}, which is still to come");
        return BackupSeen { unknown, ..BackupSeen::default() };
    }
    BackupSeen {
        success: job.succeeded_at,
        failed: job.ok == Some(false),
        unknown: job.unknown.clone(),
        detail: job.detail.clone(),
        ..BackupSeen::default()
    }
}

impl Engine {
    /// What is seen of a backup now; none where only a person can say.
    fn see_backup(
        &self,
        of: &DeviceId,
        source: &BackupSource,
        now: Timestamp,
    ) -> Result<Option<BackupSeen>, CommandError> {
        match source {
            BackupSource::Job(name) => Ok(Some(self.seen_by_job(name))),
            BackupSource::Probe { device, name } => {
                let documents = self.reader.documents(device.as_ref().unwrap_or(of));
                let documents = documents.map_err(CommandError::unread)?;
                let found = documents.into_iter().find(|one| one.name == Backups::PROBE.name);
                let found: Option<Backups> = found.and_then(|one| serde_json::from_str(&one.body).ok());
                Ok(Some(by_survey(found.as_ref(), name, now)))
            }
            BackupSource::Attestation => Ok(None),
        }
    }

    fn seen_by_job(&self, name: &str) -> BackupSeen {
        let Some(record) = self.jobs.record(name) else {
            let unknown = format!("there is no job {name} in the configuration any more");
            return BackupSeen { unknown, ..BackupSeen::default() };
        };
        let report = record.last_report.as_ref();
        BackupSeen {
            success: record.last_success,
            failed: report.is_some_and(|report| report.failed),
            detail: report.map(|report| report.message.clone()).unwrap_or_default(),
            ..BackupSeen::default()
        }
    }

    /// A person says which backup is expected of devices.
    pub(super) fn expect_backup(
        &mut self,
        devices: &[DeviceId],
        kind: BackupKind,
        expected: &BackupExpectation,
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        if devices.is_empty() || devices.len() > DEVICES_MAX {
            return Err(Field::Devices.range(devices.len(), 1, DEVICES_MAX as u64).invalid());
        }
        check(kind, expected).map_err(RefusalReason::invalid)?;
        let needs = kind != BackupKind::Unneeded;
        match &expected.source {
            BackupSource::Job(name) if needs && self.jobs.record(name).is_none() => {
                let english = format!("source: there is no [[job]] {name} in the configuration");
                let args = [("name", Word::text(name.as_str()))];
                return Err(RefusalReason::new("refusal-no-job", args, english).invalid());
            }
            BackupSource::Probe { name, .. } if needs && name.is_empty() => {
                let english = "source: found no name; allowed is that of a backup in the agent's configuration";
                return Err(RefusalReason::new("refusal-source-name", [], english).invalid());
            }
            BackupSource::Probe { device: Some(device), .. } if needs && self.state.device(device).is_none() => {
                return Err(Field::Source.of(RefusalReason::no_device(device)).invalid());
            }
            _ => {}
        }
        for device in devices {
            if self.state.device(device).is_none() {
                return Err(RefusalReason::no_device(device).not_found());
            }
            let others =
                self.expected_backups.all.keys().any(|(of, kind)| of == device && *kind != BackupKind::Unneeded);
            if !needs && others {
                let english = format!("backups of {device} are expected; withdraw these first");
                let args = [("device", Word::text(device.as_str()))];
                return Err(RefusalReason::new("refusal-backups-expected", args, english).conflict());
            }
        }
        // All of them are looked at before anything is changed.
        let see = |device| if needs { self.see_backup(device, &expected.source, now) } else { Ok(None) };
        let seen = devices.iter().map(see).collect::<Result<Vec<_>, _>>()?;
        for (device, seen) in devices.iter().zip(seen) {
            if needs {
                self.forget_expected_backup(device, BackupKind::Unneeded);
            }
            let key = (device.clone(), kind);
            let known = self.expected_backups.all.get(&key);
            // What is stated anew of the same source is due as it was.
            let since = known.map_or(now, |known| known.expected.since);
            let same = known.filter(|known| known.expected.source == expected.source);
            let seen = seen.or_else(|| same.map(|known| known.seen.clone())).unwrap_or_default();
            let expected = BackupExpectation { by: actor.to_owned(), since, ..expected.clone() };
            let said = serde_json::to_string(&expected).unwrap_or_default();
            let detail = format!("{}: {said}", kind.as_str());
            self.record(now, actor, AuditLogAction::BackupExpected, device.as_str(), &detail);
            let backup = ExpectedBackup { device: device.clone(), kind, expected, seen, state: BackupState::Unknown };
            self.batch.changes.push(Change::ExpectedBackup(backup.clone()));
            self.expected_backups.all.insert(key.clone(), backup);
            self.check_expected_backup(&key, now);
        }
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// A backup is not expected any more.
    pub(super) fn withdraw_backup(
        &mut self,
        device: &DeviceId,
        kind: BackupKind,
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        if !self.expected_backups.all.contains_key(&(device.clone(), kind)) {
            return Err(not_expected(device, kind));
        }
        let over = Text::new("Không còn khai báo sao lưu này.", "This backup is not expected any more.");
        self.clear_backup(&(device.clone(), kind), over, now);
        self.forget_expected_backup(device, kind);
        self.record(now, actor, AuditLogAction::BackupWithdrawn, device.as_str(), kind.as_str());
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    fn forget_expected_backup(&mut self, device: &DeviceId, kind: BackupKind) {
        if self.expected_backups.all.remove(&(device.clone(), kind)).is_some() {
            self.batch.changes.push(Change::ExpectedBackupGone { device: device.clone(), kind });
        }
    }

    /// A device is revoked: nothing is expected of it any more. Its faults went with it.
    pub(super) fn forget_expected_backups(&mut self, device: &DeviceId) {
        for kind in BackupKind::ALL {
            self.forget_expected_backup(device, kind);
        }
    }

    /// A person says how a backup stands that nothing can look at.
    pub(super) fn attest_backup(
        &mut self,
        device: &DeviceId,
        kind: BackupKind,
        attestation: BackupAttestation,
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let key = (device.clone(), kind);
        let Some(backup) = self.expected_backups.all.get_mut(&key) else { return Err(not_expected(device, kind)) };
        if kind == BackupKind::Unneeded || backup.expected.source != BackupSource::Attestation {
            let english =
                "only a backup that nothing can look at is attested; state it so, or look at its job or survey";
            return Err(RefusalReason::new("refusal-backup-looked-at", [], english).conflict());
        }
        let attestation = BackupAttestation { by: actor.to_owned(), at: now, ..attestation };
        check_attestation(&attestation, now).map_err(RefusalReason::invalid)?;
        let earlier = backup.seen.success;
        backup.seen = BackupSeen {
            success: if attestation.good { earlier.max(Some(attestation.made_at)) } else { earlier },
            failed: !attestation.good,
            unknown: String::new(),
            detail: attestation.note.clone(),
            valid_until: if attestation.good { attestation.valid_until } else { None },
            attested_by: actor.to_owned(),
        };
        self.batch.changes.push(Change::ExpectedBackup(backup.clone()));
        let said = serde_json::to_string(&attestation).unwrap_or_default();
        let detail = format!("{}: {said}", kind.as_str());
        self.record(now, actor, AuditLogAction::BackupAttested, device.as_str(), &detail);
        self.batch.changes.push(Change::BackupAttested { device: device.clone(), kind, attestation });
        self.check_expected_backup(&key, now);
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// A file shows what was attested of a backup last.
    pub(super) fn add_backup_evidence(
        &mut self,
        device: &DeviceId,
        kind: BackupKind,
        (name, content): (&str, Vec<u8>),
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let Some(backup) = self.expected_backups.all.get(&(device.clone(), kind)) else {
            return Err(not_expected(device, kind));
        };
        if backup.seen.attested_by.is_empty() {
            let english = "nobody has attested this backup; attest it first";
            return Err(RefusalReason::new("refusal-backup-not-attested", [], english).conflict());
        }
        // With those that are decided and not committed yet.
        let kept = self.reader.backup_attestations(device, kind, 1).map_err(CommandError::unread)?;
        let decided = self.batch.changes.iter().filter_map(|change| match change {
            Change::BackupAttested { device: of, kind: of_kind, .. } if of == device && *of_kind == kind => {
                Some(Decided::Anew)
            }
            Change::BackupEvidence { device: of, kind: of_kind, file, .. } if of == device && *of_kind == kind => {
                Some(Decided::File(file))
            }
            _ => None,
        });
        let kept = kept.into_iter().flat_map(|one| one.files);
        let file = evidence::added((name, content.as_slice()), kept, decided, (actor, now))?;
        let Some(file) = file else { return Ok(Answer::Done) };
        let detail = format!("{}: {} sha256 {}", kind.as_str(), file.name, file.sha256);
        self.record(now, actor, AuditLogAction::BackupEvidenceAdded, device.as_str(), &detail);
        self.batch.changes.push(Change::BackupEvidence { device: device.clone(), kind, file, content });
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// An agent has surveyed backups.
    pub(super) fn see_backup_survey(&mut self, device: &DeviceId, body: &str, now: Timestamp) {
        let by = |one: &ExpectedBackup| match &one.expected.source {
            BackupSource::Probe { device: of, .. } => of.as_ref().unwrap_or(&one.device) == device,
            BackupSource::Job(_) | BackupSource::Attestation => false,
        };
        let keys = self.expected_backups.keys(by);
        if keys.is_empty() {
            return;
        }
        let found: Option<Backups> = serde_json::from_str(body).ok();
        for key in keys {
            let Some(backup) = self.expected_backups.all.get(&key) else { continue };
            if let BackupSource::Probe { name, .. } = &backup.expected.source {
                let seen = by_survey(found.as_ref(), name, now);
                self.take_seen(&key, seen, now);
            }
        }
    }

    /// Jobs may have reported, or are watched or not since the configuration was read anew.
    pub(super) fn see_backup_jobs(&mut self, only: Option<&str>, now: Timestamp) {
        let by = |one: &ExpectedBackup| match &one.expected.source {
            BackupSource::Job(name) => only.is_none_or(|only| only == name),
            BackupSource::Probe { .. } | BackupSource::Attestation => false,
        };
        for key in self.expected_backups.keys(by) {
            let Some(backup) = self.expected_backups.all.get(&key) else { continue };
            if let BackupSource::Job(name) = &backup.expected.source {
                let seen = self.seen_by_job(name);
                self.take_seen(&key, seen, now);
            }
        }
    }

    fn take_seen(&mut self, key: &Key, mut seen: BackupSeen, now: Timestamp) {
        let Some(backup) = self.expected_backups.all.get_mut(key) else { return };
        // What cannot be read now, or failed, says nothing of what was good before.
        if seen.success.is_none() {
            seen.success = backup.seen.success;
        }
        if backup.seen != seen {
            backup.seen = seen;
            self.batch.changes.push(Change::ExpectedBackup(backup.clone()));
            self.batch.visible = true;
        }
        self.check_expected_backup(key, now);
    }

    /// Looks for backups that are overdue, where one may be.
    pub(super) fn check_overdue_backups(&mut self, now: Timestamp) {
        if self.expected_backups.next_at.is_some_and(|at| at <= now) {
            self.check_expected_backups(now);
        }
    }

    /// Looks at each, whoever else ended a fault of one meanwhile.
    pub(super) fn check_expected_backups(&mut self, now: Timestamp) {
        self.expected_backups.next_at = None;
        for key in self.expected_backups.keys(|_| true) {
            self.check_expected_backup(&key, now);
        }
    }

    /// Something about an asset has changed: what is retired needs no backup any more.
    pub(super) fn check_backups_of(&mut self, device: &DeviceId, now: Timestamp) {
        for kind in BackupKind::ALL {
            self.check_expected_backup(&(device.clone(), kind), now);
        }
    }

    fn check_expected_backup(&mut self, key: &Key, now: Timestamp) {
        let started = Timestamp::from_millis(self.health.engine_started_ms.load(Relaxed));
        let Some(backup) = self.expected_backups.all.get_mut(key) else { return };
        let stands = state(backup, started, now);
        if backup.state != stands {
            backup.state = stands;
            self.batch.changes.push(Change::ExpectedBackup(backup.clone()));
            self.batch.visible = true;
        }
        let overdue_at = overdue_at(&backup.expected, &backup.seen, started);
        let backup = backup.clone();
        if self.assets.is_retired(&key.0) {
            if self.state.has_fault_of(&key.0, &fault_name(key.1), key.0.as_str()) {
                let over = Text::new("Tài sản không dùng nữa.", "The asset is retired.");
                self.clear_backup(key, over, now);
            }
            return;
        }
        if backup.kind != BackupKind::Unneeded && overdue_at > now {
            let next = &mut self.expected_backups.next_at;
            *next = Some(next.map_or(overdue_at, |first| first.min(overdue_at)));
        }
        let (name, fingerprint) = (fault_name(key.1), key.0.as_str());
        match (stands.is_bad(), self.state.has_fault_of(&key.0, &name, fingerprint)) {
            (true, false) => self.raise_backup(&backup, now),
            // What is not known yet ends nothing.
            (false, true) if stands != BackupState::Unknown => {
                let last = backup.seen.success.map(|at| local(at, &self.config)).unwrap_or_default();
                let over = Text::new(
                    format!("Đã có bản sao lưu tốt; bản gần nhất: {last}."),
                    format!("There is a good backup again, of {last}."),
                );
                self.clear_backup(key, over, now);
            }
            _ => {}
        }
    }

    fn raise_backup(&mut self, backup: &ExpectedBackup, now: Timestamp) {
        // People are told once: by the fault of its job, where that stands.
        if let BackupSource::Job(name) = &backup.expected.source
            && self.state.has_device_fault(&jobs::fault_name(name))
        {
            return;
        }
        let kind = kind_text(backup.kind);
        let last = backup.seen.success.map(|at| local(at, &self.config));
        let is_failed = backup.state == BackupState::Failed;
        let title = match is_failed {
            true => Text::new(
                format!("Sao lưu {} thất bại (Điều 7.1)", kind.vi),
                format!("Backup of {} failed (article 7.1)", kind.en),
            ),
            false => Text::new(
                format!("Sao lưu {} quá hạn (Điều 7.1)", kind.vi),
                format!("Backup of {} is overdue (article 7.1)", kind.en),
            ),
        };
        let due = local(due_at(&backup.expected, &backup.seen), &self.config);
        let (mut vi, mut en) = match is_failed {
            true => ("Lần sao lưu gần nhất thất bại.".to_owned(), "The last attempt failed.".to_owned()),
            false => (format!("Chậm nhất {due} phải có bản sao lưu tốt."), format!("A good one was due by {due}.")),
        };
        match last {
            Some(last) => {
                vi += &format!(" Bản tốt gần nhất: {last}.");
                en += &format!(" The last good one is of {last}.");
            }
            None => {
                vi += " Chưa thấy bản tốt nào.";
                en += " No good one was ever seen.";
            }
        }
        for said in [&backup.seen.detail, &backup.seen.unknown].into_iter().filter(|said| !said.is_empty()) {
            vi += &format!(" ({said})");
            en += &format!(" ({said})");
        }
        vi += &format!(" Nơi lưu: {}.", backup.expected.place);
        en += &format!(" They lie at: {}.", backup.expected.place);
        let alert = Alert {
            title,
            reason: Text::new(vi, en),
            since: now,
            firing: true,
            ..self.backup_alert(&(backup.device.clone(), backup.kind), now)
        };
        if let Err(error) = self.decide(Input::Alert(alert), now) {
            tracing::error!(device = %backup.device, %error, "that a backup is overdue could not be said");
        }
    }

    fn backup_alert(&self, key: &Key, now: Timestamp) -> Alert {
        Alert {
            device: key.0.clone(),
            name: fault_name(key.1),
            // Alerts of one name and fingerprint are the same one, whatever device they name.
            fingerprint: key.0.to_string(),
            severity: Severity::Warning,
            title: Text::default(),
            reason: Text::default(),
            since: now,
            firing: false,
            over: Text::default(),
            // What is missing or late is what the collector found, whoever reported the one before.
            source: InformationSource::Collector,
            matter: None,
        }
    }

    /// Ends the fault of a backup, if there is one.
    fn clear_backup(&mut self, key: &Key, over: Text, now: Timestamp) {
        let alert = Alert { over, ..self.backup_alert(key, now) };
        self.judge(Input::Alert(alert), now);
    }
}

fn not_expected(device: &DeviceId, kind: BackupKind) -> CommandError {
    let english = format!("no backup of kind {} is expected of {device}; state it first", kind.as_str());
    let args = [("kind", Word::named("backup-kind", kind.as_str())), ("device", Word::text(device.as_str()))];
    RefusalReason::new("refusal-backup-not-expected", args, english).not_found()
}

/// The name of a backup's fault.
fn fault_name(kind: BackupKind) -> String {
    format!("backup/{}", kind.as_str())
}

/// What is backed up, in words.
fn kind_text(kind: BackupKind) -> Text {
    let (vi, en) = match kind {
        BackupKind::Files => ("tệp dữ liệu", "files"),
        BackupKind::Database => ("cơ sở dữ liệu", "the database"),
        BackupKind::Image => ("ảnh toàn máy", "the whole machine"),
        BackupKind::Configuration => ("cấu hình", "the configuration"),
        BackupKind::Other | BackupKind::Unneeded => ("dữ liệu khác", "other data"),
    };
    Text::new(vi, en)
}

#[cfg(test)]
mod tests;
