use super::*;
use ioc_common::clock::Timestamp;
use ioc_common::codec;
use ioc_common::id::DeviceId;
use ioc_common::layout::LayoutId;
use ioc_common::report::{Body, Event, Sample};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

pub(super) fn entry(seq: u64, event: bool) -> SpooledReport {
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
    SpooledReport { position, kind: body.kind(), taken_ms: seq * 10, boot: "3f1c9a02".into(), sealed }
}

/// What a file of these events holds.
fn event_frames(seqs: std::ops::RangeInclusive<u64>) -> Vec<u8> {
    seqs.flat_map(|seq| frame::encode(&entry(seq, true))).collect()
}

fn open(dir: &Path, ring: usize, bytes: u64) -> Backlog {
    Backlog::open(dir.join("spool"), BacklogLimits { ring_max_reports: ring, spool_max_bytes: bytes })
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
    assert_eq!(backlog.size().on_disk, 1);
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
    assert!(backlog.size().disk_bytes <= 20_000);
}

/// A spool with these reports, closed.
fn filled(dir: &Path, count: u64) {
    let mut backlog = open(dir, 4, 1 << 20);
    for seq in 1..=count {
        backlog.push(entry(seq, seq % 3 == 0));
    }
    backlog.spill();
    assert_eq!(backlog.size().on_disk, count);
}

#[test]
fn the_whole_backlog_does_not_hang_on_what_sled_keeps_of_itself() {
    for harm in ["flipped", "nonsense", "gone", "snap"] {
        let dir = tempfile::tempdir().expect("temporary directory");
        filled(dir.path(), 40);
        let conf = dir.path().join("spool/conf");
        let mut bytes = std::fs::read(&conf).expect("read");
        match harm {
            "flipped" => {
                bytes[16] ^= 1;
                std::fs::write(&conf, bytes).expect("written");
            }
            "nonsense" => std::fs::write(&conf, [b"nonsense".as_slice(); 20].concat()).expect("written"),
            "gone" => std::fs::remove_file(&conf).expect("removed"),
            _ => std::fs::write(dir.path().join("spool/snap.0000000000000020"), b"nonsense").expect("written"),
        }
        let mut again = open(dir.path(), 4, 1 << 20);
        assert_eq!(drain(&mut again), (1..=40).collect::<Vec<_>>(), "{harm}");
        again.push(entry(41, true));
        assert_eq!(drain(&mut again).len(), 41, "{harm}");
        assert_eq!(again.losses(), Losses::default(), "{harm}");
    }
}

#[test]
fn a_flipped_bit_costs_the_report_that_it_is_in_and_is_counted() {
    let dir = tempfile::tempdir().expect("temporary directory");
    filled(dir.path(), 40);
    let db = dir.path().join("spool/db");
    let whole = std::fs::read(&db).expect("read");
    let marks: Vec<usize> = (0..whole.len() - 4).filter(|at| whole[*at..].starts_with(b"\x8bIoC")).collect();
    assert!(marks.len() >= 20, "reports lie in the file as they are");
    // In a mark, in a head, in a report, in its checksum, in what sled has around them.
    for (n, at) in marks.iter().enumerate().step_by(5) {
        for beside in [2_isize, 30, 60, -3] {
            let mut bytes = whole.clone();
            bytes[at.strict_add_signed(beside)] ^= 1 << (n % 8);
            std::fs::write(&db, &bytes).expect("written");
            let mut again = open(dir.path(), 4, 1 << 20);
            // What is damaged is counted when a later report goes past it, and the last one has none behind it.
            again.push(entry(41, true));
            let left = drain(&mut again);
            let lost = 41 - left.len() as u64;
            assert!(lost <= 1, "{lost} lost by one bit {beside} from the mark at {at}");
            // The last one may have been torn when its run was cut off.
            let last = !left.contains(&40);
            assert!(beside != 60 || last || again.losses().corrupt == lost, "{:?}", again.losses());
            drop(again);
            let _ = std::fs::remove_file(dir.path().join("losses.json"));
        }
    }
}

#[test]
fn large_reports_are_spooled_like_others() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let large = |seq: u64| {
        let fields = (0..60).map(|n| (format!("k{n}"), "x".repeat(3300))).collect();
        let body = Body::Event(Event { name: "test.event".into(), text: "large".into(), fields });
        let device = DeviceId::new("srv-01").expect("valid");
        let (position, taken_at) = (Position { epoch: 7, seq }, Timestamp::from_millis(0));
        let head = codec::Head { device: &device, about: None, position, boot: "3f1c9a02", taken_at };
        let sealed = codec::seal(head, &body).expect("encodes");
        SpooledReport { position, kind: body.kind(), taken_ms: seq * 10, boot: "3f1c9a02".into(), sealed }
    };
    let mut backlog = open(dir.path(), 4, 1 << 22);
    for seq in 1..=9 {
        backlog.push(if seq % 2 == 0 { large(seq) } else { entry(seq, true) });
    }
    assert!(large(2).sealed.as_bytes().len() > 190_000 && !backlog.has_unspilled());
    drop(backlog);
    let mut again = open(dir.path(), 4, 1 << 22);
    assert_eq!(drain(&mut again), (1..=9).collect::<Vec<_>>());
    assert_eq!(again.next_after(Position { epoch: 7, seq: 1 }), Some(large(2)));
    assert_eq!(again.losses(), Losses::default());
}

#[test]
fn what_was_thinned_or_freed_does_not_come_back() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut backlog = open(dir.path(), 8, 20_000);
    for seq in 1..=300 {
        backlog.push(entry(seq, false));
    }
    backlog.free_through(Position { epoch: 7, seq: 200 });
    backlog.spill();
    let left = drain(&mut backlog);
    let losses = backlog.losses();
    drop(backlog);
    let mut again = open(dir.path(), 8, 20_000);
    again.free_through(Position { epoch: 7, seq: 200 });
    assert_eq!(drain(&mut again), left);
    assert_eq!(again.losses(), losses, "and the counters go on");
}

#[test]
fn counters_and_how_runs_ended_outlive_the_run_and_belong_to_a_device() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut backlog = open(dir.path(), 4, 1 << 20);
    backlog.begin("srv-01", 7);
    backlog.push(entry(1, true));
    backlog.push(entry(2, false));
    backlog.count_too_large();
    backlog.note_losses();
    // Cut off: the event is known, the sample is not.
    drop(backlog);
    let mut backlog = open(dir.path(), 4, 1 << 20);
    backlog.begin("srv-01", 8);
    assert_eq!((backlog.losses().total(), backlog.losses().too_large), (1, 1));
    assert_eq!(backlog.earlier_runs(), [EarlierRun { epoch: 7, seq: 1, clean: false }]);
    backlog.end(Position { epoch: 8, seq: 5 });
    drop(backlog);
    let mut backlog = open(dir.path(), 4, 1 << 20);
    backlog.begin("srv-01", 9);
    let former = backlog.earlier_runs();
    assert_eq!(former[1..], [EarlierRun { epoch: 8, seq: 5, clean: true }]);
    backlog.free_through(Position { epoch: 8, seq: 5 });
    assert_eq!(backlog.earlier_runs(), former, "what the collector has passed is told as well: it may be restored");
    // The collector has more of a run that was cut off than is here any more: that much was given out, at least.
    backlog.free_through(Position { epoch: 7, seq: 90 });
    let passed = EarlierRun { epoch: 7, seq: 90, clean: false };
    assert_eq!(backlog.earlier_runs()[0], passed);
    backlog.end(Position { epoch: 9, seq: 1 });
    drop(backlog);
    let mut backlog = open(dir.path(), 4, 1 << 20);
    backlog.begin("srv-01", 10);
    let ended = |epoch, seq| EarlierRun { epoch, seq, clean: true };
    assert_eq!(backlog.earlier_runs(), [passed, ended(8, 5), ended(9, 1)]);
    drop(backlog);
    let mut other = open(dir.path(), 4, 1 << 20);
    other.begin("srv-02", 11);
    assert_eq!((other.losses(), other.earlier_runs()), (Losses::default(), Vec::new()));
}

#[test]
fn a_spool_with_damage_is_kept_for_a_technician_within_bounds() {
    let dir = tempfile::tempdir().expect("temporary directory");
    for round in 0..4_u8 {
        filled(dir.path(), 7);
        let db = dir.path().join("spool/kept/00000001.rec");
        let mut bytes = std::fs::read(&db).expect("read");
        // The first report, behind which others are whole.
        let marks = (0..bytes.len() - 40).filter(|at| bytes[*at..].starts_with(b"\x8bIoC"));
        let mark = marks.min_by_key(|at| bytes[at + 30..at + 38].to_vec()).expect("there");
        bytes[mark + 60] ^= 1 + round;
        std::fs::write(&db, &bytes).expect("written");
        let mut again = open(dir.path(), 4, 1 << 20);
        again.push(entry(8, false));
        assert_eq!(drain(&mut again).len(), 7);
        assert_eq!(again.losses().corrupt, 1 + u64::from(round));
        again.note_losses();
        again.free_through(Position { epoch: 7, seq: 9 });
        assert!(!dir.path().join("spool").exists());
    }
    assert_eq!(std::fs::read_dir(dir.path().join("spool.damaged")).expect("there").count(), 4);
}

#[test]
fn a_spool_that_cannot_be_written_keeps_reports_in_memory() {
    let dir = tempfile::tempdir().expect("temporary directory");
    std::fs::write(dir.path().join("spool"), b"a file where the directory should be").expect("written");
    let mut backlog = open(dir.path(), 4, 1 << 20);
    backlog.push(entry(1, true));
    assert!(backlog.failure().is_some());
    assert_eq!(drain(&mut backlog), [1]);
    for seq in 2..=9 {
        backlog.push(entry(seq, false));
    }
    assert_eq!(drain(&mut backlog), [1, 7, 8, 9], "the event outlives the samples");
    assert_eq!(backlog.losses().failing, 5, "and those that went are counted");
    std::fs::remove_file(dir.path().join("spool")).expect("removed");
    backlog.spill();
    assert_eq!((backlog.failure(), backlog.size().on_disk), (None, 4));
}

#[test]
fn what_is_only_in_memory_when_the_run_ends_is_counted() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut backlog = open(dir.path(), 8, 1 << 20);
    backlog.begin("srv-01", 7);
    std::fs::write(dir.path().join("spool"), b"a file where the directory should be").expect("written");
    (1..=5).for_each(|seq| backlog.push(entry(seq, seq == 1)));
    backlog.end(Position { epoch: 7, seq: 5 });
    let losses = backlog.losses();
    assert_eq!((losses.unsaved, losses.total()), (5, 5));
    drop(backlog);
    std::fs::remove_file(dir.path().join("spool")).expect("removed");
    assert_eq!(open(dir.path(), 8, 1 << 20).losses(), losses, "the next run knows");
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

/// Flips a bit in the first report of the one file of a spool with reports 1 to 7, behind which others are whole.
fn harm_first(dir: &Path) {
    let file = dir.join("spool/kept/00000001.rec");
    let mut bytes = std::fs::read(&file).expect("read");
    let marks = (0..bytes.len() - 40).filter(|at| bytes[*at..].starts_with(b"\x8bIoC"));
    let mark = marks.min_by_key(|at| bytes[at + 30..at + 38].to_vec()).expect("there");
    bytes[mark + 60] ^= 1;
    std::fs::write(&file, bytes).expect("written");
}

fn damaged_files(dir: &Path) -> Vec<(PathBuf, u64)> {
    DamagedParts::of(&dir.join("spool")).files().expect("read")
}

#[test]
fn what_is_damaged_is_kept_until_a_person_removes_it_and_nothing_else_is() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let kept = dir.path().join("spool/kept");
    std::fs::create_dir_all(&kept).expect("made");
    let frames: Vec<u8> = (1..=7).flat_map(|seq| frame::encode(&entry(seq, seq % 3 == 0))).collect();
    let size = frames.len() as u64;
    std::fs::write(kept.join("00000001.rec"), frames).expect("written");
    harm_first(dir.path());
    // More than 16 MiB, which once were the most.
    let aside = dir.path().join("spool.damaged");
    std::fs::create_dir_all(&aside).expect("made");
    for name in ["0000000000000001-000", "0000000000000002-000"] {
        std::fs::File::create(aside.join(name)).and_then(|file| file.set_len(12 << 20)).expect("made");
    }
    let mut again = open(dir.path(), 4, 64 << 20);
    again.push(entry(8, false));
    assert_eq!(drain(&mut again).len(), 7);
    again.free_through(Position { epoch: 7, seq: 9 });
    assert!(!dir.path().join("spool").exists());
    let files = damaged_files(dir.path());
    assert_eq!(files.len(), 3, "none goes for a newer one: {files:?}");
    let (path, bytes) = &files[2];
    assert!(*bytes > 60 && *bytes < size / 2, "only what is damaged: {bytes} of {size}");
    let mut found = Vec::new();
    frame::scan(path, false, &mut |one| found.push(one)).expect("read");
    assert_eq!(found, [frame::FoundFrame::Damaged(Position { epoch: 7, seq: 1 })]);
    assert_eq!(again.damaged_bytes(), (24 << 20) + bytes);
    let mut damaged = DamagedParts::of(&dir.path().join("spool"));
    assert_eq!(damaged.remove().expect("removed"), (24 << 20) + bytes);
    assert_eq!((damaged_files(dir.path()).len(), again.damaged_bytes()), (0, 0));
}

#[test]
fn what_is_damaged_takes_its_room_from_the_budget() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let aside = dir.path().join("spool.damaged");
    std::fs::create_dir_all(&aside).expect("made");
    let fill = |bytes: u64| {
        std::fs::File::create(aside.join("0000000000000001-000")).and_then(|file| file.set_len(bytes)).expect("made");
    };
    fill(80_000);
    let mut backlog = open(dir.path(), 8, 100_000);
    for seq in 1..=400 {
        backlog.push(entry(seq, seq % 50 == 0));
    }
    let left = drain(&mut backlog);
    assert!(backlog.size().disk_bytes <= 20_000, "{:?}", backlog.size());
    assert!((50..=400).step_by(50).all(|event| left.contains(&event)), "{left:?}");
    assert_eq!(backlog.losses().samples_thinned + backlog.losses().samples_dropped + left.len() as u64, 400);
    fill(95_000);
    backlog.push(entry(401, true));
    let why = backlog.failure().expect("refused").to_owned();
    assert!(why.contains("ioc-agent damaged --remove"), "{why}");
    assert!(drain(&mut backlog).contains(&401), "it waits in memory");
    DamagedParts::of(&dir.path().join("spool")).remove().expect("removed");
    backlog.spill();
    assert!(backlog.failure().is_none() && !backlog.has_unspilled());
}

#[test]
fn damage_that_cannot_be_moved_stays_where_it_is() {
    let dir = tempfile::tempdir().expect("temporary directory");
    filled(dir.path(), 7);
    harm_first(dir.path());
    std::fs::write(dir.path().join("spool.damaged"), b"no directory").expect("written");
    let mut again = open(dir.path(), 4, 1 << 20);
    again.push(entry(8, false));
    drain(&mut again);
    again.free_through(Position { epoch: 7, seq: 9 });
    assert!(dir.path().join("spool/kept/00000001.rec").exists(), "it is not deleted with the rest");
    std::fs::remove_file(dir.path().join("spool.damaged")).expect("removed");
    again.free_through(Position { epoch: 7, seq: 10 });
    assert_eq!(damaged_files(dir.path()).len(), 1);
    assert!(!dir.path().join("spool").exists());
}

#[test]
fn a_head_that_cannot_be_read_is_damage_that_is_kept() {
    let dir = tempfile::tempdir().expect("temporary directory");
    filled(dir.path(), 7);
    let file = dir.path().join("spool/kept/00000001.rec");
    let mut bytes = std::fs::read(&file).expect("read");
    bytes[20] ^= 1;
    std::fs::write(&file, bytes).expect("written");
    let mut again = open(dir.path(), 4, 1 << 20);
    assert_eq!(drain(&mut again).len(), 6);
    again.free_through(Position { epoch: 7, seq: 9 });
    assert_eq!(damaged_files(dir.path()).len(), 1);
}

#[test]
fn what_a_cut_off_run_was_writing_is_read_and_its_torn_end_is_no_damage() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let kept = dir.path().join("spool/kept");
    std::fs::create_dir_all(&kept).expect("made");
    let mut bytes = event_frames(1..=2);
    bytes.truncate(bytes.len() - 9);
    std::fs::write(kept.join("00000001.tmp"), bytes).expect("written");
    let mut again = open(dir.path(), 4, 1 << 20);
    // Written where the file lay that was cut off.
    again.push(entry(3, true));
    assert_eq!(drain(&mut again), [1, 3]);
    assert_eq!(again.losses(), Losses::default());
    again.free_through(Position { epoch: 7, seq: 3 });
    assert_eq!(damaged_files(dir.path()), []);
}

#[test]
fn counters_that_are_damaged_are_kept_and_begun_anew() {
    let dir = tempfile::tempdir().expect("temporary directory");
    std::fs::write(dir.path().join("losses.json"), b"{nonsense").expect("written");
    let mut backlog = open(dir.path(), 4, 1 << 20);
    backlog.begin("srv-01", 7);
    backlog.note_losses();
    let files = damaged_files(dir.path());
    assert_eq!(std::fs::read(&files[0].0).expect("read"), b"{nonsense");
}

#[test]
fn the_last_report_of_a_file_that_was_written_whole_is_lost_and_not_torn() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let kept = dir.path().join("spool/kept");
    std::fs::create_dir_all(&kept).expect("made");
    let mut frames = event_frames(1..=3);
    let last = frames.len() - 40;
    frames[last] ^= 1;
    std::fs::write(kept.join("00000001.rec"), &frames).expect("written");
    let mut again = open(dir.path(), 4, 1 << 20);
    again.push(entry(4, true));
    assert_eq!(drain(&mut again), [1, 2, 4]);
    assert_eq!(again.losses().corrupt, 1, "{:?}", again.losses());
}

#[test]
fn counters_that_are_damaged_and_cannot_be_kept_are_not_written_over() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (file, room) = (dir.path().join("losses.json"), dir.path().join("spool.damaged"));
    std::fs::write(&file, b"{nonsense").expect("written");
    // Where damaged parts are kept is something else.
    std::fs::write(&room, b"x").expect("written");
    let mut backlog = open(dir.path(), 4, 1 << 20);
    backlog.begin("srv-01", 7);
    backlog.note_losses();
    assert_eq!(std::fs::read(&file).expect("read"), b"{nonsense", "nothing is written over it");
    std::fs::remove_file(&room).expect("removed");
    backlog.note_losses();
    assert_ne!(std::fs::read(&file).expect("read"), b"{nonsense", "once it is kept, what is known now is written");
    assert_eq!(std::fs::read(&damaged_files(dir.path())[0].0).expect("read"), b"{nonsense");
}

/// Puts a directory where a file was, which cannot be read, for root neither; what is given back puts the file there again.
fn hidden(file: &Path, aside: &Path) -> impl FnOnce() + use<> {
    let (file, aside) = (file.to_owned(), aside.to_owned());
    std::fs::rename(&file, &aside).expect("moved");
    std::fs::create_dir(&file).expect("made");
    move || {
        std::fs::remove_dir(&file).expect("removed");
        std::fs::rename(&aside, &file).expect("moved back");
    }
}

#[test]
fn what_could_not_be_read_for_a_while_is_not_taken_for_thinned() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let kept = dir.path().join("spool/kept");
    std::fs::create_dir_all(&kept).expect("made");
    let frames = event_frames(1..=7);
    let file = dir.path().join("spool/kept/00000001.rec");
    std::fs::write(&file, frames).expect("written");
    let put_back = hidden(&file, &dir.path().join("elsewhere"));
    let mut again = open(dir.path(), 4, 1 << 20);
    for seq in 8..=40 {
        again.push(entry(seq, true));
    }
    assert_eq!(again.size().on_disk, 33, "what is old cannot be read yet");
    put_back();
    // So many files that they are written anew as one.
    for seq in 41..=70 {
        again.push(entry(seq, true));
    }
    assert!(std::fs::read_dir(&kept).expect("listed").count() < 40, "they were");
    assert_eq!(drain(&mut again), (1..=70).collect::<Vec<_>>());
    assert_eq!(again.losses(), Losses::default());
}

#[test]
fn what_is_found_damaged_while_all_is_written_anew_is_kept() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let file = dir.path().join("spool/kept/00000001.rec");
    std::fs::create_dir_all(file.parent().expect("there")).expect("made");
    let frames = event_frames(1..=7);
    std::fs::write(&file, frames).expect("written");
    let mut backlog = open(dir.path(), 8, 20_000);
    harm_first(dir.path());
    for seq in 8..=300 {
        backlog.push(entry(seq, false));
    }
    assert!(backlog.losses().samples_thinned > 0 && !file.exists(), "it was written anew");
    assert_eq!(backlog.losses().corrupt, 1);
    let files = damaged_files(dir.path());
    let mut found = Vec::new();
    frame::scan(&files[0].0, false, &mut |one| found.push(one)).expect("read");
    assert_eq!(found, [frame::FoundFrame::Damaged(Position { epoch: 7, seq: 1 })]);
    assert_eq!(drain(&mut backlog)[..6], [2, 3, 4, 5, 6, 7]);
}

#[test]
fn counters_that_cannot_be_read_for_a_while_are_not_written_over() {
    for until in ["a report is written", "the run ends", "never"] {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut backlog = open(dir.path(), 4, 1 << 20);
        backlog.begin("srv-01", 7);
        backlog.push(entry(1, true));
        backlog.count_too_large();
        backlog.note_losses();
        let made = backlog.losses().made;
        drop(backlog);
        let put_back = hidden(&dir.path().join("losses.json"), &dir.path().join("elsewhere"));
        let mut backlog = open(dir.path(), 4, 1 << 20);
        backlog.begin("srv-01", 8);
        backlog.count_too_large();
        backlog.note_losses();
        assert_eq!((backlog.losses().too_large, backlog.earlier_runs()), (1, Vec::new()), "what is known is said");
        if until != "never" {
            put_back();
            if until == "a report is written" {
                backlog.push(SpooledReport { position: Position { epoch: 8, seq: 1 }, ..entry(1, true) });
                assert_eq!(backlog.losses(), Losses { made, too_large: 2, ..Losses::default() }, "{until}");
                assert_eq!(backlog.earlier_runs(), [EarlierRun { epoch: 7, seq: 1, clean: false }], "{until}");
            }
            backlog.end(Position { epoch: 8, seq: 5 });
            drop(backlog);
        } else {
            // Cut off; the next start is the one that can read it.
            drop(backlog);
            put_back();
        }
        let mut backlog = open(dir.path(), 4, 1 << 20);
        backlog.begin("srv-01", 9);
        let ended = until != "never";
        assert_eq!(backlog.losses(), Losses { made, too_large: 1 + u64::from(ended), ..Losses::default() }, "{until}");
        let runs = [EarlierRun { epoch: 7, seq: 1, clean: false }, EarlierRun { epoch: 8, seq: 5, clean: true }];
        assert_eq!(backlog.earlier_runs(), runs[..1 + usize::from(ended)], "{until}");
    }
}
