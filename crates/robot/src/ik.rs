//! Inverse kinematics: damped least squares with joint limits, a preferred posture and restarts.
//!
//! Each step solves the Levenberg-Marquardt problem in task space, with damping in proportion to the squared error
//! (Sugihara, "Solvability-unconcerned inverse kinematics by the Levenberg-Marquardt method", 2011). A joint that a step
//! would push past a limit is put on it and taken out of the step (an active set). What freedom is left pulls towards the
//! preferred posture. Attempts start from the given positions, then from the preferred posture, then from seeded random ones.

use nalgebra::{Isometry3, Matrix6, UnitQuaternion, Vector3, Vector6};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::chain::{Chain, Jacobian};

/// Weight of rotation against translation, in m/rad: about the lever of a gripper and what it holds.
const ROTATION_WEIGHT_M: f64 = 0.3;
/// Largest change of one joint in one step, in joint units.
const MAX_STEP: f64 = 0.5;
/// Steps without progress after which an attempt is given up.
const PATIENCE: u32 = 12;

/// Which part of the target pose must be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum IkConstraint {
    /// Position and orientation.
    #[default]
    Pose,
    /// Position and the direction of the tool's x axis; the tool may roll about it.
    Pointing,
    /// Position alone.
    Position,
}

/// Settings of an [`IkSolver`].
#[derive(Debug, Clone, PartialEq)]
pub struct IkOptions {
    /// Which part of the target must be met.
    pub constraint: IkConstraint,
    /// Largest distance to the target, in m.
    pub position_tolerance_m: f64,
    /// Largest angle to the target, in rad.
    pub rotation_tolerance_rad: f64,
    /// Steps per attempt.
    pub max_iterations: u32,
    /// Attempts, the first from the given positions.
    pub max_attempts: u32,
    /// Posture that free motion tends to, one value per joint of the chain.
    pub preferred: Option<Vec<f64>>,
    /// Share of the way to the preferred posture that is gone in each step where the task leaves it free, 0 to 1.
    pub preferred_gain: f64,
    /// Seed of the random starts: the same call gives the same answer.
    pub seed: u64,
}

impl Default for IkOptions {
    fn default() -> Self {
        Self {
            constraint: IkConstraint::Pose,
            position_tolerance_m: 1e-5,
            rotation_tolerance_rad: 1e-4,
            max_iterations: 80,
            max_attempts: 60,
            preferred: None,
            preferred_gain: 0.1,
            seed: 0,
        }
    }
}

/// How a target was reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IkReport {
    /// Steps over all attempts.
    pub iterations: u32,
    /// Attempts, from 1.
    pub attempts: u32,
    /// Distance to the target.
    pub position_error_m: f64,
    /// Angle to the target, as far as the constraint asks for it.
    pub rotation_error_rad: f64,
}

/// Joint positions that reach a target.
#[derive(Debug, Clone, PartialEq)]
pub struct IkSolution {
    /// Positions, from base to tool, within the limits.
    pub positions: Vec<f64>,
    /// How they were found.
    pub report: IkReport,
}

/// Why there is no solution.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IkError {
    /// No attempt came within the tolerances.
    #[error(
        "target not reached in {attempts} attempts: the nearest is {position_error_m:.4} m and {rotation_error_rad:.4} rad away"
    )]
    NotReached {
        /// Distance of the nearest attempt, in m.
        position_error_m: f64,
        /// Angle of the nearest attempt, in rad.
        rotation_error_rad: f64,
        /// How many attempts were made.
        attempts: u32,
    },
    /// The target or a start position is not finite.
    #[error("{what} is not finite")]
    NotFinite {
        /// `target` or `start`.
        what: &'static str,
    },
    /// A slice has not one value per joint of the chain.
    #[error("{what}: {actual} values, expected {expected}")]
    Length {
        /// `start`, `solution` or `preferred`.
        what: &'static str,
        /// Joints of the chain.
        expected: usize,
        /// Values given.
        actual: usize,
    },
}

/// Solves for one chain. Its buffers are made once.
#[derive(Debug, Clone)]
pub struct IkSolver {
    chain: Chain,
    options: IkOptions,
    lower: Vec<f64>,
    upper: Vec<f64>,
    jacobian: Jacobian,
    positions: Vec<f64>,
    step: Vec<f64>,
    free_step: Vec<f64>,
    locked: Vec<bool>,
}

/// Distance to the target.
#[derive(Clone, Copy)]
struct TaskError {
    /// In the tool's frame, linear part first; rows that the constraint leaves free are zero.
    vector: Vector6<f64>,
    position_m: f64,
    rotation_rad: f64,
}

impl TaskError {
    fn cost(&self) -> f64 {
        self.position_m.powi(2) + (ROTATION_WEIGHT_M * self.rotation_rad).powi(2)
    }
}

impl IkSolver {
    /// A solver for a chain.
    pub fn new(chain: Chain, options: IkOptions) -> Self {
        let dof = chain.dof();
        Self {
            lower: chain.limits().map(|limits| limits.lower).collect(),
            upper: chain.limits().map(|limits| limits.upper).collect(),
            jacobian: chain.new_jacobian(),
            positions: vec![0.0; dof],
            step: vec![0.0; dof],
            free_step: vec![0.0; dof],
            locked: vec![false; dof],
            chain,
            options,
        }
    }

    /// The chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The settings.
    pub fn options(&self) -> &IkOptions {
        &self.options
    }

    /// Joint positions that bring the tool to `base_from_tool`, searched from `start` first.
    ///
    /// # Errors
    /// As [`IkSolver::solve_into`].
    pub fn solve(
        &mut self,
        base_from_tool: &Isometry3<f64>,
        start: &[f64],
    ) -> Result<IkSolution, IkError> {
        let mut positions = vec![0.0; self.chain.dof()];
        let report = self.solve_into(base_from_tool, start, &mut positions)?;
        Ok(IkSolution { positions, report })
    }

    /// As [`IkSolver::solve`], into a buffer of the caller. Does not allocate.
    ///
    /// # Errors
    /// [`IkError::NotReached`] after the last attempt; `solution` then holds the nearest positions found.
    /// [`IkError::NotFinite`], [`IkError::Length`] for unusable arguments.
    pub fn solve_into(
        &mut self,
        base_from_tool: &Isometry3<f64>,
        start: &[f64],
        solution: &mut [f64],
    ) -> Result<IkReport, IkError> {
        self.check(base_from_tool, start, solution)?;
        let mut random = ChaCha8Rng::seed_from_u64(self.options.seed);
        let mut iterations = 0;
        let mut nearest: Option<TaskError> = None;
        for attempt in 0..self.options.max_attempts {
            self.set_start(attempt, start, &mut random);
            let (error, reached) = self.descend(base_from_tool, &mut iterations)?;
            if nearest.is_none_or(|nearest| reached || error.cost() < nearest.cost()) {
                nearest = Some(error);
                solution.copy_from_slice(&self.positions);
            }
            if reached {
                return Ok(IkReport {
                    iterations,
                    attempts: attempt + 1,
                    position_error_m: error.position_m,
                    rotation_error_rad: error.rotation_rad,
                });
            }
        }
        Err(IkError::NotReached {
            position_error_m: nearest.map_or(f64::INFINITY, |error| error.position_m),
            rotation_error_rad: nearest.map_or(f64::INFINITY, |error| error.rotation_rad),
            attempts: self.options.max_attempts,
        })
    }

    fn check(
        &self,
        target: &Isometry3<f64>,
        start: &[f64],
        solution: &[f64],
    ) -> Result<(), IkError> {
        let expected = self.chain.dof();
        let preferred = self.options.preferred.as_ref().map_or(expected, Vec::len);
        for (what, actual) in
            [("start", start.len()), ("solution", solution.len()), ("preferred", preferred)]
        {
            if actual != expected {
                return Err(IkError::Length { what, expected, actual });
            }
        }
        if !target.to_homogeneous().iter().all(|value| value.is_finite()) {
            return Err(IkError::NotFinite { what: "target" });
        }
        if !start.iter().all(|value| value.is_finite()) {
            return Err(IkError::NotFinite { what: "start" });
        }
        Ok(())
    }

    fn set_start(&mut self, attempt: u32, start: &[f64], random: &mut ChaCha8Rng) {
        match (attempt, &self.options.preferred) {
            (0, _) => self.positions.copy_from_slice(start),
            (1, Some(preferred)) => self.positions.copy_from_slice(preferred),
            _ => {
                for index in 0..self.positions.len() {
                    let (lower, upper) = (self.lower[index], self.upper[index]);
                    let (lower, upper) = if lower.is_finite() && upper.is_finite() {
                        (lower, upper)
                    } else {
                        (-std::f64::consts::PI, std::f64::consts::PI)
                    };
                    self.positions[index] = random.random_range(lower..=upper);
                }
            }
        }
        for index in 0..self.positions.len() {
            self.positions[index] =
                self.positions[index].max(self.lower[index]).min(self.upper[index]);
        }
    }

    /// Steps from `self.positions` until the target is reached or no progress is made.
    fn descend(
        &mut self,
        target: &Isometry3<f64>,
        iterations: &mut u32,
    ) -> Result<(TaskError, bool), IkError> {
        let mut best_cost = f64::INFINITY;
        let mut idle = 0;
        let mut iteration = 0;
        loop {
            let pose = self.chain.jacobian(&self.positions, &mut self.jacobian).map_err(|_| {
                IkError::Length {
                    what: "start",
                    expected: self.chain.dof(),
                    actual: self.positions.len(),
                }
            })?;
            let error = self.task_error(&pose, target);
            let reached = error.position_m <= self.options.position_tolerance_m
                && error.rotation_rad <= self.options.rotation_tolerance_rad;
            // Once there, half of the steps may still improve the posture.
            if reached && (iteration >= self.options.max_iterations / 2 || !self.has_freedom()) {
                return Ok((error, true));
            }
            if iteration >= self.options.max_iterations || idle > PATIENCE {
                return Ok((error, reached));
            }
            let cost = error.cost();
            if cost < 0.95 * best_cost {
                best_cost = cost;
                idle = 0;
            } else if !reached {
                idle += 1;
            }
            self.express_in_tool(&pose.rotation);
            let posture_change = self.take_step(&error);
            if reached && posture_change < 1e-4 {
                return Ok((error, true));
            }
            iteration += 1;
            *iterations += 1;
        }
    }

    /// True if the task leaves freedom that the preferred posture can use.
    fn has_freedom(&self) -> bool {
        let rows = match self.options.constraint {
            IkConstraint::Pose => 6,
            IkConstraint::Pointing => 5,
            IkConstraint::Position => 3,
        };
        self.options.preferred.is_some() && self.chain.dof() > rows
    }

    fn task_error(&self, pose: &Isometry3<f64>, target: &Isometry3<f64>) -> TaskError {
        let linear =
            pose.rotation.inverse() * (target.translation.vector - pose.translation.vector);
        let tool_from_target = pose.rotation.inverse() * target.rotation;
        let angular = match self.options.constraint {
            IkConstraint::Pose => tool_from_target.scaled_axis(),
            // The shortest turn that lays one x axis on the other; it has no part about x.
            IkConstraint::Pointing => {
                UnitQuaternion::rotation_between(&Vector3::x(), &(tool_from_target * Vector3::x()))
                    .map_or(Vector3::y() * std::f64::consts::PI, |turn| turn.scaled_axis())
            }
            IkConstraint::Position => Vector3::zeros(),
        };
        let mut vector = Vector6::zeros();
        vector.fixed_rows_mut::<3>(0).copy_from(&linear);
        vector.fixed_rows_mut::<3>(3).copy_from(&(angular * ROTATION_WEIGHT_M));
        TaskError { vector, position_m: linear.norm(), rotation_rad: angular.norm() }
    }

    /// Turns the Jacobian's columns into the tool's frame, weighs rotation, and clears the rows that are free.
    fn express_in_tool(&mut self, base_from_tool: &UnitQuaternion<f64>) {
        let tool_from_base = base_from_tool.inverse();
        let free_rows: &[usize] = match self.options.constraint {
            IkConstraint::Pose => &[],
            IkConstraint::Pointing => &[3],
            IkConstraint::Position => &[3, 4, 5],
        };
        for mut column in self.jacobian.column_iter_mut() {
            let linear = tool_from_base * column.fixed_rows::<3>(0).into_owned();
            let angular =
                tool_from_base * column.fixed_rows::<3>(3).into_owned() * ROTATION_WEIGHT_M;
            column.fixed_rows_mut::<3>(0).copy_from(&linear);
            column.fixed_rows_mut::<3>(3).copy_from(&angular);
            for &row in free_rows {
                column[row] = 0.0;
            }
        }
    }

    /// One damped step within the limits. Returns the largest part of it that only changes the posture.
    fn take_step(&mut self, error: &TaskError) -> f64 {
        let dof = self.positions.len();
        let damping = 0.1 * error.cost() + 1e-9;
        self.locked.fill(false);
        self.step.fill(0.0);
        let mut posture_change = 0.0;
        // Each round locks one joint at least, or is the last.
        for _ in 0..=dof {
            posture_change = self.free_step(error, damping);
            let mut locked_any = false;
            for index in 0..dof {
                if self.locked[index] {
                    continue;
                }
                let next = self.positions[index] + self.free_step[index];
                let limited = next.max(self.lower[index]).min(self.upper[index]);
                if limited != next {
                    self.locked[index] = true;
                    self.step[index] = limited - self.positions[index];
                    locked_any = true;
                }
            }
            if !locked_any {
                break;
            }
        }
        for index in 0..dof {
            if !self.locked[index] {
                self.step[index] = self.free_step[index];
            }
        }
        let largest = self.step.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let scale = if largest > MAX_STEP { MAX_STEP / largest } else { 1.0 };
        for index in 0..dof {
            let next = self.positions[index] + scale * self.step[index];
            self.positions[index] = next.max(self.lower[index]).min(self.upper[index]);
        }
        posture_change
    }

    /// Fills `free_step` for the joints that are not locked: `J⁺ (e - J_locked step) + (I - J⁺ J) posture`.
    fn free_step(&mut self, error: &TaskError, damping: f64) -> f64 {
        let dof = self.positions.len();
        let mut normal = Matrix6::identity() * damping;
        let mut remaining = error.vector;
        for index in 0..dof {
            let column: Vector6<f64> = self.jacobian.column(index).into_owned();
            if self.locked[index] {
                remaining -= column * self.step[index];
            } else {
                normal += column * column.transpose();
            }
        }
        // The sum of a positive multiple of the identity and squares is positive definite.
        let Some(factors) = normal.cholesky() else {
            self.free_step.fill(0.0);
            return 0.0;
        };
        let task = factors.solve(&remaining);
        let mut pulled = Vector6::zeros();
        if let Some(preferred) = &self.options.preferred {
            for index in (0..dof).filter(|index| !self.locked[*index]) {
                let pull = self.options.preferred_gain * (preferred[index] - self.positions[index]);
                pulled += self.jacobian.column(index) * pull;
            }
        }
        let pulled = factors.solve(&pulled);
        let mut posture_change: f64 = 0.0;
        for index in 0..dof {
            if self.locked[index] {
                self.free_step[index] = 0.0;
                continue;
            }
            let column = self.jacobian.column(index);
            let mut step = column.dot(&task);
            if let Some(preferred) = &self.options.preferred {
                let pull = self.options.preferred_gain * (preferred[index] - self.positions[index]);
                let posture = pull - column.dot(&pulled);
                posture_change = posture_change.max(posture.abs());
                step += posture;
            }
            self.free_step[index] = step;
        }
        posture_change
    }
}
