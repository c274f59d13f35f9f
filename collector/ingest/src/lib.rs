//! Taking reports in. [`endpoint`] is our own MQTT listener, the default; [`broker`], a client of an existing broker, comes beside it and
//! feeds the same engine.

pub mod broker;
mod certificate_validity;
mod check;
mod connection;
mod end_cause;
pub mod endpoint;
mod frame;
mod newcomers;
mod subscription;
mod tls;

pub use check::packet_path;
