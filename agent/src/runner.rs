//! The agent's main loop: takes what probes, surveys and sensors report, keeps it in the backlog and sends it.
//!
//! It is one task on one thread. Probes run on a thread of their own, so that a probe that hangs holds up neither the link nor the goodbye.

mod alarm;
mod collector_watchdog;
mod config_reload;
mod file_watch;
mod goodbye;
mod link;
mod renewal;
mod sample_thread;
mod sensor_reader;
mod state_dir;
mod survey_schedule;
mod systemd_watchdog;

use std::path::{Path, PathBuf};

use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use ioc_common::audit_head;
use ioc_common::clock;
use ioc_common::codec::{self, EncodedBody, Head};
use ioc_common::document::Json;
use ioc_common::id::SensorName;
use ioc_common::layout::Layout;
use ioc_common::random::entropy;
use ioc_common::report::{Ask, Body, Committed, Facts, Hello, Losses, Position, ProbeReport, Sample, StateReport};
use ioc_common::topic::{DownKind, UpKind};
use ioc_probe::facts;

use crate::audit_witness::AuditWitness;
use crate::config::Config;
use crate::identity::{Identity, IdentityError, IdentityStore, client_config};
use crate::schedule::Schedule;
use crate::sensor::{Announcement, SensorChange};
use crate::spool::{Backlog, BacklogLimits, SpooledReport};
use crate::status::{self, Status};
use crate::uplink::addresses::Addresses;
use crate::uplink::mqtt::{LinkEvent, MqttLink};
use crate::uplink::session::UplinkSession;
use alarm::Alarm;
use collector_watchdog::{CollectorState, CollectorWatchdog};
use renewal::Renewal;
use sample_thread::{FinishedSample, SampleRequest, SampleThread};
use sensor_reader::SensorReader;
use state_dir::StateDir;
use survey_schedule::SurveySchedule;
use systemd_watchdog::SystemdWatchdog;

/// The shortest sleep, so that rounding cannot make the loop spin.
const WAKE_MIN_MS: u64 = 1;
/// The longest sleep, so that a faulty timer cannot stop the agent for good.
const WAKE_MAX_MS: u64 = 60_000;

/// Runs the agent until it is told to stop.
///
/// # Errors
/// [`RunError`] when it cannot start.
pub async fn run(config_path: Option<PathBuf>, config: Config) -> Result<(), RunError> {
    let mut runner = Runner::new(config_path, config)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut alarm = Alarm::new().map_err(RunError::Timer)?;
    let listener = match status::listen(&runner.config.runtime) {
        Ok(listener) => Some(listener),
        Err(error) => {
            let dir = runner.config.runtime.display();
            tracing::warn!(%error, "no status socket in {dir}: 'ioc-agent status' will not work");
            None
        }
    };
    runner.begin().await;
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tracing::info!(device = %runner.identity.device, collector = %runner.mqtt(), "agent runs");
    loop {
        let wake_ms = runner.turn();
        tokio::select! {
            event = next_event(&mut runner.link) => runner.link_event(event),
            sampled = runner.sample_thread.next_sample() => runner.sample_finished(sampled),
            answer = runner.survey_schedule.next_line() => runner.survey_answered(answer),
            update = runner.sensor_reader.next_update() => runner.sensor_update(&update.sensor, update.change),
            () = alarm.at(wake_ms) => {}
            Some(peer) = accept(listener.as_ref()) => {
                tokio::spawn(status::answer(peer, runner.status()));
            }
            _ = hangup.recv() => runner.reload(),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    runner.goodbye().await;
    Ok(())
}

async fn next_event(link: &mut Option<MqttLink>) -> LinkEvent {
    match link {
        Some(link) => link.next().await.unwrap_or_else(|| LinkEvent::Closed("the link ended".to_owned())),
        None => std::future::pending().await,
    }
}

async fn accept(listener: Option<&UnixListener>) -> Option<tokio::net::UnixStream> {
    match listener {
        Some(listener) => listener.accept().await.ok().map(|(peer, _)| peer),
        None => std::future::pending().await,
    }
}

struct Runner {
    config_path: Option<PathBuf>,
    config: Config,
    store: IdentityStore,
    identity: Identity,
    facts: Facts,
    boot_id: String,
    /// The first eight digits of the boot ID, as reports carry it.
    boot: String,
    run: String,
    fingerprint: String,
    epoch: u64,
    seq: u64,
    state_dir: StateDir,
    audit_witness: AuditWitness,
    backlog: Backlog,
    session: UplinkSession,
    addresses: Addresses,
    link: Option<MqttLink>,
    schedule: Schedule,
    sample_thread: SampleThread,
    survey_schedule: SurveySchedule,
    sensor_reader: SensorReader,
    layout: Option<Layout>,
    renewal: Renewal,
    last_spill_ms: u64,
    last_error: Option<String>,
    last_refusal: Option<String>,
    hello_wanted: bool,
    started_ms: u64,
    collector_watchdog: CollectorWatchdog,
    /// Passes on whether the collector is missed to the task that tells the configured address; none until it was missed once.
    collector_state: Option<watch::Sender<CollectorState>>,
    systemd_watchdog: SystemdWatchdog,
}

impl Runner {
    fn new(config_path: Option<PathBuf>, config: Config) -> Result<Self, RunError> {
        let root = Path::new("/");
        let boot_id = facts::boot_id(root);
        let store = IdentityStore::new(config.state.clone());
        let identity = store.identity()?;
        // Each link reads the certificates again; here it is only to fail at once when they cannot be used.
        client_config(&store.current())?;
        let authorities = store.authorities()?;
        let now_ms = clock::boottime_ms();
        let limits = BacklogLimits {
            ring_max_reports: config.ring_max_reports.usize(),
            spool_max_bytes: config.spool_max_bytes.0,
        };
        let mut backlog = Backlog::open(config.state.join("spool"), limits);
        let above = backlog.last_position().map_or(0, |position| position.epoch);
        // An agent whose disk cannot be written still starts and reports: the disk is one of the things to report.
        let (epoch, kept) = store.next_epoch(clock::now(), above);
        let state_dir = StateDir::new(kept, now_ms);
        backlog.begin(identity.device.as_str(), epoch);
        let schedule = schedule(&config, &identity, now_ms);
        let addresses = link::addresses(&config, &identity, store.last_address().as_deref());
        Ok(Self {
            facts: facts::read(root),
            boot: boot_id.chars().take(8).collect(),
            boot_id,
            run: format!("{:08x}", entropy() >> 32),
            fingerprint: facts::fingerprint(root),
            epoch,
            seq: 0,
            state_dir,
            audit_witness: AuditWitness::open(&config.state, authorities, now_ms),
            backlog,
            session: link::session(&addresses, now_ms),
            addresses,
            link: None,
            schedule,
            sample_thread: SampleThread::new(root, &config.forbid, schedule),
            survey_schedule: survey_schedule(&config, config_path.clone(), now_ms),
            sensor_reader: SensorReader::new(config_path.clone(), config.has_sensors),
            layout: None,
            renewal: Renewal::default(),
            last_spill_ms: now_ms,
            last_error: None,
            last_refusal: None,
            hello_wanted: false,
            started_ms: now_ms,
            collector_watchdog: CollectorWatchdog::default(),
            collector_state: None,
            systemd_watchdog: SystemdWatchdog::new(),
            config_path,
            config,
            store,
            identity,
        })
    }

    /// Where the collector is, or a broker before it: the address in use, or tried next.
    fn mqtt(&self) -> &str {
        self.addresses.current()
    }

    /// Takes the first sample, so that the first hello carries a layout.
    async fn begin(&mut self) {
        self.hello_wanted = true;
        self.tell_sampler();
        self.sample_thread.take_now();
        let sampled = self.sample_thread.next_sample().await;
        self.sample_finished(sampled);
    }

    /// Does all that is due, and returns when to wake next. The moment stays the same while nothing changes, so that the kernel's timer need
    /// not be set again.
    fn turn(&mut self) -> u64 {
        let now_ms = clock::boottime_ms();
        if self.session.start_connecting(now_ms) {
            self.connect();
        }
        if self.session.tick(now_ms) {
            self.close_link("nothing was committed for 30 s");
        }
        self.hello_wanted |= self.schedule.due(now_ms).hello;
        if let Some(probe) = self.sample_thread.give_up_overdue(now_ms) {
            tracing::warn!(probe, "a probe does not answer; the others go on without it");
            self.report(&Body::State(StateReport::Probes(self.outcomes())));
        }
        if self.spill_due_ms().is_some_and(|due| due <= now_ms) {
            self.backlog.spill();
            self.backlog.note_losses();
            self.last_spill_ms = now_ms;
        }
        self.state_dir.try_again(now_ms, || self.store.keep_epoch(self.epoch));
        self.renew(now_ms);
        self.send(now_ms);
        let (last_ms, after_ms) = (self.last_commit_ms(), self.watchdog_after_ms());
        self.watch_collector(now_ms.saturating_sub(last_ms), after_ms);
        self.systemd_watchdog.feed(now_ms, self.sample_thread.next_beat_ms());
        self.tell_sampler();

        let wakes = [
            self.session.next_wake_ms(),
            Some(self.schedule.next_hello_ms()),
            Some(self.sample_thread.next_wake_ms()),
            self.spill_due_ms(),
            self.collector_watchdog.next_wake_ms(last_ms, after_ms),
            self.systemd_watchdog.next_wake_ms(),
            self.state_dir.next_wake_ms(),
        ];
        let wake = wakes.into_iter().flatten().min().unwrap_or(now_ms + WAKE_MAX_MS);
        wake.clamp(now_ms + WAKE_MIN_MS, now_ms + WAKE_MAX_MS)
    }

    /// When the collector last committed something, or when the agent started if it has not yet.
    fn last_commit_ms(&self) -> u64 {
        self.session.last_commit_ms().unwrap_or(self.started_ms)
    }

    fn watchdog_after_ms(&self) -> u64 {
        u64::try_from(self.config.watchdog_after.as_millis()).unwrap_or(u64::MAX)
    }

    /// Reports by the journal and the configured address that the collector commits nothing any more, and when it does again.
    fn watch_collector(&mut self, silent_ms: u64, after_ms: u64) {
        let Some(missed) = self.collector_watchdog.judge(silent_ms, after_ms) else { return };
        let silent_s = silent_ms / 1000;
        if missed {
            tracing::error!(
                silent_s,
                collector = self.mqtt(),
                "the collector has committed nothing for too long; nobody may be watching this site"
            );
        } else {
            tracing::warn!(collector = self.mqtt(), "the collector commits again");
        }
        if self.config.watchdog_url.is_some() {
            let state = CollectorState { missed, silent_s };
            let config_path = &self.config_path;
            let announced = self.collector_state.get_or_insert_with(|| {
                let (sender, receiver) = watch::channel(CollectorState::default());
                tokio::spawn(collector_watchdog::announce(config_path.clone(), receiver));
                sender
            });
            announced.send_replace(state);
        }
    }

    /// Hands the sampling thread what the next sample says of the agent itself. The thread takes samples by itself, without being asked.
    fn tell_sampler(&mut self) {
        let waiting = self.backlog.size();
        let losses = self.backlog.losses();
        self.sample_thread.tell(SampleRequest {
            waiting: waiting.in_memory.max(waiting.on_disk),
            lost: losses.total(),
            damaged: self.backlog.damaged_bytes(),
            state_writable: self.state_dir.failure().is_none() && self.backlog.failure().is_none(),
            children_us: self.survey_schedule.take_children_us(),
            more: self.survey_schedule.numbers(),
        });
    }

    fn sample_finished(&mut self, sampled: FinishedSample) {
        let FinishedSample { taken, layout } = sampled;
        let first = self.layout.is_none();
        if layout.is_some() {
            self.layout = layout;
        }
        let Some(taken) = taken else {
            self.hello_wanted = true;
            return;
        };
        let outcomes_changed = taken.outcomes_changed | self.survey_schedule.take_outcomes_changed();
        if first || self.hello_wanted {
            self.hello();
        } else {
            if let Some(layout) = taken.new_layout {
                self.report(&Body::State(StateReport::Layout(layout)));
            }
            if outcomes_changed {
                self.report(&Body::State(StateReport::Probes(self.outcomes())));
            }
        }
        self.report(&Body::Sample(taken.sample));
        for event in taken.events {
            self.report(&Body::Event(event));
        }
        self.survey_schedule.beat(clock::boottime_ms(), taken.device_events);
    }

    fn survey_answered(&mut self, answer: Option<survey_schedule::AnsweredLine>) {
        let Some((survey, line)) = answer else { return };
        if let Some(report) = self.survey_schedule.take(survey, line, clock::boottime_ms()) {
            self.enqueue(None, &report);
        }
    }

    /// The outcomes of all probes, quick and slow.
    fn outcomes(&self) -> Vec<ProbeReport> {
        self.sample_thread.outcomes().iter().cloned().chain(self.survey_schedule.outcomes()).collect()
    }

    fn hello(&mut self) {
        self.hello_wanted = false;
        let Some(layout) = self.layout.clone() else { return };
        let hello = Hello {
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: self.boot_id.clone(),
            run: self.run.clone(),
            fingerprint: self.fingerprint.clone(),
            interval_s: u32::try_from(self.config.interval.get().as_secs()).unwrap_or(u32::MAX).max(1),
            keep_alive_s: self.keep_alive_s(),
            facts: self.facts.clone(),
            probes: self.outcomes(),
            layout,
            losses: self.backlog.losses(),
            former: self.backlog.earlier_runs(),
            sensor: None,
        };
        self.report(&Body::Hello(Box::new(hello)));
        self.report_settings();
        for (sensor, announcement) in self.sensor_reader.announcements() {
            self.announce(&sensor, announcement);
        }
    }

    fn keep_alive_s(&self) -> u16 {
        u16::try_from(self.config.keep_alive.get().as_secs()).unwrap_or(u16::MAX)
    }

    /// Sends a sensor's hello: what it is, and the layout of its samples.
    fn announce(&mut self, sensor: &SensorName, announcement: Announcement) {
        let Announcement { facts, machine, interval_s, layout, outcome } = announcement;
        let hello = Hello {
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: String::new(),
            run: String::new(),
            fingerprint: String::new(),
            interval_s,
            keep_alive_s: self.keep_alive_s(),
            probes: vec![ProbeReport { probe: facts.profile.clone(), outcome }],
            facts: machine,
            layout,
            losses: Losses::default(),
            former: Vec::new(),
            sensor: Some(facts),
        };
        self.report_about(Some(sensor), &Body::Hello(Box::new(hello)));
    }

    /// Reports what is new about a sensor.
    fn sensor_update(&mut self, sensor: &SensorName, change: SensorChange) {
        let body = match (change, self.sensor_reader.find(sensor)) {
            (SensorChange::Announce(announcement), _) => return self.announce(sensor, *announcement),
            (SensorChange::Values(v), Some(known)) => Body::Sample(Sample { layout: known.layout.id(), v }),
            (SensorChange::ProbeOutcome(outcome), Some(known)) => {
                Body::State(StateReport::Probes(vec![ProbeReport { probe: known.facts.profile.clone(), outcome }]))
            }
            (SensorChange::Values(_) | SensorChange::ProbeOutcome(_), None) => return,
        };
        self.report_about(Some(sensor), &body);
    }

    /// Gives a report its position and puts it into the backlog.
    fn report(&mut self, body: &Body) {
        self.report_about(None, body);
    }

    fn report_about(&mut self, about: Option<&SensorName>, body: &Body) {
        match EncodedBody::of(body) {
            Ok(encoded) => self.enqueue(about, &encoded),
            Err(error) => tracing::error!(%error, kind = body.kind().as_str(), "a report cannot be encoded"),
        }
    }

    fn enqueue(&mut self, about: Option<&SensorName>, body: &EncodedBody) {
        let position = Position { epoch: self.epoch, seq: self.seq + 1 };
        let head = Head { device: &self.identity.device, about, position, boot: &self.boot, taken_at: clock::now() };
        match codec::seal_encoded(head, body) {
            Ok(sealed) => {
                self.seq = position.seq;
                let (kind, boot) = (body.kind(), self.boot.clone());
                self.backlog.push(SpooledReport { position, kind, taken_ms: clock::boottime_ms(), boot, sealed });
            }
            Err(error) => {
                // It takes its place all the same, so that it is missed and said.
                self.seq = position.seq;
                self.backlog.count_too_large();
                tracing::error!(%error, kind = body.kind().as_str(), "a report is left out");
            }
        }
    }

    fn send(&mut self, now_ms: u64) {
        while let (Some(after), Some(link)) = (self.session.may_send(), &self.link) {
            let Some(entry) = self.backlog.next_after(after) else { return };
            let age_ms = (entry.boot == self.boot).then(|| now_ms.saturating_sub(entry.taken_ms));
            let follows = entry.position.epoch == after.epoch && entry.position.seq == after.seq + 1;
            let losses = self.backlog.losses();
            let lost = (!follows && losses != Losses::default()).then_some(&losses);
            if !link.publish(entry.kind, entry.sealed.finish(age_ms, lost)) {
                self.close_link("the client takes no more");
                return;
            }
            self.session.on_send(entry.position, now_ms);
        }
    }

    /// When reports that are only in memory must go to disk, because the collector has been silent for `spill_after`.
    fn spill_due_ms(&self) -> Option<u64> {
        if !self.backlog.has_unspilled() {
            return None;
        }
        let oldest = self.backlog.oldest_in_memory_ms()?;
        let silent_since = self.session.last_commit_ms().unwrap_or(0).max(oldest).max(self.last_spill_ms);
        Some(silent_since + u64::try_from(self.config.spill_after.as_millis()).unwrap_or(30_000))
    }

    fn message_received(&mut self, kind: DownKind, payload: &[u8], now_ms: u64) {
        let understood = match kind {
            DownKind::Committed => codec::read_message(payload).map(|message| self.committed(message, now_ms)),
            DownKind::Ask => codec::read_message(payload).map(|ask: Ask| match ask {
                Ask::Hello => {
                    self.hello();
                    self.survey_schedule.want_documents(now_ms);
                }
                Ask::Software => self.survey_schedule.want_whole(now_ms),
                Ask::Other => {}
            }),
            DownKind::Certificate => codec::read_message(payload).map(|message| {
                if self.renewal.take_certificate(&self.store, message, now_ms) {
                    // Closed without link_closed(): this is no failure, least of all of the trial.
                    if let Some(link) = self.link.take() {
                        tokio::spawn(link.close());
                    }
                    self.session.on_close(now_ms, 0);
                    self.session.retry_now(now_ms);
                }
            }),
            DownKind::Settings => {
                codec::read_message(payload).map(|signed| self.apply_offered_settings(&signed, payload))
            }
        };
        if let Err(error) = understood {
            tracing::warn!(%error, kind = kind.as_str(), "a message from the collector is not understood");
        }
    }

    /// Says which head of the collector's audit log was witnessed last; the collector gives newer ones to whoever does.
    fn report_witnessed(&mut self) {
        if let Ok(doc) = Json::of(self.audit_witness.seen()) {
            self.report(&Body::State(StateReport::Document { name: audit_head::DOCUMENT.to_owned(), doc }));
        }
    }

    fn committed(&mut self, message: Committed, now_ms: u64) {
        if let Some(head) = message.head {
            self.audit_witness.take(head, now_ms);
        }
        if let Some(why) = message.refused {
            tracing::warn!(why, "the collector refused a report");
            self.last_refusal = Some(why);
        }
        // It was restored from a backup of an earlier run: by how the runs since have ended it finds what it misses of them.
        self.hello_wanted |= message.position.epoch < self.session.watermark().epoch;
        let watermark = self.session.on_commit(message.position, now_ms);
        self.backlog.free_through(watermark);
        if message.resend {
            self.session.resend(now_ms);
        }
        if self.addresses.commits() {
            self.store.keep_address(self.addresses.current());
        }
        // The same epoch with more than was made in it is an earlier run's, whose number could not be kept.
        if watermark > (Position { epoch: self.epoch, seq: self.seq }) {
            // The state was lost while the clock was behind: what was taken since has places that are used up.
            let (epoch, kept) = self.store.next_epoch(clock::now(), watermark.epoch);
            tracing::warn!(epoch, "the collector knows a higher epoch; continuing above it");
            self.backlog.count_displaced(self.seq);
            (self.epoch, self.seq) = (epoch, 0);
            self.backlog.begin(self.identity.device.as_str(), epoch);
            self.state_dir = StateDir::new(kept, now_ms);
            self.hello();
        }
    }

    fn renew(&mut self, now_ms: u64) {
        if !self.session.is_open() {
            return;
        }
        if let (Some(payload), Some(link)) =
            (self.renewal.ask(&self.store, &self.identity, clock::now(), now_ms), &self.link)
            && !link.publish(UpKind::Renew, payload)
        {
            tracing::warn!("the request for a renewed certificate could not be sent");
        }
    }

    fn status(&self) -> Status {
        let waiting = self.backlog.size();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            device: self.identity.device.to_string(),
            collector: self.mqtt().to_owned(),
            connected: self.session.is_open(),
            last_error: self.last_error.clone(),
            committed: self.session.watermark(),
            taken: Position { epoch: self.epoch, seq: self.seq },
            waiting_in_memory: waiting.in_memory,
            waiting_on_disk: waiting.on_disk,
            spool_bytes: waiting.disk_bytes,
            state_error: self.state_dir.failure().map(str::to_owned),
            spool_error: self.backlog.failure().map(str::to_owned),
            losses: self.backlog.losses(),
            last_refusal: self.last_refusal.clone(),
            settings: self.config.remote_settings.clone(),
            certificate_expires_at: self.identity.expires_at,
            probes: self.outcomes(),
        }
    }
}

fn schedule(config: &Config, identity: &Identity, now_ms: u64) -> Schedule {
    let interval_ms = u64::try_from(config.interval.get().as_millis()).unwrap_or(10_000);
    let offset = u64::from(crc32fast::hash(identity.device.as_str().as_bytes()));
    Schedule::new(now_ms, interval_ms, offset)
}

fn survey_schedule(config: &Config, config_path: Option<PathBuf>, now_ms: u64) -> SurveySchedule {
    SurveySchedule::new(&config.state, config_path, &config.forbid, &config.every, now_ms)
}

/// Why the agent cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its identity cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its signals cannot be caught.
    #[error("cannot catch signals: {0}")]
    Signal(#[from] std::io::Error),
    /// The kernel gives no timer.
    #[error("cannot have a timer: {0}")]
    Timer(#[source] std::io::Error),
}
