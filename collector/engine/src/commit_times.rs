//! How long commits took, counted by bounds: what a mean hides is what devices wait for.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Upper bounds, milliseconds: each a third or a half above the last where it matters.
const BOUNDS_MS: [u64; 17] = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 1000];
/// The name of the metric.
const NAME: &str = "ioc_commit_duration_seconds";

/// How many commits took how long.
#[derive(Debug, Default)]
pub struct CommitTimes {
    /// By its bound; the last one is of those beyond all of them.
    counts: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_us: AtomicU64,
}

impl CommitTimes {
    /// Counts a commit that took so long, microseconds.
    pub fn count(&self, took_us: u64) {
        let place = BOUNDS_MS.partition_point(|bound_ms| bound_ms * 1000 < took_us);
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Relaxed);
        }
        self.sum_us.fetch_add(took_us, Relaxed);
    }

    /// How many took longer than so many milliseconds, which must be one of the bounds.
    #[must_use]
    pub fn slower_than(&self, bound_ms: u64) -> u64 {
        let first = BOUNDS_MS.partition_point(|one| *one <= bound_ms);
        self.counts.iter().skip(first).map(|count| count.load(Relaxed)).sum()
    }

    /// As a histogram in the Prometheus text format.
    pub(crate) fn write(&self, text: &mut String) {
        let _ = write!(text, "# HELP {NAME} How long commits took.\n# TYPE {NAME} histogram\n");
        let mut so_far = 0;
        for (place, count) in self.counts.iter().enumerate() {
            so_far += count.load(Relaxed);
            let bound = BOUNDS_MS.get(place).map_or("+Inf".to_owned(), |ms| (*ms as f64 / 1000.0).to_string());
            let _ = writeln!(text, "{NAME}_bucket{{le=\"{bound}\"}} {so_far}");
        }
        let _ = writeln!(text, "{NAME}_sum {}\n{NAME}_count {so_far}", self.sum_us.load(Relaxed) as f64 / 1e6);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_commit_counts_below_its_bound_and_every_later_one() {
        let times = CommitTimes::default();
        for took_us in [900, 1000, 1001, 99_000, 5_000_000] {
            times.count(took_us);
        }
        assert_eq!([1, 30, 100, 1000].map(|bound_ms| times.slower_than(bound_ms)), [3, 2, 1, 1]);
        let mut text = String::new();
        times.write(&mut text);
        for line in [
            "_bucket{le=\"0.001\"} 2\n",
            "_bucket{le=\"0.002\"} 3\n",
            "_bucket{le=\"0.07\"} 3\n",
            "_bucket{le=\"0.1\"} 4\n",
            "_bucket{le=\"1\"} 4\n",
            "_bucket{le=\"+Inf\"} 5\n",
            "_sum 5.101901\n",
            "_count 5\n",
        ] {
            assert!(text.contains(&format!("{NAME}{line}")), "{line} {text}");
        }
    }
}
