//! What a command says to one group.

use std::time::Duration;

use sinew_types::{ActuatorCommand, GripperCommand, Time};

use super::Group;
use crate::config::GroupLimits;
use crate::refusal::CommandRefusal;

impl Group {
    /// Whether the command says anything to this group, and whether it may.
    pub(crate) fn check(&self, command: &ActuatorCommand) -> Result<bool, CommandRefusal> {
        match &self.config.limits {
            GroupLimits::Twist(_) => match command.base {
                None => Ok(false),
                Some(twist)
                    if [twist.linear_x, twist.linear_y, twist.angular_z]
                        .iter()
                        .all(|v| v.is_finite()) =>
                {
                    Ok(true)
                }
                Some(_) => Err(CommandRefusal::NotFinite),
            },
            GroupLimits::Gripper { .. } => {
                let GripperCommand { width_m, max_force_n } = command.grippers[self.layout.gripper];
                if width_m.is_infinite() || max_force_n.is_infinite() || max_force_n < 0.0 {
                    return Err(CommandRefusal::NotFinite);
                }
                // A force without a width would be followed by nothing.
                if width_m.is_nan() && !max_force_n.is_nan() {
                    return Err(CommandRefusal::NotFinite);
                }
                Ok(!width_m.is_nan())
            }
            limits => self.check_joints(limits, command),
        }
    }

    fn check_joints(
        &self,
        limits: &GroupLimits,
        command: &ActuatorCommand,
    ) -> Result<bool, CommandRefusal> {
        // Per interface: needed (true), allowed beside it, or not of this group.
        let [position, velocity, effort, gains] = match limits {
            GroupLimits::Position(_) => [Some(true), Some(false), None, None],
            GroupLimits::Velocity(_) => [None, Some(true), None, None],
            GroupLimits::Effort(_) => [None, None, Some(true), None],
            _ => [Some(true); 4],
        };
        let mut used = 0;
        for index in &self.layout.joints {
            let joint = &command.joints[*index];
            if !joint.is_used() {
                continue;
            }
            used += 1;
            let values = [
                (joint.position, position),
                (joint.velocity, velocity),
                (joint.effort, effort),
                (joint.kp, gains),
                (joint.kd, gains),
            ];
            for (value, interface) in values {
                match interface {
                    _ if value.is_infinite() => return Err(CommandRefusal::NotFinite),
                    None if !value.is_nan() => return Err(CommandRefusal::Interface),
                    Some(true) if value.is_nan() => return Err(CommandRefusal::NotFinite),
                    _ => {}
                }
            }
            if joint.kp < 0.0 || joint.kd < 0.0 {
                return Err(CommandRefusal::NotFinite);
            }
        }
        match used {
            0 => Ok(false),
            // NaN in one joint's place looks like a joint that is left out.
            n if n < self.layout.joints.len() => Err(CommandRefusal::NotFinite),
            _ => Ok(true),
        }
    }

    /// Takes the targets of a command that was checked.
    pub(crate) fn accept(&mut self, command: &ActuatorCommand, now: Time, period: Duration) {
        self.commanded = true;
        self.received = now;
        self.command_period = period;
        self.from.copy_from_slice(&self.target);
        match &self.config.limits {
            GroupLimits::Position(_) => {
                for (i, index) in self.layout.joints.iter().enumerate() {
                    self.to[i] = command.joints[*index].position;
                    self.feed_forward[i] = command.joints[*index].velocity;
                }
            }
            GroupLimits::Velocity(_) => {
                for (i, index) in self.layout.joints.iter().enumerate() {
                    self.to[i] = command.joints[*index].velocity;
                }
            }
            GroupLimits::Effort(_) | GroupLimits::Impedance(_) => {
                for (i, index) in self.layout.joints.iter().enumerate() {
                    self.torque[i] = command.joints[*index];
                }
            }
            GroupLimits::Twist(_) => {
                if let Some(twist) = command.base {
                    self.to[0] = twist.linear_x;
                    self.to[1] = twist.angular_z;
                    // A differential drive cannot go sideways.
                    self.clamps.velocity += u64::from(twist.linear_y != 0.0);
                }
            }
            GroupLimits::Gripper { .. } => {
                let gripper = command.grippers[self.layout.gripper];
                self.to[0] = gripper.width_m;
                self.max_force_n = gripper.max_force_n;
            }
        }
    }
}
