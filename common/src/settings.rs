//! Settings that the collector gives to agents (`down/settings`): how often they look, what they leave alone, what they try to reach.
//!
//! They are signed by the collector's authority for one device, so that whoever else can write on the way (a broker in between, a
//! copied message) sets nothing. Nothing in them can name a program, a file or a user; what a host forbids itself stays forbidden.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::address::{is_portless, split_address};
use crate::config::SpanWithin;
use crate::encoding::hex;
use crate::id::DeviceId;

/// Name of the document in which an agent says what became of its settings.
pub const DOCUMENT: &str = "settings";
/// Most endpoints of one host: bounds the work of a survey.
pub const ENDPOINTS_MAX: usize = 200;
/// First line of what is signed, so that a signature for something else never is one for this.
const SIGNED_AS: &str = "ioc-watch settings 1";

/// Between samples.
pub type Interval = SpanWithin<1_000, 3_600_000>;
/// How often a survey is made, where it is not its own measure.
pub type Every = SpanWithin<10_000, 604_800_000>;

/// What can be set from the collector. What is not named stays as the host has it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RemoteSettings {
    /// Between samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub interval: Option<Interval>,
    /// Probes and surveys that must not run, beside those that the host forbids itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forbid: Vec<String>,
    /// How often surveys are made.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, String>"))]
    pub every: BTreeMap<String, Every>,
    /// Endpoints to reach, beside those of the host, whose own go first where two have one name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoint: Vec<EndpointSetting>,
}

impl RemoteSettings {
    /// Adds `other`, which goes first where both say something.
    pub fn add(&mut self, other: &Self) {
        self.interval = other.interval.or(self.interval);
        for name in &other.forbid {
            if !self.forbid.contains(name) {
                self.forbid.push(name.clone());
            }
        }
        self.every.extend(other.every.iter().map(|(name, every)| (name.clone(), *every)));
        for endpoint in &other.endpoint {
            self.endpoint.retain(|known| known.name != endpoint.name);
            self.endpoint.push(endpoint.clone());
        }
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How an endpoint is reached.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointKind {
    /// A TCP connection.
    Tcp,
    /// An HTTPS request for `/`, or the path given.
    Https,
    /// A DNS question to the host given.
    Dns,
    /// An echo request.
    Icmp,
}

/// An endpoint.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointSetting {
    /// Name on pages and in rules.
    pub name: String,
    /// Protocol by which it is asked.
    pub kind: EndpointKind,
    /// `host:port`; for DNS and ICMP the port may be left out.
    pub address: String,
    /// HTTPS: the path. DNS: the name asked for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ask: String,
}

impl EndpointSetting {
    /// What is wrong with it, as what was found and what is allowed.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        if self.name.is_empty() {
            return Some("found an endpoint without a name; allowed is a name of its own for each".to_owned());
        }
        if is_portless(&self.address) && matches!(self.kind, EndpointKind::Dns | EndpointKind::Icmp) {
            return self.address.is_empty().then(|| "found no address; allowed is a host".to_owned());
        }
        split_address(&self.address).err()
    }
}

/// `down/settings`: settings for one device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SignedSettings {
    /// Rises with every change: an agent takes none that is not above the last, so that an old message changes nothing back.
    pub version: u64,
    /// [`RemoteSettings`] as JSON, as it was signed.
    pub settings: String,
    /// Signature by the key of the collector's authority over [`signed_text`], base64.
    pub signature: String,
}

impl SignedSettings {
    /// Settings with their signature.
    #[must_use]
    pub fn new(version: u64, settings: String, signature: &[u8]) -> Self {
        Self { version, settings, signature: STANDARD.encode(signature) }
    }

    /// What an agent says that uses them.
    #[must_use]
    pub fn outcome_applied(&self) -> SettingsOutcome {
        SettingsOutcome { version: self.version, digest: digest(&self.settings), applied: true, why: String::new() }
    }

    /// What an agent says that refuses them.
    #[must_use]
    pub fn outcome_refused(&self, why: String) -> SettingsOutcome {
        SettingsOutcome { applied: false, why, ..self.outcome_applied() }
    }

    /// The signature; none where it is no base64.
    #[must_use]
    pub fn signature(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.signature).ok()
    }
}

/// What is signed: for which device, which version, what.
#[must_use]
pub fn signed_text(device: &DeviceId, version: u64, settings: &str) -> String {
    format!("{SIGNED_AS}\n{device}\n{version}\n{settings}")
}

/// What tells two settings apart: the first half of their SHA-256, hex.
#[must_use]
pub fn digest(settings: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, settings.as_bytes());
    hex(digest.as_ref().get(..16).unwrap_or_default())
}

/// What became of settings, as the agent says it: the document `settings`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SettingsOutcome {
    /// Which; 0 when there never were any.
    pub version: u64,
    /// Their digest; empty when there never were any.
    pub digest: String,
    /// They are in use.
    pub applied: bool,
    /// Why they are not applied; empty when they are.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_goes_first_and_nothing_that_is_forbidden_is_allowed_again() {
        let read = |text: &str| serde_json::from_str::<RemoteSettings>(text).expect("reads");
        let mut one =
            read(r#"{"interval":"10s","forbid":["usb"],"endpoint":[{"name":"a","kind":"tcp","address":"x:1"}]}"#);
        let other = read(
            r#"{"forbid":["gpu","usb"],"every":{"smart":"2h"},"endpoint":[{"name":"a","kind":"icmp","address":"y"}]}"#,
        );
        one.add(&other);
        assert_eq!(one.forbid, ["usb", "gpu"]);
        assert_eq!(one.interval, read(r#"{"interval":"10s"}"#).interval);
        assert!(one.endpoint.len() == 1 && one.endpoint[0].address == "y" && one.every.contains_key("smart"));
        assert!(RemoteSettings::default().is_empty() && !one.is_empty());
        assert_eq!(serde_json::to_string(&RemoteSettings::default()).expect("writes"), "{}");
        assert!(serde_json::from_str::<RemoteSettings>(r#"{"command":["rm"]}"#).is_err());
        assert!(serde_json::from_str::<RemoteSettings>(r#"{"interval":"1ms"}"#).is_err());
    }

    #[test]
    fn a_signature_is_for_one_device_and_version() {
        let [a, b] = ["a", "b"].map(|id| DeviceId::new(id).expect("valid"));
        let all =
            [signed_text(&a, 1, "{}"), signed_text(&b, 1, "{}"), signed_text(&a, 2, "{}"), signed_text(&a, 1, "{ }")];
        assert!(all.iter().enumerate().all(|(n, text)| !all[..n].contains(text)));
        let signed = SignedSettings::new(1, "{}".into(), b"\x00\xff");
        assert_eq!(signed.signature().expect("base64"), b"\x00\xff");
        assert_eq!(digest("{}").len(), 32);
    }
}
