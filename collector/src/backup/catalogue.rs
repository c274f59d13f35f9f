//! What lies in the directory of backups, by the notes beside the archives: each archive has one, and each drill.
//!
//! Only what is ours by its name is ever looked at or removed, and an archive without its note is left alone: nobody knows whether it is good.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ioc_common::clock::Timestamp;
use ioc_common::file::{replace_durably, sync_dir};
use ioc_engine::backup::{BackupRecord, DrillRecord};
use ioc_engine::config::{Config, KeptBackups};

use super::certificate;
use super::error::BackupError;
use super::keep::{self, GoodArchive};

/// Every file's name begins so.
const PREFIX: &str = "ioc-watch-";
/// Ends of names.
const PACKED: &str = ".tar.lz4";
const SEALED: &str = ".tar.lz4.age";
/// What stands before the moment in the name of a drill's certificate.
const DRILL: &str = "drill-";
/// What stands behind an archive's name in that of the file that says that it waits.
const WAITING: &str = ".waiting";
/// Certificates of drills of a store that are kept, the newest: four years of weeks.
const DRILLS_MAX: usize = 208;
/// Longest name of a collector within a file's name.
const NAME_MAX: usize = 40;

/// The directory, and what of it belongs to this collector.
#[derive(Debug, Clone)]
pub(super) struct Catalogue {
    dir: PathBuf,
    /// What all its names begin with.
    prefix: String,
}

/// A moment as it stands in a file's name: 20261128T193000Z.
fn stamp(at: Timestamp) -> String {
    at.to_string()
        .chars()
        .filter(|one| !"-:".contains(*one))
        .collect::<String>()
        .split('.')
        .next()
        .unwrap_or_default()
        .trim_end_matches('Z')
        .to_owned()
        + "Z"
}

/// Whether a text begins with such a moment.
fn begins_with_stamp(text: &str) -> bool {
    let shape = "00000000T000000Z";
    text.len() >= shape.len()
        && text.bytes().zip(shape.bytes()).all(|(one, of)| if of == b'0' { one.is_ascii_digit() } else { one == of })
}

/// What a collector is called in names of files: the first name that it has for others.
fn plain_name(config: &Config) -> String {
    let name = config.names.first().map_or("collector", String::as_str).to_lowercase();
    let plain = name.chars().map(|one| if one.is_ascii_alphanumeric() { one } else { '-' });
    let plain: String = plain.take(NAME_MAX).collect();
    plain.trim_matches('-').to_owned()
}

impl Catalogue {
    pub(super) fn new(dir: &Path, config: &Config) -> Self {
        Self { dir: dir.to_owned(), prefix: format!("{PREFIX}{}-", plain_name(config)) }
    }

    /// What the collector is called in it.
    pub(super) fn collector(&self) -> &str {
        self.prefix.trim_start_matches(PREFIX).trim_end_matches('-')
    }

    /// Where an archive lies.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The name of a new archive, which no other has.
    pub(super) fn new_name(&self, at: Timestamp, sealed: bool) -> String {
        let name = |at| format!("{}{}{}", self.prefix, stamp(at), if sealed { SEALED } else { PACKED });
        let seconds = (0..).map(|second| name(at.plus_secs(second)));
        seconds.into_iter().find(|name| !self.path(name).exists()).unwrap_or_default()
    }

    /// Where one is written that is not whole yet.
    pub(super) fn part(&self) -> PathBuf {
        self.dir.join(format!(".{}part", self.prefix))
    }

    /// Whether a file's name is one of this collector's, and not of one whose name goes on where this one's ends.
    fn is_ours(&self, name: &str) -> bool {
        let rest = name.strip_prefix(&self.prefix).map(|rest| rest.strip_prefix(DRILL).unwrap_or(rest));
        rest.is_some_and(begins_with_stamp)
    }

    fn names(&self) -> Result<Vec<String>, BackupError> {
        let fault = BackupError::file(&self.dir);
        let entries = std::fs::read_dir(&self.dir).map_err(&fault)?;
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry.map_err(&fault)?.file_name().into_string().ok().filter(|name| self.is_ours(name)));
        }
        Ok(names)
    }

    fn notes<T: serde::de::DeserializeOwned>(
        &self,
        is: impl Fn(&str) -> bool,
    ) -> Result<Vec<(String, T)>, BackupError> {
        let mut notes = Vec::new();
        for name in self.names()?.into_iter().filter(|name| is(name)) {
            let path = self.path(&name);
            let read =
                std::fs::read(&path).map_err(BackupError::file(&path)).map(|bytes| serde_json::from_slice(&bytes));
            match read {
                Ok(Ok(note)) => notes.push((name, note)),
                Ok(Err(error)) => {
                    tracing::warn!(note = %path.display(), %error, "a note beside a backup cannot be read; its archive is left alone");
                }
                Err(error) => {
                    tracing::warn!(%error, "a note beside a backup cannot be read; its archive is left alone");
                }
            }
        }
        Ok(notes)
    }

    /// The archives that are there as long as they were made, the newest first.
    pub(super) fn archives(&self) -> Result<Vec<BackupRecord>, BackupError> {
        let is_note =
            |name: &str| name.ends_with(&format!("{PACKED}.json")) || name.ends_with(&format!("{SEALED}.json"));
        let notes = self.notes::<BackupRecord>(is_note)?;
        let whole = |(note, record): &(String, BackupRecord)| {
            let length = std::fs::metadata(self.path(&record.archive)).map(|about| about.len());
            *note == format!("{}.json", record.archive) && length.is_ok_and(|length| length == record.bytes)
        };
        let mut all: Vec<BackupRecord> = notes.into_iter().filter(whole).map(|(_, record)| record).collect();
        all.sort_by_key(|one| std::cmp::Reverse(one.number));
        Ok(all)
    }

    /// Those of this store alone. Others may lie in the same directory under the same name: of a collector that was here before, or of
    /// another one that is called so.
    pub(super) fn own_archives(&self, store: Option<&str>) -> Result<Vec<BackupRecord>, BackupError> {
        Ok(self.archives()?.into_iter().filter(|one| Some(one.store.as_str()) == store).collect())
    }

    /// Certificates of drills with this store's own archives.
    pub(super) fn own_drills(&self, store: Option<&str>) -> Result<Vec<(String, DrillRecord)>, BackupError> {
        Ok(self.drills()?.into_iter().filter(|(_, drill)| Some(drill.store.as_str()) == store).collect())
    }

    /// The number of the next archive.
    pub(super) fn next_number(&self) -> Result<u64, BackupError> {
        let is_note = |name: &str| name.ends_with(".json") && !name.starts_with(&format!("{}{DRILL}", self.prefix));
        let numbers = self.notes::<BackupRecord>(is_note)?.into_iter().map(|(_, record)| record.number);
        // What somebody else wrote into a note must not begin it anew.
        numbers.max().unwrap_or(0).checked_add(1).ok_or_else(|| BackupError::Key {
            path: self.dir.clone(),
            why: format!("a note of a backup has the number {}, and none comes behind it; mend: move that archive and its note away", u64::MAX),
        })
    }

    /// Notes that an archive is good.
    pub(super) fn note(&self, record: &BackupRecord) -> Result<(), BackupError> {
        self.write(&format!("{}.json", record.archive), &pretty(record))
    }

    /// Notes whether the program that is started after each archive has still to take this one, so that a failure outlives a restart.
    pub(super) fn set_waiting(&self, archive: &str, waits: bool) -> Result<(), BackupError> {
        let name = format!("{archive}{WAITING}");
        if waits {
            return self.write(&name, "");
        }
        match std::fs::remove_file(self.path(&name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(BackupError::file(&self.path(&name))(error))
            }
            _ => Ok(()),
        }
    }

    /// Whether an archive still waits for that program.
    pub(super) fn is_waiting(&self, archive: &str) -> bool {
        self.path(&format!("{archive}{WAITING}")).exists()
    }

    /// Certificates of drills with their file names, the last one first: by their numbers, since a clock may have been wrong meanwhile.
    pub(super) fn drills(&self) -> Result<Vec<(String, DrillRecord)>, BackupError> {
        let begin = format!("{}{DRILL}", self.prefix);
        let mut all = self.notes::<DrillRecord>(|name| name.starts_with(&begin) && name.ends_with(".json"))?;
        all.sort_by_key(|(_, drill)| std::cmp::Reverse((drill.number, drill.at)));
        Ok(all)
    }

    /// The number of the next drill of a store.
    pub(super) fn next_drill(&self, store: &str) -> Result<u64, BackupError> {
        let last = self.own_drills(Some(store))?.into_iter().map(|(_, drill)| drill.number).max();
        Ok(last.unwrap_or(0).saturating_add(1))
    }

    /// Keeps the certificate of a drill, as JSON and as a text; gives the JSON file's name.
    pub(super) fn certify(&self, drill: &DrillRecord) -> Result<String, BackupError> {
        let stem = format!("{}{DRILL}{}", self.prefix, stamp(drill.at));
        self.write(&format!("{stem}.txt"), &certificate::to_text(drill))?;
        self.write(&format!("{stem}.json"), &pretty(drill))?;
        for (name, _) in self.own_drills(Some(&drill.store))?.into_iter().skip(DRILLS_MAX) {
            let _ = std::fs::remove_file(self.path(&name));
            let _ = std::fs::remove_file(self.path(&name.replace(".json", ".txt")));
        }
        Ok(format!("{stem}.json"))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), BackupError> {
        let path = self.path(name);
        replace_durably(&path, 0o600, |file| file.write_all(text.as_bytes())).map_err(BackupError::file(&path))
    }

    /// Removes what the rules let go, of this store alone; gives the names. The newest stay.
    pub(super) fn prune(
        &self,
        store: &str,
        keep: KeptBackups,
        zone: &jiff::tz::TimeZone,
    ) -> Result<Vec<String>, BackupError> {
        let drills = self.own_drills(Some(store))?;
        let passed: BTreeSet<&str> = drills
            .iter()
            .filter(|(_, drill)| drill.failure.is_none())
            .map(|(_, drill)| drill.sha256.as_str())
            .collect();
        let good = self.own_archives(Some(store))?.into_iter().map(|one| GoodArchive {
            passed: passed.contains(one.sha256.as_str()),
            name: one.archive,
            number: one.number,
            made_at: one.made_at,
        });
        let good: Vec<GoodArchive> = good.collect();
        let gone = keep::gone(&good, keep, zone);
        for name in &gone {
            let path = self.path(name);
            std::fs::remove_file(&path).map_err(BackupError::file(&path))?;
            // Without its archive a note says nothing.
            for beside in [".json", WAITING] {
                let _ = std::fs::remove_file(self.path(&format!("{name}{beside}")));
            }
        }
        if !gone.is_empty() {
            sync_dir(&self.dir).map_err(BackupError::file(&self.dir))?;
        }
        Ok(gone)
    }
}

fn pretty<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(catalogue: &Catalogue, number: u64, made_at: Timestamp) -> BackupRecord {
        BackupRecord {
            archive: catalogue.new_name(made_at, true),
            number,
            made_at,
            bytes: 3,
            sha256: String::new(),
            plain_bytes: 3,
            store: "own".to_owned(),
            commits: number,
            audit_number: 1,
            sealed: "passphrase".to_owned(),
            product: "0".to_owned(),
            took_ms: 1,
            copied_ms: 1,
        }
    }

    #[test]
    fn only_what_is_ours_and_good_is_counted_and_let_go() {
        let dir = tempfile::tempdir().expect("directory");
        let config = crate::config::tests::parse("[web]\nnames = [\"Trung-tam.example\"]\n").expect("parses");
        let catalogue = Catalogue::new(dir.path(), &config);
        assert_eq!(catalogue.collector(), "trung-tam-example");
        let start: Timestamp = "2026-01-01T19:30:00.25Z".parse().expect("time");
        let name = catalogue.new_name(start, true);
        assert_eq!(name, "ioc-watch-trung-tam-example-20260101T193000Z.tar.lz4.age");
        for number in 1..=60 {
            let one = record(&catalogue, number, start.plus_secs(number * 86_400));
            std::fs::write(catalogue.path(&one.archive), "abc").expect("written");
            catalogue.note(&one).expect("noted");
        }
        let foreign = record(&catalogue, 61, start.plus_secs(7));
        let foreign = BackupRecord { store: "other".to_owned(), ..foreign };
        std::fs::write(catalogue.path(&foreign.archive), "abc").expect("written");
        catalogue.note(&foreign).expect("noted");
        // What is no longer as long as it was is not good, and is not let go either; nor is what has no note, or another's name.
        let cut = record(&catalogue, 62, start.plus_secs(61 * 86_400));
        std::fs::write(catalogue.path(&cut.archive), "ab").expect("written");
        catalogue.note(&cut).expect("noted");
        let strangers = [
            "ioc-watch-trung-tam-example-20200101T000000Z.tar.lz4.age",
            "ioc-watch-other-20200101T000000Z.tar.lz4.age",
            "notes.txt",
        ];
        strangers.iter().for_each(|name| std::fs::write(dir.path().join(name), "x").expect("written"));
        let names = |all: Vec<BackupRecord>| all.into_iter().map(|one| one.number).collect::<Vec<_>>();
        assert_eq!(
            names(catalogue.archives().expect("listed"))[..3],
            [61, 60, 59],
            "the newest first, and none that is cut"
        );
        assert_eq!(catalogue.next_number().expect("numbered"), 63, "no number comes twice");
        assert!(names(catalogue.own_archives(Some("own")).expect("listed"))[..2] == [60, 59]);
        assert_eq!(names(catalogue.own_archives(Some("other")).expect("listed")), [61]);
        assert!(catalogue.own_archives(None).expect("listed").is_empty(), "no store, nothing of its own");
        let keep = KeptBackups { daily: 7, weekly: 0, monthly: 0 };
        let gone = catalogue.prune("own", keep, &config.timezone).expect("pruned");
        assert_eq!(gone.len(), 53);
        assert_eq!(names(catalogue.archives().expect("listed")), [61, 60, 59, 58, 57, 56, 55, 54]);
        assert!(strangers.iter().all(|name| dir.path().join(name).exists()) && catalogue.path(&cut.archive).exists());
        assert_eq!(
            catalogue.new_name(foreign.made_at, true),
            "ioc-watch-trung-tam-example-20260101T193008Z.tar.lz4.age",
            "never over another"
        );
    }

    #[test]
    fn the_newest_own_one_that_passed_a_drill_is_not_let_go() {
        let dir = tempfile::tempdir().expect("directory");
        let config = crate::config::tests::parse("[web]\nnames = [\"a\"]\n").expect("parses");
        let catalogue = Catalogue::new(dir.path(), &config);
        let start: Timestamp = "2026-01-01T19:30:00Z".parse().expect("time");
        let drilled = |number: u64, store: &str, failure: Option<&str>| {
            let at = start.plus_secs(number * 86_400 + 60);
            let drill = DrillRecord {
                archive: String::new(),
                sha256: format!("sum-{number}"),
                store: store.to_owned(),
                backup_made_at: at,
                number: catalogue.next_drill(store).expect("numbered"),
                at,
                took_ms: 1,
                failure: failure.map(str::to_owned),
                checks: Vec::new(),
                tables: 1,
                rows: 1,
                files: 1,
                plain_bytes: 3,
                product: "0".to_owned(),
            };
            catalogue.certify(&drill).expect("certified");
        };
        for number in 1..=20 {
            let sha256 = format!("sum-{number}");
            let one = BackupRecord { sha256, ..record(&catalogue, number, start.plus_secs(number * 86_400)) };
            std::fs::write(catalogue.path(&one.archive), "abc").expect("written");
            catalogue.note(&one).expect("noted");
        }
        drilled(3, "own", None);
        drilled(5, "own", None);
        drilled(7, "own", Some("damaged"));
        drilled(9, "other", None);
        let keep = KeptBackups { daily: 2, weekly: 0, monthly: 0 };
        catalogue.prune("own", keep, &config.timezone).expect("pruned");
        let left: Vec<u64> = catalogue.archives().expect("listed").into_iter().map(|one| one.number).collect();
        assert_eq!(left, [20, 19, 5]);
    }

    #[test]
    fn drills_go_by_their_numbers_whatever_a_clock_said_and_only_own_ones_are_let_go() {
        let dir = tempfile::tempdir().expect("directory");
        let named =
            |name: &str| crate::config::tests::parse(&format!("[web]\nnames = [\"{name}\"]\n")).expect("parses");
        let (ours, theirs) = (Catalogue::new(dir.path(), &named("ioc")), Catalogue::new(dir.path(), &named("ioc-2")));
        let start: Timestamp = "2026-01-01T19:30:00Z".parse().expect("time");
        let drill = |catalogue: &Catalogue, store: &str, at: Timestamp| {
            let drill = DrillRecord {
                archive: String::new(),
                sha256: String::new(),
                store: store.to_owned(),
                backup_made_at: at,
                number: catalogue.next_drill(store).expect("numbered"),
                at,
                took_ms: 1,
                failure: None,
                checks: Vec::new(),
                tables: 1,
                rows: 1,
                files: 1,
                plain_bytes: 3,
                product: "0".to_owned(),
            };
            catalogue.certify(&drill).expect("certified");
        };
        drill(&theirs, "their own", start);
        // The clock was a year ahead for one of them.
        drill(&ours, "own", start.plus_secs(365 * 86_400));
        let weeks = u64::try_from(DRILLS_MAX).expect("few");
        for week in 0..weeks {
            drill(&ours, "own", start.plus_secs((week + 1) * 7 * 3_600));
        }
        let own = ours.own_drills(Some("own")).expect("listed");
        assert_eq!(own.len(), DRILLS_MAX);
        assert_eq!(own[0].1.at, start.plus_secs(weeks * 7 * 3_600), "the last one that was held");
        assert!(own.iter().all(|(_, drill)| drill.number > 1), "the oldest went, which is the one of the wrong clock");
        assert_eq!(theirs.drills().expect("listed").len(), 1, "another's stay");
        assert_eq!(ours.drills().expect("listed").len(), DRILLS_MAX, "and are not seen");
    }

    #[test]
    fn what_waits_to_be_handed_on_is_known_until_it_was() {
        let dir = tempfile::tempdir().expect("directory");
        let config = crate::config::tests::parse("[web]\nnames = [\"a\"]\n").expect("parses");
        let catalogue = Catalogue::new(dir.path(), &config);
        let one = record(&catalogue, 1, "2026-01-01T19:30:00Z".parse().expect("time"));
        assert!(!catalogue.is_waiting(&one.archive));
        catalogue.set_waiting(&one.archive, true).expect("noted");
        assert!(Catalogue::new(dir.path(), &config).is_waiting(&one.archive), "over a restart, too");
        for _ in 0..2 {
            catalogue.set_waiting(&one.archive, false).expect("noted");
            assert!(!catalogue.is_waiting(&one.archive));
        }
    }
}
