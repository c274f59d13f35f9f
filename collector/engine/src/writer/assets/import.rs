//! What a table does to the asset register: new devices are registered, of known ones what is said otherwise is written down, and put back.

use std::collections::{BTreeMap, BTreeSet};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::Presence;
use ioc_store::{AssetField, AssetRow, ImportRegister, ImportedAsset, ImportedRow, NewDevice};

use super::super::{CommandResult, Engine};
use super::{Checked, of_device_refused, take_own};
use crate::command::{AssetChange, CommandError};
use crate::inventory::asset_table::{ROWS_MAX, plan};
use crate::inventory::device::{check_device, device_id};
use crate::inventory::pasted_table::CellFault;
use crate::inventory::undoing;
use crate::refusal_reason::{RefusalReason, Word};

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
    /// Takes a table in: new devices are registered, of known ones what is said otherwise is written down.
    pub(in crate::writer) fn import_assets(&mut self, rows: &[AssetRow], actor: &str) -> CommandResult {
        self.check_import(rows.len(), ROWS_MAX)?;
        let plans = plan(rows, &self.assets.all).map_err(|faults| refused(&faults))?;
        let mut assets = Vec::new();
        for plan in plans.into_iter().filter(|plan| plan.is_new || !plan.changes.is_empty()) {
            let device = device_id(&plan.device)?;
            assets.push(ImportedRow::Asset(ImportedAsset { device, is_new: plan.is_new, changes: plan.changes }));
        }
        self.begin_import(ImportRegister::Assets, assets, actor)
    }

    /// Whether a row of a table can be written down as things stand.
    pub(in crate::writer) fn check_imported(&self, one: &ImportedAsset) -> Result<(), CommandError> {
        if one.is_new {
            let checked = check_device(new_device(one).0);
            return checked.map(drop).map_err(|error| of_device_refused(&one.device, error));
        }
        self.check_asset(change_of(&one.device, texts_of(&one.changes))).map(drop)
    }

    /// Writes down what a table says of one asset, where it still stands as it did when the table was looked at. Whether it did.
    pub(in crate::writer) fn bring_asset(&mut self, one: &ImportedAsset, actor: &str, now: Timestamp) -> bool {
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

    /// Puts back what an import did to these. How many of them it changed.
    pub(in crate::writer) fn put_assets_back(
        &mut self,
        piece: Vec<ImportedAsset>,
        actor: &str,
        now: Timestamp,
    ) -> usize {
        let (mut count, mut gone) = (0, BTreeSet::new());
        for one in piece {
            let Some(asset) = self.assets.all.get(&one.device) else { continue };
            let heard = self.state.device(&one.device).is_none_or(|device| device.presence != Presence::NeverSeen);
            // What cannot be read is not taken out.
            if one.is_new
                && !heard
                && undoing::is_as_brought(&one, asset)
                && undoing::is_answered_for(&*self.reader, &one.device, now).is_ok_and(|is| !is)
            {
                gone.insert(one.device);
                continue;
            }
            let back = undoing::of_asset(&one, asset).into_iter();
            let fields = back.filter_map(|column| Some((column.field, column.back?))).collect();
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
