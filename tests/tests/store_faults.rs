//! A store that is damaged, gone, shared or cannot be written: each of these is said, and none loses what was acknowledged without a word.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use ioc_tests::harness::{Rig, binary, eventually};
use ioc_tests::resender::Resender;

fn rig_in(dir: &Path) -> Rig {
    Rig::in_dir(dir, "")
}

/// What a collector that does not start says.
fn refusal(rig: &Rig) -> String {
    let config = rig.dir().join("collector.toml");
    let output = Command::new(binary("ioc-collector")).arg("--config").arg(config).arg("serve").output().unwrap();
    assert!(!output.status.success(), "it started");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Reports of two devices, all acknowledged.
async fn reports(rig: &Rig) -> Vec<Resender> {
    let mut devices: Vec<Resender> = rig.enrol(2).await.unwrap().into_iter().map(Resender::new).collect();
    for device in &mut devices {
        device.run(Duration::from_millis(300)).await;
        device.drain().await.unwrap();
    }
    devices
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_is_told_until_a_person_confirms_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig_in(dir.path());
    rig.start().await.unwrap();
    assert!(rig.get("/readyz").await.is_ok());
    let _devices = reports(&rig).await;
    rig.kill().await.unwrap();
    let log = rig.data().join("ioc-watch.db-wal");
    let mut bytes = std::fs::read(&log).unwrap();
    // In the first page of the first frame (header of the file 32 bytes, of the frame 24): what lies further back may be of a turn of the log
    // that was moved into the store already.
    let place = 32 + 24 + 100;
    bytes[place] ^= 1;
    std::fs::write(&log, &bytes).unwrap();
    for _ in 0..2 {
        rig.start().await.unwrap();
        let unready = rig.get("/readyz").await.unwrap_err().to_string();
        assert!(unready.contains("503") && unready.contains("commits that were acknowledged are missing"), "{unready}");
        eventually("an incident", || async {
            let all = rig.get("/api/v1/incidents").await.unwrap();
            all["items"].as_array().is_some_and(|all| {
                all.iter().any(|one| one["title"]["en"] == "The store has lost what was acknowledged")
            })
        })
        .await
        .unwrap();
        rig.stop().await.unwrap();
    }
    let kept = std::fs::read_dir(rig.data())
        .unwrap()
        .flatten()
        .find(|one| one.file_name().to_string_lossy().starts_with("damaged-"));
    assert_eq!(std::fs::read(kept.unwrap().path().join("ioc-watch.db-wal")).unwrap(), bytes, "as it was found");
    rig.start().await.unwrap();
    let config = rig.dir().join("collector.toml");
    let confirm = |reason: &str| {
        Command::new(binary("ioc-collector"))
            .arg("--config")
            .arg(&config)
            .args(["store", "confirm", "--reason", reason])
            .status()
            .unwrap()
            .success()
    };
    assert!(!confirm(" "), "a reason is needed");
    assert!(confirm("disk replaced, agents sent the rest"));
    assert!(rig.get("/readyz").await.is_ok());
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap().to_string();
    assert!(
        log.contains("store.loss_found") && log.contains("store.loss_confirmed") && log.contains("disk replaced"),
        "{log}"
    );
    rig.stop().await.unwrap();
    rig.start().await.unwrap();
    assert!(rig.get("/readyz").await.is_ok(), "once is enough");
    assert!(confirm("again").eq(&false), "nothing is left to confirm");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_keys_nor_store_are_made_anew_and_one_directory_has_one_collector() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig_in(dir.path());
    rig.start().await.unwrap();
    let held = refusal(&rig);
    assert!(
        held.contains("another collector") && held.contains(&rig.pid().to_string()) && held.contains("mend"),
        "{held}"
    );
    rig.stop().await.unwrap();
    let (pki, away) = (rig.data().join("pki"), dir.path().join("away"));
    std::fs::rename(&pki, &away).unwrap();
    let gone = refusal(&rig);
    assert!(gone.contains("keys and certificates are gone") && gone.contains("restore") && !pki.exists(), "{gone}");
    std::fs::rename(&away, &pki).unwrap();
    let store = rig.data().join("ioc-watch.db");
    for spoil in ["removed", "emptied"] {
        std::fs::copy(&store, &away).unwrap();
        if spoil == "removed" {
            std::fs::remove_file(&store).unwrap();
        } else {
            std::fs::write(&store, "").unwrap();
        };
        let gone = refusal(&rig);
        assert!(gone.contains("the store is gone") && gone.contains("restore"), "{gone}");
        std::fs::rename(&away, &store).unwrap();
    }
    rig.start().await.unwrap();
    assert!(rig.get("/readyz").await.is_ok(), "{:?}", rig.get("/readyz").await);
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_found_and_mended_as_the_manual_says() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig_in(dir.path());
    rig.start().await.unwrap();
    let devices = reports(&rig).await;
    rig.stop().await.unwrap();
    let store = rig.data().join("ioc-watch.db");
    let config = rig.dir().join("collector.toml");
    let check = || {
        Command::new(binary("ioc-collector")).arg("--config").arg(&config).args(["store", "check"]).output().unwrap()
    };
    assert!(check().status.success(), "{:?}", check());
    let mut bytes = std::fs::read(&store).unwrap();
    // The head of a leaf of the audit log, by what stands in it.
    let leaf = (1..bytes.len() / 4096).find(|page| {
        let page = &bytes[page * 4096..(page + 1) * 4096];
        page[0] == 13 && page.windows(15).any(|part| part == b"device.enrolled")
    });
    let place = leaf.unwrap() * 4096;
    bytes[place..place + 16].fill(0xff);
    std::fs::write(&store, bytes).unwrap();
    let found = check();
    assert!(!found.status.success() && String::from_utf8_lossy(&found.stdout).contains("ioc-watch.db"), "{found:?}");
    let doctor = Command::new(binary("ioc-collector")).arg("--config").arg(&config).arg("doctor").output().unwrap();
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("the store is damaged"), "{doctor:?}");
    // docs/operate.md, word for word.
    let recover =
        Command::new(binary("ioc-collector")).arg("--config").arg(&config).args(["store", "recover"]).output().unwrap();
    let said = String::from_utf8_lossy(&recover.stdout);
    assert!(recover.status.success() && said.contains("could not be read"), "{recover:?}");
    rig.start().await.unwrap();
    let unready = rig.get("/readyz").await.unwrap_err().to_string();
    assert!(unready.contains("could not be read: audit"), "{unready}");
    rig.post("/api/v1/store/confirm", json!({ "reason": "saved" })).await.unwrap();
    assert!(rig.get("/readyz").await.is_ok());
    let known = rig.get("/api/v1/devices").await.unwrap();
    assert_eq!(known["items"].as_array().unwrap().len(), devices.len(), "what could be saved is there");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_in_time_while_the_store_cannot_be_written_and_says_what_waits() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = |on: bool| {
        let mut command = if on { Command::new("mount") } else { Command::new("umount") };
        if on {
            command.args(["-t", "tmpfs", "-o", "size=24m", "none"]);
        }
        assert!(command.arg(dir.path()).status().unwrap().success(), "tests run as root");
    };
    mounted(true);
    let mut rig = rig_in(&dir.path().join("rig"));
    rig.start().await.unwrap();
    let mut devices = reports(&rig).await;
    let filler = dir.path().join("filler");
    let _ =
        Command::new("dd").args(["if=/dev/zero", "bs=64k"]).arg(format!("of={}", filler.display())).output().unwrap();
    let sending = tokio::spawn(async move {
        for device in &mut devices {
            device.run(Duration::from_secs(20)).await;
        }
    });
    eventually("unwritable", || async { rig.get("/readyz").await.is_err() }).await.unwrap();
    let started = Instant::now();
    rig.stop().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert!(rig.log().contains("ending while the store cannot be written"), "{}", rig.log());
    sending.abort();
    std::fs::remove_file(&filler).unwrap();
    rig.start().await.unwrap();
    assert!(rig.get("/readyz").await.is_ok(), "nothing that was acknowledged is missing");
    rig.stop().await.unwrap();
    mounted(false);
}
