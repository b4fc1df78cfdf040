use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the axes and buttons of a device mean: one YAML file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MappingConfig {
    /// Name of the device's layout, for people.
    pub device: String,
    /// Axes by name.
    #[serde(default)]
    pub axes: BTreeMap<String, AxisConfig>,
    /// Buttons by name: index into the device's buttons, from 0.
    pub buttons: BTreeMap<String, usize>,
    /// The button that must be held for the robot to follow. There is no mapping without one.
    pub dead_man: String,
    /// Share of an axis around its rest that counts as rest, 0 up to 0.5.
    #[serde(default = "default_dead_zone")]
    pub dead_zone: f64,
    /// Seconds after which a device on which nothing has changed at all, while it moves the robot, is
    /// taken for frozen; above 0. A hand on an analogue stick is never that still.
    #[serde(default = "default_unchanged_limit_s")]
    pub unchanged_limit_s: f64,
    /// Buttons for the operator's services.
    #[serde(default)]
    pub operator: OperatorButtons,
    /// What can be moved; the first is the one at the start.
    pub modes: Vec<ModeConfig>,
}

fn default_dead_zone() -> f64 {
    0.1
}

fn default_unchanged_limit_s() -> f64 {
    10.0
}

/// An axis of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AxisConfig {
    /// Index into the device's axes, from 0.
    pub index: usize,
    /// Whether it rests in its middle or at its end.
    #[serde(default)]
    pub kind: AxisKind,
    /// Turns the sign of what the device says.
    #[serde(default)]
    pub invert: bool,
}

/// Where an axis rests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AxisKind {
    /// In its middle: -1 to 1.
    #[default]
    Stick,
    /// At its end: the device says 1 at rest and -1 when pulled; read as 0 to 1. It counts as at rest
    /// until it was seen at rest, since drivers report 0, half pulled, before the first touch.
    Trigger,
}

/// Buttons for the operator's services; each acts when it is pressed, not while it is held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorButtons {
    /// Emergency stop; acts whatever else is pressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e_stop: Option<String>,
    /// Forgets the e-stop and faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<String>,
    /// Switches the drivers on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<String>,
    /// Brings the robot to rest and switches the drivers off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disarm: Option<String>,
    /// Gives back what was taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
}

/// What is moved in one mode: one or more of the parts, of different groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModeConfig {
    /// Its name, unique.
    pub name: String,
    /// The button that selects it; may be left out if it is the only mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<String>,
    /// Left out without an error on a robot that lacks one of its groups.
    #[serde(default)]
    pub optional: bool,
    /// Drives the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseConfig>,
    /// Moves the tool of a chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cartesian: Option<CartesianConfig>,
    /// Moves single joints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joints: Option<JointsConfig>,
    /// Opens and closes a gripper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gripper: Option<GripperConfig>,
    /// Follows a leader arm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<LeaderConfig>,
}

/// Twist of the base, in the base's own frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaseConfig {
    /// A group that is commanded by twist.
    pub group: String,
    /// Forward; scale in m/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear_x: Option<SignalConfig>,
    /// To the left; scale in m/s. Not for a differential drive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear_y: Option<SignalConfig>,
    /// Turning left; scale in rad/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub angular_z: Option<SignalConfig>,
}

/// Velocity of the origin of a chain's tool frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CartesianConfig {
    /// A group with a chain.
    pub group: String,
    /// The link along whose axes it moves; by default the base frame of the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<String>,
    /// Along x; scale in m/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear_x: Option<SignalConfig>,
    /// Along y; scale in m/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear_y: Option<SignalConfig>,
    /// Along z; scale in m/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear_z: Option<SignalConfig>,
    /// About x; scale in rad/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub angular_x: Option<SignalConfig>,
    /// About y; scale in rad/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub angular_y: Option<SignalConfig>,
    /// About z; scale in rad/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub angular_z: Option<SignalConfig>,
}

/// Velocities of single joints: `velocities` or `in_order`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JointsConfig {
    /// The group; its joints that are given nothing hold still.
    pub group: String,
    /// By joint; scale in rad/s, or m/s for a prismatic joint.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub velocities: BTreeMap<String, SignalConfig>,
    /// For the first joint of the group, the second, and so on, whatever their names; may be longer
    /// than the group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_order: Vec<SignalConfig>,
}

/// Width of a parallel gripper. It keeps its width and force until it is told to move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GripperConfig {
    /// A group with a gripper.
    pub group: String,
    /// Opening; scale in m/s.
    pub width: SignalConfig,
    /// Largest closing force, N; the gripper's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_force_n: Option<f64>,
}

/// A leader arm, whose joint positions the follower's joints take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaderConfig {
    /// The group of the follower; each of its joints is named in `joints`.
    pub group: String,
    /// By joint of the follower.
    pub joints: BTreeMap<String, LeaderJointConfig>,
    /// A gripper that follows as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gripper: Option<LeaderGripperConfig>,
    /// Speed of each joint while the follower is brought to the leader, rad/s or m/s; above 0.
    pub approach_velocity: f64,
    /// Within this of the leader in each joint, rad or m, the follower has come to it; above 0.
    #[serde(default = "default_together")]
    pub together_within: f64,
}

fn default_together() -> f64 {
    0.05
}

/// Position of one joint of the follower: `scale * leader + offset`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaderJointConfig {
    /// The leader's joint.
    pub leader: String,
    /// Not 0; -1 where the axes are opposed.
    #[serde(default = "one")]
    pub scale: f64,
    /// rad or m.
    #[serde(default)]
    pub offset: f64,
}

/// A joint of the leader that opens and closes the follower's gripper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaderGripperConfig {
    /// A group with a gripper.
    pub group: String,
    /// The leader's joint.
    pub leader: String,
    /// Its position at which the gripper is closed, rad or m.
    pub closed: f64,
    /// Its position at which the gripper is wide open, rad or m.
    pub open: f64,
}

fn one() -> f64 {
    1.0
}

/// A number that an axis or a pair of buttons gives: `axis`, or `plus` and `minus`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignalConfig {
    /// One of `axes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axis: Option<String>,
    /// Button, or axis of kind trigger, for the full value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plus: Option<String>,
    /// Button, or axis of kind trigger, for the full value the other way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minus: Option<String>,
    /// The full value, in the unit of the field it is given for; not 0, negative for the other way.
    pub scale: f64,
    /// Instead of the mapping's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_zone: Option<f64>,
    /// 0 to 1: share of the cube of the deflection, which makes small deflections finer.
    #[serde(default)]
    pub expo: f64,
}

impl ModeConfig {
    /// The groups that it moves.
    #[must_use]
    pub fn groups(&self) -> Vec<&String> {
        let Self { base, cartesian, joints, gripper, leader, .. } = self;
        let hand = leader.as_ref().and_then(|leader| leader.gripper.as_ref());
        [
            base.as_ref().map(|part| &part.group),
            cartesian.as_ref().map(|part| &part.group),
            joints.as_ref().map(|part| &part.group),
            leader.as_ref().map(|part| &part.group),
            hand.map(|part| &part.group),
            gripper.as_ref().map(|part| &part.group),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Every signal, with the path of its field in the mode.
    #[must_use]
    pub fn signals(&self) -> Vec<(String, &SignalConfig)> {
        let mut all = Vec::new();
        if let Some(base) = &self.base {
            let BaseConfig { group: _, linear_x, linear_y, angular_z } = base;
            let fields = [("linear_x", linear_x), ("linear_y", linear_y), ("angular_z", angular_z)];
            all.extend(named("base", fields));
        }
        if let Some(cartesian) = &self.cartesian {
            all.extend(named("cartesian", cartesian.signals()));
        }
        if let Some(joints) = &self.joints {
            let velocities = joints.velocities.iter();
            all.extend(velocities.map(|(joint, s)| (format!("joints.velocities.{joint}"), s)));
            let in_order = joints.in_order.iter().enumerate();
            all.extend(in_order.map(|(i, s)| (format!("joints.in_order.{i}"), s)));
        }
        if let Some(gripper) = &self.gripper {
            all.push(("gripper.width".into(), &gripper.width));
        }
        all
    }
}

impl CartesianConfig {
    /// Linear along x, y, z, then angular about them.
    pub(crate) fn signals(&self) -> [(&'static str, &Option<SignalConfig>); 6] {
        [
            ("linear_x", &self.linear_x),
            ("linear_y", &self.linear_y),
            ("linear_z", &self.linear_z),
            ("angular_x", &self.angular_x),
            ("angular_y", &self.angular_y),
            ("angular_z", &self.angular_z),
        ]
    }
}

fn named<'a, const N: usize>(
    part: &str,
    fields: [(&str, &'a Option<SignalConfig>); N],
) -> Vec<(String, &'a SignalConfig)> {
    let given = fields.into_iter().filter_map(|(name, signal)| Some((name, signal.as_ref()?)));
    given.map(|(name, signal)| (format!("{part}.{name}"), signal)).collect()
}
