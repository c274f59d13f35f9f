//! Reading from the store, off the async threads: a few readers that handlers take turns with.

use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use crate::problem::Problem;
use ioc_store::scope::AccessScope;
use ioc_store::{Reader, StoreError};

/// All readers there are.
#[derive(Clone)]
pub(crate) struct StoreReaders {
    everywhere: Arc<ReaderPool>,
    /// The same for people who do not reach everywhere.
    limited: Arc<ReaderPool>,
}

struct ReaderPool {
    idle: Mutex<Vec<Box<dyn Reader>>>,
    places: Semaphore,
}

impl ReaderPool {
    fn new(readers: Vec<Box<dyn Reader>>) -> Arc<Self> {
        let places = Semaphore::new(readers.len());
        Arc::new(Self { idle: Mutex::new(readers), places })
    }
}

impl StoreReaders {
    pub(crate) fn new(everywhere: Vec<Box<dyn Reader>>, limited: Vec<Box<dyn Reader>>) -> Self {
        Self { everywhere: ReaderPool::new(everywhere), limited: ReaderPool::new(limited) }
    }

    /// Reads what this scope shows of the store.
    pub(crate) async fn read<T, F>(&self, scope: &AccessScope, read: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    {
        let gone = || Problem::internal("no reader of the store");
        let readers = Arc::clone(if scope.is_everywhere() { &self.everywhere } else { &self.limited });
        let all = Arc::clone(&readers);
        let _place = all.places.acquire().await.map_err(|_| gone())?;
        let mut reader = readers.idle.lock().ok().and_then(|mut idle| idle.pop()).ok_or_else(gone)?;
        let scope = scope.clone();
        let task = tokio::task::spawn_blocking(move || {
            let result = reader.limit(&scope).and_then(|()| read(reader.as_ref()));
            if let Ok(mut idle) = readers.idle.lock() {
                idle.push(reader);
            }
            result
        });
        match task.await {
            Ok(result) => result.map_err(|error| {
                tracing::error!(%error, "the store cannot be read");
                Problem::internal("the store cannot be read; the log of the collector says why")
            }),
            Err(_) => Err(gone()),
        }
    }
}
