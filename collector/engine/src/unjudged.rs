//! What cannot be judged: rules of a device whose value nobody knows, since when and why. Neither good nor bad (articles 5.1, 5.2).
//!
//! Pure but for [`of_device`], which reads. Computed when it is asked for, from the newest numbers, documents and outcomes of probes; nothing is kept for it.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

use ioc_common::clock::Timestamp;
use ioc_common::document;
use ioc_common::layout::Layout;
use ioc_common::reading;
use ioc_common::report::{Hello, ProbeOutcome, ProbeReport};
use ioc_judge::{DeviceInfo, PresenceState, RuleCondition, RuleSet, Text};

use ioc_store::chart::{self, ChartLine, ChartQuery};
use ioc_store::history::Tier;
use ioc_store::inventory::DeviceRecord;
use ioc_store::{DocumentRecord, Reader, StoreError};

/// How far back history is searched for the last value, milliseconds: eight days.
pub const LOOKBACK_MS: i64 = 8 * 86_400_000;
/// Samples that may be without a value before it is said.
const SAMPLES: i64 = 5;
/// Longest reason, characters.
const WHY_MAX_CHARS: usize = 300;
/// Series that one rule names.
const SERIES_MAX: usize = 10;

/// A rule that cannot be judged on a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unjudged {
    /// The rule's identifier.
    pub rule: String,
    /// What it would say is wrong.
    pub title: Text,
    /// The metric that is not known.
    pub metric: String,
    /// Of what, such as a disk or a job; empty where the metric is of the machine, or where that would name a person.
    pub subjects: Vec<String>,
    /// Since when; none where it was not known within the last eight days.
    pub since: Option<Timestamp>,
    /// The reason that the device or its probe gives, in a sentence.
    pub why: Text,
}

/// What is known of a device now.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, Copy)]
pub struct DeviceSituation<'a> {
    pub info: &'a DeviceInfo,
    /// Seconds between its samples.
    pub interval_s: u32,
    /// The layout of its newest numbers.
    pub layout: &'a Layout,
    /// Its newest numbers, by whole name of the series.
    pub latest: &'a [Option<f64>],
    /// How its probes ended.
    pub outcomes: &'a [ProbeReport],
    /// What its surveys found.
    pub documents: &'a [DocumentRecord],
}

/// The series of rules whose value is not known now: for these it is worth looking up when it was.
#[must_use]
pub fn unknown_series(known: &DeviceSituation<'_>, rules: &RuleSet) -> Vec<String> {
    let metrics: Vec<&str> = rules
        .for_device(known.info)
        .filter_map(|rule| match &rules.rules()[usize::from(rule)].condition {
            RuleCondition::Number(condition) => Some(condition.metric.name),
            RuleCondition::Document(_) | RuleCondition::Silent | RuleCondition::Budget => None,
        })
        .collect();
    let unknown = known.layout.series().iter().zip(known.latest).filter(|(_, value)| value.is_none());
    unknown
        .map(|(series, _)| series)
        .filter(|series| metrics.contains(&series.metric()))
        .map(|series| series.as_str().to_owned())
        .collect()
}

/// The rules that cannot be judged for longer than the interval at which their value is made. `last_known` says when each series was
/// last known, within [`LOOKBACK_MS`].
#[must_use]
pub fn unjudged(
    known: &DeviceSituation<'_>,
    rules: &RuleSet,
    last_known: &HashMap<String, Timestamp>,
    now: Timestamp,
) -> Vec<Unjudged> {
    let mut found = Vec::new();
    for place in known.info_rules(rules) {
        let rule = &rules.rules()[usize::from(place)];
        let RuleCondition::Number(condition) = &rule.condition else { continue };
        let metric = condition.metric.name;
        let probe = reading::probe_of(metric);
        let outcome = known.outcomes.iter().find(|report| report.probe == probe).map(|report| &report.outcome);
        if matches!(outcome, Some(ProbeOutcome::Absent { .. })) {
            continue;
        }
        let failed = match outcome {
            Some(ProbeOutcome::Unknown { why }) => Some(why.as_str()),
            _ => None,
        };
        let of_metric = known
            .layout
            .series()
            .iter()
            .zip(known.latest)
            .filter(|(series, _)| condition.applies_to(series.metric(), series.subject()));
        let mut has_series = false;
        let (mut subjects, mut since, mut never, mut why) = (Vec::new(), None, false, String::new());
        let mut any = false;
        for (series, value) in of_metric {
            has_series = true;
            if value.is_some() {
                continue;
            }
            let reason = failed.map(str::to_owned).or_else(|| reason_of(known.documents, probe, series.subject()));
            // A hard disk has no wear: what belongs to one thing of many, and for which no survey says why, is not lacking.
            if reason.is_none() && !series.subject().is_empty() && known.info.parent.is_none() {
                continue;
            }
            let last = last_known.get(series.as_str()).copied();
            if last.is_some_and(|last| now.millis_since(last) <= interval_ms(probe, known.interval_s)) {
                continue;
            }
            any = true;
            never |= last.is_none();
            since = [since, last].into_iter().flatten().min();
            if subjects.len() < SERIES_MAX && !series.subject().is_empty() && !condition.metric.is_personal() {
                subjects.push(series.subject().to_owned());
            }
            // What a document about people says may name a person; who may read it finds it there.
            if why.is_empty() && (failed.is_some() || !document::is_of_people(probe)) {
                why = reason.unwrap_or_default();
            }
        }
        // A survey that failed from the start has no series yet.
        if !has_series && let Some(reason) = failed {
            (any, never, why) = (true, true, reason.to_owned());
        }
        if any {
            let why: String = why.chars().filter(|c| !c.is_control()).take(WHY_MAX_CHARS).collect();
            let why = if why.is_empty() {
                Text::new("Mục đo không cho giá trị và không nói lý do.", "The probe gives no value, and no reason.")
            } else {
                Text::new(why.clone(), why)
            };
            found.push(Unjudged {
                rule: rule.id.clone(),
                title: rule.title.clone(),
                metric: metric.to_owned(),
                subjects,
                since: since.filter(|_| !never),
                why,
            });
        }
    }
    found
}

impl DeviceSituation<'_> {
    fn info_rules(&self, rules: &RuleSet) -> Vec<u16> {
        rules.for_device(self.info).collect()
    }
}

/// When each of these series was last known, of their lines.
#[must_use]
pub fn last_known(lines: impl IntoIterator<Item = (String, ChartLine)>) -> HashMap<String, Timestamp> {
    let last = |line: &ChartLine| line.iter().rev().find(|(_, summary)| summary.count > 0).map(|(at, _)| *at);
    lines.into_iter().filter_map(|(name, line)| Some((name, Timestamp::from_millis(last(&line)?)))).collect()
}

/// How the probes of a device ended, the newest word: what was sent since the hello, else the hello's own.
#[must_use]
pub fn outcomes_of(documents: &[DocumentRecord], hello: Option<&Hello>) -> Vec<ProbeReport> {
    let newer = documents.iter().find(|record| record.name == "probes");
    let newer = newer.and_then(|record| serde_json::from_str::<Vec<ProbeReport>>(&record.body).ok());
    newer.or_else(|| hello.map(|hello| hello.probes.clone())).unwrap_or_default()
}

/// What cannot be judged on a device that is heard. What is silent is shown as that.
///
/// # Errors
/// [`StoreError`] when a document, hello or chunk of the device is damaged, or the store is gone.
pub fn of_device(
    record: &DeviceRecord,
    rules: &RuleSet,
    reader: &dyn Reader,
    now: Timestamp,
) -> Result<Vec<Unjudged>, StoreError> {
    if record.presence.state() != PresenceState::Live {
        return Ok(Vec::new());
    }
    let Some(layout) = record.layout.map(|id| reader.layout(id)).transpose()?.flatten() else { return Ok(Vec::new()) };
    let id = &record.info.id;
    let documents = reader.documents(id)?;
    let hello = reader.hello(id)?.and_then(|text| serde_json::from_str::<Hello>(&text).ok());
    let outcomes = outcomes_of(&documents, hello.as_ref());
    let known = DeviceSituation {
        info: &record.info,
        interval_s: record.interval_s,
        layout: &layout,
        latest: &record.latest,
        outcomes: &outcomes,
        documents: &documents,
    };
    let names = unknown_series(&known, rules);
    let last = if names.is_empty() {
        HashMap::new()
    } else {
        let (until, from) = (now.as_millis(), now.as_millis() - LOOKBACK_MS);
        last_known(chart::read(
            reader,
            id,
            &ChartQuery { from, until, tier: Tier::for_span(LOOKBACK_MS), names, most: 0 },
        )?)
    };
    Ok(unjudged(&known, rules, &last, now))
}

/// How long a value may be unknown before it is said, milliseconds: until its document is made again, or for a few samples.
fn interval_ms(probe: &str, interval_s: u32) -> i64 {
    reading::probe(probe)
        .and_then(|probe| probe.every_s)
        .map_or(i64::from(interval_s) * SAMPLES, |every_s| i64::try_from(every_s).unwrap_or(i64::MAX / 1000))
        * 1000
}

/// What a document says could not be read: of this thing first, else of all.
fn reason_of(documents: &[DocumentRecord], name: &str, subject: &str) -> Option<String> {
    let record = documents.iter().find(|record| record.name == name)?;
    let document: Value = serde_json::from_str(&record.body).ok()?;
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Array(texts) => {
            let texts: Vec<&str> = texts.iter().filter_map(Value::as_str).filter(|text| !text.is_empty()).collect();
            Some(texts.join("; ")).filter(|text| !text.is_empty())
        }
        _ => None,
    };
    let fields = document.as_object()?;
    let lists = fields.values().filter_map(Value::as_array).flatten().filter_map(Value::as_object);
    let mut own =
        lists.filter(|thing| thing.values().any(|value| value.as_str() == Some(subject)) && !subject.is_empty());
    own.find_map(|thing| thing.get("unknown").and_then(text)).or_else(|| fields.get("unknown").and_then(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::config::Source;
    use ioc_common::id::DeviceId;
    use ioc_common::layout::Series;
    use ioc_judge::DeviceKind;

    #[test]
    fn what_nobody_knows_is_listed_with_its_reason_and_what_is_absent_is_not() {
        let rules = RuleSet::parse(&Source::built_in("rules.toml", crate::config::DEFAULT_RULES));
        let rules = rules.unwrap_or_else(|e| panic!("{e}"));
        let info = DeviceInfo::new(
            DeviceId::new("srv-01").unwrap_or_else(|e| panic!("{e}")),
            DeviceKind::Server,
            "Máy chủ 01",
        );
        let names = [
            ("protect.firewall", ""),
            ("smart.wear", "sda"),
            ("backup.ok", "csdl"),
            ("time.synchronised", ""),
            ("memory.used_pct", ""),
        ];
        let series = names.map(|(metric, subject)| Series::new(metric, subject));
        let layout = Layout::new(series.to_vec()).unwrap_or_else(|e| panic!("{e}"));
        let now = Timestamp::from_millis(1_800_000_000_000);
        let document = |name: &str, body: &str| DocumentRecord { name: name.into(), at: now, body: body.into() };
        let documents = [
            document("protection", r#"{"unknown":["nft: not permitted"]}"#),
            document("smart", r#"{"disks":[{"name":"sda","unknown":""}]}"#),
            document("backups", r#"{"jobs":[{"name":"csdl","unknown":"never ran since the machine started"}]}"#),
        ];
        let report = |probe: &str, outcome| ProbeReport { probe: probe.into(), outcome };
        let outcomes = [
            report("ipmi", ProbeOutcome::Unknown { why: "ipmitool: timed out".into() }),
            report("time", ProbeOutcome::Absent { why: "no source of time".into() }),
        ];
        let latest = [None, None, None, None, Some(3.0)];
        let known = DeviceSituation {
            info: &info,
            interval_s: 10,
            layout: &layout,
            latest: &latest,
            outcomes: &outcomes,
            documents: &documents,
        };
        assert_eq!(unknown_series(&known, &rules).len(), 4);
        let at = now.plus_millis(-2 * 3_600_000);
        let last: HashMap<String, Timestamp> = [("protect.firewall".to_owned(), at)].into();
        let found = unjudged(&known, &rules, &last, now);
        let of = |rule: &str| found.iter().find(|one| one.rule == rule);
        let firewall = of("firewall-off").unwrap_or_else(|| panic!("{found:?}"));
        assert_eq!((firewall.since, firewall.why.en.as_str()), (Some(at), "nft: not permitted"));
        let backup = of("backup-failed").unwrap_or_else(|| panic!("{found:?}"));
        assert_eq!((backup.since, backup.subjects.as_slice()), (None, &["csdl".to_owned()][..]));
        assert_eq!(backup.why.en, "never ran since the machine started");
        assert_eq!(of("ipmi-power-supply-failed").map(|one| one.why.en.as_str()), Some("ipmitool: timed out"));
        for rule in ["disk-worn", "clock-not-synchronised", "memory-low", "array-degraded"] {
            assert_eq!(of(rule), None, "{rule}");
        }
        // Within the interval of its document nothing is said yet.
        let last = [("protect.firewall".to_owned(), now.plus_millis(-600_000))].into();
        assert!(unjudged(&known, &rules, &last, now).iter().all(|one| one.rule != "firewall-off"));
    }
}
