//! Machines that ask to come in, and lists that people keep.

use super::*;

pub(super) fn requests(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(&mut *store, 1);
    let request = RequestRecord {
        id: "r".into(),
        token: "t".into(),
        at: at(1),
        seen_at: at(2),
        peer: "10.0.0.1".into(),
        facts: Default::default(),
        info: info(1),
        base: None,
        reasons: vec![ApprovalReason::Asked, ApprovalReason::Machine { device: id(2) }],
        state: RequestState::Waiting,
    };
    let reader = store.reader().expect("reads");
    store.commit(&[Change::Request(Box::new(request.clone()))]).expect("commits");
    assert_eq!(reader.requests().expect("reads"), std::slice::from_ref(&request));
    let approved = RequestRecord { state: RequestState::Approved, ..request };
    store.commit(&[Change::Request(Box::new(approved.clone()))]).expect("commits");
    assert!(reader.requests().expect("reads").is_empty());
    assert_eq!(reader.requests_of(&id(1)).expect("reads"), std::slice::from_ref(&approved));
    assert!(reader.requests_of(&id(2)).expect("reads").is_empty());
    assert_eq!(reader.request("r").expect("reads"), Some(approved));
    store.commit(&[Change::RequestsPruned { before: at(2), delete: true }]).expect("commits");
    assert!(reader.request("r").expect("reads").is_some());
    store.commit(&[Change::RequestGone("r".into())]).expect("commits");
    assert_eq!(reader.request("r").expect("reads"), None);
    let view = SavedView { account: "lan".into(), name: "Máy trạm".into(), query: "kind=workstation".into() };
    store.commit(&[Change::View(view.clone())]).expect("commits");
    assert_eq!(reader.views("lan").expect("reads"), std::slice::from_ref(&view));
    assert!(reader.views("minh").expect("reads").is_empty());
    store.commit(&[Change::View(SavedView { query: String::new(), ..view })]).expect("commits");
    assert!(reader.views("lan").expect("reads").is_empty());
}
