//! What goes into the engine, by whomever it comes.

use tokio::sync::oneshot;

use ioc_common::codec::RefusedReport;
use ioc_common::id::DeviceId;
use ioc_common::report::{RenewProof, Report};
use ioc_judge::HostAnswer;

use super::connections::{ConnectionId, NewConnection};
use crate::command::{Answer, Command, CommandError};

/// What goes into the engine. `connection` is the one that it came by, and `device` whose certificate that has.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug)]
pub enum EngineMessage {
    /// A device's connection is open.
    Opened(NewConnection),
    /// The device has subscribed and can be told its watermark.
    Subscribed { connection: ConnectionId, device: DeviceId },
    /// A device's connection is closed.
    Closed {
        connection: ConnectionId,
        device: DeviceId,
        /// How long ago its last packet came, milliseconds.
        quiet_ms: i64,
    },
    /// Nothing comes any more on a connection that still stands, or something does again.
    Quiet {
        connection: ConnectionId,
        device: DeviceId,
        /// How long ago its last packet came, milliseconds; none when one came now.
        quiet_ms: Option<i64>,
    },
    /// Something came on a topic for reports.
    Report {
        connection: ConnectionId,
        device: DeviceId,
        /// Its packet, to acknowledge; none for QoS 0.
        packet: Option<u16>,
        /// The size of its payload.
        bytes: usize,
        /// The report, or why it was refused.
        report: Result<Box<Report>, RefusedReport>,
        /// A sample's numbers as they are kept ([`ioc_store::history::pack`]), where whoever read it has packed them.
        packed: Option<Vec<u8>>,
    },
    /// Plain values of a sensor, by their paths.
    Values {
        connection: ConnectionId,
        device: DeviceId,
        /// Its packet, to acknowledge.
        packet: Option<u16>,
        values: Vec<(String, f64)>,
    },
    /// A request for a renewed certificate.
    Renew {
        connection: ConnectionId,
        device: DeviceId,
        /// Its packet, to acknowledge.
        packet: Option<u16>,
        /// PKCS #10, PEM.
        csr: String,
        /// That the holder of the present key asks.
        proof: Option<RenewProof>,
    },
    /// The second probe has an answer.
    HostProbed { device: DeviceId, answer: HostAnswer },
    /// A command, and where its answer goes.
    Command(Box<Command>, oneshot::Sender<Result<Answer, CommandError>>),
    /// A command of whoever has this session or token, which has to stand when it is carried out: much can happen while the rest of a
    /// request comes in.
    SessionCommand(SessionRef, Box<Command>, oneshot::Sender<Result<Answer, CommandError>>),
    /// Commit what is there, and end.
    Stop,
}

/// A session or a token, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRef {
    /// The name of the account.
    pub account: String,
    /// SHA-256 of what the browser or program shows, hex.
    pub digest: String,
}
