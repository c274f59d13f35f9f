//! Uplinks: devices that the network of others goes through. When one is down, the devices behind it are listed in its one incident
//! and page nobody (lesson 1); when it is back, each is held until it was heard again or its time to return is over (lesson 2).

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, FaultId, IncidentId};

use super::clock_step::moved;
use super::series_state::SeriesState;
use super::{State, first_key};
use crate::device::UPLINK_DEPTH_MAX;
use crate::effect::Effect;
use crate::fault::{Fault, FaultState};
use crate::presence::{HOST_PROBE_MS, HostAnswer, Presence};
use crate::text::Text;

/// An uplink that has been asked whether it is there, and who waits for the answer.
#[derive(Debug)]
pub(super) struct UplinkCheck {
    /// When the wait is over.
    until: Timestamp,
    /// It could not be asked, and what is behind it is counted.
    counting: bool,
    /// Devices behind it that do not answer: since when, and what their host said.
    waiting: Vec<(DeviceId, Timestamp, HostAnswer)>,
}

impl UplinkCheck {
    /// The clock was stepped.
    pub(super) fn shift(&mut self, by_ms: i64) {
        self.until = moved(self.until, by_ms);
        self.waiting.iter_mut().for_each(|(_, since, _)| *since = moved(*since, by_ms));
    }
}

/// An uplink that cannot be asked is given this long, in which what is behind it is counted, milliseconds.
const COUNT_MS: i64 = 20_000;
/// So many devices behind an uplink that are lost at once, and at least half of those that were there, are the uplink's fault.
const LOST_MIN: usize = 3;
/// The series of a fault that says: what is behind this is lost.
pub(super) const BEHIND: &str = "behind";

impl State {
    /// Tells an uplink who is behind it.
    pub(super) fn place_behind_uplink(&mut self, id: &DeviceId, before: Option<&DeviceId>) {
        let uplink = self.devices.get(id).and_then(|device| device.info.uplink.clone());
        if let Some(old) = before.filter(|old| uplink.as_ref() != Some(*old)) {
            self.leave_uplink(id, old);
        }
        let Some(uplink) = uplink else { return };
        match self.devices.get_mut(&uplink) {
            Some(device) => drop(device.behind.insert(id.clone())),
            None => drop(self.behind_unknown.entry(uplink).or_default().insert(id.clone())),
        }
    }

    /// A device is not behind an uplink any more.
    pub(super) fn leave_uplink(&mut self, id: &DeviceId, uplink: &DeviceId) {
        if let Some(device) = self.devices.get_mut(uplink) {
            device.behind.remove(id);
        } else if let Some(behind) = self.behind_unknown.get_mut(uplink) {
            behind.remove(id);
            if behind.is_empty() {
                self.behind_unknown.remove(uplink);
            }
        }
    }

    /// The fault of the nearest uplink that is down, if one is.
    fn uplink_fault(&self, id: &DeviceId) -> Option<&Fault> {
        let mut above = self.devices.get(id)?.info.uplink.as_ref()?;
        for _ in 0..UPLINK_DEPTH_MAX {
            let down = self.silent_fault(above, "").or_else(|| self.silent_fault(above, BEHIND));
            if let Some(fault) = down {
                return Some(fault);
            }
            above = self.devices.get(above)?.info.uplink.as_ref()?;
        }
        None
    }

    /// The fault that says that a device, or what is behind it, is silent.
    pub(super) fn silent_fault(&self, id: &DeviceId, series: &str) -> Option<&Fault> {
        let rule = self.rules.silent_for(&self.devices.get(id)?.info)?;
        self.device_faults.get(&(id.clone(), rule.id.clone(), series.to_owned()))
    }

    /// Whether the silence of a device must wait for what its uplink says. Asks it where nobody has.
    pub(super) fn waits_for_uplink(
        &mut self,
        id: &DeviceId,
        since: Timestamp,
        host: HostAnswer,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> bool {
        // A host that answers is reached through its uplink, so its silence is its own.
        if host == HostAnswer::Yes || self.uplink_fault(id).is_some() {
            return false;
        }
        let Some(uplink) = self.devices.get(id).and_then(|device| device.info.uplink.clone()) else { return false };
        let Some(presence) = self.devices.get(&uplink).map(|device| device.presence) else { return false };
        if let Some(device) = self.devices.get_mut(id) {
            // It waits for its uplink's word, and has no deadline of its own.
            device.presence = Presence::Suspect { since, until: Timestamp::MAX, probing: true };
        }
        let waiting = (id.clone(), since, host);
        if let Some(check) = self.uplink_checks.get_mut(&uplink) {
            check.waiting.push(waiting);
            return true;
        }
        let until = match presence {
            // Its host is asked already, and its own judging will say.
            Presence::Suspect { until, probing: true, .. } if until < Timestamp::MAX => {
                now.plus_millis(2 * HOST_PROBE_MS)
            }
            // Its keep-alive may be far longer than theirs: nobody behind it waits for that.
            _ => {
                out.push(Effect::ProbeHost(uplink.clone()));
                now.plus_millis(HOST_PROBE_MS)
            }
        };
        self.wakes.insert((until, uplink.clone()));
        self.uplink_checks.insert(uplink, UplinkCheck { until, counting: false, waiting: vec![waiting] });
        true
    }

    /// An uplink has answered, or has not in time.
    pub(super) fn uplink_answered(
        &mut self,
        uplink: &DeviceId,
        answer: HostAnswer,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let Some(check) = self.uplink_checks.get_mut(uplink) else { return };
        match answer {
            HostAnswer::No => {
                let since = check.waiting.iter().map(|(_, since, _)| *since).min().unwrap_or(now);
                let silent = matches!(self.devices.get(uplink).map(|one| one.presence), Some(Presence::Silent { .. }));
                if silent {
                    return self.settle_waiting(uplink, now, out);
                }
                let reason = Text::new(
                    "Thiết bị mạng phía trên không trả lời, và thiết bị phía sau cũng vậy.",
                    "The uplink does not answer, nor does what is behind it.",
                );
                self.fall_silent(uplink, since, HostAnswer::No, &reason, now, out);
            }
            HostAnswer::Yes => self.settle_waiting(uplink, now, out),
            HostAnswer::Unknown if check.counting => self.settle_waiting(uplink, now, out),
            HostAnswer::Unknown => {
                check.counting = true;
                check.until = now.plus_millis(COUNT_MS);
                self.wakes.insert((check.until, uplink.clone()));
            }
        }
    }

    /// Whether the wait for an uplink is over at `now`.
    pub(super) fn uplink_deadline_passed(&mut self, uplink: &DeviceId, now: Timestamp, out: &mut Vec<Effect>) {
        if self.uplink_checks.get(uplink).is_some_and(|check| check.until <= now) {
            self.uplink_answered(uplink, HostAnswer::Unknown, now, out);
        }
    }

    /// Judges everyone who waits for this uplink: under its incident when it is down or too many are lost at once, else each alone.
    pub(super) fn settle_waiting(&mut self, uplink: &DeviceId, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(check) = self.uplink_checks.remove(uplink) else { return };
        let lost = check.waiting.len();
        let behind = self.devices.get(uplink).into_iter().flat_map(|device| &device.behind);
        let there = behind.filter(|id| {
            self.devices
                .get(*id)
                .is_some_and(|one| matches!(one.presence, Presence::Live { .. } | Presence::Suspect { .. }))
        });
        let many = lost >= LOST_MIN && lost * 2 >= there.count();
        if many && self.silent_fault(uplink, "").is_none() && self.silent_fault(uplink, BEHIND).is_none() {
            let since = check.waiting.iter().map(|(_, since, _)| *since).min().unwrap_or(now);
            let reason = Text::new(
                format!("{lost} thiết bị phía sau mất liên lạc cùng lúc: đường mạng qua thiết bị này có thể đã đứt."),
                format!("{lost} devices behind it were lost at once: the network through it may be cut."),
            );
            self.raise_silence(uplink, BEHIND, since, &reason, now, out);
        }
        for (id, since, host) in check.waiting {
            let waits = |presence| matches!(presence, Presence::Suspect { probing: true, .. });
            if self.devices.get(&id).is_some_and(|device| waits(device.presence)) {
                self.call_silent(&id, since, host, now, out);
            }
        }
    }

    /// Opens an incident for a fault of a device as a whole, or joins that of its uplink.
    pub(super) fn open_or_join(&mut self, fault: &mut Fault, now: Timestamp, out: &mut Vec<Effect>) {
        let above = self.uplink_fault(&fault.device).map(|one| one.incident);
        match above {
            // The uplink is down, and nobody is told of it now (it is worked on): nor of what is behind.
            Some(None) => out.push(Effect::Fault(fault.clone())),
            Some(Some(incident)) if self.incidents.get(&incident).is_some_and(|one| one.state.is_active()) => {
                if self.incidents.get(&incident).is_some_and(|one| one.progress.storm.is_some()) {
                    return self.join_storm(incident, fault, now, out);
                }
                self.join(fault, incident, out);
                if let Some(incident) = self.incidents.get(&incident) {
                    out.push(Effect::Incident(Box::new(incident.clone())));
                }
            }
            _ => self.open_incident(fault, now, out),
        }
    }

    /// Something behind this uplink, or the uplink itself, is heard again: it works. The rest gets its time to come back.
    pub(super) fn uplink_returned(&mut self, uplink: &DeviceId, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(rule) = self.devices.get(uplink).and_then(|one| self.rules.silent_for(&one.info)) else { return };
        let rule = rule.id.clone();
        let mut over = Vec::new();
        for series in ["", BEHIND] {
            over.extend(self.device_faults.remove(&(uplink.clone(), rule.clone(), series.to_owned())));
        }
        if over.is_empty() {
            return;
        }
        let until = now.plus_millis(self.limits.settle_ms);
        if let Some(device) = self.devices.get_mut(uplink)
            && matches!(device.presence, Presence::Silent { .. })
            && !device.connected
        {
            // It was never heard itself (it has no agent), or will be soon.
            let agentless = device.watermark.epoch == 0;
            let since = device.presence.since().unwrap_or(now);
            device.presence =
                if agentless { Presence::NeverSeen } else { Presence::Suspect { since, until, probing: false } };
            out.push(Effect::Presence(uplink.clone()));
            self.wakes.insert((until, uplink.clone()));
        }
        let behind = self.devices.get(uplink).map(|device| device.behind.clone()).unwrap_or_default();
        for id in behind {
            if let Some(device) = self.devices.get_mut(&id)
                && let Presence::Silent { since, .. } = device.presence
            {
                device.presence = Presence::Suspect { since, until, probing: false };
                out.push(Effect::Presence(id.clone()));
                self.wakes.insert((until, id.clone()));
            }
        }
        for fault in over {
            let why = Text::new("Mạng qua thiết bị này đã thông.", "The network through it works again.");
            self.clear(fault, now, now, &why, out);
        }
    }

    /// What was bad when a device fell silent: nobody knows whether it still is.
    pub(super) fn mark_unknown(&mut self, id: &DeviceId, out: &mut Vec<Effect>) {
        let Some(device) = self.devices.get_mut(id) else { return };
        for state in &mut device.series_states {
            if let SeriesState::Raised(fault) = state
                && fault.state == FaultState::Raised
            {
                fault.state = FaultState::Unknown;
                out.push(Effect::Fault(fault.as_ref().clone()));
            }
        }
    }

    /// The fault with this number on a device, while it has not ended.
    pub(super) fn fault_mut(&mut self, device: &DeviceId, fault: FaultId) -> Option<&mut Fault> {
        let of_device = self.device_faults.range_mut(first_key(device)..);
        let found = of_device.take_while(|((of, ..), _)| of == device).map(|(_, one)| one).find(|one| one.id == fault);
        if found.is_some() {
            return found;
        }
        self.devices.get_mut(device)?.series_states.iter_mut().find_map(|state| match state {
            SeriesState::Raised(one) if one.id == fault => Some(one.as_mut()),
            _ => None,
        })
    }

    /// Takes a fault from one incident to another.
    pub(super) fn move_fault(&mut self, from: IncidentId, fault: FaultId, to: IncidentId, out: &mut Vec<Effect>) {
        let Some(device) = self.open_faults.get_mut(&from).and_then(|under| under.remove(&fault)) else { return };
        let Some(mut moved) = self.fault_mut(&device, fault).map(|fault| fault.clone()) else { return };
        self.join(&mut moved, to, out);
        if let Some(held) = self.fault_mut(&device, fault) {
            *held = moved;
        }
    }

    /// Keeps a fault that says that a device, or what is behind it, is silent, and tells people.
    pub(super) fn raise_silence(
        &mut self,
        id: &DeviceId,
        series: &str,
        since: Timestamp,
        reason: &Text,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let Some(device) = self.devices.get(id) else { return };
        // It is kept out, and people know.
        if self.is_quarantined(id) {
            return;
        }
        let Some(rule) = self.rules.silent_for(&device.info) else { return };
        let (rule, severity) = (rule.id.clone(), rule.severity);
        let key = (id.clone(), rule.clone(), series.to_owned());
        let fault = match self.device_faults.remove(&key) {
            // It was listed under its uplink, which is back; now it has an incident of its own.
            Some(mut fault) => {
                // What is part of a storm stays in it.
                let in_storm = |id| self.incidents.get(&id).is_some_and(|one| one.progress.storm.is_some());
                if let Some(incident) = fault.incident.take_if(|id| !in_storm(*id)) {
                    // Whoever sees the uplink's incident may not reach what is behind it: it is not named.
                    let why = Text::new(
                        "Thiết bị phía sau vẫn chưa trở lại; theo dõi riêng.",
                        "What is behind it has not come back; it has an incident of its own.",
                    );
                    self.fault_gone(incident, fault.id, &why, now, out);
                }
                fault.reason = reason.clone();
                fault
            }
            None => Fault::raised(self.new_fault(), key.clone(), severity, since, reason.clone()),
        };
        self.raise_device_fault(key, fault, now, out);
    }

    /// Keeps a fault of a device as a whole, and tells people where it is news.
    pub(super) fn raise_device_fault(
        &mut self,
        key: super::DeviceFaultKey,
        mut fault: Fault,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        if self.should_notify(&fault, now) {
            self.open_or_join(&mut fault, now, out);
        } else {
            out.push(Effect::Fault(fault.clone()));
        }
        self.device_faults.insert(key, fault);
    }
}
