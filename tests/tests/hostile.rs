//! Hostile and broken input at the endpoint: refused or contained, counted and logged with the reason, while others work on.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use bytes::Bytes;
use ioc_common::clock;
use ioc_common::report::Position;
use ioc_common::topic::UpKind;
use ioc_tests::harness::Rig;
use ioc_tests::identity::Identity;
use ioc_tests::link::{Heard, Link};
use ioc_tests::machine::Machine;
use rmqtt_codec::types::QoS;
use rmqtt_codec::v3::{Connect, ConnectAckReason, LastWill, Packet};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How often something was refused for a reason, from `/metrics`.
pub(super) async fn refused(rig: &Rig, reason: &str) -> u64 {
    let output = tokio::process::Command::new("curl")
        .args(["-sk", &format!("https://localhost:{}/metrics", rig.web)])
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = format!("ioc_refused_total{{reason=\"{reason}\"}} ");
    text.lines().find_map(|found| found.strip_prefix(&line)).map_or(0, |count| count.parse().unwrap())
}

/// An honest device whose reports must be committed whatever happens beside it.
pub(super) struct Witness {
    link: Link,
    machine: Machine,
}

impl Witness {
    pub(super) async fn new(identity: &Identity) -> Self {
        let (link, known) = Link::open(identity, 60).await.unwrap();
        let machine = Machine::new(identity.device.clone(), "server", 1, known, clock::now());
        let mut witness = Self { link, machine };
        let hello = witness.machine.hello(10, 60);
        witness.send(&hello).await;
        witness
    }

    async fn send(&mut self, body: &ioc_common::report::Body) {
        let (position, kind, payload) = self.machine.seal(body, clock::now(), 0);
        let packet = self.link.publish(kind, payload);
        self.link.send(packet).await.unwrap();
        self.link.committed(position).await.unwrap();
    }

    pub(super) async fn still_works(&mut self) {
        let body = self.machine.sample();
        tokio::time::timeout(Duration::from_secs(20), self.send(&body)).await.expect("others keep working");
    }
}

fn connect(client_id: &str) -> Connect {
    Connect { clean_session: true, keep_alive: 30, client_id: client_id.to_owned().into(), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_their_certificates_are_refused() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let identities = rig.enrol(2).await.unwrap();
    let mut witness = Witness::new(&identities[0]).await;

    // No certificate at all, and TLS 1.2: openssl's own client.
    for extra in [vec![], vec!["-tls1_2"]] {
        let mut child = tokio::process::Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &format!("localhost:{}", rig.mqtt)])
            .args(extra)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let _ = stdin.write_all(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x1e\x00\x00").await;
        let ended = tokio::time::timeout(Duration::from_secs(60), child.wait()).await.expect("closed").unwrap();
        assert!(!ended.success(), "refused");
    }
    assert!(refused(&rig, "tls").await >= 2);

    // Another authority's certificate for the same name.
    let mut other = Rig::new("");
    other.start().await.unwrap();
    let foreign = other.enrol(1).await.unwrap().remove(0);
    let stranger =
        Identity { authorities: identities[0].authorities.clone(), mqtt: identities[0].mqtt.clone(), ..foreign };
    assert!(Link::open(&stranger, 30).await.is_err());
    assert!(refused(&rig, "tls").await >= 3);
    witness.still_works().await;

    // Revoked: refused at connect.
    rig.post(&format!("/api/v1/devices/{}/revoke", identities[1].device), json!({})).await.unwrap();
    assert!(Link::open(&identities[1], 30).await.is_err());
    assert_eq!(refused(&rig, "revoked").await, 1);
    witness.still_works().await;
    rig.stop().await.unwrap();

    // Expired.
    let mut short = Rig::new("[pki]\ndevice_life = \"10s\"\n");
    short.start().await.unwrap();
    let expiring = short.enrol(1).await.unwrap().remove(0);
    assert!(Link::open(&expiring, 30).await.is_ok());
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(Link::open(&expiring, 30).await.is_err());
    assert_eq!(refused(&short, "tls").await, 1);
    assert!(short.log().contains("expired") || short.log().contains("Expired"), "{}", short.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_bound_to_its_own_name_and_topics() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let identities = rig.enrol(2).await.unwrap();
    let mut witness = Witness::new(&identities[0]).await;
    let rogue = &identities[1];
    let own = |kind: &str| format!("ioc/1/{}/{}/up/{kind}", rogue.device.shard(), rogue.device);
    let others = format!("ioc/1/{}/{}/up/sample", identities[0].device.shard(), identities[0].device);

    // CONNECT: another's client ID, another's will, an old protocol, bytes after its end, something else first.
    let will =
        |topic: &str, qos| Some(LastWill { qos, retain: false, topic: topic.to_owned().into(), message: Bytes::new() });
    let cases = [
        ("client_id", connect(identities[0].device.as_str())),
        ("will", Connect { last_will: will(&others, QoS::AtLeastOnce), ..connect(rogue.device.as_str()) }),
        ("will", Connect { last_will: will(&own("gone"), QoS::ExactlyOnce), ..connect(rogue.device.as_str()) }),
    ];
    for (reason, packet) in cases {
        let before = refused(&rig, reason).await;
        let mut link = Link::tls(rogue).await.unwrap();
        link.send(packet.into()).await.unwrap();
        match link.hear().await {
            Ok(Heard::Packet(Packet::ConnectAck(ack))) => {
                assert_ne!(ack.return_code, ConnectAckReason::ConnectionAccepted);
            }
            other => panic!("{reason}: {other:?}"),
        }
        assert!(link.is_closed().await);
        assert_eq!(refused(&rig, reason).await, before + 1, "{reason}");
    }
    let name = rogue.device.as_str();
    let mut trailing =
        vec![0x10, 14 + name.len() as u8, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 30, 0, name.len() as u8];
    trailing.extend_from_slice(name.as_bytes());
    trailing.extend_from_slice(&[1, 2]);
    for (reason, bytes) in [
        ("connect_trailing_bytes", trailing),
        ("packet", b"\x00\x00\x00\x00garbage".to_vec()),
        ("packet", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("packet", vec![0x10, 0xff, 0xff, 0xff, 0x7f]),
        ("packet", vec![0xc0, 0]),
    ] {
        let before = refused(&rig, reason).await;
        let mut link = Link::tls(rogue).await.unwrap();
        link.send_raw(&bytes).await.unwrap();
        assert!(link.is_closed().await, "{bytes:?}");
        assert_eq!(refused(&rig, reason).await, before + 1, "{reason} {bytes:?}");
    }
    witness.still_works().await;

    // PUBLISH: another's topic, wildcards, NUL, QoS 2, "gone", what is sent down.
    let down = format!("ioc/1/{}/{}/down/committed", rogue.device.shard(), rogue.device);
    for (reason, topic, qos) in [
        ("topic", others.clone(), QoS::AtLeastOnce),
        ("topic", "#".to_owned(), QoS::AtLeastOnce),
        ("topic", own("sample\0"), QoS::AtLeastOnce),
        ("topic", own("gone"), QoS::AtLeastOnce),
        ("topic", down, QoS::AtLeastOnce),
        ("qos2", own("sample"), QoS::ExactlyOnce),
    ] {
        let before = refused(&rig, reason).await;
        let (mut link, _) = Link::open(rogue, 30).await.unwrap();
        let packet = link.publish_on(&topic, b"{}".to_vec(), qos);
        link.send(packet).await.unwrap();
        assert!(link.is_closed().await, "{topic}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(refused(&rig, reason).await, before + 1, "{reason} {topic}");
    }
    // SUBSCRIBE to what is not its own.
    for filter in ["#", "ioc/#", "+/+/+/+/down/+", &others] {
        let (mut link, _) = Link::open(rogue, 30).await.unwrap();
        let packet_id = std::num::NonZeroU16::MIN;
        link.send(Packet::Subscribe { packet_id, topic_filters: vec![(filter.to_owned().into(), QoS::AtLeastOnce)] })
            .await
            .unwrap();
        assert!(link.is_closed().await, "{filter}");
    }
    assert_eq!(refused(&rig, "subscribe").await, 4);
    // An oversized packet is refused by its length, before it is read.
    let (mut link, _) = Link::open(rogue, 30).await.unwrap();
    link.send_raw(&[0x32, 0xff, 0xff, 0xff, 0x7f]).await.unwrap();
    assert!(link.is_closed().await);
    // A second connection replaces the first.
    let (mut first, _) = Link::open(rogue, 30).await.unwrap();
    let (mut second, _) = Link::open(rogue, 30).await.unwrap();
    assert!(first.is_closed().await);
    second.send(Packet::PingRequest).await.unwrap();
    assert!(matches!(second.hear().await.unwrap(), Heard::Packet(Packet::PingResponse)));
    witness.still_works().await;
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_payloads_are_refused_with_a_reason_and_hold_up_nothing() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let identities = rig.enrol(2).await.unwrap();
    let mut witness = Witness::new(&identities[0]).await;
    let rogue = &identities[1];
    let (mut link, known) = Link::open(rogue, 30).await.unwrap();
    let mut machine = Machine::new(rogue.device.clone(), "server", 1, known, clock::now());
    let hello = machine.hello(10, 30);
    let (position, kind, payload) = machine.seal(&hello, clock::now(), 0);
    let packet = link.publish(kind, payload);
    link.send(packet).await.unwrap();
    link.committed(position).await.unwrap();

    let body = machine.sample();
    let (_, _, good) = machine.seal(&body, clock::now(), 0);
    let good = String::from_utf8(good).unwrap();
    let long = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (payload, expected) in [
        ("", "EOF"),
        ("\u{0}\u{1}", "expected"),
        ("[]", "payload"),
        (&good.replace("\"schema\":\"1.0\"", "\"schema\":\"2.0\""), "upgrade the older side"),
        (&good.replace("\"v\":[", "\"v\":[NaN,"), "payload"),
        (&good.replace("\"v\":[", "\"v\":[1e999,"), "out of range"),
        (&good.replace("\"taken_at\":\"20", "\"taken_at\":\"99999"), "RFC 3339"),
        (&good.replace("\"epoch\":", "\"epoch\":-"), "payload"),
        (&good.replace("\"v\":[", &format!("\"v\":[{long},")), "payload"),
    ] {
        let packet = link.publish(UpKind::Sample, payload.as_bytes().to_vec());
        link.send(packet).await.unwrap();
        let committed = link.committed(Position { epoch: u64::MAX, seq: 0 }).await.unwrap();
        let why = committed.refused.unwrap_or_default();
        assert!(why.contains(expected), "{payload:.60}: {why}");
        assert_eq!(committed.position, position, "nothing of it was committed");
    }
    // Reporting as someone else is no mistake: the link is closed.
    let forged = good.replace(rogue.device.as_str(), identities[0].device.as_str());
    let packet = link.publish(UpKind::Sample, forged.into_bytes());
    link.send(packet).await.unwrap();
    assert!(link.is_closed().await);

    // A clock that is years off is a fault, not a loss: the sample is kept under the collector's time.
    let (mut link, _) = Link::open(rogue, 30).await.unwrap();
    machine.clock_ahead_ms = -20 * 365 * 86_400_000;
    let body = machine.sample();
    let (position, kind, payload) = machine.seal(&body, clock::now(), 0);
    let packet = link.publish(kind, payload);
    link.send(packet).await.unwrap();
    link.committed(position).await.unwrap();
    let device = rig.get(&format!("/api/v1/devices/{}", rogue.device)).await.unwrap();
    let last: clock::Timestamp = device["last_sample"].as_str().unwrap().parse().unwrap();
    assert!(clock::now().millis_since(last).abs() < 10_000, "{device}");
    witness.still_works().await;
    assert!(refused(&rig, "payload").await >= 9 && refused(&rig, "device").await == 1);
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_silent_and_half_open_peers_hold_up_nobody() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let identities = rig.enrol(3).await.unwrap();
    let mut witness = Witness::new(&identities[0]).await;
    let address = format!("127.0.0.1:{}", rig.mqtt);
    // Silent sockets, sockets that drip a ClientHello, and a TLS link that never sends CONNECT.
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(&address).await.unwrap());
    }
    let mut dripping = Vec::new();
    for _ in 0..100 {
        let mut socket = TcpStream::connect(&address).await.unwrap();
        socket.write_all(&[0x16, 0x03, 0x01]).await.unwrap();
        dripping.push(socket);
    }
    let mut no_connect = Link::tls(&identities[1]).await.unwrap();
    witness.still_works().await;
    // A peer that vanishes without a word is noticed after one and a half keep-alives.
    let (half_open, _) = Link::open(&identities[2], 2).await.unwrap();
    let newcomer = tokio::time::timeout(Duration::from_secs(8), Link::open(&identities[1], 30)).await;
    assert!(newcomer.expect("a newcomer is let in at once").is_ok());
    assert!(no_connect.is_closed().await);
    for socket in silent.iter_mut().chain(&mut dripping) {
        let mut bytes = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(40), socket.read_to_end(&mut bytes)).await;
        assert!(closed.is_ok(), "closed after ten seconds");
    }
    assert_eq!((refused(&rig, "silent").await, refused(&rig, "handshake_timeout").await), (200, 100));
    assert_eq!((refused(&rig, "connect_timeout").await, refused(&rig, "keep_alive").await), (1, 1));
    drop(half_open);
    witness.still_works().await;
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_ten_thousand_connections_passes() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let identities = rig.enrol(2).await.unwrap();
    let mut witness = Witness::new(&identities[0]).await;
    let address = format!("127.0.0.1:{}", rig.mqtt);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..10_000 {
        let address = address.clone();
        tasks.spawn(async move {
            // A loopback socket that is refused for want of descriptors on our side counts as one that came and went.
            if let Ok(mut socket) = TcpStream::connect(&address).await {
                if number % 3 == 0 {
                    let _ = socket.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc garbage").await;
                }
                tokio::time::sleep(Duration::from_millis(number % 500)).await;
            }
        });
        if number % 2000 == 1999 {
            witness.still_works().await;
        }
    }
    while tasks.join_next().await.is_some() {}
    witness.still_works().await;
    assert!(Link::open(&identities[1], 30).await.is_ok());
    rig.stop().await.unwrap();
}
