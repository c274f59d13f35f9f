//! From a fault to a person and back, with real parts: aiosmtpd as the mail server, Debian's Alertmanager, curl as the telephone.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use ioc_tests::harness::{Rig, binary, eventually, free_port, python};
use ioc_tests::sink::{self, Hook, Received};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

const RULES: &str = r#"
[[rule]]
id = "device-silent"
kind = "silent"
article = "6.2"
severity = "critical"
title = { vi = "Thiết bị mất liên lạc", en = "Device silent" }
advice = { vi = "Kiểm tra nguồn.", en = "Check the power." }
"#;

const PLAN: &str = r#"
[[person]]
id = "lan"
name = "Nguyễn Thị Lan"
contact = [{ channel = "duty-mail", address = "lan@ioc.test" }, { channel = "sms", address = "+84 9" }]
[[person]]
id = "chief"
name = "Trần Thị Bình"
language = "en"
contact = [{ channel = "duty-mail", address = "chief@ioc.test" }]
[[person]]
id = "gone"
name = "Người đã nghỉ"
contact = [{ channel = "duty-mail", address = "nobody@ioc.test" }]
[[rota]]
id = "truc-ban"
layer = [{ people = ["lan"], start = "2020-01-06T07:00" }]
[[policy]]
id = "default"
step = [{ after = "0s", to = ["rota:truc-ban"] }, { after = "3s", to = ["person:chief", "person:gone"] }]
[[route]]
policy = "default"
"#;

/// A program that ends with the test.
struct Peer(#[expect(dead_code, reason = "held until the test ends")] Child);

fn peer(mut command: Command) -> Peer {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    Peer(command.spawn().unwrap_or_else(|error| panic!("{error}; scripts/test installs what is needed")))
}

/// A rig with a mail server, an SMS gateway whose answers are the test's to choose, and a webhook.
struct Scene {
    rig: Rig,
    sms: Received<Hook>,
    hooks: Received<Hook>,
    mails: PathBuf,
    _dir: tempfile::TempDir,
    _smtp: Peer,
}

async fn http(answer: fn(usize) -> u16) -> (u16, Received<Hook>) {
    let kept: Received<Hook> = Received::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(sink::webhooks(listener, Arc::clone(&kept), answer, false));
    (port, kept)
}

/// aiosmtpd on a port of its own choice.
async fn mail_server(mails: &Path) -> (u16, Peer) {
    let mut command = Command::new(python());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/smtp_sink.py")).arg(mails);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{error}; scripts/test installs what is needed"));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.next_line().await.unwrap().expect("aiosmtpd starts; scripts/test installs it");
    (port.parse().unwrap(), Peer(child))
}

async fn scene(sms_answer: fn(usize) -> u16, extra: &str) -> Scene {
    let ((sms_port, sms), (hook_port, hooks)) = (http(sms_answer).await, http(|_| 200).await);
    let dir = tempfile::tempdir().unwrap();
    let mails = dir.path().join("mails.jsonl");
    let (smtp_port, smtp) = mail_server(&mails).await;
    let channels = format!(
        r#"
[[channel]]
name = "duty-mail"
type = "smtp"
server = "127.0.0.1:{smtp_port}"
tls = "none"
from = "IOC <ioc@ioc.test>"
[[channel]]
name = "hook"
type = "webhook"
url = "http://127.0.0.1:{hook_port}/hook"
[[channel]]
name = "sms"
type = "http"
url = "http://127.0.0.1:{sms_port}/send?to={{{{address}}}}"
content_type = "application/x-www-form-urlencoded"
body = "text={{{{short}}}}"
success = "taken"
fallback = "hook"
{extra}"#
    );
    let rig = Rig::new(&format!("[rules]\nfile = \"rules.toml\"\n[duty]\nfile = \"duty.toml\"\n{channels}"));
    std::fs::write(rig.dir().join("rules.toml"), RULES).unwrap();
    std::fs::write(rig.dir().join("duty.toml"), PLAN).unwrap();
    Scene { rig, sms, hooks, mails, _dir: dir, _smtp: smtp }
}

impl Scene {
    fn mails(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.mails).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn mail_to(&self, address: &str, word: &str) -> Option<Value> {
        let fits =
            |mail: &Value| mail["to"][0] == address && mail["subject"].as_str().is_some_and(|s| s.contains(word));
        self.mails().into_iter().find(fits)
    }

    /// What a telephone does with a link: status and page.
    async fn open(&self, link: &str, method: &str) -> (String, String) {
        let output = Command::new("curl")
            .args(["-ks", "-X", method, "-w", "\n%{http_code}", link])
            .output()
            .await
            .expect("curl runs; scripts/test installs it");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (page, status) = text.rsplit_once('\n').unwrap();
        (status.to_owned(), page.to_owned())
    }
}

async fn state_of(rig: &Rig) -> String {
    rig.get("/api/v1/incidents/1").await.unwrap()["state"].as_str().unwrap_or_default().to_owned()
}

async fn refused(rig: &Rig, path: &str, body: Value) -> String {
    rig.post(path, body).await.expect_err("refused").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_told_takes_it_from_the_notice_and_the_gates_stand() {
    let mut scene = scene(|_| 200, "").await;
    scene.rig.start().await.unwrap();
    let mut agent =
        scene.rig.agent("srv-01", "[report]\ninterval = \"1s\"\n[collector]\nkeep_alive = \"5s\"").await.unwrap();
    agent.start().unwrap();
    let live = || async { scene.rig.get("/api/v1/devices/srv-01").await.unwrap()["state"] == "live" };
    eventually("live", live).await.unwrap();
    agent.kill().await.unwrap();
    eventually("Lan has her mail", || async { scene.mail_to("lan@ioc.test", "NGHIÊM TRỌNG").is_some() }).await.unwrap();
    eventually("and her SMS", || async { !scene.sms.lock().unwrap().is_empty() }).await.unwrap();
    let mail = scene.mail_to("lan@ioc.test", "NGHIÊM TRỌNG").unwrap();
    let body = mail["body"].as_str().unwrap();
    assert!(body.contains("Kiểm tra nguồn.") && !body.contains("Check the power."), "in her language alone: {body}");
    assert!(scene.sms.lock().unwrap()[0].body.contains("%2Fa%2F1."), "the link is in the SMS, too");

    // Nobody takes it, so the chief is told; the mailbox that is gone is given up, and said.
    eventually("the chief", || async { scene.mail_to("chief@ioc.test", "NOBODY HAS TAKEN IT").is_some() })
        .await
        .unwrap();
    let link = body.split("Bấm để tiếp nhận: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let (status, page) = scene.open(&link, "GET").await;
    assert!(status == "200" && page.contains("Tiếp nhận – Nguyễn Thị Lan"), "{status} {page}");
    assert_eq!(state_of(&scene.rig).await, "open", "looking takes nothing: chats preview links");
    assert_eq!(scene.open(&link.replace(".lan.", ".chief."), "POST").await.0, "404", "forged");
    assert_eq!(scene.open(&link, "POST").await.0, "303");
    assert_eq!(state_of(&scene.rig).await, "acknowledged");
    let (_, page) = scene.open(&link, "GET").await;
    assert!(page.contains("<b>Nguyễn Thị Lan</b>") && !page.contains("<button class=\"primary\">"), "{page}");

    let act = "/api/v1/incidents/1/actions";
    let shut = refused(&scene.rig, act, json!({ "action": "repair", "safety": "off" })).await;
    assert!(shut.contains("409") && shut.contains("10.2a"), "{shut}");
    let repair = json!({ "action": "repair", "backup": "tape 7", "safety": "power is off" });
    scene.rig.post(act, repair).await.unwrap();
    // A restart in the middle forgets nothing.
    scene.rig.kill().await.unwrap();
    scene.rig.start().await.unwrap();
    agent.start().unwrap();
    eventually("resolved", || async { state_of(&scene.rig).await == "resolved" }).await.unwrap();
    let end = || async { scene.mail_to("chief@ioc.test", "RESOLVED").is_some() };
    eventually("whoever was told is told of the end", end).await.unwrap();
    let shut = refused(&scene.rig, act, json!({ "action": "close", "course": "x" })).await;
    assert!(shut.contains("10.2c"), "{shut}");
    scene.rig.post(act, json!({ "action": "close", "course": "A fuse.", "remedy": "A new fuse." })).await.unwrap();
    let incident = scene.rig.get("/api/v1/incidents/1").await.unwrap();
    assert_eq!(incident["record"]["repair"]["backup"], "tape 7");
    let dead = incident["notices"].as_array().unwrap().iter().find(|one| one["person"] == "gone").unwrap();
    assert!(dead["state"] == "dead" && dead["last_error"].as_str().unwrap().contains("550"), "{dead}");
    scene.rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_channel_cannot_deliver_goes_the_other_way_and_many_are_one() {
    // The gateway refuses the first message for good, and takes all others.
    let mut scene = scene(|before| if before == 0 { 403 } else { 200 }, "").await;
    scene.rig.start().await.unwrap();
    let open = |title: &str| json!({ "title": title, "severity": "critical" });
    scene.rig.post("/api/v1/incidents", open("Khói")).await.unwrap();
    let via = |hooks: &Received<Hook>| {
        let keys: Vec<String> = hooks
            .lock()
            .unwrap()
            .iter()
            .flat_map(|hook| hook.headers.clone())
            .filter(|(name, _)| name == "idempotency-key")
            .map(|(_, key)| key)
            .collect();
        keys.iter().any(|key| key.ends_with("-via-hook"))
    };
    eventually("the fallback", || async { via(&scene.hooks) }).await.unwrap();
    let incident = scene.rig.get("/api/v1/incidents/1").await.unwrap();
    let sms = incident["notices"].as_array().unwrap().iter().find(|one| one["channel"] == "sms").unwrap().clone();
    assert_eq!(sms["state"], "dead", "{sms}");

    // Many at once are few messages, and nothing is left out.
    for number in 0..12 {
        scene.rig.post("/api/v1/incidents", open(&format!("Sự cố {number}"))).await.unwrap();
    }
    let all = || async {
        (0..12).all(|number| scene.mails().iter().any(|mail| format!("{mail}").contains(&format!("Sự cố {number}"))))
    };
    eventually("each is in a mail", all).await.unwrap();
    let ids: Vec<String> = scene.mails().iter().map(|mail| mail["message_id"].to_string()).collect();
    let mut once = ids.clone();
    once.dedup();
    assert_eq!(ids, once, "none came twice");
    scene.rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn alertmanagers_alerts_become_incidents_and_end() {
    let mut scene = scene(|_| 200, "[[source]]\nname = \"am\"\ntoken_file = \"TOKEN\"\n").await;
    let token = scene.rig.dir().join("am.token");
    std::fs::write(&token, "s3cret\n").unwrap();
    scene.rig.configure(|config| config.replace("TOKEN", token.to_str().unwrap()));
    scene.rig.start().await.unwrap();
    scene.rig.post("/api/v1/devices", json!({ "device": "srv-07", "kind": "server", "name": "Máy 7" })).await.unwrap();
    let web = scene.rig.web;
    let config = format!(
        r"
route: {{ receiver: ioc, group_wait: 0s, group_interval: 1s, repeat_interval: 1h }}
receivers:
- name: ioc
  webhook_configs:
  - url: https://localhost:{web}/api/v1/alerts/am
    http_config:
      authorization: {{ credentials: s3cret }}
      tls_config: {{ insecure_skip_verify: true }}
"
    );
    let path = scene.rig.dir().join("am.yml");
    std::fs::write(&path, config).unwrap();
    let port = free_port();
    let mut command = Command::new("prometheus-alertmanager");
    command
        .arg(format!("--config.file={}", path.display()))
        .arg(format!("--storage.path={}", scene.rig.dir().join("am").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=");
    let _alertmanager = peer(command);
    let alerts = format!("http://127.0.0.1:{port}/api/v2/alerts");
    let post = |ends: Option<&'static str>| {
        let mut alert = json!({ "labels": { "alertname": "HighLatency", "severity": "critical", "instance": "srv-07:9100" },
            "annotations": { "summary": "Latency is high", "description": "p99 is 2 s" } });
        if let Some(ends) = ends {
            alert["endsAt"] = json!(ends);
        }
        let (alerts, body) = (alerts.clone(), json!([alert]).to_string());
        async move {
            let status = Command::new("curl")
                .args(["-sf", "-H", "content-type: application/json", "-d", &body, &alerts])
                .stdout(Stdio::null())
                .status();
            status.await.unwrap().success()
        }
    };
    eventually("Alertmanager takes the alert", || post(None)).await.unwrap();
    let incident = || async { scene.rig.get("/api/v1/incidents/1").await.unwrap_or_default() };
    eventually("an incident", || async { incident().await["state"] == "open" }).await.unwrap();
    let opened = incident().await;
    assert_eq!((opened["device"].as_str(), opened["rule"].as_str()), (Some("srv-07"), Some("am/HighLatency")));
    assert_eq!((&opened["severity"], &opened["reason"]["en"]), (&json!("critical"), &json!("p99 is 2 s")));
    assert!(post(Some("2020-01-01T00:00:00Z")).await);
    eventually("its end", || async { incident().await["state"] == "resolved" }).await.unwrap();
    // Without the token nothing is taken.
    let url = format!("https://localhost:{}/api/v1/alerts/am", scene.rig.web);
    let bare = Command::new("curl")
        .args(["-ks", "-H", "content-type: application/json", "-d", "{\"alerts\":[]}", &url])
        .output();
    assert!(String::from_utf8_lossy(&bare.await.unwrap().stdout).contains("401"));
    scene.rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_stand_ins_and_files_are_kept_and_a_hole_in_the_plan_is_told() {
    let mut scene = scene(|_| 200, "").await;
    scene.rig.start().await.unwrap();
    for id in ["db-1", "db-2"] {
        let body = json!({ "device": id, "kind": "server", "name": id, "redundancy": "db" });
        scene.rig.post("/api/v1/devices", body).await.unwrap();
    }
    let set = |device: &'static str, change: &'static str| {
        let config = scene.rig.dir().join("collector.toml");
        async move {
            let mut command = Command::new(binary("ioc-collector"));
            let output =
                command.arg("--config").arg(config).args(["device", "set", device, change]).output().await.unwrap();
            (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
        }
    };
    assert!(set("db-1", "uplink=db-2").await.0 && set("db-1", "importance=high").await.0);
    let known = scene.rig.get("/api/v1/devices/db-1").await.unwrap();
    assert_eq!(
        (&known["uplink"], &known["importance"], &known["redundancy"]),
        (&json!("db-2"), &json!("high"), &json!("db"))
    );
    let (done, why) = set("db-2", "uplink=db-1").await;
    assert!(!done && why.contains("behind itself"), "{why}");
    let (done, why) = set("db-2", "colour=red").await;
    assert!(!done && why.contains("colour=red"), "{why}");
    let window = |device: &str, overrule: bool| {
        let when = json!({ "kind": "once", "from": "2100-01-01T00:00:00Z", "until": "2100-01-01T02:00:00Z" });
        json!({ "title": "patch", "scope": { "devices": [device] }, "when": when, "overrule": overrule })
    };
    scene.rig.post("/api/v1/windows", window("db-1", false)).await.unwrap();
    let warned = refused(&scene.rig, "/api/v1/windows", window("db-2", false)).await;
    assert!(warned.contains("409") && warned.contains("redundant partner db-1"), "{warned}");
    scene.rig.post("/api/v1/windows", window("db-2", true)).await.unwrap();
    let cover = json!({ "rota": "truc-ban", "person": "chief", "from": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z" });
    let long = refused(&scene.rig, "/api/v1/duty/covers", cover).await;
    assert!(long.contains("at most a year"), "{long}");
    let day = ioc_common::clock::now().plus_secs(86_400).to_string();
    let cover = json!({ "rota": "truc-ban", "person": "chief", "from": "2026-01-01T00:00:00Z", "until": day });
    scene.rig.post("/api/v1/duty/covers", cover).await.unwrap();
    // Two swap their shifts: both or neither.
    let shift = |days: u64, person: &str| {
        let from = ioc_common::clock::now().plus_secs(days * 86_400);
        format!("truc-ban|{}|{}|{person}", from.as_millis(), from.plus_secs(28_800).as_millis())
    };
    let same = json!({ "first": shift(5, "lan"), "second": shift(6, "lan") });
    assert!(refused(&scene.rig, "/api/v1/duty/swaps", same).await.contains("same person"));
    let half = json!({ "first": shift(5, "lan"), "second": shift(6, "stranger") });
    assert!(refused(&scene.rig, "/api/v1/duty/swaps", half).await.contains("stranger"));
    let swap = json!({ "first": shift(5, "lan"), "second": shift(6, "chief"), "note": "đám cưới" });
    scene.rig.post("/api/v1/duty/swaps", swap).await.unwrap();
    let covers = scene.rig.get("/api/v1/duty").await.unwrap()["covers"].clone();
    let who: Vec<&str> = covers.as_array().unwrap().iter().skip(1).filter_map(|one| one["person"].as_str()).collect();
    assert_eq!(who, ["chief", "lan"], "{covers}");
    scene.rig.kill().await.unwrap();
    scene.rig.start().await.unwrap();
    assert_eq!(scene.rig.get("/api/v1/windows").await.unwrap().as_array().unwrap().len(), 2);
    assert_eq!(scene.rig.get("/api/v1/duty").await.unwrap()["rotas"][0]["on_duty"], json!(["chief"]));
    // The plan loses its people: that is an incident, and the hook that carries all is told.
    let plan = scene.rig.dir().join("duty.toml");
    std::fs::write(&plan, PLAN.replace("2020-01-06", "2090-01-06")).unwrap();
    ioc_tests::harness::send_signal(scene.rig.pid(), "HUP").await.unwrap();
    let hole =
        || async { scene.hooks.lock().unwrap().iter().any(|hook| hook.body.contains("The duty plan has a hole")) };
    eventually("the hole is told", hole).await.unwrap();
    std::fs::write(&plan, PLAN).unwrap();
    ioc_tests::harness::send_signal(scene.rig.pid(), "HUP").await.unwrap();
    eventually("and its end", || async { scene.rig.get("/api/v1/incidents/1").await.unwrap()["state"] == "resolved" })
        .await
        .unwrap();
    scene.rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_collector_is_told_by_its_agents_and_so_is_its_return() {
    let (port, alarms) = http(|_| 200).await;
    let mut scene = scene(|_| 200, "").await;
    scene.rig.start().await.unwrap();
    let missed = format!(
        "[report]\ninterval = \"1s\"\n[collector]\nkeep_alive = \"5s\"\n[collector_watchdog]\nafter = \"10s\"\nurl = \"http://127.0.0.1:{port}/alarm\""
    );
    let mut agent = scene.rig.agent("srv-01", &missed).await.unwrap();
    agent.start().unwrap();
    let live = || async { scene.rig.get("/api/v1/devices/srv-01").await.unwrap()["state"] == "live" };
    eventually("live", live).await.unwrap();
    scene.rig.kill().await.unwrap();
    let said = |status: &str| {
        let alarms = alarms.lock().unwrap();
        let bodies = alarms.iter().filter_map(|hook| serde_json::from_str::<Value>(&hook.body).ok());
        bodies.filter(|body| body["status"] == status && body["commonLabels"]["device"] == "srv-01").count()
    };
    eventually("it is missed", || async { said("firing") == 1 }).await.unwrap();
    assert!(agent.log().contains("nobody may be watching"), "{}", agent.log());
    scene.rig.start().await.unwrap();
    eventually("it is back", || async { said("resolved") == 1 }).await.unwrap();
    assert_eq!(said("firing"), 1, "said once");
    agent.stop().await.unwrap();
    scene.rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_is_told_by_topic() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let config = dir.path().join("mosquitto.conf");
    std::fs::write(&config, format!("listener {port} 127.0.0.1\nallow_anonymous true\n")).unwrap();
    let mut command = Command::new("mosquitto");
    command.arg("-c").arg(&config);
    let _broker = peer(command);
    let mut listener = Command::new("mosquitto_sub");
    listener.args(["-p", &port.to_string(), "-t", "ioc/#", "-v", "-q", "1"]);
    listener.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let up = || async { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() };
    eventually("Mosquitto listens", up).await.unwrap();
    let mut listener = listener.spawn().expect("mosquitto_sub is there; scripts/test installs it");
    let mut lines = BufReader::new(listener.stdout.take().unwrap()).lines();
    let topic = "ioc/{{severity}}/{{occasion}}/{{device}}";
    let channel = format!(
        "[[channel]]\nname = \"bus\"\ntype = \"mqtt\"\nserver = \"127.0.0.1:{port}\"\ntls = \"none\"\ntopic = \"{topic}\"\n"
    );
    let mut scene = scene(|_| 200, &channel).await;
    scene.rig.start().await.unwrap();
    let device = json!({ "device": "sw-1", "kind": "other", "name": "Tủ A/1 #2" });
    scene.rig.post("/api/v1/devices", device).await.unwrap();
    let body = json!({ "title": "Khói", "severity": "critical", "device": "sw-1" });
    scene.rig.post("/api/v1/incidents", body).await.unwrap();
    let line =
        tokio::time::timeout(std::time::Duration::from_secs(60), lines.next_line()).await.unwrap().unwrap().unwrap();
    let (topic, body) = line.split_once(" {").unwrap();
    assert_eq!(topic, "ioc/critical/opened/Tủ A-1 -2", "a value makes no level of a topic");
    let body: Value = serde_json::from_str(&format!("{{{body}")).unwrap();
    assert_eq!(body["alerts"][0]["annotations"]["title_vi"], "Khói");
    let delivered = || async {
        let incident = scene.rig.get("/api/v1/incidents/1").await.unwrap();
        let notices = incident["notices"].as_array().unwrap().clone();
        notices.iter().any(|one| one["channel"] == "bus" && one["state"] == "delivered")
    };
    eventually("acknowledged by the broker", delivered).await.unwrap();
    scene.rig.stop().await.unwrap();
}
