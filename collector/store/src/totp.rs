//! A second factor for signing in: time-based one-time passwords (RFC 6238, SHA-1, 30 s, 6 digits, as every authenticator app
//! speaks it) and codes to recover with. Pure.

use data_encoding::BASE32_NOPAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;

use crate::secret::is_same;
use crate::template::percent_encoded;
use ioc_common::random::{self, NoRandomness};

/// Length of a step, milliseconds.
const STEP_MS: i64 = 30_000;
/// Steps before and after now that are taken: clocks of phones are not ours.
const STEPS_OFF: i64 = 1;
/// Bytes of a secret (RFC 4226 asks for 20).
const SECRET_BYTES: usize = 20;
/// Codes to recover with.
const RECOVERY_CODES: usize = 10;

/// A second factor, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondFactor {
    /// What codes are computed from: 20 bytes, shared with its owner's telephone.
    secret: [u8; SECRET_BYTES],
    /// Its owner has shown that they have it: it is asked for from then on.
    pub confirmed: bool,
    /// The last step that was taken: no code is good twice.
    last_step: i64,
    /// SHA-256 over each code to recover with that is left, hex.
    recovery: Vec<String>,
}

/// How a code was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeKind {
    /// A code of the moment.
    Time,
    /// One of those to recover with; it is used up.
    Recovery,
}

impl SecondFactor {
    /// A new one, not confirmed.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new() -> Result<Self, NoRandomness> {
        Ok(Self { secret: random::secret()?, confirmed: false, last_step: 0, recovery: Vec::new() })
    }

    /// The secret as people type it.
    #[must_use]
    pub fn shown(&self) -> String {
        BASE32_NOPAD.encode(&self.secret)
    }

    /// What an authenticator app reads from a code.
    #[must_use]
    pub fn uri(&self, site: &str, account: &str) -> String {
        let (site, account) = (percent_encoded(site), percent_encoded(account));
        format!("otpauth://totp/{site}:{account}?secret={}&issuer={site}", self.shown())
    }

    /// How many codes to recover with are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.recovery.len()
    }

    /// Checks a code, and uses it up.
    pub fn take(&mut self, code: &str, now: Timestamp) -> Option<CodeKind> {
        let code: String = code.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').collect();
        let step = now.as_millis().div_euclid(STEP_MS);
        for one in step - STEPS_OFF..=step + STEPS_OFF {
            if one > self.last_step && is_same(&self.at(one), &code) {
                self.last_step = one;
                return Some(CodeKind::Time);
            }
        }
        let digest = digest(&code.to_lowercase());
        let place = self.recovery.iter().position(|kept| is_same(kept, &digest))?;
        self.recovery.remove(place);
        Some(CodeKind::Recovery)
    }

    /// The clock was stepped: a code that was taken stays taken.
    pub const fn shift(&mut self, by_ms: i64) {
        if self.last_step > 0 {
            self.last_step += steps_of(by_ms);
        }
    }

    /// New codes to recover with, which are shown once; older ones are good no more.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn renew_recovery(&mut self) -> Result<Vec<String>, NoRandomness> {
        let mut codes = Vec::with_capacity(RECOVERY_CODES);
        for _ in 0..RECOVERY_CODES {
            let text = BASE32_NOPAD.encode(&random::secret::<10>()?).to_lowercase();
            let (head, tail) = text.split_at(8);
            codes.push(format!("{head}-{tail}"));
        }
        self.recovery = codes.iter().map(|code| digest(&code.replace('-', ""))).collect();
        Ok(codes)
    }

    /// The code of a step (RFC 4226, section 5.3).
    fn at(&self, step: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.secret);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let bytes = tag.as_ref();
        let start = bytes.last().map_or(0, |last| usize::from(last & 15));
        let four = bytes.get(start..start + 4).and_then(|four| four.try_into().ok()).unwrap_or([0; 4]);
        format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
    }
}

/// How many steps further a code that was taken is after a step of the clock, rounded up: it stays taken, and a clock set back keeps nobody
/// out until it has caught up.
pub const fn steps_of(by_ms: i64) -> i64 {
    by_ms.div_euclid(STEP_MS) + (by_ms.rem_euclid(STEP_MS) > 0) as i64
}

fn digest(code: &str) -> String {
    sha256_hex(code.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn the_vectors_of_the_standard() {
        // RFC 6238, appendix B, SHA-1; the last six of its eight digits.
        let known =
            SecondFactor { secret: *b"12345678901234567890", confirmed: true, last_step: 0, recovery: Vec::new() };
        for (seconds, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(known.clone().take(code, at(seconds)), Some(CodeKind::Time), "{seconds}");
        }
        assert_eq!(known.shown(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(BASE32_NOPAD.encode(b"fooba"), "MZXW6YTB");
        assert_eq!(BASE32_NOPAD.encode(b"foob"), "MZXW6YQ");
        let uri = known.uri("IOC tỉnh", "lan");
        assert!(uri.starts_with("otpauth://totp/IOC%20t%E1%BB%89nh:lan?secret=GEZDGNBV"), "{uri}");
    }

    #[test]
    fn no_code_is_good_twice() {
        let mut second = SecondFactor::new().expect("random");
        let now = at(1_800_000_000);
        let code = second.at(1_800_000_000 / 30);
        let earlier = second.at(1_800_000_000 / 30 - 1);
        assert_eq!(second.take("000 000", at(1)), None);
        assert_eq!(second.take(&format!("{} {}", &code[..3], &code[3..]), now), Some(CodeKind::Time));
        assert_eq!((second.take(&code, now), second.take(&earlier, now)), (None, None));
        let codes = second.renew_recovery().expect("random");
        assert_eq!((codes.len(), second.left()), (10, 10));
        assert_eq!(second.take(&codes[3].to_uppercase(), now), Some(CodeKind::Recovery));
        assert_eq!((second.take(&codes[3], now), second.left()), (None, 9));
        assert_eq!(second.take("", now), None);
    }
}
