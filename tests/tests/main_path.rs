//! The main path on real binaries: from a host's report to a notice that someone gets.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use ioc_common::clock;
use ioc_common::report::{Body, Goodbye, GoodbyeReason};
use ioc_common::topic::UpKind;
use ioc_tests::harness::{Agent, Rig, binary, eventually, free_port, send_signal};
use ioc_tests::link::Link;
use ioc_tests::machine::Machine;
use ioc_tests::sink::{self, Hook, Received};
use serde_json::{Value, json};
use tokio::net::TcpListener;

// The disk rule is for the simulated machine: real agents run beside it, and how full this machine is is not for a test to say.
const QUICK_RULES: &str = r#"
[[rule]]
id = "device-silent"
kind = "silent"
severity = "critical"
title = { vi = "Thiết bị mất liên lạc", en = "Device silent" }
advice = { vi = "Kiểm tra nguồn.", en = "Check the power." }
[[rule]]
id = "disk-nearly-full"
scope = { devices = ["sim-00000"] }
kind = "threshold"
severity = "warning"
metric = "fs.used_pct"
raise = { above = 90 }
clear = { below = 85 }
title = { vi = "Đĩa sắp đầy", en = "Disk nearly full" }
advice = { vi = "Dọn tệp.", en = "Remove files." }
"#;

struct Sinks {
    hooks: Received<Hook>,
    mails: Received<String>,
    channels: String,
}

async fn sinks(answer: fn(usize) -> u16) -> Sinks {
    let (hooks, mails): (Received<Hook>, Received<String>) = Default::default();
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let smtp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (http_port, smtp_port) = (http.local_addr().unwrap().port(), smtp.local_addr().unwrap().port());
    tokio::spawn(sink::webhooks(http, Arc::clone(&hooks), answer, false));
    tokio::spawn(sink::mail(smtp, Arc::clone(&mails), false));
    let channels = format!(
        r#"
[[channel]]
name = "hook"
type = "webhook"
url = "http://127.0.0.1:{http_port}/hook"
secret_file = "SECRET"
[[channel]]
name = "mail"
type = "smtp"
server = "127.0.0.1:{smtp_port}"
tls = "none"
from = "IOC <ioc@example.test>"
to = ["duty@example.test"]
"#
    );
    Sinks { hooks, mails, channels }
}

fn rig(sinks: &Sinks, extra: &str) -> Rig {
    let mut rig = Rig::new(&format!("{extra}\n[rules]\nfile = \"rules.toml\"\n{}", sinks.channels));
    std::fs::write(rig.dir().join("rules.toml"), QUICK_RULES).unwrap();
    let secret = rig.dir().join("secret");
    std::fs::write(&secret, "top secret\n").unwrap();
    rig.configure(|config| config.replace("SECRET", secret.to_str().unwrap()));
    rig
}

async fn state_of(rig: &Rig, device: &str) -> String {
    let device = rig.get(&format!("/api/v1/devices/{device}")).await.unwrap_or_default();
    device["state"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agent_is_silent_within_its_keep_alive_and_the_duty_officer_is_told() {
    let sinks = sinks(|_| 200).await;
    let mut rig = rig(&sinks, "");
    rig.start().await.unwrap();
    let mut agent =
        rig.agent("this-host", "[report]\ninterval = \"1s\"\n[collector]\nkeep_alive = \"6s\"").await.unwrap();
    agent.start().unwrap();
    eventually("live", || async { state_of(&rig, "this-host").await == "live" }).await.unwrap();

    let device = rig.get("/api/v1/devices/this-host").await.unwrap();
    assert!(device["values"]["memory.total"].as_f64().unwrap() > 1e8, "{device}");
    assert!(device["hello"]["facts"]["kernel"].as_str().unwrap().len() > 2);
    let status = agent.status().await.unwrap();
    assert!(status.connected && status.committed.seq > 0 && status.losses == Default::default());

    let killed_at = clock::now();
    agent.kill().await.unwrap();
    eventually("silent", || async { state_of(&rig, "this-host").await == "silent" }).await.unwrap();
    assert!(clock::now().millis_since(killed_at) <= 6500, "within its keep-alive");
    eventually("told", || async { sinks.hooks.lock().unwrap().len() == 1 && sinks.mails.lock().unwrap().len() == 1 })
        .await
        .unwrap();

    let hook = sinks.hooks.lock().unwrap()[0].clone();
    let body: Value = serde_json::from_str(&hook.body).unwrap();
    assert_eq!((body["version"].as_str(), body["status"].as_str()), (Some("4"), Some("firing")));
    assert_eq!(body["alerts"][0]["labels"]["device"], "this-host");
    let header = |name: &str| hook.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap();
    assert_eq!(header("idempotency-key"), "1-1-hook");
    let key = ring_hmac(b"top secret", hook.body.as_bytes());
    assert_eq!(header("x-ioc-signature"), format!("sha256={key}"));
    let mail = sink::readable(&sinks.mails.lock().unwrap()[0]);
    assert!(mail.contains("Thiết bị mất liên lạc") && mail.contains("Check the power."), "{mail}");

    let incident = rig.get("/api/v1/incidents/1").await.unwrap();
    assert_eq!(incident["state"], "open");
    assert!(incident["timeline"][0]["note"]["en"].as_str().unwrap().contains("host answers"), "{incident}");
    rig.post("/api/v1/incidents/1/actions", json!({ "action": "acknowledge", "note": "Tôi xem ngay" })).await.unwrap();
    let again =
        rig.post("/api/v1/incidents/1/actions", json!({ "action": "acknowledge" })).await.unwrap_err().to_string();
    assert!(again.contains("409") && again.contains("acknowledged"), "{again}");

    agent.start().unwrap();
    eventually("resolved", || async { rig.get("/api/v1/incidents/1").await.unwrap()["state"] == "resolved" })
        .await
        .unwrap();
    eventually("told again", || async { sinks.hooks.lock().unwrap().len() == 2 }).await.unwrap();
    let body: Value = serde_json::from_str(&sinks.hooks.lock().unwrap()[1].body).unwrap();
    assert_eq!(body["status"], "resolved");
    agent.stop().await.unwrap();
    eventually("away", || async { state_of(&rig, "this-host").await == "away" }).await.unwrap();
    let verify = tokio::process::Command::new(binary("ioc-collector"))
        .args(["--config", rig.dir().join("collector.toml").to_str().unwrap(), "audit", "verify"])
        .output()
        .await
        .unwrap();
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stderr));
    rig.stop().await.unwrap();
}

fn ring_hmac(secret: &[u8], body: &[u8]) -> String {
    // An independent implementation: openssl's.
    use std::io::Write as _;
    #[allow(clippy::disallowed_methods, reason = "an independent check of the signature")]
    let mut child = std::process::Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", std::str::from_utf8(secret).unwrap()])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(body).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().last().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crossed_limit_reaches_people_even_when_a_channel_fails_at_first() {
    let sinks = sinks(|before| if before < 2 { 503 } else { 200 }).await;
    let mut rig = rig(&sinks, "");
    rig.start().await.unwrap();
    let identity = rig.enrol(1).await.unwrap().remove(0);
    let (mut link, known) = Link::open(&identity, 30).await.unwrap();
    let mut machine = Machine::new(identity.device.clone(), "server", 1, known, clock::now());
    machine.fill_disk(Some(99.0));
    let bodies: Vec<Body> = std::iter::once(machine.hello(10, 30)).chain((0..8).map(|_| machine.sample())).collect();
    for body in bodies {
        let (position, kind, payload) = machine.seal(&body, clock::now(), 0);
        let packet = link.publish(kind, payload);
        link.send(packet).await.unwrap();
        link.committed(position).await.unwrap();
    }
    eventually("delivered at the third try", || async {
        let incident = rig.get("/api/v1/incidents/1").await.unwrap_or_default();
        incident["notices"]
            .as_array()
            .is_some_and(|notices| notices.iter().all(|notice| notice["state"] == "delivered"))
    })
    .await
    .unwrap();
    let hooks = sinks.hooks.lock().unwrap().clone();
    assert_eq!(hooks.len(), 3);
    let keys: Vec<_> = hooks
        .iter()
        .map(|hook| hook.headers.iter().find(|(name, _)| name == "idempotency-key").unwrap().1.clone())
        .collect();
    assert!(keys.windows(2).all(|two| two[0] == two[1]), "the same key at every try: {keys:?}");
    assert_eq!(sinks.mails.lock().unwrap().len(), 1);

    // A goodbye with a deadline is no outage.
    let (position, kind, payload) =
        machine.seal(&Body::Goodbye(Goodbye { reason: GoodbyeReason::Stop, return_within_s: 300 }), clock::now(), 0);
    let packet = link.publish(kind, payload);
    link.send(packet).await.unwrap();
    link.committed(position).await.unwrap();
    drop(link);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(state_of(&rig, identity.device.as_str()).await, "away");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_renew_themselves_and_revocation_drops_the_link() {
    let sinks = sinks(|_| 200).await;
    let mut rig = rig(&sinks, "[pki]\ndevice_life = \"12s\"\n");
    rig.start().await.unwrap();
    let mut agent = rig.agent("renewing", "[report]\ninterval = \"1s\"\n").await.unwrap();
    agent.start().unwrap();
    eventually("running", || async { agent.status().await.is_ok() }).await.unwrap();
    let first = agent.status().await.unwrap().certificate_expires_at;
    // Two renewals, the second with a certificate that was itself renewed.
    eventually("renewed twice", || async {
        agent
            .status()
            .await
            .is_ok_and(|status| status.certificate_expires_at.millis_since(first) > 14_000 && status.connected)
    })
    .await
    .unwrap();
    assert!(agent.log().contains("certificate renewed"), "{}", agent.log());
    assert_eq!(sinks.hooks.lock().unwrap().len(), 0, "a renewal is no outage");

    let revoked_at = tokio::time::Instant::now();
    rig.post("/api/v1/devices/renewing/revoke", json!({})).await.unwrap();
    eventually("dropped", || async { agent.status().await.is_ok_and(|status| !status.connected) }).await.unwrap();
    assert!(revoked_at.elapsed() < Duration::from_secs(15), "{:?}", revoked_at.elapsed());
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!agent.status().await.unwrap().connected, "and it is not let in again");
    agent.stop().await.unwrap();
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn reloading_takes_over_rules_and_a_faulty_file_changes_nothing() {
    let sinks = sinks(|_| 200).await;
    let mut rig = rig(&sinks, "");
    rig.start().await.unwrap();
    let mut agent = rig.agent("this-host", "[report]\ninterval = \"1s\"\n").await.unwrap();
    agent.start().unwrap();
    eventually("live", || async { state_of(&rig, "this-host").await == "live" }).await.unwrap();
    let rules = rig.dir().join("rules.toml");
    std::fs::write(&rules, "[[rule]]\nid = 5\n").unwrap();
    send_signal(rig.pid(), "HUP").await.unwrap();
    eventually("refused", || async { rig.log().contains("the old one stays in use") }).await.unwrap();
    assert!(rig.log().contains("rules.toml:2:"), "the place is named: {}", rig.log());
    // Whoever does not read the log learns it, too: with this file the collector would not start again.
    let told = |state: &'static str| {
        let rig = &rig;
        move || async move {
            let all = rig.get("/api/v1/incidents").await.unwrap();
            let of = |one: &Value| one.to_string().contains("The changed configuration is faulty");
            all["items"].as_array().is_some_and(|all| all.iter().any(|one| of(one) && one["state"] == state))
        }
    };
    eventually("it is an incident", told("open")).await.unwrap();
    // Every machine uses some memory.
    let more = QUICK_RULES.to_owned()
        + r#"
[[rule]]
id = "memory-used"
kind = "threshold"
severity = "warning"
metric = "memory.used_pct"
raise = { above = 0 }
clear = { below = 0 }
title = { vi = "a", en = "a" }
advice = { vi = "a", en = "a" }
"#;
    std::fs::write(&rules, more).unwrap();
    send_signal(rig.pid(), "HUP").await.unwrap();
    eventually("the new rule raises", || async {
        rig.get("/api/v1/faults?active=true").await.unwrap()["items"].as_array().is_some_and(|items| items.len() == 1)
    })
    .await
    .unwrap();
    eventually("and it ends", told("resolved")).await.unwrap();
    std::fs::write(&rules, QUICK_RULES).unwrap();
    send_signal(rig.pid(), "HUP").await.unwrap();
    eventually("its fault ends with it", || async {
        rig.get("/api/v1/faults?active=true").await.unwrap()["items"].as_array().is_some_and(Vec::is_empty)
    })
    .await
    .unwrap();
    send_signal(agent.pid(), "HUP").await.unwrap();
    eventually("the agent reloads", || async {
        agent.log().contains("read anew") && agent.status().await.is_ok_and(|s| s.connected)
    })
    .await
    .unwrap();
    agent.stop().await.unwrap();
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_away_is_replayed_whole_and_its_old_faults_wake_nobody() {
    let sinks = sinks(|_| 200).await;
    let mut rig = rig(&sinks, "");
    rig.start().await.unwrap();
    let identity = rig.enrol(1).await.unwrap().remove(0);
    // A simulated day at 10 s through the agent's own backlog: bounded ring, spool on disk, replay in order.
    let dir = rig.dir().join("spool");
    let limits = ioc_agent::spool::BacklogLimits { ring_max_reports: 360, spool_max_bytes: 64 << 20 };
    let mut backlog = ioc_agent::spool::Backlog::open(dir.clone(), limits);
    let (mut link, known) = Link::open(&identity, 60).await.unwrap();
    let mut machine = Machine::new(identity.device.clone(), "server", 5, known, clock::now());
    let hello = machine.hello(10, 60);
    let (position, kind, payload) = machine.seal(&hello, clock::now(), 0);
    let packet = link.publish(kind, payload);
    link.send(packet).await.unwrap();
    link.committed(position).await.unwrap();
    const REPORTS: u64 = 8640;
    let now = clock::now();
    for number in 0..REPORTS {
        machine.fill_disk((1000..2000).contains(&number).then_some(99.0));
        let age_ms = (REPORTS - number) * 10_000;
        let body = machine.sample();
        machine.position.seq += 1;
        let taken_at = now.plus_millis(-age_ms.cast_signed());
        let (device, position) = (&identity.device, machine.position);
        let head = ioc_common::codec::Head { device, about: None, position, boot: "00000000", taken_at };
        let sealed = ioc_common::codec::seal(head, &body).unwrap();
        backlog.push(ioc_agent::spool::SpooledReport {
            position: machine.position,
            kind: UpKind::Sample,
            taken_ms: number * 10_000,
            boot: "00000000".into(),
            sealed,
        });
    }
    backlog.spill();
    drop(backlog);
    let mut backlog = ioc_agent::spool::Backlog::open(
        dir.clone(),
        ioc_agent::spool::BacklogLimits { ring_max_reports: 360, spool_max_bytes: 64 << 20 },
    );
    let waiting = backlog.size();
    assert_eq!((waiting.on_disk, backlog.losses()), (REPORTS, Default::default()));
    assert!(waiting.disk_bytes < 64 << 20, "bounded");
    let mut cursor = position;
    let last = machine.position;
    while cursor < last {
        for _ in 0..40 {
            let Some(entry) = backlog.next_after(cursor) else { break };
            cursor = entry.position;
            let age = REPORTS * 10_000 - entry.taken_ms;
            let packet = link.publish(entry.kind, entry.sealed.finish(Some(age), None));
            link.queue(packet).unwrap();
        }
        link.flush().await.unwrap();
        link.committed(cursor).await.unwrap();
        backlog.free_through(cursor);
    }
    assert!(backlog.is_empty() && !dir.exists(), "drained and given back");
    let faults = rig.get("/api/v1/faults").await.unwrap()["items"].as_array().unwrap().clone();
    assert!(!faults.is_empty() && faults.iter().all(|fault| fault["state"] == "past"), "{faults:?}");
    assert!(rig.get("/api/v1/incidents").await.unwrap()["items"].as_array().unwrap().is_empty());
    assert_eq!(sinks.hooks.lock().unwrap().len(), 0);
    rig.stop().await.unwrap();
    let store = ioc_store::open(&rig.data()).unwrap();
    let rows = store.reader().unwrap().rows(&identity.device, 0).unwrap();
    assert_eq!(rows.len() as u64, REPORTS);
    assert!(rows.windows(2).all(|two| two[0].at < two[1].at), "in the order they were taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_spools_while_the_collector_is_away_and_catches_up() {
    let sinks = sinks(|_| 200).await;
    let mut rig = rig(&sinks, "");
    rig.start().await.unwrap();
    let mut agent = rig.agent("away", "[report]\ninterval = \"1s\"\n[spool]\nspill_after = \"2s\"\n").await.unwrap();
    agent.start().unwrap();
    eventually("live", || async { state_of(&rig, "away").await == "live" }).await.unwrap();
    rig.stop().await.unwrap();
    eventually("spooled", || async { agent.status().await.is_ok_and(|status| status.waiting_on_disk >= 4) })
        .await
        .unwrap();
    // Stopped and started while the collector is away: what was spooled goes first.
    agent.stop().await.unwrap();
    agent.start().unwrap();
    rig.start().await.unwrap();
    eventually("caught up", || async {
        agent
            .status()
            .await
            .is_ok_and(|status| status.connected && status.waiting_on_disk == 0 && status.committed.seq > 0)
    })
    .await
    .unwrap();
    assert_eq!(agent.status().await.unwrap().losses, Default::default());
    agent.stop().await.unwrap();
    rig.stop().await.unwrap();
    let store = ioc_store::open(&rig.data()).unwrap();
    let rows = store.reader().unwrap().rows(&"away".parse().unwrap(), 0).unwrap();
    let epochs: std::collections::BTreeSet<u64> = rows.iter().map(|row| row.position.epoch).collect();
    assert_eq!(epochs.len(), 2);
    // One sample a second, and none is missing but for the moment of the restart.
    let gaps = rows.windows(2).filter(|two| two[1].at.millis_since(two[0].at) > 2500).count();
    assert!(gaps <= 1, "{gaps} gaps in {} rows", rows.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_lines_explain_themselves() {
    let mut rig = Rig::new("");
    let run = |arguments: Vec<String>| async move {
        let output = tokio::process::Command::new(binary("ioc-collector")).args(arguments).output().await.unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let config = rig.dir().join("collector.toml").to_str().unwrap().to_owned();
    rig.configure(ToOwned::to_owned);
    let with = |rest: &[&str]| {
        [vec!["--config".to_owned(), config.clone()], rest.iter().map(|word| (*word).to_owned()).collect()].concat()
    };
    let (ok, text) = run(with(&["device", "list"])).await;
    assert!(!ok && text.contains("mend:") && text.contains("systemctl start"), "{text}");
    let (ok, text) = run(with(&["prepare"])).await;
    assert!(ok && text.contains("first-password"), "{text}");
    let (ok, text) = run(with(&["prepare"])).await;
    assert!(ok && text.contains("nothing was changed"), "{text}");
    let (ok, text) = run(with(&["check-config"])).await;
    let rules = ioc_engine::config::DEFAULT_RULES.matches("[[rule]]").count();
    assert!(ok && text.contains(&format!("{rules} rules")), "{text}");
    rig.start().await.unwrap();
    let (ok, text) = run(with(&["enrol", "token", "new", "--name", "x", "--kind", "toaster"])).await;
    assert!(!ok && text.contains("toaster") && text.contains("workstation"), "{text}");
    let token = rig
        .post("/api/v1/tokens", json!({ "name": "once", "kind": "server", "device": "once" }))
        .await
        .unwrap()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let agent = Agent::new(&rig.dir().join("once"), "").unwrap();
    agent.enrol(&rig.server(), &token).await.unwrap();
    let second = Agent::new(&rig.dir().join("twice"), "").unwrap();
    let refused = second.enrol(&rig.server(), &token).await.unwrap_err().to_string();
    assert!(refused.contains("has been used"), "{refused}");
    // A token made for another authority: someone in between, or the wrong address.
    let mut other = Rig::new("");
    other.start().await.unwrap();
    let foreign = other.post("/api/v1/tokens", json!({ "name": "x", "kind": "server" })).await.unwrap()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let refused = second.enrol(&rig.server(), &foreign).await.unwrap_err().to_string();
    assert!(refused.contains("someone is in between"), "{refused}");
    let (ok, text) = run(with(&["device", "show", "nobody"])).await;
    assert!(!ok && text.contains("there is no device nobody"), "{text}");
    let lost = Agent::new(&rig.dir().join("lost"), "").unwrap();
    let output = lost.command().arg("run").output().await.unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("not enrolled"));
    let output = lost.command().args(["report", "--once", "--json"]).output().await.unwrap();
    let preview: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(preview["numbers"].as_object().unwrap().len() > 40);
    let refused = lost.enrol(&format!("localhost:{}", free_port()), &token).await.unwrap_err().to_string();
    assert!(refused.contains("mend: check address"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_and_other_sites_cannot_act_for_them() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let password = std::fs::read_to_string(rig.data().join("first-password")).unwrap();
    let base = format!("https://localhost:{}", rig.web);
    let curl = |arguments: Vec<String>| async move {
        let output = tokio::process::Command::new("curl")
            .args(["-sk", "-w", "\n%{http_code}"])
            .args(arguments)
            .output()
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.to_owned(), body.to_owned())
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let (status, body) = curl(words(&[&format!("{base}/api/v1/devices")])).await;
    assert!(status == "401" && body.contains("\"status\":401"), "{body}");
    let (status, _) = curl(words(&[&format!("{base}/")])).await;
    assert_eq!(status, "303", "a person is led to the sign-in page");
    let jar = rig.dir().join("jar").to_str().unwrap().to_owned();
    let json = "content-type: application/json";
    let wrong = r#"{"name":"admin","password":"wrong"}"#;
    let (status, _) = curl(words(&["-H", json, "-d", wrong, &format!("{base}/api/v1/session")])).await;
    assert_eq!(status, "401");
    let right = json!({ "name": "admin", "password": password.trim() }).to_string();
    let (status, _) = curl(words(&["-c", &jar, "-H", json, "-d", &right, &format!("{base}/api/v1/session")])).await;
    assert_eq!(status, "204");
    let (status, body) = curl(words(&["-b", &jar, &format!("{base}/")])).await;
    assert!(status == "200" && body.contains("Chưa có thiết bị nào"), "{body}");
    let device = r#"{"name":"x","kind":"server"}"#;
    let (status, _) = curl(words(&[
        "-b",
        &jar,
        "-H",
        "origin: https://evil.example",
        "-H",
        json,
        "-d",
        device,
        &format!("{base}/api/v1/tokens"),
    ]))
    .await;
    assert_eq!(status, "403", "another site cannot act");
    let (status, _) = curl(words(&["-b", &jar, "-H", json, "-d", device, &format!("{base}/api/v1/tokens")])).await;
    assert_eq!(status, "201");
    let reset = words(&["-b", &jar, "-X", "POST", &format!("{base}/api/v1/accounts/admin/reset")]);
    let (status, body) = curl(reset.clone()).await;
    assert!(status == "403" && body.contains("second factor"), "{body}");
    ioc_tests::second_factor::set_up_and_show(&rig, std::path::Path::new(&jar), password.trim()).await;
    let (status, _) = curl(reset).await;
    assert_eq!(status, "409", "one's own password is changed by knowing it, or reset on the machine");
    let headers = tokio::process::Command::new("curl").args(["-skI", &format!("{base}/login")]).output().await.unwrap();
    let headers = String::from_utf8_lossy(&headers.stdout).to_lowercase();
    assert!(
        headers.contains("content-security-policy: default-src 'none'") && headers.contains("nosniff"),
        "{headers}"
    );
    for _ in 0..5 {
        curl(words(&["-H", json, "-d", wrong, &format!("{base}/api/v1/session")])).await;
    }
    let (status, body) = curl(words(&["-H", json, "-d", &right, &format!("{base}/api/v1/session")])).await;
    assert!(status == "429" && body.contains("try again in"), "{body}");
    let (status, _) = curl(words(&["-b", &jar, "-X", "DELETE", &format!("{base}/api/v1/session")])).await;
    assert_eq!(status, "204");
    let (status, _) = curl(words(&["-b", &jar, &format!("{base}/api/v1/devices")])).await;
    assert_eq!(status, "401", "signed out");
    rig.stop().await.unwrap();
}
