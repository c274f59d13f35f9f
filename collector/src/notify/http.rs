//! One HTTP request, with all that makes a delivery fail told apart: what may work later, and what never will.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::SendError;

/// Largest answer that is read.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// A request.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    pub(super) content_type: &'a str,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

/// Sends a request, and gives the answer when it is a good one.
pub(super) async fn send(request: Request<'_>) -> Result<String, SendError> {
    let url = request.url;
    let uri: Uri = url.parse().map_err(|error| SendError::Never(format!("{url:?}: {error}")))?;
    let host = uri.host().ok_or_else(|| SendError::Never(format!("{url:?} names no host")))?;
    let secure = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
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

/// The beginning of an answer, for a person.
pub(super) fn short(answer: &str) -> String {
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

/// Trusts what this machine trusts.
fn client_config() -> Result<Arc<ClientConfig>, SendError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| SendError::Never(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
