//! What is gathered for one commit.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::oneshot;

use ioc_common::id::DeviceId;
use ioc_common::report::Ask;
use ioc_judge::Effect;
use ioc_store::Change;

use super::{CloseCause, CommandResult};
use crate::config::Config;

/// What one commit holds, and what follows it.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) changes: Vec<Change>,
    /// Devices of which the judge tracks something else than before.
    pub(super) touched: HashSet<DeviceId>,
    pub(super) answers: Vec<(oneshot::Sender<CommandResult>, CommandResult)>,
    pub(super) asks: Vec<(DeviceId, Ask)>,
    pub(super) probes: Vec<DeviceId>,
    /// Whose connections are closed, and why.
    pub(super) disconnects: Vec<(DeviceId, CloseCause)>,
    pub(super) reports: u64,
    pub(super) values: u64,
    /// The configuration that is in force from this commit on, where it is another one.
    pub(super) config: Option<Arc<Config>>,
    pub(super) notices: bool,
    pub(super) visible: bool,
    /// How many inputs it took, and whether one of them waits for nobody.
    pub(super) inputs: usize,
    pub(super) urgent: bool,
}

impl Batch {
    /// Nothing is to be committed or sent.
    pub(super) fn is_empty(&self) -> bool {
        self.inputs == 0
            && self.changes.is_empty()
            && self.touched.is_empty()
            && self.asks.is_empty()
            && self.probes.is_empty()
            && self.disconnects.is_empty()
    }
}

/// Whether somebody waits for what this says.
pub(super) const fn is_urgent(effect: &Effect) -> bool {
    match effect {
        Effect::Fault(_)
        | Effect::Incident(_)
        | Effect::Step(_)
        | Effect::Notice(_)
        | Effect::Removed(_)
        | Effect::Quarantined(_)
        | Effect::ReportsLost(..)
        | Effect::Window(_)
        | Effect::WindowEnded(_)
        | Effect::Cover(_)
        | Effect::CoverEnded(_)
        | Effect::ProbeHost(_) => true,
        Effect::Presence(_)
        | Effect::Announced(_)
        | Effect::LossLedger(_)
        | Effect::Comparison { .. }
        | Effect::Ask(..)
        | Effect::Record { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ioc_common::config::{Span, SpanWithin};
    use ioc_common::report::{Body, Envelope, Event, Position, Report};

    use super::super::time::tests::{Machine, Rig, deps};
    use super::super::{
        DownMessage, DownReceiver, EngineHandle, EngineMessage, Entrance, NewConnection, down_channel, start,
    };
    use super::*;
    use crate::command::Command;

    /// Much longer than a commit takes on any machine, and shorter than what is gathered for here.
    const SOON: Duration = Duration::from_secs(30);

    async fn report(engine: &EngineHandle, device: &DeviceId, seq: u64) {
        let envelope = Envelope {
            device: device.clone(),
            about: None,
            position: Position { epoch: 1, seq },
            boot: "boot".to_owned(),
            taken_at: ioc_common::clock::now(),
            age_ms: Some(0),
            lost: None,
        };
        let body = Body::Event(Event { name: "e.e".to_owned(), text: String::new(), fields: Default::default() });
        let (packet, report) = (u16::try_from(seq).ok(), Ok(Box::new(Report { envelope, body })));
        let device = device.clone();
        engine.send(EngineMessage::Report { connection: 1, device, packet, bytes: 100, report, packed: None }).await;
    }

    /// The packets that are acknowledged next.
    async fn acknowledged(down: &mut DownReceiver) -> Vec<u16> {
        loop {
            match *tokio::time::timeout(SOON, down.recv()).await.expect("it does not wait").expect("open") {
                DownMessage::Committed { packets, .. } if !packets.is_empty() => return packets,
                DownMessage::Committed { .. } | DownMessage::Message(..) | DownMessage::Pace(_) => {}
                DownMessage::Close(cause) => panic!("closed: {}", cause.as_str()),
            }
        }
    }

    #[tokio::test]
    async fn a_report_waits_for_company_and_a_command_and_a_stream_for_nobody() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        Rig::open(dir.path(), &machine).register("srv-1");
        let device = DeviceId::new("srv-1").expect("valid");
        let mut deps = deps(dir.path(), &machine, |store| store);
        deps.config.gather = SpanWithin(Span::secs(3600));
        deps.allowlist.admit(device.clone(), "aa".to_owned());
        let (engine, thread) = start(deps).expect("starts");
        let (sender, mut down) = down_channel();
        let (peer, entrance) = (Some(([127, 0, 0, 1], 1).into()), Entrance::Certificate("aa".to_owned()));
        let opened = NewConnection { id: 1, device: device.clone(), entrance, keep_alive_s: 60, peer, sender };
        let opened = EngineMessage::Opened(opened);
        assert!(engine.send(opened).await);
        // From here on the next beat is an hour away.
        engine.command(Command::CheckDuty).await.expect("carried out");
        // A person asks for something: with it goes all that came before.
        report(&engine, &device, 1).await;
        let waits = tokio::time::timeout(Duration::from_millis(300), down.recv()).await;
        assert!(waits.is_err(), "{waits:?}");
        engine.command(Command::CheckDuty).await.expect("carried out");
        assert_eq!(acknowledged(&mut down).await, [1]);
        // A device that sends many at a time sends no more until they are acknowledged.
        for seq in 2..=9 {
            report(&engine, &device, seq).await;
        }
        assert_eq!(acknowledged(&mut down).await, (2..=9).collect::<Vec<u16>>());
        // What nobody asked for is committed at the end, too.
        report(&engine, &device, 10).await;
        assert!(engine.send(EngineMessage::Stop).await);
        assert_eq!(acknowledged(&mut down).await, [10]);
        drop(engine);
        tokio::task::spawn_blocking(move || thread.join()).await.expect("joined").expect("ended");
    }
}
