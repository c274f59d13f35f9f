//! Randomness for what machines should not do all at once.

/// A number that nobody can foresee; 0 where the system gives none.
pub(super) fn entropy() -> u64 {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0; 8];
    let _ = ring::rand::SystemRandom::new().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
