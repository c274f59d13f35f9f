//! Reports (article 16.6): what is due, how each stands, what people write into it; versions that were issued; what the centre says of itself in
//! documents. As pages and in the API. Reports are of the whole centre.

pub(crate) mod api;
pub(crate) mod edit;
pub(crate) mod file;
mod gathering;
pub(crate) mod issued;
pub(crate) mod list;
pub(crate) mod record;
pub(crate) mod settings;

use ioc_common::clock::Timestamp;
use jiff::civil::Date;

use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use ioc_document::legal::{Pack, PackKind};

/// A report is of the whole centre: out of reach for whoever is limited to places.
pub(crate) fn everywhere(person: &Person) -> Result<(), Problem> {
    if person.scope.is_everywhere() {
        return Ok(());
    }
    Err(Problem::forbidden("this is about the whole centre, and your account is limited to places"))
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
        Problem::conflict(format!(
            "no regulation is in force on {day}; mend: name a pack in [legal] regulation or files of collector.toml"
        ))
    })
}
