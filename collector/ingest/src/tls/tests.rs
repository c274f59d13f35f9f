//! Both sides of a connection over a real socket: rustls's own client, and what no client of rustls would send.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use futures_util::FutureExt as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::net::TcpListener;

use super::*;

/// Both sides' configuration; the client cuts its records short, so that its messages go over several.
fn configurations() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let chain = || vec![CertificateDer::from(own.cert.der().to_vec())];
    let key = || PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let roots = Arc::new(roots);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain(), key())
        .unwrap();
    server.send_tls13_tickets = 0;
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain(), key())
        .unwrap();
    client.max_fragment_size = Some(64);
    (Arc::new(server), Arc::new(client))
}

/// A server's side and a socket to it that blocks.
async fn pair(config: Arc<ServerConfig>) -> (TlsStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    peer.set_nodelay(true).unwrap();
    (TlsStream::new(listener.accept().await.unwrap().0, config).unwrap(), peer)
}

async fn shake_hands(stream: &mut TlsStream, received: &mut BytesMut) -> io::Result<()> {
    while stream.is_handshaking() {
        stream.wait_for_record().await?;
        let step = stream.shake_hands(received);
        stream.flush().await?;
        step?;
    }
    Ok(())
}

/// What the client has to say goes out in pieces of so many bytes.
fn write_in_pieces(client: &mut ClientConnection, socket: &mut std::net::TcpStream, piece: usize) {
    while client.wants_write() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        for part in bytes.chunks(piece) {
            socket.write_all(part).unwrap();
        }
    }
}

fn read(client: &mut ClientConnection, socket: &mut std::net::TcpStream) -> io::Result<usize> {
    let read = client.read_tls(socket)?;
    client.process_new_packets().map_err(io::Error::other)?;
    Ok(read)
}

fn large() -> Vec<u8> {
    (0..300_000_u32).map(|number| number.to_le_bytes()[0] ^ number.to_le_bytes()[1]).collect()
}

#[tokio::test]
async fn what_is_said_arrives_whole_however_it_is_cut() {
    tokio::time::timeout(Duration::from_secs(60), says_and_hears()).await.unwrap();
}

async fn says_and_hears() {
    let (server, client) = configurations();
    let (mut stream, mut socket) = pair(server).await;
    let peer = tokio::task::spawn_blocking(move || {
        let mut client = ClientConnection::new(client, ServerName::try_from("localhost").unwrap()).unwrap();
        while client.is_handshaking() {
            write_in_pieces(&mut client, &mut socket, 20);
            if client.is_handshaking() && !client.wants_write() {
                read(&mut client, &mut socket).unwrap();
            }
        }
        // Right behind the handshake, with a new key in between.
        client.writer().write_all(b"first").unwrap();
        write_in_pieces(&mut client, &mut socket, 3);
        client.refresh_traffic_keys().unwrap();
        client.set_buffer_limit(None);
        client.writer().write_all(&large()).unwrap();
        write_in_pieces(&mut client, &mut socket, 50_000);
        let mut back = Vec::new();
        while back.len() < large().len() {
            read(&mut client, &mut socket).unwrap();
            let mut part = vec![0; 100_000];
            if let Ok(count) = client.reader().read(&mut part) {
                back.extend_from_slice(&part[..count]);
            }
        }
        assert_eq!(back, large());
        client.send_close_notify();
        write_in_pieces(&mut client, &mut socket, 100);
        while read(&mut client, &mut socket).unwrap() > 0 {}
        // The end was said, not only made.
        assert_eq!(client.reader().read(&mut [0; 1]).unwrap(), 0);
    });
    let mut received = BytesMut::new();
    shake_hands(&mut stream, &mut received).await.unwrap();
    assert!(stream.peer_certificate().is_some());
    while received.len() < 5 + large().len() {
        // Dropped while it waits, again and again.
        if let Ok(result) = tokio::time::timeout(Duration::from_micros(50), stream.receive(&mut received)).await {
            assert_ne!(result.unwrap(), 0);
        }
    }
    assert_eq!(received, [b"first".as_slice(), &large()].concat());
    stream.send(&large()).await.unwrap();
    assert_eq!(stream.receive(&mut received).await.unwrap(), 0);
    assert!(stream.incoming.capacity() == 0 && stream.outgoing.capacity() == 0, "an idle connection holds no buffer");
    stream.shutdown().await.unwrap();
    peer.await.unwrap();
}

#[tokio::test]
async fn who_is_wrong_is_told_why_and_what_breaks_off_is_no_end() {
    let (server, client) = configurations();
    // No TLS at all: the alert is "illegal parameter" or the like, and it arrives.
    let (mut stream, mut socket) = pair(Arc::clone(&server)).await;
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut received = BytesMut::new();
    assert_eq!(shake_hands(&mut stream, &mut received).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    let mut alert = [0; 7];
    socket.read_exact(&mut alert).unwrap();
    assert_eq!((alert[0], alert[5]), (21, 2), "an alert that is fatal");

    // A message that began and whose end does not come: what is sent meanwhile harms nothing.
    let (mut stream, mut socket) = pair(Arc::clone(&server)).await;
    let mut client = ClientConnection::new(client, ServerName::try_from("localhost").unwrap()).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    let first = 5 + usize::from(u16::from_be_bytes([hello[3], hello[4]]));
    assert!(first < hello.len(), "it goes over several records");
    socket.write_all(&hello[..first]).unwrap();
    stream.wait_for_record().await.unwrap();
    stream.shake_hands(&mut received).unwrap();
    assert!(stream.is_handshaking());
    // It is not looked at again before there is more of it.
    assert!(stream.wait_for_record().now_or_never().is_none());
    stream.shutdown().await.unwrap();

    // Broken off without a word.
    let (mut stream, socket) = pair(server).await;
    drop(socket);
    let error = shake_hands(&mut stream, &mut received).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert!(received.is_empty());
}

/// A client behind its handshake, and the server's side.
async fn connected() -> (TlsStream, ClientConnection, std::net::TcpStream) {
    let (server, client) = configurations();
    let (mut stream, mut socket) = pair(server).await;
    let peer = tokio::task::spawn_blocking(move || {
        let mut client = ClientConnection::new(client, ServerName::try_from("localhost").unwrap()).unwrap();
        while client.is_handshaking() || client.wants_write() {
            write_in_pieces(&mut client, &mut socket, 1000);
            if client.is_handshaking() {
                read(&mut client, &mut socket).unwrap();
            }
        }
        (client, socket)
    });
    shake_hands(&mut stream, &mut BytesMut::new()).await.unwrap();
    let (client, socket) = peer.await.unwrap();
    (stream, client, socket)
}

#[tokio::test]
async fn a_session_that_has_failed_ends_and_is_not_asked_again() {
    let (mut stream, mut client, mut socket) = connected().await;
    // Before the faulty record one that asks for an answer: it is sent, and the alert behind it.
    client.refresh_traffic_keys().unwrap();
    write_in_pieces(&mut client, &mut socket, 1000);
    socket.write_all(&[23, 3, 3, 0, 40]).unwrap();
    socket.write_all(&[7; 40]).unwrap();
    let mut received = BytesMut::new();
    for _ in 0..2 {
        assert_eq!(stream.receive(&mut received).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
    stream.send(b"nobody hears it").await.unwrap();
    stream.shutdown().await.unwrap();
    drop(stream);
    let error = loop {
        match read(&mut client, &mut socket) {
            Ok(0) => panic!("ended without a word"),
            Ok(_) => {}
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("BadRecordMac"), "{error}");
    assert!(received.is_empty());
}

#[tokio::test]
async fn who_never_pauses_does_not_keep_the_worker() {
    let (mut stream, mut client, mut socket) = connected().await;
    client.writer().write_all(b"more").unwrap();
    write_in_pieces(&mut client, &mut socket, 1000);
    stream.socket.readable().await.unwrap();
    let mut received = BytesMut::new();
    // Where the task has used up its budget, it yields though there is something to read.
    while tokio::task::coop::has_budget_remaining() {
        tokio::task::coop::consume_budget().now_or_never();
    }
    assert!(stream.receive(&mut received).now_or_never().is_none());
    tokio::task::yield_now().await;
    assert_eq!(stream.receive(&mut received).await.unwrap(), 4);
}

#[tokio::test]
async fn a_handshake_of_single_bytes_ends() {
    let (server, client) = configurations();
    let (mut stream, mut socket) = pair(server).await;
    let mut client = ClientConnection::new(client, ServerName::try_from("localhost").unwrap()).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    // The first record whole, and what follows byte by byte.
    let first = 5 + usize::from(u16::from_be_bytes([hello[3], hello[4]]));
    let mut received = BytesMut::new();
    socket.write_all(&hello[..first]).unwrap();
    let mut rest = hello[first..].iter();
    let error = loop {
        stream.wait_for_record().await.unwrap();
        if let Err(error) = stream.shake_hands(&mut received) {
            break error;
        }
        socket.write_all(&[*rest.next().expect("it ends before the message is whole")]).unwrap();
    };
    assert!(error.to_string().contains("too many pieces"), "{error}");
}

#[test]
fn a_record_is_whole_when_its_length_says_so() {
    for part in [&[][..], &[22], &[22, 3, 1, 0], &[22, 3, 1, 0, 2, 9], &[23, 3, 3, 0x41, 0, 1]] {
        assert!(!has_record(part), "{part:?}");
    }
    // Whole, empty, more than one, longer than any may be, and no TLS at all.
    for whole in
        [&[22, 3, 1, 0, 1, 9][..], &[20, 3, 3, 0, 0], &[22, 3, 1, 0, 1, 9, 22], &[22, 3, 1, 0xff, 0xff], b"GET"]
    {
        assert!(has_record(whole), "{whole:?}");
    }
}
