//! Rows, and history that they are folded into.

use std::collections::HashMap;

use super::*;

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
    let mut block = history::fold::Block::at(rows.iter().map(|row| row.at.as_millis()).collect());
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
        archive.delete_before(Tier::Raw, at(Tier::Raw.chunk_ms()), 10).expect("deletes"),
        0,
        "it ends just then"
    );
    assert_eq!(archive.delete_before(Tier::Raw, Timestamp::MAX, 10).expect("deletes"), 1);
    assert!(!archive.give_back().expect("gives back"), "a little room is kept");
    assert_eq!(chunks(Tier::Raw, &[]), 0);
}
