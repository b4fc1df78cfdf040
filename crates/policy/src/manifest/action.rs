use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Clip, PerElement};

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

/// The frame that a tool's velocity is given in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolFrame {
    /// The tool's own.
    Tool,
    /// The base frame of the group's chain.
    Base,
}

/// How the network's output becomes a command.
///
/// In every mode an element `a` of the output becomes `offset + scale * clip(a)`; `clip` is in units of
/// the raw output, and absent for none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum ActionSpec {
    /// Joint position targets, rad or m.
    Position {
        /// One per output, in this order.
        joints: Vec<String>,
        /// Bounds of the raw output.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clip: Option<Clip>,
        /// Factor.
        scale: PerElement,
        /// Added.
        offset: PerElement,
        /// Largest change of a target from one tick to the next, rad or m; none if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slew: Option<PerElement>,
        /// Cut-off of a first-order low pass of the targets, Hz; none if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        low_pass_hz: Option<f64>,
        /// Gains of an impedance command; the drive's own if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gains: Option<Gains>,
    },
    /// Changes of joint position targets per tick, rad or m, added to the previous target (not to
    /// the measured position, so that a load does not make the joints sag).
    Delta {
        /// One per output, in this order.
        joints: Vec<String>,
        /// Bounds of the raw output.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clip: Option<Clip>,
        /// Factor.
        scale: PerElement,
        /// Largest change of the delta of a joint from one tick to the next, rad or m; larger changes
        /// are shortened by one factor for all joints.
        slew: f64,
        /// The target stays within this distance of the measured position, rad or m, so that an
        /// arm that is blocked does not wind up.
        max_lead: f64,
    },
    /// Joint velocity targets, rad/s or m/s.
    Velocity {
        /// One per output, in this order.
        joints: Vec<String>,
        /// Bounds of the raw output.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clip: Option<Clip>,
        /// Factor.
        scale: PerElement,
        /// Largest change from one tick to the next, rad/s or m/s.
        slew: PerElement,
    },
    /// Joint efforts, N·m or N.
    Effort {
        /// One per output, in this order.
        joints: Vec<String>,
        /// Bounds of the raw output.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clip: Option<Clip>,
        /// Factor.
        scale: PerElement,
    },
    /// Velocity of the base.
    Twist {
        /// One per output, in this order; axes that are not named are commanded 0.
        axes: Vec<BaseAxis>,
        /// Bounds of the raw output.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clip: Option<Clip>,
        /// Factor, m/s or rad/s.
        scale: PerElement,
        /// Largest change from one tick to the next, per axis, m/s or rad/s.
        slew: PerElement,
    },
    /// Velocity of the tool of a group's chain: linear x, y and z, m/s, then angular, rad/s. Through the
    /// Jacobian it becomes joint position targets, which move on from the previous ones.
    ToolTwist {
        /// A group of the robot that has a chain.
        group: String,
        /// What the axes are those of.
        frame: ToolFrame,
        /// Bounds of the raw output.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clip: Option<Clip>,
        /// Factor, m/s or rad/s.
        scale: PerElement,
        /// Largest change from one tick to the next, m/s or rad/s.
        slew: PerElement,
        /// The joint targets stay within this distance of the measured positions, rad or m.
        max_lead: f64,
    },
    /// Pose of the tool of a group's chain, in the chain's base frame: position x, y and z, m, then rotation
    /// vector, rad. Joint position targets approach it through the Jacobian, no faster than these speeds.
    ToolPose {
        /// A group of the robot that has a chain.
        group: String,
        /// Bounds of the raw output.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clip: Option<Clip>,
        /// Factor.
        scale: PerElement,
        /// Added.
        offset: PerElement,
        /// Largest speed of the tool's origin, m/s.
        max_linear_m_s: f64,
        /// Largest rate of turn of the tool, rad/s.
        max_angular_rad_s: f64,
        /// The joint targets stay within this distance of the measured positions, rad or m.
        max_lead: f64,
    },
}

impl ActionSpec {
    /// Number of elements of one action.
    pub fn width(&self) -> usize {
        match self {
            Self::Twist { axes, .. } => axes.len(),
            Self::ToolTwist { .. } | Self::ToolPose { .. } => 6,
            _ => self.joints().len(),
        }
    }

    /// The joints that are commanded, in the order of the elements; none for a base or a tool.
    pub fn joints(&self) -> &[String] {
        match self {
            Self::Position { joints, .. }
            | Self::Delta { joints, .. }
            | Self::Velocity { joints, .. }
            | Self::Effort { joints, .. } => joints,
            Self::Twist { .. } | Self::ToolTwist { .. } | Self::ToolPose { .. } => &[],
        }
    }

    /// What joints or base are commanded by.
    pub fn interface(&self) -> &'static str {
        match self {
            Self::Position { .. }
            | Self::Delta { .. }
            | Self::ToolTwist { .. }
            | Self::ToolPose { .. } => "position",
            Self::Velocity { .. } => "velocity",
            Self::Effort { .. } => "effort",
            Self::Twist { .. } => "twist",
        }
    }

    /// Bounds of the raw output.
    pub fn clip(&self) -> Option<&Clip> {
        match self {
            Self::Position { clip, .. }
            | Self::Delta { clip, .. }
            | Self::Velocity { clip, .. }
            | Self::Effort { clip, .. }
            | Self::Twist { clip, .. }
            | Self::ToolTwist { clip, .. }
            | Self::ToolPose { clip, .. } => clip.as_ref(),
        }
    }

    /// Factor of each element.
    pub fn scale(&self) -> &PerElement {
        match self {
            Self::Position { scale, .. }
            | Self::Delta { scale, .. }
            | Self::Velocity { scale, .. }
            | Self::Effort { scale, .. }
            | Self::Twist { scale, .. }
            | Self::ToolTwist { scale, .. }
            | Self::ToolPose { scale, .. } => scale,
        }
    }
}

/// A gripper that is commanded beside the joints or the tool: the last element of each action is its width.
///
/// An element `a` becomes `offset + scale * a`, m.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GripperAction {
    /// The gripper's group.
    pub group: String,
    /// Factor, m.
    pub scale: f64,
    /// Added, m.
    pub offset: f64,
    /// Largest closing force, N.
    pub max_force_n: f64,
}

/// Gains of an impedance command: the drive exerts `kp (target - q) - kd v`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gains {
    /// N·m/rad or N/m, at least 0.
    pub kp: PerElement,
    /// N·m·s/rad or N·s/m, at least 0.
    pub kd: PerElement,
}

/// A network that gives the actions of several ticks at once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChunkSpec {
    /// Actions in the output, one per tick.
    pub length: usize,
    /// Ticks after which the network is run again, 1 to `length`.
    pub execute: usize,
    /// How the actions of two chunks for the same tick become one.
    pub splice: Splice,
    /// Where the network runs in the background and no action is left: ticks for which the last one may be
    /// held in a row. Then the policy ends.
    pub hold_ticks: usize,
}

/// How the actions of several chunks for the same tick become one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Splice {
    /// That of the newest chunk.
    Latest,
    /// Those of the chunk before count this much, 0 to 1, where both have one.
    Weighted {
        /// Share of the older chunk.
        older: f64,
    },
    /// ACT's temporal ensemble: the mean of all chunks' actions with weights `exp(-coefficient * i)`,
    /// i counting from the oldest. `execute` is 1.
    TemporalEnsemble {
        /// 0.01 in ACT.
        coefficient: f64,
    },
    /// The first actions of a new chunk are those of the chunk before, which go on while the network
    /// runs; the ones after them blend over linearly.
    Prefix {
        /// Actions that are kept.
        keep: usize,
        /// Actions that blend.
        blend: usize,
    },
}

/// What follows when a tick fails: an observation is missing or too old, or a number is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OnFault {
    /// The policy ends at once; what the robot does then is for the gate to say.
    End,
    /// While observations are missing or too old, the last command is repeated for this long, s; then
    /// the policy ends. Numbers that are not finite end it at once.
    Repeat {
        /// Seconds.
        for_s: f64,
    },
}
