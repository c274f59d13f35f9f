//! Where each part of the configuration comes from: a file, if one says something of it; else what was set on pages, by API or on the command
//! line; else what holds without either.
//!
//! What the shipped `collector.toml` says is what holds anyway: only what differs from it is said by a file. So a file as it was shipped leaves
//! every part to be set on pages, and one that says something holds that part as it always did.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, LazyLock};

use ioc_common::config::{ConfigError, Source, TomlTable, TomlValue};
use ioc_store::configuration::{ConfigurationVersion, Part};

use super::form::Form;
use super::{Config, ConnectorKinds, DEFAULT_CONFIG, DEFAULT_RETENTION, DEFAULT_RULES};
use crate::sealed_secret::SEALED;
use crate::software_catalogue::DEFAULT_SOFTWARE;

/// What was set on pages: the newest version of each part.
pub type StoredParts = BTreeMap<Part, ConfigurationVersion>;

/// The newest versions, by part.
#[must_use]
pub fn stored_parts(versions: Vec<ConfigurationVersion>) -> StoredParts {
    versions.into_iter().map(|version| (version.part, version)).collect()
}

/// The configuration as it is shipped, as tables.
static SHIPPED: LazyLock<TomlTable> = LazyLock::new(|| DEFAULT_CONFIG.parse().unwrap_or_default());

/// The tables of `collector.toml` that are a part; none for one that is a text of its own.
#[must_use]
pub const fn tables_of(part: Part) -> &'static [&'static str] {
    match part {
        Part::Site => &["site"],
        Part::Channels => &["channel"],
        Part::Tickets => &["ticket"],
        Part::Sources => &["source"],
        Part::Jobs => &["job"],
        Part::AgentGroups => &["settings"],
        Part::Register => &["register"],
        Part::Legal => &["legal"],
        Part::Backup => &["backup"],
        Part::Timestamps => &["timestamp"],
        Part::Identity => &["people", "oidc"],
        Part::Metrics => &["prometheus", "remote_write"],
        Part::Sensors => &["values"],
        Part::Heartbeat => &["heartbeat"],
        Part::Duty | Part::Rules | Part::Retention | Part::Software => &[],
    }
}

/// Who says what a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartHolder {
    /// This file: it is changed there alone.
    File(PathBuf),
    /// What was set here, as its newest version.
    Stored,
    /// Nobody: it is as it is shipped.
    Shipped,
}

/// A part as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartInForce {
    /// Which.
    pub part: Part,
    /// Who says so.
    pub holder: PartHolder,
    /// The newest version that was saved here, whoever holds the part now; 0 before the first.
    pub version: u64,
    /// The text that is in force, TOML; of a file in which other tables stand, too, those of the part.
    pub text: String,
    /// Why the text, which was set here, is not in use although no file holds the part: then it is to be corrected.
    pub left_out: Option<ConfigError>,
}

impl PartInForce {
    /// The file that holds it; none where it can be set here.
    #[must_use]
    pub fn held_by(&self) -> Option<&Path> {
        match &self.holder {
            PartHolder::File(path) => Some(path),
            PartHolder::Stored | PartHolder::Shipped => None,
        }
    }
}

/// What a configuration was made of, so that one that differs in a part can be made.
#[derive(Clone)]
pub struct Origin {
    pub(super) source: Source,
    pub(super) kinds: ConnectorKinds,
    pub(super) stored: StoredParts,
    /// Parts that files hold.
    pub(super) held: BTreeMap<Part, Source>,
    /// Parts that were set here and cannot be used: they are as shipped until they are mended.
    pub(super) left_out: BTreeMap<Part, ConfigError>,
}

impl Origin {
    pub(super) fn new(source: &Source, kinds: ConnectorKinds, held: BTreeMap<Part, Source>) -> Self {
        Self { source: source.clone(), kinds, stored: StoredParts::new(), held, left_out: BTreeMap::new() }
    }
}

impl fmt::Debug for Origin {
    /// Without the texts: what they say stands in the configuration.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Origin")
    }
}

/// The texts of a configuration while it is read: which part comes from where.
pub(super) struct PartSources {
    /// Parts that files hold: the file, and where it is another one than `collector.toml`, that.
    pub(super) held: BTreeMap<Part, Source>,
    /// Parts that were set here and that no file holds.
    stored: BTreeMap<Part, Source>,
    source: Source,
}

impl PartSources {
    /// Finds out which part comes from where.
    ///
    /// # Errors
    /// [`ConfigError`] at what a text that was set here must not say, and where a file that is named cannot be read.
    pub(super) fn find(source: &Source, form: &Form, stored: &StoredParts) -> Result<Self, ConfigError> {
        let said: TomlTable = source.parse()?;
        let named = |file: &Option<PathBuf>| file.as_ref().map(|path| source.beside(path)).transpose();
        let mut held = BTreeMap::new();
        for part in Part::ALL {
            let by = match part {
                Part::Duty => named(&form.duty.file)?,
                Part::Rules => named(&form.rules.file)?,
                Part::Retention => named(&form.retention.file)?,
                Part::Software => form.register.software().map(|path| source.beside(path)).transpose()?,
                _ => is_said(part, &said).then(|| source.clone()),
            };
            held.extend(by.map(|by| (part, by)));
        }
        let mut own = BTreeMap::new();
        for (part, version) in stored {
            if let (false, Some(text)) = (held.contains_key(part), &version.text) {
                let text = source.part(part.as_str(), text);
                check_own(*part, &text)?;
                own.insert(*part, text);
            }
        }
        Ok(Self { held, stored: own, source: source.clone() })
    }

    /// Parts that were set here, and are tables.
    pub(super) fn tables(&self) -> impl Iterator<Item = (Part, &Source)> {
        self.stored.iter().filter(|(part, _)| !tables_of(**part).is_empty()).map(|(part, text)| (*part, text))
    }

    /// The text in which the tables of a part stand.
    pub(super) fn of(&self, part: Part) -> &Source {
        self.stored.get(&part).unwrap_or(&self.source)
    }

    /// The text of a part that is one of its own; what is shipped where nobody says one.
    pub(super) fn whole(&self, part: Part) -> Source {
        let said = self.held.get(&part).or_else(|| self.stored.get(&part)).cloned();
        said.unwrap_or_else(|| {
            let (name, text) = shipped_text(part);
            Source::built_in(name, text)
        })
    }

    /// Whether a file, or somebody here, says what a part is.
    pub(super) fn is_said(&self, part: Part) -> bool {
        self.held.contains_key(&part) || self.stored.contains_key(&part)
    }
}

/// What a part is without being said by anybody: its text as it is shipped, with its explanations and examples.
#[must_use]
pub fn shipped(part: Part) -> String {
    let tables = tables_of(part);
    if tables.is_empty() { shipped_text(part).1.to_owned() } else { sections(DEFAULT_CONFIG, tables) }
}

/// The text that is shipped for a part that is one of its own, and what it is called in errors.
const fn shipped_text(part: Part) -> (&'static str, &'static str) {
    match part {
        Part::Rules => ("(built-in rules.toml)", DEFAULT_RULES),
        Part::Retention => ("(built-in retention.toml)", DEFAULT_RETENTION),
        Part::Software => ("(built-in software.toml)", DEFAULT_SOFTWARE),
        // There is no duty plan before somebody makes one.
        _ => ("(none)", ""),
    }
}

/// Whether a file says of a part what is not said of it anyway.
fn is_said(part: Part, said: &TomlTable) -> bool {
    tables_of(part).iter().any(|name| match (said.get(*name), SHIPPED.get(*name)) {
        (None, _) => false,
        (Some(TomlValue::Array(all)), _) => !all.is_empty(),
        (Some(TomlValue::Table(said)), Some(TomlValue::Table(shipped))) => {
            let of_other = |key: &str| part == Part::Register && key == "software";
            said.iter().any(|(key, value)| !of_other(key) && shipped.get(key) != Some(value))
        }
        (Some(_), _) => true,
    })
}

/// What a text that was set here must not say: tables of other parts, programs to start, and files elsewhere than where the configuration's own
/// lie. Whoever may change it on a page is not for that the owner of this machine.
fn check_own(part: Part, text: &Source) -> Result<(), ConfigError> {
    let tables = tables_of(part);
    if !tables.is_empty()
        && let Some((key, span)) = text.top_keys()?.into_iter().find(|(key, _)| !tables.contains(&key.as_str()))
    {
        let message =
            format!("found [{key}] in the part {part}; allowed is [{}]", tables.join("], ["), part = part.as_str());
        return Err(text.fault(
            span,
            &message,
            "remove it: each part is set on its own page, and paths and addresses of this machine in its file",
        ));
    }
    for value in text.string_values()? {
        let key = value.path.last().map_or("", String::as_str);
        if part == Part::Backup && key == "command" {
            let message = "found command; a program that is started is named in collector.toml alone";
            return Err(text.fault(value.span, message, "remove it, or set the whole part in the file"));
        }
        if part == Part::Register && key == "software" {
            let message = "found software; it is a part of its own";
            return Err(text.fault(value.span, message, "remove it, and set the part software"));
        }
        // What opens backups is no use within them.
        let may_seal = !matches!(part, Part::Backup | Part::Timestamps | Part::Legal | Part::Sensors);
        let is_own = value.text.starts_with("credential:") || (may_seal && value.text.starts_with(SEALED));
        if names_file(part, key, &value.text) && !is_own && !is_below(text.directory(), &value.text) {
            let message = format!("found a path in {key} that does not lie below {}", shown(text.directory()));
            let mend = "put the file there and write its whole path, write \"credential:NAME\", or type the secret into its form";
            return Err(text.fault(value.span, &message, mend));
        }
    }
    Ok(())
}

/// Whether a key of a part names a file of this machine.
fn names_file(part: Part, key: &str, value: &str) -> bool {
    match part {
        Part::Duty | Part::Rules | Part::Retention | Part::Software | Part::Site => false,
        Part::Legal => key == "files",
        Part::Sensors => value.ends_with(".toml"),
        _ => key.ends_with("_file"),
    }
}

fn shown(directory: &Path) -> String {
    if directory.as_os_str().is_empty() {
        "a directory of the configuration".to_owned()
    } else {
        directory.display().to_string()
    }
}

/// Whether a path leads below a directory, by its letters; a relative one does where it does not go up.
fn is_below(directory: &Path, path: &str) -> bool {
    let path = Path::new(path);
    let plain = |path: &Path| path.components().all(|one| matches!(one, Component::Normal(_) | Component::RootDir));
    if path.is_absolute() {
        return directory.is_absolute() && path.starts_with(directory) && plain(path);
    }
    plain(path)
}

impl Config {
    /// What was set on pages, by part.
    #[must_use]
    pub fn stored(&self) -> &StoredParts {
        &self.origin.stored
    }

    /// The file that holds a part; none where it can be set here.
    #[must_use]
    pub fn held_by(&self, part: Part) -> Option<&Path> {
        self.origin.held.get(&part).map(Source::path)
    }

    /// A part as it is in force.
    #[must_use]
    pub fn part(&self, part: Part) -> PartInForce {
        let origin = &self.origin;
        let stored = origin.stored.get(&part);
        let left_out = origin.left_out.get(&part).cloned();
        let own = stored.and_then(|version| version.text.clone());
        let tables = tables_of(part);
        let (holder, text) = match (origin.held.get(&part), own) {
            (Some(by), _) if tables.is_empty() => (PartHolder::File(by.path().to_owned()), by.text().to_owned()),
            (Some(by), _) => (PartHolder::File(by.path().to_owned()), sections(by.text(), tables)),
            (None, Some(text)) => (PartHolder::Stored, text),
            (None, None) => (PartHolder::Shipped, shipped(part)),
        };
        PartInForce { part, holder, version: stored.map_or(0, |version| version.number), text, left_out }
    }

    /// A configuration that was read again from its files, with what was set here as `before` has it.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the first fault, in a part that was set here or in a file.
    pub fn following(&self, before: &Self) -> Result<Self, ConfigError> {
        let (origin, was) = (&self.origin, &before.origin);
        match Self::assemble(&origin.source, origin.kinds, was.stored.clone(), BTreeMap::new()) {
            Err(_) if !was.left_out.is_empty() => {
                Self::assemble(&origin.source, origin.kinds, was.stored.clone(), was.left_out.clone())
            }
            read => read,
        }
    }

    /// The same with some parts given new texts. The whole is checked: what others say of it, too.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the first fault, in one of these, or in what no longer fits it.
    pub fn with_versions(&self, versions: &[ConfigurationVersion]) -> Result<Self, ConfigError> {
        let origin = &self.origin;
        let mut stored = origin.stored.clone();
        stored.extend(versions.iter().map(|version| (version.part, version.clone())));
        if !origin.left_out.is_empty()
            && let Ok(whole) = Self::assemble(&origin.source, origin.kinds, stored.clone(), BTreeMap::new())
        {
            return Ok(whole);
        }
        let left_out =
            origin.left_out.iter().filter(|(part, _)| !versions.iter().any(|version| version.part == **part));
        let left_out = left_out.map(|(part, error)| (*part, error.clone())).collect();
        Self::assemble(&origin.source, origin.kinds, stored, left_out)
    }

    /// The same with parts that files hold taken over as versions. The files go on holding them; what is checked is that the whole holds with these in
    /// their place.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the first fault of what would hold once the files say nothing of these parts.
    pub fn with_imported(&self, versions: &[ConfigurationVersion]) -> Result<Self, ConfigError> {
        let origin = &self.origin;
        let mut rest: TomlTable = origin.source.parse()?;
        for version in versions {
            let (table, key) = match version.part {
                Part::Duty => ("duty", "file"),
                Part::Rules => ("rules", "file"),
                Part::Retention => ("retention", "file"),
                Part::Software => ("register", "software"),
                Part::Register => {
                    if let Some(TomlValue::Table(table)) = rest.get_mut("register") {
                        table.retain(|key, _| key == "software");
                    }
                    continue;
                }
                part => {
                    for table in tables_of(part) {
                        rest.remove(*table);
                    }
                    continue;
                }
            };
            if let Some(TomlValue::Table(table)) = rest.get_mut(table) {
                table.remove(key);
            }
        }
        let mut stored = origin.stored.clone();
        stored.extend(versions.iter().map(|version| (version.part, version.clone())));
        let name = origin.source.path().display().to_string();
        let rest = origin.source.part(&name, &ioc_common::config::to_text(&rest));
        Self::assemble(&rest, origin.kinds, stored, origin.left_out.clone())?;
        self.with_versions(versions)
    }

    /// The same with what was set here when the collector starts. A part that cannot be used, since the program or a file is another one by now, is
    /// left out, with what no longer fits without it: the collector watches on, and says so.
    ///
    /// # Errors
    /// [`ConfigError`] where what the files say does not hold by itself.
    pub fn resumed(&self, stored: &StoredParts) -> Result<Self, ConfigError> {
        let mut left_out = BTreeMap::new();
        loop {
            let error = match Self::assemble(&self.origin.source, self.origin.kinds, stored.clone(), left_out.clone()) {
                Ok(config) => return Ok(config),
                Err(error) => error,
            };
            let named = error.path.to_str().and_then(Part::parse).filter(|part| stored.contains_key(part));
            match named.filter(|part| !left_out.contains_key(part)) {
                Some(part) => drop(left_out.insert(part, error)),
                None => return Err(error),
            }
        }
    }

    /// Parts that were set here and cannot be used, each with why.
    #[must_use]
    pub fn left_out(&self) -> &BTreeMap<Part, ConfigError> {
        &self.origin.left_out
    }

    fn assemble(
        source: &Source,
        kinds: ConnectorKinds,
        stored: StoredParts,
        left_out: BTreeMap<Part, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let used = stored.iter().filter(|(part, _)| !left_out.contains_key(part));
        let used: StoredParts = used.map(|(part, version)| (*part, version.clone())).collect();
        let mut config = Self::read(source, &kinds, &used)?;
        let origin = Arc::make_mut(&mut config.origin);
        (origin.stored, origin.left_out) = (stored, left_out);
        Ok(config)
    }
}

/// The tables of these names that stand in a text, with the comments before them, as they are written; and comments that show how one of them
/// would be written.
fn sections(text: &str, names: &[&str]) -> String {
    let mut sections = Sections { names, found: String::new(), owner: String::new(), piece: String::new() };
    // Since the last heading, to know whether a line stands within an array or a text of several lines.
    let mut since = String::new();
    for line in text.split_inclusive('\n') {
        let is_heading = line.starts_with('[');
        let is_between = (is_heading || line.trim().is_empty()) && since.parse::<TomlTable>().is_ok();
        if is_between && is_heading {
            sections.begin(table_name(line));
            since.clear();
        }
        since.push_str(line);
        sections.piece.push_str(line);
        if is_between && !is_heading {
            sections.end_piece();
        }
    }
    sections.end_piece();
    let found = sections.found.trim_end();
    let found = if found.is_empty() { String::new() } else { format!("{found}\n") };
    let is_whole = |table: &TomlTable| names.iter().all(|name| table.contains_key(*name) == text_has(text, name));
    if found.parse::<TomlTable>().is_ok_and(|table| is_whole(&table)) {
        return found;
    }
    // Written some other way, such as by dotted keys at the top: the values, without their comments.
    let table: TomlTable = text.parse().unwrap_or_default();
    let own = table.into_iter().filter(|(name, _)| names.contains(&name.as_str())).collect();
    ioc_common::config::to_text(&own)
}

/// A text that is taken apart, line by line.
struct Sections<'n> {
    names: &'n [&'n str],
    found: String,
    /// The table that was begun last.
    owner: String,
    /// Lines since a heading, or since an empty line.
    piece: String,
}

impl Sections<'_> {
    /// A table begins: comments right before it are its own.
    fn begin(&mut self, name: &str) {
        let lines: Vec<&str> = self.piece.split_inclusive('\n').collect();
        let comments = lines.iter().rev().take_while(|line| line.starts_with('#')).count();
        let (before, own) = lines.split_at(lines.len() - comments);
        let (before, own) = (before.concat(), own.concat());
        self.piece = before;
        self.end_piece();
        self.piece = own;
        name.clone_into(&mut self.owner);
    }

    fn end_piece(&mut self) {
        let piece = std::mem::take(&mut self.piece);
        let mut written = piece.lines().filter(|line| !line.trim().is_empty());
        let shows =
            || piece.lines().find_map(|line| Some(line.strip_prefix("# ")?).filter(|line| line.starts_with('[')));
        let owner = if written.all(|line| line.starts_with('#')) { shows().map(table_name) } else { None };
        if self.names.contains(&owner.unwrap_or(&self.owner)) {
            self.found.push_str(&piece);
        }
    }
}

/// The name of the table that a heading begins.
fn table_name(heading: &str) -> &str {
    let name = heading.trim_start_matches('[').split(['.', ']']).next().unwrap_or_default();
    name.trim().trim_matches('"')
}

fn text_has(text: &str, name: &str) -> bool {
    text.parse::<TomlTable>().is_ok_and(|table| table.contains_key(name))
}

#[cfg(test)]
mod tests;
