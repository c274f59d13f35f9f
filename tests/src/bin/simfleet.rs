//! `ioc-simfleet`: a simulated fleet for demos, load and faults.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use ioc_common::config::Span;
use ioc_tests::fleet::{self, Plan, Totals};
use ioc_tests::identity::Identity;

/// Simulated devices on the real wire, with real certificates.
#[derive(Parser)]
struct Cli {
    /// Host and port of the collector's page, for enrolment.
    #[arg(long, default_value = "localhost:8443")]
    server: String,
    /// Runtime directory of the collector, to make tokens.
    #[arg(long, default_value = "/run/ioc-collector")]
    control: PathBuf,
    /// Number of devices.
    #[arg(long, default_value_t = 1)]
    devices: usize,
    /// Another address of reports, for when that of the identity takes nobody; may be given several times.
    #[arg(long)]
    or_at: Vec<String>,
    /// A token for one device, instead of tokens made through the control socket.
    #[arg(long)]
    token: Option<String>,
    /// Kind of the one device.
    #[arg(long, default_value = "server")]
    kind: String,
    /// File in which identities are kept between runs.
    #[arg(long)]
    identities: Option<PathBuf>,
    /// Between samples.
    #[arg(long, default_value = "10s")]
    interval: Span,
    /// MQTT keep-alive, seconds.
    #[arg(long, default_value_t = 30)]
    keep_alive: u16,
    /// Seed of all randomness.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Script of faults: lines such as "30s sim-00003 disk 97".
    #[arg(long)]
    script: Option<PathBuf>,
    /// Ends after this long; without it, on Ctrl-C.
    #[arg(long)]
    duration: Option<Span>,
    /// Sends as fast as acknowledgements allow, for --duration.
    #[arg(long)]
    load: bool,
    /// Says nothing but the last line.
    #[arg(long)]
    quiet: bool,
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "a command-line tool")]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let script = match &cli.script {
        Some(path) => fleet::parse_script(&std::fs::read_to_string(path).with_context(|| path.display().to_string())?)?,
        None => Vec::new(),
    };
    let identities = identities(&cli).await?;
    let totals = Arc::new(Totals::default());
    let stop = Arc::new(AtomicBool::new(false));
    if cli.load {
        let time = cli.duration.context("--load needs --duration")?.0;
        let mut tasks = tokio::task::JoinSet::new();
        for identity in identities {
            let totals = Arc::clone(&totals);
            tasks.spawn(async move { fleet::blast(&identity, time, &totals, true).await });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
    } else {
        let (interval, keep_alive_s, seed, others) = (cli.interval.0, cli.keep_alive, cli.seed, cli.or_at.clone());
        let plan = Plan { interval, keep_alive_s, seed, script, others, through_broker: false };
        let running = tokio::spawn(fleet::run(identities, plan, Arc::clone(&totals), Arc::clone(&stop)));
        let end = async {
            match cli.duration {
                Some(time) => tokio::time::sleep(time.0).await,
                None => {
                    let _ = tokio::signal::ctrl_c().await;
                }
            }
        };
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                () = tokio::time::sleep(Duration::from_secs(10)) => if !cli.quiet { println!("{}", totals.line()) },
            }
        }
        stop.store(true, Relaxed);
        let _ = tokio::time::timeout(Duration::from_secs(15), running).await;
    }
    println!("{}", totals.line());
    Ok(())
}

async fn identities(cli: &Cli) -> anyhow::Result<Vec<Identity>> {
    if let Some(path) = cli.identities.as_ref().filter(|path| path.exists()) {
        let mut kept: Vec<Identity> = serde_json::from_slice(&std::fs::read(path)?)?;
        kept.truncate(cli.devices);
        anyhow::ensure!(kept.len() == cli.devices, "{} holds fewer than {} identities", path.display(), cli.devices);
        return Ok(kept);
    }
    let identities = match &cli.token {
        Some(token) => vec![Identity::enrol_with(&cli.server, token, &cli.kind).await?],
        None => Identity::enrol_many(&cli.control, &cli.server, cli.devices).await?,
    };
    if let Some(path) = &cli.identities {
        std::fs::write(path, serde_json::to_vec(&identities)?)?;
    }
    Ok(identities)
}
