//! Coverage: of how many machines it is known that something is in order, against all that should be (articles 5.2, 7, 8.2, 9.2, 13.2).
//!
//! Pure. A machine counts as covered when it reports, told of the area, no fault of the area's articles is open on it, and every rule of the area
//! can be judged. Where one cannot, it is counted apart: neither good nor bad. Where no agent looks, a person's word counts for as long as it holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ioc_common::clock::Timestamp;
use ioc_judge::{RuleCondition, RuleSet};

use crate::authenticity::ValueMarks;

/// What the store knows of machines, as far as coverage is computed from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CoverageFacts {
    /// Everything that is registered.
    pub devices: u64,
    /// What of it is heard now.
    pub live: u64,
    /// Servers, workstations and display controllers.
    pub computers: u64,
    /// Documents of computers that are heard now, by name: which devices have one.
    pub documents: HashMap<String, BTreeSet<u64>>,
    /// Open faults: rule and device.
    pub faults: Vec<(String, u64)>,
    /// How far the newest numbers of everything that is registered can be believed.
    pub values: ValueMarks,
    /// Of computers that are heard now, the metrics whose newest value is not known, by device.
    pub unknown: HashMap<u64, BTreeSet<String>>,
    /// Of computers that are heard now, the surveys that could not be made, by device.
    pub failed: HashMap<u64, BTreeSet<String>>,
    /// Computers whose agent never told of an area, by its name, of which a person said that it is in order, and until when that holds.
    pub attested: HashMap<String, BTreeMap<u64, Timestamp>>,
}

/// How far one area is covered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The area's name; [`REPORTING`] for what is heard at all.
    pub name: &'static str,
    /// Machines on which it is in order.
    pub covered: u64,
    /// Machines on which something is known to be wrong.
    pub failing: u64,
    /// Neither in order nor not: it reports, nothing is known to be wrong, and a rule of the area cannot be judged.
    pub unknown: u64,
    /// Machines that it is asked of.
    pub total: u64,
}

impl Coverage {
    /// The share that is covered, percent; all when there is nothing to cover.
    #[must_use]
    pub fn percent(&self) -> u64 {
        (self.covered * 100).checked_div(self.total).unwrap_or(100)
    }

    /// Machines that have not told anything of it: neither good nor bad.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.total.saturating_sub(self.covered + self.failing + self.unknown)
    }

    /// The share on which something is wrong, percent.
    #[must_use]
    pub fn failing_percent(&self) -> u64 {
        (self.failing * 100).checked_div(self.total).unwrap_or(0)
    }

    /// Whether on so many machines something is wrong that it is bad: what was not told yet is no fault, and neither is that numbers come by a
    /// way that proves nothing, which is a property of a site.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.failing_percent() > 20
    }
}

/// An area of which machines must be in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoverageArea {
    /// Its name, on pages and in addresses.
    pub name: &'static str,
    /// The document that tells of it.
    pub document: &'static str,
    /// The articles whose faults speak against it, with what is under them: `7` has `7.1`.
    pub articles: &'static [&'static str],
    /// What speaks against it names people (article 12): a list of it is personal data.
    pub personal: bool,
}

/// The area of what is heard at all: it is asked of everything that is registered, and has no rules.
pub const REPORTING: &str = "reporting";

/// Of numbers, not of machines: how many are verified (article 17.3). It has no rules.
pub const AUTHENTICITY: &str = "authenticity";

/// What coverage is counted of, in the order in which it is shown.
pub const AREAS: [CoverageArea; 4] = [
    CoverageArea { name: "antivirus", document: "antivirus", articles: &["8.2"], personal: false },
    CoverageArea { name: "patches", document: "patches", articles: &["9.2"], personal: false },
    CoverageArea { name: "backups", document: "backups", articles: &["7"], personal: false },
    CoverageArea { name: "passwords", document: "accounts", articles: &["13", "17.2"], personal: true },
];

/// How far everything is covered at a moment, reporting first.
#[must_use]
pub fn compute(facts: &CoverageFacts, rules: &RuleSet, now: Timestamp) -> Vec<Coverage> {
    let silent = facts.devices.saturating_sub(facts.live);
    let mut all =
        vec![Coverage { name: REPORTING, covered: facts.live, failing: silent, unknown: 0, total: facts.devices }];
    for area in AREAS {
        let against = rules_against(area, rules);
        let faulty: BTreeSet<u64> =
            facts.faults.iter().filter(|(rule, _)| against.contains(rule)).map(|(_, device)| *device).collect();
        let unjudged = unjudged_machines(area, facts, rules);
        let surveyed = facts.documents.get(area.document);
        let covered = surveyed
            .map_or(0, |surveyed| surveyed.difference(&faulty).filter(|one| !unjudged.contains(*one)).count())
            + attested_machines(area, facts, now).difference(&faulty).filter(|one| !unjudged.contains(*one)).count();
        let covered = covered as u64;
        let unknown = unjudged.difference(&faulty).count() as u64;
        // Faults of what is no computer, such as a job on another system, are not counted among computers.
        let most = facts.computers.saturating_sub(covered + unknown);
        let failing = (faulty.len() as u64).min(most);
        all.push(Coverage { name: area.name, covered, failing, unknown, total: facts.computers });
    }
    // Where there are no numbers yet there is nothing to say of them.
    if facts.values.total() > 0 {
        let (covered, total) = (facts.values.verified, facts.values.total());
        all.push(Coverage { name: AUTHENTICITY, covered, failing: 0, unknown: 0, total });
    }
    all
}

/// The computers without an agent of which a person's word holds at a moment that an area is in order.
#[must_use]
pub fn attested_machines(area: CoverageArea, facts: &CoverageFacts, now: Timestamp) -> BTreeSet<u64> {
    let attested = facts.attested.get(area.name).into_iter().flatten();
    attested.filter(|(_, until)| **until > now).map(|(device, _)| *device).collect()
}

/// The computers on which a rule of an area cannot be judged, by the numbers of [`CoverageFacts`].
#[must_use]
pub fn unjudged_machines(area: CoverageArea, facts: &CoverageFacts, rules: &RuleSet) -> BTreeSet<u64> {
    let against = rules_against(area, rules);
    let metrics: BTreeSet<&str> = rules
        .rules()
        .iter()
        .filter(|rule| against.contains(&rule.id))
        .filter_map(|rule| match &rule.condition {
            RuleCondition::Number(condition) => Some(condition.metric.name),
            RuleCondition::Document(_) | RuleCondition::Silent | RuleCondition::Budget => None,
        })
        .collect();
    let unknown = facts.unknown.iter().filter(|(_, unknown)| unknown.iter().any(|one| metrics.contains(one.as_str())));
    let failed = facts.failed.iter().filter(|(_, failed)| failed.contains(area.document));
    unknown.map(|(device, _)| *device).chain(failed.map(|(device, _)| *device)).collect()
}

/// The identifiers of the rules whose faults speak against an area.
#[must_use]
pub fn rules_against(area: CoverageArea, rules: &RuleSet) -> Vec<String> {
    let against = |article: &str| area.articles.iter().any(|of| is_under(article, of));
    rules.rules().iter().filter(|rule| against(&rule.article)).map(|rule| rule.id.clone()).collect()
}

/// Whether an article is this one or a part of it: 7.1 is under 7, 17.2 is not under 1.
fn is_under(article: &str, of: &str) -> bool {
    article.strip_prefix(of).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::config::Source;
    use ioc_common::document;

    #[test]
    fn a_machine_is_covered_when_it_told_and_nothing_speaks_against_it() {
        let rules = Source::built_in("rules.toml", include_str!("../../../config/rules.toml"));
        let rules = RuleSet::parse(&rules).unwrap_or_else(|e| panic!("{e}"));
        let (now, later) = (Timestamp::from_millis(10), Timestamp::from_millis(20));
        let documents = [("antivirus", vec![1, 2, 3]), ("accounts", vec![1])];
        let facts = CoverageFacts {
            devices: 6,
            live: 5,
            computers: 4,
            documents: documents.map(|(name, of)| (name.to_owned(), of.into_iter().collect())).into(),
            faults: vec![("malware-found".into(), 2), ("disk-nearly-full".into(), 1), ("password-old".into(), 1)],
            // What is bad is bad, whatever else is not known of it.
            unknown: [(3, ["av.running".to_owned()].into()), (2, ["av.running".to_owned()].into())].into(),
            failed: [(4, ["backups".to_owned()].into())].into(),
            values: ValueMarks::default(),
            // A word that holds counts, one that has ended does not, and none against a fault.
            attested: [("patches".to_owned(), [(4, later), (3, now), (2, later)].into())].into(),
        };
        let parts = |one: &Coverage| (one.name, one.covered, one.failing, one.unknown, one.missing());
        let found: Vec<_> = compute(&facts, &rules, now).iter().map(parts).collect();
        assert_eq!(
            found,
            [
                ("reporting", 5, 1, 0, 0),
                ("antivirus", 1, 1, 1, 1),
                ("patches", 2, 0, 0, 2),
                ("backups", 0, 0, 1, 3),
                ("passwords", 0, 1, 0, 3)
            ]
        );
        // Numbers are counted beside machines, where there are any; few that are verified are no fault.
        let values = ValueMarks { verified: 3, unverified: 6, stale: 1 };
        let counted = compute(&CoverageFacts { values, ..facts }, &rules, now).pop();
        let counted = counted.unwrap_or_else(|| panic!("five areas and the numbers"));
        assert_eq!((counted.name, counted.covered, counted.total, counted.is_bad()), (AUTHENTICITY, 3, 10, false));
        // An area of which a survey tells that is about people as a whole is personal.
        for area in AREAS.into_iter().filter(|area| document::is_of_people(area.document)) {
            assert!(area.personal, "{}", area.name);
        }
        assert!(is_under("7.1", "7") && is_under("7", "7") && !is_under("17.2", "1") && !is_under("72", "7"));
        assert_eq!(Coverage { name: "x", covered: 0, failing: 0, unknown: 0, total: 0 }.percent(), 100);
    }
}
