//! Floor plans: pictures of rooms, and where on them devices stand.

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{body, json};
use crate::StoreError;
use crate::floor::{FloorPlan, FloorReader};
use crate::sql::{self, params};

pub(super) fn put(commit: &Commit<'_>, plan: &FloorPlan) -> sql::Result<()> {
    commit.run(
        "INSERT INTO floor_plan (room, body) VALUES (?1, ?2) ON CONFLICT (room) DO UPDATE SET body = ?2",
        params![plan.room, json(plan)?],
    )?;
    Ok(())
}

pub(super) fn put_picture(commit: &Commit<'_>, room: &str, content: &[u8]) -> sql::Result<()> {
    commit.run(
        "INSERT INTO floor_picture (room, content) VALUES (?1, ?2) ON CONFLICT (room) DO UPDATE SET content = ?2",
        params![room, content],
    )?;
    Ok(())
}

impl FloorReader for SqlReader {
    fn floor_plan(&self, room: &str) -> Result<Option<FloorPlan>, StoreError> {
        self.one("SELECT body FROM floor_plan WHERE room = ?1", &[&room], |row| body(row, 0))
    }

    fn floor_picture(&self, room: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.one("SELECT content FROM floor_picture WHERE room = ?1", &[&room], |row| row.get(0))
    }
}
