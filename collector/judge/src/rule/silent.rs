//! Kind `silent`: the device is no longer heard (its presence says when). It has no keys of its own.

use super::condition::RuleCondition;
use super::descriptor::{self, KindDescriptor};

pub(super) const DESCRIPTOR: KindDescriptor =
    descriptor::without_keys(|_, keys| descriptor::read_no_keys(keys).map(|()| RuleCondition::Silent));
