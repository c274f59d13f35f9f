//! From when until when a page's charts go: a range that ends now and goes on with it, or two moments that a person wrote.

use ioc_common::clock::Timestamp;

use super::past::parse_moment;
use crate::problem::Problem;
use ioc_engine::config::Config;

/// The ranges that can be chosen, and their lengths in hours.
pub(crate) const SPANS: [(&str, i64); 6] = [("1h", 1), ("6h", 6), ("24h", 24), ("7d", 168), ("30d", 720), ("1y", 8784)];
const HOUR_MS: i64 = 3_600_000;
/// The shortest range and the longest, milliseconds: a minute, and ten years, which is how long history is kept at most.
const SPAN_MIN_MS: i64 = 60_000;
const SPAN_MAX_MS: i64 = 10 * 366 * 24 * HOUR_MS;

/// What charts show of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChartSpan {
    /// Its name in [`SPANS`]; empty where a person wrote both ends.
    pub(crate) name: &'static str,
    /// Milliseconds since 1970.
    pub(crate) from: i64,
    pub(crate) until: i64,
    /// Nobody asked for it: it is where there is something to see.
    pub(crate) is_usual: bool,
}

impl ChartSpan {
    /// The range of this name that ends at `until`; none where there is none.
    pub(crate) fn named(name: &str, until: Timestamp) -> Option<Self> {
        let (name, hours) = SPANS.into_iter().find(|(one, _)| *one == name)?;
        let until = until.as_millis();
        Some(Self { name, from: until - hours * HOUR_MS, until, is_usual: false })
    }

    /// The shortest range that reaches back to when a device was heard last: what opens shows something where there is anything.
    pub(crate) fn with_data(last_heard: Option<Timestamp>, now: Timestamp) -> Self {
        let age = last_heard.map_or(0, |at| now.millis_since(at));
        let reaches = |hours: i64| age < hours * HOUR_MS;
        let (name, hours) = SPANS.into_iter().find(|(_, hours)| reaches(*hours)).unwrap_or(("1y", 8784));
        Self { name, from: now.as_millis() - hours * HOUR_MS, until: now.as_millis(), is_usual: true }
    }

    /// What a page was asked for: two moments, a name, or neither.
    ///
    /// # Errors
    /// [`Problem`] when a moment cannot be read, or both are not in their order.
    pub(crate) fn asked(
        (name, from, until): (&str, &str, &str),
        config: &Config,
        now: Timestamp,
    ) -> Result<Option<Self>, Problem> {
        if from.trim().is_empty() && until.trim().is_empty() {
            return Ok(Self::named(name, now));
        }
        let until = if until.trim().is_empty() { now } else { parse_moment("until", until, config)? };
        let from =
            if from.trim().is_empty() { until.plus_millis(-24 * HOUR_MS) } else { parse_moment("from", from, config)? };
        let (from, until) = (from.as_millis(), until.as_millis());
        if !(SPAN_MIN_MS..=SPAN_MAX_MS).contains(&(until - from)) {
            let why = "from: found a moment that is not before until; allowed are a minute to ten years between them";
            return Err(Problem::invalid(why.to_owned()));
        }
        Ok(Some(Self { name: "", from, until, is_usual: false }))
    }

    /// Whether it ends now, so that it goes on while somebody watches.
    pub(crate) const fn is_live(&self) -> bool {
        !self.name.is_empty()
    }

    pub(crate) const fn length(&self) -> i64 {
        self.until - self.from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_opens_where_there_is_something_to_see() {
        let now = Timestamp::from_millis(1_000 * HOUR_MS);
        let opened = |hours: i64| ChartSpan::with_data(Some(now.plus_millis(-hours * HOUR_MS)), now).name;
        assert_eq!([0, 1, 5, 20, 30, 400, 9_000].map(opened), ["1h", "6h", "6h", "24h", "7d", "30d", "1y"]);
        assert_eq!(ChartSpan::with_data(None, now).name, "1h");
        assert_eq!(ChartSpan::with_data(Some(now.plus_millis(5_000)), now).name, "1h", "its clock is ahead");
    }

    #[test]
    fn only_names_that_there_are_make_a_range() {
        let now = Timestamp::from_millis(1_000 * HOUR_MS);
        let day = ChartSpan::named("24h", now).expect("a range");
        assert!(day.is_live() && day.length() == 24 * HOUR_MS && day.until == now.as_millis());
        assert_eq!(ChartSpan::named("25h", now), None);
    }
}
