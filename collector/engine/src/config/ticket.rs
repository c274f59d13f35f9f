//! Ticket systems: where incidents are kept a second time, for those who work there.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use ioc_common::config::{ConfigError, Source, Span, SpanWithin, Spanned, Table};
use ioc_judge::Severity;

use ioc_store::TicketRecord;
use ioc_store::template::percent_encoded;

use super::Config;
use super::channel::warning;
use super::kind::{ConfigContext, ConnectorKind, is_name};
use crate::ticket_client::TicketConnector;

/// A ticket system.
#[derive(Debug, Clone)]
pub struct TicketSystem {
    /// Its name in the configuration, unique.
    pub name: String,
    /// Incidents below this get no ticket.
    pub min_severity: Severity,
    /// How often it is asked what became of its tickets.
    pub every: SpanWithin<5_000, 86_400_000>,
    /// Where a person sees a ticket, with `{{ticket}}`; may be empty.
    pub page: String,
    /// File with what it wants to see of us.
    pub secret_file: Option<PathBuf>,
    /// The name of its kind in the configuration.
    pub kind: &'static str,
    /// How it is spoken to.
    pub connector: Arc<dyn TicketConnector>,
}

/// What may stand between double braces in a request to a ticket system.
pub const TICKET_PLACEHOLDERS: [&str; 11] =
    ["ticket", "incident", "subject", "body", "text", "link", "severity", "priority", "device", "secret", "session"];

/// What all ticket systems say ([`COMMON`]); what else stands there is for the kind.
#[derive(Deserialize)]
pub(super) struct TicketForm {
    name: Spanned<String>,
    #[serde(rename = "type")]
    kind: Spanned<String>,
    #[serde(default = "warning")]
    min_severity: Severity,
    #[serde(default = "minute")]
    every: SpanWithin<5_000, 86_400_000>,
    page: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "ioc_common::config::secret_file_if")]
    secret_file: Option<PathBuf>,
}

const COMMON: [&str; 6] = ["name", "type", "min_severity", "every", "page", "secret_file"];

const fn minute() -> SpanWithin<5_000, 86_400_000> {
    SpanWithin(Span::secs(60))
}

pub(super) fn check(
    source: &Source,
    form: Spanned<TicketForm>,
    table: Table<'_>,
    kinds: &[ConnectorKind<dyn TicketConnector>],
    before: &[TicketSystem],
) -> Result<TicketSystem, ConfigError> {
    let (span, form) = (form.span(), form.into_inner());
    let TicketForm { name: named, kind, min_severity, every, page, secret_file } = form;
    let name = named.get_ref();
    if !is_name(name) || before.iter().any(|one| one.name == *name) {
        let message =
            format!("found ticket system {name:?}; allowed are unique names of 1 to 40 characters A-Z a-z 0-9 - _");
        return Err(source.fault(named.span(), &message, "rename it"));
    }
    let context = ConfigContext { source, span, what: "ticket system", name };
    if let Some(page) = &page {
        context.check_placeholders(page.get_ref(), &TICKET_PLACEHOLDERS, page.span())?;
    }
    let (kind, connector) = ConnectorKind::read(kinds, &COMMON, &kind, &context, table)?;
    let page = page.map(Spanned::into_inner).filter(|page| !page.is_empty()).unwrap_or_else(|| connector.page());
    Ok(TicketSystem { name: named.into_inner(), min_severity, every, page, secret_file, kind, connector })
}

/// The address at which a person sees a ticket; empty when none is known.
#[must_use]
pub fn page_of(record: &TicketRecord, config: &Config) -> String {
    let system = config.tickets.iter().find(|system| system.name == record.system);
    system.map(|system| system.page.replace("{{ticket}}", &percent_encoded(&record.ticket))).unwrap_or_default()
}
