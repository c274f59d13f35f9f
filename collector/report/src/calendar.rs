//! What is due when, by the law packs in force and by settings; and how one report stands.

use ioc_document::legal::{Pack, Period};
use ioc_store::report::{DocumentSettings, IssuedReport};
use jiff::ToSpan as _;
use jiff::civil::Date;

use crate::ReportKey;
use crate::draft::ReportState;

/// How a report stands.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportStanding {
    /// Which report.
    pub key: ReportKey,
    /// What it is called.
    pub title: String,
    /// Where it stands.
    pub state: ReportState,
    /// Texts that people have not written; none where that is known only once the facts are gathered.
    pub missing: Option<usize>,
    /// By when it is due; none where nothing says so.
    pub due: Option<Date>,
    /// It is past that day and not issued.
    pub late: bool,
    /// The last version that was issued.
    pub issued: Option<IssuedReport>,
}

impl ReportStanding {
    /// How a report stands on a day.
    #[must_use]
    pub fn new(
        key: ReportKey,
        settings: &DocumentSettings,
        missing: Option<usize>,
        issued: Option<IssuedReport>,
        today: Date,
    ) -> Self {
        let due = quarter_due(key, settings);
        Self {
            key,
            title: title(key),
            state: ReportState::of(missing.unwrap_or(1), key.to() <= today, issued.is_some()),
            missing,
            due,
            late: issued.is_none() && due.is_some_and(|due| due < today),
            issued,
        }
    }
}

/// What a report is called.
#[must_use]
pub fn title(key: ReportKey) -> String {
    format!("Báo cáo tình hình hoạt động {}", key.period().name)
}

/// When a quarter's report is due: the regulation gives no day, settings may.
#[must_use]
pub fn quarter_due(key: ReportKey, settings: &DocumentSettings) -> Option<Date> {
    let days = i64::from(settings.quarter_due_days);
    (days > 0 && key.as_quarter().is_some()).then(|| key.to().checked_add(days.days()).ok()).flatten()
}

/// A report that a law pack asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueReport {
    /// What it is called.
    pub title: String,
    /// Which article asks for it.
    pub article: String,
    /// Of which law.
    pub law: String,
    /// How often it is due.
    pub period: Period,
    /// The next day before which it is due; none where the text gives none.
    pub due: Option<Date>,
    /// Who sends it.
    pub from: String,
    /// To whom.
    pub to: String,
    /// What there is to say besides.
    pub note: Option<String>,
}

impl DueReport {
    /// How often it is due, as texts and the API name it.
    #[must_use]
    pub const fn period_name(&self) -> &'static str {
        match self.period {
            Period::Quarter => "quarter",
            Period::Year => "year",
            Period::OnRequest => "on_request",
        }
    }
}

/// What packs ask for, what is due next first.
pub fn due<'p>(packs: impl Iterator<Item = &'p Pack>, today: Date) -> Vec<DueReport> {
    let of_pack = |pack: &'p Pack| {
        pack.reports.iter().map(move |report| DueReport {
            title: report.title.clone(),
            article: report.article.clone(),
            law: pack.name.clone(),
            period: report.period,
            due: report.next_due(today),
            from: report.from.clone(),
            to: report.to.clone(),
            note: report.note.clone(),
        })
    };
    let mut all: Vec<DueReport> = packs.flat_map(of_pack).collect();
    all.sort_by_key(|report| report.due.unwrap_or(Date::MAX));
    all
}

#[cfg(test)]
mod tests {
    use ioc_document::legal::Packs;
    use jiff::civil::date;

    use super::*;

    #[test]
    fn what_is_due_next_stands_first_and_what_has_no_day_last() {
        let packs = Packs::read(&[]).expect("good");
        let all = due(packs.iter().filter(|pack| pack.id != "nd-85-2016"), date(2026, 12, 1));
        assert_eq!(all.first().map(|one| (one.due, one.period_name())), Some((Some(date(2026, 12, 20)), "year")));
        assert_eq!(all.last().and_then(|one| one.due), None);
    }

    #[test]
    fn a_quarter_is_due_and_late_as_settings_say() {
        let settings = DocumentSettings { quarter_due_days: 10, ..DocumentSettings::default() };
        let key = ReportKey::quarter(2026, 3);
        let stands = |missing, today| ReportStanding::new(key, &settings, missing, None, today);
        let late = stands(Some(0), date(2026, 10, 11));
        assert_eq!((late.state, late.due, late.late), (ReportState::Ready, Some(date(2026, 10, 10)), true));
        assert_eq!(stands(None, date(2026, 10, 2)).state, ReportState::TextsMissing, "not known is not ready");
        assert_eq!(stands(Some(0), date(2026, 9, 29)).state, ReportState::Draft);
        let none = ReportStanding::new(key, &DocumentSettings::default(), None, None, date(2030, 1, 1));
        assert_eq!((none.due, none.late), (None, false));
    }
}
