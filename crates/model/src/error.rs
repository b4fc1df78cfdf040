use std::path::PathBuf;

use sinew_types::ErrorCode;

/// What can be wrong with a manifest, a predicate's text or a skill's arguments.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A manifest file cannot be read.
    #[error("{file}: cannot be read", file = file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A manifest is no YAML of the right form; the text names line and field.
    #[error("{file}: {message}")]
    Yaml {
        /// The file, or `-` for text that is in none.
        file: String,
        /// Line, field, and what is allowed, from the parser.
        message: String,
    },
    /// A field of a manifest has a value that is not allowed.
    #[error("{file}: {field}: `{value}`: {reason}; allowed: {allowed}")]
    Field {
        /// The file, or the skill's id where it is in none.
        file: String,
        /// Which field.
        field: String,
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: String,
        /// What is allowed there.
        allowed: String,
    },
    /// A predicate's text is malformed.
    #[error("`{text}` is no predicate: {reason}; allowed: {allowed}")]
    Predicate {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
        /// What is allowed there.
        allowed: String,
    },
    /// No skill of that name.
    #[error("unknown skill `{skill}`; known: {known}")]
    UnknownSkill {
        /// The name.
        skill: String,
        /// The names that exist.
        known: String,
    },
    /// A skill's arguments do not fit its schema.
    #[error("arguments of `{skill}`{path}: {reason}", path = if path.is_empty() { String::new() } else { format!(" at {path}") })]
    Arguments {
        /// The skill.
        skill: String,
        /// JSON pointer to the value; empty for the whole.
        path: String,
        /// The value and what is allowed.
        reason: String,
    },
    /// An argument names an object that the world does not hold.
    #[error("`{argument}` of `{skill}`: no object `{object}`; known: {known}")]
    UnknownObject {
        /// The skill.
        skill: String,
        /// The argument.
        argument: String,
        /// The name that was given.
        object: String,
        /// The objects that exist.
        known: String,
    },
}

impl ModelError {
    /// The code that goes over the wire.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownSkill { .. } => ErrorCode::UnknownSkill,
            Self::UnknownObject { .. } => ErrorCode::UnknownObject,
            _ => ErrorCode::InvalidArguments,
        }
    }
}

/// What is wrong with a proposed plan, machine-readable: the reason for a repair round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PlanErrorCode {
    /// No skill of that name.
    UnknownSkill,
    /// The arguments do not fit the skill's schema.
    InvalidArguments,
    /// An argument or the goal names an object that the world does not hold.
    UnknownObject,
    /// A pre-condition would not hold when the step starts.
    PreconditionFailed,
    /// The step's effect cannot be, whatever happened before: out of reach, no container, too big.
    Impossible,
    /// The goal would not hold after the last step.
    GoalNotReached,
    /// More steps than [`ProposedPlan::MAX_STEPS`](crate::ProposedPlan::MAX_STEPS).
    TooLong,
}

impl PlanErrorCode {
    /// The code that goes over the wire.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::UnknownSkill => ErrorCode::UnknownSkill,
            Self::InvalidArguments => ErrorCode::InvalidArguments,
            Self::UnknownObject => ErrorCode::UnknownObject,
            Self::PreconditionFailed => ErrorCode::PreconditionFailed,
            Self::Impossible => ErrorCode::Unreachable,
            Self::GoalNotReached | Self::TooLong => ErrorCode::PlanInvalid,
        }
    }
}

/// Why a proposed plan is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{where_}: {message}", where_ = match step { Some(i) => format!("step {}", i + 1), None => "plan".into() })]
pub struct PlanError {
    /// Which step, from 0; none where the plan as a whole is meant.
    pub step: Option<usize>,
    /// The kind of fault.
    pub code: PlanErrorCode,
    /// For people and for a language model: the value and what is allowed or missing.
    pub message: String,
}
