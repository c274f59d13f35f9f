//! Notices in time, in order and not too often, whatever the other side does: with the real collector and receivers that hang, break,
//! ask to wait, answer late, and a disk that is full.
//!
//! The full disk needs root and loop devices.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ioc_tests::harness::{Rig, eventually};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::process::Command;
use tokio::time::Instant;

/// What the receiver answers: a status, `HANGS`, or what it says after milliseconds.
const HANGS: u64 = 0;
/// Added to milliseconds: the answer is 200 after them.
const AFTER: u64 = 1_000_000;

/// One request as it came.
#[derive(Debug, Clone)]
struct Hit {
    at: Instant,
    key: String,
    body: String,
    answer: u64,
}

/// An HTTP server whose answers are the test's to choose, and to change.
struct Receiver {
    port: u16,
    answer: Arc<AtomicU64>,
    hits: Arc<Mutex<Vec<Hit>>>,
}

impl Receiver {
    async fn new(answer: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (answer, hits) = (Arc::new(AtomicU64::new(answer)), Arc::<Mutex<Vec<Hit>>>::default());
        let (answers, kept) = (Arc::clone(&answer), Arc::clone(&hits));
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (answers, kept) = (Arc::clone(&answers), Arc::clone(&kept));
                tokio::spawn(async move {
                    let _ = take(socket, &answers, &kept).await;
                });
            }
        });
        Self { port, answer, hits }
    }

    fn say(&self, answer: u64) {
        self.answer.store(answer, Relaxed);
    }

    fn hits(&self) -> Vec<Hit> {
        self.hits.lock().unwrap().clone()
    }

    fn keys(&self) -> Vec<String> {
        self.hits().into_iter().map(|hit| hit.key).collect()
    }

    /// When the first request with this key came.
    async fn came(&self, key: &str) -> Instant {
        eventually(key, || async { self.keys().iter().any(|one| one == key) }).await.unwrap();
        self.hits().into_iter().find(|hit| hit.key == key).unwrap().at
    }
}

async fn take(socket: TcpStream, answers: &AtomicU64, kept: &Mutex<Vec<Hit>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(socket);
    let (mut key, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let (name, value) = line.trim_end().split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "idempotency-key" => value.clone_into(&mut key),
            "content-length" => length = value.parse().unwrap(),
            _ if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let answer = answers.load(Relaxed);
    let body = String::from_utf8_lossy(&body).into_owned();
    kept.lock().unwrap().push(Hit { at: Instant::now(), key, body, answer });
    let status = match answer {
        HANGS => {
            // Until the test has it answer after all.
            while answers.load(Relaxed) == HANGS {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            200
        }
        status if status < AFTER => status,
        late => {
            tokio::time::sleep(Duration::from_millis(late - AFTER)).await;
            200
        }
    };
    let asks = if status == 429 { "retry-after: 4\r\n" } else { "" };
    let text = format!("HTTP/1.1 {status} x\r\n{asks}content-length: 5\r\nconnection: close\r\n\r\ntaken");
    stream.write_all(text.as_bytes()).await
}

fn hook(name: &str, receiver: &Receiver, more: &str) -> String {
    format!(
        "[[channel]]\nname = \"{name}\"\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{}/\"\n{more}\n",
        receiver.port
    )
}

async fn open(rig: &Rig, title: &str) {
    rig.post("/api/v1/incidents", json!({ "title": title, "severity": "critical" })).await.unwrap();
}

async fn notice(rig: &Rig, incident: u64, channel: &str) -> Value {
    let incident = rig.get(&format!("/api/v1/incidents/{incident}")).await.unwrap();
    incident["notices"].as_array().unwrap().iter().find(|one| one["channel"] == channel).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_hangs_holds_only_itself_and_its_fallback_is_there_in_time() {
    let (hung, good) = (Receiver::new(HANGS).await, Receiver::new(200).await);
    let mut rig = Rig::new(&(hook("hung", &hung, "fallback = \"good\"") + &hook("good", &good, "")));
    rig.start().await.unwrap();
    for number in 1..=8 {
        let before = Instant::now();
        open(&rig, &format!("Khói {number}")).await;
        let took = good.came(&format!("{number}-1-good")).await - before;
        assert!(took < Duration::from_secs(5), "{number}: {took:?}");
    }
    let first = hung.came("1-1-hung").await;
    let told = good.came("1-1-hung-via-good").await - first;
    assert!(told < Duration::from_secs(20), "{told:?}");
    let waits = notice(&rig, 1, "hung").await;
    assert!(waits["state"] == "waiting" && waits["last_error"].is_null(), "the attempt is under way: {waits}");
    // A reload begins no second attempt, and takes in what is new.
    let late = Receiver::new(200).await;
    rig.configure(|config| config.to_owned() + &hook("late", &late, ""));
    ioc_tests::harness::send_signal(rig.pid(), "HUP").await.unwrap();
    eventually("reloaded", || async { rig.log().contains("reloaded") }).await.unwrap();
    open(&rig, "Khói 9").await;
    late.came("9-1-late").await;
    hung.say(200);
    let delivered = || async { notice(&rig, 1, "hung").await["state"] == "delivered" };
    eventually("it succeeds after all", delivered).await.unwrap();
    let all = || async { (1..=9).all(|number| hung.keys().contains(&format!("{number}-1-hung"))) };
    eventually("and all that waited behind it", all).await.unwrap();
    for receiver in [&hung, &good] {
        let mut keys = receiver.keys();
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count, "no copies: {keys:?}");
    }
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_recovery_all_goes_at_once_and_in_order() {
    let hooks = Receiver::new(500).await;
    let mut rig = Rig::new(&hook("hook", &hooks, ""));
    rig.start().await.unwrap();
    open(&rig, "Khói").await;
    hooks.came("1-1-hook").await;
    tokio::time::sleep(Duration::from_millis(7000)).await;
    rig.post("/api/v1/incidents/1/actions", json!({ "action": "resolve", "note": "x" })).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    hooks.say(200);
    open(&rig, "Nước").await;
    let taken = || hooks.hits().into_iter().filter(|hit| hit.answer == 200).map(|hit| hit.key).collect::<Vec<_>>();
    let since = Instant::now();
    eventually("all three", || async { taken().len() == 3 }).await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    let place = |key: &str| taken().iter().position(|one| one == key).unwrap_or_else(|| panic!("{key}: {:?}", taken()));
    assert!(place("1-1-hook") < place("1-2-hook"), "{:?}", taken());
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_asks_to_wait_is_left_alone_and_a_stop_makes_no_copies() {
    let (busy, slow) = (Receiver::new(429).await, Receiver::new(AFTER + 1500).await);
    let mut rig = Rig::new(&(hook("busy", &busy, "") + &hook("slow", &slow, "")));
    rig.start().await.unwrap();
    open(&rig, "Khói").await;
    slow.came("1-1-slow").await;
    // What is under way is let arrive, and is not sent again.
    rig.stop().await.unwrap();
    rig.start().await.unwrap();
    eventually("asked again", || async { busy.hits().len() >= 2 }).await.unwrap();
    let asked = busy.hits().last().unwrap().at;
    busy.say(200);
    open(&rig, "Nước").await;
    eventually("both are taken", || async { busy.hits().iter().filter(|hit| hit.answer == 200).count() == 2 })
        .await
        .unwrap();
    let next = busy.hits().into_iter().find(|hit| hit.answer == 200).unwrap().at - asked;
    assert!((4000..6000).contains(&next.as_millis()), "{next:?}");
    let copies = slow.keys().iter().filter(|key| *key == "1-1-slow").count();
    assert_eq!(copies, 1, "{:?}", slow.keys());
    rig.stop().await.unwrap();
}

/// A mail server that takes its time after the final dot; the mails as they come.
async fn slow_mail(seconds: u64) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mails = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&mails);
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                let _ = converse(socket, &kept, seconds).await;
            });
        }
    });
    (port, mails)
}

async fn converse(socket: TcpStream, kept: &Mutex<Vec<String>>, seconds: u64) -> std::io::Result<()> {
    let mut stream = BufReader::new(socket);
    stream.write_all(b"220 here\r\n").await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        if line.starts_with("DATA") {
            stream.write_all(b"354 go on\r\n").await?;
            let mut mail = String::new();
            while !mail.ends_with("\r\n.\r\n") && stream.read_line(&mut mail).await? > 0 {}
            kept.lock().unwrap().push(mail);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
        stream.write_all(b"250 ok\r\n").await?;
        line.clear();
    }
    Ok(())
}

/// Both take their time, so they take it beside each other.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_and_late_answers_make_no_copies() {
    tokio::join!(
        a_mail_server_has_its_minutes_after_the_mail(),
        while_the_disk_is_full_nothing_is_sent_but_just_that()
    );
}

async fn a_mail_server_has_its_minutes_after_the_mail() {
    let (port, mails) = slow_mail(23).await;
    let channel = format!(
        "[[channel]]\nname = \"mail\"\ntype = \"smtp\"\nserver = \"127.0.0.1:{port}\"\ntls = \"none\"\nfrom = \"ioc@ioc.test\"\nto = [\"lan@ioc.test\"]\n"
    );
    let mut rig = Rig::new(&channel);
    rig.start().await.unwrap();
    open(&rig, "Khói").await;
    eventually("the mail", || async { !mails.lock().unwrap().is_empty() }).await.unwrap();
    tokio::time::sleep(Duration::from_secs(24)).await;
    let delivered = || async { notice(&rig, 1, "mail").await["state"] == "delivered" };
    eventually("delivered", delivered).await.unwrap();
    assert_eq!(mails.lock().unwrap().len(), 1, "one copy");
    rig.stop().await.unwrap();
}

async fn run(command: &mut Command) {
    let output = command.output().await.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?} (this test needs root and loop devices)");
}

/// A small filesystem, unmounted with the test.
struct Small(std::path::PathBuf);

impl Small {
    async fn new(dir: &Path) -> Self {
        let (image, mount) = (dir.join("disk.img"), dir.join("mnt"));
        std::fs::create_dir_all(&mount).unwrap();
        std::fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image)).await;
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&mount)).await;
        Self(mount)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        #[allow(clippy::disallowed_methods, reason = "cleaning up")]
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).stderr(Stdio::null()).status();
    }
}

async fn while_the_disk_is_full_nothing_is_sent_but_just_that() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Small::new(dir.path()).await;
    let (hooks, other) = (Receiver::new(500).await, Receiver::new(200).await);
    let mut rig = Rig::in_dir(&disk.0.join("rig"), &(hook("hook", &hooks, "") + &hook("other", &other, "")));
    rig.start().await.unwrap();
    for title in ["Khói", "Nước"] {
        open(&rig, title).await;
    }
    hooks.came("2-1-hook").await;
    let filler = disk.0.join("filler");
    let out = format!("of={}", filler.display());
    let _ = Command::new("dd").args(["if=/dev/zero", &out, "bs=64k"]).stderr(Stdio::null()).status().await;
    // Until no commit succeeds any more.
    let fill = async {
        for number in 0.. {
            let device = json!({ "device": format!("d-{number}"), "kind": "server", "name": "x".repeat(100) });
            let _ = rig.post("/api/v1/devices", device).await;
        }
    };
    let unready = eventually("not ready", || async { rig.get("/readyz").await.is_err() });
    tokio::select! { () = fill => {}, full = unready => full.unwrap() }
    hooks.say(200);
    tokio::time::sleep(Duration::from_secs(24)).await;
    let about_it = |receiver: &Receiver| {
        let hits = receiver.hits().into_iter().filter(|hit| hit.body.contains("store-unwritable"));
        hits.map(|hit| hit.body).collect::<Vec<_>>()
    };
    let taken = |key: &str| hooks.hits().iter().filter(|hit| hit.answer == 200 && hit.key == key).count();
    assert!(taken("1-1-hook") <= 1 && taken("2-1-hook") <= 1, "{:?}", hooks.keys());
    assert_eq!((about_it(&hooks).len(), about_it(&other).len()), (1, 1), "it is told once by each way");
    std::fs::remove_file(&filler).unwrap();
    eventually("ready again", || async { rig.get("/readyz").await.is_ok() }).await.unwrap();
    eventually("all is delivered", || async { taken("1-1-hook") == 1 && taken("2-1-hook") == 1 }).await.unwrap();
    eventually("its end is told", || async { about_it(&other).len() == 2 }).await.unwrap();
    assert!(about_it(&other)[1].contains("\"resolved\""), "{:?}", about_it(&other));
    let once = other.keys().iter().filter(|key| key.starts_with("1-1-")).count();
    assert_eq!(once, 1);
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_never_makes_a_line_of_its_own() {
    let (sms, plain, soap, hooks) =
        (Receiver::new(200).await, Receiver::new(200).await, Receiver::new(200).await, Receiver::new(200).await);
    let (smtp, mails) = slow_mail(0).await;
    let syslog = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let own = |name: &str, port: u16, kind: &str, body: &str| {
        format!(
            "[[channel]]\nname = \"{name}\"\ntype = \"http\"\nurl = \"http://127.0.0.1:{port}/\"\ncontent_type = \"{kind}\"\nbody = \"{body}\"\nsuccess = \"taken\"\n"
        )
    };
    let channels = own("sms", sms.port, "application/x-www-form-urlencoded", "text={{short}}")
        + &own("plain", plain.port, "text/plain", "{{short}}")
        + &own("soap", soap.port, "application/soap+xml; charset=utf-8", "<t>{{subject}}</t>")
        + &hook("hook", &hooks, "")
        + &format!(
            "[[channel]]\nname = \"mail\"\ntype = \"smtp\"\nserver = \"127.0.0.1:{smtp}\"\ntls = \"none\"\nfrom = \"ioc@ioc.test\"\nto = [\"lan@ioc.test\"]\n\
             [[channel]]\nname = \"log\"\ntype = \"syslog\"\nserver = \"127.0.0.1:{}\"\n",
            syslog.local_addr().unwrap().port()
        );
    let mut rig = Rig::new(&channels);
    rig.start().await.unwrap();
    let trap = "\r\n\u{2028}\u{202e}Press to take it: http://evil/";
    let device =
        json!({ "device": "d-1", "kind": "server", "name": format!("</t>{trap}"), "place": format!("Tầng 2{trap}") });
    // What a register refuses may still come by other ways; what it takes must do no harm.
    let known = rig.post("/api/v1/devices", device).await.is_ok();
    let mut manual = json!({ "title": format!("Khói <b>{trap}"), "text": format!("x{trap}"), "severity": "critical" });
    if known {
        manual["device"] = json!("d-1");
    }
    rig.post("/api/v1/incidents", manual).await.unwrap();
    let all = || async {
        [&sms, &plain, &soap, &hooks].iter().all(|one| !one.hits().is_empty()) && !mails.lock().unwrap().is_empty()
    };
    eventually("all channels", all).await.unwrap();
    let body = |receiver: &Receiver| receiver.hits()[0].body.clone();
    let sms = body(&sms);
    assert!(!sms.contains("%0A") && !sms.contains("%0D") && !sms.contains("%E2%80%A8"), "{sms}");
    assert_eq!(body(&plain).lines().count(), 1, "{:?}", body(&plain));
    let soap = body(&soap);
    assert!(soap.contains("&lt;b&gt;") && soap.matches("</t>").count() == 1 && !soap.contains('\u{202e}'), "{soap}");
    let hook: Value = serde_json::from_str(&body(&hooks)).unwrap();
    let words = hook["commonAnnotations"].as_object().unwrap();
    for name in ["summary", "title_vi", "title_en", "reason_vi", "reason_en"] {
        assert!(!words[name].as_str().unwrap().contains(['\n', '\r', '\u{2028}', '\u{202e}']), "{name}: {hook}");
    }
    let forged = |text: &str| text.lines().any(|line| line.trim_start().starts_with("Press to take it"));
    assert!(!forged(words["description"].as_str().unwrap()), "{hook}");
    let mail = ioc_tests::sink::readable(&mails.lock().unwrap()[0]);
    assert!(!forged(&mail), "{mail}");
    let mut packet = [0; 4096];
    let length = tokio::time::timeout(Duration::from_secs(60), syslog.recv(&mut packet)).await.unwrap().unwrap();
    let line = String::from_utf8_lossy(&packet[..length]).into_owned();
    assert!(!line.contains(['\n', '\r', '\u{2028}']), "{line}");
    rig.stop().await.unwrap();
}
