//! One identity on two machines: a disk that was cloned, or a restored backup that runs beside the machine it was made of.
//!
//! Each start of an agent makes up a name for its run, and none returns to an earlier one. Two that share an identity push each
//! other off the link, and their runs take turns: A, B, A, B. A snapshot of a virtual machine that is restored gives A, B, A, and is
//! one machine; so it takes two returns. Nothing that either reports can then be believed, and the key is in two hands: the identity
//! is good no more until one of them is enrolled anew, or a person says that all is well.

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::report::Hello;

use super::{Device, State};
use crate::effect::Effect;
use crate::fault::Fault;
use crate::presence::Presence;
use crate::severity::Severity;
use crate::text::Text;

/// The rule by which a shared identity is a fault. It is not among the rules of the configuration: it cannot be turned off.
pub const IDENTITY_COLLISION: &str = "identity-collision";
/// How often two runs must have taken turns.
const RETURNS: u8 = 2;
/// How much is shown of what a machine calls its run and itself.
const RUN_MAX_CHARS: usize = 16;
const HOST_MAX_CHARS: usize = 64;

impl Device {
    /// Takes note of a run. True when it and the one before have taken turns often enough.
    pub(super) fn takes_turns(&mut self, run: &str) -> bool {
        if run.is_empty() || run == self.run {
            return false;
        }
        self.returns = if self.former_run == run { self.returns.saturating_add(1) } else { 0 };
        self.former_run = std::mem::replace(&mut self.run, run.to_owned());
        self.returns >= RETURNS
    }
}

impl State {
    /// Whether a device's identity is known to be on two machines.
    #[must_use]
    pub fn is_quarantined(&self, id: &DeviceId) -> bool {
        self.devices.get(id).is_some_and(|device| device.quarantined)
    }

    /// Its runs take turns: two machines say that they are this device.
    pub(super) fn quarantine(&mut self, id: &DeviceId, hello: &Hello, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(device) = self.devices.get_mut(id) else { return };
        device.quarantined = true;
        let key = collision(id);
        let (one, other) = (shown(&device.run, RUN_MAX_CHARS), shown(&device.former_run, RUN_MAX_CHARS));
        let host = shown(&hello.facts.hostname, HOST_MAX_CHARS);
        let reason = Text::new(
            format!(
                "Hai máy đang chạy thay nhau báo cáo bằng cùng một danh tính (lần chạy {one} và {other}, tên máy {host:?}). Cả hai bị cách ly."
            ),
            format!(
                "Two running machines take turns reporting under one identity (runs {one} and {other}, host name {host:?}). Both are kept out."
            ),
        );
        let fault = Fault {
            title: Some(Text::new("Danh tính bị nhân bản", "Identity on two machines")),
            ..Fault::raised(self.new_fault(), key.clone(), Severity::Critical, now, reason)
        };
        out.push(Effect::Quarantined(id.clone()));
        self.raise_device_fault(key, fault, now, out);
    }

    /// One machine alone has the identity again.
    pub(super) fn released(&mut self, id: &DeviceId, why: &Text, now: Timestamp, out: &mut Vec<Effect>) {
        if let Some(device) = self.devices.get_mut(id) {
            device.returns = 0;
            device.former_run.clear();
            device.quarantined = false;
        }
        if let Some(fault) = self.device_faults.remove(&collision(id)) {
            self.clear(fault, now, now, why, out);
        }
        // Nobody was told that it is silent while it was kept out; from now on that counts.
        let presence = self.devices.get(id).map(|device| device.presence);
        if matches!(presence, Some(Presence::Silent { .. })) {
            let until = now.plus_millis(self.limits.settle_ms);
            self.set_presence(id, Presence::Suspect { since: now, until, probing: false }, out);
        }
    }
}

/// What a machine says of itself, fit for a sentence.
fn shown(text: &str, most: usize) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(most).collect()
}

fn collision(id: &DeviceId) -> super::DeviceFaultKey {
    (id.clone(), IDENTITY_COLLISION.to_owned(), String::new())
}

/// What to do about it.
pub(super) fn advice() -> Text {
    Text::new(
        "Tìm máy bị nhân bản (ổ đĩa sao chép, máy ảo nhân bản) và tắt nó, hoặc đăng ký nó thành thiết bị riêng bằng \
         'ioc-agent enrol --anew' với mã mới. Rồi cấp mã cho chính thiết bị này và đăng ký lại máy thật: danh tính cũ hết hiệu lực.",
        "Find the copy (a cloned disk, a cloned virtual machine); turn it off, or enrol it as a device of its own with \
         'ioc-agent enrol --anew' and a new token. Then make a token for this device and enrol the real machine anew: the old \
         identity ends.",
    )
}
