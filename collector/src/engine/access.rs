//! Who may connect: shared between the engine, which decides, and the endpoint, which asks at every connection.

use std::collections::HashSet;
use std::sync::RwLock;

use ioc_common::id::DeviceId;

/// The devices that are enrolled and not revoked.
#[derive(Debug, Default)]
pub struct Access(RwLock<HashSet<DeviceId>>);

impl Access {
    /// Whether this device may connect.
    #[must_use]
    pub fn allows(&self, device: &DeviceId) -> bool {
        self.0.read().is_ok_and(|devices| devices.contains(device))
    }

    /// Lets exactly these devices connect.
    pub fn replace(&self, devices: impl Iterator<Item = DeviceId>) {
        if let Ok(mut now) = self.0.write() {
            *now = devices.collect();
        }
    }

    /// Lets a device connect.
    pub fn admit(&self, device: DeviceId) {
        if let Ok(mut now) = self.0.write() {
            now.insert(device);
        }
    }

    /// Lets a device connect no more.
    pub fn expel(&self, device: &DeviceId) {
        if let Ok(mut now) = self.0.write() {
            now.remove(device);
        }
    }
}
