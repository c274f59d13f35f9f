//! What is kept beside the duty plan.

use super::*;
use crate::{
    ContactCheck, DutyFeed, RequestedTurn, RequestedTurnState, ShiftAccount, ShiftEvent, ShiftEventKind, ShiftSide,
    SignedShift,
};
use ioc_common::language::Language;

/// Who stands in, as it was; calendars that end; turns as they were answered.
pub(super) fn duty(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    let cover = |id: u64, from: i64, until: i64| Cover {
        id,
        rota: "duty".into(),
        person: "lan".into(),
        from: at(from),
        until: at(until),
        who: "admin".into(),
        note: String::new(),
    };
    let feed = |digest: &str, second: i64| DutyFeed {
        digest: digest.into(),
        account: "lan".into(),
        subject: "rota:duty".into(),
        language: Language::Vietnamese,
        created_at: at(second),
        ended_at: None,
    };
    let turn = RequestedTurn {
        number: 1,
        at: at(3),
        asker: "lan".into(),
        asked: "binh".into(),
        covers: vec![cover(0, 10, 20)],
        instead_of: vec!["lan".into()],
        note: "đám cưới".into(),
        state: RequestedTurnState::Asked,
        ended_at: None,
        ended_by: String::new(),
        answer: String::new(),
    };
    let second = RequestedTurn { number: 2, ..turn.clone() };
    let check = ContactCheck {
        person: "tri".into(),
        channel: "sms".into(),
        address: "+84 9".into(),
        digest: "d".into(),
        sent_at: at(7),
        wrong: 1,
        verified_at: None,
        by: "admin".into(),
    };
    let changes = [
        Change::Cover(cover(1, 1, 5)),
        Change::Cover(cover(2, 6, 9)),
        Change::Cover(cover(3, 30, 30)),
        Change::CoverGone(3),
        Change::CoverGone(1),
        Change::DutyFeed(feed("a", 1)),
        Change::DutyFeed(feed("b", 2)),
        Change::DutyFeed(DutyFeed { account: "minh".into(), ..feed("c", 3) }),
        Change::DutyFeedEnded { digest: "a".into(), at: at(4) },
        Change::RequestedTurn(Box::new(turn.clone())),
        Change::RequestedTurn(Box::new(second.clone())),
        Change::ContactCheck(Box::new(check.clone())),
        Change::ContactCheck(Box::new(ContactCheck { verified_at: Some(at(8)), ..check.clone() })),
    ];
    store.commit(&changes).expect("commits");
    let reader = store.reader().expect("reads");
    assert_eq!(reader.covers_since(at(0), 9).expect("reads"), [cover(1, 1, 5), cover(2, 6, 9)]);
    assert_eq!(reader.covers_since(at(5), 9).expect("reads"), [cover(2, 6, 9)]);
    assert_eq!(reader.covers_since(at(0), 2).expect("reads"), [cover(2, 6, 9)], "the newest");
    assert_eq!(reader.duty_feeds("lan").expect("reads"), [feed("b", 2)]);
    assert_eq!(reader.duty_feed("a").expect("reads"), Some(DutyFeed { ended_at: Some(at(4)), ..feed("a", 1) }));
    assert_eq!(reader.duty_feed("x").expect("reads"), None);
    // It has ended when it ended first.
    store.commit(&[Change::DutyFeedEnded { digest: "a".into(), at: at(9) }]).expect("commits");
    assert_eq!(reader.duty_feed("a").expect("reads").and_then(|feed| feed.ended_at), Some(at(4)));
    assert_eq!(reader.requested_turns(9).expect("reads"), [second.clone(), turn.clone()]);
    let agreed = RequestedTurn {
        state: RequestedTurnState::Agreed,
        ended_at: Some(at(5)),
        ended_by: "binh".into(),
        answer: "được".into(),
        ..turn
    };
    store.commit(&[Change::RequestedTurn(Box::new(agreed.clone()))]).expect("commits");
    assert_eq!(reader.requested_turn(1).expect("reads"), Some(agreed));
    assert_eq!(reader.requested_turns(1).expect("reads"), [second]);
    assert_eq!(reader.requested_turn(3).expect("reads"), None);
    let found = reader.person(&["binh".to_owned()], 10).expect("reads");
    assert_eq!(found.traces.len(), 2, "{found:?}");
    assert_eq!(reader.contact_checks().expect("reads"), [ContactCheck { verified_at: Some(at(8)), ..check }]);
    assert_eq!(reader.person(&["tri".to_owned()], 10).expect("reads").traces.len(), 1);
    let feeds = reader.person(&["minh".to_owned()], 10).expect("reads");
    assert_eq!(feeds.traces.len(), 1, "{feeds:?}");
}

/// Shifts that were signed for stand in the duty book, and are had without the rest of it.
pub(super) fn signed_shifts(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    let event = ShiftEvent {
        kind: ShiftEventKind::Resolved,
        at: at(2),
        until: None,
        number: Some(7),
        vi: "Đĩa đầy".into(),
        en: "Disk full".into(),
        who: "lan".into(),
    };
    let account = ShiftAccount { events: vec![event], more: 2, cut: true, open: vec![3, 9], more_open: 1 };
    let entry = |second: i64, rota: &str, side: ShiftSide| Handover {
        at: at(second),
        rota: "Trực".into(),
        who: "lan".into(),
        text: "UPS 2 đang sạc lại".into(),
        shift: Some(Box::new(SignedShift {
            rota: rota.into(),
            from: at(0),
            until: at(4),
            side,
            name: "Nguyễn Thị Lan".into(),
            planned: Some(true),
            account: account.clone(),
        })),
    };
    let (given, taken) = (entry(4, "noc", ShiftSide::Given), entry(5, "noc", ShiftSide::Taken));
    let (remark, other) = (Handover { shift: None, ..given.clone() }, entry(6, "mang", ShiftSide::Given));
    let all = [given.clone(), remark.clone(), taken.clone(), other.clone()];
    store.commit(&all.map(Change::Handover)).expect("commits");
    drop(store);
    let store = open(dir);
    let reader = store.reader().expect("reads");
    assert_eq!(reader.handovers(9).expect("reads"), [other.clone(), taken.clone(), remark, given.clone()]);
    assert_eq!(reader.signed_shifts(None, 9).expect("reads"), [other, taken.clone(), given.clone()]);
    assert_eq!(reader.signed_shifts(Some("noc"), 9).expect("reads"), [taken.clone(), given]);
    assert_eq!(reader.signed_shifts(Some("noc"), 1).expect("reads"), [taken]);
    assert!(reader.signed_shifts(Some("Trực"), 9).expect("reads").is_empty(), "by its key, not by its name");
}
