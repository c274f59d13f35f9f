//! Rust's text as far as walls need it: which paths a file names, whatever it calls them. Comments and literals name nothing, and what is
//! only there for tests is left out, wherever in the file it stands; everything else is looked at.
//!
//! It errs on the side of seeing: a name that could stand for two paths stands for both. Not seen is what another module gives out under
//! its own name (`pub use`), which is that module's to answer for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Colons,
    Sign(char),
    Text(String),
}

use Token::{Colons, Sign, Text, Word};

/// What comes at `at`, and where it ends; nothing for blanks and comments.
fn token(text: &[char], at: usize) -> (Option<Token>, usize) {
    let next = |place: usize| text.get(at + place).copied().unwrap_or('\0');
    let word = |from: usize| text[from..].iter().take_while(|one| one.is_alphanumeric() || **one == '_').count();
    match text[at] {
        '/' if next(1) == '/' => (None, at + text[at..].iter().take_while(|one| **one != '\n').count()),
        '/' if next(1) == '*' => (None, after_comment(text, at)),
        '"' => after_text(text, at + 1),
        // A letter, or the name of a lifetime.
        '\'' if next(1) == '\\' || next(2) == '\'' => {
            let mut end = at + if next(1) == '\\' { 3 } else { 2 };
            while text.get(end).is_some_and(|one| *one != '\'') {
                end += 1;
            }
            (None, end + 1)
        }
        ':' if next(1) == ':' => (Some(Colons), at + 2),
        'r' | 'b' | 'c' if starts_text(text, at) => {
            let raw = text[at..].iter().take(2).any(|one| *one == 'r');
            let from = at + text[at..].iter().take_while(|one| one.is_alphabetic()).count();
            if !raw && text[from] == '\'' {
                return token(text, from);
            }
            if raw { after_raw_text(text, from) } else { after_text(text, from + 1) }
        }
        'r' if next(1) == '#' => (Some(Word(text[at + 2..][..word(at + 2)].iter().collect())), at + 2 + word(at + 2)),
        one if one.is_alphanumeric() || one == '_' => {
            (Some(Word(text[at..][..word(at)].iter().collect())), at + word(at))
        }
        one if one.is_whitespace() => (None, at + 1),
        one => (Some(Sign(one)), at + 1),
    }
}

/// Whether a prefix of letters here belongs to a literal: `b"`, `r#"`, `br"`, `c"`, `b'`.
fn starts_text(text: &[char], at: usize) -> bool {
    let letters: String = text[at..].iter().take_while(|one| one.is_alphanumeric() || **one == '_').take(3).collect();
    let rest = &text[at + letters.len()..];
    let quoted = rest.iter().find(|one| **one != '#') == Some(&'"');
    match letters.as_str() {
        "r" | "br" | "cr" => quoted,
        "b" => matches!(rest.first(), Some('"' | '\'')),
        "c" => rest.first() == Some(&'"'),
        _ => false,
    }
}

fn after_comment(text: &[char], at: usize) -> usize {
    let (mut depth, mut at) = (0, at);
    while at < text.len() {
        match &text[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn after_text(text: &[char], from: usize) -> (Option<Token>, usize) {
    let mut end = from;
    while end < text.len() && text[end] != '"' {
        end += if text[end] == '\\' { 2 } else { 1 };
    }
    (Some(Text(text[from..end.min(text.len())].iter().collect())), end + 1)
}

fn after_raw_text(text: &[char], from: usize) -> (Option<Token>, usize) {
    let marks = text[from..].iter().take_while(|one| **one == '#').count();
    let from = from + marks + 1;
    let ends =
        |at: &usize| text[*at] == '"' && text[at + 1..].iter().take(marks).filter(|one| **one == '#').count() == marks;
    let end = (from..text.len()).find(ends).unwrap_or(text.len());
    (Some(Text(text[from..end].iter().collect())), end + 1 + marks)
}

fn tokens(text: &str) -> Vec<Token> {
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut found) = (0, Vec::new());
    while at < text.len() {
        let (token, end) = token(&text, at);
        found.extend(token);
        at = end;
    }
    found
}

/// Where the bracket that opens at `at` is closed, and one further.
fn closed(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (place, token) in tokens.iter().enumerate().skip(at) {
        match token {
            Sign('(' | '[' | '{') => depth += 1,
            Sign(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return place + 1;
        }
    }
    tokens.len()
}

fn word(token: Option<&Token>) -> Option<&str> {
    match token {
        Some(Word(word)) => Some(word),
        _ => None,
    }
}

/// Whether an attribute, from its `[`, keeps what follows to tests: `cfg(test)` or `cfg(all(test, …))`.
fn is_for_tests(attribute: &[Token]) -> bool {
    let words: Vec<&str> = attribute.iter().filter_map(|token| word(Some(token))).collect();
    matches!(words.as_slice(), ["cfg", "test"] | ["cfg", "all", "test", ..])
}

/// One file: what of it is no test, and which files it has for tests only.
pub(crate) struct Source {
    tokens: Vec<Token>,
    /// Modules in files of their own that are for tests, with the path that they are given, if any.
    test_modules: Vec<(String, Option<String>)>,
    only_tests: bool,
}

impl Source {
    pub(crate) fn new(text: &str) -> Self {
        let all = tokens(text);
        let mut source = Self { tokens: Vec::new(), test_modules: Vec::new(), only_tests: false };
        let mut at = 0;
        while at < all.len() {
            let inner = all[at..].starts_with(&[Sign('#'), Sign('!'), Sign('[')]);
            if inner && is_for_tests(&all[at + 2..closed(&all, at + 2)]) {
                source.only_tests = true;
            }
            if all[at..].starts_with(&[Sign('#'), Sign('[')]) && is_for_tests(&all[at + 1..closed(&all, at + 1)]) {
                at = source.leave_out(&all, at);
            } else {
                source.tokens.push(all[at].clone());
                at += 1;
            }
        }
        source
    }

    /// Passes over an item with its attributes.
    fn leave_out(&mut self, all: &[Token], mut at: usize) -> usize {
        let mut path = None;
        while all[at..].starts_with(&[Sign('#'), Sign('[')]) {
            let end = closed(all, at + 1);
            if word(all.get(at + 2)) == Some("path")
                && let Some(Text(text)) = all.get(at + 4)
            {
                path = Some(text.clone());
            }
            at = end;
        }
        let begin = at;
        while let Some(token) = all.get(at) {
            match token {
                Sign(';' | ',') => {
                    if let Some(place) = all[begin..at].iter().position(|token| word(Some(token)) == Some("mod"))
                        && let Some(name) = word(all.get(begin + place + 1))
                    {
                        self.test_modules.push((name.to_owned(), path));
                    }
                    return at + 1;
                }
                Sign('{') => return closed(all, at),
                Sign('(' | '[') => at = closed(all, at),
                // The end of what it stands in: a last field or statement.
                Sign('}') => return at,
                _ => at += 1,
            }
        }
        at
    }

    /// With what is there for tests only.
    pub(crate) fn with_tests(text: &str) -> Self {
        Self { tokens: tokens(text), test_modules: Vec::new(), only_tests: false }
    }

    /// Where its modules for tests may lie, below the root of the tree: files, and folders.
    fn test_places(&self, own: &Path) -> Vec<PathBuf> {
        let dir = own.parent().unwrap_or(Path::new(""));
        let below = if is_root(own) { dir.to_owned() } else { own.with_extension("") };
        let mut places = Vec::new();
        for (name, path) in &self.test_modules {
            match path {
                Some(path) => places.push(dir.join(path)),
                None => places.extend([below.join(format!("{name}.rs")), below.join(name)]),
            }
        }
        if self.only_tests {
            places.extend([own.to_owned(), below]);
        }
        places
    }

    /// Every path that it names, as full as it can be told from this file.
    pub(crate) fn paths(&self, own: &Path) -> BTreeSet<Vec<String>> {
        self.read(module_of(own)).resolved()
    }

    /// What it names as the file of `module`, each with the module that it stands in.
    pub(crate) fn names(&self, module: Vec<String>) -> Names {
        let reader = self.read(module);
        Names {
            modules: reader.modules,
            named: reader.named,
            imports: reader.scoped_imports,
            globs: reader.scoped_globs,
        }
    }

    fn read(&self, module: Vec<String>) -> TokenReader<'_> {
        let mut reader = TokenReader {
            tokens: &self.tokens,
            modules: BTreeSet::from([module.clone()]),
            module,
            inline: Vec::new(),
            named: Vec::new(),
            imports: BTreeMap::new(),
            globs: Vec::new(),
            scoped_imports: Vec::new(),
            scoped_globs: Vec::new(),
        };
        reader.read();
        reader
    }

    /// Whether its brackets pair: what is taken for a literal or a comment is one.
    pub(crate) fn is_whole(&self) -> bool {
        let count =
            |signs: [char; 2]| signs.map(|sign| self.tokens.iter().filter(|token| **token == Sign(sign)).count());
        [['(', ')'], ['[', ']'], ['{', '}']].into_iter().all(|pair| {
            let [open, close] = count(pair);
            open == close
        })
    }

    /// Whether a file is taken in under another name than its own, past every rule about where it lies.
    pub(crate) fn takes_in_files(&self) -> bool {
        let named = |name: &str, sign: char| {
            let wanted = [Word(name.to_owned()), Sign(sign)];
            self.tokens.windows(2).any(|two| two == wanted)
        };
        self.tokens.windows(3).any(|three| three == [Sign('#'), Sign('['), Word("path".to_owned())])
            || named("include", '!')
    }
}

fn is_root(own: &Path) -> bool {
    own.file_name().is_some_and(|name| name == "mod.rs" || name == "lib.rs" || name == "main.rs")
}

/// The module that a file is: what follows `src`.
fn module_of(own: &Path) -> Vec<String> {
    let own = if is_root(own) { own.parent().unwrap_or(own).to_owned() } else { own.with_extension("") };
    let names: Vec<String> = own.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let from = names.iter().rposition(|name| name == "src").map_or(names.len(), |place| place + 1);
    std::iter::once("crate".to_owned()).chain(names[from..].iter().cloned()).collect()
}

/// The files that are there for tests only.
pub(crate) fn for_tests(all: &BTreeMap<PathBuf, Source>) -> BTreeSet<PathBuf> {
    let places: Vec<PathBuf> = all.iter().flat_map(|(path, source)| source.test_places(path)).collect();
    all.keys().filter(|path| places.iter().any(|place| path.starts_with(place))).cloned().collect()
}

/// What a file names, before anything is resolved.
pub(crate) struct Names {
    /// The file's own module, and those that stand in it.
    pub(crate) modules: BTreeSet<Vec<String>>,
    /// Paths as they stand, `self` and `super` too.
    pub(crate) named: Vec<(Vec<String>, Vec<String>)>,
    /// By whom, the name that it has there, and what it is.
    pub(crate) imports: Vec<(Vec<String>, String, Vec<String>)>,
    /// By whom, and what is taken in whole.
    pub(crate) globs: Vec<(Vec<String>, Vec<String>)>,
}

struct TokenReader<'a> {
    tokens: &'a [Token],
    module: Vec<String>,
    modules: BTreeSet<Vec<String>>,
    /// Modules in this file, with the depth at which they end.
    inline: Vec<(String, usize)>,
    /// Paths as they stand, each with the module that it stands in.
    named: Vec<(Vec<String>, Vec<String>)>,
    imports: BTreeMap<String, Vec<Vec<String>>>,
    globs: Vec<Vec<String>>,
    scoped_imports: Vec<(Vec<String>, String, Vec<String>)>,
    scoped_globs: Vec<(Vec<String>, Vec<String>)>,
}

impl TokenReader<'_> {
    fn here(&self) -> Vec<String> {
        self.module.iter().cloned().chain(self.inline.iter().map(|(name, _)| name.clone())).collect()
    }

    fn read(&mut self) {
        let (mut at, mut depth) = (0, 0_usize);
        while let Some(token) = self.tokens.get(at) {
            match token {
                Sign('{') => depth += 1,
                Sign('}') => {
                    depth = depth.saturating_sub(1);
                    self.inline.retain(|(_, end)| *end <= depth);
                }
                Word(word) if word == "mod" && self.tokens.get(at + 2) == Some(&Sign('{')) => {
                    if let Some(Word(name)) = self.tokens.get(at + 1) {
                        self.inline.push((name.clone(), depth + 1));
                        self.modules.insert(self.here());
                    }
                    at += 1;
                }
                Word(word) if word == "use" && self.tokens.get(at + 1) != Some(&Sign('<')) => {
                    at = self.tree(at + 1, &[]);
                    continue;
                }
                Word(_) => {
                    let (path, end) = self.path(at);
                    self.named.push((path, self.here()));
                    at = end;
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// Words with `::` between them.
    fn path(&self, mut at: usize) -> (Vec<String>, usize) {
        let mut path = Vec::new();
        while let Some(Word(word)) = self.tokens.get(at) {
            path.push(word.clone());
            at += 1;
            if self.tokens.get(at) != Some(&Colons) || !matches!(self.tokens.get(at + 1), Some(Word(_))) {
                break;
            }
            at += 1;
        }
        (path, at)
    }

    /// One branch of a `use`, and where it ends.
    fn tree(&mut self, at: usize, before: &[String]) -> usize {
        let at = if self.tokens.get(at) == Some(&Colons) { at + 1 } else { at };
        let (words, mut at) = self.path(at);
        let path: Vec<String> = before.iter().cloned().chain(words).collect();
        if self.tokens.get(at) == Some(&Colons) {
            at += 1;
        }
        match self.tokens.get(at) {
            Some(Sign('{')) => {
                at += 1;
                while self.tokens.get(at).is_some_and(|token| *token != Sign('}')) {
                    let end = self.tree(at, &path);
                    // Whatever this is, it is passed over.
                    at = if end == at || self.tokens.get(end) == Some(&Sign(',')) { end + 1 } else { end };
                }
                at + 1
            }
            Some(Sign('*')) => {
                let full = full(&path, &self.here());
                self.scoped_globs.push((self.here(), full.clone()));
                self.globs.push(full);
                self.named.push((path, self.here()));
                at + 1
            }
            _ => {
                let mut path = path;
                if path.last().is_some_and(|word| word == "self") && path.len() > 1 {
                    path.pop();
                }
                let mut name = path.last().cloned().unwrap_or_default();
                if word(self.tokens.get(at)) == Some("as") {
                    name = word(self.tokens.get(at + 1)).unwrap_or("_").to_owned();
                    at += 2;
                }
                let full = full(&path, &self.here());
                self.scoped_imports.push((self.here(), name.clone(), full.clone()));
                self.imports.entry(name).or_default().push(full);
                self.named.push((path, self.here()));
                at
            }
        }
    }

    fn resolved(&self) -> BTreeSet<Vec<String>> {
        let mut found = BTreeSet::new();
        for (path, here) in &self.named {
            let full = full(path, here);
            // A name may have been given by another name's import.
            let (mut names, mut round) = (vec![full], 0);
            while let Some(name) = names.pop() {
                round += 1;
                if let Some(imports) = self.imports.get(&name[0])
                    && round < 32
                {
                    names.extend(
                        imports.iter().map(|import| [import, &name[1..]].concat()).filter(|other| *other != name),
                    );
                }
                if name[0] != "crate" {
                    found.extend(self.globs.iter().map(|glob| [glob, name.as_slice()].concat()));
                    found.insert([here.as_slice(), &name].concat());
                }
                found.insert(name);
            }
        }
        found
    }
}

/// A path from the crate's root, where it begins with `self` or `super`.
pub(crate) fn full(path: &[String], here: &[String]) -> Vec<String> {
    let supers = path.iter().take_while(|word| *word == "super" || *word == "self").count();
    if supers == 0 {
        return path.to_vec();
    }
    let up = path[..supers].iter().filter(|word| *word == "super").count();
    here[..here.len().saturating_sub(up).max(1)].iter().chain(&path[supers..]).cloned().collect()
}

/// Whether `named` has the words of `wall` (`crate::web`, `clock::now`, `tokio`) beside each other in it.
pub(crate) fn breaks(named: &BTreeSet<Vec<String>>, wall: &str) -> bool {
    let wall: Vec<&str> = wall.split("::").collect();
    named
        .iter()
        .any(|path| path.windows(wall.len()).any(|words| words.iter().zip(&wall).all(|(word, wall)| word == wall)))
}
