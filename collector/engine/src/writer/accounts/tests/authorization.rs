//! Who may change accounts.

use super::super::super::pending;
use super::*;
use crate::account::FRESH_MS;
use crate::command::MissingProof;
use crate::refusal_reason::RefusalKind;
use ioc_store::SessionRecord;

impl IntentSessions {
    /// One that its owner opened at this moment, by the password alone.
    pub(super) fn of_owner(name: &str, digest: &str, at: DecisionTime) -> Self {
        Self::asking(session(name, digest, at))
    }
}

fn session(name: &str, digest: &str, at: DecisionTime) -> SessionRecord {
    let (_, session) = account::new_session(name, "::1", None, false, at.now).expect("random");
    SessionRecord { digest: digest.to_owned(), ..session }
}

/// An administrator with a second factor and codes to recover with, one without, and a technician with one.
fn people() -> (AccountRegistry, Vec<String>) {
    let mut all = accounts(&[
        ("boss", Role::Administrator),
        ("bare", Role::Administrator),
        ("tech", Role::Technician),
        ("lan", Role::Viewer),
    ]);
    let mut codes = Vec::new();
    for name in ["boss", "tech"] {
        let mut second = SecondFactor::new().expect("random");
        second.confirmed = true;
        codes = second.renew_recovery().expect("random");
        all.known.get_mut(name).expect("there").second_factor = Some(second);
    }
    (all, codes)
}

/// Every change of accounts, asked for by this actor: those of others, and those of one's own.
fn changes_of(actor: &Actor) -> [Vec<Intent>; 2] {
    let (actor, lan, hash) = (|| actor.clone(), || "lan".to_owned(), || "new".to_owned());
    let create = Intent::Create {
        name: "mine".to_owned(),
        full_name: String::new(),
        role: Role::Administrator,
        places: Vec::new(),
        hash: hash(),
        actor: actor(),
    };
    let alter = |role, disabled, full_name: Option<&str>, places| Intent::Alter {
        name: lan(),
        full_name: full_name.map(str::to_owned),
        role,
        places,
        disabled,
        actor: actor(),
    };
    let others = vec![
        create,
        alter(Some(Role::Administrator), None, None, None),
        alter(None, Some(true), None, None),
        alter(None, Some(false), None, None),
        alter(None, None, Some("Lan"), None),
        alter(None, None, None, Some(vec!["Tầng 2".to_owned()])),
        Intent::Reset { name: lan(), hash: hash(), actor: actor() },
        Intent::RemoveSecond { name: lan(), actor: actor() },
    ];
    let (label, peer) = ("robot".to_owned(), "::1".to_owned());
    let own = vec![
        Intent::NewToken { actor: actor(), label, role: Role::Viewer, life_ms: 1000, peer },
        Intent::EndSession { actor: actor(), digest: "robot".to_owned(), action: AuditLogAction::AccountSessionEnded },
    ];
    [others, own]
}

/// What becomes of each change when this session asks for it.
fn asked(session: &SessionRecord, at: DecisionTime) -> Vec<Result<(), CommandError>> {
    let actor = owner(&session.account, &session.digest);
    let robot = SessionRecord { digest: "robot".to_owned(), label: "robot".to_owned(), ..session.clone() };
    let all = changes_of(&actor).into_iter().flatten();
    let done = all.map(|intent| {
        let sessions = IntentSessions::of_both(Some(session.clone()), Some(robot.clone()));
        people().0.decide(intent, &sessions, at, &mut Vec::new()).map(|_| ())
    });
    done.collect()
}

#[test]
fn accounts_are_changed_only_by_who_showed_a_second_factor_lately() {
    let missing_proof = |why: MissingProof| vec![Err(CommandError::MissingProof(why)); 10];
    // By the password alone: whoever has a second factor is to show it, whoever has none is to set it up.
    assert_eq!(asked(&session("boss", "s", at(0)), at(0)), missing_proof(MissingProof::Stale));
    assert_eq!(asked(&session("bare", "s", at(0)), at(0)), missing_proof(MissingProof::NoSecondFactor));
    let shown = |name: &str| SessionRecord { second_factor: true, ..session(name, "s", at(0)) };
    // One that was taken away meanwhile counts no more.
    assert_eq!(asked(&shown("bare"), at(0)), missing_proof(MissingProof::NoSecondFactor));
    assert_eq!(asked(&shown("boss"), at(0)), vec![Ok(()); 10]);
    let last = u64::try_from(FRESH_MS).expect("positive");
    assert_eq!(asked(&shown("boss"), at(last - 1)), vec![Ok(()); 10]);
    assert_eq!(asked(&shown("boss"), at(last)), missing_proof(MissingProof::Stale));
    let ahead = SessionRecord { confirmed_at: at(1).now, ..shown("boss") };
    assert_eq!(asked(&ahead, at(0)), missing_proof(MissingProof::Stale), "a proof of tomorrow is none");
    // Others come no further than their own tokens.
    let by_tech = asked(&shown("tech"), at(0));
    assert!(
        by_tech[..8].iter().all(|one| matches!(one, Err(CommandError::Explained(RefusalKind::Forbidden, _)))),
        "{by_tech:?}"
    );
    assert_eq!(by_tech[8..], [Ok(()), Ok(())]);
}

#[test]
fn the_identity_provider_has_to_say_that_it_asked_for_a_second_factor() {
    let came = |second_factor| {
        let (_, made) = account::new_session("bare", "::1", Some(at(0).now), second_factor, at(0).now).expect("random");
        SessionRecord { digest: "s".to_owned(), ..made }
    };
    assert_eq!(asked(&came(false), at(0)), vec![Err(CommandError::MissingProof(MissingProof::SilentProvider)); 10]);
    assert_eq!(asked(&came(true), at(0)), vec![Ok(()); 10], "its own one is not ours to ask for");
    let later = at(u64::try_from(FRESH_MS).expect("positive"));
    assert_eq!(asked(&came(true), later), vec![Err(CommandError::MissingProof(MissingProof::Stale)); 10]);
}

#[test]
fn a_token_an_ended_session_and_one_of_another_change_nothing() {
    let forbidden = |session: SessionRecord| {
        let refused = asked(&session, at(0));
        assert!(
            refused.iter().all(|one| matches!(one, Err(CommandError::Explained(RefusalKind::Forbidden, _)))),
            "{refused:?}"
        );
    };
    let shown = SessionRecord { second_factor: true, ..session("boss", "s", at(0)) };
    forbidden(SessionRecord { label: "robot".to_owned(), ..shown.clone() });
    forbidden(SessionRecord { expires_at: at(0).now, ..shown.clone() });
    let of_another = |asking: Option<SessionRecord>| {
        let intent = Intent::Reset { name: "lan".to_owned(), hash: "new".to_owned(), actor: owner("boss", "s") };
        people().0.decide(intent, &IntentSessions::of_both(asking, None), at(0), &mut Vec::new())
    };
    assert!(of_another(Some(shown.clone())).is_ok());
    for asking in [None, Some(SessionRecord { account: "bare".to_owned(), ..shown.clone() })] {
        assert!(matches!(of_another(asking), Err(CommandError::Explained(RefusalKind::Forbidden, _))));
    }
    // Whose right was taken away in the same breath.
    let (mut all, _) = people();
    all.decide(alter("boss", Some(Role::Viewer), None), &IntentSessions::default(), at(0), &mut Vec::new())
        .expect("done");
    let intent = Intent::Reset { name: "lan".to_owned(), hash: "new".to_owned(), actor: owner("boss", "s") };
    let sessions = IntentSessions::of_both(Some(shown.clone()), None);
    assert!(matches!(
        all.decide(intent, &sessions, at(0), &mut Vec::new()),
        Err(CommandError::Explained(RefusalKind::Forbidden, _))
    ));
    // Nobody ends what is not theirs.
    let intent = Intent::EndSession {
        actor: owner("boss", "s"),
        digest: "t".to_owned(),
        action: AuditLogAction::AccountSessionEnded,
    };
    let sessions = IntentSessions::of_both(Some(shown), Some(session("lan", "t", at(0))));
    assert!(matches!(
        people().0.decide(intent, &sessions, at(0), &mut Vec::new()),
        Err(CommandError::Explained(RefusalKind::NotFound, _))
    ));
}

#[test]
fn ones_own_second_factor_is_set_up_by_a_fresh_password_and_changed_by_itself() {
    let later = at(u64::try_from(FRESH_MS).expect("positive"));
    let of = |name: &str, kind: &str, code: &str| {
        let (actor, code, from) = (owner(name, "s"), code.to_owned(), from("::1"));
        match kind {
            "start" => Intent::StartSecond { actor },
            "confirm" => Intent::ConfirmSecond { actor, again: false, code, from },
            "recovery" => Intent::ConfirmSecond { actor, again: true, code, from },
            "off" => Intent::EndSecond { actor, code, from },
            _ => Intent::ChoosePassword { actor, present: name.to_owned(), hash: "new".to_owned() },
        }
    };
    let tries = |name: &str, kind: &str, second_factor, when| {
        let (mut all, codes) = people();
        let asking = SessionRecord { second_factor, ..session(name, "s", at(0)) };
        let code = if name == "tech" { codes[0].as_str() } else { "" };
        let mut changes = Vec::new();
        let sessions = IntentSessions::of_both(Some(asking), None);
        (all.decide(of(name, kind, code), &sessions, when, &mut changes).map(|_| ()), changes)
    };
    let stale = || Err(CommandError::MissingProof(MissingProof::Stale));
    assert_eq!(tries("bare", "start", false, at(0)).0, Ok(()));
    assert_eq!(tries("bare", "start", false, later).0, stale());
    assert_eq!(tries("bare", "confirm", false, later).0, stale(), "what was begun is not another's to finish");
    assert_eq!(tries("bare", "password", false, later).0, Ok(()), "the present one is shown beside it");
    for kind in ["start", "confirm", "recovery", "off", "password"] {
        assert_eq!(tries("tech", kind, false, at(0)).0, stale(), "{kind}: by the password alone");
        assert_eq!(tries("tech", kind, true, later).0, stale(), "{kind}: long ago");
        let (done, changes) = tries("tech", kind, true, at(0));
        assert_eq!(done.is_ok(), kind != "start", "{kind}: {done:?}");
        let forgotten =
            changes.iter().any(|one| matches!(one, Change::SecondFactorEnded { account } if account == "tech"));
        assert_eq!(forgotten, kind == "off", "{kind}");
    }
}

#[test]
fn a_sign_in_and_a_confirmation_remember_whether_a_code_was_shown() {
    let (mut all, codes) = people();
    let made = |changes: &Changes| {
        changes.iter().find_map(|change| match change {
            Change::Session(made) => Some(made.second_factor),
            Change::SessionConfirmed { second_factor, .. } => Some(*second_factor),
            _ => None,
        })
    };
    assert_eq!(made(&proved(&mut all, "tech", "tech", &codes[0]).1), Some(true));
    assert_eq!(made(&proved(&mut all, "bare", "bare", "").1), Some(false));
    for (name, code, shown) in [("tech", codes[1].as_str(), true), ("bare", "", false)] {
        let (actor, hash, code) = (owner(name, "s"), name.to_owned(), code.to_owned());
        let intent = Intent::Confirm { actor, hash, code, from: from("::1") };
        let mut changes = Vec::new();
        all.decide(intent, &IntentSessions::of_owner(name, "s", at(0)), at(0), &mut changes).expect("confirmed");
        assert_eq!(made(&changes), Some(shown), "{name}");
    }
}

#[test]
fn a_session_counts_as_it_is_after_what_is_about_to_be_committed() {
    let kept = SessionRecord { second_factor: true, ..session("boss", "s", at(0)) };
    let ended = |digest: &str| Change::SessionEnded { digest: digest.to_owned() };
    let all_but = |account: &str, except: &str| {
        let (account, except) = (account.to_owned(), except.to_owned());
        Change::SessionsEnded { account, except }
    };
    let gone = |account: &str| Change::SecondFactorEnded { account: account.to_owned() };
    let after = |change: Change| pending::session_after(Some(kept.clone()), "s", &[change]);
    for (change, there) in [
        (ended("s"), false),
        (ended("t"), true),
        (all_but("boss", ""), false),
        (all_but("boss", "s"), true),
        (all_but("lan", ""), true),
    ] {
        assert_eq!(after(change.clone()).is_some(), there, "{change:?}");
    }
    assert!(after(gone("boss")).is_some_and(|one| !one.second_factor));
    assert!(after(gone("lan")).is_some_and(|one| one.second_factor));
    let stepped = after(Change::ClockStepped { at: at(0).now, by_ms: 5000 }).expect("there");
    assert_eq!((stepped.confirmed_at, stepped.expires_at), (at(5000).now, kept.expires_at.plus_millis(5000)));
}
