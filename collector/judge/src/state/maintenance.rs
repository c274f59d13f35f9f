//! Maintenance windows (article 11): what is held, and what is told when a window ends. Also who stands in for whom on a rota.

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

use super::State;
use crate::device::UPLINK_DEPTH_MAX;
use crate::duty::Cover;
use crate::effect::Effect;
use crate::incident::Refusal;
use crate::maintenance::{Named, Warning, Window};
use crate::presence::Presence;
use crate::severity::Severity;
use crate::text::Text;

/// Most windows that are planned at once.
const WINDOWS_MAX: usize = 1000;
/// Most people standing in that are written down at once.
const COVERS_MAX: usize = 1000;
/// Warnings of one kind that are written out.
const WARNINGS_MAX: usize = 5;
/// Longest stand-in, milliseconds.
const COVER_MAX_MS: i64 = 366 * 86_400_000;

impl State {
    /// Until when notices of this device are held: its own window, or that of an uplink.
    #[must_use]
    pub fn held_until(&self, id: &DeviceId, now: Timestamp) -> Option<Timestamp> {
        let mut device = self.devices.get(id)?;
        for _ in 0..UPLINK_DEPTH_MAX {
            let windows = self.windows.iter().filter(|window| !window.freeze && window.covers(&device.info));
            if let Some(until) = windows.filter_map(|window| window.open_until(now)).max() {
                return Some(until);
            }
            let above = device.info.uplink.as_ref().or(device.info.parent.as_ref())?;
            device = self.devices.get(above)?;
        }
        None
    }

    /// Plans a window. What speaks against it must be overruled by whoever plans it.
    pub(super) fn plan_window(
        &mut self,
        mut window: Window,
        overrule: bool,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        window.check().map_err(|(field, why)| Refusal::Invalid { field, why })?;
        if window.next(now).is_none() {
            let why = Text::new("đợt này đã qua rồi", "this window is over already");
            return Err(Refusal::Invalid { field: "until", why });
        }
        if self.windows.len() >= WINDOWS_MAX {
            let vi = format!("nhiều nhất {WINDOWS_MAX} đợt");
            let why = Text::new(vi, format!("allowed are {WINDOWS_MAX} windows"));
            return Err(Refusal::Invalid { field: "title", why });
        }
        let covered = self.devices.values().any(|device| window.covers(&device.info));
        if !covered && !window.freeze {
            let why = Text::new("không có thiết bị nào thuộc phạm vi này", "no device is meant by this");
            return Err(Refusal::Invalid { field: "scope", why });
        }
        let warnings = self.warnings_against(&window, now);
        if !warnings.is_empty() && !overrule {
            return Err(Refusal::Warned(warnings));
        }
        self.last_window += 1;
        window.id = self.last_window;
        window.overruled = warnings.into_iter().map(|warning| warning.text.en).collect();
        self.watch_window(&window, now);
        out.push(Effect::Window(window.clone()));
        self.windows.push(window);
        Ok(())
    }

    /// What speaks against a window.
    fn warnings_against(&self, window: &Window, now: Timestamp) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let meeting: Vec<&Window> = self.windows.iter().filter(|other| other.meets(window, now)).collect();
        for other in &meeting {
            let title = &other.title;
            let time = other.next(now).map_or_else(String::new, |(from, until)| format!(" ({from} – {until})"));
            if other.freeze != window.freeze {
                warnings.push(Warning {
                    text: Text::new(
                        format!("Trùng thời gian không được bảo trì: {title}."),
                        format!("It meets a time at which no maintenance is allowed: {title}."),
                    ),
                    unnamed: Text::new(
                        format!("Trùng thời gian không được bảo trì{time}."),
                        format!("It meets a time at which no maintenance is allowed{time}."),
                    ),
                    names: self.named_by(other),
                });
            } else if !window.freeze {
                let both = |id: &&crate::Device| window.covers(&id.info) && other.covers(&id.info);
                if let Some(device) = self.devices().find(both) {
                    let name = &device.info.name;
                    warnings.push(Warning {
                        text: Text::new(
                            format!("Trùng với đợt bảo trì «{title}» trên {name}."),
                            format!("It meets the window \"{title}\" on {name}."),
                        ),
                        unnamed: Text::new(
                            format!("Trùng với một đợt bảo trì khác{time}."),
                            format!("It meets another window{time}."),
                        ),
                        names: self.named_by(other).into_iter().chain([named(device)]).collect(),
                    });
                }
            }
        }
        if !window.freeze {
            warnings.extend(self.partners_missing(window, &meeting));
        }
        warnings
    }

    /// Devices of a window whose redundant partner is down or worked on, too.
    fn partners_missing(&self, window: &Window, meeting: &[&Window]) -> Vec<Warning> {
        let redundant = |device: &&crate::Device| !device.info.redundancy.is_empty() && window.covers(&device.info);
        let mut partners = Vec::new();
        for device in self.devices().filter(redundant) {
            let partner = self.devices().find(|other| {
                let same = other.info.redundancy == device.info.redundancy && other.info.id != device.info.id;
                let down = matches!(other.presence, Presence::Silent { .. } | Presence::Away { .. });
                let busy = || meeting.iter().any(|one| !one.freeze && one.covers(&other.info));
                same && (down || window.covers(&other.info) || busy())
            });
            if let Some(partner) = partner {
                partners.push((device, partner));
            }
        }
        partners.sort_by_key(|(device, partner)| (&device.info.name, &partner.info.name));
        let warning = |(device, partner): (&crate::Device, &crate::Device)| {
            let (name, other) = (&device.info.name, &partner.info.name);
            Warning {
                text: Text::new(
                    format!("{name}: thiết bị dự phòng {other} đang ngừng hoặc cũng được bảo trì."),
                    format!("{name}: its redundant partner {other} is down or is worked on, too."),
                ),
                unnamed: Text::new(
                    "Thiết bị dự phòng của một thiết bị trong đợt này đang ngừng hoặc cũng được bảo trì.",
                    "The redundant partner of a device in this window is down or is worked on, too.",
                ),
                names: vec![named(device), named(partner)],
            }
        };
        partners.into_iter().take(WARNINGS_MAX).map(warning).collect()
    }

    /// Where that stands which a window's title tells of: as far as it is for devices and places at all.
    fn named_by(&self, window: &Window) -> Vec<Named> {
        let scope = &window.scope;
        let mut names = Vec::new();
        if !scope.devices.is_empty() {
            let devices = scope.devices.iter().filter_map(|id| self.devices.get(&DeviceId::new(id).ok()?));
            names.push(Named { places: devices.map(|device| device.info.place.clone()).collect(), below: false });
        }
        if !scope.places.is_empty() {
            names.push(Named { places: scope.places.clone(), below: true });
        }
        names
    }

    /// Ends a window before its time, or takes it out of the plan.
    pub(super) fn end_window(&mut self, id: u64, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        let place = self.windows.iter().position(|window| window.id == id);
        let Some(place) = place else {
            return Err(Refusal::Missing { what: "window", which: id.to_string() });
        };
        let window = self.windows.remove(place);
        out.push(Effect::WindowEnded(id));
        self.release(&window, now, out);
        Ok(())
    }

    pub(super) fn watch_window(&mut self, window: &Window, now: Timestamp) {
        if let Some((_, until)) = window.next(now) {
            self.window_wakes.insert((until, window.id));
        }
    }

    /// A stretch of a window is over.
    pub(super) fn window_due(&mut self, id: u64, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(window) = self.windows.iter().find(|window| window.id == id).cloned() else { return };
        if window.next(now).is_some() {
            self.watch_window(&window, now);
        } else {
            self.windows.retain(|one| one.id != id);
            out.push(Effect::WindowEnded(id));
        }
        self.release(&window, now, out);
    }

    /// What is still bad at the end of a window is told: a fault that nobody was told of must not stay silent.
    fn release(&mut self, window: &Window, now: Timestamp, out: &mut Vec<Effect>) {
        // Uplinks first: what is behind one is listed in its incident.
        let depth = |id: &DeviceId| {
            let above = |id: &DeviceId| self.devices.get(id).and_then(|device| device.info.uplink.clone());
            std::iter::successors(above(id), above).take(UPLINK_DEPTH_MAX).count()
        };
        let mut ids: Vec<(usize, DeviceId)> = self.devices.keys().map(|id| (depth(id), id.clone())).collect();
        ids.sort();
        for (_, id) in ids {
            let mut above = Some(&id);
            let mut meant = false;
            for _ in 0..UPLINK_DEPTH_MAX {
                let Some(device) = above.and_then(|id| self.devices.get(id)) else { break };
                meant |= window.covers(&device.info);
                above = device.info.uplink.as_ref().or(device.info.parent.as_ref());
            }
            if !meant || self.held_until(&id, now).is_some() {
                continue;
            }
            self.open_pending(&id, now, out);
            self.open_pending_device_faults(&id, now, out);
        }
    }

    /// Opens incidents for faults of the device as a whole that have none.
    pub(super) fn open_pending_device_faults(&mut self, id: &DeviceId, now: Timestamp, out: &mut Vec<Effect>) {
        let untold: Vec<_> = self
            .device_faults_of(id)
            .filter(|(_, fault)| fault.incident.is_none() && fault.severity >= Severity::Warning)
            .map(|(key, fault)| (key.clone(), fault.clone()))
            .collect();
        for (key, mut fault) in untold {
            self.open_or_join(&mut fault, now, out);
            self.device_faults.insert(key, fault);
        }
    }

    /// Writes down who stands in: all of these, or none.
    pub(super) fn add_covers(
        &mut self,
        covers: Vec<Cover>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let checked = covers.into_iter().map(|cover| self.checked(cover, now));
        let covers = checked.collect::<Result<Vec<Cover>, Refusal>>()?;
        let over: Vec<u64> = self.covers.iter().filter(|one| one.until <= now).map(|one| one.id).collect();
        for id in over {
            self.covers.retain(|one| one.id != id);
            out.push(Effect::CoverEnded(id));
        }
        if self.covers.len() + covers.len() > COVERS_MAX {
            let vi = format!("nhiều nhất {COVERS_MAX} lượt trực thay");
            let why = Text::new(vi, format!("allowed are {COVERS_MAX} entries"));
            return Err(Refusal::Invalid { field: "rota", why });
        }
        for mut cover in covers {
            self.last_cover += 1;
            cover.id = self.last_cover;
            out.push(Effect::Cover(cover.clone()));
            self.covers.push(cover);
        }
        Ok(())
    }

    fn checked(&self, mut cover: Cover, now: Timestamp) -> Result<Cover, Refusal> {
        if self.plan.rota(&cover.rota).is_none() {
            return Err(Refusal::Missing { what: "rota", which: cover.rota });
        }
        let Some(person) = self.plan.person(&cover.person) else {
            return Err(Refusal::Missing { what: "person", which: cover.person });
        };
        cover.person.clone_from(&person.id);
        let length = cover.until.millis_since(cover.from);
        if length <= 0 || length > COVER_MAX_MS || cover.until <= now {
            let why = Text::new(
                "chọn lúc sau lúc bắt đầu, chưa qua, trong vòng một năm",
                "allowed is a time after the beginning that is not over, at most a year",
            );
            return Err(Refusal::Invalid { field: "until", why });
        }
        Ok(cover)
    }

    /// Takes back that someone stands in, from now on: that they did until now stays on record.
    pub(super) fn remove_cover(&mut self, id: u64, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        let Some(place) = self.covers.iter().position(|one| one.id == id) else {
            return Err(Refusal::Missing { what: "stand-in", which: id.to_string() });
        };
        let mut cover = self.covers.remove(place);
        cover.until = cover.until.min(now.max(cover.from));
        out.push(Effect::Cover(cover));
        out.push(Effect::CoverEnded(id));
        Ok(())
    }

    /// Who stands in for whom.
    #[must_use]
    pub fn covers(&self) -> &[Cover] {
        &self.covers
    }
}

fn named(device: &crate::Device) -> Named {
    Named { places: vec![device.info.place.clone()], below: false }
}
