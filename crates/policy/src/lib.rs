//! Runs learned policies: an ONNX model and a YAML manifest that says what its numbers mean.
//!
//! # Concepts
//! A [`PolicyManifest`] lies beside the model. It lists the observation term by term, the way the
//! network's output becomes a command, the rate, and golden cases. [`Policy::load`] checks all of it
//! against the model file and the robot's [`Layout`](sinew_types::Layout): a wrong joint name, a
//! width that does not fit, a changed file or a network that answers other than it did when it was
//! trained is an error then, not a wrong motion later.
//!
//! Each tick, [`Policy::step`] takes the measured [`RobotState`](sinew_types::RobotState) and the
//! [`CommandInputs`] (what the caller wants: a pose error, a goal), and gives joint targets or a base
//! twist; [`Policy::write`] puts them into an [`ActuatorCommand`](sinew_types::ActuatorCommand).
//! A tick allocates nothing on the Rust side. Whatever is not finite, missing or too old is a typed
//! error, and nothing is commanded.
//!
//! ```no_run
//! # use sinew_policy::Policy;
//! # fn tick(layout: &sinew_types::Layout, state: &sinew_types::RobotState)
//! # -> Result<(), sinew_policy::PolicyError> {
//! let mut policy = Policy::load("policies/drive_to/drive_to.policy.yaml", layout)?;
//! let mut inputs = policy.command_inputs();
//! policy.reset(state)?;
//! inputs.set("goal_position", &[1.0, 0.2], state.stamp)?;
//! inputs.set("goal_heading", &[0.0, 1.0], state.stamp)?;
//! let twist = policy.step(state, &inputs)?;
//! # let _ = twist;
//! # Ok(())
//! # }
//! ```

mod act;
mod background;
mod blend;
mod embodiment;
mod error;
mod host;
pub mod import;
mod latency;
mod manifest;
mod network;
mod observe;
mod policy;
mod rollout;

pub use act::{ActionDecoder, ChunkQueue};
pub use background::{BackgroundPolicy, BeforeRun};
pub use blend::PolicyBlend;
pub use embodiment::Embodiment;
pub use error::{PolicyError, Staleness};
pub use host::{Accepts, PolicyHost, PolicyLoader};
pub use latency::{Histogram, Latency};
pub use manifest::{
    ActionSpec, BaseAxis, Budget, ChunkSpec, Clip, Fill, Gains, Golden, GoldenCase, GripperAction,
    History, InputSpec, Layering, ModelFile, Normalisation, OnFault, Order, PerElement,
    PolicyManifest, Provider, Resize, Rollout, RolloutImage, RolloutImu, RolloutTick, Source,
    Splice, Start, TermSpec, ToolFrame,
};
pub use network::{NodePlacement, RawRun, RunOn, library_path};
pub use observe::{
    CommandInputs, GoalInBase, ObservationProgram, Observed, ToolError, goal_in_base, tool_error,
};
pub use policy::{Policy, StageTimes, processor_time};
