//! Sensors: devices around this host that cannot run an agent. They are read by a program of its own beside the agent
//! (`ioc-agent-survey sensors`, [`watch`]), which tells it line by line what it found ([`Told`]); a host without sensors pays nothing.
//!
//! Rooms: [`settings`] checks the configuration, [`profile`], [`plan`] and [`decode`] turn the words of a Modbus device into numbers,
//! [`modbus`], [`nut`] and [`pjlink`] speak to devices, [`board`] decides what is told when, [`tool`] helps a technician on site.
//! Deliberately absent: writing to any device.

pub mod board;
pub mod day;
pub mod decode;
pub mod modbus;
pub mod nut;
pub mod pjlink;
pub mod plan;
pub mod profile;
pub mod settings;
pub mod shipped;
pub mod tool;
pub mod ups;
pub mod watch;

use serde::{Deserialize, Serialize};

use ioc_common::id::SensorName;
use ioc_common::layout::Layout;
use ioc_common::report::{Facts, ProbeOutcome, SensorFacts};

/// Longest line of [`Told`], in bytes.
pub const LINE_MAX_BYTES: usize = 512 * 1024;

/// What the agent is told of a sensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Of which.
    pub sensor: SensorName,
    /// What.
    pub news: News,
}

/// News of a sensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum News {
    /// What it is, and the layout of its samples from now on.
    Announce(Box<Announcement>),
    /// Its numbers, in the order of the layout.
    Values(Vec<Option<f64>>),
    /// Whether it can be read, when that changed.
    Outcome(ProbeOutcome),
}

/// What a sensor is.
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
