//! A profile's file: its forms, and every check of them, examples included.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::config::{ConfigError, Source, Spanned};
use ioc_common::metric::{self, Metric};
use ioc_common::report::StateText;

use super::{ALARM, Flag, ItemValue, ProfileItem, RegisterWords, SensorProfile, TextItem, TextKind};
use crate::sensor::decode::{BitField, NumberType, WordOrder};
use crate::sensor::request_batching::{AddressRange, RegisterTable, RequestLimits, requests};

/// Most things one profile may name.
const ITEMS_MAX: usize = 300;
/// Most words of a text.
const TEXT_WORDS_MAX: u16 = 64;

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
    order: WordOrder,
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
    r#type: Option<Spanned<NumberType>>,
    order: Option<WordOrder>,
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
    r#type: Option<Spanned<NumberType>>,
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
    of: TextKind,
    function: Option<u8>,
    address: Spanned<u32>,
    words: u16,
    order: Option<WordOrder>,
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

impl SensorProfile {
    /// Reads and checks a profile, its examples included.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the first fault.
    pub fn parse(source: &Source) -> Result<Self, ConfigError> {
        let form: FileForm = source.parse()?;
        let head = form.profile;
        let check = ProfileChecker { source, base: head.base, function: head.function, order: head.order };
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
        let mut items: Vec<(ProfileItem, Range<usize>)> = Vec::new();
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
            texts.push(check.text(form.get_ref())?);
        }
        let items: Vec<ProfileItem> = items.into_iter().map(|(item, _)| item).collect();
        let limits = RequestLimits { count_max, gap_max: head.gap_max.unwrap_or(8).min(count_max) };
        let profile = Self {
            requests: requests(&items.iter().map(|item| item.at).collect::<Vec<_>>(), limits),
            text_requests: requests(&texts.iter().map(|text| text.at).collect::<Vec<_>>(), limits),
            name: head.name.into_inner(),
            title: head.title,
            maker: head.maker,
            kind: head.kind.into_inner(),
            source: head.source.into_inner(),
            notes: head.notes,
            items,
            texts,
            limits,
        };
        for example in form.example {
            profile.try_example(&check, example)?;
        }
        Ok(profile)
    }

    fn try_example(&self, check: &ProfileChecker<'_>, form: Spanned<ExampleForm>) -> Result<(), ConfigError> {
        let whole = form.span();
        let form = form.into_inner();
        let today = match form.today.as_deref().map(day) {
            Some(None) => {
                return Err(check.source.fault(whole, "found a day that is none", "write it like \"2026-11-24\""));
            }
            Some(Some(today)) => today,
            None => 0.0,
        };
        let mut words = RegisterWords::default();
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
            Some(words.get(item.at).map_or(ItemValue::None, |words| item.read(&words, today)))
        };
        for (series, expected) in form.gives {
            let found = read(series.get_ref());
            if found != Some(ItemValue::Number(expected)) {
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
            if matches!(read(&series), Some(ItemValue::Number(_)) | None) {
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
    items: &mut Vec<(ProfileItem, Range<usize>)>,
    item: ProfileItem,
    span: Range<usize>,
) -> Result<(), ConfigError> {
    let series = item.series();
    if items.iter().any(|(known, _)| known.series() == series) {
        let message = format!("found a second {series}; allowed is one of each");
        return Err(source.fault(span, &message, "give each a subject of its own"));
    }
    let crosses = |known: &&(ProfileItem, Range<usize>)| {
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
struct ProfileChecker<'a> {
    source: &'a Source,
    base: Base,
    function: Option<u8>,
    order: WordOrder,
}

impl ProfileChecker<'_> {
    /// The stretch that a function and a documented address mean.
    fn stretch(
        &self,
        function: Option<u8>,
        address: &Spanned<u32>,
        count: u16,
    ) -> Result<(AddressRange, u32), ConfigError> {
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
        let Some(table) = RegisterTable::of_function(function) else {
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
                Ok((AddressRange { table, start, count }, documented))
            }
            _ => fault(&format!("address {documented} lies beyond 65535"), "correct the address, or the base"),
        }
    }

    fn item(&self, span: Range<usize>, form: ItemForm, is_flag: bool) -> Result<ProfileItem, ConfigError> {
        let metric = metric::from_config(self.source, &form.metric)?;
        let function = form.function.or(self.function);
        let bitwise = self.base != Base::Modicon
            && function.and_then(RegisterTable::of_function).is_some_and(RegisterTable::is_bits);
        let kind = form
            .r#type
            .as_ref()
            .map_or(if bitwise { NumberType::Bit } else { NumberType::U16 }, |kind| *kind.get_ref());
        let (at, documented) = self.stretch(form.function, &form.address, kind.words())?;
        if at.table.is_bits() != (kind == NumberType::Bit) {
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
        let bits = self.bits(span.clone(), &form, kind)?;
        let states = form.states.as_ref().map(|states| {
            states.iter().map(|(raw, value)| raw.parse().map(|raw| (raw, *value))).collect::<Result<_, _>>()
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
        let range = self.range(span.clone(), &form, metric, is_flag)?;
        if !is_flag && (form.equals.is_some() || form.not) {
            return Err(self.source.fault(
                span,
                "found equals or not in a value; they make a [[flag]]",
                "make it a flag",
            ));
        }
        Ok(ProfileItem {
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

    /// The bits of a number that count.
    fn bits(&self, span: Range<usize>, form: &ItemForm, kind: NumberType) -> Result<Option<BitField>, ConfigError> {
        let bits = match (form.bit, form.bits) {
            (Some(_), Some(_)) => {
                return Err(self.source.fault(span, "found bit and bits; allowed is one", "remove one"));
            }
            (Some(from), None) => Some(BitField { from, count: 1 }),
            (None, Some((from, count))) => Some(BitField { from, count }),
            (None, None) => None,
        };
        let width = u32::from(kind.words()) * 16;
        let whole = matches!(kind, NumberType::U16 | NumberType::U32);
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
        Ok(bits)
    }

    /// What can be believed of a number.
    fn range(
        &self,
        span: Range<usize>,
        form: &ItemForm,
        metric: &Metric,
        is_flag: bool,
    ) -> Result<(f64, f64), ConfigError> {
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
        Ok(range)
    }

    fn alarm(&self, form: AlarmForm) -> Result<ProfileItem, ConfigError> {
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

    fn text(&self, form: &TextForm) -> Result<TextItem, ConfigError> {
        if !(1..=TEXT_WORDS_MAX).contains(&form.words) {
            let message = format!("found {} words; allowed are 1 to {TEXT_WORDS_MAX}", form.words);
            return Err(self.source.fault(form.address.span(), &message, "correct words"));
        }
        let (at, _) = self.stretch(form.function, &form.address, form.words)?;
        Ok(TextItem { of: form.of, at, order: form.order.unwrap_or(self.order) })
    }
}

/// A day since 1970 of `YYYY-MM-DD`.
fn day(text: &str) -> Option<f64> {
    let at: Timestamp = format!("{text}T00:00:00Z").parse().ok()?;
    Some(at.as_millis() as f64 / 86_400_000.0)
}
