//! The whole state of judging and its one entry, [`State::step`].

mod handling;
mod judging;
mod sensors;
mod watching;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, FaultId, IncidentId};
use ioc_common::layout::LayoutId;

use crate::device::{Device, DeviceKind};
use crate::effect::{Effect, Input, Verdict};
use crate::fault::{Fault, FaultState};
use crate::incident::{Incident, IncidentState, Refusal};
use crate::presence::Presence;
use crate::rule::{RuleKind, RuleSet};
use crate::text::Text;
use crate::track::{Binding, Track};

/// Limits of time that hold for every device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// After the collector starts, devices get this long to come back before any is called silent, milliseconds.
    pub settle_ms: i64,
    /// A report older than this is backlog: it is logged, and nobody is woken for what came and went in it, milliseconds.
    pub live_within_ms: i64,
    /// A fault that returns within this after its incident was resolved reopens it, milliseconds.
    pub reopen_within_ms: i64,
    /// A clock that errs by more than this is not believed: the report's age decides instead, milliseconds.
    pub clock_trust_ms: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { settle_ms: 120_000, live_within_ms: 90_000, reopen_within_ms: 1_800_000, clock_trust_ms: 300_000 }
    }
}

/// What was known when the collector stopped.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Every enrolled device.
    pub devices: Vec<Device>,
    /// Every fault that is raised.
    pub faults: Vec<Fault>,
    /// Every incident that is active or was resolved within the reopening time.
    pub incidents: Vec<Incident>,
    /// The largest fault number ever given.
    pub last_fault: u64,
    /// The largest incident number ever given.
    pub last_incident: u64,
}

/// The state of judging.
#[derive(Debug)]
pub struct State {
    rules: Arc<RuleSet>,
    settings: Settings,
    devices: HashMap<DeviceId, Device>,
    silences: HashMap<DeviceId, Fault>,
    incidents: BTreeMap<IncidentId, Incident>,
    causes: HashMap<(DeviceId, String), IncidentId>,
    wakes: BTreeSet<(Timestamp, DeviceId)>,
    forget: BTreeSet<(Timestamp, IncidentId)>,
    bound: HashMap<(LayoutId, DeviceKind), Arc<[Binding]>>,
    last_fault: u64,
    last_incident: u64,
}

impl State {
    /// Takes up where a snapshot left off. Devices that were heard get [`Settings::settle_ms`] to come back; faults of rules
    /// that are gone are cleared.
    #[must_use]
    pub fn restore(rules: Arc<RuleSet>, settings: Settings, snapshot: Snapshot, now: Timestamp) -> (Self, Vec<Effect>) {
        let mut state = Self {
            rules,
            settings,
            devices: HashMap::with_capacity(snapshot.devices.len()),
            silences: HashMap::new(),
            incidents: BTreeMap::new(),
            causes: HashMap::new(),
            wakes: BTreeSet::new(),
            forget: BTreeSet::new(),
            bound: HashMap::new(),
            last_fault: snapshot.last_fault,
            last_incident: snapshot.last_incident,
        };
        let mut out = Vec::new();
        for incident in snapshot.incidents {
            state.causes.insert((incident.device.clone(), incident.rule.clone()), incident.id);
            if let (IncidentState::Resolved, Some(at)) = (incident.state, incident.resolved_at) {
                state.forget.insert((at.plus_millis(settings.reopen_within_ms), incident.id));
            }
            state.incidents.insert(incident.id, incident);
        }
        for mut device in snapshot.devices {
            if let Presence::Live { .. } | Presence::Suspect { .. } = device.presence {
                let since = device.last_heard.unwrap_or(now);
                let until = now.plus_millis(settings.settle_ms);
                device.presence = Presence::Suspect { since, until, probing: false };
            }
            device.connected = false;
            let id = device.info.id.clone();
            if let Some(layout) = device.layout.clone() {
                device.bindings = state.bind(&layout, device.info.kind, &id);
                device.reset_tracks();
            }
            state.watch(&id, device.presence);
            state.devices.insert(id, device);
        }
        let ids: Vec<DeviceId> = state.devices.keys().cloned().collect();
        for id in &ids {
            state.place_under_parent(id);
        }
        for fault in snapshot.faults {
            state.restore_fault(fault, now, &mut out);
        }
        (state, out)
    }

    fn restore_fault(&mut self, fault: Fault, now: Timestamp, out: &mut Vec<Effect>) {
        let silent = self.rules.find(&fault.rule).is_some_and(|rule| rule.kind == RuleKind::Silent);
        if let (true, true) = (silent, self.devices.contains_key(&fault.device)) {
            self.silences.insert(fault.device.clone(), fault);
            return;
        }
        let place = self.devices.get_mut(&fault.device).and_then(|device| {
            let layout = device.layout.clone()?;
            let place = device.bindings.iter().position(|binding| {
                self.rules.rules()[usize::from(binding.rule)].id == fault.rule
                    && crate::track::series_name(binding.source, &layout) == fault.series
            })?;
            device.tracks.get_mut(place)
        });
        match place {
            Some(track) => *track = Track::Raised(Box::new(fault)),
            None => {
                let why = Text::new("Quy tắc hoặc chuỗi số liệu không còn.", "The rule or the series is no more.");
                self.clear(fault, now, now, &why, out);
            }
        }
    }

    /// Judges one input at `now` and adds what is to be done to `out`.
    ///
    /// The verdict is about a report; other inputs give [`Verdict::Duplicate`], which means that nothing is to be kept.
    ///
    /// # Errors
    /// [`Refusal`] when a person's action is not allowed; nothing has changed then.
    pub fn step(&mut self, input: Input<'_>, now: Timestamp, out: &mut Vec<Effect>) -> Result<Verdict, Refusal> {
        match input {
            Input::Report(report) => return Ok(self.report(report, now, out)),
            Input::Connected { device, keep_alive_s } => self.connected(device, keep_alive_s, now, out),
            Input::Lost { device } => self.lost(device, now, out),
            Input::HostProbed { device, answer } => self.host_probed(device, answer, now, out),
            Input::Enrolled(info) => self.enrolled(info, out),
            Input::Removed(device) => self.removed(device, now, out),
            Input::Acknowledge { incident, who, note } => self.acknowledge(incident, who, note, now, out)?,
            Input::Wake => self.wake(now, out),
        }
        Ok(Verdict::Duplicate)
    }

    /// When [`Input::Wake`] is due next, if ever.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        let device = self.wakes.first().map(|(at, _)| *at);
        let incident = self.forget.first().map(|(at, _)| *at);
        device.into_iter().chain(incident).min()
    }

    /// The device with this identifier.
    #[must_use]
    pub fn device(&self, id: &DeviceId) -> Option<&Device> {
        self.devices.get(id)
    }

    /// Every device, in no order.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    /// Takes a new set of rules; every device is bound to it anew, and faults of rules that are gone are cleared.
    pub fn replace_rules(&mut self, rules: Arc<RuleSet>, now: Timestamp, out: &mut Vec<Effect>) {
        let mut faults = Vec::new();
        for device in self.devices.values_mut() {
            for track in std::mem::take(&mut device.tracks) {
                if let Track::Raised(fault) = track {
                    faults.push(*fault);
                }
            }
        }
        faults.extend(self.silences.drain().map(|(_, fault)| fault));
        self.rules = rules;
        self.bound.clear();
        let ids: Vec<DeviceId> = self.devices.keys().cloned().collect();
        for id in ids {
            let Some((layout, kind)) = self.devices.get(&id).map(|d| (d.layout.clone(), d.info.kind)) else { continue };
            let bindings = layout.map(|layout| self.bind(&layout, kind, &id)).unwrap_or_else(|| Arc::from([]));
            if let Some(device) = self.devices.get_mut(&id) {
                device.bindings = bindings;
                device.reset_tracks();
            }
        }
        for fault in faults {
            self.restore_fault(fault, now, out);
        }
    }

    fn new_fault(&mut self) -> FaultId {
        self.last_fault += 1;
        FaultId(self.last_fault)
    }

    fn wake(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        while let Some((at, id)) = self.wakes.first().cloned() {
            if at > now {
                break;
            }
            self.wakes.remove(&(at, id.clone()));
            self.deadline_passed(&id, now, out);
        }
        while let Some((at, id)) = self.forget.first().copied() {
            if at > now {
                break;
            }
            self.forget.remove(&(at, id));
            let resolved = self.incidents.get(&id).is_some_and(|incident| {
                let due = incident.resolved_at.map(|at| at.plus_millis(self.settings.reopen_within_ms));
                incident.state == IncidentState::Resolved && due.is_some_and(|due| due <= now)
            });
            if resolved && let Some(incident) = self.incidents.remove(&id) {
                self.causes.remove(&(incident.device, incident.rule));
            }
        }
    }

    /// Ends a fault: *cleared* when people were told of it, *past* when it came and went in a backlog.
    fn clear(&mut self, mut fault: Fault, at: Timestamp, now: Timestamp, why: &Text, out: &mut Vec<Effect>) {
        fault.state = if fault.incident.is_some() { FaultState::Cleared } else { FaultState::Past };
        fault.cleared_at = Some(at);
        fault.reason.vi = format!("{} {}", fault.reason.vi, why.vi);
        fault.reason.en = format!("{} {}", fault.reason.en, why.en);
        let id = fault.id;
        let incident = fault.incident;
        out.push(Effect::Fault(fault));
        if let Some(incident) = incident {
            self.fault_gone(incident, id, why, now, out);
        }
    }
}
