//! On how many machines each product is, by place and versions: kept by the commits that change where products are, so that a page of the software register
//! adds up a few rows of each product instead of a row of each machine. A row whose machines are all gone stays: when they were seen first and last is asked.

use ioc_common::clock::Timestamp;

use super::commit::Commit;
use crate::sql::{self, OptionalExtension as _, params};

/// What is seen again is written down no sooner, milliseconds: lists come many times a day, and each names all that there is.
const AGAIN_MS: i64 = 3_600_000;

/// What is on a machine: products, each with its versions, a line each.
pub(super) type Present = Vec<(i64, String)>;

/// What is on a machine now.
pub(super) fn present(commit: &Commit<'_>, device: i64) -> sql::Result<Present> {
    let sql = "SELECT product, versions FROM software_use WHERE device = ?1 AND gone_at IS NULL ORDER BY product";
    let mut statement = commit.transaction.prepare_cached(sql)?;
    let rows = statement.query_map([device], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Where a machine stands.
pub(super) fn place_of(commit: &Commit<'_>, device: i64) -> sql::Result<String> {
    let mut statement = commit.transaction.prepare_cached("SELECT place FROM device WHERE number = ?1")?;
    let place: Option<String> = statement.query_row([device], |row| row.get(0)).optional()?;
    Ok(place.unwrap_or_default())
}

/// One machine fewer at a place has these.
fn fewer<'p>(commit: &Commit<'_>, place: &str, gone: impl Iterator<Item = &'p (i64, String)>) -> sql::Result<()> {
    for (product, versions) in gone {
        let sql = "UPDATE software_tally SET devices = devices - 1 WHERE product = ?1 AND place = ?2 AND versions = ?3";
        commit.run(sql, params![product, place, versions])?;
    }
    Ok(())
}

/// One machine more at a place has these, seen at these times.
fn more(commit: &Commit<'_>, place: &str, (product, versions): &(i64, String), seen: (i64, i64)) -> sql::Result<()> {
    commit.run(
        "INSERT INTO software_tally (product, place, versions, devices, first_seen, last_seen) VALUES (?1, ?2, ?3, 1, ?4, ?5) \
         ON CONFLICT (product, place, versions) DO UPDATE SET devices = software_tally.devices + 1, \
         first_seen = min(software_tally.first_seen, ?4), last_seen = max(software_tally.last_seen, ?5)",
        params![product, place, versions, seen.0, seen.1],
    )
}

/// A list was grouped: what was there before it, and what is now.
pub(super) fn grouped(commit: &Commit<'_>, device: i64, before: &Present, at: Timestamp) -> sql::Result<()> {
    let (now, place, at) = (present(commit, device)?, place_of(commit, device)?, at.as_millis());
    fewer(commit, &place, before.iter().filter(|one| now.binary_search(one).is_err()))?;
    for one in &now {
        if before.binary_search(one).is_err() {
            more(commit, &place, one, (at, at))?;
        } else {
            let (product, versions) = one;
            let sql = "UPDATE software_tally SET last_seen = ?4 WHERE product = ?1 AND place = ?2 AND versions = ?3 AND last_seen < ?5";
            commit.run(sql, params![product, place, versions, at, at - AGAIN_MS])?;
        }
    }
    Ok(())
}

/// A machine is taken out: what is on it is nowhere.
pub(super) fn taken_out(commit: &Commit<'_>, device: i64) -> sql::Result<()> {
    fewer(commit, &place_of(commit, device)?, present(commit, device)?.iter())
}

/// A machine stands elsewhere from now on.
pub(super) fn moved(commit: &Commit<'_>, device: i64, (from, to): (&str, &str)) -> sql::Result<()> {
    let there = present(commit, device)?;
    fewer(commit, from, there.iter())?;
    let sql = "SELECT product, versions, first_seen, last_seen FROM software_use WHERE device = ?1 AND gone_at IS NULL";
    let mut statement = commit.transaction.prepare_cached(sql)?;
    let rows = statement.query_map([device], |row| Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?))))?;
    for (one, seen) in rows.collect::<sql::Result<Vec<((i64, String), (i64, i64))>>>()? {
        more(commit, to, &one, seen)?;
    }
    Ok(())
}
