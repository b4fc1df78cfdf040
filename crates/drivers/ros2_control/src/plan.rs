//! Which controller moves which joints, in one order for all vectors.

use std::collections::BTreeMap;
use std::time::Duration;

use sinew_hardware::layout_of;
use sinew_robot::{
    CommandInterface, Group, Mimic, RobotModel, Ros2ControlConfig, Ros2ControllerConfig,
    Ros2ControllerKind,
};
use sinew_types::{ActuatorCommand, GroupKind, GroupLayout, Layout};

use crate::error::Ros2ControlError;

/// Topics, services, controllers and joints of a robot.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) config: Ros2ControlConfig,
    pub(crate) layout: Layout,
    /// By name, index into the layout's joints.
    pub(crate) joint_index: BTreeMap<String, usize>,
    /// Per joint of the layout, what it copies.
    pub(crate) mimics: Vec<Option<Mimic>>,
    /// Per gripper of the layout.
    pub(crate) fingers: Vec<Fingers>,
    pub(crate) controllers: Vec<ControllerPlan>,
    /// How long `configure` waits.
    pub(crate) wait: Duration,
}

/// The joints that open one gripper.
#[derive(Debug)]
pub(crate) struct Fingers {
    /// Indices into the layout's joints.
    pub(crate) joints: Vec<usize>,
    /// Sum of their positions with the pads together, m.
    pub(crate) closed_m: f64,
}

/// One group's controller.
#[derive(Debug)]
pub(crate) struct ControllerPlan {
    pub(crate) name: String,
    pub(crate) group: String,
    /// Time between two set-points.
    pub(crate) period: Duration,
    pub(crate) takes: Takes,
    /// In the order of the controller's values; none for a base.
    pub(crate) axes: Vec<Axis>,
}

/// What a controller takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// One value per joint.
    Values(Interface),
    /// Points that are reached in this time.
    Trajectory(Duration),
    /// A twist.
    Twist,
}

/// A command interface of ros2_control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interface {
    Position,
    Velocity,
    Effort,
}

/// One value of a controller.
#[derive(Debug)]
pub(crate) struct Axis {
    /// Its joint's name.
    pub(crate) name: String,
    /// Index into the layout's joints.
    pub(crate) joint: usize,
    /// Set for a finger of a gripper, which is commanded by the gripper's width.
    finger: Option<Finger>,
}

#[derive(Debug)]
struct Finger {
    /// Index into the grippers.
    gripper: usize,
    /// Position with the pads together, m.
    closed: f64,
    /// Share of the width that this finger opens.
    share: f64,
}

impl Interface {
    /// Its name in ros2_control.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Position => "position",
            Self::Velocity => "velocity",
            Self::Effort => "effort",
        }
    }
}

impl Takes {
    /// Types of controllers that take it.
    pub(crate) fn controller_types(self) -> &'static [&'static str] {
        match self {
            Self::Values(Interface::Position) => &[
                "forward_command_controller/ForwardCommandController",
                "position_controllers/JointGroupPositionController",
            ],
            Self::Values(Interface::Velocity) => &[
                "forward_command_controller/ForwardCommandController",
                "velocity_controllers/JointGroupVelocityController",
            ],
            Self::Values(Interface::Effort) => &[
                "forward_command_controller/ForwardCommandController",
                "effort_controllers/JointGroupEffortController",
            ],
            Self::Trajectory(_) => &["joint_trajectory_controller/JointTrajectoryController"],
            Self::Twist => &["diff_drive_controller/DiffDriveController"],
        }
    }

    /// Whether it goes on moving as long as it is told nothing else.
    pub(crate) fn is_of_motion(self) -> bool {
        !matches!(self, Self::Values(Interface::Position) | Self::Trajectory(_))
    }
}

impl Axis {
    /// Whether it is a gripper's.
    pub(crate) fn is_finger(&self) -> bool {
        self.finger.is_some()
    }

    /// The set-point in a command; NaN if there is none.
    pub(crate) fn set_point(&self, interface: Interface, command: &ActuatorCommand) -> f64 {
        let joint = &command.joints[self.joint];
        match (&self.finger, interface) {
            (Some(finger), _) => {
                finger.closed + finger.share * command.grippers[finger.gripper].width_m
            }
            (None, Interface::Position) => joint.position,
            (None, Interface::Velocity) => joint.velocity,
            (None, Interface::Effort) => joint.effort,
        }
    }
}

impl Plan {
    pub(crate) fn from_robot(robot: &RobotModel) -> Result<Self, Ros2ControlError> {
        let path = || robot.path().to_owned();
        let Some(config) = robot.config().ros2_control.clone() else {
            return Err(Ros2ControlError::NoSection { path: path() });
        };
        let layout = layout_of(robot)
            .map_err(|error| Ros2ControlError::Layout { path: path(), source: Box::new(error) })?;
        let mut controllers = Vec::new();
        let mut fingers = Vec::new();
        for (group, place) in robot.groups().iter().zip(layout.groups()) {
            if place.kind == GroupKind::Gripper {
                let closed = |joint: &usize| robot.joints()[*joint].limits.lower;
                fingers.push(Fingers {
                    closed_m: group.joints.iter().map(closed).sum(),
                    joints: place.joints.clone(),
                });
            }
            // The robot's check has seen to it that each group has one.
            if let Some(controller) = config.groups.get(&group.name) {
                controllers.push(ControllerPlan::new(robot, group, place, controller));
            }
        }
        let joints = layout.joints().iter().cloned();
        Ok(Self {
            wait: Duration::from_secs_f64(config.wait_s),
            joint_index: joints.enumerate().map(|(index, name)| (name, index)).collect(),
            mimics: robot.joints().iter().map(|joint| joint.mimic).collect(),
            config,
            layout,
            fingers,
            controllers,
        })
    }

    /// Where the robot's controllers are: the manager's namespace with a slash at its end, or nothing.
    fn namespace(&self) -> &str {
        let name = &self.config.controller_manager;
        name.rfind('/').map_or("", |end| &name[..=end])
    }

    /// The topic of a controller's set-points. Names here are the robot's, which is why `sinew_bus::names` has none of them.
    pub(crate) fn controller_topic(&self, controller: &ControllerPlan) -> String {
        let ending = match controller.takes {
            Takes::Values(_) => "commands",
            Takes::Trajectory(_) => "joint_trajectory",
            Takes::Twist => "cmd_vel",
        };
        format!("{}{}/{ending}", self.namespace(), controller.name)
    }
}

impl ControllerPlan {
    fn new(
        robot: &RobotModel,
        group: &Group,
        place: &GroupLayout,
        config: &Ros2ControllerConfig,
    ) -> Self {
        let period = Duration::from_secs(1) / group.rw_rate_hz;
        let takes = match config.kind {
            Ros2ControllerKind::ForwardCommand => Takes::Values(match group.command {
                CommandInterface::Velocity => Interface::Velocity,
                CommandInterface::Effort => Interface::Effort,
                _ => Interface::Position,
            }),
            Ros2ControllerKind::JointTrajectory => {
                Takes::Trajectory(config.set_point_s.map_or(2 * period, Duration::from_secs_f64))
            }
            Ros2ControllerKind::DiffDrive => Takes::Twist,
        };
        let travel = |joint: usize| {
            let limits = &robot.joints()[joint].limits;
            limits.upper - limits.lower
        };
        let all: f64 = group.joints.iter().map(|joint| travel(*joint)).sum();
        let axis = |joint: usize| Axis {
            name: robot.joints()[joint].name.clone(),
            joint,
            finger: group.gripper.map(|_| Finger {
                gripper: place.gripper,
                closed: robot.joints()[joint].limits.lower,
                share: travel(joint) / all,
            }),
        };
        let own =
            group.joints.iter().copied().filter(|joint| robot.joints()[*joint].mimic.is_none());
        let axes = match (&config.joints, takes) {
            (_, Takes::Twist) => Vec::new(),
            (Some(names), _) => {
                names.iter().filter_map(|name| robot.joint_index(name).ok()).map(axis).collect()
            }
            (None, _) => own.map(axis).collect(),
        };
        Self { name: config.controller.clone(), group: group.name.clone(), period, takes, axes }
    }
}
