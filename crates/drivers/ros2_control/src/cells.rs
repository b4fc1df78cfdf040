//! What control thread and IO thread share: latest values, no locks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;

use sinew_hardware::EmergencyStop;
use sinew_types::{ActuatorCommand, BaseState, ImuState, Time};

/// What one joint said last.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sample {
    /// rad or m.
    pub(crate) position: f64,
    /// rad/s or m/s.
    pub(crate) velocity: f64,
    /// N·m or N; 0 where it is not measured.
    pub(crate) effort: f64,
    /// When it came, on [`sinew_hardware::monotonic_now`]'s clock; none before the first.
    pub(crate) at: Option<Time>,
}

/// Whether the controllers are ours; the number is that of the activation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Power {
    #[default]
    Off,
    On(u64),
    /// No longer, because of an emergency stop.
    Stopped,
    /// No longer, because the robot fell silent or somebody else switched a controller.
    Lost,
}

/// IO thread to control thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    pub(crate) power: Power,
    /// When a joint was heard of last.
    pub(crate) heard_at: Option<Time>,
    /// One per joint of the layout.
    pub(crate) joints: Vec<Sample>,
    /// With the time at which it came as its stamp.
    pub(crate) base: Option<BaseState>,
    /// With the time at which it came as its stamp.
    pub(crate) imu: Option<ImuState>,
}

impl Measured {
    pub(crate) fn copy_from(&mut self, other: &Self) {
        let Self { power, heard_at, joints, base, imu } = self;
        (*power, *heard_at) = (other.power, other.heard_at);
        joints.clone_from(&other.joints);
        (*base, *imu) = (other.base, other.imu);
    }
}

/// Control thread to IO thread.
#[derive(Debug, Clone)]
pub(crate) struct Goals {
    /// The activation that they belong to.
    pub(crate) epoch: u64,
    pub(crate) command: ActuatorCommand,
}

/// Counts emergency stops: nothing is sent until an activation has seen the last one.
#[derive(Debug, Default)]
pub(crate) struct Stops(AtomicU64);

impl Stops {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Has the IO thread halt and deactivate the controllers; it needs nothing of the control thread, and returns at once.
pub(crate) struct ControllersStop {
    pub(crate) stops: Arc<Stops>,
    pub(crate) io: Thread,
}

impl EmergencyStop for ControllersStop {
    fn stop(&mut self) {
        self.stops.0.fetch_add(1, Ordering::SeqCst);
        self.io.unpark();
    }
}
