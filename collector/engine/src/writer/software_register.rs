//! The software register (article 9.1): which products are on which machines, what people say of each, and a fault of each machine that has
//! one which is not allowed, until it is gone.

use std::collections::{BTreeMap, HashMap};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::{Alert, InformationSource, Input, Severity, Text};
use ioc_store::{AssetValue, Change, Product, ProductField, ProductState, ProductUse, Reader, StoreError};

use super::{CommandResult, Engine};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError};
use crate::inventory::asset::day_of;
use crate::inventory::device::TEXT_MAX_CHARS;
use crate::software_catalogue::GroupedProduct;

/// Most products of a register. What is found beyond them goes without a row, and into the log.
const PRODUCTS_MAX: usize = 50_000;
/// Most products in one change.
const CHANGES_MAX: usize = 5000;
/// Most machines of one product that are looked at when it is forbidden.
const DEVICES_MAX: usize = 100_000;
/// Longest purpose, scope and note, characters.
const LONG_MAX_CHARS: usize = 500;
/// The name of the fault.
const FAULT: &str = "software/not-allowed";

/// The register.
#[derive(Debug, Default)]
pub(super) struct SoftwareRegister {
    all: HashMap<String, Product>,
}

impl SoftwareRegister {
    /// As it stands in the store.
    pub(super) fn read(reader: &dyn Reader) -> Result<Self, StoreError> {
        Ok(Self { all: reader.all_products()?.into_iter().map(|one| (one.key.clone(), one)).collect() })
    }
}

/// What may be written down, as it is kept.
fn checked(field: ProductField, text: &str) -> Result<String, String> {
    let text = text.trim();
    let name = field.as_str();
    let most = match field {
        ProductField::Purpose | ProductField::Scope | ProductField::Note => LONG_MAX_CHARS,
        ProductField::Owner
        | ProductField::Licence
        | ProductField::LicenceCount
        | ProductField::SupportEnd
        | ProductField::State => TEXT_MAX_CHARS,
    };
    if text.chars().count() > most || text.chars().any(char::is_control) {
        return Err(format!("{name}: allowed are {most} characters without control characters"));
    }
    match field {
        _ if text.is_empty() => Ok(String::new()),
        ProductField::State if ProductState::parse(text).is_none() => {
            let names = ProductState::ALL.map(ProductState::as_str).join(", ");
            Err(format!("{name}: found {text:?}; allowed are {names}"))
        }
        ProductField::LicenceCount if text.parse::<u32>().is_err() => {
            Err(format!("{name}: found {text:?}; allowed is a number"))
        }
        ProductField::SupportEnd => {
            let day = day_of(text);
            day.ok_or_else(|| format!("{name}: found {text:?}; allowed is a day such as 2026-11-29 or 29/11/2026"))
        }
        _ => Ok(text.to_owned()),
    }
}

fn blanks(product: &Product) -> Vec<ProductField> {
    ProductField::REQUIRED.into_iter().filter(|field| product.text(*field).trim().is_empty()).collect()
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
            return Err(CommandError::NotFound(format!("there is no device {device}")));
        }
        // What a machine says of the future is as of now.
        let at = made_at.min(now);
        let mut uses: Vec<ProductUse> = Vec::with_capacity(products.len());
        let mut left_out = 0_u32;
        for GroupedProduct { name, found, used } in products {
            let (is_new, is_full) =
                (!self.software_register.all.contains_key(&used.key), self.software_register.all.len() >= PRODUCTS_MAX);
            if is_new && is_full {
                left_out += 1;
                continue;
            }
            let product = self.software_register.all.entry(used.key.clone()).or_insert_with(|| Product {
                key: used.key.clone(),
                name: name.clone(),
                said: BTreeMap::new(),
                found: BTreeMap::new(),
                blanks: Vec::new(),
            });
            // What one machine does not tell, another did.
            let more = found.into_iter().filter(|(field, text)| product.found.get(field) != Some(text));
            // Licences are written in as many ways as there are packagers: the first one stands.
            let more: Vec<_> = more
                .filter(|(field, _)| *field != ProductField::Licence || !product.found.contains_key(field))
                .collect();
            if is_new || product.name != name || !more.is_empty() {
                product.name = name;
                product.found.extend(more);
                product.blanks = blanks(product);
                self.batch.changes.push(Change::Product(Box::new(product.clone())));
            }
            uses.push(used);
        }
        if left_out > 0 {
            tracing::warn!(%device, left_out, "the software register is full: {PRODUCTS_MAX} products");
        }
        let forbidden: Vec<Product> = self.forbidden();
        for product in forbidden {
            let on_it = uses.iter().find(|one| one.key == product.key);
            self.settle_forbidden(&product, device, on_it.map(|one| one.versions.join(", ")), now);
        }
        self.batch.changes.push(Change::ProductUses { device: device.clone(), list, catalogue, uses, at });
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    fn forbidden(&self) -> Vec<Product> {
        let all = self.software_register.all.values();
        all.filter(|product| product.state() == ProductState::NotAllowed).cloned().collect()
    }

    /// People say what is so of products: of all of these, or of none.
    pub(super) fn change_products(
        &mut self,
        keys: &[String],
        fields: BTreeMap<ProductField, String>,
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        if keys.is_empty() || keys.len() > CHANGES_MAX {
            let found = keys.len();
            return Err(CommandError::Invalid(format!("keys: found {found}; allowed are 1 to {CHANGES_MAX}")));
        }
        let check = |(field, text): (ProductField, String)| Ok((field, checked(field, &text)?));
        let fields = fields.into_iter().map(check).collect::<Result<BTreeMap<_, _>, String>>();
        let fields = fields.map_err(CommandError::Invalid)?;
        if let Some(unknown) = keys.iter().find(|key| !self.software_register.all.contains_key(*key)) {
            return Err(CommandError::NotFound(format!("there is no product {unknown:?} in the register")));
        }
        for key in keys {
            let Some(product) = self.software_register.all.get_mut(key) else { continue };
            let (mut detail, was_allowed) = (Vec::new(), product.state() != ProductState::NotAllowed);
            for (field, text) in &fields {
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
            if detail.is_empty() {
                continue;
            }
            product.blanks = blanks(product);
            let product = product.clone();
            self.batch.changes.push(Change::Product(Box::new(product.clone())));
            self.record(now, actor, AuditLogAction::SoftwareDescribed, key, &detail.join("; "));
            if was_allowed != (product.state() != ProductState::NotAllowed) {
                self.settle_product(&product, now)?;
            }
        }
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// A product is forbidden now, or is not any more: on every machine that has it.
    fn settle_product(&mut self, product: &Product, now: Timestamp) -> Result<(), CommandError> {
        let uses = self.reader.product_uses(&product.key, "", DEVICES_MAX);
        for one in uses.map_err(|error| CommandError::Unavailable(error.to_string()))? {
            let there = one.gone_at.is_none().then(|| one.versions.join(", "));
            self.settle_forbidden(product, &one.device, there, now);
        }
        Ok(())
    }

    /// Raises or ends the fault of a product on a machine; `there` has its versions, where it is there.
    fn settle_forbidden(&mut self, product: &Product, device: &DeviceId, there: Option<String>, now: Timestamp) {
        let is_forbidden = product.state() == ProductState::NotAllowed;
        let fingerprint = format!("{device}/{}", product.key);
        let stands = self.state.has_fault_of(device, FAULT, &fingerprint);
        let mut alert = Alert {
            device: device.clone(),
            name: FAULT.to_owned(),
            // Alerts of one name and fingerprint are the same one, whatever device they name.
            fingerprint,
            severity: Severity::Warning,
            title: Text::default(),
            reason: Text::default(),
            since: now,
            firing: false,
            over: Text::default(),
            source: InformationSource::Collector,
        };
        let name = &product.name;
        match (there.filter(|_| is_forbidden), stands) {
            (Some(versions), false) => {
                alert.firing = true;
                alert.title = Text::new(
                    format!("Phần mềm không được phép: {name} (Điều 9.1)"),
                    format!("Software that is not allowed: {name} (article 9.1)"),
                );
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
                    false => {
                        Text::new(format!("{name} không còn bị cấm."), format!("{name} is not forbidden any more."))
                    }
                };
                self.judge(Input::Alert(alert), now);
            }
            (Some(_), true) | (None, false) => {}
        }
    }
}

#[cfg(test)]
mod tests;
