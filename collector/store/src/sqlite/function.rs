//! Functions that SQLite is told of: what the nouns ask of it beside its own.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, Result};

use crate::document_history::row::RowPlace;
use crate::sql::document_expiry::change_line;
use crate::sql::named::{names_person, says};
use crate::sql::newest::NewestByDevice;

/// Tells a connection of `names_person(text, name)`, `says(text, name)` and
/// `change_line(identifier, device, name, number, at, depth, data)`.
pub(super) fn register(connection: &Connection) -> Result<()> {
    register_names(connection)?;
    connection.create_scalar_function("change_line", 7, FunctionFlags::SQLITE_UTF8, |context| {
        let (identifier, device, name) =
            (context.get::<Option<String>>(0)?, context.get::<i64>(1)?, context.get::<String>(2)?);
        let (number, at_ms, depth) = (context.get::<i64>(3)?, context.get::<i64>(4)?, context.get::<i64>(5)?);
        let data = context.get_raw(6).as_blob().unwrap_or_default();
        let place = RowPlace { device, name: &name, number: number.unsigned_abs(), at_ms, depth };
        Ok(change_line(identifier.as_deref(), place, data))
    })
}

/// Tells a connection of the first two alone.
pub(super) fn register_names(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("names_person", 2, flags, |context| asked(context, names_person))?;
    connection.create_scalar_function("says", 2, flags, |context| asked(context, says))
}

/// A text that is not there names nobody; one that is damaged is looked through as it is.
fn asked(context: &Context<'_>, is_in: fn(&str, &str) -> bool) -> Result<bool> {
    let bytes = |place| context.get_raw(place).as_bytes_or_null().map(|bytes| bytes.map(String::from_utf8_lossy));
    let (Some(text), Some(name)) = (bytes(0)?, bytes(1)?) else { return Ok(false) };
    Ok(is_in(&text, &name))
}

/// Tells a reader's connection of `last_heard(device)`, for lists that are sorted by it.
pub(super) fn register_last_heard(connection: &Connection, newest: NewestByDevice) -> Result<()> {
    connection.create_scalar_function("last_heard", 1, FunctionFlags::SQLITE_UTF8, move |context| {
        Ok(newest.last_heard(context.get(0)?))
    })
}
