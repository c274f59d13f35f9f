//! Documents that are damaged in the store: reading them is an error, and never the same as finding nothing in them.

use super::*;

pub(super) fn damaged_documents_are_errors(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    let heard = Change::Presence { device: id(1), presence: Presence::Live { since: at(2) } };
    let probes =
        |body: &str| Change::Document { device: id(1), name: "probes".into(), at: at(3), body: body.to_owned() };
    store.commit(&[heard, probes("[]")]).expect("commits");
    let coverage = |store: &dyn Store| store.reader().expect("reads").coverage();
    assert!(coverage(store.as_ref()).expect("reads").failed.is_empty());
    store.commit(&[probes("[")]).expect("commits");
    assert!(coverage(store.as_ref()).is_err(), "nobody knows which surveys failed");
    let hello = |body: &str| Change::Hello {
        device: id(1),
        at: at(4),
        boot_id: String::new(),
        fingerprint: String::new(),
        interval_s: 5,
        keep_alive_s: 60,
        body: body.to_owned(),
    };
    let devices = |store: &dyn Store| {
        let snapshot = store.reader().expect("reads").snapshot(at(0));
        snapshot.map(|snapshot| snapshot.devices.len())
    };
    store.commit(&[hello("{}")]).expect("commits");
    assert_eq!(devices(store.as_ref()).expect("reads"), 1);
    store.commit(&[hello("{")]).expect("commits");
    assert!(devices(store.as_ref()).is_err(), "nobody knows whether it is a sensor");
}
