//! The configuration as it is written: its tables, with what each key is without being said. What a part says that was set on pages takes the
//! place of those of its tables ([`Form::take`]).

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use ioc_common::address::split_address;
use ioc_common::config::{Bounded, Span, SpanWithin, Spanned};
use ioc_common::language::Language;
use ioc_store::configuration::Part;

use super::agent_settings::GroupForm;
use super::backup::BackupForm;
use super::broker::BrokerForm;
use super::channel::{ChannelForm, HeartbeatForm, SourceForm};
use super::exposed::PrometheusForm;
use super::identity::{OidcForm, PeopleForm};
use super::percent::Percent;
use super::remote_write::RemoteWriteForm;
use super::site::SiteCode;
use super::store::StoreForm;
use super::ticket::TicketForm;
use super::timestamp::TimestampForm;
use super::{history, job, legal, register};
use crate::payload_profile::ValuesForm;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Form {
    pub(super) site: SiteForm,
    pub(super) paths: PathsForm,
    pub(super) store: StoreForm,
    pub(super) ingest: IngestForm,
    pub(super) web: WebForm,
    pub(super) pki: PkiForm,
    pub(super) presence: PresenceForm,
    pub(super) incidents: IncidentsForm,
    pub(super) history: history::HistoryForm,
    pub(super) retention: RetentionForm,
    pub(super) people: PeopleForm,
    pub(super) oidc: Option<OidcForm>,
    pub(super) prometheus: PrometheusForm,
    pub(super) remote_write: Option<RemoteWriteForm>,
    pub(super) rules: RulesForm,
    pub(super) values: Vec<Spanned<ValuesForm>>,
    pub(super) settings: Vec<GroupForm>,
    pub(super) channel: Vec<Spanned<ChannelForm>>,
    pub(super) ticket: Vec<Spanned<TicketForm>>,
    pub(super) duty: DutyForm,
    pub(super) heartbeat: Option<HeartbeatForm>,
    pub(super) source: Vec<SourceForm>,
    pub(super) job: Vec<job::JobForm>,
    pub(super) backup: BackupForm,
    pub(super) timestamp: TimestampForm,
    pub(super) legal: legal::LegalForm,
    pub(super) register: register::RegisterForm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SiteForm {
    pub(super) name: String,
    pub(super) code: SiteCode,
    pub(super) agencies: Vec<String>,
    pub(super) language: Language,
    pub(super) timezone: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PathsForm {
    pub(super) data: PathBuf,
    pub(super) runtime: PathBuf,
}

/// Most addresses that agents are given: as many as one takes.
const ADVERTISED_MAX: usize = 16;

/// Where agents are to report: an address, or the addresses of several collectors in the order in which they are tried.
#[derive(Debug)]
pub(super) struct Advertised(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Advertised {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            One(String),
            Several(Vec<String>),
        }
        let wrong = |found: String| {
            serde::de::Error::custom(format!(
                "{found}; allowed are HOST:PORT, or a list of 1 to {ADVERTISED_MAX} of them; mend: advertise = [\"c1.example:8883\", \"c2.example:8883\"]"
            ))
        };
        let all = match Written::deserialize(deserializer).map_err(|_| wrong("found no address".to_owned()))? {
            Written::One(one) => vec![one],
            Written::Several(all) => all,
        };
        if all.is_empty() || all.len() > ADVERTISED_MAX {
            return Err(wrong(format!("found {} addresses", all.len())));
        }
        // They are handed out in one line.
        match all.iter().find(|one| one.contains(',') || split_address(one).is_err()) {
            Some(found) => Err(wrong(format!("found {found:?}"))),
            None => Ok(Self(all)),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct IngestForm {
    pub(super) listen: SocketAddr,
    pub(super) advertise: Option<Advertised>,
    pub(super) broker: BrokerForm,
    pub(super) connections_max: Bounded<1, 1_000_000>,
    pub(super) gather: SpanWithin<0, 1_000>,
    pub(super) newcomers_max: Bounded<16, 1_000_000>,
    pub(super) newcomers_per_address_max: Bounded<8, 1_000_000>,
    pub(super) newcomers_per_network_max: Bounded<8, 1_000_000>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WebForm {
    pub(super) listen: SocketAddr,
    pub(super) strangers_max: Bounded<16, 1_000_000>,
    pub(super) strangers_per_address_max: Bounded<8, 1_000_000>,
    pub(super) strangers_per_network_max: Bounded<8, 1_000_000>,
    pub(super) signed_in_max: Bounded<16, 1_000_000>,
    pub(super) url: Option<String>,
    pub(super) names: Vec<String>,
    pub(super) certificate: Option<Spanned<PathBuf>>,
    pub(super) key: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PkiForm {
    pub(super) device_life: SpanWithin<10_000, 94_608_000_000>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PresenceForm {
    pub(super) settle: SpanWithin<1_000, 3_600_000>,
    pub(super) host_probe_ports: Vec<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct IncidentsForm {
    pub(super) reopen_within: SpanWithin<0, 604_800_000>,
    pub(super) storm_within: SpanWithin<1_000, 3_600_000>,
    pub(super) storm_devices: Bounded<0, 1000>,
    pub(super) storm_hold: SpanWithin<0, 60_000>,
    pub(super) availability_target: Percent,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RetentionForm {
    pub(super) file: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DutyForm {
    pub(super) file: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RulesForm {
    pub(super) file: Option<PathBuf>,
}

impl Default for SiteForm {
    fn default() -> Self {
        Self {
            name: "IOC".to_owned(),
            code: SiteCode::default(),
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
    pub(super) fn bounds(&self) -> crate::connection_limit::Bounds {
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
        Self {
            reopen_within: SpanWithin(Span::secs(1800)),
            storm_within: SpanWithin(Span::secs(60)),
            storm_devices: Bounded(5),
            storm_hold: SpanWithin(Span::secs(20)),
            availability_target: Percent(99.5),
        }
    }
}

impl Form {
    /// Takes the tables of a part from another text.
    pub(super) fn take(&mut self, part: Part, from: Self) {
        match part {
            Part::Site => self.site = from.site,
            Part::Channels => self.channel = from.channel,
            Part::Tickets => self.ticket = from.ticket,
            Part::Sources => self.source = from.source,
            Part::Jobs => self.job = from.job,
            Part::AgentGroups => self.settings = from.settings,
            Part::Register => self.register = from.register,
            Part::Legal => self.legal = from.legal,
            Part::Backup => self.backup = from.backup,
            Part::Timestamps => self.timestamp = from.timestamp,
            Part::Identity => (self.oidc, self.people) = (from.oidc, from.people),
            Part::Metrics => (self.prometheus, self.remote_write) = (from.prometheus, from.remote_write),
            Part::Sensors => self.values = from.values,
            Part::Heartbeat => self.heartbeat = from.heartbeat,
            // Each is a text of its own, not tables of this one.
            Part::Duty | Part::Rules | Part::Retention | Part::Software => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use ioc_common::config::Source;

    use super::super::{Config, testing};

    #[test]
    fn agents_are_told_one_address_or_those_of_all_collectors() {
        let parse = |written: &str| {
            let text = format!("[ingest]\nadvertise = {written}\n");
            Config::parse(&Source::built_in("collector.toml", &text), &testing::KINDS)
                .map(|config| config.mqtt_advertise)
        };
        assert_eq!(parse("\"c1:8883\"").expect("parses"), ["c1:8883"]);
        assert_eq!(parse("[\"c1:8883\", \"[::1]:1\"]").expect("parses"), ["c1:8883", "[::1]:1"]);
        for wrong in ["[]", "\"c1\"", "\"c1:1,c2:2\"", "[\"c1:0\"]", "7"] {
            let fault = parse(wrong).expect_err(wrong);
            let said = fault.to_string();
            assert!(fault.line == 2 && said.contains("HOST:PORT") && said.contains("advertise = ["), "{said}");
        }
    }
}
