//! A rate limit for lines of the log that strangers can cause: one line of each kind and network in a minute, and a few of each kind in
//! all. The next line says how many were left out. Without it, anyone who sends nonsense could fill the journal and the audit log.
//! Everything is counted in metrics all the same.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::connection_limit::network_of;

/// One line of a kind and network is written within this, and
const WITHIN_MS: u64 = 60_000;
/// so many lines of a kind from everywhere.
const PER_KIND_MAX: u32 = 20;
/// Most kinds and networks that are remembered.
const NETWORKS_MAX: usize = 2000;

/// Which lines were written within the last minute.
#[derive(Debug, Default)]
pub struct LogRateLimit(Mutex<RateState>);

#[derive(Debug, Default)]
struct RateState {
    kinds: HashMap<&'static str, KindLines>,
    networks: HashMap<(&'static str, IpAddr), u64>,
}

#[derive(Debug, Default)]
struct KindLines {
    since_ms: u64,
    lines: u32,
    left_out: u64,
}

impl LogRateLimit {
    /// Whether a line of this kind may be written at this moment of the boot clock, and if so how many of its kind were left out before it.
    /// Without an address only the lines of the kind are counted: it comes from this machine, or from a device that is known by name.
    pub fn allows(&self, kind: &'static str, peer: Option<IpAddr>, now_ms: u64) -> Option<u64> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let RateState { kinds, networks } = &mut *lines;
        let own = kinds.entry(kind).or_default();
        if now_ms.saturating_sub(own.since_ms) >= WITHIN_MS {
            (own.since_ms, own.lines) = (now_ms, 0);
        }
        if networks.len() >= NETWORKS_MAX {
            networks.retain(|_, at| now_ms.saturating_sub(*at) < WITHIN_MS);
        }
        let key = peer.map(|peer| (kind, network_of(peer)));
        let at = key.and_then(|key| networks.get(&key));
        let recent = at.is_some_and(|at| now_ms.saturating_sub(*at) < WITHIN_MS);
        if recent || own.lines >= PER_KIND_MAX {
            own.left_out += 1;
            return None;
        }
        // Only networks whose line was written are remembered: a few of each kind in a minute, so that the map has a bound.
        networks.extend(key.map(|key| (key, now_ms)));
        own.lines += 1;
        Some(std::mem::take(&mut own.left_out))
    }

    /// How many lines of each kind were left out and not mentioned yet. To be asked now and then, for floods after which no other line of the
    /// kind is written.
    pub fn left_out(&self, now_ms: u64) -> Vec<(&'static str, u64)> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = lines.kinds.iter_mut().filter(|(_, kind)| now_ms.saturating_sub(kind.since_ms) >= WITHIN_MS);
        quiet.map(|(name, kind)| (*name, std::mem::take(&mut kind.left_out))).filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(a: u32) -> Option<IpAddr> {
        Some(std::net::Ipv4Addr::from(0x0a00_0000 + (a << 8)).into())
    }

    #[test]
    fn a_flood_is_a_line_a_minute_and_says_how_many_it_left_out() {
        let (log_limit, start) = (LogRateLimit::default(), 1_000_000);
        assert_eq!((0..1000).filter(|_| log_limit.allows("enrolment", ip(1), start).is_some()).count(), 1);
        assert_eq!(log_limit.allows("enrolment", ip(2), start), Some(999), "another network has its own line");
        assert_eq!(log_limit.allows("sign-in", ip(1), start), Some(0), "another kind, too");
        assert_eq!(log_limit.allows("enrolment", ip(1), start + 59_999), None);
        assert_eq!(log_limit.allows("enrolment", ip(1), start + 60_000), Some(1));
    }

    #[test]
    fn without_an_address_a_flood_is_some_lines_a_minute_of_each_kind() {
        let (log_limit, start) = (LogRateLimit::default(), 1_000_000);
        assert_eq!((0..1000).filter(|_| log_limit.allows("packet", None, start).is_some()).count(), 20);
        assert_eq!(log_limit.allows("topic", None, start), Some(0), "another kind has its own lines");
        assert_eq!(log_limit.allows("packet", None, start + WITHIN_MS), Some(980));
        assert_eq!(log_limit.allows("packet", None, start + WITHIN_MS), Some(0));
    }

    #[test]
    fn many_networks_are_a_few_lines_and_what_was_left_out_is_said_at_last() {
        let log_limit = LogRateLimit::default();
        let lines = (0..100_000).filter(|n| log_limit.allows("enrolment", ip(*n), 5).is_some()).count();
        assert_eq!(lines, PER_KIND_MAX as usize);
        assert!(log_limit.0.lock().expect("unpoisoned").networks.len() <= NETWORKS_MAX);
        assert_eq!(log_limit.left_out(5), [], "the minute is not over");
        assert_eq!(log_limit.left_out(60_005), [("enrolment", 100_000 - u64::from(PER_KIND_MAX))]);
        assert_eq!(log_limit.left_out(60_005), []);
    }
}
