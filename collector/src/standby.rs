//! What a collector does while another one holds the lease of its site: it shows pages and API from the database, says who decides to whoever asks for
//! something, turns devices away, and tells people when the database cannot be asked.
//!
//! Called by `cluster`. Deliberately absent: everything that commits or leaves the house but for that alarm: engine, ingest, notices, tickets, folding,
//! deletion, remote write, time stamps and the heartbeat of the dead man's switch, which is the site's and not a collector's.

use std::convert::Infallible;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use ioc_common::clock;
use ioc_engine::account::acknowledge_link::AcknowledgeLinks;
use ioc_engine::config::Config;
use ioc_engine::health::Health;
use ioc_engine::log_rate_limit::LogRateLimit;
use ioc_engine::open_files;
use ioc_engine::pki::{self, Authority, ReloadableCertificate};
use ioc_engine::writer::{CertificateAllowlist, EngineHandle, standing_by};
use ioc_store::{Candidate, Reader, Standby, StoreError};
use ioc_web::{App, server, waiting};

use crate::serve::{
    Acceptors, READERS, READERS_LIMITED, RoleEnd, ServeError, Signals, begin_threads, bind, divide_files, follow_lease,
    log_left_out, web_certificate, with_parts,
};
use crate::{backup, config, notify};

/// Between two times that it is read anew what is newest of each device, and which certificates are good.
const REFRESH: Duration = Duration::from_secs(15);
/// Between two looks how the lease stands.
const LOOK: Duration = Duration::from_millis(100);
/// Before a database that could not be read is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long it stands by before it begins to anew: its certificates are looked at then.
const ROLE_MAX: Duration = Duration::from_secs(86_400);

/// Stands by until the lease is taken, the database can be read that could not be before, or a signal says so.
///
/// # Errors
/// [`ServeError`] when it cannot begin to.
pub(crate) async fn stand_by(
    config_path: Option<PathBuf>,
    config: Config,
    signals: &mut Signals,
    candidate: &Candidate,
) -> Result<RoleEnd, ServeError> {
    let files_max = open_files::raise_limit();
    begin_threads().await?;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.data);
    made.map_err(|source| ServeError::File { path: config.data.clone(), source })?;
    let health = Arc::new(Health::default());
    follow_lease(Some(candidate), &health);
    follow_trouble(candidate, &health);
    let (stop, stopping) = watch::channel(false);
    let (config_sender, config_receiver) = watch::channel(Arc::new(config.clone()));
    let engine = standing_by(holder_of(candidate));
    let pki = config.data.join("pki");
    if Authority::is_there(&pki) && !config.data.join("link.key").exists() {
        tracing::warn!(
            "link.key is not here: links in notices of the other collector will not work when this one decides; mend: copy it (docs/scale.md)"
        );
    }
    let links = Arc::new(AcknowledgeLinks::open(&config.data)?);
    // A site that is new has no keys before somebody holds its lease.
    let authority =
        Authority::is_there(&pki).then(|| Authority::open(&pki, &config.site_name, clock::now())).transpose()?;
    let store = open_store(candidate, &config);
    // A site that was never opened has neither parts nor the key of their secrets.
    let config = match &store {
        Some(store) if Authority::is_there(&pki) => with_parts(&config, store.reader()?.as_ref())?,
        _ => config,
    };
    config_sender.send_replace(Arc::new(config.clone()));
    let control = server::control_socket(&config.runtime)
        .map_err(|source| ServeError::File { path: config.runtime.clone(), source })?;
    let places = divide_files(&config, files_max, &health)?;
    let app = store.as_ref().map(|store| {
        let (readers, limited) = (readers(store, READERS)?, readers(store, READERS_LIMITED)?);
        let (engine, health, links) = (engine.clone(), Arc::clone(&health), Arc::clone(&links));
        Ok::<_, ServeError>(App::new(engine, health, config_receiver.clone(), readers, limited, links)?)
    });
    let app = app.transpose()?;
    let log_limit: Arc<LogRateLimit> = app.as_ref().map(App::log_limit).unwrap_or_default();
    let without_store = || waiting::router(Arc::clone(&health), config.language);
    let router = app.map_or_else(without_store, App::router);
    tokio::spawn(log_left_out(Arc::clone(&log_limit)));
    tokio::spawn(notify::alarm(engine.clone(), Arc::clone(&health), config_receiver, links));
    let acceptors = Acceptors::new(places, &health, log_limit, true);
    let can_read = store.is_some();
    if let Some(authority) = authority {
        let certificate = ReloadableCertificate::new(web_certificate(&config, &authority)?);
        let (tls, listener) = (pki::web_config(&certificate)?, bind(config.web_listen).await?);
        let bounds = (places.strangers, places.signed_in);
        let pages = acceptors.pages(listener);
        let router = waiting::with_sign_in_elsewhere(router.clone(), Arc::clone(&health));
        tokio::spawn(server::serve_tls(pages, tls, router, bounds, stopping.clone()));
        if let Some(store) = store {
            turn_devices_away(&config, &authority, (&acceptors, &engine), &stopping, store).await?;
        }
    }
    tokio::spawn(server::serve_control(acceptors.control(control), router, stopping));

    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tracing::info!(web = %config.web_url, can_read, "collector stands by");
    let reload = || match config::read(config_path.as_deref()) {
        Ok(new) => {
            config_sender.send_replace(Arc::new(new));
            tracing::info!("the configuration is read again; this collector stands by");
        }
        Err(error) => tracing::error!(%error, "the configuration is faulty; the old one stays in use"),
    };
    let told = tokio::select! {
        () = signals.stopped(reload) => true,
        () = something_else_to_do(candidate, can_read) => false,
        never = feed_systemd() => match never {},
    };
    let _ = stop.send(true);
    if told {
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        return Ok(RoleEnd::Told);
    }
    Ok(RoleEnd::Lost(Arc::clone(&config_sender.borrow())))
}

/// The store, where there is one to be read; one that cannot be asked is not waited for, so that it is said at once why there is none.
fn open_store(candidate: &Candidate, config: &Config) -> Option<Standby> {
    if candidate.view().borrow().trouble.is_some() {
        return None;
    }
    let opened = candidate.standby(&config.data);
    opened.inspect_err(|error| tracing::warn!(%error, "there is nothing to be read yet; it is tried again")).ok()
}

fn readers(store: &Standby, count: usize) -> Result<Vec<Box<dyn Reader>>, StoreError> {
    (0..count).map(|_| store.reader()).collect()
}

/// Opens the endpoint of devices, which lets nobody in, and keeps up with what the holder commits.
async fn turn_devices_away(
    config: &Config,
    authority: &Authority,
    (acceptors, engine): (&Acceptors, &EngineHandle),
    stopping: &watch::Receiver<bool>,
    store: Standby,
) -> Result<(), ServeError> {
    let access = Arc::new(backup::allowlist(&config.data));
    let certificate = ReloadableCertificate::new(authority.server(&config.names, clock::now())?);
    let (tls, listener) = (authority.mqtt_config(&certificate)?, bind(config.mqtt_listen).await?);
    let reader = store.reader()?;
    tokio::spawn(keep_up((store, reader), Arc::clone(&access)));
    let endpoint = acceptors.endpoint(tls, engine.clone(), access);
    tokio::spawn(endpoint.serve(acceptors.devices(listener), stopping.clone()));
    Ok(())
}

/// Reads anew, now and then, what only the holder knows from its own commits.
async fn keep_up((mut store, mut reader): (Standby, Box<dyn Reader>), access: Arc<CertificateAllowlist>) {
    loop {
        let task = tokio::task::spawn_blocking(move || {
            let serials = store.refresh().and_then(|()| reader.serials());
            (store, reader, serials)
        });
        let Ok((known, asked, serials)) = task.await else { return };
        (store, reader) = (known, asked);
        match serials {
            Ok(serials) => serials.into_iter().for_each(|(device, serial)| access.admit(device, serial)),
            Err(error) => {
                tracing::warn!(%error, "what the holder has committed cannot be read; pages show what was read last");
            }
        }
        tokio::time::sleep(REFRESH).await;
    }
}

/// Who decides, and where its pages are, for whoever asks; empty where that is not known.
fn holder_of(candidate: &Candidate) -> impl Fn() -> (String, String) + Send + 'static + use<> {
    let view = candidate.view();
    move || {
        let view = view.borrow();
        let is_known = !view.own && view.trouble.is_none() && view.holder != view.name;
        if is_known { (view.holder.clone(), view.pages.clone()) } else { <_>::default() }
    }
}

/// Says that the store cannot be used, for as long as the database cannot be asked.
fn follow_trouble(candidate: &Candidate, health: &Arc<Health>) {
    let (mut view, health) = (candidate.view(), Arc::clone(health));
    tokio::spawn(async move {
        loop {
            let trouble = view.borrow_and_update().trouble.clone();
            health.set_store_write_error(trouble);
            if view.changed().await.is_err() {
                return;
            }
        }
    });
}

/// Waits until the lease is held, until there is something to read where there was nothing, or until certificates may have to be renewed.
async fn something_else_to_do(candidate: &Candidate, can_read: bool) {
    let begun_ms = clock::boottime_ms();
    let view = candidate.view();
    loop {
        if candidate.holds() {
            return;
        }
        let (lost, answers) = {
            let view = view.borrow();
            (view.lost, view.trouble.is_none() && view.latency_ms.is_some())
        };
        if lost {
            // What was done with the lease ended before this role began.
            candidate.stand_by();
        }
        let waited_ms = clock::boottime_ms().saturating_sub(begun_ms);
        let waited = Duration::from_millis(waited_ms);
        if (!can_read && answers && waited >= AGAIN) || waited >= ROLE_MAX {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Feeds systemd's watchdog, if there is one: whoever stands by has no engine that could be stuck.
async fn feed_systemd() -> Infallible {
    let Some(every) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let mut interval = tokio::time::interval(every / 3);
    loop {
        interval.tick().await;
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
    }
}
