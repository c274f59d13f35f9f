//! `ioc-agent sensor`: what a technician needs on site. `test` reads a device once and shows the raw words beside what they mean;
//! `scan` looks for units on a line; `profiles` lists what is known.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ioc_common::layout::Series;
use ioc_common::metric::Metric;
use ioc_common::report::SensorFacts;

use super::builtin_profiles::{self, BUILTIN};
use super::modbus::{RequestError, Wire, today};
use super::profile::{ItemValue, RegisterWords};
use super::publisher::Poll;
use super::request_batching::{AddressRange, RegisterTable};
use super::settings::{BusLine, NutUps, OWN_PROFILES, Parity, Projector, SensorIdentity};
use super::{nut, pjlink};
use ioc_common::address::{split_address, split_address_or};

/// A person who waits is told sooner than the service would give up.
const NUT_TIMEOUT: Duration = Duration::from_secs(2);

/// How a Modbus line is given on the command line.
#[derive(Debug, Clone, clap::Args)]
pub struct LineArgs {
    /// Modbus TCP: a device or a gateway.
    #[arg(long, value_name = "HOST:PORT")]
    pub tcp: Option<String>,
    /// Modbus RTU: a serial device, best below /dev/serial/by-id.
    #[arg(long, value_name = "DEVICE", conflicts_with = "tcp")]
    pub serial: Option<PathBuf>,
    /// Bits per second of the serial line.
    #[arg(long, default_value_t = 9600)]
    pub baud: u32,
    /// Parity of the serial line: none, even or odd.
    #[arg(long, default_value = "none")]
    pub parity: String,
    /// Stop bits of the serial line.
    #[arg(long, default_value_t = 1)]
    pub stop: u8,
    /// How long an answer may take, milliseconds.
    #[arg(long, default_value_t = 2000, value_name = "MS")]
    pub timeout: u64,
}

impl LineArgs {
    fn wire(&self) -> anyhow::Result<Wire> {
        let line = match (&self.tcp, &self.serial) {
            (Some(tcp), None) => {
                let (host, port) = split_address(tcp).map_err(anyhow::Error::msg)?;
                BusLine::Tcp { host, port }
            }
            (None, Some(path)) => BusLine::Serial {
                path: path.clone(),
                baud: self.baud,
                stop: self.stop,
                parity: match self.parity.as_str() {
                    "none" => Parity::None,
                    "even" => Parity::Even,
                    "odd" => Parity::Odd,
                    other => anyhow::bail!("found parity {other:?}; allowed are none, even and odd"),
                },
            },
            _ => anyhow::bail!("required is --tcp HOST:PORT or --serial DEVICE"),
        };
        Ok(Wire::new(line, Duration::from_millis(self.timeout.clamp(50, 30_000))))
    }
}

/// Reads a Modbus unit once through a profile. The text, and whether everything was read.
///
/// # Errors
/// When the profile is not known or the line is not given.
pub async fn test(profile: &str, line: &LineArgs, number: u8) -> anyhow::Result<(String, bool)> {
    let profile = match profile.strip_suffix(".toml") {
        Some(_) => super::profile::SensorProfile::parse(&ioc_common::config::Source::read(Path::new(profile))?)?,
        None => builtin_profiles::find(profile, Path::new(OWN_PROFILES))
            .map_err(|error| anyhow::anyhow!("{profile}: {error}"))?,
    };
    let mut wire = line.wire()?;
    let mut text = format!("{} · {} · unit {number}\n{}\n", profile.name, profile.title, profile.source);
    if !profile.notes.is_empty() {
        let _ = writeln!(text, "{}", profile.notes);
    }
    let mut words = RegisterWords::default();
    let mut faults = Vec::new();
    for at in profile.requests().iter().chain(profile.text_requests()) {
        match wire.read_into(number, *at, &profile, 1, &mut words).await {
            Ok(refused) => faults.extend(refused),
            Err(error) => {
                faults.push(error);
                break;
            }
        }
    }
    let _ = writeln!(text, "\n{:<34} {:>4} {:>7}  {:<22} value", "series", "fn", "address", "words");
    let today = today();
    for item in &profile.items {
        let got = words.get(item.at);
        let raw = got.as_ref().map_or("-".to_owned(), |words| hex(words));
        let value = match got.map(|words| item.read(&words, today)) {
            Some(ItemValue::Number(value)) => format!("{value} {}", item.metric.unit_shown()),
            Some(ItemValue::None) => "none (the device has no value here)".to_owned(),
            Some(ItemValue::OutOfRange(value)) => format!("{value} is beyond what can be believed"),
            None => "not read".to_owned(),
        };
        let _ = writeln!(
            text,
            "{:<34} {:>4} {:>7}  {raw:<22} {}",
            item.series(),
            item.at.table.function(),
            item.documented,
            value.trim_end()
        );
    }
    for item in &profile.texts {
        if let Some(got) = words.get(item.at) {
            let _ = writeln!(
                text,
                "{:<34} {:>4} {:>7}  {}",
                format!("{:?}", item.of).to_lowercase(),
                item.at.table.function(),
                item.at.start,
                item.read(&got)
            );
        }
    }
    for error in &faults {
        let _ = writeln!(text, "\n{error}");
        if matches!(error, RequestError::Silent { .. }) {
            let _ = writeln!(
                text,
                "mend: check unit number ('ioc-agent sensor scan'), wiring (A and B swapped?), baud, parity and stop bits"
            );
        }
    }
    Ok((text, faults.is_empty()))
}

fn hex(words: &[u16]) -> String {
    words.iter().map(|word| format!("{word:04X}")).collect::<Vec<_>>().join(" ")
}

/// Looks for units on a line, and what each answers.
///
/// # Errors
/// When the line is not given or cannot be opened.
pub async fn scan(line: &LineArgs, first: u8, last: u8) -> anyhow::Result<(String, bool)> {
    anyhow::ensure!(first <= last, "found units {first} to {last}; allowed is a range that goes up");
    let mut wire = line.wire()?;
    let mut text = String::new();
    let mut found = 0;
    for unit in first..=last {
        let mut answers = Vec::new();
        for table in [
            RegisterTable::HoldingRegisters,
            RegisterTable::InputRegisters,
            RegisterTable::DiscreteInputs,
            RegisterTable::Coils,
        ] {
            match wire.read(unit, AddressRange { table, start: 0, count: 2 }).await {
                Ok(words) => answers.push(format!("function {} at 0: {}", table.function(), hex(&words))),
                Err(error @ RequestError::Line { .. }) => anyhow::bail!("{error}"),
                // Any answer of its own shows that something is there.
                Err(error @ (RequestError::Exception { .. } | RequestError::Wrong { .. })) => {
                    if error.is_answer() {
                        answers.push(format!("function {}: exception", table.function()));
                    }
                }
                Err(RequestError::Silent { .. }) => break,
            }
        }
        if !answers.is_empty() {
            found += 1;
            let _ = writeln!(text, "unit {unit:>3}: {}", answers.join("; "));
        }
    }
    if found == 0 {
        text +=
            "no unit answers; mend: check wiring (A and B swapped?), baud, parity, stop bits, and a longer --timeout\n";
    }
    Ok((text, found > 0))
}

/// The profiles that are known.
#[must_use]
pub fn profiles() -> String {
    let mut text = String::new();
    let own = std::fs::read_dir(OWN_PROFILES).into_iter().flatten().flatten();
    let own = own.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".toml")?.to_owned()));
    let mut names: Vec<String> = BUILTIN.iter().map(|(name, _)| (*name).to_owned()).chain(own).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let _ = match builtin_profiles::find(&name, Path::new(OWN_PROFILES)) {
            Ok(profile) => writeln!(text, "{name:<20} {:<9} {}", profile.kind, profile.title),
            Err(error) => writeln!(text, "{name:<20} faulty: {error}"),
        };
    }
    text
}

fn about(name: &str) -> anyhow::Result<SensorIdentity> {
    Ok(SensorIdentity { name: name.parse().map_err(anyhow::Error::msg)?, facts: SensorFacts::default() })
}

/// Reads a UPS behind NUT once.
///
/// # Errors
/// What is wrong with the address, or why `upsd` gave no answer: no connection, no such UPS, access denied.
pub async fn test_nut(
    server: &str,
    ups: &str,
    user: Option<&str>,
    password_file: Option<&Path>,
) -> anyhow::Result<String> {
    let (host, port) = split_address_or(server, 3493).map_err(anyhow::Error::msg)?;
    let asked = NutUps {
        about: about("ups")?,
        host,
        port,
        ups: ups.to_owned(),
        user: user.map(str::to_owned),
        password_file: password_file.map(Path::to_owned),
        every: Duration::from_secs(5),
        timeout: NUT_TIMEOUT,
    };
    Ok(shown(&nut::ask(&asked).await.map_err(anyhow::Error::msg)?))
}

/// Reads a projector once.
///
/// # Errors
/// What is wrong with the address, or why the projector gave no answer: no connection, a wrong password, no PJLink.
pub async fn test_pjlink(address: &str, password_file: Option<&Path>) -> anyhow::Result<String> {
    let (host, port) = split_address_or(address, 4352).map_err(anyhow::Error::msg)?;
    let asked = Projector {
        about: about("projector")?,
        host,
        port,
        password_file: password_file.map(Path::to_owned),
        every: Duration::from_secs(30),
        timeout: Duration::from_secs(10),
    };
    Ok(shown(&pjlink::ask(&asked).await.map_err(anyhow::Error::msg)?))
}

fn shown(poll: &Poll) -> String {
    let machine = &poll.machine;
    let mut text = format!("{} {} {} {}\n", machine.vendor, machine.product, machine.serial, machine.bios);
    for (metric, subject, value) in &poll.numbers {
        let series = Series::new(metric, subject);
        let unit = ioc_common::metric::find(metric).map_or("", Metric::unit_shown);
        let shown = value.map_or("unknown".to_owned(), |value| format!("{value} {unit}"));
        let _ = writeln!(text, "{:<34} {}", series.as_str(), shown.trim_end());
    }
    let _ = writeln!(text, "answered in {:.1} ms", poll.answer_ms);
    text
}
