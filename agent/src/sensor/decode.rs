//! Words of a Modbus device to numbers. Pure; fuzzed (`tests/fuzz`).

use serde::Deserialize;

/// How a number lies in its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NumberType {
    /// One bit: a coil or discrete input, or one of a word with `bit`.
    Bit,
    /// 16 bits without sign.
    U16,
    /// 16 bits, two's complement.
    I16,
    /// 16 bits, the highest of which is the sign.
    Sm16,
    /// 16 bits, four decimal digits.
    Bcd16,
    /// 32 bits without sign.
    U32,
    /// 32 bits, two's complement.
    I32,
    /// 32 bits, the highest of which is the sign.
    Sm32,
    /// 32 bits, eight decimal digits.
    Bcd32,
    /// 64 bits without sign.
    U64,
    /// 64 bits, two's complement.
    I64,
    /// IEEE 754, 32 bits.
    F32,
    /// IEEE 754, 64 bits.
    F64,
}

impl NumberType {
    /// How many words it takes.
    #[must_use]
    pub const fn words(self) -> u16 {
        match self {
            Self::Bit | Self::U16 | Self::I16 | Self::Sm16 | Self::Bcd16 => 1,
            Self::U32 | Self::I32 | Self::Sm32 | Self::Bcd32 | Self::F32 => 2,
            Self::U64 | Self::I64 | Self::F64 => 4,
        }
    }
}

/// In which order the bytes of a number come, named after a number `ABCD` of 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WordOrder {
    /// Highest word first, highest byte first: what the protocol says.
    #[default]
    Abcd,
    /// Lowest word first.
    Cdab,
    /// Highest word first, bytes swapped.
    Badc,
    /// Lowest byte first.
    Dcba,
}

/// The bits of a number that count: from the lowest, so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BitField {
    /// The lowest bit, from 0.
    pub from: u8,
    /// Bits, from the first upwards.
    pub count: u8,
}

/// The bytes of `words` with the highest first.
fn bytes(words: &[u16], order: WordOrder) -> ([u8; 8], usize) {
    let mut out = [0; 8];
    let count = words.len().min(4);
    for place in 0..count {
        let from = if matches!(order, WordOrder::Cdab | WordOrder::Dcba) { count - 1 - place } else { place };
        let word = words[from];
        let pair =
            if matches!(order, WordOrder::Badc | WordOrder::Dcba) { word.to_le_bytes() } else { word.to_be_bytes() };
        out[place * 2..place * 2 + 2].copy_from_slice(&pair);
    }
    (out, count * 2)
}

/// The number in `words`; none when they are too few, or hold no number (a digit beyond nine, a float that is not finite).
#[must_use]
pub fn number(kind: NumberType, order: WordOrder, words: &[u16]) -> Option<f64> {
    let words = words.get(..usize::from(kind.words()))?;
    let (bytes, length) = bytes(words, order);
    let raw = bytes[..length].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let value = match kind {
        NumberType::Bit | NumberType::U16 | NumberType::U32 | NumberType::U64 => raw as f64,
        NumberType::I16 => f64::from((raw as u16).cast_signed()),
        NumberType::I32 => f64::from((raw as u32).cast_signed()),
        NumberType::I64 => raw.cast_signed() as f64,
        NumberType::Sm16 => magnitude(raw, 15),
        NumberType::Sm32 => magnitude(raw, 31),
        NumberType::Bcd16 => digits(raw, 4)?,
        NumberType::Bcd32 => digits(raw, 8)?,
        NumberType::F32 => f64::from(f32::from_bits(raw as u32)),
        NumberType::F64 => f64::from_bits(raw),
    };
    value.is_finite().then_some(value)
}

fn magnitude(raw: u64, sign: u32) -> f64 {
    let value = (raw & ((1 << sign) - 1)) as f64;
    if raw >> sign & 1 == 1 { -value } else { value }
}

fn digits(raw: u64, count: u32) -> Option<f64> {
    (0..count).rev().try_fold(0.0, |sum, place| {
        let digit = raw >> (place * 4) & 0xf;
        (digit <= 9).then_some(sum * 10.0 + digit as f64)
    })
}

/// Some bits of a number without sign.
#[must_use]
pub fn field(value: f64, bits: BitField) -> f64 {
    let mask = if bits.count >= 63 { u64::MAX } else { (1_u64 << bits.count) - 1 };
    // A number without sign and at most 32 bits lies exactly in the float.
    ((value as u64).checked_shr(u32::from(bits.from)).unwrap_or(0) & mask) as f64
}

/// Text of two characters a word, up to its first NUL; what cannot be shown is left out.
#[must_use]
pub fn text(words: &[u16], order: WordOrder) -> String {
    let swapped = matches!(order, WordOrder::Badc | WordOrder::Dcba);
    let bytes = words.iter().flat_map(|word| if swapped { word.to_le_bytes() } else { word.to_be_bytes() });
    let shown = bytes.take_while(|byte| *byte != 0).filter(|byte| (0x20..0x7f).contains(byte));
    shown.map(char::from).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_order_of_bytes_gives_the_same_number() {
        let orders = [
            (WordOrder::Abcd, [0x4148, 0x0000]),
            (WordOrder::Cdab, [0x0000, 0x4148]),
            (WordOrder::Badc, [0x4841, 0x0000]),
            (WordOrder::Dcba, [0x0000, 0x4841]),
        ];
        for (order, words) in orders {
            assert_eq!(number(NumberType::F32, order, &words), Some(12.5), "{order:?}");
        }
        assert_eq!(number(NumberType::U64, WordOrder::Abcd, &[0, 0, 1, 2]), Some(65_538.0));
        assert_eq!(number(NumberType::U64, WordOrder::Cdab, &[2, 1, 0, 0]), Some(65_538.0));
        assert_eq!(number(NumberType::F64, WordOrder::Abcd, &[0x4029, 0, 0, 0]), Some(12.5));
    }

    #[test]
    fn signs_digits_and_bits() {
        assert_eq!(number(NumberType::I16, WordOrder::Abcd, &[0xffff]), Some(-1.0));
        assert_eq!(number(NumberType::I32, WordOrder::Cdab, &[0xfffe, 0xffff]), Some(-2.0));
        assert_eq!(number(NumberType::Sm16, WordOrder::Abcd, &[0x8064]), Some(-100.0));
        assert_eq!(number(NumberType::Sm32, WordOrder::Abcd, &[0x8000, 1]), Some(-1.0));
        assert_eq!(number(NumberType::Bcd16, WordOrder::Abcd, &[0x1234]), Some(1234.0));
        assert_eq!(number(NumberType::Bcd32, WordOrder::Abcd, &[0x0012, 0x3456]), Some(123_456.0));
        assert_eq!(number(NumberType::Bcd16, WordOrder::Abcd, &[0x123a]), None, "no digit");
        assert_eq!(number(NumberType::F32, WordOrder::Abcd, &[0x7fc0, 0]), None, "not a number");
        assert_eq!(number(NumberType::U32, WordOrder::Abcd, &[1]), None, "too short");
        assert_eq!(field(f64::from(0b1011_0100_u16), BitField { from: 2, count: 3 }), 5.0);
        assert_eq!(field(1.0, BitField { from: 63, count: 63 }), 0.0);
    }

    #[test]
    fn texts_end_at_nul_and_show_only_what_can_be_shown() {
        assert_eq!(text(&[0x4142, 0x4300, 0x4444], WordOrder::Abcd), "ABC");
        assert_eq!(text(&[0x4241, 0x0043], WordOrder::Badc), "ABC");
        assert_eq!(text(&[0x07ff, 0x2041], WordOrder::Abcd), "A");
    }

    proptest! {
        #[test]
        fn what_is_read_back_is_what_was_written(value in any::<i32>()) {
            let [high, low] = [(value as u32 >> 16) as u16, value as u16];
            prop_assert_eq!(number(NumberType::I32, WordOrder::Abcd, &[high, low]), Some(f64::from(value)));
            prop_assert_eq!(number(NumberType::I32, WordOrder::Cdab, &[low, high]), Some(f64::from(value)));
        }
    }
}
