//! Documents of one thing on record: an incident, a shift, a piece of maintenance, a drill. They are made when somebody asks; a version that is issued is kept
//! as reports are, by its [`RecordKey`].

mod account_review;
mod incident;
mod key;
mod maintenance;
mod notice;
mod restore;
mod shift;
mod shift_account;

pub use account_review::account_review;
pub use incident::{AffectedDevices, incident};
pub use key::{RecordKey, RecordKeyError, rota_key};
pub use maintenance::maintenance;
pub use notice::{NoticeFacts, notice, offered};
pub use restore::restore;
pub use shift::{ShiftFacts, shift};
pub use shift_account::{ShiftSpan, shift_account};

use ioc_common::clock::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A moment as the clocks of the site show it.
fn local(at: Timestamp, zone: &TimeZone) -> DateTime {
    let moment = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    moment.to_zoned_datetime(zone.clone()).datetime()
}
