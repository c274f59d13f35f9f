//! What other systems say of our devices.

use super::fleet::{Fleet, device, no_plan, start};
use crate::{Alert, InformationSource, Input, Severity, Text};

#[test]
fn another_systems_alert_is_a_fault_until_it_says_otherwise() {
    let mut fleet = Fleet::behind_switch(1, no_plan());
    let of = |id: &str, firing| {
        Input::Alert(Alert {
            source: InformationSource::Alert,
            device: device(id),
            name: "prometheus/HighLatency".into(),
            fingerprint: "a1".into(),
            severity: Severity::Warning,
            title: Text::new("Chậm", "Slow"),
            reason: Text::new("p99 2 s", "p99 2 s"),
            since: start(),
            firing,
            over: Text::new("Hết.", "Over."),
            matter: None,
        })
    };
    fleet.input(of("d-0", true)).expect("allowed");
    fleet.input(of("d-0", true)).expect("allowed");
    fleet.restart();
    fleet.input(of("d-0", true)).expect("allowed");
    assert_eq!(fleet.told().len(), 1);
    // Meanwhile it is known to be about another: it is the same alert all the same, and ends with it.
    fleet.input(of("sw-1", true)).expect("allowed");
    fleet.input(of("sw-1", false)).expect("allowed");
    let seen: Vec<&str> = fleet.told().iter().map(|(_, occasion, ..)| *occasion).collect();
    assert_eq!(seen, ["opened", "resolved"]);
}
