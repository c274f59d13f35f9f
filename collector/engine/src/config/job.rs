//! Jobs on other systems that report their success.

use std::path::PathBuf;

use serde::Deserialize;

use ioc_common::config::{ConfigError, Source, Span, SpanWithin, Spanned};
use ioc_common::id::DeviceId;
use ioc_judge::Severity;

use super::channel::warning;
use super::kind::is_name;

/// Longest title and advice, characters.
const TEXT_MAX_CHARS: usize = 300;

/// A job on another system that reports its success; without a report in time it is a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name, by which it reports: `POST /api/v1/heartbeats/<name>`.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// The device that it runs on or is about; none when nothing of the inventory fits.
    pub device: Option<DeviceId>,
    /// Its success is due this long after the last one.
    pub every: SpanWithin<60_000, 34_560_000_000>,
    /// How much later it may come.
    pub grace: SpanWithin<0, 2_678_400_000>,
    /// How bad it is when it does not come.
    pub severity: Severity,
    /// What to do then; may be empty.
    pub advice: String,
    /// File with the token that it must show.
    pub token_file: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobForm {
    name: Spanned<String>,
    title: Option<Spanned<String>>,
    device: Option<Spanned<String>>,
    every: SpanWithin<60_000, 34_560_000_000>,
    #[serde(default = "hour")]
    grace: SpanWithin<0, 2_678_400_000>,
    #[serde(default = "warning")]
    severity: Severity,
    advice: Option<Spanned<String>>,
    #[serde(deserialize_with = "ioc_common::config::secret_file")]
    token_file: PathBuf,
}

const fn hour() -> SpanWithin<0, 2_678_400_000> {
    SpanWithin(Span::secs(3600))
}

pub(super) fn check(source: &Source, forms: Vec<JobForm>) -> Result<Vec<Job>, ConfigError> {
    let mut found: Vec<Job> = Vec::new();
    for form in forms {
        let name = form.name.get_ref();
        if !is_name(name) || found.iter().any(|one| one.name == *name) {
            let message = format!("found job {name:?}; allowed are unique names of 1 to 40 characters A-Z a-z 0-9 - _");
            return Err(source.fault(form.name.span(), &message, "rename it"));
        }
        let device = form.device.map(|device| {
            DeviceId::new(device.get_ref()).map_err(|error| {
                source.fault(device.span(), &error.to_string(), "write the identifier as the list of devices shows it")
            })
        });
        let (title, advice) = (line(source, form.title)?, line(source, form.advice)?);
        found.push(Job {
            title: if title.is_empty() { name.clone() } else { title },
            name: form.name.into_inner(),
            device: device.transpose()?,
            every: form.every,
            grace: form.grace,
            severity: form.severity,
            advice,
            token_file: form.token_file,
        });
    }
    Ok(found)
}

/// A text of one line; empty when it is not given.
fn line(source: &Source, text: Option<Spanned<String>>) -> Result<String, ConfigError> {
    let Some(text) = text else { return Ok(String::new()) };
    let length = text.get_ref().trim().chars().count();
    if length == 0 || length > TEXT_MAX_CHARS || text.get_ref().chars().any(char::is_control) {
        let message = format!("found {length} characters; allowed are 1 to {TEXT_MAX_CHARS} in one line");
        return Err(source.fault(text.span(), &message, "write it shorter, or leave the key out"));
    }
    Ok(text.get_ref().trim().to_owned())
}
