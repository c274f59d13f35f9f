//! Enrolment and renewal: a key that never leaves this host, a request, a certificate.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use rcgen::{CertificateParams, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

use ioc_common::backoff::retry_ms;
use ioc_common::enrolment::{ENROL_MAX_BYTES, ENROL_PATH, EnrolRequest, EnrolResponse, EnrolWaiting, Token};
use ioc_common::id::DeviceId;
use ioc_common::owner::as_owner;
use ioc_common::random::entropy;
use ioc_probe::facts;

use crate::audit_witness;
use crate::host::http::{self, HttpError, HttpRequest, HttpResponse};
use crate::identity::{Identity, IdentityError, IdentityStore, Material};

/// How long enrolment may take in all.
const ENROL_TIMEOUT: Duration = Duration::from_secs(30);
/// Back-off between tries to reach a collector that has gone while a person was to decide.
const RETRY_FIRST_MS: u64 = 5000;
const RETRY_LAST_MS: u64 = 60_000;

/// A new key and the request to certify it.
#[derive(Debug)]
pub struct KeyRequest {
    /// The private key, PEM. It stays on this machine.
    pub key: String,
    /// The request that the collector signs: PKCS #10, PEM.
    pub csr: String,
}

/// Makes a key and a request. The name in it is of no account: the collector writes the one it gave.
///
/// # Errors
/// [`EnrolError::Key`] when the system gives no randomness.
pub fn request() -> Result<KeyRequest, EnrolError> {
    let key = KeyPair::generate().map_err(|error| EnrolError::Key(error.to_string()))?;
    let params = CertificateParams::default();
    let csr =
        params.serialize_request(&key).and_then(|csr| csr.pem()).map_err(|error| EnrolError::Key(error.to_string()))?;
    Ok(KeyRequest { key: key.serialize_pem(), csr })
}

/// How a host is enrolled.
#[derive(Debug)]
pub struct EnrolOptions<'a> {
    /// Host and port of the collector's page.
    pub server: &'a str,
    /// The token that a person made on the collector; what it lets in is decided there.
    pub token: &'a Token,
    /// Asset label; empty when whoever installs it gave none.
    pub label: &'a str,
    /// How long to wait for a person who approves it.
    pub wait: Duration,
    /// The identity that it has is replaced.
    pub anew: bool,
}

/// What a collector answers.
#[derive(Debug)]
pub enum EnrolAnswer {
    /// It is let in: its name, its certificate and whom to trust.
    Enrolled(Box<EnrolResponse>),
    /// A person has to approve this host first.
    Waiting(EnrolWaiting),
}

/// Enrols this host and writes the identity into `store`. `waits` is told once when a person has to approve it.
///
/// # Errors
/// [`EnrolError`] says what went wrong and what to do.
pub async fn enrol(
    store: &IdentityStore,
    root: &Path,
    how: &EnrolOptions<'_>,
    waits: impl Fn(&EnrolWaiting),
) -> Result<Identity, EnrolError> {
    // Root touches what the service's user owns only as that user.
    let owned = |source| IdentityError::File { path: store.dir().to_owned(), source };
    let before = as_owner(store.dir(), || store.identity()).map_err(owned)?.ok().map(|identity| identity.device);
    if let Some(device) = before.as_ref().filter(|_| !how.anew) {
        return Err(EnrolError::Already { device: device.to_string() });
    }
    let mut made = std::fs::DirBuilder::new();
    made.recursive(true).mode(0o700);
    as_owner(store.dir(), || made.create(store.dir())).and_then(|made| made).map_err(owned)?;
    let KeyRequest { key, csr } = request()?;
    let ask = EnrolRequest {
        token: how.token.to_string(),
        csr,
        fingerprint: facts::fingerprint(root),
        facts: facts::read(root),
        macs: facts::macs(root),
        label: how.label.to_owned(),
    };
    let answer = wait_for_approval(how, &ask, waits).await?;
    let identity =
        Identity { device: answer.device, mqtt: answer.mqtt, renew_at: answer.renew_at, expires_at: answer.expires_at };
    let material = Material { key, certificate: answer.certificate, authorities: answer.authorities };
    as_owner(store.dir(), || take_on(store, &material, &identity, before)).map_err(owned)??;
    Ok(identity)
}

/// Writes who this host is from now on.
fn take_on(
    store: &IdentityStore,
    material: &Material,
    identity: &Identity,
    before: Option<DeviceId>,
) -> Result<(), IdentityError> {
    let staged = store.stage(material)?;
    crate::identity::client_config(&staged)?;
    store.promote(&staged)?;
    store.save_identity(identity)?;
    // It may be another collector, whose log is another.
    audit_witness::forget(store.dir())
        .map_err(|source| IdentityError::File { path: store.dir().to_owned(), source })?;
    // What another device took is not this one's to report.
    match before.filter(|old| *old != identity.device) {
        Some(old) => store.put_spool_aside(&old),
        None => Ok(()),
    }
}

/// Asks until a person has decided.
async fn wait_for_approval(
    how: &EnrolOptions<'_>,
    ask: &EnrolRequest,
    waits: impl Fn(&EnrolWaiting),
) -> Result<EnrolResponse, EnrolError> {
    let until = tokio::time::Instant::now() + how.wait;
    let (mut waiting_told, mut failures) = (false, 0_u32);
    loop {
        let pause = match exchange(how.server, how.token, ask).await {
            Ok(EnrolAnswer::Enrolled(response)) => return Ok(*response),
            Ok(EnrolAnswer::Waiting(waiting)) => {
                if !waiting_told {
                    waits(&waiting);
                    waiting_told = true;
                }
                failures = 0;
                Duration::from_secs(u64::from(waiting.retry_after_s.clamp(1, 600)))
            }
            // While it waits, a collector that restarts is no reason to give up.
            Err(EnrolError::Connect { .. }) if waiting_told => {
                failures = failures.saturating_add(1);
                Duration::from_millis(retry_ms(failures, RETRY_FIRST_MS, RETRY_LAST_MS, entropy()))
            }
            Err(error) => return Err(error),
        };
        if tokio::time::Instant::now() + pause > until {
            return Err(EnrolError::NotApproved);
        }
        tokio::time::sleep(pause).await;
    }
}

/// Sends a request for enrolment to the collector whose authority `token` was made for.
///
/// # Errors
/// [`EnrolError`] says what went wrong and what to do.
pub async fn exchange(server: &str, token: &Token, request: &EnrolRequest) -> Result<EnrolAnswer, EnrolError> {
    let body = serde_json::to_vec(request).map_err(|error| EnrolError::Answer(error.to_string()))?;
    tokio::time::timeout(ENROL_TIMEOUT, post(server, token, body))
        .await
        .map_err(|_| EnrolError::Connect { server: server.to_owned(), why: "no answer within 30 s".to_owned() })?
}

async fn post(server: &str, token: &Token, json: Vec<u8>) -> Result<EnrolAnswer, EnrolError> {
    let connect = |why: String| EnrolError::Connect { server: server.to_owned(), why };
    ioc_common::address::split_address(server).map_err(connect)?;
    let verifier = Arc::new(PinnedVerifier::new(*token.fingerprint()));
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| connect(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let url = format!("https://{server}{ENROL_PATH}");
    let request = HttpRequest { method: Method::POST, url: &url, json, tls: Arc::new(tls), max_bytes: ENROL_MAX_BYTES };
    let HttpResponse { status, body } = http::send(request).await.map_err(|error| match error {
        HttpError::Answer(why) => EnrolError::Answer(why),
        HttpError::Address(why) | HttpError::Connection(why) => connect(why),
    })?;
    if !status.is_success() {
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or("no reason given").chars().take(500).collect();
        return Err(EnrolError::Refused { status: status.as_u16(), detail });
    }
    let answer = if status == hyper::StatusCode::ACCEPTED {
        serde_json::from_slice(&body).map(EnrolAnswer::Waiting)
    } else {
        serde_json::from_slice(&body).map(|response| EnrolAnswer::Enrolled(Box::new(response)))
    };
    answer.map_err(|error| EnrolError::Answer(error.to_string()))
}

/// Trusts exactly the authority whose fingerprint the token carries, and then checks the server against it as usual.
#[derive(Debug)]
struct PinnedVerifier {
    fingerprint: [u8; 32],
    schemes: Arc<rustls::crypto::CryptoProvider>,
}

impl PinnedVerifier {
    fn new(fingerprint: [u8; 32]) -> Self {
        Self { fingerprint, schemes: Arc::new(rustls::crypto::ring::default_provider()) }
    }
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let matches = |certificate: &&CertificateDer<'_>| {
            ring::digest::digest(&ring::digest::SHA256, certificate).as_ref() == self.fingerprint
        };
        let authority = intermediates.iter().find(matches).ok_or_else(|| {
            rustls::Error::General(
                "the server's authority is not the one this token was made for: wrong address, or someone is in between".to_owned(),
            )
        })?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.schemes))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.schemes.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.signature_verification_algorithms.supported_schemes()
    }
}

/// Why this host has no identity after an enrolment. Each message says what to do about it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "their names say it")]
pub enum EnrolError {
    /// Nobody approved it in time.
    #[error(
        "nobody has approved this host yet; it still waits on the collector's page. Approve it there, then run this again"
    )]
    NotApproved,
    /// There is an identity already, which is replaced only when asked to.
    #[error(
        "this agent is enrolled as {device}; mend: to replace that identity, add --anew, and restart the agent afterwards"
    )]
    Already { device: String },
    /// The collector's page cannot be reached, or the connection broke before it answered.
    #[error(
        "cannot reach the collector at {server}: {why}; mend: check address, port (of its page, not of MQTT), firewall and clock"
    )]
    Connect { server: String, why: String },
    /// The collector's page answered with an error, such as a token that is spent or for another asset.
    #[error("the collector refused ({status}): {detail}")]
    Refused { status: u16, detail: String },
    /// The answer is not what a collector says: another program listens there, or one of another version.
    #[error("the collector's answer cannot be used: {0}")]
    Answer(String),
    /// No key could be made.
    #[error("cannot make a key: {0}")]
    Key(String),
    /// The identity could not be written.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}
