use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arguments::NodeArguments;
use crate::node::NodeError;

/// Parameters of the hardware node.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HardwareParameters {
    /// What moves the robot.
    #[serde(default)]
    pub driver: DriverParameter,
    /// The world file, which names the robot's file: for `driver: sim`.
    pub world: Option<PathBuf>,
    /// The robot's file: for every other driver.
    pub robot: Option<PathBuf>,
    /// Draws a scene of the world; without it, the world is as the file says. For `driver: sim`.
    pub seed: Option<u64>,
    /// Whether the drivers are switched on at the start, without an operator; by default only a
    /// simulated robot is.
    pub arm: Option<bool>,
    /// Nodes whose acknowledgement of a tick is awaited before the next: simulated time then waits
    /// for them. Empty in composed mode, where one thread steps all nodes in turn. For `driver: sim`.
    #[serde(default)]
    pub lock_step_with: Vec<String>,
    /// `fastest` or `real_time`; only for a node that is a process of its own with `driver: sim`.
    pub pace: Option<PaceParameter>,
    /// Cameras of the robot file whose pictures are published on `CAMERA/image_raw`, with `CAMERA/camera_info`. For
    /// `driver: sim`.
    #[serde(default)]
    pub publish_cameras: Vec<String>,
    /// How often, Hz of simulated time, above 0 up to the rate of robot ticks, 50; 10 by default. With `publish_cameras`.
    pub camera_rate_hz: Option<f64>,
    /// Whether `cmd_vel` and `cmd_vel_stamped` drive the base, under an EXTERNAL lease.
    #[serde(default = "yes")]
    pub cmd_vel: bool,
    /// Whether each group that is commanded by the positions of its joints serves the action
    /// `GROUP/follow_joint_trajectory`, under an EXTERNAL lease.
    #[serde(default = "yes")]
    pub follow_joint_trajectory: bool,
    /// Whether each gripper serves the actions `GROUP/gripper_cmd` and `GROUP/parallel_gripper_cmd`, under an
    /// EXTERNAL lease.
    #[serde(default = "yes")]
    pub gripper_command: bool,
}

fn yes() -> bool {
    true
}

/// What moves the robot.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum DriverParameter {
    /// The built-in simulator, in simulated time.
    #[default]
    Sim,
    /// A robot that does as it is told, in real time: for tests of what commands it.
    Mock,
    /// Servos on a bus, as the robot file's `servo` section says, in real time.
    Servo,
    /// A robot that runs ros2_control, as the robot file's `ros2_control` section says, in real time.
    Ros2Control,
}

/// How simulated time passes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum PaceParameter {
    /// As fast as the machine can.
    Fastest,
    /// As wall time.
    #[default]
    RealTime,
}

/// A driver, with what it is made from.
pub(super) enum DriverChoice<'a> {
    Sim { world: &'a PathBuf, seed: Option<u64> },
    Mock { robot: &'a PathBuf },
    Servo { robot: &'a PathBuf },
    Ros2Control { robot: &'a PathBuf },
}

impl HardwareParameters {
    /// The parameters that a node was started with.
    ///
    /// # Errors
    /// One that is unknown, of the wrong type, missing, or of no use to the chosen driver.
    pub fn of(arguments: &NodeArguments) -> Result<Self, NodeError> {
        let failed = |error: &dyn std::fmt::Display| NodeError::new(&arguments.name, error);
        let parameters: Self = arguments.parameters_as().map_err(|error| failed(&error))?;
        parameters.driver_choice().map_err(|error| failed(&error))?;
        Ok(parameters)
    }

    pub(super) fn driver_choice(&self) -> Result<DriverChoice<'_>, String> {
        match self.driver {
            DriverParameter::Sim => match (&self.world, &self.robot) {
                (Some(world), None) => Ok(DriverChoice::Sim { world, seed: self.seed }),
                (None, _) => Err("driver: sim needs the parameter world, a world file".into()),
                (_, Some(robot)) => Err(format!(
                    "robot: {}; driver: sim takes the robot that its world names",
                    robot.display()
                )),
            },
            DriverParameter::Mock | DriverParameter::Servo | DriverParameter::Ros2Control => {
                let of_no_use = [
                    ("world", self.world.is_some()),
                    ("seed", self.seed.is_some()),
                    ("lock_step_with", !self.lock_step_with.is_empty()),
                    ("pace", self.pace.is_some()),
                    ("publish_cameras", !self.publish_cameras.is_empty()),
                    ("camera_rate_hz", self.camera_rate_hz.is_some()),
                ];
                if let Some((name, _)) = of_no_use.iter().find(|(_, given)| *given) {
                    return Err(format!("{name} is for driver: sim; this one runs in real time"));
                }
                match (self.driver, &self.robot) {
                    (DriverParameter::Servo, Some(robot)) => Ok(DriverChoice::Servo { robot }),
                    (DriverParameter::Ros2Control, Some(robot)) => {
                        Ok(DriverChoice::Ros2Control { robot })
                    }
                    (_, Some(robot)) => Ok(DriverChoice::Mock { robot }),
                    (_, None) => {
                        Err("robot: missing; allowed: a robot file, which this driver needs".into())
                    }
                }
            }
        }
    }

    /// Whether time is simulated.
    pub fn is_simulated(&self) -> bool {
        self.driver == DriverParameter::Sim
    }
}
