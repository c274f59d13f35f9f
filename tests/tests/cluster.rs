//! Two collectors of one site over a PostgreSQL of the test's own: one decides, and the other takes over when it is killed or stopped, or the database is started
//! again under load; what else may happen is in `cluster/faults.rs`. What was acknowledged is there, once; a fault has one incident; and no two ever held the lease at once.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests; the time of a takeover is printed")]

mod faults;

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use ioc_common::clock;
use ioc_tests::harness::{Rig, binary, eventually};
use ioc_tests::identity::Identity;
use ioc_tests::link::Link;
use ioc_tests::postgres::Postgres;
use ioc_tests::resender::Resender;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::survive::{load, rig_with};

/// What a takeover may take at most, ms: the lease of whoever was killed lasts for 8 s at most, and the store is opened then. A busy machine gets twice that.
const TAKEOVER_MAX_MS: u64 = 20_000;

/// Two collectors of a site, of which the first decides, and devices that know both.
struct Centre {
    _dir: tempfile::TempDir,
    postgres: Postgres,
    first: Rig,
    second: Rig,
    devices: Vec<Resender>,
    /// One more that is enrolled and sends nothing.
    quiet: Identity,
}

impl Centre {
    async fn start(devices: usize) -> Self {
        let postgres = Postgres::start().await.unwrap();
        let configs = ["một", "hai"].map(|name| postgres.config(name));
        Self::over(postgres, configs, devices, |_| ()).await
    }

    /// The same with the tables that name the database to each, and something to do with each before it is started.
    async fn over(
        postgres: Postgres,
        [one, other]: [String; 2],
        devices: usize,
        mut before: impl FnMut(&mut Rig),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut first = rig_with(&dir.path().join("first"), &one);
        let mut second = rig_with(&dir.path().join("second"), &other);
        [&mut first, &mut second].into_iter().for_each(&mut before);
        first.start().await.unwrap();
        decides(&first).await;
        let at_second = format!("localhost:{}", second.mqtt);
        let mut identities = first.enrol(devices + 1).await.unwrap();
        let quiet = identities.pop().unwrap();
        let devices = identities.into_iter().map(|one| Resender::new(one).or_at(&at_second)).collect();
        join(&first, &mut second).await;
        second.start().await.unwrap();
        stands_by(&second, "một").await;
        Self { _dir: dir, postgres, first, second, devices, quiet }
    }

    /// Ends both, and looks at what the database holds in the end.
    async fn end_whole(mut self) {
        for device in &mut self.devices {
            device.drain().await.unwrap();
        }
        // One incident for one fault, however often somebody took over.
        let holder = if readiness(&self.first).await.starts_with("ready") { &self.first } else { &self.second };
        let incidents = holder.get("/api/v1/incidents?limit=500").await.unwrap();
        let items = incidents["items"].as_array().unwrap();
        let open: Vec<String> = items
            .iter()
            .filter(|one| one["state"] != "resolved")
            .map(|one| format!("{} {}", one["rule"], one["device"]))
            .collect();
        assert_eq!(open.iter().collect::<BTreeSet<_>>().len(), open.len(), "one for each fault: {open:?}");
        self.first.stop().await.unwrap();
        self.second.stop().await.unwrap();
        let acknowledged: usize = self.devices.iter().map(|device| device.acknowledged.len()).sum();
        assert!(acknowledged > 100, "{acknowledged} acknowledged: the load was real");
        let dir = tempfile::tempdir().unwrap();
        let (candidate, store) = self.postgres.open(dir.path()).await.unwrap();
        let rows = Resender::check_store(&self.devices, store.as_ref()).unwrap();
        let made: u64 = self.devices.iter().map(|device| device.made).sum();
        assert_eq!(rows as u64, made, "in the end everything that was made is there, once");
        drop(store);
        candidate.release();
        let overlaps = "SELECT count(*) FROM lease_history WHERE previous_until > taken_at AND NOT previous_unmoved";
        assert_eq!(self.postgres.ask(overlaps).await.unwrap(), "0", "no two held at once");
        let gaps = "SELECT count(*) FROM lease_history h WHERE fence <> (SELECT count(*) FROM lease_history o WHERE o.fence <= h.fence)";
        assert_eq!(self.postgres.ask(gaps).await.unwrap(), "0", "fences are given one after the other");
    }
}

/// What a second collector needs of the first comes in one sealed file.
async fn join(first: &Rig, second: &mut Rig) {
    second.configure(str::to_owned);
    let keys = second.dir().join("keys");
    let collector = |rig: &Rig, arguments: [&str; 3]| {
        let mut command = Command::new(binary("ioc-collector"));
        command.arg("--config").arg(rig.dir().join("collector.toml")).arg("join").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let offered = collector(first, ["offer", "--to", &keys.to_string_lossy()]).wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&[offered.stdout, offered.stderr].concat()).into_owned();
    let token =
        said.lines().map(str::trim).find(|line| line.len() == 26 && !line.contains(' ')).expect(&said).to_owned();
    let mut taking = collector(second, ["take", &keys.to_string_lossy(), "--"]);
    taking.stdin.take().unwrap().write_all(format!("{token}\n").as_bytes()).await.unwrap();
    let taken = taking.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&[taken.stdout, taken.stderr].concat()).into_owned();
    assert!(taken.status.success() && said.contains("has this site"), "{said}");
}

/// What /readyz says, whatever its status.
async fn readiness(rig: &Rig) -> String {
    match ioc_collector::cli::text(&rig.runtime(), "/readyz").await {
        Ok(ready) => ready,
        Err(error) => error.to_string(),
    }
}

async fn decides(rig: &Rig) {
    eventually("it holds the lease", || async { readiness(rig).await.starts_with("ready") }).await.unwrap();
}

async fn stands_by(rig: &Rig, holder: &str) {
    let told = format!("{holder} holds the lease");
    let is_told = || async { readiness(rig).await.contains(&told) };
    eventually("it stands by", is_told).await.with_context(|| rig.log()).unwrap();
}

/// How long it takes until it decides, ms, printed.
async fn takeover(rig: &Rig, since_ms: u64, what: &str) -> u64 {
    decides(rig).await;
    let took_ms = clock::boottime_ms() - since_ms;
    eprintln!("{what}: taken over after {took_ms} ms");
    assert!(took_ms < TAKEOVER_MAX_MS, "{what}: {took_ms} ms");
    took_ms
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_collector_shows_pages_changes_nothing_and_takes_over_when_the_first_is_killed() {
    let mut centre = Centre::start(3).await;
    // The second reads what the first has committed, and says who decides to whoever asks it for something.
    let shown = centre.second.get("/api/v1/devices").await.unwrap();
    assert_eq!(shown["items"].as_array().unwrap().len(), 4);
    let opened = json!({ "title": "Cúp điện", "text": "", "severity": "warning" });
    let refused = centre.second.post("/api/v1/incidents", opened).await.unwrap_err().to_string();
    assert!(refused.contains("một holds the lease") && refused.contains(&centre.first.server()), "{refused}");
    let shown = ["-sk", "-o", "/dev/null", "-w", "%{redirect_url}"];
    let at = format!("https://{}/login?next=%2Fdevices", centre.second.server());
    let output = Command::new("curl").args(shown).arg(at).output().await.unwrap();
    let sent = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(sent, format!("https://{}/login?next=%2Fdevices", centre.first.server()), "who signs in is sent there");
    let at_second = Identity { mqtt: format!("localhost:{}", centre.second.mqtt), ..centre.quiet.clone() };
    let unavailable = || async {
        let answer = Link::open(&at_second, 30).await.err().map(|error| format!("{error:#}"));
        answer.is_some_and(|answer| answer.to_lowercase().contains("unavailable"))
    };
    eventually("devices are told that this server is unavailable", unavailable).await.unwrap();
    let metrics = ioc_collector::cli::text(&centre.second.runtime(), "/metrics").await.unwrap();
    assert!(metrics.contains("\nioc_lease_held 0\n"), "{metrics}");

    let sending = tokio::spawn(load(std::mem::take(&mut centre.devices), Duration::from_secs(15)));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let killed_ms = clock::boottime_ms();
    centre.first.kill().await.unwrap();
    takeover(&centre.second, killed_ms, "kill -9").await;
    // Who comes back stands by, and takes over at once when the other stops as it should.
    centre.first.start().await.unwrap();
    stands_by(&centre.first, "hai").await;
    centre.devices = sending.await.unwrap();
    let stopped_ms = clock::boottime_ms();
    centre.second.stop().await.unwrap();
    takeover(&centre.first, stopped_ms, "stopped").await;
    centre.second.start().await.unwrap();
    centre.end_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_started_again_under_load_loses_nothing_and_they_go_on_by_themselves() {
    let mut centre = Centre::start(3).await;
    let sending = tokio::spawn(load(std::mem::take(&mut centre.devices), Duration::from_secs(25)));
    // Once for a moment, which the lease outlasts, and once for longer than it lasts.
    for away in [Duration::from_millis(300), Duration::from_secs(10)] {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        centre.postgres.kill().await.unwrap();
        tokio::time::sleep(away).await;
        if away > Duration::from_secs(8) {
            for rig in [&centre.first, &centre.second] {
                let says_why = || async { readiness(rig).await.contains("cannot be asked") };
                eventually("it says why it is not ready", says_why).await.unwrap();
            }
        }
        centre.postgres.start_again().await.unwrap();
        let back_ms = clock::boottime_ms();
        let one_decides = || async {
            readiness(&centre.first).await.starts_with("ready") || readiness(&centre.second).await.starts_with("ready")
        };
        eventually("one of them decides again", one_decides).await.unwrap();
        eprintln!("database away for {away:?}: decided again {} ms after it was back", clock::boottime_ms() - back_ms);
    }
    centre.devices = sending.await.unwrap();
    centre.end_whole().await;
}
