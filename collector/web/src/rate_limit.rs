//! How often one may ask: a bucket of requests for each address that has shown nothing yet, and one for each session that is known.
//!
//! What someone makes up costs the address that it comes from, before anything is looked up (`sign_in::authentication`); a bucket of
//! one's own has only who is known. Whoever turns out to be welcome gets back what it cost.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use ioc_common::clock;

use crate::problem::Problem;
use crate::server::Peer;
use ioc_engine::connection_limit::{address_of, make_room, network_of};
use ioc_engine::refusal_reason::RefusalReason;

/// How much at once, and how many in a second from then on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    name: &'static str,
    burst: f64,
    per_second: f64,
}

/// Whatever strangers ask for that is looked up.
pub(crate) const REQUESTS: Rate = Rate { name: "requests", burst: 600.0, per_second: 40.0 };
/// Signing in, and all that could be guessed on the way: whoever guesses is slow.
pub(crate) const SIGN_IN: Rate = Rate { name: "sign-in", burst: 60.0, per_second: 1.0 };
/// Enrolling; whoever has a good token gets it back.
pub(crate) const ENROL: Rate = Rate { name: "enrol", burst: 300.0, per_second: 5.0 };
/// Links out of notices, and alerts of other systems; the same.
pub(crate) const LINK: Rate = Rate { name: "link", burst: 60.0, per_second: 1.0 };
/// A session: pages that live ask once a second, programs in series.
const SESSION: Rate = Rate { name: "session", burst: 300.0, per_second: 50.0 };
/// A calendar that somebody has subscribed to: programs look once in an hour or so.
const FEED: Rate = Rate { name: "feed", burst: 30.0, per_second: 0.05 };
/// Passwords and codes that someone who is signed in shows or chooses.
const ACCOUNT: Rate = Rate { name: "account", burst: 20.0, per_second: 0.2 };
/// A network has so many times what an address has.
const NETWORK_FACTOR: f64 = 4.0;
/// Buckets of each kind that are kept. Beyond that those go of which least was taken: they are as good as never seen.
const BUCKETS_MAX: usize = 10_000;

/// Whose bucket it is: an address, a network, or somebody who is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum BucketKey {
    Address(&'static str, IpAddr),
    Network(&'static str, IpAddr),
    Known(&'static str, String),
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at_ms: u64,
    burst: f64,
    per_second: f64,
}

impl Bucket {
    fn fill(&mut self, now_ms: u64) {
        let passed = now_ms.saturating_sub(self.at_ms) as f64 / 1000.0;
        self.left = (self.left + passed * self.per_second).min(self.burst);
        self.at_ms = self.at_ms.max(now_ms);
    }

    /// How long until there is one, seconds; none when there is.
    fn wait_s(&self) -> Option<f64> {
        (self.left < 1.0).then(|| ((1.0 - self.left) / self.per_second).ceil())
    }
}

#[derive(Debug, Default)]
struct Buckets(HashMap<BucketKey, Bucket>);

impl Buckets {
    fn of(&mut self, whose: BucketKey, rate: Rate, times: f64, now_ms: u64) -> &mut Bucket {
        if self.0.len() >= BUCKETS_MAX && !self.0.contains_key(&whose) {
            self.make_room(now_ms);
        }
        let (burst, per_second) = (rate.burst * times, rate.per_second * times);
        let bucket = self.0.entry(whose).or_insert(Bucket { left: burst, at_ms: now_ms, burst, per_second });
        bucket.fill(now_ms);
        bucket
    }

    /// Forgets those that are full, and if these are few an eighth of all: the fullest.
    fn make_room(&mut self, now_ms: u64) {
        self.0.retain(|_, bucket| {
            bucket.fill(now_ms);
            bucket.left < bucket.burst
        });
        // What is positive stands in the order of its bits.
        make_room(&mut self.0, BUCKETS_MAX, |bucket| (1.0 - bucket.left / bucket.burst).max(0.0).to_bits());
    }
}

/// What is left, by who asks. Strangers cannot touch the buckets of those who are known.
#[derive(Debug, Default)]
pub(crate) struct RateLimiter {
    unauthenticated: Mutex<Buckets>,
    known: Mutex<Buckets>,
}

/// The answer that says when to ask again.
type Refused = Box<Response>;

impl RateLimiter {
    /// Takes one request of an address and of its network: of both, or of none.
    ///
    /// # Errors
    /// The answer with status 429 that says when to ask again.
    pub(crate) fn take(&self, rate: Rate, peer: IpAddr, now_ms: u64) -> Result<(), Refused> {
        let mut all = self.unauthenticated.lock().unwrap_or_else(PoisonError::into_inner);
        let both = [
            (BucketKey::Address(rate.name, address_of(peer)), 1.0),
            (BucketKey::Network(rate.name, network_of(peer)), NETWORK_FACTOR),
        ];
        for (whose, times) in &both {
            if let Some(wait) = all.of(whose.clone(), rate, *times, now_ms).wait_s() {
                return Err(refused(wait));
            }
        }
        for (whose, times) in both {
            all.of(whose, rate, times, now_ms).left -= 1.0;
        }
        Ok(())
    }

    pub(crate) fn give_back(&self, rate: Rate, peer: IpAddr) {
        let mut all = self.unauthenticated.lock().unwrap_or_else(PoisonError::into_inner);
        for whose in [BucketKey::Address(rate.name, address_of(peer)), BucketKey::Network(rate.name, network_of(peer))]
        {
            if let Some(bucket) = all.0.get_mut(&whose) {
                bucket.left = (bucket.left + 1.0).min(bucket.burst);
            }
        }
    }

    fn take_known(&self, rate: Rate, who: &str, now_ms: u64) -> Result<(), Refused> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = all.of(BucketKey::Known(rate.name, who.to_owned()), rate, 1.0, now_ms);
        if let Some(wait) = bucket.wait_s() {
            return Err(refused(wait));
        }
        bucket.left -= 1.0;
        Ok(())
    }

    /// Takes one of whoever may still be anyone; the command line on this machine may always.
    ///
    /// # Errors
    /// The answer with status 429 that says when to ask again.
    pub(crate) fn take_unauthenticated(&self, rate: Rate, peer: &Peer) -> Result<(), Refused> {
        match peer {
            Peer::Local(_) => Ok(()),
            Peer::Remote(address) => self.take(rate, *address, now_ms()),
        }
    }

    /// Gives one back: they turned out to be welcome.
    pub(crate) fn refund(&self, rate: Rate, peer: &Peer) {
        if let Peer::Remote(address) = peer {
            self.give_back(rate, *address);
        }
    }

    /// One attempt to sign in: of the browser, where it has signed in before, and of the address else.
    ///
    /// # Errors
    /// When the bucket is empty: status 429.
    pub(crate) fn take_sign_in(&self, peer: &Peer, browser: Option<&str>) -> Result<(), Problem> {
        let taken = match browser {
            Some(browser) => self.take_known(SIGN_IN, browser, now_ms()),
            None => self.take_unauthenticated(SIGN_IN, peer),
        };
        taken.map_err(|_| too_often("too many attempts from this address; wait a minute"))
    }

    /// One look at a calendar, by the digest of its token.
    ///
    /// # Errors
    /// When the bucket is empty: status 429.
    pub(crate) fn take_feed(&self, digest: &str) -> Result<(), Problem> {
        let taken = self.take_known(FEED, digest, now_ms());
        taken.map_err(|_| too_often("this calendar is asked for too often; once in some minutes is enough"))
    }

    /// One attempt with passwords or codes of someone who is signed in.
    ///
    /// # Errors
    /// When the bucket is empty: status 429.
    pub(crate) fn take_account(&self, account: &str) -> Result<(), Problem> {
        let taken = self.take_known(ACCOUNT, account, now_ms());
        taken.map_err(|_| too_often("too many attempts; wait a minute"))
    }

    /// Whether a session was found lately.
    pub(crate) fn is_known_session(&self, digest: &str) -> bool {
        let all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.0.contains_key(&BucketKey::Known(SESSION.name, digest.to_owned()))
    }

    /// Takes one request of a session that was found lately, before it is looked up again. Of another nothing is taken, and nothing is
    /// remembered.
    ///
    /// # Errors
    /// When the bucket is empty: status 429.
    pub(crate) fn take_session(&self, digest: &str) -> Result<(), Refused> {
        if self.is_known_session(digest) { self.take_known(SESSION, digest, now_ms()) } else { Ok(()) }
    }

    /// Remembers whether the session was found.
    pub(crate) fn note_session(&self, digest: &str, found: bool) {
        if found {
            if !self.is_known_session(digest) {
                let _ = self.take_known(SESSION, digest, now_ms());
            }
        } else {
            let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            all.0.remove(&BucketKey::Known(SESSION.name, digest.to_owned()));
        }
    }
}

pub(crate) fn now_ms() -> u64 {
    clock::boottime_ms()
}

pub(crate) fn refused(wait_s: f64) -> Refused {
    let mut answer = too_often(&format!("too many requests; ask again in {wait_s} s")).into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("{wait_s}")) {
        answer.headers_mut().insert(header::RETRY_AFTER, value);
    }
    Box::new(answer)
}

/// What an answer carries whose asker was welcome without a session, such as a machine with a good token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValidToken;

/// What somebody is told who asks too often.
fn too_often(english: &str) -> Problem {
    Problem::too_often(RefusalReason::new("refusal-attempts", [], english))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { name: "test", burst: 3.0, per_second: 2.0 };

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn took(limits: &RateLimiter, peer: &str, times: usize, now_ms: u64) -> usize {
        (0..times).filter(|_| limits.take(RATE, ip(peer), now_ms).is_ok()).count()
    }

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let limits = RateLimiter::default();
        assert_eq!(took(&limits, "192.0.2.1", 5, 1000), 3);
        assert_eq!(took(&limits, "192.0.2.2", 1, 1000), 1, "each address has its own");
        let refused = limits.take(RATE, ip("192.0.2.1"), 1100).expect_err("empty");
        assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
        assert_eq!(took(&limits, "192.0.2.1", 1, 1600), 1);
        assert_eq!(took(&limits, "192.0.2.1", 1, 0), 0, "a clock that goes back gives nothing");
        limits.give_back(RATE, ip("192.0.2.1"));
        assert_eq!(took(&limits, "192.0.2.1", 2, 1600), 1, "whoever was welcome gets it back");
    }

    #[test]
    fn one_subscriber_of_ipv6_is_one_and_a_network_has_a_bound() {
        let limits = RateLimiter::default();
        assert_eq!((0..50).map(|n| took(&limits, &format!("2001:db8::{n:x}"), 1, 0)).sum::<usize>(), 3);
        let wide = (0..5000).map(|n| took(&limits, &format!("2001:db8:1:{n:x}::1"), 1, 0)).sum::<usize>();
        assert_eq!(wide, 12, "four times what one has");
    }

    #[test]
    fn made_up_names_and_many_addresses_fill_no_memory_and_refill_no_bucket() {
        let limits = RateLimiter::default();
        assert_eq!(took(&limits, "192.0.2.1", 5, 0), 3);
        limits.note_session("person", true);
        for n in 0..3 * BUCKETS_MAX as u32 {
            let made_up = format!("made up {n}");
            assert!(limits.take_session(&made_up).is_ok());
            limits.note_session(&made_up, false);
            let _ = limits.take(RATE, std::net::Ipv4Addr::from(0x0a00_0000 + (n << 8)).into(), 1);
        }
        assert!(limits.unauthenticated.lock().expect("unpoisoned").0.len() <= BUCKETS_MAX + 1);
        assert_eq!(limits.known.lock().expect("unpoisoned").0.len(), 1, "what is made up is not remembered");
        assert!(limits.is_known_session("person"));
        assert_eq!(took(&limits, "192.0.2.1", 5, 1), 0, "it is as empty as before");
    }

    #[test]
    fn a_browser_that_is_known_does_not_wait_for_its_neighbours() {
        let (limits, peer) = (RateLimiter::default(), Peer::Remote(ip("192.0.2.1")));
        while limits.take_sign_in(&peer, None).is_ok() {}
        assert!(limits.take_sign_in(&peer, Some("browser")).is_ok());
        assert!((0..100).any(|_| limits.take_sign_in(&peer, Some("browser")).is_err()), "but it has a bound, too");
        assert!(limits.take_sign_in(&Peer::Local(0), None).is_ok());
    }
}
