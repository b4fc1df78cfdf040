//! The onboard executive between planner and skills.
//!
//! It asks a planner for a plan and trusts none of it: the plan is validated against the registry
//! and the measured world before anything moves. Then, step by step: pre-conditions are judged on
//! measured state, the skill is started and watched, post-conditions are judged on measured state.
//! A step that fails is tried again once, on a fresh observation; if it cannot be, or fails again,
//! the planner is asked once more from where the robot now stands; then the task ends with a typed
//! failure. A task has succeeded only when the plan's goal was measured.
//!
//! [`Executive`] is a state machine without IO: it takes the time, the measured world and
//! [`Event`]s, and gives [`Request`]s, which a node carries over the bus. [`WorldModel`] makes the
//! measured world from detections.

mod executive;
mod report;
mod task;
mod world_model;

pub use executive::{Executive, ExecutiveConfig, Phase};
pub use report::{StepReport, TaskReport};
pub use task::{Event, PlanAnswer, Progress, Request, SkillCall, Task};
pub use world_model::WorldModel;
