//! Incidents: opening, joining, resolving, reopening, acknowledging.

use ioc_common::clock::Timestamp;
use ioc_common::id::{FaultId, IncidentId};

use super::State;
use crate::effect::Effect;
use crate::fault::Fault;
use crate::incident::{Incident, IncidentState, Refusal, Step};
use crate::notice::{Notice, Occasion};
use crate::text::Text;

impl State {
    /// Puts a fault under the incident of its device and rule: the one that is open, the one that was just resolved, or a
    /// new one.
    pub(super) fn open_incident(&mut self, fault: &mut Fault, now: Timestamp, out: &mut Vec<Effect>) {
        let cause = (fault.device.clone(), fault.rule.clone());
        let known = self.causes.get(&cause).and_then(|id| self.incidents.get_mut(id));
        let (id, occasion) = match known {
            Some(incident) => {
                incident.raised.push(fault.id);
                let occasion = if incident.state.is_active() {
                    None
                } else {
                    incident.state = IncidentState::Reopened;
                    incident.resolved_at = None;
                    incident.reason = fault.reason.clone();
                    Some(Occasion::Reopened)
                };
                (incident.id, occasion)
            }
            None => {
                let Some(rule) = self.rules.find(&fault.rule) else { return };
                self.last_incident += 1;
                let id = IncidentId(self.last_incident);
                let incident = Incident {
                    id,
                    device: fault.device.clone(),
                    rule: fault.rule.clone(),
                    severity: fault.severity,
                    state: IncidentState::Open,
                    title: rule.title.clone(),
                    reason: fault.reason.clone(),
                    advice: rule.advice.clone(),
                    opened_at: fault.raised_at,
                    acknowledged_at: None,
                    acknowledged_by: None,
                    resolved_at: None,
                    raised: vec![fault.id],
                    steps: 0,
                };
                self.incidents.insert(id, incident);
                self.causes.insert(cause, id);
                (id, Some(Occasion::Opened))
            }
        };
        fault.incident = Some(id);
        out.push(Effect::Fault(fault.clone()));
        self.advance_incident(id, now, "", fault.reason.clone(), occasion, out);
    }

    /// A fault under an incident is gone; the last one resolves it.
    pub(super) fn fault_gone(
        &mut self,
        id: IncidentId,
        fault: FaultId,
        why: &Text,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        incident.raised.retain(|one| *one != fault);
        if !incident.raised.is_empty() || !incident.state.is_active() {
            out.push(Effect::Incident(incident.clone()));
            return;
        }
        incident.state = IncidentState::Resolved;
        incident.resolved_at = Some(now);
        self.forget.insert((now.plus_millis(self.settings.reopen_within_ms), id));
        self.advance_incident(id, now, "", why.clone(), Some(Occasion::Resolved), out);
    }

    /// A person takes an incident.
    pub(super) fn acknowledge(
        &mut self,
        id: IncidentId,
        who: &str,
        note: &str,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let incident = self.incidents.get_mut(&id).ok_or(Refusal::Unknown(id))?;
        if !matches!(incident.state, IncidentState::Open | IncidentState::Reopened) {
            return Err(Refusal::State { incident: id, state: incident.state });
        }
        incident.state = IncidentState::Acknowledged;
        incident.acknowledged_at = Some(now);
        incident.acknowledged_by = Some(who.to_owned());
        let text =
            if note.is_empty() { Text::new("Đã tiếp nhận.", "Acknowledged.") } else { Text::new(note, note) };
        self.advance_incident(id, now, who, text, None, out);
        Ok(())
    }

    /// Writes the incident as it now is, the step that brought it there, and the notice that tells of it.
    fn advance_incident(
        &mut self,
        id: IncidentId,
        now: Timestamp,
        who: &str,
        note: Text,
        occasion: Option<Occasion>,
        out: &mut Vec<Effect>,
    ) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        incident.steps += 1;
        out.push(Effect::Incident(incident.clone()));
        out.push(Effect::Step(Step {
            incident: id,
            number: incident.steps,
            at: now,
            who: who.to_owned(),
            state: incident.state,
            note: note.clone(),
        }));
        let device = self.devices.get(&incident.device).map(|device| device.info.clone());
        if let (Some(occasion), Some(device)) = (occasion, device) {
            let article = self.rules.find(&incident.rule).map(|rule| rule.article.clone()).unwrap_or_default();
            out.push(Effect::Notice(Box::new(Notice {
                incident: id,
                step: incident.steps,
                occasion,
                severity: incident.severity,
                rule: incident.rule.clone(),
                article,
                device,
                title: incident.title.clone(),
                reason: note,
                advice: incident.advice.clone(),
                opened_at: incident.opened_at,
                resolved_at: incident.resolved_at,
            })));
        }
    }
}
