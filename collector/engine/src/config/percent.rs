//! A share of a whole, percent.

use serde::{Deserialize, Deserializer};

/// A share, percent, 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percent(pub f64);

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = f64::deserialize(deserializer)?;
        if (0.0..=100.0).contains(&found) {
            return Ok(Self(found));
        }
        Err(serde::de::Error::custom(format!(
            "found {found}; allowed are 0 to 100; mend: write a share in percent, such as 99.5"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_whole_is_no_share() {
        let parsed = |value: f64| serde_json::from_value::<Percent>(value.into());
        assert_eq!(parsed(99.5).expect("allowed"), Percent(99.5));
        assert_eq!(parsed(100.0).expect("allowed"), Percent(100.0));
        let fault = parsed(100.5).expect_err("too much").to_string();
        assert!(fault.contains("allowed are 0 to 100"), "{fault}");
    }
}
