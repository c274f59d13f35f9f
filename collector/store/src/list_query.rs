//! What can be asked of lists.

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_judge::{DeviceKind, PresenceState, Severity};

/// Which devices to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceQuery {
    /// Words to find in identifier, name, label, place and tags.
    pub search: String,
    /// Only of these kinds; of any when there are none.
    pub kinds: Vec<DeviceKind>,
    /// Only at these places; anywhere when there are none.
    pub places: Vec<String>,
    /// Only devices in this state.
    pub state: DeviceStateFilter,
    /// Those that were taken out, too: what is on record of them stays.
    pub revoked: bool,
    /// In which order; devices that are alike in it are ordered by identifier.
    pub sort: DeviceSort,
    /// The other way round.
    pub descending: bool,
    /// Continue after this identifier: for lists in the order of identifiers.
    pub after: Option<String>,
    /// Pass over this many.
    pub skip: usize,
    /// At most this many.
    pub limit: usize,
}

/// How many devices at a place are in one state, with one severity of their worst fault.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceCount {
    pub place: String,
    pub state: PresenceState,
    /// The worst severity of open faults; none without one.
    pub worst: Option<Severity>,
    /// How many devices.
    pub count: u64,
}

/// Devices in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceStateFilter {
    /// In whatever state.
    #[default]
    Any,
    /// Those that need someone: a raised fault of at least a warning, or neither live nor away by their own word.
    Bad,
    /// Those that are heard.
    Live,
    /// Not heard any more.
    Silent,
    /// Away by their own word, or in the hands of maintenance.
    Away,
    /// Registered, and never heard.
    NeverSeen,
}

impl DeviceStateFilter {
    /// Every choice with its name in addresses.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Any, ""),
        (Self::Bad, "bad"),
        (Self::Live, "live"),
        (Self::Silent, "silent"),
        (Self::Away, "away"),
        (Self::NeverSeen, "never_seen"),
    ];
}

/// An order of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceSort {
    /// By identifier, byte by byte.
    #[default]
    Id,
    /// By name, as people read.
    Name,
    /// By kind of device.
    Kind,
    /// By place, as people read.
    Place,
    /// The worst state first.
    State,
    /// The last heard first.
    Seen,
}

impl DeviceSort {
    /// Every order with its name in addresses.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Id, "id"),
        (Self::Name, "name"),
        (Self::Kind, "kind"),
        (Self::Place, "place"),
        (Self::State, "state"),
        (Self::Seen, "seen"),
    ];
}

/// Which faults to list; the default lists all.
#[derive(Debug, Clone, Copy, Default)]
pub struct FaultQuery<'a> {
    /// Only of this device.
    pub device: Option<&'a DeviceId>,
    /// Only under this incident.
    pub incident: Option<IncidentId>,
    /// Only by these rules; by any when there are none.
    pub rules: &'a [String],
    /// Only those that have not ended.
    pub open: bool,
    /// Only those that were there within these two moments, the second not included.
    pub during: Option<(Timestamp, Timestamp)>,
    /// Only below this number.
    pub before: Option<u64>,
}

/// What is counted of one device, to bound it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// Events that it reported.
    Events,
    /// Its items of software, those of lists that are not whole among them.
    Software,
}
