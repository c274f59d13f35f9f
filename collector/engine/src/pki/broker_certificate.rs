//! Certificates around a broker: the one by which the collector signs in there, and those by which a broker shows itself to the agents, which
//! trust this authority alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateRevocationListParams, ExtendedKeyUsagePurpose, KeyIdMethod, RevokedCertParams, SerialNumber};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use ioc_common::clock::Timestamp;
use ioc_common::encoding::unhex;

use super::{Authority, PkiError, SERVER_LIFE_MS, file, write_private};
use crate::broker::BROKER_USER;
use crate::config::BrokerPlan;

/// For how long a list of revoked certificates holds.
const LIST_LIFE_MS: i64 = 30 * 86_400_000;

impl Authority {
    /// Certificate and key, in files, by which the collector signs in at a broker: what lies in the directory until two thirds of its life are
    /// over, else new ones.
    ///
    /// # Errors
    /// [`PkiError`] names the file.
    pub fn broker_client(&self, now: Timestamp) -> Result<(PathBuf, PathBuf), PkiError> {
        let (cert_path, key_path) = (self.dir.join("broker.pem"), self.dir.join("broker.key.pem"));
        let until = super::end_of(&cert_path).filter(|_| key_path.exists());
        if until.is_none_or(|until| until.millis_since(now) < SERVER_LIFE_MS / 3) {
            let (chain, key) = self.leaf(BROKER_USER, &[], ExtendedKeyUsagePurpose::ClientAuth, now)?;
            write_private(&key_path, key.as_bytes(), 0o600)?;
            write_private(&cert_path, chain.as_bytes(), 0o644)?;
        }
        Ok((cert_path, key_path))
    }

    /// Makes certificate (`broker.pem`), key (`broker.key.pem`) and authority (`ca.pem`) for a broker of these names, in `dir`.
    ///
    /// # Errors
    /// [`PkiError`] names the file, or the name that is none.
    pub fn broker_server(&self, names: &[String], dir: &Path, now: Timestamp) -> Result<(), PkiError> {
        let common_name = names.first().map_or("broker", String::as_str);
        let (chain, key) = self.leaf(common_name, names, ExtendedKeyUsagePurpose::ServerAuth, now)?;
        fs::create_dir_all(dir).map_err(|source| file(dir, source))?;
        write_private(&dir.join("broker.key.pem"), key.as_bytes(), 0o600)?;
        write_private(&dir.join("broker.pem"), chain.as_bytes(), 0o644)?;
        write_private(&dir.join("ca.pem"), self.pem.as_bytes(), 0o644)
    }

    /// The list of certificates that are good no more, PEM, for brokers that take one: serial numbers, hex, and since when. It holds for
    /// 30 days, since a broker that has an older one lets nobody in.
    ///
    /// # Errors
    /// [`PkiError::Make`] when it cannot be signed.
    pub fn revocation_list(&self, ended: &[(String, Timestamp)], now: Timestamp) -> Result<String, PkiError> {
        let made = |error: &dyn std::fmt::Display| PkiError::Make(error.to_string());
        let (this_update, next_update) = super::validity(now, LIST_LIFE_MS)?;
        let mut revoked_certs = Vec::with_capacity(ended.len());
        for (serial, since) in ended {
            let bytes = unhex(serial).ok_or_else(|| made(&format!("serial number {serial:?}")))?;
            revoked_certs.push(RevokedCertParams {
                serial_number: SerialNumber::from_slice(&bytes),
                revocation_time: super::validity(*since, 0)?.1,
                reason_code: None,
                invalidity_date: None,
            });
        }
        let number = u64::try_from(now.as_millis()).unwrap_or(0);
        let list = CertificateRevocationListParams {
            this_update,
            next_update,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let signed = list.signed_by(&self.issuer).map_err(|error| made(&error))?;
        signed.pem().map_err(|error| made(&error))
    }

    /// TLS 1.3 to the broker, with our certificate. It is read anew for each connection, so that a renewed one is taken.
    ///
    /// # Errors
    /// [`PkiError`] names the file.
    pub fn broker_config(&self, plan: &BrokerPlan, now: Timestamp) -> Result<Arc<ClientConfig>, PkiError> {
        let (cert_path, key_path) = match &plan.certificate {
            Some(files) => files.clone(),
            None => self.broker_client(now)?,
        };
        let content = |path: &Path, why: String| PkiError::Content { path: path.to_owned(), why };
        let certificates = |path: &Path| {
            CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| content(path, error.to_string()))
        };
        let mut roots = RootCertStore::empty();
        let (authorities, of) = match &plan.authority_file {
            Some(path) => (certificates(path)?, path.clone()),
            None => (vec![self.der.clone()], self.dir.join("ca.pem")),
        };
        for one in authorities {
            roots.add(one).map_err(|error| content(&of, error.to_string()))?;
        }
        let chain = certificates(&cert_path)?;
        let key = PrivateKeyDer::from_pem_file(&key_path).map_err(|error| content(&key_path, error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| PkiError::Make(error.to_string()))?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(|error| content(&cert_path, error.to_string()))?;
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Arc::new(config))
    }
}

/// The name in a certificate by which its holder is known at a broker: its common name.
#[must_use]
pub fn user_of(path: &Path) -> Option<String> {
    let certificate = CertificateDer::from_pem_file(path).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).ok()?;
    let name = parsed.subject().iter_common_name().next()?;
    name.as_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collector_has_a_name_that_no_device_can_have_and_its_certificate_is_renewed_in_time() {
        let dir = tempfile::tempdir().expect("directory");
        let now = ioc_common::clock::now();
        let authority = Authority::open(&dir.path().join("pki"), "IOC", now).expect("made");
        let (cert, _) = authority.broker_client(now).expect("made");
        assert_eq!(user_of(&cert).as_deref(), Some(BROKER_USER));
        assert!(ioc_common::id::DeviceId::new(BROKER_USER).is_err());
        let read = || fs::read_to_string(&cert).expect("read");
        let first = read();
        authority.broker_client(now.plus_millis(SERVER_LIFE_MS / 2)).expect("kept");
        assert_eq!(read(), first);
        authority.broker_client(now.plus_millis(SERVER_LIFE_MS / 10 * 7)).expect("renewed");
        assert_ne!(read(), first);
        let out = dir.path().join("broker-1");
        authority.broker_server(&["broker-1.example".to_owned(), "127.0.0.1".to_owned()], &out, now).expect("made");
        assert_eq!(user_of(&out.join("broker.pem")).as_deref(), Some("broker-1.example"));
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(out.join("broker.key.pem")).expect("there"));
        assert_eq!(mode & 0o777, 0o600);
        let list = authority.revocation_list(&[("4a01".to_owned(), now)], now).expect("made");
        let (_, pem) = x509_parser::pem::parse_x509_pem(list.as_bytes()).expect("PEM");
        let (_, parsed) = x509_parser::parse_x509_crl(&pem.contents).expect("a list");
        let serials: Vec<_> = parsed.iter_revoked_certificates().map(|one| one.raw_serial().to_vec()).collect();
        assert_eq!(serials, [vec![0x4a, 1]]);
        assert!(authority.revocation_list(&[("x".to_owned(), now)], now).is_err());
        let names = ["a b".to_owned() + "\u{e9}"];
        assert!(matches!(authority.broker_server(&names, &out, now), Err(PkiError::Name(_))));
    }
}
