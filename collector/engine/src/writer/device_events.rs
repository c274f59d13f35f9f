//! What the collector itself sees happen to a device, among its events: that it started anew, that it fell silent, that it is back.
//!
//! A device that says goodbye says so itself, and one that is looked after for a moment and answers has not been away: neither is told here.

use std::collections::BTreeSet;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::{JudgedAction, Presence, PresenceState, State};

use super::Engine;
use ioc_store::Change;

/// The machine runs since another boot.
const REBOOTED_EVENT: &str = "device.rebooted";
/// It is not heard any more.
const SILENT_EVENT: &str = "device.silent";
/// It is heard again after that.
const BACK_EVENT: &str = "device.back";

/// Whether a device in this state is not heard.
const fn is_out(presence: Presence) -> bool {
    matches!(presence.state(), PresenceState::Silent | PresenceState::HostDown)
}

/// The devices that are not heard now: what came of that is kept already.
pub(super) fn out_now(state: &State) -> BTreeSet<DeviceId> {
    state.devices().filter(|device| is_out(device.presence)).map(|device| device.info.id.clone()).collect()
}

impl Engine {
    /// Keeps that a device fell silent or is back, once each time.
    pub(super) fn note_presence(&mut self, device: &DeviceId, presence: Presence, now: Timestamp) {
        if is_out(presence) {
            if self.outages.insert(device.clone()) {
                self.note_device(device, SILENT_EVENT, "not heard any more", now);
            }
        } else if presence.state() == PresenceState::Live && self.outages.remove(device) {
            self.note_device(device, BACK_EVENT, "heard again", now);
        }
    }

    /// Keeps that a device started anew, of what the judge has written down of it.
    pub(super) fn note_record(&mut self, device: &DeviceId, action: JudgedAction, now: Timestamp) {
        if action == JudgedAction::DeviceRebooted {
            self.note_device(device, REBOOTED_EVENT, "started anew", now);
        }
    }

    /// Keeps among a device's events what the collector saw of it.
    fn note_device(&mut self, device: &DeviceId, name: &str, text: &str, at: Timestamp) {
        self.batch.changes.push(Change::Event {
            device: device.clone(),
            at,
            name: name.to_owned(),
            text: text.to_owned(),
            fields: "{}".to_owned(),
        });
    }
}
