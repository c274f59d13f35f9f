//! What goes into an archive beside the store: keys, small notes of the data directory, the configuration and the files that it names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use ioc_common::config::Source as Text;
use ioc_engine::sealed_secret::SEALED;

use super::archive::{Packed, Source};
use super::error::BackupError;
use crate::tar::is_plain;

/// Small files of the data directory, where they are there. The first password, locks and what can be made anew are left out.
const NOTES: [&str; 3] = ["link.key", "remote-write.position", "integrity-check.last"];
/// Largest file that the configuration names and that is taken, bytes; and most of them.
const FILE_MAX: u64 = 4 * 1024 * 1024;
const FILES_MAX: usize = 200;
/// Where the configuration lies in an archive.
pub(super) const CONFIGURATION: &str = "configuration";

/// Files, and what was left out, each with the reason.
pub(super) type Found = (Vec<Packed>, Vec<String>);

/// Keys and notes of the data directory. They are read before the store is: a note that is older than it is good, a newer one is not.
pub(super) fn of_data(data: &Path) -> Result<Vec<Packed>, BackupError> {
    let mut files = Vec::new();
    let mut take = |path: &Path, name: String| -> Result<(), BackupError> {
        let bytes = std::fs::read(path).map_err(BackupError::file(path))?;
        files.push(Packed { path: name, source: Source::Bytes(bytes), from: None });
        Ok(())
    };
    let pki = data.join("pki");
    let mut keys = BTreeSet::new();
    for entry in std::fs::read_dir(&pki).map_err(BackupError::file(&pki))? {
        keys.insert(entry.map_err(BackupError::file(&pki))?.path());
    }
    for path in keys {
        let name = path.file_name().and_then(|name| name.to_str()).map(|name| format!("pki/{name}"));
        // What is being written is called so.
        let is_whole = path.extension().is_none_or(|end| end != "tmp") && path.is_file();
        if let Some(name) = name.filter(|name| is_whole && is_plain(name)) {
            take(&path, name)?;
        }
    }
    for name in NOTES {
        let path = data.join(name);
        if path.is_file() {
            take(&path, name.to_owned())?;
        }
    }
    Ok(files)
}

/// The configuration at `path`, and the files that it names, or that `parts` do, which were set on pages.
pub(super) fn of_configuration(path: Option<&Path>, parts: &[&str]) -> Result<Found, BackupError> {
    let Some(path) = path else { return Ok((Vec::new(), Vec::new())) };
    let bytes = std::fs::read(path).map_err(BackupError::file(path))?;
    let from = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut found = (Vec::new(), Vec::new());
    let mut names = BTreeSet::new();
    let value: Value = Text::built_in("configuration", &String::from_utf8_lossy(&bytes)).parse().unwrap_or(Value::Null);
    put(&mut found, &mut names, &from, bytes);
    let mut named = Vec::new();
    collect(&value, "", &mut named);
    for text in parts {
        let value: Value = Text::built_in("part", text).parse().unwrap_or(Value::Null);
        collect(&value, "", &mut named);
    }
    // It stands in the store, and the key of it lies beside the authority's.
    named.retain(|(_, text)| !text.starts_with(SEALED));
    let dir = from.parent().unwrap_or(Path::new("/"));
    let beyond = named.split_off(FILES_MAX.min(named.len()));
    found
        .1
        .extend(beyond.into_iter().map(|(key, text)| format!("{key} = {text}: more than {FILES_MAX} files are named")));
    for (key, text) in named {
        let file = dir.join(&text);
        if text.starts_with("credential:") {
            found.1.push(format!("{key} = {text}: systemd keeps it"));
            continue;
        }
        match std::fs::metadata(&file) {
            Ok(about) if about.is_file() && about.len() <= FILE_MAX => match std::fs::read(&file) {
                Ok(bytes) => put(&mut found, &mut names, &file, bytes),
                Err(error) => found.1.push(format!("{key} = {text}: {error}")),
            },
            Ok(_) => found.1.push(format!("{key} = {text}: no file, or too large")),
            Err(error) => found.1.push(format!("{key} = {text}: {error}")),
        }
    }
    Ok(found)
}

fn put(found: &mut Found, names: &mut BTreeSet<PathBuf>, file: &Path, bytes: Vec<u8>) {
    if !names.insert(file.to_owned()) {
        return;
    }
    let last = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let first = format!("{CONFIGURATION}/{last}");
    let is_free = |found: &Found, name: &str| !found.0.iter().any(|one| one.path == name);
    let name = if is_free(found, &first) { first } else { format!("{CONFIGURATION}/{}-{last}", names.len()) };
    let from = file.display().to_string();
    if is_plain(&name) {
        found.0.push(Packed { path: name, source: Source::Bytes(bytes), from: Some(from) });
    } else {
        found.1.push(format!("{from}: its name is not plain"));
    }
}

/// The values of keys that name files; those that open archives stay out of them.
fn collect(value: &Value, key: &str, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(table) => {
            for (name, value) in table.iter().filter(|(name, _)| !(key.is_empty() && *name == "backup")) {
                collect(value, name, out);
            }
        }
        Value::Array(all) => all.iter().for_each(|one| collect(one, key, out)),
        Value::String(text) if names_file(key, text) => out.push((key.to_owned(), text.clone())),
        _ => {}
    }
}

/// Whether a key names a file that belongs to the configuration. A profile or a template is one where its name ends so, and comes with the program
/// where it does not.
fn names_file(key: &str, text: &str) -> bool {
    let of_key = key.ends_with("_file") || matches!(key, "file" | "files" | "certificate" | "key" | "software")
        // What leads to a store in PostgreSQL.
        || matches!(key, "tls_authority" | "tls_certificate" | "tls_key");
    of_key || text.ends_with(".toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Directories of the collector's own, and what is made of two keys.
    const NO_FILES: [&str; 5] = ["data", "runtime", "directory", "export_to", "login"];

    #[test]
    fn every_key_that_is_a_path_names_a_file_that_is_taken_along_or_a_directory() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (mut dirs, mut keys) =
            (["engine/src/config", "src/notify", "src/ticket"].map(|dir| root.join(dir)).to_vec(), BTreeSet::new());
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).expect("the sources") {
                let path = entry.expect("a name").path();
                if path.is_dir() {
                    dirs.push(path);
                    continue;
                }
                // Fields of forms, which are nobody else's.
                for line in std::fs::read_to_string(&path).expect("a source").lines().map(str::trim) {
                    let field =
                        line.split_once(": ").filter(|(_, kind)| kind.contains("PathBuf") && kind.ends_with(','));
                    let name = field.map(|(name, _)| name.to_owned());
                    keys.extend(name.filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
                }
            }
        }
        assert!(keys.len() > 10, "{keys:?}");
        let left: Vec<_> =
            keys.iter().filter(|key| !names_file(key, "x") && !NO_FILES.contains(&key.as_str())).collect();
        assert!(left.is_empty(), "a backup would be without these: {left:?}");
    }

    #[test]
    fn the_configuration_takes_along_what_it_names_and_says_what_it_cannot() {
        let dir = tempfile::tempdir().expect("directory");
        let (path, other) = (dir.path().join("collector.toml"), dir.path().join("other"));
        std::fs::create_dir(&other).expect("made");
        let text = "[rules]\nfile = \"rules.toml\"\n[legal]\nfiles = [\"law.toml\"]\n[register]\nsoftware = \"products\"\n\
                    [[values]]\nprofile = \"own.toml\"\n[[values]]\nprofile = \"tasmota\"\n[oidc]\nsecret_file = \"other/rules.toml\"\nclient_id = \"x\"\n\
                    [[channel]]\npassword_file = \"gone\"\ntoken_file = \"credential:sms\"\n[backup]\npassphrase_file = \"secret\"\n";
        for (name, text) in
            [("collector.toml", text), ("rules.toml", "rules"), ("other/rules.toml", "secret"), ("secret", "x")]
        {
            std::fs::write(dir.path().join(name), text).expect("written");
        }
        let more = ["law.toml", "products", "own.toml"];
        more.iter().for_each(|name| std::fs::write(dir.path().join(name), name).expect("written"));
        let (files, left_out) = of_configuration(Some(&path), &[]).expect("read");
        let names: Vec<&str> = files.iter().map(|one| one.path.as_str()).collect();
        assert!(
            names.contains(&"configuration/collector.toml") && names.contains(&"configuration/law.toml"),
            "{names:?}"
        );
        assert_eq!(names.iter().filter(|name| name.ends_with("rules.toml")).count(), 2, "two of one name: {names:?}");
        let from: BTreeSet<&str> = files.iter().filter_map(|one| one.from.as_deref()).collect();
        let named = [path.clone(), dir.path().join("rules.toml"), other.join("rules.toml")];
        let named = named.into_iter().chain(more.map(|name| dir.path().join(name)));
        assert_eq!(from, named.collect::<Vec<_>>().iter().map(|path| path.to_str().expect("UTF-8")).collect());
        assert!(
            left_out.len() == 2 && left_out[0].contains("gone") && left_out[1].contains("credential:sms"),
            "{left_out:?}"
        );
        assert!(of_configuration(None, &[]).expect("defaults").0.is_empty());
    }
}
