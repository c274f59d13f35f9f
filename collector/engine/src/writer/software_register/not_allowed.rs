//! Software that is not allowed: one incident for each product, under which each machine that has it has its fault until it is gone there. However
//! many machines that are, they are looked at in pieces, so that no commit waits for them.

use std::collections::BTreeSet;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::{Alert, InformationSource, Input, Matter, Severity, Text};
use ioc_store::{Change, Product, ProductState, ProductUse};

use super::super::Engine;

/// The name of the fault.
pub(super) const FAULT: &str = "software/not-allowed";
/// Machines that are looked at in one cycle of the engine.
pub(super) const MACHINES_MAX: usize = 100;

/// What tells the fault of a product on one machine from others.
fn fingerprint(device: &DeviceId, key: &str) -> String {
    format!("{device}/{key}")
}

/// The product that a fault is about.
fn product_of<'f>(device: &DeviceId, fingerprint: &'f str) -> &'f str {
    fingerprint.strip_prefix(device.as_str()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(fingerprint)
}

fn matter(product: &Product) -> Matter {
    let name = &product.name;
    Matter {
        key: format!("{FAULT}/{}", product.key),
        title: Text::new(
            format!("Phần mềm không được phép: {name} (Điều 9.1)"),
            format!("Software that is not allowed: {name} (article 9.1)"),
        ),
        reason: Text::new(
            format!("{name} không được phép dùng và có trên ít nhất một máy; các lỗi dưới đây cho biết máy nào."),
            format!("{name} is not allowed and is on at least one machine; the faults below say on which."),
        ),
        advice: Text::new(
            "Gỡ phần mềm khỏi các máy, hoặc cho phép tại trang danh mục phần mềm và ghi lý do.",
            "Remove it from the machines, or allow it in the software register and say why.",
        ),
        article: "9.1".to_owned(),
    }
}

impl Engine {
    /// What stood when the collector stopped is looked through once more: it may have been in the middle of it.
    pub(in crate::writer) fn watch_software(&mut self) {
        let forbidden = self.software_register.all.values().filter(|one| one.state() == ProductState::NotAllowed);
        let mut keys: BTreeSet<String> = forbidden.map(|one| one.key.clone()).collect();
        let standing = self.state.faults_named(FAULT);
        keys.extend(standing.map(|(device, fingerprint)| product_of(device, fingerprint).to_owned()));
        self.software_register.unsettled.extend(keys.into_iter().map(|key| (key, String::new())));
    }

    /// Whether there is more to be done than one cycle does.
    pub(in crate::writer) fn has_unsettled_software(&self) -> bool {
        !self.software_register.unsettled.is_empty()
    }

    /// A product is forbidden now, or is not any more: on every machine that has it.
    pub(super) fn unsettle(&mut self, key: &str, now: Timestamp) {
        self.software_register.unsettled.insert(key.to_owned(), String::new());
        // What is decided and not committed yet is not in the store; what comes from now on is judged as it comes.
        let mut there = Vec::new();
        for change in &self.batch.changes {
            if let Change::ProductUses { device, uses, .. } = change {
                let found = uses.iter().find(|one| one.key == key).map(|one| one.versions.join(", "));
                there.push((device.clone(), found));
            }
        }
        for (device, versions) in there {
            self.settle_product(key, &device, versions, now);
        }
    }

    /// Looks at the next machines of a product that was forbidden or allowed.
    pub(in crate::writer) fn settle_software(&mut self, now: Timestamp) {
        let Some((key, after)) = self.software_register.unsettled.pop_first() else { return };
        let forbidden = self.software_register.all.get(&key).is_some_and(|one| one.state() == ProductState::NotAllowed);
        if !forbidden {
            let all = self.state.faults_named(FAULT);
            let of = all.filter(|(device, fingerprint)| product_of(device, fingerprint) == key);
            let devices: Vec<DeviceId> = of.map(|(device, _)| device.clone()).take(MACHINES_MAX).collect();
            if devices.len() == MACHINES_MAX {
                self.software_register.unsettled.insert(key.clone(), String::new());
            }
            for device in devices {
                self.settle_product(&key, &device, None, now);
            }
            return;
        }
        let uses = match self.reader.product_uses(&key, &after, MACHINES_MAX) {
            Ok(uses) => uses,
            Err(error) => {
                // It is a fault of the store by itself; what was not looked at is after the next start.
                tracing::error!(key, %error, "the machines with software that is not allowed cannot be read");
                return;
            }
        };
        if let Some(last) = uses.last().filter(|_| uses.len() == MACHINES_MAX) {
            self.software_register.unsettled.insert(key.clone(), last.device.to_string());
        }
        // What was grouped in this batch was judged by what it says.
        let anew: BTreeSet<DeviceId> = self.batch.changes.iter().filter_map(grouped).collect();
        for one in uses.into_iter().filter(|one| !anew.contains(&one.device)) {
            let there = one.gone_at.is_none().then(|| one.versions.join(", "));
            self.settle_product(&key, &one.device, there, now);
        }
    }

    /// Which products are on a machine was told anew.
    pub(super) fn settle_machine(&mut self, device: &DeviceId, uses: &[ProductUse], now: Timestamp) {
        let standing: Vec<String> =
            self.state.fingerprints_of(device, FAULT).map(|print| product_of(device, print).to_owned()).collect();
        let is_forbidden =
            |key: &str| self.software_register.all.get(key).is_some_and(|one| one.state() == ProductState::NotAllowed);
        let there: Vec<(String, String)> = uses
            .iter()
            .filter(|one| is_forbidden(&one.key))
            .map(|one| (one.key.clone(), one.versions.join(", ")))
            .collect();
        // First what is there: where packages belong to another product since, its fault stands before the other one ends.
        for (key, versions) in &there {
            self.settle_product(key, device, Some(versions.clone()), now);
        }
        for key in standing.iter().filter(|key| there.iter().all(|(other, _)| other != *key)) {
            self.settle_product(key, device, None, now);
        }
    }

    /// Raises or ends the fault of a product on a machine; `there` has its versions, where it is there.
    fn settle_product(&mut self, key: &str, device: &DeviceId, there: Option<String>, now: Timestamp) {
        let Some(product) = self.software_register.all.get(key) else { return };
        let is_forbidden = product.state() == ProductState::NotAllowed;
        let stands = self.state.has_fault_of(device, FAULT, &fingerprint(device, key));
        let name = &product.name;
        let mut alert = Alert {
            device: device.clone(),
            name: FAULT.to_owned(),
            fingerprint: fingerprint(device, key),
            severity: Severity::Warning,
            title: Text::default(),
            reason: Text::default(),
            since: now,
            firing: false,
            over: Text::default(),
            source: InformationSource::Collector,
            matter: Some(matter(product)),
        };
        match (there.filter(|_| is_forbidden), stands) {
            (Some(versions), false) if self.state.device(device).is_some() => {
                alert.firing = true;
                alert.title = matter(product).title;
                alert.reason = Text::new(
                    format!(
                        "Máy có {name} {versions}. Gỡ phần mềm, hoặc cho phép tại trang danh mục phần mềm và ghi lý do."
                    ),
                    format!(
                        "The machine has {name} {versions}. Remove it, or allow it in the software register and say why."
                    ),
                );
                if let Err(error) = self.decide(Input::Alert(alert), now) {
                    tracing::error!(%device, %error, "that a machine has software that is not allowed could not be said");
                }
            }
            (None, true) => {
                alert.over = match is_forbidden {
                    true => {
                        Text::new(format!("{name} đã được gỡ khỏi máy."), format!("{name} is gone from the machine."))
                    }
                    // Allowed by a person, or its packages belong to another product since, on which its ban went over.
                    false => {
                        Text::new(format!("{name} không còn bị cấm."), format!("{name} is not forbidden any more."))
                    }
                };
                self.judge(Input::Alert(alert), now);
            }
            (Some(_), _) | (None, false) => {}
        }
    }
}

/// The machine whose products a change tells.
fn grouped(change: &Change) -> Option<DeviceId> {
    match change {
        Change::ProductUses { device, .. } => Some(device.clone()),
        _ => None,
    }
}
