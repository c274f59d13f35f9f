//! Charts of a device's history: which lines, and how they are drawn.

use std::collections::BTreeMap;

use ioc_common::layout::{Layout, Series};
use ioc_common::metric;
use ioc_judge::{DeviceInfo, RuleSet};

use super::chart_marks::{self, ChartLimit, ChartMark, MarkFacts, MarkKind, UPTIME, limits_of};
use super::chart_span::ChartSpan;
use crate::page::context::PageContext;
use crate::tone::Tone;
use ioc_store::chart::{self, ChartLine, ChartQuery};
use ioc_store::history::Tier;
use ioc_store::history::chunk::Summary;
use ioc_store::{Reader, StoreError};

/// Most lines in one chart: more cannot be told apart.
pub(crate) const LINES_MAX: usize = 6;
/// Points across a drawing: what a browser without a script and paper show. A script asks for its own (`chart_data`).
pub(crate) const POINTS: usize = 120;
/// The drawing, in its own units; the style sheet stretches it, and its texts keep their size.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 180.0;
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
pub(crate) const CHARTS_MAX: usize = 12;
/// How many stand on a device's own page.
const DEVICE_PAGE_CHARTS: usize = 4;

/// What goes into one chart: its metric and its lines.
pub(crate) type ChartLines = (String, Vec<(String, ChartLine)>);

/// What the charts of a page are made of.
#[derive(Default)]
pub(crate) struct ChartFacts {
    groups: Vec<ChartLines>,
    marks: MarkFacts,
    /// Nothing was read: the page stands already, and its script asks for numbers itself.
    left_to_script: bool,
}

/// What the charts on a device's own page are made of.
pub(crate) fn read_first(
    reader: &dyn Reader,
    info: &DeviceInfo,
    layout: Option<&Layout>,
    span: ChartSpan,
    stands: bool,
) -> Result<ChartFacts, StoreError> {
    let mut groups = layout.map(|layout| groups(layout, "")).unwrap_or_default();
    groups.truncate(DEVICE_PAGE_CHARTS);
    if stands {
        let groups = groups.into_iter().map(|(metric, _)| (metric, Vec::new())).collect();
        return Ok(ChartFacts { groups, marks: MarkFacts::default(), left_to_script: true });
    }
    read_groups(reader, info, layout, groups, span)
}

/// What charts of these series are made of.
pub(crate) fn read_groups(
    reader: &dyn Reader,
    info: &DeviceInfo,
    layout: Option<&Layout>,
    groups: Vec<(String, Vec<String>)>,
    span: ChartSpan,
) -> Result<ChartFacts, StoreError> {
    if groups.is_empty() {
        return Ok(ChartFacts::default());
    }
    let names = groups.iter().flat_map(|(_, names)| names.iter().cloned()).chain(uptime_of(layout)).collect();
    let (from, until) = (span.from, span.until);
    let asked = ChartQuery { from, until, tier: Tier::for_span(span.length()), names, most: POINTS };
    let mut lines = chart::read(reader, &info.id, &asked)?;
    let marks = chart_marks::read(reader, info, (from, until), lines.get(UPTIME).map(Vec::as_slice))?;
    let take = |names: Vec<String>, lines: &mut BTreeMap<String, ChartLine>| {
        names.into_iter().filter_map(|name| lines.remove_entry(&name)).collect()
    };
    let groups = groups.into_iter().map(|(metric, names)| (metric, take(names, &mut lines))).collect();
    Ok(ChartFacts { groups, marks, left_to_script: false })
}

/// The series that tells of restarts, where a device has it.
pub(crate) fn uptime_of(layout: Option<&Layout>) -> Option<String> {
    let has = layout.is_some_and(|layout| layout.series().iter().any(|series| series.as_str() == UPTIME));
    has.then(|| UPTIME.to_owned())
}

/// Charts of a device, with what happened beside its numbers and with the limits in force.
pub(crate) fn draw_all(
    page_context: &PageContext,
    facts: ChartFacts,
    info: &DeviceInfo,
    rules: &RuleSet,
    span: ChartSpan,
) -> Vec<Chart> {
    let marks = facts.marks.told(page_context, info.id.as_str());
    let metrics: Vec<&str> = facts.groups.iter().map(|(metric, _)| metric.as_str()).collect();
    let limits = limits_of(rules, info, &metrics, page_context);
    let mut parts: BTreeMap<String, usize> = BTreeMap::new();
    let mut charts = Vec::new();
    for (metric, lines) in facts.groups {
        let part = parts.entry(metric.clone()).or_default();
        let mut chart = draw(page_context, &metric, &lines, span, &limits);
        (chart.part, chart.left_to_script) = (*part, facts.left_to_script);
        chart.device = info.id.to_string();
        chart.marks = marks.iter().map(|mark| Mark::of(mark, span)).collect();
        *part += 1;
        charts.push(chart);
    }
    charts
}

/// A chart, ready to be drawn.
#[derive(Default)]
pub(crate) struct Chart {
    pub(crate) device: String,
    pub(crate) metric: String,
    /// Which one it is of those of its metric: each has so many lines.
    pub(crate) part: usize,
    /// What tells it from others of the same on its page.
    pub(crate) slot: usize,
    pub(crate) title: String,
    pub(crate) unit: String,
    pub(crate) lines: Vec<DrawnLine>,
    /// Height and text.
    pub(crate) levels: Vec<(f64, String)>,
    /// Place in percent, and text.
    pub(crate) moments: Vec<(f64, String)>,
    pub(crate) marks: Vec<Mark>,
    /// Height and what is said there.
    pub(crate) limits: Vec<(f64, String)>,
    pub(crate) left_to_script: bool,
}

impl Chart {
    /// Whether there is anything to see; a script may find it later.
    pub(crate) fn is_drawn(&self) -> bool {
        !self.lines.is_empty()
    }
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

/// What happened, over a chart or behind it.
pub(crate) struct Mark {
    pub(crate) x: f64,
    pub(crate) width: f64,
    pub(crate) tone: Tone,
    pub(crate) title: String,
    pub(crate) address: String,
}

impl Mark {
    fn of(mark: &ChartMark, span: ChartSpan) -> Self {
        let x = |at: i64| (at - span.from) as f64 / span.length().max(1) as f64 * WIDTH;
        let end = if mark.open { span.until } else { mark.until.unwrap_or(mark.from) };
        let (begin, end) = (x(mark.from.clamp(span.from, span.until)), x(end.clamp(span.from, span.until)));
        let tone = match (mark.kind, mark.severity) {
            (MarkKind::Incident, "critical") => Tone::Bad,
            (MarkKind::Incident, _) => Tone::Warning,
            (MarkKind::Maintenance, _) => Tone::Planned,
            (MarkKind::Restart | MarkKind::Software | MarkKind::Remark, _) => Tone::Away,
        };
        Self { x: begin, width: (end - begin).max(2.0), tone, title: mark.title.clone(), address: mark.address.clone() }
    }
}

/// By what numbers of a unit are divided so that the largest of them can be read, and the unit that they have then.
fn scaled_unit(page_context: &PageContext, unit: &str, shown: &str, largest: f64) -> (f64, String) {
    const BINARY: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let binary = |per: &str| {
        let place = (1..BINARY.len()).rev().find(|power| largest >= 1024_f64.powi(*power as i32)).unwrap_or(0);
        (1024_f64.powi(place as i32), format!("{}{per}", BINARY.get(place).copied().unwrap_or("B")))
    };
    match unit {
        "By" => binary(""),
        "By/s" => binary("/s"),
        "s" if largest >= 172_800.0 => (86_400.0, page_context.t("chart-unit-days")),
        "s" if largest >= 7_200.0 => (3_600.0, page_context.t("chart-unit-hours")),
        _ => (1.0, shown.to_owned()),
    }
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

/// A value of a metric as a person reads it, with its unit.
pub(crate) fn shown_value(page_context: &PageContext, metric: &str, value: f64) -> String {
    let (unit, shown) = metric::find(metric).map_or(("", ""), |known| (known.unit, known.unit_shown()));
    let (divisor, unit) = scaled_unit(page_context, unit, shown, value.abs());
    format!("{} {unit}", page_context.localized_number(rounded(value / divisor))).trim_end().to_owned()
}

/// One chart of lines, with the limits that are within it.
pub(crate) fn draw(
    page_context: &PageContext,
    metric: &str,
    lines: &[(String, ChartLine)],
    span: ChartSpan,
    limits: &[ChartLimit],
) -> Chart {
    let known = metric::find(metric);
    let title = known.map_or_else(|| metric.to_owned(), |known| known.about(page_context.language).to_owned());
    let empty = Chart { metric: metric.to_owned(), title, ..Chart::default() };
    let all = || lines.iter().flat_map(|(_, line)| line.iter().map(|(_, one)| one));
    let (least, most) =
        all().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), one| (least.min(one.min), most.max(one.max)));
    if !least.is_finite() || !most.is_finite() {
        return empty;
    }
    let (unit, unit_shown) = known.map_or(("", ""), |known| (known.unit, known.unit_shown()));
    let (divisor, unit_shown) = scaled_unit(page_context, unit, unit_shown, least.abs().max(most.abs()));
    let percent = unit == "%";
    // What begins at zero in nature is drawn from zero, unless the whole of it is far away from there.
    let low = if percent || (least >= 0.0 && least < most * 0.6) { 0.0 } else { least / divisor };
    let high = if percent { most.max(100.0) } else { most / divisor };
    let step = axis_step(if high > low { high - low } else { high.abs().max(1.0) });
    let (low, high) =
        ((low / step).floor() * step, ((high / step).ceil() * step).max((low / step).floor() * step + step));
    let (from, length) = (span.from, span.length());
    let x = |at: i64| (at - from) as f64 / length.max(1) as f64 * WIDTH;
    let y = |value: f64| HEIGHT - (value / divisor - low) / (high - low) * HEIGHT;
    let single = lines.len() == 1;
    let drawn = lines.iter().map(|(name, line)| {
        let gap = gap_of(line, length / i64::try_from(POINTS).unwrap_or(1));
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
        let shown = |value: Option<f64>| {
            value.map(|value| page_context.localized_number(rounded(value / divisor))).unwrap_or_default()
        };
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
        levels.push((y(level * divisor), page_context.localized_number(rounded(level))));
        level += step;
    }
    let within = limits.iter().filter(|one| one.metric == metric && (low..=high).contains(&(one.value / divisor)));
    Chart {
        unit: unit_shown,
        lines: drawn.collect(),
        levels,
        limits: within.map(|one| (y(one.value), one.title.clone())).collect(),
        moments: (0..=4_i64)
            .map(|part| (part as f64 * 25.0, page_context.axis_label(from + length * part / 4, length)))
            .collect(),
        ..empty
    }
}

/// From which distance between two of its points on a line has a hole, milliseconds: several times what is usual for it, and what one point of a
/// chart spans.
pub(crate) fn gap_of(line: &[(i64, Summary)], step: i64) -> i64 {
    usual_step(line).max(step) * 3
}

/// The usual distance between two points.
fn usual_step(line: &[(i64, Summary)]) -> i64 {
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
        let _ = write!(path, "{}{x:.0} {:.1}", if place == 0 { "M" } else { "L" }, y(one.mean));
    }
    if let [(x, _)] = stretch {
        // A single point would not be seen.
        let _ = write!(path, "L{:.1} {:.1}", x + 1.0, stretch.first().map_or(0.0, |(_, one)| y(one.mean)));
    }
    if !banded || stretch.len() < 2 {
        return;
    }
    for (place, (x, one)) in stretch.iter().enumerate() {
        let _ = write!(band, "{}{x:.0} {:.1}", if place == 0 { "M" } else { "L" }, y(one.max));
    }
    for (x, one) in stretch.iter().rev() {
        let _ = write!(band, "L{x:.0} {:.1}", y(one.min));
    }
    band.push('Z');
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
