//! An engine whose clock a test sets.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use ioc_common::config::Source;
use ioc_common::layout::{Layout, Series};
use ioc_common::report::{Envelope, Facts, Hello, Losses, Position};
use ioc_judge::{DeviceInfo, DeviceKind};
use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::command::{Command, CommandError};
use crate::config::Config;
use crate::config::testing::KINDS;
use crate::health::Health;
use crate::pki::Authority;
use crate::refusal_reason::RefusalKind;
use crate::writer::{EngineDeps, EngineMessage, build};
use ioc_store::{Archive, DeliveryState, OutboxEntry, Reader, Store, StoreError, StoreLosses};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;
const YEAR: i64 = 365 * DAY;

#[derive(Debug, Clone)]
pub(in crate::writer) struct Machine(Arc<Mutex<MachineState>>);

#[derive(Debug)]
struct MachineState {
    reading: ClockReading,
    synchronised: bool,
    boot: u32,
    offset_ms: i64,
}

impl Machine {
    pub(in crate::writer) fn new() -> Self {
        let wall = "2026-11-28T00:00:00Z".parse().expect("a time");
        let reading = ClockReading { wall, boot_ms: 1_000_000 };
        Self(Arc::new(Mutex::new(MachineState { reading, synchronised: false, boot: 1, offset_ms: 0 })))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, MachineState> {
        self.0.lock().expect("whole")
    }

    pub(in crate::writer) fn pass(&self, ms: i64) {
        let mut state = self.state();
        state.reading.wall = state.reading.wall.plus_millis(ms);
        state.reading.boot_ms += ms.unsigned_abs();
    }

    pub(in crate::writer) fn step(&self, by_ms: i64) {
        let mut state = self.state();
        state.reading.wall = state.reading.wall.plus_millis(by_ms);
    }

    pub(in crate::writer) fn reboot(&self) {
        let mut state = self.state();
        (state.boot, state.reading.boot_ms) = (state.boot + 1, 20_000);
    }
}

impl EngineClock for Machine {
    fn read(&self) -> ClockReading {
        self.state().reading
    }

    fn is_synchronised(&self, _: Timestamp) -> bool {
        self.state().synchronised
    }

    fn set_offset(&self, offset_ms: i64) {
        self.state().offset_ms = offset_ms;
    }

    fn boot_id(&self) -> String {
        format!("boot-{}", self.state().boot)
    }
}

pub(in crate::writer) struct Rig {
    machine: Machine,
    pub(in crate::writer) engine: Engine,
    pub(in crate::writer) reader: Box<dyn Reader>,
    pub(in crate::writer) health: Arc<Health>,
    real_ms: i64,
    seq: u64,
}

/// A store that fails as a test wants it to.
pub(in crate::writer) struct FaultyStore {
    pub(in crate::writer) store: Box<dyn Store>,
    /// It cannot be written while this is true.
    pub(in crate::writer) fails: Arc<AtomicBool>,
    /// What was found to be lost when it was opened.
    pub(in crate::writer) lost: StoreLosses,
}

impl Store for FaultyStore {
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        if self.fails.load(Relaxed) {
            return Err(StoreError::File { path: "test".into(), source: std::io::Error::other("as the test wants") });
        }
        self.store.commit(changes)
    }

    fn audit_tip(&self) -> ioc_store::audit::AuditTip {
        self.store.audit_tip()
    }

    fn lost(&self) -> &StoreLosses {
        &self.lost
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.store.close()
    }

    fn forget_rows(&mut self, through: u64, limit: usize) -> Result<usize, StoreError> {
        self.store.forget_rows(through, limit)
    }

    fn archive(&self) -> Result<Box<dyn Archive>, StoreError> {
        self.store.archive()
    }

    fn search_index(&self) -> Result<Box<dyn ioc_store::search::SearchIndex>, StoreError> {
        self.store.search_index()
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        self.store.reader()
    }
}

const CONFIG: &str = r#"
[[channel]]
name = "log"
type = "test"
min_severity = "warning"
always = true
"#;

/// What an engine on the store in `dir` is made of.
pub(in crate::writer) fn deps(
    dir: &Path,
    machine: &Machine,
    within: impl FnOnce(Box<dyn Store>) -> Box<dyn Store>,
) -> EngineDeps {
    let config = Config::parse(&Source::built_in("collector.toml", CONFIG), &KINDS).unwrap_or_else(|e| panic!("{e}"));
    let authority = Authority::open(&dir.join("pki"), "Site", machine.read().wall).expect("made");
    EngineDeps {
        configs: tokio::sync::watch::channel(Arc::new(config.clone())).0,
        config,
        store: within(ioc_store::open(dir).expect("opens")),
        authority: Arc::new(authority),
        allowlist: Arc::default(),
        health: Arc::default(),
        probes: mpsc::unbounded_channel().0,
        restored: None,
        clock: Box::new(machine.clone()),
    }
}

impl Rig {
    pub(in crate::writer) fn open(dir: &Path, machine: &Machine) -> Self {
        Self::open_with(dir, machine, |store| store)
    }

    pub(in crate::writer) fn open_with(
        dir: &Path,
        machine: &Machine,
        within: impl FnOnce(Box<dyn Store>) -> Box<dyn Store>,
    ) -> Self {
        Self::start(deps(dir, machine, within), machine)
    }

    pub(in crate::writer) fn start(deps: EngineDeps, machine: &Machine) -> Self {
        let (reader, health) = (deps.store.reader().expect("reads"), Arc::clone(&deps.health));
        let engine = build(deps).expect("starts");
        Self { machine: machine.clone(), engine, reader, health, real_ms: 0, seq: 0 }
    }

    fn run_once(&mut self, message: Option<EngineMessage>) {
        self.engine.run_once(&mut message.into_iter().collect());
    }

    /// Runs the engine every ten seconds.
    pub(in crate::writer) fn pass(&mut self, ms: i64) {
        for _ in 0..ms / 10_000 {
            self.machine.pass(10_000);
            self.real_ms += 10_000;
            self.run_once(None);
        }
    }

    pub(in crate::writer) fn command(&mut self, command: Command) -> Result<Answer, CommandError> {
        let (sender, mut receiver) = oneshot::channel();
        self.run_once(Some(EngineMessage::Command(Box::new(command), sender)));
        loop {
            match receiver.try_recv() {
                Ok(answer) => return answer,
                Err(error) => assert!(self.engine.has_more(), "answered: {error}"),
            }
            self.run_once(None);
        }
    }

    fn confirm(&mut self, step_s: i64) -> Result<Answer, CommandError> {
        self.command(Command::ConfirmClock { step_s: Some(step_s), actor: "lan".into() })
    }

    pub(in crate::writer) fn register(&mut self, id: &str) {
        let info = DeviceInfo::new(DeviceId::new(id).expect("valid"), DeviceKind::Server, id);
        self.engine.batch.changes.push(Change::Device { info: info.clone(), at: self.engine.time.now() });
        let now = self.engine.time.now();
        self.engine.judge(Input::Enrolled(info), now);
        self.run_once(None);
    }

    /// A hello of a machine whose own clock shows `taken_at`.
    fn hello(&mut self, id: &str, taken_at: Timestamp) {
        self.seq += 1;
        let device = DeviceId::new(id).expect("valid");
        let body = Body::Hello(Box::new(Hello {
            agent_version: "0.1.0".into(),
            boot_id: id.into(),
            run: id.into(),
            fingerprint: id.into(),
            interval_s: 10,
            keep_alive_s: 10,
            facts: Facts::default(),
            probes: Vec::new(),
            layout: Layout::new(vec![Series::new("load.1", "")]).expect("allowed"),
            losses: Losses::default(),
            former: Vec::new(),
            sensor: None,
        }));
        let envelope = Envelope {
            device: device.clone(),
            about: None,
            position: Position { epoch: 1, seq: self.seq },
            boot: "boot".into(),
            taken_at,
            age_ms: Some(0),
            lost: None,
        };
        let report = Ok(Box::new(Report { envelope, body }));
        self.run_once(Some(EngineMessage::Report {
            connection: 1,
            device,
            packet: None,
            bytes: 1000,
            packed: None,
            report,
        }));
    }

    pub(in crate::writer) fn audit(&self, action: &str) -> Vec<String> {
        let records = self.reader.audit(0, 1000).expect("reads");
        records.into_iter().filter(|one| one.action == action).map(|one| one.detail).collect()
    }

    pub(in crate::writer) fn notices(&self) -> Vec<OutboxEntry> {
        let channels = self.reader.outbox_channels().expect("reads");
        let waiting = channels.iter().flat_map(|channel| self.reader.outbox_waiting(channel, 100).expect("reads"));
        waiting.filter_map(|one| self.reader.outbox_entry(&one.key).expect("reads")).collect()
    }

    pub(in crate::writer) fn now(&self) -> Timestamp {
        self.engine.time.now()
    }

    /// How far what is believed is from the time that has truly passed.
    fn error_ms(&self, start: Timestamp) -> i64 {
        self.now().millis_since(start) - self.real_ms
    }
}

fn incident(actor: &str) -> Command {
    let text = |words: &str| Text::new(words, words);
    let manual = NewIncident {
        device: None,
        severity: Severity::Critical,
        title: text("power"),
        reason: text("power"),
        advice: text("x"),
        report: None,
    };
    Command::Open { manual, actor: actor.into() }
}

#[test]
fn a_large_step_is_withstood_told_and_followed_when_a_person_says_so() {
    for by_ms in [-DAY, 10 * YEAR, -10 * YEAR, 2 * 3_600_000] {
        let dir = tempfile::tempdir().expect("directory");
        let machine = Machine::new();
        let mut rig = Rig::open(dir.path(), &machine);
        rig.register("srv-1");
        let start = rig.now();
        rig.command(incident("lan")).expect("opened");
        let opened = rig.notices()[0].clone();
        machine.step(by_ms);
        rig.pass(20_000);
        assert_eq!(rig.error_ms(start), 0, "time goes on as it did after {by_ms}");
        assert_eq!(rig.audit("clock.stepped").len(), 1, "written down once");
        assert!(rig.audit("clock.stepped")[0].contains(&step_text(by_ms)), "{:?}", rig.audit("clock.stepped"));
        assert_eq!(rig.health.clock().step_ms, Some(by_ms));
        let told = rig.notices();
        assert!(told.iter().any(|one| one.notice.contains("was stepped")), "the duty officer is told");
        assert!(told.iter().all(|one| one.next_attempt_at <= rig.now()), "and nothing waits");
        let deadline = rig.engine.state.incident(opened.incident).and_then(|one| one.acknowledge_by).expect("one");
        // Nobody confirms another step than the one that was shown.
        assert!(matches!(rig.confirm(by_ms / 1000 + 3600), Err(CommandError::Explained(RefusalKind::Conflict, _))));
        rig.confirm(by_ms / 1000).expect("followed");
        assert_eq!(rig.error_ms(start), by_ms);
        let offset_ms = machine.state().offset_ms;
        assert_eq!(offset_ms, machine.read().offset_ms(), "others go by it");
        let moved = rig.engine.state.incident(opened.incident).and_then(|one| one.acknowledge_by).expect("one");
        assert_eq!(moved.millis_since(deadline), by_ms, "what is due moves with it");
        let kept = rig.reader.incident(opened.incident).expect("reads").expect("kept").0;
        assert_eq!(kept.acknowledge_by, Some(moved), "in the store, too");
        for entry in rig.notices() {
            let waits = entry.next_attempt_at.millis_since(rig.now());
            assert!((-30_000..=0).contains(&waits), "{} waits {waits} ms", entry.key);
        }
        assert_eq!(rig.health.clock(), ClockState::default());
        assert_eq!(rig.audit("clock.confirmed").len(), 1);
        assert!(
            matches!(rig.confirm(0), Err(CommandError::Explained(RefusalKind::Conflict, _))),
            "there is nothing to confirm"
        );
    }
}

#[test]
fn a_clock_that_comes_back_has_changed_nothing() {
    let dir = tempfile::tempdir().expect("directory");
    let machine = Machine::new();
    let mut rig = Rig::open(dir.path(), &machine);
    rig.register("srv-1");
    let start = rig.now();
    machine.step(10 * YEAR);
    rig.pass(MINUTE);
    machine.step(-10 * YEAR);
    rig.pass(MINUTE);
    assert_eq!((rig.error_ms(start), rig.health.clock()), (0, ClockState::default()));
    assert_eq!((rig.audit("clock.stepped").len(), rig.audit("clock.returned").len()), (1, 1));
    assert!(rig.reader.counts().expect("reads").incidents == 0, "its incident is over");
}

#[test]
fn a_small_step_is_followed_at_once_and_slewing_is_none() {
    let dir = tempfile::tempdir().expect("directory");
    let machine = Machine::new();
    let mut rig = Rig::open(dir.path(), &machine);
    rig.register("srv-1");
    let start = rig.now();
    for by_ms in [MINUTE, -2 * MINUTE, 2000] {
        machine.step(by_ms);
        rig.pass(10_000);
    }
    assert_eq!(rig.error_ms(start), 2000 - MINUTE);
    assert_eq!(rig.audit("clock.followed").len(), 3);
    for _ in 0..1000 {
        machine.step(5);
        rig.pass(10_000);
    }
    assert_eq!(rig.audit("clock.followed").len(), 3, "500 ppm are no step");
    assert_eq!(rig.error_ms(start), 2000 - MINUTE + 5000);
}

#[test]
fn many_small_steps_are_a_large_one() {
    for restarts in [false, true] {
        let dir = tempfile::tempdir().expect("directory");
        let machine = Machine::new();
        let mut rig = Rig::open(dir.path(), &machine);
        rig.register("srv-1");
        let (start, mut passed_ms) = (rig.now(), 0);
        for _ in 0..30 {
            machine.step(290_000);
            rig.pass(10_000);
            passed_ms += 10_000;
            // A start in between forgets nothing.
            if restarts {
                drop(rig);
                rig = Rig::open(dir.path(), &machine);
            }
        }
        assert_eq!(rig.now().millis_since(start) - passed_ms, 580_000, "two of them are followed");
        assert!(!rig.audit("clock.stepped").is_empty(), "it is told");
        assert!(rig.notices().iter().any(|one| one.notice.contains("was stepped")));
    }
}

#[test]
fn a_step_that_was_made_while_the_collector_was_off_is_seen() {
    let off = |by_ms: i64, reboot: bool| {
        let dir = tempfile::tempdir().expect("directory");
        let machine = Machine::new();
        let mut rig = Rig::open(dir.path(), &machine);
        rig.register("srv-1");
        rig.pass(20_000);
        rig.command(incident("lan")).expect("opened");
        let stopped = rig.now();
        drop(rig);
        machine.pass(MINUTE);
        machine.step(by_ms);
        if reboot {
            machine.reboot();
        }
        let mut rig = Rig::open(dir.path(), &machine);
        rig.pass(10_000);
        (dir, stopped, rig)
    };
    for by_ms in [-DAY, 10 * YEAR] {
        let (_dir, stopped, rig) = off(by_ms, false);
        let error = rig.now().millis_since(stopped.plus_millis(MINUTE + 10_000)).abs();
        assert!(error < 1000, "the boot clock knows how long it was off: {error}");
        assert_eq!(rig.audit("clock.stepped").len(), 1);
    }
    // After a reboot only the last commit is known: time does not go back before it.
    let (_dir, stopped, rig) = off(-DAY, true);
    assert!((0..60_000).contains(&rig.now().millis_since(stopped)), "{} after {stopped}", rig.now());
    let newest = rig.reader.audit(0, 1000).expect("reads").pop().expect("one");
    assert!(newest.at >= stopped && newest.action != "account.created", "nothing new is older than what was there");
    let (_dir, stopped, rig) = off(10 * YEAR, true);
    assert!((0..60_000).contains(&rig.now().millis_since(stopped)), "nobody leaves it off for ten years");
    assert!(rig.health.clock().step_ms.is_some_and(|by_ms| by_ms > 9 * YEAR));
    // Off for a month: believed, and nothing is deleted until it is confirmed, even over another start.
    let (dir, stopped, rig) = off(30 * DAY, true);
    assert!(rig.now().millis_since(stopped) > 29 * DAY && rig.health.clock().doubt_ms.is_some());
    let machine = rig.machine.clone();
    drop(rig);
    machine.pass(MINUTE);
    let mut rig = Rig::open(dir.path(), &machine);
    rig.pass(10_000);
    assert!(rig.reader.clock().expect("reads").is_some_and(|mark| mark.keeps_all()));
    rig.command(Command::ConfirmClock { step_s: None, actor: "lan".into() }).expect("confirmed");
    assert_eq!(rig.health.clock(), ClockState::default());
    let (_dir, stopped, rig) = off(DAY, true);
    assert!(rig.now().millis_since(stopped) > DAY && rig.health.clock() == ClockState::default(), "off for a day");
}

#[test]
fn a_small_step_ends_no_doubt() {
    let dir = tempfile::tempdir().expect("directory");
    let machine = Machine::new();
    let mut rig = Rig::open(dir.path(), &machine);
    rig.register("srv-1");
    rig.pass(20_000);
    drop(rig);
    // A battery that is empty: the clock is wrong by most of a year, and a source of time that comes back sets it a little.
    machine.step(300 * DAY);
    machine.reboot();
    let mut rig = Rig::open(dir.path(), &machine);
    rig.pass(20_000);
    assert!(rig.health.clock().doubt_ms.is_some());
    for by_ms in [2000, -2000] {
        machine.step(by_ms);
        rig.pass(20_000);
        assert!(rig.health.clock().doubt_ms.is_some() && rig.health.judged_now().is_none(), "{by_ms}");
        assert!(rig.reader.clock().expect("reads").is_some_and(|mark| mark.keeps_all()), "on the disk, too");
    }
    assert_eq!(rig.audit("clock.followed").len(), 2);
    rig.confirm(300 * DAY / 1000).expect("a person says so");
    assert_eq!(rig.health.clock(), ClockState::default());
}

#[test]
fn a_step_that_nobody_confirmed_stays_one_over_a_reboot() {
    let dir = tempfile::tempdir().expect("directory");
    let machine = Machine::new();
    let mut rig = Rig::open(dir.path(), &machine);
    rig.register("srv-1");
    machine.step(30 * DAY);
    rig.pass(20_000);
    let stopped = rig.now();
    drop(rig);
    machine.reboot();
    let mut rig = Rig::open(dir.path(), &machine);
    rig.pass(10_000);
    assert!(rig.now().millis_since(stopped) < MINUTE, "a reboot confirms nothing");
    assert!(rig.health.clock().step_ms.is_some());
}

#[test]
fn trusted_time_confirms_a_step_of_hours_and_never_one_of_years() {
    let names = ["srv-1", "srv-2", "srv-3"];
    // The step, whether this machine's clock follows a source, how many of the others agree with it, and whether it is confirmed.
    let cases = [
        (7 * 3_600_000, true, 3, true),
        (-DAY, true, 3, true),
        (-DAY, false, 3, false),
        (-DAY, true, 1, false),
        (10 * YEAR, true, 3, false),
    ];
    for (by_ms, synchronised, agree, confirmed) in cases {
        let dir = tempfile::tempdir().expect("directory");
        let machine = Machine::new();
        let mut rig = Rig::open(dir.path(), &machine);
        names.iter().for_each(|name| rig.register(name));
        machine.step(by_ms);
        machine.state().synchronised = synchronised;
        rig.pass(10_000);
        for _ in 0..70 {
            for (place, name) in names.iter().enumerate() {
                let wall = machine.read().wall;
                let taken_at = if place < agree { wall } else { wall.plus_millis(-by_ms) };
                rig.hello(name, taken_at);
            }
            rig.pass(10_000);
            if rig.real_ms < 9 * MINUTE {
                assert!(rig.health.clock().step_ms.is_some(), "not at once");
            }
        }
        assert_eq!(rig.health.clock().step_ms.is_none(), confirmed, "a step by {by_ms}, {agree} of 3 agree");
        assert_eq!(rig.audit("clock.confirmed").len(), usize::from(confirmed));
    }
}

#[test]
fn the_agent_on_the_same_machine_is_no_witness() {
    let dir = tempfile::tempdir().expect("directory");
    let machine = Machine::new();
    let mut rig = Rig::open(dir.path(), &machine);
    for name in ["boot-1", "srv-2"] {
        rig.register(name);
        let wall = machine.read().wall;
        rig.hello(name, wall);
    }
    machine.step(-DAY);
    machine.state().synchronised = true;
    for _ in 0..80 {
        rig.pass(10_000);
        for name in ["boot-1", "srv-2"] {
            let wall = machine.read().wall;
            rig.hello(name, wall);
        }
    }
    assert!(rig.health.clock().step_ms.is_some(), "one other machine is too few");
}

#[test]
fn deliveries_that_failed_are_tried_again_after_the_same_time() {
    let dir = tempfile::tempdir().expect("directory");
    let machine = Machine::new();
    let mut rig = Rig::open(dir.path(), &machine);
    rig.register("srv-1");
    rig.command(incident("lan")).expect("opened");
    let (key, now) = (rig.notices()[0].key.clone(), rig.now());
    let next_attempt_at = now.plus_millis(MINUTE);
    let delivery = ioc_store::Delivery {
        key: key.clone(),
        at: now,
        state: DeliveryState::Waiting,
        attempts: 1,
        next_attempt_at,
        error: None,
        unanswered: 0,
    };
    rig.command(Command::Delivered(vec![delivery])).expect("kept");
    machine.step(-DAY);
    rig.pass(30_000);
    rig.confirm(-DAY / 1000).expect("followed");
    let entry = rig.notices().into_iter().find(|one| one.key == key).expect("waits");
    assert_eq!(entry.next_attempt_at.millis_since(rig.now()), MINUTE - 30_000);
}

#[test]
fn a_step_whose_commit_is_given_up_is_believed_by_nobody_and_nothing_is_kept_after_it() {
    let dir = tempfile::tempdir().expect("directory");
    let machine = Machine::new();
    let fails = Arc::new(AtomicBool::new(false));
    let mut rig = Rig::open_with(dir.path(), &machine, |store| {
        Box::new(FaultyStore { store, fails: Arc::clone(&fails), lost: StoreLosses::default() })
    });
    rig.register("srv-1");
    rig.command(incident("lan")).expect("opened");
    rig.pass(20_000);
    let (start, opened) = (rig.now(), rig.notices()[0].incident);
    let deadline = rig.reader.incident(opened).expect("reads").expect("kept").0.acknowledge_by.expect("one");
    let (offset_ms, kept) = (machine.state().offset_ms, rig.reader.clock().expect("reads"));
    machine.step(MINUTE);
    fails.store(true, Relaxed);
    rig.health.stop();
    assert!(rig.engine.run_once(&mut Vec::new()), "the engine ends");
    assert_eq!(rig.now(), start, "what is believed is what is kept");
    assert_eq!(machine.state().offset_ms, offset_ms, "and others go by it");
    // The store can be written again, and what was decided on a step that it has not is not put there.
    fails.store(false, Relaxed);
    machine.pass(20_000);
    assert!(rig.engine.run_once(&mut Vec::new()), "it has ended");
    assert_eq!(rig.reader.clock().expect("reads"), kept);
    assert!(rig.audit("clock.followed").is_empty());
    drop(rig);
    let mut rig = Rig::open(dir.path(), &machine);
    rig.pass(10_000);
    assert_eq!(rig.audit("clock.followed").len(), 1, "the next start follows it");
    let moved = rig.reader.incident(opened).expect("reads").expect("kept").0.acknowledge_by.expect("one");
    assert_eq!(moved.millis_since(deadline), MINUTE, "and moves what is due");
}
