//! One channel's queue: what goes next, together with what, what must wait, and what the fallback takes over. Pure.
//!
//! - Of one incident, notices to one address go in the order of its steps; what is under way holds only those.
//! - A channel that is out (nobody there, no answer) is tried by one message at a time; one success makes all that waits due.
//! - What was handed over and never answered is repeated seldom, alone and under its own key, since each repeat may be a copy.
//! - Waiting goes by the monotonic clock. The wall clock is looked at once, when an entry is first seen.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use ioc_common::backoff::doubled_ms;
use ioc_common::clock::Timestamp;
use ioc_common::id::IncidentId;

use ioc_engine::http::SendError;
use ioc_store::{Delivery, DeliveryState, PendingDelivery};

/// Messages under way on one channel, without those that have been for long.
const CONCURRENT_MAX: usize = 4;
/// The same with them.
const IN_FLIGHT_MAX: usize = 16;
/// A message under way for longer leaves its place to another.
const LONG: Duration = Duration::from_secs(60);
/// A notice that its channel has not delivered this long after it was due goes to the fallback as well.
const FALLBACK_AFTER: Duration = Duration::from_secs(8);
/// Between attempts that were refused or found nobody: doubled from the first to the last.
const RETRY_FIRST_MS: u64 = 2000;
const RETRY_LAST_MS: u64 = 60_000;
/// Given up after this many of them: about a day.
const ATTEMPTS_MAX: u32 = 1500;
/// Between attempts that were not answered: doubled from the first on.
const REPEAT_FIRST_MS: u64 = 60_000;
/// Given up after this many of them: half a day.
const UNANSWERED_MAX: u32 = 10;
/// Longest waits that are taken over from the store: quiet hours, on a day that is an hour longer; what another side asked for;
/// the last of the repeats.
const QUIET_MAX_MS: i64 = 25 * 3_600_000;
const RETRY_STORED_MAX_MS: i64 = 900_000;
const REPEAT_STORED_MAX_MS: i64 = 512 * 60_000;
/// How often a success of another brings an entry forward.
const EARLY_MAX: u8 = 3;
/// So many notices for one address at once become one message, and at most so many.
const DIGEST_MIN: usize = 5;
const DIGEST_MAX: usize = 50;
/// The longest sleep without a wake-up.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// A channel's pace is counted in minutes.
const MINUTE: Duration = Duration::from_secs(60);

/// What of a channel matters here.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChannelTraits {
    /// Most messages in a minute.
    pub(super) per_minute: u32,
    /// People read it: many notices can be one message.
    pub(super) folds: bool,
    /// Another channel takes over.
    pub(super) fallback: bool,
}

/// What is to be done now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SendPlan {
    /// Messages: a number to say what became of it, and the keys of what it says, in order.
    pub(super) messages: Vec<(u64, Vec<String>)>,
    /// What the fallback is to carry, too.
    pub(super) fall_back: Vec<String>,
    /// What was found to be beyond the channel's pace of this minute.
    pub(super) over_pace: Vec<String>,
    /// When to look again, without a wake-up.
    pub(super) again_in: Duration,
}

/// An entry that this process has seen.
#[derive(Debug, Clone)]
struct Tracked {
    due: Instant,
    /// Since when it is due and not delivered, unless only the pace held it.
    late_since: Option<Instant>,
    /// It, or one before it that it must not overtake, was tried and failed.
    tried: bool,
    attempts: u32,
    unanswered: u32,
    early: u8,
    /// The other side itself said when to come again: nobody else's success brings it forward.
    told_when: bool,
    fell_back: bool,
    over_pace: bool,
    /// Delivered or given up.
    over: bool,
}

/// A message under way, or one whose outcome is not committed yet.
#[derive(Debug)]
struct InFlight {
    keys: Vec<String>,
    /// What waits behind them.
    behind: Vec<String>,
    began: Instant,
    completed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Outage {
    failures: u32,
    until: Instant,
}

/// The other side asked us to stay away.
#[derive(Debug, Clone, Copy)]
struct RetryAfter {
    at: Instant,
    until: Instant,
}

/// A message that could go.
struct Candidate<'r> {
    rows: Vec<&'r PendingDelivery>,
    behind: Vec<String>,
    fresh: bool,
}

/// Notices of one incident to one address; the key stands in where no incident gives an order.
type Lane<'r> = (u64, &'r str, &'r str, &'r str);

/// The queue of one channel, as far as it is not in the store.
#[derive(Debug, Default)]
pub(super) struct ChannelQueue {
    known: HashMap<String, Tracked>,
    in_flight: HashMap<u64, InFlight>,
    last_flight: u64,
    outage: Option<Outage>,
    retry_after: Option<RetryAfter>,
    /// When the minute began, and how many messages went since.
    minute: Option<(Instant, u32)>,
}

impl ChannelQueue {
    /// Whether nothing is under way, nor waits for its outcome to be committed.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// What is to be done with what waits. Whatever becomes a message is under way from here on.
    pub(super) fn plan(
        &mut self,
        rows: &[PendingDelivery],
        traits: ChannelTraits,
        now: Instant,
        wall: Timestamp,
    ) -> SendPlan {
        let busy: HashSet<String> = self.in_flight.values().flat_map(|flight| flight.keys.iter().cloned()).collect();
        self.track(rows, &busy, now, wall);
        let mut plan = SendPlan { again_in: SLEEP_MAX, ..SendPlan::default() };
        let candidates = self.candidates(rows, &busy, traits, now, &mut plan);
        self.admit(candidates, traits, now, &mut plan);
        if traits.fallback {
            self.plan_fallback(rows, &busy, now, &mut plan);
        }
        plan
    }

    /// Keeps what is known to what waits.
    fn track(&mut self, rows: &[PendingDelivery], busy: &HashSet<String>, now: Instant, wall: Timestamp) {
        let here: HashSet<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        self.known.retain(|key, _| here.contains(key.as_str()) || busy.contains(key));
        for row in rows {
            self.known.entry(row.key.clone()).or_insert_with(|| Tracked {
                due: now + stored_wait(row, wall),
                late_since: None,
                tried: row.attempts > 0,
                attempts: row.attempts,
                unanswered: row.unanswered,
                early: 0,
                told_when: false,
                fell_back: false,
                over_pace: false,
                over: false,
            });
        }
    }

    fn candidates<'r>(
        &self,
        rows: &'r [PendingDelivery],
        busy: &HashSet<String>,
        traits: ChannelTraits,
        now: Instant,
        plan: &mut SendPlan,
    ) -> Vec<Candidate<'r>> {
        let mut lanes: BTreeMap<Lane<'r>, Vec<&'r PendingDelivery>> = BTreeMap::new();
        for row in rows {
            let own = if row.incident == IncidentId(0) { row.key.as_str() } else { "" };
            lanes.entry((row.incident.0, &row.person, &row.address, own)).or_default().push(row);
        }
        let mut found = Vec::new();
        for mut lane in lanes.into_values() {
            if lane.iter().any(|row| busy.contains(&row.key)) {
                continue;
            }
            lane.sort_by_key(|row| row.step);
            let due = |row: &&PendingDelivery| self.known.get(&row.key).is_none_or(|known| known.due <= now);
            // What is due takes along what stands before it.
            let Some(last) = lane.iter().rposition(due) else {
                let next = lane.iter().filter_map(|row| Some(self.known.get(&row.key)?.due)).min();
                wake(plan, next, now);
                continue;
            };
            let fresh = lane[..=last].iter().any(|row| self.known.get(&row.key).is_none_or(|known| !known.tried));
            // What may have arrived goes again as it was.
            let unanswered =
                |row: &&PendingDelivery| self.known.get(&row.key).is_some_and(|known| known.unanswered > 0);
            let count = match lane.first() {
                Some(head) if traits.folds && !unanswered(head) => {
                    lane[..=last].iter().take_while(|row| !unanswered(row)).count().min(DIGEST_MAX)
                }
                _ => 1,
            };
            let behind = lane.split_off(count).into_iter().map(|row| row.key.clone()).collect();
            found.push(Candidate { rows: lane, behind, fresh });
        }
        self.sort(&mut found);
        if traits.folds {
            digests(found, |row| self.known.get(&row.key).is_some_and(|one| one.unanswered > 0))
        } else {
            found
        }
    }

    /// The worst first, and of those the oldest. During an outage, what has been repeated least.
    fn sort(&self, found: &mut [Candidate<'_>]) {
        let copies = |one: &Candidate<'_>| {
            let known = one.rows.first().and_then(|row| self.known.get(&row.key));
            if self.outage.is_some() { known.map_or(0, |known| known.unanswered) } else { 0 }
        };
        found.sort_by_key(|one| {
            let worst = one.rows.iter().map(|row| row.severity).max();
            let oldest = one.rows.iter().map(|row| row.created_at).min();
            (copies(one), std::cmp::Reverse(worst), oldest)
        });
    }

    fn admit(&mut self, candidates: Vec<Candidate<'_>>, traits: ChannelTraits, now: Instant, plan: &mut SendPlan) {
        if let Some(until) = self.retry_after.map(|asked| asked.until).filter(|until| *until > now) {
            if !candidates.is_empty() {
                wake(plan, Some(until), now);
            }
            return;
        }
        let (began, mut count) = self.minute.filter(|(began, _)| now < *began + MINUTE).unwrap_or((now, 0));
        for one in candidates {
            let under_way = self.in_flight.values().filter(|flight| !flight.completed);
            let young: Vec<Instant> =
                under_way.clone().map(|flight| flight.began).filter(|at| now < *at + LONG).collect();
            let most = if self.outage.is_some() { 1 } else { CONCURRENT_MAX };
            if young.len() >= most || under_way.count() >= IN_FLIGHT_MAX {
                // The end of a message wakes, too.
                wake(plan, young.iter().min().map(|at| *at + LONG), now);
                return;
            }
            if let Some(outage) = self.outage.filter(|outage| outage.until > now && !one.fresh) {
                wake(plan, Some(outage.until), now);
                continue;
            }
            if count >= traits.per_minute {
                wake(plan, Some(began + MINUTE), now);
                for known in one.rows.iter().map(|row| &row.key).chain(&one.behind) {
                    let Some(known) = self.known.get_mut(known) else { continue };
                    known.late_since = Some(began + MINUTE);
                }
                for row in &one.rows {
                    if self.known.get_mut(&row.key).is_some_and(|known| !std::mem::replace(&mut known.over_pace, true))
                    {
                        plan.over_pace.push(row.key.clone());
                    }
                }
                continue;
            }
            count += 1;
            self.last_flight += 1;
            let keys: Vec<String> = one.rows.iter().map(|row| row.key.clone()).collect();
            let flight = InFlight { keys: keys.clone(), behind: one.behind, began: now, completed: false };
            self.in_flight.insert(self.last_flight, flight);
            plan.messages.push((self.last_flight, keys));
        }
        self.minute = Some((began, count));
    }

    /// What has been due for long goes to the fallback as well, under way or not.
    fn plan_fallback(&mut self, rows: &[PendingDelivery], busy: &HashSet<String>, now: Instant, plan: &mut SendPlan) {
        let flying: HashSet<&String> = self.in_flight.values().flat_map(|flight| &flight.keys).collect();
        for row in rows {
            let Some(known) = self.known.get_mut(&row.key) else { continue };
            let due = known.due <= now || known.tried || busy.contains(&row.key) || flying.contains(&row.key);
            if known.fell_back || !due {
                continue;
            }
            let since = *known.late_since.get_or_insert(now);
            if now >= since + FALLBACK_AFTER {
                known.fell_back = true;
                plan.fall_back.push(row.key.clone());
            } else {
                plan.again_in = plan.again_in.min((since + FALLBACK_AFTER).saturating_duration_since(now));
            }
        }
    }

    /// The fallback could not take these over: it is asked again.
    pub(super) fn fall_back_failed(&mut self, keys: &[String]) {
        for key in keys {
            if let Some(known) = self.known.get_mut(key) {
                known.fell_back = false;
            }
        }
    }

    /// What is to be kept of a message's outcome. Its notices stay under way until [`Self::committed`].
    pub(super) fn completed(
        &mut self,
        number: u64,
        result: &Result<(), SendError>,
        now: Instant,
        wall: Timestamp,
    ) -> Vec<Delivery> {
        let Some(flight) = self.in_flight.get_mut(&number) else { return Vec::new() };
        flight.completed = true;
        let (keys, behind, began) = (flight.keys.clone(), flight.behind.clone(), flight.began);
        self.note_result(result, began, now);
        let told_when = result.as_ref().is_err_and(|error| error.retry_after().is_some());
        let mut deliveries = Vec::with_capacity(keys.len());
        let mut held_until = None;
        for key in &keys {
            let Some(known) = self.known.get_mut(key) else { continue };
            known.attempts += 1;
            known.tried = true;
            known.unanswered += u32::from(matches!(result, Err(SendError::Unknown(_))));
            let wait = wait_after(known, result);
            known.due = now + wait;
            known.told_when = told_when;
            held_until = held_until.max(Some(known.due));
            let dead = match result {
                Ok(()) => false,
                Err(error) if error.is_final() => true,
                Err(_) => known.unanswered >= UNANSWERED_MAX || known.attempts >= ATTEMPTS_MAX,
            };
            known.over = dead || result.is_ok();
            deliveries.push(Delivery {
                key: key.clone(),
                at: wall,
                state: match result {
                    Ok(()) => DeliveryState::Delivered,
                    Err(_) if dead => DeliveryState::Dead,
                    Err(_) => DeliveryState::Waiting,
                },
                attempts: known.attempts,
                unanswered: known.unanswered,
                next_attempt_at: wall.plus_millis(i64::try_from(wait.as_millis()).unwrap_or(0)),
                error: result.as_ref().err().map(|error| error.to_string().chars().take(500).collect()),
            });
        }
        // What stands behind waits with them, unless they make way.
        if deliveries.iter().any(|one| one.state == DeliveryState::Waiting) {
            for key in behind {
                if let Some(known) = self.known.get_mut(&key) {
                    known.tried = true;
                    known.due = known.due.max(held_until.unwrap_or(now));
                    // Due before them, it would take them along.
                    known.told_when |= told_when;
                }
            }
        }
        deliveries
    }

    fn note_result(&mut self, result: &Result<(), SendError>, began: Instant, now: Instant) {
        match result {
            // Begun before the other side asked us to stay away, it says nothing against that.
            Ok(()) if self.retry_after.is_some_and(|asked| began <= asked.at) => {}
            // Someone took it: all that waits may go now.
            Ok(()) => {
                let was_away = self.outage.take().is_some();
                self.retry_after = None;
                for known in self.known.values_mut().filter(|known| known.tried && known.due > now && !known.told_when)
                {
                    let most = if known.unanswered == 0 { EARLY_MAX } else { 1 };
                    if known.early < most && (known.unanswered == 0 || was_away) {
                        known.early += 1;
                        known.due = now;
                    }
                }
            }
            Err(error @ (SendError::Away { .. } | SendError::Unknown(_))) => {
                let failures = self.outage.map_or(0, |outage| outage.failures) + 1;
                self.outage = Some(Outage { failures, until: now + doubled(RETRY_FIRST_MS, failures, RETRY_LAST_MS) });
                if let Some(after) = error.retry_after() {
                    // Of several that were under way together the longest wait counts.
                    let until = self.retry_after.map_or(now + after, |asked| asked.until.max(now + after));
                    self.retry_after = Some(RetryAfter { at: now, until });
                }
            }
            Err(SendError::Later(_) | SendError::Refused { .. } | SendError::Never(_)) => {}
        }
    }

    /// The outcome of a message is committed.
    pub(super) fn committed(&mut self, number: u64) {
        let Some(flight) = self.in_flight.remove(&number) else { return };
        for key in flight.keys {
            // Sent again by a person, it begins anew.
            if self.known.get(&key).is_some_and(|known| known.over) {
                self.known.remove(&key);
            } else if let Some(known) = self.known.get_mut(&key) {
                known.over_pace = false;
            }
        }
    }

    /// What is to be kept of notices that are beyond the channel's pace: why they wait.
    pub(super) fn postponed(&self, keys: &[String], now: Instant, wall: Timestamp) -> Vec<Delivery> {
        let rest = self.minute.map_or(MINUTE, |(began, _)| (began + MINUTE).saturating_duration_since(now));
        let next_attempt_at = wall.plus_millis(i64::try_from(rest.as_millis()).unwrap_or(0));
        let known = keys.iter().filter_map(|key| Some((key, self.known.get(key)?)));
        known
            .map(|(key, known)| Delivery {
                key: key.clone(),
                at: wall,
                state: DeliveryState::Waiting,
                attempts: known.attempts,
                unanswered: known.unanswered,
                next_attempt_at,
                error: Some("the channel's messages of this minute are used up".to_owned()),
            })
            .collect()
    }
}

/// Many to one address become one message.
fn digests<'r>(found: Vec<Candidate<'r>>, alone: impl Fn(&PendingDelivery) -> bool) -> Vec<Candidate<'r>> {
    let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
    for one in &found {
        let Some(first) = one.rows.first().filter(|first| !alone(first)) else { continue };
        *counts.entry((&first.person, &first.address)).or_default() += one.rows.len();
    }
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    let mut out: Vec<Candidate<'r>> = Vec::new();
    for one in found {
        let first = one.rows.first().copied().filter(|first| !alone(first));
        let whom = first.map(|first| (first.person.as_str(), first.address.as_str()));
        let Some(whom) = whom.filter(|whom| counts.get(whom).is_some_and(|count| *count >= DIGEST_MIN)) else {
            out.push(one);
            continue;
        };
        match places.get(&whom).and_then(|place| out.get_mut(*place)) {
            Some(open) if open.rows.len() + one.rows.len() <= DIGEST_MAX => {
                open.rows.extend(one.rows);
                open.behind.extend(one.behind);
                open.fresh |= one.fresh;
            }
            _ => {
                places.insert(whom, out.len());
                out.push(one);
            }
        }
    }
    out
}

/// How long an entry still waits by what the store says. What it could not have been told to wait is a clock that was set back.
fn stored_wait(row: &PendingDelivery, wall: Timestamp) -> Duration {
    let ahead = row.next_attempt_at.millis_since(wall);
    let most = match (row.attempts, row.unanswered) {
        (0, _) => row.next_attempt_at.millis_since(row.created_at).min(QUIET_MAX_MS),
        (_, 0) => RETRY_STORED_MAX_MS,
        _ => REPEAT_STORED_MAX_MS,
    };
    if ahead > most { Duration::ZERO } else { Duration::from_millis(ahead.max(0).unsigned_abs()) }
}

fn wait_after(known: &Tracked, result: &Result<(), SendError>) -> Duration {
    match result {
        Err(SendError::Unknown(_)) => doubled(REPEAT_FIRST_MS, known.unanswered, u64::MAX),
        Err(error) => {
            doubled(RETRY_FIRST_MS, known.attempts, RETRY_LAST_MS).max(error.retry_after().unwrap_or_default())
        }
        Ok(()) => Duration::ZERO,
    }
}

fn doubled(first_ms: u64, times: u32, last_ms: u64) -> Duration {
    Duration::from_millis(doubled_ms(times.saturating_sub(1), first_ms, last_ms))
}

fn wake(plan: &mut SendPlan, at: Option<Instant>, now: Instant) {
    if let Some(at) = at {
        plan.again_in = plan.again_in.min(at.saturating_duration_since(now));
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
