//! Lists of devices by what they say of themselves, and found by whatever people type.

use super::*;

/// The busiest comes first, and what is not known last, whichever way; pages follow each other.
pub(super) fn devices_by_load(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    let layout = Layout::new(vec![Series::new("cpu.busy", ""), Series::new("fs.used_pct", "/")]).expect("allowed");
    store.commit(&[Change::Layout(layout.clone())]).expect("commits");
    for (n, values) in [(1, None), (2, Some([20.0, 90.0])), (3, Some([80.0, 10.0])), (4, Some([50.0, 30.0]))] {
        enrol(store.as_mut(), n);
        if let Some(values) = values {
            let row = history::pack(&values.map(Some));
            let (device, position, moment) = (id(n), Position { epoch: 5, seq: 1 }, at(1000));
            let sample = Change::Sample { device, position, at: moment, layout: layout.id(), row, newest: true };
            let (last_heard, last_sample) = (Some(moment), Some(moment));
            let mark = Change::Watermark { device: id(n), position, last_heard, last_sample, clock_error_ms: None };
            store.commit(&[sample, mark]).expect("commits");
        }
    }
    let reader = store.reader().expect("reads");
    let list = |sort: DeviceSort, descending: bool, skip: usize, limit: usize| {
        let query = DeviceQuery { sort, descending, skip, limit, ..DeviceQuery::default() };
        reader.devices(&query).expect("reads").into_iter().map(|one| one.info.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(list(DeviceSort::Processor, false, 0, 9), ["d-003", "d-004", "d-002", "d-001"]);
    assert_eq!(list(DeviceSort::Processor, true, 0, 9), ["d-002", "d-004", "d-003", "d-001"]);
    assert_eq!(list(DeviceSort::Disk, false, 1, 2), ["d-004", "d-003"]);
    assert_eq!(list(DeviceSort::Memory, false, 0, 2), ["d-001", "d-002"], "what nobody says is no order");
}

/// A device is found by its name with marks and without, by its serial number and by its addresses.
pub(super) fn devices_by_words(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    let info = DeviceInfo {
        serial: "SN-77Q".into(),
        mac: "52:54:00:ab:cd:ef".into(),
        address: "10.20.30.40".into(),
        ..info(1)
    };
    store.commit(&[Change::Device { info, at: at(1) }]).expect("commits");
    enrol(store.as_mut(), 2);
    let reader = store.reader().expect("reads");
    for (search, found) in [
        ("máy chủ 1", 1),
        ("MAY CHU", 2),
        ("phong may", 2),
        ("sn-77q", 1),
        ("52:54:00:ab", 1),
        ("10.20.30.40", 1),
        ("may x", 0),
    ] {
        let query = DeviceQuery { search: search.to_owned(), limit: 9, ..DeviceQuery::default() };
        assert_eq!(reader.devices_count(&query).expect("reads"), found, "{search}");
    }
}
