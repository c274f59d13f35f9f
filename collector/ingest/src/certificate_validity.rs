//! By which certificate a connection stands, and until when: it ends with its certificate, and does not outlive it because nobody hung up.

use std::sync::Arc;
use std::time::Duration;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

use super::end_cause::EndCause;
use ioc_engine::writer::CertificateAllowlist;

/// How long nobody looks, where the end is further away: what was taken back without a word is found then.
const LOOK_MAX: Duration = Duration::from_secs(30);

/// The certificate of a connection.
#[derive(Debug)]
pub(super) struct CertificateValidity {
    pub(super) serial: String,
    /// Its end, by our clock.
    pub(super) until: Timestamp,
    pub(super) access: Arc<CertificateAllowlist>,
}

impl CertificateValidity {
    /// Why the connection may stand no longer; none while it may.
    pub(super) fn ended(&self, device: &DeviceId, now: Timestamp) -> Option<EndCause> {
        match () {
            () if self.until <= now => Some(EndCause::CertificateEnded),
            () if !self.access.allows(device, &self.serial) => Some(EndCause::Revoked),
            () => None,
        }
    }

    /// Whether it may be looked at by whoever is awake, so that nobody is woken for it: `left` until it has to be.
    pub(super) fn is_worth_a_look(left: Duration) -> bool {
        left <= LOOK_MAX / 2
    }

    /// How long until it has to be looked at again.
    pub(super) fn look_in(&self, now: Timestamp) -> Duration {
        let left = self.until.millis_since(now).max(0).unsigned_abs();
        Duration::from_millis(left).min(LOOK_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_ends_with_its_certificate_and_with_the_right_to_it() {
        let device = DeviceId::new("srv-01").expect("valid");
        let access = Arc::new(CertificateAllowlist::default());
        access.admit(device.clone(), "aa".to_owned());
        let now = Timestamp::from_millis(1_000_000);
        let validity = CertificateValidity {
            serial: "aa".to_owned(),
            until: now.plus_millis(40_000),
            access: Arc::clone(&access),
        };
        assert_eq!((validity.ended(&device, now), validity.look_in(now)), (None, LOOK_MAX));
        assert_eq!(validity.look_in(now.plus_millis(39_000)), Duration::from_secs(1));
        assert_eq!(validity.ended(&device, now.plus_millis(40_000)), Some(EndCause::CertificateEnded));
        access.expel(&device);
        access.admit(device.clone(), "bb".to_owned());
        assert_eq!(
            validity.ended(&device, now),
            Some(EndCause::Revoked),
            "another certificate of it is good, this one is not"
        );
    }
}
