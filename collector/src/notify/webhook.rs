//! Webhook: HTTP POST with Alertmanager's body, version 4, so that whatever takes Alertmanager's takes ours.
//! <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>

use std::path::Path;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use ioc_common::enrolment::hex;
use ioc_judge::{Notice, Occasion};

use super::{Pairs, SendError, Wording};
use crate::config::Config;

/// Largest answer that is read.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

pub(super) async fn send(
    url: &str,
    secret_file: Option<&Path>,
    channel: &str,
    key: &str,
    notice: &Notice,
    wording: &Wording,
    config: &Config,
) -> Result<(), SendError> {
    let uri: Uri = url.parse().map_err(|error| SendError::Never(format!("{url:?}: {error}")))?;
    let body = body(channel, notice, wording, config).to_string();
    let host = uri.host().ok_or_else(|| SendError::Never(format!("{url:?} names no host")))?;
    let secure = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let mut request = hyper::Request::post(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header("host", uri.authority().map_or(host, |authority| authority.as_str()))
        .header("content-type", "application/json")
        .header("user-agent", concat!("ioc-collector/", env!("CARGO_PKG_VERSION")))
        .header("idempotency-key", key);
    if let Some(path) = secret_file {
        let secret =
            std::fs::read_to_string(path).map_err(|error| SendError::Later(format!("{}: {error}", path.display())))?;
        let hmac_key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.trim().as_bytes());
        let signature = hex(ring::hmac::sign(&hmac_key, body.as_bytes()).as_ref());
        request = request.header("x-ioc-signature", format!("sha256={signature}"));
    }
    let request = request.body(Full::new(Bytes::from(body))).map_err(|error| SendError::Never(error.to_string()))?;
    let later = |error: &dyn std::fmt::Display| SendError::Later(format!("{host}:{port}: {error}"));
    let tcp = TcpStream::connect((host.trim_matches(['[', ']']), port)).await.map_err(|error| later(&error))?;
    let status = if secure {
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|error| SendError::Never(error.to_string()))?;
        let stream = TlsConnector::from(client_config()?).connect(name, tcp).await.map_err(|error| later(&error))?;
        exchange(stream, request).await
    } else {
        exchange(tcp, request).await
    };
    let (status, answer) = status.map_err(|error| later(&error))?;
    match status.as_u16() {
        200..=299 => Ok(()),
        // The receiver says that it is too busy or broken; all other refusals will not change by themselves.
        408 | 425 | 429 | 500..=599 => Err(SendError::Later(format!("answered {status}: {answer}"))),
        _ => Err(SendError::Never(format!("answered {status}: {answer}"))),
    }
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
    let text =
        body.map(|body| String::from_utf8_lossy(&body.to_bytes()).chars().take(200).collect()).unwrap_or_default();
    driver.abort();
    Ok((status, text))
}

/// Trusts what this machine trusts.
fn client_config() -> Result<Arc<ClientConfig>, SendError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| SendError::Never(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn body(channel: &str, notice: &Notice, wording: &Wording, config: &Config) -> serde_json::Value {
    let status = if notice.occasion == Occasion::Resolved { "resolved" } else { "firing" };
    let device = &notice.device;
    let labels: Pairs = [
        ("alertname", notice.rule.clone()),
        ("severity", notice.severity.as_str().to_owned()),
        ("device", device.id.to_string()),
        ("name", device.name.clone()),
        ("kind", device.kind.as_str().to_owned()),
        ("place", device.place.clone()),
        ("incident", notice.incident.to_string()),
        ("site", config.site_name.clone()),
    ]
    .into();
    let annotations: Pairs = [
        ("summary", wording.subject.clone()),
        ("description", wording.body.clone()),
        ("title_vi", notice.title.vi.clone()),
        ("title_en", notice.title.en.clone()),
        ("reason_vi", notice.reason.vi.clone()),
        ("reason_en", notice.reason.en.clone()),
        ("advice_vi", notice.advice.vi.clone()),
        ("advice_en", notice.advice.en.clone()),
        ("occasion", notice.occasion.as_str().to_owned()),
    ]
    .into();
    let group: Pairs = [("incident", notice.incident.to_string())].into();
    // Alertmanager writes year 1 for "not yet".
    let ends_at = notice.resolved_at.map_or("0001-01-01T00:00:00Z".to_owned(), |at| at.to_string());
    json!({
        "version": "4",
        "groupKey": notice.incident.to_string(),
        "truncatedAlerts": 0,
        "status": status,
        "receiver": channel,
        "groupLabels": group,
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": config.web_url,
        "alerts": [{
            "status": status,
            "labels": labels,
            "annotations": annotations,
            "startsAt": notice.opened_at,
            "endsAt": ends_at,
            "generatorURL": wording.link,
            "fingerprint": format!("{:016x}", notice.incident.0),
        }],
    })
}
