//! One HTTP request to another system, with all that makes it fail told apart: what may work later, and what never will.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
pub use hyper::StatusCode;
pub use hyper::body::Bytes;
use hyper::http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use ioc_common::backoff::retry_ms;
use ioc_common::clock::{self, Timestamp};
use ioc_common::random::entropy;

use crate::conversation::{hide, note};

/// Largest answer that is read.
const ANSWER_MAX_BYTES: usize = 1024 * 1024;
/// Back-off: doubled from the first to the last.
const BACKOFF_FIRST_MS: u64 = 2000;
const BACKOFF_LAST_MS: u64 = 600_000;
/// How long the machine's root certificates are remembered.
const ROOTS_LIFE_US: u64 = 600_000_000;

/// How long a connection may take to be made, and how long its handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long another system may ask us to stay away.
const ASKED_MIN: Duration = Duration::from_secs(1);
const ASKED_MAX: Duration = Duration::from_secs(900);

/// Why something could not be sent, and whether trying again can help.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It was not taken, and may be later.
    #[error("{0}")]
    Later(String),
    /// The other side is not there or takes nothing now, whatever it is.
    #[error("{why}")]
    Away {
        why: String,
        /// How long it asks us to stay away.
        after: Option<Duration>,
    },
    /// It was handed over, and nothing came back: it may have been taken. Sending it again may make a copy.
    #[error("{0}; it may have arrived")]
    Unknown(String),
    /// The other side answered that it does not take it, and will answer so again.
    #[error("{why}")]
    Refused {
        /// What it answered with.
        status: StatusCode,
        why: String,
    },
    /// It will never work as it is.
    #[error("{0}")]
    Never(String),
}

impl SendError {
    /// The other side is not there.
    pub fn away(why: impl std::fmt::Display) -> Self {
        Self::Away { why: why.to_string(), after: None }
    }

    /// Whether it is of no use to try again.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Never(_))
    }

    /// How long the other side asks us to stay away.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Away { after, .. } => *after,
            _ => None,
        }
    }
}

/// How long an answer asks us to stay away (RFC 9110, section 10.2.3), within bounds. A date is taken against the answer's own, so that
/// neither clock must be right.
fn retry_after_of(headers: &hyper::HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let said = text("retry-after")?;
    let seconds = if said.bytes().all(|byte| byte.is_ascii_digit()) && !said.is_empty() {
        said.parse().unwrap_or(u64::MAX)
    } else {
        let here = text("date").and_then(http_date).unwrap_or(now.as_millis() / 1000);
        http_date(said)?.saturating_sub(here).max(0).unsigned_abs()
    };
    Some(Duration::from_secs(seconds).clamp(ASKED_MIN, ASKED_MAX))
}

/// Seconds since 1970 of a date as HTTP writes it (RFC 9110, section 5.6.7).
fn http_date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok().map(jiff::Timestamp::as_second)
}

/// How long to wait after this many attempts that failed, milliseconds: with jitter, since others may have failed with us.
pub fn backoff_ms(attempts: u32) -> u64 {
    retry_ms(attempts.saturating_sub(1), BACKOFF_FIRST_MS, BACKOFF_LAST_MS, entropy())
}

/// What a file with a secret holds, or a secret that was typed into a form; nothing without either.
pub fn secret(file: Option<&Path>) -> Result<String, SendError> {
    let Some(path) = file else { return Ok(String::new()) };
    let text = match crate::sealed_secret::opened(path) {
        Some(opened) => opened.map_err(SendError::Later)?,
        None => {
            std::fs::read_to_string(path).map_err(|error| SendError::Later(format!("{}: {error}", path.display())))?
        }
    };
    let secret = text.trim();
    hide(secret);
    Ok(secret.to_owned())
}

/// A request to another system, sent once.
pub struct Request<'a> {
    /// `GET`, `POST` and the like.
    pub method: &'a str,
    /// `http://` or `https://`, host, port where it is not the usual one, path and query.
    pub url: &'a str,
    /// `Content-Type` of the body.
    pub content_type: &'a str,
    /// Further headers: name and value.
    pub headers: Vec<(String, String)>,
    /// Bytes of the body; none for an empty one.
    pub body: Vec<u8>,
}

fn is_secure(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

/// Host as it is written, and port, that an address leads to.
pub fn endpoint(uri: &Uri) -> Option<(&str, u16)> {
    Some((uri.host()?, uri.port_u16().unwrap_or(if is_secure(uri) { 443 } else { 80 })))
}

/// The request as it goes over the line: `target` is its path and query, `host` whom it is for.
fn built(request: Request<'_>, target: &str, host: &str) -> Result<hyper::Request<Full<Bytes>>, SendError> {
    let mut built = hyper::Request::builder()
        .method(request.method)
        .uri(target)
        .header("host", host)
        .header("content-type", request.content_type)
        .header("user-agent", concat!("ioc-collector/", env!("CARGO_PKG_VERSION")));
    for (name, value) in &request.headers {
        built = built.header(name, value);
    }
    built.body(Full::new(Bytes::from(request.body))).map_err(|error| SendError::Never(error.to_string()))
}

/// Sends a request, and gives the answer when it is a good one. The answer may take as long as `limit`, connecting a while more.
pub async fn send_within(limit: Duration, request: Request<'_>) -> Result<String, SendError> {
    let body = ask(limit, request, None).await?;
    Ok(String::from_utf8_lossy(&body.unwrap_or_default()).into_owned())
}

/// The same for an answer that is no text. `authorities` are the certificates, PEM, by which the other side's is checked; without them it is
/// those that this machine trusts.
///
/// # Errors
/// As for [`send_within`]; and when the answer breaks off or is larger than 1 MiB.
pub async fn fetch_within(
    limit: Duration,
    request: Request<'_>,
    authorities: Option<&str>,
) -> Result<Bytes, SendError> {
    let tls = authorities.map(client_config_of).transpose()?;
    let missing = || SendError::away(format!("the answer broke off, or is larger than {ANSWER_MAX_BYTES} bytes"));
    ask(limit, request, tls).await?.ok_or_else(missing)
}

/// What a good answer holds; none where it broke off or is too large.
async fn ask(
    limit: Duration,
    request: Request<'_>,
    tls: Option<Arc<ClientConfig>>,
) -> Result<Option<Bytes>, SendError> {
    let url = request.url;
    let uri: Uri = url.parse().map_err(|error| SendError::Never(format!("{url:?}: {error}")))?;
    let (host, port) = endpoint(&uri).ok_or_else(|| SendError::Never(format!("{url:?} names no host")))?;
    let secure = is_secure(&uri);
    let target = uri.path_and_query().map_or("/", |path| path.as_str());
    // What stands behind the host is often a key.
    let (scheme, bytes) = (uri.scheme_str().unwrap_or_default(), request.body.len());
    note(|| format!("→ {} {scheme}://{host}:{port}/… ({bytes} bytes)", request.method));
    let built = built(request, target, uri.authority().map_or(host, |authority| authority.as_str()))?;
    let away = |error: &dyn std::fmt::Display| SendError::away(format!("{host}:{port}: {error}"));
    let connect = within(CONNECT_TIMEOUT, TcpStream::connect((host.trim_matches(['[', ']']), port)));
    let tcp = connect.await.map_err(|error| away(&error))?;
    let (bounds, whom) = ((limit, ANSWER_MAX_BYTES), format!("{host}:{port}"));
    let Response { status, headers, body } = if secure {
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|error| SendError::Never(error.to_string()))?;
        let connector = TlsConnector::from(tls.map_or_else(client_config, Ok)?);
        let stream = within(CONNECT_TIMEOUT, connector.connect(name, tcp)).await.map_err(|error| away(&error))?;
        exchange(stream, built, bounds, &whom).await?
    } else {
        exchange(tcp, built, bounds, &whom).await?
    };
    note(|| {
        let answer = body.as_ref().map_or_else(String::new, |body| String::from_utf8_lossy(body).into_owned());
        format!("← {status} {}", short(&answer))
    });
    let why = || {
        let answer = body.as_ref().map_or_else(String::new, |body| String::from_utf8_lossy(body).into_owned());
        format!("answered {status}: {}", short(&answer))
    };
    match status.as_u16() {
        200..=299 => Ok(body),
        // The receiver says that it is too busy or broken; all other refusals will not change by themselves.
        429 | 503 => Err(SendError::Away { why: why(), after: retry_after_of(&headers, clock::now()) }),
        // A gateway that waited in vain does not know what became of it.
        504 => Err(SendError::Unknown(why())),
        408 | 425 | 500..=599 => Err(SendError::away(why())),
        _ => Err(SendError::Refused { status, why: why() }),
    }
}

/// The same, with the usual time for an answer.
pub async fn send(request: Request<'_>) -> Result<String, SendError> {
    send_within(ANSWER_TIMEOUT, request).await
}

async fn within<T>(limit: Duration, step: impl Future<Output = std::io::Result<T>>) -> std::io::Result<T> {
    let late = || std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no answer within {} s", limit.as_secs()));
    tokio::time::timeout(limit, step).await.unwrap_or_else(|_| Err(late()))
}

/// The beginning of an answer, for a person.
pub fn short(answer: &str) -> String {
    answer.chars().take(200).collect()
}

/// An answer as it came, whatever its status.
struct Response {
    status: StatusCode,
    headers: hyper::HeaderMap,
    /// None when it broke off or is larger than allowed.
    body: Option<Bytes>,
}

/// One request over a connection that was made for it. `whom` names the other side in errors.
async fn exchange<S>(
    stream: S,
    request: hyper::Request<Full<Bytes>>,
    (limit, answer_max_bytes): (Duration, usize),
    whom: &str,
) -> Result<Response, SendError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(|error| SendError::away(format!("{whom}: {error}")))?;
    // Ends with this exchange, however that ends.
    let mut driver = tokio::task::JoinSet::new();
    driver.spawn(connection);
    let answer = async {
        let response = sender.send_request(request).await.map_err(|error| {
            // From here on it may have been read, whatever became of the answer.
            let why = format!("{whom}: {error}");
            if error.is_canceled() { SendError::away(why) } else { SendError::Unknown(why) }
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = Limited::new(response.into_body(), answer_max_bytes).collect().await;
        Ok(Response { status, headers, body: body.ok().map(http_body_util::Collected::to_bytes) })
    };
    let late = || SendError::Unknown(format!("{whom}: no answer within {} s", limit.as_secs()));
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| Err(late()))
}

/// Sends a request over a Unix socket, and gives status and body of the answer, whatever they are. The answer may take as long as `limit`.
///
/// # Errors
/// When nobody listens there, or the answer is late, breaks off or is larger than `answer_max_bytes`.
pub async fn send_to_socket(
    socket: &Path,
    (limit, answer_max_bytes): (Duration, usize),
    request: Request<'_>,
) -> Result<(StatusCode, Bytes), SendError> {
    let whom = socket.display().to_string();
    let stream = within(CONNECT_TIMEOUT, UnixStream::connect(socket)).await.map_err(SendError::away)?;
    let target = request.url;
    let built = built(request, target, "localhost")?;
    let Response { status, body, .. } = exchange(stream, built, (limit, answer_max_bytes), &whom).await?;
    let missing = || SendError::Unknown(format!("the answer broke off, or is larger than {answer_max_bytes} bytes"));
    Ok((status, body.ok_or_else(missing)?))
}

/// Trusts what this machine trusts. Reading its certificates takes longer than most requests, so they are remembered for a while.
pub fn client_config() -> Result<Arc<ClientConfig>, SendError> {
    static KNOWN: Mutex<Option<(u64, Arc<ClientConfig>)>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let now_us = clock::boottime_us();
    if let Some((_, config)) = known.as_ref().filter(|(at, _)| now_us.saturating_sub(*at) < ROOTS_LIFE_US) {
        return Ok(Arc::clone(config));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = trusting(roots)?;
    *known = Some((now_us, Arc::clone(&config)));
    Ok(config)
}

/// Trusts these certificates, PEM, and no others.
fn client_config_of(authorities: &str) -> Result<Arc<ClientConfig>, SendError> {
    let mut roots = RootCertStore::empty();
    for one in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
        let one = one.map_err(|error| SendError::Never(format!("the authorities' certificates: {error}")))?;
        roots.add(one).map_err(|error| SendError::Never(format!("the authorities' certificates: {error}")))?;
    }
    if roots.is_empty() {
        return Err(SendError::Never("the file of authorities holds no certificate".to_owned()));
    }
    trusting(roots)
}

fn trusting(roots: RootCertStore) -> Result<Arc<ClientConfig>, SendError> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| SendError::Never(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_says_how_long_to_stay_away_within_bounds() {
        let now = "2026-11-28T10:00:00Z".parse().expect("time");
        let said = |lines: &[(&'static str, &'static str)]| {
            let mut headers = hyper::HeaderMap::new();
            for (name, value) in lines {
                headers.insert(*name, hyper::header::HeaderValue::from_static(value));
            }
            retry_after_of(&headers, now).map(|asked| asked.as_secs())
        };
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[("retry-after", "7")]), Some(7));
        assert_eq!(said(&[("retry-after", "0")]), Some(1));
        assert_eq!(said(&[("retry-after", "99999999999999999999999")]), Some(900));
        assert_eq!(said(&[("retry-after", "Sat, 28 Nov 2026 10:01:00 GMT")]), Some(60));
        // Against the receiver's own clock, which is a day behind.
        let date = ("date", "Fri, 27 Nov 2026 10:00:30 GMT");
        assert_eq!(said(&[("retry-after", "Fri, 27 Nov 2026 10:01:00 GMT"), date]), Some(30));
        assert_eq!(said(&[("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT")]), Some(1));
        assert_eq!(said(&[("retry-after", "soon")]), None);
        assert_eq!(said(&[("retry-after", "-5")]), None);
    }
}
