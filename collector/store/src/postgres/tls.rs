//! TLS to PostgreSQL: version 1.3, the server's certificate against the authority and the name that the configuration has, ours where it has one.
//!
//! Absent: channel binding (SCRAM-SHA-256-PLUS). The server's certificate is always checked, which is what it would add.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

use super::fault::Fault;
use super::settings::Tls;
use crate::StoreError;

/// Makes TLS for each address that is tried.
#[derive(Debug, Clone)]
pub(super) struct MakeTls(Arc<ClientConfig>);

impl MakeTls {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// [`StoreError`] when one of them cannot be read or is not what it should be; it is named.
    pub(super) fn new(tls: &Tls) -> Result<Self, StoreError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&tls.authority)? {
            roots.add(certificate).map_err(|error| wrong(&tls.authority, "an authority's certificate", &error))?;
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| wrong(&tls.authority, "an authority's certificate", &error))?
            .with_root_certificates(roots);
        let config = match &tls.own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::from_pem_file(&own.key)
                    .map_err(|error| wrong(&own.key, "a private key in PEM", &error))?;
                builder
                    .with_client_auth_cert(certificates(&own.certificate)?, key)
                    .map_err(|error| wrong(&own.certificate, "the certificate of that key", &error))?
            }
        };
        Ok(Self(Arc::new(config)))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let what = "certificates in PEM";
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let all: Vec<CertificateDer<'static>> = read.map_err(|error| wrong(path, what, &error))?;
    if all.is_empty() { Err(wrong(path, what, &"there is none in it")) } else { Ok(all) }
}

/// What is wrong with a file.
fn wrong(path: &Path, allowed: &str, found: &dyn std::fmt::Display) -> StoreError {
    let mend = "name a file that the collector may read, in PEM ([store] tls_authority, tls_certificate, tls_key)";
    Fault::new(format!("found {found}; allowed is {allowed}"), mend).at(&path.display().to_string())
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for MakeTls {
    type Stream = Stream<S>;
    type TlsConnect = Connect;
    type Error = InvalidDnsNameError;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Connect, InvalidDnsNameError> {
        Ok(Connect { config: Arc::clone(&self.0), name: ServerName::try_from(domain.to_owned())? })
    }
}

/// One handshake.
#[derive(Debug)]
pub(super) struct Connect {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Connect {
    type Stream = Stream<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move { TlsConnector::from(self.config).connect(self.name, stream).await.map(Stream) })
    }
}

/// A connection within TLS.
#[derive(Debug)]
pub(super) struct Stream<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Stream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
