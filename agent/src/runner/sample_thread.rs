//! Runs the sampler on a helper thread. A probe that hangs (a dying disk) is given up at its deadline: it keeps that thread, and
//! a new one reads all others from the next beat on.

use std::path::Path;
use std::sync::Arc;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::task::JoinHandle;

use ioc_common::clock;
use ioc_common::layout::Layout;
use ioc_common::reading::AgentUsage;
use ioc_common::report::{ProbeOutcome, ProbeReport};

use crate::sampler::{Number, Probes, Sampler, TakenSample};

/// How long the probes may take together before the one that is at work is given up.
const DEADLINE_MS: u64 = 5000;
/// The agent's own memory is measured every this many samples: it costs more than all probes.
const OWN_EVERY_SAMPLES: u64 = 60;

/// A sample and what belongs to it.
pub(super) struct FinishedSample {
    /// None when it was given up.
    pub(super) taken: Option<TakenSample>,
    pub(super) layout: Option<Layout>,
}

/// The sampler, here or on its helper thread.
pub(super) struct SampleThread {
    probes: Arc<Probes>,
    idle: Option<Box<Worker>>,
    /// What is under way, and until when it may take.
    busy: Option<(Task, u64)>,
    outcomes: Vec<ProbeReport>,
    layout: Option<Layout>,
    samples: u64,
}

type Task = JoinHandle<(Box<Worker>, Option<TakenSample>)>;

struct Worker {
    sampler: Sampler,
    cpu_us: Option<u64>,
    rss: Option<u64>,
}

/// What a sample says of the agent itself, besides what its thread measures.
pub(super) struct SampleRequest {
    /// Reports that wait.
    pub(super) waiting: u64,
    /// Reports that were lost.
    pub(super) lost: u64,
    /// Bytes of the spool that are damaged and kept.
    pub(super) damaged: u64,
    /// The agent's own directory can be written.
    pub(super) state_writable: bool,
    /// CPU that children used since the last sample, microseconds.
    pub(super) children_us: u64,
    /// The numbers of surveys.
    pub(super) more: Arc<[Number]>,
}

impl Worker {
    fn take(&mut self, about: &SampleRequest, measure: bool) -> Option<TakenSample> {
        if measure {
            self.rss = own_rss();
        }
        let cpu_us = clock::process_cpu_us();
        let spent = self.cpu_us.map(|before| cpu_us.saturating_sub(before) + about.children_us);
        self.cpu_us = Some(cpu_us);
        let cpu_ms = spent.map(|us| us as f64 / 1000.0);
        let own = AgentUsage {
            cpu_ms,
            rss: self.rss,
            waiting: about.waiting,
            lost: about.lost,
            damaged: about.damaged,
            state_writable: about.state_writable,
        };
        self.sampler.take(clock::boottime_ms(), &own, &about.more)
    }
}

impl SampleThread {
    pub(super) fn new(root: &Path, forbid: &[String]) -> Self {
        let probes = Probes::new(root, forbid);
        let sampler = Sampler::new(Arc::clone(&probes));
        Self {
            outcomes: sampler.outcomes(),
            probes,
            idle: Some(Box::new(Worker { sampler, cpu_us: None, rss: None })),
            busy: None,
            layout: None,
            samples: 0,
        }
    }

    /// Starts a sample, unless the one before is still under way.
    pub(super) fn start(&mut self, about: SampleRequest) {
        if let Some(mut worker) = self.idle.take() {
            let measure = self.samples.is_multiple_of(OWN_EVERY_SAMPLES);
            self.samples += 1;
            let task = tokio::task::spawn_blocking(move || {
                let taken = worker.take(&about, measure);
                (worker, taken)
            });
            self.busy = Some((task, clock::boottime_ms() + DEADLINE_MS));
        }
    }

    /// The sample that was started. Never ends while none is under way.
    pub(super) async fn finished(&mut self) -> FinishedSample {
        let Some((task, _)) = &mut self.busy else { return std::future::pending().await };
        let result = task.await;
        self.busy = None;
        match result {
            Ok((worker, taken)) => {
                if taken.as_ref().is_some_and(|taken| taken.outcomes_changed) {
                    self.outcomes = worker.sampler.outcomes();
                }
                let layout = taken.as_ref().and_then(|taken| taken.new_layout.clone());
                if layout.is_some() {
                    self.layout.clone_from(&layout);
                }
                self.idle = Some(worker);
                FinishedSample { taken, layout }
            }
            Err(error) => {
                // A probe's panic is caught where it happens; this is the sampler itself.
                tracing::error!(%error, "a sample failed; the next one begins anew");
                self.begin_anew();
                FinishedSample { taken: None, layout: None }
            }
        }
    }

    fn begin_anew(&mut self) {
        let outcomes = self.outcomes.iter().map(|report| report.outcome.clone()).collect();
        let sampler = Sampler::successor(&self.probes, outcomes, self.layout.clone());
        self.idle = Some(Box::new(Worker { sampler, cpu_us: None, rss: None }));
    }

    /// Gives up a run that is overdue, and says at which probe.
    pub(super) fn give_up_overdue(&mut self, now_ms: u64) -> Option<&'static str> {
        self.busy.as_ref().filter(|(_, deadline)| now_ms >= *deadline)?;
        // The thread ends by itself should the probe ever come back.
        self.busy = None;
        let probe = self.probes.give_up();
        let why = format!("did not answer within {} s", DEADLINE_MS / 1000);
        if let Some(known) = self.outcomes.iter_mut().find(|known| known.probe == probe) {
            known.outcome = ProbeOutcome::Unknown { why };
        }
        self.begin_anew();
        Some(probe)
    }

    pub(super) fn next_wake_ms(&self) -> Option<u64> {
        self.busy.as_ref().map(|(_, deadline)| *deadline)
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
