//! Backups, drills, restores, folding, and the deletion of records that are past their time, broken off by kill -9 and by power cuts: the store opens
//! whole, the last good backup stays good, what is half made is gone after the next start, and each record that is gone has its evidence.
//!
//! `IOC_KILLS` and `IOC_CUTS` ask for longer runs. Power cuts need root and loop devices.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test; what was broken off is printed")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use ioc_common::clock;
use ioc_common::id::DeviceId;
use ioc_engine::config::DEFAULT_RETENTION;
use ioc_store::Change;
use ioc_store::retention::RecordClass;
use ioc_tests::harness::{Rig, binary, eventually};
use ioc_tests::machine::Random;
use ioc_tests::resender::Resender;
use serde_json::json;
use tokio::process::Command;

use crate::backup::{files, good};
use crate::survive::{Disk, load, rig_with, seed, times};

/// A few at least, as in every run of all tests.
const KILLS: u64 = 6;
const CUTS: u64 = 4;

/// Records that are past their time by years, added before each start: more than one turn of deletion takes.
const OLD_EVENTS: usize = 600;

/// A rig whose collector is backed up beside it, slowly enough to be broken off, folds all the time, and deletes what is old.
fn rig(dir: &Path) -> Rig {
    let to = dir.join("backups");
    std::fs::create_dir_all(&to).unwrap();
    std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o700)).unwrap();
    let history = "[history]\nfold = \"1s\"\nfold_cpu_pct = 100\n";
    let classes =
        DEFAULT_RETENTION.replace("every = \"1h\"", "every = \"1s\"").replace("grace = \"7d\"", "grace = \"0s\"");
    std::fs::write(dir.join("retention.toml"), classes).unwrap();
    let retention = "[retention]\nfile = \"retention.toml\"\n";
    rig_with(
        dir,
        &format!(
            "[backup]\ndirectory = {to:?}\nunsealed_with_every_key_readable = true\nmax_mib_per_s = 4\npeak_mib_per_s = 4\n{history}{retention}"
        ),
    )
}

/// The archives that have their note: those that are backups.
fn archives(rig: &Rig) -> Vec<PathBuf> {
    let all = files(&rig.dir().join("backups"), ".tar.lz4");
    all.into_iter().filter(|path| PathBuf::from(format!("{}.json", path.display())).exists()).collect()
}

/// A directory in which a restore was broken off: it is whole, or is said not to be.
fn is_whole_or_unproven(dir: &Path) {
    if !ioc_store::is_there(dir) {
        return;
    }
    if let Ok(store) = ioc_store::open(dir)
        && store.lost().all.is_empty()
    {
        drop(store);
        assert_eq!(ioc_store::examine(dir, true).unwrap(), Vec::<String>::new(), "what is said to be proven is whole");
    }
}

/// Restores the newest backup and looks at every page, checksum and record of it.
fn the_last_good_one_is_good(rig: &Rig, to: &Path) {
    let archive = archives(rig).pop().unwrap();
    let _ = std::fs::remove_dir_all(to);
    good(rig, &["restore", archive.to_str().unwrap(), "--to", to.to_str().unwrap(), "--reason", "a trial"]);
    let store = ioc_store::open(to).unwrap();
    assert!(store.lost().all.is_empty(), "{:?}", store.lost());
    drop(store);
    assert_eq!(ioc_store::examine(to, true).unwrap(), Vec::<String>::new());
    std::fs::remove_dir_all(to).unwrap();
}

/// How many events of three years ago are there, and of how many there is evidence that they are gone.
fn old_events(data: &Path, of: &DeviceId) -> (usize, u64) {
    let reader = ioc_store::open(data).unwrap().reader().unwrap();
    let events = reader.events(of, None, usize::MAX).unwrap();
    let gone = reader.deletions(None, usize::MAX).unwrap();
    let gone = gone.iter().filter(|one| one.class == RecordClass::Events).map(|one| one.count).sum();
    (events.iter().filter(|one| one.name == "old").count(), gone)
}

struct Broken {
    rig: Rig,
    /// The device that has old events.
    device: DeviceId,
    /// How many it was given, that are deleted meanwhile.
    old: u64,
    devices: Vec<Resender>,
    random: Random,
    scratch: PathBuf,
    good_before: usize,
}

impl Broken {
    /// `settle` has the configuration on the disk before anything is broken off.
    async fn new(dir: &Path, settle: impl AsyncFnOnce()) -> Self {
        let mut rig = rig(dir);
        settle().await;
        rig.start().await.unwrap();
        let devices = rig.enrol(2).await.unwrap();
        let device = devices[0].device.clone();
        let devices = devices.into_iter().map(Resender::new).collect();
        let devices = load(devices, Duration::from_millis(500)).await;
        rig.post("/api/v1/backups", json!({ "what": "backup" })).await.unwrap();
        let scratch = dir.join("scratch");
        let good_before = archives(&rig).len();
        assert_eq!(good_before, 1);
        Self { rig, device, old: 0, devices, random: Random::new(seed()), scratch, good_before }
    }

    /// Gives a store that nobody writes more to delete.
    fn add_old(&mut self) {
        let mut store = ioc_store::open(&self.rig.data()).unwrap();
        let at = clock::now().plus_millis(-3 * 366 * 86_400_000);
        let event = |number: usize| Change::Event {
            device: self.device.clone(),
            at: at.plus_millis(i64::try_from(number).unwrap()),
            name: "old".to_owned(),
            text: format!("{number}"),
            fields: "{}".to_owned(),
        };
        store.commit(&(0..OLD_EVENTS).map(event).collect::<Vec<_>>()).unwrap();
        store.close().unwrap();
        self.old += OLD_EVENTS as u64;
    }

    /// A restore of the newest backup by the command line, under way.
    fn restoring(&self) -> tokio::process::Child {
        let archive = archives(&self.rig).pop().unwrap();
        let _ = std::fs::remove_dir_all(&self.scratch);
        Command::new(binary("ioc-collector"))
            .arg("--config")
            .arg(self.rig.dir().join("collector.toml"))
            .arg("restore")
            .arg(archive)
            .arg("--to")
            .arg(&self.scratch)
            .args(["--reason", "a trial"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Breaks off what is under way in this round: a backup or a drill beside reports and folding, every other time a restore, too.
    async fn round(&mut self, round: u64, cut: impl AsyncFnOnce()) {
        let what = if round % 3 == 2 { "drill" } else { "backup" };
        let (runtime, post) = (self.rig.runtime(), json!({ "what": what }));
        let asked =
            tokio::spawn(async move { ioc_collector::cli::ask(&runtime, "POST", "/api/v1/backups", Some(post)).await });
        let alive = Duration::from_millis(30 + self.random.next() % 1200);
        let devices = std::mem::take(&mut self.devices);
        let sending = tokio::spawn(load(devices, alive + Duration::from_millis(30)));
        let restoring = (round % 2 == 1).then(|| self.restoring());
        tokio::time::sleep(alive).await;
        cut().await;
        self.rig.kill().await.unwrap();
        if let Some(mut child) = restoring {
            let _ = child.kill().await;
        }
        self.devices = sending.await.unwrap();
        let _ = asked.await.unwrap();
    }

    /// What is there after it, and what the next start makes of it.
    async fn whole(&mut self, round: u64) {
        let data = self.rig.data();
        assert_eq!(ioc_store::examine(&data, false).unwrap(), Vec::<String>::new(), "round {round}");
        Resender::check(&self.devices, &data).unwrap_or_else(|error| panic!("round {round}: {error}"));
        let (left, gone) = old_events(&data, &self.device);
        assert_eq!(left as u64 + gone, self.old, "round {round}: {left} are left, and {gone} have evidence");
        is_whole_or_unproven(&self.scratch);
        let there = archives(&self.rig);
        assert!(there.len() >= self.good_before.min(2), "round {round}: a good one is gone: {there:?}");
        self.good_before = there.len();
        self.add_old();
        good(&self.rig, &["backup", "check", there.last().unwrap().to_str().unwrap()]);
        self.rig.start().await.unwrap();
        let (staging, backups) = (data.join("backup.staging"), self.rig.dir().join("backups"));
        eventually("what is half made is gone", || async { !staging.exists() && files(&backups, ".part").is_empty() })
            .await
            .unwrap();
    }

    /// Of how many events the running collector has evidence that they are gone.
    async fn gone(&self) -> u64 {
        let (mut gone, mut cursor) = (0, String::new());
        loop {
            let page = self.rig.get(&format!("/api/v1/records/deletions?limit=100{cursor}")).await.unwrap();
            let events = page["items"].as_array().unwrap().iter().filter(|one| one["class"] == "events");
            gone += events.map(|one| one["count"].as_u64().unwrap()).sum::<u64>();
            let Some(next) = page["next_cursor"].as_str() else { return gone };
            cursor = format!("&cursor={next}");
        }
    }

    async fn end(mut self) {
        for device in &mut self.devices {
            device.drain().await.unwrap();
        }
        self.rig.post("/api/v1/backups", json!({ "what": "drill" })).await.unwrap();
        eventually("all that is old is gone", || async { self.gone().await == self.old }).await.unwrap();
        self.rig.stop().await.unwrap();
        assert_eq!(old_events(&self.rig.data(), &self.device), (0, self.old));
        let rows = Resender::check(&self.devices, &self.rig.data()).unwrap();
        assert_eq!(rows as u64, self.devices.iter().map(|device| device.made).sum::<u64>(), "all of it, once");
        the_last_good_one_is_good(&self.rig, &self.scratch);
        let folded = ioc_store::open(&self.rig.data()).unwrap().archive().unwrap().all_folded().unwrap();
        eprintln!("{rows} rows, {folded} of them folded; {} backups", archives(&self.rig).len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_during_backup_drill_restore_and_folding_leave_a_whole_store_and_a_good_backup() {
    let dir = tempfile::tempdir().unwrap();
    let mut broken = Broken::new(dir.path(), async || {}).await;
    for round in 0..times("IOC_KILLS", KILLS) {
        broken.round(round, async || {}).await;
        broken.whole(round).await;
    }
    broken.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn power_cuts_during_backup_drill_restore_and_folding_leave_a_whole_store_and_a_good_backup() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path(), 512).await;
    let mut broken = Broken::new(&disk.mount.join("rig"), async || disk.settle().await).await;
    for round in 0..times("IOC_CUTS", CUTS) {
        broken.round(round, async || disk.cut_power().await).await;
        disk.detach().await;
        disk.attach().await;
        broken.whole(round).await;
    }
    broken.end().await;
    disk.detach().await;
}
