//! The record as of one moment: whatever is gathered for a document is read so, and no commit waits for it.

use ioc_store::{Reader, StoreError};

/// What `read` makes of the record as of one moment; nothing where it was not to go on.
///
/// # Errors
/// [`StoreError`] when the record cannot be read.
pub(crate) fn as_of_one_moment<T>(
    reader: &dyn Reader,
    mut read: impl FnMut(&dyn Reader) -> Result<Option<T>, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut facts = None;
    reader.at_one_moment(&mut |reader| {
        facts = read(reader)?;
        Ok(())
    })?;
    Ok(facts)
}
