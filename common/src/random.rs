//! The system's randomness: secrets, and jitter.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SecureRandom as _;

/// The system gives no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no randomness")]
pub struct NoRandomness;

/// A secret of `N` random bytes.
///
/// # Errors
/// [`NoRandomness`] when the system call fails.
pub fn secret<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    ring::rand::SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// A secret of 32 random bytes, in letters that a cookie or an address can hold.
///
/// # Errors
/// [`NoRandomness`] when the system call fails.
pub fn secret_text() -> Result<String, NoRandomness> {
    Ok(URL_SAFE_NO_PAD.encode(secret::<32>()?))
}

/// A number that nobody can foresee, for what machines should not do all at once; 0 where the system gives no randomness.
#[must_use]
pub fn entropy() -> u64 {
    secret().map_or(0, u64::from_le_bytes)
}
