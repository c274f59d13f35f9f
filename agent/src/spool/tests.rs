use super::*;
use ioc_common::clock::Timestamp;
use ioc_common::codec;
use ioc_common::id::DeviceId;
use ioc_common::layout::LayoutId;
use ioc_common::report::{Body, Event, Sample};
use proptest::prelude::*;
use std::path::Path;

fn entry(seq: u64, event: bool) -> Entry {
    let body = if event {
        Body::Event(Event { name: "test.event".into(), text: format!("number {seq}"), fields: Default::default() })
    } else {
        Body::Sample(Sample { layout: LayoutId(1), v: vec![Some(seq as f64); 20] })
    };
    let position = Position { epoch: 7, seq };
    let device = DeviceId::new("srv-01").expect("valid");
    let taken_at = Timestamp::from_millis(0);
    let head = codec::Head { device: &device, about: None, position, boot: "3f1c9a02", taken_at };
    let sealed = codec::seal(head, &body).expect("encodes");
    Entry { position, kind: body.kind(), taken_ms: seq * 10, boot: "3f1c9a02".into(), sealed }
}

fn open(dir: &Path, ring: usize, bytes: u64) -> Backlog {
    Backlog::open(dir.join("spool"), Limits { ring_max_reports: ring, spool_max_bytes: bytes })
}

fn drain(backlog: &mut Backlog) -> Vec<u64> {
    let mut cursor = Position::default();
    let mut seen = Vec::new();
    while let Some(entry) = backlog.next_after(cursor) {
        cursor = entry.position;
        seen.push(entry.position.seq);
    }
    seen
}

#[test]
fn samples_stay_in_memory_and_events_reach_the_disk_at_once() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut backlog = open(dir.path(), 100, 1 << 20);
    backlog.push(entry(1, false));
    assert!(!dir.path().join("spool").exists(), "nothing is written in the steady state");
    backlog.push(entry(2, true));
    assert_eq!(backlog.waiting().on_disk, 1);
    assert_eq!(drain(&mut backlog), [1, 2]);
    drop(backlog);
    let mut again = open(dir.path(), 100, 1 << 20);
    assert_eq!(drain(&mut again), [2], "the event survived, the sample was only in memory");
    assert_eq!(again.next_after(Position::default()).map(|e| e.sealed), Some(entry(2, true).sealed));
}

#[test]
fn a_drained_spool_gives_its_space_back() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut backlog = open(dir.path(), 4, 1 << 20);
    for seq in 1..=40 {
        backlog.push(entry(seq, false));
    }
    backlog.spill();
    assert_eq!(drain(&mut backlog), (1..=40).collect::<Vec<_>>(), "in order across memory and disk");
    backlog.free_through(Position { epoch: 7, seq: 39 });
    assert_eq!(drain(&mut backlog), [40]);
    backlog.free_through(Position { epoch: 7, seq: 40 });
    assert!(backlog.is_empty() && !dir.path().join("spool").exists());
    backlog.push(entry(41, true));
    assert_eq!(drain(&mut backlog), [41], "it opens again when it is needed");
}

#[test]
fn a_full_spool_drops_samples_before_events_and_counts_them() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut backlog = open(dir.path(), 8, 20_000);
    for seq in 1..=400 {
        backlog.push(entry(seq, seq % 50 == 0));
    }
    let left = drain(&mut backlog);
    for event in (50..=400).step_by(50) {
        assert!(left.contains(&event), "event {event} was kept");
    }
    assert!(left.windows(2).all(|two| two[0] < two[1]));
    let losses = backlog.losses();
    assert_eq!(losses.events_dropped, 0);
    assert_eq!(losses.samples_thinned + losses.samples_dropped + left.len() as u64, 400, "{losses:?}");
    assert!(backlog.waiting().disk_bytes <= 20_000);
}

#[test]
fn a_broken_spool_is_put_aside_and_counted() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut backlog = open(dir.path(), 4, 1 << 20);
    backlog.push(entry(1, true));
    drop(backlog);
    std::fs::write(dir.path().join("spool/conf"), [b"nonsense".as_slice(); 20].concat()).expect("written");
    let mut again = open(dir.path(), 4, 1 << 20);
    assert_eq!(again.losses().quarantined, 1);
    assert!(dir.path().join("spool.broken-1").exists());
    again.push(entry(2, true));
    assert_eq!(drain(&mut again), [2]);
}

#[test]
fn a_spool_that_cannot_be_written_keeps_reports_in_memory() {
    let dir = tempfile::tempdir().expect("temporary directory");
    std::fs::write(dir.path().join("spool"), b"a file where the directory should be").expect("written");
    let mut backlog = open(dir.path(), 4, 1 << 20);
    backlog.push(entry(1, true));
    assert!(backlog.trouble().is_some());
    assert_eq!(drain(&mut backlog), [1]);
    for seq in 2..=9 {
        backlog.push(entry(seq, false));
    }
    assert_eq!(drain(&mut backlog), [1, 7, 8, 9], "the event outlives the samples");
    std::fs::remove_file(dir.path().join("spool")).expect("removed");
    backlog.spill();
    assert_eq!((backlog.trouble(), backlog.waiting().on_disk), (None, 4));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is pushed, spilled, freed and reopened: order holds, nothing freed comes back, no event is lost.
    #[test]
    fn order_holds_and_events_survive(script in prop::collection::vec((0_u8..6, any::<bool>()), 1..60)) {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut backlog = open(dir.path(), 6, 1 << 20);
        let (mut seq, mut freed, mut events) = (0_u64, 0_u64, Vec::new());
        for (what, event) in script {
            match what {
                0..=2 => {
                    seq += 1;
                    backlog.push(entry(seq, event));
                    if event { events.push(seq); }
                }
                3 => backlog.spill(),
                4 => {
                    freed = freed.max(seq.saturating_sub(2));
                    backlog.free_through(Position { epoch: 7, seq: freed });
                }
                _ => {
                    drop(backlog);
                    backlog = open(dir.path(), 6, 1 << 20);
                    // What was freed may come back after a crash; the watermark frees it again.
                    backlog.free_through(Position { epoch: 7, seq: freed });
                }
            }
            let left = drain(&mut backlog);
            prop_assert!(left.windows(2).all(|two| two[0] < two[1]));
            prop_assert!(left.iter().all(|one| *one > freed));
            for event in events.iter().filter(|one| **one > freed) {
                prop_assert!(left.contains(event), "event {event} in {left:?}");
            }
        }
    }
}
