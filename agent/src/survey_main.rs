//! `ioc-agent-survey`: does one thing and ends. Started by the agent for the surveys that are due, by the helper unit for those that
//! need privilege, and by people through every command of `ioc-agent` but `run`.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use ioc_agent::cli::{Cli, CliCommand, SensorCommand, probes_text, read_config, read_from, say, survey_arguments};
use ioc_agent::config::Config;
use ioc_agent::identity::IdentityStore;
use ioc_agent::sensor::{field_tool, poller};
use ioc_agent::spool::DamagedParts;
use ioc_agent::{capture, collector_watchdog, docs, doctor, enrol, preview, remote_settings, status, surveyor};
use ioc_common::config::{Source, Span};
use ioc_common::enrolment::{EnrolWaiting, Token};
use ioc_common::owner::as_owner;
use ioc_common::report::ProbeOutcome;
use ioc_common::settings;
use ioc_common::{metric, redact};
use ioc_probe::patches::support;
use rustix::io::Errno;

fn main() -> ExitCode {
    match run(survey_arguments(std::env::args_os().skip(1)).unwrap_or_else(Cli::parse)) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "ioc-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The configuration with what the collector gave, which lies in the service's own directory.
fn with_kept(config: Config) -> anyhow::Result<Config> {
    let state = config.state.clone();
    let own = config.clone();
    match as_owner(&state, || remote_settings::with_kept(config)) {
        Ok(config) => Ok(config),
        // Root in a sandbox that lets nobody become another: what is asked for is done all the same, and touches nothing there.
        Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => {
            let place = state.display();
            let _ = writeln!(
                std::io::stderr(),
                "ioc-agent: {place}: {error}; going on without what the collector set. Mend: run it outside the sandbox, or with CAP_SETUID and CAP_SETGID"
            );
            Ok(own)
        }
        Err(error) => Err(error).with_context(|| state.display().to_string()),
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let config = read_config(cli.config.as_deref())?;
    let config = match &cli.command {
        CliCommand::CheckConfig { offered: true, .. } => {
            remote_settings::with_offered(&config).map_err(anyhow::Error::msg)?
        }
        // It may not see the agent's own files, and makes nothing that can be set.
        CliCommand::Survey { helper: true } => config,
        _ => with_kept(config)?,
    };
    match cli.command {
        CliCommand::Report { once, json, root } => {
            anyhow::ensure!(once, "'report' needs --once; 'run' reports without end");
            report(&root, json, &config)?;
            Ok(ExitCode::SUCCESS)
        }
        CliCommand::Probe { name, root, json } => show_probe(&name, &root, json, &config),
        CliCommand::Doctor { root, bundle } => {
            let findings = doctor::read_all(&root, &config);
            let (text, bad) = doctor::report(&root, &config, &findings);
            say(&format!("configuration: {}\n{text}", read_from(cli.config.as_deref())))?;
            if let Some(file) = bundle {
                let status = runtime()?.block_on(status::ask(&config.runtime));
                let status = status.map_err(|error| error.to_string());
                let whole = doctor::bundle(cli.config.as_deref(), &root, &config, &findings, &status);
                redact::write(&file, &whole).with_context(|| format!("cannot write {}", file.display()))?;
                say(&format!("\n{}: look at it before you hand it on\n", file.display()))?;
            }
            Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
        CliCommand::Damaged { remove } => damaged(&config, remove),
        CliCommand::Capture { out } => {
            let count = capture::capture(&out, &config).with_context(|| format!("cannot write {}", out.display()))?;
            say(&format!("{count} files in {}; look at them before you send them\n", out.display()))?;
            Ok(ExitCode::SUCCESS)
        }
        CliCommand::Survey { helper } => {
            surveyor::serve(&config, helper, &mut std::io::stdin().lock(), &mut std::io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        CliCommand::Sensors => {
            runtime()?.block_on(poller::poll_all(config.sensors, std::io::stdout(), config.interval.get()))?;
            Ok(ExitCode::SUCCESS)
        }
        CliCommand::Missed { seconds, back } => {
            let url = config.watchdog_url.as_ref().context("found no [collector_watchdog] url in the configuration")?;
            collector_watchdog::notify(url, &IdentityStore::new(config.state.clone()), seconds, back)
                .map_err(anyhow::Error::msg)?;
            Ok(ExitCode::SUCCESS)
        }
        CliCommand::Sensor { command } => runtime()?.block_on(sensor(command)),
        CliCommand::Docs { dir } => {
            docs::write(&dir).with_context(|| format!("cannot write below {}", dir.display()))?;
            Ok(ExitCode::SUCCESS)
        }
        CliCommand::Enrol { server, label, wait, anew, token } => {
            let text = if token == "-" {
                let mut line = String::new();
                std::io::stdin().read_line(&mut line).context("cannot read the token from standard input")?;
                line
            } else {
                token
            };
            let token: Token = text.parse()?;
            let store = IdentityStore::new(config.state.clone());
            let wait: Span = wait.parse().map_err(|why| anyhow::anyhow!("--wait: {why}"))?;
            let how = enrol::EnrolOptions { server: &server, token: &token, label: &label, wait: wait.0, anew };
            let waits = |waiting: &EnrolWaiting| {
                let text = "this host waits until a person approves it on the collector's page, under Enrolment";
                let _ = say(&format!("{text} (request {})\n", waiting.request));
            };
            let identity = runtime()?.block_on(enrol::enrol(&store, Path::new("/"), &how, waits))?;
            say(&format!("enrolled as {}; reports to {}\n", identity.device, identity.mqtt))?;
            Ok(ExitCode::SUCCESS)
        }
        CliCommand::CheckConfig { json, .. } => {
            // The table of ends of support lies beside the configuration, where there is one.
            let beside = |config: &Path| config.with_file_name("support.toml");
            let table = cli.config.as_deref().map_or_else(|| PathBuf::from(support::TABLE), beside);
            if table.exists() {
                support::Support::parse(&Source::read(&table)?)?;
            }
            let from = read_from(cli.config.as_deref());
            let text = format!("{from}: the configuration is in order\n{}", settings_text(&config.remote_settings));
            say(&(if json { serde_json::to_string(&config)? + "\n" } else { text }))?;
            Ok(ExitCode::SUCCESS)
        }
        CliCommand::Status { json } => show_status(json, &config),
        CliCommand::Run => anyhow::bail!("this program does one thing and ends; 'ioc-agent' runs"),
    }
}

fn show_probe(name: &str, root: &Path, json: bool, config: &Config) -> anyhow::Result<ExitCode> {
    let finding = doctor::read(name, root, config).with_context(|| {
        format!("found probe {name:?}; allowed are {}", ioc_probe::names().collect::<Vec<_>>().join(", "))
    })?;
    if json {
        // A list of software is long: it is written as it is put into words.
        let mut out = BufWriter::new(std::io::stdout().lock());
        serde_json::to_writer_pretty(&mut out, &finding)?;
        out.write_all(b"\n")?;
        out.flush()?;
    } else {
        say(&doctor::text(&finding))?;
    }
    let unknown = matches!(finding.result.outcome, ProbeOutcome::Unknown { .. });
    Ok(if unknown { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn report(root: &Path, json: bool, config: &Config) -> anyhow::Result<()> {
    let preview = preview::preview(root, config)?;
    if json {
        return Ok(say(&(serde_json::to_string_pretty(&preview)? + "\n"))?);
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
    Ok(say(&text)?)
}

async fn sensor(command: SensorCommand) -> anyhow::Result<ExitCode> {
    let (text, good) = match command {
        SensorCommand::Test { profile, line, unit } => field_tool::test(&profile, &line, unit).await?,
        SensorCommand::Scan { line, first, last } => field_tool::scan(&line, first, last).await?,
        SensorCommand::Profiles => (field_tool::profiles(), true),
        SensorCommand::Nut { server, ups, user, password_file } => {
            (field_tool::test_nut(&server, &ups, user.as_deref(), password_file.as_deref()).await?, true)
        }
        SensorCommand::Pjlink { address, password_file } => {
            (field_tool::test_pjlink(&address, password_file.as_deref()).await?, true)
        }
    };
    say(&text)?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}

/// How the running agent is.
fn show_status(json: bool, config: &Config) -> anyhow::Result<ExitCode> {
    let status = runtime()?.block_on(status::ask(&config.runtime))?;
    let healthy = status.connected && status.spool_error.is_none() && status.state_error.is_none();
    say(&if json { serde_json::to_string_pretty(&status)? + "\n" } else { status_text(&status) })?;
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is damaged of the spool and kept; removed on a person's word.
fn damaged(config: &Config, remove: bool) -> anyhow::Result<ExitCode> {
    let spool = config.state.join("spool");
    let work = || {
        let mut damaged = DamagedParts::of(&spool);
        let files = damaged.files()?;
        let removed = if remove { Some(damaged.remove()?) } else { None };
        std::io::Result::Ok((files, removed))
    };
    let dir = spool.with_extension("damaged");
    let found = as_owner(&config.state, work).and_then(|done| done);
    let (files, removed) =
        found.with_context(|| format!("{}: mend: run this as root or as ioc-agent", dir.display()))?;
    let mut text = files
        .iter()
        .fold(String::new(), |text, (path, bytes)| text + &format!("{bytes:>12} bytes  {}\n", path.display()));
    text += &match removed {
        _ if files.is_empty() => format!("nothing of the spool is damaged ({})\n", dir.display()),
        Some(bytes) => format!("removed: {bytes} bytes\n"),
        None => "look at this machine's disk first; 'ioc-agent damaged --remove' removes them\n".to_owned(),
    };
    say(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn status_text(status: &status::Status) -> String {
    let link = match (&status.last_error, status.connected) {
        (_, true) => "connected".to_owned(),
        (Some(why), false) => format!("not connected: {why}"),
        (None, false) => "not connected yet".to_owned(),
    };
    let losses = &status.losses;
    let lost = losses.total();
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
    if let Some(why) = &status.state_error {
        text += &format!("state        {why}\n");
    }
    if let Some(why) = &status.spool_error {
        text += &format!("spool        {why}\n");
    }
    if let Some(why) = &status.last_refusal {
        text += &format!("refused      {why}\n");
    }
    text += &settings_text(&status.settings);
    let read = status.probes.iter().filter(|report| report.outcome == ProbeOutcome::Read).count();
    text += &format!("probes       {read} of {} read\n", status.probes.len());
    text + &probes_text(&status.probes)
}

/// What became of the collector's settings; nothing where there never were any.
fn settings_text(outcome: &settings::SettingsOutcome) -> String {
    match outcome {
        settings::SettingsOutcome { applied: true, version, .. } => {
            format!("settings     of the collector are in use (version {version})\n")
        }
        settings::SettingsOutcome { why, .. } if !why.is_empty() => {
            format!("settings     of the collector are refused: {why}\n")
        }
        _ => String::new(),
    }
}
