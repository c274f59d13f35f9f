//! Whose key signed a request for a renewed certificate: through a broker nobody has seen the connection's certificate.

use std::sync::Arc;
use std::time::Duration;

use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;

use ioc_common::encoding::unhex;
use ioc_common::id::DeviceId;
use ioc_common::report::RenewProof;

use super::{Authority, device_of};

/// Longest certificate that is looked at, bytes; ours have about 600.
const CERTIFICATE_MAX_BYTES: usize = 8192;

impl Authority {
    /// The device, and the serial number of the certificate of ours, whose key signed this request; none when no such did.
    #[must_use]
    pub fn holder(&self, proof: &RenewProof, csr: &str) -> Option<(DeviceId, String)> {
        if proof.certificate.len() > CERTIFICATE_MAX_BYTES {
            return None;
        }
        let certificate = CertificateDer::from_pem_slice(proof.certificate.as_bytes()).ok()?;
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).ok()?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().ok()?;
        let now = Duration::from_secs(u64::try_from(ioc_common::clock::now().as_secs()).ok()?);
        verifier.verify_client_cert(&certificate, &[], UnixTime::since_unix_epoch(now)).ok()?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).ok()?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &parsed.public_key().subject_public_key.data);
        key.verify(csr.as_bytes(), &unhex(&proof.signature)?).ok()?;
        device_of(&certificate).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::encoding::hex;
    use rcgen::{CertificateParams, KeyPair, SigningKey as _};

    #[test]
    fn only_the_holder_of_a_certificate_of_ours_asks_for_the_next() {
        let dir = tempfile::tempdir().expect("directory");
        let now = ioc_common::clock::now();
        let ours = Authority::open(&dir.path().join("ours"), "IOC", now).expect("made");
        let theirs = Authority::open(&dir.path().join("theirs"), "IOC", now).expect("made");
        let device = DeviceId::new("srv-1").expect("valid");
        let key = KeyPair::generate().expect("key");
        let request = CertificateParams::default().serialize_request(&key).expect("csr").pem().expect("pem");
        let certified =
            |authority: &Authority, life_ms| authority.issue_device(&request, &device, now, life_ms).expect("issued");
        let sign = |key: &KeyPair, text: &str| hex(&key.sign(text.as_bytes()).expect("signs"));
        let present = certified(&ours, 90_000_000);
        let proof = RenewProof { certificate: present.certificate.clone(), signature: sign(&key, "request") };
        assert_eq!(ours.holder(&proof, "request"), Some((device.clone(), present.serial)));
        assert_eq!(ours.holder(&proof, "another request"), None);
        let other = KeyPair::generate().expect("key");
        assert_eq!(ours.holder(&RenewProof { signature: sign(&other, "request"), ..proof.clone() }, "request"), None);
        let foreign = RenewProof { certificate: certified(&theirs, 90_000_000).certificate, ..proof.clone() };
        assert_eq!(ours.holder(&foreign, "request"), None, "of another authority");
        for bad in ["", "0", "zz", "00"] {
            assert_eq!(ours.holder(&RenewProof { signature: bad.to_owned(), ..proof.clone() }, "request"), None);
        }
    }
}
