//! What every layer of Sinew speaks: time, ids, the measured state of a robot, the command to its
//! actuators, and how a skill ended. No IO, no async, no transport.
//!
//! # Conventions
//! SI units everywhere (m, rad, s, N, N·m, kg); angles in rad; quaternions are `nalgebra` unit
//! quaternions, spelled w, x, y, z where they are listed. A transform is named `a_from_b`: it takes
//! coordinates in frame `b` to coordinates in frame `a`. Times are [`Time`], a count of nanoseconds
//! on the clock of the running system (simulated or monotonic), never wall time.
//!
//! Vectors that run per joint follow the order of the robot's [`Layout`]; a command that was made
//! for another layout is refused by its hash.

mod command;
mod ids;
mod layout;
mod outcome;
mod state;
mod time;

pub use command::{ActuatorCommand, BaseTwist, GripperCommand, JointCommand};
pub use ids::{BootId, GoalId, LeaseId, Source, StopEpoch};
pub use layout::{GroupKind, GroupLayout, Layout, LayoutError};
pub use outcome::{ErrorCode, Evidence, Outcome, Termination};
pub use state::{
    BaseState, BatteryState, GripperState, ImuState, JointHealth, JointState, RobotState,
};
pub use time::Time;
