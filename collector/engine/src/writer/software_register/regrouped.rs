//! Packages that belong to another product since: another catalogue groups them otherwise. What people decided goes with their software, over a
//! rename, a split and a merge; where it cannot be told which of two holds, a ban stays, and the rest is work to do. Nothing is dropped.

use std::collections::BTreeSet;

use ioc_common::clock::Timestamp;
use ioc_store::{Inherited, Product, ProductField, ProductState};

use super::super::Engine;
use crate::audit_action::AuditLogAction;

/// Most names of packages that are kept of one product: what is beyond them is not followed.
const PACKAGES_MAX: usize = 5000;
/// Most decisions on other software that wait at one product; what is beyond them stands in the audit log alone.
const INHERITED_MAX: usize = 200;

/// Takes over what was decided of another product. What was done, in words for the audit log.
fn inherit(product: &mut Product, from: &Product) -> Vec<String> {
    let mut detail = Vec::new();
    let decided = from.said.iter().map(|(field, value)| (*field, value.clone(), &from.key, &from.name));
    let waiting = from.inherited.iter().map(|one| (one.field, one.value.clone(), &one.key, &one.name));
    for (field, value, key, name) in decided.chain(waiting) {
        let stands = product.said.get(&field).cloned();
        let forbids = field == ProductField::State && value.text == ProductState::NotAllowed.as_str();
        let other = match stands {
            None => {
                detail.push(format!("{}: {:?} is taken over from {key}", field.as_str(), value.text));
                product.said.insert(field, value);
                continue;
            }
            Some(stands) if stands.text == value.text => continue,
            // Whatever else was decided: what was forbidden somewhere stays so until a person says otherwise.
            Some(stands) if forbids => {
                detail.push(format!("{}: {:?} is taken over from {key}", field.as_str(), value.text));
                product.said.insert(field, value);
                Inherited { key: product.key.clone(), name: product.name.clone(), field, value: stands }
            }
            Some(_) => Inherited { key: key.clone(), name: name.clone(), field, value },
        };
        if !product.inherited.contains(&other) {
            detail.push(format!("{}: {:?} of {} waits for a decision", field.as_str(), other.value.text, other.key));
            if product.inherited.len() < INHERITED_MAX {
                product.inherited.push(other);
            }
        }
    }
    detail
}

impl Engine {
    /// A product has these packages on a machine. Whether that is new of it, or brought what was decided of another one.
    pub(super) fn take_packages(&mut self, key: &str, packages: BTreeSet<String>, now: Timestamp) -> bool {
        let mut before = BTreeSet::new();
        let mut changed = false;
        for package in packages {
            let of = self.software_register.of_package.get(&package);
            if of.is_some_and(|of| of == key) {
                continue;
            }
            let Some(product) = self.software_register.all.get_mut(key) else { return changed };
            if product.packages.len() >= PACKAGES_MAX {
                tracing::warn!(key, package, "a product has more packages than are followed");
                continue;
            }
            product.packages.insert(package.clone());
            changed = true;
            if let Some(of) = self.software_register.of_package.insert(package.clone(), key.to_owned()) {
                if let Some(other) = self.software_register.all.get_mut(&of) {
                    other.packages.remove(&package);
                }
                before.insert(of);
            }
        }
        for from in before {
            self.carry_decisions(&from, key, now);
        }
        changed
    }

    /// Packages of one product belong to another since.
    fn carry_decisions(&mut self, from: &str, to: &str, now: Timestamp) {
        let Some(mut other) = self.software_register.all.get(from).cloned() else { return };
        let Some(product) = self.software_register.all.get_mut(to) else { return };
        let was = product.state();
        let mut detail = inherit(product, &other);
        if other.packages.is_empty() && !(other.said.is_empty() && other.inherited.is_empty()) {
            // Nothing of it is left: what was decided has gone with its packages, and would be out of date if they came back.
            detail.push(format!("nothing is left of {from}"));
            (other.said, other.inherited) = Default::default();
        }
        let is_forbidden = product.state() == ProductState::NotAllowed && was != ProductState::NotAllowed;
        self.software_register.all.insert(from.to_owned(), other);
        self.keep_product(from);
        if !detail.is_empty() {
            self.record(now, "", AuditLogAction::SoftwareRegrouped, to, &detail.join("; "));
        }
        if is_forbidden {
            self.unsettle(to, now);
        }
    }
}
