//! History as charts and as numbers: of one device, an hour to ten years.

use std::collections::BTreeMap;

use askama::Template;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use ioc_common::clock::{self, Timestamp};
use ioc_common::id::DeviceId;
use ioc_common::layout::{Layout, Series};
use ioc_common::metric;
use ioc_judge::{DeviceInfo, Incident, Severity};

use super::App;
use super::api::{ApiResult, device_id};
use super::api_types;
use super::auth::Person;
use super::pages::{Failure, PageResult, page_context, show};
use super::problem::Problem;
use super::tone::Tone;
use super::view::PageContext;
use ioc_store::chart::{self, ChartLine, ChartQuery};
use ioc_store::history::Tier;
use ioc_store::history::chunk::Summary;
use ioc_store::scope::AccessScope;
use ioc_store::template::{csv_field, percent_encoded};
use ioc_store::{Reader, StoreError};

/// Most series in one answer.
const SERIES_MAX: usize = 60;
/// Most lines in one chart: more cannot be told apart.
const LINES_MAX: usize = 6;
/// Points across a chart.
const POINTS: usize = 240;
/// The drawing, in its own units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 180.0;
/// Left of the drawing stand the numbers.
const LEFT: f64 = 52.0;
/// Most incidents that are marked.
const MARKS_MAX: usize = 30;

/// The spans that can be chosen, and their lengths in hours.
const SPANS: [(&str, i64); 6] = [("1h", 1), ("6h", 6), ("24h", 24), ("7d", 168), ("30d", 720), ("1y", 8784)];
/// What is worth a chart of its own at first sight, in this order.
const KEY_METRICS: [&str; 22] = [
    "cpu.busy",
    "memory.used_pct",
    "load.1",
    "fs.used_pct",
    "disk.used_pct",
    "disk.read_bytes",
    "disk.write_bytes",
    "net.rx_bytes",
    "net.tx_bytes",
    "sensor.temperature",
    "sensor.fan",
    "env.temperature",
    "env.humidity",
    "ups.charge",
    "ups.load",
    "ups.runtime",
    "electric.active_power",
    "electric.voltage",
    "electric.current",
    "electric.energy",
    "projector.lamp_hours",
    "reach.time",
];
/// Charts on one page.
const CHARTS_MAX: usize = 12;

/// The span of the charts on a device's own page.
pub(super) const FIRST_MS: i64 = 24 * 3_600_000;
/// How many these are.
const FIRST: usize = 4;

/// What goes into one chart: its metric and its lines.
pub(super) type ChartLines = (String, Vec<(String, ChartLine)>);

/// The lines of the charts on a device's own page.
pub(super) fn first_of(
    id: &DeviceId,
    layout: Option<&Layout>,
    reader: &dyn Reader,
    now: Timestamp,
) -> Result<Vec<ChartLines>, StoreError> {
    let mut groups = layout.map(|layout| groups(layout, "")).unwrap_or_default();
    groups.truncate(FIRST);
    read_groups(reader, id, groups, now.as_millis() - FIRST_MS, now.as_millis())
}

fn read_groups(
    reader: &dyn Reader,
    device: &DeviceId,
    groups: Vec<(String, Vec<String>)>,
    from: i64,
    until: i64,
) -> Result<Vec<ChartLines>, StoreError> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let names = groups.iter().flat_map(|(_, names)| names.iter().cloned()).collect();
    let mut lines = chart::read(
        reader,
        device,
        &ChartQuery { from, until, tier: Tier::for_span(until - from), names, most: POINTS },
    )?;
    let take = |names: Vec<String>, lines: &mut BTreeMap<String, ChartLine>| {
        names.into_iter().filter_map(|name| lines.remove_entry(&name)).collect()
    };
    Ok(groups.into_iter().map(|(metric, names)| (metric, take(names, &mut lines))).collect())
}

/// When maintenance is planned, within the chart.
pub(super) struct MaintenanceSpan {
    from: Timestamp,
    until: Timestamp,
    title: String,
}

/// When a device was in the hands of maintenance, or will be, between two moments.
pub(super) fn windows_of(
    info: &DeviceInfo,
    reader: &dyn Reader,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<MaintenanceSpan>, StoreError> {
    let planned = reader.windows()?.into_iter().map(|window| (window, until));
    let over = reader.windows_over(from)?;
    let mut all = Vec::new();
    for (window, end) in planned.chain(over).filter(|(window, _)| !window.freeze && window.covers(info)) {
        let mut at = from;
        while let Some((begin, close)) = window.next(at).filter(|(begin, _)| *begin < until.min(end)) {
            all.push(MaintenanceSpan {
                from: begin.max(from),
                until: close.min(until).min(end),
                title: window.title.clone(),
            });
            if all.len() >= MARKS_MAX {
                return Ok(all);
            }
            at = close;
        }
    }
    Ok(all)
}

/// Charts of the last `span_ms`, with the incidents over them and maintenance behind them.
pub(super) fn draw_all(
    page_context: &PageContext,
    groups: Vec<ChartLines>,
    incidents: &[Incident],
    windows: &[MaintenanceSpan],
    span_ms: i64,
) -> Vec<Chart> {
    let until = page_context.now.as_millis();
    let from = until - span_ms;
    let drawn = groups.into_iter().filter_map(|(metric, lines)| draw(page_context, &metric, &lines, from, until));
    drawn.map(|chart| Chart { marks: marks(incidents, windows, page_context, from, until), ..chart }).collect()
}

/// A chart, ready to be drawn.
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) unit: String,
    pub(super) lines: Vec<ChartPage>,
    /// Height and text.
    pub(super) levels: Vec<(f64, String)>,
    /// Place and text.
    pub(super) moments: Vec<(f64, String)>,
    pub(super) marks: Vec<Mark>,
    /// The lowest and the highest value that is drawn, and the moments at both ends.
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) from: i64,
    pub(super) until: i64,
}

/// A line of a chart.
pub(super) struct ChartPage {
    pub(super) name: String,
    pub(super) path: String,
    /// From smallest to largest, where there is but one line.
    pub(super) band: String,
    pub(super) last: String,
    pub(super) least: String,
    pub(super) most: String,
}

/// An incident over a chart, or a stretch of maintenance.
pub(super) struct Mark {
    pub(super) x: f64,
    pub(super) width: f64,
    pub(super) tone: Tone,
    pub(super) title: String,
    pub(super) address: String,
}

/// A number as a person reads it: three digits that count.
pub(super) fn read_aloud(value: f64) -> String {
    let size = value.abs();
    let (scaled, sign) = match size {
        _ if size >= 1e12 => (value / 1e12, "T"),
        _ if size >= 1e9 => (value / 1e9, "G"),
        _ if size >= 1e6 => (value / 1e6, "M"),
        _ if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = match scaled.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{scaled:.digits$}");
    // What ends in zeros says no more than what does not.
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{sign}")
}

/// A step that people count in, so that there are about four of them.
fn step_of(range: f64) -> f64 {
    let rough = range / 4.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|step| step * power >= rough).unwrap_or(10.0);
    step * power
}

fn draw(
    page_context: &PageContext,
    metric: &str,
    lines: &[(String, ChartLine)],
    from: i64,
    until: i64,
) -> Option<Chart> {
    let known = metric::find(metric);
    let all = || lines.iter().flat_map(|(_, line)| line.iter().map(|(_, one)| one));
    let (least, most) =
        all().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), one| (least.min(one.min), most.max(one.max)));
    if !least.is_finite() || !most.is_finite() {
        return None;
    }
    let percent = known.is_some_and(|known| known.unit == "%");
    // What begins at zero in nature is drawn from zero, unless the whole of it is far away from there.
    let low = if percent || (least >= 0.0 && least < most * 0.6) { 0.0 } else { least };
    let high = if percent { most.max(100.0) } else { most };
    let step = step_of(if high > low { high - low } else { high.abs().max(1.0) });
    let (low, high) =
        ((low / step).floor() * step, ((high / step).ceil() * step).max((low / step).floor() * step + step));
    let x = |at: i64| LEFT + (at - from) as f64 / (until - from).max(1) as f64 * (WIDTH - LEFT);
    let y = |value: f64| HEIGHT - (value - low) / (high - low) * HEIGHT;
    let single = lines.len() == 1;
    let drawn = lines.iter().map(|(name, line)| {
        let gap = ((until - from) / i64::try_from(POINTS).unwrap_or(1) * 3).max(usual_gap(line) * 3);
        let (mut path, mut band) = (String::new(), String::new());
        let mut stretch: Vec<(f64, &Summary)> = Vec::new();
        let mut before = None;
        for (at, one) in line {
            if before.is_some_and(|before| at - before > gap) {
                close(&mut path, &mut band, &stretch, &y, single);
                stretch.clear();
            }
            stretch.push((x(*at), one));
            before = Some(*at);
        }
        close(&mut path, &mut band, &stretch, &y, single);
        let subject = Series::new(name, "");
        let subject = if subject.subject().is_empty() { metric } else { subject.subject() };
        let shown = |value: Option<f64>| {
            value.map(|value| page_context.localized_number(read_aloud(value))).unwrap_or_default()
        };
        ChartPage {
            name: subject.to_owned(),
            path,
            band,
            last: shown(line.last().map(|(_, one)| one.last)),
            least: shown(line.iter().map(|(_, one)| one.min).reduce(f64::min)),
            most: shown(line.iter().map(|(_, one)| one.max).reduce(f64::max)),
        }
    });
    let mut levels = Vec::new();
    let mut level = low;
    while level <= high + step / 2.0 && levels.len() < 12 {
        levels.push((y(level), page_context.localized_number(read_aloud(level))));
        level += step;
    }
    Some(Chart {
        title: known.map_or_else(
            || metric.to_owned(),
            |known| if page_context.language == "en" { known.en } else { known.vi }.to_owned(),
        ),
        unit: known.map(|known| known.unit_shown().to_owned()).unwrap_or_default(),
        lines: drawn.collect(),
        levels,
        moments: (0..=4)
            .map(|part| from + (until - from) * part / 4)
            .map(|at| (x(at), page_context.axis(at, until - from)))
            .collect(),
        marks: Vec::new(),
        low,
        high,
        from,
        until,
    })
}

/// The usual distance between two points.
fn usual_gap(line: &ChartLine) -> i64 {
    let mut gaps: Vec<i64> = line.iter().zip(line.iter().skip(1)).map(|(one, next)| next.0 - one.0).collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied().unwrap_or(0)
}

/// Adds a stretch without holes to a path, and to its band.
fn close(path: &mut String, band: &mut String, stretch: &[(f64, &Summary)], y: &dyn Fn(f64) -> f64, banded: bool) {
    use std::fmt::Write as _;
    for (place, (x, one)) in stretch.iter().enumerate() {
        let _ = write!(path, "{}{x:.1} {:.1}", if place == 0 { "M" } else { "L" }, y(one.mean));
    }
    if let [(x, _)] = stretch {
        // A single point would not be seen.
        let _ = write!(path, "L{:.1} {:.1}", x + 1.0, stretch.first().map_or(0.0, |(_, one)| y(one.mean)));
    }
    if !banded || stretch.len() < 2 {
        return;
    }
    for (place, (x, one)) in stretch.iter().enumerate() {
        let _ = write!(band, "{}{x:.1} {:.1}", if place == 0 { "M" } else { "L" }, y(one.max));
    }
    for (x, one) in stretch.iter().rev() {
        let _ = write!(band, "L{x:.1} {:.1}", y(one.min));
    }
    band.push('Z');
}

fn marks(
    incidents: &[Incident],
    windows: &[MaintenanceSpan],
    page_context: &PageContext,
    from: i64,
    until: i64,
) -> Vec<Mark> {
    let x = |at: i64| LEFT + (at - from) as f64 / (until - from).max(1) as f64 * (WIDTH - LEFT);
    let worked = windows.iter().map(|window| {
        let (begin, end) = (x(window.from.as_millis()), x(window.until.as_millis()));
        let title = format!("{}: {}", page_context.t("maintenance-short"), window.title);
        Mark { x: begin, width: (end - begin).max(2.0), tone: Tone::Planned, title, address: "/maintenance".to_owned() }
    });
    let within = incidents.iter().filter_map(|incident| {
        let opened = incident.opened_at.as_millis();
        let over = incident.resolved_at.map_or(until, Timestamp::as_millis);
        if over < from || opened > until {
            return None;
        }
        let (begin, end) = (x(opened.max(from)), x(over.min(until)));
        let tone = if incident.severity == Severity::Critical { Tone::Bad } else { Tone::Warning };
        let title = format!("{} {}", incident.id, incident.title.get(&page_context.language));
        Some(Mark {
            x: begin,
            width: (end - begin).max(2.0),
            tone,
            title,
            address: format!("/incidents/{}", incident.id.0),
        })
    });
    worked.chain(within.take(MARKS_MAX)).collect()
}

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    page_context: PageContext,
    id: DeviceId,
    name: String,
    charts: Vec<Chart>,
    span: &'static str,
    metric: String,
    /// Every metric there is, with its title.
    metrics: Vec<(String, String)>,
}

impl HistoryPage {
    fn spans(&self) -> Vec<&'static str> {
        SPANS.iter().map(|(name, _)| *name).collect()
    }

    fn is_span(&self, span: &str) -> bool {
        self.span == span
    }

    fn is_metric(&self, metric: &str) -> bool {
        self.metric == metric
    }

    fn link(&self, span: &str) -> String {
        let metric =
            if self.metric.is_empty() { String::new() } else { format!("&metric={}", percent_encoded(&self.metric)) };
        format!("/devices/{}/history?span={span}{metric}", self.id)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PageQuery {
    span: String,
    metric: String,
}

pub(super) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let Ok(id) = DeviceId::new(&id) else { return Err(Failure::not_found(page_context)) };
    let (span, hours) = SPANS.into_iter().find(|(name, _)| *name == query.span).unwrap_or(("24h", 24));
    let until = page_context.now.as_millis();
    let from = until - hours * 3_600_000;
    let only = query.metric.clone();
    let device = id.clone();
    let found = app
        .read(&person.scope, move |reader| {
            let Some(record) = reader.device(&device)? else { return Ok(None) };
            let layout = record.layout.map(|id| reader.layout(id)).transpose()?.flatten();
            let groups = layout.as_ref().map(|layout| groups(layout, &only)).unwrap_or_default();
            let groups = read_groups(reader, &device, groups, from, until)?;
            let incidents = reader.incidents(Some(&device), false, None, MARKS_MAX)?;
            let moment = Timestamp::from_millis;
            let windows = windows_of(&record.info, reader, moment(from), moment(until))?;
            Ok(Some((record.info.name, layout, groups, incidents, windows)))
        })
        .await;
    let (name, layout, groups, incidents, windows) = match found {
        Ok(Some(found)) => found,
        Ok(None) => return Err(Failure::not_found(page_context)),
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let charts = draw_all(&page_context, groups, &incidents, &windows, until - from);
    let metrics = layout.map(|layout| metrics_of(&layout, &page_context.language)).unwrap_or_default();
    Ok(show(&HistoryPage { page_context, id, name, charts, span, metric: query.metric, metrics }))
}

/// Which series go into which chart: what is asked for, or what is telling.
fn groups(layout: &Layout, only: &str) -> Vec<(String, Vec<String>)> {
    let series_of = |metric: &str| -> Vec<String> {
        let series = layout.series().iter().filter(|series| series.metric() == metric);
        series.map(|series| series.as_str().to_owned()).collect()
    };
    if !only.is_empty() {
        let all = series_of(only);
        return all.chunks(LINES_MAX).take(CHARTS_MAX).map(|some| (only.to_owned(), some.to_vec())).collect();
    }
    let telling = KEY_METRICS.iter().map(|metric| ((*metric).to_owned(), series_of(metric)));
    let with_some = telling.filter(|(_, names)| !names.is_empty());
    with_some.map(|(metric, names)| (metric, names.into_iter().take(LINES_MAX).collect())).take(CHARTS_MAX).collect()
}

fn metrics_of(layout: &Layout, language: &str) -> Vec<(String, String)> {
    let mut names: Vec<&str> = layout.series().iter().map(Series::metric).collect();
    names.sort_unstable();
    names.dedup();
    let title = |name: &str| {
        metric::find(name).map_or(name, |known| if language == "en" { known.en } else { known.vi }).to_owned()
    };
    names.into_iter().map(|name| (name.to_owned(), title(name))).collect()
}

/// What history is asked for.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryQuery {
    /// Series by whole name, after commas; all of the device when there are none.
    #[serde(default)]
    series: String,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    tier: Option<api_types::replay::Tier>,
}

/// What was asked for: how fine, which series and their numbers.
async fn answer(
    app: &App,
    scope: &AccessScope,
    id: &str,
    query: HistoryQuery,
) -> Result<(Tier, BTreeMap<String, ChartLine>), Problem> {
    let device = device_id(id)?;
    let until = query.until.unwrap_or_else(clock::now);
    let from = query.from.unwrap_or_else(|| until.plus_millis(-24 * 3_600_000));
    let span = until.millis_since(from);
    if span <= 0 {
        return Err(Problem::invalid(format!("from: found {from}; allowed is a moment before {until}")));
    }
    let tier = query.tier.map_or_else(|| Tier::for_span(span), Tier::from);
    // What one answer may hold, whatever is asked for.
    if tier == Tier::Raw && span > 8 * 24 * 3_600_000 {
        return Err(Problem::invalid(
            "tier: raw is given for 8 days at most; ask for 5m, or for a shorter span".to_owned(),
        ));
    }
    let mut names: Vec<String> = query.series.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.len() > SERIES_MAX {
        return Err(Problem::invalid(format!("series: found {}; allowed are {SERIES_MAX}", names.len())));
    }
    let missing = format!("there is no device {device}");
    let found = app
        .read(scope, move |reader| {
            let Some(record) = reader.device(&device)? else { return Ok(None) };
            if names.is_empty() {
                let layout = record.layout.map(|id| reader.layout(id)).transpose()?.flatten();
                let all = layout.iter().flat_map(Layout::series).map(|series| series.as_str().to_owned());
                names = all.take(SERIES_MAX).collect();
            }
            let wanted = ChartQuery { from: from.as_millis(), until: until.as_millis(), tier, names, most: 0 };
            chart::read(reader, &device, &wanted).map(Some)
        })
        .await?;
    found.map(|lines| (tier, lines)).ok_or_else(|| Problem::not_found(missing))
}

/// Numbers over time.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct History {
    tier: api_types::replay::Tier,
    /// What each point holds, in its order.
    columns: &'static [&'static str],
    series: Vec<HistorySeries>,
}

/// One series of it.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct HistorySeries {
    name: String,
    /// Its unit; none where the metric is not known here.
    unit: Option<&'static str>,
    points: Vec<Vec<Value>>,
}

pub(super) async fn api(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> ApiResult<History> {
    let (tier, lines) = answer(&app, &person.scope, &id, query).await?;
    let series = lines.into_iter().map(|(name, line)| {
        let unit = metric::find(Series::new(&name, "").metric()).map(|metric| metric.unit);
        let points = line.into_iter().map(|(at, one)| {
            let at = Timestamp::from_millis(at);
            if tier == Tier::Raw {
                vec![json!(at), json!(one.last)]
            } else {
                vec![json!(at), json!(one.min), json!(one.max), json!(one.mean), json!(one.last), json!(one.count)]
            }
        });
        HistorySeries { points: points.collect(), unit, name }
    });
    let columns: &[_] =
        if tier == Tier::Raw { &["at", "value"] } else { &["at", "min", "max", "mean", "last", "count"] };
    Ok(Json(History { tier: tier.into(), columns, series: series.collect() }))
}

/// The same as CSV (RFC 4180).
pub(super) async fn csv(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Result<Response, Problem> {
    use std::fmt::Write as _;
    let (tier, lines) = answer(&app, &person.scope, &id, query).await?;
    let mut text =
        if tier == Tier::Raw { "series,at,value\r\n" } else { "series,at,min,max,mean,last,count\r\n" }.to_owned();
    for (name, line) in lines {
        let name = csv_field(&name);
        for (at, one) in line {
            let at = Timestamp::from_millis(at);
            let _ = if tier == Tier::Raw {
                write!(text, "{name},{at},{}\r\n", one.last)
            } else {
                write!(text, "{name},{at},{},{},{},{},{}\r\n", one.min, one.max, one.mean, one.last, one.count)
            };
        }
    }
    let disposition = format!("attachment; filename=\"{id}-history.csv\"");
    Ok((
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, disposition)],
        text,
    )
        .into_response())
}
