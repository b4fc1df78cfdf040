use std::f64::consts::{FRAC_PI_2, PI};
use std::time::Duration;

use nalgebra::{Isometry3, Point3, Translation3, UnitQuaternion, Vector3};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use sinew_policy::{CommandInputs, ToolError, tool_error};
use sinew_robot::{Chain, IkOptions, IkSolver, RobotModel};
use sinew_types::RobotState;

use crate::episode::{Offset, Task};
use crate::{ReachExpert, RecordError};

/// The arm's tool goes to a pose over a table: mostly pointing down, with any yaw.
pub struct ReachTask {
    chain: Chain,
    expert: ReachExpert,
    solver: IkSolver,
    /// Indices of the arm's joints in the layout, which is that of the model.
    joints: Vec<usize>,
    named: Vec<Isometry3<f64>>,
    roll_limits_rad: [f64; 2],
    start: Isometry3<f64>,
    target: Isometry3<f64>,
}

/// Targets in the base frame, m: over tables and bins before the robot.
const X_M: [f64; 2] = [0.36, 0.90];
const Y_M: [f64; 2] = [-0.42, 0.42];
const Z_M: [f64; 2] = [0.33, 0.85];
/// Largest tilt from pointing down about each axis, in the share of targets that are tilted, rad.
const MAX_TILT_RAD: f64 = 0.2;
/// Distance that a solution keeps from the joint limits, rad.
const MARGIN_RAD: f64 = 0.05;
/// A pointing-down target whose solution rolls the forearm more is on another branch, rad.
const MAX_FOREARM_ROLL_RAD: f64 = 0.8;

/// A target that stretches the arm farther than this is at the edge of what it reaches, rad.
const MIN_ELBOW_RAD: f64 = 0.3;

impl ReachTask {
    /// The task for a robot whose group `arm` has a chain and configurations `home` and `ready`.
    ///
    /// # Errors
    /// [`RecordError::Robot`] names what is missing.
    pub fn new(robot: &RobotModel, period: Duration) -> Result<Self, RecordError> {
        let arm = robot.group("arm")?;
        let chain = robot.chain("arm")?;
        let roll = chain.limits().last();
        let unsuitable = RecordError::Unsuitable { task: "reach", needed: "an arm with joints" };
        let roll = roll.ok_or(unsuitable)?;
        let ready = arm.configuration("ready")?.to_vec();
        let home = chain.base_from_tool(arm.configuration("home")?)?;
        let named = vec![home, chain.base_from_tool(&ready)?];
        let options = IkOptions { preferred: Some(ready), max_attempts: 1, ..IkOptions::default() };
        Ok(Self {
            expert: ReachExpert::new(chain.clone(), period.as_secs_f64())?,
            solver: IkSolver::new(chain.clone(), options),
            joints: chain.joints().collect(),
            chain,
            named,
            roll_limits_rad: [roll.lower, roll.upper],
            start: home,
            target: home,
        })
    }

    fn positions(&self, state: &RobotState) -> Vec<f64> {
        self.joints.iter().map(|joint| state.joints[*joint].position).collect()
    }

    fn error(&self, positions: &[f64]) -> Result<ToolError, RecordError> {
        let base_from_tool = self.chain.base_from_tool(positions)?;
        let roll = positions.last().copied().unwrap_or_default();
        Ok(tool_error(&base_from_tool, &self.target, roll, self.roll_limits_rad))
    }

    /// A pose over the table, a named one, or one right above or below the tool.
    fn draw(&self, rng: &mut ChaCha8Rng, base_from_tool: &Isometry3<f64>) -> Isometry3<f64> {
        let kind: f64 = rng.random();
        if kind < 0.12 {
            return self.named[rng.random_range(0..self.named.len())];
        }
        if kind < 0.35 {
            let up = rng.random_range(-0.22..0.22);
            return Translation3::new(0.0, 0.0, up) * base_from_tool;
        }
        let position = Translation3::new(
            rng.random_range(X_M[0]..X_M[1]),
            rng.random_range(Y_M[0]..Y_M[1]),
            rng.random_range(Z_M[0]..Z_M[1]),
        );
        let down = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), rng.random_range(-PI..PI))
            * UnitQuaternion::from_axis_angle(&Vector3::y_axis(), FRAC_PI_2);
        let tilt = if kind < 0.85 {
            UnitQuaternion::identity()
        } else {
            let axis = Vector3::from_fn(|_, _| rng.random_range(-1.0..1.0_f64));
            UnitQuaternion::from_scaled_axis(axis * MAX_TILT_RAD)
        };
        Isometry3::from_parts(position, tilt * down)
    }

    /// Whether the arm gets there without turning its forearm over.
    fn is_reachable(&mut self, target: &Isometry3<f64>) -> bool {
        let start = self.solver.options().preferred.clone().unwrap_or_default();
        let mut start = start;
        start[0] = target.translation.y.atan2(target.translation.x - 0.16);
        self.solver.solve(target, &start).is_ok_and(|solution| {
            let room =
                solution.positions.iter().zip(self.chain.limits()).all(|(p, limit)| {
                    *p > limit.lower + MARGIN_RAD && *p < limit.upper - MARGIN_RAD
                });
            room && solution.positions[2] > MIN_ELBOW_RAD
                && solution.positions[3].abs() < MAX_FOREARM_ROLL_RAD
        })
    }
}

impl Task for ReachTask {
    fn next_goal(&mut self, rng: &mut ChaCha8Rng, state: &RobotState) -> Result<(), RecordError> {
        const ATTEMPTS: u32 = 1000;
        self.start = self.chain.base_from_tool(&self.positions(state))?;
        for _ in 0..ATTEMPTS {
            let target = self.draw(rng, &self.start.clone());
            let low = target.translation.z < Z_M[0] - 0.02;
            if !low && (self.named.contains(&target) || self.is_reachable(&target)) {
                self.target = target;
                return Ok(());
            }
        }
        Err(RecordError::NoGoal { task: "reach", attempts: ATTEMPTS })
    }

    fn inputs(&self, state: &RobotState, inputs: &mut CommandInputs) -> Result<(), RecordError> {
        let error = self.error(&self.positions(state))?;
        inputs.set("tool_position_error", &error.position, state.stamp)?;
        Ok(inputs.set("tool_rotation_error", &error.rotation, state.stamp)?)
    }

    fn expert(&mut self, state: &RobotState, wanted: &mut [f64]) -> Result<(), RecordError> {
        let positions = self.positions(state);
        let error = self.error(&positions)?;
        wanted.copy_from_slice(&self.expert.delta(&positions, &error)?);
        Ok(())
    }

    fn offset(&self, state: &RobotState) -> Result<Offset, RecordError> {
        let positions = self.positions(state);
        let error = self.error(&positions)?;
        let tool = Point3::from(self.chain.base_from_tool(&positions)?.translation.vector);
        let start = Point3::from(self.start.translation.vector);
        let line = self.target.translation.vector - start.coords;
        let aside =
            (tool - start) - line * line.dot(&(tool - start)) / line.norm_squared().max(1e-9);
        Ok(Offset {
            distance_m: error.distance_m(),
            angle_rad: error.angle_rad(),
            aside_m: if line.norm() < 0.01 { 0.0 } else { aside.norm() },
        })
    }

    fn tolerance(&self) -> Offset {
        Offset { distance_m: 0.003, angle_rad: 0.03, aside_m: f64::INFINITY }
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(6)
    }
}
