//! Kind `approved`: a document holds something that is not on a list of what may be there.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;

use ioc_common::config::Spanned;

use super::condition::RuleCondition;
use super::descriptor::KindDescriptor;
use super::document::{Baseline, DifferingTexts, DocumentRule};

pub(super) const DESCRIPTOR: KindDescriptor = KindDescriptor {
    required: &["document", "path", "approved"],
    optional: &[],
    overridable: &["approved"],
    check: |context, keys| {
        let Keys { document, path, approved } = keys.read()?;
        let approved = Approved(approved.into_iter().collect());
        DocumentRule::check(context.source, &document, &path, Arc::new(approved)).map(RuleCondition::Document)
    },
    amend: |context, condition, changes| {
        let Some(approved) = changes.approved else { return Ok(condition.clone()) };
        match condition {
            RuleCondition::Document(rule) => {
                let mut rule = rule.clone();
                rule.baseline = Arc::new(Approved(approved.into_inner().into_iter().collect()));
                Ok(RuleCondition::Document(rule))
            }
            RuleCondition::Number(_) | RuleCondition::Silent | RuleCondition::Budget => {
                let message = "found approved for a rule that looks into no document";
                Err(context.source.fault(approved.span(), message, "remove this line"))
            }
        }
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    document: Spanned<String>,
    path: Spanned<String>,
    approved: Vec<String>,
}

/// What is approved: anything else is wrong, what is lacking is not.
#[derive(Debug, PartialEq)]
struct Approved(BTreeSet<String>);

impl Baseline for Approved {
    fn differences<'t>(&'t self, _: &'t BTreeSet<String>, found: &'t BTreeSet<String>) -> Vec<DifferingTexts<'t>> {
        let texts = found.difference(&self.0).map(String::as_str).collect();
        vec![DifferingTexts { texts, vi: "Ngoài danh sách được duyệt", en: "Not on the approved list" }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_on_the_list_differs() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let (approved, found) = (Approved(set(&["tcp/22", "tcp/443"])), set(&["tcp/22", "tcp/8080"]));
        let accepted = BTreeSet::new();
        let texts: Vec<_> = approved.differences(&accepted, &found).into_iter().map(|one| one.texts).collect();
        assert_eq!(texts, [["tcp/8080"]]);
    }
}
