//! What the control loop and its handle share. Nothing here blocks either side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sinew_types::{ActuatorCommand, BootId, LeaseId, RobotState};

use crate::lease::LeaseRequest;
use crate::safety::SafetyState;

/// Requests that wait for the next tick at most.
pub(crate) const REQUESTS: usize = 256;
/// Notices that wait for the handle to be polled at most.
pub(crate) const NOTICES: usize = 1024;
/// Driver errors that wait at most.
pub(crate) const ERRORS: usize = 16;
/// Transitions that wait at most.
pub(crate) const TRANSITIONS: usize = 256;

/// A request on its way to the loop.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request {
    Acquire(LeaseRequest),
    Release(LeaseId),
    Heartbeat(BootId),
    PeerLost(BootId),
    EStopHeartbeat { pressed: bool },
    Reset,
    Arm,
    Disarm,
    Resume,
}

/// State, output and safety of one tick.
#[derive(Clone, Debug)]
pub struct ControlSnapshot {
    /// What was measured.
    pub state: RobotState,
    /// What the actuators were given; nothing is used in it while the drivers are inactive.
    pub output: ActuatorCommand,
    /// What the gate decided.
    pub safety: SafetyState,
}

/// An emergency-stop input. Clones act on the same input.
///
/// Pressing it passes no queue and may be done from any thread: the loop sees it in its next tick, even when
/// it was let go before that.
#[derive(Clone, Debug, Default)]
pub struct EStopButton {
    shared: Arc<EStopShared>,
}

#[derive(Debug, Default)]
struct EStopShared {
    pressed: AtomicBool,
    presses: AtomicU64,
}

impl EStopButton {
    /// Stops the robot, and keeps it from being reset until [`EStopButton::release`].
    pub fn press(&self) {
        self.shared.pressed.store(true, Ordering::SeqCst);
        self.shared.presses.fetch_add(1, Ordering::SeqCst);
    }

    /// Lets go of the input; the stop stays latched until it is reset.
    pub fn release(&self) {
        self.shared.pressed.store(false, Ordering::SeqCst);
    }

    /// Whether the input is pressed.
    pub fn is_pressed(&self) -> bool {
        self.shared.pressed.load(Ordering::SeqCst)
    }

    /// Stops the robot as [`EStopButton::press`] does, for an input elsewhere that alone says how long it stays
    /// pressed: by [`crate::ControlHandle::e_stop_heartbeat`].
    pub fn note_remote_press(&self) {
        self.shared.presses.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn presses(&self) -> u64 {
        self.shared.presses.load(Ordering::SeqCst)
    }
}

/// What a watchdog needs to know of the loop, and tells it.
#[derive(Debug, Default)]
pub(crate) struct LoopMonitor {
    /// The driver is being activated or deactivated, which may take seconds.
    pub(crate) in_transition: AtomicBool,
    /// The watchdog stopped the actuators because the loop stood still.
    pub(crate) stalled: AtomicBool,
}

/// Commands that the handle refused by itself.
#[derive(Debug, Default)]
pub(crate) struct RefusedByHandle {
    pub(crate) unknown_lease: AtomicU64,
    pub(crate) layout: AtomicU64,
}
