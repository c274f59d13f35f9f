//! Who may connect: shared between the engine, which decides, and the endpoint, which asks at every connection.

use std::collections::{HashMap, HashSet};
use std::sync::RwLock;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

use ioc_store::CERTIFICATES_MAX;

/// The devices that are enrolled and not revoked, with the serial numbers of the certificates by which they may come.
///
/// More than one is good while a certificate is renewed. An enrolment ends those before it: whoever holds a copy of an earlier
/// identity stays out.
#[derive(Debug, Default)]
pub struct CertificateAllowlist(RwLock<Known>);

/// All of it stands under one lock: who is taken on and who is shut out at the same moment must not both hold.
#[derive(Debug, Default)]
struct Known {
    devices: HashMap<DeviceId, Vec<String>>,
    seam: Option<RestoreSeam>,
    /// Devices for which the seam is closed for good: one certificate of it was taken on, or they got or lost their right since.
    closed: HashSet<DeviceId>,
    /// Certificates that were taken on and are not kept yet.
    adopted: Vec<AdoptedCertificate>,
}

impl Known {
    fn admit(&mut self, device: DeviceId, serial: String) {
        let serials = self.devices.entry(device).or_default();
        serials.push(serial);
        // The oldest goes: whoever asks for one after the other holds no more than these.
        let beyond = serials.len().saturating_sub(CERTIFICATES_MAX);
        serials.drain(..beyond);
    }

    fn allows(&self, device: &DeviceId, serial: &str) -> bool {
        self.devices.get(device).is_some_and(|serials| serials.iter().any(|known| known == serial))
    }

    fn expel(&mut self, device: &DeviceId) {
        self.devices.remove(device);
        self.close(device);
    }

    fn close(&mut self, device: &DeviceId) {
        if self.seam.is_some() {
            self.closed.insert(device.clone());
        }
    }
}

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
        self.0.read().is_ok_and(|known| known.allows(device, serial))
    }

    /// Whether this device may come by any certificate: what can be asked where a broker has seen which one.
    #[must_use]
    pub fn knows(&self, device: &DeviceId) -> bool {
        self.0.read().is_ok_and(|known| known.devices.get(device).is_some_and(|serials| !serials.is_empty()))
    }

    /// Lets a device connect with this certificate, too.
    pub fn admit(&self, device: DeviceId, serial: String) {
        if let Ok(mut known) = self.0.write() {
            known.admit(device, serial);
        }
    }

    /// The device was given another certificate: it may come by it, too. It holds one that the store knows, so the seam is closed for it.
    pub(super) fn renew(&self, device: DeviceId, serial: String) {
        if let Ok(mut known) = self.0.write() {
            known.close(&device);
            known.admit(device, serial);
        }
    }

    /// The device was enrolled anew: it may come by this certificate alone.
    pub(super) fn enrol(&self, device: DeviceId, serial: String) {
        if let Ok(mut known) = self.0.write() {
            known.expel(&device);
            known.admit(device, serial);
        }
    }

    /// The store was restored: certificates that were issued within the seam are its own, though it does not know them. It is said once,
    /// before any device is admitted.
    pub fn set_seam(&self, seam: RestoreSeam) {
        if let Ok(mut known) = self.0.write() {
            known.seam.get_or_insert(seam);
        }
    }

    /// What a restored store does not know; nothing where none was restored.
    pub(super) fn seam(&self) -> Option<RestoreSeam> {
        self.0.read().ok().and_then(|known| known.seam)
    }

    /// No certificate of the seam is taken on of these devices.
    pub(super) fn close_seam(&self, devices: impl IntoIterator<Item = DeviceId>) {
        if let Ok(mut known) = self.0.write() {
            known.closed.extend(devices);
        }
    }

    /// Whether a certificate of ours that is not known is taken on: it was issued within the seam of a restore, to a device that may come
    /// by another one, and it is the first of that device. An agent whose certificate was renewed then comes back by itself; a second
    /// certificate of the same seam is one that it does not use any more, and whoever shows it is somebody else.
    #[must_use]
    pub fn adopts(&self, device: &DeviceId, serial: &str, issued_at: Timestamp, expires_at: Timestamp) -> bool {
        let Ok(mut known) = self.0.write() else { return false };
        if known.allows(device, serial) {
            // A connection beside this one took it on a moment ago.
            return true;
        }
        let within = known.seam.is_some_and(|seam| (seam.from..=seam.until).contains(&issued_at));
        if !within || !known.devices.contains_key(device) || !known.closed.insert(device.clone()) {
            return false;
        }
        tracing::info!(%device, serial, seam = ?known.seam, "a certificate that was issued after the backup is taken on");
        let serial = serial.to_owned();
        known.admit(device.clone(), serial.clone());
        known.adopted.push(AdoptedCertificate { device: device.clone(), serial, issued_at, expires_at });
        true
    }

    /// Certificates that were taken on and are not kept yet.
    pub(super) fn take_adopted(&self) -> Vec<AdoptedCertificate> {
        if self.0.read().is_ok_and(|known| known.adopted.is_empty()) {
            return Vec::new();
        }
        self.0.write().map(|mut known| std::mem::take(&mut known.adopted)).unwrap_or_default()
    }

    /// A device may come by this certificate no more; by its others it may.
    pub(super) fn withdraw(&self, device: &DeviceId, serial: &str) {
        if let Ok(mut known) = self.0.write()
            && let Some(serials) = known.devices.get_mut(device)
        {
            serials.retain(|one| one != serial);
        }
    }

    /// Lets a device connect no more, and takes none of the seam's certificates on for it, even where it is let in again.
    pub fn expel(&self, device: &DeviceId) {
        if let Ok(mut known) = self.0.write() {
            known.expel(device);
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
        assert!(access.adopts(&known, "bb", at(15), at(99)), "shown twice at once");
        let adopted = access.take_adopted();
        assert!(adopted.len() == 1 && adopted[0].serial == "bb" && access.take_adopted().is_empty(), "{adopted:?}");
        assert!(!access.adopts(&known, "cc", at(16), at(99)) && !access.allows(&known, "cc"), "a second one");
        assert!(access.knows(&known) && !access.knows(&stranger));
        access.expel(&known);
        assert!(!access.knows(&known));
        assert!(!access.adopts(&known, "bb", at(15), at(99)) && !access.allows(&known, "bb"), "revoked since");
    }

    #[test]
    fn the_seam_of_a_device_closes_for_good() {
        let device = |name: &str| DeviceId::new(name).expect("valid");
        let at = Timestamp::from_millis;
        let access = CertificateAllowlist::default();
        access.set_seam(RestoreSeam { from: at(10), until: at(20) });
        for name in ["anew", "renewed", "revoked", "said", "none"] {
            access.admit(device(name), "aa".to_owned());
        }
        access.enrol(device("anew"), "new".to_owned());
        access.renew(device("renewed"), "new".to_owned());
        access.expel(&device("revoked"));
        // Let in again, as a device that was kept out and is released.
        access.admit(device("revoked"), "aa".to_owned());
        access.close_seam([device("said")]);
        for name in ["anew", "renewed", "revoked", "said"] {
            assert!(!access.adopts(&device(name), "bb", at(15), at(99)), "{name}");
        }
        assert!(!access.allows(&device("anew"), "aa") && access.allows(&device("renewed"), "aa"));
        assert!(access.adopts(&device("none"), "bb", at(15), at(99)), "each by itself");
        access.withdraw(&device("none"), "bb");
        assert!(!access.allows(&device("none"), "bb") && access.allows(&device("none"), "aa"));
        assert!(!access.adopts(&device("none"), "bb", at(15), at(99)));
    }

    #[test]
    fn handshakes_at_the_same_time_take_one_certificate_on_once() {
        let device = DeviceId::new("srv-1").expect("valid");
        let at = Timestamp::from_millis;
        let access = CertificateAllowlist::default();
        access.set_seam(RestoreSeam { from: at(10), until: at(20) });
        access.admit(device.clone(), "aa".to_owned());
        let let_in: Vec<bool> = std::thread::scope(|scope| {
            let one = |turn: usize| {
                let (access, device) = (&access, &device);
                let serial = if turn.is_multiple_of(2) { "bb" } else { "cc" };
                scope.spawn(move || access.adopts(device, serial, at(15), at(99)))
            };
            let all: Vec<_> = (0..8).map(one).collect();
            all.into_iter().map(|one| one.join().expect("ends")).collect()
        });
        assert_eq!(let_in.iter().filter(|yes| **yes).count(), 4, "one of the two, each time it is shown");
        assert_eq!(access.take_adopted().len(), 1);
    }
}
