//! One MQTT connection, from CONNECT to its end.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v3::{Codec, ConnectAck, ConnectAckReason, Packet, SubscribeReturnCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use tokio_rustls::server::TlsStream;
use tokio_util::codec::{Decoder as _, Encoder as _};

use ioc_common::codec;
use ioc_common::id::DeviceId;
use ioc_common::report::Renew;
use ioc_common::topic::{DownKind, UpKind};

use super::check::{CONNECT_MAX_BYTES, Own, PACKET_MAX_BYTES};
use super::endpoint::STAGE_TIMEOUT;
use crate::engine::{Down, Handle, LinkId, Message};
use crate::health::Health;
use crate::serve::stopped;
use crate::values;

/// Reading stops at this many messages that are not yet committed …
const UNACKNOWLEDGED_MAX: usize = 64;
/// … and at this many bytes of them, but for one message.
const UNACKNOWLEDGED_MAX_BYTES: usize = 1024 * 1024;
/// How long a write may take: a peer that does not read is cut off.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// First size of the read buffer; it is given back when a connection is idle.
const READ_BYTES: usize = 4096;
/// A device that asks for no keep-alive, or a very long one, is given this.
const KEEP_ALIVE_MAX_S: u16 = 600;

/// First byte of CONNECT.
const CONNECT_BYTE: u8 = 0x10;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) engine: Handle,
    pub(super) health: Arc<Health>,
    pub(super) stop: watch::Receiver<bool>,
}

/// A connection whose CONNECT was accepted.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    own: Own,
    device: DeviceId,
    link: LinkId,
    shared: Arc<Shared>,
    codec: Codec,
    read: BytesMut,
    write: BytesMut,
    down: mpsc::UnboundedReceiver<Down>,
    /// Sizes of the messages that the engine is not done with, with and without acknowledgement, and their sum.
    unacknowledged: VecDeque<usize>,
    unacknowledged_bytes: usize,
    /// The device brings too much: one message at a time, and none before then.
    slow: bool,
    paused_until: Option<Instant>,
    next_packet: u16,
    /// It asked to be sent something.
    subscribed: bool,
    idle: Duration,
}

/// Why a connection ended.
type End = (&'static str, String);

/// Waits for CONNECT, checks and answers it.
pub(super) async fn connect(
    mut stream: TlsStream<TcpStream>,
    (device, serial): (DeviceId, String),
    link: LinkId,
    peer: SocketAddr,
    shared: Arc<Shared>,
) -> Result<Connection, End> {
    let own = Own::new(device.clone());
    let mut codec = Codec::new(CONNECT_MAX_BYTES);
    let mut read = BytesMut::with_capacity(512);
    let first = async {
        loop {
            if let Some(found) = codec.decode(&mut read).map_err(|error| ("packet", error.to_string()))? {
                return Ok(found);
            }
            // What does not begin like CONNECT need not be waited for to its end.
            if read.first().is_some_and(|byte| *byte != CONNECT_BYTE) {
                return Err(("packet", "the first packet is not CONNECT".to_owned()));
            }
            match stream.read_buf(&mut read).await {
                Ok(0) => return Err(("closed", "before CONNECT".to_owned())),
                Ok(_) => {}
                Err(error) => return Err(("socket", error.to_string())),
            }
        }
    };
    let (packet, size) =
        timeout(STAGE_TIMEOUT, first).await.map_err(|_| ("connect_timeout", "no CONNECT".to_owned()))??;
    let Packet::Connect(connect) = packet else {
        return Err(("packet", "the first packet is not CONNECT".to_owned()));
    };
    let mut write = BytesMut::new();
    let mut answer = |return_code| {
        let _ = codec.encode(Packet::ConnectAck(ConnectAck { return_code, session_present: false }), &mut write);
        write.split()
    };
    if let Err(reason) = own.connect(&connect, size) {
        let code = match reason {
            "protocol" => ConnectAckReason::UnacceptableProtocolVersion,
            "client_id" => ConnectAckReason::IdentifierRejected,
            _ => ConnectAckReason::NotAuthorized,
        };
        let _ = timeout(WRITE_TIMEOUT, stream.write_all(&answer(code))).await;
        let _ = timeout(WRITE_TIMEOUT, stream.shutdown()).await;
        return Err((reason, format!("{device} with client ID {:?}", connect.client_id)));
    }
    let accepted = answer(ConnectAckReason::ConnectionAccepted);
    timeout(WRITE_TIMEOUT, stream.write_all(&accepted))
        .await
        .map_err(|_| ("write_timeout", "CONNACK".to_owned()))?
        .map_err(|error| ("socket", error.to_string()))?;
    codec.set_max_size(PACKET_MAX_BYTES);
    let keep_alive_s = match connect.keep_alive {
        0 => KEEP_ALIVE_MAX_S,
        asked => asked.min(KEEP_ALIVE_MAX_S),
    };
    let (sender, down) = mpsc::unbounded_channel();
    let opened = Message::Opened { link, device: device.clone(), serial, keep_alive_s, peer, sender };
    if !shared.engine.send(opened).await {
        return Err(("stopping", String::new()));
    }
    shared.health.connections.fetch_add(1, Relaxed);
    tracing::debug!(%device, %peer, keep_alive_s, "connected");
    // [MQTT-3.1.2-24]: one and a half times the keep-alive.
    let idle = Duration::from_millis(u64::from(keep_alive_s) * 1500);
    Ok(Connection {
        stream,
        own,
        device,
        link,
        shared,
        codec,
        read,
        write,
        down,
        unacknowledged: VecDeque::new(),
        unacknowledged_bytes: 0,
        slow: false,
        paused_until: None,
        next_packet: 1,
        subscribed: false,
        idle,
    })
}

impl Connection {
    /// Serves the connection until it ends.
    pub(super) async fn run(mut self) {
        let (reason, detail) = self.serve().await;
        self.shared.health.connections.fetch_sub(1, Relaxed);
        // What went beyond a budget was counted and said by the engine.
        if !matches!(reason, "disconnected" | "closed" | "stopping") && !reason.starts_with("budget_") {
            self.shared.health.refuse(reason);
            tracing::info!(device = %self.device, reason, detail, "connection ended");
        }
        let _ = timeout(Duration::from_secs(1), self.stream.shutdown()).await;
        self.shared.engine.send(Message::Closed { link: self.link, device: self.device }).await;
    }

    async fn serve(&mut self) -> End {
        let mut stop = self.shared.stop.clone();
        let mut deadline = Instant::now() + self.idle;
        loop {
            if self.paused_until.is_some_and(|until| until <= Instant::now()) {
                self.paused_until = None;
                deadline = Instant::now() + self.idle;
            }
            while self.may_read() {
                match self.codec.decode(&mut self.read) {
                    Ok(Some((packet, size))) => {
                        deadline = Instant::now() + self.idle;
                        if let Err(end) = self.take(packet, size).await {
                            return end;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return ("packet", error.to_string()),
                }
            }
            if !self.write.is_empty()
                && let Err(end) = self.send().await
            {
                return end;
            }
            if self.read.is_empty() && self.read.capacity() > READ_BYTES {
                self.read = BytesMut::new();
            }
            let (may_read, paused_until) = (self.may_read(), self.paused_until);
            if may_read && self.read.capacity() - self.read.len() < READ_BYTES / 4 {
                self.read.reserve(READ_BYTES);
            }
            tokio::select! {
                biased;
                down = self.down.recv() => {
                    let Some(down) = down else { return ("stopping", String::new()) };
                    if let Err(end) = self.put(down) {
                        return end;
                    }
                    while let Ok(more) = self.down.try_recv() {
                        if let Err(end) = self.put(more) {
                            return end;
                        }
                    }
                }
                received = self.stream.read_buf(&mut self.read), if may_read => match received {
                    Ok(0) => return ("closed", String::new()),
                    Ok(_) => {}
                    Err(error) => return ("closed", error.to_string()),
                },
                () = tokio::time::sleep_until(deadline), if may_read => {
                    return ("keep_alive", format!("nothing came for {} s", self.idle.as_secs()));
                }
                () = tokio::time::sleep_until(paused_until.unwrap_or(deadline)), if paused_until.is_some() => {}
                () = stopped(&mut stop) => return ("stopping", String::new()),
            }
        }
    }

    /// Whether there is room for another message.
    fn may_read(&self) -> bool {
        let most = if self.slow { 1 } else { UNACKNOWLEDGED_MAX };
        self.paused_until.is_none()
            && self.unacknowledged.len() < most
            && self.unacknowledged_bytes < UNACKNOWLEDGED_MAX_BYTES
    }

    /// Takes a packet from the device.
    async fn take(&mut self, packet: Packet, size: u32) -> Result<(), End> {
        match packet {
            Packet::Publish(publish) => self.publish(*publish).await,
            Packet::PingRequest if size == 0 => {
                self.encode(Packet::PingResponse);
                Ok(())
            }
            Packet::PublishAck { .. } => Ok(()),
            Packet::Subscribe { packet_id, topic_filters } => {
                Own::filters(&topic_filters).map_err(|reason| (reason, self.device.to_string()))?;
                let mut own_filters = true;
                let status = topic_filters
                    .iter()
                    .map(|(filter, _)| {
                        let own = self.own.subscribe(filter);
                        own_filters &= own;
                        if own { SubscribeReturnCode::Success(QoS::AtLeastOnce) } else { SubscribeReturnCode::Failure }
                    })
                    .collect();
                self.encode(Packet::SubscribeAck { packet_id, status });
                if !own_filters {
                    self.send().await?;
                    return Err(("subscribe", format!("{} to {topic_filters:?}", self.device)));
                }
                self.subscribed = true;
                let subscribed = Message::Subscribed { link: self.link, device: self.device.clone() };
                self.forward(subscribed).await
            }
            Packet::Unsubscribe { packet_id, .. } => {
                self.encode(Packet::UnsubscribeAck { packet_id });
                Ok(())
            }
            Packet::Disconnect => Err(("disconnected", String::new())),
            other => Err(("packet", format!("unexpected packet type {:#04x}", other.packet_type()))),
        }
    }

    async fn publish(&mut self, publish: Publish) -> Result<(), End> {
        let kind =
            self.own.publish(&publish).map_err(|reason| (reason, format!("{} to {:?}", self.device, publish.topic)))?;
        let packet = publish.packet_id.map(NonZeroU16::get);
        // Decoding copies: nothing holds on to the read buffer.
        let message = if kind == UpKind::Renew {
            let renew =
                codec::read_message::<Renew>(&publish.payload).map_err(|error| ("payload", error.to_string()))?;
            Message::Renew { link: self.link, device: self.device.clone(), packet, csr: renew.csr }
        } else if kind == UpKind::Values {
            let values = values::flatten(&publish.payload).map_err(|error| ("payload", error))?;
            Message::Values { link: self.link, device: self.device.clone(), packet, values }
        } else {
            let report = codec::open(kind, &publish.payload);
            if let Ok(report) = &report
                && report.envelope.device != self.device
            {
                return Err(("device", format!("{} reports as {}", self.device, report.envelope.device)));
            }
            let bytes = publish.payload.len();
            Message::Report {
                link: self.link,
                device: self.device.clone(),
                packet,
                bytes,
                report: report.map(Box::new),
            }
        };
        self.unacknowledged.push_back(publish.payload.len());
        self.unacknowledged_bytes += publish.payload.len();
        self.forward(message).await
    }

    async fn forward(&mut self, message: Message) -> Result<(), End> {
        if self.shared.engine.send(message).await { Ok(()) } else { Err(("stopping", String::new())) }
    }

    /// Takes what the engine sends down.
    fn put(&mut self, down: Down) -> Result<(), End> {
        match down {
            Down::Committed { packets, payload, settled, pause_ms } => {
                let settled = settled.min(self.unacknowledged.len());
                self.unacknowledged_bytes -= self.unacknowledged.drain(..settled).sum::<usize>();
                self.slow = pause_ms > 0;
                self.paused_until = self.slow.then(|| Instant::now() + Duration::from_millis(pause_ms));
                for packet_id in packets.into_iter().filter_map(NonZeroU16::new) {
                    self.encode(Packet::PublishAck { packet_id });
                }
                self.put_message(DownKind::Committed, payload);
                Ok(())
            }
            Down::Message(kind, payload) => {
                self.put_message(kind, payload);
                Ok(())
            }
            Down::Close(why) => Err((why, String::new())),
        }
    }

    fn put_message(&mut self, kind: DownKind, payload: Vec<u8>) {
        // A plain sensor asks for nothing, and is sent nothing.
        if !self.subscribed {
            return;
        }
        // A watermark covers all that came before it, and the link loses nothing while it stands: to acknowledge each would
        // only cost both sides a packet a report.
        let (qos, packet_id) = if kind == DownKind::Committed {
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
            topic: self.own.down(kind.as_str()).into(),
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

    async fn send(&mut self) -> Result<(), End> {
        let bytes = std::mem::take(&mut self.write);
        let written = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        match timeout(WRITE_TIMEOUT, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(("closed", error.to_string())),
            Err(_) => Err(("write_timeout", self.device.to_string())),
        }
    }
}
