//! The lease against a real server.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use ioc_common::clock;

use super::super::connect::Purpose;
use super::super::scratch::{self, Cluster};
use super::super::settings::PostgresSettings;
use super::*;

impl Link {
    /// Ends a transaction that is under way, provided that the lease is held then; `false` when it is not, and nothing is committed.
    ///
    /// # Errors
    /// [`StoreError`] when the answer did not come: whether it was committed is found out by its number (`watermark_log`).
    pub(crate) fn commit_fenced(&self, lease: &Lease) -> Result<bool, StoreError> {
        if !lease.may_be_held(clock::boottime_ms()) {
            self.batch("ROLLBACK")?;
            return Ok(false);
        }
        let committed = self.batch_unless_fenced(&format!("{}; COMMIT", lease.check_sql()));
        if !matches!(committed, Ok(true)) {
            // What failed is not committed, but stays open until it is said; where there is no session any more, nothing is open.
            let _ = self.batch("ROLLBACK");
        }
        committed
    }
}

/// What elapsed time is counted from in these tests.
const BEGIN: u64 = 1_000_000;

fn now_ms() -> u64 {
    clock::boottime_ms()
}

/// A collector with a session of its own.
struct Collector {
    link: Link,
    taker: Taker,
    schema: SchemaName,
}

impl Collector {
    fn new(settings: &PostgresSettings, name: &str) -> Self {
        Self { link: scratch::link_of(settings), taker: Taker::new(name, ""), schema: settings.schema.clone() }
    }

    fn ask(&mut self, now_ms: u64) -> Taken {
        self.taker.try_take(&self.link, &self.schema, now_ms).expect("asked")
    }

    fn take(&mut self) -> Lease {
        match self.ask(now_ms()) {
            Taken::Ours(lease) => lease,
            held @ Taken::Held { .. } => panic!("{held:?}"),
        }
    }

    /// Begins what a commit of this number would be.
    fn write(&self, number: i64) {
        self.link
            .batch(&format!("BEGIN; INSERT INTO watermark_log (number, data) VALUES ({number}, '')"))
            .expect("written");
    }
}

fn two(settings: &PostgresSettings) -> (Collector, Collector) {
    (Collector::new(settings, "một"), Collector::new(settings, "hai"))
}

fn commits(link: &Link) -> i64 {
    link.get(&link.row("SELECT count(*) FROM watermark_log", &[]).expect("asked"), 0).expect("read")
}

/// As if the time of whoever holds it had passed by the database's clock.
const PASSED: &str = "UPDATE lease SET until = clock_timestamp() - interval '1 ms'";

#[test]
fn of_two_that_ask_at_once_200_times_one_gets_it_each_time() {
    let (_, settings) = scratch::site();
    let together = Arc::new(Barrier::new(2));
    let threads: Vec<_> = ["một", "hai"]
        .map(|name| {
            let (settings, together) = (settings.clone(), Arc::clone(&together));
            std::thread::spawn(move || {
                let mut collector = Collector::new(&settings, name);
                let mut got = Vec::new();
                for _ in 0..200 {
                    together.wait();
                    let taken = collector.ask(now_ms());
                    together.wait();
                    got.push(matches!(taken, Taken::Ours(_)));
                    if let Taken::Ours(lease) = taken {
                        lease.release(&collector.link).expect("given back");
                    }
                }
                got
            })
        })
        .into_iter()
        .collect();
    let mut got = threads.into_iter().map(|thread| thread.join().expect("ended"));
    let (one, other) = (got.next().expect("one"), got.next().expect("another"));
    let wrong: Vec<usize> = (0..200).filter(|round| one[*round] == other[*round]).collect();
    assert_eq!(wrong, [0; 0], "rounds in which both or neither got it");
    let given = history(&scratch::link_of(&settings)).expect("read");
    assert_eq!((given.len(), faults_of(&given)), (200, Vec::new()));
}

#[test]
fn a_holder_that_was_paused_commits_nothing_and_knows_it() {
    let (link, settings) = scratch::site();
    let (mut one, mut other) = two(&settings);
    let mut lease = one.take();
    one.write(1);
    assert!(one.link.commit_fenced(&lease).expect("asked"), "while it is held");
    // It is paused within a transaction, and its time passes.
    one.write(2);
    link.batch(PASSED).expect("passed");
    let next = other.take();
    assert_eq!((lease.fence(), next.fence()), (1, 2));
    assert!(!one.link.commit_fenced(&lease).expect("asked"), "fenced");
    assert_eq!(commits(&link), 1);
    assert!(!lease.renew(&one.link, now_ms()).expect("asked") && !lease.may_be_held(now_ms()));
    // Of itself it does not begin again.
    one.write(3);
    assert!(!one.link.commit_fenced(&lease).expect("asked"));
    other.write(2);
    assert!(other.link.commit_fenced(&next).expect("asked"));
    assert_eq!((commits(&link), faults_of(&history(&link).expect("read"))), (2, Vec::new()));
    assert_eq!(history(&link).expect("read").last().expect("given").commits, 1);
}

#[test]
fn what_a_paused_writer_left_open_keeps_nobody_waiting() {
    let (link, settings) = scratch::site();
    let (mut one, mut other) = two(&settings);
    let lease = one.take();
    let writer = Link::open(&settings, Purpose::Writer, &scratch::driver()).expect("connected");
    writer.batch("BEGIN; INSERT INTO watermark_log (number, data) VALUES (1, '')").expect("written");
    link.batch(PASSED).expect("passed");
    let next = other.take();
    // The same number: it would wait for the open transaction.
    other.write(1);
    assert!(other.link.commit_fenced(&next).expect("asked"));
    let ended = writer.commit_fenced(&lease).expect_err("its session was ended").to_string();
    assert!(ended.contains(settings.schema.as_str()) && ended.contains("mend"), "{ended}");
}

#[test]
fn a_commit_that_passed_the_check_is_waited_for_and_renewing_waits_for_none() {
    let (link, settings) = scratch::site();
    let (mut one, mut other) = two(&settings);
    let mut lease = one.take();
    let check = lease.check_sql();
    one.write(1);
    one.link.batch(&check).expect("held");
    let renewer = scratch::link_of(&settings);
    assert!(lease.renew(&renewer, now_ms()).expect("asked"), "it waits for no commit");
    link.batch(PASSED).expect("passed");
    // Its own limit ends the waiting: nobody has it.
    let waited = other.taker.try_take(&other.link, &other.schema, now_ms()).expect_err("it waits").to_string();
    assert!(waited.contains("lock"), "{waited}");
    one.link.batch("COMMIT").expect("committed");
    assert_eq!(other.take().fence(), 2);
    assert_eq!(commits(&link), 1, "what was committed before is there");
}

#[test]
fn only_the_databases_clock_counts_and_one_that_was_set_back_keeps_nobody_out() {
    let (link, settings) = scratch::site();
    let (mut one, mut other) = two(&settings);
    let mut lease = one.take();
    // Whatever the boot clock of whoever waits says.
    assert!(matches!(other.ask(u64::MAX / 2), Taken::Held { fence: 1, .. }));
    assert!(matches!(other.ask(0), Taken::Held { .. }));
    // The database's clock is set forward: who holds it is fenced, and another takes it.
    link.batch(PASSED).expect("set forward");
    let next = other.take();
    one.write(1);
    assert!(!one.link.commit_fenced(&lease).expect("asked"));
    // Set back by ten minutes: the end of the lease lies far in the future. While it is renewed it is held.
    let back = "UPDATE lease SET until = clock_timestamp() + interval '10 minutes'";
    link.batch(back).expect("set back");
    let mut taker = Taker::new("một", "");
    let mut ask = |now_ms| taker.try_take(&link, &settings.schema, now_ms).expect("asked");
    assert!(matches!(ask(BEGIN), Taken::Held { fence: 2, .. }));
    let mut renewed = next.clone();
    assert!(renewed.renew(&other.link, now_ms()).expect("asked"));
    link.batch(back).expect("set back");
    assert!(matches!(ask(BEGIN + UNMOVED_MS), Taken::Held { fence: 2, .. }), "it was renewed since");
    assert!(matches!(ask(BEGIN + 2 * UNMOVED_MS - 1), Taken::Held { .. }), "not long enough");
    let Taken::Ours(third) = ask(BEGIN + 2 * UNMOVED_MS) else { panic!("it was not renewed for long enough") };
    assert_eq!(third.fence(), 3);
    other.write(1);
    assert!(!other.link.commit_fenced(&next).expect("asked"));
    let given = history(&link).expect("read");
    assert_eq!((faults_of(&given), given[2].previous_unmoved), (Vec::new(), true));
    assert!(!lease.renew(&one.link, now_ms()).expect("asked"));
}

#[test]
fn a_lease_that_is_not_renewed_is_free_after_eight_seconds() {
    let (_, settings) = scratch::site();
    let (mut one, mut other) = two(&settings);
    let began = now_ms();
    let lease = one.take();
    let taken_ms = loop {
        if let Taken::Ours(_) = other.ask(now_ms()) {
            break now_ms() - began;
        }
        assert!(now_ms() - began < 4 * LEASE_MS, "nobody gets it");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(taken_ms >= LEASE_MS - 1, "after {taken_ms} ms");
    assert!(!lease.may_be_held(now_ms()), "who held it knows by itself");
}

#[test]
fn a_server_that_is_killed_and_started_again_gives_no_fence_twice() {
    let mut cluster = Cluster::start();
    let settings = cluster.settings("hanoi");
    let link = scratch::link_of(&settings);
    super::super::migration::migrate(&link, &settings.schema).expect("made");
    let (mut one, mut other) = two(&settings);
    let mut lease = one.take();
    one.write(1);
    assert!(one.link.commit_fenced(&lease).expect("asked"));
    one.write(2);
    cluster.kill();
    let gone = one.link.commit_fenced(&lease).expect_err("nobody is there").to_string();
    assert!(gone.contains("mend"), "{gone}");
    let refused = Link::open(&settings, Purpose::Lease, &scratch::driver()).expect_err("nobody listens").to_string();
    assert!(refused.contains("postgresql://") && refused.contains("mend"), "{refused}");
    cluster.start_again();
    one.link = scratch::link_of(&settings);
    other.link = scratch::link_of(&settings);
    assert_eq!(commits(&one.link), 1, "what was acknowledged is there, and nothing else");
    // Whether its time has passed meanwhile is the machine's speed; either way one of them has it.
    let goes_on = lease.renew(&one.link, now_ms()).expect("asked");
    match other.ask(now_ms()) {
        Taken::Held { holder, fence, .. } => assert!(goes_on && (holder.as_str(), fence) == ("một", 1)),
        Taken::Ours(next) => assert!(!goes_on && next.fence() == 2),
    }
    assert_eq!(faults_of(&history(&one.link).expect("read")), [""; 0]);
}

#[test]
fn the_history_of_fences_cannot_be_changed() {
    let (link, settings) = scratch::site();
    let lease = Collector::new(&settings, "một").take();
    for sql in [
        "UPDATE lease_history SET holder = 'x'",
        "DELETE FROM lease_history",
        "TRUNCATE lease_history",
        "INSERT INTO lease_history VALUES (5, 'x', now(), now(), false, 0)",
        "DELETE FROM lease",
        "TRUNCATE lease",
    ] {
        let refused = link.batch(sql).expect_err(sql).to_string();
        assert!(
            refused.contains("append-only") || refused.contains("one after the other") || refused.contains("stays"),
            "{sql}: {refused}"
        );
    }
    assert_eq!(history(&link).expect("read").len() as u64, lease.fence());
}

#[test]
fn fences_that_cannot_be_are_said() {
    let one = |fence, early_us, commits| FenceGiven {
        fence,
        holder: "một".into(),
        early_us,
        previous_unmoved: false,
        commits,
    };
    assert_eq!(faults_of(&[one(1, 0, 0), one(2, -5, 7), one(3, 0, 7)]), [""; 0]);
    let faults = faults_of(&[one(1, 0, 9), one(3, 40, 7)]);
    assert_eq!(faults.len(), 3, "{faults:?}");
    let unmoved = FenceGiven { previous_unmoved: true, ..one(2, 40, 0) };
    assert_eq!(faults_of(&[one(1, 0, 0), unmoved]), [""; 0]);
}
