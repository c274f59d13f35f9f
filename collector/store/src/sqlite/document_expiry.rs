//! Which changes of documents go: from the first on, one after the other, up to one that a hold keeps, since the way back to a version leads
//! through all that came after it.
//!
//! A hold on a person keeps a document's history up to the last version that names them. Where that is, is looked for here, beside the engine; the
//! commit asks every other hold again, and deletes nothing when a hold on a person was set meanwhile.

use std::collections::HashMap;

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, Result};
use serde_json::json;

use super::document_change::{self, newest};
use super::hold;
use super::named::{any, names_person};
use super::reader_connection::SqliteReader;
use super::value::signed;
use crate::StoreError;
use crate::document_history::row::{RowPlace, open};
use crate::retention::HoldTarget;

/// Tells a connection of `change_line(identifier, device, name, number, at, depth, data)`: a change as evidence and exports have it.
pub(super) fn register(connection: &Connection) -> Result<()> {
    connection.create_scalar_function("change_line", 7, FunctionFlags::SQLITE_UTF8, |context| {
        let (identifier, device, name) =
            (context.get::<Option<String>>(0)?, context.get::<i64>(1)?, context.get::<String>(2)?);
        let (number, at_ms, depth) = (context.get::<i64>(3)?, context.get::<i64>(4)?, context.get::<i64>(5)?);
        let data = context.get_raw(6).as_blob().unwrap_or_default();
        let place = RowPlace { device, name: &name, number: number.unsigned_abs(), at_ms, depth };
        let mut line = json!({ "device": identifier, "name": name, "number": number, "at_ms": at_ms });
        match open(place, data).and_then(|row| serde_json::to_value(row).ok()) {
            Some(row) => line["change"] = row,
            None => line["damaged"] = ioc_common::encoding::hex(data).into(),
        }
        Ok(line.to_string())
    })
}

/// A document: its device's number, and its name.
type Document = (i64, String);

/// Whoever reads changes that are past their time, in their order.
pub(super) struct DocumentsLook {
    /// Persons on whom there is a hold.
    persons: Vec<String>,
    /// Up to which change of a document a hold on a person keeps it; nothing where none does.
    kept: HashMap<Document, Option<u64>>,
    /// Up to which change all of a document goes.
    going: HashMap<Document, i64>,
}

impl DocumentsLook {
    pub(super) fn new(reader: &SqliteReader) -> std::result::Result<Self, StoreError> {
        let in_force = hold::list(reader)?.into_iter().filter(|hold| hold.ended.is_none());
        let persons = in_force.filter_map(|hold| match hold.target {
            HoldTarget::Person(name) => Some(name),
            HoldTarget::Incident(_) | HoldTarget::Device(_) | HoldTarget::Class(_) | HoldTarget::Period => None,
        });
        Ok(Self { persons: persons.collect(), kept: HashMap::new(), going: HashMap::new() })
    }

    /// Whether a change stays: it is held, a version that it leads to names somebody, or the one before it stays.
    pub(super) fn stays(
        &mut self,
        reader: &SqliteReader,
        (device, name): (i64, &str),
        number: i64,
        held: bool,
    ) -> std::result::Result<bool, StoreError> {
        let document = (device, name.to_owned());
        if !self.persons.is_empty() && !self.kept.contains_key(&document) {
            let kept = self.last_named(reader, (device, name))?;
            self.kept.insert(document.clone(), kept);
        }
        let named = self.kept.get(&document).copied().flatten().is_some_and(|last| signed(last) >= number);
        let follows = match self.going.get(&document) {
            Some(last) => *last < number,
            None => {
                let sql = "SELECT 1 FROM document_change WHERE device = ?1 AND name = ?2 AND number < ?3 LIMIT 1";
                reader.one(sql, &[&device, &name, &number], |_| Ok(()))?.is_none()
            }
        };
        if held || named || !follows {
            // Whatever comes behind it stays, too.
            self.going.insert(document, i64::MAX);
            return Ok(true);
        }
        self.going.insert(document, number);
        Ok(false)
    }

    /// The last change of a document at which somebody on whom there is a hold is named: in it, or in what stands now.
    fn last_named(
        &self,
        reader: &SqliteReader,
        (device, name): (i64, &str),
    ) -> std::result::Result<Option<u64>, StoreError> {
        let names = |text: &str| self.persons.iter().any(|person| names_person(text, person));
        if let Some(now) = newest(reader, device, name)?
            && any(&now, &names)
        {
            return Ok(Some(u64::MAX >> 1));
        }
        document_change::last_change(reader, (device, name), |row| match row {
            // What cannot be read may name anybody.
            None => true,
            Some(row) if row.too_large.is_some() => true,
            Some(row) => serde_json::to_value(row).is_ok_and(|row| any(&row, &names)),
        })
    }
}
