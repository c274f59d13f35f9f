//! Kind `approved`: a document holds something that is not on a list of what may be there.

use serde::Deserialize;

use ioc_common::config::Spanned;

use super::RuleKind;
use super::document::{Baseline, DocumentRule};
use super::kind::Form;

pub(super) const FORM: Form = Form {
    required: &["document", "path", "approved"],
    optional: &[],
    overridable: &["approved"],
    check: |place, keys| {
        let Keys { document, path, approved } = place.read(keys)?;
        let baseline = Baseline::Approved(approved.into_iter().collect());
        DocumentRule::check(place.source, &document, &path, baseline).map(RuleKind::Document)
    },
    amend: |_, kind, changes| {
        let mut kind = kind.clone();
        if let (RuleKind::Document(rule), Some(approved)) = (&mut kind, changes.approved) {
            rule.baseline = Baseline::Approved(approved.into_inner().into_iter().collect());
        }
        Ok(kind)
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    document: Spanned<String>,
    path: Spanned<String>,
    approved: Vec<String>,
}
