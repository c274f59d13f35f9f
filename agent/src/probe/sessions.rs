//! Sessions and failed sign-ins (articles 5.1b, 17.2), from utmp(5): `/run/utmp` and `/var/log/btmp`, else from the journal.
//!
//! The failures are a number and their sources; the names that were tried are not reported, since people type passwords there.

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_common::reading::{Session, Sessions};
use ioc_common::report::Event;

use crate::machine::{Found, Machine, Surveyed, absent};

/// Failures count for this long.
const WINDOW_MS: i64 = 3_600_000;
/// That many within the window are a burst, which is an event.
const BURST: u32 = 20;
/// Most records read from the end of the failures.
const RECORDS_MAX: u64 = 5000;
/// Size of a record of utmp on Linux with glibc.
const RECORD_BYTES: usize = 384;
const USER_PROCESS: i16 = 7;
/// The last hour of authpriv and auth, where there is no btmp.
const JOURNAL: [&str; 11] =
    ["-q", "--no-pager", "-o", "cat", "--since", "-1h", "-n", "5000", "SYSLOG_FACILITY=10", "+", "SYSLOG_FACILITY=4"];

/// Makes the survey.
///
/// # Errors
/// *Absent* where there are neither records of sessions nor a journal.
pub fn survey(machine: &Machine<'_>) -> Surveyed {
    let utmp = ["/run/utmp", "/var/run/utmp"].iter().find_map(|path| machine.bytes(path, 1 << 20).ok());
    let btmp = tail_records(machine, "/var/log/btmp");
    let failures = match btmp {
        Some(records) => Some(failures(&parse(&records), machine.now)),
        None => journal_failures(machine),
    };
    if utmp.is_none() && failures.is_none() {
        return Err(absent(&"neither /run/utmp nor /var/log/btmp nor a readable journal"));
    }
    let mut sessions = Sessions::default();
    for record in parse(&utmp.unwrap_or_default()).into_iter().filter(|record| record.kind == USER_PROCESS) {
        sessions.sessions.push(Session {
            account: record.user,
            terminal: record.line,
            from: record.host,
            since: Some(record.at),
        });
    }
    sessions.sessions.truncate(100);
    if let Some((count, from)) = failures {
        sessions.failures = Some(count);
        let mut from: Vec<(String, u32)> = from.into_iter().collect();
        from.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        sessions.failures_from = from.into_iter().take(5).map(|(host, _)| host).collect();
    }
    let mut found = Found::of(&sessions, machine.now)?;
    let burst = sessions.failures.is_some_and(|count| count >= BURST);
    if burst && machine.memo != "burst" {
        let count = sessions.failures.unwrap_or(0);
        found.events.push(Event {
            name: "login.burst".to_owned(),
            text: format!("{count} failed sign-ins within an hour, from {}", sessions.failures_from.join(", ")),
            fields: [("count".to_owned(), count.to_string())].into(),
        });
    }
    if burst { "burst" } else { "" }.clone_into(&mut found.memo);
    Ok(found)
}

/// A record of utmp(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    kind: i16,
    line: String,
    user: String,
    host: String,
    at: Timestamp,
}

/// Reads records; what is left over at the end is no record.
#[must_use]
pub fn parse(bytes: &[u8]) -> Vec<Record> {
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).chars().filter(|c| !c.is_control()).collect::<String>()
    };
    let records = bytes.chunks_exact(RECORD_BYTES);
    records
        .map(|record| Record {
            kind: i16::from_le_bytes([record[0], record[1]]),
            line: text(&record[8..40]),
            user: text(&record[44..76]),
            host: text(&record[76..332]),
            at: Timestamp::from_millis(
                i64::from(u32::from_le_bytes([record[340], record[341], record[342], record[343]])) * 1000,
            ),
        })
        .collect()
}

/// The last records of a file.
fn tail_records(machine: &Machine<'_>, path: &str) -> Option<Vec<u8>> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = std::fs::File::open(machine.path(path)).ok()?;
    let length = file.metadata().ok()?.len();
    let whole = length - length % RECORD_BYTES as u64;
    let start = whole.saturating_sub(RECORDS_MAX * RECORD_BYTES as u64);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.take(whole - start).read_to_end(&mut bytes).ok()?;
    Some(bytes)
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

fn journal_failures(machine: &Machine<'_>) -> Option<(u32, BTreeMap<String, u32>)> {
    let output = machine.ask("journalctl", &JOURNAL, 20).ok().filter(|output| output.code == Some(0))?;
    // Nothing at all is either a quiet hour or no right to read; the complaint tells.
    if output.complaint.contains("permission") || output.complaint.contains("not seeing messages") {
        return None;
    }
    let mut from = BTreeMap::new();
    let text = String::from_utf8_lossy(&output.text).into_owned();
    let count = text.lines().filter(|line| is_failure(line)).count();
    for line in text.lines().filter(|line| is_failure(line)) {
        let host = line.split(" from ").nth(1).or_else(|| line.split("rhost=").nth(1));
        let host = host.and_then(|rest| rest.split_whitespace().next()).unwrap_or("local").to_owned();
        *from.entry(host).or_default() += 1;
    }
    Some((u32::try_from(count).unwrap_or(u32::MAX), from))
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
    use crate::machine::testing::Captured;

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
        let mut captured = Captured::new(&[]);
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

    #[test]
    fn the_journal_where_there_is_no_btmp() {
        let captured = Captured::new(&[]);
        assert!(survey(&captured.machine("2026-11-24T02:00:00Z")).is_err());
        captured.says("journalctl", &JOURNAL, 0, "Failed password for root from 192.0.2.1 port 22 ssh2\nAccepted password for an from 192.0.2.2\nFAILED LOGIN (1) on '/dev/tty1'\n");
        let sessions: Sessions = survey(&captured.machine("2026-11-24T02:00:00Z")).expect("read").read();
        assert_eq!(sessions.failures, Some(2));
    }
}
