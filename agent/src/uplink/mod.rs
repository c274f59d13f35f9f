//! The way to the collector: a pure session that decides, a thin MQTT driver that acts.

pub mod mqtt;
pub mod session;
