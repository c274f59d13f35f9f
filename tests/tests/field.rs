//! Inputs from the field on which the product was wrong (`tests/machines/field/*.txt`), and what is right.
//!
//! Each is a machine (`ioc_tests::machines`) with lines before its first file that say what is asked and what is wanted:
//!
//! - `probe NAME` is the probe or the survey; `now TIME` is when.
//! - `want METRIC VALUE` or `want METRIC|SUBJECT VALUE`: a number of it; the value `unknown` means that there is none.
//! - `want outcome read`, `absent` or `unknown`, which may go on with a part of the reason.
//! - `want /POINTER JSON`: what stands at this place of its document (RFC 6901); nothing after the place means that nothing stands there.
//! - `want unknown TEXT`: a text under `unknown`, anywhere in the document, has this part.
//!
//! All other lines are for people: where it was seen, and what decides it.
#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::path::Path;

use ioc_tests::machines;
use serde_json::Value;

/// What a probe or a survey made of the machine.
struct Made {
    reading: Value,
    numbers: serde_json::Map<String, Value>,
}

impl Made {
    fn of(readings: &Value, name: &str) -> Self {
        let surveyed = &readings["surveys"][name];
        if surveyed.is_object() {
            return Self { reading: surveyed.clone(), numbers: surveyed["numbers"].as_object().unwrap().clone() };
        }
        let probes = readings["probes"].as_array().unwrap();
        let probe = probes.iter().find(|probe| probe["probe"] == name).unwrap_or_else(|| panic!("no probe {name}"));
        Self { reading: probe.clone(), numbers: readings["sample"].as_object().unwrap().clone() }
    }

    /// What is wrong with one wish.
    fn miss(&self, wish: &str) -> Option<String> {
        let (what, wanted) = wish.split_once(' ').unwrap_or((wish, ""));
        let found = match what {
            "outcome" => {
                let (outcome, part) = wanted.split_once(' ').unwrap_or((wanted, ""));
                let why = self.reading["why"].as_str().unwrap_or_default();
                let right = self.reading["outcome"] == outcome && why.contains(part);
                return (!right).then(|| format!("{} {why}", self.reading["outcome"]));
            }
            "unknown" => {
                let texts = unknowns(&self.reading["document"]);
                return (!texts.iter().any(|text| text.contains(wanted))).then(|| format!("unknown {texts:?}"));
            }
            place if place.starts_with('/') => {
                let wanted = if wanted.is_empty() { None } else { Some(serde_json::from_str(wanted).unwrap()) };
                let found = self.reading["document"].pointer(place).filter(|value| !value.is_null()).cloned();
                return (found != wanted).then(|| format!("{found:?}"));
            }
            number => {
                // A number may have spaces in its subject; the value is the last word.
                let (number, wanted) = wish.rsplit_once(' ').unwrap_or((number, ""));
                let found = self.numbers.get(number).and_then(Value::as_f64);
                let right = match wanted {
                    "unknown" => found.is_none(),
                    value => found.is_some_and(|found| (found - value.parse::<f64>().unwrap()).abs() < 1e-9),
                };
                if right {
                    return None;
                }
                format!("{found:?} of {:?}", self.numbers.keys().collect::<Vec<_>>())
            }
        };
        Some(found)
    }
}

fn unknowns(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| match value {
                Value::String(text) if key == "unknown" => vec![text.clone()],
                Value::Array(texts) if key == "unknown" => {
                    texts.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
                }
                below => unknowns(below),
            })
            .collect(),
        Value::Array(rows) => rows.iter().flat_map(unknowns).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_input_from_the_field_is_read_right() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("machines/field");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = Vec::new();
    for file in &files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(file).unwrap();
        let said = text.lines().take_while(|line| !line.starts_with("=== "));
        let root = tempfile::tempdir().unwrap();
        let laid = machines::unpack(&text, root.path()).unwrap();
        let readings = machines::readings(root.path(), &laid).unwrap();
        let (mut made, mut wishes) = (None, 0);
        for line in said {
            if let Some(probe) = line.strip_prefix("probe ") {
                made = Some(Made::of(&readings, probe.trim()));
            } else if let Some(wish) = line.strip_prefix("want ") {
                wishes += 1;
                let made = made.as_ref().unwrap_or_else(|| panic!("{name}: no probe is named before {line:?}"));
                if let Some(found) = made.miss(wish.trim()) {
                    wrong.push(format!("{name}: wanted {}, found {found}", wish.trim()));
                }
            }
        }
        assert!(wishes > 0, "{name} wants nothing");
    }
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), files.len(), wrong.join("\n"));
}
