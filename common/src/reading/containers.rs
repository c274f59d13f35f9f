//! Containers of a host: Docker, Podman and systemd-nspawn, as the kernel's control groups and the files beside them tell.

use serde::{Deserialize, Serialize};

use super::probe_info::MINUTE_S;
use super::{Findings, ProbeInfo, Sink, flag};
use crate::clock::Timestamp;

/// Most containers of a host that are told of.
pub const CONTAINERS_MAX: usize = 100;

/// The containers that run, and those that their manager keeps.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Containers {
    /// By name.
    pub containers: Vec<Container>,
    /// What is not known or not listed, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// One container.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Container {
    /// What people call it; the beginning of its identifier where nothing says so.
    pub name: String,
    /// `docker`, `podman` or `nspawn`.
    pub kind: String,
    /// From which image; empty where nothing says so.
    pub image: String,
    /// `running`, `paused` or `stopped`.
    pub state: String,
    /// When it was started last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// How often it was restarted: as Docker counts, else as often as a survey found it started anew.
    pub restarts: Option<u64>,
    /// With what its first process ended, where it is stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// Processes that the kernel killed since it was started, because it had no memory left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_kills: Option<u64>,
    /// How much memory it may have, bytes; none where there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    /// Memory it has, bytes. A number only.
    #[serde(skip)]
    pub memory_bytes: Option<u64>,
    /// CPU it used since the survey before, % of one processor. A number only.
    #[serde(skip)]
    pub cpu_pct: Option<f64>,
    /// Its processes and threads. A number only.
    #[serde(skip)]
    pub tasks: Option<u64>,
}

impl Findings for Containers {
    const PROBE: ProbeInfo = ProbeInfo::survey("containers", 5 * MINUTE_S, &["container."])
        .members(&[("/containers", &["name", "kind"])])
        .volatile(&["/containers/*/restarts", "/containers/*/oom_kills", "/containers/*/started_at"]);

    fn numbers(&self, _: Timestamp, sink: &mut dyn Sink) {
        let count = |count: Option<u64>| count.map_or(f64::NAN, |count| count as f64);
        for one in &self.containers {
            sink.put("container.running", &one.name, flag(Some(one.state == "running")));
            sink.put("container.restarts", &one.name, count(one.restarts));
            sink.put("container.oom_kills", &one.name, count(one.oom_kills));
            sink.put("container.cpu", &one.name, one.cpu_pct.unwrap_or(f64::NAN));
            sink.put("container.memory", &one.name, count(one.memory_bytes));
            let of_limit = one.memory_bytes.zip(one.memory_limit.filter(|limit| *limit > 0));
            let used = of_limit.map_or(f64::NAN, |(used, limit)| used as f64 / limit as f64 * 100.0);
            sink.put("container.memory_pct", &one.name, used);
            sink.put("container.tasks", &one.name, count(one.tasks));
        }
    }
}
