use std::path::PathBuf;

use sinew_hardware::Mode;
use sinew_policy::PolicyError;
use sinew_robot::RobotError;

/// Why nothing was recorded or measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The robot's files, or a question to its model.
    #[error("the robot model")]
    Robot(#[from] RobotError),
    /// The policy could not be loaded or gave no command.
    #[error("the policy")]
    Policy(#[from] PolicyError),
    /// The simulator or the hardware layer failed.
    #[error("the simulated robot failed to {doing}: {reason}")]
    Plant {
        /// What was tried.
        doing: &'static str,
        /// What it says.
        reason: String,
    },
    /// The gate stopped the robot: it ran into something, or was sent where it must not be.
    #[error("the gate stopped the robot: mode {mode:?}, causes {causes}")]
    Stopped {
        /// Of the robot.
        mode: Mode,
        /// What is latched.
        causes: String,
    },
    /// The robot lacks what the task needs.
    #[error("task {task} needs {needed}, which the robot does not have")]
    Unsuitable {
        /// `reach` or `drive_to`.
        task: &'static str,
        /// Such as `a base`.
        needed: &'static str,
    },
    /// Demonstrations are recorded for one observation.
    #[error(
        "policy `{policy}` has other inputs than one observation, which is what can be recorded"
    )]
    Inputs {
        /// The policy's id.
        policy: String,
    },
    /// No goal could be drawn that the robot reaches.
    #[error("task {task}: no reachable goal in {attempts} draws")]
    NoGoal {
        /// `reach` or `drive_to`.
        task: &'static str,
        /// How many were drawn.
        attempts: u32,
    },
    /// The data could not be written.
    #[error("{path}: cannot be written")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}
