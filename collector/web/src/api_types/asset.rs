//! Rows of the asset register, and how far it is filled.

use std::collections::BTreeMap;

use serde::Serialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_store as inside;

use super::system_backup::Evidence;
use super::{all, names};

names! {
    /// Whether an asset is in use.
    AssetState is inside::AssetState {
        /// It does its work.
        InUse = "in_use",
        /// It is kept to take another's place.
        Spare = "spare",
        /// It is being repaired.
        Repair = "repair",
        /// It does not work here any more.
        Retired = "retired",
    }
}

names! {
    /// A column of the register.
    AssetField is inside::AssetField {
        /// What people call it.
        Name = "name",
        /// The label that stands on it.
        Label = "label",
        /// What sort of device it is.
        Kind = "kind",
        /// Where it stands.
        Place = "place",
        /// Who looks after it.
        Officer = "officer",
        /// Who answers for it.
        Leader = "leader",
        /// Network address of its hardware.
        Mac = "mac",
        /// Its maker's serial number.
        Serial = "serial",
        /// Who made it.
        Maker = "maker",
        /// What its maker calls it.
        Model = "model",
        /// Day on which it was bought, `YYYY-MM-DD`, as all days here.
        Bought = "bought",
        /// Day on which its warranty ends.
        WarrantyEnd = "warranty_end",
        /// Day from which its maker does not support it any more.
        SupportEnd = "support_end",
        /// Address on the network.
        Address = "address",
        /// Zone of the network.
        Zone = "zone",
        /// Switch and port that it is plugged into.
        SwitchPort = "switch_port",
        /// What it is for.
        Purpose = "purpose",
        /// Whether it is in use.
        State = "state",
        /// How much depends on it.
        Importance = "importance",
        /// Who supplied it.
        Supplier = "supplier",
    }
}

/// A value of the register, and where it comes from.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct AssetValue {
    /// What stands there.
    value: String,
    /// Who wrote it down; null where the agent found it or a machine said so at its enrolment. Empty where it is not for who asks.
    by: Option<String>,
    /// Since when it stands there.
    at: Timestamp,
}

impl From<inside::AssetValue> for AssetValue {
    fn from(inside: inside::AssetValue) -> Self {
        let inside::AssetValue { text, by, at } = inside;
        Self { value: text, by, at }
    }
}

/// Where the agent says something else than what is written down.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Contradiction {
    /// In which column.
    field: AssetField,
    /// What is written down.
    said: AssetValue,
    /// What the agent found.
    found: AssetValue,
}

/// A row of the asset register.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Asset {
    /// Of which device.
    device: DeviceId,
    /// When it was taken in.
    since: Timestamp,
    /// Whether it is in use.
    state: AssetState,
    /// What stands in each column that is not blank: what is written down, else what the agent found.
    values: BTreeMap<String, AssetValue>,
    /// What must be written down and is not.
    blanks: Vec<AssetField>,
    /// Where the agent says something else.
    contradictions: Vec<Contradiction>,
}

impl From<inside::Asset> for Asset {
    fn from(inside: inside::Asset) -> Self {
        let values = inside::AssetField::ALL.into_iter();
        let values = values.filter_map(|field| Some((field.as_str().to_owned(), inside.value(field)?.clone().into())));
        let contradiction = |field: &inside::AssetField| {
            let (said, found) = (inside.said.get(field)?, inside.found.get(field)?);
            Some(Contradiction { field: (*field).into(), said: said.clone().into(), found: found.clone().into() })
        };
        Self {
            values: values.collect(),
            state: inside.state().into(),
            contradictions: inside.contradictions.iter().filter_map(contradiction).collect(),
            blanks: all(inside.blanks),
            device: inside.device,
            since: inside.since,
        }
    }
}

/// How far the register is filled.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct AssetCoverage {
    /// Rows of the register.
    assets: u64,
    /// How many have a label.
    labelled: u64,
    /// How many have all that must be written down.
    complete: u64,
    /// How many an agent contradicts.
    contradicted: u64,
    in_use: u64,
    spare: u64,
    repair: u64,
    retired: u64,
}

impl From<inside::AssetCoverage> for AssetCoverage {
    fn from(inside: inside::AssetCoverage) -> Self {
        let inside::AssetCoverage { assets, labelled, complete, contradicted, states } = inside;
        let [in_use, spare, repair, retired] = states;
        Self { assets, labelled, complete, contradicted, in_use, spare, repair, retired }
    }
}

/// What a person says of the protection of a machine that no agent looks at.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct AssetAttestation {
    /// Of what: `antivirus`, `patches`, `backups` or `passwords`.
    area: String,
    /// It is in order.
    good: bool,
    /// What was looked at, and where the evidence lies.
    note: String,
    /// Until when this holds.
    valid_until: Timestamp,
    /// Who says so; empty where it is not for who asks.
    by: String,
    /// When they said it.
    at: Timestamp,
    /// Files that show it.
    files: Vec<Evidence>,
}

impl From<inside::AssetAttestation> for AssetAttestation {
    fn from(inside: inside::AssetAttestation) -> Self {
        let inside::AssetAttestation { area, good, note, valid_until, by, at, files } = inside;
        Self { area, good, note, valid_until, by, at, files: all(files) }
    }
}
