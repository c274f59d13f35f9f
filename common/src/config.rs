//! The configuration loader: TOML into checked types, with errors that name file, line, what was found, what is allowed
//! and how to mend it.
//!
//! Types check themselves while they are parsed ([`Span`], [`Bounded`]), so that the parser can point at the place; checks
//! that need two keys use [`Source::fault`].

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use toml::de::{DeTable, DeValue};
pub use toml::{Spanned, Table as TomlTable, Value as TomlValue};

pub use crate::span::Span;

/// Largest configuration file, in bytes.
pub const CONFIG_MAX_BYTES: u64 = 1024 * 1024;

/// A configuration text and where it came from.
#[derive(Debug, Clone)]
pub struct Source {
    path: PathBuf,
    /// Where the files lie that it names, where that is not beside it.
    directory: Option<PathBuf>,
    text: Arc<str>,
    files: NamedFiles,
}

/// Files that a configuration named, as they were when it was read: what is made anew of the same configuration later takes no file that was
/// changed meanwhile and not yet loaded.
#[derive(Debug, Clone, Default)]
struct NamedFiles(Arc<Mutex<BTreeMap<PathBuf, Arc<str>>>>);

impl Source {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`ConfigError`] names the file: it is missing, may not be read, is too large or not UTF-8.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |why: String, mend: &str| ConfigError {
            path: path.to_owned(),
            line: 0,
            column: 0,
            excerpt: String::new(),
            message: why,
            mend: mend.to_owned(),
        };
        let size = std::fs::metadata(path).map_err(|e| {
            unreadable(
                format!("cannot be read: {e}"),
                "create it, give its path with --config, or mend its permissions",
            )
        })?;
        if size.len() > CONFIG_MAX_BYTES {
            let why = format!("found {} bytes; allowed are {CONFIG_MAX_BYTES}", size.len());
            return Err(unreadable(why, "name the right file"));
        }
        let bytes =
            std::fs::read(path).map_err(|e| unreadable(format!("cannot be read: {e}"), "mend its permissions"))?;
        let text =
            String::from_utf8(bytes).map_err(|e| unreadable(format!("is not UTF-8: {e}"), "save it as UTF-8"))?;
        Ok(Self { path: path.to_owned(), directory: None, text: text.into(), files: NamedFiles::default() })
    }

    /// A file that this text names, relative to where it lies. It is read once: the same is given for each later question to this text, its
    /// copies and its parts.
    ///
    /// # Errors
    /// [`ConfigError`] names the file: it is missing, may not be read, is too large or not UTF-8.
    pub fn beside(&self, path: &Path) -> Result<Self, ConfigError> {
        let path = self.directory().join(path);
        let known = self.files.0.lock().unwrap_or_else(PoisonError::into_inner).get(&path).map(Arc::clone);
        let text = match known {
            Some(text) => text,
            None => {
                let text = Self::read(&path)?.text;
                self.files.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone(), Arc::clone(&text));
                text
            }
        };
        Ok(Self { path, directory: None, text, files: self.files.clone() })
    }

    /// A text that belongs to this one, under a name to show in errors: files that it names lie where those of this one do.
    #[must_use]
    pub fn part(&self, name: &str, text: &str) -> Self {
        let directory = Some(self.directory().to_owned());
        Self { path: PathBuf::from(name), directory, text: text.into(), files: self.files.clone() }
    }

    /// Where the files lie that it names; empty for a text that came from nowhere.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.as_deref().or_else(|| self.path.parent()).unwrap_or(Path::new(""))
    }

    /// The text itself.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes a text that is built into the program, under a name to show in errors.
    #[must_use]
    pub fn built_in(name: &str, text: &str) -> Self {
        Self { path: PathBuf::from(name), directory: None, text: text.into(), files: NamedFiles::default() }
    }

    /// Parses the text into `T`.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the first fault.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        toml::from_str(&self.text).map_err(|e| self.parse_fault(&e))
    }

    /// The tables of the array of tables `name`, in their order, each to be read by the form that it asks for ([`Table::read`]).
    ///
    /// # Errors
    /// [`ConfigError`] where the text is no TOML.
    pub fn tables<'s>(&'s self, name: &str) -> Result<Vec<Table<'s>>, ConfigError> {
        let document = DeTable::parse(&self.text).map_err(|e| self.parse_fault(&e))?;
        let found = document.into_inner().remove(name).map(Spanned::into_inner);
        let Some(DeValue::Array(all)) = found else { return Ok(Vec::new()) };
        let table = |value: Spanned<DeValue<'s>>| {
            let span = value.span();
            match value.into_inner() {
                DeValue::Table(keys) => Ok(Table { source: self, span, keys }),
                _ => Err(self.fault(span, &format!("found a value in {name}; allowed are tables"), "")),
            }
        };
        all.into_iter().map(table).collect()
    }

    /// The keys at its top, in their order, and where they stand first.
    ///
    /// # Errors
    /// [`ConfigError`] where the text is no TOML.
    pub fn top_keys(&self) -> Result<Vec<(String, Range<usize>)>, ConfigError> {
        let document = DeTable::parse(&self.text).map_err(|e| self.parse_fault(&e))?.into_inner();
        Ok(document.keys().map(|key| (key.get_ref().clone().into_owned(), key.span())).collect())
    }

    /// The texts that stand as values, each with its path from the top (keys alone) and its place.
    ///
    /// # Errors
    /// [`ConfigError`] where the text is no TOML.
    pub fn string_values(&self) -> Result<Vec<StringValue>, ConfigError> {
        let document = DeTable::parse(&self.text).map_err(|e| self.parse_fault(&e))?.into_inner();
        let mut found = Vec::new();
        collect_strings(&document, &mut Vec::new(), &mut found);
        Ok(found)
    }

    fn parse_fault(&self, fault: &toml::de::Error) -> ConfigError {
        self.fault(fault.span().unwrap_or(0..0), fault.message(), "")
    }

    /// An error at the byte range `span` of this text.
    #[must_use]
    pub fn fault(&self, span: Range<usize>, message: &str, mend: &str) -> ConfigError {
        let start = span.start.min(self.text.len());
        let before = self.text.get(..start).unwrap_or("");
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
        let raw = self.text.lines().nth(line - 1).unwrap_or("");
        // Inside of a text or an array of several lines nothing is what it looks like.
        let above = before.rfind('\n').and_then(|end| before.get(..end)).unwrap_or_default();
        let whole = [above, raw].iter().all(|part| part.parse::<toml::Table>().is_ok());
        let (quoted, hidden) = crate::redact::quoted(raw, whole, !message.starts_with("unknown field"));
        let excerpt = quoted.chars().take(200).collect();
        let (message, own_mend) = message.split_once("; mend: ").unwrap_or((message, mend));
        let message = if hidden { crate::redact::message(message) } else { message.to_owned() };
        let mend = if own_mend.is_empty() { "correct this line" } else { own_mend };
        ConfigError {
            path: self.path.clone(),
            line,
            column,
            excerpt,
            message: message.trim().replace('\n', ", "),
            mend: mend.to_owned(),
        }
    }

    /// Where the text came from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A text that stands as a value of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringValue {
    /// The keys that lead to it; what stands in an array has the array's.
    pub path: Vec<String>,
    /// What it says.
    pub text: String,
    /// Bytes of the configuration at which it stands, with its quotes.
    pub span: Range<usize>,
}

fn collect_strings(table: &DeTable<'_>, path: &mut Vec<String>, found: &mut Vec<StringValue>) {
    for (key, value) in table {
        path.push(key.get_ref().clone().into_owned());
        collect_value(value, path, found);
        path.pop();
    }
}

fn collect_value(value: &Spanned<DeValue<'_>>, path: &mut Vec<String>, found: &mut Vec<StringValue>) {
    match value.get_ref() {
        DeValue::String(text) => {
            found.push(StringValue { path: path.clone(), text: text.clone().into_owned(), span: value.span() });
        }
        DeValue::Array(all) => all.iter().for_each(|one| collect_value(one, path, found)),
        DeValue::Table(table) => collect_strings(table, path, found),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}

/// A table as TOML, for people: what no text was written of by hand.
#[must_use]
pub fn to_text(table: &TomlTable) -> String {
    // A table of texts, numbers and tables can always be written.
    toml::to_string_pretty(table).unwrap_or_default()
}

/// A table of a configuration whose form depends on one of its keys: what all forms share is read apart, and the rest by the form.
#[derive(Debug)]
pub struct Table<'s> {
    source: &'s Source,
    span: Range<usize>,
    keys: DeTable<'s>,
}

impl Table<'_> {
    /// The same without these keys, which somebody else reads.
    #[must_use]
    pub fn without(mut self, keys: &[&str]) -> Self {
        for key in keys {
            self.keys.remove(*key);
        }
        self
    }

    /// Its keys, and where they stand.
    pub fn keys(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        self.keys.keys().map(|key| (key.get_ref().as_ref(), key.span()))
    }

    /// Holds its keys to those of one kind out of several. `common` are the keys of all kinds, for the error alone: they are read already.
    ///
    /// # Errors
    /// [`KeyFault`] for the first key that is not this kind's, else for the first that is required and not there.
    pub fn check_keys<'k>(
        &self,
        own: KindKeys<'k>,
        kinds: impl IntoIterator<Item = KindKeys<'k>>,
        common: &[&str],
    ) -> Result<(), KeyFault<'k>> {
        if let Some((key, span)) = self.keys().find(|(key, _)| !own.has(key)) {
            let others: Vec<String> =
                kinds.into_iter().filter(|kind| kind.has(key)).map(|kind| format!("{:?}", kind.name)).collect();
            if others.is_empty() {
                let all: Vec<String> = common.iter().copied().chain(own.all()).map(|key| format!("`{key}`")).collect();
                let message = format!("unknown field `{key}`, expected one of {}", all.join(", "));
                return Err(KeyFault::Unknown(self.source.fault(
                    span,
                    &message,
                    "correct the key, or remove this line",
                )));
            }
            return Err(KeyFault::OfOthers { key: key.to_owned(), span, others: others.join(" or ") });
        }
        let lacks = |key: &&&str| self.keys().all(|(found, _)| found != **key);
        own.required.iter().find(lacks).map_or(Ok(()), |key| Err(KeyFault::Lacking(key)))
    }

    /// Reads it by a form.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the first fault.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, ConfigError> {
        let form = toml::de::Deserializer::from(Spanned::new(self.span, self.keys));
        T::deserialize(form).map_err(|e| self.source.parse_fault(&e))
    }
}

/// The keys of one kind of table, such as a kind of rule or of channel.
#[derive(Debug, Clone, Copy)]
pub struct KindKeys<'k> {
    /// The kind's name in the configuration.
    pub name: &'k str,
    /// Keys that it must have.
    pub required: &'k [&'k str],
    /// Keys that it may have.
    pub optional: &'k [&'k str],
}

impl<'k> KindKeys<'k> {
    /// The required keys, then the optional ones.
    pub fn all(self) -> impl Iterator<Item = &'k str> {
        self.required.iter().chain(self.optional).copied()
    }

    fn has(self, key: &str) -> bool {
        self.all().any(|own| own == key)
    }
}

/// A key that a table of a kind must not have, or lacks.
#[derive(Debug)]
pub enum KeyFault<'k> {
    /// No kind has such a key: the whole error.
    Unknown(ConfigError),
    /// The key is of other kinds.
    OfOthers {
        /// The key as it is written, less its table.
        key: String,
        /// Bytes of the text at which the key stands.
        span: Range<usize>,
        /// The kinds that have it, quoted, with `or` between them.
        others: String,
    },
    /// This key is required, and not there.
    Lacking(&'k str),
}

/// A fault in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, or the name under which a text is built in.
    pub path: PathBuf,
    /// Line, from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// The line, without its comment; only its key where the value may be secret.
    pub excerpt: String,
    /// What was found and what is allowed.
    pub message: String,
    /// What to write instead.
    pub mend: String,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, column, excerpt, message, mend } = self;
        if *line == 0 {
            return write!(f, "{}: {message}\n  mend: {mend}", path.display());
        }
        let pad = " ".repeat(line.to_string().len());
        let caret = " ".repeat(column.saturating_sub(1));
        write!(
            f,
            "{}:{line}:{column}: {message}\n {pad} |\n {line} | {excerpt}\n {pad} | {caret}^\n  mend: {mend}",
            path.display()
        )
    }
}

/// A file with a secret: a path, or `credential:NAME` for a credential that systemd hands to the service (`LoadCredential=`), which
/// then lies where nobody but the service can read it, decrypted if it was kept encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SecretFile(PathBuf);

/// Reads a file with a secret: `#[serde(deserialize_with = "…")]` of a key that may say `credential:NAME`.
///
/// # Errors
/// When it names no credential.
pub fn secret_file<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    SecretFile::deserialize(deserializer).map(|file| file.0)
}

/// The same for a key that may be missing.
///
/// # Errors
/// When it names no credential.
pub fn secret_file_if<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    secret_file(deserializer).map(Some)
}

/// Where systemd keeps the credentials of our services, for whoever looks at a configuration from outside them.
const CREDENTIALS: [&str; 2] = ["/run/credentials/ioc-collector.service", "/run/credentials/ioc-agent.service"];

impl<'de> Deserialize<'de> for SecretFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // Whoever pastes the key itself finds it in no log.
        if text.trim_start().to_lowercase().starts_with("age-secret-key") {
            return Err(serde::de::Error::custom(
                "found a private key; allowed is the path of a file that holds it; mend: write it into a file of mode 600, and name that",
            ));
        }
        let Some(name) = text.strip_prefix("credential:") else { return Ok(Self(text.into())) };
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            return Err(serde::de::Error::custom(format!(
                "found credential {name:?}; allowed is the name of one; mend: write it as in LoadCredential=NAME:FILE"
            )));
        }
        let own = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let known = || CREDENTIALS.iter().map(PathBuf::from).find(|dir| dir.join(name).exists());
        Ok(Self(own.or_else(known).unwrap_or_else(|| PathBuf::from(CREDENTIALS[0])).join(name)))
    }
}

/// A span that must lie between `MIN_MS` and `MAX_MS` milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SpanWithin<const MIN_MS: u64, const MAX_MS: u64>(pub Span);

impl<const MIN_MS: u64, const MAX_MS: u64> SpanWithin<MIN_MS, MAX_MS> {
    /// As the standard library has it.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0.0
    }

    /// In whole milliseconds.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0.as_millis()
    }
}

impl<'de, const MIN_MS: u64, const MAX_MS: u64> Deserialize<'de> for SpanWithin<MIN_MS, MAX_MS> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let span = Span::deserialize(deserializer)?;
        let millis = span.0.as_millis();
        if millis < u128::from(MIN_MS) || millis > u128::from(MAX_MS) {
            let [low, high] = [MIN_MS, MAX_MS].map(|ms| Span(Duration::from_millis(ms)));
            return Err(serde::de::Error::custom(format!(
                "found \"{span}\"; allowed are {low} to {high}; mend: choose a value within these limits"
            )));
        }
        Ok(Self(span))
    }
}

/// A whole number that must lie between `MIN` and `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Bounded<const MIN: u64, const MAX: u64>(pub u64);

impl<const MIN: u64, const MAX: u64> Bounded<MIN, MAX> {
    /// The number, as an index or a count.
    #[must_use]
    pub fn usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = i64::deserialize(deserializer)?;
        match u64::try_from(found) {
            Ok(value) if (MIN..=MAX).contains(&value) => Ok(Self(value)),
            _ => Err(serde::de::Error::custom(format!(
                "found {found}; allowed are {MIN} to {MAX}; mend: choose a value within these limits"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[allow(dead_code)]
        every: SpanWithin<1000, 60_000>,
        #[allow(dead_code)]
        count: Bounded<1, 10>,
    }

    fn fault(text: &str) -> ConfigError {
        Source::built_in("sample.toml", text).parse::<Sample>().expect_err("must be refused")
    }

    #[test]
    fn a_good_text_parses() {
        let sample: Sample = Source::built_in("sample.toml", "every = \"10s\"\ncount = 3\n").parse().expect("parses");
        assert_eq!(sample.every.get(), Duration::from_secs(10));
    }

    #[test]
    fn faults_name_the_line_what_was_found_what_is_allowed_and_the_mend() {
        let range = fault("count = 3\nevery = \"2h\"\n");
        assert_eq!((range.line, range.column), (2, 9));
        assert_eq!(range.message, "found \"2h\"; allowed are 1s to 1m");
        assert_eq!(range.mend, "choose a value within these limits");
        assert_eq!(range.excerpt, "every = \"2h\"");
        let unit = fault("count = 3\nevery = \"10 parsecs\"\n");
        assert!(unit.message.contains("10 parsecs") && unit.mend.contains("10s"), "{unit}");
        let number = fault("every = \"10s\"\ncount = -1\n");
        assert_eq!((number.line, number.message.as_str()), (2, "found -1; allowed are 1 to 10"));
        let key = fault("every = \"10s\"\ncuont = 3\n");
        assert!(key.message.contains("cuont") && key.message.contains("count") && key.line == 2, "{key}");
        let syntax = fault("every = \n");
        assert_eq!(syntax.line, 1);
    }

    #[test]
    fn secrets_are_files_or_credentials_of_the_service() {
        let read = |text: &str| serde_json::from_value::<SecretFile>(serde_json::Value::from(text));
        assert_eq!(read("/etc/x").expect("a path").0, PathBuf::from("/etc/x"));
        let credential = read("credential:mail.password").expect("a credential").0;
        assert!(credential.is_absolute() && credential.ends_with("mail.password"), "{credential:?}");
        assert!(read("credential:../x").is_err() && read("credential:").is_err());
    }
}
