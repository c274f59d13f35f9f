//! How many changes of a document stay: what is beyond that goes as what is past its time does, asked for holds and with evidence.

use rusqlite::params;

use super::commit::Commit;
use super::value::{limit_of, signed};
use super::{document_change, retention};
use crate::document_history::CHANGES_MAX;
use crate::retention::RecordClass;

/// How often it is looked whether a document has more changes than are kept: at every so many.
const PRUNE_EVERY: i64 = 250;

/// No more than so many changes of a document stay, but for those that are held. Now and then, since it leaves evidence.
pub(super) fn prune(commit: &mut Commit<'_>, (device, name): (i64, &str)) -> rusqlite::Result<()> {
    let newest = document_change::last(commit, (device, name))?.map_or(0, |(number, _)| number);
    if newest <= signed(CHANGES_MAX) || newest % PRUNE_EVERY != 0 {
        return Ok(());
    }
    let sql =
        "SELECT rowid FROM document_change WHERE device = ?1 AND name = ?2 AND number <= ?3 ORDER BY number LIMIT ?4";
    let bounds = params![device, name, newest - signed(CHANGES_MAX), limit_of(retention::OTHERS_MAX)];
    let keys: Vec<i64> = commit
        .transaction
        .prepare_cached(sql)?
        .query_map(bounds, |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let rule = format!("a document keeps its newest {CHANGES_MAX} changes; {name} had more");
    retention::delete_all(commit, RecordClass::Documents, &keys, &rule)
}
