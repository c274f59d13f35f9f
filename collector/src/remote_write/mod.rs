//! Samples sent on to Prometheus, VictoriaMetrics or Mimir: remote write 1.0
//! (<https://prometheus.io/docs/specs/prw/remote_write_spec/>).
//!
//! Rows of history are read behind the engine in the order of their arrival, and how far they were sent is kept on disk (`position`): what
//! the receiver has not taken yet waits as long as its rows stand. Once rows are folded they cannot be sent any more, and are counted as lost.

mod position;
mod request;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::watch;

use ioc_common::layout::{Layout, LayoutId};

use crate::panics::caught;
use crate::task_watch::TaskWatch;
use ioc_engine::command::BackgroundTask;
use ioc_engine::config::Config;
use ioc_engine::health::Health;
use ioc_engine::http;
use ioc_engine::writer::EngineHandle;
use ioc_store::scope::AccessScope;
use ioc_store::{DeviceHistoryRow, Reader, RowNumbers, StoreError};
pub(crate) use position::POSITION_FILE;
use position::PositionFile;
use request::{RowWithLayout, send_rows};

/// Most rows in one request.
const ROWS_MAX: usize = 500;
/// How long to wait for new rows.
const IDLE: Duration = Duration::from_secs(1);
/// A position that cannot be read is logged at once, and then once in so many tries: an hour.
const LOG_EVERY: u64 = 3600;

/// What was read after a row.
struct RowsRead {
    rows: Vec<RowWithLayout>,
    /// The numbers of the first and the last that there is, with those whose layout is missing.
    ends: Option<(u64, u64)>,
    /// Rows whose layout is missing: nobody can say what their numbers mean.
    unreadable: u64,
}
/// A store's rows, and how far they went before this process wrote any.
pub struct StoreRows {
    reader: Box<dyn Reader>,
    at_start: RowNumbers,
}

impl StoreRows {
    /// To be made before anything is written: afterwards nobody could tell that the store had come further once.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn new(mut reader: Box<dyn Reader>) -> Result<Self, StoreError> {
        let at_start = reader.row_numbers()?;
        // Where nothing is sent, nothing more is asked.
        reader.rest();
        Ok(Self { reader, at_start })
    }
}

/// Sends rows to the receiver, until the collector ends.
pub async fn run(
    rows: StoreRows,
    data: PathBuf,
    config: watch::Receiver<Arc<Config>>,
    health: Arc<Health>,
    engine: EngineHandle,
) {
    let path = data.join(POSITION_FILE);
    let StoreRows { mut reader, at_start } = rows;
    let mut watch = TaskWatch::new(BackgroundTask::RemoteWrite, engine);
    // What leaves the house names no accounts.
    while let Err(error) = reader.limit(&AccessScope::EVERYWHERE.without_names()) {
        tracing::error!(%error, "the store cannot be read; nothing is handed on until it can");
        if config.borrow().remote_write.is_some() {
            watch.failed(error).await;
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    forward(reader, PositionFile { path, at_start }, config, health, watch).await;
}

/// Where rows of history are read.
trait RowSource: Send + 'static {
    /// The largest number that a row has.
    fn last_row(&self) -> Result<u64, StoreError>;
    /// Rows after one, each with its layout.
    fn rows_after(&self, after: u64) -> Result<RowsRead, StoreError>;
}

impl RowSource for Box<dyn Reader> {
    fn last_row(&self) -> Result<u64, StoreError> {
        Ok(self.as_ref().row_numbers()?.last)
    }

    fn rows_after(&self, after: u64) -> Result<RowsRead, StoreError> {
        let reader = self.as_ref();
        with_layouts(reader.rows_after(after, ROWS_MAX)?, |id| reader.layout(id))
    }
}

async fn forward(
    source: impl RowSource,
    file: PositionFile,
    config: watch::Receiver<Arc<Config>>,
    health: Arc<Health>,
    mut watch: TaskWatch,
) {
    // Set up or not: once more has come in, a store that went back looks like any other. What cannot be read is said below.
    let _ = file.read_settled(&health).await;
    let mut position = first_position(&file, &config, &health, &mut watch).await;
    let (mut source, mut failures, mut panics, mut was_off) = (Some(source), 0_u32, 0_u32, true);
    loop {
        let current = Arc::clone(&config.borrow());
        let Some(target) = current.remote_write.clone() else {
            was_off = true;
            // Nobody misses it any more.
            watch.succeeded().await;
            tokio::time::sleep(IDLE).await;
            continue;
        };
        let Some(taken) = source.take() else { return };
        let begin = position;
        let task = tokio::task::spawn_blocking(move || {
            let found = caught(|| {
                // Nobody asked for what came before it was set up.
                let from = begin.map_or_else(|| taken.last_row(), Ok);
                from.and_then(|from| Ok((from, taken.rows_after(from)?)))
            });
            (taken, found)
        });
        let (taken, found) = match task.await {
            Ok(done) => done,
            // The collector ends.
            Err(error) => return tracing::debug!(%error, "remote write: reading was broken off"),
        };
        source = Some(taken);
        let found = match found {
            Ok(found) => found,
            Err(panic) => {
                panics = panics.saturating_add(1);
                tracing::error!(panic, "remote write: reading the store panicked; it is read again");
                watch.failed(format!("it panicked: {panic}")).await;
                tokio::time::sleep(Duration::from_millis(http::backoff_ms(panics).min(60_000))).await;
                continue;
            }
        };
        panics = 0;
        let (from, RowsRead { rows, ends, unreadable }) = match found {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "remote write: the store cannot be read");
                watch.failed(error).await;
                tokio::time::sleep(IDLE).await;
                continue;
            }
        };
        if std::mem::take(&mut was_off) {
            tracing::info!(url = target.url, "remote write: handing on what comes in");
        }
        // Kept before anything is sent: what comes while the receiver is away is not to be passed over.
        if position.is_none() {
            file.write(from).await;
            position = Some(from);
        }
        let Some((first, last)) = ends else {
            watch.succeeded().await;
            tokio::time::sleep(IDLE).await;
            continue;
        };
        let missed = first.saturating_sub(from + 1) + unreadable;
        match send_rows(&target, &current.exposed_labels, &rows).await {
            Ok(refused) => {
                let taken = (rows.len() as u64).saturating_sub(refused);
                health.remote_write_sent.fetch_add(taken, Relaxed);
                health.remote_write_lost.fetch_add(refused + missed, Relaxed);
                if refused + missed > 0 {
                    tracing::warn!(
                        refused,
                        missed,
                        "remote write: reports that the receiver did not take, or that were folded before or have no layout"
                    );
                }
                failures = 0;
                watch.succeeded().await;
                position = Some(last);
                file.write(last).await;
            }
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    tracing::warn!(url = target.url, %error, "remote write fails; it is tried again");
                }
                watch.failed(&error).await;
                let pause = http::backoff_ms(failures).min(60_000);
                tokio::time::sleep(Duration::from_millis(pause).max(error.retry_after().unwrap_or_default())).await;
            }
        }
    }
}

/// How far it had come, once remote write is set up; none when it begins. A position that cannot
/// be read is not taken for a beginning: what waits would be passed over without a word. It is said and read again until somebody mends it.
async fn first_position(
    file: &PositionFile,
    config: &watch::Receiver<Arc<Config>>,
    health: &Health,
    watch: &mut TaskWatch,
) -> Option<u64> {
    let mut tries = 0_u64;
    loop {
        if config.borrow().remote_write.is_some() {
            match file.read_settled(health).await {
                Ok(position) => return position,
                Err(error) => {
                    if tries.is_multiple_of(LOG_EVERY) {
                        tracing::error!(
                            path = %file.path.display(), %error,
                            "remote write: how far it has come cannot be read; nothing is handed on until the file can be read, \
                             holds the number of the last row that was handed on, or is removed, which begins with what comes next"
                        );
                    }
                    tries += 1;
                    watch.failed(error).await;
                }
            }
        } else {
            watch.succeeded().await;
        }
        tokio::time::sleep(IDLE).await;
    }
}

fn with_layouts(
    found: Vec<DeviceHistoryRow>,
    layout_of: impl Fn(LayoutId) -> Result<Option<Layout>, StoreError>,
) -> Result<RowsRead, StoreError> {
    let mut layouts: BTreeMap<LayoutId, Option<Arc<Layout>>> = BTreeMap::new();
    let (mut rows, mut unreadable) = (Vec::new(), 0);
    let ends = found.first().zip(found.last()).map(|(first, last)| (first.row.number, last.row.number));
    for arrived in found {
        let id = arrived.row.layout;
        let layout = match layouts.entry(id) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(new) => new.insert(layout_of(id)?.map(Arc::new)).clone(),
        };
        match layout {
            Some(layout) => rows.push((arrived, layout)),
            None => unreadable += 1,
        }
    }
    Ok(RowsRead { rows, ends, unreadable })
}

#[cfg(test)]
mod tests {
    use super::position::read_position;
    use super::position::tests::position_file;
    use super::request::tests::{a_row, receiver};
    use super::*;

    #[tokio::test]
    async fn a_position_that_cannot_be_read_is_left_as_it_is_and_read_again() {
        let dir = tempfile::tempdir().expect("directory");
        let file = position_file(dir.path(), "a", (0, 9));
        std::fs::write(&file.path, "").expect("written");
        let text = "[remote_write]\nurl = \"http://127.0.0.1:9/\"\n";
        let (_sender, config) = watch::channel(Arc::new(crate::config::tests::parse(text).expect("parses")));
        let health = Health::default();
        let early = tokio::time::timeout(
            Duration::from_millis(200),
            first_position(&file, &config, &health, &mut unreported()),
        )
        .await;
        assert!(early.is_err(), "{early:?}");
        assert_eq!(std::fs::read_to_string(&file.path).expect("read"), "");
        std::fs::write(&file.path, "7").expect("mended");
        assert_eq!(first_position(&file, &config, &health, &mut unreported()).await, Some(7));
    }

    #[test]
    fn rows_whose_layout_is_missing_are_counted() {
        let (row, layout) = a_row(1);
        let known = layout.id();
        let mut lost = row.clone();
        lost.row.number = 2;
        lost.row.layout = LayoutId(known.0 ^ 1);
        let layout_of = |id| Ok((id == known).then(|| Layout::new(Vec::new()).expect("layout")));
        let found = with_layouts(vec![row, lost], layout_of).expect("read");
        assert_eq!((found.rows.len(), found.unreadable, found.ends), (1, 1, Some((1, 2))));
    }

    /// Panics when it is first asked, and then has one row.
    struct PanicsOnce(std::sync::atomic::AtomicBool);

    impl RowSource for PanicsOnce {
        fn last_row(&self) -> Result<u64, StoreError> {
            Ok(0)
        }

        fn rows_after(&self, after: u64) -> Result<RowsRead, StoreError> {
            assert!(self.0.swap(true, Relaxed), "page 7");
            let rows = if after == 0 { vec![a_row(1)] } else { Vec::new() };
            let ends = (after == 0).then_some((1, 1));
            Ok(RowsRead { rows, ends, unreadable: 0 })
        }
    }

    #[tokio::test]
    async fn a_panic_of_the_reader_is_not_the_end() {
        let dir = tempfile::tempdir().expect("directory");
        let file = position_file(dir.path(), "a", (0, 0));
        let path = file.path.clone();
        let url = receiver(200).await.url;
        let text = format!("[remote_write]\nurl = {url:?}\n");
        let (_sender, config) = watch::channel(Arc::new(crate::config::tests::parse(&text).expect("parses")));
        let health = Arc::new(Health::default());
        let source = PanicsOnce(false.into());
        let handing = tokio::spawn(forward(source, file, config, Arc::clone(&health), unreported()));
        let arrived = async {
            while read_position(&path).expect("kept").map(|position| position.row) != Some(1) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), arrived).await.expect("it begins again");
        assert_eq!((health.remote_write_sent.load(Relaxed), health.remote_write_lost.load(Relaxed)), (1, 0));
        assert!(!handing.is_finished());
        handing.abort();
    }

    fn unreported() -> TaskWatch {
        TaskWatch::unreported(BackgroundTask::RemoteWrite)
    }
}
