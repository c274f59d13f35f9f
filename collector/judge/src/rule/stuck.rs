//! Kind `stuck`: a value that has not changed at all for a time. What stands equal to the last bit for hours is a sensor that no
//! longer measures.

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
    number_keys::lasting(|context, keys| keys.read::<LastingKeys>()?.check(context, Arc::new(Unchanged)));

/// For how many seconds it has not changed at all.
#[derive(Debug, PartialEq)]
struct Unchanged;

impl Measure for Unchanged {
    fn quantity(&self) -> Quantity {
        Quantity::Duration
    }

    fn number(&self, window: &mut SampleWindow, value: Option<f64>, at: Timestamp) -> Option<f64> {
        let value = value?;
        let same = window.moments().next().is_some_and(|(since, before)| before == value && at >= since);
        Some(window.lasting_s(same, value, at))
    }

    fn raised_reason(&self, words: &ReasonParts<'_>) -> Text {
        let ReasonParts { metric, subject, .. } = words;
        let still = &words.limit;
        Text::new(
            format!("{}{subject}: không đổi trong {}, cảm biến có thể bị treo.", metric.vi, still.vi),
            format!("{}{subject}: has not changed for {}; the sensor may be stuck.", metric.en, still.en),
        )
    }

    fn says(&self, metric: &Metric, limit: &Said, _: Limit) -> Text {
        Text::new(
            format!("{} không đổi quá {}", metric.vi, limit.vi),
            format!("{} does not change for more than {}", metric.en, limit.en),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_from_the_last_change_and_a_clock_that_stepped_back_begins_anew() {
        let mut window = SampleWindow::default();
        let mut at = |seconds: i64, value: f64| {
            Unchanged.number(&mut window, Some(value), Timestamp::from_millis(seconds * 1000)).expect("a number")
        };
        assert_eq!([at(100, 1.0), at(160, 1.0), at(170, 2.0), at(180, 2.0), at(90, 2.0)], [0.0, 60.0, 0.0, 10.0, 0.0]);
    }
}
