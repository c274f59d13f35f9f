//! Sensors: devices around this host that cannot run an agent. They are read by a program of its own beside the agent
//! (`ioc-agent-survey sensors`, [`poller`]), which tells it line by line what it found ([`SensorUpdate`]); a host without sensors pays nothing.
//!
//! Rooms: [`settings`] checks the configuration, [`profile`], [`request_batching`] and [`decode`] turn the words of a Modbus device into numbers,
//! [`modbus`], [`nut`] and [`pjlink`] speak to devices, [`publisher`] decides what is told when, [`field_tool`] helps a technician on site.
//! Deliberately absent: writing to any device.

mod back_off;
pub mod builtin_profiles;
pub mod day;
pub mod decode;
pub mod field_tool;
pub mod modbus;
pub mod nut;
pub mod pjlink;
pub mod poller;
pub mod profile;
pub mod publisher;
pub mod request_batching;
pub mod settings;
pub mod ups;

use serde::{Deserialize, Serialize};

use ioc_common::id::SensorName;
use ioc_common::layout::Layout;
use ioc_common::report::{Facts, ProbeOutcome, SensorFacts};

/// Longest line of [`SensorUpdate`], in bytes.
pub const LINE_MAX_BYTES: usize = 512 * 1024;

/// What the agent is told of a sensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "their names say it")]
pub struct SensorUpdate {
    pub sensor: SensorName,
    pub change: SensorChange,
}

/// What is new about a sensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SensorChange {
    /// What it is, and the layout of its samples from now on.
    Announce(Box<Announcement>),
    /// Its numbers, in the order of the layout.
    Values(Vec<Option<f64>>),
    /// Whether it can be read, when that changed.
    ProbeOutcome(ProbeOutcome),
}

/// A sensor as the collector is told of it: what it is, and the layout of its samples from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    /// What the configuration says.
    pub facts: SensorFacts,
    /// What the device itself says: maker, model, serial number, firmware.
    pub machine: Facts,
    /// Between two samples, seconds.
    pub interval_s: u32,
    /// The layout of its samples.
    pub layout: Layout,
    /// Whether it can be read.
    pub outcome: ProbeOutcome,
}
