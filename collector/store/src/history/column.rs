//! One series over a while: its numbers in the smallest form that keeps each exactly.
//!
//! A number that is not known is *not a number* in memory, and a hole in what is kept.

use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress};

use super::checksum::Corrupt;
use super::row::{EXACT_MAX, SCALE, read_varint, varint};
use super::{grid, ints};

/// How hard `pco` tries; beyond this it takes longer and saves nothing.
const LEVEL: usize = 8;

/// Nothing is known.
const NONE: u8 = 0;
/// Places on the grid of what agents report.
const GRID: u8 = 1;
/// Whole multiples of a number.
const WHOLE: u8 = 2;
/// The same, in hundredths.
const HUNDREDTHS: u8 = 3;
/// As they are, compressed with `pco`.
const RAW: u8 = 4;
/// With this, lengths of what is known and what is not come first.
const HOLES: u8 = 0x80;

/// What stands for a number that is not known.
pub(super) const UNKNOWN: f64 = f64::NAN;

/// Appends numbers; how many they are is not kept.
pub(super) fn write(bytes: &mut Vec<u8>, values: &[f64]) {
    if values.iter().any(|value| value.is_nan()) {
        let form = bytes.len();
        bytes.push(0);
        write_runs(bytes, values);
        let known: Vec<f64> = values.iter().filter(|value| !value.is_nan()).copied().collect();
        bytes[form] = write_known(bytes, &known) | HOLES;
    } else {
        let form = bytes.len();
        bytes.push(0);
        bytes[form] = write_known(bytes, values);
    }
}

/// Reads as many numbers as there are said to be.
pub(super) fn read(rest: &mut &[u8], count: usize) -> Result<Vec<f64>, Corrupt> {
    let (&form, tail) = rest.split_first().ok_or(Corrupt)?;
    *rest = tail;
    if form & HOLES == 0 {
        return read_known(rest, form, count);
    }
    let runs = read_runs(rest, count)?;
    let known = runs.iter().step_by(2).sum();
    let known = read_known(rest, form & !HOLES, known)?;
    let (mut values, mut from) = (Vec::with_capacity(count), 0);
    for (place, length) in runs.into_iter().enumerate() {
        if place % 2 == 0 {
            values.extend_from_slice(known.get(from..from + length).ok_or(Corrupt)?);
            from += length;
        } else {
            values.resize(values.len() + length, UNKNOWN);
        }
    }
    Ok(values)
}

/// Lengths of what is known and what is not, in turn; the last is what is left.
fn write_runs(bytes: &mut Vec<u8>, values: &[f64]) {
    let mut runs: Vec<u64> = vec![0];
    let mut known = true;
    for value in values {
        if value.is_nan() == known {
            known = !known;
            runs.push(0);
        }
        if let Some(last) = runs.last_mut() {
            *last += 1;
        }
    }
    varint(bytes, runs.len() as u64);
    for run in &runs[..runs.len() - 1] {
        varint(bytes, *run);
    }
}

fn read_runs(rest: &mut &[u8], count: usize) -> Result<Vec<usize>, Corrupt> {
    let (many, mut runs, mut left) = (read_varint(rest)?, Vec::new(), count);
    for _ in 1..many {
        let run = usize::try_from(read_varint(rest)?).map_err(|_| Corrupt)?;
        left = left.checked_sub(run).ok_or(Corrupt)?;
        runs.push(run);
    }
    runs.push(left);
    Ok(runs)
}

fn write_known(bytes: &mut Vec<u8>, values: &[f64]) -> u8 {
    if values.is_empty() {
        return NONE;
    }
    if let Some(places) = values.iter().map(|value| grid::place(*value)).collect::<Option<Vec<i64>>>() {
        ints::write(bytes, &places);
        return GRID;
    }
    for (form, scale) in [(WHOLE, 1.0), (HUNDREDTHS, SCALE)] {
        if let Some(mut whole) = values.iter().map(|value| whole(*value, scale)).collect::<Option<Vec<i64>>>() {
            let unit = whole.iter().fold(0, |unit, one| if unit == 1 { 1 } else { divisor(unit, one.unsigned_abs()) });
            let unit = i64::try_from(unit.max(1)).unwrap_or(1);
            whole.iter_mut().for_each(|one| *one /= unit);
            varint(bytes, unit.unsigned_abs());
            ints::write(bytes, &whole);
            return form;
        }
    }
    // `pco` refuses only what its settings or its memory do not allow; ours are fixed.
    let config = ChunkConfig::default().with_compression_level(LEVEL);
    let packed = simple_compress(values, &config).unwrap_or_default();
    varint(bytes, packed.len() as u64);
    bytes.extend_from_slice(&packed);
    RAW
}

fn read_known(rest: &mut &[u8], form: u8, count: usize) -> Result<Vec<f64>, Corrupt> {
    match form {
        NONE if count == 0 => Ok(Vec::new()),
        GRID => Ok(ints::read(rest, count)?.into_iter().map(grid::value).collect()),
        WHOLE | HUNDREDTHS => {
            let unit = read_varint(rest)?.cast_signed();
            let scale = if form == WHOLE { 1.0 } else { SCALE };
            Ok(ints::read(rest, count)?.into_iter().map(|one| one.wrapping_mul(unit) as f64 / scale).collect())
        }
        RAW => {
            let length = usize::try_from(read_varint(rest)?).map_err(|_| Corrupt)?;
            let (packed, tail) = rest.split_at_checked(length).ok_or(Corrupt)?;
            *rest = tail;
            let values = simple_decompress::<f64>(packed).map_err(|_| Corrupt)?;
            if values.len() == count { Ok(values) } else { Err(Corrupt) }
        }
        _ => Err(Corrupt),
    }
}

/// A number as a whole one at this scale, if it is one exactly.
fn whole(value: f64, scale: f64) -> Option<i64> {
    let scaled = (value * scale).round();
    let whole = scaled as i64;
    (scaled.abs() < EXACT_MAX && (whole as f64 / scale).to_bits() == value.to_bits()).then_some(whole)
}

/// The greatest common divisor.
const fn divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::reading::brief;
    use proptest::prelude::*;

    pub(in crate::history) fn values() -> impl Strategy<Value = Vec<f64>> {
        let one = prop_oneof![
            -1e15_f64..1e15,
            (-1e9_f64..1e9).prop_map(brief),
            (0_i64..1_000_000).prop_map(|n| n as f64 / 100.0),
            (0_i64..1 << 50).prop_map(|n| n as f64),
            Just(0.0),
            Just(-0.0),
            Just(UNKNOWN),
        ];
        prop_oneof![
            prop::collection::vec(one, 0..300),
            prop::collection::vec((0.0_f64..100.0).prop_map(brief), 0..300),
            prop::collection::vec((0_u32..9).prop_map(|n| f64::from(n) * 1_234_567.0), 0..300),
        ]
    }

    fn bits(values: &[f64]) -> Vec<u64> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn what_is_written_comes_back(values in values()) {
            let mut bytes = Vec::new();
            write(&mut bytes, &values);
            bytes.push(7);
            let mut rest = &bytes[..];
            let back = read(&mut rest, values.len()).expect("reads");
            prop_assert_eq!(bits(&back), bits(&values));
            prop_assert_eq!(rest, [7]);
        }

        #[test]
        fn anything_else_is_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0_usize..500) {
            let mut rest = &bytes[..];
            let _ = read(&mut rest, count);
        }
    }
}
