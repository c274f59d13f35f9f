//! Machines that wait for a person: who fills their places, and what a decision is worth once the device is taken out.

use rcgen::{CertificateParams, KeyPair};

use super::super::time::tests::{Machine, Rig};
use super::*;
use crate::command::Command;
use crate::refusal_reason::RefusalKind;

mod group_token;

fn csr() -> String {
    let key = KeyPair::generate().expect("key");
    CertificateParams::default().serialize_request(&key).expect("request").pem().expect("pem")
}

fn token(rig: &mut Rig, device: &str, uses: u32) -> String {
    let device =
        NewDevice { device: device.to_owned(), name: device.to_owned(), kind: "server".into(), ..NewDevice::default() };
    let info = NewToken { device, label: "room 1".into(), group: uses > 1, uses, approve: true };
    match rig.command(Command::NewToken { info, life: Span::secs(86_400), actor: "lan".into() }) {
        Ok(Answer::Token { token, .. }) => token,
        other => panic!("{other:?}"),
    }
}

fn enrol(rig: &mut Rig, token: &str, csr: &str, peer: &str) -> CommandResult {
    let request = EnrolRequest {
        token: token.to_owned(),
        csr: csr.to_owned(),
        fingerprint: String::new(),
        facts: Default::default(),
        macs: Vec::new(),
        label: String::new(),
    };
    rig.command(Command::Enrol { request: Box::new(request), peer: peer.to_owned() })
}

fn request_of(answer: CommandResult) -> String {
    match answer {
        Ok(Answer::Waiting { request, .. }) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_device_that_was_taken_out_does_not_come_back_by_an_earlier_approval() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    rig.register("srv-9");
    let (token, csr) = (token(&mut rig, "srv-9", 1), csr());
    let answer = enrol(&mut rig, &token, &csr, "10.0.0.7");
    assert!(matches!(answer, Ok(Answer::Waiting { new: true, .. })), "{answer:?}");
    let request = request_of(answer);
    let again = enrol(&mut rig, &token, &csr, "10.0.0.7");
    assert!(matches!(again, Ok(Answer::Waiting { new: false, .. })), "{again:?}");
    let new = NewDevice { device: "srv-9".into(), name: "srv-9".into(), kind: "server".into(), ..NewDevice::default() };
    rig.command(Command::DecideRequest { id: request, approved: Some(new), actor: "lan".into() }).expect("approved");
    let device = DeviceId::new("srv-9").expect("valid");
    rig.command(Command::Revoke { device: device.clone(), actor: "minh".into() }).expect("taken out");
    let answer = enrol(&mut rig, &token, &csr, "10.0.0.7");
    assert!(matches!(answer, Err(CommandError::Explained(RefusalKind::Forbidden, _))), "{answer:?}");
    assert!(rig.engine.state.device(&device).is_none());
}

#[test]
fn a_token_that_was_ended_or_used_in_the_same_commit_is_good_no_more() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    let (ended, used) = (token(&mut rig, "srv-1", 1), token(&mut rig, "srv-2", 1));
    let digest = |token: &str| token.parse::<Token>().expect("a token").digest();
    let (at, device) = (rig.engine.time.now(), DeviceId::new("srv-2").expect("valid"));
    rig.engine.batch.changes.push(Change::TokenEnded { digest: digest(&ended), at });
    rig.engine.batch.changes.push(Change::TokenUsed { digest: digest(&used), device, at });
    for (token, why) in [(ended, "ended"), (used, "used")] {
        let answer = enrol(&mut rig, &token, &csr(), "10.0.0.7");
        assert!(
            matches!(&answer, Err(CommandError::Explained(RefusalKind::Forbidden, said)) if said.english().contains(why)),
            "{why}: {answer:?}"
        );
    }
}

#[test]
fn whoever_has_one_token_fills_no_places_but_its_own() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    let found = token(&mut rig, "srv-1", 1);
    let waits = (0..30).filter(|_| enrol(&mut rig, &found, &csr(), "10.0.0.7").is_ok()).count();
    assert_eq!(waits, 1 + WAITING_SPARE, "those it lets in, and a few that ask as another");
    let other = token(&mut rig, "srv-2", 1);
    request_of(enrol(&mut rig, &other, &csr(), "10.0.0.7"));
}

#[test]
fn one_address_fills_no_places_but_its_own_and_who_does_not_ask_any_more_none() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    let many = token(&mut rig, "", 10_000);
    let now = rig.engine.time.now();
    let info = DeviceInfo::new(DeviceId::new("srv-1").expect("valid"), ioc_judge::DeviceKind::Server, "srv-1");
    let put = |rig: &mut Rig, count: usize, peer: &dyn Fn(usize) -> String, seen_at: Timestamp| {
        for n in 0..count {
            rig.engine.batch.changes.push(Change::Request(Box::new(RequestRecord {
                id: format!("{}-{n}", peer(n)),
                token: "another".into(),
                at: seen_at,
                seen_at,
                peer: peer(n),
                facts: Default::default(),
                base: None,
                info: info.clone(),
                reasons: vec![ApprovalReason::Asked],
                state: RequestState::Waiting,
            })));
        }
    };
    put(&mut rig, NETWORK_WAITING_MAX, &|n| format!("2001:db8::{n:x}"), now);
    let answer = enrol(&mut rig, &many, &csr(), "2001:db8::ffff");
    assert!(
        matches!(&answer, Err(CommandError::Explained(RefusalKind::Conflict, why)) if why.english().contains("your address")),
        "{answer:?}"
    );
    request_of(enrol(&mut rig, &many, &csr(), "2001:db8:0:1::1"));
    // All places are taken, by machines that have not asked for longer than a week.
    put(&mut rig, WAITING_MAX, &|n| format!("10.1.{}.{}", n / 200, n % 200), now.plus_millis(-WAITING_MS - 1));
    request_of(enrol(&mut rig, &many, &csr(), "10.0.0.8"));
    rig.engine.boot_ms = FORGET_MS;
    rig.engine.requests_seen_ms = 0;
    rig.engine.expire_requests(now);
    rig.pass(10_000);
    assert_eq!(rig.reader.requests().expect("reads").len(), NETWORK_WAITING_MAX + 2, "and they are forgotten");
}
