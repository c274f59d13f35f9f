//! The asset register (article 6.1): what is written down of each device, by whom and when, beside what its agent found.
//!
//! What other rooms ask of it: [`Reader::assets`](crate::Reader::assets), [`assets_count`](crate::Reader::assets_count),
//! [`asset`](crate::Reader::asset), [`asset_coverage`](crate::Reader::asset_coverage) for figures with n of N,
//! [`asset_attestations`](crate::Reader::asset_attestations).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::{DeviceKind, Importance};

use crate::BackupEvidence;

/// A column of the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetField {
    /// What people call it.
    Name,
    /// The label that stands on it.
    Label,
    /// What sort of device it is.
    Kind,
    /// Where it stands: room, and rack behind a slash.
    Place,
    /// Who looks after it.
    Officer,
    /// Who answers for it.
    Leader,
    /// Network address of its hardware.
    Mac,
    /// Its maker's serial number.
    Serial,
    /// Who made it.
    Maker,
    /// What its maker calls it.
    Model,
    /// Day on which it was bought, `YYYY-MM-DD`, as all days here.
    Bought,
    /// Day on which its warranty ends.
    WarrantyEnd,
    /// Day from which its maker does not support it any more.
    SupportEnd,
    /// Address on the network.
    Address,
    /// Zone of the network that it is in.
    Zone,
    /// Switch and port that it is plugged into.
    SwitchPort,
    /// What it is for.
    Purpose,
    /// Whether it is in use.
    State,
    /// How much depends on it.
    Importance,
    /// Who supplied it.
    Supplier,
}

impl AssetField {
    /// All of them, in the order in which they are shown and exported.
    pub const ALL: [Self; 20] = [
        Self::Name,
        Self::Label,
        Self::Kind,
        Self::Place,
        Self::Officer,
        Self::Leader,
        Self::State,
        Self::Importance,
        Self::Purpose,
        Self::Maker,
        Self::Model,
        Self::Serial,
        Self::Mac,
        Self::Address,
        Self::Zone,
        Self::SwitchPort,
        Self::Supplier,
        Self::Bought,
        Self::WarrantyEnd,
        Self::SupportEnd,
    ];

    /// Its name in the configuration, the store, the API and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Label => "label",
            Self::Kind => "kind",
            Self::Place => "place",
            Self::Officer => "officer",
            Self::Leader => "leader",
            Self::Mac => "mac",
            Self::Serial => "serial",
            Self::Maker => "maker",
            Self::Model => "model",
            Self::Bought => "bought",
            Self::WarrantyEnd => "warranty_end",
            Self::SupportEnd => "support_end",
            Self::Address => "address",
            Self::Zone => "zone",
            Self::SwitchPort => "switch_port",
            Self::Purpose => "purpose",
            Self::State => "state",
            Self::Importance => "importance",
            Self::Supplier => "supplier",
        }
    }

    /// The field of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == text)
    }

    /// Whether it is kept with the device itself, which more depends on than the register.
    #[must_use]
    pub const fn is_of_device(self) -> bool {
        match self {
            Self::Name
            | Self::Label
            | Self::Kind
            | Self::Place
            | Self::Officer
            | Self::Leader
            | Self::Mac
            | Self::Serial
            | Self::Address
            | Self::Importance => true,
            Self::Maker
            | Self::Model
            | Self::Bought
            | Self::WarrantyEnd
            | Self::SupportEnd
            | Self::Zone
            | Self::SwitchPort
            | Self::Purpose
            | Self::State
            | Self::Supplier => false,
        }
    }

    /// Whether it holds a day.
    #[must_use]
    pub const fn is_day(self) -> bool {
        matches!(self, Self::Bought | Self::WarrantyEnd | Self::SupportEnd)
    }

    /// Whether it names a person (article 12).
    #[must_use]
    pub const fn is_personal(self) -> bool {
        matches!(self, Self::Officer | Self::Leader)
    }
}

/// Whether an asset is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetState {
    /// It does its work.
    #[default]
    InUse,
    /// It is kept to take another's place.
    Spare,
    /// It is being repaired.
    Repair,
    /// It does not work here any more: nothing is asked of it.
    Retired,
}

impl AssetState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::InUse, Self::Spare, Self::Repair, Self::Retired];

    /// Its name in the store, the API and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InUse => "in_use",
            Self::Spare => "spare",
            Self::Repair => "repair",
            Self::Retired => "retired",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A value of the register, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetValue {
    /// What stands there.
    pub text: String,
    /// Who wrote it down; none where a machine said so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Since when it stands there.
    pub at: Timestamp,
}

/// One row of the register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    /// Of which device.
    pub device: DeviceId,
    /// When it was taken in: what is blank is due from then on.
    pub since: Timestamp,
    /// What is written down.
    pub said: BTreeMap<AssetField, AssetValue>,
    /// What its agent found.
    pub found: BTreeMap<AssetField, AssetValue>,
    /// What an agent found that a person knows to be otherwise, and who says so.
    #[serde(default)]
    pub kept: BTreeMap<AssetField, AssetValue>,
    /// What must be written down and is not, as the engine judged it last.
    #[serde(default)]
    pub blanks: Vec<AssetField>,
    /// Where the agent says something else than what is written down.
    #[serde(default)]
    pub contradictions: Vec<AssetField>,
}

impl Asset {
    /// A row of which nothing is known.
    #[must_use]
    pub const fn new(device: DeviceId, since: Timestamp) -> Self {
        Self {
            device,
            since,
            said: BTreeMap::new(),
            found: BTreeMap::new(),
            kept: BTreeMap::new(),
            blanks: Vec::new(),
            contradictions: Vec::new(),
        }
    }

    /// What stands in a column: what is written down, else what the agent found.
    #[must_use]
    pub fn value(&self, field: AssetField) -> Option<&AssetValue> {
        let filled = |value: &&AssetValue| !value.text.is_empty();
        self.said.get(&field).filter(filled).or_else(|| self.found.get(&field).filter(filled))
    }

    /// Its text; empty where there is none.
    #[must_use]
    pub fn text(&self, field: AssetField) -> &str {
        self.value(field).map_or("", |value| value.text.as_str())
    }

    /// What people wrote down in a column; of state and importance, what they are where nobody did.
    #[must_use]
    pub fn written(&self, field: AssetField) -> &str {
        let said = self.said.get(&field).map_or("", |value| value.text.as_str());
        match field {
            AssetField::State if said.is_empty() => AssetState::InUse.as_str(),
            AssetField::Importance if said.is_empty() => Importance::Normal.as_str(),
            _ => said,
        }
    }

    /// Whether it is in use; it is, where nobody said otherwise.
    #[must_use]
    pub fn state(&self) -> AssetState {
        AssetState::parse(self.text(AssetField::State)).unwrap_or_default()
    }

    /// Leaves out who is responsible and who wrote what, for whoever may not see people.
    pub fn hide_people(&mut self) {
        for value in self.said.values_mut().chain(self.kept.values_mut()) {
            value.by = value.by.take().map(|_| String::new());
        }
        for field in AssetField::ALL.into_iter().filter(|field| field.is_personal()) {
            if let Some(value) = self.said.get_mut(&field).filter(|value| !value.text.is_empty()) {
                ioc_common::document::HIDDEN.clone_into(&mut value.text);
            }
        }
    }
}

/// What is to be done in the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AssetWork {
    /// Whatever it is.
    #[default]
    Any,
    /// Something that must be written down is not.
    Blank,
    /// The agent says something else than what is written down.
    Contradiction,
    /// A machine without an agent of which nobody's word holds at this moment that it is protected.
    Unattested(Timestamp),
}

/// Which assets to list, by name as people read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AssetQuery {
    /// Words to find in any column but those of people.
    pub search: String,
    /// Only of this kind.
    pub kind: Option<DeviceKind>,
    /// Only at this place; anywhere when it is empty.
    pub place: String,
    /// Only in this state.
    pub state: Option<AssetState>,
    /// Only those with which something is to be done.
    pub work: AssetWork,
    /// By identifier, behind this one, instead of by name: for programs.
    pub after: Option<String>,
    /// Pass over this many.
    pub skip: usize,
    /// At most this many.
    pub limit: usize,
}

/// How far the register is filled.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AssetCoverage {
    pub assets: u64,
    /// How many have a label.
    pub labelled: u64,
    /// How many have all that must be written down.
    pub complete: u64,
    /// How many the agent contradicts.
    pub contradicted: u64,
    /// How many are in each state, in the order of [`AssetState::ALL`].
    pub states: [u64; 4],
}

/// What a person says of the protection of a machine that no agent looks at.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetAttestation {
    /// A name of [`crate::coverage::AREAS`].
    pub area: String,
    /// It is in order.
    pub good: bool,
    /// What was looked at, and where the evidence lies.
    pub note: String,
    /// Until when this holds.
    pub valid_until: Timestamp,
    /// Who says so.
    pub by: String,
    pub at: Timestamp,
    /// Files that show it; they stand beside what was said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<BackupEvidence>,
}

/// A row of a table that people bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetRow {
    /// Row of the table, from 1; the headings are the first.
    pub row: u64,
    /// Which device; empty where the table does not say.
    pub device: String,
    /// What it says, checked.
    pub fields: BTreeMap<AssetField, String>,
}
