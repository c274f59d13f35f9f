//! How long the other side may take to send a body, and to take an answer in.
//!
//! There is an allowance of time at first, and more of it for every byte that moves, so that a slow line is served and one that is slow on
//! purpose is not: whoever moves a byte every few seconds has used it up as soon as whoever moves none.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use ioc_engine::connection_limit::{ConnectionSlot, Stage};

/// How long we wait at first, and at most.
const ALLOWANCE_MAX: Duration = Duration::from_secs(10);
/// Whoever is as fast as this, or faster, is waited for without end, bytes in a second.
const BYTES_PER_SECOND_MIN: f64 = 4096.0;

/// How much longer the other side is waited for.
#[derive(Debug)]
struct TimeAllowance {
    left: Duration,
    /// Since when we wait.
    since: Option<Instant>,
}

impl TimeAllowance {
    const fn new() -> Self {
        Self { left: ALLOWANCE_MAX, since: None }
    }

    /// We wait: until then.
    fn deadline(&mut self, now: Instant) -> Instant {
        *self.since.get_or_insert(now) + self.left
    }

    /// So many bytes have moved.
    fn moved(&mut self, bytes: usize, now: Instant) {
        if let Some(since) = self.since.take() {
            self.left = self.left.saturating_sub(now.duration_since(since));
        }
        let earned = Duration::from_secs_f64(bytes as f64 / BYTES_PER_SECOND_MIN);
        self.left = self.left.saturating_add(earned).min(ALLOWANCE_MAX);
    }
}

/// An allowance of time, and the sleep at whose end it is used up.
#[derive(Debug)]
struct AllowanceTimer {
    allowance: TimeAllowance,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl AllowanceTimer {
    const fn new() -> Self {
        Self { allowance: TimeAllowance::new(), sleep: None }
    }

    fn moved(&mut self, bytes: usize) {
        self.sleep = None;
        self.allowance.moved(bytes, Instant::now());
    }

    /// Ready when the allowance is used up.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let until = self.allowance.deadline(Instant::now());
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(until)));
        sleep.as_mut().poll(context)
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the other side is too slow")
}

/// A socket whose other side must take in what is written.
#[derive(Debug)]
pub(crate) struct TimedWriter<S> {
    socket: S,
    timer: AllowanceTimer,
}

impl<S> TimedWriter<S> {
    pub(crate) const fn new(socket: S) -> Self {
        Self { socket, timer: AllowanceTimer::new() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedWriter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> TimedWriter<S> {
    fn note_progress(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.timer.moved(bytes);
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(failed) => Poll::Ready(failed),
            Poll::Pending => {
                ready!(self.timer.poll(context));
                Poll::Ready(Err(too_slow()))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedWriter<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.note_progress(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, parts);
        self.note_progress(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

type Error = Box<dyn std::error::Error + Send + Sync>;

/// A request's body that must arrive.
pub(crate) struct TimedRequestBody {
    body: Incoming,
    timer: AllowanceTimer,
    place: Option<Arc<ConnectionSlot>>,
    late: Arc<AtomicBool>,
}

impl TimedRequestBody {
    /// `late` says afterwards whether it took too long.
    pub(crate) fn new(body: Incoming, place: Option<Arc<ConnectionSlot>>, late: Arc<AtomicBool>) -> Self {
        let stage = if body.is_end_stream() { Stage::Answered } else { Stage::Sending };
        if let Some(place) = &place {
            place.set_stage(stage);
        }
        Self { body, timer: AllowanceTimer::new(), place, late }
    }
}

impl Body for TimedRequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Pending => {
                ready!(self.timer.poll(context));
                self.late.store(true, Relaxed);
                Poll::Ready(Some(Err(Box::new(too_slow()))))
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.timer.moved(frame.data_ref().map_or(0, Bytes::len));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(end) => {
                if let Some(place) = &self.place {
                    place.set_stage(Stage::Answered);
                }
                Poll::Ready(end.map(|end| end.map_err(Into::into)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body: once it is out, the connection waits for the next request.
pub(crate) struct ResponseBody {
    body: axum::body::Body,
    place: Option<Arc<ConnectionSlot>>,
}

impl ResponseBody {
    pub(crate) const fn new(body: axum::body::Body, place: Option<Arc<ConnectionSlot>>) -> Self {
        Self { body, place }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            place.set_stage(Stage::Waiting);
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    #[test]
    fn a_byte_now_and_then_does_not_win_time() {
        let start = Instant::now();
        let (mut allowance, mut now, mut bytes) = (TimeAllowance::new(), start, 0);
        while allowance.deadline(now) > now + Duration::from_millis(900) {
            now += Duration::from_millis(900);
            allowance.moved(1, now);
            bytes += 1;
        }
        assert!(now - start < Duration::from_secs(11) && bytes < 12, "{:?}", now - start);
        // A slow line is waited for as long as it takes.
        let mut allowance = TimeAllowance::new();
        for second in 0..10_000 {
            let at = start + Duration::from_secs(second);
            assert!(allowance.deadline(at) > at + Duration::from_secs(1));
            allowance.moved(4096, at + Duration::from_secs(1));
        }
    }

    #[tokio::test]
    async fn whoever_takes_nothing_in_is_left() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let start = Instant::now();
        let mut taken = TimedWriter::new(ours);
        taken.timer.allowance.left = Duration::from_millis(50);
        let failed = taken.write_all(&[0; 64]).await.expect_err("it is never read");
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
