use nalgebra::{DVector, Matrix6, UnitQuaternion, Vector3, Vector6};
use sinew_robot::{Chain, Jacobian, Kinematics};
use sinew_types::{ActuatorCommand, RobotState};

use super::{Context, Jog};
use crate::joint_targets::JointTargets;
use crate::set_points::SetPoints;
use crate::signal::Signal;

/// Weight of rotation against translation, m/rad: about the lever of a gripper and what it holds.
const ROTATION_WEIGHT_M: f64 = 0.3;
/// Where the smallest singular value of the weighted Jacobian is below this, m per joint unit, it is
/// damped.
const NEAR_SINGULAR: f64 = 0.06;
/// Damping at a singularity, m per joint unit.
const MAX_DAMPING: f64 = 0.06;
/// A joint this near to its limit, rad or m, does not move towards it.
const LIMIT_MARGIN: f64 = 1e-3;

/// Moves a chain's tool along and about the axes of a frame.
pub(crate) struct CartesianJog {
    targets: JointTargets,
    chain: Chain,
    kinematics: Kinematics,
    /// Links, by index: the chain's base, and the frame of the motion.
    base: usize,
    frame: usize,
    /// Linear along x, y, z, then angular about them.
    signals: [Option<Signal>; 6],
    jacobian: Jacobian,
    positions: Vec<f64>,
}

impl CartesianJog {
    pub(crate) fn new(
        targets: JointTargets,
        chain: Chain,
        kinematics: Kinematics,
        [base, frame]: [usize; 2],
        signals: [Option<Signal>; 6],
    ) -> Self {
        let jacobian = chain.new_jacobian();
        Self { targets, chain, kinematics, base, frame, signals, jacobian, positions: Vec::new() }
    }

    /// Rotation from the frame of the motion to the chain's base frame.
    fn base_from_frame(&mut self, robot: &RobotState) -> UnitQuaternion<f64> {
        self.positions.clear();
        self.positions.extend(robot.joints.iter().map(|joint| joint.position));
        // The layout that states follow has the model's joints: checked when the mode was made.
        if self.kinematics.update(&self.positions).is_err() {
            return UnitQuaternion::identity();
        }
        let poses = self.kinematics.base_from_link();
        poses[self.base].rotation.inverse() * poses[self.frame].rotation
    }

    /// Joint velocities that give the tool this velocity, as far as limits and singularities let it.
    fn joint_velocities(&mut self, linear: Vector3<f64>, angular: Vector3<f64>) -> Vec<f64> {
        let dof = self.chain.dof();
        if self.chain.jacobian(self.targets.positions(), &mut self.jacobian).is_err() {
            return vec![0.0; dof];
        }
        let mut wanted = Vector6::zeros();
        wanted.fixed_rows_mut::<3>(0).copy_from(&linear);
        wanted.fixed_rows_mut::<3>(3).copy_from(&(angular * ROTATION_WEIGHT_M));
        for mut column in self.jacobian.column_iter_mut() {
            let weighted = column.fixed_rows::<3>(3) * ROTATION_WEIGHT_M;
            column.fixed_rows_mut::<3>(3).copy_from(&weighted);
        }
        let mut velocities = damped_least_squares(&self.jacobian, &wanted);
        // A joint that stands at its limit is taken out, and the others do without it.
        for _ in 0..dof {
            let mut locked = false;
            for (i, limits) in self.targets.limits().iter().enumerate() {
                let position = self.targets.positions()[i];
                let outwards = (position > limits.upper - LIMIT_MARGIN && velocities[i] > 0.0)
                    || (position < limits.lower + LIMIT_MARGIN && velocities[i] < 0.0);
                if outwards {
                    self.jacobian.column_mut(i).fill(0.0);
                    locked = true;
                }
            }
            if !locked {
                break;
            }
            velocities = damped_least_squares(&self.jacobian, &wanted);
        }
        // Scaled as a whole, so that the direction is kept where a joint is too slow.
        let excess = velocities
            .iter()
            .zip(self.targets.max_velocity())
            .map(|(velocity, most)| velocity.abs() / most)
            .fold(1.0, f64::max);
        velocities.iter().map(|velocity| velocity / excess).collect()
    }
}

/// `J^T (J J^T + lambda^2 I)^-1 v` with a damping that sets in near singularities only (Chiaverini,
/// Siciliano, Egeland, "Review of the damped least-squares inverse kinematics", 1994).
fn damped_least_squares(jacobian: &Jacobian, wanted: &Vector6<f64>) -> DVector<f64> {
    let gram: Matrix6<f64> = jacobian * jacobian.transpose();
    let smallest = gram.symmetric_eigenvalues().min().max(0.0).sqrt();
    let share = (smallest / NEAR_SINGULAR).min(1.0);
    // Never quite zero: an arm of fewer than six joints is always singular.
    let damping = MAX_DAMPING.powi(2) * (1.0 - share * share) + 1e-9;
    let damped = gram + Matrix6::identity() * damping;
    damped.cholesky().map_or_else(
        || DVector::zeros(jacobian.ncols()),
        |c| jacobian.transpose() * c.solve(wanted),
    )
}

impl Jog for CartesianJog {
    fn start(&mut self, robot: &RobotState, last: &SetPoints) {
        self.targets.start(robot, last);
    }

    fn step(&mut self, cx: &Context<'_>, out: &mut ActuatorCommand) {
        let mut asked = [0.0; 6];
        for (asked, signal) in asked.iter_mut().zip(&self.signals) {
            *asked = signal.as_ref().map_or(0.0, |signal| signal.value(cx.reader, cx.pad));
        }
        let base_from_frame = self.base_from_frame(cx.robot);
        let [x, y, z, roll, pitch, yaw] = asked;
        let linear = base_from_frame * Vector3::new(x, y, z);
        let angular = base_from_frame * Vector3::new(roll, pitch, yaw);
        let wanted = self.joint_velocities(linear, angular);
        self.targets.advance(&wanted, cx.dt, cx.robot);
        self.targets.write(out);
    }
}
