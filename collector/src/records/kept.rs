//! `ioc-collector records retention` and `records hold`: how long records are kept, and what legal holds keep beyond that, asked of the running
//! collector.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use ioc_common::language::Language;

use crate::arguments::HoldCommand;
use crate::audit_verify::text;
use crate::cli;

/// How long each class is kept, a line each.
///
/// # Errors
/// When the collector does not answer, or refuses.
pub async fn retention(runtime: &Path, language: Language, as_json: bool) -> anyhow::Result<String> {
    let all = cli::ask(runtime, "GET", "/api/v1/records/retention", None).await?;
    if as_json {
        return Ok(format!("{all:#}\n"));
    }
    let mut said = String::new();
    for one in all.as_array().into_iter().flatten() {
        let keep = one["keep_s"].as_u64().map_or_else(|| "kept for good".to_owned(), |s| format!("kept {}", span(s)));
        let none = if one["counted_at"].is_null() { "not counted yet" } else { "none kept yet" };
        let more = if one["count_whole"] == false { "more than " } else { "" };
        let count = one["count"].as_u64().map_or_else(|| none.to_owned(), |count| format!("{more}{count} records"));
        let oldest = one["oldest"].as_str().map_or_else(String::new, |at| format!(" since {at}"));
        let last = one["last"]["at"].as_str().map_or_else(
            || "nothing deleted".to_owned(),
            |at| format!("last deletion {at}, {} records", one["last"]["count"]),
        );
        let (class, end) = (text(&one["class"])?, text(&one["end"])?);
        writeln!(said, "{class}: {keep}, then {end}; {count}{oldest}; held: {}; {last}", counted(&one["held"]))?;
        if let Some(by) = one["by"].as_str().filter(|by| !by.is_empty()) {
            writeln!(said, "  by {by} {}", one["reason"].as_str().unwrap_or_default())?;
        }
        if let Some(until) = one["waits_until"].as_str() {
            writeln!(
                said,
                "  new or shorter: deletes nothing before {until}; past their time: {}",
                counted(&one["going"])
            )?;
        }
        writeln!(said, "  {}", one["source"][language.as_str()].as_str().unwrap_or_default())?;
    }
    Ok(said)
}

/// Has a rule that waits delete from now on.
///
/// # Errors
/// When the collector does not answer, or refuses.
pub async fn begin_deletion(runtime: &Path, class: &str, reason: &str, name: &str) -> anyhow::Result<String> {
    let path = format!("/api/v1/records/retention/{class}/begin");
    cli::ask(runtime, "POST", &path, Some(json!({ "reason": reason, "name": name }))).await?;
    Ok(format!("{class}: what is past its time goes from now on\n"))
}

/// Lists, sets and ends legal holds.
///
/// # Errors
/// When the collector does not answer, or refuses.
pub async fn hold(runtime: &Path, command: HoldCommand) -> anyhow::Result<String> {
    match command {
        HoldCommand::List { json } => {
            let all = cli::ask(runtime, "GET", "/api/v1/records/holds", None).await?;
            if json { Ok(format!("{all:#}\n")) } else { list(&all) }
        }
        HoldCommand::Set { kind, subject, from, until, reason, name } => {
            let from = from.map(|at| at.to_string());
            let until = until.map(|at| at.to_string());
            let body = json!({
                "kind": kind, "subject": subject, "from": from, "until": until, "reason": reason, "name": name,
            });
            let set = cli::ask(runtime, "POST", "/api/v1/records/holds", Some(body)).await?;
            Ok(format!("legal hold {} is in force\n", set["number"]))
        }
        HoldCommand::End { number, reason, name } => {
            let path = format!("/api/v1/records/holds/{number}/end");
            cli::ask(runtime, "POST", &path, Some(json!({ "reason": reason, "name": name }))).await?;
            Ok(format!("legal hold {number} has ended\n"))
        }
    }
}

fn list(all: &Value) -> anyhow::Result<String> {
    let mut said = String::new();
    for one in all.as_array().into_iter().flatten() {
        let (kind, subject, by, reason) =
            (text(&one["kind"])?, text(&one["subject"])?, text(&one["by"])?, text(&one["reason"])?);
        let period = |at: &Value| at.as_str().unwrap_or("…").to_owned();
        let bounds = match (&one["from"], &one["until"]) {
            (Value::Null, Value::Null) => String::new(),
            (from, until) => format!(" from {} to {}", period(from), period(until)),
        };
        writeln!(said, "{}: {kind} {subject}{bounds}; by {by}, {}: {reason}", one["number"], text(&one["at"])?)?;
        if let Some(at) = one["ended_at"].as_str() {
            let said_of = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            writeln!(said, "  ended {at} by {}: {}", said_of("ended_by"), said_of("end_reason"))?;
        }
        if one["counted_at"].is_null() && one["ended_at"].is_null() {
            writeln!(said, "  what it keeps is being counted")?;
        }
        for kept in one["keeps"].as_array().into_iter().flatten() {
            writeln!(said, "  keeps {}: {}", text(&kept["class"])?, counted(&kept["held"]))?;
        }
    }
    Ok(if said.is_empty() { "nothing is held\n".to_owned() } else { said })
}

fn counted(count: &Value) -> String {
    match (count["count"].as_u64(), count["whole"].as_bool()) {
        (Some(count), Some(true)) => count.to_string(),
        (Some(count), _) => format!("at least {count}"),
        (None, _) => "not counted".to_owned(),
    }
}

fn span(seconds: u64) -> String {
    if seconds.is_multiple_of(86_400) { format!("{} d", seconds / 86_400) } else { format!("{} h", seconds / 3600) }
}
