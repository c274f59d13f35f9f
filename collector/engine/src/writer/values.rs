//! What plain MQTT sensors say, made reports: they have no envelope, no order and no layout of their own, so the engine gives them
//! these, and judges and keeps them like any other.

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::layout::{Layout, Series};
use ioc_common::report::{
    Body, Envelope, Facts, Hello, Losses, Position, ProbeOutcome, ProbeReport, Report, Sample, SensorFacts,
};

use super::{ConnectionId, Engine};

/// A device that does not say how often it speaks is expected within this, seconds.
const INTERVAL_S: u32 = 300;

impl Engine {
    /// Takes a message of a plain sensor.
    pub(super) fn take_values(
        &mut self,
        connection: ConnectionId,
        device: &DeviceId,
        packet: Option<u16>,
        values: &[(String, f64)],
        now: Timestamp,
    ) {
        let Some(known) = self.state.device(device) else {
            self.connections.acknowledge(connection, packet, Some("this device is not enrolled".to_owned()));
            return;
        };
        let Some(profile) = self.config.values.of(device.as_str()).cloned() else {
            let why = "no profile reads what this device says; see [[values]] of the configuration".to_owned();
            self.connections.acknowledge(connection, packet, Some(why));
            return;
        };
        let read = profile.read(values);
        if read.is_empty() {
            self.health.count_refused("values");
            let paths: Vec<&str> = values.iter().map(|(path, _)| path.as_str()).take(8).collect();
            let why = format!("profile {} knows none of the values {}", profile.name, paths.join(", "));
            if self.budgets.may_log(device, self.boot_ms) {
                tracing::warn!(%device, why, "values refused");
            }
            self.connections.acknowledge(connection, packet, Some(why));
            return;
        }
        // Messages of one device may differ in what they hold; the layout is all that was ever seen.
        let mut series: Vec<Series> = known.layout.as_ref().map(|layout| layout.series().to_vec()).unwrap_or_default();
        let before = series.len();
        for (one, _) in &read {
            if !series.contains(one) {
                series.push(one.clone());
            }
        }
        let Ok(layout) = Layout::new(series) else {
            self.connections.acknowledge(connection, packet, Some("it has too many series".to_owned()));
            return;
        };
        let mut position = known.watermark;
        if position.epoch == 0 {
            position.epoch = u64::try_from(now.as_millis() / 1000).unwrap_or(1).max(1);
        }
        let (mut bodies, mut refused) = (Vec::new(), None);
        let bytes = values.iter().map(|(path, _)| path.len() + 16).sum();
        if layout.series().len() != before {
            bodies.push(Body::Hello(Box::new(hello(&profile.name, layout.clone(), known.keep_alive_s))));
        }
        let value = |series: &Series| read.iter().find(|(one, _)| one == series).map(|(_, value)| *value);
        let v = layout.series().iter().map(value).collect();
        bodies.push(Body::Sample(Sample { layout: layout.id(), v }));
        for body in bodies {
            position = Position { seq: position.seq + 1, ..position };
            let envelope = Envelope {
                device: device.clone(),
                about: None,
                position,
                boot: String::new(),
                taken_at: now,
                age_ms: Some(0),
                lost: None,
            };
            let report = Box::new(Report { envelope, body });
            refused = self.take_report(connection, device, bytes, (Ok(report), None), now).or(refused);
        }
        // Once, for all of it.
        self.connections.acknowledge(connection, packet, refused);
    }
}

fn hello(profile: &str, layout: Layout, keep_alive_s: u16) -> Hello {
    let profile = format!("mqtt {profile}");
    Hello {
        agent_version: String::new(),
        boot_id: String::new(),
        run: String::new(),
        fingerprint: String::new(),
        interval_s: INTERVAL_S,
        keep_alive_s,
        facts: Facts::default(),
        probes: vec![ProbeReport { probe: profile.clone(), outcome: ProbeOutcome::Read }],
        layout,
        losses: Losses::default(),
        former: Vec::new(),
        sensor: Some(SensorFacts { profile, address: "mqtt".to_owned(), ..SensorFacts::default() }),
    }
}
