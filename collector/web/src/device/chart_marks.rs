//! What happened to a device while its numbers were taken, to be seen beside them: incidents, maintenance, restarts, changes of its software and
//! remarks; and the limits of the rules in force.

use schemars::JsonSchema;
use serde::Serialize;

use ioc_common::clock::Timestamp;
use ioc_judge::rule::number::Limit;
use ioc_judge::{DeviceInfo, Incident, RuleCondition, RuleKind, RuleSet, Window};

use crate::page::context::PageContext;
use ioc_store::document_history::{ChangeContent, ChangeQuery, SOFTWARE};
use ioc_store::history::chunk::Summary;
use ioc_store::{EventRecord, Reader, StoreError};

/// Most of each kind that are marked.
const MARKS_MAX: usize = 100;
/// Incidents and events of a device that are looked through, the newest; events are read in pages.
const INCIDENTS_LOOKED_THROUGH: usize = 200;
const EVENT_PAGE: usize = 200;
const EVENT_PAGES_MAX: usize = 4;
/// The event that a person's remark is.
const REMARK: &str = "remark";
/// What tells of a restart: it falls.
pub(crate) const UPTIME: &str = "system.uptime";
/// By how much it must fall, seconds: clocks are set, and slots overlap.
const UPTIME_FALL_S: f64 = 30.0;

/// What a mark tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MarkKind {
    /// An incident of the device, or one that a fault of it belongs to.
    Incident,
    /// Maintenance that was planned.
    Maintenance,
    /// The machine started anew.
    Restart,
    /// Packages of its software came, went or changed.
    Software,
    /// What a person wrote of it.
    Remark,
}

impl MarkKind {
    pub(crate) const ALL: [Self; 5] = [Self::Incident, Self::Maintenance, Self::Restart, Self::Software, Self::Remark];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::Maintenance => "maintenance",
            Self::Restart => "restart",
            Self::Software => "software",
            Self::Remark => "remark",
        }
    }

    /// What stands over a chart for it; the script has the same.
    pub(crate) const fn sign(self) -> &'static str {
        match self {
            Self::Incident => "!",
            Self::Maintenance => "M",
            Self::Restart => "↻",
            Self::Software => "↑",
            Self::Remark => "i",
        }
    }
}

/// Something beside the numbers, for a chart.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ChartMark {
    pub(crate) kind: MarkKind,
    /// When it began, milliseconds since 1970.
    pub(crate) from: i64,
    /// When it was over; none for what was a moment, and for what is not over.
    pub(crate) until: Option<i64>,
    /// It goes on.
    pub(crate) open: bool,
    /// How bad it is: `critical`, `warning`, `info`; empty where it is not bad.
    pub(crate) severity: &'static str,
    /// What it was, for a person.
    pub(crate) title: String,
    /// The page of it.
    pub(crate) address: String,
}

/// What is read for marks, before it is put into words.
#[derive(Default)]
pub(crate) struct MarkFacts {
    incidents: Vec<Incident>,
    /// When maintenance is planned: from, until, title.
    maintenance: Vec<(i64, i64, String)>,
    restarts: Vec<i64>,
    /// When software changed, and how many differences there were.
    software: Vec<(i64, u64)>,
    remarks: Vec<EventRecord>,
}

/// Reads what a device was marked with between two moments; restarts are seen in its uptime, where that was read.
pub(crate) fn read(
    reader: &dyn Reader,
    info: &DeviceInfo,
    (from, until): (i64, i64),
    uptime: Option<&[(i64, Summary)]>,
) -> Result<MarkFacts, StoreError> {
    let (first, last) = (Timestamp::from_millis(from), Timestamp::from_millis(until));
    let mut incidents = reader.incidents(Some(&info.id), false, None, INCIDENTS_LOOKED_THROUGH)?;
    incidents.retain(|one| one.opened_at < last && one.resolved_at.is_none_or(|over| over >= first));
    incidents.truncate(MARKS_MAX);
    let query =
        ChangeQuery { device: &info.id, name: Some(SOFTWARE), from: first, to: last, after: None, limit: MARKS_MAX };
    let changes = reader.document_changes(&query)?.changes;
    let software = changes.into_iter().filter_map(|change| match change.content {
        ChangeContent::Differences(all) => Some((change.at.as_millis(), all.len() as u64)),
        ChangeContent::First | ChangeContent::Lost(_) => None,
    });
    Ok(MarkFacts {
        incidents,
        maintenance: maintenance_of(info, reader, first, last)?,
        restarts: uptime.map(restarts_in).unwrap_or_default(),
        software: software.collect(),
        remarks: remarks_of(info, reader, first, last)?,
    })
}

/// When a device was in the hands of maintenance, or will be.
fn maintenance_of(
    info: &DeviceInfo,
    reader: &dyn Reader,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<(i64, i64, String)>, StoreError> {
    let planned = reader.windows()?.into_iter().map(|window| (window, until));
    let over = reader.windows_over(from)?;
    let mut all = Vec::new();
    for (window, end) in planned.chain(over).filter(|(window, _)| !window.freeze && window.covers(info)) {
        for (begin, close) in spans_of(&window, from, until.min(end)) {
            // One that was ended early was over then.
            let close = if end < until { close.min(end.as_millis()) } else { close };
            all.push((begin, close, window.title.clone()));
            if all.len() >= MARKS_MAX {
                return Ok(all);
            }
        }
    }
    Ok(all)
}

/// When a window is open between two moments.
fn spans_of(window: &Window, from: Timestamp, until: Timestamp) -> Vec<(i64, i64)> {
    let (mut at, mut all) = (from, Vec::new());
    while let Some((begin, close)) = window.next(at).filter(|(begin, _)| *begin < until) {
        all.push((begin.as_millis(), close.as_millis()));
        if all.len() >= MARKS_MAX || close <= at {
            break;
        }
        at = close;
    }
    all
}

/// What people wrote of a device: as far back as so many of its events go.
fn remarks_of(
    info: &DeviceInfo,
    reader: &dyn Reader,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<EventRecord>, StoreError> {
    let (mut before, mut all) = (None, Vec::new());
    for _ in 0..EVENT_PAGES_MAX {
        let page = reader.events(&info.id, before, EVENT_PAGE)?;
        let (full, last) = (page.len() == EVENT_PAGE, page.last().map(|one| (one.number, one.at)));
        all.extend(page.into_iter().filter(|one| one.name == REMARK && one.at >= from && one.at < until));
        let Some((number, _)) = last.filter(|(_, at)| full && *at >= from) else { break };
        before = Some(number);
    }
    all.truncate(MARKS_MAX);
    Ok(all)
}

/// When a machine started anew, by its uptime.
fn restarts_in(line: &[(i64, Summary)]) -> Vec<i64> {
    let mut all = Vec::new();
    let mut before: Option<f64> = None;
    for (at, one) in line {
        let fell_since = before.is_some_and(|last| one.min < last - UPTIME_FALL_S);
        if (fell_since || one.last < one.max - UPTIME_FALL_S) && all.len() < MARKS_MAX {
            // One sample tells the moment. Of many that are one point only the last is certain to be of the time after it.
            let up_ms = if one.count <= 1 { one.last * 1000.0 } else { 0.0 };
            all.push(at - up_ms as i64);
        }
        before = Some(one.last);
    }
    all
}

impl MarkFacts {
    /// All of it in words, for the page of this reader.
    pub(crate) fn told(&self, page_context: &PageContext, device: &str) -> Vec<ChartMark> {
        let moment = |kind: MarkKind, at: i64, title: String, address: String| ChartMark {
            kind,
            from: at,
            until: None,
            open: false,
            severity: "",
            title,
            address,
        };
        let incidents = self.incidents.iter().map(|one| ChartMark {
            kind: MarkKind::Incident,
            from: one.opened_at.as_millis(),
            until: one.resolved_at.map(Timestamp::as_millis),
            open: one.resolved_at.is_none(),
            severity: one.severity.as_str(),
            title: format!("{} {}", one.id, one.title.get(page_context.language)),
            address: format!("/incidents/{}", one.id.0),
        });
        let maintenance = self.maintenance.iter().map(|(from, until, title)| ChartMark {
            kind: MarkKind::Maintenance,
            from: *from,
            until: Some(*until),
            open: false,
            severity: "",
            title: format!("{}: {title}", page_context.t("maintenance-short")),
            address: "/maintenance".to_owned(),
        });
        let restarts = self.restarts.iter().map(|at| {
            moment(MarkKind::Restart, *at, page_context.t("chart-mark-restart"), format!("/devices/{device}#events"))
        });
        let software = self.software.iter().map(|(at, count)| {
            let title = page_context.count("chart-software-changes", *count);
            moment(MarkKind::Software, *at, title, format!("/devices/{device}/changes?document={SOFTWARE}"))
        });
        let remarks = self.remarks.iter().map(|one| {
            let title = format!("{}: {}", page_context.t("chart-mark-remark"), page_context.event_text(one));
            moment(MarkKind::Remark, one.at.as_millis(), title, format!("/devices/{device}#events"))
        });
        incidents.chain(maintenance).chain(restarts).chain(software).chain(remarks).collect()
    }
}

/// From where on a rule that is in force for a device calls a number bad.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ChartLimit {
    pub(crate) metric: &'static str,
    /// The rule's identifier and what it says.
    pub(crate) rule: String,
    pub(crate) title: String,
    /// In the metric's unit.
    pub(crate) value: f64,
    /// What is above it is bad, else what is below.
    pub(crate) above: bool,
    pub(crate) severity: &'static str,
    /// Subjects that it is not for.
    pub(crate) except: Vec<String>,
}

/// The limits in force for a device on metrics.
pub(crate) fn limits_of(
    rules: &RuleSet,
    info: &DeviceInfo,
    metrics: &[&str],
    page_context: &PageContext,
) -> Vec<ChartLimit> {
    let in_force = rules.for_device(info).filter_map(|place| rules.rules().get(usize::from(place)));
    let limits = in_force.filter_map(|rule| {
        let RuleCondition::Number(number) = &rule.condition else { return None };
        let wanted = rule.kind == RuleKind::Threshold && metrics.contains(&number.metric.name);
        wanted.then(|| ChartLimit {
            metric: number.metric.name,
            rule: rule.id.clone(),
            title: rule.title.get(page_context.language).to_owned(),
            value: number.raise.number(),
            above: matches!(number.raise, Limit::Above(_)),
            severity: rule.severity.as_str(),
            except: number.except.clone(),
        })
    });
    limits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at: i64, min: f64, max: f64, last: f64, count: u32) -> (i64, Summary) {
        (at, Summary { min, max, mean: (min + max) / 2.0, last, count })
    }

    #[test]
    fn a_restart_is_where_the_uptime_falls() {
        let raw = |at: i64, value: f64| point(at, value, value, value, 1);
        let line = vec![raw(0, 1000.0), raw(60_000, 1060.0), raw(300_000, 100.0), raw(360_000, 160.0)];
        assert_eq!(restarts_in(&line), [200_000], "100 seconds before it was heard again");
        let folded = vec![point(0, 1.0, 300.0, 300.0, 5), point(300_000, 5.0, 500.0, 60.0, 5)];
        assert_eq!(restarts_in(&folded), [300_000]);
        let set_clock = vec![raw(0, 1000.0), raw(60_000, 990.0)];
        assert!(restarts_in(&set_clock).is_empty() && restarts_in(&Vec::new()).is_empty());
    }

    #[test]
    fn every_kind_is_called_as_it_is_written() {
        for kind in MarkKind::ALL {
            assert_eq!(serde_json::json!(kind), kind.as_str());
        }
    }
}
