//! The drive of one joint: what a servo's own controller does between two set-points.
//!
//! The engine's actuator exerts `ctrl + bias[1] q + bias[2] v` within the joint's effort limit, and integrates the velocity term
//! implicitly. Each mode is a choice of `ctrl` and `bias`, so that stiff drives stay stable at a time step of 1 ms.

use sinew_types::JointCommand;

/// Stiffness of a rotary drive: full effort at this error, rad.
const FULL_EFFORT_ERROR_RAD: f64 = 0.0125;
/// Stiffness of a linear drive: full effort at this error, m.
const FULL_EFFORT_ERROR_M: f64 = 0.005;
/// Stiffness is bounded so that a joint's natural frequency stays far below that of the time step, rad/s.
const MAX_FREQUENCY_RAD_S: f64 = 200.0;
/// Effort at which joints without a limit are tuned, N m or N.
const DEFAULT_EFFORT: f64 = 50.0;
/// Speed at which joints without a limit are tuned, rad/s or m/s.
const DEFAULT_VELOCITY: f64 = 5.0;

/// What a drive does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// Moves its reference to `goal` at `rate`, and follows it.
    Track { goal: f64, rate: f64, velocity: f64, effort: f64 },
    /// Moves its reference at `velocity`, and follows it; the reference stays near the joint.
    Velocity { velocity: f64, effort: f64 },
    /// `kp (position - q) + kd (velocity - v) + effort`, nothing else.
    Impedance(JointCommand),
    /// Resists motion.
    Damp,
}

/// What the engine's actuator is set to for one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Action {
    pub(crate) control: f64,
    pub(crate) bias: [f64; 3],
}

/// Properties that do not change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DriveTuning {
    /// rad/s or m/s; may be infinite.
    pub(crate) max_velocity: f64,
    /// N m or N; may be infinite.
    pub(crate) max_effort: f64,
    /// Inertia at the joint, kg m² or kg.
    pub(crate) inertia: f64,
    pub(crate) is_rotary: bool,
    /// Whether it cancels gravity and Coriolis forces, as arms that are bolted to something do.
    pub(crate) compensates: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Drive {
    tuning: DriveTuning,
    kp: f64,
    kd: f64,
    damping: f64,
    mode: Mode,
    reference: f64,
}

impl Drive {
    pub(crate) fn new(tuning: DriveTuning, position: f64) -> Self {
        let effort = if tuning.max_effort.is_finite() { tuning.max_effort } else { DEFAULT_EFFORT };
        let velocity =
            if tuning.max_velocity.is_finite() { tuning.max_velocity } else { DEFAULT_VELOCITY };
        let error = if tuning.is_rotary { FULL_EFFORT_ERROR_RAD } else { FULL_EFFORT_ERROR_M };
        let stiffest = tuning.inertia * MAX_FREQUENCY_RAD_S * MAX_FREQUENCY_RAD_S;
        let kp = (effort / error).min(stiffest);
        Self {
            tuning,
            kp,
            // Critical damping.
            kd: 2.0 * (kp * tuning.inertia).sqrt(),
            damping: 4.0 * effort / velocity,
            mode: Mode::Track { goal: position, rate: 0.0, velocity: 0.0, effort: 0.0 },
            reference: position,
        }
    }

    /// Holds the joint where it is.
    pub(crate) fn hold(&mut self, position: f64) {
        self.reference = position;
        self.mode = Mode::Track { goal: position, rate: 0.0, velocity: 0.0, effort: 0.0 };
    }

    /// Resists motion, without stiffness.
    pub(crate) fn damp(&mut self) {
        self.mode = Mode::Damp;
    }

    /// Turns the joint at this velocity.
    pub(crate) fn set_velocity(&mut self, position: f64, velocity: f64) {
        if !matches!(self.mode, Mode::Velocity { .. }) {
            self.reference = position;
        }
        self.mode = Mode::Velocity { velocity, effort: 0.0 };
    }

    /// Takes a set-point; the interfaces that are used decide about the mode. Unused: goes on as before.
    ///
    /// `period_s` is the time until the next set-point.
    pub(crate) fn command(&mut self, command: &JointCommand, position: f64, period_s: f64) {
        let or_zero = |value: f64| if value.is_nan() { 0.0 } else { value };
        let effort = or_zero(command.effort);
        if command.kp == 0.0 && command.kd.is_nan() {
            // No stiffness, and damping as the drive has it.
            self.mode = Mode::Damp;
        } else if !command.kp.is_nan() || !command.kd.is_nan() {
            self.mode = Mode::Impedance(JointCommand {
                position: if command.position.is_nan() { position } else { command.position },
                velocity: or_zero(command.velocity),
                effort,
                kp: or_zero(command.kp),
                kd: or_zero(command.kd),
            });
        } else if !command.position.is_nan() {
            if !matches!(self.mode, Mode::Track { .. } | Mode::Velocity { .. }) {
                self.reference = position;
            }
            let goal = command.position;
            let limit = self.tuning.max_velocity;
            let rate = ((goal - self.reference) / period_s.max(1e-6)).clamp(-limit, limit);
            let velocity = if command.velocity.is_nan() { rate } else { command.velocity };
            self.mode = Mode::Track { goal, rate, velocity, effort };
        } else if !command.velocity.is_nan() {
            self.set_velocity(position, command.velocity);
            self.mode = Mode::Velocity { velocity: command.velocity, effort };
        } else if !command.effort.is_nan() {
            self.mode = Mode::Impedance(JointCommand {
                position: 0.0,
                velocity: 0.0,
                effort,
                kp: 0.0,
                kd: 0.0,
            });
        }
    }

    /// The actuator's setting for one time step. `passive` is the force that gravity and motion ask for.
    pub(crate) fn step(&mut self, position: f64, passive: f64, time_step_s: f64) -> Action {
        let passive = if self.tuning.compensates { passive } else { 0.0 };
        match self.mode {
            Mode::Track { goal, rate, velocity, effort } => {
                let left = goal - self.reference;
                let moves = left != 0.0;
                let step = rate * time_step_s;
                self.reference = if step.abs() < left.abs() { self.reference + step } else { goal };
                let velocity = if moves { velocity } else { 0.0 };
                self.follow(velocity, effort + passive)
            }
            Mode::Velocity { velocity, effort } => {
                let slack = self.tuning.max_effort.min(1e6) / self.kp;
                self.reference = (self.reference + velocity * time_step_s)
                    .clamp(position - slack, position + slack);
                self.follow(velocity, effort + passive)
            }
            Mode::Impedance(JointCommand { position, velocity, effort, kp, kd }) => {
                Action { control: kp * position + kd * velocity + effort, bias: [0.0, -kp, -kd] }
            }
            Mode::Damp => Action { control: 0.0, bias: [0.0, 0.0, -self.damping] },
        }
    }

    fn follow(&self, velocity: f64, effort: f64) -> Action {
        Action {
            control: self.kp * self.reference + self.kd * velocity + effort,
            bias: [0.0, -self.kp, -self.kd],
        }
    }
}
