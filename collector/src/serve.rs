//! Starting and stopping the collector: ties its rooms together.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use ioc_common::clock;

use crate::first_start::{FIRST_ACCOUNT, prepare};
use crate::ingest::endpoint::Endpoint;
use crate::{config, notify};
use ioc_engine::account::acknowledge_link::AcknowledgeLinks;
use ioc_engine::command::Command;
use ioc_engine::config::Config;
use ioc_engine::health::Health;
use ioc_engine::log_pace::LogPace;
use ioc_engine::pki::{self, Authority, PkiError, ReloadableCertificate};
use ioc_engine::writer::{self, CertificateAllowlist, EngineDeps, EngineHandle, Message};
use ioc_store::StoreError;
use ioc_web::{App, server};

/// Readers of the store that pages and API take turns with.
const READERS: usize = 4;
/// The same for people who are limited to places.
const READERS_LIMITED: usize = 2;
/// Between two rounds of upkeep: certificates to renew, holes in the duty plan.
const UPKEEP: Duration = Duration::from_secs(600);
/// How long notices under way may take to arrive when the collector stops.
const NOTICES_END: Duration = Duration::from_secs(5);
/// Between two looks at what was left out of the log.
const LEFT_OUT: Duration = Duration::from_secs(60);

/// Runs the collector until it is told to stop.
///
/// # Errors
/// [`ServeError`] when it cannot start.
pub async fn serve(config_path: Option<PathBuf>, config: Config) -> Result<(), ServeError> {
    raise_file_limit();
    let (authority, store, first_password) = prepare(&config, None)?;
    if let Some(path) = first_password {
        tracing::warn!(account = FIRST_ACCOUNT, file = %path.display(), "first start: the administrator's password is in this file; read it and delete it");
    }
    // Before anything is issued: the machine's clock may have been stepped while the collector was off.
    writer::time::believe(store.reader()?.clock()?.as_ref());
    let authority = Arc::new(authority);
    let mqtt_certificate = ReloadableCertificate::new(authority.server(&config.names, clock::now())?);
    let web_certificate = ReloadableCertificate::new(web_certificate(&config, &authority)?);
    let mqtt_tls = authority.mqtt_config(&mqtt_certificate)?;
    let web_tls = pki::web_config(&web_certificate)?;

    let mqtt_listener = bind(config.mqtt_listen).await?;
    let web_listener = bind(config.web_listen).await?;
    let control = server::control_socket(&config.runtime)
        .map_err(|source| ServeError::File { path: config.runtime.clone(), source })?;

    let readers = (0..READERS).map(|_| store.reader()).collect::<Result<Vec<_>, _>>()?;
    let limited = (0..READERS_LIMITED).map(|_| store.reader()).collect::<Result<Vec<_>, _>>()?;
    let (outbox_reader, ticket_reader, fold_reader) = (store.reader()?, store.reader()?, store.reader()?);
    let (remote_reader, examine_reader) = (store.reader()?, store.reader()?);
    let archive = store.archive()?;
    let health = Arc::new(Health::default());
    let access = Arc::new(CertificateAllowlist::default());
    let (probes, probe_wishes) = mpsc::unbounded_channel();
    let (engine, engine_thread) = writer::start(EngineDeps {
        config: config.clone(),
        store,
        authority: Arc::clone(&authority),
        allowlist: Arc::clone(&access),
        health: Arc::clone(&health),
        probes,
        clocks: Box::new(writer::time::MachineClocks),
    })?;
    let (stop, stopping) = watch::channel(false);
    let (config_sender, config_receiver) = watch::channel(Arc::new(config.clone()));

    tokio::spawn(crate::host_probe::run(probe_wishes, config.host_probe_ports.clone(), engine.clone()));
    let links = Arc::new(AcknowledgeLinks::open(&config.data)?);
    let notices = tokio::spawn(notify::run(
        engine.clone(),
        outbox_reader,
        Arc::clone(&health),
        config_receiver.clone(),
        Arc::clone(&links),
        stopping.clone(),
    ));
    tokio::spawn(crate::compaction::run(
        engine.clone(),
        fold_reader,
        archive,
        config_receiver.clone(),
        Arc::clone(&health),
    ));
    tokio::spawn(crate::ticket::run(engine.clone(), ticket_reader, Arc::clone(&health), config_receiver.clone()));
    tokio::spawn(crate::remote_write::run(
        remote_reader,
        config.data.clone(),
        config_receiver.clone(),
        Arc::clone(&health),
    ));
    tokio::spawn(crate::integrity_check::run(engine.clone(), examine_reader));
    tokio::spawn(notify::heartbeat(config_receiver.clone(), Arc::clone(&health)));
    let (connections_max, newcomers) = (config.connections_max.usize(), config.newcomers);
    let health_of = Arc::clone(&health);
    let app = App::new(engine.clone(), Arc::clone(&health), config_receiver, readers, limited, links)?;
    let (engine_of, paced) = (engine.clone(), app.paced());
    let endpoint =
        Endpoint { tls: mqtt_tls, engine: engine_of, access, health: health_of, connections_max, newcomers, paced };
    let endpoint = tokio::spawn(endpoint.serve(mqtt_listener, stopping.clone()));
    tokio::spawn(say_left_out(app.paced()));
    let router = app.router();
    let bounds = (config.web_bounds, config.web_known_max);
    let web = tokio::spawn(server::serve_tls(web_listener, web_tls, router.clone(), bounds, stopping.clone()));
    tokio::spawn(server::serve_control(control, router, stopping));

    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tracing::info!(mqtt = %config.mqtt_listen, web = %config.web_url, "collector runs");

    let mut running =
        Running { config_path, config: config_sender, engine, authority, mqtt_certificate, web_certificate, health };
    running.until_told_to_stop().await?;

    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    tracing::info!("stopping: finishing commits");
    // While the store cannot be written, the engine ends by itself after a while.
    running.health.stop();
    let _ = stop.send(true);
    let _ = endpoint.await;
    let _ = web.await;
    // What is under way is let arrive, and kept as delivered: a restart makes no copies.
    let _ = tokio::time::timeout(NOTICES_END, notices).await;
    end(&running.engine, engine_thread).await;
    Ok(())
}

/// Has the engine commit everything that the connections handed over, and end.
async fn end(engine: &EngineHandle, thread: std::thread::JoinHandle<()>) {
    engine.send(Message::Stop).await;
    let joined = tokio::task::spawn_blocking(move || thread.join());
    let _ = tokio::time::timeout(Duration::from_secs(30), joined).await;
    tracing::info!("collector stopped");
}

/// Says how much of what strangers do was not written down, when they have stopped.
async fn say_left_out(paced: Arc<LogPace>) {
    loop {
        tokio::time::sleep(LEFT_OUT).await;
        for (kind, left_out) in paced.left_out(clock::boottime_ms()) {
            tracing::warn!(kind, left_out, "more of the same was refused");
        }
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

struct Running {
    config_path: Option<PathBuf>,
    config: watch::Sender<Arc<Config>>,
    engine: EngineHandle,
    authority: Arc<Authority>,
    mqtt_certificate: Arc<ReloadableCertificate>,
    web_certificate: Arc<ReloadableCertificate>,
    health: Arc<Health>,
}

impl Running {
    async fn until_told_to_stop(&mut self) -> Result<(), ServeError> {
        let signals = |kind| signal(kind).map_err(|source| ServeError::File { path: "signals".into(), source });
        let mut terminate = signals(SignalKind::terminate())?;
        let mut interrupt = signals(SignalKind::interrupt())?;
        let mut hangup = signals(SignalKind::hangup())?;
        let mut upkeep = tokio::time::interval(UPKEEP);
        // The watchdog is fed only while the engine answers: a stuck engine is what it is there for.
        let watchdog = sd_notify::watchdog_enabled();
        let mut feed = tokio::time::interval(watchdog.map_or(Duration::from_secs(3600), |every| every / 3));
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                _ = hangup.recv() => self.reload().await,
                _ = upkeep.tick() => self.keep_up().await,
                _ = feed.tick(), if watchdog.is_some() => {
                    // A full disk is told in /readyz; killing the collector would not make room.
                    let alive = self.engine.command(Command::Delivered(Vec::new()));
                    if tokio::time::timeout(Duration::from_secs(25), alive).await.is_ok() {
                        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
                    }
                }
            }
        }
    }

    async fn reload(&self) {
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Reloading]);
        match config::read(self.config_path.as_deref()) {
            Ok(config) => {
                self.renew_certificates(&config);
                self.config.send_replace(Arc::new(config.clone()));
                match self.engine.command(Command::Reload(Box::new(config))).await {
                    Ok(_) => tracing::info!("configuration, rules and certificates reloaded"),
                    Err(error) => tracing::error!(%error, "the engine did not take the configuration"),
                }
            }
            Err(error) => tracing::error!(%error, "the configuration is faulty; the old one stays in use"),
        }
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    }

    fn renew_certificates(&self, config: &Config) {
        match self.authority.server(&config.names, clock::now()) {
            Ok(certified) => self.mqtt_certificate.replace(certified),
            Err(error) => tracing::error!(%error, "the server certificate cannot be renewed"),
        }
        match web_certificate(config, &self.authority) {
            Ok(certified) => self.web_certificate.replace(certified),
            Err(error) => tracing::error!(%error, "the certificate of the pages cannot be read"),
        }
    }

    async fn keep_up(&self) {
        let config = Arc::clone(&self.config.borrow());
        self.renew_certificates(&config);
        // A hole in the rota is found while there is time to fill it.
        if let Err(error) = self.engine.command(Command::CheckDuty).await {
            tracing::warn!(%error, "the duty plan could not be checked");
        }
    }
}

fn web_certificate(config: &Config, authority: &Authority) -> Result<Arc<rustls::sign::CertifiedKey>, PkiError> {
    match &config.web_certificate {
        Some((certificate, key)) => pki::certified(certificate, key),
        None => authority.server(&config.names, clock::now()),
    }
}

/// Thousands of connections need as many files; systemd and shells often allow 1,024.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// The collector cannot start.
#[allow(missing_docs, reason = "the names of the fields say what they are")]
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Keys or certificates cannot be read or made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or directory cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Keys and certificates are gone.
    #[error(
        "{}: keys and certificates are gone, and beside them lies the store of what they certified; mend: restore the directory from a \
         copy (docs/operate.md); only if there is none, make new ones, after which every agent has to be enrolled again: \
         ioc-collector prepare --anew authority",
        path.display()
    )]
    KeysGone {
        /// Where they were.
        path: PathBuf,
    },
    /// Somebody asked for something new in the place of what is there.
    #[error("{}: nothing is missing there that could be made anew; mend: leave --anew out", path.display())]
    NotAnew { path: PathBuf },
    /// An address that cannot be listened on.
    #[error("cannot listen on {address}: {source}; mend: choose another address, or stop what uses it")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
}
