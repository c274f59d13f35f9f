//! Kind `budget`: the device brings more than any honest one would (the engine counts, and says when). It has no keys of its own.

use super::RuleCondition;
use super::kind::{self, KindDescriptor};

pub(super) const DESCRIPTOR: KindDescriptor =
    kind::without_keys(|context, keys| kind::read_no_keys(context, keys).map(|()| RuleCondition::Budget));
