//! Documents that change, are accepted, or hold what is not approved.

use std::collections::BTreeMap;

use ioc_common::config::Source;
use ioc_common::document::Json;
use ioc_common::id::IncidentId;
use ioc_common::report::{Body, StateReport};

use super::fleet::{Fleet, device, no_plan};
use super::*;
use crate::{FaultState, IncidentState, Refusal, Text};

fn document(name: &str, json: &str) -> Body {
    let value: serde_json::Value = serde_json::from_str(json).expect("JSON");
    Body::State(StateReport::Document { name: name.to_owned(), doc: Json::of(&value).expect("JSON") })
}

fn administrators(names: &[&str]) -> Body {
    let all: Vec<_> = names
        .iter()
        .map(|name| BTreeMap::from([("name", format!("{name:?}")), ("administrator", "true".into())]))
        .collect();
    let all: Vec<String> = all
        .iter()
        .map(|one| format!("{{\"name\": {}, \"administrator\": {}}}", one["name"], one["administrator"]))
        .collect();
    document("accounts", &format!("{{\"accounts\": [{}, {{\"name\": \"guest\"}}]}}", all.join(", ")))
}

fn fleet() -> Fleet {
    let mut fleet = Fleet::new(no_plan());
    fleet.enrol(DeviceInfo::new(device("srv-1"), DeviceKind::Server, "Srv 1"));
    fleet.connect(&device("srv-1"));
    fleet
}

/// A text as those read it who may see names.
fn whole(text: &Text) -> String {
    let mut text = text.clone();
    text.open();
    text.en
}

#[test]
fn a_change_is_told_grows_and_is_accepted_by_a_person_across_restarts() {
    let (mut fleet, id) = (fleet(), device("srv-1"));
    fleet.report(&id, administrators(&["root"]));
    assert!(fleet.active().is_empty(), "what is there at first is what is there");
    fleet.report(&id, administrators(&["root", "lan"]));
    assert_eq!(fleet.active(), [1]);
    let reason = &fleet.incidents[&IncidentId(1)].reason;
    assert_eq!((whole(reason), reason.en.as_str()), ("New: lan.".into(), "New: 1 name. Who: see the incident's page."));
    fleet.restart();
    fleet.connect(&id);
    // The whole document comes again every day: nothing new.
    let steps = fleet.incidents[&IncidentId(1)].steps;
    fleet.report(&id, administrators(&["root", "lan"]));
    assert_eq!(fleet.incidents[&IncidentId(1)].steps, steps);
    fleet.report(&id, administrators(&["lan", "minh"]));
    let fault = fleet.faults.values().find(|fault| fault.state == FaultState::Raised).expect("raised");
    assert_eq!(whole(&fault.reason), "New: lan, minh. Gone: root.");
    assert!(!fault.reason.vi.contains("minh") && !fault.reason.en.contains("root"), "{:?}", fault.reason);
    let told = serde_json::to_string(&(&fleet.incidents, &fleet.faults)).expect("written");
    assert!(!told.contains("lan") && !told.contains("minh"), "nothing that is written without a thought names them");
    let empty = fleet.act(1, Action::Accept { note: " ".into() });
    assert!(matches!(empty, Err(Refusal::Invalid { field: "note", .. })), "{empty:?}");
    fleet.act(1, Action::Accept { note: "by decision 12".into() }).expect("allowed");
    assert_eq!(fleet.incidents[&IncidentId(1)].state, IncidentState::Resolved);
    fleet.restart();
    fleet.connect(&id);
    fleet.report(&id, administrators(&["lan", "minh"]));
    assert!(fleet.active().is_empty(), "what was accepted stays so");
    // What goes back by itself is over by itself, and what returns within half an hour is the same incident.
    fleet.report(&id, administrators(&["lan"]));
    assert_eq!(fleet.active(), [1]);
    fleet.report(&id, administrators(&["lan", "minh"]));
    assert!(fleet.active().is_empty());
}

#[test]
fn what_is_not_approved_is_told_until_it_is_gone_or_the_list_is_mended() {
    let (mut fleet, id) = (fleet(), device("srv-1"));
    let ports = |ports: &[&str]| {
        let all: Vec<String> = ports.iter().map(|port| format!("{{\"port\": {port:?}}}")).collect();
        document("protection", &format!("{{\"listening\": [{}]}}", all.join(", ")))
    };
    fleet.report(&id, ports(&["tcp/22", "tcp/8080"]));
    assert_eq!(fleet.incidents[&IncidentId(1)].reason.en, "Not on the approved list: tcp/8080.");
    let refused = fleet.act(1, Action::Accept { note: "x".into() });
    assert!(matches!(refused, Err(Refusal::Invalid { field: "accept", .. })), "a list is mended in the rules");
    fleet.report(&id, ports(&[]));
    assert!(fleet.active().is_empty(), "what is lacking is not wrong");
    fleet.report(&id, ports(&["tcp/8080"]));
    assert_eq!(fleet.active(), [1]);
    let more = RULES.replace("approved = [\"tcp/22\"]", "approved = [\"tcp/22\", \"tcp/8080\"]");
    let more = RuleSet::parse(&Source::built_in("rules.toml", &more)).unwrap_or_else(|e| panic!("{e}"));
    fleet.replace_rules(more);
    assert!(fleet.active().is_empty(), "the list was mended");
    let without = RuleSet::parse(&Source::built_in("rules.toml", "")).unwrap_or_else(|e| panic!("{e}"));
    fleet.report(&id, ports(&["tcp/9"]));
    assert_eq!(fleet.active(), [1]);
    fleet.replace_rules(without);
    assert!(fleet.active().is_empty(), "the rule is no more");
}
