//! Tables that are taken into the asset register: all of one or nothing, and put back as it was while nobody changed it since.

use std::collections::{BTreeMap, HashMap};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::Presence;
use ioc_store::{Asset, AssetField, AssetImport, AssetRow, Change, ExpectedBackupQuery, ImportedAsset, NewDevice};

use super::super::{CommandResult, Engine};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, AssetChange, CommandError};
use crate::inventory::asset_table::{CellFault, ROWS_MAX, plan};
use crate::inventory::device::check_device;

fn refused(faults: &[CellFault]) -> CommandError {
    let lines = faults.iter().map(|one| format!("row {}, column {}: {}", one.row, one.column, one.fault));
    CommandError::Invalid(lines.collect::<Vec<_>>().join("\n"))
}

impl Engine {
    /// Takes a table in: new devices are registered, of known ones what is said otherwise is written down.
    pub(in crate::writer) fn import_assets(&mut self, rows: &[AssetRow], actor: &str, now: Timestamp) -> CommandResult {
        if rows.is_empty() || rows.len() > ROWS_MAX {
            return Err(CommandError::Invalid(format!("rows: found {}; allowed are 1 to {ROWS_MAX}", rows.len())));
        }
        let known: HashMap<String, Asset> =
            self.assets.all.iter().map(|(id, asset)| (id.to_string(), asset.clone())).collect();
        let plans = plan(rows, &known).map_err(|faults| refused(&faults))?;
        // All of it is looked at before anything is changed.
        let (mut new, mut changes, mut assets) = (Vec::new(), Vec::new(), Vec::new());
        for plan in plans.into_iter().filter(|plan| plan.is_new || !plan.changes.is_empty()) {
            let whose = |error: CommandError| CommandError::Invalid(format!("row {}: {error}", plan.row));
            let device = DeviceId::new(&plan.device).map_err(|error| CommandError::Invalid(error.to_string()))?;
            let fields: BTreeMap<AssetField, String> =
                plan.changes.iter().map(|(field, _, text)| (*field, text.clone())).collect();
            let change = AssetChange { device: device.clone(), fields, keep: Vec::new() };
            if plan.is_new {
                let of = |field: AssetField| change.fields.get(&field).cloned().unwrap_or_default();
                let said = NewDevice {
                    device: plan.device.clone(),
                    kind: of(AssetField::Kind),
                    name: of(AssetField::Name),
                    ..NewDevice::default()
                };
                new.push(check_device(said).map_err(whose)?);
            } else {
                self.check_asset(change.clone()).map_err(whose)?;
            }
            changes.push(change);
            assets.push(ImportedAsset { device, is_new: plan.is_new, changes: plan.changes });
        }
        if assets.is_empty() {
            return Ok(Answer::Imported(0));
        }
        for info in new {
            let name = info.name.clone();
            self.persist_registered(info, actor, &name, now);
        }
        self.change_assets(changes, actor, now)?;
        let count = assets.len();
        self.assets.last_import += 1;
        let number = self.assets.last_import;
        self.record(now, actor, AuditLogAction::AssetsImported, &number.to_string(), &format!("{count} assets"));
        let import = AssetImport { number, at: now, by: actor.to_owned(), undone: None, count: count as u64, assets };
        self.batch.changes.push(Change::AssetImport(Box::new(import)));
        Ok(Answer::Imported(count))
    }

    /// Whether a person attested something of a machine, or stated which backup it must have.
    fn is_answered_for(&self, device: &DeviceId) -> Result<bool, CommandError> {
        let unread = |error: ioc_store::StoreError| CommandError::Unavailable(error.to_string());
        let attested = self.reader.asset_attestations(device, 1).map_err(unread)?;
        let expected = ExpectedBackupQuery { device: Some(device.clone()), ..ExpectedBackupQuery::default() };
        let expected = self.reader.expected_backups(&expected, 1).map_err(unread)?;
        Ok(!attested.is_empty() || !expected.is_empty())
    }

    /// Puts back what an import changed. What somebody changed since stays, and so does a device that reported since.
    pub(in crate::writer) fn undo_asset_import(&mut self, number: u64, actor: &str, now: Timestamp) -> CommandResult {
        let found = self.reader.asset_import(number).map_err(|error| CommandError::Unavailable(error.to_string()))?;
        let import = found.ok_or_else(|| CommandError::NotFound(format!("there is no import {number}")))?;
        let undone = |change: &Change| matches!(change, Change::AssetImportUndone { number: of, .. } if *of == number);
        if import.undone.is_some() || self.batch.changes.iter().any(undone) {
            return Err(CommandError::Conflict(format!("import {number} is undone already")));
        }
        let (mut changes, mut gone) = (Vec::new(), Vec::new());
        for one in import.assets {
            let Some(asset) = self.assets.all.get(&one.device) else { continue };
            let heard = self.state.device(&one.device).is_none_or(|device| device.presence != Presence::NeverSeen);
            let stands = |field: AssetField, text: &str| asset.said.get(&field).is_some_and(|value| value.text == text);
            let brought = |field: &AssetField| one.changes.iter().any(|(of, ..)| of == field);
            let untouched = asset.kept.is_empty()
                && asset.said.iter().all(|(field, value)| value.text.is_empty() || brought(field))
                && one.changes.iter().all(|(field, _, text)| {
                    text.is_empty() || stands(*field, text) || *field == AssetField::Importance
                });
            if one.is_new && !heard && untouched && !self.is_answered_for(&one.device)? {
                gone.push(one.device);
                continue;
            }
            let back = one.changes.into_iter().filter(|(field, _, text)| stands(*field, text));
            // A name and a kind are never taken out again.
            let back =
                back.filter(|(field, was, _)| !was.is_empty() || !matches!(field, AssetField::Name | AssetField::Kind));
            let fields: BTreeMap<AssetField, String> = back.map(|(field, was, _)| (field, was)).collect();
            if !fields.is_empty() {
                changes.push(AssetChange { device: one.device, fields, keep: Vec::new() });
            }
        }
        let count = changes.len() + gone.len();
        if !changes.is_empty() {
            self.change_assets(changes, actor, now)?;
        }
        for device in gone {
            self.revoke(&device, actor, now)?;
        }
        self.record(now, actor, AuditLogAction::AssetImportUndone, &number.to_string(), &format!("{count} assets"));
        self.batch.changes.push(Change::AssetImportUndone { number, at: now, by: actor.to_owned() });
        self.batch.visible = true;
        Ok(Answer::Imported(count))
    }
}
