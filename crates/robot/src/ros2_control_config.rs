//! The `ros2_control` section of the robot YAML: which controller of a robot that already runs ros2_control moves which group.
//!
//! Names of topics and of the controller manager are ROS names: absolute with a slash in front, else relative to `/`,
//! which is where ros2_control puts them unless told otherwise. Controllers are found where the controller manager is: that
//! of `/left/controller_manager` with the name `arm` has the topics `/left/arm/…`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A controller manager, its controllers, and where the robot's state is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ros2ControlConfig {
    /// Name of the controller manager's node.
    #[serde(default = "controller_manager")]
    pub controller_manager: String,
    /// Topic with the state of all joints (`sensor_msgs/JointState`), at 10 Hz or more: a group's state counts as lost
    /// after five periods of its `rw_rate_hz`, so no group has a higher rate than this topic. Several publishers may
    /// share it.
    #[serde(default = "joint_states")]
    pub joint_states: String,
    /// Topic with pose and twist of the base (`nav_msgs/Odometry`); none if the base is not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub odom: Option<String>,
    /// Topic of the IMU (`sensor_msgs/Imu`, with an orientation); needs `sensors.imu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imu: Option<String>,
    /// How long the driver waits at its start for controller manager and topics, 0.1 to 120 s.
    #[serde(default = "wait_s")]
    pub wait_s: f64,
    /// The controller of each group.
    pub groups: BTreeMap<String, Ros2ControllerConfig>,
}

/// The controller of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ros2ControllerConfig {
    /// Its name, as `ros2 control list_controllers` shows it.
    pub controller: String,
    /// What it takes.
    pub kind: Ros2ControllerKind,
    /// The group's joints in the order of the controller's own parameter `joints`, which is the order of its values; by
    /// default that of the group, without joints that mimic another. Only for `forward_command`; trajectories name joints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joints: Option<Vec<String>>,
    /// Time in which a set-point is reached, above 0 up to 1 s; by default two periods of the group's `rw_rate_hz`. Longer
    /// is smoother and later. Only for `joint_trajectory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_point_s: Option<f64>,
}

/// What a controller takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ros2ControllerKind {
    /// One value per joint on `<controller>/commands`: positions, velocities or efforts, as the group's `command` says.
    /// Such a controller has no time-out: it keeps its last value when this process dies.
    ForwardCommand,
    /// Positions on `<controller>/joint_trajectory`: one point per set-point.
    JointTrajectory,
    /// The base's twist on `<controller>/cmd_vel`. It stops by itself when it hears nothing (`cmd_vel_timeout`).
    DiffDrive,
}

impl Ros2ControllerKind {
    /// As it is written in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ForwardCommand => "forward_command",
            Self::JointTrajectory => "joint_trajectory",
            Self::DiffDrive => "diff_drive",
        }
    }
}

fn controller_manager() -> String {
    "controller_manager".to_owned()
}

fn joint_states() -> String {
    "joint_states".to_owned()
}

fn wait_s() -> f64 {
    10.0
}
