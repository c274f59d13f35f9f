//! Accepting HTTP connections: over TLS for people, over a Unix socket for the command line.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::serve::stopped;

/// Open HTTP connections.
const CONNECTIONS_MAX: usize = 2000;
/// How long TLS, and each request's head, may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// Over the network.
    Remote(IpAddr),
    /// Over the control socket, by this user of the machine.
    Local(u32),
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Remote(address) => write!(f, "{address}"),
            Self::Local(uid) => write!(f, "local:{uid}"),
        }
    }
}

/// Serves people until `stop` says so.
pub async fn serve_tls(listener: TcpListener, tls: Arc<ServerConfig>, router: Router, mut stop: watch::Receiver<bool>) {
    let acceptor = TlsAcceptor::from(tls);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop) => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((socket, peer)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
        tokio::spawn(async move {
            let _place = place;
            let _ = socket.set_nodelay(true);
            let handshake = tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(socket)).await;
            if let Ok(Ok(stream)) = handshake {
                serve(stream, Peer::Remote(remote(peer)), router, stop).await;
            }
        });
    }
}

fn remote(peer: SocketAddr) -> IpAddr {
    peer.ip().to_canonical()
}

/// Opens the control socket below `runtime`.
///
/// # Errors
/// When the directory cannot be written.
pub fn control_socket(runtime: &Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(runtime)?;
    let path = runtime.join(CONTROL_SOCKET);
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    // Whoever may open it is an administrator.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Name of the control socket.
pub const CONTROL_SOCKET: &str = "control.sock";

/// Serves the command line until `stop` says so.
pub async fn serve_control(listener: UnixListener, router: Router, mut stop: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop) => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((socket, _)) = accepted else { continue };
        let uid = socket.peer_cred().map_or(u32::MAX, |credentials| credentials.uid());
        tokio::spawn(serve(socket, Peer::Local(uid), router.clone(), stop.clone()));
    }
}

async fn serve<S>(stream: S, peer: Peer, router: Router, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = router.layer(axum::Extension(peer));
    let service = TowerToHyperService::new(tower_service(router));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(64)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(Duration::from_secs(2), connection).await;
        }
    }
}

fn tower_service(
    router: Router,
) -> impl tower::Service<
    Request<Incoming>,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone {
    tower::ServiceExt::<Request<Body>>::map_request(router, |request: Request<Incoming>| request.map(Body::new))
}
