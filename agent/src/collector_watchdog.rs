//! What is said to others when the collector is missed: one POST with Alertmanager's body, so that whatever takes the collector's
//! webhooks takes this, too. Called by the surveyor, since the running agent needs no client of HTTP.

use serde_json::json;

use ioc_common::clock;
use ioc_probe::facts;

use crate::host::endpoint;
use crate::identity::IdentityStore;

/// Tells `url` that the collector has committed nothing for `seconds`, or that it is back.
///
/// # Errors
/// That this host is not enrolled, why there was no answer, or which status it had.
pub fn notify(url: &str, store: &IdentityStore, seconds: u64, back: bool) -> Result<(), String> {
    let identity = store.identity().map_err(|error| error.to_string())?;
    let host = facts::read(std::path::Path::new("/")).hostname;
    let (device, collector) = (identity.device.to_string(), identity.mqtt);
    let status = if back { "resolved" } else { "firing" };
    let minutes = seconds / 60;
    let (vi, en) = if back {
        (format!("Bộ thu {collector} đã hoạt động lại."), format!("The collector {collector} works again."))
    } else {
        (
            format!(
                "Bộ thu {collector} không ghi nhận gì trong {minutes} phút: có thể không còn ai giám sát. Kiểm tra máy chạy bộ thu."
            ),
            format!(
                "The collector {collector} has committed nothing for {minutes} min: nobody may be watching. Check its machine."
            ),
        )
    };
    let now = clock::now();
    let labels = json!({ "alertname": "collector-missed", "severity": "critical", "device": device, "host": host, "collector": collector });
    let annotations = json!({ "summary": vi, "description": format!("{vi}\n{en}"), "reason_vi": vi, "reason_en": en });
    let starts_at = now.plus_millis(-i64::try_from(seconds).unwrap_or(0).saturating_mul(1000));
    let ends_at = if back { now.to_string() } else { "0001-01-01T00:00:00Z".to_owned() };
    let body = json!({
        "version": "4", "groupKey": format!("collector-missed {device}"), "truncatedAlerts": 0, "status": status,
        "receiver": "missed", "groupLabels": { "alertname": "collector-missed" }, "commonLabels": labels,
        "commonAnnotations": annotations, "externalURL": "",
        "alerts": [{ "status": status, "labels": labels, "annotations": annotations, "startsAt": starts_at,
            "endsAt": ends_at, "generatorURL": "", "fingerprint": device }],
    });
    match endpoint::post(url, &body.to_string())? {
        200..=299 => Ok(()),
        status => Err(format!("{url} answered {status}")),
    }
}
