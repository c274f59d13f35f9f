//! Rules are data: what is bad, for how long, when it is good again, how bad, and what to do.
//!
//! Read from `config/rules.toml`, or from a text that goes on from it (`base = "shipped"`). Each kind is one file; [`RuleKind`] is the list of them.
//! What kinds share that judge a number of a series is in [`number`], of those that look into a document in [`document`].

mod approved;
mod budget;
mod change;
mod comparable;
mod condition;
mod descriptor;
pub mod document;
mod forecast;
mod kind;
mod missing;
pub mod number;
mod number_keys;
mod rate;
mod sample_window;
mod sentence;
mod silent;
mod stuck;
mod threshold;
mod words;

use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::config::{ConfigError, Source, SpanWithin, Spanned, Table};

use crate::device::DeviceInfo;
use crate::scope::Scope;
use crate::severity::Severity;
use crate::text::Text;
pub use condition::RuleCondition;
use descriptor::{OverrideChanges, RuleContext};
pub use kind::RuleKind;
use number::Limit;
pub(crate) use sample_window::SampleWindow;

/// Most rules in one set: bounds the work per sample.
pub const RULES_MAX: usize = 500;

/// A rule: what is bad, for which devices, and what to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Identifier, such as `disk-nearly-full`.
    pub id: String,
    /// The regulation's article it serves, such as `5.1a`; may be empty.
    pub article: String,
    /// How bad what it finds is.
    pub severity: Severity,
    /// The devices that it is for.
    pub scope: Scope,
    /// By which of the files beside this one it is checked and judged.
    pub kind: RuleKind,
    /// What it looks at.
    pub condition: RuleCondition,
    /// What is wrong, in a few words.
    pub title: Text,
    /// What whoever reads a notice of it can do now.
    pub advice: Text,
    /// Why it is different from the rule of the same identifier that is for everyone; empty when it is that one.
    pub override_reason: String,
    /// It is switched off for whom it is for.
    pub off: bool,
    /// When this difference ends by itself; none for one that stays, and for a rule itself.
    pub until: Option<Timestamp>,
}

impl Rule {
    /// Its limit as people write it, such as `> 90 %`; none for what has no limit.
    #[must_use]
    pub fn limit(&self) -> Option<String> {
        let RuleCondition::Number(condition) = &self.condition else { return None };
        let sign = if matches!(condition.raise, Limit::Above(_)) { '>' } else { '<' };
        Some(format!("{sign} {} {}", condition.raise.number(), condition.metric.unit_shown()).trim_end().to_owned())
    }

    /// Whether it tells of a change that a person can accept.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.kind == RuleKind::Change
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
    /// For each rule its place, and those of its differences in the order of the file, but for those that have ended.
    variants: Vec<Vec<u16>>,
    /// When the next of those ends by itself; asked for each time the judge is to be woken.
    next_end: Option<Timestamp>,
}

/// What a text of rules goes on from.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Base {
    /// The rules that are shipped with the collector.
    Shipped,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    base: Option<Spanned<Base>>,
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
    r#for: Option<Spanned<SpanWithin<0, 604_800_000>>>,
    approved: Option<Spanned<Vec<String>>>,
    advice: Option<Text>,
    until: Option<Timestamp>,
}

/// What all rules say ([`kind::COMMON`]); what else stands there is for the kind.
#[derive(Deserialize)]
struct RuleForm {
    id: Spanned<String>,
    #[serde(default)]
    article: String,
    severity: Severity,
    #[serde(default)]
    scope: Scope,
    title: Text,
    advice: Text,
    kind: RuleKind,
}

impl RuleSet {
    /// Reads a set of rules that stands by itself.
    ///
    /// # Errors
    /// [`ConfigError`] with the line of the first fault.
    pub fn parse(source: &Source) -> Result<Self, ConfigError> {
        Self::read(source, None)
    }

    /// Reads a set of rules, which may say `base = "shipped"`: then the shipped ones hold, too, and what it says is more, or different.
    ///
    /// # Errors
    /// [`ConfigError`] with the line of the first fault.
    pub fn parse_on(source: &Source, shipped: &Source) -> Result<Self, ConfigError> {
        Self::read(source, Some(shipped))
    }

    fn read(source: &Source, shipped: Option<&Source>) -> Result<Self, ConfigError> {
        let form: FileForm = source.parse()?;
        let base = match (&form.base, shipped) {
            (None, _) => Vec::new(),
            (Some(_), Some(shipped)) => Self::read(shipped, None)?.without_differences(),
            (Some(base), None) => {
                let message = "found base in rules that stand by themselves";
                return Err(source.fault(base.span(), message, "remove this line"));
            }
        };
        if base.len() + form.rule.len() > RULES_MAX {
            let place = RULES_MAX.saturating_sub(base.len());
            let span = form.rule.get(place).map_or(0..0, Spanned::span);
            let message = format!("found {} rules; allowed are {RULES_MAX}", base.len() + form.rule.len());
            return Err(source.fault(span, &message, "remove rules that never fire"));
        }
        let of_base = base.len();
        let mut rules: Vec<Rule> = base;
        for (spanned, table) in form.rule.into_iter().zip(source.tables("rule")?) {
            let span = spanned.span();
            let rule = check(source, span, spanned.into_inner(), table.without(&kind::COMMON), &rules)?;
            rules.push(rule);
        }
        let mut variants: Vec<Vec<u16>> =
            (0..rules.len()).map(|place| u16::try_from(place).into_iter().collect()).collect();
        for spanned in form.r#override {
            let whole = spanned.span();
            let known = KnownRules { rules: &rules[..variants.len()], of_base };
            let (of, rule) = apply_override(source, whole, spanned.into_inner(), &known)?;
            variants[of].extend(u16::try_from(rules.len()));
            rules.push(rule);
        }
        if rules.len() > RULES_MAX {
            let message = format!("found {} rules and overrides; allowed are {RULES_MAX}", rules.len());
            return Err(source.fault(0..0, &message, "remove what never fires"));
        }
        Ok(Self::of(rules, variants))
    }

    fn of(rules: Vec<Rule>, variants: Vec<Vec<u16>>) -> Self {
        let next_end = variants.iter().flatten().filter_map(|place| rules.get(usize::from(*place))?.until).min();
        Self { rules, variants, next_end }
    }

    /// The rules themselves.
    fn without_differences(mut self) -> Vec<Rule> {
        self.rules.truncate(self.variants.len());
        self.rules
    }

    /// When the next difference ends by itself, if ever.
    #[must_use]
    pub const fn next_end(&self) -> Option<Timestamp> {
        self.next_end
    }

    /// The set without the differences that have ended at `now`; none where none has. They stay in the list of [`RuleSet::rules`], and are for nobody.
    #[must_use]
    pub fn without_ended(&self, now: Timestamp) -> Option<Self> {
        self.next_end().filter(|end| *end <= now)?;
        let lasts = |place: &u16| {
            self.rules.get(usize::from(*place)).is_some_and(|rule| rule.until.is_none_or(|end| end > now))
        };
        let variants = self.variants.iter().map(|variants| variants.iter().copied().filter(lasts).collect()).collect();
        Some(Self::of(self.rules.clone(), variants))
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
        (!rules.is_empty()).then(|| Self::of(rules, vec![places]))
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

    /// How the rule of this identifier is different for some devices, in the order of the file; without what has ended.
    pub fn differences<'s>(&'s self, id: &'s str) -> impl Iterator<Item = &'s Rule> {
        let of = self.variants.iter().find(move |variants| {
            variants.first().and_then(|place| self.rules.get(usize::from(*place))).is_some_and(|rule| rule.id == id)
        });
        of.into_iter().flatten().skip(1).filter_map(|place| self.rules.get(usize::from(*place)))
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
    span: std::ops::Range<usize>,
    form: RuleForm,
    keys: Table<'_>,
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
    let condition = form.kind.check(&RuleContext { source, span }, id, keys)?;
    Ok(Rule {
        id: form.id.into_inner(),
        article: form.article,
        severity: form.severity,
        scope: form.scope,
        kind: form.kind,
        condition,
        title: form.title,
        advice: form.advice,
        override_reason: String::new(),
        off: false,
        until: None,
    })
}

/// The rules that an override may be of, and how many of them, the first ones, are the shipped ones.
struct KnownRules<'r> {
    rules: &'r [Rule],
    of_base: usize,
}

/// How a rule is different for some devices: which rule, and what it is for them.
fn apply_override(
    source: &Source,
    whole: std::ops::Range<usize>,
    form: OverrideForm,
    known: &KnownRules<'_>,
) -> Result<(usize, Rule), ConfigError> {
    let id = form.rule.get_ref();
    let Some(of) = known.rules.iter().position(|rule| rule.id == *id) else {
        let message = format!("found an override of the rule {id:?}; allowed are the rules of this file");
        return Err(source.fault(form.rule.span(), &message, "correct the id"));
    };
    // A rule that stands in the same text is changed itself; one that is shipped is changed by this, and by what is off for a while.
    if form.scope == Scope::default() && of >= known.of_base && form.until.is_none() {
        let message = "found an override for every device; allowed is a scope with kinds, devices, places or tags";
        return Err(source.fault(whole, message, "add a scope, or change the rule itself"));
    }
    if form.why.get_ref().trim().is_empty() {
        let mend = "say in a few words why it is different there";
        return Err(source.fault(form.why.span(), "found an override without a reason", mend));
    }
    let was = &known.rules[of];
    let context = RuleContext { source, span: whole };
    let changes = OverrideChanges { raise: form.raise, clear: form.clear, hold: form.r#for, approved: form.approved };
    let condition = was.kind.amend(&context, &was.condition, changes)?;
    let severity = form.severity.unwrap_or(was.severity);
    let rule = Rule {
        severity,
        // One for everyone is for whom the rule is for.
        scope: if form.scope == Scope::default() { was.scope.clone() } else { form.scope },
        condition,
        advice: form.advice.unwrap_or_else(|| was.advice.clone()),
        override_reason: form.why.into_inner(),
        off: form.off,
        until: form.until,
        ..was.clone()
    };
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

    #[test]
    fn a_text_goes_on_from_the_shipped_rules() {
        let shipped = Source::built_in("(built-in rules.toml)", GOOD);
        let on = |text: &str| RuleSet::parse_on(&Source::built_in("rules", text), &shipped);
        let own = GOOD.replace("disk-nearly-full", "own");
        let set = on(&format!("base = \"shipped\"\n{own}")).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(set.rules().iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>(), ["disk-nearly-full", "own"]);
        assert_eq!(on(&own).unwrap_or_else(|e| panic!("{e}")).rules().len(), 1, "without it, it stands by itself");
        assert!(on(&format!("base = \"shipped\"\n{GOOD}")).expect_err("twice").message.contains("second"));
        assert!(on("base = \"mine\"\n").is_err());
        assert!(parse("base = \"shipped\"\n").expect_err("of nothing").message.contains("stand by themselves"));
        // One for everyone, of a shipped rule; and of an own one, which is changed itself.
        let over = "[[override]]\nrule = \"disk-nearly-full\"\nwhy = \"x\"\nraise = { above = 95 }\n";
        let set = on(&format!("base = \"shipped\"\n{over}")).unwrap_or_else(|e| panic!("{e}"));
        let info =
            DeviceInfo::new(ioc_common::id::DeviceId::new("srv-01").expect("valid"), crate::DeviceKind::Server, "x");
        let holds: Vec<Option<String>> =
            set.for_device(&info).map(|place| set.rules()[usize::from(place)].limit()).collect();
        assert_eq!(holds, [Some("> 95 %".to_owned())]);
        let of_own = over.replace("disk-nearly-full", "own");
        assert!(on(&format!("base = \"shipped\"\n{own}{of_own}")).expect_err("own").message.contains("every device"));
    }

    #[test]
    fn what_is_different_for_a_while_ends() {
        let over =
            "[[override]]\nrule = \"disk-nearly-full\"\nwhy = \"x\"\noff = true\nuntil = \"2026-12-01T00:00:00Z\"\n";
        let set = parse(&format!("{GOOD}{over}")).unwrap_or_else(|e| panic!("{e}"));
        let info =
            DeviceInfo::new(ioc_common::id::DeviceId::new("srv-01").expect("valid"), crate::DeviceKind::Server, "x");
        let end: Timestamp = "2026-12-01T00:00:00Z".parse().expect("a time");
        assert_eq!((set.next_end(), set.for_device(&info).count()), (Some(end), 0));
        assert!(set.without_ended(end.plus_millis(-1)).is_none());
        let after = set.without_ended(end).expect("it has ended");
        assert_eq!((after.next_end(), after.for_device(&info).count(), after.rules().len()), (None, 1, 2));
    }

    /// A good value for each key of any kind.
    const VALUES: [(&str, &str); 11] = [
        ("metric", "\"fs.used_pct\""),
        ("raise", "{ above = 90 }"),
        ("clear", "{ below = 85 }"),
        ("for", "\"5m\""),
        ("within", "\"10m\""),
        ("ahead", "\"1d\""),
        ("fall", "true"),
        ("except", "[\"/snap\"]"),
        ("document", "\"accounts\""),
        ("path", "\"/accounts/*/name\""),
        ("approved", "[\"root\"]"),
    ];
    /// Lines before the first key of a kind.
    const BEFORE: usize = 6;

    fn of_kind(kind: RuleKind, keys: &[&str]) -> String {
        let kind = kind.as_str();
        let mut text = format!(
            "[[rule]]\nid = \"x\"\nkind = \"{kind}\"\nseverity = \"info\"\n\
             title = {{ vi = \"x\", en = \"x\" }}\nadvice = {{ vi = \"x\", en = \"x\" }}\n"
        );
        for key in keys {
            let (_, value) =
                VALUES.iter().find(|(known, _)| known == key).unwrap_or_else(|| panic!("VALUES lacks {key}"));
            text += &format!("{key} = {value}\n");
        }
        text
    }

    #[test]
    fn every_kind_takes_its_own_keys_and_refuses_those_of_all_others() {
        for kind in RuleKind::ALL {
            let form = kind.descriptor();
            let all: Vec<&str> = form.required.iter().chain(form.optional).copied().collect();
            let set = parse(&of_kind(kind, &all)).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(set.rules()[0].kind, kind);
            assert!(parse(&of_kind(kind, form.required)).is_ok(), "{kind:?} wants no more");
            for lacking in form.required {
                let rest: Vec<&str> = all.iter().copied().filter(|key| key != lacking).collect();
                let fault = parse(&of_kind(kind, &rest)).expect_err("a key is missing");
                assert!(
                    fault.line == 1 && fault.message.contains(&format!("found no {lacking} ")),
                    "{kind:?}: {fault}"
                );
            }
            for (foreign, _) in VALUES.iter().filter(|(key, _)| !all.contains(key)) {
                let mut keys = all.clone();
                keys.push(foreign);
                let fault = parse(&of_kind(kind, &keys)).expect_err("a key of another kind");
                let whose = RuleKind::ALL.into_iter().find(|other| {
                    let form = other.descriptor();
                    form.required.contains(foreign) || form.optional.contains(foreign)
                });
                let whose = whose.expect("a kind has it").as_str();
                let said = format!("found {foreign} in a rule of the kind {}; allowed are ", kind.as_str());
                assert_eq!(fault.line, BEFORE + keys.len(), "{fault}");
                assert!(fault.message.starts_with(&said) && fault.mend.contains("remove this line"), "{fault}");
                assert!(fault.mend.contains(&format!("{whose:?}")), "{fault}");
            }
            let fault = parse(&(of_kind(kind, &all) + "limit = 3\n")).expect_err("a key of no kind");
            assert!(fault.line == BEFORE + all.len() + 1 && fault.message.contains("unknown field `limit`"), "{fault}");
        }
    }

    #[test]
    fn an_override_changes_what_its_kind_has() {
        let over = "[[override]]\nrule = \"x\"\nwhy = \"y\"\nscope = { places = [\"z\"] }\n";
        for kind in RuleKind::ALL {
            let rule = of_kind(kind, kind.descriptor().required);
            for (key, value) in VALUES.iter().filter(|(key, _)| ["raise", "clear", "for", "approved"].contains(key)) {
                let result = parse(&format!("{rule}{over}{key} = {value}\n"));
                if kind.descriptor().overridable.contains(key) {
                    assert!(result.is_ok(), "{kind:?} {key}");
                    continue;
                }
                let fault = result.expect_err("not of this kind");
                let line = rule.lines().count() + over.lines().count() + 1;
                let said = format!("found {key} for a rule of the kind {}; allowed are ", kind.as_str());
                assert!(fault.line == line && fault.message.starts_with(&said), "{fault}");
            }
        }
        let stuck = of_kind(RuleKind::Stuck, &["metric", "for"]);
        let set = parse(&format!("{stuck}{over}for = \"2h\"\n")).unwrap_or_else(|e| panic!("{e}"));
        let seconds = set.rules().iter().map(|rule| match &rule.condition {
            RuleCondition::Number(number) => (number.raise.number(), number.hold_ms),
            _ => (0.0, 0),
        });
        assert_eq!(seconds.collect::<Vec<_>>(), [(300.0, 0), (7200.0, 0)]);
    }

    #[test]
    fn every_rule_about_an_account_says_whose_only_to_who_may_know() {
        let shipped = Source::built_in("rules.toml", include_str!("../../../../config/rules.toml"));
        let set = RuleSet::parse(&shipped).unwrap_or_else(|fault| panic!("{fault}"));
        let mut about_people = 0;
        for rule in set.rules() {
            let RuleCondition::Number(number) = &rule.condition else { continue };
            let series = format!("{}|lan.nguyen", number.metric.name);
            let mut text = number.raised_reason(&series, 1.0, &[]);
            let named = |text: &Text| text.vi.contains("lan.nguyen") || text.en.contains("lan.nguyen");
            assert_eq!(text.is_personal(), number.metric.is_personal(), "{}", rule.id);
            if number.metric.is_personal() {
                about_people += 1;
                assert!(!named(&text), "{}: {text:?}", rule.id);
                text.open();
                assert!(named(&text), "{}: {text:?}", rule.id);
            }
        }
        assert!(about_people >= 2, "{about_people}");
    }

    #[test]
    fn what_is_read_again_is_the_same_until_something_of_it_changes() {
        for kind in RuleKind::ALL {
            let form = kind.descriptor();
            let all: Vec<&str> = form.required.iter().chain(form.optional).copied().collect();
            let text = of_kind(kind, &all);
            let set = parse(&text).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(set, parse(&text).unwrap_or_else(|e| panic!("{e}")));
            let other = [
                ("{ above = 90 }", "{ above = 91 }"),
                ("{ below = 85 }", "{ below = 84 }"),
                ("\"5m\"", "\"6m\""),
                ("\"10m\"", "\"11m\""),
                ("\"1d\"", "\"2d\""),
                ("true", "false"),
                ("[\"root\"]", "[\"lan\"]"),
            ];
            for (was, is) in other.into_iter().filter(|(was, _)| text.contains(was)) {
                let changed = parse(&text.replace(was, is)).unwrap_or_else(|e| panic!("{e}"));
                assert_ne!(set, changed, "{kind:?} {is}");
            }
        }
    }
}
