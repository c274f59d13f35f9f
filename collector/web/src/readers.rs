//! Reading from the store, off the async threads: a few readers that handlers take turns with.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;
use ioc_store::scope::AccessScope;
use ioc_store::{Reader, StoreError};

/// All readers there are.
#[derive(Clone)]
pub(crate) struct StoreReaders {
    everywhere: Arc<Pool<Box<dyn Reader>>>,
    /// The same for people who do not reach everywhere.
    limited: Arc<Pool<Box<dyn Reader>>>,
}

struct Pool<T> {
    idle: Mutex<Vec<T>>,
    places: Arc<Semaphore>,
}

impl<T> Pool<T> {
    fn new(all: Vec<T>) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(all.len()));
        Arc::new(Self { idle: Mutex::new(all), places })
    }

    /// Waits until one is idle.
    async fn borrow(self: &Arc<Self>) -> Option<Borrowed<T>> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let one = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Some(Borrowed { one, pool: Arc::clone(self), _place: place })
    }
}

/// One that is in use. It comes back into its pool, and its place is free only then: whoever asked may be gone long before, as a browser that
/// goes on to another page, and reading may fail.
struct Borrowed<T> {
    one: Option<T>,
    pool: Arc<Pool<T>>,
    /// Freed after [`Drop`] has given back what was borrowed.
    _place: OwnedSemaphorePermit,
}

impl<T> Drop for Borrowed<T> {
    fn drop(&mut self) {
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(self.one.take());
    }
}

impl StoreReaders {
    pub(crate) fn new(everywhere: Vec<Box<dyn Reader>>, limited: Vec<Box<dyn Reader>>) -> Self {
        Self { everywhere: Pool::new(everywhere), limited: Pool::new(limited) }
    }

    /// Reads what this scope shows of the store.
    pub(crate) async fn read<T, F>(&self, scope: &AccessScope, read: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    {
        let gone = || Problem::internal("no reader of the store");
        let pool = if scope.is_everywhere() { &self.everywhere } else { &self.limited };
        let mut borrowed = pool.borrow().await.ok_or_else(gone)?;
        let scope = scope.clone();
        let task = tokio::task::spawn_blocking(move || {
            let reader = borrowed.one.as_mut()?;
            Some(reader.limit(&scope).and_then(|()| read(reader.as_ref())))
        });
        match task.await {
            Ok(Some(result)) => result.map_err(|error| {
                tracing::error!(%error, "the store cannot be read");
                Problem::internal("the store cannot be read; the log of the collector says why")
            }),
            Ok(None) | Err(_) => Err(gone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_in_use_is_given_to_nobody_else_whoever_has_gone() {
        let pool = Pool::new(vec!["reader".to_owned()]);
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let mut borrowed = pool.borrow().await.unwrap();
        let reads = tokio::task::spawn_blocking(move || {
            let one = borrowed.one.as_mut()?;
            wait.recv().ok();
            Some(one.len())
        });
        // Whoever asked goes away, and what they asked for goes on.
        drop(reads);
        let next = pool.borrow();
        tokio::pin!(next);
        assert!(std::future::poll_fn(|context| std::task::Poll::Ready(next.as_mut().poll(context))).await.is_pending());
        go_on.send(()).unwrap();
        assert_eq!(next.await.unwrap().one.as_deref(), Some("reader"));
    }

    #[tokio::test]
    async fn what_fails_takes_no_reader_with_it() {
        let pool = Pool::new(vec!["reader".to_owned()]);
        let borrowed = pool.borrow().await.unwrap();
        let failed = tokio::task::spawn_blocking(move || {
            let _borrowed = borrowed;
            panic!("as a test");
        });
        assert!(failed.await.is_err());
        assert_eq!(pool.borrow().await.unwrap().one.as_deref(), Some("reader"));
    }
}
