//! The register of accounts (article 13) on the running collector: what agents find, what people vouch for, the collector's own; what is due; a review
//! that a leader signs, and what stays of it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use ioc_collector::cli;
use ioc_common::clock;
use ioc_common::document::Json;
use ioc_common::report::{Body, StateReport};
use ioc_tests::harness::Rig;
use ioc_tests::identity::Identity;
use ioc_tests::link::Link;
use ioc_tests::machine::Machine;
use ioc_tests::second_factor::set_up_and_show;
use serde_json::{Value, json};
use tokio::process::Command;

const DAY_MS: i64 = 86_400_000;
const PASSWORD: &str = "correct horse battery";

async fn send(rig: &Rig, method: &str, path: &str, body: Value) -> Result<Value, String> {
    cli::ask(&rig.runtime(), method, path, Some(body)).await.map_err(|error| error.to_string())
}

/// Whoever sits before a browser.
struct Client {
    base: String,
    jar: PathBuf,
}

impl Client {
    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let mut command = Command::new("curl");
        command.args(["-ks", "-m", "40", "-X", method, "-w", "\n%{http_code}"]).arg("-b").arg(&self.jar);
        command.arg("-c").arg(&self.jar).arg(format!("{}{path}", self.base));
        if let Some(body) = body {
            command.args(["-H", "content-type: application/json", "-d", &body.to_string()]);
        }
        let output = command.output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (text, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), text.to_owned())
    }

    /// Someone who has chosen their password, and signed in by it alone.
    async fn new(rig: &Rig, name: &str, full_name: &str, role: &str) -> Self {
        let made = json!({ "name": name, "full_name": full_name, "role": role });
        let first = rig.post("/api/v1/accounts", made).await.unwrap()["password"].as_str().unwrap().to_owned();
        let (base, jar) = (format!("https://localhost:{}", rig.web), rig.dir().join(format!("{name}.jar")));
        let client = Self { base, jar };
        let body = json!({ "name": name, "password": first });
        assert_eq!(client.ask("POST", "/api/v1/session", Some(body)).await.0, 204);
        let good = json!({ "present": first, "new": PASSWORD });
        assert_eq!(client.ask("POST", "/api/v1/account/password", Some(good)).await.0, 204);
        client
    }
}

/// A server whose agent tells of two accounts: one that nobody used for 60 days, and one of which nobody knows.
async fn host(rig: &Rig) -> Link {
    let about = json!({ "device": "srv-1", "kind": "server", "name": "Máy chủ 1", "place": "Phòng máy" });
    let identity = Identity::enrol(&rig.runtime(), &rig.server(), &about).await.unwrap();
    let (mut link, known) = Link::open(&identity, 60).await.unwrap();
    let mut machine = Machine::new(identity.device.clone(), "server", 1, known, clock::now());
    let ago = |days: i64| clock::now().plus_millis(-days * DAY_MS);
    let doc = json!({ "people": 2, "administrators": 1, "accounts": [
        { "name": "an", "administrator": true, "by": ["group sudo"], "locked": false, "changed_at": ago(10), "last_sign_in_at": ago(60) },
        { "name": "binh", "administrator": false, "by": [], "locked": false, "changed_at": null, "last_sign_in_at": null },
    ] });
    let doc = Json::of(&doc).unwrap();
    let mut last = known;
    for body in [machine.hello(10, 60), Body::State(StateReport::Document { name: "accounts".to_owned(), doc })] {
        let (position, kind, payload) = machine.seal(&body, clock::now(), 0);
        let packet = link.publish(kind, payload);
        link.send(packet).await.unwrap();
        last = position;
    }
    assert_eq!(link.committed(last).await.unwrap().refused, None);
    link
}

async fn keys(rig: &Rig, query: &str) -> Vec<String> {
    let found = rig.get(&format!("/api/v1/account-register?{query}")).await.unwrap();
    found["items"].as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap().to_owned()).collect()
}

async fn with_switch(rig: &Rig) {
    let switch = json!({ "device": "sw-1", "kind": "other", "name": "Chuyển mạch lõi", "place": "Tầng 2" });
    rig.post("/api/v1/devices", switch).await.unwrap();
    let until = clock::now().plus_millis(90 * DAY_MS);
    let word = json!({ "device": "sw-1", "name": "admin", "role": "quản trị", "administrator": true, "holder": "Trần Bình",
        "password_at": clock::now().plus_millis(-100 * DAY_MS), "note": "biên bản 7, ảnh 2", "valid_until": until });
    rig.post("/api/v1/account-register/attestations", word.clone()).await.unwrap();
    let files = "/api/v1/account-register/sw-1/admin/files";
    let path = format!("{files}?name=bien-ban.pdf");
    cli::send(&rig.runtime(), "POST", &path, "application/pdf", "%PDF-1".to_owned()).await.unwrap();
    let listed = rig.get("/api/v1/account-register?device=sw-1").await.unwrap();
    let file = &listed["items"][0]["files"][0];
    assert_eq!((&file["name"], &file["kind"]), (&json!("bien-ban.pdf"), &json!("pdf")), "{listed}");
    let kept = cli::bytes(&rig.runtime(), &format!("{files}/{}", file["sha256"].as_str().unwrap())).await.unwrap();
    assert_eq!(&kept[..], b"%PDF-1");
    let own = json!({ "device": "srv-1", "name": "an", "note": "x", "valid_until": until });
    let refused = rig.post("/api/v1/account-register/attestations", own).await.unwrap_err().to_string();
    assert!(refused.contains("its accounts itself"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_hosts_appliances_and_the_collector_stand_in_one_register_with_what_is_due() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let _link = host(&rig).await;
    with_switch(&rig).await;
    assert_eq!(keys(&rig, "").await, ["/admin", "srv-1/an", "srv-1/binh", "sw-1/admin"]);
    assert_eq!(keys(&rig, "finding=idle").await, ["srv-1/an"], "what nobody knows is not idle");
    assert_eq!(keys(&rig, "finding=password_unknown").await, ["srv-1/binh"]);
    assert_eq!(keys(&rig, "finding=password_overdue").await, ["sw-1/admin"]);
    assert_eq!(keys(&rig, "holder=Tr%E1%BA%A7n%20B%C3%ACnh").await, ["sw-1/admin"]);
    assert_eq!(keys(&rig, "limit=1&cursor=srv-1/an").await, ["srv-1/binh"]);
    let counted = rig.get("/api/v1/account-register/coverage").await.unwrap();
    for (field, value) in
        [("accounts", 4), ("idle", 1), ("sign_in_unknown", 2), ("idle_days", 45), ("review_months", 6)]
    {
        assert_eq!(counted[field], value, "{field}: {counted}");
    }
    // Who holds an account is said of all of these, or of none.
    let both = json!({ "keys": ["srv-1/an", "srv-1/nobody"], "holder": "Nguyễn Văn An" });
    assert!(send(&rig, "PATCH", "/api/v1/account-register", both).await.unwrap_err().contains("nobody"));
    let one = json!({ "keys": ["srv-1/an"], "holder": "Nguyễn Văn An" });
    send(&rig, "PATCH", "/api/v1/account-register", one).await.unwrap();
    assert_eq!(keys(&rig, "search=an%20nguy%E1%BB%85n").await, ["srv-1/an"]);
    // Files and the page, in both languages.
    let csv = cli::text(&rig.runtime(), "/api/v1/account-register.csv?work=idle").await.unwrap();
    assert!(csv.lines().count() == 2 && csv.contains("Nguyễn Văn An") && csv.contains("Bỏ không"), "{csv}");
    let book = cli::bytes(&rig.runtime(), "/api/v1/account-register.xlsx").await.unwrap();
    assert!(book.starts_with(b"PK"));
    let page = cli::text(&rig.runtime(), "/register/accounts").await.unwrap();
    for text in ["Sổ tài khoản", "chưa rõ", "Chuyển mạch lõi", "45 ngày", "có giá trị đến"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    // Who may not see who people are reads numbers in their place, and nothing of this collector's own.
    let viewer = Client::new(&rig, "khach", "", "viewer").await;
    let (status, seen) = viewer.ask("GET", "/api/v1/account-register", None).await;
    assert_eq!(status, 200);
    for name in ["Nguyễn Văn An", "Trần Bình", "\"an\"", "/admin\"", "biên bản 7"] {
        assert!(!seen.contains(name), "{name}: {seen}");
    }
    assert!(seen.contains("srv-1/#"), "{seen}");
    let file = "/api/v1/account-register/sw-1/admin/files/0000";
    assert_eq!(viewer.ask("GET", file, None).await.0, 403);
    assert_eq!(viewer.ask("GET", "/register/accounts/reviews", None).await.0, 403);
    // A sign-in here is on record.
    let listed = rig.get("/api/v1/account-register?search=khach").await.unwrap();
    assert!(listed["items"][0]["last_sign_in_at"].is_string(), "{listed}");
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap().to_string();
    for action in ["accounts.attested", "accounts.described", "account register"] {
        assert!(log.contains(action), "{action}: {log}");
    }
    // The clause report takes its figures from here.
    // The day at the site, which is seven hours ahead.
    let today: String = clock::now().plus_millis(7 * 3_600_000).to_string().chars().take(10).collect();
    let report = format!("clause.{today}.{today}");
    let facts = rig.get(&format!("/api/v1/reports/{report}")).await.unwrap();
    let articles = facts["articles"].as_array().unwrap();
    let figures = articles.iter().find(|one| one["article"] == "13").unwrap()["figures"].to_string();
    for text in ["Tài khoản bỏ không", "Rà soát tài khoản gần nhất", "chưa có đợt nào được lãnh đạo ký"]
    {
        assert!(figures.contains(text), "{text}: {figures}");
    }
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_holders_says_what_it_would_change_is_taken_in_whole_and_can_be_undone() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let _link = host(&rig).await;
    with_switch(&rig).await;
    let import = async |check: bool, table: &str| {
        let path = format!("/api/v1/account-register/import?check={check}");
        cli::send(&rig.runtime(), "POST", &path, "text/csv", table.to_owned()).await
    };
    // What the register exports is what it takes: nothing changes.
    let exported = cli::text(&rig.runtime(), "/api/v1/account-register.csv").await.unwrap();
    assert!(exported.contains("srv-1/an"), "{exported}");
    assert_eq!(import(true, &exported).await.unwrap(), json!({ "rows": [], "changed": null }));
    let wrong = import(false, "Mã tài khoản\tNgười giữ\nsrv-1/an\tAn\nsrv-1/x\tAn\n").await.unwrap_err().to_string();
    assert!(wrong.contains("row 3") && wrong.contains("srv-1/x"), "{wrong}");
    let table = "Mã tài khoản\tNgười giữ\tGhi chú\nsrv-1/an\tNguyễn Văn An\tca 1\nsrv-1/binh\tTrần Bình\t\n";
    let seen = import(true, table).await.unwrap();
    let change = json!({ "field": "holder", "old": "", "new": "Nguyễn Văn An" });
    assert_eq!((&seen["rows"][0]["key"], &seen["rows"][0]["changes"][0]), (&json!("srv-1/an"), &change), "{seen}");
    assert!(keys(&rig, "search=an%20nguy%E1%BB%85n").await.is_empty(), "it was only looked at");
    assert_eq!(import(false, table).await.unwrap()["changed"], 2);
    assert_eq!(keys(&rig, "search=an%20nguy%E1%BB%85n").await, ["srv-1/an"]);
    // The page shows what it would change, in words, and what was taken in.
    let form = "table=key%2Cholder%0Asrv-1%2Fan%2CL%C3%AA%20Lan%0A".to_owned();
    let (path, kind) = ("/register/accounts/import", "application/x-www-form-urlencoded");
    assert!(cli::send(&rig.runtime(), "POST", path, kind, form).await.is_ok());
    let page = cli::text(&rig.runtime(), "/register/accounts/import").await.unwrap();
    assert!(page.contains("/register/accounts/import/1/undo") && page.contains("2 tài khoản"), "{page}");
    assert!(rig.get("/api/v1/assets/imports").await.unwrap().as_array().unwrap().is_empty(), "of another register");
    assert!(rig.post("/api/v1/assets/imports/1/undo", json!({})).await.is_err());
    rig.post("/api/v1/account-register/imports/1/undo", json!({})).await.unwrap();
    assert!(keys(&rig, "search=an%20nguy%E1%BB%85n").await.is_empty());
    let listed = rig.get("/api/v1/account-register/imports").await.unwrap();
    assert!(listed[0]["undone_at"].is_string() && listed[0]["rows"] == 2, "{listed}");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_is_written_signed_by_a_leader_in_person_and_never_changed() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let _link = host(&rig).await;
    let leader = Client::new(&rig, "sep", "Trần Thị Sếp", "leader").await;
    assert_eq!(leader.ask("POST", "/api/v1/account-reviews", Some(json!({}))).await.0, 201);
    assert!(rig.post("/api/v1/account-reviews", json!({})).await.unwrap_err().to_string().contains("is open"));
    let review = rig.get("/api/v1/account-reviews/1").await.unwrap();
    let lines = review["lines"].as_array().unwrap();
    let line_of = |name: &str| {
        lines.iter().find(|line| line["account"]["name"] == name).unwrap_or_else(|| panic!("{name}: {review}"))
    };
    assert_eq!((&line_of("an")["verdict"], &line_of("binh")["verdict"]), (&json!("lock"), &json!("change")));
    // The page remembers what was typed, and says what is missing.
    let page = leader.ask("GET", "/register/accounts/reviews/1", None).await.1;
    assert!(page.contains("còn thiếu lý do") && !page.contains("value=\"sign\""), "{page}");
    let form = format!(
        "do=save&verdict-{0}=lock&reason-{0}=ngh%E1%BB%89%20vi%E1%BB%87c&was-verdict-{0}=lock&was-reason-{0}=",
        line_of("an")["line"]
    );
    let mut typed = Command::new("curl");
    typed.args(["-ks", "-o", "/dev/null", "-w", "%{http_code}", "-d", &form]).arg("-b").arg(&leader.jar);
    let done = typed.arg(format!("{}/register/accounts/reviews/1?page=1", leader.base)).output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stdout), "303");
    let page = leader.ask("GET", "/register/accounts/reviews/1", None).await.1;
    assert!(page.contains("value=\"nghỉ việc\""), "{page}");
    let rest: Vec<Value> = lines
        .iter()
        .filter(|line| line["account"]["name"] != "an")
        .map(|line| json!({ "line": line["line"], "verdict": "keep" }))
        .collect();
    send(&rig, "PUT", "/api/v1/account-reviews/1/lines", json!({ "lines": rest })).await.unwrap();
    let seen = rig.get("/api/v1/account-reviews/1").await.unwrap()["digest"].clone();
    let signature = "/api/v1/account-reviews/1/signature";
    // Nobody signs but a leader, in a session that showed a second factor, and what they have seen.
    let refused = rig.post(signature, json!({ "digest": seen })).await.unwrap_err().to_string();
    assert!(refused.contains("in person"), "{refused}");
    let (status, text) = leader.ask("POST", signature, Some(json!({ "digest": seen }))).await;
    assert!(status == 403 && text.contains("no-second-factor"), "{status} {text}");
    set_up_and_show(&rig, &leader.jar, PASSWORD).await;
    let (status, text) = leader.ask("POST", signature, Some(json!({ "digest": "ab" }))).await;
    assert!(status == 409 && text.contains("look at it again"), "{status} {text}");
    let (status, text) = leader.ask("POST", signature, Some(json!({ "digest": seen }))).await;
    assert_eq!((status, text.as_str()), (201, "{\"issued\":1}"));
    // It stays, with its digest, and so does its document.
    let again = send(&rig, "PUT", "/api/v1/account-reviews/1/lines", json!({ "lines": rest })).await.unwrap_err();
    assert!(again.contains("is signed"), "{again}");
    rig.stop().await.unwrap();
    rig.start().await.unwrap();
    let signed = rig.get("/api/v1/account-reviews/1").await.unwrap();
    assert_eq!((&signed["signature"]["by"], &signed["signature"]["sha256"]), (&json!("sep"), &seen), "{signed}");
    assert_eq!(signed["digest"], seen);
    let issued = rig.get("/api/v1/issued-reports/1").await.unwrap();
    let content = cli::bytes(&rig.runtime(), "/reports/issued/1/docx").await.unwrap();
    assert_eq!(issued["sha256"], ioc_common::encoding::sha256_hex(&content), "{issued}");
    let printed = cli::text(&rig.runtime(), "/reports/issued/1/print").await.unwrap();
    for text in ["Rà soát tài khoản, đợt 1", "Trần Thị Sếp (sep)", "Khoá: nghỉ việc", seen.as_str().unwrap()]
    {
        assert!(printed.contains(text), "{text}: {printed}");
    }
    let page = cli::text(&rig.runtime(), "/register/accounts/reviews").await.unwrap();
    assert!(page.contains("/reports/issued/1") && page.contains(seen.as_str().unwrap()), "{page}");
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap().to_string();
    for action in ["accounts.review_opened", "accounts.review_written", "accounts.review_signed", "account-review.1"] {
        assert!(log.contains(action), "{action}: {log}");
    }
    rig.stop().await.unwrap();
}
