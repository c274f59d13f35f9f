//! Questions that no other part of the contract asks: a store has an answer to each of them, empty as it is.

use std::path::Path;

use ioc_common::clock::Timestamp;

use super::Open;
use crate::ProductQuery;
use crate::retention::RecordClass;

pub(super) fn every_question_has_an_answer(open: Open<'_>, dir: &Path) {
    let store = open(dir);
    let reader = store.reader().expect("reads");
    let at = Timestamp::from_millis(1_790_000_000_000);
    for class in RecordClass::ALL {
        let asked = reader.class_size(class).map(drop).and_then(|()| reader.deleted_through(class).map(drop));
        let asked = asked.and_then(|()| reader.last_deletion(class).map(drop));
        let asked = asked.and_then(|()| reader.count_records(class, Some(at), i64::MIN, 9).map(drop));
        asked.unwrap_or_else(|error| panic!("{class:?}: {error}"));
    }
    let empty = [
        reader.audit_before(None, "sign_in", 9).expect("asked").len(),
        reader.audit_before(Some(7), "", 9).expect("asked").len(),
        reader.audit_heads(0, 9).expect("asked").len(),
        reader.audit_keys().expect("asked").len(),
        reader.audit_restores().expect("asked").len(),
        reader.audit_subjects("sign_in", at).expect("asked").len(),
        reader.audit_witnesses("", 9).expect("asked").len(),
        reader.contacts().expect("asked").len(),
        reader.deliveries().expect("asked").len(),
        reader.outbox_dead(9).expect("asked").len(),
        reader.machines_by_place().expect("asked").len(),
        reader.places_by_state().expect("asked").len(),
        reader.product_marks(&ProductQuery { limit: 9, ..ProductQuery::default() }).expect("asked").len(),
        reader.rows_after(0, 9).expect("asked").len(),
    ];
    assert!(empty.iter().all(|count| *count == 0), "{empty:?}");
    let heads = [reader.audit_head(1), reader.last_audit_head(), reader.last_audit_head_in_log()];
    assert!(heads.iter().all(|head| matches!(head, Ok(None))), "{heads:?}");
    assert_eq!(reader.last_row().expect("asked"), 0);
    assert_eq!(reader.examine(true), [""; 0], "nothing is wrong with nothing");
}
