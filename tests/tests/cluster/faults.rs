//! Faults at random under load: two collectors, and a primary with a standby that confirms every commit, each reached by a way that can be cut.
//!
//! Each kind comes once in any order, but that a holder that is killed has a test of its own (`cluster.rs`) and a clock that is stepped takes nobody's place;
//! `IOC_FAULTS` asks for more of all of them. What was
//! acknowledged is there, once; a fault of a device has one incident; no two ever held the lease at once, by every fence that was ever given.

use std::path::PathBuf;
use std::time::Duration;

use ioc_common::clock;
use ioc_tests::harness::{Rig, eventually, send_signal};
use ioc_tests::machine::Random;
use ioc_tests::postgres::{Postgres, config_at};
use ioc_tests::socket_way::SocketWay;

use super::{Centre, TAKEOVER_MAX_MS, decides, readiness, stands_by, takeover};
use crate::clock::{faked, step};
use crate::survive::{load, seed, times};

/// For how long the holder is paused, ms: its lease lasts for eight seconds.
const PAUSED_MS: u64 = 15_000;
/// How long devices send at least around each fault.
const SENDING: Duration = Duration::from_secs(9);

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// kill -9 of the holder.
    Kill,
    /// The holder is paused, and goes on.
    Pause,
    /// The holder cannot reach the database; what it sent meanwhile arrives later.
    Cut,
    /// The primary is killed, and its standby promoted.
    Failover,
    /// The clock of one machine is stepped by ten minutes, and back: the lease goes by the database's, so that nobody takes over.
    Clock,
}

const ALL: [Fault; 5] = [Fault::Kill, Fault::Pause, Fault::Cut, Fault::Failover, Fault::Clock];
/// How long a stepped clock stays so, ms: longer than a lease lasts.
const STEPPED_MS: u64 = 9000;

/// A centre, and what can happen to it.
struct Stage {
    centre: Centre,
    /// The server that follows the centre's.
    standby: Postgres,
    /// The ways of each collector, to each server.
    ways: [[SocketWay; 2]; 2],
    /// The files that each collector's wall clock comes from, and how often one was stepped.
    clocks: Vec<PathBuf>,
    steps: usize,
    /// How long takeovers took, ms.
    took_ms: Vec<u64>,
}

impl Stage {
    async fn start() -> Self {
        let postgres = Postgres::start().await.unwrap();
        let standby = postgres.follower().await.unwrap();
        let way = |server: &Postgres| SocketWay::to(server.dir()).unwrap();
        let ways = [[way(&postgres), way(&standby)], [way(&postgres), way(&standby)]];
        let config = |name, [one, other]: &[SocketWay; 2]| config_at(name, &[one.dir(), other.dir()]);
        let configs = [config("một", &ways[0]), config("hai", &ways[1])];
        let mut clocks = Vec::new();
        let centre = Centre::over(postgres, configs, 3, |rig| clocks.push(faked(rig))).await;
        Self { centre, standby, ways, clocks, steps: 0, took_ms: Vec::new() }
    }

    /// Which of both decides, as the place of its ways.
    async fn holder(&self) -> usize {
        let decide = || async {
            readiness(&self.centre.first).await.starts_with("ready")
                || readiness(&self.centre.second).await.starts_with("ready")
        };
        eventually("one decides", decide).await.unwrap();
        usize::from(!readiness(&self.centre.first).await.starts_with("ready"))
    }

    fn rig(&self, place: usize) -> &Rig {
        if place == 0 { &self.centre.first } else { &self.centre.second }
    }

    fn rig_mut(&mut self, place: usize) -> &mut Rig {
        if place == 0 { &mut self.centre.first } else { &mut self.centre.second }
    }

    async fn inject(&mut self, fault: Fault) {
        let holder = self.holder().await;
        let (other, names) = (1 - holder, ["một", "hai"]);
        let begun_ms = clock::boottime_ms();
        match fault {
            Fault::Kill => {
                self.rig_mut(holder).kill().await.unwrap();
                self.takes_over(other, begun_ms, "kill -9").await;
                self.rig_mut(holder).start().await.unwrap();
            }
            Fault::Pause => {
                let pid = self.rig(holder).pid();
                send_signal(pid, "STOP").await.unwrap();
                self.takes_over(other, begun_ms, "SIGSTOP").await;
                let left_ms = PAUSED_MS.saturating_sub(clock::boottime_ms() - begun_ms);
                tokio::time::sleep(Duration::from_millis(left_ms)).await;
                send_signal(pid, "CONT").await.unwrap();
            }
            Fault::Cut => {
                self.ways[holder].iter().for_each(|way| way.set_cut(true));
                self.takes_over(other, begun_ms, "cut off").await;
                self.ways[holder].iter().for_each(|way| way.set_cut(false));
            }
            Fault::Failover => {
                self.fail_over(begun_ms).await;
                return;
            }
            Fault::Clock => {
                self.step_clock().await;
                return;
            }
        }
        stands_by(self.rig(holder), names[other]).await;
        if matches!(fault, Fault::Pause | Fault::Cut) {
            let log = self.rig(holder).log();
            assert!(log.contains("the lease is lost"), "{log}");
        }
    }

    async fn takes_over(&mut self, place: usize, since_ms: u64, what: &str) {
        let took_ms = takeover(self.rig(place), since_ms, what).await;
        self.took_ms.push(took_ms);
    }

    /// The standby takes the primary's place; and the primary, begun anew, that of the standby.
    async fn fail_over(&mut self, since_ms: u64) {
        self.centre.postgres.kill().await.unwrap();
        self.standby.promote().await.unwrap();
        std::mem::swap(&mut self.centre.postgres, &mut self.standby);
        let before = self.commits().await;
        eventually("commits go on", || async { self.commits().await > before }).await.unwrap();
        let took_ms = clock::boottime_ms() - since_ms;
        eprintln!("primary killed, standby promoted: commits go on after {took_ms} ms");
        assert!(took_ms < TAKEOVER_MAX_MS, "{took_ms} ms");
        self.took_ms.push(took_ms);
        self.standby.follow(&self.centre.postgres).await.unwrap();
        let holder = self.holder().await;
        decides(self.rig(holder)).await;
    }

    /// The clock of one and then of the other, ahead and then behind.
    async fn step_clock(&mut self) {
        let (fence, before) = (self.fence().await, self.commits().await);
        let (place, offset) = (self.steps % 2, if self.steps % 4 < 2 { "+600" } else { "-600" });
        self.steps += 1;
        step(&self.clocks[place], offset);
        tokio::time::sleep(Duration::from_millis(STEPPED_MS)).await;
        assert!(self.commits().await > before, "commits go on while the clock of {place} stands {offset} s off");
        step(&self.clocks[place], "+0");
        assert_eq!(self.fence().await, fence, "nobody takes over for a clock");
    }

    async fn fence(&self) -> String {
        self.centre.postgres.ask("SELECT fence FROM lease").await.unwrap()
    }

    async fn commits(&self) -> u64 {
        let said = self.centre.postgres.ask("SELECT max(number) FROM watermark_log").await.unwrap_or_default();
        said.parse().unwrap_or(0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_two_collectors_and_their_database_nothing_acknowledged_is_lost_or_doubled() {
    let mut random = Random::new(seed());
    let mut stage = Stage::start().await;
    let mut left = vec![Fault::Pause, Fault::Cut, Fault::Failover];
    for number in 0..times("IOC_FAULTS", left.len() as u64) {
        if left.is_empty() {
            left = ALL.to_vec();
        }
        let fault = left.swap_remove(usize::try_from(random.next() % left.len() as u64).unwrap());
        eprintln!("{number}: {fault:?}");
        let sending = tokio::spawn(load(std::mem::take(&mut stage.centre.devices), SENDING));
        tokio::time::sleep(Duration::from_millis(500 + random.next() % 1000)).await;
        stage.inject(fault).await;
        stage.centre.devices = sending.await.unwrap();
    }
    stage.took_ms.sort_unstable();
    let took = &stage.took_ms;
    let part = |percent: usize| took[(took.len() * percent).div_ceil(100).max(1) - 1];
    eprintln!("{} takeovers: p50 {} ms, p99 {} ms, max {} ms", took.len(), part(50), part(99), part(100));
    stage.centre.end_whole().await;
}
