//! The agent's configuration: `config/agent.toml`, every key with its default there.
//!
//! The file is read and checked by `ioc-agent-survey`, which needs most of it ([`Config::parse`]); the agent is handed what it
//! needs itself ([`config_from_surveyor`]) and carries neither the parser nor the forms.

mod survey_forms;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use ioc_common::address::split_address;
use ioc_common::config::{Bounded, ConfigError, Source, Span, SpanWithin, Spanned};
use ioc_common::settings::{EndpointSetting, Every, Interval, SettingsOutcome};
use ioc_probe::SURVEYS;
use ioc_probe::settings::{BackupSetting, SurveySettings};

use crate::host::program;
use survey_forms::{
    AntivirusForm, CertificatesForm, PortsForm, RaidForm, ServicesForm, SmartForm, SoftwareForm, SurveyForms, WallForm,
};

use crate::sensor::settings::{BusForm, NutForm, PjlinkForm, SensorForms, SensorSettings};

/// How long the surveyor may take to read a configuration, on a machine that is busy starting.
const SURVEYOR_WITHIN: Duration = Duration::from_secs(30);

/// `agent.toml` with all values checked and defaults filled in, and the collector's settings on top.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    /// Host and port of the MQTT endpoint or broker, each in its turn; none where it is the one learnt at enrolment.
    pub mqtt: Vec<String>,
    /// Host and port of the HTTP proxy through which it is reached.
    pub proxy: Option<String>,
    /// The user there, and the file that holds the password.
    pub proxy_login: Option<(String, PathBuf)>,
    /// The longest time without a packet from the agent; the collector counts one and a half of it as silence (MQTT's keep-alive).
    pub keep_alive: SpanWithin<5_000, 600_000>,
    /// Settings from the collector are taken.
    pub takes_settings: bool,
    /// What became of those that are kept here ([`crate::remote_settings`]).
    pub remote_settings: SettingsOutcome,
    /// From one sample to the next.
    pub interval: Interval,
    /// Where identity and spool lie.
    pub state: PathBuf,
    /// Where the status socket lies.
    pub runtime: PathBuf,
    /// Most reports in memory.
    pub ring_max_reports: Bounded<16, 100_000>,
    /// Most bytes of reports in the spool.
    pub spool_max_bytes: Bounded<1_048_576, 68_719_476_736>,
    /// How long the collector may be silent before samples go to disk.
    pub spill_after: SpanWithin<1_000, 3_600_000>,
    /// Probes and surveys that must not run.
    pub forbid: Vec<String>,
    /// How often a survey is made, where it is not its own measure.
    pub every: BTreeMap<String, Every>,
    /// What surveys are told. Not handed to the running agent, which makes none.
    #[serde(skip)]
    pub survey_settings: SurveySettings,
    /// Sensors around this host. Not handed to the running agent, which reads none itself …
    #[serde(skip)]
    pub sensors: SensorSettings,
    /// … but must know whether there are any.
    pub has_sensors: bool,
    /// By when the agent means to be back when its service is stopped.
    pub return_within: SpanWithin<0, 86_400_000>,
    /// A collector that has committed nothing for this long is missed.
    pub watchdog_after: SpanWithin<10_000, 604_800_000>,
    /// Address that is told when the collector is missed; nobody without one.
    pub watchdog_url: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ConfigForm {
    collector: CollectorForm,
    report: ReportForm,
    paths: PathsForm,
    spool: SpoolForm,
    probes: ProbesForm,
    stop: StopForm,
    collector_watchdog: WatchdogForm,
    commands: BTreeMap<String, Spanned<PathBuf>>,
    software: SoftwareForm,
    services: ServicesForm,
    ports: PortsForm,
    endpoint: Vec<Spanned<EndpointSetting>>,
    certificates: CertificatesForm,
    backup: Vec<Spanned<BackupSetting>>,
    wall: WallForm,
    smart: SmartForm,
    antivirus: AntivirusForm,
    raid: RaidForm,
    modbus: Vec<Spanned<BusForm>>,
    nut: Vec<Spanned<NutForm>>,
    pjlink: Vec<Spanned<PjlinkForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CollectorForm {
    mqtt: Option<Spanned<AddressList>>,
    proxy: Option<Spanned<String>>,
    proxy_user: Option<Spanned<String>>,
    #[serde(deserialize_with = "ioc_common::config::secret_file_if")]
    proxy_password_file: Option<PathBuf>,
    keep_alive: SpanWithin<5_000, 600_000>,
    settings: bool,
}

impl Default for CollectorForm {
    fn default() -> Self {
        Self {
            mqtt: None,
            proxy: None,
            proxy_user: None,
            proxy_password_file: None,
            keep_alive: SpanWithin(Span::secs(30)),
            settings: true,
        }
    }
}

/// Most addresses that are tried.
const ADDRESSES_MAX: usize = 16;

/// One address, or several.
#[derive(Debug)]
struct AddressList(Vec<String>);

impl<'de> Deserialize<'de> for AddressList {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> serde::de::Visitor<'de> for OneOrMore {
            type Value = AddressList;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an address like \"collector.example:8883\", or a list of them")
            }

            fn visit_str<E: serde::de::Error>(self, one: &str) -> Result<AddressList, E> {
                Ok(AddressList(vec![one.to_owned()]))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<AddressList, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = list.next_element()? {
                    all.push(one);
                }
                Ok(AddressList(all))
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}

impl CollectorForm {
    /// Checks where the collector is, and the proxy before it.
    fn check(&self, source: &Source) -> Result<(), ConfigError> {
        let mut has_v6 = false;
        if let Some(mqtt) = &self.mqtt {
            let AddressList(all) = mqtt.get_ref();
            let mend = "write it like \"collector.example:8883\" or \"[2001:db8::1]:8883\"";
            if all.is_empty() || all.len() > ADDRESSES_MAX {
                let message = format!("found {} addresses; allowed are 1 to {ADDRESSES_MAX}", all.len());
                return Err(source.fault(mqtt.span(), &message, mend));
            }
            for one in all {
                let (host, _) = split_address(one).map_err(|why| source.fault(mqtt.span(), &why, mend))?;
                has_v6 |= host.contains(':');
            }
        }
        let Some(proxy) = &self.proxy else {
            let Some(user) = &self.proxy_user else { return Ok(()) };
            return Err(source.fault(user.span(), "found proxy_user without proxy", "add proxy = \"host:port\""));
        };
        if proxy.get_ref().contains('@') {
            let mend = "write it like \"proxy.example:3128\", the user into proxy_user, and the password into a file";
            return Err(source.fault(proxy.span(), "found a user in proxy; allowed is host:port", mend));
        }
        if let Err(why) = split_address(proxy.get_ref()) {
            return Err(source.fault(proxy.span(), &why, "write it like \"proxy.example:3128\", without http://"));
        }
        if has_v6 {
            let message = "found an IPv6 address behind a proxy; allowed are names and IPv4 addresses";
            return Err(source.fault(proxy.span(), message, "name the collector by its name in mqtt"));
        }
        match (&self.proxy_user, &self.proxy_password_file) {
            (Some(user), None) => {
                Err(source.fault(user.span(), "found proxy_user without proxy_password_file", "name the file"))
            }
            (None, Some(_)) => {
                Err(source.fault(proxy.span(), "found proxy_password_file without proxy_user", "add proxy_user"))
            }
            (Some(_), Some(_)) | (None, None) => Ok(()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ReportForm {
    interval: Interval,
}

impl Default for ReportForm {
    fn default() -> Self {
        Self { interval: SpanWithin(Span::secs(10)) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PathsForm {
    state: PathBuf,
    runtime: PathBuf,
}

impl Default for PathsForm {
    fn default() -> Self {
        Self { state: "/var/lib/ioc-agent".into(), runtime: "/run/ioc-agent".into() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SpoolForm {
    ring_max_reports: Bounded<16, 100_000>,
    max_bytes: Bounded<1_048_576, 68_719_476_736>,
    spill_after: SpanWithin<1_000, 3_600_000>,
}

impl Default for SpoolForm {
    fn default() -> Self {
        Self {
            ring_max_reports: Bounded(360),
            max_bytes: Bounded(64 * 1024 * 1024),
            spill_after: SpanWithin(Span::secs(30)),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ProbesForm {
    forbid: Vec<Spanned<String>>,
    every: BTreeMap<Spanned<String>, Every>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StopForm {
    return_within: SpanWithin<0, 86_400_000>,
}

impl Default for StopForm {
    fn default() -> Self {
        Self { return_within: SpanWithin(Span::secs(300)) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WatchdogForm {
    after: SpanWithin<10_000, 604_800_000>,
    url: Option<Spanned<String>>,
}

impl Default for WatchdogForm {
    fn default() -> Self {
        Self { after: SpanWithin(Span::secs(900)), url: None }
    }
}

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the first fault.
    pub fn parse(source: &Source) -> Result<Self, ConfigError> {
        let form: ConfigForm = source.parse()?;
        let fault_of = |name: &Spanned<String>, fault: fn(&str) -> Option<String>| {
            fault(name.get_ref()).map(|why| source.fault(name.span(), &why, "correct the name or remove it"))
        };
        let forbid = form.probes.forbid.iter().filter_map(|name| fault_of(name, probe_fault));
        if let Some(fault) =
            forbid.chain(form.probes.every.keys().filter_map(|name| fault_of(name, survey_fault))).next()
        {
            return Err(fault);
        }
        form.collector.check(source)?;
        let allowed = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        if let Some(url) = form.collector_watchdog.url.as_ref().filter(|url| !allowed(url.get_ref())) {
            let message = format!("found url {:?}; allowed are http:// and https://", url.get_ref());
            return Err(source.fault(url.span(), &message, "write the whole address"));
        }
        let survey_forms = SurveyForms {
            commands: form.commands,
            software: form.software,
            services: form.services,
            ports: form.ports,
            endpoint: form.endpoint,
            certificates: form.certificates,
            backup: form.backup,
            wall: form.wall,
            smart: form.smart,
            antivirus: form.antivirus,
            raid: form.raid,
        };
        let sensors = SensorForms { modbus: form.modbus, nut: form.nut, pjlink: form.pjlink }.check(source)?;
        Ok(Self {
            has_sensors: !sensors.is_empty(),
            sensors,
            survey_settings: survey_forms.check(source)?,
            every: form.probes.every.into_iter().map(|(name, every)| (name.into_inner(), every)).collect(),
            mqtt: form.collector.mqtt.map_or_else(Vec::new, |mqtt| mqtt.into_inner().0),
            proxy: form.collector.proxy.map(Spanned::into_inner),
            proxy_login: form.collector.proxy_user.map(Spanned::into_inner).zip(form.collector.proxy_password_file),
            keep_alive: form.collector.keep_alive,
            takes_settings: form.collector.settings,
            remote_settings: SettingsOutcome::default(),
            interval: form.report.interval,
            state: form.paths.state,
            runtime: form.paths.runtime,
            ring_max_reports: form.spool.ring_max_reports,
            spool_max_bytes: form.spool.max_bytes,
            spill_after: form.spool.spill_after,
            forbid: form.probes.forbid.into_iter().map(Spanned::into_inner).collect(),
            return_within: form.stop.return_within,
            watchdog_after: form.collector_watchdog.after,
            watchdog_url: form.collector_watchdog.url.map(Spanned::into_inner),
        })
    }
}

/// What is wrong with the name of a probe or survey, if anything is.
pub(crate) fn probe_fault(name: &str) -> Option<String> {
    let all: Vec<&str> = ioc_probe::names().collect();
    (!all.contains(&name)).then(|| format!("found probe {name:?}; allowed are {}", all.join(", ")))
}

/// What is wrong with the name of a survey, if anything is.
pub(crate) fn survey_fault(name: &str) -> Option<String> {
    let all: Vec<&str> = SURVEYS.iter().map(|survey| survey.name).collect();
    (!all.contains(&name)).then(|| format!("found survey {name:?}; allowed are {}", all.join(", ")))
}

/// The configuration at `path`, or the defaults, read and checked by the surveyor; with the settings that the collector gave, or, where
/// they are `offered`, with those that it gives now.
///
/// # Errors
/// [`SurveyorError`] holds what is wrong with the file, with its place and mend, or with what is offered.
pub fn config_from_surveyor(path: Option<&Path>, offered: bool) -> Result<Config, SurveyorError> {
    let other = |error: &dyn std::fmt::Display| SurveyorError(error.to_string());
    let program = surveyor_path().map_err(|error| other(&error))?;
    let path = path.map(std::path::absolute).transpose().map_err(|error| other(&error))?;
    let named =
        path.as_deref().map(|path| path.to_str().ok_or_else(|| other(&"the path of the configuration is not UTF-8")));
    let mut arguments = vec!["check-config", "--json"];
    if offered {
        arguments.push("--offered");
    }
    if let Some(path) = named.transpose()? {
        arguments.extend(["--config", path]);
    }
    let output = program::run(&program, &arguments, SURVEYOR_WITHIN)
        .map_err(|error| SurveyorError(format!("{error}; mend: install it beside ioc-agent")))?;
    if output.code != Some(0) {
        return Err(SurveyorError(output.complaint));
    }
    serde_json::from_slice(&output.text).map_err(|error| {
        SurveyorError(format!("{}: {error}; mend: install one version of both programs", program.display()))
    })
}

/// The program beside the agent that does what a running agent need not be able to.
const SURVEYOR: &str = "ioc-agent-survey";

/// Where the surveyor lies: beside the program that runs.
///
/// # Errors
/// When `/proc/self/exe` does not name this program.
pub fn surveyor_path() -> std::io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(SURVEYOR))
}

/// The configuration cannot be used, or not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SurveyorError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_configuration_is_the_defaults() {
        let shipped = Config::parse(&Source::built_in("agent.toml", include_str!("../../config/agent.toml")))
            .unwrap_or_else(|e| panic!("{e}"));
        let defaults = Config::parse(&Source::built_in("empty", "")).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(format!("{shipped:?}"), format!("{defaults:?}"));
    }

    #[test]
    fn what_is_handed_to_the_agent_is_what_was_read() {
        let proxy = "proxy = \"p:1\"\nproxy_user = \"x\"\nproxy_password_file = \"/x\"\n";
        let rest = "[report]\ninterval = \"90s\"\n[probes]\nforbid = [\"usb\"]\nevery = { smart = \"2h\" }\n";
        let text = &format!("[collector]\nmqtt = [\"a:8883\", \"b:1\"]\n{proxy}{rest}");
        let read = Config::parse(&Source::built_in("agent.toml", text)).unwrap_or_else(|e| panic!("{e}"));
        let handed: Config = serde_json::from_str(&serde_json::to_string(&read).expect("writes")).expect("reads");
        let read = Config { survey_settings: SurveySettings::default(), ..read };
        assert_eq!(format!("{read:?}"), format!("{handed:?}"));
    }

    #[test]
    fn faults_point_at_their_line() {
        let fault = |text: &str| Config::parse(&Source::built_in("agent.toml", text)).expect_err("must be refused");
        let probe = fault("[probes]\nforbid = [\"cpu\", \"cpuu\"]\n");
        assert!(probe.line == 2 && probe.message.contains("cpuu") && probe.message.contains("pressure"), "{probe}");
        let address = fault("[collector]\nmqtt = \"collector\"\n");
        assert!(address.line == 2 && address.mend.contains("8883"), "{address}");
        for (keys, line, said) in [
            ("mqtt = []", 2, "allowed are 1 to 16"),
            ("mqtt = [\"a:1\", \"b\"]", 2, "host:port"),
            ("mqtt = 8883", 2, "or a list of them"),
            ("proxy = \"http://proxy:3128\"", 2, "host:port"),
            ("proxy = \"me:s3cret@proxy:3128\"", 2, "a user in proxy"),
            ("proxy_user = \"x\"", 2, "without proxy"),
            ("proxy = \"p:1\"\nproxy_user = \"x\"", 3, "proxy_password_file"),
            ("proxy = \"p:1\"\nproxy_password_file = \"/x\"", 2, "without proxy_user"),
            ("mqtt = \"[::1]:1\"\nproxy = \"p:1\"", 3, "IPv6"),
        ] {
            let found = fault(&format!("[collector]\n{keys}\n"));
            assert!(found.line == line && found.message.contains(said) && !found.mend.is_empty(), "{keys}: {found}");
        }
        let key = fault("[report]\nintervall = \"10s\"\n");
        assert!(key.line == 2 && key.message.contains("interval"), "{key}");
    }
}
