//! Changes of the configuration that is set on pages, by API and on the command line: what is asked for, and what differs between two texts of a
//! part, for whoever decides and for the audit log. Pure.

use std::fmt::Write as _;

use ioc_store::configuration::Part;

/// Lines of each text that are compared line by line; of more it is said that they are others.
const LINES_MAX: usize = 2000;
/// Longest difference that is written into the audit log, characters: the versions have the whole texts.
const AUDITED_MAX_CHARS: usize = 16_000;

/// A text that a part is to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartChange {
    /// Which part.
    pub part: Part,
    /// What it is to say; none gives it back to what it is without being set here.
    pub text: Option<String>,
    /// The newest version that whoever asks has seen, 0 for none: refused where there is another by now.
    pub version: u64,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineChange {
    /// It stays.
    Same,
    /// It goes.
    Removed,
    /// It comes.
    Added,
}

/// Two texts line by line, in the order of the new one; what goes stands before what comes in its place.
#[must_use]
pub fn difference<'t>(old: &'t str, new: &'t str) -> Vec<(LineChange, &'t str)> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same_before = old.iter().zip(&new).take_while(|(one, other)| one == other).count();
    let (old_rest, new_rest) = (&old[same_before..], &new[same_before..]);
    let same_behind = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(one, other)| one == other).count();
    let (old_rest, behind) = old_rest.split_at(old_rest.len() - same_behind);
    let new_rest = &new_rest[..new_rest.len() - same_behind];
    let same = |lines: &[&'t str]| lines.iter().map(|line| (LineChange::Same, *line)).collect::<Vec<_>>();
    let mut all = same(&old[..same_before]);
    if old_rest.len() > LINES_MAX || new_rest.len() > LINES_MAX {
        all.extend(old_rest.iter().map(|line| (LineChange::Removed, *line)));
        all.extend(new_rest.iter().map(|line| (LineChange::Added, *line)));
    } else {
        all.extend(between(old_rest, new_rest));
    }
    all.extend(same(behind));
    all
}

/// The longest common lines of two pieces decide what stays. One row of lengths for each line of the old piece.
fn between<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<(LineChange, &'t str)> {
    let width = new.len() + 1;
    let mut lengths = vec![0_u16; (old.len() + 1) * width];
    for (row, line) in old.iter().enumerate().rev() {
        for (column, other) in new.iter().enumerate().rev() {
            let at = |row: usize, column: usize| lengths.get(row * width + column).copied().unwrap_or(0);
            let length =
                if line == other { at(row + 1, column + 1) + 1 } else { at(row + 1, column).max(at(row, column + 1)) };
            if let Some(cell) = lengths.get_mut(row * width + column) {
                *cell = length;
            }
        }
    }
    let at = |row: usize, column: usize| lengths.get(row * width + column).copied().unwrap_or(0);
    let (mut row, mut column, mut all) = (0, 0, Vec::new());
    loop {
        match (old.get(row), new.get(column)) {
            (Some(line), Some(other)) if line == other => {
                all.push((LineChange::Same, *line));
                (row, column) = (row + 1, column + 1);
            }
            (Some(line), Some(_)) if at(row + 1, column) >= at(row, column + 1) => {
                all.push((LineChange::Removed, *line));
                row += 1;
            }
            (Some(line), None) => {
                all.push((LineChange::Removed, *line));
                row += 1;
            }
            (_, Some(other)) => {
                all.push((LineChange::Added, *other));
                column += 1;
            }
            (None, None) => return all,
        }
    }
}

/// What differs, for the audit log: a line for each, without what may be secret.
#[must_use]
pub fn audited(old: &str, new: &str) -> String {
    let mut said = String::new();
    let mut length = 0;
    for (change, line) in difference(old, new) {
        let sign = match change {
            LineChange::Same => continue,
            LineChange::Removed => '-',
            LineChange::Added => '+',
        };
        let line = blanked(line);
        length += line.chars().count() + 2;
        if length > AUDITED_MAX_CHARS {
            said.push_str("…\n");
            break;
        }
        let _ = writeln!(said, "{sign}{line}");
    }
    said
}

/// Keys whose values may be secret by themselves. Names of files with secrets are none.
const SECRET: [&str; 17] = [
    "headers",
    "header",
    "authorization",
    "body",
    "password",
    "pass",
    "secret",
    "token",
    "key",
    "credential",
    "credentials",
    "pin",
    "community",
    "auth",
    "cookie",
    "api_key",
    "passphrase",
];

/// A text without what may be secret, line by line: values of keys that hold secrets, what stands behind the host of an address, sealed secrets.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    text.lines().map(|line| blanked(line) + "\n").collect()
}

/// A line of a configuration without what may be secret.
#[must_use]
pub fn blanked(line: &str) -> String {
    if line.trim_start().starts_with('#') {
        return line.to_owned();
    }
    // In an inline table several keys stand in a line.
    let held = line.split(['{', ',', '[']).any(|part| {
        let key = part.split_once('=').map_or("", |(key, _)| key).trim();
        let key = key.rsplit('.').next().unwrap_or_default().trim_matches(['"', '\'']).to_ascii_lowercase();
        SECRET.contains(&key.as_str()) || key.rsplit('-').next().is_some_and(|end| SECRET.contains(&end))
    });
    let shown = match line.split_once('=') {
        Some((key, value)) if held => format!("{key}= ({} characters)", value.trim().chars().count()),
        _ => without_paths(line),
    };
    without_sealed(&shown)
}

/// A line whose addresses end with their host: what stands behind it is often a key.
fn without_paths(line: &str) -> String {
    let mut shown = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, behind) = rest.split_at(at + 3);
        shown.push_str(before);
        let host = behind.find(['/', '"', '\'', ' ', '?']).unwrap_or(behind.len());
        let end = behind.find(['"', '\'', ' ']).unwrap_or(behind.len()).max(host);
        let name = behind.get(..host).unwrap_or_default();
        shown.push_str(name.rsplit('@').next().unwrap_or(name));
        if end > host + 1 {
            let _ = write!(shown, "/… ({} characters)", end - host);
        } else {
            shown.push_str(behind.get(host..end).unwrap_or_default());
        }
        rest = behind.get(end..).unwrap_or_default();
    }
    shown + rest
}

/// A line whose sealed secrets say only that they are there.
fn without_sealed(line: &str) -> String {
    let mut parts = line.split(crate::sealed_secret::SEALED);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str("(sealed)");
        shown.push_str(part.find(['"', '\'']).and_then(|end| part.get(end..)).unwrap_or_default());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(old: &str, new: &str) -> String {
        let sign = |(change, line): (LineChange, &str)| match change {
            LineChange::Same => format!(" {line}"),
            LineChange::Removed => format!("-{line}"),
            LineChange::Added => format!("+{line}"),
        };
        difference(old, new).into_iter().map(sign).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn what_differs_is_as_little_as_can_be() {
        assert_eq!(signs("a\nb\nc\n", "a\nx\nc\n"), " a|-b|+x| c");
        assert_eq!(signs("a\nb\n", "a\nb\n"), " a| b");
        assert_eq!(signs("", "a\n"), "+a");
        assert_eq!(signs("a\nb\nc\nd", "b\nd\ne"), "-a| b|-c| d|+e");
        let (old, new) = ("x\n".repeat(9000), "y\n".repeat(9000));
        assert_eq!(difference(&old, &new).len(), 18_000);
    }

    #[test]
    fn the_log_has_what_differs_without_secrets() {
        let said = audited(
            "name = \"a\"\nurl = \"https://x.test/hook/T0KEN\"\n",
            "name = \"b\"\nurl = \"https://x.test/hook/0THER\"\n",
        );
        assert!(
            said.contains("-name = \"a\"") && said.contains("+name = \"b\"") && said.contains("https://x.test/…"),
            "{said}"
        );
        assert!(!said.contains("T0KEN") && !said.contains("0THER"), "{said}");
        for secret in [
            "headers = { Authorization = \"Bearer S3CRET\" }",
            "X-API-Key = \"S3CRET\"",
            "url = \"https://user:S3CRET@x.test/\"",
            "password_file = \"sealed:S3CRET\"",
            "token = 'S3CRET'",
            "body = \"key=S3CRET\"",
        ] {
            assert!(!blanked(secret).contains("S3CRET"), "{}", blanked(secret));
        }
        for plain in ["url = \"https://x.test\"", "password_file = \"/etc/ioc-watch/x\"", "# url", "to = [\"a@b\"]"] {
            assert_eq!(blanked(plain), plain);
        }
    }
}
