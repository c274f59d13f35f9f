//! Phased updates of Ubuntu: which of them are for this machine by now, as apt decides (its `upgrade.cc`).
//!
//! apt throws dice that fall the same way for the same update on the same machine: the C++ library's `seed_seq`, `minstd_rand` and
//! `uniform_int_distribution` (as libstdc++ makes them), seeded with source, version and machine.

/// Most bytes of a seed that are looked at: names and versions are shorter.
const SEED_MAX_BYTES: usize = 1024;
const MODULUS: u64 = 2_147_483_647;
const FACTOR: u64 = 48_271;

/// Whether an update that `percentage` of the machines should have by now is not yet for this one.
pub(super) fn is_held_back(source: &str, version: &str, machine_id: &str, percentage: u32) -> bool {
    throw(&format!("{source}-{version}-{machine_id}")) > u64::from(percentage)
}

/// A number of 0 to 100.
fn throw(seed: &str) -> u64 {
    let seed = &seed.as_bytes()[..seed.len().min(SEED_MAX_BYTES)];
    let mut state = match u64::from(fourth_word(seed)) % MODULUS {
        0 => 1,
        other => other,
    };
    // What lies beyond the last whole part of the range is thrown again.
    let scale = (MODULUS - 2) / 101;
    loop {
        state = state * FACTOR % MODULUS;
        if state - 1 < scale * 101 {
            return (state - 1) / scale;
        }
    }
}

/// The last of the four words that `std::seed_seq` (\[rand.util.seedseq\]) makes of a text.
fn fourth_word(seed: &[u8]) -> u32 {
    const COUNT: usize = 4;
    // With four words: t = 1, p = 1, q = 2.
    let mix = |x: u32| x ^ (x >> 27);
    let mut words = [0x8b8b_8b8b_u32; COUNT];
    let low = |number: usize| u32::try_from(number & 0xffff_ffff).unwrap_or(0);
    let rounds = (seed.len() + 1).max(COUNT);
    for k in 0..rounds {
        let at = [k % COUNT, (k + 1) % COUNT, (k + 2) % COUNT, (k + COUNT - 1) % COUNT];
        let first = mix(words[at[0]] ^ words[at[1]] ^ words[at[3]]).wrapping_mul(1_664_525);
        let added = match k {
            0 => low(seed.len()),
            // As a signed character of C++ is widened.
            k if k <= seed.len() => low(at[0]).wrapping_add(i32::from(seed[k - 1].cast_signed()).cast_unsigned()),
            _ => low(at[0]),
        };
        let second = first.wrapping_add(added);
        words[at[1]] = words[at[1]].wrapping_add(first);
        words[at[2]] = words[at[2]].wrapping_add(second);
        words[at[0]] = second;
    }
    for k in rounds..rounds + COUNT {
        let at = [k % COUNT, (k + 1) % COUNT, (k + 2) % COUNT, (k + COUNT - 1) % COUNT];
        let sum = words[at[0]].wrapping_add(words[at[1]]).wrapping_add(words[at[3]]);
        let third = mix(sum).wrapping_mul(1_566_083_941);
        let fourth = third.wrapping_sub(low(at[0]));
        words[at[1]] ^= third;
        words[at[2]] ^= fourth;
        words[at[0]] = fourth;
    }
    words[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_library_of_c_plus_plus_throws() {
        // Made by a program of ten lines that does with libstdc++ what apt does.
        for (wanted, seed) in [
            (96, "gtk+3.0-3.24.41-4ubuntu1.3-11111111111111111111111111111111"),
            (97, "linux-meta-6.8.0-50.51-0123456789abcdef0123456789abcdef"),
            (27, "systemd-255.4-1ubuntu8.5-deadbeefdeadbeefdeadbeefdeadbeef"),
            (4, "a-1-"),
            (67, "x"),
            (63, ""),
        ] {
            assert_eq!(throw(seed), wanted, "{seed}");
        }
        let update =
            |percentage| is_held_back("systemd", "255.4-1ubuntu8.5", "deadbeefdeadbeefdeadbeefdeadbeef", percentage);
        assert!(update(26) && !update(27) && !update(100));
    }
}
