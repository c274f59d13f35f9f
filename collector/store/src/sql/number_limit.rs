//! How many records of a kind stay of a device, and machines that wait no more: what is beyond that goes as what is past its time does, asked for
//! holds and with evidence.
//!
//! It goes at the end of commits, in the time that they have for it, and each commit goes on where the last one ended until none is left: what is
//! held is passed over, and what comes in faster than one commit deletes does not pile up. What waits when the collector stops is found again by
//! the next that is too many.

use ioc_common::id::DeviceId;

use super::commit::Commit;
use super::excess::{Excess, ExcessOf};
use super::value::{limit_of, signed};
use super::{document_change, retention};
use crate::document_history::CHANGES_MAX;
use crate::sql::{self, Params, Row, params};

/// How often it is looked whether a document has more changes than are kept: at every so many.
const PRUNE_EVERY: i64 = 250;
/// Most records that one commit looks at of one thing that has too many.
const LOOK_MAX: usize = 500;
/// Most things that wait for their turn; what is more is found again later.
const WAITING_MAX: usize = 10_000;

/// Only the newest events of a device stay, and those that are held.
pub(super) fn of_events(commit: &mut Commit<'_>, id: &DeviceId, keep: u64) -> sql::Result<()> {
    let device = commit.number(id)?;
    want(commit, ExcessOf::Events { device, id: id.clone(), keep });
    Ok(())
}

/// No more than so many changes of a document stay, but for those that are held. Now and then, since it leaves evidence.
pub(super) fn of_document(commit: &mut Commit<'_>, (device, name): (i64, &str)) -> sql::Result<()> {
    let newest = document_change::last(commit, (device, name))?.map_or(0, |(number, _)| number);
    if newest > signed(CHANGES_MAX) && newest % PRUNE_EVERY == 0 {
        want(commit, ExcessOf::Document { device, name: name.to_owned() });
    }
    Ok(())
}

/// Machines that have not asked since a moment go.
pub(super) fn of_requests(commit: &mut Commit<'_>, before_ms: i64) {
    want(commit, ExcessOf::Requests { before_ms });
}

/// It is gone through from its beginning, also where that was under way.
fn want(commit: &mut Commit<'_>, of: ExcessOf) {
    let new = Excess { of, after: None };
    if let Some(waiting) = commit.excess.iter_mut().find(|waiting| waiting.of.is_of(&new.of)) {
        *waiting = new;
    } else if commit.excess.len() < WAITING_MAX {
        commit.excess.push_back(new);
    }
}

/// Takes off what is beyond its number, in turns, for as long as this commit has time; the rest waits for the next one.
pub(super) fn take_off(commit: &mut Commit<'_>) -> sql::Result<()> {
    // While the clock is in doubt nothing goes, and nothing waits for that: what comes later finds it again.
    if commit.keeps_all {
        commit.excess.clear();
    }
    while !commit.excess.is_empty() && commit.has_time_to_delete() {
        let Some(mut excess) = commit.excess.pop_front() else { break };
        if !take_some(commit, &mut excess)? {
            commit.excess.push_back(excess);
        }
    }
    Ok(())
}

/// Takes off some. Whether there is no more of it.
fn take_some(commit: &mut Commit<'_>, excess: &mut Excess) -> sql::Result<bool> {
    let found = match &excess.of {
        ExcessOf::Events { device, keep, .. } => events(commit, (*device, *keep), excess.after)?,
        ExcessOf::Document { device, name } => changes(commit, (*device, name))?,
        ExcessOf::Requests { before_ms } => requests(commit, *before_ms, excess.after)?,
    };
    let keys: Vec<i64> = found.iter().map(|(_, key)| *key).collect();
    let (looked, deleted) = retention::delete_all(commit, excess.of.class(), &keys, &excess.of.rule())?;
    excess.after = looked.checked_sub(1).and_then(|last| found.get(last)).copied().or(excess.after);
    Ok(match excess.of {
        // The way back leads through each: behind one that is held none goes.
        ExcessOf::Document { .. } => deleted < looked || (found.len() < LOOK_MAX && looked == found.len()),
        ExcessOf::Events { .. } | ExcessOf::Requests { .. } => found.len() < LOOK_MAX && looked == found.len(),
    })
}

fn placed(commit: &Commit<'_>, sql: &str, bounds: impl Params) -> sql::Result<Vec<(i64, i64)>> {
    let place = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    commit.transaction.prepare_cached(sql)?.query_map(bounds, place)?.collect()
}

/// The newest of those that are too many come first.
fn events(commit: &Commit<'_>, (device, keep): (i64, u64), after: Option<(i64, i64)>) -> sql::Result<Vec<(i64, i64)>> {
    let limit = limit_of(LOOK_MAX);
    match after {
        None => {
            let sql = "SELECT at, number FROM event WHERE device = ?1 ORDER BY at DESC, number DESC LIMIT ?3 OFFSET ?2";
            placed(commit, sql, params![device, signed(keep), limit])
        }
        Some((at_ms, number)) => {
            let sql = "SELECT at, number FROM event WHERE device = ?1 AND at <= ?2 AND (at < ?2 OR number < ?3) \
                       ORDER BY at DESC, number DESC LIMIT ?4";
            placed(commit, sql, params![device, at_ms, number, limit])
        }
    }
}

/// The first that are left.
fn changes(commit: &Commit<'_>, (device, name): (i64, &str)) -> sql::Result<Vec<(i64, i64)>> {
    let newest = document_change::last(commit, (device, name))?.map_or(0, |(number, _)| number);
    let sql = "SELECT at, rowid FROM document_change WHERE device = ?1 AND name = ?2 AND number <= ?3 ORDER BY number LIMIT ?4";
    placed(commit, sql, params![device, name, newest - signed(CHANGES_MAX), limit_of(LOOK_MAX)])
}

fn requests(commit: &Commit<'_>, before_ms: i64, after: Option<(i64, i64)>) -> sql::Result<Vec<(i64, i64)>> {
    let (at_ms, key) = after.unwrap_or((i64::MIN, i64::MIN));
    let sql = "SELECT seen_at, rowid FROM request WHERE seen_at < ?1 AND seen_at >= ?2 AND (seen_at > ?2 OR rowid > ?3) \
               ORDER BY seen_at, rowid LIMIT ?4";
    placed(commit, sql, params![before_ms, at_ms, key, limit_of(LOOK_MAX)])
}
