//! Faults of an agent's disk that pass lose nothing, and what is lost is said: by the real agent, under faults that are made on purpose.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use ioc_common::report::Losses;
use ioc_store::{EventRecord, StoreError};
use ioc_tests::harness::{Agent, Rig, eventually};
use tokio::process::{Child, Command};

const FAST: &str = "[report]\ninterval = \"1s\"\n[spool]\nspill_after = \"1s\"\n";

/// What lets calls of a program fail.
async fn shim(dir: &Path) -> PathBuf {
    let (source, library) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("src/faults.c"), dir.join("faults.so"));
    let mut gcc = Command::new("gcc");
    gcc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
    assert!(gcc.status().await.unwrap().success(), "gcc (scripts/test installs it)");
    library
}

/// An agent whose disk can be made to fail.
struct Frail {
    agent: Agent,
    child: Option<Child>,
    shim: PathBuf,
}

impl Frail {
    fn start(&mut self) {
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(self.agent.dir().join("agent.log")).unwrap();
        let mut command = self.agent.command();
        command
            .arg("run")
            .env("LD_PRELOAD", &self.shim)
            .env("IOC_FAULTS_BELOW", self.agent.dir().join("state/spool"))
            .env("IOC_FAULTS_FILE", self.agent.dir().join("fault"))
            .stdout(Stdio::null())
            .stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    async fn kill(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
    }

    fn fault(&self, fault: &str) {
        std::fs::write(self.agent.dir().join("fault"), fault).unwrap();
    }

    fn mended(&self) {
        std::fs::remove_file(self.agent.dir().join("fault")).unwrap();
    }

    async fn spooled(&self, least: u64) {
        eventually("spooled", || async { self.agent.status().await.is_ok_and(|s| s.waiting_on_disk >= least) })
            .await
            .unwrap();
    }

    async fn caught_up(&self) {
        let done = eventually("caught up", || async {
            self.agent.status().await.is_ok_and(|s| s.connected && s.taken.seq > 0 && s.committed == s.taken)
        });
        if let Err(error) = done.await {
            panic!("{error} {:?}\n{}\n{:?}", self.agent.dir(), self.agent.log(), self.agent.status().await);
        }
    }
}

fn events(rig: &Rig, device: &str, name: &str) -> Vec<EventRecord> {
    let mut tries = 0;
    let store = loop {
        match ioc_store::open(&rig.data()) {
            // A program that is being started beside this has, until it runs, what was open when that began: the lock, too.
            Err(StoreError::Held { .. }) if tries < 200 => std::thread::sleep(Duration::from_millis(50)),
            opened => break opened.unwrap(),
        }
        tries += 1;
    };
    let reader = store.reader().unwrap();
    let mut events = reader.events(&device.parse().unwrap(), None, 100).unwrap();
    events.retain(|event| event.name == name);
    events
}

/// Every fault of the kind, at whatever the agent does with its spool; the agent is killed and comes back in the middle of half of them.
const FAULTS: [(&str, &str, bool); 10] = [
    ("emfile", "o 24", false),
    ("emfile-start", "o 24", true),
    ("eacces", "o 13", true),
    ("enomem", "or 12", true),
    ("eio-read", "r 5", true),
    ("eio-sync", "s 5", false),
    ("eio-all", "orws 5", false),
    ("enospc", "w 28", false),
    ("erofs", "o 30", false),
    ("edquot", "w 122", false),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_disk_that_passes_loses_nothing() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let shim = shim(rig.dir()).await;
    let mut frail = Vec::new();
    for (name, _, _) in FAULTS {
        let agent = rig.agent(name, FAST).await.unwrap();
        frail.push(Frail { agent, child: None, shim: shim.clone() });
    }
    for one in &mut frail {
        one.start();
    }
    for one in &frail {
        one.caught_up().await;
    }
    rig.kill().await.unwrap();
    for one in &frail {
        one.spooled(4).await;
    }
    for (one, (_, fault, _)) in frail.iter().zip(FAULTS) {
        one.fault(fault);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    for (one, (_, _, again)) in frail.iter_mut().zip(FAULTS) {
        if again {
            one.kill().await;
            one.start();
        }
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    for one in &frail {
        one.mended();
    }
    rig.start().await.unwrap();
    for one in &frail {
        one.caught_up().await;
        assert_eq!(one.agent.status().await.unwrap().losses, Losses::default(), "{:?}", one.agent.dir());
    }
    for one in &mut frail {
        one.kill().await;
    }
    rig.stop().await.unwrap();
    for (name, _, again) in FAULTS {
        assert_eq!(events(&rig, name, "reports.lost"), [], "{name}");
        let cut = events(&rig, name, "agent.cut_off").len();
        assert_eq!(cut, usize::from(again), "{name}: a run that was cut off is said");
    }
}

/// Where each report of a run stands in a file of frames: by its sequence, every copy of it.
fn marks(bytes: &[u8], epoch: u64) -> BTreeMap<u64, Vec<usize>> {
    let number = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
    let mut marks = BTreeMap::<u64, Vec<usize>>::new();
    for at in (0..bytes.len().saturating_sub(40)).filter(|at| bytes[*at..].starts_with(b"\x8bIoC")) {
        if number(at + 22) == epoch {
            marks.entry(number(at + 30)).or_default().push(at);
        }
    }
    marks
}

/// Every file below a directory.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// What is damaged of the spool is kept, is a fault of the device and said by the doctor; a person's word ends all that.
async fn damage_is_told_until_a_person_removes_it(rig: &Rig, agent: &Agent) {
    let said = async |words: &[&str]| {
        let output = agent.command().args(words).output().await.unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let raised = async || {
        let faults = rig.get("/api/v1/faults").await.unwrap();
        let mut faults = faults["items"].as_array().unwrap().iter();
        faults.any(|one| one["rule"] == "spool-damaged" && one["state"] == "raised")
    };
    eventually("damage is a fault", || async { raised().await }).await.unwrap();
    let listed = said(&["damaged"]).await;
    assert!(listed.contains("bytes") && listed.contains("--remove"), "{listed}");
    assert!(said(&["doctor"]).await.contains("SPOOL "));
    let removed = said(&["damaged", "--remove"]).await;
    assert!(removed.contains("removed: "), "{removed}");
    assert_eq!(files_below(&agent.dir().join("state/spool.damaged")), Vec::<PathBuf>::new());
    eventually("it is no fault any more", || async { !raised().await }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_is_an_event_with_its_number_and_reason() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let mut agent = rig.agent("lossy", FAST).await.unwrap();
    agent.start().unwrap();
    let caught_up = async |agent: &Agent| {
        eventually("caught up", || async {
            agent
                .status()
                .await
                .is_ok_and(|s| s.connected && s.taken.seq > 0 && s.committed == s.taken && s.waiting_on_disk == 0)
        })
        .await
        .unwrap();
    };
    caught_up(&agent).await;
    rig.kill().await.unwrap();
    // What was taken before may be committed although the agent was not told so any more, and lie in the spool all the same: on a busy machine
    // the collector is slower than a second, and then all of it is written down. Only what is taken from here on surely waits.
    let before = agent.status().await.unwrap().taken;
    // Seldom and many at a time when the machine is busy, and small writes are files of their own first: until sled has a few.
    let db = agent.dir().join("state/spool/db");
    let surely = |bytes: &[u8]| marks(bytes, before.epoch).split_off(&(before.seq + 1));
    let by_sled = || std::fs::read(&db).is_ok_and(|bytes| surely(&bytes).len() >= 4);
    eventually("spooled", || async { agent.status().await.is_ok_and(|s| s.waiting_on_disk >= 12) && by_sled() })
        .await
        .unwrap();
    agent.stop().await.unwrap();
    // One bit of sled's own settings, and one bit each of two reports: those two are lost, the rest is not.
    let spool = agent.dir().join("state/spool");
    let flip = |path: &Path, at: &[usize]| {
        let mut bytes = std::fs::read(path).unwrap();
        for at in at {
            bytes[*at] ^= 4;
        }
        std::fs::write(path, bytes).unwrap();
    };
    flip(&spool.join("conf"), &[20]);
    // Not the last one: that may have been torn. Every copy, wherever it lies.
    let harmed: Vec<u64> = surely(&std::fs::read(&db).unwrap()).into_keys().rev().skip(1).take(2).collect();
    for path in files_below(&spool) {
        let places = marks(&std::fs::read(&path).unwrap(), before.epoch);
        let harm = harmed.iter().filter_map(|seq| places.get(seq)).flatten().map(|at| at + 80);
        flip(&path, &harm.collect::<Vec<_>>());
    }
    rig.start().await.unwrap();
    agent.start().unwrap();
    caught_up(&agent).await;
    assert_eq!(agent.status().await.unwrap().losses.corrupt, 2);
    agent.stop().await.unwrap();
    agent.start().unwrap();
    caught_up(&agent).await;
    assert_eq!(agent.status().await.unwrap().losses.corrupt, 2, "a restart forgets nothing");
    let metrics = ioc_collector::cli::text(&rig.runtime(), "/metrics").await.unwrap();
    assert!(metrics.contains("ioc_reports_lost_total{reason=\"corrupt\"} 2"), "{metrics}");
    let device = rig.get("/api/v1/devices/lossy").await.unwrap().to_string();
    assert!(device.contains("\"reports_lost\":2"), "{device}");
    damage_is_told_until_a_person_removes_it(&rig, &agent).await;
    agent.kill().await.unwrap();
    rig.stop().await.unwrap();
    let lost = events(&rig, "lossy", "reports.lost");
    let told: u64 = lost.iter().map(|event| event.fields["corrupt"].parse::<u64>().unwrap()).sum();
    assert!(told == 2 && lost.iter().all(|event| event.fields.contains_key("until")), "{lost:?}");
    assert_eq!(events(&rig, "lossy", "agent.cut_off"), [], "it was stopped, not cut off");
}
