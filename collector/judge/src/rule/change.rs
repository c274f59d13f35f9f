//! Kind `change`: a document holds something else than when it was first seen, or when a person last accepted it.

use serde::Deserialize;

use ioc_common::config::Spanned;

use super::RuleKind;
use super::document::{Baseline, DocumentRule};
use super::kind::{Form, unchanged};

pub(super) const FORM: Form = Form {
    required: &["document", "path"],
    optional: &[],
    overridable: &[],
    check: |place, keys| {
        let Keys { document, path } = place.read(keys)?;
        DocumentRule::check(place.source, &document, &path, Baseline::Accepted).map(RuleKind::Document)
    },
    amend: unchanged,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    document: Spanned<String>,
    path: Spanned<String>,
}
