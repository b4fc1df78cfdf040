mod commands;
mod frames;
mod history;
mod image;
mod program;
mod term;

pub use commands::CommandInputs;
pub use frames::{GoalInBase, ToolError, goal_in_base, tool_error};
pub use program::{ObservationProgram, Observed};
pub(crate) use term::joint_index;
