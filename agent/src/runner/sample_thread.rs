//! Runs the sampler on a thread of its own, which keeps the beat itself: the main loop is woken when a sample is there, not once more
//! to ask for it. A probe that hangs (a dying disk) is given up at its deadline: it keeps that thread, and a new one reads all others
//! from the next beat on.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::sync::mpsc;

use ioc_common::clock;
use ioc_common::layout::Layout;
use ioc_common::reading::AgentUsage;
use ioc_common::report::{ProbeOutcome, ProbeReport};

use crate::sampler::{Number, Probes, Sampler, TakenSample};
use crate::schedule::Schedule;

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

/// The stack of the thread: probes parse into buffers on the heap.
const STACK_BYTES: usize = 256 * 1024;

/// The thread that takes samples, as the main loop sees it.
pub(super) struct SampleThread {
    probes: Arc<Probes>,
    desk: Arc<SampleExchange>,
    taken: mpsc::Receiver<SampleAndOutcomes>,
    /// The thread's end of that, where no thread could be made.
    unstarted: Option<mpsc::Sender<SampleAndOutcomes>>,
    outcomes: Vec<ProbeReport>,
    layout: Option<Layout>,
}

/// What lies between the main loop and the thread.
struct SampleExchange {
    state: Mutex<SampleExchangeState>,
    changed: Condvar,
}

struct SampleExchangeState {
    schedule: Schedule,
    /// What the next sample says of the agent.
    request: SampleRequest,
    /// A sample is wanted now, whatever the beat.
    at_once: bool,
    /// Since when a sample is under way.
    busy_since_ms: Option<u64>,
    /// When the thread was woken since it had slept through its beat.
    nudged_ms: Option<u64>,
    /// Nobody wants samples of this thread any more.
    over: bool,
}

/// A sample, and the outcomes where they changed.
type SampleAndOutcomes = (TakenSample, Option<Vec<ProbeReport>>);

struct Worker {
    sampler: Sampler,
    cpu_us: Option<u64>,
    rss: Option<u64>,
    samples: u64,
}

/// What a sample says of the agent itself, besides what its thread measures.
#[derive(Clone, Default)]
pub(super) struct SampleRequest {
    /// Reports in the backlog, in memory or on disk.
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

impl SampleExchange {
    fn lock(&self) -> MutexGuard<'_, SampleExchangeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next beat, and says what is to be told of the agent; none when it is over.
    fn next_request(&self) -> Option<SampleRequest> {
        let mut state = self.lock();
        loop {
            if state.over {
                return None;
            }
            let now_ms = clock::boottime_ms();
            if state.schedule.due(now_ms).sample || state.at_once {
                (state.at_once, state.nudged_ms) = (false, None);
                state.busy_since_ms = Some(now_ms);
                let request = state.request.clone();
                // Told once.
                state.request.children_us = 0;
                return Some(request);
            }
            let wait = Duration::from_millis(state.schedule.next_sample_ms().saturating_sub(now_ms).max(1));
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Worker {
    /// Takes samples until it is over.
    fn run(mut self, desk: &SampleExchange, sender: &mpsc::Sender<SampleAndOutcomes>) {
        while let Some(about) = desk.next_request() {
            let taken = self.take(&about);
            desk.lock().busy_since_ms = None;
            // None when it was given up.
            let Some(taken) = taken else { return };
            let outcomes = taken.outcomes_changed.then(|| self.sampler.outcomes());
            if sender.blocking_send((taken, outcomes)).is_err() {
                return;
            }
        }
    }

    fn take(&mut self, about: &SampleRequest) -> Option<TakenSample> {
        if self.samples.is_multiple_of(OWN_EVERY_SAMPLES) {
            self.rss = resident_bytes();
        }
        self.samples += 1;
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
    /// Takes a sample at each beat.
    pub(super) fn new(root: &Path, forbid: &[String], schedule: Schedule) -> Self {
        Self::with(Probes::new(root, forbid), schedule)
    }

    fn with(probes: Arc<Probes>, schedule: Schedule) -> Self {
        let sampler = Sampler::new(Arc::clone(&probes));
        let outcomes = sampler.outcomes();
        let (desk, taken, unstarted) = start(sampler, SampleExchangeState::new(schedule, SampleRequest::default()));
        Self { outcomes, probes, desk, taken, unstarted, layout: None }
    }

    /// Keeps another beat from now on.
    pub(super) fn keep_beat(&self, schedule: Schedule) {
        self.desk.lock().schedule = schedule;
        self.desk.changed.notify_one();
    }

    /// Takes a sample at once, besides those of the beat.
    pub(super) fn take_now(&self) {
        self.desk.lock().at_once = true;
        self.desk.changed.notify_one();
    }

    /// What the next sample says of the agent.
    pub(super) fn tell(&self, request: SampleRequest) {
        let mut state = self.desk.lock();
        let children_us = state.request.children_us + request.children_us;
        state.request = SampleRequest { children_us, ..request };
    }

    /// The next sample. It may be dropped and asked again.
    pub(super) async fn next_sample(&mut self) -> FinishedSample {
        let Some((taken, outcomes)) = self.taken.recv().await else {
            // A probe's panic is caught where it happens; this is the sampler itself.
            tracing::error!("the thread that takes samples is gone; the next sample begins anew");
            self.begin_anew();
            return FinishedSample { taken: None, layout: None };
        };
        if let Some(outcomes) = outcomes {
            self.outcomes = outcomes;
        }
        let layout = taken.new_layout.clone();
        if layout.is_some() {
            self.layout.clone_from(&layout);
        }
        FinishedSample { taken: Some(taken), layout }
    }

    fn begin_anew(&mut self) {
        let outcomes = self.outcomes.iter().map(|report| report.outcome.clone()).collect();
        let sampler = Sampler::successor(&self.probes, outcomes, self.layout.clone());
        let mut state = self.desk.lock();
        state.over = true;
        let mut schedule = state.schedule;
        // The beat that went by was the other one's.
        schedule.due(clock::boottime_ms());
        let request = state.request.clone();
        drop(state);
        (self.desk, self.taken, self.unstarted) = start(sampler, SampleExchangeState::new(schedule, request));
    }

    /// Gives up a run that is overdue, and says at which probe.
    pub(super) fn give_up_overdue(&mut self, now_ms: u64) -> Option<&'static str> {
        let mut state = self.desk.lock();
        if now_ms < state.overdue_ms() {
            return None;
        }
        if state.busy_since_ms.is_none() {
            // The machine slept: the thread waits by a clock that stood still meanwhile.
            let woken_before = state.nudged_ms.replace(now_ms).is_some();
            drop(state);
            self.desk.changed.notify_one();
            if woken_before {
                tracing::error!("no sample is taken; another thread is made for that");
                self.begin_anew();
            }
            return None;
        }
        drop(state);
        // The thread ends by itself should the probe ever come back.
        let probe = self.probes.give_up();
        let why = format!("did not answer within {} s", DEADLINE_MS / 1000);
        if let Some(known) = self.outcomes.iter_mut().find(|known| known.probe == probe) {
            known.outcome = ProbeOutcome::Unknown { why };
        }
        self.begin_anew();
        Some(probe)
    }

    /// When the next beat is.
    pub(super) fn next_beat_ms(&self) -> u64 {
        self.desk.lock().schedule.next_sample_ms()
    }

    /// When [`Self::give_up_overdue`] has something to do, should no sample come before.
    pub(super) fn next_wake_ms(&self) -> u64 {
        self.desk.lock().overdue_ms()
    }

    pub(super) fn outcomes(&self) -> &[ProbeReport] {
        &self.outcomes
    }
}

impl SampleExchangeState {
    const fn new(schedule: Schedule, request: SampleRequest) -> Self {
        Self { schedule, request, at_once: false, busy_since_ms: None, nudged_ms: None, over: false }
    }

    fn overdue_ms(&self) -> u64 {
        let since = self.busy_since_ms.or(self.nudged_ms);
        since.unwrap_or_else(|| self.schedule.next_sample_ms()) + DEADLINE_MS
    }
}

impl Drop for SampleThread {
    fn drop(&mut self) {
        self.desk.lock().over = true;
        self.desk.changed.notify_one();
    }
}

/// Starts a thread. Where none can be made the end of the channel that it would have is given back: another one is tried when a sample is
/// overdue.
fn start(
    sampler: Sampler,
    state: SampleExchangeState,
) -> (Arc<SampleExchange>, mpsc::Receiver<SampleAndOutcomes>, Option<mpsc::Sender<SampleAndOutcomes>>) {
    let desk = Arc::new(SampleExchange { state: Mutex::new(state), changed: Condvar::new() });
    let (sender, taken) = mpsc::channel(1);
    let worker = Worker { sampler, cpu_us: None, rss: None, samples: 0 };
    let (its, sends) = (Arc::clone(&desk), sender.clone());
    let made = std::thread::Builder::new()
        .name("sampler".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || worker.run(&its, &sends));
    let unstarted = made.err().map(|error| {
        tracing::error!(%error, "no thread to take samples");
        sender
    });
    (desk, taken, unstarted)
}

fn resident_bytes() -> Option<u64> {
    let pid = Pid::from_u32(std::process::id());
    let mut system = System::new().ok()?;
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        false,
        ProcessRefreshKind::nothing().with_memory().without_tasks(),
    );
    system.process(pid).map(sysinfo::Process::memory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::reading::Sink;
    use ioc_probe::{Probe, ProbeOutcome, SampleContext};

    struct CountingProbe(f64);

    impl Probe for CountingProbe {
        fn read(&mut self, _: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
            self.0 += 1.0;
            sink.put("load.1", "", self.0);
            ProbeOutcome::Read
        }
    }

    /// Hangs from the second time on, until it is let go.
    struct HangingProbe(bool, std::sync::mpsc::Receiver<()>);

    impl Probe for HangingProbe {
        fn read(&mut self, _: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
            if std::mem::replace(&mut self.0, true) {
                let _ = self.1.recv();
            }
            sink.put("load.5", "", 1.0);
            ProbeOutcome::Read
        }
    }

    fn values(sample: FinishedSample) -> Vec<Option<f64>> {
        sample.taken.expect("taken").sample.v
    }

    #[tokio::test]
    async fn samples_come_by_themselves_at_the_beat_and_say_what_was_told_last() {
        let probes = Probes::of(vec![("counts", Box::new(CountingProbe(0.0)))]);
        let started = clock::boottime_ms();
        let mut thread = SampleThread::with(probes, Schedule::new(started, 3_600_000, 0));
        thread.tell(SampleRequest { waiting: 7, children_us: 400, ..SampleRequest::default() });
        thread.tell(SampleRequest { waiting: 8, children_us: 600, state_writable: true, ..SampleRequest::default() });
        assert_eq!(thread.desk.lock().request.children_us, 1000, "what children used adds up");
        thread.take_now();
        let first = values(thread.next_sample().await);
        assert!(first[0] == Some(1.0) && first.contains(&Some(8.0)), "{first:?}");
        assert_eq!(thread.desk.lock().request.children_us, 0, "and is told once");
        // Another beat is kept at once, and nobody asks.
        thread.keep_beat(Schedule::new(clock::boottime_ms(), 20, 0));
        for count in [2.0, 3.0, 4.0] {
            assert_eq!(values(thread.next_sample().await)[0], Some(count));
        }
        assert!(clock::boottime_ms() - started < 60_000 && thread.give_up_overdue(clock::boottime_ms()).is_none());
    }

    #[tokio::test]
    async fn one_that_hangs_is_given_up_and_the_others_go_on_at_the_next_beat() {
        let (let_go, waits) = std::sync::mpsc::channel();
        let probes =
            Probes::of(vec![("hangs", Box::new(HangingProbe(false, waits))), ("counts", Box::new(CountingProbe(0.0)))]);
        let mut thread = SampleThread::with(probes, Schedule::new(clock::boottime_ms(), 50, 0));
        assert_eq!(values(thread.next_sample().await)[..2], [Some(1.0), Some(1.0)]);
        while thread.desk.lock().busy_since_ms.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let since = thread.desk.lock().busy_since_ms.expect("under way");
        assert_eq!(thread.next_wake_ms(), since + DEADLINE_MS);
        assert_eq!(thread.give_up_overdue(since + DEADLINE_MS - 1), None);
        assert_eq!(thread.give_up_overdue(since + DEADLINE_MS), Some("hangs"));
        assert!(matches!(thread.outcomes()[0].outcome, ProbeOutcome::Unknown { .. }));
        assert_eq!(values(thread.next_sample().await)[..2], [None, Some(2.0)], "its place stays");
        let_go.send(()).expect("it waits");
    }

    #[tokio::test]
    async fn a_thread_that_slept_through_its_beat_is_woken_and_then_replaced() {
        let probes = Probes::of(vec![("counts", Box::new(CountingProbe(0.0)))]);
        let now_ms = clock::boottime_ms();
        let mut thread = SampleThread::with(probes, Schedule::new(now_ms, 3_600_000, 0));
        let due = thread.next_wake_ms();
        // The clock of the test is ahead: for the thread nothing is due yet.
        assert_eq!(thread.give_up_overdue(due), None);
        assert_eq!(thread.next_wake_ms(), due + DEADLINE_MS, "no loop that spins");
        let desk = Arc::clone(&thread.desk);
        assert_eq!(thread.give_up_overdue(due + DEADLINE_MS), None);
        assert!(desk.lock().over && !Arc::ptr_eq(&desk, &thread.desk));
        thread.take_now();
        assert_eq!(values(thread.next_sample().await)[0], Some(1.0));
    }
}
