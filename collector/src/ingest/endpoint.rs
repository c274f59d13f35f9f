//! The MQTT endpoint: MQTT 3.1.1 over TLS 1.3 with client certificates, acknowledging after the commit.
//!
//! Every socket has its own task and its own limits, so that one that is silent, slow or hostile holds up no other
//! (`../shared/design.md`, "Ingest endpoint").

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::connection::{self, Shared};
use super::standing::Standing;
use crate::engine::{Access, Handle};
use crate::health::Health;
use crate::pki;
use crate::serve::stopped;

/// Sockets that are open but have not yet completed TLS and CONNECT.
const NEWCOMERS_MAX: usize = 8192;
/// TLS handshakes under way.
const HANDSHAKES_MAX: usize = 1024;
/// How long the first byte, the handshake and CONNECT may take, each.
pub(super) const STAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// After an error of accept (too many files), wait a little instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What an endpoint needs.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// TLS.
    pub tls: Arc<ServerConfig>,
    /// Where reports go.
    pub engine: Handle,
    /// Who may connect.
    pub access: Arc<Access>,
    /// Counters.
    pub health: Arc<Health>,
    /// Most open connections.
    pub connections_max: usize,
}

impl Endpoint {
    /// Serves `listener` until `stop` says so.
    pub async fn serve(self, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let shared = Arc::new(Shared { engine: self.engine, health: Arc::clone(&self.health), stop: stop.clone() });
        let newcomers = Arc::new(Semaphore::new(NEWCOMERS_MAX));
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        let places = Arc::new(Semaphore::new(self.connections_max));
        let acceptor = TlsAcceptor::from(self.tls);
        let links = Arc::new(AtomicU64::new(1));
        loop {
            let (socket, peer) = tokio::select! {
                () = stopped(&mut stop) => return,
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            // Closing at once is kinder than keeping a newcomer waiting behind thousands.
            let Ok(newcomer) = Arc::clone(&newcomers).try_acquire_owned() else {
                self.health.refuse("newcomers");
                continue;
            };
            let welcome = Welcome {
                acceptor: acceptor.clone(),
                handshakes: Arc::clone(&handshakes),
                places: Arc::clone(&places),
                access: Arc::clone(&self.access),
                shared: Arc::clone(&shared),
                link: links.fetch_add(1, Relaxed),
                peer,
            };
            // The handshake's large future must not stay with a connection that lives for weeks: it is boxed and dropped.
            tokio::spawn(async move {
                let admitted = Box::pin(welcome.admit(socket)).await;
                drop(newcomer);
                if let Some((connection, _place)) = admitted {
                    connection.run().await;
                }
            });
        }
    }
}

struct Welcome {
    acceptor: TlsAcceptor,
    handshakes: Arc<Semaphore>,
    places: Arc<Semaphore>,
    access: Arc<Access>,
    shared: Arc<Shared>,
    link: u64,
    peer: SocketAddr,
}

impl Welcome {
    /// Leads a new socket through TLS, its certificate and CONNECT. None when it was refused; the reason is counted and logged.
    async fn admit(self, socket: TcpStream) -> Option<(connection::Connection, tokio::sync::OwnedSemaphorePermit)> {
        match self.try_admit(socket).await {
            Ok(admitted) => Some(admitted),
            Err((reason, detail)) => {
                self.shared.health.refuse(reason);
                tracing::info!(peer = %self.peer, reason, detail, "connection refused");
                None
            }
        }
    }

    async fn try_admit(
        &self,
        socket: TcpStream,
    ) -> Result<(connection::Connection, tokio::sync::OwnedSemaphorePermit), (&'static str, String)> {
        let late = |reason: &'static str| move |_| (reason, "took too long".to_owned());
        // A socket that sends nothing takes no place among the handshakes.
        let mut byte = [0];
        let first = tokio::time::timeout(STAGE_TIMEOUT, socket.peek(&mut byte)).await.map_err(late("silent"))?;
        if first.map_err(|error| ("socket", error.to_string()))? == 0 {
            return Err(("closed", "before TLS".to_owned()));
        }
        let _ = socket.set_nodelay(true);
        let stream = {
            let handshake = async {
                let _permit = self.handshakes.acquire().await;
                self.acceptor.accept(socket).await
            };
            tokio::time::timeout(STAGE_TIMEOUT, handshake)
                .await
                .map_err(late("handshake_timeout"))?
                .map_err(|error| ("tls", error.to_string()))?
        };
        let (device, serial, until) = {
            let (_, session) = stream.get_ref();
            let certificate = session.peer_certificates().and_then(|chain| chain.first());
            let certificate = certificate.ok_or_else(|| ("certificate", "none was shown".to_owned()))?;
            let (device, serial) = pki::device_of(certificate).map_err(|why| ("certificate", why.to_owned()))?;
            let until =
                pki::ends_at(certificate).ok_or_else(|| ("certificate", "its end cannot be read".to_owned()))?;
            (device, serial, until)
        };
        if !self.access.allows(&device, &serial) {
            return Err((
                "revoked",
                format!("{device} with certificate {serial} is not enrolled, was revoked or is kept out"),
            ));
        }
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| ("connections", "as many connections are open as the configuration allows".to_owned()))?;
        let standing = Standing { serial, until, access: Arc::clone(&self.access) };
        let connection =
            connection::connect(stream, (device, standing), self.link, self.peer, Arc::clone(&self.shared)).await?;
        Ok((connection, place))
    }
}
