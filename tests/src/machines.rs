//! Machines kept as texts (`tests/machines/*.txt`), so that what probes make of a whole machine can be looked at and compared.
//!
//! A line `now TIME` says when the machine is looked at. Then each file begins with a line `=== PATH`, which may go on with
//! `@SECONDS`, when it was last changed, and `hex` for what is no text. `=== PATH/ @SECONDS` is a directory whose time counts, after
//! what lies in it, and `=== PATH -> TARGET` a symbolic link. `=== cmd: PROGRAM ARGUMENT…` is what a program printed, after a line
//! `exit STATUS` or `failed WHY`; an argument with spaces stands in '…'. `=== PATH later` is what a file says a minute later, so that there are
//! rates. Before the first file anything may be said. What programs printed lies where a capture keeps it, below `/.ioc-capture/commands`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use ioc_agent::config::Config;
use ioc_agent::sampler::{Probes, Sampler};
use ioc_agent::surveyor::{self, ProbeResult};
use ioc_common::clock::Timestamp;
use ioc_common::config::Source;
use ioc_common::encoding::hex;
use ioc_common::layout::Series;
use ioc_common::reading::AgentUsage;
use ioc_probe::{COMMANDS, NoAccess, SURVEYS, SurveyContext, facts, slug};
use serde_json::{Value, json};

/// Before the path of a file.
const MARK: &str = "=== ";
/// Directories whose time probes read.
const TIMED: [&str; 1] = ["/var/lib/apt/lists"];
/// The agent's configuration on such a machine, where it has one.
const CONFIG: &str = "etc/ioc-watch/agent.toml";

/// A machine whose files have been laid out.
pub struct Laid {
    /// When it is looked at.
    pub now: Timestamp,
    /// What some files say a minute later.
    later: Vec<(PathBuf, Vec<u8>)>,
}

/// Lays a machine's files below `root`.
///
/// # Errors
/// A text that is no machine, with its line.
pub fn unpack(text: &str, root: &Path) -> anyhow::Result<Laid> {
    let (mut now, mut later) = (None, Vec::new());
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if let Some(time) = line.strip_prefix("now ") {
            now = Some(time.parse().with_context(|| format!("line {}: {time:?} is no time", number + 1))?);
        }
        let Some(head) = line.strip_prefix(MARK) else { continue };
        let mut content = String::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.starts_with(MARK)) {
            content.push_str(line);
            content.push('\n');
        }
        lay(head, &content, root, &mut later).with_context(|| format!("line {}: {line:?}", number + 1))?;
    }
    Ok(Laid { now: now.context("no line says 'now TIME'")?, later })
}

fn lay(head: &str, content: &str, root: &Path, later: &mut Vec<(PathBuf, Vec<u8>)>) -> anyhow::Result<()> {
    if let Some(command) = head.strip_prefix("cmd: ") {
        let words = words(command);
        let (program, arguments) = words.split_first().context("no program")?;
        let dir = root.join(COMMANDS);
        std::fs::create_dir_all(&dir)?;
        return Ok(std::fs::write(dir.join(slug(program, arguments) + ".txt"), content)?);
    }
    let mut words = head.split(' ');
    let name = words.next().unwrap_or_default();
    let path = root.join(name.trim_start_matches('/'));
    std::fs::create_dir_all(path.parent().context("no path")?)?;
    let (mut bytes, mut changed_s) = (content.as_bytes().to_vec(), None);
    while let Some(word) = words.next() {
        match word {
            "->" => {
                let target = words.next().context("a link to nowhere")?;
                return Ok(std::os::unix::fs::symlink(target, &path)?);
            }
            "later" => {
                later.push((path, bytes));
                return Ok(());
            }
            "hex" => bytes = unhex(content)?,
            seconds => {
                let seconds = seconds.strip_prefix('@').context("neither @SECONDS, hex, later nor ->")?;
                changed_s = Some(seconds.parse()?);
            }
        }
    }
    if !name.ends_with('/') {
        std::fs::write(&path, bytes)?;
    }
    if let Some(seconds) = changed_s {
        std::fs::File::open(&path)?.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))?;
    }
    Ok(())
}

/// The words of a command line; what stands in '…' is one.
fn words(command: &str) -> Vec<&str> {
    let parts = command.split('\'').enumerate();
    parts.flat_map(|(at, part)| if at % 2 == 1 { vec![part] } else { part.split_whitespace().collect() }).collect()
}

fn unhex(text: &str) -> anyhow::Result<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
    digits.chunks(2).map(pair).collect()
}

/// The text of the machine below `root`, as an unpacked capture is. Someone has to shorten it: a list of apt is long.
///
/// # Errors
/// What the system says of the first file that may not be read.
pub fn pack(root: &Path, now: Timestamp) -> anyhow::Result<String> {
    let mut out = format!("now {now}\n");
    let changed_s = |about: &std::fs::Metadata| -> anyhow::Result<u64> {
        Ok(about.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs())
    };
    let mut left = vec![(root.to_owned(), false)];
    while let Some((path, seen)) = left.pop() {
        let about = path.symlink_metadata()?;
        let name = format!("/{}", path.strip_prefix(root)?.display());
        if seen {
            let _ = writeln!(out, "{MARK}{name}/ @{}", changed_s(&about)?);
            continue;
        }
        if about.is_dir() {
            if TIMED.contains(&name.as_str()) {
                left.push((path.clone(), true));
            }
            let below = std::fs::read_dir(&path)?.map(|entry| Ok((entry?.path(), false)));
            let mut below = below.collect::<std::io::Result<Vec<_>>>()?;
            below.sort_by(|a, b| b.cmp(a));
            left.append(&mut below);
            continue;
        }
        if about.is_symlink() {
            let _ = writeln!(out, "{MARK}{name} -> {}", std::fs::read_link(&path)?.display());
            continue;
        }
        let _ = write!(out, "{MARK}{name}");
        // What the kernel shows has no age.
        if !["/proc/", "/sys/", "/.ioc-capture/"].iter().any(|kernel| name.starts_with(kernel)) {
            let _ = write!(out, " @{}", changed_s(&about)?);
        }
        let bytes = std::fs::read(&path)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) if !text.contains('\0') && !text.contains(&format!("\n{MARK}")) => {
                let _ = write!(out, "\n{text}{}", if text.is_empty() || text.ends_with('\n') { "" } else { "\n" });
            }
            _ => {
                out.push_str(" hex\n");
                bytes.chunks(32).for_each(|row| out.push_str(&(hex(row) + "\n")));
            }
        }
    }
    Ok(out)
}

/// What the sampling probes make of the machine in two samples a minute apart, and what every survey finds.
///
/// # Errors
/// When its configuration is wrong.
pub fn readings(root: &Path, machine: &Laid) -> anyhow::Result<Value> {
    let mut sampler = Sampler::new(Probes::new(root, &[]));
    let own = AgentUsage::default();
    let mut events = Vec::new();
    // Probes that are read at every sixth sample are read at the last one, too.
    for _ in 0..6 {
        events.extend(sampler.take(0, &own, &[]).context("a sample")?.events);
    }
    for (path, bytes) in &machine.later {
        std::fs::write(path, bytes)?;
    }
    let last = sampler.take(60_000, &own, &[]).context("a sample")?;
    events.extend(last.events);
    let series = sampler.layout().map(|layout| layout.series().to_vec()).unwrap_or_default();
    let sample = series.iter().zip(&last.sample.v).filter(|(series, _)| !series.as_str().starts_with("agent."));
    let sample: serde_json::Map<String, Value> =
        sample.map(|(series, value)| (series.as_str().to_owned(), json!(value))).collect();
    let found = json!({
        "facts": facts::read(root),
        "probes": sampler.outcomes(),
        "sample": sample,
        "events": events,
        "surveys": surveys(root, machine)?,
    });
    placeless(&found, root)
}

/// What every survey finds, by name.
///
/// # Errors
/// When the machine's configuration is wrong.
pub fn surveys(root: &Path, machine: &Laid) -> anyhow::Result<Value> {
    let config = config(root)?;
    let surveys: serde_json::Map<String, Value> = SURVEYS
        .iter()
        .map(|survey| {
            let seen = SurveyContext {
                root,
                settings: &config.survey_settings,
                now: machine.now,
                memo: "",
                state: None,
                host: &NoAccess,
                record: None,
            };
            let made = surveyor::make(survey, &seen);
            let numbers: serde_json::Map<String, Value> = made
                .numbers
                .iter()
                .map(|(metric, subject, value)| (Series::new(metric, subject).as_str().to_owned(), json!(value)))
                .collect();
            let mut value = serde_json::to_value(ProbeResult { numbers: Vec::new(), memo: None, ..made })?;
            value["numbers"] = Value::Object(numbers);
            Ok((survey.name.to_owned(), value))
        })
        .collect::<anyhow::Result<_>>()?;
    placeless(&Value::Object(surveys), root)
}

fn config(root: &Path) -> anyhow::Result<Config> {
    let text = std::fs::read_to_string(root.join(CONFIG)).unwrap_or_default();
    Config::parse(&Source::built_in(CONFIG, &text)).map_err(|error| anyhow::anyhow!("{error}"))
}

/// The same wherever the machine lies.
fn placeless(found: &Value, root: &Path) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&found.to_string().replace(&root.display().to_string(), ""))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_what_was_unpacked() {
        let text = "now 2026-11-26T05:00:00Z\n=== /etc/localtime -> ../usr/share/zoneinfo/Asia/Ho_Chi_Minh\n\
            === /etc/os-release @1795485600\nID=debian\n\n=== /proc/empty\n=== /sys/edid hex\n00ffff00\n\
            === /var/lib/apt/lists/x @5\n=== /var/lib/apt/lists/ @1795485600\n";
        let dir = tempfile::tempdir().unwrap();
        let now = unpack(text, dir.path()).unwrap().now;
        assert_eq!(std::fs::read(dir.path().join("sys/edid")).unwrap(), [0, 255, 255, 0]);
        assert_eq!(
            pack(dir.path(), now).unwrap().lines().skip(1).collect::<Vec<_>>(),
            text.lines().skip(1).collect::<Vec<_>>()
        );
        unpack("now 2026-11-26T05:00:00Z\n=== cmd: ipmitool -c sdr type 'Power Supply'\nexit 0\n", dir.path()).unwrap();
        let kept = dir.path().join(COMMANDS).join("ipmitool_-c_sdr_type_Power+Supply.txt");
        assert_eq!(std::fs::read_to_string(kept).unwrap(), "exit 0\n");
        let refused = |text: &str| format!("{:#}", unpack(text, dir.path()).err().unwrap());
        assert!(refused("now x\n").contains("line 1"));
        assert!(refused("=== /a\n").contains("now TIME"));
        assert!(refused("now 2026-11-26T05:00:00Z\n=== /b sometimes\n").contains("line 2"));
    }
}
