//! Renewal of the certificate: asked for at two thirds of its life, tried before it is promoted.
//!
//! It is due by the calendar or after that while by the boot clock, whichever comes first: a clock that was set back lets no certificate
//! run out, and how often it is asked goes by the boot clock alone, wherever the calendar stands.

use std::path::{Path, PathBuf};

use ioc_common::clock::Timestamp;
use ioc_common::codec;
use ioc_common::report::{Certificate, Renew};

use crate::enrol::{self, KeyRequest};
use crate::identity::{Identity, IdentityStore, Material, client_config};

/// Between two requests: a tenth of what is left of the certificate's life, within these bounds.
const RETRY_MIN_MS: i64 = 2000;
const RETRY_MAX_MS: i64 = 3_600_000;

/// Where a renewal stands.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    /// The request that was sent and not yet answered.
    pending: Option<KeyRequest>,
    next_ask_ms: u64,
    /// When it is due on the boot clock; told by the calendar when the agent starts.
    due_ms: Option<u64>,
    trial: Option<Trial>,
}

#[derive(Debug)]
struct Trial {
    dir: PathBuf,
    renew_at: Timestamp,
    expires_at: Timestamp,
}

impl Renewal {
    /// The request to send now, when it is time.
    pub(super) fn ask(
        &mut self,
        store: &IdentityStore,
        identity: &Identity,
        now: Timestamp,
        now_ms: u64,
    ) -> Option<Vec<u8>> {
        if !self.is_due(identity, now, now_ms) {
            return None;
        }
        let request = enrol::request().map_err(|error| tracing::error!(%error, "cannot renew the certificate")).ok()?;
        // Our own endpoint sees the certificate; through a broker only this says who asks.
        let proof = store.prove(&request.csr).inspect_err(|error| tracing::error!(%error, "no proof for the renewal"));
        let payload = codec::write_message(&Renew { csr: request.csr.clone(), proof: proof.ok().flatten() }).ok()?;
        self.pending = Some(request);
        Some(payload)
    }

    /// Whether it is to be asked for now; then it is not for a while.
    fn is_due(&mut self, identity: &Identity, now: Timestamp, now_ms: u64) -> bool {
        let until = identity.renew_at.millis_since(now).max(0).unsigned_abs();
        let due_ms = *self.due_ms.get_or_insert(now_ms.saturating_add(until));
        if (now < identity.renew_at && now_ms < due_ms) || now_ms < self.next_ask_ms || self.trial.is_some() {
            return false;
        }
        let third = third_of_life(identity);
        let left = identity.expires_at.millis_since(now);
        let left = if (1..third).contains(&left) { left } else { third };
        self.next_ask_ms = now_ms + (left / 10).clamp(RETRY_MIN_MS, RETRY_MAX_MS).unsigned_abs();
        true
    }

    /// A certificate came. True when it should be tried now.
    pub(super) fn take_certificate(&mut self, store: &IdentityStore, message: Certificate, now_ms: u64) -> bool {
        let Some(KeyRequest { key, .. }) = self.pending.take() else {
            tracing::warn!("a certificate came that was not asked for");
            return false;
        };
        let Certificate { certificate, authorities, renew_at, expires_at } = message;
        // Whom an agent trusts is decided at its enrolment: whoever stands between could else put in another authority.
        if !store.trusts(&authorities) {
            tracing::error!("a certificate came with other authorities than those that are trusted; the old one stays");
            self.next_ask_ms = now_ms + RETRY_MAX_MS.unsigned_abs();
            return false;
        }
        let staged = store.stage(&Material { key, certificate, authorities });
        // Key and certificate must belong together before a link is risked on them.
        match staged.and_then(|dir| client_config(&dir).map(|_| dir)) {
            Ok(dir) => {
                self.trial = Some(Trial { dir, renew_at, expires_at });
                true
            }
            Err(error) => {
                tracing::error!(%error, "the renewed certificate cannot be used; the old one stays");
                self.next_ask_ms = now_ms + RETRY_MAX_MS.unsigned_abs();
                false
            }
        }
    }

    /// The directory that is being tried.
    pub(super) fn trial(&self) -> Option<&Path> {
        self.trial.as_ref().map(|trial| trial.dir.as_path())
    }

    /// The link opened. Promotes what was tried and returns the identity with its new dates.
    pub(super) fn promote_trial(
        &mut self,
        store: &IdentityStore,
        identity: &Identity,
        now_ms: u64,
    ) -> Option<Identity> {
        let Trial { dir, renew_at, expires_at } = self.trial.take()?;
        let renewed = Identity { renew_at, expires_at, ..identity.clone() };
        match store.promote(&dir).and_then(|()| store.save_identity(&renewed)) {
            Ok(()) => {
                tracing::info!(%expires_at, "certificate renewed");
                // Whatever the calendar says: what has just come is good for a third of its life at the least.
                let third = third_of_life(&renewed).unsigned_abs();
                (self.due_ms, self.next_ask_ms) = (Some(now_ms + 2 * third), now_ms + third);
                Some(renewed)
            }
            Err(error) => {
                tracing::error!(%error, "the renewed certificate works but cannot be kept");
                None
            }
        }
    }

    /// The link closed. True when a trial failed, and the old certificate should be used at once.
    pub(super) fn abandon_trial(&mut self, why: &str, now_ms: u64) -> bool {
        let Some(trial) = self.trial.take() else { return false };
        tracing::error!(why, "the renewed certificate does not work; the old one stays");
        let _ = std::fs::remove_dir_all(trial.dir);
        self.next_ask_ms = now_ms + RETRY_MAX_MS.unsigned_abs();
        true
    }
}

/// From two thirds of a certificate's life to its end, milliseconds.
fn third_of_life(identity: &Identity) -> i64 {
    identity.expires_at.millis_since(identity.renew_at).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn identity(days: i64) -> Identity {
        let issued: Timestamp = "2026-11-28T00:00:00Z".parse().expect("a time");
        let (renew_at, expires_at) =
            (issued.plus_millis(days * 2 * 28_800_000), issued.plus_millis(days * 3 * 28_800_000));
        let device = ioc_common::id::DeviceId::new("srv-1").expect("valid");
        Identity { device, mqtt: String::new(), renew_at, expires_at }
    }

    /// How often it is asked for in so many hours after a step of the clock an hour after the start.
    fn asked(days: i64, hours: u64, step_ms: i64) -> Vec<u64> {
        let (identity, mut renewal) = (identity(days), Renewal::default());
        let start = identity.expires_at.plus_millis(-days * 86_400_000);
        let due = |hour: &u64| {
            let step = if *hour >= 1 { step_ms } else { 0 };
            let now = start.plus_millis((hour * HOUR).cast_signed() + step);
            renewal.is_due(&identity, now, hour * HOUR)
        };
        (0..hours).filter(due).collect()
    }

    #[test]
    fn a_certificate_is_renewed_in_time_whatever_is_done_to_the_clock() {
        let year = 365 * 86_400_000;
        assert_eq!(asked(30, 24 * 30, 0).first(), Some(&(24 * 20)));
        assert_eq!(asked(30, 24 * 30, -year).first(), Some(&(24 * 20)), "set back, it is due after the same while");
        let ahead = asked(30, 48, 10 * year);
        assert_eq!(
            (ahead.first(), ahead.len()),
            (Some(&1), 47),
            "set forward, it is asked for at once, and once an hour at most"
        );
    }
}
