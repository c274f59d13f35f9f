//! Where a site's store in PostgreSQL is, and how it is reached: as the configuration writes it, and checked.
//!
//! The keys themselves are read by the engine's configuration (`[store]`), which says at which line one is wrong.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use ioc_common::config::secret_file_if;

/// Most addresses: a primary and its standbys.
const ADDRESSES_MAX: usize = 16;
/// Where PostgreSQL listens unless it is said.
const PORT: u16 = 5432;
/// Longest name of a schema, letters: the schema of history and copies have longer ones, and PostgreSQL cuts names at 63 bytes.
const SCHEMA_MAX: usize = 32;

/// The store's keys as they are written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresForm {
    /// Where it listens: the primary and its standbys, in any order; whichever takes writes is taken.
    pub addresses: Vec<Address>,
    /// The database.
    pub database: String,
    /// The site's schema.
    pub schema: SchemaName,
    /// The role.
    pub user: String,
    /// A file with its password.
    #[serde(default, deserialize_with = "secret_file_if")]
    pub password_file: Option<PathBuf>,
    /// A file with the certificates of authorities that may have issued the server's.
    #[serde(default)]
    pub tls_authority: Option<PathBuf>,
    /// A file with our certificate, for servers that ask for one.
    #[serde(default)]
    pub tls_certificate: Option<PathBuf>,
    /// A file with its key.
    #[serde(default, deserialize_with = "secret_file_if")]
    pub tls_key: Option<PathBuf>,
}

/// The same, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresSettings {
    pub(super) addresses: Vec<Address>,
    pub(super) database: String,
    pub(super) schema: SchemaName,
    pub(super) user: String,
    pub(super) password_file: Option<PathBuf>,
    pub(super) tls: Option<Tls>,
}

/// How TLS is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) authority: PathBuf,
    pub(super) own: Option<OwnCertificate>,
}

/// What we show of ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnCertificate {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// Keys that do not go together: which, what was found, what is allowed, and the mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct SettingsError {
    /// The key.
    pub key: &'static str,
    /// What was found, what is allowed, and the mend.
    pub message: String,
}

impl PostgresForm {
    /// Checks what one key alone cannot say.
    ///
    /// # Errors
    /// [`SettingsError`] for the first key that is wrong.
    pub fn check(self) -> Result<PostgresSettings, SettingsError> {
        let wrong = |key, message: String| Err(SettingsError { key, message });
        if self.addresses.is_empty() || self.addresses.len() > ADDRESSES_MAX {
            let found = self.addresses.len();
            return wrong(
                "addresses",
                format!(
                    "found {found} addresses; allowed are 1 to {ADDRESSES_MAX}; mend: name the primary and its standbys"
                ),
            );
        }
        for (key, value) in [("database", &self.database), ("user", &self.user)] {
            if value.is_empty() || value.contains('\0') {
                return wrong(key, format!("found nothing that can be a name; mend: write the name of the {key}"));
            }
        }
        let own = match (self.tls_certificate, self.tls_key) {
            (Some(certificate), Some(key)) => Some(OwnCertificate { certificate, key }),
            (None, None) => None,
            (Some(_), None) => {
                return wrong("tls_key", "it is missing beside tls_certificate; mend: name the key's file".to_owned());
            }
            (None, Some(_)) => {
                return wrong(
                    "tls_certificate",
                    "it is missing beside tls_key; mend: name the certificate's file".to_owned(),
                );
            }
        };
        let far = self.addresses.iter().find(|address| !address.is_here());
        let tls = match (self.tls_authority, far) {
            (Some(authority), _) => Some(Tls { authority, own }),
            (None, Some(far)) => {
                return wrong(
                    "tls_authority",
                    format!(
                        "it is missing, and {far} is another machine: what people wrote would go over the network in the open; \
                         mend: name the file of the authority that issued the server's certificate"
                    ),
                );
            }
            (None, None) if own.is_some() => {
                return wrong(
                    "tls_authority",
                    "it is missing beside tls_certificate; mend: name the authority's file".to_owned(),
                );
            }
            (None, None) => None,
        };
        let Self { addresses, database, schema, user, password_file, .. } = self;
        Ok(PostgresSettings { addresses, database, schema, user, password_file, tls })
    }
}

impl PostgresSettings {
    /// What errors call it: no secret is in it.
    #[must_use]
    pub fn place(&self) -> String {
        let addresses: Vec<String> = self.addresses.iter().map(Address::to_string).collect();
        format!(
            "postgresql://{}@{}/{} (schema {})",
            self.user,
            addresses.join(","),
            self.database,
            self.schema.as_str()
        )
    }
}

/// An address: a host with its port, or the directory of a socket with the port that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name, an address, or a directory, which begins with a slash.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// Whether nothing that goes there leaves this machine.
    fn is_here(&self) -> bool {
        self.host.starts_with('/') || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    fn parse(text: &str) -> Option<Self> {
        let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, behind) = rest.split_once(']')?;
            host.parse::<IpAddr>().ok()?;
            (host, if behind.is_empty() { PORT } else { port(behind.strip_prefix(':')?)? })
        } else if text.parse::<IpAddr>().is_ok() {
            (text, PORT)
        } else {
            match text.rsplit_once(':') {
                Some((host, behind)) => (host, port(behind)?),
                None => (text, PORT),
            }
        };
        let is_name = !host.is_empty() && host.bytes().all(|one| one.is_ascii_alphanumeric() || b"-._".contains(&one));
        let is_directory = host.len() > 1 && host.starts_with('/') && !host.contains([',', '\0']);
        (is_name || is_directory || host.parse::<IpAddr>().is_ok()).then(|| Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "found address {text:?}; allowed are HOST, HOST:PORT, [IPV6]:PORT and /DIRECTORY:PORT of a socket; mend: write one of these"
            ))
        })
    }
}

/// The name of a site's schema: small letters, digits and `_`, so that it needs no quotes and stands in no statement as anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaName(String);

impl SchemaName {
    /// The schema with this name.
    #[must_use]
    pub(crate) fn new(name: &str) -> Option<Self> {
        let first = name.bytes().next().is_some_and(|one| one.is_ascii_lowercase());
        let all = name.bytes().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == b'_');
        // PostgreSQL keeps names with this beginning for itself; history has a schema of its own beside each site's.
        let is_taken = name.starts_with("pg_") || name.ends_with("_history") || name == "information_schema";
        (first && all && !is_taken && name.len() <= SCHEMA_MAX).then(|| Self(name.to_owned()))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The schema beside it into which a backup is restored for a trial.
    #[must_use]
    pub(super) fn trial(&self) -> Self {
        Self(format!("{}_trial", self.0))
    }

    /// The schema of the site's folded history.
    #[must_use]
    pub(crate) fn history(&self) -> String {
        format!("{}_history", self.0)
    }
}

impl<'de> Deserialize<'de> for SchemaName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "found schema {text:?}; allowed are 1 to {SCHEMA_MAX} small letters, digits and _, beginning with a letter, not pg_… and not …_history; \
                 mend: name it after the site, such as ioc_hanoi"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(more: &str) -> Result<PostgresForm, String> {
        let text = format!(
            r#"{{"addresses": ["db1:5433", "db2"], "database": "ioc", "schema": "hanoi", "user": "ioc"{more}}}"#
        );
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_is_a_host_or_a_socket_and_nothing_else() {
        let read = |text: &str| Address::parse(text).map(|address| (address.to_string(), address.is_here()));
        let known = |text: &str, here| Some((text.to_owned(), here));
        assert_eq!(read("db1"), known("db1:5432", false));
        assert_eq!(read("db1.ioc.example:6000"), known("db1.ioc.example:6000", false));
        assert_eq!(read("127.0.0.1:5433"), known("127.0.0.1:5433", true));
        assert_eq!(read("::1"), known("[::1]:5432", true));
        assert_eq!(read("[2001:db8::1]:5433"), known("[2001:db8::1]:5433", false));
        assert_eq!(read("/run/postgresql"), known("/run/postgresql:5432", true));
        assert_eq!(read("/run/postgresql:5433"), known("/run/postgresql:5433", true));
        // A name of this machine can be made another's.
        assert_eq!(read("localhost"), known("localhost:5432", false));
        for wrong in ["", ":5432", "db1:0", "db1:99999", "a,b", "db 1", "[::1", "[db1]:5432", "/", "user@db1"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_schema_needs_no_quotes() {
        for right in ["hanoi", "ioc_2", "a"] {
            assert_eq!(SchemaName::new(right).map(|name| name.history()), Some(format!("{right}_history")));
        }
        for wrong in [
            "",
            "Hanoi",
            "2x",
            "pg_x",
            "hà_nội",
            "a b",
            "a\"b",
            "a-b",
            "x_history",
            "information_schema",
            &"a".repeat(33),
        ] {
            assert_eq!(SchemaName::new(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_goes_to_another_machine_goes_in_tls() {
        let far = form("").expect("read").check().expect_err("in the open");
        assert_eq!(far.key, "tls_authority");
        assert!(far.message.contains("db1:5433 is another machine"), "{far}");
        let settings = form(r#", "tls_authority": "/etc/ca.pem""#).expect("read").check().expect("allowed");
        assert_eq!(settings.place(), "postgresql://ioc@db1:5433,db2:5432/ioc (schema hanoi)");
        let mut here = form("").expect("read");
        here.addresses = vec![Address::parse("/run/postgresql").expect("one")];
        assert_eq!(here.check().expect("allowed").tls, None);
    }

    #[test]
    fn an_error_names_the_key_and_the_mend() {
        let without =
            form(r#", "tls_authority": "/ca", "tls_certificate": "/c""#).expect("read").check().expect_err("no key");
        assert_eq!((without.key, without.message.contains("mend")), ("tls_key", true));
        let without =
            form(r#", "tls_authority": "/ca", "tls_key": "/k""#).expect("read").check().expect_err("no certificate");
        assert_eq!(without.key, "tls_certificate");
        let mut none = form(r#", "tls_authority": "/ca""#).expect("read");
        none.addresses.clear();
        assert_eq!(none.check().expect_err("no address").key, "addresses");
        let mut none = form(r#", "tls_authority": "/ca""#).expect("read");
        none.user.clear();
        assert_eq!(none.check().expect_err("no user").key, "user");
        let said = serde_json::from_str::<SchemaName>("\"Hanoi\"").expect_err("large letter").to_string();
        assert!(said.contains("found schema \"Hanoi\"") && said.contains("mend"), "{said}");
        let said = serde_json::from_str::<Address>("\"a,b\"").expect_err("two").to_string();
        assert!(said.contains("found address \"a,b\"") && said.contains("mend"), "{said}");
        assert!(form(r#", "password": "secret""#).expect_err("no such key").contains("unknown field"));
    }
}
