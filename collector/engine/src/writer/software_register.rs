//! The software register (article 9.1): which products are on which machines, and what people say of each. What is not allowed is a fault of each
//! machine that has it (`not_allowed`); when the catalogue groups packages otherwise, what people decided goes with them (`regrouped`).

mod import;
mod not_allowed;
mod regrouped;

use std::collections::{BTreeMap, HashMap};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_store::{AssetValue, Change, Product, ProductField, ProductState, ProductUse, Reader, StoreError};

use super::{CommandResult, Engine};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError, SeenProduct};
use crate::inventory::product_table::{checked, no_product};
use crate::refusal_reason::{RefusalReason, Word};
use crate::software_catalogue::GroupedProduct;

/// Most products of a register. What is found beyond them goes without a row, and into the log.
const PRODUCTS_MAX: usize = 50_000;
/// Most products in one change.
pub const CHANGES_MAX: usize = 5000;
/// Names in one refusal.
const NAMES_MAX: usize = 5;

/// The register.
#[derive(Debug, Default)]
pub(super) struct SoftwareRegister {
    all: HashMap<String, Product>,
    /// In which product each package was when it was grouped last.
    of_package: HashMap<String, String>,
    /// Products that are allowed or forbidden since, and behind which machine those that have them are still to be looked at.
    unsettled: BTreeMap<String, String>,
}

impl SoftwareRegister {
    /// As it stands in the store.
    pub(super) fn read(reader: &dyn Reader) -> Result<Self, StoreError> {
        let all: HashMap<String, Product> =
            reader.all_products()?.into_iter().map(|one| (one.key.clone(), one)).collect();
        let packages = all.values().flat_map(|one| one.packages.iter().map(|name| (name.clone(), one.key.clone())));
        let of_package = packages.collect();
        Ok(Self { all, of_package, unsettled: BTreeMap::new() })
    }
}

fn blanks(product: &Product) -> Vec<ProductField> {
    ProductField::REQUIRED.into_iter().filter(|field| product.text(*field).trim().is_empty()).collect()
}

/// The first names of some, and how many more there are.
fn listed(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMES_MAX);
    names.truncate(NAMES_MAX);
    let shown = names.join(", ");
    if more > 0 { format!("{shown} (+{more})") } else { shown }
}

impl Engine {
    /// The packages of a machine were grouped into products.
    pub(super) fn group_software(
        &mut self,
        device: &DeviceId,
        (list, catalogue): (String, String),
        products: Vec<GroupedProduct>,
        made_at: Timestamp,
        now: Timestamp,
    ) -> CommandResult {
        if self.state.device(device).is_none() {
            return Err(RefusalReason::no_device(device).not_found());
        }
        // What a machine says of the future is as of now.
        let at = made_at.min(now);
        let mut uses: Vec<ProductUse> = Vec::with_capacity(products.len());
        let mut left_out = 0_u32;
        for GroupedProduct { name, found, packages, used } in products {
            let (is_new, is_full) =
                (!self.software_register.all.contains_key(&used.key), self.software_register.all.len() >= PRODUCTS_MAX);
            if is_new && is_full {
                left_out += 1;
                continue;
            }
            let product = self.software_register.all.entry(used.key.clone());
            let product = product.or_insert_with(|| Product::new(used.key.clone(), name.clone()));
            // What one machine does not tell, another did.
            let more = found.into_iter().filter(|(field, text)| product.found.get(field) != Some(text));
            // Licences are written in as many ways as there are packagers: the first one stands.
            let more: Vec<_> = more
                .filter(|(field, _)| *field != ProductField::Licence || !product.found.contains_key(field))
                .collect();
            let mut changed = is_new || product.name != name || !more.is_empty();
            product.name = name;
            product.found.extend(more);
            changed |= self.take_packages(&used.key, packages, now);
            if changed {
                self.keep_product(&used.key);
            }
            uses.push(used);
        }
        if left_out > 0 {
            tracing::warn!(%device, left_out, "the software register is full: {PRODUCTS_MAX} products");
        }
        self.settle_machine(device, &uses, now);
        self.batch.changes.push(Change::ProductUses { device: device.clone(), list, catalogue, uses, at });
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// Keeps a product as it now stands.
    fn keep_product(&mut self, key: &str) {
        let Some(product) = self.software_register.all.get_mut(key) else { return };
        product.blanks = blanks(product);
        self.batch.changes.push(Change::Product(Box::new(product.clone())));
    }

    /// People say what is so of products: of all of these, or of none.
    pub(super) fn change_products(
        &mut self,
        products: &[SeenProduct],
        fields: BTreeMap<ProductField, String>,
        (was, keep): (&BTreeMap<ProductField, String>, &[ProductField]),
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let found = products.len();
        if found == 0 {
            let english = format!("keys: found 0; allowed are 1 to {CHANGES_MAX}");
            return Err(RefusalReason::new("register-refused-none-ticked", [], english).invalid());
        }
        if found > CHANGES_MAX {
            let args = [("found", Word::count(found)), ("most", Word::count(CHANGES_MAX))];
            let english = format!("keys: found {found}; allowed are 1 to {CHANGES_MAX}");
            return Err(RefusalReason::new("register-refused-many", args, english).invalid());
        }
        let check = |(field, text): (ProductField, String)| Ok((field, checked(field, &text)?));
        let fields = fields.into_iter().map(check).collect::<Result<BTreeMap<_, _>, RefusalReason>>();
        let fields = fields.map_err(RefusalReason::invalid)?;
        self.check_seen(products, was)?;
        for SeenProduct { key, .. } in products {
            self.change_product(key, &fields, keep, actor, now);
        }
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// Whether these are there, and stand as whoever asks has seen them.
    fn check_seen(&self, products: &[SeenProduct], was: &BTreeMap<ProductField, String>) -> Result<(), CommandError> {
        let mut changed = Vec::new();
        for SeenProduct { key, mark } in products {
            let Some(product) = self.software_register.all.get(key) else {
                return Err(no_product(key).not_found());
            };
            if !mark.is_empty() && *mark != product.mark() {
                changed.push(product.name.clone());
            }
            let others: Vec<&str> = was
                .iter()
                .filter(|(field, text)| product.written(**field) != text.as_str())
                .map(|(field, _)| field.as_str())
                .collect();
            if !others.is_empty() {
                let english = format!("{key}: somebody changed it since you looked: {}", others.join(", "));
                let args = [("fields", Word::all("product-field", others))];
                return Err(RefusalReason::new("register-refused-fields-changed", args, english).conflict());
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let names = listed(changed);
        let english = format!("somebody changed these since you looked: {names}");
        let args = [("names", Word::text(names))];
        Err(RefusalReason::new("register-refused-products-changed", args, english).conflict())
    }

    fn change_product(
        &mut self,
        key: &str,
        fields: &BTreeMap<ProductField, String>,
        keep: &[ProductField],
        actor: &str,
        now: Timestamp,
    ) {
        let Some(product) = self.software_register.all.get_mut(key) else { return };
        let (mut detail, was_allowed) = (Vec::new(), product.state() != ProductState::NotAllowed);
        for (field, text) in fields {
            let was = product.said.get(field).map_or("", |value| value.text.as_str());
            if was == text {
                continue;
            }
            detail.push(format!("{}: {was:?} -> {text:?}", field.as_str()));
            if text.is_empty() {
                product.said.remove(field);
            } else {
                let value = AssetValue { text: text.clone(), by: Some(actor.to_owned()), at: now };
                product.said.insert(*field, value);
            }
        }
        // What was decided of other software is settled by whoever decides now.
        let settled = |field: &ProductField| fields.contains_key(field) || keep.contains(field);
        for one in product.inherited.iter().filter(|one| settled(&one.field)) {
            detail.push(format!("{}: {:?} of {} is not so here", one.field.as_str(), one.value.text, one.key));
        }
        product.inherited.retain(|one| !settled(&one.field));
        if detail.is_empty() {
            return;
        }
        let changed = was_allowed != (product.state() != ProductState::NotAllowed);
        self.keep_product(key);
        self.record(now, actor, AuditLogAction::SoftwareDescribed, key, &detail.join("; "));
        if changed {
            self.unsettle(key, now);
        }
    }
}

#[cfg(test)]
mod tests;
