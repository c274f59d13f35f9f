//! Reports through a broker, as we ship its configuration: Debian's Mosquitto and RabbitMQ, killed while devices report. What they lose of
//! what they acknowledged comes again, once; what came through them is marked; who was revoked is not heard.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use ioc_common::clock;
use ioc_common::report::Position;
use ioc_common::topic::{Topic, UpKind};
use ioc_tests::broker::{BrokerPlace, Mosquitto, RabbitMq};
use ioc_tests::harness::{Rig, eventually};
use ioc_tests::identity::Identity;
use ioc_tests::link::Link;
use ioc_tests::machine::Machine;
use ioc_tests::resender::Resender;
use rmqtt_codec::types::QoS;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::survive::{load, rig_with};

/// A collector that takes reports from `place`, too, and has made the certificate of the broker there.
async fn collector(dir: &Path, place: &BrokerPlace) -> Rig {
    let mut rig = rig_with(dir, &place.config());
    rig.start().await.unwrap();
    place.certify(&rig).await.unwrap();
    rig
}

async fn ready(rig: &Rig) -> String {
    ioc_collector::cli::text(&rig.runtime(), "/readyz").await.unwrap_or_default()
}

async fn linked(rig: &Rig, place: &BrokerPlace) {
    let line = format!("broker: connected to {}", place.address());
    eventually("the broker is connected", || async { ready(rig).await.contains(&line) }).await.unwrap();
}

async fn metric(rig: &Rig, line: &str) -> u64 {
    let metrics = ioc_collector::cli::text(&rig.runtime(), "/metrics").await.unwrap_or_default();
    let value = metrics.lines().find_map(|one| one.strip_prefix(line)?.strip_prefix(' '));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

async fn device(rig: &Rig, id: &str) -> Value {
    rig.get(&format!("/api/v1/devices/{id}")).await.unwrap_or_default()
}

async fn mark(rig: &Rig, id: &str) -> (String, String) {
    let of = device(rig, id).await["authenticity"].clone();
    let reasons = of["reasons"].as_array().cloned().unwrap_or_default();
    let reasons = reasons.iter().filter_map(|text| text["en"].as_str()).collect::<Vec<_>>().join(" ");
    (of["mark"].as_str().unwrap_or_default().to_owned(), reasons)
}

/// Enrols a device under this name, which reports at the broker.
async fn enrolled(rig: &Rig, place: &BrokerPlace, name: &str) -> Identity {
    let about = json!({ "device": name, "kind": "server", "name": name });
    place.identity(Identity::enrol(&rig.runtime(), &rig.server(), &about).await.unwrap())
}

/// Ends what the devices still have, and checks that all of it is there, once.
async fn drained(mut devices: Vec<Resender>, mut rig: Rig) -> usize {
    for device in &mut devices {
        device.drain().await.unwrap();
    }
    rig.stop().await.unwrap();
    let made: u64 = devices.iter().map(|device| device.made).sum();
    let rows = Resender::check(&devices, &rig.data()).unwrap();
    assert_eq!(rows as u64, made, "in the end everything that was made is there, once");
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_through_mosquitto_is_marked_and_who_was_revoked_is_not_heard() {
    let dir = tempfile::tempdir().unwrap();
    let place = BrokerPlace::new(&dir.path().join("mosquitto"));
    let mut rig = collector(dir.path(), &place).await;
    assert!(ready(&rig).await.contains("broker: not connected"), "{}", ready(&rig).await);
    place.fetch_revoked().await.unwrap();
    let mut broker = Mosquitto::new(place.clone());
    broker.start().await.unwrap();
    linked(&rig, &place).await;
    assert_eq!(metric(&rig, "ioc_broker_connected").await, 1);

    // An agent that knows a dead address first, and one that comes to our own endpoint meanwhile.
    let at_broker =
        format!("[collector]\nmqtt = [\"localhost:9\", \"{}\"]\n[report]\ninterval = \"1s\"\n", place.address());
    let mut behind = rig.agent("srv-behind", &at_broker).await.unwrap();
    let mut direct = rig.agent("srv-direct", "[report]\ninterval = \"1s\"\n").await.unwrap();
    behind.start().unwrap();
    direct.start().unwrap();
    let reports = async |agent: &ioc_tests::harness::Agent| {
        eventually("it reports", || async {
            agent.status().await.is_ok_and(|status| status.connected && status.committed.seq > 3)
        })
        .await
    };
    reports(&behind).await.unwrap_or_else(|error| panic!("{error}\n{}\n{}", behind.log(), rig.log()));
    reports(&direct).await.unwrap();
    let (found, reasons) = mark(&rig, "srv-behind").await;
    assert!(found == "unverified" && reasons.contains("through a broker"), "{found} {reasons}");
    assert_eq!(mark(&rig, "srv-direct").await, ("verified".to_owned(), String::new()));
    let documents = rig.get("/api/v1/devices/srv-behind/documents").await.unwrap();
    assert_eq!(documents[0]["authenticity"]["mark"], "unverified", "{documents}");
    let marked = rig.get("/api/v1/authenticity").await.unwrap();
    assert!(marked["devices"].as_array().unwrap().iter().any(|one| one["id"] == "srv-behind"), "{marked}");
    let kept = std::fs::read_to_string(behind.dir().join("state/address")).unwrap();
    assert_eq!(kept.trim(), place.address(), "it remembers what worked");

    // It ends without a word: the broker says so, long before anything is missed.
    behind.kill().await.unwrap();
    let state = async |wanted: &[&str]| {
        let what = format!("it is {wanted:?}");
        eventually(&what, || async {
            device(&rig, "srv-behind").await["state"].as_str().is_some_and(|state| wanted.contains(&state))
        })
        .await
        .unwrap();
    };
    state(&["suspect", "silent", "host_down"]).await;
    behind.start().unwrap();
    state(&["live"]).await;

    // Whoever comes under one name speaks under no other, and takes no other's session.
    let stranger = enrolled(&rig, &place, "srv-other").await;
    let mut link = Link::open_at_broker(&stranger, 30).await.unwrap();
    let of_behind = Topic::up("srv-behind".parse().unwrap(), UpKind::Values).to_string();
    let packet = link.publish_on(&of_behind, br#"{"t":1}"#.to_vec(), QoS::AtLeastOnce);
    link.send(packet).await.unwrap();
    let mut machine = Machine::new("srv-behind".parse().unwrap(), "server", 1, Position::default(), clock::now());
    let hello = machine.hello(10, 30);
    let (_, kind, foreign) = machine.seal(&hello, clock::now(), 0);
    let packet = link.publish(kind, foreign);
    link.send(packet).await.unwrap();
    eventually("it is refused", || async { metric(&rig, "ioc_refused_total{reason=\"device\"}").await == 1 })
        .await
        .unwrap();
    assert_eq!(metric(&rig, "ioc_refused_total{reason=\"values\"}").await, 0, "the broker let nothing through");

    rig.post("/api/v1/devices/srv-behind/revoke", json!({})).await.unwrap();
    let refused = "ioc_refused_total{reason=\"revoked\"}";
    eventually("it is not heard any more", || async { metric(&rig, refused).await > 0 }).await.unwrap();
    // With the collector's list, the broker does not let it in either.
    drop(link);
    rig.post("/api/v1/devices/srv-other/revoke", json!({})).await.unwrap();
    drop(Link::open_at_broker(&stranger, 30).await.unwrap());
    place.fetch_revoked().await.unwrap();
    broker.reload().await.unwrap();
    eventually("the broker refuses it", || async { Link::open_at_broker(&stranger, 30).await.is_err() }).await.unwrap();
    let other = enrolled(&rig, &place, "srv-good").await;
    Link::open_at_broker(&other, 30).await.unwrap();
    behind.stop().await.unwrap();
    direct.stop().await.unwrap();
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_mosquitto_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let place = BrokerPlace::new(&dir.path().join("mosquitto"));
    let rig = collector(dir.path(), &place).await;
    let mut broker = Mosquitto::new(place.clone());
    broker.start().await.unwrap();
    linked(&rig, &place).await;
    let identities = rig.enrol(4).await.unwrap();
    let mut devices: Vec<Resender> =
        identities.into_iter().map(|one| Resender::through_broker(place.identity(one))).collect();
    for _ in 0..4 {
        let sending = tokio::spawn(load(devices, Duration::from_millis(1500)));
        tokio::time::sleep(Duration::from_millis(900)).await;
        broker.kill().await.unwrap();
        broker.start().await.unwrap();
        devices = sending.await.unwrap();
    }
    let rows = drained(devices, rig).await;
    assert!(rows > 200, "{rows} rows: the load was real");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_dies_before_the_commit_has_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let place = BrokerPlace::new(&dir.path().join("mosquitto"));
    let mut rig = collector(dir.path(), &place).await;
    let mut broker = Mosquitto::new(place.clone());
    broker.start().await.unwrap();
    linked(&rig, &place).await;
    let identities = rig.enrol(4).await.unwrap();
    let mut devices: Vec<Resender> =
        identities.into_iter().map(|one| Resender::through_broker(place.identity(one))).collect();
    for round in 0..4 {
        let sending = tokio::spawn(load(devices, Duration::from_millis(1500)));
        tokio::time::sleep(Duration::from_millis(700 + 90 * round)).await;
        rig.kill().await.unwrap();
        rig.start().await.unwrap();
        devices = sending.await.unwrap();
    }
    // What was not acknowledged came again: the broker kept our session.
    assert!(rig.log().contains("\"resumed\":true") || rig.log().contains("resumed=true"), "{}", rig.log());
    drained(devices, rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_asks_the_collector_and_loses_and_doubles_nothing_when_it_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let place = BrokerPlace::new(&dir.path().join("rabbitmq"));
    let rig = collector(dir.path(), &place).await;
    let mut broker = RabbitMq::new(place.clone());
    broker.start().await.unwrap();
    linked(&rig, &place).await;

    // One that was revoked, one with a dot, one that speaks under another's name.
    let revoked = enrolled(&rig, &place, "srv-revoked").await;
    drop(Link::open_at_broker(&revoked, 30).await.unwrap());
    rig.post("/api/v1/devices/srv-revoked/revoke", json!({})).await.unwrap();
    assert!(Link::open_at_broker(&revoked, 30).await.is_err(), "a revoked device is let in");
    let dotted = enrolled(&rig, &place, "srv.dotted").await;
    assert!(Link::open_at_broker(&dotted, 30).await.is_err(), "RabbitMQ would take its dot for a level");
    assert!(rig.log().contains("with a dot cannot come through RabbitMQ"), "{}", rig.log());
    let other = enrolled(&rig, &place, "srv-other").await;
    let mut link = Link::open_at_broker(&other, 30).await.unwrap();
    let of_another = Topic::up("srv-behind".parse().unwrap(), UpKind::Values).to_string();
    let packet = link.publish_on(&of_another, br#"{"t":1}"#.to_vec(), QoS::AtLeastOnce);
    link.send(packet).await.unwrap();
    assert!(link.is_closed().await, "it publishes in another's name");

    let identities = rig.enrol(3).await.unwrap();
    let devices: Vec<Resender> =
        identities.into_iter().map(|one| Resender::through_broker(place.identity(one))).collect();
    let sending = tokio::spawn(load(devices, Duration::from_secs(3)));
    tokio::time::sleep(Duration::from_secs(2)).await;
    broker.kill().await.unwrap();
    broker.start().await.unwrap();
    let mut devices = sending.await.unwrap();
    for device in &mut devices {
        device.drain().await.unwrap();
    }

    // An agent, and what is sent down to it.
    let at_broker = format!("[collector]\nmqtt = \"{}\"\n[report]\ninterval = \"1s\"\n", place.address());
    let mut agent = rig.agent("srv-behind", &at_broker).await.unwrap();
    agent.start().unwrap();
    eventually("it reports", || async {
        agent.status().await.is_ok_and(|status| status.connected && status.committed.seq > 3)
    })
    .await
    .unwrap_or_else(|error| panic!("{error}\n{}\n{}", agent.log(), rig.log()));
    assert!(mark(&rig, "srv-behind").await.1.contains("through a broker"));
    agent.stop().await.unwrap();
    let rows = drained(devices, rig).await;
    assert!(rows > 50, "{rows} rows: the load was real");
}

/// An HTTP proxy that passes one connection after the other on, for whoever shows the right user; gives what it was asked.
async fn proxy(listener: TcpListener, asked: tokio::sync::mpsc::UnboundedSender<String>) {
    while let Ok((client, _)) = listener.accept().await {
        let asked = asked.clone();
        tokio::spawn(async move {
            let mut client = BufReader::new(client);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && client.read_line(&mut head).await.is_ok_and(|read| read > 0) {}
            let right = base64::engine::general_purpose::STANDARD.encode("ioc:s3cret");
            let allowed = head.to_lowercase().contains(&format!("proxy-authorization: basic {right}").to_lowercase());
            let _ = asked.send(head.lines().next().unwrap_or_default().to_owned());
            if !allowed {
                let _ = client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
                return;
            }
            let to = head.split_whitespace().nth(1).unwrap_or_default();
            let Ok(mut server) = TcpStream::connect(to).await else { return };
            let _ = client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_reaches_the_collector_through_an_http_proxy_that_asks_for_a_user() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, mut heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(proxy(listener, asked));
    let password = rig.dir().join("proxy.password");
    std::fs::write(&password, "wrong\n").unwrap();
    let config = format!(
        "[collector]\nproxy = \"127.0.0.1:{port}\"\nproxy_user = \"ioc\"\nproxy_password_file = {password:?}\n[report]\ninterval = \"1s\"\n"
    );
    let mut agent = rig.agent("srv-proxied", &config).await.unwrap();
    agent.start().unwrap();
    assert_eq!(heard.recv().await.unwrap(), format!("CONNECT localhost:{} HTTP/1.1", rig.mqtt));
    eventually("it says that it is refused", || async {
        agent.status().await.is_ok_and(|status| !status.connected && status.last_error.is_some())
    })
    .await
    .unwrap();
    // The file is read with each try.
    std::fs::write(&password, "s3cret\n").unwrap();
    eventually("it reports", || async {
        agent.status().await.is_ok_and(|status| status.connected && status.committed.seq > 1)
    })
    .await
    .unwrap_or_else(|error| panic!("{error}\n{}", agent.log()));
    assert!(!agent.log().contains("s3cret"));
    assert_eq!(mark(&rig, "srv-proxied").await.0, "verified", "TLS goes through a proxy whole");
    agent.stop().await.unwrap();
    rig.stop().await.unwrap();
}
