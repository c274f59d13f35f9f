//! The configuration that is set on pages: each text stays as a version, and the newest of each part counts.

use std::path::Path;

use super::{Open, at};
use crate::Change;
use crate::configuration::{ConfigurationVersion, Part};
use crate::scope::AccessScope;

fn version(part: Part, number: u64, text: Option<&str>) -> ConfigurationVersion {
    let (who, why) = ("lan".to_owned(), "họp giao ban".to_owned());
    ConfigurationVersion { part, number, text: text.map(str::to_owned), at: at(1_700_000_000_000), who, why }
}

pub(super) fn configuration(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    let reader = store.reader().expect("reads");
    assert_eq!(reader.configuration().expect("reads"), [], "a new store has none");
    let all = [
        version(Part::Site, 1, Some("[site]\nname = \"Trung tâm\"\n")),
        version(Part::Site, 2, Some("")),
        version(Part::Channels, 1, Some("[[channel]]\nname = \"log\"\n")),
        version(Part::Channels, 2, None),
        version(Part::Site, 3, Some("[site]\nname = \"IOC\"\n")),
    ];
    let put = |version: &ConfigurationVersion| Change::Configuration(Box::new(version.clone()));
    store.commit(&all.iter().map(put).collect::<Vec<_>>()).expect("commits");
    for again in [&all[1], &version(Part::Site, 3, Some("x"))] {
        assert!(store.commit(&[put(again)]).is_err(), "a version stays as it was saved");
    }
    drop((reader, store));
    let store = open(dir);
    let mut reader = store.reader().expect("reads");
    assert_eq!(reader.configuration().expect("reads"), [all[3].clone(), all[4].clone()]);
    let numbers = |part, before, limit| {
        let found = store.reader().expect("reads").configuration_versions(part, before, limit).expect("reads");
        found.into_iter().map(|one| one.number).collect::<Vec<_>>()
    };
    assert_eq!((numbers(Part::Site, None, 9), numbers(Part::Site, Some(3), 1)), (vec![3, 2, 1], vec![2]));
    assert!(numbers(Part::Duty, None, 9).is_empty());
    assert_eq!(reader.configuration_versions(Part::Site, Some(3), 1).expect("reads"), [all[1].clone()]);
    reader.limit(&AccessScope::EVERYWHERE.without_names()).expect("limited");
    let shown = reader.configuration().expect("reads");
    assert!(shown.iter().all(|one| one.who.is_empty()), "{shown:?}");
}
