//! Joint velocities for a velocity of the tool.

use nalgebra::{Isometry3, Matrix6, Vector3, Vector6};

use crate::chain::{Chain, Jacobian};
use crate::error::RobotError;
use crate::tree::JointLimits;

/// Weight of rotation against translation, m/rad: about the lever of a gripper and what it holds.
const ROTATION_WEIGHT_M: f64 = 0.3;
/// Where the smallest singular value of the weighted Jacobian is below this, m per joint unit, it is
/// damped.
const NEAR_SINGULAR: f64 = 0.06;
/// Damping at a singularity, m per joint unit.
const MAX_DAMPING: f64 = 0.06;
/// A joint this near to its limit, rad or m, does not move towards it.
const LIMIT_MARGIN: f64 = 1e-3;

/// Gives a chain's tool a velocity, by damped least squares, as far as limits and singularities let it.
#[derive(Debug, Clone)]
pub struct DifferentialIk {
    chain: Chain,
    limits: Vec<JointLimits>,
    jacobian: Jacobian,
    velocities: Vec<f64>,
}

impl DifferentialIk {
    /// A solver for a chain, whose joints may be as fast as their limits say times `velocity_scale`.
    pub fn new(chain: Chain, velocity_scale: f64) -> Self {
        let mut limits: Vec<_> = chain.limits().collect();
        for limit in &mut limits {
            limit.max_velocity *= velocity_scale;
        }
        let jacobian = chain.new_jacobian();
        Self { velocities: vec![0.0; chain.dof()], limits, jacobian, chain }
    }

    /// The chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Velocities of the joints, from base to tool, rad/s or m/s, that move the tool's origin with `linear`, m/s,
    /// and turn it with `angular`, rad/s, both in the chain's base frame. Where a joint is too slow all are
    /// scaled, so that the direction is kept. Real-time safe.
    ///
    /// # Errors
    /// [`RobotError::Length`] if `positions` has not one value per joint of the chain.
    pub fn velocities(
        &mut self,
        positions: &[f64],
        linear: Vector3<f64>,
        angular: Vector3<f64>,
    ) -> Result<&[f64], RobotError> {
        self.solve(positions, |_| (linear, angular))
    }

    /// The same for a velocity in the tool's own frame.
    ///
    /// # Errors
    /// As [`Self::velocities`].
    pub fn velocities_in_tool(
        &mut self,
        positions: &[f64],
        linear: Vector3<f64>,
        angular: Vector3<f64>,
    ) -> Result<&[f64], RobotError> {
        self.solve(positions, |tool| (tool.rotation * linear, tool.rotation * angular))
    }

    fn solve(
        &mut self,
        positions: &[f64],
        twist: impl FnOnce(&Isometry3<f64>) -> (Vector3<f64>, Vector3<f64>),
    ) -> Result<&[f64], RobotError> {
        let base_from_tool = self.chain.jacobian(positions, &mut self.jacobian)?;
        let (linear, angular) = twist(&base_from_tool);
        let mut wanted = Vector6::zeros();
        wanted.fixed_rows_mut::<3>(0).copy_from(&linear);
        wanted.fixed_rows_mut::<3>(3).copy_from(&(angular * ROTATION_WEIGHT_M));
        for mut column in self.jacobian.column_iter_mut() {
            let weighted = column.fixed_rows::<3>(3) * ROTATION_WEIGHT_M;
            column.fixed_rows_mut::<3>(3).copy_from(&weighted);
        }
        self.damped_least_squares(&wanted);
        // A joint that stands at its limit is taken out, and the others do without it.
        for _ in 0..self.limits.len() {
            let mut locked = false;
            for (i, limits) in self.limits.iter().enumerate() {
                let (position, velocity) = (positions[i], self.velocities[i]);
                let outwards = (position > limits.upper - LIMIT_MARGIN && velocity > 0.0)
                    || (position < limits.lower + LIMIT_MARGIN && velocity < 0.0);
                if outwards {
                    self.jacobian.column_mut(i).fill(0.0);
                    locked = true;
                }
            }
            if !locked {
                break;
            }
            self.damped_least_squares(&wanted);
        }
        let excess = self
            .velocities
            .iter()
            .zip(&self.limits)
            .map(|(velocity, limits)| velocity.abs() / limits.max_velocity)
            .fold(1.0, f64::max);
        self.velocities.iter_mut().for_each(|velocity| *velocity /= excess);
        Ok(&self.velocities)
    }

    /// `J^T (J J^T + lambda^2 I)^-1 v` with a damping that sets in near singularities only (Chiaverini,
    /// Siciliano, Egeland, "Review of the damped least-squares inverse kinematics", 1994).
    fn damped_least_squares(&mut self, wanted: &Vector6<f64>) {
        let mut gram: Matrix6<f64> = Matrix6::zeros();
        for column in self.jacobian.column_iter() {
            let column: Vector6<f64> = column.into_owned();
            gram += column * column.transpose();
        }
        let smallest = gram.symmetric_eigenvalues().min().max(0.0).sqrt();
        let share = (smallest / NEAR_SINGULAR).min(1.0);
        // Never quite zero: an arm of fewer than six joints is always singular.
        let damping = MAX_DAMPING.powi(2) * (1.0 - share * share) + 1e-9;
        let damped = gram + Matrix6::identity() * damping;
        let solved = damped.cholesky().map_or_else(Vector6::zeros, |c| c.solve(wanted));
        for (velocity, column) in self.velocities.iter_mut().zip(self.jacobian.column_iter()) {
            *velocity = column.dot(&solved);
        }
    }
}
