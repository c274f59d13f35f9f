//! One MQTT connection, from CONNECT to its end.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v3::{Codec, Packet, SubscribeReturnCode};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::codec::{Decoder as _, Encoder as _};

use ioc_common::clock;
use ioc_common::codec;
use ioc_common::id::DeviceId;
use ioc_common::report::Renew;
use ioc_common::topic::{DownKind, UpKind};

use super::certificate_validity::CertificateValidity;
use super::check::{CONNECT_MAX_BYTES, DeviceTopics, PACKET_MAX_BYTES};
use super::end_cause::EndCause;
use super::frame::{self, FrameError};
use super::subscription::Subscriptions;
use super::tls::TlsStream;
use ioc_engine::health::Health;
use ioc_engine::log_rate_limit::LogRateLimit;
use ioc_engine::payload_profile;
use ioc_engine::shutdown::stopped;
use ioc_engine::writer::{
    ConnectionId, DownMessage, DownReceiver, EngineHandle, EngineMessage, Entrance, NewConnection, down_channel,
    quiet_after_ms,
};
use ioc_store::history;

/// Reading stops at this many messages that are not yet committed, where few devices send much …
const UNACKNOWLEDGED_MAX: usize = 64;
/// … and at this many where many do …
const UNACKNOWLEDGED_MIN: usize = 8;
/// … so that those of all of them together are about so many: three commits, which keeps the engine busy. What is more only waits, in
/// front of others: each is then read in its turn, and what a person asks for is behind fewer.
const UNACKNOWLEDGED_ALL: usize = 6144;
/// … and at this many bytes of one connection, but for one message.
const UNACKNOWLEDGED_MAX_BYTES: usize = 1024 * 1024;
/// How long the first byte, the handshake and CONNECT may take, each.
pub(super) const STAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a write may take: a peer that does not read is cut off.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long what is still to be said and the end of TLS may take.
const END_TIMEOUT: Duration = Duration::from_secs(1);
/// How long one that has no place may take to be told so.
const TURN_AWAY_TIMEOUT: Duration = Duration::from_secs(2);
/// The timer of a connection may ring this much too early.
const ALARM_EARLY_MAX: Duration = Duration::from_secs(5);
/// A device that asks for no keep-alive, or a very long one, is given this.
const KEEP_ALIVE_MAX_S: u16 = 600;

/// What all connections share.
#[derive(Debug)]
pub(super) struct ConnectionDeps {
    pub(super) engine: EngineHandle,
    pub(super) health: Arc<Health>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) log_limit: Arc<LogRateLimit>,
    /// How many connections have messages that are not yet committed.
    pub(super) busy: AtomicUsize,
}

/// A connection whose CONNECT was accepted.
pub(super) struct Connection {
    stream: TlsStream,
    topics: DeviceTopics,
    device: DeviceId,
    validity: CertificateValidity,
    id: ConnectionId,
    shared: Arc<ConnectionDeps>,
    codec: Codec,
    /// What has come of a packet that is not whole; an idle connection holds no buffer.
    read: BytesMut,
    write: BytesMut,
    down: DownReceiver,
    /// Sizes of the messages that the engine is not done with, with and without acknowledgement, and their sum.
    unacknowledged: VecDeque<usize>,
    unacknowledged_bytes: usize,
    /// The device brings too much: one message at a time, and none before then.
    slow: bool,
    paused_until: Option<Instant>,
    next_packet: u16,
    subscriptions: Subscriptions,
    /// After so long without a packet the engine is notified; after `idle` the connection is closed.
    quiet_after: Duration,
    idle: Duration,
    /// When its last packet came.
    last_packet_at: Instant,
    /// The engine was told that nothing comes.
    is_quiet: bool,
}

/// Why a connection ended, with what belongs to it.
type EndReason = (EndCause, String);

/// Waits for CONNECT, of which a part may have been read already, checks and answers it.
pub(super) async fn connect(
    (mut stream, mut read): (TlsStream, BytesMut),
    (device, validity): (DeviceId, CertificateValidity),
    id: ConnectionId,
    peer: SocketAddr,
    shared: Arc<ConnectionDeps>,
) -> Result<Box<Connection>, EndReason> {
    let topics = DeviceTopics::new(device.clone());
    let mut codec = Codec::new(CONNECT_MAX_BYTES);
    let first = timeout(STAGE_TIMEOUT, first_packet(&mut stream, &mut read, &device)).await;
    let right = first.map_err(|_| (EndCause::ConnectTimeout, "no CONNECT".to_owned()))??;
    let checked = match right {
        Err(fault) => Err(refused(fault, &device)),
        Ok(()) => match codec.decode(&mut read) {
            Ok(Some((Packet::Connect(connect), _))) => match topics.connect(&connect) {
                Ok(()) => Ok(connect),
                Err(cause) => Err((cause, format!("{device} with client ID {:?}", connect.client_id))),
            },
            _ => Err(refused(FrameError::Malformed("CONNECT"), &device)),
        },
    };
    let connect = match checked {
        Ok(connect) => connect,
        Err((cause, detail)) => {
            if let Some(code) = cause.return_code() {
                let _ = timeout(WRITE_TIMEOUT, stream.send(&connack(code))).await;
            }
            let _ = timeout(WRITE_TIMEOUT, stream.shutdown()).await;
            return Err((cause, detail));
        }
    };
    timeout(WRITE_TIMEOUT, stream.send(&connack(0)))
        .await
        .map_err(|_| (EndCause::WriteTimeout, "CONNACK".to_owned()))?
        .map_err(|error| (EndCause::Socket, error.to_string()))?;
    codec.set_max_size(PACKET_MAX_BYTES);
    let keep_alive_s = match connect.keep_alive {
        0 => KEEP_ALIVE_MAX_S,
        asked => asked.min(KEEP_ALIVE_MAX_S),
    };
    let (sender, down) = down_channel();
    let serial = validity.serial.clone();
    let (entrance, peer_of) = (Entrance::Certificate(serial), Some(peer));
    let opened = NewConnection { id, device: device.clone(), entrance, keep_alive_s, peer: peer_of, sender };
    if !shared.engine.send(EngineMessage::Opened(opened)).await {
        return Err((EndCause::Stopping, String::new()));
    }
    shared.health.connections.fetch_add(1, Relaxed);
    tracing::debug!(%device, %peer, keep_alive_s, "connected");
    // [MQTT-3.1.2-24]: one and a half times the keep-alive.
    let idle = Duration::from_millis(u64::from(keep_alive_s) * 1500);
    // Boxed once: a future that is handed one holds it in two places.
    Ok(Box::new(Connection {
        stream,
        topics,
        device,
        validity,
        id,
        shared,
        codec,
        read,
        write: BytesMut::new(),
        down,
        unacknowledged: VecDeque::new(),
        unacknowledged_bytes: 0,
        slow: false,
        paused_until: None,
        next_packet: 1,
        subscriptions: Subscriptions::default(),
        quiet_after: Duration::from_millis(u64::try_from(quiet_after_ms(keep_alive_s)).unwrap_or_default()),
        idle,
        last_packet_at: Instant::now(),
        is_quiet: false,
    }))
}

/// Waits for a CONNECT that has come whole, and says whether it is one.
async fn first_packet(
    stream: &mut TlsStream,
    read: &mut BytesMut,
    device: &DeviceId,
) -> Result<Result<(), FrameError>, EndReason> {
    loop {
        // What does not begin like CONNECT need not be waited for to its end.
        if read.first().is_some_and(|byte| byte >> 4 != 1) {
            return Err(refused(FrameError::Malformed("the first packet is not CONNECT"), device));
        }
        if let Some(end) = frame::packet_end(read, CONNECT_MAX_BYTES).map_err(|fault| refused(fault, device))? {
            return Ok(frame::inspect(read.get(..end).unwrap_or_default()));
        }
        match stream.receive(read).await {
            Ok(0) => return Err((EndCause::Closed, "before CONNECT".to_owned())),
            Ok(_) => {}
            Err(error) => return Err((EndCause::Socket, error.to_string())),
        }
    }
}

/// Tells a device that there is no place for it now: its CONNECT is answered with return code 3, server unavailable.
pub(super) async fn turn_away((mut stream, mut read): (TlsStream, BytesMut), device: &DeviceId) {
    let answer = async {
        if let Ok(Ok(())) = first_packet(&mut stream, &mut read, device).await {
            let _ = stream.send(&connack(3)).await;
            let _ = stream.shutdown().await;
        }
    };
    let _ = timeout(TURN_AWAY_TIMEOUT, answer).await;
}

/// A CONNACK with this return code, table 3.1; no session was kept.
const fn connack(code: u8) -> [u8; 4] {
    [0x20, 2, 0, code]
}

/// A fault against the protocol as the reason of an end.
fn refused(fault: FrameError, device: &DeviceId) -> EndReason {
    let detail = match fault {
        FrameError::Malformed(how) => format!("{device}: {how}"),
        FrameError::Trailing => device.to_string(),
        FrameError::Protocol => format!("{device} speaks another version"),
        FrameError::Identifier => format!("{device} with no client ID"),
    };
    (fault.into(), detail)
}

impl Connection {
    /// Serves the connection until it ends.
    pub(super) async fn run(mut self: Box<Self>) {
        let (cause, detail) = self.serve().await;
        self.shared.health.connections.fetch_sub(1, Relaxed);
        if !self.unacknowledged.is_empty() {
            self.shared.busy.fetch_sub(1, Relaxed);
        }
        if cause.is_refusal() {
            let reason = cause.as_str();
            self.shared.health.count_refused(reason);
            if let Some(left_out) = self.shared.log_limit.allows(reason, None, clock::boottime_ms()) {
                tracing::info!(device = %self.device, reason, detail, left_out, "connection ended");
            }
        }
        let _ = timeout(END_TIMEOUT, self.say_goodbye()).await;
        // That the collector ends says nothing of a device: at its next start all of them are waited for.
        if cause == EndCause::Stopping {
            return;
        }
        let quiet_ms = milliseconds(self.last_packet_at.elapsed());
        let closed = EngineMessage::Closed { connection: self.id, device: self.device, quiet_ms };
        Box::pin(self.shared.engine.send(closed)).await;
    }

    /// Ends the connection. What came before the packet that ends it was answered, and that has still to go out.
    async fn say_goodbye(&mut self) -> std::io::Result<()> {
        self.stream.send(&self.write).await?;
        self.stream.shutdown().await
    }

    async fn serve(&mut self) -> EndReason {
        let mut stop = self.shared.stop.clone();
        // Begun once: to wait anew with every packet costs more than it.
        let stopped = stopped(&mut stop);
        tokio::pin!(stopped);
        let mut look = Instant::now() + self.validity.look_in(clock::now());
        // One timer for all that is waited for. It may ring too early, and is then set anew: to set it with every packet costs more. A link
        // on which something comes now and then is not woken by it: it is set anew once it rings much too early.
        let alarm = tokio::time::sleep_until(look);
        tokio::pin!(alarm);
        loop {
            let turn = Instant::now();
            if self.paused_until.is_some_and(|until| until <= turn) {
                // What came meanwhile is read before its silence is looked at: the pause is no sign of life.
                self.paused_until = None;
            }
            if CertificateValidity::is_worth_a_look(look.saturating_duration_since(turn)) {
                let now = clock::now();
                if let Some(cause) = self.validity.ended(&self.device, now) {
                    return (cause, self.validity.serial.clone());
                }
                look = turn + self.validity.look_in(now);
            }
            while self.may_read() {
                match self.take_next().await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(end) => return end,
                }
            }
            if !self.write.is_empty()
                && let Err(end) = self.send().await
            {
                return end;
            }
            if self.read.is_empty() {
                self.read = BytesMut::new();
            }
            let may_read = self.may_read();
            let deadline =
                may_read.then(|| self.last_packet_at + if self.is_quiet { self.idle } else { self.quiet_after });
            let due = [deadline, self.paused_until].into_iter().flatten().fold(look, Instant::min);
            let now = Instant::now();
            let over = deadline.is_some_and(|deadline| deadline <= now);
            if due <= now && !over {
                continue;
            }
            let rings_in_time =
                !alarm.is_elapsed() && alarm.deadline() <= due && due - alarm.deadline() < ALARM_EARLY_MAX;
            if !rings_in_time && due > now {
                alarm.as_mut().reset(due);
            }
            tokio::select! {
                biased;
                down = self.down.recv() => {
                    let Ok(down) = down else { return (EndCause::Stopping, String::new()) };
                    if let Err(end) = self.put(*down) {
                        return end;
                    }
                    while let Ok(more) = self.down.try_recv() {
                        if let Err(end) = self.put(*more) {
                            return end;
                        }
                    }
                }
                () = &mut alarm, if !alarm.is_elapsed() => {}
                received = self.stream.receive(&mut self.read), if may_read => match received {
                    Ok(0) => return (EndCause::Closed, String::new()),
                    Ok(_) => {}
                    Err(error) => return (EndCause::Closed, error.to_string()),
                },
                // What has come counts, however late it is looked at.
                () = std::future::ready(()), if over => {
                    if self.is_quiet {
                        return (EndCause::KeepAlive, format!("nothing came for {} s", self.idle.as_secs()));
                    }
                    self.is_quiet = true;
                    let quiet_ms = milliseconds(self.last_packet_at.elapsed());
                    if let Err(end) = Box::pin(self.report_quiet(Some(quiet_ms))).await {
                        return end;
                    }
                }
                () = &mut stopped => return (EndCause::Stopping, String::new()),
            }
        }
    }

    /// Whether there is room for another message.
    fn may_read(&self) -> bool {
        let most = if self.slow { 1 } else { share(self.shared.busy.load(Relaxed)) };
        self.paused_until.is_none()
            && self.unacknowledged.len() < most
            && self.unacknowledged_bytes < UNACKNOWLEDGED_MAX_BYTES
    }

    /// Takes the next packet from the device. False while it has not come whole.
    async fn take_next(&mut self) -> Result<bool, EndReason> {
        let refused = |fault| refused(fault, &self.device);
        let Some(end) = frame::packet_end(&self.read, PACKET_MAX_BYTES).map_err(refused)? else { return Ok(false) };
        frame::inspect(self.read.get(..end).unwrap_or_default()).map_err(refused)?;
        let decoded = self.codec.decode(&mut self.read).map_err(|error| (EndCause::Packet, error.to_string()))?;
        let Some((packet, _)) = decoded else { return Ok(false) };
        self.last_packet_at = Instant::now();
        if std::mem::take(&mut self.is_quiet) {
            Box::pin(self.report_quiet(None)).await?;
        }
        // Boxed: its kilobyte is taken while there is a packet, and not all the time that a connection waits for one.
        Box::pin(self.take(packet)).await?;
        Ok(true)
    }

    async fn report_quiet(&mut self, quiet_ms: Option<i64>) -> Result<(), EndReason> {
        self.forward(EngineMessage::Quiet { connection: self.id, device: self.device.clone(), quiet_ms }).await
    }

    /// Takes a packet from the device.
    async fn take(&mut self, packet: Packet) -> Result<(), EndReason> {
        match packet {
            Packet::Publish(publish) => return self.publish(*publish).await,
            Packet::PingRequest => self.encode(Packet::PingResponse),
            // Nothing is sent with QoS 2, so these belong to a flow that is over: answered by section 4.3.3, which keeps nothing.
            Packet::PublishReceived { packet_id } => self.encode(Packet::PublishRelease { packet_id }),
            Packet::PublishRelease { packet_id } => self.encode(Packet::PublishComplete { packet_id }),
            Packet::PublishAck { .. } | Packet::PublishComplete { .. } => {}
            Packet::Subscribe { packet_id, topic_filters } => return self.subscribe(packet_id, &topic_filters).await,
            Packet::Unsubscribe { packet_id, topic_filters } => {
                for filter in &topic_filters {
                    if let Some(filter) = self.topics.subscribe(filter) {
                        self.subscriptions.remove(filter);
                    }
                }
                self.encode(Packet::UnsubscribeAck { packet_id });
            }
            Packet::Disconnect => return Err((EndCause::Disconnected, String::new())),
            other => return Err((EndCause::Packet, format!("unexpected packet type {:#04x}", other.packet_type()))),
        }
        Ok(())
    }

    async fn subscribe<T>(&mut self, packet_id: NonZeroU16, filters: &[(T, QoS)]) -> Result<(), EndReason>
    where
        T: std::ops::Deref<Target = str> + std::fmt::Debug,
    {
        DeviceTopics::filters(filters).map_err(|cause| (cause, self.device.to_string()))?;
        let mut status = Vec::with_capacity(filters.len());
        for (filter, asked) in filters {
            status.push(match self.topics.subscribe(filter) {
                Some(filter) => SubscribeReturnCode::Success(self.subscriptions.add(filter, *asked)),
                None => SubscribeReturnCode::Failure,
            });
        }
        let foreign = status.contains(&SubscribeReturnCode::Failure);
        self.encode(Packet::SubscribeAck { packet_id, status });
        if foreign {
            self.send().await?;
            return Err((EndCause::Subscribe, format!("{} to {filters:?}", self.device)));
        }
        self.forward(EngineMessage::Subscribed { connection: self.id, device: self.device.clone() }).await
    }

    async fn publish(&mut self, publish: Publish) -> Result<(), EndReason> {
        let kind = self
            .topics
            .publish(&publish)
            .map_err(|cause| (cause, format!("{} to {:?}", self.device, publish.topic)))?;
        let packet = publish.packet_id.map(NonZeroU16::get);
        // Decoding copies: nothing holds on to the read buffer.
        let message = if kind == UpKind::Renew {
            let renew = codec::read_message::<Renew>(&publish.payload)
                .map_err(|error| (EndCause::Payload, error.to_string()))?;
            let Renew { csr, proof } = renew;
            EngineMessage::Renew { connection: self.id, device: self.device.clone(), packet, csr, proof }
        } else if kind == UpKind::Values {
            let values = payload_profile::flatten(&publish.payload).map_err(|error| (EndCause::Payload, error))?;
            EngineMessage::Values { connection: self.id, device: self.device.clone(), packet, values }
        } else {
            let report = codec::open(kind, &publish.payload);
            if let Ok(report) = &report
                && report.envelope.device != self.device
            {
                return Err((EndCause::Device, format!("{} reports as {}", self.device, report.envelope.device)));
            }
            let bytes = publish.payload.len();
            let packed = report.as_ref().ok().and_then(|report| history::pack_body(&report.body));
            EngineMessage::Report {
                connection: self.id,
                device: self.device.clone(),
                packet,
                bytes,
                report: report.map(Box::new),
                packed,
            }
        };
        if self.unacknowledged.is_empty() {
            self.shared.busy.fetch_add(1, Relaxed);
        }
        self.unacknowledged.push_back(publish.payload.len());
        self.unacknowledged_bytes += publish.payload.len();
        self.forward(message).await
    }

    async fn forward(&mut self, message: EngineMessage) -> Result<(), EndReason> {
        if self.shared.engine.send(message).await { Ok(()) } else { Err((EndCause::Stopping, String::new())) }
    }

    /// Takes what the engine sends down.
    fn put(&mut self, down: DownMessage) -> Result<(), EndReason> {
        match down {
            DownMessage::Committed { packets, payload, settled, pause_ms } => {
                let settled = settled.min(self.unacknowledged.len());
                self.unacknowledged_bytes -= self.unacknowledged.drain(..settled).sum::<usize>();
                if settled > 0 && self.unacknowledged.is_empty() {
                    self.shared.busy.fetch_sub(1, Relaxed);
                }
                self.slow = pause_ms > 0;
                self.paused_until = self.slow.then(|| Instant::now() + Duration::from_millis(pause_ms));
                for packet_id in packets.into_iter().filter_map(NonZeroU16::new) {
                    self.encode(Packet::PublishAck { packet_id });
                }
                self.put_message(DownKind::Committed, payload);
                Ok(())
            }
            DownMessage::Message(kind, payload) => {
                self.put_message(kind, payload);
                Ok(())
            }
            DownMessage::Close(cause) => Err((EndCause::ByEngine(cause), String::new())),
            // Signs of life are seen here.
            DownMessage::Pace(_) => Ok(()),
        }
    }

    fn put_message(&mut self, kind: DownKind, payload: Vec<u8>) {
        // A plain sensor asks for nothing, and is sent nothing.
        let Some(granted) = self.subscriptions.qos(kind) else { return };
        // A watermark covers all that came before it, and the connection loses nothing while it stands: to acknowledge each would
        // only cost both sides a packet a report.
        let (qos, packet_id) = if kind == DownKind::Committed || granted == QoS::AtMostOnce {
            (QoS::AtMostOnce, None)
        } else {
            let packet_id = NonZeroU16::new(self.next_packet);
            self.next_packet = self.next_packet.checked_add(1).unwrap_or(1);
            (QoS::AtLeastOnce, packet_id)
        };
        self.encode(Packet::Publish(Box::new(Publish {
            dup: false,
            retain: false,
            qos,
            topic: self.topics.down(kind.as_str()).into(),
            packet_id,
            payload: Bytes::from(payload),
            properties: None,
        })));
    }

    fn encode(&mut self, packet: Packet) {
        if let Err(error) = self.codec.encode(packet, &mut self.write) {
            tracing::error!(%error, "a packet cannot be encoded");
        }
    }

    async fn send(&mut self) -> Result<(), EndReason> {
        let bytes = std::mem::take(&mut self.write);
        match timeout(WRITE_TIMEOUT, self.stream.send(&bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err((EndCause::Closed, error.to_string())),
            Err(_) => Err((EndCause::WriteTimeout, self.device.to_string())),
        }
    }
}

/// How many messages of one connection may wait for their commit while so many connections have some that do.
fn share(busy: usize) -> usize {
    (UNACKNOWLEDGED_ALL / busy.max(1)).clamp(UNACKNOWLEDGED_MIN, UNACKNOWLEDGED_MAX)
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_send_much_the_less_of_each_waits() {
        assert_eq!([0, 1, 96, 192, 500, 768, 20_000].map(share), [64, 64, 64, 32, 12, 8, 8]);
    }
}
