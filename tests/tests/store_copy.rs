//! A site's store goes from SQLite into PostgreSQL and back while its devices keep what they have to say: nothing is missing, nothing is there twice, and the
//! audit log is one.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Duration;

use ioc_tests::harness::{Rig, binary, eventually};
use ioc_tests::postgres::Postgres;
use ioc_tests::resender::Resender;
use tokio::process::Command;

use crate::survive::{load, rig_with};

/// How long devices send between two copies.
const SENDING: Duration = Duration::from_millis(1500);

/// What a command of the collector says, and whether it succeeded.
async fn command(config: &Path, arguments: &[&str]) -> (bool, String) {
    let output =
        Command::new(binary("ioc-collector")).arg("--config").arg(config).args(arguments).output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

async fn copied(from: &Path, to: &Path) {
    let (done, said) = command(from, &["store", "copy", "--to", &to.to_string_lossy()]).await;
    assert!(done && said.contains("the same on both sides"), "{said}");
}

/// Runs the collector on a configuration while devices send; it ends as it should.
async fn serve(rig: &mut Rig, config: &Path, devices: &mut Vec<Resender>, drains: bool) {
    let text = std::fs::read_to_string(config).unwrap();
    rig.configure(|_| text);
    rig.start().await.unwrap();
    let ready = || async {
        ioc_collector::cli::text(&rig.runtime(), "/readyz").await.is_ok_and(|said| said.starts_with("ready"))
    };
    eventually("it decides", ready).await.unwrap();
    if devices.is_empty() {
        *devices = rig.enrol(2).await.unwrap().into_iter().map(Resender::new).collect();
    }
    *devices = load(std::mem::take(devices), SENDING).await;
    if drains {
        for device in devices.iter_mut() {
            device.drain().await.unwrap();
        }
        let (sound, said) = command(config, &["audit", "verify"]).await;
        assert!(sound, "{said}");
        let log = rig.get("/api/v1/audit?limit=500").await.unwrap();
        let told = log["items"].as_array().unwrap().iter().filter(|one| one["action"] == "store.copied");
        assert_eq!(told.count(), 2, "both copies are on record");
    }
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_carried_into_postgresql_and_back_and_devices_go_on_without_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let postgres = Postgres::start().await.unwrap();
    let mut rig = rig_with(dir.path(), "");
    let (files, database) = (dir.path().join("files.toml"), dir.path().join("database.toml"));
    rig.configure(|config| {
        std::fs::write(&files, config).unwrap();
        std::fs::write(&database, format!("{}{config}", postgres.config("một"))).unwrap();
        config.to_owned()
    });
    let mut devices = Vec::new();
    serve(&mut rig, &files, &mut devices, false).await;
    copied(&files, &database).await;
    serve(&mut rig, &database, &mut devices, false).await;
    // Neither way over a store that is there.
    for (from, to, why) in [(&files, &database, "not empty"), (&database, &files, "there is a store already")] {
        let (done, said) = command(from, &["store", "copy", "--to", &to.to_string_lossy()]).await;
        assert!(!done && said.contains(why) && said.contains("mend"), "{said}");
    }
    let old = dir.path().join("old");
    std::fs::create_dir(&old).unwrap();
    for name in ["ioc-watch.db", "history.db", "commit-mark", "audit-head"] {
        // Nothing was signed where it ran for a second.
        let moved = std::fs::rename(rig.data().join(name), old.join(name));
        assert!(moved.is_ok() || name == "audit-head", "{name}: {moved:?}");
    }
    copied(&database, &files).await;
    serve(&mut rig, &files, &mut devices, true).await;
    let acknowledged: usize = devices.iter().map(|device| device.acknowledged.len()).sum();
    assert!(acknowledged > 100, "{acknowledged} acknowledged: the load was real");
    let rows = Resender::check(&devices, &rig.data()).unwrap();
    let made: u64 = devices.iter().map(|device| device.made).sum();
    assert_eq!(rows as u64, made, "in the end everything that was made is there, once");
}
