//! Charts of a device's history: which lines, and how they are drawn.

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::layout::{Layout, Series};
use ioc_common::metric;
use ioc_judge::{DeviceInfo, Incident, Severity};

use crate::page::context::PageContext;
use crate::tone::Tone;
use ioc_store::chart::{self, ChartLine, ChartQuery};
use ioc_store::history::Tier;
use ioc_store::history::chunk::Summary;
use ioc_store::{Reader, StoreError};

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
pub(crate) const MARKS_MAX: usize = 30;
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
    "endpoint.time",
];
/// Charts on one page.
const CHARTS_MAX: usize = 12;
/// The span of the charts on a device's own page.
pub(crate) const DEVICE_PAGE_SPAN_MS: i64 = 24 * 3_600_000;
/// How many these are.
const DEVICE_PAGE_CHARTS: usize = 4;

/// What goes into one chart: its metric and its lines.
pub(crate) type ChartLines = (String, Vec<(String, ChartLine)>);

/// The lines of the charts on a device's own page.
pub(crate) fn read_first(
    id: &DeviceId,
    layout: Option<&Layout>,
    reader: &dyn Reader,
    now: Timestamp,
) -> Result<Vec<ChartLines>, StoreError> {
    let mut groups = layout.map(|layout| groups(layout, "")).unwrap_or_default();
    groups.truncate(DEVICE_PAGE_CHARTS);
    read_groups(reader, id, groups, now.as_millis() - DEVICE_PAGE_SPAN_MS, now.as_millis())
}

pub(crate) fn read_groups(
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
pub(crate) struct MaintenanceSpan {
    from: Timestamp,
    until: Timestamp,
    title: String,
}

/// When a device was in the hands of maintenance, or will be, between two moments.
pub(crate) fn windows_of(
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
pub(crate) fn draw_all(
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
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) unit: String,
    pub(crate) lines: Vec<DrawnLine>,
    /// Height and text.
    pub(crate) levels: Vec<(f64, String)>,
    /// Place and text.
    pub(crate) moments: Vec<(f64, String)>,
    pub(crate) marks: Vec<Mark>,
    /// The lowest and the highest value that is drawn, and the moments at both ends.
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) from: i64,
    pub(crate) until: i64,
}

/// A line of a chart.
pub(crate) struct DrawnLine {
    pub(crate) name: String,
    pub(crate) path: String,
    /// From smallest to largest, where there is but one line.
    pub(crate) band: String,
    pub(crate) last: String,
    pub(crate) least: String,
    pub(crate) most: String,
}

/// An incident over a chart, or a stretch of maintenance.
pub(crate) struct Mark {
    pub(crate) x: f64,
    pub(crate) width: f64,
    pub(crate) tone: Tone,
    pub(crate) title: String,
    pub(crate) address: String,
}

/// A number as a person reads it: three digits that count.
pub(crate) fn rounded(value: f64) -> String {
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
fn axis_step(range: f64) -> f64 {
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
    let step = axis_step(if high > low { high - low } else { high.abs().max(1.0) });
    let (low, high) =
        ((low / step).floor() * step, ((high / step).ceil() * step).max((low / step).floor() * step + step));
    let x = |at: i64| LEFT + (at - from) as f64 / (until - from).max(1) as f64 * (WIDTH - LEFT);
    let y = |value: f64| HEIGHT - (value - low) / (high - low) * HEIGHT;
    let single = lines.len() == 1;
    let drawn = lines.iter().map(|(name, line)| {
        let gap = ((until - from) / i64::try_from(POINTS).unwrap_or(1) * 3).max(usual_step(line) * 3);
        let (mut path, mut band) = (String::new(), String::new());
        let mut stretch: Vec<(f64, &Summary)> = Vec::new();
        let mut before = None;
        for (at, one) in line {
            if before.is_some_and(|before| at - before > gap) {
                close_stretch(&mut path, &mut band, &stretch, &y, single);
                stretch.clear();
            }
            stretch.push((x(*at), one));
            before = Some(*at);
        }
        close_stretch(&mut path, &mut band, &stretch, &y, single);
        let subject = Series::new(name, "");
        let subject = if subject.subject().is_empty() { metric } else { subject.subject() };
        let shown =
            |value: Option<f64>| value.map(|value| page_context.localized_number(rounded(value))).unwrap_or_default();
        DrawnLine {
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
        levels.push((y(level), page_context.localized_number(rounded(level))));
        level += step;
    }
    Some(Chart {
        title: known.map_or_else(|| metric.to_owned(), |known| known.about(page_context.language).to_owned()),
        unit: known.map(|known| known.unit_shown().to_owned()).unwrap_or_default(),
        lines: drawn.collect(),
        levels,
        moments: (0..=4)
            .map(|part| from + (until - from) * part / 4)
            .map(|at| (x(at), page_context.axis_label(at, until - from)))
            .collect(),
        marks: Vec::new(),
        low,
        high,
        from,
        until,
    })
}

/// The usual distance between two points.
fn usual_step(line: &ChartLine) -> i64 {
    let mut gaps: Vec<i64> = line.iter().zip(line.iter().skip(1)).map(|(one, next)| next.0 - one.0).collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied().unwrap_or(0)
}

/// Adds a stretch without holes to a path, and to its band.
fn close_stretch(
    path: &mut String,
    band: &mut String,
    stretch: &[(f64, &Summary)],
    y: &dyn Fn(f64) -> f64,
    banded: bool,
) {
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
        let title = format!("{} {}", incident.id, incident.title.get(page_context.language));
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

/// Which series go into which chart: what is asked for, or what is telling.
pub(crate) fn groups(layout: &Layout, only: &str) -> Vec<(String, Vec<String>)> {
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
