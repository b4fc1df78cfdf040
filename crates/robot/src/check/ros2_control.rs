//! Checks the `ros2_control` section against groups and joints.

use std::collections::BTreeMap;

use super::Check;
use crate::config::{BaseConfig, CommandInterface, GroupConfig, StopAction};
use crate::error::{RobotError, list};
use crate::ros2_control_config::{Ros2ControlConfig, Ros2ControllerConfig, Ros2ControllerKind};

impl Check<'_> {
    pub(super) fn ros2_control(&self) -> Result<(), RobotError> {
        let Some(config) = &self.config.ros2_control else { return Ok(()) };
        self.ros_name("ros2_control.controller_manager", &config.controller_manager)?;
        self.ros_name("ros2_control.joint_states", &config.joint_states)?;
        if let Some(odom) = &config.odom {
            self.ros_name("ros2_control.odom", odom)?;
            if self.config.base == BaseConfig::Fixed {
                let value = format!("`{odom}`, but the robot's base is fixed");
                return Err(self.error("ros2_control.odom", value, "none for a base of this kind"));
            }
        }
        if let Some(imu) = &config.imu {
            self.ros_name("ros2_control.imu", imu)?;
            if self.config.sensors.imu.is_none() {
                let value = format!("`{imu}`, but `sensors.imu` does not say where the IMU is");
                return Err(self.error("ros2_control.imu", value, "a topic beside `sensors.imu`"));
            }
        }
        if !(0.1..=120.0).contains(&config.wait_s) {
            let value = config.wait_s.to_string();
            return Err(self.error("ros2_control.wait_s", value, "0.1 to 120"));
        }
        self.every_group_has_a_controller(config)?;
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, controller) in &config.groups {
            let field = format!("ros2_control.groups.{name}");
            let Some(group) = self.config.groups.get(name) else {
                let known = list(self.config.groups.keys().map(String::as_str));
                return Err(self.error(&field, format!("`{name}` is not a group"), known));
            };
            if !is_token(&controller.controller) {
                return Err(self.error(
                    format!("{field}.controller"),
                    format!("`{}`", controller.controller),
                    "the name of a controller: letters, digits and _, no digit first",
                ));
            }
            if let Some(owner) = owners.insert(&controller.controller, name) {
                return Err(self.error(
                    format!("{field}.controller"),
                    format!("`{}` is already that of `{owner}`", controller.controller),
                    "a controller of its own for each group",
                ));
            }
            self.controller(&field, name, group, controller)?;
        }
        Ok(())
    }

    fn ros_name(&self, field: &str, name: &str) -> Result<(), RobotError> {
        let relative = name.strip_prefix('/').unwrap_or(name);
        if relative.split('/').all(is_token) {
            return Ok(());
        }
        let allowed = "letters, digits and _ (no digit first), joined by single slashes";
        Err(self.error(field, format!("`{name}`"), allowed))
    }

    fn every_group_has_a_controller(&self, config: &Ros2ControlConfig) -> Result<(), RobotError> {
        match self.config.groups.keys().find(|name| !config.groups.contains_key(*name)) {
            Some(name) => Err(self.error(
                format!("ros2_control.groups.{name}"),
                "missing",
                "a controller for each group of the robot",
            )),
            None => Ok(()),
        }
    }

    fn controller(
        &self,
        field: &str,
        name: &str,
        group: &GroupConfig,
        controller: &Ros2ControllerConfig,
    ) -> Result<(), RobotError> {
        use CommandInterface::{Effort, Impedance, Position, Twist, Velocity};
        let fitting: &[Ros2ControllerKind] = match group.command {
            Position => &[Ros2ControllerKind::JointTrajectory, Ros2ControllerKind::ForwardCommand],
            Velocity | Effort => &[Ros2ControllerKind::ForwardCommand],
            Twist if matches!(self.config.base, BaseConfig::PlanarDiffDrive(_)) => {
                &[Ros2ControllerKind::DiffDrive]
            }
            Twist | Impedance => &[],
        };
        if fitting.is_empty() {
            return Err(self.error(
                format!("groups.{name}.command"),
                format!("{:?} of a group that ros2_control moves", group.command),
                "position, velocity, effort; twist with base planar_diff_drive",
            ));
        }
        if !fitting.contains(&controller.kind) {
            return Err(self.error(
                format!("{field}.kind"),
                format!(
                    "{}, but the group is commanded by {:?}",
                    controller.kind.as_str(),
                    group.command
                ),
                list(fitting.iter().map(|kind| kind.as_str())),
            ));
        }
        self.controller_joints(field, group, controller)?;
        if let Some(seconds) = controller.set_point_s {
            if controller.kind != Ros2ControllerKind::JointTrajectory {
                let value = format!("{seconds} for kind {}", controller.kind.as_str());
                let allowed = "only for kind joint_trajectory";
                return Err(self.error(format!("{field}.set_point_s"), value, allowed));
            }
            if !(seconds > 0.0 && seconds <= 1.0) {
                let value = seconds.to_string();
                return Err(self.error(format!("{field}.set_point_s"), value, "above 0 up to 1"));
            }
        }
        self.controller_stop(name, group)
    }

    fn controller_joints(
        &self,
        field: &str,
        group: &GroupConfig,
        controller: &Ros2ControllerConfig,
    ) -> Result<(), RobotError> {
        let Some(joints) = &controller.joints else { return Ok(()) };
        let field = format!("{field}.joints");
        if controller.kind != Ros2ControllerKind::ForwardCommand {
            let value = format!("given for kind {}", controller.kind.as_str());
            return Err(self.error(field, value, "only for kind forward_command"));
        }
        let mut own = Vec::new();
        for name in &group.joints {
            if self.joint(&field, name)?.mimic.is_none() {
                own.push(name.as_str());
            }
        }
        let is_each_once = joints.len() == own.len()
            && own.iter().all(|name| joints.iter().any(|joint| joint == name));
        if !is_each_once {
            let value = list(joints.iter().map(String::as_str));
            let allowed = format!("each of these once: {}", list(own));
            return Err(self.error(field, value, allowed));
        }
        Ok(())
    }

    /// A controller takes set-points and nothing else: what it cannot be told is not promised.
    fn controller_stop(&self, name: &str, group: &GroupConfig) -> Result<(), RobotError> {
        let stop = &group.stop;
        let steps = [
            ("", stop.protective_stop()),
            ("fault.", stop.in_fault()),
            ("e_stop.", stop.in_e_stop()),
        ];
        for (prefix, step) in steps {
            for (key, action) in [("action", Some(step.action)), ("then", step.then)] {
                let (value, allowed) = match (action, group.command) {
                    (Some(StopAction::Damp), CommandInterface::Effort) => {
                        ("damp, but the controller takes efforts only", "power_off: no effort")
                    }
                    (Some(StopAction::Damp), _) => {
                        ("damp, but the controller either follows or holds", "hold, settle")
                    }
                    (Some(StopAction::PowerOff), command)
                        if command != CommandInterface::Effort =>
                    {
                        (
                            "power_off, but the controller holds what it was told last",
                            "hold, settle",
                        )
                    }
                    _ => continue,
                };
                let field = format!("groups.{name}.stop.{prefix}{key}");
                return Err(self.error(field, value, allowed));
            }
        }
        Ok(())
    }
}

/// One part of a ROS name.
fn is_token(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
