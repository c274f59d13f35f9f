//! The command line's way to the running collector: the same API, over its control socket.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use ioc_common::language::Language;
use ioc_engine::http::{self, Bytes, Request};
use ioc_web::server::CONTROL_SOCKET;

/// What is done most on the command line.
pub const EXAMPLES: &str = "Examples:
  ioc-collector init                                    ask about the site, and write the configuration
  ioc-collector check-config                            look at the configuration alone
  ioc-collector doctor                                  say what is wrong, and the fix
  ioc-collector enrol token new --group --uses 50       a token for many machines
  ioc-collector device list --json                      all devices, for programs
  ioc-collector account add lan --role duty_officer     an account";

/// How long an answer may take: a large import takes a while.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3600);
/// How long work may take that is answered when it is over: of a large store, a backup and a drill take hours.
const WORK_TIMEOUT: Duration = Duration::from_secs(86_400);
/// Largest answer.
const ANSWER_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Asks the running collector whose control socket lies below `runtime`.
///
/// # Errors
/// [`CliError`] when none runs, or it refuses.
pub async fn ask(runtime: &Path, method: &str, path: &str, body: Option<Value>) -> Result<Value, CliError> {
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    send(runtime, method, path, "application/json", body).await
}

/// Asks the running collector for work, and waits for its end.
///
/// # Errors
/// [`CliError`] when none runs, or it refuses.
pub async fn ask_for_work(runtime: &Path, path: &str, body: Value) -> Result<Value, CliError> {
    let bytes = raw(runtime, ("POST", path), "application/json", body.to_string(), WORK_TIMEOUT).await?;
    Ok(serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// The same with a body of another kind.
///
/// # Errors
/// [`CliError`] when none runs, or it refuses.
pub async fn send(runtime: &Path, method: &str, path: &str, kind: &str, body: String) -> Result<Value, CliError> {
    Ok(serde_json::from_slice(&raw(runtime, (method, path), kind, body, ANSWER_TIMEOUT).await?).unwrap_or(Value::Null))
}

/// What is answered in plain text.
///
/// # Errors
/// [`CliError`] when none runs, or it refuses.
pub async fn text(runtime: &Path, path: &str) -> Result<String, CliError> {
    let bytes = raw(runtime, ("GET", path), "text/plain", String::new(), ANSWER_TIMEOUT).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The content of a file.
///
/// # Errors
/// [`CliError`] when none runs, or it refuses.
pub async fn bytes(runtime: &Path, path: &str) -> Result<Bytes, CliError> {
    raw(runtime, ("GET", path), "application/octet-stream", String::new(), ANSWER_TIMEOUT).await
}

async fn raw(
    runtime: &Path,
    (method, path): (&str, &str),
    kind: &str,
    body: String,
    timeout: Duration,
) -> Result<Bytes, CliError> {
    let socket = runtime.join(CONTROL_SOCKET);
    let body = body.into_bytes();
    let request = Request { method, url: path, content_type: kind, headers: Vec::new(), body };
    let answer = http::send_to_socket(&socket, (timeout, ANSWER_MAX_BYTES), request).await;
    let (status, bytes) = answer
        .map_err(|error| CliError::Unreachable { socket: socket.display().to_string(), why: error.to_string() })?;
    if status.is_success() {
        return Ok(bytes);
    }
    let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let detail = value["detail"].as_str().map_or_else(|| String::from_utf8_lossy(&bytes).into_owned(), str::to_owned);
    Err(CliError::Refused { status: status.as_u16(), detail })
}

/// A command could not be carried out.
#[allow(missing_docs, reason = "the names of the fields say what they are")]
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// No collector answers.
    #[error(
        "cannot reach the collector at {socket}: {why}; mend: start it ('systemctl start ioc-collector'), run this as its user or root, or name its configuration with --config"
    )]
    Unreachable { socket: String, why: String },
    /// It said no.
    #[error("the collector refused ({status}): {detail}")]
    Refused {
        /// HTTP status, 400 to 599.
        status: u16,
        detail: String,
    },
}

/// What a table changes in the asset register, a line for each column of a row.
#[must_use]
pub fn changes_of(answer: &Value, check: bool) -> String {
    let mut lines = String::new();
    let rows = answer["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    for row in rows {
        for one in row["changes"].as_array().into_iter().flatten() {
            let new = if row["is_new"] == true { " (new)" } else { "" };
            lines +=
                &format!("{}{new}: {}: {} -> {}\n", said(&row["device"]), said(&one["field"]), one["old"], one["new"]);
        }
    }
    let done = if check { "nothing was imported" } else { "imported" };
    lines + &format!("{} assets change; {done}\n", rows.len())
}

/// A replay, for a person.
#[must_use]
pub fn replayed(answer: &Value, language: Language) -> String {
    let mut page = String::new();
    for one in answer["decisions"].as_array().unwrap_or(&Vec::new()) {
        let reason = said(&one["reason"][language.as_str()]);
        page += &format!("{}  {:<8} {}\n    {reason}\n", said(&one["at"]), said(&one["state"]), said(&one["series"]));
    }
    let (from, until) = (said(&answer["from"]), said(&answer["until"]));
    page + &format!("{} reports from {from} until {until}\n", answer["reports"])
}

/// A text of an answer; a dash where there is none.
#[must_use]
pub fn said(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}
