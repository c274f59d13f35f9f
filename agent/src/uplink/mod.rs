//! The way to the collector: a pure session that decides, addresses in their order, a thin MQTT driver that acts.

pub mod addresses;
pub mod mqtt;
pub mod session;
