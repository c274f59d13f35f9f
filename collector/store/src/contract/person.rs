//! Where a person appears.

use super::*;
use crate::person::PersonTraceKind as Kind;
use crate::retention::{Hold, HoldTarget, RecordClass, RetentionRule};

/// Whoever is looked for is found wherever they stand, by each of their names, and nobody whose name only begins like theirs.
pub(super) fn person(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    written(store.as_mut());
    let reader = store.reader().expect("reads");
    let names = ["lan".to_owned(), "Lê Thị Lan".to_owned()];
    let found = reader.person(&names, 10).expect("reads");
    assert_eq!(found.cut, []);
    let of = |kind: Kind| {
        let those = found.traces.iter().filter(|one| one.kind == kind);
        those.map(|one| format!("{}: {} {}", one.subject, one.word, one.text).trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of(Kind::Device), ["d-001: officer"]);
    assert_eq!(of(Kind::Document), ["d-001: accounts accounts.name"]);
    assert_eq!(of(Kind::Incident), ["INC-000001:  acknowledged_by, record.person"]);
    assert_eq!(of(Kind::Step), ["INC-000001:  đã xem"]);
    assert_eq!(of(Kind::Notice), ["1: waiting sms 0912"]);
    assert_eq!(of(Kind::Event), ["d-001: session.open lan from 10.0.0.1"]);
    let faults = of(Kind::Fault);
    assert!(faults.len() == 2 && faults[0].starts_with("d-001: administrators-changed"), "{faults:?}");
    assert!(faults[0].contains("sudo: lan") && faults[1].contains("account.password_age|lan"), "{faults:?}");
    assert_eq!(of(Kind::Retention), ["events:  730d; Lê Thị Lan: ý kiến của phòng"]);
    assert_eq!(of(Kind::Handover), ["r:  yên"]);
    assert_eq!(of(Kind::Register), ["d-001:  admins: sudo: lan"], "what was accepted");
    assert_eq!(of(Kind::Hold), ["2:  period : vì", "1:  person lan: vì"]);
    assert!(of(Kind::Series)[0].ends_with(":  account.password_age|lan") && of(Kind::Series).len() == 1);
    assert_eq!(of(Kind::AuditBy), ["4: account.changed lan", "1: account.changed d-001"]);
    assert_eq!(of(Kind::AuditAbout), ["2: account.changed boss"]);
    assert!(of(Kind::Change).is_empty() && found.ends.is_empty(), "all was looked through");
    store.commit(&[document(1, r#"{"accounts":[{"name":"lanh"}]}"#)]).expect("commits");
    what_was_found_before(store.as_ref(), &names);
    let reader = store.reader().expect("reads");
    let cut = reader.person(&names, 1).expect("reads");
    assert_eq!(cut.cut, [Kind::Hold, Kind::Fault, Kind::AuditBy], "no more than are asked for, and that is said");
    let nobody = reader.person(&["it's \"NAMES\"".to_owned()], 10).expect("a name is no query");
    assert_eq!(nobody.traces, []);
}

/// Where they are: in what people say and did, in surveys, faults and notices, and in the log.
fn written(store: &mut dyn Store) {
    let looked_after = DeviceInfo { officer: "Lê Thị Lan".into(), ..info(1) };
    store.commit(&[Change::Device { info: looked_after, at: at(0) }]).expect("enrolled");
    store.commit(&[Change::Device { info: info(2), at: at(0) }]).expect("enrolled");
    let accounts = r#"{"accounts":[{"name":"lan","administrator":true},{"name":"lanh"}]}"#;
    let layout = |subject: &str| {
        Layout::new(vec![Series::new("account.password_age", subject), Series::new("cpu.busy", "")]).expect("allowed")
    };
    let step = |number: u32, who: &str| {
        Change::Step(TimelineStep {
            incident: IncidentId(1),
            number,
            at: at(60),
            who: who.into(),
            state: IncidentState::Open,
            note: Text::new("đã xem", "looked"),
        })
    };
    let mut taken = incident(1, IncidentState::Open, None);
    taken.acknowledged_by = Some("lan".into());
    taken.record.person = "Lê Thị Lan".into();
    let notice = OutboxEntry {
        person: "lan".into(),
        address: "0912".into(),
        ..OutboxEntry::new("k".into(), IncidentId(1), "sms", "{}", at(70))
    };
    let event = Change::Event {
        device: id(1),
        at: at(9),
        name: "session.open".into(),
        text: "lan from 10.0.0.1".into(),
        // Written as JSON may be.
        fields: r#"{"who":"\u006can"}"#.into(),
    };
    let of_account = Fault { series: "account.password_age|lan".into(), ..fault(1, 1, FaultState::Raised) };
    let reason = Text::personal(("Mới có: sudo: lan", "New: sudo: lan"), ("có 1 tên mới", "1 new name"));
    let naming = Fault { reason, rule: "administrators-changed".into(), ..fault(2, 1, FaultState::Raised) };
    let other = Text::personal(("Mới có: lanh", "New: lanh"), ("có 1 tên mới", "1 new name"));
    let other = Fault { reason: other, ..fault(3, 2, FaultState::Raised) };
    let rule = |class, by: &str| {
        Change::RetentionRule(RetentionRule {
            class,
            text: "730d".into(),
            keep_ms: Some(1),
            exports: false,
            by: by.into(),
            reason: "ý kiến của phòng".into(),
            since: at(86),
            grace_from: None,
        })
    };
    store
        .commit(&[
            Change::Fault(of_account),
            Change::Fault(naming),
            Change::Fault(other),
            rule(RecordClass::Events, "Lê Thị Lan"),
            rule(RecordClass::Faults, "Lê Thị Lành"),
            document(1, accounts),
            document(2, r#"{"accounts":[{"name":"lanh"}]}"#),
            accepted(1, "sudo: lan"),
            accepted(2, "sudo: lanh"),
            Change::Layout(layout("lan")),
            Change::Layout(layout("lanh")),
            Change::Incident(Box::new(taken)),
            step(1, "lan"),
            step(2, "lanh"),
            Change::Outbox(notice),
            event,
            Change::Handover(Handover {
                at: at(80),
                rota: "r".into(),
                who: "lan".into(),
                text: "yên".into(),
                shift: None,
            }),
        ])
        .expect("commits");
    let entry = |actor: &str, subject: &str| {
        Change::Audit(audit::AuditEntry {
            at: at(90),
            actor: actor.into(),
            action: "account.changed".into(),
            subject: subject.into(),
            detail: String::new(),
        })
    };
    store
        .commit(&[entry("lan", "d-001"), entry("boss", "lan"), entry("boss", "lanh"), entry("lan", "lan")])
        .expect("commits");
    store.commit(&holds()).expect("commits");
}

fn document(n: u32, body: &str) -> Change {
    Change::Document { device: id(n), name: "accounts".into(), at: at(5), body: body.into() }
}

/// What a rule compares accounts with.
fn accepted(n: u32, text: &str) -> Change {
    let comparison = Comparison { accepted: [text.to_owned()].into(), ..Comparison::default() };
    Change::Comparison { device: id(n), rule: "admins".into(), comparison }
}

/// One on the person, one that they set, and one on somebody whose name begins like theirs.
fn holds() -> [Change; 3] {
    let on = |name: &str| HoldTarget::Person(name.to_owned());
    let of = |number, by: &str, target| {
        let (reason, by) = ("vì".to_owned(), by.to_owned());
        Change::Hold(Hold { number, target, from: None, until: None, reason, at: at(85), by, ended: None })
    };
    [of(1, "boss", on("lan")), of(2, "lan", HoldTarget::Period), of(3, "boss", on("lanh"))]
}

/// What surveys found before is found, too, once it has gone; nobody's whose name only begins so.
fn what_was_found_before(store: &dyn Store, names: &[String]) {
    let later = store.reader().expect("reads").person(names, 10).expect("reads");
    let kinds = |kind: Kind| later.traces.iter().filter(|one| one.kind == kind).collect::<Vec<_>>();
    assert!(kinds(Kind::Document).is_empty());
    let changes: Vec<_> = kinds(Kind::Change).iter().map(|one| (one.subject.clone(), one.word.clone())).collect();
    assert_eq!(changes, [("d-001".to_owned(), "accounts".to_owned())]);
}
