//! What nft lists, before it is made use of: whether it is whole, and what its JSON leaves out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::field::names;

/// What a rule set is made of (libnftables-json(5)).
const KINDS: [&str; 16] = [
    "metainfo",
    "table",
    "chain",
    "rule",
    "set",
    "map",
    "element",
    "flowtable",
    "counter",
    "quota",
    "limit",
    "ct helper",
    "ct timeout",
    "ct expectation",
    "secmark",
    "synproxy",
];
const FAMILIES: [&str; 6] = ["ip", "ip6", "inet", "arp", "bridge", "netdev"];
const HOOKS: [&str; 7] = ["ingress", "egress", "prerouting", "input", "forward", "output", "postrouting"];

/// Checks that this is a whole rule set in a form that is known.
///
/// # Errors
/// What is not understood, or lacks.
pub fn check_complete(json: &Value) -> Result<(), String> {
    let objects = json["nftables"].as_array().ok_or("its answer holds no rule set")?;
    let about = objects.first().map_or(&Value::Null, |object| &object["metainfo"]);
    if !about.is_object() {
        return Err("its answer does not begin with what nft says of itself".to_owned());
    }
    if about["json_schema_version"].as_u64().is_some_and(|version| version != 1) {
        return Err(format!("its JSON has form {}, and form 1 is understood", about["json_schema_version"]));
    }
    let mut chains = BTreeSet::new();
    let key = |value: &Value, chain: &str| {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let (family, table, chain) = (text("family")?, text("table")?, text(chain)?);
        FAMILIES.contains(&family.as_str()).then(|| format!("{family} {table} {chain}"))
    };
    for object in objects {
        let kind = object.as_object().and_then(|fields| fields.keys().next()).map_or("", String::as_str);
        if !KINDS.contains(&kind) {
            return Err(format!("{kind:?} in its answer is not understood"));
        }
        if kind == "chain" {
            let chain = &object["chain"];
            let known = |field: &str, words: &[&str]| {
                chain[field].is_null() || chain[field].as_str().is_some_and(|word| words.contains(&word))
            };
            let key = key(chain, "name").filter(|_| known("hook", &HOOKS) && known("policy", &["accept", "drop"]));
            chains.insert(key.ok_or_else(|| format!("chain {} is not understood", chain["name"]))?);
        }
    }
    for rule in objects.iter().map(|object| &object["rule"]).filter(|rule| !rule.is_null()) {
        let known = key(rule, "chain").is_some_and(|chain| chains.contains(&chain)) && rule["expr"].is_array();
        if !known {
            return Err(format!("rule {} of chain {} is not understood", rule["handle"], rule["chain"]));
        }
    }
    Ok(())
}

/// The devices of chains at the hook *ingress*, by `family table name`, from `nft list chains`: JSON left them out before nft 1.1.
#[must_use]
pub fn devices(text: &str) -> BTreeMap<String, Vec<String>> {
    let (mut table, mut chain, mut found) = (String::new(), String::new(), BTreeMap::new());
    for line in text.lines().map(str::trim) {
        let words: Vec<&str> = line.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            ["table", family, name, ..] => table = format!("{family} {name}"),
            ["chain", name, ..] => (*name).clone_into(&mut chain),
            ["type", ..] if line.contains(" hook ingress ") => {
                let after = words.iter().position(|word| matches!(*word, "device" | "devices")).unwrap_or(words.len());
                let names = words.iter().skip(after + 1).take_while(|word| **word != "priority");
                let names = names
                    .map(|word| word.trim_matches('"').to_owned())
                    .filter(|word| !matches!(word.as_str(), "=" | "{" | "}"));
                found.insert(format!("{table} {chain}"), names.collect());
            }
            _ => {}
        }
    }
    found
}

/// Whether a chain at the hook *ingress* does not say at which devices.
#[must_use]
pub fn lacks_devices(json: &Value) -> bool {
    let mut chains = json["nftables"].as_array().into_iter().flatten().map(|object| &object["chain"]);
    chains.any(|chain| chain["hook"] == "ingress" && chain["dev"].is_null())
}

/// Tables with flags, by `family name`: whether they sleep (`dormant`). Some versions write the table's own name in place of a flag.
pub(super) fn dormant_tables(objects: &[Value]) -> BTreeMap<String, Option<bool>> {
    let tables = objects.iter().map(|object| &object["table"]).filter(|table| !table["flags"].is_null());
    let text = |table: &Value, key: &str| table[key].as_str().unwrap_or_default().to_owned();
    let sleeps = |table: &Value| {
        let flags = names(&table["flags"]);
        if flags.iter().any(|flag| flag == "dormant") {
            return Some(true);
        }
        flags.iter().all(|flag| matches!(flag.as_str(), "owner" | "persist")).then_some(false)
    };
    tables.map(|table| (format!("{} {}", text(table, "family"), text(table, "name")), sleeps(table))).collect()
}

/// The place of a chain at its hook: a number, or a name that stands for one.
pub(super) fn priority(value: &Value) -> i64 {
    if let Some(number) = value.as_i64() {
        return number;
    }
    let text = value.as_str().unwrap_or_default().replace(' ', "");
    let (name, more) = match text.find(['+', '-']).filter(|at| *at > 0) {
        Some(at) => (&text[..at], text[at..].parse().unwrap_or(0)),
        None => (text.as_str(), 0),
    };
    let base = match name {
        "raw" => -300,
        "mangle" => -150,
        "dstnat" => -100,
        "security" => 50,
        "srcnat" => 100,
        number => number.parse().unwrap_or(0),
    };
    i64::saturating_add(base, more)
}
