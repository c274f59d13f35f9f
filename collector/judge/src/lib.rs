//! Judging: what a report means, what to do about it, whom to tell. Pure logic.
//!
//! Called by the collector's engine as [`State::step`]`(input, now)`, which changes the state and returns effects; the
//! engine commits them and others act on them. Deliberately absent: clock, runtime, database, network, files.

pub mod authenticity;
pub mod deadline;
pub mod device;
pub mod duty;
pub mod effect;
pub mod fault;
pub mod incident;
pub mod local_time;
pub mod losses;
pub mod maintenance;
pub mod notice;
pub mod presence;
pub mod rule;
pub mod scope;
pub mod severity;
pub mod state;
pub mod storm;
pub mod text;

pub use authenticity::{Age, Authenticity, AuthenticityMark, Doubt, Evidence, InformationSource, Transport};
pub use device::{DeviceInfo, DeviceKind, Importance};
pub use effect::{Alert, Effect, Input, JudgedAction, ReportVerdict};
pub use fault::{Fault, FaultState, Matter};
pub use incident::{Action, Incident, IncidentState, NewIncident, Refusal, TimelineStep};
pub use losses::{Loss, LossLedger};
pub use maintenance::{Named, Warning, Window, WindowSchedule};
pub use notice::{Notice, Occasion};
pub use presence::{HostAnswer, Presence, PresenceState};
pub use rule::{Rule, RuleCondition, RuleKind, RuleSet};
pub use scope::Scope;
pub use severity::{Priority, Severity};
pub use state::{Device, IDENTITY_COLLISION, Snapshot, State, TimeLimits};
pub use storm::{Common, Storm};
pub use text::Text;

#[cfg(test)]
mod scenarios;
