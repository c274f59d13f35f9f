//! What fails together is one incident and one notice, and many incidents are taken at once: over the real collector, its API and its pages.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use ioc_tests::harness::{Rig, eventually};
use ioc_tests::sink::{self, Hook, Received};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

const PLAN: &str = r#"
person = [{ id = "lan", name = "Nguyễn Thị Lan", contact = [{ channel = "sms", address = "0912" }] }]
[[policy]]
id = "default"
step = [{ after = "0s", to = ["person:lan"] }]
[[route]]
policy = "default"
"#;

async fn sink() -> (u16, Received<Hook>) {
    let kept: Received<Hook> = Received::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(sink::webhooks(listener, Arc::clone(&kept), |_| 200, false));
    (port, kept)
}

/// What a page or the API answers to a person: status and text.
async fn ask(rig: &Rig, method: &str, path: &str, body: Option<(&str, &str)>) -> (u16, String) {
    let jar = rig.dir().join("lan.jar");
    let mut command = Command::new("curl");
    command.args(["-ks", "-X", method, "-w", "\n%{http_code}"]).arg("-b").arg(&jar).arg("-c").arg(&jar);
    if let Some((kind, body)) = body {
        command.args(["-H", &format!("content-type: {kind}"), "-d", body]);
    }
    let output = command.arg(format!("https://localhost:{}{path}", rig.web)).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (text, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), text.to_owned())
}

async fn form(rig: &Rig, path: &str, fields: &str) -> (u16, String) {
    ask(rig, "POST", path, Some(("application/x-www-form-urlencoded", fields))).await
}

/// A technician who is limited to these places, signed in.
async fn technician(rig: &Rig, places: &[&str]) {
    let account = json!({ "name": "lan", "full_name": "Nguyễn Thị Lan", "role": "technician", "places": places });
    let first = rig.post("/api/v1/accounts", account).await.unwrap()["password"].as_str().unwrap().to_owned();
    let json = |body: Value| body.to_string();
    let kind = "application/json";
    let session = json(json!({ "name": "lan", "password": first }));
    assert_eq!(ask(rig, "POST", "/api/v1/session", Some((kind, &session))).await.0, 204);
    let password = json(json!({ "present": first, "new": "correct horse battery" }));
    assert_eq!(ask(rig, "POST", "/api/v1/account/password", Some((kind, &password))).await.0, 204);
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines, reason = "one night, in its order")]
async fn a_storm_is_one_incident_and_one_notice_and_many_are_taken_at_once() {
    let ((hook_port, hooks), (sms_port, sms)) = (sink().await, sink().await);
    let mut rig = Rig::new(&format!(
        "[incidents]\nstorm_hold = \"2s\"\n[duty]\nfile = \"duty.toml\"\n[[source]]\nname = \"am\"\ntoken_file = \"am.token\"\n\
         [[channel]]\nname = \"hook\"\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{hook_port}/\"\n\
         [[channel]]\nname = \"sms\"\ntype = \"http\"\nurl = \"http://127.0.0.1:{sms_port}/?to={{{{address}}}}\"\ncontent_type = \"text/plain\"\nbody = \"{{{{short}}}}\"\n"
    ));
    std::fs::write(rig.dir().join("duty.toml"), PLAN).unwrap();
    let token = rig.dir().join("am.token");
    std::fs::write(&token, "s3cret\n").unwrap();
    rig.configure(|config| config.replace("\"am.token\"", &format!("{token:?}")));
    rig.start().await.unwrap();
    for number in 1..=12 {
        let place = format!("Phòng máy 1/Tủ {}", number % 3);
        let device = json!({ "device": format!("srv-{number}"), "kind": "server", "name": format!("Máy {number}"), "place": place });
        rig.post("/api/v1/devices", device).await.unwrap();
    }
    technician(&rig, &["Phòng máy 1"]).await;
    let alert = |number: u32, status: &str| {
        json!({ "status": status, "fingerprint": format!("f{number}"),
                "labels": { "alertname": "PowerLost", "severity": "critical", "instance": format!("srv-{number}:9100") } })
    };
    let send = async |status: &str| {
        let body = json!({ "alerts": (1..=12).map(|number| alert(number, status)).collect::<Vec<_>>() }).to_string();
        let url = format!("https://localhost:{}/api/v1/alerts/am", rig.web);
        let mut curl = Command::new("curl");
        curl.args(["-ksf", "-H", "authorization: Bearer s3cret", "-H", "content-type: application/json", "-d", &body]);
        assert!(curl.arg(&url).status().await.unwrap().success());
    };
    send("firing").await;
    let told = |of: &Received<Hook>| of.lock().unwrap().iter().map(|hook| hook.body.clone()).collect::<Vec<_>>();
    eventually("the storm is told", || async { told(&hooks).len() == 2 && told(&sms).len() == 2 }).await.unwrap();
    let incident = rig.get("/api/v1/incidents/1").await.unwrap();
    assert_eq!((&incident["progress"]["affected"], &incident["device"]), (&json!(12), &Value::Null), "{incident}");
    assert_eq!(incident["progress"]["storm"]["common"][0], json!({ "what": "room", "name": "Phòng máy 1" }));
    let active = rig.get("/api/v1/incidents?active=true").await.unwrap();
    assert_eq!(active["items"].as_array().unwrap().len(), 1, "{active}");
    let text = &told(&sms)[1];
    assert!(text.starts_with("NGHIÊM TRỌNG PowerLost: 12 thiết bị tại Phòng máy 1: nặng nhất Máy"), "{text}");
    let (_, link) = text.rsplit_once(' ').unwrap();
    assert!(link.starts_with("https://") && link.contains("/a/1."), "the link is whole: {text}");

    // Its record lists them all.
    let (status, record) = ask(&rig, "GET", "/incidents/1/record", None).await;
    assert!(status == 200 && record.contains("12 thiết bị, danh sách bên dưới"), "{status}: {record}");
    for number in 1..=12 {
        assert!(record.contains(&format!("Máy {number}<")), "{number}: {record}");
    }

    // One of them is something else, for a reason; whoever reaches its room may say so.
    let faults = rig.get("/api/v1/faults?limit=20").await.unwrap();
    let fault = faults["items"][0]["id"].as_u64().unwrap();
    let (status, text) = form(&rig, "/incidents/1/members", &format!("fault={fault}&note=")).await;
    assert!(status == 409 && text.contains("12 thiết bị trong sự cố này"), "no reason: {status}");
    let (status, _) = form(&rig, "/incidents/1/members", &format!("fault={fault}&note=own+disk")).await;
    assert_eq!(status, 303);
    let own = rig.get("/api/v1/incidents?active=true").await.unwrap()["items"][0]["id"].as_u64().unwrap();
    assert!(own > 1);

    // Both are taken at once; what is not within reach, and what is not there, is refused alone.
    rig.post("/api/v1/incidents", json!({ "title": "Khói", "severity": "critical" })).await.unwrap();
    let elsewhere = own + 1;
    let many = json!({ "incidents": [1, own, elsewhere, 999, own], "action": "acknowledge", "note": "đang xem" });
    let kind = "application/json";
    let (status, answer) = ask(&rig, "POST", "/api/v1/incidents/actions", Some((kind, &many.to_string()))).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let each: Vec<u64> =
        answer["results"].as_array().unwrap().iter().map(|one| one["status"].as_u64().unwrap()).collect();
    assert_eq!((status, each), (200, vec![204, 204, 404, 404]), "{answer}");
    let close = json!({ "incidents": [1], "action": "close", "course": "x", "remedy": "y" });
    assert_eq!(ask(&rig, "POST", "/api/v1/incidents/actions", Some((kind, &close.to_string()))).await.0, 422);

    // The page says of each why, and keeps it ticked.
    let (status, text) =
        form(&rig, "/incidents/actions?state=all", &format!("incident=1&incident={own}&action=acknowledge&note="))
            .await;
    assert!(status == 409 && text.matches("INC-000001").count() >= 2, "{status}");
    assert!(
        text.contains(&format!("value=\"{own}\" aria-label")) && text.contains(" checked"),
        "what was refused stays ticked"
    );
    let given =
        form(&rig, "/incidents/actions", &format!("incident=1&incident={own}&action=assign&person=lan&unit=")).await;
    assert_eq!(given.0, 303);
    let person = rig.get("/api/v1/incidents/1").await.unwrap()["record"]["person"].clone();
    assert_eq!(person, "Nguyễn Thị Lan", "by their name");

    for path in ["/incidents/actions", "/incidents/1/members", "/incidents/actions?state=x&month=2026-99&before=-1"] {
        for body in
            ["", "=&=&&", "%", "incident=x&fault=x", "incident=1&action=close", "action=x&action=y&note=%00<script>"]
        {
            let (status, page) = form(&rig, path, body).await;
            assert!((400..500).contains(&status), "{path} {body}: {status}");
            assert!(!page.contains("<script>"), "{path} {body}");
        }
    }

    // Looked for by place and person, as a page and as a table.
    let (_, found) =
        ask(&rig, "GET", "/api/v1/incidents.csv?state=acknowledged&place=Ph%C3%B2ng%20m%C3%A1y%201", None).await;
    assert!(found.contains("INC-000001") && !found.contains(&format!("INC-{elsewhere:06}")), "{found}");
    let (_, none) = ask(&rig, "GET", "/api/v1/incidents.csv?state=all&person=nobody", None).await;
    assert_eq!(none.lines().count(), 1, "{none}");
    let (status, page) = ask(&rig, "GET", "/incidents/statistics", None).await;
    assert!(status == 200 && page.contains("Phòng máy 1"), "{status}");

    // Everyone is told of the end once.
    send("resolved").await;
    eventually("its end is told", || async {
        told(&hooks).iter().any(|body| body.contains("\"resolved\"") && body.contains("INC-000001"))
    })
    .await
    .unwrap();
    let log = rig.get("/api/v1/audit?limit=200").await.unwrap().to_string();
    assert!(log.matches("incident.action").count() >= 5, "each is in the audit log: {log}");
    rig.stop().await.unwrap();
}
