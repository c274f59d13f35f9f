//! A device's certificate is renewed before it ends: with the key that it has made, for the certificate that it has.

use ioc_common::clock::Timestamp;
use ioc_common::codec;
use ioc_common::id::DeviceId;
use ioc_common::topic::DownKind;

use super::Engine;
use crate::audit_action::AuditLogAction;
use ioc_store::Change;

impl Engine {
    /// Issues a certificate for a request of a device that has one, and hands it down.
    pub(super) fn renew(&mut self, device: &DeviceId, csr: &str, now: Timestamp) {
        match self.authority.issue_device(csr, device, now, self.config.device_life.as_millis()) {
            Ok(issued) => {
                self.record(now, "", AuditLogAction::CertificateRenewed, device.as_str(), &issued.serial);
                self.allowlist.renew(device.clone(), issued.serial.clone());
                self.renewed(device);
                self.batch.changes.push(Change::Certificate {
                    device: device.clone(),
                    serial: issued.serial.clone(),
                    at: now,
                    expires_at: issued.expires_at,
                    revoke_previous: false,
                });
                let message = ioc_common::report::Certificate {
                    certificate: issued.certificate,
                    authorities: self.authority.pem().to_owned(),
                    renew_at: issued.renew_at,
                    expires_at: issued.expires_at,
                };
                if let Ok(payload) = codec::write_message(&message) {
                    self.connections.queue(device, DownKind::Certificate, payload);
                }
            }
            Err(error) => {
                self.health.count_refused("renewal");
                tracing::warn!(%device, %error, "renewal refused");
            }
        }
    }
}
