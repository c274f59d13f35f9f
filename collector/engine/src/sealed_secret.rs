//! Secrets that are typed into forms: they stand in the text of their part where else a file is named, sealed by a key that lies beside the
//! authority's (`pki/configuration.key`). Whoever has the store alone, a copy of it or an export, has no secret.
//!
//! People are shown when one was set and what it is known by, never more; a text that they give back with that in it keeps the secret
//! ([`shown`], [`known_in`]).

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use ioc_common::encoding::{hex, unhex};
use ioc_common::file::replace_durably;
use ioc_common::random;

/// Before a secret that is sealed, where else the path of a file stands.
pub const SEALED: &str = "sealed:";
/// Longest secret, bytes.
pub const SECRET_MAX_BYTES: usize = 4096;
/// The file of the key, in the directory of the authority.
const KEY_FILE: &str = "configuration.key";
/// What is sealed is nothing else.
const PURPOSE: &[u8] = b"ioc-watch configuration secret 1";
/// Digits that stand for the nonce, by which a secret is known.
const NAME_LETTERS: usize = NONCE_LEN * 2;
/// The date that stands before it.
const DATE_LETTERS: usize = "2026-11-30".len();

/// The key of this process. Channels read their secrets where they read files, so it is here for all of them.
static KEY: OnceLock<LessSafeKey> = OnceLock::new();

/// Goes by the key in the directory of the authority, which is made where there is none.
///
/// # Errors
/// [`io::Error`] where it cannot be read or made, or is no key.
pub fn use_key(pki: &Path) -> io::Result<()> {
    let path = pki.join(KEY_FILE);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let fresh: [u8; 32] = random::secret().map_err(io::Error::other)?;
            replace_durably(&path, 0o600, |out| out.write_all(&fresh))?;
            fresh.to_vec()
        }
        Err(error) => return Err(error),
    };
    let why = "it does not hold 32 bytes; restore it from a backup, or remove it and type the secrets of the configuration again";
    let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| io::Error::other(why))?;
    // Another one is there already only in tests that start a collector twice.
    let _ = KEY.set(LessSafeKey::new(key));
    Ok(())
}

/// Where the key lies, in the directory of the authority.
#[must_use]
pub fn key_file(pki: &Path) -> PathBuf {
    pki.join(KEY_FILE)
}

/// A secret as it stands in a text. `day` is when it was set, as year-month-day.
///
/// # Errors
/// [`io::Error`] when the system gives no randomness, or no key is in use.
pub fn seal(secret: &str, day: jiff::civil::Date) -> io::Result<String> {
    let failed = || io::Error::other("it cannot be sealed: no key is in use");
    let key = KEY.get().ok_or_else(failed)?;
    let nonce: [u8; NONCE_LEN] = random::secret().map_err(io::Error::other)?;
    let mut bytes = secret.as_bytes().to_vec();
    let sealed = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(sealed, Aad::from(PURPOSE), &mut bytes).map_err(|_| failed())?;
    Ok(format!("{SEALED}{day}:{}", hex(&[&nonce[..], &bytes].concat())))
}

/// The secret that a path of a configuration stands for, where it is a sealed one: none where it is a file's.
///
/// # Errors
/// Why it cannot be opened, and the mend.
#[must_use]
pub fn opened(path: &Path) -> Option<Result<String, String>> {
    let text = path.to_str()?.strip_prefix(SEALED)?;
    let open = || {
        let (_, sealed) = text.split_once(':')?;
        let mut bytes = unhex(sealed)?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = KEY.get()?.open_in_place(nonce, Aad::from(PURPOSE), sealed).ok()?;
        String::from_utf8(plain.to_vec()).ok()
    };
    let why = "a sealed secret of the configuration cannot be opened by pki/configuration.key; mend: type it into its form again";
    Some(open().ok_or_else(|| why.to_owned()))
}

/// The sealed secrets in a text: from the date to the end of each.
fn sealed_in(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(SEALED).filter_map(|(at, _)| {
        let rest = text.get(at + SEALED.len()..)?;
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | ':');
        rest.get(..rest.find(|letter| !is_part(letter)).unwrap_or(rest.len()))
    })
}

/// A text as people see it: each sealed secret by its date and what it is known by.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut shown = text.to_owned();
    for sealed in sealed_in(text).filter(|sealed| sealed.len() > DATE_LETTERS + 1 + NAME_LETTERS) {
        if let Some(short) = sealed.get(..DATE_LETTERS + 1 + NAME_LETTERS) {
            shown = shown.replace(&format!("{SEALED}{sealed}"), &format!("{SEALED}{short}"));
        }
    }
    shown
}

/// A text that people gave back, with the secrets in it that `texts` have. None where one of them is in none.
#[must_use]
pub fn known_in<'t>(text: &str, texts: impl IntoIterator<Item = &'t str>) -> Option<String> {
    let wanted: Vec<&str> = sealed_in(text).filter(|one| one.len() <= DATE_LETTERS + 1 + NAME_LETTERS).collect();
    if wanted.is_empty() {
        return Some(text.to_owned());
    }
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for sealed in texts.into_iter().flat_map(sealed_in) {
        let short = sealed.get(..DATE_LETTERS + 1 + NAME_LETTERS).unwrap_or(sealed);
        if sealed.len() > short.len() {
            known.insert(short, sealed);
        }
    }
    wanted.into_iter().try_fold(text.to_owned(), |text, short| {
        let sealed = known.get(short)?;
        // With its quote, so that no other begins so.
        Some(["\"", "'"].iter().fold(text, |text, quote| {
            text.replace(&format!("{SEALED}{short}{quote}"), &format!("{SEALED}{sealed}{quote}"))
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_opened_by_its_key_and_shown_by_its_date_alone() {
        let dir = tempfile::tempdir().expect("directory");
        use_key(dir.path()).expect("made");
        use_key(dir.path()).expect("read");
        let day = jiff::civil::date(2026, 11, 30);
        let (one, other) = (seal("S3CRET", day).expect("sealed"), seal("S3CRET", day).expect("sealed"));
        assert_ne!(one, other);
        assert_eq!(opened(&PathBuf::from(&one)), Some(Ok("S3CRET".to_owned())));
        assert_eq!(opened(Path::new("/etc/ioc-watch/x")), None);
        let last = if one.ends_with('0') { '1' } else { '0' };
        let changed = format!("{}{last}", &one[..one.len() - 1]);
        assert!(opened(Path::new(&changed)).is_some_and(|found| found.is_err()));
        let text = format!("a = \"{one}\"\nb = '{other}'\n");
        let seen = shown(&text);
        assert!(seen.contains("sealed:2026-11-30:") && seen.len() < text.len(), "{seen}");
        assert_eq!(shown(&seen), seen);
        assert_eq!(known_in(&seen, [text.as_str()]), Some(text.clone()));
        assert_eq!(known_in(&seen, ["a = \"x\""]), None, "nobody has it");
        assert_eq!(known_in("a = 1", []), Some("a = 1".to_owned()));
    }
}
