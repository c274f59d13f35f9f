//! Incidents with deadlines of the law and requests to units: found for as long as they wait, read at a start, and kept with the incident.

use std::path::Path;

use ioc_common::id::IncidentId;
use ioc_judge::deadline::{ClockTerm, Due, LegalClock, Sent, Serious, UnitAnswer, UnitRequest};
use ioc_judge::{Incident, IncidentState};

use super::{Open, at, enrol, incident};
use crate::Change;
use crate::scope::AccessScope;

fn serious(sent: Option<Sent>) -> Serious {
    let term = ClockTerm {
        id: "first-notice".into(),
        condition: "Sự cố nghiêm trọng".into(),
        to: "Bộ".into(),
        law: "Nghị định".into(),
        article: "31.2d".into(),
        form: "Báo cáo ban đầu".into(),
        within_ms: 1000,
        at_once: false,
    };
    let clocks = vec![LegalClock { term, due: Due::new(at(0), at(1000)), sent }];
    Serious { since: at(0), at: at(1), who: "lan".into(), reason: "x".into(), clocks, ended: None }
}

fn request(answer: Option<UnitAnswer>) -> UnitRequest {
    let due = Due::new(at(0), at(1000));
    let (unit, what, who) = ("Tổ Mạng".into(), "kiểm tra".into(), "lan".into());
    UnitRequest { number: 1, unit, what, who, asked_at: at(0), due, answer, withdrawn: None }
}

pub(super) fn deadlines(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    let closed = |id, change: &dyn Fn(&mut Incident)| {
        let mut one = incident(id, IncidentState::Closed, Some(at(10)));
        change(&mut one);
        Change::Incident(Box::new(one))
    };
    let (how, who) = ("trục văn bản".to_owned(), "lan".to_owned());
    let sent = Sent { at: at(5), how, document: Some(1), who: who.clone(), noted_at: at(6) };
    let answer = UnitAnswer {
        person: "Trần A".into(),
        at: at(5),
        what: "xong".into(),
        file: String::new(),
        who,
        noted_at: at(6),
    };
    store
        .commit(&[
            closed(1, &|_| {}),
            closed(2, &|one| one.record.serious = Some(serious(None))),
            closed(3, &|one| one.record.serious = Some(serious(Some(sent.clone())))),
            closed(4, &|one| one.record.requests = vec![request(None)]),
            closed(5, &|one| one.record.requests = vec![request(Some(answer.clone()))]),
        ])
        .expect("commits");
    drop(store);
    let mut store = open(dir);
    let reader = store.reader().expect("reads");
    let found = |waiting, before, limit| {
        let found = reader.incidents_with_deadlines(waiting, before, limit).expect("reads");
        found.into_iter().map(|one| one.id.0).collect::<Vec<_>>()
    };
    assert_eq!((found(true, None, 9), found(false, None, 9)), (vec![4, 2], vec![5, 4, 3, 2]));
    assert_eq!((found(false, Some(5), 1), found(false, Some(2), 9)), (vec![4], vec![]));
    // They are over for long, and their deadlines run on.
    let snapshot = reader.snapshot(at(1_000_000)).expect("reads");
    assert_eq!(snapshot.incidents.iter().map(|one| one.id.0).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(snapshot.incidents[0].record.serious, Some(serious(None)));
    let whole = reader.incident(IncidentId(5)).expect("reads").expect("there").0;
    assert_eq!(whole.record.requests[0].answer, Some(answer));
    // Who in a unit answered is for who may see people.
    let mut sealed = store.reader().expect("reads");
    sealed.limit(&AccessScope::EVERYWHERE.without_names()).expect("limited");
    let all = sealed.incidents_with_deadlines(false, None, 1).expect("reads");
    let shown = all[0].record.requests[0].answer.clone().expect("answered");
    assert!(!shown.person.contains("Trần") && shown.what == "xong", "{shown:?}");
    // What is met waits no more.
    store.commit(&[closed(2, &|one| one.record.serious = Some(serious(Some(sent.clone()))))]).expect("commits");
    let waiting = store.reader().expect("reads").incidents_with_deadlines(true, None, 9).expect("reads");
    assert_eq!(waiting.iter().map(|one| one.id.0).collect::<Vec<_>>(), [4]);
}
