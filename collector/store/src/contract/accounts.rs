//! The register of accounts: what agents find, what people vouch for, what is this collector's own; what is said of them; reviews.

use ioc_common::reading::{Account, Accounts};

use super::*;
use crate::{
    AccountAttestation, AccountFinding, AccountLimits, AccountQuery, AccountRecord, AccountReview, AccountSource,
    AccountTally, AccountVerdict, AccountWord, ReviewLine, ReviewSignature, ReviewTally,
};

const DAY_MS: i64 = 86_400_000;

fn survey(names: &[(&str, bool, i64)]) -> String {
    let account = |(name, administrator, signed_in): &(&str, bool, i64)| Account {
        name: (*name).to_owned(),
        administrator: *administrator,
        by: if *administrator { vec!["group sudo".to_owned()] } else { Vec::new() },
        locked: Some(false),
        changed_at: Some(at(99 * DAY_MS)),
        last_sign_in_at: (*signed_in > 0).then(|| at(*signed_in * DAY_MS)),
        ..Account::default()
    };
    let accounts = Accounts { accounts: names.iter().map(account).collect(), ..Accounts::default() };
    serde_json::to_string(&accounts).expect("writes")
}

fn attested(name: &str, gone: bool, until: i64) -> Change {
    let attestation = AccountAttestation {
        name: name.to_owned(),
        role: "quản trị thiết bị".to_owned(),
        administrator: true,
        holder: "Trần Bình".to_owned(),
        password_at: Some(at(DAY_MS)),
        gone,
        note: "biên bản 7".to_owned(),
        valid_until: at(until * DAY_MS),
        by: "lan".to_owned(),
        at: at(5),
    };
    Change::AccountAttested { device: id(2), attestation }
}

fn opened() -> AccountRecord {
    AccountRecord {
        name: "boss".into(),
        full_name: "Lê Thị Lan".into(),
        role: Role::Administrator,
        places: Vec::new(),
        password: "hash".into(),
        earlier: Vec::new(),
        password_at: at(95 * DAY_MS),
        must_change: false,
        disabled: false,
        failures: 0,
        locked_until: None,
        second_factor: None,
        last_sign_in_at: Some(at(100 * DAY_MS)),
    }
}

fn filled(store: &mut dyn Store) {
    let devices = [("Tầng 1", 1), ("Tầng 2", 2)].map(|(place, n)| {
        let info = DeviceInfo { place: place.to_owned(), name: format!("Máy {n}"), ..info(n) };
        Change::Device { info, at: at(0) }
    });
    store.commit(&devices).expect("enrolled");
    let body = survey(&[("an", true, 20), ("binh", false, 0)]);
    store
        .commit(&[
            Change::Document { device: id(1), name: "accounts".into(), at: at(90), body },
            Change::Account(opened()),
            attested("admin", false, 200),
            attested("guest", false, 200),
            attested("guest", true, 200),
        ])
        .expect("kept");
}

pub(super) fn accounts(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    filled(store.as_mut());
    drop(store);
    let mut store = open(dir);
    let reader = store.reader().expect("reads");
    let limits = AccountLimits {
        idle_days: Some(45),
        administrator_days: Some(60),
        operator_days: Some(90),
        review_months: Some(6),
    };
    let any = AccountQuery { collector: true, limits, now: at(100 * DAY_MS), limit: 9, ..AccountQuery::default() };
    let keys = |query: AccountQuery| {
        let page = reader.registered_accounts(&query).expect("reads");
        assert!(page.total >= page.rows.len() as u64);
        page.rows.into_iter().map(|(account, _)| account.key()).collect::<Vec<_>>()
    };
    assert_eq!(
        keys(any.clone()),
        ["/boss", "d-001/an", "d-001/binh", "d-002/admin"],
        "by device, and what is gone is gone"
    );
    assert_eq!(keys(AccountQuery { collector: false, limit: 1, skip: 1, ..any.clone() }), ["d-001/binh"]);
    assert_eq!(keys(AccountQuery { search: "máy 2 bình".into(), ..any.clone() }), ["d-002/admin"]);
    assert_eq!(keys(AccountQuery { device: Some(id(1)), administrator: true, ..any.clone() }), ["d-001/an"]);
    assert_eq!(
        keys(AccountQuery { finding: Some(AccountFinding::Idle), ..any.clone() }),
        ["d-001/an"],
        "what is unknown is not idle"
    );
    assert_eq!(keys(AccountQuery { after: Some("d-001/an".into()), ..any.clone() }), ["d-001/binh", "d-002/admin"]);
    let page = reader.registered_accounts(&any).expect("reads");
    assert_eq!((page.tally.accounts, page.tally.administrators, page.tally.usable), (4, 3, 4));
    assert_eq!((page.tally.sign_in_unknown, page.tally.of(AccountFinding::HolderUnknown)), (2, 2));
    assert_eq!((page.tally.of(AccountFinding::NoSecondFactor), page.tally.of(AccountFinding::PasswordOverdue)), (1, 1));
    assert_eq!(page.holders, ["Lê Thị Lan", "Trần Bình"]);
    assert_eq!(page.rows[3].0.source, AccountSource::Attested);
    // What people say of an account that is found stays with it.
    let word = AccountWord { holder: "Nguyễn An".into(), note: "ca 1".into(), by: "lan".into(), at: at(7) };
    store.commit(&[Change::AccountWord { device: Some(id(1)), name: "an".into(), word }]).expect("kept");
    let held = reader.registered_accounts(&AccountQuery { holder: "Nguyễn An".into(), ..any.clone() }).expect("reads");
    let (account, _) = &held.rows[0];
    assert_eq!((account.name.as_str(), account.note.as_str(), account.said_by.as_deref()), ("an", "ca 1", Some("lan")));
    // A file stays with the word that it shows, and whatever is said anew begins without.
    let file = crate::BackupEvidence {
        name: "biên bản 7.pdf".into(),
        sha256: "ab".into(),
        bytes: 3,
        kind: crate::EvidenceKind::Pdf,
        who: "lan".into(),
        at: at(8),
    };
    let shown =
        Change::AccountEvidence { device: id(2), name: "admin".into(), file: file.clone(), content: b"PDF".to_vec() };
    store.commit(&[shown]).expect("kept");
    let of_switch = || {
        let query = AccountQuery { device: Some(id(2)), ..any.clone() };
        reader.registered_accounts(&query).expect("reads").rows[0].0.evidence.clone()
    };
    assert_eq!(of_switch(), std::slice::from_ref(&file));
    let found = reader.account_evidence(&id(2), "admin", "ab").expect("reads");
    assert_eq!(found, Some((file, b"PDF".to_vec())));
    store.commit(&[attested("admin", false, 300)]).expect("kept");
    assert!(of_switch().is_empty());
    // What was vouched for earlier stays with its files, the newest first.
    let said = reader.account_attestations_before(None, None, 9).expect("reads");
    let listed: Vec<(u64, &str, usize)> =
        said.iter().map(|one| (one.number, one.attestation.name.as_str(), one.files.len())).collect();
    assert_eq!(listed, [(4, "admin", 0), (3, "guest", 0), (2, "guest", 0), (1, "admin", 1)]);
    let older = reader.account_attestations_before(Some(&id(2)), Some(3), 1).expect("reads");
    assert_eq!((older.len(), older[0].number), (1, 2));
    assert!(reader.account_attestations_before(Some(&id(1)), None, 9).expect("reads").is_empty());
    let one = |device: Option<&DeviceId>, name: &str| {
        let all = reader.accounts_on(device, at(0)).expect("reads");
        all.into_iter().find(|account| account.name == name).map(|account| account.holder)
    };
    assert_eq!(one(Some(&id(1)), "an").as_deref(), Some("Nguyễn An"));
    assert_eq!(
        (one(Some(&id(2)), "admin").as_deref(), one(None, "boss").as_deref()),
        (Some("Trần Bình"), Some("Lê Thị Lan"))
    );
    assert_eq!((one(Some(&id(1)), "boss"), one(None, "an")), (None, None));
    let unheard: Vec<_> = reader.devices_without_agent(9).expect("reads").into_iter().map(|info| info.id).collect();
    assert_eq!(unheard, [id(1), id(2)], "neither has said hello");
    assert_eq!(reader.devices_with_accounts(9).expect("reads"), [id(1), id(2)]);
    assert_eq!(reader.devices_with_accounts(1).expect("reads"), [id(1)]);
    // Where an agent tells of accounts itself nobody's word is taken; a survey that cannot be read is counted.
    let told = Change::Document { device: id(2), name: "accounts".into(), at: at(91), body: survey(&[]) };
    store.commit(&[told]).expect("kept");
    assert_eq!(keys(any.clone()), ["/boss", "d-001/an", "d-001/binh"]);
    let odd = Change::Document { device: id(2), name: "accounts".into(), at: at(92), body: "{\"accounts\":1}".into() };
    store.commit(&[odd]).expect("kept");
    assert_eq!(reader.registered_accounts(&any).expect("reads").tally.unread, 1);
    each_sees_their_own(store.as_ref(), &any);
}

/// Each sees their own places, and names only who may; this collector is no place.
fn each_sees_their_own(store: &dyn Store, any: &AccountQuery) {
    let mut reader = store.reader().expect("reads");
    reader.limit(&AccessScope::of(&["Tầng 1".to_owned()]).without_names()).expect("limited");
    let page = reader.registered_accounts(&AccountQuery { search: "binh".into(), ..any.clone() }).expect("reads");
    assert_eq!(page.total, 0, "who may not see names does not find them either");
    let page = reader.registered_accounts(any).expect("reads");
    let shown: Vec<(String, String)> =
        page.rows.into_iter().map(|(account, _)| (account.key(), account.holder)).collect();
    assert_eq!(shown, [("d-001/#1".to_owned(), "…".to_owned()), ("d-001/#2".to_owned(), String::new())]);
    assert!(page.holders.is_empty());
    assert!(reader.account_attestations_before(None, None, 9).expect("reads").is_empty(), "the switch is elsewhere");
    let mut reader = store.reader().expect("reads");
    reader.limit(&AccessScope::EVERYWHERE.without_names()).expect("limited");
    let said = reader.account_attestations_before(None, None, 9).expect("reads");
    assert!(said.len() == 4 && said.iter().all(|one| one.files.is_empty()), "{said:?}");
    assert!(!format!("{said:?}").contains("admin\"") && !format!("{said:?}").contains("Bình"), "{said:?}");
    assert_eq!(reader.account_evidence(&id(2), "admin", "ab").expect("reads"), None);
}

/// Numbers that are spread, the same ones each time.
fn spread(n: i64, most: i64) -> i64 {
    (n * 7919 + 31) % most
}

/// What is counted and found in the database is what the rules say of each account, whatever stands in it.
pub(super) fn accounts_by_work(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    filled(store.as_mut());
    let now = at(400 * DAY_MS);
    let some = |n: i64| (spread(n, 5) > 0).then(|| at(spread(n, 400) * DAY_MS + spread(n, 3) * DAY_MS / 2));
    let account = |n: i64| Account {
        name: format!("u{n:03}"),
        administrator: n % 3 == 0,
        by: vec![format!("group {}", n % 4)],
        locked: [None, Some(false), Some(false), Some(true)][usize::try_from(n % 4).expect("small")],
        empty_password: (n % 11 == 0).then_some(true),
        changed_at: some(n),
        last_sign_in_at: some(n + 7),
        signed_in: (n % 13 == 0).then_some(true),
        expires_at: (n % 5 == 0).then(|| at((350 + spread(n, 100)) * DAY_MS)),
        ..Account::default()
    };
    let survey = Accounts { accounts: (0..300).map(account).collect(), ..Accounts::default() };
    let body = serde_json::to_string(&survey).expect("writes");
    let word = AccountWord { holder: "Nguyễn An".into(), note: String::new(), by: "lan".into(), at: at(7) };
    let said = |n: i64| Change::AccountWord { device: Some(id(1)), name: format!("u{n:03}"), word: word.clone() };
    let mut changes: Vec<Change> = (0..150).map(said).collect();
    changes.push(Change::Document { device: id(1), name: "accounts".into(), at: at(95), body });
    changes.extend((150..200).map(said));
    changes.push(attested("old", false, 300));
    store.commit(&changes).expect("kept");
    let reader = store.reader().expect("reads");
    for limits in [
        AccountLimits::default(),
        AccountLimits {
            idle_days: Some(45),
            administrator_days: Some(60),
            operator_days: Some(90),
            review_months: None,
        },
        AccountLimits { idle_days: Some(0), administrator_days: Some(7), operator_days: None, review_months: None },
    ] {
        let any = AccountQuery { collector: true, limits, now, limit: 999, ..AccountQuery::default() };
        let all = reader.registered_accounts(&any).expect("reads");
        assert_eq!((all.rows.len() as u64, all.total), (all.tally.accounts, all.tally.accounts));
        let mut counted = AccountTally::default();
        for (account, findings) in &all.rows {
            assert_eq!(*findings, account.findings(&limits, now));
            counted.count(account, findings, now);
        }
        assert_eq!(all.tally, counted, "{limits:?}");
        let keys = |query: &AccountQuery| {
            let page = reader.registered_accounts(query).expect("reads");
            assert_eq!(page.total, page.rows.len() as u64);
            page.rows.into_iter().map(|(account, _)| account.key()).collect::<Vec<_>>()
        };
        let by_rule = |wanted: &dyn Fn(&[AccountFinding]) -> bool| -> Vec<String> {
            all.rows.iter().filter(|(_, found)| wanted(found)).map(|(account, _)| account.key()).collect()
        };
        for finding in AccountFinding::ALL {
            let of_work = AccountQuery { finding: Some(finding), ..any.clone() };
            assert_eq!(keys(&of_work), by_rule(&|found| found.contains(&finding)), "{finding:?} {limits:?}");
        }
        assert_eq!(keys(&AccountQuery { due: true, ..any.clone() }), by_rule(&|found| !found.is_empty()), "{limits:?}");
    }
    // Pages follow each other without a gap, for people and for programs.
    let page = AccountQuery { collector: true, now, limit: 70, ..AccountQuery::default() };
    let (mut turned, mut cursor, mut followed) = (Vec::new(), String::new(), Vec::new());
    for skip in (0..).step_by(70) {
        let found = reader.registered_accounts(&AccountQuery { skip, ..page.clone() }).expect("reads").rows;
        let next = reader.registered_accounts(&AccountQuery { after: Some(cursor.clone()), ..page.clone() });
        let next = next.expect("reads").rows;
        if found.is_empty() && next.is_empty() {
            break;
        }
        turned.extend(found.iter().map(|(account, _)| account.key()));
        followed.extend(next.iter().map(|(account, _)| account.key()));
        cursor = followed.last().cloned().unwrap_or_default();
    }
    assert_eq!((turned.len(), &turned), (303, &followed));
}

/// A review is written until it is signed, and never from then on.
pub(super) fn reviews(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    filled(store.as_mut());
    let reader = store.reader().expect("reads");
    let query = AccountQuery { now: at(100 * DAY_MS), limit: 9, ..AccountQuery::default() };
    let rows = reader.registered_accounts(&query).expect("reads").rows;
    let mut lines: Vec<ReviewLine> =
        rows.into_iter().map(|(account, found)| ReviewLine::proposed(account, found)).collect();
    let mut tally = ReviewTally::default();
    lines.iter().for_each(|line| tally.add(line));
    let review = AccountReview {
        number: 1,
        opened_at: at(3),
        opened_by: "lan".into(),
        count: lines.len() as u64,
        tally,
        signature: None,
    };
    // Lines come in pieces before it is open; those of an opening that came to nothing are written over, and what lies behind is none of it.
    let piece =
        |first: u32, lines: &[ReviewLine]| Change::AccountReviewLines { review: 1, first, lines: lines.to_vec() };
    store.commit(&[piece(1, &lines[1..]), piece(9, &lines)]).expect("kept");
    assert!(reader.account_review_lines(1, 0, 99).expect("reads").is_empty(), "it is not open yet");
    store.commit(&[piece(1, &lines[..1]), piece(2, &lines[1..])]).expect("kept");
    store.commit(&[Change::AccountReviewOpened(review.clone())]).expect("kept");
    let of_review = |after, limit| reader.account_review_lines(1, after, limit).expect("reads");
    assert_eq!((of_review(0, 99), of_review(1, 1)), (lines.clone(), lines[1..2].to_vec()));
    assert_eq!(
        (reader.signed_account_review().expect("reads"), reader.account_review(2).expect("reads")),
        (None, None)
    );
    (lines[1].verdict, lines[1].reason, lines[1].said) =
        (AccountVerdict::Remove, "nghỉ".into(), Some(("lan".into(), at(4))));
    let say = || Change::AccountReviewLine { review: 1, line: 2, said: Box::new(lines[1].clone()) };
    store.commit(&[say()]).expect("kept");
    // What is said of how many is kept with it: nobody reads all lines to know.
    let mut tally = ReviewTally { written: 1, ..ReviewTally::default() };
    lines.iter().for_each(|line| tally.add(line));
    assert_eq!(reader.account_review(1).expect("reads").map(|review| review.tally), Some(tally));
    assert_eq!(tally.of(AccountVerdict::Remove), 1);
    let signature = ReviewSignature { at: at(9), by: "boss".into(), sha256: "ab".into(), issued: 4 };
    let sign = || Change::AccountReviewSigned { review: 1, signature: signature.clone() };
    store.commit(&[sign()]).expect("kept");
    assert!(store.commit(&[say()]).is_err(), "what is signed is not changed");
    assert!(store.commit(&[sign()]).is_err(), "it is signed once");
    drop(store);
    let store = open(dir);
    let reader = store.reader().expect("reads");
    let signed = AccountReview { signature: Some(signature), tally, ..review };
    assert_eq!(reader.account_review_lines(1, 0, 99).expect("reads"), lines);
    assert_eq!(reader.account_reviews(None, 9).expect("reads"), std::slice::from_ref(&signed));
    assert_eq!(reader.signed_account_review().expect("reads"), Some(signed));
}
