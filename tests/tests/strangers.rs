//! What strangers cost: whoever has shown nothing holds up nobody, fills no memory and no log, and empties no bucket but their own.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use ioc_tests::harness::{Rig, within};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Tests that need the processors for themselves: what they measure are times.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Who asks: always from one address, with or without a session.
#[derive(Clone)]
struct WebClient {
    tls: Arc<ClientConfig>,
    port: u16,
    from: Ipv4Addr,
    cookie: String,
}

impl WebClient {
    fn new(rig: &Rig, from: [u8; 4]) -> Self {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(rig.data().join("pki/ca.pem")).unwrap();
        roots.add(authority).unwrap();
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Self { tls: Arc::new(tls), port: rig.web, from: from.into(), cookie: String::new() }
    }

    async fn tcp(&self) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.from, 0).into())?;
        socket.connect((Ipv4Addr::LOCALHOST, self.port).into()).await
    }

    async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::clone(&self.tls)).connect(name, self.tcp().await?).await
    }

    fn head(&self, method: &str, path: &str, length: usize) -> String {
        format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncookie: {}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n",
            self.cookie
        )
    }

    /// The whole answer to one request, over a connection of its own.
    async fn ask(&self, method: &str, path: &str, body: &str) -> std::io::Result<String> {
        let mut stream = self.connect().await?;
        stream.write_all(format!("{}{body}", self.head(method, path, body.len())).as_bytes()).await?;
        read_all(&mut stream).await
    }

    async fn status(&self, method: &str, path: &str, body: &str) -> u16 {
        let answer = self.ask(method, path, body).await.unwrap_or_default();
        answer.split_ascii_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    async fn sign_in(&self, name: &str, password: &str) -> u16 {
        self.status("POST", "/api/v1/session", &json!({ "name": name, "password": password }).to_string()).await
    }
}

async fn read_all(stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
    let mut text = Vec::new();
    match stream.read_to_end(&mut text).await {
        Err(error) if text.is_empty() => Err(error),
        _ => Ok(String::from_utf8_lossy(&text).into_owned()),
    }
}

/// The first administrator, signed in: a client with their session.
async fn signed_in(rig: &Rig, from: [u8; 4]) -> WebClient {
    let password = std::fs::read_to_string(rig.data().join("first-password")).unwrap();
    let mut client = WebClient::new(rig, from);
    let body = json!({ "name": "admin", "password": password.trim() }).to_string();
    let answer = client.ask("POST", "/api/v1/session", &body).await.unwrap();
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: __Host-ioc=")).expect("a session");
    client.cookie = format!("__Host-ioc={}", cookie.split(';').next().unwrap());
    client
}

fn memory_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

/// How long it takes until a request is answered as it should be, over a connection of its own.
async fn served_within(client: &WebClient, path: &str, status: u16) -> Duration {
    let start = Instant::now();
    assert_eq!(client.status("GET", path, "").await, status, "{path}");
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_slow_on_purpose_shuts_out_nobody_and_is_left() {
    let _alone = ALONE.lock().await;
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let person = signed_in(&rig, [127, 0, 0, 1]).await;
    // A session that is held open all the while, from the address of the flood.
    let mut held = person.connect().await.unwrap();
    let keep = person.head("GET", "/live", 0).replace("connection: close\r\n", "");
    held.write_all(keep.as_bytes()).await.unwrap();
    let mut first = [0; 64];
    assert!(held.read(&mut first).await.unwrap() > 0);

    // Bodies, heads and handshakes that never end, and answers that are never read.
    let flood = WebClient::new(&rig, [127, 0, 0, 1]);
    let mut all = JoinSet::new();
    for at in 0..2000 {
        let flood = flood.clone();
        all.spawn(async move {
            if at % 4 == 0 {
                return flood.tcp().await.map(|tcp| (None, Some(tcp)));
            }
            let mut stream = timeout(Duration::from_secs(60), flood.connect()).await??;
            let sent = match at % 4 {
                1 => format!("{}{{", flood.head("POST", "/enrol/v1", 60_000)),
                2 => "GET / HTTP/1.1\r\nhost: ".to_owned(),
                _ => flood.head("GET", "/static/app.js", 0).repeat(50),
            };
            stream.write_all(sent.as_bytes()).await?;
            Ok((Some(stream), None))
        });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let elsewhere = WebClient::new(&rig, [127, 0, 0, 2]);
    // Whoever is shut out waits until the slow are left, which takes ten seconds.
    for round in 0..5 {
        let took = served_within(&elsewhere, "/login", 200).await;
        assert!(took < Duration::from_secs(8), "a page, round {round}: {took:?}");
        let took = served_within(&WebClient { from: elsewhere.from, ..person.clone() }, "/api/v1/devices", 200).await;
        assert!(took < Duration::from_secs(8), "the API, round {round}: {took:?}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let mut open = Vec::new();
    while let Some(done) = all.join_next().await {
        open.extend(done.unwrap());
    }
    // From the same address, too, once the flood is only held; and who has shown a session was never closed.
    assert!(served_within(&person, "/api/v1/devices", 200).await < Duration::from_secs(5));
    let mut live = [0; 512];
    assert!(timeout(Duration::from_secs(40), held.read(&mut live)).await.unwrap().unwrap() > 0, "it lives");
    // And none of them is held for long.
    let pid = rig.pid();
    let descriptors = || std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let left = within(Duration::from_secs(90), "the slow are left", || async { descriptors() < 120 }).await;
    assert!(left.is_ok(), "{} are still open", descriptors());
    drop(open);
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_arrive_is_told_so() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let client = WebClient::new(&rig, [127, 0, 0, 1]);
    let start = Instant::now();
    let mut stream = client.connect().await.unwrap();
    stream.write_all(format!("{}{{", client.head("POST", "/enrol/v1", 60_000)).as_bytes()).await.unwrap();
    // A byte now and then does not win time.
    let answer = loop {
        let mut text = vec![0; 2048];
        match timeout(Duration::from_secs(2), stream.read(&mut text)).await {
            Ok(read) => break String::from_utf8_lossy(&text[..read.unwrap()]).into_owned(),
            Err(_) => stream.write_all(b" ").await.unwrap(),
        }
        assert!(start.elapsed() < Duration::from_secs(20), "it is still waited for");
    };
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_sign_ins_fill_no_memory_and_hold_up_nobody() {
    let _alone = ALONE.lock().await;
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let person = signed_in(&rig, [127, 9, 0, 1]).await;
    assert_eq!(person.status("GET", "/api/v1/devices", "").await, 200);
    let before = memory_mib(rig.pid());
    let mut all = JoinSet::new();
    // Many at once, but not so many that their own handshakes are what takes long.
    let together = Arc::new(Semaphore::new(200));
    // From many networks, so that no bucket of one of them is what holds them.
    for at in 0..600_u16 {
        let [network, host] = at.to_be_bytes();
        let stranger = WebClient::new(&rig, [127, 1 + network, host, 1 + (at % 200) as u8]);
        let together = Arc::clone(&together);
        all.spawn(async move {
            let _one = together.acquire_owned().await;
            stranger.sign_in(&format!("name{at}"), "a wrong password").await
        });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let took = served_within(&person, "/api/v1/devices", 200).await;
    assert!(took < Duration::from_secs(8), "{took:?}");
    let mut answers = std::collections::BTreeMap::<u16, u32>::new();
    while let Some(status) = all.join_next().await {
        *answers.entry(status.unwrap()).or_default() += 1;
    }
    assert!(answers.keys().all(|status| matches!(status, 401 | 429 | 503)), "{answers:?}");
    assert!(answers.contains_key(&401) && answers[&503] > 200, "{answers:?}");
    let grown = memory_mib(rig.pid()).saturating_sub(before);
    assert!(grown < 100, "it has grown by {grown} MiB");
    // One address is told to wait before anything is looked up.
    let one = WebClient::new(&rig, [127, 0, 0, 7]);
    let mut statuses = Vec::new();
    for _ in 0..80 {
        statuses.push(one.status("POST", "/login/code", "").await);
    }
    assert!(statuses.iter().all(|status| *status != 0), "{statuses:?}");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_up_costs_the_address_it_comes_from() {
    let _alone = ALONE.lock().await;
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let mut person = signed_in(&rig, [127, 0, 0, 1]).await;
    assert_eq!(person.status("GET", "/api/v1/devices", "").await, 200);
    // Many cookies, tokens and links over a few connections.
    let mut all = JoinSet::new();
    for worker in 0..8 {
        let stranger = WebClient::new(&rig, [127, 0, 0, 3]);
        all.spawn(async move {
            let (mut looked_up, mut refused) = (0, 0);
            for at in 0..200 {
                let made_up = WebClient { cookie: format!("__Host-ioc=made-up-{worker}-{at}"), ..stranger.clone() };
                match made_up.status("GET", "/api/v1/devices", "").await {
                    401 => looked_up += 1,
                    429 => refused += 1,
                    other => panic!("{other}"),
                }
            }
            (looked_up, refused)
        });
    }
    let (mut looked_up, mut refused) = (0, 0);
    while let Some(done) = all.join_next().await {
        let (one, other) = done.unwrap();
        (looked_up, refused) = (looked_up + one, refused + other);
    }
    assert!(refused > 0 && looked_up < 1600, "{looked_up} were looked up, {refused} refused");
    // Whoever has a session is not held up by it, not even at that address; and the page to sign in is shown.
    person.from = [127, 0, 0, 3].into();
    assert_eq!(person.status("GET", "/api/v1/devices", "").await, 200);
    assert_eq!(WebClient::new(&rig, [127, 0, 0, 3]).status("GET", "/login", "").await, 200);
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_enrolments_are_a_few_lines() {
    let _alone = ALONE.lock().await;
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let body = json!({ "token": format!("iocw1.{}", "A".repeat(70)), "csr": "x", "fingerprint": "" });
    let body = body.to_string();
    let before = rig.log().len();
    let mut all = JoinSet::new();
    for worker in 0..8_u8 {
        let (client, body) = (WebClient::new(&rig, [127, 0, worker, 1]), body.clone());
        all.spawn(async move {
            for _ in 0..100 {
                let status = client.status("POST", "/enrol/v1", &body).await;
                assert!(matches!(status, 403 | 422 | 429), "{status}");
            }
        });
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
    let log = rig.log();
    let written = log.len() - before;
    assert!(written < 16_000, "{written} bytes: {log}");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_fills_the_places_of_those_who_sign_in_elsewhere() {
    let _alone = ALONE.lock().await;
    // A provider that says of itself what it must, and no more.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let mut head = [0; 2048];
            let _ = socket.read(&mut head).await;
            let at = format!("http://127.0.0.1:{port}");
            let body = json!({
                "issuer": at, "authorization_endpoint": format!("{at}/a"), "token_endpoint": format!("{at}/t"), "jwks_uri": format!("{at}/k")
            });
            let body = body.to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "tuyệt mật\n").unwrap();
    let mut rig = Rig::new(&format!(
        "[oidc]\nname = \"SSO\"\nissuer = \"http://127.0.0.1:{port}\"\nclient_id = \"ioc\"\nsecret_file = \"{}\"\n",
        secret.display()
    ));
    rig.start().await.unwrap();
    let mut all = JoinSet::new();
    for network in 0..10_u8 {
        let base = WebClient::new(&rig, [127, 3, network, 1]);
        all.spawn(async move {
            for host in 0..120_u8 {
                let one = WebClient { from: [127, 3, network, 1 + host % 10].into(), ..base.clone() };
                assert_eq!(one.status("GET", "/login/oidc", "").await, 303);
            }
        });
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
    assert_eq!(
        WebClient::new(&rig, [127, 4, 0, 1]).status("GET", "/login/oidc", "").await,
        303,
        "there is always room"
    );
    let asked = asked.load(std::sync::atomic::Ordering::Relaxed);
    assert!(asked <= 3, "the provider was asked {asked} times");
    // Nobody ends what they have not begun.
    let back = WebClient::new(&rig, [127, 4, 0, 2]);
    assert_eq!(back.status("GET", "/login/oidc/back?code=x&state=made-up", "").await, 403);
    rig.stop().await.unwrap();
}

/// The command line over the socket is served whatever happens on the network.
#[tokio::test(flavor = "multi_thread")]
async fn this_machine_is_always_served() {
    let mut rig = Rig::new("");
    let ours = "strangers_max = 16\nstrangers_per_address_max = 8\nstrangers_per_network_max = 8\n";
    rig.configure(|text| text.replacen("[web]\n", &format!("[web]\n{ours}"), 1));
    rig.start().await.unwrap();
    let flood = WebClient::new(&rig, [127, 0, 0, 1]);
    let mut open = Vec::new();
    for _ in 0..200 {
        open.push(flood.tcp().await.unwrap());
    }
    timeout(Duration::from_secs(8), rig.get("/api/v1/devices")).await.unwrap().unwrap();
    assert_eq!(WebClient::new(&rig, [127, 1, 0, 1]).status("GET", "/login", "").await, 200);
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", rig.pid())).unwrap().count();
    assert!(descriptors < 120, "{descriptors} are open");
    drop(open);
    rig.stop().await.unwrap();
}
