//! Who may do what, over the real collector: roles, passwords that are due, sessions, tokens of the API.
#![allow(clippy::unwrap_used, reason = "tests")]

use ioc_tests::harness::{Rig, eventually};
use ioc_tests::second_factor::{SecondFactor, code_of, set_up_and_show};
use serde_json::{Value, json};
use tokio::process::Command;

/// A program at the collector's door: what it shows, and what it is answered.
pub(crate) struct SessionClient {
    base: String,
    pub(crate) jar: std::path::PathBuf,
    pub(crate) token: Option<String>,
}

impl SessionClient {
    pub(crate) fn new(rig: &Rig, name: &str) -> Self {
        Self { base: format!("https://localhost:{}", rig.web), jar: rig.dir().join(format!("{name}.jar")), token: None }
    }

    /// Status, and what came back.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        self.send(method, path, body.map(|body| ("content-type: application/json", body.to_string()))).await
    }

    /// The same for a form of a page.
    pub(crate) async fn form(&self, path: &str, fields: &str) -> (u16, String) {
        self.send("POST", path, Some(("content-type: application/x-www-form-urlencoded", fields.to_owned()))).await
    }

    /// The same once there is a turn: a session has so many requests a second, and one that was not let in tried nothing.
    async fn in_turn(&self, method: &str, path: &str, fields: Option<&str>) -> (u16, String) {
        let kind = "content-type: application/x-www-form-urlencoded";
        for _ in 0..60 {
            let (status, page) = self.send(method, path, fields.map(|fields| (kind, fields.to_owned()))).await;
            // Sign-ins and second factors have bounds of their own, which last longer: there the answer is what is tried.
            if status != 429 || path.starts_with("/login") || path.starts_with("/account/") || path.starts_with("/a/") {
                return (status, page);
            }
            tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        }
        panic!("{path} is never let in");
    }

    async fn send(&self, method: &str, path: &str, body: Option<(&str, String)>) -> (u16, String) {
        let mut command = Command::new("curl");
        command.args(["-ks", "-X", method, "-w", "\n%{http_code}"]);
        match &self.token {
            Some(token) => command.args(["-H", &format!("authorization: Bearer {token}")]),
            None => command.arg("-b").arg(&self.jar).arg("-c").arg(&self.jar),
        };
        if let Some((kind, body)) = body {
            command.args(["-H", kind, "-d", &body]);
        }
        let output = command.arg(format!("{}{path}", self.base)).output().await.expect("curl runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (text, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), text.to_owned())
    }

    /// Gives a settled person a second factor, and shows it.
    pub(crate) async fn second(&self, rig: &Rig) -> SecondFactor {
        set_up_and_show(rig, &self.jar, "correct horse battery").await
    }

    async fn sign_in(&self, name: &str, password: &str) -> u16 {
        self.ask("POST", "/api/v1/session", Some(json!({ "name": name, "password": password }))).await.0
    }
}

async fn made(rig: &Rig, name: &str, role: &str) -> String {
    let body = json!({ "name": name, "full_name": "Nguyễn Thị Lan", "role": role });
    rig.post("/api/v1/accounts", body).await.unwrap()["password"].as_str().unwrap().to_owned()
}

/// Someone of this role who has chosen their password.
pub(crate) async fn settled(rig: &Rig, name: &str, body: Value) -> SessionClient {
    let first = rig.post("/api/v1/accounts", body).await.unwrap()["password"].as_str().unwrap().to_owned();
    let client = SessionClient::new(rig, name);
    assert_eq!(client.sign_in(name, &first).await, 204);
    let good = Some(json!({ "present": first, "new": "correct horse battery" }));
    assert_eq!(client.ask("POST", "/api/v1/account/password", good).await.0, 204);
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_does_what_it_is_there_for_and_no_more() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    rig.post("/api/v1/incidents", json!({ "title": "Khói", "severity": "critical" })).await.unwrap();
    let act = |client: &SessionClient, text: &str| {
        let body = json!({ "action": "comment", "text": text });
        let (base, jar, token) = (client.base.clone(), client.jar.clone(), client.token.clone());
        async move { SessionClient { base, jar, token }.ask("POST", "/api/v1/incidents/1/actions", Some(body)).await.0 }
    };
    let book =
        Some(json!({ "rota": "x", "person": "y", "from": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z" }));
    let device = Some(json!({ "device": "srv-9", "kind": "server", "name": "Máy 9" }));
    // Role; may work on an incident; may write duty (404: it may, and there is no such rota); may read the log; may register a device.
    for (role, handle, duty, audit, administer) in [
        ("viewer", 403, 403, 403, 403),
        ("technician", 204, 403, 403, 403),
        ("duty_officer", 204, 404, 403, 403),
        ("leader", 204, 404, 200, 403),
        ("auditor", 403, 403, 200, 403),
        ("administrator", 204, 404, 200, 201),
    ] {
        let name = role.replace('_', "-");
        let first = made(&rig, &name, role).await;
        let client = SessionClient::new(&rig, &name);
        assert_eq!(client.sign_in(&name, &first).await, 204);
        // Someone else chose the password: nothing before another is chosen.
        let (status, text) = client.ask("GET", "/api/v1/devices", None).await;
        assert!(status == 403 && text.contains("due"), "{role}: {status} {text}");
        assert_eq!(client.ask("GET", "/", None).await.0, 303, "{role}");
        let weak = Some(json!({ "present": first, "new": "short" }));
        assert_eq!(client.ask("POST", "/api/v1/account/password", weak).await.0, 422, "{role}");
        let good = Some(json!({ "present": first, "new": "correct horse battery" }));
        assert_eq!(client.ask("POST", "/api/v1/account/password", good).await.0, 204, "{role}");
        assert_eq!(client.ask("GET", "/api/v1/devices", None).await.0, 200, "{role}");
        assert_eq!(act(&client, role).await, handle, "{role}");
        assert_eq!(client.ask("POST", "/api/v1/duty/covers", book.clone()).await.0, duty, "{role}");
        assert_eq!(client.ask("GET", "/api/v1/audit", None).await.0, audit, "{role}");
        assert_eq!(client.ask("POST", "/api/v1/devices", device.clone()).await.0, administer, "{role}");
        let (status, page) = client.ask("GET", "/accounts", None).await;
        assert_eq!(status, if role == "administrator" { 200 } else { 403 }, "{role}");
        assert!(role == "administrator" || page.contains("Vai trò của bạn"), "{page}");
        let (_, page) = client.ask("GET", "/incidents/1", None).await;
        assert_eq!(page.contains("name=\"action\""), handle == 204, "{role}: no button that does nothing");
    }
    // A token does no more than its role, nor more than its owner; nothing of it is in the log.
    let admin = SessionClient::new(&rig, "administrator");
    admin.second(&rig).await;
    let token = Some(json!({ "label": "báo cáo", "role": "viewer", "days": 30 }));
    let (status, text) = admin.ask("POST", "/api/v1/account/tokens", token).await;
    assert_eq!(status, 201, "{text}");
    let token = serde_json::from_str::<Value>(&text).unwrap()["token"].as_str().unwrap().to_owned();
    let robot = SessionClient { token: Some(token.clone()), ..SessionClient::new(&rig, "robot") };
    assert_eq!(robot.ask("GET", "/api/v1/devices", None).await.0, 200);
    assert_eq!(act(&robot, "robot").await, 403);
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap().to_string();
    assert!(log.contains("account.token_created") && !log.contains(&token) && !log.contains("correct horse"), "{log}");

    let more = Some(json!({ "label": "too much", "role": "leader", "days": 1 }));
    let technician = SessionClient::new(&rig, "technician");
    technician.second(&rig).await;
    let (status, text) = technician.ask("POST", "/api/v1/account/tokens", more).await;
    assert!(status == 422 && text.contains("leader"), "{text}");

    // The wall is opened by a viewer's token in the address, and by no other; nothing else is.
    let (status, wall) = SessionClient::new(&rig, "wall").ask("GET", &format!("/wall?token={token}"), None).await;
    assert!(status == 200 && wall.contains("Khói") && !wall.contains("<form"), "{wall}");
    assert_eq!(SessionClient::new(&rig, "wall").ask("GET", &format!("/?token={token}"), None).await.0, 303);
    let more = Some(json!({ "label": "too much", "role": "administrator", "days": 1 }));
    let (_, text) = admin.ask("POST", "/api/v1/account/tokens", more).await;
    let more = serde_json::from_str::<Value>(&text).unwrap()["token"].as_str().unwrap().to_owned();
    assert_eq!(SessionClient::new(&rig, "wall").ask("GET", &format!("/wall?token={more}"), None).await.0, 303);

    // Whoever is disabled is out at once, by every door; the last administrator stays.
    let change = |name: &str, body: Value| {
        let path = format!("/api/v1/accounts/{name}");
        let client = SessionClient::new(&rig, "administrator");
        async move { client.ask("PATCH", &path, Some(body)).await.0 }
    };
    let viewer = SessionClient::new(&rig, "viewer");
    assert_eq!(viewer.ask("GET", "/api/v1/devices", None).await.0, 200);
    assert_eq!(change("viewer", json!({ "disabled": true })).await, 204);
    assert_eq!(viewer.ask("GET", "/api/v1/devices", None).await.0, 401);
    assert_eq!(viewer.sign_in("viewer", "correct horse battery").await, 401);
    assert_eq!(change("admin", json!({ "role": "viewer" })).await, 204);
    assert_eq!(change("administrator", json!({ "disabled": true })).await, 409);
    assert_eq!(robot.ask("GET", "/api/v1/devices", None).await.0, 200);
    assert_eq!(change("administrator", json!({ "role": "administrator" })).await, 204, "nothing changes");
    let reset = rig.post("/api/v1/accounts/administrator/reset", json!({})).await.unwrap();
    assert!(reset["password"].as_str().is_some_and(|password| password.len() == 20));
    assert_eq!(robot.ask("GET", "/api/v1/devices", None).await.0, 401, "a new password ends tokens, too");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_is_for_those_who_need_it_and_its_reading_is_recorded() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let mut agent = rig.agent("srv-01", "[report]\ninterval = \"1s\"\n").await.unwrap();
    agent.start().unwrap();
    let known = || async {
        let documents = rig.get("/api/v1/devices/srv-01/documents").await.unwrap_or_default();
        documents.to_string().contains("\"accounts\"")
    };
    eventually("the accounts of this machine are known", known).await.unwrap();
    for (role, may) in [("viewer", false), ("technician", true)] {
        let client = settled(&rig, role, json!({ "name": role, "role": role })).await;
        for path in ["/api/v1/devices/srv-01/documents", "/devices/srv-01"] {
            let (status, text) = client.ask("GET", path, None).await;
            let shown = text.contains("\"name\":\"accounts\"") || text.contains("id=\"accounts\"");
            assert_eq!((status, shown), (200, may), "{role} {path}");
        }
    }
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap();
    let by = |name: &str| {
        let records = log["items"].as_array().unwrap().iter();
        records.filter(|one| one["action"] == "personal.read" && one["actor"] == name).count()
    };
    assert_eq!((by("viewer"), by("technician")), (0, 1), "once an hour, however often it is looked at: {log}");
    agent.stop().await.unwrap();
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_asked_for_and_no_code_is_good_twice() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let client = settled(&rig, "lan", json!({ "name": "lan", "role": "duty_officer" })).await;
    let second = |body: Value| client.ask("POST", "/api/v1/account/second-factor", Some(body));
    assert_eq!(second(json!({ "action": "confirm", "code": "123456" })).await.0, 409);
    let (status, text) = second(json!({ "action": "start" })).await;
    let started: Value = serde_json::from_str(&text).unwrap();
    let secret = started["secret"].as_str().unwrap().to_owned();
    assert!(status == 200 && started["uri"].as_str().unwrap().contains(&secret), "{text}");
    // Not asked for before its owner has shown that they have it.
    assert_eq!(SessionClient::new(&rig, "a").sign_in("lan", "correct horse battery").await, 204);
    assert_eq!(second(json!({ "action": "confirm", "code": "000000" })).await.0, 422);
    let (status, text) = second(json!({ "action": "confirm", "code": code_of(&secret, 0).await })).await;
    let codes: Value = serde_json::from_str(&text).unwrap();
    assert!(status == 200 && codes["recovery"].as_array().unwrap().len() == 10, "{text}");

    let try_with = |name: &str, code: String| {
        let client = SessionClient::new(&rig, name);
        let body = json!({ "name": "lan", "password": "correct horse battery", "code": code });
        async move { client.ask("POST", "/api/v1/session", Some(body)).await.0 }
    };
    assert_eq!(SessionClient::new(&rig, "b").sign_in("lan", "correct horse battery").await, 401, "the password alone");
    // The next one: whatever passes meanwhile, it is within a step, and later than the one that was taken.
    let code = code_of(&secret, 1).await;
    assert_eq!(try_with("c", code.clone()).await, 204);
    assert_eq!(try_with("d", code).await, 401, "no code is good twice");
    let spare = codes["recovery"][0].as_str().unwrap().to_owned();
    assert_eq!(try_with("e", spare.clone()).await, 204);
    assert_eq!(try_with("f", spare).await, 401);

    // By the page: first the password, then the code.
    let browser = SessionClient::new(&rig, "g");
    let page = browser.form("/login", "name=lan&password=correct%20horse%20battery").await;
    let pending_sign_in =
        page.1.split("name=\"pending_sign_in\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let wrong = browser.form("/login/code", &format!("pending_sign_in={pending_sign_in}&code=000000")).await;
    assert!(wrong.0 == 401 && wrong.1.contains("Mã không đúng"), "{wrong:?}");
    let spare = codes["recovery"][1].as_str().unwrap();
    assert_eq!(browser.form("/login/code", &format!("pending_sign_in={pending_sign_in}&code={spare}")).await.0, 303);
    assert_eq!(browser.ask("GET", "/api/v1/devices", None).await.0, 200);
    assert_eq!(
        browser.form("/login/code", &format!("pending_sign_in={pending_sign_in}&code=000000")).await.0,
        303,
        "a pending sign-in is good once"
    );

    // A token cannot lock its owner out, nor make itself a successor.
    let token = Some(json!({ "label": "robot", "role": "viewer", "days": 1 }));
    let (status, text) = client.ask("POST", "/api/v1/account/tokens", token.clone()).await;
    assert!(status == 403 && text.contains("urn:ioc-watch:confirm"), "it was opened by the password alone: {text}");
    let spare = codes["recovery"][2].as_str().unwrap();
    let shows = Some(json!({ "password": "correct horse battery", "code": spare }));
    assert_eq!(second(json!({ "action": "off", "code": "000000" })).await.0, 403, "nor is it ended by such a one");
    assert_eq!(client.ask("POST", "/api/v1/session/confirm", shows).await.0, 204);
    let (_, text) = client.ask("POST", "/api/v1/account/tokens", token.clone()).await;
    let shown = serde_json::from_str::<Value>(&text).unwrap()["token"].as_str().unwrap().to_owned();
    let robot = SessionClient { token: Some(shown), ..SessionClient::new(&rig, "robot") };
    assert_eq!(robot.ask("POST", "/api/v1/account/tokens", token).await.0, 403);
    assert_eq!(robot.ask("POST", "/api/v1/account/second-factor", Some(json!({ "action": "start" }))).await.0, 403);
    let spare = codes["recovery"][3].as_str().unwrap();
    assert_eq!(second(json!({ "action": "off", "code": spare })).await.0, 200);
    assert_eq!(SessionClient::new(&rig, "h").sign_in("lan", "correct horse battery").await, 204);
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_limited_to_places_sees_and_does_nothing_elsewhere() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    for (id, place) in [("srv-in", "Tầng 2, phòng máy"), ("srv-out", "Tầng 20")] {
        let device = json!({ "device": id, "kind": "server", "name": id, "place": place, "label": format!("TS-{id}") });
        rig.post("/api/v1/devices", device).await.unwrap();
        rig.post("/api/v1/incidents", json!({ "device": id, "title": format!("Khói {id}"), "severity": "critical" }))
            .await
            .unwrap();
    }
    let body = json!({ "name": "lan", "role": "technician", "places": ["Tầng 2"] });
    let lan = settled(&rig, "lan", body).await;
    // Every page and every list, here and there.
    for path in [
        "/",
        "/devices",
        "/devices?search=srv",
        "/incidents",
        "/incidents?all=1",
        "/rooms",
        "/labels",
        "/wall",
        "/maintenance",
        "/api/v1/devices",
        "/api/v1/incidents",
        "/api/v1/faults",
        "/api/v1/rooms",
        "/metrics/devices",
    ] {
        let (status, text) = lan.ask("GET", path, None).await;
        assert!(status == 200 && !text.contains("srv-out") && !text.contains("Tầng 20"), "{path}: {status} {text}");
    }
    for path in ["/devices", "/incidents", "/wall", "/api/v1/devices", "/api/v1/incidents"] {
        assert!(lan.ask("GET", path, None).await.1.contains("srv-in"), "{path}");
    }
    for (there, status) in [("in", 200), ("out", 404)] {
        let incident = if there == "in" { 1 } else { 2 };
        for path in [
            format!("/devices/srv-{there}"),
            format!("/devices/srv-{there}/history"),
            format!("/devices/srv-{there}/label"),
            format!("/incidents/{incident}"),
            format!("/api/v1/devices/srv-{there}"),
            format!("/api/v1/devices/srv-{there}/history"),
            format!("/api/v1/incidents/{incident}"),
        ] {
            assert_eq!(lan.ask("GET", &path, None).await.0, status, "{path}");
        }
        let say = Some(json!({ "action": "comment", "text": "Tôi xem" }));
        let did = if there == "in" { 204 } else { 404 };
        assert_eq!(lan.ask("POST", &format!("/api/v1/incidents/{incident}/actions"), say).await.0, did, "{there}");
        let made = if there == "in" { 201 } else { 404 };
        let remark = Some(json!({ "text": "Đã lau bụi" }));
        assert_eq!(lan.ask("POST", &format!("/api/v1/devices/srv-{there}/remarks"), remark).await.0, made);
        let open = Some(json!({ "device": format!("srv-{there}"), "title": "Ồn", "severity": "warning" }));
        assert_eq!(lan.ask("POST", "/api/v1/incidents", open).await.0, made);
        let window = |scope: Value| {
            let when = json!({ "kind": "once", "from": "2030-01-01T00:00:00Z", "until": "2030-01-01T02:00:00Z" });
            Some(json!({ "title": "Thay nguồn", "scope": scope, "when": when }))
        };
        let scope = json!({ "devices": [format!("srv-{there}")] });
        assert_eq!(lan.ask("POST", "/api/v1/windows", window(scope)).await.0, made, "{there}");
        assert_eq!(lan.ask("POST", "/api/v1/windows", window(json!({}))).await.0, 404, "a window for all");
    }
    let join = Some(json!({ "action": "merge", "into": 2 }));
    assert_eq!(lan.ask("POST", "/api/v1/incidents/1/actions", join).await.0, 404, "joining touches both");
    assert_eq!(lan.ask("GET", "/api/v1/audit", None).await.0, 403);
    let leader = settled(&rig, "minh", json!({ "name": "minh", "role": "leader", "places": ["Tầng 2"] })).await;
    assert_eq!(leader.ask("GET", "/api/v1/audit", None).await.0, 403, "the log is of the whole");
    let (status, home) = leader.ask("GET", "/", None).await;
    assert!(status == 200 && !home.contains("/audit"), "no link that leads nowhere");
    let whole = json!({ "name": "an", "role": "auditor", "places": ["Tầng 2"] });
    assert!(rig.post("/api/v1/accounts", whole).await.unwrap_err().to_string().contains("everywhere"));
    // The limit goes, and what was out of reach is there.
    let all = leader_of_all(&rig).await;
    assert_eq!(all, 200);
    rig.stop().await.unwrap();
}

/// Lets *lan* reach everywhere, and says what she then gets of what was out of reach.
async fn leader_of_all(rig: &Rig) -> u16 {
    let admin = settled(rig, "root", json!({ "name": "root", "role": "administrator" })).await;
    admin.second(rig).await;
    let change = Some(json!({ "places": [] }));
    assert_eq!(admin.ask("PATCH", "/api/v1/accounts/lan", change).await.0, 204);
    let lan = SessionClient::new(rig, "lan");
    assert_eq!(lan.ask("GET", "/api/v1/devices", None).await.0, 401, "another reach ends what was open");
    assert_eq!(lan.sign_in("lan", "correct horse battery").await, 204);
    lan.ask("GET", "/api/v1/devices/srv-out", None).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_needs_a_second_factor_gets_nowhere_without_one() {
    let mut rig = Rig::new("[people]\nsecond_factor_for = [\"leader\"]\n");
    rig.start().await.unwrap();
    let leader = settled(&rig, "minh", json!({ "name": "minh", "role": "leader" })).await;
    let viewer = settled(&rig, "lan", json!({ "name": "lan", "role": "viewer" })).await;
    assert_eq!(viewer.ask("GET", "/api/v1/devices", None).await.0, 200);
    let (status, text) = leader.ask("GET", "/api/v1/devices", None).await;
    assert!(status == 403 && text.contains("second factor"), "{status} {text}");
    assert_eq!(leader.ask("GET", "/devices", None).await.0, 303);
    let (status, page) = leader.ask("GET", "/account", None).await;
    assert!(status == 200 && page.contains("bắt buộc có xác thực hai lớp"), "{page}");
    let token = Some(json!({ "label": "around", "role": "viewer", "days": 1 }));
    assert_eq!(leader.ask("POST", "/api/v1/account/tokens", token).await.0, 403);
    let (_, text) = leader.ask("POST", "/api/v1/account/second-factor", Some(json!({ "action": "start" }))).await;
    let started: Value = serde_json::from_str(&text).unwrap();
    let code = code_of(started["secret"].as_str().unwrap(), 0).await;
    let confirm = Some(json!({ "action": "confirm", "code": code }));
    assert_eq!(leader.ask("POST", "/api/v1/account/second-factor", confirm).await.0, 200);
    assert_eq!(leader.ask("GET", "/api/v1/devices", None).await.0, 200);
    rig.stop().await.unwrap();
}

/// Every form of the pages, and the fields that it has.
const FORMS: &[(&str, &[&str])] = &[
    ("/login", &["name", "password", "next"]),
    ("/login/code", &["pending_sign_in", "code", "next"]),
    ("/language", &["language"]),
    ("/devices/views", &["name", "query", "remove"]),
    ("/devices/many", &["devices", "place", "officer", "leader", "tags", "query"]),
    ("/devices/srv-01/remarks", &["text"]),
    ("/enrolment", &["action", "name", "kind", "uses", "life", "table", "token", "request", "device", "tags", "group"]),
    ("/incidents/new", &["title", "text", "severity", "device", "reporter", "contact"]),
    ("/incidents/1", &["action", "note", "text", "unit", "person", "backup", "safety", "course", "remedy", "into"]),
    ("/incidents/99999999999999999999", &["action"]),
    ("/a/1.1.lan.0000", &["note"]),
    ("/duty/covers", &["rota", "person", "from", "until", "note"]),
    (
        "/incidents/1/forms/first-notice",
        &["do", "signer", "date", "seen_step", "system", "impact", "copy", "was-system"],
    ),
    ("/duty/swap", &["first", "second", "note"]),
    ("/duty/turns", &["give", "from", "until", "person", "take", "note"]),
    ("/duty/turns/1/answer", &["answer", "note"]),
    ("/duty/turns/1/withdraw", &["x"]),
    ("/duty/answer/turn.1.lan.1.0000", &["answer", "note"]),
    ("/duty/feeds", &["subject"]),
    ("/duty/contacts", &["person", "channel", "address", "code"]),
    (
        "/duty/plan/person",
        &["id", "name", "do", "version", "more", "contact.0.channel", "contact.0.address", "quiet.from"],
    ),
    (
        "/duty/plan/rota",
        &["id", "name", "do", "layer.0.person", "layer.0.start", "layer.0.turn_days", "holiday.0.date", "public.year"],
    ),
    ("/duty/plan/policy", &["id", "name", "do", "step.0.after", "step.0.to", "repeat"]),
    ("/duty/plan/routes", &["do", "route.0.policy", "route.0.order", "route.0.kinds"]),
    ("/duty/feeds/0000/end", &["x"]),
    ("/duty/covers/1/remove", &["x"]),
    ("/duty/book", &["rota", "text"]),
    ("/duty/test/x", &["x"]),
    ("/duty/resend", &["key"]),
    ("/maintenance", &["title", "devices", "kind", "repeat", "from", "until", "at", "minutes", "d1", "freeze"]),
    ("/maintenance/1/end", &["x"]),
    (
        "/system-backups",
        &["device", "devices", "kind", "source", "every", "keep_days", "place", "copies", "media", "note"],
    ),
    ("/register/assets/import", &["table", "digest"]),
    ("/register/accounts/import", &["table", "digest"]),
    ("/register/accounts/import/9/undo", &["digest"]),
    ("/register/software/import", &["table", "digest"]),
    ("/register/software/import/9/undo", &["digest"]),
    ("/register/assets/import/9/undo", &["digest"]),
    ("/register/accounts", &["key", "holder", "note"]),
    (
        "/register/accounts/attestations",
        &["device", "name", "role", "administrator", "holder", "password_day", "gone", "note", "valid_until"],
    ),
    ("/register/accounts/reviews", &["x"]),
    ("/register/accounts/reviews/1", &["do", "seen", "verdict-1", "reason-1", "was-verdict-1", "was-reason-1"]),
    ("/register/counts", &["place"]),
    ("/register/counts/1", &["device", "state", "place", "remark", "seen"]),
    ("/register/counts/1/finds", &["what", "label", "serial", "place", "remark"]),
    ("/register/counts/1/close", &["members", "remark", "seen"]),
    ("/register/counts/1/settle", &["device", "find", "remark"]),
    ("/register/software", &["key", "purpose", "scope", "owner", "licence", "state"]),
    ("/register/software/product", &["key", "purpose", "licence_count", "support_end", "state"]),
    ("/register/assets/srv-01", &["name", "mac", "bought", "state", "purpose", "importance", "take", "keep"]),
    ("/register/assets/srv-01/attestations", &["area", "note", "valid_until", "bad"]),
    ("/system-backups/attest", &["device", "kind", "made_at", "valid_until", "note"]),
    ("/system-backups/withdraw", &["device", "kind"]),
    ("/accounts", &["name", "full_name", "role", "places"]),
    ("/accounts/nobody", &["action", "role", "places"]),
    ("/account/second-factor", &["action", "code"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_form_falls_over_what_is_typed_into_it() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    rig.post("/api/v1/incidents", json!({ "title": "Khói", "severity": "critical" })).await.unwrap();
    let device = json!({ "device": "srv-01", "kind": "server", "name": "Máy chủ 1" });
    rig.post("/api/v1/devices", device).await.unwrap();
    rig.post("/api/v1/devices/srv-01/remarks", json!({ "text": "Đã thay quạt" })).await.unwrap();
    let events = rig.get("/api/v1/devices/srv-01/events").await.unwrap();
    assert_eq!(
        (&events["items"][0]["name"], &events["items"][0]["text"]),
        (&json!("remark"), &json!("Đã thay quạt")),
        "{events}"
    );
    let password = std::fs::read_to_string(rig.data().join("first-password")).unwrap();
    let client = SessionClient::new(&rig, "admin");
    assert_eq!(client.sign_in("admin", password.trim()).await, 204);
    let script = "<script>document.title='caught'</script>\"'>";
    let long = "ấ".repeat(500);
    let values = [
        "",
        script,
        "%00%01%7f",
        "\u{202e}\u{feff}\u{1f4a3}",
        "-1",
        "9e999",
        "2026-13-45T99:99",
        &long,
        "' OR 1=1 --",
        "{{7*7}}",
    ];
    for (path, fields) in FORMS {
        for value in values {
            let written = if value.starts_with('%') { value.to_owned() } else { percent(value) };
            let body: Vec<String> = fields.iter().map(|field| format!("{field}={written}")).collect();
            let (status, page) = client.in_turn("POST", path, Some(&body.join("&"))).await;
            assert!((200..500).contains(&status), "{path} {value:.40}: {status} {page:.300}");
            assert!(!page.contains(script), "{path}: what was typed became part of the page");
        }
        // Half a form, the same field twice, no form at all.
        for body in ["", "=&=&&", "%", "a", "action=x&action=y&name=a&name=b"] {
            let (status, page) = client.in_turn("POST", path, Some(body)).await;
            assert!((200..500).contains(&status), "{path} {body}: {status} {page:.300}");
        }
    }
    // What was kept of it is shown as text.
    for path in [
        "/",
        "/devices",
        "/incidents",
        "/duty",
        "/duty/calendar",
        "/duty/who",
        "/duty/plan",
        "/duty/turns",
        "/duty/feeds",
        "/maintenance",
        "/system-backups?view=all",
        "/register/assets",
        "/register/software",
        "/register/accounts",
        "/register/accounts/reviews",
        "/register/accounts/reviews/1",
        "/register/assets/srv-01",
        "/accounts",
        "/enrolment",
        "/audit",
        "/incidents/1",
        "/devices/srv-01",
    ] {
        let (status, page) = client.in_turn("GET", path, None).await;
        assert!(status == 200 && !page.contains("<script>document"), "{path}: {status}");
    }
    assert!(!rig.log().contains("panicked"), "{}", rig.log());
    rig.stop().await.unwrap();
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
