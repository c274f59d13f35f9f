//! Whole-system tests: the real binaries, a fleet of simulated devices on the real wire, sinks for notices.
//!
//! [`fleet`] is three things at once: the demo's neighbours, the load generator and the fault driver.
#![allow(clippy::unwrap_used, reason = "this package only tests")]

pub mod broker;
pub mod centre;
pub mod fleet;
pub mod harness;
pub mod identity;
pub mod keys;
pub mod link;
pub mod machine;
pub mod machines;
pub mod modbus;
pub mod performance;
pub mod postgres;
pub mod prometheus;
pub mod resender;
pub mod second_factor;
pub mod sink;
pub mod socket_way;
