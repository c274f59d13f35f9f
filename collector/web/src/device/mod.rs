//! Devices: the list, and one with all that is known of it; a file for each thing that is asked of a device.

pub(crate) mod agent_settings;
pub(crate) mod chart;
pub(crate) mod chart_data;
pub(crate) mod chart_marks;
pub(crate) mod chart_span;
pub(crate) mod details;
pub(crate) mod documents;
pub(crate) mod events;
mod health;
pub(crate) mod history;
pub(crate) mod inventory;
pub(crate) mod labels;
pub(crate) mod list;
mod measure;
pub(crate) mod name;
mod numbers;
pub(crate) mod past;
pub(crate) mod replay;
pub(crate) mod row;
pub(crate) mod software;
pub(crate) mod video_wall;
