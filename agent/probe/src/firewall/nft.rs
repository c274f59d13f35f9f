//! The rule set of nftables (libnftables-json(5)), made ready for one packet.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::field::{Field, and, names, number_of, or};
use super::listing::{dormant_tables, priority};
use super::packet::{Family, Packet};
use super::walk::{BaseChain, FilterRule, FilterRuleSet, PacketVerdict, RuleStep};

/// Most elements of a set that are looked at.
const ELEMENTS_MAX: usize = 200_000;
/// Objects with a bound that may have a name.
const LIMITS: [&str; 2] = ["limit", "quota"];

/// What was made of a rule set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CompiledRuleset {
    /// All chains that the packet may pass.
    pub rules: FilterRuleSet,
    /// A set or a map was asked whose elements are not told.
    pub needs_elements: bool,
    /// Some rule is an extension of iptables, whose parameters nft does not tell.
    pub foreign: bool,
}

/// The ranges of ports that rules and sets name.
#[must_use]
pub fn ports(json: &Value) -> Vec<(u16, u16)> {
    fn port(value: &Value) -> Option<u16> {
        value.as_u64().and_then(|port| u16::try_from(port).ok())
    }
    /// Whatever could be a port: a number that stands for something else costs one port of many.
    fn walk(value: &Value, found: &mut Vec<(u16, u16)>) {
        if found.len() > ELEMENTS_MAX {
            return;
        }
        match value {
            Value::Number(_) => found.extend(port(value).map(|port| (port, port))),
            Value::Object(fields) => {
                if let Some((low, high)) =
                    fields.get("range").and_then(|range| Some((port(&range[0])?, port(&range[1])?)))
                {
                    found.push((low, high));
                    return;
                }
                fields
                    .iter()
                    .filter(|(key, _)| !matches!(key.as_str(), "handle" | "counter" | "limit" | "prio"))
                    .for_each(|(_, below)| walk(below, found));
            }
            Value::Array(rows) => rows.iter().for_each(|row| walk(row, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    let objects = json["nftables"].as_array().map_or(&[][..], Vec::as_slice);
    for object in objects {
        for part in [&object["rule"]["expr"], &object["set"]["elem"], &object["map"]["elem"]] {
            walk(part, &mut found);
        }
    }
    found
}

/// Makes a rule set ready for the stranger's packet.
#[must_use]
pub fn compile(json: &Value, stranger: &Packet) -> CompiledRuleset {
    RulesetCompiler::new(json, stranger).compile(json, false)
}

/// Whether a chain that sees IPv6 stands in the way of what comes in.
#[must_use]
pub fn sees_ipv6(json: &Value) -> bool {
    let mut chains = json["nftables"].as_array().into_iter().flatten().map(|object| &object["chain"]);
    chains.any(|chain| {
        matches!(chain["family"].as_str(), Some("ip6" | "inet"))
            && matches!(chain["hook"].as_str(), Some("prerouting" | "input"))
    })
}

/// The same without the tables that iptables made, which its own program tells better.
#[must_use]
pub fn compile_without_foreign(json: &Value, stranger: &Packet) -> CompiledRuleset {
    RulesetCompiler::new(json, stranger).compile(json, true)
}

/// States of a connection.
const STATES: [&str; 5] = ["new", "established", "related", "invalid", "untracked"];

struct RulesetCompiler<'j> {
    stranger: &'j Packet,
    /// Sets that rules write to, and those that judge who is put into them, by `family table name`.
    written: BTreeSet<String>,
    judging: BTreeSet<String>,
    /// The elements of named sets and maps, by `family table name`; none where they are not told.
    sets: BTreeMap<String, Option<&'j Vec<Value>>>,
    /// Whether named limits and quotas hold only beyond them, by `kind family table name`.
    limits: BTreeMap<String, bool>,
    needs_elements: bool,
    foreign: bool,
}

impl<'j> RulesetCompiler<'j> {
    fn new(json: &'j Value, stranger: &'j Packet) -> Self {
        let (mut sets, mut limits) = (BTreeMap::new(), BTreeMap::new());
        let (mut written, mut judging) = (BTreeSet::new(), BTreeSet::new());
        for object in json["nftables"].as_array().map_or(&[][..], Vec::as_slice) {
            for set in [&object["set"], &object["map"]].into_iter().filter(|set| set.is_object()) {
                let text = |key: &str| set[key].as_str().unwrap_or_default();
                let name = format!("{} {} {}", text("family"), text("table"), text("name"));
                if !set["stmt"].is_null() {
                    judging.insert(name.clone());
                }
                sets.insert(name, set["elem"].as_array());
            }
            let rule = &object["rule"];
            for part in rule["expr"].as_array().into_iter().flatten() {
                let text = |key: &str| rule[key].as_str().unwrap_or_default();
                if let Some(name) = part["set"]["set"].as_str().filter(|_| part["set"]["op"] != "delete") {
                    written.insert(format!("{} {} {}", text("family"), text("table"), name.trim_start_matches('@')));
                }
            }
            for kind in LIMITS {
                let limit = &object[kind];
                let text = |key: &str| limit[key].as_str().unwrap_or_default();
                if limit.is_object() {
                    let name = format!("{kind} {} {} {}", text("family"), text("table"), text("name"));
                    limits.insert(name, limit["inv"] == true);
                }
            }
        }
        Self { stranger, written, judging, sets, limits, needs_elements: false, foreign: false }
    }

    fn sees(&self, family: &str) -> bool {
        matches!((family, self.stranger.family), ("inet" | "netdev", _) | ("ip", Family::V4) | ("ip6", Family::V6))
    }

    fn compile(mut self, json: &Value, without_foreign: bool) -> CompiledRuleset {
        let objects = json["nftables"].as_array().map_or(&[][..], Vec::as_slice);
        let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let mut set = FilterRuleSet::default();
        let foreign: BTreeSet<String> = if without_foreign {
            // iptables writes into tables of these families and of its own names only.
            let chains = ["INPUT", "PREROUTING", "OUTPUT", "FORWARD", "POSTROUTING"];
            let tables = ["raw", "mangle", "nat", "filter", "security"];
            let made = |chain: &Value| {
                matches!(chain["family"].as_str(), Some("ip" | "ip6"))
                    && chain["table"].as_str().is_some_and(|table| tables.contains(&table))
                    && chain["name"].as_str().is_some_and(|name| chains.contains(&name))
            };
            objects
                .iter()
                .map(|object| &object["chain"])
                .filter(|chain| made(chain))
                .map(|chain| format!("{} {}", text(chain, "family"), text(chain, "table")))
                .collect()
        } else {
            BTreeSet::new()
        };
        let is_foreign =
            |value: &Value| foreign.contains(&format!("{} {}", text(value, "family"), text(value, "table")));
        let key = |value: &Value, chain: &str| {
            format!("{} {} {}", text(value, "family"), text(value, "table"), text(value, chain))
        };
        let chains: Vec<&Value> =
            objects.iter().map(|object| &object["chain"]).filter(|chain| chain.is_object()).collect();
        let sleeping = dormant_tables(objects);
        // Of the same priority, the one that was made last comes first.
        for (place, chain) in chains.into_iter().rev().enumerate() {
            let family = text(chain, "family");
            if !self.sees(&family) || is_foreign(chain) {
                continue;
            }
            set.chains.entry(key(chain, "name")).or_default();
            let hook = match (family.as_str(), chain["hook"].as_str()) {
                ("netdev" | "inet", Some("ingress")) => 0,
                ("ip" | "ip6" | "inet", Some("prerouting")) => 1,
                ("ip" | "ip6" | "inet", Some("input")) => 2,
                _ => continue,
            };
            let told = chain["dev"].is_null().then(|| self.stranger.devices.get(&key(chain, "name"))).flatten();
            let passed = match (hook, told) {
                (0, Some(names)) => or(names.iter().map(|name| self.stranger.comes_in_by(name, '*'))),
                (0, None) => self.passes(&chain["dev"]),
                _ => Some(true),
            };
            let passed = match sleeping.get(&format!("{family} {}", text(chain, "table"))) {
                Some(Some(true)) => Some(false),
                // Whether it sleeps is not told.
                Some(None) => passed.filter(|passed| !passed),
                Some(Some(false)) | None => passed,
            };
            set.bases.push(BaseChain {
                hook,
                priority: priority(&chain["prio"]),
                place,
                chain: key(chain, "name"),
                drops: chain["policy"] == "drop",
                passed,
            });
        }
        for rule in objects.iter().map(|object| &object["rule"]).filter(|rule| rule.is_object()) {
            let family = text(rule, "family");
            if !self.sees(&family) || is_foreign(rule) {
                continue;
            }
            let made = self.rule(rule, &family);
            if let Some(chain) = set.chains.get_mut(&key(rule, "chain")) {
                chain.push(made);
            }
        }
        CompiledRuleset { rules: set, needs_elements: self.needs_elements, foreign: self.foreign }
    }

    /// Whether the packet passes these devices.
    fn passes(&self, devices: &Value) -> Option<bool> {
        let one = |value: &Value| value.as_str().and_then(|name| self.stranger.comes_in_by(name, '*'));
        match devices {
            Value::Array(rows) => or(rows.iter().map(one)),
            other => one(other),
        }
    }

    fn rule(&mut self, rule: &Value, family: &str) -> FilterRule {
        let text = |key: &str| rule[key].as_str().unwrap_or_default();
        let handle = rule["handle"].as_u64().unwrap_or_default();
        let mut name = format!("{family} {} {} rule {handle}", text("table"), text("chain"));
        if let Some(comment) = rule["comment"].as_str() {
            name += &format!(" ({})", comment.chars().take(60).collect::<String>());
        }
        let mut steps = Vec::new();
        for part in rule["expr"].as_array().map_or(&[][..], Vec::as_slice) {
            match part {
                Value::Object(fields) => {
                    for (kind, body) in fields {
                        self.statement(kind, body, rule, &mut steps, &mut name);
                    }
                }
                // A chain without a name is told as a text of nft's language.
                Value::String(text) if text.contains('{') => {
                    name += ": a chain without a name is not told";
                    steps.push(RuleStep::OneOf(vec![
                        PacketVerdict::Accept,
                        PacketVerdict::Drop,
                        PacketVerdict::Continue,
                    ]));
                }
                // A statement without parameters may stand as a word.
                Value::String(kind) => self.statement(kind, &Value::Null, rule, &mut steps, &mut name),
                _ => steps.push(RuleStep::Test(None)),
            }
        }
        FilterRule { name, steps }
    }

    fn statement(&mut self, kind: &str, body: &Value, rule: &Value, steps: &mut Vec<RuleStep>, name: &mut String) {
        let chain = |target: &Value| key_in(rule, &target["target"]);
        match kind {
            "match" => steps.push(self.test(body, rule)),
            "accept" => steps.push(RuleStep::Verdict(PacketVerdict::Accept)),
            "drop" | "reject" => steps.push(RuleStep::Verdict(PacketVerdict::Drop)),
            "return" => steps.push(RuleStep::Verdict(PacketVerdict::Return)),
            "continue" => steps.push(RuleStep::Verdict(PacketVerdict::Continue)),
            "jump" => steps.push(RuleStep::Verdict(PacketVerdict::Jump(chain(body)))),
            "goto" => steps.push(RuleStep::Verdict(PacketVerdict::Goto(chain(body)))),
            // The first packet of a stranger is within every limit, and beyond none.
            "limit" | "quota" | "ct count" => steps.push(RuleStep::Test(match body {
                // One that is named stands elsewhere; by a map, it may be any.
                Value::String(called) => {
                    let text = |key: &str| rule[key].as_str().unwrap_or_default();
                    let called = format!("{kind} {} {} {called}", text("family"), text("table"));
                    self.limits.get(&called).map(|beyond| !beyond)
                }
                _ if body.get("map").is_some() => None,
                // Bytes may run out with the first packet, and one connection is beyond none.
                _ if ["rate_unit", "burst_unit"]
                    .iter()
                    .any(|unit| body[*unit].as_str().is_some_and(|unit| unit.ends_with("bytes"))) =>
                {
                    None
                }
                _ if kind == "ct count" && body["val"].as_u64() == Some(0) => Some(body["inv"] == true),
                _ => Some(body["inv"] != true),
            })),
            // Statements within it say when the element counts.
            "set" | "meter" | "map" => {
                if self.judging.contains(&key_in(rule, &body["set"])) {
                    *name += ": its set judges by itself";
                    steps.push(RuleStep::Test(None));
                }
                let within = [&body["stmt"], &body["stmts"]];
                for one in within {
                    let each = match one {
                        Value::Array(rows) => rows.as_slice(),
                        Value::Object(_) => std::slice::from_ref(one),
                        _ => &[],
                    };
                    for (kind, body) in each.iter().filter_map(Value::as_object).flatten() {
                        self.statement(kind, body, rule, steps, name);
                    }
                }
            }
            "vmap" => self.verdicts(body, rule, steps),
            "mangle" => {
                let key = &body["key"];
                if key["meta"]["key"] == "mark" {
                    let value = body["value"].as_u64().and_then(|mark| u32::try_from(mark).ok());
                    // Bits that are set beside those that are there: nobody needs to know which.
                    steps.push(RuleStep::Mark { mask: u32::MAX, value });
                } else if key["payload"]["field"] == "dport" || key["payload"]["field"] == "daddr" {
                    steps.push(RuleStep::Redirect);
                }
            }
            "notrack" => steps.push(RuleStep::Untrack),
            "redirect" => steps.push(RuleStep::Redirect),
            // It goes to another host, or to a program that takes what is for others.
            "dnat" | "tproxy" | "queue" | "fwd" | "synproxy" => {
                steps.push(RuleStep::Verdict(PacketVerdict::Elsewhere));
            }
            "xt" => {
                self.foreign = true;
                let what = body["name"].as_str().unwrap_or_default();
                if body["type"] == "target" {
                    steps.push(super::save::target(what));
                } else if !matches!(what, "comment") {
                    *name += &format!(": what the extension {what:?} of iptables asks is not told");
                    steps.push(RuleStep::Test(None));
                }
            }
            "counter" | "log" | "nflog" | "snat" | "masquerade" | "dup" | "flow" | "ct helper" | "ct timeout"
            | "ct expectation" | "reset" | "secmark" | "last" | "comment" | "tunnel" | "objref" => {}
            _ => {
                *name += &format!(": {kind:?} is not understood");
                steps.push(RuleStep::Test(None));
            }
        }
    }

    fn verdicts(&mut self, body: &Value, rule: &Value, steps: &mut Vec<RuleStep>) {
        let key = self.stranger.field(&body["key"]);
        let Some(rows) = self.elements(&body["data"], rule) else {
            // What a map leads to is not told: an address or a port that nobody listed is not in it.
            if !self.is_in_no_list(&key) {
                steps.push(RuleStep::OneOf(vec![PacketVerdict::Accept, PacketVerdict::Drop, PacketVerdict::Continue]));
            }
            return;
        };
        if key == Field::PacketState {
            let to = |state: &str| {
                let row = rows.iter().find(|row| names(element(&row[0])).iter().any(|name| name == state));
                row.map_or(PacketVerdict::Continue, |row| self.verdict(&row[1], rule))
            };
            steps.push(RuleStep::ByState { new: to("new"), untracked: to("untracked") });
            return;
        }
        let (mut maybe, mut sure) = (Vec::new(), None);
        for row in rows.iter().take(ELEMENTS_MAX) {
            let (wanted, verdict) = (element(&row[0]), self.verdict(&row[1], rule));
            match self.equals(&key, wanted, rule) {
                // A `*` stands for what nothing else fits.
                Some(true) if wanted.as_str() == Some("*") => sure = sure.or(Some(verdict)),
                Some(true) => {
                    sure = Some(verdict);
                    break;
                }
                Some(false) => {}
                None => maybe.push(verdict),
            }
        }
        let after = sure.unwrap_or(PacketVerdict::Continue);
        if maybe.is_empty() || maybe.iter().all(|one| *one == after) {
            if after != PacketVerdict::Continue {
                steps.push(RuleStep::Verdict(after));
            }
            return;
        }
        maybe.push(after);
        maybe.dedup();
        steps.push(RuleStep::OneOf(maybe));
    }

    fn verdict(&self, value: &Value, rule: &Value) -> PacketVerdict {
        let named = value.as_object().and_then(|fields| fields.iter().next());
        let (kind, body) = match (named, value.as_str()) {
            (Some((kind, body)), _) => (kind.as_str(), body),
            (None, Some(word)) => (word, &Value::Null),
            _ => return PacketVerdict::Elsewhere,
        };
        let chain = || key_in(rule, &body["target"]);
        match kind {
            "accept" => PacketVerdict::Accept,
            "drop" | "reject" => PacketVerdict::Drop,
            "return" => PacketVerdict::Return,
            "continue" => PacketVerdict::Continue,
            "jump" => PacketVerdict::Jump(chain()),
            "goto" => PacketVerdict::Goto(chain()),
            _ => PacketVerdict::Elsewhere,
        }
    }

    /// The elements of a set or a map; none where they are not told.
    fn elements<'v>(&mut self, data: &'v Value, rule: &Value) -> Option<&'v Vec<Value>>
    where
        'j: 'v,
    {
        if let Some(name) = data.as_str().and_then(|name| name.strip_prefix('@')) {
            let text = |key: &str| rule[key].as_str().unwrap_or_default();
            let found = self.sets.get(&format!("{} {} {name}", text("family"), text("table"))).copied().flatten();
            self.needs_elements |= found.is_none();
            return found;
        }
        data["set"].as_array()
    }

    /// An address or a port that nobody listed is in no set of which nothing else is known.
    fn is_in_no_list(&self, field: &Field) -> bool {
        match field {
            Field::Number(number) => *number == number_of(self.stranger.address),
            Field::Port => true,
            Field::Parts(parts) => parts.iter().any(|part| self.is_in_no_list(part)),
            _ => false,
        }
    }

    /// Who is in no set is in none, unless rules put him there.
    fn listless(&self, name: &Value, rule: &Value) -> Option<bool> {
        if self.written.contains(&key_in(rule, name)) { None } else { Some(false) }
    }

    fn test(&mut self, body: &Value, rule: &Value) -> RuleStep {
        let (left, right) = (self.stranger.field(&body["left"]), &body["right"]);
        let op = body["op"].as_str().unwrap_or("==");
        // `!` asks that none of several flags is there.
        let negated = matches!(op, "!=" | "!");
        if !matches!(op, "==" | "!=" | "!" | "in" | "<" | ">" | "<=" | ">=") {
            return RuleStep::Test(None);
        }
        // What the packet lacks is not compared: the rule ends there, whatever it asks.
        if lacks(&left) {
            return RuleStep::Test(Some(false));
        }
        match (&left, op) {
            (Field::Mark, "==" | "in" | "!=") => {
                let mask = mask_of(&body["left"]);
                if let Some(value) = right.as_u64().and_then(|value| u32::try_from(value).ok()) {
                    return RuleStep::Marked { mask, value: value & mask, negated };
                }
                return RuleStep::Test(None);
            }
            (Field::PacketState, _) => {
                let states = names(right);
                if states.is_empty() || !states.iter().all(|state| STATES.contains(&state.as_str())) {
                    return RuleStep::Test(None);
                }
                let holds = |state: &str| states.iter().any(|name| name == state) != negated;
                return RuleStep::Tracked { new: holds("new"), untracked: holds("untracked") };
            }
            _ => {}
        }
        let holds = match op {
            "<" | ">" | "<=" | ">=" => self.compares(&left, op, right),
            // A flag among others, or none of these.
            "in" | "!" if is_set_of_flags(&body["left"]) => match (&left, self.stranger.number(right)) {
                (Field::Number(found), Some(wanted)) => Some((found & wanted != 0) != negated),
                _ => None,
            },
            // Several flags without a set around them are one value.
            _ if is_set_of_flags(&body["left"]) && right.get("set").is_none() => {
                match (&left, self.stranger.number(right)) {
                    (Field::Number(found), Some(wanted)) => Some((*found == wanted) != negated),
                    _ => None,
                }
            }
            _ => self.equals(&left, right, rule).map(|same| same != negated),
        };
        if involves_port(&left) { RuleStep::Port(holds) } else { RuleStep::Test(holds) }
    }

    fn compares(&self, left: &Field, op: &str, right: &Value) -> Option<bool> {
        let found = match left {
            Field::Number(number) => *number,
            Field::Port => u128::from(self.stranger.port),
            Field::None => return Some(false),
            _ => return None,
        };
        let wanted = self.stranger.number(right)?;
        Some(match op {
            "<" => found < wanted,
            ">" => found > wanted,
            "<=" => found <= wanted,
            _ => found >= wanted,
        })
    }

    /// Whether a value of the packet is what a rule names: one value, or any of several.
    fn equals(&mut self, left: &Field, right: &Value, rule: &Value) -> Option<bool> {
        if let Some(name) = right.as_str().filter(|name| name.starts_with('@')) {
            let name = Value::from(name);
            let Some(rows) = self.elements(&name, rule).cloned() else {
                return if self.is_in_no_list(left) { self.listless(&name, rule) } else { None };
            };
            return match self.among(left, &rows, rule) {
                Some(false) => self.listless(&name, rule),
                known => known,
            };
        }
        if let Some(rows) = right["set"].as_array() {
            return self.among(left, rows, rule);
        }
        if let Some(rows) = right.as_array() {
            return self.among(left, rows, rule);
        }
        if let Some(found) = right.as_object().and_then(|fields| fields.get("elem")) {
            return self.equals(left, &found["val"], rule);
        }
        if right.as_str() == Some("*") {
            return Some(!lacks(left));
        }
        match left {
            Field::Unknown | Field::Mark | Field::PacketState => None,
            Field::None => Some(false),
            Field::Interface => match right.as_str() {
                Some(name) => self.stranger.comes_in_by(name, '*'),
                None => None,
            },
            Field::Word(word) => Some(right.as_str() == Some(word)),
            Field::Parts(parts) => {
                let wanted = right["concat"].as_array()?;
                if wanted.len() != parts.len() {
                    return None;
                }
                let each: Vec<_> = parts.iter().zip(wanted).map(|(part, one)| self.equals(part, one, rule)).collect();
                and(each)
            }
            Field::Host => self.stranger.is_host(right),
            Field::Port => self.stranger.within(u128::from(self.stranger.port), right),
            Field::Number(number) => match right {
                Value::Bool(there) => Some(*there == (*number != 0)),
                _ => self.stranger.within(*number, right),
            },
        }
    }

    fn among(&mut self, left: &Field, rows: &[Value], rule: &Value) -> Option<bool> {
        let mut found = Some(false);
        for row in rows.iter().take(ELEMENTS_MAX) {
            // A map's row is a pair; what is looked for is its key.
            let wanted = element(if row.is_array() && row[1].is_object() { &row[0] } else { row });
            match self.equals(left, wanted, rule) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => found = None,
            }
        }
        found
    }
}

/// The key of a chain or a set (`@name`) that a rule names: it lies in the rule's own table.
fn key_in(rule: &Value, name: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().trim_start_matches('@').to_owned();
    format!("{} {} {}", text(&rule["family"]), text(&rule["table"]), text(name))
}

/// Whether the packet has no such thing, or not all of several.
fn lacks(field: &Field) -> bool {
    match field {
        Field::None => true,
        Field::Parts(parts) => parts.iter().any(lacks),
        _ => false,
    }
}

fn involves_port(field: &Field) -> bool {
    match field {
        Field::Port | Field::Host => true,
        Field::Parts(parts) => parts.iter().any(involves_port),
        _ => false,
    }
}

/// Whether the left side is a set of flags, of which `in` asks for any.
fn is_set_of_flags(left: &Value) -> bool {
    left["payload"]["field"] == "flags"
        || left["ct"]["key"] == "status"
        || left.get("&").is_some_and(|parts| is_set_of_flags(&parts[0]))
}

/// The mask of a comparison with the mark.
fn mask_of(left: &Value) -> u32 {
    left.get("&").and_then(|parts| parts[1].as_u64()).and_then(|mask| u32::try_from(mask).ok()).unwrap_or(u32::MAX)
}

fn element(row: &Value) -> &Value {
    let inner = &row["elem"]["val"];
    if inner.is_null() { row } else { inner }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::packet::OutsideInterfaces;
    use super::super::walk::FinalVerdict;
    use super::*;

    fn meets(limit: &Value, part: &Value) -> FinalVerdict {
        let json = json!({"nftables": [
            {"limit": limit},
            {"chain": {"family": "inet", "table": "t", "name": "in", "hook": "input", "prio": 0, "policy": "accept"}},
            {"rule": {"family": "inet", "table": "t", "chain": "in", "handle": 3, "expr": [part, {"drop": null}]}},
        ]});
        compile(&json, &Packet::new(Family::V4, OutsideInterfaces::default(), &ports(&json))).rules.walk()
    }

    #[test]
    fn a_limit_that_is_named_holds_as_it_was_declared() {
        let over = json!({"family": "inet", "table": "t", "name": "flood", "rate": 9, "per": "second", "inv": true});
        let within = json!({"family": "inet", "table": "t", "name": "flood", "rate": 9, "per": "second"});
        assert_eq!(meets(&over, &json!({"limit": "flood"})), FinalVerdict::Accepted, "nobody is beyond it");
        assert_eq!(meets(&within, &json!({"limit": "flood"})), FinalVerdict::Dropped);
        assert!(matches!(meets(&within, &json!({"limit": "other"})), FinalVerdict::Unclear(_)));
        assert!(matches!(meets(&within, &json!({"limit": {"map": {}}})), FinalVerdict::Unclear(_)));
    }
}
