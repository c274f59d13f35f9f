//! Hashing passwords: one thread with one buffer, and a short queue that is fair.
//!
//! Argon2 takes 19 MiB and tens of milliseconds of one processor for each password. Many at once are a way to fill the memory and to keep
//! everyone waiting, so all that the server hashes goes through one thread ([`HashQueue::run`]). Whoever is known goes before strangers;
//! among strangers networks take turns, and an address has only a few places. Whoever finds no place is told to come again. The command line
//! calls [`hash`] and [`matches()`] itself.

use crate::pki::PkiError;
use ioc_common::random;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use argon2::password_hash::{Output, PasswordHash, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::oneshot;

use crate::connection_limit::{address_of, network_of};

/// Strangers that wait, in all, of one network and of one address.
const STRANGERS_MAX: usize = 64;
const PER_NETWORK_MAX: usize = 24;
const PER_ADDRESS_MAX: usize = 12;
/// Of those who are known: in all, and of one.
const KNOWN_MAX: usize = 64;
const PER_KNOWN_MAX: usize = 8;
/// After how many of the known a stranger has a turn.
const TURNS_OF_KNOWN: u32 = 8;
/// When someone who found no place should come again, seconds.
pub const RETRY_AFTER_S: u64 = 2;

/// Most memory that a stored hash may ask for, KiB: 64 MiB.
const MEMORY_MAX_KIB: u32 = 64 * 1024;
/// Most passes and lanes that it may ask for.
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 16;

/// Whoever waits for a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashRequester {
    /// Someone of whom nothing is known.
    Stranger(IpAddr),
    /// Whoever has shown a session, or a browser that has signed in before: by what they are known.
    Known(String),
}

/// There is no place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many people sign in at this moment; try again in {RETRY_AFTER_S} s")]
pub struct HashQueueFull;

/// The way to the hashing thread.
#[derive(Debug, Clone)]
pub struct HashQueue {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<FairQueue<HashJob>>,
    wake: Condvar,
}

struct HashJob(Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for HashJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashJob")
    }
}

impl HashQueue {
    /// Starts the thread. It ends when nobody can ask any more.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start() -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let own = Arc::clone(&shared);
        std::thread::Builder::new().name("hashing".to_owned()).spawn(move || own.work())?;
        Ok(Self { shared })
    }

    /// Does something with passwords on the hashing thread.
    ///
    /// # Errors
    /// [`HashQueueFull`] when there is no place, or the place went to someone of a network that asks less.
    pub async fn run<T: Send + 'static>(
        &self,
        requester: HashRequester,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashQueueFull> {
        let (done, answer) = oneshot::channel();
        let job = HashJob(Box::new(move || {
            // Nobody waits any more: the connection is gone.
            if !done.is_closed() {
                let _ = done.send(work());
            }
        }));
        let pushed = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).push(requester, job);
        pushed?;
        self.shared.wake.notify_one();
        answer.await.map_err(|_| HashQueueFull)
    }
}

impl Drop for HashQueue {
    fn drop(&mut self) {
        // The thread holds one, and this is the other.
        if Arc::strong_count(&self.shared) <= 2 {
            self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
            self.shared.wake.notify_all();
        }
    }
}

impl Shared {
    fn work(&self) {
        MEMORY.set(Some(Vec::new()));
        loop {
            let job = {
                let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                loop {
                    if let Some(job) = queue.pop() {
                        break job;
                    }
                    if queue.closed {
                        return;
                    }
                    queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
            };
            // One that fails takes nobody else's place with it.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job.0));
        }
    }
}

/// Who waits. Pure: it only says who is next.
#[derive(Debug)]
struct FairQueue<T> {
    known: VecDeque<(String, T)>,
    /// By network, in the order of their turns; each by age.
    strangers: VecDeque<(IpAddr, VecDeque<(IpAddr, T)>)>,
    turns_of_known: u32,
    closed: bool,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { known: VecDeque::new(), strangers: VecDeque::new(), turns_of_known: 0, closed: false }
    }
}

impl<T> FairQueue<T> {
    fn push(&mut self, requester: HashRequester, what: T) -> Result<(), HashQueueFull> {
        match requester {
            HashRequester::Known(who) => {
                let own = self.known.iter().filter(|(other, _)| *other == who).count();
                if self.known.len() >= KNOWN_MAX || own >= PER_KNOWN_MAX {
                    return Err(HashQueueFull);
                }
                self.known.push_back((who, what));
            }
            HashRequester::Stranger(peer) => {
                let (address, network) = (address_of(peer), network_of(peer));
                let at = self.strangers.iter().position(|(other, _)| *other == network);
                let beside = at.and_then(|at| self.strangers.get(at)).map(|(_, all)| all);
                let count = beside.map_or(0, VecDeque::len);
                let own = beside.map_or(0, |all| all.iter().filter(|(other, _)| *other == address).count());
                if own >= PER_ADDRESS_MAX || count >= PER_NETWORK_MAX {
                    return Err(HashQueueFull);
                }
                if self.strangers.iter().map(|(_, all)| all.len()).sum::<usize>() >= STRANGERS_MAX {
                    // The last of the network that asks most makes room for one that asks less.
                    let most = self.strangers.iter_mut().max_by_key(|(_, all)| all.len());
                    let most = most.filter(|(_, all)| all.len() > count + 1).ok_or(HashQueueFull)?;
                    most.1.pop_back();
                }
                match at.and_then(|at| self.strangers.get_mut(at)) {
                    Some((_, all)) => all.push_back((address, what)),
                    None => self.strangers.push_back((network, VecDeque::from([(address, what)]))),
                }
            }
        }
        Ok(())
    }

    fn pop(&mut self) -> Option<T> {
        let strangers_turn = self.turns_of_known >= TURNS_OF_KNOWN && !self.strangers.is_empty();
        if !strangers_turn && let Some((_, what)) = self.known.pop_front() {
            self.turns_of_known += 1;
            return Some(what);
        }
        self.turns_of_known = 0;
        let (network, mut all) = self.strangers.pop_front()?;
        let next = all.pop_front();
        if !all.is_empty() {
            self.strangers.push_back((network, all));
        }
        next.map(|(_, what)| what)
    }
}

thread_local! {
    /// What the hashing thread works in, kept for the next password: memory that is given back and taken again is memory that glibc keeps.
    /// Other threads keep none.
    static MEMORY: RefCell<Option<Vec<Block>>> = const { RefCell::new(None) };
}

fn derive(argon: &Argon2<'_>, password: &[u8], salt: &[u8], out: &mut [u8]) -> Result<(), argon2::Error> {
    let needed = argon.params().block_count();
    MEMORY.with_borrow_mut(|kept| {
        let mut own = Vec::new();
        let memory = kept.as_mut().unwrap_or(&mut own);
        if memory.len() < needed {
            memory.resize(needed, Block::default());
        }
        argon.hash_password_into_with_memory(password, salt, out, memory.get_mut(..needed).unwrap_or_default())
    })
}

/// The hash of a password as a PHC string. Slow on purpose.
///
/// # Errors
/// When the system gives no randomness.
pub fn hash(password: &str) -> Result<String, PkiError> {
    let failed = |error: argon2::password_hash::Error| PkiError::Make(error.to_string());
    let (argon, bytes) = (Argon2::default(), random::secret::<16>()?);
    let salt = SaltString::encode_b64(&bytes).map_err(failed)?;
    let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
    derive(&argon, password.as_bytes(), &bytes, &mut out).map_err(|error| PkiError::Make(error.to_string()))?;
    let made = PasswordHash {
        algorithm: Algorithm::default().ident(),
        version: Some(Version::default().into()),
        params: argon.params().try_into().map_err(failed)?,
        salt: Some(salt.as_salt()),
        hash: Some(Output::new(&out).map_err(failed)?),
    };
    Ok(made.to_string())
}

/// Whether a password has this hash, a PHC string of Argon2. One that asks for more memory or time than this program ever does has none.
/// Slow on purpose.
#[must_use]
pub fn matches(stored: &str, password: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(stored) else { return false };
    let (Ok(algorithm), Ok(params)) = (Algorithm::try_from(parsed.algorithm), Params::try_from(&parsed)) else {
        return false;
    };
    if params.m_cost() > MEMORY_MAX_KIB || params.t_cost() > PASSES_MAX || params.p_cost() > LANES_MAX {
        return false;
    }
    let version = parsed.version.map_or(Ok(Version::default()), Version::try_from);
    let (Ok(version), Some(salt), Some(expected)) = (version, parsed.salt, parsed.hash) else { return false };
    let mut bytes = [0; 64];
    let Ok(salt) = salt.decode_b64(&mut bytes) else { return false };
    let mut out = [0; Output::MAX_LENGTH];
    let Some(out) = out.get_mut(..expected.len()) else { return false };
    let argon = Argon2::new(algorithm, version, params);
    // Compared in constant time.
    derive(&argon, password.as_bytes(), salt, out).is_ok() && Output::new(out).is_ok_and(|out| out == expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_hash_is_what_others_make_and_one_that_asks_for_too_much_is_none() {
        use argon2::password_hash::PasswordVerifier as _;
        let made = hash("correct horse").expect("random");
        let parsed = PasswordHash::new(&made).expect("a PHC string");
        assert!(made.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{made}");
        assert!(Argon2::default().verify_password(b"correct horse", &parsed).is_ok(), "{made}");
        assert!(matches(&made, "correct horse") && !matches(&made, "battery"));
        // From the reference implementation: argon2i, and other costs than ours.
        let other = "$argon2i$v=19$m=256,t=2,p=2$c29tZXNhbHQ$T/XOJ2mh1/TIpJHfCdQan76Q5esCFVoT5MAeIM1Oq2E";
        assert!(matches(other, "password") && !matches(other, "passwort"));
        for wrong in ["", "$argon2id$v=19$m=19456,t=2,p=1$AAAA", "$scrypt$ln=15$AAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA"] {
            assert!(!matches(wrong, ""), "{wrong}");
        }
        MEMORY.set(Some(Vec::new()));
        let huge = made.replacen("m=19456", "m=4000000", 1);
        assert!(!matches(&huge, "correct horse"));
        assert!(!matches(&made.replacen("t=2", "t=4000000", 1), "correct horse"));
        assert!(MEMORY.take().is_some_and(|memory| memory.is_empty()), "no memory was taken for it");
    }

    fn drained(queue: &mut FairQueue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn networks_take_turns_and_the_known_go_first() {
        let mut queue = FairQueue::default();
        let flood = (0..1200).filter(|_| queue.push(HashRequester::Stranger(ip("192.0.2.1")), "flood").is_ok()).count();
        assert_eq!(flood, PER_ADDRESS_MAX);
        assert_eq!(queue.push(HashRequester::Stranger(ip("198.51.100.7")), "person"), Ok(()));
        assert_eq!(queue.push(HashRequester::Known("b".into()), "known"), Ok(()));
        let order = drained(&mut queue);
        assert_eq!(order.first().copied(), Some("known"));
        assert_eq!(order.iter().position(|one| *one == "person"), Some(2), "one of the flood is before them, no more");
    }

    #[test]
    fn a_full_queue_makes_room_for_networks_that_ask_less() {
        let mut queue = FairQueue::default();
        for network in 0..3 {
            for host in 0..24 {
                let _ = queue.push(HashRequester::Stranger(ip(&format!("10.0.{network}.{host}"))), "flood");
            }
        }
        let total = |queue: &FairQueue<_>| queue.strangers.iter().map(|(_, all)| all.len()).sum::<usize>();
        assert_eq!(total(&queue), STRANGERS_MAX);
        assert_eq!(queue.push(HashRequester::Stranger(ip("198.51.100.7")), "person"), Ok(()));
        assert_eq!(total(&queue), STRANGERS_MAX);
        assert!(drained(&mut queue)[..4].contains(&"person"));
    }

    #[test]
    fn the_known_do_not_shut_out_strangers_for_good() {
        let mut queue = FairQueue::default();
        for n in 0..KNOWN_MAX {
            queue.push(HashRequester::Known(n.to_string()), "known").expect("a place");
        }
        assert!((0..9).all(|_| queue.push(HashRequester::Known("x".into()), "known").is_err()));
        queue.push(HashRequester::Stranger(ip("192.0.2.1")), "stranger").expect("a place");
        let order = drained(&mut queue);
        assert_eq!(order.iter().position(|one| *one == "stranger"), Some(TURNS_OF_KNOWN as usize));
    }

    #[tokio::test]
    async fn work_is_done_on_one_thread_and_what_fails_ends_alone() {
        let hashing = HashQueue::start().expect("starts");
        let here = || HashRequester::Stranger(ip("192.0.2.1"));
        let name = hashing.run(here(), || std::thread::current().name().map(str::to_owned)).await;
        assert_eq!(name, Ok(Some("hashing".to_owned())));
        let failed: Result<(), HashQueueFull> = hashing.run(here(), || panic!("one")).await;
        assert_eq!(failed, Err(HashQueueFull));
        assert_eq!(hashing.run(here(), || 7).await, Ok(7));
    }
}
