//! Files that name other files (sshd's and sudo's configuration): what their readers need of a machine, and no more.
//!
//! A file that is missing, one that may not be read and one that is too large are told apart: each means something else to the
//! program whose configuration it is.

use std::io::ErrorKind;

use crate::bounded_io::names_in;
use crate::survey_context::SurveyContext;

/// Largest file of a configuration, in bytes.
const TEXT_MAX_BYTES: usize = 1 << 20;
/// Most names of one directory.
const NAMES_MAX: usize = 4096;

/// Files of a machine, by their paths: those of the running one below a root, or of a captured one.
pub trait Tree {
    /// A file's text; none when it is missing. A directory has no text.
    ///
    /// # Errors
    /// The path, and that it may not be read, is too large, or what the disk said.
    fn text(&self, path: &str) -> Result<Option<String>, String>;

    /// The names in a directory, sorted by bytes; none when it is missing or no directory.
    ///
    /// # Errors
    /// The path, and that it may not be read, is too large, or what the disk said.
    fn names(&self, path: &str) -> Result<Option<Vec<String>>, String>;
}

impl Tree for SurveyContext<'_> {
    fn text(&self, path: &str) -> Result<Option<String>, String> {
        match self.bytes(path, TEXT_MAX_BYTES) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) => match error.source.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(None),
                ErrorKind::IsADirectory => Ok(Some(String::new())),
                _ => Err(error.to_string()),
            },
        }
    }

    fn names(&self, path: &str) -> Result<Option<Vec<String>>, String> {
        match names_in(self.root, path, NAMES_MAX) {
            Ok(names) if names.len() >= NAMES_MAX => Err(format!("{path}: holds {NAMES_MAX} names or more")),
            Ok(names) => Ok(Some(names)),
            Err(error) => match error.source.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(None),
                _ => Err(error.to_string()),
            },
        }
    }
}

/// Whether a name fits a pattern of the shell: `*`, `?`, `[a-z]`, `[!a]`, `\` before a mark. Linear in the product of both lengths.
#[must_use]
pub fn fits(name: &str, pattern: &str) -> bool {
    let (name, pattern): (Vec<char>, Vec<char>) = (name.chars().collect(), pattern.chars().collect());
    let (mut n, mut p) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if let Some(next) = char_fits(name[n], &pattern, p) {
            n += 1;
            p = next;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (p, n) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p.min(pattern.len())..].iter().all(|c| *c == '*')
}

/// Where the pattern goes on when its mark at `p` stands for this character.
fn char_fits(c: char, pattern: &[char], p: usize) -> Option<usize> {
    match *pattern.get(p)? {
        '?' => Some(p + 1),
        '\\' if p + 1 < pattern.len() => (pattern[p + 1] == c).then_some(p + 2),
        '[' => {
            let not = matches!(pattern.get(p + 1), Some('!' | '^'));
            let from = p + 1 + usize::from(not);
            // A bracket that stands first is one of the characters.
            let Some(length) = pattern.get(from + 1..).and_then(|rest| rest.iter().position(|c| *c == ']')) else {
                return (c == '[').then_some(p + 1);
            };
            let set = &pattern[from..=from + length];
            let mut at = 0;
            let mut inside = false;
            while at < set.len() {
                if set.get(at + 1) == Some(&'-') && at + 2 < set.len() {
                    inside |= (set[at]..=set[at + 2]).contains(&c);
                    at += 3;
                } else {
                    inside |= set[at] == c;
                    at += 1;
                }
            }
            (inside != not).then_some(from + length + 2)
        }
        other => (other == c).then_some(p + 1),
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::Tree;
    use std::collections::BTreeMap;

    /// Files by path. The text `!` stands for a file that may not be read.
    pub(crate) struct MemoryTree(pub(crate) BTreeMap<&'static str, &'static str>);

    impl Tree for MemoryTree {
        fn text(&self, path: &str) -> Result<Option<String>, String> {
            match self.0.get(path) {
                Some(&"!") => Err(format!("{path}: Permission denied")),
                text => Ok(text.map(|text| (*text).to_owned())),
            }
        }

        fn names(&self, path: &str) -> Result<Option<Vec<String>>, String> {
            let below = format!("{}/", path.trim_end_matches('/'));
            let mut names: Vec<String> = self
                .0
                .keys()
                .filter_map(|file| Some(file.strip_prefix(&below)?.split('/').next()?.to_owned()))
                .collect();
            names.dedup();
            Ok((!names.is_empty()).then_some(names))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_of_the_shell() {
        for (name, pattern, wanted) in [
            ("10-a.conf", "*.conf", true),
            ("10-a.conf", "[0-4]?-*", true),
            ("a]", "[]a]]", true),
            ("b", "[!a]", true),
            ("a", "[!a]", false),
            ("", "*", true),
            ("abc", "a*b*c*", true),
            ("abc", "a*d", false),
            ("[", "[", true),
            ("*", "\\*", true),
            ("x", "\\*", false),
        ] {
            assert_eq!(fits(name, pattern), wanted, "{name} {pattern}");
        }
    }
}
