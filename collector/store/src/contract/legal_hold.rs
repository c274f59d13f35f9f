//! Legal holds: each kind against each class, and what is held though it is named, joined or written in another way.

use serde_json::json;

use super::retention::{
    ALL_HOLDS, DAY, GOING, chosen, document, evidence, expire_all, expired, filled, going, hold, later, settle,
};
use super::*;
use crate::retention::{Hold, HoldEnd, HoldTarget, RecordClass};

/// What a hold keeps of a class, of two records, the first of which it is about.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Keeps {
    None,
    First,
    Both,
}

/// What holds of each kind keep of a class. Whoever adds a class or a kind says here what becomes of it.
fn keeps(class: RecordClass, target: &HoldTarget) -> Keeps {
    use RecordClass as Class;
    match (target, class) {
        // Nothing of these ever goes, or they are kept by what holds say of numbers.
        (_, Class::Audit | Class::Reports | Class::Attestations | Class::AssetImports) => Keeps::None,
        (HoldTarget::Class(held), _) if *held == class => Keeps::Both,
        // What stays with another.
        (HoldTarget::Class(Class::Incidents | Class::Faults), Class::Notices)
        | (HoldTarget::Class(Class::Faults | Class::Notices), Class::Incidents) => Keeps::Both,
        (HoldTarget::Class(_), _) | (HoldTarget::Incident(_), Class::Enrolments) => Keeps::None,
        (HoldTarget::Device(_) | HoldTarget::Period | HoldTarget::Person(_) | HoldTarget::Incident(_), _) => {
            Keeps::First
        }
    }
}

pub(super) fn each_kind_of_hold_keeps_what_it_is_about_of_each_class(open: Open<'_>, dir: &Path) {
    let mut holds: Vec<Hold> = RecordClass::ALL.map(|class| hold(1, HoldTarget::Class(class))).into();
    holds.push(hold(1, HoldTarget::Device(id(1))));
    holds.push(hold(1, HoldTarget::Person("USER-1".into())));
    holds.push(hold(1, HoldTarget::Incident(IncidentId(1))));
    holds.push(Hold { from: Some(at(0)), until: Some(at(50 * DAY)), ..hold(1, HoldTarget::Period) });
    for (place, hold) in holds.into_iter().enumerate() {
        let mut store = filled(open, &dir.join(place.to_string()));
        let before: Vec<_> = GOING.iter().map(|class| going(store.as_ref(), *class)).collect();
        store.commit(&[Change::Hold(hold.clone())]).expect("commits");
        for (class, all) in GOING.into_iter().zip(before) {
            let left = match keeps(class, &hold.target) {
                Keeps::None => 2,
                Keeps::First => 1,
                Keeps::Both => 0,
            };
            assert_eq!((all.len(), going(store.as_ref(), class).len()), (2, left), "{class:?} {hold:?}");
            let slice = store.reader().expect("reads").count_records(class, Some(later()), i64::MIN, 1000);
            let slice = slice.expect("reads").expect("counted");
            // Whom a document names takes a way back to it, and is not counted.
            let counts = !matches!((class, &hold.target), (RecordClass::Documents, HoldTarget::Person(_)));
            if counts {
                assert_eq!(slice.going, left as u64, "{class:?} {hold:?}");
                assert_eq!(slice.by_hold.iter().map(|one| one.0).collect::<Vec<_>>(), vec![1; usize::from(left < 2)]);
            }
            if left < 2 {
                // Whatever is asked for, and whenever it was looked up.
                store.commit(&[expired(class, all.clone())]).expect("commits");
                // The commit asks by itself, but whom a document names.
                if counts {
                    store.commit(&[chosen(class, all.clone(), ALL_HOLDS)]).expect("commits");
                }
                assert!(evidence(store.as_ref()).is_empty(), "{class:?} {hold:?}");
            }
        }
        let numbers = store.reader().expect("reads").numbers_holds().expect("reads");
        for tier in Tier::ALL {
            let class = RecordClass::of_tier(tier);
            let kept = |n: u32, ms| {
                let about = &mut |person: &str| person.eq_ignore_ascii_case(&format!("user-{n}"));
                numbers.iter().any(|hold| hold.keeps(tier, id(n).as_str(), tier.chunk_of(ms), about))
            };
            let expected = match keeps(class, &hold.target) {
                Keeps::None => (false, false),
                // A chunk of hours is a long time.
                Keeps::First if tier == Tier::Hour && hold.target == HoldTarget::Period => (true, kept(2, 100 * DAY)),
                Keeps::First => (true, false),
                Keeps::Both => (true, true),
            };
            assert_eq!((kept(1, DAY), kept(2, 100 * DAY)), expected, "{class:?} {hold:?}");
        }
        // It ends once, and then what it kept goes.
        let end = HoldEnd { at: at(9), by: "minh".into(), reason: "xong".into() };
        store.commit(&[Change::HoldEnded { number: 1, end: end.clone() }]).expect("commits");
        let again = HoldEnd { by: "other".into(), ..end.clone() };
        store.commit(&[Change::HoldEnded { number: 1, end: again }]).expect("commits");
        assert_eq!(store.reader().expect("reads").holds().expect("reads"), [Hold { ended: Some(end), ..hold }]);
        for class in GOING {
            assert_eq!(going(store.as_ref(), class).len(), 2, "{class:?}");
        }
    }
}

/// Three incidents, each joined to the next, and faults that were moved with them: of the second device, in the first days.
fn joined(open: Open<'_>, dir: &Path) -> Box<dyn Store> {
    let mut store = open(dir);
    for n in 1..=3 {
        enrol(store.as_mut(), n);
    }
    let mut changes = Vec::new();
    for n in 1..=3_u32 {
        let (number, opened) = (u64::from(n), i64::from(n) * 100 * DAY);
        changes.push(Change::Incident(Box::new(Incident {
            device: Some(id(1)),
            opened_at: at(opened),
            record: IncidentRecord {
                merged_into: (n < 3).then_some(IncidentId(number + 1)),
                ..IncidentRecord::default()
            },
            ..incident(number, IncidentState::Closed, Some(at(opened + DAY)))
        })));
        changes.push(Change::Outbox(OutboxEntry {
            state: crate::DeliveryState::Delivered,
            ..OutboxEntry::new(format!("{n}-1-mail"), IncidentId(number), "mail", "{}", at(opened))
        }));
    }
    // It was raised in the first, on another device, and came into the last.
    changes.push(Change::Fault(Fault {
        raised_at: at(10 * DAY),
        cleared_at: Some(at(11 * DAY)),
        incident: Some(IncidentId(3)),
        ..fault(1, 2, FaultState::Cleared)
    }));
    changes.push(Change::Fault(Fault { incident: None, ..fault(99, 3, FaultState::Raised) }));
    changes.push(Change::Incident(Box::new(incident(99, IncidentState::Open, None))));
    store.commit(&changes).expect("commits");
    store
}

pub(super) fn what_was_joined_to_another_incident_is_held_with_it(open: Open<'_>, dir: &Path) {
    let day = |n| Some(at(n * DAY));
    let holds = [
        // Those of the chain, from either end and from the middle.
        (hold(1, HoldTarget::Incident(IncidentId(1))), 3),
        (hold(1, HoldTarget::Incident(IncidentId(2))), 3),
        (hold(1, HoldTarget::Incident(IncidentId(3))), 3),
        // The device whose fault was moved had a part in all of them.
        (hold(1, HoldTarget::Device(id(2))), 3),
        // The fault is of this time, long before the incident that it came into.
        (Hold { from: day(9), until: day(12), ..hold(1, HoldTarget::Period) }, 1),
    ];
    for (place, (hold, incidents)) in holds.into_iter().enumerate() {
        let mut store = joined(open, &dir.join(place.to_string()));
        let all: Vec<_> = GOING.iter().map(|class| (*class, going(store.as_ref(), *class))).collect();
        assert_eq!(all[2].1.len(), 3);
        store.commit(&[Change::Hold(hold.clone())]).expect("commits");
        for (class, records) in all {
            store.commit(&[chosen(class, records, ALL_HOLDS)]).expect("commits");
            expire_all(store.as_mut(), class);
        }
        let reader = store.reader().expect("reads");
        let there = (1..=3).filter(|n| reader.incident(IncidentId(*n)).expect("reads").is_some()).count();
        assert_eq!(there, incidents, "{hold:?}");
        let notices = (1..=3).filter(|n| reader.outbox_entry(&format!("{n}-1-mail")).expect("reads").is_some()).count();
        assert_eq!(notices, incidents, "{hold:?}");
        let faults = reader.faults(&FaultQuery::default(), 9).expect("reads");
        assert!(faults.iter().any(|one| one.id == FaultId(1)), "{hold:?}");
    }
}

pub(super) fn a_fault_and_a_notice_are_kept_as_long_as_they_are_themselves(open: Open<'_>, dir: &Path) {
    let mut store = filled(open, dir);
    let closed = Change::Hold(Hold {
        until: Some(at(DAY + 3)),
        from: Some(at(DAY + 2)),
        ..hold(1, HoldTarget::Class(RecordClass::Notices))
    });
    store.commit(&[closed]).expect("commits");
    // The first is held with its notice; the second goes, and leaves its fault and its notice to their own time.
    expire_all(store.as_mut(), RecordClass::Incidents);
    let reader = store.reader().expect("reads");
    assert!(reader.incident(IncidentId(1)).expect("reads").is_some());
    assert!(reader.incident(IncidentId(2)).expect("reads").is_none());
    assert!(reader.outbox_entry("2-1-mail").expect("reads").is_some());
    let faults = reader.faults(&FaultQuery::default(), 9).expect("reads");
    assert!(faults.iter().any(|one| one.id == FaultId(12) && one.incident == Some(IncidentId(2))));
    expire_all(store.as_mut(), RecordClass::Faults);
    expire_all(store.as_mut(), RecordClass::Notices);
    assert!(reader.outbox_entry("2-1-mail").expect("reads").is_none());
    assert!(reader.outbox_entry("1-1-mail").expect("reads").is_some());
    let faults = reader.faults(&FaultQuery::default(), 9).expect("reads");
    assert_eq!(faults.iter().map(|one| one.id.0).collect::<Vec<_>>(), [99, 11], "that of the incident that is held");
}

pub(super) fn a_name_is_held_however_it_is_written(open: Open<'_>, dir: &Path) {
    let names = [r"CENTRE\lan", "lan", "Lê \"Ông\"", "le \"ong\""];
    for (place, name) in names.into_iter().enumerate() {
        let mut store = open(&dir.join(place.to_string()));
        enrol(store.as_mut(), 1);
        let event = |n: i64, fields: &str| Change::Event {
            device: id(1),
            at: at(n),
            name: "login".into(),
            text: String::new(),
            fields: fields.into(),
        };
        let written = r#"{"user":"CENTRE\\\u006can","by":"L\u00ea \"Ông\""}"#;
        store.commit(&[event(1, written), event(2, r#"{"user":"hoa"}"#)]).expect("commits");
        store.commit(&[Change::Hold(hold(1, HoldTarget::Person(name.into())))]).expect("commits");
        expire_all(store.as_mut(), RecordClass::Events);
        let left = store.reader().expect("reads").events(&id(1), None, 9).expect("reads");
        assert_eq!(left.iter().map(|one| one.at).collect::<Vec<_>>(), [at(1)], "{name}");
    }
}

pub(super) fn what_a_device_has_too_much_of_goes_in_turns_and_not_when_it_is_held(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    let event = |n: i64| Change::Event {
        device: id(1),
        at: at(n),
        name: format!("e{n}"),
        text: String::new(),
        fields: "{}".into(),
    };
    store.commit(&(0..2000).map(event).collect::<Vec<_>>()).expect("commits");
    let held = Hold { from: Some(at(100)), until: Some(at(1099)), ..hold(1, HoldTarget::Period) };
    store.commit(&[Change::Hold(held)]).expect("commits");
    let left = |store: &dyn Store| store.reader().expect("reads").events(&id(1), None, 5000).expect("reads").len();
    store.commit(&[Change::EventsPruned { device: id(1), keep: 300 }]).expect("pruned");
    let mut before = left(store.as_ref());
    // Each commit goes on where the last one ended, and past what is held, however many that are.
    for _ in 0..2000 {
        if before == 300 + 1000 {
            break;
        }
        store.commit(&[]).expect("commits");
        let now = left(store.as_ref());
        assert!(before - now <= 500, "one commit takes no more than it has time for");
        before = now;
    }
    assert_eq!(before, 300 + 1000, "the newest, and what is held");
    settle(store.as_mut());
    assert_eq!((left(store.as_ref()), evidence(store.as_ref()).iter().map(|one| one.count).sum::<u64>()), (1300, 700));
}

pub(super) fn a_hold_wins_over_whatever_is_deleted_in_its_commit_or_was_chosen_before(open: Open<'_>, dir: &Path) {
    let all = || Change::Hold(Hold { until: Some(later()), ..hold(1, HoldTarget::Period) });
    let mut store = filled(open, dir);
    let before: Vec<_> = GOING.iter().map(|class| (*class, going(store.as_ref(), *class))).collect();
    assert!(before.iter().all(|(_, records)| records.len() == 2));
    // The hold comes last, and is asked first.
    let mut changes: Vec<Change> =
        before.into_iter().map(|(class, records)| chosen(class, records, ALL_HOLDS)).collect();
    changes.extend([1, 2].map(|n| Change::EventsPruned { device: id(n), keep: 0 }));
    changes.push(Change::RequestsPruned { before: later(), delete: true });
    changes.push(all());
    store.commit(&changes).expect("commits");
    settle(store.as_mut());
    assert!(evidence(store.as_ref()).is_empty());
    // One that is newer than who chose knew keeps all that was chosen, whatever it is on: it is chosen anew.
    let end = HoldEnd { at: at(0), by: "lan".into(), reason: "xong".into() };
    let other = Change::Hold(hold(2, HoldTarget::Class(RecordClass::NumbersHour)));
    store.commit(&[Change::HoldEnded { number: 1, end }, other]).expect("commits");
    let records = going(store.as_ref(), RecordClass::Events);
    store.commit(&[chosen(RecordClass::Events, records.clone(), 1)]).expect("commits");
    assert!(evidence(store.as_ref()).is_empty());
    store.commit(&[chosen(RecordClass::Events, records, 2)]).expect("commits");
    assert_eq!(evidence(store.as_ref()).len(), 1);
}

pub(super) fn a_notice_knows_its_devices_when_its_incident_and_faults_are_gone(open: Open<'_>, dir: &Path) {
    for target in [HoldTarget::Device(id(1)), HoldTarget::Device(id(2))] {
        let mut store = filled(open, &dir.join(target.subject()));
        for class in [RecordClass::Incidents, RecordClass::Faults] {
            expire_all(store.as_mut(), class);
        }
        assert_eq!(going(store.as_ref(), RecordClass::Notices).len(), 2);
        store.commit(&[Change::Hold(hold(1, target.clone()))]).expect("commits");
        expire_all(store.as_mut(), RecordClass::Notices);
        let reader = store.reader().expect("reads");
        let there = ["1-1-mail", "2-1-mail"].map(|key| reader.outbox_entry(key).expect("reads").is_some());
        assert_eq!(there, [target == HoldTarget::Device(id(1)), target == HoldTarget::Device(id(2))]);
    }
    // Of three that were joined to one another, too, of which the middle one is gone.
    let mut store = joined(open, &dir.join("joined"));
    for class in [RecordClass::Incidents, RecordClass::Faults] {
        expire_all(store.as_mut(), class);
    }
    store.commit(&[Change::Hold(hold(1, HoldTarget::Device(id(2))))]).expect("commits");
    assert!(going(store.as_ref(), RecordClass::Notices).is_empty(), "its fault was moved along all three");
}

pub(super) fn changes_go_in_their_order_whatever_their_times_say(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    // The second was made by a clock that stood years ahead, the fourth by one that was behind.
    for (n, ms) in [10, 5000 * DAY, 30, 20, 40, 2000 * DAY].into_iter().enumerate() {
        store.commit(&[document(1, ms, &json!({ "accounts": [{ "name": format!("p{n}") }] }))]).expect("commits");
    }
    // The fifth stands until the sixth, which is not old enough; the newest never goes.
    assert_eq!(going(store.as_ref(), RecordClass::Documents).len(), 4);
    expire_all(store.as_mut(), RecordClass::Documents);
    assert_eq!(evidence(store.as_ref()).iter().map(|one| one.count).sum::<u64>(), 4);
}

pub(super) fn a_machine_that_has_come_in_goes_as_the_others_do(open: Open<'_>, dir: &Path) {
    let mut store = filled(open, dir);
    store.commit(&[Change::Hold(hold(1, HoldTarget::Device(id(1))))]).expect("commits");
    store.commit(&[Change::RequestGone("r1".into()), Change::RequestGone("r2".into())]).expect("commits");
    let reader = store.reader().expect("reads");
    assert!(reader.requests().expect("reads").is_empty() && reader.request("r1").expect("reads").is_none());
    let states = |n| -> Vec<RequestState> {
        reader.requests_of(&id(n)).expect("reads").into_iter().map(|one| one.state).collect()
    };
    assert_eq!((states(1), states(2)), (vec![RequestState::Enrolled], vec![RequestState::Enrolled]));
    store.commit(&[Change::RequestsPruned { before: later(), delete: true }]).expect("commits");
    settle(store.as_mut());
    assert_eq!((states(1), states(2)), (vec![RequestState::Enrolled], vec![]), "what is held stays");
    assert_eq!(evidence(store.as_ref()).iter().map(|one| one.count).collect::<Vec<_>>(), [1]);
}

pub(super) fn the_history_of_a_document_is_held_up_to_the_last_version_that_is_meant(open: Open<'_>, dir: &Path) {
    let accounts =
        |names: &[&str]| json!({ "accounts": names.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>() });
    let versions: [&[&str]; 6] =
        [&["root"], &["root", r"CENTRE\lan"], &["root", r"CENTRE\lan", "hoa"], &["root", "hoa"], &["root"], &["minh"]];
    let fill = |dir: &Path| {
        let mut store = open(dir);
        enrol(store.as_mut(), 1);
        for (n, names) in (0..).zip(versions) {
            store.commit(&[document(1, n * 10, &accounts(names))]).expect("commits");
        }
        store
    };
    let ended = |hold: Hold| {
        let end = HoldEnd { at: at(0), by: "lan".into(), reason: "xong".into() };
        Change::HoldEnded { number: hold.number, end }
    };
    let cases = [
        // Which holds there are, and how many of the versions go: all but the newest, without one.
        (vec![], 5),
        (vec![hold(1, HoldTarget::Person("lan".into()))], 0),
        // What stands now names him.
        (vec![hold(1, HoldTarget::Person("Minh".into()))], 0),
        (vec![hold(1, HoldTarget::Person("nobody".into()))], 5),
        (vec![Hold { from: Some(at(25)), until: Some(at(28)), ..hold(1, HoldTarget::Period) }], 2),
        (vec![Hold { from: Some(at(30)), ..hold(1, HoldTarget::Device(id(1))) }], 2),
        (vec![hold(1, HoldTarget::Class(RecordClass::Documents))], 0),
    ];
    for (place, (holds, gone)) in cases.into_iter().enumerate() {
        let mut store = fill(&dir.join(place.to_string()));
        store.commit(&holds.iter().cloned().map(Change::Hold).collect::<Vec<_>>()).expect("commits");
        let seen = going(store.as_ref(), RecordClass::Documents);
        assert_eq!(seen.len(), gone, "{holds:?}");
        // A hold on a person that is newer than who looked keeps all of it, whomever it is on.
        if gone > 0 {
            let newer = hold(7, HoldTarget::Person("someone".into()));
            let held = chosen(RecordClass::Documents, seen, 6);
            store.commit(&[Change::Hold(newer.clone()), held]).expect("commits");
            assert!(evidence(store.as_ref()).is_empty());
            store.commit(&[ended(newer)]).expect("commits");
        }
        let unheld = holds.iter().all(|hold| !matches!(hold.target, HoldTarget::Person(_)));
        if unheld {
            expire_all(store.as_mut(), RecordClass::Documents);
            let reader = store.reader().expect("reads");
            for (n, names) in (0..).zip(versions) {
                let found = reader.documents_at(&id(1), Some("accounts"), at(n * 10)).expect("reads").remove(0).1;
                match found {
                    crate::document_history::PastState::Known(known) => {
                        assert!(n >= gone as i64, "version {n} is there, {holds:?}");
                        assert_eq!(known.body, crate::document_history::stable("accounts", &accounts(names)));
                    }
                    other => assert!(n < gone as i64, "version {n}: {other:?}, {holds:?}"),
                }
            }
            assert_eq!(evidence(store.as_ref()).iter().map(|one| one.count).sum::<u64>(), gone as u64);
        }
    }
}
