use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::PolicyError;

/// What the numbers of an ONNX model mean: one YAML file beside the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyManifest {
    /// Name of the policy: lower case letters, digits and `_`.
    pub id: String,
    /// Semantic version, three numbers.
    pub version: String,
    /// What it does, for people.
    pub description: String,
    /// The network.
    pub model: ModelFile,
    /// Ticks per second at which it was trained and is to be run.
    pub rate_hz: f64,
    /// Terms in the order in which they fill the input.
    pub observation: Vec<TermSpec>,
    /// Applied to the whole observation after each term's own scaling.
    pub normalisation: Normalisation,
    /// How the output becomes a command.
    pub action: ActionSpec,
    /// Runs at load before the first real one, at least 1.
    pub warm_up_runs: u32,
    /// Inputs and outputs recorded at export; checked at each load.
    pub golden: Golden,
}

/// The ONNX file and the names of its one input and one output, both f32 of shape `[n]` or `[1, n]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Relative to the manifest.
    pub file: PathBuf,
    /// 64 hexadecimal digits.
    pub sha256: String,
    /// Name of the graph's input.
    pub input: String,
    /// Name of the graph's output.
    pub output: String,
}

/// One term of the observation.
///
/// `max_norm` first shortens the raw vector as a whole, keeping its direction; then each element
/// becomes `clip(raw - offset) * scale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TermSpec {
    /// Where the raw values come from.
    pub source: Source,
    /// For `joint_position` and `joint_velocity`: the joints, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joints: Vec<String>,
    /// For `base_velocity`: the components, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub axes: Vec<BaseAxis>,
    /// For `command`: the name under which the caller gives it. Several terms may read one command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For `command` and `last_action`: number of values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// For `command`: unit and frame of its values, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// For all but `last_action`: a value older than this, in seconds, is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_s: Option<f64>,
    /// Largest Euclidean norm of the raw values; longer vectors are shortened to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_norm: Option<f64>,
    /// Subtracted; 0 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<PerElement>,
    /// Lower and upper bound after the offset; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<[f64; 2]>,
    /// Factor; 1 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<PerElement>,
}

/// Where the raw values of a term come from; units as in `sinew_types`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// rad, or m for a prismatic joint.
    JointPosition,
    /// rad/s or m/s.
    JointVelocity,
    /// m/s and rad/s in the base frame, as measured.
    BaseVelocity,
    /// Three values, rad/s in the sensor's frame.
    ImuAngularVelocity,
    /// Three values: the unit vector of gravity in the sensor's frame, (0, 0, -1) when level.
    ProjectedGravity,
    /// The network's previous output, before clip, scale and offset of the action; 0 after a reset.
    LastAction,
    /// Given by the caller.
    Command,
}

/// A component of the base's velocity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BaseAxis {
    /// m/s forward.
    LinearX,
    /// m/s to the left.
    LinearY,
    /// rad/s to the left.
    AngularZ,
}

/// One number for all elements, or one per element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PerElement {
    /// For all.
    All(f64),
    /// In the order of the elements.
    Each(Vec<f64>),
}

/// Applied to the whole observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Normalisation {
    /// The observation goes in as the terms give it.
    None,
    /// `(x - mean) / std`, one number per element of the observation.
    MeanStd {
        /// Subtracted.
        mean: Vec<f64>,
        /// Divided by; above 0.
        std: Vec<f64>,
    },
}

/// How the network's output becomes a command.
///
/// In every mode an element `a` of the output becomes `offset + scale * clip(a)`; `clip` and `slew`
/// are in units of the raw output and of the command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum ActionSpec {
    /// Joint position targets, rad or m.
    Position {
        /// One per output, in this order.
        joints: Vec<String>,
        /// Bounds of the raw output.
        clip: [f64; 2],
        /// Factor.
        scale: PerElement,
        /// Added.
        offset: PerElement,
    },
    /// Changes of joint position targets per tick, rad or m, added to the previous target (not to
    /// the measured position, so that a load does not make the joints sag).
    Delta {
        /// One per output, in this order.
        joints: Vec<String>,
        /// Bounds of the raw output.
        clip: [f64; 2],
        /// Factor.
        scale: PerElement,
        /// Largest change of the delta of a joint from one tick to the next, rad or m; larger changes
        /// are shortened by one factor for all joints.
        slew: f64,
        /// The target stays within this distance of the measured position, rad or m, so that an
        /// arm that is blocked does not wind up.
        max_lead: f64,
    },
    /// Velocity of the base.
    Twist {
        /// One per output, in this order; axes that are not named are commanded 0.
        axes: Vec<BaseAxis>,
        /// Bounds of the raw output.
        clip: [f64; 2],
        /// Factor, m/s or rad/s.
        scale: PerElement,
        /// Largest change from one tick to the next, per axis, m/s or rad/s.
        slew: PerElement,
    },
}

/// Inputs and outputs recorded at export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Largest absolute difference of each element.
    pub tolerance: f64,
    /// At least one.
    pub cases: Vec<GoldenCase>,
}

/// One input of the network and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GoldenCase {
    /// What goes into the network, after normalisation.
    pub observation: Vec<f32>,
    /// The network's raw output.
    pub action: Vec<f32>,
}

impl PolicyManifest {
    /// Reads a manifest and checks whatever can be checked without the model and the robot.
    ///
    /// # Errors
    /// [`PolicyError::Read`], [`PolicyError::Parse`], or [`PolicyError::Field`] with the field, its
    /// value and what is allowed.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| PolicyError::Read { path: path.into(), source })?;
        let manifest: Self = serde_saphyr::from_str(&text).map_err(|error| PolicyError::Parse {
            path: path.into(),
            message: error.to_string(),
        })?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Number of elements of the observation.
    pub fn observation_width(&self) -> usize {
        self.observation.iter().map(TermSpec::width).sum()
    }

    /// Number of elements of the network's output.
    pub fn action_width(&self) -> usize {
        match &self.action {
            ActionSpec::Position { joints, .. } | ActionSpec::Delta { joints, .. } => joints.len(),
            ActionSpec::Twist { axes, .. } => axes.len(),
        }
    }

    pub(crate) fn field_error(
        &self,
        field: impl Into<String>,
        value: impl std::fmt::Display,
        allowed: impl Into<String>,
    ) -> PolicyError {
        PolicyError::Field {
            policy: self.id.clone(),
            field: field.into(),
            value: value.to_string(),
            allowed: allowed.into(),
        }
    }
}

impl TermSpec {
    /// Number of elements.
    pub fn width(&self) -> usize {
        match self.source {
            Source::JointPosition | Source::JointVelocity => self.joints.len(),
            Source::BaseVelocity => self.axes.len(),
            Source::ImuAngularVelocity | Source::ProjectedGravity => 3,
            Source::LastAction | Source::Command => self.size.unwrap_or(0),
        }
    }
}

impl PerElement {
    /// The value of an element.
    pub fn get(&self, index: usize) -> f64 {
        match self {
            Self::All(value) => *value,
            Self::Each(values) => values[index],
        }
    }
}
