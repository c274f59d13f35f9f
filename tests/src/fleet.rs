//! The simulated fleet: N devices on the real wire with real certificates, seeded readings, faults on a script.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;
use ioc_common::clock;
use ioc_common::report::{Body, Goodbye, GoodbyeReason, Position};
use ioc_common::topic::UpKind;
use rmqtt_codec::v3::Packet;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::identity::Identity;
use crate::link::{Heard, Link};
use crate::machine::{Machine, Random};

/// Most reports on the way per device, as with the agent.
const WINDOW: usize = 48;

/// What a fleet has done so far.
#[derive(Debug, Default)]
pub struct Totals {
    /// Reports sent.
    pub sent: AtomicU64,
    /// Reports committed.
    pub committed: AtomicU64,
    /// Reports refused.
    pub refused: AtomicU64,
    /// Connections opened.
    pub connected: AtomicU64,
    /// Connections that failed or broke.
    pub broken: AtomicU64,
    latencies: Latencies,
}

/// Steps of latencies for each doubling: each is four hundredths above the last.
const STEPS: f64 = 16.0;
/// Up to an hour, in microseconds.
const BUCKETS: usize = 512;

#[derive(Debug)]
struct Latencies([AtomicU64; BUCKETS]);

impl Default for Latencies {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; BUCKETS])
    }
}

/// How many reports took how long, up to some moment.
#[derive(Debug, Clone)]
pub struct Distribution(Vec<u64>);

impl Distribution {
    /// What was added since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self(self.0.iter().zip(&earlier.0).map(|(now, then)| now.saturating_sub(*then)).collect())
    }

    /// The latency that this share of reports did not exceed, to four hundredths of itself.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Duration {
        let wanted = (self.0.iter().sum::<u64>() as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.0.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                return Duration::from_micros(2_f64.powf((bucket as f64 + 1.0) / STEPS) as u64);
            }
        }
        Duration::ZERO
    }
}

impl Totals {
    fn latency(&self, elapsed: Duration) {
        let micros = elapsed.as_micros().max(1) as f64;
        let bucket = (micros.log2() * STEPS) as usize;
        self.latencies.0[bucket.min(BUCKETS - 1)].fetch_add(1, Relaxed);
    }

    /// Latencies so far, from sending to the watermark.
    #[must_use]
    pub fn latencies(&self) -> Distribution {
        Distribution(self.latencies.0.iter().map(|count| count.load(Relaxed)).collect())
    }

    /// The latency from sending to the watermark that this share of reports did not exceed.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Duration {
        self.latencies().percentile(share)
    }

    /// All in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        format!(
            "sent {} committed {} refused {} connected {} broken {} latency p50 {:?} p99 {:?} p99.9 {:?}",
            load(&self.sent),
            load(&self.committed),
            load(&self.refused),
            load(&self.connected),
            load(&self.broken),
            self.percentile(0.5),
            self.percentile(0.99),
            self.percentile(0.999)
        )
    }
}

/// Something that a script makes a device do.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// Its disk fills up to this share.
    FillDisk(f64),
    /// Its disk is well again.
    ClearDisk,
    /// Its link breaks and it is not heard for this long.
    Silent(Duration),
    /// It says goodbye and comes back after this long.
    Leave(Duration),
    /// It reboots.
    Reboot,
    /// It sends this many samples at once.
    Flood(u64),
    /// It sends this many samples that are an hour old and older.
    Late(u64),
    /// It sends what is no report.
    Wrong,
    /// Its clock is this many seconds ahead.
    Clock(i64),
}

/// A line of a script: at this time that device does this.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// After the start.
    pub at: Duration,
    /// Part of the device's identifier; `*` for all.
    pub who: String,
    /// What is done.
    pub deed: Deed,
}

/// Reads a script: one deed a line, such as `30s sim-00003 disk 97`, `40s * silent 20s`. `#` begins a comment.
///
/// # Errors
/// The first line that is no deed, and what is allowed.
pub fn parse_script(text: &str) -> anyhow::Result<Vec<Line>> {
    let lines =
        text.lines().enumerate().map(|(number, line)| (number + 1, line.split('#').next().unwrap_or("").trim()));
    lines.filter(|(_, line)| !line.is_empty()).map(|(number, line)| {
        let allowed = "TIME WHO disk PERCENT | disk ok | silent TIME | leave TIME | reboot | flood N | late N | wrong | clock SECONDS";
        let fault = || format!("script line {number}: found {line:?}; allowed is {allowed}");
        let words: Vec<&str> = line.split_whitespace().collect();
        let span = |text: &str| text.parse::<ioc_common::config::Span>().map(|span| span.0).map_err(anyhow::Error::msg);
        let (at, who) = (span(words.first().with_context(fault)?).with_context(fault)?, words.get(1).with_context(fault)?);
        let deed = match words.get(2..).unwrap_or_default() {
            ["disk", "ok"] => Deed::ClearDisk,
            ["disk", percent] => Deed::FillDisk(percent.parse().with_context(fault)?),
            ["silent", time] => Deed::Silent(span(time).with_context(fault)?),
            ["leave", time] => Deed::Leave(span(time).with_context(fault)?),
            ["reboot"] => Deed::Reboot,
            ["flood", count] => Deed::Flood(count.parse().with_context(fault)?),
            ["late", count] => Deed::Late(count.parse().with_context(fault)?),
            ["wrong"] => Deed::Wrong,
            ["clock", seconds] => Deed::Clock(seconds.parse().with_context(fault)?),
            _ => anyhow::bail!(fault()),
        };
        Ok(Line { at, who: (*who).to_owned(), deed })
    }).collect()
}

/// How a fleet behaves.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Between samples.
    pub interval: Duration,
    /// MQTT keep-alive, seconds.
    pub keep_alive_s: u16,
    /// Seed of all randomness.
    pub seed: u64,
    /// What devices do, in order of time.
    pub script: Vec<Line>,
    /// Where they go on when the address of their identity does not take them, one after the other.
    pub others: Vec<String>,
    /// Its identities name a broker, which knows of no watermark.
    pub through_broker: bool,
}

/// Runs a fleet until `stop` is set.
pub async fn run(identities: Vec<Identity>, plan: Plan, totals: Arc<Totals>, stop: Arc<AtomicBool>) {
    let mut tasks = tokio::task::JoinSet::new();
    let mut senders = Vec::new();
    let count = identities.len().max(1);
    for (number, identity) in identities.into_iter().enumerate() {
        let (sender, deeds) = mpsc::channel(16);
        senders.push((identity.device.to_string(), sender));
        // Spread over the interval, as agents do, so that they do not all report at once.
        let offset = plan.interval.mul_f64(number as f64 / count as f64);
        let member =
            FleetMember { identity, plan: plan.clone(), totals: Arc::clone(&totals), stop: Arc::clone(&stop), offset };
        tasks.spawn(member.live(deeds));
    }
    let started = Instant::now();
    let mut script = plan.script.clone();
    script.sort_by_key(|line| line.at);
    let director = async {
        for line in script {
            tokio::time::sleep_until(started + line.at).await;
            for (device, sender) in &senders {
                if line.who == "*" || device.contains(&line.who) {
                    let _ = sender.try_send(line.deed.clone());
                }
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = director => {}
        () = async { while tasks.join_next().await.is_some() {} } => {}
    }
}

struct FleetMember {
    identity: Identity,
    plan: Plan,
    totals: Arc<Totals>,
    stop: Arc<AtomicBool>,
    offset: Duration,
}

impl FleetMember {
    async fn live(mut self, mut deeds: mpsc::Receiver<Deed>) {
        tokio::time::sleep(self.offset.min(Duration::from_secs(10))).await;
        let mut random = Random::new(self.plan.seed);
        let mut machine: Option<Machine> = None;
        while !self.stop.load(Relaxed) {
            let pause = match self.connected(&mut machine, &mut deeds).await {
                Ok(pause) => pause,
                Err(_) => {
                    self.totals.broken.fetch_add(1, Relaxed);
                    if !self.plan.others.is_empty() {
                        let next = self.plan.others.remove(0);
                        self.plan.others.push(std::mem::replace(&mut self.identity.mqtt, next));
                    }
                    Duration::from_millis(500 + random.next() % 1500)
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// One connection. How long to stay away afterwards.
    async fn connected(
        &self,
        kept: &mut Option<Machine>,
        deeds: &mut mpsc::Receiver<Deed>,
    ) -> anyhow::Result<Duration> {
        let (mut link, known) = if self.plan.through_broker {
            (Link::open_at_broker(&self.identity, self.plan.keep_alive_s).await?, Position::default())
        } else {
            Link::open(&self.identity, self.plan.keep_alive_s).await?
        };
        self.totals.connected.fetch_add(1, Relaxed);
        let machine = kept.get_or_insert_with(|| {
            Machine::new(self.identity.device.clone(), &self.identity.kind, self.plan.seed, known, clock::now())
        });
        let mut flight = VecDeque::new();
        let interval_s = u32::try_from(self.plan.interval.as_secs()).unwrap_or(10).max(1);
        let hello = machine.hello(interval_s, self.plan.keep_alive_s);
        self.send(&mut link, machine, &hello, 0, &mut flight).await?;
        if let Some(survey) = machine.survey() {
            self.send(&mut link, machine, &survey, 0, &mut flight).await?;
        }
        let mut beat = tokio::time::interval(self.plan.interval);
        let mut ping = tokio::time::interval(Duration::from_secs(u64::from(self.plan.keep_alive_s).max(2)));
        loop {
            if self.stop.load(Relaxed) {
                let goodbye = Body::Goodbye(Goodbye { reason: GoodbyeReason::Stop, return_within_s: 300 });
                self.send(&mut link, machine, &goodbye, 0, &mut flight).await?;
                link.committed(machine.position).await?;
                link.send(Packet::Disconnect).await?;
                return Ok(Duration::ZERO);
            }
            tokio::select! {
                _ = beat.tick() => {
                    let body = machine.sample();
                    self.send(&mut link, machine, &body, 0, &mut flight).await?;
                }
                _ = ping.tick() => link.send(Packet::PingRequest).await?,
                heard = link.hear_long() => if let Heard::Committed(committed) = heard? {
                    if committed.refused.is_some() {
                        self.totals.refused.fetch_add(1, Relaxed);
                    }
                    self.settle(&mut flight, committed.position);
                },
                Some(deed) = deeds.recv() => {
                    if let Some(pause) = self.perform(deed, &mut link, machine, &mut flight).await? {
                        return Ok(pause);
                    }
                }
            }
        }
    }

    async fn perform(
        &self,
        deed: Deed,
        link: &mut Link,
        machine: &mut Machine,
        flight: &mut VecDeque<(Position, Instant)>,
    ) -> anyhow::Result<Option<Duration>> {
        match deed {
            Deed::FillDisk(percent) => machine.fill_disk(Some(percent)),
            Deed::ClearDisk => machine.fill_disk(None),
            Deed::Clock(seconds) => machine.clock_ahead_ms = seconds * 1000,
            Deed::Silent(pause) => return Ok(Some(pause)),
            Deed::Leave(pause) => {
                let return_within_s = u32::try_from(pause.as_secs()).unwrap_or(u32::MAX).saturating_add(60);
                let goodbye = Body::Goodbye(Goodbye { reason: GoodbyeReason::Stop, return_within_s });
                self.send(link, machine, &goodbye, 0, flight).await?;
                link.committed(machine.position).await?;
                return Ok(Some(pause));
            }
            Deed::Reboot => {
                machine.reboot();
                return Ok(Some(Duration::from_secs(1)));
            }
            Deed::Flood(count) => {
                for _ in 0..count {
                    let body = machine.sample();
                    self.send(link, machine, &body, 0, flight).await?;
                }
            }
            Deed::Late(count) => {
                for number in (0..count).rev() {
                    let body = machine.sample();
                    self.send(link, machine, &body, 3_600_000 + number * 10_000, flight).await?;
                }
            }
            Deed::Wrong => {
                let packet = link.publish(UpKind::Sample, b"{\"schema\":\"1.0\",\"nonsense\":true}".to_vec());
                link.send(packet).await?;
            }
        }
        Ok(None)
    }

    async fn send(
        &self,
        link: &mut Link,
        machine: &mut Machine,
        body: &Body,
        age_ms: u64,
        flight: &mut VecDeque<(Position, Instant)>,
    ) -> anyhow::Result<()> {
        while flight.len() >= WINDOW {
            if let Heard::Committed(committed) = link.hear().await? {
                self.settle(flight, committed.position);
            }
        }
        let (position, kind, payload) = machine.seal(body, clock::now(), age_ms);
        let packet = link.publish(kind, payload);
        link.send(packet).await?;
        flight.push_back((position, Instant::now()));
        self.totals.sent.fetch_add(1, Relaxed);
        Ok(())
    }

    fn settle(&self, flight: &mut VecDeque<(Position, Instant)>, watermark: Position) {
        while flight.front().is_some_and(|(position, _)| *position <= watermark) {
            if let Some((_, sent)) = flight.pop_front() {
                self.totals.committed.fetch_add(1, Relaxed);
                self.totals.latency(sent.elapsed());
            }
        }
    }
}

/// A connection to a broker that knows nothing of us.
async fn plain(identity: &Identity) -> anyhow::Result<Link> {
    let mut link = Link::tls(identity).await?;
    let connect = rmqtt_codec::v3::Connect {
        clean_session: true,
        keep_alive: 60,
        client_id: identity.device.as_str().to_owned().into(),
        ..Default::default()
    };
    link.send(connect.into()).await?;
    link.hear().await?;
    Ok(link)
}

/// Sends a sample to a plain broker every so often, the first after `phase`, until it is aborted. Counts PUBACKs.
///
/// # Errors
/// When the connection breaks.
pub async fn pace(identity: &Identity, every: Duration, phase: Duration, totals: &Totals) -> anyhow::Result<()> {
    let mut link = plain(identity).await?;
    let mut machine = Machine::new(identity.device.clone(), "server", 7, Position::default(), clock::now());
    let mut beat = tokio::time::interval_at(Instant::now() + phase, every);
    loop {
        beat.tick().await;
        let body = machine.sample();
        let (_, kind, payload) = machine.seal(&body, clock::now(), 0);
        let (packet, sent) = (link.publish(kind, payload), Instant::now());
        link.send(packet).await?;
        totals.sent.fetch_add(1, Relaxed);
        while !matches!(link.hear().await?, Heard::Packet(Packet::PublishAck { .. })) {}
        totals.committed.fetch_add(1, Relaxed);
        totals.latency(sent.elapsed());
    }
}

/// Sends as fast as acknowledgements allow, on one connection, for `time`: the load generator. Counts PUBACKs, so that it
/// drives a plain broker, too. Returns how many were acknowledged.
///
/// # Errors
/// When the connection breaks.
pub async fn blast(identity: &Identity, time: Duration, totals: &Totals, greeted: bool) -> anyhow::Result<u64> {
    let (mut link, known) =
        if greeted { Link::open(identity, 60).await? } else { (plain(identity).await?, Position::default()) };
    let mut machine = Machine::new(identity.device.clone(), "server", 7, known, clock::now());
    let hello = machine.hello(10, 60);
    let (_, kind, payload) = machine.seal(&hello, clock::now(), 0);
    let packet = link.publish(kind, payload);
    link.send(packet).await?;
    // Sixteen samples that were rendered before: what is measured is the way, not our own random numbers.
    let bodies: Vec<String> = (0..16)
        .map(|_| match machine.sample() {
            Body::Sample(sample) => serde_json::to_string(&sample).unwrap_or_default(),
            _ => String::new(),
        })
        .collect();
    let (device, epoch, mut seq) = (machine.device.as_str().to_owned(), machine.position.epoch, machine.position.seq);
    let started = Instant::now();
    let mut flight = VecDeque::from([Instant::now()]);
    let mut acknowledged = 0;
    let mut taken_at = clock::now().to_string();
    while started.elapsed() < time || !flight.is_empty() {
        let mut queued = false;
        while flight.len() < WINDOW && started.elapsed() < time {
            seq += 1;
            if seq.is_multiple_of(64) {
                taken_at = clock::now().to_string();
            }
            let body = &bodies[(seq % 16) as usize];
            let payload = format!(
                r#"{{"schema":"1.0","device":"{device}","epoch":{epoch},"seq":{seq},"boot":"00000000","taken_at":"{taken_at}","body":{body},"age_ms":0}}"#
            );
            let packet = link.publish(UpKind::Sample, payload.into_bytes());
            link.queue(packet)?;
            flight.push_back(Instant::now());
            totals.sent.fetch_add(1, Relaxed);
            queued = true;
        }
        if queued {
            link.flush().await?;
        }
        if let Heard::Packet(Packet::PublishAck { .. }) = link.hear().await? {
            acknowledged += 1;
            totals.committed.fetch_add(1, Relaxed);
            if let Some(sent) = flight.pop_front() {
                totals.latency(sent.elapsed());
            }
        }
    }
    Ok(acknowledged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_those_of_a_stretch_of_time() {
        let totals = Totals::default();
        (0..100).for_each(|_| totals.latency(Duration::from_millis(900)));
        let before = totals.latencies();
        (0..99).for_each(|_| totals.latency(Duration::from_millis(50)));
        totals.latency(Duration::from_millis(250));
        let stretch = totals.latencies().since(&before);
        let near = |share: f64, ms: f64| (stretch.percentile(share).as_secs_f64() * 1000.0 / ms - 1.0).abs() < 0.05;
        assert!(near(0.5, 50.0) && near(0.99, 50.0) && near(1.0, 250.0), "{stretch:?}");
        assert!(totals.percentile(0.9) > Duration::from_millis(850));
    }

    #[test]
    fn scripts_say_when_who_does_what() {
        let script = parse_script("# faults\n30s sim-00003 disk 97\n1m * silent 20s # all\n").expect("parses");
        assert_eq!(script.len(), 2);
        assert_eq!(
            script[0],
            Line { at: Duration::from_secs(30), who: "sim-00003".into(), deed: Deed::FillDisk(97.0) }
        );
        let error = parse_script("\n30s x dance\n").expect_err("unknown deed").to_string();
        assert!(error.contains("line 2") && error.contains("dance") && error.contains("reboot"), "{error}");
    }
}
