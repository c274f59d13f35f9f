//! Kind `budget`: the device brings more than any honest one would (the engine counts, and says when). It has no keys of its own.

use super::condition::RuleCondition;
use super::descriptor::{self, KindDescriptor};

pub(super) const DESCRIPTOR: KindDescriptor =
    descriptor::without_keys(|_, keys| descriptor::read_no_keys(keys).map(|()| RuleCondition::Budget));
