//! Webhook: HTTP POST with Alertmanager's body, version 4, so that whatever takes Alertmanager's takes ours.
//! <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>

mod delivery;

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Deserialize;

use ioc_common::config::{ConfigError, Spanned, Table};

use super::{address_of, host_of};
use ioc_engine::config::{ConfigContext, ConnectorKind};
use ioc_engine::http::SendError;
use ioc_engine::notifier::{Message, Notifier};

pub(super) const KIND: ConnectorKind<dyn Notifier> =
    ConnectorKind { name: "webhook", required: &["url"], optional: &["secret_file"], check };

#[derive(Deserialize)]
struct WebhookKeys {
    url: Spanned<String>,
    #[serde(default, deserialize_with = "ioc_common::config::secret_file_if")]
    secret_file: Option<PathBuf>,
}

#[derive(Debug)]
struct WebhookChannel {
    url: String,
    /// File with the secret for the signature.
    secret_file: Option<PathBuf>,
}

fn check(context: &ConfigContext<'_>, keys: Table<'_>) -> Result<Arc<dyn Notifier>, ConfigError> {
    let form: WebhookKeys = keys.read()?;
    Ok(Arc::new(WebhookChannel { url: context.whole_url(form.url)?, secret_file: form.secret_file }))
}

impl Notifier for WebhookChannel {
    fn target(&self) -> String {
        host_of(&self.url)
    }

    fn server(&self) -> Result<Option<(String, u16)>, String> {
        address_of(&self.url).map(Some).ok_or_else(|| format!("{:?} names no host", self.url))
    }

    fn notify<'m>(&'m self, message: Message<'m>) -> BoxFuture<'m, Result<(), SendError>> {
        Box::pin(delivery::send(self, message))
    }
}

#[cfg(test)]
mod tests {
    use crate::notify::testing::fault;

    #[test]
    fn its_url_is_whole() {
        let hook = fault("[[channel]]\nname = \"hook\"\ntype = \"webhook\"\nurl = \"ftp://x\"\n");
        assert!(hook.line == 4 && hook.message.contains("https"), "{hook}");
    }
}
