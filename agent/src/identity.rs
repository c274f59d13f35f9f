//! The agent's identity on disk: who it is, its key and certificate, its epoch.
//!
//! ```text
//! <state>/identity.json      device, collector, dates
//! <state>/epoch              raised at every start
//! <state>/address            by which something was committed last
//! <state>/tls/current        link to the directory in use
//! <state>/tls/<n>/           key.pem (0600), cert.pem, ca.pem: promoted by moving the link, which is atomic
//! ```

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::encoding::hex;
use ioc_common::file::{replace_durably, sync_dir};
use ioc_common::id::DeviceId;
use ioc_common::report::RenewProof;

/// Who this agent is. Kept as `identity.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Identifier given at enrolment.
    pub device: DeviceId,
    /// Host and port of the collector's MQTT endpoint; of several with a comma between them.
    pub mqtt: String,
    /// When to ask for a renewed certificate.
    pub renew_at: Timestamp,
    /// When the certificate ends.
    pub expires_at: Timestamp,
}

impl Identity {
    /// Where to report, as the collector said at enrolment: one address after the other.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.mqtt.split(',').map(|one| one.trim().to_owned()).collect()
    }
}

/// The state directory and what lies in it.
#[derive(Debug, Clone)]
pub struct IdentityStore {
    dir: PathBuf,
}

/// Key and certificate, PEM, as they lie in one directory below `tls`.
#[derive(Debug, Clone)]
pub struct Material {
    /// Never leaves this machine: the collector only saw a request signed with it. Readable by the agent's user alone.
    pub key: String,
    /// The agent's own certificate first, then those between it and the authority.
    pub certificate: String,
    /// Who may have issued the collector's certificate; the system's own authorities are not trusted.
    pub authorities: String,
}

impl IdentityStore {
    /// The SHA-256 fingerprints, hex, of the authorities that are trusted.
    ///
    /// # Errors
    /// [`IdentityError`] names the file.
    pub fn authorities(&self) -> Result<Vec<String>, IdentityError> {
        let found = certificates(&self.current().join("ca.pem"))?;
        Ok(found.iter().map(|certificate| ioc_common::encoding::sha256_hex(certificate)).collect())
    }

    /// The store in `dir`.
    #[must_use]
    pub const fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Where `identity.json`, keys and certificates lie.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads who this agent is.
    ///
    /// # Errors
    /// [`IdentityError::NotEnrolled`] when it never was enrolled.
    pub fn identity(&self) -> Result<Identity, IdentityError> {
        let path = self.dir.join("identity.json");
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| IdentityError::File { path, source: io::Error::other(error) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(IdentityError::NotEnrolled { dir: self.dir.clone() })
            }
            Err(source) => Err(IdentityError::File { path, source }),
        }
    }

    /// Writes who this agent is.
    ///
    /// # Errors
    /// [`IdentityError`] names the file.
    pub fn save_identity(&self, identity: &Identity) -> Result<(), IdentityError> {
        let path = self.dir.join("identity.json");
        let text = serde_json::to_vec_pretty(identity)
            .map_err(|error| IdentityError::File { path: path.clone(), source: io::Error::other(error) })?;
        replace_durably(&path, 0o644, |out| out.write_all(&text)).map_err(|source| IdentityError::File { path, source })
    }

    /// Puts key and certificate into a new directory below `tls`, not yet in use, and returns it.
    ///
    /// # Errors
    /// [`IdentityError`] names the file.
    pub fn stage(&self, material: &Material) -> Result<PathBuf, IdentityError> {
        let tls = self.dir.join("tls");
        let file = |path: PathBuf| move |source| IdentityError::File { path, source };
        fs::create_dir_all(&tls).map_err(file(tls.clone()))?;
        let numbers = fs::read_dir(&tls).map_err(file(tls.clone()))?.flatten();
        let last = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok()).max().unwrap_or(0);
        let dir = tls.join((last + 1).to_string());
        fs::create_dir(&dir).map_err(file(dir.clone()))?;
        let files = [
            ("key.pem", &material.key, 0o600),
            ("cert.pem", &material.certificate, 0o644),
            ("ca.pem", &material.authorities, 0o644),
        ];
        for (name, text, mode) in files {
            let path = dir.join(name);
            replace_durably(&path, mode, |out| out.write_all(text.as_bytes())).map_err(file(path.clone()))?;
        }
        Ok(dir)
    }

    /// Takes a staged directory into use and deletes the older ones.
    ///
    /// # Errors
    /// [`IdentityError`] names the file.
    pub fn promote(&self, staged: &Path) -> Result<(), IdentityError> {
        let tls = self.dir.join("tls");
        let (link, new_link) = (tls.join("current"), tls.join("current.new"));
        let file = |source| IdentityError::File { path: link.clone(), source };
        let name = staged.file_name().ok_or_else(|| file(io::ErrorKind::InvalidInput.into()))?;
        let _ = fs::remove_file(&new_link);
        symlink(name, &new_link).map_err(file)?;
        fs::rename(&new_link, &link).map_err(file)?;
        sync_dir(&tls).map_err(file)?;
        for entry in fs::read_dir(&tls).map_err(file)?.flatten() {
            if entry.path() != staged && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        Ok(())
    }

    /// Shows that this agent has the key of its certificate, by a signature over `text`. None where the key is of another kind than ours.
    ///
    /// # Errors
    /// [`IdentityError`] names the file.
    pub fn prove(&self, text: &str) -> Result<Option<RenewProof>, IdentityError> {
        let dir = self.current();
        let path = dir.join("cert.pem");
        let certificate = fs::read_to_string(&path).map_err(|source| IdentityError::File { path, source })?;
        let path = dir.join("key.pem");
        let key = PrivateKeyDer::from_pem_file(&path)
            .map_err(|error| IdentityError::File { path, source: io::Error::other(error.to_string()) })?;
        let random = ring::rand::SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.secret_der(), &random);
        let signature = pair.ok().and_then(|pair| pair.sign(&random, text.as_bytes()).ok());
        Ok(signature.map(|signature| RenewProof { certificate, signature: hex(signature.as_ref()) }))
    }

    /// The address by which something was committed last, where that was kept.
    #[must_use]
    pub fn last_address(&self) -> Option<String> {
        fs::read_to_string(self.address_file()).ok().map(|text| text.trim().to_owned())
    }

    /// Keeps the address by which something was committed. One that cannot be kept is found again.
    pub fn keep_address(&self, address: &str) {
        if self.last_address().as_deref() != Some(address) {
            let _ = replace_durably(&self.address_file(), 0o644, |out| writeln!(out, "{address}"));
        }
    }

    fn address_file(&self) -> PathBuf {
        self.dir.join("address")
    }

    /// Whether these are the authorities that are trusted now.
    #[must_use]
    pub fn trusts(&self, authorities: &str) -> bool {
        let known = fs::read_to_string(self.current().join("ca.pem"));
        known.is_ok_and(|known| known.split_whitespace().eq(authorities.split_whitespace()))
    }

    /// Puts the reports aside that wait under the name of another device.
    ///
    /// # Errors
    /// [`IdentityError`] names the directory.
    pub fn put_spool_aside(&self, device: &DeviceId) -> Result<(), IdentityError> {
        let (spool, aside) = (self.dir.join("spool"), self.dir.join(format!("spool.of-{device}")));
        match fs::rename(&spool, &aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(IdentityError::File { path: spool, source: error })
            }
            _ => Ok(()),
        }
    }

    /// The directory in use.
    #[must_use]
    pub fn current(&self) -> PathBuf {
        self.dir.join("tls/current")
    }

    /// Takes the next epoch and keeps it before it is used, as far as the disk allows ([`Self::keep_epoch`]): a host whose disk is
    /// broken is the very one that must report. It never falls back, even when the state was lost: it is at least the time in
    /// milliseconds, so that each start has its own where none can be kept, and above what the collector knows.
    pub fn next_epoch(&self, now: Timestamp, above: u64) -> (u64, Result<(), IdentityError>) {
        let kept = fs::read_to_string(self.epoch_file()).ok().and_then(|text| text.trim().parse::<u64>().ok());
        let clock = u64::try_from(now.as_millis()).unwrap_or(0);
        let epoch = kept.unwrap_or(0).max(above).saturating_add(1).max(clock);
        (epoch, self.keep_epoch(epoch))
    }

    /// Keeps the epoch that is in use.
    ///
    /// # Errors
    /// [`IdentityError`] names the file.
    pub fn keep_epoch(&self, epoch: u64) -> Result<(), IdentityError> {
        let path = self.epoch_file();
        replace_durably(&path, 0o644, |out| writeln!(out, "{epoch}"))
            .map_err(|source| IdentityError::File { path, source })
    }

    fn epoch_file(&self) -> PathBuf {
        self.dir.join("epoch")
    }
}

/// TLS 1.3 with this key and certificate, trusting only these authorities.
///
/// # Errors
/// [`IdentityError`] names the file.
pub fn client_config(dir: &Path) -> Result<Arc<ClientConfig>, IdentityError> {
    let file = |name: &str, why: String| IdentityError::File { path: dir.join(name), source: io::Error::other(why) };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&dir.join("ca.pem"))? {
        roots.add(certificate).map_err(|error| file("ca.pem", error.to_string()))?;
    }
    let chain = certificates(&dir.join("cert.pem"))?;
    let key = PrivateKeyDer::from_pem_file(dir.join("key.pem")).map_err(|error| file("key.pem", error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| file("", error.to_string()))?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|error| file("cert.pem", error.to_string()))?;
    // Each link is made with a configuration of its own: nobody would resume a session.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let why = |error: rustls::pki_types::pem::Error| IdentityError::File {
        path: path.to_owned(),
        source: io::Error::other(error.to_string()),
    };
    CertificateDer::pem_file_iter(path).map_err(why)?.collect::<Result<_, _>>().map_err(why)
}

/// There is no identity, or a file of it is missing, damaged or not to be written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "their names say it")]
pub enum IdentityError {
    /// The agent was never enrolled.
    #[error(
        "this agent is not enrolled: there is no identity in {}; mend: ask for a token ('ioc-collector enrol token new') and run 'ioc-agent enrol --server HOST:PORT TOKEN'",
        dir.display()
    )]
    NotEnrolled { dir: PathBuf },
    /// A file of it cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_only_rise_even_when_the_clock_or_the_file_does_not() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let store = IdentityStore::new(dir.path().to_owned());
        let late = Timestamp::from_millis(2_000_000_000_000);
        let next = |now, above| match store.next_epoch(now, above) {
            (epoch, Ok(())) => epoch,
            (_, Err(error)) => panic!("{error}"),
        };
        assert_eq!(next(late, 0), 2_000_000_000_000);
        assert_eq!(next(Timestamp::from_millis(0), 0), 2_000_000_000_001);
        assert_eq!(next(Timestamp::from_millis(0), 3_000_000_000_000), 3_000_000_000_001);
        fs::remove_file(dir.path().join("epoch")).expect("removed");
        assert_eq!(next(late, 0), 2_000_000_000_000);
        // One that was kept as seconds, as earlier versions did.
        fs::write(dir.path().join("epoch"), "1999999999\n").expect("written");
        assert_eq!(next(late, 0), 2_000_000_000_000);
    }

    #[test]
    fn what_was_said_at_enrolment_may_be_several_addresses() {
        let end = Timestamp::from_millis(0);
        let device = DeviceId::new("srv-1").expect("valid");
        let of = |mqtt: &str| {
            Identity { device: device.clone(), mqtt: mqtt.into(), renew_at: end, expires_at: end }.addresses()
        };
        assert_eq!(of("c1:8883"), ["c1:8883"]);
        assert_eq!(of("c1:8883,[::1]:8884"), ["c1:8883", "[::1]:8884"]);
    }

    #[test]
    fn each_start_has_its_own_epoch_where_none_can_be_kept() {
        let dir = tempfile::tempdir().expect("temporary directory");
        // A disk that takes nothing is said, and does not keep the agent from an epoch.
        let nowhere = IdentityStore::new(dir.path().join("none/below"));
        let start = |millis| {
            let (epoch, kept) = nowhere.next_epoch(Timestamp::from_millis(millis), 0);
            assert!(kept.is_err());
            epoch
        };
        assert!(start(2_000_000_000_000) < start(2_000_000_000_001), "two starts within a second");
        let (epoch, _) = nowhere.next_epoch(Timestamp::from_millis(0), 2_500_000_000_000);
        assert_eq!(epoch, 2_500_000_000_001);
    }

    #[test]
    fn promotion_moves_one_link_and_keeps_only_what_is_used() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let store = IdentityStore::new(dir.path().to_owned());
        let material = |n: &str| Material { key: format!("key {n}"), certificate: n.into(), authorities: n.into() };
        let first = store.stage(&material("1")).expect("staged");
        store.promote(&first).expect("promoted");
        let second = store.stage(&material("2")).expect("staged");
        assert_eq!(fs::read_to_string(store.current().join("key.pem")).expect("read"), "key 1");
        store.promote(&second).expect("promoted");
        assert_eq!(fs::read_to_string(store.current().join("key.pem")).expect("read"), "key 2");
        assert!(store.trusts(" 2\n") && !store.trusts("1") && !store.trusts("2 3"));
        assert_eq!(store.last_address(), None);
        store.keep_address("a:1");
        assert_eq!(store.last_address().as_deref(), Some("a:1"));
        assert!(!first.exists());
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(second.join("key.pem")).expect("there"));
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(store.identity(), Err(IdentityError::NotEnrolled { .. })));
    }
}
