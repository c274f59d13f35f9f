//! Profiles: which words of a device mean what, as data (`config/modbus/*.toml`, and those a site writes itself).
//!
//! `docs/sensor-profile.md` says how one is written. Each cites its maker's document, and carries examples that are checked whenever
//! it is loaded: known words, and the documented values.

mod form;

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use ioc_common::layout::Series;
use ioc_common::metric::Metric;
use ioc_common::report::StateText;

use super::decode::{self, BitField, NumberType, WordOrder};
use super::request_batching::{AddressRange, RegisterTable, RequestLimits};

/// The metric of alarms that only this device knows.
pub const ALARM: &str = "sensor.alarm";

/// A profile that was checked: its requests fit what the device allows, and its examples read as they should.
#[derive(Debug, Clone)]
pub struct SensorProfile {
    /// Its name, as the configuration uses it.
    pub name: String,
    /// What the device is, in a few words, such as `Power meter`.
    pub title: String,
    /// Maker of the device.
    pub maker: String,
    /// Kind of device, by the name the collector uses.
    pub kind: String,
    /// The maker's document that it was written after.
    pub source: String,
    /// What a technician should know.
    pub notes: String,
    /// The numbers that are read, in the order of the profile.
    pub items: Vec<ProfileItem>,
    /// What the device says of itself.
    pub texts: Vec<TextItem>,
    /// What it allows in one request.
    pub limits: RequestLimits,
    requests: Vec<AddressRange>,
    text_requests: Vec<AddressRange>,
}

/// A number that a profile reads: where it lies, how its words become a value, and the metric that it is.
#[derive(Debug, Clone)]
pub struct ProfileItem {
    /// The metric it becomes.
    pub metric: &'static Metric,
    /// Subject; may be empty.
    pub subject: String,
    /// The words of the device that hold it.
    pub at: AddressRange,
    /// The address as the document counts.
    pub documented: u32,
    kind: NumberType,
    order: WordOrder,
    bits: Option<BitField>,
    scale: f64,
    add: f64,
    range: (f64, f64),
    invalid: Vec<f64>,
    states: Option<BTreeMap<u64, f64>>,
    flag: Option<Flag>,
    /// The number is a day, counted from this day since 1970; what is told is how long ago it was.
    age_since: Option<f64>,
    /// What it means in words when it is not 0.
    pub text: Option<StateText>,
}

/// A number that is made a yes or no.
#[derive(Debug, Clone)]
struct Flag {
    equals: Option<Vec<f64>>,
    not: bool,
}

/// A text that the device says of itself.
#[derive(Debug, Clone)]
pub struct TextItem {
    /// What of the device it names.
    pub of: TextKind,
    /// The words of the device that hold it.
    pub at: AddressRange,
    order: WordOrder,
}

/// What of the device a text names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "their names say it")]
pub enum TextKind {
    Maker,
    Model,
    Serial,
    Firmware,
}

/// A number that was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ItemValue {
    /// The value in the unit of its metric.
    Number(f64),
    /// The device says that it has none, or its words hold none.
    None,
    /// It lies beyond what can be believed.
    OutOfRange(f64),
}

/// The words of a device, as far as they were read.
#[derive(Debug, Clone, Default)]
pub struct RegisterWords(HashMap<(RegisterTable, u16), u16>);

impl RegisterWords {
    /// Adds what a request gave.
    pub fn put(&mut self, at: AddressRange, words: &[u16]) {
        for (place, word) in words.iter().take(usize::from(at.count)).enumerate() {
            let address = u32::from(at.start) + u32::try_from(place).unwrap_or(u32::MAX);
            if let Ok(address) = u16::try_from(address) {
                self.0.insert((at.table, address), *word);
            }
        }
    }

    /// Whether nothing was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The words of a stretch; none when one of them was not read.
    #[must_use]
    pub fn get(&self, at: AddressRange) -> Option<Vec<u16>> {
        let addresses = (0..at.count).map(|place| at.start.checked_add(place));
        addresses.map(|address| self.0.get(&(at.table, address?)).copied()).collect()
    }
}

impl ProfileItem {
    /// The number in `words`; `today` is the day since 1970.
    #[must_use]
    pub fn read(&self, words: &[u16], today: f64) -> ItemValue {
        let Some(raw) = decode::number(self.kind, self.order, words) else { return ItemValue::None };
        if self.invalid.contains(&raw) {
            return ItemValue::None;
        }
        let raw = self.bits.map_or(raw, |bits| decode::field(raw, bits));
        if let Some(flag) = &self.flag {
            let set = flag.equals.as_ref().map_or(raw != 0.0, |values| values.contains(&raw));
            return ItemValue::Number(f64::from(u8::from(set != flag.not)));
        }
        let value = match &self.states {
            Some(states) => match states.get(&(raw as u64)) {
                Some(value) => *value,
                None => return ItemValue::OutOfRange(raw),
            },
            None if self.age_since.is_some() => (today - (raw + self.age_since.unwrap_or_default())).floor(),
            // Rounded to what the scale can tell, so that 0.1 steps stay what they are.
            None => tidy(raw * self.scale + self.add, if self.kind == NumberType::F32 { 7 } else { 12 }),
        };
        if value < self.range.0 || value > self.range.1 {
            ItemValue::OutOfRange(value)
        } else {
            ItemValue::Number(value)
        }
    }

    /// The name of its series.
    #[must_use]
    pub fn series(&self) -> String {
        Series::new(self.metric.name, &self.subject).as_str().to_owned()
    }
}

/// Without the noise that scaling by a tenth leaves behind the last digit that counts.
fn tidy(value: f64, digits: i32) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let factor = 10_f64.powi(digits - 1 - value.abs().log10().floor() as i32);
    let rounded = (value * factor).round() / factor;
    if rounded.is_finite() { rounded } else { value }
}

impl TextItem {
    /// The text in `words`.
    #[must_use]
    pub fn read(&self, words: &[u16]) -> String {
        decode::text(words, self.order)
    }
}

impl SensorProfile {
    /// The requests that read all numbers.
    #[must_use]
    pub fn requests(&self) -> &[AddressRange] {
        &self.requests
    }

    /// The requests that read what the device says of itself.
    #[must_use]
    pub fn text_requests(&self) -> &[AddressRange] {
        &self.text_requests
    }

    /// What its numbers mean in words.
    #[must_use]
    pub fn meanings(&self) -> Vec<StateText> {
        self.items.iter().filter_map(|item| item.text.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
