//! Tables that are taken into the asset register, and put back: one table is looked at whole before anything of it is done, is done in pieces, so that
//! no commit waits for a large one, and is undone as one while nobody changed it since. A piece that was not done when the collector stopped is
//! done once it runs again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tokio::sync::oneshot;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::Presence;
use ioc_store::{AssetField, AssetImport, AssetRow, Change, ExpectedBackupQuery, ImportedAsset, NewDevice};

use super::super::{CommandResult, Engine};
use super::{Checked, of_device_refused, take_own};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, AssetChange, CommandError};
use crate::inventory::asset_table::{CellFault, ROWS_MAX, plan};
use crate::inventory::device::{check_device, device_id};
use crate::refusal_reason::{RefusalReason, Word};

/// Assets that are changed in one cycle of the engine: about twenty milliseconds of it; and that are looked at before anything is changed.
pub(super) const PIECE: usize = 200;
const LOOKED_AT: usize = 1_000;

/// An import, or its undoing, that is under way.
#[derive(Debug)]
pub(super) struct ImportJob {
    number: u64,
    actor: String,
    /// What it did is put back.
    undoes: bool,
    /// How many of them were looked at; all of them before anything is done.
    looked_at: usize,
    /// What is still to be done, in its order.
    left: VecDeque<ImportedAsset>,
    /// How many assets were changed.
    changed: usize,
    /// Who waits for its end; nobody after a restart.
    reply: Option<oneshot::Sender<CommandResult>>,
}

impl ImportJob {
    /// One that the collector stopped in.
    pub(super) fn resumed(import: AssetImport) -> Self {
        let done = import.assets.len().saturating_sub(usize::try_from(import.left).unwrap_or(usize::MAX));
        let undoes = import.undone.is_some();
        let actor = import.undone.map_or(import.by, |(_, by)| by);
        let left = import.assets.into_iter().skip(done).collect();
        Self { number: import.number, actor, undoes, looked_at: usize::MAX, left, changed: done, reply: None }
    }

    fn new(number: u64, actor: &str, undoes: bool, assets: Vec<ImportedAsset>) -> Self {
        // What was there before can be put back.
        let looked_at = if undoes { usize::MAX } else { 0 };
        Self { number, actor: actor.to_owned(), undoes, looked_at, left: assets.into(), changed: 0, reply: None }
    }
}

fn refused(faults: &[CellFault]) -> CommandError {
    let lines = faults.iter().map(|one| format!("row {}, column {}: {}", one.row, one.column, one.fault));
    let english = lines.collect::<Vec<_>>().join("\n");
    RefusalReason::new("register-refused-table", [("count", Word::count(faults.len()))], english).invalid()
}

fn texts_of(changes: &[(AssetField, String, String)]) -> BTreeMap<AssetField, String> {
    changes.iter().map(|(field, _, text)| (*field, text.clone())).collect()
}

/// What a table says of a device that is not known yet, and the columns that only the register has.
fn new_device(one: &ImportedAsset) -> (NewDevice, BTreeMap<AssetField, String>) {
    let mut values = texts_of(&one.changes);
    let mut new = NewDevice { device: one.device.to_string(), ..NewDevice::default() };
    take_own(&mut new, &mut values);
    (new, values)
}

impl Engine {
    fn check_no_job(&self) -> Result<(), CommandError> {
        let Some(job) = &self.assets.job else { return Ok(()) };
        let english = format!("import {} is under way; try again once it is done", job.number);
        let args = [("number", Word::Count(job.number))];
        Err(RefusalReason::new("register-refused-busy", args, english).conflict())
    }

    /// Takes a table in: new devices are registered, of known ones what is said otherwise is written down.
    pub(in crate::writer) fn import_assets(&mut self, rows: &[AssetRow], actor: &str) -> CommandResult {
        if rows.is_empty() || rows.len() > ROWS_MAX {
            let found = rows.len();
            let english = format!("rows: found {found}; allowed are 1 to {ROWS_MAX}");
            let args = [("found", Word::count(found)), ("most", Word::count(ROWS_MAX))];
            return Err(RefusalReason::new("register-refused-many", args, english).invalid());
        }
        self.check_no_job()?;
        let plans = plan(rows, &self.assets.all).map_err(|faults| refused(&faults))?;
        let mut assets = Vec::new();
        for plan in plans.into_iter().filter(|plan| plan.is_new || !plan.changes.is_empty()) {
            let device = device_id(&plan.device)?;
            assets.push(ImportedAsset { device, is_new: plan.is_new, changes: plan.changes });
        }
        if assets.is_empty() {
            return Ok(Answer::Imported(0));
        }
        let number = self.assets.last_import + 1;
        self.assets.job = Some(ImportJob::new(number, actor, false, assets));
        Ok(Answer::Begun(number))
    }

    /// Whether a row of a table can be written down as things stand.
    fn check_imported(&self, one: &ImportedAsset) -> Result<(), CommandError> {
        if one.is_new {
            let checked = check_device(new_device(one).0);
            return checked.map(drop).map_err(|error| of_device_refused(&one.device, error));
        }
        self.check_asset(change_of(&one.device, texts_of(&one.changes))).map(drop)
    }

    /// Looks at the next rows of a table; once all of them can be written down, it is on record, and is written from then on. Whether that is so.
    fn look_at_import(&mut self, job: &mut ImportJob, now: Timestamp) -> Result<bool, CommandError> {
        for one in job.left.iter().skip(job.looked_at).take(LOOKED_AT) {
            self.check_imported(one)?;
        }
        job.looked_at = job.looked_at.saturating_add(LOOKED_AT);
        if job.looked_at < job.left.len() {
            return Ok(false);
        }
        let (number, count) = (job.number, job.left.len() as u64);
        (job.looked_at, self.assets.last_import) = (usize::MAX, number);
        self.record(now, &job.actor, AuditLogAction::AssetsImported, &number.to_string(), &format!("{count} assets"));
        let (by, assets) = (job.actor.clone(), job.left.iter().cloned().collect());
        let import = AssetImport { number, at: now, by, undone: None, count, left: count, assets };
        self.batch.changes.push(Change::AssetImport(Box::new(import)));
        Ok(job.left.len() <= PIECE)
    }

    /// Puts back what an import changed. What somebody changed since stays, and so does a device that reported since.
    pub(in crate::writer) fn undo_asset_import(&mut self, number: u64, actor: &str, now: Timestamp) -> CommandResult {
        self.check_no_job()?;
        let found = self.reader.asset_import(number).map_err(CommandError::unread)?;
        let args = || [("number", Word::Count(number))];
        let import = found.ok_or_else(|| {
            let english = format!("there is no import {number}");
            RefusalReason::new("register-refused-no-import", args(), english).not_found()
        })?;
        let undone = |change: &Change| matches!(change, Change::AssetImportUndone { number: of, .. } if *of == number);
        if import.undone.is_some() || self.batch.changes.iter().any(undone) {
            let english = format!("import {number} is undone already");
            return Err(RefusalReason::new("register-refused-undone", args(), english).conflict());
        }
        let count = import.assets.len();
        self.record(now, actor, AuditLogAction::AssetImportUndone, &number.to_string(), &format!("of {count} assets"));
        self.batch.changes.push(Change::AssetImportUndone { number, at: now, by: actor.to_owned() });
        self.assets.job = Some(ImportJob::new(number, actor, true, import.assets));
        Ok(Answer::Begun(number))
    }

    /// Whoever asked for what goes on in pieces is answered at its end.
    pub(in crate::writer) fn answer_at_end(&mut self, reply: oneshot::Sender<CommandResult>) {
        if let Some(job) = &mut self.assets.job {
            job.reply = Some(reply);
        }
    }

    /// Whether a table is not done yet.
    pub(in crate::writer) const fn has_import(&self) -> bool {
        self.assets.job.is_some()
    }

    /// Does the next piece of a table.
    pub(in crate::writer) fn work_on_import(&mut self, now: Timestamp) {
        let Some(mut job) = self.assets.job.take() else { return };
        self.batch.urgent = true;
        if job.looked_at < job.left.len() {
            match self.look_at_import(&mut job, now) {
                Ok(true) => {}
                Ok(false) => {
                    self.assets.job = Some(job);
                    return;
                }
                // Nothing of it was written.
                Err(error) => {
                    self.batch.answers.extend(job.reply.map(|reply| (reply, Err(error))));
                    return;
                }
            }
        }
        let piece: Vec<ImportedAsset> = job.left.drain(..job.left.len().min(PIECE)).collect();
        job.changed += match job.undoes {
            true => self.put_back(piece, &job.actor, now),
            false => piece.into_iter().filter(|one| self.bring(one, &job.actor, now)).count(),
        };
        let left = job.left.len() as u64;
        self.batch.changes.push(Change::AssetImportLeft { number: job.number, left });
        self.batch.visible = true;
        if left > 0 {
            self.assets.job = Some(job);
        } else if let Some(reply) = job.reply {
            self.batch.answers.push((reply, Ok(Answer::Imported(job.changed))));
        }
    }

    /// Writes down what a table says of one asset, where it still stands as it did when the table was looked at. Whether it did.
    fn bring(&mut self, one: &ImportedAsset, actor: &str, now: Timestamp) -> bool {
        if one.is_new && self.state.device(&one.device).is_none() {
            let (new, values) = new_device(one);
            let Ok(info) = check_device(new) else { return false };
            let name = info.name.clone();
            self.persist_registered(info, actor, &name, now);
            let checked = Checked { device: one.device.clone(), info: None, values, keep: Vec::new() };
            self.write_asset(checked, actor, now);
            return true;
        }
        let Some(asset) = self.assets.all.get(&one.device) else { return false };
        let said = |field: &AssetField| asset.said.get(field).map_or("", |value| value.text.as_str());
        // What somebody wrote since the table was looked at stays.
        let stands = one.changes.iter().filter(|(field, was, _)| said(field) == was.as_str());
        let fields = stands.map(|(field, _, text)| (*field, text.clone())).collect();
        self.write_checked(change_of(&one.device, fields), actor, now)
    }

    /// Writes down what can be written. Whether there was something.
    fn write_checked(&mut self, change: AssetChange, actor: &str, now: Timestamp) -> bool {
        if change.fields.is_empty() {
            return false;
        }
        match self.check_asset(change) {
            Ok(checked) => {
                self.write_asset(checked, actor, now);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "a row of a table cannot be written down any more");
                false
            }
        }
    }

    /// Whether a person attested something of a machine, or stated which backup it must have.
    fn is_answered_for(&self, device: &DeviceId) -> Result<bool, ioc_store::StoreError> {
        let attested = self.reader.asset_attestations(device, 1)?;
        let expected = ExpectedBackupQuery { device: Some(device.clone()), ..ExpectedBackupQuery::default() };
        Ok(!attested.is_empty() || !self.reader.expected_backups(&expected, 1)?.is_empty())
    }

    /// Puts back what an import did to these. How many of them it changed.
    fn put_back(&mut self, piece: Vec<ImportedAsset>, actor: &str, now: Timestamp) -> usize {
        let (mut count, mut gone) = (0, BTreeSet::new());
        for one in piece {
            let Some(asset) = self.assets.all.get(&one.device) else { continue };
            let heard = self.state.device(&one.device).is_none_or(|device| device.presence != Presence::NeverSeen);
            let stands = |field: AssetField, text: &str| asset.said.get(&field).is_some_and(|value| value.text == text);
            let brought = |field: &AssetField| one.changes.iter().any(|(of, ..)| of == field);
            let untouched = asset.kept.is_empty()
                && asset.said.iter().all(|(field, value)| value.text.is_empty() || brought(field))
                && one.changes.iter().all(|(field, _, text)| {
                    text.is_empty() || stands(*field, text) || *field == AssetField::Importance
                });
            // What cannot be read is not taken out.
            if one.is_new && !heard && untouched && self.is_answered_for(&one.device).is_ok_and(|is| !is) {
                gone.insert(one.device);
                continue;
            }
            let back = one.changes.into_iter().filter(|(field, _, text)| stands(*field, text));
            // A name and a kind are never taken out again.
            let back =
                back.filter(|(field, was, _)| !was.is_empty() || !matches!(field, AssetField::Name | AssetField::Kind));
            let fields = back.map(|(field, was, _)| (field, was)).collect();
            count += usize::from(self.write_checked(change_of(&one.device, fields), actor, now));
        }
        match self.end_ways_in(&gone, now) {
            Ok(()) => {
                count += gone.len();
                for device in gone {
                    self.take_out(&device, actor, now);
                }
            }
            Err(error) => tracing::error!(%error, "devices of an import cannot be taken out; they stay"),
        }
        self.check_jobs(now);
        count
    }
}

/// What is written down of an asset, and nothing else of it.
fn change_of(device: &DeviceId, fields: BTreeMap<AssetField, String>) -> AssetChange {
    AssetChange { device: device.clone(), fields, keep: Vec::new(), was: BTreeMap::new() }
}
