//! The key that signs heads of the audit log, and what others check such a head by: its certificate is the collector's authority's, so that
//! an auditor needs nothing but the authority's certificate and openssl (docs/records.md).
//!
//! The key is made at the first start and is of no other use: its certificate names no host and no device. Where it is lost, another one
//! takes its place; what it signed stays good, since its certificate stands in the store.

use std::fs;
use std::path::Path;

use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData as _, SigningKey as _,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ExtendedKeyUsage;

use super::{AUTHORITY_LIFE_MS, Authority, PkiError, name, serial, validity, write_private};
use ioc_common::audit_head::{AuditHead, key_id};
use ioc_common::clock::Timestamp;

/// What the certificate is good for: signing documents (RFC 9336), which neither servers nor devices do.
const DOCUMENT_SIGNING: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 36];
/// The key, and its certificate, in the directory of keys.
const KEY_FILE: &str = "records.key.pem";
const CERTIFICATE_FILE: &str = "records.pem";

/// A key that signs heads.
pub struct RecordKey {
    key: KeyPair,
    id: String,
    certificate: String,
}

impl std::fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl RecordKey {
    /// Opens the key beside the authority's, or makes one: where there is none, where its certificate has ended, or is of an authority that
    /// is no more.
    ///
    /// # Errors
    /// [`PkiError`] names the file.
    pub fn open(authority: &Authority, now: Timestamp) -> Result<Self, PkiError> {
        let (key_path, certificate_path) = (authority.dir.join(KEY_FILE), authority.dir.join(CERTIFICATE_FILE));
        if let Some(kept) = Self::existing(&authority.dir, authority.pem(), now) {
            return Ok(kept);
        }
        let made = |error: rcgen::Error| PkiError::Make(error.to_string());
        let key = KeyPair::generate().map_err(made)?;
        let id = key_id(key.der_bytes());
        let mut params = CertificateParams::default();
        params.distinguished_name = name(&common_name(&id));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(DOCUMENT_SIGNING.to_vec())];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = validity(now, AUTHORITY_LIFE_MS)?;
        params.serial_number = Some(serial()?);
        let certificate = params.signed_by(&key, &authority.issuer).map_err(made)?.pem();
        write_private(&key_path, key.serialize_pem().as_bytes(), 0o600)?;
        write_private(&certificate_path, certificate.as_bytes(), 0o644)?;
        tracing::info!(key = id, "a key that signs heads of the audit log was made");
        Ok(Self { key, id, certificate })
    }

    /// The key that lies in a directory of keys, where it can be used: it is certified by this authority, PEM, and that has not ended.
    #[must_use]
    pub fn existing(dir: &Path, authority: &str, now: Timestamp) -> Option<Self> {
        let key = KeyPair::from_pem(&fs::read_to_string(dir.join(KEY_FILE)).ok()?).ok()?;
        let certificate = fs::read_to_string(dir.join(CERTIFICATE_FILE)).ok()?;
        let public = certified_key(&certificate, authority).ok()?;
        let ends_at = super::ends_at(&CertificateDer::from_pem_slice(certificate.as_bytes()).ok()?)?;
        let fits = public == key.der_bytes() && now < ends_at;
        fits.then(|| Self { id: key_id(&public), key, certificate })
    }

    /// Which key it is.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its public half: an uncompressed point of P-256, 65 bytes.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        self.key.der_bytes()
    }

    /// Its certificate, PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Signs a head.
    ///
    /// # Errors
    /// [`PkiError::Make`] when the key does not sign.
    pub fn sign(&self, head: AuditHead) -> Result<AuditHead, PkiError> {
        let signature = self.sign_text(&head.statement())?;
        Ok(head.signed(&signature))
    }

    /// Signs a text that begins with a line which says what it is.
    ///
    /// # Errors
    /// [`PkiError::Make`] when the key does not sign.
    pub fn sign_text(&self, text: &str) -> Result<Vec<u8>, PkiError> {
        self.key.sign(text.as_bytes()).map_err(|error| PkiError::Make(error.to_string()))
    }
}

/// The public key (an uncompressed point) in a certificate of a key of records, PEM, that this authority, PEM, issued. The authority certifies
/// servers and every device, too: theirs are of no account here.
///
/// # Errors
/// Why it is none.
pub fn certified_key(certificate: &str, authority: &str) -> Result<Vec<u8>, String> {
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| error.to_string());
    let (own, issuer) = (der(certificate)?, der(authority)?);
    let parse = |der| x509_parser::parse_x509_certificate(der).map_err(|error| error.to_string());
    let ((_, own), (_, issuer)) = (parse(&own)?, parse(&issuer)?);
    let issued_by = ring::signature::UnparsedPublicKey::new(
        &ring::signature::ECDSA_P256_SHA256_ASN1,
        &issuer.public_key().subject_public_key.data,
    );
    if own.issuer() != issuer.subject()
        || issued_by.verify(own.tbs_certificate.as_ref(), &own.signature_value.data).is_err()
    {
        return Err("the authority did not issue it".to_owned());
    }
    signs_records(&own)
}

/// The public key in a certificate that is for signing records and nothing else.
fn signs_records(own: &X509Certificate<'_>) -> Result<Vec<u8>, String> {
    let wrong = |what: &str| Err(format!("its certificate is not one of a key that signs records: {what}"));
    let public = own.public_key().subject_public_key.data.to_vec();
    if own.is_ca() {
        return wrong("it is an authority's");
    }
    let usage = own.extended_key_usage().map_err(|error| error.to_string())?;
    let signing = DOCUMENT_SIGNING.map(|part| part.to_string()).join(".");
    let alone = usage.is_some_and(|usage| {
        let ExtendedKeyUsage { any, server_auth, client_auth, code_signing, email_protection, .. } = usage.value;
        let ExtendedKeyUsage { time_stamping, ocsp_signing, other, .. } = usage.value;
        let named = [any, server_auth, client_auth, code_signing, email_protection, time_stamping, ocsp_signing];
        let others: Vec<String> = other.iter().map(x509_parser::asn1_rs::Oid::to_id_string).collect();
        !named.into_iter().any(|is_named| *is_named) && others == [signing.as_str()]
    });
    if !alone {
        return wrong("its extended key usage is not document signing alone");
    }
    let mut names = own.subject().iter_common_name().map(|name| name.as_str().unwrap_or_default());
    let wanted = common_name(&key_id(&public));
    if names.next() != Some(wanted.as_str()) || names.next().is_some() {
        return wrong("it is named otherwise");
    }
    Ok(public)
}

/// What the certificate of a key is named.
fn common_name(id: &str) -> String {
    format!("IOC Watch records {id}")
}

/// The public key in a certificate of a key of records, PEM, whoever issued it.
///
/// # Errors
/// Why it cannot be read, or is of something else.
pub fn key_of(certificate: &str) -> Result<Vec<u8>, String> {
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(|error| error.to_string())?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).map_err(|error| error.to_string())?;
    signs_records(&parsed)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_openssl_checks_what_it_signs() {
        let dir = tempfile::tempdir().expect("directory");
        let now = ioc_common::clock::now();
        let pki = dir.path().join("pki");
        let authority = Authority::open(&pki, "IOC", now).expect("made");
        let key = RecordKey::open(&authority, now).expect("made");
        assert_eq!(RecordKey::open(&authority, now).expect("opened").id(), key.id());
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(pki.join(KEY_FILE)).expect("there"));
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(certified_key(key.certificate(), authority.pem()).as_deref(), Ok(key.public()));
        let head = AuditHead::unsigned(1, "a".repeat(64), "b".repeat(64), now, key.id().to_owned());
        let head = key.sign(head).expect("signed");
        assert!(head.is_signed_by(key.public()));

        // As docs/records.md says.
        let file = |name: &str| dir.path().join(name).display().to_string();
        fs::write(file("statement"), head.statement()).expect("written");
        fs::write(file("signature.b64"), format!("{}\n", head.signature)).expect("written");
        let script = format!(
            "openssl verify -CAfile {ca} {certificate} && openssl x509 -in {certificate} -pubkey -noout > {public} \
             && openssl x509 -in {certificate} -noout -subject -nameopt RFC2253 -ext basicConstraints,extendedKeyUsage \
             && openssl base64 -d -A -in {signature} -out {signature}.bin \
             && openssl dgst -sha256 -verify {public} -signature {signature}.bin {statement}",
            ca = pki.join("ca.pem").display(),
            certificate = pki.join(CERTIFICATE_FILE).display(),
            public = file("public.pem"),
            signature = file("signature.b64"),
            statement = file("statement"),
        );
        #[allow(clippy::disallowed_methods, reason = "a test asks the program that auditors have")]
        let checked = Command::new("sh").args(["-c", &script]).output().expect("runs");
        assert!(checked.status.success(), "{checked:?}");
        let said = String::from_utf8_lossy(&checked.stdout);
        for line in [&format!("subject=CN=IOC Watch records {}\n", key.id()), "CA:FALSE\n", " 1.3.6.1.5.5.7.3.36\n"] {
            assert!(said.contains(line), "{line}: {said}");
        }
    }

    #[test]
    fn what_the_authority_certified_for_something_else_signs_no_records() {
        let dir = tempfile::tempdir().expect("directory");
        let now = ioc_common::clock::now();
        let authority = Authority::open(&dir.path().join("pki"), "IOC", now).expect("made");
        let refused = |certificate: &str| {
            let why =
                [certified_key(certificate, authority.pem()), key_of(certificate)].map(|one| one.expect_err("none"));
            assert!(why.iter().all(|why| why.contains("not one of a key that signs records")), "{why:?}");
        };
        // Every agent has one of these.
        let key = KeyPair::generate().expect("made");
        let csr = CertificateParams::default().serialize_request(&key).and_then(|csr| csr.pem()).expect("made");
        let device = ioc_common::id::DeviceId::new("srv-1").expect("valid");
        refused(&authority.issue_device(&csr, &device, now, 86_400_000).expect("issued").certificate);
        refused(authority.pem());
        // And what it may certify one day.
        let id = key_id(key.der_bytes());
        let mut good = CertificateParams::default();
        good.distinguished_name = name(&common_name(&id));
        good.is_ca = IsCa::ExplicitNoCa;
        good.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(DOCUMENT_SIGNING.to_vec())];
        let issued = |change: &dyn Fn(&mut CertificateParams)| {
            let mut params = good.clone();
            change(&mut params);
            params.signed_by(&key, &authority.issuer).expect("signed").pem()
        };
        let public = key.der_bytes();
        assert_eq!(certified_key(&issued(&|_| {}), authority.pem()).as_deref(), Ok(public));
        refused(&issued(&|params| params.distinguished_name = name("IOC Watch records 0123456789abcdef")));
        refused(&issued(&|params| params.distinguished_name = name(&device.to_string())));
        refused(&issued(&|params| params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth)));
        refused(&issued(&|params| params.extended_key_usages.insert(0, ExtendedKeyUsagePurpose::ServerAuth)));
        refused(&issued(&|params| params.extended_key_usages.clear()));
        refused(&issued(&|params| params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained)));
    }

    #[test]
    fn a_key_that_cannot_be_used_is_made_anew() {
        let dir = tempfile::tempdir().expect("directory");
        let now = ioc_common::clock::now();
        let authority = Authority::open(&dir.path().join("pki"), "IOC", now).expect("made");
        let first = RecordKey::open(&authority, now).expect("made").id().to_owned();
        let later = now.plus_millis(AUTHORITY_LIFE_MS + 1);
        let second = RecordKey::open(&authority, later).expect("made").id().to_owned();
        assert_ne!(first, second, "its certificate ended");
        fs::write(authority.dir.join(KEY_FILE), "nonsense").expect("written");
        let third = RecordKey::open(&authority, now).expect("made");
        assert_ne!(third.id(), second);
        // Of an authority that is no more.
        let other = Authority::open(&dir.path().join("other"), "IOC", now).expect("made");
        assert!(certified_key(third.certificate(), other.pem()).is_err());
        for name in [KEY_FILE, CERTIFICATE_FILE] {
            fs::copy(authority.dir.join(name), other.dir.join(name)).expect("copied");
        }
        assert_ne!(RecordKey::open(&other, now).expect("made").id(), third.id());
    }
}
