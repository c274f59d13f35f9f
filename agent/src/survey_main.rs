//! `ioc-agent-survey`: reads the machine and ends. Started by the agent for what is due, by the helper unit for what needs
//! privilege, and by people through `ioc-agent probe`, `doctor`, `report` and `capture`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use ioc_agent::cli::{Cli, Command, probes_text, read_config, say};
use ioc_agent::config::Config;
use ioc_agent::{capture, docs, doctor, preview, probe, surveyor};
use ioc_common::metric;
use ioc_common::report::ProbeOutcome as Outcome;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "ioc-agent-survey: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let config = read_config(cli.config.as_deref())?;
    match cli.command {
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
            surveyor::serve(&config, helper, &mut std::io::stdin().lock(), &mut std::io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Docs { dir } => {
            docs::write(&dir).with_context(|| format!("cannot write below {}", dir.display()))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Run | Command::Enroll { .. } | Command::CheckConfig | Command::Status { .. } => {
            anyhow::bail!("this program reads the machine and ends; 'ioc-agent' does that")
        }
    }
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
