//! Who would be told of a fault, by the plan as it stands: which route fits and why, which step comes when, whom each reaches by which way, what quiet
//! hours hold back, what reaches nobody.
//!
//! Pure. It goes through the plan as [`crate::State`] does when an incident is opened and nobody takes it: the same functions say which policy fits, who
//! is meant, how they are reached and when the next step is due, and a scenario holds both to the same answer. What is not in the plan is not in it:
//! that the fault is held by maintenance, joined to another incident or flapping.

use ioc_common::clock::Timestamp;

use super::calendar::{self, Origin};
use super::{Contact, Cover, Escalation, EscalationTarget, Plan, Recipient, Route};
use crate::device::DeviceInfo;
use crate::severity::Severity;

/// Steps that are gone through: a plan that repeats has the same ones again.
const STEPS_MAX: usize = 60;

/// Why a route does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// It is for what is worse.
    Severity,
    /// It is for other kinds of devices.
    Kind,
    /// It names other devices.
    Device,
    /// It is for other places.
    Place,
    /// It is for other groups.
    Tag,
}

impl Misfit {
    /// Its name, for the texts of pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Severity => "severity",
            Self::Kind => "kind",
            Self::Device => "device",
            Self::Place => "place",
            Self::Tag => "tag",
        }
    }
}

/// A person whom a step means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldPerson {
    /// Who, by identifier.
    pub person: String,
    /// How they are told, each with until when quiet hours hold it back.
    pub ways: Vec<Recipient>,
    /// Ways of theirs that carry only what is worse.
    pub unused: Vec<Contact>,
}

/// What a target of a step means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldTarget {
    /// The target, as the plan names it.
    pub target: EscalationTarget,
    /// Whom it means then; nobody where a rota has a hole, or the device names no such person.
    pub people: Vec<ToldPerson>,
    /// Why these, where it is a rota.
    pub origin: Option<Origin>,
}

/// A step that would be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldStep {
    /// Its place in the policy, from 1.
    pub number: usize,
    /// The round, from 0.
    pub round: u32,
    /// When.
    pub at: Timestamp,
    /// Whom it means.
    pub targets: Vec<ToldTarget>,
}

impl ToldStep {
    /// Whether it reaches anybody; one that does not is skipped at once.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.targets.iter().flat_map(|target| &target.people).any(|person| !person.ways.is_empty())
    }
}

/// Who would be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foretold {
    /// Routes before the one that fits, each by its place and with why it does not.
    pub passed: Vec<(usize, Misfit)>,
    /// The place of the route that fits.
    pub route: Option<usize>,
    /// Its policy.
    pub policy: Option<String>,
    /// Its steps, in order of time, while nobody takes it.
    pub steps: Vec<ToldStep>,
    /// There are more.
    pub has_more: bool,
    /// The device's responsible leader, who is told at once of a device that is broken (article 6.2), whatever the policy.
    pub leader: Vec<ToldPerson>,
}

/// Why a route does not fit; nothing where it does.
fn misfit(route: &Route, severity: Severity, device: Option<&DeviceInfo>) -> Option<Misfit> {
    if severity < route.min_severity {
        return Some(Misfit::Severity);
    }
    let scope = &route.scope;
    let parts = [
        (Misfit::Kind, crate::Scope { kinds: scope.kinds.clone(), ..crate::Scope::default() }),
        (Misfit::Device, crate::Scope { devices: scope.devices.clone(), ..crate::Scope::default() }),
        (Misfit::Place, crate::Scope { places: scope.places.clone(), ..crate::Scope::default() }),
        (Misfit::Tag, crate::Scope { tags: scope.tags.clone(), ..crate::Scope::default() }),
    ];
    let covers = |part: &crate::Scope| match device {
        Some(info) => part.covers(info),
        None => *part == crate::Scope::default(),
    };
    parts.into_iter().find(|(_, part)| !covers(part)).map(|(why, _)| why)
}

/// Who would be told of a fault of this severity on this device, or of the centre as a whole, that begins at `opened_at` and that nobody takes.
#[must_use]
pub fn foretell(
    plan: &Plan,
    covers: &[Cover],
    device: Option<&DeviceInfo>,
    severity: Severity,
    opened_at: Timestamp,
) -> Foretold {
    let mut passed = Vec::new();
    let mut route = None;
    for (place, one) in plan.routes.iter().enumerate() {
        match misfit(one, severity, device) {
            Some(why) => passed.push((place, why)),
            None => {
                route = Some(place);
                break;
            }
        }
    }
    let person = |id: &String, now: Timestamp| {
        let contacts = plan.person(id).map(|one| one.contacts.as_slice()).unwrap_or_default();
        ToldPerson {
            ways: plan.recipients(std::slice::from_ref(id), severity, now),
            unused: contacts.iter().filter(|contact| severity < contact.min_severity).cloned().collect(),
            person: id.clone(),
        }
    };
    let meant = |target: &EscalationTarget, now: Timestamp| ToldTarget {
        people: plan.people_of(target, device, covers, now).iter().map(|id| person(id, now)).collect(),
        origin: match target {
            EscalationTarget::Rota(id) => plan.rota(id).map(|rota| calendar::duty_at(rota, covers, now).1),
            EscalationTarget::Team(_)
            | EscalationTarget::Person(_)
            | EscalationTarget::Officer
            | EscalationTarget::Leader => None,
        },
        target: target.clone(),
    };
    let policy = plan.policy_for(severity, device);
    let mut next = policy.and_then(|policy| Escalation::begin(policy, opened_at));
    let mut steps: Vec<ToldStep> = Vec::new();
    while let (Some(this), Some(policy)) = (next.clone().filter(|_| steps.len() < STEPS_MAX), policy) {
        let targets = policy.steps.get(this.step).map(|step| step.to.as_slice()).unwrap_or_default();
        let step = ToldStep {
            number: this.step + 1,
            round: this.round,
            at: this.due_at,
            targets: targets.iter().map(|target| meant(target, this.due_at)).collect(),
        };
        next = this.after(policy, this.due_at, step.is_reached());
        steps.push(step);
    }
    Foretold {
        passed,
        route,
        policy: policy.map(|policy| policy.id.clone()),
        steps,
        has_more: next.is_some(),
        leader: meant(&EscalationTarget::Leader, opened_at).people,
    }
}
