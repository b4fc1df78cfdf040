use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sinew_hardware::EmergencyStop;

/// Injects faults into a [`crate::MockDriver`] and tells what was done with it. Clones act on the same driver.
#[derive(Clone, Debug, Default)]
pub struct MockControl {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    fail_activation: AtomicBool,
    fail_reads: AtomicBool,
    fail_writes: AtomicBool,
    freeze_state: AtomicBool,
    hang_reads: AtomicBool,
    active: AtomicBool,
    stopped: AtomicBool,
    emergency_stops: AtomicU64,
    writes: AtomicU64,
    read_delay_ms: AtomicU64,
    /// Bits of the way, in joint units, that joints were pushed by hand since the last read.
    push: AtomicU64,
}

impl MockControl {
    /// Has activation refused from now on, or not.
    pub fn fail_activation(&self, fail: bool) {
        self.shared.fail_activation.store(fail, Ordering::SeqCst);
    }

    /// Has reads fail from now on, or not.
    pub fn fail_reads(&self, fail: bool) {
        self.shared.fail_reads.store(fail, Ordering::SeqCst);
    }

    /// Has writes fail from now on, or not.
    pub fn fail_writes(&self, fail: bool) {
        self.shared.fail_writes.store(fail, Ordering::SeqCst);
    }

    /// Has reads succeed with an old state from now on, or not: a silent bus.
    pub fn freeze_state(&self, freeze: bool) {
        self.shared.freeze_state.store(freeze, Ordering::SeqCst);
    }

    /// Has reads block their thread until this is undone: a hanging bus.
    pub fn hang_reads(&self, hang: bool) {
        self.shared.hang_reads.store(hang, Ordering::SeqCst);
    }

    /// Has the next read block its thread for so long.
    pub fn delay_next_read(&self, delay: Duration) {
        let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.shared.read_delay_ms.store(ms, Ordering::SeqCst);
    }

    /// Pushes every joint so far by hand, rad or m: seen with the next read.
    pub fn push(&self, distance: f64) {
        self.shared.push.store(distance.to_bits(), Ordering::SeqCst);
    }

    /// Whether the driver is active.
    pub fn is_active(&self) -> bool {
        self.shared.active.load(Ordering::SeqCst)
    }

    /// Whether it is active and was not stopped since it became so.
    pub fn is_powered(&self) -> bool {
        self.is_active() && !self.shared.stopped.load(Ordering::SeqCst)
    }

    /// How often [`EmergencyStop::stop`] was called.
    pub fn emergency_stops(&self) -> u64 {
        self.shared.emergency_stops.load(Ordering::SeqCst)
    }

    /// How often set-points reached the joints.
    pub fn writes(&self) -> u64 {
        self.shared.writes.load(Ordering::SeqCst)
    }

    pub(crate) fn activation_fails(&self) -> bool {
        self.shared.fail_activation.load(Ordering::SeqCst)
    }

    pub(crate) fn set_active(&self, active: bool) {
        self.shared.stopped.store(false, Ordering::SeqCst);
        self.shared.active.store(active, Ordering::SeqCst);
    }

    /// Blocks as long as it was told to; whether there is a device to be read then.
    pub(crate) fn read_is_answered(&self) -> bool {
        let delay_ms = self.shared.read_delay_ms.swap(0, Ordering::SeqCst);
        if delay_ms > 0 {
            std::thread::sleep(Duration::from_millis(delay_ms));
        }
        while self.shared.hang_reads.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        !self.shared.fail_reads.load(Ordering::SeqCst)
    }

    pub(crate) fn state_is_frozen(&self) -> bool {
        self.shared.freeze_state.load(Ordering::SeqCst)
    }

    pub(crate) fn take_push(&self) -> f64 {
        f64::from_bits(self.shared.push.swap(0, Ordering::SeqCst))
    }

    pub(crate) fn write_is_answered(&self) -> bool {
        !self.shared.fail_writes.load(Ordering::SeqCst)
    }

    pub(crate) fn count_write(&self) {
        self.shared.writes.fetch_add(1, Ordering::SeqCst);
    }
}

impl EmergencyStop for MockControl {
    fn stop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.shared.emergency_stops.fetch_add(1, Ordering::SeqCst);
    }
}
