//! `[register]`: what must be written down of each asset, and by when (article 6.1).

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use ioc_common::config::{ConfigError, Source, Span, SpanWithin, Spanned};
use ioc_store::AssetField;

use crate::software_catalogue::Catalogue;

/// What must be written down of each asset, and by when; and which packages make which software.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterRules {
    /// What is blank so long after a device was taken in is a fault.
    pub complete_within: SpanWithin<0, 31_536_000_000>,
    /// Which columns must not be blank.
    pub required: Vec<AssetField>,
    /// Which packages make which software.
    pub software: Arc<Catalogue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RegisterForm {
    complete_within: SpanWithin<0, 31_536_000_000>,
    required: Vec<Spanned<String>>,
    software: Option<PathBuf>,
}

impl Default for RegisterForm {
    fn default() -> Self {
        let required = ["label", "place", "officer", "leader"].map(|field| Spanned::new(0..0, field.to_owned()));
        Self { complete_within: SpanWithin(Span::secs(30 * 86_400)), required: required.into(), software: None }
    }
}

impl RegisterForm {
    /// The file with the software's names, where one is named.
    pub(super) const fn software(&self) -> Option<&PathBuf> {
        self.software.as_ref()
    }

    /// `software` says which packages make which software.
    pub(super) fn check(self, source: &Source, software: &Source) -> Result<RegisterRules, ConfigError> {
        let mut required = Vec::new();
        for field in self.required {
            let Some(known) = AssetField::parse(field.get_ref()) else {
                let names = AssetField::ALL.map(AssetField::as_str).join(", ");
                let message = format!("found column {:?}; allowed are {names}", field.get_ref());
                return Err(source.fault(field.span(), &message, "correct the name of the column"));
            };
            if !required.contains(&known) {
                required.push(known);
            }
        }
        let software = Catalogue::parse(software)?;
        Ok(RegisterRules { complete_within: self.complete_within, required, software: Arc::new(software) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, testing};
    use super::*;

    #[test]
    fn a_column_that_there_is_not_is_refused_at_its_line() {
        let parse = |text: &str| Config::parse(&Source::built_in("collector.toml", text), &testing::KINDS);
        let fault = parse("[register]\nrequired = [\"label\", \"colour\"]\n").expect_err("no such column");
        assert!(fault.line == 2 && fault.message.contains("allowed are name, label"), "{fault}");
        let rules = parse("[register]\nrequired = [\"serial\"]\ncomplete_within = \"0s\"\n").expect("reads").register;
        assert_eq!((rules.required, rules.complete_within.as_millis()), (vec![AssetField::Serial], 0));
    }
}
