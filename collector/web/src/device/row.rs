//! A device as a row of a list: its state, its colour, its main figures.

use std::collections::HashMap;

use ioc_common::clock::Timestamp;
use ioc_common::layout::{Layout, LayoutId};
use ioc_judge::{DeviceKind, Severity};

use crate::api_types::device::DeviceState;
use crate::page::context::PageContext;
use crate::tone::Tone;
use ioc_store::inventory::DeviceRecord;
use ioc_store::{DeviceQuery, Reader, StoreError};

pub(crate) fn layouts_of(rows: &[DeviceRecord], reader: &dyn Reader) -> Result<HashMap<LayoutId, Layout>, StoreError> {
    let mut layouts = HashMap::new();
    for id in rows.iter().filter_map(|record| record.layout) {
        if !layouts.contains_key(&id)
            && let Some(layout) = reader.layout(id)?
        {
            layouts.insert(id, layout);
        }
    }
    Ok(layouts)
}

/// A device as a row of the fleet.
pub(crate) struct DeviceRow {
    pub(crate) record: DeviceRecord,
    pub(crate) state: DeviceState,
    /// The colour of state and faults together.
    pub(crate) tone: Tone,
    pub(crate) figures: Vec<Figure>,
    /// The main numbers in words, for what is no computer.
    pub(crate) summary: Option<Vec<KeyFigure>>,
}

/// A main figure.
pub(crate) struct Figure {
    /// Key of its label.
    pub(crate) label: &'static str,
    /// Share in percent, for the bar.
    pub(crate) percent: Option<f64>,
    /// What is written.
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

impl DeviceRow {
    pub(crate) fn new(record: DeviceRecord, layouts: &HashMap<LayoutId, Layout>, now: Timestamp) -> Self {
        let state = DeviceState::of(&record, now);
        let tone = Tone::of_device(state, record.worst);
        let layout = record.layout.and_then(|id| layouts.get(&id));
        let figures = layout.map(|layout| figures(layout, &record.latest)).unwrap_or_default();
        let computer = matches!(
            record.info.kind,
            DeviceKind::Server | DeviceKind::Workstation | DeviceKind::Display | DeviceKind::Other
        );
        let sensor = record.info.parent.is_some() || !computer;
        let summary = layout.filter(|_| sensor).map(|layout| summary(layout, &record.latest));
        Self { record, state, tone, figures, summary }
    }

    /// The key of the text for its state and its faults: a device that is heard and has a fault is not simply live.
    pub(crate) const fn state_key(&self) -> &'static str {
        match (self.state, self.record.worst) {
            (DeviceState::Live, Some(Severity::Critical)) => "faulty",
            (DeviceState::Live, Some(Severity::Warning)) => "warned",
            (state, _) => state.as_str(),
        }
    }
}

fn figures(layout: &Layout, values: &[Option<f64>]) -> Vec<Figure> {
    let highest = |metric: &str| {
        let series = layout.series().iter().zip(values).filter(|(series, _)| series.metric() == metric);
        series
            .filter_map(|(_, value)| *value)
            .fold(None, |most: Option<f64>, value| Some(most.map_or(value, |m| m.max(value))))
    };
    let share = |label, metric| {
        let percent = highest(metric);
        let tone = match percent {
            Some(value) if value > 90.0 => Tone::Bad,
            Some(value) if value > 75.0 => Tone::Warning,
            _ => Tone::Good,
        };
        Figure { label, percent, text: percent.map_or("–".to_owned(), |value| format!("{value:.0} %")), tone }
    };
    vec![
        share("figure-cpu", "cpu.busy"),
        share("figure-memory", "memory.used_pct"),
        share("figure-disk", "fs.used_pct"),
    ]
}

/// One of the numbers that stand for a sensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum KeyFigure {
    /// How long it lasts, whole minutes.
    Minutes(u64),
    /// A number with so many digits behind the point.
    Number(f64, usize, &'static str),
    /// How many of its contacts are in alarm, of how many that are known.
    Contacts(u32, u32),
    /// It is not known.
    Unknown,
}

/// What stands for a sensor in the fleet: its most telling numbers.
fn summary(layout: &Layout, values: &[Option<f64>]) -> Vec<KeyFigure> {
    /// In the order of what is worth a look; at most three are shown.
    const KEY_METRICS: [&str; 14] = [
        "env.temperature",
        "env.humidity",
        "ups.charge",
        "ups.runtime",
        "ups.load",
        "electric.active_power",
        "electric.voltage",
        "electric.current",
        "cooling.on",
        "contact.alarm",
        "projector.power",
        "projector.lamp_hours",
        "electric.energy",
        "sensor.up",
    ];
    let mut shown = Vec::new();
    for metric in KEY_METRICS {
        let mut series = layout.series().iter().zip(values).filter(|(series, _)| series.metric() == metric);
        let unit = ioc_common::metric::find(metric).map_or("1", |metric| metric.unit);
        shown.push(match (unit, series.next()) {
            // Flags say nothing by themselves; their faults do.
            ("1", _) | (_, None) => continue,
            (_, Some((_, None))) => KeyFigure::Unknown,
            // A runtime is a small number that is not negative.
            ("s", Some((_, Some(seconds)))) => KeyFigure::Minutes((seconds / 60.0).max(0.0) as u64),
            ("Cel", Some((_, Some(value)))) => KeyFigure::Number(*value, 1, "°C"),
            ("W", Some((_, Some(value)))) if value.abs() >= 10_000.0 => KeyFigure::Number(value / 1000.0, 1, "kW"),
            (unit, Some((_, Some(value)))) => KeyFigure::Number(*value, 0, unit),
        });
        if shown.len() == 3 {
            break;
        }
    }
    let contacts = layout.series().iter().zip(values).filter(|(series, _)| series.metric() == "contact.alarm");
    let (alarms, known) = contacts
        .filter_map(|(_, value)| *value)
        .fold((0, 0), |(alarms, known), value| (alarms + u32::from(value > 0.5), known + 1));
    if shown.is_empty() && known > 0 {
        return vec![KeyFigure::Contacts(alarms, known)];
    }
    shown
}

/// Rows of devices, read with what their numbers mean.
pub(crate) fn rows_of(query: &DeviceQuery, reader: &dyn Reader, now: Timestamp) -> Result<Vec<DeviceRow>, StoreError> {
    let records = reader.devices(query)?;
    let layouts = layouts_of(&records, reader)?;
    Ok(records.into_iter().map(|record| DeviceRow::new(record, &layouts, now)).collect())
}

impl PageContext {
    /// The numbers that stand for a sensor, in a line.
    pub(crate) fn key_figures(&self, all: &[KeyFigure]) -> String {
        let texts = all.iter().map(|one| match one {
            KeyFigure::Minutes(minutes) => self.count("minutes", minutes),
            KeyFigure::Number(value, digits, unit) => format!("{} {unit}", self.decimal(value, *digits)),
            KeyFigure::Contacts(alarms, known) => format!("{alarms}/{known} {}", self.t("contacts-in-alarm")),
            KeyFigure::Unknown => "–".to_owned(),
        });
        let texts: Vec<String> = texts.collect();
        if texts.iter().all(|text| text == "–") { "–".to_owned() } else { texts.join(" · ") }
    }
}
