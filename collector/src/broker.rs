//! Ingest from a broker, as this program runs it: its TLS, who is asked whom to let in, and the incident when it stays away.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use ioc_common::clock;
use ioc_engine::acceptor::Acceptor;
use ioc_engine::broker::BROKER_USER;
use ioc_engine::command::BackgroundTask;
use ioc_engine::config::BrokerPlan;
use ioc_engine::health::Health;
use ioc_engine::log_rate_limit::LogRateLimit;
use ioc_engine::pki::{Authority, broker_certificate};
use ioc_engine::writer::{CertificateAllowlist, EngineHandle};
use ioc_ingest::broker::BrokerIngest;
use ioc_store::Reader;
use ioc_web::broker_authorization::BrokerAuthorization;
use ioc_web::server;

use crate::task_watch::TaskWatch;

/// How often it is looked how the link stands.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Connections of brokers that ask who may do what.
pub(crate) const AUTHORIZATION_MAX: usize = 64;

/// What it needs of the running collector.
#[derive(Clone)]
pub(crate) struct BrokerDeps {
    pub(crate) engine: EngineHandle,
    pub(crate) authority: Arc<Authority>,
    pub(crate) access: Arc<CertificateAllowlist>,
    pub(crate) health: Arc<Health>,
    pub(crate) log_limit: Arc<LogRateLimit>,
}

/// Begins to take reports from the broker, and to answer it through `acceptor`. Gives what ends when `stop` says so.
pub(crate) fn begin(
    plan: &BrokerPlan,
    deps: BrokerDeps,
    (acceptor, reader): (Option<Acceptor<TcpListener>>, Box<dyn Reader>),
    stop: &watch::Receiver<bool>,
) -> tokio::task::JoinHandle<()> {
    let BrokerDeps { engine, authority, access, health, log_limit } = deps;
    if let Some(acceptor) = acceptor {
        let (issuer, reader) = (Arc::clone(&authority), Mutex::new(reader));
        let revoked = move || {
            let now = clock::now();
            let ended = {
                let reader = reader.lock().map_err(|error| error.to_string())?;
                reader.ended_certificates(now).map_err(|error| error.to_string())?
            };
            issuer.revocation_list(&ended, now).map_err(|error| error.to_string())
        };
        let own = plan.certificate.as_ref().and_then(|(certificate, _)| broker_certificate::user_of(certificate));
        let asked = BrokerAuthorization {
            access: Arc::clone(&access),
            health: Arc::clone(&health),
            log_limit: Arc::clone(&log_limit),
            collector: own.unwrap_or_else(|| BROKER_USER.to_owned()),
            client_id: plan.client_id.clone(),
            revoked: Box::new(revoked),
        };
        tokio::spawn(server::serve_loopback(acceptor, asked.router(), stop.clone()));
    }
    tokio::spawn(watch_link(engine.clone(), Arc::clone(&health)));
    let tls_plan = plan.clone();
    let tls = Box::new(move || authority.broker_config(&tls_plan, clock::now()).map_err(|error| error.to_string()));
    let ingest = BrokerIngest { plan: plan.clone(), tls, engine, access, health, log_limit };
    tokio::spawn(ingest.serve(stop.clone()))
}

/// A broker that stays away becomes an incident, which ends when it is there again.
async fn watch_link(engine: EngineHandle, health: Arc<Health>) {
    let mut watch = TaskWatch::new(BackgroundTask::Broker, engine.clone());
    loop {
        match health.broker.status() {
            Some(status) if status.address.is_some() => watch.succeeded().await,
            Some(status) => watch.failed(status.complaint.unwrap_or_default()).await,
            None => {}
        }
        tokio::select! {
            () = engine.gone() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}
