//! Which servo moves which joint, and how its ticks become metres and radians.

use std::time::Duration;

use sinew_hardware::layout_of;
use sinew_robot::{CommandInterface, JointLimits, RobotModel, ServoConfig, ServoJointConfig};
use sinew_types::{GroupKind, Layout};

use crate::error::ServoError;
use crate::table::{full_load, rad_s_per_unit};

/// The servos of a robot, in one order for all vectors.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) bus: ServoConfig,
    pub(crate) layout: Layout,
    pub(crate) servos: Vec<ServoPlan>,
    /// Time between two reads of all servos.
    pub(crate) period: Duration,
}

/// One servo.
#[derive(Debug)]
pub(crate) struct ServoPlan {
    pub(crate) joint: String,
    pub(crate) config: ServoJointConfig,
    pub(crate) drives: Drives,
    /// Load register's value at the largest torque.
    pub(crate) full_load: f64,
}

/// What a servo moves.
#[derive(Debug)]
pub(crate) enum Drives {
    /// A joint that turns, by position.
    Position(Turning),
    /// A joint that turns, by velocity.
    Velocity(Turning),
    /// All fingers of a gripper.
    Gripper(Jaws),
}

/// A joint that turns.
#[derive(Debug)]
pub(crate) struct Turning {
    /// Index into the layout's joints.
    pub(crate) joint: usize,
    zero_ticks: f64,
    /// With the joint's sign.
    rad_per_tick: f64,
    /// With the joint's sign.
    rad_s_per_unit: f64,
    /// N·m at full load, with the joint's sign.
    max_effort: f64,
    /// rad/s.
    pub(crate) max_velocity: f64,
}

/// The fingers of a gripper.
#[derive(Debug)]
pub(crate) struct Jaws {
    /// Index into the layout's grippers.
    pub(crate) gripper: usize,
    pub(crate) fingers: Vec<Finger>,
    closed_ticks: f64,
    /// Of one tick, m; negative if it opens as ticks fall.
    m_per_tick: f64,
    /// Of one unit of the velocity register, m/s; with the same sign.
    m_s_per_unit: f64,
    /// -1 or 1: the direction of opening, ticks.
    pub(crate) opening: f64,
    pub(crate) max_force_n: f64,
}

#[derive(Debug)]
pub(crate) struct Finger {
    /// Index into the layout's joints.
    pub(crate) joint: usize,
    pub(crate) closed: f64,
    /// Share of the width that it opens.
    pub(crate) share: f64,
}

impl Plan {
    pub(crate) fn from_robot(robot: &RobotModel) -> Result<Self, ServoError> {
        let path = || robot.path().to_owned();
        let bus =
            robot.config().servo.clone().ok_or_else(|| ServoError::NoServos { path: path() })?;
        let layout = layout_of(robot)
            .map_err(|source| ServoError::Layout { path: path(), source: Box::new(source) })?;
        let servos = bus
            .joints
            .iter()
            .filter_map(|(joint, config)| {
                let drives = drives(robot, &layout, joint, config)?;
                let full_load = full_load(config.model);
                Some(ServoPlan { joint: joint.clone(), config: *config, drives, full_load })
            })
            .collect();
        let fastest = robot.groups().iter().map(|group| group.rw_rate_hz).max().unwrap_or(1);
        let period = Duration::from_secs(1) / fastest;
        Ok(Self { bus, layout, servos, period })
    }
}

/// `None` for a joint in no group, which the robot's check refuses.
fn drives(
    robot: &RobotModel,
    layout: &Layout,
    joint: &str,
    config: &ServoJointConfig,
) -> Option<Drives> {
    let index = layout.joint_index(joint)?;
    let position = layout.groups().iter().position(|group| group.joints.contains(&index))?;
    let (group, place) = (&robot.groups()[position], &layout.groups()[position]);
    let sign = if config.invert { -1.0 } else { 1.0 };
    let [low, high] = config.range_ticks.map(f64::from);
    let limits: &JointLimits = &robot.joints()[index].limits;
    let rad_per_tick = config.model.rad_per_tick();
    let rad_s_per_unit = rad_s_per_unit(config.model);
    if let (GroupKind::Gripper, Some(gripper)) = (place.kind, group.gripper) {
        let travel = |joint: usize| {
            let limits = &robot.joints()[joint].limits;
            limits.upper - limits.lower
        };
        let all: f64 = place.joints.iter().map(|joint| travel(*joint)).sum();
        let finger = |joint: usize| Finger {
            joint,
            closed: robot.joints()[joint].limits.lower,
            share: travel(joint) / all,
        };
        let m_per_tick = sign * gripper.max_width_m / (high - low);
        return Some(Drives::Gripper(Jaws {
            gripper: place.gripper,
            fingers: place.joints.iter().map(|joint| finger(*joint)).collect(),
            closed_ticks: if config.invert { high } else { low },
            m_per_tick,
            m_s_per_unit: m_per_tick / rad_per_tick * rad_s_per_unit,
            opening: sign,
            max_force_n: gripper.max_force_n,
        }));
    }
    let turning = Turning {
        joint: index,
        zero_ticks: f64::from(config.zero_ticks),
        rad_per_tick: sign * rad_per_tick,
        rad_s_per_unit: sign * rad_s_per_unit,
        max_effort: if limits.max_effort.is_finite() { sign * limits.max_effort } else { 0.0 },
        max_velocity: limits.max_velocity,
    };
    Some(match group.command {
        CommandInterface::Velocity => Drives::Velocity(turning),
        _ => Drives::Position(turning),
    })
}

impl Turning {
    /// rad.
    pub(crate) fn position(&self, ticks: i32) -> f64 {
        (f64::from(ticks) - self.zero_ticks) * self.rad_per_tick
    }

    /// Of a position in rad.
    pub(crate) fn ticks(&self, position: f64) -> i32 {
        (self.zero_ticks + position / self.rad_per_tick).round() as i32
    }

    /// rad/s.
    pub(crate) fn velocity(&self, units: i32) -> f64 {
        f64::from(units) * self.rad_s_per_unit
    }

    /// Of a velocity in rad/s.
    pub(crate) fn units(&self, velocity: f64) -> i32 {
        (velocity / self.rad_s_per_unit).round() as i32
    }

    /// The largest velocity as the velocity register has it.
    pub(crate) fn max_units(&self) -> i32 {
        (self.max_velocity / self.rad_s_per_unit).abs().round() as i32
    }

    /// N·m, of a share of the largest load in the direction of the ticks.
    pub(crate) fn effort(&self, load: f64) -> f64 {
        load * self.max_effort
    }

    /// The same share in the joint's direction.
    pub(crate) fn load(&self, load: f64) -> f64 {
        load * self.rad_per_tick.signum()
    }
}

impl Jaws {
    /// m.
    pub(crate) fn width(&self, ticks: i32) -> f64 {
        (f64::from(ticks) - self.closed_ticks) * self.m_per_tick
    }

    /// Of a width in m.
    pub(crate) fn ticks(&self, width: f64) -> i32 {
        (self.closed_ticks + width / self.m_per_tick).round() as i32
    }

    /// m/s.
    pub(crate) fn velocity(&self, units: i32) -> f64 {
        f64::from(units) * self.m_s_per_unit
    }
}
