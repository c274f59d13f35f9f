//! The profiles that come with the product (`config/modbus`), and those a site adds.

use std::path::Path;

use ioc_common::config::{ConfigError, Source};

use super::profile::SensorProfile;

macro_rules! shipped {
    ($($name:literal,)*) => {
        /// Name and text of each.
        pub const BUILTIN: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../../config/modbus/", $name, ".toml"))),)*];
    };
}

shipped! {
    "apc-ups",
    "carel-ir33",
    "contacts",
    "eastron-sdm120",
    "eastron-sdm630",
    "huawei-ups2000",
    "schneider-iem3000",
    "xy-md02",
    "xy-md02-holding",
}

/// The profile of this name: the site's own in `dir` first, then a shipped one.
///
/// # Errors
/// What is wrong with it, or which there are.
pub fn find(name: &str, dir: &Path) -> Result<SensorProfile, ProfileError> {
    let own = dir.join(format!("{name}.toml"));
    if own.exists() {
        return Ok(SensorProfile::parse(&Source::read(&own)?)?);
    }
    match BUILTIN.iter().find(|(known, _)| *known == name) {
        Some((name, text)) => Ok(SensorProfile::parse(&Source::built_in(&format!("config/modbus/{name}.toml"), text))?),
        None => Err(ProfileError::Unknown),
    }
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Neither the site nor the product has one of this name.
    #[error("no such profile; there are {}", BUILTIN.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "))]
    Unknown,
    /// The site's file has an error; the product's own are tested.
    #[error(transparent)]
    Faulty(#[from] ConfigError),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parsing runs the examples of each: known words, documented values.
    #[test]
    fn every_shipped_profile_reads_its_examples() {
        for (name, text) in BUILTIN {
            let profile = SensorProfile::parse(&Source::built_in(name, text)).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(profile.name, *name);
            assert!(text.contains("[[example]]") && profile.source.len() > 20, "{name}");
            let judged = text.matches("[[example]]").count();
            assert!(judged >= 1, "{name}");
        }
        let listed = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/modbus")).expect("profiles");
        assert_eq!(listed.count(), BUILTIN.len(), "every file is shipped");
    }
}
