//! What the robot file says, as the gate needs it.

use std::time::Duration;

use sinew_robot::{CommandInterface, Group, JointLimits, LimitProfile, RobotModel, StopAction};
use sinew_types::{GroupKind, GroupLayout, Layout};

use crate::config::{
    AxisLimits, BaseLimits, GateConfig, GateGroup, GroupLimits, GroupStop, StopPlan, StopStep,
    Timeouts, TorqueLimits,
};
use crate::error::HardwareError;
use crate::monitor::MonitorConfig;

/// Order of joints and groups of a robot: all joints that move, and all groups, in the model's order.
///
/// # Errors
/// [`HardwareError::Layout`] for two groups that are commanded by twist.
pub fn layout_of(model: &RobotModel) -> Result<Layout, HardwareError> {
    let joints: Vec<String> = model.joints().iter().map(|joint| joint.name.clone()).collect();
    let groups = model
        .groups()
        .iter()
        .map(|group| {
            let kind = match (group.command, group.gripper) {
                (CommandInterface::Twist, _) => GroupKind::Base,
                (_, Some(_)) => GroupKind::Gripper,
                _ => GroupKind::Joints,
            };
            let names = group.joints.iter().map(|index| joints[*index].clone()).collect();
            (group.name.clone(), kind, names)
        })
        .collect();
    Ok(Layout::new(joints, groups)?)
}

impl GateConfig {
    /// Limits, stop profiles, rates and monitors of a robot file, with the default time-outs.
    ///
    /// # Errors
    /// [`HardwareError::Group`] where a profile does not fit the group's command interface,
    /// [`HardwareError::Monitor`] where a monitor does not fit the robot.
    pub fn from_robot(model: &RobotModel) -> Result<Self, HardwareError> {
        let groups = model
            .groups()
            .iter()
            .map(|group| gate_group(model, group))
            .collect::<Result<_, HardwareError>>()?;
        let config = Self {
            layout: layout_of(model)?,
            period: Duration::from_secs(1) / model.control_rate_hz(),
            groups,
            timeouts: Timeouts {
                remote_e_stop: model.config().remote_e_stop_timeout_s.map(Duration::from_secs_f64),
                ..Timeouts::default()
            },
            still_joint_velocity: 0.05,
            monitor: MonitorConfig::from_robot(model)?,
        };
        config.check()?;
        Ok(config)
    }

    /// Whether limits and stop profiles fit the layout.
    pub(crate) fn check(&self) -> Result<(), HardwareError> {
        for (layout, group) in self.layout.groups().iter().zip(&self.groups) {
            check_group(layout, group)?;
        }
        if self.groups.len() != self.layout.groups().len() {
            return Err(refused("*", "groups", self.groups.len(), "one per group of the layout"));
        }
        self.monitor.check(&self.layout)
    }
}

fn refused(
    group: &str,
    field: &'static str,
    actual: impl ToString,
    allowed: impl ToString,
) -> HardwareError {
    HardwareError::Group {
        group: group.to_owned(),
        field,
        actual: actual.to_string(),
        allowed: allowed.to_string(),
    }
}

fn gate_group(model: &RobotModel, group: &Group) -> Result<GateGroup, HardwareError> {
    let joints: Vec<JointLimits> =
        group.joints.iter().map(|index| model.joints()[*index].limits).collect();
    let action = |action: &StopAction| -> Result<GroupStop, HardwareError> {
        Ok(match action {
            StopAction::Hold => GroupStop::Hold,
            StopAction::Damp => GroupStop::Damp,
            StopAction::Fallback => GroupStop::Fallback,
            StopAction::PowerOff => GroupStop::PowerOff,
            StopAction::Settle { configuration } => {
                let positions = group.configurations.get(configuration).ok_or_else(|| {
                    refused(&group.name, "stop.settle", configuration, "one of the configurations")
                })?;
                // The width of a gripper is the way that both fingers are open.
                let is_gripper = group.gripper.is_some();
                GroupStop::Settle(if is_gripper {
                    vec![positions.iter().sum()]
                } else {
                    positions.clone()
                })
            }
        })
    };
    let step = |step: sinew_robot::StopStep| -> Result<StopStep, HardwareError> {
        Ok(StopStep {
            action: action(&step.action)?,
            then: step.then.as_ref().map(action).transpose()?,
        })
    };
    let stop = StopPlan {
        protective_stop: step(group.stop.protective_stop())?,
        fault: step(group.stop.in_fault())?,
        e_stop: step(group.stop.in_e_stop())?,
    };
    Ok(GateGroup {
        limits: group_limits(group, &joints)?,
        stop,
        still_within: group.stop.still_within,
        read_period: Duration::from_secs(1) / group.rw_rate_hz,
    })
}

fn group_limits(group: &Group, joints: &[JointLimits]) -> Result<GroupLimits, HardwareError> {
    let axes = |profile: &sinew_robot::TrajectoryLimits| -> Vec<AxisLimits> {
        joints
            .iter()
            .map(|joint| AxisLimits {
                lower: joint.lower,
                upper: joint.upper,
                max_velocity: joint.max_velocity * profile.velocity_scale,
                max_acceleration: profile.max_acceleration,
                max_jerk: profile.max_jerk,
            })
            .collect()
    };
    let torques = |profile: &sinew_robot::ImpedanceLimits| -> Vec<TorqueLimits> {
        joints
            .iter()
            .map(|joint| TorqueLimits {
                lower: joint.lower + profile.position_margin,
                upper: joint.upper - profile.position_margin,
                max_effort: joint.max_effort * profile.effort_scale,
                max_measured_velocity: profile.max_velocity,
            })
            .collect()
    };
    match (group.command, &group.limits, group.gripper) {
        (CommandInterface::Position, LimitProfile::Trajectory(profile), Some(gripper)) => {
            // Both fingers move: the width changes by their sum.
            let fingers = axes(profile);
            let sum = |of: fn(&AxisLimits) -> f64| fingers.iter().map(of).sum::<f64>();
            Ok(GroupLimits::Gripper {
                width: AxisLimits {
                    lower: 0.0,
                    upper: gripper.max_width_m,
                    max_velocity: sum(|finger| finger.max_velocity),
                    max_acceleration: sum(|finger| finger.max_acceleration),
                    max_jerk: sum(|finger| finger.max_jerk),
                },
                max_force_n: gripper.max_force_n,
            })
        }
        (CommandInterface::Position, LimitProfile::Trajectory(profile), None) => {
            Ok(GroupLimits::Position(axes(profile)))
        }
        (CommandInterface::Velocity, LimitProfile::Trajectory(profile), None) => {
            Ok(GroupLimits::Velocity(axes(profile)))
        }
        (CommandInterface::Effort, LimitProfile::Impedance(profile), None) => {
            Ok(GroupLimits::Effort(torques(profile)))
        }
        (CommandInterface::Impedance, LimitProfile::Impedance(profile), None) => {
            Ok(GroupLimits::Impedance(torques(profile)))
        }
        (CommandInterface::Twist, LimitProfile::Twist(profile), None) => {
            Ok(GroupLimits::Twist(BaseLimits {
                max_linear_m_s: profile.max_linear_m_s,
                max_angular_rad_s: profile.max_angular_rad_s,
                max_linear_acceleration_m_s2: profile.max_linear_acceleration_m_s2,
                max_angular_acceleration_rad_s2: profile.max_angular_acceleration_rad_s2,
            }))
        }
        (command, limits, gripper) => {
            let profile = match limits {
                LimitProfile::Trajectory(_) => "trajectory",
                LimitProfile::Impedance(_) => "impedance",
                LimitProfile::Twist(_) => "twist",
            };
            let what = if gripper.is_some() { " of a gripper" } else { "" };
            Err(refused(
                &group.name,
                "limits",
                format!("{profile} with command {command:?}{what}"),
                "trajectory for position (gripper, too) and velocity, impedance for impedance and \
                 effort, twist for twist",
            ))
        }
    }
}

fn check_group(layout: &GroupLayout, group: &GateGroup) -> Result<(), HardwareError> {
    let name = &layout.name;
    let (per_joint, kind, what) = match &group.limits {
        GroupLimits::Position(limits) => (limits.len(), GroupKind::Joints, "position"),
        GroupLimits::Velocity(limits) => (limits.len(), GroupKind::Joints, "velocity"),
        GroupLimits::Effort(limits) => (limits.len(), GroupKind::Joints, "effort"),
        GroupLimits::Impedance(limits) => (limits.len(), GroupKind::Joints, "impedance"),
        GroupLimits::Twist(_) => (layout.joints.len(), GroupKind::Base, "twist"),
        GroupLimits::Gripper { .. } => (layout.joints.len(), GroupKind::Gripper, "gripper"),
    };
    if layout.kind != kind {
        return Err(refused(name, "limits", what, format!("those of a {:?} group", layout.kind)));
    }
    if per_joint != layout.joints.len() {
        return Err(refused(name, "limits", per_joint, format!("{}", layout.joints.len())));
    }
    for (field, step) in group.stop.steps() {
        for action in std::iter::once(&step.action).chain(&step.then) {
            check_action(name, field, action, &group.limits, what)?;
        }
    }
    check_numbers(name, &group.limits)
}

fn check_action(
    name: &str,
    field: &'static str,
    action: &GroupStop,
    limits: &GroupLimits,
    what: &str,
) -> Result<(), HardwareError> {
    let (stop, allowed) = match (action, limits) {
        (GroupStop::Hold, GroupLimits::Effort(_)) => ("hold", "damp, fallback, power_off"),
        (GroupStop::Damp, GroupLimits::Twist(_)) => ("damp", "hold, power_off"),
        (GroupStop::Damp, GroupLimits::Gripper { .. }) => ("damp", "hold, settle, power_off"),
        (GroupStop::Fallback, GroupLimits::Twist(_)) => ("fallback", "hold, power_off"),
        (GroupStop::Fallback, GroupLimits::Gripper { .. }) => {
            ("fallback", "hold, settle, power_off")
        }
        (GroupStop::Settle(goal), GroupLimits::Position(_) | GroupLimits::Gripper { .. }) => {
            let expected = match limits {
                GroupLimits::Position(limits) => limits.len(),
                _ => 1,
            };
            return if goal.len() == expected && goal.iter().all(|value| value.is_finite()) {
                Ok(())
            } else {
                Err(refused(name, field, format!("settle {goal:?}"), format!("{expected} finite")))
            };
        }
        (GroupStop::Settle(_), GroupLimits::Twist(_)) => ("settle", "hold, power_off"),
        (GroupStop::Settle(_), GroupLimits::Effort(_)) => ("settle", "damp, power_off"),
        (GroupStop::Settle(_), _) => ("settle", "hold, damp, fallback, power_off"),
        _ => return Ok(()),
    };
    Err(refused(name, field, format!("{stop} with command {what}"), allowed))
}

fn check_numbers(name: &str, limits: &GroupLimits) -> Result<(), HardwareError> {
    let positive = |field: &'static str, value: f64| {
        if value > 0.0 && value.is_finite() {
            Ok(())
        } else {
            Err(refused(name, field, value, "above 0 and finite"))
        }
    };
    let range = |lower: f64, upper: f64| {
        if lower < upper {
            Ok(())
        } else {
            Err(refused(name, "limits", format!("{lower} to {upper}"), "a range that is not empty"))
        }
    };
    let axis = |limits: &AxisLimits| {
        range(limits.lower, limits.upper)?;
        positive("max_velocity", limits.max_velocity)?;
        positive("max_acceleration", limits.max_acceleration)?;
        positive("max_jerk", limits.max_jerk)
    };
    match limits {
        GroupLimits::Position(limits) | GroupLimits::Velocity(limits) => {
            limits.iter().try_for_each(axis)
        }
        GroupLimits::Effort(limits) | GroupLimits::Impedance(limits) => {
            limits.iter().try_for_each(|limit| {
                range(limit.lower, limit.upper)?;
                positive("max_effort", limit.max_effort)?;
                positive("max_velocity", limit.max_measured_velocity)
            })
        }
        GroupLimits::Twist(limits) => {
            positive("max_linear_m_s", limits.max_linear_m_s)?;
            positive("max_angular_rad_s", limits.max_angular_rad_s)?;
            positive("max_linear_acceleration_m_s2", limits.max_linear_acceleration_m_s2)?;
            positive("max_angular_acceleration_rad_s2", limits.max_angular_acceleration_rad_s2)
        }
        GroupLimits::Gripper { width, max_force_n } => {
            axis(width)?;
            positive("max_force_n", *max_force_n)
        }
    }
}
