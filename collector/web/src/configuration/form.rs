//! Which parts have a form of their own beside their text.

use ioc_store::configuration::Part;

/// The form of a part.
pub(super) const fn of(_part: Part) -> Option<()> {
    None
}
