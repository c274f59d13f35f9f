//! `ioc-bench`: the numbers of docs/performance.md. Each command prints what it measured, with a peer beside it in the same run
//! where one is installed. Nothing here passes or fails: a noisy machine must not break a build.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a command-line tool that measures")]

mod agent;
mod backup;
mod drill;
mod entrance;
mod figures;
mod fleet;
mod history;
mod ingest;
mod judge;
mod measure;
mod mosquitto;
mod pages;
mod registers;
mod scale;
mod search;
mod sensors;
mod start;
mod year;
mod zabbix;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use ioc_common::config::Span;
use ioc_tests::performance::{self, size};

use figures::Figures;
use fleet::Pace;
use measure::{cpu_ns, field_kib};

#[derive(Parser)]
struct Cli {
    /// Adds a row for each figure to this file, one JSON object a line.
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    /// What the rows say they belong to; the time, when it is left out.
    #[arg(long, global = true, value_name = "NAME")]
    run: Option<String>,
    #[command(subcommand)]
    command: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Reports a second through the whole pipeline, beside Mosquitto with a subscriber that counts.
    Ingest {
        #[arg(long, default_value_t = 8)]
        connections: usize,
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// What enrolling a machine and signing a person in cost.
    Entrance {
        #[arg(long, default_value_t = 200)]
        machines: usize,
        #[arg(long, default_value_t = 8)]
        sign_ins: usize,
    },
    /// Memory of idle connections.
    Idle {
        #[arg(long, default_value_t = 2000)]
        connections: usize,
    },
    /// CPU, memory, bytes written and acknowledgements of the collector under whole fleets that report every 10 s.
    Fleet {
        /// Sizes, one after another; 500, 5000 and 30000 are of interest too.
        #[arg(long, value_delimiter = ',', default_values_t = [1000, 10_000])]
        devices: Vec<usize>,
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Folds history so often (`history.fold`), such as 30s, so that folding is in what is measured; it takes at least 120 seconds.
        #[arg(long, value_name = "TIME")]
        fold: Option<Span>,
        /// Measures once more while backups are made, one after the other, and says what commits and acknowledgements wait for them. The store has
        /// so much history besides, GiB.
        #[arg(long, value_name = "GIB", num_args = 0..=1, default_missing_value = "2")]
        backup: Option<u64>,
    },
    /// What the same fleet costs with the store in files, in PostgreSQL, as two sites in one database, and through a broker: reports, CPU, disk, memory
    /// of all programs.
    Scale {
        #[arg(long, default_value_t = 1000)]
        devices: usize,
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// From a sample that crosses a limit to the webhook received, while a fleet reports.
    Notice {
        #[arg(long, default_value_t = 1000)]
        devices: usize,
        #[arg(long, default_value_t = 100)]
        times: usize,
    },
    /// Values judged a second on one core, and an outage of many devices behind one uplink.
    Judge {
        #[arg(long, default_value_t = 1000)]
        devices: usize,
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Bytes a sample of folded history, beside VictoriaMetrics where it is installed, and how long questions take; what folding a fleet costs.
    History {
        #[arg(long, default_value_t = 31)]
        days: i64,
        #[arg(long, default_value_t = 1000)]
        devices: usize,
    },
    /// How long the store takes to be copied for a backup, and what that costs commits.
    Backup {
        /// Size of the store, MiB.
        #[arg(long, default_value_t = 500)]
        mib: u64,
        /// As `[backup] max_mib_per_s`.
        #[arg(long, default_value_t = 20)]
        max_mib_per_s: u64,
        /// How long commits are measured without a backup.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// How long a backup and a restore drill of a fleet's history take, and how large they are. The goal is of 10,000 devices with 30 days, which take
    /// about 110 GB three times.
    Drill {
        #[arg(long, default_value_t = 1000)]
        devices: usize,
        #[arg(long, default_value_t = 30)]
        days: usize,
        /// As `[backup] max_mib_per_s`.
        #[arg(long)]
        max_mib_per_s: Option<u64>,
        /// As `[backup] peak_mib_per_s`.
        #[arg(long)]
        peak_mib_per_s: Option<u64>,
        /// An empty directory on the disk to be measured; a temporary one by default.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Search over what five years of a centre leave on record: size of the index, records taken in a second, how long answers take.
    Search {
        #[arg(long, default_value_t = 10_000_000)]
        records: usize,
        #[arg(long, default_value_t = 2000)]
        questions: usize,
    },
    /// How long the quarter's report takes to be gathered, and what that costs the commits of a fleet that reports meanwhile.
    Quarter {
        #[arg(long, default_value_t = 1000)]
        devices: usize,
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// The register of accounts of many hosts: its page, and opening a review of all of it.
    Accounts {
        #[arg(long, default_value_t = 10_000)]
        hosts: usize,
    },
    /// How long pages take and how large they are with a whole fleet, and what people who watch them cost.
    Pages {
        #[arg(long, default_value_t = 10_000)]
        devices: usize,
        #[arg(long, default_value_t = 200)]
        viewers: usize,
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// CPU, memory, wake-ups and size of the agent, beside collectd and node_exporter where they are installed.
    Agent {
        #[arg(long, default_value_t = 120)]
        seconds: u64,
    },
    /// CPU of each survey, its child and what that starts included, and what all of them make a day.
    Surveys,
    /// CPU of reading many Modbus units every second, and what a dead one costs the others.
    Sensors {
        #[arg(long, default_value_t = 64)]
        units: u8,
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// How long a start takes with a large store.
    Start {
        #[arg(long, default_value_t = 30_000)]
        devices: usize,
    },
    /// Time and memory of a long software list.
    Software {
        #[arg(long, default_value_t = 3000)]
        packages: usize,
    },
    /// A store as a fleet at 10 s leaves it after a year: its size, starting on it, its heaviest pages, folding, deleting, checking.
    Year {
        #[arg(long, default_value_t = 1000)]
        devices: usize,
        #[arg(long, default_value_t = 365)]
        days: usize,
        /// Only how long a start takes, with a day of history by the hour.
        #[arg(long)]
        start_only: bool,
        /// An empty directory on the disk to be measured, which keeps the store; a temporary one by default.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// CPU of a value received, judged and kept, beside Zabbix's server with PostgreSQL where they are installed.
    Zabbix {
        #[arg(long, default_value_t = 100)]
        hosts: usize,
        /// How many values each of its items gets.
        #[arg(long, default_value_t = 60)]
        rounds: usize,
    },
    /// Makes docs/performance.md of the rows in these files, and prints it.
    Report {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Puts the figures of `year` in these files into the part of docs/size.md that is made, and prints the page.
    Size {
        /// docs/size.md or docs/vi/size.md.
        page: PathBuf,
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// In Vietnamese.
        #[arg(long)]
        vi: bool,
    },
}

impl Bench {
    /// As it is said on the command line.
    fn name(&self) -> &'static str {
        match self {
            Self::Ingest { .. } => "ingest",
            Self::Entrance { .. } => "entrance",
            Self::Idle { .. } => "idle",
            Self::Start { .. } => "start",
            Self::Fleet { .. } => "fleet",
            Self::Scale { .. } => "scale",
            Self::Notice { .. } => "notice",
            Self::Judge { .. } => "judge",
            Self::History { .. } => "history",
            Self::Backup { .. } => "backup",
            Self::Drill { .. } => "drill",
            Self::Search { .. } => "search",
            Self::Quarter { .. } => "quarter",
            Self::Accounts { .. } => "accounts",
            Self::Pages { .. } => "pages",
            Self::Agent { .. } => "agent",
            Self::Surveys => "surveys",
            Self::Sensors { .. } => "sensors",
            Self::Software { .. } => "software",
            Self::Year { .. } => "year",
            Self::Zabbix { .. } => "zabbix",
            Self::Report { .. } => "report",
            Self::Size { .. } => "size",
        }
    }
}

/// With folding it takes so long at least, or it sees too few rounds.
const FOLDING: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Cli { json, run, command } = Cli::parse();
    let mut figures = Figures::new(command.name(), json.as_deref(), run)?;
    match command {
        Bench::Ingest { connections, seconds } => {
            ingest::ingest(&mut figures, connections, Duration::from_secs(seconds)).await
        }
        Bench::Entrance { machines, sign_ins } => entrance::run(&mut figures, machines, sign_ins).await,
        Bench::Idle { connections } => ingest::idle(&mut figures, connections).await,
        Bench::Fleet { devices, seconds, fold, backup } => {
            let time = Duration::from_secs(seconds);
            let time = if fold.is_some() { time.max(FOLDING) } else { time };
            fleet::whole_fleets(&mut figures, &devices, Pace { time, fold, backup }).await
        }
        Bench::Scale { devices, seconds } => scale::run(&mut figures, devices, Duration::from_secs(seconds)).await,
        Bench::Judge { devices, seconds } => judge::run(&mut figures, devices, Duration::from_secs(seconds)),
        Bench::History { days, devices } => history::run(&mut figures, days, devices).await,
        Bench::Notice { devices, times } => fleet::notice(&mut figures, devices, times).await,
        Bench::Backup { mib, max_mib_per_s, seconds } => backup::run(&mut figures, mib, max_mib_per_s, seconds),
        Bench::Drill { devices, days, max_mib_per_s, peak_mib_per_s, dir } => {
            let pace = (max_mib_per_s, peak_mib_per_s);
            drill::run(&mut figures, &drill::Plan { devices, days, pace, dir }).await
        }
        Bench::Search { records, questions } => search::run(&mut figures, records, questions),
        Bench::Quarter { devices, seconds } => {
            registers::report(&mut figures, devices, Duration::from_secs(seconds)).await
        }
        Bench::Accounts { hosts } => registers::accounts(&mut figures, hosts).await,
        Bench::Pages { devices, viewers, seconds } => {
            pages::run(&mut figures, devices, viewers, Duration::from_secs(seconds)).await
        }
        Bench::Agent { seconds } => agent::agent(&mut figures, Duration::from_secs(seconds)).await,
        Bench::Surveys => agent::surveys(&mut figures).await,
        Bench::Sensors { units, seconds } => sensors::sensors(&mut figures, units, Duration::from_secs(seconds)).await,
        Bench::Start { devices } => start::run(devices).await,
        Bench::Software { packages } => agent::software(&mut figures, packages).await,
        Bench::Year { devices, days, start_only, dir } => {
            year::run(&mut figures, &year::Plan { devices, days, start_only, dir }).await
        }
        Bench::Zabbix { hosts, rounds } => zabbix::run(&mut figures, hosts, rounds).await,
        Bench::Report { files } => {
            print!("{}", performance::page(TEMPLATE, &rows(&files)?)?);
            Ok(())
        }
        Bench::Size { page, files, vi } => {
            let text = std::fs::read_to_string(&page).with_context(|| page.display().to_string())?;
            let made = size::page(&text, &rows(&files)?, vi).with_context(|| page.display().to_string())?;
            print!("{made}");
            Ok(())
        }
    }
}

/// The words around the figures.
const TEMPLATE: &str = include_str!("performance.txt");

fn rows(files: &[PathBuf]) -> anyhow::Result<Vec<performance::Row>> {
    let mut rows = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        rows.extend(performance::read(&text).with_context(|| file.display().to_string())?);
    }
    Ok(rows)
}
