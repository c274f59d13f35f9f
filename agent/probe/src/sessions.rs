//! Sessions and failed sign-ins (articles 5.1b, 17.2), from utmp(5): `/run/utmp` and `/var/log/btmp`, else from the files of
//! systemd-logind and from the journal.
//!
//! The failures are a number and their sources; the names that were tried are not reported, since people type passwords there.

use std::collections::{BTreeMap, BTreeSet};

use ioc_common::clock::Timestamp;
use ioc_common::reading::{Findings, Session, Sessions};
use ioc_common::report::Event;

use super::services::property;
use crate::ProbeOutcome;
use crate::bounded_io::{ReadError, names_in};
use crate::capture_rule::{CaptureRule, CapturedFiles};
use crate::descriptor::{Card, SurveyDescriptor};
use crate::survey_context::{SurveyContext, SurveyFindings, SurveyResult, absent, unknown};

pub(crate) const PROBE: SurveyDescriptor = SurveyDescriptor {
    probe: Sessions::PROBE,
    deadline_s: 30,
    watch: &["/run/utmp", "/var/run/utmp"],
    privileged: true,
    needs: Some("/var/log/btmp (group utmp), else the journal (group systemd-journal)"),
    whole_memo: None,
    programs: &["journalctl"],
    captured: CapturedFiles::whole(&["/run/systemd/sessions/*", "/run/utmp"])
        .in_part(&[CaptureRule::redacted(BTMP, redact_btmp)])
        .without_output_of(&["journalctl"]),
    processes: &[],
    card: Card {
        article: "5.1b, 17.2",
        vi: "Phiên đang mở, đăng nhập sai",
        en: "Open sessions, failed sign-ins",
        reads: "`/run/utmp`, else `/run/systemd/sessions`; `/var/log/btmp`, else the journal; event `login.burst`",
        cost: "0.5 ms",
    },
    read: survey,
};

/// Failures count for this long.
const WINDOW_MS: i64 = 3_600_000;
/// That many within the window are a burst, which is an event.
const BURST: u32 = 20;
/// Most records read from the end of the failures.
const RECORDS_MAX: u64 = 5000;
/// So much of the beginning of a file tells the form of its records, bytes: both sizes of records go into it.
const FORM_BYTES: usize = 4 * 9600;
/// Largest utmp, bytes.
const UTMP_MAX_BYTES: usize = 1 << 20;
/// Most sessions that are named.
const SESSIONS_MAX: usize = 100;
/// Most files of logind that are read.
const FILES_MAX: usize = 4096;
const BTMP: &str = "/var/log/btmp";
const LOGIND: &str = "/run/systemd/sessions";
/// Where a journal lies.
const JOURNALS: [&str; 2] = ["/var/log/journal", "/run/log/journal"];
const USER_PROCESS: i16 = 7;
/// The last hour of authpriv and auth, where there is no btmp.
const JOURNAL: [&str; 11] =
    ["-q", "--no-pager", "-o", "cat", "--since", "-1h", "-n", "5000", "SYSLOG_FACILITY=10", "+", "SYSLOG_FACILITY=4"];

/// Failed sign-ins without the names that were typed: people type passwords there.
fn redact_btmp(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for record in bytes.chunks_exact_mut(384) {
        record[44..76].fill(0);
    }
    bytes
}

/// Makes the survey.
///
/// # Errors
/// *Absent* where nobody keeps records of sessions or of failures, *unknown* where they may not be read or are of no known form.
pub fn survey(context: &SurveyContext<'_>) -> SurveyResult {
    let mut sessions = Sessions::default();
    let open = open(context).map(|open| {
        sessions.open = Some(u32::try_from(open.len()).unwrap_or(u32::MAX));
        sessions.sessions = open;
        sessions.sessions.truncate(SESSIONS_MAX);
    });
    let failed = failed_sign_ins(context, open.is_ok()).map(|(count, from)| {
        sessions.failures = Some(count);
        let mut from: Vec<(String, u32)> = from.into_iter().collect();
        from.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        sessions.failures_from = from.into_iter().take(5).map(|(host, _)| host).collect();
    });
    if let (Err(open), Err(failed)) = (&open, &failed) {
        let why = format!("{}; {}", open.why, failed.why);
        return Err(if open.absent && failed.absent { absent(&why) } else { unknown(&why) });
    }
    sessions.unknown.extend(open.err().into_iter().chain(failed.err()).map(|fault| fault.why));
    let mut found = SurveyFindings::of(&sessions, context.now)?;
    let Some(count) = sessions.failures else {
        // What was told before is neither over nor new.
        context.memo.clone_into(&mut found.memo);
        return Ok(found);
    };
    let burst = count >= BURST;
    if burst && context.memo != "burst" {
        found.events.push(Event {
            name: "login.burst".to_owned(),
            text: format!("{count} failed sign-ins within an hour, from {}", sessions.failures_from.join(", ")),
            fields: [("count".to_owned(), count.to_string())].into(),
        });
    }
    if burst { "burst" } else { "" }.clone_into(&mut found.memo);
    Ok(found)
}

/// Why something is not known, and whether simply nobody keeps it.
#[derive(Debug, Default)]
struct ReadFailure {
    why: String,
    absent: bool,
}

impl ReadFailure {
    fn of(error: &ReadError) -> Self {
        Self { why: error.to_string(), absent: error.is_absent() }
    }

    fn unread(why: String) -> Self {
        Self { why, absent: false }
    }
}

/// The sessions that are open: by utmp where somebody writes it, else by the files of systemd-logind. Systems without dates of 32 bits
/// (Debian 13, Fedora, openSUSE) have no utmp any more, and those with musl an empty one.
fn open(context: &SurveyContext<'_>) -> Result<Vec<Session>, ReadFailure> {
    let mut fault =
        ReadFailure { why: "sessions: neither /run/utmp nor /run/systemd/sessions".to_owned(), absent: true };
    for path in ["/run/utmp", "/var/run/utmp"] {
        match context.bytes(path, UTMP_MAX_BYTES) {
            // Whoever writes it begins with the start of the system.
            Ok(bytes) if bytes.iter().all(|byte| *byte == 0) => {}
            Ok(bytes) => match parse(&bytes) {
                Ok(records) => {
                    let people = records.into_iter().filter(|record| record.kind == USER_PROCESS);
                    let open = people.filter(|record| !has_ended(context, record.pid));
                    return Ok(open.map(Record::session).collect());
                }
                Err(why) => fault = ReadFailure::unread(format!("{path}: {why}")),
            },
            Err(error) if error.is_absent() => {}
            Err(error) => fault = ReadFailure::of(&error),
        }
    }
    match names_in(context.root, LOGIND, FILES_MAX) {
        Ok(names) => {
            // `N.ref` are pipes, which nobody must open.
            let names = names.into_iter().filter(|name| !name.contains('.'));
            let files = names.map(|name| context.text(&format!("{LOGIND}/{name}")));
            let mut open = Vec::new();
            for file in files {
                match file {
                    Ok(text) => open.extend(parse_logind(&text)),
                    // One that has ended meanwhile.
                    Err(error) if error.is_absent() => {}
                    Err(error) => return Err(ReadFailure::of(&error)),
                }
            }
            Ok(open)
        }
        Err(error) if error.is_absent() => Err(fault),
        Err(error) => Err(ReadFailure::of(&error)),
    }
}

/// Whether the process that wrote a record is gone: a host that lost its power, or a program that was killed, leaves its records.
/// Nothing is known where not all processes can be seen.
fn has_ended(context: &SurveyContext<'_>, pid: i32) -> bool {
    context.is_live() && pid > 0 && context.exists("/proc/1/comm") && !context.exists(&format!("/proc/{pid}"))
}

/// Reads a file of `/run/systemd/sessions` (systemd, src/login/logind-session.c): none when it is no person's, or ends.
#[must_use]
pub fn parse_logind(text: &str) -> Option<Session> {
    let value = |key: &str| property(text, key).unwrap_or_default().trim_matches('"').to_owned();
    // Not greeters, lock screens, cron, and the managers of users.
    let person = matches!(value("CLASS").as_str(), "" | "user" | "user-early" | "user-light" | "user-early-light");
    let account = value("USER");
    if !person || account.is_empty() || value("STATE") == "closing" {
        return None;
    }
    let since = value("REALTIME").parse::<i64>().ok().map(|us| Timestamp::from_millis(us / 1000));
    let terminal = [value("TTY"), value("DISPLAY"), value("SERVICE")].into_iter().find(|place| !place.is_empty());
    Some(Session { account, terminal: terminal.unwrap_or_default(), from: value("REMOTE_HOST"), since })
}

/// Failures of the last hour: from btmp, else from the journal.
fn failed_sign_ins(context: &SurveyContext<'_>, has_utmp: bool) -> Result<(u32, BTreeMap<String, u32>), ReadFailure> {
    let fault = match last_records(context, BTMP) {
        Ok(Some(records)) => return Ok(failures(&records, context.now)),
        // It may be left over from when somebody wrote it; the journal knows better, where there is one.
        Ok(None) if has_utmp => return Ok((0, BTreeMap::new())),
        Ok(None) => return Ok(journal_failures(context).unwrap_or_default()),
        Err(fault) => fault,
    };
    journal_failures(context).map_err(|journal| ReadFailure {
        why: format!("failures: {}; {}", fault.why, journal.why),
        absent: fault.absent && journal.absent,
    })
}

/// A record of utmp(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    kind: i16,
    pid: i32,
    line: String,
    user: String,
    host: String,
    at: Timestamp,
}

impl Record {
    fn session(self) -> Session {
        Session { account: self.user, terminal: self.line, from: self.host, since: Some(self.at) }
    }
}

/// How records are laid out: glibc has times of 32 bits on x86, arm, POWER and others, of 64 bits on aarch64, riscv64 and s390x.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RecordForm {
    size: usize,
    big_endian: bool,
}

const RECORD_FORMS: [RecordForm; 4] = [
    RecordForm { size: 384, big_endian: false },
    RecordForm { size: 400, big_endian: false },
    RecordForm { size: 384, big_endian: true },
    RecordForm { size: 400, big_endian: true },
];

impl RecordForm {
    /// The form in which all of these records make sense; of several the one that leaves nothing over.
    fn of(bytes: &[u8]) -> Option<Self> {
        let fits = |form: &Self| {
            bytes.len() >= form.size && bytes.chunks_exact(form.size).all(|record| form.makes_sense(record))
        };
        let fitting = || RECORD_FORMS.into_iter().filter(fits);
        fitting().find(|form| bytes.len().is_multiple_of(form.size)).or_else(|| fitting().next())
    }

    fn number(self, bytes: &[u8]) -> i64 {
        let fold = |number: i64, byte: &u8| number << 8 | i64::from(*byte);
        if self.big_endian { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) }
    }

    fn seconds(self, record: &[u8]) -> i64 {
        if self.size == 384 { self.number(&record[340..344]) } else { self.number(&record[344..352]) }
    }

    fn makes_sense(self, record: &[u8]) -> bool {
        let kind = self.number(&record[..2]);
        let text = |bytes: &[u8]| {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            bytes[..end].iter().all(|byte| *byte >= b' ')
        };
        // Up to 7 February 2106, the end of 32 bits. Hosts without a clock begin in 1970; what is no record begins anywhere.
        let earliest = if kind == 0 { 946_684_800 } else { 0 };
        let dated = (earliest..=i64::from(u32::MAX)).contains(&self.seconds(record));
        // Names of btmp are what anybody types; nothing follows from them.
        let nothing = record.iter().all(|byte| *byte == 0);
        nothing || (0..=9).contains(&kind) && record[2..4] == [0, 0] && text(&record[8..40]) && dated
    }

    fn read(self, record: &[u8]) -> Record {
        let text = |bytes: &[u8]| {
            let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).chars().filter(|c| !c.is_control()).collect::<String>()
        };
        Record {
            kind: i16::try_from(self.number(&record[..2])).unwrap_or(0),
            pid: i32::try_from(self.number(&record[4..8])).unwrap_or(0),
            line: text(&record[8..40]),
            user: text(&record[44..76]),
            host: text(&record[76..332]),
            at: Timestamp::from_millis(self.seconds(record).saturating_mul(1000)),
        }
    }
}

/// Reads records; what is left over at the end is no record.
///
/// # Errors
/// When they make no sense in any form.
pub fn parse(bytes: &[u8]) -> Result<Vec<Record>, String> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let form = RecordForm::of(bytes).ok_or("holds no records of utmp(5) that make sense")?;
    Ok(bytes.chunks_exact(form.size).map(|record| form.read(record)).collect())
}

/// Who signed in when, by the last records of wtmp, the oldest first; nothing where nobody keeps it.
///
/// # Errors
/// Why it cannot be read.
pub(crate) fn sign_ins(context: &SurveyContext<'_>, wtmp: &str) -> Result<Vec<(String, Timestamp)>, String> {
    match last_records(context, wtmp) {
        Ok(records) => {
            let people = records.into_iter().flatten();
            let people = people.filter(|record| record.kind == USER_PROCESS && !record.user.is_empty());
            Ok(people.map(|record| (record.user, record.at)).collect())
        }
        Err(fault) if fault.absent => Ok(Vec::new()),
        Err(fault) => Err(fault.why),
    }
}

/// The accounts with which somebody is signed in now; none where that cannot be known.
pub(crate) fn open_accounts(context: &SurveyContext<'_>) -> Option<BTreeSet<String>> {
    open(context).ok().map(|open| open.into_iter().map(|session| session.account).collect())
}

/// wtmp without where people came from.
pub(crate) fn redact_wtmp(bytes: &[u8]) -> Vec<u8> {
    let Some(form) = RecordForm::of(&bytes[..bytes.len().min(FORM_BYTES)]) else { return Vec::new() };
    let mut bytes = bytes[..bytes.len() - bytes.len() % form.size].to_vec();
    for record in bytes.chunks_exact_mut(form.size) {
        record[76..332].fill(0);
    }
    bytes
}

/// The last records of a file; none when it is empty.
fn last_records(context: &SurveyContext<'_>, path: &str) -> Result<Option<Vec<Record>>, ReadFailure> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let failed = |source| ReadFailure::of(&ReadError { path: context.path(path), source });
    let mut file = std::fs::File::open(context.path(path)).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length == 0 {
        return Ok(None);
    }
    // The first records tell the form, and so where the last ones begin.
    let mut first = Vec::new();
    file.by_ref().take(FORM_BYTES as u64).read_to_end(&mut first).map_err(failed)?;
    let form = RecordForm::of(&first)
        .ok_or_else(|| ReadFailure::unread(format!("{path}: holds no records of utmp(5) that make sense")))?;
    let size = form.size as u64;
    let whole = length - length % size;
    let start = whole.saturating_sub(RECORDS_MAX * size);
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(whole - start).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes.chunks_exact(form.size).map(|record| form.read(record)).collect()))
}

fn failures(records: &[Record], now: Timestamp) -> (u32, BTreeMap<String, u32>) {
    let mut from = BTreeMap::new();
    let recent = records.iter().filter(|record| (0..=WINDOW_MS).contains(&now.millis_since(record.at)));
    let mut count = 0;
    for record in recent {
        count += 1;
        let host = if record.host.is_empty() { format!("local {}", record.line) } else { record.host.clone() };
        *from.entry(host).or_default() += 1;
    }
    (count, from)
}

fn journal_failures(context: &SurveyContext<'_>) -> Result<(u32, BTreeMap<String, u32>), ReadFailure> {
    // Without any journal it is as silent as an hour in which nothing failed.
    if context.is_live() && !JOURNALS.iter().any(|path| context.exists(path)) {
        return Err(ReadFailure { why: "no journal is kept".to_owned(), absent: true });
    }
    // Nothing at all is either a quiet hour or no right to read; the complaint tells.
    let text = context.ask("journalctl", &JOURNAL, 20).lines_or_none().map_err(|outcome| match outcome {
        ProbeOutcome::Absent { why } => ReadFailure { why, absent: true },
        ProbeOutcome::Unknown { why } => ReadFailure::unread(why),
        ProbeOutcome::Read => ReadFailure::default(),
    })?;
    let mut from = BTreeMap::new();
    let count = text.lines().filter(|line| is_failure(line)).count();
    for line in text.lines().filter(|line| is_failure(line)) {
        let host = line.split(" from ").nth(1).or_else(|| line.split("rhost=").nth(1));
        let host = host.and_then(|rest| rest.split_whitespace().next()).unwrap_or("local").to_owned();
        *from.entry(host).or_default() += 1;
    }
    Ok((u32::try_from(count).unwrap_or(u32::MAX), from))
}

/// One line for each failed attempt, of sshd, login, su and sudo.
fn is_failure(line: &str) -> bool {
    line.starts_with("Failed password for")
        || line.starts_with("FAILED LOGIN")
        || line.contains("incorrect password attempt")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey_context::testing::CapturedMachine;

    const RECORD_BYTES: usize = 384;

    fn record(kind: i16, user: &str, host: &str, at: u32) -> Vec<u8> {
        let mut bytes = vec![0; RECORD_BYTES];
        bytes[..2].copy_from_slice(&kind.to_le_bytes());
        bytes[8..13].copy_from_slice(b"pts/0");
        bytes[44..44 + user.len()].copy_from_slice(user.as_bytes());
        bytes[76..76 + host.len()].copy_from_slice(host.as_bytes());
        bytes[340..344].copy_from_slice(&at.to_le_bytes());
        bytes
    }

    #[test]
    fn sessions_and_a_burst_of_failures_once() {
        let now = 1_795_485_600_u32;
        let mut captured = CapturedMachine::new(&[]);
        captured.write("/run/utmp", &[record(2, "reboot", "", now), record(7, "an", "10.0.0.9", now - 60)].concat());
        let old = record(6, "x", "203.0.113.7", now - 7200);
        let new: Vec<u8> = (0..25).flat_map(|n| record(6, "hunter2", "203.0.113.7", now - n)).collect();
        captured.write("/var/log/btmp", &[old, new, vec![1, 2, 3]].concat());
        let found = survey(&captured.machine("2026-11-24T02:00:00Z")).expect("read");
        let sessions: Sessions = found.read();
        assert_eq!((sessions.sessions.len(), sessions.sessions[0].account.as_str()), (1, "an"));
        assert_eq!((sessions.failures, sessions.failures_from.as_slice()), (Some(25), &["203.0.113.7".to_owned()][..]));
        assert_eq!(found.events.len(), 1);
        assert!(
            !serde_json::to_string(&found.events).expect("writes").contains("hunter2"),
            "what was typed stays there"
        );
        captured.memo = found.memo;
        assert!(survey(&captured.machine("2026-11-24T02:00:00Z")).expect("read").events.is_empty(), "told once");
    }

    /// A record of 64-bit systems.
    fn long(user: &str, at: i64, big_endian: bool) -> Vec<u8> {
        let mut bytes = vec![0; 400];
        let put = |bytes: &mut [u8], number: &[u8]| bytes.copy_from_slice(number);
        let order = |number: &[u8]| if big_endian { number.iter().rev().copied().collect() } else { number.to_vec() };
        put(&mut bytes[..2], &order(&7_i16.to_le_bytes()));
        put(&mut bytes[4..8], &order(&4711_i32.to_le_bytes()));
        bytes[8..13].copy_from_slice(b"pts/1");
        bytes[44..44 + user.len()].copy_from_slice(user.as_bytes());
        bytes[76..84].copy_from_slice(b"10.0.0.7");
        put(&mut bytes[344..352], &order(&at.to_le_bytes()));
        bytes
    }

    #[test]
    fn records_of_every_architecture() {
        let now = 1_795_485_600_i64;
        let short = |count: u32| -> Vec<u8> {
            (0..count).flat_map(|n| record(7, "an", "10.0.0.9", 1_795_485_600 - n)).collect()
        };
        let users = |bytes: &[u8]| {
            parse(bytes)
                .map(|records| records.into_iter().map(|one| (one.user, one.at.as_millis() / 1000)).collect::<Vec<_>>())
        };
        assert_eq!(users(&long("minh", now, false)), Ok(vec![("minh".to_owned(), now)]));
        assert_eq!(users(&long("minh", now, true)), Ok(vec![("minh".to_owned(), now)]), "s390x");
        let many = |big| (0..24).flat_map(|n| long("minh", now + n, big)).collect::<Vec<u8>>();
        // 24 of one are as long as 25 of the other.
        for bytes in [many(false), many(true)] {
            assert_eq!(users(&bytes).expect("reads").len(), 24);
        }
        assert_eq!(users(&short(25)).expect("reads").len(), 25);
        let mut cut = short(3);
        cut.extend([7, 0, 0]);
        assert_eq!(users(&cut).expect("reads").len(), 3);
        assert!(parse(b"rubbish").is_err() && parse(&[0xff; 800]).is_err());
        assert_eq!(
            users(&record(6, "\u{1b}[2J\u{7}", "x", 0)).expect("reads").len(),
            1,
            "typed by anybody, without a clock"
        );
        assert_eq!(users(&[]), Ok(vec![]));
        assert_eq!(users(&[vec![0; 384], short(1)].concat()).expect("reads").len(), 2);
    }

    #[test]
    fn sessions_of_logind_where_nobody_writes_utmp() {
        let captured = CapturedMachine::new(&[
            (
                "/run/systemd/sessions/3",
                "# This is private data. Do not parse.\nUID=1000\nUSER=an\nACTIVE=1\nSTATE=active\nREMOTE=1\n\
                TYPE=tty\nCLASS=user\nREMOTE_HOST=10.0.0.5\nSERVICE=sshd\nTTY=pts/0\nLEADER=1234\nREALTIME=1795485600000000\n",
            ),
            ("/run/systemd/sessions/c1", "UID=110\nUSER=gdm\nSTATE=online\nCLASS=greeter\n"),
            ("/run/systemd/sessions/4", "UID=1000\nUSER=an\nSTATE=closing\nCLASS=user\n"),
            ("/run/systemd/sessions/5", "UID=1000\nUSER=an\nSTATE=active\nCLASS=manager\n"),
            ("/run/systemd/sessions/3.ref", "x"),
            ("/run/utmp", ""),
            ("/var/log/btmp", ""),
        ]);
        let found = survey(&captured.machine("2026-11-24T02:00:00Z")).expect("read");
        let sessions: Sessions = found.read();
        assert_eq!((found.number("session.open", ""), found.number("session.failures", "")), (1.0, 0.0));
        let one = &sessions.sessions[0];
        assert_eq!((one.account.as_str(), one.terminal.as_str(), one.from.as_str()), ("an", "pts/0", "10.0.0.5"));
        assert_eq!(one.since.map(|at| at.to_string()), Some("2026-11-24T02:00:00.000Z".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_is_not_nobody() {
        let btmp = CapturedMachine::new(&[("/var/log/btmp", ""), ("/run/utmp", "")]);
        let found = survey(&btmp.machine("2026-11-24T02:00:00Z")).expect("read");
        assert!(found.number("session.open", "").is_nan(), "nobody writes utmp");
        assert_eq!(found.number("session.failures", ""), 0.0);
        let rubbish = CapturedMachine::new(&[("/var/log/btmp", "rubbish"), ("/run/utmp", "rubbish")]);
        let both = survey(&rubbish.machine("2026-11-24T02:00:00Z"));
        assert!(matches!(both, Err(ProbeOutcome::Unknown { why }) if why.contains("utmp") && why.contains("btmp")));
        let mut half = CapturedMachine::new(&[("/var/log/btmp", "rubbish")]);
        half.write("/run/utmp", &record(7, "an", "10.0.0.9", 1_795_485_600));
        half.memo = "burst".to_owned();
        let found = survey(&half.machine("2026-11-24T02:00:00Z")).expect("read");
        assert!(found.number("session.failures", "").is_nan());
        assert_eq!((found.number("session.open", ""), found.memo.as_str()), (1.0, "burst"));
    }

    #[test]
    fn the_journal_where_there_is_no_btmp() {
        let captured = CapturedMachine::new(&[]);
        assert!(survey(&captured.machine("2026-11-24T02:00:00Z")).is_err());
        captured.says("journalctl", &JOURNAL, 0, "Failed password for root from 192.0.2.1 port 22 ssh2\nAccepted password for an from 192.0.2.2\nFAILED LOGIN (1) on '/dev/tty1'\n");
        let sessions: Sessions = survey(&captured.machine("2026-11-24T02:00:00Z")).expect("read").read();
        assert_eq!(sessions.failures, Some(2));
    }
}
