use ioc_common::codec::read_message;
use ioc_common::layout::{Layout, LayoutId, Series};
use ioc_common::report::{Committed, EarlierRun, Envelope, Facts, Hello, Losses, Position, Sample};

use super::super::down_dispatch::{DownMessage, DownReceiver, down_channel};
use super::super::message::EngineMessage;
use super::super::time::tests::{Machine, Rig};
use super::*;

const BROKER: ConnectionId = 1 << 62;

fn device() -> DeviceId {
    DeviceId::new("srv-1").expect("valid")
}

fn rig(dir: &std::path::Path) -> Rig {
    let mut rig = Rig::open(dir, &Machine::new());
    rig.register("srv-1");
    rig.engine.allowlist.admit(device(), "aa".to_owned());
    rig
}

fn open(rig: &mut Rig, id: ConnectionId, entrance: Entrance) -> DownReceiver {
    let (sender, down) = down_channel();
    let new = NewConnection { id, device: device(), entrance, keep_alive_s: 0, peer: None, sender };
    rig.engine.run_once(&mut vec![EngineMessage::Opened(new)]);
    down
}

fn report(rig: &mut Rig, connection: ConnectionId, epoch: u64, seq: u64, body: Body, lost: Option<Losses>) {
    let envelope = Envelope {
        device: device(),
        about: None,
        position: Position { epoch, seq },
        boot: "boot".into(),
        taken_at: rig.now(),
        age_ms: Some(0),
        lost,
    };
    let report = Ok(Box::new(Report { envelope, body }));
    let packet = u16::try_from(seq).ok();
    let message = EngineMessage::Report { connection, device: device(), packet, bytes: 100, report, packed: None };
    rig.engine.run_once(&mut vec![message]);
}

fn sample() -> Body {
    Body::Sample(Sample { layout: LayoutId(1), v: vec![Some(1.0)] })
}

fn hello(former: Vec<EarlierRun>) -> Body {
    Body::Hello(Box::new(Hello {
        agent_version: String::new(),
        boot_id: "b".into(),
        run: "r".into(),
        fingerprint: "f".into(),
        interval_s: 60,
        keep_alive_s: 30,
        facts: Facts::default(),
        probes: Vec::new(),
        layout: Layout::new(vec![Series::new("load.1", "")]).expect("allowed"),
        losses: Losses::default(),
        former,
        sensor: None,
    }))
}

/// What came down: the last watermark with whether all is to be sent again, and how many packets were acknowledged.
fn heard(down: &mut DownReceiver) -> (Option<(u64, bool)>, usize) {
    let (mut last, mut acknowledged) = (None, 0);
    while let Ok(message) = down.try_recv() {
        if let DownMessage::Committed { packets, payload, .. } = *message {
            acknowledged += packets.len();
            let committed: Committed = read_message(&payload).expect("readable");
            last = Some((committed.position.seq, committed.resend));
        }
    }
    (last, acknowledged)
}

#[test]
fn what_comes_behind_a_gap_of_the_broker_is_asked_for_again() {
    let dir = tempfile::tempdir().expect("directory");
    let mut rig = rig(dir.path());
    let mut down = open(&mut rig, BROKER, Entrance::Broker);
    report(&mut rig, BROKER, 1, 1, hello(vec![]), None);
    report(&mut rig, BROKER, 1, 2, sample(), None);
    assert_eq!(heard(&mut down), (Some((2, false)), 2));
    // The third never comes: what is behind it is acknowledged to the broker, and not taken.
    report(&mut rig, BROKER, 1, 4, sample(), None);
    assert_eq!(heard(&mut down), (Some((2, true)), 1));
    assert_eq!(rig.health.refused("broker_gap"), 1);
    for seq in [3, 4] {
        report(&mut rig, BROKER, 1, seq, sample(), None);
    }
    assert_eq!(heard(&mut down), (Some((4, false)), 2));
    // What the device says that it lost is passed over at once.
    let lost = Losses { made: 1, samples_dropped: 2, ..Losses::default() };
    report(&mut rig, BROKER, 1, 7, sample(), Some(lost));
    assert_eq!(heard(&mut down), (Some((7, false)), 1));
    // One that does not have it any more says nothing, and is not held up for ever.
    report(&mut rig, BROKER, 1, 9, sample(), None);
    assert_eq!(heard(&mut down).0, Some((7, true)));
    let since = rig.engine.connections.gaps.get_mut(&device()).expect("it is waited for");
    *since = since.saturating_sub(GAP_PATIENCE_MS);
    report(&mut rig, BROKER, 1, 10, sample(), None);
    assert_eq!(heard(&mut down).0, Some((10, false)));
    assert!(rig.engine.connections.gaps.is_empty());
}

#[test]
fn the_end_of_an_earlier_run_is_asked_for_again_where_it_ended_well() {
    let dir = tempfile::tempdir().expect("directory");
    let mut rig = rig(dir.path());
    let mut down = open(&mut rig, BROKER, Entrance::Broker);
    report(&mut rig, BROKER, 1, 1, hello(vec![]), None);
    let run = |clean| vec![EarlierRun { epoch: 1, seq: 2, clean }];
    report(&mut rig, BROKER, 2, 1, hello(run(true)), None);
    assert_eq!(heard(&mut down).0, Some((1, true)));
    report(&mut rig, BROKER, 1, 2, sample(), None);
    report(&mut rig, BROKER, 2, 1, hello(run(true)), None);
    assert_eq!(heard(&mut down).0, Some((1, false)), "the first of the second run");
    report(&mut rig, BROKER, 3, 1, hello(vec![EarlierRun { epoch: 2, seq: 9, clean: false }]), None);
    assert_eq!(heard(&mut down).0, Some((1, false)), "one that was cut off has nothing more");
    assert_eq!(rig.engine.state.device(&device()).expect("there").watermark.epoch, 3);
}

#[test]
fn our_own_endpoint_takes_a_gap_as_a_loss_at_once() {
    let dir = tempfile::tempdir().expect("directory");
    let mut rig = rig(dir.path());
    let mut down = open(&mut rig, 1, Entrance::Certificate("aa".to_owned()));
    report(&mut rig, 1, 1, 1, hello(vec![]), None);
    report(&mut rig, 1, 1, 4, sample(), None);
    assert_eq!(heard(&mut down).0, Some((4, false)));
}

#[test]
fn by_which_way_a_device_comes_is_kept_and_a_stranger_is_not_let_in() {
    let dir = tempfile::tempdir().expect("directory");
    let mut rig = rig(dir.path());
    let until = |rig: &Rig| rig.reader.device(&device()).expect("reads").expect("there").broker_until;
    let mut down = open(&mut rig, BROKER, Entrance::Broker);
    let pace = |down: &mut DownReceiver| {
        std::iter::from_fn(|| down.try_recv().ok()).find_map(|message| match *message {
            DownMessage::Pace(silent_ms) => Some(silent_ms),
            DownMessage::Committed { .. } | DownMessage::Message(..) | DownMessage::Close(_) => None,
        })
    };
    assert_eq!(pace(&mut down), Some(45_000), "one and a half keep-alives, before it has said how often it reports");
    assert_eq!(until(&rig), None);
    report(&mut rig, BROKER, 1, 1, hello(vec![]), None);
    assert_eq!((until(&rig), pace(&mut down)), (Some(Timestamp::MAX), Some(185_000)));
    open(&mut rig, 2, Entrance::Certificate("aa".to_owned()));
    report(&mut rig, 2, 1, 2, sample(), None);
    assert_eq!(until(&rig), Some(rig.now()), "until now");
    assert!(rig.engine.state.device(&device()).expect("there").came_through_broker(rig.now()));

    rig.engine.allowlist.expel(&device());
    let mut down = open(&mut rig, BROKER + 1, Entrance::Broker);
    assert!(matches!(down.try_recv().as_deref(), Ok(DownMessage::Close(CloseCause::Revoked))));
}

#[test]
fn through_a_broker_nobody_is_given_a_certificate_for_a_name_alone() {
    let dir = tempfile::tempdir().expect("directory");
    let mut rig = rig(dir.path());
    let mut down = open(&mut rig, BROKER, Entrance::Broker);
    report(&mut rig, BROKER, 1, 1, hello(vec![]), None);
    let key = rcgen::KeyPair::generate().expect("key");
    let csr = rcgen::CertificateParams::default().serialize_request(&key).expect("csr").pem().expect("pem");
    let mut ask = |rig: &mut Rig, proof: Option<RenewProof>| {
        let (connection, packet, csr) = (BROKER, Some(9), csr.clone());
        rig.engine.run_once(&mut vec![EngineMessage::Renew { connection, device: device(), packet, csr, proof }]);
        std::iter::from_fn(|| down.try_recv().ok())
            .any(|message| matches!(*message, DownMessage::Message(ioc_common::topic::DownKind::Certificate, _)))
    };
    assert!(!ask(&mut rig, None));
    let now = ioc_common::clock::now();
    let present = rig.engine.authority.issue_device(&csr, &device(), now, 90_000_000).expect("issued");
    let signature = ioc_common::encoding::hex(&rcgen::SigningKey::sign(&key, csr.as_bytes()).expect("signs"));
    let proof = RenewProof { certificate: present.certificate, signature };
    assert!(!ask(&mut rig, Some(proof.clone())), "a certificate of ours by which it may not come");
    rig.engine.allowlist.admit(device(), present.serial);
    assert!(ask(&mut rig, Some(proof)));
}
