//! The engine: the one writer, which decides and commits. `executor` says on which thread it runs.
//!
//! Inputs are judged one by one as they come. What raises or clears something or is asked for by a person is committed at once, with all that
//! came before it; everything else waits a moment, so that many inputs share one commit (group commit). Only after the commit are reports
//! acknowledged, commands answered, and notifier and pages woken. A commit that fails is tried again, and nothing is acknowledged meanwhile.

mod account_register;
mod accounts;
mod admission;
mod assets;
mod audit_heads;
mod background;
mod batch;
mod budget;
mod certificate_allowlist;
mod commands;
mod commit;
pub mod configuration;
mod connections;
mod contact_checks;
mod dashboards;
mod deliveries;
mod device_events;
mod devices;
mod down_dispatch;
mod duty;
mod duty_feeds;
pub mod duty_turns;
pub mod enrolment;
mod entrance;
mod evidence;
mod executor;
mod expected_backups;
mod floor_plans;
mod incident_deadlines;
mod incidents;
pub mod inventory_counts;
mod jobs;
mod losses;
mod message;
mod pending;
mod persist;
mod pieces;
mod renewal;
mod report_deadlines;
pub mod reports;
mod restored;
mod retention;
mod settings;
mod shift_signatures;
pub mod software_register;
mod standing_by;
mod store_faults;
mod table_import;
mod tickets;
pub mod time;
mod token_binding;
mod values;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use ioc_common::clock::{self, Timestamp};
use ioc_common::codec::RefusedReport;
use ioc_common::id::DeviceId;
use ioc_common::report::Report;
use ioc_common::settings::SettingsOutcome;
use ioc_judge::{Effect, Input, ReportVerdict, TimeLimits};

use crate::audit_action::AuditLogAction;
use crate::command::{Answer, Command, CommandError, RestoreDeclaration};
use crate::command_error::ANSWER_WAIT_S;
use crate::config::Config;
use crate::health::Health;
use crate::pki::Authority;
use accounts::AccountRegistry;
use batch::{Batch, is_urgent};
use budget::BudgetKind;
pub use certificate_allowlist::{CertificateAllowlist, RestoreSeam};
use connections::Connections;
pub use connections::{ConnectionId, Entrance, NewConnection};
use down_dispatch::DownDispatch;
pub use down_dispatch::{CloseCause, DownMessage, DownReceiver, DownSender, down_channel};
use executor::Executor;
pub use incident_deadlines::form_key;
pub use incidents::FILE_MAX_BYTES;
pub use ioc_judge::presence::quiet_after_ms;
use ioc_store::audit;
use ioc_store::{Change, Reader, Store, StoreError};
pub use message::{EngineMessage, SessionRef};
pub use standing_by::standing_by;
use time::EngineTime;

/// Most inputs that wait; then connections are no longer read.
const QUEUE_MAX: usize = 8192;
/// Most inputs in one commit.
const BATCH_MAX: usize = 2048;

/// A request to ask a host whether it answers.
#[derive(Debug, Clone)]
pub struct HostProbe {
    /// The device whose host is asked.
    pub device: DeviceId,
    /// Its last known address.
    pub peer: Option<SocketAddr>,
    /// The address that people wrote down; it goes first.
    pub address: String,
}

/// How the rest of the collector talks to the engine.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    sender: mpsc::Sender<EngineMessage>,
    /// None where nothing is decided: a collector that stands by.
    executor: Option<Arc<Executor>>,
    outbox: watch::Receiver<u64>,
    pages: watch::Receiver<u64>,
}

impl EngineHandle {
    /// Gives the engine an input; waits while too many wait. False when the engine is gone.
    pub async fn send(&self, message: EngineMessage) -> bool {
        let sent = self.sender.send(message).await.is_ok();
        if let Some(executor) = &self.executor {
            executor.process_queue();
        }
        sent
    }

    /// Whether the engine has ended, by itself or because it was told to.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until the engine has ended.
    pub async fn gone(&self) {
        self.sender.closed().await;
    }

    /// Has a command carried out.
    ///
    /// # Errors
    /// [`CommandError`] when the engine or the judge refuses it; [`CommandError::is_not_yet`] when it was not committed within 20 s;
    /// [`CommandError::Unavailable`] when the engine has ended.
    pub async fn command(&self, command: Command) -> Result<Answer, CommandError> {
        self.ask(|sender| EngineMessage::Command(Box::new(command), sender)).await
    }

    /// Has a command of somebody's session carried out, if that still stands by then.
    ///
    /// # Errors
    /// As [`Self::command`]; one that is forbidden when the session has ended.
    pub async fn session_command(&self, session: SessionRef, command: Command) -> Result<Answer, CommandError> {
        self.ask(|sender| EngineMessage::SessionCommand(session, Box::new(command), sender)).await
    }

    async fn ask(
        &self,
        message: impl FnOnce(oneshot::Sender<CommandResult>) -> EngineMessage,
    ) -> Result<Answer, CommandError> {
        let gone = || CommandError::Unavailable("the collector is stopping".to_owned());
        let (sender, receiver) = oneshot::channel();
        // Its place in the queue is part of the wait: while nothing can be written, the queue is full.
        let asked = async {
            if !self.send(message(sender)).await {
                return Err(gone());
            }
            receiver.await.map_err(|_| gone())?
        };
        match tokio::time::timeout(Duration::from_secs(ANSWER_WAIT_S), asked).await {
            Ok(answer) => answer,
            Err(_) => Err(CommandError::not_yet()),
        }
    }

    /// Has a command carried out, and waits for its commit for as long as that takes. For what was done outside and must not be done
    /// again before it is known whether it is kept.
    ///
    /// # Errors
    /// [`CommandError`] when the engine or the judge refuses it; [`CommandError::Unavailable`] when the engine has ended.
    pub async fn command_without_timeout(&self, command: Command) -> Result<Answer, CommandError> {
        let gone = || CommandError::Unavailable("the collector is stopping".to_owned());
        let (sender, receiver) = oneshot::channel();
        if !self.send(EngineMessage::Command(Box::new(command), sender)).await {
            return Err(gone());
        }
        receiver.await.map_err(|_| gone())?
    }

    /// Wakes when notices may be due. It carries no data: read the store.
    #[must_use]
    pub fn outbox_wake(&self) -> watch::Receiver<u64> {
        self.outbox.clone()
    }

    /// Wakes when something that pages show has changed.
    #[must_use]
    pub fn pages_wake(&self) -> watch::Receiver<u64> {
        self.pages.clone()
    }
}

/// Everything that the engine knows and decides with. One thread at a time has it; everybody else sends an [`EngineMessage`].
pub struct Engine {
    config: Config,
    /// Who goes by the configuration beside the engine.
    configs: watch::Sender<Arc<Config>>,
    state: ioc_judge::State,
    store: Box<dyn Store>,
    reader: Box<dyn Reader>,
    authority: Arc<Authority>,
    allowlist: Arc<CertificateAllowlist>,
    health: Arc<Health>,
    connections: Connections,
    probes: mpsc::UnboundedSender<HostProbe>,
    outbox: watch::Sender<u64>,
    pages: watch::Sender<u64>,
    accounts: AccountRegistry,
    /// The whole software list that is kept of each device that reported one since the start.
    software: HashMap<DeviceId, String>,
    /// Devices of which it is kept among their events that they are not heard.
    outages: BTreeSet<DeviceId>,
    /// What devices reported last of their settings.
    settings: HashMap<DeviceId, SettingsOutcome>,
    /// The digest of the settings that each was sent on its present connection.
    sent_settings: HashMap<DeviceId, String>,
    audit_heads: audit_heads::AuditHeads,
    budgets: budget::Budgets,
    /// The boot clock at the beginning of this cycle, and when the disk was looked at last, milliseconds.
    boot_ms: u64,
    disk_seen_ms: u64,
    /// When machines that do not ask any more were last looked for, boot clock.
    requests_seen_ms: u64,
    batch: Batch,
    /// A commit was given up: the engine ends, and keeps nothing any more.
    given_up: bool,
    /// Rows of history that are deleted in one go.
    forget_limit: usize,
    time: EngineTime,
    jobs: jobs::Jobs,
    expected_backups: expected_backups::ExpectedBackups,
    assets: assets::Assets,
    piecework: pieces::Unfinished,
    software_register: software_register::SoftwareRegister,
    /// The rules of retention as they were last told.
    retention_rules: Vec<ioc_store::retention::RetentionRule>,
}

/// What became of a command.
type CommandResult = Result<Answer, CommandError>;

/// What an engine is made of.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
pub struct EngineDeps {
    pub config: Config,
    /// Where a configuration goes that is in force: to whoever else goes by it, once it is committed.
    pub configs: watch::Sender<Arc<Config>>,
    pub store: Box<dyn Store>,
    pub authority: Arc<Authority>,
    /// Which certificates may connect; shared with the endpoint of devices.
    pub allowlist: Arc<CertificateAllowlist>,
    /// Counters and states, shared with whoever shows them.
    pub health: Arc<Health>,
    /// Where requests to probe hosts go.
    pub probes: mpsc::UnboundedSender<HostProbe>,
    /// The store was restored, and that is not in its audit log yet.
    pub restored: Option<RestoreDeclaration>,
    /// The clocks of the machine.
    pub clock: Box<dyn time::EngineClock>,
}

/// Starts the engine on its own thread.
///
/// # Errors
/// [`StoreError`] when something that the engine begins from is damaged in the store, or no thread can be started.
pub fn start(deps: EngineDeps) -> Result<(EngineHandle, std::thread::JoinHandle<()>), StoreError> {
    begin(build(deps)?)
}

fn begin(mut engine: Engine) -> Result<(EngineHandle, std::thread::JoinHandle<()>), StoreError> {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        engine.connections.set_dispatch(DownDispatch::within(&runtime));
    }
    let (outbox, pages) = (engine.outbox.subscribe(), engine.pages.subscribe());
    let (executor, sender) = Executor::new(engine);
    let executor = Arc::new(executor);
    let run = Arc::clone(&executor);
    let thread = std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || run.run())
        .map_err(|source| StoreError::File { path: "engine thread".into(), source })?;
    Ok((EngineHandle { sender, executor: Some(executor), outbox, pages }, thread))
}

/// An engine that continues from what the store holds.
fn build(deps: EngineDeps) -> Result<Engine, StoreError> {
    let EngineDeps { config, configs, store, authority, allowlist, health, probes, restored, clock } = deps;
    let reader = store.reader()?;
    let time = EngineTime::resume(clock, reader.clock()?.as_ref());
    let now = time.now();
    let limits = time_limits(&config);
    let snapshot = reader.snapshot(now.plus_millis(-limits.reopen_within_ms))?;
    let reported = reader.settings()?.into_iter();
    let settings =
        reported.filter_map(|(info, outcome)| Some((info.id, serde_json::from_str(&outcome?).ok()?))).collect();
    let jobs = jobs::Jobs::new(reader.jobs()?);
    let expected_backups = expected_backups::ExpectedBackups::read(reader.as_ref())?;
    let assets = assets::Assets::read(reader.as_ref())?;
    let software_register = software_register::SoftwareRegister::read(reader.as_ref())?;
    let retention_rules = reader.retention_rules()?;
    health.engine_started_ms.store(now.as_millis(), Relaxed);
    let accounts = AccountRegistry::read(reader.as_ref())?;
    let audit_heads = audit_heads::AuditHeads::read(reader.as_ref())?;
    let (rules, plan) = (Arc::clone(&config.rules), Arc::new(config.plan.clone()));
    let (state, effects) = ioc_judge::State::restore(rules, plan, limits, snapshot, now);
    let (outbox, pages) = (watch::channel(0).0, watch::channel(0).0);
    Engine::close_seam(&allowlist, reader.as_ref(), &state)?;
    for (device, serial) in reader.serials()? {
        if !state.is_quarantined(&device) {
            allowlist.admit(device, serial);
        }
    }
    let mut engine = Engine {
        piecework: pieces::Unfinished::read(reader.as_ref())?,
        outages: device_events::out_now(&state),
        config,
        configs,
        state,
        store,
        reader,
        authority,
        allowlist,
        health,
        connections: Connections::default(),
        probes,
        outbox,
        pages,
        accounts,
        software: HashMap::new(),
        settings,
        sent_settings: HashMap::new(),
        audit_heads,
        budgets: budget::Budgets::new(clock::boottime_ms()),
        boot_ms: clock::boottime_ms(),
        disk_seen_ms: 0,
        requests_seen_ms: clock::boottime_us() / 1000,
        batch: Batch::default(),
        given_up: false,
        forget_limit: commands::FORGET_ROWS_MIN,
        time,
        jobs,
        expected_backups,
        assets,
        software_register,
        retention_rules,
    };
    // The first record behind those of the copy: what devices witnessed of the log from there on is explained by it.
    if let Some(restored) = restored {
        engine.declare_restore(&restored, now)?;
    }
    engine.take_effects(effects, now);
    engine.report_store_losses(now);
    engine.watch_jobs(now);
    engine.check_expected_backups(now);
    engine.watch_assets(now);
    engine.watch_software();
    engine.watch_retention(now);
    engine.watch_tickets();
    // So much as it needed at the start is never asked of it again.
    engine.reader.rest();
    Ok(engine)
}

fn time_limits(config: &Config) -> TimeLimits {
    TimeLimits {
        settle_ms: config.settle.as_millis(),
        reopen_within_ms: config.reopen_within.as_millis(),
        storm_within_ms: config.storm_within.as_millis(),
        // One device alone is none.
        storm_devices: if config.storm_devices.0 > 1 { config.storm_devices.usize() } else { 0 },
        storm_hold_ms: config.storm_hold.as_millis(),
        ..TimeLimits::default()
    }
}

impl Engine {
    /// Whether what was judged has to be committed at once.
    fn is_urgent(&self) -> bool {
        self.batch.urgent
            || self.connections.is_streaming()
            || self.batch.inputs >= BATCH_MAX
            || self.config.gather.as_millis() == 0
    }

    /// What only the engine's thread does, in each of its cycles: it says that it runs, and now and then looks at things for which it may
    /// have to wait for the disk.
    fn run_upkeep(&mut self) {
        self.health.mark_alive();
        let now = self.time.now();
        self.check_disk(now);
        self.expire_requests(now);
        self.check_late_jobs(now);
        self.check_overdue_backups(now);
        self.check_due_assets(now);
        self.work_in_pieces(now);
        self.keep_head(now);
    }

    /// Judges what has come in. True when the engine has to end.
    fn process_inputs(&mut self, inputs: &mut Vec<EngineMessage>) -> bool {
        let mut now = self.check_clocks();
        let started_us = clock::boottime_us();
        self.boot_ms = started_us / 1000;
        let mut stop = false;
        self.batch.inputs += inputs.len();
        for message in inputs.drain(..) {
            stop |= matches!(message, EngineMessage::Stop);
            let command = matches!(message, EngineMessage::Command(..) | EngineMessage::SessionCommand(..));
            self.batch.urgent |= command;
            self.take(message, now);
            if command {
                // A person may have confirmed another time.
                now = self.time.now();
            }
        }
        if self.state.next_wake().is_some_and(|wake| wake <= now) {
            self.judge(Input::Wake, now);
        }
        let judged_us = clock::boottime_us();
        self.health.judge_us.fetch_add(judged_us.saturating_sub(started_us), Relaxed);
        stop
    }

    /// One cycle that commits at once.
    #[cfg(test)]
    fn run_once(&mut self, inputs: &mut Vec<EngineMessage>) -> bool {
        let stop = self.process_inputs(inputs);
        self.run_upkeep();
        stop | !self.commit()
    }

    fn take(&mut self, message: EngineMessage, now: Timestamp) {
        match message {
            EngineMessage::Report { connection, device, packet, bytes, report, packed } => {
                let refused = self.take_report(connection, &device, bytes, (report, packed), now);
                self.connections.acknowledge(connection, packet, refused);
            }
            EngineMessage::Opened(new) => self.opened(new, now),
            EngineMessage::Subscribed { connection, device } => {
                if let Err(kind) = self.charge(&device, BudgetKind::Subscriptions, 0, now) {
                    self.drop_connection(device, CloseCause::OverBudget(kind.label()), now);
                } else if self.state.device(&device).is_some() {
                    self.connections.send_watermark(connection);
                    self.resend_settings(&device, now);
                }
            }
            EngineMessage::Closed { connection, device, quiet_ms } => {
                if self.connections.close(connection, &device) {
                    self.judge(Input::LinkBroken { device: &device, quiet_ms }, now);
                }
            }
            EngineMessage::Quiet { connection, device, quiet_ms } if self.connections.is_open(connection) => {
                match quiet_ms {
                    Some(quiet_ms) => self.judge(Input::LinkIdle { device: &device, quiet_ms }, now),
                    None => self.judge(Input::LinkAlive { device: &device }, now),
                }
            }
            EngineMessage::Values { connection, device, packet, values } => {
                self.take_values(connection, &device, packet, &values, now);
            }
            EngineMessage::Renew { connection, device, packet, csr, proof } => {
                self.take_renewal(connection, &device, packet, (&csr, proof.as_ref()), now);
            }
            EngineMessage::HostProbed { device, answer } => {
                self.judge(Input::HostProbed { device: &device, answer }, now);
            }
            EngineMessage::Command(command, reply) => {
                let waits = command.waits_for_commit();
                let answer = self.carry_out(*command, now);
                if waits {
                    self.answer(reply, answer);
                } else {
                    let _ = reply.send(answer);
                }
            }
            EngineMessage::SessionCommand(session, command, reply) => {
                let stands = self.check_session(&session, now);
                let answer = stands.and_then(|()| self.carry_out(*command, now));
                self.answer(reply, answer);
            }
            // A connection that is closed has nothing more to say.
            EngineMessage::Quiet { .. } | EngineMessage::Stop => {}
        }
    }

    /// Takes a report. Why it was refused, when it was.
    fn take_report(
        &mut self,
        connection: ConnectionId,
        device: &DeviceId,
        bytes: usize,
        (report, packed): (Result<Box<Report>, RefusedReport>, Option<Vec<u8>>),
        now: Timestamp,
    ) -> Option<String> {
        let report = match report {
            Ok(report) => report,
            Err(refused) => return Some(self.refuse_broken(connection, device, bytes, &refused, now)),
        };
        if self.is_behind_a_gap(connection, &report, now) {
            return None;
        }
        if let Err(why) = self.admit(connection, &report, bytes, now) {
            return Some(why);
        }
        let mut out = Vec::new();
        let verdict = self.state.step(Input::Report(&report), now, &mut out).unwrap_or(ReportVerdict::NotEnrolled);
        self.count_judged(device, &out);
        // First, since a sensor that this report announces has to exist in the store before its data.
        self.take_effects(out, now);
        match verdict {
            ReportVerdict::New { at, kept_at } => {
                self.note_entrance(connection, &report, now);
                self.record_clock_witness(&report);
                self.persist(*report, packed, (at, kept_at), now);
            }
            ReportVerdict::Unannounced => {}
            ReportVerdict::Duplicate => {
                self.health.duplicates.fetch_add(1, Relaxed);
            }
            ReportVerdict::NotEnrolled => {
                self.health.count_refused("stranger");
                return Some("this device is not enrolled".to_owned());
            }
        }
        None
    }

    fn judge(&mut self, input: Input<'_>, now: Timestamp) {
        let mut out = Vec::new();
        // Only a person's action can be refused, and those go through `carry_out`.
        let _ = self.state.step(input, now, &mut out);
        self.take_effects(out, now);
    }

    fn take_effects(&mut self, effects: Vec<Effect>, now: Timestamp) {
        let mut serious = Vec::new();
        for effect in effects {
            self.batch.visible |= !matches!(effect, Effect::ProbeHost(_) | Effect::Ask(..));
            self.batch.urgent |= is_urgent(&effect);
            match effect {
                Effect::Presence(device) => {
                    if let Some(known) = self.state.device(&device) {
                        let presence = known.presence;
                        self.note_presence(&device, presence, now);
                        self.batch.changes.push(Change::Presence { device: device.clone(), presence });
                        self.batch.touched.insert(device);
                    }
                }
                Effect::Announced(info) => {
                    self.batch.changes.push(Change::Device { info: info.clone(), at: now });
                    self.describe_asset(&info, None, now);
                }
                Effect::Removed(device) => {
                    self.forget_asset(&device);
                    self.batch.changes.push(Change::Revoked { device, at: now });
                }
                Effect::Quarantined(device) => self.quarantine(device, now),
                Effect::Fault(fault) => self.batch.changes.push(Change::Fault(fault)),
                Effect::Incident(incident) => {
                    serious.extend(self.criterion_of(&incident, now).map(|criterion| (incident.id, criterion)));
                    self.batch.changes.push(Change::Incident(incident));
                }
                Effect::Step(step) => {
                    self.record(
                        now,
                        &step.who,
                        AuditLogAction::IncidentStep,
                        &step.incident.to_string(),
                        &step.note.en,
                    );
                    self.tell_ticket_systems(step.incident);
                    self.batch.changes.push(Change::Step(step));
                }
                Effect::ReportsLost(device, loss) => self.lost(device, &loss),
                Effect::LossLedger(device) => self.persist_loss_ledger(device),
                Effect::Notice(notice) => self.enqueue_notice(&notice, now),
                Effect::Window(window) => self.batch.changes.push(Change::Window(window)),
                Effect::WindowEnded(id) => self.batch.changes.push(Change::WindowGone { id, at: now }),
                Effect::Cover(cover) => self.batch.changes.push(Change::Cover(cover)),
                Effect::CoverEnded(id) => self.batch.changes.push(Change::CoverGone(id)),
                Effect::Comparison { device, rule, comparison } => {
                    self.batch.changes.push(Change::Comparison { device, rule, comparison });
                }
                Effect::ProbeHost(device) => self.batch.probes.push(device),
                Effect::Ask(device, ask) => self.batch.asks.push((device, ask)),
                Effect::Record { device, action, detail } => {
                    self.note_record(&device, action, now);
                    self.record(now, "", AuditLogAction::Judged(action), device.as_str(), &detail);
                }
            }
        }
        // When all of this is kept: a mark is a step of its own.
        for (incident, criterion) in serious {
            self.mark_by_criterion(incident, criterion, now);
        }
    }

    /// Writes into the audit log; such a change is committed at once.
    fn record(&mut self, at: Timestamp, actor: &str, action: AuditLogAction, subject: &str, detail: &str) {
        self.batch.urgent = true;
        self.batch.changes.push(Change::Audit(audit::AuditEntry {
            at,
            actor: actor.to_owned(),
            action: action.as_str().to_owned(),
            subject: subject.to_owned(),
            detail: detail.to_owned(),
        }));
    }
}
