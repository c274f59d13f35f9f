//! What a program said, and what of it is whole. The program itself is run elsewhere ([`crate::HostAccess`]).
//!
//! What a program printed is a value only when the program said that it is whole ([`ProgramAnswer`]): it ended as it does when all
//! went well, spoke where silence means nothing, ended its last line or closed its JSON, and complained of no right that it lacked.
//! Everything else is *unknown*, with the program's own words: a failure is never a zero, and never a shorter list.

use crate::ProbeOutcome;

/// Most bytes read from a program.
pub const OUTPUT_MAX_BYTES: usize = 4 * 1024 * 1024;

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProgramOutput {
    /// Its exit status; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub text: Vec<u8>,
    /// The beginning of standard error.
    pub complaint: String,
}

/// What programs say that may see only a part, and then print that part.
const LACKS_RIGHTS: [&str; 6] = [
    "permission denied",
    "operation not permitted",
    "access denied",
    "insufficient permission",
    "not seeing messages",
    "must be root",
];

/// A question to a program, answered or not. Only what is whole comes out of it.
#[derive(Debug)]
#[must_use]
pub struct ProgramAnswer {
    what: String,
    answer: Result<ProgramOutput, NoAnswer>,
    good: fn(i32) -> bool,
}

/// Why there is no output at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// It was not asked: it is not there, or may not be asked.
    NotAsked(ProbeOutcome),
    /// It was asked, and did not come to its end.
    Failed(ProgramError),
}

impl From<NoAnswer> for ProbeOutcome {
    fn from(why: NoAnswer) -> Self {
        match why {
            NoAnswer::NotAsked(outcome) => outcome,
            NoAnswer::Failed(error) => Self::Unknown { why: error.to_string() },
        }
    }
}

impl ProgramAnswer {
    /// What `what` (program and arguments, for people) gave; it ended well with exit status 0.
    pub(crate) fn new(what: String, answer: Result<ProgramOutput, NoAnswer>) -> Self {
        Self { what, answer, good: |code| code == 0 }
    }

    /// Whether it did not end in time: whoever does not answer that does not answer more.
    #[must_use]
    pub fn has_hung(&self) -> bool {
        matches!(&self.answer, Err(NoAnswer::Failed(ProgramError { failure: ProgramFailure::Hung { .. }, .. })))
    }

    /// Other exit statuses are good ones, too.
    pub fn accept_codes(self, good: fn(i32) -> bool) -> Self {
        Self { good, ..self }
    }

    /// The lines of an answer that cannot be empty, as text: bytes that are no UTF-8 are replaced.
    ///
    /// # Errors
    /// *Absent* when there is no such program, *unknown* when its answer is not whole.
    pub fn lines(self) -> Result<String, ProbeOutcome> {
        self.parse(|text| if text.trim().is_empty() { Err("printed nothing".to_owned()) } else { Ok(text.to_owned()) })
    }

    /// The lines of an answer where silence means *none*.
    ///
    /// # Errors
    /// As [`Self::lines`].
    pub fn lines_or_none(self) -> Result<String, ProbeOutcome> {
        self.parse(|text| Ok(text.to_owned()))
    }

    /// What `parse` makes of lines that came whole. Where it can be seen from the text that something is missing, `parse` says so.
    ///
    /// # Errors
    /// As [`Self::lines`], and *unknown* with what `parse` did not understand.
    pub fn parse<T>(self, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, ProbeOutcome> {
        let what = self.what.clone();
        let output = self.success()?;
        let text = String::from_utf8_lossy(&output.text);
        let whole = if !text.is_empty() && !text.ends_with('\n') {
            Err("its answer was cut within a line".to_owned())
        } else if !is_text(&text) {
            Err("its answer is no text".to_owned())
        } else {
            parse(&text)
        };
        whole.map_err(|why| ProbeOutcome::Unknown { why: format!("{what}: {why}") })
    }

    /// The JSON of an answer.
    ///
    /// # Errors
    /// As [`Self::lines`].
    pub fn json(self) -> Result<serde_json::Value, ProbeOutcome> {
        let what = self.what.clone();
        let output = self.success()?;
        // Names of disks and volumes may hold any byte; the marks of JSON are ASCII.
        serde_json::from_str(&String::from_utf8_lossy(&output.text))
            .map_err(|error| ProbeOutcome::Unknown { why: format!("{what}: its answer is no whole JSON: {error}") })
    }

    /// Whether it ended well, whatever it printed.
    ///
    /// # Errors
    /// As [`Self::lines`].
    pub fn success(self) -> Result<ProgramOutput, ProbeOutcome> {
        let Self { what, answer, good } = self;
        let output = answer?;
        let complains = || {
            // The last line of a complaint usually is the reason; those who complain on standard output begin with it.
            let printed = String::from_utf8_lossy(&output.text);
            let said = output.complaint.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned);
            let said = said.or_else(|| printed.lines().find(|line| !line.trim().is_empty()).map(str::to_owned));
            said.map_or(String::new(), |said| format!(": {}", said.trim().chars().take(200).collect::<String>()))
        };
        let why = match output.code {
            None => format!("was ended by a signal{}", complains()),
            Some(code) if !good(code) => format!("ended with status {code}{}", complains()),
            Some(_) => {
                let complaint = output.complaint.to_lowercase();
                match LACKS_RIGHTS.iter().any(|lacks| complaint.contains(lacks)) {
                    true => format!("could not see all{}", complains()),
                    false => return Ok(output),
                }
            }
        };
        Err(ProbeOutcome::Unknown { why: format!("{what}: {why}") })
    }
}

/// Whether it can be read: a name in another encoding is a few odd characters, rubbish has little else.
fn is_text(text: &str) -> bool {
    let odd = |c: &char| *c == char::REPLACEMENT_CHARACTER || c.is_control() && !matches!(c, '\n' | '\t' | '\r');
    text.chars().filter(odd).count() * 8 <= text.chars().count()
}

/// A program that could not be run to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{program}: {failure}")]
pub struct ProgramError {
    /// Its path, or its name on a captured machine.
    pub program: String,
    /// What kept it from its end.
    pub failure: ProgramFailure,
}

/// What kept a program from its end. A capture keeps it as text, and reads it back ([`ProgramFailure::parse`]).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgramFailure {
    /// It was stopped at its deadline.
    #[error("did not end within {within_s} s and was stopped")]
    Hung {
        /// The deadline, seconds.
        within_s: u64,
    },
    /// It was stopped because it printed too much.
    #[error("printed more than {OUTPUT_MAX_BYTES} bytes and was stopped")]
    Flooded,
    /// It was not started, or could not be waited for; what the system said.
    #[error("{0}")]
    NotRun(String),
}

impl ProgramFailure {
    /// What a capture says of it.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let hung = text.strip_prefix("did not end within ").and_then(|rest| rest.strip_suffix(" s and was stopped"));
        match hung.and_then(|within_s| within_s.parse().ok()) {
            Some(within_s) => Self::Hung { within_s },
            None if text == Self::Flooded.to_string() => Self::Flooded,
            None => Self::NotRun(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_whole_comes_out_of_an_answer() {
        let answer = |code: Option<i32>, text: &str, complaint: &str| {
            let output = ProgramOutput { code, text: text.as_bytes().to_vec(), complaint: complaint.to_owned() };
            ProgramAnswer::new("tool -x".to_owned(), Ok(output))
        };
        let why = |answer: Result<String, ProbeOutcome>| match answer {
            Err(ProbeOutcome::Unknown { why }) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(answer(Some(0), "a\nb\n", "a warning").lines().as_deref(), Ok("a\nb\n"));
        assert_eq!(answer(Some(0), "", "").lines_or_none().as_deref(), Ok(""));
        assert_eq!(answer(Some(100), "a\n", "").accept_codes(|code| code == 100).lines().as_deref(), Ok("a\n"));
        assert_eq!(
            why(answer(Some(1), "0\n", "first\nno device\n").lines()),
            "tool -x: ended with status 1: no device"
        );
        assert_eq!(
            why(answer(Some(1), "cannot open\n", "").lines_or_none()),
            "tool -x: ended with status 1: cannot open"
        );
        assert_eq!(why(answer(None, "a\n", "").lines()), "tool -x: was ended by a signal: a");
        assert_eq!(why(answer(Some(0), " \n", "").lines()), "tool -x: printed nothing");
        assert_eq!(why(answer(Some(0), "a\nb", "").lines_or_none()), "tool -x: its answer was cut within a line");
        assert_eq!(why(answer(Some(0), "\u{fffd}\0\u{fffd}\n", "").lines()), "tool -x: its answer is no text");
        assert!(answer(Some(0), "Name: Caf\u{fffd} du Monde\n", "").lines().is_ok());
        assert_eq!(
            why(answer(Some(0), "a\n", "Hint: you are currently not seeing messages from other users").lines()),
            "tool -x: could not see all: Hint: you are currently not seeing messages from other users"
        );
        assert!(answer(Some(0), "{\"a\": [1", "").json().is_err() && answer(Some(0), "", "").json().is_err());
        assert_eq!(answer(Some(0), "{\"a\": 1}", "").json().expect("whole")["a"], 1);
        let absent = ProbeOutcome::Absent { why: "not installed".to_owned() };
        let not_asked = || ProgramAnswer::new("x".to_owned(), Err(NoAnswer::NotAsked(absent.clone())));
        assert_eq!((not_asked().has_hung(), not_asked().lines()), (false, Err(absent.clone())));
    }

    #[test]
    fn a_failure_is_read_back_from_its_text() {
        for failure in [
            ProgramFailure::Hung { within_s: 50 },
            ProgramFailure::Flooded,
            ProgramFailure::NotRun("Permission denied (os error 13)".to_owned()),
        ] {
            assert_eq!(ProgramFailure::parse(&failure.to_string()), failure);
            let is_hung = matches!(failure, ProgramFailure::Hung { .. });
            let error = ProgramError { program: "tool".to_owned(), failure };
            let said = error.to_string();
            let answer = || ProgramAnswer::new("tool -x".to_owned(), Err(NoAnswer::Failed(error.clone())));
            assert_eq!(answer().has_hung(), is_hung, "{said}");
            assert_eq!(answer().lines(), Err(ProbeOutcome::Unknown { why: said }));
        }
    }
}
