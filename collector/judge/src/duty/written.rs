//! The duty plan as it is written: every key of its TOML as it stands there, to be changed by forms and written back. What it means is read by
//! [`Plan::parse`](super::Plan::parse) alone, which each text goes through before it is used; a test holds both to the same keys.
//!
//! Comments are not kept: a text that people wrote by hand stays as it was in the versions before.

use serde::{Deserialize, Serialize};

use ioc_common::config::{ConfigError, Source};

use crate::scope::Scope;

fn is_everyone(scope: &Scope) -> bool {
    *scope == Scope::default()
}

/// The plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the names say it")]
pub struct WrittenPlan {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regulator: Option<WrittenRegulator>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub person: Vec<WrittenPerson>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub team: Vec<WrittenTeam>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rota: Vec<WrittenRota>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policy: Vec<WrittenPolicy>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub route: Vec<WrittenRoute>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deadline: Vec<WrittenDeadline>,
}

/// A person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names say it")]
pub struct WrittenPerson {
    pub id: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contact: Vec<WrittenContact>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<WrittenQuiet>,
}

/// A way to reach them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names say it")]
pub struct WrittenContact {
    pub channel: String,
    pub address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_severity: Option<String>,
}

/// When they are left alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names say it")]
pub struct WrittenQuiet {
    pub from: String,
    pub until: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<String>,
}

/// A team.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names say it")]
pub struct WrittenTeam {
    pub id: String,
    pub members: Vec<String>,
}

/// A rota.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names say it")]
pub struct WrittenRota {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    pub layer: Vec<WrittenLayer>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holiday: Vec<WrittenHoliday>,
}

/// People who take turns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names say it")]
pub struct WrittenLayer {
    pub people: Vec<String>,
    pub start: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_days: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<i64>,
}

/// A day on which others are on duty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names say it")]
pub struct WrittenHoliday {
    pub date: String,
    pub people: Vec<String>,
}

/// An escalation policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names say it")]
pub struct WrittenPolicy {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<i64>,
    pub step: Vec<WrittenStep>,
}

/// A step of one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names say it")]
pub struct WrittenStep {
    pub after: String,
    pub to: Vec<String>,
}

/// A route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names say it")]
pub struct WrittenRoute {
    pub policy: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_severity: Option<String>,
    #[serde(default, skip_serializing_if = "is_everyone")]
    pub scope: Scope,
}

/// A deadline.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names say it")]
pub struct WrittenDeadline {
    pub priority: String,
    pub acknowledge: String,
    pub resolve: String,
}

/// The department that is told of an incident (article 17.4).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names say it")]
pub struct WrittenRegulator {
    pub department: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<String>,
}

impl WrittenPlan {
    /// Reads what a text says, whether it holds or not.
    ///
    /// # Errors
    /// [`ConfigError`] with the line where it is no TOML of this form.
    pub fn parse(source: &Source) -> Result<Self, ConfigError> {
        source.parse()
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use ioc_common::config::{TomlTable, to_text};
    use ioc_common::language::Language;

    use super::*;
    use crate::duty::Plan;

    fn text_of(plan: &WrittenPlan) -> String {
        to_text(&TomlTable::try_from(plan).expect("it can be written"))
    }

    /// Every key that there is.
    const WHOLE: &str = r#"
[[person]]
id = "lan"
name = "Nguyễn Thị Lan"
account = "lan.nt"
language = "en"
contact = [{ channel = "sms", address = "+84 \"9\"", min_severity = "critical" }, { channel = "mail", address = "l@x" }]
quiet = { from = "22:00", until = "06:00", except = "warning" }
[[person]]
id = "binh"
name = "Bình"
[[team]]
id = "ops"
members = ["lan", "binh"]
[[rota]]
id = "truc-ban"
name = "Trực ban"
zone = "Europe/Berlin"
[[rota.layer]]
people = ["lan", "binh"]
start = "2026-11-02T07:00"
[[rota.layer]]
people = ["binh"]
start = "2026-11-02T07:00"
turn_days = 3
from = "08:00"
until = "17:15"
days = [1, 2, 3]
[[rota.holiday]]
date = "2027-01-01"
people = ["binh"]
[[policy]]
id = "p"
repeat = 2
step = [{ after = "0s", to = ["rota:truc-ban", "officer"] }, { after = "90s", to = ["team:ops", "leader", "person:lan"] }]
[[route]]
policy = "p"
min_severity = "critical"
scope = { kinds = ["server"], places = ["Phòng máy"], tags = ["core"], devices = ["srv-01"] }
[[route]]
policy = "p"
[[deadline]]
priority = "P1"
acknowledge = "5m"
resolve = "4h"
[regulator]
department = "Sở"
people = ["lan"]
"#;

    fn plan(text: &str) -> Plan {
        let source = Source::built_in("duty.toml", text);
        let plan = Plan::parse(&source, &TimeZone::UTC, Language::Vietnamese, &["sms", "mail", "duty-mail"]);
        plan.unwrap_or_else(|e| panic!("{e}\n{text}"))
    }

    #[test]
    fn what_is_read_and_written_back_is_the_same_plan_with_every_key() {
        for text in [WHOLE, include_str!("../../../../config/duty.toml"), ""] {
            let written = WrittenPlan::parse(&Source::built_in("duty.toml", text)).unwrap_or_else(|e| panic!("{e}"));
            let again = text_of(&written);
            let read = WrittenPlan::parse(&Source::built_in("duty.toml", &again)).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(read, written, "{again}");
            assert_eq!(plan(&again), plan(text), "{again}");
        }
        let again = text_of(&WrittenPlan::parse(&Source::built_in("duty.toml", WHOLE)).expect("read"));
        let value = |text: &str| text.parse::<TomlTable>().expect("TOML");
        assert_eq!(value(&again), value(WHOLE), "no key is lost and none is added");
    }
}
