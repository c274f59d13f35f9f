//! The Merkle tree over the audit log's records, as the writer begins with it.

use ioc_common::encoding::hex;

use super::value::signed;
use crate::audit_check::GAP_MAX;
use crate::merkle::{Frontier, MISSING, parse};
use crate::sql::{self, Connection, OptionalExtension as _};

/// The tree over all records that are there: what was kept of it with the newest head, and the records since; or all of them, where
/// that does not fit. Where a number is nonsense it ends before it, so that it is of another size than the log.
pub(super) fn restore(connection: Connection<'_>) -> sql::Result<Frontier> {
    let kept = connection.query_row("SELECT size, peaks FROM audit_tree", [], |row| {
        let size = row.get::<_, i64>(0)?.unsigned_abs();
        Ok(Frontier::from_bytes(size, &row.get::<_, Vec<u8>>(1)?))
    });
    // The one that a head was signed of whose record is there: behind it may be heads whose records are gone.
    let sql =
        "SELECT h.root FROM audit_head h JOIN audit a ON a.number = h.number AND a.hash = h.hash WHERE h.number = ?1";
    let root = |tree: &Frontier| connection.query_row(sql, [signed(tree.size())], |row| row.get::<_, String>(0));
    let mut tree = Frontier::default();
    if let Some(kept) = kept.optional()?.flatten()
        && root(&kept).optional()?.is_some_and(|root| root == hex(&kept.root()))
    {
        tree = kept;
    }
    let mut statement =
        connection.prepare_cached("SELECT number, hash FROM audit WHERE number > ?1 ORDER BY number")?;
    let mut rows = statement.query([signed(tree.size())])?;
    while let Some(row) = rows.next()? {
        let (number, hash) = (row.get::<_, i64>(0)?.unsigned_abs(), row.get_ref(1)?.as_str().unwrap_or_default());
        if number.saturating_sub(tree.size()) > GAP_MAX {
            tracing::error!(
                number,
                "a record of the audit log has a number that cannot be one; no head of it is signed"
            );
            return Ok(tree);
        }
        // A log that was saved out of a damaged store has gaps.
        while tree.size() + 1 < number {
            tree.push(&MISSING);
        }
        tree.push(&parse(hash).unwrap_or(MISSING));
    }
    Ok(tree)
}
