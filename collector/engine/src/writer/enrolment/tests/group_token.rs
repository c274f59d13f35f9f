//! Machines that come with a token of many: who is taken at its word.

use rcgen::{CertificateParams, KeyPair};

use super::super::super::time::tests::{Machine, Rig};
use super::super::*;
use crate::command::Command;

fn asks(token: &str, machine: &str, label: &str) -> Command {
    let key = KeyPair::generate().expect("a key");
    let asked = CertificateParams::new(Vec::<String>::new()).expect("params");
    let csr = asked.serialize_request(&key).expect("a request").pem().expect("text");
    let request = serde_json::json!({ "token": token, "csr": csr, "fingerprint": machine, "label": label });
    let request = serde_json::from_value(request).expect("a request");
    Command::Enrol { request: Box::new(request), peer: "10.0.0.7".to_owned() }
}

fn token_of_servers(rig: &mut Rig, approve: bool) -> String {
    let device = NewDevice { kind: "server".to_owned(), ..NewDevice::default() };
    let info = NewToken { device, label: "servers".to_owned(), group: true, uses: 9, approve };
    let life = Span(std::time::Duration::from_hours(1));
    match rig.command(Command::NewToken { info, life, actor: "lan".to_owned() }) {
        Ok(Answer::Token { token, .. }) => token,
        other => panic!("{other:?}"),
    }
}

fn register(rig: &mut Rig, id: &str, label: &str) {
    let (device, name) = (id.to_owned(), format!("Máy chủ {id}"));
    let info = NewDevice { device, name, kind: "server".to_owned(), label: label.to_owned(), ..NewDevice::default() };
    rig.command(Command::Register { info, actor: "lan".to_owned() }).expect("registered");
}

fn reasons(rig: &Rig) -> Vec<ApprovalReason> {
    rig.reader.requests().expect("read").into_iter().flat_map(|request| request.reasons).collect()
}

#[test]
fn an_asset_that_has_an_agent_is_given_to_no_second_machine_without_a_person() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut rig = Rig::open(dir.path(), &Machine::new());
    register(&mut rig, "srv-1", "TS-1");
    let token = token_of_servers(&mut rig, false);
    let first = rig.command(asks(&token, "machine-1", "TS-1"));
    assert!(matches!(&first, Ok(Answer::Enrolled(issued)) if issued.device.as_str() == "srv-1"), "{first:?}");
    // It was given a certificate, though nothing was heard of it yet.
    let second = rig.command(asks(&token, "machine-2", "TS-1"));
    assert!(matches!(second, Ok(Answer::Waiting { .. })), "{second:?}");
    assert_eq!(reasons(&rig), [ApprovalReason::Enrolled { device: DeviceId::new("srv-1").expect("valid") }]);
}

#[test]
fn a_machine_that_was_approved_waits_again_where_another_took_the_asset_meanwhile() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut rig = Rig::open(dir.path(), &Machine::new());
    register(&mut rig, "srv-1", "TS-1");
    let (careful, open) = (token_of_servers(&mut rig, true), token_of_servers(&mut rig, false));
    let Command::Enrol { request, peer } = asks(&careful, "machine-1", "TS-1") else { panic!("as asked") };
    let again = || Command::Enrol { request: request.clone(), peer: peer.clone() };
    let Ok(Answer::Waiting { request: id, .. }) = rig.command(again()) else { panic!("it waits for a person") };
    let approved = rig.reader.request(&id).expect("read").map(|request| NewDevice::from(request.info));
    rig.command(Command::DecideRequest { id: id.clone(), approved, actor: "lan".to_owned() }).expect("approved");
    let other = rig.command(asks(&open, "machine-2", "TS-1"));
    assert!(matches!(other, Ok(Answer::Enrolled(_))), "{other:?}");
    let late = rig.command(again());
    assert!(matches!(late, Ok(Answer::Waiting { .. })), "{late:?}");
    let taken = ApprovalReason::Enrolled { device: DeviceId::new("srv-1").expect("valid") };
    assert_eq!(reasons(&rig), [ApprovalReason::Asked, taken]);
    // Who decides now sees it, and the word counts.
    let approved = rig.reader.request(&id).expect("read").map(|request| NewDevice::from(request.info));
    rig.command(Command::DecideRequest { id, approved, actor: "lan".to_owned() }).expect("approved");
    let let_in = rig.command(again());
    assert!(matches!(let_in, Ok(Answer::Enrolled(_))), "{let_in:?}");
}
