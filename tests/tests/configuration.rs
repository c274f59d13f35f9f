//! The configuration that is set on pages, by API and on the command line: in force at once and after any kill, nobody's change written over, no
//! secret shown, and one text of it all that another collector takes.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ioc_tests::harness::{Rig, binary, eventually, send_signal};
use ioc_tests::sink;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::reports::text;

const SECRET: &str = "S3CRET-of-the-hook";

/// Asks over the control socket as a browser or a program would: what is answered, and its status.
async fn ask(rig: &Rig, path: &str, arguments: &[&str]) -> (String, u16) {
    let socket = rig.runtime().join(ioc_web::server::CONTROL_SOCKET);
    let mut curl = Command::new("curl");
    curl.args(["-s", "-w", "\n%{http_code}", "--unix-socket"]).arg(socket).args(arguments);
    let output = curl.arg(format!("http://localhost{path}")).output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (body, status) = said.rsplit_once('\n').unwrap();
    (body.to_owned(), status.parse().unwrap())
}

/// Sends a form.
async fn send(rig: &Rig, path: &str, fields: &[(&str, &str)]) -> (String, u16) {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let arguments: Vec<&str> = fields.iter().flat_map(|field| ["--data-urlencode", field]).collect();
    ask(rig, path, &arguments).await
}

/// Gives a part a text on a version, by the API.
async fn put(rig: &Rig, part: &str, version: Option<&str>, said: &str) -> (String, u16) {
    let body = json!({ "text": said, "reason": "thử" }).to_string();
    let tag = version.map(|version| format!("If-Match: \"{version}\""));
    let mut arguments = vec!["-X", "PUT", "-H", "content-type: application/json", "-d", &body];
    arguments.extend(tag.iter().flat_map(|tag| ["-H", tag.as_str()]));
    ask(rig, &format!("/api/v1/configuration/{part}"), &arguments).await
}

async fn part(rig: &Rig, part: &str) -> Value {
    rig.get(&format!("/api/v1/configuration/{part}")).await.unwrap()
}

async fn config(rig: &Rig, arguments: &[&str]) -> (String, bool) {
    let mut command = Command::new(binary("ioc-collector"));
    command.arg("--config").arg(rig.dir().join("collector.toml")).arg("config").args(arguments);
    let output = command.output().await.unwrap();
    let said = [output.stdout, output.stderr].map(|one| String::from_utf8(one).unwrap()).concat();
    (said, output.status.success())
}

fn site(name: &str) -> String {
    format!("# Đặt trên trang.\n[site]\nname = \"{name}\"\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_set_up_from_nothing_and_its_secret_is_seen_nowhere() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}/hook/T0KEN", listener.local_addr().unwrap().port());
    let hooks: sink::Received<sink::Hook> = Arc::default();
    tokio::spawn(sink::webhooks(listener, Arc::clone(&hooks), |before| if before == 0 { 500 } else { 200 }, false));
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let form = "/configuration/channels/form";
    assert!(text(&rig, form).await.contains("?new=webhook"));
    assert!(text(&rig, &format!("{form}?new=sms")).await.contains("Bearer {{secret}}"), "what is shipped for it");
    let fields =
        [("version", "0"), ("type", "webhook"), ("name", "hook"), ("url", url.as_str()), ("secret_file", SECRET)];
    let typed = |more: &[(&'static str, &'static str)]| {
        let all = fields.iter().copied().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
        all.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .chain(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
            .collect::<Vec<_>>()
    };
    let send_typed = async |more: &[(&'static str, &'static str)]| {
        let all = typed(more);
        let all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        send(&rig, form, &all).await
    };
    // Tried before it is saved: what was said and heard is shown, and no key of it.
    let (refused, status) = send_typed(&[("do", "test")]).await;
    assert!(status == 200 && refused.contains("→ POST http://127.0.0.1") && refused.contains("← 500"), "{refused}");
    let (tried, _) = send_typed(&[("do", "test")]).await;
    assert!(tried.contains("← 200 OK taken") && !tried.contains(SECRET), "{tried}");
    assert!(hooks.lock().unwrap()[1].headers.iter().any(|(name, _)| name == "x-ioc-signature"));
    assert_eq!(part(&rig, "channels").await["version"], 0, "nothing was saved");
    // What was typed is kept, sealed: it is saved without being typed again.
    let kept = tried.split("name=\"kept.secret_file\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let saved = [
        ("version", "0"),
        ("type", "webhook"),
        ("name", "hook"),
        ("url", url.as_str()),
        ("kept.secret_file", kept.as_str()),
    ];
    let (_, status) = send(&rig, form, &[&saved[..], &[("do", "save"), ("reason", "kênh đầu tiên")]].concat()).await;
    assert_eq!(status, 303);
    let now = part(&rig, "channels").await;
    assert_eq!((now["state"].as_str(), now["version"].as_u64()), (Some("store"), Some(1)));
    // A notice goes by it, signed with the secret.
    let opened = json!({ "title": "Khói", "severity": "critical" });
    rig.post("/api/v1/incidents", opened).await.unwrap();
    eventually("the notice", || async { hooks.lock().unwrap().len() >= 3 }).await.unwrap();
    rig.kill().await.unwrap();
    rig.start().await.unwrap();
    assert_eq!(part(&rig, "channels").await, now, "it is there after a kill");
    // Given back as it is shown, a text keeps the secret; another collector does not know it.
    let said = now["text"].as_str().unwrap().replace("name = \"hook\"", "name = \"hook-2\"");
    let (answer, status) = put(&rig, "channels", Some("1"), &said).await;
    assert_eq!(status, 200, "{answer}");
    let (exported, done) = config(&rig, &["export"]).await;
    assert!(done && exported.contains("hook-2") && exported.contains("sealed:"), "{exported}");
    let mut other = Rig::new("");
    other.start().await.unwrap();
    std::fs::write(other.dir().join("all.toml"), &exported).unwrap();
    let (refused, done) = config(&other, &["apply", other.dir().join("all.toml").to_str().unwrap()]).await;
    assert!(!done && refused.contains("is not known here"), "{refused}");
    let pages = [text(&rig, form).await, text(&rig, "/configuration/channels").await, text(&rig, "/audit").await];
    let seen = [pages.concat(), exported, now.to_string(), rig.log()].concat();
    assert!(!seen.contains(SECRET), "{seen}");
    rig.stop().await.unwrap();
    for entry in std::fs::read_dir(rig.data()).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        let bytes = std::fs::read(entry.path()).unwrap();
        assert!(!bytes.windows(SECRET.len()).any(|one| one == SECRET.as_bytes()), "{:?}", entry.path());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_saves_second_is_told_and_what_does_not_hold_is_refused_at_its_place() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let page = "/configuration/site";
    let fields = |said: &str, version: &str, what: &str| {
        [("text", said), ("version", version), ("do", what), ("reason", "thử")]
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
    };
    let post = async |said: &str, version: &str, what: &str| {
        let all = fields(said, version, what);
        let all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        send(&rig, page, &all).await
    };
    // First what would change, then the change.
    let (planned, status) = post(&site("Một"), "0", "check").await;
    assert!(status == 200 && planned.contains("+ name = &#34;Một&#34;"), "{planned}");
    assert_eq!(part(&rig, "site").await["version"], 0);
    assert_eq!(post(&site("Một"), "0", "save").await.1, 303);
    assert!(text(&rig, "/").await.contains("Một"), "it is in force at once");
    let (second, status) = post(&site("Hai"), "0", "save").await;
    assert_eq!(status, 409);
    assert!(second.contains("name = &#34;Hai&#34;") && second.contains("+ name = &#34;Một&#34;"), "{second}");
    assert!(second.contains("gười khác") && second.contains("name=\"version\" value=\"1\""), "{second}");
    assert_eq!(post(&site("Hai"), "1", "save").await.1, 303, "having seen it");
    let (faulty, status) = post("[site]\ntimezone = \"Hanoi\"\n", "2", "check").await;
    assert!(status == 409 && faulty.contains("site:2:12") && faulty.contains("Hanoi"), "{faulty}");
    assert_eq!(part(&rig, "site").await["version"], 2);
    // Brought back, and compared.
    assert!(text(&rig, "/configuration/site?text_of=1").await.contains("name = &#34;Một&#34;"));
    let compared = text(&rig, "/configuration/site?from=1&to=2").await;
    assert!(compared.contains("− name = &#34;Một&#34;") && compared.contains("+ name = &#34;Hai&#34;"), "{compared}");
    // Programs name the version that they change.
    assert_eq!(put(&rig, "site", None, &site("Ba")).await.1, 428);
    assert_eq!(put(&rig, "site", Some("1"), &site("Ba")).await.1, 412);
    assert_eq!(put(&rig, "site", Some("2"), "[site]\nnmae = 1\n").await.1, 422);
    let (answer, status) = put(&rig, "site", Some("2"), &site("Ba")).await;
    assert!(status == 200 && answer.contains("\"version\":3"), "{answer}");
    // What others say of a part holds it: the plan names the channel.
    let channel = "[[channel]]\nname = \"log\"\ntype = \"syslog\"\nserver = \"127.0.0.1:9\"\n";
    assert_eq!(put(&rig, "channels", Some("0"), channel).await.1, 200);
    let plan = "[[person]]\nid = \"lan\"\nname = \"Lan\"\ncontact = [{ channel = \"log\", address = \"x\" }]\n";
    assert_eq!(put(&rig, "duty", Some("0"), plan).await.1, 200);
    let (gone, status) = put(&rig, "channels", Some("1"), "").await;
    assert!(status == 422 && gone.contains("duty:4"), "{gone}");
    // Nothing that is set here starts a program or names a file of somebody else.
    let (program, status) = put(&rig, "backup", Some("0"), "[backup]\ncommand = [\"sh\"]\n").await;
    assert!(status == 422 && program.contains("collector.toml alone"), "{program}");
    let log = rig.get("/api/v1/audit?limit=100").await.unwrap().to_string();
    assert!(log.contains("config.changed") && log.contains("-name = \\\"Một\\\""), "{log}");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_is_applied_elsewhere_whole_or_not_at_all() {
    let (mut rig, mut other) = (Rig::new("[site]\nname = \"Từ tệp\"\n"), Rig::new(""));
    rig.start().await.unwrap();
    other.start().await.unwrap();
    // A part that a file holds is shown, and changed nowhere else.
    let held = text(&rig, "/configuration/site").await;
    assert!(held.contains("collector.toml") && !held.contains("<textarea"), "{held}");
    let (refused, status) = put(&rig, "site", Some("0"), &site("Khác")).await;
    assert!(status == 409 && refused.contains("collector.toml"), "{refused}");
    assert_eq!(put(&rig, "legal", Some("0"), "[legal]\nlevel = 2 # như họp\n").await.1, 200);
    let file = rig.dir().join("all.toml");
    let (written, done) = config(&rig, &["export", "--to", file.to_str().unwrap()]).await;
    assert!(done, "{written}");
    let exported = std::fs::read_to_string(&file).unwrap();
    assert!(exported.contains("Từ tệp") && exported.contains("# như họp"), "{exported}");
    let file = file.to_str().unwrap();
    let (plan, done) = config(&other, &["apply", "--plan", file]).await;
    assert!(done && plan.contains("+name = \"Từ tệp\"") && plan.contains("nothing was applied"), "{plan}");
    assert_eq!(part(&other, "site").await["version"], 0);
    let (applied, done) = config(&other, &["apply", file, "--reason", "dời máy"]).await;
    assert!(done && applied.contains("2 parts change; applied"), "{applied}");
    assert!(text(&other, "/").await.contains("Từ tệp"));
    let (again, done) = config(&other, &["apply", "--plan", file]).await;
    assert!(done && again.contains("0 parts change"), "{again}");
    // All of it or nothing.
    let wrong = exported.replace("Từ tệp", "Mới").replace("level = 2", "level = 9");
    let wrong_file = other.dir().join("wrong.toml");
    std::fs::write(&wrong_file, wrong).unwrap();
    let (refused, done) = config(&other, &["apply", wrong_file.to_str().unwrap()]).await;
    assert!(!done && refused.contains("legal:2:"), "{refused}");
    assert_eq!(part(&other, "site").await["version"], 1);
    let (versions, _) = config(&other, &["versions", "site"]).await;
    assert!(versions.contains("dời máy"), "{versions}");
    // What files hold is taken over, and set here once they say nothing of it.
    let (imported, done) = config(&rig, &["import"]).await;
    assert!(done && imported.contains("site: version 1 is kept; now remove [site]"), "{imported}");
    rig.configure(|config| config.replace("[site]\nname = \"Từ tệp\"\n", ""));
    send_signal(rig.pid(), "HUP").await.unwrap();
    eventually("it is set here", || async { part(&rig, "site").await["state"] == "store" }).await.unwrap();
    assert!(text(&rig, "/").await.contains("Từ tệp"));
    rig.stop().await.unwrap();
    other.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_around_a_save_leaves_the_old_or_the_new() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let answered = Arc::new(Mutex::new(0_u64));
    for round in 0..4_u64 {
        let mut version = part(&rig, "site").await["version"].as_u64().unwrap();
        let before = version;
        let saves = async {
            loop {
                let said = site(&format!("Trung tâm {}", version + 1));
                if put(&rig, "site", Some(&version.to_string()), &said).await.1 != 200 {
                    return;
                }
                version += 1;
                *answered.lock().unwrap() = version;
            }
        };
        // Somewhere among the saves, each of which is a commit of a few milliseconds.
        let killed_at = async {
            eventually("a save", || async { *answered.lock().unwrap() > before }).await.unwrap();
            tokio::time::sleep(Duration::from_millis(round * 7)).await;
        };
        tokio::select! {
            () = saves => {}
            () = killed_at => {}
        }
        rig.kill().await.unwrap();
        rig.start().await.unwrap();
        let now = part(&rig, "site").await;
        let version = now["version"].as_u64().unwrap();
        assert!(version >= *answered.lock().unwrap(), "what was answered is kept: {now}");
        let name = format!("Trung tâm {version}");
        assert!(version == 0 || now["text"].as_str().unwrap().contains(&name), "{now}");
        assert!(version == 0 || text(&rig, "/").await.contains(&name), "the newest is in force");
    }
    assert!(*answered.lock().unwrap() > 0);
    rig.stop().await.unwrap();
}
