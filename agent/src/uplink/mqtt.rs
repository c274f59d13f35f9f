//! The MQTT driver: one fresh rumqttc client per connection, with a clean session, in a task of its own.
//!
//! rumqttc 0.25.1 wedges or drops its queue when a client outlives its connection; so a client
//! is made, used for one connection and thrown away. Nothing is queued in it that is not in the backlog.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, LastWill, MqttOptions, Packet, Proxy, ProxyAuth, ProxyType, QoS, Transport};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use ioc_common::codec::{DOWN_MAX_BYTES, PAYLOAD_MAX_BYTES};
use ioc_common::id::DeviceId;
use ioc_common::topic::{DownKind, Topic, TopicKind, UpKind};

use super::session::WINDOW;

/// How long a connection may take, TLS and CONNACK included.
const CONNECT_TIMEOUT_S: u64 = 10;
/// Requests that may wait in the client: the window, the subscription, a renewal, the goodbye.
const REQUESTS_MAX: usize = WINDOW + 8;
/// Events that may wait for the main loop.
const EVENTS_MAX: usize = 64;
/// Room for packets that rumqttc has read and not yet given out, until more come: it reads ten at once and makes room for a hundred.
const PACKETS: usize = 12;

/// Where and how to connect.
#[derive(Debug, Clone)]
pub struct LinkOptions {
    /// This agent's device: client ID, and part of each topic.
    pub device: DeviceId,
    /// Host of the endpoint.
    pub host: String,
    /// Port of the endpoint.
    pub port: u16,
    /// The longest time without a packet from the agent. The collector counts one and a half of it as silence.
    pub keep_alive: Duration,
    /// The agent's certificate, and the authorities that may have issued the collector's.
    pub tls: Arc<rustls::ClientConfig>,
    /// The HTTP proxy through which it is reached (CONNECT); TLS goes through it whole.
    pub proxy: Option<HttpProxy>,
}

/// An HTTP proxy that passes connections on.
#[derive(Clone)]
pub struct HttpProxy {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password, where it asks for them (basic).
    pub login: Option<(String, String)>,
}

impl std::fmt::Debug for HttpProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpProxy").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// What happened on the link.
#[derive(Debug)]
pub enum LinkEvent {
    /// Connected, and subscribed to what is sent down.
    Opened,
    /// A message came down.
    Down(DownKind, Vec<u8>),
    /// The link is closed, and why.
    Closed(String),
}

/// One connection. It is never reused: a broken link is dropped and a new one opened (docs/decisions/0005-mqtt-libraries.md).
#[derive(Debug)]
pub struct MqttLink {
    client: AsyncClient,
    device: DeviceId,
    events: mpsc::Receiver<LinkEvent>,
    /// Reports alone keep the connection alive.
    pings_suppressed: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl MqttLink {
    /// Starts to connect. The outcome comes as an event.
    #[must_use]
    pub fn open(options: &LinkOptions) -> Self {
        let mut mqtt = MqttOptions::new(options.device.as_str(), &options.host, options.port);
        mqtt.set_transport(Transport::tls_with_config(rumqttc::TlsConfiguration::Rustls(Arc::clone(&options.tls))));
        if let Some(HttpProxy { host, port, login }) = options.proxy.clone() {
            let auth = match login {
                Some((username, password)) => ProxyAuth::Basic { username, password },
                None => ProxyAuth::None,
            };
            mqtt.set_proxy(Proxy { ty: ProxyType::Http, auth, addr: host, port });
        }
        mqtt.set_clean_session(true);
        mqtt.set_keep_alive(options.keep_alive);
        mqtt.set_max_packet_size(DOWN_MAX_BYTES + 1024, PAYLOAD_MAX_BYTES + 1024);
        mqtt.set_request_channel_capacity(REQUESTS_MAX);
        mqtt.set_inflight(u16::try_from(REQUESTS_MAX).unwrap_or(u16::MAX));
        let gone = Topic::up(options.device.clone(), UpKind::Gone).to_string();
        mqtt.set_last_will(LastWill::new(gone, b"{}".to_vec(), QoS::AtLeastOnce, false));
        let (client, mut event_loop) = AsyncClient::new(mqtt, REQUESTS_MAX);
        let mut network = rumqttc::NetworkOptions::new();
        network.set_connection_timeout(CONNECT_TIMEOUT_S);
        network.set_tcp_nodelay(true);
        event_loop.set_network_options(network);
        event_loop.state.events.shrink_to(PACKETS);
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let filter = Topic::down_filter(&options.device);
        let subscriber = client.clone();
        let pings_suppressed = Arc::new(AtomicBool::new(false));
        let (suppressed, keep_alive, mut connected) = (Arc::clone(&pings_suppressed), options.keep_alive, false);
        let task = tokio::spawn(async move {
            loop {
                // rumqttc pings whether or not anything else was sent; it was told of the keep-alive for CONNECT, and pings no more
                // while it is zero. Its own timer stays, and rings at once should pings be wanted again.
                if connected {
                    let pings = if suppressed.load(Relaxed) { Duration::ZERO } else { keep_alive };
                    event_loop.mqtt_options.set_keep_alive(pings);
                }
                let event = match event_loop.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        connected = true;
                        if let Err(error) = subscriber.try_subscribe(&filter, QoS::AtLeastOnce) {
                            let _ = sender.send(LinkEvent::Closed(error.to_string())).await;
                            return;
                        }
                        continue;
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => LinkEvent::Opened,
                    Ok(Event::Incoming(Packet::Publish(publish))) => match publish.topic.parse::<Topic>() {
                        Ok(Topic { kind: TopicKind::Down(kind), .. }) => {
                            LinkEvent::Down(kind, publish.payload.to_vec())
                        }
                        _ => continue,
                    },
                    Ok(Event::Incoming(Packet::Disconnect)) => {
                        LinkEvent::Closed("the collector said goodbye".to_owned())
                    }
                    Ok(_) => continue,
                    Err(error) => LinkEvent::Closed(error.to_string()),
                };
                let last = matches!(event, LinkEvent::Closed(_));
                if sender.send(event).await.is_err() || last {
                    return;
                }
            }
        });
        Self { client, device: options.device.clone(), events, pings_suppressed, task }
    }

    /// Sends no pings while reports alone keep the connection alive: at least two within each keep-alive. Takes effect with the next
    /// packet, so that one must follow where pings are to be sent again.
    pub fn suppress_pings(&self, suppress: bool) {
        self.pings_suppressed.store(suppress, Relaxed);
    }

    /// The next event. None only after the last one.
    pub async fn next(&mut self) -> Option<LinkEvent> {
        self.events.recv().await
    }

    /// Hands a payload to the client. False when it has no room: the link is then stuck.
    #[must_use]
    pub fn publish(&self, kind: UpKind, payload: Vec<u8>) -> bool {
        let topic = Topic::up(self.device.clone(), kind).to_string();
        self.client.try_publish(topic, QoS::AtLeastOnce, false, payload).is_ok()
    }

    /// Says goodbye to the broker and closes.
    pub async fn close(mut self) {
        let _ = self.client.try_disconnect();
        let drained = async { while self.events.recv().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), drained).await;
        self.task.abort();
    }
}

impl Drop for MqttLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}
