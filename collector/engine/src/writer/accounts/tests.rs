use super::guesses::{GUESSES_MAX, HOUR_MS};
use super::lock_out::{FAILURES_LOGGED_MAX, FAILURES_LOGGED_WITHIN_MS, ORIGINS_MAX, STRANGERS_MS, WRONG_CODES_MAX};
use super::*;
use crate::refusal_reason::{RefusalKind, RefusalReason};

mod authorization;
mod session;

const WALL: i64 = 1_800_000_000_000;

fn at(boot_ms: u64) -> DecisionTime {
    {
        let now = Timestamp::from_millis(WALL + i64::try_from(boot_ms).unwrap_or(0));
        DecisionTime { now, boot_ms, wall: now }
    }
}

fn from(network: &str) -> Origin {
    Origin { peer: network.to_owned(), network: network.to_owned(), browser: None }
}

/// Accounts with these names; each one's hash is its name.
fn accounts(all: &[(&str, Role)]) -> AccountRegistry {
    let known = all.iter().map(|(name, role)| {
        let account = account::with_hash(name, *role, (*name).to_owned(), Timestamp::from_millis(WALL));
        ((*name).to_owned(), account)
    });
    AccountRegistry { known: known.collect(), ..AccountRegistry::default() }
}

fn machine() -> Actor {
    Actor::Machine("local:0".to_owned())
}

/// Whoever has this session of theirs.
fn owner(name: &str, digest: &str) -> Actor {
    Actor::Session { account: name.to_owned(), digest: digest.to_owned() }
}

fn attempt(all: &mut AccountRegistry, name: &str, network: &str, boot_ms: u64) -> CommandResult {
    let intent = Intent::Attempt { name: name.to_owned(), code: String::new(), from: from(network) };
    all.decide(intent, &IntentSessions::default(), at(boot_ms), &mut Vec::new())
}

fn proved(all: &mut AccountRegistry, name: &str, hash: &str, code: &str) -> (CommandResult, Changes) {
    let mut changes = Vec::new();
    let (name, hash, code) = (name.to_owned(), hash.to_owned(), code.to_owned());
    let carried = all.decide(
        Intent::Proved { name, hash, code, from: from("10.0.0.1") },
        &IntentSessions::default(),
        at(0),
        &mut changes,
    );
    (carried, changes)
}

fn alter(name: &str, role: Option<Role>, disabled: Option<bool>) -> Intent {
    Intent::Alter { name: name.to_owned(), full_name: None, role, places: None, disabled, actor: machine() }
}

#[test]
fn an_attempt_is_counted_before_anything_is_looked_at() {
    let mut all = accounts(&[("admin", Role::Administrator)]);
    for name in ["admin", "nobody"] {
        let taken = (0..50).filter(|_| attempt(&mut all, name, "10.0.0.9", 0).is_ok()).count();
        assert_eq!(taken, 5, "{name}: those beyond are not even hashed");
        let refused = attempt(&mut all, name, "10.0.0.9", 30_000).expect_err("locked");
        assert_eq!(refused, CommandError::TooMany { wait_s: 30 }, "{name}: the same for every name");
        assert!(attempt(&mut all, name, "10.0.0.1", 0).is_ok(), "{name}: others are not locked out");
        assert!(attempt(&mut all, name, "10.0.0.9", 60_000).is_ok(), "{name}: it passes");
        let longer = attempt(&mut all, name, "10.0.0.9", 60_000).expect_err("locked again");
        assert_eq!(longer, CommandError::TooMany { wait_s: 120 }, "{name}");
    }
}

#[test]
fn a_known_browser_and_a_right_code_are_spared_and_many_strangers_are_slowed() {
    let mut all = accounts(&[("admin", Role::Administrator)]);
    let round = |all: &mut AccountRegistry, boot_ms| {
        let from = (0..1000).map(|n| format!("10.1.{}.{}", n / 250, n % 250));
        from.filter(|from| attempt(all, "admin", from, boot_ms).is_ok()).count()
    };
    assert_eq!(round(&mut all, 0), 1000, "whoever has not tried yet has one attempt, whatever others do");
    assert_eq!(round(&mut all, 0), 0);
    assert_eq!(round(&mut all, STRANGERS_MS), 1, "slowed, not shut");
    assert!(attempt(&mut all, "admin", "10.2.0.1", 0).is_ok());
    let known = Origin { browser: Some("abc".to_owned()), ..from("10.1.0.1") };
    let attempts = |all: &mut AccountRegistry| {
        let intent = Intent::Attempt { name: "admin".to_owned(), code: String::new(), from: known.clone() };
        all.decide(intent, &IntentSessions::default(), at(0), &mut Vec::new())
    };
    assert_eq!((0..20).filter(|_| attempts(&mut all).is_ok()).count(), 5, "it has attempts of its own, and no more");
    // Whoever has the second factor comes through.
    let start = Intent::StartSecond { actor: owner("admin", "s") };
    let Ok(Answer::Second(_)) =
        all.decide(start, &IntentSessions::of_owner("admin", "s", at(0)), at(0), &mut Vec::new())
    else {
        panic!("started")
    };
    let second = all.known.get_mut("admin").and_then(|account| account.second_factor.as_mut()).expect("there");
    second.confirmed = true;
    let codes = second.renew_recovery().expect("random");
    let intent = Intent::Attempt { name: "admin".to_owned(), code: codes[0].clone(), from: from("10.1.0.1") };
    assert!(all.decide(intent, &IntentSessions::default(), at(0), &mut Vec::new()).is_ok());
    // Made-up names and addresses cannot fill the memory, nor make it forget who is locked.
    for n in 0..2 * ORIGINS_MAX {
        let _ = attempt(&mut all, &format!("name{n}"), "10.3.0.1", 10);
    }
    let (attempts, strangers) = all.lock_out.remembered();
    assert!(attempts <= ORIGINS_MAX && strangers <= ORIGINS_MAX);
}

#[test]
fn one_code_opens_one_session() {
    let mut all = accounts(&[("lan", Role::Leader)]);
    let mut second = SecondFactor::new().expect("random");
    second.confirmed = true;
    let codes = second.renew_recovery().expect("random");
    all.known.get_mut("lan").expect("there").second_factor = Some(second);
    assert!(matches!(proved(&mut all, "lan", "lan", "").0, Ok(Answer::NeedsCode)));
    let opened =
        (0..6).filter(|_| matches!(proved(&mut all, "lan", "lan", &codes[3]).0, Ok(Answer::Secret(_)))).count();
    assert_eq!(opened, 1);
    assert_eq!(all.known["lan"].failures, 5);
}

#[test]
fn whoever_was_on_the_way_in_does_not_come_in_by_what_was() {
    // Hashing takes a while: what was decided meanwhile counts.
    for meanwhile in ["disable", "reset", "password"] {
        let mut all = accounts(&[("admin", Role::Administrator), ("lan", Role::Technician)]);
        let (name, hash) = ("lan".to_owned(), "new".to_owned());
        let intent = match meanwhile {
            "disable" => alter("lan", None, Some(true)),
            "reset" => Intent::Reset { name, hash, actor: machine() },
            _ => Intent::ChoosePassword { actor: owner("lan", "s"), present: "lan".to_owned(), hash },
        };
        all.decide(intent, &IntentSessions::of_owner("lan", "s", at(0)), at(0), &mut Vec::new()).expect("done");
        let (carried, changes) = proved(&mut all, "lan", "lan", "");
        assert_eq!(carried.expect_err("refused"), RefusalReason::sign_in_wrong().forbidden(), "{meanwhile}");
        assert!(!changes.iter().any(|change| matches!(change, Change::Session(_))), "{meanwhile}");
    }
}

#[test]
fn a_failed_attempt_changes_nothing_but_the_count() {
    let mut all = accounts(&[("admin", Role::Administrator), ("lan", Role::Administrator)]);
    // It begins before an administrator decides, and ends after it.
    attempt(&mut all, "lan", "10.0.0.1", 0).expect("may try");
    all.decide(alter("lan", Some(Role::Viewer), Some(true)), &IntentSessions::default(), at(0), &mut Vec::new())
        .expect("done");
    let mut changes = Vec::new();
    all.decide(
        Intent::Wrong { name: "lan".to_owned(), from: from("10.0.0.1") },
        &IntentSessions::default(),
        at(0),
        &mut changes,
    )
    .expect("counted");
    let kept = changes.iter().rev().find_map(|change| match change {
        Change::Account(account) => Some(account.clone()),
        _ => None,
    });
    let kept = kept.expect("kept");
    assert!(kept.disabled && kept.role == Role::Viewer && kept.failures == 1);
}

#[test]
fn what_nobody_means_to_change_stays_and_what_was_changed_meanwhile_is_not_undone() {
    let mut all = accounts(&[("admin", Role::Administrator), ("lan", Role::Technician)]);
    let lan = |all: &AccountRegistry| all.known["lan"].clone();
    let altered = |all: &mut AccountRegistry, change: fn(&mut AccountChange)| {
        let mut to = AccountChange { full_name: None, role: None, places: None, disabled: None };
        change(&mut to);
        let AccountChange { full_name, role, places, disabled } = to;
        let (name, actor) = ("lan".to_owned(), machine());
        let mut changes = Vec::new();
        let intent = Intent::Alter { name, full_name, role, places, disabled, actor };
        all.decide(intent, &IntentSessions::default(), at(0), &mut changes).expect("done");
        changes.iter().any(|change| matches!(change, Change::SessionsEnded { account, .. } if account == "lan"))
    };
    // Each of these is of another administrator, who had seen none of the others.
    assert!(!altered(&mut all, |to| to.full_name = Some("Lan".to_owned())), "a name ends no session");
    assert!(altered(&mut all, |to| to.places = Some(vec!["Tầng 2".to_owned()])), "another reach ends what was open");
    assert!(altered(&mut all, |to| to.role = Some(Role::Viewer)), "and so does another role");
    assert!(altered(&mut all, |to| to.disabled = Some(true)), "and the end of the account");
    assert!(altered(&mut all, |to| to.full_name = Some("Lan Anh".to_owned())), "it is still at its end");
    let kept = lan(&all);
    assert_eq!((kept.full_name.as_str(), kept.role, kept.disabled), ("Lan Anh", Role::Viewer, true));
    assert_eq!((kept.places, kept.password.as_str()), (vec!["Tầng 2".to_owned()], "lan"));
    // Whoever chose a password for the account as it was does not choose it for the account as it is.
    let choose = |all: &mut AccountRegistry| {
        let (present, hash) = ("lan".to_owned(), "chosen".to_owned());
        let intent = Intent::ChoosePassword { actor: owner("lan", "s"), present, hash };
        all.decide(intent, &IntentSessions::of_owner("lan", "s", at(0)), at(0), &mut Vec::new())
    };
    assert!(choose(&mut all).is_err(), "it was disabled meanwhile");
    altered(&mut all, |to| to.disabled = Some(false));
    let reset = Intent::Reset { name: "lan".to_owned(), hash: "reset".to_owned(), actor: machine() };
    all.decide(reset, &IntentSessions::default(), at(0), &mut Vec::new()).expect("done");
    assert!(
        matches!(choose(&mut all), Err(CommandError::Explained(RefusalKind::Conflict, _))),
        "it was given another one meanwhile"
    );
    assert_eq!((lan(&all).password.as_str(), lan(&all).must_change), ("reset", true));
}

#[test]
fn there_is_always_an_administrator() {
    let mut all = accounts(&[("admin", Role::Administrator), ("lan", Role::Administrator)]);
    let demoted = ["lan", "admin"].map(|name| {
        let intent = Intent::Alter {
            name: name.to_owned(),
            full_name: None,
            role: Some(Role::Viewer),
            places: None,
            disabled: None,
            actor: machine(),
        };
        all.decide(intent, &IntentSessions::default(), at(0), &mut Vec::new()).is_ok()
    });
    assert_eq!(demoted, [true, false], "two in one commit leave one");
    assert!(all.decide(alter("admin", None, Some(true)), &IntentSessions::default(), at(0), &mut Vec::new()).is_err());
    let created = |all: &mut AccountRegistry| {
        let intent = Intent::Create {
            name: "nam".to_owned(),
            full_name: String::new(),
            role: Role::Viewer,
            places: Vec::new(),
            hash: "h".to_owned(),
            actor: machine(),
        };
        all.decide(intent, &IntentSessions::default(), at(0), &mut Vec::new()).is_ok()
    };
    assert!(created(&mut all) && !created(&mut all), "no account is made twice");
}

#[test]
fn wrong_passwords_by_the_hundred_are_a_few_records_and_none_is_uncounted() {
    let mut all = accounts(&[("admin", Role::Administrator)]);
    let wrong = |all: &mut AccountRegistry, times: u32, boot_ms| {
        let mut changes = Vec::new();
        for _ in 0..times {
            let intent = Intent::Wrong { name: "admin".to_owned(), from: from("10.0.0.9") };
            all.decide(intent, &IntentSessions::default(), at(boot_ms), &mut changes).expect("counted");
        }
        let records = changes.into_iter().filter_map(|change| match change {
            Change::Audit(entry) => Some(entry.detail),
            _ => None,
        });
        records.collect::<Vec<_>>()
    };
    assert_eq!(wrong(&mut all, 500, FAILURES_LOGGED_WITHIN_MS).len(), FAILURES_LOGGED_MAX as usize);
    assert_eq!(all.known["admin"].failures, 500);
    let next = wrong(&mut all, 1, 2 * FAILURES_LOGGED_WITHIN_MS);
    assert_eq!(next, ["from 10.0.0.9, after 490 more that are not written down one by one"]);
}

#[test]
fn guessed_codes_are_counted_even_while_locked_and_then_spare_nobody() {
    let mut all = accounts(&[("lan", Role::Administrator)]);
    let mut second = SecondFactor::new().expect("random");
    second.confirmed = true;
    let codes = second.renew_recovery().expect("random");
    all.known.get_mut("lan").expect("there").second_factor = Some(second);
    let attempts = |all: &mut AccountRegistry, code: &str, changes: &mut Changes| {
        let intent = Intent::Attempt { name: "lan".to_owned(), code: code.to_owned(), from: from("10.0.0.9") };
        all.decide(intent, &IntentSessions::default(), at(0), changes)
    };
    let mut changes = Vec::new();
    for n in 0..WRONG_CODES_MAX - 1 {
        let _ = attempts(&mut all, &format!("{n:06}"), &mut changes);
    }
    assert!(attempts(&mut all, &codes[0], &mut changes).is_ok(), "its owner comes through until then");
    let _ = attempts(&mut all, "999999", &mut changes);
    assert!(attempts(&mut all, &codes[0], &mut changes).is_err(), "the lock holds for right codes, too");
    assert!(
        changes.iter().any(|change| matches!(change, Change::Audit(entry) if entry.action == "account.codes_guessed"))
    );
}

#[test]
fn whoever_knows_the_password_guesses_a_bounded_number_of_codes_from_however_many_networks() {
    let mut all = accounts(&[("lan", Role::Administrator)]);
    let mut second = SecondFactor::new().expect("random");
    second.confirmed = true;
    let codes = second.renew_recovery().expect("random");
    all.known.get_mut("lan").expect("there").second_factor = Some(second);
    let mut changes = Vec::new();
    let mut enter = |all: &mut AccountRegistry, hash: Option<&str>, code: &str, from: Origin, boot_ms| {
        let (name, code) = ("lan".to_owned(), code.to_owned());
        let attempt = Intent::Attempt { name: name.clone(), code: code.clone(), from: from.clone() };
        all.decide(attempt, &IntentSessions::default(), at(boot_ms), &mut changes)?;
        let then = match hash {
            Some(hash) => Intent::Proved { name, hash: hash.to_owned(), code, from },
            None => Intent::Wrong { name, from },
        };
        all.decide(then, &IntentSessions::default(), at(boot_ms), &mut changes)
    };
    let network = |n: usize| from(&format!("2001:db8:{n:x}::/64"));
    for n in 1000..1500 {
        let _ = enter(&mut all, None, "wrong", network(n), 0);
    }
    assert_eq!(all.lock_out.guesses().locked_for_ms("lan", 0), 0, "without the password it is not brought about");
    let looks = |result: &CommandResult| matches!(result, Err(CommandError::Explained(RefusalKind::Forbidden, why)) if **why == RefusalReason::sign_in_wrong());
    let looked = (0..500).filter(|n| looks(&enter(&mut all, Some("lan"), "wrong", network(*n), 0))).count();
    assert_eq!(looked, GUESSES_MAX as usize);
    assert!(
        matches!(enter(&mut all, Some("lan"), &codes[0], network(600), 0), Err(CommandError::TooMany { wait_s: 60 })),
        "nor is a right one taken from a stranger"
    );
    let known = Origin { browser: Some("abc".to_owned()), ..network(0) };
    assert!(matches!(enter(&mut all, Some("lan"), &codes[0], known, 0), Ok(Answer::Secret(_))), "its owner comes in");
    assert!(looks(&enter(&mut all, Some("lan"), "wrong", network(601), 60_000)), "it passes");
    let longer = enter(&mut all, Some("lan"), "wrong", network(602), 60_000).expect_err("locked again");
    assert_eq!(longer, CommandError::TooMany { wait_s: 120 });
    let much_later = 60_000 + 2 * HOUR_MS;
    assert!(matches!(enter(&mut all, Some("lan"), &codes[1], network(603), much_later), Ok(Answer::Secret(_))));
    let said =
        |action| changes.iter().filter(|one| matches!(one, Change::Audit(entry) if entry.action == action)).count();
    assert_eq!(said("account.password_known"), 1);
}

#[test]
fn a_session_of_the_identity_provider_is_as_fresh_as_its_proof_and_never_of_tomorrow() {
    let mut all = accounts(&[("boss", Role::Administrator)]);
    let now = at(0).now;
    let (old, ahead) = (now.plus_millis(-86_400_000), now.plus_millis(30_000));
    for (proved_at, confirmed_at) in [(None, Timestamp::MIN), (Some(old), old), (Some(now), now), (Some(ahead), now)] {
        let mut changes = Vec::new();
        let intent =
            Intent::Federated { name: "boss".to_owned(), proved_at, second_factor: false, peer: "10.0.0.1".to_owned() };
        assert!(
            matches!(all.decide(intent, &IntentSessions::default(), at(0), &mut changes), Ok(Answer::Secret(_))),
            "they come in all the same"
        );
        let session = changes.iter().find_map(|change| match change {
            Change::Session(session) => Some(session),
            _ => None,
        });
        let session = session.expect("a session");
        assert!(session.federated);
        assert_eq!((session.confirmed_at, session.created_at), (confirmed_at, now), "{proved_at:?}");
    }
}

#[test]
fn after_a_step_of_the_clock_a_lock_lasts_as_long_and_a_code_that_was_taken_stays_taken() {
    let mut all = accounts(&[("lan", Role::Viewer)]);
    let steps = WALL / 30_000;
    let taken = |account: &AccountRecord| {
        let second = serde_json::to_value(account.second_factor.as_ref().expect("one")).expect("writes");
        second["last_step"].as_i64().expect("a number")
    };
    let mut second = serde_json::to_value(SecondFactor::new().expect("random")).expect("writes");
    second["last_step"] = steps.into();
    let lan = all.known.get_mut("lan").expect("there");
    lan.second_factor = serde_json::from_value(second).expect("reads");
    lan.locked_until = Some(Timestamp::from_millis(WALL + 60_000));
    for (by_ms, moved_steps) in [(-86_400_000, -2880), (3_600_000, 120)] {
        let before = all.known["lan"].clone();
        all.shift(by_ms);
        let lan = &all.known["lan"];
        assert_eq!(lan.locked_until, before.locked_until.map(|until| until.plus_millis(by_ms)), "{by_ms}");
        assert_eq!(taken(lan), taken(&before) + moved_steps, "{by_ms}");
    }
}
