//! What is known of where a fault's information came from, at the moment at which an incident is opened for it (article 17.3).

use ioc_common::clock::Timestamp;

use super::{Device, State, series_state};
use crate::authenticity::{CLOCK_ERROR_MAX_MS, Evidence, InformationSource, Transport};
use crate::fault::Fault;
use crate::rule::RuleCondition;

impl State {
    /// Who says so, and what speaks against them now.
    pub(super) fn evidence_of(&self, fault: &Fault, now: Timestamp) -> Evidence {
        let source = fault.source.unwrap_or_else(|| self.source_of(fault));
        let device = self.devices.get(&fault.device).filter(|_| source == InformationSource::Agent);
        // Of a clock of our own that is in doubt, what is taken meanwhile says so by itself: the collector's incident stands beside it.
        let collector_clock_doubted = self.wall_ahead_ms.is_some_and(|ahead| ahead.unsigned_abs() > CLOCK_ERROR_MAX_MS);
        let doubts = device.map(|device| transport(device, collector_clock_doubted, now).doubts());
        Evidence { source, doubts: doubts.unwrap_or_default() }
    }

    /// Who says what a rule of ours judged.
    fn source_of(&self, fault: &Fault) -> InformationSource {
        let by_device = match self.rules.find(&fault.rule).map(|rule| &rule.condition) {
            Some(RuleCondition::Number(number)) => !series_state::is_computed(number.metric.name),
            Some(RuleCondition::Document(_)) => true,
            // Silence, budgets and two machines under one identity are what the collector sees.
            Some(RuleCondition::Silent | RuleCondition::Budget) | None => false,
        };
        match self.devices.get(&fault.device).filter(|_| by_device) {
            Some(device) if device.info.parent.is_some() => InformationSource::Sensor,
            Some(device) if device.plain => InformationSource::PlainMqtt,
            Some(_) => InformationSource::Agent,
            None => InformationSource::Collector,
        }
    }
}

fn transport(device: &Device, collector_clock_doubted: bool, now: Timestamp) -> Transport {
    let lost = device.losses.recent(now).into_iter().any(|lost| lost > 0);
    let through_broker = device.came_through_broker(now);
    Transport { clock_error_ms: device.clock_error_ms, lost, collector_clock_doubted, through_broker }
}
