//! Sleeping until something arrives.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Counts arrivals on one bus instance.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    arrivals: Mutex<u64>,
    changed: Condvar,
}

impl Signal {
    pub(crate) fn notify(&self) {
        *self.arrivals.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }
}

/// Lets the executor of a process sleep until a message, request, response or feedback arrives on
/// this bus. Each waiter remembers what it has seen, so an arrival between two waits is not missed.
#[derive(Debug)]
pub struct Waiter {
    signal: Arc<Signal>,
    seen: u64,
}

impl Waiter {
    pub(crate) fn new(signal: Arc<Signal>) -> Self {
        // Starts one behind, so that what arrived before the waiter was made counts as new.
        let seen = signal.arrivals.lock().unwrap_or_else(PoisonError::into_inner).wrapping_sub(1);
        Self { signal, seen }
    }

    /// Returns as soon as anything has arrived since the last call; `false` after `timeout` of wall
    /// time without. The first call returns at once.
    pub fn wait(&mut self, timeout: Duration) -> bool {
        let arrivals = self.signal.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let (arrivals, result) = self
            .signal
            .changed
            .wait_timeout_while(arrivals, timeout, |now| *now == self.seen)
            .unwrap_or_else(PoisonError::into_inner);
        self.seen = *arrivals;
        !result.timed_out()
    }
}
