//! Moments as people of the site read them.

use ioc_common::clock::Timestamp;

use crate::config::Config;

/// A moment in the site's time zone, which is named.
#[must_use]
pub fn local(at: Timestamp, config: &Config) -> String {
    local_in(at, &config.timezone)
}

/// A moment in a time zone, which is named.
#[must_use]
pub fn local_in(at: Timestamp, zone: &jiff::tz::TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at.as_millis()) {
        Ok(moment) => {
            let zoned = moment.to_zoned_datetime(zone.clone());
            format!("{} ({})", zoned.strftime("%d/%m/%Y %H:%M:%S"), zone.iana_name().unwrap_or("UTC"))
        }
        Err(_) => at.to_string(),
    }
}
