//! Kind `budget`: the device brings more than any honest one would (the engine counts, and says when). It has no keys of its own.

use serde::Deserialize;

use super::RuleKind;
use super::kind::{Form, unchanged};

pub(super) const FORM: Form = Form {
    required: &[],
    optional: &[],
    overridable: &[],
    check: |place, keys| place.read::<Keys>(keys).map(|Keys {}| RuleKind::Budget),
    amend: unchanged,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {}
