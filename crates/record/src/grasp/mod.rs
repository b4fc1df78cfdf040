//! Grasping: rules that pick up and put down, scenes to do it in, and records of it.

mod bench;
mod episode;
mod expert;

pub use bench::{GraspBench, GraspScene, GraspStart};
pub use episode::{GraspPilot, GraspRecord, GraspRecorder, run_grasp};
pub use expert::{GraspAction, GraspExpert, GraspTask, GraspView};
