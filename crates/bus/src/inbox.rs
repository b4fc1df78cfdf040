//! The bounded queue at the end of every carrier.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A mutex whose data stay usable when a holder panicked: every critical section here leaves them
/// whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the last `capacity` items; counts what it drops.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    items: Mutex<VecDeque<T>>,
    capacity: usize,
    dropped: AtomicU64,
}

impl<T> Inbox<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { items: Mutex::default(), capacity, dropped: AtomicU64::new(0) }
    }

    /// Appends; drops the oldest item when full.
    pub(crate) fn push(&self, item: T) {
        let mut items = lock(&self.items);
        // Dropped outside the lock: an item may be a request whose drop answers its caller.
        let oldest = if items.len() >= self.capacity { items.pop_front() } else { None };
        items.push_back(item);
        drop(items);
        if oldest.is_some() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn pop(&self) -> Option<T> {
        lock(&self.items).pop_front()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
