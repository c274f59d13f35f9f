//! By which way a device comes: to our own endpoint, where its certificate says who it is, or through a broker, which alone has seen that.
//!
//! A broker acknowledges before it has anything on a disk, and forgets: what it lost shows as a gap in the order of a device. The device has
//! all of it still, for it frees its spool on our watermark alone; so what comes behind a gap is not taken, and the device is told to send
//! again. What came through a broker is marked (article 17.3), for whoever has the broker can say anything under any device's name.

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::report::{Body, RenewProof, Report};
use ioc_judge::Input;

use super::budget::BudgetKind;
use super::connections::{Entrance, NewConnection};
use super::down_dispatch::CloseCause;
use super::{ConnectionId, Engine};
use ioc_store::Change;

/// For so long what is missing is waited for, milliseconds: a device that hears nothing resends after 30 s, once more after 60 s. One that does
/// not have it any more says nothing, and is not held up for ever: the store may have been restored from before it freed it.
const GAP_PATIENCE_MS: u64 = 90_000;
/// Most devices whose gaps are waited for at a time.
const GAPS_MAX: usize = 100_000;
/// Beyond three intervals a device is given this long before it is missed, milliseconds: a broker hands on in lumps.
const PACE_SLACK_MS: u64 = 5000;

impl Engine {
    /// A device's connection is open.
    pub(super) fn opened(&mut self, new: NewConnection, now: Timestamp) {
        self.keep_adopted(now);
        // Revoked while it was connecting.
        let allowed = match &new.entrance {
            Entrance::Certificate(serial) => self.allowlist.allows(&new.device, serial),
            Entrance::Broker => self.allowlist.knows(&new.device),
        };
        if !allowed {
            return self.connections.refuse(new, CloseCause::Revoked);
        }
        if let Err(kind) = self.charge(&new.device, BudgetKind::Connections, 0, now) {
            return self.connections.refuse(new, CloseCause::OverBudget(kind.label()));
        }
        let (id, device, through_broker) = (new.id, new.device.clone(), new.entrance == Entrance::Broker);
        let known = self.state.device(&device).map_or(0, |known| known.keep_alive_s);
        let keep_alive_s = if new.keep_alive_s == 0 { known } else { new.keep_alive_s };
        self.connections.open(new);
        self.judge(Input::Connected { device: &device, keep_alive_s }, now);
        if through_broker {
            self.set_pace(id, &device);
        }
    }

    fn set_pace(&self, connection: ConnectionId, device: &DeviceId) {
        if let Some(known) = self.state.device(device) {
            let silent_ms =
                (u64::from(known.interval_s) * 3000 + PACE_SLACK_MS).max(u64::from(known.keep_alive_s) * 1500);
            self.connections.set_pace(connection, silent_ms);
        }
    }

    /// A report was taken: by which way its device comes is kept where that has changed.
    pub(super) fn note_entrance(&mut self, connection: ConnectionId, report: &Report, now: Timestamp) {
        let device = &report.envelope.device;
        let through_broker = self.connections.is_through_broker(connection);
        if let Some(broker_until) = self.state.note_entrance(device, through_broker, now) {
            self.batch.changes.push(Change::Entrance { device: device.clone(), broker_until });
        }
        if through_broker {
            self.connections.gaps.remove(device);
            if matches!(report.body, Body::Hello(_)) && report.envelope.about.is_none() {
                self.set_pace(connection, device);
            }
        }
    }

    /// Whether a report that came through a broker is to wait for others before it that the broker lost. The device is told, and sends all of
    /// them again.
    pub(super) fn is_behind_a_gap(&mut self, connection: ConnectionId, report: &Report, now: Timestamp) -> bool {
        if !self.connections.is_through_broker(connection) || !self.state.skips(report) {
            return false;
        }
        let (device, boot_ms) = (&report.envelope.device, self.boot_ms);
        if self.connections.gaps.len() >= GAPS_MAX && !self.connections.gaps.contains_key(device) {
            return false;
        }
        let since_ms = *self.connections.gaps.entry(device.clone()).or_insert(boot_ms);
        if boot_ms.saturating_sub(since_ms) >= GAP_PATIENCE_MS {
            return false;
        }
        self.health.count_refused("broker_gap");
        self.connections.ask_again(connection);
        // That something came is a sign of life, whatever becomes of it.
        self.judge(Input::LinkAlive { device }, now);
        true
    }

    /// Takes a request for a renewed certificate.
    pub(super) fn take_renewal(
        &mut self,
        connection: ConnectionId,
        device: &DeviceId,
        packet: Option<u16>,
        (csr, proof): (&str, Option<&RenewProof>),
        now: Timestamp,
    ) {
        let through_broker = self.connections.is_through_broker(connection);
        // A connection that was closed meanwhile, since the device was taken out or enrolled anew, asks for nobody.
        let gone = !self.connections.is_open(connection)
            || self.batch.disconnects.iter().any(|(disconnects, _)| disconnects == device)
            || self.state.device(device).is_none()
            || self.state.is_quarantined(device);
        if gone {
            if through_broker {
                self.connections.acknowledge(connection, packet, None);
            }
            return;
        }
        let refused = if through_broker && !self.is_proven(device, csr, proof) {
            self.health.count_refused("renewal");
            Some(
                "through a broker a certificate is renewed only for whoever signs the request by its present key"
                    .to_owned(),
            )
        } else {
            self.may_renew(device, csr.len(), now).err()
        };
        if refused.is_none() {
            self.renew(device, csr, now);
        }
        self.connections.acknowledge(connection, packet, refused);
    }

    /// Whether whoever asks has the key of a certificate by which this device may come: a broker alone could ask in any name.
    fn is_proven(&self, device: &DeviceId, csr: &str, proof: Option<&RenewProof>) -> bool {
        proof.is_some_and(|proof| {
            self.authority
                .holder(proof, csr)
                .is_some_and(|(named, serial)| named == *device && self.allowlist.allows(device, &serial))
        })
    }
}

#[cfg(test)]
mod tests;
