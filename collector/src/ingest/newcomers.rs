//! Sockets that are open but have not yet shown who they are. Called by the endpoint for every socket that it accepts.
//!
//! Nobody is turned away: a newcomer above a bound takes the place of the oldest one of its address, its network or of all, since whoever
//! means well has done in a moment what others put off for long. Whoever has shown a good certificate gives its place among strangers back,
//! and is kept apart by its device. Deliberately absent: any memory of addresses beyond the sockets that are open.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, Semaphore};

use ioc_common::id::DeviceId;
use ioc_engine::connection_limit::NewcomerBounds;

/// Links of one device that wait for their CONNECT; it needs one.
const PER_DEVICE_MAX: usize = 4;
/// Handshakes of one address that are computed at once.
const TURNS_PER_ADDRESS: usize = 1;

/// The newcomers.
#[derive(Debug)]
pub(super) struct Newcomers {
    bounds: NewcomerBounds,
    crowd: Mutex<Crowd>,
}

#[derive(Debug, Default)]
struct Crowd {
    next: u64,
    /// By age.
    all: BTreeMap<u64, Newcomer>,
    /// Those that have not shown a certificate.
    strangers: BTreeSet<u64>,
    addresses: HashMap<IpAddr, Address>,
    networks: HashMap<IpAddr, BTreeSet<u64>>,
    devices: HashMap<DeviceId, BTreeSet<u64>>,
}

#[derive(Debug)]
struct Newcomer {
    address: IpAddr,
    network: IpAddr,
    device: Option<DeviceId>,
    leave: Arc<Notify>,
}

#[derive(Debug)]
struct Address {
    places: BTreeSet<u64>,
    turn: Arc<Semaphore>,
}

impl Newcomers {
    pub(super) fn new(bounds: NewcomerBounds) -> Arc<Self> {
        Arc::new(Self { bounds, crowd: Mutex::default() })
    }

    /// Lets a socket in. The oldest of its address, its network and of all leave where they are too many.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr) -> Place {
        let (address, network) = parts(peer);
        let mut crowd = self.crowd.lock().unwrap_or_else(PoisonError::into_inner);
        crowd.next += 1;
        let id = crowd.next;
        let leave = Arc::new(Notify::new());
        crowd.all.insert(id, Newcomer { address, network, device: None, leave: Arc::clone(&leave) });
        crowd.strangers.insert(id);
        let own = crowd
            .addresses
            .entry(address)
            .or_insert_with(|| Address { places: BTreeSet::new(), turn: Arc::new(Semaphore::new(TURNS_PER_ADDRESS)) });
        own.places.insert(id);
        let turn = Arc::clone(&own.turn);
        let over_address = (own.places.len() > self.bounds.per_address).then(|| own.places.first().copied()).flatten();
        let beside = crowd.networks.entry(network).or_default();
        beside.insert(id);
        let over_network = (beside.len() > self.bounds.per_network).then(|| beside.first().copied()).flatten();
        if let Some(oldest) = over_address.or(over_network) {
            crowd.send_away(oldest);
        }
        if crowd.strangers.len() > self.bounds.all
            && let Some(oldest) = crowd.strangers.first().copied()
        {
            crowd.send_away(oldest);
        }
        drop(crowd);
        Place { newcomers: Arc::clone(self), id, leave, turn }
    }
}

impl Crowd {
    fn send_away(&mut self, id: u64) {
        if let Some(gone) = self.remove(id) {
            gone.leave.notify_one();
        }
    }

    fn remove(&mut self, id: u64) -> Option<Newcomer> {
        let gone = self.all.remove(&id)?;
        self.forget_address(id, gone.address, gone.network);
        if let Some(device) = &gone.device
            && let Some(places) = self.devices.get_mut(device)
        {
            places.remove(&id);
            if places.is_empty() {
                self.devices.remove(device);
            }
        }
        Some(gone)
    }

    fn forget_address(&mut self, id: u64, address: IpAddr, network: IpAddr) {
        self.strangers.remove(&id);
        if let Some(own) = self.addresses.get_mut(&address) {
            own.places.remove(&id);
            if own.places.is_empty() {
                self.addresses.remove(&address);
            }
        }
        if let Some(beside) = self.networks.get_mut(&network) {
            beside.remove(&id);
            if beside.is_empty() {
                self.networks.remove(&network);
            }
        }
    }
}

/// A newcomer's place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    newcomers: Arc<Newcomers>,
    id: u64,
    leave: Arc<Notify>,
    turn: Arc<Semaphore>,
}

impl Place {
    /// Waits until a later one takes this place.
    pub(super) async fn taken(&self) {
        self.leave.notified().await;
    }

    /// Whose turn it is among those of the same address.
    pub(super) fn turn(&self) -> &Semaphore {
        &self.turn
    }

    /// It has shown the certificate of this device: no stranger takes its place any more.
    pub(super) fn prove(&self, device: &DeviceId) {
        let mut crowd = self.newcomers.crowd.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(newcomer) = crowd.all.get_mut(&self.id) else { return };
        newcomer.device = Some(device.clone());
        let (address, network) = (newcomer.address, newcomer.network);
        crowd.forget_address(self.id, address, network);
        let own = crowd.devices.entry(device.clone()).or_default();
        own.insert(self.id);
        if own.len() > PER_DEVICE_MAX
            && let Some(oldest) = own.first().copied()
        {
            crowd.send_away(oldest);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.newcomers.crowd.lock().unwrap_or_else(PoisonError::into_inner).remove(self.id);
    }
}

/// An address and its network, as they are counted. Whoever has one address of IPv6 has its whole /64.
fn parts(peer: IpAddr) -> (IpAddr, IpAddr) {
    match peer.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            (address.into(), Ipv4Addr::new(a, b, c, 0).into())
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            (Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into(), Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn gone(place: &Place) -> bool {
        place.taken().now_or_never().is_some()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_oldest_of_the_same_address_or_network_or_of_all_leaves() {
        let newcomers = Newcomers::new(NewcomerBounds { all: 6, per_address: 2, per_network: 3 });
        let a: Vec<_> = (0..3).map(|_| newcomers.enter(ip("192.0.2.1"))).collect();
        assert_eq!(a.iter().map(gone).collect::<Vec<_>>(), [true, false, false]);
        let b = newcomers.enter(ip("192.0.2.2"));
        let c = newcomers.enter(ip("192.0.2.3"));
        assert!(gone(&a[1]) && !gone(&a[2]) && !gone(&b) && !gone(&c), "the network is full");
        let others: Vec<_> = (0..4).map(|at| newcomers.enter(ip(&format!("2001:db8:{at}::1")))).collect();
        assert!(gone(&a[2]) && !gone(&b), "all places are taken");
        drop((a, b, c, others));
        let crowd = newcomers.crowd.lock().expect("unpoisoned");
        assert!(
            crowd.all.is_empty()
                && crowd.strangers.is_empty()
                && crowd.addresses.is_empty()
                && crowd.networks.is_empty()
        );
    }

    #[test]
    fn who_has_shown_a_certificate_is_taken_by_no_stranger() {
        let newcomers = Newcomers::new(NewcomerBounds { all: 2, per_address: 2, per_network: 2 });
        let device = DeviceId::new("srv-01").expect("valid");
        let known = newcomers.enter(ip("192.0.2.1"));
        known.prove(&device);
        let _others: Vec<_> = (0..9).map(|_| newcomers.enter(ip("192.0.2.1"))).collect();
        assert!(!gone(&known));
        // But a device has no more than it needs.
        let mut own: Vec<_> = Vec::new();
        for _ in 0..PER_DEVICE_MAX {
            own.push(newcomers.enter(ip("198.51.100.1")));
            own.last().expect("one").prove(&device);
        }
        assert!(gone(&known) && own.iter().all(|place| !gone(place)));
    }
}
