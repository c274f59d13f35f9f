//! The command line, shared by the two programs: `ioc-agent`, which runs for months and holds no code that it does not need for
//! that, and `ioc-agent-survey`, which reads the machine and ends.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use ioc_common::config::{ConfigError, Source};
use ioc_common::report::{ProbeOutcome as Outcome, ProbeReport};

use crate::config::Config;

/// The program beside the agent that makes surveys.
pub const SURVEYOR: &str = "ioc-agent-survey";

/// Reports this host's health to the collector of the operations centre.
#[derive(Parser)]
#[command(name = "ioc-agent", version)]
pub struct Cli {
    /// Configuration file. Without it, the built-in defaults are used.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Report until told to stop (what the service runs).
    Run,
    /// Turn a one-time token into this host's certificate.
    Enroll {
        /// Host and port of the collector's page.
        #[arg(long, value_name = "HOST:PORT")]
        server: String,
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
    /// Print the pages of docs/probes into a directory.
    #[command(hide = true)]
    Docs {
        /// Where.
        dir: PathBuf,
    },
    /// Check the configuration and end.
    CheckConfig,
    /// Ask the running agent how it is.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Reads the configuration at `path`, or takes the defaults.
///
/// # Errors
/// [`ConfigError`] with the place of the first fault.
pub fn read_config(path: Option<&Path>) -> Result<Config, ConfigError> {
    match path {
        Some(path) => crate::runner::read_config(path),
        None => Config::parse(&Source::built_in("(defaults)", "")),
    }
}

/// Where the surveyor lies: beside the program that runs.
///
/// # Errors
/// When the kernel does not tell.
pub fn surveyor() -> std::io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(SURVEYOR))
}

/// Writes to standard output.
///
/// # Errors
/// When nobody reads it.
pub fn say(text: &str) -> std::io::Result<()> {
    std::io::stdout().write_all(text.as_bytes())
}

/// A line for each probe that is not read, and why.
#[must_use]
pub fn probes_text(probes: &[ProbeReport]) -> String {
    probes.iter().fold(String::new(), |text, report| match &report.outcome {
        Outcome::Read => text,
        Outcome::Absent { why } => text + &format!("absent   {:<12} {why}\n", report.probe),
        Outcome::Unknown { why } => text + &format!("unknown  {:<12} {why}\n", report.probe),
    })
}
