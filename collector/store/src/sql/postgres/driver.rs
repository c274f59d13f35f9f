//! What drives connections to PostgreSQL: one thread for all of them, while whoever asks waits on its own.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use ioc_common::clock;

/// The thread that drives connections; it ends with the last that has it, or when it is told to.
#[derive(Debug)]
pub(crate) struct Driver {
    handle: Handle,
    /// Dropped, it ends the thread.
    stop: Mutex<Option<oneshot::Sender<()>>>,
    /// Which of several addresses took writes last.
    address: AtomicUsize,
}

impl Driver {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread or file to give.
    pub(crate) fn start() -> std::io::Result<Arc<Self>> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::Builder::new().name("postgres".to_owned()).spawn(move || {
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Arc::new(Self { handle, stop: Mutex::new(Some(stop)), address: AtomicUsize::new(0) }))
    }

    /// Ends every connection: whoever waits for an answer, of a server that is frozen, say, is told that there is none.
    pub(crate) fn end(&self) {
        drop(self.stop.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Which of several addresses is tried first.
    pub(crate) fn address(&self) -> usize {
        self.address.load(Relaxed)
    }

    /// This one took writes.
    pub(crate) fn took_writes(&self, address: usize) {
        self.address.store(address, Relaxed);
    }

    /// Drives a connection until it ends. What ended it is said to whoever asks next.
    pub(crate) fn drive(&self, connection: impl Future<Output: Send> + Send + 'static) {
        drop(self.handle.spawn(connection));
    }

    /// Waits for something that needs the thread's clock or sockets, such as a connection that is made.
    pub(crate) fn wait_for<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Option<T> {
        wait(self.handle.spawn(future)).ok()
    }
}

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits on this thread for what another one brings, whatever runs on this one.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(done) => return done,
            Poll::Pending => thread::park(),
        }
    }
}

/// The same for so long at most: none when it did not come in time.
pub(crate) fn wait_at_most<F: Future>(future: F, most: Duration) -> Option<F::Output> {
    let begun_ms = clock::boottime_ms();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return Some(done);
        }
        let waited = Duration::from_millis(clock::boottime_ms().saturating_sub(begun_ms));
        let left = most.saturating_sub(waited);
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_come_is_waited_for_no_longer_than_is_said() {
        let (sender, receiver) = oneshot::channel::<u32>();
        assert_eq!(wait_at_most(std::future::pending::<()>(), Duration::from_millis(20)), None);
        let later = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            sender.send(7)
        });
        assert_eq!(wait_at_most(receiver, Duration::from_secs(60)), Some(Ok(7)));
        later.join().expect("sent").expect("heard");
    }

    #[test]
    fn whoever_waits_for_a_driver_that_ends_is_told_so() {
        let driver = Driver::start().expect("a thread");
        let ended = Arc::clone(&driver);
        let later = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            ended.end();
        });
        assert_eq!(driver.wait_for(std::future::pending::<()>()), None);
        later.join().expect("ended");
        assert_eq!(driver.wait_for(async { 7 }), None, "nothing is driven any more");
    }
}
