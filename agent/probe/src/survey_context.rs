//! What a survey is given: the machine under a root, the settings, the time, and what it said last time.
//!
//! A captured machine (`ioc-agent capture`) answers in place of the real one: its files lie under the root, and what
//! programs printed lies under [`COMMANDS`]. So every survey can be tested and replayed without what it reads.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ioc_common::clock::Timestamp;
use ioc_common::document::Json;
use ioc_common::reading::{Findings, Reading, Sink};
use ioc_common::report::Event;
use ioc_common::software::Software;

use crate::ProbeOutcome;
use crate::bounded_io::{ReadError, names_in, read_table, read_text};
use crate::host_access::HostAccess;
use crate::program::{NoAnswer, OUTPUT_MAX_BYTES, ProgramAnswer, ProgramError, ProgramFailure, ProgramOutput};
use crate::settings::SurveySettings;

/// Where a captured machine keeps what programs printed.
pub const COMMANDS: &str = ".ioc-capture/commands";
/// How the first line begins where one did not come to its end.
const FAILED: &str = "failed ";
/// Where programs are looked for when the configuration does not say.
const PLACES: [&str; 5] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/bin"];

/// Clocks of hosts differ by less.
const AHEAD_MS: i64 = 3_600_000;
/// A capture is looked at within this time, or nothing is said of its age.
const CAPTURE_MS: i64 = 400 * 86_400_000;

/// A machine to be surveyed, and what the survey is told.
#[derive(Debug)]
pub struct SurveyContext<'a> {
    /// Directory below which the machine's files lie: `/`, or that of a captured machine.
    pub root: &'a Path,
    /// What the configuration says.
    pub settings: &'a SurveySettings,
    /// The time of this survey.
    pub now: Timestamp,
    /// What this survey said last time it should remember; empty at first.
    pub memo: &'a str,
    /// The agent's own directory, for what is too long for a memo; none outside the running agent.
    pub state: Option<&'a Path>,
    /// Who runs programs and asks other hosts.
    pub host: &'a dyn HostAccess,
    /// Where to keep what programs print, while a capture is made.
    pub record: Option<&'a Path>,
}

/// What a survey found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SurveyFindings {
    /// What is sent as a whole; none where only numbers, events or the software list are.
    pub document: Option<Json>,
    /// Its name and JSON are sent; these are the numbers of the samples.
    pub numbers: Vec<(&'static str, String, f64)>,
    /// What happened since the last survey.
    pub events: Vec<Event>,
    /// What the next survey of this kind is given as its memo.
    pub memo: String,
    /// Reports of the software list.
    pub software: Vec<Software>,
}

struct CollectedNumbers(Vec<(&'static str, String, f64)>);

impl Sink for CollectedNumbers {
    fn put(&mut self, metric: &'static str, subject: &str, value: f64) {
        self.0.push((metric, subject.to_owned(), value));
    }
}

impl SurveyFindings {
    /// These findings as they are at `now`.
    ///
    /// # Errors
    /// *Unknown* when they cannot be put into JSON.
    pub fn of<F: Findings>(findings: &F, now: Timestamp) -> SurveyResult {
        let mut numbers = CollectedNumbers(Vec::new());
        findings.numbers(now, &mut numbers);
        let document = Json::of(findings).map_err(|error| unknown(&error))?;
        Ok(Self { document: Some(document), numbers: numbers.0, ..Self::default() })
    }

    /// The numbers of a reading without a document.
    #[must_use]
    pub fn numbers_of<R: Reading>(reading: &R) -> Vec<(&'static str, String, f64)> {
        let mut numbers = CollectedNumbers(Vec::new());
        reading.emit(&mut numbers);
        numbers.0
    }
}

/// What became of a survey: something found, or why not (*absent* or *unknown*).
pub type SurveyResult = Result<SurveyFindings, ProbeOutcome>;

/// *Unknown*, and why.
pub fn unknown(why: &impl ToString) -> ProbeOutcome {
    ProbeOutcome::Unknown { why: why.to_string() }
}

/// *Absent*: what was looked for.
pub fn absent(why: &impl ToString) -> ProbeOutcome {
    ProbeOutcome::Absent { why: why.to_string() }
}

impl SurveyContext<'_> {
    /// Whether this is the machine the agent runs on.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.root == Path::new("/")
    }

    /// The path of a file below the root.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A small text file, trimmed.
    ///
    /// # Errors
    /// [`ReadError`] names the path.
    pub fn text(&self, path: &str) -> Result<String, ReadError> {
        read_text(self.root, path)
    }

    /// A small text file, or none when it is missing or cannot be read.
    #[must_use]
    pub fn text_if(&self, path: &str) -> Option<String> {
        self.text(path).ok()
    }

    /// The number in a small file, if there is one.
    #[must_use]
    pub fn number_if<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.text_if(path)?.parse().ok()
    }

    /// A file of at most `max` bytes.
    ///
    /// # Errors
    /// [`ReadError`] names the path; a larger file is an error.
    pub fn bytes(&self, path: &str, max: usize) -> Result<Vec<u8>, ReadError> {
        let path = self.path(path);
        let read = || {
            let mut bytes = Vec::with_capacity(4096);
            File::open(&path)?.take(max as u64 + 1).read_to_end(&mut bytes)?;
            if bytes.len() > max {
                return Err(std::io::Error::other(format!("is larger than {max} bytes")));
            }
            Ok(bytes)
        };
        read().map_err(|source| ReadError { path: path.clone(), source })
    }

    /// A table of the kernel with short lines, of at most `max` bytes.
    ///
    /// # Errors
    /// [`ReadError`] names the path.
    pub fn table(&self, path: &str, max: usize) -> Result<Vec<u8>, ReadError> {
        read_table(self.root, path, max)
    }

    /// The last `max` bytes of a file, as a log is read.
    ///
    /// # Errors
    /// [`ReadError`] names the path.
    pub fn tail(&self, path: &str, max: u64) -> Result<String, ReadError> {
        use std::io::{Seek as _, SeekFrom};
        let path = self.path(path);
        let read = || {
            let mut file = File::open(&path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(max)))?;
            let mut bytes = Vec::new();
            file.take(max).read_to_end(&mut bytes)?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            // The first line may be cut.
            let cut = if length > max { text.find('\n').map_or(text.len(), |at| at + 1) } else { 0 };
            Ok(text[cut..].to_owned())
        };
        read().map_err(|source| ReadError { path: path.clone(), source })
    }

    /// The names in a directory, sorted; none when it is missing or cannot be read.
    #[must_use]
    pub fn names(&self, path: &str) -> Vec<String> {
        names_in(self.root, path, 4096).unwrap_or_default()
    }

    /// Whether there is such a file, directory or socket.
    #[must_use]
    pub fn exists(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// When a file was last changed.
    #[must_use]
    pub fn changed_at(&self, path: &str) -> Option<Timestamp> {
        let changed = self.path(path).metadata().ok()?.modified().ok()?;
        let since = changed.duration_since(std::time::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_millis()).ok().map(Timestamp::from_millis)
    }

    /// Whether a time is ahead of the survey's, by more than clocks differ: what is told with it is as good as not told.
    ///
    /// A capture is laid out and looked at later than it was made, and its files may be as new as the laying out; there only what is
    /// more than a year ahead counts.
    #[must_use]
    pub fn is_ahead(&self, at: Timestamp) -> bool {
        at.millis_since(self.now) > if self.is_live() { AHEAD_MS } else { CAPTURE_MS }
    }

    /// Whether a time lies further back than `ms`; of a capture, which may be years old, only within a year.
    #[must_use]
    pub fn is_past(&self, at: Timestamp, ms: i64) -> bool {
        let age = self.now.millis_since(at);
        age > ms && (self.is_live() || age < CAPTURE_MS)
    }

    /// The last part of the path a link leads to.
    #[must_use]
    pub fn link_name(&self, path: &str) -> Option<String> {
        let target = std::fs::read_link(self.path(path)).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    }

    /// Whether a program of [`crate::programs`] can be asked.
    #[must_use]
    pub fn has(&self, tool: &str) -> bool {
        debug_assert!(crate::is_program(tool), "the descriptor of a probe that asks {tool} must name it");
        if self.is_live() { self.tool(tool).is_ok() } else { self.was_asked(tool) }
    }

    /// Whether a captured machine has anything that a program said.
    fn was_asked(&self, program: &str) -> bool {
        let prefix = format!("{program}_");
        self.names(COMMANDS).iter().any(|name| *name == format!("{program}.txt") || name.starts_with(&prefix))
    }

    fn tool(&self, tool: &str) -> Result<PathBuf, ProbeOutcome> {
        match self.settings.commands.get(tool) {
            Some(path) if path.as_os_str().is_empty() => Err(absent(&format!("{tool} is forbidden by [commands]"))),
            Some(path) => Ok(path.clone()),
            None => PLACES
                .iter()
                .map(|place| Path::new(place).join(tool))
                .find(|path| path.exists())
                .ok_or_else(|| absent(&format!("{tool} is not installed"))),
        }
    }

    /// Asks a program of [`crate::programs`]. The answer is *absent* when it is not there or forbidden, *unknown* when it hangs,
    /// floods, cannot be started or did not say all.
    pub fn ask(&self, tool: &str, arguments: &[&str], deadline_s: u64) -> ProgramAnswer {
        debug_assert!(crate::is_program(tool), "the descriptor of a probe that asks {tool} must name it");
        let what = std::iter::once(tool).chain(arguments.iter().copied()).collect::<Vec<_>>().join(" ");
        let program = if self.is_live() { self.tool(tool) } else { Ok(PathBuf::from(tool)) };
        let program = program.map_err(NoAnswer::NotAsked);
        ProgramAnswer::new(what, program.and_then(|program| self.run(tool, &program, arguments, deadline_s)))
    }

    /// Runs a command that the configuration names itself; as [`Self::ask`].
    pub fn ask_custom(&self, command: &[String], deadline_s: u64) -> ProgramAnswer {
        let what = command.join(" ");
        let Some((program, arguments)) = command.split_first() else {
            return ProgramAnswer::new(what, Err(NoAnswer::NotAsked(absent(&"no command is configured"))));
        };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let name = Path::new(program).file_name().map_or(program.clone(), |name| name.to_string_lossy().into_owned());
        ProgramAnswer::new(what, self.run(&name, Path::new(program), &arguments, deadline_s))
    }

    fn run(&self, name: &str, program: &Path, arguments: &[&str], deadline_s: u64) -> Result<ProgramOutput, NoAnswer> {
        let slug = slug(name, arguments);
        if !self.is_live() {
            return self.captured(name, arguments, &slug);
        }
        let output = self.host.run(program, arguments, Duration::from_secs(deadline_s));
        if let Some(record) = self.record {
            let dir = record.join(COMMANDS);
            let mut kept = match &output {
                Ok(output) => {
                    let reason = output.complaint.lines().last().unwrap_or_default();
                    format!("exit {} {reason}", output.code.unwrap_or(-1)).trim_end().to_owned()
                }
                Err(error) => format!("{FAILED}{}", error.failure.to_string().lines().next().unwrap_or_default()),
            };
            kept.push('\n');
            let mut kept = kept.into_bytes();
            kept.extend_from_slice(output.as_ref().map_or(&[], |output| &output.text));
            let kept =
                std::fs::create_dir_all(&dir).and_then(|()| std::fs::write(dir.join(format!("{slug}.txt")), kept));
            kept.map_err(|error| NoAnswer::NotAsked(unknown(&format!("{}: {error}", dir.display()))))?;
        }
        output.map_err(NoAnswer::Failed)
    }

    /// What a program printed when the machine was captured. The first line holds the exit status and the last complaint, or why it
    /// did not come to its end.
    fn captured(&self, name: &str, arguments: &[&str], slug: &str) -> Result<ProgramOutput, NoAnswer> {
        let Ok(text) = self.bytes(&format!("{COMMANDS}/{slug}.txt"), OUTPUT_MAX_BYTES) else {
            // A program that was asked other things is there.
            let why = format!("the capture has no output of '{name} {}'", arguments.join(" "));
            return Err(NoAnswer::NotAsked(if self.was_asked(name) { unknown(&why) } else { absent(&why) }));
        };
        let (status, text) = text.split_at(text.iter().position(|b| *b == b'\n').map_or(text.len(), |at| at + 1));
        let status = String::from_utf8_lossy(status);
        if let Some(why) = status.strip_prefix(FAILED) {
            let failure = ProgramFailure::parse(why.trim());
            return Err(NoAnswer::Failed(ProgramError { program: name.to_owned(), failure }));
        }
        let (code, complaint) =
            status.trim().split_once(' ').map_or(("", ""), |(_, rest)| match rest.split_once(' ') {
                Some((code, complaint)) => (code, complaint),
                None => (rest, ""),
            });
        let code = code.parse().ok().filter(|code| *code >= 0);
        Ok(ProgramOutput { code, text: text.to_vec(), complaint: complaint.to_owned() })
    }
}

/// The file name, less its ending, under which a capture keeps what a command printed.
#[must_use]
pub fn slug(name: &str, arguments: &[&str]) -> String {
    let mut slug = name.to_owned();
    for argument in arguments {
        slug.push('_');
        slug.extend(argument.chars().map(|c| if c.is_ascii_alphanumeric() || "-.,=".contains(c) { c } else { '+' }));
    }
    slug.chars().take(180).collect()
}

#[cfg(test)]
pub(crate) mod testing {
    //! A machine made of texts, for the tests of probes and surveys.

    use super::*;
    use crate::host_access::NoAccess;

    /// Files and outputs of programs below a temporary directory.
    pub(crate) struct CapturedMachine {
        dir: tempfile::TempDir,
        pub(crate) settings: SurveySettings,
        pub(crate) memo: String,
    }

    impl CapturedMachine {
        pub(crate) fn new(files: &[(&str, &str)]) -> Self {
            let dir = tempfile::tempdir().expect("temporary directory");
            let captured = Self { dir, settings: SurveySettings::default(), memo: String::new() };
            for (path, text) in files {
                captured.write(path, text.as_bytes());
            }
            captured
        }

        pub(crate) fn root(&self) -> &Path {
            self.dir.path()
        }

        pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
            let path = self.root().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().expect("a directory")).expect("directory");
            std::fs::write(path, bytes).expect("written");
        }

        pub(crate) fn says(&self, tool: &str, arguments: &[&str], code: i32, text: &str) {
            self.write(&format!("{COMMANDS}/{}.txt", slug(tool, arguments)), format!("exit {code}\n{text}").as_bytes());
        }

        pub(crate) fn machine(&self, now: &str) -> SurveyContext<'_> {
            SurveyContext {
                root: self.root(),
                settings: &self.settings,
                now: now.parse().expect("a time"),
                memo: &self.memo,
                state: None,
                host: &NoAccess,
                record: None,
            }
        }
    }

    impl SurveyFindings {
        pub(crate) fn read<T: Findings>(&self) -> T {
            self.document.as_ref().expect("a document").read().expect("reads")
        }

        pub(crate) fn number(&self, metric: &str, subject: &str) -> f64 {
            let found = self.numbers.iter().find(|(name, about, _)| *name == metric && about == subject);
            found.unwrap_or_else(|| panic!("no {metric}|{subject} in {:?}", self.numbers)).2
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::CapturedMachine;
    use super::*;

    #[test]
    fn a_captured_machine_answers_for_its_programs() {
        let captured = CapturedMachine::new(&[("/etc/x", " 7\n"), ("/var/log/a", "cut\nwhole\n")]);
        captured.says("smartctl", &["--json", "/dev/sda"], 4, "{}");
        let context = captured.machine("2026-11-24T00:00:00Z");
        assert_eq!(context.number_if::<u32>("/etc/x"), Some(7));
        assert_eq!(context.tail("/var/log/a", 8).expect("reads"), "whole\n");
        let smart = || context.ask("smartctl", &["--json", "/dev/sda"], 1);
        assert_eq!(smart().accept_codes(|code| code == 4).json(), Ok(serde_json::json!({})));
        assert!(matches!(smart().json(), Err(ProbeOutcome::Unknown { why }) if why.contains("status 4")));
        // What was asked otherwise is there, and what stood in its way is kept.
        assert!(matches!(context.ask("smartctl", &["--scan"], 1).json(), Err(ProbeOutcome::Unknown { .. })));
        captured.write(&format!("{COMMANDS}/lvs.txt"), b"failed did not end within 30 s and was stopped\n");
        assert!(
            matches!(context.ask("lvs", &[], 1).json(), Err(ProbeOutcome::Unknown { why }) if why.contains("30 s"))
        );
        captured.write(&format!("{COMMANDS}/nft.txt"), b"exit 1 Operation not permitted\n");
        assert!(
            matches!(context.ask("nft", &[], 1).json(), Err(ProbeOutcome::Unknown { why }) if why.contains("not permitted"))
        );
        assert!(context.has("smartctl") && !context.has("zpool"));
        assert!(matches!(context.ask("zpool", &[], 1).lines(), Err(ProbeOutcome::Absent { .. })));
    }
}
