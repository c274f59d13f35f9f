//! What commands carry that is more than a field.

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

use ioc_store::inventory_count::Member;
use ioc_store::retention::{Counted, RecordClass};
use ioc_store::{AssetField, ShiftAccount, ShiftSide};

/// A shift that somebody hands over or takes over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
pub struct ShiftToSign {
    /// The rota's key in the duty plan.
    pub rota: String,
    /// When the shift begins.
    pub from: Timestamp,
    pub side: ShiftSide,
    /// What there is to say to the other side; may be empty.
    pub note: String,
    /// What whoever signs is called.
    pub name: String,
    /// What happened on it, as it was gathered for whoever signs.
    pub account: ShiftAccount,
    pub actor: String,
}

/// A turn that somebody is asked to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnToAsk {
    /// Who is asked: a person's key in the duty plan.
    pub asked: String,
    /// The turn that is given away: rota, from, until.
    pub give: (String, Timestamp, Timestamp),
    /// The turn that is taken for it; none where they only stand in.
    pub take: Option<(String, Timestamp, Timestamp)>,
    /// Why; may be empty.
    pub note: String,
}

/// Something that was found and is not in the register, as somebody writes it down.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundThing {
    /// What it is.
    pub what: String,
    pub label: String,
    pub serial: String,
    /// Where it is; that of the taking where it is empty.
    pub place: String,
    pub remark: String,
}

/// How an inventory taking is to be closed.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug)]
pub struct CountToClose {
    pub number: u64,
    pub members: Vec<Member>,
    pub remark: String,
    /// How many assets the register has there.
    pub assets: u64,
    /// The ticks that the minutes were made of, by device, each with when it was made: refused where there are others by now.
    pub ticks: Vec<(DeviceId, Timestamp)>,
    /// So many things that are not in the register they have: refused where there are others by now.
    pub finds: u64,
    pub title: String,
    /// The minutes, DOCX.
    pub content: Vec<u8>,
    /// What they were made of, JSON.
    pub source: String,
}

/// What a person writes down of an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetChange {
    /// Of which device.
    pub device: DeviceId,
    /// These columns, and no others; an empty text takes out what stands there.
    pub fields: BTreeMap<AssetField, String>,
    /// What the agent found in these is known not to be so.
    pub keep: Vec<AssetField>,
    /// What was written down in columns as whoever asks has seen it: refused where something else is by now. A column that is not named is not compared.
    pub was: BTreeMap<AssetField, String>,
}

/// A product that somebody was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenProduct {
    /// By what it is known.
    pub key: String,
    /// Its mark ([`ioc_store::Product::mark`]) as it was shown: refused where it has another one by now; empty where that does not matter.
    pub mark: String,
}

/// What a rule that waits will delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletionAhead {
    /// Records of which class.
    pub class: RecordClass,
    /// How many, as far as that was counted.
    pub going: Counted,
    /// From when on.
    pub at: Timestamp,
}
