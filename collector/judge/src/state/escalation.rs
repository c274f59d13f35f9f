//! Who is told of an incident, who is told next while nobody takes it, and what is late.

use ioc_common::clock::Timestamp;
use ioc_common::id::IncidentId;

use super::State;
use crate::deadline::REMINDER;
use crate::device::DeviceInfo;
use crate::duty::{Escalation, EscalationTarget, Policy, Recipient};
use crate::effect::Effect;
use crate::incident::{Incident, IncidentState};
use crate::notice::Occasion;
use crate::text::Text;

/// Most people that are remembered as told of one incident.
const NOTIFIED_MAX: usize = 200;

impl State {
    /// Sets an incident's deadlines anew, from `now` on.
    pub(super) fn set_deadlines(&mut self, id: IncidentId, now: Timestamp) {
        if let Some(incident) = self.incidents.get_mut(&id) {
            let limits = self.plan.deadlines_of(incident.priority);
            incident.acknowledge_by = Some(now.plus_millis(limits.acknowledge_ms));
            incident.resolve_by = Some(now.plus_millis(limits.resolve_ms));
        }
    }

    /// Whom the duty plan names for this occasion. Opening begins the escalation, and takes the step that is due at once.
    pub(super) fn recipients(&mut self, id: IncidentId, occasion: Occasion, now: Timestamp) -> Vec<Recipient> {
        let people = match occasion {
            Occasion::Opened | Occasion::Reopened | Occasion::Flapping => self.begin_escalation(id, now),
            Occasion::Resolved | Occasion::Overdue => {
                self.incidents.get(&id).map(|incident| incident.progress.notified.clone()).unwrap_or_default()
            }
            Occasion::Regulator => self.plan.regulator.as_ref().map(|one| one.people.clone()).unwrap_or_default(),
            // Its recipients were found with the step.
            Occasion::Escalated
            | Occasion::Storm
            | Occasion::Assigned
            | Occasion::Test
            | Occasion::TurnAsked
            | Occasion::TurnAnswered => return Vec::new(),
        };
        let Some(incident) = self.incidents.get(&id) else { return Vec::new() };
        self.plan.recipients(&people, incident.severity, now)
    }

    fn begin_escalation(&mut self, id: IncidentId, now: Timestamp) -> Vec<String> {
        let Some(incident) = self.incidents.get(&id) else { return Vec::new() };
        let device = self.about(incident);
        let mut people = self.leaders_of(&incident.article, device, now);
        let plan = std::sync::Arc::clone(&self.plan);
        let policy = plan.policy_for(incident.severity, device);
        let mut escalation = policy.and_then(|policy| Escalation::begin(policy, now));
        if let (Some(policy), Some(this)) = (policy, escalation.clone())
            && this.due_at <= now
        {
            let meant = self.people_of_step(incident, policy, this.step, now);
            let is_reached = !self.plan.recipients(&meant, incident.severity, now).is_empty();
            people.extend(meant);
            escalation = this.after(policy, now, is_reached);
        }
        people.sort();
        people.dedup();
        self.remember_notified(id, &people);
        if let Some(incident) = self.incidents.get_mut(&id) {
            incident.progress.escalation = escalation;
        }
        people
    }

    /// A broken device is reported to the responsible leader at once (article 6.2).
    pub(super) fn leaders_of(&self, article: &str, device: Option<&DeviceInfo>, now: Timestamp) -> Vec<String> {
        if article.split([',', ' ', ';']).any(|article| article == "6.2") {
            return self.plan.people_of(&EscalationTarget::Leader, device, &self.covers, now);
        }
        Vec::new()
    }

    /// Whom the plan names at once for an incident as bad as it now is. An escalation that is under way goes on as it does.
    pub(super) fn named_at_once(&mut self, id: IncidentId, now: Timestamp) -> Vec<String> {
        let Some(incident) = self.incidents.get(&id) else { return Vec::new() };
        if incident.progress.escalation.is_none() {
            return self.begin_escalation(id, now);
        }
        let plan = std::sync::Arc::clone(&self.plan);
        let policy = plan.policy_for(incident.severity, self.about(incident));
        policy.map(|policy| self.people_of_step(incident, policy, 0, now)).unwrap_or_default()
    }

    fn people_of_step(&self, incident: &Incident, policy: &Policy, step: usize, now: Timestamp) -> Vec<String> {
        let device = self.about(incident);
        let targets = policy.steps.get(step).map(|step| step.to.as_slice()).unwrap_or_default();
        let mut people: Vec<String> =
            targets.iter().flat_map(|target| self.plan.people_of(target, device, &self.covers, now)).collect();
        people.sort();
        people.dedup();
        people
    }

    pub(super) fn remember_notified(&mut self, id: IncidentId, people: &[String]) {
        if let Some(incident) = self.incidents.get_mut(&id) {
            for person in people {
                let told = &mut incident.progress.notified;
                if told.len() < NOTIFIED_MAX && !told.contains(person) {
                    told.push(person.clone());
                }
            }
        }
    }

    /// Takes the step of an escalation that is due. A step that reaches nobody is said, and the next one follows at once: an empty
    /// rota must not make anyone wait.
    fn escalate(&mut self, id: IncidentId, now: Timestamp, out: &mut Vec<Effect>) {
        let plan = std::sync::Arc::clone(&self.plan);
        loop {
            let Some(incident) = self.incidents.get(&id) else { return };
            let Some(this) = incident.progress.escalation.clone().filter(|this| this.due_at <= now) else { return };
            // A policy that is gone from the plan is over.
            let policy = plan.policy(&this.policy).filter(|policy| this.step < policy.steps.len());
            let Some(policy) = policy else {
                if let Some(incident) = self.incidents.get_mut(&id) {
                    incident.progress.escalation = None;
                }
                return;
            };
            let people = self.people_of_step(incident, policy, this.step, now);
            let to = plan.recipients(&people, incident.severity, now);
            let empty = to.is_empty();
            let next = this.after(policy, now, !empty);
            let last = next.is_none();
            let (number, of) = (this.step + 1, policy.steps.len());
            if let Some(incident) = self.incidents.get_mut(&id) {
                incident.progress.escalation = next;
            }
            let note = if empty {
                let targets: Vec<String> = policy.steps[this.step].to.iter().map(ToString::to_string).collect();
                let targets = targets.join(", ");
                Text::new(
                    format!("Bước {number}/{of} bị bỏ qua: {targets} không có ai liên lạc được."),
                    format!("Step {number} of {of} was skipped: nobody can be reached as {targets}."),
                )
            } else {
                let names: Vec<&str> =
                    people.iter().filter_map(|id| plan.person(id)).map(|one| one.name.as_str()).collect();
                let names = names.join(", ");
                Text::new(
                    format!("Chưa ai tiếp nhận. Bước {number}/{of}: báo {names}."),
                    format!("Nobody has taken it. Step {number} of {of}: told {names}."),
                )
            };
            self.remember_notified(id, &people);
            self.advance_incident(id, now, "", note.clone(), None, out);
            // Whoever listens to all is told when the plan reaches nobody, and when it has come to its end.
            if !empty || last {
                self.notify(id, Occasion::Escalated, note, to, empty || last, out);
                return;
            }
        }
    }

    /// Looks at everything about an incident that goes by time.
    pub(super) fn incident_due(&mut self, id: IncidentId, now: Timestamp, out: &mut Vec<Effect>) {
        self.say_deadlines(id, now, out);
        let Some(incident) = self.incidents.get(&id) else { return };
        let (state, course) = (incident.state, &incident.progress);
        if !state.is_active() {
            self.forget_when_over(id, now);
            return self.watch_deadlines(id);
        }
        let due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        if due(course.storm.as_deref().and_then(|storm| self.storm_due(storm))) {
            self.tell_storm(id, now, out);
        }
        if due(self.incidents.get(&id).and_then(|one| one.progress.held_until)) {
            self.release_held(id, now, out);
        }
        let Some(incident) = self.incidents.get(&id) else { return };
        let course = &incident.progress;
        if due(course.settle_until) {
            let why = Text::new("Đã ổn định, không chập chờn nữa.", "It has settled and no longer flaps.");
            return self.resolve(id, "", why, now, out);
        }
        let late_to_acknowledge = state.is_untaken() && !course.late_to_acknowledge && due(incident.acknowledge_by);
        let late_to_resolve = !course.late_to_resolve && due(resolve_due(incident));
        if state.is_untaken() {
            self.escalate(id, now, out);
        }
        if late_to_acknowledge {
            if let Some(incident) = self.incidents.get_mut(&id) {
                incident.progress.late_to_acknowledge = true;
            }
            let note = Text::new("Quá hạn tiếp nhận.", "The deadline to take it has passed.");
            // The escalation tells the next; where there is none, everyone is told again.
            let pursued = self.incidents.get(&id).is_some_and(|one| one.progress.escalation.is_some());
            let occasion = if pursued { None } else { Some(Occasion::Overdue) };
            self.advance_incident(id, now, "", note, occasion, out);
        }
        if late_to_resolve {
            if let Some(incident) = self.incidents.get_mut(&id) {
                incident.progress.late_to_resolve = true;
            }
            let note = Text::new("Quá hạn khắc phục.", "The deadline to resolve it has passed.");
            self.advance_incident(id, now, "", note, Some(Occasion::Overdue), out);
        }
        self.watch_incident(id);
    }

    /// Asks to be woken when something about an incident is due next. Earlier wishes stay and find nothing to do.
    pub(super) fn watch_incident(&mut self, id: IncidentId) {
        let Some(incident) = self.incidents.get(&id) else { return };
        let at = if incident.state.is_active() {
            let course = &incident.progress;
            let untaken = incident.state.is_untaken();
            let acknowledge = incident.acknowledge_by.filter(|_| untaken && !course.late_to_acknowledge);
            let resolve = resolve_due(incident).filter(|_| !course.late_to_resolve);
            let escalation = course.escalation.as_ref().filter(|_| untaken).map(|this| this.due_at);
            let storm = course.storm.as_deref().and_then(|storm| self.storm_due(storm));
            [acknowledge, resolve, escalation, course.settle_until, course.held_until, storm]
                .into_iter()
                .flatten()
                .min()
        } else {
            let closed = incident.record.closing.as_ref().filter(|_| incident.state == IncidentState::Closed);
            let since = incident.resolved_at.or(closed.map(|closing| closing.at));
            Some(since.unwrap_or_default().plus_millis(self.limits.reopen_within_ms))
        };
        if let Some(at) = at {
            self.incident_wakes.insert((at, id));
        }
        self.watch_deadlines(id);
    }
}

/// By when the fault is to be gone. That the time of what a reminder is about has passed its own incident says ([`State::say_deadlines`]).
fn resolve_due(incident: &Incident) -> Option<Timestamp> {
    incident.resolve_by.filter(|_| !incident.rule.starts_with(REMINDER))
}
