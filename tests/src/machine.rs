//! A simulated machine: seeded, plausible readings that wander as real ones do, and that can be made to fail.

use ioc_common::clock::Timestamp;
use ioc_common::codec;
use ioc_common::document::Json;
use ioc_common::id::DeviceId;
use ioc_common::layout::{Layout, Series};
use ioc_common::reading::{Connector, Displays, Panel, brief};
use ioc_common::report::{Body, Facts, Hello, Losses, Position, ProbeOutcome, ProbeReport, Sample, StateReport};
use ioc_common::topic::UpKind;

/// A small, seeded generator (xorshift64*): the same seed gives the same fleet.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator for `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number from 0 to 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number from `low` to `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }
}

/// A simulated machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Identifier of the device.
    pub device: DeviceId,
    /// Its place in the order.
    pub position: Position,
    /// How far its clock is ahead, milliseconds.
    pub clock_ahead_ms: i64,
    kind: String,
    random: Random,
    layout: Layout,
    levels: Vec<f64>,
    boot_id: String,
    disk_target: Option<f64>,
}

impl Machine {
    /// A machine of `kind` with its own seed. Its epoch continues above `known`.
    #[must_use]
    pub fn new(device: DeviceId, kind: &str, seed: u64, known: Position, now: Timestamp) -> Self {
        let mut random = Random::new(
            seed ^ u64::from(device.shard().0) ^ device.as_str().bytes().fold(7, |hash, b| hash * 31 + u64::from(b)),
        );
        let cores = if kind == "server" { 8 } else { 4 };
        let mut series: Vec<Series> = [
            "cpu.busy",
            "cpu.user",
            "cpu.system",
            "cpu.iowait",
            "load.1",
            "load.5",
            "load.15",
            "load.per_cpu",
            "memory.used_pct",
            "memory.total",
            "memory.available",
            "memory.cached",
            "system.uptime",
            "system.context_switches",
            "system.interrupts",
            "pressure.cpu.some",
            "pressure.memory.some",
            "pressure.io.some",
            "system.procs_running",
        ]
        .iter()
        .map(|metric| Series::new(metric, ""))
        .collect();
        for core in 0..cores {
            for metric in ["cpu.core.user", "cpu.core.system"] {
                series.push(Series::new(metric, &core.to_string()));
            }
        }
        for mount in ["/", "/var"] {
            for metric in ["fs.used_pct", "fs.size", "fs.available"] {
                series.push(Series::new(metric, mount));
            }
        }
        for metric in ["disk.reads", "disk.read_bytes", "disk.writes", "disk.write_bytes", "disk.used_pct"] {
            series.push(Series::new(metric, "sda"));
        }
        for metric in ["net.rx_bytes", "net.rx_packets", "net.tx_bytes", "net.tx_packets", "net.up", "net.used_pct"] {
            series.push(Series::new(metric, "eth0"));
        }
        if kind == "display" {
            series.push(Series::new("display.connected", ""));
        }
        let layout = Layout::new(series).expect("the simulated layout is allowed");
        let levels = layout
            .series()
            .iter()
            .map(|series| match series.metric() {
                "memory.total" => 34_359_738_368.0,
                "fs.size" => 512_000_000_000.0,
                "display.connected" => 4.0,
                "net.up" => 1.0,
                "fs.used_pct" => random.between(25.0, 70.0),
                "memory.used_pct" => random.between(30.0, 75.0),
                metric if metric.starts_with("cpu.core") => random.between(2.0, 30.0),
                metric if metric.starts_with("cpu") => random.between(3.0, 35.0),
                metric if metric.starts_with("load") => random.between(0.1, 2.0),
                metric if metric.starts_with("pressure") => random.between(0.0, 3.0),
                "system.uptime" => random.between(10_000.0, 9_000_000.0),
                metric if metric.contains("bytes") => random.between(10_000.0, 9_000_000.0),
                _ => random.between(10.0, 9000.0),
            })
            .collect();
        let epoch = known.epoch.max(u64::try_from(now.as_secs()).unwrap_or(0)) + 1;
        let boot_id = format!("{:08x}-0000-4000-8000-000000000000", random.next() as u32);
        Self {
            device,
            position: Position { epoch, seq: 0 },
            clock_ahead_ms: 0,
            kind: kind.to_owned(),
            random,
            layout,
            levels,
            boot_id,
            disk_target: None,
        }
    }

    /// The layout of its samples.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The disk fills up to `percent`, or goes back when it is none.
    pub const fn fill_disk(&mut self, percent: Option<f64>) {
        self.disk_target = percent;
    }

    /// The machine reboots.
    pub fn reboot(&mut self) {
        self.boot_id = format!("{:08x}-0000-4000-8000-000000000000", self.random.next() as u32);
        self.position = Position { epoch: self.position.epoch + 1, seq: 0 };
    }

    /// A hello.
    #[must_use]
    pub fn hello(&self, interval_s: u32, keep_alive_s: u16) -> Body {
        let model = match self.kind.as_str() {
            "server" => ("Dell Inc.", "PowerEdge R750", "Intel Xeon Silver 4314"),
            "workstation" => ("HP", "Z2 Tower G9", "Intel Core i7-12700"),
            _ => ("Datapath", "VSN1192", "Intel Core i7-9700E"),
        };
        Body::Hello(Box::new(Hello {
            agent_version: "simulated".into(),
            boot_id: self.boot_id.clone(),
            run: self.boot_id.chars().take(8).collect(),
            fingerprint: "simulated".into(),
            interval_s,
            keep_alive_s,
            facts: Facts {
                hostname: self.device.to_string(),
                os: "Debian GNU/Linux 12 (bookworm)".into(),
                kernel: "6.1.0-simulated".into(),
                arch: "x86_64".into(),
                vendor: model.0.into(),
                product: model.1.into(),
                cpu_model: model.2.into(),
                cpu_count: if self.kind == "server" { 8 } else { 4 },
                memory_bytes: 34_359_738_368,
                ..Facts::default()
            },
            probes: ["cpu", "load", "memory", "pressure", "filesystem", "disk", "network"]
                .map(|probe| ProbeReport { probe: probe.into(), outcome: ProbeOutcome::Read })
                .to_vec(),
            layout: self.layout.clone(),
            losses: Losses::default(),
            former: Vec::new(),
            sensor: None,
        }))
    }

    /// What a survey of it found; none for what is no display controller.
    #[must_use]
    pub fn survey(&self) -> Option<Body> {
        if self.kind != "display" {
            return None;
        }
        let names: Vec<String> = (1..=4).map(|n| format!("DP-{n}")).collect();
        let connector = |name: &String| Connector {
            name: name.clone(),
            connected: Some(true),
            enabled: Some(true),
            power: "On".into(),
            mode: "1920x1080".into(),
            panel: Some(Panel {
                maker: "SAM".into(),
                model: "UD46D-P".into(),
                serial: format!("H4ZN5001{}", &name[3..]),
                width_mm: 1018,
                height_mm: 573,
                native: "1920x1080".into(),
                year: 2024,
            }),
        };
        let connectors = names.iter().map(connector).collect();
        let displays = Displays { connectors, wall_configured: true, wall: names, columns: 2, ..Displays::default() };
        let doc = Json::of(&displays).ok()?;
        Some(Body::State(StateReport::Document { name: "displays".into(), doc }))
    }

    /// The next sample: every level wanders a little.
    pub fn sample(&mut self) -> Body {
        for (place, series) in self.layout.series().iter().enumerate() {
            let level = &mut self.levels[place];
            let wander = self.random.between(-1.0, 1.0);
            match series.metric() {
                "memory.total" | "fs.size" | "display.connected" | "net.up" => {}
                "system.uptime" => *level += 10.0,
                "fs.used_pct" if series.subject() == "/var" => match self.disk_target {
                    Some(target) => *level += ((target - *level) / 2.0).clamp(-30.0, 30.0),
                    None if *level > 72.0 => *level -= 15.0,
                    None => *level = (*level + wander * 0.05).clamp(10.0, 72.0),
                },
                "fs.used_pct" => *level = (*level + wander * 0.05).clamp(10.0, 72.0),
                "memory.used_pct" => *level = (*level + wander).clamp(20.0, 80.0),
                metric if metric.starts_with("cpu") => *level = (*level + wander * 6.0).clamp(0.5, 85.0),
                metric if metric.starts_with("load") => *level = (*level + wander * 0.1).clamp(0.0, 3.0),
                metric if metric.starts_with("pressure") => *level = (*level + wander * 0.2).clamp(0.0, 8.0),
                _ => *level = (*level * (1.0 + wander * 0.1)).max(1.0),
            }
        }
        Body::Sample(Sample {
            layout: self.layout.id(),
            v: self.levels.iter().map(|level| Some(brief(*level))).collect(),
        })
    }

    /// Seals a body under the next place, as taken `age_ms` ago.
    pub fn seal(&mut self, body: &Body, now: Timestamp, age_ms: u64) -> (Position, UpKind, Vec<u8>) {
        self.position.seq += 1;
        let taken_at = now.plus_millis(self.clock_ahead_ms - age_ms.cast_signed());
        let boot: String = self.boot_id.chars().take(8).collect();
        let head = codec::Head { device: &self.device, about: None, position: self.position, boot: &boot, taken_at };
        let sealed = codec::seal(head, body).expect("a simulated report encodes");
        (self.position, body.kind(), sealed.finish(Some(age_ms), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_about_a_kilobyte_of_at_least_fifty_numbers() {
        let device = DeviceId::new("sim-00001").expect("valid");
        let mut machine =
            Machine::new(device, "server", 1, Position::default(), Timestamp::from_millis(1_795_485_600_000));
        let body = machine.sample();
        let (_, _, payload) = machine.seal(&body, Timestamp::from_millis(1_795_485_600_000), 0);
        assert!(machine.layout().series().len() >= 50, "{}", machine.layout().series().len());
        assert!((400..1500).contains(&payload.len()), "{} bytes", payload.len());
    }
}
