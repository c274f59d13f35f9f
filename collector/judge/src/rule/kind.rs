//! The list of the kinds of rules. Each kind is a file beside this one: its keys, its check, what it makes of a number or of a
//! document, and its words. A new kind is such a file, a variant of [`Kind`] and what the compiler then asks for.

use std::ops::Range;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use ioc_common::config::{ConfigError, Source, SpanWithin, Spanned, Table};

use super::threshold::Limit;
use super::{RuleKind, approved, budget, change, forecast, missing, rate, silent, stuck, threshold};

/// A kind of rule, by the name that stands in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
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
pub(super) struct Form {
    pub(super) required: &'static [&'static str],
    pub(super) optional: &'static [&'static str],
    /// What an override can change, beside severity and off.
    pub(super) overridable: &'static [&'static str],
    pub(super) check: fn(&Place<'_>, Table<'_>) -> Result<RuleKind, ConfigError>,
    pub(super) amend: fn(&Place<'_>, &RuleKind, Changes) -> Result<RuleKind, ConfigError>,
}

/// What all rules say.
pub(super) const COMMON: [&str; 7] = ["id", "kind", "article", "severity", "scope", "title", "advice"];

impl Kind {
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

    pub(super) const fn form(self) -> &'static Form {
        match self {
            Self::Threshold => &threshold::FORM,
            Self::Rate => &rate::FORM,
            Self::Stuck => &stuck::FORM,
            Self::Forecast => &forecast::FORM,
            Self::Missing => &missing::FORM,
            Self::Change => &change::FORM,
            Self::Approved => &approved::FORM,
            Self::Silent => &silent::FORM,
            Self::Budget => &budget::FORM,
        }
    }

    fn has(self, key: &str) -> bool {
        let form = self.form();
        form.required.contains(&key) || form.optional.contains(&key)
    }
}

/// What an override says of what its rule looks at.
pub(super) struct Changes {
    pub(super) raise: Option<Spanned<Limit>>,
    pub(super) clear: Option<Spanned<Limit>>,
    pub(super) hold: Option<Spanned<SpanWithin<0, 604_800_000>>>,
    pub(super) approved: Option<Spanned<Vec<String>>>,
}

/// A rule or an override that is read: where it stands, for errors.
pub(super) struct Place<'s> {
    pub(super) source: &'s Source,
    pub(super) span: Range<usize>,
    pub(super) id: &'s str,
    pub(super) kind: Kind,
}

impl Place<'_> {
    /// Reads the keys of the kind: all that it requires, and none of another kind's.
    pub(super) fn read<T: DeserializeOwned>(&self, keys: Table<'_>) -> Result<T, ConfigError> {
        let form = self.kind.form();
        if let Some((key, span)) = keys.keys().find(|(key, _)| !self.kind.has(key)) {
            return Err(self.foreign(key, span));
        }
        if let Some(lacking) = form.required.iter().find(|key| keys.keys().all(|(found, _)| found != **key)) {
            let (id, required) = (self.id, form.required.join(", "));
            let message = format!("found no {lacking} in the rule {id:?}; required are {required}");
            return Err(self.source.fault(self.span.clone(), &message, "add it"));
        }
        keys.read()
    }

    fn foreign(&self, key: &str, span: Range<usize>) -> ConfigError {
        let (form, kind) = (self.kind.form(), self.kind.as_str());
        let own: Vec<&str> = form.required.iter().chain(form.optional).copied().collect();
        let others: Vec<String> =
            Kind::ALL.iter().filter(|other| other.has(key)).map(|one| format!("{:?}", one.as_str())).collect();
        if others.is_empty() {
            let all: Vec<String> = COMMON.iter().chain(&own).map(|key| format!("`{key}`")).collect();
            let message = format!("unknown field `{key}`, expected one of {}", all.join(", "));
            return self.source.fault(span, &message, "correct the key, or remove this line");
        }
        let own = if own.is_empty() { "none but those of every rule".to_owned() } else { own.join(", ") };
        let message = format!("found {key} in a rule of the kind {kind}; allowed are {own}");
        let mend = format!("remove this line, or write kind = {}", others.join(" or "));
        self.source.fault(span, &message, &mend)
    }

    /// Refuses what an override of this kind cannot change.
    pub(super) fn check_changes(&self, changes: &Changes) -> Result<(), ConfigError> {
        let Changes { raise, clear, hold, approved } = changes;
        let found = [
            ("raise", raise.as_ref().map(Spanned::span)),
            ("clear", clear.as_ref().map(Spanned::span)),
            ("for", hold.as_ref().map(Spanned::span)),
            ("approved", approved.as_ref().map(Spanned::span)),
        ];
        let overridable = self.kind.form().overridable;
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

/// The amendment of a kind of which an override changes nothing.
pub(super) fn unchanged(_: &Place<'_>, kind: &RuleKind, _: Changes) -> Result<RuleKind, ConfigError> {
    Ok(kind.clone())
}
