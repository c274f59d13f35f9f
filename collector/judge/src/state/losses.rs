//! Reports that never came: what each report, and what a device says, tells of them ([`crate::losses`]).

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::report::{Body, LossReason, Position, Report};

use super::State;
use crate::effect::Effect;
use crate::losses::{COUNT_MAX, Loss};

impl State {
    /// A report at this place was refused for what it holds. When it is passed over, that is why.
    pub fn refused(&mut self, id: &DeviceId, position: Position) {
        if let Some(device) = self.devices.get_mut(id).filter(|device| position > device.watermark) {
            device.losses.note_refused(position);
        }
    }

    /// A report of this device comes through a broker, or to our own endpoint. Until when its reports came through a broker, where that is
    /// another moment than before.
    pub fn note_entrance(&mut self, id: &DeviceId, through_broker: bool, now: Timestamp) -> Option<Option<Timestamp>> {
        let device = self.devices.get_mut(id)?;
        let until = match device.broker_until {
            _ if through_broker => Some(Timestamp::MAX),
            Some(Timestamp::MAX) => Some(now),
            before => before,
        };
        let changed = device.broker_until != until;
        device.broker_until = until;
        changed.then_some(until)
    }

    /// Whether this report passes over places that neither came, nor were refused, nor are reported as lost by the device: it has them still,
    /// as far as anybody knows. Where a broker stands between, that is how its losses show.
    #[must_use]
    pub fn skips(&self, report: &Report) -> bool {
        let envelope = &report.envelope;
        let hello = match &report.body {
            Body::Hello(hello) if hello.sensor.is_none() => Some(hello.as_ref()),
            _ => None,
        };
        let Some(device) = self.devices.get(&envelope.device) else { return false };
        envelope.position > device.watermark
            && envelope.lost.is_none()
            && device.losses.unexplained(envelope.position, device.watermark, hello)
    }

    /// Takes note of what is missing between the place that was the watermark and this report's.
    pub(super) fn find_lost(
        &mut self,
        report: &Report,
        was: Position,
        at: Timestamp,
        now: Timestamp,
        live: bool,
        out: &mut Vec<Effect>,
    ) {
        let envelope = &report.envelope;
        let position = envelope.position;
        let hello = match &report.body {
            Body::Hello(hello) if envelope.about.is_none() && hello.sensor.is_none() => Some(hello.as_ref()),
            _ => None,
        };
        let Some(device) = self.devices.get_mut(&envelope.device) else { return };
        let follows = position.epoch == was.epoch && position.seq == was.seq + 1;
        if follows && hello.is_none() && envelope.lost.is_none() && !device.losses.awaits_gap() {
            return;
        }
        let before = device.losses.clone();
        let mut gap = device.losses.gap(position, was);
        let mut cut_off = false;
        if let Some(hello) = hello {
            let (missing, cut) = device.losses.missing_at_ends(hello, position.epoch, was);
            gap = gap.saturating_add(missing);
            cut_off = cut;
        }
        gap = gap.min(COUNT_MAX);
        let refused = device.losses.take_refused(position, was);
        let reported = hello.map(|hello| hello.losses).or(envelope.lost);
        let reasons = device.losses.reconcile(reported, gap, refused.min(gap), now);
        if live && (device.losses.awaits_gap() || hello.is_some()) {
            // All that was lost lies before what is taken now, and the device has said what it knows.
            device.losses.settle();
        }
        let count = reasons.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        let mut loss = Loss { count, reasons, from: device.last_sample, until: at, after: was, before: position };
        if count > 0 {
            out.push(Effect::ReportsLost(envelope.device.clone(), Box::new(loss.clone())));
        }
        if cut_off {
            (loss.count, loss.reasons) = (0, vec![(LossReason::CutOff, 0)]);
            out.push(Effect::ReportsLost(envelope.device.clone(), Box::new(loss)));
        }
        if device.losses != before {
            out.push(Effect::LossLedger(envelope.device.clone()));
        }
    }
}

impl State {
    /// The same before a report that is refused for its size or number: its place is taken, and what it says is not looked at.
    pub(super) fn find_lost_before(
        &mut self,
        id: &DeviceId,
        position: Position,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let Some(device) = self.devices.get_mut(id) else { return };
        let was = device.watermark;
        if position <= was || (position.epoch == was.epoch && position.seq == was.seq + 1) {
            return;
        }
        let gap = device.losses.gap(position, was).min(COUNT_MAX);
        let refused = device.losses.take_refused(position, was);
        let reasons = device.losses.reconcile(None, gap, refused.min(gap), now);
        let count = reasons.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        if count > 0 {
            let loss = Loss { count, reasons, from: device.last_sample, until: now, after: was, before: position };
            out.push(Effect::ReportsLost(id.clone(), Box::new(loss)));
        }
        out.push(Effect::LossLedger(id.clone()));
    }
}
