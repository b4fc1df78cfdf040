use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BaseAxis;

/// One term of an observation.
///
/// `max_norm` first shortens the raw vector as a whole, keeping its direction; then each element
/// becomes `clip(raw - offset) * scale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TermSpec {
    /// Where the raw values come from.
    pub source: Source,
    /// For `joint_position`, `joint_velocity` and `joint_effort`: the joints, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joints: Vec<String>,
    /// For `base_velocity`: the components, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub axes: Vec<BaseAxis>,
    /// For `command`: the name under which the caller gives it. Several terms may read one command. For
    /// `reference`: the output of the graph. For `gripper_width` and `gripper_force`: the gripper's group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For `command`, `reference`, `last_action` and `last_clipped_action`: number of values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// For `command`: unit and frame of its values, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// For all that is measured or commanded: a value older than this, in seconds, is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_s: Option<f64>,
    /// Instead of refusing, the term's last good values are used for this long, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_last_s: Option<f64>,
    /// Largest Euclidean norm of the raw values; longer vectors are shortened to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_norm: Option<f64>,
    /// Subtracted; 0 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<PerElement>,
    /// Lower and upper bounds after the offset, one pair for all elements or one each; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<Clip>,
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
    /// N·m or N.
    JointEffort,
    /// m/s and rad/s in the base frame, as measured: the components of a mobile base.
    BaseVelocity,
    /// Three values, m/s in the base frame, as measured.
    BaseLinearVelocity,
    /// Three values, rad/s in the sensor's frame.
    ImuAngularVelocity,
    /// Three values, m/s² in the sensor's frame, gravity included.
    ImuLinearAcceleration,
    /// Three values: the unit vector of gravity in the sensor's frame, (0, 0, -1) when level.
    ProjectedGravity,
    /// One value, m: the distance between the pads of the gripper whose group is `name`.
    GripperWidth,
    /// One value, N: its closing force.
    GripperForce,
    /// The network's previous output, before clip, scale and offset of the action; 0 after a reset.
    LastAction,
    /// The same after the action's clip.
    LastClippedAction,
    /// One value: seconds since the first tick after a reset.
    Time,
    /// Another output of the graph, of the run before; the network is run once at a reset to have it.
    Reference,
    /// Given by the caller.
    Command,
}

impl Source {
    /// Whether the values have a stamp, and may be too old.
    pub(crate) fn ages(self) -> bool {
        !matches!(self, Self::LastAction | Self::LastClippedAction | Self::Time | Self::Reference)
    }

    pub(crate) fn is_of_joints(self) -> bool {
        matches!(self, Self::JointPosition | Self::JointVelocity | Self::JointEffort)
    }
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

impl PerElement {
    /// The value of an element.
    pub fn get(&self, index: usize) -> f64 {
        match self {
            Self::All(value) => *value,
            Self::Each(values) => values[index],
        }
    }

    /// Multiplies all values.
    pub(crate) fn multiply(&mut self, factor: f64) {
        match self {
            Self::All(value) => *value *= factor,
            Self::Each(values) => values.iter_mut().for_each(|value| *value *= factor),
        }
    }

    /// All that are given.
    pub(crate) fn given(&self) -> &[f64] {
        match self {
            Self::All(value) => std::slice::from_ref(value),
            Self::Each(values) => values,
        }
    }
}

/// Lower and upper bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Clip {
    /// Of all elements.
    All([f64; 2]),
    /// In the order of the elements.
    Each(Vec<[f64; 2]>),
}

impl Clip {
    /// The bounds of an element.
    pub fn get(&self, index: usize) -> [f64; 2] {
        match self {
            Self::All(bounds) => *bounds,
            Self::Each(bounds) => bounds[index],
        }
    }

    /// All that are given.
    pub(crate) fn given(&self) -> &[[f64; 2]] {
        match self {
            Self::All(bounds) => std::slice::from_ref(bounds),
            Self::Each(bounds) => bounds,
        }
    }
}

impl TermSpec {
    /// A term of this source, with nothing else given.
    pub fn of(source: Source) -> Self {
        Self {
            source,
            joints: Vec::new(),
            axes: Vec::new(),
            name: None,
            size: None,
            unit: None,
            max_age_s: None,
            keep_last_s: None,
            max_norm: None,
            offset: None,
            clip: None,
            scale: None,
        }
    }

    /// Number of elements.
    pub fn width(&self) -> usize {
        match self.source {
            Source::JointPosition | Source::JointVelocity | Source::JointEffort => {
                self.joints.len()
            }
            Source::BaseVelocity => self.axes.len(),
            Source::BaseLinearVelocity
            | Source::ImuAngularVelocity
            | Source::ImuLinearAcceleration
            | Source::ProjectedGravity => 3,
            Source::Time | Source::GripperWidth | Source::GripperForce => 1,
            Source::LastAction
            | Source::LastClippedAction
            | Source::Reference
            | Source::Command => self.size.unwrap_or(0),
        }
    }
}
