//! Reports from a broker that devices use instead of our own endpoint, or beside it: a client of Mosquitto, RabbitMQ and what speaks like them.
//!
//! Every message is acknowledged only once it is committed, so that a collector that dies, and one that takes its place, has it again. What
//! the broker itself loses is found by the gap in a device's order (`ioc-engine`'s `writer/entrance`), and sent again by the device. Who may
//! publish where is the broker's to hold; what comes here in the name of a device that is not enrolled is not taken all the same.
//!
//! No one here is slowed down alone: a device beyond its budgets is named and refused, but its messages have come.

mod link;
mod sessions;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rumqttc::{Publish, QoS};
use rustls::ClientConfig;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use ioc_common::backoff::retry_ms;
use ioc_common::clock;
use ioc_common::codec;
use ioc_common::id::DeviceId;
use ioc_common::random::entropy;
use ioc_common::report::{Body, Renew};
use ioc_common::topic::{DownKind, Topic, TopicKind, UpKind};
use ioc_engine::config::BrokerPlan;
use ioc_engine::health::Health;
use ioc_engine::log_rate_limit::LogRateLimit;
use ioc_engine::payload_profile;
use ioc_engine::shutdown::stopped;
use ioc_engine::writer::{
    CertificateAllowlist, ConnectionId, DownMessage, EngineHandle, EngineMessage, Entrance, NewConnection, down_channel,
};
use ioc_store::history;

use link::{Link, LinkEvent, LinkOptions};
use sessions::{Missed, PacketRef, Sessions};

/// How often it is looked for devices of which nothing came.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Back-off between connections: doubled from the first, with jitter, up to the last.
const BACKOFF_FIRST_MS: u64 = 500;
const BACKOFF_LAST_MS: u64 = 30_000;
/// A link that stood for less was no good one, milliseconds.
const GOOD_LINK_MS: u64 = 30_000;
/// So many links in a row that broke soon after they stood: somebody else takes our session.
const QUICK_ENDS: u32 = 3;
/// So often must all that the broker hands out have waited for us, before it is said that it hands out too little.
const FULL_WINDOWS: u32 = 100;

/// TLS to the broker, made anew for each connection; or why it cannot be made.
pub type BrokerTls = Box<dyn Fn() -> Result<Arc<ClientConfig>, String> + Send + Sync>;

/// What ingest from a broker needs.
pub struct BrokerIngest {
    /// Where the broker is.
    pub plan: BrokerPlan,
    /// How it is spoken to.
    pub tls: BrokerTls,
    /// Where reports go.
    pub engine: EngineHandle,
    /// Which devices may report.
    pub access: Arc<CertificateAllowlist>,
    /// Counts what is refused, and says how the link stands.
    pub health: Arc<Health>,
    /// How often a refusal is written down.
    pub log_limit: Arc<LogRateLimit>,
}

impl std::fmt::Debug for BrokerIngest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrokerIngest").field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// What the engine sends down to a device, with the connection it is for.
type Down = (ConnectionId, Box<DownMessage>);

struct Ingest {
    shared: BrokerIngest,
    sessions: Sessions,
    down: mpsc::UnboundedSender<Down>,
    window: WindowWatch,
    /// The link is to be given up: why.
    broken: Option<String>,
}

impl BrokerIngest {
    /// Takes reports until `stop` says so.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) {
        let (down, mut downs) = mpsc::unbounded_channel();
        self.health.broker.begin();
        let window = WindowWatch::new(self.plan.unacknowledged_min.usize());
        let mut ingest = Ingest { shared: self, sessions: Sessions::default(), down, window, broken: None };
        let (mut next, mut failures, mut quick_ends, mut number) = (0, 0_u32, 0_u32, 0_u64);
        loop {
            number += 1;
            let addresses = &ingest.shared.plan.addresses;
            let (host, port) = addresses.get(next % addresses.len()).cloned().unwrap_or_default();
            let address = format!("{host}:{port}");
            let opened_ms = clock::boottime_ms();
            let ended = match (ingest.shared.tls)() {
                Err(why) => Some((why, false)),
                Ok(tls) => {
                    let (client_id, keep_alive) =
                        (ingest.shared.plan.client_id.clone(), ingest.shared.plan.keep_alive.get());
                    let link = Link::open(LinkOptions { host, port, client_id, keep_alive, tls, number });
                    ingest.run_link(link, &address, &mut downs, &mut stop).await
                }
            };
            let Some((why, stood)) = ended else { return };
            tracing::warn!(address, why, "no link to the broker");
            let was_good = stood && clock::boottime_ms().saturating_sub(opened_ms) >= GOOD_LINK_MS;
            quick_ends = if stood && !was_good { quick_ends + 1 } else { 0 };
            let mut why = format!("{address}: {why}");
            if quick_ends >= QUICK_ENDS {
                why += "; it broke soon after it stood, several times: another collector with our client_id would take the session like that";
            }
            ingest.shared.health.broker.lost(why);
            if was_good {
                failures = 0;
            } else {
                // Once more at the same one only where it has worked.
                next += 1;
            }
            failures = failures.saturating_add(1);
            let rounds = 1 + (failures - 1) / u32::try_from(ingest.shared.plan.addresses.len()).unwrap_or(1).max(1);
            let wait = Duration::from_millis(retry_ms(rounds, BACKOFF_FIRST_MS, BACKOFF_LAST_MS, entropy()));
            tokio::select! {
                () = stopped(&mut stop) => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

impl Ingest {
    /// Serves one link until it ends: why, and whether it ever stood. None when the collector stops.
    async fn run_link(
        &mut self,
        mut link: Link,
        address: &str,
        downs: &mut mpsc::UnboundedReceiver<Down>,
        stop: &mut watch::Receiver<bool>,
    ) -> Option<(String, bool)> {
        let mut stood = false;
        self.broken = None;
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stopped(stop) => {
                    link.close().await;
                    return None;
                }
                _ = look.tick() => {
                    if stood && !self.look().await {
                        return None;
                    }
                }
                Some((id, message)) = downs.recv() => self.put(&link, id, *message).await,
                event = link.next() => match event {
                    Some(LinkEvent::Opened { resumed }) => {
                        stood = true;
                        self.sessions.excuse(clock::boottime_ms());
                        self.shared.health.broker.connected(address);
                        tracing::info!(address, resumed, "linked to the broker");
                    }
                    Some(LinkEvent::Message(publish, room)) => {
                        if !self.take(&link, &publish).await {
                            return None;
                        }
                        drop(room);
                    }
                    Some(LinkEvent::Closed(why)) => return Some((why, stood)),
                    None => return Some(("the link ended".to_owned(), stood)),
                },
            }
            self.count();
            if let Some(why) = self.broken.take() {
                link.close().await;
                return Some((why, stood));
            }
        }
    }

    fn count(&self) {
        let (board, waiting) = (&self.shared.health.broker, self.sessions.waiting() as u64);
        board.unacknowledged.store(waiting, Relaxed);
        board.unacknowledged_peak.fetch_max(waiting, Relaxed);
        board.devices.store(self.sessions.devices() as u64, Relaxed);
    }

    /// Looks for devices of which nothing came for too long. False when the engine is gone.
    async fn look(&mut self) -> bool {
        for missed in self.sessions.missed(clock::boottime_ms()) {
            if !self.close(missed).await {
                return false;
            }
        }
        true
    }

    async fn close(&mut self, Missed { id, device, quiet_ms }: Missed) -> bool {
        let quiet_ms = i64::try_from(quiet_ms).unwrap_or(i64::MAX);
        self.shared.engine.send(EngineMessage::Closed { connection: id, device, quiet_ms }).await
    }

    /// Does not take a message: it is counted, logged and acknowledged, or it would come again for ever.
    fn refuse(&mut self, link: &Link, publish: &Publish, reason: &'static str, detail: &str) {
        self.shared.health.count_refused(reason);
        if let Some(left_out) = self.shared.log_limit.allows(reason, None, clock::boottime_ms()) {
            let topic: String = publish.topic.chars().take(100).collect();
            tracing::info!(topic, reason, detail, left_out, "a message of the broker is not taken");
        }
        self.acknowledge(link, packet_of(link, publish));
    }

    fn acknowledge(&mut self, link: &Link, packet: Option<PacketRef>) {
        if packet.is_some_and(|packet| !link.acknowledge(packet)) {
            self.broken = Some("acknowledgements cannot be written as fast as messages come".to_owned());
        }
    }

    /// Takes a message. False when the engine is gone.
    async fn take(&mut self, link: &Link, publish: &Publish) -> bool {
        self.shared.health.broker.messages.fetch_add(1, Relaxed);
        let topic = publish.topic.parse::<Topic>();
        let (device, kind) = match topic {
            Ok(Topic { device, kind: TopicKind::Up(kind) }) => (device, kind),
            Ok(_) => return self.refused(link, publish, "broker_topic", "it is sent down"),
            Err(error) => return self.refused(link, publish, "broker_topic", &error.to_string()),
        };
        if publish.retain {
            return self.refused(link, publish, "broker_retained", "it was kept by the broker from before");
        }
        if !self.shared.access.knows(&device) {
            let why = format!("{device} is not enrolled, was revoked or is kept out");
            return self.refused(link, publish, "revoked", &why);
        }
        if kind == UpKind::Gone {
            self.acknowledge(link, packet_of(link, publish));
            let gone = self.sessions.gone(&device, clock::boottime_ms());
            return match gone {
                Some(missed) => self.close(missed).await,
                None => true,
            };
        }
        let now_ms = clock::boottime_ms();
        let (id, is_new) = self.sessions.of(&device, now_ms);
        let (message, run) = match message_of(id, &device, kind, publish) {
            Ok(message) => message,
            Err((reason, why)) => {
                if is_new {
                    // The engine was not told of it.
                    let _ = self.sessions.gone(&device, now_ms);
                }
                return self.refused(link, publish, reason, &why);
            }
        };
        if is_new && !self.begin(id, &device).await {
            return false;
        }
        self.sessions.handed(id, packet_of(link, publish));
        if !self.shared.engine.send(message).await {
            return false;
        }
        if is_new || run.is_some_and(|run| self.sessions.began_anew(id, &run)) {
            return self.shared.engine.send(EngineMessage::Subscribed { connection: id, device }).await;
        }
        true
    }

    fn refused(&mut self, link: &Link, publish: &Publish, reason: &'static str, detail: &str) -> bool {
        self.refuse(link, publish, reason, detail);
        true
    }

    /// Tells the engine of a device that is heard anew, and hands on what it sends down.
    async fn begin(&mut self, id: ConnectionId, device: &DeviceId) -> bool {
        let (sender, mut receiver) = down_channel();
        let down = self.down.clone();
        // It ends once the engine has dropped the connection.
        tokio::spawn(async move {
            while let Ok(message) = receiver.recv().await {
                if down.send((id, message)).is_err() {
                    return;
                }
            }
        });
        let (device, entrance) = (device.clone(), Entrance::Broker);
        let new = NewConnection { id, device, entrance, keep_alive_s: 0, peer: None, sender };
        self.shared.engine.send(EngineMessage::Opened(new)).await
    }

    /// Takes what the engine sends down.
    async fn put(&mut self, link: &Link, id: ConnectionId, message: DownMessage) {
        match message {
            DownMessage::Committed { payload, settled, .. } => {
                let waited = self.sessions.waiting();
                for packet in self.sessions.settled(id, settled) {
                    self.acknowledge(link, Some(packet));
                }
                if let Some(window) = self.window.settled(waited, settled) {
                    let what = format!(
                        "it never hands out more than {window} messages at a time, of {} that it should; mend: raise \
                         max_inflight_messages (Mosquitto) or mqtt.prefetch (RabbitMQ)",
                        self.shared.plan.unacknowledged_min.0
                    );
                    tracing::warn!(what, "the broker holds messages back");
                    self.shared.health.broker.complain(what);
                }
                // Lost on the way, the next one says more.
                self.send_down(link, id, DownKind::Committed, QoS::AtMostOnce, payload);
            }
            DownMessage::Message(kind, payload) => self.send_down(link, id, kind, QoS::AtLeastOnce, payload),
            DownMessage::Pace(silent_ms) => self.sessions.set_pace(id, silent_ms),
            DownMessage::Close(cause) => {
                if let Some(device) = self.sessions.device(id) {
                    tracing::info!(%device, cause = cause.as_str(), "a device is not heard through the broker any more");
                }
                self.sessions.end(id);
            }
        }
        if let Some(device) = self.sessions.take_closed(id) {
            let _ = self.close(Missed { id, device, quiet_ms: 0 }).await;
        }
    }

    fn send_down(&mut self, link: &Link, id: ConnectionId, kind: DownKind, qos: QoS, payload: Vec<u8>) {
        let Some(device) = self.sessions.device(id) else { return };
        let topic = Topic::down(device.clone(), kind).to_string();
        if !link.publish(topic, qos, payload) {
            self.broken = Some("messages to devices cannot be written as fast as they are made".to_owned());
        }
    }
}

fn packet_of(link: &Link, publish: &Publish) -> Option<PacketRef> {
    (publish.qos != QoS::AtMostOnce).then_some(PacketRef { link: link.number(), packet: publish.pkid })
}

/// What a message is to the engine, and the run of the agent that a hello names; or why it is not taken.
fn message_of(
    connection: ConnectionId,
    device: &DeviceId,
    kind: UpKind,
    publish: &Publish,
) -> Result<(EngineMessage, Option<String>), (&'static str, String)> {
    let device = device.clone();
    let packet = (publish.qos != QoS::AtMostOnce).then_some(publish.pkid);
    if kind == UpKind::Renew {
        let Renew { csr, proof } =
            codec::read_message::<Renew>(&publish.payload).map_err(|error| ("payload", error.to_string()))?;
        return Ok((EngineMessage::Renew { connection, device, packet, csr, proof }, None));
    }
    if kind == UpKind::Values {
        let values = payload_profile::flatten(&publish.payload).map_err(|error| ("payload", error))?;
        return Ok((EngineMessage::Values { connection, device, packet, values }, None));
    }
    let report = codec::open(kind, &publish.payload);
    let mut run = None;
    if let Ok(report) = &report {
        if report.envelope.device != device {
            return Err(("device", format!("{device} reports as {}", report.envelope.device)));
        }
        if let Body::Hello(hello) = &report.body
            && report.envelope.about.is_none()
        {
            run = Some(hello.run.clone());
        }
    }
    let bytes = publish.payload.len();
    let packed = report.as_ref().ok().and_then(|report| history::pack_body(&report.body));
    Ok((EngineMessage::Report { connection, device, packet, bytes, report: report.map(Box::new), packed }, run))
}

/// Whether the broker hands out so few messages at a time that it always waits for us. MQTT 3.1.1 has no way to ask it.
#[derive(Debug)]
struct WindowWatch {
    least: usize,
    window: usize,
    full: u32,
    said: bool,
}

impl WindowWatch {
    const fn new(least: usize) -> Self {
        Self { least, window: 0, full: 0, said: false }
    }

    /// Of so many that waited, some are settled. The broker's window, once it is clear that it is one and too small.
    fn settled(&mut self, waited: usize, count: usize) -> Option<usize> {
        if count == 0 || self.said || waited < self.window {
            return None;
        }
        if waited > self.window {
            (self.window, self.full) = (waited, 0);
        }
        self.full += 1;
        self.said = self.full >= FULL_WINDOWS && self.window > 1 && self.window < self.least;
        self.said.then_some(self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_is_always_full_and_small_is_said_once() {
        let mut watch = WindowWatch::new(100);
        let said: Vec<usize> = (0..500).filter_map(|_| watch.settled(20, 20)).collect();
        assert_eq!(said, [20]);
        let mut wide = WindowWatch::new(100);
        assert!((0..500).all(|_| wide.settled(150, 10).is_none()));
        let mut idle = WindowWatch::new(100);
        assert!((0..500).all(|_| idle.settled(1, 1).is_none()), "one device that is quiet");
        let mut grows = WindowWatch::new(100);
        assert!((0..99).all(|_| grows.settled(20, 1).is_none()) && grows.settled(21, 1).is_none());
        assert!((0..200).all(|_| grows.settled(20, 1).is_none()), "it has handed out more");
    }

    #[test]
    fn what_comes_in_the_name_of_another_device_is_not_taken() {
        let device = DeviceId::new("srv-1").expect("valid");
        let publish = |payload: &[u8]| Publish::new("", QoS::AtLeastOnce, payload.to_vec());
        let values = message_of(1, &device, UpKind::Values, &publish(br#"{"t":21.5}"#)).expect("taken").0;
        assert!(matches!(values, EngineMessage::Values { packet: Some(0), .. }), "{values:?}");
        for (kind, payload) in [(UpKind::Values, &b"nonsense"[..]), (UpKind::Renew, b"{}")] {
            assert_eq!(message_of(1, &device, kind, &publish(payload)).expect_err("refused").0, "payload");
        }
        // One that cannot be read is the engine's to refuse: it counts it against the device.
        let broken = message_of(1, &device, UpKind::Sample, &publish(b"{}")).expect("handed on").0;
        assert!(matches!(broken, EngineMessage::Report { report: Err(_), .. }));
    }
}
