//! Records demonstrations in the simulator and measures policies there.
//!
//! An expert (damped least squares for the arm, a pose controller for the base) drives randomised
//! episodes; the recorder writes what a policy would have seen, built by the same
//! [`ObservationProgram`](sinew_policy::ObservationProgram) as at run time, and what the expert
//! answered. In later rounds a policy drives part of the episodes while the expert labels them
//! (DAgger: Ross, Gordon, Bagnell 2011), so that the data holds the states that the policy gets into.

mod dataset;
mod drive_expert;
mod drive_task;
mod episode;
mod error;
mod grasp;
mod kinematic;
mod plant;
mod quality;
mod reach_expert;
mod reach_task;
mod recorder;
mod sim;

pub use dataset::Dataset;
pub use drive_expert::DriveExpert;
pub use drive_task::DriveTask;
pub use episode::{EpisodeResult, Offset, Pilot, Task, run_episode};
pub use error::RecordError;
pub use grasp::{
    GraspAction, GraspBench, GraspExpert, GraspPilot, GraspRecord, GraspRecorder, GraspScene,
    GraspStart, GraspTask, GraspView, run_grasp,
};
pub use kinematic::KinematicPlant;
pub use plant::Plant;
pub use quality::{Quality, Spread};
pub use reach_expert::ReachExpert;
pub use reach_task::ReachTask;
pub use recorder::{PolicyPilot, Recorder, RecorderOptions};
pub use sim::SimPlant;
