use sinew_robot::{CommandInterface, JointLimits, LimitProfile, RobotError, RobotModel};
use sinew_types::{ActuatorCommand, JointCommand, RobotState};

use crate::set_points::SetPoints;

/// A target runs ahead of the measured position by no more than this, rad or m: an arm that is held
/// back does not jump once it is free.
const LEASH: f64 = 0.2;

/// Set-points of a group's joints that move on by velocities.
pub(crate) struct JointTargets {
    /// Indices into the layout.
    joints: Vec<usize>,
    limits: Vec<JointLimits>,
    /// Largest speed per joint that the group's profile allows.
    max_velocity: Vec<f64>,
    velocity_scale: f64,
    max_acceleration: f64,
    by_velocity: bool,
    position: Vec<f64>,
    velocity: Vec<f64>,
}

/// Why a group cannot be moved joint by joint.
pub(crate) enum Unsuitable {
    Robot(RobotError),
    Interface(CommandInterface),
}

impl From<RobotError> for Unsuitable {
    fn from(error: RobotError) -> Self {
        Self::Robot(error)
    }
}

impl JointTargets {
    pub(crate) fn new(robot: &RobotModel, group: &str) -> Result<Self, Unsuitable> {
        let group = robot.group(group)?;
        let by_velocity = match group.command {
            CommandInterface::Position if group.gripper.is_none() => false,
            CommandInterface::Velocity => true,
            other => return Err(Unsuitable::Interface(other)),
        };
        let LimitProfile::Trajectory(profile) = group.limits else {
            return Err(Unsuitable::Interface(group.command));
        };
        let limits: Vec<_> =
            group.joints.iter().map(|joint| robot.joints()[*joint].limits).collect();
        Ok(Self {
            max_velocity: limits.iter().map(|l| l.max_velocity * profile.velocity_scale).collect(),
            velocity_scale: profile.velocity_scale,
            max_acceleration: profile.max_acceleration,
            by_velocity,
            position: vec![0.0; limits.len()],
            velocity: vec![0.0; limits.len()],
            joints: group.joints.clone(),
            limits,
        })
    }

    pub(crate) fn joints(&self) -> &[usize] {
        &self.joints
    }

    /// rad or m, in the order of the group.
    pub(crate) fn positions(&self) -> &[f64] {
        &self.position
    }

    pub(crate) fn limits(&self) -> &[JointLimits] {
        &self.limits
    }

    /// rad/s or m/s, in the order of the group.
    pub(crate) fn max_velocity(&self) -> &[f64] {
        &self.max_velocity
    }

    /// The share of the joints' own limits that the group's profile allows, 0 to 1.
    pub(crate) fn velocity_scale(&self) -> f64 {
        self.velocity_scale
    }

    /// The speed from which braking ends within this distance, rad/s or m/s.
    pub(crate) fn braking_speed(&self, distance: f64) -> f64 {
        (2.0 * self.max_acceleration * distance.abs()).sqrt()
    }

    /// From where the joints are commanded to be, at the speed at which they move.
    pub(crate) fn start(&mut self, robot: &RobotState, last: &SetPoints) {
        for (i, joint) in self.joints.iter().enumerate() {
            self.position[i] = last.position(*joint, robot);
            self.velocity[i] = robot.joints[*joint].velocity;
        }
    }

    /// Moves on by one step of `dt` seconds towards these velocities, within the group's limits.
    pub(crate) fn advance(&mut self, wanted: &[f64], dt: f64, robot: &RobotState) {
        for (i, wanted) in wanted.iter().enumerate() {
            let change = self.max_acceleration * dt;
            let last = self.velocity[i];
            let wanted = wanted.clamp(-self.max_velocity[i], self.max_velocity[i]);
            let velocity = wanted.clamp(last - change, last + change);
            let measured = robot.joints[self.joints[i]].position;
            if self.by_velocity {
                (self.position[i], self.velocity[i]) = (measured, velocity);
                continue;
            }
            let limits = &self.limits[i];
            let next = (self.position[i] + velocity * dt)
                .clamp(measured - LEASH, measured + LEASH)
                // An arm that starts beyond an end may stay there, and only go back.
                .max(limits.lower.min(self.position[i]))
                .min(limits.upper.max(self.position[i]));
            // What a limit or the leash takes away is no speed either.
            self.velocity[i] = if (next - self.position[i] - velocity * dt).abs() < 1e-12 {
                velocity
            } else {
                0.0
            };
            self.position[i] = next;
        }
    }

    pub(crate) fn write(&self, out: &mut ActuatorCommand) {
        for (i, joint) in self.joints.iter().enumerate() {
            out.joints[*joint] = if self.by_velocity {
                JointCommand { velocity: self.velocity[i], ..JointCommand::UNUSED }
            } else {
                JointCommand::position(self.position[i])
            };
        }
    }
}
