//! Kind `stuck`: a value that has not changed at all for a time. What stands equal to the last bit for hours is a sensor that no
//! longer measures.

use ioc_common::clock::Timestamp;

use super::kind::KindDescriptor;
use super::sample_window::SampleWindow;
use super::threshold::{self, LastingKeys, Measure};
use super::wording::ReasonParts;
use crate::text::Text;

pub(super) const DESCRIPTOR: KindDescriptor =
    threshold::lasting(|context, keys| context.read::<LastingKeys>(keys)?.check(context, Measure::Unchanged));

/// For how many seconds the value has stood still.
pub(super) fn unchanged_s(window: &mut SampleWindow, value: f64, at: Timestamp) -> f64 {
    let same = window.moments().next().is_some_and(|(since, before)| before == value && at >= since);
    window.lasting_s(same, value, at)
}

/// Why it was raised.
pub(super) fn reason(words: &ReasonParts<'_>) -> Text {
    let ReasonParts { metric, subject, .. } = words;
    let still = ReasonParts::span((words.raise.number() * 1000.0) as i64);
    Text::new(
        format!("{}{subject}: không đổi suốt {still}, cảm biến có thể bị treo.", metric.vi),
        format!("{}{subject}: has not changed for {still}; the sensor may be stuck.", metric.en),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_from_the_last_change_and_a_clock_that_stepped_back_begins_anew() {
        let mut window = SampleWindow::default();
        let mut at = |seconds: i64, value: f64| unchanged_s(&mut window, value, Timestamp::from_millis(seconds * 1000));
        assert_eq!([at(100, 1.0), at(160, 1.0), at(170, 2.0), at(180, 2.0), at(90, 2.0)], [0.0, 60.0, 0.0, 10.0, 0.0]);
    }
}
