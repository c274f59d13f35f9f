//! Accepts connections, so many at once and no more, and goes on when the machine has no file left for another.
//!
//! Used by the endpoint of devices, the server of pages and the control socket: each has places of its own ([`crate::open_files`] divides
//! them), so that a crowd at one door shuts no other. Whoever comes when all places are taken is refused, which is counted and said. Where
//! accept itself fails, the next try waits, longer each time.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream, unix};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use ioc_common::{backoff, clock};

use crate::health::Health;
use crate::log_rate_limit::LogRateLimit;

/// How long the newest waits for a place that is just being given back.
const PLACE_WAIT: Duration = Duration::from_millis(200);
/// The first and the longest pause after accept failed, milliseconds.
const PAUSE_MS: (u64, u64) = (10, 1000);
/// What the spare file is: opened for nothing, and closed so that one connection can be accepted and turned away.
const SPARE: &str = "/dev/null";

/// What connections come in by.
pub trait Listen: Send + Sync + 'static {
    /// A connection.
    type Socket: Send + 'static;
    /// Where it comes from.
    type Peer: Send;

    /// Takes the next connection, when there is one.
    ///
    /// # Errors
    /// When the system has none to give.
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(Self::Socket, Self::Peer)>>;

    /// Says, where that costs nothing, that there is no place now.
    fn turn_away(socket: Self::Socket);
}

impl Listen for TcpListener {
    type Socket = TcpStream;
    type Peer = SocketAddr;

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        Self::poll_accept(self, context)
    }

    /// Over TLS nothing can be said before a handshake, which is what there is no room for: it is closed.
    fn turn_away(socket: TcpStream) {
        drop(socket);
    }
}

impl Listen for UnixListener {
    type Socket = UnixStream;
    type Peer = unix::SocketAddr;

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(UnixStream, unix::SocketAddr)>> {
        Self::poll_accept(self, context)
    }

    fn turn_away(socket: UnixStream) {
        let detail = "{\"detail\":\"too many commands are under way; try again in a moment\"}";
        let head = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-type: application/problem+json";
        let _ = socket.try_write(format!("{head}\r\ncontent-length: {}\r\n\r\n{detail}", detail.len()).as_bytes());
    }
}

/// A connection that was accepted.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug)]
pub struct Accepted<L: Listen> {
    pub socket: L::Socket,
    /// Where it comes from.
    pub peer: L::Peer,
    /// Its place: to be kept until the socket is closed.
    pub place: OwnedSemaphorePermit,
}

/// Lets connections in at one door.
#[derive(Debug)]
pub struct Acceptor<L> {
    listener: L,
    /// The reason that a connection without a place is counted by.
    full: &'static str,
    places: Arc<Semaphore>,
    /// How often accept failed since it last did not.
    failures: u32,
    spare: Option<File>,
    health: Arc<Health>,
    log_limit: Arc<LogRateLimit>,
}

impl<L: Listen> Acceptor<L> {
    /// Lets in what comes to `listener`, `places_max` at once. Who is above them is counted as refused by the reason `full`.
    #[must_use]
    pub fn new(
        listener: L,
        places_max: usize,
        full: &'static str,
        health: Arc<Health>,
        log_limit: Arc<LogRateLimit>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(places_max.min(Semaphore::MAX_PERMITS)));
        Self { listener, full, places, failures: 0, spare: File::open(SPARE).ok(), health, log_limit }
    }

    /// The next connection that has a place.
    pub async fn accept(&mut self) -> Accepted<L> {
        loop {
            match std::future::poll_fn(|context| self.listener.poll_accept(context)).await {
                Ok((socket, peer)) => {
                    self.failures = 0;
                    // One that has left is gone in a moment: the newest waits for that, and whoever comes after it in the system's queue.
                    let place = tokio::time::timeout(PLACE_WAIT, Arc::clone(&self.places).acquire_owned()).await;
                    if let Ok(Ok(place)) = place {
                        return Accepted { socket, peer, place };
                    }
                    L::turn_away(socket);
                    self.count_refusal(self.full, "all places are taken");
                }
                // It was gone before it was taken: that is its own business.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => self.back_off(&error).await,
            }
        }
    }

    /// Accept failed: for want of files the newest is turned away with the file that is kept for that, and then it is waited.
    async fn back_off(&mut self, error: &io::Error) {
        let no_files = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].map(rustix::io::Errno::raw_os_error);
        let lacks_files = error.raw_os_error().is_some_and(|code| no_files.contains(&code));
        self.count_refusal(if lacks_files { "files" } else { "accept" }, &error.to_string());
        if lacks_files && self.spare.take().is_some() {
            let newest = std::future::poll_fn(|context| self.listener.poll_accept(context)).now_or_never();
            if let Some(Ok((socket, _))) = newest {
                L::turn_away(socket);
            }
        }
        let wait_ms = backoff::doubled_ms(self.failures, PAUSE_MS.0, PAUSE_MS.1);
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        self.spare = self.spare.take().or_else(|| File::open(SPARE).ok());
    }

    fn count_refusal(&self, reason: &'static str, detail: &str) {
        self.health.count_refused(reason);
        if let Some(left_out) = self.log_limit.allows(reason, None, clock::boottime_ms()) {
            tracing::warn!(reason, detail, left_out, "a connection could not be taken");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    /// Fails so many times for want of files, and then has one connection after the other.
    struct Failing(AtomicU32);

    impl Listen for Failing {
        type Socket = ();
        type Peer = ();

        fn poll_accept(&self, _: &mut Context<'_>) -> Poll<io::Result<((), ())>> {
            let left = self.0.load(Relaxed);
            if left == 0 {
                return Poll::Ready(Ok(((), ())));
            }
            self.0.store(left - 1, Relaxed);
            Poll::Ready(Err(io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error())))
        }

        fn turn_away((): ()) {}
    }

    fn acceptor(failures: u32, places: usize) -> Acceptor<Failing> {
        Acceptor::new(Failing(AtomicU32::new(failures)), places, "places", Arc::default(), Arc::default())
    }

    #[tokio::test]
    async fn without_files_it_waits_longer_each_time_and_goes_on() {
        // Two of them by each failure: the spare file's try fails, too.
        let mut acceptor = acceptor(10, 1);
        let start = tokio::time::Instant::now();
        drop(acceptor.accept().await);
        // 10, 20, 40, 80 and 160 ms.
        assert!(start.elapsed().as_millis() >= 310, "{:?}", start.elapsed());
        assert_eq!(acceptor.health.refused("files"), 5);
        assert!(acceptor.failures == 0 && acceptor.spare.is_some());
    }

    #[tokio::test]
    async fn the_newest_is_refused_and_counted_while_all_places_are_taken() {
        let mut acceptor = acceptor(0, 2);
        let (_a, b) = (acceptor.accept().await, acceptor.accept().await);
        let third = tokio::time::timeout(PLACE_WAIT * 3, acceptor.accept()).await;
        assert!(third.is_err());
        let refused = acceptor.health.refused("places");
        assert!((1..=3).contains(&refused), "{refused}");
        drop(b);
        drop(acceptor.accept().await);
    }
}
