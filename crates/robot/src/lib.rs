//! Robot models and their kinematics.
//!
//! A robot is two files: a URDF or an MJCF, which say how it is built, and a robot YAML ([`RobotConfig`]), which says what they
//! cannot: actuator groups, base kind, sensors, rates, limit and stop profiles, named configurations.
//! [`RobotModel::load`] reads both, checks them against each other and gives joints, links and groups by index.
//!
//! - [`Kinematics`]: poses of all links, for displays, perception and collision checks.
//! - [`Chain`]: forward kinematics and Jacobian of a serial chain, such as an arm.
//! - [`IkSolver`]: joint positions for a pose of the chain's tool.
//! - [`DifferentialIk`]: joint velocities for a velocity of the chain's tool.
//!
//! Frames: the base frame is the root link. `base_from_tool` maps coordinates in the tool's frame to coordinates in the base frame.
//! Units are SI; joint positions are in rad, or in m for prismatic joints. Rotation vectors and Jacobians: linear part first.
//!
//! ```
//! use sinew_robot::{IkOptions, IkSolver, RobotModel};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = RobotModel::load(concat!(env!("CARGO_MANIFEST_DIR"), "/../../urdf/mobi.robot.yaml"))?;
//! let arm = model.group("arm")?;
//! let chain = model.chain("arm")?;
//!
//! let mut base_from_tool = chain.base_from_tool(arm.configuration("ready")?)?;
//! base_from_tool.translation.vector.z -= 0.1;
//!
//! let mut solver = IkSolver::new(chain, IkOptions::default());
//! let solution = solver.solve(&base_from_tool, arm.configuration("ready")?)?;
//! assert!(solution.report.position_error_m < 1e-4);
//! # Ok(())
//! # }
//! ```

mod chain;
mod check;
mod collision;
pub mod config;
mod differential;
mod error;
mod ik;
mod kinematics;
mod mjcf;
mod mjcf_orientation;
mod model;
pub mod monitor_config;
mod ros2_control_config;
mod servo_config;
mod tree;
mod urdf;
mod xml;

pub use chain::{Chain, Jacobian};
pub use collision::{Collision, CollisionShape};
pub use config::{
    BaseConfig, CameraConfig, ChainConfig, CommandInterface, DiffDriveConfig, FallbackConfig,
    GripperConfig, GroupConfig, ImpedanceLimits, ImuConfig, JointLimitConfig, LimitProfile,
    PolicyFallbackConfig, RobotConfig, SensorsConfig, StopAction, StopProfile, StopStep,
    TrajectoryLimits, TwistLimits, TwoWheelBalanceConfig,
};
pub use differential::DifferentialIk;
pub use error::RobotError;
pub use ik::{IkConstraint, IkError, IkOptions, IkReport, IkSolution, IkSolver};
pub use kinematics::Kinematics;
pub use model::{Group, ModelFormat, RobotModel};
pub use monitor_config::{
    BoxConfig, CapsuleConfig, ClampRateConfig, MonitorConfig, SelfCollisionConfig,
    TemperatureConfig, TrackingConfig, WorkspaceConfig,
};
pub use ros2_control_config::{Ros2ControlConfig, Ros2ControllerConfig, Ros2ControllerKind};
pub use servo_config::{ServoConfig, ServoJointConfig, ServoModel, ServoProtocol};
pub use tree::{Joint, JointKind, JointLimits, Link, Mimic};
