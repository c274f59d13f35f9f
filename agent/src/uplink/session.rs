//! The uplink's state machine, without clock or socket: when to connect, what may be sent, what is committed, and when a link that looks
//! open is dead.

use std::collections::VecDeque;

use ioc_common::backoff::retry_ms;
use ioc_common::report::Position;

/// Most reports that are sent and not yet committed. The collector stops reading a connection at 64.
pub const WINDOW: usize = 32;
/// A link on which nothing is committed for this long, though something waits, is dead.
pub const STALL_MS: u64 = 30_000;
/// How long to wait for the first watermark. A plain broker has none to send; then sending starts from what is known.
pub const GREETING_MS: u64 = 5000;
/// Back-off between connections: doubled from the first, with jitter, up to the last.
const BACKOFF_FIRST_MS: u64 = 1000;
const BACKOFF_LAST_MS: u64 = 60_000;
/// What the collector misses is sent again at most this often: several of its messages ask for the same.
const RESEND_EVERY_MS: u64 = 5000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Wait until then, and connect.
    Down { retry_at_ms: u64 },
    /// The driver is connecting.
    Connecting,
    /// Connected, and waiting for the collector's watermark.
    Greeting { since_ms: u64 },
    /// The watermark is known, or nobody sends one: reports are sent.
    Up,
}

/// Where the connection stands, and which reports are on their way. The driver tells it what happens and does what it says.
#[derive(Debug)]
pub struct UplinkSession {
    phase: Phase,
    failures: u32,
    watermark: Position,
    cursor: Position,
    in_flight: VecDeque<Position>,
    last_progress_ms: u64,
    last_commit_ms: Option<u64>,
    last_resend_ms: Option<u64>,
    /// How many addresses are tried in turn.
    addresses: u32,
}

impl UplinkSession {
    /// A session that connects at once.
    #[must_use]
    pub const fn new(now_ms: u64) -> Self {
        Self {
            phase: Phase::Down { retry_at_ms: now_ms },
            failures: 0,
            watermark: Position { epoch: 0, seq: 0 },
            cursor: Position { epoch: 0, seq: 0 },
            in_flight: VecDeque::new(),
            last_progress_ms: now_ms,
            last_commit_ms: None,
            last_resend_ms: None,
            addresses: 1,
        }
    }

    /// So many addresses are tried in turn, at least one: each round of them counts as one try.
    pub const fn set_addresses(&mut self, count: u32) {
        self.addresses = if count == 0 { 1 } else { count };
    }

    /// Whether the driver must connect now. When true, the session counts as connecting, and does not ask again.
    pub const fn start_connecting(&mut self, now_ms: u64) -> bool {
        if let Phase::Down { retry_at_ms } = self.phase
            && now_ms >= retry_at_ms
        {
            self.phase = Phase::Connecting;
            return true;
        }
        false
    }

    /// The link is open and the subscription stands.
    pub fn on_open(&mut self, now_ms: u64) {
        self.phase = Phase::Greeting { since_ms: now_ms };
        self.in_flight.clear();
        self.cursor = self.watermark;
        self.last_progress_ms = now_ms;
    }

    /// The link is closed. `entropy` is any random number, for the jitter.
    pub fn on_close(&mut self, now_ms: u64, entropy: u64) {
        // A link that committed something was a good one, so the back-off begins anew with the shortest wait.
        let good = matches!(self.phase, Phase::Up | Phase::Greeting { .. }) && self.failures == 0;
        self.failures = if good { 1 } else { self.failures.saturating_add(1) };
        let rounds = 1 + (self.failures - 1) / self.addresses;
        let wait = retry_ms(rounds, BACKOFF_FIRST_MS, BACKOFF_LAST_MS, entropy);
        self.phase = Phase::Down { retry_at_ms: now_ms + wait };
        self.in_flight.clear();
    }

    /// Connect at once, whatever the back-off says (a new certificate is to be tried).
    pub const fn retry_now(&mut self, now_ms: u64) {
        self.phase = Phase::Down { retry_at_ms: now_ms };
    }

    /// The collector says that everything up to `position` is committed. Returns the watermark to free through.
    pub fn on_commit(&mut self, position: Position, now_ms: u64) -> Position {
        if position > self.watermark {
            self.watermark = position;
            self.last_commit_ms = Some(now_ms);
        }
        self.last_progress_ms = now_ms;
        self.failures = 0;
        self.cursor = self.cursor.max(self.watermark);
        while self.in_flight.front().is_some_and(|sent| *sent <= self.watermark) {
            self.in_flight.pop_front();
        }
        if matches!(self.phase, Phase::Greeting { .. }) {
            self.phase = Phase::Up;
        }
        self.watermark
    }

    /// The collector misses reports behind the watermark that a broker lost: all of them are sent again.
    pub fn resend(&mut self, now_ms: u64) {
        let asked = self.last_resend_ms.is_some_and(|last| now_ms.saturating_sub(last) < RESEND_EVERY_MS);
        if !asked && self.is_open() {
            self.last_resend_ms = Some(now_ms);
            self.in_flight.clear();
            self.cursor = self.watermark;
        }
    }

    /// After which position the next report may be sent now, if any may.
    #[must_use]
    pub fn may_send(&self) -> Option<Position> {
        // Where nothing was committed by the last links either, a broker may take for ever what nobody reads: one report finds that out.
        let most = if self.failures > 1 { 1 } else { WINDOW };
        (self.phase == Phase::Up && self.in_flight.len() < most).then_some(self.cursor)
    }

    /// A report was handed to the driver.
    pub fn on_send(&mut self, position: Position, now_ms: u64) {
        if self.in_flight.is_empty() {
            self.last_progress_ms = now_ms;
        }
        self.in_flight.push_back(position);
        self.cursor = position;
    }

    /// To be called when time has passed. True when the link is dead and must be closed.
    #[must_use]
    pub fn tick(&mut self, now_ms: u64) -> bool {
        if let Phase::Greeting { since_ms } = self.phase
            && now_ms >= since_ms + GREETING_MS
        {
            self.phase = Phase::Up;
        }
        self.phase == Phase::Up && !self.in_flight.is_empty() && now_ms >= self.last_progress_ms + STALL_MS
    }

    /// When [`Self::tick`] or [`Self::start_connecting`] has something to do next.
    #[must_use]
    pub fn next_wake_ms(&self) -> Option<u64> {
        match self.phase {
            Phase::Down { retry_at_ms } => Some(retry_at_ms),
            Phase::Connecting => None,
            Phase::Greeting { since_ms } => Some(since_ms + GREETING_MS),
            Phase::Up if self.in_flight.is_empty() => None,
            Phase::Up => Some(self.last_progress_ms + STALL_MS),
        }
    }

    /// The link is open.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Greeting { .. } | Phase::Up)
    }

    /// Everything up to here is committed, as far as is known.
    #[must_use]
    pub const fn watermark(&self) -> Position {
        self.watermark
    }

    /// When something was last committed, by the boot clock.
    #[must_use]
    pub const fn last_commit_ms(&self) -> Option<u64> {
        self.last_commit_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seq: u64) -> Position {
        Position { epoch: 1, seq }
    }

    #[test]
    fn nothing_is_sent_before_the_watermark_is_known() {
        let mut session = UplinkSession::new(0);
        assert!(session.start_connecting(0) && !session.start_connecting(0));
        session.on_open(10);
        assert_eq!(session.may_send(), None);
        session.on_commit(at(5), 20);
        assert_eq!(session.may_send(), Some(at(5)));
    }

    #[test]
    fn a_plain_broker_has_no_watermark_and_sending_starts_all_the_same() {
        let mut session = UplinkSession::new(0);
        assert!(session.start_connecting(0));
        session.on_open(0);
        assert_eq!(session.next_wake_ms(), Some(GREETING_MS));
        assert!(!session.tick(GREETING_MS));
        assert_eq!(session.may_send(), Some(Position::default()));
    }

    #[test]
    fn a_link_that_commits_nothing_is_dead() {
        let mut session = UplinkSession::new(0);
        assert!(session.start_connecting(0));
        session.on_open(0);
        session.on_commit(at(0), 0);
        assert!(!session.tick(10 * STALL_MS), "nothing waits, so nothing is wrong");
        session.on_send(at(1), 10 * STALL_MS);
        assert!(!session.tick(10 * STALL_MS + STALL_MS - 1));
        assert!(session.tick(11 * STALL_MS));
    }

    #[test]
    fn back_off_grows_with_jitter_to_its_bound() {
        let mut session = UplinkSession::new(0);
        let mut now = 0;
        let mut waits = Vec::new();
        for round in 0..12 {
            assert!(session.start_connecting(now));
            session.on_close(now, round * 7919);
            let retry = session.next_wake_ms().expect("down");
            waits.push(retry - now);
            now = retry;
        }
        assert!(waits[0] >= 500 && waits[0] <= 2000 && waits.iter().all(|wait| *wait <= BACKOFF_LAST_MS));
        assert!(waits[11] >= BACKOFF_LAST_MS / 2);
    }

    #[test]
    fn several_addresses_are_tried_soon_one_after_the_other() {
        let mut session = UplinkSession::new(0);
        session.set_addresses(3);
        let mut now = 0;
        let waits: Vec<u64> = (0..9)
            .map(|_| {
                assert!(session.start_connecting(now));
                session.on_close(now, u64::MAX);
                let retry = session.next_wake_ms().expect("down");
                let wait = retry - now;
                now = retry;
                wait
            })
            .collect();
        assert!(waits[..3].iter().all(|wait| *wait <= 2000), "{waits:?}");
        assert!(waits[6..].iter().all(|wait| (4000..=8000).contains(wait)), "{waits:?}");
    }

    #[test]
    fn what_is_missed_is_sent_again_and_not_for_every_word_of_it() {
        let mut session = UplinkSession::new(0);
        assert!(session.start_connecting(0));
        session.on_open(0);
        session.on_commit(at(5), 0);
        for seq in 6..9 {
            session.on_send(at(seq), 0);
        }
        session.resend(10);
        assert_eq!(session.may_send(), Some(at(5)));
        session.on_send(at(6), 10);
        session.resend(11);
        assert_eq!(session.may_send(), Some(at(6)), "asked for a moment ago");
        session.resend(10 + RESEND_EVERY_MS);
        assert_eq!(session.may_send(), Some(at(5)));
    }

    #[test]
    fn a_broker_that_nobody_reads_is_not_filled() {
        let mut session = UplinkSession::new(0);
        for _ in 0..2 {
            session.retry_now(0);
            assert!(session.start_connecting(0));
            session.on_close(0, 0);
        }
        session.retry_now(0);
        assert!(session.start_connecting(0));
        session.on_open(0);
        assert!(!session.tick(GREETING_MS));
        session.on_send(at(1), GREETING_MS);
        assert_eq!(session.may_send(), None);
        session.on_commit(at(1), GREETING_MS);
        session.on_send(at(2), GREETING_MS);
        assert_eq!(session.may_send(), Some(at(2)), "somebody reads");
    }

    proptest! {
        /// Links that break anywhere, commits that come late or in lumps: every report is committed, in order, once, and never
        /// more than the window is on the way.
        #[test]
        fn all_arrive_in_order_once(script in prop::collection::vec((0_u8..8, any::<u64>()), 1..300)) {
            const LAST: u64 = 60;
            let mut session = UplinkSession::new(0);
            let (mut now, mut wire, mut stored) = (0_u64, VecDeque::new(), Vec::<u64>::new());
            let tail = (0..600).map(|n| (if n % 3 == 0 { 7 } else { 5 }, n));
            for (what, random) in script.into_iter().chain(tail) {
                now += 500;
                if session.start_connecting(now) {
                    session.on_open(now);
                    let known = stored.last().copied().unwrap_or(0);
                    session.on_commit(at(known), now);
                }
                match what {
                    0 => { wire.clear(); session.on_close(now, random); }
                    1..=4 => {
                        // The collector commits some of what is on the wire, and answers.
                        for _ in 0..random % 9 {
                            let Some(seq) = wire.pop_front() else { break };
                            if stored.last().is_none_or(|last| seq > *last) { stored.push(seq); }
                        }
                        if session.is_open() && let Some(last) = stored.last() { session.on_commit(at(*last), now); }
                    }
                    5..=6 => {
                        while let Some(after) = session.may_send() {
                            if after.seq >= LAST { break; }
                            let next = if after.epoch == 0 { at(1) } else { at(after.seq + 1) };
                            session.on_send(next, now);
                            wire.push_back(next.seq);
                            prop_assert!(session.in_flight.len() <= WINDOW);
                        }
                    }
                    _ => {
                        while let Some(seq) = wire.pop_front() {
                            if stored.last().is_none_or(|last| seq > *last) { stored.push(seq); }
                        }
                        if session.is_open() && let Some(last) = stored.last() { session.on_commit(at(*last), now); }
                    }
                }
                if session.tick(now) { wire.clear(); session.on_close(now, random); }
            }
            prop_assert_eq!(stored, (1..=LAST).collect::<Vec<_>>());
        }
    }
}
