//! Alerts of other systems: Alertmanager's webhook.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Extension, FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;

use ioc_common::clock::{self, Timestamp};
use ioc_common::id::DeviceId;
use ioc_judge::{Alert, InformationSource, Severity, Text};

use crate::api::device_id;
use crate::app::App;
use crate::problem::Problem;
use crate::rate_limit;
use crate::sign_in::system_token;
use ioc_engine::alert;
use ioc_engine::command::Command;
use ioc_engine::config::Config;

/// Most alerts in one message of another system.
const ALERTS_MAX: usize = 1000;
/// Longest text that is taken from an alert.
const ALERT_TEXT_MAX_CHARS: usize = 500;

/// Alertmanager's webhook body, version 4, as far as we read it.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(crate) struct AlertsBody {
    alerts: Vec<AlertBody>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct AlertBody {
    status: String,
    #[serde(default)]
    labels: HashMap<String, String>,
    #[serde(default)]
    annotations: HashMap<String, String>,
    #[serde(default, rename = "startsAt")]
    starts_at: Option<String>,
    #[serde(default, rename = "endsAt")]
    ends_at: Option<String>,
    #[serde(default)]
    fingerprint: String,
}

impl AlertBody {
    /// What it says, and by which names its device may be known. A fault names the place within the alert.
    fn alert(self, source: &str, source_device: &DeviceId, now: Timestamp) -> Result<(Alert, Vec<String>), String> {
        let since =
            optional_moment(self.starts_at.as_deref(), "startsAt")?.map_or(now, |at| alert::believable(at, now));
        optional_moment(self.ends_at.as_deref(), "endsAt")?;
        let firing = match self.status.to_ascii_lowercase().as_str() {
            "firing" => true,
            "resolved" => false,
            _ => return Err(format!("status: found {:?}; allowed are firing, resolved", sanitized(&self.status))),
        };
        let label = |name: &str| self.labels.get(name).map_or("", String::as_str);
        let note = |name: &str| self.annotations.get(name).map(|text| sanitized(text)).filter(|text| !text.is_empty());
        let name = if label("alertname").is_empty() { "alert" } else { label("alertname") };
        let title = note("summary").unwrap_or_else(|| sanitized(name));
        let reason = note("description").unwrap_or_else(|| title.clone());
        let severity = match label("severity") {
            "critical" | "page" | "emergency" => Severity::Critical,
            "info" | "none" => Severity::Info,
            _ => Severity::Warning,
        };
        // Without a fingerprint the labels tell two alerts of one name apart.
        let fingerprint = if self.fingerprint.is_empty() {
            let mut labels: Vec<_> = self.labels.iter().collect();
            labels.sort();
            sanitized(&format!("{labels:?}"))
        } else {
            sanitized(&self.fingerprint)
        };
        let names = alert::names(&self.labels);
        let alert = Alert {
            matter: None,
            source: InformationSource::Alert,
            // The engine knows who is registered.
            device: source_device.clone(),
            name: format!("{source}/{}", sanitized(name)),
            fingerprint,
            severity,
            title: Text::new(title.clone(), title),
            reason: Text::new(reason.clone(), reason),
            since,
            firing,
            over: Text::new("Hệ thống kia báo đã hết.", "The other system says that it is over."),
        };
        Ok((alert, names))
    }
}

/// A text of another system, without what cannot be shown.
fn sanitized(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(ALERT_TEXT_MAX_CHARS).collect()
}

/// A moment that another system tells, if it tells one.
fn optional_moment(text: Option<&str>, field: &str) -> Result<Option<Timestamp>, String> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    text.map(str::parse).transpose().map_err(|error| format!("{field}: {error}"))
}

/// Another system that has shown the token of its source. Nothing of its body is read before.
pub(crate) struct AlertSource(String);

impl FromRequestParts<App> for AlertSource {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token_of = |config: &Config, name: &str| {
            config.sources.iter().find(|one| one.name == name).map(|one| one.token_file.clone())
        };
        Ok(Self(system_token::shown(parts, app, token_of, "alert token").await?))
    }
}

/// Takes in alerts of another system.
pub(crate) async fn api(
    State(app): State<App>,
    AlertSource(source): AlertSource,
    Json(body): Json<AlertsBody>,
) -> Result<(Extension<rate_limit::ValidToken>, StatusCode), Problem> {
    if body.alerts.len() > ALERTS_MAX {
        return Err(Problem::invalid(format!("found {} alerts; allowed are {ALERTS_MAX}", body.alerts.len())));
    }
    let source_device = device_id(&format!("source-{source}"))?;
    let now = clock::now();
    let alerts = body.alerts.into_iter().enumerate().map(|(at, alert)| {
        alert.alert(&source, &source_device, now).map_err(|why| Problem::invalid(format!("alerts[{at}].{why}")))
    });
    let alerts = alerts.collect::<Result<_, _>>()?;
    app.engine.alert_command(Command::Alerts { source, alerts }).await?;
    Ok((Extension(rate_limit::ValidToken), StatusCode::NO_CONTENT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(body: Value) -> Result<(Alert, Vec<String>), String> {
        let body: AlertBody = serde_json::from_value(body).unwrap_or_else(|e| panic!("{e}"));
        let source_device = DeviceId::new("source-am").unwrap_or_else(|e| panic!("{e}"));
        let now = "2026-11-28T04:00:00Z".parse().unwrap_or_else(|e| panic!("{e}"));
        body.alert("am", &source_device, now)
    }

    #[test]
    fn an_alert_begins_when_it_can_have_begun_and_is_refused_by_the_place_of_its_fault() {
        let since = |starts: Value| {
            let body = json!({ "status": "firing", "labels": { "alertname": "X" }, "startsAt": starts,
                "endsAt": "0001-01-01T00:00:00Z" });
            read(body).map(|(alert, _)| alert.since.to_string())
        };
        for (starts, wanted) in [
            (json!("0001-01-01T00:00:00Z"), "2026-11-28T04:00:00.000Z"),
            (json!("1970-01-01T00:00:00Z"), "2026-11-28T04:00:00.000Z"),
            (json!("2031-01-01T00:00:00Z"), "2026-11-28T04:00:00.000Z"),
            (json!(""), "2026-11-28T04:00:00.000Z"),
            (Value::Null, "2026-11-28T04:00:00.000Z"),
            (json!("2026-11-28T03:00:00.123456789+00:00"), "2026-11-28T03:00:00.123Z"),
        ] {
            assert_eq!(since(starts.clone()).as_deref(), Ok(wanted), "{starts}");
        }
        assert!(since(json!("yesterday")).is_err_and(|why| why.starts_with("startsAt: ") && why.contains("yesterday")));
        let ends = read(json!({ "status": "resolved", "endsAt": "never" }));
        assert!(ends.is_err_and(|why| why.starts_with("endsAt: ")));
        assert!(read(json!({ "status": "maybe" })).is_err_and(|why| why.contains("allowed are firing, resolved")));
        assert!(read(json!({ "status": "resolved" })).is_ok_and(|(alert, _)| !alert.firing));
    }
}
