use std::time::Duration;

use sinew_types::Layout;

use crate::monitor::MonitorConfig;

/// Limits of the set-points of one joint, or of a gripper's width. Units are the joint's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AxisLimits {
    /// Lowest set-point, rad or m; -infinity if there is none.
    pub lower: f64,
    /// Highest set-point, rad or m; infinity if there is none.
    pub upper: f64,
    /// rad/s or m/s.
    pub max_velocity: f64,
    /// rad/s² or m/s².
    pub max_acceleration: f64,
    /// rad/s³ or m/s³: how fast acceleration may build up, and braking at the end of a lease. Braking in a
    /// stop is bounded by acceleration alone, so that the way to rest is the shortest that the profile
    /// allows.
    pub max_jerk: f64,
}

/// Limits of a joint whose targets may step: torque is bounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TorqueLimits {
    /// Lowest target, rad or m, margin included; effort outwards is zero below it.
    pub lower: f64,
    /// Highest target, rad or m, margin included; effort outwards is zero above it.
    pub upper: f64,
    /// Bound of `kp (q* - q) + kd (v* - v) + effort`, N·m or N.
    pub max_effort: f64,
    /// Measured speed at which the robot is stopped, rad/s or m/s.
    pub max_measured_velocity: f64,
}

/// Limits of a base twist.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BaseLimits {
    /// m/s.
    pub max_linear_m_s: f64,
    /// rad/s.
    pub max_angular_rad_s: f64,
    /// m/s².
    pub max_linear_acceleration_m_s2: f64,
    /// rad/s².
    pub max_angular_acceleration_rad_s2: f64,
}

/// What a group is commanded by, and within which limits.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupLimits {
    /// Joint positions; a velocity beside a position is taken as feed-forward.
    Position(Vec<AxisLimits>),
    /// Joint velocities; the range is judged on measured positions.
    Velocity(Vec<AxisLimits>),
    /// Joint efforts.
    Effort(Vec<TorqueLimits>),
    /// Position, velocity, effort, kp and kd per joint.
    Impedance(Vec<TorqueLimits>),
    /// Twist of a differential drive: `linear_y` is always zero.
    Twist(BaseLimits),
    /// Width and force of a parallel gripper.
    Gripper {
        /// Of the width, m.
        width: AxisLimits,
        /// N.
        max_force_n: f64,
    },
}

/// What a group that is stopped is given.
///
/// A lease that ends without a stop leads to a ramp and hold, or to the fallback controller where
/// the group's protective stop does.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupStop {
    /// Ramp to rest within the limits, then hold the set-point.
    Hold,
    /// Zero velocity with the damping of the last command, or the drive's own, and no stiffness.
    Damp,
    /// Move to these set-points within the limits, then hold them; like [`GroupStop::Hold`] while a
    /// fault is latched, and where the way could lead into a collision. One per joint; for a gripper
    /// one width.
    Settle(Vec<f64>),
    /// What the [`crate::FallbackController`] says; like [`GroupStop::Damp`] while a fault is latched.
    Fallback,
    /// Nothing is commanded.
    PowerOff,
}

/// What a stopped group is given, and what after that.
#[derive(Clone, Debug, PartialEq)]
pub struct StopStep {
    /// From the stop on.
    pub action: GroupStop,
    /// Once the group is still, or was not still within [`GateGroup::still_within`].
    pub then: Option<GroupStop>,
}

impl StopStep {
    /// This, and nothing after it.
    pub const fn only(action: GroupStop) -> Self {
        Self { action, then: None }
    }
}

/// How a group comes to rest, by the mode that the robot is stopped in.
#[derive(Clone, Debug, PartialEq)]
pub struct StopPlan {
    /// In [`crate::Mode::ProtectiveStop`], and before the robot is disarmed.
    pub protective_stop: StopStep,
    /// In [`crate::Mode::Fault`].
    pub fault: StopStep,
    /// In [`crate::Mode::EStop`].
    pub e_stop: StopStep,
}

impl StopPlan {
    /// The same in every mode.
    pub fn always(action: GroupStop) -> Self {
        let step = StopStep::only(action);
        Self { protective_stop: step.clone(), fault: step.clone(), e_stop: step }
    }

    /// Every step with its name in the robot file.
    pub(crate) fn steps(&self) -> [(&'static str, &StopStep); 3] {
        [
            ("stop", &self.protective_stop),
            ("stop.fault", &self.fault),
            ("stop.e_stop", &self.e_stop),
        ]
    }
}

/// One group of the gate.
#[derive(Clone, Debug, PartialEq)]
pub struct GateGroup {
    /// What it is commanded by, and within which limits.
    pub limits: GroupLimits,
    /// How it comes to rest.
    pub stop: StopPlan,
    /// After this long in a stop it must be still, else [`crate::Cause::NotStill`]; not judged
    /// while the fallback controller has it, which moves to keep the robot up.
    pub still_within: Duration,
    /// How often the driver reads it.
    pub read_period: Duration,
}

impl GateGroup {
    /// Whether the group must not merely be held: its rest is the fallback controller.
    pub(crate) fn falls(&self) -> bool {
        self.stop.protective_stop.action == GroupStop::Fallback
    }
}

/// Time-outs of the gate.
///
/// A command is followed for `min(valid_for, max(3 command periods, floor))`, where the command
/// period is the one that the lease declared and the floor depends on the interface: so a skill that sends
/// twists at 50 Hz may be late by two commands (60 ms), one that sends them at 500 Hz has 20 ms.
/// The age is counted from the tick at which the loop first saw the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Floor for positions, gripper widths and impedance targets.
    pub position_floor: Duration,
    /// Floor for velocities, twists and efforts.
    pub velocity_floor: Duration,
    /// How many command periods may pass without a command.
    pub missed_periods: u32,
    /// The longest command period that a lease may declare.
    pub max_command_period: Duration,
    /// A silent teleop source loses its lease after this long at most.
    pub teleop: Duration,
    /// A process that holds a lease must be heard of this often.
    pub heartbeat: Duration,
    /// How long a remote emergency stop may be silent; none where there is no such device.
    pub remote_e_stop: Option<Duration>,
    /// How long the robot must be healthy and still before [`crate::Cause::Communication`] clears.
    pub communication_clears: Duration,
    /// How many read periods old a measured state may be.
    pub stale_read_periods: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            position_floor: Duration::from_millis(100),
            velocity_floor: Duration::from_millis(20),
            missed_periods: 3,
            max_command_period: Duration::from_millis(100),
            teleop: Duration::from_millis(250),
            heartbeat: Duration::from_millis(300),
            remote_e_stop: None,
            communication_clears: Duration::from_secs(1),
            stale_read_periods: 5,
        }
    }
}

/// All that the gate needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct GateConfig {
    /// Order of joints and groups.
    pub layout: Layout,
    /// Of the control loop.
    pub period: Duration,
    /// One per group of the layout.
    pub groups: Vec<GateGroup>,
    /// Time-outs.
    pub timeouts: Timeouts,
    /// Measured speed of a joint, rad/s or m/s, under which it counts as still.
    pub still_joint_velocity: f64,
    /// What is watched besides.
    pub monitor: MonitorConfig,
}
