//! Starts and stops the collector, and connects its parts.

mod error;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

use ioc_common::clock;

pub use error::ServeError;

use crate::broker::{AUTHORIZATION_MAX, BrokerDeps};
use crate::first_start::{FIRST_ACCOUNT, prepare_store};
use crate::remote_write::StoreRows;
use crate::task_watch::TaskWatch;
use crate::watchdog::RunningEngine;
use crate::{backup, broker, config, notify, watchdog};
use ioc_engine::acceptor::{Acceptor, Listen};
use ioc_engine::account::acknowledge_link::AcknowledgeLinks;
use ioc_engine::command::{BackgroundTask, Command};
use ioc_engine::config::{Config, stored_parts};
use ioc_engine::health::Health;
use ioc_engine::log_rate_limit::LogRateLimit;
use ioc_engine::open_files::{self, CONTROL_MAX, OpenFiles, Places, REFUSED_MAX};
use ioc_engine::pki::{self, Authority, PkiError, ReloadableCertificate};
use ioc_engine::sealed_secret;
use ioc_engine::writer::{self, CertificateAllowlist, EngineDeps, EngineHandle, EngineMessage};
use ioc_ingest::endpoint::MqttEndpoint;
use ioc_store::search::SearchIndex;
use ioc_store::{Archive, Candidate, READER_FILES, Reader, Store, StoreError};
use ioc_web::{App, server};

/// Readers of the store that pages and API share.
pub(crate) const READERS: usize = 4;
/// The same for people who are limited to places.
pub(crate) const READERS_LIMITED: usize = 2;
/// Those of tasks that run beside, of the engine and of the search index.
const READERS_BESIDE: usize = 11;
/// Threads for what blocks that are begun at the start.
const BLOCKING_MIN: usize = 4;
/// How long they wait for each other at the start.
const THREADS_START_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two rounds of upkeep: renewing certificates, looking for gaps in the duty plan.
const UPKEEP_EVERY: Duration = Duration::from_secs(600);
/// How long notices under way may take to arrive when the collector stops.
const NOTICES_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the engine may take to end once the lease is lost: a server that says nothing may hold it.
const LOST_END: Duration = Duration::from_secs(2);
/// Between two looks whether the lease is still held.
const LEASE_LOOK: Duration = Duration::from_millis(100);
/// How often lines that were left out of the log are counted in it.
const LEFT_OUT_EVERY: Duration = Duration::from_secs(60);

/// Runs the collector that decides for its site: until a signal stops it, or until it does not hold the lease any more, where its store has one
/// (`candidate`). `signals` are listened to before anything is opened, so that one that comes during the start does not end it in the middle of something.
///
/// # Errors
/// [`ServeError`] when it cannot start.
#[allow(clippy::too_many_lines, reason = "a start is one list in its order; what is long in it stands apart already")]
pub(crate) async fn decide(
    config_path: Option<PathBuf>,
    config: Config,
    signals: &mut Signals,
    candidate: Option<&Candidate>,
) -> Result<RoleEnd, ServeError> {
    let files_max = open_files::raise_limit();
    begin_threads().await?;
    let (authority, store, first_password) = prepare_store(&config, None, candidate)?;
    log_first_password(first_password.as_deref());
    let config = with_parts(&config, store.reader()?.as_ref())?;
    // Before anything is issued: the machine's clock may have been stepped while the collector was off.
    writer::time::resume_clock(store.reader()?.clock()?.as_ref());
    let authority = Arc::new(authority);
    let mqtt_certificate = ReloadableCertificate::new(authority.server(&config.names, clock::now())?);
    let web_certificate = ReloadableCertificate::new(web_certificate(&config, &authority)?);
    let mqtt_tls = authority.mqtt_config(&mqtt_certificate)?;
    let web_tls = pki::web_config(&web_certificate)?;

    let (mqtt_listener, web_listener) = (bind(config.mqtt_listen).await?, bind(config.web_listen).await?);
    let authorization = bind_authorization(&config).await?;
    let control = server::control_socket(&config.runtime)
        .map_err(|source| ServeError::File { path: config.runtime.clone(), source })?;

    let readers = (0..READERS).map(|_| store.reader()).collect::<Result<Vec<_>, _>>()?;
    let limited = (0..READERS_LIMITED).map(|_| store.reader()).collect::<Result<Vec<_>, _>>()?;
    let (outbox_reader, broker_reader) = (store.reader()?, store.reader()?);
    let run_beside = BackgroundReaders::open(store.as_ref())?;
    let health = Arc::new(Health::default());
    follow_lease(candidate, &health);
    if let Some(candidate) = candidate {
        health.lease.set_holds(candidate.asks_whether_it_holds());
    }
    let access = Arc::new(backup::allowlist(&config.data));
    let (probes, probe_requests) = mpsc::unbounded_channel();
    let (configs, config_receiver) = watch::channel(Arc::new(config.clone()));
    let (engine, engine_thread) = writer::start(EngineDeps {
        config: config.clone(),
        configs,
        store,
        authority: Arc::clone(&authority),
        allowlist: Arc::clone(&access),
        health: Arc::clone(&health),
        probes,
        restored: backup::undeclared(&config.data),
        clock: Box::new(writer::time::SystemClock),
    })?;
    let (stop, stopping) = watch::channel(false);

    let places = divide_files(&config, files_max, &health)?;
    let ports = config.host_probe_ports.clone();
    tokio::spawn(crate::host_probe::run(probe_requests, ports, places.probes, engine.clone()));
    let links = Arc::new(AcknowledgeLinks::open(&config.data)?);
    let notices = tokio::spawn(notify::run(
        engine.clone(),
        outbox_reader,
        Arc::clone(&health),
        config_receiver.clone(),
        Arc::clone(&links),
        stopping.clone(),
    ));
    run_beside.begin(&engine, &config_receiver, &config, &health);
    let needs = (engine.clone(), config_receiver.clone(), Arc::clone(&authority), Arc::clone(&health));
    backup::task::begin(needs, config_path.clone(), stopping.clone()).await;
    tokio::spawn(notify::heartbeat(config_receiver.clone(), Arc::clone(&health)));
    let app = App::new(engine.clone(), Arc::clone(&health), config_receiver.clone(), readers, limited, links)?;
    let acceptors = Acceptors::new(places, &health, app.log_limit(), false);
    let broker = acceptors.broker(&config, (authorization, broker_reader), (&engine, &authority, &access), &stopping);
    let endpoint = acceptors.endpoint(mqtt_tls, engine.clone(), access);
    let endpoint = tokio::spawn(endpoint.serve(acceptors.devices(mqtt_listener), stopping.clone()));
    tokio::spawn(log_left_out(app.log_limit()));
    let (pages, router) = (acceptors.pages(web_listener), app.router());
    let bounds = (places.strangers, places.signed_in);
    let web = tokio::spawn(server::serve_tls(pages, web_tls, router.clone(), bounds, stopping.clone()));
    tokio::spawn(server::serve_control(acceptors.control(control), router, stopping));

    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tracing::info!(mqtt = %config.mqtt_listen, web = %config.web_url, "collector runs");

    let running = Collector {
        config_path,
        config: config_receiver,
        engine,
        authority,
        mqtt_certificate,
        web_certificate,
        health,
    };
    // Without an engine there is nothing to finish: systemd is to start it again at once.
    let is_held = running.run_until_stopped(signals, candidate).await?;
    // While the store cannot be written, or the lease is not held, the engine ends by itself after a while.
    running.health.stop();
    let _ = stop.send(true);
    if !is_held {
        // Nothing can be finished: whoever holds the lease now goes on from the last commit.
        tracing::error!("the lease of the site is lost: engine, ingest, notices and all else of a holder are ended");
        // What waits for the engine's end ends with it; what is left goes with the runtime.
        let _ = tokio::time::timeout(LOST_END, end(&running.engine, engine_thread)).await;
        return Ok(RoleEnd::Lost(Arc::clone(&running.config.borrow())));
    }
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    tracing::info!("stopping: finishing commits");
    let _ = tokio::join!(endpoint, broker, web);
    // Notices under way may still arrive and be recorded as delivered, so that a restart does not send them twice.
    let _ = tokio::time::timeout(NOTICES_TIMEOUT, notices).await;
    end(&running.engine, engine_thread).await;
    Ok(RoleEnd::Told)
}

/// How a role ended.
#[derive(Debug)]
pub(crate) enum RoleEnd {
    /// A signal said so: the collector ends.
    Told,
    /// The lease was lost, or taken, or what it stood by with has changed: another role begins, with the configuration as it was read last.
    Lost(Arc<Config>),
}

/// Shows in `health` how the lease stands, from now on until this runtime ends.
pub(crate) fn follow_lease(candidate: Option<&Candidate>, health: &Arc<Health>) {
    let Some(candidate) = candidate else { return };
    let (mut view, health) = (candidate.view(), Arc::clone(health));
    health.lease.set(view.borrow_and_update().clone());
    tokio::spawn(async move {
        while view.changed().await.is_ok() {
            health.lease.set(view.borrow_and_update().clone());
        }
    });
}

/// Waits until the lease is not held any more; for ever where there is none. It goes by the boot clock, which a pause of the process does not stop.
async fn lease_lost(candidate: Option<&Candidate>) {
    let Some(candidate) = candidate else { return std::future::pending().await };
    while candidate.holds() {
        tokio::time::sleep(LEASE_LOOK).await;
    }
}

/// What tasks beside the engine read by.
struct BackgroundReaders {
    fold_reader: Box<dyn Reader>,
    archive: Box<dyn Archive>,
    ticket_reader: Box<dyn Reader>,
    remote_rows: StoreRows,
    examine_reader: Box<dyn Reader>,
    retention_reader: Box<dyn Reader>,
    stamp_reader: Box<dyn Reader>,
    software_reader: Box<dyn Reader>,
    counting_reader: Box<dyn Reader>,
    search_index: Box<dyn SearchIndex>,
}

impl BackgroundReaders {
    fn open(store: &dyn Store) -> Result<Self, StoreError> {
        Ok(Self {
            fold_reader: store.reader()?,
            archive: store.archive()?,
            ticket_reader: store.reader()?,
            remote_rows: StoreRows::new(store.reader()?)?,
            examine_reader: store.reader()?,
            retention_reader: store.reader()?,
            stamp_reader: store.reader()?,
            software_reader: store.reader()?,
            counting_reader: store.reader()?,
            search_index: store.search_index()?,
        })
    }

    /// Begins folding, ticket systems, remote write, deletion by age and the integrity check; each runs until the engine ends.
    fn begin(
        self,
        engine: &EngineHandle,
        config: &watch::Receiver<Arc<Config>>,
        started_with: &Config,
        health: &Arc<Health>,
    ) {
        // What is in PostgreSQL has no log beside it that would have to be put into its place.
        let (data, has_log) = (started_with.data.as_path(), started_with.store.postgres().is_none());
        let shared = || (engine.clone(), config.clone(), Arc::clone(health));
        let (to, configs, counters) = shared();
        tokio::spawn(crate::compaction::run(to, self.fold_reader, self.archive, configs, counters));
        let (to, configs, counters) = shared();
        tokio::spawn(crate::ticket::run(to, self.ticket_reader, counters, configs));
        let (to, configs, counters) = shared();
        tokio::spawn(crate::remote_write::run(self.remote_rows, data.to_owned(), configs, counters, to));
        let (to, configs, counters) = shared();
        tokio::spawn(crate::retention::run(to, self.retention_reader, configs, counters));
        tokio::spawn(crate::timestamp::task::run(engine.clone(), self.stamp_reader, config.clone()));
        let (to, configs, _) = shared();
        tokio::spawn(crate::software_register::run(to, self.software_reader, configs));
        let (to, configs, counters) = shared();
        tokio::spawn(crate::records_count::run(to, self.counting_reader, configs, counters));
        tokio::spawn(crate::search_index::run(engine.clone(), self.search_index));
        tokio::spawn(crate::integrity_check::run(engine.clone(), self.examine_reader, (data.to_owned(), has_log)));
    }
}

fn log_first_password(file: Option<&Path>) {
    if let Some(path) = file {
        tracing::warn!(account = FIRST_ACCOUNT, file = %path.display(), "first start: the administrator's password is in this file; read it and delete it");
    }
}

/// Lets the engine commit everything that connections have sent, and end.
async fn end(engine: &EngineHandle, thread: std::thread::JoinHandle<()>) {
    engine.send(EngineMessage::Stop).await;
    let joined = tokio::task::spawn_blocking(move || thread.join());
    let _ = tokio::time::timeout(Duration::from_secs(30), joined).await;
    tracing::info!("collector stopped");
}

/// Logs how many lines were left out of the log, once a flood is over.
pub(crate) async fn log_left_out(log_limit: Arc<LogRateLimit>) {
    loop {
        tokio::time::sleep(LEFT_OUT_EVERY).await;
        for (kind, left_out) in log_limit.left_out(clock::boottime_ms()) {
            tracing::warn!(kind, left_out, "more of the same was refused");
        }
    }
}

/// Makes the acceptors of the listening sockets, each with its own limit of connections.
pub(crate) struct Acceptors {
    places: Places,
    health: Arc<Health>,
    log_limit: Arc<LogRateLimit>,
    /// Devices are turned away: another collector decides.
    stands_by: bool,
}

impl Acceptors {
    pub(crate) fn new(places: Places, health: &Arc<Health>, log_limit: Arc<LogRateLimit>, stands_by: bool) -> Self {
        Self { places, health: Arc::clone(health), log_limit, stands_by }
    }

    fn acceptor<L: Listen>(&self, listener: L, places_max: usize, full: &'static str) -> Acceptor<L> {
        Acceptor::new(listener, places_max, full, Arc::clone(&self.health), Arc::clone(&self.log_limit))
    }

    pub(crate) fn endpoint(
        &self,
        tls: Arc<ServerConfig>,
        engine: EngineHandle,
        access: Arc<CertificateAllowlist>,
    ) -> MqttEndpoint {
        let (connections_max, newcomers) = (self.places.devices, self.places.newcomers);
        let (health, log_limit) = (Arc::clone(&self.health), Arc::clone(&self.log_limit));
        let stands_by = self.stands_by;
        MqttEndpoint { tls, engine, access, health, connections_max, newcomers, log_limit, stands_by }
    }

    /// Begins to take reports from a broker, where one is configured; gives what ends when `stop` says so.
    fn broker(
        &self,
        config: &Config,
        (authorization, reader): (Option<TcpListener>, Box<dyn Reader>),
        (engine, authority, access): (&EngineHandle, &Arc<Authority>, &Arc<CertificateAllowlist>),
        stop: &watch::Receiver<bool>,
    ) -> tokio::task::JoinHandle<()> {
        let Some(plan) = &config.broker else { return tokio::spawn(async {}) };
        let acceptor = authorization.map(|one| self.acceptor(one, AUTHORIZATION_MAX, "authorization_connections"));
        let deps = BrokerDeps {
            engine: engine.clone(),
            authority: Arc::clone(authority),
            access: Arc::clone(access),
            health: Arc::clone(&self.health),
            log_limit: Arc::clone(&self.log_limit),
        };
        broker::begin(plan, deps, (acceptor, reader), stop)
    }

    pub(crate) fn devices(&self, listener: TcpListener) -> Acceptor<TcpListener> {
        self.acceptor(listener, self.places.devices + self.places.newcomers.all + REFUSED_MAX, "sockets")
    }

    pub(crate) fn pages(&self, listener: TcpListener) -> Acceptor<TcpListener> {
        self.acceptor(listener, self.places.strangers.all + self.places.signed_in, "page_connections")
    }

    pub(crate) fn control(&self, listener: UnixListener) -> Acceptor<UnixListener> {
        self.acceptor(listener, CONTROL_MAX, "control_connections")
    }
}

pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

/// The address on which a broker asks who may do what, where there is one.
async fn bind_authorization(config: &Config) -> Result<Option<TcpListener>, ServeError> {
    match config.broker.as_ref().and_then(|plan| plan.authorization_listen) {
        Some(address) => Ok(Some(bind(address).await?)),
        None => Ok(None),
    }
}

/// The signals that the collector listens to.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// One that comes while nobody asks is told to whoever asks next.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn listen() -> Result<Self, ServeError> {
        let listen = |kind| signal(kind).map_err(|source| ServeError::File { path: "signals".into(), source });
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }
}

impl Signals {
    /// Waits until the collector is told to stop. `reload` is called whenever it is told to read its configuration again.
    pub(crate) async fn stopped(&mut self, reload: impl Fn()) {
        let Self { terminate, interrupt, hangup } = self;
        loop {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = interrupt.recv() => return,
                told = hangup.recv() => match told {
                    Some(()) => reload(),
                    None => return std::future::pending().await,
                },
            }
        }
    }
}

/// What the running collector needs to reload its configuration and to renew its certificates.
struct Collector {
    config_path: Option<PathBuf>,
    config: watch::Receiver<Arc<Config>>,
    engine: EngineHandle,
    authority: Arc<Authority>,
    mqtt_certificate: Arc<ReloadableCertificate>,
    web_certificate: Arc<ReloadableCertificate>,
    health: Arc<Health>,
}

impl Collector {
    /// Runs until a signal comes, or the lease is lost; whether it is still held. Each task waits only for itself, so that a signal is noticed while the
    /// engine lets a command wait.
    ///
    /// # Errors
    /// [`ServeError::EngineEnded`] when the engine has ended by itself.
    async fn run_until_stopped(
        &self,
        signals: &mut Signals,
        candidate: Option<&Candidate>,
    ) -> Result<bool, ServeError> {
        let Signals { terminate, interrupt, hangup } = signals;
        let vitals = RunningEngine { engine: self.engine.clone(), health: Arc::clone(&self.health) };
        tokio::select! {
            _ = terminate.recv() => Ok(true),
            _ = interrupt.recv() => Ok(true),
            () = lease_lost(candidate) => Ok(false),
            () = self.engine.gone() => {
                if self.health.lease.is_over() { Ok(false) } else { Err(ServeError::EngineEnded) }
            }
            never = self.reload_on(hangup) => match never {},
            never = self.repeat_upkeep() => match never {},
            never = watchdog::feed_systemd(&vitals) => match never {},
        }
    }

    async fn reload_on(&self, hangup: &mut Signal) -> Infallible {
        let mut watch = TaskWatch::new(BackgroundTask::Configuration, self.engine.clone());
        let (mut configs, mut is_file_faulty) = (self.config.clone(), false);
        // That of the start was valid, but for what was set on pages and no longer fits it.
        self.report_left_out(&mut watch).await;
        loop {
            tokio::select! {
                told = hangup.recv() => if told.is_none() {
                    return std::future::pending().await;
                },
                // Somebody set a part on a page.
                changed = configs.changed() => {
                    if changed.is_err() {
                        return std::future::pending().await;
                    }
                    // What a file lacks is not mended by that.
                    if !is_file_faulty {
                        self.report_left_out(&mut watch).await;
                    }
                    continue;
                }
            }
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Reloading]);
            let reloaded = self.reload().await;
            is_file_faulty = reloaded.is_err();
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
            match reloaded {
                Ok(()) => {
                    configs.mark_unchanged();
                    self.report_left_out(&mut watch).await;
                }
                Err(why) => watch.failed(why).await,
            }
        }
    }

    /// Says which parts that were set on pages are not in use, since they no longer fit.
    async fn report_left_out(&self, watch: &mut TaskWatch) {
        let config = Arc::clone(&self.config.borrow());
        match config.left_out().iter().next() {
            None => watch.succeeded().await,
            Some((part, error)) => {
                let why = format!(
                    "what was set of the part {} is not in use, and it is as shipped: {error}; mend: correct it on the page Settings",
                    part.as_str()
                );
                tracing::error!(why, "a part of the configuration is left out");
                watch.failed(why).await;
            }
        }
    }

    async fn repeat_upkeep(&self) -> Infallible {
        let mut upkeep = tokio::time::interval(UPKEEP_EVERY);
        let mut watch = TaskWatch::new(BackgroundTask::Certificates, self.engine.clone());
        loop {
            upkeep.tick().await;
            self.run_upkeep(&mut watch).await;
        }
    }

    /// Reads the configuration again; the old one stays in use where that fails. Gives why.
    async fn reload(&self) -> Result<(), String> {
        let config = config::read(self.config_path.as_deref()).map_err(|error| {
            tracing::error!(%error, "the configuration is faulty; the old one stays in use");
            error.to_string()
        })?;
        // What fails here is tried again, and reported, by the upkeep.
        let _ = self.renew_certificates(&config);
        self.engine.command(Command::Reload(Box::new(config))).await.map_err(|error| {
            tracing::error!(%error, "the engine did not take the configuration");
            error.to_string()
        })?;
        tracing::info!("configuration, rules and certificates reloaded");
        Ok(())
    }

    /// Renews both, even if one of them fails.
    fn renew_certificates(&self, config: &Config) -> Result<(), PkiError> {
        let mqtt = self.authority.server(&config.names, clock::now()).map(|new| self.mqtt_certificate.replace(new));
        if let Err(error) = &mqtt {
            tracing::error!(%error, "the server certificate cannot be renewed");
        }
        let web = web_certificate(config, &self.authority).map(|new| self.web_certificate.replace(new));
        if let Err(error) = &web {
            tracing::error!(%error, "the certificate of the pages cannot be read");
        }
        mqtt.and(web)
    }

    async fn run_upkeep(&self, watch: &mut TaskWatch) {
        let config = Arc::clone(&self.config.borrow());
        match self.renew_certificates(&config) {
            Ok(()) => watch.succeeded().await,
            Err(why) => watch.failed(why).await,
        }
        // A gap in the rota is reported while there is time to fill it.
        if let Err(error) = self.engine.command(Command::CheckDuty).await {
            tracing::warn!(%error, "the duty plan could not be checked");
        }
        if let Err(error) = self.engine.command(Command::CheckReports).await {
            tracing::warn!(%error, "which reports are due could not be checked");
        }
    }
}

/// The configuration with what was set on pages. Secrets that were typed into forms are opened by the key beside the authority's, which is made at a
/// first start.
pub(crate) fn with_parts(config: &Config, reader: &dyn Reader) -> Result<Config, ServeError> {
    let pki = config.data.join("pki");
    sealed_secret::use_key(&pki).map_err(|source| ServeError::File { path: sealed_secret::key_file(&pki), source })?;
    Ok(config.resumed(&stored_parts(reader.configuration()?))?)
}

pub(crate) fn web_certificate(
    config: &Config,
    authority: &Authority,
) -> Result<Arc<rustls::sign::CertifiedKey>, PkiError> {
    match &config.web_certificate {
        Some((certificate, key)) => pki::certified(certificate, key),
        None => authority.server(&config.names, clock::now()),
    }
}

/// Begins some threads for what blocks while there are threads to be had: they stay, and do it one after the other when no more can be begun.
pub(crate) async fn begin_threads() -> Result<(), ServeError> {
    let begun = Arc::new((Mutex::new(0), Condvar::new()));
    let threads: Vec<_> = (0..BLOCKING_MIN)
        .map(|_| {
            let begun = Arc::clone(&begun);
            // Each waits for the others, or one would do the work of all.
            tokio::task::spawn_blocking(move || {
                let (count, all) = &*begun;
                let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
                *count += 1;
                all.notify_all();
                let _ = all.wait_timeout_while(count, THREADS_START_TIMEOUT, |count| *count < BLOCKING_MIN);
            })
        })
        .collect();
    // A first one that cannot be begun fails at once; for others that cannot it is not waited.
    if let Some(first) = threads.into_iter().next()
        && tokio::time::timeout(THREADS_START_TIMEOUT * 2, first).await.is_err()
    {
        return Err(ServeError::NoThread);
    }
    Ok(())
}

/// Divides the files that may be open, once everything is open that stays so.
pub(crate) fn divide_files(config: &Config, files_max: usize, health: &Health) -> Result<Places, ServeError> {
    let wanted = Places {
        devices: config.connections_max.usize(),
        newcomers: config.newcomers,
        strangers: config.web_bounds,
        signed_in: config.web_known_max,
        probes: crate::host_probe::sockets(&config.host_probe_ports),
    };
    let asking = config.broker.as_ref().and_then(|plan| plan.authorization_listen).map_or(0, |_| AUTHORIZATION_MAX);
    // Readers open theirs when they are first asked.
    let readers = (READERS + READERS_LIMITED + READERS_BESIDE) * READER_FILES;
    let open = open_files::count().map(|open| open + readers);
    let connectors = config.channels.len() + config.tickets.len() + asking;
    let files = OpenFiles::divide(files_max, open, connectors, wanted)
        .ok_or(ServeError::FewFiles { files_max, least: OpenFiles::least(open, connectors) })?;
    if let Some(shortage) = files.shortage() {
        tracing::warn!("{shortage}");
    }
    health.set_open_files(files);
    Ok(files.places)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether this process catches a signal, by the mask of its status.
    fn catches(signal: SignalKind) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").expect("read");
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask");
        let mask = u64::from_str_radix(mask.trim(), 16).expect("hex");
        mask >> (signal.as_raw_value() - 1) & 1 == 1
    }

    #[tokio::test]
    async fn signals_are_heard_before_anything_is_opened() {
        let told = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        assert!(!told.into_iter().any(catches), "nobody else here listens");
        let config = config::tests::parse("[paths]\ndata = \"/dev/null/data\"\n").expect("parses");
        let mut signals = Signals::listen().expect("listens");
        let ended = decide(None, config, &mut signals, None).await;
        assert!(matches!(ended, Err(ServeError::FirstStart(_))), "{ended:?}");
        assert!(told.into_iter().all(catches));
    }
}
