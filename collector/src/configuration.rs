//! `ioc-collector config`: the configuration that is set on pages as one text, and such a text applied whole or not at all.
//!
//! An export holds each part's text as it is, comments and all, in a table of its name. What a file of this machine holds is read from it here,
//! since the running collector tells nobody what may be secret in its files.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Value, json};

use ioc_common::config::{Source, Spanned, TomlTable};
use ioc_engine::config::{Config, tables_of};
use ioc_store::configuration::Part;
use ioc_store::template::percent_encoded;

use crate::arguments::ConfigCommand;
use crate::cli;

/// The parts of a text, in the order in which they stand.
type Texts = Vec<(Part, String)>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartForm {
    text: String,
}

/// Carries a command out, and gives what it says.
///
/// # Errors
/// When no collector runs, it refuses, or a file cannot be read or written.
pub async fn run(runtime: &Path, config: &Config, command: ConfigCommand) -> anyhow::Result<String> {
    match command {
        ConfigCommand::Export { to } => {
            let text = export(runtime, config).await?;
            let Some(file) = to else { return Ok(text) };
            ioc_common::redact::write(&file, &text).with_context(|| format!("cannot write {}", file.display()))?;
            Ok(format!("written to {}\n", file.display()))
        }
        ConfigCommand::Apply { file, plan, reason } => apply(runtime, &file, plan, &reason).await,
        ConfigCommand::Versions { part: None, .. } => Ok(parts(&all(runtime).await?)),
        ConfigCommand::Versions { part: Some(part), number: None } => {
            let path = format!("/api/v1/configuration/{}/versions?limit=500", percent_encoded(&part));
            let answer = cli::ask(runtime, "GET", &path, None).await?;
            let rows = answer["items"].as_array().cloned().unwrap_or_default();
            let row = |one: &Value| {
                format!(
                    "{:>4}  {}  {:<20} {}\n",
                    one["version"],
                    text(&one["at"]),
                    text(&one["who"]),
                    text(&one["why"])
                )
            };
            Ok(rows.iter().map(row).collect())
        }
        ConfigCommand::Versions { part: Some(part), number: Some(number) } => {
            let path = format!("/api/v1/configuration/{}/versions/{number}", percent_encoded(&part));
            Ok(text(&cli::ask(runtime, "GET", &path, None).await?["text"]))
        }
        ConfigCommand::Import { parts, reason } => {
            let body = json!({ "parts": parts, "reason": reason });
            let answer = cli::ask(runtime, "POST", "/api/v1/configuration/import", Some(body)).await?;
            Ok(taken_over(&answer))
        }
    }
}

async fn all(runtime: &Path) -> anyhow::Result<Vec<Value>> {
    let answer = cli::ask(runtime, "GET", "/api/v1/configuration", None).await?;
    Ok(answer.as_array().cloned().unwrap_or_default())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The parts, a line each.
fn parts(all: &[Value]) -> String {
    let mut lines = String::new();
    for one in all {
        let (part, state, at) = (text(&one["part"]), text(&one["state"]), text(&one["at"]));
        let by = if state == "file" { text(&one["file"]) } else { format!("{at} {}", text(&one["who"])) };
        let line = format!("{part:<14} {state:<8} version {:<4} {by} {}", one["version"], text(&one["fault"]));
        let _ = writeln!(lines, "{}", line.trim_end());
    }
    lines
}

/// All parts as one text.
async fn export(runtime: &Path, config: &Config) -> anyhow::Result<String> {
    let mut out =
        "# The configuration of IOC Watch, part by part. Apply it with: ioc-collector config apply FILE --plan\n"
            .to_owned();
    for one in all(runtime).await? {
        let (name, state) = (text(&one["part"]), text(&one["state"]));
        let said = match (state.as_str(), Part::parse(&name)) {
            ("default", _) | (_, None) => continue,
            ("file", Some(part)) => config.part(part).text,
            _ => text(&cli::ask(runtime, "GET", &format!("/api/v1/configuration/{name}"), None).await?["text"]),
        };
        let whose = if state == "file" { text(&one["file"]) } else { format!("version {}", one["version"]) };
        let _ = write!(out, "\n# {whose}\n[{name}]\ntext = {}\n", quoted(&said));
    }
    Ok(out)
}

/// A text of several lines as TOML has it: as it is, where it can be.
fn quoted(text: &str) -> String {
    let plain = !text.contains("'''") && text.chars().all(|one| !one.is_control() || matches!(one, '\n' | '\t'));
    if plain && !text.ends_with('\'') {
        return format!("'''\n{text}'''");
    }
    let table = TomlTable::from_iter([("t".to_owned(), ioc_common::config::TomlValue::String(text.to_owned()))]);
    let line = ioc_common::config::to_text(&table);
    line.split_once('=').map_or("\"\"", |(_, value)| value.trim()).to_owned()
}

/// What an exported text says of parts.
fn read(source: &Source) -> anyhow::Result<Texts> {
    let forms: std::collections::BTreeMap<Spanned<String>, PartForm> = source.parse()?;
    let part = |(name, form): (Spanned<String>, PartForm)| {
        let part = Part::parse(name.get_ref()).ok_or_else(|| {
            let known: Vec<&str> = Part::ALL.into_iter().map(Part::as_str).collect();
            let message = format!("found the part [{}]; allowed are {}", name.get_ref(), known.join(", "));
            source.fault(name.span(), &message, "correct its name, or remove it")
        })?;
        Ok((part, form.text))
    };
    forms.into_iter().map(part).collect()
}

async fn apply(runtime: &Path, file: &Path, plan: bool, reason: &str) -> anyhow::Result<String> {
    let source = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        Source::built_in("(standard input)", &text)
    } else {
        Source::read(file)?
    };
    let known = all(runtime).await?;
    let mut changes = Vec::new();
    for (part, said) in read(&source)? {
        let now = known.iter().find(|one| one["part"] == part.as_str());
        let version = now.map_or(0, |one| one["version"].as_u64().unwrap_or(0));
        changes.push(json!({ "part": part.as_str(), "text": said, "version": version }));
    }
    let body = json!({ "parts": changes, "reason": reason, "check": plan });
    let answer = cli::ask(runtime, "POST", "/api/v1/configuration", Some(body)).await?;
    let mut said = String::new();
    let planned = answer.as_array().cloned().unwrap_or_default();
    for one in &planned {
        let _ = write!(
            said,
            "{}: {} lines go, {} come\n{}",
            text(&one["part"]),
            one["removed"],
            one["added"],
            text(&one["difference"])
        );
    }
    let done = if plan { "nothing was applied" } else { "applied" };
    let _ = writeln!(said, "{} parts change; {done}", planned.len());
    Ok(said)
}

/// What is to be done once parts were taken over.
fn taken_over(answer: &Value) -> String {
    let mut said = String::new();
    for one in answer.as_array().into_iter().flatten() {
        let (name, file) = (text(&one["part"]), text(&one["file"]));
        let what = match Part::parse(&name) {
            Some(Part::Duty) => "file = … in [duty] of collector.toml".to_owned(),
            Some(Part::Rules) => "file = … in [rules] of collector.toml".to_owned(),
            Some(Part::Retention) => "file = … in [retention] of collector.toml".to_owned(),
            Some(Part::Software) => "software = … in [register] of collector.toml".to_owned(),
            Some(part) => format!("[{}] in {file}", tables_of(part).join("], [")),
            None => String::new(),
        };
        let _ = writeln!(said, "{name}: version {} is kept; now remove {what}", one["version"]);
    }
    said + "then: systemctl reload ioc-collector\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_out_of_an_export_as_it_went_in() {
        for said in [
            "[site]\nname = \"Trung tâm\" # chú thích\n",
            "",
            "x = '''a\nb'''\n",
            "a = 'b'",
            "\tx = \"\\u0001\"\n",
            "\u{1}",
        ] {
            let text = format!("[site]\ntext = {}\n", quoted(said));
            let read = read(&Source::built_in("x.toml", &text)).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(read, [(Part::Site, said.to_owned())]);
        }
        let wrong = read(&Source::built_in("x.toml", "\n[paths]\ntext = \"\"\n")).expect_err("no part").to_string();
        assert!(wrong.contains("x.toml:2") && wrong.contains("site, duty"), "{wrong}");
    }
}
