//! What a mode moves: each part turns the state of the device into set-points of one group.

mod base;
mod cartesian;
mod gripper;
mod joints;
pub(crate) mod leader;

pub(crate) use base::BaseJog;
pub(crate) use cartesian::CartesianJog;
pub(crate) use gripper::GripperJog;
pub(crate) use joints::JointJog;
pub(crate) use leader::{LeaderJog, LeaderState};

use sinew_types::{ActuatorCommand, RobotState};

use crate::Pad;
use crate::set_points::SetPoints;
use crate::signal::Reader;

/// What a part of a mode sees in one step.
pub(crate) struct Context<'a> {
    pub(crate) pad: &'a Pad,
    pub(crate) reader: &'a Reader,
    pub(crate) robot: &'a RobotState,
    pub(crate) leader: &'a LeaderState,
    /// Seconds since the last step.
    pub(crate) dt: f64,
}

/// One part of a mode.
pub(crate) trait Jog: Send {
    /// Takes up what the actuators do now.
    fn start(&mut self, robot: &RobotState, last: &SetPoints);

    /// Moves the set-points on and writes them.
    fn step(&mut self, cx: &Context<'_>, out: &mut ActuatorCommand);

    /// What it does, for people; empty where that is plain.
    fn phase(&self) -> &'static str {
        ""
    }

    /// Whether a leader arm must be heard of.
    fn needs_leader(&self) -> bool {
        false
    }
}
