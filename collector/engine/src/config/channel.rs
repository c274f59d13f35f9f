//! Channels for notices, and other ties to the world outside: the dead man's switch, systems whose alerts are taken in.

use std::path::PathBuf;

use serde::Deserialize;

use ioc_common::config::{Bounded, ConfigError, Source as ConfigSource, SpanWithin, Spanned};
use ioc_judge::Severity;

use ioc_store::template::unknown_place;

/// A channel for notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Name, unique.
    pub name: String,
    /// Notices below this are not sent here.
    pub min_severity: Severity,
    /// It carries every notice, whoever is on duty; otherwise only what is for people it is a contact of.
    pub always: bool,
    /// The channel that takes over what this one cannot deliver.
    pub fallback: Option<String>,
    /// Most messages in a minute; the rest waits.
    pub per_minute: u32,
    /// How it sends.
    pub kind: ChannelKind,
}

impl ChannelKind {
    /// Its name in the configuration.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Smtp { .. } => "smtp",
            Self::Http(_) => "http",
            Self::Mqtt(_) => "mqtt",
            Self::Syslog { .. } => "syslog",
        }
    }

    /// Where it sends to, without what is secret: addresses often carry a key behind their host.
    #[must_use]
    pub fn target(&self) -> String {
        let host_of = |url: &str| {
            let behind = url.split_once("://").map_or(url, |(_, rest)| rest);
            let authority = behind.split(['/', '?', '{']).next().unwrap_or_default();
            authority.rsplit('@').next().unwrap_or_default().to_owned()
        };
        match self {
            Self::Webhook { url, .. } => host_of(url),
            Self::Smtp { host, port, .. } => format!("{host}:{port}"),
            Self::Http(http) => host_of(&http.url),
            Self::Mqtt(mqtt) => format!("{}:{}", mqtt.host, mqtt.port),
            Self::Syslog { server } => server.clone(),
        }
    }
}

/// How a channel sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelKind {
    /// HTTP POST with an Alertmanager v4 body.
    Webhook {
        /// Where.
        url: String,
        /// File with the secret for the signature.
        secret_file: Option<PathBuf>,
    },
    /// E-mail.
    Smtp {
        /// Host of the server.
        host: String,
        /// Port of the server.
        port: u16,
        /// How the connection is protected.
        tls: SmtpTls,
        /// Sender.
        from: String,
        /// Recipients.
        to: Vec<String>,
        /// User and the file with the password.
        login: Option<(String, PathBuf)>,
    },
    /// HTTP with a request of one's own: SMS gateways, chats.
    Http(HttpChannel),
    /// A message to a broker, with the webhook's body.
    Mqtt(MqttChannel),
    /// Syslog (RFC 5424) over UDP.
    Syslog {
        /// Host and port of the server.
        server: String,
    },
}

/// A topic at a broker that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttChannel {
    /// Host of the broker.
    pub host: String,
    /// Port of the broker.
    pub port: u16,
    /// Whether the connection is TLS; the broker's certificate is then checked against what this machine trusts.
    pub tls: bool,
    /// The topic; values are put in without what structures topics.
    pub topic: String,
    /// User and the file with the password.
    pub login: Option<(String, PathBuf)>,
}

/// A request of one's own, with places for what is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpChannel {
    /// Where; values are put in percent-encoded.
    pub url: String,
    /// `POST`, `PUT` or `GET`.
    pub method: String,
    /// Type of the body: values are put in as its rules ask.
    pub content_type: String,
    /// Further header lines.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// File with what `{{secret}}` stands for.
    pub secret_file: Option<PathBuf>,
    /// The answer must contain this, since many gateways answer 200 to what they refuse.
    pub success: String,
}

/// What may stand between double braces in a request of one's own.
pub const PLACES: [&str; 12] = [
    "address", "subject", "body", "short", "link", "incident", "severity", "occasion", "device", "place", "key",
    "secret",
];

/// How an SMTP connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// Not at all: only for a server on this machine.
    None,
    /// Begins in the clear, then TLS is required.
    Starttls,
    /// TLS from the start.
    Tls,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChannelForm {
    name: Spanned<String>,
    #[serde(default = "warning")]
    min_severity: Severity,
    always: Option<bool>,
    fallback: Option<String>,
    per_minute: Option<Bounded<1, 6000>>,
    #[serde(rename = "type")]
    kind: ChannelType,
    url: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "ioc_common::config::secret_file_if")]
    secret_file: Option<PathBuf>,
    server: Option<Spanned<String>>,
    tls: Option<SmtpTls>,
    from: Option<String>,
    #[serde(default)]
    to: Vec<String>,
    user: Option<String>,
    #[serde(default, deserialize_with = "ioc_common::config::secret_file_if")]
    password_file: Option<PathBuf>,
    topic: Option<Spanned<String>>,
    method: Option<Spanned<String>>,
    content_type: Option<String>,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    body: Option<Spanned<String>>,
    #[serde(default)]
    success: String,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum ChannelType {
    Webhook,
    Smtp,
    Http,
    Mqtt,
    Syslog,
}

pub(super) const fn warning() -> Severity {
    Severity::Warning
}

/// Who is told that the collector lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Where.
    pub url: String,
    /// How often.
    pub every: SpanWithin<5_000, 86_400_000>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeartbeatForm {
    url: Spanned<String>,
    #[serde(default = "minute")]
    every: SpanWithin<5_000, 86_400_000>,
}

const fn minute() -> SpanWithin<5_000, 86_400_000> {
    SpanWithin(ioc_common::config::Span::secs(60))
}

impl HeartbeatForm {
    pub(super) fn check(self, source: &ConfigSource) -> Result<Heartbeat, ConfigError> {
        Ok(Heartbeat { url: whole_url(source, self.url)?, every: self.every })
    }
}

/// A system whose alerts are taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name, which stands before those of its alerts.
    pub name: String,
    /// File with the token it must show.
    pub token_file: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceForm {
    name: Spanned<String>,
    #[serde(deserialize_with = "ioc_common::config::secret_file")]
    token_file: PathBuf,
}

pub(super) fn check_sources(source: &ConfigSource, forms: Vec<SourceForm>) -> Result<Vec<Source>, ConfigError> {
    let mut found: Vec<Source> = Vec::new();
    for form in forms {
        let name = form.name.get_ref();
        if !shaped(name) || found.iter().any(|one| one.name == *name) {
            let message =
                format!("found source {name:?}; allowed are unique names of 1 to 40 characters A-Z a-z 0-9 - _");
            return Err(source.fault(form.name.span(), &message, "rename it"));
        }
        found.push(Source { name: form.name.into_inner(), token_file: form.token_file });
    }
    Ok(found)
}

pub(super) fn shaped(name: &str) -> bool {
    !name.is_empty() && name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// What one channel leaves, another takes: each is known, and no two pass it to and fro.
pub(super) fn check_fallbacks(source: &ConfigSource, channels: &[Channel]) -> Result<(), ConfigError> {
    for channel in channels {
        let Some(to) = &channel.fallback else { continue };
        let next = channels.iter().find(|one| one.name == *to);
        if next.is_none_or(|next| !next.always || next.fallback.is_some() || next.name == channel.name) {
            let message = format!(
                "found fallback {to:?} in the channel {:?}; allowed is a channel that carries every notice and has no fallback itself",
                channel.name
            );
            return Err(source.fault(0..0, &message, "name such a channel"));
        }
    }
    Ok(())
}

pub(super) fn whole_url(source: &ConfigSource, url: Spanned<String>) -> Result<String, ConfigError> {
    if url.get_ref().starts_with("http://") || url.get_ref().starts_with("https://") {
        return Ok(url.into_inner());
    }
    let message = format!("found url {:?}; allowed are http:// and https://", url.get_ref());
    Err(source.fault(url.span(), &message, "write the whole address"))
}

/// `host:port`, written like `example`.
fn host_port(source: &ConfigSource, server: &Spanned<String>, example: &str) -> Result<(String, u16), ConfigError> {
    let address =
        server.get_ref().rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    address.ok_or_else(|| {
        let message = format!("found server {:?}; allowed is host:port", server.get_ref());
        source.fault(server.span(), &message, &format!("write it like {example:?}"))
    })
}

/// A template names no place but these.
pub(super) fn check_places(
    source: &ConfigSource,
    text: &str,
    places: &[&str],
    span: std::ops::Range<usize>,
) -> Result<(), ConfigError> {
    let Some(name) = unknown_place(text, places) else { return Ok(()) };
    let message = format!("found {{{{{name}}}}}; allowed are {}", places.join(", "));
    Err(source.fault(span, &message, "correct the name between the braces"))
}

/// A header line of one's own: its value is a template, its name is one.
pub(super) fn check_header(
    source: &ConfigSource,
    (name, value): (&str, &str),
    places: &[&str],
    span: std::ops::Range<usize>,
) -> Result<(), ConfigError> {
    check_places(source, value, places, span.clone())?;
    if name.parse::<hyper::header::HeaderName>().is_err() {
        let message = format!("found header {name:?}; allowed is a name such as Authorization");
        return Err(source.fault(span, &message, "correct it"));
    }
    Ok(())
}

/// User and password's file: both or none.
fn login(
    lacks: &dyn Fn(&str) -> ConfigError,
    user: Option<String>,
    file: Option<PathBuf>,
) -> Result<Option<(String, PathBuf)>, ConfigError> {
    match (user, file) {
        (Some(user), Some(file)) => Ok(Some((user, file))),
        (None, None) => Ok(None),
        _ => Err(lacks("user and password_file (both or none)")),
    }
}

fn http(
    source: &ConfigSource,
    lacks: &dyn Fn(&str) -> ConfigError,
    form: &mut ChannelForm,
) -> Result<HttpChannel, ConfigError> {
    let (url, method, body) = (form.url.take(), form.method.take(), form.body.take());
    let url = url.ok_or_else(|| lacks("url"))?;
    check_places(source, url.get_ref(), &PLACES, url.span())?;
    for (name, value) in &form.headers {
        check_header(source, (name, value), &PLACES, url.span())?;
    }
    if let Some(body) = &body {
        check_places(source, body.get_ref(), &PLACES, body.span())?;
    }
    if let Some(method) = method.as_ref().filter(|one| !["POST", "PUT", "GET"].contains(&one.get_ref().as_str())) {
        let message = format!("found method {:?}; allowed are POST, PUT, GET", method.get_ref());
        return Err(source.fault(method.span(), &message, "choose one of them"));
    }
    Ok(HttpChannel {
        url: whole_url(source, url)?,
        method: method.map_or_else(|| "POST".to_owned(), Spanned::into_inner),
        content_type: form.content_type.take().unwrap_or_else(|| "application/json".to_owned()),
        headers: std::mem::take(&mut form.headers).into_iter().collect(),
        body: body.map(Spanned::into_inner).unwrap_or_default(),
        secret_file: form.secret_file.take(),
        success: std::mem::take(&mut form.success),
    })
}

pub(super) fn check(
    source: &ConfigSource,
    whole: std::ops::Range<usize>,
    mut form: ChannelForm,
    before: &[Channel],
) -> Result<Channel, ConfigError> {
    let name = form.name.get_ref().clone();
    if !shaped(&name) || before.iter().any(|one| one.name == name) {
        let message = format!("found channel {name:?}; allowed are unique names of 1 to 40 characters A-Z a-z 0-9 - _");
        return Err(source.fault(form.name.span(), &message, "rename it"));
    }
    let lacks = |key: &str| {
        let message = format!("found no {key} in the channel {name:?}; required for this type");
        source.fault(whole.clone(), &message, "add it")
    };
    let kind = match form.kind {
        ChannelType::Webhook => {
            let url = form.url.ok_or_else(|| lacks("url"))?;
            ChannelKind::Webhook { url: whole_url(source, url)?, secret_file: form.secret_file }
        }
        ChannelType::Smtp => {
            let server = form.server.ok_or_else(|| lacks("server"))?;
            let (host, port) = host_port(source, &server, "mail.example:587")?;
            let login = login(&lacks, form.user, form.password_file)?;
            ChannelKind::Smtp {
                host,
                port,
                tls: form.tls.unwrap_or(SmtpTls::Starttls),
                from: form.from.ok_or_else(|| lacks("from"))?,
                to: form.to,
                login,
            }
        }
        ChannelType::Http => ChannelKind::Http(http(source, &lacks, &mut form)?),
        ChannelType::Mqtt => {
            let server = form.server.ok_or_else(|| lacks("server"))?;
            let (host, port) = host_port(source, &server, "broker.example:8883")?;
            let topic = form.topic.ok_or_else(|| lacks("topic"))?;
            check_places(source, topic.get_ref(), &PLACES, topic.span())?;
            if topic.get_ref().is_empty() || topic.get_ref().contains(['+', '#']) || topic.get_ref().len() > 1000 {
                let message =
                    format!("found topic {:?}; allowed is a name of up to 1000 bytes without + and #", topic.get_ref());
                return Err(source.fault(topic.span(), &message, "write it like \"ioc/notices/{{severity}}\""));
            }
            let tls = match form.tls {
                None | Some(SmtpTls::Tls) => true,
                Some(SmtpTls::None) => false,
                Some(SmtpTls::Starttls) => return Err(lacks("tls = \"tls\" or \"none\" (MQTT has no starttls)")),
            };
            let login = login(&lacks, form.user, form.password_file)?;
            ChannelKind::Mqtt(MqttChannel { host, port, tls, topic: topic.into_inner(), login })
        }
        ChannelType::Syslog => {
            let server = form.server.ok_or_else(|| lacks("server"))?;
            host_port(source, &server, "log.example:514")?;
            ChannelKind::Syslog { server: server.into_inner() }
        }
    };
    // Who has no address of their own gets everything.
    let addressed = match &kind {
        ChannelKind::Webhook { .. } | ChannelKind::Mqtt(_) | ChannelKind::Syslog { .. } => false,
        ChannelKind::Smtp { to, .. } => to.is_empty(),
        ChannelKind::Http(http) => http.url.contains("{{address}}") || http.body.contains("{{address}}"),
    };
    let always = form.always.unwrap_or(!addressed);
    if always && addressed {
        let message = format!("found always in the channel {name:?}, which sends to the address of a person");
        return Err(source.fault(whole, &message, "remove always, or write the recipients into the channel"));
    }
    let per_minute = form.per_minute.map_or(600, |limit| u32::try_from(limit.0).unwrap_or(600));
    Ok(Channel { name, min_severity: form.min_severity, always, fallback: form.fallback, per_minute, kind })
}
