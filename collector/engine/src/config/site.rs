//! `[site] code`: the site in a few letters, for short texts.

use serde::{Deserialize, Deserializer};

/// Longest code, characters.
const CODE_MAX_CHARS: usize = 12;

/// The site in a few letters; empty where none was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SiteCode(String);

impl SiteCode {
    /// The code, or one that is made of the site's name: a short name itself, else the first letters of its words.
    pub(super) fn of(&self, name: &str) -> String {
        if !self.0.is_empty() {
            return self.0.clone();
        }
        let name = name.trim();
        if name.chars().count() <= CODE_MAX_CHARS {
            return name.to_owned();
        }
        let initials = name.split_whitespace().filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
        initials.flat_map(char::to_uppercase).take(CODE_MAX_CHARS).collect()
    }
}

impl<'de> Deserialize<'de> for SiteCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let text = text.trim();
        let length = text.chars().count();
        if length > CODE_MAX_CHARS || text.chars().any(char::is_control) {
            return Err(serde::de::Error::custom(format!(
                "found {length} characters; allowed are {CODE_MAX_CHARS}; mend: choose a few letters, such as \"HNM\""
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_becomes_its_initials_and_a_code_of_ones_own_goes_before_it() {
        let made = |name: &str| SiteCode::default().of(name);
        assert_eq!(made("IOC"), "IOC");
        assert_eq!(made("Trung tâm điều hành thông minh tỉnh Hà Nam"), "TTĐHTMTHN");
        assert_eq!(made(&"Phòng ".repeat(300)).chars().count(), CODE_MAX_CHARS);
        assert_eq!(SiteCode("HNM".into()).of("Trung tâm"), "HNM");
        let parsed = |text: &str| serde_json::from_value::<SiteCode>(text.into());
        assert_eq!(parsed(" HNM ").expect("allowed"), SiteCode("HNM".into()));
        let fault = parsed("Trung tâm điều hành").expect_err("too long").to_string();
        assert!(fault.contains("found 19 characters; allowed are 12"), "{fault}");
    }
}
