//! Presence: links opened and broken, goodbyes, deadlines, the second probe, silence.

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::report::Goodbye;

use super::series_state::SeriesState;
use super::{Device, State};
use crate::device::DeviceInfo;
use crate::effect::Effect;
use crate::fault::Fault;
use crate::presence::{HOST_PROBE_MS, HostAnswer, Presence, grace_ms, silent_after_ms};
use crate::text::Text;

/// A goodbye may ask for at most this long, seconds.
const AWAY_MAX_S: u32 = 86_400;

impl State {
    pub(super) fn enrolled(&mut self, info: DeviceInfo, out: &mut Vec<Effect>) {
        let id = info.id.clone();
        let mut uplink = None;
        match self.devices.get_mut(&id) {
            Some(device) => uplink = std::mem::replace(&mut device.info, info).uplink,
            None => {
                let mut device = Device::new(info);
                // Who is behind it may have been described first, or stayed when it was revoked.
                device.behind = self.behind_unknown.remove(&id).unwrap_or_default();
                self.devices.insert(id.clone(), Box::new(device));
            }
        }
        self.place_under_parent(&id);
        self.place_behind_uplink(&id, uplink.as_ref());
        // Rules may be for its place or its groups.
        if let Some((layout, info)) =
            self.devices.get(&id).and_then(|one| Some((one.layout.clone()?, one.info.clone())))
        {
            self.rebind(&info, &layout, out);
        }
        out.push(Effect::Presence(id));
    }

    /// Tells the device that speaks for this one, if any.
    fn place_under_parent(&mut self, id: &DeviceId) {
        let parent = self.devices.get(id).and_then(|device| device.info.parent.clone());
        if let Some(parent) = parent.and_then(|parent| self.devices.get_mut(&parent))
            && !parent.children.contains(id)
        {
            parent.children.push(id.clone());
        }
    }

    pub(super) fn removed(&mut self, id: &DeviceId, now: Timestamp, out: &mut Vec<Effect>) {
        // Whoever waits for its word would wait for ever.
        self.settle_waiting(id, now, out);
        let Some(device) = self.devices.get_mut(id) else { return };
        let (children, parent) = (std::mem::take(&mut device.children), device.info.parent.clone());
        let series_states = std::mem::take(&mut device.series_states);
        let uplink = device.info.uplink.clone();
        if let Some(parent) = parent.and_then(|parent| self.devices.get_mut(&parent)) {
            parent.children.retain(|child| child != id);
        }
        for child in children {
            self.removed(&child, now, out);
            out.push(Effect::Removed(child));
        }
        let mut faults: Vec<Fault> = series_states
            .into_iter()
            .filter_map(|state| if let SeriesState::Raised(fault) = state { Some(*fault) } else { None })
            .collect();
        let keys: Vec<_> = self.device_faults_of(id).map(|(key, _)| key.clone()).collect();
        faults.extend(keys.iter().filter_map(|key| self.device_faults.remove(key)));
        let first = (id.clone(), String::new());
        let compared = self.comparisons.range(first..).take_while(|((device, _), _)| device == id);
        for key in compared.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.comparisons.remove(&key);
        }
        if let Some(uplink) = uplink {
            self.leave_uplink(id, &uplink);
        }
        for fault in faults {
            let why = Text::new("Thiết bị đã bị thu hồi.", "The device was revoked.");
            self.clear(fault, now, now, &why, out);
        }
        let behind = self.devices.remove(id).map(|device| device.behind).unwrap_or_default();
        if !behind.is_empty() {
            self.behind_unknown.insert(id.clone(), behind);
        }
    }

    pub(super) fn connected(&mut self, id: &DeviceId, keep_alive_s: u16, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(device) = self.devices.get_mut(id) else { return };
        device.connected = true;
        device.keep_alive_s = keep_alive_s;
        device.last_heard = Some(now);
        if let Presence::Suspect { .. } = device.presence {
            self.mark_heard(id, now, out);
        }
    }

    pub(super) fn link_broken(&mut self, id: &DeviceId, quiet_ms: i64, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(device) = self.devices.get_mut(id) else { return };
        device.connected = false;
        let Presence::Live { .. } = device.presence else { return };
        if device.plain {
            // A battery sensor closes its link after each message.
            let until = now.plus_millis(i64::from(device.interval_s) * 3000);
            return self.set_presence(id, Presence::Suspect { since: now, until, probing: false }, out);
        }
        // However late the link broke: what is said of the device is said in time.
        let by = now.plus_millis(silent_after_ms(device.keep_alive_s) - quiet_ms);
        let until = now.plus_millis(grace_ms(device.keep_alive_s)).min(by.plus_millis(-HOST_PROBE_MS));
        if until > now {
            self.set_presence(id, Presence::Suspect { since: now, until, probing: false }, out);
        } else {
            self.ask_host(id, now, by, now, out);
        }
    }

    /// Nothing comes any more on a link that nobody closed: a host that lost its power says no goodbye.
    pub(super) fn link_idle(&mut self, id: &DeviceId, quiet_ms: i64, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(device) = self.devices.get(id) else { return };
        // A battery sensor that sleeps keeps its link, and asks for what keep-alive it likes.
        if device.plain || !matches!(device.presence, Presence::Live { .. }) {
            return;
        }
        let by = now.plus_millis(silent_after_ms(device.keep_alive_s) - quiet_ms);
        self.ask_host(id, now.plus_millis(-quiet_ms), by, now, out);
    }

    /// The link was not dead after all. What fell silent meanwhile is heard again: a packet is a sign of life.
    pub(super) fn link_alive(&mut self, id: &DeviceId, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(device) = self.devices.get(id) else { return };
        if matches!(device.presence, Presence::Suspect { .. } | Presence::Silent { .. }) {
            self.mark_heard(id, now, out);
        }
    }

    pub(super) fn goodbye(&mut self, id: &DeviceId, goodbye: &Goodbye, now: Timestamp, out: &mut Vec<Effect>) {
        let until = now.plus_secs(u64::from(goodbye.return_within_s.min(AWAY_MAX_S)));
        let away = Presence::Away { since: now, until, reason: goodbye.reason };
        self.set_presence(id, away, out);
        self.hold_sensors(id, away, out);
    }

    pub(super) fn host_probed(&mut self, id: &DeviceId, answer: HostAnswer, now: Timestamp, out: &mut Vec<Effect>) {
        let presence = self.devices.get(id).map(|device| device.presence);
        match presence {
            // One that waits for its uplink has said what it had to say.
            Some(Presence::Suspect { since, until, probing: true }) if until < Timestamp::MAX => {
                self.silence(id, since, answer, now, out);
                if answer == HostAnswer::Yes {
                    self.uplink_answered(id, answer, now, out);
                }
            }
            _ => self.uplink_answered(id, answer, now, out),
        }
    }

    pub(super) fn deadline_passed(&mut self, id: &DeviceId, now: Timestamp, out: &mut Vec<Effect>) {
        self.uplink_deadline_passed(id, now, out);
        self.budget_deadline_passed(id, now, out);
        let Some(device) = self.devices.get(id) else { return };
        if device.info.parent.is_some() {
            return self.sensor_deadline_passed(id, now, out);
        }
        match device.presence {
            Presence::Away { since, until, .. } | Presence::Suspect { since, until, probing: false }
                if until <= now =>
            {
                self.ask_host(id, since, now.plus_millis(HOST_PROBE_MS), now, out);
            }
            Presence::Suspect { since, until, probing: true } if until <= now => {
                self.silence(id, since, HostAnswer::Unknown, now, out);
            }
            _ => {}
        }
    }

    /// Asks the host itself, and waits for its answer until `by`.
    fn ask_host(&mut self, id: &DeviceId, since: Timestamp, by: Timestamp, now: Timestamp, out: &mut Vec<Effect>) {
        let until = now.plus_millis(HOST_PROBE_MS).min(by);
        self.set_presence(id, Presence::Suspect { since, until, probing: true }, out);
        out.push(Effect::ProbeHost(id.clone()));
    }

    pub(super) fn silence(
        &mut self,
        id: &DeviceId,
        since: Timestamp,
        host: HostAnswer,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        if !self.waits_for_uplink(id, since, host, now, out) {
            self.call_silent(id, since, host, now, out);
        }
    }

    /// Calls a device silent, whatever its uplink says.
    pub(super) fn call_silent(
        &mut self,
        id: &DeviceId,
        since: Timestamp,
        host: HostAnswer,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let reason = match host {
            HostAnswer::Yes => Text::new(
                "Mất kết nối với agent nhưng máy vẫn trả lời: agent đã dừng hoặc bị chặn.",
                "The agent is lost but the host answers: the agent has stopped or is blocked.",
            ),
            HostAnswer::No => Text::new(
                "Mất kết nối với agent và máy không trả lời: máy tắt, treo hoặc mất mạng.",
                "The agent is lost and the host does not answer: it is off, hung or cut off.",
            ),
            HostAnswer::Unknown => Text::new(
                "Mất kết nối với agent; không hỏi được máy.",
                "The agent is lost; the host could not be asked.",
            ),
        };
        self.fall_silent(id, since, host, &reason, now, out);
        self.hold_sensors(id, Presence::Silent { since, host }, out);
    }

    /// Calls a device silent, and tells people by the rule that is for it.
    pub(super) fn fall_silent(
        &mut self,
        id: &DeviceId,
        since: Timestamp,
        host: HostAnswer,
        reason: &Text,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        self.set_presence(id, Presence::Silent { since, host }, out);
        self.raise_silence(id, "", since, reason, now, out);
        self.mark_unknown(id, out);
        self.settle_waiting(id, now, out);
    }

    pub(super) fn set_presence(&mut self, id: &DeviceId, presence: Presence, out: &mut Vec<Effect>) {
        if let Some(device) = self.devices.get_mut(id) {
            device.presence = presence;
            out.push(Effect::Presence(id.clone()));
        }
        self.watch(id, presence);
    }

    /// Asks to be woken at the deadline of `presence`. Earlier wishes stay and find nothing to do.
    pub(super) fn watch(&mut self, id: &DeviceId, presence: Presence) {
        if let Some(at) = presence.deadline() {
            self.wakes.insert((at, id.clone()));
        }
    }
}
