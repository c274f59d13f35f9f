//! Enrolment: the one-time token and what is said over HTTPS to turn it into a certificate.
//!
//! The token carries the fingerprint of the collector's authority, so that the agent knows whom it talks to before it
//! trusts anyone; the key never leaves the host.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::encoding::sha256_hex;
use crate::id::DeviceId;
use crate::report::Facts;

/// Path of the enrolment request on the collector's web address.
pub const ENROL_PATH: &str = "/enrol/v1";
/// Largest enrolment request and answer, in bytes.
pub const ENROL_MAX_BYTES: usize = 64 * 1024;

const PREFIX: &str = "iocw1.";
const FINGERPRINT_BYTES: usize = 32;
const SECRET_BYTES: usize = 20;

/// A one-time enrolment token: the authority's fingerprint and a secret. Shown to people as `iocw1.…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    fingerprint: [u8; FINGERPRINT_BYTES],
    secret: [u8; SECRET_BYTES],
}

impl Token {
    /// A token for the authority with this SHA-256 fingerprint.
    #[must_use]
    pub const fn new(fingerprint: [u8; FINGERPRINT_BYTES], secret: [u8; SECRET_BYTES]) -> Self {
        Self { fingerprint, secret }
    }

    /// SHA-256 over the authority's certificate, DER.
    #[must_use]
    pub const fn fingerprint(&self) -> &[u8; FINGERPRINT_BYTES] {
        &self.fingerprint
    }

    /// What the collector keeps instead of the token: SHA-256 over the secret, in hex.
    #[must_use]
    pub fn digest(&self) -> String {
        sha256_hex(&self.secret)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(FINGERPRINT_BYTES + SECRET_BYTES);
        bytes.extend_from_slice(&self.fingerprint);
        bytes.extend_from_slice(&self.secret);
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Token {
    type Err = TokenError;
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let code = text.trim().strip_prefix(PREFIX).ok_or(TokenError)?;
        let bytes = URL_SAFE_NO_PAD.decode(code).map_err(|_| TokenError)?;
        let (fingerprint, secret) = bytes.split_at_checked(FINGERPRINT_BYTES).ok_or(TokenError)?;
        Ok(Self {
            fingerprint: fingerprint.try_into().map_err(|_| TokenError)?,
            secret: secret.try_into().map_err(|_| TokenError)?,
        })
    }
}

/// A text that is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no enrolment token; allowed is iocw1. and 70 characters, copied whole from 'ioc-collector enrol token new'"
)]
pub struct TokenError;

/// What the agent asks: `POST /enrol/v1`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnrolRequest {
    /// The token that a person made on the collector, as text.
    pub token: String,
    /// PKCS #10 request, PEM.
    pub csr: String,
    /// Hash over machine ID and DMI serial.
    pub fingerprint: String,
    /// Facts of the machine, to compare with what was expected.
    #[serde(default)]
    pub facts: Facts,
    /// Network addresses of its hardware (MAC), lower case with colons.
    #[serde(default)]
    pub macs: Vec<String>,
    /// The asset label that whoever installs it gave.
    #[serde(default)]
    pub label: String,
}

/// What the collector answers (202) to a machine that must wait for a person: it asks again with the same request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolWaiting {
    /// What the request is called, on the page where people decide.
    pub request: String,
    /// Seconds until it should ask again.
    pub retry_after_s: u32,
}

/// What the collector answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnrolResponse {
    /// The identifier that was given.
    pub device: DeviceId,
    /// The certificate, PEM.
    pub certificate: String,
    /// The authorities to trust, PEM.
    pub authorities: String,
    /// Where to report: host and port of the MQTT endpoint; of several collectors with a comma between them, in the order in which they are tried.
    pub mqtt: String,
    /// When to ask for a renewed certificate: at two thirds of its life.
    pub renew_at: Timestamp,
    /// When the certificate ends.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_copying_and_nothing_else_passes() {
        let token = Token::new([7; 32], [9; 20]);
        let text = token.to_string();
        assert_eq!(text.len(), 76);
        assert_eq!(format!(" {text}\n").parse(), Ok(token.clone()));
        assert_eq!(token.digest().len(), 64);
        for bad in ["", "iocw1.", &text[..75], &format!("{text}a"), &text.replace("iocw1", "iocw2")] {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
        assert!(!format!("{token:?}").contains("CQk"), "a token never reaches a log");
    }
}
