//! How often one may ask: a bucket of requests for each session, and one for each address that tries to sign in.

use std::collections::HashMap;
use std::sync::Mutex;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use ioc_common::clock::Timestamp;

use super::problem::Problem;

/// How much at once, and how many in a second from then on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    burst: f64,
    per_second: f64,
}

/// A session: pages that live ask once a second, programs in series.
pub(super) const SESSION: Rate = Rate { burst: 300.0, per_second: 50.0 };
/// An address that signs in: whoever guesses is slow.
pub(super) const SIGN_IN: Rate = Rate { burst: 60.0, per_second: 1.0 };

/// Buckets that are kept; full ones are forgotten beyond that.
const BUCKETS: usize = 10_000;

/// What is left, by who asks.
#[derive(Debug, Default)]
pub(super) struct Limits(Mutex<HashMap<String, (f64, Timestamp)>>);

impl Limits {
    /// Takes one request of this one's bucket.
    ///
    /// # Errors
    /// The answer with status 429 that says when to ask again.
    pub(super) fn take(&self, who: &str, rate: Rate, now: Timestamp) -> Result<(), Box<Response>> {
        let Ok(mut all) = self.0.lock() else { return Ok(()) };
        if all.len() >= BUCKETS {
            all.retain(|_, (_, at)| now.millis_since(*at) < 60_000);
            // Whoever makes up names cannot fill the memory.
            if all.len() >= BUCKETS {
                all.clear();
            }
        }
        let (left, at) = all.entry(who.to_owned()).or_insert((rate.burst, now));
        let passed = now.millis_since(*at).max(0) as f64 / 1000.0;
        *left = (*left + passed * rate.per_second).min(rate.burst);
        *at = now;
        if *left >= 1.0 {
            *left -= 1.0;
            return Ok(());
        }
        let wait = ((1.0 - *left) / rate.per_second).ceil();
        let mut answer = Problem::too_many(format!("too many requests; ask again in {wait} s")).into_response();
        if let Ok(value) = HeaderValue::from_str(&format!("{wait}")) {
            answer.headers_mut().insert(header::RETRY_AFTER, value);
        }
        Err(Box::new(answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let limits = Limits::default();
        let at = Timestamp::from_millis;
        let rate = Rate { burst: 3.0, per_second: 2.0 };
        let took = (0..5).filter(|_| limits.take("a", rate, at(1000)).is_ok()).count();
        assert_eq!(took, 3);
        assert!(limits.take("b", rate, at(1000)).is_ok(), "each has their own");
        let refused = limits.take("a", rate, at(1100)).expect_err("empty");
        assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
        assert!(limits.take("a", rate, at(1600)).is_ok());
        assert!(limits.take("a", rate, at(0)).is_err(), "a clock that goes back gives nothing");
    }
}
