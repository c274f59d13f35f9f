//! The collector's own backups with the real programs: made while reports come, broken off by kill -9, refused when damaged, restored on
//! another directory with agents going on as if nothing had been.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use ioc_common::id::DeviceId;
use ioc_common::report::Position;
use ioc_tests::harness::{Rig, binary, eventually};
use ioc_tests::resender::Resender;
use serde_json::{Value, json};

const PASSPHRASE: &str = "a passphrase that nobody guesses\n";

/// A rig whose collector is backed up into a directory beside it.
fn rig(dir: &Path, more: &str) -> Rig {
    rig_of(dir, more, "")
}

/// The same with other tables before those of the backup.
pub(crate) fn rig_of(dir: &Path, more: &str, tables: &str) -> Rig {
    let (to, passphrase) = (dir.join("backups"), dir.join("passphrase"));
    std::fs::create_dir_all(&to).unwrap();
    std::fs::write(&passphrase, PASSPHRASE).unwrap();
    Rig::in_dir(dir, &format!("{tables}[backup]\ndirectory = {to:?}\npassphrase_file = {passphrase:?}\n{more}"))
}

fn command(rig: &Rig, words: &[&str]) -> Output {
    let config = rig.dir().join("collector.toml");
    Command::new(binary("ioc-collector")).arg("--config").arg(config).args(words).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// What it prints, where it succeeds.
pub(crate) fn good(rig: &Rig, words: &[&str]) -> String {
    let output = command(rig, words);
    assert!(output.status.success(), "{words:?}: {}", said(&output));
    said(&output)
}

/// What somebody at a terminal sees, its bar included.
fn seen_on_a_terminal(rig: &Rig, words: &str) -> String {
    let (program, config) = (binary("ioc-collector"), rig.dir().join("collector.toml"));
    let line = format!("{} --config {} {words}", program.display(), config.display());
    let output = Command::new("script").args(["-qec", &line, "/dev/null"]).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", said(&output));
    said(&output)
}

/// What it says, where it fails.
pub(crate) fn refused(rig: &Rig, words: &[&str]) -> String {
    let output = command(rig, words);
    assert!(!output.status.success(), "{words:?}: {}", said(&output));
    said(&output)
}

pub(crate) fn files(dir: &Path, end: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(dir).unwrap().flatten().map(|one| one.path());
    let mut all: Vec<PathBuf> = all.filter(|path| path.to_string_lossy().ends_with(end)).collect();
    all.sort();
    all
}

pub(crate) fn archives(rig: &Rig) -> Vec<PathBuf> {
    files(&rig.dir().join("backups"), ".tar.lz4.age")
}

/// The watermarks of these devices in a store that nobody writes.
pub(crate) fn watermarks(data: &Path, devices: &[DeviceId]) -> Vec<Position> {
    let store = ioc_store::open(data).unwrap();
    assert!(store.lost().all.is_empty(), "{:?}", store.lost());
    let reader = store.reader().unwrap();
    devices.iter().map(|id| reader.device(id).unwrap().unwrap().watermark).collect()
}

pub(crate) async fn lost(rig: &Rig, device: &DeviceId) -> u64 {
    let events = rig.get(&format!("/api/v1/devices/{device}/events?limit=500")).await.unwrap();
    let all = events["items"].as_array().cloned().unwrap_or_default();
    let lost = all.iter().filter(|one| one["name"] == "reports.lost");
    lost.map(|one| one["fields"]["count"].as_str().unwrap().parse::<u64>().unwrap()).sum()
}

pub(crate) async fn made(rig: &Rig, devices: &mut [Resender], time: Duration) {
    futures_util::future::join_all(devices.iter_mut().map(|device| device.run(time))).await;
    assert!(rig.get("/healthz").await.is_ok());
}

/// No report of a device is there twice, and all are there that were acknowledged before the backup or after the restore: `seam` is the
/// last place of the backup, and the last that was acknowledged before the restore.
pub(crate) fn rows_are_whole(data: &Path, device: &Resender, id: &DeviceId, seam: (Position, Position)) {
    let store = ioc_store::open(data).unwrap();
    let rows = store.reader().unwrap().rows(id, 0).unwrap();
    let mut places: Vec<Position> = rows.iter().map(|row| row.position).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), rows.len(), "{id}: none is there twice");
    // What is folded is no row any more.
    let first = places.first().copied().unwrap_or_default();
    let kept = |place: &&Position| **place >= first && (**place <= seam.0 || **place > seam.1);
    let missing: Vec<&Position> =
        device.acknowledged.iter().filter(kept).filter(|place| !places.contains(place)).collect();
    assert!(missing.is_empty() && places.iter().any(|place| *place > seam.1), "{id}: {missing:?}");
}

/// Has a backup made while reports come; its archive.
pub(crate) async fn backed_up_meanwhile(rig: &Rig, devices: &mut [Resender]) -> PathBuf {
    let (runtime, post) = (rig.runtime(), json!({ "what": "backup" }));
    let backing =
        tokio::spawn(async move { ioc_collector::cli::ask(&runtime, "POST", "/api/v1/backups", Some(post)).await });
    while !backing.is_finished() {
        made(rig, devices, Duration::from_millis(200)).await;
    }
    let answer = backing.await.unwrap().unwrap();
    assert!(answer["backup"]["commits"].as_u64().unwrap() > 0, "{answer}");
    archives(rig).pop().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_written_is_backed_up_and_restored_elsewhere_and_agents_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let after = dir.path().join("after");
    let mut rig =
        rig(dir.path(), &format!("command = [\"/bin/sh\", \"-c\", \"echo \\\"$0\\\" > {}\"]\n", after.display()));
    rig.start().await.unwrap();
    let identities = rig.enrol(2).await.unwrap();
    let ids: Vec<DeviceId> = identities.iter().map(|one| one.device.clone()).collect();
    let mut devices: Vec<Resender> = identities.into_iter().map(Resender::new).collect();
    let mut agent = rig.agent("srv-real", "[report]\ninterval = \"1s\"\n").await.unwrap();
    agent.start().unwrap();
    made(&rig, &mut devices, Duration::from_millis(700)).await;

    let archive = backed_up_meanwhile(&rig, &mut devices).await;
    assert_eq!(std::fs::read_to_string(&after).unwrap().trim(), archive.to_str().unwrap(), "the command after it");
    let whole = good(&rig, &["backup", "check", archive.to_str().unwrap()]);
    assert!(whole.contains("whole") && whole.contains("signed by the authority"), "{whole}");
    let drill: Value = serde_json::from_str(&good(&rig, &["backup", "drill"])).unwrap();
    assert!(drill["failure"].is_null() && drill["rows"].as_u64().unwrap() > 10, "{drill}");
    let certificates = files(&rig.dir().join("backups"), ".txt");
    let certificate = std::fs::read_to_string(&certificates[0]).unwrap();
    assert!(certificate.contains("PASSED") && certificate.contains("sentinel"), "{certificate}");
    assert!(good(&rig, &["backup", "list"]).contains("passed at"));
    let status = rig.get("/api/v1/backups").await.unwrap();
    assert!(status["on"] == true && status["drill"]["failure"].is_null() && status["next_at"].is_string(), "{status}");
    let metrics = ioc_collector::cli::text(&rig.runtime(), "/metrics").await.unwrap();
    assert!(metrics.contains("ioc_backup_age_seconds") && metrics.contains("ioc_backup_drill_failed 0"), "{metrics}");
    assert!(!rig.data().join("backup.staging").exists(), "nothing is left of it");

    // What comes later is on nothing but this store, which is gone then.
    made(&rig, &mut devices, Duration::from_millis(400)).await;
    for device in &mut devices {
        device.drain().await.unwrap();
    }
    rig.stop().await.unwrap();
    let latest = watermarks(&rig.data(), &ids);
    let restored = dir.path().join("restored");
    let words = ["restore", archive.to_str().unwrap(), "--to", restored.to_str().unwrap(), "--reason", "the disk died"];
    assert!(refused(&rig, &[&words[..4], &["--reason", " "]].concat()).contains("--reason"));
    let told = good(&rig, &words);
    assert!(told.contains("every file, table and row") && told.contains("is not in it"), "{told}");
    assert!(refused(&rig, &words).contains("not empty"));
    let earlier = watermarks(&restored, &ids);
    assert!(earlier.iter().zip(&latest).all(|(earlier, latest)| earlier < latest), "{earlier:?} {latest:?}");

    let data = rig.data();
    rig.configure(|config| config.replace(data.to_str().unwrap(), restored.to_str().unwrap()));
    rig.start().await.unwrap();
    assert!(rig.get("/readyz").await.is_ok(), "a restore that was meant is no loss");
    eventually("it is declared", || async {
        let log = rig.get("/api/v1/audit?limit=500").await.unwrap().to_string();
        log.contains("store.restored") && log.contains("the disk died") && !restored.join("restored.json").exists()
    })
    .await
    .unwrap();
    let incidents = rig.get("/api/v1/incidents").await.unwrap().to_string();
    assert!(incidents.contains("The store was restored from a backup"), "{incidents}");
    made(&rig, &mut devices, Duration::from_millis(700)).await;
    for device in &mut devices {
        device.drain().await.unwrap();
    }
    eventually("the real agent is there again", || async {
        rig.get("/api/v1/devices/srv-real").await.unwrap()["state"] == "live"
    })
    .await
    .unwrap();
    for ((id, earlier), latest) in ids.iter().zip(&earlier).zip(&latest) {
        assert_eq!(lost(&rig, id).await, latest.seq - earlier.seq, "{id}: what it had freed is counted, and no more");
    }
    rig.stop().await.unwrap();
    agent.stop().await.unwrap();
    for (device, (id, seam)) in devices.iter().zip(ids.iter().zip(earlier.into_iter().zip(latest))) {
        rows_are_whole(&restored, device, id, seam);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_refused_and_said_and_a_kill_leaves_the_last_good_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig(dir.path(), "max_mib_per_s = 1\npeak_mib_per_s = 1\n");
    rig.start().await.unwrap();
    rig.stop().await.unwrap();
    // Made while no collector runs, too.
    good(&rig, &["backup", "now"]);
    let archive = archives(&rig).pop().unwrap();
    let bytes = std::fs::read(&archive).unwrap();
    let check =
        |path: &Path, more: &[&str]| refused(&rig, &[&["backup", "check", path.to_str().unwrap()], more].concat());
    let other = dir.path().join("other.age");
    let with = |bytes: &[u8]| {
        std::fs::write(&other, bytes).unwrap();
        check(&other, &[])
    };
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    let why = with(&flipped);
    assert!(why.contains("damaged near byte"), "{why}");
    let why = with(&bytes[..bytes.len() * 2 / 3]);
    assert!(why.contains("damaged near byte") || why.contains("cut off"), "{why}");
    let why = with(&[bytes.as_slice(), b"x"].concat());
    assert!(why.contains("damaged near byte"), "{why}");
    assert!(with(b"PK\x03\x04 something else").contains("no backup archive"));
    let wrong = dir.path().join("wrong");
    std::fs::write(&wrong, "another passphrase, as long as it\n").unwrap();
    let why = check(&archive, &["--passphrase-file", wrong.to_str().unwrap()]);
    assert!(why.contains("the passphrase is not the one"), "{why}");
    let why = check(&archive, &["--authority", &"ab".repeat(32)]);
    assert!(why.contains("another collector's"), "{why}");
    std::fs::write(&archive, &bytes[..bytes.len() - 7]).unwrap();
    assert!(check(&archive, &[]).contains("cut off"), "by the note beside it");
    assert!(good(&rig, &["backup", "list"]).lines().count() == 1, "one that is cut is none");
    std::fs::write(&archive, &bytes).unwrap();
    let target = dir.path().join("nowhere");
    std::fs::write(&other, &flipped).unwrap();
    refused(&rig, &["restore", other.to_str().unwrap(), "--to", target.to_str().unwrap(), "--reason", "x"]);
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), 0, "half a store is none");

    // A drill that fails is an incident until one passes.
    rig.start().await.unwrap();
    std::fs::write(&archive, &flipped).unwrap();
    let why = refused(&rig, &["backup", "drill"]);
    assert!(why.contains("the drill failed") && why.contains("damaged near byte"), "{why}");
    let open = async |rig: &Rig| {
        rig.get("/api/v1/incidents").await.unwrap()["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["title"]["en"] == "The restore drill failed (article 7.2)" && one["state"] == "open")
    };
    assert!(open(&rig).await, "{}", rig.get("/api/v1/incidents").await.unwrap());
    let ready = ioc_collector::cli::text(&rig.runtime(), "/readyz").await.unwrap();
    assert!(ready.contains("the last restore drill failed"), "{ready}");
    std::fs::write(&archive, &bytes).unwrap();
    let seen = seen_on_a_terminal(&rig, "backup drill");
    // How far it had come when somebody looked is chance.
    assert!(seen.contains("\r[") && seen.contains(" %") && seen.contains("\"failure\": null"), "{seen:?}");
    eventually("it is over", || async { !open(&rig).await }).await.unwrap();

    // Killed while the store is copied.
    let staging = rig.data().join("backup.staging");
    for _ in 0..3 {
        let (runtime, post) = (rig.runtime(), json!({ "what": "backup" }));
        let asked =
            tokio::spawn(async move { ioc_collector::cli::ask(&runtime, "POST", "/api/v1/backups", Some(post)).await });
        eventually("it copies", || async { staging.join("ioc-watch.db").exists() }).await.unwrap();
        let page = ioc_collector::cli::text(&rig.runtime(), "/admin").await.unwrap();
        assert!(page.contains("<progress class=\"wide\""), "{page}");
        rig.kill().await.unwrap();
        assert!(asked.await.unwrap().is_err());
        assert_eq!(archives(&rig), std::slice::from_ref(&archive), "no half of one");
        good(&rig, &["store", "check"]);
        good(&rig, &["backup", "check", archive.to_str().unwrap()]);
        rig.start().await.unwrap();
    }
    rig.stop().await.unwrap();
    good(&rig, &["backup", "now"]);
    assert!(archives(&rig).len() == 2 && !staging.exists());
    assert!(files(&rig.dir().join("backups"), "part").is_empty());
    good(&rig, &["backup", "drill"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn none_are_made_without_a_directory_and_one_that_fails_is_an_incident() {
    let dir = tempfile::tempdir().unwrap();
    let mut plain = Rig::in_dir(&dir.path().join("plain"), "");
    plain.start().await.unwrap();
    let ready = ioc_collector::cli::text(&plain.runtime(), "/readyz").await.unwrap();
    assert!(ready.starts_with("ready\n") && ready.contains("no backups of the collector are made"), "{ready}");
    assert_eq!(plain.get("/api/v1/backups").await.unwrap()["on"], false);
    assert!(refused(&plain, &["backup", "now"]).contains("[backup] directory"));
    plain.stop().await.unwrap();

    let mut rig = rig(&dir.path().join("failing"), "command = [\"/bin/false\"]\n");
    rig.start().await.unwrap();
    let titles = async |rig: &Rig| {
        rig.get("/api/v1/incidents").await.unwrap()["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["state"] == "open")
            .map(|one| one["title"]["en"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let why = refused(&rig, &["backup", "now"]);
    assert!(why.contains("/bin/false") && why.contains("the archive itself is good"), "{why}");
    assert_eq!(titles(&rig).await, ["The collector is not backed up (article 7.1)"]);
    assert_eq!(archives(&rig).len(), 1, "the archive stays");
    let gone = rig.dir().join("backups");
    std::fs::rename(&gone, rig.dir().join("away")).unwrap();
    let why = refused(&rig, &["backup", "now"]);
    assert!(why.contains(gone.to_str().unwrap()), "a disk that is not there is not filled below its place: {why}");
    std::fs::rename(rig.dir().join("away"), &gone).unwrap();
    rig.configure(|config| config.replace("/bin/false", "/bin/true"));
    rig.stop().await.unwrap();
    rig.start().await.unwrap();
    good(&rig, &["backup", "now"]);
    eventually("it is over", || async { titles(&rig).await.is_empty() }).await.unwrap();
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap().to_string();
    assert!(log.contains("backup.started") && log.contains("backup.made") && log.contains("backup.failed"), "{log}");
    rig.stop().await.unwrap();
}
