//! Inventory takings: the newest tick of a device counts, what was closed stays, and each sees what stands at their own places.

use std::path::Path;

use super::{Open, at, enrol, id};
use crate::Change;
use crate::inventory_count::{CountClosing, Find, FindSettled, InventoryCount, Member, Tick, TickState};
use crate::retention::RecordClass;
use crate::scope::AccessScope;

fn count(number: u64, closed: Option<CountClosing>) -> InventoryCount {
    InventoryCount { number, place: "Tầng 1".into(), opened_at: at(1), opened_by: "lan".into(), closed }
}

fn tick(device: u32, state: TickState, ms: i64) -> Tick {
    let (place, remark, by) = (String::new(), "ở kho".to_owned(), "lan".to_owned());
    Tick { device: id(device), state, place, remark, by, at: at(ms) }
}

pub(super) fn inventory_counts(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    enrol(store.as_mut(), 2);
    let put = |one: InventoryCount| Change::InventoryCount(Box::new(one));
    let ticked = |tick: Tick| Change::InventoryTick { count: 1, tick };
    store
        .commit(&[
            put(count(1, None)),
            put(count(2, None)),
            ticked(tick(1, TickState::NotFound, 2)),
            ticked(tick(1, TickState::Found, 3)),
            ticked(tick(2, TickState::LabelMissing, 4)),
        ])
        .expect("commits");
    let members = vec![Member { name: "Trần A".into(), title: "Tổ trưởng".into() }];
    let closing = CountClosing {
        at: at(9),
        by: "lan".into(),
        members,
        remark: String::new(),
        minutes: 4,
        assets: 3,
        ticked: [1, 1, 0, 0],
        finds: 2,
    };
    let found = |number: u32, place: &str, settled: Option<FindSettled>| Find {
        number,
        what: "Máy in".into(),
        label: String::new(),
        serial: "X1".into(),
        place: place.into(),
        remark: String::new(),
        by: "lan".into(),
        at: at(5),
        settled,
    };
    let find = |one: Find| Change::InventoryFind { count: 1, find: Box::new(one) };
    store.commit(&[find(found(1, "Kho", None)), find(found(2, "Tầng 1/Tủ 2", None))]).expect("commits");
    assert_eq!(store.reader().expect("reads").open_inventory_finds().expect("reads"), 0, "it is not closed yet");
    store.commit(&[put(count(1, Some(closing.clone())))]).expect("commits");
    assert_eq!(store.reader().expect("reads").open_inventory_finds().expect("reads"), 2);
    let settled = FindSettled { at: at(10), by: "boss".into(), remark: "đã đăng ký".into() };
    store.commit(&[find(found(1, "Kho", Some(settled.clone())))]).expect("commits");
    assert!(store.commit(&[put(count(1, None))]).is_err(), "what was closed stays");
    assert!(store.commit(&[ticked(tick(1, TickState::NotFound, 11))]).is_err(), "what was ticked in it, too");
    assert!(store.commit(&[find(found(3, "Kho", None))]).is_err(), "nothing is found in it any more");
    assert!(store.commit(&[find(found(1, "Kho", None))]).is_err(), "what became of a thing is said once");
    drop(store);
    let store = open(dir);
    let mut reader = store.reader().expect("reads");
    let numbers = |open, before| {
        let found = store.reader().expect("reads").inventory_counts(open, before, 9).expect("reads");
        found.into_iter().map(|one| one.number).collect::<Vec<_>>()
    };
    assert_eq!((numbers(false, None), numbers(true, None), numbers(false, Some(2))), (vec![2, 1], vec![2], vec![1]));
    assert_eq!(reader.inventory_count(1).expect("reads"), Some(count(1, Some(closing))));
    let both = [tick(1, TickState::Found, 3), tick(2, TickState::LabelMissing, 4)];
    assert_eq!(reader.inventory_ticks(1).expect("reads"), both);
    assert!(reader.inventory_ticks(2).expect("reads").is_empty());
    let of_device = |device: u32| reader.inventory_ticks_of(&id(device)).expect("reads");
    assert_eq!((of_device(1), of_device(3)), (vec![(1, both[0].clone())], Vec::new()));
    let finds = reader.inventory_finds(1).expect("reads");
    assert_eq!((finds.len(), finds[0].settled.as_ref()), (2, Some(&settled)));
    assert_eq!(reader.open_inventory_finds().expect("reads"), 1);
    let size = reader.class_size(RecordClass::Reports).expect("reads").expect("kept for good");
    assert_eq!(
        (size.count.count, size.oldest),
        (2, Some(at(0))),
        "takings are of it; their bodies say when, to the second"
    );
    reader.limit(&AccessScope::of(&["Tầng 1".to_owned()]).without_names()).expect("limited");
    let shown = reader.inventory_finds(1).expect("reads");
    assert_eq!((shown.len(), shown[0].number, shown[0].by.as_str()), (1, 2, ""), "{shown:?}");
    reader.limit(&AccessScope::of(&["Nowhere".to_owned()]).without_names()).expect("limited");
    assert!(reader.inventory_ticks(1).expect("reads").is_empty());
    assert!(reader.all_inventory_ticks(1).expect("reads").is_empty());
    let shown = reader.inventory_count(1).expect("reads").and_then(|one| one.closed).expect("closed");
    assert!(!shown.members[0].name.contains("Trần"), "{shown:?}");
    drop((store, reader));
    let mut store = open(dir);
    store.commit(&[Change::Revoked { device: id(2), at: at(20) }]).expect("commits");
    let reader = store.reader().expect("reads");
    assert_eq!(reader.inventory_ticks(1).expect("reads").len(), 1, "a machine that was taken out is counted no more");
    assert_eq!(reader.all_inventory_ticks(1).expect("reads"), both, "what was ticked of it stays on record");
}
