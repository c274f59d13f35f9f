//! A program that failed is not a zero. Every machine that is kept here (`tests/machines`, what is below it too) is surveyed again with each
//! program failing in each way: no number may become another number, no list shorter, no flag another one, unless the survey says that it does
//! not know, and why.
#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ioc_probe::COMMANDS;
use ioc_tests::machines::{self, Laid};
use serde_json::Value;

/// Programs whose silence is an answer when they end well: *nothing is pending*, *nothing was logged*, *there is no rule*.
const SILENT: [&str; 6] =
    ["dnf_-q_-C_", "dnf5_-q_-C_", "journalctl_", "ipmitool_sel_", "iptables-save", "ip6tables-save"];

/// What becomes of what a program had printed.
type Failing = fn(&[u8]) -> Vec<u8>;

/// Ways to fail, and what a capture then holds of a program that had printed `whole`.
const WAYS: [(&str, Failing); 7] = [
    ("ends with status 1", |whole| [b"exit 1 something went wrong\n", whole].concat()),
    ("prints nothing", |_| b"exit 0\n".to_vec()),
    ("is cut in the middle", |whole| {
        // Within a line: an end between two lines cannot be told from a shorter answer by every program.
        let cut = (1..=whole.len() / 2).rev().find(|at| whole[at - 1] != b'\n' && whole.get(*at) != Some(&b'\n'));
        [b"exit 0\n", &whole[..cut.unwrap_or(0)]].concat()
    }),
    ("prints what is no text", |_| [&b"exit 0\n"[..], &[0xff, 0xfe, 0x00, 0x80, 0xc3, b'\n'].repeat(40)].concat()),
    ("floods", |_| b"failed printed more than 4194304 bytes and was stopped\n".to_vec()),
    ("hangs", |_| b"failed did not end within 20 s and was stopped\n".to_vec()),
    ("is killed", |whole| [b"exit -1\n", whole].concat()),
];

/// Every machine below `dir`.
fn kept(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(kept(&path));
        } else if path.extension().is_some_and(|ending| ending == "txt") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The surveys, by name.
fn surveys(root: &Path, laid: &Laid) -> BTreeMap<String, Value> {
    let readings = machines::surveys(root, laid).unwrap();
    readings.as_object().unwrap().iter().map(|(name, made)| (name.clone(), made.clone())).collect()
}

/// All texts that say what is not known.
fn reasons(made: &Value) -> BTreeSet<String> {
    fn walk(value: &Value, under: bool, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(key, below)| walk(below, key == "unknown", found)),
            Value::Array(rows) => rows.iter().for_each(|row| walk(row, under, found)),
            Value::String(text) if under && !text.is_empty() => drop(found.insert(text.clone())),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    walk(&made["document"], false, &mut found);
    found
}

/// Whether a place of a document says nothing.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() || text == "unknown",
        Value::Array(rows) => rows.is_empty(),
        _ => false,
    }
}

/// Where `bad` says something else than `good`, and not merely less.
fn contradictions(place: &str, good: &Value, bad: &Value, found: &mut Vec<String>) {
    match (good, bad) {
        (Value::Object(one), Value::Object(other)) => {
            // What a person accepted is looked up by a serial number, and is no reading.
            for (key, value) in one.iter().filter(|(key, _)| !["unknown", "accepted"].contains(&key.as_str())) {
                contradictions(&format!("{place}/{key}"), value, other.get(key).unwrap_or(&Value::Null), found);
            }
        }
        // Rows that have a name may stand in another order.
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let of = |row: &Value| {
                other.iter().find(|other| row["name"].is_string() && other["name"] == row["name"]).cloned()
            };
            let other: Vec<Value> =
                one.iter().zip(other).map(|(row, same)| of(row).unwrap_or_else(|| same.clone())).collect();
            for (at, (one, other)) in one.iter().zip(&other).enumerate() {
                contradictions(&format!("{place}/{at}"), one, other, found);
            }
        }
        // Rows that are missing are less; rows that nobody had are something else.
        (Value::Array(one), Value::Array(other)) if other.iter().all(|row| one.contains(row)) => {}
        _ if good == bad || says_nothing(bad) => {}
        _ => found.push(format!("{place} was {good} and is {bad}")),
    }
}

/// What is wrong with a survey of which a program failed.
fn wrongs(good: &Value, bad: &Value, absent_is_right: bool) -> Vec<String> {
    let why = bad["why"].as_str().unwrap_or_default();
    match bad["outcome"].as_str().unwrap() {
        "unknown" if why.is_empty() => return vec!["it is unknown without a reason".to_owned()],
        "unknown" => return Vec::new(),
        "absent" if good["outcome"] == "absent" || absent_is_right => return Vec::new(),
        "absent" => return vec![format!("it is absent: {why}")],
        _ => {}
    }
    let mut found = Vec::new();
    let less = !reasons(bad).is_subset(&reasons(good));
    let empty = serde_json::Map::new();
    let numbers = |made: &Value| made["numbers"].as_object().unwrap_or(&empty).clone();
    let (one, other) = (numbers(good), numbers(bad));
    for (name, value) in one.iter().filter(|(_, value)| !value.is_null()) {
        match other.get(name) {
            Some(now) if now == value => {}
            // A product that is not installed is one less.
            Some(_) if absent_is_right => {}
            Some(Value::Null) | None if less || absent_is_right => {}
            now => found.push(format!("{name} was {value} and is {now:?}, with {:?}", reasons(bad))),
        }
    }
    let news = other.iter().filter(|(name, value)| !value.is_null() && one.get(*name).is_none_or(Value::is_null));
    found.extend(news.map(|(name, value)| format!("{name} was not known and is {value}")));
    contradictions("", &good["document"], &bad["document"], &mut found);
    if good["document"] != bad["document"] && !less && !absent_is_right {
        found.push(format!("its document says less without a word: {}", bad["document"]));
    }
    found
}

#[test]
fn a_program_that_failed_is_no_zero() {
    let (mut asked, mut wrong) = (BTreeSet::new(), BTreeSet::new());
    for file in kept(&Path::new(env!("CARGO_MANIFEST_DIR")).join("machines")) {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let dir = tempfile::tempdir().unwrap();
        let laid = machines::unpack(&std::fs::read_to_string(&file).unwrap(), dir.path()).unwrap();
        let good = surveys(dir.path(), &laid);
        let outputs = std::fs::read_dir(dir.path().join(COMMANDS)).into_iter().flatten();
        let outputs: Vec<PathBuf> = outputs.map(|entry| entry.unwrap().path()).collect();
        for output in &outputs {
            let slug = output.file_stem().unwrap().to_str().unwrap().to_owned();
            asked.insert(slug.split('_').next().unwrap().to_owned());
            let whole = std::fs::read(output).unwrap();
            let head = whole.iter().position(|b| *b == b'\n').map_or(whole.len(), |at| at + 1);
            // What had failed already cannot fail.
            if !whole.starts_with(b"exit") || whole[head..].is_empty() {
                continue;
            }
            let mut judge = |way: &str, absent_is_right: bool| {
                for (survey, bad) in surveys(dir.path(), &laid) {
                    // That nobody is there who keeps the clock or knows who does is what is then known.
                    if absent_is_right && survey == "time" {
                        continue;
                    }
                    let found = wrongs(&good[&survey], &bad, absent_is_right);
                    wrong.extend(found.iter().map(|found| format!("{name}: {slug} {way}: {survey}: {found}")));
                }
            };
            for (way, fail) in WAYS {
                if way == "prints nothing" && SILENT.iter().any(|silent| slug.starts_with(silent)) {
                    continue;
                }
                std::fs::write(output, fail(&whole[head..])).unwrap();
                judge(way, false);
            }
            std::fs::remove_file(output).unwrap();
            judge("is not there", outputs.len() == 1 || !machine_has(dir.path(), &slug));
            std::fs::write(output, &whole).unwrap();
        }
    }
    let wrong: Vec<String> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    let never: Vec<&str> = ioc_probe::programs().into_iter().filter(|tool| !asked.contains(*tool)).collect();
    assert_eq!(never, [""; 0], "no machine here has these programs, so nobody knows what becomes of their failures");
}

/// Whether other output of the same program is left: then it is installed.
fn machine_has(root: &Path, slug: &str) -> bool {
    let tool = slug.split('_').next().unwrap();
    let mut left = std::fs::read_dir(root.join(COMMANDS)).into_iter().flatten();
    left.any(|entry| entry.unwrap().file_name().to_str().unwrap().split(['_', '.']).next() == Some(tool))
}
