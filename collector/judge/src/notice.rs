//! A notice: what to say to people about an incident. Which channels carry it is the collector's matter.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::id::IncidentId;

use crate::device::DeviceInfo;
use crate::duty::Recipient;
use crate::incident::Incident;
use crate::severity::{Priority, Severity};
use crate::text::Text;

/// Why a notice is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// An incident was opened.
    Opened,
    /// It came back after it was resolved.
    Reopened,
    /// The fault is gone.
    Resolved,
    /// It comes and goes; no more notices until it has settled.
    Flapping,
    /// It stands for many devices that failed together: how many, and the worst.
    Storm,
    /// Nobody has taken it yet, so the next are told.
    Escalated,
    /// Someone has given it to the person who is told.
    Assigned,
    /// A deadline has passed.
    Overdue,
    /// The responsible department is told (article 17.4).
    Regulator,
    /// Someone tries whether a channel works.
    Test,
    /// Somebody on duty asks another to take a turn.
    TurnAsked,
    /// What became of such a request.
    TurnAnswered,
}

impl Occasion {
    /// The name used in the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Reopened => "reopened",
            Self::Resolved => "resolved",
            Self::Flapping => "flapping",
            Self::Storm => "storm",
            Self::Escalated => "escalated",
            Self::Assigned => "assigned",
            Self::Overdue => "overdue",
            Self::Regulator => "regulator",
            Self::Test => "test",
            Self::TurnAsked => "turn_asked",
            Self::TurnAnswered => "turn_answered",
        }
    }
}

/// A notice. It carries all that a channel needs, so that a late delivery says what was true when it was decided.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// About which incident. Notices of one incident are paired by this.
    pub incident: IncidentId,
    /// The step of the incident that caused it: incident and step make the idempotency key.
    pub step: u32,
    /// What happened with the incident.
    pub occasion: Occasion,
    pub severity: Severity,
    /// The rule's identifier.
    pub rule: String,
    /// The regulation's article that the rule is for.
    pub article: String,
    /// On which device; none when it is about the centre as a whole.
    pub device: Option<DeviceInfo>,
    /// What is wrong, in a line.
    pub title: Text,
    /// Why it is judged so, with the number.
    pub reason: Text,
    /// What whoever reads it can do now.
    pub advice: Text,
    /// When the incident was opened.
    pub opened_at: Timestamp,
    /// Until when, once resolved.
    pub resolved_at: Option<Timestamp>,
    #[serde(default)]
    pub priority: Priority,
    /// By when someone is to take it.
    #[serde(default)]
    pub acknowledge_by: Option<Timestamp>,
    /// How many devices are concerned.
    #[serde(default)]
    pub affected: u32,
    /// It is about many devices that failed together; the device is the worst of them.
    #[serde(default)]
    pub storm: bool,
    /// Every channel that is for all carries it, too.
    #[serde(skip)]
    pub to_all: bool,
    /// Whom it is for, by the duty plan.
    #[serde(skip)]
    pub to: Vec<Recipient>,
}

impl Notice {
    /// The same without the names of people: it leaves the house, and says where to look.
    #[must_use]
    pub fn without_names(self) -> Self {
        let Self { title, reason, advice, .. } = self;
        let (title, reason, advice) = (title.without_names(), reason.without_names(), advice.without_names());
        Self { title, reason, advice, ..self }
    }

    /// What is said beside all incidents, as a test of a channel is: information, for nobody yet. Its step is the moment, in seconds: no incident has
    /// the number 0, so the moment alone makes the key.
    #[must_use]
    pub fn beside_incidents(occasion: Occasion, title: Text, reason: Text, advice: Text, at: Timestamp) -> Self {
        Self {
            incident: IncidentId(0),
            step: u32::try_from(at.as_secs().rem_euclid(i64::from(u32::MAX))).unwrap_or(0),
            occasion,
            severity: Severity::Info,
            rule: String::new(),
            article: String::new(),
            device: None,
            title,
            reason,
            advice,
            opened_at: at,
            resolved_at: None,
            priority: Priority::P4,
            acknowledge_by: None,
            affected: 0,
            storm: false,
            to_all: false,
            to: Vec::new(),
        }
    }

    /// What an incident says of itself as it now is, for nobody yet.
    #[must_use]
    pub fn about(incident: &Incident, device: Option<DeviceInfo>, occasion: Occasion, reason: Text) -> Self {
        Self {
            incident: incident.id,
            step: incident.steps,
            occasion,
            severity: incident.severity,
            rule: incident.rule.clone(),
            article: incident.article.clone(),
            device,
            title: incident.title.clone(),
            reason,
            advice: incident.advice.clone(),
            opened_at: incident.opened_at,
            resolved_at: incident.resolved_at,
            priority: incident.priority,
            acknowledge_by: incident.acknowledge_by,
            affected: incident.progress.affected,
            storm: incident.progress.storm.is_some(),
            to_all: false,
            to: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_the_house_has_no_names_with_it_not_even_beside_its_words() {
        let named = || Text::personal(("Mới có: lan.", "New: lan."), ("Mới có: 1 tên.", "New: 1 name."));
        let notice = Notice {
            incident: IncidentId(1),
            step: 1,
            occasion: Occasion::Opened,
            severity: Severity::Warning,
            rule: String::new(),
            article: String::new(),
            device: None,
            title: named(),
            reason: named(),
            advice: named(),
            opened_at: Timestamp::MIN,
            resolved_at: None,
            priority: Priority::P4,
            acknowledge_by: None,
            affected: 0,
            storm: false,
            to_all: false,
            to: Vec::new(),
        };
        let sealed = notice.without_names();
        let written = crate::text::kept(|| serde_json::to_string(&sealed)).expect("written");
        assert!(!written.contains("lan") && written.contains("1 name"), "{written}");
    }
}
