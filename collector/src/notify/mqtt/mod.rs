//! A message to another broker, with the webhook's body: for whoever listens there.

mod delivery;

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Deserialize;

use ioc_common::config::{ConfigError, Spanned, Table};

use super::placeholder::PLACEHOLDERS;
use ioc_engine::config::{ConfigContext, ConnectorKind};
use ioc_engine::http::SendError;
use ioc_engine::notifier::{Message, Notifier};

pub(super) const KIND: ConnectorKind<dyn Notifier> =
    ConnectorKind { name: "mqtt", required: &["server", "topic"], optional: &["tls", "user", "password_file"], check };

/// Longest topic.
const TOPIC_MAX_BYTES: usize = 1000;

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum MqttTls {
    None,
    Starttls,
    Tls,
}

#[derive(Deserialize)]
struct MqttKeys {
    server: Spanned<String>,
    topic: Spanned<String>,
    tls: Option<MqttTls>,
    user: Option<String>,
    #[serde(default, deserialize_with = "ioc_common::config::secret_file_if")]
    password_file: Option<PathBuf>,
}

/// A topic at a broker that is not ours.
#[derive(Debug)]
struct MqttChannel {
    host: String,
    port: u16,
    /// Whether the connection is TLS; the broker's certificate is then checked against what this machine trusts.
    tls: bool,
    /// The topic; values are put in without what structures topics.
    topic: String,
    /// User and the file with the password.
    login: Option<(String, PathBuf)>,
}

fn check(context: &ConfigContext<'_>, keys: Table<'_>) -> Result<Arc<dyn Notifier>, ConfigError> {
    let form: MqttKeys = keys.read()?;
    let (host, port) = context.host_port(&form.server, "broker.example:8883")?;
    let topic = form.topic.get_ref();
    context.check_placeholders(topic, &PLACEHOLDERS, form.topic.span())?;
    if topic.is_empty() || topic.contains(['+', '#']) || topic.len() > TOPIC_MAX_BYTES {
        let message =
            format!("found topic {topic:?}; allowed is a name of up to {TOPIC_MAX_BYTES} bytes without + and #");
        return Err(context.fault(form.topic.span(), &message, "write it like \"ioc/notices/{{severity}}\""));
    }
    let tls = match form.tls {
        None | Some(MqttTls::Tls) => true,
        Some(MqttTls::None) => false,
        Some(MqttTls::Starttls) => return Err(context.lacks("tls = \"tls\" or \"none\" (MQTT has no starttls)")),
    };
    let login = context.login(form.user, form.password_file)?;
    Ok(Arc::new(MqttChannel { host, port, tls, topic: form.topic.into_inner(), login }))
}

impl Notifier for MqttChannel {
    fn target(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn notify<'m>(&'m self, message: Message<'m>) -> BoxFuture<'m, Result<(), SendError>> {
        Box::pin(delivery::send(self, message))
    }
}

#[cfg(test)]
mod tests {
    use crate::notify::testing::{channel, fault};

    const BUS: &str =
        "[[channel]]\nname = \"bus\"\ntype = \"mqtt\"\nserver = \"broker:8883\"\ntopic = \"ioc/{{severity}}\"\n";

    #[test]
    fn its_topic_is_one_and_there_is_no_starttls() {
        assert_eq!(channel(BUS).notifier.target(), "broker:8883");
        let topic = fault(&BUS.replace("{{severity}}", "#"));
        assert!(topic.line == 5 && topic.message.contains("without + and #"), "{topic}");
        assert!(fault(&BUS.replace("severity", "level")).message.contains("level"));
        assert!(fault(&format!("{BUS}tls = \"starttls\"\n")).message.contains("MQTT has no starttls"));
    }
}
