//! How far the newest numbers of devices can be believed.

use ioc_judge::{AuthenticityMark, Doubt, InformationSource};

use super::*;
use crate::authenticity::ValueMarks;

/// Numbers are counted by how they came; who speaks without an agent and who lost reports lately is known after the store was closed.
pub(super) fn value_marks(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    let now = at(100_000_000);
    let layout = Layout::new(vec![Series::new("cpu.busy", ""), Series::new("memory.used_pct", "")]).expect("allowed");
    let hello = |n: u32, body: &str| Change::Hello {
        device: id(n),
        at: at(0),
        boot_id: "b".into(),
        fingerprint: "f".into(),
        interval_s: 10,
        keep_alive_s: 30,
        body: body.into(),
    };
    for n in 1..=5 {
        store.commit(&[Change::Device { info: info(n), at: at(0) }]).expect("enrolled");
    }
    store.commit(&[Change::Layout(layout.clone())]).expect("commits");
    // 1 is as it should be, 2 has no agent, 3 lost reports within the day, 4 has been silent for long, 5 was never heard.
    let sensor = r#"{"sensor":{"profile":"mqtt plain"}}"#;
    for (n, body, taken) in [(1, "{}", now), (2, sensor, now), (3, r#"{"sensor":null}"#, now), (4, "no JSON", at(50))] {
        let position = Position { epoch: 1, seq: 1 };
        let sample = Change::Sample {
            device: id(n),
            position,
            at: taken,
            layout: layout.id(),
            row: history::pack(&[Some(1.5), if n == 1 { None } else { Some(3.0) }]),
            newest: true,
        };
        let mark = Change::Watermark {
            device: id(n),
            position,
            last_heard: Some(taken),
            last_sample: Some(taken),
            clock_error_ms: Some(5),
        };
        let presence = Change::Presence { device: id(n), presence: Presence::Live { since: at(0) } };
        store.commit(&[hello(n, body), sample, mark, presence]).expect("commits");
    }
    let ledger = format!(r#"{{"total":4,"recent":{{"{}":[4,0]}}}}"#, now.as_millis() / 3_600_000 - 1);
    let ledger: ioc_judge::LossLedger = serde_json::from_str(&ledger).expect("a book");
    store.commit(&[Change::Losses { device: id(3), ledger }]).expect("commits");
    drop(store);

    let store = open(dir);
    let reader = store.reader().expect("reads");
    let (marks, devices) = reader.value_marks(now, false, 10).expect("reads");
    assert_eq!(marks, ValueMarks { verified: 1, unverified: 4, stale: 2 }, "what is not known is no number");
    let devices: Vec<_> = devices
        .into_iter()
        .map(|one| (one.info.id, one.values, one.authenticity.mark, one.authenticity.doubts))
        .collect();
    assert_eq!(
        devices,
        [
            (id(2), 2, AuthenticityMark::Unverified, vec![Doubt::NoOrder]),
            (id(3), 2, AuthenticityMark::Unverified, vec![Doubt::ReportsLost]),
            (id(4), 2, AuthenticityMark::Stale, vec![]),
        ]
    );
    assert_eq!(reader.value_marks(now, false, 1).expect("reads").1.len(), 1, "no more than are asked for");
    assert_eq!(reader.value_marks(now, true, 0).expect("reads").0.verified, 0, "our own clock checks no other");
    let never = reader.device(&id(5)).expect("reads").expect("there");
    assert_eq!(
        (never.source(), never.authenticity(now, false).mark),
        (InformationSource::Inventory, AuthenticityMark::Unknown)
    );
}
