//! The open connections: which device is connected, what has to be acknowledged after the commit, and what has to be sent down.

use std::collections::HashMap;
use std::net::SocketAddr;

use ioc_common::audit_head::AuditHead;
use ioc_common::codec;
use ioc_common::id::DeviceId;
use ioc_common::report::Position;
use ioc_common::topic::DownKind;

use super::down_dispatch::{CloseCause, Delivery, DownDispatch, DownMessage, DownSender};

/// So many messages of one connection in one commit are a backlog, or a device that sends without a pause: it waits for the commit.
const STREAMING_MIN: usize = 8;
/// Between two heads of the audit log that one device is given, milliseconds.
const HEAD_EVERY_MS: u64 = 60_000;

/// Number of a connection, unique while the collector runs.
pub type ConnectionId = u64;

/// A connection of a device that is open: of its own, or what comes of it through a broker.
#[derive(Debug)]
pub struct NewConnection {
    /// Its number.
    pub id: ConnectionId,
    /// Whose it is.
    pub device: DeviceId,
    /// By which way it came.
    pub entrance: Entrance,
    /// The keep-alive that it promises, seconds; 0 where nobody has said it here, and what is known of the device stays.
    pub keep_alive_s: u16,
    /// The address that it comes from; none where a broker stands between.
    pub peer: Option<SocketAddr>,
    /// What is sent down.
    pub sender: DownSender,
}

/// By which way a device came, and what vouches for its being that device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entrance {
    /// To our own endpoint, by the certificate of this serial number, hex.
    Certificate(String),
    /// Through a broker, which alone has seen its certificate.
    Broker,
}

/// The open connections.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: HashMap<ConnectionId, OpenConnection>,
    by_device: HashMap<DeviceId, ConnectionId>,
    peers: HashMap<DeviceId, SocketAddr>,
    /// Since when, boot clock, milliseconds, reports of a device pass over others that are missing: a broker lost them.
    pub(super) gaps: HashMap<DeviceId, u64>,
    /// Connections to which something has to be sent after the commit.
    dirty: Vec<ConnectionId>,
    /// One of them sends many messages at a time, and continues only once they are acknowledged.
    streaming: bool,
    dispatch: DownDispatch,
}

#[derive(Debug)]
struct OpenConnection {
    device: DeviceId,
    sender: DownSender,
    packets: Vec<u16>,
    refused: Option<String>,
    settled: usize,
    pause_ms: u64,
    watermark_due: bool,
    messages: Vec<(DownKind, Vec<u8>)>,
    dirty: bool,
    /// It keeps heads of the audit log: of which record it was given one, and when, boot clock, milliseconds.
    witness: Option<(u64, u64)>,
    /// A broker stands between: its messages are acknowledged one by one, even after the device may send no more.
    through_broker: bool,
    /// What is missing is to be sent again.
    resend: bool,
    /// It is closed, and goes once it is acknowledged what came of it.
    closed: bool,
}

impl OpenConnection {
    /// The head that goes with what the device is told now: one that it has not, and not too soon after the last.
    fn head_due(&mut self, head: &AuditHead, boot_ms: u64) -> Option<AuditHead> {
        let (number, given_ms) = self.witness.as_mut()?;
        let rests = *number > 0 && boot_ms.saturating_sub(*given_ms) < HEAD_EVERY_MS;
        if *number == head.number || rests {
            return None;
        }
        (*number, *given_ms) = (head.number, boot_ms);
        Some(head.clone())
    }
}

impl Connections {
    /// From now on messages go this way.
    pub(super) fn set_dispatch(&mut self, dispatch: DownDispatch) {
        self.dispatch = dispatch;
    }

    /// A new connection. The one that the device had is closed.
    pub(super) fn open(&mut self, new: NewConnection) {
        if let Some(old) = self.by_device.insert(new.device.clone(), new.id) {
            self.end(old, CloseCause::Replaced);
        }
        if let Some(peer) = new.peer {
            self.peers.insert(new.device.clone(), peer);
        }
        self.keep(new);
    }

    /// A connection that is not let in. Through a broker its messages come all the same, and are acknowledged.
    pub(super) fn refuse(&mut self, new: NewConnection, cause: CloseCause) {
        if new.entrance == Entrance::Broker {
            let id = new.id;
            self.keep(new);
            self.end(id, cause);
        } else {
            let _ = new.sender.unbounded_send(Box::new(DownMessage::Close(cause)));
        }
    }

    /// Ends a connection. One through a broker stays until its messages are acknowledged, and is then closed by whoever reads it.
    fn end(&mut self, id: ConnectionId, cause: CloseCause) {
        let sender = match self.open.get(&id) {
            Some(connection) if connection.through_broker => Some(connection.sender.clone()),
            Some(_) => self.open.remove(&id).map(|connection| connection.sender),
            None => None,
        };
        if let Some(sender) = sender {
            self.close_with(sender, cause);
        }
    }

    fn keep(&mut self, new: NewConnection) {
        let NewConnection { id, device, entrance, sender, .. } = new;
        let connection = OpenConnection {
            device,
            sender,
            packets: Vec::new(),
            refused: None,
            settled: 0,
            pause_ms: 0,
            watermark_due: false,
            messages: Vec::new(),
            dirty: false,
            witness: None,
            through_broker: entrance == Entrance::Broker,
            resend: false,
            closed: false,
        };
        self.open.insert(id, connection);
    }

    /// Whether a broker stands between.
    pub(super) fn is_through_broker(&self, id: ConnectionId) -> bool {
        self.open.get(&id).is_some_and(|connection| connection.through_broker)
    }

    /// Has the device send again what lies behind its watermark.
    pub(super) fn ask_again(&mut self, id: ConnectionId) {
        if let Some(connection) = self.touch(id) {
            (connection.watermark_due, connection.resend) = (true, true);
        }
    }

    /// Tells whoever reads this connection how long nothing may come of it.
    pub(super) fn set_pace(&self, id: ConnectionId, silent_ms: u64) {
        if let Some(connection) = self.open.get(&id) {
            self.dispatch.send(vec![(connection.sender.clone(), Box::new(DownMessage::Pace(silent_ms)))]);
        }
    }

    /// Whether this connection is a device's present one.
    pub(super) fn is_open(&self, id: ConnectionId) -> bool {
        self.open.contains_key(&id)
    }

    /// A connection is closed. True when it was the device's present one. What came of it through a broker is still acknowledged.
    pub(super) fn close(&mut self, id: ConnectionId, device: &DeviceId) -> bool {
        match self.open.get_mut(&id) {
            Some(connection) if connection.through_broker && connection.dirty => connection.closed = true,
            _ => drop(self.open.remove(&id)),
        }
        if self.by_device.get(device) == Some(&id) {
            self.by_device.remove(device);
            return true;
        }
        false
    }

    /// Closes a device's connection.
    pub(super) fn disconnect(&mut self, device: &DeviceId, cause: CloseCause) {
        if let Some(id) = self.by_device.remove(device) {
            self.end(id, cause);
        }
    }

    fn close_with(&self, sender: DownSender, cause: CloseCause) {
        self.dispatch.send(vec![(sender, Box::new(DownMessage::Close(cause)))]);
    }

    fn touch(&mut self, id: ConnectionId) -> Option<&mut OpenConnection> {
        let connection = self.open.get_mut(&id)?;
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(id);
        }
        Some(connection)
    }

    /// Acknowledges a packet after the commit.
    pub(super) fn acknowledge(&mut self, id: ConnectionId, packet: Option<u16>, refused: Option<String>) {
        let mut many = false;
        if let Some(connection) = self.touch(id) {
            connection.packets.extend(packet);
            connection.settled += 1;
            many = connection.settled >= STREAMING_MIN || connection.pause_ms > 0;
            connection.watermark_due = true;
            if refused.is_some() {
                connection.refused = refused;
            }
        }
        self.streaming |= many;
    }

    /// Whether a device that sends many at a time waits for the commit.
    pub(super) const fn is_streaming(&self) -> bool {
        self.streaming
    }

    /// Pauses reading from a device.
    pub(super) fn pause(&mut self, id: ConnectionId, pause_ms: u64) {
        if let Some(connection) = self.open.get_mut(&id) {
            connection.pause_ms = connection.pause_ms.max(pause_ms);
        }
    }

    /// Sends a device its watermark after the commit, so that it knows what to send next.
    pub(super) fn send_watermark(&mut self, id: ConnectionId) {
        if let Some(connection) = self.touch(id) {
            connection.watermark_due = true;
        }
    }

    /// Sends a message after the commit.
    pub(super) fn queue(&mut self, device: &DeviceId, kind: DownKind, payload: Vec<u8>) {
        if let Some(id) = self.by_device.get(device).copied()
            && let Some(connection) = self.touch(id)
        {
            connection.messages.push((kind, payload));
        }
    }

    /// Whether a device is connected.
    pub(super) fn has(&self, device: &DeviceId) -> bool {
        self.by_device.contains_key(device)
    }

    /// Every device that is connected.
    pub(super) fn devices(&self) -> Vec<DeviceId> {
        self.by_device.keys().cloned().collect()
    }

    /// A device keeps heads of the audit log: from now on it is given new ones.
    pub(super) fn set_witness(&mut self, device: &DeviceId) {
        if let Some(connection) = self.by_device.get(device).and_then(|id| self.open.get_mut(id)) {
            connection.witness.get_or_insert((0, 0));
        }
    }

    /// Sends everything that waited for the commit. `head` is the newest of the audit log, and the boot clock, milliseconds.
    pub(super) fn flush(&mut self, watermark: impl Fn(&DeviceId) -> Position, head: Option<(&AuditHead, u64)>) {
        self.streaming = false;
        let mut deliveries: Vec<Delivery> = Vec::with_capacity(self.dirty.len());
        for id in self.dirty.drain(..) {
            let Some(connection) = self.open.get_mut(&id) else { continue };
            connection.dirty = false;
            if std::mem::take(&mut connection.watermark_due) {
                let head = head.and_then(|(head, boot_ms)| connection.head_due(head, boot_ms));
                let resend = std::mem::take(&mut connection.resend);
                let payload = codec::committed(watermark(&connection.device), connection.refused.take(), head, resend);
                let packets = std::mem::take(&mut connection.packets);
                let (settled, pause_ms) =
                    (std::mem::take(&mut connection.settled), std::mem::take(&mut connection.pause_ms));
                let committed = DownMessage::Committed { packets, payload, settled, pause_ms };
                deliveries.push((connection.sender.clone(), Box::new(committed)));
            }
            for (kind, payload) in connection.messages.drain(..) {
                deliveries.push((connection.sender.clone(), Box::new(DownMessage::Message(kind, payload))));
            }
            if connection.closed {
                self.open.remove(&id);
            }
        }
        self.dispatch.send(deliveries);
    }

    /// From where a device was last connected.
    pub(super) fn last_peer(&self, device: &DeviceId) -> Option<SocketAddr> {
        self.peers.get(device).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::down_dispatch::down_channel;
    use super::*;

    #[test]
    fn whoever_waits_for_an_acknowledgement_is_in_a_hurry() {
        let mut connections = Connections::default();
        let (sender, mut down) = down_channel();
        let device = DeviceId::new("srv-1").expect("valid");
        let (entrance, peer) = (Entrance::Certificate("aa".to_owned()), Some(([127, 0, 0, 1], 1).into()));
        connections.open(NewConnection { id: 1, device, entrance, keep_alive_s: 60, peer, sender });
        connections.acknowledge(1, Some(1), None);
        assert!(!connections.is_streaming(), "one report");
        for packet in 2..=8 {
            connections.acknowledge(1, Some(packet), None);
        }
        assert!(connections.is_streaming(), "a stream");
        connections.flush(|_| Position::default(), None);
        assert!(!connections.is_streaming(), "it was told");
        // Read one message at a time: its next one waits for this one.
        connections.pause(1, 5);
        connections.acknowledge(1, Some(9), None);
        assert!(connections.is_streaming());
        assert!(matches!(down.try_recv().as_deref(), Ok(DownMessage::Committed { settled: 8, .. })));
    }

    #[test]
    fn what_came_through_a_broker_is_acknowledged_after_its_device_may_send_no_more() {
        let mut connections = Connections::default();
        let device = DeviceId::new("srv-1").expect("valid");
        let new = |id, entrance| {
            let (sender, down) = down_channel();
            (NewConnection { id, device: device.clone(), entrance, keep_alive_s: 0, peer: None, sender }, down)
        };
        let (through, mut down) = new(1, Entrance::Broker);
        connections.open(through);
        connections.acknowledge(1, Some(7), None);
        // It comes to our own endpoint, and what it sent before is judged and committed all the same.
        let (direct, _own) = new(2, Entrance::Certificate("aa".to_owned()));
        connections.open(direct);
        assert!(matches!(down.try_recv().as_deref(), Ok(DownMessage::Close(CloseCause::Replaced))));
        connections.acknowledge(1, Some(8), None);
        connections.flush(|_| Position::default(), None);
        let told = down.try_recv().expect("told");
        assert!(matches!(&*told, DownMessage::Committed { packets, settled: 2, .. } if *packets == [7, 8]), "{told:?}");
        assert!(!connections.close(1, &device) && connections.has(&device) && !connections.is_open(1));
        // One that is not let in is kept until it is acknowledged, and is not the device's present one.
        let (refused, mut down) = new(3, Entrance::Broker);
        connections.refuse(refused, CloseCause::Revoked);
        assert!(matches!(down.try_recv().as_deref(), Ok(DownMessage::Close(CloseCause::Revoked))));
        connections.acknowledge(3, Some(9), None);
        connections.flush(|_| Position::default(), None);
        assert!(matches!(down.try_recv().as_deref(), Ok(DownMessage::Committed { settled: 1, .. })));
        assert!(connections.is_open(2) && connections.is_through_broker(3) && !connections.is_through_broker(2));
    }
}
