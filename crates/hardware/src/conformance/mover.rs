use sinew_robot::{CommandInterface, RobotModel};
use sinew_types::{ActuatorCommand, GroupKind, JointCommand, Layout, RobotState};

/// Something that moves on command, and is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mover {
    Joint {
        index: usize,
        interface: CommandInterface,
        max_velocity: f64,
        max_effort: f64,
        is_rotary: bool,
        upper: f64,
    },
    Gripper {
        index: usize,
        max_width_m: f64,
    },
    /// Forward motion, measured as speed.
    Base {
        max_linear_m_s: f64,
    },
}

/// Share of a limit that probing uses.
const GENTLE: f64 = 0.25;

impl Mover {
    /// All of a robot, in the order of its groups.
    pub(super) fn all(robot: &RobotModel, layout: &Layout) -> Vec<Self> {
        let mut all = Vec::new();
        for (group, laid_out) in robot.groups().iter().zip(layout.groups()) {
            match (laid_out.kind, group.gripper, &group.limits) {
                (GroupKind::Gripper, Some(gripper), _) => {
                    all.push(Self::Gripper {
                        index: laid_out.gripper,
                        max_width_m: gripper.max_width_m,
                    });
                }
                (GroupKind::Base, _, sinew_robot::LimitProfile::Twist(limits)) => {
                    all.push(Self::Base { max_linear_m_s: limits.max_linear_m_s });
                }
                _ => all.extend(group.joints.iter().map(|index| {
                    let joint = &robot.joints()[*index];
                    Self::Joint {
                        index: *index,
                        interface: group.command,
                        max_velocity: finite_or(joint.limits.max_velocity, 1.0),
                        max_effort: finite_or(joint.limits.max_effort, 1.0),
                        is_rotary: joint.kind.is_rotary(),
                        upper: joint.limits.upper,
                    }
                })),
            }
        }
        all
    }

    /// What it is called, for people.
    pub(super) fn name(&self, layout: &Layout) -> String {
        let group = |wanted: GroupKind, index: usize| {
            let of_kind = layout.groups().iter().filter(|group| group.kind == wanted);
            of_kind.skip(index).map(|group| group.name.clone()).next().unwrap_or_default()
        };
        match self {
            Self::Joint { index, .. } => format!("joint `{}`", layout.joints()[*index]),
            Self::Gripper { index, .. } => {
                format!("gripper `{}`", group(GroupKind::Gripper, *index))
            }
            Self::Base { .. } => format!("base `{}`", group(GroupKind::Base, 0)),
        }
    }

    /// The interface of a joint; none for a gripper or a base.
    pub(super) fn interface(&self) -> Option<CommandInterface> {
        match self {
            Self::Joint { interface, .. } => Some(*interface),
            _ => None,
        }
    }

    /// Whether it goes on moving as long as it is told nothing else.
    pub(super) fn is_moved_by_velocity(&self) -> bool {
        matches!(self, Self::Base { .. }) || self.interface() == Some(CommandInterface::Velocity)
    }

    /// What is measured of it: rad, m, or m/s for a base.
    pub(super) fn measured(&self, state: &RobotState) -> f64 {
        match self {
            Self::Joint { index, .. } => state.joints[*index].position,
            Self::Gripper { index, .. } => state.grippers[*index].width_m,
            Self::Base { .. } => state.base.map_or(0.0, |base| base.linear_velocity.x),
        }
    }

    /// How far it is moved to be seen moving, rad or m, into its range; m/s for a base.
    pub(super) fn distance(&self, from: f64) -> f64 {
        match self {
            Self::Joint { is_rotary, upper, .. } => {
                let distance = if *is_rotary { 0.1 } else { 0.03 };
                if from + distance > *upper { -distance } else { distance }
            }
            Self::Gripper { max_width_m, .. } => {
                let distance = max_width_m / 4.0;
                if from + distance > *max_width_m { -distance } else { distance }
            }
            Self::Base { max_linear_m_s } => max_linear_m_s * GENTLE,
        }
    }

    /// rad/s or m/s at which it is moved.
    pub(super) fn speed(&self) -> f64 {
        match self {
            Self::Joint { max_velocity, is_rotary, .. } => {
                (max_velocity * GENTLE).min(if *is_rotary { 0.4 } else { 0.1 })
            }
            Self::Gripper { .. } => 0.05,
            Self::Base { max_linear_m_s } => max_linear_m_s * GENTLE,
        }
    }

    /// kp and kd with which it is pulled to a target.
    pub(super) fn gains(&self) -> (f64, f64) {
        match self {
            Self::Joint { max_effort, .. } => (max_effort * 5.0, max_effort * 0.5),
            _ => (0.0, 0.0),
        }
    }

    /// Effort that moves it, N·m or N.
    pub(super) fn push_effort(&self) -> f64 {
        match self {
            Self::Joint { max_effort, .. } => max_effort * GENTLE,
            _ => 0.0,
        }
    }

    /// Has it stay at `position`: rad or m.
    pub(super) fn hold(&self, command: &mut ActuatorCommand, position: f64) {
        match self {
            Self::Joint { index, interface, .. } => {
                let (kp, kd) = self.gains();
                command.joints[*index] = match interface {
                    CommandInterface::Velocity => {
                        JointCommand { velocity: 0.0, ..JointCommand::UNUSED }
                    }
                    CommandInterface::Effort => {
                        JointCommand { effort: 0.0, ..JointCommand::UNUSED }
                    }
                    CommandInterface::Impedance => {
                        JointCommand { position, velocity: 0.0, effort: 0.0, kp, kd }
                    }
                    CommandInterface::Position | CommandInterface::Twist => {
                        JointCommand::position(position)
                    }
                };
            }
            Self::Gripper { index, .. } => command.grippers[*index].width_m = position,
            Self::Base { .. } => command.base = Some(sinew_types::BaseTwist::default()),
        }
    }

    /// Has it go from `from` on for so long, by `distance` in all.
    pub(super) fn go(&self, command: &mut ActuatorCommand, from: f64, distance: f64, seconds: f64) {
        let (speed, way) =
            (self.speed().copysign(distance), (self.speed() * seconds).min(distance.abs()));
        match self {
            Self::Joint { index, interface: CommandInterface::Velocity, .. } => {
                let velocity = if way < distance.abs() { speed } else { 0.0 };
                command.joints[*index] = JointCommand { velocity, ..JointCommand::UNUSED };
            }
            Self::Joint { index, interface: CommandInterface::Effort, .. } => {
                let effort = self.push_effort().copysign(distance);
                command.joints[*index] = JointCommand { effort, ..JointCommand::UNUSED };
            }
            Self::Base { .. } => {
                let twist = sinew_types::BaseTwist { linear_x: speed, ..Default::default() };
                command.base = Some(twist);
            }
            _ => self.hold(command, from + way.copysign(distance)),
        }
    }
}

fn finite_or(value: f64, other: f64) -> f64 {
    if value.is_finite() { value } else { other }
}
