//! Incidents in ticket systems, both ways: Debian's Request Tracker 5, and one after Jira's API by the shipped template.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Stdio;

use ioc_tests::harness::{Rig, eventually, free_port, python};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const LIBEXEC: &str = "/usr/share/request-tracker5/libexec";

/// A Request Tracker on a database of its own.
struct Tracker {
    dir: tempfile::TempDir,
    port: u16,
    tokens: Vec<String>,
    server: Option<Child>,
}

impl Tracker {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (path, port) = (dir.path().to_str().unwrap().to_owned(), free_port());
        std::fs::create_dir(dir.path().join("conf.d")).unwrap();
        let config = format!(
            "Set($rtname, 'ioc.test'); Set($Organization, 'ioc.test');\n\
             Set($WebDomain, '127.0.0.1'); Set($WebPort, {port}); Set($WebBaseURL, 'http://127.0.0.1:{port}');\n\
             Set($DatabaseType, 'SQLite'); Set($DatabaseName, '{path}/rt.db'); Set($MailCommand, 'testfile');\n\
             Set($LogToFile, 'warning'); Set($LogDir, '{path}'); Set($LogToSyslog, undef); Set($LogToSTDERR, undef);\n\
             Set(%GnuPG, Enable => 0); Set(%SMIME, Enable => 0);\n1;\n"
        );
        std::fs::write(dir.path().join("RT_SiteConfig.pm"), config).unwrap();
        let mut tracker = Self { dir, port, tokens: Vec::new(), server: None };
        let made = tracker.command("rt-setup-database-5").args(["--action", "init", "--skip-create"]).output().await;
        let made = made.expect("Request Tracker is there; scripts/test installs it");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let fill = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/rt.pl");
        let filled = tracker.command("perl").arg(fill).output().await.unwrap();
        assert!(filled.status.success(), "{}", String::from_utf8_lossy(&filled.stderr));
        tracker.tokens = String::from_utf8(filled.stdout).unwrap().lines().map(str::to_owned).collect();
        tracker
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("RT_SITE_CONFIG", self.dir.path().join("RT_SiteConfig.pm"));
        command.env("RT_SITE_CONFIG_DIR", self.dir.path().join("conf.d"));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn start(&mut self) {
        let mut command = self.command(&format!("{LIBEXEC}/rt-server"));
        command.args(["--host", "127.0.0.1", "--port", &self.port.to_string(), "--server", "Standalone"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.server = Some(command.spawn().unwrap());
        let up = || async { self.alice("GET", "rt", None).await["Version"].is_string() };
        eventually("RT answers", up).await.unwrap();
    }

    async fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().await.unwrap();
        }
    }

    /// What a person does there.
    async fn alice(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let mut command = Command::new("curl");
        command.args(["-gs", "-X", method, "-H", "content-type: application/json"]);
        command.args(["-H", &format!("authorization: token {}", self.tokens[1])]);
        if let Some(body) = body {
            command.args(["-d", &body.to_string()]);
        }
        let output = command.arg(format!("http://127.0.0.1:{}/REST/2.0/{path}", self.port)).output().await.unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    async fn status(&self, ticket: u32) -> String {
        let ticket = self.alice("GET", &format!("ticket/{ticket}"), None).await;
        ticket["Status"].as_str().unwrap_or_default().to_owned()
    }

    /// Everything that was written on a ticket.
    async fn page_of(&self, ticket: u32) -> String {
        let path = format!("ticket/{ticket}/attachments?per_page=100&fields=Content,ContentType");
        let all = self.alice("GET", &path, None).await;
        let texts = all["items"].as_array().cloned().unwrap_or_default();
        texts.iter().filter_map(|one| one["Content"].as_str()).collect::<Vec<_>>().join("\n---\n")
    }
}

async fn incident(rig: &Rig, id: u32) -> Value {
    rig.get(&format!("/api/v1/incidents/{id}")).await.unwrap_or_default()
}

async fn timeline(rig: &Rig, id: u32) -> String {
    incident(rig, id).await["timeline"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn request_tracker_and_the_incident_follow_each_other() {
    let mut tracker = Tracker::new().await;
    tracker.start().await;
    let mut rig = Rig::new("");
    let (token, alerts) = (rig.dir().join("rt.token"), rig.dir().join("alerts.token"));
    std::fs::write(&token, &tracker.tokens[0]).unwrap();
    std::fs::write(&alerts, "s3cret").unwrap();
    let shipped = include_str!("../../config/tickets/rt.toml")
        .replace("https://rt.example", &format!("http://127.0.0.1:{}", tracker.port))
        .replace("/etc/ioc-watch/rt.token", token.to_str().unwrap())
        .replace("every = \"1m\"", "every = \"5s\"");
    let alerts = format!("[[source]]\nname = \"am\"\ntoken_file = {alerts:?}\n");
    rig.configure(|config| format!("{config}\n{shipped}\n{alerts}"));
    rig.start().await.unwrap();

    // There.
    rig.post("/api/v1/incidents", json!({ "title": "Khói ở phòng máy", "severity": "critical" })).await.unwrap();
    let known = || async { incident(&rig, 1).await["tickets"][0]["ticket"] == "1" };
    eventually("a ticket", known).await.unwrap();
    let ticket = tracker.alice("GET", "ticket/1", None).await;
    assert!(ticket["Subject"].as_str().unwrap().starts_with("[INC-000001]"), "{ticket}");
    assert!(tracker.page_of(1).await.contains("Khói ở phòng máy"));
    let act = "/api/v1/incidents/1/actions";
    rig.post(act, json!({ "action": "acknowledge", "note": "Tôi đến ngay" })).await.unwrap();
    eventually("open there", || async { tracker.status(1).await == "open" }).await.unwrap();
    assert!(tracker.page_of(1).await.contains("Tôi đến ngay"));

    // And back: what is written, who takes it, that it is mended, that it is not.
    tracker
        .alice("POST", "ticket/1/correspond", Some(json!({ "Content": "Đã cắt điện", "ContentType": "text/plain" })))
        .await;
    tracker.alice("PUT", "ticket/1", Some(json!({ "Owner": "alice" }))).await;
    let back = || async { timeline(&rig, 1).await.contains("Đã cắt điện") };
    eventually("her words", back).await.unwrap();
    eventually("her name", || async { incident(&rig, 1).await["record"]["person"] == "alice" }).await.unwrap();
    tracker.alice("PUT", "ticket/1", Some(json!({ "Status": "resolved" }))).await;
    eventually("resolved here", || async { incident(&rig, 1).await["state"] == "resolved" }).await.unwrap();
    let steps = timeline(&rig, 1).await;
    assert!(steps.contains("rt:alice"), "{steps}");
    assert!(!tracker.page_of(1).await.contains("rt:alice"), "what she did there is not told to her");
    tracker.alice("PUT", "ticket/1", Some(json!({ "Status": "open" }))).await;
    eventually("reopened here", || async { incident(&rig, 1).await["state"] == "reopened" }).await.unwrap();

    // While the fault is there, nobody resolves it: not from there either, and the ticket says so.
    let firing = json!({ "version": "4", "alerts": [{ "status": "firing", "labels": { "alertname": "DiskFull", "severity": "critical" },
        "annotations": {}, "startsAt": "2026-01-01T00:00:00Z", "fingerprint": "f1" }] });
    let url = format!("https://localhost:{}/api/v1/alerts/am", rig.web);
    let curl = Command::new("curl")
        .args(["-ks", "-H", "authorization: Bearer s3cret", "-H", "content-type: application/json"])
        .args(["-d", &firing.to_string(), &url])
        .output()
        .await
        .unwrap();
    assert!(curl.status.success());
    eventually("its ticket", || async { incident(&rig, 2).await["tickets"][0]["ticket"] == "2" }).await.unwrap();
    tracker.alice("PUT", "ticket/2", Some(json!({ "Status": "resolved" }))).await;
    eventually("refused", || async { timeline(&rig, 2).await.contains("rt:alice: incident INC-000002") })
        .await
        .unwrap();
    eventually("set back", || async { tracker.status(2).await == "open" || tracker.status(2).await == "new" })
        .await
        .unwrap();
    assert!(tracker.page_of(2).await.contains("no fault under it is raised"), "{}", tracker.page_of(2).await);

    // Neither outage loses or doubles anything.
    tracker.stop().await;
    rig.post("/api/v1/incidents", json!({ "title": "Mất điện", "severity": "critical" })).await.unwrap();
    let said =
        || async { incident(&rig, 3).await["tickets"][0]["error"].as_str().is_some_and(|why| why.contains("refused")) };
    eventually("the error is said", said).await.unwrap();
    rig.kill().await.unwrap();
    tracker.start().await;
    rig.start().await.unwrap();
    eventually("a ticket", || async { incident(&rig, 3).await["tickets"][0]["ticket"] == "3" }).await.unwrap();
    let all = tracker.alice("GET", "tickets?query=id>0", None).await;
    assert_eq!(all["total"], 3, "{all}");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_by_template_follows_and_a_lost_answer_makes_no_second_ticket() {
    let mut command = Command::new(python());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/jira.py"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut jira = command.spawn().unwrap();
    let mut lines = BufReader::new(jira.stdout.take().unwrap()).lines();
    let base = format!("http://127.0.0.1:{}", lines.next_line().await.unwrap().unwrap());
    let ask = |path: String, body: Option<Value>| {
        let mut command = Command::new("curl");
        command
            .arg("-s")
            .args(body.iter().flat_map(|body| ["-d".to_owned(), body.to_string()]))
            .arg(format!("{base}{path}"));
        async move { serde_json::from_slice::<Value>(&command.output().await.unwrap().stdout).unwrap_or_default() }
    };
    let mut rig = Rig::new("");
    let token = rig.dir().join("jira.token");
    std::fs::write(&token, "c2VjcmV0\n").unwrap();
    let shipped = include_str!("../../config/tickets/jira.toml")
        .replace("https://jira.example", &base)
        .replace("/etc/ioc-watch/jira.token", token.to_str().unwrap())
        .replace("type = \"http\"", "type = \"http\"\nevery = \"5s\"");
    rig.configure(|config| format!("{config}\n{shipped}"));
    rig.start().await.unwrap();
    ask("/drop/1".into(), Some(json!(null))).await;
    rig.post("/api/v1/incidents", json!({ "title": "Quạt \"hỏng\"", "severity": "warning" })).await.unwrap();
    eventually("a ticket", || async { incident(&rig, 1).await["tickets"][0]["ticket"] == "IOC-1" }).await.unwrap();
    let page = incident(&rig, 1).await["tickets"][0]["page"].clone();
    assert_eq!(page, format!("{base}/browse/IOC-1"));
    let all = ask("/all".into(), None).await;
    assert!(
        all.as_object().unwrap().len() == 1 && all["IOC-1"]["summary"].as_str().unwrap().contains("\"hỏng\""),
        "{all}"
    );
    // The first look says where it stands; what follows is someone's doing.
    let looks = async || ask("/all".into(), None).await["IOC-1"]["looks"].as_u64().unwrap();
    let before = looks().await;
    eventually("it was looked at", || async { looks().await > before }).await.unwrap();
    ask("/status/IOC-1".into(), Some(json!("In Progress"))).await;
    eventually("taken", || async { incident(&rig, 1).await["state"] == "acknowledged" }).await.unwrap();
    rig.post("/api/v1/incidents/1/actions", json!({ "action": "resolve", "note": "Thay quạt" })).await.unwrap();
    eventually("done there", || async { ask("/all".into(), None).await["IOC-1"]["status"] == "Done" }).await.unwrap();
    let comments = ask("/all".into(), None).await["IOC-1"]["comments"].to_string();
    assert!(comments.contains("Thay quạt"), "{comments}");
    rig.stop().await.unwrap();
}
