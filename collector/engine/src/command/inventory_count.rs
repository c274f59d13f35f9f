//! What people bring to an inventory taking: things that the register does not have, and how it is to be closed.

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_store::inventory_count::Member;

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
