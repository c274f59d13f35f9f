//! The duty plan (*lịch trực*): who can be reached how, who is on duty when, and who is told next when nobody takes an incident.
//!
//! Read from `config/duty.toml` by [`Plan::parse`]; what changes from day to day (someone stands in for someone else) is [`Cover`], kept in
//! the store. Everything here is pure: the moment is an argument, the time zone is data.

pub mod calendar;
pub mod changes;
pub mod foretold;
mod form;
pub mod month;
pub mod public_holidays;
#[cfg(test)]
mod tests;
pub mod written;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::language::Language;

use crate::device::DeviceInfo;
use crate::local_time;
use crate::scope::Scope;
use crate::severity::{Priority, Severity};

/// The duty plan, checked: every name in it is known.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Plan {
    /// The site's time zone.
    pub zone: TimeZone,
    pub people: Vec<DutyPerson>,
    pub teams: Vec<Team>,
    pub rotas: Vec<Rota>,
    /// Escalation policies, by name.
    pub policies: Vec<Policy>,
    /// Which incident goes by which policy; the first that fits.
    pub routes: Vec<Route>,
    /// Deadlines by priority, P1 first.
    pub deadlines: [Deadlines; 4],
    /// The responsible department (article 17.4): its name, and the people whose contacts reach it.
    pub regulator: Option<Department>,
}

/// A person who can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct DutyPerson {
    pub id: String,
    /// Name, as it stands in the devices' *officer* and *leader*, too.
    pub name: String,
    /// The account with which they sign in: what they ask and answer on pages is theirs.
    pub account: String,
    /// Language of notices.
    pub language: Language,
    /// How they are reached, in this order.
    pub contacts: Vec<Contact>,
    /// When they are left alone.
    pub quiet: Option<QuietHours>,
}

/// A way to reach a person.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Contact {
    pub channel: String,
    /// The address on it.
    pub address: String,
    /// Nothing below this comes this way.
    pub min_severity: Severity,
}

/// Hours in which a person is told only what is bad enough; the rest waits until they are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    /// From, local time of the site.
    pub from: Time,
    /// Until; before `from` when it runs over midnight.
    pub until: Time,
    /// From this severity on it is told at once.
    pub except: Severity,
}

/// People who belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Team {
    pub id: String,
    pub members: Vec<String>,
}

/// Who is on duty when.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Rota {
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The time zone in which its shifts change.
    pub zone: TimeZone,
    /// Its layers; a later one goes before an earlier one while it has someone.
    pub layers: Vec<Layer>,
    /// Days on which others are on duty.
    pub holidays: Vec<Holiday>,
}

/// People who take turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// People by key, who take turns in this order.
    pub people: Vec<String>,
    /// The first hand-over, local time; all others are at the same time of day, whatever clocks do.
    pub start: DateTime,
    /// Days of a turn.
    pub turn_days: i64,
    /// Only from this time of day …
    pub from: Time,
    /// … until this one; the same means all day.
    pub until: Time,
    /// Only on these days, 1 Monday to 7 Sunday; empty means all.
    pub days: Vec<i8>,
}

/// A day on which others are on duty.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Holiday {
    /// The day, by the rota's clock.
    pub date: Date,
    pub people: Vec<String>,
}

/// What is done until someone takes an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Policy {
    pub id: String,
    pub steps: Vec<EscalationStep>,
    /// How often all steps are gone through again.
    pub repeat: u32,
}

/// A step of an escalation policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscalationStep {
    /// How long after the step before, or after the incident opened, milliseconds.
    pub after_ms: i64,
    /// Everyone who is notified in this step.
    pub to: Vec<EscalationTarget>,
}

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EscalationTarget {
    /// Whoever is on duty.
    Rota(String),
    /// Everyone of a team.
    Team(String),
    /// A person, by key.
    Person(String),
    /// The device's responsible officer.
    Officer,
    /// The device's responsible leader (article 6.2).
    Leader,
}

impl std::fmt::Display for EscalationTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rota(id) => write!(f, "rota:{id}"),
            Self::Team(id) => write!(f, "team:{id}"),
            Self::Person(id) => write!(f, "person:{id}"),
            Self::Officer => f.write_str("officer"),
            Self::Leader => f.write_str("leader"),
        }
    }
}

/// Which incidents go by which policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The escalation policy, by name.
    pub policy: String,
    /// From this severity on.
    pub min_severity: Severity,
    /// For which devices. Incidents of the centre as a whole go by routes that are for all.
    pub scope: Scope,
}

/// Within which time an incident is to be taken and to be resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// To be taken, milliseconds.
    pub acknowledge_ms: i64,
    /// To be resolved, milliseconds.
    pub resolve_ms: i64,
}

/// A department that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Department {
    pub name: String,
    /// Whose contacts reach it.
    pub people: Vec<String>,
}

/// Someone stands in on a rota for whoever would be on duty.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cover {
    /// Its number, unique among covers.
    pub id: u64,
    /// The rota, by key.
    pub rota: String,
    /// Who stands in: a person's key.
    pub person: String,
    pub from: Timestamp,
    pub until: Timestamp,
    /// Who wrote it down.
    pub who: String,
    /// The reason; may be empty.
    pub note: String,
}

/// Someone to be told, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Recipient {
    pub person: String,
    /// Language of the notice.
    pub language: Language,
    pub channel: String,
    /// The address on it.
    pub address: String,
    /// Not before this: they are to be left alone until then.
    pub not_before: Option<Timestamp>,
}

/// An escalation that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// The escalation policy, by name.
    pub policy: String,
    /// The round, from 0.
    pub round: u32,
    /// The step that is due next.
    pub step: usize,
    /// When the next step is due.
    pub due_at: Timestamp,
}

impl Escalation {
    /// The beginning of a policy at `now`.
    #[must_use]
    pub fn begin(policy: &Policy, now: Timestamp) -> Option<Self> {
        let first = policy.steps.first()?;
        Some(Self { policy: policy.id.clone(), round: 0, step: 0, due_at: now.plus_millis(first.after_ms) })
    }

    /// What follows the step that was just taken; none when the policy is gone through.
    #[must_use]
    pub fn next(&self, policy: &Policy, now: Timestamp) -> Option<Self> {
        let (round, step) = match self.step + 1 {
            step if step < policy.steps.len() => (self.round, step),
            _ if self.round < policy.repeat => (self.round + 1, 0),
            _ => return None,
        };
        // A round that begins with "at once" does not follow the last step at once.
        let wait = match policy.steps.get(step)?.after_ms {
            0 if step == 0 => policy.steps.last().map_or(0, |last| last.after_ms).max(REPEAT_MIN_MS),
            after => after,
        };
        Some(Self { policy: self.policy.clone(), round, step, due_at: now.plus_millis(wait) })
    }

    /// What follows the step that was just taken, and whether that reached anybody: after one that did not, the next follows at once. An empty rota
    /// must not make anyone wait.
    #[must_use]
    pub fn after(&self, policy: &Policy, now: Timestamp, is_reached: bool) -> Option<Self> {
        let next = self.next(policy, now)?;
        Some(if is_reached { next } else { Self { due_at: next.due_at.min(now), ..next } })
    }
}

/// The shortest wait before a policy is gone through again, milliseconds.
const REPEAT_MIN_MS: i64 = 60_000;

impl Default for Plan {
    fn default() -> Self {
        let minutes = |acknowledge: i64, resolve: i64| Deadlines {
            acknowledge_ms: acknowledge * 60_000,
            resolve_ms: resolve * 60_000,
        };
        Self {
            zone: TimeZone::UTC,
            people: Vec::new(),
            teams: Vec::new(),
            rotas: Vec::new(),
            policies: Vec::new(),
            routes: Vec::new(),
            deadlines: [minutes(5, 240), minutes(15, 480), minutes(60, 1440), minutes(240, 4320)],
            regulator: None,
        }
    }
}

impl Plan {
    /// The person with this identifier or name.
    #[must_use]
    pub fn person(&self, name: &str) -> Option<&DutyPerson> {
        self.people.iter().find(|one| one.id == name || (!name.is_empty() && one.name == name))
    }

    /// The person whose account this is.
    #[must_use]
    pub fn person_of_account(&self, account: &str) -> Option<&DutyPerson> {
        self.people.iter().find(|one| one.account == account)
    }

    /// The rota with this identifier.
    #[must_use]
    pub fn rota(&self, id: &str) -> Option<&Rota> {
        self.rotas.iter().find(|one| one.id == id)
    }

    /// The policy with this identifier.
    #[must_use]
    pub fn policy(&self, id: &str) -> Option<&Policy> {
        self.policies.iter().find(|one| one.id == id)
    }

    /// The policy for an incident of this severity on this device.
    #[must_use]
    pub fn policy_for(&self, severity: Severity, device: Option<&DeviceInfo>) -> Option<&Policy> {
        let fits = |route: &&Route| {
            let covered = match device {
                Some(info) => route.scope.covers(info),
                None => route.scope == Scope::default(),
            };
            severity >= route.min_severity && covered
        };
        self.routes.iter().find(fits).and_then(|route| self.policy(&route.policy))
    }

    /// The deadlines of a priority.
    #[must_use]
    pub const fn deadlines_of(&self, priority: Priority) -> Deadlines {
        self.deadlines[priority as usize]
    }

    /// Everyone a target means at `now`, by identifier.
    #[must_use]
    pub fn people_of(
        &self,
        target: &EscalationTarget,
        device: Option<&DeviceInfo>,
        covers: &[Cover],
        now: Timestamp,
    ) -> Vec<String> {
        let named = |name: Option<&String>| {
            name.and_then(|name| self.person(name)).map(|one| one.id.clone()).into_iter().collect()
        };
        match target {
            EscalationTarget::Rota(id) => {
                self.rota(id).map(|rota| calendar::on_duty(rota, covers, now)).unwrap_or_default()
            }
            EscalationTarget::Team(id) => {
                self.teams.iter().find(|team| team.id == *id).map(|team| team.members.clone()).unwrap_or_default()
            }
            EscalationTarget::Person(id) => named(Some(id)),
            EscalationTarget::Officer => named(device.map(|info| &info.officer)),
            EscalationTarget::Leader => named(device.map(|info| &info.leader)),
        }
    }

    /// How these people are reached at `now` with something of this severity. A person without a way that carries it is left out.
    #[must_use]
    pub fn recipients(&self, people: &[String], severity: Severity, now: Timestamp) -> Vec<Recipient> {
        let mut found: Vec<Recipient> = Vec::new();
        for person in people.iter().filter_map(|id| self.person(id)) {
            let not_before = person.quiet.and_then(|quiet| quiet.over_at(&self.zone, severity, now));
            for contact in person.contacts.iter().filter(|contact| severity >= contact.min_severity) {
                let same = |one: &Recipient| one.channel == contact.channel && one.address == contact.address;
                if !found.iter().any(same) {
                    found.push(Recipient {
                        person: person.id.clone(),
                        language: person.language,
                        channel: contact.channel.clone(),
                        address: contact.address.clone(),
                        not_before,
                    });
                }
            }
        }
        found
    }
}

impl QuietHours {
    /// When the quiet hours are over, if something of this severity must wait for that.
    fn over_at(self, zone: &TimeZone, severity: Severity, now: Timestamp) -> Option<Timestamp> {
        if severity >= self.except {
            return None;
        }
        local_time::stretch(self.from, self.until, now, zone).map(|(_, over)| over)
    }
}
