//! Legal packs: what a law, a decree or a regulation asks, as data (`config/legal/*.toml`), since all of it changes. A pack names its sources, the day on
//! which it was checked, and how sure it is; which packs are in force goes by the day and by what the centre chose. Nothing here is legal advice.

pub mod filing;
mod filing_form;
mod form;

use std::collections::{BTreeMap, BTreeSet};

use ioc_common::config::{ConfigError, Source, Span};
use jiff::civil::Date;
use serde::Deserialize;

use filing::{Filing, KnownKind, KnownService, LevelBasis, Measure, RequiredZone};

/// The packs that come with the product, by the names of their files.
const BUILT_IN: &[(&str, &str)] = &[
    ("nd-331-2026", include_str!("../../../../config/legal/nd-331-2026.toml")),
    ("nd-85-2016", include_str!("../../../../config/legal/nd-85-2016.toml")),
    ("qd-1043-2022-an-giang", include_str!("../../../../config/legal/qd-1043-2022-an-giang.toml")),
];

/// Words that no law gives, and that packs can give otherwise.
const COMMON: &str = include_str!("../../../../config/legal/common.toml");
/// The levels that there are.
const LEVELS: std::ops::RangeInclusive<u8> = 1..=5;

/// What is wrong with a table of a pack, and the mend.
type Wrong = (String, &'static str);

/// How sure something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sure {
    /// Nobody has checked it yet, or sources contradict each other.
    Unverified,
    /// One source says so.
    One,
    /// Two independent sources agree.
    Two,
}

/// What a pack is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackKind {
    /// The centre's own regulation, with the articles of the clause report. One is in force.
    Regulation,
    /// A regime of security levels. One is in force.
    Regime,
}

/// What a law, a decree or a regulation asks.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq)]
pub struct Pack {
    /// By what settings name it: lower case, digits and `-`.
    pub id: String,
    pub kind: PackKind,
    /// As it is called in documents.
    pub name: String,
    /// How documents rest on it: a sentence beginning with `Căn cứ`.
    pub basis: String,
    pub in_force_from: Date,
    /// The last day.
    pub in_force_to: Option<Date>,
    /// The day on which somebody last held it against its sources.
    pub checked: Date,
    pub sure: Sure,
    pub sources: Vec<String>,
    /// Articles of the clause report, in its order.
    pub articles: Vec<Article>,
    pub reports: Vec<Report>,
    pub clocks: Vec<Clock>,
    /// By what an incident is serious without a person saying so; none where no text says it.
    pub serious: Option<SeriousCriterion>,
    pub steps: Vec<Step>,
    pub requirements: Vec<Requirement>,
    /// What it asks to be filed.
    pub filings: Vec<Filing>,
    /// What the levels ask, one by one.
    pub measures: Vec<Measure>,
    /// Zones of the network that the levels ask for.
    pub zones: Vec<RequiredZone>,
    /// Why a system is of a level.
    pub levels: Vec<LevelBasis>,
    /// What ports are commonly for.
    pub services: Vec<KnownService>,
    /// What kinds of devices are called, and what they are commonly for.
    pub kinds: Vec<KnownKind>,
}

/// What an article asks to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Article {
    /// As `6.1` or `16.1-5`.
    pub number: String,
    /// What it asks, in a phrase.
    pub title: String,
    /// What shows it; none where only people know.
    pub evidence: Option<String>,
    /// Names of its figures, in their order.
    pub figures: Vec<String>,
    /// Whether it needs a text that only people can write.
    pub input: bool,
}

/// How often a report is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Period {
    /// Every quarter.
    Quarter,
    /// Every year.
    Year,
    /// When somebody asks for it, or when it is needed.
    OnRequest,
}

/// A report that is asked for.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub id: String,
    pub title: String,
    /// Where it is asked for.
    pub article: String,
    pub period: Period,
    /// The last day that a yearly report is about.
    pub cut_off: Option<MonthDay>,
    /// The day before which a yearly report is due; none where the text gives none.
    pub due: Option<MonthDay>,
    pub from: String,
    pub to: String,
    pub note: Option<String>,
    pub sure: Sure,
}

impl Report {
    /// The day before which it is due next, from `today` on: today where it is that day.
    #[must_use]
    pub fn next_due(&self, today: Date) -> Option<Date> {
        let due = self.due?;
        [today.year(), today.year().checked_add(1)?].into_iter().map(|year| due.of(year)).find(|day| *day >= today)
    }
}

/// A day of every year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthDay {
    month: i8,
    day: i8,
}

impl MonthDay {
    /// That day of a year; the 28th for a 29 February that a year lacks.
    #[must_use]
    pub fn of(self, year: i16) -> Date {
        Date::new(year, self.month, self.day).or_else(|_| Date::new(year, self.month, 28)).unwrap_or(Date::MAX)
    }
}

/// How soon somebody has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// At once.
    AtOnce,
    /// Within so long, from detection.
    Span(Span),
}

/// What starts a deadline of incidents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Starts {
    /// Nothing here: it is told of, and kept by other means.
    #[default]
    Never,
    /// That an incident is marked serious.
    Serious,
    /// That a person says of a serious incident that the condition holds.
    Chosen,
}

/// A deadline of incidents.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// Lower case, digits and `-`.
    pub id: String,
    /// What starts it.
    pub condition: String,
    pub within: Within,
    /// For what is due at once: it is late after so long, since no text gives a number. An hour where the pack does not say.
    pub late_after: Span,
    pub to: String,
    /// Where it is asked for; empty where the pack does not say.
    pub article: String,
    /// What the document is called by which it is met; empty where a telephone does.
    pub form: String,
    pub starts: Starts,
    pub sure: Sure,
}

impl Clock {
    /// How long after the detection it is late, milliseconds.
    #[must_use]
    pub fn within_ms(&self) -> i64 {
        match self.within {
            Within::AtOnce => self.late_after.as_millis(),
            Within::Span(span) => span.as_millis(),
        }
    }
}

/// How bad an incident is at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AtLeast {
    /// Something has to be done.
    Warning,
    /// Something is broken.
    Critical,
}

/// By what an incident is serious without a person saying so.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriousCriterion {
    /// What the text says, as it stands on the incident then.
    pub text: String,
    pub severity: AtLeast,
    /// How many devices it concerns at least.
    pub affected: u32,
    pub sure: Sure,
}

/// Who appraises and approves a dossier.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub levels: Vec<u8>,
    pub what: String,
    pub term: Option<Term>,
    pub sure: Sure,
}

/// How many days a step may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// Days of the calendar.
    Days(u16),
    /// Working days.
    WorkingDays(u16),
}

/// The unit of a requirement's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequirementUnit {
    /// Days.
    Days,
    /// Months.
    Months,
}

/// Days of a month, where a pack counts in months.
const MONTH_DAYS: u32 = 30;

impl RequirementUnit {
    /// So many of it, in days.
    #[must_use]
    pub const fn days(self, number: u32) -> u32 {
        match self {
            Self::Days => number,
            Self::Months => number.saturating_mul(MONTH_DAYS),
        }
    }
}

/// What is judged by the number of a requirement: packs name their requirements as their texts do, and say by this which one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JudgedNumber {
    /// After how long without a sign-in an account is idle.
    AccountIdle,
    /// How old the password of an administrator may be.
    AdministratorPassword,
    /// How often accounts are reviewed.
    AccountReview,
}

/// A number that security levels ask for.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    pub id: String,
    pub what: String,
    pub unit: RequirementUnit,
    /// The number by level; a level that is not there asks for none.
    pub levels: BTreeMap<u8, u32>,
    /// By what it is measured.
    pub measured_by: String,
    /// What this program judges by it; none where only people do.
    pub measure: Option<JudgedNumber>,
    pub sure: Sure,
}

impl Pack {
    /// The number that a level asks for, with its unit; none where it asks for none.
    #[must_use]
    pub fn number(&self, measure: JudgedNumber, level: u8) -> Option<(u32, RequirementUnit)> {
        let found = self.requirements.iter().find(|one| one.measure == Some(measure))?;
        Some((*found.levels.get(&level)?, found.unit))
    }

    /// The same in days.
    #[must_use]
    pub fn days(&self, measure: JudgedNumber, level: u8) -> Option<u32> {
        self.number(measure, level).map(|(number, unit)| unit.days(number))
    }

    /// The same in months; days that fill none count as one.
    #[must_use]
    pub fn months(&self, measure: JudgedNumber, level: u8) -> Option<u32> {
        let (number, unit) = self.number(measure, level)?;
        Some(match unit {
            RequirementUnit::Months => number,
            RequirementUnit::Days => number.div_ceil(MONTH_DAYS),
        })
    }
}

/// All packs that are known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Packs(Vec<Pack>);

impl Packs {
    /// The packs that come with the product, and those of `more`: one of the same id takes the place of the product's own.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the first fault.
    pub fn read(more: &[Source]) -> Result<Self, ConfigError> {
        let mut all: Vec<Pack> = Vec::new();
        for (name, text) in BUILT_IN {
            all.push(form::parse(&Source::built_in(&format!("config/legal/{name}.toml"), text))?);
        }
        let mut named = BTreeSet::new();
        for source in more {
            let pack = form::parse(source)?;
            if !named.insert(pack.id.clone()) {
                let message = format!("found the id {:?}, which another file has already", pack.id);
                return Err(source.fault(0..0, &message, "give it another id, or name only one of the files"));
            }
            match all.iter_mut().find(|other| other.id == pack.id) {
                Some(other) => *other = pack,
                None => all.push(pack),
            }
        }
        let (kinds, services) = form::common(&Source::built_in("config/legal/common.toml", COMMON))?;
        for pack in &mut all {
            let lacking = |kind: &&KnownKind| !pack.kinds.iter().any(|own| own.kind == kind.kind);
            let kinds: Vec<KnownKind> = kinds.iter().filter(lacking).cloned().collect();
            let lacking = |service: &&KnownService| !pack.services.iter().any(|own| own.port == service.port);
            let services: Vec<KnownService> = services.iter().filter(lacking).cloned().collect();
            pack.kinds.extend(kinds);
            pack.services.extend(services);
        }
        Ok(Self(all))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Pack> {
        self.0.iter()
    }

    /// The pack of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Pack> {
        self.0.iter().find(|pack| pack.id == id)
    }

    /// The pack of a kind that is in force on a day: the one that was chosen, whatever its days, else the newest whose days it is.
    #[must_use]
    pub fn in_force(&self, kind: PackKind, today: Date, chosen: Option<&str>) -> Option<&Pack> {
        let of_kind = || self.0.iter().filter(|pack| pack.kind == kind);
        if let Some(id) = chosen {
            return of_kind().find(|pack| pack.id == id);
        }
        let is_its_day =
            |pack: &&Pack| pack.in_force_from <= today && pack.in_force_to.is_none_or(|last| today <= last);
        of_kind().filter(is_its_day).max_by_key(|pack| pack.in_force_from)
    }
}

#[cfg(test)]
mod tests;
