use std::f64::consts::PI;

use sinew_policy::GoalInBase;
use sinew_types::BaseTwist;

/// Drives a differential drive to a pose: turn towards it, drive, turn to the final heading.
///
/// It has no memory of phases: the forward speed is always towards the goal, so that the distance
/// never grows, and the turn is blended from "face the goal" to "final heading" as the distance
/// shrinks. A goal close behind is reached backwards.
#[derive(Clone, Copy, Debug, Default)]
pub struct DriveExpert;

/// m/s.
const MAX_SPEED_M_S: f64 = 0.55;
/// rad/s.
const MAX_TURN_RAD_S: f64 = 1.1;
/// How fast a small distance shrinks, 1/s; times the speed, it is the braking deceleration.
const DRIVE_GAIN_1_S: f64 = 1.4;
/// How fast a small heading error shrinks, 1/s.
const TURN_GAIN_1_S: f64 = 2.2;
/// Farther than the second the goal is faced, nearer than the first no more, m.
const FACE_M: [f64; 2] = [0.015, 0.028];
/// Nearer than the first the final heading is taken up, farther than the second not yet, m.
///
/// The two hardly overlap: where both pull, facing and heading could cancel each other out.
const HEADING_M: [f64; 2] = [0.008, 0.018];
/// Nearer than this, a goal behind is reached backwards, m.
const BACKWARDS_M: f64 = 0.45;
/// Bearing beyond which a near goal is behind, rad.
const BEHIND_RAD: f64 = 1.9;
/// How far the commanded velocity may be ahead of the measured one: m/s and rad/s.
const AHEAD: [f64; 2] = [0.16, 0.40];

impl DriveExpert {
    /// The velocity of this tick; `measured` is the base's own velocity.
    pub fn twist(self, goal: &GoalInBase, measured: &BaseTwist) -> BaseTwist {
        let distance = goal.distance_m();
        let bearing = goal.position[1].atan2(goal.position[0]);
        let face = ramp(distance, FACE_M);
        let heading = 1.0 - ramp(distance, HEADING_M);

        let backwards = distance < BACKWARDS_M && bearing.abs() > BEHIND_RAD;
        let facing = if backwards { bearing - PI.copysign(bearing) } else { bearing };
        // Slow until the goal is faced; once there, any motion towards it is good.
        let gate = face * facing.cos().max(0.0).powi(3) + (1.0 - face);
        let speed = MAX_SPEED_M_S * (DRIVE_GAIN_1_S * distance / MAX_SPEED_M_S).tanh() * gate;
        let forward = speed * bearing.cos();
        let turn = face * saturated(facing) + heading * saturated(goal.yaw_rad());
        BaseTwist {
            linear_x: near(forward, measured.linear_x, AHEAD[0]),
            linear_y: 0.0,
            angular_z: near(turn, measured.angular_z, AHEAD[1]),
        }
    }
}

fn saturated(angle_rad: f64) -> f64 {
    MAX_TURN_RAD_S * (TURN_GAIN_1_S * angle_rad / MAX_TURN_RAD_S).tanh()
}

fn near(wanted: f64, measured: f64, ahead: f64) -> f64 {
    wanted.clamp(measured - ahead, measured + ahead)
}

/// 0 up to the first bound, 1 from the second on, smooth between.
fn ramp(value: f64, [low, high]: [f64; 2]) -> f64 {
    let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
    share * share * (3.0 - 2.0 * share)
}
