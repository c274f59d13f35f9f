//! What is handed on to whoever helps: by a list of what is known to be harmless, never by guessing what is secret.
//!
//! A configuration is parsed, and each value let out only where its key is on the list and it has the shape that the key asks for; of all
//! else only kind and length are told. So it does not matter how a secret is written down: in a header, a link, a body or a comment.
//! Called by both programs' `doctor --bundle`, and by the loader of configurations for what its errors quote.

use std::fmt::Write as _;
use std::path::Path;

use crate::reading;
use crate::span::Span;

/// What a harmless value looks like.
enum Shape {
    Number,
    Span,
    /// One of these words.
    Word(&'static [&'static str]),
    /// An address to listen on.
    Listen,
    /// An absolute path of plain letters.
    Path,
    /// The name of a time zone, such as `Asia/Ho_Chi_Minh`, or `UTC`.
    Zone,
    /// Name of a probe.
    Probe,
}

const SEVERITIES: Shape = Shape::Word(&["info", "warning", "critical"]);
/// Keys whose values are let out, tables joined by dots, arrays left out.
const HARMLESS: [(&str, Shape); 53] = [
    ("site.language", Shape::Word(&["vi", "en"])),
    ("site.timezone", Shape::Zone),
    ("paths.data", Shape::Path),
    ("paths.runtime", Shape::Path),
    ("paths.state", Shape::Path),
    ("ingest.listen", Shape::Listen),
    ("ingest.connections_max", Shape::Number),
    ("ingest.newcomers_max", Shape::Number),
    ("ingest.newcomers_per_address_max", Shape::Number),
    ("ingest.newcomers_per_network_max", Shape::Number),
    ("web.listen", Shape::Listen),
    ("pki.device_life", Shape::Span),
    ("presence.settle", Shape::Span),
    ("presence.host_probe_ports", Shape::Number),
    ("incidents.reopen_within", Shape::Span),
    ("incidents.storm_within", Shape::Span),
    ("incidents.storm_devices", Shape::Number),
    ("incidents.storm_hold", Shape::Span),
    ("history.fold", Shape::Span),
    ("history.keep", Shape::Span),
    ("history.keep_5m", Shape::Span),
    ("history.keep_1h", Shape::Span),
    (
        "people.second_factor_for",
        Shape::Word(&["viewer", "technician", "duty_officer", "leader", "auditor", "administrator"]),
    ),
    ("settings.interval", Shape::Span),
    ("settings.forbid", Shape::Probe),
    ("prometheus.labels", Shape::Word(&["name", "place", "label", "kind"])),
    ("heartbeat.every", Shape::Span),
    ("channel.type", Shape::Word(&["smtp", "webhook", "syslog", "mqtt", "http"])),
    ("channel.min_severity", SEVERITIES),
    ("channel.per_minute", Shape::Number),
    ("channel.tls", Shape::Word(&["none", "starttls", "tls"])),
    ("ticket.min_severity", SEVERITIES),
    ("collector.keep_alive", Shape::Span),
    ("report.interval", Shape::Span),
    ("spool.ring_max_reports", Shape::Number),
    ("spool.max_bytes", Shape::Number),
    ("spool.spill_after", Shape::Span),
    ("probes.forbid", Shape::Probe),
    ("endpoint.kind", Shape::Word(&["tcp", "https", "dns", "icmp"])),
    ("backup.kind", Shape::Word(&["marker", "timer", "restic", "borg", "pgbasebackup"])),
    ("backup.daily", Shape::Number),
    ("backup.weekly", Shape::Number),
    ("backup.monthly", Shape::Number),
    ("backup.command_timeout", Shape::Span),
    ("backup.drill_every", Shape::Span),
    ("backup.max_mib_per_s", Shape::Number),
    ("backup.peak_mib_per_s", Shape::Number),
    ("wall.columns", Shape::Number),
    ("collector_watchdog.after", Shape::Span),
    ("stop.return_within", Shape::Span),
    ("modbus.every", Shape::Span),
    ("modbus.timeout", Shape::Span),
    ("modbus.tries", Shape::Number),
];

/// Names of other keys: they are ours and say nothing, but what stands behind them might.
const KEYS: [&str; 67] = [
    "directory",
    "at",
    "passphrase_file",
    "recipients",
    "identity_file",
    "unsealed_with_every_key_readable",
    "command",
    "name",
    "agencies",
    "advertise",
    "url",
    "names",
    "certificate",
    "key",
    "oidc",
    "issuer",
    "client_id",
    "secret_file",
    "claim",
    "scope",
    "devices",
    "places",
    "tags",
    "kinds",
    "remote_write",
    "token_file",
    "rules",
    "file",
    "values",
    "profile",
    "duty",
    "source",
    "always",
    "fallback",
    "server",
    "from",
    "to",
    "user",
    "password_file",
    "topic",
    "method",
    "headers",
    "body",
    "mqtt",
    "every",
    "commands",
    "software",
    "services",
    "up",
    "ports",
    "approved",
    "certificates",
    "paths",
    "antivirus",
    "custom",
    "address",
    "target",
    "smart",
    "raid",
    "broker",
    "addresses",
    "authority_file",
    "unacknowledged_min",
    "authorization_listen",
    "proxy",
    "proxy_user",
    "proxy_password_file",
];

/// Writes what is handed on, for its owner alone to read.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
    let mut options = std::fs::OpenOptions::new();
    options.write(true).mode(0o600);
    // A file that was there may be open to others, and a link leads where somebody else wants. A terminal, or what else is no file, stays;
    // the links of /dev are root's alone.
    let is_device = |about: &std::fs::Metadata| about.file_type().is_char_device() || about.file_type().is_fifo();
    let is_roots = |link: &std::fs::Metadata| link.uid() == 0 && path.parent() == Some(Path::new("/dev"));
    match std::fs::symlink_metadata(path) {
        Ok(about) if is_device(&about) || about.is_symlink() && is_roots(&about) => {
            return options.open(path)?.write_all(text.as_bytes());
        }
        Ok(about) if about.is_file() => std::fs::remove_file(path)?,
        Ok(_) => return Err(std::io::Error::other("it is no plain file; give another name")),
        Err(_) => {}
    }
    options.create_new(true).open(path)?.write_all(text.as_bytes())
}

/// A configuration without anything that may be secret, or say who people are: a line for each value.
#[must_use]
pub fn configuration(text: &str) -> String {
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start).min(text.len());
            let line = text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
            return format!("(not TOML: {} bytes, wrong in line {line})\n", text.len());
        }
    };
    let mut out = String::new();
    for (key, value) in &table {
        walk(&mut out, key, &shown_key(key), value);
    }
    out
}

/// Writes a value, or those in it: `path` is what the list knows it by, `shown` what the reader sees.
fn walk(out: &mut String, path: &str, shown: &str, value: &toml::Value) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                walk(out, &format!("{path}.{key}"), &format!("{shown}.{}", shown_key(key)), value);
            }
        }
        toml::Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                walk(out, path, &format!("{shown}[{at}]"), value);
            }
        }
        value => {
            let known = HARMLESS.iter().find(|(key, _)| *key == path).is_some_and(|(_, shape)| fits(shape, value));
            let _ = match value {
                toml::Value::Boolean(value) => writeln!(out, "{shown} = {value}"),
                toml::Value::String(text) if known => writeln!(out, "{shown} = {text:?}"),
                toml::Value::Integer(value) if known => writeln!(out, "{shown} = {value}"),
                toml::Value::String(text) => writeln!(out, "{shown} = {}", hidden_text(text)),
                toml::Value::Integer(_) => writeln!(out, "{shown} = (a whole number)"),
                toml::Value::Float(_) => writeln!(out, "{shown} = (a number)"),
                _ => writeln!(out, "{shown} = (a time)"),
            };
        }
    }
}

/// A key, where it is one of ours.
fn shown_key(key: &str) -> String {
    let ours = KEYS.contains(&key) || HARMLESS.iter().any(|(path, _)| path.split('.').any(|part| part == key));
    if ours { key.to_owned() } else { format!("(a key of {} characters)", key.chars().count()) }
}

/// A text that is not let out.
fn hidden_text(text: &str) -> String {
    format!("(a text of {} characters)", text.chars().count())
}

fn fits(shape: &Shape, value: &toml::Value) -> bool {
    let plain = |text: &str, also: &str| {
        text.len() <= 80 && text.chars().all(|one| one.is_ascii_alphanumeric() || also.contains(one))
    };
    match (shape, value) {
        (Shape::Number, toml::Value::Integer(_)) => true,
        (Shape::Span, toml::Value::String(text)) => text.parse::<Span>().is_ok(),
        (Shape::Word(words), toml::Value::String(text)) => words.contains(&text.as_str()),
        (Shape::Probe, toml::Value::String(text)) => reading::probe(text).is_some(),
        (Shape::Listen, toml::Value::String(text)) => text.parse::<core::net::SocketAddr>().is_ok(),
        (Shape::Path, toml::Value::String(text)) => text.starts_with('/') && plain(text, "/_.-"),
        (Shape::Zone, toml::Value::String(text)) => plain(text, "/_+-") && (text.contains('/') || text == "UTC"),
        _ => false,
    }
}

/// Parts of reasons that every system gives, and that say nothing of anyone.
const PHRASES: [&str; 36] = [
    "permission denied",
    "operation not permitted",
    "no such file or directory",
    "is a directory",
    "not a directory",
    "file exists",
    "read-only file system",
    "no space left on device",
    "too many open files",
    "input/output error",
    "connection refused",
    "connection reset",
    "connection timed out",
    "timed out",
    "took too long",
    "no route to host",
    "network is unreachable",
    "broken pipe",
    "name or service not known",
    "temporary failure in name resolution",
    "certificate",
    "expired",
    "handshake",
    "is not installed",
    "not found",
    "no answer",
    "does not answer",
    "answers",
    "ended with",
    "killed",
    "out of memory",
    "not utf-8",
    "database is locked",
    "is malformed",
    "is not enrolled",
    "not there",
];

/// Of a reason: how long it is, and what every system says.
#[must_use]
pub fn reason(text: &str) -> String {
    let low = text.to_lowercase();
    let known: Vec<&str> = PHRASES.into_iter().filter(|phrase| low.contains(phrase)).collect();
    let count = text.chars().count();
    if known.is_empty() {
        format!("({count} characters)")
    } else {
        format!("({count} characters: {})", known.join(", "))
    }
}

/// A JSON document of ours: numbers and truths, texts of the keys in `shown` where they are plain words, of other texts what [`reason`]
/// says. Keys are ours.
#[must_use]
pub fn document(value: &serde_json::Value, shown: &[&str]) -> String {
    let mut out = String::new();
    leaves(&mut out, "", value, shown);
    out
}

fn leaves(out: &mut String, path: &str, value: &serde_json::Value, shown: &[&str]) {
    let plain =
        |text: &str| text.len() <= 40 && text.chars().all(|one| one.is_ascii_alphanumeric() || "_.:+-".contains(one));
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                let key =
                    if plain(key) { key.clone() } else { format!("(a key of {} characters)", key.chars().count()) };
                leaves(out, &format!("{path}{}{key}", if path.is_empty() { "" } else { "." }), value, shown);
            }
        }
        serde_json::Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                leaves(out, &format!("{path}[{at}]"), value, shown);
            }
        }
        serde_json::Value::String(text) => {
            let key = path.rsplit('.').next().unwrap_or(path);
            let text = if shown.contains(&key) && plain(text) { text.clone() } else { reason(text) };
            let _ = writeln!(out, "{path} {text}");
        }
        other => {
            let _ = writeln!(out, "{path} {other}");
        }
    }
}

/// The fields of the journal that [`log`] reads.
pub const LOG_FIELDS: &str = "PRIORITY,IOC_TARGET,IOC_EVENT";

/// Lines of the journal (`-o json`): when, how bad, which part of our programs, and what it says everywhere. What it says of this place,
/// and whatever else wrote there, is only counted.
#[must_use]
pub fn log(lines: &str) -> String {
    let (mut out, mut others) = (String::new(), 0_u64);
    let harmless = |text: &str, also: &str| {
        text.len() <= 200 && text.chars().all(|one| one.is_ascii_alphanumeric() || also.contains(one))
    };
    for line in lines.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        let text = |field: &str| entry[field].as_str().unwrap_or_default();
        let (target, event) = (text("IOC_TARGET"), text("IOC_EVENT"));
        let ours =
            target.starts_with("ioc_") && harmless(target, "_:") && !event.is_empty() && harmless(event, " ,.;:'()-");
        let at_us = text("__REALTIME_TIMESTAMP").parse::<i64>();
        match at_us {
            Ok(at_us) if ours => {
                let priority: u8 = text("PRIORITY").parse().unwrap_or(9);
                let at = crate::clock::Timestamp::from_millis(at_us / 1000);
                let _ = writeln!(out, "{at} {priority} {target} {event}");
            }
            _ => others += 1,
        }
    }
    let _ = writeln!(out, "({others} other lines)");
    out
}

/// Keys whose values are people's own: an error does not quote them.
const OWN: [&str; 34] = [
    "url",
    "headers",
    "header",
    "body",
    "template",
    "to",
    "from",
    "user",
    "server",
    "password",
    "pass",
    "secret",
    "token",
    "authorization",
    "key",
    "credential",
    "credentials",
    "issuer",
    "client_id",
    "address",
    "command",
    "environment",
    "env",
    "secret_file",
    "token_file",
    "password_file",
    "target",
    "query",
    "form",
    "auth",
    "pin",
    "community",
    "running",
    "paths",
];

/// A line of a configuration as an error may quote it, and whether its values were taken out. `whole` says that the file as such can be
/// read, so that the line is what it looks like, and `known` that its key is one of ours.
#[must_use]
pub fn quoted(line: &str, whole: bool, known: bool) -> (String, bool) {
    let line = without_comment(line);
    let line = line.trim_end();
    let (key, value) = line.split_once('=').map_or((line, ""), |(key, value)| (key, value));
    let bare = key.trim().rsplit('.').next().unwrap_or_default().trim_matches(['"', '\'']).to_ascii_lowercase();
    let heading = line.trim_start().starts_with('[') && line.ends_with(']') && value.is_empty();
    let own = OWN
        .iter()
        .any(|own| bare == *own || bare.ends_with(&format!("_{own}")) || bare.starts_with(&format!("{own}_")));
    // A private key in the place of a public one, or of its file.
    let secret = value.to_ascii_lowercase().contains("age-secret-key");
    let plain = !value.is_empty()
        && !secret
        && !value.contains(['{', '@'])
        && !value.contains("://")
        && !value.contains("\"\"\"");
    if whole && (heading || (known && plain && !own)) {
        return (line.to_owned(), false);
    }
    if value.is_empty() && !line.contains('=') {
        return (format!("({} characters)", line.chars().count()), true);
    }
    (format!("{}= ({} characters)", key, value.trim().chars().count()), true)
}

/// A line up to its comment.
fn without_comment(line: &str) -> &str {
    let mut within = None;
    for (at, one) in line.char_indices() {
        match within {
            None if one == '#' => return line.get(..at).unwrap_or(line),
            None if matches!(one, '"' | '\'') => within = Some(one),
            Some(quote) if one == quote => within = None,
            _ => {}
        }
    }
    line
}

/// An error's message without the values it quotes: what stands in double quotes, and the value that a parser found.
#[must_use]
pub fn message(text: &str) -> String {
    let mut out = String::new();
    // "unknown field `x`, expected …" names keys; "unknown variant `x`" and "integer `x`" quote a value.
    let quotes_values = ["unknown variant `", "integer `", "floating point `", "string `", "character `"];
    let ticked = quotes_values.iter().find_map(|before| text.find(before).map(|at| at + before.len()));
    let mut hidden_until = None;
    for (at, one) in text.char_indices() {
        if let Some(end) = hidden_until {
            if one == end {
                hidden_until = None;
                out.push_str("(not shown)");
                out.push(one);
            }
            continue;
        }
        if ticked == Some(at) {
            hidden_until = Some('`');
            if one == '`' {
                hidden_until = None;
                out.push('`');
            }
            continue;
        }
        out.push(one);
        if one == '"' {
            hidden_until = Some('"');
        }
    }
    if hidden_until.is_some() {
        out.push_str("(not shown)");
    }
    out
}

#[cfg(test)]
mod tests;
