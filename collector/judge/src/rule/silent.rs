//! Kind `silent`: the device is no longer heard (its presence says when). It has no keys of its own.

use serde::Deserialize;

use super::RuleKind;
use super::kind::{Form, unchanged};

pub(super) const FORM: Form = Form {
    required: &[],
    optional: &[],
    overridable: &[],
    check: |place, keys| place.read::<Keys>(keys).map(|Keys {}| RuleKind::Silent),
    amend: unchanged,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {}
