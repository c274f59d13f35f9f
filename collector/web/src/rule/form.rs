//! What people type of a rule, as the text of the part *Rules*: how it is different, for all or for some, or a rule of their own. Pure.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::config::{TomlTable, TomlValue, to_text};
use ioc_engine::config::PartInForce;
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_judge::rule::number::Limit;
use ioc_judge::{Rule, RuleCondition, Scope};

/// For whom a rule can be, or be different.
pub(super) const WHOMS: [&str; 5] = ["all", "place", "kind", "tag", "device"];
/// How severe it can be, the worst first.
pub(super) const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

/// How a rule is to be different, as it is typed; what is empty stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct RuleForm {
    /// For whom: `all`, `kind`, `place`, `tag` or `device`.
    pub(super) whom: String,
    /// Which kind, place, tag or device.
    pub(super) which: String,
    pub(super) severity: String,
    pub(super) raise: String,
    pub(super) clear: String,
    /// How long it must last, such as `5m`.
    pub(super) hold: String,
    /// It is switched off.
    pub(super) off: String,
    /// Until when, a day and a time of the site; without one it stays.
    pub(super) until: String,
    pub(super) advice_vi: String,
    pub(super) advice_en: String,
    pub(super) why: String,
    /// Over how many days it is tried.
    pub(super) days: String,
    /// The version of the part that whoever types has seen.
    pub(super) version: String,
    /// `preview` or `save`.
    pub(super) r#do: String,
}

/// A rule of one's own, as it is typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct NewRuleForm {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) article: String,
    pub(super) severity: String,
    pub(super) whom: String,
    pub(super) which: String,
    pub(super) metric: String,
    /// `above` or `below`.
    pub(super) side: String,
    pub(super) raise: String,
    pub(super) clear: String,
    pub(super) hold: String,
    pub(super) within: String,
    pub(super) ahead: String,
    /// It looks for a fall, not a rise.
    pub(super) fall: String,
    /// Subjects that are left out, one a line.
    pub(super) except: String,
    pub(super) document: String,
    pub(super) path: String,
    /// What is approved, one a line.
    pub(super) approved: String,
    pub(super) title_vi: String,
    pub(super) title_en: String,
    pub(super) advice_vi: String,
    pub(super) advice_en: String,
    pub(super) why: String,
    pub(super) days: String,
    pub(super) version: String,
    pub(super) r#do: String,
}

/// What is typed where nothing can be read from it.
fn unread(field: &'static str, typed: &str, mend: &'static str) -> RefusalReason {
    let english = format!("{field}: found {typed:?}; {mend}");
    RefusalReason::new(
        "rule-refused-field",
        [("field", Word::named("rule-field", field)), ("found", Word::text(typed))],
        english,
    )
}

fn number(field: &'static str, typed: &str) -> Result<TomlValue, RefusalReason> {
    // People write decimals as their language does.
    let written = typed.trim().replace(',', ".");
    let value: f64 = written.parse().map_err(|_| unread(field, typed, "write a number such as 90 or 0.5"))?;
    if !value.is_finite() {
        return Err(unread(field, typed, "write a number such as 90 or 0.5"));
    }
    Ok(if value.fract() == 0.0 && value.abs() < 1e15 {
        TomlValue::Integer(value as i64)
    } else {
        TomlValue::Float(value)
    })
}

fn text(typed: &str) -> TomlValue {
    TomlValue::String(typed.trim().to_owned())
}

fn lines(typed: &str) -> TomlValue {
    TomlValue::Array(typed.lines().map(str::trim).filter(|line| !line.is_empty()).map(text).collect())
}

fn pair(first: (&str, TomlValue), second: Option<(&str, TomlValue)>) -> TomlValue {
    let mut table = TomlTable::new();
    table.insert(first.0.to_owned(), first.1);
    table.extend(second.map(|(key, value)| (key.to_owned(), value)));
    TomlValue::Table(table)
}

/// A moment of the site, as a browser sends a day and a time.
fn moment(typed: &str, zone: &jiff::tz::TimeZone) -> Result<Timestamp, RefusalReason> {
    let bad = || unread("until", typed, "write a day and a time such as 2026-12-31T17:00");
    let here: jiff::civil::DateTime = typed.trim().parse().map_err(|_| bad())?;
    let there = here.to_zoned_datetime(zone.clone()).map_err(|_| bad())?;
    Ok(Timestamp::from_millis(there.timestamp().as_millisecond()))
}

/// For whom something is meant, by what was chosen and typed; nothing for everyone.
fn scope_of(whom: &str, which: &str) -> Result<Option<TomlValue>, RefusalReason> {
    let key = match whom {
        "" | "all" => return Ok(None),
        "kind" => "kinds",
        "place" => "places",
        "tag" => "tags",
        "device" => "devices",
        other => return Err(unread("whom", other, "choose for whom it is")),
    };
    let names: Vec<TomlValue> = which.split(';').map(str::trim).filter(|one| !one.is_empty()).map(text).collect();
    if names.is_empty() {
        return Err(unread("which", which, "say which, several with semicolons between"));
    }
    Ok(Some(pair((key, TomlValue::Array(names)), None)))
}

/// Whom a difference is for, as the form has it.
pub(super) fn whom_of(scope: &Scope) -> (&'static str, String) {
    let kinds: Vec<String> = scope.kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    let all = [("kind", &kinds), ("place", &scope.places), ("tag", &scope.tags), ("device", &scope.devices)];
    all.into_iter()
        .find(|(_, names)| !names.is_empty())
        .map_or(("all", String::new()), |(whom, names)| (whom, names.join("; ")))
}

/// The text of the rules as a table, to be changed; what is shipped says of itself that it goes on.
fn table_of(now: &PartInForce) -> TomlTable {
    now.text.parse().unwrap_or_default()
}

/// The tables of this name; none where something else stands there, which no text that was saved has.
fn tables<'t>(table: &'t mut TomlTable, name: &str) -> Option<&'t mut Vec<TomlValue>> {
    table.entry(name).or_insert_with(|| TomlValue::Array(Vec::new())).as_array_mut()
}

fn is_of(value: &TomlValue, key: &str, id: &str) -> bool {
    value.get(key).and_then(TomlValue::as_str) == Some(id)
}

impl RuleForm {
    /// Whether it changes anything.
    pub(super) fn is_empty(&self) -> bool {
        let typed = [&self.severity, &self.raise, &self.clear, &self.hold, &self.off, &self.advice_vi, &self.advice_en];
        typed.into_iter().all(|one| one.trim().is_empty())
    }

    /// What it says of the rule, as the keys of a difference; without for whom.
    fn keys(&self, rule: &Rule, zone: &jiff::tz::TimeZone) -> Result<TomlTable, RefusalReason> {
        let mut keys = TomlTable::new();
        let mut put = |key: &str, value: TomlValue| drop(keys.insert(key.to_owned(), value));
        if !self.severity.is_empty() {
            put("severity", text(&self.severity));
        }
        if let RuleCondition::Number(condition) = &rule.condition {
            let (up, down) = match condition.raise {
                Limit::Above(_) => ("above", "below"),
                Limit::Below(_) => ("below", "above"),
            };
            if !self.raise.trim().is_empty() {
                put("raise", pair((up, number("raise", &self.raise)?), None));
            }
            if !self.clear.trim().is_empty() {
                put("clear", pair((down, number("clear", &self.clear)?), None));
            }
        }
        if !self.hold.trim().is_empty() {
            put("for", text(&self.hold));
        }
        match (self.advice_vi.trim(), self.advice_en.trim()) {
            ("", "") => {}
            ("", _) | (_, "") => return Err(unread("advice", "", "write the advice in both languages, or in none")),
            (vi, en) => put("advice", pair(("vi", text(vi)), Some(("en", text(en))))),
        }
        if !self.off.is_empty() {
            put("off", TomlValue::Boolean(true));
        }
        if !self.until.trim().is_empty() {
            put("until", text(&moment(&self.until, zone)?.to_string()));
        }
        Ok(keys)
    }

    /// The text of the part with this difference: in place of one for the same, if there is one.
    ///
    /// # Errors
    /// [`RefusalReason`] at what cannot be read. Whether the text holds is for whoever reads it.
    pub(super) fn text_with(
        &self,
        now: &PartInForce,
        rule: &Rule,
        zone: &jiff::tz::TimeZone,
    ) -> Result<String, RefusalReason> {
        let (scope, keys) = (scope_of(&self.whom, &self.which)?, self.keys(rule, zone)?);
        let mut table = table_of(now);
        let own = tables(&mut table, "rule").and_then(|all| all.iter_mut().find(|one| is_of(one, "id", &rule.id)));
        // A rule that stands in the same text is changed itself, unless it is for a while.
        if let (None, false, Some(TomlValue::Table(own))) =
            (&scope, keys.contains_key("until") || keys.contains_key("off"), own)
        {
            own.extend(keys);
            return Ok(written(table));
        }
        let mut one = TomlTable::new();
        one.insert("rule".to_owned(), text(&rule.id));
        one.insert("why".to_owned(), text(&self.why));
        one.extend(scope.clone().map(|scope| ("scope".to_owned(), scope)));
        one.extend(keys);
        if let Some(all) = tables(&mut table, "override") {
            let is_same =
                |other: &&mut TomlValue| is_of(other, "rule", &rule.id) && other.get("scope") == scope.as_ref();
            match all.iter_mut().find(is_same) {
                Some(place) => *place = TomlValue::Table(one),
                None => all.push(TomlValue::Table(one)),
            }
        }
        Ok(written(table))
    }
}

/// The text of the part without a difference of a rule: the one of this number among those of the rule.
pub(super) fn text_without(now: &PartInForce, rule: &str, number: usize) -> String {
    let mut table = table_of(now);
    if let Some(all) = tables(&mut table, "override") {
        let mut places = (0..all.len()).filter(|place| all.get(*place).is_some_and(|one| is_of(one, "rule", rule)));
        if let Some(place) = places.nth(number) {
            all.remove(place);
        }
    }
    written(table)
}

/// The text of the part without a rule of one's own, and without its differences.
pub(super) fn text_without_rule(now: &PartInForce, rule: &str) -> String {
    let mut table = table_of(now);
    for (name, key) in [("rule", "id"), ("override", "rule")] {
        if let Some(all) = tables(&mut table, name) {
            all.retain(|one| !is_of(one, key, rule));
        }
    }
    written(table)
}

/// Whether a rule stands in the text itself, and is not a shipped one.
pub(super) fn is_own(now: &PartInForce, rule: &str) -> bool {
    tables(&mut table_of(now), "rule").is_some_and(|all| all.iter().any(|one| is_of(one, "id", rule)))
}

fn written(mut table: TomlTable) -> String {
    table.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
    to_text(&table)
}

impl NewRuleForm {
    /// The text of the part with this rule.
    ///
    /// # Errors
    /// [`RefusalReason`] at what cannot be read. Whether the text holds is for whoever reads it.
    pub(super) fn text_with(&self, now: &PartInForce) -> Result<String, RefusalReason> {
        let mut rule = TomlTable::new();
        let mut put = |key: &str, value: TomlValue| drop(rule.insert(key.to_owned(), value));
        put("id", text(&self.id));
        put("kind", text(&self.kind));
        put("article", text(&self.article));
        put("severity", text(&self.severity));
        if let Some(scope) = scope_of(&self.whom, &self.which)? {
            put("scope", scope);
        }
        let (up, down) = if self.side == "below" { ("below", "above") } else { ("above", "below") };
        let kind = ioc_judge::RuleKind::ALL.into_iter().find(|kind| kind.as_str() == self.kind);
        let kind = kind.ok_or_else(|| unread("kind", &self.kind, "choose a kind"))?;
        let (required, optional) = kind.own_keys();
        for key in required.iter().chain(optional) {
            let value = match *key {
                "metric" => text(&self.metric),
                "raise" => pair((up, number("raise", &self.raise)?), None),
                "clear" => pair((down, number("clear", &self.clear)?), None),
                "for" if !self.hold.trim().is_empty() => text(&self.hold),
                "within" if !self.within.trim().is_empty() => text(&self.within),
                "ahead" if !self.ahead.trim().is_empty() => text(&self.ahead),
                "fall" if !self.fall.is_empty() => TomlValue::Boolean(true),
                "except" if !self.except.trim().is_empty() => lines(&self.except),
                "document" => text(&self.document),
                "path" => text(&self.path),
                "approved" => lines(&self.approved),
                _ => continue,
            };
            put(key, value);
        }
        put("title", pair(("vi", text(&self.title_vi)), Some(("en", text(&self.title_en)))));
        put("advice", pair(("vi", text(&self.advice_vi)), Some(("en", text(&self.advice_en)))));
        let mut table = table_of(now);
        if let Some(all) = tables(&mut table, "rule") {
            all.push(TomlValue::Table(rule));
        }
        Ok(written(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::config::Source;
    use ioc_engine::config::{DEFAULT_RULES, PartHolder};
    use ioc_judge::RuleSet;
    use ioc_store::configuration::Part;

    fn part(holder: PartHolder, text: &str) -> PartInForce {
        PartInForce { part: Part::Rules, holder, version: 0, text: text.to_owned(), left_out: None }
    }

    fn read(text: &str) -> RuleSet {
        let shipped = Source::built_in("shipped", DEFAULT_RULES);
        RuleSet::parse_on(&Source::built_in("rules", text), &shipped).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn disk_full() -> Rule {
        read("base = \"shipped\"\n").find("disk-full").cloned().expect("it is shipped")
    }

    const SHIPPED: &str = "base = \"shipped\"\n";
    const ZONE: jiff::tz::TimeZone = jiff::tz::TimeZone::UTC;

    #[test]
    fn a_shipped_rule_is_changed_for_all_and_for_some_and_as_it_was_again() {
        let form = RuleForm { raise: "97,5".into(), why: "ổ lớn".into(), ..RuleForm::default() };
        let first = form.text_with(&part(PartHolder::Shipped, SHIPPED), &disk_full(), &ZONE).expect("it can be read");
        let set = read(&first);
        assert!(set.rules().len() > 50, "what is shipped goes on to hold");
        assert_eq!(
            set.differences("disk-full").map(|one| one.limit().unwrap_or_default()).collect::<Vec<_>>(),
            ["> 97.5 %"]
        );
        // One for a place stands beside it; one more for the place takes its place.
        let stored = part(PartHolder::Stored, &first);
        let there = |off: &str, raise: &str| RuleForm {
            whom: "place".into(),
            which: "Phòng máy; Kho".into(),
            off: off.into(),
            raise: raise.into(),
            until: "2026-12-31T17:00".into(),
            why: "x".into(),
            ..RuleForm::default()
        };
        let second = there("1", "").text_with(&stored, &disk_full(), &ZONE).expect("it can be read");
        let third =
            there("", "99").text_with(&part(PartHolder::Stored, &second), &disk_full(), &ZONE).expect("it can be read");
        let set = read(&third);
        let all: Vec<&Rule> = set.differences("disk-full").collect();
        assert_eq!((all.len(), all[1].off, all[1].scope.places.len()), (2, false, 2), "{third}");
        assert_eq!(all[1].until.map(|at| at.to_string()), Some("2026-12-31T17:00:00.000Z".to_owned()));
        let fourth = text_without(&part(PartHolder::Stored, &third), "disk-full", 0);
        assert_eq!(read(&fourth).differences("disk-full").count(), 1);
        let last = text_without(&part(PartHolder::Stored, &fourth), "disk-full", 0);
        assert_eq!(last.trim(), "base = \"shipped\"");
    }

    #[test]
    fn a_rule_of_ones_own_is_made_changed_and_taken_away() {
        let new = NewRuleForm {
            id: "own-temperature".into(),
            kind: "threshold".into(),
            severity: "warning".into(),
            metric: "env.temperature".into(),
            side: "above".into(),
            raise: "35".into(),
            clear: "32.5".into(),
            hold: "5m".into(),
            title_vi: "Nóng".into(),
            title_en: "Hot".into(),
            advice_vi: "Mở máy lạnh.".into(),
            advice_en: "Cool it.".into(),
            ..NewRuleForm::default()
        };
        let text = new.text_with(&part(PartHolder::Shipped, SHIPPED)).expect("it can be read");
        let now = part(PartHolder::Stored, &text);
        let rule = read(&text).find("own-temperature").cloned().expect("it is there");
        assert!(is_own(&now, "own-temperature") && !is_own(&now, "disk-full"));
        let form = RuleForm { raise: "40".into(), why: "x".into(), ..RuleForm::default() };
        let changed = form.text_with(&now, &rule, &ZONE).expect("it can be read");
        assert_eq!(read(&changed).find("own-temperature").and_then(Rule::limit).unwrap_or_default(), "> 40 °C");
        let gone = text_without_rule(&part(PartHolder::Stored, &changed), "own-temperature");
        assert!(read(&gone).find("own-temperature").is_none());
    }

    #[test]
    fn what_cannot_be_read_names_its_field() {
        let now = part(PartHolder::Shipped, SHIPPED);
        let refused = |form: RuleForm| form.text_with(&now, &disk_full(), &ZONE).expect_err("refused").to_string();
        assert!(refused(RuleForm { raise: "viel".into(), ..RuleForm::default() }).starts_with("raise"));
        assert!(refused(RuleForm { raise: "inf".into(), ..RuleForm::default() }).starts_with("raise"));
        assert!(refused(RuleForm { until: "mai".into(), ..RuleForm::default() }).starts_with("until"));
        assert!(refused(RuleForm { whom: "place".into(), ..RuleForm::default() }).starts_with("which"));
        assert!(refused(RuleForm { advice_vi: "x".into(), ..RuleForm::default() }).starts_with("advice"));
        assert_eq!(
            whom_of(&Scope { places: vec!["a".into(), "b".into()], ..Scope::default() }),
            ("place", "a; b".to_owned())
        );
    }
}
