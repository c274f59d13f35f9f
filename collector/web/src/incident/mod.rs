//! Incidents, and the faults and alerts that open them.

pub(crate) mod acknowledge;
pub(crate) mod alerts;
pub(crate) mod attachments;
pub(crate) mod deadlines;
pub(crate) mod details;
pub(crate) mod faults;
mod figures;
pub(crate) mod list;
pub(crate) mod many;
pub(crate) mod month;
pub(crate) mod open;
pub(crate) mod statistics;
pub(crate) mod times;
