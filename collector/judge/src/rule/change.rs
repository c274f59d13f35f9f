//! Kind `change`: a document holds something else than when it was first seen, or when a person last accepted it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;

use ioc_common::config::Spanned;

use super::condition::RuleCondition;
use super::descriptor::{KindDescriptor, unchanged};
use super::document::{Baseline, DifferingTexts, DocumentRule};

pub(super) const DESCRIPTOR: KindDescriptor = KindDescriptor {
    required: &["document", "path"],
    optional: &[],
    overridable: &[],
    check: |context, keys| {
        let Keys { document, path } = keys.read()?;
        DocumentRule::check(context.source, &document, &path, Arc::new(LastAccepted)).map(RuleCondition::Document)
    },
    amend: unchanged,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    document: Spanned<String>,
    path: Spanned<String>,
}

/// What was there when it was first seen, or when a person last accepted it.
#[derive(Debug, PartialEq)]
struct LastAccepted;

impl Baseline for LastAccepted {
    /// What is there and was not accepted, and what was accepted and is gone.
    fn differences<'t>(&self, accepted: &'t BTreeSet<String>, found: &'t BTreeSet<String>) -> Vec<DifferingTexts<'t>> {
        let of = |texts: std::collections::btree_set::Difference<'t, String>| texts.map(String::as_str).collect();
        vec![
            DifferingTexts { texts: of(found.difference(accepted)), vi: "Mới có", en: "New" },
            DifferingTexts { texts: of(accepted.difference(found)), vi: "Không còn", en: "Gone" },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_and_what_went_differs_from_what_was_accepted() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let (accepted, found) = (set(&["lan", "root"]), set(&["minh", "root"]));
        let texts: Vec<_> = LastAccepted.differences(&accepted, &found).into_iter().map(|one| one.texts).collect();
        assert_eq!(texts, [["minh"], ["lan"]]);
    }
}
