//! The pages in a real browser (Debian's Chromium, over WebDriver): a person signs in, sees the fleet live, and takes an incident.
#![allow(clippy::unwrap_used, reason = "tests")]

mod first_minutes;

use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use ioc_common::clock;
use ioc_tests::harness::{Rig, eventually, free_port, peers};
use ioc_tests::link::Link;
use ioc_tests::machine::Machine;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

/// A browser that is driven; other subjects use it, too.
pub(crate) struct Browser {
    base: String,
    session: String,
    _driver: Child,
}

impl Browser {
    pub(crate) async fn start(width: u32, height: u32) -> Self {
        let port = free_port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is installed (Debian: chromium-driver; scripts/test installs it)");
        let base = format!("http://127.0.0.1:{port}");
        let mut browser = Self { base, session: String::new(), _driver: driver };
        eventually("chromedriver", || async { browser.try_call("GET", "/status", None).await.is_some() })
            .await
            .unwrap();
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--ignore-certificate-errors",
            "--hide-scrollbars",
            &format!("--window-size={width},{height}"),
        ];
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "acceptInsecureCerts": true, "goog:chromeOptions": { "args": arguments }, "goog:loggingPrefs": { "browser": "ALL" } } } });
        let answer = browser.call("POST", "/session", Some(capabilities)).await;
        browser.session = format!("/session/{}", answer["sessionId"].as_str().unwrap());
        browser
    }

    async fn try_call(&self, method: &str, path: &str, body: Option<Value>) -> Option<Value> {
        let mut command = Command::new("curl");
        command.args(["-s", "-X", method, &format!("{}{path}", self.base)]);
        if body.is_some() {
            command.args(["-H", "content-type: application/json", "--data-binary", "@-"]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let mut stdin = child.stdin.take()?;
        if let Some(body) = body {
            stdin.write_all(body.to_string().as_bytes()).await.ok()?;
        }
        drop(stdin);
        let output = child.wait_with_output().await.ok()?;
        serde_json::from_slice::<Value>(&output.stdout).ok().map(|mut answer| answer["value"].take())
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let answer = self.try_call(method, path, body).await.expect("an answer of chromedriver");
        assert!(answer.get("error").is_none(), "{method} {path}: {answer}");
        answer
    }

    pub(crate) async fn go(&self, url: &str) {
        self.call("POST", &format!("{}/url", self.session), Some(json!({ "url": url }))).await;
    }

    pub(crate) async fn run(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.call("POST", &format!("{}/execute/sync", self.session), Some(body)).await
    }

    pub(crate) async fn text(&self) -> String {
        self.run("return document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    pub(crate) async fn click(&self, selector: &str) {
        self.on_element(selector, "click", json!({})).await;
    }

    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        self.on_element(selector, "value", json!({ "text": text })).await;
    }

    /// Does something with an element; once more where the page was drawn anew between finding it and that.
    async fn on_element(&self, selector: &str, what: &str, with: Value) {
        for _ in 0..5 {
            let body = json!({ "using": "css selector", "value": selector });
            let element = self.call("POST", &format!("{}/element", self.session), Some(body)).await;
            let id = element.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
            let path = format!("{}/element/{id}/{what}", self.session);
            let answer = self.try_call("POST", &path, Some(with.clone())).await.expect("an answer of chromedriver");
            match answer.get("error").and_then(Value::as_str) {
                None => return,
                Some("stale element reference") => {}
                Some(_) => panic!("{selector} {what}: {answer}"),
            }
        }
        panic!("{selector} does not stay");
    }

    pub(crate) async fn shows(&self, text: &str) {
        let what = format!("the page shows {text:?}");
        if eventually(&what, || async { self.text().await.contains(text) }).await.is_err() {
            panic!("{what}; it shows:\n{}", self.text().await);
        }
    }

    /// Waits until the page says that something was refused; the console's entry about it is taken.
    async fn has_error(&self) {
        let error = || async { self.run("return !!document.querySelector('.error')").await == json!(true) };
        eventually("what was refused is said", error).await.unwrap();
        let _ = self.call("POST", &format!("{}/se/log", self.session), Some(json!({ "type": "browser" }))).await;
    }

    /// Nothing is wider than the window, and the console has no complaint.
    pub(crate) async fn is_clean(&self) {
        let overflow =
            self.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        assert_eq!(overflow, json!(0), "nothing hangs over the edge");
        let log = self.call("POST", &format!("{}/se/log", self.session), Some(json!({ "type": "browser" }))).await;
        let complaints: Vec<&Value> =
            log.as_array().into_iter().flatten().filter(|entry| entry["level"] == "SEVERE").collect();
        assert!(complaints.is_empty(), "{complaints:?}");
    }

    /// From now on it is a telephone of this width.
    pub(crate) async fn phone(&self, width: u32) {
        let params = json!({ "width": width, "height": 844, "deviceScaleFactor": 2, "mobile": true });
        let metrics = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": params });
        self.call("POST", &format!("{}/goog/cdp/execute", self.session), Some(metrics)).await;
    }

    /// From now on it is `light` or `dark`.
    pub(crate) async fn colours(&self, scheme: &str) {
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        let emulated = json!({ "cmd": "Emulation.setEmulatedMedia", "params": media });
        self.call("POST", &format!("{}/goog/cdp/execute", self.session), Some(emulated)).await;
    }

    /// Moves and presses the pointer as a hand does (WebDriver, "actions").
    pub(crate) async fn pointer(&self, actions: Value) {
        let mouse =
            json!({ "type": "pointer", "id": "mouse", "parameters": { "pointerType": "mouse" }, "actions": actions });
        self.call("POST", &format!("{}/actions", self.session), Some(json!({ "actions": [mouse] }))).await;
    }

    /// What axe-core finds that is serious (WCAG 2.2 A and AA).
    pub(crate) async fn barriers(&self) -> Value {
        let axe = std::fs::read_to_string(peers().join("axe.min.js")).expect("scripts/test installs axe-core");
        self.run(&format!("{axe}; return 1")).await;
        let script = "const done = arguments[arguments.length - 1]; \
                      axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }) \
                      .then((found) => done(found.violations.filter((one) => ['serious', 'critical'].includes(one.impact)) \
                      .map((one) => one.id + ': ' + one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | '))), \
                      (error) => done([String(error)]));";
        let body = json!({ "script": script, "args": [] });
        self.call("POST", &format!("{}/execute/async", self.session), Some(body)).await
    }

    pub(crate) async fn picture(&self, name: &str) {
        if let Some(dir) = std::env::var_os("IOC_PICTURES") {
            let shot = self.call("GET", &format!("{}/screenshot", self.session), None).await;
            let bytes = base64::engine::general_purpose::STANDARD.decode(shot.as_str().unwrap()).unwrap();
            std::fs::write(std::path::Path::new(&dir).join(name), bytes).unwrap();
        }
    }
}

/// What it began must not go on without it.
impl Drop for Browser {
    #[allow(clippy::disallowed_methods, reason = "the end of a test")]
    fn drop(&mut self) {
        let address = format!("{}{}", self.base, self.session);
        let _ = std::process::Command::new("curl").args(["-s", "-m", "5", "-X", "DELETE", &address]).output();
    }
}

pub(crate) async fn sign_in(browser: &Browser, rig: &Rig) -> String {
    let base = format!("https://localhost:{}", rig.web);
    let password = std::fs::read_to_string(rig.data().join("first-password")).unwrap();
    browser.go(&base).await;
    browser.shows("Đăng nhập").await;
    browser.type_into("input[name=name]", "admin").await;
    browser.type_into("input[name=password]", "wrong").await;
    browser.click("button.primary").await;
    browser.shows("Tên hoặc mật khẩu không đúng").await;
    // The console complains about the 401, as it should; that entry is taken here.
    let _ = browser.call("POST", &format!("{}/se/log", browser.session), Some(json!({ "type": "browser" }))).await;
    browser.type_into("input[name=name]", "admin").await;
    browser.type_into("input[name=password]", password.trim()).await;
    browser.click("button.primary").await;
    base
}

/// Sets up the administrator's second factor and shows it: accounts are changed by who has one, and the way to it stands on every page.
async fn show_second_factor(browser: &Browser, rig: &Rig, base: &str) {
    browser.shows("bạn chưa bật").await;
    let jar = rig.dir().join("admin.jar");
    let password = std::fs::read_to_string(rig.data().join("first-password")).unwrap().trim().to_owned();
    ioc_tests::second_factor::sign_in(rig, &jar, "admin", &password).await;
    let code = ioc_tests::second_factor::set_up(rig, &jar).await.recovery.remove(0);
    browser.go(&format!("{base}/account/confirm?next=/accounts")).await;
    browser.type_into("input[name=password]", &password).await;
    browser.type_into("input[name=code]", &code).await;
    browser.click("main button.primary").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duty_officer_sees_the_fleet_live_and_takes_an_incident() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let browser = Browser::start(1920, 1080).await;
    let base = sign_in(&browser, &rig).await;
    browser.shows("Chưa có thiết bị nào").await;
    browser.go(&format!("{base}/devices")).await;
    browser.shows("Chưa có thiết bị nào").await;

    // A device enrols and reports; the open page shows it without being asked.
    let identity = rig.enrol(1).await.unwrap().remove(0);
    let (mut link, known) = Link::open(&identity, 4).await.unwrap();
    let mut machine = Machine::new(identity.device.clone(), "server", 1, known, clock::now());
    let hello = machine.hello(10, 4);
    for body in [hello, machine.sample()] {
        let (position, kind, payload) = machine.seal(&body, clock::now(), 0);
        let packet = link.publish(kind, payload);
        link.send(packet).await.unwrap();
        link.committed(position).await.unwrap();
    }
    browser.shows("Sim 00000").await;
    browser.shows("Hoạt động").await;
    browser.is_clean().await;

    browser.go(&base).await;
    browser.shows("Không có thiết bị nào cần xử lý").await;

    // It falls silent; the page turns red by itself.
    drop(link);
    browser.shows("Mất liên lạc").await;
    browser.shows("Thiết bị mất liên lạc").await;
    browser.picture("fleet.png").await;
    browser.click("a.alert").await;
    browser.shows("Cần làm").await;
    browser.type_into("input[name=note]", "Đang tới xem").await;
    browser.click("button.primary").await;
    browser.shows("Đã tiếp nhận bởi admin").await;
    browser.shows("Đang tới xem").await;
    browser.is_clean().await;
    browser.picture("incident.png").await;

    show_second_factor(&browser, &rig, &base).await;
    // Another person gets an account: the password stays on the page although the page lives.
    browser.shows("Tài khoản mới").await;
    browser.type_into("form.fields input[name=name]", "lan.nt").await;
    browser.click("form.fields button").await;
    browser.shows("Mật khẩu của lan.nt").await;
    rig.post("/api/v1/incidents", json!({ "title": "Khói", "severity": "critical" })).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    browser.shows("Mật khẩu của lan.nt").await;
    browser.is_clean().await;
    browser.go(&format!("{base}/account")).await;
    browser.type_into("input[name=label]", "Màn hình chung").await;
    browser.click("form[action='/account/tokens'] button").await;
    browser.shows("iocw_").await;
    let token = browser.run("return document.querySelector('code').textContent").await;
    let token = token.as_str().unwrap().to_owned();
    // The list of devices: what is asked of it stands in its address, and can be kept.
    browser.go(&format!("{base}/devices?kind=server&sort=seen")).await;
    browser.shows("1 thiết bị").await;
    browser.type_into("form.keep input[name=name]", "Máy chủ của tôi").await;
    browser.click("form.keep button").await;
    browser.click("nav.views a").await;
    browser.shows("Sim 00000").await;
    browser.is_clean().await;
    // An administrator lets a machine in, and prints its label.
    browser.go(&format!("{base}/enrolment")).await;
    browser.type_into("textarea", "name;kind\n<script>alert(1)</script>;toaster\n").await;
    browser.click("button[value=import]").await;
    browser.shows("Bảng có lỗi").await;
    let _ = browser.call("POST", &format!("{}/se/log", browser.session), Some(json!({ "type": "browser" }))).await;
    browser.type_into("input[name=purpose]", "Máy trạm").await;
    browser.click("button[value=token]").await;
    browser.shows("ioc-agent enrol --server").await;
    browser.is_clean().await;
    browser.go(&format!("{base}/devices/{}/label", identity.device)).await;
    browser.shows("sim-00000").await;
    browser.is_clean().await;
    browser.go(&format!("{base}/devices/{}/history", identity.device)).await;
    browser.shows("CPU bận").await;
    browser.is_clean().await;

    // In the other language, and out.
    browser.go(&base).await;
    browser.click("button[value=en]").await;
    browser.shows("Last seen").await;
    browser.click("form[action='/logout'] button").await;
    browser.shows("Sign in").await;
    browser.is_clean().await;

    // The wall opens by its token without anyone signed in, and turns by itself.
    browser.go(&format!("{base}/wall?token={token}")).await;
    browser.shows("Critical incident").await;
    rig.post("/api/v1/incidents", json!({ "title": "Nước ở phòng máy", "severity": "critical" })).await.unwrap();
    browser.shows("Nước ở phòng máy").await;
    browser.is_clean().await;
    rig.stop().await.unwrap();
}

/// What a technician reads on the way, in both languages.
const REPAIR: [[&str; 9]; 2] = [
    [
        "vi",
        "do người khác đặt",
        "Tiếp nhận",
        "Đã tiếp nhận bởi",
        "bản sao lưu ở đâu",
        "Đang khắc phục",
        "Đã hết",
        "Phải ghi diễn biến",
        "Đã đóng",
    ],
    [
        "en",
        "set by someone else",
        "Acknowledge",
        "Acknowledged by",
        "where the backup is",
        "Repairing",
        "Resolved",
        "Write down the course",
        "Closed",
    ],
];

#[tokio::test(flavor = "multi_thread")]
async fn a_technician_repairs_through_the_gates_on_a_screen_and_on_a_phone() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let base = format!("https://localhost:{}", rig.web);
    for ([language, due, take, taken, no_backup, repairing, resolved, no_course, closed], width) in
        REPAIR.into_iter().zip([1920, 360])
    {
        let name = format!("ky-thuat-{language}");
        let body = json!({ "name": name, "full_name": "Lê Minh", "role": "technician" });
        let first = rig.post("/api/v1/accounts", body).await.unwrap()["password"].as_str().unwrap().to_owned();
        let incident =
            rig.post("/api/v1/incidents", json!({ "title": "Ổ đĩa kêu", "severity": "critical" })).await.unwrap();
        let browser = Browser::start(width.max(500), 900).await;
        if width < 500 {
            let metrics = json!({ "cmd": "Emulation.setDeviceMetricsOverride",
                "params": { "width": width, "height": 740, "deviceScaleFactor": 2, "mobile": true } });
            browser.call("POST", &format!("{}/goog/cdp/execute", browser.session), Some(metrics)).await;
        }
        browser.go(&base).await;
        if language == "en" {
            browser.click("button[value=en]").await;
        }
        browser.type_into("input[name=name]", &name).await;
        browser.type_into("input[name=password]", &first).await;
        browser.click("button.primary").await;
        // Someone else chose the password, so that it comes first.
        browser.shows(due).await;
        browser.type_into("input[name=present]", &first).await;
        browser.type_into("input[name=new]", "correct horse battery").await;
        browser.click("form[action='/account/password'] button.primary").await;
        eventually("the password is changed", || async { !browser.text().await.contains(due) }).await.unwrap();
        browser.go(&format!("{base}/incidents/{}", incident["id"])).await;
        browser.shows(take).await;
        browser.click("form.act button.primary").await;
        browser.shows(&format!("{taken} Lê Minh")).await;

        // No repair without a backup and a word on safety; what was written stays.
        browser.click("details:has(input[value=repair]) summary").await;
        browser.type_into("textarea[name=safety]", "Đã ngắt điện").await;
        browser.click("details:has(input[value=repair]) button.primary").await;
        browser.shows(no_backup).await;
        browser.has_error().await;
        let kept = browser.run("return document.querySelector('textarea[name=safety]').value").await;
        assert_eq!(kept, json!("Đã ngắt điện"), "{language}");
        browser.type_into("input[name=backup]", "restic 4f2a").await;
        browser.click("details:has(input[value=repair]) button.primary").await;
        browser.shows(repairing).await;
        browser.shows("restic 4f2a").await;
        browser.click("form:has(input[value=resolve]) button").await;
        browser.shows(resolved).await;
        // No end without its course and the remedy.
        browser.type_into("textarea[name=remedy]", "Thay ổ đĩa").await;
        browser.click("details:has(input[value=close]) button.primary").await;
        browser.shows(no_course).await;
        browser.has_error().await;
        browser.type_into("textarea[name=course]", "Ổ đĩa kêu từ sáng").await;
        browser.click("details:has(input[value=close]) button.primary").await;
        browser.shows(closed).await;
        browser.is_clean().await;
        let overflow =
            browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        assert_eq!(overflow, json!(0), "{language}");
        browser.picture(&format!("repair-{language}.png")).await;
    }
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines, reason = "one list of pages")]
async fn every_page_fits_a_phone_and_says_when_its_link_is_lost() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let browser = Browser::start(500, 800).await;
    // The narrowest window of headless Chromium is 500 px; the phone's width is emulated.
    let metrics = json!({ "cmd": "Emulation.setDeviceMetricsOverride",
        "params": { "width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true } });
    browser.call("POST", &format!("{}/goog/cdp/execute", browser.session), Some(metrics)).await;
    let base = sign_in(&browser, &rig).await;
    let identity = rig.enrol(1).await.unwrap().remove(0);
    // Only a device that was heard can fall silent; one that merely connected was never seen.
    let (mut link, known) = Link::open(&identity, 4).await.unwrap();
    let mut machine = Machine::new(identity.device.clone(), "display", 1, known, clock::now());
    for body in [machine.hello(10, 4), machine.survey().unwrap()] {
        let (position, kind, payload) = machine.seal(&body, clock::now(), 0);
        let packet = link.publish(kind, payload);
        link.send(packet).await.unwrap();
        link.committed(position).await.unwrap();
    }
    drop(link);
    browser.shows("Mất liên lạc").await;
    let pages = [
        "/",
        "/devices",
        "/devices?state=bad&sort=state",
        "/incidents",
        "/incidents/1",
        "/devices/sim-00000",
        "/incidents/999",
        "/enrolment",
        "/labels",
        "/duty",
        "/duty/calendar",
        "/duty/calendar?month=2027-02",
        "/duty/who",
        "/duty/who?severity=critical&at=2027-02-06T02:00",
        "/duty/plan",
        "/duty/plan/versions",
        "/duty/plan/person",
        "/duty/plan/rota",
        "/duty/plan/policy",
        "/duty/plan/routes",
        "/duty/plan/deadlines",
        "/duty/turns",
        "/duty/feeds",
        "/duty/shifts",
        "/maintenance",
        "/jobs",
        "/rules",
        "/rules/new",
        "/rules/disk-full",
        "/system-backups?view=unstated",
        "/register/assets",
        "/register/counts",
        "/register/software",
        "/reports",
        "/reports/filings/level-dossier",
        "/register/accounts",
        "/register/accounts/reviews",
        "/register/assets/import",
        "/register/accounts/import",
        "/register/software/import",
        "/register/assets/sim-00000",
        "/admin/records",
        "/configuration",
        "/configuration/rules",
        "/configuration/site?text_of=0",
        "/configuration/site/form",
        "/configuration/channels/form?new=smtp",
        "/search?q=dia",
        "/rooms",
        "/plan",
        "/plan?room=",
        "/sensors",
        "/coverage/passwords",
        "/coverage/antivirus",
        "/coverage/authenticity",
        "/people?name=admin",
        "/admin",
        "/audit",
        "/accounts",
        "/account",
        "/api",
        "/wall",
        "/incidents/new",
        "/incidents/statistics",
        "/dashboards",
        "/devices/sim-00000/history",
        "/devices/sim-00000/past",
        "/devices/sim-00000/changes",
        "/devices/sim-00000/compare",
    ];
    // What is gathered stands there when its page is opened: a page that waits asks again and again.
    rig.get("/api/v1/filings/level-dossier").await.unwrap();
    let mut barriers = Vec::new();
    for page in pages {
        browser.go(&format!("{base}{page}")).await;
        browser.shows("IOC").await;
        assert_eq!(browser.run("return innerWidth").await, json!(360));
        let overflow =
            browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        assert_eq!(overflow, json!(0), "{page} hangs over the edge");
        for scheme in ["dark", "light"] {
            let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            let emulated = json!({ "cmd": "Emulation.setEmulatedMedia", "params": media });
            browser.call("POST", &format!("{}/goog/cdp/execute", browser.session), Some(emulated)).await;
            let found = browser.barriers().await;
            if found != json!([]) {
                barriers.push((page, scheme, found));
            }
        }
    }
    assert!(barriers.is_empty(), "{barriers:#?}");
    browser.go(&base).await;
    browser.shows("Sim 00000").await;
    browser.picture("phone.png").await;
    rig.stop().await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    browser.shows("Mất kết nối với bộ thu").await;
}
