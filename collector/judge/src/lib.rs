//! Judging: what a report means, what to do about it, whom to tell. Pure logic.
//!
//! Called by the collector's engine as [`State::step`]`(input, now)`, which changes the state and returns effects; the
//! engine commits them and others act on them. Deliberately absent: clock, runtime, database, network, files.

pub mod device;
pub mod duty;
pub mod effect;
pub mod fault;
pub mod incident;
pub mod maintenance;
pub mod notice;
pub mod presence;
pub mod rule;
pub mod state;
pub mod text;
mod track;

pub use device::{Device, DeviceInfo, DeviceKind, Importance};
pub use effect::{Alert, Effect, Input, Verdict};
pub use fault::{Fault, FaultState};
pub use incident::{Action, Incident, IncidentState, Manual, Priority, Refusal, Step};
pub use maintenance::{When, Window};
pub use notice::{Notice, Occasion};
pub use presence::{HostAnswer, Presence};
pub use rule::{Rule, RuleKind, RuleSet, Scope, Severity};
pub use state::{Book, COLLISION, Loss, Settings, Snapshot, State};
pub use text::Text;

#[cfg(test)]
mod scenarios;
