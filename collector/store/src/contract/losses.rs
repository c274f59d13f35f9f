//! What is known of a device's losses.

use super::*;

/// By which way a device's reports come is there after the store was closed, and what people say of the device does not change it.
pub(super) fn entrances(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    for n in [1, 2, 3] {
        store.commit(&[Change::Device { info: info(n), at: at(0) }]).expect("enrolled");
    }
    let entrance = |n: u32, broker_until| Change::Entrance { device: id(n), broker_until };
    store.commit(&[entrance(2, Some(Timestamp::MAX)), entrance(3, Some(Timestamp::MAX))]).expect("commits");
    store.commit(&[entrance(3, Some(at(9))), Change::Device { info: info(2), at: at(10) }]).expect("commits");
    drop(store);
    let store = open(dir);
    let reader = store.reader().expect("reads");
    let until = |n: u32| reader.device(&id(n)).expect("reads").expect("there").broker_until;
    assert_eq!([until(1), until(2), until(3)], [None, Some(Timestamp::MAX), Some(at(9))]);
    let snapshot = reader.snapshot(at(0)).expect("reads");
    let mut kept: Vec<_> =
        snapshot.devices.iter().map(|device| (device.info.id.clone(), device.broker_until)).collect();
    kept.sort();
    assert_eq!(kept, [(id(1), None), (id(2), Some(Timestamp::MAX)), (id(3), Some(at(9)))]);
}

/// What is known last is there after the store was closed, whole and as a number.
pub(super) fn losses(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    for n in [1, 2] {
        store.commit(&[Change::Device { info: info(n), at: at(0) }]).expect("enrolled");
    }
    let book = |total: u64| -> ioc_judge::LossLedger {
        serde_json::from_str(&format!("{{\"balance\":-2,\"total\":{total}}}")).expect("a book")
    };
    for total in [3, 7] {
        store.commit(&[Change::Losses { device: id(2), ledger: book(total) }]).expect("commits");
    }
    drop(store);
    let store = open(dir);
    let reader = store.reader().expect("reads");
    let lost = |n: u32| reader.device(&id(n)).expect("reads").expect("there").reports_lost;
    assert_eq!((lost(1), lost(2)), (0, 7));
    let snapshot = reader.snapshot(at(0)).expect("reads");
    let books: Vec<_> = snapshot.devices.iter().map(|device| (device.info.id.clone(), device.losses.clone())).collect();
    assert!(
        books.contains(&(id(1), ioc_judge::LossLedger::default())) && books.contains(&(id(2), book(7))),
        "{books:?}"
    );
}
