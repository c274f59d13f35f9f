//! Work that may panic. Whoever does something over and over for as long as the collector runs is to say that it panicked, and to go on:
//! a task that ends by itself ends without a word.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What work gives, or with what words it panicked. What it works with outlives it, and must be as good as before.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let message = panic.downcast_ref::<String>().cloned();
        message
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "no words".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_panics_is_said_and_not_the_last() {
        let damaged: fn() -> Vec<String> = || panic!("page {}", 7);
        assert_eq!(caught(damaged), Err("page 7".to_owned()));
        assert_eq!(caught(|| vec!["found".to_owned()]), Ok(vec!["found".to_owned()]));
    }
}
