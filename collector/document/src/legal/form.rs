//! A legal pack as it is written, and the checks that make a [`Pack`] of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ioc_common::config::{ConfigError, Source, Span, Spanned};
use jiff::civil::Date;
use serde::{Deserialize, Deserializer};

use super::{
    Article, Clock, Measure, MonthDay, Pack, PackKind, Period, Report, Requirement, RequirementUnit, Step, Sure, Term,
    Within,
};

/// The levels that there are.
const LEVELS: std::ops::RangeInclusive<u8> = 1..=5;
/// Most of one kind in a pack: it is read by people.
const MOST: usize = 200;

struct Day(Date);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let fault = |_| {
            let found: String = text.chars().take(40).collect();
            serde::de::Error::custom(format!(
                "found {found:?}; allowed is a day as year-month-day; mend: write for example \"2026-11-28\""
            ))
        };
        text.parse().map(Self).map_err(fault)
    }
}

impl<'de> Deserialize<'de> for MonthDay {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        // 2028 has a 29 February.
        let date: Option<Date> = format!("2028-{text}").parse().ok().filter(|_| text.len() == 5);
        date.map(|date| Self { month: date.month(), day: date.day() }).ok_or_else(|| {
            let found: String = text.chars().take(40).collect();
            serde::de::Error::custom(format!(
                "found {found:?}; allowed is a day of the year as month-day; mend: write for example \"12-20\""
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Within {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text == "at-once" {
            return Ok(Self::AtOnce);
        }
        text.parse::<Span>().map(Self::Span).map_err(|_| {
            let found: String = text.chars().take(40).collect();
            serde::de::Error::custom(format!(
                "found {found:?}; allowed are \"at-once\" and a length of time; mend: write for example \"72h\""
            ))
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PackForm {
    id: Spanned<String>,
    kind: PackKind,
    name: Spanned<String>,
    basis: Spanned<String>,
    in_force_from: Day,
    in_force_to: Option<Spanned<Day>>,
    checked: Day,
    sure: Sure,
    sources: Spanned<Vec<String>>,
    #[serde(default)]
    article: Vec<Spanned<ArticleForm>>,
    #[serde(default)]
    report: Vec<Spanned<ReportForm>>,
    #[serde(default)]
    clock: Vec<Spanned<ClockForm>>,
    #[serde(default)]
    step: Vec<Spanned<StepForm>>,
    #[serde(default)]
    requirement: Vec<Spanned<RequirementForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ArticleForm {
    number: String,
    title: String,
    evidence: Option<String>,
    #[serde(default)]
    figures: Vec<String>,
    #[serde(default)]
    input: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportForm {
    id: String,
    title: String,
    article: String,
    period: Period,
    cut_off: Option<MonthDay>,
    due: Option<MonthDay>,
    from: String,
    to: String,
    note: Option<String>,
    sure: Sure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockForm {
    id: String,
    condition: String,
    within: Within,
    to: String,
    sure: Sure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepForm {
    levels: Vec<u8>,
    what: String,
    days: Option<u16>,
    working_days: Option<u16>,
    sure: Sure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequirementForm {
    id: String,
    what: String,
    unit: RequirementUnit,
    levels: BTreeMap<String, u32>,
    measured_by: String,
    measure: Option<Measure>,
    sure: Sure,
}

/// Reads a pack.
pub(super) fn parse(source: &Source) -> Result<Pack, ConfigError> {
    let form: PackForm = source.parse()?;
    let fault = |span: Range<usize>, message: &str, mend: &str| Err(source.fault(span, message, mend));
    let is_plain = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-';
    if form.id.get_ref().is_empty() || !form.id.get_ref().chars().all(is_plain) {
        let message = format!("found the id {:?}; allowed are lower case letters, digits and -", form.id.get_ref());
        return fault(form.id.span(), &message, "write for example \"nd-331-2026\"");
    }
    for text in [&form.name, &form.basis] {
        if text.get_ref().trim().is_empty() {
            return fault(text.span(), "found no text", "say what the law is called, and how documents rest on it");
        }
    }
    if form.sources.get_ref().iter().all(|one| one.trim().is_empty()) {
        return fault(form.sources.span(), "found no source", "name at least one text that this was taken from");
    }
    if let Some(to) = &form.in_force_to
        && to.get_ref().0 < form.in_force_from.0
    {
        return fault(to.span(), "it ends before it begins", "correct in_force_from or in_force_to");
    }
    let pack = Pack {
        id: form.id.into_inner(),
        kind: form.kind,
        name: form.name.into_inner(),
        basis: form.basis.into_inner(),
        in_force_from: form.in_force_from.0,
        in_force_to: form.in_force_to.map(|to| to.into_inner().0),
        checked: form.checked.0,
        sure: form.sure,
        sources: form.sources.into_inner(),
        articles: all(source, form.article, |one| one.number.clone(), article)?,
        reports: all(source, form.report, |one| one.id.clone(), report)?,
        clocks: all(source, form.clock, |one| one.id.clone(), clock)?,
        steps: all(source, form.step, |one| format!("{:?}", one.levels), step)?,
        requirements: all(source, form.requirement, |one| one.id.clone(), requirement)?,
    };
    match pack.kind {
        PackKind::Regulation if pack.articles.is_empty() => {
            fault(0..0, "found a regulation without articles", "write an [[article]] for each that the report is about")
        }
        PackKind::Regime if !pack.articles.is_empty() => {
            fault(0..0, "found articles in a regime", "write kind = \"regulation\", or remove them")
        }
        PackKind::Regulation | PackKind::Regime => Ok(pack),
    }
}

/// What is wrong with a table, and the mend.
type Wrong = (String, &'static str);

/// All tables of one name, checked; none has the key of another.
fn all<F, T>(
    source: &Source,
    forms: Vec<Spanned<F>>,
    key: impl Fn(&F) -> String,
    check: impl Fn(F) -> Result<T, Wrong>,
) -> Result<Vec<T>, ConfigError> {
    let mut keys = BTreeSet::new();
    let mut out = Vec::new();
    for form in forms {
        let (span, form) = (form.span(), form.into_inner());
        let name = key(&form);
        if name.trim().is_empty() {
            return Err(source.fault(span, "found a table without a name", "give it an id, or its number"));
        }
        if out.len() == MOST {
            return Err(source.fault(span, &format!("found more than {MOST}"), "divide the pack"));
        }
        if !keys.insert(name.clone()) {
            let message = format!("found {name} twice");
            return Err(source.fault(span, &message, "remove one of them, or correct its name"));
        }
        out.push(check(form).map_err(|(message, mend)| source.fault(span.clone(), &message, mend))?);
    }
    Ok(out)
}

fn article(form: ArticleForm) -> Result<Article, Wrong> {
    let ArticleForm { number, title, evidence, figures, input } = form;
    if figures.is_empty() && !input {
        let message = format!("found the article {number} with nothing to show");
        return Err((message, "name its figures, or write input = true where only people know"));
    }
    let different: BTreeSet<&String> = figures.iter().collect();
    if different.len() < figures.len() {
        return Err((format!("found a figure of the article {number} twice"), "give each a name of its own"));
    }
    Ok(Article { number, title, evidence, figures, input })
}

fn report(form: ReportForm) -> Result<Report, Wrong> {
    let ReportForm { id, title, article, period, cut_off, due, from, to, note, sure } = form;
    if period != Period::Year && (due.is_some() || cut_off.is_some()) {
        let message = format!("found a day of the year in the report {id:?}, which is not yearly");
        return Err((message, "remove due and cut_off, or write period = \"year\""));
    }
    Ok(Report { id, title, article, period, cut_off, due, from, to, note, sure })
}

fn clock(form: ClockForm) -> Result<Clock, Wrong> {
    let ClockForm { id, condition, within, to, sure } = form;
    Ok(Clock { id, condition, within, to, sure })
}

fn step(form: StepForm) -> Result<Step, Wrong> {
    let StepForm { levels, what, days, working_days, sure } = form;
    if levels.is_empty() || !levels.iter().all(|level| LEVELS.contains(level)) {
        return Err((format!("found the levels {levels:?}; allowed are 1 to 5"), "write for example levels = [1, 2]"));
    }
    let term = match (days, working_days) {
        (Some(_), Some(_)) => return Err(("found days and working_days".to_owned(), "keep one of them")),
        (Some(days), None) => Some(Term::Days(days)),
        (None, Some(days)) => Some(Term::WorkingDays(days)),
        (None, None) => None,
    };
    Ok(Step { levels, what, term, sure })
}

fn requirement(form: RequirementForm) -> Result<Requirement, Wrong> {
    let RequirementForm { id, what, unit, levels, measured_by, measure, sure } = form;
    let mut numbers = BTreeMap::new();
    for (level, number) in levels {
        let level: u8 = level.parse().ok().filter(|level| LEVELS.contains(level)).ok_or_else(|| {
            (format!("found the level {level:?}; allowed are 1 to 5"), "write for example levels = { 2 = 1, 3 = 3 }")
        })?;
        if number == 0 {
            return Err((format!("found 0 for the level {level}"), "leave a level out that asks for nothing"));
        }
        numbers.insert(level, number);
    }
    Ok(Requirement { id, what, unit, levels: numbers, measured_by, measure, sure })
}
