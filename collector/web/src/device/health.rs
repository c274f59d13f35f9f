//! What a technician looks for first on a device: disks, temperature, power, memory, processor, network, displays, services, patches,
//! antivirus, backups; a card for each of which something is known.
//!
//! Each is as bad as the worst open fault of the rules about its numbers and its documents; what is plainly not as it should be, such as a
//! disk that reports itself bad, is a warning before a rule has waited its time. Pure.

use std::fmt;

use ioc_common::layout::Layout;
use ioc_common::metric;
use ioc_judge::{Fault, FaultState, RuleCondition, RuleSet, Severity};

use crate::page::context::PageContext;
use crate::tone::Tone;

/// A card.
pub(crate) struct HealthCard {
    /// The end of the key of its title.
    pub(crate) name: &'static str,
    pub(crate) tone: Tone,
    /// What tells most, in a few characters.
    pub(crate) value: String,
    /// What else there is to know, a line each.
    pub(crate) lines: Vec<String>,
    /// The document in which all of it stands.
    pub(crate) document: Option<&'static str>,
    /// The metric whose history is opened; none where a document says more.
    pub(crate) metric: Option<&'static str>,
}

/// What belongs to a card: beginnings of the names of metrics, and documents.
type Belongs = (&'static [&'static str], &'static [&'static str]);

/// The newest numbers of a device, to be asked by their metrics.
struct Numbers<'n> {
    layout: &'n Layout,
    values: &'n [Option<f64>],
}

impl<'n> Numbers<'n> {
    /// Subjects and values of a metric that are known.
    fn known(&self, metric: &str) -> Vec<(&'n str, f64)> {
        let all = self.layout.series().iter().zip(self.values);
        let own = all.filter(|(series, _)| series.metric() == metric);
        own.filter_map(|(series, value)| value.map(|value| (series.subject(), value))).collect()
    }

    fn one(&self, metric: &str) -> Option<f64> {
        self.known(metric).first().map(|(_, value)| *value)
    }

    fn highest(&self, metrics: &[&'static str]) -> Option<(&'static str, &'n str, f64)> {
        let all =
            metrics.iter().flat_map(|metric| self.known(metric).into_iter().map(|(of, value)| (*metric, of, value)));
        all.reduce(|most, one| if one.2 > most.2 { one } else { most })
    }

    fn lowest(&self, metric: &str) -> Option<(&'n str, f64)> {
        self.known(metric).into_iter().reduce(|least, one| if one.1 < least.1 { one } else { least })
    }

    /// How many of a yes-or-no are yes, of how many that are known; none where none is.
    fn counted(&self, metric: &str) -> Option<(usize, usize)> {
        let known = self.known(metric);
        let yes = known.iter().filter(|(_, value)| *value > 0.5).count();
        (!known.is_empty()).then_some((yes, known.len()))
    }

    fn sum(&self, metric: &str) -> Option<f64> {
        let known = self.known(metric);
        (!known.is_empty()).then(|| known.iter().map(|(_, value)| value).sum())
    }
}

/// A card while it is filled.
struct Filling<'f> {
    page_context: &'f PageContext,
    numbers: Numbers<'f>,
    value: Option<String>,
    lines: Vec<String>,
    /// How it looks before any rule has raised a fault: something is not as it should be, or waits to be done.
    looks: Tone,
}

impl Filling<'_> {
    /// A value as people read it.
    fn shown(&self, metric: &str, value: f64) -> String {
        self.page_context.measured(metric::find(metric), value)
    }

    fn said(&self, key: &str, value: impl fmt::Display) -> String {
        self.page_context.t_with(key, "value", value.to_string())
    }

    /// What tells most; what comes after it is one line more.
    fn lead(&mut self, text: String) {
        match &self.value {
            None => self.value = Some(text),
            Some(_) => self.lines.push(text),
        }
    }

    /// A line about the number of this metric, where it is known.
    fn line(&mut self, key: &str, metric: &'static str) {
        if let Some(value) = self.numbers.one(metric) {
            self.lines.push(self.said(key, self.shown(metric, value)));
        }
    }

    /// A line about how many there are, where there are any.
    fn line_if_any(&mut self, key: &str, metric: &'static str) {
        if let Some(sum) = self.numbers.sum(metric).filter(|sum| *sum > 0.0) {
            self.lines.push(self.said(key, self.page_context.plain_number(sum)));
        }
    }

    /// How many of a yes-or-no are yes; all of them should be.
    fn share(&mut self, key: &str, metric: &str) -> Option<String> {
        let (yes, all) = self.numbers.counted(metric)?;
        if yes < all {
            self.looks = self.looks.min(Tone::Warning);
        }
        Some(self.said(key, format!("{yes}/{all}")))
    }

    /// The highest of a metric, and of what.
    fn highest(&self, metrics: &[&'static str]) -> Option<String> {
        let (metric, of, value) = self.numbers.highest(metrics)?;
        Some(named(&self.shown(metric, value), of))
    }

    fn disks(&mut self) {
        if let Some(text) = self.highest(&["fs.used_pct"]) {
            self.lead(text);
        }
        if let Some(text) = self.share("health-disks-passed", "smart.passed") {
            self.lead(text);
        }
        if let Some(text) = self.share("health-raid", "raid.healthy") {
            self.lines.push(text);
        }
        if let Some(text) = self.highest(&["smart.wear"]) {
            self.lines.push(self.said("health-wear", text));
        }
        for (key, metric) in [
            ("health-reallocated", "smart.reallocated"),
            ("health-pending", "smart.pending"),
            ("health-uncorrectable", "smart.uncorrectable"),
            ("health-media-errors", "smart.media_errors"),
        ] {
            self.line_if_any(key, metric);
        }
        if let Some((yes, _)) = self.numbers.counted("fs.read_only").filter(|(yes, _)| *yes > 0) {
            self.lines.push(self.said("health-read-only", yes));
        }
    }

    fn temperature(&mut self) {
        let all = [
            "sensor.temperature",
            "ipmi.temperature",
            "smart.temperature",
            "gpu.temperature",
            "env.temperature",
            "ups.temperature",
            "ups.battery_temperature",
        ];
        if let Some(text) = self.highest(&all) {
            self.lead(text);
        }
        if let Some((of, value)) = self.numbers.lowest("sensor.headroom") {
            self.lines.push(self.said("health-headroom", named(&self.shown("sensor.headroom", value), of)));
        }
        if let Some(text) = self.highest(&["env.humidity"]) {
            self.lines.push(self.said("health-humidity", text));
        }
        let fans = ["sensor.fan", "ipmi.fan"].iter().flat_map(|metric| self.numbers.known(metric)).collect::<Vec<_>>();
        if !fans.is_empty() {
            let turning = fans.iter().filter(|(_, rpm)| *rpm > 0.0).count();
            self.lines.push(self.said("health-fans", format!("{turning}/{}", fans.len())));
        }
    }

    fn power(&mut self) {
        if let Some(charge) = self.numbers.one("ups.charge") {
            self.lead(self.said("health-charge", self.shown("ups.charge", charge)));
        }
        if let Some(text) = self.share("health-supplies", "power.online") {
            self.lead(text);
        }
        self.line("health-runtime", "ups.runtime");
        if let Some(text) = self.highest(&["ups.load"]) {
            self.lines.push(self.said("health-ups-load", text));
        }
        if self.numbers.one("ups.on_battery").is_some_and(|on| on > 0.5) {
            self.lines.push(self.page_context.t("health-on-battery"));
        }
        self.line_if_any("health-supplies-failed", "ipmi.supplies_failed");
        if let Some((of, value)) = self.numbers.lowest("battery.charge") {
            self.lead(self.said("health-battery", named(&self.shown("battery.charge", value), of)));
        }
        for metric in ["electric.active_power", "electric.voltage"] {
            if let Some(text) = self.highest(&[metric]) {
                self.lead(text);
            }
        }
    }

    fn memory(&mut self) {
        if let Some(used) = self.numbers.one("memory.used_pct") {
            self.lead(self.shown("memory.used_pct", used));
        }
        self.line("health-memory-free", "memory.available");
        self.line("health-memory-total", "memory.total");
        if let Some(used) = self.numbers.one("swap.used_pct").filter(|used| *used > 0.0) {
            self.lines.push(self.said("health-swap", self.shown("swap.used_pct", used)));
        }
        self.line_if_any("health-memory-corrected", "memory.corrected_errors");
        self.line_if_any("health-memory-uncorrected", "memory.uncorrected_errors");
        self.line_if_any("health-oom", "memory.oom_kills");
    }

    fn processor(&mut self) {
        if let Some(busy) = self.numbers.one("cpu.busy") {
            self.lead(self.shown("cpu.busy", busy));
        }
        self.line("health-load", "load.per_cpu");
        self.line("health-uptime", "system.uptime");
        self.line_if_any("health-machine-checks", "cpu.machine_checks");
    }

    fn network(&mut self) {
        // A port that nothing is plugged into is no fault.
        if let Some((yes, all)) = self.numbers.counted("net.up") {
            self.lead(self.said("health-interfaces", format!("{yes}/{all}")));
        }
        for (key, metric) in [("health-received", "net.rx_bytes"), ("health-sent", "net.tx_bytes")] {
            if let Some(sum) = self.numbers.sum(metric) {
                self.lines.push(self.said(key, self.shown(metric, sum)));
            }
        }
        self.line_if_any("health-bond", "net.bond_missing");
    }

    fn displays(&mut self) {
        if let Some(connected) = self.numbers.one("display.connected") {
            self.lead(self.said("health-displays-count", self.page_context.plain_number(connected)));
        }
        self.line_if_any("health-displays-missing", "display.missing");
        self.line_if_any("health-displays-off", "display.off");
        self.line_if_any("health-displays-swapped", "display.swapped");
    }

    fn services(&mut self) {
        if let Some(text) = self.share("health-services-up", "service.up") {
            self.lead(text);
        }
        if let Some(failed) = self.numbers.one("service.failed") {
            self.lead(self.said("health-services-failed", self.page_context.plain_number(failed)));
        }
    }

    fn patches(&mut self) {
        if let Some(security) = self.numbers.one("patch.security") {
            if security > 0.0 {
                self.looks = Tone::Away;
            }
            self.lead(self.said("health-security", self.page_context.plain_number(security)));
        }
        self.line_if_any("health-pending-updates", "patch.pending");
        if self.numbers.one("patch.reboot_needed").is_some_and(|needed| needed > 0.5) {
            self.lines.push(self.page_context.t("health-reboot"));
        }
        self.line("health-refreshed", "patch.refresh_age");
        self.line("health-support", "os.support_days");
    }

    fn antivirus(&mut self) {
        if let Some(text) = self.share("health-antivirus-running", "av.running") {
            self.lead(text);
        } else if let Some(products) = self.numbers.one("av.products") {
            self.lead(self.said("health-antivirus-products", self.page_context.plain_number(products)));
        }
        if let Some(text) = self.highest(&["av.signature_age"]) {
            self.lines.push(self.said("health-signatures", text));
        }
        if let Some(text) = self.highest(&["av.scan_age"]) {
            self.lines.push(self.said("health-scanned", text));
        }
        self.line_if_any("health-detections", "av.detections");
    }

    fn backups(&mut self) {
        if let Some(text) = self.share("health-backups-good", "backup.ok") {
            self.lead(text);
        }
        if let Some(text) = self.highest(&["backup.age"]) {
            self.lead(self.said("health-backup-age", text));
        }
    }
}

/// What a value is of, behind it.
fn named(value: &str, of: &str) -> String {
    if of.is_empty() { value.to_owned() } else { format!("{value} · {of}") }
}

/// What a card is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Disks,
    Temperature,
    Power,
    Memory,
    Processor,
    Network,
    Displays,
    Services,
    Patches,
    Antivirus,
    Backups,
}

impl Subject {
    /// The end of the key of its title.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Disks => "disks",
            Self::Temperature => "temperature",
            Self::Power => "power",
            Self::Memory => "memory",
            Self::Processor => "processor",
            Self::Network => "network",
            Self::Displays => "displays",
            Self::Services => "services",
            Self::Patches => "patches",
            Self::Antivirus => "antivirus",
            Self::Backups => "backups",
        }
    }

    /// In the order in which they are looked for.
    const ALL: [Self; 11] = [
        Self::Disks,
        Self::Temperature,
        Self::Power,
        Self::Memory,
        Self::Processor,
        Self::Network,
        Self::Displays,
        Self::Services,
        Self::Patches,
        Self::Antivirus,
        Self::Backups,
    ];

    /// What belongs to it: beginnings of the names of metrics, and documents.
    const fn belongs(self) -> Belongs {
        match self {
            Self::Disks => (&["smart.", "raid.", "fs.", "mount."], &["smart", "raid"]),
            Self::Temperature => (
                &[
                    "sensor.temperature",
                    "sensor.headroom",
                    "sensor.fan",
                    "sensor.alarm",
                    "ipmi.temperature",
                    "ipmi.fan",
                    "gpu.temperature",
                    "env.",
                    "smart.temperature",
                    "ups.temperature",
                    "ups.battery_temperature",
                    "cpu.throttled",
                ],
                &[],
            ),
            Self::Power => (&["power.", "ups.", "battery.", "electric.", "ipmi.supplies", "ipmi.power"], &[]),
            Self::Memory => (&["memory.", "swap."], &[]),
            Self::Processor => (&["cpu.", "load.", "process.", "system."], &["mce"]),
            Self::Network => (&["net."], &[]),
            Self::Displays => (&["display.", "projector."], &["displays"]),
            Self::Services => (&["service.", "endpoint.", "container."], &["services", "endpoints", "containers"]),
            Self::Patches => (&["patch.", "os."], &["patches"]),
            Self::Antivirus => (&["av."], &["antivirus"]),
            Self::Backups => (&["backup."], &["backups"]),
        }
    }

    /// The document in which all of it stands.
    const fn document(self) -> Option<&'static str> {
        match self {
            Self::Disks => Some("smart"),
            Self::Displays => Some("displays"),
            Self::Services => Some("services"),
            Self::Patches => Some("patches"),
            Self::Antivirus => Some("antivirus"),
            Self::Backups => Some("backups"),
            Self::Temperature | Self::Power | Self::Memory | Self::Processor | Self::Network => None,
        }
    }

    /// Metrics of which one has the history that is opened.
    const fn metrics(self) -> &'static [&'static str] {
        match self {
            Self::Disks => &["fs.used_pct"],
            Self::Temperature => &["sensor.temperature", "env.temperature", "ipmi.temperature", "gpu.temperature"],
            Self::Power => &["ups.charge", "electric.active_power"],
            Self::Memory => &["memory.used_pct"],
            Self::Processor => &["cpu.busy"],
            Self::Network => &["net.rx_bytes"],
            Self::Displays | Self::Services | Self::Patches | Self::Antivirus | Self::Backups => &[],
        }
    }

    fn fill(self, card: &mut Filling<'_>) {
        match self {
            Self::Disks => card.disks(),
            Self::Temperature => card.temperature(),
            Self::Power => card.power(),
            Self::Memory => card.memory(),
            Self::Processor => card.processor(),
            Self::Network => card.network(),
            Self::Displays => card.displays(),
            Self::Services => card.services(),
            Self::Patches => card.patches(),
            Self::Antivirus => card.antivirus(),
            Self::Backups => card.backups(),
        }
    }
}

/// The cards of which something is known, or of which something is wrong.
pub(crate) fn cards_of(
    page_context: &PageContext,
    layout: &Layout,
    values: &[Option<f64>],
    faults: &[Fault],
    rules: &RuleSet,
    documents: &[&str],
) -> Vec<HealthCard> {
    let cards = Subject::ALL.into_iter().filter_map(|subject| {
        let numbers = Numbers { layout, values };
        let mut card = Filling { page_context, numbers, value: None, lines: Vec::new(), looks: Tone::Good };
        subject.fill(&mut card);
        let worst = worst_of(subject.belongs(), faults, rules);
        let Filling { value, lines, looks, .. } = card;
        if value.is_none() && lines.is_empty() && worst.is_none() {
            return None;
        }
        let has = |metric: &&&'static str| layout.series().iter().any(|series| series.metric() == **metric);
        Some(HealthCard {
            name: subject.as_str(),
            tone: tone_of(worst).min(looks),
            value: value.unwrap_or_default(),
            lines,
            document: subject.document().filter(|document| documents.contains(document)),
            metric: subject.metrics().iter().find(has).copied(),
        })
    });
    cards.collect()
}

const fn tone_of(worst: Option<Severity>) -> Tone {
    match worst {
        Some(Severity::Critical) => Tone::Bad,
        Some(Severity::Warning) => Tone::Warning,
        Some(Severity::Info) | None => Tone::Good,
    }
}

/// The worst open fault of a rule about these numbers or these documents.
fn worst_of((metrics, documents): Belongs, faults: &[Fault], rules: &RuleSet) -> Option<Severity> {
    let own = faults.iter().filter(|fault| is_open(fault)).filter(|fault| {
        let metric = fault.series.split('|').next().unwrap_or_default();
        let document = rules.find(&fault.rule).and_then(|rule| match &rule.condition {
            RuleCondition::Document(rule) => Some(rule.document.as_str()),
            RuleCondition::Number(_) | RuleCondition::Silent | RuleCondition::Budget => None,
        });
        let of_number = !metric.is_empty() && metrics.iter().any(|start| metric.starts_with(start));
        of_number || document.is_some_and(|document| documents.contains(&document))
    });
    own.map(|fault| fault.severity).max()
}

/// Whether a fault still holds, as far as is known.
pub(crate) const fn is_open(fault: &Fault) -> bool {
    match fault.state {
        FaultState::Raised | FaultState::Flapping | FaultState::Unknown => true,
        FaultState::Cleared | FaultState::Past => false,
    }
}

#[cfg(test)]
mod tests {
    use ioc_common::layout::Series;

    use super::*;

    #[test]
    fn numbers_are_asked_by_their_metrics_and_what_is_unknown_is_left_out() {
        let series = [("fs.used_pct", "/"), ("fs.used_pct", "/var"), ("smart.passed", "sda"), ("smart.passed", "sdb")];
        let layout = Layout::new(series.map(|(metric, of)| Series::new(metric, of)).to_vec()).expect("a layout");
        let values = [Some(20.0), Some(91.0), Some(1.0), None];
        let numbers = Numbers { layout: &layout, values: &values };
        assert_eq!(numbers.highest(&["fs.used_pct"]), Some(("fs.used_pct", "/var", 91.0)));
        assert_eq!(
            numbers.counted("smart.passed"),
            Some((1, 1)),
            "a disk of which nothing is known counts for nothing"
        );
        assert_eq!(numbers.counted("raid.healthy"), None);
        assert_eq!(numbers.sum("smart.reallocated"), None);
    }

    #[test]
    fn every_metric_that_a_card_asks_for_is_in_the_catalogue() {
        let source = include_str!("health.rs").split("mod tests").next().expect("the code");
        let is_metric = |text: &&str| {
            text.contains('.') && text.bytes().all(|byte| byte.is_ascii_lowercase() || b"._".contains(&byte))
        };
        let asked: Vec<&str> = source.split('"').filter(is_metric).filter(|text| !text.ends_with('.')).collect();
        assert!(asked.len() > 40, "{asked:?}");
        let starts = |text: &str| metric::CATALOGUE.iter().any(|metric| metric.name.starts_with(text));
        for text in asked {
            assert!(starts(text), "{text}");
        }
    }
}
