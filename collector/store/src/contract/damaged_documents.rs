//! Documents that are damaged in the store: each costs its own device what it says, and is never taken for one that says that all is well.

use super::*;
use crate::coverage::AREAS;

pub(super) fn damaged_documents_cost_their_device(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    let heard = Change::Presence { device: id(1), presence: Presence::Live { since: at(2) } };
    let probes =
        |body: &str| Change::Document { device: id(1), name: "probes".into(), at: at(3), body: body.to_owned() };
    store.commit(&[heard, probes("[]")]).expect("commits");
    let coverage = |store: &dyn Store| store.reader().expect("reads").coverage();
    assert!(coverage(store.as_ref()).expect("reads").failed.is_empty());
    store.commit(&[probes("[")]).expect("commits");
    let failed = coverage(store.as_ref()).expect("others are not held up").failed;
    assert!(
        failed.values().next().is_some_and(|failed| failed.len() == AREAS.len()),
        "nobody knows which failed: {failed:?}"
    );
    let hello = Change::Hello {
        device: id(1),
        at: at(4),
        boot_id: String::new(),
        fingerprint: String::new(),
        interval_s: 5,
        keep_alive_s: 60,
        body: "{".to_owned(),
    };
    store.commit(&[hello]).expect("commits");
    let snapshot = store.reader().expect("reads").snapshot(at(0));
    assert_eq!(snapshot.expect("the collector starts").devices.len(), 1);
}
