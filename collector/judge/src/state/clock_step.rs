//! The clock was stepped: what is due after a while is due after the same while. What is due at a time of the calendar (windows, the duty
//! plan, who stands in) stays where it is.
//!
//! What a person signed, and the steps of a timeline, are records of what the clock showed then; they are left as they are.

use std::collections::{BTreeSet, HashMap};

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};

use super::series_state::SeriesState;
use super::{Device, State};
use crate::effect::Effect;
use crate::presence::Presence;

impl State {
    /// Moves everything that goes by elapsed time by a step of the clock, milliseconds with sign. `now` is the time after the step. What
    /// is kept of devices, faults and incidents is given out as it now is.
    pub fn shift(&mut self, by_ms: i64, now: Timestamp, out: &mut Vec<Effect>) {
        self.shift_storms(by_ms);
        let sampled: HashMap<DeviceId, i64> =
            self.devices.values().map(|device| (device.info.id.clone(), self.sample_shift_ms(device, by_ms))).collect();
        let moved_by = moved;
        let moved = |at: Timestamp| moved_by(at, by_ms);
        for device in self.devices.values_mut() {
            device.presence = shifted(device.presence, by_ms);
            device.last_heard = device.last_heard.map(moved);
            device.beyond_until = device.beyond_until.map(moved);
            if device.losses.shift(by_ms) {
                out.push(Effect::LossLedger(device.info.id.clone()));
            }
            // The same clock of the device, seen from another time here.
            device.clock_error_ms = device.clock_error_ms.map(|error| error.saturating_sub(by_ms));
            let sample_by_ms = sampled.get(&device.info.id).copied().unwrap_or(by_ms);
            let moved = |at: Timestamp| moved_by(at, sample_by_ms);
            device.last_sample = device.last_sample.map(moved);
            for state in &mut device.series_states {
                match state {
                    SeriesState::Good => {}
                    SeriesState::Pending { since } => *since = moved(*since),
                    SeriesState::Raised(fault) => {
                        fault.raised_at = moved(fault.raised_at);
                        out.push(Effect::Fault(fault.as_ref().clone()));
                    }
                }
            }
            device.sample_windows.iter_mut().for_each(|window| window.shift(sample_by_ms));
            if device.presence != Presence::NeverSeen || device.last_heard.is_some() {
                out.push(Effect::Presence(device.info.id.clone()));
            }
        }
        for fault in self.device_faults.values_mut() {
            fault.raised_at = moved(fault.raised_at);
            out.push(Effect::Fault(fault.clone()));
        }
        for incident in self.incidents.values_mut() {
            incident.opened_at = moved(incident.opened_at);
            for at in [
                &mut incident.acknowledge_by,
                &mut incident.resolve_by,
                &mut incident.acknowledged_at,
                &mut incident.resolved_at,
                &mut incident.progress.settle_until,
            ] {
                *at = at.map(moved);
            }
            incident.progress.returns.iter_mut().for_each(|at| *at = moved(*at));
            if let Some(escalation) = &mut incident.progress.escalation {
                escalation.due_at = moved(escalation.due_at);
            }
            // By when a unit answers is a time of the calendar.
            if let Some(serious) = &mut incident.record.serious {
                serious.since = moved(serious.since);
                for due in serious.clocks.iter_mut().map(|clock| &mut clock.due) {
                    (due.at, due.remind_at) = (moved(due.at), moved(due.remind_at));
                }
            }
            out.push(Effect::Incident(Box::new(incident.clone())));
        }
        for check in self.uplink_checks.values_mut() {
            check.shift(by_ms);
        }
        self.wakes = std::mem::take(&mut self.wakes).into_iter().map(|(at, id)| (moved(at), id)).collect();
        // Windows are looked at by the new time at once: one may be over, or not have begun.
        self.window_wakes = self.windows.iter().map(|window| (now, window.id)).collect();
        self.incident_wakes = BTreeSet::new();
        let incidents: Vec<IncidentId> = self.incidents.keys().copied().collect();
        for id in incidents {
            self.watch_incident(id);
        }
        // How far the machine's own clock stands away is less by what was followed.
        self.wall_ahead_ms = self.wall_ahead_ms.map(|ahead| ahead.saturating_sub(by_ms)).filter(|ahead| *ahead != 0);
    }

    /// By how much the times of a device's samples move: where its own clock is believed before and after, they do not.
    fn sample_shift_ms(&self, device: &Device, by_ms: i64) -> i64 {
        // The clock of a sensor is that of the device that speaks for it.
        let speaker = device.info.parent.as_ref().and_then(|id| self.device(id)).unwrap_or(device);
        let error = speaker.clock_error_ms.unwrap_or(0);
        let believed = |error: i64| if error.abs() > self.limits.clock_trust_ms { 0 } else { error };
        by_ms + believed(error.saturating_sub(by_ms)) - believed(error)
    }

    /// The machine's clock was stepped so far and is not followed yet, milliseconds; none while the two agree. A device whose clock
    /// agrees with the machine's is believed in what is kept of it.
    pub const fn set_wall_ahead(&mut self, ahead_ms: Option<i64>) {
        self.wall_ahead_ms = ahead_ms;
    }
}

/// A moment after a step; what is never stays never.
pub(super) fn moved(at: Timestamp, by_ms: i64) -> Timestamp {
    if at == Timestamp::MAX || at == Timestamp::MIN { at } else { at.plus_millis(by_ms) }
}

fn shifted(presence: Presence, by_ms: i64) -> Presence {
    let moved = |at: Timestamp| moved(at, by_ms);
    match presence {
        Presence::NeverSeen => Presence::NeverSeen,
        Presence::Live { since } => Presence::Live { since: moved(since) },
        Presence::Away { since, until, reason } => Presence::Away { since: moved(since), until: moved(until), reason },
        Presence::Suspect { since, until, probing } => {
            Presence::Suspect { since: moved(since), until: moved(until), probing }
        }
        Presence::Silent { since, host } => Presence::Silent { since: moved(since), host },
    }
}
