//! When accounts were last signed in with (article 13), for the survey of accounts: `/var/log/lastlog` (lastlog(5)) by the account's number,
//! `/var/log/wtmp` (utmp(5)) by its name, and who is signed in now.
//!
//! Debian 12, Ubuntu up to 24.04 and RHEL up to 9 keep both files; Debian 13 keeps neither, and its databases (lastlog2, wtmpdb) are not read: a
//! reader of SQLite would be larger than all probes together. What no record says is unknown, never *never*: files are cut, begun anew, and not
//! written by every way in (a display manager writes wtmp alone, a job by key without a terminal neither).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use ioc_common::clock::Timestamp;
use ioc_common::reading::Account;

use super::sessions;
use crate::bounded_io::ReadError;
use crate::survey_context::SurveyContext;

pub(crate) const LASTLOG: &str = "/var/log/lastlog";
pub(crate) const WTMP: &str = "/var/log/wtmp";
/// Largest record of lastlog, bytes.
const RECORD_MAX_BYTES: usize = 296;
/// The line and the host behind the time, bytes.
const LINE_BYTES: usize = 32;
const HOST_BYTES: usize = 256;
/// Before this a host had no clock yet, seconds: 1 January 2000.
const EARLIEST_S: i64 = 946_684_800;
/// What is further ahead than this was written by a clock that was wrong, milliseconds.
const AHEAD_MS: i64 = 86_400_000;

/// How records of lastlog are laid out: glibc has times of 32 bits on x86, arm, POWER and others, of 64 bits on aarch64, riscv64 and s390x.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RecordForm {
    time_bytes: usize,
    big_endian: bool,
}

const RECORD_FORMS: [RecordForm; 4] = [
    RecordForm { time_bytes: 4, big_endian: false },
    RecordForm { time_bytes: 8, big_endian: false },
    RecordForm { time_bytes: 4, big_endian: true },
    RecordForm { time_bytes: 8, big_endian: true },
];

impl RecordForm {
    const fn size(self) -> usize {
        self.time_bytes + LINE_BYTES + HOST_BYTES
    }

    /// The moment of a record, seconds; 0 where it was never written. Nothing where it makes no sense.
    fn seconds(self, record: &[u8]) -> Option<i64> {
        if record.iter().all(|byte| *byte == 0) {
            return Some(0);
        }
        let (time, texts) = record.split_at_checked(self.time_bytes)?;
        let fold = |number: i64, byte: &u8| number << 8 | i64::from(*byte);
        let seconds = if self.big_endian { time.iter().fold(0, fold) } else { time.iter().rev().fold(0, fold) };
        // A text ends with a zero, and nothing but zeros is behind it.
        let text = |bytes: &[u8]| {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            bytes[..end].iter().all(|byte| *byte >= b' ') && bytes[end..].iter().all(|byte| *byte == 0)
        };
        let (line, host) = texts.split_at_checked(LINE_BYTES)?;
        ((1..=i64::from(u32::MAX)).contains(&seconds) && text(line) && text(host)).then_some(seconds)
    }
}

/// Reads a record of lastlog in any form, for whoever tries it with any bytes.
#[must_use]
pub fn parse_lastlog_record(record: &[u8]) -> Option<i64> {
    let mut fitting = RECORD_FORMS.into_iter().filter(|form| form.size() == record.len());
    fitting.find_map(|form| form.seconds(record))
}

/// lastlog without where people came from.
pub(crate) fn redact_lastlog(bytes: &[u8]) -> Vec<u8> {
    let long = !bytes.len().is_multiple_of(292) && bytes.len().is_multiple_of(RECORD_MAX_BYTES);
    let size = if long { RECORD_MAX_BYTES } else { 292 };
    let mut bytes = bytes[..bytes.len() - bytes.len() % size].to_vec();
    for record in bytes.chunks_exact_mut(size) {
        record[size - HOST_BYTES..].fill(0);
    }
    bytes
}

/// When these accounts, by their numbers, were last signed in with. The file has a place for each number that there may be: most of it is a hole,
/// and only the places of these are read.
fn lastlog(context: &SurveyContext<'_>, uids: &BTreeMap<String, u32>) -> Result<BTreeMap<String, Timestamp>, String> {
    let failed = |source| ReadError { path: context.path(LASTLOG), source };
    let file = match File::open(context.path(LASTLOG)).map_err(failed) {
        Ok(file) => file,
        Err(error) if error.is_absent() => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.to_string()),
    };
    let length = file.metadata().map_err(|source| failed(source).to_string())?.len();
    let mut best: Option<(bool, BTreeMap<String, Timestamp>)> = None;
    for form in RECORD_FORMS {
        let (size, mut found, mut fits) = (form.size() as u64, BTreeMap::new(), true);
        for (name, uid) in uids {
            let start = u64::from(*uid) * size;
            if start + size > length {
                // The file ends before it, or within it.
                continue;
            }
            let mut record = [0; RECORD_MAX_BYTES];
            let record = &mut record[..form.size()];
            file.read_exact_at(record, start).map_err(|source| failed(source).to_string())?;
            match form.seconds(record) {
                Some(seconds) if seconds >= EARLIEST_S => {
                    found.insert(name.clone(), Timestamp::from_millis(seconds.saturating_mul(1000)));
                }
                Some(_) => {}
                None => fits = false,
            }
        }
        // Of several forms that make sense that one whose records leave nothing over, then that which says most.
        let divides = length.is_multiple_of(size);
        let better = best.as_ref().is_none_or(|(best, most)| (divides, found.len()) > (*best, most.len()));
        if fits && better {
            best = Some((divides, found));
        }
    }
    best.map(|(_, found)| found).ok_or_else(|| format!("{LASTLOG}: holds no records of lastlog(5) that make sense"))
}

/// What is on record of sign-ins.
#[derive(Debug, Default)]
pub(crate) struct SignIns {
    newest: BTreeMap<String, Timestamp>,
    /// With which accounts somebody is signed in now; none where that cannot be known.
    open: Option<BTreeSet<String>>,
}

impl SignIns {
    /// Reads what there is, for accounts by name with their numbers. What could not be read is said.
    pub(crate) fn read(context: &SurveyContext<'_>, uids: &BTreeMap<String, u32>, said: &mut Vec<String>) -> Self {
        let mut newest = BTreeMap::new();
        let mut take = |name: String, at: Timestamp| {
            if at.millis_since(context.now) <= AHEAD_MS && at.as_millis() / 1000 >= EARLIEST_S {
                let known = newest.entry(name).or_insert(at);
                *known = at.max(*known);
            }
        };
        match lastlog(context, uids) {
            Ok(found) => found.into_iter().for_each(|(name, at)| take(name, at)),
            Err(why) => said.push(format!("sign-ins: {why}")),
        }
        match sessions::sign_ins(context, WTMP) {
            Ok(found) => found.into_iter().for_each(|(name, at)| take(name, at)),
            Err(why) => said.push(format!("sign-ins: {why}")),
        }
        Self { newest, open: sessions::open_accounts(context) }
    }

    /// Tells each account what is known of it.
    pub(crate) fn tell(&self, accounts: &mut [Account]) {
        for account in accounts {
            account.last_sign_in_at = self.newest.get(&account.name).copied();
            account.signed_in = self.open.as_ref().map(|open| open.contains(&account.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey_context::testing::CapturedMachine;

    /// 20 November 2026, 08:00 UTC.
    const AT_S: u32 = 1_795_161_600;
    const NOW: &str = "2026-11-24T02:00:00Z";

    /// A record as Debian 12 writes it on x86.
    fn short(seconds: u32, line: &str, host: &str) -> Vec<u8> {
        let mut record = vec![0; 292];
        record[..4].copy_from_slice(&seconds.to_le_bytes());
        record[4..4 + line.len()].copy_from_slice(line.as_bytes());
        record[36..36 + host.len()].copy_from_slice(host.as_bytes());
        record
    }

    /// A record as it is on aarch64.
    fn long(seconds: i64, line: &str) -> Vec<u8> {
        let mut record = vec![0; 296];
        record[..8].copy_from_slice(&seconds.to_le_bytes());
        record[8..8 + line.len()].copy_from_slice(line.as_bytes());
        record
    }

    /// A lastlog with these records at the places of these numbers; all else is a hole.
    fn with(records: &[(u32, Vec<u8>)], length: Option<u64>) -> CapturedMachine {
        let captured = CapturedMachine::new(&[("/var/log/lastlog", "")]);
        let path = captured.machine(NOW).path(LASTLOG);
        let file = File::options().write(true).open(path).expect("opens");
        for (uid, record) in records {
            file.write_all_at(record, u64::from(*uid) * record.len() as u64).expect("written");
        }
        if let Some(length) = length {
            file.set_len(length).expect("cut");
        }
        captured
    }

    fn read(captured: &CapturedMachine, uids: &[(&str, u32)]) -> (SignIns, Vec<String>) {
        let uids = uids.iter().map(|(name, uid)| ((*name).to_owned(), *uid)).collect();
        let mut said = Vec::new();
        (SignIns::read(&captured.machine(NOW), &uids, &mut said), said)
    }

    fn seconds(signed: &SignIns, name: &str) -> Option<i64> {
        signed.newest.get(name).map(|at| at.as_millis() / 1000)
    }

    #[test]
    fn a_sparse_file_is_read_at_the_places_of_its_accounts() {
        // 60,000,000 numbers make a file of 17 GB that takes two pages of a disk.
        let records = [(0, short(AT_S, "tty1", "")), (60_000_000, short(AT_S + 60, "pts/0", "10.0.0.9"))];
        let captured = with(&records, None);
        let (signed, said) =
            read(&captured, &[("root", 0), ("an", 1000), ("minh", 60_000_000), ("last", u32::MAX - 1)]);
        assert!(said.is_empty(), "{said:?}");
        assert_eq!(seconds(&signed, "root"), Some(AT_S.into()));
        assert_eq!(seconds(&signed, "minh"), Some(i64::from(AT_S) + 60));
        assert_eq!((seconds(&signed, "an"), seconds(&signed, "last")), (None, None), "a hole is not never");
    }

    #[test]
    fn records_of_64_bits_and_of_the_other_order_are_told_by_their_sense() {
        let captured = with(&[(1000, long(AT_S.into(), "pts/1"))], None);
        assert_eq!(seconds(&read(&captured, &[("an", 1000)]).0, "an"), Some(AT_S.into()));
        let mut big = long(0, "pts/1");
        big[..8].copy_from_slice(&i64::from(AT_S).to_be_bytes());
        let captured = with(&[(1000, big)], None);
        assert_eq!(seconds(&read(&captured, &[("an", 1000)]).0, "an"), Some(AT_S.into()), "s390x");
        assert_eq!(parse_lastlog_record(&short(AT_S, "tty1", "")), Some(AT_S.into()));
        assert_eq!(parse_lastlog_record(b"short"), None);
    }

    #[test]
    fn what_is_cut_or_wrong_is_unknown_and_the_rest_is_read() {
        let records = [(1000, short(AT_S, "pts/0", "")), (1001, short(AT_S, "pts/1", ""))];
        // Within the record of the second.
        let captured = with(&records, Some(1001 * 292 + 100));
        let (signed, said) = read(&captured, &[("an", 1000), ("binh", 1001)]);
        assert_eq!((seconds(&signed, "an"), seconds(&signed, "binh")), (Some(AT_S.into()), None));
        assert!(said.is_empty(), "{said:?}");
        let (signed, said) = read(&with(&[], Some(0)), &[("root", 0)]);
        assert_eq!((seconds(&signed, "root"), said.len()), (None, 0), "an empty file says nothing");
        let captured = CapturedMachine::new(&[]);
        captured.write(LASTLOG, &[1; 4096]);
        let (signed, said) = read(&captured, &[("root", 0), ("an", 1)]);
        assert_eq!(seconds(&signed, "root"), None);
        assert!(said.len() == 1 && said[0].contains("lastlog(5)"), "{said:?}");
        // Clocks that were wrong: before there was one, and of the year 2100.
        let records = [(0, short(60, "tty1", "")), (1, short(4_102_444_800, "tty1", ""))];
        let (signed, said) = read(&with(&records, None), &[("root", 0), ("an", 1)]);
        assert_eq!((seconds(&signed, "root"), seconds(&signed, "an"), said.len()), (None, None, 0));
    }

    #[test]
    fn the_newest_of_all_records_counts_and_nobody_keeps_them_where_there_are_none() {
        let captured = with(&[(1000, short(AT_S, "pts/0", ""))], None);
        let mut record = vec![0; 384];
        record[0] = 7;
        record[8..13].copy_from_slice(b"tty7\0");
        record[44..46].copy_from_slice(b"an");
        record[340..344].copy_from_slice(&(AT_S + 600).to_le_bytes());
        captured.write(WTMP, &record);
        captured.write("/run/utmp", &record);
        let (signed, said) = read(&captured, &[("an", 1000)]);
        assert!(said.is_empty(), "{said:?}");
        assert_eq!(seconds(&signed, "an"), Some(i64::from(AT_S) + 600));
        let mut accounts = ["an", "binh"].map(|name| Account { name: name.to_owned(), ..Account::default() });
        signed.tell(&mut accounts);
        assert_eq!((accounts[0].signed_in, accounts[1].signed_in), (Some(true), Some(false)));
        let now = NOW.parse().expect("a time");
        assert_eq!((accounts[0].idle_days(now), accounts[1].idle_days(now)), (Some(0.0), None));
        let (signed, said) = read(&CapturedMachine::new(&[]), &[("an", 1000)]);
        assert!(said.is_empty() && signed.newest.is_empty() && signed.open.is_none(), "{said:?}");
    }

    #[test]
    fn a_capture_keeps_when_and_not_from_where() {
        let bytes = redact_lastlog(&[short(AT_S, "pts/0", "10.0.0.9"), short(0, "", ""), vec![1]].concat());
        assert_eq!(bytes, [short(AT_S, "pts/0", ""), short(0, "", "")].concat());
        assert_eq!(sessions::redact_wtmp(b"rubbish"), b"");
    }
}
