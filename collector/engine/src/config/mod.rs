//! The collector's configuration: `config/collector.toml`, every key with its default there.

mod agent_settings;
mod backup;
mod broker;
mod channel;
mod history;
mod job;
mod kind;
mod legal;
mod register;
mod remote_write;
mod retention;
mod store;
mod ticket;
mod timestamp;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use ioc_common::config::{Bounded, ConfigError, Source, Span, SpanWithin, Spanned};
use ioc_common::language::Language;
use ioc_judge::duty::Plan;
use ioc_judge::{DeviceInfo, RuleSet};

use crate::payload_profile::{PayloadProfiles, ValuesForm};
use agent_settings::GroupForm;
pub use agent_settings::{AssignedSettings, Group, SettingsState};
use backup::BackupForm;
pub use backup::{BackupPlan, KeptBackups, Sealing};
use broker::BrokerForm;
pub use broker::BrokerPlan;
pub use channel::{AlertSource, Channel, Heartbeat};
use channel::{ChannelForm, HeartbeatForm, SourceForm};
use ioc_store::Role;
pub use job::Job;
#[cfg(test)]
pub(crate) use kind::testing;
use kind::whole_url;
pub use kind::{ConfigContext, ConnectorKind, ConnectorKinds};
pub use legal::LegalBasis;
pub use register::RegisterRules;
pub use remote_write::RemoteWrite;
use remote_write::RemoteWriteForm;
pub use retention::{ClassEnd, ClassRule, DEFAULT_RETENTION, Retention};
use store::StoreForm;
pub use store::{PostgresPlan, StorePlan};
use ticket::TicketForm;
pub use ticket::{TICKET_PLACEHOLDERS, TicketSystem, page_of};
use timestamp::TimestampForm;
pub use timestamp::TimestampPlan;

/// The configuration, checked.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of the site, as it stands on pages and notices.
    pub site_name: String,
    /// The agencies that own and run the site, as they stand below its name on pages, labels and reports.
    pub agencies: Vec<String>,
    /// Language of pages and notices where nothing else is known.
    pub language: Language,
    /// Time zone of the site.
    pub timezone: jiff::tz::TimeZone,
    /// Where keys, certificates and the store lie.
    pub data: PathBuf,
    /// Where the record is: there, or in PostgreSQL.
    pub store: StorePlan,
    /// Where the control socket lies.
    pub runtime: PathBuf,
    /// Address of the MQTT endpoint.
    pub mqtt_listen: SocketAddr,
    /// The address that agents are given to connect to.
    pub mqtt_advertise: String,
    /// The broker through which devices come, too.
    pub broker: Option<BrokerPlan>,
    /// Most open MQTT connections.
    pub connections_max: Bounded<1, 1_000_000>,
    /// Between two commits: so long reports wait at most, for others that come into the same one.
    pub gather: SpanWithin<0, 1_000>,
    /// Most sockets that have not yet shown a device's certificate.
    pub newcomers: crate::connection_limit::Bounds,
    /// Address of pages and API.
    pub web_listen: SocketAddr,
    /// How many may be connected there.
    pub web_bounds: crate::connection_limit::Bounds,
    /// How many connections may have shown a session, beside those.
    pub web_known_max: usize,
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
    /// After how long at the latest rows of history are folded.
    pub fold_every: SpanWithin<1_000, 86_400_000>,
    /// How much of one core folding takes while it keeps up, percent.
    pub fold_cpu_pct: Bounded<1, 100>,
    /// How long history is kept, by tier.
    pub history_keep: [SpanWithin<3_600_000, 1_580_000_000_000>; 3],
    /// How long records are kept, by class.
    pub retention: Retention,
    /// Labels that Prometheus gets for a device beside its identifier.
    pub exposed_labels: Vec<ExposedLabel>,
    /// The organisation's identity provider, where people can sign in by it.
    pub oidc: Option<Oidc>,
    /// Roles that need a second factor.
    pub second_for: Vec<Role>,
    /// Where remote write sends samples.
    pub remote_write: Option<RemoteWrite>,
    /// Settings for groups of agents.
    pub settings: Vec<Group>,
    /// The rules. They are held by whoever judges, too, and are there once.
    pub rules: Arc<RuleSet>,
    /// What plain MQTT sensors say.
    pub values: PayloadProfiles,
    /// The channels for notices.
    pub channels: Vec<Channel>,
    /// Ticket systems that incidents are carried to.
    pub tickets: Vec<TicketSystem>,
    pub plan: Plan,
    /// Where heartbeats are sent while the collector works (dead man's switch).
    pub heartbeat: Option<Heartbeat>,
    /// Systems whose alerts are taken in.
    pub sources: Vec<AlertSource>,
    /// Jobs on other systems that report their success.
    pub jobs: Vec<Job>,
    /// The collector's own backups, where they are made.
    pub backup: Option<BackupPlan>,
    /// Who stamps heads of the audit log and exports of records.
    pub timestamp: Option<TimestampPlan>,
    pub legal: LegalBasis,
    /// What must be written down of each asset, and by when.
    pub register: RegisterRules,
}

/// The organisation's identity provider (OpenID Connect).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// What people call it.
    pub name: String,
    /// Its address, as it names itself.
    pub issuer: String,
    /// What we are called there.
    pub client_id: String,
    /// File with our secret there.
    pub secret_file: PathBuf,
    /// The claim that names the account here.
    pub claim: String,
    /// Values of the claim `acr` that say that it asked for a second factor, beside what `amr` says.
    pub second_factor_acr: Vec<String>,
    /// It asks everyone for a second factor, always, and does not say so.
    pub second_factor_always: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OidcForm {
    #[serde(default)]
    name: Option<String>,
    issuer: Spanned<String>,
    client_id: String,
    #[serde(deserialize_with = "ioc_common::config::secret_file")]
    secret_file: PathBuf,
    #[serde(default)]
    claim: Option<String>,
    #[serde(default)]
    second_factor_acr: Vec<Spanned<String>>,
    #[serde(default)]
    second_factor_always: bool,
}

/// Most values of `acr` that are named, and longest one, bytes.
const ACR_MAX: usize = 20;
const ACR_MAX_BYTES: usize = 200;

impl OidcForm {
    fn check(self, source: &Source) -> Result<Oidc, ConfigError> {
        let span = self.issuer.span();
        let issuer = whole_url(source, self.issuer)?;
        let here = ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|of| issuer.starts_with(of));
        if issuer.starts_with("http://") && !here {
            let message = format!("found issuer {issuer:?}; allowed is https:// (http only on this machine)");
            return Err(source.fault(span, &message, "whoever is in between could sign in as anyone; use https"));
        }
        for (place, acr) in self.second_factor_acr.iter().enumerate() {
            let value = acr.get_ref();
            let fits = !value.is_empty() && value.len() <= ACR_MAX_BYTES && !value.contains(char::is_whitespace);
            if !fits || place >= ACR_MAX {
                let message = format!(
                    "found second_factor_acr {value:?}; allowed are {ACR_MAX} values of 1 to {ACR_MAX_BYTES} bytes without spaces"
                );
                return Err(source.fault(
                    acr.span(),
                    &message,
                    "name the values of acr by which the provider says that it asked for a second factor",
                ));
            }
        }
        Ok(Oidc {
            name: self.name.unwrap_or_else(|| "OpenID".to_owned()),
            issuer,
            client_id: self.client_id,
            secret_file: self.secret_file,
            claim: self.claim.unwrap_or_else(|| "preferred_username".to_owned()),
            second_factor_acr: self.second_factor_acr.into_iter().map(Spanned::into_inner).collect(),
            second_factor_always: self.second_factor_always,
        })
    }
}

/// What Prometheus may be told of a device; each is a label of all its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExposedLabel {
    /// The name that people gave the device.
    Name,
    /// Room, and rack behind a slash.
    Place,
    /// The asset label.
    Label,
    /// The kind of device.
    Kind,
}

impl ExposedLabel {
    /// Its value for a device.
    #[must_use]
    pub fn of(self, device: &DeviceInfo) -> &str {
        match self {
            Self::Name => &device.name,
            Self::Place => &device.place,
            Self::Label => &device.label,
            Self::Kind => device.kind.as_str(),
        }
    }

    /// The label's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Place => "place",
            Self::Label => "label",
            Self::Kind => "kind",
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct PrometheusForm {
    labels: Vec<ExposedLabel>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct PeopleForm {
    second_factor_for: Vec<Role>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Form {
    site: SiteForm,
    paths: PathsForm,
    store: StoreForm,
    ingest: IngestForm,
    web: WebForm,
    pki: PkiForm,
    presence: PresenceForm,
    incidents: IncidentsForm,
    history: history::HistoryForm,
    retention: RetentionForm,
    people: PeopleForm,
    oidc: Option<OidcForm>,
    prometheus: PrometheusForm,
    remote_write: Option<RemoteWriteForm>,
    rules: RulesForm,
    values: Vec<Spanned<ValuesForm>>,
    settings: Vec<GroupForm>,
    channel: Vec<Spanned<ChannelForm>>,
    ticket: Vec<Spanned<TicketForm>>,
    duty: DutyForm,
    heartbeat: Option<HeartbeatForm>,
    source: Vec<SourceForm>,
    job: Vec<job::JobForm>,
    backup: BackupForm,
    timestamp: TimestampForm,
    legal: legal::LegalForm,
    register: register::RegisterForm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SiteForm {
    name: String,
    agencies: Vec<String>,
    language: Language,
    timezone: Spanned<String>,
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
    broker: BrokerForm,
    connections_max: Bounded<1, 1_000_000>,
    gather: SpanWithin<0, 1_000>,
    newcomers_max: Bounded<16, 1_000_000>,
    newcomers_per_address_max: Bounded<8, 1_000_000>,
    newcomers_per_network_max: Bounded<8, 1_000_000>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WebForm {
    listen: SocketAddr,
    strangers_max: Bounded<16, 1_000_000>,
    strangers_per_address_max: Bounded<8, 1_000_000>,
    strangers_per_network_max: Bounded<8, 1_000_000>,
    signed_in_max: Bounded<16, 1_000_000>,
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

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RetentionForm {
    file: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct DutyForm {
    file: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RulesForm {
    file: Option<PathBuf>,
}

impl Default for SiteForm {
    fn default() -> Self {
        Self {
            name: "IOC".to_owned(),
            agencies: Vec::new(),
            language: Language::default(),
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
        Self {
            listen: ([127, 0, 0, 1], 8883).into(),
            advertise: None,
            broker: BrokerForm::default(),
            connections_max: Bounded(20_000),
            gather: SpanWithin(Span(std::time::Duration::from_millis(200))),
            newcomers_max: Bounded(8192),
            newcomers_per_address_max: Bounded(512),
            newcomers_per_network_max: Bounded(2048),
        }
    }
}

impl WebForm {
    fn bounds(&self) -> crate::connection_limit::Bounds {
        crate::connection_limit::Bounds {
            all: self.strangers_max.usize(),
            per_address: self.strangers_per_address_max.usize(),
            per_network: self.strangers_per_network_max.usize(),
        }
    }
}

impl Default for WebForm {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8443).into(),
            strangers_max: Bounded(2000),
            strangers_per_address_max: Bounded(256),
            strangers_per_network_max: Bounded(1024),
            signed_in_max: Bounded(2000),
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

/// The configuration as it is shipped: every key with its default.
pub const DEFAULT_CONFIG: &str = include_str!("../../../../config/collector.toml");

/// The rules that are built in: the shipped `config/rules.toml`.
pub const DEFAULT_RULES: &str = include_str!("../../../../config/rules.toml");

impl Config {
    /// Reads and checks a configuration, and the rules it names. `kinds` are the kinds of channels and ticket systems that there are.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the first fault.
    pub fn parse(source: &Source, kinds: &ConnectorKinds) -> Result<Self, ConfigError> {
        let form: Form = source.parse()?;
        let timezone = zone(source, &form.site.timezone)?;
        let (web_bounds, web_known_max) = (form.web.bounds(), form.web.signed_in_max.usize());
        let web_certificate = certificate_and_key(source, form.web.certificate, form.web.key)?;
        // Relative to the configuration, so that both can be moved together.
        let beside = |path: &PathBuf| {
            let path = source.path().parent().map_or_else(|| path.clone(), |dir| dir.join(path));
            Source::read(&path)
        };
        let rules = match &form.rules.file {
            Some(path) => RuleSet::parse(&beside(path)?)?,
            None => RuleSet::parse(&Source::built_in("(built-in rules.toml)", DEFAULT_RULES))?,
        };
        let history_keep = [form.history.keep, form.history.keep_5m, form.history.keep_1h];
        let classes = match &form.retention.file {
            Some(path) => beside(path)?,
            None => Source::built_in("(built-in retention.toml)", DEFAULT_RETENTION),
        };
        let retention = retention::parse(&classes, history_keep.map(|SpanWithin(span)| span))?;
        let mut channels: Vec<Channel> = Vec::new();
        let fallback_spans: Vec<_> = form.channel.iter().map(|form| form.get_ref().fallback_span()).collect();
        for (form, table) in form.channel.into_iter().zip(source.tables("channel")?) {
            channels.push(channel::check(source, form, table, kinds.channels, &channels)?);
        }
        channel::check_fallbacks(source, &channels, &fallback_spans)?;
        let mut tickets: Vec<TicketSystem> = Vec::new();
        for (form, table) in form.ticket.into_iter().zip(source.tables("ticket")?) {
            tickets.push(ticket::check(source, form, table, kinds.tickets, &tickets)?);
        }
        let language = form.site.language;
        let names: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
        let plan = match &form.duty.file {
            Some(path) => Plan::parse(&beside(path)?, &timezone, language, &names)?,
            None => Plan { zone: timezone.clone(), ..Plan::default() },
        };
        let sources = channel::check_sources(source, form.source)?;
        let store = form.store.check(source, form.backup.place())?;
        let first = form.web.names.first().cloned().unwrap_or_else(|| form.web.listen.ip().to_string());
        let mqtt_advertise = form.ingest.advertise.unwrap_or_else(|| format!("{first}:{}", form.ingest.listen.port()));
        let web_url = form.web.url.unwrap_or_else(|| format!("https://{first}:{}", form.web.listen.port()));
        Ok(Self {
            site_name: form.site.name,
            agencies: form.site.agencies,
            language,
            timezone,
            data: form.paths.data,
            store,
            runtime: form.paths.runtime,
            mqtt_listen: form.ingest.listen,
            mqtt_advertise,
            broker: form.ingest.broker.check(source)?,
            connections_max: form.ingest.connections_max,
            gather: form.ingest.gather,
            newcomers: crate::connection_limit::Bounds {
                all: form.ingest.newcomers_max.usize(),
                per_address: form.ingest.newcomers_per_address_max.usize(),
                per_network: form.ingest.newcomers_per_network_max.usize(),
            },
            web_listen: form.web.listen,
            web_bounds,
            web_known_max,
            web_url: web_url.trim_end_matches('/').to_owned(),
            names: form.web.names,
            web_certificate,
            device_life: form.pki.device_life,
            settle: form.presence.settle,
            host_probe_ports: form.presence.host_probe_ports,
            reopen_within: form.incidents.reopen_within,
            fold_every: form.history.fold,
            fold_cpu_pct: form.history.fold_cpu_pct,
            history_keep,
            retention,
            values: PayloadProfiles::check(source, form.values)?,
            heartbeat: form.heartbeat.map(|form| form.check(source)).transpose()?,
            exposed_labels: form.prometheus.labels,
            remote_write: form.remote_write.map(|form| form.check(source)).transpose()?,
            oidc: form.oidc.map(|form| form.check(source)).transpose()?,
            second_for: form.people.second_factor_for,
            settings: agent_settings::check(source, form.settings)?,
            rules: Arc::new(rules),
            channels,
            tickets,
            plan,
            sources,
            jobs: job::check(source, form.job)?,
            backup: form.backup.check(source)?,
            timestamp: form.timestamp.check(source)?,
            legal: form.legal.check(source)?,
            register: form.register.check(source)?,
        })
    }
}

fn zone(source: &Source, name: &Spanned<String>) -> Result<jiff::tz::TimeZone, ConfigError> {
    jiff::tz::TimeZone::get(name.get_ref()).map_err(|_| {
        let message = format!("found time zone {:?}; allowed are IANA names", name.get_ref());
        source.fault(name.span(), &message, "write it like \"Asia/Ho_Chi_Minh\"")
    })
}

/// Certificate and key of the pages: both or none.
fn certificate_and_key(
    source: &Source,
    certificate: Option<Spanned<PathBuf>>,
    key: Option<PathBuf>,
) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some((certificate.into_inner(), key))),
        (None, None) => Ok(None),
        (Some(certificate), None) => {
            let message = "found a certificate without a key; allowed are both or none";
            Err(source.fault(certificate.span(), message, "add key = \"…\" beside it"))
        }
        (None, Some(_)) => {
            let message = "found web.key without web.certificate";
            Err(source.fault(0..0, message, "add certificate = \"…\" beside it"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(&Source::built_in("collector.toml", text), &testing::KINDS)
    }

    #[test]
    fn the_shipped_configuration_is_the_defaults() {
        let shipped = parse(DEFAULT_CONFIG).unwrap_or_else(|e| panic!("{e}"));
        let defaults = parse("").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(format!("{shipped:?}"), format!("{defaults:?}"));
    }

    #[test]
    fn the_shipped_duty_plan_parses() {
        let plan = Source::built_in("duty.toml", include_str!("../../../../config/duty.toml"));
        let plan = Plan::parse(&plan, &jiff::tz::TimeZone::UTC, Language::Vietnamese, &["sms", "duty-mail"])
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((plan.people.len(), plan.rotas.len(), plan.policies.len()), (3, 1, 1));
    }

    #[test]
    fn faults_point_at_their_line() {
        let zone = parse("[site]\ntimezone = \"Hanoi\"\n").expect_err("zone");
        assert!(zone.line == 2 && zone.mend.contains("Asia/Ho_Chi_Minh"), "{zone}");
        let lone = parse("[web]\ncertificate = \"x.pem\"\n").expect_err("lone certificate");
        assert_eq!(lone.line, 2, "{lone}");
        let kind = parse("[[channel]]\nname = \"sms\"\ntype = \"sms\"\n").expect_err("type");
        assert!(kind.line == 3 && kind.message.contains("`test`"), "{kind}");
        let key = parse("[[channel]]\nname = \"a\"\ntype = \"test\"\nnmae = 1\n").expect_err("key");
        assert!(key.line == 4 && key.message.contains("`min_severity`"), "{key}");
        let lost = "[[channel]]\nname = \"hook\"\ntype = \"test\"\nfallback = \"mail\"\n";
        let fault = parse(lost).expect_err("fallback");
        assert!(fault.line == 4 && fault.message.contains("mail"), "{fault:?}");
        let missing = parse("[rules]\nfile = \"/nonexistent/rules.toml\"\n").expect_err("file");
        assert!(missing.to_string().contains("/nonexistent/rules.toml"), "{missing}");
    }
}
