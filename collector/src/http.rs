//! One HTTP request to another system, with all that makes it fail told apart: what may work later, and what never will.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use ioc_common::clock;

/// Largest answer that is read.
const ANSWER_MAX_BYTES: usize = 1024 * 1024;
/// Back-off: doubled from the first to the last.
const BACKOFF_FIRST_MS: i64 = 2000;
const BACKOFF_LAST_MS: i64 = 600_000;
/// How long the machine's root certificates are remembered.
const ROOTS_LIFE_US: u64 = 600_000_000;

/// Why something could not be sent, and whether trying again can help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendError {
    /// It may work later.
    #[error("{0}")]
    Later(String),
    /// It will never work as it is.
    #[error("{0}")]
    Never(String),
}

/// How long to wait after this many attempts that failed, milliseconds.
pub(crate) fn backoff_ms(attempts: u32) -> i64 {
    BACKOFF_FIRST_MS.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(BACKOFF_LAST_MS)
}

/// What a file with a secret holds; nothing without a file.
pub(crate) fn secret(file: Option<&std::path::Path>) -> Result<String, SendError> {
    let Some(path) = file else { return Ok(String::new()) };
    let text =
        std::fs::read_to_string(path).map_err(|error| SendError::Later(format!("{}: {error}", path.display())))?;
    Ok(text.trim().to_owned())
}

/// A request.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

fn is_secure(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

/// Host as it is written, and port, that an address leads to.
pub(crate) fn endpoint(uri: &Uri) -> Option<(&str, u16)> {
    Some((uri.host()?, uri.port_u16().unwrap_or(if is_secure(uri) { 443 } else { 80 })))
}

/// Sends a request, and gives the answer when it is a good one.
pub(crate) async fn send(request: Request<'_>) -> Result<String, SendError> {
    let url = request.url;
    let uri: Uri = url.parse().map_err(|error| SendError::Never(format!("{url:?}: {error}")))?;
    let (host, port) = endpoint(&uri).ok_or_else(|| SendError::Never(format!("{url:?} names no host")))?;
    let secure = is_secure(&uri);
    let mut built = hyper::Request::builder()
        .method(request.method)
        .uri(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header("host", uri.authority().map_or(host, |authority| authority.as_str()))
        .header("content-type", request.content_type)
        .header("user-agent", concat!("ioc-collector/", env!("CARGO_PKG_VERSION")));
    for (name, value) in &request.headers {
        built = built.header(name, value);
    }
    let built =
        built.body(Full::new(Bytes::from(request.body))).map_err(|error| SendError::Never(error.to_string()))?;
    let later = |error: &dyn std::fmt::Display| SendError::Later(format!("{host}:{port}: {error}"));
    let tcp = TcpStream::connect((host.trim_matches(['[', ']']), port)).await.map_err(|error| later(&error))?;
    let answer = if secure {
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|error| SendError::Never(error.to_string()))?;
        let stream = TlsConnector::from(client_config()?).connect(name, tcp).await.map_err(|error| later(&error))?;
        exchange(stream, built).await
    } else {
        exchange(tcp, built).await
    };
    let (status, answer) = answer.map_err(|error| later(&error))?;
    match status.as_u16() {
        200..=299 => Ok(answer),
        // The receiver says that it is too busy or broken; all other refusals will not change by themselves.
        408 | 425 | 429 | 500..=599 => Err(SendError::Later(format!("answered {status}: {}", short(&answer)))),
        _ => Err(SendError::Never(format!("answered {status}: {}", short(&answer)))),
    }
}

/// The same, for at most this long.
pub(crate) async fn send_within(limit: Duration, request: Request<'_>) -> Result<String, SendError> {
    match tokio::time::timeout(limit, send(request)).await {
        Ok(answer) => answer,
        Err(_) => Err(SendError::Later(format!("no answer within {} s", limit.as_secs()))),
    }
}

/// The beginning of an answer, for a person.
pub(crate) fn short(answer: &str) -> String {
    answer.chars().take(200).collect()
}

async fn exchange<S>(stream: S, request: hyper::Request<Full<Bytes>>) -> hyper::Result<(hyper::StatusCode, String)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES).collect().await;
    let text = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();
    driver.abort();
    Ok((status, text))
}

/// Trusts what this machine trusts. Reading its certificates takes longer than most requests, so they are remembered for a while.
pub(crate) fn client_config() -> Result<Arc<ClientConfig>, SendError> {
    static KNOWN: Mutex<Option<(u64, Arc<ClientConfig>)>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let now_us = clock::boottime_us();
    if let Some((_, config)) = known.as_ref().filter(|(at, _)| now_us.saturating_sub(*at) < ROOTS_LIFE_US) {
        return Ok(Arc::clone(config));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| SendError::Never(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    *known = Some((now_us, Arc::clone(&config)));
    Ok(config)
}
