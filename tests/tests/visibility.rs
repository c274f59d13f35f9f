//! What leaves the collector for whom: every route is asked by those who may see least, with names and places planted where they must
//! not be seen; and what stands for hours ends when it has no right to stand any more. A route that is new is asked by itself.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Stdio;
use std::time::Duration;

use ioc_common::clock;
use ioc_common::document::Json;
use ioc_common::enrolment::{EnrolRequest, Token};
use ioc_common::layout::{Layout, Series};
use ioc_common::report::{Body, Event, Facts, Hello, Sample, StateReport};
use ioc_tests::harness::{Rig, eventually};
use ioc_tests::identity::Identity;
use ioc_tests::link::Link;
use ioc_tests::machine::Machine;
use ioc_tests::second_factor::set_up_and_show;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

/// Accounts of a machine, as nothing else is called.
const NAMES: [&str; 3] = ["zoe.planted", "yan.planted", "xia.planted"];

/// Who reported an incident from outside, how they can be reached, and how that was checked.
const REPORTER: [&str; 3] = ["Bà Planted", "0912 planted", "planted hỏi lại"];

/// Who attests a backup, and what shows it.
const ATTESTER: &str = "wendy.quill";
const EVIDENCE: &str = "minutes of wendy quill";

struct ScopedClient {
    base: String,
    jar: std::path::PathBuf,
}

impl ScopedClient {
    /// Someone who has chosen their password.
    async fn settled(rig: &Rig, body: Value) -> Self {
        let name = body["name"].as_str().unwrap().to_owned();
        let client =
            Self { base: format!("https://localhost:{}", rig.web), jar: rig.dir().join(format!("{name}.jar")) };
        let first = rig.post("/api/v1/accounts", body).await.unwrap()["password"].as_str().unwrap().to_owned();
        client.enter(&name, &first).await;
        let good = json!({ "present": first, "new": "correct horse battery" });
        assert_eq!(client.ask("POST", "/api/v1/account/password", Some(good)).await.0, 204);
        client
    }

    async fn enter(&self, name: &str, password: &str) {
        let body = json!({ "name": name, "password": password });
        assert_eq!(self.ask("POST", "/api/v1/session", Some(body)).await.0, 204);
    }

    fn curl(&self, path: &str) -> Command {
        let mut command = Command::new("curl");
        command.args(["-ksN"]).arg("-b").arg(&self.jar).arg("-c").arg(&self.jar).arg(format!("{}{path}", self.base));
        command
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let mut command = self.curl(path);
        command.args(["-m", "40", "-X", method, "-w", "\n%{http_code}"]);
        if let Some(body) = body {
            command.args(["-H", "content-type: application/json", "-d", &body.to_string()]);
        }
        let output = command.output().await.expect("curl runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (text, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), text.to_owned())
    }
}

fn accounts(names: &[&str]) -> Body {
    let all: Vec<Value> = names.iter().map(|name| json!({ "name": name, "administrator": true })).collect();
    let doc = Json::of(&json!({ "accounts": all, "people": all.len() })).unwrap();
    Body::State(StateReport::Document { name: "accounts".to_owned(), doc })
}

/// A machine whose administrators change, whose accounts have numbers, and which tells of who signs in.
async fn planted(rig: &Rig, id: &str, place: &str) -> Link {
    let about = json!({ "device": id, "kind": "server", "name": format!("Máy {id}"), "place": place });
    let identity = Identity::enrol(&rig.runtime(), &rig.server(), &about).await.unwrap();
    let (mut link, known) = Link::open(&identity, 60).await.unwrap();
    let mut machine = Machine::new(identity.device.clone(), "server", 1, known, clock::now());
    let Body::Hello(hello) = machine.hello(10, 60) else { panic!("a hello") };
    let layout = Layout::new(vec![
        Series::new("cpu.busy", ""),
        Series::new("account.password_age", NAMES[0]),
        Series::new("account.password_age", NAMES[2]),
    ]);
    let layout = layout.unwrap();
    let id = layout.id();
    let sessions = Json::of(&json!({ "sessions": [{ "user": NAMES[1], "line": "pts/0" }] })).unwrap();
    let event = Event {
        name: "login.burst".to_owned(),
        text: format!("30 failed sign-ins of {}", NAMES[0]),
        fields: [("who".to_owned(), NAMES[1].to_owned())].into(),
    };
    let mut last = known;
    for body in [
        Body::Hello(Box::new(Hello { layout, ..*hello })),
        accounts(&["root"]),
        accounts(&["root", NAMES[0], NAMES[1]]),
        Body::State(StateReport::Document { name: "sessions".to_owned(), doc: sessions }),
        Body::Event(event),
        Body::Sample(Sample { layout: id, v: vec![Some(12.0), Some(400.0), Some(120.0)] }),
    ] {
        let (position, kind, payload) = machine.seal(&body, clock::now(), 0);
        let packet = link.publish(kind, payload);
        link.send(packet).await.unwrap();
        last = position;
    }
    let said = link.committed(last).await.unwrap();
    assert_eq!(said.refused, None);
    link
}

/// The incident that somebody reported from outside, of the device here; whoever wrote it down has checked it.
async fn reported(rig: &Rig) -> u64 {
    let [reporter, contact, how] = REPORTER;
    let body = json!({
        "device": "srv-here", "title": "Nước", "severity": "warning", "reporter": reporter, "contact": contact
    });
    let id = rig.post("/api/v1/incidents", body).await.unwrap()["id"].as_u64().unwrap();
    rig.post(&format!("/api/v1/incidents/{id}/actions"), json!({ "action": "verify", "how": how })).await.unwrap();
    id
}

/// The names in a text that only those may read who may see them.
fn names_in(text: &str) -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().chain(REPORTER).chain([ATTESTER, EVIDENCE]).filter(move |name| text.contains(name))
}

/// Every path of the API that can be read, and the pages beside it, with what stands in braces filled in.
async fn paths(rig: &Rig, devices: [&str; 2], incidents: &[u64]) -> Vec<String> {
    let described = rig.get("/api/v1/openapi.json").await.unwrap();
    let mut all: Vec<String> = Vec::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        if methods.get("get").is_some() {
            let path = if path.starts_with("/api/") { path.clone() } else { format!("/api/v1{path}") };
            all.push(path);
        }
    }
    assert!(all.len() > 15, "the description names the routes: {all:?}");
    // Pages stand in one table of the source: a new one is in it, and is asked here.
    let source = include_str!("../../collector/web/src/router/pages.rs");
    let pages = source.split(".route(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
    all.extend(pages.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    all.retain(|path| !matches!(path.as_str(), "/live" | "/login/oidc" | "/login/oidc/back"));
    let mut filled = Vec::new();
    for path in all {
        let of_incident = path.contains("/incidents/{id}");
        if of_incident {
            filled.extend(incidents.iter().map(|id| path.replace("{id}", &id.to_string())));
        } else if path.contains("/{device}/{kind}") {
            for kind in ["files", "database"] {
                filled.extend(devices.iter().map(|id| path.replace("{device}", id).replace("{kind}", kind)));
            }
        } else if path.contains("{id}") {
            filled.extend(devices.iter().map(|id| path.replace("{id}", id)));
        } else {
            filled.push(path.replace("{area}", "passwords"));
        }
    }
    for query in [
        "/api/v1/devices?search=planted",
        "/devices?search=planted",
        "/incidents?all=1",
        "/api/v1/faults?active=true",
        "/system-backups?view=all",
    ] {
        filled.push(query.to_owned());
    }
    for device in devices {
        let series = format!("account.password_age%7C{}", NAMES[0]);
        filled.push(format!("/api/v1/devices/{device}/history?series={series}"));
        filled.push(format!("/api/v1/devices/{device}/history.csv"));
        filled.push(format!("/devices/{device}/history?metric=account.password_age"));
    }
    filled.into_iter().map(|path| path.replace(['{', '}'], "0")).collect()
}

/// The agent of one looks at the backups of both.
async fn backups_expected(rig: &Rig) {
    let source = json!({ "by": "survey", "name": "nightly", "device": "srv-far" });
    let backup = json!({ "devices": ["srv-here", "srv-far"], "kind": "files", "source": source, "every_s": 86400, "grace_s": 0,
        "keep_days": 30, "place": "NAS", "copies": 3, "media": 2, "off_site": true });
    rig.post("/api/v1/system-backups", backup).await.unwrap();
}

/// Nothing can look at one: somebody says how it stands, and adds what shows it. Where that file is.
async fn backup_attested(rig: &Rig) -> String {
    let backup = json!({ "devices": ["srv-here"], "kind": "database", "source": { "by": "attestation" }, "every_s": 86400,
        "grace_s": 0, "keep_days": 30, "place": "NAS", "copies": 3, "media": 2, "off_site": true });
    let attester = ScopedClient::settled(rig, json!({ "name": ATTESTER, "role": "technician" })).await;
    rig.post("/api/v1/system-backups", backup).await.unwrap();
    let backup = "/api/v1/system-backups/srv-here/database";
    let word = json!({ "made_at": clock::now(), "good": true, "note": "biên bản 12" });
    assert_eq!(attester.ask("POST", &format!("{backup}/attestations"), Some(word)).await.0, 201);
    let path = format!("{backup}/files?name=minutes.txt");
    assert_eq!(attester.ask("POST", &path, Some(json!(EVIDENCE))).await.0, 201);
    let (_, said) = attester.ask("GET", &format!("{backup}/attestations"), None).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said[0]["by"], &said[0]["files"][0]["who"]), (&json!(ATTESTER), &json!(ATTESTER)));
    format!("{backup}/files/{}", said[0]["files"][0]["sha256"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_gives_a_name_or_a_place_to_who_may_not_see_it() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let _here = planted(&rig, "srv-here", "Tầng 2, phòng máy").await;
    let _there = planted(&rig, "srv-far", "Tầng 20").await;
    let when = json!({ "kind": "once", "from": "2030-01-01T00:00:00Z", "until": "2030-01-01T02:00:00Z" });
    for scope in [json!({ "devices": ["srv-here", "srv-far"] }), json!({ "places": ["Tầng 20"] })] {
        rig.post("/api/v1/windows", json!({ "title": "Thay nguồn", "scope": scope, "when": when, "overrule": true }))
            .await
            .unwrap();
    }
    backups_expected(&rig).await;
    let evidence = backup_attested(&rig).await;
    let incidents = || async {
        let all = rig.get("/api/v1/incidents").await.unwrap();
        let mut ids: Vec<u64> = Vec::new();
        for one in all["items"].as_array().unwrap().iter().filter(|one| one["rule"] == "administrators-changed") {
            ids.push(one["id"].as_u64().unwrap());
        }
        ids
    };
    eventually("both have an incident", || async { incidents().await.len() == 2 }).await.unwrap();
    let mut ids = incidents().await;
    ids.push(reported(&rig).await);
    let all = paths(&rig, ["srv-here", "srv-far"], &ids).await;

    let viewer = ScopedClient::settled(&rig, json!({ "name": "viewer", "role": "viewer" })).await;
    let limited = json!({ "name": "limited", "role": "viewer", "places": ["Tầng 2"] });
    let limited = ScopedClient::settled(&rig, limited).await;
    let officer = json!({ "name": "officer", "role": "duty_officer", "places": ["Tầng 2"] });
    let officer = ScopedClient::settled(&rig, officer).await;
    let (mut read, mut leaks) = (0, Vec::new());
    for path in &all {
        for client in [&viewer, &limited, &officer] {
            let (status, text) = client.ask("GET", path, None).await;
            read += usize::from(status == 200);
            assert!(status < 500, "{path}: {status} {text}");
            let is_officer = client.base == officer.base && client.jar == officer.jar;
            let to = format!("{path} to {}", client.jar.file_stem().unwrap_or_default().display());
            // What was asked for by its name is given back, and nothing with it.
            if is_officer {
                assert!(status < 500, "{to}");
            } else if path.contains("series=") {
                assert!(status == 404 || text.contains("\"points\":[]"), "{to}: {text}");
            } else {
                leaks.extend(names_in(&text).map(|name| format!("{to}: {name}")));
            }
            if client.jar != viewer.jar && !path.contains("srv-far") {
                let there = ["srv-far", "Tầng 20"];
                leaks.extend(there.iter().filter(|name| text.contains(*name)).map(|name| format!("{to}: {name}")));
            }
        }
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    assert!(read > 60, "{read} answers were looked at");
    assert_eq!(viewer.ask("GET", &evidence, None).await.0, 403, "minutes name people");
    // They see how many and where.
    let (_, text) = viewer.ask("GET", &format!("/api/v1/incidents/{}", ids[0]), None).await;
    assert!(text.contains("2 names"), "{text}");

    // Who may see them does, and it is on record.
    let technician = ScopedClient::settled(&rig, json!({ "name": "technician", "role": "technician" })).await;
    for path in [format!("/incidents/{}", ids[0]), format!("/api/v1/incidents/{}", ids[0])] {
        let (_, text) = technician.ask("GET", &path, None).await;
        assert!(text.contains(NAMES[0]) && text.contains(NAMES[1]), "{path}: {text}");
    }
    let (_, text) = technician.ask("GET", &format!("/api/v1/incidents/{}", ids[2]), None).await;
    assert!(REPORTER.iter().all(|name| text.contains(name)), "{text}");
    // By what happened on a machine, by its numbers, and by what shows an attestation, too.
    let history = "/api/v1/devices/srv-far/history.csv".to_owned();
    let events = "/api/v1/devices/srv-here/events".to_owned();
    for (path, name) in [(events, NAMES[1]), (history, NAMES[0])] {
        let before = rig.get("/api/v1/audit?limit=500").await.unwrap().to_string();
        let device = path.split('/').nth(4).unwrap();
        let by_technician = |log: &str| log.matches(&format!("\"subject\":\"{device}\"")).count();
        let (_, text) = technician.ask("GET", &path, None).await;
        assert!(text.contains(name), "{path}: {text}");
        let after = rig.get("/api/v1/audit?limit=500").await.unwrap().to_string();
        assert_eq!(by_technician(&after), by_technician(&before) + 1, "{path} is not on record: {after}");
    }
    let (status, text) = technician.ask("GET", &evidence, None).await;
    assert!(status == 200 && text.contains(EVIDENCE), "{text}");
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap();
    let read = |name: &str| {
        let mut records = log["items"].as_array().unwrap().iter();
        records.any(|one| one["action"] == "personal.read" && one["actor"] == name)
    };
    assert!(read("technician") && !read("viewer") && !read("limited"), "{log}");
    // Neither notices nor tickets nor the log tell more than that.
    assert!(!log.to_string().contains("planted"), "{log}");

    nothing_of_the_whole_centre(&rig, &officer).await;
    rig.stop().await.unwrap();
}

/// Nothing that is of the whole centre can be changed from a place, however it is asked for.
async fn nothing_of_the_whole_centre(rig: &Rig, officer: &ScopedClient) {
    let cover = json!({ "rota": "x", "person": "y", "from": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z" });
    for (method, path, body, status) in [
        ("POST", "/api/v1/duty/covers", cover, 403),
        ("DELETE", "/api/v1/duty/covers/1", json!({}), 403),
        ("POST", "/duty/resend", json!({}), 403),
        ("POST", "/duty/book", json!({}), 403),
        ("POST", "/duty/test/x", json!({}), 403),
        ("POST", "/api/v1/incidents", json!({ "title": "Khói", "severity": "warning" }), 404),
        ("POST", "/api/v1/tokens", json!({ "kind": "server", "name": "x" }), 403),
        ("DELETE", "/api/v1/windows/2", json!({}), 404),
    ] {
        let (got, text) = officer.ask(method, path, Some(body)).await;
        assert_eq!(got, status, "{method} {path}: {text}");
    }
    // An incident of the whole centre can be read, and is for those who reach all of it.
    let whole = json!({ "title": "Mất mạng", "severity": "warning" });
    rig.post("/api/v1/incidents", whole).await.unwrap();
    let all = rig.get("/api/v1/incidents").await.unwrap();
    let whole = all["items"].as_array().unwrap().iter().find(|one| one["title"]["vi"] == "Mất mạng").unwrap();
    let path = format!("/api/v1/incidents/{}", whole["id"]);
    assert_eq!(officer.ask("GET", &path, None).await.0, 200);
    let say = json!({ "action": "comment", "text": "Tôi xem" });
    assert_eq!(officer.ask("POST", &format!("{path}/actions"), Some(say)).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_with_its_certificate() {
    let mut rig = Rig::new("[pki]\ndevice_life = \"10s\"\n");
    rig.start().await.unwrap();
    let about = json!({ "device": "srv-1", "kind": "server", "name": "srv-1" });
    let identity = Identity::enrol(&rig.runtime(), &rig.server(), &about).await.unwrap();
    let (mut link, _) = Link::open(&identity, 600).await.unwrap();
    assert!(link.is_closed().await, "it stands on");
    let log = rig.log();
    assert!(log.contains("certificate_ended"), "{log}");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_page_ends_with_the_right_to_it() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let admin = ScopedClient::settled(&rig, json!({ "name": "boss", "role": "administrator" })).await;
    set_up_and_show(&rig, &admin.jar, "correct horse battery").await;
    for (name, change) in [
        ("gone", json!({ "disabled": true })),
        ("less", json!({ "role": "viewer" })),
        ("here", json!({ "places": ["Tầng 2"] })),
    ] {
        let client = ScopedClient::settled(&rig, json!({ "name": name, "role": "technician" })).await;
        let mut live = client.curl("/live").stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut out = live.stdout.take().unwrap();
        let mut first = [0; 8];
        out.read_exact(&mut first).await.unwrap();
        let (status, text) = admin.ask("PATCH", &format!("/api/v1/accounts/{name}"), Some(change)).await;
        assert_eq!(status, 204, "{text}");
        let ended = tokio::time::timeout(Duration::from_secs(60), live.wait()).await;
        assert!(ended.is_ok(), "{name} still listens");
    }
    rig.stop().await.unwrap();
}

/// Asks to come in; what the machine would be and why it waits, or none when it is in.
async fn knock(rig: &Rig, token: &str, host: &str, label: &str) -> Option<Value> {
    let token: Token = token.parse().unwrap();
    let asked = ioc_agent::enrol::request().unwrap();
    let request = EnrolRequest {
        token: token.to_string(),
        csr: asked.csr,
        fingerprint: format!("of {host}"),
        facts: Facts { hostname: host.to_owned(), ..Facts::default() },
        macs: Vec::new(),
        label: label.to_owned(),
    };
    match ioc_agent::enrol::exchange(&rig.server(), &token, &request).await.unwrap() {
        ioc_agent::enrol::EnrolAnswer::Enrolled(_) => None,
        _ => {
            let waiting = rig.get("/api/v1/enrolments").await.unwrap();
            waiting.as_array().unwrap().iter().find(|one| one["facts"]["hostname"] == host).cloned()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_workstations_makes_no_core_switch() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    for device in [
        json!({ "device": "sw-core", "kind": "other", "name": "Chuyển mạch lõi", "label": "TS-1", "place": "Tầng 2" }),
        json!({ "device": "ws-up", "kind": "workstation", "name": "Máy trạm", "label": "TS-2", "place": "Tầng 2" }),
        json!({ "device": "ws-behind", "kind": "workstation", "name": "Máy sau", "label": "TS-3", "place": "Tầng 3", "uplink": "ws-up" }),
        json!({ "device": "ws-there", "kind": "workstation", "name": "Máy có địa chỉ", "label": "TS-4", "place": "Tầng 2", "address": "192.0.2.7" }),
        json!({ "device": "ws-good", "kind": "workstation", "name": "Máy trực", "label": "TS-5", "place": "Tầng 2, phòng trực" }),
        json!({ "device": "ws-gone", "kind": "workstation", "name": "Máy cũ", "label": "TS-6", "place": "Tầng 2" }),
    ] {
        rig.post("/api/v1/devices", device).await.unwrap();
    }
    rig.post("/api/v1/devices/ws-gone/revoke", json!({})).await.unwrap();
    let about = json!({ "group": true, "kind": "workstation", "place": "Tầng 2", "uses": 50 });
    let token = rig.post("/api/v1/tokens", about).await.unwrap()["token"].as_str().unwrap().to_owned();
    let mut host = 0;
    for (label, why) in [("TS-1", "kind"), ("TS-2", "uplink"), ("TS-3", "place"), ("TS-4", "address")] {
        host += 1;
        let waits = knock(&rig, &token, &format!("host-{host:02}-x"), label).await;
        let reasons = waits.unwrap_or_default()["reasons"].to_string();
        assert!(reasons.contains(&format!("\"why\":\"{why}\"")), "{label}: {reasons}");
    }
    assert!(knock(&rig, &token, "quite-another", "TS-5").await.is_none(), "what the token is for comes in");
    for (host, why) in [("ws-gone", "removed"), ("WS_G00D", "look"), ("ws-good", "name")] {
        let reasons = knock(&rig, &token, host, "").await.unwrap_or_default()["reasons"].to_string();
        assert!(reasons.contains(&format!("\"why\":\"{why}\"")), "{host}: {reasons}");
    }
    rig.stop().await.unwrap();
}
