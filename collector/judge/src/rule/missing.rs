//! Kind `missing`: a value that has not been known for a time, or could not be what was said.

use std::sync::Arc;

use ioc_common::clock::Timestamp;
use ioc_common::metric::Metric;

use super::descriptor::KindDescriptor;
use super::number::{Limit, Measure, Quantity, ReasonParts};
use super::number_keys::{self, LastingKeys};
use super::sample_window::SampleWindow;
use super::words::Said;
use crate::text::Text;

pub(super) const DESCRIPTOR: KindDescriptor =
    number_keys::lasting(|context, keys| keys.read::<LastingKeys>()?.check(context, Arc::new(Unknown)));

/// For how many seconds it has not been known, now that it is known or not.
#[derive(Debug, PartialEq)]
struct Unknown;

impl Measure for Unknown {
    fn quantity(&self) -> Quantity {
        Quantity::Duration
    }

    fn number(&self, window: &mut SampleWindow, value: Option<f64>, at: Timestamp) -> Option<f64> {
        let goes_on = value.is_none() && window.moments().next().is_some_and(|(since, _)| at >= since);
        Some(window.lasting_s(goes_on, 0.0, at))
    }

    fn judges_unknown(&self) -> bool {
        true
    }

    fn raised_reason(&self, words: &ReasonParts<'_>) -> Text {
        let ReasonParts { metric, subject, .. } = words;
        let unknown = &words.limit;
        Text::new(
            format!("{}{subject}: không đọc được trong {}.", metric.vi, unknown.vi),
            format!("{}{subject}: has not been known for {}.", metric.en, unknown.en),
        )
    }

    fn says(&self, metric: &Metric, limit: &Said, _: Limit) -> Text {
        Text::new(
            format!("{} không đọc được quá {}", metric.vi, limit.vi),
            format!("{} is not known for more than {}", metric.en, limit.en),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_from_when_the_value_was_last_known() {
        let mut window = SampleWindow::default();
        let mut at = |seconds: i64, known: bool| {
            let value = known.then_some(1.0);
            Unknown.number(&mut window, value, Timestamp::from_millis(seconds * 1000)).expect("a number")
        };
        assert_eq!(
            [at(10, true), at(20, false), at(50, false), at(60, true), at(70, false)],
            [0.0, 10.0, 40.0, 0.0, 10.0]
        );
    }
}
