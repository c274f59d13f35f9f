//! What is counted of one device, and what goes when it is too much.

use super::*;

pub(super) fn bounds(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    store.commit(&[1, 2].map(|n| Change::Device { info: info(n), at: at(0) })).expect("enrolled");
    let document = |name: &str, body: &str| Change::Document {
        device: id(1),
        name: name.to_owned(),
        at: at(1),
        body: body.to_owned(),
    };
    store.commit(&[document("a", "{}"), document("b", "\"ế\"")]).expect("documents");
    let events = (0..10).map(|number| Change::Event {
        device: id(1),
        at: at(1000 - number),
        name: format!("e.{number}"),
        text: String::new(),
        fields: "{}".to_owned(),
    });
    store.commit(&events.collect::<Vec<_>>()).expect("events");
    let items = |names: &[&str]| {
        let item = |name: &&str| Item { source: "dpkg".into(), name: (*name).to_owned(), ..Item::default() };
        names.iter().map(item).collect::<Vec<_>>()
    };
    let part = |list: &str, part, names: &[&str]| Change::Software {
        device: id(1),
        at: at(1),
        report: Software::Whole { list: list.repeat(16), part, parts: 2, items: items(names) },
    };
    store.commit(&[part("a", 1, &["x", "y"]), part("b", 1, &["z"])]).expect("parts that never become whole");
    let reader = store.reader().expect("reader");
    let sizes = reader.document_sizes(&id(1)).expect("sizes");
    assert_eq!(sizes.into_iter().collect::<Vec<_>>(), [("a".to_owned(), 2), ("b".to_owned(), 5)]);
    assert_eq!(reader.records_count(&id(1), RecordKind::Events, 100).expect("counted"), 10);
    assert_eq!(reader.records_count(&id(1), RecordKind::Events, 4).expect("counted"), 4);
    assert_eq!(reader.records_count(&id(1), RecordKind::Software, 100).expect("counted"), 3);
    assert_eq!(reader.records_count(&id(2), RecordKind::Software, 100).expect("counted"), 0);
    store.commit(&[Change::EventsPruned { device: id(1), keep: 3 }]).expect("pruned");
    let left = reader.events(&id(1), None, 100).expect("events");
    assert_eq!(left.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["e.0", "e.1", "e.2"], "the newest");
    store.commit(&[Change::SoftwareCleared { device: id(1) }, part("c", 2, &["w"])]).expect("cleared");
    assert_eq!(reader.software(&id(1), "", 100).expect("software").len(), 1);

    // Rows: the newest, until there are more than so many bytes.
    let row = |n: i64| Change::Sample {
        device: id(1),
        position: Position { epoch: 1, seq: n.unsigned_abs() },
        at: at(n),
        layout: LayoutId(1),
        row: history::pack(&[Some(n as f64)]),
        newest: true,
    };
    let newest = Change::Watermark {
        device: id(1),
        position: Position { epoch: 1, seq: 9 },
        last_heard: None,
        last_sample: None,
        clock_error_ms: None,
    };
    store.commit(&(1..10).map(row).chain([newest]).collect::<Vec<_>>()).expect("rows");
    let times = |most| {
        let rows = reader.newest_rows(&id(1), 0, most).expect("rows");
        rows.into_iter().map(|row| row.at.as_millis()).collect::<Vec<_>>()
    };
    assert_eq!(times(u64::MAX), (1..10).collect::<Vec<_>>());
    assert_eq!(times(0), [9]);
    assert_eq!(times(100), [7, 8, 9], "64 bytes each beside its numbers");

    // Certificates: the newest of each device, the oldest of them first.
    for number in 0..20 {
        let certificate = Change::Certificate {
            device: id(2),
            serial: format!("{number:02}"),
            at: at(5),
            expires_at: at(100),
            revoke_previous: false,
        };
        store.commit(&[certificate]).expect("certificate");
    }
    let serials: Vec<String> = reader.serials().expect("serials").into_iter().map(|(_, serial)| serial).collect();
    assert_eq!(serials, ["14", "15", "16", "17", "18", "19"]);
}
