//! One connection to the broker: rumqttc in a task of its own, a fresh client for each, so that nothing of one comes into the next.
//!
//! Its session at the broker is kept there, under our client identifier: what is not acknowledged comes again, to whoever connects under it.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, MqttOptions, Packet, Publish, QoS, StateError,
    SubscribeReasonCode, TlsConfiguration, Transport,
};
use rustls::ClientConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

use ioc_common::codec::DOWN_MAX_BYTES;
use ioc_common::topic::{MAJOR, ROOT};

use super::sessions::PacketRef;

/// Largest packet that is read. Devices may send a quarter of a megabyte; a broker that lets more through has it refused here, one by one, and
/// above this no packet can be told from an attack.
const PACKET_MAX_BYTES: usize = 8 * 1024 * 1024;
/// How long a connection may take, TLS and CONNACK included.
const CONNECT_TIMEOUT_S: u64 = 10;
/// Acknowledgements and messages down that may wait to be written: more than any broker leaves unacknowledged, twice.
const REQUESTS_MAX: usize = 160_000;
/// Messages down that the broker has not acknowledged yet.
const DOWN_INFLIGHT_MAX: u16 = 1000;
/// What may wait for the engine while it cannot commit, KiB; then the broker is not read.
const WAITING_MAX_KIB: usize = 64 * 1024;
/// How long a farewell may take.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// What is needed for a connection.
#[derive(Debug, Clone)]
pub(super) struct LinkOptions {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) client_id: String,
    pub(super) keep_alive: Duration,
    pub(super) tls: Arc<ClientConfig>,
    /// Which link it is, counted from the first.
    pub(super) number: u64,
}

/// What happened on the link.
#[derive(Debug)]
pub(super) enum LinkEvent {
    /// Connected, and whether the broker still had our session.
    Opened {
        /// It did: what was not acknowledged comes again.
        resumed: bool,
    },
    /// A message, and the room that it takes until it is dropped.
    Message(Publish, OwnedSemaphorePermit),
    /// The link is closed, and why.
    Closed(String),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    client: AsyncClient,
    events: mpsc::UnboundedReceiver<LinkEvent>,
    task: JoinHandle<()>,
    number: u64,
}

impl Link {
    /// Starts to connect. The outcome comes as an event.
    pub(super) fn open(options: LinkOptions) -> Self {
        let mut mqtt = MqttOptions::new(&options.client_id, &options.host, options.port);
        mqtt.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(options.tls)));
        mqtt.set_clean_session(false);
        mqtt.set_manual_acks(true);
        mqtt.set_keep_alive(options.keep_alive);
        mqtt.set_max_packet_size(PACKET_MAX_BYTES, DOWN_MAX_BYTES + 1024);
        mqtt.set_inflight(DOWN_INFLIGHT_MAX);
        let (client, mut event_loop) = AsyncClient::new(mqtt, REQUESTS_MAX);
        let mut network = rumqttc::NetworkOptions::new();
        network.set_connection_timeout(CONNECT_TIMEOUT_S);
        network.set_tcp_nodelay(true);
        event_loop.set_network_options(network);
        let (sender, events) = mpsc::unbounded_channel();
        let subscriber = client.clone();
        let room = Arc::new(Semaphore::new(WAITING_MAX_KIB));
        let mut resumed = false;
        let task = tokio::spawn(async move {
            loop {
                let event = match event_loop.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(acknowledged))) => {
                        resumed = acknowledged.session_present;
                        let filter = format!("{ROOT}/{MAJOR}/+/+/up/+");
                        match subscriber.try_subscribe(filter, QoS::AtLeastOnce) {
                            Ok(()) => continue,
                            Err(error) => LinkEvent::Closed(error.to_string()),
                        }
                    }
                    Ok(Event::Incoming(Packet::SubAck(granted))) => match granted.return_codes.first() {
                        Some(SubscribeReasonCode::Success(QoS::AtLeastOnce | QoS::ExactlyOnce)) => {
                            LinkEvent::Opened { resumed }
                        }
                        refused => LinkEvent::Closed(format!(
                            "the broker does not let us subscribe to {ROOT}/{MAJOR}/+/+/up/+ with QoS 1 ({refused:?}); mend: see config/brokers"
                        )),
                    },
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let kib = u32::try_from(publish.payload.len() / 1024 + 1).unwrap_or(u32::MAX);
                        let Ok(room) = Arc::clone(&room).acquire_many_owned(kib).await else { return };
                        LinkEvent::Message(publish, room)
                    }
                    Ok(Event::Incoming(Packet::Disconnect)) => LinkEvent::Closed("the broker said goodbye".to_owned()),
                    Ok(_) => continue,
                    Err(error) => LinkEvent::Closed(why(&error)),
                };
                let last = matches!(event, LinkEvent::Closed(_));
                if sender.send(event).is_err() || last {
                    return;
                }
            }
        });
        Self { client, events, task, number: options.number }
    }

    /// The next event. None only after the last one.
    pub(super) async fn next(&mut self) -> Option<LinkEvent> {
        self.events.recv().await
    }

    /// Which link it is.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Acknowledges a message that came on this link. False when it has no room: the link is then stuck.
    pub(super) fn acknowledge(&self, packet: PacketRef) -> bool {
        if packet.link != self.number {
            // It came on an earlier one, and comes again.
            return true;
        }
        let mut publish = Publish::new("", QoS::AtLeastOnce, Vec::new());
        publish.pkid = packet.packet;
        self.client.try_ack(&publish).is_ok()
    }

    /// Sends a message. False when it has no room.
    pub(super) fn publish(&self, topic: String, qos: QoS, payload: Vec<u8>) -> bool {
        self.client.try_publish(topic, qos, false, payload).is_ok()
    }

    /// Says goodbye and closes.
    pub(super) async fn close(mut self) {
        let _ = self.client.try_disconnect();
        let drained = async { while self.events.recv().await.is_some() {} };
        let _ = tokio::time::timeout(FAREWELL_TIMEOUT, drained).await;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why there is no link, with the mend where there is one.
fn why(error: &ConnectionError) -> String {
    let mend = match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::NotAuthorized | ConnectReturnCode::BadUserNamePassword,
        ) => "the broker does not know our certificate as that of a user; see config/brokers",
        ConnectionError::ConnectionRefused(ConnectReturnCode::BadClientId) => {
            "the broker does not take our client identifier; see client_id in [ingest.broker]"
        }
        ConnectionError::MqttState(StateError::Deserialization(rumqttc::Error::PayloadSizeLimitExceeded(_))) => {
            "the broker let a packet of more than 8 MiB through; limit packets there to 300 kB (message_size_limit of Mosquitto, \
             max_message_size of RabbitMQ), and end our session there once (see docs/scale.md)"
        }
        ConnectionError::Tls(_) => {
            "see whether the authorities of both sides know each other: authority_file in [ingest.broker]"
        }
        _ => return error.to_string(),
    };
    format!("{error}; mend: {mend}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_says_the_mend() {
        let refused = |code| why(&ConnectionError::ConnectionRefused(code));
        assert!(refused(ConnectReturnCode::NotAuthorized).contains("config/brokers"));
        assert!(refused(ConnectReturnCode::BadClientId).contains("client_id"));
        assert!(!refused(ConnectReturnCode::ServiceUnavailable).contains("mend"));
        let large = StateError::Deserialization(rumqttc::Error::PayloadSizeLimitExceeded(9_000_000));
        assert!(why(&ConnectionError::MqttState(large)).contains("max_message_size"));
    }
}
