//! Checks the `servo` section against groups and joints.

use std::collections::BTreeMap;

use super::Check;
use crate::config::{CommandInterface, GroupConfig, StopAction};
use crate::error::{RobotError, list};
use crate::servo_config::{ServoConfig, ServoJointConfig, ServoModel, ServoProtocol};
use crate::tree::JointKind;

impl Check<'_> {
    pub(super) fn servo(&self) -> Result<(), RobotError> {
        let Some(servo) = &self.config.servo else { return Ok(()) };
        if servo.port.is_empty() {
            return Err(self.error("servo.port", "``", "the path of a serial port"));
        }
        let rates = servo.protocol.baud_rates();
        if !rates.contains(&servo.baud_rate) {
            let rates: Vec<String> = rates.iter().map(u32::to_string).collect();
            return Err(self.error(
                "servo.baud_rate",
                servo.baud_rate.to_string(),
                rates.join(", "),
            ));
        }
        let mut ids: BTreeMap<u8, &str> = BTreeMap::new();
        for (name, joint) in &servo.joints {
            let field = format!("servo.joints.{name}");
            if let Some(other) = ids.insert(joint.id, name) {
                return Err(self.error(
                    format!("{field}.id"),
                    format!("{} is already that of `{other}`", joint.id),
                    "an id of its own for each servo",
                ));
            }
            self.servo_joint(&field, name, joint, servo.protocol)?;
        }
        self.every_joint_has_a_servo(servo)
    }

    fn servo_joint(
        &self,
        field: &str,
        name: &str,
        servo: &ServoJointConfig,
        protocol: ServoProtocol,
    ) -> Result<(), RobotError> {
        let joint = self.joint(field, name)?;
        let owner = self.config.groups.iter().find(|(_, g)| g.joints.iter().any(|j| j == name));
        let Some((group_name, group)) = owner else {
            return Err(self.error(field, "the joint is in no group", "joints of the groups"));
        };
        if joint.mimic.is_some() {
            let value = "the joint mimics another, whose servo moves both";
            return Err(self.error(field, value, "joints that move by themselves"));
        }
        if servo.id > 252 {
            return Err(self.error(format!("{field}.id"), servo.id.to_string(), "0 to 252"));
        }
        if servo.model.protocol() != protocol {
            let speak = ServoModel::ALL.iter().filter(|model| model.protocol() == protocol);
            return Err(self.error(
                format!("{field}.model"),
                format!("`{}` does not speak {}", servo.model.as_str(), protocol.as_str()),
                list(speak.map(|model| model.as_str())),
            ));
        }
        let [lowest, highest] = servo.model.allowed_ticks();
        let [low, high] = servo.range_ticks;
        if low >= high || low < lowest || high > highest {
            return Err(self.error(
                format!("{field}.range_ticks"),
                format!("[{low}, {high}]"),
                format!("a lower, then a higher number, within {lowest} to {highest}"),
            ));
        }
        self.servo_command(group_name, group, protocol)?;
        let is_prismatic = joint.kind == JointKind::Prismatic;
        if is_prismatic != group.gripper.is_some() {
            return Err(self.error(
                field,
                format!("the joint is {} in the group `{group_name}`", joint.kind.as_str()),
                "joints that turn, or the fingers of a gripper",
            ));
        }
        Ok(())
    }

    /// What a servo can be commanded by.
    fn servo_command(
        &self,
        name: &str,
        group: &GroupConfig,
        protocol: ServoProtocol,
    ) -> Result<(), RobotError> {
        let field = format!("groups.{name}.command");
        match (group.command, protocol) {
            (CommandInterface::Position, _)
            | (CommandInterface::Velocity, ServoProtocol::Dynamixel) => {}
            (CommandInterface::Velocity, _) => {
                return Err(self.error(
                    field,
                    format!(
                        "velocity, but {} servos have no watchdog: a wheel would turn on when the bus is lost",
                        protocol.as_str()
                    ),
                    "position",
                ));
            }
            (other, _) => {
                return Err(self.error(
                    field,
                    format!("{other:?} of a group that servos move"),
                    "position; velocity with protocol dynamixel",
                ));
            }
        }
        if group.command == CommandInterface::Position && group.stop.action == StopAction::Damp {
            return Err(self.error(
                format!("groups.{name}.stop.action"),
                "damp, but a servo in position mode either holds or has no torque",
                "hold, settle, power_off",
            ));
        }
        if group.gripper.is_some() && protocol == ServoProtocol::FeetechScs {
            return Err(self.error(
                format!("groups.{name}.gripper"),
                "feetech_scs servos have no force limit that can be commanded",
                "a gripper with dynamixel or feetech_sts servos",
            ));
        }
        Ok(())
    }

    fn every_joint_has_a_servo(&self, servo: &ServoConfig) -> Result<(), RobotError> {
        for group in self.config.groups.values() {
            for name in &group.joints {
                let mimics = self.joint("groups", name)?.mimic.is_some();
                if !mimics && !servo.joints.contains_key(name) {
                    return Err(self.error(
                        format!("servo.joints.{name}"),
                        "missing",
                        "one servo for each joint of the groups that does not mimic another",
                    ));
                }
            }
        }
        Ok(())
    }
}
