use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sinew_types::ErrorCode;

use crate::manifest::Provider;

/// What is wrong with a measurement or a command input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staleness {
    /// It was never given.
    Missing,
    /// It is marked as invalid.
    Invalid,
    /// It is so old.
    Old(Duration),
    /// Its stamp is so far ahead of the robot's state: it is of another clock.
    Ahead(Duration),
}

impl fmt::Display for Staleness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Invalid => f.write_str("invalid"),
            Self::Old(age) => write!(f, "{age:?} old"),
            Self::Ahead(by) => write!(f, "stamped {by:?} ahead of the robot's state"),
        }
    }
}

/// An index in brackets, where there is one.
struct Index(Option<usize>);

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |index| write!(f, "[{index}]"))
    }
}

/// Why a policy was not loaded, or gave no command.
///
/// What a tick may meet (a value that is stale or not finite, a state of another robot) is made without allocating:
/// it may be met in each tick of a control loop.
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
    /// What the model is to be run on is not there.
    #[error(
        "policy `{policy}`: model.provider {provider:?} is not there: {reason}; allowed: what the ONNX Runtime \
         library was built for and finds its own libraries for, or cpu"
    )]
    ProviderMissing {
        /// The policy's id.
        policy: String,
        /// From the manifest.
        provider: Provider,
        /// What ONNX Runtime says, with the library that it could not load.
        reason: String,
    },
    /// The policy gives something else than when it was exported.
    #[error(
        "policy `{policy}`: golden {what}[{index}] is {}, expected {} within {tolerance}",
        *.actual as f32, *.expected as f32
    )]
    Golden {
        /// The policy's id.
        policy: String,
        /// Case or tick, and what was compared.
        what: String,
        /// Which element.
        index: usize,
        /// From the golden data.
        expected: f64,
        /// What the policy gave.
        actual: f64,
        /// From the golden data.
        tolerance: f64,
    },
    /// A value that went in or came out is NaN or infinite.
    #[error("policy `{policy}`: {what}{} is {value}", Index(*.element))]
    NotFinite {
        /// The policy's id.
        policy: Arc<str>,
        /// The observation term, or the output of the graph.
        what: Arc<str>,
        /// Which of its elements, where it has several.
        element: Option<usize>,
        /// The value.
        value: f64,
    },
    /// A measurement or a command input is missing, invalid or too old.
    #[error("policy `{policy}`: observation term {term} is {problem} (allowed age: {max_age:?})")]
    ObservationStale {
        /// The policy's id.
        policy: Arc<str>,
        /// The term, such as `joint_position[arm_pan_joint]` or `command[goal_position]`.
        term: Arc<str>,
        /// What is wrong with it.
        problem: Staleness,
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
    /// No camera of this name.
    #[error("camera `{name}` is not taken; this policy takes: {known}")]
    UnknownCamera {
        /// The name that was given.
        name: String,
        /// Names.
        known: String,
    },
    /// A picture that is not what it says, or not of the size that the network takes.
    #[error("picture of camera `{camera}`: {value}; allowed: {allowed}")]
    Picture {
        /// The camera.
        camera: String,
        /// What was given.
        value: String,
        /// What may be.
        allowed: String,
    },
    /// A blend of no policies.
    #[error("a blend of policies needs at least one")]
    NoPolicy,
    /// Weights of a blend that make no sense.
    #[error(
        "weights {given:?}; allowed: one for each of {policies} policies, none negative, one above 0"
    )]
    Weights {
        /// What was given.
        given: Vec<f64>,
        /// How many policies there are.
        policies: usize,
    },
    /// No thread could be started.
    #[error("policy `{policy}`: no thread for its network")]
    Thread {
        /// The policy's id.
        policy: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The network in the background gave no action for longer than the last one may be held.
    #[error(
        "policy `{policy}`: its network is late: no action for more than {ticks} ticks in a row"
    )]
    Late {
        /// The policy's id.
        policy: String,
        /// From the manifest.
        ticks: usize,
    },
    /// The state is of another robot than the policy was loaded for.
    #[error("policy `{policy}` was loaded for layout {expected:#x}, the state is of {actual:#x}")]
    WrongLayout {
        /// The policy's id.
        policy: Arc<str>,
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
            Self::UnknownCommand { .. } | Self::UnknownCamera { .. } | Self::Picture { .. } => {
                ErrorCode::InvalidArguments
            }
            _ => ErrorCode::PolicyFailed,
        }
    }
}
