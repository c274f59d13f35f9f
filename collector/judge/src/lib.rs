//! Judging: what a report means, what to do about it, whom to tell. Pure logic.
//!
//! Called by the collector's engine as [`State::step`]`(input, now)`, which changes the state and returns effects; the
//! engine commits them and others act on them. Deliberately absent: clock, runtime, database, network, files.

pub mod device;
pub mod effect;
pub mod fault;
pub mod incident;
pub mod notice;
pub mod presence;
pub mod rule;
pub mod state;
mod text;
mod track;

pub use device::{Device, DeviceInfo, DeviceKind};
pub use effect::{Effect, Input, Verdict};
pub use fault::{Fault, FaultState};
pub use incident::{Incident, IncidentState, Step};
pub use notice::{Notice, Occasion};
pub use presence::{HostAnswer, Presence};
pub use rule::{Rule, RuleKind, RuleSet, Severity};
pub use state::{Settings, Snapshot, State};
pub use text::Text;

#[cfg(test)]
mod scenarios;
