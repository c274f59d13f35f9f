//! Rules are data: what is bad, for how long, when it is good again, how bad, and what to do.
//!
//! Read from `config/rules.toml`. Kinds that look at a number are thresholds of one number or another of a series ([`threshold::Measure`]);
//! kinds that look into documents are in [`document`]. Further kinds each get a file beside these and a variant in [`RuleKind`].

pub mod document;
pub mod threshold;

use serde::Deserialize;

use ioc_common::config::{ConfigError, Source, SpanWithin, Spanned};
use ioc_common::metric;

use crate::device::DeviceInfo;
use crate::scope::Scope;
use crate::severity::Severity;
use crate::text::Text;
use document::{Baseline, DocumentRule};
use threshold::{Limit, Measure, Threshold};

/// Most rules in one set: bounds the work per sample.
pub const RULES_MAX: usize = 500;

/// What a rule looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleKind {
    /// A number beyond a limit.
    Threshold(Threshold),
    /// A document that holds something else than it should.
    Document(DocumentRule),
    /// The device is no longer heard ([`crate::presence`]).
    Silent,
    /// The device brings more than any honest one would ([`crate::Input::OverBudget`]).
    Budget,
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
    /// Why it is different from the rule of the same identifier that is for everyone; empty when it is that one.
    pub override_reason: String,
    /// It is switched off for whom it is for.
    pub off: bool,
}

impl Rule {
    /// Its limit as people write it, such as `> 90 %`; none for what has no limit.
    #[must_use]
    pub fn limit(&self) -> Option<String> {
        let RuleKind::Threshold(threshold) = &self.kind else { return None };
        let sign = if matches!(threshold.raise, Limit::Above(_)) { '>' } else { '<' };
        Some(format!("{sign} {} {}", threshold.raise.number(), threshold.metric.unit_shown()).trim_end().to_owned())
    }

    /// Whether it tells of a change that a person can accept.
    #[must_use]
    pub fn is_change(&self) -> bool {
        matches!(&self.kind, RuleKind::Document(document) if document.baseline == Baseline::Accepted)
    }

    /// Whether this rule is for this device.
    #[must_use]
    pub fn covers(&self, info: &DeviceInfo) -> bool {
        self.scope.covers(info)
    }
}

/// A checked set of rules, each followed by how it is different for some devices.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    /// For each rule its place, and those of its differences in the order of the file.
    variants: Vec<Vec<u16>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    #[serde(default)]
    rule: Vec<Spanned<RuleForm>>,
    #[serde(default)]
    r#override: Vec<Spanned<OverrideForm>>,
}

/// What is different for some devices.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OverrideForm {
    rule: Spanned<String>,
    why: Spanned<String>,
    #[serde(default)]
    scope: Scope,
    #[serde(default)]
    off: bool,
    severity: Option<Severity>,
    raise: Option<Spanned<Limit>>,
    clear: Option<Spanned<Limit>>,
    r#for: Option<SpanWithin<0, 604_800_000>>,
    approved: Option<Spanned<Vec<String>>>,
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
    /// Kind `forecast`: how far ahead.
    ahead: Option<SpanWithin<60_000, 2_678_400_000>>,
    /// Kind `rate`: the fall counts, not the rise.
    #[serde(default)]
    fall: bool,
    #[serde(default)]
    except: Vec<String>,
    /// Kinds `change` and `approved`: which document.
    document: Option<Spanned<String>>,
    /// Kinds `change` and `approved`: where in it.
    path: Option<Spanned<String>>,
    /// Kind `approved`: what may be there.
    approved: Option<Spanned<Vec<String>>>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum KindForm {
    Threshold,
    Rate,
    Stuck,
    Forecast,
    Missing,
    Change,
    Approved,
    Silent,
    Budget,
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
        let mut variants: Vec<Vec<u16>> =
            (0..rules.len()).map(|place| u16::try_from(place).into_iter().collect()).collect();
        for spanned in form.r#override {
            let whole = spanned.span();
            let (of, rule) = apply_override(source, whole, spanned.into_inner(), &rules[..variants.len()])?;
            variants[of].extend(u16::try_from(rules.len()));
            rules.push(rule);
        }
        if rules.len() > RULES_MAX {
            let message = format!("found {} rules and overrides; allowed are {RULES_MAX}", rules.len());
            return Err(source.fault(0..0, &message, "remove what never fires"));
        }
        Ok(Self { rules, variants })
    }

    /// The places of the rules that are for this device: of each the last difference that is for it, else the rule itself.
    pub fn for_device<'s>(&'s self, info: &'s DeviceInfo) -> impl Iterator<Item = u16> + 's {
        let rule = |place: &u16| &self.rules[usize::from(*place)];
        self.variants.iter().filter_map(move |variants| {
            variants.first().filter(|place| rule(place).covers(info))?;
            let place = variants.iter().rev().find(|place| rule(place).covers(info))?;
            (!rule(place).off).then_some(*place)
        })
    }

    /// This rule alone, with its differences.
    #[must_use]
    pub fn only(&self, id: &str) -> Option<Self> {
        let rules: Vec<Rule> = self.rules.iter().filter(|rule| rule.id == id).cloned().collect();
        let places: Vec<u16> = (0..rules.len()).filter_map(|place| u16::try_from(place).ok()).collect();
        (!rules.is_empty()).then(|| Self { rules, variants: vec![places] })
    }

    /// The rules that are different for this device, or switched off for it, each with its reason.
    #[must_use]
    pub fn overridden_for(&self, info: &DeviceInfo) -> Vec<Rule> {
        let effective = |variants: &Vec<u16>| {
            let rules = variants.iter().map(|place| &self.rules[usize::from(*place)]);
            rules.rev().find(|rule| rule.covers(info)).filter(|rule| !rule.override_reason.is_empty()).cloned()
        };
        self.variants.iter().filter_map(effective).collect()
    }

    /// The rules, in the order of the file, and after them how they are different for some devices.
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
        self.for_device(info).map(|place| &self.rules[usize::from(place)]).find(|rule| rule.kind == RuleKind::Silent)
    }

    /// The rule about budgets that is for this device, the first of the file.
    #[must_use]
    pub fn budget_for(&self, info: &DeviceInfo) -> Option<&Rule> {
        self.for_device(info).map(|place| &self.rules[usize::from(place)]).find(|rule| rule.kind == RuleKind::Budget)
    }
}

fn check(
    source: &Source,
    whole: std::ops::Range<usize>,
    mut form: RuleForm,
    before: &[Rule],
) -> Result<Rule, ConfigError> {
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
        KindForm::Silent | KindForm::Budget => {
            if let Some(metric) = &form.metric {
                let message = "found a metric in a rule of kind \"silent\" or \"budget\"; allowed is none";
                return Err(source.fault(metric.span(), message, "remove this line"));
            }
            if form.kind == KindForm::Silent { RuleKind::Silent } else { RuleKind::Budget }
        }
        KindForm::Change | KindForm::Approved => RuleKind::Document(document_rule(source, &whole, &mut form)?),
        _ => RuleKind::Threshold(number(source, &whole, &mut form)?),
    };
    Ok(Rule {
        id: form.id.into_inner(),
        article: form.article,
        severity: form.severity,
        scope: form.scope,
        kind,
        title: form.title,
        advice: form.advice,
        override_reason: String::new(),
        off: false,
    })
}

/// What a rule that looks into a document looks at.
fn document_rule(
    source: &Source,
    whole: &std::ops::Range<usize>,
    form: &mut RuleForm,
) -> Result<DocumentRule, ConfigError> {
    let id = form.id.get_ref();
    let lacks = |key: &str| {
        let message =
            format!("found no {key} in the rule {id:?}; required are document, path, and for \"approved\" approved");
        source.fault(whole.clone(), &message, "add it")
    };
    if let Some(limit) = form.raise.as_ref().or(form.clear.as_ref()) {
        let message = "found a limit in a rule that looks into a document; allowed are document, path, approved";
        return Err(source.fault(limit.span(), message, "remove this line"));
    }
    let document = form.document.as_ref().ok_or_else(|| lacks("document"))?;
    let path = form.path.as_ref().ok_or_else(|| lacks("path"))?;
    let baseline = match (form.kind, form.approved.take()) {
        (KindForm::Approved, Some(approved)) => Baseline::Approved(approved.into_inner().into_iter().collect()),
        (KindForm::Approved, None) => return Err(lacks("approved")),
        (_, None) => Baseline::Accepted,
        (_, Some(approved)) => {
            let message = "found approved in a rule of kind \"change\"; what is right there is what a person accepts";
            return Err(source.fault(approved.span(), message, "remove this line, or write kind = \"approved\""));
        }
    };
    DocumentRule::new(document.get_ref(), path.get_ref(), baseline).map_err(|why| {
        let message = format!("found document {:?} and path {:?}; {why}", document.get_ref(), path.get_ref());
        source.fault(path.span(), &message, "write the path like \"/listening/*/port\"")
    })
}

/// The limits of a rule that looks at a number, whichever number of the series it is.
fn number(source: &Source, whole: &std::ops::Range<usize>, form: &mut RuleForm) -> Result<Threshold, ConfigError> {
    let id = form.id.get_ref();
    let required = match form.kind {
        KindForm::Rate => "metric, raise, clear, within",
        KindForm::Forecast => "metric, raise, clear, within, ahead",
        KindForm::Stuck | KindForm::Missing => "metric, for",
        KindForm::Threshold | KindForm::Silent | KindForm::Budget | KindForm::Change | KindForm::Approved => {
            "metric, raise, clear"
        }
    };
    let lacks = |key: &str| {
        let message = format!("found no {key} in the rule {id:?}; required are {required}");
        source.fault(whole.clone(), &message, "add it")
    };
    let metric = metric::named(source, form.metric.as_ref().ok_or_else(|| lacks("metric"))?)?;
    let within_ms = form.within.map(SpanWithin::as_millis);
    let hold_ms = form.r#for.map(SpanWithin::as_millis);
    let except = std::mem::take(&mut form.except);
    if let KindForm::Stuck | KindForm::Missing = form.kind {
        if let Some(limit) = form.raise.as_ref().or(form.clear.as_ref()) {
            let message = "found a limit in a rule of kind \"stuck\" or \"missing\"; allowed is only for";
            return Err(source.fault(limit.span(), message, "remove this line"));
        }
        // What is judged is a time, in seconds; any sign of life ends it.
        let seconds = hold_ms.ok_or_else(|| lacks("for"))? as f64 / 1000.0;
        let measure = if form.kind == KindForm::Stuck { Measure::Unchanged } else { Measure::Missing };
        let (raise, clear) = (Limit::Above(seconds), Limit::Below(seconds.min(1.0)));
        return Threshold::new(measure, metric, raise, clear, 0, except)
            .map_err(|fault| source.fault(whole.clone(), &fault.message, fault.mend));
    }
    let raise = form.raise.as_ref().ok_or_else(|| lacks("raise"))?;
    let clear = form.clear.as_ref().ok_or_else(|| lacks("clear"))?;
    let measure = match (form.kind, raise.get_ref()) {
        (KindForm::Rate, Limit::Below(_)) => {
            let message = "found below in a rule of kind \"rate\"; allowed are above for a rise and fall = true";
            return Err(source.fault(raise.span(), message, "write { above = N }, and fall = true for a fall"));
        }
        (KindForm::Rate, Limit::Above(_)) => {
            let within_ms = within_ms.ok_or_else(|| lacks("within"))?;
            if form.fall { Measure::Fall { within_ms } } else { Measure::Rise { within_ms } }
        }
        (KindForm::Forecast, _) => Measure::Forecast {
            within_ms: within_ms.ok_or_else(|| lacks("within"))?,
            ahead_ms: form.ahead.map(SpanWithin::as_millis).ok_or_else(|| lacks("ahead"))?,
        },
        _ => Measure::Value,
    };
    Threshold::new(measure, metric, *raise.get_ref(), *clear.get_ref(), hold_ms.unwrap_or(0), except).map_err(|fault| {
        let span = if fault.in_clear { clear.span() } else { raise.span() };
        source.fault(span, &fault.message, fault.mend)
    })
}

/// How a rule is different for some devices: which rule, and what it is for them.
fn apply_override(
    source: &Source,
    whole: std::ops::Range<usize>,
    form: OverrideForm,
    rules: &[Rule],
) -> Result<(usize, Rule), ConfigError> {
    let id = form.rule.get_ref();
    let Some(of) = rules.iter().position(|rule| rule.id == *id) else {
        let message = format!("found an override of the rule {id:?}; allowed are the rules of this file");
        return Err(source.fault(form.rule.span(), &message, "correct the id"));
    };
    if form.scope == Scope::default() {
        let message = "found an override for every device; allowed is a scope with kinds, devices, places or tags";
        return Err(source.fault(whole, message, "add a scope, or change the rule itself"));
    }
    if form.why.get_ref().trim().is_empty() {
        let mend = "say in a few words why it is different there";
        return Err(source.fault(form.why.span(), "found an override without a reason", mend));
    }
    let mut rule =
        Rule { scope: form.scope, override_reason: form.why.into_inner(), off: form.off, ..rules[of].clone() };
    rule.severity = form.severity.unwrap_or(rule.severity);
    match &mut rule.kind {
        RuleKind::Silent | RuleKind::Budget => {
            if let Some(limit) = form.raise.as_ref().or(form.clear.as_ref()) {
                let message = "found a limit for a rule of kind \"silent\" or \"budget\"; allowed are severity and off";
                return Err(source.fault(limit.span(), message, "remove this line"));
            }
        }
        RuleKind::Document(document) => match (&mut document.baseline, form.approved, form.raise.or(form.clear)) {
            (_, _, Some(limit)) => {
                let message =
                    "found a limit for a rule that looks into a document; allowed are approved, severity and off";
                return Err(source.fault(limit.span(), message, "remove this line"));
            }
            (_, None, None) => {}
            (Baseline::Approved(list), Some(approved), None) => *list = approved.into_inner().into_iter().collect(),
            (Baseline::Accepted, Some(approved), None) => {
                let message = "found approved for a rule of kind \"change\"; allowed are severity and off";
                return Err(source.fault(approved.span(), message, "remove this line"));
            }
        },
        RuleKind::Threshold(threshold) => {
            let span = form.clear.as_ref().or(form.raise.as_ref()).map_or(whole, Spanned::span);
            let raise = form.raise.map_or(threshold.raise, Spanned::into_inner);
            let clear = form.clear.map_or(threshold.clear, Spanned::into_inner);
            let hold_ms = form.r#for.map_or(threshold.hold_ms, SpanWithin::as_millis);
            *threshold =
                Threshold::new(threshold.measure, threshold.metric, raise, clear, hold_ms, threshold.except.clone())
                    .map_err(|fault| source.fault(span, &fault.message, fault.mend))?;
        }
    }
    Ok((of, rule))
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
        let all = "[[override]]\nrule = \"disk-nearly-full\"\nwhy = \"x\"\noff = true\n";
        assert!(parse(&format!("{GOOD}{all}")).expect_err("for all").message.contains("every device"));
        let none = all.replace("disk-nearly-full", "disk").replace("off", "scope = { places = [\"x\"] }\noff");
        assert_eq!(parse(&format!("{GOOD}{none}")).expect_err("no such rule").line, 14);
        let far = GOOD.replace("\"threshold\"", "\"forecast\"").replace("for = \"5m\"", "within = \"6h\"");
        assert!(parse(&far).expect_err("ahead").message.contains("ahead"));
        assert!(parse(&far.replace("within", "ahead = \"1d\"\nwithin")).is_ok());
        let list = "[[rule]]\nid = \"ports\"\nkind = \"approved\"\nseverity = \"info\"\ndocument = \"protection\"\npath = \"listening\"\n\
                    approved = []\ntitle = { vi = \"x\", en = \"x\" }\nadvice = { vi = \"x\", en = \"x\" }\n";
        let path = parse(list).expect_err("path");
        assert!(path.line == 6 && path.message.contains("slash"), "{path}");
        let list = list.replace("\"listening\"", "\"/listening/*/port\"");
        assert!(parse(&list).is_ok() && parse(&list.replace("\"approved\"", "\"change\"")).is_err());
        assert!(parse(&list.replace("approved = []\n", "")).expect_err("list").message.contains("no approved"));
        let missing = parse(&GOOD.replace("clear = { below = 85 }\n", "")).expect_err("missing");
        assert!(missing.message.contains("clear"), "{missing}");
    }
}
