//! Accepting HTTP connections: over TLS for people, over a Unix socket for the command line.

mod request_body;

use std::convert::Infallible;
use std::future::Future as _;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt as _;

use crate::problem::Problem;
use crate::server::request_body::{ResponseBody, TimedRequestBody, TimedWriter};
use ioc_engine::acceptor::{Accepted, Acceptor};
use ioc_engine::connection_limit::{Bounds, ConnectionLimit, ConnectionSlot};
use ioc_engine::shutdown::stopped;

/// How long TLS, each request's head, and a connection without a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Over the network.
    Remote(IpAddr),
    /// Over the control socket, by this user of the machine.
    Local(u32),
}

impl Peer {
    /// Its address; none for this machine's own command line.
    pub(crate) const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Remote(address) => Some(*address),
            Self::Local(_) => None,
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Remote(address) => write!(f, "{address}"),
            Self::Local(uid) => write!(f, "local:{uid}"),
        }
    }
}

/// Serves people until `stop` says so: so many strangers at most, and beside them so many connections that have shown a session.
pub async fn serve_tls(
    mut acceptor: Acceptor<TcpListener>,
    tls: Arc<ServerConfig>,
    router: Router,
    (bounds, known_max): (Bounds, usize),
    mut stop: watch::Receiver<bool>,
) {
    let crowd = ConnectionLimit::new(bounds, known_max);
    // As many as there are processors, so that whoever comes alone does not wait for all of a flood.
    let turns = Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)));
    loop {
        let Accepted { socket, peer, place: file } = tokio::select! {
            () = stopped(&mut stop) => return,
            accepted = acceptor.accept() => accepted,
        };
        let peer = remote(peer);
        let place = Arc::new(crowd.enter(peer));
        let (tls, turns, router, stop) = (Arc::clone(&tls), Arc::clone(&turns), router.clone(), stop.clone());
        tokio::spawn(async move {
            let _ = socket.set_nodelay(true);
            let served = async {
                // The handshake's future is large, and is not kept with a connection that stays.
                let handshake = Box::pin(handshake(TimedWriter::new(socket), tls, &turns, &place));
                if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIMEOUT, handshake).await {
                    serve(stream, Peer::Remote(peer), Some(Arc::clone(&place)), router, stop).await;
                }
            };
            tokio::select! {
                biased;
                () = place.evicted() => {}
                () = served => {}
            }
            drop(file);
        });
    }
}

/// The TLS handshake. What it costs is paid when the client's first message is whole, and in turns: those of an address that opens many
/// wait for each other, not the others for them.
async fn handshake<S>(
    socket: S,
    tls: Arc<ServerConfig>,
    turns: &Semaphore,
    place: &ConnectionSlot,
) -> io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), socket).await?;
    let mut accept = Box::pin(start.into_stream(tls));
    let first = {
        let _own = place.turn().acquire().await;
        let _turn = turns.acquire().await;
        poll_fn(|context| Poll::Ready(accept.as_mut().poll(context))).await
    };
    match first {
        Poll::Ready(done) => done,
        Poll::Pending => accept.await,
    }
}

fn remote(peer: SocketAddr) -> IpAddr {
    peer.ip().to_canonical()
}

/// Opens the control socket below `runtime`.
///
/// # Errors
/// When the directory cannot be written.
pub fn control_socket(runtime: &Path) -> io::Result<UnixListener> {
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
pub async fn serve_control(mut acceptor: Acceptor<UnixListener>, router: Router, mut stop: watch::Receiver<bool>) {
    loop {
        let Accepted { socket, place: file, .. } = tokio::select! {
            () = stopped(&mut stop) => return,
            accepted = acceptor.accept() => accepted,
        };
        let uid = socket.peer_cred().map_or(u32::MAX, |credentials| credentials.uid());
        let served = serve(socket, Peer::Local(uid), None, router.clone(), stop.clone());
        tokio::spawn(async move {
            served.await;
            drop(file);
        });
    }
}

/// Serves what a broker asks, on an address of this machine alone, until `stop` says so.
pub async fn serve_loopback(mut acceptor: Acceptor<TcpListener>, router: Router, mut stop: watch::Receiver<bool>) {
    loop {
        let Accepted { socket, peer, place: file } = tokio::select! {
            () = stopped(&mut stop) => return,
            accepted = acceptor.accept() => accepted,
        };
        let _ = socket.set_nodelay(true);
        let served = serve(socket, Peer::Remote(remote(peer)), None, router.clone(), stop.clone());
        tokio::spawn(async move {
            served.await;
            drop(file);
        });
    }
}

async fn serve<S>(
    stream: S,
    peer: Peer,
    place: Option<Arc<ConnectionSlot>>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer(router.clone(), peer, place.clone(), request));
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

/// Answers one request; one whose body does not arrive is told so.
async fn answer(
    router: Router,
    peer: Peer,
    place: Option<Arc<ConnectionSlot>>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let late = Arc::new(AtomicBool::new(false));
    let mut request = request.map(|body| Body::new(TimedRequestBody::new(body, place.clone(), Arc::clone(&late))));
    // With the request, not as a layer of the router: that would copy every route for every connection.
    request.extensions_mut().insert(peer);
    if let Some(place) = &place {
        request.extensions_mut().insert(Arc::clone(place));
    }
    let mut response = router.oneshot(request).await?;
    if late.load(Relaxed) {
        response = Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long").into_response();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| ResponseBody::new(body, place)))
}
