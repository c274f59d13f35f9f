//! The history of documents: a machine's accounts, ports and software change, and pages, API, CSV and the archive of records say how it was
//! before, what changed, and what differs; who may not see people sees none of them.

#![allow(clippy::disallowed_methods, reason = "a test")]

use std::process::{Command, Stdio};
use std::time::Duration;

use ioc_common::clock::{self, Timestamp};
use ioc_common::document::Json;
use ioc_common::report::{Body, StateReport};
use ioc_common::software::{self, Item};
use ioc_tests::harness::{Rig, binary};
use ioc_tests::identity::Identity;
use ioc_tests::link::Link;
use ioc_tests::machine::Machine;
use serde_json::{Value, json};

struct Sender {
    link: Link,
    machine: Machine,
}

impl Sender {
    async fn begin(rig: &Rig, id: &str) -> Self {
        let about = json!({ "device": id, "kind": "server", "name": format!("Máy {id}"), "place": "Phòng máy" });
        let identity = Identity::enrol(&rig.runtime(), &rig.server(), &about).await.unwrap();
        let (link, known) = Link::open(&identity, 60).await.unwrap();
        let machine = Machine::new(identity.device.clone(), "server", 1, known, clock::now());
        let hello = machine.hello(10, 60);
        let mut sender = Self { link, machine };
        sender.send(vec![hello]).await;
        sender
    }

    async fn send(&mut self, bodies: Vec<Body>) {
        for body in bodies {
            let (position, kind, payload) = self.machine.seal(&body, clock::now(), 0);
            let packet = self.link.publish(kind, payload);
            self.link.send(packet).await.unwrap();
            assert_eq!(self.link.committed(position).await.unwrap().refused, None);
        }
    }
}

fn document(name: &str, doc: &Value) -> Body {
    Body::State(StateReport::Document { name: name.to_owned(), doc: Json::of(doc).unwrap() })
}

fn accounts(minh_is_administrator: bool) -> Body {
    let groups: &[&str] = if minh_is_administrator { &["group sudo"] } else { &[] };
    let all = json!([
        { "name": "lan", "administrator": true, "by": ["group sudo"] },
        { "name": "minh", "administrator": minh_is_administrator, "by": groups },
    ]);
    document("accounts", &json!({ "accounts": all, "people": 2 }))
}

fn ports(all: &[&str]) -> Body {
    let all: Vec<Value> = all.iter().map(|port| json!({ "port": port, "address": "*", "program": "sshd" })).collect();
    document("protection", &json!({ "firewall": true, "listening": all }))
}

fn items(version: &str) -> Vec<Item> {
    let item = |name: &str, version: &str| Item {
        source: "dpkg".into(),
        name: name.into(),
        version: version.into(),
        ..Item::default()
    };
    vec![item("bash", "5.2"), item("openssh-server", version)]
}

/// A moment behind everything so far, and before everything that comes.
async fn between() -> Timestamp {
    tokio::time::sleep(Duration::from_millis(30)).await;
    let now = clock::now();
    tokio::time::sleep(Duration::from_millis(30)).await;
    now
}

async fn as_of(rig: &Rig, id: &str, at: Timestamp) -> Value {
    rig.get(&format!("/api/v1/devices/{id}/documents/as-of?at={at}")).await.unwrap()
}

fn named<'v>(all: &'v Value, name: &str) -> &'v Value {
    all.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap_or(&Value::Null)
}

struct Reader {
    base: String,
    jar: std::path::PathBuf,
}

impl Reader {
    /// Someone of a role, signed in with a password of their own.
    async fn of(rig: &Rig, role: &str) -> Self {
        let made = rig.post("/api/v1/accounts", json!({ "name": role, "role": role })).await.unwrap();
        let first = made["password"].as_str().unwrap();
        let base = format!("https://localhost:{}", rig.web);
        let reader = Self { base, jar: rig.dir().join(format!("{role}.jar")) };
        let session = json!({ "name": role, "password": first });
        reader.ask("/api/v1/session", Some(session)).await;
        reader.ask("/api/v1/account/password", Some(json!({ "present": first, "new": "correct horse battery" }))).await;
        reader
    }

    async fn ask(&self, path: &str, body: Option<Value>) -> String {
        let mut command = tokio::process::Command::new("curl");
        command.args(["-ks", "-m", "40", "-w", "\n%{http_code}", "-H", "accept-language: vi"]);
        command.arg("-b").arg(&self.jar).arg("-c").arg(&self.jar).arg(format!("{}{path}", self.base));
        if let Some(body) = body {
            command.args(["-X", "POST", "-H", "content-type: application/json", "-d", &body.to_string()]);
        }
        let output = command.output().await.expect("curl runs");
        let text = String::from_utf8(output.stdout).unwrap();
        let (text, status) = text.rsplit_once('\n').unwrap();
        assert!(["200", "204"].contains(&status), "{path}: {status} {text}");
        text.to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_shown_as_it_was_and_what_changed_is_told() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let mut sender = Sender::begin(&rig, "srv-1").await;
    let mut other = Sender::begin(&rig, "srv-2").await;
    let before = between().await;
    sender.send(vec![accounts(false), ports(&["tcp/22"])]).await;
    sender.send(software::reports(None, items("1:9.2")).into_iter().map(Body::Software).collect()).await;
    other.send(vec![accounts(false), ports(&["tcp/22", "tcp/443"])]).await;
    let then = between().await;
    // What is said again changes nothing; then it does.
    sender.send(vec![accounts(false), ports(&["tcp/22"]), accounts(true), ports(&["tcp/22", "tcp/8080"])]).await;
    let difference = software::reports(Some(&items("1:9.2")), items("1:9.9"));
    sender.send(difference.into_iter().map(Body::Software).collect()).await;
    let now = between().await;

    for turn in ["before", "after a restart"] {
        let unknown = as_of(&rig, "srv-1", before).await;
        assert!(
            unknown.as_array().unwrap().iter().all(|one| one["state"] == "unknown" && one["doc"].is_null()),
            "{turn}: {unknown}"
        );
        let (was, is) = (as_of(&rig, "srv-1", then).await, as_of(&rig, "srv-1", now).await);
        let minh = |all: &Value| named(all, "accounts")["doc"]["accounts"][1]["administrator"].clone();
        assert_eq!((minh(&was), minh(&is)), (json!(false), json!(true)), "{turn}: {was}");
        assert!(named(&was, "accounts")["until"].is_string() && named(&is, "accounts")["until"].is_null());
        let version = |all: &Value| named(all, "software")["doc"]["items"][1]["version"].clone();
        assert_eq!((version(&was), version(&is)), (json!("1:9.2"), json!("1:9.9")));
        let changes = rig.get(&format!("/api/v1/devices/srv-1/documents/changes?from={then}")).await.unwrap();
        let told: Vec<&str> =
            changes["items"].as_array().unwrap().iter().filter_map(|one| one["document"].as_str()).collect();
        assert_eq!(told, ["software", "protection", "accounts"], "{turn}: {changes}");
        let added = &changes["items"][2]["differences"];
        assert!(
            added.to_string().contains("/accounts/[name=minh]/by") && added.to_string().contains("group sudo"),
            "{added}"
        );
        let compared =
            rig.get(&format!("/api/v1/devices/srv-1/documents/compare?at={then}&with_at={now}")).await.unwrap();
        let port = compared.as_array().unwrap().iter().find(|one| one["left"]["name"] == "protection").unwrap();
        assert_eq!(port["differences"][0]["new"]["port"], json!("tcp/8080"));
        let two = rig.get(&format!("/api/v1/devices/srv-1/documents/compare?at={now}&with=srv-2")).await.unwrap();
        assert!(two.to_string().contains("tcp/443"), "{two}");
        if turn == "before" {
            rig.stop().await.unwrap();
            rig.start().await.unwrap();
        }
    }

    pages_say_it(&rig, then, now).await;
    only_who_may_sees_people(&rig, then).await;

    // The archive of an investigation has the changes of the period.
    let made = Command::new(binary("ioc-collector"))
        .arg("--config")
        .arg(rig.dir().join("collector.toml"))
        .args(["records", "export"])
        .args(["--from", &then.to_string(), "--to", "2100-01-01T00:00:00Z", "--device", "srv-1", "--to-file"])
        .arg(rig.dir().join("all.tar"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let lines = Command::new("tar").arg("-xOf").arg(rig.dir().join("all.tar")).arg("changes.jsonl").output().unwrap();
    let lines = String::from_utf8(lines.stdout).unwrap();
    assert!(lines.lines().count() == 3 && lines.contains("group sudo") && lines.contains("tcp/8080"), "{lines}");
    rig.stop().await.unwrap();
}

async fn pages_say_it(rig: &Rig, then: Timestamp, now: Timestamp) {
    let reader = Reader::of(rig, "technician").await;
    let page = reader.ask("/devices/srv-1", None).await;
    assert!(page.contains("action=\"/devices/srv-1/past\"") && page.contains("/devices/srv-1/changes"), "{page}");
    let page = reader.ask(&format!("/devices/srv-1/past?at={then}"), None).await;
    assert!(page.contains("Đây là tình trạng đã qua") && page.contains("như vậy từ"), "{page}");
    assert!(page.contains("minh") && page.contains("tcp/22") && !page.contains("tcp/8080"), "{page}");
    let page = reader.ask("/devices/srv-1/past?at=01%2F02%2F2020+08:30", None).await;
    assert!(page.contains("Chưa biết vào lúc đó") && !page.contains("minh"), "{page}");
    let page = reader.ask("/devices/srv-1/changes", None).await;
    for said in [
        "tài khoản minh được thêm vào nhóm sudo",
        "tài khoản minh có quyền quản trị",
        "mở cổng tcp/8080",
        "openssh-server: từ 1:9.2 lên 1:9.9",
        "Lần đầu được biết",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let page = reader.ask("/devices/srv-1/changes?document=protection", None).await;
    assert!(page.contains("tcp/8080") && !page.contains("openssh"), "{page}");
    let page = reader.ask(&format!("/devices/srv-1/compare?at={then}&with_at={now}"), None).await;
    assert!(page.contains("tài khoản minh được thêm vào nhóm sudo"), "{page}");
    let csv = reader.ask("/api/v1/devices/srv-1/documents/changes.csv", None).await;
    assert!(csv.contains("/accounts/[name=minh]/by") && csv.contains("được thêm vào nhóm sudo"), "{csv}");
}

async fn only_who_may_sees_people(rig: &Rig, then: Timestamp) {
    let reader = Reader::of(rig, "viewer").await;
    for path in [
        format!("/api/v1/devices/srv-1/documents/as-of?at={then}"),
        "/api/v1/devices/srv-1/documents/changes".to_owned(),
        "/api/v1/devices/srv-1/documents/changes.csv".to_owned(),
        format!("/api/v1/devices/srv-1/documents/compare?at={then}"),
        format!("/devices/srv-1/past?at={then}"),
        "/devices/srv-1/changes".to_owned(),
        format!("/devices/srv-1/compare?at={then}"),
    ] {
        let text = reader.ask(&path, None).await;
        assert!(!text.contains("minh") && text.contains("tcp/"), "{path}: {text}");
    }
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap();
    let by = |name: &str| {
        let records = log["items"].as_array().unwrap().iter();
        records.filter(|one| one["action"] == "personal.read" && one["actor"] == name).count()
    };
    assert_eq!((by("viewer"), by("technician")), (0, 1), "that people were looked at is recorded: {log}");
}
