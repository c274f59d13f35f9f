//! The numbers of charts for a script that draws them: as many points as there is room for, and what happened beside them.
//!
//! All points of an answer lie on one grid from `from` on, so that lines of several devices fit each other, and what comes after it fits what was
//! there: the script asks again with the same step from the last point on. Only moments at which something is known are in it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use ioc_common::clock::{self, Timestamp};
use ioc_common::id::DeviceId;
use ioc_common::layout::{Layout, Series};
use ioc_common::metric;
use ioc_judge::DeviceInfo;

use super::chart::{gap_of, groups, uptime_of};
use super::chart_marks::{self, ChartLimit, ChartMark, MarkFacts, UPTIME, limits_of};
use crate::api::{ApiResult, device_id};
use crate::api_types::replay::Tier as PublishedTier;
use crate::app::App;
use crate::page::page_context;
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
use ioc_store::chart::{self, ChartLine, ChartQuery};
use ioc_store::history::Tier;
use ioc_store::{Reader, StoreError};

/// Metrics in one question, and lines in one answer.
const METRICS_MAX: usize = 24;
const LINES_MAX: usize = 72;
/// Points of a line: a screen of today is 4000 pixels wide.
const POINTS_MIN: i64 = 20;
const POINTS_MAX: i64 = 4000;
const POINTS_USUAL: i64 = 400;
/// The longest span, milliseconds: ten years.
const SPAN_MAX_MS: i64 = 10 * 366 * 86_400_000;
/// Digits that count of a number: more cannot be seen.
const DIGITS: i32 = 6;

/// Which numbers are asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChartDataQuery {
    /// Metrics after commas, 24 at most; those that tell most of the device when there are none.
    #[serde(default)]
    metrics: String,
    /// When they begin; a day before `until` when it is left out.
    from: Option<Timestamp>,
    /// Until when; now when it is left out.
    until: Option<Timestamp>,
    /// At most so many points a line, 20 to 4000; 400 when neither this nor `step_ms` is given.
    points: Option<i64>,
    /// How much time one point spans, milliseconds: what an earlier answer had, to go on with it.
    step_ms: Option<i64>,
    /// How fine it is kept: what an earlier answer had, to go on with it.
    tier: Option<PublishedTier>,
}

/// Numbers of a device over time, for charts.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChartData {
    /// The device's identifier and name.
    device: String,
    name: String,
    /// From when until when, milliseconds since 1970.
    from: i64,
    until: i64,
    /// What one point spans, milliseconds.
    step_ms: i64,
    tier: PublishedTier,
    /// The moments at which something is known, milliseconds since 1970.
    at: Vec<i64>,
    series: Vec<ChartDataSeries>,
    /// From where on rules call a number bad.
    limits: Vec<ChartLimit>,
    /// What happened meanwhile.
    marks: Vec<ChartMark>,
}

/// One line of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChartDataSeries {
    /// Its whole name.
    series: String,
    metric: String,
    /// What it is of; empty where it is of the whole device.
    subject: String,
    /// What it says, in the language of whoever asks.
    title: String,
    /// Its unit (UCUM); empty where the metric is not known here.
    unit: &'static str,
    /// From which distance between two known points on it has a hole, milliseconds.
    gap_ms: i64,
    /// The mean at each moment; null where it is not known.
    mean: Vec<Option<f64>>,
    /// The least and the most at each moment; left out where every point is one value.
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<Vec<Option<f64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<Vec<Option<f64>>>,
}

/// What is asked for, checked: as [`ChartQuery`] wants it, whose step is exact.
struct Asked {
    from: i64,
    until: i64,
    step_ms: i64,
    tier: Tier,
    metrics: Vec<String>,
}

impl Asked {
    fn of(query: &ChartDataQuery, now: Timestamp) -> Result<Self, Problem> {
        let until = query.until.unwrap_or(now);
        let from = query.from.unwrap_or_else(|| until.plus_millis(-86_400_000));
        let span = until.millis_since(from);
        if !(1..=SPAN_MAX_MS).contains(&span) {
            return Err(Problem::invalid(format!(
                "from: found {from}; allowed is a moment before {until}, by ten years at most"
            )));
        }
        let metrics: Vec<String> =
            query.metrics.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if metrics.len() > METRICS_MAX {
            return Err(Problem::invalid(format!("metrics: found {}; allowed are {METRICS_MAX}", metrics.len())));
        }
        let points = query.points.unwrap_or(POINTS_USUAL).clamp(POINTS_MIN, POINTS_MAX);
        let rounded_up = |length: i64, parts: i64| (length + parts - 1) / parts;
        // No finer than so many points, whatever is asked for.
        let step_ms =
            query.step_ms.unwrap_or_else(|| rounded_up(span, points)).max(rounded_up(span, POINTS_MAX)).max(1);
        let steps = rounded_up(span, step_ms);
        let tier = query.tier.map_or_else(|| Tier::for_span(span), Tier::from).max(Tier::for_span(span));
        let from = from.as_millis();
        Ok(Self { from, until: from + steps * step_ms, step_ms, tier, metrics })
    }

    fn query(&self, names: Vec<String>) -> ChartQuery {
        let most = usize::try_from((self.until - self.from) / self.step_ms).unwrap_or(1);
        ChartQuery { from: self.from, until: self.until, tier: self.tier, names, most }
    }
}

/// What is read for an answer.
struct ChartDataFacts {
    info: DeviceInfo,
    layout: Option<Layout>,
    /// In the order of the layout.
    lines: Vec<(String, ChartLine)>,
    marks: MarkFacts,
}

fn read(reader: &dyn Reader, device: &DeviceId, asked: &Asked) -> Result<Option<ChartDataFacts>, StoreError> {
    let Some(record) = reader.device(device)? else { return Ok(None) };
    let layout = record.layout.map(|id| reader.layout(id)).transpose()?.flatten();
    let names = layout.as_ref().map(|layout| names_of(layout, &asked.metrics)).unwrap_or_default();
    let all = names.iter().cloned().chain(uptime_of(layout.as_ref())).collect();
    let mut found: BTreeMap<String, ChartLine> = chart::read(reader, device, &asked.query(all))?;
    let uptime = found.get(UPTIME).map(Vec::as_slice);
    let marks = chart_marks::read(reader, &record.info, (asked.from, asked.until), uptime)?;
    let lines = names.into_iter().filter_map(|name| found.remove_entry(&name)).collect();
    Ok(Some(ChartDataFacts { info: record.info, layout, lines, marks }))
}

/// The series of these metrics, in the order of the layout; of those that tell most where none is named.
fn names_of(layout: &Layout, metrics: &[String]) -> Vec<String> {
    let mut names: Vec<String> = if metrics.is_empty() {
        groups(layout, "").into_iter().flat_map(|(_, names)| names).collect()
    } else {
        let of = |series: &&Series| metrics.iter().any(|metric| metric == series.metric());
        layout.series().iter().filter(of).map(|series| series.as_str().to_owned()).collect()
    };
    names.truncate(LINES_MAX);
    names
}

/// A number without digits that nobody sees.
fn short(value: f64) -> Option<f64> {
    if !value.is_finite() {
        return None;
    }
    let text = format!("{value:.*e}", usize::try_from(DIGITS - 1).unwrap_or(5));
    text.parse().ok()
}

fn series_of(
    (name, line): (String, ChartLine),
    at: &[i64],
    step_ms: i64,
    about: impl Fn(&metric::Metric) -> String,
) -> ChartDataSeries {
    let series = Series::new(&name, "");
    let known = metric::find(series.metric());
    let gap_ms = gap_of(&line, step_ms);
    let folded = line.iter().any(|(_, one)| one.min < one.max);
    let (mut mean, mut min, mut max) = (vec![None; at.len()], vec![None; at.len()], vec![None; at.len()]);
    for (moment, one) in &line {
        let Ok(place) = at.binary_search(moment) else { continue };
        for (list, value) in [(&mut mean, one.mean), (&mut min, one.min), (&mut max, one.max)] {
            if let Some(cell) = list.get_mut(place) {
                *cell = short(value);
            }
        }
    }
    ChartDataSeries {
        metric: series.metric().to_owned(),
        subject: series.subject().to_owned(),
        title: known.map_or_else(|| series.metric().to_owned(), about),
        unit: known.map_or("", |known| known.unit),
        gap_ms,
        mean,
        min: folded.then_some(min),
        max: folded.then_some(max),
        series: name,
    }
}

/// Numbers of a device over time, for charts: scope and rights as on its page.
pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Query(query): Query<ChartDataQuery>,
) -> ApiResult<ChartData> {
    let device = device_id(&id)?;
    let asked = std::sync::Arc::new(Asked::of(&query, clock::now())?);
    let missing = format!("there is no device {device}");
    let (wanted, of) = (std::sync::Arc::clone(&asked), device.clone());
    let reads = move |reader: &dyn Reader| read(reader, &of, &wanted);
    let names = |found: &Option<ChartDataFacts>| {
        let mut layout = found.iter().filter_map(|found| found.layout.as_ref()).flat_map(Layout::series);
        layout.any(|series| metric::is_series_of_person(series.as_str()))
    };
    let found = personal_data::read(&app, &person, (device.as_str(), "numbers"), names, reads).await?;
    let Some(ChartDataFacts { info, lines, marks, .. }) = found else { return Err(Problem::not_found(missing)) };
    let context = page_context(&app, &person, &HeaderMap::new());
    let mut at: Vec<i64> = lines.iter().flat_map(|(_, line)| line.iter().map(|(at, _)| *at)).collect();
    at.sort_unstable();
    at.dedup();
    let about = |known: &metric::Metric| known.about(person.language).to_owned();
    let series: Vec<_> = lines.into_iter().map(|line| series_of(line, &at, asked.step_ms, about)).collect();
    let metrics: Vec<&str> = series.iter().map(|one| one.metric.as_str()).collect();
    let limits = limits_of(&app.config().rules, &info, &metrics, &context);
    Ok(Json(ChartData {
        marks: marks.told(&context, info.id.as_str()),
        limits,
        device: info.id.to_string(),
        name: info.name,
        from: asked.from,
        until: asked.until,
        step_ms: asked.step_ms,
        tier: asked.tier.into(),
        at,
        series,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_store::history::chunk::Summary;

    fn asked(query: &str) -> Result<Asked, Problem> {
        let query: ChartDataQuery =
            Query::try_from_uri(&format!("http://x/?{query}").parse().expect("an address")).expect("reads").0;
        Asked::of(&query, Timestamp::from_millis(1_000_000_000_000))
    }

    #[test]
    fn points_lie_on_one_grid_which_goes_on() {
        let first = asked("points=400").expect("allowed");
        assert_eq!((first.step_ms, first.tier), (216_000, Tier::Raw));
        assert_eq!((first.until - first.from) % first.step_ms, 0);
        assert_eq!(first.query(Vec::new()).most, 400);
        // What comes after it: the same step, from a point of the grid on, whatever is left of the last one.
        let next = asked("step_ms=216000&tier=5m&from=2001-09-09T01:40:00Z").expect("allowed");
        assert_eq!((next.step_ms, next.tier, next.until - next.from), (216_000, Tier::FiveMinutes, 432_000));
        // Nobody asks for more than fits a screen, or for a year of raw numbers.
        let year = asked("points=99999&from=2000-09-09T01:40:00Z&tier=raw").expect("allowed");
        assert!(year.query(Vec::new()).most <= 4000 && year.tier == Tier::Hour);
        let fine = asked("step_ms=1").expect("allowed");
        assert!(fine.query(Vec::new()).most <= 4000);
        for refused in ["from=2001-09-09T01:46:40Z", "from=1980-01-01T00:00:00Z"] {
            assert!(asked(refused).is_err(), "{refused}");
        }
        assert!(asked(&format!("metrics={}", vec!["a"; 25].join(","))).is_err());
    }

    #[test]
    fn what_is_not_known_is_null_and_never_zero() {
        let point =
            |at: i64, value: f64, max: f64| (at, Summary { min: value, max, mean: value, last: value, count: 1 });
        let at = [0, 10, 20, 500];
        let line = vec![point(0, 1.0, 1.0), point(20, 2.0, 2.0), point(500, f64::NAN, f64::NAN)];
        let single = series_of(("load.1".to_owned(), line.clone()), &at, 10, |_| String::new());
        assert_eq!(single.mean, [Some(1.0), None, Some(2.0), None]);
        assert!(single.min.is_none() && single.max.is_none() && single.unit == "1");
        let folded = vec![point(0, 1.0, 3.0)];
        let folded = series_of(("load.1".to_owned(), folded), &at, 10, |_| String::new());
        assert_eq!(folded.max, Some(vec![Some(3.0), None, None, None]));
    }

    #[test]
    fn numbers_have_as_many_digits_as_can_be_seen() {
        assert_eq!(
            [0.0, 12.345_678_9, 1_234_567_890.0, -0.000_012_345_67].map(short).map(Option::unwrap_or_default),
            [0.0, 12.3457, 1_234_570_000.0, -0.000_012_345_7]
        );
        assert_eq!(short(f64::INFINITY), None);
    }
}
