//! Gathering a clause report's facts: the record is read once, in pages, as of one moment and beside the engine. No commit waits for it, and what is kept of
//! it in memory is bounded by devices and faults of the two periods, not by their readings.

mod access;
mod devices;
mod faults;
mod incidents;
mod operation;
mod protection;
mod response;

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_document::legal::Pack;
use ioc_document::report::Value;
use ioc_document::report::clause::{ArticleState, Evidence, Figure, Gap};
use ioc_document::wording;
use ioc_judge::RuleSet;
use ioc_store::report::DocumentSettings;
use ioc_store::retention::RecordClass;
use ioc_store::{AccountLimits, Reader, StoreError};
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::ReportKey;
use crate::moment::as_of_one_moment;
use devices::DeviceFacts;
use faults::FaultFacts;
use incidents::IncidentFacts;

/// How long after a period what stands now may stand for its end, milliseconds: a month and a half, in which a quarter's report is made.
const STATE_MS: i64 = 45 * 86_400_000;
/// Names of devices in one gap.
const NAMES_MAX: usize = 5;
/// So many parts of the work are told as progress.
const PARTS: u32 = 6;

/// What is asked for, and what whoever asks knows that is not in the record.
#[derive(Debug, Clone)]
pub struct Question {
    /// Which report.
    pub key: ReportKey,
    /// The regulation.
    pub pack: Pack,
    /// The rules in force, which say which article each fault is about.
    pub rules: RuleSet,
    /// The site's time zone.
    pub zone: TimeZone,
    /// What time it is.
    pub now: Timestamp,
    /// The collector's own clock is in doubt.
    pub clock_doubted: bool,
    /// Who mends gaps by when, where settings say so.
    pub settings: DocumentSettings,
    /// Jobs on other systems by title, each with whether it failed or is late.
    pub jobs: Vec<(String, bool)>,
    /// What the laws in force ask of accounts.
    pub accounts: AccountLimits,
    /// Figures of the report on the period before, as it was issued.
    pub earlier: Vec<ArticleState>,
    /// The security-level dossier (16.7); none where no law in force asks for one.
    pub dossier: Option<Box<crate::filing::Question>>,
}

/// What was gathered.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Which report.
    pub key: ReportKey,
    /// As of when.
    pub at: Timestamp,
    /// Since when there is a record; none in a new store.
    pub since: Option<Timestamp>,
    /// Article by article, in the order of the pack.
    pub articles: Vec<ArticleState>,
}

/// A stretch of time, its end not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    from: Timestamp,
    until: Timestamp,
}

impl Stretch {
    fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// How long another stretch is within it, milliseconds.
    fn overlap_ms(&self, from: Timestamp, until: Timestamp) -> i64 {
        self.until.min(until).millis_since(self.from.max(from)).max(0)
    }
}

/// The period and the one before it.
const NOW: usize = 0;
const BEFORE: usize = 1;

struct Gathering<'a> {
    reader: &'a dyn Reader,
    asked: &'a Question,
    /// The period, and the one before.
    periods: [Stretch; 2],
    since: Option<Timestamp>,
    /// Up to when records of a class were deleted by their retention: what ended before is not whole any more.
    deleted: BTreeMap<RecordClass, Timestamp>,
    found: BTreeMap<String, ArticleState>,
}

/// What figures are counted of, of records that are deleted after a while.
const COUNTED: [RecordClass; 4] =
    [RecordClass::Faults, RecordClass::Incidents, RecordClass::Notices, RecordClass::NumbersHour];

/// Gathers the facts as of one moment. `progress` hears how many of how many parts are done, and says whether to go on.
///
/// # Errors
/// [`StoreError`] when the record cannot be read. Nothing where it was not to go on.
pub fn gather(
    reader: &dyn Reader,
    asked: &Question,
    progress: &dyn Fn(u32, u32) -> bool,
) -> Result<Option<Facts>, StoreError> {
    as_of_one_moment(reader, |reader| gather_now(reader, asked, progress))
}

fn gather_now(
    reader: &dyn Reader,
    asked: &Question,
    progress: &dyn Fn(u32, u32) -> bool,
) -> Result<Option<Facts>, StoreError> {
    let stretch = |key: &ReportKey| {
        let (from, until) = key.bounds(&asked.zone);
        Stretch { from, until }
    };
    let since = reader.audit_since()?;
    let periods = [stretch(&asked.key), stretch(&asked.key.before())];
    let mut deleted = BTreeMap::new();
    for class in COUNTED {
        deleted.extend(reader.deleted_through(class)?.map(|at| (class, at)));
    }
    let mut all = Gathering { reader, asked, periods, since, deleted, found: BTreeMap::new() };
    let mut done = 0;
    let mut next = || {
        done += 1;
        progress(done, PARTS)
    };
    let devices = DeviceFacts::read(&all)?;
    if !next() {
        return Ok(None);
    }
    let faults = FaultFacts::read(&all)?;
    if !next() {
        return Ok(None);
    }
    let incidents = IncidentFacts::read(&all)?;
    if !next() {
        return Ok(None);
    }
    operation::tell(&mut all, &devices, &faults)?;
    if !next() {
        return Ok(None);
    }
    response::tell(&mut all, &incidents);
    protection::tell(&mut all, &devices)?;
    if !next() {
        return Ok(None);
    }
    access::tell(&mut all)?;
    next();
    let Gathering { mut found, .. } = all;
    let articles = asked.pack.articles.iter().map(|article| {
        let mut state = found.remove(&article.number).unwrap_or_default();
        state.number.clone_from(&article.number);
        state
    });
    Ok(Some(Facts { key: asked.key, at: asked.now, since, articles: articles.collect() }))
}

impl Gathering<'_> {
    fn article(&mut self, number: &str) -> &mut ArticleState {
        self.found.entry(number.to_owned()).or_default()
    }

    /// Why nothing is known of a period; nothing where there is a record of it.
    fn unknown(&self, period: usize) -> Option<String> {
        let Stretch { from, until } = self.periods[period];
        if from > self.asked.now {
            return Some("kỳ báo cáo chưa bắt đầu".to_owned());
        }
        match self.since {
            Some(since) if since < until => None,
            Some(since) => Some(format!("hệ thống ghi nhận từ ngày {}", self.day(since))),
            None => Some("hệ thống chưa ghi nhận".to_owned()),
        }
    }

    /// Why what was counted of records of these classes says nothing of a period; nothing where they are all there.
    fn uncounted(&self, period: usize, of: &[RecordClass]) -> Option<String> {
        let through = of.iter().filter_map(|class| self.deleted.get(class)).max()?;
        let gone = *through >= self.periods[period].from;
        gone.then(|| format!("bản ghi đến ngày {} đã xoá theo thời hạn lưu giữ", self.day(*through)))
    }

    /// A value of what happened in a period, as far as that is on record.
    fn of_period(&self, period: usize, of: &[RecordClass], value: Value) -> Value {
        if let Some(why) = self.unknown(period).or_else(|| self.uncounted(period, of)) {
            return Value::Unknown(why);
        }
        match self.since.filter(|since| *since > self.periods[period].from) {
            Some(since) if value.is_known() => {
                let of = format!("chỉ ghi nhận từ ngày {}", self.day(since));
                Value::Partial { value: Box::new(value), of }
            }
            _ => value,
        }
    }

    /// A moment as a day of the site.
    fn date(&self, at: Timestamp) -> Option<Date> {
        let moment = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
        Some(moment.to_zoned_datetime(self.asked.zone.clone()).date())
    }

    fn day(&self, at: Timestamp) -> String {
        self.date(at).map_or_else(|| at.to_string(), wording::short_date)
    }

    /// A figure of what happened in both periods, counted of records of these classes: nothing is said of a period that is not on record, or of which
    /// records were deleted, and of one that is on record in part it is said of which.
    fn happened(&mut self, article: &str, name: &str, of: &[RecordClass], [now, before]: [Value; 2]) {
        let now = self.of_period(NOW, of, now);
        let before = self.unknown(BEFORE).is_none().then(|| self.of_period(BEFORE, of, before));
        self.figure(article, name, now, before);
    }

    /// Whether the period is so long over that what stands now says nothing of it.
    fn is_over(&self) -> bool {
        self.asked.now.millis_since(self.periods[NOW].until) > STATE_MS
    }

    /// A figure of how things stand. What stands now says nothing of a period that is long over; what stood then is in the report of then.
    fn stands(&mut self, article: &str, name: &str, now: Value) {
        let late = || Value::Unknown("chỉ ghi nhận được khi lập báo cáo, kỳ này đã qua".to_owned());
        let now = match self.unknown(NOW) {
            Some(why) => Value::Unknown(why),
            None if self.is_over() => late(),
            None => now,
        };
        let of_article = self.asked.earlier.iter().find(|state| state.number == article);
        let before = of_article.and_then(|state| state.figures.iter().find(|figure| figure.name == name));
        let before = before.map(|figure| figure.now.clone());
        self.figure(article, name, now, before);
    }

    fn figure(&mut self, article: &str, name: &str, now: Value, before: Option<Value>) {
        self.article(article).figures.push(Figure { name: name.to_owned(), now, before });
    }

    fn evidence(&mut self, article: &str, what: impl Into<String>, place: &str) {
        self.article(article).evidence.push(Evidence { what: what.into(), place: place.to_owned() });
    }

    /// Something that is not as it should be now. Of a period that is long over it says as little as [`Self::stands`]: what lacked then is in the report of
    /// then.
    fn gap_now(&mut self, article: &str, key: &str, count: u64, what: impl FnOnce(String) -> String) {
        if !self.is_over() {
            self.gap(article, key, count, what);
        }
    }

    /// Something that was not as it should be in the period, unless there is none of it.
    fn gap(&mut self, article: &str, key: &str, count: u64, what: impl FnOnce(String) -> String) {
        if count == 0 || self.unknown(NOW).is_some() {
            return;
        }
        let settings = &self.asked.settings;
        let who = Some(settings.unit.clone()).filter(|unit| !unit.is_empty());
        let days = i64::from(settings.mend_days);
        let by = (days > 0).then(|| self.asked.key.to().checked_add(days.days()).ok()).flatten();
        let gap = Gap { key: key.to_owned(), what: what(wording::count(count)), who, by };
        self.article(article).gaps.push(gap);
    }
}

/// The first names of a list, and how many more there are.
fn listed(names: &[String], all: u64) -> String {
    let shown = names.iter().take(NAMES_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = all.saturating_sub(names.len().min(NAMES_MAX) as u64);
    if more > 0 { format!("{shown} và {} khác", wording::count(more)) } else { shown }
}

/// The middle one; between two, the smaller, which did happen.
fn median(all: &mut [i64]) -> Option<i64> {
    all.sort_unstable();
    all.get(all.len().checked_sub(1)? / 2).copied()
}

/// A length of time that was measured, or that none was.
fn seconds(ms: Option<i64>, none: &str) -> Value {
    ms.map_or_else(|| Value::Unknown(none.to_owned()), |ms| Value::Seconds(u64::try_from(ms / 1000).unwrap_or(0)))
}

/// Stretches that meet become one; in the order of time.
pub(crate) fn joined(mut all: Vec<(Timestamp, Timestamp)>) -> Vec<(Timestamp, Timestamp)> {
    all.sort_unstable();
    let mut out: Vec<(Timestamp, Timestamp)> = Vec::new();
    for (from, until) in all {
        match out.last_mut() {
            Some((_, end)) if from <= *end => *end = until.max(*end),
            _ => out.push((from, until)),
        }
    }
    out
}

#[cfg(test)]
mod tests;
