//! A collector whose machine is gone, restored from yesterday's backup on another one that takes over its name and its ports, with agents
//! that nobody touches: they come back by themselves, nothing is doubled, and what is lost is said.
//!
//! Two directories stand for the machines: neither sees what is in the other's, but for the place of the backups.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use ioc_common::id::DeviceId;
use ioc_common::report::Position;
use ioc_tests::harness::{Agent, Rig, eventually};
use ioc_tests::resender::Resender;
use serde_json::{Value, json};

use crate::backup::{files, good, lost, made, rows_are_whole, watermarks};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_machine_takes_over_from_the_backup_and_agents_come_back_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let (backups, passphrase) = (dir.path().join("backups"), dir.path().join("passphrase"));
    std::fs::create_dir_all(&backups).unwrap();
    std::fs::write(&passphrase, "a passphrase that nobody guesses\n").unwrap();
    let sealed = format!("[backup]\ndirectory = {backups:?}\npassphrase_file = {passphrase:?}\n");
    let mut first = Rig::in_dir(&dir.path().join("first"), &sealed);
    first.start().await.unwrap();
    let identities = first.enrol(2).await.unwrap();
    let ids: Vec<DeviceId> = identities.iter().map(|one| one.device.clone()).collect();
    let mut devices: Vec<Resender> = identities.into_iter().map(Resender::new).collect();
    let mut quiet = first.agent("srv-quiet", "[report]\ninterval = \"1s\"\n").await.unwrap();
    let mut restarted = first.agent("srv-restarted", "[report]\ninterval = \"1s\"\n").await.unwrap();
    quiet.start().unwrap();
    restarted.start().unwrap();
    made(&first, &mut devices, Duration::from_millis(700)).await;
    eventually("both agents report", || async {
        live(&first, "srv-quiet").await && live(&first, "srv-restarted").await
    })
    .await
    .unwrap();
    first.post("/api/v1/backups", json!({ "what": "backup" })).await.unwrap();
    let archive = files(&backups, ".tar.lz4.age").pop().unwrap();

    // What comes later is on nothing but the first machine, whose power goes, with its disk. An incident of then has a number, too.
    made(&first, &mut devices, Duration::from_millis(400)).await;
    runs_twice_more(&first, &mut restarted).await;
    let opened = json!({ "title": "Cúp điện", "text": "", "severity": "warning" });
    let opened = first.post("/api/v1/incidents", opened).await.unwrap();
    for device in &mut devices {
        device.drain().await.unwrap();
    }
    first.kill().await.unwrap();
    let latest = watermarks(&first.data(), &ids);
    let gone = dir.path().join("gone");
    std::fs::rename(first.data(), &gone).unwrap();

    // The second machine has the binary, the archive and the passphrase.
    let mut second = Rig::in_dir(&dir.path().join("second"), "");
    let data = second.data();
    second.configure(str::to_owned);
    let told = good(
        &second,
        &[
            "restore",
            archive.to_str().unwrap(),
            "--to",
            data.to_str().unwrap(),
            "--passphrase-file",
            passphrase.to_str().unwrap(),
            "--reason",
            "the first machine burnt",
        ],
    );
    assert!(told.contains("is not in it"), "{told}");
    let earlier = watermarks(&data, &ids);
    let restarted_id: [DeviceId; 1] = ["srv-restarted".parse().unwrap()];
    let was = watermarks(&data, &restarted_id);
    let kept = std::fs::read_to_string(data.join("configuration/collector.toml")).unwrap();
    let (from, to) = (first.dir().display().to_string(), second.dir().display().to_string());
    second.configure(|_| kept.replace(&from, &to));
    std::fs::remove_dir_all(data.join("configuration")).unwrap();
    (second.mqtt, second.web) = (first.mqtt, first.web);
    second.start().await.unwrap();

    eventually("all agents are there again, and nobody touched them", || async {
        live(&second, "srv-quiet").await && live(&second, "srv-restarted").await
    })
    .await
    .unwrap();
    made(&second, &mut devices, Duration::from_millis(700)).await;
    for device in &mut devices {
        device.drain().await.unwrap();
    }
    for ((id, earlier), latest) in ids.iter().zip(&earlier).zip(&latest) {
        assert_eq!(lost(&second, id).await, latest.seq - earlier.seq, "{id}: what is lost is said");
    }
    let state = first.dir().join("srv-restarted/state");
    what_was_sent_in_every_run_is_counted(&second, &state, was[0], watermarks(&gone, &restarted_id)[0]).await;
    let incidents = second.get("/api/v1/incidents").await.unwrap();
    let all = incidents["items"].as_array().unwrap();
    let restored = all.iter().find(|one| one["title"]["en"] == "The store was restored from a backup").unwrap();
    assert!(restored["id"].as_u64() > opened["id"].as_u64(), "no number is given twice: {restored}");
    assert!(restored["reason"]["vi"].as_str().unwrap().contains("the first machine burnt"), "{restored}");
    second.stop().await.unwrap();
    quiet.stop().await.unwrap();
    restarted.stop().await.unwrap();
    for (device, (id, seam)) in devices.iter().zip(ids.iter().zip(earlier.into_iter().zip(latest))) {
        rows_are_whole(&data, device, id, seam);
    }
    nothing_is_doubled(&data, ["srv-quiet", "srv-restarted"]);
}

async fn live(rig: &Rig, name: &str) -> bool {
    let device = rig.get(&format!("/api/v1/devices/{name}")).await;
    device.is_ok_and(|device| device["state"] == "live")
}

/// The agent goes on, for longer than what goodbyes and the few reports of later runs make up, and is restarted twice.
async fn runs_twice_more(rig: &Rig, agent: &mut Agent) {
    let samples = std::sync::Mutex::new(BTreeSet::new());
    eventually("its first run goes on behind the backup", || async {
        let device = rig.get("/api/v1/devices/srv-restarted").await;
        let mut samples = samples.lock().unwrap();
        samples.insert(device.map(|device| device["last_sample"].to_string()).unwrap_or_default());
        samples.len() > 8
    })
    .await
    .unwrap();
    for _ in 0..2 {
        agent.stop().await.unwrap();
        agent.start().unwrap();
        eventually("it reports again", || async { live(rig, "srv-restarted").await }).await.unwrap();
    }
}

/// What its own ledger says of the agent's runs that have ended; `was` is what the backup has of it, `latest` what the first machine had.
async fn what_was_sent_in_every_run_is_counted(second: &Rig, state: &Path, was: Position, latest: Position) {
    let name: DeviceId = "srv-restarted".parse().unwrap();
    let ledger: Value = serde_json::from_slice(&std::fs::read(state.join("losses.json")).unwrap()).unwrap();
    let former = ledger["former"].as_array().unwrap();
    assert_eq!((former.len(), &former[0]["epoch"]), (2, &json!(was.epoch)), "{ledger}");
    let ended: u64 = former.iter().map(|run| run["seq"].as_u64().unwrap()).sum();
    // Of the run that goes on, what the first machine had may be gone as well.
    let counted = ended - was.seq..=ended - was.seq + latest.seq;
    eventually("what it had sent in the runs since the backup is counted, not only in its last one", || async {
        counted.contains(&lost(second, &name).await)
    })
    .await
    .unwrap_or_else(|error| panic!("{error}: {counted:?}, {ledger}, {was:?}"));
}

fn nothing_is_doubled(data: &Path, agents: [&str; 2]) {
    let store = ioc_store::open(data).unwrap();
    let reader = store.reader().unwrap();
    for name in agents {
        let rows = reader.rows(&name.parse().unwrap(), 0).unwrap();
        let places: BTreeSet<_> = rows.iter().map(|row| row.position).collect();
        assert_eq!(places.len(), rows.len(), "{name}: nothing is doubled");
    }
}
