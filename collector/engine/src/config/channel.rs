//! Channels for notices, and other ties to the world outside: the dead man's switch, systems whose alerts are taken in.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use ioc_common::config::{Bounded, ConfigError, Source, SpanWithin, Spanned, Table};
use ioc_judge::Severity;

use super::kind::{ConfigContext, ConnectorKind, is_name, whole_url};
use crate::notifier::Notifier;

/// A channel for notices.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Its name in the configuration, unique.
    pub name: String,
    /// Notices below this are not sent here.
    pub min_severity: Severity,
    /// It carries every notice, whoever is on duty; otherwise only what is for people it is a contact of.
    pub always: bool,
    /// The channel that takes over what this one cannot deliver.
    pub fallback: Option<String>,
    /// Most messages in a minute; the rest waits.
    pub per_minute: u32,
    /// The name of its kind in the configuration.
    pub kind: &'static str,
    /// How its kind delivers.
    pub notifier: Arc<dyn Notifier>,
}

/// What all channels say ([`COMMON`]); what else stands there is for the kind.
#[derive(Deserialize)]
pub(super) struct ChannelForm {
    name: Spanned<String>,
    #[serde(default = "warning")]
    min_severity: Severity,
    always: Option<bool>,
    fallback: Option<Spanned<String>>,
    per_minute: Option<Bounded<1, 6000>>,
    #[serde(rename = "type")]
    kind: Spanned<String>,
}

const COMMON: [&str; 6] = ["name", "type", "min_severity", "always", "fallback", "per_minute"];

pub(super) const fn warning() -> Severity {
    Severity::Warning
}

/// Where a heartbeat is sent while the collector works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The address that is called.
    pub url: String,
    /// Time between two calls.
    pub every: SpanWithin<5_000, 86_400_000>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeartbeatForm {
    url: Spanned<String>,
    #[serde(default = "minute")]
    every: SpanWithin<5_000, 86_400_000>,
}

const fn minute() -> SpanWithin<5_000, 86_400_000> {
    SpanWithin(ioc_common::config::Span::secs(60))
}

impl HeartbeatForm {
    pub(super) fn check(self, source: &Source) -> Result<Heartbeat, ConfigError> {
        Ok(Heartbeat { url: whole_url(source, self.url)?, every: self.every })
    }
}

/// A system whose alerts are taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertSource {
    /// Its name, which stands before those of its alerts.
    pub name: String,
    /// File with the token it must show.
    pub token_file: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceForm {
    name: Spanned<String>,
    #[serde(deserialize_with = "ioc_common::config::secret_file")]
    token_file: PathBuf,
}

pub(super) fn check_sources(source: &Source, forms: Vec<SourceForm>) -> Result<Vec<AlertSource>, ConfigError> {
    let mut found: Vec<AlertSource> = Vec::new();
    for form in forms {
        let name = form.name.get_ref();
        // What stands before the names of jobs' faults.
        if !is_name(name) || name == "job" || found.iter().any(|one| one.name == *name) {
            let message = format!(
                "found source {name:?}; allowed are unique names of 1 to 40 characters A-Z a-z 0-9 - _, but for \"job\""
            );
            return Err(source.fault(form.name.span(), &message, "rename it"));
        }
        found.push(AlertSource { name: form.name.into_inner(), token_file: form.token_file });
    }
    Ok(found)
}

impl ChannelForm {
    /// Where its fallback stands; nowhere without one.
    fn fallback_span(&self) -> Range<usize> {
        self.fallback.as_ref().map_or(0..0, Spanned::span)
    }
}

/// What one channel leaves, another takes: each is known, and no two pass it to and fro. `spans` says where each channel names its own.
fn check_fallbacks(source: &Source, channels: &[Channel], spans: &[Range<usize>]) -> Result<(), ConfigError> {
    for (channel, span) in channels.iter().zip(spans) {
        let Some(to) = &channel.fallback else { continue };
        let next = channels.iter().find(|one| one.name == *to);
        if next.is_none_or(|next| !next.always || next.fallback.is_some() || next.name == channel.name) {
            let message = format!(
                "found fallback {to:?} in the channel {:?}; allowed is a channel that carries every notice and has no fallback itself",
                channel.name
            );
            return Err(source.fault(span.clone(), &message, "name such a channel"));
        }
    }
    Ok(())
}

/// Checks all channels of a text.
pub(super) fn check_all(
    source: &Source,
    forms: Vec<Spanned<ChannelForm>>,
    kinds: &[ConnectorKind<dyn Notifier>],
) -> Result<Vec<Channel>, ConfigError> {
    let mut channels: Vec<Channel> = Vec::new();
    let fallback_spans: Vec<_> = forms.iter().map(|form| form.get_ref().fallback_span()).collect();
    for (form, table) in forms.into_iter().zip(source.tables("channel")?) {
        channels.push(check(source, form, table, kinds, &channels)?);
    }
    check_fallbacks(source, &channels, &fallback_spans)?;
    Ok(channels)
}

fn check(
    source: &Source,
    form: Spanned<ChannelForm>,
    table: Table<'_>,
    kinds: &[ConnectorKind<dyn Notifier>],
    before: &[Channel],
) -> Result<Channel, ConfigError> {
    let (span, form) = (form.span(), form.into_inner());
    let ChannelForm { name: named, min_severity, always, fallback, per_minute, kind } = form;
    let name = named.get_ref();
    if !is_name(name) || before.iter().any(|one| one.name == *name) {
        let message = format!("found channel {name:?}; allowed are unique names of 1 to 40 characters A-Z a-z 0-9 - _");
        return Err(source.fault(named.span(), &message, "rename it"));
    }
    let context = ConfigContext { source, span, what: "channel", name };
    let (kind, notifier) = ConnectorKind::read(kinds, &COMMON, &kind, &context, table)?;
    // Who has no address of their own gets everything.
    let addressed = notifier.needs_address();
    let always = always.unwrap_or(!addressed);
    if always && addressed {
        let message = format!("found always in the channel {name:?}, which sends to the address of a person");
        return Err(context.fault(
            context.span.clone(),
            &message,
            "remove always, or write the recipients into the channel",
        ));
    }
    let fallback = fallback.map(Spanned::into_inner);
    let per_minute = per_minute.map_or(600, |limit| u32::try_from(limit.0).unwrap_or(600));
    Ok(Channel { name: named.into_inner(), min_severity, always, fallback, per_minute, kind, notifier })
}
