//! For Prometheus and whatever reads its text format: the collector's own numbers, and the newest of the whole fleet:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>.
//!
//! The fleet is written device by device as it is read, so that ten thousand of them take no more memory than a few hundred. A device
//! that is not heard has no numbers here: Prometheus then marks its series as stale, which is what they are.

use std::collections::HashMap;
use std::fmt::Write as _;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use ioc_common::clock;
use ioc_common::layout::{Layout, LayoutId};

use crate::api_types::device::is_live;
use crate::app::App;
use crate::device::row::layouts_of;
use crate::person::Person;
use crate::problem::Problem;
use crate::server::Peer;
use ioc_engine::config::ExposedLabel;
use ioc_engine::prometheus::{PREFIX, name_of};
use ioc_store::DeviceQuery;
use ioc_store::inventory::DeviceRecord;
use ioc_store::scope::AccessScope;

/// Devices that are read in one go.
const BATCH_DEVICES: usize = 200;

pub(crate) async fn fleet(State(app): State<App>, person: Person) -> Response {
    let pages = stream::unfold(Some(String::new()), move |after| {
        // Whoever reads it may, but where it goes then nobody knows: numbers of accounts go without their names.
        let (app, scope) = (app.clone(), person.scope.clone().without_names());
        async move {
            let after = after?;
            match page(&app, &scope, after).await {
                Ok((text, next)) => Some((Ok::<_, std::io::Error>(Bytes::from(text)), next)),
                // The answer is cut short, which Prometheus takes for a scrape that failed.
                Err(problem) => Some((Err(std::io::Error::other(problem.detail().to_owned())), None)),
            }
        }
    });
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(pages)).into_response()
}

/// Some devices after one, and after which to go on.
async fn page(app: &App, scope: &AccessScope, after: String) -> Result<(String, Option<String>), Problem> {
    let query = DeviceQuery { after: Some(after), limit: BATCH_DEVICES, ..DeviceQuery::default() };
    let found = app.read(scope, move |reader| {
        let records = reader.devices(&query)?;
        let layouts = layouts_of(&records, reader)?;
        Ok((records, layouts))
    });
    let (records, layouts) = found.await?;
    let next = records.last().filter(|_| records.len() == BATCH_DEVICES).map(|record| record.info.id.to_string());
    let config = app.config();
    let mut text = String::new();
    for record in &records {
        write_device(&mut text, record, &layouts, &config.exposed_labels);
    }
    Ok((text, next))
}

fn write_device(
    text: &mut String,
    record: &DeviceRecord,
    layouts: &HashMap<LayoutId, Layout>,
    exposed: &[ExposedLabel],
) {
    let mut labels = format!("device=\"{}\"", escaped(record.info.id.as_str()));
    for label in exposed {
        let _ = write!(labels, ",{}=\"{}\"", label.as_str(), escaped(label.of(&record.info)));
    }
    let live = is_live(record, clock::now());
    let _ = writeln!(text, "{PREFIX}_device_up{{{labels}}} {}", u8::from(live));
    let _ = writeln!(text, "{PREFIX}_device_reports_lost_total{{{labels}}} {}", record.reports_lost);
    let layout = record.layout.and_then(|id| layouts.get(&id)).filter(|_| live);
    let Some(layout) = layout else { return };
    for (series, value) in layout.series().iter().zip(&record.latest) {
        let Some(value) = value else { continue };
        let name = name_of(series.metric());
        let subject = series.subject();
        let _ = if subject.is_empty() {
            writeln!(text, "{name}{{{labels}}} {value}")
        } else {
            writeln!(text, "{name}{{{labels},subject=\"{}\"}} {value}", escaped(subject))
        };
    }
}

/// A label's value as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

pub(crate) async fn collector(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    person: Result<Person, Response>,
) -> Result<Response, Problem> {
    let here = match peer {
        Peer::Remote(address) => address.is_loopback(),
        Peer::Local(_) => true,
    };
    if !here && person.is_err() {
        return Err(Problem::unauthorized("metrics are for this machine or for signed-in people"));
    }
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], app.health.metrics()).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::layout::Series;
    use ioc_common::report::Position;
    use ioc_judge::{DeviceInfo, DeviceKind, Presence};

    #[test]
    fn labels_are_opted_into_and_what_is_silent_has_no_numbers() {
        let layout =
            Layout::new(vec![Series::new("cpu.busy", ""), Series::new("fs.used_pct", "/a\"b\\c")]).expect("allowed");
        let id = "srv-1".parse().expect("valid");
        let mut record = DeviceRecord {
            info: DeviceInfo { place: "Phòng \"A\"".into(), ..DeviceInfo::new(id, DeviceKind::Server, "Máy 1") },
            enrolled_at: clock::now(),
            revoked_at: None,
            presence: Presence::Live { since: clock::now() },
            watermark: Position::default(),
            boot_id: String::new(),
            fingerprint: String::new(),
            interval_s: 10,
            keep_alive_s: 30,
            last_heard: None,
            last_sample: None,
            clock_error_ms: None,
            broker_until: None,
            reports_lost: 0,
            last_loss: None,
            plain: false,
            layout: Some(layout.id()),
            latest: vec![Some(1.5), Some(70.0)],
            worst: None,
        };
        let layouts = HashMap::from([(layout.id(), layout)]);
        let mut text = String::new();
        write_device(&mut text, &record, &layouts, &[ExposedLabel::Place]);
        assert_eq!(
            text,
            "iocw_device_up{device=\"srv-1\",place=\"Phòng \\\"A\\\"\"} 1\n\
             iocw_device_reports_lost_total{device=\"srv-1\",place=\"Phòng \\\"A\\\"\"} 0\n\
             iocw_cpu_busy{device=\"srv-1\",place=\"Phòng \\\"A\\\"\"} 1.5\n\
             iocw_fs_used_pct{device=\"srv-1\",place=\"Phòng \\\"A\\\"\",subject=\"/a\\\"b\\\\c\"} 70\n"
        );
        record.presence = Presence::NeverSeen;
        text.clear();
        write_device(&mut text, &record, &layouts, &[]);
        assert_eq!(text, "iocw_device_up{device=\"srv-1\"} 0\niocw_device_reports_lost_total{device=\"srv-1\"} 0\n");
    }
}
