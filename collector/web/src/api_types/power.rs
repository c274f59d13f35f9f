//! The power of the rooms.

use serde::Serialize;

use ioc_engine::power_score as inside;

use super::{Text, all};

/// The power of one room.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Room {
    /// Its name, as devices say where they stand.
    name: String,
    /// How many machines stand in it: servers, workstations, display controllers.
    machines: u64,
    /// Power of each UPS that stands in it.
    ups: Vec<UpsPower>,
    /// That of its weakest UPS; none when none is watched.
    score: Option<u8>,
}

impl From<inside::RoomPower> for Room {
    fn from(inside: inside::RoomPower) -> Self {
        Self { name: inside.name, machines: inside.machines, ups: all(inside.ups), score: inside.score }
    }
}

/// The power of one UPS.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct UpsPower {
    /// Identifier of the UPS in the inventory.
    device: String,
    /// Name of the UPS, for people.
    name: String,
    /// Power score, 0 (worst) to 100.
    score: u8,
    /// On mains; none when that is not known.
    mains: Option<bool>,
    /// How long the battery lasts at this load, seconds; none when it is not known.
    runtime_s: Option<f64>,
    /// Charge of the battery, percent; none when it is not known.
    charge: Option<f64>,
    /// Load, percent of what the UPS can carry; none when it is not known.
    load: Option<f64>,
    /// Age of the battery, days; none when it is not known.
    battery_age_days: Option<f64>,
    /// Days since the last self-test; none when it is not known.
    test_age_days: Option<f64>,
    /// What costs points, the worst first.
    reasons: Vec<ScoreReason>,
}

impl From<inside::UpsPower> for UpsPower {
    fn from(inside: inside::UpsPower) -> Self {
        Self {
            device: inside.device,
            name: inside.name,
            score: inside.score,
            mains: inside.mains,
            runtime_s: inside.runtime_s,
            charge: inside.charge,
            load: inside.load,
            battery_age_days: inside.battery_age_days,
            test_age_days: inside.test_age_days,
            reasons: all(inside.reasons),
        }
    }
}

/// What costs points.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct ScoreReason {
    /// How many points of 100 it costs.
    points: u8,
    /// What is wrong with the supply, for a person.
    text: Text,
}

impl From<inside::Deduction> for ScoreReason {
    fn from(inside: inside::Deduction) -> Self {
        Self { points: inside.points, text: inside.text.into() }
    }
}
