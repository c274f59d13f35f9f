//! ConnectorKinds of channels and of ticket systems: of each its keys, and how they are checked. They live on top of this crate and are handed in.
//! A key of another kind's is an error that names the place.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use ioc_common::config::{ConfigError, KeyFault, KindKeys, Source, Spanned, Table};
use ioc_store::template::unknown_place;

use crate::notifier::Notifier;
use crate::ticket_client::TicketConnector;

/// A kind of channel or of ticket system.
pub struct ConnectorKind<T: ?Sized> {
    /// Its name in the configuration: `type`.
    pub name: &'static str,
    /// Keys that it must have, beside those of all kinds.
    pub required: &'static [&'static str],
    /// Keys that it may have.
    pub optional: &'static [&'static str],
    /// Makes it of its keys. That all the required ones are there, and none of another kind's, is known by then.
    pub check: fn(&ConfigContext<'_>, Table<'_>) -> Result<Arc<T>, ConfigError>,
}

/// All kinds that there are.
#[derive(Clone, Copy, Default)]
pub struct ConnectorKinds {
    /// ConnectorKinds of channels for notices.
    pub channels: &'static [ConnectorKind<dyn Notifier>],
    /// ConnectorKinds of ticket systems.
    pub tickets: &'static [ConnectorKind<dyn TicketConnector>],
}

impl<T: ?Sized> ConnectorKind<T> {
    const fn keys(&self) -> KindKeys<'static> {
        KindKeys { name: self.name, required: self.required, optional: self.optional }
    }

    /// Reads a table by the kind that its `type` names. `common` are the keys of all kinds, which are read already.
    pub(super) fn read(
        kinds: &[Self],
        common: &[&str],
        name: &Spanned<String>,
        context: &ConfigContext<'_>,
        table: Table<'_>,
    ) -> Result<(&'static str, Arc<T>), ConfigError> {
        let Some(kind) = kinds.iter().find(|kind| kind.name == name.get_ref()) else {
            let names: Vec<String> = kinds.iter().map(|kind| format!("`{}`", kind.name)).collect();
            let names = match names.as_slice() {
                [one, other] => format!("{one} or {other}"),
                names => format!("one of {}", names.join(", ")),
            };
            let message = format!("unknown variant `{}`, expected {names}", name.get_ref());
            return Err(context.fault(name.span(), &message, ""));
        };
        let keys = table.without(common);
        match keys.check_keys(kind.keys(), kinds.iter().map(Self::keys), common) {
            Ok(()) => Ok((kind.name, (kind.check)(context, keys)?)),
            Err(KeyFault::Unknown(error)) => Err(error),
            Err(KeyFault::OfOthers { key, span, others }) => {
                let own: Vec<&str> = kind.keys().all().collect();
                let message = format!(
                    "found {key} in a {} of the type {}; allowed are {}, and for every type {}",
                    context.what,
                    kind.name,
                    own.join(", "),
                    common.join(", ")
                );
                Err(context.fault(span, &message, &format!("remove this line, or write type = {others}")))
            }
            Err(KeyFault::Lacking(key)) => Err(context.lacks(key)),
        }
    }
}

/// A table of the configuration that is being read: where it stands, for errors; and checks that several kinds need.
pub struct ConfigContext<'s> {
    pub(super) source: &'s Source,
    pub(super) span: Range<usize>,
    /// What it describes, for people.
    pub(super) what: &'static str,
    pub(super) name: &'s str,
}

impl ConfigContext<'_> {
    /// An error at this part of the configuration.
    #[must_use]
    pub fn fault(&self, span: Range<usize>, message: &str, mend: &str) -> ConfigError {
        self.source.fault(span, message, mend)
    }

    /// Where the table stands.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// An error about the table as a whole: a key is not there.
    #[must_use]
    pub fn lacks(&self, key: &str) -> ConfigError {
        let message = format!("found no {key} in the {} {:?}; required for this type", self.what, self.name);
        self.fault(self.span.clone(), &message, "add it")
    }

    /// An address with its scheme.
    ///
    /// # Errors
    /// [`ConfigError`] at the address that begins with neither `http://` nor `https://`.
    pub fn whole_url(&self, url: Spanned<String>) -> Result<String, ConfigError> {
        whole_url(self.source, url)
    }

    /// `host:port`, written like `example`.
    ///
    /// # Errors
    /// [`ConfigError`] at what has no colon, or no port from 0 to 65535 behind it.
    pub fn host_port(&self, server: &Spanned<String>, example: &str) -> Result<(String, u16), ConfigError> {
        let address =
            server.get_ref().rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        address.ok_or_else(|| {
            let message = format!("found server {:?}; allowed is host:port", server.get_ref());
            self.fault(server.span(), &message, &format!("write it like {example:?}"))
        })
    }

    /// User and password's file: both or none.
    ///
    /// # Errors
    /// When one is there without the other.
    pub fn login(&self, user: Option<String>, file: Option<PathBuf>) -> Result<Option<(String, PathBuf)>, ConfigError> {
        match (user, file) {
            (Some(user), Some(file)) => Ok(Some((user, file))),
            (None, None) => Ok(None),
            _ => Err(self.lacks("user and password_file (both or none)")),
        }
    }

    /// A template has no placeholder but these.
    ///
    /// # Errors
    /// [`ConfigError`] at a template with a placeholder that is not among `known`.
    pub fn check_placeholders(&self, text: &str, known: &[&str], span: Range<usize>) -> Result<(), ConfigError> {
        let Some(name) = unknown_place(text, known) else { return Ok(()) };
        let message = format!("found {{{{{name}}}}}; allowed are {}", known.join(", "));
        Err(self.fault(span, &message, "correct the name between the braces"))
    }

    /// A header line: its name is one, its value is a template.
    ///
    /// # Errors
    /// When either is not.
    pub fn check_header(
        &self,
        (name, value): (&str, &str),
        known: &[&str],
        span: Range<usize>,
    ) -> Result<(), ConfigError> {
        self.check_placeholders(value, known, span.clone())?;
        if name.parse::<hyper::header::HeaderName>().is_err() {
            let message = format!("found header {name:?}; allowed is a name such as Authorization");
            return Err(self.fault(span, &message, "correct it"));
        }
        Ok(())
    }
}

pub(super) fn whole_url(source: &Source, url: Spanned<String>) -> Result<String, ConfigError> {
    if url.get_ref().starts_with("http://") || url.get_ref().starts_with("https://") {
        return Ok(url.into_inner());
    }
    let message = format!("found url {:?}; allowed are http:// and https://", url.get_ref());
    Err(source.fault(url.span(), &message, "write the whole address"))
}

/// Names of channels, ticket systems and sources: 1 to 40 characters A-Z a-z 0-9 - _.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// A channel that takes whatever it is given, for tests.
#[cfg(test)]
pub(crate) mod testing {
    use futures_util::future::BoxFuture;

    use super::*;
    use crate::http::SendError;
    use crate::notifier::Message;

    #[derive(Debug)]
    struct Test;

    impl Notifier for Test {
        fn target(&self) -> String {
            String::new()
        }

        fn notify<'m>(&'m self, _: Message<'m>) -> BoxFuture<'m, Result<(), SendError>> {
            Box::pin(std::future::ready(Ok(())))
        }
    }

    const CHANNEL: ConnectorKind<dyn Notifier> =
        ConnectorKind { name: "test", required: &[], optional: &[], check: |_, _| Ok(Arc::new(Test)) };
    pub(crate) const KINDS: ConnectorKinds = ConnectorKinds { channels: &[CHANNEL], tickets: &[] };
}
