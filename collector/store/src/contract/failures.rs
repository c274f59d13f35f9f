//! Surveys that could not be made, of the machines that are heard: part of what coverage is made of.

use super::*;

pub(super) fn are_of_what_is_heard(store: &mut dyn Store, heard: &DeviceId, silent: &DeviceId) {
    let body = r#"[{"probe":"patches","outcome":"unknown","why":"dpkg: locked"},{"probe":"cpu","outcome":"read"}]"#;
    let probes = |device: &DeviceId| Change::Document {
        device: device.clone(),
        name: "probes".into(),
        at: at(6),
        body: body.into(),
    };
    store.commit(&[probes(heard), probes(silent)]).expect("commits");
    let reader = store.reader().expect("reads");
    let failed = reader.coverage().expect("reads").failed;
    assert_eq!(failed.len(), 1, "of what is heard");
    let (number, surveys) = failed.into_iter().next().expect("one");
    assert_eq!(surveys, BTreeSet::from(["patches".to_owned()]));
    let named = reader.machines_of(&[number].into(), 9).expect("reads");
    assert_eq!(named.iter().map(|info| &info.id).collect::<Vec<_>>(), [heard]);
}
