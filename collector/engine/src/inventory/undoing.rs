//! What undoing an import would do as things stand: what is put back, and what stays because somebody changed it since. The writer does it so, and a page
//! says so before.

use serde::Serialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::Incident;
use ioc_store::{
    AccountField, Asset, AssetField, ExpectedBackupQuery, ImportedAccount, ImportedAsset, ImportedProduct, Product,
    ProductField, Reader, RegisteredAccount, StoreError,
};

/// Open incidents of a device among which one is looked for that a person opened.
const OPEN_MAX: usize = 100;

/// What becomes of one column of a row that an import wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UndoneColumn<F> {
    /// The column.
    pub field: F,
    /// What the import wrote there.
    pub brought: String,
    /// What stands there now.
    pub now: String,
    /// What is put back; none where what stands there stays.
    pub back: Option<String>,
}

/// What becomes of what an import wrote down of an asset: what was written over since stays, and a name and a kind are never taken out again.
#[must_use]
pub fn of_asset(one: &ImportedAsset, asset: &Asset) -> Vec<UndoneColumn<AssetField>> {
    let column = |(field, was, brought): &(AssetField, String, String)| {
        let said = asset.said.get(field).map(|value| value.text.as_str());
        let lasting = was.is_empty() && matches!(field, AssetField::Name | AssetField::Kind);
        let back = (said == Some(brought) && !lasting).then(|| was.clone());
        UndoneColumn { field: *field, brought: brought.clone(), now: said.unwrap_or_default().to_owned(), back }
    };
    one.changes.iter().map(column).collect()
}

/// Whether a device that an import registered stands there as it was brought: nobody wrote anything else of it.
#[must_use]
pub fn is_as_brought(one: &ImportedAsset, asset: &Asset) -> bool {
    let stands = |field: AssetField, text: &str| asset.said.get(&field).is_some_and(|value| value.text == text);
    let brought = |field: &AssetField| one.changes.iter().any(|(of, ..)| of == field);
    asset.kept.is_empty()
        && asset.said.iter().all(|(field, value)| value.text.is_empty() || brought(field))
        && one
            .changes
            .iter()
            .all(|(field, _, text)| text.is_empty() || stands(*field, text) || *field == AssetField::Importance)
}

/// Whether people have said something of a machine since it was registered: attested it, stated which backup it must have, counted it in an inventory,
/// vouched for an account on it, or opened an incident of it that is not over.
///
/// # Errors
/// The store cannot be read: nothing is known then.
pub fn is_answered_for(reader: &dyn Reader, device: &DeviceId, now: Timestamp) -> Result<bool, StoreError> {
    let expected = ExpectedBackupQuery { device: Some(device.clone()), ..ExpectedBackupQuery::default() };
    // No rule judges a machine that was never heard of by what it reports: what is open of it and of no rule a person opened.
    let by_people = |incident: &Incident| incident.rule.is_empty();
    Ok(!reader.asset_attestations(device, 1)?.is_empty()
        || !reader.expected_backups(&expected, 1)?.is_empty()
        || !reader.inventory_ticks_of(device)?.is_empty()
        || !reader.accounts_on(Some(device), now)?.is_empty()
        || reader.incidents(Some(device), true, None, OPEN_MAX)?.iter().any(by_people))
}

/// What is written down of an account: a name that is its own here stands in no word of anybody's.
pub(crate) fn said_of_account(field: AccountField, account: &RegisteredAccount) -> &str {
    match field {
        AccountField::Holder if account.said_by.is_none() => "",
        AccountField::Holder | AccountField::Note => field.of(account),
    }
}

/// What people wrote down of a product; what is only known from its packages or the catalogue is no word of anybody's.
pub(crate) fn said_of_product(field: ProductField, product: &Product) -> &str {
    product.said.get(&field).map_or("", |value| value.text.as_str())
}

/// What becomes of what an import wrote down of a product: what was written over since stays.
#[must_use]
pub fn of_product(one: &ImportedProduct, product: &Product) -> Vec<UndoneColumn<ProductField>> {
    let column = |(field, was, brought): &(ProductField, String, String)| {
        let said = said_of_product(*field, product);
        let back = (said == brought).then(|| was.clone());
        UndoneColumn { field: *field, brought: brought.clone(), now: said.to_owned(), back }
    };
    one.changes.iter().map(column).collect()
}

/// What becomes of what an import wrote down of an account: what was written over since stays, and all of it once somebody vouched for the account.
#[must_use]
pub fn of_account(one: &ImportedAccount, account: &RegisteredAccount) -> Vec<UndoneColumn<AccountField>> {
    let column = |(field, was, brought): &(AccountField, String, String)| {
        let said = said_of_account(*field, account);
        let back = (account.valid_until.is_none() && said == brought).then(|| was.clone());
        UndoneColumn { field: *field, brought: brought.clone(), now: said.to_owned(), back }
    };
    one.changes.iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ioc_store::AssetValue;

    use super::*;

    fn value(text: &str) -> AssetValue {
        AssetValue { text: text.to_owned(), by: Some("lan".to_owned()), at: Timestamp::from_millis(0) }
    }

    #[test]
    fn what_somebody_wrote_since_stays_and_is_shown_beside_what_was_brought() {
        let device = DeviceId::new("ts-01").unwrap();
        let change = |field, was: &str, is: &str| (field, was.to_owned(), is.to_owned());
        let changes = vec![
            change(AssetField::Name, "", "Máy in"),
            change(AssetField::Zone, "LAN", "DMZ"),
            change(AssetField::Supplier, "", "VNPT"),
        ];
        let one = ImportedAsset { device: device.clone(), is_new: true, changes };
        let mut asset = Asset::new(device, Timestamp::from_millis(0));
        let said = [(AssetField::Name, "Máy in"), (AssetField::Zone, "DMZ"), (AssetField::Supplier, "VNPT")];
        asset.said = said.map(|(field, text)| (field, value(text))).into_iter().collect::<BTreeMap<_, _>>();
        assert!(is_as_brought(&one, &asset));
        asset.said.insert(AssetField::Zone, value("máy chủ"));
        let found = of_asset(&one, &asset);
        assert_eq!((found[0].back.as_deref(), found[1].back.as_deref()), (None, None), "{found:?}");
        assert_eq!((found[1].now.as_str(), found[1].brought.as_str()), ("máy chủ", "DMZ"), "{found:?}");
        assert_eq!(found[2].back.as_deref(), Some(""), "{found:?}");
        assert!(!is_as_brought(&one, &asset));
    }
}
