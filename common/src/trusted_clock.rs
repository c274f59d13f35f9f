//! The time a program goes by while somebody else may set the machine's clock: the wall clock, as long as it goes as the boot clock does.
//!
//! Slewing (NTP, at most 500 ppm) is followed. A step is not: until it was looked at, time goes on as the boot clock says, so that
//! nothing is judged by a time that jumped. Pure; [`crate::clock`] reads the clocks, and the collector's engine decides what becomes of a step.

use crate::timestamp::Timestamp;

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// What the wall clock shows, which anybody with the right may set.
    pub wall: Timestamp,
    /// Milliseconds since the machine booted, suspend included.
    pub boot_ms: u64,
}

impl ClockReading {
    /// How far the wall clock is ahead of the boot clock, milliseconds.
    #[must_use]
    pub fn offset_ms(self) -> i64 {
        self.wall.as_millis().saturating_sub(signed(self.boot_ms))
    }
}

/// The clocks may part by this much before it is a step, milliseconds.
pub const STEP_MS: i64 = 1000;
/// Slewing that is followed, parts of a million: twice what the kernel does at most (adjtimex(2), MAXFREQ).
const SLEW_PPM: i64 = 1000;

/// What is believed of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedClock {
    offset_ms: i64,
    followed_boot_ms: u64,
}

impl TrustedClock {
    /// Believes the wall clock as it stands.
    #[must_use]
    pub fn new(reading: ClockReading) -> Self {
        Self { offset_ms: reading.offset_ms(), followed_boot_ms: reading.boot_ms }
    }

    /// Goes on from what was believed when the boot clock stood at `boot_ms`.
    #[must_use]
    pub const fn resume(offset_ms: i64, boot_ms: u64) -> Self {
        Self { offset_ms, followed_boot_ms: boot_ms }
    }

    /// How far the time that is believed is ahead of the boot clock, milliseconds.
    #[must_use]
    pub const fn offset_ms(&self) -> i64 {
        self.offset_ms
    }

    /// The time: the wall clock where the two agree, else the boot clock's.
    #[must_use]
    pub fn now(&self, reading: ClockReading) -> Timestamp {
        believed(self.offset_ms, reading)
    }

    /// Follows slewing, and says by how much the wall clock stands away from what is believed where that is a step: milliseconds, with
    /// sign, positive when it was set forward.
    pub fn look(&mut self, reading: ClockReading) -> Option<i64> {
        let passed_ms = reading.boot_ms.saturating_sub(self.followed_boot_ms);
        let slewed = signed(passed_ms).saturating_mul(SLEW_PPM) / 1_000_000;
        let error = reading.offset_ms().saturating_sub(self.offset_ms);
        // Small steps one after the other are a step together: what is followed is bounded by the time that passed.
        if error.abs() > STEP_MS.saturating_add(slewed) {
            return Some(error);
        }
        let follow = error.clamp(-slewed, slewed);
        if follow != 0 || error == 0 {
            self.offset_ms += follow;
            self.followed_boot_ms = reading.boot_ms;
        }
        None
    }

    /// Believes the wall clock from now on.
    pub fn adopt(&mut self, reading: ClockReading) {
        *self = Self::new(reading);
    }
}

/// The time by an offset that is believed.
#[must_use]
pub(crate) fn believed(offset_ms: i64, reading: ClockReading) -> Timestamp {
    let ours = Timestamp::from_millis(signed(reading.boot_ms).saturating_add(offset_ms));
    if reading.wall.millis_since(ours).abs() <= STEP_MS { reading.wall } else { ours }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WALL: i64 = 1_795_485_600_000;

    fn reading(boot_ms: u64, wall_ahead_ms: i64) -> ClockReading {
        ClockReading { wall: Timestamp::from_millis(WALL + signed(boot_ms) + wall_ahead_ms), boot_ms }
    }

    #[test]
    fn slewing_is_followed_and_a_step_is_not() {
        let mut trusted = TrustedClock::new(reading(0, 0));
        // A day of the fastest slewing, looked at every ten seconds, and then once in a day.
        for second in (0..86_400).step_by(10) {
            assert_eq!(trusted.look(reading(second * 1000, signed(second) / 2)), None, "{second}");
        }
        assert_eq!(trusted.look(reading(172_800_000, 86_400)), None);
        let at = reading(172_900_000, 86_450 - 3_600_000);
        let step = trusted.look(at).expect("a step");
        assert!((-3_600_100..=-3_599_900).contains(&step), "{step}");
        assert!(trusted.now(at).millis_since(at.wall) > 3_599_000, "time goes on as it did");
        trusted.adopt(at);
        assert_eq!((trusted.look(at), trusted.now(at)), (None, at.wall));
    }

    #[test]
    fn many_small_steps_are_a_step() {
        let mut trusted = TrustedClock::new(reading(0, 0));
        let found = (1..20).find_map(|n| trusted.look(reading(n * 1000, signed(n) * 900)));
        assert!(found.is_some_and(|step| step > 1000), "{found:?}");
    }

    proptest! {
        #[test]
        fn time_goes_as_the_boot_clock_does_whatever_the_wall_clock_says(ahead in any::<i32>(), passed in 0_u64..100_000_000) {
            let mut trusted = TrustedClock::new(reading(5000, 0));
            let at = reading(5000 + passed, i64::from(ahead) * 1000);
            let error = trusted.now(at).millis_since(reading(5000 + passed, 0).wall).abs();
            prop_assert!(error <= STEP_MS);
            prop_assert_eq!(trusted.look(at).is_some(), i64::from(ahead).abs() * 1000 > STEP_MS + signed(passed) / 1000);
        }
    }
}
