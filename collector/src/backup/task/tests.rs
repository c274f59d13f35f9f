use std::sync::Arc;

use tokio::sync::mpsc;

use ioc_engine::writer::time::SystemClock;
use ioc_engine::writer::{self, CertificateAllowlist, EngineDeps, EngineMessage};
use ioc_store::Reader;

use super::*;

/// A task with a real engine, whose incidents can be read.
struct Stage {
    dir: tempfile::TempDir,
    task: BackupTask,
    config: watch::Sender<Arc<Config>>,
    reader: Box<dyn Reader>,
    watches: Watches,
    thread: std::thread::JoinHandle<()>,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("directory");
        let (data, to) = (dir.path().join("data"), dir.path().join("b"));
        std::fs::create_dir(&to).expect("made");
        let text = format!(
            "[paths]\ndata = {data:?}\nruntime = {data:?}\n[backup]\ndirectory = {to:?}\nunsealed_with_every_key_readable = true\n"
        );
        let parsed = crate::config::tests::parse(&text).unwrap_or_else(|error| panic!("{error}"));
        let (authority, store, _) = crate::first_start::prepare(&parsed, None).expect("first start");
        let (authority, health) = (Arc::new(authority), Arc::new(Health::default()));
        let reader = store.reader().expect("reads");
        let (config, heard) = watch::channel(Arc::new(parsed.clone()));
        let (engine, thread) = writer::start(EngineDeps {
            config: parsed,
            configs: config.clone(),
            store,
            authority: Arc::clone(&authority),
            allowlist: Arc::new(CertificateAllowlist::default()),
            health: Arc::clone(&health),
            probes: mpsc::unbounded_channel().0,
            restored: None,
            clock: Box::new(SystemClock),
        })
        .expect("started");
        let watches = Watches {
            backup: TaskWatch::new(BackgroundTask::Backup, engine.clone()),
            drill: TaskWatch::new(BackgroundTask::RestoreDrill, engine.clone()),
        };
        let task = BackupTask { engine, config: heard, config_path: None, authority, health, store: Arc::default() };
        Self { dir, task, config, reader, watches, thread }
    }

    /// The newest backup is so many hours old.
    fn has_backup_of(&self, hours: i64) {
        let record = BackupRecord {
            archive: "a.tar.lz4".to_owned(),
            number: 1,
            made_at: clock::now().plus_millis(-hours * 3_600_000),
            bytes: 1,
            sha256: String::new(),
            plain_bytes: 1,
            store: String::new(),
            commits: 1,
            audit_number: 1,
            sealed: "open".to_owned(),
            product: String::new(),
            took_ms: 1,
            copied_ms: 1,
        };
        self.task.health.backups.update(|status| status.archives = vec![record]);
    }

    async fn end(self) {
        let _ = self.task.engine.send(EngineMessage::Stop).await;
        let Self { dir, thread, .. } = self;
        tokio::task::spawn_blocking(move || thread.join()).await.expect("waits").expect("ended");
        drop(dir);
    }

    async fn looks(&mut self, is_up: bool, was_stale: bool) -> bool {
        let was = Late { backup: was_stale, drill: false };
        self.task.look(is_up, was, &mut self.watches).await.backup
    }

    async fn finds_no_drill(&mut self, was: bool) -> bool {
        self.task.look(true, Late { backup: false, drill: was }, &mut self.watches).await.drill
    }

    /// The last drill was held so many days ago.
    fn has_drill_of(&self, days: i64) {
        let at = clock::now().plus_millis(-days * 86_400_000);
        let drill = DrillRecord {
            archive: "a.tar.lz4".to_owned(),
            sha256: String::new(),
            store: String::new(),
            backup_made_at: at,
            number: 1,
            at,
            took_ms: 1,
            failure: None,
            checks: Vec::new(),
            tables: 0,
            rows: 0,
            files: 0,
            plain_bytes: 1,
            product: String::new(),
        };
        self.task.health.backups.update(|status| status.drill = Some(drill));
    }

    /// Whether people are told that the collector is not backed up. An end is judged a moment later.
    async fn says_not_backed_up(&self, expected: bool) -> bool {
        self.says("article 7.1", expected).await
    }

    async fn says(&self, what: &str, expected: bool) -> bool {
        let says = || {
            let all = self.reader.incidents(None, true, None, 9).expect("reads");
            let is = |one: &ioc_judge::Incident| one.title.en.contains(what) && one.state.is_untaken();
            all.iter().any(is)
        };
        for _ in 0..200 {
            if says() == expected {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        says()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_too_old_is_an_incident_until_there_is_another_or_none_are_wanted() {
    let mut stage = Stage::new();
    stage.has_backup_of(31);
    assert!(!stage.looks(false, false).await, "right after the start one may be about to be made");
    assert!(!stage.says_not_backed_up(false).await);
    stage.has_backup_of(29);
    assert!(!stage.looks(true, false).await && !stage.says_not_backed_up(false).await);
    stage.has_backup_of(31);
    assert!(stage.looks(true, false).await);
    assert!(stage.says_not_backed_up(true).await);
    // Another one is there, though nobody made it here: a disk that was mounted again.
    stage.has_backup_of(1);
    assert!(!stage.looks(true, true).await);
    assert!(!stage.says_not_backed_up(false).await);
    // Too old again, and then none are wanted: that they are off is said elsewhere, and nothing fails.
    stage.has_backup_of(40);
    assert!(stage.looks(true, false).await && stage.says_not_backed_up(true).await);
    stage.task.health.backups.update(|status| status.failed = Some((clock::now(), "no room".to_owned())));
    let off = Config { backup: None, ..Config::clone(&stage.config.borrow()) };
    stage.config.send(Arc::new(off)).expect("heard");
    assert!(!stage.looks(true, true).await);
    assert!(!stage.says_not_backed_up(false).await);
    assert_eq!(stage.task.health.backups.status().failed, None);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drills_that_never_come_to_their_end_are_an_incident_until_one_does() {
    let mut stage = Stage::new();
    stage.has_backup_of(8 * 24);
    assert!(!stage.finds_no_drill(false).await && !stage.says("article 7.2", false).await, "one is due, and not late");
    stage.has_backup_of(9 * 24);
    assert!(stage.finds_no_drill(false).await && stage.says("article 7.2", true).await, "none was ever held");
    stage.has_drill_of(1);
    assert!(!stage.finds_no_drill(true).await && !stage.says("article 7.2", false).await);
    stage.has_drill_of(9);
    assert!(stage.finds_no_drill(false).await && stage.says("article 7.2", true).await, "the last one is too long ago");
    stage.end().await;
}
