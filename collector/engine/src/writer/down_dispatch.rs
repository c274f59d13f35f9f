//! What is sent down, and how it reaches the tasks of connections: all of a commit are handed to one task of the runtime, which hands them out there.
//!
//! A thread outside of the runtime that wakes a task wakes a worker for it, and after a commit would do so again and again while the workers
//! fall asleep in between. A task that wakes another one only queues it on its own worker. One task for all keeps the order of each connection.

use futures_channel::mpsc as unbounded;
use tokio::runtime;
use tokio::sync::mpsc;

use ioc_common::topic::DownKind;

/// What the engine sends down a connection.
#[derive(Debug)]
pub enum DownMessage {
    /// Acknowledge these packets, and tell the watermark.
    Committed {
        /// Packet identifiers of the QoS 1 messages that are committed.
        packets: Vec<u16>,
        /// Payload of `down/committed`: the watermark.
        payload: Vec<u8>,
        /// How many of the messages that came up are done with, whether they wanted an acknowledgement or not.
        settled: usize,
        /// The device brings too much: it is to be read one message at a time, and after this long, milliseconds; 0 for no pause.
        pause_ms: u64,
    },
    /// A message below `down/`, with its payload.
    Message(DownKind, Vec<u8>),
    /// How long nothing may come through a broker from this device before it is missed, milliseconds: there, nobody sees its signs of life.
    Pace(u64),
    /// Close the connection, and why.
    Close(CloseCause),
}

/// Why the engine has a connection closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCause {
    /// The device's right to report was taken.
    Revoked,
    /// The device has connected anew.
    Replaced,
    /// Another machine was enrolled as this device.
    EnrolledAnew,
    /// Two machines report under this identity.
    Quarantined,
    /// The device brings more than this budget allows, which is counted and logged already.
    OverBudget(&'static str),
}

impl CloseCause {
    /// The name used in metrics and the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Replaced => "replaced by a newer connection",
            Self::EnrolledAnew => "enrolled anew",
            Self::Quarantined => "its identity is on two machines",
            Self::OverBudget(budget) => budget,
        }
    }
}

/// Sends down to one connection.
pub type DownSender = unbounded::UnboundedSender<Box<DownMessage>>;
/// What a connection hears of what is sent down.
pub type DownReceiver = unbounded::UnboundedReceiver<Box<DownMessage>>;

/// The way down to one connection. It is in memory for every connection, and nearly always empty: a channel that allots room for messages only
/// when there are some takes a tenth of tokio's.
#[must_use]
pub fn down_channel() -> (DownSender, DownReceiver) {
    unbounded::unbounded()
}

/// A message, and whose it is.
pub(super) type Delivery = (DownSender, Box<DownMessage>);

/// Sends messages down.
#[derive(Debug, Default)]
pub(super) struct DownDispatch {
    /// The task that hands them out; without a runtime whoever sends them does.
    queue: Option<mpsc::UnboundedSender<Vec<Delivery>>>,
}

impl DownDispatch {
    /// One whose task runs in `runtime`, until this is dropped and all is handed out.
    pub(super) fn within(runtime: &runtime::Handle) -> Self {
        let (queue, mut deliveries) = mpsc::unbounded_channel();
        runtime.spawn(async move {
            while let Some(some) = deliveries.recv().await {
                hand_out(some);
            }
        });
        Self { queue: Some(queue) }
    }

    /// Sends these, in their order and behind all that was sent before.
    pub(super) fn send(&self, deliveries: Vec<Delivery>) {
        match &self.queue {
            _ if deliveries.is_empty() => {}
            // When the runtime ends, so do the connections.
            Some(queue) => drop(queue.send(deliveries)),
            None => hand_out(deliveries),
        }
    }
}

fn hand_out(deliveries: Vec<Delivery>) {
    for (sender, message) in deliveries {
        // A connection that has ended hears nothing.
        let _ = sender.unbounded_send(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u8) -> Box<DownMessage> {
        Box::new(DownMessage::Message(DownKind::Ask, vec![number]))
    }

    #[tokio::test]
    async fn each_connection_hears_all_of_its_messages_in_their_order() {
        let dispatch = DownDispatch::within(&runtime::Handle::current());
        let (senders, receivers): (Vec<DownSender>, Vec<_>) = (0..3).map(|_| down_channel()).unzip();
        for number in 0..100 {
            dispatch.send(senders.iter().map(|sender| (sender.clone(), message(number))).collect());
        }
        drop((dispatch, senders));
        for mut receiver in receivers {
            let mut heard = Vec::new();
            while let Ok(message) = receiver.recv().await {
                if let DownMessage::Message(DownKind::Ask, payload) = *message {
                    heard.extend(payload);
                }
            }
            assert_eq!(heard, (0..100).collect::<Vec<u8>>(), "what was sent before the end is heard, too");
        }
    }
}
