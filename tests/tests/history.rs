//! History over the real collector: folded and read as one, and read by Prometheus.
#![allow(clippy::unwrap_used, reason = "tests")]

use ioc_common::clock;
use ioc_tests::harness::{Rig, eventually, free_port};
use ioc_tests::link::Link;
use ioc_tests::machine::Machine;
use ioc_tests::prometheus::{self, query_value};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::roles::{SessionClient, settled};

async fn history(rig: &Rig, device: &str, query: &str) -> Value {
    rig.get(&format!("/api/v1/devices/{device}/history?{query}")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_folded_and_read_as_one() {
    let mut rig = Rig::new("[history]\nfold = \"1s\"\n");
    rig.start().await.unwrap();
    let identity = rig.enrol(1).await.unwrap().remove(0);
    let (mut link, known) = Link::open(&identity, 10).await.unwrap();
    let mut machine = Machine::new(identity.device.clone(), "server", 1, known, clock::now());
    let now = clock::now();
    let hello = machine.hello(10, 10);
    let (position, kind, payload) = machine.seal(&hello, now, 0);
    let packet = link.publish(kind, payload);
    link.send(packet).await.unwrap();
    link.committed(position).await.unwrap();
    // Two hours of a backlog, every ten seconds, and then what is new.
    for step in (0..720).rev() {
        let age_ms = step * 10_000;
        let body = machine.sample();
        let at = now.plus_millis(-age_ms);
        let (position, kind, payload) = machine.seal(&body, at, age_ms.unsigned_abs());
        let packet = link.publish(kind, payload);
        link.send(packet).await.unwrap();
        if step % 60 == 0 {
            link.committed(position).await.unwrap();
        }
    }
    let device = identity.device.to_string();
    let count = |answer: &Value| answer["series"][0]["points"].as_array().map_or(0, Vec::len);
    let raw = history(&rig, &device, "series=cpu.busy&tier=raw").await;
    assert_eq!(count(&raw), 720, "{raw}");
    let sums = history(&rig, &device, "series=cpu.busy&tier=5m").await;
    // Once folded, the same is read from chunks.
    let file = rig.data().join("history.db");
    let folded = || async {
        let script = "import sqlite3,sys; print(sqlite3.connect(sys.argv[1]).execute('select (select count(*) from chunk) + (select count(*) from piece)').fetchone()[0])";
        let output = Command::new("python3").args(["-c", script]).arg(&file).output().await.unwrap();
        String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().unwrap_or(0) > 0
    };
    eventually("folded", folded).await.unwrap();
    let gone = || async {
        let script = "import sqlite3,sys; print(sqlite3.connect(sys.argv[1]).execute('select count(*) from sample').fetchone()[0])";
        let main = rig.data().join("ioc-watch.db");
        let output = Command::new("python3").args(["-c", script]).arg(main).output().await.unwrap();
        String::from_utf8_lossy(&output.stdout).trim() == "0"
    };
    eventually("rows are gone", gone).await.unwrap();
    assert_eq!(
        history(&rig, &device, "series=cpu.busy&tier=raw").await["series"][0]["points"],
        raw["series"][0]["points"]
    );
    let again = history(&rig, &device, "series=cpu.busy&tier=5m").await;
    assert!((24..=25).contains(&count(&again)) && count(&again) == count(&sums), "{again}");
    for (one, other) in
        again["series"][0]["points"].as_array().unwrap().iter().zip(sums["series"][0]["points"].as_array().unwrap())
    {
        // The mean is kept as a single float; everything else is the same.
        assert_eq!(
            (&one[0], &one[1], &one[2], &one[4], &one[5]),
            (&other[0], &other[1], &other[2], &other[4], &other[5])
        );
        assert!((one[3].as_f64().unwrap() - other[3].as_f64().unwrap()).abs() < 0.01);
    }
    // What is new joins what is folded; across a restart, too.
    rig.kill().await.unwrap();
    rig.start().await.unwrap();
    let (mut link, known) = Link::open(&identity, 10).await.unwrap();
    let mut machine = Machine::new(identity.device.clone(), "server", 1, known, clock::now());
    for body in [machine.hello(10, 10), machine.sample()] {
        let (position, kind, payload) = machine.seal(&body, clock::now(), 0);
        let packet = link.publish(kind, payload);
        link.send(packet).await.unwrap();
        link.committed(position).await.unwrap();
    }
    assert_eq!(count(&history(&rig, &device, "series=cpu.busy&tier=raw").await), 721);
    let replay = json!({ "rule": "disk-nearly-full" });
    let replay = rig.post(&format!("/api/v1/devices/{device}/replay"), replay).await.unwrap();
    assert_eq!(replay["reports"], 721, "a rule is tried on what is folded, too");
    let far = rig.get(&format!("/api/v1/devices/{device}/history?tier=raw&from=2020-01-01T00:00:00Z")).await;
    assert!(far.unwrap_err().to_string().contains("8 days"));
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_the_fleet_with_a_token() {
    let mut rig = Rig::new("[prometheus]\nlabels = [\"kind\"]\n");
    rig.start().await.unwrap();
    let identity = rig.enrol(1).await.unwrap().remove(0);
    let (mut link, known) = Link::open(&identity, 30).await.unwrap();
    let mut machine = Machine::new(identity.device.clone(), "server", 1, known, clock::now());
    for body in [machine.hello(10, 30), machine.sample()] {
        let (position, kind, payload) = machine.seal(&body, clock::now(), 0);
        let packet = link.publish(kind, payload);
        link.send(packet).await.unwrap();
        link.committed(position).await.unwrap();
    }
    let robot = settled(&rig, "robot", json!({ "name": "robot", "role": "viewer" })).await;
    robot.second(&rig).await;
    let token = Some(json!({ "label": "Prometheus", "role": "viewer", "days": 30 }));
    let (_, text) = robot.ask("POST", "/api/v1/account/tokens", token).await;
    let token = serde_json::from_str::<Value>(&text).unwrap()["token"].as_str().unwrap().to_owned();
    assert_eq!(SessionClient::new(&rig, "nobody").ask("GET", "/metrics/devices", None).await.0, 401);

    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let config = format!(
        r#"
scrape_configs:
- job_name: ioc
  scrape_interval: 1s
  scheme: https
  metrics_path: /metrics/devices
  authorization: {{ credentials: "{token}" }}
  tls_config: {{ insecure_skip_verify: true }}
  static_configs: [{{ targets: ["localhost:{}"] }}]
"#,
        rig.web
    );
    let _prometheus = prometheus::start(dir.path(), port, &config);
    let busy = || async { query_value(port, "iocw_cpu_busy").await[0]["value"][1].is_string() };
    eventually("Prometheus knows the number", busy).await.unwrap();
    let disk = query_value(port, "iocw_fs_used_pct{subject=\"/var\"}").await;
    assert!(disk[0]["metric"]["device"].is_string() && disk[0]["metric"]["kind"] == "server", "{disk}");
    assert!(disk[0]["metric"]["name"].is_null(), "not opted into: {disk}");
    assert_eq!(query_value(port, "iocw_device_up").await[0]["value"][1], "1");
    rig.stop().await.unwrap();
}
