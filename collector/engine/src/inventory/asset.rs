//! The asset register (article 6.1): what may be written down, what is missing, and where an agent says something else. Pure.

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_common::report::Hello;
use ioc_judge::{DeviceInfo, DeviceKind, Importance};
use ioc_store::coverage::AREAS;
use ioc_store::{Asset, AssetAttestation, AssetField, AssetState, AssetValue};

use super::device::{TEXT_MAX_CHARS, mac_of};
use crate::refusal_reason::{RefusalReason, Word};

/// Longest purpose and note, characters.
const LONG_MAX_CHARS: usize = 500;
/// Longest time that a person's word holds, milliseconds: four hundred days.
const VALID_MAX_MS: i64 = 400 * 86_400_000;
/// Serial numbers that makers leave in place of one.
const NO_SERIALS: [&str; 11] = [
    "",
    "to be filled by o.e.m.",
    "default string",
    "system serial number",
    "not specified",
    "not applicable",
    "not available",
    "none",
    "n/a",
    "0",
    "123456789",
];

/// Whether a text is a serial number and not what makers leave in place of one.
#[must_use]
pub fn is_serial(text: &str) -> bool {
    !NO_SERIALS.contains(&text.trim().to_lowercase().as_str())
}

/// What may be written down, as it is kept: without what stands around it.
///
/// # Errors
/// What was found, and what is allowed.
pub fn checked(field: AssetField, text: &str) -> Result<String, RefusalReason> {
    let text = text.trim();
    let name = field.as_str();
    let most = if field == AssetField::Purpose { LONG_MAX_CHARS } else { TEXT_MAX_CHARS };
    let word = || ("field", Word::named("asset-field", name));
    let found = || ("found", Word::text(text));
    let choice = |family: &'static str, names: &[&str]| {
        let english = format!("{name}: found {text:?}; allowed are {}", names.join(", "));
        let allowed = ("allowed", Word::all(family, names.iter().copied()));
        Err(RefusalReason::new("register-refused-choice", [word(), found(), allowed], english))
    };
    if text.chars().count() > most || text.chars().any(char::is_control) {
        let short: String = text.chars().take(40).filter(|letter| !letter.is_control()).collect();
        let english = format!("{name}: found {short:?}…; allowed are {most} characters without control characters");
        return Err(RefusalReason::new("register-refused-long", [word(), ("most", Word::count(most))], english));
    }
    if text.is_empty() {
        let missing = |english: &str| Err(RefusalReason::new("register-refused-missing", [word()], english));
        return match field {
            AssetField::Name => missing("name: found none; every device is named (article 6.1)"),
            AssetField::Kind => missing("kind: found none; every device has a kind"),
            _ => Ok(String::new()),
        };
    }
    match field {
        AssetField::Kind if DeviceKind::parse(text).is_none() => {
            choice("kind", &DeviceKind::ALL.map(DeviceKind::as_str))
        }
        AssetField::State if AssetState::parse(text).is_none() => {
            choice("asset-state", &AssetState::ALL.map(AssetState::as_str))
        }
        AssetField::Importance if Importance::parse(text).is_none() => {
            choice("asset-importance", &Importance::ALL.map(Importance::as_str))
        }
        AssetField::Mac => mac_of(text).ok_or_else(|| {
            let english = format!("{name}: found {text:?}; allowed is 00:11:22:33:44:55");
            RefusalReason::new("register-refused-mac", [word(), found()], english)
        }),
        field if field.is_day() => day_of(text).ok_or_else(|| {
            let english = format!("{name}: found {text:?}; allowed is a day such as 2026-11-29 or 29/11/2026");
            RefusalReason::new("register-refused-day", [word(), found()], english)
        }),
        _ => Ok(text.to_owned()),
    }
}

/// A day as it is kept, `YYYY-MM-DD`, however people wrote it: the day first with strokes, or the year first.
#[must_use]
pub fn day_of(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split(['-', '/', '.']).map(str::trim).collect();
    let [first, second, third] = parts[..] else { return None };
    let (year, month, day) = if first.len() == 4 { (first, second, third) } else { (third, second, first) };
    if year.len() != 4 {
        return None;
    }
    let date = jiff::civil::Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    Some(date.to_string())
}

/// What is said of a device, by the columns of the register that are kept with it.
#[must_use]
pub fn of_device(info: &DeviceInfo) -> BTreeMap<AssetField, String> {
    let importance = match info.importance {
        // As much as on most is what stands there when nobody said anything.
        Importance::Normal => String::new(),
        other => other.as_str().to_owned(),
    };
    let of = |text: &String| text.clone();
    [
        (AssetField::Name, of(&info.name)),
        (AssetField::Label, of(&info.label)),
        (AssetField::Kind, info.kind.as_str().to_owned()),
        (AssetField::Place, of(&info.place)),
        (AssetField::Officer, of(&info.officer)),
        (AssetField::Leader, of(&info.leader)),
        (AssetField::Mac, of(&info.mac)),
        (AssetField::Serial, of(&info.serial)),
        (AssetField::Address, of(&info.address)),
        (AssetField::Importance, importance),
    ]
    .into()
}

/// What a hello tells of its device that belongs into the register.
#[must_use]
pub fn found_in(hello: &Hello) -> Vec<(AssetField, String)> {
    let facts = &hello.facts;
    let room = hello.sensor.as_ref().map(|sensor| sensor.room.clone()).unwrap_or_default();
    let serial = if is_serial(&facts.serial) { facts.serial.clone() } else { String::new() };
    let all = [
        (AssetField::Maker, facts.vendor.clone()),
        (AssetField::Model, facts.product.clone()),
        (AssetField::Serial, serial),
        (AssetField::Place, room),
    ];
    let one_line = |text: String| -> String {
        text.trim().chars().filter(|letter| !letter.is_control()).take(TEXT_MAX_CHARS).collect()
    };
    all.into_iter().map(|(field, text)| (field, one_line(text))).filter(|(_, text)| !text.is_empty()).collect()
}

/// Takes over what is said now: who says it stands beside what changed. Whether anything did.
pub fn take_said(
    asset: &mut Asset,
    values: impl IntoIterator<Item = (AssetField, String)>,
    by: Option<&str>,
    now: Timestamp,
) -> bool {
    let mut changed = false;
    for (field, text) in values {
        let was = asset.said.get(&field).map_or("", |value| value.text.as_str());
        if was == text {
            continue;
        }
        changed = true;
        if text.is_empty() {
            asset.said.remove(&field);
        } else {
            asset.said.insert(field, AssetValue { text, by: by.map(str::to_owned), at: now });
        }
    }
    changed
}

/// What must be written down and is not. What is retired lacks nothing.
#[must_use]
pub fn blanks(asset: &Asset, required: &[AssetField]) -> Vec<AssetField> {
    if asset.state() == AssetState::Retired {
        return Vec::new();
    }
    required.iter().copied().filter(|field| asset.text(*field).trim().is_empty()).collect()
}

/// Where an agent says something else than what is written down, and nobody has said that it is known.
#[must_use]
pub fn contradictions(asset: &Asset) -> Vec<AssetField> {
    let contradicts = |field: &AssetField| {
        let (Some(said), Some(found)) = (asset.said.get(field), asset.found.get(field)) else { return false };
        let is_known = asset.kept.get(field).is_some_and(|kept| kept.text == found.text);
        // A machine has several network addresses: one of them is meant.
        !is_known && !found.text.split(", ").any(|one| same(one, &said.text)) && !same(&found.text, &said.text)
    };
    // A maker's name is written in as many ways as there are people; what identifies is compared, and where it stands.
    let compared = [AssetField::Serial, AssetField::Mac, AssetField::Place];
    if asset.state() == AssetState::Retired { Vec::new() } else { compared.into_iter().filter(contradicts).collect() }
}

fn same(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// Checks what a person attests of a machine.
///
/// # Errors
/// Which field is not good, what was found, and what is allowed.
pub fn check_attestation(attestation: &AssetAttestation, now: Timestamp) -> Result<(), RefusalReason> {
    if !AREAS.iter().any(|area| area.name == attestation.area) {
        let names = AREAS.map(|area| area.name);
        let english = format!("area: found {:?}; allowed are {}", attestation.area, names.join(", "));
        let args = [("found", Word::text(&attestation.area)), ("allowed", Word::all("coverage", names))];
        return Err(RefusalReason::new("register-refused-area", args, english));
    }
    check_word(&attestation.note, attestation.valid_until, now)
}

/// Checks what a person says of what they vouch for, and until when that holds.
///
/// # Errors
/// Which field is not good, and what is allowed.
pub fn check_word(note: &str, until: Timestamp, now: Timestamp) -> Result<(), RefusalReason> {
    if note.trim().is_empty() || note.chars().count() > LONG_MAX_CHARS || note.chars().any(char::is_control) {
        let english = format!(
            "note: allowed are 1 to {LONG_MAX_CHARS} characters; say what was looked at, and where the evidence lies"
        );
        return Err(RefusalReason::new("register-refused-note", [("most", Word::count(LONG_MAX_CHARS))], english));
    }
    if until <= now || until > now.plus_millis(VALID_MAX_MS) {
        let english = "valid_until: allowed is a moment of the next 400 days";
        return Err(RefusalReason::new("register-refused-valid-until", [], english));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ioc_common::id::DeviceId;

    use super::*;

    fn asset(said: &[(AssetField, &str)], found: &[(AssetField, &str)]) -> Asset {
        let values = |all: &[(AssetField, &str)]| {
            let value = |text: &str| AssetValue { text: text.to_owned(), by: None, at: Timestamp::MIN };
            all.iter().map(|(field, text)| (*field, value(text))).collect()
        };
        let device = DeviceId::new("srv-1").expect("valid");
        Asset { said: values(said), found: values(found), ..Asset::new(device, Timestamp::MIN) }
    }

    #[test]
    fn days_are_read_as_people_write_them() {
        for text in ["2026-02-09", "09/02/2026", "9.2.2026", " 9/2/2026"] {
            assert_eq!(day_of(text).as_deref(), Some("2026-02-09"), "{text}");
        }
        for text in ["", "31/02/2026", "2026", "9/2/26", "a/b/2026", "1/2/3/2026"] {
            assert_eq!(day_of(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_faulty_is_refused_with_what_is_allowed() {
        let refused = |field, text| checked(field, text).expect_err("refused").to_string();
        assert!(refused(AssetField::State, "broken").contains("allowed are in_use, spare, repair, retired"));
        assert!(refused(AssetField::WarrantyEnd, "soon").contains("2026-11-29"));
        assert!(refused(AssetField::Name, " ").contains("6.1"));
        assert!(refused(AssetField::Mac, "12").contains("00:11:22:33:44:55"));
        assert!(refused(AssetField::Maker, &"a".repeat(201)).contains("200 characters"));
        assert_eq!(checked(AssetField::Mac, "00-1A-2B-3C-4D-5E").expect("good"), "00:1a:2b:3c:4d:5e");
        assert_eq!(checked(AssetField::Purpose, &"ấ".repeat(500)).expect("good").chars().count(), 500);
        assert_eq!(checked(AssetField::Label, "").expect("good"), "");
    }

    #[test]
    fn what_the_agent_found_fills_what_nobody_wrote_and_contradicts_what_somebody_did() {
        let required = [AssetField::Label, AssetField::Serial, AssetField::Mac];
        let found = [(AssetField::Serial, "SN-9"), (AssetField::Mac, "aa:00:00:00:00:01, aa:00:00:00:00:02")];
        let filled = asset(&[], &found);
        assert_eq!(blanks(&filled, &required), [AssetField::Label]);
        assert!(contradictions(&filled).is_empty());
        let right = asset(&[(AssetField::Serial, "sn-9 "), (AssetField::Mac, "aa:00:00:00:00:02")], &found);
        assert!(contradictions(&right).is_empty());
        let said = [(AssetField::Serial, "SN-7"), (AssetField::Mac, "aa:00:00:00:00:09")];
        let mut wrong = asset(&said, &found);
        assert_eq!(contradictions(&wrong), [AssetField::Serial, AssetField::Mac]);
        // What a person knows is no work any more, until the agent finds something else again.
        wrong.kept.insert(AssetField::Serial, wrong.found[&AssetField::Serial].clone());
        assert_eq!(contradictions(&wrong), [AssetField::Mac]);
        let retired = [(AssetField::State, "retired"), (AssetField::Serial, "SN-7")];
        let retired = asset(&retired, &found);
        assert!(blanks(&retired, &required).is_empty() && contradictions(&retired).is_empty());
    }
}
