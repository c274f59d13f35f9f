//! Backups of a site whose record is in PostgreSQL, with the real programs: made while reports come, restored for a trial into a scratch site, and for good into
//! a database that has nothing any more, or into files.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use ioc_common::id::DeviceId;
use ioc_common::report::Position;
use ioc_store::Store;
use ioc_tests::harness::{Rig, eventually};
use ioc_tests::postgres::Postgres;
use ioc_tests::resender::Resender;
use serde_json::Value;

use crate::backup::{backed_up_meanwhile, files, good, lost, made, refused, rig_of};

const SCRATCH: &str = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'hanoi\\_trial%'";

/// The last places of devices that a store holds.
fn watermarks(store: &dyn Store, devices: &[DeviceId]) -> Vec<Position> {
    assert!(store.lost().all.is_empty(), "{:?}", store.lost());
    let reader = store.reader().unwrap();
    devices.iter().map(|one| reader.device(one).unwrap().unwrap().watermark).collect()
}

async fn in_database(postgres: &Postgres, devices: &[DeviceId]) -> Vec<Position> {
    let dir = tempfile::tempdir().unwrap();
    let (candidate, store) = postgres.open(dir.path()).await.unwrap();
    let found = watermarks(store.as_ref(), devices);
    drop(store);
    candidate.release();
    found
}

async fn decides(rig: &Rig) {
    let ready = || async {
        ioc_collector::cli::text(&rig.runtime(), "/readyz").await.is_ok_and(|said| said.starts_with("ready"))
    };
    eventually("it decides", ready).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_in_postgresql_is_backed_up_while_it_is_written_tried_in_a_scratch_site_and_restored_into_either_store()
{
    let dir = tempfile::tempdir().unwrap();
    let postgres = Postgres::start().await.unwrap();
    let mut rig = rig_of(dir.path(), "", &postgres.config("một"));
    rig.start().await.unwrap();
    decides(&rig).await;
    let ready = ioc_collector::cli::text(&rig.runtime(), "/readyz").await.unwrap();
    assert!(!ready.contains("no backups"), "{ready}");
    let identities = rig.enrol(2).await.unwrap();
    let ids: Vec<DeviceId> = identities.iter().map(|one| one.device.clone()).collect();
    let mut devices: Vec<Resender> = identities.into_iter().map(Resender::new).collect();
    made(&rig, &mut devices, Duration::from_millis(700)).await;

    let archive = backed_up_meanwhile(&rig, &mut devices).await;
    let archive = archive.to_str().unwrap();
    assert!(good(&rig, &["backup", "check", archive]).contains("whole"));

    // A scratch site that is somebody else's is left alone, and the drill says so.
    postgres.ask("CREATE SCHEMA hanoi_trial").await.unwrap();
    let failed = refused(&rig, &["backup", "drill"]);
    assert!(failed.contains("the drill failed") && failed.contains("no restore drill has made it"), "{failed}");
    postgres.ask("DROP SCHEMA hanoi_trial").await.unwrap();
    let drill: Value = serde_json::from_str(&good(&rig, &["backup", "drill"])).unwrap();
    assert!(drill["failure"].is_null() && drill["rows"].as_u64().unwrap() > 10, "{drill}");
    let certificate = std::fs::read_to_string(files(&rig.dir().join("backups"), ".txt").pop().unwrap()).unwrap();
    assert!(certificate.contains("PASSED") && certificate.contains("a scratch site beside"), "{certificate}");
    assert_eq!(postgres.ask(SCRATCH).await.unwrap(), "0", "the drill ends what it began");
    assert!(!rig.data().join("backup.staging").exists(), "nothing is left of it");

    // What comes later is nowhere but in this database, which is gone then.
    made(&rig, &mut devices, Duration::from_millis(400)).await;
    for device in &mut devices {
        device.drain().await.unwrap();
    }
    rig.stop().await.unwrap();
    let latest = in_database(&postgres, &ids).await;
    // While no collector runs, the command line holds the lease and does the same.
    assert!(good(&rig, &["backup", "drill"]).contains("a scratch site beside"));
    let restored = rig.dir().join("restored");
    let words = ["restore", archive, "--to", restored.to_str().unwrap(), "--reason", "the disk died"];
    assert!(refused(&rig, &words).contains("there is a site already"));
    assert!(!restored.exists(), "nothing was begun");
    postgres.ask("DROP SCHEMA hanoi CASCADE").await.unwrap();
    postgres.ask("DROP SCHEMA hanoi_history CASCADE").await.unwrap();
    let told = good(&rig, &words);
    assert!(told.contains("the record into postgresql://") && told.contains("every file, table and row"), "{told}");
    assert!(!restored.join("ioc-watch.db").exists() && restored.join("pki").exists(), "the record is there once");
    let earlier = in_database(&postgres, &ids).await;
    assert!(earlier.iter().zip(&latest).all(|(earlier, latest)| earlier < latest), "{earlier:?} {latest:?}");
    // The same archive goes into files, where the configuration names those.
    let as_it_was = std::fs::read_to_string(rig.dir().join("collector.toml")).unwrap();
    let (in_files, other) = (postgres.config("một"), rig.dir().join("files"));
    rig.configure(|config| config.replace(&in_files, ""));
    good(&rig, &["restore", archive, "--to", other.to_str().unwrap(), "--reason", "to look at it"]);
    assert_eq!(watermarks(ioc_store::open(&other).unwrap().as_ref(), &ids), earlier);

    let data = rig.data();
    rig.configure(|_| as_it_was.replace(data.to_str().unwrap(), restored.to_str().unwrap()));
    rig.start().await.unwrap();
    decides(&rig).await;
    eventually("it is declared", || async {
        let log = rig.get("/api/v1/audit?limit=500").await.unwrap().to_string();
        log.contains("store.restored") && log.contains("the disk died") && !restored.join("restored.json").exists()
    })
    .await
    .unwrap();
    made(&rig, &mut devices, Duration::from_millis(400)).await;
    for device in &mut devices {
        device.drain().await.unwrap();
    }
    for (id, (earlier, latest)) in ids.iter().zip(earlier.iter().zip(&latest)) {
        assert_eq!(lost(&rig, id).await, latest.seq - earlier.seq, "{id}: what it had freed is counted, and no more");
    }
    rig.stop().await.unwrap();
}
