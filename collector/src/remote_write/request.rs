//! The requests of remote write: rows as `prometheus.WriteRequest`, compressed with Snappy, and what a refusal means for them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ioc_common::layout::Layout;
use ioc_engine::config::{ExposedLabel, RemoteWrite};
use ioc_engine::http::{self, Request, SendError, StatusCode};
use ioc_engine::prometheus::name_of;
use ioc_judge::DeviceInfo;
use ioc_store::DeviceHistoryRow;

/// How long a receiver may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A row, and the layout that says what its numbers are.
pub(super) type RowWithLayout = (DeviceHistoryRow, Arc<Layout>);
/// A series: its labels, sorted by name.
type SeriesLabels = Vec<(String, String)>;
/// Numbers by series: milliseconds and value.
type SeriesSamples = BTreeMap<SeriesLabels, Vec<(i64, f64)>>;

/// Sends rows. Gives how many of them the receiver will never take: it refuses a whole request for one number, so that what it refused is
/// divided until the rows at fault are found.
///
/// # Errors
/// [`SendError`] when trying again later can help.
pub(super) async fn send_rows(
    target: &RemoteWrite,
    exposed: &[ExposedLabel],
    rows: &[RowWithLayout],
) -> Result<u64, SendError> {
    let mut refused = 0;
    let mut waiting = if rows.is_empty() { Vec::new() } else { vec![rows] };
    while let Some(some) = waiting.pop() {
        match post(target, packed(exposed, some)?).await {
            Ok(()) => {}
            // A wrong address or password concerns all rows, and none of them is at fault.
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
    http::send_within(ANSWER_TIMEOUT, Request { method, url: &target.url, content_type, headers, body }).await.map(drop)
}

/// A request's body, compressed.
fn packed(exposed: &[ExposedLabel], rows: &[RowWithLayout]) -> Result<Vec<u8>, SendError> {
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
pub(super) mod tests {
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

    pub(in crate::remote_write) fn a_row(number: u64) -> RowWithLayout {
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
    pub(in crate::remote_write) async fn receiver(status: u16) -> RemoteWrite {
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
