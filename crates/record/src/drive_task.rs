use std::f64::consts::PI;
use std::time::Duration;

use nalgebra::{Isometry3, Vector3};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use sinew_policy::{CommandInputs, GoalInBase, goal_in_base};
use sinew_types::{BaseState, BaseTwist, RobotState};

use crate::episode::{Offset, Task};
use crate::{DriveExpert, RecordError};

/// The base drives to a pose on the floor, up to 4 m away in any direction.
#[derive(Clone, Debug)]
pub struct DriveTask {
    expert: DriveExpert,
    map_from_goal: Isometry3<f64>,
}

impl Default for DriveTask {
    fn default() -> Self {
        Self { expert: DriveExpert, map_from_goal: Isometry3::identity() }
    }
}

/// Goals are drawn within this, m.
const FARTHEST_M: f64 = 4.0;

fn base(state: &RobotState) -> Result<&BaseState, RecordError> {
    state.base.as_ref().ok_or(RecordError::Unsuitable { task: "drive_to", needed: "a base" })
}

impl DriveTask {
    fn goal(&self, state: &RobotState) -> Result<GoalInBase, RecordError> {
        Ok(goal_in_base(&base(state)?.map_from_base, &self.map_from_goal))
    }
}

impl Task for DriveTask {
    fn next_goal(&mut self, rng: &mut ChaCha8Rng, state: &RobotState) -> Result<(), RecordError> {
        // Short corrections are as frequent as long drives.
        let distance = match rng.random_range(0..3) {
            0 => rng.random_range(0.0..0.15),
            1 => rng.random_range(0.15..1.0),
            _ => rng.random_range(1.0..FARTHEST_M),
        };
        let bearing: f64 = rng.random_range(-PI..PI);
        let yaw = rng.random_range(-PI..PI);
        let position = Vector3::new(distance * bearing.cos(), distance * bearing.sin(), 0.0);
        let base_from_goal = Isometry3::new(position, Vector3::z() * yaw);
        self.map_from_goal = base(state)?.map_from_base * base_from_goal;
        Ok(())
    }

    fn inputs(&self, state: &RobotState, inputs: &mut CommandInputs) -> Result<(), RecordError> {
        let goal = self.goal(state)?;
        inputs.set("goal_position", &goal.position, state.stamp)?;
        Ok(inputs.set("goal_heading", &goal.heading, state.stamp)?)
    }

    fn expert(&mut self, state: &RobotState, wanted: &mut [f64]) -> Result<(), RecordError> {
        let base = base(state)?;
        let measured = BaseTwist {
            linear_x: base.linear_velocity.x,
            linear_y: base.linear_velocity.y,
            angular_z: base.angular_velocity.z,
        };
        let twist = self.expert.twist(&self.goal(state)?, &measured);
        wanted.copy_from_slice(&[twist.linear_x, twist.angular_z]);
        Ok(())
    }

    fn offset(&self, state: &RobotState) -> Result<Offset, RecordError> {
        let goal = self.goal(state)?;
        let angle_rad = goal.yaw_rad().abs();
        Ok(Offset { distance_m: goal.distance_m(), angle_rad, aside_m: 0.0 })
    }

    fn tolerance(&self) -> Offset {
        Offset { distance_m: 0.03, angle_rad: 0.05, aside_m: f64::INFINITY }
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(25)
    }
}
