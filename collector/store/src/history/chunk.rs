//! What is kept of one device over a while: all its series in one piece, each by itself within it, with one checksum.
//!
//! A chunk as reported has the times of its samples once for all series; a chunk of summaries has once for all series of how many
//! samples each slot is. Who wants one series reads that one.

use super::checksum::{Corrupt, with_checksum, without_checksum};
use super::column::{self, UNKNOWN};
use super::row::{read_varint, varint};
use super::{grid, ints};

/// Version of a chunk's form, its first byte.
const VERSION: u8 = 2;
/// Most samples of one chunk: what four hours at one a second hold, with room.
const SAMPLES_MAX: usize = 1 << 20;
/// Most series of one chunk.
const SERIES_MAX: u64 = 1 << 20;

/// Of a summarised series: in each slot all values are the same.
const FLAT: u8 = 1;
/// Of a summarised series: its numbers stand on the grid.
const ON_GRID: u8 = 2;
/// Of a summarised series: it has fewer samples than its device, and says how many.
const OWN_COUNTS: u8 = 0x80;
/// Means are kept so many times finer than the grid of what is reported.
const FINER: f64 = 10.0;

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
    /// Of nothing.
    pub const NONE: Self = Self { min: 0.0, max: 0.0, mean: 0.0, last: 0.0, count: 0 };

    /// Of one number.
    #[must_use]
    pub const fn of(value: f64) -> Self {
        Self { min: value, max: value, mean: value, last: value, count: 1 }
    }

    /// Of two whiles, the second of which is the later.
    #[must_use]
    pub fn and(self, later: Self) -> Self {
        if self.count == 0 {
            return later;
        }
        if later.count == 0 {
            return self;
        }
        let (a, b) = (f64::from(self.count), f64::from(later.count));
        Self {
            min: self.min.min(later.min),
            max: self.max.max(later.max),
            mean: (self.mean * a + later.mean * b) / (a + b),
            last: later.last,
            count: self.count.saturating_add(later.count),
        }
    }
}

/// A chunk that was taken apart: what is common to its series, and each series, packed.
#[derive(Debug)]
pub struct Parts<'c> {
    head: &'c [u8],
    series: Vec<(u32, &'c [u8])>,
}

impl<'c> Parts<'c> {
    /// Takes a chunk apart.
    ///
    /// # Errors
    /// [`Corrupt`] when it is not as it was written.
    pub fn of(chunk: &'c [u8]) -> Result<Self, Corrupt> {
        let mut rest = without_checksum(chunk, VERSION)?;
        let head = part(&mut rest)?;
        let count = read_varint(&mut rest)?;
        if count > SERIES_MAX {
            return Err(Corrupt);
        }
        let (mut lengths, mut number) = (Vec::new(), 0_u32);
        for _ in 0..count {
            let step = u32::try_from(read_varint(&mut rest)?).map_err(|_| Corrupt)?;
            number = number.checked_add(step).ok_or(Corrupt)?;
            lengths.push((number, usize::try_from(read_varint(&mut rest)?).map_err(|_| Corrupt)?));
        }
        let mut series = Vec::with_capacity(lengths.len());
        for (number, length) in lengths {
            let (one, tail) = rest.split_at_checked(length).ok_or(Corrupt)?;
            series.push((number, one));
            rest = tail;
        }
        if rest.is_empty() { Ok(Self { head, series }) } else { Err(Corrupt) }
    }

    /// The numbers of its series, ascending.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.series.iter().map(|(number, _)| *number)
    }

    /// When its samples were taken, milliseconds since its beginning, ascending.
    ///
    /// # Errors
    /// [`Corrupt`] when its moments are not of the form that a chunk has.
    pub fn times(&self) -> Result<Vec<i64>, Corrupt> {
        let mut rest = self.head;
        let count = usize::try_from(read_varint(&mut rest)?).ok().filter(|count| *count <= SAMPLES_MAX);
        ints::read(&mut rest, count.ok_or(Corrupt)?)
    }

    /// The numbers of its series at `count` times, by number; *not a number* where none is known. Only those that are `wanted`.
    ///
    /// # Errors
    /// [`Corrupt`] when a series that is wanted is not of the form that a chunk has.
    pub fn values(&self, count: usize, wanted: impl Fn(u32) -> bool) -> Result<Vec<(u32, Vec<f64>)>, Corrupt> {
        let wanted = self.series.iter().filter(|(number, _)| wanted(*number));
        wanted.map(|&(number, mut packed)| Ok((number, column::read(&mut packed, count)?))).collect()
    }

    /// The summaries of its series in their slots, by number; of no samples where nothing was reported. Only those that are `wanted`.
    ///
    /// # Errors
    /// [`Corrupt`] when a series that is wanted is not of the form that a chunk has.
    pub fn summaries(&self, wanted: impl Fn(u32) -> bool) -> Result<Vec<(u32, Vec<Summary>)>, Corrupt> {
        let mut rest = self.head;
        let slots = usize::try_from(read_varint(&mut rest)?).ok().filter(|count| *count <= SAMPLES_MAX);
        let counts = ints::read(&mut rest, slots.ok_or(Corrupt)?)?;
        let wanted = self.series.iter().filter(|(number, _)| wanted(*number));
        wanted.map(|(number, packed)| Ok((*number, read_summaries(packed, &counts)?))).collect()
    }
}

/// Packs a chunk as reported: `times` in milliseconds since its beginning, ascending, and by ascending number the values at these times.
#[must_use]
pub fn pack<'v>(times: &[i64], series: impl Iterator<Item = (u32, &'v [f64])>) -> Vec<u8> {
    let mut head = Vec::with_capacity(16);
    varint(&mut head, times.len() as u64);
    ints::write(&mut head, times);
    assemble(&head, series, column::write)
}

/// Packs summaries by their slots, by ascending number of the series; all have as many slots.
#[must_use]
pub fn pack_summaries(series: &[(u32, &[Summary])]) -> Vec<u8> {
    // Most series have as many samples as their device: the most that one has.
    let slots = series.iter().map(|(_, slots)| slots.len()).max().unwrap_or(0);
    let most = |slot: usize| series.iter().filter_map(|(_, all)| all.get(slot)).map(|one| one.count).max();
    let counts: Vec<i64> = (0..slots).map(|slot| i64::from(most(slot).unwrap_or(0))).collect();
    let mut head = Vec::with_capacity(16);
    varint(&mut head, slots as u64);
    ints::write(&mut head, &counts);
    assemble(&head, series.iter().copied(), |bytes, slots| write_summaries(bytes, slots, &counts))
}

fn assemble<'v, T: ?Sized + 'v>(
    head: &[u8],
    series: impl Iterator<Item = (u32, &'v T)>,
    write: impl Fn(&mut Vec<u8>, &'v T),
) -> Vec<u8> {
    let (mut directory, mut bodies, mut count, mut last) = (Vec::new(), Vec::new(), 0_u64, 0);
    for (number, one) in series {
        let from = bodies.len();
        write(&mut bodies, one);
        varint(&mut directory, u64::from(number - last));
        varint(&mut directory, (bodies.len() - from) as u64);
        (last, count) = (number, count + 1);
    }
    let mut bytes = Vec::with_capacity(head.len() + directory.len() + bodies.len() + 16);
    bytes.push(VERSION);
    varint(&mut bytes, head.len() as u64);
    bytes.extend_from_slice(head);
    varint(&mut bytes, count);
    bytes.append(&mut directory);
    bytes.append(&mut bodies);
    with_checksum(bytes)
}

fn write_summaries(bytes: &mut Vec<u8>, slots: &[Summary], counts: &[i64]) {
    let own = slots.iter().zip(counts).any(|(one, count)| i64::from(one.count) != *count);
    let known: Vec<&Summary> = slots.iter().filter(|one| one.count > 0).collect();
    let flat =
        known.iter().all(|one| one.min.to_bits() == one.max.to_bits() && one.min.to_bits() == one.last.to_bits());
    let column = |number: fn(&Summary) -> f64| known.iter().map(|one| number(one)).collect::<Vec<f64>>();
    let places =
        |number: fn(&Summary) -> f64| known.iter().map(|one| grid::place(number(one))).collect::<Option<Vec<i64>>>();
    let on_grid =
        if flat { None } else { places(|one| one.min).zip(places(|one| one.max)).zip(places(|one| one.last)) };
    let form = if flat {
        FLAT
    } else if on_grid.is_some() {
        ON_GRID
    } else {
        0
    };
    bytes.push(form | if own { OWN_COUNTS } else { 0 });
    if own {
        ints::write(bytes, &slots.iter().map(|one| i64::from(one.count)).collect::<Vec<i64>>());
    }
    if flat {
        column::write(bytes, &column(|one| one.min));
    } else if let Some(((min, max), last)) = on_grid {
        let to = |others: &[i64]| others.iter().zip(&min).map(|(other, min)| other - min).collect::<Vec<i64>>();
        // A mean lies about the middle; its digits beyond one more than was reported are not worth keeping.
        let off = |(one, (min, max)): (&&Summary, (&i64, &i64))| grid::nearest(one.mean * FINER) - middle(*min, *max);
        let means: Vec<i64> = known.iter().zip(min.iter().zip(&max)).map(off).collect();
        for numbers in [&min, &to(&max), &to(&last), &means] {
            ints::write(bytes, numbers);
        }
    } else {
        for numbers in [column(|one| one.min), column(|one| one.max), column(|one| one.last)] {
            column::write(bytes, &numbers);
        }
        column::write(bytes, &column(|one| f64::from(one.mean as f32)));
    }
}

fn read_summaries(packed: &[u8], counts: &[i64]) -> Result<Vec<Summary>, Corrupt> {
    let (&form, mut rest) = packed.split_first().ok_or(Corrupt)?;
    let own = if form & OWN_COUNTS == 0 { None } else { Some(ints::read(&mut rest, counts.len())?) };
    let counts = own.as_deref().unwrap_or(counts);
    let known = counts.iter().filter(|count| **count > 0).count();
    let all: Vec<[f64; 4]> = match form & !OWN_COUNTS {
        FLAT => column::read(&mut rest, known)?.into_iter().map(|value| [value; 4]).collect(),
        ON_GRID => {
            let mut next = || ints::read(&mut rest, known);
            let (min, max, last, mean) = (next()?, next()?, next()?, next()?);
            let one = |place: usize| {
                let (least, most) = (min[place], min[place].wrapping_add(max[place]));
                let mean = grid::value(mean[place].wrapping_add(middle(least, most))) / FINER;
                let (least, most) = (grid::value(least), grid::value(most));
                let last = grid::value(min[place].wrapping_add(last[place]));
                // Rounding leads out of what was there nowhere.
                [least, most, last, mean.max(least).min(most)]
            };
            (0..known).map(one).collect()
        }
        0 => {
            let mut next = || column::read(&mut rest, known);
            let (min, max, last, mean) = (next()?, next()?, next()?, next()?);
            (0..known).map(|place| [min[place], max[place], last[place], mean[place]]).collect()
        }
        _ => return Err(Corrupt),
    };
    let mut all = all.into_iter();
    let slot = |count: &i64| {
        if *count <= 0 {
            return Ok(Summary::NONE);
        }
        let [min, max, last, mean] = all.next().ok_or(Corrupt)?;
        Ok(Summary { min, max, mean, last, count: u32::try_from(*count).map_err(|_| Corrupt)? })
    };
    counts.iter().map(slot).collect()
}

/// The place of what lies in the middle between two places, on the finer grid.
fn middle(min: i64, max: i64) -> i64 {
    grid::nearest(f64::midpoint(grid::value(min), grid::value(max)) * FINER)
}

fn part<'b>(rest: &mut &'b [u8]) -> Result<&'b [u8], Corrupt> {
    let length = usize::try_from(read_varint(rest)?).map_err(|_| Corrupt)?;
    let (part, tail) = rest.split_at_checked(length).ok_or(Corrupt)?;
    *rest = tail;
    Ok(part)
}

/// A number, if it is known.
#[must_use]
pub fn known(value: f64) -> Option<f64> {
    (!value.is_nan()).then_some(value)
}

/// A number as it stands in a series.
#[must_use]
pub fn or_unknown(value: Option<f64>) -> f64 {
    value.unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::reading::brief;
    use proptest::prelude::*;

    fn bits(values: &[f64]) -> Vec<u64> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    fn summary() -> impl Strategy<Value = Summary> {
        let number = || prop_oneof![(0.0_f64..500.0).prop_map(brief), (-1e9_f64..1e9).prop_map(brief)];
        (number(), number(), 0.0_f64..=1.0, 0_u32..40, any::<bool>()).prop_map(|(a, b, mean, count, flat)| {
            let (min, max) = if flat { (a, a) } else { (a.min(b), a.max(b)) };
            if count == 0 {
                return Summary::NONE;
            }
            Summary { min, max, mean: min + (max - min) * mean, last: if mean > 0.5 { max } else { min }, count }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_packed_comes_back(rows in prop::collection::vec((0_i64..20_000, prop::option::of(-1e6_f64..1e6), 0.0_f64..100.0), 0..300)) {
            let mut at = 0;
            let times: Vec<i64> = rows.iter().map(|(step, ..)| { at += step; at }).collect();
            let first: Vec<f64> = rows.iter().map(|(_, one, _)| or_unknown(*one)).collect();
            let second: Vec<f64> = rows.iter().map(|(.., other)| brief(*other)).collect();
            let packed = pack(&times, [(3, &first[..]), (900, &second[..])].into_iter());
            let parts = Parts::of(&packed).expect("whole");
            prop_assert_eq!(parts.times(), Ok(times.clone()));
            let all = parts.values(times.len(), |_| true).expect("reads");
            prop_assert_eq!((all[0].0, bits(&all[0].1)), (3, bits(&first)));
            prop_assert_eq!((all[1].0, bits(&all[1].1)), (900, bits(&second)));
            prop_assert_eq!(parts.values(times.len(), |number| number == 900).expect("reads").len(), 1);
        }

        #[test]
        fn summaries_come_back(slots in prop::collection::vec((summary(), summary()), 1..60)) {
            let (one, other): (Vec<Summary>, Vec<Summary>) = slots.into_iter().unzip();
            let packed = pack_summaries(&[(1, &one[..]), (2, &other[..])]);
            let all = Parts::of(&packed).expect("whole").summaries(|_| true).expect("reads");
            for (found, made) in all[0].1.iter().chain(&all[1].1).zip(one.iter().chain(&other)) {
                prop_assert_eq!((found.min, found.max, found.last, found.count), (made.min, made.max, made.last, made.count));
                let err = (found.mean - made.mean).abs();
                // Half of the last digit that is reported, or better.
                prop_assert!(err <= 0.005_001_f64.max(made.mean.abs() * 6e-5), "{} for {}", found.mean, made.mean);
            }
        }

        #[test]
        fn a_flipped_bit_is_noticed(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut bytes = pack(&[0, 10, 20], [(1, &[1.0, 2.0, UNKNOWN][..])].into_iter());
            let place = at.index(bytes.len());
            bytes[place] ^= 1_u8 << bit;
            prop_assert!(Parts::of(&bytes).is_err());
        }

        #[test]
        fn anything_else_is_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            // Even with a checksum that fits.
            bytes.insert(0, VERSION);
            let bytes = with_checksum(bytes);
            if let Ok(parts) = Parts::of(&bytes) {
                let _ = (parts.times(), parts.values(20, |_| true), parts.summaries(|_| true));
            }
        }
    }
}
