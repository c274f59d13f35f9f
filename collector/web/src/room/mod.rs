//! The rooms of the site: their power, what stands in them, what is measured there.

pub(crate) mod floor;
pub(crate) mod power;
pub(crate) mod sensors;
pub(crate) mod site_plan;

use crate::device::row::DeviceRow;

/// A room, or a rack or corner of one, with what stands there.
struct PlaceRows {
    name: String,
    rows: Vec<DeviceRow>,
}
