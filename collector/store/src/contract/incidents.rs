//! Incidents by what people look for, and what reached people.

use std::path::Path;

use ioc_common::id::IncidentId;
use ioc_judge::{DeviceInfo, FaultState, Incident, IncidentState, Severity, TimelineStep};

use super::{Open, at, fault, incident, info};
use crate::{Change, Delivery, DeliveryState, IncidentQuery, OutboxEntry, Reader};

pub(super) fn incidents_are_found_by_what_people_look_for(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    for (n, place) in [(1, "Phòng 1"), (2, "Phòng 2/Tủ 1")] {
        store
            .commit(&[Change::Device { info: DeviceInfo { place: place.into(), ..info(n) }, at: at(1) }])
            .expect("commits");
    }
    let put = |number: u64, change: &dyn Fn(&mut Incident)| {
        let mut one = incident(number, IncidentState::Open, None);
        one.opened_at = at(number.cast_signed() * 100);
        change(&mut one);
        Change::Incident(Box::new(one))
    };
    store
        .commit(&[
            put(1, &|_| {}),
            put(2, &|one| {
                (one.state, one.acknowledged_by) = (IncidentState::Acknowledged, Some("lan".into()));
            }),
            put(3, &|one| {
                (one.severity, one.record.person) = (Severity::Critical, "Nguyễn Văn Bình".into());
            }),
            // Of many devices: its faults tell where they stand.
            put(4, &|one| one.device = None),
            put(5, &|one| (one.state, one.resolved_at) = (IncidentState::Resolved, Some(at(600)))),
            Change::Fault(ioc_judge::Fault { incident: Some(IncidentId(4)), ..fault(1, 2, FaultState::Raised) }),
        ])
        .expect("commits");
    let reader = store.reader().expect("reads");
    let found = |query: IncidentQuery| ids(reader.as_ref(), &query, 9);
    let all = IncidentQuery::default;
    assert_eq!(found(all()), [5, 4, 3, 2, 1]);
    assert_eq!(ids(reader.as_ref(), &all(), 2), [5, 4]);
    assert_eq!(found(IncidentQuery { before: Some(3), ..all() }), [2, 1]);
    assert_eq!(found(IncidentQuery { active: true, ..all() }), [4, 3, 2, 1]);
    assert_eq!(found(IncidentQuery { state: Some(IncidentState::Resolved), ..all() }), [5]);
    assert_eq!(found(IncidentQuery { severity: Some(Severity::Critical), ..all() }), [3]);
    assert_eq!(found(IncidentQuery { opened: Some((at(200), at(400))), ..all() }), [3, 2]);
    assert_eq!(found(IncidentQuery { places: vec!["Phòng 2/Tủ 1".into()], ..all() }), [4]);
    let people = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(found(IncidentQuery { people: people(&["lan", "Nguyễn Văn Bình"]), ..all() }), [3, 2]);
    assert_eq!(found(IncidentQuery { people: people(&["lan' OR 1=1 --"]), ..all() }), [0_u64; 0]);
    let both = IncidentQuery { people: people(&["lan"]), state: Some(IncidentState::Open), ..all() };
    assert!(found(both).is_empty(), "all of it holds");
    drop(reader);
    let step = |incident: u64, number: u32| {
        let (who, note) = (String::new(), ioc_judge::Text::default());
        let at = at(incident.cast_signed() * 100 + i64::from(number));
        TimelineStep { incident: IncidentId(incident), number, at, who, state: IncidentState::Open, note }
    };
    let steps = [(1, 1), (1, 2), (2, 1), (3, 1)].map(|(incident, number)| Change::Step(step(incident, number)));
    store.commit(&steps).expect("commits");
    let reader = store.reader().expect("reads");
    let first = |from, to, limit| reader.first_steps((IncidentId(from), IncidentId(to)), limit).expect("reads");
    assert_eq!(first(1, 2, 9), [step(1, 1), step(2, 1)]);
    assert_eq!(first(2, 9, 1), [step(2, 1)]);
    drop(reader);

    let entry = |key: &str, person: &str| OutboxEntry {
        person: person.to_owned(),
        ..OutboxEntry::new(key.to_owned(), IncidentId(2), "sms", "{}", at(1000))
    };
    let delivered = |key: &str, ms: i64| {
        Change::Delivery(Delivery {
            key: key.to_owned(),
            at: at(ms),
            state: DeliveryState::Delivered,
            attempts: 1,
            unanswered: 0,
            next_attempt_at: at(ms),
            error: None,
        })
    };
    store
        .commit(&[
            Change::Outbox(entry("a", "lan")),
            Change::Outbox(entry("b", "")),
            Change::Outbox(entry("c", "binh")),
            Change::Outbox(entry("d", "binh")),
            delivered("a", 2000),
            delivered("b", 2000),
            delivered("c", 9000),
        ])
        .expect("commits");
    let reader = store.reader().expect("reads");
    let told = |from, until| reader.delivered_to_people((at(from), at(until)), 9).expect("reads");
    let found = told(0, 9000);
    assert_eq!(found.len(), 1, "neither what is for everyone, nor what waits, nor what came later: {found:?}");
    assert_eq!((found[0].person.as_str(), found[0].incident, found[0].at), ("lan", IncidentId(2), at(2000)));
    assert_eq!(told(0, 9001).len(), 2);
}

fn ids(reader: &dyn Reader, query: &IncidentQuery, limit: usize) -> Vec<u64> {
    reader.find_incidents(query, limit).expect("reads").into_iter().map(|one| one.id.0).collect()
}
