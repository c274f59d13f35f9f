//! Kind `approved`: a document holds something that is not on a list of what may be there.

use std::collections::BTreeSet;

use serde::Deserialize;

use ioc_common::config::Spanned;

use super::RuleCondition;
use super::document::{Baseline, Difference, DocumentRule};
use super::kind::KindDescriptor;

pub(super) const DESCRIPTOR: KindDescriptor = KindDescriptor {
    required: &["document", "path", "approved"],
    optional: &[],
    overridable: &["approved"],
    check: |context, keys| {
        let Keys { document, path, approved } = context.read(keys)?;
        let baseline = Baseline::Approved(approved.into_iter().collect());
        DocumentRule::check(context.source, &document, &path, baseline).map(RuleCondition::Document)
    },
    amend: |_, condition, changes| {
        let mut condition = condition.clone();
        if let (RuleCondition::Document(rule), Some(approved)) = (&mut condition, changes.approved) {
            rule.baseline = Baseline::Approved(approved.into_inner().into_iter().collect());
        }
        Ok(condition)
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    document: Spanned<String>,
    path: Spanned<String>,
    approved: Vec<String>,
}

/// What is there and is not approved. What is approved need not be there.
pub(super) fn differences<'t>(approved: &'t BTreeSet<String>, found: &'t BTreeSet<String>) -> Vec<Difference<'t>> {
    let texts = found.difference(approved).map(String::as_str).collect();
    vec![Difference { texts, vi: "Ngoài danh sách được duyệt", en: "Not on the approved list" }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_on_the_list_differs() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let (approved, found) = (set(&["tcp/22", "tcp/443"]), set(&["tcp/22", "tcp/8080"]));
        let texts: Vec<_> = differences(&approved, &found).into_iter().map(|one| one.texts).collect();
        assert_eq!(texts, [["tcp/8080"]]);
    }
}
