//! Questions to other hosts: a TCP connection, an HTTPS head, a DNS question, an echo request. Each has a deadline.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use ioc_probe::HttpsHead;

/// How long each question may take.
pub const DEADLINE: Duration = Duration::from_secs(5);

fn resolve(address: &str) -> Result<SocketAddr, String> {
    let mut found = address.to_socket_addrs().map_err(|error| format!("{address}: {error}"))?;
    found.next().ok_or_else(|| format!("{address}: has no address"))
}

fn connect(address: &str) -> Result<TcpStream, String> {
    let stream = TcpStream::connect_timeout(&resolve(address)?, DEADLINE).map_err(|error| error.to_string())?;
    let limits = stream.set_read_timeout(Some(DEADLINE)).and_then(|()| stream.set_write_timeout(Some(DEADLINE)));
    limits.map_err(|error| error.to_string())?;
    Ok(stream)
}

/// Opens a TCP connection and closes it.
///
/// # Errors
/// Why not.
pub fn tcp(address: &str) -> Result<(), String> {
    connect(address).map(drop)
}

/// Asks for the head of `path`. The certificate is taken as it is: whether it can be trusted is for those who use the server;
/// here its end is watched, and no secret is sent.
///
/// # Errors
/// Why not.
pub fn https(address: &str, path: &str) -> Result<HttpsHead, String> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let seen = Arc::new(Seen { certificate: Mutex::new(Vec::new()), provider: Arc::clone(&provider) });
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&seen) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let mut session = rustls::ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
    let mut stream = connect(address)?;
    let mut tls = rustls::Stream::new(&mut session, &mut stream);
    let request = format!("HEAD {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: ioc-agent\r\nConnection: close\r\n\r\n");
    tls.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let status = status_of(&mut tls)?;
    let certificate = seen.certificate.lock().map(|kept| kept.clone()).unwrap_or_default();
    Ok(HttpsHead { status, certificate })
}

/// The status of an answer: only its first line is read.
fn status_of(stream: &mut impl std::io::Read) -> Result<Option<u16>, String> {
    let mut answer = [0; 512];
    let mut filled = 0;
    while filled < answer.len() && !answer[..filled].contains(&b'\n') {
        match stream.read(&mut answer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) => return Err(error.to_string()),
        }
    }
    let line = String::from_utf8_lossy(&answer[..filled]).into_owned();
    Ok(line.strip_prefix("HTTP/").and_then(|rest| rest.split(' ').nth(1)?.parse().ok()))
}

/// Sends a JSON body to an address, and says the status of the answer. Over HTTPS the server must be one that this machine trusts.
///
/// # Errors
/// Why it could not be sent.
pub fn post(url: &str, body: &str) -> Result<u16, String> {
    let (secure, rest) = match url.split_once("://") {
        Some(("https", rest)) => (true, rest),
        Some(("http", rest)) => (false, rest),
        _ => return Err(format!("found {url:?}; allowed are http:// and https://")),
    };
    let (authority, path) = rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, path.to_owned()));
    let port = if secure { 443 } else { 80 };
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: ioc-agent\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = connect(&address)?;
    let status = if secure {
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host).trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut session = rustls::ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
        let mut tls = rustls::Stream::new(&mut session, &mut stream);
        tls.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        status_of(&mut tls)?
    } else {
        stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        status_of(&mut stream)?
    };
    status.ok_or_else(|| format!("{address}: the answer is no HTTP"))
}

/// Keeps the certificate that a server shows.
#[derive(Debug)]
struct Seen {
    certificate: Mutex<Vec<u8>>,
    provider: Arc<rustls::crypto::CryptoProvider>,
}

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Ok(mut kept) = self.certificate.lock() {
            *kept = end_entity.to_vec();
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
/// Why not; a name that does not exist is an answer, a refusal is none.
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
/// Why not.
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
