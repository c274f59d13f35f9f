//! What can be asked of lists.

use ioc_common::id::{DeviceId, IncidentId};

/// Which devices to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceQuery {
    /// Words to find in identifier, name, label and place.
    pub search: String,
    /// Only devices whose raised faults are at least this bad (1 info, 2 warning, 3 critical), or that are not live.
    pub only_bad: bool,
    /// Continue after this identifier.
    pub after: Option<String>,
    /// At most this many.
    pub limit: usize,
}

/// Which faults to list; the default lists all.
#[derive(Debug, Clone, Copy, Default)]
pub struct FaultQuery<'a> {
    /// Only of this device.
    pub device: Option<&'a DeviceId>,
    /// Only under this incident.
    pub incident: Option<IncidentId>,
    /// Only those that have not ended.
    pub open: bool,
    /// Only below this number.
    pub before: Option<u64>,
}
