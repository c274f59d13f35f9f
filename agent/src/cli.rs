//! The command line. `ioc-agent` runs for months and holds no code that it does not need for that: it knows `run` ([`run_arguments`]), and
//! for all else gives way to `ioc-agent-survey`, which parses the same words with [`Cli`]. That one knows what it is started with hundreds
//! of times a day without its parser, too ([`survey_arguments`]).

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use ioc_common::config::{ConfigError, Source};
use ioc_common::report::{ProbeOutcome, ProbeReport};

use crate::config::Config;
use crate::sensor::field_tool::LineArgs;

/// Where the configuration lies when nothing else is said.
const CONFIG: &str = "/etc/ioc-watch/agent.toml";

/// Which file is read when this one is named, or none.
#[must_use]
pub fn read_from(path: Option<&Path>) -> String {
    let shipped = || Some(Path::new(CONFIG)).filter(|path| path.is_file());
    let none = || format!("built-in defaults (there is no {CONFIG})");
    path.or_else(shipped).map_or_else(none, |path| path.display().to_string())
}

/// What is done most.
const EXAMPLES: &str = "Examples:
  ioc-agent enrol --server ioc.example:8443 -     enrol this machine; paste the token
  ioc-agent doctor                                say what cannot be read, and the fix
  ioc-agent report --once                         all numbers of this machine, as they are sent
  ioc-agent probe smart                           what one probe reads";

/// Reports this host's health to the collector of the operations centre.
#[derive(Parser)]
#[command(name = "ioc-agent", bin_name = "ioc-agent", version, after_help = EXAMPLES)]
pub struct Cli {
    /// Configuration file. Without it, /etc/ioc-watch/agent.toml where that is there, else the built-in defaults.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: CliCommand,
}

/// What to do.
#[derive(Subcommand)]
pub enum CliCommand {
    /// Report until told to stop (what the service runs).
    Run,
    /// Turn a one-time token into this host's certificate.
    Enrol {
        /// Host and port of the collector's page.
        #[arg(long, value_name = "HOST:PORT")]
        server: String,
        /// This host's asset label: with a token for many, the collector knows by it which asset this is.
        #[arg(long, default_value = "")]
        label: String,
        /// How long to wait for a person who approves this host, such as 10m or 1d.
        #[arg(long, default_value = "1d")]
        wait: String,
        /// Replace the identity that this host has: its certificates were ended, or it is a copy of another machine.
        #[arg(long)]
        anew: bool,
        /// The token, or - to read it from standard input (it then stays out of the process list).
        token: String,
    },
    /// Show what would be sent.
    Report {
        /// Once, and end.
        #[arg(long)]
        once: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Read the machine captured under this directory.
        #[arg(long, default_value = "/", value_name = "DIR")]
        root: PathBuf,
    },
    /// Read one probe now and show all it gives.
    Probe {
        /// Its name: see docs/probes.
        name: String,
        /// Read the machine captured under this directory.
        #[arg(long, default_value = "/", value_name = "DIR")]
        root: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say for each probe what it can read here, what it lacks, and the mend. Fails when something is wrong.
    Doctor {
        /// Look at the machine captured under this directory.
        #[arg(long, default_value = "/", value_name = "DIR")]
        root: PathBuf,
        /// Write what helps whoever helps into this file, without secrets: look at it before you hand it on.
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
    },
    /// Keep what the probes read on this machine, without secrets, to be looked at elsewhere with --root.
    Capture {
        /// The file to make, such as host.tar.zst.
        out: PathBuf,
    },
    /// Make surveys for the running agent: jobs on standard input, answers on standard output.
    #[command(hide = true)]
    Survey {
        /// Only those that need privilege (what the helper unit runs).
        #[arg(long)]
        helper: bool,
    },
    /// Read every sensor of the configuration for the running agent, a line for each update on standard output.
    #[command(hide = true)]
    Sensors,
    /// Tell the configured address that the collector is missed, or back.
    #[command(hide = true)]
    Missed {
        /// For how long it has committed nothing.
        #[arg(long)]
        seconds: u64,
        /// It is back.
        #[arg(long)]
        back: bool,
    },
    /// Help with sensors on site: read one, look for units, list profiles.
    Sensor {
        /// What to do.
        #[command(subcommand)]
        command: SensorCommand,
    },
    /// Print the pages of docs/probes into a directory.
    #[command(hide = true)]
    Docs {
        /// Directory for the pages.
        dir: PathBuf,
    },
    /// Check the configuration and end.
    CheckConfig {
        /// Print what the running agent is to be handed.
        #[arg(long, hide = true)]
        json: bool,
        /// With the settings that the collector gives now.
        #[arg(long, hide = true)]
        offered: bool,
    },
    /// List the damaged parts of the spool, which are kept until they are removed here.
    Damaged {
        /// Remove them all. Every report in them that could be read was sent, the others were counted as lost.
        #[arg(long)]
        remove: bool,
    },
    /// Ask the running agent how it is.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// What `ioc-agent sensor` does.
#[derive(Subcommand)]
pub enum SensorCommand {
    /// Read a Modbus unit once: raw words beside what they mean.
    Test {
        /// A profile's name (see 'sensor profiles'), or a file that ends in .toml.
        profile: String,
        /// How the line is reached.
        #[command(flatten)]
        line: LineArgs,
        /// Number of the unit on the line.
        #[arg(long, default_value_t = 1)]
        unit: u8,
    },
    /// Look for units on a line.
    Scan {
        /// How the line is reached.
        #[command(flatten)]
        line: LineArgs,
        /// The first number to try.
        #[arg(long, default_value_t = 1)]
        first: u8,
        /// The last number to try.
        #[arg(long, default_value_t = 32)]
        last: u8,
    },
    /// List the profiles that are known.
    Profiles,
    /// Read a UPS behind Network UPS Tools once.
    Nut {
        /// Host of upsd, with its port where it is not 3493.
        server: String,
        /// Name of the UPS there.
        ups: String,
        /// User, where upsd wants one.
        #[arg(long)]
        user: Option<String>,
        /// File with the password.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Read a projector or panel over PJLink once.
    Pjlink {
        /// Its host, with its port where it is not 4352.
        address: String,
        /// File with the password.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
}

/// The configuration file to run with, when these words (without the program's name) say `run` and nothing that needs [`Cli`].
#[must_use]
pub fn run_arguments(words: impl IntoIterator<Item = OsString>) -> Option<Option<PathBuf>> {
    command_alone("run", words)
}

/// What `ioc-agent-survey` is asked to do, when these words (without the program's name) are those of the running agent that has surveys
/// made.
#[must_use]
pub fn survey_arguments(words: impl IntoIterator<Item = OsString>) -> Option<Cli> {
    let config = command_alone("survey", words)?;
    Some(Cli { config, command: CliCommand::Survey { helper: false } })
}

/// The configuration file, when these words say this command and nothing else.
fn command_alone(command: &str, words: impl IntoIterator<Item = OsString>) -> Option<Option<PathBuf>> {
    let mut words = words.into_iter();
    let (mut run, mut config) = (false, None);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some(word) if word == command && !run => run = true,
            Some("--config") if config.is_none() => config = Some(PathBuf::from(words.next()?)),
            Some(text) if config.is_none() => config = Some(PathBuf::from(text.strip_prefix("--config=")?)),
            _ => return None,
        }
    }
    run.then_some(config)
}

/// Reads the configuration at `path`, or takes the defaults.
///
/// # Errors
/// [`ConfigError`] with the place of the first fault.
pub fn read_config(path: Option<&Path>) -> Result<Config, ConfigError> {
    let shipped = || Some(Path::new(CONFIG)).filter(|path| path.is_file());
    match path.or_else(shipped) {
        Some(path) => Config::parse(&Source::read(path)?),
        None => Config::parse(&Source::built_in("(defaults)", "")),
    }
}

/// Writes to standard output.
///
/// # Errors
/// When standard output is closed.
pub fn say(text: &str) -> std::io::Result<()> {
    std::io::stdout().write_all(text.as_bytes())
}

/// A line for each probe that is not read, and why.
#[must_use]
pub fn probes_text(probes: &[ProbeReport]) -> String {
    probes.iter().fold(String::new(), |text, report| match &report.outcome {
        ProbeOutcome::Read => text,
        ProbeOutcome::Absent { why } => text + &format!("absent   {:<12} {why}\n", report.probe),
        ProbeOutcome::Unknown { why } => text + &format!("unknown  {:<12} {why}\n", report.probe),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_needs_no_parser_and_means_what_the_parser_means() {
        for (words, config) in [
            (vec!["run"], Some(None)),
            (vec!["--config", "a.toml", "run"], Some(Some("a.toml"))),
            (vec!["--config=a.toml", "run"], Some(Some("a.toml"))),
            (vec!["run", "--config", "a.toml"], Some(Some("a.toml"))),
            (vec!["run", "run"], None),
            (vec!["run", "--config"], None),
            (vec!["run", "--help"], None),
            (vec!["--config", "a", "--config", "b", "run"], None),
            (vec!["status"], None),
            (vec![], None),
        ] {
            let config = config.map(|path| path.map(PathBuf::from));
            assert_eq!(run_arguments(words.iter().map(OsString::from)), config, "{words:?}");
            let parsed = Cli::try_parse_from(std::iter::once("ioc-agent").chain(words.iter().copied()));
            let parsed = parsed.ok().filter(|cli| matches!(cli.command, CliCommand::Run)).map(|cli| cli.config);
            assert_eq!(parsed, config, "{words:?}");
        }
    }

    #[test]
    fn a_survey_needs_no_parser_and_means_what_the_parser_means() {
        let is_survey = |cli: &Cli| matches!(cli.command, CliCommand::Survey { helper: false });
        for words in [
            &["survey"][..],
            &["--config", "a.toml", "survey"],
            &["survey", "--helper"],
            &["survey", "survey"],
            &["run"],
            &["survey", "--help"],
        ] {
            let known = survey_arguments(words.iter().map(OsString::from));
            let parsed = Cli::try_parse_from(std::iter::once("ioc-agent").chain(words.iter().copied()));
            let parsed = parsed.ok().filter(is_survey).map(|cli| cli.config);
            assert_eq!(known.filter(is_survey).map(|cli| cli.config), parsed, "{words:?}");
        }
    }
}
