//! How far the newest numbers of all devices can be believed, counted.

use ioc_common::clock::Timestamp;

use super::device;
use super::reader_connection::SqlReader;
use crate::authenticity::{MarkedDevice, ValueMarks};
use crate::{StoreError, history};

pub(super) fn count(
    reader: &SqlReader,
    now: Timestamp,
    collector_clock_doubted: bool,
    most: usize,
) -> Result<(ValueMarks, Vec<MarkedDevice>), StoreError> {
    let in_use = "d.number NOT IN (SELECT device FROM asset WHERE state = 'retired')";
    let sql = format!("{} WHERE d.revoked_at IS NULL AND {in_use} ORDER BY d.id", device::COLUMNS);
    let (mut marks, mut marked) = (ValueMarks::default(), Vec::new());
    reader.all(&sql, &[], |row| {
        let (record, latest) = device::without_numbers(row, &reader.newest)?;
        // A corrupt row has no numbers; the history reader reports it.
        let values = latest.and_then(|latest| history::unpack(&latest.data).ok()).unwrap_or_default();
        let values = values.into_iter().flatten().count() as u64;
        let authenticity = record.authenticity(now, collector_clock_doubted);
        marks.add(authenticity.mark, values);
        if values > 0 && authenticity.is_marked() && marked.len() < most {
            marked.push(MarkedDevice { info: reader.info_as_shown(record.info), authenticity, values });
        }
        Ok(())
    })?;
    Ok((marks, marked))
}
