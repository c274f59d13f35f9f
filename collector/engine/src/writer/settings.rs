//! Settings for groups of agents: who is sent what, and what became of it.

use ioc_common::clock::Timestamp;
use ioc_common::codec;
use ioc_common::id::DeviceId;
use ioc_common::settings::{SettingsOutcome, SignedSettings, signed_text};
use ioc_common::topic::DownKind;

use super::Engine;
use crate::audit_action::AuditLogAction;
use crate::config::{AssignedSettings, SettingsState};

impl Engine {
    /// A device's connection can be sent something: what was given on an earlier one may not have arrived.
    pub(super) fn resend_settings(&mut self, device: &DeviceId, now: Timestamp) {
        self.sent_settings.remove(device);
        self.send_settings(device, now);
    }

    /// Sends a device its settings where it has others; once on each connection.
    pub(super) fn send_settings(&mut self, device: &DeviceId, now: Timestamp) {
        let Some(info) = self.state.device(device).map(|known| &known.info).filter(|_| self.connections.has(device))
        else {
            return;
        };
        let assigned = AssignedSettings::to(info, &self.config.settings);
        let none = SettingsOutcome::default();
        let reported = self.settings.get(device).unwrap_or(&none);
        if assigned.state(reported) != SettingsState::Waiting
            || self.sent_settings.get(device) == Some(&assigned.digest)
        {
            return;
        }
        // Above what it knows, whatever this machine's clock says.
        let version = u64::try_from(now.as_millis()).unwrap_or(0).max(reported.version + 1);
        let text = signed_text(device, version, &assigned.settings);
        let signed = self
            .authority
            .sign(text.as_bytes())
            .map(|signature| SignedSettings::new(version, assigned.settings, &signature));
        let payload = signed
            .map_err(|error| error.to_string())
            .and_then(|signed| codec::write_message(&signed).map_err(|error| error.to_string()));
        match payload {
            Ok(payload) => {
                self.connections.queue(device, DownKind::Settings, payload);
                self.sent_settings.insert(device.clone(), assigned.digest);
            }
            Err(error) => tracing::error!(%device, error, "settings cannot be sent"),
        }
    }

    /// The groups may have changed: everyone who is connected is looked at.
    pub(super) fn send_all_settings(&mut self, now: Timestamp) {
        for device in self.connections.devices() {
            self.send_settings(&device, now);
        }
    }

    /// A device says what became of its settings.
    pub(super) fn settings_reported(&mut self, device: &DeviceId, body: &str, now: Timestamp) {
        let Ok(reported) = serde_json::from_str::<SettingsOutcome>(body) else { return };
        if self.settings.get(device) == Some(&reported) {
            return;
        }
        let known = self.settings.insert(device.clone(), reported.clone());
        if reported != SettingsOutcome::default() {
            let action =
                if reported.applied { AuditLogAction::SettingsApplied } else { AuditLogAction::SettingsRefused };
            self.record(now, "", action, device.as_str(), &format!("version {} {}", reported.version, reported.why));
        }
        // It started anew, and says what it has; what it just refused is not offered again.
        if known.is_none_or(|known| known.digest != reported.digest) {
            self.send_settings(device, now);
        }
    }
}
