//! Pools of ZFS: `zpool status -p`.

use ioc_common::reading::{Array, Raid};

use crate::ProbeOutcome;
use crate::program::ProgramAnswer;
use crate::survey_context::SurveyContext;

/// Heads of a pool's block (`zpool-status(8)`); the words after them go on in the lines below.
const HEADS: [&str; 11] =
    ["pool", "state", "status", "action", "see", "scan", "scrub", "remove", "checkpoint", "expand", "config"];
/// What a device says of itself in the table.
const STATES: [&str; 9] =
    ["ONLINE", "DEGRADED", "FAULTED", "OFFLINE", "UNAVAIL", "REMOVED", "SUSPENDED", "AVAIL", "INUSE"];
/// Parts of `status:` that tell of data or devices in trouble.
const FAULTS: [&str; 15] = [
    "could not be opened",
    "could not be used",
    "unrecoverable error",
    "experienced an error",
    "corrupt",
    "faulted",
    "suspended",
    "i/o fail",
    "io fail",
    "insufficient replicas",
    "missing",
    "has been removed",
    "have been removed",
    "taken offline",
    "intent log",
];
/// Parts of `status:` that are notes: nothing is lost and nothing is broken.
const NOTES: [&str; 12] = [
    "features are not enabled",
    "feature is not enabled",
    "not being requested by",
    "compatibility list",
    "on-disk format",
    "legacy format",
    "older format",
    "block size",
    "being resilvered",
    "to be resilvered",
    "hostid",
    "being initialized",
];

/// Asks and adds what it says.
pub(super) fn read(context: &SurveyContext<'_>, raid: &mut Raid) {
    match pools(context) {
        Ok((arrays, notes)) => {
            raid.arrays.extend(arrays);
            raid.unknown.extend(notes);
        }
        Err(outcome) => raid.unknown.extend(super::why(outcome)),
    }
}

fn pools(context: &SurveyContext<'_>) -> Result<Pools, ProbeOutcome> {
    let output = context.ask("zpool", &["status", "-p"], 30).success()?;
    // Without a pool it says so where others complain, and prints nothing.
    if output.text.is_empty() && output.complaint.contains("no pools available") {
        return Ok(Pools::default());
    }
    ProgramAnswer::new("zpool status -p".to_owned(), Ok(output)).parse(parse)
}

/// The pools, and what of them is not known.
pub(super) type Pools = (Vec<Array>, Vec<String>);

/// Which part of the table a row stands in.
#[derive(Clone, Copy, PartialEq, Default)]
enum Part {
    /// What holds data, or what is lost with it: data, `logs`, `special`, `dedup`.
    #[default]
    Data,
    Logs,
    /// Nothing is lost with it.
    Cache,
    Spares,
}

/// A pool's block while it is read.
#[derive(Default)]
struct Block {
    array: Array,
    head: String,
    status: String,
    errors: String,
    scan: String,
    part: Part,
    /// Errors of the pool itself, of its groups, and of its devices.
    counted: [Option<u64>; 3],
    has_row: bool,
    spare_gone: bool,
}

impl Block {
    fn row(&mut self, line: &str) {
        let line = line.trim();
        let (name, rest) = match line.strip_prefix(self.array.name.as_str()) {
            // A pool's name may have blanks in it.
            Some(rest) if rest.starts_with(char::is_whitespace) => (self.array.name.clone(), rest),
            _ => {
                let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
                (name.to_owned(), rest)
            }
        };
        let words: Vec<&str> = rest.split_whitespace().collect();
        let Some(state) = words.first() else {
            self.part = match name.as_str() {
                "logs" | "special" | "dedup" => Part::Logs,
                "cache" => Part::Cache,
                "spares" => Part::Spares,
                _ => self.part,
            };
            return;
        };
        if !STATES.contains(state) {
            return;
        }
        let counters: Vec<u64> = words.iter().skip(1).take(3).map_while(|word| counter(word)).collect();
        let sum = (counters.len() == 3).then(|| counters.iter().fold(0_u64, |sum, count| sum.saturating_add(*count)));
        let group = group(&name);
        let level = if name == self.array.name && !self.has_row { 0 } else { 1 + usize::from(group.is_none()) };
        if let Some(sum) = sum {
            self.counted[level] = Some(self.counted[level].unwrap_or(0).saturating_add(sum));
        }
        match (level, group) {
            (0, _) => self.has_row = true,
            (_, Some(kind)) => {
                if self.part == Part::Data && !["spare", "replacing", "indirect"].contains(&kind) {
                    kind.clone_into(&mut self.array.level);
                }
            }
            _ => self.device(&name, state),
        }
    }

    fn device(&mut self, name: &str, state: &str) {
        let works = ["ONLINE", "AVAIL", "INUSE"].contains(&state);
        if matches!(self.part, Part::Data | Part::Logs) {
            self.array.members = self.array.members.saturating_add(1);
            self.array.working = self.array.working.saturating_add(u32::from(works));
        }
        // A spare that is gone is found out when it is needed; a cache that is gone loses nothing.
        self.spare_gone |= !works && self.part == Part::Spares;
        if !works {
            self.array.failed.push(format!("{name} {state}"));
        }
    }

    /// The pool, and what of it is not known.
    fn end(mut self, notes: &mut Vec<String>) -> Result<Array, String> {
        let name = self.array.name.clone();
        let state = self.array.state.clone();
        if state.is_empty() {
            return Err(format!("the part on pool {name} has no state"));
        }
        // A pool that cannot be opened has no list of errors; every other ends with it.
        let dead = ["UNAVAIL", "FAULTED", "SUSPENDED", "REMOVED"].contains(&state.as_str());
        if self.errors.is_empty() && !dead {
            return Err(format!("the part on pool {name} does not come to its end"));
        }
        let status = self.status.to_lowercase();
        let errors = self.errors.to_lowercase();
        let lost = match errors.split_whitespace().next().and_then(|count| count.parse::<u64>().ok()) {
            Some(count) => count,
            None => u64::from(errors.starts_with("permanent errors")),
        };
        let counted = self.counted.iter().flatten().max().copied();
        self.array.errors = match (counted, lost) {
            (None, 0) => None,
            (counted, lost) => Some(counted.unwrap_or(0).saturating_add(lost)),
        };
        let fault = FAULTS.iter().any(|part| status.contains(part));
        let note = status.is_empty() || NOTES.iter().any(|part| status.contains(part));
        let hidden = errors.starts_with("list of errors unavailable");
        let no_error = errors.is_empty() || errors.starts_with("no known data errors");
        let missing = self.array.members > self.array.working || self.spare_gone;
        let bad = state != "ONLINE" || fault || missing || lost > 0;
        self.array.healthy = match (bad, note && no_error) {
            (true, _) => Some(false),
            (false, true) => Some(true),
            (false, false) => None,
        };
        if self.array.healthy.is_none() {
            let what = if hidden || note { &self.errors } else { &self.status };
            let what: String = what.trim().chars().take(200).collect();
            notes.push(format!("zpool status: whether pool {name} is well is not understood: {what}"));
        } else if state == "ONLINE" && bad {
            // Its state alone would read as if all were well.
            let what = if fault { &self.status } else { &self.errors };
            self.array.state = format!("{state}: {}", what.split('.').next().unwrap_or("").trim());
        }
        if self.scan.contains("in progress") {
            self.scan.split_whitespace().next().unwrap_or("").clone_into(&mut self.array.activity);
            let done = self.scan.split([',', '\n']).find_map(|part| part.trim().strip_suffix("% done"));
            self.array.progress_pct = done.and_then(|done| done.trim().parse().ok());
        }
        Ok(self.array)
    }
}

/// A counter: whole with `-p`, else perhaps `1.2K`.
fn counter(word: &str) -> Option<u64> {
    if let Ok(count) = word.parse() {
        return Some(count);
    }
    let at = word.len().checked_sub(1).filter(|at| word.is_char_boundary(*at))?;
    let power = "KMGTPE".find(&word[at..])?;
    let count: f64 = word[..at].parse().ok().filter(|count: &f64| count.is_finite() && *count >= 0.0)?;
    Some((count * 1024_f64.powi(i32::try_from(power).ok()? + 1)) as u64)
}

/// The kind of a group of devices: `mirror-0`, `raidz2-1`, `draid2:4d:8c:1s-0`.
fn group(name: &str) -> Option<&str> {
    let (kind, number) = name.rsplit_once('-')?;
    let kinds = ["mirror", "spare", "replacing", "indirect"];
    let is_group = kinds.contains(&kind) || kind.starts_with("raidz")
        // `draid1-0-0` is a place that dRAID keeps free, which stands in as a device.
        || kind.starts_with("draid") && !kind.contains('-');
    (is_group && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then_some(kind)
}

/// Reads `zpool status -p`.
///
/// # Errors
/// Where a pool's block does not come to its end, or there is none.
pub(super) fn parse(text: &str) -> Result<Pools, String> {
    let (mut pools, mut notes) = (Vec::new(), Vec::new());
    let mut block: Option<Block> = None;
    for line in text.lines() {
        let (key, value) = line.trim().split_once(':').unwrap_or(("", ""));
        let in_config = block.as_ref().is_some_and(|block| block.head == "config");
        let in_errors = block.as_ref().is_some_and(|block| block.head == "errors");
        // A name in the table, or of a file that is lost, may look like a head.
        let indent = line.chars().take_while(|c| *c == ' ').count();
        let head = key == "errors" && indent == 0 && !in_errors
            || key == "pool" && indent <= 2
            || HEADS.contains(&key) && !line.starts_with('\t') && !in_config && !in_errors;
        let value = value.trim();
        if head && key == "pool" {
            if let Some(block) = block.take() {
                pools.push(block.end(&mut notes)?);
            }
            let array = Array { name: value.to_owned(), kind: "zfs".to_owned(), ..Array::default() };
            block = Some(Block { array, head: key.to_owned(), ..Block::default() });
            continue;
        }
        let Some(block) = block.as_mut() else { continue };
        if head {
            key.clone_into(&mut block.head);
        }
        let words = if head { value } else { line.trim() };
        let into = match block.head.as_str() {
            "state" if head => {
                words.clone_into(&mut block.array.state);
                continue;
            }
            "config" if !head => {
                block.row(line);
                continue;
            }
            "status" => &mut block.status,
            "errors" if head => &mut block.errors,
            "scan" | "scrub" => &mut block.scan,
            _ => continue,
        };
        if !into.is_empty() {
            into.push(if block.head == "scan" { '\n' } else { ' ' });
        }
        into.push_str(words);
    }
    match block {
        Some(block) => pools.push(block.end(&mut notes)?),
        None if text.contains("no pools available") => {}
        None => return Err("names no pool".to_owned()),
    }
    Ok((pools, notes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(state: &str, status: &str, rows: &str, errors: &str) -> String {
        let status = if status.is_empty() { String::new() } else { format!("status: {status}\n") };
        format!("  pool: a b\n state: {state}\n{status}config:\n\n\tNAME STATE READ WRITE CKSUM\n{rows}\n{errors}\n")
    }

    #[test]
    fn counters_of_pool_and_groups_count() {
        let rows = "\ta b         ONLINE       0     0     3\n\t  raidz1-0  ONLINE       0     0     6\n\t    sda     ONLINE       0     0     0\n";
        let (pools, notes) = parse(&pool("ONLINE", "", rows, "errors: No known data errors")).expect("whole");
        assert_eq!((pools[0].name.as_str(), pools[0].errors, pools[0].level.as_str()), ("a b", Some(6), "raidz1"));
        assert_eq!((pools[0].healthy, pools[0].members, notes.len()), (Some(true), 1, 0));
        assert_eq!(
            (counter("1.5K"), counter("-"), counter("2M"), counter("é")),
            (Some(1536), None, Some(2 << 20), None)
        );
    }

    #[test]
    fn errors_that_are_not_shown_are_not_known() {
        let rows = "\ta b ONLINE 0 0 0\n\t  sda ONLINE 0 0 0\n";
        let hidden = "errors: List of errors unavailable (insufficient privileges)";
        let (pools, notes) = parse(&pool("ONLINE", "", rows, hidden)).expect("whole");
        assert_eq!((pools[0].healthy, notes.len()), (None, 1));
        let files = "errors: Permanent errors have been detected in the following files:\n\n        /data/pool: x\n        errors: y\n";
        let (pools, _) = parse(&pool("ONLINE", "", rows, files)).expect("whole");
        assert_eq!((pools.len(), pools[0].healthy, pools[0].errors), (1, Some(false), Some(1)));
        let suspended = "One or more devices are faulted in response to IO failures.";
        let (pools, _) = parse(&pool("SUSPENDED", suspended, rows, "")).expect("whole");
        assert_eq!(pools[0].healthy, Some(false));
        assert!(parse(&pool("ONLINE", "", rows, "")).is_err() && parse("what\n").is_err());
        assert_eq!(parse("no pools available\n"), Ok(Pools::default()));
    }
}
