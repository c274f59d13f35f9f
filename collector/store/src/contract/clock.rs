//! Steps of the clock: what is due moves, what was written stays.

use super::*;

const DAY: i64 = 86_400_000;

pub(super) fn clock(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    let reader = store.reader().expect("reads");
    assert_eq!(reader.clock().expect("reads"), None, "nothing is believed of a new store");
    let now = 100 * DAY;
    let mark = ClockMark {
        boot_id: "b".into(),
        boot_ms: 5,
        at: at(now),
        step_ms: None,
        doubt_ms: Some(9 * DAY),
        followed_ms: 0,
    };
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
    what_waits(open, &dir.join("waits"));
}

/// A token that was made at this moment and is good for an hour.
fn a_token(digest: &str, now: i64) -> Change {
    Change::Token(TokenRecord {
        digest: digest.into(),
        grant: Grant::Device { info: Box::new(info(1)), base: None },
        label: String::new(),
        uses_max: 1,
        approve: false,
        created_by: "admin".into(),
        created_at: at(now),
        expires_at: at(now + 3_600_000),
        uses: 0,
        used_at: None,
        ended_at: None,
    })
}

/// A machine that has just asked to come in, and asked again.
fn a_request(now: i64) -> RequestRecord {
    RequestRecord {
        id: "r".into(),
        token: "t".into(),
        at: at(now),
        seen_at: at(now + 1000),
        peer: String::new(),
        facts: Default::default(),
        info: info(1),
        base: None,
        reasons: vec![ApprovalReason::Asked],
        state: RequestState::Waiting,
    }
}

/// The last step of whose code was taken.
fn last_step(second: &SecondFactor) -> Option<i64> {
    serde_json::to_value(second).expect("writes")["last_step"].as_i64()
}

/// An account that is locked for a minute, and whose code of this moment was taken.
fn an_account(now: i64) -> AccountRecord {
    let mut second = SecondFactor::new().expect("random");
    second.confirmed = true;
    // The code of now was taken, as it is kept.
    let mut kept = serde_json::to_value(&second).expect("writes");
    kept["last_step"] = (now / 30_000).into();
    let second: SecondFactor = serde_json::from_value(kept).expect("reads");
    AccountRecord {
        name: "lan".into(),
        full_name: String::new(),
        role: Role::Viewer,
        places: Vec::new(),
        password: "hash".into(),
        earlier: Vec::new(),
        password_at: at(now),
        must_change: false,
        disabled: false,
        failures: 5,
        locked_until: Some(at(now + 60_000)),
        second_factor: Some(second),
        last_sign_in_at: None,
    }
}

/// A session that was just confirmed and ends in five seconds.
fn a_session(now: i64) -> SessionRecord {
    SessionRecord {
        digest: "s".into(),
        account: "lan".into(),
        federated: false,
        label: String::new(),
        role: None,
        peer: String::new(),
        created_at: at(now - 1000),
        expires_at: at(now + 5000),
        confirmed_at: at(now - 500),
        second_factor: false,
    }
}

/// Everything else that goes by elapsed time: tickets, requests, tokens, locks, sessions, codes that were taken.
fn what_waits(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    let (now, by_ms) = (100 * DAY, -3 * DAY);
    let of = incident(1, IncidentState::Open, None);
    let told = Change::TicketDue { system: "rt".into(), incident: of.id };
    let ended = Change::TokenEnded { digest: "over".into(), at: at(now) };
    let changes = [Change::Incident(Box::new(of)), told, a_token("good", now), a_token("over", now), ended];
    store.commit(&changes).expect("commits");
    let reader = store.reader().expect("reads");
    let ticket = |moment| {
        let due = TicketQuery::Due { system: "rt", now: at(moment) };
        reader.tickets(&due, 9).expect("reads").pop()
    };
    let failed = TicketRecord { error: Some("away".into()), next_at: at(now + 7000), ..ticket(now).expect("due") };
    store
        .commit(&[
            Change::Ticket(failed),
            Change::Request(Box::new(a_request(now))),
            Change::Account(an_account(now)),
            Change::Session(a_session(now)),
        ])
        .expect("commits");
    let stepped = now + by_ms;
    store.commit(&[Change::ClockStepped { at: at(stepped), by_ms }]).expect("commits");
    assert!(
        ticket(stepped + 6999).is_none() && ticket(stepped + 7000).is_some(),
        "a ticket is told after the same time"
    );
    let asked = reader.request("r").expect("reads").expect("kept");
    assert_eq!((asked.at, asked.seen_at), (at(stepped), at(stepped + 1000)), "a request is as old as it was");
    let good = reader.token("good").expect("reads").expect("kept");
    assert_eq!((good.created_at, good.expires_at), (at(stepped), at(stepped + 3_600_000)), "a token lives as long");
    let over = reader.token("over").expect("reads").expect("kept");
    assert_eq!(over.expires_at, at(now + 3_600_000), "what is over is a record");
    let account = reader.account("lan").expect("reads").expect("kept");
    assert_eq!(account.locked_until, Some(at(stepped + 60_000)), "a lock lasts as long");
    assert_eq!(
        account.second_factor.as_ref().and_then(last_step),
        Some(stepped / 30_000),
        "a code that was taken stays taken"
    );
    let session = reader.session("s").expect("reads").expect("kept");
    let moments = (session.created_at, session.confirmed_at, session.expires_at);
    assert_eq!(moments, (at(stepped - 1000), at(stepped - 500), at(stepped + 5000)), "a session is as fresh as it was");
}
