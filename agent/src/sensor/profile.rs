//! Profiles: which words of a device mean what, as data (`config/modbus/*.toml`, and those a site writes itself).
//!
//! `docs/sensor-profile.md` says how one is written. Each cites its maker's document, and carries examples that are checked whenever
//! it is loaded: known words, and the documented values.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::config::{ConfigError, Source, Spanned};
use ioc_common::metric::{self, Metric};
use ioc_common::report::StateText;

use super::decode::{self, Bits, Order, Type};
use super::plan::{Limits, Stretch, Table, requests};

/// Most things one profile may name.
const ITEMS_MAX: usize = 300;
/// Most words of a text.
const TEXT_WORDS_MAX: u16 = 64;
/// The metric of alarms that only this device knows.
pub const ALARM: &str = "sensor.alarm";

/// A checked profile.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name, as the configuration uses it.
    pub name: String,
    /// What the device is.
    pub title: String,
    /// Who makes it.
    pub maker: String,
    /// Kind of device, by the name the collector uses.
    pub kind: String,
    /// The maker's document that it was written after.
    pub source: String,
    /// What a technician should know.
    pub notes: String,
    /// What is read.
    pub items: Vec<Item>,
    /// What the device says of itself.
    pub texts: Vec<TextItem>,
    /// What it allows in one request.
    pub limits: Limits,
}

/// A number.
#[derive(Debug, Clone)]
pub struct Item {
    /// Metric.
    pub metric: &'static Metric,
    /// Subject; may be empty.
    pub subject: String,
    /// Where it lies.
    pub at: Stretch,
    /// The address as the document counts.
    pub documented: u32,
    kind: Type,
    order: Order,
    bits: Option<Bits>,
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
    /// Which.
    pub of: Said,
    /// Where it lies.
    pub at: Stretch,
    order: Order,
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Said {
    /// The maker.
    Maker,
    /// The model.
    Model,
    /// The serial number.
    Serial,
    /// The firmware.
    Firmware,
}

/// A number that was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Read {
    /// It is this.
    Number(f64),
    /// The device says that it has none, or its words hold none.
    None,
    /// It lies beyond what can be believed.
    OutOfRange(f64),
}

/// The words of a device, as far as they were read.
#[derive(Debug, Clone, Default)]
pub struct Words(HashMap<(Table, u16), u16>);

impl Words {
    /// Adds what a request gave.
    pub fn put(&mut self, at: Stretch, words: &[u16]) {
        for (place, word) in words.iter().take(usize::from(at.count)).enumerate() {
            let address = u32::from(at.start) + u32::try_from(place).unwrap_or(u32::MAX);
            if let Ok(address) = u16::try_from(address) {
                self.0.insert((at.table, address), *word);
            }
        }
    }

    /// The words of a stretch; none when one of them was not read.
    #[must_use]
    pub fn get(&self, at: Stretch) -> Option<Vec<u16>> {
        let addresses = (0..at.count).map(|place| at.start.checked_add(place));
        addresses.map(|address| self.0.get(&(at.table, address?)).copied()).collect()
    }
}

impl Item {
    /// The number in `words`; `today` is the day since 1970.
    #[must_use]
    pub fn read(&self, words: &[u16], today: f64) -> Read {
        let Some(raw) = decode::number(self.kind, self.order, words) else { return Read::None };
        if self.invalid.contains(&raw) {
            return Read::None;
        }
        let raw = self.bits.map_or(raw, |bits| decode::field(raw, bits));
        if let Some(flag) = &self.flag {
            let set = flag.equals.as_ref().map_or(raw != 0.0, |values| values.contains(&raw));
            return Read::Number(f64::from(u8::from(set != flag.not)));
        }
        let value = match &self.states {
            Some(states) => match states.get(&(raw as u64)) {
                Some(value) => *value,
                None => return Read::OutOfRange(raw),
            },
            None if self.age_since.is_some() => today - (raw + self.age_since.unwrap_or_default()),
            // Rounded to what the scale can tell, so that 0.1 steps stay what they are.
            None => tidy(raw * self.scale + self.add, if self.kind == Type::F32 { 7 } else { 12 }),
        };
        if value < self.range.0 || value > self.range.1 { Read::OutOfRange(value) } else { Read::Number(value) }
    }

    /// The name of its series.
    #[must_use]
    pub fn series(&self) -> String {
        if self.subject.is_empty() {
            self.metric.name.to_owned()
        } else {
            format!("{}|{}", self.metric.name, self.subject)
        }
    }
}

/// A day since 1970 of `YYYY-MM-DD`.
fn day(text: &str) -> Option<f64> {
    let at: Timestamp = format!("{text}T00:00:00Z").parse().ok()?;
    Some(at.as_millis() as f64 / 86_400_000.0)
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    profile: HeadForm,
    #[serde(default)]
    value: Vec<Spanned<ItemForm>>,
    #[serde(default)]
    flag: Vec<Spanned<ItemForm>>,
    #[serde(default)]
    alarm: Vec<Spanned<AlarmForm>>,
    #[serde(default)]
    text: Vec<Spanned<TextForm>>,
    example: Vec<Spanned<ExampleForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadForm {
    name: Spanned<String>,
    title: String,
    maker: String,
    kind: Spanned<String>,
    source: Spanned<String>,
    #[serde(default)]
    notes: String,
    /// What the document counts from: 0, 1, or 30001 and the like.
    #[serde(default)]
    base: Base,
    #[serde(default)]
    function: Option<u8>,
    #[serde(default)]
    order: Order,
    #[serde(default)]
    words_max: Option<Spanned<u16>>,
    #[serde(default)]
    gap_max: Option<u16>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Default)]
enum Base {
    #[default]
    #[serde(rename = "0")]
    Zero,
    #[serde(rename = "1")]
    One,
    /// `10001`, `30001`, `40001`: the first digit says the table, the rest counts from 1.
    #[serde(rename = "modicon")]
    Modicon,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemForm {
    metric: Spanned<String>,
    #[serde(default)]
    subject: String,
    function: Option<u8>,
    address: Spanned<u32>,
    r#type: Option<Spanned<Type>>,
    order: Option<Order>,
    bit: Option<u8>,
    bits: Option<(u8, u8)>,
    scale: Option<f64>,
    #[serde(default)]
    add: f64,
    range: Option<Spanned<(f64, f64)>>,
    age_since: Option<String>,
    #[serde(default)]
    invalid: Vec<f64>,
    states: Option<BTreeMap<String, f64>>,
    equals: Option<Vec<f64>>,
    #[serde(default)]
    not: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AlarmForm {
    id: Spanned<String>,
    function: Option<u8>,
    address: Spanned<u32>,
    r#type: Option<Spanned<Type>>,
    bit: Option<u8>,
    equals: Option<Vec<f64>>,
    #[serde(default)]
    not: bool,
    vi: String,
    en: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextForm {
    of: Said,
    function: Option<u8>,
    address: Spanned<u32>,
    words: u16,
    order: Option<Order>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExampleForm {
    /// `"4:1" = [0x0102]`: function, address as documented, words from there on.
    words: BTreeMap<Spanned<String>, Vec<u16>>,
    #[serde(default)]
    gives: BTreeMap<Spanned<String>, f64>,
    #[serde(default)]
    says: BTreeMap<String, String>,
    /// The day on which it is read, for ages.
    today: Option<String>,
    /// Series that are not known with these words.
    #[serde(default)]
    unknown: Vec<String>,
}

impl Profile {
    /// Reads and checks a profile, its examples included.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the first fault.
    pub fn parse(source: &Source) -> Result<Self, ConfigError> {
        let form: FileForm = source.parse()?;
        let head = form.profile;
        let check = Check { source, base: head.base, function: head.function, order: head.order };
        if form.value.len() + form.flag.len() + form.alarm.len() + form.text.len() > ITEMS_MAX {
            return Err(source.fault(
                head.name.span(),
                &format!("allowed are {ITEMS_MAX} numbers and texts"),
                "divide it",
            ));
        }
        let shaped = |name: &str| {
            let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            !name.is_empty() && name.len() <= 40 && name.bytes().all(allowed)
        };
        if !shaped(head.name.get_ref()) {
            let message = format!("found name {:?}; allowed are 1 to 40 characters of a-z 0-9 -", head.name.get_ref());
            return Err(source.fault(head.name.span(), &message, "name it like \"acme-th1\""));
        }
        if !KINDS.contains(&head.kind.get_ref().as_str()) {
            let message = format!("found kind {:?}; allowed are {}", head.kind.get_ref(), KINDS.join(", "));
            return Err(source.fault(head.kind.span(), &message, "choose one of these"));
        }
        if head.source.get_ref().trim().is_empty() {
            let message = "found no source; required is the maker's document this was written after";
            return Err(source.fault(head.source.span(), message, "name document, edition and page"));
        }
        let count_max = match &head.words_max {
            Some(words) if (1..=125).contains(words.get_ref()) => *words.get_ref(),
            Some(words) => {
                let message = format!("found {}; allowed are 1 to 125", words.get_ref());
                return Err(source.fault(words.span(), &message, "the protocol carries no more"));
            }
            None => 125,
        };
        let mut items: Vec<(Item, Range<usize>)> = Vec::new();
        for (form, is_flag) in
            form.value.into_iter().map(|one| (one, false)).chain(form.flag.into_iter().map(|one| (one, true)))
        {
            let span = form.span();
            let item = check.item(span.clone(), form.into_inner(), is_flag)?;
            add(source, &mut items, item, span)?;
        }
        for form in form.alarm {
            let span = form.span();
            let item = check.alarm(form.into_inner())?;
            add(source, &mut items, item, span)?;
        }
        let mut texts = Vec::new();
        for form in form.text {
            texts.push(check.text(form.into_inner())?);
        }
        let profile = Self {
            name: head.name.into_inner(),
            title: head.title,
            maker: head.maker,
            kind: head.kind.into_inner(),
            source: head.source.into_inner(),
            notes: head.notes,
            items: items.into_iter().map(|(item, _)| item).collect(),
            texts,
            limits: Limits { count_max, gap_max: head.gap_max.unwrap_or(8).min(count_max) },
        };
        for example in form.example {
            profile.try_example(&check, example)?;
        }
        Ok(profile)
    }

    /// The requests that read all numbers.
    #[must_use]
    pub fn requests(&self) -> Vec<Stretch> {
        requests(&self.items.iter().map(|item| item.at).collect::<Vec<_>>(), self.limits)
    }

    /// The requests that read what the device says of itself.
    #[must_use]
    pub fn text_requests(&self) -> Vec<Stretch> {
        requests(&self.texts.iter().map(|text| text.at).collect::<Vec<_>>(), self.limits)
    }

    /// What its numbers mean in words.
    #[must_use]
    pub fn meanings(&self) -> Vec<StateText> {
        self.items.iter().filter_map(|item| item.text.clone()).collect()
    }

    fn try_example(&self, check: &Check<'_>, form: Spanned<ExampleForm>) -> Result<(), ConfigError> {
        let whole = form.span();
        let form = form.into_inner();
        let today = match form.today.as_deref().map(day) {
            Some(None) => {
                return Err(check.source.fault(whole, "found a day that is none", "write it like \"2026-11-24\""));
            }
            Some(Some(today)) => today,
            None => 0.0,
        };
        let mut words = Words::default();
        for (place, given) in form.words {
            let parsed =
                place.get_ref().split_once(':').and_then(|(code, at)| Some((code.parse().ok()?, at.parse().ok()?)));
            let Some((function, address)) = parsed else {
                let message = format!("found {:?}; allowed is \"function:address\"", place.get_ref());
                return Err(check.source.fault(place.span(), &message, "write it like \"4:1\""));
            };
            let address = Spanned::new(place.span(), address);
            let count = u16::try_from(given.len()).unwrap_or(u16::MAX);
            words.put(check.stretch(Some(function), &address, count)?.0, &given);
        }
        let read = |series: &str| {
            let item = self.items.iter().find(|item| item.series() == series)?;
            Some(words.get(item.at).map_or(Read::None, |words| item.read(&words, today)))
        };
        for (series, expected) in form.gives {
            let found = read(series.get_ref());
            if found != Some(Read::Number(expected)) {
                let message = match found {
                    Some(found) => {
                        format!("the example gives {found:?} for {}; expected is {expected}", series.get_ref())
                    }
                    None => format!("found {:?}; allowed are series of this profile", series.get_ref()),
                };
                let mend = "compare address (off by one?), type, order and scale with the maker's document";
                return Err(check.source.fault(series.span(), &message, mend));
            }
        }
        for series in form.unknown {
            if matches!(read(&series), Some(Read::Number(_)) | None) {
                let message = format!("the example gives {:?} for {series}; expected is none", read(&series));
                return Err(check.source.fault(whole, &message, "correct range or invalid"));
            }
        }
        for text in &self.texts {
            let expected = form.says.get(&format!("{:?}", text.of).to_lowercase());
            let found = words.get(text.at).map(|words| text.read(&words));
            if let Some(expected) = expected
                && found.as_ref() != Some(expected)
            {
                let message = format!("the example says {found:?}; expected is {expected:?}");
                return Err(check.source.fault(whole, &message, "correct address, words or order"));
            }
        }
        Ok(())
    }
}

/// Kinds of device a profile may name.
const KINDS: [&str; 6] = ["sensor", "ups", "meter", "cooling", "projector", "other"];

/// Adds an item, unless its series stands twice or it lies across another.
fn add(
    source: &Source,
    items: &mut Vec<(Item, Range<usize>)>,
    item: Item,
    span: Range<usize>,
) -> Result<(), ConfigError> {
    let series = item.series();
    if items.iter().any(|(known, _)| known.series() == series) {
        let message = format!("found a second {series}; allowed is one of each");
        return Err(source.fault(span, &message, "give each a subject of its own"));
    }
    let crosses = |known: &&(Item, Range<usize>)| {
        let (a, b) = (known.0.at, item.at);
        let apart = a.table != b.table || a.end() <= u32::from(b.start) || b.end() <= u32::from(a.start);
        // The same words read in several ways (bits of one status word) are no mistake; half of another number is.
        !(apart || a == b)
    };
    if let Some((known, _)) = items.iter().find(crosses) {
        let message = format!(
            "found {series} at {} to {}, which lies across {} at {} to {}",
            item.at.start,
            item.at.end() - 1,
            known.series(),
            known.at.start,
            known.at.end() - 1
        );
        return Err(source.fault(span, &message, "correct address or type; both may be off by one"));
    }
    items.push((item, span));
    Ok(())
}

/// What the checks of one file share.
struct Check<'a> {
    source: &'a Source,
    base: Base,
    function: Option<u8>,
    order: Order,
}

impl Check<'_> {
    /// The stretch that a function and a documented address mean.
    fn stretch(&self, function: Option<u8>, address: &Spanned<u32>, count: u16) -> Result<(Stretch, u32), ConfigError> {
        let fault = |message: &str, mend: &str| Err(self.source.fault(address.span(), message, mend));
        let documented = *address.get_ref();
        let (function, start) = match self.base {
            Base::Modicon => {
                let (digit, place) = if documented >= 100_000 {
                    (documented / 100_000, documented % 100_000)
                } else {
                    (documented / 10_000, documented % 10_000)
                };
                let table = match digit {
                    0 => 1,
                    1 => 2,
                    3 => 4,
                    4 => 3,
                    _ => return fault("the first digit must be 0, 1, 3 or 4", "correct the address, or the base"),
                };
                if function.is_some_and(|given| given != table) {
                    let message =
                        format!("address {documented} is read by function {table}, not by {}", function.unwrap_or(0));
                    return fault(&message, "remove the function or correct the address");
                }
                (table, place.checked_sub(1))
            }
            base => {
                let Some(function) = function.or(self.function) else {
                    return fault(
                        "found no function; required is 1, 2, 3 or 4",
                        "add function, here or under [profile]",
                    );
                };
                (function, documented.checked_sub(u32::from(base == Base::One)))
            }
        };
        let Some(table) = Table::of_function(function) else {
            let message = format!("found function {function}; allowed are 1 to 4, which read");
            return fault(&message, "correct the function; writing is not offered");
        };
        let Some(start) = start else {
            return fault(
                "found address 0, but this document counts from 1",
                "the address is off by one, or base is wrong",
            );
        };
        match u16::try_from(start) {
            Ok(start) if u32::from(start) + u32::from(count) <= 65_536 => {
                Ok((Stretch { table, start, count }, documented))
            }
            _ => fault(&format!("address {documented} lies beyond 65535"), "correct the address, or the base"),
        }
    }

    fn item(&self, span: Range<usize>, form: ItemForm, is_flag: bool) -> Result<Item, ConfigError> {
        let Some(metric) = metric::find(form.metric.get_ref()) else {
            let message = format!("found metric {:?}; allowed are those of docs/metrics.md", form.metric.get_ref());
            return Err(self.source.fault(form.metric.span(), &message, "correct the name"));
        };
        let function = form.function.or(self.function);
        let bitwise = self.base != Base::Modicon && function.and_then(Table::of_function).is_some_and(Table::is_bits);
        let kind = form.r#type.as_ref().map_or(if bitwise { Type::Bit } else { Type::U16 }, |kind| *kind.get_ref());
        let (at, documented) = self.stretch(form.function, &form.address, kind.words())?;
        if at.table.is_bits() != (kind == Type::Bit) {
            let place = form.r#type.as_ref().map_or_else(|| form.address.span(), Spanned::span);
            let message = format!(
                "found type {kind:?} in function {}; bits are read by 1 and 2, numbers by 3 and 4",
                at.table.function()
            );
            return Err(self.source.fault(
                place,
                &message,
                "correct type or function; for a bit of a register write bit = N",
            ));
        }
        let bits = match (form.bit, form.bits) {
            (Some(_), Some(_)) => {
                return Err(self.source.fault(span, "found bit and bits; allowed is one", "remove one"));
            }
            (Some(from), None) => Some(Bits { from, count: 1 }),
            (None, Some((from, count))) => Some(Bits { from, count }),
            (None, None) => None,
        };
        let width = u32::from(kind.words()) * 16;
        let whole = matches!(kind, Type::U16 | Type::U32);
        if let Some(bits) = bits
            && (!whole || bits.count == 0 || u32::from(bits.from) + u32::from(bits.count) > width)
        {
            let message = format!(
                "found bits {} to {}; allowed are those of a u16 or u32",
                bits.from,
                u32::from(bits.from) + u32::from(bits.count)
            );
            return Err(self.source.fault(span, &message, "count from 0, the lowest bit"));
        }
        let states = form.states.map(|states| {
            states.into_iter().map(|(raw, value)| raw.parse().map(|raw| (raw, value))).collect::<Result<_, _>>()
        });
        let Ok(states) = states.transpose() else {
            return Err(self.source.fault(
                span,
                "found a state that is no whole number",
                "write { \"1\" = 0, \"2\" = 1 }",
            ));
        };
        let age_since = form.age_since.as_deref().map(day);
        if age_since == Some(None) {
            return Err(self.source.fault(span, "found an age_since that is no day", "write it like \"2000-01-01\""));
        }
        let age_since = age_since.flatten();
        let range = match &form.range {
            Some(range) if range.get_ref().0 < range.get_ref().1 => *range.get_ref(),
            Some(range) => {
                return Err(self.source.fault(range.span(), "found an empty range", "write [lowest, highest]"));
            }
            None => (metric.min, metric.max),
        };
        if (range.0 < metric.min || range.1 > metric.max) && !is_flag {
            let message = format!(
                "found range {} to {}; {} allows {} to {}",
                range.0, range.1, metric.name, metric.min, metric.max
            );
            let place = form.range.as_ref().map_or(span, Spanned::span);
            return Err(self.source.fault(place, &message, "keep within what the metric allows"));
        }
        if !is_flag && (form.equals.is_some() || form.not) {
            return Err(self.source.fault(
                span,
                "found equals or not in a value; they make a [[flag]]",
                "make it a flag",
            ));
        }
        Ok(Item {
            metric,
            subject: form.subject,
            at,
            documented,
            kind,
            order: form.order.unwrap_or(self.order),
            bits,
            scale: form.scale.unwrap_or(1.0),
            add: form.add,
            range,
            invalid: form.invalid,
            states,
            age_since,
            flag: is_flag.then_some(Flag { equals: form.equals, not: form.not }),
            text: None,
        })
    }

    fn alarm(&self, form: AlarmForm) -> Result<Item, ConfigError> {
        let id = form.id.get_ref();
        let shaped = !id.is_empty() && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !shaped {
            let message = format!("found alarm {id:?}; allowed are characters of a-z 0-9 -");
            return Err(self.source.fault(form.id.span(), &message, "name it like \"over-temperature\""));
        }
        let span = form.id.span();
        let item = ItemForm {
            metric: Spanned::new(span.clone(), ALARM.to_owned()),
            subject: id.clone(),
            function: form.function,
            address: form.address,
            r#type: form.r#type,
            order: None,
            bit: form.bit,
            bits: None,
            scale: None,
            add: 0.0,
            range: None,
            age_since: None,
            invalid: Vec::new(),
            states: None,
            equals: form.equals,
            not: form.not,
        };
        let mut item = self.item(span, item, true)?;
        item.text = Some(StateText { series: item.series(), vi: form.vi, en: form.en });
        Ok(item)
    }

    fn text(&self, form: TextForm) -> Result<TextItem, ConfigError> {
        if !(1..=TEXT_WORDS_MAX).contains(&form.words) {
            let message = format!("found {} words; allowed are 1 to {TEXT_WORDS_MAX}", form.words);
            return Err(self.source.fault(form.address.span(), &message, "correct words"));
        }
        let (at, _) = self.stretch(form.function, &form.address, form.words)?;
        Ok(TextItem { of: form.of, at, order: form.order.unwrap_or(self.order) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[profile]
name = "acme-th1"
title = "Thermometer"
maker = "Acme"
kind = "sensor"
source = "TH1 manual, 2024, page 3"
function = 4
[[value]]
metric = "env.temperature"
address = 1
type = "i16"
scale = 0.1
range = [-40, 80]
invalid = [32767]
[[flag]]
metric = "contact.alarm"
subject = "door"
address = 3
bit = 2
not = true
[[alarm]]
id = "probe-broken"
address = 3
bit = 0
vi = "Đứt đầu dò"
en = "Probe broken"
[[example]]
words = { "4:1" = [0xFFF6], "4:3" = [0b101] }
gives = { "env.temperature" = -1.0, "contact.alarm|door" = 0, "sensor.alarm|probe-broken" = 1 }
[[example]]
words = { "4:1" = [0x7FFF] }
unknown = ["env.temperature"]
"#;

    fn parse(text: &str) -> Result<Profile, ConfigError> {
        Profile::parse(&Source::built_in("th1.toml", text))
    }

    #[test]
    fn a_good_profile_reads_its_words() {
        let profile = parse(GOOD).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(profile.requests().len(), 1, "near words share a request");
        let temperature = &profile.items[0];
        assert_eq!(temperature.read(&[253], 0.0), Read::Number(25.3));
        assert_eq!(temperature.read(&[0x7fff], 0.0), Read::None);
        assert_eq!(temperature.read(&[900], 0.0), Read::OutOfRange(90.0));
        assert_eq!(profile.meanings()[0].series, "sensor.alarm|probe-broken");
    }

    #[test]
    fn mistakes_are_found_where_they_stand() {
        for (from, to, line, says) in [
            ("metric = \"env.temperature\"", "metric = \"env.warmth\"", 10, "env.warmth"),
            ("address = 1\n", "address = 70000\n", 11, "65535"),
            ("type = \"i16\"", "type = \"bit\"", 12, "bits are read by 1 and 2"),
            ("type = \"i16\"", "type = \"f32\"\norder = \"cdab\"", 0, ""),
            ("range = [-40, 80]", "range = [80, -40]", 14, "empty range"),
            ("range = [-40, 80]", "range = [-400, 80]", 14, "allows"),
            ("subject = \"door\"\naddress = 3\nbit = 2", "subject = \"door\"\naddress = 3\nbit = 16", 16, "u16 or u32"),
            ("[[flag]]\nmetric = \"contact.alarm\"", "[[value]]\nmetric = \"contact.alarm\"", 16, "flag"),
            ("function = 4\n", "function = 6\n", 0, "which read"),
            ("function = 4\n", "function = 4\nbase = \"1\"\n", 0, ""),
            ("kind = \"sensor\"", "kind = \"thing\"", 6, "cooling"),
            ("\"env.temperature\" = -1.0", "\"env.temperature\" = -2.0", 0, "off by one"),
        ] {
            let fault = parse(&GOOD.replace(from, to)).err();
            if says.is_empty() {
                continue;
            }
            let fault = fault.unwrap_or_else(|| panic!("{to} must be refused"));
            assert!(line == 0 || fault.line == line, "{to}: {fault}");
            assert!(fault.to_string().contains(says), "{to}: {fault}");
        }
    }

    #[test]
    fn what_lies_across_another_number_is_refused() {
        let wide = GOOD.replace("address = 3\nbit = 2\nnot = true", "address = 0\ntype = \"u32\"\nbits = [0, 1]");
        let fault = parse(&wide).expect_err("across");
        assert!(fault.message.contains("lies across env.temperature"), "{fault}");
        let twice = GOOD.replace("[[alarm]]", "[[value]]\nmetric = \"env.temperature\"\naddress = 9\n[[alarm]]");
        assert!(parse(&twice).expect_err("twice").message.contains("second env.temperature"));
    }

    #[test]
    fn documents_count_in_different_ways() {
        let modicon =
            GOOD.replace("function = 4\n", "base = \"modicon\"\n").replace("address = 1\n", "address = 30002\n");
        let modicon = modicon
            .replace("address = 3\n", "address = 30004\n")
            .replace("4:1", "4:30002")
            .replace("4:3\"", "4:30004\"");
        let profile = parse(&modicon).unwrap_or_else(|e| panic!("{e}"));
        let at = Stretch { table: Table::InputRegisters, start: 1, count: 1 };
        assert_eq!(profile.items[0].at, at);
        let one = GOOD.replace("function = 4\n", "function = 4\nbase = \"1\"\n").replace("4:1", "4:1");
        assert_eq!(parse(&one).unwrap_or_else(|e| panic!("{e}")).items[0].at.start, 0);
        let zero = one.replace("address = 1\n", "address = 0\n");
        assert!(parse(&zero).expect_err("off by one").mend.contains("off by one"));
        let wrong = modicon.replace("address = 30002\n", "address = 30002\nfunction = 3\n");
        assert!(parse(&wrong).expect_err("table").message.contains("function 4"));
    }
}
