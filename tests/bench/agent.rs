//! What the agent costs, beside its peers in the same run.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use ioc_agent::survey::{Job, SurveyEnd, SurveyLine};
use ioc_common::report::ProbeOutcome;
use ioc_tests::harness::{Rig, binary, eventually, free_port};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::{cpu_ns, field_kib};
use crate::figures::{Figure, Figures};
use crate::measure;

/// What one program used.
#[derive(Clone, Copy)]
struct Used {
    cpu_ns: u64,
    switches: u64,
    written: u64,
    /// Calls that read or write files, pipes and what wakes a thread; sockets have others.
    calls: u64,
}

/// What one program needs.
struct Needs {
    cpu_ms: f64,
    pss_kib: f64,
    wakes: f64,
    written: f64,
    calls: f64,
}

fn used(pid: u32) -> Used {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let switches = tasks.map(|task| {
        let text = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0)
    });
    Used {
        cpu_ns: cpu_ns(pid),
        switches: switches.sum(),
        written: measure::written(pid).disk,
        calls: measure::file_calls(pid),
    }
}

pub(super) async fn agent(figures: &mut Figures, time: Duration) -> anyhow::Result<()> {
    let mut rig = Rig::new("");
    rig.start().await?;
    let mut agent = rig.agent("measured", "").await?;
    agent.start()?;
    eventually("connected", || async { agent.status().await.is_ok_and(|status| status.connected) }).await?;
    let collectd = collectd(rig.dir())?;
    let exporter = node_exporter()?;
    let mut programs = vec![("ioc-agent", agent.pid())];
    programs.extend(collectd.iter().filter_map(|child| Some(("collectd", child.id()?))));
    programs.extend(exporter.iter().filter_map(|(child, _)| Some(("node_exporter", child.id()?))));
    // Whoever wants numbers of node_exporter asks for them; the others send by themselves.
    let scraped = exporter.as_ref().map(|(_, port)| *port);
    let scraping = tokio::spawn(async move {
        while let Some(port) = scraped {
            let _ = scrape(port).await;
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    });
    // Everyone is past its start, and the first surveys are made.
    tokio::time::sleep(Duration::from_secs(25)).await;
    figures.measures(&binary("ioc-agent"));
    let before: Vec<Used> = programs.iter().map(|(_, pid)| used(*pid)).collect();
    tokio::time::sleep(time).await;
    let samples = time.as_secs_f64() / 10.0;
    let needs: Vec<(&str, Needs)> = programs
        .iter()
        .zip(before)
        .map(|((name, pid), before)| {
            let now = used(*pid);
            let needs = Needs {
                cpu_ms: (now.cpu_ns.saturating_sub(before.cpu_ns)) as f64 / 1e6 / samples,
                pss_kib: field_kib(*pid, "smaps_rollup", "Pss:") as f64,
                wakes: (now.switches.saturating_sub(before.switches)) as f64 / time.as_secs_f64(),
                written: (now.written - before.written) as f64,
                calls: (now.calls.saturating_sub(before.calls)) as f64 / samples,
            };
            (*name, needs)
        })
        .collect();
    println!("the agent at 10 s for {} s, and who else runs here", time.as_secs());
    figures.say(beside(&needs))?;
    scraping.abort();
    for (name, there) in [("collectd", collectd.is_some()), ("prometheus-node-exporter", exporter.is_some())] {
        if !there {
            println!("{name} is not installed (apt-get install {name})");
        }
    }
    let preview = agent.command().args(["report", "--once", "--json"]).output().await?;
    let preview: serde_json::Value = serde_json::from_slice(&preview.stdout)?;
    let numbers = preview["numbers"].as_object().map_or(0, serde_json::Map::len) as f64;
    let bytes = preview["sample_bytes"].as_f64().context("the preview says no size")?;
    figures.say([
        Figure::new("binary, stripped", std::fs::metadata(binary("ioc-agent"))?.len() as f64 / 1e6, "MB").most(4.2),
        Figure::new("numbers of one sample of this host", numbers, ""),
        Figure::new("one sample on the wire, a number", bytes / numbers, "bytes").most(10.0),
    ])
}

/// What the agent needs, beside each of the others; it comes first.
fn beside(needs: &[(&str, Needs)]) -> Vec<Figure> {
    let Some(((_, ours), others)) = needs.split_first() else { return Vec::new() };
    let all = || {
        [
            Figure::new("CPU a sample, surveys apart", ours.cpu_ms, "ms").most(0.5),
            Figure::new("memory", ours.pss_kib, "KiB").most(2560.0),
            Figure::new("wake-ups", ours.wakes, "/s").most(0.4),
        ]
    };
    let mut figures = Vec::from(all());
    figures.push(Figure::new("written to disk", ours.written, "bytes").most(0.0));
    figures.push(Figure::new("calls that read and write files, a sample", ours.calls, ""));
    for (name, theirs) in others {
        for (figure, theirs) in all().into_iter().zip([theirs.cpu_ms, theirs.pss_kib, theirs.wakes]) {
            figures.push(figure.against(name, theirs));
        }
    }
    figures
}

/// collectd with the plugins that read what our sampling probes read, and nobody to send to but a file in memory.
fn collectd(dir: &Path) -> anyhow::Result<Option<Child>> {
    if !Path::new("/usr/sbin/collectd").exists() {
        return Ok(None);
    }
    let plugins = ["cpu", "df", "disk", "interface", "load", "memory", "processes", "swap", "uptime", "users", "vmem"];
    let plugins: String = plugins.iter().map(|plugin| format!("LoadPlugin {plugin}\n")).collect();
    let out = Path::new("/dev/shm").join(format!("ioc-bench-{}", std::process::id()));
    let config = format!(
        "Interval 10\nBaseDir {dir:?}\nPIDFile {:?}\nLoadPlugin csv\n<Plugin csv>\nDataDir {out:?}\n</Plugin>\n{plugins}",
        dir.join("collectd.pid")
    );
    let path = dir.join("collectd.conf");
    std::fs::write(&path, config)?;
    let child = Command::new("/usr/sbin/collectd")
        .args(["-f", "-C"])
        .arg(&path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    Ok(Some(child))
}

fn node_exporter() -> anyhow::Result<Option<(Child, u16)>> {
    let program = Path::new("/usr/bin/prometheus-node-exporter");
    if !program.exists() {
        return Ok(None);
    }
    let port = free_port();
    let child = Command::new(program)
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    Ok(Some((child, port)))
}

async fn scrape(port: u16) -> anyhow::Result<usize> {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
    let mut answer = Vec::new();
    Ok(stream.read_to_end(&mut answer).await?)
}

/// The program that makes surveys, beside the agent.
fn surveyor() -> PathBuf {
    binary("ioc-agent").with_file_name("ioc-agent-survey")
}

/// How often each survey is made for one figure: the shell counts milliseconds.
const RUNS: usize = 20;

/// CPU milliseconds of a child with these jobs, its own children included, by the shell's own count, and its last answer.
async fn child(jobs: &[Job]) -> anyhow::Result<(f64, Option<SurveyEnd>)> {
    let jobs = serde_json::to_string(jobs)?;
    let config = tempfile::NamedTempFile::new()?;
    let state = tempfile::tempdir()?;
    std::fs::write(config.path(), format!("[paths]\nstate = {:?}\n", state.path()))?;
    let script = format!(
        "TIMEFORMAT='%U %S'; time for run in {{1..{RUNS}}}; do {} --config {} survey <<<'{jobs}'; done",
        surveyor().display(),
        config.path().display()
    );
    let output = Command::new("/bin/bash").args(["-c", &script]).output().await?;
    let times = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned();
    let spent: f64 = times.split(' ').filter_map(|part| part.parse::<f64>().ok()).sum();
    let last = output.stdout.trim_ascii_end().rsplit(|b| *b == b'\n').next().unwrap_or_default();
    let answer = match serde_json::from_slice(last) {
        Ok(SurveyLine::End(answer)) => Some(answer),
        Ok(SurveyLine::Report(_)) | Err(_) => None,
    };
    Ok((spent * 1000.0 / RUNS as f64, answer))
}

/// What a day of surveys costs, as the agent makes them: those that are due together share a child.
pub(super) async fn surveys(figures: &mut Figures) -> anyhow::Result<()> {
    figures.measures(&surveyor());
    let (start_ms, _) = child(&[]).await?;
    println!("start and end of a child: {start_ms:.1} ms CPU");
    let (mut day_ms, mut moments) = (0.0, std::collections::BTreeSet::new());
    for survey in ioc_probe::SURVEYS {
        // The second of two, which knows what the first remembered: so are all but the first after a start.
        let job = |memo: String| [Job { name: survey.name.to_owned(), memo }];
        let (_, first) = child(&job(String::new())).await?;
        let (spent_ms, answer) = child(&job(first.and_then(|answer| answer.memo).unwrap_or_default())).await?;
        let answer = answer.with_context(|| format!("{} gives no answer", survey.name))?;
        // What this machine does not have is looked for four times a day.
        let (found, every_s) = match answer.outcome {
            ProbeOutcome::Absent { .. } => ("absent", survey.every_s.max(86_400 / 4)),
            ProbeOutcome::Read => ("read", survey.every_s),
            ProbeOutcome::Unknown { .. } => ("unknown", survey.every_s),
        };
        let times = 86_400 / every_s;
        moments.extend((0..times).map(|time| time * every_s));
        let own_ms = (spent_ms - start_ms).max(0.0);
        day_ms += own_ms * times as f64;
        println!(
            "{:<13} {found:<8} {own_ms:>7.1} ms CPU, {times:>5} times a day, {} numbers",
            survey.name,
            answer.numbers.len()
        );
    }
    let children = moments.len();
    day_ms += start_ms * children as f64;
    println!("all surveys, {children} children a day");
    figures.say([
        Figure::new("start and end of a child, CPU", start_ms, "ms"),
        Figure::new("all surveys, CPU a day", day_ms / 1000.0, "s"),
        Figure::new("all surveys, CPU a sample at 10 s", day_ms / 8640.0, "ms"),
    ])
}

pub(super) async fn software(figures: &mut Figures, packages: usize) -> anyhow::Result<()> {
    figures.measures(&surveyor());
    let dir = tempfile::tempdir()?;
    let at = |path: String| dir.path().join(path);
    std::fs::create_dir_all(at("var/lib/dpkg/info".into()))?;
    let mut status =
        String::from("Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.21\n\n");
    for n in 0..packages {
        let name = format!("lib-example-{n:05}");
        let description =
            " A longer description, as packages have, of what this library is for and who should use it.\n".repeat(8);
        status += &format!(
            "Package: {name}\nStatus: install ok installed\nPriority: optional\nSection: libs\nInstalled-Size: 1234\nMaintainer: Some Team <team-{n}@lists.example.org>\n\
             Architecture: amd64\nVersion: 1.{n}-2+deb12u1\nDepends: libc6 (>= 2.34), libstdc++6 (>= 11)\nDescription: x\n{description}\n"
        );
        std::fs::write(at(format!("var/lib/dpkg/info/{name}.list")), "/.\n")?;
        std::fs::create_dir_all(at(format!("usr/share/doc/{name}")))?;
        let copyright = format!(
            "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n{}License: GPL-2+\n",
            "Comment: x\n".repeat(60)
        );
        std::fs::write(at(format!("usr/share/doc/{name}/copyright")), copyright)?;
    }
    std::fs::write(at("var/lib/dpkg/status".into()), status)?;
    let (mut times, mut peak) = (Vec::new(), 0);
    for _ in 0..7 {
        let (text, most) = watched(&["probe", "software", "--json", "--root"], dir.path()).await?;
        peak = peak.max(most);
        let finding: serde_json::Value = serde_json::from_slice(&text)?;
        times.push(finding["took_ms"].as_f64().context("a time")?);
    }
    times.sort_by(f64::total_cmp);
    let (_, base) = watched(&["probe", "load", "--json", "--root"], Path::new("/")).await?;
    println!(
        "software list of {packages} packages: best {:.0} ms, peak {peak} KiB of the child that makes it",
        times[0]
    );
    let what = |what: &str| format!("software list of {packages} packages: {what}");
    figures.say([
        Figure::new(what("time"), times[times.len() / 2], "ms").most(50.0),
        Figure::new(what("memory above a child that makes almost nothing"), peak.saturating_sub(base) as f64, "KiB")
            .most(2048.0),
    ])
}

/// Runs the surveyor, and says what it printed and the most memory it held, in kilobytes.
async fn watched(arguments: &[&str], root: &Path) -> anyhow::Result<(Vec<u8>, u64)> {
    let mut child = Command::new(surveyor()).args(arguments).arg(root).stdout(Stdio::piped()).spawn()?;
    let pid = child.id().context("runs")?;
    let mut output = child.stdout.take().context("piped")?;
    let watch = tokio::task::spawn_blocking(move || {
        let mut most = 0;
        loop {
            match field_kib(pid, "status", "VmHWM:") {
                0 => return most,
                peak => most = peak.max(most),
            }
            std::thread::sleep(Duration::from_micros(300));
        }
    });
    let mut text = Vec::new();
    output.read_to_end(&mut text).await?;
    anyhow::ensure!(child.wait().await?.success(), "ioc-agent-survey {arguments:?} fails");
    Ok((text, watch.await?))
}
