//! For which devices something is.

use serde::{Deserialize, Serialize};

use crate::device::{DeviceInfo, DeviceKind};

/// Whom something is for: a rule, a maintenance window, a route. An empty list means everyone; of lists that are not empty, each
/// must name the device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scope {
    /// Only these kinds of device; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<DeviceKind>,
    /// Only devices of these identifiers; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// Only devices at these places, or within them; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<String>,
    /// Groups, any of which.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Scope {
    /// Whether `info` is meant. A sensor is meant where the device that speaks for it is named.
    #[must_use]
    pub fn covers(&self, info: &DeviceInfo) -> bool {
        let named = |one: &String| *one == info.id.as_str() || info.parent.as_ref().is_some_and(|p| p.as_str() == one);
        (self.kinds.is_empty() || self.kinds.contains(&info.kind))
            && (self.devices.is_empty() || self.devices.iter().any(named))
            && (self.places.is_empty() || self.places.contains(&info.place))
            && (self.tags.is_empty() || self.tags.iter().any(|tag| info.tags.contains(tag)))
    }

    /// Whether it asks for more than the kind of a device.
    #[must_use]
    pub const fn is_particular(&self) -> bool {
        !(self.devices.is_empty() && self.places.is_empty() && self.tags.is_empty())
    }
}
