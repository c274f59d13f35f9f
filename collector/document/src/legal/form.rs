//! A legal pack as it is written, and the checks that make a [`Pack`] of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ioc_common::config::{ConfigError, Source, Span, Spanned};
use jiff::civil::Date;
use serde::{Deserialize, Deserializer};

use super::filing::{KnownKind, KnownService};
use super::filing_form::{self, DeviceKindForm, FilingForm, LevelForm, MeasureForm, ServiceForm, ZoneForm};
use super::{
    Article, AtLeast, Clock, JudgedNumber, LEVELS, MonthDay, Pack, PackKind, Period, Report, Requirement,
    RequirementUnit, SeriousCriterion, Starts, Step, Sure, Term, Within, Wrong,
};

/// Most of one kind in a pack: it is read by people.
const MOST: usize = 200;
/// What is due at once is late after so long, where the pack does not say.
const LATE_AFTER: Span = Span::secs(3_600);
/// Longest id of a deadline: it stands in addresses.
const CLOCK_ID_MAX: usize = 60;

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
    serious: Option<Spanned<SeriousForm>>,
    #[serde(default)]
    step: Vec<Spanned<StepForm>>,
    #[serde(default)]
    requirement: Vec<Spanned<RequirementForm>>,
    #[serde(default)]
    filing: Vec<Spanned<FilingForm>>,
    #[serde(default)]
    measure: Vec<Spanned<MeasureForm>>,
    #[serde(default)]
    zone: Vec<Spanned<ZoneForm>>,
    #[serde(default)]
    level: Vec<Spanned<LevelForm>>,
    #[serde(default)]
    service: Vec<Spanned<ServiceForm>>,
    #[serde(default)]
    device_kind: Vec<Spanned<DeviceKindForm>>,
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
    late_after: Option<Span>,
    to: String,
    #[serde(default)]
    article: String,
    #[serde(default)]
    form: String,
    #[serde(default)]
    starts: Starts,
    sure: Sure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeriousForm {
    text: String,
    severity: AtLeast,
    affected: Option<u32>,
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
    measure: Option<JudgedNumber>,
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
    let reports = all(source, form.report, |one| one.id.clone(), report)?;
    let requirements = all(source, form.requirement, |one| one.id.clone(), requirement)?;
    let serious = match form.serious {
        Some(form) => {
            let (span, SeriousForm { text, severity, affected, sure }) = (form.span(), form.into_inner());
            if text.trim().is_empty() || affected == Some(0) {
                return fault(
                    span,
                    "found no text, or 0 devices",
                    "write what the text says, and how many devices at least",
                );
            }
            Some(SeriousCriterion { text, severity, affected: affected.unwrap_or(1), sure })
        }
        None => None,
    };
    let pack = Pack {
        filings: all(source, form.filing, |one| one.id.clone(), |one| filing_form::filing(one, &reports))?,
        measures: all(source, form.measure, |one| one.id.clone(), |one| filing_form::measure(one, &requirements))?,
        zones: all(source, form.zone, |one| one.id.clone(), filing_form::zone)?,
        levels: all(source, form.level, |one| one.level.to_string(), filing_form::level)?,
        kinds: all(source, form.device_kind, |one| one.kind.clone(), filing_form::kind)?,
        services: all(source, form.service, |one| one.port.clone(), filing_form::service)?,
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
        reports,
        clocks: all(source, form.clock, |one| one.id.clone(), clock)?,
        serious,
        steps: all(source, form.step, |one| format!("{:?}", one.levels), step)?,
        requirements,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommonForm {
    service: Vec<Spanned<ServiceForm>>,
    device_kind: Vec<Spanned<DeviceKindForm>>,
}

/// Reads the words of documents that no law gives: kinds of devices, and what ports are commonly for.
pub(super) fn common(source: &Source) -> Result<(Vec<KnownKind>, Vec<KnownService>), ConfigError> {
    let form: CommonForm = source.parse()?;
    let kinds = all(source, form.device_kind, |one| one.kind.clone(), filing_form::kind)?;
    Ok((kinds, all(source, form.service, |one| one.port.clone(), filing_form::service)?))
}

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
    let ClockForm { id, condition, within, late_after, to, article, form, starts, sure } = form;
    let is_plain = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-';
    if id.len() > CLOCK_ID_MAX || !id.chars().all(is_plain) {
        let message =
            format!("found the deadline {id:?}; allowed are up to {CLOCK_ID_MAX} lower case letters, digits and -");
        return Err((message, "write for example id = \"first-notice\""));
    }
    if late_after.is_some() && within != Within::AtOnce {
        return Err((format!("found late_after in the deadline {id:?}, which has a length of its own"), "remove it"));
    }
    if [&condition, &to].into_iter().any(|text| text.trim().is_empty()) {
        return Err((format!("found the deadline {id:?} without condition or recipient"), "write condition and to"));
    }
    let late_after = late_after.unwrap_or(LATE_AFTER);
    if matches!(within, Within::Span(span) if span.as_millis() <= 0) || late_after.as_millis() <= 0 {
        return Err((format!("found the deadline {id:?} of no length"), "write for example within = \"24h\""));
    }
    Ok(Clock { id, condition, within, late_after, to, article, form, starts, sure })
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
