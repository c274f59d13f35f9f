//! The software register: products, on which machines they are and were, and what is not grouped yet.

use super::*;
use crate::{AssetValue, Product, ProductCoverage, ProductField, ProductQuery, ProductState, ProductUse};

fn product(key: &str, name: &str, said: &[(ProductField, &str)], blank: bool) -> Product {
    let value = |text: &str| AssetValue { text: text.to_owned(), by: Some("lan".into()), at: at(1) };
    let blanks = if blank { vec![ProductField::Owner] } else { Vec::new() };
    let said = said.iter().map(|(field, text)| (*field, value(text))).collect();
    let found = [(ProductField::Licence, "MPL-2.0".to_owned())].into();
    Product { said, found, blanks, ..Product::new(key.to_owned(), name.to_owned()) }
}

fn uses(all: &[(&str, &str)]) -> Vec<ProductUse> {
    let one = |(key, version): &(&str, &str)| ProductUse {
        key: (*key).to_owned(),
        versions: vec![(*version).to_owned()],
        packages: 2,
        place: String::new(),
    };
    all.iter().map(one).collect()
}

pub(super) fn products(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    for (place, n) in [("Tầng 1", 1), ("Tầng 2", 2)] {
        let info = DeviceInfo { place: place.to_owned(), ..info(n) };
        store.commit(&[Change::Device { info, at: at(0) }]).expect("enrolled");
        let items = vec![Item { source: "dpkg".into(), name: "a".into(), ..Item::default() }];
        let report = Software::Whole { list: format!("{n:016}"), part: 1, parts: 1, items };
        store.commit(&[Change::Software { device: id(n), at: at(2), report }]).expect("kept");
    }
    let all = [
        product("libreoffice", "LibreOffice", &[(ProductField::Owner, "Tổ 1")], false),
        product("pkg.nmap", "nmap", &[(ProductField::State, "not_allowed")], true),
        product("pkg.old", "old", &[], true),
    ];
    store.commit(&all.clone().map(|one| Change::Product(Box::new(one)))).expect("kept");
    let grouped = |n: u32, all: &[(&str, &str)], moment: i64| Change::ProductUses {
        device: id(n),
        list: format!("{n:016}"),
        catalogue: "c1".into(),
        uses: uses(all),
        at: at(moment),
    };
    let reader = store.reader().expect("reads");
    let waiting = |reader: &dyn Reader, catalogue: &str| {
        let all = reader.ungrouped_software(catalogue, 9).expect("reads");
        all.into_iter().map(|(device, list, _)| format!("{device} {list}")).collect::<Vec<_>>()
    };
    assert_eq!(waiting(reader.as_ref(), "c1"), ["d-001 0000000000000001", "d-002 0000000000000002"]);
    store.commit(&[grouped(1, &[("libreoffice", "7.4"), ("pkg.old", "1")], 3)]).expect("kept");
    store.commit(&[grouped(2, &[("libreoffice", "7.6"), ("pkg.nmap", "7.93")], 4)]).expect("kept");
    assert!(waiting(reader.as_ref(), "c1").is_empty());
    assert_eq!(waiting(reader.as_ref(), "c2").len(), 2, "another catalogue groups anew");
    // What a later list does not name is gone, and is remembered.
    let again = Change::ProductUses {
        device: id(1),
        list: "9".repeat(16),
        catalogue: "c1".into(),
        uses: uses(&[("libreoffice", "7.5")]),
        at: at(6),
    };
    store.commit(&[again]).expect("kept");
    drop(store);
    let store = open(dir);
    let mut reader = store.reader().expect("reads");
    let any = ProductQuery { limit: 9, ..ProductQuery::default() };
    let found = reader.products(&any).expect("reads");
    let told = |row: &crate::ProductRow| (row.product.key.clone(), row.devices, row.versions.join(" "));
    assert_eq!(
        found.iter().map(told).collect::<Vec<_>>(),
        [("libreoffice".to_owned(), 2, "7.5 7.6".to_owned()), ("pkg.nmap".to_owned(), 1, "7.93".to_owned())]
    );
    assert_eq!((found[0].first_seen, found[0].last_seen), (Some(at(3)), Some(at(6))));
    assert_eq!(
        (found[0].product.text(ProductField::Licence), found[1].product.state()),
        ("MPL-2.0", ProductState::NotAllowed)
    );
    let ask = |query: ProductQuery| {
        let found = reader.products(&query).expect("reads");
        assert_eq!(reader.products_count(&query).expect("counts"), found.len() as u64);
        found.into_iter().map(|row| row.product.key).collect::<Vec<_>>()
    };
    assert_eq!(ask(ProductQuery { gone: true, ..any.clone() }).len(), 3);
    assert_eq!(ask(ProductQuery { blank: true, ..any.clone() }), ["pkg.nmap"]);
    assert_eq!(ask(ProductQuery { state: Some(ProductState::NotAllowed), ..any.clone() }), ["pkg.nmap"]);
    assert_eq!(ask(ProductQuery { owner: "Tổ 1".into(), ..any.clone() }), ["libreoffice"]);
    assert_eq!(ask(ProductQuery { search: "libre mpl".into(), ..any.clone() }), ["libreoffice"]);
    assert_eq!(ask(ProductQuery { after: Some("libreoffice".into()), ..any.clone() }), ["pkg.nmap"]);
    assert_eq!(reader.product_owners(9).expect("reads"), ["Tổ 1"]);
    let on = reader.product_uses("pkg.old", "", 9).expect("reads");
    assert_eq!((on.len(), on[0].gone_at, on[0].first_seen), (1, Some(at(6)), at(3)));
    let counted = ProductCoverage { products: 2, complete: 1, states: [1, 0, 1] };
    assert_eq!(reader.product_coverage().expect("reads"), counted);
    assert_eq!(reader.all_products().expect("reads").len(), 3);
    // Each sees what is on their own machines, and names only who may.
    reader.limit(&AccessScope::of(&["Tầng 1".to_owned()]).without_names()).expect("limited");
    let seen = reader.products(&any).expect("reads");
    assert_eq!(seen.iter().map(told).collect::<Vec<_>>(), [("libreoffice".to_owned(), 1, "7.5".to_owned())]);
    assert!(!format!("{seen:?}").contains("\"lan\""), "{seen:?}");
    assert!(reader.product_uses("pkg.nmap", "", 9).expect("reads").is_empty());
    let gone = ProductQuery { gone: true, ..any };
    let seen = reader.products(&gone).expect("reads");
    let keys: Vec<&str> = seen.iter().map(|row| row.product.key.as_str()).collect();
    assert_eq!(keys, ["libreoffice", "pkg.old"], "also of what is gone, their own only");
    assert_eq!(reader.products_count(&gone).expect("counts"), 2);
}

/// Where machines stand, what a list names anew and what is taken out changes on how many machines a product is, for whoever sees which places.
pub(super) fn products_follow_machines(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    let stands =
        |n: u32, place: &str| Change::Device { info: DeviceInfo { place: place.to_owned(), ..info(n) }, at: at(0) };
    let grouped = |n: u32, list: u32, version: &str, moment: i64| Change::ProductUses {
        device: id(n),
        list: format!("{list:016}"),
        catalogue: "c1".into(),
        uses: uses(&[("libreoffice", version)]),
        at: at(moment),
    };
    let office = product("libreoffice", "LibreOffice", &[], false);
    store.commit(&[stands(1, "Tầng 1"), stands(2, "Tầng 1"), stands(3, "Tầng 2")]).expect("enrolled");
    store.commit(&[Change::Product(Box::new(office))]).expect("kept");
    store.commit(&[grouped(1, 1, "7", 3), grouped(2, 1, "7", 4), grouped(3, 1, "8", 5)]).expect("kept");
    let reader = store.reader().expect("reads");
    let mut of_floor = store.reader().expect("reads");
    of_floor.limit(&AccessScope::of(&["Tầng 1".to_owned()])).expect("limited");
    let found = |reader: &dyn Reader| {
        let all = reader.products(&ProductQuery { limit: 9, ..ProductQuery::default() }).expect("reads");
        all.first().map(|row| (row.devices, row.versions.join(" ")))
    };
    let both = || (found(reader.as_ref()), found(of_floor.as_ref()));
    let on = |devices: u64, versions: &str| Some((devices, versions.to_owned()));
    assert_eq!(both(), (on(3, "7 8"), on(2, "7")));
    // The same list again changes nothing.
    store.commit(&[grouped(1, 1, "7", 6), grouped(2, 2, "9", 7)]).expect("kept");
    assert_eq!(both(), (on(3, "7 8 9"), on(2, "7 9")));
    // A new name is no new place.
    let named = DeviceInfo { place: "Tầng 1".into(), name: "Máy một".into(), ..info(1) };
    store.commit(&[Change::Device { info: named, at: at(0) }, stands(2, "Tầng 2")]).expect("moved");
    assert_eq!(both(), (on(3, "7 8 9"), on(1, "7")));
    store.commit(&[Change::Revoked { device: id(1), at: at(8) }]).expect("taken out");
    assert_eq!(both(), (on(2, "8 9"), None));
    store.commit(&[stands(1, "Tầng 1"), grouped(1, 3, "7", 9)]).expect("it came back");
    assert_eq!(both(), (on(3, "7 8 9"), on(1, "7")));
    let row = reader.product("libreoffice").expect("reads").expect("there");
    assert_eq!((row.first_seen, row.last_seen), (Some(at(3)), Some(at(9))));
}
