use serde::Serialize;
use sinew_model::PlanErrorCode;
use sinew_types::ErrorCode;

/// Why there is no plan; nothing has moved. Each names what is known or missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "refusal", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PlanRefusal {
    /// No words.
    #[error("the instruction is empty; try: put the red cube in the bin")]
    EmptyInstruction,
    /// The words are not in the grammar.
    #[error("not understood: `{text}`; understood: {hint}")]
    NotUnderstood {
        /// The part that is not understood.
        text: String,
        /// What is.
        hint: String,
    },
    /// Nothing in the world is called so.
    #[error("nothing here is `{phrase}`; known: {}", known.join(", "))]
    UnknownObject {
        /// The words.
        phrase: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Several objects are called so.
    #[error("`{phrase}` may be any of: {}; say which", candidates.join(", "))]
    Ambiguous {
        /// The words.
        phrase: String,
        /// The objects that fit.
        candidates: Vec<String>,
    },
    /// Two wishes that cannot both be.
    #[error("`{first}` and `{second}` cannot both hold at the end")]
    Contradictory {
        /// The first goal.
        first: String,
        /// The second goal.
        second: String,
    },
    /// The goal cannot be reached, whatever is done.
    #[error("`{goal}` cannot be reached: {what}")]
    GoalUnreachable {
        /// The goal.
        goal: String,
        /// What stands against it.
        what: String,
    },
    /// The skills do not lead to the goal, or none was found within the limit.
    #[error("no plan for `{goal}`: {why}")]
    NoPlan {
        /// The goal.
        goal: String,
        /// How far the search went.
        why: String,
    },
    /// A plan was proposed that did not pass validation, and neither did its repair.
    #[error("the proposed plan is not valid after {rounds} rounds: {message}")]
    InvalidPlan {
        /// The last fault; none where it could not even be read.
        code: Option<PlanErrorCode>,
        /// The step of the fault, from 0.
        step: Option<usize>,
        /// What was wrong with the last proposal.
        message: String,
        /// How many proposals were made.
        rounds: u32,
    },
    /// The language model said that it cannot be done.
    #[error("the planner `{planner}` declined: {reason}")]
    Declined {
        /// Which.
        planner: String,
        /// In its words.
        reason: String,
    },
    /// The planner did not answer usably in time.
    #[error("the planner `{planner}` is not available: {reason}")]
    PlannerUnavailable {
        /// Which.
        planner: String,
        /// What happened; names address, status and time.
        reason: String,
    },
}

impl PlanRefusal {
    /// The code that goes over the wire; always a refusal (1xx).
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::EmptyInstruction
            | Self::NotUnderstood { .. }
            | Self::Ambiguous { .. }
            | Self::Declined { .. }
            | Self::Contradictory { .. } => ErrorCode::InstructionRefused,
            Self::UnknownObject { .. } => ErrorCode::UnknownObject,
            Self::GoalUnreachable { .. } => ErrorCode::Unreachable,
            Self::NoPlan { .. } => ErrorCode::PlanInvalid,
            Self::InvalidPlan { code, .. } => {
                code.map_or(ErrorCode::PlanInvalid, PlanErrorCode::code)
            }
            Self::PlannerUnavailable { .. } => ErrorCode::PlannerUnavailable,
        }
    }
}
