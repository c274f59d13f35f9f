//! What the vendors' attributes of an ATA disk mean. Their numbers are used anew by every maker: what counts is the name that
//! smartctl gives them after its database of drives, and a name that says something else is left out.

use serde_json::Value;

use ioc_common::reading::SmartDisk;

/// Counts from here on are all bits set or several counters in one number; no disk lives to see so many.
const COUNT_MAX: u64 = u32::MAX as u64;
/// Hours from here on (34 years) are another unit or several counters in one number.
const HOURS_MAX: f64 = 300_000.0;

/// A count that a disk can have had.
pub(super) fn plausible(count: u64) -> Option<u64> {
    (count < COUNT_MAX).then_some(count)
}

/// Hours that a disk can have run.
pub(super) fn plausible_hours(hours: f64) -> Option<f64> {
    (0.0..HOURS_MAX).contains(&hours).then_some(hours)
}

/// Reads `ata_smart_attributes` into counts, hours and wear; what is not told stays none.
pub(super) fn read(value: &Value, disk: &mut SmartDisk) {
    let table = value["ata_smart_attributes"]["table"].as_array().map_or(&[][..], Vec::as_slice);
    let known = value["in_smartctl_database"] != false;
    let mut wear: Option<(WearIndicator, f64)> = None;
    for attribute in table {
        let name = attribute["name"].as_str().unwrap_or_default().to_lowercase();
        let named = |parts: &[&str]| name.is_empty() || parts.iter().any(|part| name.contains(part));
        match attribute["id"].as_u64() {
            Some(5) if named(&["realloc", "retired", "bad_bl", "unknown_attribute"]) => {
                disk.reallocated = count(attribute);
            }
            Some(197) if named(&["pending"]) => disk.pending = count(attribute),
            Some(198) if named(&["uncor"]) => disk.uncorrectable = disk.uncorrectable.max(count(attribute)),
            Some(160 | 195) if name == "uncorrectable_error_cnt" => {
                disk.uncorrectable = disk.uncorrectable.max(count(attribute));
            }
            Some(187) if named(&["uncor", "_ue_", "total_unc_"]) => {
                // Some makers pack more into it; without smartctl's text, the low 32 bits are the count.
                let low = || attribute["raw"]["value"].as_u64().map(|raw| raw & COUNT_MAX).filter(|low| *low != 0);
                let packed = attribute["raw"]["string"].is_null().then(low).flatten().and_then(plausible);
                disk.uncorrectable = disk.uncorrectable.max(count(attribute).or(packed));
            }
            Some(199) if named(&["crc"]) => disk.crc_errors = count(attribute),
            Some(9) if disk.hours.is_none() && named(&["power_on"]) => disk.hours = hours(attribute, &name),
            _ => {}
        }
        // It foretells failure by a threshold, while the disk still says that it passed (smartctl's exit bit 4).
        if attribute["when_failed"] == "now" && attribute["flags"]["prefailure"] == true {
            disk.passed = Some(false);
        }
        let found = WearIndicator::of(&name).filter(|source| known || !source.is_guessed(attribute));
        let found = found.and_then(|source| Some((source, source.used_pct(attribute)?)));
        wear = wear.into_iter().chain(found).min_by_key(|(source, _)| *source);
    }
    if wears(value, table) {
        disk.wear_pct = wear.map(|(_, used)| used);
    }
}

/// Whether it is one whose cells wear. A hard disk has attributes of the same numbers for other things, and a hybrid tells nothing of
/// its cells by them.
fn wears(value: &Value, table: &[Value]) -> bool {
    match value["rotation_rate"].as_u64() {
        Some(rotation) => rotation == 0,
        None => {
            // Before ATA-8 no disk said so: then its name must, or no attribute tells of a motor.
            let says = |key: &str| {
                let text = value[key].as_str().unwrap_or_default().to_lowercase();
                text.contains("ssd") || text.contains("solid state")
            };
            let motor = |attribute: &Value| {
                let name = attribute["name"].as_str().unwrap_or_default();
                matches!(name, "Spin_Up_Time" | "Spin_Retry_Count" | "Seek_Error_Rate" | "Load_Cycle_Count")
            };
            says("model_family") || says("model_name") || !table.iter().any(motor)
        }
    }
}

/// The first number of smartctl's text of a raw value, and what follows it. Texts that begin with no decimal number have none.
fn leading_number(attribute: &Value) -> Option<(u64, &str)> {
    let text = attribute["raw"]["string"].as_str()?.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let number = number.parse().ok()?;
    // Numbers side by side are the parts of one (raw8, raw16), the highest first.
    let parts = rest.trim_start().starts_with(|c: char| c.is_ascii_digit());
    (!rest.starts_with('x') && !parts).then_some((number, rest))
}

/// A count. Six bytes often hold several (`8 (2 0)`, `0/1234`, `24 (Average 12)`): the first in smartctl's text is the count.
fn count(attribute: &Value) -> Option<u64> {
    leading_number(attribute)
        .map(|(number, _)| number)
        .or_else(|| attribute["raw"]["value"].as_u64())
        .and_then(plausible)
}

/// Hours in use, if they are hours: `41022 (12 34 0)`, `20000h+12m+05.100s`, or a number with a name that says hours.
fn hours(attribute: &Value, name: &str) -> Option<f64> {
    let named = name.is_empty() || name.contains("hours");
    let hours = match leading_number(attribute) {
        Some((hours, rest)) => (named || rest.starts_with('h')).then_some(hours),
        None => attribute["raw"]["value"].as_u64().filter(|_| named),
    };
    hours.and_then(|hours| plausible_hours(hours as f64))
}

/// How an attribute tells of wear; what is said most plainly comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum WearIndicator {
    /// The raw value is the share used.
    Used,
    /// The normalised value is the share left, and with some makers only the raw value is.
    Left,
    /// The normalised value is the share left, and the raw value the share used (Micron).
    LeftRawUsed,
    /// `Media_Wearout_Indicator` of Intel: from 100 down to 1. Of WD and SanDisk (230): the share used.
    Wearout,
    /// `Wear_Leveling_Count`: the normalised value is the share left of the rated erasures.
    Levelling,
}

impl WearIndicator {
    fn of(name: &str) -> Option<Self> {
        Some(match name.trim_end_matches('%') {
            "percent_lifetime_used"
            | "percent_life_used"
            | "perc_rated_life_used"
            | "percentage_used"
            | "percent_used"
            | "drive_life_used"
            | "drivelife_used" => Self::Used,
            "ssd_life_left"
            | "ssd_life_left_perc"
            | "lifetime_left"
            | "lifetime_remaining"
            | "remaining_lifetime_perc"
            | "remaining_life"
            | "perc_rated_life_remain"
            | "percent_life_remaining"
            | "pct_life_remaining"
            | "drive_life_remaining"
            | "drivelife_remaining" => Self::Left,
            "percent_lifetime_remain" | "percent_lifetime_remaining" => Self::LeftRawUsed,
            "media_wearout_indicator" => Self::Wearout,
            "wear_leveling_count" => Self::Levelling,
            _ => return None,
        })
    }

    /// Of a drive that is not in its database, smartctl gives the name that most have. An indicator of Intel's has no raw value; what
    /// has one counts something else (gigabytes written, of SK hynix), and its normalised value stays at 100.
    fn is_guessed(self, attribute: &Value) -> bool {
        self == Self::Wearout && attribute["raw"]["value"].as_u64().is_some_and(|raw| raw > 100)
    }

    /// The share of its life that is used, %.
    fn used_pct(self, attribute: &Value) -> Option<f64> {
        let normalised = attribute["value"].as_u64();
        let raw = leading_number(attribute).map(|(number, _)| number).or_else(|| attribute["raw"]["value"].as_u64());
        // Where the maker leaves the normalised value at 0, at 100 or at the 253 of the standard, it says nothing.
        let left = normalised.filter(|left| (1..=100).contains(left));
        let failed = attribute["when_failed"].as_str().is_some_and(|when| !when.is_empty() && when != "-");
        let worn = (normalised == Some(0) && failed).then_some(100);
        let used = match self {
            Self::Used => raw.filter(|used| *used <= 255).or_else(|| left.map(|left| 100 - left)),
            Self::Left => match (normalised, raw) {
                (Some(1..=99), _) => left.map(|left| 100 - left),
                (Some(0), _) if failed => worn,
                // All is left, says the one, and next to nothing, the other (or that so much is used): who knows?
                (Some(100), Some(1..10)) => None,
                (_, Some(left @ 1..=100)) => Some(100 - left),
                _ => left.map(|left| 100 - left),
            },
            Self::LeftRawUsed => match (normalised, raw) {
                (Some(0), Some(used @ 100..=255)) => Some(used),
                (Some(0), Some(left @ 1..100)) if attribute["id"] != 202 && !failed => Some(100 - left),
                // Others of the name give what is left in the raw value, and 100 always.
                (Some(100), Some(left @ 10..=100)) => Some(100 - left),
                _ => left.map(|left| 100 - left).or(worn),
            },
            Self::Wearout if attribute["id"] == 230 => return share_counted_up(normalised?, &attribute["raw"]),
            Self::Wearout | Self::Levelling => left.map(|left| 100 - left).or(worn),
        };
        used.map(|used| used as f64)
    }
}

/// Attribute 230 of WD and SanDisk counts up: the normalised value is the share used, and the low word of the raw value the same in
/// percent or in hundredths of it. Only where both agree is it believed.
fn share_counted_up(normalised: u64, raw: &Value) -> Option<f64> {
    let text = raw["string"].as_str().and_then(|text| text.trim().strip_prefix("0x"));
    let word = text.and_then(|text| u64::from_str_radix(text, 16).ok()).or_else(|| raw["value"].as_u64())? & 0xffff;
    let agree = word == normalised || normalised.abs_diff(word / 100) <= 1;
    (agree && normalised <= 255).then_some(normalised as f64)
}
