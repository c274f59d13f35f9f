//! Sealed texts that a browser keeps for us while someone signs in, so that strangers can neither read, change nor pile them up.
//!
//! The key is made at every start: what is sealed is good until the collector starts anew.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use ioc_common::random;

use ioc_engine::pki::PkiError;

/// Longest text that is opened: a cookie holds 4 KiB.
const TEXT_MAX_BYTES: usize = 4096;
/// Most that are remembered as used up; they are good for minutes only.
const SPENT_MAX: usize = 1000;

/// Seals and opens.
pub(crate) struct Seal {
    key: LessSafeKey,
    /// What was used up, by its nonce. Only whoever came in uses something up, so no stranger fills this.
    spent: Mutex<VecDeque<String>>,
}

impl Seal {
    /// A key of its own.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub(crate) fn new() -> Result<Self, PkiError> {
        let bytes: [u8; 32] = random::secret()?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| failed())?;
        Ok(Self { key: LessSafeKey::new(key), spent: Mutex::default() })
    }

    /// Seals these parts for a purpose, until then: milliseconds of the boot clock.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub(crate) fn close(&self, purpose: &str, parts: &[&str], until_ms: u64) -> Result<String, PkiError> {
        let nonce: [u8; NONCE_LEN] = random::secret()?;
        let mut text = serde_json::to_vec(&(until_ms, parts)).map_err(|_| failed())?;
        let sealed = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(sealed, Aad::from(purpose), &mut text).map_err(|_| failed())?;
        Ok(URL_SAFE_NO_PAD.encode([&nonce[..], &text].concat()))
    }

    /// It has served: it is opened no more. To be called only for what was opened.
    pub(crate) fn spend(&self, text: &str) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.len() >= SPENT_MAX {
            spent.pop_front();
        }
        spent.push_back(begin(text).to_owned());
    }

    /// What was sealed for this purpose; none when it was not, was changed, was used up, or its time is over.
    pub(crate) fn open<const N: usize>(&self, purpose: &str, text: &str, now_ms: u64) -> Option<[String; N]> {
        let spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|one| one == begin(text));
        if text.len() > TEXT_MAX_BYTES || spent {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.key.open_in_place(nonce, Aad::from(purpose), sealed).ok()?;
        let (until_ms, parts): (u64, Vec<String>) = serde_json::from_slice(plain).ok()?;
        if now_ms < until_ms { parts.try_into().ok() } else { None }
    }
}

/// The letters that hold the nonce: twelve bytes are sixteen letters.
fn begin(text: &str) -> &str {
    text.get(..NONCE_LEN / 3 * 4).unwrap_or(text)
}

fn failed() -> PkiError {
    PkiError::Make("it cannot be sealed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened_for_its_purpose_unchanged_and_in_time() {
        let seal = Seal::new().expect("random");
        let text = seal.close("oidc", &["state", "nonce"], 1000).expect("sealed");
        let parts = [String::from("state"), String::from("nonce")];
        assert_eq!(seal.open::<2>("oidc", &text, 999), Some(parts));
        assert_eq!(seal.open::<2>("oidc", &text, 1000), None, "its time is over");
        assert_eq!(seal.open::<2>("code", &text, 0), None, "another purpose");
        assert_eq!(seal.open::<3>("oidc", &text, 0), None, "other parts");
        assert_eq!(Seal::new().expect("random").open::<2>("oidc", &text, 0), None, "another's");
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("letters");
            // The last letter holds bits that mean nothing; then it is no text of ours either.
            assert_eq!(seal.open::<2>("oidc", &changed, 0), None, "letter {at}");
        }
        for wrong in ["", "AAAA", "?", &"A".repeat(5000)] {
            assert_eq!(seal.open::<2>("oidc", wrong, 0), None);
        }
        let other = seal.close("oidc", &["state", "nonce"], 1000).expect("sealed");
        seal.spend(&text);
        assert!(seal.open::<2>("oidc", &text, 0).is_none() && seal.open::<2>("oidc", &other, 0).is_some(), "used up");
        assert_ne!(seal.close("oidc", &["a"], 1).expect("sealed"), seal.close("oidc", &["a"], 1).expect("sealed"));
    }
}
