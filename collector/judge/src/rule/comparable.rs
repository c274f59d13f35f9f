//! Equality of what a kind keeps of its own behind a trait: a set of rules that is read again is compared with the one that is in use.

use std::any::Any;

/// Whatever can be compared with something of a type that is not known here.
pub(super) trait Comparable {
    fn as_any(&self) -> &dyn Any;

    /// Whether it is of the same type, and equal.
    fn is_equal(&self, other: &dyn Any) -> bool;
}

impl<T: PartialEq + 'static> Comparable for T {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn is_equal(&self, other: &dyn Any) -> bool {
        other.downcast_ref() == Some(self)
    }
}
