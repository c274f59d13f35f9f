//! What the kinds share that look into a document: at what it holds and did not (`change`), or at what it must not hold (`approved`).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use ioc_common::config::{ConfigError, Source, Spanned};
use ioc_common::document;

use super::comparable::Comparable;
use crate::text::Text;

/// Most texts of one document that are compared, by their order.
const TEXTS_MAX: usize = 2000;
/// Longest text that is compared, characters.
const TEXT_MAX_CHARS: usize = 200;
/// Texts that are named in a reason.
const NAMED_MAX: usize = 10;

/// Which texts of a document, and what is right there.
#[derive(Debug, Clone)]
pub struct DocumentRule {
    /// The document, by its name.
    pub document: String,
    /// Where in it, as it was written.
    pub path: String,
    /// What is right there.
    pub(super) baseline: Arc<dyn Baseline>,
    segments: Vec<Segment>,
}

impl PartialEq for DocumentRule {
    fn eq(&self, other: &Self) -> bool {
        let Self { document, path, baseline, segments } = self;
        (document, path, segments) == (&other.document, &other.path, &other.segments)
            && baseline.is_equal(other.baseline.as_any())
    }
}

/// What a kind compares the texts of a document with.
pub(super) trait Baseline: Comparable + fmt::Debug + Send + Sync {
    /// How what was found differs from what is right: `accepted` is what was there when it was first seen, or a person last accepted it.
    fn differences<'t>(
        &'t self,
        accepted: &'t BTreeSet<String>,
        found: &'t BTreeSet<String>,
    ) -> Vec<DifferingTexts<'t>>;
}

/// What a document held for one rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Comparison {
    /// When it was first seen, or a person last accepted it.
    pub accepted: BTreeSet<String>,
    /// When it came last.
    pub found: BTreeSet<String>,
}

/// Texts that should not be there, or should, and what is said of them.
pub(super) struct DifferingTexts<'t> {
    pub(super) texts: Vec<&'t str>,
    pub(super) vi: &'static str,
    pub(super) en: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Name(String),
    /// Each; only those where this is true.
    Each(Option<String>),
}

impl DocumentRule {
    /// A rule that looks at `path`: names after slashes, `*` for each of a list, `*?name` for each of which *name* is true.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new(document: &str, path: &str, baseline: Arc<dyn Baseline>) -> Result<Self, &'static str> {
        if !document::is_name(document) {
            return Err("a document is named in 1 to 32 characters of a-z 0-9 -");
        }
        let Some(rest) = path.strip_prefix('/') else { return Err("a path begins with a slash") };
        let segment = |name: &str| match name.strip_prefix('*') {
            Some("") => Ok(Segment::Each(None)),
            Some(only) => match only.strip_prefix('?') {
                Some(only) if !only.is_empty() => Ok(Segment::Each(Some(only.to_owned()))),
                _ => Err("after * stands nothing, or ? and a name"),
            },
            None if name.is_empty() => Err("a name between slashes is empty"),
            None => Ok(Segment::Name(name.to_owned())),
        };
        let segments = rest.split('/').map(segment).collect::<Result<_, _>>()?;
        Ok(Self { document: document.to_owned(), path: path.to_owned(), baseline, segments })
    }

    /// A rule of the configuration that looks there.
    pub(super) fn check(
        source: &Source,
        document: &Spanned<String>,
        path: &Spanned<String>,
        baseline: Arc<dyn Baseline>,
    ) -> Result<Self, ConfigError> {
        Self::new(document.get_ref(), path.get_ref(), baseline).map_err(|why| {
            let message = format!("found document {:?} and path {:?}; {why}", document.get_ref(), path.get_ref());
            source.fault(path.span(), &message, "write the path like \"/listening/*/port\"")
        })
    }

    /// The texts that a document holds there.
    #[must_use]
    pub fn found(&self, document: &Value) -> BTreeSet<String> {
        let mut found = vec![document];
        for segment in &self.segments {
            let mut next = Vec::new();
            for value in found {
                match (segment, value) {
                    (Segment::Name(name), value) => next.extend(value.get(name)),
                    (Segment::Each(only), Value::Array(all)) => {
                        let wanted = |one: &&Value| {
                            only.as_ref().is_none_or(|only| one.get(only).and_then(Value::as_bool) == Some(true))
                        };
                        next.extend(all.iter().filter(wanted));
                    }
                    (Segment::Each(_), _) => {}
                }
            }
            found = next;
        }
        let text = |value: &Value| match value {
            Value::Null => None,
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(text.chars().take(TEXT_MAX_CHARS).collect()),
            other => Some(other.to_string().chars().take(TEXT_MAX_CHARS).collect()),
        };
        let all: BTreeSet<String> = found.into_iter().filter_map(text).collect();
        all.into_iter().take(TEXTS_MAX).collect()
    }

    /// Why what was found is wrong; none when it is right.
    #[must_use]
    pub fn deviation(&self, accepted: &BTreeSet<String>, found: &BTreeSet<String>) -> Option<Text> {
        let (mut vi, mut en) = (Vec::new(), Vec::new());
        let (mut many_vi, mut many_en) = (Vec::new(), Vec::new());
        for DifferingTexts { texts, vi: what_vi, en: what_en } in self.baseline.differences(accepted, found) {
            if !texts.is_empty() {
                let rest = texts.len().saturating_sub(NAMED_MAX);
                let named = texts.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
                let more = if rest > 0 { format!(" +{rest}") } else { String::new() };
                vi.push(format!("{what_vi}: {named}{more}."));
                en.push(format!("{what_en}: {named}{more}."));
                let (many, names) = (texts.len(), if texts.len() == 1 { "name" } else { "names" });
                many_vi.push(format!("{what_vi}: {many} tên."));
                many_en.push(format!("{what_en}: {many} {names}."));
            }
        }
        if vi.is_empty() {
            return None;
        }
        let whole = (vi.join(" "), en.join(" "));
        if !document::is_personal(&self.document, &self.path) {
            return Some(Text::new(whole.0, whole.1));
        }
        many_vi.push("Là ai: xem ở trang sự cố.".to_owned());
        many_en.push("Who: see the incident's page.".to_owned());
        Some(Text::personal(whole, (many_vi.join(" "), many_en.join(" "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Nothing;

    impl Baseline for Nothing {
        fn differences<'t>(&'t self, _: &'t BTreeSet<String>, _: &'t BTreeSet<String>) -> Vec<DifferingTexts<'t>> {
            Vec::new()
        }
    }

    #[test]
    fn paths_find_what_they_say() {
        let document: Value = serde_json::from_str(
            r#"{"accounts": [{"name": "root", "administrator": true, "uid": 0}, {"name": "lan"}, {"name": "", "administrator": true}]}"#,
        )
        .unwrap_or_else(|e| panic!("{e}"));
        let found = |path: &str| {
            let rule = DocumentRule::new("accounts", path, Arc::new(Nothing)).unwrap_or_else(|e| panic!("{e}"));
            rule.found(&document).into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found("/accounts/*/name"), "lan root");
        assert_eq!(found("/accounts/*?administrator/name"), "root");
        assert_eq!(found("/accounts/*/uid"), "0");
        assert_eq!((found("/accounts/name"), found("/none/*")), (String::new(), String::new()));
        for wrong in ["accounts", "/a//b", "/*x", "/*?"] {
            assert!(DocumentRule::new("accounts", wrong, Arc::new(Nothing)).is_err(), "{wrong}");
        }
    }
}
