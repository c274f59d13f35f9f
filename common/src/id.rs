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

#[cfg(feature = "schema")]
impl schemars::JsonSchema for DeviceId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DeviceId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": format!("^[A-Za-z0-9_.-]{{1,{DEVICE_ID_MAX_BYTES}}}$") })
    }

    fn inline_schema() -> bool {
        true
    }
}

impl DeviceId {
    /// The identifier of a sensor that this device speaks for: its own, a dot, the sensor's name.
    ///
    /// # Errors
    /// [`IdError`] when both together are longer than [`DEVICE_ID_MAX_BYTES`].
    pub fn of_sensor(&self, sensor: &SensorName) -> Result<Self, IdError> {
        Self::new(&format!("{self}.{sensor}"))
    }
}

/// The name of a sensor, unique on the host that speaks for it: 1 to 31 characters of `a-z 0-9 -`.
///
/// ```
/// use ioc_common::id::{DeviceId, SensorName};
/// let host = DeviceId::new("srv-01").unwrap();
/// let sensor: SensorName = "ups-1".parse().unwrap();
/// assert_eq!(host.of_sensor(&sensor).unwrap().as_str(), "srv-01.ups-1");
/// assert!("UPS 1".parse::<SensorName>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SensorName(Arc<str>);

/// Longest name of a sensor, in bytes.
pub const SENSOR_NAME_MAX_BYTES: usize = 31;

impl SensorName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SensorName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty() || text.len() > SENSOR_NAME_MAX_BYTES || !text.bytes().all(allowed) {
            let found: String = text.chars().take(80).collect();
            return Err(format!(
                "found sensor name {found:?}; allowed are 1 to {SENSOR_NAME_MAX_BYTES} characters of a-z 0-9 -; mend: name it like \"ups-1\""
            ));
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for SensorName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<SensorName> for String {
    fn from(name: SensorName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for SensorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INC-{:06}", self.0)
    }
}

/// A fault's number, counted from 1 by the collector.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
