//! The command line of the agent.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use ioc_agent::config::Config;
use ioc_agent::identity::Store;
use ioc_agent::probe::{self, Outcome};
use ioc_agent::{capture, docs, doctor, enrol, preview, runner, status, survey};
use ioc_common::config::Source;
use ioc_common::enrolment::Token;
use ioc_common::metric;
use tracing_subscriber::filter::Targets;

/// Reports this host's health to the collector of the operations centre.
#[derive(Parser)]
#[command(name = "ioc-agent", version)]
struct Cli {
    /// Configuration file. Without it, the built-in defaults are used.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
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

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "ioc-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let config = match &cli.config {
        Some(path) => runner::read_config(path)?,
        None => Config::parse(&Source::built_in("(defaults)", ""))?,
    };
    match cli.command {
        Command::Run => {
            log();
            runtime()?.block_on(runner::run(cli.config, config))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Enroll { server, token } => {
            let text = if token == "-" {
                let mut line = String::new();
                std::io::stdin().read_line(&mut line).context("cannot read the token from standard input")?;
                line
            } else {
                token
            };
            let token: Token = text.parse()?;
            let store = Store::new(config.state.clone());
            let identity = runtime()?.block_on(enrol::enrol(&store, Path::new("/"), &server, &token))?;
            say(&format!("enrolled as {}; reports to {}\n", identity.device, identity.mqtt))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Report { once, json, root } => {
            anyhow::ensure!(once, "'report' needs --once; 'run' reports without end");
            report(&root, json, &config)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Probe { name, root, json } => {
            let names = probe::NAMES.into_iter().chain(probe::SURVEYS.iter().map(|survey| survey.name));
            let finding = doctor::read(&name, &root, &config).with_context(|| {
                format!("found probe {name:?}; allowed are {}", names.collect::<Vec<_>>().join(", "))
            })?;
            let unknown = matches!(finding.answer.outcome, Outcome::Unknown { .. });
            say(&if json { serde_json::to_string_pretty(&finding)? + "\n" } else { doctor::text(&finding) })?;
            Ok(if unknown { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
        Command::Doctor { root } => {
            let (text, bad) = doctor::report(&root, &config);
            say(&text)?;
            Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
        Command::Capture { out } => {
            let count = capture::capture(&out, &config).with_context(|| format!("cannot write {}", out.display()))?;
            say(&format!("{count} files in {}; look at them before you send them\n", out.display()))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Survey { helper } => {
            survey::serve(&config, helper, &mut std::io::stdin().lock(), &mut std::io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Docs { dir } => {
            docs::write(&dir).with_context(|| format!("cannot write below {}", dir.display()))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::CheckConfig => {
            say("the configuration is in order\n")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Status { json } => {
            let status = runtime()?.block_on(status::ask(&config.runtime))?;
            let healthy = status.connected && status.spool_trouble.is_none();
            say(&if json { serde_json::to_string_pretty(&status)? + "\n" } else { status_text(&status) })?;
            Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

/// One thread, and one helper for probes that stays, so that no thread is made per sample.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        // One at work; each probe that hangs for good holds one more.
        .max_blocking_threads(16)
        .thread_stack_size(256 * 1024)
        .thread_keep_alive(Duration::from_secs(7200))
        .build()
        .context("cannot start the runtime")
}

fn log() {
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;
    let wanted = std::env::var("IOC_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let filter = wanted.or_else(|| "info,rumqttc=error,sled=error".parse().ok()).unwrap_or_default();
    // The journal keeps the time itself.
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let registry = tracing_subscriber::registry().with(filter);
    if in_journal { registry.with(layer.without_time()).init() } else { registry.with(layer).init() }
}

fn report(root: &Path, json: bool, config: &Config) -> anyhow::Result<()> {
    let preview = preview::preview(root, config)?;
    if json {
        return say(&(serde_json::to_string_pretty(&preview)? + "\n"));
    }
    let facts = &preview.facts;
    let mut text = format!(
        "{} · {} · kernel {} · {} {}\n{} × {} · {} MiB memory\n\n",
        facts.hostname,
        facts.os,
        facts.kernel,
        facts.vendor,
        facts.product,
        facts.cpu_count,
        facts.cpu_model,
        facts.memory_bytes / 1_048_576
    );
    for (name, value) in &preview.numbers {
        let unit = metric::find(name.split('|').next().unwrap_or(name))
            .map_or("", |metric| metric.unit)
            .trim_start_matches('1');
        let shown = value.map_or("-".to_owned(), |value| format!("{value}"));
        text += &format!("{name:<40} {shown:>16} {unit}\n");
    }
    text.push('\n');
    text += &probes_text(&preview.probes);
    text += &format!("{} numbers, {} bytes on the wire\n", preview.numbers.len(), preview.sample_bytes);
    say(&text)
}

fn probes_text(probes: &[ioc_common::report::ProbeReport]) -> String {
    probes.iter().fold(String::new(), |text, report| match &report.outcome {
        Outcome::Read => text,
        Outcome::Absent { why } => text + &format!("absent   {:<12} {why}\n", report.probe),
        Outcome::Unknown { why } => text + &format!("unknown  {:<12} {why}\n", report.probe),
    })
}

fn status_text(status: &status::Status) -> String {
    let link = match (&status.last_error, status.connected) {
        (_, true) => "connected".to_owned(),
        (Some(why), false) => format!("not connected: {why}"),
        (None, false) => "not connected yet".to_owned(),
    };
    let losses = &status.losses;
    let lost = losses.samples_thinned + losses.samples_dropped + losses.events_dropped + losses.corrupt;
    let mut text = format!(
        "device       {}\ncollector    {} ({link})\ncommitted    {} of {}\nwaiting      {} in memory, {} on disk ({} bytes)\nlost         {lost}\ncertificate  until {}\n",
        status.device,
        status.collector,
        status.committed,
        status.taken,
        status.waiting_in_memory,
        status.waiting_on_disk,
        status.spool_bytes,
        status.certificate_expires_at
    );
    if let Some(why) = &status.spool_trouble {
        text += &format!("spool        {why}\n");
    }
    if let Some(why) = &status.last_refusal {
        text += &format!("refused      {why}\n");
    }
    let read = status.probes.iter().filter(|report| report.outcome == Outcome::Read).count();
    text += &format!("probes       {read} of {} read\n", status.probes.len());
    text + &probes_text(&status.probes)
}

fn say(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")
}
