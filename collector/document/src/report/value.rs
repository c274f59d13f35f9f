//! What a figure of a report says, and how it differs from the period before.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::wording;

/// What a figure says. None of them is 0 where nothing is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// So many of so many.
    Of {
        /// In order.
        part: u64,
        /// In all.
        whole: u64,
    },
    /// So many.
    Count(u64),
    /// A share, in percent.
    Percent(f64),
    /// A number with its unit.
    Amount {
        /// The number.
        number: f64,
        /// Decimals that are worth something, 9 at most.
        decimals: usize,
        /// Its unit; empty for none.
        unit: String,
    },
    /// How long something took, seconds.
    Seconds(u64),
    /// A day.
    Day(Date),
    /// A word, such as the result of a drill.
    Word(String),
    /// So much of a part of the period; of the rest nothing is known.
    Partial {
        /// Of that part.
        value: Box<Self>,
        /// Of which.
        of: String,
    },
    /// Nothing is known, and why.
    Unknown(String),
}

impl Value {
    /// As it is written.
    #[must_use]
    pub fn written(&self) -> String {
        match self {
            Self::Of { part, whole } => {
                let counts = format!("{}/{}", wording::count(*part), wording::count(*whole));
                // Of none there is no share.
                if *whole == 0 { counts } else { format!("{counts} ({}%)", share(*part, *whole)) }
            }
            Self::Count(number) => wording::count(*number),
            Self::Percent(number) if number.is_finite() => format!("{}%", wording::number(*number, 2)),
            Self::Amount { number, decimals, unit } if number.is_finite() => {
                format!("{} {unit}", wording::number(*number, *decimals)).trim_end().to_owned()
            }
            Self::Seconds(seconds) => wording::duration(*seconds),
            Self::Day(day) => wording::short_date(*day),
            Self::Word(word) => word.clone(),
            Self::Partial { value, of } if value.is_known() => format!("{} ({of})", value.written()),
            Self::Partial { value, .. } => value.written(),
            Self::Unknown(why) if !why.is_empty() => format!("{}: {why}", wording::NO_DATA),
            Self::Percent(_) | Self::Amount { .. } | Self::Unknown(_) => wording::NO_DATA.to_owned(),
        }
    }

    /// Whether it says something.
    #[must_use]
    pub fn is_known(&self) -> bool {
        match self {
            Self::Percent(number) | Self::Amount { number, .. } => number.is_finite(),
            Self::Partial { value, .. } => value.is_known(),
            Self::Unknown(_) => false,
            Self::Of { .. } | Self::Count(_) | Self::Seconds(_) | Self::Day(_) | Self::Word(_) => true,
        }
    }
}

/// A share in percent, with one decimal: rounded down, so that only all of them are 100 %.
fn share(part: u64, whole: u64) -> String {
    let tenths = u128::from(part) * 1_000 / u128::from(whole.max(1));
    wording::number(tenths as f64 / 10.0, 1)
}

/// How `now` differs from `before`: by how much, or that it cannot be said.
#[must_use]
pub fn change(now: &Value, before: Option<&Value>) -> String {
    let Some(before) = before.filter(|before| before.is_known()) else { return wording::NO_DATA.to_owned() };
    let signed = |difference: f64, decimals: usize, unit: &str| {
        let written = wording::number(difference.abs(), decimals);
        if !written.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) {
            return "không đổi".to_owned();
        }
        format!("{} {written}{unit}", if difference > 0.0 { "tăng" } else { "giảm" })
    };
    let whole = |now: u64, before: u64| now as f64 - before as f64;
    match (now, before) {
        (Value::Of { part, whole: all }, Value::Of { part: was, whole: were }) if *all > 0 && *were > 0 => {
            let percent = |part: u64, all: u64| part as f64 * 100.0 / all as f64;
            signed(percent(*part, *all) - percent(*was, *were), 1, " điểm %")
        }
        (Value::Count(now), Value::Count(before)) => signed(whole(*now, *before), 0, ""),
        (Value::Percent(now), Value::Percent(before)) => signed(now - before, 2, " điểm %"),
        (Value::Amount { number, decimals, unit }, Value::Amount { number: was, unit: same, .. }) if unit == same => {
            let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
            signed(number - was, *decimals, &unit)
        }
        (Value::Seconds(now), Value::Seconds(before)) if now == before => "không đổi".to_owned(),
        (Value::Seconds(now), Value::Seconds(before)) => {
            let word = if now > before { "tăng" } else { "giảm" };
            format!("{word} {}", wording::duration(now.abs_diff(*before)))
        }
        (now, before) if now.is_known() => format!("kỳ trước: {}", before.written()),
        (_, before) => format!("{}; kỳ trước: {}", wording::NO_DATA, before.written()),
    }
}
