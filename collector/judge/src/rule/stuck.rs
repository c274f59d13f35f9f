//! Kind `stuck`: a value that has not changed at all for a time. What stands equal to the last bit for hours is a sensor that no
//! longer measures.

use std::sync::Arc;

use ioc_common::clock::Timestamp;

use super::descriptor::KindDescriptor;
use super::number::{Measure, Quantity, ReasonParts};
use super::number_keys::{self, LastingKeys};
use super::sample_window::SampleWindow;
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
        let still = ReasonParts::span((words.raise.number() * 1000.0) as i64);
        Text::new(
            format!("{}{subject}: không đổi suốt {still}, cảm biến có thể bị treo.", metric.vi),
            format!("{}{subject}: has not changed for {still}; the sensor may be stuck.", metric.en),
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
