//! Rows, and history that they are folded into.

use std::collections::HashMap;

use super::*;
use crate::chart::{self, ChartQuery};
use crate::compaction::{CompactionProgress, CompactionResult, Compactor, PIECES_MAX, due_row, round};
use crate::history::chunk;
use crate::history::fold::HistoryBlock;
use crate::retention::Cursor;
use ioc_common::clock;
use ioc_judge::{DeviceInfo, DeviceKind};

const YEAR: [i64; 3] = [366 * 86_400_000; 3];
const HOUR: i64 = 3_600_000;

pub(super) fn rows_and_compaction(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    for seq in 1..=10 {
        store.commit(&sample(1, seq, 0.0)).expect("commits");
    }
    assert_eq!(store.forget_rows(4, 3).expect("deletes"), 3, "not more than asked for");
    assert_eq!(store.forget_rows(4, 3).expect("deletes"), 1);
    let left: Vec<u64> =
        store.reader().expect("reads").rows(&id(1), 0).expect("reads").iter().map(|r| r.position.seq).collect();
    assert_eq!(left, (5..=10).collect::<Vec<_>>());

    // A chain goes on across a restart, and a number is never given twice.
    drop(store);
    let mut store = open(dir);
    assert_eq!(store.forget_rows(u64::MAX >> 1, 100).expect("deletes"), 6);
    drop(store);
    let mut store = open(dir);
    let all_gone = store.reader().expect("reads").row_numbers().expect("reads");
    assert_eq!((all_gone.before, all_gone.last), (10, 10), "where no row is left it is known how far they went");
    let layout = Layout::new(vec![Series::new("load.1", "")]).expect("allowed");
    store.commit(&[Change::Layout(layout)]).expect("commits");
    store.commit(&sample(1, 11, 1.0)).expect("commits");
    store.commit(&sample(1, 12, 2.0)).expect("commits");
    let reader = store.reader().expect("reads");
    let rows = reader.rows(&id(1), 0).expect("reads");
    assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [11, 12]);
    assert_eq!(reader.last_row_before(Timestamp::MAX).expect("reads"), 12);
    assert_eq!(reader.last_row_before(at(1)).expect("reads"), 0);
    let numbers = reader.row_numbers().expect("reads");
    assert_eq!((numbers.before, numbers.last, &numbers.store), (10, 12, &all_gone.store));
    let to_fold = reader.rows_to_fold(11, 12, 100).expect("reads");
    assert_eq!(to_fold.iter().map(|row| (row.number, row.at)).collect::<Vec<_>>(), [(12, at(1012))]);
    assert_eq!(history::unpack(&to_fold[0].data), Ok(vec![Some(2.0)]));
    assert_eq!(reader.rows_to_fold(0, 12, 1).expect("reads").len(), 1, "not more than asked for");
    assert_eq!(reader.device_of(to_fold[0].device).expect("reads"), Some(id(1)));
    assert_eq!(reader.device_of(99).expect("reads"), None);

    let mut archive = store.archive().expect("opens");
    let layout = reader.layout(rows[0].layout).expect("reads").expect("known");
    let names: Vec<&str> = layout.series().iter().map(Series::as_str).collect();
    let series = archive.series(&names).expect("numbers");
    assert_eq!(archive.series(&names).expect("numbers"), series);
    let (device, from, until) = (&id(1), at(0), Timestamp::MAX);
    let read = |tier, names: &[String]| reader.chunks(&ChunkQuery { device, tier, from, until, names }).expect("reads");
    let chunks = |tier, names| read(tier, names).chunks.len();
    let mut block = HistoryBlock::at(rows.iter().map(|row| row.at.as_millis()).collect());
    block.values_of(series[0]).copy_from_slice(&[1.0, 2.0]);
    let (device_1, chunk, packed) = (id(1), 0, block.pack(0));
    // First as two pieces, then as one chunk in their place.
    let piece = ArchiveChange::Piece { device: id(1), chunk, data: packed.data.clone() };
    archive.write(&[piece.clone(), piece, ArchiveChange::Folded { device: id(1), row: 12 }]).expect("writes");
    assert_eq!((archive.open_blocks().expect("reads"), chunks(Tier::Hour, &[])), (vec![(0, id(1))], 2));
    let open = archive.block(&id(1), 0).expect("reads");
    assert_eq!((open.whole, open.pieces), (None, vec![packed.data.clone(); 2]));
    assert_eq!((reader.folded(&id(1)).expect("reads"), reader.folded(&id(2)).expect("reads")), (12, 0));
    assert_eq!((archive.folded(&id(1)).expect("reads"), archive.all_folded().expect("reads")), (12, 0));
    let sums = [Tier::FiveMinutes, Tier::Hour].map(|tier| block.summaries(tier, 0).pack(tier, 0));
    let mut changes = vec![ArchiveChange::PiecesMerged { device: id(1), chunk }];
    for chunk in std::iter::once(packed.clone()).chain(sums) {
        changes.push(ArchiveChange::Chunk { device: id(1), chunk: chunk.clone() });
        changes.push(ArchiveChange::Chunk { device: device_1.clone(), chunk });
    }
    changes.push(ArchiveChange::AllFolded { row: 12 });
    archive.write(&changes).expect("writes");
    archive.sync().expect("syncs");
    assert_eq!((archive.all_folded().expect("reads"), archive.open_blocks().expect("reads")), (12, vec![]));
    assert_eq!(archive.chunk(&id(1), Tier::Raw, 0).expect("reads"), Some(packed.data));
    assert_eq!(Tier::ALL.map(|tier| chunks(tier, &[])), [1, 1, 1], "one of each, however often it is kept");
    let all = read(Tier::Raw, &[]);
    assert_eq!((all.names, all.folded), (HashMap::from([(series[0], names[0].to_owned())]), 12));
    assert_eq!(read(Tier::Raw, &[names[0].to_owned()]).names.len(), 1);
    assert!(read(Tier::Hour, &["no.such".to_owned()]).names.is_empty());
    assert_eq!(
        archive
            .delete_before(Tier::Raw, at(Tier::Raw.chunk_ms()), &mut || Ok(Vec::new()), (Cursor::default(), 10))
            .expect("deletes")
            .deleted,
        0,
        "it ends just then"
    );
    assert_eq!(
        archive
            .delete_before(Tier::Raw, Timestamp::MAX, &mut || Ok(Vec::new()), (Cursor::default(), 10))
            .expect("deletes")
            .deleted,
        1
    );
    assert!(!archive.give_back().expect("gives back"), "a little room is kept");
    assert_eq!(chunks(Tier::Raw, &[]), 0);
}

fn layout() -> Layout {
    Layout::new(vec![Series::new("load.1", ""), Series::new("fs.used_pct", "/")]).expect("allowed")
}

fn device(number: usize) -> DeviceId {
    DeviceId::new(&format!("srv-{number}")).expect("valid")
}

fn enrolled(open: Open<'_>, dir: &Path, devices: usize) -> Box<dyn Store> {
    let mut store = open(dir);
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

pub(super) fn nothing_is_deleted_while_the_clock_is_in_doubt(open: Open<'_>, dir: &Path) {
    let (mut store, now) = (enrolled(open, dir, 1), clock::now());
    store.commit(&report(1, 1, now, history::pack(&[Some(1.0), None]))).expect("commits");
    let (reader, mut archive) = (store.reader().expect("reads"), store.archive().expect("opens"));
    let later = now.plus_millis(2 * 365 * 86_400_000);
    let mut fold = |forget| round(reader.as_ref(), archive.as_mut(), YEAR, later, forget).expect("folds").gone.deleted;
    assert_eq!(fold(false), 0, "nobody knows whether it is two years old");
    assert!(fold(true) > 0, "once that is confirmed it is past its time");
}

pub(super) fn what_is_gone_is_told_until_it_stands_in_the_audit_log(open: Open<'_>, dir: &Path) {
    let (mut store, now) = (enrolled(open, dir, 1), clock::now());
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
    assert_eq!(gone, RemovedHistory { deleted: 1, corrupt: 1 });
    drop(store);
    let store = open(dir);
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
        RemovedHistory { deleted: 1, corrupt: 0 },
        "but for what came since"
    );
}

pub(super) fn what_cannot_be_read_keeps_nothing_else_from_being_folded(open: Open<'_>, dir: &Path) {
    let (mut store, now) = (enrolled(open, dir, 1), clock::now());
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
    assert_eq!(folded, CompactionResult { through: 6, rows: 2, gone: RemovedHistory { deleted: 0, corrupt: 4 } });
    let again = fold(now.plus_millis(60_000));
    assert_eq!(again, CompactionResult { through: 6, ..CompactionResult::default() }, "twice is once");
    let stored = read(reader.as_ref(), 1, Tier::Raw, now.plus_millis(-60_000), now);
    let number = *stored.names.iter().find(|(_, name)| *name == "load.1").expect("named").0;
    let mut kept = Vec::new();
    for one in &stored.chunks {
        let block = HistoryBlock::unpack(one.chunk, &one.data).expect("whole");
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

pub(super) fn charts_are_whole_whatever_is_folded(open: Open<'_>, dir: &Path) {
    let (mut store, devices) = (enrolled(open, dir, 3), 3);
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
        assert_eq!((done.through, done.gone), (part, RemovedHistory::default()));
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
    assert_eq!(folded, CompactionResult { through: one, rows: 1, gone: RemovedHistory::default() });
    let [raw, five, hour] = look(store.as_mut(), Some(one));
    assert!(raw[0].contains(&(late.as_millis(), 7.0, 1)) && raw[0].len() == 601);
    assert!((&raw[1..], &five[1..], &hour[1..]) == (&before[0][1..], &before[1][1..], &before[2][1..]));
    assert_eq!(hour[0].iter().map(|one| one.2).sum::<u32>(), 601);
    let parts = archive.open_blocks().expect("reads");
    assert!(parts.is_empty(), "{parts:?}");
}

pub(super) fn ended_at_any_moment_it_comes_to_the_same(open: Open<'_>, _: &Path) {
    let now = clock::now();
    let (from, then) = (now.plus_millis(-5 * HOUR), now.plus_millis(5 * HOUR));
    let whole = |slices: usize| {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut store = enrolled(open, dir.path(), 4);
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

pub(super) fn pieces_of_one_chunk_do_not_pile_up(open: Open<'_>, dir: &Path) {
    let (mut store, now) = (enrolled(open, dir, 1), clock::now());
    // All within one chunk.
    let from = Timestamp::from_millis(Tier::Raw.chunk_of(now.as_millis()));
    let (reader, mut archive) = (store.reader().expect("reads"), store.archive().expect("opens"));
    let many = u64::from(PIECES_MAX) + 2;
    for seq in 1..=many {
        let row = history::pack(&[Some(value(1, seq)), Some(50.0)]);
        store.commit(&report(1, seq, from.plus_millis(seq.cast_signed() * 40_000), row)).expect("commits");
    }
    let before = line(reader.as_ref(), 1, Tier::Raw, from, from.plus_millis(4 * HOUR));
    let mut compactor = Compactor::new(reader.as_ref(), archive.as_mut()).expect("opens");
    for row in 1..=many {
        while compactor.gather(row).expect("gathers") == CompactionProgress::More {}
    }
    let made = read(reader.as_ref(), 1, Tier::Raw, from, from.plus_millis(4 * HOUR));
    assert_eq!(made.chunks.len() as u64, many, "a piece of each row");
    while compactor.merge(from).expect("merges") == CompactionProgress::More {}
    drop(compactor);
    let stored = read(reader.as_ref(), 1, Tier::Raw, from, from.plus_millis(4 * HOUR));
    assert_eq!(stored.chunks.len(), 1);
    assert!(line(reader.as_ref(), 1, Tier::Raw, from, from.plus_millis(4 * HOUR)) == before);
}
