//! Devices that are heard through a broker: which messages of each wait for their commit, and when one is missed. Pure.
//!
//! To the engine each is a connection. The broker knows none of that: it hands out messages in one order for all, and wants each acknowledged.

use std::collections::{HashMap, VecDeque};

use ioc_common::id::DeviceId;
use ioc_engine::writer::ConnectionId;

/// Connections of our own endpoint are numbered from below.
const FIRST_ID: ConnectionId = 1 << 62;

/// A message of the broker that wants an acknowledgement, on the link on which it came: on another one its number means another message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PacketRef {
    /// Which link, counted from the first.
    pub(super) link: u64,
    /// Its packet identifier there.
    pub(super) packet: u16,
}

#[derive(Debug)]
struct Session {
    device: DeviceId,
    /// What the engine is not done with, in order; none for what wants no acknowledgement.
    outstanding: VecDeque<Option<PacketRef>>,
    last_ms: u64,
    /// How long nothing may come; none before the engine has said it.
    silent_after_ms: Option<u64>,
    /// The run of the agent that its last hello named.
    run: String,
    /// The engine has ended it, and hears that it is closed once all is settled.
    ended: bool,
}

/// All devices that are heard, and those that still have something to be settled.
#[derive(Debug)]
pub(super) struct Sessions {
    by_id: HashMap<ConnectionId, Session>,
    by_device: HashMap<DeviceId, ConnectionId>,
    next_id: ConnectionId,
    waiting: usize,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { by_id: HashMap::new(), by_device: HashMap::new(), next_id: FIRST_ID, waiting: 0 }
    }
}

/// A connection whose device is heard no more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missed {
    pub(super) id: ConnectionId,
    pub(super) device: DeviceId,
    /// How long ago its last message came, milliseconds.
    pub(super) quiet_ms: u64,
}

impl Sessions {
    /// The connection of a device from which something comes now, and whether it is a new one.
    pub(super) fn of(&mut self, device: &DeviceId, now_ms: u64) -> (ConnectionId, bool) {
        if let Some(id) = self.by_device.get(device)
            && let Some(session) = self.by_id.get_mut(id)
        {
            session.last_ms = now_ms;
            return (*id, false);
        }
        let id = self.next_id;
        self.next_id += 1;
        let session = Session {
            device: device.clone(),
            outstanding: VecDeque::new(),
            last_ms: now_ms,
            silent_after_ms: None,
            run: String::new(),
            ended: false,
        };
        self.by_id.insert(id, session);
        self.by_device.insert(device.clone(), id);
        (id, true)
    }

    /// A message is handed to the engine.
    pub(super) fn handed(&mut self, id: ConnectionId, packet: Option<PacketRef>) {
        if let Some(session) = self.by_id.get_mut(&id) {
            session.outstanding.push_back(packet);
            self.waiting += 1;
        }
    }

    /// The engine is done with so many messages of a connection: these are to be acknowledged.
    pub(super) fn settled(&mut self, id: ConnectionId, count: usize) -> Vec<PacketRef> {
        let Some(session) = self.by_id.get_mut(&id) else { return Vec::new() };
        let count = count.min(session.outstanding.len());
        self.waiting -= count;
        session.outstanding.drain(..count).flatten().collect()
    }

    /// How many messages the engine is not done with.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many devices are heard.
    pub(super) fn devices(&self) -> usize {
        self.by_device.len()
    }

    /// Whether a device is still heard by this connection, and who it is.
    pub(super) fn device(&self, id: ConnectionId) -> Option<&DeviceId> {
        let session = self.by_id.get(&id)?;
        (self.by_device.get(&session.device) == Some(&id)).then_some(&session.device)
    }

    /// How long nothing may come of it.
    pub(super) fn set_pace(&mut self, id: ConnectionId, silent_ms: u64) {
        if let Some(session) = self.by_id.get_mut(&id) {
            session.silent_after_ms = Some(silent_ms);
        }
    }

    /// A hello came, of this run of the agent. Whether it began since the last one: it has forgotten what was sent down before.
    pub(super) fn began_anew(&mut self, id: ConnectionId, run: &str) -> bool {
        let Some(session) = self.by_id.get_mut(&id) else { return false };
        let anew = !session.run.is_empty() && session.run != run;
        run.clone_into(&mut session.run);
        anew
    }

    /// The engine ends a connection: what comes of its device next is another one.
    pub(super) fn end(&mut self, id: ConnectionId) {
        if let Some(session) = self.by_id.get_mut(&id) {
            session.ended = true;
            let device = session.device.clone();
            self.leave(id, &device);
        }
    }

    /// The connection is closed, when the engine has ended it and all of it is settled: the engine has to hear that.
    pub(super) fn take_closed(&mut self, id: ConnectionId) -> Option<DeviceId> {
        let session = self.by_id.get(&id).filter(|session| session.outstanding.is_empty())?;
        let (ended, device) = (session.ended, session.device.clone());
        if ended || self.by_device.get(&device) != Some(&id) {
            self.by_id.remove(&id);
        }
        ended.then_some(device)
    }

    /// The broker says that a device's link broke.
    pub(super) fn gone(&mut self, device: &DeviceId, now_ms: u64) -> Option<Missed> {
        let id = *self.by_device.get(device)?;
        let quiet_ms = now_ms.saturating_sub(self.by_id.get(&id)?.last_ms);
        self.leave(id, device);
        Some(Missed { id, device: device.clone(), quiet_ms })
    }

    /// Devices of which nothing came for too long.
    pub(super) fn missed(&mut self, now_ms: u64) -> Vec<Missed> {
        let is_late = |session: &Session| {
            session.silent_after_ms.is_some_and(|silent_ms| now_ms.saturating_sub(session.last_ms) >= silent_ms)
        };
        let present = self.by_device.values().filter_map(|id| self.by_id.get(id));
        let late: Vec<DeviceId> =
            present.filter(|session| is_late(session)).map(|session| session.device.clone()).collect();
        late.iter().filter_map(|device| self.gone(device, now_ms)).collect()
    }

    /// The broker was away, and nothing could come: nobody is missed for that.
    pub(super) fn excuse(&mut self, now_ms: u64) {
        for session in self.by_id.values_mut() {
            session.last_ms = now_ms;
        }
    }

    fn leave(&mut self, id: ConnectionId, device: &DeviceId) {
        if self.by_device.get(device) == Some(&id) {
            self.by_device.remove(device);
        }
        if self.by_id.get(&id).is_some_and(|session| session.outstanding.is_empty() && !session.ended) {
            self.by_id.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str) -> DeviceId {
        DeviceId::new(name).expect("valid")
    }

    fn packet(link: u64, packet: u16) -> PacketRef {
        PacketRef { link, packet }
    }

    #[test]
    fn messages_are_acknowledged_in_the_order_in_which_they_came_of_each_device() {
        let mut all = Sessions::default();
        let (a, new) = all.of(&device("a"), 0);
        let (b, _) = all.of(&device("b"), 0);
        assert!(new && a != b && all.of(&device("a"), 1) == (a, false));
        for (id, one) in [(a, 1), (b, 2), (a, 3)] {
            all.handed(id, Some(packet(1, one)));
        }
        all.handed(a, None);
        assert_eq!((all.waiting(), all.devices()), (4, 2));
        assert_eq!(all.settled(a, 1), [packet(1, 1)]);
        assert_eq!(all.settled(a, 9), [packet(1, 3)], "and one that wants no acknowledgement");
        assert_eq!(all.settled(b, 1), [packet(1, 2)]);
        assert_eq!((all.waiting(), all.settled(b, 1)), (0, vec![]));
    }

    #[test]
    fn what_the_engine_ends_is_settled_first_and_then_closed() {
        let mut all = Sessions::default();
        let (old, _) = all.of(&device("a"), 0);
        all.handed(old, Some(packet(1, 1)));
        all.end(old);
        assert_eq!((all.take_closed(old), all.device(old)), (None, None));
        let (new, is_new) = all.of(&device("a"), 5);
        assert!(is_new && all.device(new) == Some(&device("a")));
        assert_eq!(all.settled(old, 1), [packet(1, 1)]);
        assert_eq!((all.take_closed(old), all.take_closed(old)), (Some(device("a")), None));
        assert_eq!((all.take_closed(new), all.device(new)), (None, Some(&device("a"))), "the present one stays");
    }

    #[test]
    fn a_device_is_missed_once_after_its_own_time_and_not_for_the_brokers_absence() {
        let mut all = Sessions::default();
        let (id, _) = all.of(&device("a"), 0);
        assert_eq!(all.missed(1 << 40), [], "before anybody said how long it may be silent");
        all.set_pace(id, 45_000);
        assert_eq!(all.missed(44_999), []);
        all.excuse(44_999);
        assert_eq!(all.missed(89_998), []);
        assert_eq!(all.missed(89_999), [Missed { id, device: device("a"), quiet_ms: 45_000 }]);
        assert_eq!((all.missed(1 << 40), all.devices()), (vec![], 0));
        let (again, new) = all.of(&device("a"), 1);
        assert!(new && again != id);
        all.handed(again, Some(packet(2, 7)));
        assert!(all.gone(&device("a"), 2).is_some() && all.gone(&device("a"), 2).is_none());
        assert_eq!(all.settled(again, 1), [packet(2, 7)], "what came of it is acknowledged all the same");
        assert_eq!((all.take_closed(again), all.waiting()), (None, 0), "the engine knows that already");
    }

    #[test]
    fn an_agent_that_began_anew_is_told_again_what_it_has_forgotten() {
        let mut all = Sessions::default();
        let (id, _) = all.of(&device("a"), 0);
        assert!(!all.began_anew(id, "1") && !all.began_anew(id, "1") && all.began_anew(id, "2"));
    }
}
