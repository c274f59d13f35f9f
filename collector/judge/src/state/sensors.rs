//! Sensors: devices that another device speaks for. They are announced by its hellos, heard while it reports about them, and held
//! when it falls silent: one incident for the host, none for what hangs behind it.

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::report::{Ask, Body, Report, SensorFacts};

use super::{Device, State};
use crate::device::{DeviceInfo, DeviceKind};
use crate::effect::{Effect, JudgedAction, ReportVerdict};
use crate::presence::{HostAnswer, Presence};
use crate::text::Text;

/// Most sensors that one device may speak for: bounds what a broken agent can make of the inventory.
const SENSORS_MAX: usize = 512;
/// A sensor of which nothing came for this many of its intervals, while its host goes on reporting, is not read any more …
const MISSED_INTERVALS: i64 = 6;
/// … but never sooner than this.
const MISSED_MIN_MS: i64 = 60_000;
/// Longest text taken from an announcement.
const TEXT_MAX_CHARS: usize = 200;

impl State {
    /// Whose report this is: the sender's, or that of a sensor it speaks for, which is announced where its hello comes first.
    pub(super) fn subject(&mut self, report: &Report, out: &mut Vec<Effect>) -> Result<DeviceId, ReportVerdict> {
        let host = &report.envelope.device;
        let Some(sensor) = &report.envelope.about else { return Ok(host.clone()) };
        let Ok(id) = host.of_sensor(sensor) else { return Err(ReportVerdict::Unannounced) };
        let facts = match &report.body {
            Body::Hello(hello) => hello.sensor.as_ref(),
            _ => None,
        };
        match (self.devices.get_mut(&id), facts) {
            (Some(device), facts) if device.info.parent.as_ref() == Some(host) => {
                if let Some(facts) = facts {
                    device.texts = facts.texts.clone().into();
                    let filled = fill(&mut device.info, facts);
                    if filled {
                        out.push(Effect::Announced(device.info.clone()));
                    }
                }
                Ok(id)
            }
            (Some(_), _) => {
                let detail = format!("{host} speaks for {id}, which is a device of its own");
                self.once(
                    host,
                    Effect::Record { device: host.clone(), action: JudgedAction::SensorRefused, detail },
                    out,
                );
                Err(ReportVerdict::Unannounced)
            }
            (None, Some(facts)) => self.announce(host, id, facts, out),
            (None, None) => {
                self.once(host, Effect::Ask(host.clone(), Ask::Hello), out);
                Err(ReportVerdict::Unannounced)
            }
        }
    }

    /// Says something to or of a host once until its next hello: reports come for ever, and the log is not to be flooded.
    fn once(&mut self, host: &DeviceId, effect: Effect, out: &mut Vec<Effect>) {
        if let Some(device) = self.devices.get_mut(host)
            && !std::mem::replace(&mut device.asked_sensors, true)
        {
            out.push(effect);
        }
    }

    fn announce(
        &mut self,
        host: &DeviceId,
        id: DeviceId,
        facts: &SensorFacts,
        out: &mut Vec<Effect>,
    ) -> Result<DeviceId, ReportVerdict> {
        let Some(parent) = self.devices.get_mut(host) else { return Err(ReportVerdict::NotEnrolled) };
        if parent.children.len() >= SENSORS_MAX {
            let detail = format!("{id} is beyond the {SENSORS_MAX} sensors one device may speak for");
            self.once(host, Effect::Record { device: host.clone(), action: JudgedAction::SensorRefused, detail }, out);
            return Err(ReportVerdict::Unannounced);
        }
        parent.children.push(id.clone());
        let kind = DeviceKind::parse(&facts.kind).unwrap_or(DeviceKind::Sensor);
        // It stands where its host stands until someone says otherwise.
        let mut info = DeviceInfo {
            officer: parent.info.officer.clone(),
            leader: parent.info.leader.clone(),
            parent: Some(host.clone()),
            ..DeviceInfo::new(id.clone(), kind, "")
        };
        fill(&mut info, facts);
        if info.name.is_empty() {
            info.name = id.to_string();
        }
        if info.place.is_empty() {
            info.place.clone_from(&parent.info.place);
        }
        let mut device = Device::new(info.clone());
        device.texts = facts.texts.clone().into();
        self.devices.insert(id.clone(), Box::new(device));
        out.push(Effect::Announced(info));
        out.push(Effect::Record {
            device: id.clone(),
            action: JudgedAction::SensorAnnounced,
            detail: format!("by {host}: {} at {}", facts.profile, facts.address),
        });
        Ok(id)
    }

    /// The host of these sensors is silent or away: so are they, and nobody is told of each.
    pub(super) fn hold_sensors(&mut self, host: &DeviceId, presence: Presence, out: &mut Vec<Effect>) {
        let children = self.devices.get(host).map(|device| device.children.clone()).unwrap_or_default();
        for id in children {
            if let Some(device) = self.devices.get_mut(&id)
                && matches!(device.presence, Presence::Live { .. } | Presence::Suspect { .. } | Presence::Away { .. })
            {
                device.presence = presence;
                out.push(Effect::Presence(id));
            }
        }
    }

    /// Looks for sensors that their host, which has just reported, says nothing of any more.
    pub(super) fn find_silent_sensors(&mut self, host: &DeviceId, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(device) = self.devices.get(host) else { return };
        let Presence::Live { since: host_since } = device.presence else { return };
        let missed = |id: &&DeviceId| {
            self.devices.get(*id).is_some_and(|sensor| {
                let limit = (i64::from(sensor.interval_s) * 1000 * MISSED_INTERVALS).max(MISSED_MIN_MS);
                let over = |at: Timestamp| now.millis_since(at) > limit;
                match sensor.presence {
                    Presence::Live { .. } => sensor.last_heard.is_none_or(over),
                    // Held while its host was gone; the host has had its time to speak of it again.
                    Presence::Suspect { .. } | Presence::Away { .. } => over(host_since),
                    Presence::Silent { .. } => over(host_since) && self.silent_fault(id, "").is_none(),
                    Presence::NeverSeen => false,
                }
            })
        };
        let missed: Vec<DeviceId> = device.children.iter().filter(missed).cloned().collect();
        for id in missed {
            self.sensor_silent(&id, now, out);
        }
    }

    /// A sensor whose time to be heard again is over.
    pub(super) fn sensor_deadline_passed(&mut self, id: &DeviceId, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(device) = self.devices.get(id) else { return };
        let due = device.presence.deadline().is_some_and(|until| until <= now);
        let host = device.info.parent.as_ref().and_then(|host| self.devices.get(host));
        let host = host.map(|host| (host.presence, host.last_heard));
        match host {
            Some((Presence::Live { .. }, _)) if due => self.sensor_silent(id, now, out),
            Some((host @ (Presence::Silent { .. } | Presence::Away { .. }), _)) if due => {
                if let Some(device) = self.devices.get_mut(id) {
                    device.presence = host;
                    out.push(Effect::Presence(id.clone()));
                }
            }
            // The host is not judged yet; its sensors follow it.
            _ => {}
        }
    }

    fn sensor_silent(&mut self, id: &DeviceId, now: Timestamp, out: &mut Vec<Effect>) {
        let since = self.devices.get(id).and_then(|device| device.last_heard).unwrap_or(now);
        let reason = Text::new(
            "Máy chủ quản lý vẫn báo nhưng không còn báo gì về thiết bị này: có thể đã bị bỏ khỏi cấu hình.",
            "Its host goes on reporting but says nothing of this device any more: it may have been taken out of the configuration.",
        );
        self.fall_silent(id, since, HostAnswer::Unknown, &reason, now, out);
    }
}

/// Fills what people have not written with what the host's configuration says. True when something changed.
fn fill(info: &mut DeviceInfo, facts: &SensorFacts) -> bool {
    let mut changed = false;
    for (mine, said) in
        [(&mut info.name, &facts.title), (&mut info.label, &facts.label), (&mut info.place, &facts.room)]
    {
        if mine.is_empty() && !said.is_empty() {
            *mine = said.chars().filter(|c| !c.is_control()).take(TEXT_MAX_CHARS).collect();
            changed = true;
        }
    }
    changed
}
