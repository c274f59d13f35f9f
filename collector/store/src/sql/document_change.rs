//! The history of documents: a row for each change, in the commit that makes it, and the way back from what is newest.
//!
//! Version `k` of a document is what stood after its change `k`. A row leads from its version to the one before; the newest stands where it
//! always does (`document`, `software`). What stood at a moment is the last version, in the order in which they came, that was made by then.

use serde_json::Value;

use ioc_common::clock::Timestamp;
use ioc_common::document::is_of_people;
use ioc_common::id::DeviceId;
use ioc_common::reading::PROBES;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{body, limit_of, required, signed};
use crate::StoreError;
use crate::document_history::row::{ChangeRow, RowPlace, open, seal};
use crate::document_history::{
    ChangeContent, ChangeCursor, ChangePage, ChangeQuery, Difference, DocumentChange, PastDocument, PastState,
    SOFTWARE, WHOLE_EVERY, difference, is_kept, parse, software_document, stable,
};
use crate::sql::{self, Connection, OptionalExtension as _, Row, ToSql, params};

/// Below it a difference may be larger than the document: what changed is told at once.
const WHOLE_MIN_BYTES: usize = 512;
/// Changes that are read at a time where it is not known how far to look.
const READ_AT_ONCE: usize = 256;
/// The items of the last whole list of software, whatever has come of a new one (software.rs).
pub(super) const LAST_WHOLE: &str =
    "SELECT coalesce(before, item) FROM software WHERE device = ?1 AND before IS DISTINCT FROM ''";
/// Rows of one page, packed, bytes: the first comes whatever it has, and what does not fit is on the next page. Of those that have a version
/// whole, each is compared with the one after it, which takes a walk through its history: so many at most.
const PAGE_BYTES: i64 = 1 << 20;
const COMPARED_MAX: usize = 40;
/// Why a row says nothing.
const DAMAGED: &str = "its row is damaged";

fn too_large(bytes: usize) -> String {
    format!("it was {bytes} bytes, more than is kept")
}

/// What is known of a document after a change.
pub(super) enum Next<'n> {
    Document(&'n Value),
    /// Nothing, until it is sent again.
    Unknown,
}

/// Writes down that a document changed, where it did. `old` is what stood before and since when, none where nothing was known of it.
pub(super) fn note(
    commit: &Commit<'_>,
    (device, name): (i64, &str),
    old: Option<(&Value, Timestamp)>,
    (new, at): (Next<'_>, Timestamp),
) -> sql::Result<()> {
    let Some((old, old_at)) = old else { return append(commit, (device, name), at, &ChangeRow::FIRST) };
    let whole = || Ok(old.clone());
    match new {
        Next::Unknown => note_whole(commit, (device, name), (old_at, at), old),
        Next::Document(new) => {
            let differences = difference(name, old, new);
            if is_worth_it(&differences, old) {
                note_differences(commit, (device, name), (old_at, at), differences, whole)
            } else {
                note_whole(commit, (device, name), (old_at, at), old)
            }
        }
    }
}

/// Whether differences are smaller than what they lead back to, and can be read back as they are.
fn is_worth_it(differences: &[Difference], old: &Value) -> bool {
    let text = serde_json::to_string(differences).unwrap_or_default();
    let read = serde_json::from_str::<Vec<Difference>>(&text).is_ok_and(|read| read == differences);
    read && text.len() <= old.to_string().len().max(WHOLE_MIN_BYTES)
}

/// Writes differences down where there are any; with `whole`, what stood before, at every so many changes.
pub(super) fn note_differences(
    commit: &Commit<'_>,
    (device, name): (i64, &str),
    (old_at, at): (Timestamp, Timestamp),
    differences: Vec<Difference>,
    whole: impl FnOnce() -> sql::Result<Value>,
) -> sql::Result<()> {
    if differences.is_empty() {
        return Ok(());
    }
    let depth = begun(commit, (device, name), old_at)?;
    // One that was too large to be kept whole is tried again after as many more.
    let whole = if (depth + 1) % signed(WHOLE_EVERY) == 0 { Some(whole()?) } else { None };
    append(commit, (device, name), at, &ChangeRow { differences: Some(differences), whole, too_large: None })
}

fn note_whole(
    commit: &Commit<'_>,
    of: (i64, &str),
    (old_at, at): (Timestamp, Timestamp),
    old: &Value,
) -> sql::Result<()> {
    begun(commit, of, old_at)?;
    append(commit, of, at, &ChangeRow { whole: Some(old.clone()), ..ChangeRow::FIRST })
}

/// How many changes have come since the last that has a version whole. What came before its history was kept begins it.
fn begun(commit: &Commit<'_>, of: (i64, &str), old_at: Timestamp) -> sql::Result<i64> {
    if let Some((_, depth)) = last(commit, of)? {
        return Ok(depth);
    }
    append(commit, of, old_at, &ChangeRow::FIRST)?;
    Ok(0)
}

/// The last change of a document, and how many have come since the last that has a version whole.
pub(super) fn last(commit: &Commit<'_>, (device, name): (i64, &str)) -> sql::Result<Option<(i64, i64)>> {
    let sql = "SELECT number, depth FROM document_change WHERE device = ?1 AND name = ?2 ORDER BY number DESC LIMIT 1";
    let mut statement = commit.transaction.prepare_cached(sql)?;
    statement.query_row(params![device, name], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

fn append(commit: &Commit<'_>, (device, name): (i64, &str), at: Timestamp, row: &ChangeRow) -> sql::Result<()> {
    let before = last(commit, (device, name))?;
    let number = before.map_or(1, |(number, _)| number + 1);
    let between = before.map_or(0, |(_, depth)| depth + 1);
    let sealed = |depth, row: &ChangeRow| {
        let place = RowPlace { device, name, number: number.unsigned_abs(), at_ms: at.as_millis(), depth };
        (depth, seal(place, row))
    };
    let mut made = sealed(if row.whole.is_some() { 0 } else { between }, row);
    if row.whole.is_some() && !made.1.has_whole {
        // One that was too large has nothing whole; what differs is kept all the same, and the way back goes on through it.
        let differences = row.differences.clone().map(|all| ChangeRow { differences: Some(all), ..ChangeRow::FIRST });
        made = differences.as_ref().map_or_else(|| sealed(between, row), |smaller| sealed(between, smaller));
    }
    let (depth, bytes) = (made.0, made.1.bytes);
    commit.run(
        "INSERT INTO document_change (device, name, number, at, depth, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![device, name, number, at.as_millis(), depth, bytes],
    )?;
    Ok(())
}

/// The first change that is left of a document becomes the first that is known of it.
pub(super) fn begin_anew(commit: &Commit<'_>, device: i64, name: &str) -> sql::Result<()> {
    let sql = "SELECT number, at FROM document_change WHERE device = ?1 AND name = ?2 ORDER BY number LIMIT 1";
    let mut statement = commit.transaction.prepare_cached(sql)?;
    let first: Option<(i64, i64)> =
        statement.query_row(params![device, name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((number, at_ms)) = first else { return Ok(()) };
    let bytes =
        seal(RowPlace { device, name, number: number.unsigned_abs(), at_ms, depth: 0 }, &ChangeRow::FIRST).bytes;
    let first = "UPDATE document_change SET data = ?4, depth = 0 WHERE device = ?1 AND name = ?2 AND number = ?3";
    commit.run(first, params![device, name, number, bytes])?;
    Ok(())
}

/// The number of the last change of a document of which something holds; what cannot be read is nothing.
pub(super) fn last_change(
    reader: &SqlReader,
    (device, name): (i64, &str),
    is_it: impl Fn(Option<ChangeRow>) -> bool,
) -> Result<Option<u64>, StoreError> {
    let mut below = i64::MAX;
    loop {
        let sql = format!(
            "SELECT {COLUMNS} FROM document_change WHERE device = ?1 AND name = ?2 AND number < ?3 ORDER BY number DESC LIMIT ?4"
        );
        let bounds: [&dyn ToSql; 4] = [&device, &name, &below, &limit_of(READ_AT_ONCE)];
        let rows = reader.all(&sql, &bounds, |row| change_row(name, row))?;
        let Some(last) = rows.last() else { return Ok(None) };
        below = last.number;
        if let Some(found) = rows.into_iter().find_map(|read| is_it(read.row).then_some(read.number)) {
            return Ok(Some(found.unsigned_abs()));
        }
    }
}

/// A row that was read.
struct ReadRow {
    number: i64,
    at: Timestamp,
    /// It is to have a version whole.
    claims_whole: bool,
    /// What it says, unless it is damaged.
    row: Option<ChangeRow>,
}

/// What [`change_row`] reads.
pub(super) const COLUMNS: &str = "device, number, at, depth, data";

fn change_row(name: &str, row: &Row<'_>) -> sql::Result<ReadRow> {
    let (device, number, at): (i64, i64, Timestamp) = (row.get(0)?, row.get(1)?, required(row, 2)?);
    let depth: i64 = row.get(3)?;
    let place = RowPlace { device, name, number: number.unsigned_abs(), at_ms: at.as_millis(), depth };
    // A body that is no blob any more is damaged, too.
    let said = row.get_ref(4)?.as_blob().ok().and_then(|bytes| open(place, bytes));
    Ok(ReadRow { number, at, claims_whole: depth == 0, row: said })
}

/// When a change that was read by [`COLUMNS`] was made, and all that its row says, as JSON; nothing where it is damaged.
pub(super) fn said(name: &str, row: &Row<'_>) -> sql::Result<(Timestamp, String)> {
    let read = change_row(name, row)?;
    Ok((read.at, read.row.and_then(|row| serde_json::to_string(&row).ok()).unwrap_or_default()))
}

/// Reads as of one moment: what is committed meanwhile fits no way back.
fn at_one_moment<T>(reader: &SqlReader, read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    reader.in_transaction(read)
}

/// How documents of a device stood at a moment: of this name, or all of which anything is known.
pub(super) fn at(
    reader: &SqlReader,
    id: &DeviceId,
    name: Option<&str>,
    moment: Timestamp,
) -> Result<Vec<(String, PastState)>, StoreError> {
    at_one_moment(reader, || states(reader, id, name, moment))
}

fn states(
    reader: &SqlReader,
    id: &DeviceId,
    name: Option<&str>,
    moment: Timestamp,
) -> Result<Vec<(String, PastState)>, StoreError> {
    let device = reader.number(id)?;
    let names = match name {
        Some(name) => vec![name.to_owned()],
        None => {
            let sql = "SELECT DISTINCT name FROM document_change WHERE device = ?1 ORDER BY name";
            reader.all(sql, &[&device], |row| row.get(0))?
        }
    };
    let mut found = Vec::new();
    for name in names {
        let sql = "SELECT max(number) FROM document_change WHERE device = ?1 AND name = ?2 AND at <= ?3";
        let version: Option<Option<i64>> = reader.one(sql, &[&device, &name, &moment.as_millis()], |row| row.get(0))?;
        let state = match version.flatten() {
            Some(version) => rebuild(reader, (device, &name), version)?,
            None => PastState::Unknown,
        };
        let shown = if reader.hides_names { state.without_personal(&name) } else { Some(state) };
        found.extend(shown.map(|state| (name, state)));
    }
    Ok(found)
}

/// What stands now, in its stable form.
pub(super) fn newest(reader: &SqlReader, device: i64, name: &str) -> Result<Option<Value>, StoreError> {
    if name == SOFTWARE {
        let known = "SELECT 1 FROM software_list WHERE device = ?1 AND known IS NOT NULL";
        if reader.one(known, &[&device], |_| Ok(()))?.is_none() {
            return Ok(None);
        }
        return Ok(Some(software_document(reader.all(LAST_WHOLE, &[&device], |row| body(row, 0))?.into_iter())));
    }
    let sql = "SELECT body FROM document WHERE device = ?1 AND name = ?2";
    let text: Option<String> = reader.one(sql, &[&device, &name], |row| row.get(0))?;
    Ok(text.map(|text| stable(name, &parse(&text))))
}

/// A version of a document: from the nearest later one that is there whole, backwards.
fn rebuild(reader: &SqlReader, (device, name): (i64, &str), version: i64) -> Result<PastState, StoreError> {
    let own = format!("SELECT {COLUMNS} FROM document_change WHERE device = ?1 AND name = ?2 AND number = ?3");
    let Some(own) = reader.one(&own, &[&device, &name, &version], |row| change_row(name, row))? else {
        return Ok(PastState::Unknown);
    };
    // The first row behind it that has a version whole ends the way.
    let way = format!(
        "SELECT {COLUMNS} FROM document_change WHERE device = ?1 AND name = ?2 AND number > ?3 \
         AND number <= coalesce((SELECT min(number) FROM document_change \
         WHERE device = ?1 AND name = ?2 AND number > ?3 AND depth = 0), 9223372036854775807) ORDER BY number"
    );
    let rows = reader.all(&way, &[&device, &name, &version], |row| change_row(name, row))?;
    let until = rows.first().map(|next| next.at);
    let lost = |number: i64, why: &str| Err(PastState::Lost(format!("change {number} of {name}: {why}")));
    let mut state = match rows.last().filter(|last| last.claims_whole) {
        Some(last) => lost(last.number, DAMAGED),
        None => newest(reader, device, name)?.ok_or(PastState::Unknown),
    };
    for one in rows.into_iter().rev() {
        state = match one.row {
            None => lost(one.number, DAMAGED),
            Some(ChangeRow { whole: Some(whole), .. }) => Ok(whole),
            Some(ChangeRow { too_large: Some(bytes), .. }) => lost(one.number, &too_large(bytes)),
            Some(ChangeRow { differences: Some(all), .. }) => match state {
                Ok(mut from) => {
                    let fits = all.into_iter().rev().all(|one| one.reversed().apply(&mut from).is_ok());
                    if fits { Ok(from) } else { lost(one.number, "it does not fit what came after it") }
                }
                other => other,
            },
            // What is known anew leads back to nothing.
            Some(_) => Err(PastState::Unknown),
        };
    }
    Ok(match state {
        Ok(body) => PastState::Known(PastDocument { since: own.at, until, body }),
        Err(other) => other,
    })
}

/// Changes of a device's documents, newest first.
pub(super) fn list(reader: &SqlReader, query: &ChangeQuery<'_>) -> Result<ChangePage, StoreError> {
    at_one_moment(reader, || changes(reader, query))
}

fn changes(reader: &SqlReader, query: &ChangeQuery<'_>) -> Result<ChangePage, StoreError> {
    let device = reader.number(query.device)?;
    let of_people = PROBES.iter().map(|probe| probe.name).filter(|name| reader.hides_names && is_of_people(name));
    // No document is called nothing: PostgreSQL wants a list that is not empty.
    let hidden = std::iter::once("").chain(of_people).map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    let after = query.after.as_ref();
    let (at_ms, behind, number) =
        after.map_or((i64::MAX, "", 0), |one| (one.at.as_millis(), one.name.as_str(), one.number));
    // Sizes are had without reading the rows; those that fit are read.
    let order = "ORDER BY at DESC, name, number DESC";
    let sql = format!(
        "SELECT {COLUMNS}, name FROM (SELECT *, row_number() OVER ({order}) AS place, \
         sum(bytes) OVER ({order} ROWS UNBOUNDED PRECEDING) AS so_far FROM (SELECT {COLUMNS}, name, octet_length(data) AS bytes \
         FROM document_change WHERE device = ?1 AND at >= ?2 AND at < ?3 AND (name = ?4 OR ?4 IS NULL) AND name NOT IN ({hidden}) \
         AND (at < ?5 OR (at = ?5 AND (name > ?6 OR (name = ?6 AND number < ?7)))) {order} LIMIT ?8) AS asked) AS sized \
         WHERE place = 1 OR so_far <= {PAGE_BYTES} {order}"
    );
    let (from, to, limit) = (query.from.as_millis(), query.to.as_millis(), limit_of(query.limit.saturating_add(1)));
    let number = signed(number);
    let asked: [&dyn ToSql; 8] = [&device, &from, &to, &query.name, &at_ms, &behind, &number, &limit];
    let rows = reader.all(&sql, &asked, |row| {
        let name: String = row.get(5)?;
        let read = change_row(&name, row)?;
        Ok((name, read))
    })?;
    let (mut page, mut compared, mut last) = (ChangePage::default(), 0, None);
    let mut rows = rows.into_iter();
    for (name, read) in rows.by_ref().take(query.limit) {
        let content = content_of(reader, (device, &name), &read)?;
        compared += usize::from(read.row.as_ref().is_some_and(|row| row.whole.is_some() && row.differences.is_none()));
        let change = DocumentChange { name, number: read.number.unsigned_abs(), at: read.at, content };
        last = Some(ChangeCursor::of(&change));
        page.changes.extend(if reader.hides_names { change.without_personal() } else { Some(change) });
        if compared == COMPARED_MAX {
            break;
        }
    }
    // Whatever ended it: whether there is another one behind the last.
    page.next = match last {
        Some(last) if is_followed(reader, query, (device, &hidden), &last)? => Some(last),
        _ => None,
    };
    Ok(page)
}

/// Whether a list goes on behind a place.
fn is_followed(
    reader: &SqlReader,
    query: &ChangeQuery<'_>,
    (device, hidden): (i64, &str),
    last: &ChangeCursor,
) -> Result<bool, StoreError> {
    let sql = format!(
        "SELECT 1 FROM document_change WHERE device = ?1 AND at >= ?2 AND (name = ?3 OR ?3 IS NULL) AND name NOT IN ({hidden}) \
         AND (at < ?4 OR (at = ?4 AND (name > ?5 OR (name = ?5 AND number < ?6)))) LIMIT 1"
    );
    let (at_ms, number) = (last.at.as_millis(), signed(last.number));
    let asked: [&dyn ToSql; 6] = [&device, &query.from.as_millis(), &query.name, &at_ms, &last.name, &number];
    Ok(reader.one(&sql, &asked, |_| Ok(()))?.is_some())
}

fn content_of(reader: &SqlReader, (device, name): (i64, &str), read: &ReadRow) -> Result<ChangeContent, StoreError> {
    let Some(row) = &read.row else { return Ok(ChangeContent::Lost(DAMAGED.to_owned())) };
    if let Some(bytes) = row.too_large {
        return Ok(ChangeContent::Lost(too_large(bytes)));
    }
    if let Some(differences) = &row.differences {
        return Ok(ChangeContent::Differences(differences.clone()));
    }
    let Some(old) = &row.whole else { return Ok(ChangeContent::First) };
    Ok(match rebuild(reader, (device, name), read.number)? {
        PastState::Known(new) => ChangeContent::Differences(difference(name, old, &new.body)),
        PastState::Unknown => ChangeContent::Lost("it was not known any more what stood there".to_owned()),
        PastState::Lost(why) => ChangeContent::Lost(why),
    })
}

/// Writes down what changes when a text takes the place of what stood of a document. The same text costs nothing more.
pub(super) fn replaced(commit: &Commit<'_>, (device, name): (i64, &str), at: Timestamp, text: &str) -> sql::Result<()> {
    if !is_kept(name) {
        return Ok(());
    }
    let sql = "SELECT body, at FROM document WHERE device = ?1 AND name = ?2";
    let mut statement = commit.transaction.prepare_cached(sql)?;
    let stood = statement.query_row(params![device, name], |row| {
        // A damaged text is replaced all the same.
        let body = row.get_ref(0)?.as_str().unwrap_or_default();
        Ok((body != text).then(|| body.to_owned()).map(|body| (body, Timestamp::from_millis(row.get(1).unwrap_or(0)))))
    });
    let old = match stood.optional()? {
        None => None,
        Some(None) => return Ok(()),
        Some(Some((body, old_at))) => Some((stable(name, &parse(&body)), old_at)),
    };
    let new = stable(name, &parse(text));
    note(commit, (device, name), old.as_ref().map(|(old, old_at)| (old, *old_at)), (Next::Document(&new), at))
}

/// How many rows do not match their checksums.
pub(crate) fn damaged(connection: Connection<'_>) -> sql::Result<u64> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS}, name FROM main.document_change"))?;
    let mut rows = statement.query([])?;
    let mut damaged = 0;
    while let Some(row) = rows.next()? {
        let name: String = row.get(5)?;
        damaged += u64::from(change_row(&name, &row)?.row.is_none());
    }
    Ok(damaged)
}

#[cfg(test)]
mod tests;
