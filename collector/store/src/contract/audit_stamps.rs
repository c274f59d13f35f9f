//! What a time stamping authority said of signed heads: kept beside them, once, for good.

use super::*;
use crate::audit::{AuditEntry, AuditKey, AuditStamp};
use crate::audit_check::tests::Signer;

pub(super) fn audit_stamps(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    let signer = Signer::new();
    let (key, public) = signer.keys().pop_first().expect("one");
    let key = AuditKey { id: key, public, certificate: "PEM".to_owned(), at: at(1) };
    store.commit(&[Change::AuditKey(key)]).expect("kept");
    for n in 1..=3 {
        let entry = AuditEntry {
            at: at(n),
            actor: "lan".into(),
            action: "x.y".into(),
            subject: String::new(),
            detail: n.to_string(),
        };
        store.commit(&[Change::Audit(entry)]).expect("kept");
        let tip = store.audit_tip();
        let head = signer.sign(tip.number, &tip.hash, &tip.tree, at(n));
        store.commit(&[Change::AuditHead { head, tree: tip.tree }]).expect("kept");
    }
    let stamp = |number: u64, text: &str| AuditStamp {
        number,
        at: at(10),
        authority: "O=TSA, CN=Dấu thời gian".into(),
        reply: text.as_bytes().to_vec(),
    };
    let kept = Change::AuditStamp;
    store.commit(&[kept(stamp(1, "one")), kept(stamp(3, "three"))]).expect("kept");
    // What is there stays, and what is of no head is none.
    store.commit(&[kept(stamp(1, "another"))]).expect("not kept twice");
    assert!(store.commit(&[kept(stamp(9, "nothing"))]).is_err());
    drop(store);
    let store = open(dir);
    let reader = store.reader().expect("reads");
    assert_eq!(reader.audit_stamps(0, 9).expect("reads"), [stamp(1, "one"), stamp(3, "three")]);
    assert_eq!(reader.audit_stamps(1, 9).expect("reads"), [stamp(3, "three")]);
    assert_eq!(reader.audit_stamps(0, 1).expect("reads").len(), 1);
    assert_eq!(reader.last_audit_stamp().expect("reads"), Some(stamp(3, "three")));
    assert_eq!(reader.last_audit_stamp_in_log().expect("reads"), Some(stamp(3, "three")));
}
