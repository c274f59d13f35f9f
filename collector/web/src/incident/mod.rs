//! Incidents, and the faults and alerts that open them.

pub(crate) mod acknowledge;
pub(crate) mod alerts;
pub(crate) mod attachments;
pub(crate) mod deadlines;
pub(crate) mod details;
pub(crate) mod faults;
pub(crate) mod list;
pub(crate) mod open;
