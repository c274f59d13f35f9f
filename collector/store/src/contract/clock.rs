//! Steps of the clock: what is due moves, what was written stays.

use super::*;

const DAY: i64 = 86_400_000;

pub(super) fn clock(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    let reader = store.reader().expect("reads");
    assert_eq!(reader.clock().expect("reads"), None, "nothing is believed of a new store");
    let now = 100 * DAY;
    let mark = ClockMark { boot_id: "b".into(), boot_ms: 5, at: at(now), step_ms: None, doubt_ms: Some(9 * DAY) };
    enrol(store.as_mut(), 1);
    let entry = |key: &str, created: i64, next: i64, attempts: u32| {
        let entry = OutboxEntry::new(key.to_owned(), IncidentId(1), "sms", "{}", at(created));
        Change::Outbox(OutboxEntry { next_attempt_at: at(next), attempts, ..entry })
    };
    let session = |digest: &str, expires_at: i64| {
        Change::Session(SessionRecord {
            digest: digest.into(),
            account: "admin".into(),
            label: String::new(),
            role: None,
            federated: false,
            peer: "::1".into(),
            created_at: at(now),
            expires_at: at(expires_at),
            confirmed_at: at(now),
            second_factor: false,
        })
    };
    store.commit(&[Change::Clock(mark.clone()), session("old", 5)]).expect("commits");
    assert_eq!(store.reader().expect("reads").clock().expect("reads"), Some(mark.clone()));
    store
        .commit(&[
            entry("retry", now - 1000, now + 60_000, 2),
            entry("put-off", now - 1000, now + 30_000, 0),
            // Until six o'clock, in seven hours.
            entry("quiet", now - 1000, now + 7 * 3_600_000, 0),
            session("new", now + 3_600_000),
        ])
        .expect("commits");
    assert!(reader.session("old").expect("reads").is_some(), "nothing is deleted while the clock is in doubt");
    store.commit(&sample(1, 1, 1.0)).expect("commits");
    let by_ms = -DAY - 2 * 3_600_000;
    let stepped = now + by_ms;
    let whole = ClockMark { doubt_ms: None, at: at(stepped), ..mark };
    store.commit(&[Change::ClockStepped { at: at(stepped), by_ms }, Change::Clock(whole)]).expect("commits");
    let waits = |key: &str| {
        let entry = reader.outbox_entry(key).expect("reads").expect("kept");
        entry.next_attempt_at.as_millis() - stepped
    };
    assert_eq!((waits("retry"), waits("put-off")), (60_000, 30_000), "after the same time");
    assert_eq!(waits("quiet"), 9 * 3_600_000, "quiet hours end at the same hour of the day");
    let kept = reader.session("new").expect("reads").expect("kept");
    assert_eq!(kept.expires_at, at(stepped + 3_600_000));
    // A row that was received before the step counts as received so long ago.
    let received = ioc_common::clock::now();
    assert_eq!(reader.last_row_before(received.plus_millis(by_ms + 1000)).expect("reads"), 1);
    assert_eq!(reader.last_row_before(received.plus_millis(by_ms - 60_000)).expect("reads"), 0);
    store.commit(&[session("third", now)]).expect("commits");
    assert!(reader.session("old").expect("reads").is_none(), "deletion goes on once the clock is confirmed");
}
