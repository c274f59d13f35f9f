//! Reports (article 16.6) and filings (16.7, yearly forms): what is due, how each stands, what people write into it; versions that were issued; what the centre says of itself in
//! documents. As pages and in the API. Reports are of the whole centre.

pub(crate) mod api;
pub(crate) mod edit;
pub(crate) mod file;
pub(crate) mod filing;
pub(crate) mod filing_api;
mod filing_gathering;
mod gathering;
pub(crate) mod issued;
pub(crate) mod list;
pub(crate) mod notice;
pub(crate) mod record;
pub(crate) mod record_version;
pub(crate) mod refusals;
pub(crate) mod settings;
mod typed;

use ioc_common::clock::Timestamp;
use jiff::civil::Date;

use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use ioc_document::legal::{Pack, PackKind};
use ioc_document::wording;
use ioc_engine::refusal_reason::{RefusalKind, RefusalReason, Word};
use ioc_report::ReportKey;

/// A report is of the whole centre: out of reach for whoever is limited to places.
pub(crate) fn everywhere(person: &Person) -> Result<(), Problem> {
    if person.scope.is_everywhere() {
        return Ok(());
    }
    let english = "this is about the whole centre, and your account is limited to places";
    Err(Problem::explained(RefusalKind::Forbidden, RefusalReason::new("report-refused-everywhere", [], english)))
}

/// A text as forms send it, whichever way its lines end.
fn lines_of(text: &str) -> Vec<&str> {
    text.trim_end().lines().collect()
}

/// A moment as a day of the site.
pub(crate) fn day_of(app: &App, at: Timestamp) -> Date {
    let moment = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    moment.to_zoned_datetime(app.config().timezone.clone()).date()
}

/// The regulation that is in force on a day.
fn regulation(app: &App, day: Date) -> Result<Pack, Problem> {
    let config = app.config();
    let pack = config.legal.in_force(PackKind::Regulation, day).cloned();
    pack.ok_or_else(|| {
        let english = format!(
            "no regulation is in force on {day}; mend: name a pack in [legal] regulation or files of collector.toml"
        );
        let args = [("day", Word::text(wording::short_date(day)))];
        Problem::explained(RefusalKind::Conflict, RefusalReason::new("report-refused-no-regulation", args, english))
    })
}

/// The report that an address names.
fn key_of(report: &str) -> Result<ReportKey, Problem> {
    report.parse().map_err(|error: ioc_report::KeyError| {
        let reason = RefusalReason::new("report-refused-address", [], error.to_string());
        Problem::explained(RefusalKind::NotFound, reason)
    })
}

/// A document that there is not.
fn no_document<const N: usize>(
    key: &'static str,
    args: [(&'static str, Word); N],
    english: impl Into<String>,
) -> Problem {
    Problem::explained(RefusalKind::NotFound, RefusalReason::new(key, args, english))
}
