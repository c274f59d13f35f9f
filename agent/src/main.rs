//! `ioc-agent`: what the service runs. What reads the machine only now and then is `ioc-agent-survey`, which takes this program's place
//! where it is asked for.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;

use ioc_agent::cli::{Cli, Command, probes_text, read_config, say, surveyor};
use ioc_agent::identity::Store;
use ioc_agent::{enrol, runner, status};
use ioc_common::enrolment::Token;
use ioc_common::report::ProbeOutcome as Outcome;
use tracing_subscriber::filter::Targets;

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
    let config = read_config(cli.config.as_deref())?;
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
        // The same words to the program that has what they need.
        Command::Report { .. }
        | Command::Probe { .. }
        | Command::Doctor { .. }
        | Command::Capture { .. }
        | Command::Survey { .. }
        | Command::Docs { .. } => {
            let program = surveyor()?;
            #[allow(clippy::disallowed_methods, reason = "nothing is started: this process becomes the other program")]
            let error = std::process::Command::new(&program).args(std::env::args_os().skip(1)).exec();
            anyhow::bail!("{}: {error}; mend: install it beside ioc-agent", program.display())
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
