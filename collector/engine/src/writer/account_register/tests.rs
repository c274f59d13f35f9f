use ioc_common::reading::{Account, Accounts};
use ioc_store::{AccountFinding, AccountRecord, NewDevice};

use super::super::time::tests::{Machine, Rig};
use super::*;
use crate::account;
use crate::command::{Command, MissingProof};
use crate::refusal_reason::RefusalKind;

/// A rig with a leader who has a second factor, and an administrator who has none.
fn rig(dir: &std::path::Path, machine: &Machine) -> Rig {
    let now = "2026-11-28T00:00:00Z".parse().expect("a time");
    let mut second = ioc_store::totp::SecondFactor::new().expect("random");
    second.confirmed = true;
    let made = |name: &str, role| account::with_hash(name, role, "hash".to_owned(), now);
    let leader = AccountRecord { second_factor: Some(second), ..made("sep", Role::Leader) };
    let accounts = [leader, made("boss", Role::Administrator)].map(Change::Account);
    ioc_store::open(dir).expect("opens").commit(&accounts).expect("kept");
    let mut rig = Rig::open(dir, machine);
    for device in ["srv-1", "sw-1"] {
        let info =
            NewDevice { device: device.into(), kind: "server".into(), name: device.into(), ..NewDevice::default() };
        rig.command(Command::Register { info, actor: "boss".into() }).expect("registered");
    }
    rig
}

/// A session of somebody's, which showed a second factor or did not.
fn session(rig: &mut Rig, name: &str, second_factor: bool) -> Actor {
    let now = rig.now();
    let (_, session) = account::new_session(name, "::1", None, second_factor, now).expect("random");
    let actor = Actor::Session { account: name.to_owned(), digest: session.digest.clone() };
    rig.engine.batch.changes.push(Change::Session(session));
    rig.command(Command::AwaitCommit).expect("kept");
    actor
}

fn vouched(name: &str, valid_until: Timestamp) -> AccountAttestation {
    AccountAttestation {
        name: name.to_owned(),
        role: "quản trị".to_owned(),
        administrator: true,
        holder: "Trần Bình".to_owned(),
        password_at: None,
        gone: false,
        note: "biên bản 7".to_owned(),
        valid_until,
        by: String::new(),
        at: Timestamp::MIN,
    }
}

fn attest(rig: &mut Rig, device: &str, attestation: AccountAttestation) -> CommandResult {
    let device = DeviceId::new(device).expect("valid");
    rig.command(Command::AttestAccount { device, attestation, actor: "binh".into() })
}

fn found(rig: &mut Rig) {
    let account = Account { name: "an".into(), administrator: true, locked: Some(false), ..Account::default() };
    let accounts = Accounts { accounts: vec![account], ..Accounts::default() };
    let (device, now) = (DeviceId::new("srv-1").expect("valid"), rig.now());
    let body = serde_json::to_string(&accounts).expect("writes");
    rig.engine.batch.changes.push(Change::Document { device, name: "accounts".into(), at: now, body });
    rig.command(Command::AwaitCommit).expect("kept");
}

fn rows(rig: &Rig) -> Vec<(String, String, Vec<AccountFinding>)> {
    let query = AccountQuery { collector: true, limit: 99, now: rig.now(), ..AccountQuery::default() };
    let page = rig.reader.registered_accounts(&query).expect("reads");
    page.rows.into_iter().map(|(account, found)| (account.key(), account.holder, found)).collect()
}

#[test]
fn who_holds_an_account_is_said_of_all_or_none_and_an_appliance_is_vouched_for() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = rig(dir.path(), &machine);
    found(&mut rig);
    let until = rig.now().plus_millis(30 * DAY_MS);
    attest(&mut rig, "sw-1", vouched("admin", until)).expect("kept");
    assert!(
        matches!(
            attest(&mut rig, "srv-1", vouched("an", until)),
            Err(CommandError::Explained(RefusalKind::Conflict, _))
        ),
        "its agent tells"
    );
    let add = |rig: &mut Rig, device: &str, content: &[u8]| {
        let (device, account) = (DeviceId::new(device).expect("valid"), "admin".to_owned());
        let (name, content, actor) = ("../biên bản.pdf".to_owned(), content.to_vec(), "binh".to_owned());
        rig.command(Command::AddAccountEvidence { device, account, name, content, actor })
    };
    add(&mut rig, "sw-1", b"%PDF-1").expect("kept");
    add(&mut rig, "sw-1", b"%PDF-1").expect("the same once more is no other");
    assert!(
        matches!(add(&mut rig, "srv-1", b"%PDF-1"), Err(CommandError::Explained(RefusalKind::NotFound, _))),
        "nobody vouched for it"
    );
    let switch = DeviceId::new("sw-1").expect("valid");
    let kept = rig.reader.registered_account(Some(&switch), "admin").expect("reads").expect("there").evidence;
    assert_eq!((kept.len(), kept[0].name.as_str(), kept[0].bytes), (1, "biên bản.pdf", 6));
    let late = rig.now().plus_millis(500 * DAY_MS);
    let refused = attest(&mut rig, "sw-1", vouched("x", late));
    assert!(matches!(refused, Err(CommandError::Explained(RefusalKind::Invalid, _))), "at most 400 days: {refused:?}");
    assert!(matches!(
        attest(&mut rig, "sw-1", vouched(" ", until)),
        Err(CommandError::Explained(RefusalKind::Invalid, _))
    ));
    let said = |keys: &[&str]| Command::DescribeAccounts {
        accounts: keys.iter().map(|key| SeenAccount { key: (*key).to_owned(), said_at: None }).collect(),
        holder: Some(" Nguyễn An ".into()),
        note: None,
        actor: "boss".into(),
    };
    assert!(matches!(
        rig.command(said(&["srv-1/an", "srv-1/nobody"])),
        Err(CommandError::Explained(RefusalKind::NotFound, _))
    ));
    assert!(
        matches!(rig.command(said(&["sw-1/admin"])), Err(CommandError::Explained(RefusalKind::Conflict, _))),
        "vouch for it anew"
    );
    assert!(
        rows(&rig).iter().all(|(key, holder, _)| key != "srv-1/an" || holder.is_empty()),
        "none of them was changed"
    );
    rig.command(said(&["srv-1/an"])).expect("kept");
    // Who was shown what stood before that does not write over it unseen.
    let second = |said_at| Command::DescribeAccounts {
        accounts: vec![SeenAccount { key: "srv-1/an".into(), said_at: Some(said_at) }],
        holder: None,
        note: Some("ca đêm".into()),
        actor: "other".into(),
    };
    let unseen = rig.command(second(None));
    assert!(matches!(unseen, Err(CommandError::Explained(RefusalKind::Conflict, _))), "{unseen:?}");
    let host = DeviceId::new("srv-1").expect("valid");
    let seen = rig.reader.registered_account(Some(&host), "an").expect("reads").expect("there").said_at;
    rig.command(second(seen)).expect("as it was seen");
    let held: Vec<_> = rows(&rig).into_iter().map(|(key, holder, _)| (key, holder)).collect();
    assert!(held.contains(&("srv-1/an".into(), "Nguyễn An".into())), "{held:?}");
    assert!(held.contains(&("sw-1/admin".into(), "Trần Bình".into())), "{held:?}");
}

#[test]
fn a_review_is_signed_by_a_leader_with_a_second_factor_as_it_was_seen_and_then_stays() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = rig(dir.path(), &machine);
    found(&mut rig);
    let open = |rig: &mut Rig| rig.command(Command::OpenAccountReview { actor: "boss".into() });
    assert!(matches!(open(&mut rig), Ok(Answer::AccountReview(1))));
    assert!(matches!(open(&mut rig), Err(CommandError::Explained(RefusalKind::Conflict, _))), "one at a time");
    let write = |rig: &mut Rig, line, verdict, reason: &str| {
        let lines = vec![(line, verdict, reason.to_owned())];
        rig.command(Command::WriteAccountReview { review: 1, lines, was: BTreeMap::new(), actor: "boss".into() })
    };
    let seen = |rig: &Rig| review_digest(&rig.reader.account_review_lines(1).expect("reads"));
    let sign = |rig: &mut Rig, actor: &Actor, seen: String| {
        let (content, source, actor) = (b"PK".to_vec(), "{}".to_owned(), actor.clone());
        rig.command(Command::SignAccountReview { review: 1, seen, content, source, actor })
    };
    let leader = session(&mut rig, "sep", true);
    let count = u32::try_from(rig.reader.account_review_lines(1).expect("reads").len()).expect("few");
    let refused = sign(&mut rig, &leader, String::new()).expect_err("reasons are missing").to_string();
    assert!(refused.contains("no reason"), "{refused}");
    for line in 1..=count {
        write(&mut rig, line, AccountVerdict::Keep, "").expect("kept");
    }
    let first = seen(&rig);
    write(&mut rig, 1, AccountVerdict::Lock, "nghỉ việc").expect("kept");
    assert!(matches!(
        write(&mut rig, count + 1, AccountVerdict::Keep, ""),
        Err(CommandError::Explained(RefusalKind::Invalid, _))
    ));
    assert!(
        matches!(sign(&mut rig, &leader, first), Err(CommandError::Explained(RefusalKind::Conflict, _))),
        "it was written into since"
    );
    let now = seen(&rig);
    for (name, second) in [("boss", true), ("sep", false)] {
        let actor = session(&mut rig, name, second);
        let refused = sign(&mut rig, &actor, now.clone()).expect_err("who may not");
        let stale = matches!(refused, CommandError::MissingProof(MissingProof::Stale));
        assert!(stale || matches!(refused, CommandError::Explained(RefusalKind::Forbidden, _)), "{name}: {refused}");
    }
    let machine_actor = Actor::Machine("local:0".into());
    assert!(matches!(
        sign(&mut rig, &machine_actor, now.clone()),
        Err(CommandError::Explained(RefusalKind::Forbidden, _))
    ));
    // The store ends what is past its time by the machine's clock, which is ahead of this rig's.
    let leader = session(&mut rig, "sep", true);
    let signed = sign(&mut rig, &leader, now.clone());
    assert!(matches!(signed, Ok(Answer::Report(1))), "{signed:?}");
    let signed =
        rig.reader.signed_account_review().expect("reads").and_then(|review| review.signature).expect("signed");
    assert_eq!((signed.by.as_str(), &signed.sha256, signed.issued), ("sep", &now, 1));
    assert_eq!(rig.reader.issued_report(1).expect("reads").map(|one| one.report).as_deref(), Some("account-review.1"));
    assert!(
        matches!(write(&mut rig, 1, AccountVerdict::Keep, ""), Err(CommandError::Explained(RefusalKind::Conflict, _))),
        "it stays"
    );
    assert!(matches!(sign(&mut rig, &leader, now), Err(CommandError::Explained(RefusalKind::Conflict, _))), "once");
    assert!(matches!(open(&mut rig), Ok(Answer::AccountReview(2))));
}

#[test]
fn what_is_due_or_not_in_order_is_a_fault_until_it_is() {
    let due: Date = "2027-05-28".parse().expect("a day");
    let of = |text: &str| review_due(due, text.parse().expect("a day"));
    assert!(of("2027-05-13").is_none());
    assert!(of("2027-05-14").expect("soon").title.vi.contains("sắp đến hạn"));
    assert!(of("2027-05-29").expect("late").title.en.contains("overdue"));
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = rig(dir.path(), &machine);
    let faults = |rig: &mut Rig| {
        rig.command(Command::CheckReports).expect("kept");
        [REVIEW_DUE, OWN_IDLE, OWN_WITHOUT_SECOND].map(|key| rig.engine.state.has_self_fault(key))
    };
    assert_eq!(faults(&mut rig), [false; 3], "a new centre is in order");
    machine.pass(8 * DAY_MS);
    assert_eq!(faults(&mut rig), [false, false, true], "an administrator has a week for a second factor");
    machine.pass(40 * DAY_MS);
    assert_eq!(faults(&mut rig), [false, true, true], "nobody signed in for 48 days");
    machine.pass(140 * DAY_MS);
    assert_eq!(faults(&mut rig), [true, true, true], "at level 3 accounts are reviewed every six months");
    rig.command(Command::OpenAccountReview { actor: "boss".into() }).expect("opened");
    let lines = rig.reader.account_review_lines(1).expect("reads");
    let count = u32::try_from(lines.len()).expect("few");
    let said = (1..=count).map(|line| (line, AccountVerdict::Lock, "nghỉ".to_owned())).collect();
    let was = BTreeMap::new();
    rig.command(Command::WriteAccountReview { review: 1, lines: said, was, actor: "boss".into() }).expect("kept");
    let actor = session(&mut rig, "sep", true);
    let seen = review_digest(&rig.reader.account_review_lines(1).expect("reads"));
    let (content, source) = (b"PK".to_vec(), "{}".to_owned());
    rig.command(Command::SignAccountReview { review: 1, seen, content, source, actor }).expect("signed");
    assert!(!rig.engine.state.has_self_fault(REVIEW_DUE), "it is signed: nothing is due");
}
