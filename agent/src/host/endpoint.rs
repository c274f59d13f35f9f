//! Questions to other hosts: a TCP connection, an HTTPS head, a DNS question, an echo request. Each has a deadline.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Method;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use ioc_probe::HttpsHead;

use super::http::{self, HttpError, HttpRequest, HttpResponse};

/// How long each question may take.
pub const DEADLINE: Duration = Duration::from_secs(5);

fn resolve(address: &str) -> Result<SocketAddr, String> {
    let mut found = address.to_socket_addrs().map_err(|error| format!("{address}: {error}"))?;
    found.next().ok_or_else(|| format!("{address}: has no address"))
}

/// Opens a TCP connection and closes it.
///
/// # Errors
/// What the name server or the system said: no such name, refused, no answer in time.
pub fn tcp(address: &str) -> Result<(), String> {
    TcpStream::connect_timeout(&resolve(address)?, DEADLINE).map(drop).map_err(|error| error.to_string())
}

/// Asks for the head of `path`. The certificate is taken as it is: whether it can be trusted is for those who use the server;
/// here its end is watched, and no secret is sent.
///
/// # Errors
/// Why there is no answer: no connection, no TLS, none in time. One that is no HTTP is an answer without a status.
pub fn https(address: &str, path: &str) -> Result<HttpsHead, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let shown = Arc::new(CertificateKeeper { certificate: Mutex::new(Vec::new()), provider: Arc::clone(&provider) });
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&shown) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let url = format!("https://{address}{path}");
    let status = match ask(HttpRequest {
        method: Method::HEAD,
        url: &url,
        json: Vec::new(),
        tls: Arc::new(tls),
        max_bytes: 0,
    }) {
        Ok(response) => Some(response.status.as_u16()),
        Err(HttpError::Answer(_)) => None,
        Err(error) => return Err(error.to_string()),
    };
    let certificate = shown.certificate.lock().map(|certificate| certificate.clone()).unwrap_or_default();
    Ok(HttpsHead { status, certificate })
}

/// Sends a JSON body to an address, and returns the status of the answer. Over HTTPS the server must be one that this machine trusts.
///
/// # Errors
/// Why there is no answer: the address, no connection, a certificate that is not trusted, none in time, or one that is no HTTP.
pub fn post(url: &str, json: &str) -> Result<u16, String> {
    let mut roots = rustls::RootCertStore::empty();
    if url.starts_with("https:") {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (method, json) = (Method::POST, json.as_bytes().to_vec());
    let request = HttpRequest { method, url, json, tls: Arc::new(tls), max_bytes: 0 };
    ask(request).map(|response| response.status.as_u16()).map_err(|error| match error {
        HttpError::Answer(why) => format!("{url}: the answer is no HTTP: {why}"),
        error => error.to_string(),
    })
}

/// Asks and waits for the answer, on this thread: surveys are made by threads that have no runtime.
fn ask(request: HttpRequest<'_>) -> Result<HttpResponse, HttpError> {
    let broken = |error: std::io::Error| HttpError::Connection(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)?;
    let late = || HttpError::Connection(format!("no answer within {} s", DEADLINE.as_secs()));
    runtime.block_on(async { tokio::time::timeout(DEADLINE, http::send(request)).await.map_err(|_| late())? })
}

/// Keeps the certificate that a server shows.
#[derive(Debug)]
struct CertificateKeeper {
    certificate: Mutex<Vec<u8>>,
    provider: Arc<rustls::crypto::CryptoProvider>,
}

impl ServerCertVerifier for CertificateKeeper {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Ok(mut certificate) = self.certificate.lock() {
            *certificate = end_entity.to_vec();
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Asks a DNS server for the address of `name` (RFC 1035).
///
/// # Errors
/// That nothing came in time, something else, or a refusal; a name that does not exist is an answer.
pub fn dns(server: &str, name: &str) -> Result<(), String> {
    let server = resolve(server)?;
    let local = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(local).map_err(|error| error.to_string())?;
    socket.set_read_timeout(Some(DEADLINE)).map_err(|error| error.to_string())?;
    socket.connect(server).map_err(|error| error.to_string())?;
    let id = u16::try_from(ioc_common::clock::boottime_us() & 0xffff).unwrap_or(1);
    socket.send(&question(id, name)?).map_err(|error| error.to_string())?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).map_err(|error| error.to_string())?;
    match answer_code(&answer[..length], id) {
        Some(0 | 3) => Ok(()),
        Some(code) => Err(format!("the server answers with code {code}")),
        None => Err("the answer is not of this question".to_owned()),
    }
}

fn question(id: u16, name: &str) -> Result<Vec<u8>, String> {
    let mut packet = id.to_be_bytes().to_vec();
    // Recursion desired, one question.
    packet.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length));
        packet.push(length.ok_or_else(|| format!("{name:?} is no domain name"))?);
        packet.extend_from_slice(label.as_bytes());
    }
    packet.extend_from_slice(&[0, 0, 1, 0, 1]);
    Ok(packet)
}

/// The response code of an answer to the question `id`.
#[must_use]
pub fn answer_code(answer: &[u8], id: u16) -> Option<u8> {
    let header = answer.get(..12)?;
    (header[..2] == id.to_be_bytes() && header[2] & 0x80 != 0).then_some(header[3] & 0xf)
}

/// Sends an echo request (RFC 792, RFC 4443) over an unprivileged socket, which the kernel allows to the groups of
/// `net.ipv4.ping_group_range`.
///
/// # Errors
/// That nothing came in time, another kind of answer, or that this is not allowed here, with the mend.
pub fn icmp(host: &str) -> Result<(), String> {
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, ipproto, sockopt};
    let address = resolve(&if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:0")
    } else {
        format!("{host}:0")
    })?;
    let (family, protocol, kind) = if address.is_ipv4() {
        (AddressFamily::INET, ipproto::ICMP, 8)
    } else {
        (AddressFamily::INET6, ipproto::ICMPV6, 128)
    };
    let fault = |error: rustix::io::Errno| {
        if error == rustix::io::Errno::ACCESS || error == rustix::io::Errno::PERM {
            "echo requests are not allowed; mend: sysctl net.ipv4.ping_group_range=\"0 2147483647\"".to_owned()
        } else {
            error.to_string()
        }
    };
    let socket = rustix::net::socket(family, SocketType::DGRAM, Some(protocol)).map_err(fault)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(DEADLINE)).map_err(fault)?;
    // The kernel sets identifier and, for IPv6, checksum; for IPv4 the sum of what is sent is computed here.
    let mut packet = [kind, 0, 0, 0, 0, 0, 0, 1];
    let sum: u32 = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or(0);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    rustix::net::sendto(&socket, &packet, SendFlags::empty(), &address).map_err(fault)?;
    let mut answer = [0_u8; 64];
    match rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty()) {
        Ok(_) if matches!(answer[0], 0 | 129) => Ok(()),
        Ok(_) => Err(format!("answered with ICMP type {}", answer[0])),
        Err(rustix::io::Errno::AGAIN) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
        Err(error) => Err(fault(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_of_dns_and_its_answer() {
        let packet = question(0x1234, "example.vn.").expect("a name");
        assert_eq!(&packet[12..], b"\x07example\x02vn\0\0\x01\0\x01");
        assert!(question(1, "a..b").is_err() && question(1, &"x".repeat(64)).is_err());
        assert_eq!(answer_code(&[0x12, 0x34, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0], 0x1234), Some(3));
        assert_eq!(answer_code(&[0x12, 0x34, 0x01, 0x83, 0, 1, 0, 0, 0, 0, 0, 0], 0x1234), None);
        assert_eq!(answer_code(b"short", 1), None);
    }

    #[test]
    fn ports_that_answer_and_ports_that_do_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        assert_eq!(tcp(&format!("127.0.0.1:{port}")), Ok(()));
        // The same port of an address on which nobody listens: one that is merely given back could be somebody's the next moment.
        assert!(tcp(&format!("127.0.0.9:{port}")).is_err_and(|why| why.contains("refused")));
        assert!(tcp("no-such-host.invalid:1").is_err());
    }
}
