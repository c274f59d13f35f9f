//! E-mail over SMTP.

use lettre::message::{Mailbox, header};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use super::Wording;
use crate::config::{ChannelKind, SmtpTls};
use crate::http::{SendError, secret};

pub(super) async fn send(kind: &ChannelKind, key: &str, to_one: &str, wording: &Wording) -> Result<(), SendError> {
    let ChannelKind::Smtp { host, port, tls, from, to, login } = kind else {
        return Err(SendError::Never("this is no SMTP channel".to_owned()));
    };
    let address =
        |text: &str| text.parse::<Mailbox>().map_err(|error| SendError::Never(format!("address {text:?}: {error}")));
    let mut message = Message::builder()
        .from(address(from)?)
        .subject(&wording.subject)
        // The same for every attempt: a mailbox that has it shows it once.
        .message_id(Some(format!("<{key}@ioc-watch>")))
        .header(header::ContentType::TEXT_PLAIN);
    if to_one.is_empty() {
        for recipient in to {
            message = message.to(address(recipient)?);
        }
    } else {
        message = message.to(address(to_one)?);
    }
    let message = message.body(wording.body.clone()).map_err(|error| SendError::Never(error.to_string()))?;

    let parameters = || TlsParameters::new(host.clone()).map_err(|error| SendError::Never(error.to_string()));
    let tls = match tls {
        SmtpTls::None => Tls::None,
        SmtpTls::Starttls => Tls::Required(parameters()?),
        SmtpTls::Tls => Tls::Wrapper(parameters()?),
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host).port(*port).tls(tls);
    if let Some((user, file)) = login {
        transport = transport.credentials(Credentials::new(user.clone(), secret(Some(file))?));
    }
    match transport.build().send(message).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_permanent() => Err(SendError::Never(format!("{host}:{port}: {error}"))),
        Err(error) => Err(SendError::Later(format!("{host}:{port}: {error}"))),
    }
}
