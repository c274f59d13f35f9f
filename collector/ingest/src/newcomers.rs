//! Sockets that are open but have not yet shown who they are. Called by the endpoint for every socket that it accepts.
//!
//! Nobody is turned away: a newcomer above a bound takes the slot of the oldest one of its address, its network or of all, since whoever
//! means well has done in a moment what others put off for long. Whoever has shown a good certificate gives its slot among strangers back,
//! and is kept apart by its device. Deliberately absent: any memory of addresses beyond the sockets that are open.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, Semaphore};

use ioc_common::id::DeviceId;
use ioc_engine::connection_limit::{Bounds, OriginCounts, PeerOrigin};

/// Links of one device that wait for their CONNECT; it needs one.
const PER_DEVICE_MAX: usize = 4;

/// Sockets that have not sent their CONNECT yet, within bounds.
#[derive(Debug)]
pub(super) struct Newcomers {
    bounds: Bounds,
    sockets: Mutex<OpenSockets>,
}

#[derive(Debug, Default)]
struct OpenSockets {
    next: u64,
    /// By number, which is their age.
    all: BTreeMap<u64, Newcomer>,
    /// Those that have not shown a certificate.
    strangers: BTreeSet<u64>,
    origins: OriginCounts,
    devices: HashMap<DeviceId, BTreeSet<u64>>,
}

#[derive(Debug)]
struct Newcomer {
    from: PeerOrigin,
    device: Option<DeviceId>,
    leave: Arc<Notify>,
}

impl Newcomers {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, sockets: Mutex::default() })
    }

    /// Lets a socket in. The oldest of its address, its network and of all leave where they are too many.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr) -> NewcomerSlot {
        let from = PeerOrigin::of(peer);
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        // Room is made before it enters: it is never the one that leaves.
        let oldest = sockets.origins.full(from, &self.bounds).and_then(|places| places.first().copied());
        if let Some(oldest) = oldest {
            sockets.send_away(oldest);
        }
        if sockets.strangers.len() >= self.bounds.all
            && let Some(oldest) = sockets.strangers.first().copied()
        {
            sockets.send_away(oldest);
        }
        sockets.next += 1;
        let id = sockets.next;
        let leave = Arc::new(Notify::new());
        sockets.all.insert(id, Newcomer { from, device: None, leave: Arc::clone(&leave) });
        sockets.strangers.insert(id);
        let turn = sockets.origins.enter(id, from);
        drop(sockets);
        NewcomerSlot { newcomers: Arc::clone(self), id, leave, turn }
    }
}

impl OpenSockets {
    fn send_away(&mut self, id: u64) {
        if let Some(gone) = self.remove(id) {
            gone.leave.notify_one();
        }
    }

    fn remove(&mut self, id: u64) -> Option<Newcomer> {
        let gone = self.all.remove(&id)?;
        self.forget_address(id, gone.from);
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

    fn forget_address(&mut self, id: u64, from: PeerOrigin) {
        self.strangers.remove(&id);
        self.origins.leave(id, from);
    }
}

/// A newcomer's slot, given back when it is dropped.
#[derive(Debug)]
pub(super) struct NewcomerSlot {
    newcomers: Arc<Newcomers>,
    id: u64,
    leave: Arc<Notify>,
    turn: Arc<Semaphore>,
}

impl NewcomerSlot {
    /// Waits until a later one takes this slot.
    pub(super) async fn evicted(&self) {
        self.leave.notified().await;
    }

    /// Whose turn it is among those of the same address.
    pub(super) fn turn(&self) -> &Semaphore {
        &self.turn
    }

    /// It has shown the certificate of this device: no stranger takes its slot any more.
    pub(super) fn prove(&self, device: &DeviceId) {
        let mut sockets = self.newcomers.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(newcomer) = sockets.all.get_mut(&self.id) else { return };
        newcomer.device = Some(device.clone());
        let from = newcomer.from;
        sockets.forget_address(self.id, from);
        let own = sockets.devices.entry(device.clone()).or_default();
        own.insert(self.id);
        if own.len() > PER_DEVICE_MAX
            && let Some(oldest) = own.first().copied()
        {
            sockets.send_away(oldest);
        }
    }
}

impl Drop for NewcomerSlot {
    fn drop(&mut self) {
        self.newcomers.sockets.lock().unwrap_or_else(PoisonError::into_inner).remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn gone(slot: &NewcomerSlot) -> bool {
        slot.evicted().now_or_never().is_some()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_oldest_of_the_same_address_or_network_or_of_all_leaves() {
        let newcomers = Newcomers::new(Bounds { all: 6, per_address: 2, per_network: 3 });
        let a: Vec<_> = (0..3).map(|_| newcomers.enter(ip("192.0.2.1"))).collect();
        assert_eq!(a.iter().map(gone).collect::<Vec<_>>(), [true, false, false]);
        let b = newcomers.enter(ip("192.0.2.2"));
        let c = newcomers.enter(ip("192.0.2.3"));
        assert!(gone(&a[1]) && !gone(&a[2]) && !gone(&b) && !gone(&c), "the network is full");
        let others: Vec<_> = (0..4).map(|at| newcomers.enter(ip(&format!("2001:db8:{at}::1")))).collect();
        assert!(gone(&a[2]) && !gone(&b), "all places are taken");
        drop((a, b, c, others));
        let sockets = newcomers.sockets.lock().expect("unpoisoned");
        assert!(sockets.all.is_empty() && sockets.strangers.is_empty() && sockets.origins.is_empty());
    }

    #[test]
    fn who_has_shown_a_certificate_is_taken_by_no_stranger() {
        let newcomers = Newcomers::new(Bounds { all: 2, per_address: 2, per_network: 2 });
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
        assert!(gone(&known) && own.iter().all(|slot| !gone(slot)));
    }
}
