//! The names of devices, for pages that are about several.

use std::collections::HashMap;

use ioc_common::id::DeviceId;
use ioc_judge::Incident;

use ioc_store::{Reader, StoreError};

/// The names of devices, each read once.
pub(crate) fn names_of<'d>(
    devices: impl Iterator<Item = &'d DeviceId>,
    reader: &dyn Reader,
) -> Result<HashMap<DeviceId, String>, StoreError> {
    let mut names = HashMap::new();
    for device in devices {
        if !names.contains_key(device)
            && let Some(record) = reader.device(device)?
        {
            names.insert(device.clone(), record.info.name);
        }
    }
    Ok(names)
}

/// A device's name, or its identifier where it has none; nothing for the centre as a whole.
pub(crate) fn name_of<'s>(names: &'s HashMap<DeviceId, String>, device: Option<&'s DeviceId>) -> &'s str {
    device.map_or("", |device| names.get(device).map_or(device.as_str(), String::as_str))
}

/// The devices that incidents are about.
pub(crate) fn devices_of(incidents: &[Incident]) -> impl Iterator<Item = &DeviceId> {
    incidents.iter().filter_map(|incident| incident.device.as_ref())
}
