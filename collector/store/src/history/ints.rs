//! Whole numbers in few bits: what is left of each once its neighbours are known, in runs of 64 that each take the width that suits them.
//!
//! A run is either packed, each number with as many bits as the largest needs, or Rice coded, which suits runs with few large numbers
//! among small ones. Both cost a few nanoseconds a number, and stay within some hundredths of what entropy coding makes of numbers that
//! wander.

use super::checksum::Corrupt;
use super::row::{read_varint, unzigzag, varint, zigzag};

/// Numbers of a run.
const RUN: usize = 64;
/// Bits of a run's head.
const HEAD: u32 = 7;
/// The head of a run that is Rice coded with 0 bits beside the count.
const RICE: u64 = 65;
/// From so many ones on the number follows as it is.
const ESCAPE: u32 = 16;
/// All are the same.
const SAME: u8 = 3;
/// So many numbers tell which order of differences is the smallest.
const LOOK: usize = 256;

/// Appends numbers; how many they are is not kept.
pub(super) fn write(bytes: &mut Vec<u8>, numbers: &[i64]) {
    let Some((first, rest)) = numbers.split_first() else { return };
    if rest.iter().all(|one| one == first) {
        bytes.push(SAME);
        varint(bytes, zigzag(*first));
        return;
    }
    let order = best_order(numbers);
    bytes.push(order);
    varint(bytes, zigzag(*first));
    let (mut last, mut slope) = (*first, 0_i64);
    if order == 2 {
        // As if it had gone on like this before.
        slope = rest.first().map_or(0, |next| next.wrapping_sub(*first));
        last = first.wrapping_sub(slope);
        varint(bytes, zigzag(slope));
    }
    let mut bits = Writer { bytes, pending: 0, count: 0 };
    for run in numbers.chunks(RUN) {
        let mut left = [0_u64; RUN];
        for (left, &one) in left.iter_mut().zip(run) {
            let step = one.wrapping_sub(last);
            *left = zigzag(match order {
                0 => one.wrapping_sub(*first),
                1 => step,
                _ => step.wrapping_sub(slope),
            });
            (last, slope) = (one, step);
        }
        bits.run(&left[..run.len()]);
    }
    bits.end();
}

/// Reads as many numbers as there are said to be.
pub(super) fn read(rest: &mut &[u8], count: usize) -> Result<Vec<i64>, Corrupt> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let (&order, tail) = rest.split_first().ok_or(Corrupt)?;
    *rest = tail;
    let first = unzigzag(read_varint(rest)?);
    match order {
        SAME => return Ok(vec![first; count]),
        0..=2 => {}
        _ => return Err(Corrupt),
    }
    let (mut last, mut slope) = (first, 0_i64);
    if order == 2 {
        slope = unzigzag(read_varint(rest)?);
        last = first.wrapping_sub(slope);
    }
    let mut bits = BitReader { bytes: rest, at: 0 };
    let mut numbers = Vec::with_capacity(count);
    while numbers.len() < count {
        let many = (count - numbers.len()).min(RUN);
        let head = bits.take(HEAD);
        for _ in 0..many {
            let left = unzigzag(match head {
                0 => 0,
                1..RICE => bits.take_long(head as u32),
                _ => bits.rice((head - RICE) as u32),
            });
            let one = match order {
                0 => first.wrapping_add(left),
                1 => last.wrapping_add(left),
                _ => last.wrapping_add(slope).wrapping_add(left),
            };
            (slope, last) = (one.wrapping_sub(last), one);
            numbers.push(one);
        }
        if bits.at > rest.len() * 8 {
            return Err(Corrupt);
        }
    }
    *rest = rest.get(bits.at.div_ceil(8)..).ok_or(Corrupt)?;
    Ok(numbers)
}

/// Which differences are the smallest: 0 to the first number, 1 to the one before, 2 of those.
fn best_order(numbers: &[i64]) -> u8 {
    let size = |left: i64| u64::from(64 - zigzag(left).leading_zeros());
    let mut sizes = [0_u64; 3];
    let first = numbers.first().copied().unwrap_or(0);
    // A few stretches stand for all.
    let step = (numbers.len() / (LOOK / RUN)).max(RUN);
    for some in numbers.chunks(step) {
        let (mut last, mut slope) = (some.first().copied().unwrap_or(0), 0_i64);
        for &one in some.iter().take(RUN).skip(1) {
            let step = one.wrapping_sub(last);
            sizes[0] += size(one.wrapping_sub(first));
            sizes[1] += size(step);
            sizes[2] += size(step.wrapping_sub(slope));
            (last, slope) = (one, step);
        }
    }
    if sizes[0] <= sizes[1] && sizes[0] <= sizes[2] {
        0
    } else if sizes[1] <= sizes[2] {
        1
    } else {
        2
    }
}

/// Bits that are appended, the lowest first.
struct Writer<'b> {
    bytes: &'b mut Vec<u8>,
    pending: u64,
    count: u32,
}

impl Writer<'_> {
    /// At most 32 bits.
    fn put(&mut self, value: u64, bits: u32) {
        self.pending |= value << self.count;
        self.count += bits;
        if self.count >= 32 {
            self.bytes.extend_from_slice(&(self.pending as u32).to_le_bytes());
            self.pending >>= 32;
            self.count -= 32;
        }
    }

    fn put_long(&mut self, value: u64, bits: u32) {
        if bits > 32 {
            self.put(value & 0xffff_ffff, 32);
            self.put(value >> 32, bits - 32);
        } else {
            self.put(value, bits);
        }
    }

    fn run(&mut self, left: &[u64]) {
        let largest = left.iter().fold(0, |all, one| all | one);
        let width = 64 - largest.leading_zeros();
        if width == 0 {
            self.put(0, HEAD);
            return;
        }
        let packed = u64::from(width) * left.len() as u64;
        // Around the mean lies the best.
        let sum = left.iter().fold(0_u64, |sum, one| sum.saturating_add(*one));
        let about = (sum / left.len() as u64 + 1).ilog2();
        let cost = |bits: u32| {
            let one = |one: &u64| {
                let ones = one >> bits;
                if ones >= u64::from(ESCAPE) { u64::from(ESCAPE) + 64 } else { ones + 1 + u64::from(bits) }
            };
            left.iter().map(one).sum::<u64>()
        };
        let best = (about.saturating_sub(1)..=about).map(|bits| (cost(bits), bits)).min().unwrap_or((u64::MAX, 0));
        if packed <= best.0 || best.1 > 62 {
            self.put(u64::from(width), HEAD);
            for one in left {
                self.put_long(*one, width);
            }
            return;
        }
        let bits = best.1;
        self.put(RICE + u64::from(bits), HEAD);
        for one in left {
            let ones = one >> bits;
            if ones >= u64::from(ESCAPE) {
                self.put((1 << ESCAPE) - 1, ESCAPE);
                self.put_long(*one, 64);
            } else {
                self.put((1 << ones) - 1, ones as u32 + 1);
                self.put_long(one & ((1 << bits) - 1), bits);
            }
        }
    }

    fn end(self) {
        let left = self.count.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&self.pending.to_le_bytes()[..left]);
    }
}

/// Bits in the order in which they were written. Beyond the end there are noughts; whoever reads looks where it has come.
struct BitReader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl BitReader<'_> {
    /// At least the next 57 bits.
    fn peek(&self) -> u64 {
        let (byte, shift) = (self.at / 8, self.at % 8);
        let tail = self.bytes.get(byte..).unwrap_or_default();
        let word = match tail.first_chunk::<8>() {
            Some(word) => u64::from_le_bytes(*word),
            None => tail.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        word >> shift
    }

    /// At most 56 bits.
    fn take(&mut self, bits: u32) -> u64 {
        let value = self.peek() & ((1 << bits) - 1);
        self.at += bits as usize;
        value
    }

    fn take_long(&mut self, bits: u32) -> u64 {
        if bits <= 56 {
            return self.take(bits);
        }
        let low = self.take(32);
        low | self.take(bits - 32) << 32
    }

    fn rice(&mut self, bits: u32) -> u64 {
        let ones = self.peek().trailing_ones().min(ESCAPE);
        if ones == ESCAPE {
            self.at += ESCAPE as usize;
            return self.take_long(64);
        }
        self.at += ones as usize + 1;
        u64::from(ones) << bits | self.take_long(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers() -> impl Strategy<Value = Vec<i64>> {
        prop_oneof![
            prop::collection::vec(any::<i64>(), 0..200),
            prop::collection::vec(-40_i64..40, 0..400),
            prop::collection::vec(prop_oneof![9 => -3_i64..3, 1 => any::<i64>()], 0..400),
            (any::<i64>(), -1000_i64..1000, 1_i64..300)
                .prop_map(|(first, step, count)| (0..count).map(|n| first.wrapping_add(n * step + n % 3)).collect()),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_comes_back(numbers in numbers()) {
            let mut bytes = Vec::new();
            write(&mut bytes, &numbers);
            bytes.extend([1, 2, 3]);
            let mut rest = &bytes[..];
            prop_assert_eq!(read(&mut rest, numbers.len()), Ok(numbers));
            prop_assert_eq!(rest, [1, 2, 3]);
        }

        #[test]
        fn anything_else_ends(bytes in prop::collection::vec(any::<u8>(), 0..80), count in 0_usize..2000) {
            let mut rest = &bytes[..];
            let _ = read(&mut rest, count);
        }
    }

    #[test]
    fn what_goes_up_evenly_takes_next_to_nothing() {
        let mut bytes = Vec::new();
        write(&mut bytes, &(0..1440).map(|n| n * 10_000).collect::<Vec<i64>>());
        assert!(bytes.len() < 60, "{} bytes", bytes.len());
    }
}
