//! How a sample's numbers are kept: one compact row per report, with its own checksum.
//!
//! SQLite serves flipped bytes silently, so every row proves itself.

use ioc_common::report::Body;

use super::checksum::{Corrupt, with_checksum, without_checksum};

/// Version of the row's form, its first byte.
const VERSION: u8 = 1;
/// Values are kept as whole hundredths where that is exact.
pub(super) const SCALE: f64 = 100.0;
/// Largest whole number that a float holds exactly.
pub(super) const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

const NULL: u8 = 0;
const WHOLE: u8 = 1;
const HUNDREDTHS: u8 = 2;
const RAW: u8 = 3;

/// Packs a sample's numbers: two bits of form each, then the numbers, then CRC-32.
#[must_use]
pub fn pack(values: &[Option<f64>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + values.len() * 4);
    bytes.push(VERSION);
    varint(&mut bytes, values.len() as u64);
    let forms = bytes.len();
    bytes.resize(forms + values.len().div_ceil(4), 0);
    for (place, value) in values.iter().enumerate() {
        let form = match *value {
            None => NULL,
            Some(value) if value.fract() == 0.0 && value.abs() < EXACT_MAX => {
                varint(&mut bytes, zigzag(value as i64));
                WHOLE
            }
            Some(value) => {
                let scaled = (value * SCALE).round();
                if scaled.abs() < EXACT_MAX && (scaled / SCALE).to_bits() == value.to_bits() {
                    varint(&mut bytes, zigzag(scaled as i64));
                    HUNDREDTHS
                } else {
                    bytes.extend_from_slice(&value.to_le_bytes());
                    RAW
                }
            }
        };
        bytes[forms + place / 4] |= form << (place % 4 * 2);
    }
    with_checksum(bytes)
}

/// Packs the numbers of a report that is a sample; nothing of any other.
#[must_use]
pub fn pack_body(body: &Body) -> Option<Vec<u8>> {
    match body {
        Body::Sample(sample) => Some(pack(&sample.v)),
        Body::Hello(_) | Body::State(_) | Body::Software(_) | Body::Event(_) | Body::Goodbye(_) => None,
    }
}

/// Unpacks what [`pack`] made.
///
/// # Errors
/// [`Corrupt`] when the bytes are no packed row, or cut short.
pub fn unpack(row: &[u8]) -> Result<Vec<Option<f64>>, Corrupt> {
    let mut values = Vec::new();
    unpack_into(row, &mut values)?;
    Ok(values)
}

/// Unpacks what [`pack`] made into the place of what was there.
///
/// # Errors
/// [`Corrupt`] when it is anything else.
pub fn unpack_into(row: &[u8], values: &mut Vec<Option<f64>>) -> Result<(), Corrupt> {
    values.clear();
    let mut rest = without_checksum(row, VERSION)?;
    let count = usize::try_from(read_varint(&mut rest)?).map_err(|_| Corrupt)?;
    if count > ioc_common::layout::LAYOUT_MAX_SERIES {
        return Err(Corrupt);
    }
    let (forms, mut rest) = rest.split_at_checked(count.div_ceil(4)).ok_or(Corrupt)?;
    values.reserve(count);
    for place in 0..count {
        values.push(match forms[place / 4] >> (place % 4 * 2) & 3 {
            NULL => None,
            WHOLE => Some(unzigzag(read_varint(&mut rest)?) as f64),
            HUNDREDTHS => Some(unzigzag(read_varint(&mut rest)?) as f64 / SCALE),
            _ => {
                let (raw, tail) = rest.split_first_chunk::<8>().ok_or(Corrupt)?;
                rest = tail;
                Some(f64::from_le_bytes(*raw))
            }
        });
    }
    if rest.is_empty() { Ok(()) } else { Err(Corrupt) }
}

pub(super) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(super) const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// A number with sign, small ones in few bytes.
pub(crate) fn signed_varint(bytes: &mut Vec<u8>, value: i64) {
    varint(bytes, zigzag(value));
}

/// Reads what [`signed_varint`] wrote.
pub(crate) fn read_signed_varint(rest: &mut &[u8]) -> Result<i64, Corrupt> {
    read_varint(rest).map(unzigzag)
}

pub(crate) fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

pub(crate) fn read_varint(rest: &mut &[u8]) -> Result<u64, Corrupt> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first().ok_or(Corrupt)?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_back(values in prop::collection::vec(prop::option::of(prop_oneof![
            -1e15_f64..1e15, (0_i64..1_000_000).prop_map(|n| n as f64 / 100.0), (0_i64..1 << 50).prop_map(|n| n as f64),
        ]), 0..200)) {
            prop_assert_eq!(unpack(&pack(&values)), Ok(values));
        }

        #[test]
        fn a_flipped_bit_is_noticed(values in prop::collection::vec(prop::option::of(0.0_f64..100.0), 1..60), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut row = pack(&values);
            let place = at.index(row.len());
            row[place] ^= 1_u8 << bit;
            prop_assert_eq!(unpack(&row), Err(Corrupt));
        }
    }

    #[test]
    fn a_usual_sample_takes_about_three_bytes_a_number() {
        let values: Vec<_> = (0..60).map(|n| Some(f64::from(n * 37 % 1000) / 10.0)).collect();
        assert!(pack(&values).len() < 60 * 3, "{} bytes", pack(&values).len());
    }
}
