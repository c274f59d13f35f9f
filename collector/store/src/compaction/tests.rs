use super::*;
use crate::chart::{self, ChartQuery};
use crate::history::{self, chunk};
use crate::{Change, ChunkQuery, Store, StoredChunks};
use ioc_common::clock;
use ioc_common::layout::Layout;
use ioc_common::report::Position;
use ioc_judge::{DeviceInfo, DeviceKind};

const YEAR: [i64; 3] = [366 * 86_400_000; 3];
const HOUR: i64 = 3_600_000;

fn layout() -> Layout {
    Layout::new(vec![Series::new("load.1", ""), Series::new("fs.used_pct", "/")]).expect("allowed")
}

fn device(number: usize) -> DeviceId {
    DeviceId::new(&format!("srv-{number}")).expect("valid")
}

fn enrolled(dir: &std::path::Path, devices: usize) -> Box<dyn Store> {
    let mut store = crate::open(dir).expect("opens");
    let mut changes = vec![Change::Layout(layout())];
    for number in 1..=devices {
        let info = DeviceInfo::new(device(number), DeviceKind::Server, format!("Srv {number}"));
        changes.push(Change::Device { info, at: clock::now() });
    }
    store.commit(&changes).expect("commits");
    store
}

fn report(number: usize, seq: u64, at: Timestamp, row: Vec<u8>) -> [Change; 2] {
    let position = Position { epoch: 1, seq };
    [
        Change::Sample { device: device(number), position, at, layout: layout().id(), row, newest: true },
        Change::Watermark {
            device: device(number),
            position,
            last_heard: Some(at),
            last_sample: Some(at),
            clock_error_ms: None,
        },
    ]
}

fn value(number: usize, seq: u64) -> f64 {
    (number as u64 * 10 + seq % 7) as f64 / 10.0
}

fn read(reader: &dyn Reader, number: usize, tier: Tier, from: Timestamp, until: Timestamp) -> StoredChunks {
    reader.chunks(&ChunkQuery { device: &device(number), tier, from, until, names: &[] }).expect("reads")
}

/// What a chart shows of the first series of a device, as pairs of time and value.
fn line(reader: &dyn Reader, number: usize, tier: Tier, from: Timestamp, until: Timestamp) -> Vec<(i64, f64, u32)> {
    let (from, until) = (from.as_millis(), until.as_millis());
    let wanted = ChartQuery { from, until, tier, names: vec!["load.1".to_owned()], most: 0 };
    let mut lines = chart::read(reader, &device(number), &wanted).expect("reads");
    lines.remove("load.1").expect("asked for").into_iter().map(|(at, one)| (at, one.last, one.count)).collect()
}

#[test]
fn nothing_is_deleted_while_the_clock_is_in_doubt() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (mut store, now) = (enrolled(dir.path(), 1), clock::now());
    store.commit(&report(1, 1, now, history::pack(&[Some(1.0), None]))).expect("commits");
    let (reader, mut archive) = (store.reader().expect("reads"), store.archive().expect("opens"));
    let later = now.plus_millis(2 * 365 * 86_400_000);
    let mut fold = |forget| round(reader.as_ref(), archive.as_mut(), YEAR, later, forget).expect("folds").gone.deleted;
    assert_eq!(fold(false), 0, "nobody knows whether it is two years old");
    assert!(fold(true) > 0, "once that is confirmed it is past its time");
}

#[test]
fn what_is_gone_is_told_until_it_stands_in_the_audit_log() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (mut store, now) = (enrolled(dir.path(), 1), clock::now());
    store.commit(&report(1, 1, now, history::pack(&[Some(1.0), None]))).expect("commits");
    store.commit(&report(1, 2, now, vec![7; 9])).expect("commits");
    let later = now.plus_millis(2 * 365 * 86_400_000);
    let gone = {
        let (reader, mut archive) = (store.reader().expect("reads"), store.archive().expect("opens"));
        let mut compactor = Compactor::new(reader.as_ref(), archive.as_mut()).expect("begins");
        while compactor.gather(2).expect("gathers") == CompactionProgress::More {}
        while compactor.merge(later).expect("merges") == CompactionProgress::More {}
        // It is ended between two slices of deleting, and nobody was told.
        assert_eq!(compactor.delete(YEAR, later).expect("deletes"), CompactionProgress::More);
        compactor.take_result().expect("reads").gone
    };
    assert_eq!(gone, Unrecorded { deleted: 1, corrupt: 1 });
    drop(store);
    let store = crate::open(dir.path()).expect("opens");
    let (reader, mut archive) = (store.reader().expect("reads"), store.archive().expect("opens"));
    let mut compactor = Compactor::new(reader.as_ref(), archive.as_mut()).expect("goes on");
    let told = compactor.take_result().expect("reads");
    assert_eq!(told.gone, gone, "the next one tells it");
    // Of the first tier nothing is left; of the second there is a chunk.
    for _ in 0..2 {
        assert_eq!(compactor.delete(YEAR, later).expect("deletes"), CompactionProgress::More);
    }
    compactor.recorded(told).expect("written");
    assert_eq!(
        compactor.take_result().expect("reads").gone,
        Unrecorded { deleted: 1, corrupt: 0 },
        "but for what came since"
    );
}

#[test]
fn what_cannot_be_read_keeps_nothing_else_from_being_folded() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (mut store, now) = (enrolled(dir.path(), 1), clock::now());
    let mut changes = Vec::new();
    for seq in 1..=6 {
        // Four of them are not what was written, the last among them.
        let row = if matches!(seq, 1 | 2 | 4 | 6) { vec![7; 9] } else { history::pack(&[Some(seq as f64), None]) };
        changes.extend(report(1, seq, now.plus_millis(seq.cast_signed() - 60_000), row));
    }
    store.commit(&changes).expect("commits");
    let (reader, mut archive) = (store.reader().expect("reads"), store.archive().expect("opens"));
    let mut fold = |now| round(reader.as_ref(), archive.as_mut(), YEAR, now, true).expect("folds");
    assert_eq!(fold(now), CompactionResult::default(), "what has just come waits");
    let folded = fold(now.plus_millis(60_000));
    assert_eq!(folded, CompactionResult { through: 6, rows: 2, gone: Unrecorded { deleted: 0, corrupt: 4 } });
    let again = fold(now.plus_millis(60_000));
    assert_eq!(again, CompactionResult { through: 6, ..CompactionResult::default() }, "twice is once");
    let stored = read(reader.as_ref(), 1, Tier::Raw, now.plus_millis(-60_000), now);
    let number = *stored.names.iter().find(|(_, name)| *name == "load.1").expect("named").0;
    let mut kept = Vec::new();
    for one in &stored.chunks {
        let block = Block::unpack(one.chunk, &one.data).expect("whole");
        kept.extend(block.series[&number].iter().filter_map(|value| chunk::known(*value)));
    }
    assert_eq!(kept, [3.0, 5.0]);
}

/// Rows of `devices` over `hours`, every minute, in the order of their arrival.
fn fill(store: &mut dyn Store, devices: usize, from: Timestamp, minutes: u64) {
    for seq in 1..=minutes {
        let at = from.plus_millis(seq.cast_signed() * 60_000);
        let rows = |number| report(number, seq, at, history::pack(&[Some(value(number, seq)), Some(50.0)]));
        store.commit(&(1..=devices).flat_map(rows).collect::<Vec<Change>>()).expect("commits");
    }
}

#[test]
fn charts_are_whole_whatever_is_folded() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (mut store, devices) = (enrolled(dir.path(), 3), 3);
    // Ten hours of rows: two chunks that are past, and one that goes on.
    let now = clock::now();
    let from = now.plus_millis(-10 * HOUR);
    fill(store.as_mut(), devices, from, 600);
    let (reader, mut archive) = (store.reader().expect("reads"), store.archive().expect("opens"));
    let reader = reader.as_ref();
    // A summary is shown when it begins within what is asked for.
    let (begin, until) = (Timestamp::from_millis(Tier::Hour.chunk_of(from.as_millis())), now.plus_millis(HOUR));
    let look = |store: &mut dyn Store, through: Option<u64>| {
        if let Some(through) = through {
            while store.forget_rows(through, 500).expect("deletes") == 500 {}
        }
        let lines = |tier| (1..=devices).map(|number| line(reader, number, tier, begin, until)).collect::<Vec<_>>();
        Tier::ALL.map(lines)
    };
    let before = look(store.as_mut(), None);
    assert_eq!((before[0][0].len(), before[2][0].iter().map(|one| one.2).sum::<u32>()), (600, 600));
    let later = now.plus_millis(20_000);
    let through = due_row(reader, later).expect("reads");
    let mut compactor = Compactor::new(reader, archive.as_mut()).expect("opens");
    compactor.use_threads(2);
    // In windows, and with a look after each slice; rows go as soon as they may.
    for part in [through / 3, through / 2, through] {
        while compactor.gather(part).expect("gathers") == CompactionProgress::More {
            assert!(look(store.as_mut(), None) == before);
        }
        let done = compactor.take_result().expect("reads");
        assert_eq!((done.through, done.gone), (part, Unrecorded::default()));
        assert!(look(store.as_mut(), Some(part)) == before, "through {part}");
    }
    assert!(compactor.has_past(later));
    while compactor.merge(later).expect("merges") == CompactionProgress::More {
        assert!(look(store.as_mut(), None) == before);
    }
    assert!(!compactor.has_past(later), "what goes on is not merged");
    let whole = read(reader, 1, Tier::FiveMinutes, from, until).chunks;
    assert!(whole.iter().any(|one| one.tier == Tier::FiveMinutes) && whole.iter().any(|one| one.tier == Tier::Raw));
    // Eight hours later the rest is past, too, and one row comes that is late.
    let late = from.plus_millis(90_000);
    store.commit(&report(1, 601, late, history::pack(&[Some(7.0), None]))).expect("commits");
    let then = now.plus_millis(8 * HOUR);
    let (one, archive) = (due_row(reader, then).expect("reads"), archive.as_mut());
    let folded = round(reader, archive, YEAR, then, false).expect("folds");
    assert_eq!(folded, CompactionResult { through: one, rows: 1, gone: Unrecorded::default() });
    let [raw, five, hour] = look(store.as_mut(), Some(one));
    assert!(raw[0].contains(&(late.as_millis(), 7.0, 1)) && raw[0].len() == 601);
    assert!((&raw[1..], &five[1..], &hour[1..]) == (&before[0][1..], &before[1][1..], &before[2][1..]));
    assert_eq!(hour[0].iter().map(|one| one.2).sum::<u32>(), 601);
    let parts = archive.open_blocks().expect("reads");
    assert!(parts.is_empty(), "{parts:?}");
}

#[test]
fn ended_at_any_moment_it_comes_to_the_same() {
    let now = clock::now();
    let (from, then) = (now.plus_millis(-5 * HOUR), now.plus_millis(5 * HOUR));
    let whole = |slices: usize| {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut store = enrolled(dir.path(), 4);
        fill(store.as_mut(), 4, from, 240);
        let (reader, mut archive) = (store.reader().expect("reads"), store.archive().expect("opens"));
        let reader = reader.as_ref();
        let through = due_row(reader, then).expect("reads");
        // It is ended after so many slices, of which none may be the last.
        let mut compactor = Compactor::new(reader, archive.as_mut()).expect("opens");
        for _ in 0..slices {
            let _ = compactor.gather(through / 2).expect("gathers");
        }
        drop(compactor);
        let mut compactor = Compactor::new(reader, archive.as_mut()).expect("opens");
        while compactor.gather(through).expect("gathers") == CompactionProgress::More {}
        for _ in 0..slices {
            let _ = compactor.merge(then).expect("merges");
        }
        let folded = round(reader, archive.as_mut(), YEAR, then, false).expect("folds");
        assert_eq!((folded.through, folded.rows), (through, 0));
        let begin = Timestamp::from_millis(Tier::Hour.chunk_of(from.as_millis()));
        let of = |tier| (1..=4).map(|number| line(reader, number, tier, begin, then)).collect::<Vec<_>>();
        Tier::ALL.map(of)
    };
    let once = whole(0);
    assert_eq!(once[0][0].len(), 240);
    for slices in 1..6 {
        assert!(whole(slices) == once, "ended after {slices} slices");
    }
}

#[test]
fn pieces_of_one_chunk_do_not_pile_up() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (mut store, now) = (enrolled(dir.path(), 1), clock::now());
    // All within one chunk.
    let from = Timestamp::from_millis(Tier::Raw.chunk_of(now.as_millis()));
    let (reader, mut archive) = (store.reader().expect("reads"), store.archive().expect("opens"));
    let many = u64::from(PIECES_MAX) + 2;
    fill(store.as_mut(), 1, from, 30);
    let before = line(reader.as_ref(), 1, Tier::Raw, from, from.plus_millis(4 * HOUR));
    let mut compactor = Compactor::new(reader.as_ref(), archive.as_mut()).expect("opens");
    while compactor.gather(1).expect("gathers") == CompactionProgress::More {}
    let open = (from.as_millis(), device(1));
    compactor.open.insert(open.clone(), u32::try_from(many).expect("small"));
    while compactor.gather(30).expect("gathers") == CompactionProgress::More {}
    while compactor.merge(from).expect("merges") == CompactionProgress::More {}
    assert_eq!(compactor.open, BTreeMap::from([(open, 1)]));
    drop(compactor);
    let stored = read(reader.as_ref(), 1, Tier::Raw, from, from.plus_millis(4 * HOUR));
    assert_eq!(stored.chunks.len(), 1);
    assert!(line(reader.as_ref(), 1, Tier::Raw, from, from.plus_millis(4 * HOUR)) == before);
}
