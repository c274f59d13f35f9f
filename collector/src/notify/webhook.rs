//! Webhook: HTTP POST with Alertmanager's body, version 4, so that whatever takes Alertmanager's takes ours.
//! <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>

use std::path::Path;

use serde_json::json;

use ioc_common::enrolment::hex;
use ioc_judge::{DeviceInfo, Notice, Occasion};

use super::{Pairs, Wording};
use ioc_engine::config::Config;
use ioc_engine::http::{self, Request, SendError};
use ioc_store::template::as_line;

pub(super) async fn send(
    url: &str,
    secret_file: Option<&Path>,
    channel: &str,
    key: &str,
    notice: &Notice,
    wording: &Wording,
    config: &Config,
) -> Result<(), SendError> {
    let body = body(channel, notice, wording, config).to_string();
    let mut headers = vec![("idempotency-key".to_owned(), key.to_owned())];
    if secret_file.is_some() {
        let secret = http::secret(secret_file)?;
        let hmac_key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        let signature = hex(ring::hmac::sign(&hmac_key, body.as_bytes()).as_ref());
        headers.push(("x-ioc-signature".to_owned(), format!("sha256={signature}")));
    }
    http::send(Request { method: "POST", url, content_type: "application/json", headers, body: body.into_bytes() })
        .await?;
    Ok(())
}

/// Alertmanager's body.
pub(super) fn body(channel: &str, notice: &Notice, wording: &Wording, config: &Config) -> serde_json::Value {
    let status = if notice.occasion == Occasion::Resolved { "resolved" } else { "firing" };
    let device = |text: fn(&DeviceInfo) -> String| notice.device.as_ref().map(text).unwrap_or_default();
    let labels: Pairs = [
        ("alertname", if notice.rule.is_empty() { "manual".to_owned() } else { as_line(&notice.rule) }),
        ("severity", notice.severity.as_str().to_owned()),
        ("priority", notice.priority.as_str().to_owned()),
        ("device", device(|info| info.id.to_string())),
        ("name", device(|info| as_line(&info.name))),
        ("kind", device(|info| info.kind.as_str().to_owned())),
        ("place", device(|info| as_line(&info.place))),
        ("incident", notice.incident.to_string()),
        ("site", config.site_name.clone()),
    ]
    .into();
    let annotations: Pairs = [
        ("summary", wording.subject.clone()),
        ("description", wording.body.clone()),
        ("title_vi", as_line(&notice.title.vi)),
        ("title_en", as_line(&notice.title.en)),
        ("reason_vi", as_line(&notice.reason.vi)),
        ("reason_en", as_line(&notice.reason.en)),
        ("advice_vi", as_line(&notice.advice.vi)),
        ("advice_en", as_line(&notice.advice.en)),
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
