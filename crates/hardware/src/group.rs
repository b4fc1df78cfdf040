mod accept;
mod torque;

use std::time::Duration;

use sinew_types::{
    ActuatorCommand, BaseTwist, GripperCommand, GroupLayout, JointCommand, RobotState, Time,
};

use self::torque::{bounded_effort, bounded_impedance};
use crate::axis::{Axis, Clamped};
use crate::config::{AxisLimits, BaseLimits, GateGroup, GroupLimits, GroupStop, StopStep};
use crate::safety::{ClampCounts, Mode, OutputKind};

/// Base speeds under which it counts as still.
const STILL_LINEAR_M_S: f64 = 0.02;
const STILL_ANGULAR_RAD_S: f64 = 0.05;
/// The same for a base that is kept up by balancing.
const BALANCED_LINEAR_M_S: f64 = 0.1;
const BALANCED_ANGULAR_RAD_S: f64 = 0.2;

/// What the gate wants of a group in this cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Directive {
    /// The drivers are off.
    Off,
    /// Follow the newest command.
    Track,
    /// Come to rest and hold: nobody commands, but nothing is wrong.
    Rest,
    /// What the fallback controller says.
    Fallback,
    /// The stop plan's step for this mode; feedback may not be trusted, and ways to other postures may
    /// be blocked. `yields` where what is measured lags behind what is commanded.
    Stop { mode: Mode, trusted: bool, blocked: bool, yields: bool },
}

impl Directive {
    /// Coming to rest by the stop plan while nothing is wrong.
    pub(crate) const STOP_IN_ORDER: Self =
        Self::Stop { mode: Mode::ProtectiveStop, trusted: true, blocked: false, yields: false };
}

/// What a stopped group is given in this cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Hold,
    Damp,
    Settle,
    Fallback,
    PowerOff,
}

/// How a group's set-point comes to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// As fast as acceleration allows.
    Brake,
    /// Within the limit of jerk too: nothing is wrong, and nothing hurries.
    BrakeGently,
    /// Brake, then go to where the joints are measured: whatever holds them off their set-points, or an
    /// encoder that is stuck, must not be pushed against for as long as the stop lasts.
    Yield,
    /// To the posture of the stop plan.
    Settle,
}

/// The targets, the last output and the limits of one group.
pub(crate) struct Group {
    layout: GroupLayout,
    config: GateGroup,
    dt: f64,
    /// Of the newest command: per joint, per width, or (linear, angular).
    to: Vec<f64>,
    /// Feed-forward velocity beside it; NaN where none was given.
    feed_forward: Vec<f64>,
    /// Where the targets stood when it came, from where they move on within one command period.
    from: Vec<f64>,
    /// Where the targets stood in the last cycle.
    target: Vec<f64>,
    /// Newest impedance or effort targets.
    torque: Vec<JointCommand>,
    max_force_n: f64,
    received: Time,
    command_period: Duration,
    axes: Vec<Axis>,
    /// Whether `axes` continue what the actuators were given; false after torque was off.
    seeded: bool,
    pub(crate) commanded: bool,
    /// The mode that it is being stopped in, since when, and whether the next step has come.
    stopping: Option<(Mode, Time, bool)>,
    /// Where each joint was measured once its set-point had come to rest in a stop that yields.
    yielded_to: Vec<f64>,
    has_yielded: bool,
    pub(crate) output: OutputKind,
    pub(crate) clamps: ClampCounts,
}

impl Group {
    pub(crate) fn new(layout: GroupLayout, config: GateGroup, period: Duration) -> Self {
        let axes = match &config.limits {
            GroupLimits::Position(limits) | GroupLimits::Velocity(limits) => limits.len(),
            GroupLimits::Effort(_) | GroupLimits::Impedance(_) => 0,
            GroupLimits::Twist(_) => 2,
            GroupLimits::Gripper { .. } => 1,
        };
        let joints = layout.joints.len();
        Self {
            layout,
            config,
            dt: period.as_secs_f64(),
            to: vec![0.0; axes],
            feed_forward: vec![f64::NAN; axes],
            from: vec![0.0; axes],
            target: vec![0.0; axes],
            torque: vec![JointCommand::UNUSED; joints],
            max_force_n: f64::NAN,
            received: Time::ZERO,
            command_period: period,
            axes: vec![Axis::default(); axes],
            seeded: false,
            commanded: false,
            stopping: None,
            yielded_to: vec![0.0; joints],
            has_yielded: false,
            output: OutputKind::None,
            clamps: ClampCounts::default(),
        }
    }

    pub(crate) fn layout(&self) -> &GroupLayout {
        &self.layout
    }

    pub(crate) fn config(&self) -> &GateGroup {
        &self.config
    }

    /// Whether the interface tolerates less silence than positions do.
    pub(crate) fn is_velocity_like(&self) -> bool {
        matches!(
            self.config.limits,
            GroupLimits::Velocity(_) | GroupLimits::Effort(_) | GroupLimits::Twist(_)
        )
    }

    /// The next set-point is the measured state.
    pub(crate) fn forget_set_point(&mut self) {
        self.seeded = false;
    }

    /// Nobody commands it any more; its set-point stays as it is.
    pub(crate) fn release(&mut self) {
        self.commanded = false;
    }

    /// Whether the measured state is at rest.
    pub(crate) fn is_still(&self, state: &RobotState, still_joint_velocity: f64) -> bool {
        // A reference has nothing that is measured; what follows it is another group.
        if self.layout.joints.is_empty() {
            return true;
        }
        // A robot that balances moves its joints to stand still.
        if self.output == OutputKind::Fallback {
            return state.base.is_none_or(|base| {
                base.linear_velocity.norm() < BALANCED_LINEAR_M_S
                    && base.angular_velocity.norm() < BALANCED_ANGULAR_RAD_S
            });
        }
        if matches!(self.config.limits, GroupLimits::Twist(_))
            && let Some(base) = state.base.filter(|base| base.valid)
        {
            return base.linear_velocity.norm() < STILL_LINEAR_M_S
                && base.angular_velocity.norm() < STILL_ANGULAR_RAD_S;
        }
        self.layout
            .joints
            .iter()
            .all(|joint| state.joints[*joint].velocity.abs() < still_joint_velocity)
    }

    /// Whether a joint of an impedance or effort group moves faster than allowed.
    pub(crate) fn is_over_speed(&self, state: &RobotState) -> bool {
        let (GroupLimits::Effort(limits) | GroupLimits::Impedance(limits)) = &self.config.limits
        else {
            return false;
        };
        self.layout
            .joints
            .iter()
            .zip(limits)
            .any(|(joint, limit)| state.joints[*joint].velocity.abs() > limit.max_measured_velocity)
    }

    /// Whether the set-point is at rest.
    pub(crate) fn is_at_rest(&self) -> bool {
        !matches!(self.output, OutputKind::Ramp | OutputKind::Track)
    }

    /// Decides on this cycle's output and writes it. `fallback` is what the fallback controller says,
    /// looked at only where the directive asks for it.
    pub(crate) fn cycle(
        &mut self,
        now: Time,
        directive: Directive,
        state: &RobotState,
        still_joint_velocity: f64,
        fallback: &ActuatorCommand,
        out: &mut ActuatorCommand,
    ) {
        let directive = match directive {
            // Effort alone cannot hold a position: without commands such a group follows its profile.
            Directive::Rest if matches!(self.config.limits, GroupLimits::Effort(_)) => {
                Directive::STOP_IN_ORDER
            }
            other => other,
        };
        let action = match directive {
            Directive::Stop { mode, trusted, blocked, .. } => {
                let action = self.stop_action(now, mode, trusted, state, still_joint_velocity);
                Some(if blocked && action == Action::Settle { Action::Hold } else { action })
            }
            _ => {
                self.stopping = None;
                None
            }
        };
        let settle = match (directive, action) {
            (Directive::Off, _) | (_, Some(Action::PowerOff)) => {
                self.output = OutputKind::None;
                self.seeded = false;
                return self.write_nothing(out);
            }
            (_, Some(Action::Damp)) => {
                self.output = OutputKind::Damp;
                self.seeded = false;
                return self.write_damping(out);
            }
            (_, Some(Action::Settle)) => true,
            _ => false,
        };
        if !self.seeded {
            self.seed(state);
        }
        let falls_back = directive == Directive::Fallback || action == Some(Action::Fallback);
        let clamped = if falls_back {
            let period = Duration::from_secs_f64(self.dt);
            self.accept(fallback, now, period);
            self.release();
            self.output = OutputKind::Fallback;
            self.track(now, state)
        } else if directive == Directive::Track && self.commanded {
            self.output = OutputKind::Track;
            self.track(now, state)
        } else {
            let way = match directive {
                _ if settle => Way::Settle,
                Directive::Stop { yields: true, trusted: true, .. } => Way::Yield,
                Directive::Stop { .. } => Way::Brake,
                _ => Way::BrakeGently,
            };
            self.has_yielded &= way == Way::Yield;
            let rests = self.rest(way, state, still_joint_velocity);
            self.output = if rests { OutputKind::Hold } else { OutputKind::Ramp };
            Clamped::default()
        };
        self.clamps.position += u64::from(clamped.position);
        self.clamps.velocity += u64::from(clamped.velocity);
        self.clamps.acceleration += u64::from(clamped.acceleration);
        let effort = self.write(state, out);
        self.clamps.effort += u64::from(effort || clamped.effort);
    }

    /// Whether the stop plan has the fallback controller act in this mode, feedback being trusted.
    pub(crate) fn falls_back_in(&self, mode: Mode) -> bool {
        let has_moved_on = self.stopping.is_some_and(|(at, _, next)| at == mode && next);
        let step = step_of(&self.config, mode);
        match &step.then {
            Some(then) if has_moved_on => *then == GroupStop::Fallback,
            _ => step.action == GroupStop::Fallback,
        }
    }

    /// What the stop plan says now: its first action, or the next one once the group is still, or
    /// should have been.
    fn stop_action(
        &mut self,
        now: Time,
        mode: Mode,
        trusted: bool,
        state: &RobotState,
        still_joint_velocity: f64,
    ) -> Action {
        let (since, was_still) = match self.stopping {
            Some((at, since, next)) if at == mode => (since, next),
            _ => (now, false),
        };
        let is_still =
            since < now && self.is_at_rest() && self.is_still(state, still_joint_velocity);
        let next = was_still || is_still || now.since(since) > self.config.still_within;
        self.stopping = Some((mode, since, next));
        let step = step_of(&self.config, mode);
        let action = match &step.then {
            Some(then) if next => then,
            _ => &step.action,
        };
        match action {
            GroupStop::PowerOff => Action::PowerOff,
            GroupStop::Damp => Action::Damp,
            GroupStop::Settle(_) if trusted => Action::Settle,
            GroupStop::Fallback if trusted => Action::Fallback,
            GroupStop::Fallback => Action::Damp,
            GroupStop::Hold | GroupStop::Settle(_) => Action::Hold,
        }
    }

    fn seed(&mut self, state: &RobotState) {
        match &self.config.limits {
            GroupLimits::Position(_) | GroupLimits::Velocity(_) => {
                for (axis, joint) in self.axes.iter_mut().zip(&self.layout.joints) {
                    *axis = Axis::at(state.joints[*joint].position);
                }
            }
            GroupLimits::Twist(_) => self.axes.fill(Axis::default()),
            GroupLimits::Gripper { .. } => {
                let gripper = state.grippers[self.layout.gripper];
                let fingers = self.layout.joints.iter().map(|j| state.joints[*j].position);
                self.axes[0] =
                    Axis::at(if gripper.valid { gripper.width_m } else { fingers.sum() });
                if !self.commanded {
                    self.max_force_n = f64::NAN;
                }
            }
            // Torque targets may step: those of a command need no seed.
            GroupLimits::Effort(_) | GroupLimits::Impedance(_) if self.commanded => {}
            GroupLimits::Effort(_) | GroupLimits::Impedance(_) => {
                for (torque, joint) in self.torque.iter_mut().zip(&self.layout.joints) {
                    // The drive's own gains, until a command says others.
                    *torque = JointCommand {
                        velocity: 0.0,
                        ..JointCommand::position(state.joints[*joint].position)
                    };
                }
            }
        }
        self.follow_axes();
        self.seeded = true;
    }

    /// The next command's targets start where the set-point is.
    fn follow_axes(&mut self) {
        let by_velocity =
            matches!(self.config.limits, GroupLimits::Velocity(_) | GroupLimits::Twist(_));
        for (target, axis) in self.target.iter_mut().zip(&self.axes) {
            *target = if by_velocity { axis.velocity } else { axis.position };
        }
        self.from.copy_from_slice(&self.target);
    }

    fn track(&mut self, now: Time, state: &RobotState) -> Clamped {
        let dt = self.dt;
        let period = self.command_period.as_secs_f64().max(dt);
        let age = now.since(self.received).as_secs_f64();
        let share = ((age + dt) / period).min(1.0);
        // With the segment walked through and no newer command, the target rests.
        let is_moving = age < period - 1e-9;
        let mut clamped = Clamped::default();
        match &self.config.limits {
            GroupLimits::Position(limits) => {
                for (i, limits) in limits.iter().enumerate() {
                    let (from, to) = (self.from[i], self.to[i]);
                    self.target[i] = from + (to - from) * share;
                    let velocity = match self.feed_forward[i] {
                        _ if !is_moving => 0.0,
                        given if !given.is_nan() => given,
                        _ => (to - from) / period,
                    };
                    clamped.merge(track_position(
                        &mut self.axes[i],
                        self.target[i],
                        velocity,
                        limits,
                        dt,
                        period,
                    ));
                }
            }
            GroupLimits::Gripper { width, .. } => {
                // A width is a goal, not a point of a trajectory.
                self.target[0] = self.to[0];
                clamped.merge(track_position(
                    &mut self.axes[0],
                    self.target[0],
                    0.0,
                    width,
                    dt,
                    f64::INFINITY,
                ));
            }
            GroupLimits::Velocity(limits) => {
                for (i, joint) in self.layout.joints.iter().enumerate() {
                    self.axes[i].position = state.joints[*joint].position;
                    self.target[i] = self.to[i];
                    clamped.merge(self.axes[i].towards_velocity(self.to[i], &limits[i], dt));
                }
            }
            GroupLimits::Twist(limits) => {
                for (i, (most, change)) in twist_bounds(limits).into_iter().enumerate() {
                    let within = self.to[i].clamp(-most, most);
                    let last = self.axes[i].velocity;
                    let velocity = within.clamp(last - change * dt, last + change * dt);
                    self.axes[i].velocity = velocity;
                    self.target[i] = velocity;
                    clamped.velocity |= within != self.to[i];
                    clamped.acceleration |= (within - velocity).abs() > change * period + 1e-9;
                }
            }
            GroupLimits::Effort(_) | GroupLimits::Impedance(_) => {}
        }
        clamped
    }

    /// One cycle towards rest; whether it is reached.
    fn rest(&mut self, way: Way, state: &RobotState, still_joint_velocity: f64) -> bool {
        let dt = self.dt;
        let goal = settle_goal(&self.config, self.stopping).filter(|_| way == Way::Settle);
        match &self.config.limits {
            GroupLimits::Position(limits) if way == Way::Yield => {
                if !self.has_yielded {
                    self.axes
                        .iter_mut()
                        .zip(limits)
                        .for_each(|(axis, limits)| axis.ramp(limits, dt));
                    self.has_yielded = self.axes.iter().all(Axis::is_at_rest);
                    for (place, joint) in self.yielded_to.iter_mut().zip(&self.layout.joints) {
                        *place = state.joints[*joint].position;
                    }
                    self.follow_axes();
                    return self.has_yielded;
                }
                // The set-point gives way, which is no motion of the joints.
                for ((axis, limits), place) in
                    self.axes.iter_mut().zip(limits).zip(&self.yielded_to)
                {
                    axis.towards(*place, 0.0, limits, dt);
                }
                self.follow_axes();
                return true;
            }
            GroupLimits::Position(limits) => {
                for (i, (axis, limits)) in self.axes.iter_mut().zip(limits).enumerate() {
                    rest_axis(axis, goal.map(|goal| goal[i]), way, limits, dt);
                }
            }
            GroupLimits::Gripper { width, .. } => {
                rest_axis(&mut self.axes[0], goal.map(|goal| goal[0]), way, width, dt);
            }
            GroupLimits::Velocity(limits) => {
                for (i, joint) in self.layout.joints.iter().enumerate() {
                    self.axes[i].position = state.joints[*joint].position;
                    self.axes[i].ramp(&limits[i], dt);
                }
            }
            GroupLimits::Twist(limits) => {
                for (axis, (_, change)) in self.axes.iter_mut().zip(twist_bounds(limits)) {
                    let last = axis.velocity;
                    axis.velocity = 0.0_f64.clamp(last - change * dt, last + change * dt);
                }
            }
            GroupLimits::Effort(_) | GroupLimits::Impedance(_) => {
                for torque in &mut self.torque {
                    torque.velocity = 0.0;
                }
                return self.is_still(state, still_joint_velocity);
            }
        }
        self.follow_axes();
        self.axes.iter().all(Axis::is_at_rest)
    }

    /// Writes the set-point; whether an effort or a force had to be clamped.
    fn write(&self, state: &RobotState, out: &mut ActuatorCommand) -> bool {
        let mut clamped = false;
        match &self.config.limits {
            GroupLimits::Position(_) => {
                for (axis, joint) in self.axes.iter().zip(&self.layout.joints) {
                    out.joints[*joint] = JointCommand::position(axis.position);
                }
            }
            GroupLimits::Velocity(_) => {
                for (axis, joint) in self.axes.iter().zip(&self.layout.joints) {
                    out.joints[*joint] =
                        JointCommand { velocity: axis.velocity, ..JointCommand::UNUSED };
                }
            }
            GroupLimits::Effort(limits) => {
                for ((wanted, limit), joint) in
                    self.torque.iter().zip(limits).zip(&self.layout.joints)
                {
                    let effort =
                        bounded_effort(wanted.effort, limit, state.joints[*joint].position);
                    clamped |= effort != wanted.effort;
                    out.joints[*joint] = JointCommand { effort, ..JointCommand::UNUSED };
                }
            }
            GroupLimits::Impedance(limits) => {
                for ((wanted, limit), joint) in
                    self.torque.iter().zip(limits).zip(&self.layout.joints)
                {
                    let measured = state.joints[*joint];
                    let (bounded, was_clamped) =
                        bounded_impedance(wanted, limit, measured.position, measured.velocity);
                    clamped |= was_clamped;
                    out.joints[*joint] = bounded;
                }
            }
            GroupLimits::Twist(_) => {
                out.base = Some(BaseTwist {
                    linear_x: self.axes[0].velocity,
                    linear_y: 0.0,
                    angular_z: self.axes[1].velocity,
                });
            }
            GroupLimits::Gripper { max_force_n, .. } => {
                let force = self.max_force_n.min(*max_force_n);
                clamped |= self.output == OutputKind::Track && self.max_force_n > *max_force_n;
                out.grippers[self.layout.gripper] = GripperCommand {
                    width_m: self.axes[0].position,
                    // `min` drops NaN; no force asked for stays the gripper's own.
                    max_force_n: if self.max_force_n.is_nan() { f64::NAN } else { force },
                };
            }
        }
        clamped
    }

    fn write_nothing(&self, out: &mut ActuatorCommand) {
        match &self.config.limits {
            GroupLimits::Twist(_) => out.base = None,
            GroupLimits::Gripper { .. } => {
                out.grippers[self.layout.gripper] = GripperCommand::UNUSED;
            }
            _ => {
                for joint in &self.layout.joints {
                    out.joints[*joint] = JointCommand::UNUSED;
                }
            }
        }
    }

    fn write_damping(&self, out: &mut ActuatorCommand) {
        for (joint, last) in self.layout.joints.iter().zip(&self.torque) {
            out.joints[*joint] =
                JointCommand { velocity: 0.0, kp: 0.0, kd: last.kd, ..JointCommand::UNUSED };
        }
    }
}

fn step_of(config: &GateGroup, mode: Mode) -> &StopStep {
    match mode {
        Mode::EStop => &config.stop.e_stop,
        Mode::Fault => &config.stop.fault,
        _ => &config.stop.protective_stop,
    }
}

/// Where a settling group goes.
fn settle_goal(config: &GateGroup, stopping: Option<(Mode, Time, bool)>) -> Option<&[f64]> {
    let (mode, _, next) = stopping?;
    let step = step_of(config, mode);
    match step.then.as_ref().filter(|_| next).unwrap_or(&step.action) {
        GroupStop::Settle(goal) => Some(goal),
        _ => None,
    }
}

/// One cycle of an axis on its way to rest, or to a posture's place.
fn rest_axis(axis: &mut Axis, goal: Option<f64>, way: Way, limits: &AxisLimits, dt: f64) {
    match goal {
        Some(goal) => {
            axis.towards(goal, 0.0, limits, dt);
        }
        None if way == Way::BrakeGently => axis.ramp_gently(limits, dt),
        None => axis.ramp(limits, dt),
    }
}

fn track_position(
    axis: &mut Axis,
    target: f64,
    velocity: f64,
    limits: &AxisLimits,
    dt: f64,
    period: f64,
) -> Clamped {
    let mut clamped = axis.towards(target, velocity, limits, dt);
    let lag = (target.max(limits.lower).min(limits.upper) - axis.position).abs();
    clamped.acceleration = lag > limits.max_acceleration * period * period + 1e-9;
    clamped
}

/// (largest speed, largest change of it per second) along x and about z.
fn twist_bounds(limits: &BaseLimits) -> [(f64, f64); 2] {
    [
        (limits.max_linear_m_s, limits.max_linear_acceleration_m_s2),
        (limits.max_angular_rad_s, limits.max_angular_acceleration_rad_s2),
    ]
}
