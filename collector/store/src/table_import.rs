//! Tables that people take into registers: what each does to which row, so that it is done in pieces and can be undone as one.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

use crate::{AccountField, AssetField, ProductField};

/// A register that tables are taken into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImportRegister {
    /// The asset register.
    Assets,
    /// The register of accounts.
    Accounts,
    /// The software register.
    Software,
}

impl ImportRegister {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Assets, Self::Accounts, Self::Software];

    /// Its name in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Assets => "assets",
            Self::Accounts => "accounts",
            Self::Software => "software",
        }
    }
}

/// What an import did to one asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedAsset {
    /// Which device.
    pub device: DeviceId,
    /// It was registered by this import.
    pub is_new: bool,
    /// Column, what was written down before, what is since.
    pub changes: Vec<(AssetField, String, String)>,
}

/// What an import did to what is said of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedAccount {
    /// On which device; none for this collector.
    pub device: Option<DeviceId>,
    /// What one signs in with.
    pub name: String,
    /// Column, what was written down before, what is since.
    pub changes: Vec<(AccountField, String, String)>,
}

/// What an import did to what is said of one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedProduct {
    /// By what it is known.
    pub key: String,
    /// Column, what was written down before, what is since.
    pub changes: Vec<(ProductField, String, String)>,
}

/// What an import did to one row of its register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum ImportedRow {
    /// An asset.
    Asset(ImportedAsset),
    /// An account.
    Account(ImportedAccount),
    /// A product.
    Product(ImportedProduct),
}

impl ImportedRow {
    /// Leaves out what it says of people, for whoever may not see them.
    pub(crate) fn hide_people(&mut self) {
        let hide = |texts: [&mut String; 2]| {
            for text in texts.into_iter().filter(|text| !text.is_empty()) {
                ioc_common::document::HIDDEN.clone_into(text);
            }
        };
        match self {
            Self::Asset(one) => {
                let personal = one.changes.iter_mut().filter(|(field, ..)| field.is_personal());
                personal.for_each(|(_, old, new)| hide([old, new]));
            }
            Self::Account(one) => {
                ioc_common::document::HIDDEN.clone_into(&mut one.name);
                one.changes.iter_mut().for_each(|(_, old, new)| hide([old, new]));
            }
            // Software is nobody's own.
            Self::Product(_) => {}
        }
    }
}

/// A table that was taken into a register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableImport {
    /// Its number among those of all registers, from 1.
    pub number: u64,
    /// Into which.
    pub register: ImportRegister,
    /// When it was made.
    pub at: Timestamp,
    /// Who made it.
    pub by: String,
    /// When it was undone, and by whom; none where it was not.
    pub undone: Option<(Timestamp, String)>,
    /// How many rows of the register it changes.
    pub count: u64,
    /// Of how many of them that, or once it is undone putting them back, is still to be done: large tables are taken in in pieces.
    pub left: u64,
    /// What it does, in its order; empty in a list of imports.
    pub rows: Vec<ImportedRow>,
}
