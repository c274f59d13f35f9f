//! What the pages show, ready to be laid out.

use std::collections::HashMap;

use fluent_bundle::FluentArgs;

use ioc_common::clock::{self, Timestamp};
use ioc_common::layout::{Layout, LayoutId};
use ioc_judge::{DeviceKind, Severity};

use super::App;
use super::api_types::device::DeviceState;
use super::auth::Person;
use super::event_text;
use super::tone::Tone;
use ioc_engine::health::Health;
use ioc_engine::local_time::local as local_time;
use ioc_store::inventory::DeviceRecord;
use ioc_store::scope::AccessScope;
use ioc_store::{EventRecord, Right};

/// What stands around every page.
pub(super) struct PageContext {
    app: App,
    pub(super) language: String,
    pub(super) site: String,
    /// The agencies that own and run it.
    pub(super) agencies: Vec<String>,
    pub(super) person: String,
    /// What that person may do.
    rights: Vec<Right>,
    /// They are an administrator who has no second factor yet.
    pub(super) wants_second: bool,
    /// The places where that person may look and act.
    pub(super) scope: AccessScope,
    /// Only the inside is asked for, to be put into a page that stands.
    pub(super) fragment: bool,
    pub(super) now: Timestamp,
}

impl PageContext {
    pub(super) fn new(app: &App, language: &str, person: &str, fragment: bool) -> Self {
        Self {
            app: app.clone(),
            language: language.to_owned(),
            site: app.config().site_name.clone(),
            agencies: app.config().agencies.clone(),
            person: person.to_owned(),
            rights: Vec::new(),
            wants_second: false,
            scope: AccessScope::EVERYWHERE,
            fragment,
            now: clock::now(),
        }
    }

    /// The same for this person.
    pub(super) fn of(self, person: &Person) -> Self {
        let rights = Right::ALL.into_iter().filter(|right| person.may(*right)).collect();
        Self { rights, wants_second: person.wants_second, scope: person.scope.clone(), ..self }
    }

    fn may(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }

    /// Work on incidents.
    pub(super) fn may_handle(&self) -> bool {
        self.may(Right::Handle)
    }

    /// Plan maintenance.
    pub(super) fn may_plan(&self) -> bool {
        self.may(Right::Plan)
    }

    /// Write in the duty plan and its book.
    pub(super) fn may_lead_duty(&self) -> bool {
        self.may(Right::Duty)
    }

    /// Read the audit log.
    pub(super) fn may_audit(&self) -> bool {
        self.may(Right::Audit)
    }

    /// Change accounts, tokens and devices, and what concerns the collector itself.
    pub(super) fn may_administer(&self) -> bool {
        self.may(Right::Administer)
    }

    pub(super) fn t(&self, key: &str) -> String {
        self.app.texts.get(&self.language, key)
    }

    pub(super) fn count(&self, key: &str, count: impl std::borrow::Borrow<u64>) -> String {
        let mut args = FluentArgs::new();
        args.set("count", *count.borrow());
        self.app.texts.with(&self.language, key, &args)
    }

    /// A text with one argument.
    pub(super) fn t_with(&self, key: &str, name: &str, value: String) -> String {
        let mut args = FluentArgs::new();
        args.set(name, value);
        self.app.texts.with(&self.language, key, &args)
    }

    /// The collector's own health.
    pub(super) fn health(&self) -> &Health {
        &self.app.health
    }

    /// A moment in the site's time zone.
    pub(super) fn local(&self, at: &Timestamp) -> String {
        local_time(*at, &self.app.config())
    }

    /// A moment in the site's time zone, which stands below every page; a day where it is no moment but a date.
    pub(super) fn short(&self, at: &Timestamp) -> String {
        let format = if at.as_millis() % 86_400_000 == 0 { "%d/%m/%Y" } else { "%d/%m/%Y %H:%M" };
        let zone =
            if at.as_millis() % 86_400_000 == 0 { jiff::tz::TimeZone::UTC } else { self.app.config().timezone.clone() };
        match jiff::Timestamp::from_millisecond(at.as_millis()) {
            Ok(moment) => moment.to_zoned_datetime(zone).strftime(format).to_string(),
            Err(_) => at.to_string(),
        }
    }

    /// A moment to the minute, in the site's time zone, with its day of the week: for plans.
    pub(super) fn minute(&self, at: &Timestamp) -> String {
        match jiff::Timestamp::from_millisecond(at.as_millis()) {
            Ok(moment) => {
                let here = moment.to_zoned_datetime(self.app.config().timezone.clone());
                let day = self.name("day", &here.weekday().to_monday_one_offset().to_string());
                format!("{day} {}", here.strftime("%d/%m/%Y %H:%M"))
            }
            Err(_) => at.to_string(),
        }
    }

    /// A moment below a chart of this span, milliseconds.
    pub(super) fn axis(&self, at: i64, span: i64) -> String {
        let format = match span / 3_600_000 {
            0..=26 => "%H:%M",
            27..=200 => "%d/%m %H:%M",
            201..=1000 => "%d/%m",
            _ => "%m/%Y",
        };
        let here = |moment: jiff::Timestamp| moment.to_zoned_datetime(self.app.config().timezone.clone());
        jiff::Timestamp::from_millisecond(at).map(|at| here(at).strftime(format).to_string()).unwrap_or_default()
    }

    /// A number as people of this language write it.
    pub(super) fn decimal(&self, value: &f64, digits: usize) -> String {
        self.localized_number(format!("{value:.digits$}"))
    }

    /// A number that was written with a point, as people of this language write it.
    pub(super) fn localized_number(&self, number: String) -> String {
        if self.language == "en" { number } else { number.replace('.', ",") }
    }

    /// The numbers that stand for a sensor, in a line.
    pub(super) fn key_figures(&self, all: &[KeyFigure]) -> String {
        let texts = all.iter().map(|one| match one {
            KeyFigure::Minutes(minutes) => self.count("minutes", minutes),
            KeyFigure::Number(value, digits, unit) => format!("{} {unit}", self.decimal(value, *digits)),
            KeyFigure::Contacts(alarms, known) => format!("{alarms}/{known} {}", self.t("contacts-in-alarm")),
            KeyFigure::Unknown => "–".to_owned(),
        });
        let texts: Vec<String> = texts.collect();
        if texts.iter().all(|text| text == "–") { "–".to_owned() } else { texts.join(" · ") }
    }

    /// The site's time zone.
    pub(super) fn zone(&self) -> String {
        self.app.config().timezone.iana_name().unwrap_or("UTC").to_owned()
    }

    /// How long ago, in words.
    pub(super) fn ago(&self, at: &Timestamp) -> String {
        let seconds = self.now.millis_since(*at).max(0).unsigned_abs() / 1000;
        let (t, number) = match seconds {
            0..60 => (self.t_key("ago-seconds"), seconds),
            60..3600 => (self.t_key("ago-minutes"), seconds / 60),
            3600..86_400 => (self.t_key("ago-hours"), seconds / 3600),
            _ => (self.t_key("ago-days"), seconds / 86_400),
        };
        self.count(t, number)
    }

    /// A length of time in words, in its largest unit.
    pub(super) fn length(&self, ms: i64) -> String {
        let seconds = ms.max(0).unsigned_abs() / 1000;
        if seconds < 10 {
            // Whoever is texts within seconds wants to see the tenths.
            return format!("{} s", self.decimal(&(ms.max(0) as f64 / 1000.0), 1));
        }
        let (key, number) = match seconds {
            0..120 => (self.t_key("span-seconds"), seconds),
            120..7200 => (self.t_key("span-minutes"), seconds / 60),
            7200..172_800 => (self.t_key("span-hours"), seconds / 3600),
            _ => (self.t_key("span-days"), seconds / 86_400),
        };
        self.count(key, number)
    }

    /// Marks a key as used, for the test that finds unused texts.
    fn t_key(&self, key: &'static str) -> &'static str {
        debug_assert!(!self.t(key).is_empty());
        key
    }

    /// The word for a name that agents made: a document, a field, an event. What has no word is shown by its name.
    pub(super) fn word(&self, family: &str, name: &str) -> String {
        let key = format!("{family}-{}", name.replace(['_', '.'], "-"));
        if self.app.texts.has(&self.language, &key) { self.t(&key) } else { name.replace('_', " ") }
    }

    /// What an event says.
    pub(super) fn event_text(&self, event: &EventRecord) -> String {
        event_text::of(&self.app.texts, &self.language, event, |at| self.local(at), |ms| self.length(ms))
    }

    /// The text of a kind, a state or a severity.
    pub(super) fn name(&self, family: &str, name: &str) -> String {
        self.t(&format!("{family}-{}", name.replace('_', "-")))
    }
}

/// A device as a row of the fleet.
pub(super) struct DeviceRow {
    pub(super) record: DeviceRecord,
    pub(super) state: DeviceState,
    /// The colour of state and faults together.
    pub(super) tone: Tone,
    pub(super) figures: Vec<Figure>,
    /// The main numbers in words, for what is no computer.
    pub(super) summary: Option<Vec<KeyFigure>>,
}

/// A main figure.
pub(super) struct Figure {
    /// Key of its label.
    pub(super) label: &'static str,
    /// Share in percent, for the bar.
    pub(super) percent: Option<f64>,
    /// What is written.
    pub(super) text: String,
    pub(super) tone: Tone,
}

impl DeviceRow {
    pub(super) fn new(record: DeviceRecord, layouts: &HashMap<LayoutId, Layout>, now: Timestamp) -> Self {
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
    pub(super) const fn state_key(&self) -> &'static str {
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
pub(super) enum KeyFigure {
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
