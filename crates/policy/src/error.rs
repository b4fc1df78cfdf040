use std::path::PathBuf;
use std::time::Duration;

use sinew_types::ErrorCode;

/// Why a policy was not loaded, or gave no command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A file could not be read.
    #[error("{path}: cannot be read")]
    Read {
        /// The manifest or the model.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The manifest is not YAML of the expected form; the message names line, field and what is
    /// allowed.
    #[error("{path}: {message}")]
    Parse {
        /// The manifest.
        path: PathBuf,
        /// What the parser says.
        message: String,
    },
    /// A field of the manifest holds what is not allowed there.
    #[error("policy `{policy}`: {field} is {value}; allowed: {allowed}")]
    Field {
        /// The policy's id.
        policy: String,
        /// Path of the field, such as `observation[2].joints[0]`.
        field: String,
        /// What stands there.
        value: String,
        /// What may.
        allowed: String,
    },
    /// The model file is not the one that the manifest was written for.
    #[error("{path}: sha256 is {actual}, but the manifest of policy `{policy}` says {expected}")]
    Hash {
        /// The policy's id.
        policy: String,
        /// The model file.
        path: PathBuf,
        /// From the manifest.
        expected: String,
        /// Of the file.
        actual: String,
    },
    /// ONNX Runtime is not where it is looked for.
    #[error(
        "ONNX Runtime was not found (looked for: {looked_for}); run `cargo xtask setup`, or set \
         ORT_DYLIB_PATH to libonnxruntime.so"
    )]
    RuntimeMissing {
        /// The paths, comma-separated.
        looked_for: String,
    },
    /// ONNX Runtime is there but could not be started.
    #[error("ONNX Runtime at {path} cannot be used: {reason}")]
    RuntimeUnusable {
        /// The library.
        path: PathBuf,
        /// What the loader says.
        reason: String,
    },
    /// ONNX Runtime refuses the model, or a run of it failed.
    #[error("policy `{policy}`: ONNX Runtime failed to {doing}")]
    Onnx {
        /// The policy's id.
        policy: String,
        /// What was tried.
        doing: &'static str,
        /// What it says.
        source: ort::Error,
    },
    /// The model's inputs and outputs are not what the manifest describes.
    #[error("policy `{policy}`: model {what} is {actual}; the manifest needs {expected}")]
    ModelMismatch {
        /// The policy's id.
        policy: String,
        /// Such as ``input `obs` width``.
        what: String,
        /// From the manifest.
        expected: String,
        /// Of the model.
        actual: String,
    },
    /// The network answers a golden case other than when it was exported.
    #[error(
        "policy `{policy}`: golden case {case}, action[{index}] is {actual}, expected {expected} \
         within {tolerance}"
    )]
    Golden {
        /// The policy's id.
        policy: String,
        /// Which case, from 0.
        case: usize,
        /// Which element of the action.
        index: usize,
        /// From the manifest.
        expected: f32,
        /// What the network gave.
        actual: f32,
        /// From the manifest.
        tolerance: f32,
    },
    /// A value that went in or came out is NaN or infinite.
    #[error("policy `{policy}`: {what} is {value}")]
    NotFinite {
        /// The policy's id.
        policy: String,
        /// The observation term, or `action[i]`.
        what: String,
        /// The value.
        value: f64,
    },
    /// A measurement or a command input is missing, invalid or too old.
    #[error("policy `{policy}`: observation term {term} is {problem} (allowed age: {max_age:?})")]
    ObservationStale {
        /// The policy's id.
        policy: String,
        /// The term, such as `joint_position[arm_pan_joint]` or `command[goal_position]`.
        term: String,
        /// `missing`, `invalid`, or how old it is.
        problem: String,
        /// From the manifest.
        max_age: Duration,
    },
    /// No command input of this name or width.
    #[error("command input `{name}` of width {width} is not taken; this policy takes: {known}")]
    UnknownCommand {
        /// The name that was given.
        name: String,
        /// The number of values that were given.
        width: usize,
        /// Names, widths and units.
        known: String,
    },
    /// The state is of another robot than the policy was loaded for.
    #[error("policy `{policy}` was loaded for layout {expected:#x}, the state is of {actual:#x}")]
    WrongLayout {
        /// The policy's id.
        policy: String,
        /// The layout's hash at load.
        expected: u64,
        /// The state's.
        actual: u64,
    },
}

impl PolicyError {
    /// The code that a skill ends with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotFinite { .. } => ErrorCode::PolicyNotFinite,
            Self::ObservationStale { .. } => ErrorCode::ObservationStale,
            Self::UnknownCommand { .. } => ErrorCode::InvalidArguments,
            _ => ErrorCode::PolicyFailed,
        }
    }
}
