//! Each number, document and incident says how far it can be believed (article 17.3), by every way on which information comes in.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use ioc_common::clock;
use ioc_common::report::Body;
use ioc_common::topic::UpKind;
use ioc_tests::harness::{Rig, eventually, within};
use ioc_tests::identity::Identity;
use ioc_tests::link::Link;
use ioc_tests::machine::Machine;
use serde_json::{Value, json};
use tokio::process::Command;

/// Mark, source and the English reasons of something of the API.
fn said(of: &Value) -> (String, String, String) {
    let of = &of["authenticity"];
    let reasons = of["reasons"].as_array().unwrap().iter().map(|text| text["en"].as_str().unwrap());
    let word = |field: &str| of[field].as_str().unwrap().to_owned();
    (word("mark"), word("source"), reasons.collect::<Vec<_>>().join(" "))
}

async fn device(rig: &Rig, id: &str) -> Value {
    rig.get(&format!("/api/v1/devices/{id}")).await.unwrap_or_default()
}

async fn mark(rig: &Rig, id: &str) -> String {
    device(rig, id).await["authenticity"]["mark"].as_str().unwrap_or_default().to_owned()
}

/// A simulated agent with its link.
struct Simulated {
    id: String,
    link: Link,
    machine: Machine,
}

impl Simulated {
    /// With a keep-alive so long that nobody need say that it is still there.
    async fn enrol(rig: &Rig, id: &str, keep_alive_s: u16) -> Self {
        let about = json!({ "device": id, "kind": "display", "name": format!("Máy {id}") });
        let identity = Identity::enrol(&rig.runtime(), &rig.server(), &about).await.unwrap();
        let (link, known) = Link::open(&identity, keep_alive_s).await.unwrap();
        let machine = Machine::new(identity.device.clone(), "display", 1, known, clock::now());
        Self { id: id.to_owned(), link, machine }
    }

    async fn say(&mut self, body: &Body) {
        let (position, kind, payload) = self.machine.seal(body, clock::now(), 0);
        let packet = self.link.publish(kind, payload);
        self.link.send(packet).await.unwrap();
        self.link.committed(position).await.unwrap();
    }

    async fn greet(&mut self, interval_s: u32) {
        let hello = self.machine.hello(interval_s, 600);
        self.say(&hello).await;
        let sample = self.machine.sample();
        self.say(&sample).await;
        if let Some(survey) = self.machine.survey() {
            self.say(&survey).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_and_documents_say_how_far_they_can_be_believed() {
    let mut rig = Rig::new("[[values]]\ndevices = [\"plain-1\"]\nprofile = \"plain\"\n");
    rig.start().await.unwrap();
    let nothing = rig.get("/api/v1/authenticity").await.unwrap();
    assert_eq!(
        (&nothing["total"], &nothing["verified_pct"]),
        (&json!(0), &Value::Null),
        "no numbers are no percentage"
    );

    let mut good = Simulated::enrol(&rig, "srv-good", 600).await;
    good.greet(600).await;
    let (found, source, reasons) = said(&device(&rig, &good.id).await);
    assert_eq!((found.as_str(), source.as_str(), reasons.as_str()), ("verified", "agent", ""));
    let documents = rig.get("/api/v1/devices/srv-good/documents").await.unwrap();
    let marks: Vec<_> = documents.as_array().unwrap().iter().map(|one| said(one).0).collect();
    assert!(!marks.is_empty() && marks.iter().all(|mark| mark == "verified"), "{documents}");

    // A clock that is two minutes ahead.
    let mut ahead = Simulated::enrol(&rig, "srv-ahead", 600).await;
    ahead.machine.clock_ahead_ms = 120_000;
    ahead.greet(600).await;
    let (found, _, reasons) = said(&device(&rig, &ahead.id).await);
    assert!(found == "unverified" && reasons.contains("clock is 1") && reasons.contains("seconds ahead"), "{reasons}");
    // It is set right, and the next report is believed again.
    ahead.machine.clock_ahead_ms = 0;
    let sample = ahead.machine.sample();
    ahead.say(&sample).await;
    assert_eq!(mark(&rig, &ahead.id).await, "verified");

    // Three places of the order never came.
    let mut gap = Simulated::enrol(&rig, "srv-gap", 600).await;
    gap.greet(600).await;
    gap.machine.position.seq += 3;
    let sample = gap.machine.sample();
    gap.say(&sample).await;
    eventually("the loss", || async { mark(&rig, &gap.id).await == "unverified" }).await.unwrap();
    let (_, _, reasons) = said(&device(&rig, &gap.id).await);
    assert_eq!(reasons, "Reports of the device were lost within the last 24 hours.");
    let documents = rig.get("/api/v1/devices/srv-gap/documents").await.unwrap();
    assert_eq!(said(&documents[0]).0, "unverified", "{documents}");

    // Plain MQTT has neither order nor clock.
    let about = json!({ "device": "plain-1", "kind": "sensor", "name": "Cảm biến" });
    let identity = Identity::enrol(&rig.runtime(), &rig.server(), &about).await.unwrap();
    let (mut link, _) = Link::open(&identity, 600).await.unwrap();
    let packet = link.publish(UpKind::Values, br#"{"temperature":21.5}"#.to_vec());
    link.send(packet).await.unwrap();
    link.hear().await.unwrap();
    eventually("plain", || async { mark(&rig, "plain-1").await == "unverified" }).await.unwrap();
    assert_eq!(said(&device(&rig, "plain-1").await).1, "plain_mqtt");

    // One that is registered and never heard says nothing, and one whose samples stay away is stale.
    rig.post("/api/v1/devices", json!({ "device": "srv-never", "kind": "server", "name": "Máy" })).await.unwrap();
    let (found, source, _) = said(&device(&rig, "srv-never").await);
    assert_eq!((found.as_str(), source.as_str()), ("unknown", "inventory"));
    let mut quick = Simulated::enrol(&rig, "srv-quick", 600).await;
    quick.greet(1).await;
    within(Duration::from_secs(60), "stale", || async { mark(&rig, "srv-quick").await == "stale" }).await.unwrap();

    // n of N, with every device that is not verified and why.
    let all = rig.get("/api/v1/authenticity").await.unwrap();
    let count = |field: &str| all[field].as_u64().unwrap();
    assert_eq!(count("verified") + count("unverified") + count("stale"), count("total"));
    let devices: Vec<_> = all["devices"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(devices, ["plain-1", "srv-gap", "srv-quick"], "{all}");
    let values = async |id: &str| {
        let shown = device(&rig, id).await;
        shown["values"].as_object().unwrap().values().filter(|value| !value.is_null()).count() as u64
    };
    let (mut verified, quick) = (values("srv-good").await, values("srv-quick").await);
    verified += values("srv-ahead").await;
    assert_eq!((count("verified"), count("stale")), (verified, quick));
    let percent = all["verified_pct"].as_f64().unwrap();
    assert!((percent - verified as f64 * 100.0 / count("total") as f64).abs() < 0.1, "{all}");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn incidents_say_who_told_of_them() {
    let mut rig = Rig::new("");
    let token = rig.dir().join("am.token");
    std::fs::write(&token, "s3cret\n").unwrap();
    rig.configure(|config| format!("{config}\n[[source]]\nname = \"am\"\ntoken_file = {token:?}\n"));
    rig.start().await.unwrap();
    let incident = async |id: u64| rig.get(&format!("/api/v1/incidents/{id}")).await.unwrap_or_default();

    // By hand, and by telephone: the second is verified once somebody has checked it.
    rig.post("/api/v1/incidents", json!({ "title": "Khói", "severity": "critical" })).await.unwrap();
    let reported = json!({ "title": "Nước", "severity": "critical", "reporter": "Chị Tư", "contact": "0912 000 000" });
    rig.post("/api/v1/incidents", reported).await.unwrap();
    assert_eq!(
        said(&incident(1).await),
        ("unverified".into(), "person".into(), "A person wrote it down by hand.".into())
    );
    let (found, source, reasons) = said(&incident(2).await);
    assert_eq!((found.as_str(), source.as_str()), ("unverified", "report"));
    assert!(reasons.contains("nobody has checked it"), "{reasons}");
    let verify = json!({ "action": "verify", "how": "gọi lại số của phòng" });
    rig.post("/api/v1/incidents/2/actions", verify).await.unwrap();
    assert_eq!(said(&incident(2).await), ("verified".into(), "report".into(), String::new()));

    // Another system's alert.
    let firing = json!({ "alerts": [{ "status": "firing", "labels": { "alertname": "X", "severity": "critical" } }] });
    let url = format!("https://localhost:{}/api/v1/alerts/am", rig.web);
    let mut curl = Command::new("curl");
    curl.args(["-ksf", "-H", "authorization: Bearer s3cret", "-H", "content-type: application/json"]);
    assert!(curl.args(["-d", &firing.to_string(), &url]).status().await.unwrap().success());
    eventually("the alert", || async { !incident(3).await.is_null() }).await.unwrap();
    assert_eq!(said(&incident(3).await), ("unverified".into(), "alert".into(), "Another system says so.".into()));
    let faults = rig.get("/api/v1/faults").await.unwrap();
    assert_eq!(faults["items"][0]["source"], "alert", "{faults}");

    // That a device fell silent is what the collector sees itself.
    let mut one = Simulated::enrol(&rig, "srv-1", 10).await;
    one.greet(600).await;
    let of_rule = async |rule: &str| {
        let all = rig.get("/api/v1/incidents").await.unwrap();
        all["items"].as_array().unwrap().iter().find(|one| one["rule"] == rule).cloned().unwrap_or_default()
    };
    drop(one.link);
    within(Duration::from_secs(90), "silence", || async { !of_rule("device-silent").await.is_null() }).await.unwrap();
    let (found, source, _) = said(&of_rule("device-silent").await);
    assert_eq!((found.as_str(), source.as_str()), ("verified", "collector"));
    rig.stop().await.unwrap();
}
