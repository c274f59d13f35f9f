//! Lost reports: an event of the device, the judge's ledger of losses, and counters.

use std::collections::BTreeMap;

use ioc_common::id::DeviceId;
use ioc_common::report::LossReason;
use ioc_judge::Loss;

use super::Engine;
use ioc_store::Change;

/// The event for lost reports.
pub(super) const REPORTS_LOST_EVENT: &str = "reports.lost";
/// The event for a run of an agent that ended without a goodbye: how many reports of its last seconds are missing is not known.
pub(super) const AGENT_CUT_OFF_EVENT: &str = "agent.cut_off";

impl Engine {
    pub(super) fn lost(&mut self, device: DeviceId, loss: &Loss) {
        let mut fields = BTreeMap::from([
            ("until", loss.until.to_string()),
            ("after", loss.after.to_string()),
            ("before", loss.before.to_string()),
        ]);
        if let Some(from) = loss.from {
            fields.insert("from", from.to_string());
        }
        let span = match loss.from {
            Some(from) => format!("taken between {from} and {}", loss.until),
            None => format!("taken before {}", loss.until),
        };
        let why: Vec<String> = loss.reasons.iter().map(|(why, count)| format!("{count} {}", in_words(*why))).collect();
        for (why, count) in &loss.reasons {
            self.health.count_lost(*why, *count);
            fields.insert(why.as_str(), count.to_string());
        }
        let (name, text) = if loss.count == 0 {
            let what = "the agent's run before this one ended without saying goodbye; what it took in its last seconds and had not sent is not known";
            (AGENT_CUT_OFF_EVENT, what.to_owned())
        } else {
            fields.insert("count", loss.count.to_string());
            let reports = if loss.count == 1 { "report is lost" } else { "reports are lost" };
            (REPORTS_LOST_EVENT, format!("{} {reports}, {span}: {}", loss.count, why.join(", ")))
        };
        tracing::warn!(%device, text, "reports are missing");
        self.batch.changes.push(Change::Event {
            device,
            at: loss.until,
            name: name.to_owned(),
            text,
            fields: serde_json::to_string(&fields).unwrap_or_default(),
        });
    }

    pub(super) fn persist_loss_ledger(&mut self, device: DeviceId) {
        if let Some(known) = self.state.device(&device) {
            self.batch.changes.push(Change::Losses { ledger: known.losses.clone(), device });
        }
    }
}

const fn in_words(why: LossReason) -> &'static str {
    match why {
        LossReason::SamplesThinned => "thinned out of a full spool",
        LossReason::SamplesDropped => "dropped, samples of a full spool",
        LossReason::EventsDropped => "dropped from a spool full of events",
        LossReason::TooLarge => "too large to be sent",
        LossReason::Corrupt => "damaged on the device's disk",
        LossReason::Failing => "dropped from memory while the device's disk could not be written",
        LossReason::Unsaved => "not yet saved when the agent stopped",
        LossReason::Quarantined => "in a part of the spool that could not be read",
        LossReason::Refused => "refused by the collector",
        LossReason::Unknown => "missing for an unknown reason",
        LossReason::CutOff => "in the last seconds of a run that was cut off",
    }
}
