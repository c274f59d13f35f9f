//! How long is waited before what failed is tried again: doubled each time, within bounds, and with jitter where many would come
//! back at the same moment. Pure.

/// The wait after `times` earlier ones, milliseconds: `first_ms`, doubled each time, at most `last_ms`.
#[must_use]
pub const fn doubled_ms(times: u32, first_ms: u64, last_ms: u64) -> u64 {
    let doubled = first_ms.saturating_mul(1 << if times < 32 { times } else { 32 });
    if doubled < last_ms { doubled } else { last_ms }
}

/// The wait after `times` earlier ones before another system is asked again over a network, milliseconds: some moment of the second half
/// of [`doubled_ms`]. `entropy` is any random number ([`crate::random::entropy`]).
#[must_use]
pub const fn retry_ms(times: u32, first_ms: u64, last_ms: u64, entropy: u64) -> u64 {
    jittered_ms(doubled_ms(times, first_ms, last_ms), entropy)
}

/// Some moment of the second half of `wait_ms`, so that those who fail together do not come back together. `entropy` is any random
/// number.
#[must_use]
pub const fn jittered_ms(wait_ms: u64, entropy: u64) -> u64 {
    wait_ms / 2 + entropy % (wait_ms / 2 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_are_doubled_up_to_the_last() {
        assert_eq!(
            [0, 1, 2, 3, 9, u32::MAX].map(|times| doubled_ms(times, 1000, 5000)),
            [1000, 2000, 4000, 5000, 5000, 5000]
        );
    }

    proptest! {
        #[test]
        fn jitter_stays_in_the_second_half(wait in 0_u64..1 << 40, entropy in any::<u64>()) {
            let jittered = jittered_ms(wait, entropy);
            prop_assert!(jittered <= wait && jittered >= wait / 2);
            prop_assert!((500..=1000).contains(&retry_ms(0, 1000, 5000, entropy)));
            prop_assert!((2500..=5000).contains(&retry_ms(9, 1000, 5000, entropy)));
        }
    }
}
