//! A plain MQTT client on the real wire, with nothing between a test and the bytes.

use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::{Bytes, BytesMut};
use ioc_common::codec;
use ioc_common::report::{Committed, Position};
use ioc_common::topic::{DownKind, Topic, TopicKind, UpKind};
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v3::{Codec, Connect, ConnectAckReason, LastWill, Packet};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::codec::{Decoder as _, Encoder as _};

use crate::identity::Identity;

/// How long anything may take: several times what it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the collector may leave a connection open that it should close.
const CLOSED_WITHIN: Duration = Duration::from_secs(15);

/// A connection of a simulated device.
pub struct Link {
    stream: TlsStream<TcpStream>,
    codec: Codec,
    read: BytesMut,
    write: BytesMut,
    identity: Identity,
    next_packet: u16,
}

/// A packet of the collector, or the message in it.
#[derive(Debug)]
pub enum Heard {
    /// A watermark.
    Committed(Committed),
    /// Anything else of ours.
    Other(DownKind, Bytes),
    /// A packet of the protocol.
    Packet(Packet),
}

impl Link {
    /// Opens TCP and TLS only.
    ///
    /// # Errors
    /// When TCP, TLS or the CONNECT fails or takes too long, with what the collector answered.
    pub async fn tls(identity: &Identity) -> anyhow::Result<Self> {
        let (host, port) = ioc_common::address::split_address(&identity.mqtt).map_err(anyhow::Error::msg)?;
        let tcp = match identity.source {
            None => TcpStream::connect((host.as_str(), port)).await?,
            Some(source) => {
                let socket = TcpSocket::new_v4()?;
                socket.bind((source, 0).into())?;
                socket.connect((Ipv4Addr::LOCALHOST, port).into()).await?
            }
        };
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(host)?;
        let stream = tokio::time::timeout(PATIENCE, TlsConnector::from(identity.tls()?).connect(name, tcp)).await??;
        Ok(Self {
            stream,
            codec: Codec::new(0),
            read: BytesMut::new(),
            write: BytesMut::new(),
            identity: identity.clone(),
            next_packet: 1,
        })
    }

    /// Opens a connection as an agent does: CONNECT with a last will, SUBSCRIBE, and waits for the watermark.
    ///
    /// # Errors
    /// When TCP, TLS or the CONNECT fails or takes too long, with what the collector answered.
    pub async fn open(identity: &Identity, keep_alive_s: u16) -> anyhow::Result<(Self, Position)> {
        let mut link = Self::subscribed(identity, keep_alive_s).await?;
        let mut subscribed = false;
        loop {
            match link.hear().await? {
                Heard::Packet(Packet::SubscribeAck { .. }) => subscribed = true,
                Heard::Committed(Committed { position, .. }) if subscribed => return Ok((link, position)),
                other => bail!("no watermark but {other:?}"),
            }
        }
    }

    /// The same at a broker, which has no watermark to tell.
    ///
    /// # Errors
    /// When TCP, TLS or the CONNECT fails or takes too long, with what the broker answered.
    pub async fn open_at_broker(identity: &Identity, keep_alive_s: u16) -> anyhow::Result<Self> {
        let mut link = Self::subscribed(identity, keep_alive_s).await?;
        match link.hear().await? {
            Heard::Packet(Packet::SubscribeAck { .. }) => Ok(link),
            other => bail!("no SUBACK but {other:?}"),
        }
    }

    async fn subscribed(identity: &Identity, keep_alive_s: u16) -> anyhow::Result<Self> {
        let mut link = Self::tls(identity).await?;
        let gone = Topic::up(identity.device.clone(), UpKind::Gone).to_string();
        let connect = Connect {
            clean_session: true,
            keep_alive: keep_alive_s,
            client_id: identity.device.as_str().to_owned().into(),
            last_will: Some(LastWill {
                qos: QoS::AtLeastOnce,
                retain: false,
                topic: gone.into(),
                message: Bytes::from_static(b"{}"),
            }),
            ..Default::default()
        };
        link.send(connect.into()).await?;
        match link.hear().await? {
            Heard::Packet(Packet::ConnectAck(ack)) if ack.return_code == ConnectAckReason::ConnectionAccepted => {}
            other => bail!("no CONNACK but {other:?}"),
        }
        let filter = Topic::down_filter(&identity.device);
        let packet_id = NonZeroU16::MIN;
        link.send(Packet::Subscribe { packet_id, topic_filters: vec![(filter.into(), QoS::AtLeastOnce)] }).await?;
        Ok(link)
    }

    /// Sends a packet.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn send(&mut self, packet: Packet) -> anyhow::Result<()> {
        self.queue(packet)?;
        self.flush().await
    }

    /// Puts a packet beside others, to be sent together.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn queue(&mut self, packet: Packet) -> anyhow::Result<()> {
        self.codec.encode(packet, &mut self.write).map_err(|error| anyhow::anyhow!("{error}"))
    }

    /// Sends what was put beside.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn flush(&mut self) -> anyhow::Result<()> {
        let bytes = self.write.split();
        self.send_raw(&bytes).await
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// The next packet as it came, header included.
    ///
    /// # Errors
    /// When the connection is closed, or nothing comes.
    pub async fn hear_raw(&mut self) -> anyhow::Result<Vec<u8>> {
        let read = async {
            loop {
                let length: usize = match self.read.as_ref() {
                    [_, low, ..] if low & 0x80 == 0 => usize::from(*low) + 2,
                    [_, low, high, ..] => (usize::from(*low & 0x7f) | usize::from(*high) << 7) + 3,
                    _ => usize::MAX,
                };
                if self.read.len() >= length {
                    return Ok(self.read.split_to(length).to_vec());
                }
                if self.stream.read_buf(&mut self.read).await? == 0 {
                    bail!("closed by the collector");
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.context("nothing came")?
    }

    /// A PUBLISH with QoS 1 on a topic of this device.
    #[must_use]
    pub fn publish(&mut self, kind: UpKind, payload: Vec<u8>) -> Packet {
        let topic = Topic::up(self.identity.device.clone(), kind).to_string();
        self.publish_on(&topic, payload, QoS::AtLeastOnce)
    }

    /// A PUBLISH on any topic.
    #[must_use]
    pub fn publish_on(&mut self, topic: &str, payload: Vec<u8>, qos: QoS) -> Packet {
        self.next_packet = self.next_packet.checked_add(1).unwrap_or(1);
        let packet_id = NonZeroU16::new(self.next_packet).filter(|_| qos != QoS::AtMostOnce);
        let topic = topic.to_owned().into();
        Packet::Publish(Box::new(Publish {
            dup: false,
            retain: false,
            qos,
            topic,
            packet_id,
            payload: payload.into(),
            properties: None,
        }))
    }

    /// The next thing that comes, within the patience of a test.
    ///
    /// # Errors
    /// When the connection is closed, or nothing comes.
    pub async fn hear(&mut self) -> anyhow::Result<Heard> {
        tokio::time::timeout(PATIENCE, self.hear_long()).await.context("nothing came")?
    }

    /// The next thing that comes, however long it takes. Safe to be cancelled.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn hear_long(&mut self) -> anyhow::Result<Heard> {
        loop {
            if let Some((packet, _)) = self.codec.decode(&mut self.read).map_err(|error| anyhow::anyhow!("{error}"))? {
                let Packet::Publish(publish) = packet else { return Ok(Heard::Packet(packet)) };
                if let Some(packet_id) = publish.packet_id {
                    // Sent with the next flush: an acknowledgement alone need not travel at once.
                    self.queue(Packet::PublishAck { packet_id })?;
                }
                let topic: Topic = publish.topic.parse()?;
                return match topic.kind {
                    TopicKind::Down(DownKind::Committed) => {
                        Ok(Heard::Committed(codec::read_message(&publish.payload)?))
                    }
                    TopicKind::Down(kind) => Ok(Heard::Other(kind, publish.payload)),
                    TopicKind::Up(_) => bail!("the collector published on {}", publish.topic),
                };
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                bail!("closed by the collector");
            }
        }
    }

    /// Waits until everything up to `position` is committed.
    ///
    /// # Errors
    /// When the connection is closed, or it takes too long.
    pub async fn committed(&mut self, position: Position) -> anyhow::Result<Committed> {
        loop {
            if let Heard::Committed(committed) = self.hear().await?
                && (committed.position >= position || committed.refused.is_some())
            {
                return Ok(committed);
            }
        }
    }

    /// Whether the collector closes this connection in time.
    pub async fn is_closed(&mut self) -> bool {
        let drained = async { while self.hear_long().await.is_ok() {} };
        tokio::time::timeout(CLOSED_WITHIN, drained).await.is_ok()
    }
}
