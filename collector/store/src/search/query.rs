//! What people type: words with marks or without, `"phrases"`, beginnings (`từ*`), and what must not stand there (`-từ`). Pure.
//!
//! Whatever is typed is a query; there is no wrong syntax. A word with marks is found as it is written, one without them however it is.

use super::words::{Word, tone_apart, words};

/// Longest text that is read of what is typed, characters.
pub const TYPED_MAX_CHARS: usize = 300;
/// Most terms, and most words of all of them.
const TERMS_MAX: usize = 16;
const WORDS_MAX: usize = 40;
/// Most beginnings of words that are looked for, and the shortest of them.
const PREFIXES_MAX: usize = 3;
const PREFIX_MIN_BYTES: usize = 2;
/// Marks that begin and end a phrase.
const QUOTES: [char; 6] = ['"', '“', '”', '„', '«', '»'];

/// What is looked for in texts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WordsQuery {
    terms: Vec<Term>,
    /// More was typed than is looked for.
    pub is_cut: bool,
}

/// Words that stand one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) words: Vec<QueryWord>,
    /// It must not be there.
    pub(crate) exclude: bool,
    /// Its last word is the beginning of one.
    pub(crate) prefix: bool,
}

/// A word that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueryWord {
    pub(crate) folded: String,
    /// As it was typed, where that has marks.
    pub(crate) marked: Option<String>,
    /// It was typed in one with the word before.
    pub(crate) glued: bool,
}

impl QueryWord {
    fn matches(&self, word: &Word, prefix: bool) -> bool {
        if !prefix {
            return self.marked.as_deref().map_or(self.folded == word.folded, |marked| marked == word.marked());
        }
        let marked = |marked: &str| {
            let ((letters, tones), (of, of_tones)) = (tone_apart(marked), tone_apart(word.marked()));
            of.starts_with(letters) && (tones.is_empty() || tones == of_tones)
        };
        word.folded.starts_with(&self.folded) && self.marked.as_deref().is_none_or(marked)
    }
}

impl Term {
    /// Where it stands among words: the numbers of its first ones.
    fn places<'w>(&'w self, text: &'w [Word]) -> impl Iterator<Item = usize> + 'w {
        let last = self.words.len().saturating_sub(1);
        text.windows(self.words.len().max(1)).enumerate().filter_map(move |(place, window)| {
            let all = self.words.iter().zip(window).enumerate();
            let mut all = all.map(|(number, (one, word))| {
                // What was typed in one stands in one.
                (number == 0 || !one.glued || word.glued) && one.matches(word, self.prefix && number == last)
            });
            all.all(|matches| matches).then_some(place)
        })
    }
}

impl WordsQuery {
    /// What somebody typed.
    #[must_use]
    pub fn parse(typed: &str) -> Self {
        let mut query = Self { terms: Vec::new(), is_cut: typed.chars().nth(TYPED_MAX_CHARS).is_some() };
        let typed: String = typed.chars().take(TYPED_MAX_CHARS).collect();
        let (mut left, mut prefixes) = (WORDS_MAX, PREFIXES_MAX);
        for (text, exclude) in parts(&typed) {
            let mut prefix = text.ends_with('*');
            let found = words(&text).into_iter().map(|word| QueryWord {
                marked: word.has_marks().then(|| word.marked().to_owned()),
                folded: word.folded,
                glued: word.glued,
            });
            let found: Vec<QueryWord> = found.collect();
            if found.is_empty() {
                continue;
            }
            if query.terms.len() == TERMS_MAX || found.len() > left {
                query.is_cut = true;
                break;
            }
            left -= found.len();
            // All words that begin so are gone through before the first record is found.
            if prefix && (prefixes == 0 || found.last().is_some_and(|word| word.folded.len() < PREFIX_MIN_BYTES)) {
                (prefix, query.is_cut) = (false, true);
            }
            prefixes -= usize::from(prefix);
            query.terms.push(Term { words: found, exclude, prefix });
        }
        query
    }

    /// Whether nothing is looked for, and nothing must be absent.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    pub(crate) fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Whether texts are what is looked for: each term stands in one of them, and none that must not be there.
    #[must_use]
    pub fn matches(&self, texts: &[Vec<Word>]) -> bool {
        self.terms.iter().all(|term| texts.iter().any(|text| term.places(text).next().is_some()) != term.exclude)
    }

    /// What of a text was looked for, from byte to byte, in order and apart.
    #[must_use]
    pub fn found_in(&self, text: &str) -> Vec<(usize, usize)> {
        let words = words(text);
        let mut found: Vec<(usize, usize)> = Vec::new();
        for term in self.terms.iter().filter(|term| !term.exclude) {
            for place in term.places(&words) {
                let window = words.get(place..place + term.words.len()).unwrap_or_default();
                found.extend(window.iter().map(|word| (word.start, word.end)));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// What is typed, part by part: a phrase, or what stands between spaces; and whether it must be absent.
fn parts(typed: &str) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    let mut rest = typed.chars().peekable();
    while let Some(first) = rest.next_if(|_| true) {
        if first.is_whitespace() {
            continue;
        }
        let exclude = first == '-' && rest.peek().is_some_and(|next| !next.is_whitespace());
        let mut begin = Some(first);
        if exclude {
            begin = rest.next();
        }
        let mut text = String::new();
        if begin.is_some_and(|one| QUOTES.contains(&one)) {
            text.extend(std::iter::from_fn(|| rest.next_if(|one| !QUOTES.contains(one))));
            rest.next();
            // What follows the phrase at once is its beginning's star, or a part of its own.
            if rest.next_if_eq(&'*').is_some() {
                text.push('*');
            }
        } else {
            text.extend(begin);
            text.extend(std::iter::from_fn(|| rest.next_if(|one| !one.is_whitespace() && !QUOTES.contains(one))));
        }
        all.push((text, exclude));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn finds(typed: &str, text: &str) -> bool {
        WordsQuery::parse(typed).matches(&[words(text)])
    }

    #[test]
    fn words_are_found_with_marks_and_without() {
        let text = "Đĩa cứng sdb của srv-01 báo lỗi: còn 3 sector";
        for typed in [
            "dia cung",
            "ĐĨA CỨNG",
            "cứng dia",
            "\"đĩa cứng\"",
            "\"dia cung\" loi",
            "srv-01",
            "sect*",
            "đĩ*",
            "cứ*",
            "cu*",
            "\"đĩa cứ\"*",
            "lỗi -ram",
            "-ram",
            "",
            "***",
            "“đĩa cứng”",
        ] {
            assert!(finds(typed, text), "{typed}");
        }
        for typed in [
            "đìa",
            "dĩa",
            "\"cứng đĩa\"",
            "srv-02",
            "của-srv",
            "01-srv",
            "lời",
            "-lỗi",
            "-loi",
            "dia -\"đĩa cứng\"",
            "cừ*",
            "sector2",
            "cung* -sd*",
        ] {
            assert!(!finds(typed, text), "{typed}");
        }
    }

    #[test]
    fn what_was_found_is_said_by_its_place() {
        let text = "Đĩa cứng, đĩa mềm";
        let query = WordsQuery::parse("dia \"đĩa mềm\" -x");
        let found: Vec<&str> = query.found_in(text).into_iter().filter_map(|(from, to)| text.get(from..to)).collect();
        assert_eq!(found, ["Đĩa", "đĩa", "mềm"]);
    }

    #[test]
    fn too_much_is_cut_and_said() {
        let long = WordsQuery::parse(&"chữ ".repeat(1000));
        assert!(long.is_cut && long.terms.len() <= TERMS_MAX);
        assert!(!WordsQuery::parse("hai chữ").is_cut);
    }

    proptest! {
        #[test]
        fn whatever_is_typed_is_a_query(typed in "\\PC{0,400}", text in "\\PC{0,200}") {
            let query = WordsQuery::parse(&typed);
            let _ = query.matches(&[words(&text)]);
            for (from, to) in query.found_in(&text) {
                prop_assert!(text.get(from..to).is_some());
            }
        }

        #[test]
        fn syntax_in_any_order_is_a_query(typed in "[-\"*()^{}:+ANDORTNEa đĩ'\\\\~=.\u{0}]{0,60}") {
            let query = WordsQuery::parse(&typed);
            prop_assert!(query.terms.iter().all(|term| !term.words.is_empty()));
        }
    }
}
