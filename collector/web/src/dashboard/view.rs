//! One dashboard, as a page and on the wall: what each of its panels shows is read here, within the reach of whoever looks.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::layout::{Layout, Series};
use ioc_judge::{DeviceInfo, Incident, RuleSet};

use super::{find, may_change};
use crate::app::App;
use crate::device::chart::{self, Chart, LINES_MAX, POINTS};
use crate::device::chart_marks::{MarkKind, limits_of};
use crate::device::chart_span::{ChartSpan, SPANS};
use crate::device::name::{devices_of, name_of, names_of};
use crate::device::row::{DeviceRow, layouts_of};
use crate::device::video_wall::{VideoWall, video_wall_of};
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::problem::Problem;
use crate::tone::Tone;
use ioc_store::chart::{ChartLine, ChartQuery};
use ioc_store::dashboard::{Dashboard, Panel, PanelKind};
use ioc_store::history::Tier;
use ioc_store::{DocumentRecord, Reader, StoreError, place};

/// Devices of one chart, and charts of one page that the server draws: the others are left to the script.
const CHART_DEVICES_MAX: usize = 6;
const CHARTS_DRAWN_MAX: usize = 8;
/// Incidents of one panel.
const INCIDENTS_MAX: usize = 8;
/// Every colour of a room, the worst first.
const TONES: [Tone; 4] = [Tone::Bad, Tone::Warning, Tone::Away, Tone::Good];

/// What a panel is made of, as it was read.
#[derive(Default)]
struct PanelFacts {
    /// The devices that are there and within reach.
    rows: Vec<DeviceRow>,
    /// Lines of a chart, by metric, and device with subject.
    lines: Vec<(String, ChartLine)>,
    /// The newest value of a series, where it is known; none where the device has no such series.
    value: Option<Option<f64>>,
    /// How many devices of a room have which colour, in the order of [`TONES`].
    tones: [u64; 4],
    documents: Vec<DocumentRecord>,
    incidents: Vec<Incident>,
    names: std::collections::HashMap<DeviceId, String>,
}

/// A panel, ready to be shown.
pub(crate) struct ShownPanel {
    pub(crate) kind: PanelKind,
    pub(crate) title: String,
    pub(crate) width: u8,
    pub(crate) rows: Vec<DeviceRow>,
    pub(crate) chart: Option<Chart>,
    /// Value, colour, and where it is looked into.
    pub(crate) number: Option<(String, Tone, String)>,
    /// Colour and count of what is in a room.
    pub(crate) tones: Vec<(Tone, u64)>,
    pub(crate) address: String,
    pub(crate) video_wall: Option<VideoWall>,
    /// Title, device, colour, address.
    pub(crate) incidents: Vec<(String, String, Tone, String)>,
    /// How many of its devices are not there, or not within reach.
    pub(crate) missing: u64,
}

impl ShownPanel {
    /// Whether there is nothing at all to see.
    pub(crate) fn is_empty(&self) -> bool {
        match self.kind {
            PanelKind::Chart => self.chart.is_none(),
            PanelKind::Number => self.number.is_none(),
            PanelKind::State => self.rows.is_empty(),
            PanelKind::Room => self.tones.is_empty(),
            PanelKind::VideoWall => self.video_wall.is_none(),
            PanelKind::Incidents => false,
        }
    }
}

fn read_panel(
    reader: &dyn Reader,
    panel: &Panel,
    (span, draws): (ChartSpan, bool),
    now: Timestamp,
) -> Result<PanelFacts, StoreError> {
    let mut facts = PanelFacts::default();
    let mut records = Vec::new();
    for id in &panel.devices {
        records.extend(reader.device(id)?.filter(|record| record.revoked_at.is_none()));
    }
    let layouts = layouts_of(&records, reader)?;
    match panel.kind {
        PanelKind::Chart if draws => {
            let several = records.len() > 1;
            for record in records.iter().take(CHART_DEVICES_MAX) {
                let Some(layout) = record.layout.and_then(|id| layouts.get(&id)) else { continue };
                let most = LINES_MAX.saturating_sub(facts.lines.len());
                let names = series_of(layout, &panel.metric).into_iter().take(most).collect();
                let (from, until, tier) = (span.from, span.until, Tier::for_span(span.length()));
                let asked = ChartQuery { from, until, tier, names, most: POINTS };
                for (name, line) in ioc_store::chart::read(reader, &record.info.id, &asked)? {
                    let subject = Series::new(&name, "").subject().to_owned();
                    let subject = match (several, subject.is_empty()) {
                        (true, true) => record.info.name.clone(),
                        (true, false) => format!("{} · {subject}", record.info.name),
                        (false, _) => subject,
                    };
                    facts.lines.push((Series::new(&panel.metric, &subject).as_str().to_owned(), line));
                }
            }
        }
        PanelKind::Number => {
            if let Some(record) = records.first()
                && let Some(layout) = record.layout.and_then(|id| layouts.get(&id))
            {
                let of = |series: &Series| series.as_str() == panel.metric || series.metric() == panel.metric;
                let at = layout.series().iter().position(of);
                facts.value = at.map(|at| record.latest.get(at).copied().flatten());
            }
        }
        PanelKind::Room => {
            for found in reader.places_by_state()? {
                let tone = Tone::of_device(found.state.into(), found.worst);
                let at =
                    TONES.iter().position(|one| *one == tone).filter(|_| place::parts(&found.place).0 == panel.room);
                if let Some(count) = at.and_then(|at| facts.tones.get_mut(at)) {
                    *count += found.count;
                }
            }
        }
        PanelKind::VideoWall => {
            if let Some(record) = records.first() {
                facts.documents = reader.documents(&record.info.id)?;
            }
        }
        PanelKind::Incidents => {
            facts.incidents = reader.incidents(None, true, None, INCIDENTS_MAX)?;
            facts.names = names_of(devices_of(&facts.incidents), reader)?;
        }
        PanelKind::Chart | PanelKind::State => {}
    }
    facts.rows = records.into_iter().map(|record| DeviceRow::new(record, &layouts, now)).collect();
    Ok(facts)
}

fn series_of(layout: &Layout, metric: &str) -> Vec<String> {
    let of = |series: &&Series| series.metric() == metric || series.as_str() == metric;
    layout.series().iter().filter(of).map(|series| series.as_str().to_owned()).collect()
}

/// How bad a value is by the rules in force for its device.
fn tone_of_value(rules: &RuleSet, info: &DeviceInfo, metric: &str, value: f64, page_context: &PageContext) -> Tone {
    let limits = limits_of(rules, info, &[metric], page_context);
    let beyond = limits.iter().filter(|one| if one.above { value > one.value } else { value < one.value });
    let worst = beyond.map(|one| if one.severity == "critical" { Tone::Bad } else { Tone::Warning }).min();
    worst.unwrap_or(Tone::Good)
}

fn shown_panel(
    page_context: &PageContext,
    (slot, panel): (usize, Panel),
    facts: PanelFacts,
    rules: &RuleSet,
    span: ChartSpan,
) -> ShownPanel {
    let devices = facts.rows.iter().map(|row| row.record.info.id.to_string()).collect::<Vec<_>>();
    let first = facts.rows.first().map(|row| row.record.info.clone());
    let metric = Series::new(&panel.metric, "").metric().to_owned();
    let chart = (panel.kind == PanelKind::Chart && !devices.is_empty()).then(|| {
        let limits = first.as_ref().map(|info| limits_of(rules, info, &[metric.as_str()], page_context));
        let drawn = chart::draw(page_context, &metric, &facts.lines, span, &limits.unwrap_or_default());
        let title = if panel.title.is_empty() { drawn.title.clone() } else { panel.title.clone() };
        let device = devices.iter().take(CHART_DEVICES_MAX).cloned().collect::<Vec<_>>().join(" ");
        Chart { title, device, slot, ..drawn }
    });
    let number = first.as_ref().zip(facts.value).map(|(info, value)| {
        let address = format!("/devices/{}/history?metric={metric}", info.id);
        match value {
            Some(value) => {
                let tone = tone_of_value(rules, info, &metric, value, page_context);
                (chart::shown_value(page_context, &metric, value), tone, address)
            }
            None => (page_context.t("dashboard-unknown"), Tone::Away, address),
        }
    });
    let tones = TONES.into_iter().zip(facts.tones).filter(|(_, count)| *count > 0).collect();
    let wall = (panel.kind == PanelKind::VideoWall).then(|| video_wall_of(page_context, &facts.documents)).flatten();
    let incidents = facts.incidents.iter().map(|one| {
        let name = name_of(&facts.names, one.device.as_ref()).to_owned();
        let title = one.title.get(page_context.language).to_owned();
        (title, name, Tone::of_incident(one), format!("/incidents/{}", one.id.0))
    });
    let named = || first.as_ref().map(|info| info.name.clone()).unwrap_or_default();
    let about = || ioc_common::metric::find(&metric).map_or("", |known| known.about(page_context.language));
    let title = match panel.kind {
        _ if !panel.title.is_empty() => panel.title.clone(),
        PanelKind::Number => format!("{} · {}", about(), named()).trim_end_matches(" · ").to_owned(),
        // A room beyond reach is not named.
        PanelKind::Room if facts.tones.iter().any(|count| *count > 0) => panel.room.clone(),
        PanelKind::VideoWall => named(),
        PanelKind::Chart | PanelKind::State | PanelKind::Incidents | PanelKind::Room => {
            page_context.name("panel-kind", panel.kind.as_str())
        }
    };
    let address = match panel.kind {
        PanelKind::Room if facts.tones.iter().any(|count| *count > 0) => {
            format!("/plan?room={}", ioc_store::template::percent_encoded(&panel.room))
        }
        PanelKind::VideoWall => first.as_ref().map(|info| format!("/devices/{}", info.id)).unwrap_or_default(),
        PanelKind::Chart | PanelKind::Number | PanelKind::State | PanelKind::Room | PanelKind::Incidents => {
            String::new()
        }
    };
    ShownPanel {
        kind: panel.kind,
        title,
        width: panel.width,
        missing: panel.devices.len().saturating_sub(facts.rows.len()) as u64,
        rows: facts.rows,
        chart,
        number,
        tones,
        address,
        video_wall: wall,
        incidents: incidents.collect(),
    }
}

/// The panels of a dashboard as whoever looks sees them; charts are drawn unless the page stands, and its script asks for their numbers.
async fn panels_of(
    app: &App,
    person: &Person,
    page_context: &PageContext,
    dashboard: &Dashboard,
    (span, draws): (ChartSpan, bool),
) -> Result<Vec<ShownPanel>, Problem> {
    let (panels, now) = (dashboard.panels.clone(), page_context.now);
    let read = move |reader: &dyn Reader| {
        let mut charts = 0;
        let facts = panels.iter().map(|panel| {
            charts += usize::from(panel.kind == PanelKind::Chart);
            read_panel(reader, panel, (span, draws && charts <= CHARTS_DRAWN_MAX), now)
        });
        facts.collect::<Result<Vec<_>, _>>()
    };
    let facts = app.read(&person.scope, read).await?;
    let config = app.config();
    let shown = dashboard.panels.iter().cloned().enumerate().zip(facts);
    Ok(shown.map(|(panel, facts)| shown_panel(page_context, panel, facts, &config.rules, span)).collect())
}

#[derive(Template)]
#[template(path = "dashboard.html")]
struct DashboardPage {
    page_context: PageContext,
    dashboard: Dashboard,
    panels: Vec<ShownPanel>,
    span: ChartSpan,
    may_change: bool,
}

impl DashboardPage {
    fn spans(&self) -> Vec<&'static str> {
        SPANS.iter().map(|(name, _)| *name).collect()
    }

    fn is_span(&self, span: &str) -> bool {
        self.span.name == span
    }

    fn has_charts(&self) -> bool {
        self.panels.iter().any(|panel| panel.chart.is_some())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DashboardQuery {
    span: String,
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Query(query): Query<DashboardQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let span = ChartSpan::named(&query.span, page_context.now);
    let span = span.unwrap_or_else(|| ChartSpan::with_data(None, page_context.now));
    let found = async {
        let dashboard = find(&app, &person, number).await?;
        let draws = !page_context.fragment;
        let panels = panels_of(&app, &person, &page_context, &dashboard, (span, draws)).await?;
        Ok((dashboard, panels))
    };
    match found.await {
        Ok((dashboard, panels)) => {
            let may_change = may_change(&person, &dashboard);
            Ok(show(&DashboardPage { page_context, dashboard, panels, span, may_change }))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// Which dashboards a screen on the wall shows.
pub(crate) struct Rotation<'q> {
    /// Their numbers after commas.
    pub(crate) boards: &'q str,
    /// Which one of them now.
    pub(crate) at: usize,
    /// How long each stays, seconds.
    pub(crate) every_s: u64,
    /// The token in the address; empty where somebody is signed in.
    pub(crate) token: &'q str,
}

/// How long each dashboard of a rotation stays, seconds.
const EVERY_S: std::ops::RangeInclusive<u64> = 10..=3600;

#[derive(Template)]
#[template(path = "dashboard-wall.html")]
struct DashboardWallPage {
    page_context: PageContext,
    dashboard: Dashboard,
    panels: Vec<ShownPanel>,
    /// Where the page hears of changes.
    live: String,
    /// After how many seconds which page follows; none where there is but one.
    next: Option<(u64, String)>,
}

/// A dashboard on the wall, drawn by the server: a screen that nobody touches has no session, and shows its token in the address alone.
pub(crate) async fn wall(app: &App, person: &Person, page_context: PageContext, rotation: &Rotation<'_>) -> PageResult {
    let numbers: Vec<u64> = rotation.boards.split(',').filter_map(|one| one.trim().parse().ok()).take(50).collect();
    let count = numbers.len().max(1);
    let number = numbers.get(rotation.at % count).copied().unwrap_or(0);
    let span = ChartSpan::with_data(None, page_context.now);
    let found = async {
        let dashboard = find(app, person, number).await?;
        let panels = panels_of(app, person, &page_context, &dashboard, (span, true)).await?;
        Ok((dashboard, panels))
    };
    let encoded = ioc_store::template::percent_encoded;
    let token = if rotation.token.is_empty() { String::new() } else { format!("token={}", encoded(rotation.token)) };
    let live = if token.is_empty() { "/live".to_owned() } else { format!("/live?{token}") };
    let every_s = rotation.every_s.clamp(*EVERY_S.start(), *EVERY_S.end());
    let after = (rotation.at + 1) % count;
    let more = if token.is_empty() { String::new() } else { format!("&{token}") };
    let boards = numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let next = (count > 1).then(|| (every_s, format!("/wall?board={boards}&every={every_s}&at={after}{more}")));
    match found.await {
        Ok((dashboard, panels)) => Ok(show(&DashboardWallPage { page_context, dashboard, panels, live, next })),
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}
