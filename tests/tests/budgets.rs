//! A device that turned bad: it brings as much of everything as it can. It is refused with a reason and named; the others, memory
//! and the disk do not care.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use ioc_common::clock;
use ioc_common::document::Json;
use ioc_common::id::SensorName;
use ioc_common::layout::{Layout, Series};
use ioc_common::report::{Body, Event, Position, Renew, Sample, SensorFacts, StateReport, StateText};
use ioc_common::software::{Item, Software};
use ioc_common::topic::UpKind;
use ioc_tests::harness::{Rig, eventually};
use ioc_tests::identity::Identity;
use ioc_tests::link::{Heard, Link};
use ioc_tests::machine::Machine;
use rmqtt_codec::types::QoS;
use rmqtt_codec::v3::Packet;
use serde_json::json;
use tokio::time::Instant;

/// How much one device may make the disk and memory grow.
const GROWN_MAX_BYTES: u64 = 220 * 1024 * 1024;
const MEMORY_MAX_KIB: u64 = 60 * 1024;

/// How many connections a storm opens side by side.
const GUST: usize = 16;

/// An honest device, and how long its samples take to be acknowledged.
struct Honest {
    link: Link,
    machine: Machine,
}

impl Honest {
    async fn new(identity: &Identity) -> Self {
        let (link, known) = Link::open(identity, 60).await.unwrap();
        let machine = Machine::new(identity.device.clone(), "server", 1, known, clock::now());
        let mut honest = Self { link, machine };
        let hello = honest.machine.hello(10, 60);
        honest.send(&hello).await;
        honest
    }

    async fn send(&mut self, body: &Body) -> Duration {
        let (position, kind, payload) = self.machine.seal(body, clock::now(), 0);
        let packet = self.link.publish(kind, payload);
        let started = Instant::now();
        self.link.send(packet).await.unwrap();
        let committed = self.link.committed(position).await.unwrap();
        assert_eq!(committed.refused, None, "an honest report");
        started.elapsed()
    }

    /// The median of a few samples.
    async fn latency(&mut self, count: usize) -> Duration {
        let mut all = Vec::new();
        for _ in 0..count {
            let body = self.machine.sample();
            all.push(self.send(&body).await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        all.sort();
        all[all.len() / 2]
    }

    /// Sends as long as something else goes on: what that gave, and the median of the latencies meanwhile.
    async fn beside<T>(&mut self, other: impl Future<Output = T>) -> (T, Duration) {
        let mut during = Vec::new();
        tokio::pin!(other);
        loop {
            tokio::select! {
                given = &mut other => {
                    during.sort();
                    return (given, during.get(during.len() / 2).copied().unwrap_or_default());
                }
                latency = self.latency(9) => during.push(latency),
            }
        }
    }
}

/// A device that turned bad.
struct Bad {
    link: Link,
    machine: Machine,
    refused: Vec<String>,
}

impl Bad {
    async fn new(identity: &Identity) -> Self {
        let (link, known) = Link::open(identity, 60).await.unwrap();
        let machine = Machine::new(identity.device.clone(), "server", 1, known, clock::now());
        Self { link, machine, refused: Vec::new() }
    }

    fn payload(&mut self, about: Option<&SensorName>, body: &str) -> Vec<u8> {
        self.machine.position.seq += 1;
        let Position { epoch, seq } = self.machine.position;
        let about = about.map(|name| format!(r#""about":"{name}","#)).unwrap_or_default();
        let (device, at) = (&self.machine.device, clock::now());
        format!(
            r#"{{"schema":"1.0","device":"{device}",{about}"epoch":{epoch},"seq":{seq},"boot":"00000000","taken_at":"{at}","body":{body},"age_ms":0}}"#
        )
        .into_bytes()
    }

    /// Sends as fast as it may, for so long, or until it was refused and goes on for a while; says how many bytes went up.
    async fn flood(
        &mut self,
        time: Duration,
        what: &str,
        mut next: impl FnMut(u64) -> (UpKind, Option<SensorName>, String),
    ) -> u64 {
        let (started, mut sent, mut answered, mut bytes) = (Instant::now(), 0_u64, 0_u64, 0_u64);
        let mut last = started + time;
        while Instant::now() < last {
            while sent - answered < 40 {
                let (kind, about, body) = next(sent);
                let payload = self.payload(about.as_ref(), &body);
                bytes += payload.len() as u64;
                let packet = self.link.publish(kind, payload);
                self.link.send(packet).await.unwrap();
                sent += 1;
            }
            self.hear(&mut answered).await;
            if self.refused.iter().any(|why| why.contains(what)) && sent > if what.is_empty() { 300 } else { 60 } {
                last = last.min(Instant::now() + Duration::from_millis(300));
            }
        }
        while answered < sent {
            self.hear(&mut answered).await;
        }
        bytes
    }

    async fn hear(&mut self, answered: &mut u64) {
        match self.link.hear().await.unwrap() {
            Heard::Packet(Packet::PublishAck { .. }) => *answered += 1,
            Heard::Committed(committed) => {
                // What was refused takes its place all the same, once everything before it was answered.
                self.refused.extend(committed.refused);
            }
            _ => {}
        }
    }

    fn was_refused(&mut self, what: &str) {
        let refused = std::mem::take(&mut self.refused);
        assert!(refused.iter().any(|why| why.contains(what)), "{what}: {:?}", refused.first());
    }
}

fn state_of(name: &str, length: usize) -> String {
    let doc = Json::of(&json!({ "text": "x".repeat(length) })).unwrap();
    serde_json::to_string(&StateReport::Document { name: name.to_owned(), doc }).unwrap()
}

fn memory_kib(rig: &Rig) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", rig.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn disk_bytes(rig: &Rig) -> u64 {
    let entries = std::fs::read_dir(rig.data()).unwrap();
    entries.filter_map(|entry| entry.unwrap().metadata().ok()).map(|found| found.len()).sum()
}

async fn refused(rig: &Rig, reason: &str) -> u64 {
    let url = format!("https://localhost:{}/metrics", rig.web);
    let output = tokio::process::Command::new("curl").args(["-sk", &url]).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = format!("ioc_refused_total{{reason=\"{reason}\"}} ");
    text.lines().find_map(|found| found.strip_prefix(&line)).map_or(0, |count| count.parse().unwrap())
}

fn hello_of(layout: &Layout, texts: Vec<StateText>) -> String {
    let facts = SensorFacts { profile: "x".into(), texts, ..SensorFacts::default() };
    let hello = json!({
        "agent_version": "1", "boot_id": "b", "fingerprint": "f", "interval_s": 10, "keep_alive_s": 60,
        "facts": {}, "probes": [], "layout": layout, "sensor": facts,
    });
    hello.to_string()
}

fn wide_layout(number: u64, series: usize, length: usize) -> Layout {
    let series = (0..series).map(|n| Series::new("fs.used_pct", &format!("/{number}/{n:0length$}")));
    Layout::new(series.collect()).unwrap()
}

/// Everything that a device can bring, at full speed, one after the other.
async fn everything(bad: &mut Bad) {
    // A flood ends when it was refused; how long that takes is the machine's business.
    let time = Duration::from_secs(60);
    let large = 200_000;
    // Documents: large ones of one name, then ever new names.
    bad.flood(time, "documents", |_| (UpKind::State, None, state_of("raid", large))).await;
    bad.was_refused("documents");
    bad.flood(time, "documents", |n| (UpKind::State, None, state_of(&format!("n{n}"), 10))).await;
    bad.was_refused("documents");
    let text = "x".repeat(4000);
    let event = serde_json::to_string(&Event { name: "e.e".into(), text, fields: Default::default() }).unwrap();
    bad.flood(time, "events", |_| (UpKind::Event, None, event.clone())).await;
    bad.was_refused("events");
    // Lists that never become whole, of items with long names: its bytes are used up before the number of its reports is.
    let part = |n: u64| {
        let item = |i: u64| Item { source: "dpkg".into(), name: format!("p{n}-{i:0250}"), ..Item::default() };
        let whole =
            Software::Whole { list: format!("{n:016x}"), part: 1, parts: 2, items: (0..300).map(item).collect() };
        (UpKind::Software, None, serde_json::to_string(&whole).unwrap())
    };
    bad.flood(time, "software", part).await;
    bad.was_refused("software");
    // Sensors without end, each with many texts and a wide layout of its own.
    let text = StateText { series: "sensor.alarm|x".into(), vi: "x".repeat(250), en: "x".repeat(250) };
    let sensor = |n: u64| {
        let hello = hello_of(&wide_layout(n, 200, 160), vec![text.clone(); 100]);
        (UpKind::Hello, Some(format!("s{n}").parse::<SensorName>().unwrap()), hello)
    };
    bad.flood(time, "sensors", sensor).await;
    bad.was_refused("sensors");
    let layout = |n: u64| serde_json::to_string(&StateReport::Layout(wide_layout(1_000_000 + n, 200, 160))).unwrap();
    bad.flood(time, "layouts", |n| (UpKind::State, None, layout(n))).await;
    bad.was_refused("layouts");
    bad.flood(time, "", |_| (UpKind::Sample, None, "{\"nonsense\":true}".into())).await;
    bad.refused.clear();
    bad.flood(time, "brings more than it may", |n| (UpKind::State, None, state_of("settings", 10 + n as usize % 50)))
        .await;
    bad.was_refused("brings more than it may");
}

/// A storm of connections: it is kept out for a while, and others are not, meanwhile.
async fn is_kept_out(bad: &Identity, honest: &mut Honest) -> bool {
    let storm = async {
        let mut opened = 0;
        // Several side by side, as a storm is. One that another took the place of may fail for that: who is kept out fails alone, too.
        while opened < 700 {
            let gust: FuturesUnordered<_> = (0..GUST).map(|_| Link::open(bad, 60)).collect();
            opened += gust.filter(|link| std::future::ready(link.is_ok())).count().await;
            if Link::open(bad, 60).await.is_err() {
                return true;
            }
            opened += 1;
        }
        false
    };
    let others = async {
        loop {
            honest.latency(3).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! { kept_out = storm => kept_out, () = others => false }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_turned_bad_costs_the_others_memory_and_disk_nothing() {
    // Nothing is gathered: what others wait for is the bad device's doing alone.
    let mut rig = Rig::new("");
    rig.configure(|text| text.replace("[ingest]\n", "[ingest]\ngather = \"0ms\"\n"));
    rig.start().await.unwrap();
    let identities = rig.enrol(3).await.unwrap();
    let mut honest = Honest::new(&identities[0]).await;
    let before = honest.latency(60).await;
    let (memory, disk) = (memory_kib(&rig), disk_bytes(&rig));

    let name = identities[1].device.to_string();
    let mut bad = Bad::new(&identities[1]).await;
    let flooding = async {
        everything(&mut bad).await;
        // Certificates.
        let csr = ioc_agent::enrol::request().unwrap().csr;
        let payload = ioc_common::codec::write_message(&Renew { csr, proof: None }).unwrap();
        let mut given = 0;
        for _ in 0..300 {
            let packet = bad.link.publish(UpKind::Renew, payload.clone());
            bad.link.send(packet).await.unwrap();
            loop {
                match bad.link.hear().await.unwrap() {
                    Heard::Other(..) => given += 1,
                    Heard::Packet(Packet::PublishAck { .. }) => break,
                    Heard::Committed(committed) => bad.refused.extend(committed.refused),
                    Heard::Packet(_) => {}
                }
            }
        }
        assert!((1..=5).contains(&given), "{given} certificates");
        bad.was_refused("certificates");
        // Without acknowledgement, too: what is on its way is bounded.
        for n in 0..100 {
            let payload = bad.payload(None, &state_of("raid", 200_000 + n));
            let topic = format!("ioc/1/{}/{name}/up/state", identities[1].device.shard());
            let packet = bad.link.publish_on(&topic, payload, QoS::AtMostOnce);
            bad.link.send(packet).await.unwrap();
        }
    };
    let ((), during) = honest.beside(flooding).await;
    // Debug builds on two busy cores, of which the bad device takes its share of reading.
    assert!(during < before * 4 + Duration::from_millis(25), "before {before:?}, beside it {during:?}");
    let (memory, disk) = (memory_kib(&rig).saturating_sub(memory), disk_bytes(&rig).saturating_sub(disk));
    assert!(memory < MEMORY_MAX_KIB, "{memory} KiB");
    assert!(disk < GROWN_MAX_BYTES, "{disk} bytes");

    // It is named, once.
    eventually("a fault of the device", async || {
        let faults = rig.get(&format!("/api/v1/faults?device={name}")).await.unwrap();
        let items = faults["items"].as_array().unwrap();
        items.iter().filter(|one| one["device"] == *name && one["rule"] == "device-over-budget").count() == 1
    })
    .await
    .unwrap();
    for reason in ["documents", "events", "software", "sensors", "layouts", "renewals", "broken"] {
        assert!(refused(&rig, &format!("budget_{reason}")).await > 0, "{reason}");
    }
    assert!(rig.log().len() < 400_000, "the log has {} bytes", rig.log().len());

    // Samples are slowed down, not refused.
    let layout = wide_layout(7, 4000, 4);
    let v: Vec<Option<f64>> = (0..4000).map(|n| Some(f64::from(n) * 1.000_000_1)).collect();
    let sample = serde_json::to_string(&Sample { layout: layout.id(), v }).unwrap();
    let mut slow = Bad::new(&identities[2]).await;
    let flooding = slow.flood(Duration::from_secs(4), "nothing", |_| (UpKind::Sample, None, sample.clone()));
    // What it brought is taken so slowly that a device which said nothing meanwhile would have been taken for gone.
    let (bytes, during) = honest.beside(flooding).await;
    assert!(slow.refused.is_empty(), "{:?}", slow.refused.first());
    assert!(bytes < 80 * 1024 * 1024, "{bytes} bytes went up");
    assert!(during < before * 4 + Duration::from_millis(25), "before {before:?}, beside it {during:?}");

    assert!(is_kept_out(&identities[1], &mut honest).await, "it connects as often as it likes");
    honest.latency(3).await;

    // Its page opens as fast as another's.
    let mut times = Vec::new();
    for device in [&name, &identities[0].device.to_string()] {
        let started = Instant::now();
        rig.get(&format!("/api/v1/devices/{device}")).await.unwrap();
        rig.get(&format!("/api/v1/devices/{device}/events")).await.unwrap();
        times.push(started.elapsed());
    }
    assert!(times[0] < times[1] * 5 + Duration::from_millis(500), "{times:?}");
    rig.stop().await.unwrap();
}
