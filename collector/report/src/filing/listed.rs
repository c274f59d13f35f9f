//! Which filings the packs in force ask for, and by when each is due.

use ioc_document::legal::Pack;
use ioc_document::legal::filing::Filing;
use jiff::civil::Date;

use super::{FilingKey, FilingKeyError};
/// A filing that a pack asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedFiling {
    /// Which one.
    pub key: FilingKey,
    /// Its form.
    pub filing: Filing,
    /// The pack that asks for it.
    pub pack: Pack,
}

impl ListedFiling {
    /// What it is called.
    #[must_use]
    pub fn title(&self) -> String {
        let title = &self.filing.title;
        self.key.year().map_or_else(|| title.clone(), |year| format!("{title} năm {year}"))
    }

    /// What the pack says of it: to whom it goes and when; none where no report asks for it.
    #[must_use]
    pub fn report(&self) -> Option<&ioc_document::legal::Report> {
        let id = self.filing.report.as_ref()?;
        self.pack.reports.iter().find(|report| report.id == *id)
    }

    /// The day before which it is due; none where no day is given.
    #[must_use]
    pub fn due(&self) -> Option<Date> {
        Some(self.report()?.due?.of(self.key.year()?))
    }

    /// The last day that it is about; none where it is of no year.
    #[must_use]
    pub fn cut_off(&self) -> Option<Date> {
        let year = self.key.year()?;
        Some(self.report()?.cut_off.map_or_else(|| jiff::civil::date(year, 12, 31), |day| day.of(year)))
    }

    /// Whether its year has come to its end.
    #[must_use]
    pub fn is_over(&self, today: Date) -> bool {
        self.cut_off().is_none_or(|last| last <= today)
    }
}

/// What the packs in force ask for: of yearly ones the year that is due next, and the one before it where there is a record of it.
#[must_use]
pub fn filings<'p>(packs: impl Iterator<Item = &'p Pack>, today: Date, since: Option<Date>) -> Vec<ListedFiling> {
    let mut all = Vec::new();
    for pack in packs {
        for filing in &pack.filings {
            let listed = |year| ListedFiling {
                key: FilingKey::new(&filing.id, year),
                filing: filing.clone(),
                pack: pack.clone(),
            };
            let Some(report) = filing.report.as_ref().and_then(|id| pack.reports.iter().find(|one| one.id == *id))
            else {
                all.push(listed(None));
                continue;
            };
            let year = report.next_due(today).map_or_else(|| today.year(), Date::year);
            all.push(listed(Some(year)));
            let before = listed(Some(year - 1));
            if since.is_some_and(|since| before.cut_off().is_some_and(|last| since <= last)) {
                all.push(before);
            }
        }
    }
    all
}

/// The filing that an address names, by the packs in force.
///
/// # Errors
/// [`FilingKeyError`] where none of them asks for it.
pub fn find<'p>(packs: impl Iterator<Item = &'p Pack>, address: &str) -> Result<ListedFiling, FilingKeyError> {
    let key: FilingKey = address.parse()?;
    for pack in packs {
        let filing = pack.filings.iter().find(|filing| filing.id == key.id());
        if let Some(filing) = filing.filter(|filing| filing.report.is_some() == key.year().is_some()) {
            return Ok(ListedFiling { key, filing: filing.clone(), pack: pack.clone() });
        }
    }
    Err(FilingKeyError(address.chars().take(60).collect()))
}

#[cfg(test)]
mod tests {
    use ioc_document::legal::Packs;
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_yearly_form_is_of_the_year_that_is_due_next() {
        let packs = Packs::read(&[]).expect("good");
        let listed = |today, since| -> Vec<String> {
            let pack = packs.get("nd-331-2026").expect("there");
            filings(std::iter::once(pack), today, since).into_iter().map(|one| one.key.address()).collect()
        };
        assert_eq!(listed(date(2026, 12, 1), Some(date(2026, 11, 1))), ["level-dossier", "form-08.2026"]);
        assert_eq!(listed(date(2026, 12, 20), None), ["level-dossier", "form-08.2026"]);
        let next = listed(date(2026, 12, 21), Some(date(2026, 11, 1)));
        assert_eq!(next, ["level-dossier", "form-08.2027", "form-08.2026"]);
        let found = |address: &str| find(packs.iter(), address);
        let form = found("form-08.2026").expect("asked for");
        assert_eq!((form.due(), form.cut_off()), (Some(date(2026, 12, 20)), Some(date(2026, 12, 14))));
        assert!(!form.is_over(date(2026, 12, 13)) && form.is_over(date(2026, 12, 14)));
        assert!(form.title().ends_with("năm 2026"), "{}", form.title());
        for none in ["form-08", "level-dossier.2026", "form-09.2026"] {
            assert!(found(none).is_err(), "{none}");
        }
    }
}
