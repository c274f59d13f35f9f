//! Containers of Docker, Podman and systemd-nspawn: by the kernel's control groups (version 2) and the files that their managers keep. No daemon is asked, and
//! no socket of one is touched: what a daemon would say can be wrong, and its socket gives whoever may open it the whole host.

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_common::reading::{CONTAINERS_MAX, Container, Containers, Findings};
use serde::{Deserialize, Serialize};

use crate::capture_rule::{CaptureExtent, CaptureRule, CapturedFiles, whole_if};
use crate::descriptor::{Card, SurveyDescriptor};
use crate::survey_context::{SurveyContext, SurveyFindings, SurveyResult, absent, unknown};

pub(crate) const PROBE: SurveyDescriptor = SurveyDescriptor {
    probe: Containers::PROBE,
    deadline_s: 30,
    watch: &[],
    privileged: true,
    needs: Some(
        "control groups of version 2; the helper unit, to read what Docker and Podman keep of their containers",
    ),
    whole_memo: None,
    programs: &[],
    captured: CapturedFiles::whole(&["/run/systemd/machines/*", "/sys/fs/cgroup/cgroup.controllers"]).in_part(&[
        CaptureRule::by_path("/sys/fs/cgroup/system.slice/*/*", group_file),
        CaptureRule::by_path("/sys/fs/cgroup/machine.slice/*/*", group_file),
        CaptureRule::by_path("/sys/fs/cgroup/docker/*/*", group_file),
        CaptureRule::redacted("/var/lib/docker/containers/*/config.v2.json", redact_docker),
        CaptureRule::redacted("/var/lib/containers/storage/overlay-containers/containers.json", redact_podman),
    ]),
    processes: &[],
    card: Card {
        article: "5.1a",
        vi: "Container của Docker, Podman, systemd-nspawn",
        en: "Containers of Docker, Podman, systemd-nspawn",
        reads: "`/sys/fs/cgroup`, `/var/lib/docker/containers/*/config.v2.json`, `/var/lib/containers/storage/overlay-containers/containers.json`, \
                `/run/systemd/machines`; no daemon's socket",
        cost: "0.1 ms without containers; 0.2 ms for each",
    },
    read: survey,
};

const GROUPS: &str = "/sys/fs/cgroup";
const DOCKER: &str = "/var/lib/docker/containers";
const PODMAN: &str = "/var/lib/containers/storage/overlay-containers/containers.json";
const MACHINES: &str = "/run/systemd/machines";
/// What Docker keeps of one container: its environment stands there, too.
const CONFIG_MAX_BYTES: usize = 1 << 20;
/// What Podman keeps of all of them.
const STORAGE_MAX_BYTES: usize = 8 << 20;
/// A column for each interrupt of a large machine.
const STAT_MAX_BYTES: usize = 4 << 20;
/// Characters of an identifier that stand for its whole, as managers print it.
const SHORT: usize = 12;
/// People whose own containers are looked for.
const PEOPLE_MAX: usize = 64;
/// Ticks of `/proc/PID/stat` in a second: `sysconf(_SC_CLK_TCK)` is 100 on all that Linux runs on here.
const TICKS_S: u64 = 100;
/// The same start is read with this much difference, since the boot time is in whole seconds, milliseconds.
const SAME_START_MS: i64 = 2_500;
/// Files of a control group that are read.
const FILES: [&str; 7] =
    ["cgroup.events", "cgroup.procs", "cpu.stat", "memory.current", "memory.max", "memory.events", "pids.current"];

/// What managers keep of a container.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Kept {
    name: String,
    image: String,
    restarts: Option<u64>,
    exit_code: Option<i64>,
    started_at: Option<Timestamp>,
}

/// A control group that is a container's.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    path: String,
    kind: &'static str,
    /// Its identifier, or its name.
    id: String,
}

/// What the next survey has to know of a container.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Seen {
    /// Microseconds of CPU.
    used_us: Option<u64>,
    started_ms: Option<i64>,
    restarts: u64,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Memo {
    at_ms: i64,
    containers: BTreeMap<String, Seen>,
}

/// Of which container a control group is, by its name.
#[must_use]
pub fn owner_of(name: &str) -> Option<(&'static str, String)> {
    let identifier = |text: &str| {
        let is_one = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        is_one.then(|| text.to_owned())
    };
    let within = |prefix: &str, suffix: &str| name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix));
    if let Some(id) = within("docker-", ".scope").and_then(identifier) {
        return Some(("docker", id));
    }
    if let Some(id) = within("libpod-", ".scope").and_then(identifier) {
        return Some(("podman", id));
    }
    let machine = within("systemd-nspawn@", ".service").filter(|name| !name.is_empty() && name.len() <= 64);
    machine.map(|name| ("nspawn", unescaped(name)))
}

/// A name as systemd writes it into a unit's: `\x2d` is a hyphen.
fn unescaped(name: &str) -> String {
    name.replace("\\x2d", "-")
}

/// The control groups of containers: where Docker, Podman and systemd put them; those that people run themselves, too.
fn groups(context: &SurveyContext<'_>) -> Vec<Group> {
    let mut found = Vec::new();
    let mut look = |slice: &str| {
        for name in context.names(slice) {
            let owner = owner_of(&name);
            // Docker's other driver names them by the identifier alone.
            let owner =
                owner.or_else(|| owner_of(&format!("docker-{name}.scope")).filter(|_| slice.ends_with("/docker")));
            if let Some((kind, id)) = owner {
                found.push(Group { path: format!("{slice}/{name}"), kind, id });
            }
        }
    };
    for slice in ["system.slice", "machine.slice", "docker"] {
        look(&format!("{GROUPS}/{slice}"));
    }
    let people = context.names(&format!("{GROUPS}/user.slice"));
    for person in people.iter().filter_map(|name| name.strip_prefix("user-")?.strip_suffix(".slice")).take(PEOPLE_MAX) {
        look(&format!("{GROUPS}/user.slice/user-{person}.slice/user@{person}.service/user.slice"));
    }
    found
}

/// The number behind a key in a file of `key number` lines.
#[must_use]
pub fn value_of(text: &str, key: &str) -> Option<u64> {
    text.lines().filter_map(|line| line.split_once(' ')).find(|(name, _)| *name == key)?.1.trim().parse().ok()
}

/// What Docker keeps of a container.
#[must_use]
pub fn parse_docker(bytes: &[u8]) -> Option<Kept> {
    #[derive(Deserialize)]
    struct Form {
        #[serde(rename = "Name")]
        name: String,
        #[serde(rename = "RestartCount", default)]
        restarts: Option<u64>,
        #[serde(rename = "State", default)]
        state: State,
        #[serde(rename = "Config", default)]
        config: Config,
    }
    #[derive(Default, Deserialize)]
    struct State {
        #[serde(rename = "ExitCode", default)]
        exit_code: Option<i64>,
        #[serde(rename = "StartedAt", default)]
        started_at: Option<String>,
    }
    #[derive(Default, Deserialize)]
    struct Config {
        #[serde(rename = "Image", default)]
        image: String,
    }
    let form: Form = serde_json::from_slice(bytes).ok()?;
    let started_at = form.state.started_at.and_then(|text| text.parse::<Timestamp>().ok());
    Some(Kept {
        name: shown(form.name.trim_start_matches('/')),
        image: shown(&form.config.image),
        restarts: form.restarts,
        exit_code: form.state.exit_code,
        // The year 1 stands for never.
        started_at: started_at.filter(|at| at.as_millis() > 0),
    })
}

/// What Podman keeps of all containers of the system, by identifier.
#[must_use]
pub fn parse_podman(bytes: &[u8]) -> BTreeMap<String, Kept> {
    #[derive(Deserialize)]
    struct Form {
        id: String,
        #[serde(default)]
        names: Vec<String>,
        #[serde(default)]
        metadata: String,
    }
    let all: Vec<Form> = serde_json::from_slice(bytes).unwrap_or_default();
    let kept = |form: Form| {
        let name = form.names.first().map(|name| shown(name)).unwrap_or_default();
        let metadata: serde_json::Value = serde_json::from_str(&form.metadata).unwrap_or_default();
        let image = metadata.get("image-name").and_then(serde_json::Value::as_str).map(shown).unwrap_or_default();
        (form.id, Kept { name, image, ..Kept::default() })
    };
    all.into_iter().take(CONTAINERS_MAX * 4).map(kept).collect()
}

/// A word of a manager's as it is sent: short, of one line.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

fn short(id: &str) -> String {
    id.chars().take(SHORT).collect()
}

/// When the first process of a control group was started: by the kernel, whatever its manager says.
fn started_at(context: &SurveyContext<'_>, group: &str, booted_s: Option<u64>) -> Option<Timestamp> {
    let within = ["", "/container", "/payload", "/payload/init.scope"];
    let mut processes = within.iter().filter_map(|inner| context.text_if(&format!("{group}{inner}/cgroup.procs")));
    let process: u32 = processes.find_map(|text| text.lines().next().and_then(|line| line.trim().parse().ok()))?;
    let stat = context.text_if(&format!("/proc/{process}/stat"))?;
    let ticks = started_ticks(&stat)?;
    let millis = booted_s?.checked_mul(1000)?.checked_add(ticks.checked_mul(1000)? / TICKS_S)?;
    i64::try_from(millis).ok().map(Timestamp::from_millis)
}

/// The 22nd field of `/proc/PID/stat`: the name before it, in brackets, may hold anything.
#[must_use]
pub fn started_ticks(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Makes the survey.
///
/// # Errors
/// *Absent* where there is no container, *unknown* where the kernel has no control groups of version 2 and there may be some.
pub fn survey(context: &SurveyContext<'_>) -> SurveyResult {
    let docker = context.names(DOCKER);
    if !context.exists(&format!("{GROUPS}/cgroup.controllers")) {
        let why = format!("{GROUPS}/cgroup.controllers: this kernel runs without control groups of version 2");
        return Err(if docker.is_empty() { absent(&why) } else { unknown(&why) });
    }
    let groups = groups(context);
    let is_podman_there = context.exists(PODMAN);
    if groups.is_empty() && docker.is_empty() && !is_podman_there {
        return Err(absent(&format!("there is no container below {GROUPS}, {DOCKER} and {MACHINES}")));
    }
    let mut found = Containers::default();
    let podman = if is_podman_there {
        match context.bytes(PODMAN, STORAGE_MAX_BYTES) {
            Ok(bytes) => parse_podman(&bytes),
            Err(error) => {
                found.unknown.push(format!("{error}: names of Podman's containers are not known"));
                BTreeMap::new()
            }
        }
    } else {
        BTreeMap::new()
    };
    let before: Memo = serde_json::from_str(context.memo).unwrap_or_default();
    let mut memo = Memo { at_ms: context.now.as_millis(), containers: BTreeMap::new() };
    let stat = context.bytes("/proc/stat", STAT_MAX_BYTES).ok();
    let booted_s = stat.and_then(|text| value_of(&String::from_utf8_lossy(&text), "btime"));
    let mut kept: BTreeMap<String, Kept> = podman;
    for id in docker.iter().take(CONTAINERS_MAX * 4) {
        match context.bytes(&format!("{DOCKER}/{id}/config.v2.json"), CONFIG_MAX_BYTES) {
            Ok(bytes) => kept.extend(parse_docker(&bytes).map(|one| (id.clone(), one))),
            Err(error) if error.is_absent() => {}
            Err(error) => found.unknown.push(error.to_string()),
        }
    }
    let is_docker = |id: &String| docker.contains(id);
    for group in groups.iter().take(CONTAINERS_MAX) {
        let own = kept.get(&group.id).cloned().unwrap_or_default();
        found.containers.push(running(context, group, own, (booted_s, &before, &mut memo)));
    }
    for (id, own) in &kept {
        if groups.iter().any(|group| group.id == *id) || found.containers.len() >= CONTAINERS_MAX {
            continue;
        }
        found.containers.push(Container {
            name: if own.name.is_empty() { short(id) } else { own.name.clone() },
            kind: if is_docker(id) { "docker" } else { "podman" }.to_owned(),
            image: own.image.clone(),
            state: "stopped".to_owned(),
            started_at: own.started_at,
            restarts: own.restarts.or_else(|| before.containers.get(id).map(|seen| seen.restarts)),
            exit_code: own.exit_code,
            ..Container::default()
        });
        memo.containers.extend(before.containers.get(id).map(|seen| (id.clone(), Seen { used_us: None, ..*seen })));
    }
    let all = groups.len() + kept.keys().filter(|id| !groups.iter().any(|group| group.id == **id)).count();
    if all > CONTAINERS_MAX {
        found.unknown.push(format!("there are {all} containers; {CONTAINERS_MAX} are told of"));
    }
    found.containers.sort_by(|a, b| (&a.name, &a.kind).cmp(&(&b.name, &b.kind)));
    // A name is a series: people may give the same one, each for themselves.
    let listed = found.containers.len();
    found.containers.dedup_by(|a, b| a.name == b.name && a.kind == b.kind);
    if found.containers.len() < listed {
        found.unknown.push(format!("{} containers have the name of another", listed - found.containers.len()));
    }
    let mut findings = SurveyFindings::of(&found, context.now)?;
    findings.memo = serde_json::to_string(&memo).unwrap_or_default();
    Ok(findings)
}

/// A container that the kernel has, with what it uses.
fn running(
    context: &SurveyContext<'_>,
    group: &Group,
    kept: Kept,
    (booted_s, before, memo): (Option<u64>, &Memo, &mut Memo),
) -> Container {
    let text = |file: &str| context.text_if(&format!("{}/{file}", group.path));
    let events = text("cgroup.events").unwrap_or_default();
    let state = match (value_of(&events, "populated"), value_of(&events, "frozen")) {
        (_, Some(1)) => "paused",
        (Some(0), _) => "stopped",
        _ => "running",
    };
    let used_us = text("cpu.stat").and_then(|text| value_of(&text, "usage_usec"));
    let started_at = started_at(context, &group.path, booted_s);
    let last = before.containers.get(&group.id);
    let elapsed_us = memo.at_ms.saturating_sub(before.at_ms).saturating_mul(1000);
    let used = last.and_then(|seen| seen.used_us).zip(used_us).and_then(|(then, now)| now.checked_sub(then));
    let cpu_pct = used.filter(|_| elapsed_us > 0).map(|used| used as f64 / elapsed_us as f64 * 100.0);
    let started_ms = started_at.map(Timestamp::as_millis);
    let is_anew = last.and_then(|seen| seen.started_ms).zip(started_ms);
    let is_anew = is_anew.is_some_and(|(then, now)| now.saturating_sub(then) > SAME_START_MS);
    let counted = last.map_or(0, |seen| seen.restarts) + u64::from(is_anew);
    let seen = Seen { used_us, started_ms: started_ms.or(last.and_then(|seen| seen.started_ms)), restarts: counted };
    memo.containers.insert(group.id.clone(), seen);
    let is_named = !kept.name.is_empty();
    Container {
        name: match (is_named, group.kind) {
            (true, _) => kept.name,
            (false, "nspawn") => shown(&group.id),
            (false, _) => short(&group.id),
        },
        kind: group.kind.to_owned(),
        image: kept.image,
        state: state.to_owned(),
        started_at: started_at.or(kept.started_at),
        restarts: Some(kept.restarts.unwrap_or(counted)),
        exit_code: None,
        oom_kills: text("memory.events").and_then(|text| value_of(&text, "oom_kill")),
        memory_limit: text("memory.max").and_then(|text| text.trim().parse().ok()),
        memory_bytes: text("memory.current").and_then(|text| text.trim().parse().ok()),
        cpu_pct,
        tasks: text("pids.current").and_then(|text| text.trim().parse().ok()),
    }
}

/// Of control groups only those of containers, and of them what is read.
fn group_file(path: &str) -> CaptureExtent {
    let mut names = path.rsplit('/');
    let (file, group) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    let is_one = owner_of(group).is_some() || path.contains("/cgroup/docker/");
    whole_if(is_one && FILES.contains(&file))
}

/// Without what stands in a container's environment and command line.
fn redact_docker(bytes: &[u8]) -> Vec<u8> {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) else { return Vec::new() };
    let of = |pointer: &str| value.pointer(pointer).cloned().unwrap_or_default();
    let left = serde_json::json!({
        "Name": of("/Name"),
        "RestartCount": of("/RestartCount"),
        "State": { "ExitCode": of("/State/ExitCode"), "StartedAt": of("/State/StartedAt") },
        "Config": { "Image": of("/Config/Image").as_str().unwrap_or_default() },
    });
    left.to_string().into_bytes()
}

/// Names and images alone.
fn redact_podman(bytes: &[u8]) -> Vec<u8> {
    let left = parse_podman(bytes).into_iter().map(|(id, kept)| {
        let metadata = serde_json::json!({ "image-name": kept.image }).to_string();
        serde_json::json!({ "id": id, "names": [kept.name], "metadata": metadata })
    });
    serde_json::Value::Array(left.collect()).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProbeOutcome;
    use crate::survey_context::testing::CapturedMachine;
    use proptest::prelude::*;

    const WEB: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const JOB: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const DB: &str = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

    fn host() -> CapturedMachine {
        let captured = CapturedMachine::new(&[
            ("/sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n"),
            ("/proc/stat", "cpu 1 2\nbtime 1790000000\n"),
        ]);
        let group = format!("/sys/fs/cgroup/system.slice/docker-{WEB}.scope");
        for (file, text) in [
            ("cgroup.events", "populated 1\nfrozen 0\n"),
            ("cgroup.procs", "4711\n4712\n"),
            ("cpu.stat", "usage_usec 5000000\nuser_usec 1\n"),
            ("memory.current", "104857600\n"),
            ("memory.max", "209715200\n"),
            ("memory.events", "low 0\noom 3\noom_kill 2\n"),
            ("pids.current", "7\n"),
        ] {
            captured.write(&format!("{group}/{file}"), text.as_bytes());
        }
        let web = "{\"ID\":\"a\",\"Name\":\"/web\",\"RestartCount\":4,\"State\":{\"Running\":true,\"ExitCode\":0,\"StartedAt\":\"2026-11-24T00:00:00.5Z\"},\
                   \"Config\":{\"Image\":\"nginx:1.27\",\"Env\":[\"PASSWORD=secret\"]}}";
        let job = "{\"Name\":\"/job\",\"RestartCount\":0,\"State\":{\"ExitCode\":137,\"StartedAt\":\"0001-01-01T00:00:00Z\"},\"Config\":{\"Image\":\"job\"}}";
        captured.write(&format!("{DOCKER}/{WEB}/config.v2.json"), web.as_bytes());
        captured.write(&format!("{DOCKER}/{JOB}/config.v2.json"), job.as_bytes());
        captured.write("/proc/4711/stat", stat(1_000).as_bytes());
        captured
    }

    fn stat(ticks: u64) -> String {
        format!("4711 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 {ticks} 20 21\n")
    }

    #[test]
    fn what_the_kernel_and_docker_s_files_tell() {
        let mut captured = host();
        let first = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        let found = first.read::<Containers>();
        let names: Vec<_> = found.containers.iter().map(|one| (one.name.as_str(), one.state.as_str())).collect();
        assert_eq!(names, [("job", "stopped"), ("web", "running")]);
        assert_eq!((found.containers[0].exit_code, found.containers[0].started_at), (Some(137), None));
        assert_eq!(found.containers[1].image, "nginx:1.27");
        assert_eq!(found.containers[1].started_at.map(Timestamp::as_millis), Some(1_790_000_010_000));
        assert_eq!((first.number("container.restarts", "web"), first.number("container.oom_kills", "web")), (4.0, 2.0));
        assert_eq!((first.number("container.memory_pct", "web"), first.number("container.tasks", "web")), (50.0, 7.0));
        assert!(first.number("container.cpu", "web").is_nan(), "nothing is known of the time before");
        assert!(first.number("container.memory", "job").is_nan() && first.number("container.running", "job") == 0.0);
        let sent = serde_json::to_string(&found).expect("json");
        assert!(!sent.contains("secret") && !first.memo.contains("secret"), "{sent}");
        captured.memo = first.memo;
        captured.write(&format!("/sys/fs/cgroup/system.slice/docker-{WEB}.scope/cpu.stat"), b"usage_usec 65000000\n");
        let second = survey(&captured.machine("2026-11-24T00:01:00Z")).expect("read");
        assert_eq!(second.number("container.cpu", "web"), 100.0, "a whole processor for a minute");
        captured.write(
            &format!("/sys/fs/cgroup/system.slice/docker-{WEB}.scope/cgroup.events"),
            b"populated 1\nfrozen 1\n",
        );
        let paused = survey(&captured.machine("2026-11-24T00:02:00Z")).expect("read").read::<Containers>();
        assert_eq!(paused.containers[1].state, "paused");
    }

    #[test]
    fn restarts_are_counted_where_no_manager_counts_them() {
        let mut captured =
            CapturedMachine::new(&[("/sys/fs/cgroup/cgroup.controllers", ""), ("/proc/stat", "btime 1790000000\n")]);
        let podman =
            format!("/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{DB}.scope");
        captured.write(&format!("{podman}/container/cgroup.procs"), b"4711\n");
        captured.write("/sys/fs/cgroup/machine.slice/systemd-nspawn@web\\x2d1.service/cgroup.events", b"populated 1\n");
        let mut restarts = Vec::new();
        for (minute, ticks) in [(0, 1_000), (1, 1_000), (2, 90_000), (3, 900_000)] {
            captured.write("/proc/4711/stat", stat(ticks).as_bytes());
            let found = survey(&captured.machine(&format!("2026-11-24T00:0{minute}:00Z"))).expect("read");
            restarts.push(found.number("container.restarts", &DB[..12]));
            assert!(found.number("container.memory", "web-1").is_nan(), "unknown, not zero");
            captured.memo = found.memo;
        }
        assert_eq!(restarts, [0.0, 0.0, 1.0, 2.0]);
    }

    #[test]
    fn a_host_without_containers_has_none_and_an_old_kernel_is_unknown() {
        let none = CapturedMachine::new(&[
            ("/sys/fs/cgroup/cgroup.controllers", ""),
            ("/sys/fs/cgroup/system.slice/ssh.service/cgroup.events", "populated 1\n"),
        ]);
        assert!(matches!(survey(&none.machine("2026-11-24T00:00:00Z")), Err(ProbeOutcome::Absent { .. })));
        let old = CapturedMachine::new(&[(&format!("{DOCKER}/{WEB}/config.v2.json"), "{}")]);
        assert!(matches!(survey(&old.machine("2026-11-24T00:00:00Z")), Err(ProbeOutcome::Unknown { .. })));
        let many = CapturedMachine::new(&[("/sys/fs/cgroup/cgroup.controllers", "")]);
        for number in 0..CONTAINERS_MAX + 5 {
            many.write(
                &format!("/sys/fs/cgroup/system.slice/docker-{number:04x}{number:060x}.scope/cgroup.events"),
                b"populated 1\n",
            );
        }
        let found = survey(&many.machine("2026-11-24T00:00:00Z")).expect("read").read::<Containers>();
        assert_eq!(found.containers.len(), CONTAINERS_MAX);
        assert!(found.unknown[0].contains("105 containers"), "{:?}", found.unknown);
    }

    #[test]
    fn a_capture_keeps_no_environment() {
        let kept = redact_docker(b"{\"Name\":\"/web\",\"Config\":{\"Image\":\"x\",\"Env\":[\"PASSWORD=secret\"]},\"Args\":[\"--token=secret\"]}");
        assert!(!String::from_utf8_lossy(&kept).contains("secret"));
        assert_eq!(parse_docker(&kept).map(|kept| kept.name), Some("web".to_owned()));
        let podman = b"[{\"id\":\"c\",\"names\":[\"db\"],\"metadata\":\"{\\\"image-name\\\":\\\"pg\\\",\\\"x\\\":\\\"secret\\\"}\",\"flags\":{\"a\":\"secret\"}}]";
        let kept = redact_podman(podman);
        assert!(!String::from_utf8_lossy(&kept).contains("secret"));
        assert_eq!(parse_podman(&kept), parse_podman(podman));
        assert!(matches!(
            group_file(&format!("/sys/fs/cgroup/system.slice/docker-{WEB}.scope/cpu.stat")),
            CaptureExtent::Whole
        ));
        assert!(matches!(group_file("/sys/fs/cgroup/system.slice/ssh.service/cpu.stat"), CaptureExtent::Nothing));
    }

    proptest! {
        #[test]
        fn hostile_files_are_read_or_not(text in ".*", bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (owner_of(&text), value_of(&text, "populated"), started_ticks(&text), unescaped(&text));
            let _ = (parse_docker(&bytes), parse_podman(&bytes), redact_docker(&bytes), redact_podman(&bytes));
        }
    }
}
