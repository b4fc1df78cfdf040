//! Between the messages on the wire and the types that layers compute with.

mod command;
mod outcome;
mod skill;
mod state;
mod task;
mod time;
mod world;

pub(crate) use command::refused_to_text;
pub use command::{command_from_msg, command_to_msg, source_from_msg, source_to_msg};
pub use outcome::{
    evidence_from_msg, evidence_to_msg, skill_outcome_from_msg, skill_result_to_msg,
};
pub use skill::{
    authority_from_msg, manifest_to_msg, rejection_to_msg, skill_outcome_to_result_msg,
};
pub(crate) use state::pose_from_msg;
pub use state::{
    output_kind_to_msg, pose_to_msg, safety_to_msg, tick_from_msg, tick_to_msg, transition_to_msg,
};
pub use task::{
    report_to_msg, step_outcome_from_msg, step_to_msg, task_result_from_msg, task_result_to_msg,
};
pub use time::{duration_from_msg, duration_to_msg, time_from_msg, time_to_msg};
pub use world::{objects_from_msg, objects_to_msg};

/// A message that cannot be what it says it is.
#[derive(Debug, thiserror::Error)]
#[error("{message}: `{field}`: {reason}")]
pub struct ConvertError {
    /// The message type.
    pub message: &'static str,
    /// The field.
    pub field: &'static str,
    /// What is wrong and what is allowed.
    pub reason: String,
}

/// Fails unless a length is what the layout wants.
fn expect_len(
    message: &'static str,
    field: &'static str,
    actual: usize,
    expected: usize,
) -> Result<(), ConvertError> {
    if actual == expected {
        return Ok(());
    }
    Err(ConvertError { message, field, reason: format!("{actual} values; expected {expected}") })
}
