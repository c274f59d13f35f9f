//! On which thread the engine runs: its own, or that of a caller who brings a sample while the engine's thread sleeps.
//!
//! Waking a thread costs several times as much as judging a sample. So while the engine is idle, a caller judges its sample on its own
//! thread. Everything else is left to the engine's thread: commands of people, whatever may take long or wait for the disk, and every commit.
//! A lock lets one thread at a time run the engine, always in the order of the queue; only the engine's thread ever waits for that lock.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};
use std::thread::Thread;
use std::time::Duration;

use ioc_common::report::Body;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{BATCH_MAX, Engine, EngineMessage, QUEUE_MAX};

/// The longest sleep without an input; the clocks are looked at as often.
const SLEEP_MAX_MS: i64 = 2_000;
/// A commit of so many inputs is followed by another one soon: nobody need wake the engine's thread for it.
const STEADY_INPUTS_MIN: usize = 2;
/// Most samples of the queue that a caller judges beside its own; more than that is left to the engine's thread.
const CALLER_SAMPLES_MAX: usize = 32;

/// The engine, and the lock that decides which thread runs it.
pub(super) struct Executor {
    /// None once it has ended.
    state: Mutex<Option<ExecutorState>>,
    /// Something was queued while the engine ran: whoever runs it looks at the queue once more.
    queue_changed: AtomicBool,
    /// The engine's thread, once it runs.
    thread: std::sync::OnceLock<Thread>,
}

struct ExecutorState {
    engine: Engine,
    receiver: mpsc::Receiver<EngineMessage>,
    /// Taken out of the queue and not yet judged.
    inputs: Vec<EngineMessage>,
    /// When what was judged is committed at the latest.
    commit_due: Option<Instant>,
    /// The earliest time of the next commit of what is not urgent: `[ingest] gather` after the last one.
    next_beat: Instant,
    /// Reports come all the time: the engine's thread wakes for the next beat, whether there is something by then or not.
    steady: bool,
    /// Until when the engine's thread sleeps, if nothing wakes it before.
    sleeps_until: Instant,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor").finish_non_exhaustive()
    }
}

impl Executor {
    /// An engine that does not run yet, and the sending end of its queue.
    pub(super) fn new(engine: Engine) -> (Self, mpsc::Sender<EngineMessage>) {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let (inputs, now) = (Vec::new(), Instant::now());
        let state = ExecutorState {
            engine,
            receiver,
            inputs,
            commit_due: None,
            next_beat: now,
            steady: false,
            sleeps_until: now,
        };
        (
            Self { state: Mutex::new(Some(state)), queue_changed: AtomicBool::new(false), thread: Default::default() },
            sender,
        )
    }

    /// To be called after something was queued: it is judged here where that is possible, and otherwise by the thread that runs the engine.
    pub(super) fn process_queue(&self) {
        // Whoever runs the engine clears the flag before it empties the queue, and reads it again once it has released the lock, so that
        // nothing is left in the queue between the two.
        while !self.queue_changed.swap(true, SeqCst) {
            match self.state.try_lock() {
                Ok(state) => {
                    self.queue_changed.swap(false, SeqCst);
                    self.process_samples(state);
                }
                Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => return,
            }
            if !self.queue_changed.swap(false, SeqCst) {
                return;
            }
        }
    }

    /// Judges the samples that are in the queue. The engine's thread is woken for everything else, and for what is due before it would wake.
    fn process_samples(&self, state: MutexGuard<'_, Option<ExecutorState>>) {
        // It wakes the thread after a panic, too: the lock is poisoned then, and the thread ends the engine.
        let mut wakes = WakeOnDrop { thread: self.thread.get(), armed: true };
        // Declared after it, so that the lock is released before the thread wakes.
        let mut state = state;
        wakes.armed = state.as_mut().is_some_and(ExecutorState::process_samples);
    }

    /// Runs the engine until it ends; for the engine's own thread.
    pub(super) fn run(&self) {
        let _ = self.thread.set(std::thread::current());
        let _ends = EndOnDrop(self);
        loop {
            self.queue_changed.swap(false, SeqCst);
            let Ok(mut locked) = self.state.lock() else {
                tracing::error!("the engine is broken, and ends");
                return;
            };
            let Some(state) = locked.as_mut() else { return };
            let next = state.run_once();
            drop(locked);
            match next {
                NextStep::Ended => return,
                NextStep::Continue => {}
                NextStep::SleepUntil(_) if self.queue_changed.load(SeqCst) => {}
                NextStep::SleepUntil(wake) => std::thread::park_timeout(wake.saturating_duration_since(Instant::now())),
            }
        }
    }
}

/// What the engine's thread does next.
enum NextStep {
    /// It looks at the queue again.
    Continue,
    SleepUntil(Instant),
    Ended,
}

impl ExecutorState {
    /// Takes messages out of the queue until `most` of them are held. False when all senders are gone.
    fn receive(&mut self, most: usize) -> bool {
        let most = most.saturating_sub(self.inputs.len());
        // The queue is looked at after every message that is sent, so that it needs no waker.
        let mut context = Context::from_waker(Waker::noop());
        let received =
            most == 0 || !matches!(self.receiver.poll_recv_many(&mut context, &mut self.inputs, most), Poll::Ready(0));
        self.engine.health.queue.store(self.receiver.len() as u64, std::sync::atomic::Ordering::Relaxed);
        received
    }

    /// Judges samples as long as nothing else is in the queue. True when the engine's thread has to be woken.
    fn process_samples(&mut self) -> bool {
        let quick = self.inputs.is_empty() && self.engine.time.is_undisturbed() && !self.engine.given_up;
        if !quick || !self.receive(CALLER_SAMPLES_MAX) || !self.inputs.iter().all(is_sample) {
            return true;
        }
        if self.inputs.is_empty() {
            return !self.receiver.is_empty();
        }
        self.engine.process_inputs(&mut self.inputs);
        let now = Instant::now();
        self.set_commit_due(now);
        self.engine.is_urgent() || self.next_wake(now) < self.sleeps_until || !self.receiver.is_empty()
    }

    /// One cycle of the engine's thread.
    fn run_once(&mut self) -> NextStep {
        let open = self.receive(BATCH_MAX);
        let stop = self.engine.process_inputs(&mut self.inputs) || !open;
        self.engine.run_upkeep();
        let now = Instant::now();
        self.set_commit_due(now);
        if stop || self.engine.is_urgent() || self.commit_due.is_some_and(|due| due <= now) {
            self.commit_due = None;
            self.next_beat = now + self.engine.config.gather.get();
            self.steady = self.engine.batch.inputs >= STEADY_INPUTS_MIN;
            if !self.engine.commit() || stop {
                self.engine.keep_last_head();
                if let Err(error) = self.engine.store.close() {
                    tracing::warn!(%error, "the store was not put in order; the next start does it");
                }
                return NextStep::Ended;
            }
        } else if self.commit_due.is_none() && self.next_beat <= now {
            self.steady = false;
        }
        if !self.receiver.is_empty() || self.engine.has_more() {
            return NextStep::Continue;
        }
        self.sleeps_until = self.next_wake(Instant::now());
        NextStep::SleepUntil(self.sleeps_until)
    }

    /// What was judged is committed on the next beat: `[ingest] gather` after the last commit, or at once when that is longer ago.
    fn set_commit_due(&mut self, now: Instant) {
        if self.commit_due.is_none() && !self.engine.batch.is_empty() {
            self.commit_due = Some(self.next_beat.max(now));
        }
    }

    /// When the engine has to run again at the latest.
    fn next_wake(&self, now: Instant) -> Instant {
        let sleep_ms = self
            .engine
            .state
            .next_wake()
            .map_or(SLEEP_MAX_MS, |wake| wake.millis_since(self.engine.time.now()).clamp(0, SLEEP_MAX_MS));
        let wake = now + Duration::from_millis(sleep_ms.unsigned_abs());
        let due = self.commit_due.or_else(|| self.steady.then_some(self.next_beat));
        due.map_or(wake, |due| due.min(wake))
    }
}

/// Whether it can be judged without asking the store.
fn is_sample(message: &EngineMessage) -> bool {
    matches!(message, EngineMessage::Report { report: Ok(report), .. } if matches!(report.body, Body::Sample(_)))
}

/// Wakes the engine's thread when it is dropped.
struct WakeOnDrop<'t> {
    thread: Option<&'t Thread>,
    armed: bool,
}

impl Drop for WakeOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.filter(|_| self.armed) {
            thread.unpark();
        }
    }
}

/// Ends the engine when its thread ends, even by a panic, so that everybody who waits for an answer learns it.
struct EndOnDrop<'t>(&'t Executor);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        *self.0.state.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use ioc_common::config::{Span, SpanWithin};
    use ioc_common::id::DeviceId;
    use ioc_common::layout::LayoutId;
    use ioc_common::report::{Envelope, Position, Report, Sample};

    use super::super::time::tests::{Machine, Rig, deps};
    use super::super::{DownMessage, Entrance, NewConnection, down_channel, start};
    use super::*;
    use crate::command::Command;

    fn sample(connection: u64, seq: u64) -> EngineMessage {
        let device = DeviceId::new(&format!("srv-{connection}")).expect("valid");
        let envelope = Envelope {
            device: device.clone(),
            about: None,
            position: Position { epoch: 1, seq },
            boot: "boot".to_owned(),
            taken_at: ioc_common::clock::now(),
            age_ms: Some(0),
            lost: None,
        };
        let report = Report { envelope, body: Body::Sample(Sample { layout: LayoutId(1), v: vec![Some(1.0)] }) };
        let (packet, report) = (u16::try_from(seq).ok(), Ok(Box::new(report)));
        EngineMessage::Report { connection, device, packet, bytes: 100, report, packed: None }
    }

    #[test]
    fn whoever_brings_a_sample_has_it_judged_and_leaves_the_rest_to_the_thread() {
        let dir = tempfile::tempdir().expect("directory");
        let machine = Machine::new();
        let mut rig = Rig::open(dir.path(), &machine);
        rig.register("srv-1");
        rig.health.last_run_ms.store(7, SeqCst);
        let (executor, sender) = Executor::new(rig.engine);
        let judged = |executor: &Executor| {
            let state = executor.state.lock().expect("sound");
            let state = state.as_ref().expect("there");
            (state.engine.batch.inputs, state.inputs.len())
        };
        let send = |message| {
            sender.try_send(message).expect("there is room");
            executor.process_queue();
            judged(&executor)
        };
        assert_eq!([send(sample(1, 1)), send(sample(1, 2))], [(1, 0), (2, 0)]);
        assert_eq!(rig.health.last_run_ms.load(SeqCst), 7, "that the thread lives is the thread's word");
        // Whoever asks for something has it done by the thread, and what comes behind it waits for its turn.
        let (answer, _answered) = tokio::sync::oneshot::channel();
        assert_eq!(send(EngineMessage::Command(Box::new(Command::CheckDuty), answer)), (2, 1));
        assert_eq!(send(sample(1, 3)), (2, 1));
        assert!(matches!(
            executor.state.lock().expect("sound").as_mut().expect("there").run_once(),
            NextStep::SleepUntil(_)
        ));
        assert_eq!(judged(&executor), (0, 0), "all of it was committed");
        assert_ne!(rig.health.last_run_ms.load(SeqCst), 7);
        // While somebody executor it, nobody waits.
        let held = executor.state.lock().expect("sound");
        sender.try_send(sample(1, 4)).expect("there is room");
        executor.process_queue();
        assert!(executor.queue_changed.load(SeqCst), "word is left");
        drop(held);
    }

    #[test]
    fn commits_keep_their_distance_and_what_comes_first_waits_for_nobody() {
        let dir = tempfile::tempdir().expect("directory");
        let mut rig = Rig::open(dir.path(), &Machine::new());
        rig.register("srv-1");
        rig.engine.config.gather = SpanWithin(Span::secs(3600));
        let (executor, sender) = Executor::new(rig.engine);
        let run_once = |seqs: std::ops::Range<u64>| {
            for seq in seqs {
                sender.try_send(sample(1, seq)).expect("there is room");
            }
            let mut state = executor.state.lock().expect("sound");
            let state = state.as_mut().expect("there");
            let NextStep::SleepUntil(wake) = state.run_once() else { panic!("it goes on") };
            (state.engine.batch.inputs, state.steady, wake)
        };
        let (waiting, steady, _) = run_once(1..3);
        assert_eq!((waiting, steady), (0, true), "nothing was committed for long");
        let (waiting, steady, _) = run_once(3..4);
        assert_eq!((waiting, steady), (1, true), "the next beat is an hour away");
        // On the beat it is committed; a single one does not mean that more come.
        let beat = |at: Instant| {
            let mut state = executor.state.lock().expect("sound");
            let state = state.as_mut().expect("there");
            (state.next_beat, state.commit_due) = (at, state.commit_due.map(|_| at));
        };
        beat(Instant::now());
        let (waiting, steady, _) = run_once(4..4);
        assert_eq!((waiting, steady), (0, false));
        // Once nothing has come until the beat, nobody wakes for another one.
        beat(Instant::now());
        assert_eq!(run_once(4..6).0, 0);
        beat(Instant::now());
        let (waiting, steady, wake) = run_once(6..6);
        assert_eq!((waiting, steady), (0, false));
        assert!(wake > Instant::now(), "it sleeps");
    }

    #[test]
    fn nothing_that_is_sent_is_left_lying() {
        const LINKS: u64 = 4;
        const SAMPLES: u64 = 100;
        let dir = tempfile::tempdir().expect("directory");
        let machine = Machine::new();
        let mut deps = deps(dir.path(), &machine, |store| store);
        deps.config.gather = SpanWithin(Span(Duration::from_millis(1)));
        let allowlist = Arc::clone(&deps.allowlist);
        let (engine, thread) = start(deps).expect("starts");
        let connections: Vec<_> = (1..=LINKS)
            .map(|connection| {
                let engine = engine.clone();
                allowlist.admit(DeviceId::new(&format!("srv-{connection}")).expect("valid"), "aa".to_owned());
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
                    runtime.expect("runtime").block_on(async {
                        let (sender, mut down) = down_channel();
                        let (peer, entrance) =
                            (Some(([127, 0, 0, 1], 1).into()), Entrance::Certificate("aa".to_owned()));
                        let device = DeviceId::new(&format!("srv-{connection}")).expect("valid");
                        let opened = NewConnection { id: connection, device, entrance, keep_alive_s: 60, peer, sender };
                        assert!(engine.send(EngineMessage::Opened(opened)).await);
                        for seq in 1..=SAMPLES {
                            assert!(engine.send(sample(connection, seq)).await);
                            let told = tokio::time::timeout(Duration::from_secs(60), down.recv()).await;
                            let told = told.expect("it is not forgotten").expect("open");
                            assert!(matches!(*told, DownMessage::Committed { settled: 1, .. }), "{told:?}");
                        }
                    });
                })
            })
            .collect();
        for connection in connections {
            connection.join().expect("all were acknowledged");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
        assert!(runtime.block_on(engine.send(EngineMessage::Stop)));
        thread.join().expect("ended");
        assert!(engine.is_gone());
    }
}
