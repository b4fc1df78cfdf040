use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Inputs and outputs recorded at export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Largest absolute difference of each element of an output.
    pub tolerance: f64,
    /// Runs of the bare network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<GoldenCase>,
    /// A [`Rollout`] as JSON, relative to the manifest: ticks from measured state to target, which tell
    /// wrong orders of joints, frames and history apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<PathBuf>,
}

/// One run of the network: every input by name, and the action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GoldenCase {
    /// What goes into the graph, row by row.
    pub inputs: BTreeMap<String, Vec<f32>>,
    /// What comes out as action, row by row.
    pub action: Vec<f32>,
}

/// Consecutive ticks of a policy from a reset on, and what it made of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// Order of the joint arrays.
    pub joints: Vec<String>,
    /// Largest absolute difference of an element of an observation, in the network's units.
    pub observation_tolerance: f64,
    /// Largest absolute difference of an element of the raw action.
    pub action_tolerance: f64,
    /// Largest absolute difference of an element of the command.
    pub target_tolerance: f64,
    /// One per tick.
    pub ticks: Vec<RolloutTick>,
}

/// What was measured and commanded in one tick; what is empty or none was not recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RolloutTick {
    /// rad or m.
    pub joint_position: Vec<f64>,
    /// rad/s or m/s.
    pub joint_velocity: Vec<f64>,
    /// N·m or N.
    pub joint_effort: Vec<f64>,
    /// Width, m, and force, N, of each gripper, in the order of the robot's layout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grippers: Vec<[f64; 2]>,
    /// The inertial measurement unit.
    pub imu: Option<RolloutImu>,
    /// m/s in the base frame.
    pub base_linear_velocity: Option<[f64; 3]>,
    /// rad/s in the base frame; that of the inertial measurement unit if none.
    pub base_angular_velocity: Option<[f64; 3]>,
    /// What the caller gives, by name.
    pub commands: BTreeMap<String, Vec<f64>>,
    /// Pictures by camera.
    pub images: BTreeMap<String, RolloutImage>,
    /// What goes into the graph, by name of the input.
    pub inputs: BTreeMap<String, Vec<f32>>,
    /// The network's output: the action of this tick, before clip, scale and offset.
    pub action: Vec<f32>,
    /// The command, in the order of the action.
    pub target: Vec<f64>,
}

/// One measurement of an inertial measurement unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutImu {
    /// w, x, y, z: from the sensor's frame to the world.
    pub orientation: [f64; 4],
    /// rad/s in the sensor's frame.
    pub angular_velocity: [f64; 3],
    /// m/s² in the sensor's frame.
    pub linear_acceleration: [f64; 3],
}

/// A picture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutImage {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Red, green and blue of each pixel, row by row.
    pub rgb: Vec<u8>,
}
