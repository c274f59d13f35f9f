//! Kind `missing`: a value that has not been known for a time, or could not be what was said.

use ioc_common::clock::Timestamp;

use super::kind::KindDescriptor;
use super::sample_window::SampleWindow;
use super::threshold::{self, LastingKeys, Measure};
use super::wording::ReasonParts;
use crate::text::Text;

pub(super) const DESCRIPTOR: KindDescriptor =
    threshold::lasting(|context, keys| context.read::<LastingKeys>(keys)?.check(context, Measure::Missing));

/// For how many seconds the value has not been known, now that it is known or not.
pub(super) fn unknown_s(window: &mut SampleWindow, known: bool, at: Timestamp) -> f64 {
    let goes_on = !known && window.moments().next().is_some_and(|(since, _)| at >= since);
    window.lasting_s(goes_on, 0.0, at)
}

/// Why it was raised.
pub(super) fn reason(words: &ReasonParts<'_>) -> Text {
    let ReasonParts { metric, subject, .. } = words;
    let unknown = ReasonParts::span((words.raise.number() * 1000.0) as i64);
    Text::new(
        format!("{}{subject}: không đọc được suốt {unknown}.", metric.vi),
        format!("{}{subject}: has not been known for {unknown}.", metric.en),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_from_when_the_value_was_last_known() {
        let mut window = SampleWindow::default();
        let mut at = |seconds: i64, known: bool| unknown_s(&mut window, known, Timestamp::from_millis(seconds * 1000));
        assert_eq!(
            [at(10, true), at(20, false), at(50, false), at(60, true), at(70, false)],
            [0.0, 10.0, 40.0, 0.0, 10.0]
        );
    }
}
