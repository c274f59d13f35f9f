//! The words of a text, as Vietnamese is searched: with marks and without, whatever keyboard or system wrote them. Pure.
//!
//! A word is folded (*đĩa* is `dia`) and, where it has marks, kept with them in one form: letters first, tones at the end. So *hoà* is
//! *hòa*, and letters whose marks come as characters of their own are the same as whole ones.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Longest word that is told apart, characters; what is longer counts by its beginning.
const WORD_MAX_CHARS: usize = 64;
/// Most words of one text; what comes later is not searched.
const WORDS_MAX: usize = 4000;

/// Vowels with their tones: none, grave, hook, tilde, acute, dot below. The first letter is what is left without tones.
const VOWELS: [(char, &str); 12] = [
    ('a', "aàảãáạ"),
    ('a', "ăằẳẵắặ"),
    ('a', "âầẩẫấậ"),
    ('e', "eèẻẽéẹ"),
    ('e', "êềểễếệ"),
    ('i', "iìỉĩíị"),
    ('o', "oòỏõóọ"),
    ('o', "ôồổỗốộ"),
    ('o', "ơờởỡớợ"),
    ('u', "uùủũúụ"),
    ('u', "ưừửữứự"),
    ('y', "yỳỷỹýỵ"),
];
/// Letters that others write: what they are without marks.
const OTHERS: [(char, &str); 8] =
    [('d', "đð"), ('a', "äåāą"), ('e', "ëēęě"), ('i', "ïîī"), ('o', "öøō"), ('u', "üûūů"), ('c', "çćč"), ('n', "ñńň")];
/// The tones of [`VOWELS`], as marks of their own.
const TONES: [char; 5] = ['\u{300}', '\u{309}', '\u{303}', '\u{301}', '\u{323}'];
/// What a letter becomes by a mark of its own.
const COMPOSED: [(char, char, char); 6] = [
    ('a', '\u{306}', 'ă'),
    ('a', '\u{302}', 'â'),
    ('e', '\u{302}', 'ê'),
    ('o', '\u{302}', 'ô'),
    ('o', '\u{31b}', 'ơ'),
    ('u', '\u{31b}', 'ư'),
];

/// A letter: without all marks, without its tone, and its tone.
type Letter = (char, char, Option<char>);

static LETTERS: LazyLock<HashMap<char, Letter>> = LazyLock::new(|| {
    let mut letters = HashMap::new();
    for (plain, tones) in VOWELS {
        let letter = tones.chars().next().unwrap_or(plain);
        let marks = std::iter::once(None).chain(TONES.into_iter().map(Some));
        letters.extend(tones.chars().zip(marks).map(|(one, tone)| (one, (plain, letter, tone))));
    }
    for (plain, all) in OTHERS {
        letters.extend(all.chars().map(|one| (one, (plain, one, None))));
    }
    letters
});

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Where it stands, bytes.
    pub start: usize,
    /// Where it ends, bytes.
    pub end: usize,
    /// Lower case, without marks.
    pub folded: String,
    /// Lower case, with marks; none where it has none.
    marked: Option<String>,
    /// One character that is no space is between it and the word before: *srv-01*, *10.0.0.1*.
    pub glued: bool,
}

impl Word {
    /// Lower case, with the marks that it has.
    #[must_use]
    pub fn marked(&self) -> &str {
        self.marked.as_deref().unwrap_or(&self.folded)
    }

    /// Whether it has marks.
    #[must_use]
    pub const fn has_marks(&self) -> bool {
        self.marked.is_some()
    }
}

/// A marked word apart: its letters, and its tones.
pub(super) fn tone_apart(marked: &str) -> (&str, &str) {
    let letters = marked.trim_end_matches(TONES);
    (letters, marked.get(letters.len()..).unwrap_or_default())
}

/// A word that is being read.
#[derive(Default)]
struct Reading {
    start: usize,
    end: usize,
    chars: usize,
    folded: String,
    letters: String,
    tones: String,
}

impl Reading {
    fn push(&mut self, letter: char) {
        self.chars += 1;
        if self.chars > WORD_MAX_CHARS {
            return;
        }
        let (plain, kept, tone) = if letter.is_ascii() {
            (letter, letter, None)
        } else {
            *LETTERS.get(&letter).unwrap_or(&(letter, letter, None))
        };
        self.folded.push(plain);
        self.letters.push(kept);
        self.tones.extend(tone);
    }

    /// A mark of its own belongs to the letter before.
    fn mark(&mut self, mark: char) {
        if self.chars > WORD_MAX_CHARS {
            return;
        }
        if TONES.contains(&mark) {
            self.tones.push(mark);
        } else if let Some(last) = self.letters.pop() {
            let composed = COMPOSED.iter().find(|(letter, with, _)| *letter == last && *with == mark);
            self.letters.push(composed.map_or(last, |(_, _, composed)| *composed));
        }
    }

    fn finish(self, text: &str, before: Option<usize>) -> Word {
        let marked = self.letters + &self.tones;
        let between = before.and_then(|end| text.get(end..self.start)).map(str::chars);
        let glued = between.is_some_and(|mut between| {
            between.next().is_some_and(|one| !one.is_whitespace()) && between.next().is_none()
        });
        let marked = (marked != self.folded).then_some(marked);
        Word { start: self.start, end: self.end, folded: self.folded, marked, glued }
    }
}

/// A text as its words without marks, in lower case, with a space between: for lists that are short enough to be gone through.
#[must_use]
pub fn folded(text: &str) -> String {
    let folded: Vec<String> = words(text).into_iter().map(|word| word.folded).collect();
    folded.join(" ")
}

/// The words of a text, in their order.
#[must_use]
pub fn words(text: &str) -> Vec<Word> {
    let mut all: Vec<Word> = Vec::new();
    let mut reading: Option<Reading> = None;
    for (at, letter) in text.char_indices() {
        let end = at + letter.len_utf8();
        if is_mark(letter) {
            if let Some(reading) = &mut reading {
                reading.mark(letter);
                reading.end = end;
            }
        } else if letter.is_alphanumeric() {
            let reading = reading.get_or_insert_with(|| Reading { start: at, ..Reading::default() });
            letter.to_lowercase().filter(|one| !is_mark(*one)).for_each(|one| reading.push(one));
            reading.end = end;
        } else if let Some(word) = reading.take() {
            let before = all.last().map(|word| word.end);
            all.push(word.finish(text, before));
            if all.len() == WORDS_MAX {
                return all;
            }
        }
    }
    if let Some(word) = reading {
        let before = all.last().map(|word| word.end);
        all.push(word.finish(text, before));
    }
    all
}

/// Whether it is a mark of its own, which belongs to the letter before.
const fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> (String, String) {
        let all = words(text);
        assert_eq!(all.len(), 1, "{text}: {all:?}");
        (all[0].folded.clone(), all[0].marked().to_owned())
    }

    #[test]
    fn vietnamese_words_fold_and_keep_their_marks_in_one_form() {
        for (text, folded) in [
            ("đĩa", "dia"),
            ("ĐĨA", "dia"),
            ("cứng", "cung"),
            ("Nghiêng", "nghieng"),
            ("khuỷu", "khuyu"),
            ("Đường", "duong"),
            ("ngoằn", "ngoan"),
            ("thuở", "thuo"),
            ("quýt", "quyt"),
            ("giặt", "giat"),
            ("yếu", "yeu"),
            ("ổ", "o"),
            ("ẩm", "am"),
            ("lỗi", "loi"),
            ("ưu", "uu"),
            ("kẽm", "kem"),
            ("xoèn", "xoen"),
            ("café", "cafe"),
            ("Müller", "muller"),
            ("srv01", "srv01"),
            ("日本", "日本"),
        ] {
            assert_eq!(one(text).0, folded, "{text}");
        }
        // The old and the new place of a tone, and marks as characters of their own.
        for (one_way, other) in [
            ("hoà", "hòa"),
            ("huỷ", "hủy"),
            ("KHOÁ", "khóa"),
            ("tie\u{302}\u{301}ng", "tiếng"),
            ("tie\u{301}\u{302}ng", "tiếng"),
            ("nu\u{31b}o\u{31b}\u{301}c", "nước"),
            ("u\u{31b}\u{323}", "ự"),
        ] {
            assert_eq!(one(one_way), one(other), "{one_way}");
        }
        assert_ne!(one("lời").1, one("lỗi").1);
        assert_ne!(one("dia").1, one("đĩa").1);
        assert!(!words("cpu")[0].has_marks() && words("đ")[0].has_marks());
    }

    #[test]
    fn what_is_glued_is_told_from_what_stands_apart() {
        let all = words("srv-01: 10.0.0.1 («đĩa cứng»)");
        let glued: Vec<(&str, bool)> = all.iter().map(|one| (one.folded.as_str(), one.glued)).collect();
        assert_eq!(
            glued,
            [
                ("srv", false),
                ("01", true),
                ("10", false),
                ("0", true),
                ("0", true),
                ("1", true),
                ("dia", false),
                ("cung", false)
            ]
        );
        assert_eq!("srv-01: 10.0.0.1 («đĩa cứng»)".get(all[6].start..all[6].end), Some("đĩa"));
    }

    #[test]
    fn what_is_endless_is_bounded() {
        assert_eq!(words(&"x".repeat(100_000))[0].folded.len(), WORD_MAX_CHARS);
        assert_eq!(words(&"x ".repeat(100_000)).len(), WORDS_MAX);
        assert!(words("\u{301}\u{302} \u{0} \u{feff}").is_empty());
        assert_eq!(words("İstanbul")[0].folded, "istanbul");
    }
}
