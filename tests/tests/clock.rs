//! The clock of the collector's machine is stepped under the real collector (libfaketime fakes the wall clock alone).
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ioc_common::clock::{self, Timestamp};
use ioc_tests::harness::{Rig, eventually};
use ioc_tests::sink::{self, Hook, Received};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const PLAN: &str = r#"
[[person]]
id = "lan"
name = "Lan"
contact = [{ channel = "hook", address = "lan" }]
[[policy]]
id = "default"
repeat = 5
step = [{ after = "0s", to = ["person:lan"] }, { after = "6s", to = ["person:lan"] }]
[[route]]
policy = "default"
"#;

/// Debian's libfaketime, wherever its architecture has it.
fn library() -> PathBuf {
    let dirs = std::fs::read_dir("/usr/lib").unwrap().filter_map(Result::ok);
    let mut found = dirs.map(|dir| dir.path().join("faketime/libfaketime.so.1"));
    found.find(|path| path.exists()).expect("libfaketime is missing; scripts/test installs it")
}

/// Has a collector that is to be started take its wall clock from a file, whose path this is; [`step`] steps it.
pub(crate) fn faked(rig: &mut Rig) -> PathBuf {
    let offset = rig.dir().join("offset");
    std::fs::write(&offset, "+0").unwrap();
    rig.set("LD_PRELOAD", library().to_string_lossy());
    rig.set("FAKETIME_TIMESTAMP_FILE", offset.to_string_lossy());
    rig.set("FAKETIME_NO_CACHE", "1");
    rig.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    rig.set("DONT_FAKE_MONOTONIC", "1");
    offset
}

/// Steps such a clock to so far from the true one.
pub(crate) fn step(path: &Path, offset: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, offset).unwrap();
    std::fs::rename(&new, path).unwrap();
}

/// A collector whose wall clock is what `set` says.
struct Scene {
    rig: Rig,
    hooks: Received<Hook>,
    offset: PathBuf,
}

impl Scene {
    async fn start(answer: fn(usize) -> u16) -> Self {
        let hooks: Received<Hook> = Received::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(sink::webhooks(listener, Arc::clone(&hooks), answer, false));
        let mut rig = Rig::new(&format!(
            "[duty]\nfile = \"duty.toml\"\n[retention]\nfile = \"retention.toml\"\n[history]\nfold = \"1s\"\n[[channel]]\nname = \"hook\"\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{port}/\"\n"
        ));
        std::fs::write(rig.dir().join("duty.toml"), PLAN).unwrap();
        // What is past its time goes as soon as the clock is believed.
        std::fs::write(rig.dir().join("retention.toml"), "[deletion]\ngrace = \"0s\"\n").unwrap();
        let offset = faked(&mut rig);
        rig.start().await.unwrap();
        Self { rig, hooks, offset }
    }

    /// Steps the clock of the collector's machine to so far from the true one.
    fn set(&self, offset: &str) {
        step(&self.offset, offset);
    }

    async fn clock(&self) -> Value {
        self.rig.get("/api/v1/clock").await.unwrap()
    }

    fn told(&self) -> usize {
        self.hooks.lock().unwrap().len()
    }

    async fn audited(&self, action: &str) -> bool {
        let page = self.rig.get("/api/v1/audit?limit=500").await.unwrap();
        page["items"].as_array().unwrap().iter().any(|one| one["action"] == action)
    }
}

/// How far the collector's time is from the true one, seconds.
fn error_s(clock: &Value) -> i64 {
    let now: Timestamp = clock["now"].as_str().unwrap().parse().unwrap();
    now.millis_since(clock::now()) / 1000
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_and_escalation_go_on_after_a_step_back_of_a_day() {
    // What comes first is refused, so that it has to be tried again.
    let scene = Scene::start(|before| if before < 2 { 503 } else { 200 }).await;
    scene.rig.post("/api/v1/devices", json!({ "device": "srv-1", "kind": "server", "name": "Srv 1" })).await.unwrap();
    let opened = json!({ "device": "srv-1", "severity": "critical", "title": "Power", "text": "gone" });
    scene.rig.post("/api/v1/incidents", opened).await.unwrap();
    eventually("the first attempt", || async { scene.told() > 0 }).await.unwrap();
    scene.set("-1d");
    eventually("the step is seen", || async { scene.clock().await["step_s"].is_i64() }).await.unwrap();
    assert!(error_s(&scene.clock().await).abs() <= 2, "{}", scene.clock().await);
    // It is said at once, and written down with the next commit.
    eventually("the step is written down", || scene.audited("clock.stepped")).await.unwrap();
    let ready = ioc_collector::cli::text(&scene.rig.runtime(), "/readyz").await.unwrap();
    assert!(ready.starts_with("ready") && ready.contains("was stepped by -"), "{ready}");
    // What was refused, the escalation, and what tells of the clock itself.
    let told = |what: &str| scene.hooks.lock().unwrap().iter().any(|hook| hook.body.contains(what));
    for what in ["was stepped", "escalated"] {
        eventually(what, || async { told(what) }).await.unwrap();
    }
    // A person says that the new time is right: all goes on by that, and nothing waits for a day.
    let step_s = scene.clock().await["step_s"].clone();
    scene.rig.post("/api/v1/clock/confirm", json!({ "step_s": step_s })).await.unwrap();
    assert!((error_s(&scene.clock().await) + 86_400).abs() <= 2, "{}", scene.clock().await);
    let before = scene.told();
    let opened = json!({ "device": "srv-1", "severity": "critical", "title": "Fan", "text": "gone" });
    scene.rig.post("/api/v1/incidents", opened).await.unwrap();
    eventually("and go on", || async { scene.told() > before }).await.unwrap();
    assert!(scene.audited("clock.confirmed").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_forward_of_ten_years_deletes_nothing_and_does_not_survive_a_restart_unseen() {
    let mut scene = Scene::start(|_| 200).await;
    let mut agent = scene.rig.agent("srv-1", "[report]\ninterval = \"1s\"\n").await.unwrap();
    agent.start().unwrap();
    let live =
        async |scene: &Scene| scene.rig.get("/api/v1/devices/srv-1").await.unwrap_or_default()["state"] == "live";
    eventually("heard", || live(&scene)).await.unwrap();
    // Rows are folded ten seconds after they came; in ten years all of them are past their time.
    tokio::time::sleep(Duration::from_secs(12)).await;
    scene.set("+10y");
    eventually("the step is seen", || async { scene.clock().await["step_s"].is_i64() }).await.unwrap();
    assert_eq!(scene.clock().await["deletion_suspended"], true);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!scene.audited("history.pruned").await, "nothing is deleted");
    // The agent is still heard: its certificate is not ended by a clock that is wrong.
    scene.rig.kill().await.unwrap();
    scene.rig.start().await.unwrap();
    let heard = || async { live(&scene).await && scene.clock().await["step_s"].is_i64() };
    eventually("heard again", heard).await.unwrap();
    assert!(error_s(&scene.clock().await).abs() <= 2, "{}", scene.clock().await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!scene.audited("history.pruned").await, "nor after a restart");
    scene.set("+0");
    eventually("it is back", || async { scene.clock().await["step_s"].is_null() }).await.unwrap();
    eventually("that it came back is written down", || scene.audited("clock.returned")).await.unwrap();
    assert!(!scene.audited("history.pruned").await);
    // The same with a person's word for it: that is what was held back.
    scene.set("+10y");
    eventually("the step is seen", || async { scene.clock().await["step_s"].is_i64() }).await.unwrap();
    scene.rig.post("/api/v1/clock/confirm", json!({})).await.unwrap();
    eventually("deletion goes on", || scene.audited("history.pruned")).await.unwrap();
}
