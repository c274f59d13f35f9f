//! The patterns of apt's pins: shell patterns (glob(7)) and extended regular expressions (regex(7)), without regard to case. Pure, and
//! bounded by the length of pattern and text: no pattern makes it slow. What a pattern asks beyond that is said to be not understood.

/// Most steps of a compiled expression.
const STEPS_MAX: usize = 512;

/// A pattern of a pin.
#[derive(Debug)]
pub(super) enum Pattern {
    Glob(Vec<GlobPiece>),
    Regex(Vec<RegexOp>),
}

/// One piece of a shell pattern.
#[derive(Debug)]
pub(super) enum GlobPiece {
    Any,
    Star,
    Char(char),
    CharSet(CharSet),
}

/// A set of characters.
#[derive(Debug, Clone)]
pub(super) struct CharSet {
    ranges: Vec<(char, char)>,
    negated: bool,
}

/// One step of a regular expression.
#[derive(Debug, Clone)]
pub(super) enum RegexOp {
    Any,
    Char(char),
    CharSet(CharSet),
    Start,
    End,
    Jump(usize),
    Either(usize, usize),
    Found,
}

impl CharSet {
    fn has(&self, c: char) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != self.negated
    }
}

impl Pattern {
    /// Understands `/expression/` and else a shell pattern.
    ///
    /// # Errors
    /// What is not understood.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let text = text.to_lowercase();
        if text.len() > 1 && text.starts_with('/') && text.ends_with('/') {
            return Ok(Self::Regex(ExpressionCompiler::compile(&text[1..text.len() - 1])?));
        }
        let (mut chars, mut pieces) = (text.chars().peekable(), Vec::new());
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '*' => GlobPiece::Star,
                '?' => GlobPiece::Any,
                '\\' => GlobPiece::Char(chars.next().unwrap_or('\\')),
                '[' => GlobPiece::CharSet(set(&mut chars)?),
                c => GlobPiece::Char(c),
            });
        }
        Ok(Self::Glob(pieces))
    }

    /// Whether a text is named: a shell pattern names the whole of it, an expression any part.
    pub(super) fn fits(&self, text: &str) -> bool {
        let text: Vec<char> = text.to_lowercase().chars().collect();
        match self {
            Self::Glob(pieces) => glob(pieces, &text),
            Self::Regex(steps) => search(steps, &text),
        }
    }
}

/// Reads a set after its `[`.
fn set(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<CharSet, String> {
    let negated = chars.next_if(|c| matches!(c, '!' | '^')).is_some();
    let mut ranges = Vec::new();
    loop {
        let from = chars.next().ok_or("a set without its ]")?;
        if from == ']' && !ranges.is_empty() {
            return Ok(CharSet { ranges, negated });
        }
        if from == '[' && matches!(chars.peek(), Some(':' | '.' | '=')) {
            return Err("a class of characters".to_owned());
        }
        let mut rest = chars.clone();
        if rest.next() == Some('-') && rest.peek().is_some_and(|to| *to != ']') {
            chars.next();
            ranges.push((from, chars.next().unwrap_or(from)));
        } else {
            ranges.push((from, from));
        }
    }
}

fn glob(pieces: &[GlobPiece], text: &[char]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        let one = match pieces.get(p) {
            Some(GlobPiece::Star) => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some(GlobPiece::Any) => true,
            Some(GlobPiece::Char(c)) => *c == text[t],
            Some(GlobPiece::CharSet(set)) => set.has(text[t]),
            None => false,
        };
        if one {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (p, t) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pieces[p..].iter().all(|piece| matches!(piece, GlobPiece::Star))
}

/// Makes steps of an expression.
struct ExpressionCompiler<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    depth: usize,
}

impl ExpressionCompiler<'_> {
    fn compile(text: &str) -> Result<Vec<RegexOp>, String> {
        let mut compiler = ExpressionCompiler { chars: text.chars().peekable(), depth: 0 };
        let mut steps = compiler.either()?;
        if compiler.chars.next().is_some() {
            return Err("a ) without its (".to_owned());
        }
        steps.push(RegexOp::Found);
        Ok(steps)
    }

    fn either(&mut self) -> Result<Vec<RegexOp>, String> {
        let mut left = self.sequence()?;
        while self.chars.next_if_eq(&'|').is_some() {
            let right = self.sequence()?;
            let (first, second) = (left.len(), right.len());
            let mut both = vec![RegexOp::Either(1, first + 2)];
            // Steps name each other by how far they are away, so that they can be moved.
            both.append(&mut left);
            both.push(RegexOp::Jump(second + 1));
            both.extend(right);
            left = bounded(both)?;
        }
        Ok(left)
    }

    fn sequence(&mut self) -> Result<Vec<RegexOp>, String> {
        let mut steps = Vec::new();
        while let Some(c) = self.chars.next_if(|c| !matches!(c, '|' | ')')) {
            let one = match c {
                '(' => {
                    self.depth += 1;
                    if self.depth > 16 {
                        return Err("too many brackets".to_owned());
                    }
                    let inner = self.either()?;
                    self.depth -= 1;
                    self.chars.next().filter(|c| *c == ')').ok_or("a ( without its )")?;
                    inner
                }
                '.' => vec![RegexOp::Any],
                '^' => vec![RegexOp::Start],
                '$' => vec![RegexOp::End],
                '[' => vec![RegexOp::CharSet(set(&mut self.chars)?)],
                '\\' => match self.chars.next() {
                    Some(c) if !c.is_alphanumeric() => vec![RegexOp::Char(c)],
                    other => return Err(format!("\\{}", other.unwrap_or(' '))),
                },
                '*' | '+' | '?' | '{' => return Err(format!("{c} in this place")),
                c => vec![RegexOp::Char(c)],
            };
            let one = self.repeated(one)?;
            steps.extend(one);
            steps = bounded(steps)?;
        }
        Ok(steps)
    }

    fn repeated(&mut self, one: Vec<RegexOp>) -> Result<Vec<RegexOp>, String> {
        let length = one.len();
        let mut steps = Vec::new();
        match self.chars.peek() {
            Some('*') => {
                steps.push(RegexOp::Either(1, length + 2));
                steps.extend(one);
                steps.push(back(length + 1));
            }
            Some('+') => {
                steps.extend(one);
                steps.push(RegexOp::Either(back_by(length), 1));
            }
            Some('?') => {
                steps.push(RegexOp::Either(1, length + 1));
                steps.extend(one);
            }
            Some('{') => return Err("a count in { }".to_owned()),
            _ => return Ok(one),
        }
        self.chars.next();
        if matches!(self.chars.peek(), Some('*' | '+' | '?' | '{')) {
            return Err("one repetition after another".to_owned());
        }
        bounded(steps)
    }
}

/// A jump back, as the distance that comes round to it.
fn back_by(steps: usize) -> usize {
    0_usize.wrapping_sub(steps)
}

fn back(steps: usize) -> RegexOp {
    RegexOp::Jump(back_by(steps))
}

fn bounded(steps: Vec<RegexOp>) -> Result<Vec<RegexOp>, String> {
    if steps.len() > STEPS_MAX { Err("it is too long".to_owned()) } else { Ok(steps) }
}

/// Whether any part of the text fits: all ways are followed at once, character by character.
fn search(steps: &[RegexOp], text: &[char]) -> bool {
    let mut active = vec![false; steps.len()];
    for at in 0..=text.len() {
        // What can be reached without a character, from what was active and from a new beginning here.
        let mut left: Vec<usize> = (0..steps.len()).filter(|step| active[*step]).collect();
        left.push(0);
        let mut reached = vec![false; steps.len()];
        while let Some(step) = left.pop() {
            if step >= steps.len() || std::mem::replace(&mut reached[step], true) {
                continue;
            }
            match &steps[step] {
                RegexOp::Found => return true,
                RegexOp::Jump(by) => left.push(step.wrapping_add(*by)),
                RegexOp::Either(a, b) => left.extend([step.wrapping_add(*a), step.wrapping_add(*b)]),
                RegexOp::Start if at == 0 => left.push(step + 1),
                RegexOp::End if at == text.len() => left.push(step + 1),
                _ => {}
            }
        }
        let Some(c) = text.get(at) else { return false };
        active.fill(false);
        for step in (0..steps.len()).filter(|step| reached[*step]) {
            let fits = match &steps[step] {
                RegexOp::Any => true,
                RegexOp::Char(own) => own == c,
                RegexOp::CharSet(set) => set.has(*c),
                _ => false,
            };
            if fits && step + 1 < steps.len() {
                active[step + 1] = true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).expect("understood").fits(text)
    }

    #[test]
    fn shell_patterns_name_the_whole() {
        assert!(fits("lib*-dev", "libx-y-dev") && !fits("lib?", "libxy") && fits("*", "") && !fits("a", "ab"));
        assert!(
            fits("linux-[ih]*", "linux-image-amd64")
                && !fits("linux-[!ih]*", "linux-image")
                && fits("DEBIAN", "debian")
        );
    }

    #[test]
    fn expressions_name_a_part() {
        for (pattern, yes, no) in [
            ("/^lib/", "libc6", "glib"),
            ("/ssl$/", "openssl", "openssl-dev"),
            ("/^(php|perl)[0-9.]+-(cli|fpm)$/", "php8.2-fpm", "php-fpm"),
            ("/^a.*z$/", "abcz", "abc"),
            ("/colou?r/", "a-color-b", "colouur"),
            ("/x\\.y/", "ax.yb", "xay"),
            ("/^(ab|c)*$/", "abcab", "abca"),
            ("/^linux-(image|headers)-/", "linux-headers-6", "linux-libc-dev"),
        ] {
            assert!(fits(pattern, yes), "{pattern} {yes}");
            assert!(!fits(pattern, no), "{pattern} {no}");
        }
        for pattern in ["/a{2}/", "/[[:digit:]]/", "/(a/", "/a)/", "/*/", "/\\w/", "/[a/", "[a"] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn any_pattern_ends(pattern in "/?[ab.*+?|()^$\\[\\]\\\\-]{0,40}/?", text in "[ab]{0,60}") {
            if let Ok(pattern) = Pattern::new(&pattern) {
                let _ = pattern.fits(&text);
            }
        }
    }
}
