//! A notice as Alertmanager's webhook body, version 4: what a webhook posts and a broker gets.
//! <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>

use std::collections::HashMap;

use serde_json::json;

use ioc_judge::{DeviceInfo, Occasion};

use ioc_engine::notifier::Message;
use ioc_store::template::as_line;

/// Labels and texts by name.
type Pairs = HashMap<&'static str, String>;

/// Alertmanager's body.
pub(super) fn body(message: Message<'_>) -> serde_json::Value {
    let Message { channel, notice, wording, site_name, web_url, .. } = message;
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
        ("site", site_name.to_owned()),
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
        "externalURL": web_url,
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
