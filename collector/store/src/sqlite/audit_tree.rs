//! The Merkle tree over the audit log's records, as the writer begins with it.

use rusqlite::{Connection, OptionalExtension as _};

use ioc_common::encoding::hex;

use super::value::signed;
use crate::merkle::{Frontier, MISSING, parse};

/// The tree over all records that are there: what was kept of it with the newest head, and the records since; or all of them, where
/// that does not fit.
pub(super) fn restore(connection: &Connection) -> rusqlite::Result<Frontier> {
    let kept = connection.query_row("SELECT size, peaks FROM audit_tree", [], |row| {
        let size = row.get::<_, i64>(0)?.unsigned_abs();
        Ok(Frontier::from_bytes(size, &row.get::<_, Vec<u8>>(1)?))
    });
    let sql = "SELECT number, root FROM audit_head ORDER BY number DESC LIMIT 1";
    let newest =
        connection.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?))).optional()?;
    let fits = |tree: &Frontier| newest == Some((tree.size(), hex(&tree.root())));
    let mut tree = kept.optional()?.flatten().filter(fits).unwrap_or_default();
    let mut statement = connection.prepare("SELECT number, hash FROM audit WHERE number > ?1 ORDER BY number")?;
    let mut rows = statement.query([signed(tree.size())])?;
    while let Some(row) = rows.next()? {
        let (number, hash) = (row.get::<_, i64>(0)?.unsigned_abs(), row.get_ref(1)?.as_str().unwrap_or_default());
        // A log that was saved out of a damaged store has gaps.
        while tree.size() + 1 < number {
            tree.push(&MISSING);
        }
        tree.push(&parse(hash).unwrap_or(MISSING));
    }
    Ok(tree)
}
