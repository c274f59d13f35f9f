//! The list of the kinds of rules: each is a file beside this one, with its keys, its check, what it makes of a number or of a document, and
//! its words. A new kind is such a file and one line here.

use serde::Deserialize;

use ioc_common::config::{ConfigError, KeyFault, KindKeys, Spanned, Table};

use super::condition::RuleCondition;
use super::descriptor::{KindDescriptor, OverrideChanges, RuleContext};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $file:ident,)+) => {
        /// A kind of rule, by the name that stands in the configuration.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum RuleKind {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl RuleKind {
            /// In the order of the list, in which errors name them.
            pub const ALL: [Self; [$(stringify!($kind)),+].len()] = [$(Self::$kind),+];

            /// The name used in configuration.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => stringify!($file),)+
                }
            }

            pub(super) const fn descriptor(self) -> &'static KindDescriptor {
                match self {
                    $(Self::$kind => &super::$file::DESCRIPTOR,)+
                }
            }
        }
    };
}

kinds! {
    /// A value beyond a limit.
    Threshold = threshold,
    /// A value that rises or falls too fast.
    Rate = rate,
    /// A value that does not change at all.
    Stuck = stuck,
    /// A value that will be beyond a limit if it goes on as it does.
    Forecast = forecast,
    /// A value that is not known.
    Missing = missing,
    /// A document that holds something else than was accepted.
    Change = change,
    /// A document that holds something that is not approved.
    Approved = approved,
    /// A device that is no longer heard.
    Silent = silent,
    /// A device that brings more than any honest one would.
    Budget = budget,
}

/// What all rules say.
pub(super) const COMMON: [&str; 7] = ["id", "kind", "article", "severity", "scope", "title", "advice"];

impl RuleKind {
    /// What a difference of a rule of this kind can change, beside `severity`, `advice` and `off`: of `raise`, `clear`, `for`, `approved`.
    #[must_use]
    pub const fn changeable(self) -> &'static [&'static str] {
        self.descriptor().overridable
    }

    /// The keys that a rule of this kind must and may have, beside those that all rules have.
    #[must_use]
    pub const fn own_keys(self) -> (&'static [&'static str], &'static [&'static str]) {
        let KindDescriptor { required, optional, .. } = self.descriptor();
        (required, optional)
    }

    fn keys(self) -> KindKeys<'static> {
        let KindDescriptor { required, optional, .. } = self.descriptor();
        KindKeys { name: self.as_str(), required, optional }
    }

    /// Checks a rule of this kind by its keys: all that it requires, and none of another kind's.
    pub(super) fn check(
        self,
        context: &RuleContext<'_>,
        id: &str,
        keys: Table<'_>,
    ) -> Result<RuleCondition, ConfigError> {
        let (kind, own) = (self.as_str(), self.keys());
        match keys.check_keys(own, Self::ALL.map(Self::keys), &COMMON) {
            Ok(()) => (self.descriptor().check)(context, keys),
            Err(KeyFault::Unknown(error)) => Err(error),
            Err(KeyFault::OfOthers { key, span, others }) => {
                let own: Vec<&str> = own.all().collect();
                let own = if own.is_empty() { "none but those of every rule".to_owned() } else { own.join(", ") };
                let message = format!("found {key} in a rule of the kind {kind}; allowed are {own}");
                Err(context.source.fault(span, &message, &format!("remove this line, or write kind = {others}")))
            }
            Err(KeyFault::Lacking(key)) => {
                let required = own.required.join(", ");
                let message = format!("found no {key} in the rule {id:?}; required are {required}");
                Err(context.source.fault(context.span.clone(), &message, "add it"))
            }
        }
    }

    /// What a rule of this kind looks at where an override changes it. What an override of this kind cannot change is refused.
    pub(super) fn amend(
        self,
        context: &RuleContext<'_>,
        condition: &RuleCondition,
        changes: OverrideChanges,
    ) -> Result<RuleCondition, ConfigError> {
        let OverrideChanges { raise, clear, hold, approved } = &changes;
        let found = [
            ("raise", raise.as_ref().map(Spanned::span)),
            ("clear", clear.as_ref().map(Spanned::span)),
            ("for", hold.as_ref().map(Spanned::span)),
            ("approved", approved.as_ref().map(Spanned::span)),
        ];
        let overridable = self.descriptor().overridable;
        for (key, span) in found {
            if let Some(span) = span.filter(|_| !overridable.contains(&key)) {
                let allowed: Vec<&str> = overridable.iter().copied().chain(["severity", "off"]).collect();
                let (kind, allowed) = (self.as_str(), allowed.join(", "));
                let message = format!("found {key} for a rule of the kind {kind}; allowed are {allowed}");
                return Err(context.source.fault(span, &message, "remove this line"));
            }
        }
        (self.descriptor().amend)(context, condition, changes)
    }
}
