//! The collector's configuration: `config/collector.toml`, every key with its default there.

mod agent_settings;
mod backup;
mod broker;
mod channel;
mod exposed;
mod form;
mod history;
mod identity;
mod job;
mod kind;
mod legal;
mod part;
mod percent;
mod register;
mod remote_write;
mod retention;
mod site;
mod store;
mod ticket;
mod timestamp;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ioc_common::config::{Bounded, ConfigError, Source, SpanWithin, Spanned};
use ioc_common::language::Language;
use ioc_judge::RuleSet;
use ioc_judge::duty::Plan;
use ioc_store::configuration::Part;

use crate::payload_profile::PayloadProfiles;
pub use agent_settings::{AssignedSettings, Group, SettingsState};
pub use backup::{BackupPlan, KeptBackups, Sealing};
pub use broker::BrokerPlan;
pub use channel::{AlertSource, Channel, Heartbeat};
pub use exposed::ExposedLabel;
use form::Form;
pub use identity::Oidc;
use ioc_store::Role;
pub use job::Job;
#[cfg(test)]
pub(crate) use kind::testing;
pub use kind::{ConfigContext, ConnectorKind, ConnectorKinds};
pub use legal::LegalBasis;
use part::PartSources;
pub use part::{Origin, PartHolder, PartInForce, StoredParts, shipped, stored_parts, tables_of};
pub use percent::Percent;
pub use register::RegisterRules;
pub use remote_write::RemoteWrite;
pub use retention::{ClassEnd, ClassRule, DEFAULT_RETENTION, Retention};
pub use store::{PostgresPlan, StorePlan};
pub use ticket::{TICKET_PLACEHOLDERS, TicketSystem, page_of};
pub use timestamp::TimestampPlan;

/// The configuration, checked.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of the site, as it stands on pages and notices.
    pub site_name: String,
    /// The site in a few letters, for short texts.
    pub site_code: String,
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
    /// The addresses that agents are given to connect to, in the order in which they try them.
    pub mqtt_advertise: Vec<String>,
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
    /// What fails within this of each other, and has something in common, may be one storm.
    pub storm_within: SpanWithin<1_000, 3_600_000>,
    /// So many devices make a storm; none ever does with 0 or 1.
    pub storm_devices: Bounded<0, 1000>,
    /// The notices of what fails beside another are held for this long.
    pub storm_hold: SpanWithin<0, 60_000>,
    /// How much of the time rooms and groups of devices are to be there, percent.
    pub availability_target: Percent,
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
    /// What it was made of.
    pub origin: Arc<Origin>,
}

/// The configuration as it is shipped: every key with its default.
pub const DEFAULT_CONFIG: &str = include_str!("../../../../config/collector.toml");

/// The rules that are built in: the shipped `config/rules.toml`.
pub const DEFAULT_RULES: &str = include_str!("../../../../config/rules.toml");

/// Rules that go on from the shipped ones where their text says so.
///
/// # Errors
///
/// Names the place where the text is wrong.
pub fn parse_rules(source: &Source) -> Result<RuleSet, ConfigError> {
    RuleSet::parse_on(source, &Source::built_in("(built-in rules.toml)", DEFAULT_RULES))
}

impl Config {
    /// Reads and checks a configuration, and the rules it names. `kinds` are the kinds of channels and ticket systems that there are.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the first fault.
    pub fn parse(source: &Source, kinds: &ConnectorKinds) -> Result<Self, ConfigError> {
        Self::read(source, kinds, &StoredParts::new())
    }

    /// The same with what was set on pages of the parts that no file holds.
    fn read(source: &Source, kinds: &ConnectorKinds, stored: &StoredParts) -> Result<Self, ConfigError> {
        let mut form: Form = source.parse()?;
        let parts = PartSources::find(source, &form, stored)?;
        for (part, text) in parts.tables() {
            form.take(part, text.parse()?);
        }
        let of = |part| parts.of(part);
        let timezone = zone(of(Part::Site), &form.site.timezone)?;
        let (web_bounds, web_known_max) = (form.web.bounds(), form.web.signed_in_max.usize());
        let web_certificate = certificate_and_key(source, form.web.certificate, form.web.key)?;
        let rules = parse_rules(&parts.whole(Part::Rules))?;
        let history_keep = [form.history.keep, form.history.keep_5m, form.history.keep_1h];
        let retention = parts.whole(Part::Retention);
        let retention = retention::parse(&retention, history_keep.map(|SpanWithin(span)| span))?;
        let channels = channel::check_all(of(Part::Channels), form.channel, kinds.channels)?;
        let mut tickets: Vec<TicketSystem> = Vec::new();
        for (form, table) in form.ticket.into_iter().zip(of(Part::Tickets).tables("ticket")?) {
            tickets.push(ticket::check(of(Part::Tickets), form, table, kinds.tickets, &tickets)?);
        }
        let language = form.site.language;
        let names: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
        let plan = if parts.is_said(Part::Duty) {
            Plan::parse(&parts.whole(Part::Duty), &timezone, language, &names)?
        } else {
            Plan { zone: timezone.clone(), ..Plan::default() }
        };
        let store = form.store.check(source)?;
        let first = form.web.names.first().cloned().unwrap_or_else(|| form.web.listen.ip().to_string());
        let own = || vec![format!("{first}:{}", form.ingest.listen.port())];
        let mqtt_advertise = form.ingest.advertise.map_or_else(own, |advertised| advertised.0);
        let web_url = form.web.url.unwrap_or_else(|| format!("https://{first}:{}", form.web.listen.port()));
        Ok(Self {
            site_code: form.site.code.of(&form.site.name),
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
            storm_within: form.incidents.storm_within,
            storm_devices: form.incidents.storm_devices,
            storm_hold: form.incidents.storm_hold,
            availability_target: form.incidents.availability_target,
            fold_every: form.history.fold,
            fold_cpu_pct: form.history.fold_cpu_pct,
            history_keep,
            retention,
            values: PayloadProfiles::check(of(Part::Sensors), form.values)?,
            heartbeat: form.heartbeat.map(|form| form.check(of(Part::Heartbeat))).transpose()?,
            exposed_labels: form.prometheus.labels,
            remote_write: form.remote_write.map(|form| form.check(of(Part::Metrics))).transpose()?,
            oidc: form.oidc.map(|form| form.check(of(Part::Identity))).transpose()?,
            second_for: form.people.second_factor_for,
            settings: agent_settings::check(of(Part::AgentGroups), form.settings)?,
            rules: Arc::new(rules),
            channels,
            tickets,
            plan,
            sources: channel::check_sources(of(Part::Sources), form.source)?,
            jobs: job::check(of(Part::Jobs), form.job)?,
            backup: form.backup.check(of(Part::Backup))?,
            timestamp: form.timestamp.check(of(Part::Timestamps))?,
            legal: form.legal.check(of(Part::Legal))?,
            register: form.register.check(of(Part::Register), &parts.whole(Part::Software))?,
            origin: Arc::new(Origin::new(source, *kinds, parts.held)),
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
