//! One series of one device over a while, compressed with `pco`, with a checksum of its own.
//!
//! The times of a chunk's samples are kept once for all series of the device. Numbers that are whole, or whole hundredths, are kept as
//! such: exact, and far smaller than as floats.

use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress};

use super::row::{EXACT_MAX, SCALE, read_varint, varint};
use super::{Corrupt, proven, sealed};

/// Version of a chunk's form, its first byte.
const VERSION: u8 = 1;
/// How hard `pco` tries; beyond this it takes longer and saves nothing.
const LEVEL: usize = 8;
/// Most numbers in one chunk: what four hours at one a second hold, with room.
const NUMBERS_MAX: usize = 1 << 20;

const WHOLE: u8 = 1;
const HUNDREDTHS: u8 = 2;
const RAW: u8 = 3;

/// What a while of one series comes down to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Smallest of the values.
    pub min: f64,
    /// Largest of the values.
    pub max: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// The newest value.
    pub last: f64,
    /// How many values it stands for.
    pub count: u32,
}

impl Summary {
    /// Of one number.
    #[must_use]
    pub const fn of(value: f64) -> Self {
        Self { min: value, max: value, mean: value, last: value, count: 1 }
    }

    /// Of two whiles, the second of which is the later.
    #[must_use]
    pub fn and(self, later: Self) -> Self {
        let (a, b) = (f64::from(self.count), f64::from(later.count));
        Self {
            min: self.min.min(later.min),
            max: self.max.max(later.max),
            mean: (self.mean * a + later.mean * b) / (a + b).max(1.0),
            last: later.last,
            count: self.count.saturating_add(later.count),
        }
    }
}

/// Packs numbers at the times of their chunk; none where nothing is known.
#[must_use]
pub fn encode(values: &[Option<f64>]) -> Vec<u8> {
    let mut bytes = begin(values.len(), values.iter().map(Option::is_some));
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    numbers(&mut bytes, &known);
    sealed(bytes)
}

/// Unpacks what [`encode`] made.
///
/// # Errors
/// [`Corrupt`] when the bytes are no chunk of this kind, or cut short.
pub fn decode(bytes: &[u8]) -> Result<Vec<Option<f64>>, Corrupt> {
    let (known, mut rest) = opened(bytes)?;
    let values = read_numbers(&mut rest, known.iter().filter(|known| **known).count())?;
    spread(known, values.into_iter())
}

/// Puts what is known in its places.
fn spread<T>(known: Vec<bool>, mut values: impl Iterator<Item = T>) -> Result<Vec<Option<T>>, Corrupt> {
    known.into_iter().map(|known| if known { values.next().ok_or(Corrupt).map(Some) } else { Ok(None) }).collect()
}

/// Packs the times of a chunk, milliseconds since its beginning, ascending.
#[must_use]
pub fn encode_times(times: &[u32]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    varint(&mut bytes, times.len() as u64);
    bytes.extend(compressed(times));
    sealed(bytes)
}

/// Unpacks what [`encode_times`] made.
///
/// # Errors
/// [`Corrupt`] when the bytes are no chunk of this kind, or cut short.
pub fn decode_times(bytes: &[u8]) -> Result<Vec<u32>, Corrupt> {
    let mut rest = proven(bytes, VERSION)?;
    let count = count_of(&mut rest)?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let times = simple_decompress::<u32>(rest).map_err(|_| Corrupt)?;
    if times.len() == count { Ok(times) } else { Err(Corrupt) }
}

/// Packs summaries by their slots; none where nothing was reported.
#[must_use]
pub fn encode_summaries(slots: &[Option<Summary>]) -> Vec<u8> {
    let mut bytes = begin(slots.len(), slots.iter().map(Option::is_some));
    let known: Vec<&Summary> = slots.iter().flatten().collect();
    let column = |number: fn(&Summary) -> f64| known.iter().map(|one| number(one)).collect::<Vec<f64>>();
    for column in [column(|one| one.min), column(|one| one.max), column(|one| one.last)] {
        numbers(&mut bytes, &column);
    }
    // A mean has no digits worth keeping beyond what a single float holds.
    numbers(&mut bytes, &column(|one| rounded(one.mean)));
    let counts: Vec<u32> = known.iter().map(|one| one.count).collect();
    sized(&mut bytes, &compressed(&counts));
    sealed(bytes)
}

/// Unpacks what [`encode_summaries`] made.
///
/// # Errors
/// [`Corrupt`] when the bytes are no chunk of this kind, or cut short.
pub fn decode_summaries(bytes: &[u8]) -> Result<Vec<Option<Summary>>, Corrupt> {
    let (known, mut rest) = opened(bytes)?;
    let count = known.iter().filter(|known| **known).count();
    let min = read_numbers(&mut rest, count)?;
    let max = read_numbers(&mut rest, count)?;
    let last = read_numbers(&mut rest, count)?;
    let mean = read_numbers(&mut rest, count)?;
    let counts =
        if count == 0 { Vec::new() } else { simple_decompress::<u32>(part(&mut rest)?).map_err(|_| Corrupt)? };
    if counts.len() != count {
        return Err(Corrupt);
    }
    let all = min.into_iter().zip(max).zip(last).zip(mean).zip(counts);
    let summary = |((((min, max), last), mean), count)| Summary { min, max, mean, last, count };
    spread(known, all.map(summary))
}

/// Whole hundredths where the number is large enough for them, else what a single float holds.
fn rounded(mean: f64) -> f64 {
    let hundredths = (mean * SCALE).round();
    if mean.abs() >= 10.0 && hundredths.abs() < EXACT_MAX { hundredths / SCALE } else { f64::from(mean as f32) }
}

/// The beginning: version, how many places, and which of them are known, as lengths of runs.
fn begin(count: usize, known: impl Iterator<Item = bool>) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    varint(&mut bytes, count as u64);
    let mut runs: Vec<u64> = Vec::new();
    let mut current = true;
    let mut length = 0;
    for known in known {
        if known != current {
            runs.push(length);
            (current, length) = (known, 0);
        }
        length += 1;
    }
    runs.push(length);
    varint(&mut bytes, runs.len() as u64);
    // The last run is what is left.
    for run in &runs[..runs.len() - 1] {
        varint(&mut bytes, *run);
    }
    bytes
}

/// Which places are known, and what follows.
fn opened(bytes: &[u8]) -> Result<(Vec<bool>, &[u8]), Corrupt> {
    let mut rest = proven(bytes, VERSION)?;
    let count = count_of(&mut rest)?;
    let runs = read_varint(&mut rest)?;
    let mut known = Vec::with_capacity(count);
    let mut current = true;
    for _ in 1..runs {
        let length = usize::try_from(read_varint(&mut rest)?).map_err(|_| Corrupt)?;
        if known.len() + length > count {
            return Err(Corrupt);
        }
        known.resize(known.len() + length, current);
        current = !current;
    }
    known.resize(count, current);
    Ok((known, rest))
}

fn count_of(rest: &mut &[u8]) -> Result<usize, Corrupt> {
    usize::try_from(read_varint(rest)?).ok().filter(|count| *count <= NUMBERS_MAX).ok_or(Corrupt)
}

/// Numbers in the smallest form that keeps each exactly.
fn numbers(bytes: &mut Vec<u8>, values: &[f64]) {
    if values.is_empty() {
        return;
    }
    let whole = |scale: f64| -> Option<Vec<i64>> {
        let exact = |value: &f64| {
            let scaled = (value * scale).round();
            let whole = scaled as i64;
            (scaled.abs() < EXACT_MAX && (whole as f64 / scale).to_bits() == value.to_bits()).then_some(whole)
        };
        values.iter().map(exact).collect()
    };
    let (form, packed) = match (whole(1.0), whole(SCALE)) {
        (Some(whole), _) => (WHOLE, compressed(&whole)),
        (None, Some(hundredths)) => (HUNDREDTHS, compressed(&hundredths)),
        (None, None) => (RAW, compressed(values)),
    };
    bytes.push(form);
    sized(bytes, &packed);
}

fn read_numbers(rest: &mut &[u8], count: usize) -> Result<Vec<f64>, Corrupt> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let (form, tail) = rest.split_first().ok_or(Corrupt)?;
    *rest = tail;
    let packed = part(rest)?;
    let integers = |scale: f64| {
        let integers = simple_decompress::<i64>(packed).map_err(|_| Corrupt)?;
        Ok(integers.into_iter().map(|number| number as f64 / scale).collect::<Vec<f64>>())
    };
    let values = match *form {
        WHOLE => integers(1.0)?,
        HUNDREDTHS => integers(SCALE)?,
        RAW => simple_decompress::<f64>(packed).map_err(|_| Corrupt)?,
        _ => return Err(Corrupt),
    };
    if values.len() == count { Ok(values) } else { Err(Corrupt) }
}

fn sized(bytes: &mut Vec<u8>, part: &[u8]) {
    varint(bytes, part.len() as u64);
    bytes.extend_from_slice(part);
}

fn part<'b>(rest: &mut &'b [u8]) -> Result<&'b [u8], Corrupt> {
    let length = usize::try_from(read_varint(rest)?).map_err(|_| Corrupt)?;
    let (part, tail) = rest.split_at_checked(length).ok_or(Corrupt)?;
    *rest = tail;
    Ok(part)
}

/// Compresses numbers. `pco` refuses only what its settings or its memory do not allow; ours are fixed.
fn compressed<T: pco::data_types::Number>(values: &[T]) -> Vec<u8> {
    simple_compress(values, &ChunkConfig::default().with_compression_level(LEVEL)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = Option<f64>> {
        prop::option::of(prop_oneof![
            -1e15_f64..1e15,
            (0_i64..1_000_000).prop_map(|n| n as f64 / 100.0),
            (0_i64..1 << 50).prop_map(|n| n as f64),
            Just(0.0),
            Just(-0.0),
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_encoded_comes_back(values in prop::collection::vec(value(), 0..400)) {
            let bits = |all: &[Option<f64>]| all.iter().map(|one| one.map(f64::to_bits)).collect::<Vec<_>>();
            prop_assert_eq!(bits(&decode(&encode(&values)).expect("decodes")), bits(&values));
        }

        #[test]
        fn a_flipped_bit_is_noticed(values in prop::collection::vec(value(), 1..50), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut bytes = encode(&values);
            let place = at.index(bytes.len());
            bytes[place] ^= 1_u8 << bit;
            prop_assert_eq!(decode(&bytes), Err(Corrupt));
        }

        #[test]
        fn anything_else_is_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            // Even with a checksum that fits.
            bytes.insert(0, VERSION);
            let bytes = sealed(bytes);
            let _ = (decode(&bytes), decode_times(&bytes), decode_summaries(&bytes));
        }
    }

    #[test]
    fn times_and_summaries_come_back() {
        let times: Vec<u32> = (0..1440).map(|n| n * 10_000 + n % 7).collect();
        assert_eq!(decode_times(&encode_times(&times)), Ok(times));
        assert_eq!(decode_times(&encode_times(&[])), Ok(Vec::new()));
        let some = |n: i32| Summary { min: 0.0, max: f64::from(n), mean: 0.5, last: 0.25, count: 30 };
        let slots: Vec<Option<Summary>> = (0..288).map(|n| (n % 5 != 0).then(|| some(n))).collect();
        assert_eq!(decode_summaries(&encode_summaries(&slots)), Ok(slots));
        assert_eq!(decode_summaries(&encode_summaries(&[None; 3])), Ok(vec![None; 3]));
    }
}
