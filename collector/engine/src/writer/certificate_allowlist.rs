//! Who may connect: shared between the engine, which decides, and the endpoint, which asks at every connection.

use std::collections::HashMap;
use std::sync::RwLock;

use ioc_common::id::DeviceId;

use ioc_store::CERTIFICATES_MAX;

/// The devices that are enrolled and not revoked, with the serial numbers of the certificates by which they may come.
///
/// More than one is good while a certificate is renewed. An enrolment ends those before it: whoever holds a copy of an earlier
/// identity stays out.
#[derive(Debug, Default)]
pub struct CertificateAllowlist(RwLock<HashMap<DeviceId, Vec<String>>>);

impl CertificateAllowlist {
    /// Whether this device may connect with the certificate of this serial number.
    #[must_use]
    pub fn allows(&self, device: &DeviceId, serial: &str) -> bool {
        self.0
            .read()
            .is_ok_and(|devices| devices.get(device).is_some_and(|serials| serials.iter().any(|known| known == serial)))
    }

    /// Lets a device connect with this certificate, too.
    pub fn admit(&self, device: DeviceId, serial: String) {
        if let Ok(mut now) = self.0.write() {
            let serials = now.entry(device).or_default();
            serials.push(serial);
            // The oldest goes: whoever asks for one after the other holds no more than these.
            let beyond = serials.len().saturating_sub(CERTIFICATES_MAX);
            serials.drain(..beyond);
        }
    }

    /// Lets a device connect no more.
    pub fn expel(&self, device: &DeviceId) {
        if let Ok(mut now) = self.0.write() {
            now.remove(device);
        }
    }
}
