//! The list of the kinds of rules. Each kind is a file beside this one: its keys, its check, what it makes of a number or of a
//! document, and its words. A new kind is such a file, a variant of [`RuleKind`] and what the compiler then asks for.

use std::ops::Range;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use ioc_common::config::{ConfigError, KeyFault, KindKeys, Source, SpanWithin, Spanned, Table};

use super::threshold::Limit;
use super::{RuleCondition, approved, budget, change, forecast, missing, rate, silent, stuck, threshold};

/// A kind of rule, by the name that stands in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleKind {
    /// A value beyond a limit.
    Threshold,
    /// A value that rises or falls too fast.
    Rate,
    /// A value that does not change at all.
    Stuck,
    /// A value that will be beyond a limit if it goes on as it does.
    Forecast,
    /// A value that is not known.
    Missing,
    /// A document that holds something else than was accepted.
    Change,
    /// A document that holds something that is not approved.
    Approved,
    /// A device that is no longer heard.
    Silent,
    /// A device that brings more than any honest one would.
    Budget,
}

/// What a kind of rule says beside what all rules say, and how it is checked.
pub(super) struct KindDescriptor {
    pub(super) required: &'static [&'static str],
    pub(super) optional: &'static [&'static str],
    /// What an override can change, beside severity and off.
    pub(super) overridable: &'static [&'static str],
    pub(super) check: fn(&RuleContext<'_>, Table<'_>) -> Result<RuleCondition, ConfigError>,
    pub(super) amend: fn(&RuleContext<'_>, &RuleCondition, OverrideChanges) -> Result<RuleCondition, ConfigError>,
}

/// What all rules say.
pub(super) const COMMON: [&str; 7] = ["id", "kind", "article", "severity", "scope", "title", "advice"];

impl RuleKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Threshold,
        Self::Rate,
        Self::Stuck,
        Self::Forecast,
        Self::Missing,
        Self::Change,
        Self::Approved,
        Self::Silent,
        Self::Budget,
    ];

    /// The name used in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Threshold => "threshold",
            Self::Rate => "rate",
            Self::Stuck => "stuck",
            Self::Forecast => "forecast",
            Self::Missing => "missing",
            Self::Change => "change",
            Self::Approved => "approved",
            Self::Silent => "silent",
            Self::Budget => "budget",
        }
    }

    pub(super) const fn descriptor(self) -> &'static KindDescriptor {
        match self {
            Self::Threshold => &threshold::DESCRIPTOR,
            Self::Rate => &rate::DESCRIPTOR,
            Self::Stuck => &stuck::DESCRIPTOR,
            Self::Forecast => &forecast::DESCRIPTOR,
            Self::Missing => &missing::DESCRIPTOR,
            Self::Change => &change::DESCRIPTOR,
            Self::Approved => &approved::DESCRIPTOR,
            Self::Silent => &silent::DESCRIPTOR,
            Self::Budget => &budget::DESCRIPTOR,
        }
    }

    fn keys(self) -> KindKeys<'static> {
        let KindDescriptor { required, optional, .. } = self.descriptor();
        KindKeys { name: self.as_str(), required, optional }
    }
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
    pub(super) id: &'s str,
    pub(super) kind: RuleKind,
}

impl RuleContext<'_> {
    /// Reads the keys of the kind: all that it requires, and none of another kind's.
    pub(super) fn read<T: DeserializeOwned>(&self, keys: Table<'_>) -> Result<T, ConfigError> {
        let (id, kind, own) = (self.id, self.kind.as_str(), self.kind.keys());
        match keys.check_keys(own, RuleKind::ALL.map(RuleKind::keys), &COMMON) {
            Ok(()) => keys.read(),
            Err(KeyFault::Unknown(error)) => Err(error),
            Err(KeyFault::OfOthers { key, span, others }) => {
                let own: Vec<&str> = own.all().collect();
                let own = if own.is_empty() { "none but those of every rule".to_owned() } else { own.join(", ") };
                let message = format!("found {key} in a rule of the kind {kind}; allowed are {own}");
                Err(self.source.fault(span, &message, &format!("remove this line, or write kind = {others}")))
            }
            Err(KeyFault::Lacking(key)) => {
                let required = own.required.join(", ");
                let message = format!("found no {key} in the rule {id:?}; required are {required}");
                Err(self.source.fault(self.span.clone(), &message, "add it"))
            }
        }
    }

    /// Refuses what an override of this kind cannot change.
    pub(super) fn check_changes(&self, changes: &OverrideChanges) -> Result<(), ConfigError> {
        let OverrideChanges { raise, clear, hold, approved } = changes;
        let found = [
            ("raise", raise.as_ref().map(Spanned::span)),
            ("clear", clear.as_ref().map(Spanned::span)),
            ("for", hold.as_ref().map(Spanned::span)),
            ("approved", approved.as_ref().map(Spanned::span)),
        ];
        let overridable = self.kind.descriptor().overridable;
        for (key, span) in found {
            if let Some(span) = span.filter(|_| !overridable.contains(&key)) {
                let allowed: Vec<&str> = overridable.iter().copied().chain(["severity", "off"]).collect();
                let (kind, allowed) = (self.kind.as_str(), allowed.join(", "));
                let message = format!("found {key} for a rule of the kind {kind}; allowed are {allowed}");
                return Err(self.source.fault(span, &message, "remove this line"));
            }
        }
        Ok(())
    }
}

/// A kind that says nothing beside what all rules say.
pub(super) const fn without_keys(
    check: fn(&RuleContext<'_>, Table<'_>) -> Result<RuleCondition, ConfigError>,
) -> KindDescriptor {
    KindDescriptor { required: &[], optional: &[], overridable: &[], check, amend: unchanged }
}

/// Reads the keys of such a kind: there must be none.
pub(super) fn read_no_keys(context: &RuleContext<'_>, keys: Table<'_>) -> Result<(), ConfigError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct NoKeys {}
    context.read::<NoKeys>(keys).map(|NoKeys {}| ())
}

/// The amendment of a kind of which an override changes nothing.
pub(super) fn unchanged(
    _: &RuleContext<'_>,
    condition: &RuleCondition,
    _: OverrideChanges,
) -> Result<RuleCondition, ConfigError> {
    Ok(condition.clone())
}
