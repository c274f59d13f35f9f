//! The grid on which the agents' numbers stand, and how far along it one is.
//!
//! What agents report is rounded ([`ioc_common::reading::brief`]): hundredths below ten, tenths below ten thousand, whole numbers up to
//! a hundred thousand, five digits beyond. The places of that grid are counted through, so that neighbours differ by a small whole number
//! wherever they are, and each number comes back exactly.

/// From here on only five digits are kept, and each decade has as many places.
const DECADES_FROM: f64 = 100_000.0;
/// The place of [`DECADES_FROM`].
const DECADES_PLACE: i64 = 190_900;
/// Places of a decade.
const DECADE: i64 = 90_000;
/// Numbers from here on have no place.
const END: f64 = 1e17;
/// Powers of ten.
const TENS: [i64; 13] = {
    let mut tens = [1; 13];
    let mut place = 1;
    while place < 13 {
        tens[place] = tens[place - 1] * 10;
        place += 1;
    }
    tens
};

/// The place next to a number; of those beyond the grid its last.
pub(super) fn nearest(value: f64) -> i64 {
    let size = value.abs();
    // Both signs are counted from nought. Rounding by adding a half is what the processor does at once.
    let place = if size < 10.0 {
        (size * 100.0 + 0.5) as i64
    } else if size < 10_000.0 {
        (size * 10.0 + 0.5) as i64 + 900
    } else if size < DECADES_FROM {
        (size + 0.5) as i64 + 90_900
    } else {
        let decade = ((size.min(END) as u64).ilog10() - 4).min(12) as usize;
        let digits = (size.min(END) / TENS[decade] as f64 + 0.5) as i64;
        DECADES_PLACE + (decade as i64 - 1) * DECADE + (digits - 10_000)
    };
    if value < 0.0 { -place } else { place }
}

/// The number at a place.
pub(super) fn value(place: i64) -> f64 {
    let size = place.unsigned_abs() as i64;
    let value = if size < 1000 {
        size as f64 / 100.0
    } else if size < 100_900 {
        (size - 900) as f64 / 10.0
    } else if size < DECADES_PLACE {
        (size - 90_900) as f64
    } else {
        let beyond = size.wrapping_sub(DECADES_PLACE);
        let decade = usize::try_from(beyond / DECADE).unwrap_or(0) + 1;
        let ten = TENS.get(decade).copied().unwrap_or(0);
        (beyond % DECADE + 10_000) as f64 * ten as f64
    };
    if place < 0 { -value } else { value }
}

/// The place of a number that stands exactly on one.
pub(super) fn place(number: f64) -> Option<i64> {
    let place = nearest(number);
    (value(place).to_bits() == number.to_bits()).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::reading::brief;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_agents_report_stands_on_it(exponent in -3_i32..15, digits in 1.0_f64..10.0, minus in any::<bool>()) {
            let number = brief(digits * 10_f64.powi(exponent) * if minus { -1.0 } else { 1.0 });
            prop_assume!(number != 0.0);
            prop_assert_eq!(place(number).map(value), Some(number));
        }

        #[test]
        fn places_and_numbers_belong_together(at in -1_200_000_i64..1_200_000) {
            prop_assert_eq!(place(value(at)), Some(at));
            prop_assert!(value(at) < value(at + 1));
        }

        #[test]
        fn no_place_is_too_far(at in any::<i64>(), number in any::<f64>()) {
            let _ = (value(at), nearest(number));
        }
    }

    #[test]
    fn its_parts_join() {
        for (number, at) in [(0.0, 0), (9.99, 999), (10.0, 1000), (9999.9, 100_899), (10_000.0, 100_900)] {
            assert_eq!((place(number), value(at)), (Some(at), number));
        }
        assert_eq!((place(99_999.0), place(100_000.0)), (Some(190_899), Some(190_900)));
        assert_eq!((place(999_990.0), place(1_000_000.0)), (Some(280_899), Some(280_900)));
        assert_eq!((place(0.001), place(100_001.0), place(-0.0)), (None, None, None));
    }
}
