//! E-mail: to the recipients that stand in the channel, or else to the addresses of people.

mod delivery;

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use lettre::message::Mailbox;
use serde::Deserialize;

use ioc_common::config::{ConfigError, Spanned, Table};

use ioc_engine::config::{ConfigContext, ConnectorKind};
use ioc_engine::http::SendError;
use ioc_engine::notifier::{Message, Notifier};

pub(super) const KIND: ConnectorKind<dyn Notifier> = ConnectorKind {
    name: "smtp",
    required: &["server", "from"],
    optional: &["to", "tls", "user", "password_file"],
    check,
};

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SmtpTls {
    /// Not at all: only for a server on this machine.
    None,
    /// Begins in the clear, then TLS is required.
    Starttls,
    /// TLS from the start.
    Tls,
}

#[derive(Deserialize)]
struct SmtpKeys {
    server: Spanned<String>,
    from: Spanned<String>,
    #[serde(default)]
    to: Vec<Spanned<String>>,
    tls: Option<SmtpTls>,
    user: Option<String>,
    #[serde(default, deserialize_with = "ioc_common::config::secret_file_if")]
    password_file: Option<PathBuf>,
}

#[derive(Debug)]
struct SmtpChannel {
    host: String,
    port: u16,
    tls: SmtpTls,
    from: String,
    to: Vec<String>,
    /// User and the file with the password.
    login: Option<(String, PathBuf)>,
}

fn check(context: &ConfigContext<'_>, keys: Table<'_>) -> Result<Arc<dyn Notifier>, ConfigError> {
    let form: SmtpKeys = keys.read()?;
    let (host, port) = context.host_port(&form.server, "mail.example:587")?;
    let login = context.login(form.user, form.password_file)?;
    let tls = form.tls.unwrap_or(SmtpTls::Starttls);
    for mailbox in form.to.iter().chain(std::iter::once(&form.from)) {
        mailbox.get_ref().parse::<Mailbox>().map_err(|_| {
            let message = format!("found {:?}; allowed are addresses of mailboxes", mailbox.get_ref());
            context.fault(mailbox.span(), &message, "write it like \"duty@example.gov.vn\"")
        })?;
    }
    let to = form.to.into_iter().map(Spanned::into_inner).collect();
    Ok(Arc::new(SmtpChannel { host, port, tls, from: form.from.into_inner(), to, login }))
}

impl Notifier for SmtpChannel {
    fn target(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn needs_address(&self) -> bool {
        self.to.is_empty()
    }

    fn is_read_by_people(&self) -> bool {
        true
    }

    fn server(&self) -> Result<Option<(String, u16)>, String> {
        Ok(Some((self.host.clone(), self.port)))
    }

    fn notify<'m>(&'m self, message: Message<'m>) -> BoxFuture<'m, Result<(), SendError>> {
        Box::pin(delivery::send(self, message))
    }
}

#[cfg(test)]
mod tests {
    use crate::notify::testing::{channel, fault};

    const MAIL: &str = "[[channel]]\nname = \"mail\"\ntype = \"smtp\"\nserver = \"mail\"\nfrom = \"x@y\"\n";

    #[test]
    fn its_server_has_a_port() {
        let mail = fault(MAIL);
        assert!(mail.line == 4 && mail.mend.contains(":587"), "{mail}");
    }

    #[test]
    fn what_is_no_mailbox_is_told_at_its_place() {
        let good = MAIL.replace("mail\"\nfrom", "mail:25\"\nfrom");
        let wrong = fault(&format!("{good}to = [\"z@y\", \"lan at example\"]\n"));
        assert!(wrong.line == 6 && wrong.column > 10 && wrong.mend.contains("duty@"), "{wrong}");
        let from = fault(&good.replace("x@y", "x"));
        assert!(from.line == 5 && from.mend.contains("duty@"), "{from}");
    }

    #[test]
    fn without_recipients_it_is_for_people_and_cannot_carry_every_notice() {
        let good = MAIL.replace("mail\"\nfrom", "mail:25\"\nfrom");
        assert!(!channel(&good).always && channel(&format!("{good}to = [\"z@y\"]\n")).always);
        let always = fault(&format!("{good}always = true\n"));
        assert!(always.message.contains("address of a person"), "{always}");
        let login = fault(&format!("{good}user = \"x\"\n"));
        assert!(login.message.contains("both or none"), "{login}");
    }
}
