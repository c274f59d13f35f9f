//! Syslog over UDP: a line for each notice in somebody's log.

mod delivery;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Deserialize;

use ioc_common::config::{ConfigError, Spanned, Table};

use ioc_engine::config::{ConfigContext, ConnectorKind};
use ioc_engine::http::SendError;
use ioc_engine::notifier::{Message, Notifier};

pub(super) const KIND: ConnectorKind<dyn Notifier> =
    ConnectorKind { name: "syslog", required: &["server"], optional: &[], check };

#[derive(Deserialize)]
struct SyslogKeys {
    server: Spanned<String>,
}

#[derive(Debug)]
struct SyslogChannel {
    /// Host and port.
    server: String,
}

fn check(context: &ConfigContext<'_>, keys: Table<'_>) -> Result<Arc<dyn Notifier>, ConfigError> {
    let form: SyslogKeys = keys.read()?;
    context.host_port(&form.server, "log.example:514")?;
    Ok(Arc::new(SyslogChannel { server: form.server.into_inner() }))
}

impl Notifier for SyslogChannel {
    fn target(&self) -> String {
        self.server.clone()
    }

    fn notify<'m>(&'m self, message: Message<'m>) -> BoxFuture<'m, Result<(), SendError>> {
        Box::pin(delivery::send(&self.server, message))
    }
}

#[cfg(test)]
mod tests {
    use crate::notify::testing::fault;

    #[test]
    fn its_server_has_a_port() {
        let log = fault("[[channel]]\nname = \"log\"\ntype = \"syslog\"\nserver = \"log\"\n");
        assert!(log.line == 4 && log.mend.contains(":514"), "{log}");
    }
}
