//! `[store]`: where the record is. In files below `[paths] data` (SQLite), or in PostgreSQL, where several collectors may stand by for each other.
//!
//! Beside a store in PostgreSQL the directory still has what is this collector's own: keys and certificates, the index of words, where remote write stands.

use std::ops::Range;
use std::path::PathBuf;

use serde::Deserialize;

use ioc_common::config::{ConfigError, Source, Spanned};
use ioc_store::{Address, PostgresForm, PostgresSettings, SchemaName};

/// Longest name of a collector, bytes.
const NAME_MAX: usize = 64;

/// Where the record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePlan {
    /// In files of the data directory, for this collector alone.
    Sqlite,
    /// In PostgreSQL: of the collectors that name the same schema one decides, and the others stand by.
    Postgres(Box<PostgresPlan>),
}

impl StorePlan {
    /// The plan, where it is PostgreSQL.
    #[must_use]
    pub fn postgres(&self) -> Option<&PostgresPlan> {
        match self {
            Self::Sqlite => None,
            Self::Postgres(plan) => Some(plan),
        }
    }
}

/// A site's store in PostgreSQL, and what this collector is called there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresPlan {
    /// Where it is, and how it is reached.
    pub settings: PostgresSettings,
    /// What this collector is called beside the others of the site; none for the name of its machine.
    pub name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoreKind {
    #[default]
    Sqlite,
    Postgres,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StoreForm {
    kind: Spanned<StoreKind>,
    name: Option<Spanned<String>>,
    addresses: Option<Spanned<Vec<Address>>>,
    database: Option<Spanned<String>>,
    schema: Option<Spanned<SchemaName>>,
    user: Option<Spanned<String>>,
    #[serde(deserialize_with = "ioc_common::config::secret_file_if")]
    password_file: Option<PathBuf>,
    tls_authority: Option<Spanned<PathBuf>>,
    tls_certificate: Option<Spanned<PathBuf>>,
    #[serde(deserialize_with = "ioc_common::config::secret_file_if")]
    tls_key: Option<PathBuf>,
}

impl Default for StoreForm {
    fn default() -> Self {
        Self {
            kind: Spanned::new(0..0, StoreKind::default()),
            name: None,
            addresses: None,
            database: None,
            schema: None,
            user: None,
            password_file: None,
            tls_authority: None,
            tls_certificate: None,
            tls_key: None,
        }
    }
}

impl StoreForm {
    /// Where each key stands that was written; those of secrets are read without their place, and stand where the kind does.
    fn places(&self) -> Vec<(&'static str, Range<usize>)> {
        let of = |key, place: Option<Range<usize>>| place.map(|place| (key, place));
        [
            of("name", self.name.as_ref().map(Spanned::span)),
            of("addresses", self.addresses.as_ref().map(Spanned::span)),
            of("database", self.database.as_ref().map(Spanned::span)),
            of("schema", self.schema.as_ref().map(Spanned::span)),
            of("user", self.user.as_ref().map(Spanned::span)),
            of("password_file", self.password_file.as_ref().map(|_| self.kind.span())),
            of("tls_authority", self.tls_authority.as_ref().map(Spanned::span)),
            of("tls_certificate", self.tls_certificate.as_ref().map(Spanned::span)),
            of("tls_key", self.tls_key.as_ref().map(|_| self.kind.span())),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    pub(super) fn check(self, source: &Source) -> Result<StorePlan, ConfigError> {
        let (kind, kind_at, places) = (*self.kind.get_ref(), self.kind.span(), self.places());
        if kind == StoreKind::Sqlite {
            return match places.into_iter().next() {
                None => Ok(StorePlan::Sqlite),
                Some((key, place)) => {
                    let message = format!("found {key} in a store of the kind sqlite; allowed is kind alone");
                    Err(source.fault(place, &message, "remove this line, or write kind = \"postgres\""))
                }
            };
        }
        let missing = |key: &str, mend: &str| {
            let message = format!("found no {key} in a store of the kind postgres");
            source.fault(kind_at.clone(), &message, mend)
        };
        let Some(addresses) = self.addresses else {
            return Err(missing("addresses", "add addresses = [\"db1.example:5432\", \"db2.example:5432\"]"));
        };
        let Some(schema) = self.schema else {
            return Err(missing("schema", "add schema = \"…\", named after the site, such as \"hanoi\""));
        };
        if let Some(name) = &self.name {
            let text = name.get_ref();
            let fits = !text.is_empty() && text.len() <= NAME_MAX && !text.chars().any(char::is_control);
            if !fits {
                let message =
                    format!("found name {text:?}; allowed are 1 to {NAME_MAX} bytes without control characters");
                return Err(source.fault(name.span(), &message, "name the machine, such as \"collector-1\""));
            }
        }
        for file in [&self.tls_authority, &self.tls_certificate].into_iter().flatten() {
            if !file.get_ref().is_absolute() {
                let message = format!("found {:?}; allowed is an absolute path", file.get_ref().display().to_string());
                return Err(source.fault(file.span(), &message, "write the whole path"));
            }
        }
        let name = self.name.map(Spanned::into_inner);
        let form = PostgresForm {
            addresses: addresses.into_inner(),
            database: self.database.map_or_else(|| "ioc_watch".to_owned(), Spanned::into_inner),
            schema: schema.into_inner(),
            user: self.user.map_or_else(|| "ioc".to_owned(), Spanned::into_inner),
            password_file: self.password_file,
            tls_authority: self.tls_authority.map(Spanned::into_inner),
            tls_certificate: self.tls_certificate.map(Spanned::into_inner),
            tls_key: self.tls_key,
        };
        let settings = form.check().map_err(|error| {
            let place =
                places.iter().find(|(key, _)| *key == error.key).map_or_else(|| kind_at.clone(), |(_, at)| at.clone());
            let message = format!("{}: {}", error.key, error.message);
            source.fault(place, &message, "as the text says; docs/scale.md, PostgreSQL, has an example")
        })?;
        Ok(StorePlan::Postgres(Box::new(PostgresPlan { settings, name })))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, testing};
    use super::*;

    fn parse(text: &str) -> Result<StorePlan, ConfigError> {
        Config::parse(&Source::built_in("collector.toml", text), &testing::KINDS).map(|config| config.store)
    }

    const SOCKET: &str = "[store]\nkind = \"postgres\"\naddresses = [\"/run/postgresql\"]\nschema = \"hanoi\"\n";

    #[test]
    fn the_record_is_in_files_unless_a_database_is_named() {
        assert_eq!(parse("").expect("parses"), StorePlan::Sqlite);
        assert_eq!(parse("[store]\nkind = \"sqlite\"\n").expect("parses"), StorePlan::Sqlite);
        let plan = parse(&format!("{SOCKET}name = \"một\"\n")).expect("parses");
        let plan = plan.postgres().expect("a database");
        assert_eq!(plan.settings.place(), "postgresql://ioc@/run/postgresql:5432/ioc_watch (schema hanoi)");
        assert_eq!(plan.name.as_deref(), Some("một"));
    }

    #[test]
    fn faults_point_at_their_line_and_say_the_mend() {
        for (text, line, said) in [
            ("[store]\nkind = \"oracle\"\n".to_owned(), 2, "sqlite"),
            ("[store]\nschema = \"hanoi\"\n".to_owned(), 2, "kind alone"),
            ("[store]\nkind = \"postgres\"\n".to_owned(), 2, "no addresses"),
            ("[store]\nkind = \"postgres\"\naddresses = [\"/run/postgresql\"]\n".to_owned(), 2, "no schema"),
            (SOCKET.replace("hanoi", "Hanoi"), 4, "small letters"),
            (SOCKET.replace("/run/postgresql", "db1"), 2, "tls_authority"),
            (SOCKET.replace("[\"/run/postgresql\"]", "[]"), 3, "1 to 16"),
            (format!("{SOCKET}name = \"\"\n"), 5, "1 to 64"),
            (format!("{SOCKET}tls_key = \"/k\"\n"), 2, "tls_certificate"),
            (format!("{SOCKET}tls_authority = \"ca.pem\"\n"), 5, "absolute"),
            (format!("{SOCKET}password = \"secret\"\n"), 5, "unknown field"),
        ] {
            let fault = parse(&text).expect_err(&text);
            assert!(fault.line == line && fault.message.contains(said) && !fault.mend.is_empty(), "{text}: {fault}");
        }
    }
}
