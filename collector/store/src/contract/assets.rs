//! The asset register: its rows, what is to be done in it, and what people attest.

use super::*;
use crate::{
    AccountField, Asset, AssetAttestation, AssetCoverage, AssetField, AssetQuery, AssetState, AssetValue, AssetWork,
    ImportRegister, ImportedRow,
};

fn said(text: &str) -> AssetValue {
    AssetValue { text: text.to_owned(), by: Some("lan".into()), at: at(1) }
}

fn asset(n: u32, values: &[(AssetField, &str)]) -> Asset {
    let name = (AssetField::Name, format!("Máy {n}"));
    let values = values.iter().map(|(field, text)| (*field, (*text).to_owned())).chain([name]);
    let said = values.map(|(field, text)| (field, said(&text))).collect();
    let found = [(AssetField::Serial, AssetValue { text: format!("SN-{n}"), by: None, at: at(2) })].into();
    Asset { said, found, ..Asset::new(id(n), at(0)) }
}

fn attested(area: &str, good: bool, until: i64) -> AssetAttestation {
    let (area, note, by) = (area.to_owned(), "biên bản 3".to_owned(), "bình".to_owned());
    AssetAttestation { area, good, note, valid_until: at(until), by, at: at(5), files: Vec::new() }
}

#[allow(clippy::too_many_lines, reason = "one life of a record, told in its order")]
pub(super) fn assets(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    let devices = [("Tầng 1", 1), ("Tầng 2", 2), ("Tầng 2", 3)].map(|(place, n)| {
        let info = DeviceInfo { place: place.to_owned(), name: format!("Máy {n}"), ..info(n) };
        Change::Device { info, at: at(0) }
    });
    store.commit(&devices).expect("enrolled");
    let mut all = [
        asset(1, &[(AssetField::Label, "TS-01"), (AssetField::Officer, "Lê Thị Lan"), (AssetField::Maker, "Dell")]),
        asset(2, &[(AssetField::State, "spare")]),
        asset(3, &[(AssetField::State, "retired"), (AssetField::Label, "TS-03")]),
    ];
    all[1].blanks = vec![AssetField::Label];
    all[0].contradictions = vec![AssetField::Serial];
    store.commit(&all.clone().map(|one| Change::Asset(Box::new(one)))).expect("kept");
    drop(store);
    let mut store = open(dir);
    let mut reader = store.reader().expect("reads");
    let any = AssetQuery { limit: 9, ..AssetQuery::default() };
    assert_eq!(reader.assets(&any).expect("reads"), all, "by name");
    assert_eq!(reader.asset(&id(2)).expect("reads").as_ref(), Some(&all[1]));
    assert_eq!((all[0].text(AssetField::Serial), all[1].state()), ("SN-1", AssetState::Spare), "what was found fills");
    let ask = |query: AssetQuery| {
        let found = reader.assets(&query).expect("reads");
        assert_eq!(reader.assets_count(&query).expect("counts"), found.len() as u64);
        found.into_iter().map(|one| one.device.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ask(AssetQuery { search: "dell sn-1".into(), ..any.clone() }), ["d-001"]);
    assert!(ask(AssetQuery { search: "lan".into(), ..any.clone() }).is_empty(), "people are not searched for");
    assert_eq!(ask(AssetQuery { state: Some(AssetState::Spare), ..any.clone() }), ["d-002"]);
    assert_eq!(ask(AssetQuery { place: "Tầng 2".into(), ..any.clone() }), ["d-002", "d-003"]);
    assert_eq!(ask(AssetQuery { work: AssetWork::Blank, ..any.clone() }), ["d-002"]);
    assert_eq!(ask(AssetQuery { work: AssetWork::Contradiction, ..any.clone() }), ["d-001"]);
    assert_eq!(ask(AssetQuery { after: Some("d-002".into()), ..any.clone() }), ["d-003"]);
    let page = AssetQuery { skip: 1, limit: 1, ..any.clone() };
    assert_eq!(reader.assets(&page).expect("reads")[0].device, id(2));
    let counted = AssetCoverage { assets: 3, labelled: 2, complete: 2, contradicted: 1, states: [1, 1, 0, 1] };
    assert_eq!(reader.asset_coverage().expect("reads"), counted);
    // A word holds until it ends, or another is said; what is retired needs none.
    let unattested = |now| ask(AssetQuery { work: AssetWork::Unattested(at(now)), ..any.clone() });
    assert_eq!(unattested(6), ["d-001", "d-002"]);
    let say = |store: &mut Box<dyn Store>, area: &str, good, until| {
        let change = Change::AssetAttested { device: id(1), attestation: attested(area, good, until) };
        store.commit(&[change]).expect("kept");
    };
    for area in crate::coverage::AREAS {
        say(&mut store, area.name, true, 50);
    }
    assert_eq!((unattested(6), unattested(51)), (vec!["d-002".to_owned()], vec!["d-001".into(), "d-002".into()]));
    say(&mut store, "patches", false, 50);
    assert_eq!(unattested(6), ["d-001", "d-002"]);
    let facts = reader.coverage().expect("reads");
    assert_eq!((facts.attested["antivirus"].len(), facts.attested["patches"].len()), (1, 0));
    // Of what is retired nothing is asked: it is in no total, and on no list of what is missing.
    let counts = reader.counts().expect("reads");
    assert_eq!((facts.devices, facts.computers, counts.devices, counts.other), (2, 2, 2, 2));
    assert_eq!(reader.backup_coverage().expect("reads").devices, 2);
    for missing in [reader.without_expected_backup("", 9), reader.machines_without("patches", 9)] {
        assert_eq!(missing.expect("reads").iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["d-001", "d-002"]);
    }
    let words = reader.asset_attestations(&id(1), 1).expect("reads");
    assert_eq!(words, [attested("patches", false, 50)], "the newest first");
    // A file stays with what it shows.
    let file = crate::BackupEvidence {
        name: "ảnh.png".into(),
        sha256: "ab".into(),
        bytes: 3,
        kind: crate::EvidenceKind::Image,
        who: "lan".into(),
        at: at(8),
    };
    let shows = |area: &str| Change::AssetEvidence {
        device: id(1),
        area: area.to_owned(),
        file: file.clone(),
        content: b"PNG".to_vec(),
    };
    store.commit(&[shows("antivirus"), shows("antivirus"), shows("backups")]).expect("kept");
    let of_area = |area: &str| {
        let all = reader.asset_attestations(&id(1), 9).expect("reads");
        all.into_iter().find(|one| one.area == area).map_or(0, |one| one.files.len())
    };
    assert_eq!((of_area("antivirus"), of_area("patches")), (1, 0));
    let content = |area: &str| reader.asset_evidence(&id(1), area, "ab").expect("reads").map(|(_, content)| content);
    assert_eq!((content("antivirus"), content("patches")), (Some(b"PNG".to_vec()), None));
    let (number, of, one) = reader.asset_attestations_before(None, None, 1).expect("reads")[0].clone();
    assert_eq!((of, one), (id(1), attested("patches", false, 50)));
    let older = reader.asset_attestations_before(Some(&id(1)), Some(number), 9).expect("reads");
    assert_eq!((older.len(), older[0].0 < number), (4, true));
    assert!(reader.asset_attestations_before(Some(&id(2)), None, 9).expect("reads").is_empty());
    imports(store.as_mut());
    what_was_said_of_a_machine_stays(store.as_mut());
    // Each sees their own places, and names only who may.
    let scope = AccessScope::of(&["Tầng 1".to_owned()]).without_names();
    reader.limit(&scope).expect("limited");
    assert_eq!(reader.asset_coverage().expect("reads").assets, 1);
    assert!(reader.asset(&id(2)).expect("reads").is_none());
    let seen = reader.assets(&any).expect("reads");
    assert_eq!((seen.len(), seen[0].text(AssetField::Officer), seen[0].text(AssetField::Maker)), (1, "…", "Dell"));
    assert!(!format!("{seen:?}").contains("\"lan\""), "{seen:?}");
    assert!(reader.asset_attestations(&id(1), 9).expect("reads").iter().all(|one| one.by.is_empty()));
    assert!(reader.asset_attestations(&id(2), 9).expect("reads").is_empty());
    let said = reader.asset_attestations_before(None, None, 9).expect("reads");
    assert!(said.len() == 5 && said.iter().all(|(_, of, one)| *of == id(1) && one.by.is_empty()), "{said:?}");
    let imports = reader.table_imports(ImportRegister::Assets, None, 9).expect("reads");
    assert_eq!((imports[0].by.as_str(), imports[0].undone.clone()), ("", Some((at(8), String::new()))));
    let shown = format!("{:?}", reader.table_import(2).expect("reads").expect("there").rows);
    assert!(!shown.contains("Nguyễn An") && !shown.contains("\"an\""), "{shown}");
}

/// What an import did is kept, and that it was undone.
fn imports(store: &mut dyn Store) {
    let reader = store.reader().expect("reads");
    let changes = vec![(AssetField::Zone, String::new(), "DMZ".to_owned())];
    let imported = crate::ImportedAsset { device: id(1), is_new: false, changes };
    let import = crate::TableImport {
        number: 1,
        register: ImportRegister::Assets,
        at: at(7),
        by: "lan".into(),
        undone: None,
        count: 1,
        left: 1,
        rows: vec![ImportedRow::Asset(imported)],
    };
    assert_eq!(reader.last_table_import().expect("reads"), 0);
    store.commit(&[Change::TableImport(Box::new(import.clone()))]).expect("kept");
    assert_eq!(reader.table_import(1).expect("reads").as_ref(), Some(&import));
    assert_eq!(reader.unfinished_table_import().expect("reads").as_ref(), Some(&import), "it is taken in in pieces");
    store.commit(&[Change::TableImportLeft { number: 1, left: 0 }]).expect("kept");
    assert!(reader.unfinished_table_import().expect("reads").is_none());
    store.commit(&[Change::TableImportUndone { number: 1, at: at(8), by: "bình".into() }]).expect("kept");
    // Those of another register are numbered on, and listed apart.
    let holder = (AccountField::Holder, String::new(), "Nguyễn An".to_owned());
    let account = crate::ImportedAccount { device: None, name: "an".into(), changes: vec![holder] };
    let (register, rows) = (ImportRegister::Accounts, vec![ImportedRow::Account(account)]);
    let other = crate::TableImport { number: 2, register, left: 0, rows, ..import };
    let other_import = other.clone();
    store.commit(&[Change::TableImport(Box::new(other.clone()))]).expect("kept");
    assert_eq!((reader.last_table_import().expect("reads"), reader.table_import(2).expect("reads")), (2, Some(other)));
    let change = (crate::ProductField::Purpose, String::new(), "Văn phòng".to_owned());
    let product = crate::ImportedProduct { key: "libreoffice".into(), changes: vec![change] };
    let (register, rows) = (ImportRegister::Software, vec![ImportedRow::Product(product)]);
    let third = crate::TableImport { number: 3, register, rows, ..other_import };
    store.commit(&[Change::TableImport(Box::new(third.clone()))]).expect("kept");
    assert_eq!(reader.table_import(3).expect("reads"), Some(third));
    assert_eq!(reader.table_imports(ImportRegister::Software, None, 9).expect("reads").len(), 1);
    let of_accounts = reader.table_imports(ImportRegister::Accounts, None, 9).expect("reads");
    assert_eq!(of_accounts.iter().map(|one| one.number).collect::<Vec<_>>(), [2]);
    let listed = reader.table_imports(ImportRegister::Assets, None, 9).expect("reads");
    assert_eq!(
        (listed.len(), listed[0].undone.clone(), listed[0].rows.len()),
        (1, Some((at(8), "bình".to_owned())), 0)
    );
    assert_eq!(listed[0].left, 1, "and is to be put back");
}

/// A word on a machine ends with it, and stays as it was said.
fn what_was_said_of_a_machine_stays(store: &mut dyn Store) {
    let again = Change::Device { info: DeviceInfo { place: "Tầng 1".to_owned(), ..info(1) }, at: at(42) };
    store.commit(&[Change::Revoked { device: id(1), at: at(40) }, again]).expect("kept");
    let reader = store.reader().expect("reads");
    let holds = reader.asset_attestations(&id(1), 9).expect("reads");
    assert!(holds.len() == 5 && holds.iter().all(|one| one.valid_until == at(40)), "{holds:?}");
    let said = reader.asset_attestations_before(None, None, 9).expect("reads");
    assert!(said.len() == 5 && said.iter().all(|(_, _, one)| one.valid_until == at(50)), "{said:?}");
    let facts = reader.coverage().expect("reads");
    assert!(facts.attested["antivirus"].values().all(|until| *until == at(40)), "{:?}", facts.attested);
}
