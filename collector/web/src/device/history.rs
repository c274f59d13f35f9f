//! A device's numbers over time, an hour to ten years: as a page of charts, as CSV, in the API.

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
use ioc_common::language::Language;
use ioc_common::layout::{Layout, Series};
use ioc_common::metric;

use crate::api::{ApiResult, device_id};
use crate::api_types;
use crate::app::App;
use crate::device::chart::{Chart, draw_all, groups, read_groups};
use crate::device::chart_marks::MarkKind;
use crate::device::chart_span::{ChartSpan, SPANS};
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
use ioc_store::Reader;
use ioc_store::chart::{self, ChartLine, ChartQuery};
use ioc_store::history::Tier;
use ioc_store::template::{csv_field, percent_encoded};

/// Most series in one answer.
const SERIES_MAX: usize = 60;
#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    page_context: PageContext,
    id: DeviceId,
    name: String,
    charts: Vec<Chart>,
    span: ChartSpan,
    metric: String,
    /// Every metric there is, with its title.
    metrics: Vec<(String, String)>,
    /// What was written as the beginning and the end.
    from: String,
    until: String,
    /// They cannot be read as moments.
    refused: bool,
}

impl HistoryPage {
    fn spans(&self) -> Vec<&'static str> {
        SPANS.iter().map(|(name, _)| *name).collect()
    }

    fn is_span(&self, span: &str) -> bool {
        self.span.name == span
    }

    fn is_metric(&self, metric: &str) -> bool {
        self.metric == metric
    }

    fn has_drawn(&self) -> bool {
        self.charts.iter().any(Chart::is_drawn)
    }

    fn link(&self, span: &str) -> String {
        let metric =
            if self.metric.is_empty() { String::new() } else { format!("&metric={}", percent_encoded(&self.metric)) };
        format!("/devices/{}/history?span={span}{metric}", self.id)
    }

    /// All that is shown, as a file.
    fn file(&self) -> String {
        let moment = |at: i64| percent_encoded(&Timestamp::from_millis(at).to_string());
        let (from, until) = (moment(self.span.from), moment(self.span.until));
        format!("/api/v1/devices/{}/history.csv?from={from}&until={until}", self.id)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PageQuery {
    span: String,
    metric: String,
    from: String,
    until: String,
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let Ok(id) = DeviceId::new(&id) else { return Err(Failure::not_found(page_context)) };
    let (now, config) = (page_context.now, app.config());
    let asked = ChartSpan::asked((&query.span, &query.from, &query.until), &config, now);
    let refused = asked.is_err();
    let asked = asked.unwrap_or_default();
    let only = query.metric.clone();
    let device = id.clone();
    let read = move |reader: &dyn Reader| {
        let Some(record) = reader.device(&device)? else { return Ok(None) };
        let span = asked.unwrap_or_else(|| ChartSpan::with_data(record.last_heard, now));
        let layout = record.layout.map(|id| reader.layout(id)).transpose()?.flatten();
        let groups = layout.as_ref().map(|layout| groups(layout, &only)).unwrap_or_default();
        let facts = read_groups(reader, &record.info, layout.as_ref(), groups, span)?;
        Ok(Some((record.info, layout, facts, span)))
    };
    let names = |found: &Option<(_, Option<Layout>, _, _)>| {
        let layout = found.as_ref().and_then(|found| found.1.as_ref());
        layout.is_some_and(|all| all.series().iter().any(|one| metric::is_series_of_person(one.as_str())))
    };
    let found = personal_data::read(&app, &person, (id.as_str(), "numbers"), names, read).await;
    let (info, layout, facts, span) = match found {
        Ok(Some(found)) => found,
        Ok(None) => return Err(Failure::not_found(page_context)),
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let charts = draw_all(&page_context, facts, &info, &config.rules, span);
    let metrics = layout.map(|layout| metrics_of(&layout, page_context.language)).unwrap_or_default();
    let written = |text: String, at: i64| {
        if span.is_live() || refused { text } else { page_context.moment_field(&Timestamp::from_millis(at)) }
    };
    let (from, until) = (written(query.from, span.from), written(query.until, span.until));
    let name = info.name;
    Ok(show(&HistoryPage { page_context, id, name, charts, span, metric: query.metric, metrics, from, until, refused }))
}

fn metrics_of(layout: &Layout, language: Language) -> Vec<(String, String)> {
    let mut names: Vec<&str> = layout.series().iter().map(Series::metric).collect();
    names.sort_unstable();
    names.dedup();
    let title = |name: &str| metric::find(name).map_or(name, |known| known.about(language)).to_owned();
    names.into_iter().map(|name| (name.to_owned(), title(name))).collect()
}

/// What history is asked for.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryQuery {
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
    person: &Person,
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
    let asked: Vec<String> = query.series.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if asked.len() > SERIES_MAX {
        return Err(Problem::invalid(format!("series: found {}; allowed are {SERIES_MAX}", asked.len())));
    }
    let missing = format!("there is no device {device}");
    let read = move |reader: &dyn Reader| {
        let Some(record) = reader.device(&device)? else { return Ok(None) };
        let mut names = asked.clone();
        if names.is_empty() {
            let layout = record.layout.map(|id| reader.layout(id)).transpose()?.flatten();
            let all = layout.iter().flat_map(Layout::series).map(|series| series.as_str().to_owned());
            names = all.take(SERIES_MAX).collect();
        }
        let wanted = ChartQuery { from: from.as_millis(), until: until.as_millis(), tier, names, most: 0 };
        chart::read(reader, &device, &wanted).map(Some)
    };
    let names = |found: &Option<BTreeMap<String, ChartLine>>| {
        found.as_ref().is_some_and(|lines| lines.keys().any(|name| metric::is_series_of_person(name)))
    };
    let found = personal_data::read(app, person, (id, "numbers"), names, read).await?;
    found.map(|lines| (tier, lines)).ok_or_else(|| Problem::not_found(missing))
}

/// Numbers over time.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct History {
    tier: api_types::replay::Tier,
    /// What each point holds, in its order.
    columns: &'static [&'static str],
    series: Vec<HistorySeries>,
}

/// One series of it.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct HistorySeries {
    name: String,
    /// Its unit; none where the metric is not known here.
    unit: Option<&'static str>,
    points: Vec<Vec<Value>>,
}

pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> ApiResult<History> {
    let (tier, lines) = answer(&app, &person, &id, query).await?;
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
pub(crate) async fn csv(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Result<Response, Problem> {
    use std::fmt::Write as _;
    let (tier, lines) = answer(&app, &person, &id, query).await?;
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
