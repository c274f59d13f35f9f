//! `[legal]`: which laws and which level of security the centre goes by. What they ask is data (`config/legal`); it is read and checked at each start,
//! so that a pack of the centre's own that is faulty is known before a report is due.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use ioc_common::config::{Bounded, ConfigError, Source, Spanned};
use ioc_document::legal::{JudgedNumber, Pack, PackKind, Packs};
use ioc_store::{AccountLimits, AccountRecord};

/// Most packs of the centre's own.
const FILES_MAX: usize = 20;

/// Which laws and which level of security the centre goes by.
#[derive(Debug, Clone, PartialEq)]
pub struct LegalBasis {
    packs: Arc<Packs>,
    regulation: Option<String>,
    regime: Option<String>,
    /// The level of security, 1 to 5.
    pub level: u8,
}

impl LegalBasis {
    /// What the laws in force on a day ask of accounts (article 13; the numbers of the level). The regulation itself asks for a new password at least
    /// every three months, of everybody.
    #[must_use]
    pub fn account_limits(&self, today: jiff::civil::Date) -> AccountLimits {
        let regime = self.in_force(PackKind::Regime, today);
        let days = |measure| regime.and_then(|pack| pack.days(measure, self.level));
        let three_months = u32::try_from(AccountRecord::PASSWORD_LIFE_MS / 86_400_000).ok();
        AccountLimits {
            idle_days: days(JudgedNumber::AccountIdle),
            administrator_days: days(JudgedNumber::AdministratorPassword).into_iter().chain(three_months).min(),
            operator_days: three_months,
            review_months: regime.and_then(|pack| pack.months(JudgedNumber::AccountReview, self.level)),
        }
    }

    /// All packs that are known.
    #[must_use]
    pub fn packs(&self) -> &Packs {
        &self.packs
    }

    /// The pack of a kind that is in force on a day: the one that was chosen, else by its days.
    #[must_use]
    pub fn in_force(&self, kind: PackKind, today: jiff::civil::Date) -> Option<&Pack> {
        let chosen = match kind {
            PackKind::Regulation => &self.regulation,
            PackKind::Regime => &self.regime,
        };
        self.packs.in_force(kind, today, chosen.as_deref())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LegalForm {
    regulation: Option<Spanned<String>>,
    regime: Option<Spanned<String>>,
    level: Bounded<1, 5>,
    files: Spanned<Vec<PathBuf>>,
}

impl Default for LegalForm {
    fn default() -> Self {
        Self { regulation: None, regime: None, level: Bounded(3), files: Spanned::new(0..0, Vec::new()) }
    }
}

impl LegalForm {
    /// Reads the packs that it names, beside the configuration, and finds those that were chosen among them.
    pub(super) fn check(self, source: &Source) -> Result<LegalBasis, ConfigError> {
        let span = self.files.span();
        let files = self.files.into_inner();
        if files.len() > FILES_MAX {
            let message = format!("found {} files; allowed are {FILES_MAX}", files.len());
            return Err(source.fault(span, &message, "name only those that are in use"));
        }
        let more = files.iter().map(|path| source.beside(path)).collect::<Result<Vec<_>, _>>()?;
        let packs = Packs::read(&more)?;
        let chosen = |id: Option<Spanned<String>>, kind: PackKind| match id {
            None => Ok(None),
            Some(id) if packs.get(id.get_ref()).is_some_and(|pack| pack.kind == kind) => Ok(Some(id.into_inner())),
            Some(id) => {
                // Without quotes: what stands in them is not shown, since it could be a secret elsewhere.
                let ids = packs.iter().filter(|pack| pack.kind == kind).map(|pack| pack.id.as_str());
                let known = ids.collect::<Vec<_>>().join(", ");
                let message = format!("found a pack that is not there, or of another kind; allowed are {known}");
                Err(source.fault(id.span(), &message, "write one of them, or name its file in files"))
            }
        };
        let regulation = chosen(self.regulation, PackKind::Regulation)?;
        let regime = chosen(self.regime, PackKind::Regime)?;
        // 1 to 5 was held while it was read.
        let level = u8::try_from(self.level.0).unwrap_or(5);
        Ok(LegalBasis { packs: Arc::new(packs), regulation, regime, level })
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn parse(text: &str) -> Result<LegalBasis, ConfigError> {
        let source = Source::built_in("collector.toml", text);
        source.parse::<LegalForm>()?.check(&source)
    }

    #[test]
    fn the_regime_goes_by_the_day_until_one_is_chosen() {
        let today = date(2026, 11, 28);
        let in_force = |basis: &LegalBasis, kind| basis.in_force(kind, today).map(|pack| pack.id.clone());
        let basis = parse("").unwrap();
        assert_eq!(basis.level, 3);
        assert_eq!(in_force(&basis, PackKind::Regime).as_deref(), Some("nd-331-2026"));
        assert_eq!(in_force(&basis, PackKind::Regulation).as_deref(), Some("qd-1043-2022-an-giang"));
        let basis = parse("regime = \"nd-85-2016\"\nlevel = 2\n").unwrap();
        assert_eq!(in_force(&basis, PackKind::Regime).as_deref(), Some("nd-85-2016"));
        assert_eq!(basis.level, 2);
    }

    #[test]
    fn what_is_asked_of_accounts_is_the_number_of_the_level() {
        let limits = |text: &str| parse(text).unwrap().account_limits(date(2026, 11, 28));
        let asked = |review| AccountLimits {
            idle_days: Some(45),
            administrator_days: Some(60),
            operator_days: Some(90),
            review_months: Some(review),
        };
        assert_eq!((limits("level = 3\n"), limits("level = 2\n")), (asked(6), asked(12)));
        let none = limits("regime = \"nd-85-2016\"\n");
        assert_eq!((none.idle_days, none.administrator_days, none.review_months), (None, Some(90), None));
    }

    /// The rule of hosts goes by a number of its own, which is the one of the law until a centre changes either.
    #[test]
    fn the_rule_of_idle_accounts_has_the_number_of_the_law() {
        let rules = include_str!("../../../../config/rules.toml");
        let rule = rules.split("id = \"account-idle\"").nth(1).and_then(|rest| rest.split("[[rule]]").next()).unwrap();
        let days = parse("").unwrap().account_limits(date(2026, 11, 28)).idle_days.unwrap();
        assert!(rule.contains(&format!("raise = {{ above = {days} }}")), "{rule}");
    }

    #[test]
    fn what_is_chosen_must_be_there() {
        let fault = parse("level = 3\nregime = \"nd-999\"\n").unwrap_err();
        assert_eq!(fault.line, 2, "{fault}");
        assert!(fault.message.contains("nd-331-2026") && fault.mend.contains("files"), "{fault}");
        assert!(parse("regulation = \"nd-331-2026\"\n").is_err(), "a regime is no regulation");
        assert!(parse("level = 6\n").is_err());
        let fault = parse("files = [\"/nowhere/pack.toml\"]\n").unwrap_err();
        assert!(fault.message.contains("cannot be read"), "{fault}");
    }
}
