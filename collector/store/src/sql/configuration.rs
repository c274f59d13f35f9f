//! Versions of the parts of the configuration that are set on pages.

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{below, limit_of, required, signed};
use crate::StoreError;
use crate::configuration::{ConfigurationVersion, Part};
use crate::sql::{self, Row, Type, params};

const VERSIONS: &str = "SELECT part, number, body, at, who, why, sha256 FROM configuration_version";

pub(super) fn put(commit: &Commit<'_>, version: &ConfigurationVersion) -> sql::Result<()> {
    let ConfigurationVersion { part, number, text, at, who, why } = version;
    let digest = ConfigurationVersion::digest(text.as_deref());
    commit.run(
        "INSERT INTO configuration_version (part, number, body, at, who, why, sha256) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![part.as_str(), signed(*number), text, at.as_millis(), who, why, digest],
    )?;
    Ok(())
}

/// A version; none of a part that this program does not know, which a newer one wrote. A text that is not what was saved is an error.
fn version(row: &Row<'_>) -> sql::Result<Option<ConfigurationVersion>> {
    let name: String = row.get(0)?;
    let Some(part) = Part::parse(&name) else { return Ok(None) };
    let (number, text) = (row.get::<_, i64>(1)?.unsigned_abs(), row.get::<_, Option<String>>(2)?);
    if ConfigurationVersion::digest(text.as_deref()) != row.get::<_, String>(6)? {
        let why = format!("configuration {name}, version {number}: the text is not the one that was saved");
        return Err(sql::Error::FromSqlConversionFailure(2, Type::Text, why.into()));
    }
    Ok(Some(ConfigurationVersion { part, number, text, at: required(row, 3)?, who: row.get(4)?, why: row.get(5)? }))
}

/// The newest of each part, in the order of their names.
pub(super) fn newest(reader: &SqlReader) -> Result<Vec<ConfigurationVersion>, StoreError> {
    let newest = "(SELECT max(n.number) FROM configuration_version n WHERE n.part = configuration_version.part)";
    let found = reader.all(&format!("{VERSIONS} WHERE number = {newest} ORDER BY part"), &[], version)?;
    Ok(found.into_iter().flatten().map(|one| reader.configuration_as_shown(one)).collect())
}

/// Those of a part before a number, the newest first.
pub(super) fn of_part(
    reader: &SqlReader,
    part: Part,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<ConfigurationVersion>, StoreError> {
    let sql = format!("{VERSIONS} WHERE part = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3");
    let found = reader.all(&sql, &[&part.as_str(), &below(before), &limit_of(limit)], version)?;
    Ok(found.into_iter().flatten().map(|one| reader.configuration_as_shown(one)).collect())
}
