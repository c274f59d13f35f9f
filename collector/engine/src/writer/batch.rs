//! What is gathered for one commit.

use std::collections::HashSet;

use tokio::sync::oneshot;

use ioc_common::id::DeviceId;
use ioc_common::report::Ask;
use ioc_judge::Effect;
use ioc_store::Change;

use super::CommandResult;

/// What one commit holds, and what follows it.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) changes: Vec<Change>,
    /// Devices of which the judge tracks something else than before.
    pub(super) touched: HashSet<DeviceId>,
    pub(super) answers: Vec<(oneshot::Sender<CommandResult>, CommandResult)>,
    pub(super) asks: Vec<(DeviceId, Ask)>,
    pub(super) probes: Vec<DeviceId>,
    /// Whose links are closed, and why.
    pub(super) disconnects: Vec<(DeviceId, &'static str)>,
    pub(super) reports: u64,
    pub(super) values: u64,
    pub(super) notices: bool,
    pub(super) visible: bool,
    /// How many inputs it took, and whether one of them waits for nobody.
    pub(super) inputs: usize,
    pub(super) urgent: bool,
}

impl Batch {
    /// Nothing is to be committed or sent.
    pub(super) fn is_empty(&self) -> bool {
        self.inputs == 0
            && self.changes.is_empty()
            && self.touched.is_empty()
            && self.asks.is_empty()
            && self.probes.is_empty()
            && self.disconnects.is_empty()
    }
}

/// Whether somebody waits for what this says.
pub(super) const fn is_urgent(effect: &Effect) -> bool {
    match effect {
        Effect::Fault(_)
        | Effect::Incident(_)
        | Effect::Step(_)
        | Effect::Notice(_)
        | Effect::Removed(_)
        | Effect::Quarantined(_)
        | Effect::ReportsLost(..)
        | Effect::Window(_)
        | Effect::WindowEnded(_)
        | Effect::Cover(_)
        | Effect::CoverEnded(_)
        | Effect::ProbeHost(_) => true,
        Effect::Presence(_)
        | Effect::Announced(_)
        | Effect::LossLedger(_)
        | Effect::Comparison { .. }
        | Effect::Ask(..)
        | Effect::Record { .. } => false,
    }
}
