//! Incidents: opening, joining, flapping, resolving, reopening, forgetting.

use ioc_common::clock::Timestamp;
use ioc_common::id::{FaultId, IncidentId};

use super::storms::Company;
use super::{Cause, State, identity_collision};
use crate::authenticity::{Evidence, InformationSource};
use crate::device::Importance;
use crate::effect::Effect;
use crate::fault::{Fault, FaultState, Matter};
use crate::incident::{Incident, IncidentRecord, IncidentState, NewIncident, Progress, Refusal, TimelineStep};
use crate::notice::{Notice, Occasion};
use crate::severity::{Priority, Severity};
use crate::text::Text;

/// What is said of a new incident.
pub(super) struct IncidentTexts {
    pub(super) title: Text,
    pub(super) advice: Text,
    pub(super) article: String,
}

impl State {
    /// Puts a fault under the incident of its device and rule: the one that is open, the one that was just resolved, or a
    /// new one.
    pub(super) fn open_incident(&mut self, fault: &mut Fault, now: Timestamp, out: &mut Vec<Effect>) {
        if let Some(matter) = fault.matter.clone() {
            return self.open_matter(fault, &matter, now, out);
        }
        let cause = (Some(fault.device.clone()), fault.rule.clone());
        let known = self.known(&cause).filter(|_| self.is_still_in(&cause, now));
        let active = known.and_then(|id| self.incidents.get(&id)).filter(|one| one.state.is_active());
        if let Some(storm) = active.filter(|one| one.progress.storm.is_some()).map(|one| one.id) {
            return self.join_storm(storm, fault, now, out);
        }
        let mut held = false;
        let apart = known.and_then(|id| self.incidents.get(&id)).is_some_and(|one| one.progress.apart);
        if active.is_none() && !apart {
            if let Some(storm) = self.storm_for(fault, now) {
                return self.join_storm(storm, fault, now, out);
            }
            match self.company(fault, now) {
                Company::None => {}
                Company::Few => held = self.limits.storm_hold_ms > 0,
                Company::Many(of) => {
                    if let Some(storm) = self.form_storm(of, now, out) {
                        return self.join_storm(storm, fault, now, out);
                    }
                }
            }
        }
        self.open_own(fault, (known, held), now, out);
    }

    /// Puts a fault under the incident of its device and rule alone. What is held is told later, unless it becomes part of a storm.
    pub(super) fn open_own(
        &mut self,
        fault: &mut Fault,
        (known, held): (Option<IncidentId>, bool),
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let cause = (Some(fault.device.clone()), fault.rule.clone());
        let evidence = self.evidence_of(fault, now);
        let (id, occasion) = match known {
            Some(id) => (id, self.returned(id, fault, evidence, now)),
            None => {
                let rule = self.rules.find(&fault.rule);
                let words = match (&fault.title, rule) {
                    (Some(title), _) => {
                        let ours = fault.rule == identity_collision::IDENTITY_COLLISION;
                        let advice = if ours { identity_collision::advice() } else { Text::default() };
                        IncidentTexts { title: title.clone(), advice, article: String::new() }
                    }
                    (None, Some(rule)) => IncidentTexts {
                        title: rule.title.clone(),
                        advice: rule.advice.clone(),
                        article: rule.article.clone(),
                    },
                    (None, None) => return,
                };
                let id =
                    self.new_incident(cause, (fault.severity, evidence), words, &fault.reason, fault.raised_at, now);
                (id, Some(Occasion::Opened))
            }
        };
        self.join(fault, id, out);
        if let Some(incident) = self.incidents.get(&id).filter(|one| one.progress.flapping && occasion.is_none()) {
            // It comes and goes; the fault log has each time, the timeline need not.
            out.push(Effect::Incident(Box::new(incident.clone())));
            return;
        }
        let hold_until = now.plus_millis(self.limits.storm_hold_ms);
        let held = held && matches!(occasion, Some(Occasion::Opened | Occasion::Reopened));
        if occasion.is_some() {
            self.remember(fault, now);
        }
        if let Some(incident) = self.incidents.get_mut(&id).filter(|_| held) {
            incident.progress.held_until = Some(hold_until);
        }
        self.advance_incident(id, now, "", fault.reason.clone(), occasion.filter(|_| !held), out);
    }

    /// Puts a fault under the one incident of a matter that many devices have: which they are is told by the faults under it.
    fn open_matter(&mut self, fault: &mut Fault, matter: &Matter, now: Timestamp, out: &mut Vec<Effect>) {
        let cause = (None, matter.key.clone());
        let evidence = self.evidence_of(fault, now);
        let (id, occasion) = match self.known(&cause) {
            Some(id) => (id, self.returned(id, fault, evidence, now)),
            None => {
                let (title, advice, article) = (matter.title.clone(), matter.advice.clone(), matter.article.clone());
                let words = IncidentTexts { title, advice, article };
                let of = (fault.severity, evidence);
                (self.new_incident(cause, of, words, &matter.reason, fault.raised_at, now), Some(Occasion::Opened))
            }
        };
        self.join(fault, id, out);
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        incident.reason = matter.reason.clone();
        match occasion {
            Some(_) => self.advance_incident(id, now, "", matter.reason.clone(), occasion, out),
            // One device more: the fault log has each, the timeline need not.
            None => out.push(Effect::Incident(Box::new(incident.clone()))),
        }
    }

    /// Whether an incident about the centre itself stands under this key.
    #[must_use]
    pub fn has_self_fault(&self, key: &str) -> bool {
        let known = self.known(&(None, key.to_owned()));
        known.is_some_and(|id| self.incidents.get(&id).is_some_and(|one| one.state.is_active()))
    }

    /// The incident about a cause that a fault goes on with: what was closed is over.
    pub(super) fn known(&self, cause: &Cause) -> Option<IncidentId> {
        let goes_on = |id: &IncidentId| self.incidents.get(id).is_some_and(|one| one.state != IncidentState::Closed);
        self.causes.get(cause).copied().filter(goes_on)
    }

    /// Puts a fault under an incident, of whatever cause.
    pub(super) fn join(&mut self, fault: &mut Fault, id: IncidentId, out: &mut Vec<Effect>) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        fault.incident = Some(id);
        if incident.progress.flapping && fault.state == FaultState::Raised {
            fault.state = FaultState::Flapping;
        }
        let under = self.open_faults.entry(id).or_default();
        under.insert(fault.id, fault.device.clone());
        incident.raised = u32::try_from(under.len()).unwrap_or(u32::MAX);
        out.push(Effect::Fault(fault.clone()));
        if incident.progress.storm.is_some() {
            // A device may have several.
            return self.note_storm_device(id, &fault.device);
        }
        incident.progress.affected = incident.progress.affected.max(incident.raised);
    }

    /// An incident that is known has a fault again. What to say of it: nothing while it is open anyhow, or flaps.
    fn returned(&mut self, id: IncidentId, fault: &Fault, evidence: Evidence, now: Timestamp) -> Option<Occasion> {
        let (flap_returns, flap_within_ms) = (self.limits.flap_returns, self.limits.flap_within_ms);
        let incident = self.incidents.get_mut(&id)?;
        incident.progress.settle_until = None;
        if incident.state.is_active() {
            return None;
        }
        incident.reason = fault.reason.clone();
        incident.evidence = evidence;
        let returns = &mut incident.progress.returns;
        returns.push(now);
        returns.retain(|at| now.millis_since(*at) <= flap_within_ms);
        incident.progress.flapping = returns.len() >= flap_returns;
        let flapping = incident.progress.flapping;
        self.reopen(id, now);
        Some(if flapping { Occasion::Flapping } else { Occasion::Reopened })
    }

    /// It is not over: nobody has taken it any more, and its deadlines begin anew.
    pub(super) fn reopen(&mut self, id: IncidentId, now: Timestamp) {
        if let Some(incident) = self.incidents.get_mut(&id) {
            incident.state = IncidentState::Reopened;
            incident.resolved_at = None;
            incident.record.closing = None;
            (incident.progress.late_to_acknowledge, incident.progress.late_to_resolve) = (false, false);
        }
        self.set_deadlines(id, now);
    }

    pub(super) fn new_incident(
        &mut self,
        cause: Cause,
        (severity, evidence): (Severity, Evidence),
        words: IncidentTexts,
        reason: &Text,
        since: Timestamp,
        now: Timestamp,
    ) -> IncidentId {
        self.last_incident += 1;
        let id = IncidentId(self.last_incident);
        let importance = cause.0.as_ref().and_then(|id| self.devices.get(id)).map(|device| device.info.importance);
        let incident = Incident {
            id,
            device: cause.0.clone(),
            rule: cause.1.clone(),
            severity,
            priority: Priority::of(severity, importance.unwrap_or(Importance::Normal)),
            state: IncidentState::Open,
            title: words.title,
            reason: reason.clone(),
            advice: words.advice,
            article: words.article,
            opened_at: since,
            acknowledge_by: None,
            resolve_by: None,
            acknowledged_at: None,
            acknowledged_by: None,
            resolved_at: None,
            raised: 0,
            steps: 0,
            evidence,
            record: IncidentRecord::default(),
            progress: Progress::default(),
        };
        self.incidents.insert(id, incident);
        if !cause.1.is_empty() {
            self.causes.insert(cause, id);
        }
        self.set_deadlines(id, now);
        id
    }

    /// A person opens an incident.
    pub(super) fn open_by_person(
        &mut self,
        new: NewIncident,
        who: &str,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        if let Some(device) = new.device.as_ref().filter(|id| !self.devices.contains_key(*id)) {
            return Err(Refusal::NoDevice(device.clone()));
        }
        if new.title.vi.trim().is_empty() {
            let why = Text::new("chưa điền; ghi điều gì không bình thường", "found none; say what is wrong");
            return Err(Refusal::Invalid { field: "title", why });
        }
        // Whoever reported by telephone must be verified (article 17.3).
        let article = if new.report.is_some() { "17.3" } else { "" };
        let words = IncidentTexts { title: new.title, advice: new.advice, article: article.to_owned() };
        let cause = (new.device, String::new());
        let source = match &new.report {
            Some(_) => InformationSource::Report,
            None if who.is_empty() => InformationSource::Collector,
            None => InformationSource::Person,
        };
        let of = (new.severity, Evidence::of(source));
        let id = self.new_incident(cause, of, words, &new.reason, now, now);
        if let Some(incident) = self.incidents.get_mut(&id) {
            incident.record.report = new.report;
        }
        self.advance_incident(id, now, who, new.reason, Some(Occasion::Opened), out);
        Ok(())
    }

    /// Something is wrong at the centre itself, or is no more: an incident without device and fault.
    pub(super) fn self_fault(
        &mut self,
        key: &str,
        new: Option<NewIncident>,
        why: &Text,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let cause = (None, key.to_owned());
        let known = self.known(&cause);
        let active = known.filter(|id| self.incidents.get(id).is_some_and(|one| one.state.is_active()));
        match (new, known, active) {
            (Some(new), None, _) => {
                let words = IncidentTexts { title: new.title, advice: new.advice, article: "10.1".to_owned() };
                let of = (new.severity, Evidence::of(InformationSource::Collector));
                let id = self.new_incident(cause, of, words, why, now, now);
                self.advance_incident(id, now, "", why.clone(), Some(Occasion::Opened), out);
            }
            (Some(_), Some(id), None) => {
                if let Some(incident) = self.incidents.get_mut(&id) {
                    incident.reason = why.clone();
                }
                self.reopen(id, now);
                self.advance_incident(id, now, "", why.clone(), Some(Occasion::Reopened), out);
            }
            (None, _, Some(id)) => self.resolve(id, "", why.clone(), now, out),
            (Some(_), _, Some(_)) | (None, _, None) => {}
        }
    }

    /// A fault under an incident is gone; the last one resolves it, at once or when it has settled.
    pub(super) fn fault_gone(
        &mut self,
        id: IncidentId,
        fault: FaultId,
        why: &Text,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let left = self.open_faults.get_mut(&id).map_or(0, |under| {
            under.remove(&fault);
            under.len()
        });
        let settle_ms = self.limits.flap_settle_ms;
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        incident.raised = u32::try_from(left).unwrap_or(u32::MAX);
        if left > 0 || !incident.state.is_active() {
            if incident.progress.storm.is_some() {
                return self.storm_changed(id);
            }
            out.push(Effect::Incident(Box::new(incident.clone())));
            return;
        }
        self.open_faults.remove(&id);
        if incident.progress.flapping {
            incident.progress.settle_until = Some(now.plus_millis(settle_ms));
            out.push(Effect::Incident(Box::new(incident.clone())));
            self.watch_incident(id);
            return;
        }
        self.resolve(id, "", why.clone(), now, out);
    }

    /// The fault is gone.
    pub(super) fn resolve(&mut self, id: IncidentId, who: &str, why: Text, now: Timestamp, out: &mut Vec<Effect>) {
        // Nothing is kept from people because it ended while it was held.
        self.release_held(id, now, out);
        let storm = self.incidents.get(&id).and_then(|one| one.progress.storm.as_deref());
        if storm.is_some_and(|storm| storm.tell_by.is_some()) {
            self.tell_storm(id, now, out);
        }
        self.end_storm(id);
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        incident.state = IncidentState::Resolved;
        incident.resolved_at = Some(now);
        incident.progress.escalation = None;
        incident.progress.settle_until = None;
        incident.progress.flapping = false;
        self.advance_incident(id, now, who, why, Some(Occasion::Resolved), out);
    }

    /// Writes the incident as it now is, the step that brought it there, and the notice that tells of it.
    pub(super) fn advance_incident(
        &mut self,
        id: IncidentId,
        now: Timestamp,
        who: &str,
        note: Text,
        occasion: Option<Occasion>,
        out: &mut Vec<Effect>,
    ) {
        let told = occasion.map(|occasion| self.recipients(id, occasion, now));
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        incident.steps += 1;
        out.push(Effect::Incident(Box::new(incident.clone())));
        out.push(Effect::Step(TimelineStep {
            incident: id,
            number: incident.steps,
            at: now,
            who: who.to_owned(),
            state: incident.state,
            note: note.clone(),
        }));
        if let (Some(occasion), Some(to)) = (occasion, told) {
            let to_all = matches!(
                occasion,
                Occasion::Opened | Occasion::Reopened | Occasion::Resolved | Occasion::Flapping | Occasion::Overdue
            );
            self.notify(id, occasion, note, to, to_all, out);
        }
        self.watch_incident(id);
    }

    /// Makes the notice of an incident's newest step.
    pub(super) fn notify(
        &mut self,
        id: IncidentId,
        occasion: Occasion,
        reason: Text,
        to: Vec<crate::duty::Recipient>,
        to_all: bool,
        out: &mut Vec<Effect>,
    ) {
        let Some(incident) = self.incidents.get(&id) else { return };
        let device = self.about(incident).cloned();
        out.push(Effect::Notice(Box::new(Notice { to_all, to, ..Notice::about(incident, device, occasion, reason) })));
    }

    /// Takes up an incident that was forgotten, so that a person can go on with it.
    pub fn recall(&mut self, incident: Incident) {
        let id = incident.id;
        self.incidents.entry(id).or_insert(incident);
        self.watch_incident(id);
    }

    /// The incident with this number, while it is remembered.
    #[must_use]
    pub fn incident(&self, id: IncidentId) -> Option<&Incident> {
        self.incidents.get(&id)
    }

    /// Forgets an incident that is over for so long that its return would be a new one.
    pub(super) fn forget_when_over(&mut self, id: IncidentId, now: Timestamp) {
        let reopen_ms = self.limits.reopen_within_ms;
        let over = self.incidents.get(&id).is_some_and(|incident| {
            let since = incident.resolved_at.or(incident.record.closing.as_ref().map(|closing| closing.at));
            !incident.state.is_active() && since.is_none_or(|at| at.plus_millis(reopen_ms) <= now)
        });
        if !over {
            return;
        }
        self.causes.retain(|_, known| *known != id);
        self.open_faults.remove(&id);
        // Its deadlines run on.
        if self.incidents.get(&id).is_some_and(|incident| incident.record.next_deadline().is_none()) {
            self.incidents.remove(&id);
        }
    }
}
