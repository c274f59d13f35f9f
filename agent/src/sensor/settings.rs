//! The tables of `agent.toml` that name sensors: `[[modbus]]`, `[[nut]]`, `[[pjlink]]`.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use ioc_common::config::{ConfigError, Source, SpanWithin, Spanned};
use ioc_common::id::SensorName;
use ioc_common::report::SensorFacts;

use super::builtin_profiles;
use super::profile::SensorProfile;
use ioc_common::address::{split_address, split_address_or};

/// Most sensors of one host: bounds its work and what it makes of the inventory.
pub const SENSORS_MAX: usize = 500;
/// Where a site puts profiles of its own.
pub const OWN_PROFILES: &str = "/etc/ioc-watch/modbus";

/// How often a device is asked.
pub type PollEvery = SpanWithin<200, 3_600_000>;
/// How long an answer may take.
pub type Timeout = SpanWithin<50, 30_000>;

/// The sensors of `agent.toml`, each with its profile read and its values checked.
#[derive(Debug, Clone, Default)]
pub struct SensorSettings {
    /// Modbus lines, each with the units on it.
    pub buses: Vec<Bus>,
    /// UPS behind Network UPS Tools.
    pub nut: Vec<NutUps>,
    /// Projectors and panels that speak PJLink.
    pub pjlink: Vec<Projector>,
}

impl SensorSettings {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.buses.is_empty() && self.nut.is_empty() && self.pjlink.is_empty()
    }
}

/// What a sensor is to people.
#[derive(Debug, Clone)]
pub struct SensorIdentity {
    /// Its name on this host.
    pub name: SensorName,
    /// What the collector is told of it.
    pub facts: SensorFacts,
}

/// A Modbus line, on which one request is under way at a time.
#[derive(Debug, Clone)]
pub struct Bus {
    /// Serial line or TCP address of the bus.
    pub line: BusLine,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How often a request is sent before a unit counts as silent.
    pub tries: u32,
    /// Each answers to its own number.
    pub units: Vec<Unit>,
}

/// How a Modbus line is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "their names say it")]
pub enum BusLine {
    /// Modbus TCP, a device or a gateway.
    Tcp { host: String, port: u16 },
    /// Modbus RTU on a serial line.
    Serial {
        /// Device, best below `/dev/serial/by-id`.
        path: PathBuf,
        /// Bits per second.
        baud: u32,
        parity: Parity,
        /// Stop bits, 1 or 2.
        stop: u8,
    },
}

impl std::fmt::Display for BusLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp [{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp {host}:{port}"),
            Self::Serial { path, baud, parity, stop } => {
                let letter = match parity {
                    Parity::None => 'N',
                    Parity::Even => 'E',
                    Parity::Odd => 'O',
                };
                write!(f, "{} {baud} 8{letter}{stop}", path.display())
            }
        }
    }
}

/// Parity of a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "their names say it")]
pub enum Parity {
    #[default]
    None,
    Even,
    Odd,
}

/// A unit on a Modbus line.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Name and facts of the sensor.
    pub about: SensorIdentity,
    /// Its number on the line, 1 to 247; 0 or 255 for a TCP device that has none.
    pub number: u8,
    /// Which of its words mean what.
    pub profile: Arc<SensorProfile>,
    /// From the start of one poll to the start of the next, while it answers.
    pub every: Duration,
    /// Names of its contacts; those that are not named are not read. Empty when the profile has no contacts to name.
    pub contacts: BTreeMap<String, String>,
    /// Contacts that are open in alarm.
    pub inverted: Vec<String>,
}

/// A UPS behind Network UPS Tools.
#[derive(Debug, Clone)]
pub struct NutUps {
    /// Name and facts of the sensor.
    pub about: SensorIdentity,
    /// Name or address of the host on which `upsd` runs; often this one.
    pub host: String,
    /// TCP port of `upsd`, 3493 unless said otherwise.
    pub port: u16,
    /// The name of the UPS there.
    pub ups: String,
    /// User, where `upsd` wants one.
    pub user: Option<String>,
    /// File that holds the password of `user`, so that it stands in no configuration.
    pub password_file: Option<PathBuf>,
    /// From the start of one poll to the start of the next, while it answers.
    pub every: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// A projector or panel.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "their names say it")]
pub struct Projector {
    /// Name and facts of the sensor.
    pub about: SensorIdentity,
    pub host: String,
    pub port: u16,
    /// File with the password, where it has one.
    pub password_file: Option<PathBuf>,
    /// From the start of one poll to the start of the next, while it answers.
    pub every: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SensorForms {
    pub(crate) modbus: Vec<Spanned<BusForm>>,
    pub(crate) nut: Vec<Spanned<NutForm>>,
    pub(crate) pjlink: Vec<Spanned<PjlinkForm>>,
}

/// What every sensor may say of itself. Each form has these keys of its own, so that each refuses keys it does not know.
struct AboutForm {
    name: Spanned<SensorName>,
    title: String,
    label: String,
    room: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BusForm {
    tcp: Option<Spanned<String>>,
    serial: Option<Spanned<PathBuf>>,
    baud: Option<u32>,
    #[serde(default)]
    parity: Parity,
    stop: Option<Spanned<u8>>,
    every: Option<PollEvery>,
    timeout: Option<Timeout>,
    tries: Option<Spanned<u32>>,
    unit: Vec<Spanned<UnitForm>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnitForm {
    name: Spanned<SensorName>,
    #[serde(default)]
    title: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    room: String,
    number: u8,
    profile: String,
    every: Option<PollEvery>,
    #[serde(default)]
    contacts: BTreeMap<String, String>,
    #[serde(default)]
    inverted: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NutForm {
    name: Spanned<SensorName>,
    #[serde(default)]
    title: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    room: String,
    server: String,
    ups: String,
    user: Option<String>,
    #[serde(default, deserialize_with = "ioc_common::config::secret_file_if")]
    password_file: Option<PathBuf>,
    every: Option<PollEvery>,
    timeout: Option<Timeout>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PjlinkForm {
    name: Spanned<SensorName>,
    #[serde(default)]
    title: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    room: String,
    address: String,
    #[serde(default, deserialize_with = "ioc_common::config::secret_file_if")]
    password_file: Option<PathBuf>,
    every: Option<PollEvery>,
    timeout: Option<Timeout>,
}

impl SensorForms {
    pub(crate) fn check(self, source: &Source) -> Result<SensorSettings, ConfigError> {
        let mut check = SensorChecker { source, names: HashSet::new(), profiles: BTreeMap::new() };
        let mut lines = HashSet::new();
        let mut buses = Vec::new();
        for form in self.modbus {
            let span = form.span();
            let bus = check.bus(span.clone(), form.into_inner())?;
            if !lines.insert(bus.line.clone()) {
                let message = format!("found {} a second time; allowed is one table for each line", bus.line);
                return Err(source.fault(span, &message, "put all its units into one [[modbus]]"));
            }
            buses.push(bus);
        }
        let mut nut = Vec::new();
        for form in self.nut {
            let span = form.span();
            nut.push(check.nut(span, form.into_inner())?);
        }
        let mut pjlink = Vec::new();
        for form in self.pjlink {
            let span = form.span();
            pjlink.push(check.pjlink(span, form.into_inner())?);
        }
        Ok(SensorSettings { buses, nut, pjlink })
    }
}

struct SensorChecker<'a> {
    source: &'a Source,
    names: HashSet<SensorName>,
    profiles: BTreeMap<String, Arc<SensorProfile>>,
}

impl SensorChecker<'_> {
    fn fault<T>(&self, span: std::ops::Range<usize>, message: &str, mend: &str) -> Result<T, ConfigError> {
        Err(self.source.fault(span, message, mend))
    }

    fn about(
        &mut self,
        form: AboutForm,
        kind: &str,
        profile: String,
        address: String,
    ) -> Result<SensorIdentity, ConfigError> {
        let (span, name) = (form.name.span(), form.name.into_inner());
        if self.names.len() >= SENSORS_MAX {
            return self.fault(
                span,
                &format!("allowed are {SENSORS_MAX} sensors on one host"),
                "divide them among hosts",
            );
        }
        if !self.names.insert(name.clone()) {
            let message = format!("found a second sensor {name}; allowed is a name of its own for each");
            return self.fault(span, &message, "rename one of them");
        }
        let facts = SensorFacts {
            kind: kind.to_owned(),
            title: form.title,
            label: form.label,
            room: form.room,
            profile,
            address,
            texts: Vec::new(),
        };
        Ok(SensorIdentity { name, facts })
    }

    fn bus(&mut self, span: std::ops::Range<usize>, form: BusForm) -> Result<Bus, ConfigError> {
        let line = match (form.tcp, form.serial) {
            (Some(tcp), None) => match split_address(tcp.get_ref()) {
                Ok((host, port)) => BusLine::Tcp { host, port },
                Err(why) => return self.fault(tcp.span(), &why, "write it like \"192.0.2.7:502\""),
            },
            (None, Some(path)) if path.get_ref().is_absolute() => {
                let stop = form.stop.as_ref().map_or(1, |stop| *stop.get_ref());
                if !(1..=2).contains(&stop) {
                    let at = form.stop.map_or(span, |stop| stop.span());
                    return self.fault(at, &format!("found stop = {stop}; allowed are 1 and 2"), "correct it");
                }
                BusLine::Serial { path: path.into_inner(), baud: form.baud.unwrap_or(9600), parity: form.parity, stop }
            }
            (None, Some(path)) => {
                let message = format!("found serial {:?}; allowed is an absolute path", path.get_ref());
                return self.fault(
                    path.span(),
                    &message,
                    "name it below /dev/serial/by-id, which stays when ports renumber",
                );
            }
            _ => return self.fault(span, "required is one of tcp and serial", "say how the line is reached"),
        };
        if form.unit.is_empty() {
            return self.fault(
                span,
                "found no unit; required is at least one [[modbus.unit]]",
                "add one, or remove the line",
            );
        }
        let tries = form.tries.as_ref().map_or(2, |tries| *tries.get_ref());
        if !(1..=5).contains(&tries) {
            let at = form.tries.map_or(span, |tries| tries.span());
            return self.fault(at, &format!("found tries = {tries}; allowed are 1 to 5"), "correct it");
        }
        let every = form.every.map_or(Duration::from_secs(5), SpanWithin::get);
        let mut units = Vec::new();
        for unit in form.unit {
            let at = unit.span();
            units.push(self.unit(at, unit.into_inner(), &line, every)?);
        }
        let timeout = form.timeout.map_or(Duration::from_millis(800), SpanWithin::get);
        Ok(Bus { line, timeout, tries, units })
    }

    fn unit(
        &mut self,
        span: std::ops::Range<usize>,
        form: UnitForm,
        line: &BusLine,
        every: Duration,
    ) -> Result<Unit, ConfigError> {
        let profile = match self.profiles.get(&form.profile) {
            Some(profile) => Arc::clone(profile),
            None => match builtin_profiles::find(&form.profile, Path::new(OWN_PROFILES)) {
                Ok(profile) => {
                    let profile = Arc::new(profile);
                    self.profiles.insert(form.profile.clone(), Arc::clone(&profile));
                    profile
                }
                Err(builtin_profiles::ProfileError::Faulty(error)) => return Err(error),
                Err(error) => {
                    let message = format!("found profile {:?}: {error}", form.profile);
                    return self.fault(span, &message, &format!("correct the name, or put one into {OWN_PROFILES}"));
                }
            },
        };
        if matches!(line, BusLine::Serial { .. }) && !(1..=247).contains(&form.number) {
            let message = format!("found number = {}; allowed are 1 to 247 on a serial line", form.number);
            return self.fault(span, &message, "read it off the device, or let 'ioc-agent sensor scan' find it");
        }
        let known = |name: &String| profile.items.iter().any(|item| item.subject == *name);
        if let Some(wrong) = form.contacts.keys().chain(&form.inverted).find(|name| !known(name)) {
            let message = format!("found contact {wrong:?}, which profile {} does not have", profile.name);
            return self.fault(span, &message, "name its contacts as the profile numbers them");
        }
        let address = format!("{line} unit {}", form.number);
        let mut about = self.about(
            AboutForm { name: form.name, title: form.title, label: form.label, room: form.room },
            &profile.kind,
            format!("modbus {}", profile.name),
            address,
        )?;
        about.facts.texts = profile.meanings();
        Ok(Unit {
            about,
            number: form.number,
            every: form.every.map_or(every, SpanWithin::get),
            contacts: form.contacts,
            inverted: form.inverted,
            profile,
        })
    }

    fn nut(&mut self, span: std::ops::Range<usize>, form: NutForm) -> Result<NutUps, ConfigError> {
        let (host, port) = match split_address_or(&form.server, 3493) {
            Ok(address) => address,
            Err(why) => return self.fault(span, &why, "write it like \"192.0.2.7\" or \"192.0.2.7:3493\""),
        };
        let shaped = !form.ups.is_empty() && form.ups.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !shaped {
            let message = format!("found ups {:?}; allowed is its name in ups.conf", form.ups);
            return self.fault(span, &message, "'upsc -l HOST' lists the names");
        }
        let where_ = format!("{}@{host}:{port}", form.ups);
        Ok(NutUps {
            about: self.about(
                AboutForm { name: form.name, title: form.title, label: form.label, room: form.room },
                "ups",
                "nut".to_owned(),
                where_,
            )?,
            host,
            port,
            ups: form.ups,
            user: form.user,
            password_file: form.password_file,
            every: form.every.map_or(Duration::from_secs(5), SpanWithin::get),
            timeout: form.timeout.map_or(Duration::from_secs(5), SpanWithin::get),
        })
    }

    fn pjlink(&mut self, span: std::ops::Range<usize>, form: PjlinkForm) -> Result<Projector, ConfigError> {
        let (host, port) = match split_address_or(&form.address, 4352) {
            Ok(address) => address,
            Err(why) => return self.fault(span, &why, "write it like \"192.0.2.9\" or \"192.0.2.9:4352\""),
        };
        let where_ = format!("pjlink {host}:{port}");
        Ok(Projector {
            about: self.about(
                AboutForm { name: form.name, title: form.title, label: form.label, room: form.room },
                "projector",
                "pjlink".to_owned(),
                where_,
            )?,
            host,
            port,
            password_file: form.password_file,
            every: form.every.map_or(Duration::from_secs(30), SpanWithin::get),
            timeout: form.timeout.map_or(Duration::from_secs(10), SpanWithin::get),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SensorSettings, ConfigError> {
        let source = Source::built_in("agent.toml", text);
        source.parse::<SensorForms>()?.check(&source)
    }

    const GOOD: &str = r#"
[[modbus]]
tcp = "192.0.2.7:502"
every = "1s"
[[modbus.unit]]
name = "room-temp"
number = 3
profile = "xy-md02"
title = "Nhiệt độ phòng máy"
room = "P.101"
[[modbus.unit]]
name = "contacts"
number = 4
profile = "contacts"
contacts = { "1" = "Khói", "3" = "Cửa" }
inverted = ["3"]
[[modbus]]
serial = "/dev/serial/by-id/usb-1"
parity = "even"
[[modbus.unit]]
name = "meter"
number = 1
profile = "schneider-iem3000"
[[nut]]
name = "ups-1"
server = "::1"
ups = "smart"
[[pjlink]]
name = "projector"
address = "192.0.2.9"
"#;

    #[test]
    fn sensors_of_every_kind() {
        let sensors = parse(GOOD).unwrap_or_else(|e| panic!("{e}"));
        let unit = &sensors.buses[0].units[0];
        assert_eq!((unit.every, unit.about.facts.room.as_str()), (Duration::from_secs(1), "P.101"));
        assert_eq!(unit.about.facts.address, "tcp 192.0.2.7:502 unit 3");
        assert_eq!(sensors.buses[1].units[0].about.facts.address, "/dev/serial/by-id/usb-1 9600 8E1 unit 1");
        assert_eq!((sensors.nut[0].host.as_str(), sensors.nut[0].port), ("::1", 3493));
        assert_eq!(sensors.pjlink[0].port, 4352);
        assert!(parse("").unwrap_or_else(|e| panic!("{e}")).is_empty());
    }

    #[test]
    fn mistakes_name_their_place() {
        for (from, to, says) in [
            ("tcp = \"192.0.2.7:502\"", "tcp = \"192.0.2.7\"", "host:port"),
            ("number = 1\n", "number = 0\n", "1 to 247"),
            ("profile = \"xy-md02\"", "profile = \"xy-md03\"", "xy-md02-holding"),
            ("name = \"meter\"", "name = \"room-temp\"", "second sensor room-temp"),
            ("name = \"meter\"", "name = \"Meter 1\"", "a-z 0-9 -"),
            ("\"3\" = \"Cửa\"", "\"9\" = \"Cửa\"", "contact \"9\""),
            ("serial = \"/dev/serial/by-id/usb-1\"", "serial = \"ttyUSB0\"", "by-id"),
            ("ups = \"smart\"", "ups = \"a b\"", "upsc -l"),
            ("serial = \"/dev/serial/by-id/usb-1\"\nparity = \"even\"", "tcp = \"192.0.2.7:502\"", "second time"),
        ] {
            let fault = parse(&GOOD.replace(from, to)).expect_err(to);
            assert!(fault.to_string().contains(says) && fault.line > 0, "{to}: {fault}");
        }
    }
}
