//! Coverage: of how many machines it is known that something is in order, against all that should be (articles 5.2, 7, 8.2, 9.2, 13.2).
//!
//! Pure. A machine counts as covered when it reports, told of the matter, no fault of the matter's article is open on it, and every rule of the
//! matter can be judged. Where one cannot, it is counted apart: neither good nor bad.

use std::collections::{BTreeSet, HashMap};

use ioc_judge::{RuleKind, RuleSet};

/// What the store knows of the matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
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
    /// Of computers that are heard now, the metrics whose newest value is not known, by device.
    pub unknown: HashMap<u64, BTreeSet<String>>,
    /// Of computers that are heard now, the surveys that could not be made, by device.
    pub failed: HashMap<u64, BTreeSet<String>>,
}

/// How far one matter is covered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// Name of the matter.
    pub name: &'static str,
    /// Machines on which it is in order.
    pub covered: u64,
    /// Neither in order nor not: it reports, nothing is known to be wrong, and a rule of the matter cannot be judged.
    pub unknown: u64,
    /// Machines that it is asked of.
    pub of: u64,
}

impl Coverage {
    /// The share that is covered, percent; all when there is nothing to cover.
    #[must_use]
    pub fn percent(&self) -> u64 {
        (self.covered * 100).checked_div(self.of).unwrap_or(100)
    }
}

/// The matters: name, the document that tells of it, and the beginnings of the articles whose faults speak against it.
pub const MATTERS: [(&str, &str, &[&str]); 4] = [
    ("antivirus", "antivirus", &["8.2"]),
    ("patches", "patches", &["9.2"]),
    ("backups", "backups", &["7"]),
    ("passwords", "accounts", &["13", "17.2"]),
];

/// How far everything is covered, reporting first.
#[must_use]
pub fn of(facts: &Facts, rules: &RuleSet) -> Vec<Coverage> {
    let mut all = vec![Coverage { name: "reporting", covered: facts.live, unknown: 0, of: facts.devices }];
    for (name, document, _) in MATTERS {
        let against = rules_against(name, rules);
        let faulty: BTreeSet<u64> =
            facts.faults.iter().filter(|(rule, _)| against.contains(rule)).map(|(_, device)| *device).collect();
        let blind = blind(name, facts, rules);
        let surveyed = facts.documents.get(document);
        let covered = surveyed
            .map_or(0, |surveyed| surveyed.difference(&faulty).filter(|one| !blind.contains(*one)).count())
            as u64;
        let unknown = blind.difference(&faulty).count() as u64;
        all.push(Coverage { name, covered, unknown, of: facts.computers });
    }
    all
}

/// The computers on which a rule of a matter cannot be judged.
#[must_use]
pub fn blind(matter: &str, facts: &Facts, rules: &RuleSet) -> BTreeSet<u64> {
    let against = rules_against(matter, rules);
    let document = MATTERS.into_iter().find(|(name, ..)| *name == matter).map_or("", |(_, document, _)| document);
    let metrics: BTreeSet<&str> = rules
        .rules()
        .iter()
        .filter(|rule| against.contains(&rule.id))
        .filter_map(|rule| match &rule.kind {
            RuleKind::Threshold(threshold) => Some(threshold.metric.name),
            RuleKind::Document(_) | RuleKind::Silent | RuleKind::Budget => None,
        })
        .collect();
    let unknown = facts.unknown.iter().filter(|(_, unknown)| unknown.iter().any(|one| metrics.contains(one.as_str())));
    let failed = facts.failed.iter().filter(|(_, failed)| failed.contains(document));
    unknown.map(|(device, _)| *device).chain(failed.map(|(device, _)| *device)).collect()
}

/// The rules whose faults speak against a matter.
#[must_use]
pub fn rules_against(matter: &str, rules: &RuleSet) -> Vec<String> {
    let articles = MATTERS.into_iter().find(|(name, ..)| *name == matter).map_or(&[][..], |(_, _, articles)| articles);
    let against = |article: &str| articles.iter().any(|of| is_under(article, of));
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

    #[test]
    fn a_machine_is_covered_when_it_told_and_nothing_speaks_against_it() {
        let rules = Source::built_in("rules.toml", include_str!("../../../config/rules.toml"));
        let rules = RuleSet::parse(&rules).unwrap_or_else(|e| panic!("{e}"));
        let documents = [("antivirus", vec![1, 2, 3]), ("accounts", vec![1])];
        let facts = Facts {
            devices: 6,
            live: 5,
            computers: 4,
            documents: documents.map(|(name, of)| (name.to_owned(), of.into_iter().collect())).into(),
            faults: vec![("malware-found".into(), 2), ("disk-nearly-full".into(), 1), ("password-old".into(), 1)],
            // What is bad is bad, whatever else is not known of it.
            unknown: [(3, ["av.running".to_owned()].into()), (2, ["av.running".to_owned()].into())].into(),
            failed: [(4, ["backups".to_owned()].into())].into(),
        };
        let found: Vec<(&str, u64, u64, u64)> =
            of(&facts, &rules).iter().map(|one| (one.name, one.covered, one.unknown, one.of)).collect();
        assert_eq!(
            found,
            [
                ("reporting", 5, 0, 6),
                ("antivirus", 1, 1, 4),
                ("patches", 0, 0, 4),
                ("backups", 0, 1, 4),
                ("passwords", 0, 0, 4)
            ]
        );
        assert!(is_under("7.1", "7") && is_under("7", "7") && !is_under("17.2", "1") && !is_under("72", "7"));
        assert_eq!(Coverage { name: "x", covered: 0, unknown: 0, of: 0 }.percent(), 100);
    }
}
