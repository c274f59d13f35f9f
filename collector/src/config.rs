//! The collector's configuration: `config/collector.toml`, every key with its default there.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use ioc_common::config::{Bounded, ConfigError, Source, Span, SpanWithin, Spanned};
use ioc_judge::{RuleSet, Severity};

use crate::values::{Profiles, ValuesForm};

/// The configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of the site, as it stands on pages and notices.
    pub site_name: String,
    /// Language of pages and notices where nothing else is known: `vi` or `en`.
    pub language: String,
    /// Time zone of the site.
    pub timezone: jiff::tz::TimeZone,
    /// Where keys, certificates and the store lie.
    pub data: PathBuf,
    /// Where the control socket lies.
    pub runtime: PathBuf,
    /// Address of the MQTT endpoint.
    pub mqtt_listen: SocketAddr,
    /// What agents are told to connect to.
    pub mqtt_advertise: String,
    /// Most open MQTT connections.
    pub connections_max: Bounded<1, 1_000_000>,
    /// Address of pages and API.
    pub web_listen: SocketAddr,
    /// Where people reach the pages, for links in notices.
    pub web_url: String,
    /// Names and addresses in the server's certificate.
    pub names: Vec<String>,
    /// The organisation's own certificate and key for the pages.
    pub web_certificate: Option<(PathBuf, PathBuf)>,
    /// Life of a device's certificate.
    pub device_life: SpanWithin<10_000, 94_608_000_000>,
    /// Time devices get to come back after the collector starts.
    pub settle: SpanWithin<1_000, 3_600_000>,
    /// Ports of a host that are tried when its agent is lost.
    pub host_probe_ports: Vec<u16>,
    /// A fault that returns within this reopens its incident.
    pub reopen_within: SpanWithin<0, 604_800_000>,
    /// How long history is kept.
    pub history_keep: SpanWithin<3_600_000, 316_224_000_000>,
    /// The rules.
    pub rules: RuleSet,
    /// What plain MQTT sensors say.
    pub values: Profiles,
    /// The channels for notices.
    pub channels: Vec<Channel>,
}

/// A channel for notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Name, unique.
    pub name: String,
    /// Notices below this are not sent here.
    pub min_severity: Severity,
    /// How it sends.
    pub kind: ChannelKind,
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
}

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

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Form {
    site: SiteForm,
    paths: PathsForm,
    ingest: IngestForm,
    web: WebForm,
    pki: PkiForm,
    presence: PresenceForm,
    incidents: IncidentsForm,
    history: HistoryForm,
    rules: RulesForm,
    values: Vec<Spanned<ValuesForm>>,
    channel: Vec<Spanned<ChannelForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SiteForm {
    name: String,
    language: Language,
    timezone: Spanned<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Language {
    Vi,
    En,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PathsForm {
    data: PathBuf,
    runtime: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct IngestForm {
    listen: SocketAddr,
    advertise: Option<String>,
    connections_max: Bounded<1, 1_000_000>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WebForm {
    listen: SocketAddr,
    url: Option<String>,
    names: Vec<String>,
    certificate: Option<Spanned<PathBuf>>,
    key: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PkiForm {
    device_life: SpanWithin<10_000, 94_608_000_000>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PresenceForm {
    settle: SpanWithin<1_000, 3_600_000>,
    host_probe_ports: Vec<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct IncidentsForm {
    reopen_within: SpanWithin<0, 604_800_000>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HistoryForm {
    keep: SpanWithin<3_600_000, 316_224_000_000>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RulesForm {
    file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelForm {
    name: Spanned<String>,
    #[serde(default = "warning")]
    min_severity: Severity,
    #[serde(rename = "type")]
    kind: ChannelType,
    url: Option<Spanned<String>>,
    secret_file: Option<PathBuf>,
    server: Option<Spanned<String>>,
    tls: Option<SmtpTls>,
    from: Option<String>,
    #[serde(default)]
    to: Vec<String>,
    user: Option<String>,
    password_file: Option<PathBuf>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum ChannelType {
    Webhook,
    Smtp,
}

const fn warning() -> Severity {
    Severity::Warning
}

impl Default for SiteForm {
    fn default() -> Self {
        Self {
            name: "IOC".to_owned(),
            language: Language::Vi,
            timezone: Spanned::new(0..0, "Asia/Ho_Chi_Minh".to_owned()),
        }
    }
}

impl Default for PathsForm {
    fn default() -> Self {
        Self { data: "/var/lib/ioc-collector".into(), runtime: "/run/ioc-collector".into() }
    }
}

impl Default for IngestForm {
    fn default() -> Self {
        Self { listen: ([127, 0, 0, 1], 8883).into(), advertise: None, connections_max: Bounded(20_000) }
    }
}

impl Default for WebForm {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8443).into(),
            url: None,
            names: vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()],
            certificate: None,
            key: None,
        }
    }
}

impl Default for PkiForm {
    fn default() -> Self {
        Self { device_life: SpanWithin(Span::secs(90 * 86_400)) }
    }
}

impl Default for PresenceForm {
    fn default() -> Self {
        Self { settle: SpanWithin(Span::secs(120)), host_probe_ports: vec![22, 3389, 80] }
    }
}

impl Default for IncidentsForm {
    fn default() -> Self {
        Self { reopen_within: SpanWithin(Span::secs(1800)) }
    }
}

impl Default for HistoryForm {
    fn default() -> Self {
        Self { keep: SpanWithin(Span::secs(30 * 86_400)) }
    }
}

/// The rules that are built in: the shipped `config/rules.toml`.
pub const DEFAULT_RULES: &str = include_str!("../../config/rules.toml");

impl Config {
    /// Reads and checks a configuration, and the rules it names.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the first fault.
    pub fn parse(source: &Source) -> Result<Self, ConfigError> {
        let form: Form = source.parse()?;
        let timezone = jiff::tz::TimeZone::get(form.site.timezone.get_ref()).map_err(|_| {
            let message = format!("found time zone {:?}; allowed are IANA names", form.site.timezone.get_ref());
            source.fault(form.site.timezone.span(), &message, "write it like \"Asia/Ho_Chi_Minh\"")
        })?;
        let web_certificate = match (form.web.certificate, form.web.key) {
            (Some(certificate), Some(key)) => Some((certificate.into_inner(), key)),
            (None, None) => None,
            (Some(certificate), None) => {
                let message = "found a certificate without a key; allowed are both or none";
                return Err(source.fault(certificate.span(), message, "add key = \"…\" beside it"));
            }
            (None, Some(_)) => {
                return Err(source.fault(
                    0..0,
                    "found web.key without web.certificate",
                    "add certificate = \"…\" beside it",
                ));
            }
        };
        let rules = match &form.rules.file {
            Some(path) => {
                // Relative to the configuration, so that both can be moved together.
                let beside = source.path().parent().map_or_else(|| path.clone(), |dir| dir.join(path));
                RuleSet::parse(&Source::read(&beside)?)?
            }
            None => RuleSet::parse(&Source::built_in("(built-in rules.toml)", DEFAULT_RULES))?,
        };
        let mut channels: Vec<Channel> = Vec::new();
        for form in form.channel {
            let whole = form.span();
            channels.push(channel(source, whole, form.into_inner(), &channels)?);
        }
        let first = form.web.names.first().cloned().unwrap_or_else(|| form.web.listen.ip().to_string());
        let mqtt_advertise = form.ingest.advertise.unwrap_or_else(|| format!("{first}:{}", form.ingest.listen.port()));
        let web_url = form.web.url.unwrap_or_else(|| format!("https://{first}:{}", form.web.listen.port()));
        Ok(Self {
            site_name: form.site.name,
            language: match form.site.language {
                Language::Vi => "vi".to_owned(),
                Language::En => "en".to_owned(),
            },
            timezone,
            data: form.paths.data,
            runtime: form.paths.runtime,
            mqtt_listen: form.ingest.listen,
            mqtt_advertise,
            connections_max: form.ingest.connections_max,
            web_listen: form.web.listen,
            web_url: web_url.trim_end_matches('/').to_owned(),
            names: form.web.names,
            web_certificate,
            device_life: form.pki.device_life,
            settle: form.presence.settle,
            host_probe_ports: form.presence.host_probe_ports,
            reopen_within: form.incidents.reopen_within,
            history_keep: form.history.keep,
            values: Profiles::check(source, form.values)?,
            rules,
            channels,
        })
    }
}

fn channel(
    source: &Source,
    whole: std::ops::Range<usize>,
    form: ChannelForm,
    before: &[Channel],
) -> Result<Channel, ConfigError> {
    let name = form.name.get_ref().clone();
    let shaped =
        !name.is_empty() && name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if !shaped || before.iter().any(|one| one.name == name) {
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
            if !(url.get_ref().starts_with("http://") || url.get_ref().starts_with("https://")) {
                let message = format!("found url {:?}; allowed are http:// and https://", url.get_ref());
                return Err(source.fault(url.span(), &message, "write the whole address"));
            }
            ChannelKind::Webhook { url: url.into_inner(), secret_file: form.secret_file }
        }
        ChannelType::Smtp => {
            let server = form.server.ok_or_else(|| lacks("server"))?;
            let address = server.get_ref().rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
            let Some((host, port)) = address else {
                let message = format!("found server {:?}; allowed is host:port", server.get_ref());
                return Err(source.fault(server.span(), &message, "write it like \"mail.example:587\""));
            };
            let login = match (form.user, form.password_file) {
                (Some(user), Some(file)) => Some((user, file)),
                (None, None) => None,
                _ => return Err(lacks("user and password_file (both or none)")),
            };
            if form.to.is_empty() {
                return Err(lacks("to"));
            }
            ChannelKind::Smtp {
                host: host.to_owned(),
                port,
                tls: form.tls.unwrap_or(SmtpTls::Starttls),
                from: form.from.ok_or_else(|| lacks("from"))?,
                to: form.to,
                login,
            }
        }
    };
    Ok(Channel { name, min_severity: form.min_severity, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(&Source::built_in("collector.toml", text))
    }

    #[test]
    fn the_shipped_configuration_is_the_defaults() {
        let shipped = parse(include_str!("../../config/collector.toml")).unwrap_or_else(|e| panic!("{e}"));
        let defaults = parse("").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(format!("{shipped:?}"), format!("{defaults:?}"));
    }

    #[test]
    fn faults_point_at_their_line() {
        let zone = parse("[site]\ntimezone = \"Hanoi\"\n").expect_err("zone");
        assert!(zone.line == 2 && zone.mend.contains("Asia/Ho_Chi_Minh"), "{zone}");
        let lone = parse("[web]\ncertificate = \"x.pem\"\n").expect_err("lone certificate");
        assert_eq!(lone.line, 2, "{lone}");
        let mail = parse("[[channel]]\nname = \"mail\"\ntype = \"smtp\"\nserver = \"mail\"\n").expect_err("server");
        assert!(mail.line == 4 && mail.mend.contains(":587"), "{mail}");
        let hook = parse("[[channel]]\nname = \"hook\"\ntype = \"webhook\"\nurl = \"ftp://x\"\n").expect_err("url");
        assert!(hook.message.contains("https"), "{hook}");
        let kind = parse("[[channel]]\nname = \"sms\"\ntype = \"sms\"\n").expect_err("type");
        assert!(kind.line == 3 && kind.message.contains("webhook"), "{kind}");
        let missing = parse("[rules]\nfile = \"/nonexistent/rules.toml\"\n").expect_err("file");
        assert!(missing.to_string().contains("/nonexistent/rules.toml"), "{missing}");
    }
}
