//! Sends a mail by SMTP (RFC 5321). Driven step by step, since it matters how far it came: before the final dot nothing was sent, after it
//! the server has the mail, whether it says so or not. It then has its ten minutes to say so (section 4.5.3.2.6).

use std::time::Duration;

use lettre::Message;
use lettre::message::{Mailbox, header};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;

use super::{SmtpChannel, SmtpTls};
use ioc_engine::conversation::note;
use ioc_engine::http::{CONNECT_TIMEOUT, SendError, secret};
use ioc_engine::notifier;
use ioc_store::template::as_line;

/// How long the greeting and each answer before the mail may take. Nothing was sent by then, so trying again makes no copy.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the answer to the final dot may take.
const FINAL_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a farewell may take.
const QUIT_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) async fn send(channel: &SmtpChannel, message: notifier::Message<'_>) -> Result<(), SendError> {
    let host = &channel.host;
    let mail = mail(channel, message)?;
    let server = Server { host, port: channel.port };
    let mut connection = server.connect(channel.tls).await?;
    if let Some((user, file)) = &channel.login {
        let credentials = Credentials::new(user.clone(), secret(Some(file))?);
        note(|| format!("→ AUTH {user} (the password is not shown)"));
        heard(&server.step(COMMAND_TIMEOUT, connection.auth(DEFAULT_MECHANISMS, &credentials), false).await?);
    }
    let envelope = mail.envelope();
    let formatted = mail.formatted();
    let mut parameters = Vec::new();
    if envelope.to().iter().chain(envelope.from()).any(|address| !address.to_string().is_ascii()) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            return Err(SendError::Never(format!("{host}: the server takes no addresses beyond ASCII")));
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !formatted.is_ascii() {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let from = Mail::new(envelope.from().cloned(), parameters);
    note(|| format!("→ {}", from.to_string().trim()));
    heard(&server.step(COMMAND_TIMEOUT, connection.command(from), true).await?);
    let (mut accepted, mut refusal_kept) = (0, None::<SendError>);
    for recipient in envelope.to() {
        note(|| format!("→ RCPT TO:<{recipient}>"));
        let command = connection.command(Rcpt::new(recipient.clone(), Vec::new()));
        match server.step(COMMAND_TIMEOUT, command, true).await {
            Ok(answer) => {
                heard(&answer);
                accepted += 1;
            }
            // Of one mailbox. It keeps the mail from nobody else.
            Err(refusal @ (SendError::Never(_) | SendError::Later(_))) => {
                tracing::warn!(channel = message.channel, %recipient, why = %refusal, "a mailbox does not take the mail");
                // While one of them may take it later, it is tried again.
                if refusal_kept.as_ref().is_none_or(SendError::is_final) {
                    refusal_kept = Some(refusal);
                }
            }
            Err(gone) => return Err(gone),
        }
    }
    if let Some(refusal) = refusal_kept.filter(|_| accepted == 0) {
        return Err(refusal);
    }
    note(|| format!("→ DATA ({} bytes)", formatted.len()));
    heard(&server.step(COMMAND_TIMEOUT, connection.command(Data), true).await?);
    let sent = tokio::time::timeout(FINAL_TIMEOUT, connection.message(&formatted)).await;
    let unknown =
        |why: &dyn std::fmt::Display| SendError::Unknown(format!("{host}:{}: after the mail: {why}", channel.port));
    match sent {
        Ok(Ok(answer)) => {
            heard(&answer);
            // It is there; a farewell that is lost changes nothing.
            let _ = tokio::time::timeout(QUIT_TIMEOUT, connection.quit()).await;
            Ok(())
        }
        Ok(Err(error)) if error.status().is_some() => {
            note(|| format!("← {error}"));
            Err(server.refused(&error, true))
        }
        Ok(Err(error)) => Err(unknown(&error)),
        Err(_) => Err(unknown(&format!("no answer within {} s", FINAL_TIMEOUT.as_secs()))),
    }
}

/// Notes an answer of the server, where the channel is tried out.
fn heard(answer: &Response) {
    note(|| format!("← {} {}", answer.code(), answer.message().collect::<Vec<_>>().join(" / ")));
}

fn mail(channel: &SmtpChannel, message: notifier::Message<'_>) -> Result<Message, SendError> {
    let notifier::Message { key, address: person, wording, .. } = message;
    let address =
        |text: &str| text.parse::<Mailbox>().map_err(|error| SendError::Never(format!("address {text:?}: {error}")));
    let mut mail = Message::builder()
        .from(address(&channel.from)?)
        .subject(as_line(&wording.subject))
        // The same for every attempt: a mailbox that has it shows it once.
        .message_id(Some(format!("<{key}@ioc-watch>")))
        .header(header::ContentType::TEXT_PLAIN);
    if person.is_empty() {
        for recipient in &channel.to {
            mail = mail.to(address(recipient)?);
        }
    } else {
        mail = mail.to(address(person)?);
    }
    mail.body(wording.body.clone()).map_err(|error| SendError::Never(error.to_string()))
}

struct Server<'c> {
    host: &'c str,
    port: u16,
}

impl Server<'_> {
    async fn connect(&self, tls: SmtpTls) -> Result<AsyncSmtpConnection, SendError> {
        let parameters =
            || TlsParameters::new(self.host.to_owned()).map_err(|error| SendError::Never(error.to_string()));
        let wrapper = if tls == SmtpTls::Tls { Some(parameters()?) } else { None };
        let name = ClientId::default();
        let connect =
            AsyncSmtpConnection::connect_tokio1((self.host, self.port), Some(CONNECT_TIMEOUT), &name, wrapper, None);
        note(|| format!("→ {}:{}{}", self.host, self.port, if tls == SmtpTls::Tls { " (TLS)" } else { "" }));
        // The greeting and the answer to EHLO.
        let mut connection = self.step(COMMAND_TIMEOUT * 2, connect, false).await?;
        note(|| format!("← {}", connection.server_info()));
        if tls == SmtpTls::Starttls {
            note(|| "→ STARTTLS".to_owned());
            self.step(COMMAND_TIMEOUT, connection.starttls(parameters()?, &name), false).await?;
        }
        Ok(connection)
    }

    /// One step before the mail itself: whatever fails there, the mail was not sent. `about_mail` says that a refusal is this mail's.
    async fn step<T>(
        &self,
        limit: Duration,
        step: impl Future<Output = Result<T, Error>>,
        about_mail: bool,
    ) -> Result<T, SendError> {
        match tokio::time::timeout(limit, step).await {
            Ok(result) => result.map_err(|error| {
                note(|| format!("← {error}"));
                self.refused(&error, about_mail)
            }),
            Err(_) => {
                note(|| "← (no answer)".to_owned());
                Err(SendError::away(format!("{}:{}: no answer within {} s", self.host, self.port, limit.as_secs())))
            }
        }
    }

    fn refused(&self, error: &Error, about_mail: bool) -> SendError {
        let why = format!("{}:{}: {error}", self.host, self.port);
        // 421: the server closes (RFC 5321, section 3.8). All other 4yz are about what was asked.
        let closing = error.status().is_some_and(|code| u16::from(code) == 421);
        if error.is_permanent() || error.is_client() {
            SendError::Never(why)
        } else if error.is_transient() && about_mail && !closing {
            SendError::Later(why)
        } else {
            SendError::away(why)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::notify::store_alarm::opened;
    use crate::notify::testing::channel;
    use ioc_engine::health::NoticesBlocked;

    /// A server whose mailboxes answer by their names. Keeps for whom a mail came.
    async fn converse(socket: TcpStream, kept: &Mutex<Vec<Vec<String>>>) -> std::io::Result<()> {
        let mut stream = BufReader::new(socket);
        stream.write_all(b"220 here\r\n").await?;
        let (mut line, mut to) = (String::new(), Vec::new());
        while stream.read_line(&mut line).await? > 0 {
            let answer = if line.starts_with("DATA") {
                stream.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while !mail.ends_with("\r\n.\r\n") && stream.read_line(&mut mail).await? > 0 {}
                kept.lock().expect("kept").push(std::mem::take(&mut to));
                "250 ok"
            } else if line.contains("<dead@") {
                "550 no such mailbox"
            } else if line.contains("<full@") {
                "452 no room"
            } else if line.contains("<going@") {
                "421 going down"
            } else {
                to.extend(line.strip_prefix("RCPT TO:<").and_then(|rest| Some(rest.split_once('@')?.0.to_owned())));
                "250 ok"
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
            line.clear();
        }
        Ok(())
    }

    /// Sends a mail to these mailboxes: what came of it, and who has it.
    async fn sent(to: &[&str]) -> (Result<(), SendError>, Vec<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let port = listener.local_addr().expect("address").port();
        let kept = Arc::<Mutex<Vec<Vec<String>>>>::default();
        let taken = Arc::clone(&kept);
        let server = tokio::spawn(async move {
            let (socket, _) = listener.accept().await.expect("accepts");
            let _ = converse(socket, &taken).await;
        });
        let to: Vec<String> = to.iter().map(|one| format!("\"{one}@ioc.test\"")).collect();
        let mail = channel(&format!(
            "[[channel]]\nname = \"mail\"\ntype = \"smtp\"\nserver = \"127.0.0.1:{port}\"\ntls = \"none\"\nfrom = \"ioc@ioc.test\"\nto = [{}]\n",
            to.join(", ")
        ));
        let (subject, body) = ("s".to_owned(), "b".to_owned());
        let wording = notifier::Wording { subject, body, link: String::new(), brief: notifier::Brief::default() };
        let (notice, wording) = (&opened(&NoticesBlocked::Unwritable("no room".to_owned())), &wording);
        let (channel, key, address) = (mail.name.as_str(), "1-1-mail", "");
        let message =
            notifier::Message { channel, key, address, notice, wording, site_name: "x", web_url: "https://x" };
        let result = mail.notifier.notify(message).await;
        server.abort();
        let kept = kept.lock().expect("kept").clone();
        (result, kept)
    }

    #[tokio::test]
    async fn a_mailbox_that_takes_nothing_keeps_the_mail_from_nobody_else() {
        for to in [["dead", "lan", "minh"], ["lan", "dead", "minh"], ["lan", "minh", "full"]] {
            let (result, kept) = sent(&to).await;
            assert!(result.is_ok(), "{to:?}: {result:?}");
            assert_eq!(kept, [["lan", "minh"]], "{to:?}");
        }
        let (result, kept) = sent(&["dead", "dead"]).await;
        assert!(matches!(&result, Err(SendError::Never(why)) if why.contains("no such mailbox")), "{result:?}");
        assert!(kept.is_empty());
        for to in [["full", "dead"], ["dead", "full"]] {
            let (result, kept) = sent(&to).await;
            assert!(
                matches!(&result, Err(SendError::Later(_))) && kept.is_empty(),
                "one may take it later: {result:?}"
            );
        }
        let (result, kept) = sent(&["lan", "going"]).await;
        assert!(matches!(&result, Err(SendError::Away { .. })) && kept.is_empty(), "{result:?}");
    }
}
