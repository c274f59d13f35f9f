//! Which changes of documents go: from the first on, one after the other, up to one that a hold keeps, since the way back to a version leads
//! through all that came after it.
//!
//! A hold on a person keeps a document's history up to the last version that names them. Where that is, is looked for here, beside the engine; the
//! commit asks every other hold again, and deletes nothing when a hold on a person was set meanwhile.

use std::collections::HashMap;

use serde_json::json;

use ioc_common::clock::Timestamp;

use super::document_change::{self, newest};
use super::hold;
use super::named::{any, names_person};
use super::reader_connection::SqlReader;
use super::record_class::{ALL_SEEN, ClassSource};
use super::value::{limit_of, signed};
use crate::StoreError;
use crate::document_history::row::{RowPlace, open};
use crate::retention::{Cursor, HoldTarget, PastRecord};

/// A change as evidence and exports have it: of a device's identifier, and what its row has.
pub(crate) fn change_line(identifier: Option<&str>, place: RowPlace<'_>, data: &[u8]) -> String {
    let RowPlace { name, number, at_ms, .. } = place;
    let mut line = json!({ "device": identifier, "name": name, "number": number, "at_ms": at_ms });
    match open(place, data).and_then(|row| serde_json::to_value(row).ok()) {
        Some(row) => line["change"] = row,
        None => line["damaged"] = ioc_common::encoding::hex(data).into(),
    }
    line.to_string()
}

/// Devices of which something goes that are gone through at a time.
const DEVICES: usize = 500;
/// Not the first change of its document. The last one that is old enough is where each document of each device begins, for years: it goes nowhere,
/// and must cost nothing at thirty thousand of them.
const BEHIND_ANOTHER: &str = "c.number > (SELECT b.number FROM document_change b WHERE b.device = c.device AND b.name = c.name ORDER BY b.number LIMIT 1)";

/// The devices from a number on with a document that has two changes that are old enough, in one question for all of them.
fn with_old(reader: &SqlReader, (from, before_ms): (i64, i64), limit: usize) -> Result<Vec<i64>, StoreError> {
    let sql = format!(
        "SELECT d.number FROM device d WHERE d.number >= ?1 AND EXISTS \
         (SELECT 1 FROM document_change c WHERE c.device = d.number AND c.at < ?2 AND {BEHIND_ANOTHER}) ORDER BY d.number LIMIT ?3"
    );
    reader.all(&sql, &[&from, &before_ms, &limit_of(limit)], |row| row.get(0))
}

/// Changes of documents that are past their time, behind a place: device by device, document by document, and each in the order of its changes,
/// whatever their times say. Whatever came before a change that is old enough stood no longer than until then.
pub(super) fn past_changes(
    reader: &SqlReader,
    source: &ClassSource,
    before: Timestamp,
    (after, limit): (Cursor, usize),
) -> Result<Vec<PastRecord>, StoreError> {
    let mut look = DocumentsLook::new(reader)?;
    let (mut device, before_ms) = (after.0, before.as_millis());
    // One that is gone since has its device gone through from its beginning.
    let sql = "SELECT name, number FROM document_change WHERE rowid = ?1 AND device = ?2";
    let mut behind = reader.one(sql, &[&after.2, &after.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut found = Vec::new();
    loop {
        let devices = with_old(reader, (device, before_ms), DEVICES)?;
        for one in &devices {
            let sql = format!(
                "SELECT c.name, max(c.number) FROM document_change c WHERE c.device = ?1 AND c.at < ?2 AND {BEHIND_ANOTHER} \
                 GROUP BY c.name ORDER BY c.name"
            );
            let documents = reader.all(&sql, &[one, &before_ms], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
            let place = behind.take().filter(|_| *one == after.0).unwrap_or_else(|| (String::new(), i64::MIN));
            for (name, last) in documents.into_iter().filter(|(name, _)| *name >= place.0) {
                let number = if name == place.0 { place.1 } else { i64::MIN };
                let left = limit.saturating_sub(found.len());
                found.extend(changes_of(reader, source, &mut look, (*one, &name), (number, last, left))?);
                if found.len() >= limit {
                    return Ok(found);
                }
            }
        }
        match devices.last() {
            Some(last) if devices.len() == DEVICES => device = last + 1,
            _ => return Ok(found),
        }
    }
}

/// Changes of one document behind a number, and before one that is old enough.
fn changes_of(
    reader: &SqlReader,
    source: &ClassSource,
    look: &mut DocumentsLook,
    (device, name): (i64, &str),
    (behind, last, limit): (i64, i64, usize),
) -> Result<Vec<PastRecord>, StoreError> {
    // What stays costs no more than a look.
    let sql = format!(
        "WITH r AS MATERIALIZED (SELECT r.*, r.rowid AS own_key, {} AS stays FROM document_change r \
         WHERE r.device = ?1 AND r.name = ?2 AND r.number > ?3 AND r.number < ?4 ORDER BY r.number LIMIT ?5) \
         SELECT own_key, CASE WHEN stays THEN '' ELSE CAST(json({}) AS TEXT) END, stays, number FROM r ORDER BY number",
        source.is_held("r", ALL_SEEN),
        source.line.replace('@', "r")
    );
    let seen = reader.all(&sql, &[&device, &name, &behind, &last, &limit_of(limit)], |row| {
        let (key, number) = (row.get(0)?, row.get(3)?);
        Ok(PastRecord { key, line: row.get(1)?, stays: row.get(2)?, cursor: Cursor(device, number, key) })
    })?;
    let stays = |one: PastRecord| {
        let stays = look.stays(reader, (device, name), one.cursor.1, one.stays)?;
        Ok(PastRecord { stays, ..one })
    };
    seen.into_iter().map(stays).collect()
}

/// A document: its device's number, and its name.
type Document = (i64, String);

/// Whoever reads changes that are past their time, in their order.
struct DocumentsLook {
    /// Persons on whom there is a hold.
    persons: Vec<String>,
    /// Up to which change of a document a hold on a person keeps it; nothing where none does.
    kept: HashMap<Document, Option<u64>>,
    /// Up to which change all of a document goes.
    going: HashMap<Document, i64>,
}

impl DocumentsLook {
    fn new(reader: &SqlReader) -> Result<Self, StoreError> {
        let in_force = hold::list(reader)?.into_iter().filter(|hold| hold.ended.is_none());
        let persons = in_force.filter_map(|hold| match hold.target {
            HoldTarget::Person(name) => Some(name),
            HoldTarget::Incident(_) | HoldTarget::Device(_) | HoldTarget::Class(_) | HoldTarget::Period => None,
        });
        Ok(Self { persons: persons.collect(), kept: HashMap::new(), going: HashMap::new() })
    }

    /// Whether a change stays: it is held, a version that it leads to names somebody, or the one before it stays.
    fn stays(
        &mut self,
        reader: &SqlReader,
        (device, name): (i64, &str),
        number: i64,
        held: bool,
    ) -> Result<bool, StoreError> {
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
    fn last_named(&self, reader: &SqlReader, (device, name): (i64, &str)) -> Result<Option<u64>, StoreError> {
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

#[cfg(test)]
mod tests {
    use ioc_common::id::DeviceId;
    use ioc_judge::{DeviceInfo, DeviceKind};

    use super::*;
    use crate::retention::RecordClass;
    use crate::sql::record_class;
    use crate::sqlite::SqliteStore;
    use crate::{Change, Store as _};

    #[test]
    fn only_devices_of_which_something_goes_are_gone_through() {
        let dir = tempfile::tempdir().expect("directory");
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        let at = Timestamp::from_millis;
        for (device, versions) in [("d-1", [10, 20, 30]), ("d-2", [10, 12, 30]), ("d-3", [16, 17, 18])] {
            let device = DeviceId::new(device).expect("valid");
            let info = DeviceInfo::new(device.clone(), DeviceKind::Server, device.to_string());
            store.commit(&[Change::Device { info, at: at(1) }]).expect("commits");
            for ms in versions {
                let (device, body) = (device.clone(), json!({ "n": ms }).to_string());
                let document = Change::Document { device, name: "a".to_owned(), at: at(ms), body };
                store.commit(&[document]).expect("commits");
            }
        }
        let reader = store.new_reader();
        assert_eq!(
            with_old(&reader, (0, 15), 9).expect("asked"),
            [2],
            "of the first one, what is old still stood later"
        );
        assert_eq!(with_old(&reader, (0, 100), 9).expect("asked"), [1, 2, 3]);
        assert_eq!(with_old(&reader, (2, 100), 1).expect("asked"), [2]);
        let source = record_class::source(RecordClass::Documents).expect("a class");
        let past = past_changes(&reader, &source, at(15), (Cursor::default(), 9)).expect("looked");
        assert_eq!(past.iter().map(|one| one.cursor.0).collect::<Vec<_>>(), [2]);
    }
}
