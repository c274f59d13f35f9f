//! What waits on each channel, and what became of it.

use std::path::Path;

use ioc_common::id::IncidentId;
use ioc_common::language::Language;
use ioc_judge::Severity;

use super::{Open, at, enrol};
use crate::{Change, Delivery, DeliveryState, OutboxEntry, Store};

pub(super) fn outbox(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    let entry = |key: &str, channel: &str, severity| OutboxEntry {
        person: "lan".into(),
        address: "lan@ioc".into(),
        language: Some(Language::English),
        severity,
        step: 3,
        ..OutboxEntry::new(key.into(), IncidentId(1), channel, "{}", at(10))
    };
    let first = Change::Outbox(entry("1-1-mail", "mail", Severity::Info));
    let others = [
        Change::Outbox(entry("1-2-mail", "mail", Severity::Critical)),
        Change::Outbox(entry("1-3-mail", "mail", Severity::Warning)),
        Change::Outbox(entry("1-1-sms", "sms", Severity::Critical)),
    ];
    store.commit(std::slice::from_ref(&first)).expect("commits");
    store.commit(&others).expect("commits");
    store.commit(&[first]).expect("the same key is kept once");
    let waiting = |store: &dyn Store, channel: &str| {
        let rows = store.reader().expect("reads").outbox_waiting(channel, 9).expect("reads");
        rows.into_iter().map(|row| (row.key, row.attempts, row.unanswered, row.step)).collect::<Vec<_>>()
    };
    let row = |key: &str| (key.to_owned(), 0, 0, 3);
    assert_eq!(waiting(store.as_ref(), "mail"), [row("1-2-mail"), row("1-3-mail"), row("1-1-mail")], "the worst first");
    assert_eq!(waiting(store.as_ref(), "sms"), [row("1-1-sms")], "each channel has its own");
    let carried = [
        Change::Outbox(entry("1-4-push", "push", Severity::Critical)),
        Change::Outbox(entry("1-5-push", "push", Severity::Critical)),
        Change::Outbox(entry("1-6-push", "push", Severity::Info)),
        Change::Outbox(entry("1-4-push-via-sms2", "sms2", Severity::Critical)),
        Change::Outbox(entry("1-5-push-lan-0", "push", Severity::Warning)),
    ];
    store.commit(&carried).expect("commits");
    let order = ["1-5-push", "1-5-push-lan-0", "1-6-push", "1-4-push"].map(row);
    assert_eq!(waiting(store.as_ref(), "push"), order, "what another channel carries is in nobody's way");
    let over = |key: &str| {
        Change::Delivery(Delivery {
            key: key.into(),
            at: at(16),
            state: DeliveryState::Delivered,
            attempts: 1,
            unanswered: 0,
            next_attempt_at: at(90),
            error: None,
        })
    };
    let keys = ["1-4-push", "1-5-push", "1-6-push", "1-4-push-via-sms2", "1-5-push-lan-0"];
    store.commit(&keys.map(over)).expect("commits");
    let read = store.reader().expect("reads").outbox_entry("1-2-mail").expect("reads");
    assert_eq!(read, Some(entry("1-2-mail", "mail", Severity::Critical)));
    let delivery = |key: &str, state, unanswered| {
        let error = (state == DeliveryState::Waiting).then(|| "no answer".to_owned());
        Change::Delivery(Delivery {
            key: key.into(),
            at: at(16),
            state,
            attempts: 1,
            unanswered,
            next_attempt_at: at(90),
            error,
        })
    };
    store
        .commit(&[
            delivery("1-1-mail", DeliveryState::Waiting, 1),
            delivery("1-2-mail", DeliveryState::Delivered, 0),
            delivery("1-3-mail", DeliveryState::Dead, 0),
            delivery("1-1-sms", DeliveryState::Delivered, 0),
        ])
        .expect("commits");
    assert_eq!(waiting(store.as_ref(), "mail"), [("1-1-mail".to_owned(), 1, 1, 3)]);
    let reader = store.reader().expect("reads");
    assert_eq!(reader.outbox_channels().expect("reads"), ["mail"]);
    let kept = reader.outbox_entry("1-1-mail").expect("reads").expect("there");
    assert_eq!((kept.last_error.as_deref(), kept.next_attempt_at), (Some("no answer"), at(90)));
}
