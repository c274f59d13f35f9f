//! TLS of one connection, with no buffer of its own while nothing is under way.
//!
//! rustls's buffered sessions keep 4 KiB for each connection as long as it lives: of all that an idle device costs that was the most
//! (`docs/performance.md`). Here rustls works on what has just been read, in memory that the connections of a thread share, and only what has
//! come of a record that is not whole, or what the socket has not taken yet, stays with the connection.
//!
//! [`TlsStream::receive`] may be dropped while it waits; nothing is lost then. It takes part in tokio's budget of a task: a peer that never
//! pauses does not keep a worker for itself. A session that has failed is not asked again, for it would fail in ways that it is not made for.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus, WriteTraffic,
};
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

/// How much is read at once: a record of the largest size.
const READ_BYTES: usize = RECORD_HEADER_BYTES + RECORD_MAX_BYTES;
/// Type, version and length of a record, RFC 8446 section 5.1.
const RECORD_HEADER_BYTES: usize = 5;
/// The most that a protected record may hold, RFC 8446 section 5.2.
const RECORD_MAX_BYTES: usize = 16_384 + 256;
/// Most bytes of a message of the handshake that goes over several records.
const INCOMPLETE_MAX_BYTES: usize = 0xffff;
/// Most steps of a handshake: a peer that sends each byte for itself has what came before looked through again and again.
const STEPS_MAX: u32 = 128;
/// How much is sealed at once; the next piece waits until the peer has taken it.
const SEALED_AT_ONCE: usize = 64 * 1024;
/// Most reads of what a peer has sent that is told no.
const DRAINED_READS_MAX: usize = 16;
/// Room for a record around what is sent; where it is too little, rustls says how much it takes.
const OVERHEAD_BYTES: usize = 64;

thread_local! {
    /// What is read and what is sealed is in here only until it is handed on, within one poll.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The server's side of a TLS connection.
pub(super) struct TlsStream {
    socket: TcpStream,
    session: UnbufferedServerConnection,
    /// What has come of records that are not whole.
    incoming: Vec<u8>,
    /// How many bytes of it rustls has seen during the handshake: they are part of a message of which more must come.
    seen: usize,
    /// How often the handshake went on.
    steps: u32,
    /// What is sealed and the socket has not taken.
    outgoing: Vec<u8>,
    /// The peer has said that nothing more comes.
    ended: bool,
    /// The session has failed; all that is left is to send its alert.
    failed: bool,
}

impl TlsStream {
    /// A connection whose handshake has not begun.
    pub(super) fn new(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let session = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Self {
            socket,
            session,
            incoming: Vec::new(),
            seen: 0,
            steps: 0,
            outgoing: Vec::new(),
            ended: false,
            failed: false,
        })
    }

    /// Whether the handshake is under way.
    pub(super) fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// The certificate that the peer has shown, in DER.
    pub(super) fn peer_certificate(&self) -> Option<&rustls::pki_types::CertificateDer<'static>> {
        self.session.peer_certificates().and_then(|chain| chain.first())
    }

    /// Waits, during the handshake, until there is something that is worth [`TlsStream::shake_hands`].
    pub(super) async fn wait_for_record(&mut self) -> io::Result<()> {
        while self.incoming.len() == self.seen || (self.seen == 0 && !has_record(&self.incoming)) {
            poll_fn(|context| {
                SCRATCH.with_borrow_mut(|scratch| {
                    let mut read = ReadBuf::new(room(scratch, 0));
                    ready!(Pin::new(&mut self.socket).poll_read(context, &mut read))?;
                    if read.filled().is_empty() {
                        return Poll::Ready(Err(io::Error::from(io::ErrorKind::UnexpectedEof)));
                    }
                    self.incoming.extend_from_slice(read.filled());
                    Poll::Ready(Ok(()))
                })
            })
            .await?;
        }
        Ok(())
    }

    /// One step of the handshake with what has come: all of its arithmetic. What comes behind the handshake goes to `received`. What is to be
    /// sent, an alert too, waits for [`TlsStream::flush`].
    pub(super) fn shake_hands(&mut self, received: &mut BytesMut) -> io::Result<()> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the handshake comes in too many pieces"));
        }
        let mut incoming = std::mem::take(&mut self.incoming);
        let (taken, result) = self.work(&mut incoming, received);
        incoming.drain(..taken.min(incoming.len()));
        if !incoming.is_empty() {
            incoming.shrink_to_fit();
            self.incoming = incoming;
        }
        self.seen = self.incoming.len();
        result
    }

    /// Takes away what the peer of a handshake that failed has sent: closing a socket that holds something resets it, and with it goes the
    /// alert that says why.
    pub(super) fn drain(&self) {
        SCRATCH.with_borrow_mut(|scratch| {
            let room = room(scratch, 0);
            for _ in 0..DRAINED_READS_MAX {
                if !matches!(self.socket.try_read(room), Ok(read) if read > 0) {
                    break;
                }
            }
        });
    }

    /// Waits for what the peer sends and adds it to `received`. How many bytes these are; 0 when the peer has ended the connection as it should.
    pub(super) async fn receive(&mut self, received: &mut BytesMut) -> io::Result<usize> {
        let before = received.len();
        while received.len() == before {
            if self.failed {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the session has failed"));
            }
            if self.ended {
                return Ok(0);
            }
            poll_fn(|context| SCRATCH.with_borrow_mut(|scratch| self.poll_receive(context, scratch, received))).await?;
        }
        Ok(received.len() - before)
    }

    /// Takes what the socket has.
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        scratch: &mut Vec<u8>,
        received: &mut BytesMut,
    ) -> Poll<io::Result<()>> {
        let kept = self.incoming.len();
        let mut read = ReadBuf::new(room(scratch, kept));
        ready!(Pin::new(&mut self.socket).poll_read(context, &mut read))?;
        let read = read.filled().len();
        if read == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        let there = scratch.get_mut(..kept + read).unwrap_or_default();
        if let Some(start) = there.get_mut(..kept) {
            start.copy_from_slice(&self.incoming);
        }
        let (taken, result) = self.work(there, received);
        let rest = there.get(taken..).unwrap_or_default();
        if rest.is_empty() {
            self.incoming = Vec::new();
        } else {
            self.incoming.clear();
            self.incoming.extend_from_slice(rest);
        }
        if result.is_err() {
            // The alert, as far as the socket takes it at once: whoever is wrong is not waited for.
            let _ = self.socket.try_write(&self.outgoing);
            self.outgoing.clear();
        }
        Poll::Ready(result)
    }

    /// Hands `incoming` to rustls. How many of its bytes are done with, and how it went.
    fn work(&mut self, incoming: &mut [u8], received: &mut BytesMut) -> (usize, io::Result<()>) {
        let mut taken = 0;
        loop {
            let rest = incoming.get_mut(taken..).unwrap_or_default();
            let UnbufferedStatus { mut discard, state } = self.session.process_tls_records(rest);
            let step = match state {
                Err(error) => {
                    self.failed = true;
                    self.put_alerts(incoming.get_mut(taken + discard..).unwrap_or_default());
                    Err(io::Error::new(io::ErrorKind::InvalidData, error))
                }
                Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
                    match traffic.next_record() {
                        None => break Ok(false),
                        Some(Ok(record)) => {
                            discard += record.discard;
                            received.extend_from_slice(record.payload);
                        }
                        Some(Err(error)) => break Err(io::Error::new(io::ErrorKind::InvalidData, error)),
                    }
                },
                Ok(ConnectionState::EncodeTlsData(data)) => put(data, &mut self.outgoing).map(|()| false),
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    // It is behind what was put before, and is sent before what comes later.
                    data.done();
                    Ok(false)
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.ended = true;
                    Ok(false)
                }
                Ok(ConnectionState::Closed | ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => {
                    Ok(true)
                }
                // Early data is never offered, and there is nothing else yet.
                Ok(_) => Err(io::Error::other("rustls is in a state that is not known here")),
            };
            taken += discard;
            match step {
                Ok(false) => {}
                Ok(true) if incoming.len() - taken > INCOMPLETE_MAX_BYTES => {
                    return (
                        taken,
                        Err(io::Error::new(io::ErrorKind::InvalidData, "a message of the handshake is too long")),
                    );
                }
                Ok(true) => return (taken, Ok(())),
                Err(error) => return (taken, Err(error)),
            }
        }
    }

    /// Puts all that rustls still has for the peer, the alert last, where the next flush finds it. `rest` is what was not taken.
    fn put_alerts(&mut self, rest: &mut [u8]) {
        // Asked with nothing to send it would look at the faulty record again.
        while self.session.wants_write() {
            match self.session.process_tls_records(rest).state {
                Ok(ConnectionState::EncodeTlsData(data)) if self.outgoing.len() <= INCOMPLETE_MAX_BYTES => {
                    // Without it the peer is not told why; the connection ends all the same.
                    let _ = put(data, &mut self.outgoing);
                }
                Ok(ConnectionState::ReadTraffic(mut traffic)) => while traffic.next_record().is_some() {},
                _ => return,
            }
        }
    }

    /// Sends `plain` as it is meant to arrive: whole, and behind all that was sent before.
    pub(super) async fn send(&mut self, plain: &[u8]) -> io::Result<()> {
        for piece in plain.chunks(SEALED_AT_ONCE) {
            SCRATCH.with_borrow_mut(|scratch| {
                let sealed = self.seal(scratch, |traffic, room| traffic.encrypt(piece, room), piece.len())?;
                let mut sealed = scratch.get(..sealed).unwrap_or_default();
                if self.outgoing.is_empty() {
                    match self.socket.try_write(sealed) {
                        Ok(written) => sealed = sealed.get(written..).unwrap_or_default(),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Err(error),
                    }
                }
                self.outgoing.extend_from_slice(sealed);
                Ok(())
            })?;
            self.flush().await?;
        }
        Ok(())
    }

    /// Sends what the socket has not taken yet.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            match self.socket.try_write(&self.outgoing) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) if written == self.outgoing.len() => self.outgoing = Vec::new(),
                Ok(written) => drop(self.outgoing.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.socket.writable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends the connection in an orderly way.
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method itself is for one lifetime only")]
    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        SCRATCH.with_borrow_mut(|scratch| {
            let sealed = self.seal(scratch, |traffic, room| traffic.queue_close_notify(room), 0)?;
            self.outgoing.extend_from_slice(scratch.get(..sealed).unwrap_or_default());
            io::Result::Ok(())
        })?;
        self.flush().await?;
        self.socket.shutdown().await
    }

    /// Seals something of `length` bytes into `room`. How much of it that takes: nothing where the handshake is not over, or the session has
    /// failed.
    ///
    /// rustls is asked with what has come of an incomplete message, not with nothing: it knows how far it was in it.
    fn seal<F>(&mut self, room: &mut Vec<u8>, mut seal: F, length: usize) -> io::Result<usize>
    where
        F: FnMut(&mut WriteTraffic<'_, ServerConnectionData>, &mut [u8]) -> Result<usize, EncryptError>,
    {
        loop {
            if self.failed {
                return Ok(0);
            }
            match self.session.process_tls_records(&mut self.incoming).state {
                Err(error) => {
                    self.failed = true;
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
                Ok(ConnectionState::EncodeTlsData(data)) => put(data, &mut self.outgoing)?,
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.ended = true,
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let mut needed = length + OVERHEAD_BYTES;
                    loop {
                        if room.len() < needed {
                            room.resize(needed, 0);
                        }
                        match seal(&mut traffic, room) {
                            Ok(sealed) => return Ok(sealed),
                            Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) => {
                                needed = required_size.max(room.len() + 1);
                            }
                            Err(error) => return Err(io::Error::other(error)),
                        }
                    }
                }
                Ok(_) => return Ok(0),
            }
        }
    }
}

/// Room for a read in `scratch`, behind `kept` bytes.
fn room(scratch: &mut Vec<u8>, kept: usize) -> &mut [u8] {
    if scratch.len() < kept + READ_BYTES {
        scratch.resize(kept + READ_BYTES, 0);
    }
    scratch.get_mut(kept..kept + READ_BYTES).unwrap_or_default()
}

/// Adds a message of the handshake, or an alert, to what is to be sent.
fn put(mut data: EncodeTlsData<'_, ServerConnectionData>, outgoing: &mut Vec<u8>) -> io::Result<()> {
    let start = outgoing.len();
    let mut needed = 0;
    loop {
        outgoing.resize(start + needed, 0);
        match data.encode(outgoing.get_mut(start..).unwrap_or_default()) {
            Ok(written) => {
                outgoing.truncate(start + written);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) if required_size > needed => {
                needed = required_size;
            }
            Err(error) => {
                outgoing.truncate(start);
                return Err(io::Error::other(error));
            }
        }
    }
}

/// Whether the first record has come whole, or can be told to be none.
fn has_record(incoming: &[u8]) -> bool {
    match incoming {
        // Change cipher spec, alert, handshake, application data.
        [first, ..] if !matches!(first, 20..=23) => true,
        [_, _, _, high, low, rest @ ..] => {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            length > RECORD_MAX_BYTES || rest.len() >= length
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
