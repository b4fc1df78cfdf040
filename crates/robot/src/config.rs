//! The robot YAML: what neither URDF nor MJCF can say.
//!
//! Values are SI: metres, radians, newtons, seconds. Where a value belongs to joints, it is in joint units:
//! radians for revolute and continuous joints, metres for prismatic ones. Unknown keys are errors.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::monitor_config::MonitorConfig;
use crate::ros2_control_config::Ros2ControlConfig;
use crate::servo_config::ServoConfig;

/// A whole robot YAML file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobotConfig {
    /// Name of the robot, also its ROS namespace: lower-case letters, digits and underscores, a letter first.
    pub name: String,
    /// The URDF file, relative to this file. Exactly one of `urdf` and `mjcf` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urdf: Option<PathBuf>,
    /// The MJCF file, relative to this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mjcf: Option<PathBuf>,
    /// Rate of the control loop, 1 to 1000 Hz.
    pub control_rate_hz: u32,
    /// How the robot stands in the world.
    pub base: BaseConfig,
    /// Actuator groups by name. A joint belongs to one group at most.
    pub groups: BTreeMap<String, GroupConfig>,
    /// Limits tighter than the model's, or missing there, by joint.
    #[serde(default)]
    pub joint_limits: BTreeMap<String, JointLimitConfig>,
    /// The controller of the groups whose stop profile says `fallback`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackConfig>,
    /// A wireless or wired emergency stop that says all the time that it is not pressed, on the topic
    /// `hardware/e_stop_heartbeat`: the robot stops when it has been silent for this long, and is not armed
    /// before it was heard. 0.1 to 5 s; none if there is no such device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_e_stop_timeout_s: Option<f64>,
    /// IMU and cameras.
    #[serde(default)]
    pub sensors: SensorsConfig,
    /// Links whose collision shapes have no friction, such as ball casters.
    #[serde(default)]
    pub frictionless_links: Vec<String>,
    /// The servos that move the joints, where the robot is built of servos on one bus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub servo: Option<ServoConfig>,
    /// The controllers that move the groups, where the robot already runs ros2_control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ros2_control: Option<Ros2ControlConfig>,
    /// Workspace, self-collision, tracking, temperature, clamp rate.
    #[serde(default)]
    pub monitor: MonitorConfig,
}

/// How the robot stands in the world. The base frame is always the root link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BaseConfig {
    /// Bolted down.
    Fixed,
    /// Two driven wheels on one axle, on a flat floor.
    PlanarDiffDrive(DiffDriveConfig),
    /// Six degrees of freedom, as a legged robot has.
    Floating,
}

/// Geometry of a differential drive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffDriveConfig {
    /// Joint of the left wheel; positive velocity drives forward.
    pub left_wheel_joint: String,
    /// Joint of the right wheel; positive velocity drives forward.
    pub right_wheel_joint: String,
    /// Radius of both wheels.
    pub wheel_radius_m: f64,
    /// Distance between the wheels' contact points.
    pub wheel_separation_m: f64,
    /// Radius of the circle about the base frame that holds the body near the floor.
    pub footprint_radius_m: f64,
    /// Radius of the circle about the base frame that holds the whole robot when its groups are in `home`.
    pub tucked_radius_m: f64,
}

/// A set of joints that is leased, commanded and stopped together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    /// The joints, in the order of the group's vectors. Empty for a `twist` group of a floating base: such a
    /// group is a reference that the robot's controllers follow, leased and limited as any other.
    pub joints: Vec<String>,
    /// What the group is commanded by.
    pub command: CommandInterface,
    /// How often the driver reads and writes the group; divides the control rate.
    pub rw_rate_hz: u32,
    /// Frames between which the group's joints form a serial chain, in the same order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainConfig>,
    /// Given for a parallel gripper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gripper: Option<GripperConfig>,
    /// How commands are limited.
    pub limits: LimitProfile,
    /// How the group comes to rest.
    pub stop: StopProfile,
    /// Named positions: configuration -> joint -> position. Each names every joint of the group.
    #[serde(default)]
    pub configurations: BTreeMap<String, BTreeMap<String, f64>>,
}

/// What a group is commanded by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandInterface {
    /// Joint positions.
    Position,
    /// Joint velocities.
    Velocity,
    /// Joint efforts: N m, or N for prismatic joints.
    Effort,
    /// Position, velocity, effort, kp and kd per joint.
    Impedance,
    /// Linear and angular velocity of the base; the driver turns them into wheel velocities, or, on a floating
    /// base, the controller that balances the robot follows them.
    Twist,
}

/// Ends of a serial chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainConfig {
    /// Link that poses and Jacobian are expressed in.
    pub base_frame: String,
    /// Link that is moved.
    pub tool_frame: String,
}

/// A parallel gripper.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GripperConfig {
    /// Largest opening between the pads; the sum of the finger joints.
    pub max_width_m: f64,
    /// Largest force of one pad on the object.
    pub max_force_n: f64,
    /// Distance from the tool frame to the finger tips, along the tool's x axis.
    pub tip_beyond_tool_m: f64,
}

/// How commands of a group are limited. Position limits of the joints always hold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitProfile {
    /// Set-points follow a trajectory: steps are clamped. For position and velocity commands.
    Trajectory(TrajectoryLimits),
    /// Targets may step; torque, position and measured velocity are bounded. For impedance and effort commands.
    Impedance(ImpedanceLimits),
    /// Limits of a base twist.
    Twist(TwistLimits),
}

/// Limits of set-points, in joint units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrajectoryLimits {
    /// Share of each joint's own velocity limit that is used, above 0 up to 1.
    pub velocity_scale: f64,
    /// rad/s² or m/s².
    pub max_acceleration: f64,
    /// rad/s³ or m/s³.
    pub max_jerk: f64,
}

/// Limits of impedance and effort commands, in joint units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImpedanceLimits {
    /// Share of each joint's effort limit that `kp (q* - q) + kd (v* - v) + effort` may reach, above 0 up to 1.
    pub effort_scale: f64,
    /// How far from a position limit targets stay: rad or m.
    pub position_margin: f64,
    /// Measured velocity above which the group is stopped: rad/s or m/s.
    pub max_velocity: f64,
}

/// Limits of a base twist.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwistLimits {
    /// Largest speed along x, both ways.
    pub max_linear_m_s: f64,
    /// Largest turning rate, both ways.
    pub max_angular_rad_s: f64,
    /// Largest change of speed.
    pub max_linear_acceleration_m_s2: f64,
    /// Largest change of turning rate.
    pub max_angular_acceleration_rad_s2: f64,
}

/// How a group comes to rest, by what stopped it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopProfile {
    /// In a protective stop, and before the drivers are switched off.
    pub action: StopAction,
    /// What follows `action` once the group is still, or was not still in `still_within_s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<StopAction>,
    /// In a fault, where feedback is not trusted; by default as `action`, but hold in place of settle, and
    /// damp in place of fallback, which both need feedback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<StopStep>,
    /// In an emergency stop; by default as `action`, but damp in place of fallback. `power_off` is a stop of
    /// category 0, `hold` then `power_off` one of category 1, `hold` one of category 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e_stop: Option<StopStep>,
    /// Time after which the group must be still, above 0 up to 30 s.
    #[serde(
        rename = "still_within_s",
        deserialize_with = "read_seconds",
        serialize_with = "write_seconds"
    )]
    pub still_within: Duration,
}

impl StopProfile {
    /// The first and the next action in a protective stop.
    pub fn protective_stop(&self) -> StopStep {
        StopStep { action: self.action.clone(), then: self.then.clone() }
    }

    /// The same in a fault.
    pub fn in_fault(&self) -> StopStep {
        self.fault.clone().unwrap_or_else(|| StopStep {
            action: match &self.action {
                StopAction::Settle { .. } => StopAction::Hold,
                StopAction::Fallback => StopAction::Damp,
                other => other.clone(),
            },
            then: self.then.clone().filter(|then| !matches!(then, StopAction::Settle { .. })),
        })
    }

    /// The same in an emergency stop.
    pub fn in_e_stop(&self) -> StopStep {
        self.e_stop.clone().unwrap_or_else(|| StopStep {
            action: match &self.action {
                StopAction::Fallback => StopAction::Damp,
                other => other.clone(),
            },
            then: self.then.clone(),
        })
    }

    /// Every action that is named, with its key.
    pub(crate) fn actions(&self) -> Vec<(&'static str, &StopAction)> {
        let mut actions = vec![("action", &self.action)];
        actions.extend(self.then.as_ref().map(|then| ("then", then)));
        if let Some(step) = &self.fault {
            actions.push(("fault.action", &step.action));
            actions.extend(step.then.as_ref().map(|then| ("fault.then", then)));
        }
        if let Some(step) = &self.e_stop {
            actions.push(("e_stop.action", &step.action));
            actions.extend(step.then.as_ref().map(|then| ("e_stop.then", then)));
        }
        actions
    }
}

/// An action, and what follows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopStep {
    /// What is commanded.
    pub action: StopAction,
    /// What follows once the group is still, or was not still in `still_within_s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<StopAction>,
}

/// What is commanded to bring a group to rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopAction {
    /// Ramp to rest within the limits, then hold the position.
    Hold,
    /// Zero velocity with damping, no stiffness: the group sinks slowly.
    Damp,
    /// Move to a named configuration of the group, then hold it.
    Settle {
        /// One of the group's `configurations`.
        configuration: String,
    },
    /// The fallback controller: for a robot that falls when it is merely held. Also what such a group gets
    /// when nobody commands it.
    Fallback,
    /// No torque, or brakes where there are some.
    PowerOff,
}

/// A controller that keeps a robot up that falls when it is merely held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FallbackConfig {
    /// Balances on two wheels of one axle by state feedback.
    TwoWheelBalance(TwoWheelBalanceConfig),
    /// A learned policy, run in the hardware process.
    Policy(PolicyFallbackConfig),
}

/// A policy that keeps a robot up, such as a locomotion policy. It commands every joint of the groups whose
/// stop profile says `fallback`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFallbackConfig {
    /// The policy's manifest, relative to the robot file.
    pub manifest: PathBuf,
    /// The policy's command that is the velocity which is asked of the base: forward, to the left (m/s), turning
    /// to the left (rad/s).
    pub velocity_command: String,
}

/// State feedback of a robot on two wheels: the torque of both wheels together is
/// `distance_gain (x - x*) + speed_gain (v - v*) + pitch_gain pitch + pitch_rate_gain pitch'`, where x is the
/// way that the axle has gone; the gains are those of a linear-quadratic regulator, or found by hand. The
/// wheels are commanded by effort. The robot needs an IMU whose axes are those of the base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwoWheelBalanceConfig {
    /// Joint of the left wheel; positive velocity drives forward.
    pub left_wheel_joint: String,
    /// Joint of the right wheel; positive velocity drives forward.
    pub right_wheel_joint: String,
    /// Radius of both wheels.
    pub wheel_radius_m: f64,
    /// Distance between the wheels' contact points.
    pub wheel_separation_m: f64,
    /// N m per m.
    pub distance_gain_n: f64,
    /// N m per m/s.
    pub speed_gain_n_s: f64,
    /// N m per rad.
    pub pitch_gain_n_m: f64,
    /// N m per rad/s.
    pub pitch_rate_gain_n_m_s: f64,
    /// N m of difference between the wheels per rad/s of turning rate that is missing.
    pub yaw_rate_gain_n_m_s: f64,
    /// Pitch that is held at rest: the centre of mass is then above the axle.
    #[serde(default)]
    pub balanced_pitch_rad: f64,
    /// Leaning by more than this, the robot is given up.
    pub max_pitch_rad: f64,
}

/// Limits of one joint, in joint units; each narrows what the model says.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JointLimitConfig {
    /// Lowest position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower: Option<f64>,
    /// Highest position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper: Option<f64>,
    /// Largest speed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_velocity: Option<f64>,
    /// Largest torque or force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_effort: Option<f64>,
}

/// The robot's sensors besides its joints.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensorsConfig {
    /// Inertial measurement unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imu: Option<ImuConfig>,
    /// Colour cameras.
    #[serde(default)]
    pub cameras: Vec<CameraConfig>,
}

/// An inertial measurement unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImuConfig {
    /// Link (or MJCF site) whose axes it measures in.
    pub frame: String,
}

/// A colour camera without distortion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraConfig {
    /// Name, unique among the cameras.
    pub name: String,
    /// Link whose z axis points into the picture, x to the right, y down.
    pub optical_frame: String,
    /// Width of the picture, 16 to 4096.
    pub width_px: u32,
    /// Height of the picture, 16 to 4096.
    pub height_px: u32,
    /// Vertical opening angle, above 0 and below pi.
    pub fov_y_rad: f64,
}

fn read_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    if seconds > 0.0 && seconds <= 30.0 {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(serde::de::Error::custom(format!(
            "still_within_s: {seconds}; allowed: above 0 up to 30"
        )))
    }
}

fn write_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
