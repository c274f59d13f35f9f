//! Work that is divided among threads.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use ioc_common::clock;

/// What comes of each item, in order, and the CPU time that other threads than this took for it, microseconds. With one thread, or one
/// item, it is this one that does it.
pub(super) fn map<T: Sync, R: Send>(threads: usize, items: &[T], work: &(impl Fn(&T) -> R + Sync)) -> (Vec<R>, u64) {
    if threads < 2 || items.len() < 2 {
        return (items.iter().map(work).collect(), 0);
    }
    let (next, used_us) = (AtomicUsize::new(0), AtomicU64::new(0));
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    let take = || {
        while let Some((place, item)) =
            Some(next.fetch_add(1, Relaxed)).and_then(|place| Some((place, items.get(place)?)))
        {
            let one = work(item);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((place, one));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(items.len()) {
            scope.spawn(|| {
                take();
                used_us.fetch_add(clock::thread_cpu_us(), Relaxed);
            });
        }
        take();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(place, _)| *place);
    (done.into_iter().map(|(_, one)| one).collect(), used_us.into_inner())
}
