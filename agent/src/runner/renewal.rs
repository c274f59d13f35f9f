//! Renewal of the certificate: asked for at two thirds of its life, tried before it is promoted.

use std::path::{Path, PathBuf};

use ioc_common::clock::Timestamp;
use ioc_common::codec;
use ioc_common::report::{Certificate, Renew};

use crate::enrol::{self, Request};
use crate::identity::{Identity, Material, Store, client_config};

/// Between two requests: a tenth of what is left of the certificate's life, within these bounds.
const RETRY_MIN_MS: i64 = 2000;
const RETRY_MAX_MS: i64 = 3_600_000;

/// Where a renewal stands.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    asked: Option<Request>,
    next_ask_ms: u64,
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
    pub(super) fn ask(&mut self, identity: &Identity, now: Timestamp, now_ms: u64) -> Option<Vec<u8>> {
        if now < identity.renew_at || now_ms < self.next_ask_ms || self.trial.is_some() {
            return None;
        }
        let left = identity.expires_at.millis_since(now) / 10;
        self.next_ask_ms = now_ms + left.clamp(RETRY_MIN_MS, RETRY_MAX_MS).unsigned_abs();
        let request = enrol::request().map_err(|error| tracing::error!(%error, "cannot renew the certificate")).ok()?;
        let payload = codec::write_message(&Renew { csr: request.csr.clone() }).ok()?;
        self.asked = Some(request);
        Some(payload)
    }

    /// A certificate came. True when it should be tried now.
    pub(super) fn received(&mut self, store: &Store, message: Certificate, now_ms: u64) -> bool {
        let Some(Request { key, .. }) = self.asked.take() else {
            tracing::warn!("a certificate came that was not asked for");
            return false;
        };
        let Certificate { certificate, authorities, renew_at, expires_at } = message;
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
    pub(super) fn trial_passed(&mut self, store: &Store, identity: &Identity) -> Option<Identity> {
        let Trial { dir, renew_at, expires_at } = self.trial.take()?;
        let renewed = Identity { renew_at, expires_at, ..identity.clone() };
        match store.promote(&dir).and_then(|()| store.save_identity(&renewed)) {
            Ok(()) => {
                tracing::info!(%expires_at, "certificate renewed");
                Some(renewed)
            }
            Err(error) => {
                tracing::error!(%error, "the renewed certificate works but cannot be kept");
                None
            }
        }
    }

    /// The link closed. True when a trial failed, and the old certificate should be used at once.
    pub(super) fn trial_failed(&mut self, why: &str, now_ms: u64) -> bool {
        let Some(trial) = self.trial.take() else { return false };
        tracing::error!(why, "the renewed certificate does not work; the old one stays");
        let _ = std::fs::remove_dir_all(trial.dir);
        self.next_ask_ms = now_ms + RETRY_MAX_MS.unsigned_abs();
        true
    }
}
