//! What a table does to the software register: what people say of products is written down, and put back.

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_store::{ImportRegister, ImportedProduct, ImportedRow, ProductField, ProductTableRow};

use super::super::{CommandResult, Engine};
use crate::command::CommandError;
use crate::inventory::product_table::{ROWS_MAX, changes_of, checked, no_product};
use crate::inventory::undoing::{of_product, said_of_product};
use crate::refusal_reason::RefusalReason;

impl Engine {
    /// Takes a table in: of each product what is said otherwise is written down.
    pub(in crate::writer) fn import_products(&mut self, rows: Vec<ProductTableRow>, actor: &str) -> CommandResult {
        self.check_import(rows.len(), ROWS_MAX)?;
        let row = |ProductTableRow { key, fields, row: _ }: ProductTableRow| {
            let changes = fields.into_iter().map(|(field, text)| (field, String::new(), text)).collect();
            ImportedRow::Product(ImportedProduct { key, changes })
        };
        self.begin_import(ImportRegister::Software, rows.into_iter().map(row).collect(), actor)
    }

    /// Whether a row of a table can be written down as things stand; what it says that is so already is left out of it.
    pub(in crate::writer) fn look_at_product(&self, one: &mut ImportedProduct) -> Result<(), CommandError> {
        let product = self.software_register.all.get(&one.key).ok_or_else(|| no_product(&one.key).not_found())?;
        let check = |(field, _, text): (ProductField, String, String)| Ok((field, checked(field, &text)?));
        let fields = std::mem::take(&mut one.changes).into_iter().map(check);
        let fields = fields.collect::<Result<BTreeMap<_, _>, RefusalReason>>().map_err(RefusalReason::invalid)?;
        one.changes = changes_of(&fields, product);
        Ok(())
    }

    /// Writes down what a table says of a product, where it still stands as it did when the table was looked at. Whether there was something.
    pub(in crate::writer) fn bring_product(&mut self, one: &ImportedProduct, actor: &str, now: Timestamp) -> bool {
        let Some(product) = self.software_register.all.get(&one.key) else { return false };
        // What somebody wrote since stays.
        let stands = one.changes.iter().filter(|(field, was, _)| said_of_product(*field, product) == was);
        let fields = stands.map(|(field, _, text)| (*field, text.clone())).collect();
        self.replace_of_product(&one.key, &fields, actor, now)
    }

    /// Puts back what an import did to a product. Whether there was something.
    pub(in crate::writer) fn put_product_back(&mut self, one: &ImportedProduct, actor: &str, now: Timestamp) -> bool {
        let Some(product) = self.software_register.all.get(&one.key) else { return false };
        let back = of_product(one, product).into_iter();
        let fields = back.filter_map(|column| Some((column.field, column.back?))).collect();
        self.replace_of_product(&one.key, &fields, actor, now)
    }

    fn replace_of_product(
        &mut self,
        key: &str,
        fields: &BTreeMap<ProductField, String>,
        actor: &str,
        now: Timestamp,
    ) -> bool {
        if fields.is_empty() {
            return false;
        }
        self.change_product(key, fields, &[], actor, now);
        true
    }
}
