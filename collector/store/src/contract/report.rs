//! Settings of documents, texts of reports, versions that were issued; and what a report asks of the record.

use std::path::Path;

use super::{Open, at, enrol, fault, id};
use crate::history::Tier;
use crate::report::{DocumentSettings, IssuedPart, IssuedReport, Registration, ReportText, SignAuthority, Signer};
use crate::scope::AccessScope;
use crate::{Change, ChunkQuery, FaultQuery, StoreError, audit};

/// What people wrote is kept and forgotten by its key; what was issued is never changed, and a registration that is wrong is followed by another.
#[allow(clippy::too_many_lines, reason = "one life of a record, told in its order")]
pub(super) fn reports(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    let none = store.reader().expect("reads");
    assert_eq!(none.document_settings().expect("reads"), DocumentSettings::default());
    assert_eq!((none.issued_report(1).expect("reads"), none.audit_since().expect("reads")), (None, None));
    let signer = Signer { authority: SignAuthority::Deputy, title: "Phó Giám đốc".into(), ..Signer::default() };
    let settings = DocumentSettings {
        agency: "Trung tâm".into(),
        signers: vec![signer],
        mend_days: 30,
        ..DocumentSettings::default()
    };
    let text = |report: &str, key: &str, text: &str| {
        let (report, key, text, by) = (report.to_owned(), key.to_owned(), text.to_owned(), "lan".to_owned());
        Change::ReportText(ReportText { report, key, text, by, at: at(5) })
    };
    let issued = |number: u64, version: u32| IssuedReport {
        number,
        report: "clause.a".into(),
        version,
        title: "Báo cáo".into(),
        at: at(6),
        by: "lan".into(),
        sha256: "ab".into(),
        bytes: 3,
        registration: None,
    };
    let version = |number: u64, version: u32| Change::ReportIssued {
        issued: issued(number, version),
        content: b"PK1".to_vec(),
        source: "{\"version\":1}".into(),
    };
    let registration = Registration {
        number: 7,
        date: "2026-10-05".into(),
        by: "bình".into(),
        at: at(9),
        sha256: "cd".into(),
        kind: "BC".into(),
        reason: String::new(),
    };
    let corrected = Registration { number: 8, reason: "bình ghi nhầm".into(), ..registration.clone() };
    let registered_as = |registration: &Registration, content: &[u8]| Change::ReportRegistered {
        number: 1,
        registration: registration.clone(),
        content: content.to_vec(),
    };
    store
        .commit(&[
            Change::DocumentSettings(Box::new(settings.clone())),
            text("clause.a", "overview", "một"),
            text("clause.a", "6.1/text", "hai"),
            text("clause.b", "overview", "khác"),
            version(1, 1),
            version(2, 2),
        ])
        .expect("commits");
    store.commit(&[text("clause.a", "overview", "ba"), text("clause.a", "6.1/text", "")]).expect("commits");
    store.commit(&[registered_as(&registration, b"PK2")]).expect("commits");
    assert!(store.commit(&[version(1, 9)]).is_err(), "what was issued stays");
    drop(store);
    let store = open(dir);
    let reader = store.reader().expect("reads");
    assert_eq!(reader.document_settings().expect("reads"), settings);
    let texts = reader.report_texts("clause.a").expect("reads");
    let texts: Vec<(&str, &str)> = texts.iter().map(|one| (one.key.as_str(), one.text.as_str())).collect();
    assert_eq!(texts, [("overview", "ba")]);
    let registered = IssuedReport { registration: Some(registration.clone()), ..issued(1, 1) };
    assert_eq!(reader.issued_report(1).expect("reads"), Some(registered.clone()));
    assert_eq!(reader.issued_reports(None, None, 9).expect("reads"), [issued(2, 2), registered]);
    assert_eq!(reader.issued_reports(Some("clause.a"), None, 1).expect("reads"), [issued(2, 2)]);
    assert!(reader.issued_reports(Some("clause.b"), None, 1).expect("reads").is_empty());
    let content = |part| reader.issued_content(1, part).expect("reads");
    assert_eq!(content(IssuedPart::Issued).as_deref(), Some(&b"PK1"[..]));
    assert_eq!(content(IssuedPart::Registered).as_deref(), Some(&b"PK2"[..]));
    assert_eq!(content(IssuedPart::Source).as_deref(), Some(&b"{\"version\":1}"[..]));
    assert_eq!(reader.issued_content(2, IssuedPart::Registered).expect("reads"), None);
    let of_kind = |begin: &str| reader.issued_reports_of(begin, None, 9).expect("reads").len();
    assert_eq!((of_kind("clause."), of_kind("clause.b"), of_kind("")), (2, 0, 2));
    // What was registered wrongly is corrected by another registration, and stays on record with its copy.
    let given = |kind: &str, year, number| reader.reports_registered_as(kind, year, number).expect("reads");
    assert_eq!((given("BC", 2026, 7), given("BB", 2026, 7), given("BC", 2025, 7)), (vec![1], vec![], vec![]));
    let mut store = store;
    store.commit(&[registered_as(&corrected, b"PK3")]).expect("commits");
    assert_eq!(reader.issued_report(1).expect("reads").and_then(|one| one.registration), Some(corrected.clone()));
    assert_eq!(reader.report_registrations(1).expect("reads"), [registration, corrected]);
    assert!(reader.report_registrations(2).expect("reads").is_empty());
    assert_eq!((given("BC", 2026, 7), given("BC", 2026, 8)), (vec![], vec![1]), "the number is free again");
    let copy = |part| reader.issued_content(1, part).expect("reads");
    assert_eq!(copy(IssuedPart::Registered).as_deref(), Some(&b"PK3"[..]));
    assert_eq!(copy(IssuedPart::RegisteredAs(1)).as_deref(), Some(&b"PK2"[..]));
    assert_eq!(copy(IssuedPart::RegisteredAs(3)), None);
    // Who wrote, issued and registered is for who may see people.
    let mut reader = reader;
    reader.limit(&AccessScope::EVERYWHERE.without_names()).expect("limited");
    let registrations = reader.report_registrations(1).expect("reads");
    assert!(!format!("{registrations:?}").contains("bình"), "{registrations:?}");
    let seen = (reader.report_texts("clause.a"), reader.issued_reports(None, None, 9), reader.issued_report(1));
    assert!(!format!("{seen:?}").contains("lan") && !format!("{seen:?}").contains("bình"), "{seen:?}");
    assert_eq!(seen.0.expect("reads")[0].text, "ba");
}

/// Actions and faults of a period, its end not included; and all of it as of one moment.
pub(super) fn periods(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    let audit = |ms: i64, action: &str| {
        let (actor, subject, detail) = ("lan".to_owned(), String::new(), ms.to_string());
        Change::Audit(audit::AuditEntry { at: at(ms), actor, action: action.to_owned(), subject, detail })
    };
    store.commit(&[audit(10, "a.b"), audit(20, "a.b"), audit(30, "a.c"), audit(40, "a.b")]).expect("commits");
    let reader = store.reader().expect("reads");
    assert_eq!(reader.audit_since().expect("reads"), Some(at(10)));
    let tally = reader.audit_tally(at(20), at(40)).expect("reads");
    assert_eq!(tally, [("a.b".to_owned(), 1), ("a.c".to_owned(), 1)].into());
    let found = |limit| {
        let records = reader.audit_of("a.b", at(10), at(40), limit).expect("reads");
        records.into_iter().map(|record| record.detail).collect::<Vec<_>>()
    };
    assert_eq!((found(9), found(1)), (vec!["10".to_owned(), "20".to_owned()], vec!["10".to_owned()]));

    let over = ioc_judge::Fault {
        raised_at: at(100),
        cleared_at: Some(at(200)),
        ..fault(1, 1, ioc_judge::FaultState::Cleared)
    };
    let goes_on = ioc_judge::Fault { raised_at: at(150), ..fault(2, 1, ioc_judge::FaultState::Raised) };
    store.commit(&[Change::Fault(over), Change::Fault(goes_on)]).expect("commits");
    let during = |from: i64, until: i64| {
        let query = FaultQuery { during: Some((at(from), at(until))), ..FaultQuery::default() };
        reader.faults(&query, 9).expect("reads").into_iter().map(|fault| fault.id.0).collect::<Vec<_>>()
    };
    assert_eq!(
        (during(0, 100), during(0, 101), during(200, 300), during(201, 300)),
        (vec![], vec![1], vec![2, 1], vec![2])
    );

    // What is committed meanwhile is not seen, and what fails is told.
    let mut seen = Vec::new();
    let whole = reader.at_one_moment(&mut |reader| {
        seen.push(reader.audit_tally(at(0), at(1000))?.len());
        store.commit(&[audit(50, "a.d")])?;
        // History is read as of one moment by itself, too.
        let query = ChunkQuery { device: &id(1), tier: Tier::Hour, from: at(0), until: at(1000), names: &[] };
        assert_eq!(reader.chunks(&query)?.chunks.len(), 0);
        seen.push(reader.audit_tally(at(0), at(1000))?.len());
        Ok(())
    });
    whole.expect("reads");
    assert_eq!((seen.as_slice(), reader.audit_tally(at(0), at(1000)).expect("reads").len()), (&[2, 2][..], 3));
    let failed = reader
        .at_one_moment(&mut |_| Err(StoreError::Content { path: "x".into(), what: "a report", why: "a test".into() }));
    assert!(failed.is_err() && reader.audit_since().is_ok(), "the reader goes on");
}
