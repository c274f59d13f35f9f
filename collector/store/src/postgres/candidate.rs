//! A collector that may decide for its site: a thread that asks the database every [`RENEW_MS`] for the lease, or to go on holding it, and says how that
//! stands to whoever listens.
//!
//! What is lost is not taken again by itself: who held it first ends what it did with it, and says so ([`Candidate::stand_by`]). That a lease which cannot be
//! renewed is over is seen without the thread, which may wait for a server that says nothing ([`Candidate::holds`]).
//!
//! Deliberately absent: what a holder does with the lease (`collector/src/cluster.rs`), and that a commit is refused without it, which is the database's
//! business (`lease.sql`).

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use ioc_common::clock;

use super::connect::{Link, Purpose};
use super::fault::Fault;
use super::lease::{Lease, RENEW_MS, Taken, Taker};
use super::row_copy::SiteRows;
use super::settings::PostgresSettings;
use super::{Standby, lease, migration};
use crate::sql::postgres::Driver;
use crate::{Store, StoreError};

/// Between two attempts to reach a database that does not answer, ms: its restart takes a second or two, and a lease lasts eight.
const RETRY_MS: u64 = 500;
/// How long after the end of a lease that nobody renews it is asked for, ms.
const PAST_END_MS: u64 = 20;

/// How the lease stands, as far as this collector knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaseView {
    /// What this collector is called.
    pub name: String,
    /// Who held it when the database was asked last; empty before that, and where nobody ever did.
    pub holder: String,
    /// With which fence; 0 where nobody ever held it.
    pub fence: u64,
    /// Where the pages of that collector are; empty where that is not known.
    pub pages: String,
    /// This collector holds it.
    pub own: bool,
    /// This collector held it, does not any more, and has not ended yet what it did with it.
    pub lost: bool,
    /// How often this collector has taken it since its start.
    pub taken: u64,
    /// How often it lost it before it gave it back.
    pub losses: u64,
    /// Why the database cannot be asked; none while it can.
    pub trouble: Option<String>,
    /// How long its last answer took, ms.
    pub latency_ms: Option<u64>,
    /// By how much its clock was ahead of this machine's then, ms; negative when it was behind.
    pub clock_ahead_ms: Option<i64>,
}

/// What the thread is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// Take the lease when nobody holds it, and go on holding it.
    Take,
    /// Look who holds it.
    Look,
    /// Give it back, and end.
    End,
}

#[derive(Debug)]
struct Shared {
    settings: PostgresSettings,
    driver: Arc<Driver>,
    /// What is held.
    lease: Mutex<Option<Lease>>,
    wish: Mutex<Wish>,
    /// Something else is wished for.
    wake: Condvar,
    view: watch::Sender<LeaseView>,
}

impl Shared {
    fn lease(&self) -> MutexGuard<'_, Option<Lease>> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wish(&self) -> MutexGuard<'_, Wish> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_wish(&self, wish: Wish) {
        *self.wish() = wish;
        self.wake.notify_all();
    }

    /// Waits so long, or until something else is wished for.
    fn rest(&self, ms: u64) {
        let wish = self.wish();
        let before = *wish;
        let goes_on = |wish: &mut Wish| *wish == before && *wish != Wish::End;
        let _ = self.wake.wait_timeout_while(wish, Duration::from_millis(ms), goes_on);
    }
}

/// A collector that waits for the lease of its site, or holds it.
#[derive(Debug)]
pub struct Candidate {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Drives what the role of now asks of the database.
    role: Mutex<Option<Arc<Driver>>>,
}

impl Candidate {
    /// Begins to ask for it. `name` is what people know this collector by, and no other of the site; `pages` is where its pages are, for whoever asks another
    /// one. A database that does not answer is asked again.
    ///
    /// # Errors
    /// [`StoreError::File`] when the system gives no thread.
    pub fn start(settings: &PostgresSettings, name: &str, pages: &str) -> Result<Self, StoreError> {
        let no_thread = |source| StoreError::File { path: "lease thread".into(), source };
        let driver = Driver::start().map_err(no_thread)?;
        let view = watch::channel(LeaseView { name: name.to_owned(), ..LeaseView::default() }).0;
        let (lease, wish, wake) = (Mutex::default(), Mutex::new(Wish::Take), Condvar::new());
        let shared = Arc::new(Shared { settings: settings.clone(), driver, lease, wish, wake, view });
        let asks = Asks {
            shared: Arc::clone(&shared),
            taker: Taker::new(name, pages),
            name: name.to_owned(),
            pages: pages.to_owned(),
            link: None,
        };
        let thread =
            std::thread::Builder::new().name("lease".to_owned()).spawn(move || asks.run()).map_err(no_thread)?;
        Ok(Self { shared, thread: Some(thread), role: Mutex::default() })
    }

    /// How it stands, whenever that changes.
    #[must_use]
    pub fn view(&self) -> watch::Receiver<LeaseView> {
        self.shared.view.subscribe()
    }

    /// Whether this collector may still hold it, by the boot clock; the database alone knows. Once this says no, everything that only a holder does ends.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.shared.lease().as_ref().is_some_and(|lease| lease.may_be_held(clock::boottime_ms()))
    }

    /// What says at any moment whether the lease that is held now still is.
    pub fn asks_whether_it_holds(&self) -> impl Fn() -> bool + Send + Sync + 'static + use<> {
        let (shared, fence) = (Arc::clone(&self.shared), self.shared.lease().as_ref().map(Lease::fence));
        move || {
            let lease = shared.lease();
            lease.as_ref().is_some_and(|lease| Some(lease.fence()) == fence && lease.may_be_held(clock::boottime_ms()))
        }
    }

    /// What the holder did is ended: the lease may be taken again.
    pub fn stand_by(&self) {
        // Whatever is left of one that was held is given up with its role: its fence is not used a second time.
        *self.shared.lease() = None;
        self.shared.view.send_modify(|view| (view.own, view.lost) = (false, false));
        self.shared.set_wish(Wish::Take);
    }

    /// Opens the store of whoever holds the lease: every commit proves it. `dir` is a folder of this collector's.
    ///
    /// # Errors
    /// [`StoreError`] when it is not held, or as of opening a store.
    pub fn open(&self, dir: &Path) -> Result<Box<dyn Store>, StoreError> {
        let lease = self.held()?;
        super::open(&self.shared.settings, dir, &self.driver_of_role()?, Some(&lease))
    }

    /// The store as who stands by sees it: to be read, and nothing else.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be asked, has no such site yet, or was brought up by another version.
    pub fn standby(&self, dir: &Path) -> Result<Standby, StoreError> {
        super::standby(&self.shared.settings, dir, &self.driver_of_role()?)
    }

    /// The site as rows, for who copies it: brought up to what this program knows. What is written proves the lease.
    ///
    /// # Errors
    /// [`StoreError`] when it is not held, or the database cannot be asked.
    pub(crate) fn rows(&self) -> Result<SiteRows, StoreError> {
        let (settings, driver) = (&self.shared.settings, self.driver_of_role()?);
        let lease = self.held()?;
        migration::migrate(&Link::open(settings, Purpose::Migration, &driver)?, &settings.schema)?;
        SiteRows::open(settings, &driver, Some(&lease))
    }

    fn driver_of_role(&self) -> Result<Arc<Driver>, StoreError> {
        let mut role = self.role.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(driver) = &*role {
            return Ok(Arc::clone(driver));
        }
        let made = Driver::start().map_err(|source| StoreError::File { path: "database thread".into(), source })?;
        made.took_writes(self.shared.driver.address());
        Ok(Arc::clone(role.insert(made)))
    }

    /// Ends every connection of the role that was: whoever of it still waits for an answer, which a server that is frozen never gives, ends too.
    pub fn end_role(&self) {
        if let Some(driver) = self.role.lock().unwrap_or_else(PoisonError::into_inner).take() {
            driver.end();
        }
    }

    /// The lease that is held.
    fn held(&self) -> Result<Lease, StoreError> {
        let lease = self.shared.lease().clone();
        lease.filter(|lease| lease.may_be_held(clock::boottime_ms())).ok_or_else(|| {
            let mend = "none is needed: this collector stands by until the lease is free";
            Fault::passing("this collector does not hold the lease", mend).at(&self.place())
        })
    }

    /// Whether somebody has opened this site's store before.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be asked.
    pub fn is_made(&self) -> Result<bool, StoreError> {
        let link = Link::open(&self.shared.settings, Purpose::Lease, &self.shared.driver)?;
        if !is_there(&link, &self.shared.settings)? {
            return Ok(false);
        }
        let row = link.row("SELECT EXISTS (SELECT FROM state)", &[])?;
        link.get(&row, 0)
    }

    /// What errors call the database: no secret is in it.
    #[must_use]
    pub fn place(&self) -> String {
        self.shared.settings.place()
    }

    /// Gives the lease back where it is held, so that the next one need not wait for its end, and ends the thread.
    pub fn release(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.shared.set_wish(Wish::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether a site's schema has its lease.
pub(super) fn is_there(link: &Link, settings: &PostgresSettings) -> Result<bool, StoreError> {
    let table = format!("{}.lease", settings.schema.as_str());
    let row = link.row("SELECT to_regclass($1::text) IS NOT NULL", &[&table])?;
    link.get(&row, 0)
}

/// The thread's own.
struct Asks {
    shared: Arc<Shared>,
    taker: Taker,
    name: String,
    pages: String,
    link: Option<Link>,
}

/// What one answer of the database said.
struct Answer {
    holder: String,
    fence: u64,
    pages: String,
    latency_ms: u64,
    clock_ahead_ms: i64,
    /// When to ask again, ms from then.
    next_ms: u64,
}

impl Asks {
    fn run(mut self) {
        loop {
            let begun_ms = clock::boottime_ms();
            if *self.shared.wish() == Wish::End {
                break;
            }
            self.drop_if_over(begun_ms);
            let asked = self.ask();
            let every_ms = asked.as_ref().map_or(RETRY_MS, |answer| answer.next_ms);
            self.tell(asked);
            self.shared.rest(every_ms.saturating_sub(clock::boottime_ms().saturating_sub(begun_ms)).max(10));
        }
        let held = self.shared.lease().take();
        if let (Some(lease), Some(link)) = (held, self.link.take()) {
            match lease.release(&link) {
                Ok(()) => tracing::info!("the lease is given back"),
                Err(error) => tracing::warn!(%error, "the lease could not be given back; it ends by itself"),
            }
        }
    }

    /// What was not renewed in time is lost, whether the database could be asked or not.
    fn drop_if_over(&self, now_ms: u64) {
        let is_over = self.shared.lease().as_ref().is_some_and(|lease| !lease.may_be_held(now_ms));
        if is_over {
            self.lose("it could not be renewed in time");
        }
    }

    fn lose(&self, why: &str) {
        *self.shared.lease() = None;
        // Not before whoever held it says that it ended what it did; but for who is told to end.
        let mut wish = self.shared.wish();
        if *wish == Wish::Take {
            *wish = Wish::Look;
        }
        drop(wish);
        tracing::error!(collector = self.name, why, "the lease is lost: this collector decides nothing any more");
        self.shared.view.send_modify(|view| {
            (view.own, view.lost) = (false, true);
            view.losses += 1;
        });
    }

    fn ask(&mut self) -> Result<Answer, StoreError> {
        let link = match self.link.take() {
            Some(link) => link,
            None => self.connect()?,
        };
        let answer = self.ask_by(&link);
        // What failed once is made anew: nobody knows what is left of it.
        self.link = answer.is_ok().then_some(link);
        answer
    }

    /// Connects, and makes the site where there is none: only then is there a lease that one could ask for. A site that is there is brought up by who
    /// holds it, so that whoever waits changes nothing below a holder.
    fn connect(&self) -> Result<Link, StoreError> {
        let Shared { settings, driver, .. } = &*self.shared;
        let link = Link::open(settings, Purpose::Lease, driver)?;
        if is_there(&link, settings)? {
            // An older program neither takes nor reads what a newer one has brought up.
            migration::refuse_newer(&link)?;
        } else {
            migration::migrate(&Link::open(settings, Purpose::Migration, driver)?, &settings.schema)?;
        }
        Ok(link)
    }

    fn ask_by(&mut self, link: &Link) -> Result<Answer, StoreError> {
        let (asked_ms, wall_ms) = (clock::boottime_ms(), clock::wall().as_millis());
        let row = link.row("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", &[])?;
        let latency_ms = clock::boottime_ms().saturating_sub(asked_ms);
        let ahead_ms = link.get::<i64>(&row, 0)? - wall_ms - i64::try_from(latency_ms / 2).unwrap_or(0);
        let answer = |(holder, fence, pages): (&str, u64, &str), next_ms| Answer {
            holder: holder.to_owned(),
            fence,
            pages: pages.to_owned(),
            latency_ms,
            clock_ahead_ms: ahead_ms,
            next_ms,
        };
        let held = self.shared.lease().clone();
        if let Some(mut lease) = held {
            if lease.renew(link, clock::boottime_ms())? {
                let fence = lease.fence();
                // It may have been given up meanwhile.
                if let Some(known) = self.shared.lease().as_mut().filter(|known| known.fence() == fence) {
                    *known = lease;
                }
                return Ok(answer((&self.name, fence, &self.pages), RENEW_MS));
            }
            self.lose("another collector has taken it, or its time was over by the database's clock");
        }
        if *self.shared.wish() == Wish::Take {
            return match self.taker.try_take(link, &self.shared.settings.schema, clock::boottime_ms())? {
                Taken::Ours(lease) => {
                    let fence = lease.fence();
                    *self.shared.lease() = Some(lease);
                    tracing::info!(collector = self.name, fence, "the lease is taken: this collector decides");
                    Ok(answer((&self.name, fence, &self.pages), RENEW_MS))
                }
                Taken::Held { holder, fence, pages } => {
                    // Whoever does not renew it any more is followed at once, not at the next turn.
                    let sql = "SELECT CASE WHEN isfinite(until) THEN (extract(epoch FROM until - clock_timestamp()) * 1000)::bigint ELSE 0 END \
                               FROM lease WHERE one = 1";
                    let lasts_ms: i64 = link.get(&link.row(sql, &[])?, 0)?;
                    let next_ms = u64::try_from(lasts_ms).unwrap_or(0).saturating_add(PAST_END_MS).min(RENEW_MS);
                    Ok(answer((&holder, fence, &pages), next_ms))
                }
            };
        }
        let (holder, fence, pages) = lease::held(link)?;
        Ok(answer((&holder, fence, &pages), RENEW_MS))
    }

    /// Says how it stands.
    fn tell(&self, asked: Result<Answer, StoreError>) {
        let fence = self.shared.lease().as_ref().map(Lease::fence);
        self.shared.view.send_modify(|view| {
            let was_own = std::mem::replace(&mut view.own, fence.is_some());
            view.taken += u64::from(!was_own && view.own);
            match asked {
                Ok(answer) => {
                    if view.trouble.take().is_some() {
                        tracing::info!("the database can be asked again");
                    }
                    (view.holder, view.fence, view.pages) = (answer.holder, answer.fence, answer.pages);
                    (view.latency_ms, view.clock_ahead_ms) = (Some(answer.latency_ms), Some(answer.clock_ahead_ms));
                }
                Err(error) => {
                    let why = error.to_string();
                    if view.trouble.is_none() {
                        tracing::error!(%error, "the database cannot be asked for the lease; nothing is acknowledged until it can");
                    }
                    (view.trouble, view.latency_ms) = (Some(why), None);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::scratch;
    use super::*;
    use crate::{Change, Handover};

    /// Waits until it stands so, for so long as a lease takes to end several times over.
    fn eventually(candidate: &Candidate, what: &str, is_so: impl Fn(&LeaseView) -> bool) {
        let until = clock::boottime_ms() + 60_000;
        while !is_so(&candidate.view().borrow()) {
            assert!(clock::boottime_ms() < until, "{what}: {:?}", *candidate.view().borrow());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn entry(text: &str) -> [Change; 1] {
        let at = clock::Timestamp::from_millis(1_790_000_000_000);
        [Change::Handover(Handover { at, rota: "ca".into(), who: "lan".into(), text: text.into(), shift: None })]
    }

    #[test]
    fn who_waits_takes_over_at_once_from_who_gives_back_and_reads_what_it_wrote() {
        let settings = scratch::settings();
        let (dir, other_dir) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let first = Candidate::start(&settings, "một", "https://mot:8443").expect("starts");
        eventually(&first, "a new site is made and taken", |view| view.own && view.fence == 1);
        assert!(first.holds() && !first.is_made().expect("asked"), "nobody has opened it");
        let mut store = first.open(dir.path()).expect("opens");
        store.commit(&entry("một")).expect("commits");
        let second = Candidate::start(&settings, "hai", "").expect("starts");
        eventually(&second, "it sees who holds", |view| {
            !view.own && view.holder == "một" && view.fence == 1 && view.pages == "https://mot:8443"
        });
        assert!(
            second.open(other_dir.path()).is_err_and(|error| error.to_string().contains("does not hold the lease"))
        );
        let standby = second.standby(other_dir.path()).expect("it is read");
        assert_eq!(standby.reader().expect("reads").handovers(10).map(|all| all.len()).expect("reads"), 1);
        let begun_ms = clock::boottime_ms();
        first.release();
        eventually(&second, "it takes over", |view| view.own && view.fence == 2);
        assert!(clock::boottime_ms() - begun_ms < RENEW_MS + 2000, "it need not wait for the end of the lease");
        assert!(second.open(other_dir.path()).expect("opens").commit(&entry("hai")).is_ok());
        store.commit(&entry("một nữa")).expect_err("fenced");
    }

    #[test]
    fn what_is_lost_is_taken_again_only_when_what_was_done_with_it_is_ended() {
        let (link, settings) = scratch::site();
        let one = Candidate::start(&settings, "một", "https://mot:8443").expect("starts");
        eventually(&one, "taken", |view| view.own);
        link.batch("UPDATE lease SET until = clock_timestamp() - interval '1 ms'").expect("its time passes");
        eventually(&one, "it is said to be lost", |view| view.lost && !view.own && view.losses == 1);
        assert!(!one.holds());
        std::thread::sleep(Duration::from_millis(RENEW_MS * 2));
        assert!(!one.view().borrow().own, "what it did is not ended yet");
        one.stand_by();
        eventually(&one, "it is taken with another fence", |view| view.own && view.fence == 2 && view.taken == 2);
        assert_eq!(lease::faults_of(&lease::history(&link).expect("read")), [""; 0]);
    }

    #[test]
    fn a_database_that_goes_away_is_named_as_the_trouble_and_asked_again() {
        let mut cluster = scratch::Cluster::start();
        let settings = cluster.settings("hanoi");
        let one = Candidate::start(&settings, "một", "https://mot:8443").expect("starts");
        eventually(&one, "taken", |view| view.own && view.latency_ms.is_some() && view.clock_ahead_ms.is_some());
        cluster.kill();
        eventually(&one, "the trouble is said", |view| view.trouble.is_some());
        eventually(&one, "its time ends without anybody's word", |view| view.lost);
        one.stand_by();
        cluster.start_again();
        eventually(&one, "it holds again", |view| view.own && view.trouble.is_none());
    }
}
