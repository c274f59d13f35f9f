//! What becomes of reports when files of the spool cannot be read, and when sled fails.

use std::os::unix::fs::symlink;

use super::recovery::{GIVE_UP_MS, PATIENCE_MS};
use super::*;
use crate::spool::tests::entry;

fn at(seq: u64) -> Position {
    Position { epoch: 7, seq }
}

fn open(dir: &Path, losses: &mut Losses) -> DiskSpool {
    DiskSpool::open(dir.join("spool"), 1 << 20, losses)
}

/// Reports in a file of the spool, by number.
fn file(dir: &Path, number: u32, reports: std::ops::RangeInclusive<u64>) -> PathBuf {
    let path = dir.join(format!("spool/kept/{number:08}.rec"));
    write_file(&path, reports.map(|seq| Ok(frame::encode(&entry(seq, true))))).expect("written");
    path
}

/// What can be had, in order, until there is no more or something is the matter.
fn drain(spool: &mut DiskSpool, losses: &mut Losses) -> (Vec<u64>, Option<SpoolError>) {
    let (mut cursor, mut seen) = (Position::default(), Vec::new());
    loop {
        match spool.next_after(cursor, None, losses) {
            Ok(Some(entry)) => {
                cursor = entry.position;
                seen.push(cursor.seq);
            }
            Ok(None) => return (seen, None),
            Err(error) => return (seen, Some(error)),
        }
    }
}

#[test]
fn nothing_newer_goes_before_a_report_whose_file_cannot_be_read_now() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (first, _) = (file(dir.path(), 1, 1..=3), file(dir.path(), 2, 4..=6));
    let mut losses = Losses::default();
    let mut spool = open(dir.path(), &mut losses);
    // A directory opens and cannot be read, for root neither: EISDIR, as a bad disk says EIO.
    let aside = dir.path().join("aside");
    fs::rename(&first, &aside).and_then(|()| fs::create_dir(&first)).expect("hidden");
    for _ in 0..3 {
        let (seen, why) = drain(&mut spool, &mut losses);
        assert!(seen.is_empty() && why.is_some(), "{seen:?}");
        assert!(spool.next_after(at(2), Some(at(9)), &mut losses).is_err(), "3 lies there, too");
    }
    let newer = spool.next_after(at(3), None, &mut losses).expect("can be read").expect("there");
    assert_eq!(newer.position, at(4), "what was sent already holds up nothing");
    assert_eq!((losses, spool.count()), (Losses::default(), 6), "it is neither lost nor forgotten");
    fs::remove_dir(&first).and_then(|()| fs::rename(&aside, &first)).expect("put back");
    let (seen, why) = drain(&mut spool, &mut losses);
    assert!(why.is_none(), "{why:?}");
    assert_eq!((seen, losses), ((1..=6).collect(), Losses::default()));
}

#[test]
fn a_file_that_cannot_be_opened_holds_up_what_is_newer_for_hours_and_then_it_alone_is_put_aside() {
    let dir = tempfile::tempdir().expect("temporary directory");
    // On either side of the whole one: those are read in any order.
    for number in [1, 3] {
        let path = file(dir.path(), number, 90..=90);
        fs::remove_file(&path).and_then(|()| symlink(&path, &path)).expect("a link to itself");
    }
    file(dir.path(), 2, 1..=3);
    let mut losses = Losses::default();
    let mut spool = open(dir.path(), &mut losses);
    let since_ms = spool.failing_since_ms.expect("it could not be read");
    for now_ms in [since_ms, since_ms + PATIENCE_MS, since_ms + GIVE_UP_MS - 1] {
        assert!(spool.gather_at(now_ms, &mut losses).is_err(), "{now_ms}");
        assert_eq!((losses, spool.failing_since_ms), (Losses::default(), Some(since_ms)), "{now_ms}");
    }
    assert!(drain(&mut spool, &mut losses).0.is_empty());
    spool.gather_at(since_ms + GIVE_UP_MS, &mut losses).expect("given up");
    assert_eq!(losses, Losses { quarantined: 2, ..Losses::default() }, "each once");
    let (seen, why) = drain(&mut spool, &mut losses);
    assert!(why.is_none(), "{why:?}");
    assert_eq!(seen, [1, 2, 3], "what can be read is");
    assert_eq!(DamagedParts::of(&dir.path().join("spool")).files().expect("listed").len(), 2, "and they are kept");
    spool.remove_through(at(3)).expect("freed");
    assert!(!dir.path().join("spool").exists());
    assert_eq!(losses.quarantined, 2, "each once");
}

#[test]
fn a_file_of_which_blocks_cannot_be_read_is_passed_over_after_a_minute_and_kept_whole() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let broken = dir.path().join("spool/kept/00000001.rec");
    fs::create_dir_all(&broken).expect("a directory in its place");
    file(dir.path(), 2, 4..=6);
    let mut losses = Losses::default();
    let mut spool = open(dir.path(), &mut losses);
    let since_ms = spool.failing_since_ms.expect("it could not be read");
    assert!(spool.gather_at(since_ms + PATIENCE_MS - 1, &mut losses).is_err(), "not yet");
    spool.gather_at(since_ms + PATIENCE_MS, &mut losses).expect("without those blocks");
    assert_eq!((losses.quarantined, losses.total(), spool.failing_since_ms), (1, 0, None));
    assert_eq!(drain(&mut spool, &mut losses).0, [4, 5, 6]);
    assert_eq!(losses.quarantined, 1, "it is counted once");
    spool.remove_through(at(6)).expect("freed");
    let kept = DamagedParts::of(&dir.path().join("spool")).files().expect("listed");
    assert!(kept.len() == 1 && kept[0].0.is_dir() && !broken.exists(), "as it was: {kept:?}");
}

/// A spool whose reports are in sled.
fn with_sled(dir: &Path, losses: &mut Losses) -> DiskSpool {
    let mut spool = open(dir, losses);
    let entries: Vec<SpooledReport> = (1..=20).map(|seq| entry(seq, true)).collect();
    spool.put(&entries.iter().collect::<Vec<_>>(), losses).expect("written");
    assert!(spool.live.is_some() && spool.index.values().all(|place| place.file.is_none()), "sled has them");
    spool
}

#[test]
fn what_sled_cannot_give_is_read_from_its_file() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut losses = Losses::default();
    let mut spool = with_sled(dir.path(), &mut losses);
    spool.live.as_mut().expect("open").fail();
    assert_eq!(drain(&mut spool, &mut losses).0, (1..=20).collect::<Vec<_>>());
    assert_eq!((losses, spool.live.is_none()), (Losses::default(), true));
    assert!(spool.without_sled_until_ms > clock::boottime_ms(), "it is not opened again at once");
}

#[test]
fn what_sled_cannot_take_is_written_without_it() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut losses = Losses::default();
    let mut spool = with_sled(dir.path(), &mut losses);
    spool.live.as_mut().expect("open").fail();
    let more: Vec<SpooledReport> = (21..=40).map(|seq| entry(seq, true)).collect();
    spool.put(&more.iter().collect::<Vec<_>>(), &mut losses).expect("written all the same");
    assert!(spool.index.range(at(21)..).all(|(_, place)| place.file.is_some()), "as a file");
    assert_eq!(drain(&mut spool, &mut losses).0, (1..=40).collect::<Vec<_>>());
    drop(spool);
    let mut again = open(dir.path(), &mut losses);
    assert_eq!(drain(&mut again, &mut losses).0, (1..=40).collect::<Vec<_>>(), "they are on the disk");
    assert_eq!(losses, Losses::default());
}

#[test]
fn a_long_absence_is_written_by_one_sled_after_the_other() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut losses = Losses::default();
    let mut spool = DiskSpool::open(dir.path().join("spool"), 64 << 20, &mut losses);
    let (mut last, mut most) = (0, 0);
    while spool.files.len() < 2 {
        let entries: Vec<SpooledReport> = (last + 1..=last + 256).map(|seq| entry(seq, true)).collect();
        spool.put(&entries.iter().collect::<Vec<_>>(), &mut losses).expect("written");
        last += 256;
        most = spool.live_bytes.max(most);
        assert!(last < 60_000 && most < LIVE_MAX_BYTES * 2, "{last} reports, {most} bytes");
    }
    spool.remove_through(at(1000)).expect("freed");
    assert_eq!(drain(&mut spool, &mut losses).0, (1001..=last).collect::<Vec<_>>());
    assert_eq!(losses, Losses::default());
}
