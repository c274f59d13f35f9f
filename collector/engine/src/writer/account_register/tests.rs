use ioc_common::reading::{Account, Accounts};
use ioc_store::{
    AccountFinding, AccountQuery, AccountRecord, AccountVerdict, ImportRegister, NewDevice, review_digest,
};

use super::super::time::tests::{Machine, Rig};
use super::*;
use crate::account;
use crate::account::intent::Actor;
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
    let now = rig.now();
    let kept = rig.reader.accounts_on(Some(&switch), now).expect("reads").remove(0).evidence;
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
    let seen = rig.reader.accounts_on(Some(&host), rig.now()).expect("reads");
    let seen = seen.into_iter().find(|account| account.name == "an").expect("there").said_at;
    rig.command(second(seen)).expect("as it was seen");
    let held: Vec<_> = rows(&rig).into_iter().map(|(key, holder, _)| (key, holder)).collect();
    assert!(held.contains(&("srv-1/an".into(), "Nguyễn An".into())), "{held:?}");
    assert!(held.contains(&("sw-1/admin".into(), "Trần Bình".into())), "{held:?}");
}

fn unseen(key: &str) -> SeenAccount {
    SeenAccount { key: key.to_owned(), said_at: None }
}

#[test]
fn what_is_decided_and_not_committed_yet_is_described_too() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = rig(dir.path(), &machine);
    found(&mut rig);
    let now = rig.now();
    let described = |rig: &mut Rig, holder: Option<&str>, note: Option<&str>| {
        rig.engine.describe_accounts(&[unseen("srv-1/an")], (holder, note), "boss", now)
    };
    // Both are of one batch: the second keeps what the first one said.
    described(&mut rig, Some("Nguyễn An"), None).expect("kept");
    described(&mut rig, None, Some("ca 1")).expect("kept");
    let vouch = vouched("guest", now.plus_millis(DAY_MS));
    let switch = DeviceId::new("sw-1").expect("valid");
    rig.engine.attest_account(&switch, vouch, "binh", now).expect("kept");
    let alone = rig.engine.describe_accounts(&[unseen("sw-1/guest")], (Some("x"), None), "boss", now);
    assert!(
        matches!(alone, Err(CommandError::Explained(RefusalKind::Conflict, _))),
        "it is vouched for a moment ago: {alone:?}"
    );
    rig.engine.add_account_evidence((&switch, "guest"), ("a.pdf", b"%PDF-1".to_vec()), "binh", now).expect("kept");
    rig.command(Command::AwaitCommit).expect("kept");
    let kept = |rig: &Rig, device: &str| {
        let device = DeviceId::new(device).expect("valid");
        rig.reader.accounts_on(Some(&device), now).expect("reads").remove(0)
    };
    let an = kept(&rig, "srv-1");
    assert_eq!((an.holder.as_str(), an.note.as_str()), ("Nguyễn An", "ca 1"));
    assert_eq!(kept(&rig, "sw-1").evidence.len(), 1);
    let details = rig.audit("accounts.described");
    assert!(details[1].contains("holder: \"Nguyễn An\" -> \"Nguyễn An\""), "{details:?}");
}

#[test]
fn a_review_is_opened_in_pieces_and_is_there_once_it_is_whole() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = rig(dir.path(), &machine);
    let count = review::PIECE * 2;
    for n in 0..count {
        let (device, name) = (format!("z-{n:04}"), format!("Máy {n:04}"));
        let info = NewDevice { device, kind: "server".into(), name, ..NewDevice::default() };
        rig.command(Command::Register { info, actor: "boss".into() }).expect("registered");
    }
    let body = |names: &[&str]| {
        let account = |name: &&str| Account { name: (*name).into(), ..Account::default() };
        let accounts = Accounts { accounts: names.iter().map(account).collect(), ..Accounts::default() };
        serde_json::to_string(&accounts).expect("writes")
    };
    let now = rig.now();
    let told = |n: usize| {
        let device = DeviceId::new(&format!("z-{n:04}")).expect("valid");
        Change::Document { device, name: "accounts".into(), at: now, body: body(&["binh", "an"]) }
    };
    rig.engine.batch.changes.extend((0..count).map(told));
    rig.command(Command::AwaitCommit).expect("kept");
    let (sender, mut receiver) = tokio::sync::oneshot::channel();
    let open = || Box::new(Command::OpenAccountReview { actor: "boss".into() });
    let message = super::super::EngineMessage::Command(open(), sender);
    rig.engine.run_once(&mut vec![message]);
    let refused = rig.command(Command::WriteAccountReview {
        review: 1,
        lines: Vec::new(),
        was: Default::default(),
        actor: "boss".into(),
    });
    assert!(
        matches!(refused, Err(CommandError::Explained(RefusalKind::NotFound, _))),
        "it is not open yet: {refused:?}"
    );
    let refused = rig.command(*open());
    assert!(matches!(refused, Err(CommandError::Explained(RefusalKind::Conflict, _))), "one at a time: {refused:?}");
    assert!(receiver.try_recv().is_err() && rig.reader.account_reviews(None, 1).expect("reads").is_empty());
    // What is broken off leaves nothing that anybody sees, and the next opening writes over it.
    drop(rig);
    let mut rig = Rig::open(dir.path(), &machine);
    assert!(!rig.engine.has_more() && rig.reader.account_review_lines(1, 0, 9).expect("reads").is_empty());
    let mut cycles = 0;
    let (sender, mut receiver) = tokio::sync::oneshot::channel();
    rig.engine.run_once(&mut vec![super::super::EngineMessage::Command(open(), sender)]);
    while rig.engine.has_more() {
        rig.engine.run_once(&mut Vec::new());
        cycles += 1;
    }
    assert!(matches!(receiver.try_recv().expect("answered"), Ok(Answer::AccountReview(1))));
    assert!(cycles >= 3, "no commit waits for all of it: {cycles}");
    let lines = rig.reader.account_review_lines(1, 0, 9999).expect("reads");
    assert_eq!(lines.len(), 2 + 2 * count, "this collector's own, and two of each machine");
    let keys: Vec<String> = lines.iter().map(|line| line.account.key()).collect();
    assert_eq!(keys[..4], ["/boss", "/sep", "z-0000/an", "z-0000/binh"], "by device and name");
    // What is said of a line is read and kept alone.
    let last = u32::try_from(lines.len()).expect("few");
    let said = vec![(last, AccountVerdict::Lock, "nghỉ".to_owned())];
    rig.command(Command::WriteAccountReview { review: 1, lines: said, was: Default::default(), actor: "boss".into() })
        .expect("kept");
    let kept = rig.reader.account_review_lines(1, last - 1, 9).expect("reads");
    assert_eq!((kept.len(), kept[0].reason.as_str()), (1, "nghỉ"));
}

#[test]
fn a_table_of_holders_is_written_whole_or_not_at_all_and_undone_as_one() {
    use crate::inventory::account_table::read;

    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = rig(dir.path(), &machine);
    let count = PIECE + 20;
    let now = rig.now();
    let name = |n: usize| format!("u{n:03}");
    let account = |n: usize| Account { name: name(n), ..Account::default() };
    let survey = Accounts { accounts: (0..count).map(account).collect(), ..Accounts::default() };
    let device = DeviceId::new("srv-1").expect("valid");
    let body = serde_json::to_string(&survey).expect("writes");
    rig.engine.batch.changes.push(Change::Document { device, name: "accounts".into(), at: now, body });
    rig.command(Command::AwaitCommit).expect("kept");
    attest(&mut rig, "sw-1", vouched("admin", now.plus_millis(DAY_MS))).expect("kept");
    let import = |rig: &mut Rig, table: &str| {
        rig.command(Command::ImportAccounts { rows: read(table).expect("reads"), actor: "boss".into() })
    };
    let held = |rig: &Rig, by: &str| rows(rig).into_iter().filter(|(_, holder, _)| holder == by).count();
    // One row that cannot be written down, and nothing is.
    let wrong = import(&mut rig, "key,holder\nsrv-1/u001,An\nsrv-1/nobody,An\n").expect_err("no such account");
    assert!(wrong.to_string().contains("srv-1/nobody") && held(&rig, "An") == 0, "{wrong}");
    assert!(import(&mut rig, "key,holder\nsw-1/admin,An\n").is_err(), "it is vouched for anew");
    assert!(rig.reader.table_imports(ImportRegister::Accounts, None, 9).expect("reads").is_empty());
    let lines = (0..count).map(|n| format!("srv-1,{},An\n", name(n)));
    let table: String = std::iter::once("device,name,holder\n".to_owned()).chain(lines).collect();
    let limit = AccountQuery { collector: true, limit: 999, now, ..AccountQuery::default() };
    let of_all = |rig: &Rig, by: &str| {
        let page = rig.reader.registered_accounts(&limit).expect("reads");
        page.rows.into_iter().filter(|(account, _)| account.holder == by).count()
    };
    assert!(matches!(import(&mut rig, &table), Ok(Answer::Imported(written)) if written == count));
    assert_eq!((of_all(&rig, "An"), rig.audit("accounts.described").len()), (count, count));
    assert!(matches!(import(&mut rig, &table), Ok(Answer::Imported(0))), "it is so already");
    // What somebody wrote since stays as they wrote it.
    let accounts = vec![unseen("srv-1/u007")];
    let described =
        Command::DescribeAccounts { accounts, holder: Some("Bình".into()), note: None, actor: "lan".into() };
    rig.command(described).expect("kept");
    let undo = |rig: &mut Rig, register| rig.command(Command::UndoImport { register, number: 1, actor: "lan".into() });
    assert!(undo(&mut rig, ImportRegister::Assets).is_err(), "of another register");
    assert!(matches!(undo(&mut rig, ImportRegister::Accounts), Ok(Answer::Imported(back)) if back == count - 1));
    assert_eq!((of_all(&rig, "An"), of_all(&rig, "Bình")), (0, 1));
    assert!(undo(&mut rig, ImportRegister::Accounts).is_err(), "once");
    let kept = rig.reader.table_imports(ImportRegister::Accounts, None, 9).expect("reads");
    assert_eq!((kept.len(), kept[0].count, kept[0].left), (1, count as u64, 0));
    assert_eq!((rig.audit("accounts.imported").len(), rig.audit("accounts.import_undone").len()), (1, 1));
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
    let seen = |rig: &Rig| review_digest(&rig.reader.account_review_lines(1, 0, 99).expect("reads"));
    let sign = |rig: &mut Rig, actor: &Actor, seen: String| {
        let (content, source, actor) = (b"PK".to_vec(), "{}".to_owned(), actor.clone());
        rig.command(Command::SignAccountReview { review: 1, seen, content, source, actor })
    };
    let leader = session(&mut rig, "sep", true);
    let count = u32::try_from(rig.reader.account_review_lines(1, 0, 99).expect("reads").len()).expect("few");
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
    let lines = rig.reader.account_review_lines(1, 0, 99).expect("reads");
    let count = u32::try_from(lines.len()).expect("few");
    let said = (1..=count).map(|line| (line, AccountVerdict::Lock, "nghỉ".to_owned())).collect();
    let was = BTreeMap::new();
    rig.command(Command::WriteAccountReview { review: 1, lines: said, was, actor: "boss".into() }).expect("kept");
    let actor = session(&mut rig, "sep", true);
    let seen = review_digest(&rig.reader.account_review_lines(1, 0, 99).expect("reads"));
    let (content, source) = (b"PK".to_vec(), "{}".to_owned());
    rig.command(Command::SignAccountReview { review: 1, seen, content, source, actor }).expect("signed");
    assert!(!rig.engine.state.has_self_fault(REVIEW_DUE), "it is signed: nothing is due");
}
