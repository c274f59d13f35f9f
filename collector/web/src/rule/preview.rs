//! What a rule would have raised in the last days, as it is and as it would be: the history of the devices that it is for, judged by both. Done beside
//! everything else, one at a time, bounded in time: of a large centre, as many devices as there is time for, chosen evenly.

use std::collections::BTreeSet;
use std::sync::Arc;

use ioc_common::clock::{self, Timestamp};
use ioc_common::config::Source;
use ioc_engine::command::CommandError;
use ioc_engine::config::parse_rules;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_engine::replay::{Decision, Replayer};
use ioc_engine::writer::configuration::faulty;
use ioc_judge::{FaultState, RuleCondition, RuleSet};
use ioc_store::configuration::Part;
use ioc_store::inventory::DeviceRecord;
use ioc_store::scope::AccessScope;
use ioc_store::{DeviceQuery, DeviceSort, Reader, StoreError};

use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use crate::report_drafts::{Draft, Kept, Progress};
use crate::rule_previews::{DeviceRaised, PreviewKey, PreviewResult, Raised, WouldRaise};

/// Days that can be asked for.
pub(super) const DAYS: [u32; 4] = [1, 7, 14, 30];
/// Days that are tried unless others are asked for.
const DAYS_USUAL: u32 = 7;
/// How long one preview may take, milliseconds.
const TIME_MAX_MS: u64 = 45_000;
/// Devices of one question to the store.
const PAGE: usize = 500;
/// Devices and faults that are named.
const NAMED_MAX: usize = 20;
const DAY_MS: i64 = 86_400_000;

/// Whether the numbers on record can say what a rule would have raised.
pub(super) fn is_replayed(condition: &RuleCondition) -> bool {
    matches!(condition, RuleCondition::Number(_))
}

/// As many days as can be asked for.
pub(super) fn days_of(typed: &str) -> u32 {
    typed.parse().ok().filter(|days| DAYS.contains(days)).unwrap_or(DAYS_USUAL)
}

/// How far the preview of a rule in a text of the rules has come; it is begun where there is none.
///
/// # Errors
///
/// The text is faulty, or the rule is none that the numbers on record can say anything of.
pub(super) fn look(
    app: &App,
    person: &Person,
    rule: &str,
    days: &str,
    text: String,
) -> Result<Draft<PreviewResult>, CommandError> {
    let after = parse_rules(&Source::built_in(Part::Rules.as_str(), &text)).map_err(|error| faulty(&error))?;
    if !after.find(rule).is_some_and(|rule| is_replayed(&rule.condition)) {
        let english = "what is on record cannot say what a rule of this kind would have raised";
        return Err(RefusalReason::new("rule-refused-not-replayed", [], english).invalid());
    }
    let key = PreviewKey { person: person.name.clone(), rule: rule.to_owned(), days: days_of(days), text };
    if let Some(progress) = app.previews.claim(&key, false, clock::now()) {
        let (app, access, key) = (app.clone(), person.scope.clone(), key.clone());
        let sets = Sets { before: app.config().rules.only(rule), after: after.only(rule) };
        tokio::spawn(async move {
            let kept = match tried(&app, access, sets, key.days, progress).await {
                Ok(result) => Kept::Done(Arc::new(result)),
                Err(problem) => Kept::Failed(Box::new(problem), clock::now()),
            };
            app.previews.keep(key, kept);
        });
    }
    Ok(app.previews.shown(&key))
}

async fn tried(
    app: &App,
    access: AccessScope,
    sets: Sets,
    days: u32,
    progress: Arc<Progress>,
) -> Result<PreviewResult, Problem> {
    let _turn = app.previews.turn.acquire().await;
    let now = app.judged_now();
    app.read(&access, move |reader| sets.tried(reader, (now.plus_millis(-i64::from(days) * DAY_MS), now), &progress))
        .await
}

/// The rule as it is and as it would be; none where it is not there.
struct Sets {
    before: Option<RuleSet>,
    after: Option<RuleSet>,
}

impl Sets {
    /// The metrics that either looks at.
    fn metrics(&self) -> BTreeSet<&'static str> {
        let rules = [&self.before, &self.after].into_iter().flatten().flat_map(RuleSet::rules);
        let of = rules.filter_map(|rule| match &rule.condition {
            RuleCondition::Number(condition) => Some(condition.metric.name),
            RuleCondition::Document(_) | RuleCondition::Silent | RuleCondition::Budget => None,
        });
        of.collect()
    }

    fn tried(
        &self,
        reader: &dyn Reader,
        (from, until): (Timestamp, Timestamp),
        progress: &Progress,
    ) -> Result<PreviewResult, StoreError> {
        let (started, metrics) = (clock::boottime_ms(), self.metrics());
        let devices = self.devices(reader)?;
        let all = u32::try_from(devices.len()).unwrap_or(u32::MAX);
        let mut result = PreviewResult { at: clock::now(), all: devices.len() as u64, ..PreviewResult::default() };
        progress.tell(0, all);
        for (done, record) in evenly(&devices).enumerate() {
            if clock::boottime_ms().saturating_sub(started) > TIME_MAX_MS {
                break;
            }
            // Only what has a number of the kind is judged: for a rule about batteries, a few of many.
            let layout = record.layout.map(|id| reader.layout(id)).transpose()?.flatten();
            let names: Vec<String> = layout
                .map(|layout| {
                    let of = layout.series().iter().filter(|series| metrics.contains(series.metric()));
                    of.map(|series| series.as_str().to_owned()).collect()
                })
                .unwrap_or_default();
            result.judged += 1;
            if !names.is_empty() {
                let judge = |rules: &Option<RuleSet>| -> Result<(u64, Vec<Decision>), StoreError> {
                    let Some(rules) = rules.clone() else { return Ok((0, Vec::new())) };
                    let mut replayer =
                        Replayer::new(rules, record.info.clone(), record.interval_s).of_series(names.clone());
                    replayer.read(reader, from, until)?;
                    let replay = replayer.finish();
                    let raised = replay.decisions.into_iter().filter(|one| one.state == FaultState::Raised);
                    Ok((replay.reports as u64, raised.collect()))
                };
                let ((_, before), (reports, after)) = (judge(&self.before)?, judge(&self.after)?);
                result.count(record, reports, &before, after);
            }
            progress.tell(u32::try_from(done + 1).unwrap_or(u32::MAX), all);
        }
        result.worst.sort_by_key(|one| std::cmp::Reverse((one.after.max(one.before), one.after)));
        result.worst.truncate(NAMED_MAX);
        result.newest.sort_by_key(|one| std::cmp::Reverse(one.at));
        result.newest.truncate(NAMED_MAX);
        Ok(result)
    }

    /// The devices that the rule is for, as it is or as it would be.
    fn devices(&self, reader: &dyn Reader) -> Result<Vec<DeviceRecord>, StoreError> {
        let sets: Vec<&RuleSet> = [&self.before, &self.after].into_iter().flatten().collect();
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let query =
                DeviceQuery { sort: DeviceSort::Id, after: after.take(), limit: PAGE, ..DeviceQuery::default() };
            let page = reader.devices(&query)?;
            let full = page.len() >= PAGE;
            after = page.last().map(|last| last.info.id.to_string());
            found.extend(
                page.into_iter().filter(|one| sets.iter().any(|set| set.for_device(&one.info).next().is_some())),
            );
            if !full {
                return Ok(found);
            }
        }
    }
}

impl PreviewResult {
    fn count(&mut self, record: &DeviceRecord, reports: u64, before: &[Decision], after: Vec<Decision>) {
        self.reports += reports;
        let add = |sum: &mut Raised, found: usize| {
            sum.faults += found as u64;
            sum.devices += u64::from(found > 0);
        };
        add(&mut self.before, before.len());
        add(&mut self.after, after.len());
        if before.is_empty() && after.is_empty() {
            return;
        }
        let (device, name) = (record.info.id.clone(), record.info.name.clone());
        self.worst.push(DeviceRaised { device, name, before: before.len() as u64, after: after.len() as u64 });
        let newest = after.into_iter().rev().take(NAMED_MAX);
        self.newest.extend(newest.map(|one| WouldRaise {
            at: one.at,
            device: record.info.id.clone(),
            reason: one.reason,
        }));
    }
}

/// All of a list, in an order in which any beginning of it stands for the whole.
fn evenly<T>(all: &[T]) -> impl Iterator<Item = &T> {
    // A step that shares no factor with the length comes by each once.
    let length = all.len();
    let step = (length * 618 / 1000..=length).find(|step| *step > 0 && gcd(*step, length.max(1)) == 1).unwrap_or(1);
    (0..length).filter_map(move |place| all.get(place * step % length))
}

const fn gcd(mut one: usize, mut other: usize) -> usize {
    while other > 0 {
        (one, other) = (other, one % other);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_comes_once_and_the_beginning_is_spread() {
        for length in [0_usize, 1, 2, 3, 10, 97, 1000] {
            let all: Vec<usize> = (0..length).collect();
            let mut seen: Vec<usize> = evenly(&all).copied().collect();
            if length == 1000 {
                let first: Vec<usize> = seen.iter().take(10).map(|place| place / 250).collect();
                assert!((0..4).all(|quarter| first.contains(&quarter)), "{first:?}");
            }
            seen.sort_unstable();
            assert_eq!(seen, all);
        }
    }
}
