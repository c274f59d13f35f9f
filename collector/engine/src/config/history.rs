//! `[history]`: how long numbers are kept, and when they are folded.

use serde::Deserialize;

use ioc_common::config::{Bounded, Span, SpanWithin};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HistoryForm {
    pub(super) fold: SpanWithin<1_000, 86_400_000>,
    pub(super) fold_cpu_pct: Bounded<1, 100>,
    pub(super) keep: SpanWithin<3_600_000, 1_580_000_000_000>,
    pub(super) keep_5m: SpanWithin<3_600_000, 1_580_000_000_000>,
    pub(super) keep_1h: SpanWithin<3_600_000, 1_580_000_000_000>,
}

impl Default for HistoryForm {
    fn default() -> Self {
        let days = |days: u64| SpanWithin(Span::secs(days * 86_400));
        Self {
            fold: SpanWithin(Span::secs(4 * 3600)),
            fold_cpu_pct: Bounded(20),
            keep: days(30),
            keep_5m: days(400),
            keep_1h: days(3653),
        }
    }
}
