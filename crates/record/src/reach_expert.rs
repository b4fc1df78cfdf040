use nalgebra::{Matrix6, Vector3, Vector6};
use sinew_policy::ToolError;
use sinew_robot::{Chain, Jacobian, JointLimits, RobotError};

/// Moves the tool along a straight line to a target pose, by damped least squares.
///
/// It is a function of the joint positions and of the saturated error alone, so that a network that
/// sees these can learn it.
#[derive(Clone, Debug)]
pub struct ReachExpert {
    chain: Chain,
    limits: Vec<JointLimits>,
    jacobian: Jacobian,
    period_s: f64,
}

/// Speed of the tool far from the target, m/s.
const MAX_SPEED_M_S: f64 = 0.40;
/// Rate of turn of the tool far from the target, rad/s.
const MAX_TURN_RAD_S: f64 = 1.6;
/// How fast a small error shrinks, 1/s; the servos and one tick of delay allow about twice as much.
const GAIN_1_S: f64 = 5.0;
/// The error as the policy sees it; see `max_norm` in the manifest.
const SEEN_DISTANCE_M: f64 = 0.15;
/// See `SEEN_DISTANCE_M`.
const SEEN_ANGLE_RAD: f64 = 0.8;
/// Weight of rotation against translation, m/rad.
const ROTATION_WEIGHT_M: f64 = 0.3;
/// Damping near singular configurations, in the units of the weighted Jacobian.
const DAMPING: f64 = 0.03;
/// Share of its velocity limit that a joint may use.
const VELOCITY_SHARE: f64 = 0.7;
/// Distance from its limits at which a joint is slowed, rad.
const LIMIT_MARGIN_RAD: f64 = 0.1;
/// Index of the forearm's roll joint, which is kept near 0 where that costs nothing.
const FOREARM_ROLL: usize = 3;

impl ReachExpert {
    /// An expert for an arm of six joints whose fourth rolls the forearm.
    ///
    /// # Errors
    /// [`RobotError::Length`] if the chain has another number of joints.
    pub fn new(chain: Chain, period_s: f64) -> Result<Self, RobotError> {
        if chain.dof() != 6 {
            let (expected, actual) = (6, chain.dof());
            return Err(RobotError::Length { what: "joints of the arm", expected, actual });
        }
        let limits = chain.limits().collect();
        let jacobian = chain.new_jacobian();
        Ok(Self { chain, limits, jacobian, period_s })
    }

    /// The change of each joint in this tick, rad.
    ///
    /// # Errors
    /// [`RobotError::Length`] if `positions` has not six values.
    pub fn delta(&mut self, positions: &[f64], error: &ToolError) -> Result<[f64; 6], RobotError> {
        let base_from_tool = self.chain.jacobian(positions, &mut self.jacobian)?;
        let velocity = twist(error);
        // The error is in the tool frame, the Jacobian in the base frame.
        let linear = base_from_tool.rotation * velocity.fixed_rows::<3>(0);
        let angular = base_from_tool.rotation * velocity.fixed_rows::<3>(3);
        let mut wanted = Vector6::zeros();
        wanted.fixed_rows_mut::<3>(0).copy_from(&linear);
        wanted.fixed_rows_mut::<3>(3).copy_from(&(angular * ROTATION_WEIGHT_M));
        let mut jacobian = Matrix6::zeros();
        for column in 0..6 {
            for row in 0..6 {
                let weight = if row < 3 { 1.0 } else { ROTATION_WEIGHT_M };
                jacobian[(row, column)] = self.jacobian[(row, column)] * weight;
            }
        }
        let mut rates = solve(&jacobian, &wanted, positions[FOREARM_ROLL]);
        self.respect_limits(positions, &jacobian, &wanted, &mut rates);
        Ok(std::array::from_fn(|i| rates[i] * self.period_s))
    }

    /// Joints that near a limit are taken out of the solution; then all are slowed together.
    fn respect_limits(
        &self,
        positions: &[f64],
        jacobian: &Matrix6<f64>,
        wanted: &Vector6<f64>,
        rates: &mut Vector6<f64>,
    ) {
        let mut free = *jacobian;
        let mut rest = *wanted;
        let mut bounded = [None; 6];
        for i in 0..6 {
            let limit = &self.limits[i];
            let room = if rates[i] > 0.0 {
                limit.upper - positions[i]
            } else {
                positions[i] - limit.lower
            };
            // Slower towards a limit, never past it.
            let allowed = (room * GAIN_1_S).max(0.0);
            if room < LIMIT_MARGIN_RAD && rates[i].abs() > allowed {
                let rate = allowed.copysign(rates[i]);
                bounded[i] = Some(rate);
                rest -= free.column(i) * rate;
                free.column_mut(i).fill(0.0);
            }
        }
        if bounded.iter().any(Option::is_some) {
            *rates = solve(&free, &rest, positions[FOREARM_ROLL]);
            for (i, bound) in bounded.iter().enumerate() {
                if let Some(rate) = bound {
                    rates[i] = *rate;
                }
            }
        }
        let mut slow = 1.0_f64;
        for (rate, limit) in rates.iter().zip(&self.limits) {
            slow = slow.min(VELOCITY_SHARE * limit.max_velocity / rate.abs().max(1e-9));
        }
        *rates *= slow.min(1.0);
    }
}

/// The tool's velocity towards the target, m/s and rad/s, in the tool frame.
fn twist(error: &ToolError) -> Vector6<f64> {
    let toward = |error: [f64; 3], seen: f64, fastest: f64| {
        let error = Vector3::from(error);
        let norm = error.norm();
        if norm < 1e-9 {
            return Vector3::zeros();
        }
        error / norm * (fastest * (GAIN_1_S * norm.min(seen) / fastest).tanh())
    };
    let mut velocity = Vector6::zeros();
    let linear = toward(error.position, SEEN_DISTANCE_M, MAX_SPEED_M_S);
    velocity.fixed_rows_mut::<3>(0).copy_from(&linear);
    let angular = toward(error.rotation, SEEN_ANGLE_RAD, MAX_TURN_RAD_S);
    velocity.fixed_rows_mut::<3>(3).copy_from(&angular);
    velocity
}

/// Damped least squares; the forearm's roll is drawn to 0, the more the faster the tool moves.
fn solve(jacobian: &Matrix6<f64>, wanted: &Vector6<f64>, forearm_roll: f64) -> Vector6<f64> {
    let mut normal = jacobian.transpose() * jacobian;
    let mut right = jacobian.transpose() * wanted;
    for i in 0..6 {
        normal[(i, i)] += DAMPING * DAMPING;
    }
    // As a pull on one joint it weighs like the damping: it decides only what the task leaves open.
    let pull = -forearm_roll * wanted.norm() * GAIN_1_S;
    normal[(FOREARM_ROLL, FOREARM_ROLL)] += DAMPING * DAMPING;
    right[FOREARM_ROLL] += DAMPING * DAMPING * pull;
    normal.cholesky().map_or_else(Vector6::zeros, |cholesky| cholesky.solve(&right))
}
