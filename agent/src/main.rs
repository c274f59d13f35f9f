//! `ioc-agent`: what the service runs. All else, from reading the machine to enrolling, is done by `ioc-agent-survey`, which takes
//! this program's place where it is asked for.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use ioc_agent::cli::run_arguments;
use ioc_agent::config::{config_from_surveyor, surveyor_path};
use ioc_agent::runner;
use ioc_common::clock;

fn main() -> ExitCode {
    let done = match run_arguments(std::env::args_os().skip(1)) {
        Some(config) => run(config),
        None => give_way(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "ioc-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(config_path: Option<PathBuf>) -> anyhow::Result<()> {
    let config = config_from_surveyor(config_path.as_deref(), false)?;
    ioc_journal::start("ioc-agent", "info", || clock::now().to_string());
    runtime()?.block_on(runner::run(config_path, config))?;
    Ok(())
}

/// The same words to the program that has what they need.
fn give_way() -> anyhow::Result<()> {
    let program = surveyor_path()?;
    #[allow(clippy::disallowed_methods, reason = "nothing is started: this process becomes the other program")]
    let error = std::process::Command::new(&program).args(std::env::args_os().skip(1)).exec();
    anyhow::bail!("{}: {error}; mend: install it beside ioc-agent", program.display())
}

/// One thread. Samples are taken on one of their own (`runner/sample_thread`); the helpers are for looking up names.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        // A handful of descriptors; the default makes room for a thousand.
        .max_io_events_per_tick(64)
        .max_blocking_threads(16)
        .thread_stack_size(256 * 1024)
        .build()
        .context("cannot start the runtime")
}
