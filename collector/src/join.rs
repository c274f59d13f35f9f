//! `ioc-collector join`: a second collector gets what it needs of the first, the keys of the site and the key of links in notices, in one file that a token
//! opens; and it is said where their configurations differ.
//!
//! The file goes by any way, the token by another one. Deliberately absent: the configuration itself, which names addresses and files of its machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Cursor, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use data_encoding::BASE32_NOPAD;
use serde_json::Value;

use ioc_common::clock;
use ioc_common::config::Source;
use ioc_common::file::sync_dir;
use ioc_common::owner::as_owner;
use ioc_common::random;
use ioc_engine::config::Config;
use ioc_engine::pki::Authority;
use ioc_store::DatabaseReport;

use crate::arguments::JoinCommand;
use crate::backup::age::{AgeReader, AgeWriter, OpenKey, SealKey};
use crate::tar::{TarReader, TarWriter, is_plain};

/// What is taken beside the folder of keys: the key of links in notices.
const LINK_KEY: &str = "link.key";
/// The configuration of the first, by which that of the second is compared.
const CONFIGURATION: &str = "collector.toml";
const KEYS: &str = "pki";
/// Where keys are laid out until all of them are there.
const JOINING: &str = "joining";
/// Bytes of a token: nobody guesses it, however long they have the file.
const TOKEN_BYTES: usize = 16;
/// Largest file that is taken, bytes, and most of them.
const FILE_MAX: u64 = 4 * 1024 * 1024;
const FILES_MAX: usize = 200;
/// Tables of the configuration that are each collector's own.
const OWN: [&str; 5] = ["store.name", "paths.", "ingest.listen", "web.listen", "web.url"];

/// Does what the command says; `path` is where this configuration was read. Gives what to say.
///
/// # Errors
/// When keys are missing here, or there where they are not wanted, the token does not open the file, or what the file system says.
pub fn run(config: &Config, path: Option<&Path>, command: JoinCommand) -> anyhow::Result<String> {
    let configuration = path.map(std::fs::read_to_string).transpose()?.unwrap_or_default();
    match command {
        JoinCommand::Offer { to } => offer(config, &configuration, &to),
        JoinCommand::Take { file } => {
            let mut token = String::new();
            std::io::stdin().read_line(&mut token).context("cannot read the token from standard input")?;
            take(config, &configuration, &file, &token)
        }
    }
}

/// Writes the keys of this collector into a file, and gives what to say, the token in it. `configuration` is the text of its configuration.
///
/// # Errors
/// When this collector has no keys, or stands alone; or what the file system says.
fn offer(config: &Config, configuration: &str, to: &Path) -> anyhow::Result<String> {
    ensure!(
        config.store.postgres().is_some(),
        "this collector has its record in files of its own, and nobody can stand by for it; mend: carry it into PostgreSQL first (store copy, docs/scale.md)"
    );
    let secret: [u8; TOKEN_BYTES] = random::secret()?;
    let token = BASE32_NOPAD.encode(&secret);
    let files = as_owner(&config.data, || keys_of(&config.data, configuration))??;
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(to);
    let file = file.with_context(|| format!("{} cannot be made", to.display()))?;
    let written = seal(file, &token, &files).with_context(|| to.display().to_string());
    if written.is_err() {
        let _ = std::fs::remove_file(to);
    }
    written?;
    Ok(format!(
        "{}: the keys of this site, {} files, which this token opens:\n\n    {token}\n\nnext, on the other machine: ioc-collector join take {}\n\
         Whoever has both can be this site: send the token by another way, and delete the file when the other collector has joined.\n",
        to.display(),
        files.len(),
        to.file_name().map(|name| name.to_string_lossy()).unwrap_or_default()
    ))
}

/// By their names.
type Files = BTreeMap<String, Vec<u8>>;

fn keys_of(data: &Path, configuration: &str) -> anyhow::Result<Files> {
    let folder = data.join(KEYS);
    ensure!(
        Authority::is_there(&folder),
        "{}: there are no keys here; mend: run this on the collector that made them, or has joined",
        folder.display()
    );
    let mut files = Files::from([(CONFIGURATION.to_owned(), configuration.as_bytes().to_vec())]);
    let read = |path: &Path| std::fs::read(path).with_context(|| path.display().to_string());
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).map(|name| format!("{KEYS}/{name}"));
        // What is being written is called so.
        let is_whole = path.extension().is_none_or(|end| end != "tmp") && path.is_file();
        if let Some(name) = name.filter(|name| is_whole && is_plain(name)) {
            files.insert(name, read(&path)?);
        }
    }
    let link = data.join(LINK_KEY);
    ensure!(link.exists(), "{}: it is not here; mend: start this collector once", link.display());
    files.insert(LINK_KEY.to_owned(), read(&link)?);
    Ok(files)
}

fn seal(file: File, token: &str, files: &Files) -> std::io::Result<()> {
    let sealed = AgeWriter::new(file, &SealKey::Passphrase(token.to_owned()))?;
    let second = u64::try_from(clock::now().as_millis() / 1000).unwrap_or(0);
    let mut archive = TarWriter::new(sealed, second);
    for (name, bytes) in files {
        archive.append(name, bytes.len() as u64, &mut Cursor::new(bytes))?;
    }
    archive.finish()?.finish()?.sync_all()
}

/// Lays out the keys that a file has, which this token opens, as those of this collector, which has none; gives what to say. `configuration` is the text
/// of this one's.
///
/// # Errors
/// When there are keys here, the token does not open the file, or what the file system says.
fn take(config: &Config, configuration: &str, file: &Path, token: &str) -> anyhow::Result<String> {
    let Some(plan) = config.store.postgres() else {
        bail!(
            "this configuration names no database that is shared; mend: write [store] as the first collector has it (docs/scale.md)"
        );
    };
    let token = token.trim().to_uppercase();
    let opened = File::open(file).with_context(|| file.display().to_string())?;
    let files = open(opened, &token).with_context(|| file.display().to_string())?;
    as_owner(&config.data, || lay_out(&config.data, &files))??;
    let mut said = format!("{} has the keys of the site now\n", config.data.display());
    let theirs = files.get(CONFIGURATION).map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default();
    let different = differences(&theirs, configuration)?;
    if !different.is_empty() {
        said += "their configurations differ, the first collector's before this one's; what is not each machine's own should be the same:\n";
        for line in different {
            let _ = writeln!(said, "  {line}");
        }
    }
    match DatabaseReport::of(&plan.settings) {
        Ok(report) if report.is_opened => {
            let _ = writeln!(said, "{} has this site; {:?} holds its lease, or did last", report.place, report.holder);
        }
        Ok(report) => {
            let _ = writeln!(
                said,
                "{} has no such site: look at [store] database and schema before you start",
                report.place
            );
        }
        Err(error) => {
            let _ = writeln!(said, "the database cannot be asked: {error}");
        }
    }
    said += "next: systemctl enable --now ioc-collector; it stands by (/readyz says so). Delete the file.\n";
    Ok(said)
}

fn open(file: File, token: &str) -> anyhow::Result<Files> {
    let opened = AgeReader::new(file, &OpenKey::Passphrase(token.to_owned()));
    let mut archive = TarReader::new(opened.context("the token does not open it; mend: enter it as it was printed")?);
    let mut files = Files::new();
    while let Some((name, size)) = archive.next_file()? {
        ensure!(size <= FILE_MAX && files.len() < FILES_MAX, "{name}: it is larger, or there are more, than keys are");
        let known = name == LINK_KEY
            || name == CONFIGURATION
            || name.strip_prefix("pki/").is_some_and(|rest| !rest.contains('/'));
        ensure!(known && is_plain(&name), "{name}: no such file belongs there");
        let mut bytes = Vec::new();
        archive.content(size, &mut |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        files.insert(name, bytes);
    }
    ensure!(files.contains_key("pki/ca.key.pem") && files.contains_key(LINK_KEY), "the keys of a site are not in it");
    Ok(files)
}

fn lay_out(data: &Path, files: &Files) -> anyhow::Result<()> {
    for name in [KEYS, LINK_KEY] {
        let path = data.join(name);
        ensure!(
            !path.exists(),
            "{}: there are keys here, of this site or another; mend: move {KEYS} and {LINK_KEY} away if nothing was certified by them",
            path.display()
        );
    }
    let place = data.join(JOINING);
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .and_then(|()| if place.exists() { std::fs::remove_dir_all(&place) } else { Ok(()) });
    made.and_then(|()| DirBuilder::new().recursive(true).mode(0o700).create(place.join(KEYS)))
        .with_context(|| place.display().to_string())?;
    for (name, bytes) in files.iter().filter(|(name, _)| *name != CONFIGURATION) {
        let path = place.join(name);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
        written.with_context(|| path.display().to_string())?;
    }
    let moved = sync_dir(&place.join(KEYS))
        .and_then(|()| std::fs::rename(place.join(LINK_KEY), data.join(LINK_KEY)))
        .and_then(|()| std::fs::rename(place.join(KEYS), data.join(KEYS)))
        .and_then(|()| std::fs::remove_dir(&place))
        .and_then(|()| sync_dir(data));
    moved.with_context(|| data.display().to_string())
}

/// Where two configurations differ, but for what is each machine's own: key, what the one has, what the other has.
fn differences(theirs: &str, ours: &str) -> anyhow::Result<Vec<String>> {
    let parse = |text: &str| -> anyhow::Result<BTreeMap<String, String>> {
        let mut keys = BTreeMap::new();
        flatten("", &Source::built_in("collector.toml", text).parse::<Value>()?, &mut keys);
        Ok(keys)
    };
    let (theirs, ours) = (parse(theirs).context("the configuration of the first collector")?, parse(ours)?);
    let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let own = |name: &str| OWN.iter().any(|own| name == *own || (own.ends_with('.') && name.starts_with(own)));
    let shown = |value: Option<&String>| value.map_or("nothing", String::as_str).to_owned();
    let different = names.into_iter().filter(|name| !own(name) && theirs.get(*name) != ours.get(*name));
    Ok(different.map(|name| format!("{name}: {} | {}", shown(theirs.get(name)), shown(ours.get(name)))).collect())
}

fn flatten(above: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    let below = |name: &str| if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") };
    match value {
        Value::Object(table) => table.iter().for_each(|(name, value)| flatten(&below(name), value, into)),
        Value::Array(all) if all.iter().any(Value::is_object) => {
            all.iter().enumerate().for_each(|(place, value)| flatten(&below(&(place + 1).to_string()), value, into));
        }
        other => drop(into.insert(above.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: &str = "[store]\nkind = \"postgres\"\naddresses = [\"/nowhere\"]\nschema = \"hanoi\"\n";

    fn config(data: &Path, more: &str) -> (Config, String) {
        let text = format!("[paths]\ndata = {data:?}\n{more}");
        (crate::config::tests::parse(&text).expect("parses"), text)
    }

    #[test]
    fn a_second_collector_has_the_same_keys_and_only_by_the_token() {
        let dir = tempfile::tempdir().expect("a folder");
        let (one, other, file) = (dir.path().join("one"), dir.path().join("other"), dir.path().join("keys"));
        std::fs::create_dir(&one).expect("made");
        Authority::open(&one.join(KEYS), "Hà Nội", clock::now()).expect("made");
        std::fs::write(one.join(LINK_KEY), [7; 32]).expect("written");
        let (first, text) = config(&one, SHARED);
        let said = offer(&first, &text, &file).expect("offered");
        let token = said
            .lines()
            .map(str::trim)
            .find(|line| line.len() == 26 && !line.contains(' '))
            .expect("a token")
            .to_owned();
        assert!(offer(&first, &text, &file).is_err(), "it writes over nothing");
        let sealed = std::fs::read(&file).expect("read");
        assert!(!sealed.windows(11).any(|part| part == b"PRIVATE KEY"), "sealed");
        let (second, ours) = config(&other, &format!("{SHARED}user = \"other\"\n"));
        let wrong = take(&second, &ours, &file, "AAAAAAAAAAAAAAAAAAAAAAAAAA").expect_err("another token");
        assert!(format!("{wrong:#}").contains("the token does not open it") && !other.join(KEYS).exists(), "{wrong:#}");
        let said = take(&second, &ours, &file, &token.to_lowercase()).expect("joined");
        assert!(said.contains("store.user: nothing | \"other\"") && !said.contains("paths"), "{said}");
        for name in ["pki/ca.key.pem", "pki/ca.pem", LINK_KEY] {
            assert_eq!(
                std::fs::read(one.join(name)).expect("read"),
                std::fs::read(other.join(name)).expect("read"),
                "{name}"
            );
        }
        let again = take(&second, &ours, &file, &token).expect_err("it has keys").to_string();
        assert!(again.contains("there are keys here"), "{again}");
        let (alone, text) = config(&one, "");
        assert!(
            offer(&alone, &text, &dir.path().join("more")).is_err_and(|error| error.to_string().contains("store copy"))
        );
    }

    #[test]
    fn what_differs_is_named_but_for_what_is_each_machines_own() {
        let theirs = "[web]\nlisten = \"a\"\nnames = [\"x\"]\n[[channel]]\nname = \"mail\"\n[store]\nname = \"một\"\n";
        let ours = "[web]\nlisten = \"b\"\nnames = [\"y\"]\n[[channel]]\nname = \"hook\"\n[store]\nname = \"hai\"\n";
        let found = differences(theirs, ours).expect("read");
        assert_eq!(found, ["channel.1.name: \"mail\" | \"hook\"", "web.names: [\"x\"] | [\"y\"]"]);
    }
}
