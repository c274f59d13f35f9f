//! Reports: order, time, layout, thresholds.

use std::sync::Arc;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::layout::Layout;
use ioc_common::report::{Ask, Body, Hello, Report, Sample, StateReport};

use super::series_state::{self, Binding, SeriesState, ValueSource};
use super::{Device, State};
use crate::device::{DeviceInfo, UPLINK_DEPTH_MAX};
use crate::effect::{Effect, JudgedAction, ReportVerdict};
use crate::fault::{Fault, FaultState};
use crate::presence::Presence;
use crate::rule::number::NumberRule;
use crate::rule::{Rule, RuleCondition, SampleWindow};
use crate::severity::Severity;
use crate::text::Text;

/// Layouts that are kept for other devices, and what rules are bound to in them.
const LAYOUTS_MAX: usize = 4096;

impl State {
    pub(super) fn report(&mut self, report: &Report, now: Timestamp, out: &mut Vec<Effect>) -> ReportVerdict {
        let envelope = &report.envelope;
        let Some(device) = self.devices.get_mut(&envelope.device) else { return ReportVerdict::NotEnrolled };
        if device.quarantined {
            return ReportVerdict::NotEnrolled;
        }
        device.last_heard = Some(now);
        if envelope.position <= device.watermark {
            return ReportVerdict::Duplicate;
        }
        let was = std::mem::replace(&mut device.watermark, envelope.position);

        let trust = self.limits.clock_trust_ms;
        let mut witnessed = false;
        let at = match envelope.age_ms {
            Some(age) => {
                let real = now.plus_millis(-i64::try_from(age).unwrap_or(i64::MAX));
                let error = envelope.taken_at.millis_since(real);
                device.clock_error_ms = Some(error);
                // Two clocks that agree against ours are believed in what is kept, or it could not be mended when ours is set right.
                witnessed = self.wall_ahead_ms.is_some_and(|ahead| error.saturating_sub(ahead).abs() <= trust);
                if error.abs() > trust { real } else { envelope.taken_at }
            }
            // The machine rebooted since, so nothing but its word is known; a time to come is not believed.
            None if envelope.taken_at > now.plus_millis(trust) => {
                let wall = self.wall_ahead_ms.map(|ahead| now.plus_millis(ahead.saturating_add(trust)));
                witnessed = wall.is_some_and(|wall| envelope.taken_at <= wall);
                now
            }
            None => envelope.taken_at,
        };
        // A clock that errs by a few minutes makes no backlog of what was taken just now.
        let age_ms = envelope.age_ms.map_or(now.millis_since(at), |age| i64::try_from(age).unwrap_or(i64::MAX));
        let live = age_ms <= self.limits.live_within_ms;

        self.find_lost(report, was, at, now, live, out);
        if !matches!(report.body, Body::Goodbye(_)) {
            self.mark_heard(&envelope.device, now, out);
        }
        let subject = match self.subject(report, out) {
            Ok(subject) => subject,
            Err(verdict) => return verdict,
        };
        if envelope.about.is_some() && live {
            if let Some(device) = self.devices.get_mut(&subject) {
                device.last_heard = Some(now);
            }
            self.mark_heard(&subject, now, out);
        }
        match &report.body {
            Body::Hello(hello) => self.hello(&subject, hello, now, out),
            Body::Sample(sample) => {
                self.sample(&subject, sample, at, now, live, out);
                if live && envelope.about.is_none() {
                    self.find_silent_sensors(&subject, now, out);
                }
            }
            Body::State(StateReport::Layout(layout)) => self.take_layout(&subject, layout, now, out),
            Body::State(StateReport::Document { name, doc }) => self.document(&subject, name, doc, now, out),
            Body::Goodbye(goodbye) if live => self.goodbye(&subject, goodbye, now, out),
            Body::State(_) | Body::Software(_) | Body::Event(_) | Body::Goodbye(_) => {}
        }
        let kept_at = if witnessed { envelope.taken_at } else { at };
        ReportVerdict::New { at, kept_at }
    }

    fn hello(&mut self, id: &DeviceId, hello: &Hello, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(device) = self.devices.get_mut(id) else { return };
        let mut record = |action, detail| out.push(Effect::Record { device: id.clone(), action, detail });
        if !device.boot_id.is_empty() && device.boot_id != hello.boot_id {
            record(JudgedAction::DeviceRebooted, format!("boot {} after {}", hello.boot_id, device.boot_id));
        }
        if !device.fingerprint.is_empty() && device.fingerprint != hello.fingerprint {
            let detail = format!("hardware fingerprint {} after {}", hello.fingerprint, device.fingerprint);
            record(JudgedAction::DeviceFingerprintChanged, detail);
        }
        let collision = hello.sensor.is_none() && device.takes_turns(&hello.run);
        device.boot_id.clone_from(&hello.boot_id);
        device.fingerprint.clone_from(&hello.fingerprint);
        device.interval_s = hello.interval_s.clamp(1, 86_400);
        device.asked_sensors = false;
        device.plain = hello.sensor.is_some() && device.info.parent.is_none();
        self.take_layout(id, &hello.layout, now, out);
        if collision {
            self.quarantine(id, hello, now, out);
        }
    }

    /// Uses a layout from now on. Where rules stand on series that stay is carried over; faults of series that vanish are cleared.
    fn take_layout(&mut self, id: &DeviceId, layout: &Layout, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(device) = self.devices.get_mut(id) else { return };
        device.asked_layout = false;
        if device.layout.as_ref().is_some_and(|have| have.id() == layout.id()) {
            return;
        }
        let old_layout = device.layout.take();
        let old_bindings = std::mem::replace(&mut device.bindings, Arc::from([]));
        let old_states = std::mem::take(&mut device.series_states);
        let old_windows = std::mem::take(&mut device.sample_windows);
        let info = device.info.clone();
        let layout = &self.shared(layout);
        let bindings = self.bind(layout, &info);
        let mut series_states = vec![SeriesState::Good; bindings.len()];
        let mut sample_windows = vec![SampleWindow::default(); bindings.len()];
        let mut vanished = Vec::new();
        if let Some(old_layout) = &old_layout {
            for ((binding, state), window) in old_bindings.iter().zip(old_states).zip(old_windows) {
                let name = series_state::series_name(binding.source, old_layout);
                let place = bindings
                    .iter()
                    .position(|new| new.rule == binding.rule && series_state::series_name(new.source, layout) == name);
                match (place, state) {
                    (Some(place), state) => (series_states[place], sample_windows[place]) = (state, window),
                    (None, SeriesState::Raised(fault)) => vanished.push(*fault),
                    (None, SeriesState::Good | SeriesState::Pending { .. }) => {}
                }
            }
        }
        if let Some(device) = self.devices.get_mut(id) {
            device.layout = Some(Arc::clone(layout));
            device.bindings = bindings;
            device.series_states = series_states;
            device.sample_windows = sample_windows;
        }
        for fault in vanished {
            let why =
                Text::new("Thiết bị không còn báo chuỗi số liệu này.", "The device no longer reports this series.");
            self.clear(fault, now, now, &why, out);
        }
    }

    /// A layout as other devices have it, too. One with another's identifier, which is a short hash, is its device's own.
    fn shared(&mut self, layout: &Layout) -> Arc<Layout> {
        if self.layouts.len() >= LAYOUTS_MAX {
            self.layouts.clear();
            self.bindings.clear();
        }
        let known = self.layouts.entry(layout.id()).or_insert_with(|| Arc::new(layout.clone()));
        if **known == *layout { Arc::clone(known) } else { Arc::new(layout.clone()) }
    }

    pub(super) fn bind(&mut self, layout: &Arc<Layout>, info: &DeviceInfo) -> Arc<[Binding]> {
        let particular = self.rules.rules().iter().any(|rule| rule.scope.is_particular());
        let is_shared = self.layouts.get(&layout.id()).is_some_and(|known| Arc::ptr_eq(known, layout));
        if particular || !is_shared {
            return series_state::bind(&self.rules, layout, info);
        }
        let rules = &self.rules;
        let key = (layout.id(), info.kind);
        self.bindings.entry(key).or_insert_with(|| series_state::bind(rules, layout, info)).clone()
    }

    /// What is said of a device has changed: other rules may be for it. What stays keeps where it stands.
    pub(super) fn rebind(&mut self, info: &DeviceInfo, layout: &Arc<Layout>, out: &mut Vec<Effect>) {
        let bindings = self.bind(layout, info);
        let Some(device) = self.devices.get_mut(&info.id) else { return };
        if device.bindings == bindings {
            return;
        }
        let old = std::mem::replace(&mut device.bindings, Arc::clone(&bindings));
        let (series_states, sample_windows) =
            (std::mem::take(&mut device.series_states), std::mem::take(&mut device.sample_windows));
        device.reset_series();
        let mut gone = Vec::new();
        for ((binding, state), window) in old.iter().zip(series_states).zip(sample_windows) {
            let id = |binding: &Binding| &self.rules.rules()[usize::from(binding.rule)].id;
            let same = |new: &Binding| new.source == binding.source && id(new) == id(binding);
            match (bindings.iter().position(same), state) {
                (Some(place), state) => (device.series_states[place], device.sample_windows[place]) = (state, window),
                (None, SeriesState::Raised(fault)) => gone.push(*fault),
                (None, SeriesState::Good | SeriesState::Pending { .. }) => {}
            }
        }
        for fault in gone {
            let why =
                Text::new("Quy tắc không còn áp dụng cho thiết bị này.", "The rule is not for this device any more.");
            let at = fault.raised_at;
            self.clear(fault, at, at, &why, out);
        }
    }

    fn sample(
        &mut self,
        id: &DeviceId,
        sample: &Sample,
        at: Timestamp,
        now: Timestamp,
        live: bool,
        out: &mut Vec<Effect>,
    ) {
        let Some(device) = self.devices.get_mut(id) else { return };
        let known = device
            .layout
            .as_ref()
            .is_some_and(|layout| layout.id() == sample.layout && layout.series().len() == sample.v.len());
        if !known {
            if !device.asked_layout {
                device.asked_layout = true;
                let speaker = device.info.parent.clone().unwrap_or_else(|| id.clone());
                out.push(Effect::Ask(speaker, Ask::Hello));
            }
            return;
        }
        let gap_max = (i64::from(device.interval_s) * 5000).max(60_000);
        let gap = device.last_sample.is_some_and(|last| at.millis_since(last) > gap_max);
        if device.last_sample.is_none_or(|last| at > last) {
            device.last_sample = Some(at);
        }
        let rules = Arc::clone(&self.rules);
        let bindings = Arc::clone(&device.bindings);
        let mut changes = Vec::new();
        for (place, binding) in bindings.iter().enumerate() {
            let rule = &rules.rules()[usize::from(binding.rule)];
            let RuleCondition::Number(condition) = &rule.condition else { continue };
            let found =
                value_of(binding.source, sample, device, now).filter(|value| condition.metric.plausible(*value));
            let (Some(state), Some(window)) =
                (device.series_states.get_mut(place), device.sample_windows.get_mut(place))
            else {
                continue;
            };
            if gap && (found.is_some() || condition.judges_unknown()) {
                condition.after_silence(window);
                if matches!(state, SeriesState::Pending { .. }) {
                    *state = SeriesState::Good;
                }
            }
            let Some(value) = condition.number(window, found, at) else { continue };
            if let SeriesState::Raised(fault) = state
                && fault.state == FaultState::Unknown
            {
                // It is heard again: either it still is bad, or it clears with this very value.
                fault.state = FaultState::Raised;
                out.push(Effect::Fault(fault.as_ref().clone()));
            }
            match advance(state, condition, value, at) {
                Transition::Stay => {}
                Transition::Raise(since) => changes.push((place, value, Some(since))),
                Transition::Clear => changes.push((place, value, None)),
            }
        }
        for (place, value, raised) in changes {
            let binding = bindings[place];
            let rule = &rules.rules()[usize::from(binding.rule)];
            match raised {
                Some(since) => self.raise(id, place, binding, rule, value, since, out),
                None => self.clear_series(id, place, rule, value, at, now, out),
            }
        }
        // A fault from the backlog that is still bad in a live sample is news, too.
        if live {
            self.open_pending(id, now, out);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one call, one place; a struct would only rename the arguments")]
    fn raise(
        &mut self,
        id: &DeviceId,
        place: usize,
        binding: Binding,
        rule: &Rule,
        value: f64,
        since: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let number = self.new_fault();
        let Some(device) = self.devices.get_mut(id) else { return };
        let Some(layout) = device.layout.clone() else { return };
        let RuleCondition::Number(condition) = &rule.condition else { return };
        let series = series_state::series_name(binding.source, &layout).to_owned();
        let reason = condition.raised_reason(&series, value, &device.texts);
        let key = (id.clone(), rule.id.clone(), series);
        let fault = Fault { value: Some(value), ..Fault::raised(number, key, rule.severity, since, reason) };
        out.push(Effect::Fault(fault.clone()));
        device.series_states[place] = SeriesState::Raised(Box::new(fault));
    }

    #[allow(clippy::too_many_arguments, reason = "one call, one place; a struct would only rename the arguments")]
    fn clear_series(
        &mut self,
        id: &DeviceId,
        place: usize,
        rule: &Rule,
        value: f64,
        at: Timestamp,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let Some(device) = self.devices.get_mut(id) else { return };
        let RuleCondition::Number(condition) = &rule.condition else { return };
        if let SeriesState::Raised(fault) = std::mem::take(&mut device.series_states[place]) {
            let why = condition.cleared_reason(value);
            self.clear(*fault, at, now, &why, out);
        }
    }

    /// Opens incidents for raised faults that have none. Called for live samples only.
    pub(super) fn open_pending(&mut self, id: &DeviceId, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(device) = self.devices.get(id) else { return };
        let mut untold = Vec::new();
        for (place, state) in device.series_states.iter().enumerate() {
            if let SeriesState::Raised(fault) = state
                && fault.incident.is_none()
                && fault.severity >= Severity::Warning
            {
                untold.push((place, fault.as_ref().clone()));
            }
        }
        if untold.is_empty() || self.held_until(id, now).is_some() {
            return;
        }
        for (place, mut fault) in untold {
            self.open_incident(&mut fault, now, out);
            if let Some(device) = self.devices.get_mut(id) {
                device.series_states[place] = SeriesState::Raised(Box::new(fault));
            }
        }
    }

    pub(super) fn mark_heard(&mut self, id: &DeviceId, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(device) = self.devices.get_mut(id) else { return };
        if matches!(device.presence, Presence::Live { .. }) {
            return;
        }
        device.presence = Presence::Live { since: now };
        let uplink = device.info.uplink.clone();
        out.push(Effect::Presence(id.clone()));
        if let Some(rule) = self.devices.get(id).and_then(|one| self.rules.silent_for(&one.info)) {
            let key = (id.clone(), rule.id.clone(), String::new());
            if let Some(fault) = self.device_faults.remove(&key) {
                let why = Text::new("Thiết bị đã báo cáo trở lại.", "The device is heard again.");
                self.clear(fault, now, now, &why, out);
            }
        }
        // Whoever waits for its word is judged alone; whoever was held with it gets its time to come back.
        self.settle_waiting(id, now, out);
        self.uplink_returned(id, now, out);
        let mut above = uplink;
        for _ in 0..UPLINK_DEPTH_MAX {
            let Some(uplink) = above else { break };
            self.uplink_returned(&uplink, now, out);
            above = self.devices.get(&uplink).and_then(|device| device.info.uplink.clone());
        }
    }
}

enum Transition {
    Stay,
    Raise(Timestamp),
    Clear,
}

fn advance(state: &mut SeriesState, condition: &NumberRule, value: f64, at: Timestamp) -> Transition {
    let beyond = condition.raise.crossed(value);
    match state {
        SeriesState::Good if !beyond => Transition::Stay,
        SeriesState::Good if condition.hold_ms == 0 => Transition::Raise(at),
        SeriesState::Good => {
            *state = SeriesState::Pending { since: at };
            Transition::Stay
        }
        SeriesState::Pending { .. } if !beyond => {
            *state = SeriesState::Good;
            Transition::Stay
        }
        SeriesState::Pending { since } => {
            // A clock that stepped back starts the wait anew.
            if at < *since {
                *since = at;
            }
            if at.millis_since(*since) >= condition.hold_ms { Transition::Raise(*since) } else { Transition::Stay }
        }
        SeriesState::Raised(_) if condition.clear.crossed(value) => Transition::Clear,
        SeriesState::Raised(_) => Transition::Stay,
    }
}

fn value_of(source: ValueSource, sample: &Sample, device: &Device, now: Timestamp) -> Option<f64> {
    match source {
        ValueSource::Series(at) => sample.v.get(usize::from(at)).copied().flatten(),
        ValueSource::Lost => Some(device.losses.recent(now)[0] as f64),
        ValueSource::Thinned => Some(device.losses.recent(now)[1] as f64),
        ValueSource::ClockError => device.clock_error_ms.map(|error| (error as f64 / 1000.0).abs()),
    }
}

#[cfg(test)]
mod tests {
    use ioc_common::layout::Series;

    use super::*;
    use crate::RuleSet;
    use crate::device::DeviceKind;
    use crate::state::{Snapshot, TimeLimits};

    fn layout(names: &[&str]) -> Layout {
        Layout::new(names.iter().map(|name| Series::new(name, "")).collect()).expect("allowed")
    }

    #[test]
    fn devices_share_a_layout_and_only_their_own() {
        let rules = r#"
[[rule]]
id = "load"
kind = "threshold"
severity = "warning"
metric = "load.1"
raise = { above = 5 }
clear = { below = 4 }
title = { vi = "a", en = "a" }
advice = { vi = "a", en = "a" }
"#;
        let rules = RuleSet::parse(&ioc_common::config::Source::built_in("rules.toml", rules)).expect("parses");
        let (mut state, _) = State::restore(
            Arc::new(rules),
            Arc::default(),
            TimeLimits::default(),
            Snapshot::default(),
            Timestamp::default(),
        );
        let info = |id: &str| DeviceInfo::new(DeviceId::new(id).expect("valid"), DeviceKind::Server, "x");
        let (one, two) = (state.shared(&layout(&["load.1"])), state.shared(&layout(&["load.1"])));
        assert!(Arc::ptr_eq(&one, &two));
        assert!(Arc::ptr_eq(&state.bind(&one, &info("a")), &state.bind(&two, &info("b"))));
        // Another with the same identifier was there first: neither its names nor what is bound to them is taken over.
        let other = layout(&["cpu.busy_pct", "load.1"]);
        state.layouts.insert(other.id(), Arc::clone(&one));
        let own = state.shared(&other);
        assert_eq!(*own, other);
        assert_eq!(state.bind(&own, &info("c"))[0].source, ValueSource::Series(1));
    }
}
