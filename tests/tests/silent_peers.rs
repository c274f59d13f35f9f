//! Peers that say nothing more while their sockets stay open: noticed in time, and in nobody's way.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ioc_common::report::Position;
use ioc_tests::harness::Rig;
use ioc_tests::link::Link;
use ioc_tests::machine::Machine;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Hands bytes on until the power fails; then it holds both sockets open and says nothing.
async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, power: Arc<AtomicBool>) {
    let mut buffer = [0; 4096];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        if power.load(Relaxed) && to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    if !power.load(Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// A wire between agents and the collector that can be cut without anybody being told. Gives its port.
async fn wire(collector: u16, power: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((agent, _)) = listener.accept().await {
            if !power.load(Relaxed) {
                std::mem::forget(agent);
                continue;
            }
            let server = TcpStream::connect(("127.0.0.1", collector)).await.unwrap();
            let ((from_agent, to_agent), (from_server, to_server)) = (agent.into_split(), server.into_split());
            tokio::spawn(forward(from_agent, to_server, Arc::clone(&power)));
            tokio::spawn(forward(from_server, to_agent, Arc::clone(&power)));
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_power_is_told_within_one_and_a_half_keep_alives() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let power = Arc::new(AtomicBool::new(true));
    let port = wire(rig.mqtt, Arc::clone(&power)).await;
    // A real agent, and a floor of simulated ones, all behind the same wire.
    let extra = format!("[collector]\nmqtt = \"localhost:{port}\"\nkeep_alive = \"5s\"\n[report]\ninterval = \"1s\"\n");
    let mut agent = rig.agent("srv-real", &extra).await.unwrap();
    agent.start().unwrap();
    // All at once: each waits for its commits, and who came first would be silent before the last one came.
    let open = |identity: ioc_tests::identity::Identity| async move {
        let (mut link, known) = Link::open(&identity, 5).await.unwrap();
        let mut machine = Machine::new(identity.device.clone(), "server", 1, known, ioc_common::clock::now());
        let hello = machine.hello(1, 5);
        let (position, kind, payload) = machine.seal(&hello, ioc_common::clock::now(), 0);
        let packet = link.publish(kind, payload);
        link.send(packet).await.unwrap();
        link.committed(position).await.unwrap();
        (link, machine)
    };
    let opening: Vec<_> = rig.enrol(30).await.unwrap().into_iter().map(|one| tokio::spawn(open(one))).collect();
    let mut links = Vec::new();
    for one in opening {
        links.push(one.await.unwrap());
    }
    ioc_tests::harness::eventually("the agent reports", || async {
        let devices = rig.get("/api/v1/devices?limit=100").await.unwrap();
        devices["items"].as_array().into_iter().flatten().filter(|one| one["state"] == "live").count() == 31
    })
    .await
    .unwrap();
    for (link, machine) in &mut links {
        let body = machine.sample();
        let (_, kind, payload) = machine.seal(&body, ioc_common::clock::now(), 0);
        let packet = link.publish(kind, payload);
        link.send(packet).await.unwrap();
    }
    power.store(false, Relaxed);
    let cut = Instant::now();
    let (mut early, mut all) = (None, None);
    while all.is_none() && cut.elapsed() < Duration::from_secs(20) {
        let devices = rig.get("/api/v1/devices?limit=100").await.unwrap();
        let lost = |one: &&serde_json::Value| matches!(one["state"].as_str(), Some("silent" | "host_down"));
        let count = devices["items"].as_array().into_iter().flatten().filter(lost).count();
        if count > 0 {
            early.get_or_insert(cut.elapsed());
        }
        if count == 31 {
            all = Some(cut.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (early, all) = (early.unwrap(), all.expect("all are told"));
    // The real agent's last packet may have come a second before.
    assert!(early >= Duration::from_millis(4500), "{early:?}: a ping might still have come");
    assert!(all <= Duration::from_millis(7500), "{all:?}");
    agent.kill().await.unwrap();
    drop(links);
    rig.stop().await.unwrap();
}

/// Sends a sample of 230 kB; its position.
async fn large_sample(link: &mut Link, machine: &mut Machine) -> Position {
    let body = machine.sample();
    let (position, kind, payload) = machine.seal(&body, ioc_common::clock::now(), 0);
    // What is not known is not looked at, and counts.
    let padded = format!("{{\"pad\":\"{}\",{}", "x".repeat(230_000), std::str::from_utf8(&payload[1..]).unwrap());
    let packet = link.publish(kind, padded.into_bytes());
    link.send(packet).await.unwrap();
    position
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_was_slowed_down_is_silent_as_soon_as_any_other() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let identity = rig.enrol(1).await.unwrap().remove(0);
    let (mut link, known) = Link::open(&identity, 5).await.unwrap();
    let mut machine = Machine::new(identity.device.clone(), "server", 1, known, ioc_common::clock::now());
    let hello = machine.hello(1, 5);
    let (position, kind, payload) = machine.seal(&hello, ioc_common::clock::now(), 0);
    let packet = link.publish(kind, payload);
    link.send(packet).await.unwrap();
    link.committed(position).await.unwrap();
    // As much as it may at once, and a little more: the next waits for five seconds, and so does what follows it.
    let mut waited = Duration::ZERO;
    for _ in 0..400 {
        let sent = Instant::now();
        let position = large_sample(&mut link, &mut machine).await;
        link.committed(position).await.unwrap();
        waited = sent.elapsed();
        if waited > Duration::from_secs(4) {
            break;
        }
    }
    assert!(waited > Duration::from_secs(4), "it is slowed down: {waited:?}");
    let cut = Instant::now();
    let is_silent = async || {
        let devices = rig.get("/api/v1/devices?limit=100").await.unwrap();
        matches!(devices["items"][0]["state"].as_str(), Some("silent" | "host_down"))
    };
    while !is_silent().await && cut.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = cut.elapsed();
    assert!((Duration::from_secs(5)..Duration::from_secs(8)).contains(&told), "{told:?}");
    drop(link);
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_half_open_handshakes_delay_nobody() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let identities = rig.enrol(2).await.unwrap();
    // The beginning of a ClientHello, of one that never goes on.
    let mut sockets = Vec::new();
    for number in 0..3000 {
        let mut socket = TcpStream::connect(("127.0.0.1", rig.mqtt)).await.unwrap();
        if number % 4 != 0 {
            let _ = socket.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc]).await;
        }
        sockets.push(socket);
    }
    for identity in &identities {
        let began = Instant::now();
        let link = Link::open(identity, 30).await;
        assert!(link.is_ok() && began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    // What one device opens beyond its need leaves, whatever it has shown.
    let mut own = Vec::new();
    for _ in 0..12 {
        own.push(Link::tls(&identities[1]).await.unwrap());
    }
    let mut closed = 0;
    for link in own.iter_mut().take(8) {
        closed += u32::from(tokio::time::timeout(Duration::from_secs(8), link.is_closed()).await.unwrap_or(false));
    }
    assert_eq!(closed, 8, "four wait for their CONNECT");
    assert!(rig.log().matches("connection refused").count() < 60, "the log keeps its pace");
    rig.stop().await.unwrap();
}
