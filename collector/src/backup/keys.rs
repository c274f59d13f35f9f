//! What seals and opens archives, out of the files that the configuration or a person names.

use std::path::Path;

use ioc_engine::config::Sealing;

use super::age::{self, OpenKey, SealKey};
use super::error::BackupError;

/// Shortest passphrase, characters: it must not be guessed by whoever has an archive for years.
const PASSPHRASE_MIN: usize = 20;
/// Longest file of a key, bytes.
const FILE_MAX: usize = 64 * 1024;

fn text(path: &Path) -> Result<String, BackupError> {
    // Whoever pastes the key itself finds it in no log.
    if path.to_string_lossy().trim_start().to_lowercase().starts_with("age-secret-key") {
        let why = "what was given is a private key and not the file of one; mend: write it into a file of mode 600, and name that";
        return Err(BackupError::Key { path: "(not shown)".into(), why: why.to_owned() });
    }
    let bytes = std::fs::read(path).map_err(BackupError::file(path))?;
    let key = |why: &str| BackupError::Key { path: path.to_owned(), why: why.to_owned() };
    if bytes.len() > FILE_MAX {
        return Err(key("it is too large for a key"));
    }
    String::from_utf8(bytes).map_err(|_| key("it is not UTF-8"))
}

/// The passphrase in a file: its first line.
pub(super) fn passphrase(path: &Path) -> Result<String, BackupError> {
    let text = text(path)?;
    let first = text.lines().next().unwrap_or_default().to_owned();
    if first.chars().count() < PASSPHRASE_MIN {
        let why = format!(
            "a passphrase has at least {PASSPHRASE_MIN} characters, in the first line; mend: head -c 32 /dev/urandom | base64 > FILE, and keep a copy of it elsewhere"
        );
        return Err(BackupError::Key { path: path.to_owned(), why });
    }
    Ok(first)
}

/// The identities in a file.
pub(super) fn identities(path: &Path) -> Result<OpenKey, BackupError> {
    let found = age::identities(&text(path)?);
    let keys = found.map_err(|error| BackupError::Key { path: path.to_owned(), why: error.to_string() })?;
    Ok(OpenKey::Identities(keys))
}

/// What seals a new archive; nothing where none is to be sealed.
pub(super) fn sealing(plan: &Sealing) -> Result<Option<SealKey>, BackupError> {
    match plan {
        Sealing::Passphrase(path) => Ok(Some(SealKey::Passphrase(passphrase(path)?))),
        Sealing::Recipients(texts, _) => {
            let keys = texts.iter().map(|text| age::recipient(text)).collect::<Result<Vec<_>, _>>();
            let why =
                |error: age::AgeError| BackupError::Key { path: "[backup] recipients".into(), why: error.to_string() };
            Ok(Some(SealKey::Recipients(keys.map_err(why)?)))
        }
        Sealing::Open => Ok(None),
    }
}

/// What opens an archive here; nothing where nothing does, or nothing needs to.
pub(super) fn opening(plan: &Sealing) -> Result<Option<OpenKey>, BackupError> {
    match plan {
        Sealing::Passphrase(path) => Ok(Some(OpenKey::Passphrase(passphrase(path)?))),
        Sealing::Recipients(_, Some(path)) => identities(path).map(Some),
        Sealing::Recipients(_, None) | Sealing::Open => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_place_of_its_file_is_not_shown() {
        for one in ["AGE-SECRET-KEY-1MU8EV6", "age-secret-key-1mu8ev6"] {
            let Err(error) = identities(Path::new(one)) else { panic!("{one}") };
            let error = error.to_string();
            assert!(!error.to_lowercase().contains("mu8ev6") && error.contains("private key"), "{error}");
        }
    }
}
