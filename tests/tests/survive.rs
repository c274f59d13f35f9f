//! Kills, power cuts and full disks: whatever was acknowledged is there, once.
//!
//! `IOC_KILLS` and `IOC_CUTS` ask for longer runs. Power cuts and full disks need root and loop devices.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests; a seed is printed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use ioc_tests::harness::{PATIENCE, Rig, binary, eventually};
use ioc_tests::machine::Random;
use ioc_tests::resender::Resender;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

const RULES: &str = r#"
[[rule]]
id = "disk-nearly-full"
kind = "threshold"
severity = "warning"
metric = "fs.used_pct"
raise = { above = 90 }
clear = { below = 85 }
title = { vi = "Đĩa", en = "Disk" }
advice = { vi = "x", en = "x" }
"#;

/// A channel that never answers: the outbox grows, and nothing depends on a delivery.
const CONFIG: &str =
    "[rules]\nfile = \"rules.toml\"\n[[channel]]\nname = \"hook\"\ntype = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\n";

pub(crate) fn times(variable: &str, least: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(least)
}

pub(crate) fn seed() -> u64 {
    let seed = times("IOC_SEED", u64::from(std::process::id()));
    eprintln!("IOC_SEED={seed}");
    seed
}

fn rig_in(dir: &Path) -> Rig {
    rig_with(dir, "")
}

/// The same with more tables in its configuration.
pub(crate) fn rig_with(dir: &Path, more: &str) -> Rig {
    let rig = Rig::in_dir(dir, &format!("{more}{CONFIG}"));
    std::fs::write(dir.join("rules.toml"), RULES).unwrap();
    rig
}

/// Lets devices send for `time`, all at once.
pub(crate) async fn load(devices: Vec<Resender>, time: Duration) -> Vec<Resender> {
    let mut tasks = tokio::task::JoinSet::new();
    for mut device in devices {
        tasks.spawn(async move {
            device.run(time).await;
            device
        });
    }
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_collector_loses_nothing_that_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig_in(dir.path());
    let mut random = Random::new(seed());
    rig.start().await.unwrap();
    let mut devices: Vec<Resender> = rig.enrol(4).await.unwrap().into_iter().map(Resender::new).collect();
    for _ in 0..times("IOC_KILLS", 50) {
        let alive = Duration::from_millis(40 + random.next() % 260);
        let sending = tokio::spawn(load(devices, alive + Duration::from_millis(20)));
        tokio::time::sleep(alive).await;
        rig.kill().await.unwrap();
        devices = sending.await.unwrap();
        rig.start().await.unwrap();
    }
    for device in &mut devices {
        device.drain().await.unwrap();
    }
    rig.stop().await.unwrap();
    let acknowledged: usize = devices.iter().map(|device| device.acknowledged.len()).sum();
    let rows = Resender::check(&devices, &rig.data()).unwrap();
    let made: u64 = devices.iter().map(|device| device.made).sum();
    assert!(acknowledged > 1000, "{acknowledged} acknowledged: the load was real");
    assert_eq!(rows as u64, made, "in the end everything that was made is there, once");
    let incidents = ioc_store::open(&rig.data()).unwrap().reader().unwrap().incidents(None, false, None, 1000).unwrap();
    assert!(!incidents.is_empty(), "there were incidents to agree on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agent_repeats_nothing_and_loses_only_what_was_never_sent() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig_in(dir.path());
    let mut random = Random::new(seed());
    rig.start().await.unwrap();
    let mut agent = rig.agent("killed", "[report]\ninterval = \"1s\"\n").await.unwrap();
    let kills = times("IOC_KILLS", 50);
    let mut reported = 0;
    for round in 0..kills {
        agent.start().unwrap();
        // At any moment, and every other time surely in the middle of its work.
        if round % 2 == 0 {
            let epoch = reported;
            eventually("it reports", || async {
                agent.status().await.is_ok_and(|s| s.connected && s.committed.epoch > epoch && s.committed.seq > 1)
            })
            .await
            .unwrap();
            reported = agent.status().await.unwrap().committed.epoch;
            tokio::time::sleep(Duration::from_millis(random.next() % 100)).await;
        } else {
            tokio::time::sleep(Duration::from_millis(30 + random.next() % 400)).await;
        }
        agent.kill().await.unwrap();
        if round == kills / 2 {
            // And once with the collector away.
            rig.kill().await.unwrap();
            agent.start().unwrap();
            tokio::time::sleep(Duration::from_millis(2500)).await;
            agent.kill().await.unwrap();
            rig.start().await.unwrap();
        }
    }
    agent.start().unwrap();
    eventually("connected", || async { agent.status().await.is_ok_and(|s| s.connected && s.committed == s.taken) })
        .await
        .unwrap();
    let committed = agent.status().await.unwrap().committed;
    agent.kill().await.unwrap();
    rig.stop().await.unwrap();
    let rows = ioc_store::open(&rig.data()).unwrap().reader().unwrap().rows(&"killed".parse().unwrap(), 0).unwrap();
    let places: BTreeSet<_> = rows.iter().map(|row| row.position).collect();
    assert_eq!(places.len(), rows.len(), "nothing twice");
    assert!(places.last().unwrap() <= &committed);
    let epochs: BTreeSet<u64> = places.iter().map(|place| place.epoch).collect();
    assert!(epochs.len() as u64 >= kills / 2, "{} epochs: kills hit a running agent", epochs.len());
}

/// What the spool's writer says of what it found after so many cuts. The write that is under way when it is killed may be cut in two: that
/// report was never promised, and is counted as lost. Nothing else is.
fn is_sound(line: &str, cuts: u64) -> bool {
    let corrupt = line.strip_prefix("opened corrupt=").and_then(|rest| rest.strip_suffix(" quarantined=0"));
    corrupt.and_then(|count| count.parse().ok()).is_some_and(|count: u64| count <= cuts)
}

/// Runs the spool's writer until it has written for `time`, kills it, and says which numbers it had promised; `cuts` came before.
async fn promised(dir: &Path, cuts: u64, time: Duration, cut: impl AsyncFnOnce()) -> BTreeSet<u64> {
    let mut child = Command::new(binary("ioc-spoolwriter"))
        .arg(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut numbers = BTreeSet::new();
    let (mut opened, mut fresh) = (false, 0);
    let mut end = tokio::time::Instant::now() + PATIENCE;
    loop {
        match tokio::time::timeout_at(end, lines.next_line()).await {
            Ok(Ok(Some(line))) => match line.parse() {
                Ok(number) => {
                    numbers.insert(number);
                    fresh += u32::from(opened);
                    // Not before it writes, however long that takes.
                    if fresh == 3 {
                        end = tokio::time::Instant::now() + time;
                    }
                }
                Err(_) => {
                    assert!(is_sound(&line, cuts), "after {cuts} cuts: {line}");
                    opened = true;
                }
            },
            Ok(_) => panic!("the writer ended by itself"),
            Err(_) => break,
        }
    }
    assert!(fresh >= 3, "the spool opened and is written");
    cut().await;
    child.kill().await.unwrap();
    // What was printed before the end was promised, too.
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(number) = line.parse() {
            numbers.insert(number);
        }
    }
    numbers
}

async fn kept(dir: &Path, cuts: u64) -> BTreeSet<u64> {
    let output = Command::new(binary("ioc-spoolwriter")).arg(dir).arg("read").output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let sound = text.lines().any(|line| is_sound(line, cuts));
    assert!(sound, "after {cuts} cuts: {text:.200} {}", String::from_utf8_lossy(&output.stderr));
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_spool_keeps_every_event() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let mut random = Random::new(seed());
    let mut known = BTreeSet::new();
    let kills = times("IOC_KILLS", 50);
    for kill in 0..kills {
        let time = Duration::from_millis(5 + random.next() % 80);
        known.extend(promised(&spool, kill, time, async || {}).await);
    }
    let kept = kept(&spool, kills).await;
    assert!(known.is_subset(&kept), "{:?} are missing", known.difference(&kept).collect::<Vec<_>>());
    assert!(known.len() > 100, "{} events", known.len());
}

/// A filesystem of its own on a loop device, whose power can be cut: the ext4 shutdown call stops all writing at once and throws
/// away what was not synced (as xfstests do); mounting again replays the journal.
pub(crate) struct Disk {
    image: PathBuf,
    pub(crate) mount: PathBuf,
}

impl Disk {
    pub(crate) async fn new(dir: &Path, mib: u64) -> Self {
        let disk = Self { image: dir.join("disk.img"), mount: dir.join("mnt") };
        std::fs::create_dir_all(&disk.mount).unwrap();
        std::fs::File::create(&disk.image).unwrap().set_len(mib << 20).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&disk.image)).await;
        disk.attach().await;
        disk
    }

    pub(crate) async fn attach(&self) {
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.mount)).await;
    }

    pub(crate) async fn detach(&self) {
        // A process that was just killed may hold it for a moment.
        for _ in 0..100 {
            if Command::new("umount").arg(&self.mount).stderr(Stdio::null()).status().await.unwrap().success() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{} stays mounted", self.mount.display());
    }

    /// Puts on the disk what was written there a while ago, as a system does within half a minute: a configuration that a person wrote before the first
    /// cut is not what a cut takes.
    pub(crate) async fn settle(&self) {
        run(Command::new("sync").arg("--file-system").arg(&self.mount)).await;
    }

    pub(crate) async fn cut_power(&self) {
        // EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH.
        let script = "import fcntl,os,struct,sys; fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";
        run(Command::new("python3").args(["-c", script]).arg(&self.mount)).await;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        #[allow(clippy::disallowed_methods, reason = "cleaning up")]
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.mount).stderr(Stdio::null()).status();
    }
}

async fn run(command: &mut Command) {
    let output = command.output().await.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {} (this test needs root and loop devices)",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spool_survives_power_cuts() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path(), 64).await;
    let spool = disk.mount.join("state/spool");
    let mut random = Random::new(seed());
    for round in 0..times("IOC_CUTS", 20) {
        let time = Duration::from_millis(20 + random.next() % 200);
        let known = promised(&spool, round, time, async || disk.cut_power().await).await;
        disk.detach().await;
        disk.attach().await;
        let kept = kept(&spool, round + 1).await;
        let missing: Vec<_> = known.difference(&kept).collect();
        assert!(missing.is_empty() && !known.is_empty(), "cut {round}: {missing:?} of {} are missing", known.len());
    }
    disk.detach().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_survives_power_cuts() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path(), 256).await;
    let mut rig = rig_in(&disk.mount.join("rig"));
    disk.settle().await;
    let mut random = Random::new(seed());
    rig.start().await.unwrap();
    let mut devices: Vec<Resender> = rig.enrol(3).await.unwrap().into_iter().map(Resender::new).collect();
    for _ in 0..times("IOC_CUTS", 20) {
        let alive = Duration::from_millis(100 + random.next() % 300);
        let sending = tokio::spawn(load(devices, alive + Duration::from_millis(30)));
        tokio::time::sleep(alive).await;
        disk.cut_power().await;
        rig.kill().await.unwrap();
        devices = sending.await.unwrap();
        disk.detach().await;
        disk.attach().await;
        // At once: whatever was acknowledged is there.
        Resender::check(&devices, &rig.data()).unwrap();
        rig.start().await.unwrap();
    }
    for device in &mut devices {
        device.drain().await.unwrap();
    }
    rig.stop().await.unwrap();
    let rows = Resender::check(&devices, &rig.data()).unwrap();
    assert_eq!(rows as u64, devices.iter().map(|device| device.made).sum::<u64>());
    drop(rig);
    disk.detach().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_on_either_side_is_said_and_passes() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path(), 32).await;
    let mut rig = rig_in(&disk.mount.join("rig"));
    rig.start().await.unwrap();
    let mut devices: Vec<Resender> = rig.enrol(2).await.unwrap().into_iter().map(Resender::new).collect();
    devices = load(devices, Duration::from_millis(300)).await;
    let filler = disk.mount.join("filler");
    let fill = || async {
        let _ = Command::new("dd")
            .arg("if=/dev/zero")
            .arg(format!("of={}", filler.display()))
            .arg("bs=64k")
            .stderr(Stdio::null())
            .status()
            .await;
    };
    fill().await;
    let before: usize = devices.iter().map(|device| device.acknowledged.len()).sum();
    devices = load(devices, Duration::from_millis(4000)).await;
    eventually("not ready", || async { rig.get("/readyz").await.is_err() }).await.unwrap();
    let unready = rig.get("/readyz").await.unwrap_err().to_string();
    assert!(unready.contains("503") && unready.contains("cannot be written"), "{unready}");
    // The state is there before the line in the log is.
    eventually("said in the log", || async { rig.log().contains("nothing is acknowledged until it can") })
        .await
        .unwrap();
    assert!(rig.get("/api/v1/devices").await.is_ok(), "what is known can still be read");
    let during: usize = devices.iter().map(|device| device.acknowledged.len()).sum();
    std::fs::remove_file(&filler).unwrap();
    eventually("ready again", || async { rig.get("/readyz").await.is_ok() }).await.unwrap();
    for device in &mut devices {
        device.drain().await.unwrap();
    }
    let after: usize = devices.iter().map(|device| device.acknowledged.len()).sum();
    assert!(after > during && during >= before);
    rig.stop().await.unwrap();
    let rows = Resender::check(&devices, &rig.data()).unwrap();
    assert_eq!(rows as u64, devices.iter().map(|device| device.made).sum::<u64>());

    // The agent's side: the spool says so, keeps what it has, and goes on when there is room.
    use ioc_agent::spool::{Backlog, BacklogLimits, SpooledReport};
    use ioc_common::report::{Body, Event, Position};
    let spool = disk.mount.join("agent/spool");
    let mut backlog = Backlog::open(spool.clone(), BacklogLimits { ring_max_reports: 1000, spool_max_bytes: 1 << 30 });
    let put = |backlog: &mut Backlog, seq: u64| {
        let body = Body::Event(Event { name: "test.event".into(), text: "x".repeat(4000), fields: Default::default() });
        let position = Position { epoch: 1, seq };
        let (device, taken_at) = ("srv-01".parse().unwrap(), ioc_common::clock::now());
        let head = ioc_common::codec::Head { device: &device, about: None, position, boot: "0", taken_at };
        let sealed = ioc_common::codec::seal(head, &body).unwrap();
        backlog.push(SpooledReport {
            position,
            kind: ioc_common::topic::UpKind::Event,
            taken_ms: 0,
            boot: "0".into(),
            sealed,
        });
    };
    for seq in 1..=20 {
        put(&mut backlog, seq);
    }
    assert_eq!(backlog.failure(), None);
    fill().await;
    for seq in 21..=400 {
        put(&mut backlog, seq);
    }
    assert!(backlog.failure().is_some(), "the full disk is said");
    std::fs::remove_file(&filler).unwrap();
    backlog.spill();
    let trouble = backlog.failure().map(str::to_owned);
    drop(backlog);
    let mut again = Backlog::open(spool, BacklogLimits { ring_max_reports: 1000, spool_max_bytes: 1 << 30 });
    let mut cursor = Position::default();
    let mut seen = 0;
    while let Some(entry) = again.next_after(cursor) {
        cursor = entry.position;
        seen += 1;
    }
    assert!(trouble.is_none() && seen == 400, "{trouble:?}, {seen} events; {:?}", again.losses());
    drop(again);
    drop(rig);
    disk.detach().await;
}
