//! The rules: all of them as a list ([`list`]), one with what it says, where it holds and how often it raised ([`details`]), changed by a form
//! ([`form`], which writes the text of the part *Rules*), and tried on what is on record before it is ([`preview`]); a new one ([`new`]).

pub(crate) mod details;
mod form;
pub(crate) mod list;
pub(crate) mod new;
mod preview;

use std::collections::BTreeMap;
use std::sync::Arc;

use ioc_common::clock::Timestamp;
use ioc_judge::{Rule, RuleSet};
use ioc_store::RuleFaults;

use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;

/// Over how many days it is counted how often a rule raised.
const COUNTED_DAYS: i64 = 30;
const DAY_MS: i64 = 86_400_000;

impl App {
    /// The rules as they hold now: without differences that have ended.
    pub(crate) fn rules(&self) -> Arc<RuleSet> {
        let rules = Arc::clone(&self.config().rules);
        rules.without_ended(self.judged_now()).map_or(rules, Arc::new)
    }
}

/// A rule as it is for everyone: not what is different for some.
fn is_whole(rule: &Rule) -> bool {
    rule.override_reason.is_empty()
}

/// How often each rule raised lately, by rule, of what this person sees.
async fn counted(app: &App, person: &Person, now: Timestamp) -> Result<BTreeMap<String, RuleFaults>, Problem> {
    let since = now.plus_millis(-COUNTED_DAYS * DAY_MS);
    let found = app.read(&person.scope, move |reader| reader.rule_faults(since)).await?;
    Ok(found.into_iter().map(|one| (one.rule.clone(), one)).collect())
}
