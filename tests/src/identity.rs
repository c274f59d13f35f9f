//! A simulated device's identity: enrolled with a token like any agent, kept in memory or in a file.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use ioc_agent::enrol;
use ioc_common::enrolment::{EnrolRequest, Token};
use ioc_common::id::DeviceId;
use ioc_common::report::Facts;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Key, certificate and address of a simulated device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Identity {
    /// Identifier that the collector gave.
    pub device: DeviceId,
    /// Kind, as it was enrolled.
    pub kind: String,
    /// Private key, PEM.
    pub key: String,
    /// Certificate, PEM.
    pub certificate: String,
    /// Authorities, PEM.
    pub authorities: String,
    /// Host and port of the MQTT endpoint.
    pub mqtt: String,
}

impl Identity {
    /// Asks the collector with the control socket below `runtime` for a token for the device that `about` describes, and
    /// enrols it at `server`.
    ///
    /// # Errors
    /// What the collector answered instead.
    pub async fn enrol(runtime: &Path, server: &str, about: &Value) -> anyhow::Result<Self> {
        let answer = ioc_collector::cli::ask(runtime, "POST", "/api/v1/tokens", Some(about.clone())).await?;
        let token = answer["token"].as_str().context("no token")?;
        Self::enrol_with(server, token, about["kind"].as_str().unwrap_or("server")).await
    }

    /// Enrols a device at `server` with a token.
    ///
    /// # Errors
    /// What the collector answered instead.
    pub async fn enrol_with(server: &str, token: &str, kind: &str) -> anyhow::Result<Self> {
        let token: Token = token.parse()?;
        let enrol::KeyRequest { key, csr } = enrol::request()?;
        let facts = Facts { hostname: "simulated".to_owned(), ..Facts::default() };
        let request = EnrolRequest {
            token: token.to_string(),
            csr,
            fingerprint: "simulated".to_owned(),
            facts,
            macs: Vec::new(),
            label: String::new(),
        };
        let enrol::EnrolAnswer::Enrolled(answer) = enrol::exchange(server, &token, &request).await? else {
            anyhow::bail!("a person has to approve it");
        };
        Ok(Self {
            device: answer.device,
            kind: kind.to_owned(),
            key,
            certificate: answer.certificate,
            authorities: answer.authorities,
            mqtt: answer.mqtt,
        })
    }

    /// Enrols `count` devices, named by their number.
    ///
    /// # Errors
    /// What the collector answered instead.
    pub async fn enrol_many(runtime: &Path, server: &str, count: usize) -> anyhow::Result<Vec<Self>> {
        let mut identities = Vec::with_capacity(count);
        let numbers: Vec<usize> = (0..count).collect();
        for chunk in numbers.chunks(32) {
            let mut tasks = tokio::task::JoinSet::new();
            for number in chunk {
                let kind = ["server", "workstation", "display"][number % 3];
                let about =
                    json!({ "device": format!("sim-{number:05}"), "kind": kind, "name": format!("Sim {number:05}") });
                let (runtime, server) = (runtime.to_owned(), server.to_owned());
                tasks.spawn(async move { Self::enrol(&runtime, &server, &about).await });
            }
            while let Some(done) = tasks.join_next().await {
                identities.push(done??);
            }
        }
        identities.sort_by(|a, b| a.device.cmp(&b.device));
        Ok(identities)
    }

    /// TLS 1.3 with this identity.
    ///
    /// # Errors
    /// When its files are broken.
    pub fn tls(&self) -> anyhow::Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(self.authorities.as_bytes()) {
            roots.add(authority?)?;
        }
        let chain = CertificateDer::pem_slice_iter(self.certificate.as_bytes()).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        Ok(Arc::new(config))
    }
}
