//! Identifiers as newtypes that can only hold what is allowed.
//!
//! A [`DeviceId`] is the certificate's common name and the MQTT client identifier. It is given at enrolment and is never
//! the host name (two machines cloned from one image share that).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest device identifier, in bytes (RFC 5280 limits a common name to 64 characters).
pub const DEVICE_ID_MAX_BYTES: usize = 64;

/// A device's identifier: 1 to 64 characters of `A-Z a-z 0-9 _ . -`.
///
/// Cheap to clone: every report of a device shares one allocation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceId(Arc<str>);

impl DeviceId {
    /// Checks `text` and makes an identifier of it.
    ///
    /// # Errors
    /// [`IdError`] names what was found and what is allowed.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if text.is_empty() || text.len() > DEVICE_ID_MAX_BYTES || !text.bytes().all(allowed) {
            return Err(IdError { found: text.chars().take(80).collect() });
        }
        Ok(Self(text.into()))
    }

    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shard this device belongs to: a stable hash that lets several collectors divide the fleet on any broker.
    #[must_use]
    pub fn shard(&self) -> Shard {
        let hash = crc32fast::hash(self.0.as_bytes()).to_be_bytes();
        Shard(hash[0] ^ hash[1] ^ hash[2] ^ hash[3])
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DeviceId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl TryFrom<String> for DeviceId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::new(&text)
    }
}

impl From<DeviceId> for String {
    fn from(id: DeviceId) -> Self {
        id.0.as_ref().to_owned()
    }
}

/// Two hex digits of a stable hash of the device: `00` to `ff`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shard(pub u8);

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}", self.0)
    }
}

/// An incident's number, counted from 1 by the collector; shown to people as `INC-000123`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INC-{:06}", self.0)
    }
}

/// A fault's number, counted from 1 by the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultId(pub u64);

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "F-{:06}", self.0)
    }
}

/// A device identifier that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found device identifier {found:?}; allowed are 1 to 64 characters of A-Z a-z 0-9 _ . -")]
pub struct IdError {
    /// What stood there, cut to 80 characters.
    pub found: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_ids_hold_only_what_a_common_name_may() {
        assert!(DeviceId::new("srv-01.hcm_A").is_ok());
        for bad in ["", "a/b", "a+b", "#", "máy", "a b", "a\0", &"x".repeat(65)] {
            assert!(DeviceId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn shard_is_stable_and_spreads() {
        let id = DeviceId::new("srv-01").expect("valid");
        assert_eq!(id.shard(), DeviceId::new("srv-01").expect("valid").shard());
        let mut seen = std::collections::HashSet::new();
        for n in 0..4096 {
            seen.insert(DeviceId::new(&format!("device-{n:05}")).expect("valid").shard().0);
        }
        assert!(seen.len() > 250, "only {} shards used", seen.len());
    }
}
