//! By which certificates devices may connect, and what they said of their settings.

use super::*;
use ioc_common::settings::DOCUMENT;

/// A renewal leaves what there is; an enrolment ends it. Who never had one is no agent, and has no settings.
pub(super) fn certificates(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    let reader = store.reader().expect("reader");
    for n in [1, 2] {
        store.commit(&[Change::Device { info: info(n), at: at(0) }]).expect("enrolled");
    }
    assert!(!reader.is_enrolled(&id(1)).expect("reads") && !reader.is_enrolled(&id(9)).expect("reads"));
    assert!(reader.serials().expect("reads").is_empty() && reader.settings().expect("reads").is_empty());
    for (serial, revoke_previous, good) in [("1", true, "1"), ("2", false, "1 2"), ("3", true, "3")] {
        let issued =
            Change::Certificate { device: id(1), serial: serial.into(), at: at(1), expires_at: at(9), revoke_previous };
        store.commit(&[issued]).expect("commits");
        let serials: Vec<String> = reader.serials().expect("reads").into_iter().map(|(_, serial)| serial).collect();
        assert_eq!(serials.join(" "), good);
    }
    // A serial number that is there, ended or not, stays as it is and stops no commit.
    let again = |serial: &str| Change::Certificate {
        device: id(2),
        serial: serial.into(),
        at: at(5),
        expires_at: at(9),
        revoke_previous: false,
    };
    store.commit(&[again("1"), again("3")]).expect("commits");
    assert_eq!(reader.serials().expect("reads"), [(id(1), "3".to_owned())]);
    assert!(reader.has_certificate("1").expect("reads") && !reader.has_certificate("4").expect("reads"));
    assert_eq!(reader.certified_since(at(1)).expect("reads"), [id(1)], "each once");
    assert!(reader.certified_since(at(2)).expect("reads").is_empty());
    // Those that were replaced by an enrolment, as long as they would be good.
    let ended = |now| reader.ended_certificates(at(now)).expect("reads");
    assert_eq!(ended(8), [("1".to_owned(), at(1)), ("2".to_owned(), at(1))]);
    assert!(ended(9).is_empty());
    assert!(reader.is_enrolled(&id(1)).expect("reads"));
    assert_eq!(reader.certificates(10).expect("reads"), [(id(1), at(9))]);
    assert_eq!(reader.settings().expect("reads"), [(info(1), None)]);
    let body = r#"{"version":1}"#.to_owned();
    let said = |name: &str| Change::Document { device: id(1), name: name.into(), at: at(2), body: body.clone() };
    store.commit(&[said(DOCUMENT), said("other")]).expect("commits");
    assert_eq!(reader.settings().expect("reads"), [(info(1), Some(body.clone()))]);
    store.commit(&[Change::Revoked { device: id(1), at: at(3) }]).expect("commits");
    assert_eq!(reader.ended_certificates(at(8)).expect("reads").last(), Some(&("3".to_owned(), at(3))));
    assert!(reader.serials().expect("reads").is_empty() && reader.settings().expect("reads").is_empty());
}
