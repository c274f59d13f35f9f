//! A signed head of the audit log: which record was the last at a moment, and what stood in the whole log up to it.
//!
//! The collector signs them (`collector/engine/src/writer/audit_heads.rs`); agents keep the newest that they were given and say at each
//! connection which that is, so that a log which was rewritten, cut, or replaced by an older copy is found by any one of them. The text that
//! is signed is in `docs/records.md`, so that others can check it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::encoding::sha256_hex;

/// Name of the document in which an agent says which head it witnessed last.
pub const DOCUMENT: &str = "audit-head";
/// First line of what is signed, so that a signature for something else never is one for this.
const SIGNED_AS: &str = "ioc-watch audit head 1";
/// Digits of a key's identifier.
const KEY_DIGITS: usize = 16;
/// Most characters of a signature: ECDSA P-256 has 72 bytes at most, in base64.
const SIGNATURE_MAX_CHARS: usize = 96;

/// What is known of the log, signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// Number of the last record that it speaks of, from 1.
    pub number: u64,
    /// The hash of that record, hex.
    pub hash: String,
    /// The Merkle root over the hashes of all records up to it (RFC 6962, section 2.1), hex.
    pub root: String,
    /// When it was signed, by the collector's clock.
    pub at: Timestamp,
    /// The key that signed it ([`key_id`]).
    pub key: String,
    /// ECDSA P-256 with SHA-256 over [`Self::statement`], as in X.509 (ASN.1), base64.
    pub signature: String,
}

/// What an agent says of the heads that it was given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Witnessed {
    /// The newest; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<AuditHead>,
}

/// The identifier of a key: the first digits of the SHA-256 over its public half (an uncompressed point, 65 bytes).
#[must_use]
pub fn key_id(public: &[u8]) -> String {
    sha256_hex(public).chars().take(KEY_DIGITS).collect()
}

/// A signature as it is written down: base64.
#[must_use]
pub fn signature_text(signature: &[u8]) -> String {
    STANDARD.encode(signature)
}

/// Whether the owner of a public key, an uncompressed point, signed a text; the signature is in base64.
#[must_use]
pub fn verify_text(public: &[u8], text: &str, signature: &str) -> bool {
    let Ok(signature) = STANDARD.decode(signature) else { return false };
    let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_ASN1, public);
    key.verify(text.as_bytes(), &signature).is_ok()
}

impl AuditHead {
    /// A head without a signature.
    #[must_use]
    pub const fn unsigned(number: u64, hash: String, root: String, at: Timestamp, key: String) -> Self {
        Self { number, hash, root, at, key, signature: String::new() }
    }

    /// The text that is signed.
    #[must_use]
    pub fn statement(&self) -> String {
        let Self { number, hash, root, at, key, signature: _ } = self;
        format!("{SIGNED_AS}\nnumber {number}\nhash {hash}\nroot {root}\nat_ms {}\nkey {key}\n", at.as_millis())
    }

    /// The text that a time stamping authority is asked about (RFC 3161): what was signed, and the signature.
    #[must_use]
    pub fn stamped_text(&self) -> String {
        format!("{}signature {}\n", self.statement(), self.signature)
    }

    /// The same head with this signature.
    #[must_use]
    pub fn signed(mut self, signature: &[u8]) -> Self {
        self.signature = signature_text(signature);
        self
    }

    /// Whether the owner of this public key, an uncompressed point, signed it.
    #[must_use]
    pub fn is_signed_by(&self, public: &[u8]) -> bool {
        self.key == key_id(public) && verify_text(public, &self.statement(), &self.signature)
    }

    /// Whether its fields are of the form that a head has; what comes from outside may have any.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let hex = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        self.number > 0
            && i64::try_from(self.number).is_ok()
            && hex(&self.hash, 64)
            && hex(&self.root, 64)
            && hex(&self.key, KEY_DIGITS)
            && self.signature.len() <= SIGNATURE_MAX_CHARS
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

    use super::*;

    #[test]
    fn a_head_is_signed_for_every_field_of_it() {
        let random = ring::rand::SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("made");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, made.as_ref(), &random).expect("read");
        let public = pair.public_key().as_ref();
        let at = Timestamp::from_millis(7);
        let head = AuditHead::unsigned(3, "a".repeat(64), "b".repeat(64), at, key_id(public));
        let signature = pair.sign(&random, head.statement().as_bytes()).expect("signed");
        let head = head.signed(signature.as_ref());
        assert!(head.is_signed_by(public) && head.is_well_formed());
        assert_eq!(head.statement().lines().nth(4), Some("at_ms 7"));
        for other in [
            AuditHead { number: 4, ..head.clone() },
            AuditHead { hash: "c".repeat(64), ..head.clone() },
            AuditHead { root: "c".repeat(64), ..head.clone() },
            AuditHead { at: at.plus_millis(1), ..head.clone() },
            AuditHead { key: "0".repeat(16), ..head.clone() },
            AuditHead { signature: String::new(), ..head.clone() },
        ] {
            assert!(!other.is_signed_by(public), "{other:?}");
        }
        for malformed in [
            AuditHead { number: 0, ..head.clone() },
            AuditHead { number: u64::MAX, ..head.clone() },
            AuditHead { hash: "A".repeat(64), ..head.clone() },
            AuditHead { root: String::new(), ..head.clone() },
            AuditHead { key: "x".repeat(16), ..head.clone() },
            AuditHead { signature: "A".repeat(200), ..head.clone() },
        ] {
            assert!(!malformed.is_well_formed(), "{malformed:?}");
        }
        let text = serde_json::to_string(&Witnessed { head: Some(head.clone()) }).expect("JSON");
        assert_eq!(serde_json::from_str::<Witnessed>(&text).expect("read").head, Some(head));
        assert_eq!(serde_json::from_str::<Witnessed>("{}").expect("read"), Witnessed::default());
    }
}
