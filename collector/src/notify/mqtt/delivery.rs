//! Publishes a message (MQTT 3.1.1, QoS 1).
//!
//! One connection per message: notices are rare, and a connection that is kept must be watched.

use rumqttc::{AsyncClient, ConnectReturnCode, Event, MqttOptions, Outgoing, Packet, QoS, TlsConfiguration, Transport};

use super::MqttChannel;
use crate::notify::{alertmanager, placeholder};
use ioc_engine::conversation::note;
use ioc_engine::http::{self, SendError};
use ioc_engine::notifier::Message;
use ioc_store::template::{as_line, fill};

/// Seconds between signs of life; a message takes less.
const KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(30);
/// How long connecting and each answer may take; below the keep-alive, so that silence ends here.
const ANSWER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(20);
/// How long a farewell may take.
const FAREWELL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);
/// Largest packet.
const PACKET_MAX_BYTES: usize = 256 * 1024;

pub(super) async fn send(channel: &MqttChannel, message: Message<'_>) -> Result<(), SendError> {
    let (host, port) = (&channel.host, channel.port);
    let why = |error: &dyn std::fmt::Display| format!("{host}:{port}: {error}");
    // A topic is for everyone: it names no person.
    let addressless = Message { address: "", ..message };
    let topic = fill(&channel.topic, &|name| placeholder::value(name, "", addressless), level);
    let body = alertmanager::body(message).to_string();
    // A name of its own for each message: a broker ends an older connection of the same name.
    let mut options = MqttOptions::new(format!("ioc-{}", message.key), host, port);
    options.set_keep_alive(KEEP_ALIVE).set_clean_session(true).set_max_packet_size(PACKET_MAX_BYTES, PACKET_MAX_BYTES);
    if let Some((user, file)) = &channel.login {
        options.set_credentials(user, http::secret(Some(file))?);
    }
    if channel.tls {
        let tls = http::client_config()?;
        options.set_transport(Transport::Tls(TlsConfiguration::Rustls(tls)));
    }
    note(|| format!("→ CONNECT {host}:{port}{}", if channel.tls { " (TLS)" } else { "" }));
    let (client, mut events) = AsyncClient::new(options, 4);
    client.publish(topic, QoS::AtLeastOnce, false, body).await.map_err(|error| SendError::away(why(&error)))?;
    // Once it is written the broker may have it, whether it says so or not.
    let mut written = false;
    let failed = |written: bool, why: String| if written { SendError::Unknown(why) } else { SendError::away(why) };
    loop {
        let Ok(event) = tokio::time::timeout(ANSWER_TIMEOUT, events.poll()).await else {
            return Err(failed(written, why(&format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()))));
        };
        match event {
            Ok(Event::Incoming(Packet::ConnAck(answer))) => note(|| format!("← CONNACK {:?}", answer.code)),
            Ok(Event::Incoming(Packet::PubAck(_))) => {
                note(|| "← PUBACK".to_owned());
                break;
            }
            Ok(Event::Outgoing(Outgoing::Publish(_))) => {
                note(|| "→ PUBLISH".to_owned());
                written = true;
            }
            Ok(_) => {}
            Err(rumqttc::ConnectionError::ConnectionRefused(ConnectReturnCode::ServiceUnavailable)) => {
                return Err(SendError::away(why(&"the broker takes nothing now")));
            }
            Err(rumqttc::ConnectionError::ConnectionRefused(code)) => {
                return Err(SendError::Never(why(&format!("the broker refuses us: {code:?}"))));
            }
            Err(error) => return Err(failed(written, why(&error))),
        }
    }
    // It is there; a farewell that is lost changes nothing.
    let _ = client.disconnect().await;
    let _ = tokio::time::timeout(FAREWELL_TIMEOUT, events.poll()).await;
    Ok(())
}

/// One level of a topic: without what structures topics. A topic that begins with `$` is the broker's own.
fn level(text: &str) -> String {
    as_line(text)
        .trim_start_matches('$')
        .chars()
        .map(|c| if c.is_control() || "/+#".contains(c) { '-' } else { c })
        .collect()
}
