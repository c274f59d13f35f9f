//! `ioc-collector doctor`: what is wrong with this installation, and how to mend it; and a report without secrets for whoever helps.

mod database;

use std::fmt::Write as _;
use std::net::ToSocketAddrs as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use ioc_common::clock::{self, Timestamp};
use ioc_common::owner::as_owner;
use ioc_common::redact;
use ioc_judge::duty::calendar;

use crate::cli;
use crate::collector_name::name_of;
use crate::timestamp::StampError;
use ioc_engine::config::{Channel, Config, TimestampPlan};
use ioc_engine::open_files::FEW_FILES;
use ioc_store::DatabaseReport;

/// Less free space than this is a fault, bytes and percent.
const FREE_MIN_BYTES: u64 = 1 << 30;
const FREE_MIN_PERCENT: u64 = 5;
/// How long another machine may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, and somebody should look at it.
    Look,
    /// It does not work until somebody mends it.
    Broken,
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How serious it is.
    pub verdict: Verdict,
    /// What was checked, and what was found.
    pub what: String,
    /// What to do; empty where nothing is to be done.
    pub mend: String,
    /// What it is about, in words that name nothing of this site.
    pub about: &'static str,
}

impl Finding {
    fn good(what: impl Into<String>) -> Self {
        Self { verdict: Verdict::Good, what: what.into(), mend: String::new(), about: "" }
    }

    fn look(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { verdict: Verdict::Look, what: what.into(), mend: mend.into(), about: "" }
    }

    fn broken(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { verdict: Verdict::Broken, what: what.into(), mend: mend.into(), about: "" }
    }

    fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }
}

/// Checks everything.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let mut all = vec![
        data_directory(config).about("the data directory"),
        free_space(config).about("free space"),
        wall_clock().about("the clock"),
    ];
    if config.store.postgres().is_none() {
        all.push(store(config).about("the store"));
    }
    all.extend(database::examine(config));
    let running = cli::ask(&config.runtime, "GET", "/api/v1/devices?limit=1", None).await;
    let answers = match &running {
        Ok(_) => Finding::good("the collector runs and answers"),
        Err(error) => Finding::broken(error.to_string(), "systemctl status ioc-collector; journalctl -u ioc-collector"),
    };
    all.push(answers.about("the running collector"));
    if let Err(error) = &cli::ask(&config.runtime, "GET", "/readyz", None).await
        && running.is_ok()
    {
        let said = error.to_string();
        // Who stands by does what it should; what keeps the database from being asked stands above.
        let finding = if config.store.postgres().is_some() && said.contains(" stands by: ") {
            Finding::good(said)
        } else if config.store.postgres().is_some() {
            Finding::broken(said, "see to the database; it goes on by itself")
        } else {
            Finding::broken(said, "make room, or mount the file system for writing; it goes on by itself")
        };
        all.push(finding.about("readiness"));
    }
    if config.broker.is_some()
        && let Ok(ready) = cli::text(&config.runtime, "/readyz").await
    {
        all.extend(broker(&ready).map(|one| one.about("the broker")));
    }
    if let Ok(ready) = cli::text(&config.runtime, "/readyz").await
        && let Some((what, mend)) =
            ready.lines().filter(|line| line.contains(FEW_FILES)).find_map(|l| l.split_once("; mend: "))
    {
        all.push(Finding::look(what, mend).about("open files"));
    }
    if let Ok(clock) = cli::ask(&config.runtime, "GET", "/api/v1/clock", None).await
        && clock["deletion_suspended"] == true
    {
        all.push(
            Finding::broken(
                format!(
                    "the machine's clock is in doubt: it shows {}, the collector goes by {}",
                    clock["wall"], clock["now"]
                ),
                "set it right (NTP); or, if it is right, 'ioc-collector clock confirm'",
            )
            .about("the machine's clock"),
        );
    }
    all.extend(certificate(config).map(|one| one.about("the pages' certificate")));
    all.push(reachable_names(config).about("names for other machines"));
    for channel in &config.channels {
        all.push(channel_server(channel).about("a channel"));
    }
    all.push(backups(config).about("backups"));
    all.push(openssl(config.timestamp.is_some(), crate::timestamp::openssl().await).about("openssl"));
    if let Some(plan) = &config.timestamp {
        all.push(time_stamps(plan).await.about("time stamps"));
    }
    all.push(duty_plan(config).about("the duty plan"));
    all
}

/// How the link to the broker stands, by what the running collector says of it.
fn broker(ready: &str) -> Option<Finding> {
    let line = ready.lines().find(|line| line.starts_with("broker: "))?;
    Some(match line.split_once("; mend: ") {
        Some((what, mend)) if line.contains("not connected") => Finding::broken(what, mend),
        Some((what, mend)) => Finding::look(what, mend),
        None if line.contains("not connected") => {
            Finding::broken(line, "see whether it runs, the network, and [ingest.broker]; docs/scale.md")
        }
        None => Finding::good(line),
    })
}

fn data_directory(config: &Config) -> Finding {
    let path = config.data.display();
    match std::fs::metadata(&config.data) {
        Ok(meta) if meta.mode() & 0o077 != 0 => {
            Finding::broken(format!("{path} can be read by others: it holds keys"), format!("chmod 700 {path}"))
        }
        Ok(_) => Finding::good(format!("{path} is there, and closed to others")),
        Err(error) => Finding::broken(
            format!("{path}: {error}"),
            "start the service once (systemctl start ioc-collector), or correct paths.data",
        ),
    }
}

fn free_space(config: &Config) -> Finding {
    let Ok(found) = rustix::fs::statvfs(&config.data) else { return Finding::good("free space: not known yet") };
    let (free, all) = (found.f_bavail * found.f_frsize, (found.f_blocks * found.f_frsize).max(1));
    let text = format!("{} MiB are free for {} ({} %)", free >> 20, config.data.display(), free * 100 / all);
    if free < FREE_MIN_BYTES || free * 100 / all < FREE_MIN_PERCENT {
        Finding::broken(text, "make room, or keep history for less long: [history] keep")
    } else {
        Finding::good(text)
    }
}

fn store(config: &Config) -> Finding {
    let examined = as_owner(&config.data, || {
        ioc_store::version(&config.data).map(|version| (version, ioc_store::examine(&config.data, false)))
    });
    let examined = match examined {
        Ok(examined) => examined,
        Err(error) => return Finding::broken(format!("{}: {error}", config.data.display()), "what the message says"),
    };
    match examined {
        Ok((version, examined)) => match examined {
            Ok(findings) if findings.is_empty() => Finding::good(format!(
                "the store is sound (schema {version}; every checksum: ioc-collector store check)"
            )),
            Ok(findings) => Finding::broken(
                format!("the store is damaged: {}", findings.join("; ")),
                "look at this machine's disk, copy the data directory, then restore a backup, or save what can be read: ioc-collector store recover (docs/operate.md)",
            ),
            Err(error) => Finding::broken(error.to_string(), "what the message says"),
        },
        Err(error) => Finding::broken(
            error.to_string(),
            "what the message says; a copy of the data from before the upgrade lies beside it",
        ),
    }
}

/// A wrong clock makes every time in the log wrong.
fn wall_clock() -> Finding {
    let now = clock::now();
    let built = Timestamp::from_millis(1_764_000_000_000);
    if now < built {
        return Finding::broken(
            format!("this machine's clock says {now}"),
            "set it, and let it be kept: timedatectl set-ntp true",
        );
    }
    let keepers = ["chronyd", "systemd-timesyn", "ntpd", "ntpsec"];
    let is_kept = std::fs::read_dir("/proc").into_iter().flatten().flatten().any(|entry| {
        let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        keepers.contains(&name.trim())
    });
    if is_kept {
        Finding::good("the clock is kept by a time service")
    } else {
        Finding::look("no time service runs on this machine", "apt install chrony, or timedatectl set-ntp true")
    }
}

fn certificate(config: &Config) -> Option<Finding> {
    let (path, _) = config.web_certificate.as_ref()?;
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) => return Some(Finding::broken(format!("{}: {error}", path.display()), "correct web.certificate")),
    };
    let (_, pem) = x509_parser::pem::parse_x509_pem(&text).ok()?;
    let certificate = pem.parse_x509().ok()?;
    let ends = certificate.validity().not_after.timestamp();
    let left = ends - clock::now().as_millis() / 1000;
    let text = format!("the pages' certificate {} ends in {} days", path.display(), left / 86_400);
    Some(match left / 86_400 {
        30.. => Finding::good(text),
        0..30 => Finding::look(text, "renew it, then systemctl reload ioc-collector"),
        _ => Finding::broken(text, "renew it, then systemctl reload ioc-collector"),
    })
}

/// Agents and browsers of other machines come in by these names.
fn reachable_names(config: &Config) -> Finding {
    let local = |name: &String| matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1");
    if config.web_listen.ip().is_loopback() {
        return Finding::look(
            "it listens on this machine alone: no other machine can enrol or look",
            "ioc-collector init, or set web.listen and ingest.listen to 0.0.0.0 or [::]",
        );
    }
    match config.names.iter().find(|name| !local(name)) {
        Some(name) => Finding::good(format!("other machines come in by {name}")),
        None => {
            Finding::broken("no name for other machines stands in web.names", "add this machine's name to web.names")
        }
    }
}

fn channel_server(channel: &Channel) -> Finding {
    let (host, port) = match channel.notifier.server() {
        Ok(Some(server)) => server,
        Ok(None) => {
            return Finding::good(format!("channel {}: looked at by the test on the page Duty", channel.name));
        }
        Err(why) => return Finding::broken(format!("channel {}: {why}", channel.name), "correct its url"),
    };
    let text = format!("channel {}: {host}:{port}", channel.name);
    let addresses = match (host.as_str(), port).to_socket_addrs() {
        Ok(addresses) => addresses.collect::<Vec<_>>(),
        Err(error) => return Finding::broken(format!("{text}: {error}"), "correct the name, or DNS on this machine"),
    };
    if addresses.iter().any(|address| std::net::TcpStream::connect_timeout(address, CONNECT_TIMEOUT).is_ok()) {
        Finding::good(format!("{text} answers"))
    } else {
        Finding::broken(format!("{text} does not answer"), "is it on, and does the firewall let this machine through?")
    }
}

/// Whether another collector holds the lease of this site.
fn stands_by(config: &Config) -> bool {
    let Some(plan) = config.store.postgres() else { return false };
    let report = DatabaseReport::of(&plan.settings);
    report.is_ok_and(|report| report.lasts_ms > 0 && report.holder != name_of(plan))
}

/// Whether the collector itself is backed up, and whether that was proven.
fn backups(config: &Config) -> Finding {
    let (words, is_good) = crate::backup::standing(config, clock::now());
    match (is_good, config.backup.is_some()) {
        (true, _) => Finding::good(words),
        (false, true) if stands_by(config) => Finding::look(
            format!("{words}; this collector stands by, and whoever holds the lease makes them"),
            "see that [backup] directory is one that all collectors of the site reach, or look at the holder's (docs/scale.md)",
        ),
        (false, true) => {
            Finding::broken(words, "ioc-collector backup now, then ioc-collector backup drill (docs/backup.md)")
        }
        (false, false) => Finding::look(words, "set [backup] directory and passphrase_file (docs/backup.md)"),
    }
}

/// Whether time stamps can be made and checked on this machine.
fn openssl(is_needed: bool, version: Result<String, StampError>) -> Finding {
    let mend = "apt install openssl (dnf install openssl)";
    match version {
        Ok(version) => Finding::good(format!("time stamps (RFC 3161) are checked by {version}")),
        Err(error) if is_needed => {
            Finding::broken(format!("[timestamp] is set, and no time stamp can be made or checked: {error}"), mend)
        }
        Err(error) => Finding::look(format!("time stamps (RFC 3161) cannot be checked on this machine: {error}"), mend),
    }
}

/// Whether the authority of time stamps is asked and checked from here. It is not asked now.
async fn time_stamps(plan: &TimestampPlan) -> Finding {
    match crate::timestamp::is_ready(plan).await {
        Ok(()) => Finding::good(format!("time stamps are asked of {}, and can be checked", plan.url)),
        Err(error) => Finding::broken(
            format!("no time stamp can be asked for or checked: {error}"),
            "install openssl, and see that [timestamp] authority_file can be read by the service (docs/records.md)",
        ),
    }
}

/// Whether notices reach anybody.
fn duty_plan(config: &Config) -> Finding {
    if config.channels.is_empty() {
        return Finding::broken(
            "no channel is configured: nobody is told of anything",
            "add a [[channel]] (docs/duty.md)",
        );
    }
    if config.plan.people.is_empty() {
        return Finding::look(
            "there is no duty plan: notices go to channels for everyone",
            "write one: [duty] file (docs/duty.md)",
        );
    }
    let outlook = calendar::outlook(&config.plan, &[], clock::now());
    let gaps = calendar::gaps(&config.plan, &outlook);
    match gaps.first() {
        Some(gap) => Finding::broken(
            format!("the duty plan has holes: {}", gap.en),
            "fill them in the duty plan, or by a stand-in on the page Duty",
        ),
        None => Finding::good(format!("the duty plan names {} people and has no hole", config.plan.people.len())),
    }
}

fn mark(one: &Finding) -> &'static str {
    match one.verdict {
        Verdict::Good => "  ok ",
        Verdict::Look => "LOOK ",
        Verdict::Broken => " BAD ",
    }
}

/// The collector's own counters, line by line: a name of ours, at most one label that is a word, a number.
fn own_counters(text: &str) -> String {
    let word = |text: &str| text.chars().all(|one| one.is_ascii_alphanumeric() || "_{}=\"".contains(one));
    let ours = |line: &&str| {
        line.split_once(' ').is_some_and(|(name, value)| {
            name.starts_with("ioc_") && name.len() <= 120 && word(name) && value.parse::<f64>().is_ok()
        })
    };
    text.lines().filter(ours).fold(String::new(), |out, line| out + line + "\n")
}

/// Findings for a person.
#[must_use]
pub fn to_text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for one in findings {
        let _ = writeln!(text, "{} {}", mark(one), one.what);
        if !one.mend.is_empty() {
            let _ = writeln!(text, "       mend: {}", one.mend);
        }
    }
    text
}

/// The same for programs.
#[must_use]
pub fn to_json(findings: &[Finding]) -> Value {
    let one = |one: &Finding| {
        let verdict = match one.verdict {
            Verdict::Good => "good",
            Verdict::Look => "look",
            Verdict::Broken => "broken",
        };
        serde_json::json!({ "verdict": verdict, "what": one.what, "fix": one.mend })
    };
    findings.iter().map(one).collect()
}

/// What to hand to whoever helps: findings, the configuration and the running collector's counters; of all of them what is known to be
/// harmless, and of the rest how much there is.
pub async fn bundle(config: &Config, path: Option<&Path>, findings: &[Finding]) -> String {
    let written = match path.map(std::fs::read_to_string) {
        None => "(defaults)\n".to_owned(),
        Some(Ok(text)) => redact::configuration(&text),
        Some(Err(error)) => redact::reason(&error.to_string()) + "\n",
    };
    let counters = cli::text(&config.runtime, "/metrics").await;
    let counters = counters.map_or_else(|error| redact::reason(&error.to_string()) + "\n", |text| own_counters(&text));
    let devices = cli::ask(&config.runtime, "GET", "/api/v1/devices?limit=500", None).await.unwrap_or(Value::Null);
    let mut kinds = std::collections::BTreeMap::<(String, String), u64>::new();
    for device in devices["items"].as_array().into_iter().flatten() {
        let text = |key: &str| device[key].as_str().unwrap_or_default().to_owned();
        *kinds.entry((text("kind"), text("state"))).or_default() += 1;
    }
    let mut out = format!("IOC Watch collector {} at {}\n\n== findings\n", env!("CARGO_PKG_VERSION"), clock::now());
    for one in findings {
        let _ = writeln!(out, "{} {} {}", mark(one), one.about, redact::reason(&one.what));
    }
    let _ = writeln!(out, "\n== configuration, without secrets\n{written}");
    let _ = writeln!(out, "== devices by kind and state (of the first 500)");
    for ((kind, state), count) in kinds {
        let _ = writeln!(out, "{kind} {state} {count}");
    }
    let _ = writeln!(out, "\n== counters\n{counters}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_is_away_is_broken_and_one_that_holds_back_is_looked_at() {
        let verdict = |line: &str| broker(&format!("ready\n{line}\n")).map(|one| one.verdict);
        assert_eq!(broker("ready\n"), None);
        assert_eq!(verdict("broker: connected to a:1 for 5 s"), Some(Verdict::Good));
        assert_eq!(verdict("broker: connected to a:1 for 5 s, but it is slow; mend: raise it"), Some(Verdict::Look));
        for line in ["broker: not connected for 9 s: a:1: refused", "broker: not connected for 9 s: no; mend: yes"] {
            assert_eq!(verdict(line), Some(Verdict::Broken), "{line}");
        }
    }

    #[test]
    fn that_openssl_is_missing_is_said_and_is_a_fault_where_stamps_are_wanted() {
        let missing = || Err(StampError::Local("openssl: not found; mend: install the package openssl".to_owned()));
        for (is_needed, verdict) in [(true, Verdict::Broken), (false, Verdict::Look)] {
            let found = openssl(is_needed, missing());
            assert!(found.verdict == verdict && found.mend.contains("openssl"), "{found:?}");
        }
        assert_eq!(openssl(true, Ok("OpenSSL 3".to_owned())).verdict, Verdict::Good);
    }

    #[test]
    fn what_is_wrong_comes_with_a_mend() {
        let dir = tempfile::tempdir().expect("directory");
        let text = format!("[paths]\ndata = {:?}\nruntime = {:?}\n", dir.path().join("none"), dir.path());
        let config = crate::config::tests::parse(&text).unwrap_or_else(|e| panic!("{e}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let findings = runtime.block_on(examine(&config));
        assert!(
            findings.iter().any(|one| one.verdict == Verdict::Broken && one.what.contains("nobody is told")),
            "{findings:?}"
        );
        assert!(findings.iter().all(|one| one.verdict == Verdict::Good || !one.mend.is_empty()), "{findings:?}");
        assert!(to_text(&findings).contains(" BAD ") && to_text(&findings).contains("mend:"));
    }
}
