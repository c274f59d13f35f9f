//! A store whose server or connection fails: nothing that was acknowledged is lost, nothing is there twice.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ioc_common::clock::{self, Timestamp};

use super::connect::Link;
use super::lease::{self, Taken, Taker};
use super::scratch;
use super::settings::{Address, PostgresSettings};
use crate::{ArchiveChange, Change, Handover, Store};

/// What a proxy does with the next end of a transaction.
const PASS: u8 = 0;
/// It comes to the server, and its answer does not come back.
const LOSE_ANSWER: u8 = 1;
/// It does not come to the server.
const LOSE_COMMIT: u8 = 2;

/// A way to the server on which answers are lost.
struct Proxy {
    dir: tempfile::TempDir,
    does: Arc<AtomicU8>,
}

impl Proxy {
    fn start(to: &Address) -> Self {
        let dir = tempfile::Builder::new().prefix("ioc-way-").tempdir_in("/tmp").expect("a folder");
        let does = Arc::new(AtomicU8::new(PASS));
        let name = format!(".s.PGSQL.{}", to.port);
        let listener = UnixListener::bind(dir.path().join(&name)).expect("listens");
        let (to, known) = (Path::new(&to.host).join(name), Arc::clone(&does));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (Ok(server), does) = (UnixStream::connect(&to), Arc::clone(&known)) else { continue };
                std::thread::spawn(move || carry(client, server, &does));
            }
        });
        Self { dir, does }
    }

    fn address(&self, of: &PostgresSettings) -> PostgresSettings {
        let mut settings = of.clone();
        settings.addresses[0].host = self.dir.path().to_string_lossy().into_owned();
        settings
    }
}

/// Carries what both say, until one ends or the commit is lost.
fn carry(mut client: UnixStream, mut server: UnixStream, does: &AtomicU8) {
    let (mut from_server, to_client) = (server.try_clone().expect("another"), client.try_clone().expect("another"));
    let to_client = Arc::new(Mutex::new(Some(to_client)));
    let answers = Arc::clone(&to_client);
    std::thread::spawn(move || {
        let mut bytes = [0; 65536];
        while let Ok(1..) = from_server.read(&mut bytes).inspect(|count| {
            if let Some(client) = answers.lock().expect("whole").as_mut() {
                let _ = client.write_all(&bytes[..*count]);
            }
        }) {}
        if let Some(client) = answers.lock().expect("whole").take() {
            let _ = client.shutdown(std::net::Shutdown::Both);
        }
    });
    let mut bytes = [0; 65536];
    while let Ok(count @ 1..) = client.read(&mut bytes) {
        let is_end = bytes[..count].windows(7).any(|seven| seven == b"COMMIT\0");
        let lost = if is_end { does.swap(PASS, Ordering::SeqCst) } else { PASS };
        if lost != PASS {
            // From here on nothing comes back.
            drop(to_client.lock().expect("whole").take());
        }
        if lost == LOSE_COMMIT || server.write_all(&bytes[..count]).is_err() {
            break;
        }
        if lost == LOSE_ANSWER {
            // It is carried out, whoever listens.
            std::thread::sleep(Duration::from_millis(300));
            break;
        }
    }
    let _ = client.shutdown(std::net::Shutdown::Both);
    let _ = server.shutdown(std::net::Shutdown::Both);
}

fn open(settings: &PostgresSettings, dir: &Path) -> Box<dyn Store> {
    super::open(settings, dir, &scratch::driver(), None).expect("opens")
}

fn entry(text: &str) -> [Change; 1] {
    let at = Timestamp::from_millis(1_790_000_000_000);
    [Change::Handover(Handover { at, rota: "ca".into(), who: "lan".into(), text: text.into(), shift: None })]
}

/// What the duty book has, in order.
fn book(link: &Link) -> String {
    let row = link.row("SELECT coalesce(string_agg(text, ' ' ORDER BY number), '') FROM handover", &[]).expect("asked");
    link.get(&row, 0).expect("read")
}

#[test]
fn what_became_of_a_commit_whose_answer_was_lost_is_found_out_and_nothing_is_there_twice() {
    let (link, settings) = scratch::site();
    let (dir, proxy) = (tempfile::tempdir().expect("a folder"), Proxy::start(&settings.addresses[0]));
    let mut store = open(&proxy.address(&settings), dir.path());
    store.commit(&entry("một")).expect("commits");
    proxy.does.store(LOSE_ANSWER, Ordering::SeqCst);
    store.commit(&entry("hai")).expect("it is there, though nobody said so");
    assert_eq!(book(&link), "một hai");
    proxy.does.store(LOSE_COMMIT, Ordering::SeqCst);
    store.commit(&entry("ba")).expect_err("it is not there");
    assert_eq!(book(&link), "một hai");
    // It is tried again, and goes on.
    store.commit(&entry("ba")).expect("commits");
    store.commit(&entry("bốn")).expect("commits");
    assert_eq!(book(&link), "một hai ba bốn");
    let numbers =
        link.row("SELECT string_agg(number::text, ' ' ORDER BY number) FROM watermark_log", &[]).expect("asked");
    assert_eq!(link.get::<String>(&numbers, 0).expect("read"), "1 2 3 4");
}

#[test]
fn a_store_whose_lease_another_has_taken_writes_nothing_any_more() {
    let (link, settings) = scratch::site();
    let take = |name: &str| match Taker::new(name, "").try_take(&link, &settings.schema, clock::boottime_ms()) {
        Ok(Taken::Ours(lease)) => lease,
        other => panic!("{other:?}"),
    };
    let (dir, other_dir) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let lease = take("một");
    let mut store = super::open(&settings, dir.path(), &scratch::driver(), Some(&lease)).expect("opens");
    let mut archive = store.archive().expect("opens");
    let folded = [ArchiveChange::AllFolded { row: 7 }];
    store.commit(&entry("một")).expect("while it is held");
    archive.write(&folded).expect("while it is held");
    // The first is paused for so long that its time passes.
    link.batch("UPDATE lease SET until = clock_timestamp() - interval '1 ms'").expect("passed");
    let next = take("hai");
    let mut other = super::open(&settings, other_dir.path(), &scratch::driver(), Some(&next)).expect("opens");
    other.commit(&entry("hai")).expect("commits");
    // Its sessions were ended; with new ones, and whatever it tries, it writes nothing.
    for _ in 0..3 {
        store.commit(&entry("một nữa")).expect_err("fenced");
    }
    let said = store.commit(&entry("một nữa")).expect_err("fenced").to_string();
    assert!(said.contains("the lease of this site is not held by một with fence 1"), "{said}");
    archive.write(&[ArchiveChange::AllFolded { row: 9 }]).expect_err("fenced");
    let mut archive = store.archive().expect("opens");
    let said = archive.write(&[ArchiveChange::AllFolded { row: 9 }]).expect_err("fenced").to_string();
    assert!(said.contains("is not held"), "{said}");
    store.forget_rows(1, 10).expect_err("fenced");
    other.commit(&entry("hai nữa")).expect("it goes on");
    assert_eq!(book(&link), "một hai hai nữa");
    let folded: i64 = link
        .get(
            &link.row(&format!("SELECT folded FROM {}_history.state", settings.schema.as_str()), &[]).expect("asked"),
            0,
        )
        .expect("read");
    assert_eq!(folded, 7);
    assert_eq!(lease::faults_of(&lease::history(&link).expect("read")), [""; 0]);
}

#[test]
fn rows_that_are_folded_go_by_whole_parts_and_how_many_were_numbered_stays_known() {
    let (link, settings) = scratch::site();
    let number = |sql: &str| -> i64 { link.get(&link.row(sql, &[]).expect("asked"), 0).expect("read") };
    number("SELECT make_sample_partitions(1048576)");
    for row in [1, 7, (1 << 20) - 1, 1 << 20] {
        link.batch(&format!("INSERT INTO sample VALUES ({row}, 1, 0, 1, 1, 1, 1, 7, '')")).expect("there is room");
    }
    let dir = tempfile::tempdir().expect("a folder");
    let mut store = open(&settings, dir.path());
    assert_eq!(store.forget_rows((1 << 20) - 1, 100).expect("forgotten"), 100, "there may be more");
    assert_eq!(
        number(
            "SELECT count(*) FROM pg_class WHERE relname = 'sample_0' AND relnamespace = current_schema::regnamespace"
        ),
        0
    );
    assert_eq!(store.forget_rows((1 << 20) - 1, 100).expect("asked"), 0, "there is no more");
    assert_eq!((number("SELECT rows FROM fold_mark"), number("SELECT count(*) FROM sample")), ((1 << 20) - 1, 1));
    // Part of a part goes row by row.
    assert_eq!(store.forget_rows(1 << 20, 100).expect("forgotten"), 1);
    assert_eq!((number("SELECT rows FROM fold_mark"), number("SELECT count(*) FROM sample")), (1 << 20, 0));
}

#[test]
fn a_server_that_is_killed_under_commits_loses_nothing_and_the_store_goes_on_by_itself() {
    let mut cluster = scratch::Cluster::start();
    let settings = cluster.settings("hanoi");
    let dir = tempfile::tempdir().expect("a folder");
    let mut store = open(&settings, dir.path());
    for number in 1..=3_u32 {
        store.commit(&entry(&format!("trước-{number}"))).expect("commits");
        cluster.kill();
        let error = store.commit(&entry("mất")).expect_err("nobody is there");
        assert!(error.is_no_room(), "it may pass: {error}");
        cluster.start_again();
        // The first may find that its session ended; it says so, and nothing is there.
        let again = || entry(&format!("sau-{number}"));
        if store.commit(&again()).is_err() {
            store.commit(&again()).expect("it goes on");
        }
    }
    assert_eq!(book(&scratch::link_of(&settings)), "trước-1 sau-1 trước-2 sau-2 trước-3 sau-3");
}
