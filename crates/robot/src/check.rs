//! Checks a robot YAML against the body that it describes.

mod monitor;
mod ros2_control;
mod servo;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::config::{
    BaseConfig, CommandInterface, DiffDriveConfig, FallbackConfig, GroupConfig, LimitProfile,
    RobotConfig, StopAction,
};
use crate::error::{RobotError, list};
use crate::tree::{Joint, JointKind, JointLimits, Tree};

/// Checks all of a robot YAML.
pub(crate) fn config(path: &Path, config: &RobotConfig, tree: &Tree) -> Result<(), RobotError> {
    let check = Check { path, config, tree };
    check.top()?;
    check.joint_limits()?;
    check.groups()?;
    check.base()?;
    check.fallback()?;
    check.servo()?;
    check.ros2_control()?;
    check.sensors()?;
    check.monitor()
}

struct Check<'a> {
    path: &'a Path,
    config: &'a RobotConfig,
    tree: &'a Tree,
}

impl Check<'_> {
    fn error(
        &self,
        field: impl Into<String>,
        value: impl Into<String>,
        allowed: impl Into<String>,
    ) -> RobotError {
        RobotError::Field {
            path: self.path.to_owned(),
            field: field.into(),
            value: value.into(),
            allowed: allowed.into(),
        }
    }

    fn positive(&self, field: &str, name: &str, value: f64) -> Result<(), RobotError> {
        if value > 0.0 && value.is_finite() {
            return Ok(());
        }
        Err(self.error(format!("{field}.{name}"), value.to_string(), "a finite number above 0"))
    }

    fn share(&self, field: &str, name: &str, value: f64) -> Result<(), RobotError> {
        if value > 0.0 && value <= 1.0 {
            return Ok(());
        }
        Err(self.error(format!("{field}.{name}"), value.to_string(), "above 0 up to 1"))
    }

    fn joint(&self, field: impl Into<String>, name: &str) -> Result<&Joint, RobotError> {
        self.tree.joints.iter().find(|joint| joint.name == name).ok_or_else(|| {
            self.error(
                field,
                format!("`{name}` is not a moving joint of the robot"),
                list(self.tree.joints.iter().map(|joint| joint.name.as_str())),
            )
        })
    }

    fn frame(&self, field: impl Into<String>, name: &str) -> Result<(), RobotError> {
        if self.tree.links.iter().any(|link| link.name == name) {
            return Ok(());
        }
        let known = list(self.tree.links.iter().map(|link| link.name.as_str()));
        Err(self.error(field, format!("`{name}` is not a frame of the robot"), known))
    }

    fn top(&self) -> Result<(), RobotError> {
        let config = self.config;
        let mut characters = config.name.chars();
        let plain = characters.next().is_some_and(|first| first.is_ascii_lowercase())
            && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !plain {
            return Err(self.error(
                "name",
                format!("`{}`", config.name),
                "a lower-case letter, then lower-case letters, digits, _",
            ));
        }
        if !(1..=1000).contains(&config.control_rate_hz) {
            return Err(self.error(
                "control_rate_hz",
                config.control_rate_hz.to_string(),
                "1 to 1000",
            ));
        }
        if let Some(timeout) = config.remote_e_stop_timeout_s
            && !(0.1..=5.0).contains(&timeout)
        {
            return Err(self.error("remote_e_stop_timeout_s", timeout.to_string(), "0.1 to 5"));
        }
        if config.groups.is_empty() {
            return Err(self.error("groups", "none", "one group or more"));
        }
        for (index, link) in config.frictionless_links.iter().enumerate() {
            self.frame(format!("frictionless_links[{index}]"), link)?;
        }
        Ok(())
    }

    fn joint_limits(&self) -> Result<(), RobotError> {
        for (name, limits) in &self.config.joint_limits {
            let field = format!("joint_limits.{name}");
            let joint = self.joint(&field, name)?;
            for (key, value) in
                [("max_velocity", limits.max_velocity), ("max_effort", limits.max_effort)]
            {
                if let Some(value) = value {
                    self.positive(&field, key, value)?;
                }
            }
            for (key, value) in [("lower", limits.lower), ("upper", limits.upper)] {
                let Some(value) = value else { continue };
                if joint.kind == JointKind::Continuous || !joint.limits.contains(value) {
                    return Err(self.error(
                        format!("{field}.{key}"),
                        value.to_string(),
                        range(joint),
                    ));
                }
            }
            let JointLimits { lower, upper, .. } = self.limits(joint);
            if lower >= upper {
                return Err(self.error(
                    &field,
                    format!("lower {lower} is not below upper {upper}"),
                    range(joint),
                ));
            }
        }
        Ok(())
    }

    /// A joint's limits after narrowing.
    fn limits(&self, joint: &Joint) -> JointLimits {
        let mut limits = joint.limits;
        if let Some(narrower) = self.config.joint_limits.get(&joint.name) {
            limits.lower = narrower.lower.unwrap_or(limits.lower);
            limits.upper = narrower.upper.unwrap_or(limits.upper);
            limits.max_velocity = narrower
                .max_velocity
                .map_or(limits.max_velocity, |value| value.min(limits.max_velocity));
            limits.max_effort =
                narrower.max_effort.map_or(limits.max_effort, |value| value.min(limits.max_effort));
        }
        limits
    }

    fn groups(&self) -> Result<(), RobotError> {
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, group) in &self.config.groups {
            let field = format!("groups.{name}");
            if group.joints.is_empty() && group.command != CommandInterface::Twist {
                return Err(self.error(format!("{field}.joints"), "none", "one joint or more"));
            }
            for joint in &group.joints {
                self.joint(format!("{field}.joints"), joint)?;
                if let Some(owner) = owners.insert(joint, name) {
                    return Err(self.error(
                        format!("{field}.joints"),
                        format!("`{joint}` is already in the group `{owner}`"),
                        "each joint in one group, once",
                    ));
                }
            }
            let rate = group.rw_rate_hz;
            if rate == 0 || !self.config.control_rate_hz.is_multiple_of(rate) {
                let allowed = format!(
                    "a divisor of control_rate_hz, which is {}",
                    self.config.control_rate_hz
                );
                return Err(self.error(format!("{field}.rw_rate_hz"), rate.to_string(), allowed));
            }
            self.limit_profile(&field, group)?;
            self.chain(&field, group)?;
            self.gripper(&field, group)?;
            self.configurations(&field, group)?;
        }
        Ok(())
    }

    fn limit_profile(&self, field: &str, group: &GroupConfig) -> Result<(), RobotError> {
        let limits = format!("{field}.limits");
        let (profile, commands): (&str, &[CommandInterface]) = match &group.limits {
            LimitProfile::Trajectory(limit) => {
                let field = format!("{limits}.trajectory");
                self.share(&field, "velocity_scale", limit.velocity_scale)?;
                self.positive(&field, "max_acceleration", limit.max_acceleration)?;
                self.positive(&field, "max_jerk", limit.max_jerk)?;
                ("trajectory", &[CommandInterface::Position, CommandInterface::Velocity])
            }
            LimitProfile::Impedance(limit) => {
                let field = format!("{limits}.impedance");
                self.share(&field, "effort_scale", limit.effort_scale)?;
                self.positive(&field, "max_velocity", limit.max_velocity)?;
                if !(limit.position_margin >= 0.0 && limit.position_margin.is_finite()) {
                    let value = limit.position_margin.to_string();
                    return Err(self.error(format!("{field}.position_margin"), value, "0 or more"));
                }
                ("impedance", &[CommandInterface::Impedance, CommandInterface::Effort])
            }
            LimitProfile::Twist(limit) => {
                let field = format!("{limits}.twist");
                self.positive(&field, "max_linear_m_s", limit.max_linear_m_s)?;
                self.positive(&field, "max_angular_rad_s", limit.max_angular_rad_s)?;
                self.positive(
                    &field,
                    "max_linear_acceleration_m_s2",
                    limit.max_linear_acceleration_m_s2,
                )?;
                self.positive(
                    &field,
                    "max_angular_acceleration_rad_s2",
                    limit.max_angular_acceleration_rad_s2,
                )?;
                ("twist", &[CommandInterface::Twist])
            }
        };
        if !commands.contains(&group.command) {
            let allowed = match group.command {
                CommandInterface::Position | CommandInterface::Velocity => "trajectory",
                CommandInterface::Impedance | CommandInterface::Effort => "impedance",
                CommandInterface::Twist => "twist",
            };
            return Err(self.error(
                limits,
                format!("`{profile}` for the command interface {:?}", group.command),
                allowed,
            ));
        }
        for name in &group.joints {
            let joint = self.joint(field, name)?;
            let JointLimits { max_velocity, max_effort, .. } = self.limits(joint);
            let missing = match profile {
                "impedance" => (!max_effort.is_finite()).then_some("max_effort"),
                _ => (!max_velocity.is_finite()).then_some("max_velocity"),
            };
            if let Some(missing) = missing {
                return Err(self.error(
                    format!("joint_limits.{name}.{missing}"),
                    format!("missing, here and in the robot's body, but `{profile}` needs it"),
                    "a finite number above 0",
                ));
            }
        }
        Ok(())
    }

    fn chain(&self, field: &str, group: &GroupConfig) -> Result<(), RobotError> {
        let Some(chain) = &group.chain else { return Ok(()) };
        self.frame(format!("{field}.chain.base_frame"), &chain.base_frame)?;
        self.frame(format!("{field}.chain.tool_frame"), &chain.tool_frame)?;
        let links = &self.tree.links;
        let mut joints = Vec::new();
        let mut current = links.iter().find(|link| link.name == chain.tool_frame);
        while let Some(link) = current
            && link.name != chain.base_frame
        {
            joints.extend(self.tree.joints[link.joints.clone()].iter().rev());
            current = link.parent.map(|parent| &links[parent]);
        }
        if current.is_none() {
            let value =
                format!("`{}` is not an ancestor of `{}`", chain.base_frame, chain.tool_frame);
            return Err(self.error(
                format!("{field}.chain"),
                value,
                "a base_frame above the tool_frame",
            ));
        }
        joints.reverse();
        if !joints.iter().map(|joint| &joint.name).eq(&group.joints) {
            return Err(self.error(
                format!("{field}.joints"),
                format!("[{}] are not the joints of the chain", group.joints.join(", ")),
                format!("[{}]", list(joints.iter().map(|joint| joint.name.as_str()))),
            ));
        }
        if let Some(joint) = joints.iter().find(|joint| joint.mimic.is_some()) {
            return Err(self.error(
                format!("{field}.chain"),
                format!("`{}` mimics another joint", joint.name),
                "joints that move by themselves",
            ));
        }
        Ok(())
    }

    fn gripper(&self, field: &str, group: &GroupConfig) -> Result<(), RobotError> {
        let Some(gripper) = &group.gripper else { return Ok(()) };
        let field = format!("{field}.gripper");
        self.positive(&field, "max_width_m", gripper.max_width_m)?;
        self.positive(&field, "max_force_n", gripper.max_force_n)?;
        if !(gripper.tip_beyond_tool_m >= 0.0 && gripper.tip_beyond_tool_m.is_finite()) {
            return Err(self.error(
                format!("{field}.tip_beyond_tool_m"),
                gripper.tip_beyond_tool_m.to_string(),
                "0 or more",
            ));
        }
        let mut opening = 0.0;
        let mut effort = f64::INFINITY;
        for name in &group.joints {
            let joint = self.joint(format!("{field}.joints"), name)?;
            if joint.kind != JointKind::Prismatic {
                let value = format!("the group's joint `{name}` is {}", joint.kind.as_str());
                return Err(self.error(field, value, "prismatic finger joints"));
            }
            opening += self.limits(joint).upper - self.limits(joint).lower;
            effort = effort.min(self.limits(joint).max_effort);
        }
        if gripper.max_width_m > opening + 1e-9 {
            return Err(self.error(
                format!("{field}.max_width_m"),
                gripper.max_width_m.to_string(),
                format!("up to {opening}, the fingers' travel"),
            ));
        }
        if gripper.max_force_n > effort + 1e-9 {
            return Err(self.error(
                format!("{field}.max_force_n"),
                gripper.max_force_n.to_string(),
                format!("up to {effort}, the fingers' effort limit"),
            ));
        }
        Ok(())
    }

    fn configurations(&self, field: &str, group: &GroupConfig) -> Result<(), RobotError> {
        let joints: BTreeSet<&String> = group.joints.iter().collect();
        for (name, positions) in &group.configurations {
            let field = format!("{field}.configurations.{name}");
            if !positions.keys().eq(joints.iter().copied()) {
                let value = format!("names [{}]", list(positions.keys().map(String::as_str)));
                return Err(self.error(
                    field,
                    value,
                    format!("exactly [{}]", group.joints.join(", ")),
                ));
            }
            for (name, &position) in positions {
                let field = format!("{field}.{name}");
                let joint = self.joint(&field, name)?;
                let limits = self.limits(joint);
                if !(position.is_finite() && limits.contains(position)) {
                    return Err(self.error(
                        field,
                        position.to_string(),
                        format!("{} to {}", limits.lower, limits.upper),
                    ));
                }
            }
        }
        for (key, action) in group.stop.actions() {
            match action {
                StopAction::Settle { configuration }
                    if !group.configurations.contains_key(configuration) =>
                {
                    let known = list(group.configurations.keys().map(String::as_str));
                    return Err(self.error(
                        format!("{field}.stop.{key}.settle.configuration"),
                        format!("`{configuration}`"),
                        known,
                    ));
                }
                StopAction::Settle { .. } if key.starts_with("fault") => {
                    return Err(self.error(
                        format!("{field}.stop.{key}"),
                        "settle, which needs feedback that is trusted",
                        "hold, damp, power_off",
                    ));
                }
                StopAction::Fallback if self.config.fallback.is_none() => {
                    return Err(self.error(
                        format!("{field}.stop.{key}"),
                        "fallback, but the file names no controller under `fallback`",
                        "hold, damp, settle, power_off; or add `fallback`",
                    ));
                }
                StopAction::Fallback if key != "action" => {
                    return Err(self.error(
                        format!("{field}.stop.{key}"),
                        "fallback",
                        "hold, damp, settle, power_off; fallback in `action` alone",
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn fallback(&self) -> Result<(), RobotError> {
        let balance = match &self.config.fallback {
            None => return Ok(()),
            // The rest is checked against the policy when it is loaded.
            Some(FallbackConfig::Policy(policy)) if policy.velocity_command.is_empty() => {
                return Err(self.error(
                    "fallback.policy.velocity_command",
                    "``",
                    "the name of a command of the policy",
                ));
            }
            Some(FallbackConfig::Policy(_)) => return Ok(()),
            Some(FallbackConfig::TwoWheelBalance(balance)) => balance,
        };
        let field = "fallback.two_wheel_balance";
        for (key, name) in [
            ("left_wheel_joint", &balance.left_wheel_joint),
            ("right_wheel_joint", &balance.right_wheel_joint),
        ] {
            self.joint(format!("{field}.{key}"), name)?;
            let by_effort = self.config.groups.values().any(|group| {
                group.joints.contains(name) && group.command == CommandInterface::Effort
            });
            if !by_effort {
                return Err(self.error(
                    format!("{field}.{key}"),
                    format!("`{name}`"),
                    "a joint of a group that is commanded by effort",
                ));
            }
        }
        self.positive(field, "wheel_radius_m", balance.wheel_radius_m)?;
        self.positive(field, "wheel_separation_m", balance.wheel_separation_m)?;
        self.positive(field, "max_pitch_rad", balance.max_pitch_rad)?;
        for (key, value) in [
            ("distance_gain_n", balance.distance_gain_n),
            ("speed_gain_n_s", balance.speed_gain_n_s),
            ("pitch_gain_n_m", balance.pitch_gain_n_m),
            ("pitch_rate_gain_n_m_s", balance.pitch_rate_gain_n_m_s),
            ("yaw_rate_gain_n_m_s", balance.yaw_rate_gain_n_m_s),
            ("balanced_pitch_rad", balance.balanced_pitch_rad),
        ] {
            if !value.is_finite() {
                return Err(self.error(format!("{field}.{key}"), value.to_string(), "a number"));
            }
        }
        if self.config.sensors.imu.is_none() {
            return Err(self.error(
                "sensors.imu",
                "none",
                "one, which the fallback controller needs",
            ));
        }
        Ok(())
    }

    fn base(&self) -> Result<(), RobotError> {
        let twist: Vec<(&String, &GroupConfig)> = self
            .config
            .groups
            .iter()
            .filter(|(_, group)| group.command == CommandInterface::Twist)
            .collect();
        if self.tree.free_root && self.config.base != BaseConfig::Floating {
            return Err(self.error("base", "the robot's root has a free joint", "floating"));
        }
        match &self.config.base {
            BaseConfig::PlanarDiffDrive(drive) => self.diff_drive(drive, &twist),
            BaseConfig::Floating => match twist[..] {
                [] => Ok(()),
                [(_, group)] if group.joints.is_empty() => Ok(()),
                [(name, group)] => Err(self.error(
                    format!("groups.{name}.joints"),
                    format!("[{}] with the command interface twist", group.joints.join(", ")),
                    "none: on a floating base a twist is a reference for the controller",
                )),
                _ => Err(self.error(
                    "groups",
                    format!("{} groups with the command interface twist", twist.len()),
                    "one, without joints",
                )),
            },
            BaseConfig::Fixed => match twist[..] {
                [] => Ok(()),
                [(name, _), ..] => Err(self.error(
                    format!("groups.{name}.command"),
                    "twist, but the base has no wheels",
                    "position, velocity, effort, impedance",
                )),
            },
        }
    }

    fn diff_drive(
        &self,
        drive: &DiffDriveConfig,
        twist: &[(&String, &GroupConfig)],
    ) -> Result<(), RobotError> {
        let field = "base.planar_diff_drive";
        self.positive(field, "wheel_radius_m", drive.wheel_radius_m)?;
        self.positive(field, "wheel_separation_m", drive.wheel_separation_m)?;
        self.positive(field, "footprint_radius_m", drive.footprint_radius_m)?;
        self.positive(field, "tucked_radius_m", drive.tucked_radius_m)?;
        if drive.tucked_radius_m < drive.footprint_radius_m {
            let allowed =
                format!("footprint_radius_m, which is {}, or more", drive.footprint_radius_m);
            return Err(self.error(
                format!("{field}.tucked_radius_m"),
                drive.tucked_radius_m.to_string(),
                allowed,
            ));
        }
        let wheels = [
            ("left_wheel_joint", &drive.left_wheel_joint),
            ("right_wheel_joint", &drive.right_wheel_joint),
        ];
        for (key, name) in wheels {
            let joint = self.joint(format!("{field}.{key}"), name)?;
            if joint.kind != JointKind::Continuous {
                return Err(self.error(
                    format!("{field}.{key}"),
                    format!("`{name}` is {}", joint.kind.as_str()),
                    "a continuous joint",
                ));
            }
        }
        let expected: BTreeSet<&String> = wheels.iter().map(|(_, name)| *name).collect();
        match twist {
            [(_, group)] if group.joints.iter().collect::<BTreeSet<_>>() == expected => Ok(()),
            [(name, group)] => Err(self.error(
                format!("groups.{name}.joints"),
                format!("[{}] with the command interface twist", group.joints.join(", ")),
                format!(
                    "[{}, {}], the wheels of the base",
                    drive.left_wheel_joint, drive.right_wheel_joint
                ),
            )),
            groups => Err(self.error(
                "groups",
                format!("{} groups with the command interface twist", groups.len()),
                "one, of both wheels",
            )),
        }
    }

    fn sensors(&self) -> Result<(), RobotError> {
        let sensors = &self.config.sensors;
        if let Some(imu) = &sensors.imu {
            self.frame("sensors.imu.frame", &imu.frame)?;
        }
        let mut names = BTreeSet::new();
        for (index, camera) in sensors.cameras.iter().enumerate() {
            let field = format!("sensors.cameras[{index}]");
            if camera.name.is_empty() || !names.insert(&camera.name) {
                return Err(self.error(
                    format!("{field}.name"),
                    format!("`{}`", camera.name),
                    "a name of its own for each camera",
                ));
            }
            self.frame(format!("{field}.optical_frame"), &camera.optical_frame)?;
            for (key, value) in [("width_px", camera.width_px), ("height_px", camera.height_px)] {
                if !(16..=4096).contains(&value) {
                    return Err(self.error(
                        format!("{field}.{key}"),
                        value.to_string(),
                        "16 to 4096",
                    ));
                }
            }
            if !(camera.fov_y_rad > 0.0 && camera.fov_y_rad < std::f64::consts::PI) {
                return Err(self.error(
                    format!("{field}.fov_y_rad"),
                    camera.fov_y_rad.to_string(),
                    "above 0 and below pi",
                ));
            }
        }
        Ok(())
    }
}

fn range(joint: &Joint) -> String {
    match joint.kind {
        JointKind::Continuous => "no position limit: the joint is continuous".to_owned(),
        _ => format!(
            "within the joint's own limits, {} to {}",
            joint.limits.lower, joint.limits.upper
        ),
    }
}
