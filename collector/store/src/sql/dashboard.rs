//! Dashboards that people put together.

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{body, json, limit_of, signed};
use crate::dashboard::{DASHBOARDS_MAX, Dashboard};
use crate::sql::{self, params};
use crate::{StoreError, collation};

pub(super) fn put(commit: &Commit<'_>, dashboard: &Dashboard) -> sql::Result<()> {
    commit.run(
        "INSERT INTO dashboard (number, owner, body) VALUES (?1, ?2, ?3) ON CONFLICT (number) DO UPDATE SET owner = ?2, body = ?3",
        params![signed(dashboard.number), dashboard.owner, json(dashboard)?],
    )?;
    Ok(())
}

pub(super) fn remove(commit: &Commit<'_>, number: u64) -> sql::Result<()> {
    commit.run("DELETE FROM dashboard WHERE number = ?1", params![signed(number)])?;
    Ok(())
}

/// By name, as people sort.
pub(super) fn list(reader: &SqlReader) -> Result<Vec<Dashboard>, StoreError> {
    let sql = "SELECT body FROM dashboard ORDER BY number LIMIT ?1";
    let mut all: Vec<Dashboard> = reader.all(sql, &[&limit_of(DASHBOARDS_MAX)], |row| body(row, 0))?;
    all.sort_by_cached_key(|one| collation::key(&one.name));
    Ok(all)
}
