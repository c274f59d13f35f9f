//! The list of rules, with what each says, where it holds and how often it raised; as a page and in the API.

use std::collections::BTreeMap;

use askama::Template;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_judge::{Rule, RuleSet};
use ioc_store::RuleFaults;
use ioc_store::search::{self, WordsQuery};

use super::{counted, is_whole};
use crate::api::ApiResult;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;

/// What the list is narrowed to.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct RulesQuery {
    /// Words of the title, the identifier or the advice.
    q: String,
    /// Only of this article of the regulation.
    article: String,
    /// Only of this kind.
    kind: String,
    /// Only of this severity.
    severity: String,
    /// Only those that stand on a device now (`open`), raised within 30 days (`raised`), never did (`quiet`), were mostly left alone (`noise`), are
    /// different for some devices (`different`) or off (`off`).
    state: String,
}

/// The states that a list can be narrowed to.
const STATES: [&str; 6] = ["open", "raised", "noise", "quiet", "different", "off"];
/// A rule of which so many incidents of ten were over before anybody took one is noise.
const NOISE_OF_TEN: u64 = 6;
/// Below so many incidents nothing is said of noise.
const NOISE_MIN: u64 = 5;

/// A rule in the list.
pub(super) struct RuleRow {
    pub(super) rule: Rule,
    /// How it is different for some devices, those that have ended left out.
    pub(super) different: Vec<Rule>,
    pub(super) faults: RuleFaults,
}

impl RuleRow {
    /// It is off for everyone.
    pub(super) fn is_off(&self) -> bool {
        self.different.last().is_some_and(|last| last.off && last.scope == self.rule.scope)
    }

    /// Most of what it raised was over before anybody took it.
    pub(super) fn is_noise(&self) -> bool {
        self.faults.incidents >= NOISE_MIN && self.faults.ignored * 10 >= self.faults.incidents * NOISE_OF_TEN
    }

    fn is_in(&self, state: &str) -> bool {
        match state {
            "open" => self.faults.devices > 0,
            "raised" => self.faults.raised > 0,
            "quiet" => self.faults.raised == 0 && self.faults.devices == 0,
            "noise" => self.is_noise(),
            "different" => !self.different.is_empty(),
            "off" => self.different.iter().any(|one| one.off),
            _ => true,
        }
    }

    fn has_words(&self, words: &WordsQuery) -> bool {
        let Rule { id, title, advice, article, .. } = &self.rule;
        words.matches(&[id, &title.vi, &title.en, &advice.vi, &advice.en, article].map(|text| search::words(text)))
    }
}

/// The rules, each with how it is different, in the order of the file.
pub(super) fn rows(rules: &RuleSet, faults: &BTreeMap<String, RuleFaults>) -> Vec<RuleRow> {
    let whole = rules.rules().iter().filter(|rule| is_whole(rule));
    whole
        .map(|rule| RuleRow {
            rule: rule.clone(),
            different: rules.differences(&rule.id).cloned().collect(),
            faults: faults.get(&rule.id).cloned().unwrap_or_default(),
        })
        .collect()
}

impl RulesQuery {
    fn keeps(&self, row: &RuleRow) -> bool {
        let is = |asked: &str, said: &str| asked.is_empty() || asked == said;
        is(&self.article, &row.rule.article)
            && is(&self.kind, row.rule.kind.as_str())
            && is(&self.severity, row.rule.severity.as_str())
            && row.is_in(&self.state)
            && row.has_words(&WordsQuery::parse(&self.q))
    }
}

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage {
    page_context: PageContext,
    query: RulesQuery,
    rows: Vec<RuleRow>,
    all: usize,
    articles: Vec<String>,
    kinds: Vec<&'static str>,
    held_by: Option<String>,
}

impl RulesPage {
    const fn states(&self) -> [&'static str; 6] {
        STATES
    }

    fn sentence(&self, row: &RuleRow) -> String {
        row.rule.sentence().get(self.page_context.language).to_owned()
    }

    fn is_filtered(&self) -> bool {
        self.rows.len() != self.all
    }
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<RulesQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let faults = match counted(&app, &person, page_context.now).await {
        Ok(faults) => faults,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let rules = app.rules();
    let mut all = rows(&rules, &faults);
    let count = all.len();
    let mut articles: Vec<String> =
        all.iter().map(|row| row.rule.article.clone()).filter(|article| !article.is_empty()).collect();
    articles.sort();
    articles.dedup();
    all.retain(|row| query.keeps(row));
    // What stands now comes first, then what raised most; the rest in the order of the file.
    all.sort_by_key(|row| std::cmp::Reverse((row.faults.devices, row.faults.raised)));
    let kinds = ioc_judge::RuleKind::ALL.map(ioc_judge::RuleKind::as_str).to_vec();
    let held_by = app.config().held_by(ioc_store::configuration::Part::Rules).map(|path| path.display().to_string());
    Ok(show(&RulesPage { page_context, query, rows: all, all: count, articles, kinds, held_by }))
}

/// A rule in the API.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct RuleItem {
    /// Its identifier.
    id: String,
    /// What is wrong, in Vietnamese and English.
    title: BTreeMap<&'static str, String>,
    /// What it says, as a sentence.
    says: BTreeMap<&'static str, String>,
    /// The article of the regulation; may be empty.
    article: String,
    /// Its kind: `threshold`, `rate`, `stuck`, `forecast`, `missing`, `change`, `approved`, `silent` or `budget`.
    kind: &'static str,
    /// `info`, `warning` or `critical`.
    severity: &'static str,
    /// It is off for everyone.
    off: bool,
    /// For how many groups or devices it is different.
    different: usize,
    /// Devices on which it stands now.
    devices: u64,
    /// Faults that it raised within 30 days.
    raised: u64,
    /// When it raised last; null where it never did within 30 days.
    last_raised: Option<Timestamp>,
    /// Incidents that those belong to.
    incidents: u64,
    /// Of these, those that somebody took.
    acknowledged: u64,
    /// Of these, those that were over before anybody took them.
    ignored: u64,
}

impl From<RuleRow> for RuleItem {
    fn from(row: RuleRow) -> Self {
        let off = row.is_off();
        let both = |text: &ioc_judge::Text| BTreeMap::from([("vi", text.vi.clone()), ("en", text.en.clone())]);
        let RuleRow { rule, different, faults } = row;
        Self {
            title: both(&rule.title),
            says: both(&rule.sentence()),
            article: rule.article,
            kind: rule.kind.as_str(),
            severity: rule.severity.as_str(),
            off,
            different: different.len(),
            devices: faults.devices,
            raised: faults.raised,
            last_raised: faults.last,
            incidents: faults.incidents,
            acknowledged: faults.taken,
            ignored: faults.ignored,
            id: rule.id,
        }
    }
}

pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Query(query): Query<RulesQuery>,
) -> ApiResult<Vec<RuleItem>> {
    let faults = counted(&app, &person, app.judged_now()).await?;
    let mut all = rows(&app.rules(), &faults);
    all.retain(|row| query.keeps(row));
    Ok(Json(all.into_iter().map(RuleItem::from).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::config::Source;
    use ioc_engine::config::DEFAULT_RULES;

    #[test]
    fn the_list_is_narrowed_and_says_what_is_noise() {
        let shipped = Source::built_in("rules.toml", DEFAULT_RULES);
        let rules = RuleSet::parse(&shipped).unwrap_or_else(|error| panic!("{error}"));
        let full = RuleFaults {
            rule: "disk-full".to_owned(),
            raised: 9,
            incidents: 5,
            ignored: 3,
            taken: 2,
            ..RuleFaults::default()
        };
        let faults = BTreeMap::from([("disk-full".to_owned(), full)]);
        let ids = |query: &RulesQuery| -> Vec<String> {
            rows(&rules, &faults).into_iter().filter(|row| query.keeps(row)).map(|row| row.rule.id).collect()
        };
        let of = |change: fn(&mut RulesQuery)| {
            let mut query = RulesQuery::default();
            change(&mut query);
            ids(&query)
        };
        assert_eq!(of(|query| query.state = "noise".to_owned()), ["disk-full"]);
        assert!(!of(|query| query.state = "quiet".to_owned()).contains(&"disk-full".to_owned()));
        let found = of(|query| query.q = "dia DAY".to_owned());
        assert!(found.contains(&"disk-full".to_owned()) && !found.contains(&"device-silent".to_owned()), "{found:?}");
        assert_eq!(of(|query| query.kind = "silent".to_owned()), ["device-silent"]);
        assert_eq!(ids(&RulesQuery::default()).len(), rules.rules().len());
    }
}
