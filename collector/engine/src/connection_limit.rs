//! Who is connected, and who leaves when there are too many. Used by the server of the pages for every connection that it accepts; the
//! endpoint of devices counts its own by the same [`OriginCounts`].
//!
//! Nobody who comes is turned away: whoever is above a bound takes the place of a stranger of the same address, the same network, or of the
//! network that has most: first of one that waits, then of one that sends, last of one that is being answered; the oldest of them. Whoever
//! has shown a session has a place that no stranger takes. Deliberately absent: any memory of addresses beyond the connections that are open.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, Semaphore};

/// Connections of one session that have a place of their own; a browser opens six.
const PER_SESSION_MAX: usize = 64;
/// Handshakes of one address that are computed at once.
const TURNS_PER_ADDRESS: usize = 1;

/// How many strangers may be connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// From everywhere together.
    pub all: usize,
    /// From one address, or one /64 of IPv6.
    pub per_address: usize,
    /// From one network: /24 of IPv4, /48 of IPv6.
    pub per_network: usize,
}

/// An address as it is counted: whoever has one address of IPv6 has its whole /64.
#[must_use]
pub fn address_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// The network of an address: /24 of IPv4, /48 of IPv6.
#[must_use]
pub fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            Ipv4Addr::new(a, b, c, 0).into()
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()
        }
    }
}

/// What a connection is at: whoever waits leaves first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stage {
    /// It waits between two requests, or before its first.
    Waiting,
    /// It sends: its handshake, a request's head or body.
    Sending,
    /// It is being answered.
    Answered,
}

/// Where a connection comes from, as it is counted.
#[derive(Debug, Clone, Copy)]
pub struct PeerOrigin {
    address: IpAddr,
    network: IpAddr,
}

impl PeerOrigin {
    /// Where this address counts.
    #[must_use]
    pub fn of(peer: IpAddr) -> Self {
        Self { address: address_of(peer), network: network_of(peer) }
    }
}

/// Connections counted by where they come from; their numbers are their ages.
#[derive(Debug, Default)]
pub struct OriginCounts {
    addresses: HashMap<IpAddr, Address>,
    networks: HashMap<IpAddr, BTreeSet<u64>>,
}

#[derive(Debug)]
struct Address {
    places: BTreeSet<u64>,
    turn: Arc<Semaphore>,
}

impl OriginCounts {
    /// Those of its address, or else of its network, where they are so many that one of them leaves for another.
    #[must_use]
    pub fn full(&self, from: PeerOrigin, bounds: &Bounds) -> Option<&BTreeSet<u64>> {
        let own = self.addresses.get(&from.address).map(|own| &own.places);
        let beside = self.networks.get(&from.network);
        let full = |places: &&BTreeSet<u64>, most| places.len() >= most;
        own.filter(|places| full(places, bounds.per_address))
            .or_else(|| beside.filter(|places| full(places, bounds.per_network)))
    }

    /// Counts one more connection. Gives whose turn it is among those of the same address.
    pub fn enter(&mut self, id: u64, from: PeerOrigin) -> Arc<Semaphore> {
        let fresh = || Address { places: BTreeSet::new(), turn: Arc::new(Semaphore::new(TURNS_PER_ADDRESS)) };
        let own = self.addresses.entry(from.address).or_insert_with(fresh);
        own.places.insert(id);
        self.networks.entry(from.network).or_default().insert(id);
        Arc::clone(&own.turn)
    }

    /// Counts a connection no more.
    pub fn leave(&mut self, id: u64, from: PeerOrigin) {
        if let Some(own) = self.addresses.get_mut(&from.address) {
            own.places.remove(&id);
            if own.places.is_empty() {
                self.addresses.remove(&from.address);
            }
        }
        if let Some(beside) = self.networks.get_mut(&from.network) {
            beside.remove(&id);
            if beside.is_empty() {
                self.networks.remove(&from.network);
            }
        }
    }

    /// Those of the network that has most.
    fn widest(&self) -> Option<&BTreeSet<u64>> {
        self.networks.values().max_by_key(|beside| beside.len())
    }

    /// Whether nothing is counted any more.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.networks.is_empty()
    }
}

/// How many may be connected, and who is.
#[derive(Debug)]
pub struct ConnectionLimit {
    bounds: Bounds,
    /// How many may be connected who have shown a session, beside the strangers.
    known_max: usize,
    all: Mutex<Occupancy>,
}

#[derive(Debug, Default)]
struct Occupancy {
    next: u64,
    /// Every stranger, by age.
    strangers: BTreeMap<u64, Stranger>,
    origins: OriginCounts,
    /// How many connections each session has, and all.
    sessions: HashMap<String, usize>,
    known: usize,
}

#[derive(Debug)]
struct Stranger {
    from: PeerOrigin,
    stage: Arc<AtomicU8>,
    leave: Arc<Notify>,
}

impl ConnectionLimit {
    /// Nobody is there yet. Beside the strangers, `known_max` connections may have shown a session.
    #[must_use]
    pub fn new(bounds: Bounds, known_max: usize) -> Arc<Self> {
        Arc::new(Self { bounds, known_max, all: Mutex::default() })
    }

    /// Lets a connection in. Another leaves where there are too many.
    #[must_use]
    pub fn enter(self: &Arc<Self>, peer: IpAddr) -> ConnectionSlot {
        let from = PeerOrigin::of(peer);
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        // Room is made before it enters: it is never the one that leaves.
        let widest = || all.origins.widest().filter(|_| all.strangers.len() >= self.bounds.all);
        let leaves = all.origins.full(from, &self.bounds).or_else(widest).and_then(|places| all.first_to_leave(places));
        if let Some(gone) = leaves.and_then(|id| all.remove(id)) {
            gone.leave.notify_one();
        }
        all.next += 1;
        let id = all.next;
        let (leave, stage) = (Arc::new(Notify::new()), Arc::new(AtomicU8::new(Stage::Sending as u8)));
        let turn = all.origins.enter(id, from);
        let stranger = Stranger { from, stage: Arc::clone(&stage), leave: Arc::clone(&leave) };
        all.strangers.insert(id, stranger);
        drop(all);
        ConnectionSlot { limit: Arc::clone(self), id, stage, leave, turn, session: Mutex::default() }
    }
}

impl Occupancy {
    /// Which of these leaves first.
    fn first_to_leave(&self, places: &BTreeSet<u64>) -> Option<u64> {
        let stage = |id: &u64| self.strangers.get(id).map(|one| one.stage.load(Relaxed));
        places.iter().min_by_key(|id| (stage(id), **id)).copied()
    }

    fn remove(&mut self, id: u64) -> Option<Stranger> {
        let gone = self.strangers.remove(&id)?;
        self.origins.leave(id, gone.from);
        Some(gone)
    }

    fn forget_session(&mut self, session: &str) {
        if let Some(count) = self.sessions.get_mut(session) {
            *count -= 1;
            self.known -= 1;
            if *count == 0 {
                self.sessions.remove(session);
            }
        }
    }
}

/// A connection's place, given back when it is dropped.
#[derive(Debug)]
pub struct ConnectionSlot {
    limit: Arc<ConnectionLimit>,
    id: u64,
    stage: Arc<AtomicU8>,
    leave: Arc<Notify>,
    turn: Arc<Semaphore>,
    session: Mutex<Option<String>>,
}

impl ConnectionSlot {
    /// Waits until another takes this place.
    pub async fn evicted(&self) {
        self.leave.notified().await;
    }

    /// Whose turn it is among those of the same address.
    #[must_use]
    pub fn turn(&self) -> &Semaphore {
        &self.turn
    }

    /// What it is at now.
    pub fn set_stage(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
    }

    /// It has shown this session: no stranger takes its place any more, as long as there are places for those who are known.
    pub fn prove(&self, session: &str) {
        let mut own = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if own.is_some() {
            return;
        }
        let mut all = self.limit.all.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.sessions.get(session).copied().unwrap_or(0);
        if count >= PER_SESSION_MAX || all.known >= self.limit.known_max || all.remove(self.id).is_none() {
            return;
        }
        all.sessions.insert(session.to_owned(), count + 1);
        all.known += 1;
        *own = Some(session.to_owned());
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut all = self.limit.all.lock().unwrap_or_else(PoisonError::into_inner);
        match self.session.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            Some(session) => all.forget_session(&session),
            None => drop(all.remove(self.id)),
        }
    }
}

/// Has an eighth of `most` free again, by forgetting those that `rank` lowest: one by one would go over all of them each time.
pub fn make_room<K: Eq + Hash, V>(all: &mut HashMap<K, V>, most: usize, rank: impl Fn(&V) -> u64) {
    let kept = most / 8 * 7;
    let Some(last) = all.len().checked_sub(kept + 1) else { return };
    let mut ranks: Vec<u64> = all.values().map(&rank).collect();
    let (below, limit, _) = ranks.select_nth_unstable(last);
    let limit = *limit;
    // Of those that rank the same, so many as are to go.
    let mut same = last + 1 - below.iter().filter(|rank| **rank < limit).count();
    all.retain(|_, one| match rank(one).cmp(&limit) {
        Ordering::Less => false,
        Ordering::Equal if same > 0 => {
            same -= 1;
            false
        }
        _ => true,
    });
}

/// A limit of what each of many may have a few of, such as live pages of a session.
#[derive(Debug)]
pub struct PerKeyLimit {
    each: usize,
    all: usize,
    open: Mutex<HashMap<String, usize>>,
}

impl PerKeyLimit {
    /// At most so many for each, and in all.
    #[must_use]
    pub fn new(each: usize, all: usize) -> Arc<Self> {
        Arc::new(Self { each, all, open: Mutex::default() })
    }

    /// One more for `who`, until it is dropped; none when they have as many as they may.
    #[must_use]
    pub fn acquire(self: &Arc<Self>, who: &str) -> Option<Permit> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.get(who).copied().unwrap_or(0);
        if count >= self.each || open.values().sum::<usize>() >= self.all {
            return None;
        }
        open.insert(who.to_owned(), count + 1);
        Some(Permit { limit: Arc::clone(self), who: who.to_owned() })
    }
}

/// One of what a [`PerKeyLimit`] counts, given back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    limit: Arc<PerKeyLimit>,
    who: String,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.limit.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn gone(place: &ConnectionSlot) -> bool {
        place.evicted().now_or_never().is_some()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn crowd(all: usize, per_address: usize, per_network: usize, known: usize) -> Arc<ConnectionLimit> {
        ConnectionLimit::new(Bounds { all, per_address, per_network }, known)
    }

    #[test]
    fn a_flood_takes_its_own_places_first() {
        let crowd = crowd(10, 3, 5, 2);
        let other = crowd.enter(ip("192.0.2.9"));
        let flood: Vec<_> = (0..100).map(|_| crowd.enter(ip("192.0.2.1"))).collect();
        assert_eq!(flood.iter().filter(|one| !gone(one)).count(), 3, "of one address");
        assert!(!gone(&other));
        let more: Vec<_> = (0..100).map(|at| crowd.enter(ip(&format!("198.51.100.{at}")))).collect();
        assert_eq!(more.iter().filter(|one| !gone(one)).count(), 5, "of one network");
        let wide: Vec<_> = (0..100).map(|at| crowd.enter(ip(&format!("2001:db8:{at:x}::1")))).collect();
        assert_eq!(crowd.all.lock().expect("unpoisoned").strangers.len(), 10, "in all");
        assert!(!gone(wide.last().expect("one")), "whoever comes is let in");
        drop((other, flood, more, wide));
        let all = crowd.all.lock().expect("unpoisoned");
        assert!(all.strangers.is_empty() && all.origins.is_empty());
    }

    #[test]
    fn who_waits_leaves_before_who_sends_and_who_is_answered_last() {
        let crowd = crowd(10, 3, 5, 2);
        let [answered, sending, waiting] = [Stage::Answered, Stage::Sending, Stage::Waiting].map(|stage| {
            let place = crowd.enter(ip("192.0.2.1"));
            place.set_stage(stage);
            place
        });
        let _a = crowd.enter(ip("192.0.2.1"));
        assert!(gone(&waiting) && !gone(&sending));
        let _b = crowd.enter(ip("192.0.2.1"));
        assert!(gone(&sending) && !gone(&answered));
    }

    #[test]
    fn who_has_shown_a_session_is_taken_by_no_stranger() {
        let crowd = crowd(4, 2, 3, 3);
        let known = crowd.enter(ip("192.0.2.1"));
        known.prove("a");
        known.prove("b");
        let flood: Vec<_> = (0..50).map(|_| crowd.enter(ip("192.0.2.1"))).collect();
        assert!(!gone(&known));
        // There are places for so many, and whoever is above them is as strange as before.
        for place in flood.iter().rev().take(3) {
            place.prove("a");
        }
        assert_eq!(crowd.all.lock().expect("unpoisoned").known, 3);
        drop((known, flood));
        let all = crowd.all.lock().expect("unpoisoned");
        assert!(all.known == 0 && all.sessions.is_empty() && all.strangers.is_empty());
    }

    #[test]
    fn each_may_have_a_few_and_all_together_some() {
        let counted = PerKeyLimit::new(2, 3);
        let own: Vec<_> = (0..3).map(|_| counted.acquire("a")).collect();
        assert_eq!(own.iter().flatten().count(), 2);
        let other = counted.acquire("b");
        assert!(other.is_some() && counted.acquire("c").is_none());
        drop((own, other));
        assert!(counted.open.lock().expect("unpoisoned").is_empty());
    }

    #[test]
    fn room_is_made_by_forgetting_the_lowest_and_of_equals_only_so_many() {
        let ranked = |ranks: &[u64]| ranks.iter().copied().enumerate().collect::<HashMap<_, _>>();
        let mut all = ranked(&(0..100).collect::<Vec<_>>());
        make_room(&mut all, 80, |rank| *rank);
        assert_eq!((all.len(), all.values().min()), (70, Some(&30)));
        make_room(&mut all, 80, |rank| *rank);
        assert_eq!(all.len(), 70, "there is room");
        let mut all = ranked(&[5, 5, 5, 5, 1, 5, 5, 5, 5, 9]);
        make_room(&mut all, 8, |rank| *rank);
        let mut left: Vec<_> = all.into_values().collect();
        left.sort_unstable();
        assert_eq!(left, [5, 5, 5, 5, 5, 5, 9]);
    }

    #[test]
    fn addresses_are_counted_by_what_one_subscriber_has() {
        assert_eq!(address_of(ip("::ffff:192.0.2.7")), ip("192.0.2.7"));
        assert_eq!(address_of(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
        assert_eq!(network_of(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1::"));
        assert_eq!(network_of(ip("192.0.2.7")), ip("192.0.2.0"));
    }
}
