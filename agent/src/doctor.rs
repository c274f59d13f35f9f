//! `ioc-agent doctor`: what each probe can read on this machine, what it lacks, and how to mend that. `ioc-agent probe`: the same for one probe.

use std::fmt::Write as _;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use serde::{Serialize, Serializer};

use ioc_common::address::split_address;
use ioc_common::clock;
use ioc_common::owner::as_owner;
use ioc_common::redact;
use ioc_common::report::{Event, ProbeOutcome};
use ioc_probe::{Probe, SampleContext, SurveyContext};

use crate::config::Config;
use crate::host::LiveHost;
use crate::identity::IdentityStore;
use crate::spool::DamagedParts;
use crate::status::Status;
use crate::surveyor::{self, ProbeResult};

/// The end of the agent's log.
const LOG: [&str; 9] =
    ["-u", "ioc-agent*", "-n", "300", "-o", "json", "--output-fields", redact::LOG_FIELDS, "--no-pager"];
/// How long journalctl may take to print it, seconds.
const LOG_WITHIN_S: u64 = 20;
/// How long the collector may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// One probe, read once.
#[derive(Debug, Serialize)]
pub struct ProbeFinding {
    /// Outcome, numbers and documents of the probe.
    #[serde(flatten)]
    pub result: ProbeResult,
    /// How long it took, milliseconds.
    pub took_ms: f64,
    /// Rights and programs that it needs, as people read it; none where it needs no more than any probe.
    #[serde(serialize_with = "needs")]
    pub needs: Option<&'static str>,
}

/// What people read about a probe that needs no more than any probe.
pub(crate) const NOTHING_MORE: &str = "nothing more";

#[allow(clippy::ref_option, reason = "serde hands it over so")]
fn needs<S: Serializer>(needs: &Option<&'static str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(needs.unwrap_or(NOTHING_MORE))
}

/// Reads the probe or makes the survey of this name, on the machine whose file system is below `root`. None when there is no such name.
#[must_use]
pub fn read(name: &str, root: &Path, config: &Config) -> Option<ProbeFinding> {
    if let Some(survey) = ioc_probe::survey(name) {
        let context = context(root, config, None);
        let started_us = clock::boottime_us();
        let result = surveyor::make(survey, &context);
        return Some(ProbeFinding { result, took_ms: since(started_us), needs: survey.needs });
    }
    let (_, mut probe) = ioc_probe::sampled_probes(root).into_iter().find(|(known, _)| *known == name)?;
    let mut numbers = JsonNumbers::default();
    let (mut buffer, mut events) = (Vec::new(), Vec::new());
    let started_us = clock::boottime_us();
    let mut outcome = sample(probe.as_mut(), None, &mut buffer, &mut events, &mut numbers);
    let took_ms = since(started_us);
    if outcome == ProbeOutcome::Read && root == Path::new("/") {
        // A rate is the difference of two readings, so that the probe is read twice. Probes that are not read at every sample show the
        // first reading.
        std::thread::sleep(Duration::from_millis(500));
        numbers.0.clear();
        outcome = sample(probe.as_mut(), Some(0.5), &mut buffer, &mut events, &mut numbers);
    }
    let result = ProbeResult { numbers: numbers.0, events, ..ProbeResult::without(name, outcome) };
    Some(ProbeFinding { result, took_ms, needs: None })
}

fn since(started_us: u64) -> f64 {
    clock::boottime_us().saturating_sub(started_us) as f64 / 1000.0
}

#[derive(Default)]
struct JsonNumbers(Vec<(String, String, Option<f64>)>);

impl ioc_common::reading::Sink for JsonNumbers {
    fn put(&mut self, metric: &'static str, subject: &str, value: f64) {
        self.0.push((metric.to_owned(), subject.to_owned(), value.is_finite().then_some(value)));
    }
}

fn sample(
    probe: &mut dyn Probe,
    elapsed_s: Option<f64>,
    buffer: &mut Vec<u8>,
    events: &mut Vec<Event>,
    numbers: &mut JsonNumbers,
) -> ProbeOutcome {
    probe.read(&mut SampleContext { elapsed_s, device_events: None, buffer, events }, numbers)
}

/// The context in which a person reads the machine: without the memos of earlier surveys, and nothing is kept for later ones.
#[must_use]
pub fn context<'a>(root: &'a Path, config: &'a Config, record: Option<&'a Path>) -> SurveyContext<'a> {
    SurveyContext {
        root,
        settings: &config.survey_settings,
        now: clock::now(),
        memo: "",
        state: None,
        host: &LiveHost,
        record,
    }
}

/// Every probe and survey that is not forbidden.
#[must_use]
pub fn read_all(root: &Path, config: &Config) -> Vec<ProbeFinding> {
    let allowed = ioc_probe::names().filter(|name| !config.forbid.iter().any(|forbidden| forbidden == name));
    allowed.filter_map(|name| read(name, root, config)).collect()
}

/// One finding, for a person.
#[must_use]
pub fn text(finding: &ProbeFinding) -> String {
    let result = &finding.result;
    let mut text = line(finding);
    for (name, subject, value) in &result.numbers {
        let name = if subject.is_empty() { name.clone() } else { format!("{name}|{subject}") };
        let _ = writeln!(text, "  {name:<50} {}", value.map_or("-".to_owned(), |value| value.to_string()));
    }
    if let Some(document) = &result.document
        && let Ok(value) = document.read::<serde_json::Value>()
    {
        text += &serde_json::to_string_pretty(&value).unwrap_or_default();
        text.push('\n');
    }
    for event in &result.events {
        let _ = writeln!(text, "  event {}: {}", event.name, event.text);
    }
    for report in &result.software {
        text += &serde_json::to_string_pretty(report).unwrap_or_default();
        text.push('\n');
    }
    text
}

/// A line for a probe, and one more with the mend where it could not be read.
fn line(finding: &ProbeFinding) -> String {
    let (name, took) = (&finding.result.name, finding.took_ms);
    match &finding.result.outcome {
        ProbeOutcome::Read => format!("read     {name:<13} {took:>8.1} ms\n"),
        ProbeOutcome::Absent { why } => format!("absent   {name:<13} {why}\n"),
        ProbeOutcome::Unknown { why } => {
            let needs = finding.needs.map(|needs| format!("         {:<13} needs {needs}\n", ""));
            format!("UNKNOWN  {name:<13} {why}\n{}", needs.unwrap_or_default())
        }
    }
}

/// The whole report, and whether anything in it is wrong.
#[must_use]
pub fn report(root: &Path, config: &Config, findings: &[ProbeFinding]) -> (String, bool) {
    let mut text = String::new();
    for finding in findings {
        text += &line(finding);
        // A survey that was read may still lack a part of what it looks for; its document says so.
        let lacks = finding.result.document.as_ref().map(|document| lacking(document.text())).unwrap_or_default();
        for why in lacks {
            let _ = writeln!(text, "         {:<13} lacks: {why}", "");
        }
    }
    let mut bad = findings.iter().any(|finding| matches!(finding.result.outcome, ProbeOutcome::Unknown { .. }));
    if root == Path::new("/") {
        text.push('\n');
        let context = context(root, config, None);
        let there: Vec<&str> = ioc_probe::programs().into_iter().filter(|tool| context.has(tool)).collect();
        let _ = writeln!(text, "programs      {}", if there.is_empty() { "none".to_owned() } else { there.join(", ") });
        let helper = Path::new("/run/ioc-agent-helper.sock").exists();
        let shown =
            if helper { "listens" } else { "is not installed; mend: systemctl enable --now ioc-agent-helper.socket" };
        let _ = writeln!(text, "helper unit   {shown}");
        bad |= write_addresses(config, &mut text);
        if let Some(why) = spool_damage(&config.state) {
            bad = true;
            let _ = writeln!(text, "SPOOL         {why}");
        }
        match state_error(&config.state) {
            None => {
                let _ = writeln!(text, "state         {} can be written", config.state.display());
            }
            Some(why) => {
                bad = true;
                let _ = writeln!(text, "STATE         {why}");
            }
        }
    }
    (text, bad)
}

/// Which addresses of the collector answer, or the proxy before them. True when none of them does.
fn write_addresses(config: &Config, text: &mut String) -> bool {
    let learnt =
        IdentityStore::new(config.state.clone()).identity().map(|identity| identity.addresses()).unwrap_or_default();
    let addresses: Vec<&str> = match &config.proxy {
        Some(proxy) => vec![proxy],
        None if config.mqtt.is_empty() => learnt.iter().map(String::as_str).collect(),
        None => config.mqtt.iter().map(String::as_str).collect(),
    };
    let mut answers = addresses.is_empty();
    let what = if config.proxy.is_some() { "proxy" } else { "collector" };
    for address in addresses {
        match reach(address) {
            Ok(()) => {
                answers = true;
                let _ = writeln!(text, "{what:<13} {address} answers");
            }
            Err(why) => {
                let _ = writeln!(text, "{:<13} {address}: {why}", what.to_uppercase());
            }
        }
    }
    !answers
}

fn reach(address: &str) -> Result<(), String> {
    let (host, port) = split_address(address)?;
    let found = (host.as_str(), port).to_socket_addrs().map_err(|error| error.to_string())?;
    let mut why = "the name has no address".to_owned();
    for one in found {
        match TcpStream::connect_timeout(&one, CONNECT_TIMEOUT) {
            Ok(_) => return Ok(()),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

/// A report for whoever helps: the findings, the status of the running agent, its configuration and the end of its log. It shows only what
/// is known to be harmless, and of everything else how much there is.
#[must_use]
pub fn bundle(
    path: Option<&Path>,
    root: &Path,
    config: &Config,
    findings: &[ProbeFinding],
    status: &Result<Status, String>,
) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut out = format!("IOC Watch agent {version} at {}\n\n== findings\n", clock::now());
    for finding in findings {
        let (name, took) = (&finding.result.name, finding.took_ms);
        let (what, why) = match &finding.result.outcome {
            ProbeOutcome::Read => ("read", String::new()),
            ProbeOutcome::Absent { why } => ("absent", redact::reason(why)),
            ProbeOutcome::Unknown { why } => ("UNKNOWN", redact::reason(why)),
        };
        let _ = writeln!(out, "{what:<8} {name:<13} {took:>8.1} ms {why}");
    }
    let _ = writeln!(out, "\n== status");
    match status {
        Ok(status) => {
            let document = serde_json::to_value(status).unwrap_or_default();
            out += &redact::document(&document, &STATUS);
        }
        Err(error) => {
            let _ = writeln!(out, "{}", redact::reason(error));
        }
    }
    let _ = writeln!(out, "\n== configuration, without secrets");
    out += &redacted_configuration(path);
    if root == Path::new("/") {
        let log = context(root, config, None).ask("journalctl", &LOG, LOG_WITHIN_S).lines_or_none();
        let log = log.map_or_else(|outcome| redact::reason(&format!("{outcome:?}")), |lines| redact::log(&lines));
        let _ = writeln!(out, "\n== log, without what it says of this place\n{log}");
    }
    out
}

/// Fields of the status whose texts are shown, since they are ours and name nobody.
const STATUS: [&str; 7] = ["version", "name", "outcome", "read", "committed", "taken", "certificate_expires_at"];

/// The configuration as the report shows it.
fn redacted_configuration(path: Option<&Path>) -> String {
    let Some(path) = path else { return "(defaults)\n".to_owned() };
    match std::fs::read_to_string(path) {
        Ok(text) => redact::configuration(&text),
        Err(error) => redact::reason(&error.to_string()) + "\n",
    }
}

/// What a document says that it lacks: the texts of its fields `unknown`, at any depth.
fn lacking(json: &str) -> Vec<String> {
    fn walk(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (key, value) in fields {
                    match value {
                        serde_json::Value::String(text) if key == "unknown" && !text.is_empty() => {
                            found.push(text.clone());
                        }
                        serde_json::Value::Array(texts) if key == "unknown" => {
                            found.extend(texts.iter().filter_map(|text| text.as_str()).map(str::to_owned));
                        }
                        other => walk(other, found),
                    }
                }
            }
            serde_json::Value::Array(values) => values.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(&serde_json::from_str(json).unwrap_or_default(), &mut found);
    found
}

fn state_error(state: &Path) -> Option<String> {
    let probe = state.join(".doctor");
    let written = as_owner(state, || std::fs::write(&probe, b"x").and_then(|()| std::fs::remove_file(&probe)));
    written.and_then(|written| written).err().map(|error| {
        let dir = state.display();
        format!(
            "{dir}: {error}; mend: install -d -o ioc-agent -g ioc-agent -m 700 {dir}, and run this as that user or root"
        )
    })
}

/// Which parts of the spool are damaged; they are kept until a person removes them.
fn spool_damage(state: &Path) -> Option<String> {
    let damaged = as_owner(state, || DamagedParts::of(&state.join("spool"))).ok()?;
    (damaged.bytes() > 0).then(|| {
        let (bytes, dir) = (damaged.bytes(), damaged.dir().display());
        format!(
            "{bytes} bytes of it are damaged, and take its room ({dir}); mend: look at the disk (dmesg, smartctl -a), see \
             'ioc-agent damaged', then 'ioc-agent damaged --remove'"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::config::Source;

    #[test]
    fn an_empty_machine_has_nothing_and_nothing_is_guessed() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let config = Config::parse(&Source::built_in("empty", "")).unwrap_or_else(|e| panic!("{e}"));
        let findings = read_all(dir.path(), &config);
        assert_eq!(findings.len(), ioc_probe::names().count());
        for finding in findings {
            let name = finding.result.name.as_str();
            let known = ["antivirus", "time", "protection"].contains(&name);
            let numbers: Vec<_> = finding.result.numbers.iter().filter(|number| number.2.is_some()).collect();
            match finding.result.outcome {
                ProbeOutcome::Read => assert!(known, "{name} reads something out of nothing: {numbers:?}"),
                ProbeOutcome::Absent { .. } | ProbeOutcome::Unknown { .. } => {
                    assert!(numbers.is_empty(), "{name}: {numbers:?}");
                }
            }
        }
        assert!(read("no-such", dir.path(), &config).is_none());
    }

    #[test]
    fn what_is_lacking_is_found_at_any_depth() {
        assert_eq!(lacking(r#"{"a":[{"unknown":"x"}],"unknown":["y","z"],"b":{"unknown":""}}"#), ["x", "y", "z"]);
    }

    #[test]
    fn a_bundle_hands_on_no_secret() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("agent.toml");
        let text = "[collector_watchdog]\nafter = \"15m\"\nurl = \"https://u:S3CR3T@chat.example/S3CR3T\" # S3CR3T\n\
                    [[endpoint]]\nname = \"S3CR3T\"\nkind = \"https\"\naddress = \"S3CR3T.example:443\"\nask = \"/?token=S3CR3T\"\n";
        std::fs::write(&path, text).expect("written");
        let config = Config::parse(&Source::read(&path).expect("read")).unwrap_or_else(|e| panic!("{e}"));
        let why = "restic -r rest:https://u:S3CR3T@host: Permission denied".to_owned();
        let result = ProbeResult::without("backups", ProbeOutcome::Unknown { why });
        let findings = [ProbeFinding { result, took_ms: 1.0, needs: None }];
        let status = Err("cannot ask S3CR3T: timed out".to_owned());
        let shown = bundle(Some(&path), dir.path(), &config, &findings, &status);
        assert!(!shown.contains("S3CR3T"), "{shown}");
        for part in [
            "UNKNOWN  backups",
            "permission denied",
            "timed out",
            "collector_watchdog.after = \"15m\"",
            "endpoint[0].kind = \"https\"",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
    }
}
