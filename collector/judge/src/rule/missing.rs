//! Kind `missing`: a value that has not been known for a time, or could not be what was said.

use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::config::{SpanWithin, Spanned};

use super::kind::Form;
use super::sample_window::SampleWindow;
use super::threshold::{self, Measure};
use super::wording::Words;
use crate::text::Text;

pub(super) const FORM: Form = Form {
    required: &["metric", "for"],
    optional: &["except"],
    overridable: &["for"],
    check: |place, keys| {
        let Keys { metric, hold, except } = place.read(keys)?;
        threshold::lasting(place, Measure::Missing, &metric, hold, except)
    },
    amend: threshold::amend_lasting,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    metric: Spanned<String>,
    #[serde(rename = "for")]
    hold: SpanWithin<0, 604_800_000>,
    #[serde(default)]
    except: Vec<String>,
}

/// For how many seconds the value has not been known, now that it is known or not.
pub(super) fn unknown_s(window: &mut SampleWindow, known: bool, at: Timestamp) -> f64 {
    let goes_on = !known && window.moments().next().is_some_and(|(since, _)| at >= since);
    window.lasting_s(goes_on, 0.0, at)
}

/// Why it was raised.
pub(super) fn reason(words: &Words<'_>) -> Text {
    let Words { metric, of, .. } = words;
    let unknown = Words::span((words.raise.number() * 1000.0) as i64);
    Text::new(
        format!("{}{of}: không đọc được suốt {unknown}.", metric.vi),
        format!("{}{of}: has not been known for {unknown}.", metric.en),
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
