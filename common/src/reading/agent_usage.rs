//! The agent's own cost, so that ops can see that it stays small.

use super::{Sink, brief};

/// What the agent itself uses.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AgentUsage {
    /// CPU time since the last sample, milliseconds; none at the first.
    pub cpu_ms: Option<f64>,
    /// Resident memory, bytes; none before it was first measured.
    pub rss: Option<u64>,
    /// Reports waiting to be committed.
    pub waiting: u64,
    /// Reports lost since the spool was made.
    pub lost: u64,
    /// Bytes of the spool that are damaged, and kept until a person removes them.
    pub damaged: u64,
    /// The agent's own directory can be written, as far as it was tried.
    pub state_writable: bool,
}

impl AgentUsage {
    /// Gives every number to `sink`.
    pub fn emit(&self, sink: &mut dyn Sink) {
        sink.put("agent.cpu_ms", "", self.cpu_ms.map_or(f64::NAN, brief));
        sink.put("agent.rss", "", self.rss.map_or(f64::NAN, |rss| brief(rss as f64)));
        sink.put("agent.waiting", "", self.waiting as f64);
        sink.put("agent.lost", "", self.lost as f64);
        sink.put("agent.spool_damaged", "", self.damaged as f64);
        sink.put("agent.state_writable", "", f64::from(u8::from(self.state_writable)));
    }
}
