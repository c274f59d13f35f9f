//! The duty plan as people see it: the month's calendar, who would be told, calendars that other programs read (Python's icalendar), turns that people
//! ask each other to take, by page and by the link of a notice.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Stdio;
use std::sync::Arc;

use ioc_tests::harness::{Rig, eventually, python};
use ioc_tests::sink::{self, Hook, Received};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;

/// Lan and Bình take turns by the day; the second rota has a hole at noon, and Bình on Sundays, who may be on the first, too.
const PLAN: &str = r#"
[[person]]
id = "lan"
name = "Nguyễn Thị Lan"
contact = [{ channel = "sms", address = "+84 111" }]
[[person]]
id = "binh"
name = "Trần Văn Bình"
account = "binh.tv"
contact = [{ channel = "sms", address = "+84 222", min_severity = "critical" }]
[[rota]]
id = "truc-ban"
name = "Trực ban; ngày, đêm"
layer = [{ people = ["lan", "binh"], start = "2026-01-05T07:00", turn_days = 1 }]
[[rota]]
id = "mang"
name = "Trực mạng"
layer = [
  { people = ["lan"], start = "2026-01-05T00:00", from = "00:00", until = "12:00" },
  { people = ["lan"], start = "2026-01-05T00:00", from = "13:00", until = "00:00" },
  { people = ["binh"], start = "2026-01-05T00:00", days = [7] },
]
[[policy]]
id = "nang"
step = [{ after = "0s", to = ["rota:mang"] }, { after = "5m", to = ["person:binh", "leader"] }]
[[route]]
policy = "nang"
min_severity = "critical"
"#;

struct Scene {
    rig: Rig,
    sms: Received<Hook>,
}

async fn scene() -> Scene {
    scene_of(PLAN).await
}

async fn scene_of(plan: &str) -> Scene {
    let sms: Received<Hook> = Received::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(sink::webhooks(listener, Arc::clone(&sms), |_| 200, false));
    let channel = format!(
        r#"
[site]
timezone = "Asia/Ho_Chi_Minh"
[duty]
file = "duty.toml"
[[channel]]
name = "sms"
type = "http"
url = "http://127.0.0.1:{port}/send?to={{{{address}}}}"
content_type = "application/x-www-form-urlencoded"
body = "text={{{{body}}}}&link={{{{link}}}}"
success = "taken"
"#
    );
    let mut rig = Rig::new(&channel);
    std::fs::write(rig.dir().join("duty.toml"), plan).unwrap();
    rig.start().await.unwrap();
    Scene { rig, sms }
}

/// Somebody in a browser.
struct Visitor {
    base: String,
    jar: std::path::PathBuf,
}

impl Visitor {
    async fn settled(rig: &Rig, name: &str, role: &str) -> Self {
        let body = json!({ "name": name, "role": role });
        let first = rig.post("/api/v1/accounts", body).await.unwrap()["password"].as_str().unwrap().to_owned();
        let base = format!("https://localhost:{}", rig.web);
        let visitor = Self { base, jar: rig.dir().join(format!("{name}.jar")) };
        let entered = visitor.ask("POST", "/api/v1/session", Some(json!({ "name": name, "password": first }))).await;
        assert_eq!(entered.0, 204, "{}", entered.1);
        let good = json!({ "present": first, "new": "correct horse battery" });
        assert_eq!(visitor.ask("POST", "/api/v1/account/password", Some(good)).await.0, 204);
        visitor
    }

    async fn curl(&self, path: &str, more: &[&str]) -> (u16, String) {
        let mut command = Command::new("curl");
        command.args(["-ks", "-w", "\n%{http_code}", "-b"]).arg(&self.jar).arg("-c").arg(&self.jar);
        let output = command.args(more).arg(format!("{}{path}", self.base)).output().await.expect("curl runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (text, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), text.to_owned())
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let mut more = vec!["-X", method];
        if !body.is_empty() {
            more.extend(["-H", "content-type: application/json", "-d", &body]);
        }
        self.curl(path, &more).await
    }

    async fn json(&self, path: &str) -> Value {
        let (status, text) = self.ask("GET", path, None).await;
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Sends a form of a page.
    async fn form(&self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let origin = format!("origin: {}", self.base);
        let mut more = vec!["-X", "POST", "-H", &origin];
        for field in &fields {
            more.extend(["--data-urlencode", field]);
        }
        self.curl(path, &more).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_shows_every_hour_with_holes_double_duties_and_holidays() {
    let mut scene = scene().await;
    let viewer = Visitor::settled(&scene.rig, "xem", "viewer").await;
    let month = viewer.json("/api/v1/duty/calendar?month=2027-02").await;
    assert_eq!((month["zone"].as_str(), month["days"].as_array().unwrap().len()), (Some("Asia/Ho_Chi_Minh"), 28));
    // The first of February 2027 is a Monday; Tết is on the sixth.
    let day = |date: &str| month["days"].as_array().unwrap().iter().find(|day| day["date"] == date).unwrap().clone();
    assert_eq!(day("2027-02-06")["holiday"]["vi"], "Mùng 1 Tết");
    let holes = month["holes"].as_array().unwrap();
    assert_eq!(holes.len(), 24, "noon of every day but Sunday: {holes:?}");
    assert!(holes.iter().all(|hole| hole["rota"] == "mang"));
    // On Sundays Bình has one rota all day; on the other he or Lan: either is a part of the day.
    let doubles = month["doubles"].as_array().unwrap();
    let sunday = doubles.iter().find(|one| one["person"] == "binh").unwrap();
    assert_eq!(sunday["rotas"].as_array().unwrap().len(), 2, "{sunday}");
    let (status, page) = viewer.ask("GET", "/duty/calendar?month=2027-02", None).await;
    assert_eq!(status, 200);
    for part in ["Tháng 2/2027", "Mùng 1 Tết", "Khoảng không có ai trực", "Trực hai lịch cùng lúc", "12:00 – 13:00"]
    {
        assert!(page.contains(part), "{part}");
    }
    for (path, expected) in [
        ("/duty/calendar?month=2027-13", 422),
        ("/duty/calendar?rota=nobody", 404),
        ("/duty/calendar?month=2199-12&rota=mang", 200),
        ("/api/v1/duty/calendar?month=x", 422),
    ] {
        let (status, text) = viewer.ask("GET", path, None).await;
        assert_eq!(status, expected, "{path} {text:.300}");
    }
    // The hole is told beforehand: an incident, while the double duty is information.
    let told = || async {
        let all = scene.rig.get("/api/v1/incidents").await.unwrap();
        let rows = all["items"].as_array().cloned().unwrap_or_default();
        let is = |severity: &str, title: &str| {
            rows.iter().any(|one| one["severity"] == severity && one["title"]["en"] == title)
        };
        is("warning", "The duty plan has a hole") && is("info", "Somebody is on duty twice at once")
    };
    eventually("holes and double duties are incidents", told).await.unwrap();
    scene.rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_said_beforehand_who_would_be_told_and_only_who_may_reads_addresses() {
    let mut scene = scene().await;
    let device = json!({ "device": "srv-01", "kind": "server", "name": "Máy chủ 1", "place": "Tầng 2", "leader": "Nguyễn Thị Lan" });
    scene.rig.post("/api/v1/devices", device).await.unwrap();
    let officer = Visitor::settled(&scene.rig, "truc", "duty_officer").await;
    let viewer = Visitor::settled(&scene.rig, "xem", "viewer").await;
    // Saturday, two at night: Lan has the network, Bình and her as the leader five minutes later.
    let at = "device=srv-01&severity=critical&at=2027-02-06T02:00";
    let found = officer.json(&format!("/api/v1/duty/who?{at}")).await;
    assert_eq!((found["route"].as_u64(), found["policy"].as_str()), (Some(1), Some("nang")), "{found}");
    let steps = found["steps"].as_array().unwrap();
    assert_eq!(steps[0]["people"][0]["person"], "lan", "{found}");
    assert_eq!(steps[0]["people"][0]["ways"][0]["address"], "+84 111");
    assert_eq!(steps[1]["at"], "2027-02-05T19:05:00.000Z");
    assert_eq!(steps[1]["people"][1]["target"], "leader");
    // Nobody at noon: that step reaches nobody, and the next follows at once.
    let noon = officer.json("/api/v1/duty/who?device=srv-01&at=2027-02-06T12:30").await;
    assert_eq!((&noon["steps"][0]["reached"], &noon["steps"][1]["at"]), (&json!(false), &noon["steps"][0]["at"]));
    let warning = officer.json("/api/v1/duty/who?severity=warning").await;
    assert_eq!(warning["passed"], json!([{ "route": 1, "why": "severity" }]));
    let (_, page) = officer.ask("GET", &format!("/duty/who?{at}"), None).await;
    for part in ["Máy chủ 1", "Ngay lập tức", "Trực mạng", "+84 111", "Lãnh đạo phụ trách thiết bị"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    // Who reads addresses is on record; who may not read them does not, nor who leads.
    let (_, hidden) = viewer.ask("GET", &format!("/duty/who?{at}"), None).await;
    assert!(hidden.contains("Trực mạng") && !hidden.contains("+84"), "{hidden}");
    let leader = hidden.split("Lãnh đạo phụ trách thiết bị").nth(1).unwrap_or_default();
    assert!(!leader.contains("Nguyễn Thị Lan"), "{leader}");
    let text = viewer.ask("GET", &format!("/api/v1/duty/who?{at}"), None).await.1;
    assert!(!text.contains("+84") && text.contains("\"…\""), "{text}");
    let log = scene.rig.get("/api/v1/audit").await.unwrap().to_string();
    assert!(log.contains("personal.read") && log.contains("duty plan"), "{log}");
    let (_, unknown) = officer.ask("GET", "/duty/who?device=nothing&at=2027-02-06T02:00", None).await;
    assert!(unknown.contains("Không có thiết bị «nothing»"), "{unknown}");
    scene.rig.stop().await.unwrap();
}

/// What Python's icalendar reads of a calendar.
async fn parsed(text: &str) -> Value {
    let program = "
import icalendar, json, sys
data = sys.stdin.buffer.read()
assert all(len(line) <= 75 for line in data.split(b'\\r\\n')), 'a line is too long'
calendar = icalendar.Calendar.from_ical(data)
events = [{ 'uid': str(e['UID']), 'summary': str(e['SUMMARY']), 'from': e['DTSTART'].dt.isoformat(), 'until': e['DTEND'].dt.isoformat(),
  'stamp': e['DTSTAMP'].dt.isoformat(), 'transparent': str(e['TRANSP']) == 'TRANSPARENT' } for e in calendar.walk('VEVENT')]
print(json.dumps({ 'name': str(calendar['X-WR-CALNAME']), 'version': str(calendar['VERSION']), 'errors': calendar.errors and [str(x) for x in calendar.errors] or [], 'events': events }))
";
    let mut command = Command::new(python());
    command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn other_programs_read_a_calendar_by_an_address_that_can_be_ended() {
    let mut scene = scene().await;
    let lan = Visitor::settled(&scene.rig, "lan", "technician").await;
    let (status, made) = lan.ask("POST", "/api/v1/duty/feeds", Some(json!({ "subject": "rota:truc-ban" }))).await;
    assert_eq!(status, 201, "{made}");
    let address = serde_json::from_str::<Value>(&made).unwrap()["address"].as_str().unwrap().to_owned();
    let path = format!("/duty/ical/{}", address.rsplit('/').next().unwrap());
    // No session, no password: the address is all.
    let stranger = Visitor { base: lan.base.clone(), jar: scene.rig.dir().join("nobody.jar") };
    let (status, answer) = stranger.curl(&path, &["-i"]).await;
    assert_eq!(status, 200, "{answer}");
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    assert!(head.contains("content-type: text/calendar; charset=utf-8"), "{head}");
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
    let calendar = parsed(text).await;
    assert!(calendar["name"].as_str().unwrap().replace('\\', "").starts_with("Trực ban; ngày, đêm"), "{calendar}");
    let events = calendar["events"].as_array().unwrap();
    assert!(events.len() > 180 && events.iter().all(|one| one["transparent"] == true), "{}", events.len());
    let summary = events[0]["summary"].as_str().unwrap();
    assert!(summary.starts_with("Trực ban; ngày, đêm: ") && summary.len() > 25, "{summary}");
    assert!(events.iter().all(|one| one["from"].as_str().unwrap().ends_with("T00:00:00+00:00")), "seven in Viet Nam");
    assert_eq!(stranger.curl(&path, &["-H", &format!("if-none-match: {tag}")]).await.0, 304, "nothing is new");
    // Somebody stands in: what is another's turn now has another name, and the others are the same events as before.
    let now = ioc_common::clock::now();
    let cover = json!({ "rota": "truc-ban", "person": "lan", "from": now.plus_secs(5 * 86_400), "until": now.plus_secs(8 * 86_400) });
    scene.rig.post("/api/v1/duty/covers", cover).await.unwrap();
    let (status, text) = stranger.curl(&path, &["-H", &format!("if-none-match: {tag}")]).await;
    assert_eq!(status, 200);
    let later = parsed(&text).await;
    let uids = |of: &Value| -> std::collections::BTreeSet<String> {
        of["events"].as_array().unwrap().iter().map(|one| one["uid"].as_str().unwrap().to_owned()).collect()
    };
    let (before, after) = (uids(&calendar), uids(&later));
    assert_eq!((before.len(), uids(&calendar).len()), (events.len(), events.len()), "each has its own");
    assert!(before.intersection(&after).count() > events.len() - 6 && before != after);
    // One person's own, in which others are not named as the title.
    let (_, made) = lan.ask("POST", "/api/v1/duty/feeds", Some(json!({ "subject": "person:lan" }))).await;
    let own = serde_json::from_str::<Value>(&made).unwrap()["address"].as_str().unwrap().to_owned();
    let own = format!("/duty/ical/{}", own.rsplit('/').next().unwrap());
    let mine = parsed(&stranger.curl(&own, &[]).await.1).await;
    assert!(
        mine["events"].as_array().unwrap().iter().all(|one| one["summary"].as_str().unwrap().starts_with("Trực: "))
    );
    assert_eq!(lan.ask("POST", "/api/v1/duty/feeds", Some(json!({ "subject": "rota:x" }))).await.0, 422);
    // Only its digest is kept, it opens nothing else, and its owner alone ends it.
    let token = path.rsplit('/').next().unwrap().trim_end_matches(".ics");
    for file in std::fs::read_dir(scene.rig.data()).unwrap().flatten().filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!bytes.windows(token.len()).any(|part| part == token.as_bytes()), "{:?}", file.path());
    }
    assert_eq!(stranger.curl("/api/v1/duty", &["-H", &format!("authorization: Bearer {token}")]).await.0, 401);
    let feeds = lan.json("/api/v1/duty/feeds").await;
    let digest =
        feeds.as_array().unwrap().iter().find(|one| one["subject"] == "rota:truc-ban").unwrap()["digest"].clone();
    let end = format!("/api/v1/duty/feeds/{}", digest.as_str().unwrap());
    let other = Visitor::settled(&scene.rig, "khac", "leader").await;
    assert_eq!(other.ask("DELETE", &end, None).await.0, 404);
    assert_eq!(lan.ask("DELETE", &end, None).await.0, 204);
    assert_eq!(stranger.curl(&path, &[]).await.0, 404, "it was ended");
    // The other ends with its owner's account.
    scene.rig.post("/api/v1/accounts/lan", json!({ "disabled": true })).await.ok();
    let mut asked = 0;
    while stranger.curl(&own, &[]).await.0 != 429 {
        asked += 1;
        assert!(asked < 80, "it can be asked for without end");
    }
    scene.rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_changes_hands_only_when_whoever_is_asked_agrees() {
    let mut scene = scene().await;
    let lan = Visitor::settled(&scene.rig, "lan", "technician").await;
    let binh = Visitor::settled(&scene.rig, "binh.tv", "viewer").await;
    let stranger = Visitor::settled(&scene.rig, "la", "technician").await;
    // Her whole turns ahead, as the page offers them.
    let offered = |page: &str, name: &str| -> Vec<String> {
        let form = page.split(&format!("<select name=\"{name}\">")).nth(1).unwrap_or_default();
        let form = form.split("</select>").next().unwrap_or_default();
        form.split("<option value=\"").skip(1).filter_map(|one| one.split('"').next()).map(str::to_owned).collect()
    };
    let (_, page) = lan.ask("GET", "/duty/turns", None).await;
    let turns: Vec<String> = offered(&page, "give").into_iter().filter(|turn| turn.starts_with("truc-ban|")).collect();
    assert!(turns.len() > 20 && turns.iter().all(|turn| turn.ends_with("|lan")), "{turns:?}");
    let (_, nobody) = stranger.ask("GET", "/duty/turns", None).await;
    assert!(nobody.contains("chưa gắn với người nào") && offered(&nobody, "give").is_empty(), "{nobody}");
    let give = turns[2].clone();
    let ask = |give: String, note: &'static str| {
        let lan = &lan;
        async move { lan.form("/duty/turns", &[("give", &give), ("person", "binh"), ("note", note)]).await }
    };
    assert_eq!(stranger.form("/duty/turns", &[("give", &give), ("person", "binh")]).await.0, 409, "it is not theirs");
    assert_eq!(ask(give.clone(), "khám bệnh").await.0, 303);
    // He is told, by what he has: his only way carries what is critical.
    let messages = |word: &'static str| {
        let all: Vec<String> = scene.sms.lock().unwrap().iter().map(|hook| hook.body.clone()).collect();
        all.into_iter().filter(move |body| body.contains(word)).collect::<Vec<_>>()
    };
    let link = || messages("duty%2Fanswer%2F").into_iter().next_back();
    eventually("Bình is asked", || async { link().is_some() }).await.unwrap();
    let sent = link().unwrap();
    let answer = sent.rsplit("duty%2Fanswer%2F").next().unwrap().split('&').next().unwrap();
    let path = format!("/duty/answer/{}", answer.split("%0A").next().unwrap().trim());
    // Nothing has changed yet; looking changes nothing; somebody else cannot answer.
    let on_duty = |turn: &str| {
        let (from, rig) = (turn.split('|').nth(1).unwrap().parse::<i64>().unwrap(), &scene.rig);
        async move {
            let covers = rig.get("/api/v1/duty").await.unwrap()["covers"].clone();
            let from = ioc_common::clock::Timestamp::from_millis(from).to_string();
            covers.as_array().unwrap().iter().find(|one| one["from"] == from.as_str()).map(|one| one["person"].clone())
        }
    };
    let nobody = Visitor { base: lan.base.clone(), jar: scene.rig.dir().join("nobody.jar") };
    let (status, page) = nobody.curl(&path, &[]).await;
    assert!(status == 200 && page.contains("Đồng ý, tôi là Trần Văn Bình") && page.contains("khám bệnh"), "{page}");
    assert_eq!(on_duty(&give).await, None);
    assert_eq!(nobody.curl(&path.replace(".binh.", ".lan."), &[]).await.0, 404, "forged");
    assert_eq!(lan.form("/duty/turns/1/answer", &[("answer", "agree")]).await.0, 409, "who asks does not agree");
    assert_eq!(nobody.form(&path, &[("answer", "agree"), ("note", "được")]).await.0, 303);
    assert_eq!(on_duty(&give).await, Some(json!("binh")));
    assert!(nobody.curl(&path, &[]).await.1.contains("đã đồng ý"));
    // What was asked has this word in its head, and so has the answer.
    eventually("Lan is told", || async { messages("L%E1%BB%8ACH").len() > 1 }).await.unwrap();
    // It was hers once: she cannot give it away again, and a link works once.
    assert_eq!(ask(give.clone(), "").await.0, 409);
    assert_eq!(nobody.form(&path, &[("answer", "decline")]).await.0, 303);
    assert_eq!(on_duty(&give).await, Some(json!("binh")), "an answer stays");
    // A swap that is declined, and one that is taken back, change nothing.
    let (_, page) = lan.ask("GET", "/duty/turns", None).await;
    let theirs: Vec<String> = offered(&page, "take").into_iter().filter(|turn| turn.starts_with("truc-ban|")).collect();
    let (mine, his) = (turns[4].clone(), theirs.last().unwrap().clone());
    assert_eq!(lan.form("/duty/turns", &[("give", &mine), ("take", &his), ("person", "lan")]).await.0, 303);
    assert_eq!(binh.form("/duty/turns/2/answer", &[("answer", "decline"), ("note", "bận")]).await.0, 303);
    assert_eq!((on_duty(&mine).await, on_duty(&his).await), (None, None));
    assert_eq!(lan.form("/duty/turns", &[("give", &mine), ("take", &his)]).await.0, 303);
    assert_eq!(binh.form("/duty/turns/3/withdraw", &[]).await.0, 409);
    assert_eq!(lan.form("/duty/turns/3/withdraw", &[]).await.0, 303);
    assert_eq!(binh.form("/duty/turns/3/answer", &[("answer", "agree")]).await.0, 409, "it is over");
    // And one that is agreed to changes both turns.
    assert_eq!(lan.form("/duty/turns", &[("give", &mine), ("take", &his)]).await.0, 303);
    assert_eq!(binh.form("/duty/turns/4/answer", &[("answer", "agree")]).await.0, 303);
    assert_eq!((on_duty(&mine).await, on_duty(&his).await), (Some(json!("binh")), Some(json!("lan"))));
    // Why somebody cannot be on duty is for those whom it concerns and who leads the shift.
    let (_, seen) = stranger.ask("GET", "/duty/turns", None).await;
    assert!(seen.contains("đã từ chối") && !seen.contains("khám bệnh") && !seen.contains("bận"), "{seen}");
    let log = scene.rig.get("/api/v1/audit?limit=200").await.unwrap().to_string();
    for action in ["duty.turn_asked", "duty.turn_agreed", "duty.turn_declined", "duty.turn_withdrawn", "cover.added"] {
        assert!(log.contains(action), "{action}");
    }
    scene.rig.stop().await.unwrap();
}

/// What a page has in a hidden field.
fn hidden(page: &str, name: &str) -> String {
    let field = page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_default();
    field.split('"').next().unwrap_or_default().to_owned()
}

/// Looks what a form would change, and saves it; what was said.
async fn saved(admin: &Visitor, kind: &str, fields: &[(&str, &str)]) -> String {
    let path = format!("/duty/plan/{kind}");
    let with = |more: Vec<(&'static str, String)>| {
        let mut all: Vec<(String, String)> = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        all.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
        all
    };
    let send = |all: Vec<(String, String)>| {
        let path = path.clone();
        async move {
            let all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            admin.form(&path, &all).await
        }
    };
    let (_, form) = admin.ask("GET", &path, None).await;
    let version = hidden(&form, "version");
    let (status, page) = send(with(vec![("version", version.clone()), ("do", "preview".to_owned())])).await;
    assert_eq!(status, 200, "{kind}: {page}");
    let (id, seen) = (hidden(&page, "id"), hidden(&page, "seen"));
    assert_eq!(seen.len(), 64, "{kind}: {page}");
    let mut all = with(vec![("version", version), ("seen", seen), ("reason", "thử".to_owned())]);
    all.retain(|(name, _)| name != "id");
    all.extend([("id".to_owned(), id), ("do".to_owned(), "save".to_owned())]);
    let (status, refused) = send(all).await;
    assert_eq!(status, 303, "{kind}: {refused}");
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_made_by_forms_alone_and_each_says_first_what_it_changes() {
    let channel = "[[channel]]\nname = \"sms\"\ntype = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\n[site]\ntimezone = \"Asia/Ho_Chi_Minh\"\n";
    let mut rig = Rig::new(channel);
    rig.start().await.unwrap();
    let admin = Visitor::settled(&rig, "quan-tri", "administrator").await;
    for (name, number) in [("Nguyễn Thị Lan", "1"), ("Trần Bình", "2")] {
        let fields = [
            ("name", name),
            ("contact.0.channel", "sms"),
            ("contact.0.address", number),
            ("contact.0.severity", "warning"),
        ];
        let said = saved(&admin, "person", &fields).await;
        assert!(said.contains(&format!("Thêm người {name}")), "{said}");
    }
    let layer = [
        ("name", "Trực ban"),
        ("layer.0.person", "nguyen-thi-lan"),
        ("layer.0.start", "2026-01-05T07:00"),
        ("layer.0.turn_days", "7"),
        ("public.year", "2027"),
        ("public.person", "tran-binh"),
    ];
    let said = saved(&admin, "rota", &layer).await;
    assert!(said.contains("Nguyễn Thị Lan thay không có ai") && said.contains("Thêm lịch Trực ban"), "{said}");
    saved(&admin, "policy", &[("name", "Mặc định"), ("step.0.after", "0s"), ("step.0.to", "rota:truc-ban")]).await;
    saved(&admin, "routes", &[("route.0.policy", "mac-dinh"), ("route.0.severity", "warning"), ("route.0.order", "1")])
        .await;
    saved(&admin, "deadlines", &[("P1.acknowledge", "3m"), ("P1.resolve", "2h")]).await;
    let duty = rig.get("/api/v1/duty").await.unwrap();
    assert_eq!(duty["rotas"][0]["on_duty"], json!(["nguyen-thi-lan"]), "{duty}");
    let who = rig.get("/api/v1/duty/who?severity=critical").await.unwrap();
    assert_eq!(who["steps"][0]["people"][0]["ways"][0]["channel"], "sms", "{who}");
    // What is on the form comes back as it was: Bình from March on, who is on duty instead of her at nights.
    let (_, form) = admin.ask("GET", "/duty/plan/rota?id=truc-ban", None).await;
    assert!(form.contains("value=\"2027-02-06\"") && form.contains("value=\"2026-01-05T07:00\""), "{form}");
    let mut nights = vec![("id", "truc-ban"), ("layer.1.person", "tran-binh"), ("layer.1.start", "2026-01-05T19:00")];
    nights.extend([("layer.1.turn_days", "1"), ("layer.1.from", "19:00"), ("layer.1.until", "07:00")]);
    nights.extend(layer.iter().copied().filter(|(name, _)| !name.starts_with("public")));
    let said = saved(&admin, "rota", &nights).await;
    assert!(said.contains("Trần Bình thay Nguyễn Thị Lan") && said.contains("lần, lần cuối đến"), "{said}");
    // Who began from the version before is shown that, and overwrites nothing.
    let (_, stale) = admin
        .form(
            "/duty/plan/deadlines",
            &[("P1.acknowledge", "9m"), ("P1.resolve", "2h"), ("version", "1"), ("do", "preview")],
        )
        .await;
    let seen = hidden(&stale, "seen");
    let sent = [
        ("P1.acknowledge", "9m"),
        ("P1.resolve", "2h"),
        ("version", "1"),
        ("seen", seen.as_str()),
        ("reason", "x"),
        ("do", "save"),
    ];
    assert_eq!(admin.form("/duty/plan/deadlines", &sent).await.0, 409);
    // What does not hold is refused with its place, and what was typed stays.
    let (status, wrong) =
        admin.form("/duty/plan/policy", &[("name", "Hỏng"), ("step.0.after", "bảy"), ("do", "preview")]).await;
    assert!(status == 409 && wrong.contains("value=\"bảy\"") && wrong.contains("role=\"alert\""), "{status} {wrong}");
    let (status, used) = admin.form("/duty/plan/person", &[("id", "tran-binh"), ("do", "remove")]).await;
    assert!(status == 409 && used.contains("tran-binh"), "he is on a rota: {status} {used}");
    let (_, versions) = admin.ask("GET", "/duty/plan/versions", None).await;
    assert!(
        versions.contains("Trần Bình thay Nguyễn Thị Lan") && versions.contains("/configuration/duty?text_of=1"),
        "{versions}"
    );
    let leader = Visitor::settled(&rig, "lanh-dao", "leader").await;
    assert_eq!(leader.ask("GET", "/duty/plan/person", None).await.0, 403);
    assert!(!leader.ask("GET", "/duty/plan", None).await.1.contains("/duty/plan/person"));
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_verified_by_the_code_that_was_sent_to_it_and_by_no_other() {
    let mut scene = scene().await;
    let leader = Visitor::settled(&scene.rig, "lanh-dao", "leader").await;
    let way = |code: &str| json!({ "person": "lan", "channel": "sms", "address": "+84 111", "code": code });
    let path = "/api/v1/duty/contacts";
    let stranger = json!({ "person": "lan", "channel": "sms", "address": "+84 999" });
    assert_eq!(leader.ask("POST", path, Some(stranger)).await.0, 404, "only what the plan has");
    assert_eq!(leader.ask("POST", path, Some(way("123456"))).await.0, 409, "none was sent");
    assert_eq!(leader.ask("POST", path, Some(way(""))).await.0, 204);
    let code = || {
        let all: Vec<String> = scene.sms.lock().unwrap().iter().map(|hook| hook.body.clone()).collect();
        let sent =
            all.into_iter().find(|body| body.contains("x%C3%A1c%20minh%20") || body.contains("x%C3%A1c+minh+"))?;
        let behind = sent.split("minh%20").nth(1).or_else(|| sent.split("minh+").nth(1))?.to_owned();
        Some(behind.chars().take(6).collect::<String>())
    };
    eventually("the code", || async { code().is_some() }).await.unwrap();
    let code = code().unwrap();
    assert!(code.chars().all(|digit| digit.is_ascii_digit()), "{code}");
    assert_eq!(leader.ask("POST", path, Some(way(""))).await.0, 409, "a moment ago");
    let other = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(leader.ask("POST", path, Some(way(other))).await.0, 422);
    let (_, page) = leader.ask("GET", "/duty", None).await;
    assert!(page.contains("name=\"code\"") && !page.contains("đã xác minh"), "{page}");
    assert_eq!(leader.ask("POST", path, Some(way(&code))).await.0, 204);
    let (_, page) = leader.ask("GET", "/duty", None).await;
    assert!(page.contains("đã xác minh"), "{page}");
    assert_eq!(leader.ask("POST", path, Some(way(&code))).await.0, 409, "it is verified once");
    let viewer = Visitor::settled(&scene.rig, "xem", "viewer").await;
    assert_eq!(viewer.ask("POST", path, Some(way(""))).await.0, 403);
    scene.rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shift_is_handed_over_when_both_have_signed_what_happened_on_it() {
    // Lan's shift ends within the hour, at a whole quarter, whatever time it is.
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(7));
    let now = jiff::Timestamp::from_millisecond(ioc_common::clock::now().as_millis()).unwrap();
    let hour = now.to_zoned_datetime(zone).datetime() + jiff::Span::new().hours(1);
    let end = hour - jiff::Span::new().minutes(i64::from(hour.minute() % 15));
    let start = (end - jiff::Span::new().days(9)).strftime("%Y-%m-%dT%H:%M").to_string();
    let plan = PLAN.replace("name = \"Nguyễn Thị Lan\"", "name = \"Nguyễn Thị Lan\"\naccount = \"lan\"");
    let mut scene = scene_of(&plan.replacen("2026-01-05T07:00", &start, 1)).await;
    let lan = Visitor::settled(&scene.rig, "lan", "duty_officer").await;
    let binh = Visitor::settled(&scene.rig, "binh.tv", "duty_officer").await;
    let viewer = Visitor::settled(&scene.rig, "xem", "viewer").await;
    let opened =
        scene.rig.post("/api/v1/incidents", json!({ "title": "Khói ở phòng máy", "severity": "warning" })).await;
    let number = opened.unwrap()["id"].clone();
    let taken = json!({ "action": "acknowledge" });
    assert!(lan.ask("POST", &format!("/api/v1/incidents/{number}/actions"), Some(taken)).await.0 < 300);
    assert_eq!(viewer.ask("GET", "/duty/shifts", None).await.0, 403);
    // What happened writes itself.
    let shift = lan.json("/api/v1/duty/shifts?rota=truc-ban").await;
    let kinds = |shift: &Value| {
        let events = shift["account"]["events"].as_array().unwrap().clone();
        let of = |event: &Value| (event["kind"].as_str().unwrap().to_owned(), event["vi"].as_str().unwrap().to_owned());
        events.iter().map(of).filter(|(_, what)| what.contains("Khói")).map(|(kind, _)| kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&shift), ["opened", "taken"], "{shift}");
    assert!(shift["account"]["open"].as_array().unwrap().contains(&number), "{shift}");
    assert_eq!((&shift["people"], &shift["next"]), (&json!(["Nguyễn Thị Lan"]), &json!(["Trần Văn Bình"])), "{shift}");
    let from = ioc_common::clock::Timestamp::to_string(&shift["from"].as_str().unwrap().parse().unwrap());
    let from = from.parse::<ioc_common::clock::Timestamp>().unwrap().as_millis().to_string();
    let sign = |who: &Visitor, side: &'static str, note: &'static str| {
        let fields = [("rota", "truc-ban"), ("from", from.as_str()), ("side", side), ("note", note)]
            .map(|(a, b)| (a.to_owned(), b.to_owned()));
        let (base, jar) = (who.base.clone(), who.jar.clone());
        async move {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            Visitor { base, jar }.form("/duty/shifts", &fields).await
        }
    };
    let early = sign(&binh, "taken", "vội").await;
    assert!(early.0 == 409 && early.1.contains("Ca chưa hết"), "{}", early.0);
    assert_eq!(sign(&lan, "given", "UPS 2 đang sạc lại").await.0, 303);
    let same = sign(&lan, "taken", "").await;
    assert!(same.0 == 409 && same.1.contains("người khác phải ký nhận"), "{}", same.0);
    assert_eq!(sign(&lan, "given", "").await.0, 409, "it is signed once");
    // What came since stands beside what was signed, and is not put into it.
    scene.rig.post("/api/v1/incidents", json!({ "title": "Mất điện", "severity": "warning" })).await.unwrap();
    let (_, page) = binh.ask("GET", &format!("/duty/shifts?rota=truc-ban&from={from}"), None).await;
    let since = page.split("Từ lúc ký giao đến nay").nth(1).unwrap_or_default();
    assert!(page.contains("UPS 2 đang sạc lại") && since.contains("Mất điện"), "{page}");
    assert_eq!(sign(&binh, "taken", "đã rõ").await.0, 303);
    let shift = lan.json(&format!("/api/v1/duty/shifts?rota=truc-ban&from={from}")).await;
    assert_eq!((&shift["given"]["name"], &shift["taken"]["name"]), (&json!("Nguyễn Thị Lan"), &json!("Trần Văn Bình")));
    assert_eq!((&shift["given"]["planned"], &shift["taken"]["planned"]), (&json!(true), &json!(true)), "{shift}");
    assert!(!shift["account"].to_string().contains("Mất điện"), "{shift}");
    // The document says it, the duty book and the audit log keep it.
    let (_, paper) = lan.ask("GET", "/duty/handover?rota=truc-ban", None).await;
    for said in ["Diễn biến trong ca", "Tiếp nhận sự cố", "Đã ký trên hệ thống", "Bên nhận: Trần Văn Bình"]
    {
        assert!(paper.contains(said), "{said}: {paper}");
    }
    let book = scene.rig.get("/api/v1/records/duty-book").await.unwrap();
    assert_eq!(
        (&book["items"][0]["shift"]["side"], &book["items"][1]["shift"]["side"]),
        (&json!("taken"), &json!("given"))
    );
    let log = scene.rig.get("/api/v1/audit?limit=200").await.unwrap().to_string();
    assert!(log.contains("duty.shift_given") && log.contains("duty.shift_taken"));
    // Nobody handed over the shift before: whoever takes it over says why.
    let all = binh.ask("GET", "/duty/shifts?rota=truc-ban", None).await.1;
    let before =
        all.split("rota=truc-ban&amp;from=").skip(1).filter_map(|part| part.split('"').next()).find(|one| *one != from);
    let body = |note: &str| json!({ "rota": "truc-ban", "from": before.unwrap().parse::<i64>().unwrap(), "side": "taken", "note": note });
    assert_eq!(lan.ask("POST", "/api/v1/duty/shifts", Some(body(""))).await.0, 422);
    assert_eq!(lan.ask("POST", "/api/v1/duty/shifts", Some(body("Bình ốm"))).await.0, 201);
    scene.rig.stop().await.unwrap();
}
