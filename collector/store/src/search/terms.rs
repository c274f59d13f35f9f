//! The terms by which an index finds a record: words, and what records are filtered by. Pure.
//!
//! A term is one token of letters, digits and marks of its own, so that any index of tokens can hold it: `dia`, `đĩa` (with its tone at
//! the end), `srv~01` (words that are glued), `=k2` (kind), `=d17` (device by its number, 0 for none), `=uadmin` (actor), `=a7.1`
//! (article). What names people is the same with `^` before it. That a term is there says that a record may match; whether it does, its
//! texts say.

use std::collections::BTreeSet;

use super::document::{FoundRecord, SearchDocument};
use super::query::{QueryWord, Term};
use super::words::words;
use super::{SearchKind, SearchQuery};

/// What separates tokens of an index, and what it must take for a part of one beside letters, digits and everything that is not ASCII.
pub(crate) const TOKEN_CHARS: &str = "^~=._-@:";

/// The terms of a record, each once, apart by spaces. `device` is the number that stands for its device.
pub(crate) fn terms_of(record: &FoundRecord, document: &SearchDocument, device: i64) -> String {
    let mut all = BTreeSet::new();
    all.insert(kind_term(record.kind()));
    all.insert(device_term(device));
    if !record.actor().is_empty() {
        all.insert(actor_term(record.actor()));
    }
    for article in articles(record.article()) {
        all.extend(with_parents(article).map(|one| format!("=a{one}")));
    }
    document.open.iter().for_each(|text| word_terms(text, "", &mut all));
    document.personal.iter().for_each(|text| word_terms(text, "^", &mut all));
    let mut text = String::with_capacity(all.iter().map(|one| one.len() + 1).sum());
    for one in &all {
        text += one;
        text.push(' ');
    }
    text
}

fn word_terms(text: &str, mark: &str, all: &mut BTreeSet<String>) {
    let mut before: Option<String> = None;
    for word in words(text) {
        if let Some(before) = before.filter(|_| word.glued) {
            all.insert(format!("{mark}{before}~{}", word.folded));
        }
        if word.has_marks() {
            all.insert(format!("{mark}{}", word.marked()));
        }
        all.insert(format!("{mark}{}", word.folded));
        before = Some(word.folded);
    }
}

fn kind_term(kind: SearchKind) -> String {
    format!("=k{}", kind.number())
}

fn device_term(device: i64) -> String {
    format!("=d{}", device.max(0))
}

/// Any character that may not stand in a token stands as `_`.
fn actor_term(actor: &str) -> String {
    let kept = |one: char| if one.is_alphanumeric() || TOKEN_CHARS.contains(one) { one } else { '_' };
    format!("=u{}", actor.to_lowercase().chars().map(kept).collect::<String>())
}

/// The articles that a text names: `7.1, 7.2`.
fn articles(text: &str) -> impl Iterator<Item = &str> {
    let named = |one: &&str| one.starts_with(|first: char| first.is_ascii_digit());
    text.split(|one: char| !one.is_ascii_alphanumeric() && one != '.').filter(named)
}

/// An article and those that it is part of: `10.2a`, `10.2`, `10`.
fn with_parents(article: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(article), |one| {
        let shorter = one.trim_end_matches(|last: char| last.is_ascii_alphabetic());
        let shorter = if shorter.len() < one.len() { shorter } else { one.rsplit_once('.')?.0 };
        (!shorter.is_empty()).then_some(shorter)
    })
}

/// Whether an article is one of those that a text names, or holds one.
#[must_use]
pub(crate) fn names_article(text: &str, article: &str) -> bool {
    let article = article.to_ascii_lowercase();
    articles(text).any(|one| with_parents(one).any(|one| one.eq_ignore_ascii_case(&article)))
}

/// What an index of tokens is asked, in the language of FTS5: records that may be what is looked for. `devices` are the only ones that may be
/// seen, by their numbers, where they are few enough to be named.
pub(crate) fn expression(
    query: &SearchQuery,
    kinds: &[SearchKind],
    device: Option<i64>,
    devices: Option<&[i64]>,
    personal: bool,
) -> String {
    let mut all: Vec<String> = Vec::new();
    for term in query.words.terms().iter().filter(|term| !term.exclude) {
        term_expressions(term, personal, &mut all);
    }
    all.extend(device.map(|device| quoted(&device_term(device))));
    if !query.actor.is_empty() {
        all.push(quoted(&actor_term(&query.actor)));
    }
    if let Some(article) = articles(&query.article).next() {
        all.push(quoted(&format!("=a{}", article.to_ascii_lowercase())));
    }
    if device.is_none()
        && let Some(devices) = devices
    {
        all.push(any(devices.iter().map(|one| device_term(*one))));
    }
    if all.is_empty() || kinds.len() < SearchKind::ALL.len() {
        all.push(any(kinds.iter().map(|kind| kind_term(*kind))));
    }
    let mut text = format!("({})", all.join(" AND "));
    for term in query.words.terms().iter().filter(|term| term.exclude && term.words.len() == 1 && !term.prefix) {
        for word in &term.words {
            text += &format!(" NOT {}", word_expression(word, false, personal));
        }
    }
    text
}

fn term_expressions(term: &Term, personal: bool, all: &mut Vec<String>) {
    let last = term.words.len().saturating_sub(1);
    let mut before: Option<&QueryWord> = None;
    for (place, word) in term.words.iter().enumerate() {
        let prefix = term.prefix && place == last;
        if let Some(before) = before.filter(|_| word.glued) {
            let pair = format!("{}~{}", before.folded, word.folded);
            all.push(either(&pair, prefix, personal));
        } else {
            all.push(word_expression(word, prefix, personal));
        }
        before = Some(word);
    }
}

fn word_expression(word: &QueryWord, prefix: bool, personal: bool) -> String {
    let text = if prefix { &word.folded } else { word.marked.as_ref().unwrap_or(&word.folded) };
    either(text, prefix, personal)
}

/// A term as it stands in texts for everyone or, for who may read them, in those that name people.
fn either(text: &str, prefix: bool, personal: bool) -> String {
    let star = if prefix { " *" } else { "" };
    let open = quoted(text);
    if personal { format!("({open}{star} OR {}{star})", quoted(&format!("^{text}"))) } else { format!("{open}{star}") }
}

fn quoted(term: &str) -> String {
    // Terms have no quotation marks; one that had would end here.
    format!("\"{}\"", term.replace('"', ""))
}

fn any(terms: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = terms.map(|term| quoted(&term)).collect();
    if all.is_empty() { quoted("=none") } else { format!("({})", all.join(" OR ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_article_is_found_by_what_it_is_part_of() {
        assert_eq!(with_parents("10.2a").collect::<Vec<_>>(), ["10.2a", "10.2", "10"]);
        assert!(names_article("7.1, 7.2", "7") && names_article("7.1, 7.2", "7.2") && names_article("10.2a", "10.2"));
        assert!(!names_article("17.3", "7") && !names_article("10.2", "10.2a") && !names_article("", "7"));
    }

    #[test]
    fn an_actor_is_one_token_whatever_it_is_called() {
        assert_eq!(actor_term("local:0"), "=ulocal:0");
        assert_eq!(actor_term("Nguyễn \"Lan\"*"), "=unguyễn__lan__");
        assert_eq!(quoted("a\"b"), "\"ab\"");
    }
}
