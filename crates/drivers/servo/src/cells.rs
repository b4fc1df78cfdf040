//! What control thread and IO thread share: latest values, no locks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

use sinew_hardware::EmergencyStop;

/// A clock that control thread and IO thread both read.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// What one servo said last.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sample {
    pub(crate) ticks: i32,
    /// Units of the velocity register.
    pub(crate) velocity: i32,
    /// Units of the load register.
    pub(crate) load: i32,
    /// When it was asked, on the bus' clock.
    pub(crate) at: Duration,
    /// Whether the last question was answered.
    pub(crate) is_valid: bool,
    /// The servo's own error bits, and those of `crate::fault`.
    pub(crate) fault: u32,
    pub(crate) temperature_c: Option<f64>,
    pub(crate) voltage_v: Option<f64>,
}

/// Whether the servos have torque; the number is that of the activation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Power {
    #[default]
    Off,
    On(u64),
    /// Off, because of an emergency stop.
    Stopped,
    /// Off as far as can be known, because the bus was lost.
    Lost,
}

/// IO thread to control thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct BusState {
    pub(crate) is_connected: bool,
    pub(crate) power: Power,
    pub(crate) samples: Vec<Sample>,
}

impl BusState {
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.is_connected = other.is_connected;
        self.power = other.power;
        self.samples.clone_from(&other.samples);
    }
}

/// What a servo is to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Goal {
    /// No torque.
    #[default]
    Off,
    /// Ticks.
    Position(i32),
    /// Units of the velocity register.
    Velocity(i32),
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct ServoGoal {
    pub(crate) goal: Goal,
    /// Share of the largest torque, 0 to 1.
    pub(crate) torque_limit: f64,
}

/// Control thread to IO thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Goals {
    /// The activation that they belong to.
    pub(crate) epoch: u64,
    pub(crate) servos: Vec<ServoGoal>,
}

/// Counts emergency stops: torque stays off until an activation has seen the last one.
#[derive(Debug, Default)]
pub(crate) struct Stops(AtomicU64);

impl Stops {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Has the IO thread take all torque off, between two transactions: within some milliseconds, or some
/// ten while a servo does not answer. It needs nothing of the control thread.
pub(crate) struct ServoStop {
    pub(crate) stops: Arc<Stops>,
    pub(crate) io: Option<Thread>,
}

impl EmergencyStop for ServoStop {
    fn stop(&mut self) {
        self.stops.0.fetch_add(1, Ordering::SeqCst);
        if let Some(io) = &self.io {
            io.unpark();
        }
    }
}
