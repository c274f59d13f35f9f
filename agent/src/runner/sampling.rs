//! Runs the sampler on a helper thread, so that a probe that hangs (a dying disk) holds up nothing else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::task::JoinHandle;

use ioc_common::clock;
use ioc_common::layout::Layout;
use ioc_common::reading::Own;
use ioc_common::report::{ProbeOutcome, ProbeReport};

use crate::sampler::{Sampler, Taken};

/// How long the probes may take together before they are said to hang.
const DEADLINE_MS: u64 = 5000;
/// The agent's own memory is measured every this many samples: it costs more than all probes.
const OWN_EVERY_SAMPLES: u64 = 60;

/// A sample and what belongs to it.
pub(super) struct Sampled {
    /// None when a probe panicked.
    pub(super) taken: Option<Taken>,
    pub(super) layout: Option<Layout>,
    pub(super) outcomes: Vec<ProbeReport>,
}

/// The sampler, here or on its helper thread.
pub(super) struct Sampling {
    root: PathBuf,
    forbid: Vec<String>,
    idle: Option<Box<Worker>>,
    /// What is under way, and until when it may take.
    busy: Option<(Task, u64)>,
    told_hung: bool,
    outcomes: Vec<ProbeReport>,
    current: Arc<AtomicUsize>,
    names: Vec<&'static str>,
}

type Task = JoinHandle<(Box<Worker>, Taken)>;

struct Worker {
    sampler: Sampler,
    samples: u64,
    cpu_us: Option<u64>,
    rss: Option<u64>,
}

impl Worker {
    fn take(&mut self, waiting: u64, lost: u64) -> Taken {
        if self.samples.is_multiple_of(OWN_EVERY_SAMPLES) {
            self.rss = own_rss();
        }
        self.samples += 1;
        let cpu_us = clock::process_cpu_us();
        let cpu_ms = self.cpu_us.map(|before| cpu_us.saturating_sub(before) as f64 / 1000.0);
        self.cpu_us = Some(cpu_us);
        self.sampler.take(clock::boottime_ms(), &Own { cpu_ms, rss: self.rss, waiting, lost })
    }
}

impl Sampling {
    pub(super) fn new(root: &Path, forbid: &[String]) -> Self {
        let sampler = Sampler::new(root, forbid);
        Self {
            root: root.to_owned(),
            forbid: forbid.to_vec(),
            outcomes: sampler.outcomes(),
            current: sampler.current(),
            names: sampler.names(),
            idle: Some(Box::new(Worker { sampler, samples: 0, cpu_us: None, rss: None })),
            busy: None,
            told_hung: false,
        }
    }

    /// Starts a sample, unless the one before is still under way.
    pub(super) fn start(&mut self, waiting: u64, lost: u64) {
        if let Some(mut worker) = self.idle.take() {
            let task = tokio::task::spawn_blocking(move || {
                let taken = worker.take(waiting, lost);
                (worker, taken)
            });
            self.busy = Some((task, clock::boottime_ms() + DEADLINE_MS));
        }
    }

    /// The sample that was started. Never ends while none is under way.
    pub(super) async fn finished(&mut self) -> Sampled {
        let Some((task, _)) = &mut self.busy else { return std::future::pending().await };
        let result = task.await;
        self.busy = None;
        self.told_hung = false;
        match result {
            Ok((worker, taken)) => {
                let outcomes = if taken.outcomes_changed { worker.sampler.outcomes() } else { self.outcomes.clone() };
                let layout = taken.new_layout.clone();
                self.outcomes.clone_from(&outcomes);
                self.idle = Some(worker);
                Sampled { taken: Some(taken), layout, outcomes }
            }
            Err(panic) => {
                // A probe panicked: begin anew with fresh probes, and say so.
                tracing::error!(%panic, probe = self.current_name(), "a probe failed; all probes start anew");
                let probe = self.current_name().to_owned();
                let forbid = std::mem::take(&mut self.forbid);
                *self = Self::new(&self.root.clone(), &forbid);
                let why = "panicked; all probes were started anew".to_owned();
                let outcomes = vec![ProbeReport { probe, outcome: ProbeOutcome::Unknown { why } }];
                Sampled { taken: None, layout: None, outcomes }
            }
        }
    }

    fn current_name(&self) -> &'static str {
        self.names.get(self.current.load(Ordering::Relaxed)).copied().unwrap_or("?")
    }

    /// The probe that hangs, told once.
    pub(super) fn hung(&mut self, now_ms: u64) -> Option<ProbeReport> {
        let overdue = self.busy.as_ref().is_some_and(|(_, deadline)| now_ms >= *deadline);
        if !overdue || self.told_hung {
            return None;
        }
        self.told_hung = true;
        let probe = self.current_name().to_owned();
        let why = format!("did not answer within {} s", DEADLINE_MS / 1000);
        let report = ProbeReport { probe, outcome: ProbeOutcome::Unknown { why } };
        if let Some(known) = self.outcomes.iter_mut().find(|known| known.probe == report.probe) {
            *known = report.clone();
        }
        Some(report)
    }

    pub(super) fn next_wake_ms(&self) -> Option<u64> {
        self.busy.as_ref().filter(|_| !self.told_hung).map(|(_, deadline)| *deadline)
    }

    pub(super) fn outcomes(&self) -> &[ProbeReport] {
        &self.outcomes
    }
}

fn own_rss() -> Option<u64> {
    let pid = Pid::from_u32(std::process::id());
    let mut system = System::new().ok()?;
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        false,
        ProcessRefreshKind::nothing().with_memory().without_tasks(),
    );
    system.process(pid).map(sysinfo::Process::memory)
}
