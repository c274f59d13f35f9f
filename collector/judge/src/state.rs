//! The state of the judge and its one entry, [`State::step`].

mod actions;
mod budgets;
mod clock_step;
mod deadlines;
mod device;
mod document_rule;
mod escalation;
mod evaluation;
mod evidence;
mod identity_collision;
mod incident_lifecycle;
mod losses;
mod maintenance;
mod presence;
mod sensors;
mod series_state;
mod storms;
mod uplinks;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, FaultId, IncidentId};
use ioc_common::layout::{Layout, LayoutId};

use crate::device::{DeviceInfo, DeviceKind};
use crate::duty::{Cover, Plan};
use crate::effect::{Alert, Effect, Input, ReportVerdict};
use crate::fault::{Fault, FaultState};
use crate::incident::{Incident, IncidentState, Refusal};
use crate::maintenance::Window;
use crate::presence::Presence;
use crate::rule::document::Comparison;
use crate::rule::{RuleCondition, RuleKind, RuleSet};
use crate::severity::Severity;
use crate::text::Text;
pub use device::Device;
pub use identity_collision::IDENTITY_COLLISION;
use series_state::{Binding, SeriesState};

/// Limits of time that hold for every device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimits {
    /// After the collector starts, devices get this long to come back before any is called silent, milliseconds.
    pub settle_ms: i64,
    /// A report older than this is backlog: it is logged, and nobody is woken for what came and went in it, milliseconds.
    pub live_within_ms: i64,
    /// A fault that returns within this after its incident was resolved reopens it, milliseconds.
    pub reopen_within_ms: i64,
    /// A clock that errs by more than this is not believed: the report's age decides instead, milliseconds.
    pub clock_trust_ms: i64,
    /// An incident that was reopened so often within [`Self::flap_within_ms`] flaps.
    pub flap_returns: usize,
    /// The time within which [`Self::flap_returns`] count, milliseconds.
    pub flap_within_ms: i64,
    /// One that flaps is resolved when it was good for this long, milliseconds.
    pub flap_settle_ms: i64,
    /// What fails within this of each other, and has something in common, may be one storm, milliseconds.
    pub storm_within_ms: i64,
    /// So many devices make a storm; none ever does with 0.
    pub storm_devices: usize,
    /// The notices of what fails beside another are held for this long, to be one notice, milliseconds.
    pub storm_hold_ms: i64,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            settle_ms: 120_000,
            live_within_ms: 90_000,
            reopen_within_ms: 1_800_000,
            clock_trust_ms: 300_000,
            flap_returns: 3,
            flap_within_ms: 3_600_000,
            flap_settle_ms: 900_000,
            storm_within_ms: 60_000,
            storm_devices: 5,
            storm_hold_ms: 20_000,
        }
    }
}

/// What was known when the collector stopped.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Every enrolled device, with what was known of it.
    pub devices: Vec<Device>,
    /// Every fault that is raised.
    pub faults: Vec<Fault>,
    /// Every incident that is active or was resolved within the reopening time.
    pub incidents: Vec<Incident>,
    /// The largest fault number ever given.
    pub last_fault: u64,
    /// The largest incident number ever given.
    pub last_incident: u64,
    /// Windows that are planned or open.
    pub windows: Vec<Window>,
    /// The largest window number ever given.
    pub last_window: u64,
    /// Who stands in on a rota.
    pub covers: Vec<Cover>,
    /// The largest number of someone standing in ever given.
    pub last_cover: u64,
    /// What documents held, by device and rule.
    pub comparisons: Vec<(DeviceId, String, Comparison)>,
}

/// What an incident is about; there is one for each.
type Cause = (Option<DeviceId>, String);

/// A fault of a device as a whole: which device, which rule, and what tells two of one rule apart.
type DeviceFaultKey = (DeviceId, String, String);

/// The state of the judge.
#[derive(Debug)]
pub struct State {
    rules: Arc<RuleSet>,
    plan: Arc<Plan>,
    limits: TimeLimits,
    /// Boxed: room for twice as many is kept when it grows.
    devices: HashMap<DeviceId, Box<Device>>,
    /// Faults of devices as a whole: silence, what documents hold, other systems' alerts.
    device_faults: BTreeMap<DeviceFaultKey, Fault>,
    comparisons: BTreeMap<document_rule::ComparisonKey, Comparison>,
    incidents: BTreeMap<IncidentId, Incident>,
    causes: HashMap<Cause, IncidentId>,
    storms: storms::Storms,
    /// Faults under each incident that have not ended, with their devices.
    open_faults: HashMap<IncidentId, BTreeMap<FaultId, DeviceId>>,
    /// Devices behind uplinks that are not known, or not any more, by uplink: what is registered later finds them without looking at all others.
    behind_unknown: HashMap<DeviceId, BTreeSet<DeviceId>>,
    /// Uplinks that were asked whether they are there.
    uplink_checks: HashMap<DeviceId, uplinks::UplinkCheck>,
    windows: Vec<Window>,
    covers: Vec<Cover>,
    wakes: BTreeSet<(Timestamp, DeviceId)>,
    incident_wakes: BTreeSet<(Timestamp, IncidentId)>,
    window_wakes: BTreeSet<(Timestamp, u64)>,
    /// Layouts that devices have in common, and what rules are bound to in them.
    layouts: HashMap<LayoutId, Arc<Layout>>,
    bindings: HashMap<(LayoutId, DeviceKind), Arc<[Binding]>>,
    last_fault: u64,
    last_incident: u64,
    last_window: u64,
    last_cover: u64,
    /// How far the machine's clock stands away from the time that is believed, while a step of it is not followed, milliseconds.
    wall_ahead_ms: Option<i64>,
}

impl State {
    /// Takes up where a snapshot left off. Devices that were heard get [`TimeLimits::settle_ms`] to come back; faults of rules
    /// that are gone are cleared.
    #[must_use]
    pub fn restore(
        rules: Arc<RuleSet>,
        plan: Arc<Plan>,
        limits: TimeLimits,
        snapshot: Snapshot,
        now: Timestamp,
    ) -> (Self, Vec<Effect>) {
        let mut state = Self {
            rules: rules.without_ended(now).map_or(rules, Arc::new),
            plan,
            limits,
            devices: HashMap::with_capacity(snapshot.devices.len()),
            device_faults: BTreeMap::new(),
            comparisons: snapshot
                .comparisons
                .into_iter()
                .map(|(device, rule, comparison)| ((device, rule), comparison))
                .collect(),
            incidents: BTreeMap::new(),
            causes: HashMap::new(),
            storms: storms::Storms::default(),
            open_faults: HashMap::new(),
            behind_unknown: HashMap::new(),
            uplink_checks: HashMap::new(),
            windows: snapshot.windows,
            covers: snapshot.covers,
            wakes: BTreeSet::new(),
            incident_wakes: BTreeSet::new(),
            window_wakes: BTreeSet::new(),
            layouts: HashMap::new(),
            bindings: HashMap::new(),
            last_fault: snapshot.last_fault,
            last_incident: snapshot.last_incident,
            last_window: snapshot.last_window,
            last_cover: snapshot.last_cover,
            wall_ahead_ms: None,
        };
        let mut out = Vec::new();
        for incident in snapshot.incidents {
            let id = incident.id;
            // One that is over for long is read for its deadlines alone: its fault would be another incident.
            let goes_on = incident.state.is_active()
                || incident.resolved_at.is_some_and(|at| at.plus_millis(limits.reopen_within_ms) > now);
            // What is in a storm is told by its faults.
            let one = incident.progress.storm.is_none();
            if one && !incident.rule.is_empty() && incident.state != IncidentState::Closed && goes_on {
                state.causes.insert((incident.device.clone(), incident.rule.clone()), id);
                state.causes.extend(incident.progress.joined.iter().map(|cause| (cause.clone(), id)));
            }
            state.incidents.insert(id, incident);
            state.watch_incident(id);
        }
        for mut device in snapshot.devices {
            if let Presence::Live { .. } | Presence::Suspect { .. } = device.presence {
                let since = device.last_heard.unwrap_or(now);
                let until = now.plus_millis(limits.settle_ms);
                device.presence = Presence::Suspect { since, until, probing: false };
            }
            device.connected = false;
            let id = device.info.id.clone();
            if let Some(layout) = device.layout.clone() {
                device.bindings = state.bind(&layout, &device.info);
                device.reset_series();
            }
            state.watch(&id, device.presence);
            state.devices.insert(id, Box::new(device));
        }
        let ids: Vec<DeviceId> = state.devices.keys().cloned().collect();
        for id in &ids {
            // Each is there once, and nobody has children yet: none is looked for among what may be thousands.
            let parent = state.devices.get(id).and_then(|device| device.info.parent.clone());
            if let Some(parent) = parent.and_then(|parent| state.devices.get_mut(&parent)) {
                parent.children.push(id.clone());
            }
            state.place_behind_uplink(id, None);
        }
        // All of them first: where one ends with its rule, its incident must know of the others.
        for fault in &snapshot.faults {
            if let Some(incident) = fault.incident {
                state.open_faults.entry(incident).or_default().insert(fault.id, fault.device.clone());
            }
        }
        state.restore_storms(&snapshot.faults, now);
        for fault in snapshot.faults {
            state.restore_fault(fault, now, &mut out);
        }
        state.resolve_stranded(now, &mut out);
        for window in state.windows.clone() {
            state.watch_window(&window, window_start(&window, now));
        }
        state.evaluate_documents(now, &mut out);
        state.give_out_storms(&mut out);
        (state, out)
    }

    /// A commit holds a fault and its incident together, so only a hand in the database can part them: then the faults count.
    fn resolve_stranded(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        let is_stranded =
            |one: &&Incident| one.raised > 0 && !self.open_faults.contains_key(&one.id) && one.state.is_active();
        let stranded: Vec<IncidentId> = self.incidents.values().filter(is_stranded).map(|one| one.id).collect();
        for id in stranded {
            let why = Text::new("Không còn lỗi nào.", "No fault is left.");
            self.resolve(id, "", why, now, out);
        }
    }

    fn restore_fault(&mut self, fault: Fault, now: Timestamp, out: &mut Vec<Effect>) {
        let of_device = self.is_device_fault(&fault) || fault.title.is_some();
        if of_device && self.rules.find(&fault.rule).is_some_and(|rule| rule.kind == RuleKind::Budget) {
            self.watch_budget(&fault.device, now);
        }
        if let Some(device) = self.devices.get_mut(&fault.device).filter(|_| of_device) {
            device.quarantined |= fault.rule == IDENTITY_COLLISION;
            let key = (fault.device.clone(), fault.rule.clone(), fault.series.clone());
            self.device_faults.insert(key, fault);
            return;
        }
        let place = self.devices.get_mut(&fault.device).and_then(|device| {
            let layout = device.layout.clone()?;
            let place = device.bindings.iter().position(|binding| {
                self.rules.rules()[usize::from(binding.rule)].id == fault.rule
                    && series_state::series_name(binding.source, &layout) == fault.series
            })?;
            device.series_states.get_mut(place)
        });
        match place {
            Some(state) => *state = SeriesState::Raised(Box::new(fault)),
            None => {
                let why = Text::new("Quy tắc hoặc chuỗi số liệu không còn.", "The rule or the series is no more.");
                self.clear(fault, now, now, &why, out);
            }
        }
    }

    /// Whether a fault is one of the device as a whole, by the rule that raised it.
    fn is_device_fault(&self, fault: &Fault) -> bool {
        let Some(rule) = self.rules.find(&fault.rule) else { return false };
        match &rule.condition {
            RuleCondition::Silent | RuleCondition::Budget => true,
            RuleCondition::Number(_) => false,
            RuleCondition::Document(condition) => {
                let is_it = |place: u16| self.rules.rules()[usize::from(place)].id == fault.rule;
                let device = self.devices.get(&fault.device);
                condition.path == fault.series && device.is_some_and(|one| self.rules.for_device(&one.info).any(is_it))
            }
        }
    }

    /// Judges one input at `now` and adds what is to be done to `out`.
    ///
    /// The verdict is about a report; other inputs give [`ReportVerdict::Duplicate`], which means that nothing is to be kept.
    ///
    /// # Errors
    /// [`Refusal`] when a person's action is not allowed; nothing has changed then.
    pub fn step(&mut self, input: Input<'_>, now: Timestamp, out: &mut Vec<Effect>) -> Result<ReportVerdict, Refusal> {
        let verdict = self.judge(input, now, out);
        self.give_out_storms(out);
        verdict
    }

    fn judge(&mut self, input: Input<'_>, now: Timestamp, out: &mut Vec<Effect>) -> Result<ReportVerdict, Refusal> {
        match input {
            Input::Report(report) => return Ok(self.report(report, now, out)),
            Input::Skipped { device, position } => self.skipped(device, position, now, out),
            Input::OverBudget { device, what } => self.over_budget(device, &what, now, out),
            Input::Connected { device, keep_alive_s } => self.connected(device, keep_alive_s, now, out),
            Input::LinkBroken { device, quiet_ms } => self.link_broken(device, quiet_ms, now, out),
            Input::LinkIdle { device, quiet_ms } => self.link_idle(device, quiet_ms, now, out),
            Input::LinkAlive { device } => self.link_alive(device, now, out),
            Input::HostProbed { device, answer } => self.host_probed(device, answer, now, out),
            Input::Enrolled(info) => self.enrolled(info, out),
            Input::Released { device, why } => self.released(device, &why, now, out),
            Input::Removed(device) => self.removed(device, now, out),
            Input::Act { incident, who, action } => self.act(incident, who, action, now, out)?,
            Input::Attach { incident, attachment } => self.attach(incident, attachment, now, out)?,
            Input::Open { who, incident } => self.open_by_person(incident, who, now, out)?,
            Input::SelfFault { key, incident, why } => self.self_fault(key, incident, &why, now, out),
            Input::Alert(alert) => self.alert(alert, now, out),
            Input::PlanWindow { window, overrule } => self.plan_window(window, overrule, now, out)?,
            Input::EndWindow(id) => self.end_window(id, now, out)?,
            Input::AddCovers(covers) => self.add_covers(covers, now, out)?,
            Input::RemoveCover(id) => self.remove_cover(id, now, out)?,
            Input::Wake => self.wake(now, out),
        }
        Ok(ReportVerdict::Duplicate)
    }

    /// When [`Input::Wake`] is due next, if ever.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        let device = self.wakes.first().map(|(at, _)| *at);
        let incident = self.incident_wakes.first().map(|(at, _)| *at);
        let window = self.window_wakes.first().map(|(at, _)| *at);
        [device, incident, window, self.rules.next_end()].into_iter().flatten().min()
    }

    /// The device with this identifier.
    #[must_use]
    pub fn device(&self, id: &DeviceId) -> Option<&Device> {
        self.devices.get(id).map(Box::as_ref)
    }

    /// Every device, in no order.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values().map(Box::as_ref)
    }

    /// Takes a new set of rules; every device is bound to it anew, and faults of rules that are gone are cleared.
    pub fn replace_rules(&mut self, rules: Arc<RuleSet>, now: Timestamp, out: &mut Vec<Effect>) {
        let mut faults = Vec::new();
        for device in self.devices.values_mut() {
            for state in std::mem::take(&mut device.series_states) {
                if let SeriesState::Raised(fault) = state {
                    faults.push(*fault);
                }
            }
        }
        faults.extend(std::mem::take(&mut self.device_faults).into_values());
        self.rules = rules.without_ended(now).map_or(rules, Arc::new);
        self.bindings.clear();
        let ids: Vec<DeviceId> = self.devices.keys().cloned().collect();
        for id in ids {
            let Some((layout, info)) = self.devices.get(&id).map(|d| (d.layout.clone(), d.info.clone())) else {
                continue;
            };
            let bindings = layout.map(|layout| self.bind(&layout, &info)).unwrap_or_else(|| Arc::from([]));
            if let Some(device) = self.devices.get_mut(&id) {
                device.bindings = bindings;
                device.reset_series();
            }
        }
        for fault in faults {
            self.restore_fault(fault, now, out);
        }
        self.evaluate_documents(now, out);
        self.give_out_storms(out);
    }

    fn new_fault(&mut self) -> FaultId {
        self.last_fault += 1;
        FaultId(self.last_fault)
    }

    fn wake(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        if self.rules.next_end().is_some_and(|end| end <= now) {
            self.replace_rules(Arc::clone(&self.rules), now, out);
        }
        while let Some((at, id)) = self.wakes.first().cloned() {
            if at > now {
                break;
            }
            self.wakes.remove(&(at, id.clone()));
            self.deadline_passed(&id, now, out);
        }
        while let Some((at, id)) = self.window_wakes.first().copied() {
            if at > now {
                break;
            }
            self.window_wakes.remove(&(at, id));
            self.window_due(id, now, out);
        }
        while let Some((at, id)) = self.incident_wakes.first().copied() {
            if at > now {
                break;
            }
            self.incident_wakes.remove(&(at, id));
            self.incident_due(id, now, out);
        }
    }

    /// Takes a new duty plan. Escalations that are under way go on by their policy of the new one.
    pub fn replace_plan(&mut self, plan: Arc<Plan>) {
        self.plan = plan;
    }

    /// The duty plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether a fault of this rule, or of this name where another system gave it one, stands on any device as a whole.
    #[must_use]
    pub fn has_device_fault(&self, rule: &str) -> bool {
        self.device_faults.keys().any(|(_, of, _)| of == rule)
    }

    /// Leaves out so many numbers of incidents, which may have been given before to others: by a store that a backup was put in place of.
    pub const fn skip_incidents(&mut self, by: u64) {
        self.last_incident = self.last_incident.saturating_add(by);
    }

    /// Whether a fault of this name and fingerprint stands on this device as a whole.
    #[must_use]
    pub fn has_fault_of(&self, device: &DeviceId, rule: &str, fingerprint: &str) -> bool {
        self.device_faults.contains_key(&(device.clone(), rule.to_owned(), fingerprint.to_owned()))
    }

    /// The fingerprints of the faults of this name that stand on a device as a whole.
    pub fn fingerprints_of<'s>(&'s self, device: &'s DeviceId, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.device_faults_of(device).filter(move |((_, of, _), _)| of == name).map(|((.., print), _)| print.as_str())
    }

    /// Device and fingerprint of every fault of this name that stands on any device as a whole.
    pub fn faults_named<'s>(&'s self, name: &'s str) -> impl Iterator<Item = (&'s DeviceId, &'s str)> {
        let named = self.device_faults.keys().filter(move |(_, of, _)| of == name);
        named.map(|(device, _, print)| (device, print.as_str()))
    }

    /// The faults of a device as a whole.
    fn device_faults_of<'s>(&'s self, id: &'s DeviceId) -> impl Iterator<Item = (&'s DeviceFaultKey, &'s Fault)> {
        self.device_faults.range(first_key(id)..).take_while(move |((device, ..), _)| device == id)
    }

    /// Whether people are to be told of a fault now: it is bad enough, and nothing of its device is held.
    fn should_notify(&self, fault: &Fault, now: Timestamp) -> bool {
        fault.severity >= Severity::Warning && self.held_until(&fault.device, now).is_none()
    }

    /// What is said of the device that an incident is about: of the worst where there are many.
    fn about(&self, incident: &Incident) -> Option<&DeviceInfo> {
        let worst = || incident.progress.storm.as_ref()?.worst.as_ref().map(|worst| &worst.device);
        incident.device.as_ref().or_else(worst).and_then(|id| self.devices.get(id)).map(|device| &device.info)
    }

    /// Another system's alert: a fault of the device as a whole.
    fn alert(&mut self, alert: Alert, now: Timestamp, out: &mut Vec<Effect>) {
        let mut key = (alert.device.clone(), alert.name.clone(), alert.fingerprint.clone());
        // It may have been told of another device first: of the system itself, before its device was registered. What many devices have is
        // named by its device, and not looked for among what may be thousands.
        if alert.matter.is_none() && !self.device_faults.contains_key(&key) {
            let same = |other: &&DeviceFaultKey| other.1 == alert.name && other.2 == alert.fingerprint;
            if let Some(other) = self.device_faults.keys().find(same) {
                key = other.clone();
            }
        }
        match (alert.firing, self.device_faults.remove(&key)) {
            (true, None) if self.devices.contains_key(&alert.device) => {
                let (number, since) = (self.new_fault(), alert.since.min(now));
                let mut fault = Fault {
                    title: Some(alert.title),
                    source: Some(alert.source),
                    matter: alert.matter.map(Box::new),
                    ..Fault::raised(number, key.clone(), alert.severity, since, alert.reason)
                };
                if self.should_notify(&fault, now) {
                    self.open_incident(&mut fault, now, out);
                } else {
                    out.push(Effect::Fault(fault.clone()));
                }
                self.device_faults.insert(key, fault);
            }
            // Said again: nothing new.
            (true, Some(fault)) => {
                self.device_faults.insert(key, fault);
            }
            (false, Some(fault)) => {
                self.clear(fault, now, now, &alert.over, out);
            }
            (true, None) | (false, None) => {}
        }
    }

    /// Ends a fault: *cleared* when people were told of it, *past* when it came and went in a backlog.
    fn clear(&mut self, mut fault: Fault, at: Timestamp, now: Timestamp, why: &Text, out: &mut Vec<Effect>) {
        fault.state = if fault.incident.is_some() { FaultState::Cleared } else { FaultState::Past };
        fault.cleared_at = Some(at);
        fault.reason.append(why);
        let id = fault.id;
        let incident = fault.incident;
        if let Some(incident) = incident {
            self.leave_storm(incident, &fault, now);
        }
        out.push(Effect::Fault(fault));
        if let Some(incident) = incident {
            self.fault_gone(incident, id, why, now, out);
        }
    }
}

/// The key before all others of a device.
fn first_key(id: &DeviceId) -> DeviceFaultKey {
    (id.clone(), String::new(), String::new())
}

/// The moment from which a window's next end is looked for after a restart: an end that passed meanwhile must be noticed, too.
fn window_start(window: &Window, now: Timestamp) -> Timestamp {
    match &window.when {
        crate::maintenance::WindowSchedule::Once { from, .. } => (*from).min(now),
        crate::maintenance::WindowSchedule::Weekly { minutes, .. } => now.plus_millis(-minutes * 60_000),
    }
}
