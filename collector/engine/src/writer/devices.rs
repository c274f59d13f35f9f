//! Devices that people register and describe.

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::{DeviceInfo, Input};

use super::Engine;
use super::commands::checked_text;
use crate::audit_action::AuditLogAction;
use crate::command::Answer;
use crate::inventory::device::check_device;
use crate::refusal_reason::{RefusalReason, Word};
use ioc_store::Change;
use ioc_store::NewDevice;

/// Longest remark on a device.
const REMARK_MAX_CHARS: usize = 1000;

impl Engine {
    pub(super) fn register(&mut self, new: NewDevice, actor: &str, now: Timestamp) -> super::CommandResult {
        let info = check_device(new)?;
        self.check_uplink(&info)?;
        if self.state.device(&info.id).is_some() {
            let english = format!("there is a device {} already", info.id);
            let args = [("device", Word::text(info.id.as_str()))];
            return Err(RefusalReason::new("refusal-device-there", args, english).conflict());
        }
        let name = info.name.clone();
        self.persist_registered(info, actor, &name, now);
        Ok(Answer::Done)
    }

    pub(super) fn persist_registered(&mut self, info: DeviceInfo, actor: &str, detail: &str, now: Timestamp) {
        self.record(now, actor, AuditLogAction::DeviceRegistered, info.id.as_str(), detail);
        self.persist_device(info, actor, now);
    }

    /// Keeps what people say of a device, new or known, with the old beside the new where it was known.
    pub(super) fn persist_described(&mut self, info: DeviceInfo, actor: &str, now: Timestamp) {
        let Some(known) = self.state.device(&info.id) else {
            let name = info.name.clone();
            return self.persist_registered(info, actor, &name, now);
        };
        let old = serde_json::to_string(&known.info).unwrap_or_default();
        let new = serde_json::to_string(&info).unwrap_or_default();
        self.record(now, actor, AuditLogAction::DeviceDescribed, info.id.as_str(), &format!("{old} -> {new}"));
        self.persist_device(info, actor, now);
    }

    fn persist_device(&mut self, info: DeviceInfo, actor: &str, now: Timestamp) {
        let device = info.id.clone();
        self.batch.changes.push(Change::Device { info: info.clone(), at: now });
        self.describe_asset(&info, Some(actor).filter(|actor| !actor.is_empty()), now);
        self.judge(Input::Enrolled(info), now);
        // It may belong to other groups now.
        self.send_settings(&device, now);
    }

    /// Keeps what a person says of a device among what happened there.
    pub(super) fn remark(&mut self, device: DeviceId, text: &str, actor: &str, now: Timestamp) -> super::CommandResult {
        if self.state.device(&device).is_none() {
            return Err(RefusalReason::no_device(&device).not_found());
        }
        let text = checked_text(text, REMARK_MAX_CHARS)?;
        self.record(now, actor, AuditLogAction::DeviceRemarked, device.as_str(), &text);
        let fields = serde_json::json!({ "who": actor }).to_string();
        self.batch.visible = true;
        self.batch.changes.push(Change::Event { device, at: now, name: "remark".to_owned(), text, fields });
        Ok(Answer::Done)
    }
}
