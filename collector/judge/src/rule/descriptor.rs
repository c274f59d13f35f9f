//! What a kind of rule says of itself, and what it is given to check a rule.

use std::ops::Range;

use serde::Deserialize;

use ioc_common::config::{ConfigError, Source, SpanWithin, Spanned, Table};

use super::condition::RuleCondition;
use super::number::Limit;

/// What a kind of rule says beside what all rules say, and how it is checked.
pub(super) struct KindDescriptor {
    pub(super) required: &'static [&'static str],
    pub(super) optional: &'static [&'static str],
    /// What an override can change, beside severity and off.
    pub(super) overridable: &'static [&'static str],
    pub(super) check: fn(&RuleContext<'_>, Table<'_>) -> Result<RuleCondition, ConfigError>,
    pub(super) amend: fn(&RuleContext<'_>, &RuleCondition, OverrideChanges) -> Result<RuleCondition, ConfigError>,
}

/// What an override says of what its rule looks at.
pub(super) struct OverrideChanges {
    pub(super) raise: Option<Spanned<Limit>>,
    pub(super) clear: Option<Spanned<Limit>>,
    pub(super) hold: Option<Spanned<SpanWithin<0, 604_800_000>>>,
    pub(super) approved: Option<Spanned<Vec<String>>>,
}

/// A rule or an override that is read: where it stands, for errors.
pub(super) struct RuleContext<'s> {
    pub(super) source: &'s Source,
    pub(super) span: Range<usize>,
}

/// A kind that says nothing beside what all rules say.
pub(super) const fn without_keys(
    check: fn(&RuleContext<'_>, Table<'_>) -> Result<RuleCondition, ConfigError>,
) -> KindDescriptor {
    KindDescriptor { required: &[], optional: &[], overridable: &[], check, amend: unchanged }
}

/// Reads the keys of such a kind: there must be none.
pub(super) fn read_no_keys(keys: Table<'_>) -> Result<(), ConfigError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct NoKeys {}
    keys.read::<NoKeys>().map(|NoKeys {}| ())
}

/// The amendment of a kind of which an override changes nothing.
pub(super) fn unchanged(
    _: &RuleContext<'_>,
    condition: &RuleCondition,
    _: OverrideChanges,
) -> Result<RuleCondition, ConfigError> {
    Ok(condition.clone())
}
