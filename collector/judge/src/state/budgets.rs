//! Devices that bring more than any honest one would. The engine counts and refuses (`writer/budget`); here it is a fault of the
//! device, raised once, and cleared when the device has kept within its budgets for a while.

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::report::Position;

use super::State;
use crate::effect::Effect;
use crate::fault::Fault;
use crate::text::Text;

/// So long a device must keep within its budgets, milliseconds.
const KEPT_MS: i64 = 600_000;

impl State {
    /// A report was refused unread: its place in the order is taken all the same.
    pub(super) fn skipped(&mut self, id: &DeviceId, position: Position, now: Timestamp, out: &mut Vec<Effect>) {
        if self.devices.get(id).is_none_or(|device| device.quarantined) {
            return;
        }
        self.find_lost_before(id, position, now, out);
        let Some(device) = self.devices.get_mut(id) else { return };
        device.last_heard = Some(now);
        device.watermark = device.watermark.max(position);
        self.mark_heard(id, now, out);
    }

    /// A device went beyond its budgets, or still does.
    pub(super) fn over_budget(&mut self, id: &DeviceId, what: &Text, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(rule) = self.devices.get(id).and_then(|device| self.rules.budget_for(&device.info)) else { return };
        let (severity, key) = (rule.severity, (id.clone(), rule.id.clone(), String::new()));
        let reason = Text::new(
            format!("Thiết bị gửi quá mức cho phép: {}. Phần vượt bị từ chối hoặc làm chậm lại.", what.vi),
            format!("The device sends more than it may: {}. What is beyond is refused or slowed down.", what.en),
        );
        self.watch_budget(id, now);
        match self.device_faults.get_mut(&key) {
            None => {
                let fault = Fault::raised(self.new_fault(), key.clone(), severity, now, reason);
                self.raise_device_fault(key, fault, now, out);
            }
            Some(fault) if fault.reason != reason => {
                fault.reason = reason;
                out.push(Effect::Fault(fault.clone()));
            }
            Some(_) => {}
        }
    }

    /// Looks at a device again when its time is over.
    pub(super) fn watch_budget(&mut self, id: &DeviceId, now: Timestamp) {
        let until = now.plus_millis(KEPT_MS);
        let Some(device) = self.devices.get_mut(id) else { return };
        // A wish that stands already is renewed when it comes due.
        if device.beyond_until.replace(until).is_none() {
            self.wakes.insert((until, id.clone()));
        }
    }

    /// Whether the time of a device that went beyond its budgets is over at `now`.
    pub(super) fn budget_deadline_passed(&mut self, id: &DeviceId, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(until) = self.devices.get(id).and_then(|device| device.beyond_until) else { return };
        if until > now {
            self.wakes.insert((until, id.clone()));
            return;
        }
        if let Some(device) = self.devices.get_mut(id) {
            device.beyond_until = None;
        }
        let rules = std::sync::Arc::clone(&self.rules);
        let is_budget = |rule: &str| rules.find(rule).is_some_and(|rule| rule.kind == crate::rule::RuleKind::Budget);
        let keys: Vec<_> =
            self.device_faults_of(id).filter(|(key, _)| is_budget(&key.1)).map(|(key, _)| key.clone()).collect();
        for fault in keys.iter().filter_map(|key| self.device_faults.remove(key)).collect::<Vec<_>>() {
            let why = Text::new("Đã 10 phút không vượt mức nữa.", "It has kept within its budgets for 10 minutes.");
            self.clear(fault, now, now, &why, out);
        }
    }
}
