//! Who may connect: shared between the engine, which decides, and the endpoint, which asks at every connection.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

use ioc_store::CERTIFICATES_MAX;

/// The devices that are enrolled and not revoked, with the serial numbers of the certificates by which they may come.
///
/// More than one is good while a certificate is renewed. An enrolment ends those before it: whoever holds a copy of an earlier
/// identity stays out.
#[derive(Debug, Default)]
pub struct CertificateAllowlist(
    RwLock<HashMap<DeviceId, Vec<String>>>,
    OnceLock<RestoreSeam>,
    Mutex<Vec<AdoptedCertificate>>,
);

/// What a restored store does not know: from the moment of the backup until it was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoreSeam {
    /// The moment that the restored store is as of.
    pub from: Timestamp,
    /// When it was restored.
    pub until: Timestamp,
}

/// A certificate that was issued within the seam of a restore, and found when its device came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AdoptedCertificate {
    pub(super) device: DeviceId,
    pub(super) serial: String,
    pub(super) issued_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

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

    /// The store was restored: certificates that were issued within the seam are its own, though it does not know them.
    pub fn set_seam(&self, seam: RestoreSeam) {
        let _ = self.1.set(seam);
    }

    /// Whether a certificate of ours that is not known is taken on: it was issued within the seam of a restore, to a device that may come
    /// by another one. An agent whose certificate was renewed then comes back by itself.
    #[must_use]
    pub fn adopts(&self, device: &DeviceId, serial: &str, issued_at: Timestamp, expires_at: Timestamp) -> bool {
        let Some(seam) = self.1.get().filter(|seam| (seam.from..=seam.until).contains(&issued_at)) else {
            return false;
        };
        let is_known = self.0.read().is_ok_and(|devices| devices.contains_key(device));
        if is_known {
            tracing::info!(%device, serial, ?seam, "a certificate that was issued after the backup is taken on");
            self.admit(device.clone(), serial.to_owned());
            let adopted =
                AdoptedCertificate { device: device.clone(), serial: serial.to_owned(), issued_at, expires_at };
            self.2.lock().unwrap_or_else(PoisonError::into_inner).push(adopted);
        }
        is_known
    }

    /// Certificates that were taken on and are not kept yet.
    pub(super) fn take_adopted(&self) -> Vec<AdoptedCertificate> {
        if self.1.get().is_none() {
            return Vec::new();
        }
        std::mem::take(&mut *self.2.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets a device connect no more.
    pub fn expel(&self, device: &DeviceId) {
        if let Ok(mut now) = self.0.write() {
            now.remove(device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_issued_within_the_seam_to_who_may_come_is_taken_on() {
        let (known, stranger) = (DeviceId::new("srv-1").expect("valid"), DeviceId::new("srv-2").expect("valid"));
        let at = Timestamp::from_millis;
        let access = CertificateAllowlist::default();
        access.admit(known.clone(), "aa".to_owned());
        assert!(!access.adopts(&known, "bb", at(15), at(99)), "nothing was restored");
        access.set_seam(RestoreSeam { from: at(10), until: at(20) });
        assert!(!access.adopts(&known, "bb", at(9), at(99)) && !access.adopts(&known, "bb", at(21), at(99)));
        assert!(!access.adopts(&stranger, "bb", at(15), at(99)), "not enrolled, revoked, or kept out");
        assert!(access.take_adopted().is_empty() && !access.allows(&known, "bb"));
        assert!(
            access.adopts(&known, "bb", at(15), at(99)) && access.allows(&known, "bb") && access.allows(&known, "aa")
        );
        let adopted = access.take_adopted();
        assert!(adopted.len() == 1 && adopted[0].serial == "bb" && access.take_adopted().is_empty());
        access.expel(&known);
        assert!(!access.adopts(&known, "cc", at(15), at(99)), "revoked since");
    }
}
