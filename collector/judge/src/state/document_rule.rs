//! Documents: what they hold against what was accepted, or is approved.

use serde_json::Value;

use ioc_common::clock::Timestamp;
use ioc_common::document::Json;
use ioc_common::id::{DeviceId, FaultId, IncidentId};

use super::State;
use crate::effect::{Effect, JudgedAction};
use crate::fault::Fault;
use crate::incident::Refusal;
use crate::rule::document::{Comparison, DocumentRule};
use crate::rule::{Rule, RuleCondition};
use crate::text::Text;

/// Of which device, for which rule.
pub(super) type ComparisonKey = (DeviceId, String);

impl State {
    /// A document came: looks at it with every rule that is for it.
    pub(super) fn document(
        &mut self,
        id: &DeviceId,
        name: &str,
        document: &Json,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let Some(device) = self.devices.get(id) else { return };
        let about =
            |rule: &Rule| matches!(&rule.condition, RuleCondition::Document(condition) if condition.document == name);
        if !self.rules.rules().iter().any(about) {
            return;
        }
        let rules = self.rules.clone();
        let rules: Vec<&Rule> = rules
            .for_device(&device.info)
            .map(|place| &rules.rules()[usize::from(place)])
            .filter(|r| about(r))
            .collect();
        let Ok(value) = document.read::<Value>() else { return };
        for rule in rules {
            let RuleCondition::Document(condition) = &rule.condition else { continue };
            let found = condition.found(&value);
            let key = (id.clone(), rule.id.clone());
            let comparison = match self.comparisons.get(&key) {
                Some(known) if known.found == found => continue,
                Some(known) => Comparison { accepted: known.accepted.clone(), found },
                // What is there at first is what is there: only what changes later is news.
                None => Comparison { accepted: found.clone(), found },
            };
            self.keep_comparison(key, comparison, out);
            self.evaluate(id, rule, condition, now, out);
        }
    }

    /// Evaluates again what is known of all documents: rules have changed.
    pub(super) fn evaluate_documents(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        let rules = self.rules.clone();
        for (id, rule) in self.comparisons.keys().cloned().collect::<Vec<ComparisonKey>>() {
            let Some(info) = self.devices.get(&id).map(|device| device.info.clone()) else { continue };
            let mut places = rules.for_device(&info).map(|place| &rules.rules()[usize::from(place)]);
            let Some(rule) = places.find(|one| one.id == rule) else { continue };
            if let RuleCondition::Document(condition) = &rule.condition {
                self.evaluate(&id, rule, condition, now, out);
            }
        }
    }

    fn keep_comparison(&mut self, key: ComparisonKey, comparison: Comparison, out: &mut Vec<Effect>) {
        out.push(Effect::Comparison { device: key.0.clone(), rule: key.1.clone(), comparison: comparison.clone() });
        self.comparisons.insert(key, comparison);
    }

    fn evaluate(
        &mut self,
        id: &DeviceId,
        rule: &Rule,
        condition: &DocumentRule,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let Some(comparison) = self.comparisons.get(&(id.clone(), rule.id.clone())) else { return };
        let key = (id.clone(), rule.id.clone(), condition.path.clone());
        match (condition.deviation(&comparison.accepted, &comparison.found), self.device_faults.remove(&key)) {
            (None, None) => {}
            (None, Some(fault)) => {
                let why = Text::new("Đã trở lại như được chấp nhận.", "It is again as it was accepted.");
                self.clear(fault, now, now, &why, out);
            }
            (Some(reason), None) => {
                let fault = Fault::raised(self.new_fault(), key.clone(), rule.severity, now, reason);
                self.raise_device_fault(key, fault, now, out);
            }
            (Some(reason), Some(mut fault)) => {
                if fault.reason != reason {
                    fault.reason = reason.clone();
                    out.push(Effect::Fault(fault.clone()));
                    if let Some(incident) = fault.incident {
                        self.advance_incident(incident, now, "", reason, None, out);
                    }
                }
                self.device_faults.insert(key, fault);
            }
        }
    }

    /// A person accepts what changed: it is right from now on.
    pub(super) fn accept(
        &mut self,
        id: IncidentId,
        who: &str,
        note: &str,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        if !self.incidents.contains_key(&id) {
            return Err(Refusal::Unknown(id));
        }
        let under: Vec<(FaultId, DeviceId)> =
            self.open_faults.get(&id).into_iter().flatten().map(|(fault, device)| (*fault, device.clone())).collect();
        let rules = self.rules.clone();
        let mut keys = Vec::new();
        for (number, device) in under {
            let whole = self.device_faults_of(&device).find(|(_, fault)| fault.id == number);
            let Some((key, fault)) = whole else { continue };
            let is_change = rules.find(&fault.rule).is_some_and(Rule::is_change);
            if is_change && self.comparisons.contains_key(&(device.clone(), fault.rule.clone())) {
                keys.push(key.clone());
            }
        }
        if keys.is_empty() {
            let why = Text::new(
                "sự cố này không có thay đổi nào để chấp nhận",
                "no fault under this incident is a change that a person can accept",
            );
            return Err(Refusal::Invalid { field: "accept", why });
        }
        let said = Text::new(format!("Chấp nhận thay đổi: {note}"), format!("The change is accepted: {note}"));
        self.advance_incident(id, now, who, said, None, out);
        for key in keys {
            let list = (key.0.clone(), key.1.clone());
            if let Some(known) = self.comparisons.get(&list) {
                let comparison = Comparison { accepted: known.found.clone(), found: known.found.clone() };
                let detail = format!("{} accepted by {who}: {note}", key.1);
                out.push(Effect::Record { device: key.0.clone(), action: JudgedAction::ChangeAccepted, detail });
                self.keep_comparison(list, comparison, out);
            }
            if let Some(fault) = self.device_faults.remove(&key) {
                let why = Text::new("Thay đổi đã được chấp nhận.", "The change was accepted.");
                self.clear(fault, now, now, &why, out);
            }
        }
        Ok(())
    }
}
