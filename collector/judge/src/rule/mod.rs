//! Rules are data: what is bad, for how long, when it is good again, how bad, and what to do.
//!
//! Read from `config/rules.toml`. Further kinds (absence of a value, change, forecast …) each get a file beside
//! [`threshold`] and a variant in [`RuleKind`]; `rate` and `stuck` are thresholds of another number of the same series.

pub mod threshold;

use serde::{Deserialize, Serialize};

use ioc_common::config::{ConfigError, Source, SpanWithin, Spanned};
use ioc_common::metric;

use crate::device::{DeviceInfo, DeviceKind};
use crate::text::Text;
use threshold::{Limit, Of, Threshold};

/// Most rules in one set: bounds the work per sample.
pub const RULES_MAX: usize = 500;

/// How bad a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; opens no incident.
    Info,
    /// Someone must look at it.
    Warning,
    /// Someone must act now.
    Critical,
}

impl Severity {
    /// The name used in configuration, API and pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Whom something is for: a rule, a maintenance window, a route. An empty list means everyone; of lists that are not empty, each
/// must name the device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scope {
    /// Kinds of device.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<DeviceKind>,
    /// Device identifiers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// Where they stand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<String>,
    /// Groups, any of which.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Scope {
    /// Whether `info` is meant. A sensor is meant where the device that speaks for it is named.
    #[must_use]
    pub fn covers(&self, info: &DeviceInfo) -> bool {
        let named = |one: &String| *one == info.id.as_str() || info.parent.as_ref().is_some_and(|p| p.as_str() == one);
        (self.kinds.is_empty() || self.kinds.contains(&info.kind))
            && (self.devices.is_empty() || self.devices.iter().any(named))
            && (self.places.is_empty() || self.places.contains(&info.place))
            && (self.tags.is_empty() || self.tags.iter().any(|tag| info.tags.contains(tag)))
    }

    /// Whether it asks for more than the kind of a device.
    #[must_use]
    pub const fn is_particular(&self) -> bool {
        !(self.devices.is_empty() && self.places.is_empty() && self.tags.is_empty())
    }
}

/// What a rule looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleKind {
    /// A number beyond a limit.
    Threshold(Threshold),
    /// The device is no longer heard ([`crate::presence`]).
    Silent,
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Identifier, such as `disk-nearly-full`.
    pub id: String,
    /// The regulation's article it serves, such as `5.1a`; may be empty.
    pub article: String,
    /// How bad.
    pub severity: Severity,
    /// For whom.
    pub scope: Scope,
    /// What it looks at.
    pub kind: RuleKind,
    /// What is wrong, in a few words.
    pub title: Text,
    /// What to do.
    pub advice: Text,
}

impl Rule {
    /// Whether this rule is for this device.
    #[must_use]
    pub fn covers(&self, info: &DeviceInfo) -> bool {
        self.scope.covers(info)
    }
}

/// A checked set of rules.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    #[serde(default)]
    rule: Vec<Spanned<RuleForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleForm {
    id: Spanned<String>,
    #[serde(default)]
    article: String,
    severity: Severity,
    #[serde(default)]
    scope: Scope,
    title: Text,
    advice: Text,
    kind: KindForm,
    metric: Option<Spanned<String>>,
    raise: Option<Spanned<Limit>>,
    clear: Option<Spanned<Limit>>,
    r#for: Option<SpanWithin<0, 604_800_000>>,
    within: Option<SpanWithin<10_000, 86_400_000>>,
    /// Kind `rate`: the fall counts, not the rise.
    #[serde(default)]
    fall: bool,
    #[serde(default)]
    except: Vec<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum KindForm {
    Threshold,
    Rate,
    Stuck,
    Silent,
}

impl RuleSet {
    /// Reads a set of rules.
    ///
    /// # Errors
    /// [`ConfigError`] with the line of the first fault.
    pub fn parse(source: &Source) -> Result<Self, ConfigError> {
        let form: FileForm = source.parse()?;
        if form.rule.len() > RULES_MAX {
            let span = form.rule[RULES_MAX].span();
            let message = format!("found {} rules; allowed are {RULES_MAX}", form.rule.len());
            return Err(source.fault(span, &message, "remove rules that never fire"));
        }
        let mut rules: Vec<Rule> = Vec::with_capacity(form.rule.len());
        for spanned in form.rule {
            let whole = spanned.span();
            let rule = check(source, whole, spanned.into_inner(), &rules)?;
            rules.push(rule);
        }
        Ok(Self { rules })
    }

    /// The rules, in the order of the file.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule with this identifier.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// The silence rule that is for this device, the first of the file.
    #[must_use]
    pub fn silent_for(&self, info: &DeviceInfo) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.kind == RuleKind::Silent && rule.covers(info))
    }
}

fn check(source: &Source, whole: std::ops::Range<usize>, form: RuleForm, before: &[Rule]) -> Result<Rule, ConfigError> {
    let id = form.id.get_ref();
    let shaped = !id.is_empty()
        && id.len() <= 64
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !shaped {
        let message = format!("found rule id {id:?}; allowed are 1 to 64 characters of a-z 0-9 -");
        return Err(source.fault(form.id.span(), &message, "name it like \"disk-nearly-full\""));
    }
    if before.iter().any(|rule| rule.id == *id) {
        let message = format!("found a second rule {id:?}; allowed is one rule per id");
        return Err(source.fault(form.id.span(), &message, "rename or remove one of them"));
    }
    let kind = match form.kind {
        KindForm::Silent => {
            if let Some(metric) = &form.metric {
                let message = "found a metric in a rule of kind \"silent\"; allowed is none";
                return Err(source.fault(metric.span(), message, "remove this line"));
            }
            RuleKind::Silent
        }
        KindForm::Threshold | KindForm::Rate | KindForm::Stuck => {
            let required = match form.kind {
                KindForm::Rate => "metric, raise, clear, within",
                KindForm::Stuck => "metric, for",
                _ => "metric, raise, clear",
            };
            let lacks = |key: &str| {
                let message = format!("found no {key} in the rule {id:?}; required are {required}");
                source.fault(whole.clone(), &message, "add it")
            };
            let metric_name = form.metric.as_ref().ok_or_else(|| lacks("metric"))?;
            let metric = metric::named(source, metric_name)?;
            let stuck_s = match (form.kind, form.r#for) {
                (KindForm::Stuck, Some(span)) => Some(span.as_millis() as f64 / 1000.0),
                (KindForm::Stuck, None) => return Err(lacks("for")),
                _ => None,
            };
            if let (Some(limit), Some(_)) = (form.raise.as_ref().or(form.clear.as_ref()), stuck_s) {
                let message = "found a limit in a rule of kind \"stuck\"; allowed is only for";
                return Err(source.fault(limit.span(), message, "remove this line"));
            }
            let whole_limit = |limit| Spanned::new(whole.clone(), limit);
            let limit = |given: Option<Spanned<Limit>>, stuck: Limit, key: &str| match stuck_s {
                Some(_) => Ok(whole_limit(stuck)),
                None => given.ok_or_else(|| lacks(key)),
            };
            let raise = limit(form.raise, Limit::Above(stuck_s.unwrap_or_default()), "raise")?;
            let clear = limit(form.clear, Limit::Below(1.0_f64.min(stuck_s.unwrap_or_default())), "clear")?;
            let within_ms = form.within.map(SpanWithin::as_millis);
            let of = match (form.kind, raise.get_ref()) {
                (KindForm::Rate, Limit::Above(_)) => Of::Rise { within_ms: within_ms.ok_or_else(|| lacks("within"))? },
                (KindForm::Rate, Limit::Below(_)) => {
                    let message =
                        "found below in a rule of kind \"rate\"; allowed are above for a rise and fall = true";
                    return Err(source.fault(raise.span(), message, "write { above = N }, and fall = true for a fall"));
                }
                (KindForm::Stuck, _) => Of::Unchanged,
                _ => Of::Value,
            };
            let of = match (of, form.fall) {
                (Of::Rise { within_ms }, true) => Of::Fall { within_ms },
                (of, _) => of,
            };
            let hold_ms = if of == Of::Unchanged { 0 } else { form.r#for.map_or(0, SpanWithin::as_millis) };
            let (raise_at, clear_at) = (raise.span(), clear.span());
            Threshold::new(of, metric, raise.into_inner(), clear.into_inner(), hold_ms, form.except)
                .map_err(|fault| {
                    let span = if fault.in_clear { clear_at } else { raise_at };
                    source.fault(span, &fault.message, fault.mend)
                })
                .map(RuleKind::Threshold)?
        }
    };
    Ok(Rule {
        id: form.id.into_inner(),
        article: form.article,
        severity: form.severity,
        scope: form.scope,
        kind,
        title: form.title,
        advice: form.advice,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[[rule]]
id = "disk-nearly-full"
kind = "threshold"
article = "5.1a"
severity = "warning"
metric = "fs.used_pct"
raise = { above = 90 }
clear = { below = 85 }
for = "5m"
title = { vi = "Đĩa sắp đầy", en = "Disk nearly full" }
advice = { vi = "Dọn tệp cũ.", en = "Remove old files." }
"#;

    fn parse(text: &str) -> Result<RuleSet, ConfigError> {
        RuleSet::parse(&Source::built_in("rules.toml", text))
    }

    #[test]
    fn the_shipped_rules_parse() {
        let set = parse(include_str!("../../../../config/rules.toml")).unwrap_or_else(|e| panic!("{e}"));
        assert!(set.find("device-silent").is_some() && set.find("disk-nearly-full").is_some());
    }

    #[test]
    fn faults_point_at_their_line() {
        assert!(parse(GOOD).is_ok());
        let twice = parse(&format!("{GOOD}{GOOD}")).expect_err("twice");
        assert_eq!(twice.line, 15, "{twice}");
        let metric = parse(&GOOD.replace("fs.used_pct", "fs.used")).expect_err("metric");
        assert!(metric.line == 7 && metric.message.contains("fs.used"), "{metric}");
        let crossed = parse(&GOOD.replace("below = 85", "below = 95")).expect_err("crossed");
        assert!(crossed.line == 9 && crossed.message.contains("95"), "{crossed}");
        let missing = parse(&GOOD.replace("clear = { below = 85 }\n", "")).expect_err("missing");
        assert!(missing.message.contains("clear"), "{missing}");
    }
}
