//! Who turns the engine: its own thread, or whoever brings a sample while that thread sleeps.
//!
//! To wake a thread costs several times what it takes to judge a sample. So whoever brings one has it judged there and then where the engine
//! is at rest. Everything else is left to the engine's thread: what people ask, what may take long or wait for the disk, every commit. One at
//! a time turns it, and always in the order of the queue; nobody waits for it but its thread.

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
/// Most samples that are judged for others by whoever brings one: what is more is for the engine's thread.
const HELP_MAX: usize = 32;

/// The engine, and whose turn it is.
pub(super) struct Turns {
    /// None once it has ended.
    slot: Mutex<Option<Slot>>,
    /// Something came while it was turned: it is to be looked at again.
    again: AtomicBool,
    /// The engine's thread, once it runs.
    thread: std::sync::OnceLock<Thread>,
}

struct Slot {
    engine: Engine,
    receiver: mpsc::Receiver<EngineMessage>,
    /// Taken out of the queue and not yet judged.
    inputs: Vec<EngineMessage>,
    /// When what was judged is committed at the latest.
    due: Option<Instant>,
    /// Until when the engine's thread sleeps.
    sleeps_until: Instant,
}

impl std::fmt::Debug for Turns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turns").finish_non_exhaustive()
    }
}

impl Turns {
    /// An engine at rest, and where its inputs go in.
    pub(super) fn new(engine: Engine) -> (Self, mpsc::Sender<EngineMessage>) {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let slot = Slot { engine, receiver, inputs: Vec::new(), due: None, sleeps_until: Instant::now() };
        (Self { slot: Mutex::new(Some(slot)), again: AtomicBool::new(false), thread: Default::default() }, sender)
    }

    /// Something is in the queue: has it judged here, or by whoever can.
    pub(super) fn look(&self) {
        // Whoever turns the engine clears this before it empties the queue, and looks at it once it has let go.
        while !self.again.swap(true, SeqCst) {
            match self.slot.try_lock() {
                Ok(slot) => {
                    self.again.swap(false, SeqCst);
                    self.help(slot);
                }
                Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => return,
            }
            if !self.again.swap(false, SeqCst) {
                return;
            }
        }
    }

    /// Judges the samples that are in the queue. The engine's thread is woken for all else, and for what is due before it wakes.
    fn help(&self, slot: MutexGuard<'_, Option<Slot>>) {
        // In a panic, too: then the thread ends the engine.
        let mut wakes = Wakes { thread: self.thread.get(), armed: true };
        // After it, so that it is let go before.
        let mut slot = slot;
        wakes.armed = slot.as_mut().is_some_and(Slot::help);
    }

    /// Turns the engine until it ends.
    pub(super) fn run(&self) {
        let _ = self.thread.set(std::thread::current());
        let _ends = Ends(self);
        loop {
            self.again.swap(false, SeqCst);
            let Ok(mut slot) = self.slot.lock() else {
                tracing::error!("the engine is broken, and ends");
                return;
            };
            let Some(slot_now) = slot.as_mut() else { return };
            let rest = slot_now.turn();
            drop(slot);
            match rest {
                Rest::Ended => return,
                Rest::No => {}
                Rest::Until(_) if self.again.load(SeqCst) => {}
                Rest::Until(wake) => std::thread::park_timeout(wake.saturating_duration_since(Instant::now())),
            }
        }
    }
}

/// What the engine's thread does next.
enum Rest {
    /// It looks at the queue again.
    No,
    Until(Instant),
    Ended,
}

impl Slot {
    /// Takes what is in the queue, as much of it as there may be of inputs. False when nothing will come any more.
    fn receive(&mut self, most: usize) -> bool {
        let most = most.saturating_sub(self.inputs.len());
        // It is looked at whenever something comes, and needs no waker.
        let mut context = Context::from_waker(Waker::noop());
        let received =
            most == 0 || !matches!(self.receiver.poll_recv_many(&mut context, &mut self.inputs, most), Poll::Ready(0));
        self.engine.health.queue.store(self.receiver.len() as u64, std::sync::atomic::Ordering::Relaxed);
        received
    }

    /// Judges samples, where there is nothing else. True when the engine's thread is to look.
    fn help(&mut self) -> bool {
        let quick = self.inputs.is_empty() && self.engine.time.is_calm() && !self.engine.given_up;
        if !quick || !self.receive(HELP_MAX) || !self.inputs.iter().all(is_sample) {
            return true;
        }
        if self.inputs.is_empty() {
            return !self.receiver.is_empty();
        }
        self.engine.take_in(&mut self.inputs);
        let now = Instant::now();
        self.set_due(now);
        self.engine.is_urgent() || self.wake(now) < self.sleeps_until || !self.receiver.is_empty()
    }

    /// One turn of the engine's thread.
    fn turn(&mut self) -> Rest {
        let open = self.receive(BATCH_MAX);
        let stop = self.engine.take_in(&mut self.inputs) || !open;
        self.engine.look_around();
        let now = Instant::now();
        if stop || self.engine.is_urgent() || self.due.is_some_and(|due| due <= now) {
            self.due = None;
            if !self.engine.commit() || stop {
                self.engine.keep_last_head();
                if let Err(error) = self.engine.store.close() {
                    tracing::warn!(%error, "the store was not put in order; the next start does it");
                }
                return Rest::Ended;
            }
        } else {
            self.set_due(now);
        }
        if !self.receiver.is_empty() {
            return Rest::No;
        }
        self.sleeps_until = self.wake(Instant::now());
        Rest::Until(self.sleeps_until)
    }

    /// What was judged waits for company from now on.
    fn set_due(&mut self, now: Instant) {
        self.due = self.due.or_else(|| (!self.engine.batch.is_empty()).then(|| now + self.engine.config.gather.get()));
    }

    /// When the engine has something to do at the latest.
    fn wake(&self, now: Instant) -> Instant {
        let sleep_ms = self
            .engine
            .state
            .next_wake()
            .map_or(SLEEP_MAX_MS, |wake| wake.millis_since(self.engine.time.now()).clamp(0, SLEEP_MAX_MS));
        let wake = now + Duration::from_millis(sleep_ms.unsigned_abs());
        self.due.map_or(wake, |due| due.min(wake))
    }
}

/// Whether judging it asks nothing of the store.
fn is_sample(message: &EngineMessage) -> bool {
    matches!(message, EngineMessage::Report { report: Ok(report), .. } if matches!(report.body, Body::Sample(_)))
}

/// Wakes the engine's thread when it goes.
struct Wakes<'t> {
    thread: Option<&'t Thread>,
    armed: bool,
}

impl Drop for Wakes<'_> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.filter(|_| self.armed) {
            thread.unpark();
        }
    }
}

/// However its thread ends, so does the engine: everybody who waits for it learns it.
struct Ends<'t>(&'t Turns);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        *self.0.slot.lock().unwrap_or_else(PoisonError::into_inner) = None;
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
    use super::super::{Down, start};
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
        rig.health.turned_ms.store(7, SeqCst);
        let (turns, sender) = Turns::new(rig.engine);
        let judged = |turns: &Turns| {
            let slot = turns.slot.lock().expect("sound");
            let slot = slot.as_ref().expect("there");
            (slot.engine.batch.inputs, slot.inputs.len())
        };
        let send = |message| {
            sender.try_send(message).expect("there is room");
            turns.look();
            judged(&turns)
        };
        assert_eq!([send(sample(1, 1)), send(sample(1, 2))], [(1, 0), (2, 0)]);
        assert_eq!(rig.health.turned_ms.load(SeqCst), 7, "that the thread lives is the thread's word");
        // Whoever asks for something has it done by the thread, and what comes behind it waits for its turn.
        let (answer, _answered) = tokio::sync::oneshot::channel();
        assert_eq!(send(EngineMessage::Command(Box::new(Command::CheckDuty), answer)), (2, 1));
        assert_eq!(send(sample(1, 3)), (2, 1));
        assert!(matches!(turns.slot.lock().expect("sound").as_mut().expect("there").turn(), Rest::Until(_)));
        assert_eq!(judged(&turns), (0, 0), "all of it was committed");
        assert_ne!(rig.health.turned_ms.load(SeqCst), 7);
        // While somebody turns it, nobody waits.
        let held = turns.slot.lock().expect("sound");
        sender.try_send(sample(1, 4)).expect("there is room");
        turns.look();
        assert!(turns.again.load(SeqCst), "word is left");
        drop(held);
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
                        let (sender, mut down) = mpsc::unbounded_channel();
                        let (peer, serial) = (([127, 0, 0, 1], 1).into(), "aa".to_owned());
                        let device = DeviceId::new(&format!("srv-{connection}")).expect("valid");
                        let opened =
                            EngineMessage::Opened { connection, device, serial, keep_alive_s: 60, peer, sender };
                        assert!(engine.send(opened).await);
                        for seq in 1..=SAMPLES {
                            assert!(engine.send(sample(connection, seq)).await);
                            let told = tokio::time::timeout(Duration::from_secs(60), down.recv()).await;
                            let told = told.expect("it is not forgotten").expect("open");
                            assert!(matches!(*told, Down::Committed { settled: 1, .. }), "{told:?}");
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
