//! The public-key infrastructure: an authority of our own, server certificates, device certificates.
//!
//! Keys lie in `<data>/pki` with mode 0600. A device's key is made on the device and never seen here.

pub mod broker_certificate;
pub mod record_key;
mod renew_proof;

use std::fs;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber, SigningKey as _,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use time::OffsetDateTime;

use ioc_common::clock::Timestamp;
use ioc_common::encoding::hex;
use ioc_common::file::replace_durably;
use ioc_common::id::DeviceId;
use ioc_common::random::{self, NoRandomness};

/// Life of the authority's certificate.
const AUTHORITY_LIFE_MS: i64 = 3650 * 86_400_000;
/// Life of a server certificate; renewed at two thirds.
const SERVER_LIFE_MS: i64 = 365 * 86_400_000;
/// Certificates are valid from a little before they are made, for clocks that run behind.
const BACKDATE_MS: i64 = 600_000;

/// The certificate authority.
pub struct Authority {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// A certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate alone, PEM.
    pub certificate: String,
    /// Its serial number, hex.
    pub serial: String,
    /// When to ask for the next one: at two thirds of its life.
    pub renew_at: Timestamp,
    /// The end of its validity.
    pub expires_at: Timestamp,
}

impl Authority {
    /// Whether there is one in `dir`, or a part of one.
    #[must_use]
    pub fn is_there(dir: &Path) -> bool {
        ["ca.key.pem", "ca.pem"].iter().any(|name| dir.join(name).exists())
    }

    /// Opens the authority in `dir`, or makes it on first start.
    ///
    /// # Errors
    /// [`PkiError`] names the file.
    pub fn open(dir: &Path, site: &str, now: Timestamp) -> Result<Self, PkiError> {
        let (key_path, cert_path) = (dir.join("ca.key.pem"), dir.join("ca.pem"));
        if !Self::is_there(dir) {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(dir).map_err(|source| file(dir, source))?;
            let key = KeyPair::generate().map_err(|error| PkiError::Make(error.to_string()))?;
            let mut params = CertificateParams::default();
            params.distinguished_name = name(&format!("IOC Watch CA - {}", site.chars().take(40).collect::<String>()));
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            (params.not_before, params.not_after) = validity(now, AUTHORITY_LIFE_MS)?;
            params.serial_number = Some(serial()?);
            let certificate = params.self_signed(&key).map_err(|error| PkiError::Make(error.to_string()))?;
            write_private(&key_path, key.serialize_pem().as_bytes(), 0o600)?;
            write_private(&cert_path, certificate.pem().as_bytes(), 0o644)?;
        }
        let key_text = fs::read_to_string(&key_path).map_err(|source| file(&key_path, source))?;
        let key = KeyPair::from_pem(&key_text)
            .map_err(|error| PkiError::Content { path: key_path, why: error.to_string() })?;
        let pem = fs::read_to_string(&cert_path).map_err(|source| file(&cert_path, source))?;
        let content = |why: String| PkiError::Content { path: cert_path.clone(), why };
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| content(error.to_string()))?;
        let issuer = Issuer::from_ca_cert_pem(&pem, key).map_err(|error| content(error.to_string()))?;
        Ok(Self { dir: dir.to_owned(), issuer, pem, der })
    }

    /// The authority's certificate, PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// SHA-256 over the authority's certificate.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, &self.der).as_ref());
        bytes
    }

    /// Certifies a device's request for `life_ms`. Only the key is taken from the request; the name is `device`.
    ///
    /// # Errors
    /// [`PkiError::Request`] when the request is not one, or is not signed by its own key.
    pub fn issue_device(&self, csr: &str, device: &DeviceId, now: Timestamp, life_ms: i64) -> Result<Issued, PkiError> {
        let mut request =
            CertificateSigningRequestParams::from_pem(csr).map_err(|error| PkiError::Request(error.to_string()))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name(device.as_str());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = validity(now, life_ms)?;
        let serial_number = serial()?;
        let serial = hex(&serial_number.to_bytes());
        params.serial_number = Some(serial_number);
        request.params = params;
        let certificate = request.signed_by(&self.issuer).map_err(|error| PkiError::Request(error.to_string()))?;
        Ok(Issued {
            certificate: certificate.pem(),
            serial,
            renew_at: now.plus_millis(life_ms / 3 * 2),
            expires_at: now.plus_millis(life_ms),
        })
    }

    /// Signs a text by the authority's key.
    ///
    /// # Errors
    /// [`PkiError::Make`] when the key does not sign.
    pub fn sign(&self, text: &[u8]) -> Result<Vec<u8>, PkiError> {
        self.issuer.key().sign(text).map_err(|error| PkiError::Make(error.to_string()))
    }

    /// The server's certificate and key for `names`: what lies in the directory while it fits, else a new one.
    ///
    /// # Errors
    /// [`PkiError`] names the file.
    pub fn server(&self, names: &[String], now: Timestamp) -> Result<Arc<CertifiedKey>, PkiError> {
        let (key_path, cert_path, about_path) =
            (self.dir.join("server.key.pem"), self.dir.join("server.pem"), self.dir.join("server.about"));
        // What the kept certificate is for: its names and when to renew it.
        let about = fs::read_to_string(&about_path).unwrap_or_default();
        let fits = about.split_once('\n').is_some_and(|(renew_at, of)| {
            of == names.join("\n") && renew_at.parse::<Timestamp>().is_ok_and(|renew_at| now < renew_at)
        });
        if !fits || !key_path.exists() || !cert_path.exists() {
            let common_name = names.first().map_or("ioc-collector", String::as_str);
            let (chain, key) = self.leaf(common_name, names, ExtendedKeyUsagePurpose::ServerAuth, now)?;
            write_private(&key_path, key.as_bytes(), 0o600)?;
            write_private(&cert_path, chain.as_bytes(), 0o644)?;
            let renew_at = now.plus_millis(SERVER_LIFE_MS / 3 * 2);
            write_private(&about_path, format!("{renew_at}\n{}", names.join("\n")).as_bytes(), 0o644)?;
        }
        certified(&cert_path, &key_path)
    }

    /// A new key, and a certificate for it with the authority's behind it, PEM both.
    fn leaf(
        &self,
        common_name: &str,
        names: &[String],
        usage: ExtendedKeyUsagePurpose,
        now: Timestamp,
    ) -> Result<(String, String), PkiError> {
        let key = KeyPair::generate().map_err(|error| PkiError::Make(error.to_string()))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name(common_name);
        for one in names {
            params.subject_alt_names.push(match one.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(one.clone().try_into().map_err(|_| PkiError::Name(one.clone()))?),
            });
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = validity(now, SERVER_LIFE_MS)?;
        params.serial_number = Some(serial()?);
        let certificate = params.signed_by(&key, &self.issuer).map_err(|error| PkiError::Make(error.to_string()))?;
        Ok((format!("{}{}", certificate.pem(), self.pem), key.serialize_pem()))
    }

    /// TLS 1.3 for the MQTT endpoint: clients must show a certificate of this authority.
    ///
    /// # Errors
    /// [`PkiError::Make`] when TLS cannot be set up.
    pub fn mqtt_config(&self, server: &Arc<ReloadableCertificate>) -> Result<Arc<ServerConfig>, PkiError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).map_err(|error| PkiError::Make(error.to_string()))?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| PkiError::Make(error.to_string()))?;
        let mut config = ServerConfig::builder_with_details(provider, Arc::new(TrustedTime))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| PkiError::Make(error.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::clone(server) as Arc<dyn ResolvesServerCert>);
        // A resumed session would not show its certificate again, and tickets cost memory on thousands of links.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.max_early_data_size = 0;
        Ok(Arc::new(config))
    }
}

/// Devices' certificates are judged by the time that is believed: a clock that is set years ahead ends none of them.
#[derive(Debug)]
struct TrustedTime;

impl rustls::time_provider::TimeProvider for TrustedTime {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        let seconds = u64::try_from(ioc_common::clock::now().as_secs()).ok()?;
        Some(rustls::pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}

/// When the certificate in this file ends, the first of them; nothing where it cannot be read.
#[must_use]
pub fn end_of(path: &Path) -> Option<Timestamp> {
    let pem = fs::read(path).ok()?;
    let der = CertificateDer::from_pem_slice(&pem).ok()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
    Some(Timestamp::from_millis(certificate.validity().not_after.timestamp().saturating_mul(1000)))
}

/// TLS 1.3 for the pages.
///
/// # Errors
/// [`PkiError::Make`] when TLS cannot be set up.
pub fn web_config(server: &Arc<ReloadableCertificate>) -> Result<Arc<ServerConfig>, PkiError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| PkiError::Make(error.to_string()))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(server) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Reads a certificate chain and its key.
///
/// # Errors
/// [`PkiError`] names the file.
pub fn certified(cert_path: &Path, key_path: &Path) -> Result<Arc<CertifiedKey>, PkiError> {
    let content = |path: &Path, why: String| PkiError::Content { path: path.to_owned(), why };
    let chain = CertificateDer::pem_file_iter(cert_path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| content(cert_path, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(key_path).map_err(|error| content(key_path, error.to_string()))?;
    let provider = rustls::crypto::ring::default_provider();
    let certified =
        CertifiedKey::from_der(chain, key, &provider).map_err(|error| content(cert_path, error.to_string()))?;
    Ok(Arc::new(certified))
}

/// A server certificate that can be replaced while connections stand.
#[derive(Debug)]
pub struct ReloadableCertificate(RwLock<Arc<CertifiedKey>>);

impl ReloadableCertificate {
    /// Starts with `certified`.
    #[must_use]
    pub fn new(certified: Arc<CertifiedKey>) -> Arc<Self> {
        Arc::new(Self(RwLock::new(certified)))
    }

    /// Uses `certified` for new connections from now on.
    pub fn replace(&self, certified: Arc<CertifiedKey>) {
        if let Ok(mut now) = self.0.write() {
            *now = certified;
        }
    }
}

impl ResolvesServerCert for ReloadableCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().ok().map(|now| Arc::clone(&now))
    }
}

/// Whose certificate this is: exactly one common name, which is a device identifier; and its serial number, hex.
///
/// # Errors
/// Why it is no device's certificate.
pub fn device_of(certificate: &CertificateDer<'_>) -> Result<(DeviceId, String), &'static str> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|_| "certificate cannot be parsed")?;
    let mut names = parsed.subject().iter_common_name();
    let (Some(first), None) = (names.next(), names.next()) else {
        return Err("certificate has not exactly one common name");
    };
    let text = first.as_str().map_err(|_| "common name is no text")?;
    let device = DeviceId::new(text).map_err(|_| "common name is no device identifier")?;
    Ok((device, hex(parsed.raw_serial())))
}

/// When this certificate was issued: it is valid from a little before.
#[must_use]
pub fn issued_at(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(Timestamp::from_millis(parsed.validity().not_before.timestamp().saturating_mul(1000) + BACKDATE_MS))
}

/// When a certificate ends; none where that cannot be read.
#[must_use]
pub fn ends_at(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(Timestamp::from_millis(parsed.validity().not_after.timestamp().saturating_mul(1000)))
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn serial() -> Result<SerialNumber, PkiError> {
    let mut bytes = random::secret::<16>()?;
    // Positive, as RFC 5280 asks, and of one length, so that it is written in one way.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn validity(now: Timestamp, life_ms: i64) -> Result<(OffsetDateTime, OffsetDateTime), PkiError> {
    let moment = |at: Timestamp| {
        OffsetDateTime::from_unix_timestamp(at.as_secs()).map_err(|error| PkiError::Make(error.to_string()))
    };
    Ok((moment(now.plus_millis(-BACKDATE_MS))?, moment(now.plus_millis(life_ms))?))
}

/// Writes a file that only its owner and those whom `mode` names may read, and renames it into its place once it is synced.
///
/// # Errors
/// [`PkiError::File`] when the directory takes no file, is full, or does not sync.
pub fn write_private(path: &Path, bytes: &[u8], mode: u32) -> Result<(), PkiError> {
    replace_durably(path, mode, |out| out.write_all(bytes)).map_err(|source| file(path, source))
}

fn file(path: &Path, source: io::Error) -> PkiError {
    PkiError::File { path: path.to_owned(), source }
}

/// The public-key infrastructure cannot do what was asked.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {why}", path.display())]
    Content { path: PathBuf, why: String },
    /// A request cannot be certified.
    #[error("the certificate request cannot be used: {0}")]
    Request(String),
    /// A name is neither a host name nor an address.
    #[error("{0:?} is neither a host name nor an IP address")]
    Name(String),
    /// The system gives no randomness.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// Something could not be made.
    #[error("cannot make keys or certificates: {0}")]
    Make(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_made_once_and_certifies_under_its_own_names() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let now = ioc_common::clock::now();
        let pki = dir.path().join("pki");
        let first = Authority::open(&pki, "IOC", now).expect("made");
        let again = Authority::open(&pki, "other", now).expect("opened");
        assert_eq!(first.fingerprint(), again.fingerprint());
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(pki.join("ca.key.pem")).expect("there"));
        assert_eq!(mode & 0o777, 0o600);

        let key = KeyPair::generate().expect("key");
        let mut asked = CertificateParams::new(vec!["evil.example".to_owned()]).expect("params");
        asked.distinguished_name = name("someone-else");
        asked.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let csr = asked.serialize_request(&key).expect("csr").pem().expect("pem");
        let device = DeviceId::new("srv-01").expect("valid");
        let issued = again.issue_device(&csr, &device, now, 90_000).expect("issued");
        let der = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).expect("pem");
        assert_eq!(device_of(&der), Ok((device.clone(), issued.serial.clone())));
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).expect("parses");
        assert!(!parsed.is_ca() && parsed.subject_alternative_name().expect("reads").is_none());
        assert_eq!(issued.renew_at, now.plus_millis(60_000));
        assert!(matches!(again.issue_device("nonsense", &device, now, 1), Err(PkiError::Request(_))));
        let forged = csr.replacen("MII", "MIJ", 1);
        assert!(again.issue_device(&forged, &device, now, 90_000).is_err());
    }

    #[test]
    fn the_server_certificate_is_kept_while_it_fits() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let now = ioc_common::clock::now();
        let authority = Authority::open(&dir.path().join("pki"), "IOC", now).expect("made");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let first = authority.server(&names, now).expect("made").cert.clone();
        assert_eq!(authority.server(&names, now).expect("kept").cert, first);
        assert_ne!(authority.server(&names, now.plus_millis(SERVER_LIFE_MS / 10 * 7)).expect("renewed").cert, first);
        assert!(matches!(authority.server(&["a b".to_owned() + "\u{e9}"], now), Err(PkiError::Name(_))));
    }
}
