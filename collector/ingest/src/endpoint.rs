//! The MQTT endpoint: MQTT 3.1.1 over TLS 1.3 with client certificates, acknowledging after the commit.
//!
//! Every socket has its own task and its own limits, so that one that is silent, slow or hostile holds up no other.
//! Handshakes are computed in turns, one of each address at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use bytes::BytesMut;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use ioc_common::clock;

use super::certificate_validity::CertificateValidity;
use super::connection::{self, ConnectionDeps, STAGE_TIMEOUT};
use super::end_cause::EndCause;
use super::newcomers::{NewcomerSlot, Newcomers};
use super::tls::TlsStream;
use ioc_engine::acceptor::{Accepted, Acceptor};
use ioc_engine::connection_limit::Bounds;
use ioc_engine::health::Health;
use ioc_engine::log_rate_limit::LogRateLimit;
use ioc_engine::open_files::REFUSED_MAX;
use ioc_engine::pki;
use ioc_engine::shutdown::stopped;
use ioc_engine::writer::{CertificateAllowlist, EngineHandle};

/// What an endpoint needs.
#[derive(Debug, Clone)]
pub struct MqttEndpoint {
    /// TLS 1.3, with the collector's certificate; it asks for the device's certificate.
    pub tls: Arc<ServerConfig>,
    /// Where reports go.
    pub engine: EngineHandle,
    /// Who may connect.
    pub access: Arc<CertificateAllowlist>,
    /// Counts connections and what is refused.
    pub health: Arc<Health>,
    /// Most open connections.
    pub connections_max: usize,
    /// Most sockets that have not yet shown a certificate.
    pub newcomers: Bounds,
    /// How often a refusal is written down.
    pub log_limit: Arc<LogRateLimit>,
    /// Another collector decides for the site: whoever shows a certificate that is good is told that this server is unavailable, and goes on to the next.
    pub stands_by: bool,
}

impl MqttEndpoint {
    /// Serves `listener` until `stop` says so.
    pub async fn serve(self, mut acceptor: Acceptor<TcpListener>, mut stop: watch::Receiver<bool>) {
        let (engine, log_limit) = (self.engine, self.log_limit);
        let shared = Arc::new(ConnectionDeps {
            engine,
            health: self.health,
            stop: stop.clone(),
            log_limit,
            busy: AtomicUsize::new(0),
        });
        let newcomers = Newcomers::new(self.newcomers);
        // As many as there are processors, so that devices that are accepted do not wait for all those that are not.
        let turns = Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)));
        let places = Arc::new(Semaphore::new(self.connections_max));
        let turn_aways = Arc::new(Semaphore::new(REFUSED_MAX));
        let connection_ids = Arc::new(AtomicU64::new(1));
        loop {
            let Accepted { socket, peer, place: file } = tokio::select! {
                () = stopped(&mut stop) => return,
                accepted = acceptor.accept() => accepted,
            };
            let newcomer = newcomers.enter(peer.ip());
            let admission = Admission {
                tls: Arc::clone(&self.tls),
                turns: Arc::clone(&turns),
                places: Arc::clone(&places),
                turn_aways: Arc::clone(&turn_aways),
                stands_by: self.stands_by,
                access: Arc::clone(&self.access),
                shared: Arc::clone(&shared),
                connection_id: connection_ids.fetch_add(1, Relaxed),
                peer,
            };
            // The handshake's large future must not stay with a connection that lives for weeks: it is boxed and dropped.
            tokio::spawn(async move {
                let admitted = Box::pin(admission.admit(socket, &newcomer)).await;
                drop(newcomer);
                if let Some((connection, _place)) = admitted {
                    connection.run().await;
                }
                drop(file);
            });
        }
    }
}

/// A connection, and its place among all.
type Admitted = (Box<connection::Connection>, tokio::sync::OwnedSemaphorePermit);

struct Admission {
    tls: Arc<ServerConfig>,
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// How many connections may be refused with a reason at the same time.
    turn_aways: Arc<Semaphore>,
    stands_by: bool,
    access: Arc<CertificateAllowlist>,
    shared: Arc<ConnectionDeps>,
    connection_id: u64,
    peer: SocketAddr,
}

impl Admission {
    /// Leads a new socket through TLS, its certificate and CONNECT. None when it was refused; the reason is counted and logged.
    async fn admit(self, socket: TcpStream, newcomer: &NewcomerSlot) -> Option<Admitted> {
        let admitted = tokio::select! {
            biased;
            admitted = self.try_admit(socket, newcomer) => admitted,
            () = newcomer.evicted() => Err((EndCause::Newcomers, "its place was needed for later ones".to_owned())),
        };
        match admitted {
            Ok(admitted) => Some(admitted),
            Err((cause, detail)) => {
                let reason = cause.as_str();
                self.shared.health.count_refused(reason);
                if let Some(left_out) = self.shared.log_limit.allows(reason, None, clock::boottime_ms()) {
                    tracing::info!(peer = %self.peer, reason, detail, left_out, "connection refused");
                }
                None
            }
        }
    }

    /// The TLS handshake, and what the client sent right behind it. What it costs is paid once a record is whole, and in turns: those of an
    /// address that sends many wait for each other, not the others for them.
    async fn handshake(&self, socket: TcpStream, newcomer: &NewcomerSlot) -> std::io::Result<(TlsStream, BytesMut)> {
        let mut stream = TlsStream::new(socket, Arc::clone(&self.tls))?;
        let mut received = BytesMut::new();
        while stream.is_handshaking() {
            stream.wait_for_record().await?;
            let step = {
                let _own = newcomer.turn().acquire().await;
                let _turn = self.turns.acquire().await;
                stream.shake_hands(&mut received)
            };
            // With a fault this is the alert that says which.
            stream.flush().await?;
            step.inspect_err(|_| stream.drain())?;
        }
        Ok((stream, received))
    }

    async fn try_admit(&self, socket: TcpStream, newcomer: &NewcomerSlot) -> Result<Admitted, (EndCause, String)> {
        let late = |cause: EndCause| move |_| (cause, "took too long".to_owned());
        // A socket that sends nothing takes no place among the handshakes.
        let mut byte = [0];
        let first =
            tokio::time::timeout(STAGE_TIMEOUT, socket.peek(&mut byte)).await.map_err(late(EndCause::Silent))?;
        if first.map_err(|error| (EndCause::Socket, error.to_string()))? == 0 {
            return Err((EndCause::Closed, "before TLS".to_owned()));
        }
        let _ = socket.set_nodelay(true);
        let (stream, read) = tokio::time::timeout(STAGE_TIMEOUT, self.handshake(socket, newcomer))
            .await
            .map_err(late(EndCause::HandshakeTimeout))?
            .map_err(|error| (EndCause::Tls, error.to_string()))?;
        let (device, serial, issued, until) = {
            let certificate =
                stream.peer_certificate().ok_or_else(|| (EndCause::Certificate, "none was shown".to_owned()))?;
            let (device, serial) =
                pki::device_of(certificate).map_err(|why| (EndCause::Certificate, why.to_owned()))?;
            let until = pki::ends_at(certificate)
                .ok_or_else(|| (EndCause::Certificate, "its end cannot be read".to_owned()))?;
            (device, serial, pki::issued_at(certificate), until)
        };
        let adopts = || issued.is_some_and(|issued| self.access.adopts(&device, &serial, issued, until));
        if !self.access.allows(&device, &serial) && !adopts() {
            return Err((
                EndCause::Revoked,
                format!("{device} with certificate {serial} is not enrolled, was revoked or is kept out"),
            ));
        }
        newcomer.prove(&device);
        let validity = CertificateValidity { serial, until, access: Arc::clone(&self.access) };
        let who = (device, validity);
        let place = if self.stands_by { None } else { Arc::clone(&self.places).try_acquire_owned().ok() };
        let Some(place) = place else {
            // As many as there is room for get a reason, so that they do not take the refusal for a fault of the network.
            if let Ok(_turn) = self.turn_aways.try_acquire() {
                connection::turn_away((stream, read), &who.0).await;
            }
            if self.stands_by {
                return Err((EndCause::StandsBy, format!("{}: another collector decides for the site", who.0)));
            }
            return Err((
                EndCause::Connections,
                format!("{}: as many connections are open as there are places", who.0),
            ));
        };
        let connection =
            connection::connect((stream, read), who, self.connection_id, self.peer, Arc::clone(&self.shared)).await?;
        Ok((connection, place))
    }
}
