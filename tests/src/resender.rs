//! A simulated device that keeps what is not committed and sends it again after every break, as an agent does; and the
//! check of what the store holds in the end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use ioc_common::clock;
use ioc_common::report::Position;
use ioc_common::topic::UpKind;
use ioc_store::{FaultQuery, Store};
use tokio::time::Instant;

use crate::harness::PATIENCE;
use crate::identity::Identity;
use crate::link::{Heard, Link};
use crate::machine::Machine;

/// How long nothing may come through a broker. An agent waits for half a minute, a test for less.
const STALL: Duration = Duration::from_secs(5);

/// A device that never gives up.
pub struct Resender {
    identity: Identity,
    machine: Option<Machine>,
    /// A broker stands between.
    through_broker: bool,
    /// Where it goes on when the address of its identity does not take it, and so on.
    others: VecDeque<String>,
    waiting: VecDeque<(Position, UpKind, Vec<u8>)>,
    /// Samples that were acknowledged.
    pub acknowledged: Vec<Position>,
    /// Every sample that was ever made.
    pub made: u64,
}

impl Resender {
    /// A device that has sent nothing yet.
    #[must_use]
    pub const fn new(identity: Identity) -> Self {
        Self {
            identity,
            machine: None,
            through_broker: false,
            others: VecDeque::new(),
            waiting: VecDeque::new(),
            acknowledged: Vec::new(),
            made: 0,
        }
    }

    /// The same through a broker, which its identity names.
    #[must_use]
    pub const fn through_broker(identity: Identity) -> Self {
        let mut device = Self::new(identity);
        device.through_broker = true;
        device
    }

    /// The same with another address to try when the first does not take it.
    #[must_use]
    pub fn or_at(mut self, address: &str) -> Self {
        self.others.push_back(address.to_owned());
        self
    }

    /// Sends for `time`, connecting again whenever the link breaks. The disk fills and clears as it goes, for incidents.
    pub async fn run(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            if tokio::time::timeout(left, self.connected()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        }
    }

    /// Sends what is left, until all of it is acknowledged.
    ///
    /// # Errors
    /// When that takes too long.
    pub async fn drain(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.waiting.is_empty() {
            ensure!(Instant::now() < deadline, "{} reports are not acknowledged", self.waiting.len());
            let _ = self.exchange(false).await;
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        Ok(())
    }

    async fn connected(&mut self) {
        let _ = self.exchange(true).await;
    }

    async fn exchange(&mut self, make: bool) -> anyhow::Result<()> {
        let ended = self.exchange_at_one(make).await;
        if ended.is_err()
            && let Some(next) = self.others.pop_front()
        {
            self.others.push_back(std::mem::replace(&mut self.identity.mqtt, next));
        }
        ended
    }

    async fn exchange_at_one(&mut self, make: bool) -> anyhow::Result<()> {
        let (mut link, known) = if self.through_broker {
            (Link::open_at_broker(&self.identity, 30).await?, Position::default())
        } else {
            Link::open(&self.identity, 30).await?
        };
        self.settle(known);
        if self.machine.is_none() {
            let machine = Machine::new(self.identity.device.clone(), "server", 3, known, clock::now());
            self.machine = Some(machine);
            self.make_hello();
        }
        let mut sent = 0;
        loop {
            while sent < self.waiting.len() && sent < 48 {
                let (_, kind, payload) = &self.waiting[sent];
                let packet = link.publish(*kind, payload.clone());
                link.queue(packet)?;
                sent += 1;
            }
            link.flush().await?;
            if self.waiting.is_empty() && !make {
                return Ok(());
            }
            if make && self.waiting.len() < 48 {
                self.make_sample();
                continue;
            }
            // An agent gives a link up on which nothing is committed.
            let stall = if self.through_broker || !self.others.is_empty() { STALL } else { PATIENCE };
            let heard = tokio::time::timeout(stall, link.hear()).await.context("nothing is committed")??;
            if let Heard::Committed(committed) = heard {
                sent -= self.settle(committed.position).min(sent);
                if committed.resend {
                    sent = 0;
                }
            }
        }
    }

    fn settle(&mut self, watermark: Position) -> usize {
        let mut freed = 0;
        while self.waiting.front().is_some_and(|(position, ..)| *position <= watermark) {
            if let Some((position, UpKind::Sample, _)) = self.waiting.pop_front() {
                self.acknowledged.push(position);
            }
            freed += 1;
        }
        freed
    }

    fn make_hello(&mut self) {
        if let Some(machine) = &mut self.machine {
            let body = machine.hello(10, 30);
            self.waiting.push_back(machine.seal(&body, clock::now(), 0));
        }
    }

    fn make_sample(&mut self) {
        if let Some(machine) = &mut self.machine {
            self.made += 1;
            machine.fill_disk(if self.made / 200 % 2 == 1 { Some(99.0) } else { None });
            let body = machine.sample();
            self.waiting.push_back(machine.seal(&body, clock::now(), 0));
        }
    }

    /// Checks the store in `data`: whatever was acknowledged is there, once and in order; incidents and outbox agree. Says how many
    /// rows there are, those that are folded already among them: a fast machine makes more than a window of them.
    ///
    /// # Errors
    /// The first report that is missing, there twice, or out of order.
    pub fn check(devices: &[Self], data: &Path) -> anyhow::Result<usize> {
        Self::check_store(devices, ioc_store::open(data)?.as_ref())
    }

    /// The same for a store that is open.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_store(devices: &[Self], store: &dyn Store) -> anyhow::Result<usize> {
        anyhow::ensure!(store.lost().all.is_empty(), "said to be lost: {:?}", store.lost());
        let reader = store.reader()?;
        let mut numbers = BTreeSet::new();
        for device in devices {
            let id = &device.identity.device;
            let rows = reader.rows(id, 0)?;
            numbers.extend(rows.iter().map(|row| row.number));
            let in_order: BTreeMap<u64, Position> = rows.iter().map(|row| (row.number, row.position)).collect();
            let positions: Vec<&Position> = in_order.values().collect();
            ensure!(positions.is_sorted(), "{id}: its rows are not in the order in which it made them");
            let mut counts: BTreeMap<Position, usize> = BTreeMap::new();
            for row in &rows {
                *counts.entry(row.position).or_default() += 1;
            }
            for (position, count) in &counts {
                ensure!(*count == 1, "{id}: {position} is there {count} times");
            }
            // What is folded is no row any more: the oldest ones, and only those; or all, where nothing came for a while. How many that are is counted below.
            let first = counts.keys().next().copied();
            for position in device.acknowledged.iter().filter(|position| first.is_some_and(|first| **position >= first))
            {
                ensure!(counts.contains_key(position), "{id}: {position} was acknowledged and is missing");
            }
            let known = reader.device(id)?.map(|record| record.watermark).unwrap_or_default();
            let last = counts.keys().next_back().copied().unwrap_or_default();
            ensure!(known >= last, "{id}: the watermark {known} is behind the last row {last}");
            let acknowledged = device.acknowledged.last().copied().unwrap_or_default();
            ensure!(
                known >= acknowledged,
                "{id}: the watermark {known} is behind {acknowledged}, which was acknowledged"
            );
        }
        // Rows are numbered without a gap, so those before the first were once there, and are in the archive.
        let folded = store.archive()?.all_folded()?;
        let first = numbers.first().copied().unwrap_or(folded + 1);
        ensure!(first <= folded + 1, "rows before {first} are missing, and only those up to {folded} are folded");
        let last = numbers.last().copied().unwrap_or(folded);
        ensure!(numbers.len() as u64 == last + 1 - first, "rows are missing between {first} and {last}");
        let total = usize::try_from(last)?;
        for incident in reader.incidents(None, false, None, 10_000)? {
            let Some((_, steps, notices)) = reader.incident(incident.id)? else { continue };
            ensure!(
                steps.len() == incident.steps as usize,
                "{}: {} steps of {}",
                incident.id,
                steps.len(),
                incident.steps
            );
            // Every step here is an opening, a return or an end (nobody acknowledges), and each has its notice.
            let told = steps.iter().filter(|step| {
                notices.iter().any(|notice| notice.key == format!("{}-{}-hook", incident.id.0, step.number))
            });
            let joined = steps.iter().filter(|step| {
                step.number > 1 && step.state.is_active() && !matches!(step.state, ioc_judge::IncidentState::Reopened)
            });
            // What failed beside others is told a little later, or with them.
            let waits = incident.progress.held_until.is_some()
                || incident.progress.storm.is_some()
                || incident.record.merged_into.is_some();
            ensure!(waits || told.count() + joined.count() >= steps.len(), "{}: a step has no notice", incident.id);
            let under = FaultQuery { incident: Some(incident.id), open: true, ..FaultQuery::default() };
            let open = reader.faults(&under, 100)?;
            ensure!(
                open.len() == incident.raised as usize,
                "{}: {} faults raised, {} counted",
                incident.id,
                open.len(),
                incident.raised
            );
            // One that flaps stays active until it has been good for a while.
            let settling = open.is_empty() && incident.progress.settle_until.is_some();
            // What the centre says of itself, such as that old records will go, is no fault of a device.
            let own = incident.device.is_none();
            ensure!(
                own || settling || incident.state.is_active() != open.is_empty(),
                "{}: {:?} with {} faults: {}, {}",
                incident.id,
                incident.state,
                open.len(),
                incident.title.en,
                incident.reason.en
            );
        }
        Ok(total)
    }
}
