//! Storms: what fails together becomes one incident ([decision 52](../../../../docs/decisions/0052-a-storm-is-one-matter.md)).
//!
//! The first fault is told at once and waits for nobody. Others that share something with it within [`TimeLimits::storm_within_ms`] are its
//! company: their notices are held for [`TimeLimits::storm_hold_ms`]. When [`TimeLimits::storm_devices`] devices have come together, the first
//! incident stands for all of them, and whoever shares what all have in common joins it. A step costs what it brings: nothing here walks over
//! what has joined before, but for the one moment at which a storm is over.
//!
//! [`TimeLimits::storm_within_ms`]: crate::TimeLimits::storm_within_ms
//! [`TimeLimits::storm_hold_ms`]: crate::TimeLimits::storm_hold_ms
//! [`TimeLimits::storm_devices`]: crate::TimeLimits::storm_devices

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, FaultId, IncidentId};

use super::clock_step::moved;
use super::{Cause, State, identity_collision};
use crate::device::DeviceInfo;
use crate::duty::EscalationTarget;
use crate::effect::Effect;
use crate::fault::Fault;
use crate::incident::{Incident, IncidentRecord, IncidentState};
use crate::notice::Occasion;
use crate::severity::{Priority, Severity};
use crate::storm::{Common, Storm, Worst};
use crate::text::Text;

/// Rules of one storm that are told apart.
const RULES_MAX: usize = 32;
/// People whom a storm still has to tell.
const TO_TELL_MAX: usize = 200;
/// Policies of one storm that are asked for whom they tell at once.
const POLICIES_MAX: usize = 64;
/// Storms with the same in common that are looked at for one that a fault joins: the newest.
const OPEN_MAX: usize = 4;
/// What faults had in common lately, before what is over is swept out.
const RECENT_MAX: usize = 4096;
/// A storm is told when nobody has joined it for this part of the time that notices are held.
const QUIET_PART: i64 = 4;
/// Told again when so many times more devices have joined.
const GROWTH: u32 = 10;
/// Faults that are looked at for the worst one when the worst has ended.
const WORST_LOOKS: usize = 100;
/// For so many windows after its beginning a storm is joined by what comes soon after the last one.
const LONGEST_WINDOWS: i64 = 15;

/// An incident that was opened lately, by what it may have in common with others.
#[derive(Debug)]
struct Recent {
    at: Timestamp,
    device: DeviceId,
    incident: IncidentId,
}

/// What is remembered to find out what belongs together.
#[derive(Debug, Default)]
pub(super) struct Storms {
    recent: BTreeMap<Common, Vec<Recent>>,
    /// Storms that can be joined, by what is in common in them.
    open: BTreeSet<(Common, IncidentId)>,
    /// Devices that have been in each.
    devices: HashMap<IncidentId, HashSet<DeviceId>>,
    /// When what was in one ended: what fails again soon is still part of it.
    departed: HashMap<Cause, Timestamp>,
    /// Those that have changed in this step: each is given out once.
    changed: BTreeSet<IncidentId>,
}

/// Who else failed just now.
pub(super) enum Company {
    /// Nobody who has anything in common with it, or it is worse or of another kind than what people were told of.
    None,
    /// Some, and people were told of the like: what is said of this one waits for more.
    Few,
    /// So many that they are one matter: the incidents of the others.
    Many(Vec<IncidentId>),
}

impl State {
    /// The storm that a fault belongs to: it shares what all in it have in common, and came soon after the last one or with the first.
    pub(super) fn storm_for(&self, fault: &Fault, now: Timestamp) -> Option<IncidentId> {
        if self.limits.storm_devices == 0 || fault.rule == identity_collision::IDENTITY_COLLISION {
            return None;
        }
        let info = &self.devices.get(&fault.device)?.info;
        for common in Common::of(info, &fault.rule) {
            let of = (common.clone(), IncidentId(0))..=(common, IncidentId(u64::MAX));
            let fits = |id: &IncidentId| {
                let Some(incident) = self.incidents.get(id).filter(|one| one.state.is_active()) else { return false };
                let Some(storm) = &incident.progress.storm else { return false };
                let within_ms = self.limits.storm_within_ms;
                let within = |a: Timestamp, b: Timestamp| a.millis_since(b).abs() < within_ms;
                // What goes on for longer is no one event, and must not swallow what fails on another day.
                let goes_on = now.millis_since(incident.opened_at) < LONGEST_WINDOWS * within_ms;
                goes_on && within(now, storm.joined_at) || within(fault.raised_at, incident.opened_at)
            };
            if let Some(id) = self.storms.open.range(of).rev().take(OPEN_MAX).map(|(_, id)| *id).find(fits) {
                return Some(id);
            }
        }
        None
    }

    /// Who else failed just now. The fault is remembered for those who come after it when it has an incident ([`Self::remember`]).
    pub(super) fn company(&mut self, fault: &Fault, now: Timestamp) -> Company {
        let (least, within_ms) = (self.limits.storm_devices, self.limits.storm_within_ms);
        if least == 0 || fault.rule == identity_collision::IDENTITY_COLLISION {
            return Company::None;
        }
        let Some(info) = self.devices.get(&fault.device).map(|device| &device.info) else { return Company::None };
        let mut others = BTreeSet::new();
        for common in Common::of(info, &fault.rule) {
            let Some(recent) = self.storms.recent.get_mut(&common) else { continue };
            let incidents = &self.incidents;
            recent.retain(|one| {
                let alone = |one: &Incident| one.state.is_active() && one.progress.storm.is_none();
                let age = now.millis_since(one.at);
                (0..within_ms).contains(&age) && incidents.get(&one.incident).is_some_and(alone)
            });
            let here: BTreeSet<IncidentId> =
                recent.iter().filter(|one| one.device != fault.device).map(|one| one.incident).collect();
            let devices: BTreeSet<&DeviceId> =
                recent.iter().map(|one| &one.device).filter(|one| **one != fault.device).collect();
            if devices.len() + 1 >= least {
                return Company::Many(here.into_iter().collect());
            }
            others.extend(here);
        }
        let told = others.iter().filter_map(|id| self.incidents.get(id));
        let told: Vec<&Incident> = told.filter(|one| one.progress.held_until.is_none()).collect();
        let worst = told.iter().map(|one| one.severity).max();
        let like = told.iter().any(|one| one.rule == fault.rule);
        match worst {
            // Whatever is worse than what people know of, or critical and of another kind, is told as if it were alone.
            Some(worst) if fault.severity <= worst && (like || fault.severity < Severity::Critical) => Company::Few,
            Some(_) | None => Company::None,
        }
    }

    /// Remembers a fault and its incident for those who come after it.
    pub(super) fn remember(&mut self, fault: &Fault, now: Timestamp) {
        let Some(incident) = fault.incident.filter(|_| self.limits.storm_devices > 0) else { return };
        let Some(info) = self.devices.get(&fault.device).map(|device| &device.info) else { return };
        if fault.rule == identity_collision::IDENTITY_COLLISION {
            return;
        }
        let within_ms = self.limits.storm_within_ms;
        if self.storms.recent.len() > RECENT_MAX {
            self.storms.recent.retain(|_, all| all.iter().any(|one| now.millis_since(one.at) < within_ms));
        }
        for common in Common::of(info, &fault.rule) {
            let recent = self.storms.recent.entry(common).or_default();
            recent.retain(|one| one.incident != incident);
            // Those with other devices make a storm before there are many; those of one device alone are bounded here.
            if recent.len() > 2 * self.limits.storm_devices {
                recent.remove(0);
            }
            recent.push(Recent { at: now, device: fault.device.clone(), incident });
        }
    }

    /// Says of a held incident what was held, where that is still to be said.
    pub(super) fn release_held(&mut self, id: IncidentId, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        if incident.progress.held_until.take().is_none() {
            return;
        }
        let occasion = if incident.progress.returns.is_empty() { Occasion::Opened } else { Occasion::Reopened };
        let (reason, untaken) = (incident.reason.clone(), incident.state.is_untaken());
        // Whoever took it meanwhile knows of it.
        let to = if untaken { self.recipients(id, occasion, now) } else { Vec::new() };
        self.notify(id, occasion, reason, to, true, out);
        if let Some(incident) = self.incidents.get(&id) {
            out.push(Effect::Incident(Box::new(incident.clone())));
        }
        self.watch_incident(id);
    }

    /// Makes the oldest of these incidents stand for all of them, and for what joins it from now on.
    pub(super) fn form_storm(
        &mut self,
        mut of: Vec<IncidentId>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Option<IncidentId> {
        of.sort_unstable();
        let id = of.first().copied()?;
        let first = self.incidents.get(&id)?;
        let rule = first.rule.clone();
        let info = first.device.as_ref().and_then(|device| self.devices.get(device)).map(|device| &device.info)?;
        // What the others lack is taken away as each of them joins.
        let common = Common::of(info, &rule);
        let told = of.iter().filter_map(|id| self.incidents.get(id)).filter(|one| one.progress.held_until.is_none());
        let told: Vec<Severity> = told.map(|one| one.severity).collect();
        let told_severity = told.iter().copied().max();
        let told = u32::try_from(told.len()).unwrap_or(u32::MAX);
        let held_by = of.iter().filter_map(|id| self.incidents.get(id)?.progress.held_until).min();
        let tell_by = held_by.unwrap_or_else(|| now.plus_millis(self.limits.storm_hold_ms));
        let under: Vec<(FaultId, DeviceId)> =
            self.open_faults.get(&id).into_iter().flatten().map(|(fault, device)| (*fault, device.clone())).collect();
        let words = self.called(&rule);
        let first = self.incidents.get_mut(&id)?;
        first.device = None;
        first.progress.held_until = None;
        first.progress.storm = Some(Box::new(Storm {
            common: common.clone(),
            rules: Vec::new(),
            words,
            advice: first.advice.clone().without_names(),
            joined_at: now,
            told: told.max(1),
            told_severity: told_severity.unwrap_or(first.severity),
            told_at: None,
            tell_by: Some(tell_by),
            tell_all: true,
            to_tell: Vec::new(),
            policies: Vec::new(),
            worst: None,
        }));
        self.storms.open.extend(common.into_iter().map(|common| (common, id)));
        for (fault, device) in under {
            self.storms.devices.entry(id).or_default().insert(device.clone());
            if let Some(fault) = self.fault_mut(&device, fault).map(|fault| fault.clone()) {
                self.account_member(id, &fault, now);
            }
        }
        // What somebody has taken already, or has written down something about, is theirs and stays.
        let is_untouched = |id: &IncidentId| {
            let one = self.incidents.get(id);
            one.is_some_and(|one| one.state.is_untaken() && one.record == IncidentRecord::default())
        };
        let others: Vec<IncidentId> = of.into_iter().skip(1).filter(is_untouched).collect();
        for other in &others {
            self.swallow(*other, id, now, out);
        }
        let joined = others.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let (vi, en) = match joined.is_empty() {
            true => (String::new(), String::new()),
            false => (format!(" Gộp vào: {joined}."), format!(" Joined: {joined}.")),
        };
        let note = Text::new(
            format!("Nhiều thiết bị lỗi cùng lúc: sự cố này từ đây là của tất cả.{vi}"),
            format!("Many devices failed at once: from now on this incident is about all of them.{en}"),
        );
        self.describe_storm(id);
        self.advance_incident(id, now, "", note, None, out);
        Some(id)
    }

    /// Ends an incident that is part of a storm, and puts its faults under that.
    fn swallow(&mut self, other: IncidentId, into: IncidentId, now: Timestamp, out: &mut Vec<Effect>) {
        let moved: Vec<(FaultId, DeviceId)> =
            self.open_faults.get(&other).into_iter().flatten().map(|(id, device)| (*id, device.clone())).collect();
        for (fault, device) in moved {
            self.move_fault(other, fault, into, out);
            if let Some(fault) = self.fault_mut(&device, fault).map(|fault| fault.clone()) {
                self.causes.insert((Some(device), fault.rule.clone()), into);
                self.account_member(into, &fault, now);
            }
        }
        self.open_faults.remove(&other);
        if let Some(incident) = self.incidents.get_mut(&other) {
            incident.state = IncidentState::Closed;
            incident.resolved_at = Some(now);
            incident.raised = 0;
            incident.record.merged_into = Some(into);
            incident.progress.escalation = None;
            incident.progress.held_until = None;
        }
        let note = Text::new(
            format!("Nhiều thiết bị lỗi cùng lúc: gộp vào {into}."),
            format!("Many devices failed at once: joined to {into}."),
        );
        self.advance_incident(other, now, "", note, None, out);
    }

    /// Puts a fault under a storm. Nobody is told of it alone, but for what is worse than they know, or critical and of another kind.
    pub(super) fn join_storm(&mut self, id: IncidentId, fault: &mut Fault, now: Timestamp, out: &mut Vec<Effect>) {
        let cause = (Some(fault.device.clone()), fault.rule.clone());
        self.storms.departed.remove(&cause);
        self.causes.insert(cause, id);
        self.join(fault, id, out);
        let urgent = self.account_member(id, fault, now);
        self.describe_storm(id);
        let (hold_ms, growth) = (self.limits.storm_hold_ms, GROWTH);
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        let affected = incident.progress.affected;
        let Some(storm) = incident.progress.storm.as_deref_mut() else { return };
        let before = storm.tell_by;
        if urgent {
            // However many kinds there are, people are told of them together.
            let soonest = storm.told_at.map_or(now, |at| at.plus_millis(hold_ms).max(now));
            storm.tell_by = Some(storm.tell_by.unwrap_or(soonest).min(soonest));
            storm.tell_all = true;
        } else if affected >= storm.told.saturating_mul(growth) {
            storm.tell_by = storm.tell_by.or_else(|| Some(now.plus_millis(hold_ms)));
            storm.tell_all = true;
        } else if !storm.to_tell.is_empty() {
            storm.tell_by = storm.tell_by.or_else(|| Some(now.plus_millis(hold_ms)));
        }
        let due = storm.tell_by.is_some_and(|by| by <= now);
        if due {
            self.tell_storm(id, now, out);
        } else if self
            .incidents
            .get(&id)
            .and_then(|one| one.progress.storm.as_ref())
            .is_some_and(|one| one.tell_by != before)
        {
            self.watch_incident(id);
        }
        self.storms.changed.insert(id);
    }

    /// Counts a fault that is under a storm now: what all have in common, the worst, whom the plan names for it. Whether it is worse than
    /// people know, or critical and of a kind that is new in it.
    fn account_member(&mut self, id: IncidentId, fault: &Fault, now: Timestamp) -> bool {
        let Some(info) = self.devices.get(&fault.device).map(|device| device.info.clone()) else { return false };
        let of = Common::of(&info, &fault.rule);
        let rule = self.rules.find(&fault.rule);
        let title = self.called(&fault.rule);
        let article = rule.map(|rule| rule.article.clone()).unwrap_or_default();
        let evidence = self.evidence_of(fault, now);
        let people = self.newly_named(id, &info, (fault.severity, &article), now);
        let priority = Priority::of(fault.severity, info.importance);
        let Some(incident) = self.incidents.get_mut(&id) else { return false };
        for doubt in evidence.doubts {
            if !incident.evidence.doubts.contains(&doubt) {
                incident.evidence.doubts.push(doubt);
            }
        }
        incident.severity = incident.severity.max(fault.severity);
        let rises = priority < incident.priority;
        incident.priority = incident.priority.min(priority);
        let Some(storm) = incident.progress.storm.as_deref_mut() else { return false };
        let gone: Vec<Common> = storm.common.iter().filter(|common| !of.contains(common)).cloned().collect();
        // One that came with the first and shares nothing with all of them any more has its own reason to be here: it stays listed.
        storm.common.retain(|common| of.contains(common));
        storm.joined_at = now;
        let kind_is_new = !storm.rules.contains(&fault.rule) && storm.rules.len() < RULES_MAX;
        let first = storm.rules.is_empty();
        if kind_is_new {
            storm.rules.push(fault.rule.clone());
        }
        let rank = (fault.severity, info.importance);
        if storm.worst.as_ref().is_none_or(|worst| rank > (worst.severity, worst.importance)) {
            storm.worst = Some(Worst {
                device: fault.device.clone(),
                fault: fault.id,
                severity: fault.severity,
                importance: info.importance,
                title,
            });
        }
        let told = &incident.progress.notified;
        for person in people {
            if storm.to_tell.len() < TO_TELL_MAX && !told.contains(&person) && !storm.to_tell.contains(&person) {
                storm.to_tell.push(person);
            }
        }
        let told_severity = storm.told_severity;
        for common in gone {
            self.storms.open.remove(&(common, id));
        }
        if rises {
            self.hasten(id, now);
        }
        fault.severity > told_severity || (kind_is_new && !first && fault.severity == Severity::Critical)
    }

    /// What is wrong by a rule, naming no device: what other systems write of their alerts may.
    fn called(&self, rule: &str) -> Text {
        let name = || rule.rsplit('/').next().unwrap_or(rule).to_owned();
        self.rules.find(rule).map_or_else(|| Text::new(name(), name()), |rule| rule.title.clone())
    }

    /// The deadlines of an incident that has become more urgent: never later than they were.
    fn hasten(&mut self, id: IncidentId, now: Timestamp) {
        let before = self.incidents.get(&id).map(|one| (one.acknowledge_by, one.resolve_by));
        self.set_deadlines(id, now);
        if let (Some((acknowledge, resolve)), Some(incident)) = (before, self.incidents.get_mut(&id)) {
            incident.acknowledge_by = incident.acknowledge_by.min(acknowledge.or(incident.acknowledge_by));
            incident.resolve_by = incident.resolve_by.min(resolve.or(incident.resolve_by));
        }
    }

    /// Whom the duty plan names at once for a fault of a storm, where its policy was not asked yet, or names who is responsible for the device.
    fn newly_named(
        &mut self,
        id: IncidentId,
        info: &DeviceInfo,
        (severity, article): (Severity, &str),
        now: Timestamp,
    ) -> Vec<String> {
        let plan = std::sync::Arc::clone(&self.plan);
        let mut people = self.leaders_of(article, Some(info), now);
        let Some(policy) = plan.policy_for(severity, Some(info)) else { return people };
        let storm = self.incidents.get_mut(&id).and_then(|one| one.progress.storm.as_deref_mut());
        let Some(storm) = storm else { return people };
        let known = storm.policies.contains(&policy.id);
        if !known && storm.policies.len() < POLICIES_MAX {
            storm.policies.push(policy.id.clone());
        }
        let Some(step) = policy.steps.first().filter(|step| step.after_ms == 0) else { return people };
        let of_device =
            |target: &EscalationTarget| matches!(target, EscalationTarget::Officer | EscalationTarget::Leader);
        let targets = step.to.iter().filter(|target| !known || of_device(target));
        people.extend(targets.flat_map(|target| plan.people_of(target, Some(info), &self.covers, now)));
        people
    }

    /// Writes anew what a storm is called, and what is to be done about it.
    fn describe_storm(&mut self, id: IncidentId) {
        let devices = self.storms.devices.get(&id).map_or(0, HashSet::len);
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        let Some(storm) = incident.progress.storm.as_deref() else { return };
        let affected = incident.progress.affected.max(u32::try_from(devices).unwrap_or(u32::MAX));
        incident.progress.affected = affected;
        incident.title = storm.title(affected);
        incident.reason = storm.reason(affected);
        incident.advice = storm.advice();
    }

    /// When people are to be told of a storm: when nobody joins it any more, or it was held for long enough.
    pub(super) fn storm_due(&self, storm: &Storm) -> Option<Timestamp> {
        let by = storm.tell_by?;
        Some(by.min(storm.joined_at.plus_millis(self.limits.storm_hold_ms / QUIET_PART)))
    }

    /// Tells of a storm: how many and the worst. Everyone who knows of it, and whom the plan names besides; or those alone.
    pub(super) fn tell_storm(&mut self, id: IncidentId, now: Timestamp, out: &mut Vec<Effect>) {
        self.find_worst(id);
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        let (severity, affected, untaken) =
            (incident.severity, incident.progress.affected, incident.state.is_untaken());
        let notified = incident.progress.notified.clone();
        let Some(storm) = incident.progress.storm.as_deref_mut() else { return };
        storm.tell_by = None;
        let all = std::mem::take(&mut storm.tell_all);
        let mut people = std::mem::take(&mut storm.to_tell);
        if !all && people.is_empty() {
            return;
        }
        let rose = severity > storm.told_severity;
        storm.told_at = Some(now);
        if all {
            (storm.told, storm.told_severity) = (affected, severity);
            people.extend(notified);
        }
        let worst = storm.worst.as_ref().map(|worst| worst.title.clone());
        if all && rose && untaken {
            people.extend(self.named_at_once(id, now));
        }
        people.sort();
        people.dedup();
        self.remember_notified(id, &people);
        let to = self.plan.recipients(&people, severity, now);
        let (vi, en) = match &worst {
            Some(worst) => (format!(" Nặng nhất: {}.", worst.vi), format!(" The worst: {}.", worst.en)),
            None => (String::new(), String::new()),
        };
        let note = Text::new(
            format!("{affected} thiết bị lỗi cùng lúc.{vi}"),
            format!("{affected} devices have failed at once.{en}"),
        );
        self.advance_incident(id, now, "", note.clone(), None, out);
        self.notify(id, Occasion::Storm, note, to, all, out);
    }

    /// Looks for the worst fault of a storm where the one that was has ended, among the first of those that have not.
    fn find_worst(&mut self, id: IncidentId) {
        let storm = self.incidents.get(&id).and_then(|one| one.progress.storm.as_deref());
        if storm.is_none_or(|storm| storm.worst.is_some()) {
            return;
        }
        let under = self.open_faults.get(&id).into_iter().flatten().take(WORST_LOOKS);
        let under: Vec<(FaultId, DeviceId)> = under.map(|(fault, device)| (*fault, device.clone())).collect();
        let mut worst: Option<Worst> = None;
        for (number, device) in under {
            let importance = self.devices.get(&device).map(|one| one.info.importance).unwrap_or_default();
            let Some(fault) = self.fault_mut(&device, number).map(|fault| fault.clone()) else { continue };
            if worst.as_ref().is_none_or(|one| (fault.severity, importance) > (one.severity, one.importance)) {
                let title = self.called(&fault.rule);
                worst = Some(Worst { device, fault: number, severity: fault.severity, importance, title });
            }
        }
        if let Some(storm) = self.incidents.get_mut(&id).and_then(|one| one.progress.storm.as_deref_mut()) {
            storm.worst = worst;
        }
    }

    /// A fault is about to end that may be under a storm.
    pub(super) fn leave_storm(&mut self, id: IncidentId, fault: &Fault, now: Timestamp) {
        if self.incidents.get(&id).is_none_or(|one| one.progress.storm.is_none()) {
            return;
        }
        self.forget_worst(id, fault.id);
        self.storms.departed.insert((Some(fault.device.clone()), fault.rule.clone()), now);
    }

    /// A fault is not under a storm any more: it is not its worst.
    pub(super) fn forget_worst(&mut self, id: IncidentId, fault: FaultId) {
        let storm = self.incidents.get_mut(&id).and_then(|one| one.progress.storm.as_deref_mut());
        if let Some(storm) = storm.filter(|storm| storm.worst.as_ref().is_some_and(|worst| worst.fault == fault)) {
            storm.worst = None;
        }
    }

    /// A person has joined an incident to another: what may be a storm is one no more, and what it has become is called by its number.
    pub(super) fn joined_by_hand(&mut self, id: IncidentId, into: IncidentId) {
        self.close_storm(id);
        self.describe_storm(into);
    }

    /// Nothing joins a storm any more.
    fn close_storm(&mut self, id: IncidentId) {
        let storm = self.incidents.get(&id).and_then(|one| one.progress.storm.as_deref());
        for common in storm.into_iter().flat_map(|storm| &storm.common) {
            self.storms.open.remove(&(common.clone(), id));
        }
        self.storms.devices.remove(&id);
    }

    /// Whether what was in a storm is part of it still: it has not ended, or ended lately.
    pub(super) fn is_still_in(&mut self, cause: &Cause, now: Timestamp) -> bool {
        let Some(ended) = self.storms.departed.get(cause) else { return true };
        if now.millis_since(*ended) < self.limits.reopen_within_ms {
            return true;
        }
        self.storms.departed.remove(cause);
        self.causes.remove(cause);
        false
    }

    /// A storm is over: what fails again is another matter.
    pub(super) fn end_storm(&mut self, id: IncidentId) {
        if self.incidents.get(&id).is_none_or(|one| one.progress.storm.is_none()) {
            return;
        }
        self.close_storm(id);
        let departed = &mut self.storms.departed;
        self.causes.retain(|cause, known| {
            let of_storm = *known == id;
            if of_storm {
                departed.remove(cause);
            }
            !of_storm
        });
    }

    /// A fault is put under an incident: its device is one of a storm's.
    pub(super) fn note_storm_device(&mut self, id: IncidentId, device: &DeviceId) {
        self.storms.devices.entry(id).or_default().insert(device.clone());
    }

    /// Gives out the storms that have changed, each once, however many joined or left them.
    pub(super) fn give_out_storms(&mut self, out: &mut Vec<Effect>) {
        for id in std::mem::take(&mut self.storms.changed) {
            if let Some(incident) = self.incidents.get(&id) {
                out.push(Effect::Incident(Box::new(incident.clone())));
            }
        }
    }

    /// A storm is given out at the end of the step.
    pub(super) fn storm_changed(&mut self, id: IncidentId) {
        self.storms.changed.insert(id);
    }

    /// Takes up what the incidents and faults of a snapshot tell of storms, and of what may become one.
    pub(super) fn restore_storms(&mut self, faults: &[Fault], now: Timestamp) {
        for (id, incident) in &self.incidents {
            if let Some(storm) = incident.progress.storm.as_deref().filter(|_| incident.state.is_active()) {
                self.storms.open.extend(storm.common.iter().cloned().map(|common| (common, *id)));
            }
        }
        let mut recent: Vec<&Fault> = Vec::new();
        for fault in faults {
            let Some((id, incident)) = fault.incident.and_then(|id| Some((id, self.incidents.get(&id)?))) else {
                continue;
            };
            let own = incident.device.as_ref() == Some(&fault.device);
            if incident.progress.storm.is_some() && incident.state.is_active() {
                self.causes.insert((Some(fault.device.clone()), fault.rule.clone()), id);
                self.storms.devices.entry(id).or_default().insert(fault.device.clone());
            } else if own && now.millis_since(fault.raised_at) < self.limits.storm_within_ms {
                recent.push(fault);
            }
        }
        for fault in recent {
            self.remember(fault, fault.raised_at);
        }
    }

    /// The clock was stepped.
    pub(super) fn shift_storms(&mut self, by_ms: i64) {
        for recent in self.storms.recent.values_mut().flatten() {
            recent.at = moved(recent.at, by_ms);
        }
        self.storms.departed.values_mut().for_each(|at| *at = moved(*at, by_ms));
        for incident in self.incidents.values_mut() {
            let course = &mut incident.progress;
            course.held_until = course.held_until.map(|at| moved(at, by_ms));
            if let Some(storm) = course.storm.as_deref_mut() {
                storm.joined_at = moved(storm.joined_at, by_ms);
                storm.told_at = storm.told_at.map(|at| moved(at, by_ms));
                storm.tell_by = storm.tell_by.map(|at| moved(at, by_ms));
            }
        }
    }
}
