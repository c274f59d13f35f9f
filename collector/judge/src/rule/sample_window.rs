//! What a rule that looks at change remembers of one series. Which number it makes of that is the kind's.

use std::collections::VecDeque;

use ioc_common::clock::Timestamp;

/// Moments of one series, the oldest first. Most rules remember none: those of a large fleet take a pointer each.
#[derive(Debug, Clone, PartialEq, Default)]
#[expect(clippy::box_collection, reason = "nearly all are empty")]
pub(crate) struct SampleWindow(Option<Box<VecDeque<(Timestamp, f64)>>>);

/// Most moments that are remembered: a window is kept in steps of a thirtieth.
const MOMENTS_MAX: usize = 32;

impl SampleWindow {
    /// What is remembered, the oldest first.
    pub(super) fn moments(&self) -> impl Iterator<Item = (Timestamp, f64)> {
        self.0.iter().flat_map(|moments| moments.iter()).copied()
    }

    /// The lowest and the highest value within the time before `at`, this one with them. It is remembered.
    pub(super) fn bounds(&mut self, within_ms: i64, value: f64, at: Timestamp) -> (f64, f64) {
        let moments = self.0.get_or_insert_default();
        if moments.back().is_some_and(|(last, _)| at < *last) {
            // A clock that stepped back begins anew.
            moments.clear();
        }
        while moments.front().is_some_and(|(moment, _)| at.millis_since(*moment) > within_ms) {
            moments.pop_front();
        }
        let bounds = |(low, high): (f64, f64), (_, v): &(Timestamp, f64)| (low.min(*v), high.max(*v));
        let found = moments.iter().fold((value, value), bounds);
        if moments.back().is_none_or(|(last, _)| at.millis_since(*last) * 30 >= within_ms) {
            if moments.len() >= MOMENTS_MAX {
                moments.pop_front();
            }
            moments.push_back((at, value));
        }
        found
    }

    /// For how many seconds something has lasted that goes on, or begins now.
    pub(super) fn lasting_s(&mut self, goes_on: bool, value: f64, at: Timestamp) -> f64 {
        if !goes_on {
            let moments = self.0.get_or_insert_default();
            moments.clear();
            moments.push_back((at, value));
        }
        self.moments().next().map_or(0.0, |(since, _)| at.millis_since(since) as f64 / 1000.0)
    }

    /// The clock was stepped: what is remembered is as long ago as it was.
    pub(crate) fn shift(&mut self, by_ms: i64) {
        self.0.iter_mut().flat_map(|moments| moments.iter_mut()).for_each(|(at, _)| *at = at.plus_millis(by_ms));
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}
