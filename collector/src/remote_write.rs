//! What comes in, handed on to Prometheus, VictoriaMetrics or Mimir: remote write 1.0
//! (<https://prometheus.io/docs/specs/prw/remote_write_spec/>).
//!
//! Rows of history are read behind the engine in the order of their arrival, and how far they are handed on is kept on disk: what the
//! receiver has not taken waits, as long as the rows stand. Once they are folded they are gone for it, and are counted as lost.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::watch;

use ioc_common::file::replace_durably;
use ioc_common::layout::{Layout, LayoutId};
use ioc_judge::DeviceInfo;

use crate::panics::caught;
use crate::task_watch::TaskWatch;
use ioc_engine::command::BackgroundTask;
use ioc_engine::config::{Config, ExposedLabel, RemoteWrite};
use ioc_engine::health::Health;
use ioc_engine::http::{self, Request, SendError, StatusCode};
use ioc_engine::prometheus::name_of;
use ioc_engine::writer::EngineHandle;
use ioc_store::scope::AccessScope;
use ioc_store::{DeviceHistoryRow, Reader, RowNumbers, StoreError};

/// Rows in one request.
const ROWS: usize = 500;
/// How long to wait for new rows.
const IDLE: Duration = Duration::from_secs(1);
/// A position that cannot be read is said at once and then once in so many tries: an hour.
const SAID_EVERY: u64 = 3600;
/// How long a receiver may take to answer.
const ANSWER: Duration = Duration::from_secs(60);
/// The file that says how far it has come.
pub(crate) const FILE: &str = "remote-write.position";
/// A series: its labels, sorted by name.
type SeriesLabels = Vec<(String, String)>;
/// Rows, each with its layout.
type Rows = Vec<(DeviceHistoryRow, Arc<Layout>)>;
/// What was read after a row.
struct RowsRead {
    rows: Rows,
    /// The numbers of the first and the last that there is, with those whose layout is missing.
    ends: Option<(u64, u64)>,
    /// Rows whose layout is missing: nobody can say what their numbers mean.
    unreadable: u64,
}
/// Numbers by series: milliseconds and value.
type SeriesSamples = BTreeMap<SeriesLabels, Vec<(i64, f64)>>;

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
    pub fn new(reader: Box<dyn Reader>) -> Result<Self, StoreError> {
        let at_start = reader.row_numbers()?;
        Ok(Self { reader, at_start })
    }
}

/// Hands on what comes in, until the collector ends.
pub async fn run(
    rows: StoreRows,
    data: PathBuf,
    config: watch::Receiver<Arc<Config>>,
    health: Arc<Health>,
    engine: EngineHandle,
) {
    let path = data.join(FILE);
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
    hand_on(reader, PositionFile { path, at_start }, config, health, watch).await;
}

/// Where what comes in is read.
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
        with_layouts(reader.rows_after(after, ROWS)?, |id| reader.layout(id))
    }
}

async fn hand_on(
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
                    if tries.is_multiple_of(SAID_EVERY) {
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

/// How far it has come: the number of the last row that was handed on, and the store whose row that is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Position {
    row: u64,
    /// None where a person wrote the number.
    store: Option<String>,
}

/// The file that says how far it has come.
struct PositionFile {
    path: PathBuf,
    /// The store's rows, before this process wrote any.
    at_start: RowNumbers,
}

impl PositionFile {
    /// How far it has come in this store. In another store it begins with the first row; where this one lost its newest rows, those that
    /// get their numbers are new: passed over they would be missing without a word.
    async fn read_settled(&self, health: &Health) -> io::Result<Option<u64>> {
        let own = self.path.clone();
        let task = tokio::task::spawn_blocking(move || read_position(&own));
        let read = task.await.unwrap_or_else(|error| Err(io::Error::other(error)))?;
        let Some(Position { row, store }) = read else { return Ok(None) };
        let found = &self.at_start;
        let is_another = store.as_ref().is_some_and(|store| *store != found.store);
        let from = if is_another { found.before } else { row.min(found.last) };
        if from == row && !is_another {
            return Ok(Some(row));
        }
        health.remote_write_restarts.fetch_add(1, Relaxed);
        tracing::error!(
            handed_on = row,
            last_row = found.last,
            another_store = is_another,
            from,
            "remote write: the store is another one, or lost its newest rows; it goes on from there, and what was lost with them before it \
             was handed on is missing at the receiver, too"
        );
        self.write(from).await;
        Ok(Some(from))
    }

    /// Keeps how far it has come, so that a power cut leaves the one before or this one: what is sent twice receivers take for what it is.
    async fn write(&self, row: u64) {
        let (own, store) = (self.path.clone(), self.at_start.store.clone());
        let write = move || replace_durably(&own, 0o600, |file| writeln!(file, "{row} {store}"));
        let written = tokio::task::spawn_blocking(write).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        if let Err(error) = written {
            tracing::warn!(path = %self.path.display(), %error, "remote write: its position cannot be kept");
        }
    }
}

/// What the file says; none only where nothing was ever kept.
fn read_position(path: &Path) -> io::Result<Option<Position>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let shown = || text.chars().take(40).collect::<String>();
    let (number, store) = match text.trim().split_once(' ') {
        Some((number, store)) => (number, Some(store.trim().to_owned())),
        None => (text.trim(), None),
    };
    let row = number.parse();
    row.map(|row| Some(Position { row, store }))
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, format!("{:?} is not the number of a row", shown())))
}

/// Sends rows; how many of them the receiver will never take. A receiver that refuses one number refuses the whole request, so that
/// what it refused is divided until it is found.
async fn send_rows(
    target: &RemoteWrite,
    exposed: &[ExposedLabel],
    rows: &[(DeviceHistoryRow, Arc<Layout>)],
) -> Result<u64, SendError> {
    let mut refused = 0;
    let mut waiting = if rows.is_empty() { Vec::new() } else { vec![rows] };
    while let Some(some) = waiting.pop() {
        match post(target, packed(exposed, some)?).await {
            Ok(()) => {}
            // What is wrong with the address or the password is wrong with all of it.
            Err(SendError::Refused {
                status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND,
                why,
            }) => return Err(SendError::Later(why)),
            Err(error) if error.is_final() && some.len() <= 1 => {
                tracing::debug!(%error, "remote write: a report is refused");
                refused += some.len() as u64;
            }
            Err(error) if error.is_final() => {
                let (first, second) = some.split_at(some.len() / 2);
                waiting.push(second);
                waiting.push(first);
            }
            Err(later) => return Err(later),
        }
    }
    Ok(refused)
}

async fn post(target: &RemoteWrite, body: Vec<u8>) -> Result<(), SendError> {
    let mut headers = vec![
        ("content-encoding".to_owned(), "snappy".to_owned()),
        ("x-prometheus-remote-write-version".to_owned(), "0.1.0".to_owned()),
    ];
    if let Some(file) = &target.token_file {
        headers.push(("authorization".to_owned(), format!("Bearer {}", http::secret(Some(file))?)));
    }
    let (method, content_type) = ("POST", "application/x-protobuf");
    http::send_within(ANSWER, Request { method, url: &target.url, content_type, headers, body }).await.map(drop)
}

/// A request's body.
fn packed(exposed: &[ExposedLabel], rows: &[(DeviceHistoryRow, Arc<Layout>)]) -> Result<Vec<u8>, SendError> {
    let mut batch = SeriesSamples::new();
    for (arrived, layout) in rows {
        let shared = labels_of(&arrived.device, exposed);
        for (series, value) in layout.series().iter().zip(&arrived.row.values) {
            let Some(value) = value else { continue };
            let mut labels = shared.clone();
            labels.push(("__name__".to_owned(), name_of(series.metric())));
            if !series.subject().is_empty() {
                labels.push(("subject".to_owned(), series.subject().to_owned()));
            }
            labels.sort();
            batch.entry(labels).or_default().push((arrived.row.at.as_millis(), *value));
        }
    }
    // Within a series in the order of time, as receivers want it.
    for samples in batch.values_mut() {
        samples.sort_by_key(|(at, _)| *at);
        samples.dedup_by_key(|(at, _)| *at);
    }
    let raw = write_request(&batch);
    snap::raw::Encoder::new().compress_vec(&raw).map_err(|error| SendError::Never(error.to_string()))
}

fn labels_of(device: &DeviceInfo, exposed: &[ExposedLabel]) -> SeriesLabels {
    let mut labels = vec![("device".to_owned(), device.id.to_string())];
    // An empty label is none.
    let known = exposed.iter().map(|label| (label.as_str().to_owned(), label.of(device).to_owned()));
    labels.extend(known.filter(|(_, value)| !value.is_empty()));
    labels
}

/// `prometheus.WriteRequest` as Protocol Buffers: field 1 are the series; of each, field 1 are labels and field 2 samples.
fn write_request(batch: &SeriesSamples) -> Vec<u8> {
    let mut out = Vec::new();
    for (labels, samples) in batch {
        let mut series = Vec::new();
        for (name, value) in labels {
            let mut label = Vec::new();
            put_bytes(&mut label, 1, name.as_bytes());
            put_bytes(&mut label, 2, value.as_bytes());
            put_bytes(&mut series, 1, &label);
        }
        for (at, value) in samples {
            let mut sample = vec![1 << 3 | 1];
            sample.extend_from_slice(&value.to_le_bytes());
            sample.push(2 << 3);
            put_varint(&mut sample, at.cast_unsigned());
            put_bytes(&mut series, 2, &sample);
        }
        put_bytes(&mut out, 1, &series);
    }
    out
}

fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_as_protocol_buffers() {
        let labels = vec![("__name__".to_owned(), "up".to_owned())];
        let batch = SeriesSamples::from([(labels, vec![(300, 1.5)])]);
        // protoc --encode=prometheus.WriteRequest of {labels {name: "__name__" value: "up"} samples {value: 1.5 timestamp: 300}}
        let mut expected = vec![0x0a, 0x1e, 0x0a, 0x0e, 0x0a, 0x08];
        expected.extend_from_slice(b"__name__\x12\x02up");
        expected.extend_from_slice(&[0x12, 0x0c, 0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0x10, 0xac, 0x02]);
        assert_eq!(write_request(&batch), expected);
    }

    /// The position of a store whose rows go so far.
    fn position_file(dir: &Path, store: &str, (before, last): (u64, u64)) -> PositionFile {
        let at_start = RowNumbers { store: store.to_owned(), before, last };
        PositionFile { path: dir.join(FILE), at_start }
    }

    #[tokio::test]
    async fn a_position_survives_and_only_a_missing_one_is_a_beginning() {
        let dir = tempfile::tempdir().expect("directory");
        let file = position_file(dir.path(), "a", (0, 2000));
        let path = &file.path;
        assert_eq!(read_position(path).expect("none yet"), None);
        file.write(1234).await;
        let kept = Position { row: 1234, store: Some("a".to_owned()) };
        assert_eq!(read_position(path).expect("kept"), Some(kept));
        std::fs::write(path, "17\n").expect("written by a person");
        assert_eq!(read_position(path).expect("kept"), Some(Position { row: 17, store: None }));
        for nonsense in ["", "half", "-1"] {
            std::fs::write(path, nonsense).expect("written");
            let error = read_position(path).expect_err("no beginning").to_string();
            assert!(error.contains(&format!("{nonsense:?}")), "{error}");
        }
        std::fs::remove_file(path).expect("removed");
        std::fs::create_dir(path).expect("made");
        assert!(read_position(path).is_err(), "there is something, and it cannot be read");
    }

    #[tokio::test]
    async fn a_store_that_is_another_or_went_back_is_said_and_gone_on_with() {
        let settled = async |before: &str, store, rows| {
            let dir = tempfile::tempdir().expect("directory");
            let (file, health) = (position_file(dir.path(), store, rows), Health::default());
            std::fs::write(&file.path, before).expect("written");
            let from = file.read_settled(&health).await.expect("reads");
            assert_eq!(file.read_settled(&health).await.expect("reads"), from, "it is said once");
            (from, health.remote_write_restarts.load(Relaxed))
        };
        assert_eq!(settled("70 a", "a", (10, 90)).await, (Some(70), 0));
        assert_eq!(settled("90 a", "a", (90, 90)).await, (Some(90), 0), "all is folded");
        assert_eq!(settled("5000000 a", "b", (0, 0)).await, (Some(0), 1), "made anew");
        assert_eq!(settled("70 a", "b", (10, 90)).await, (Some(10), 1), "another one, with rows of its own");
        assert_eq!(settled("70 a", "a", (10, 60)).await, (Some(60), 1), "its newest rows are gone");
        assert_eq!(settled("5000000", "b", (0, 60)).await, (Some(60), 1), "kept before stores had names here");
    }

    #[tokio::test]
    async fn a_position_that_cannot_be_read_is_left_as_it_is_and_read_again() {
        let dir = tempfile::tempdir().expect("directory");
        let file = position_file(dir.path(), "a", (0, 9));
        std::fs::write(&file.path, "").expect("written");
        let text = "[remote_write]\nurl = \"http://127.0.0.1:9/\"\n";
        let (_sender, config) = watch::channel(Arc::new(crate::config::tests::parse(text).expect("parses")));
        let health = Health::default();
        let early =
            tokio::time::timeout(Duration::from_millis(200), first_position(&file, &config, &health, &mut unreported()))
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
        let handing = tokio::spawn(hand_on(source, file, config, Arc::clone(&health), unreported()));
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

    fn a_row(number: u64) -> (DeviceHistoryRow, Arc<Layout>) {
        use ioc_common::clock::Timestamp;
        use ioc_common::id::DeviceId;
        use ioc_common::report::Position;
        use ioc_judge::DeviceKind;
        use ioc_store::HistoryRow;
        let layout = Arc::new(Layout::new(Vec::new()).expect("layout"));
        let device = DeviceInfo::new(DeviceId::new("d-1").expect("valid"), DeviceKind::Server, "d");
        let row = HistoryRow {
            number,
            position: Position { epoch: 1, seq: 1 },
            at: Timestamp::from_millis(1),
            layout: layout.id(),
            values: Vec::new(),
        };
        (DeviceHistoryRow { device: Arc::new(device), row }, layout)
    }

    /// A receiver that answers every request so.
    async fn receiver(status: u16) -> RemoteWrite {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let url = format!("http://{}/", listener.local_addr().expect("address"));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                let answer = format!("HTTP/1.1 {status} no\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        RemoteWrite { url, token_file: None }
    }

    #[tokio::test]
    async fn what_is_wrong_with_the_address_or_the_token_loses_no_report() {
        let one = vec![a_row(1)];
        let two = [one.clone(), one.clone()].concat();
        for status in [401, 403, 404] {
            let target = receiver(status).await;
            for rows in [&one, &two] {
                let error = send_rows(&target, &[], rows).await.expect_err("refused");
                assert!(matches!(error, SendError::Later(_)), "{error:?}");
            }
        }
        assert_eq!(send_rows(&receiver(400).await, &[], &two).await.expect("divided"), 2);
        assert!(matches!(send_rows(&receiver(503).await, &[], &two).await, Err(SendError::Away { .. })));
    }
}
