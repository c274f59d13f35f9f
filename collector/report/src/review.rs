//! When accounts are reviewed (article 13): for who reminds of it, who shows it and who reports on it.

use ioc_common::clock::Timestamp;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// When the next review of accounts is due: so many months after the last was signed, or after the record began. Nothing where neither is known.
#[must_use]
pub fn review_due(signed: Option<Timestamp>, since: Option<Timestamp>, months: u32, zone: &TimeZone) -> Option<Date> {
    let from = jiff::Timestamp::from_millisecond(signed.or(since)?.as_millis()).ok()?;
    let day = from.to_zoned_datetime(zone.clone()).date();
    day.checked_add(i64::from(months).months()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_is_due_so_many_months_after_the_last_or_after_the_record_began() {
        let zone = TimeZone::fixed(jiff::tz::offset(7));
        let at = |text: &str| Some(text.parse::<Timestamp>().expect("a time"));
        let due = |signed, since| review_due(signed, since, 6, &zone).map(|day| day.to_string());
        // It is the next day there already.
        let since = at("2026-08-30T18:00:00Z");
        assert_eq!(due(None, since).as_deref(), Some("2027-02-28"));
        assert_eq!(due(at("2026-11-29T01:00:00Z"), since).as_deref(), Some("2027-05-29"));
        assert_eq!(due(None, None), None, "nothing is on record yet");
    }
}
