//! One pass over the faults that were there in the two periods.

use std::collections::{BTreeMap, HashMap};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::{Fault, RuleCondition};
use ioc_store::{FaultQuery, StoreError};

use super::{BEFORE, Gathering, NOW};

/// Faults in one page.
const PAGE: usize = 1000;
/// Stretches in which devices were silent, or power was out, that are kept: what is beyond is counted and not measured.
const STRETCHES_MAX: usize = 200_000;
/// What a UPS says while the mains are out.
const ON_BATTERY: &str = "ups.on_battery";

/// How many faults began in a period, and how many of them are over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) found: u64,
    pub(super) over: u64,
}

/// What the faults say.
#[derive(Debug, Default)]
pub(super) struct FaultFacts {
    /// By the article of the rule, of both periods.
    by_article: BTreeMap<String, [Tally; 2]>,
    /// When devices were silent.
    pub(super) silent: HashMap<DeviceId, Vec<(Timestamp, Timestamp)>>,
    /// When UPS ran on their batteries.
    pub(super) power: Vec<(Timestamp, Timestamp)>,
    /// There were more stretches than are kept.
    pub(super) cut: bool,
    /// Faults by rule that are open now.
    pub(super) open: BTreeMap<String, u64>,
}

/// What a rule is about, as far as a report asks.
struct Meaning {
    article: String,
    silent: bool,
    power: bool,
}

impl FaultFacts {
    pub(super) fn read(of: &Gathering<'_>) -> Result<Self, StoreError> {
        let meaning = |rule: &ioc_judge::Rule| Meaning {
            article: rule.article.clone(),
            silent: rule.condition == RuleCondition::Silent,
            power: matches!(&rule.condition, RuleCondition::Number(of) if of.metric.name == ON_BATTERY),
        };
        let rules: HashMap<&str, Meaning> =
            of.asked.rules.rules().iter().map(|rule| (rule.id.as_str(), meaning(rule))).collect();
        let mut facts = Self::default();
        let mut kept = 0;
        let during = Some((of.periods[BEFORE].from, of.periods[NOW].until));
        let mut query = FaultQuery { during, ..FaultQuery::default() };
        loop {
            let page = of.reader.faults(&query, PAGE)?;
            for fault in &page {
                if let Some(meaning) = rules.get(fault.rule.as_str()) {
                    facts.take(of, fault, meaning, &mut kept);
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => query.before = Some(last.id.0),
                _ => return Ok(facts),
            }
        }
    }

    fn take(&mut self, of: &Gathering<'_>, fault: &Fault, meaning: &Meaning, kept: &mut usize) {
        let tallies = self.by_article.entry(meaning.article.clone()).or_default();
        for (period, tally) in of.periods.iter().zip(tallies) {
            if period.holds(fault.raised_at) {
                tally.found += 1;
                tally.over += u64::from(!fault.state.is_open());
            }
        }
        if fault.state.is_open() {
            *self.open.entry(fault.rule.clone()).or_default() += 1;
        }
        if !meaning.silent && !meaning.power {
            return;
        }
        if *kept >= STRETCHES_MAX {
            self.cut = true;
            return;
        }
        *kept += 1;
        // What is open goes on; what ended at no known moment had no length that is known.
        let end = if fault.state.is_open() { of.asked.now } else { fault.cleared_at.unwrap_or(fault.raised_at) };
        let stretch = (fault.raised_at, end);
        if meaning.power {
            self.power.push(stretch);
        } else {
            self.silent.entry(fault.device.clone()).or_default().push(stretch);
        }
    }

    /// Faults of an article with what is under it, in both periods: `5.1` has `5.1b`.
    pub(super) fn of(&self, articles: &[&str]) -> [Tally; 2] {
        let mut sum = [Tally::default(); 2];
        for (_, tallies) in self.by_article.iter().filter(|(article, _)| articles.contains(&article.as_str())) {
            for (sum, tally) in sum.iter_mut().zip(tallies) {
                sum.found += tally.found;
                sum.over += tally.over;
            }
        }
        sum
    }

    /// Open faults of these rules.
    pub(super) fn open_of(&self, rules: &[&str]) -> u64 {
        rules.iter().filter_map(|rule| self.open.get(*rule)).sum()
    }
}
